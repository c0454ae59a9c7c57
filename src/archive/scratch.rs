//! The memory that unpacking takes: buffers of one thread, and a budget that all threads share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::inflate::Inflater;

/// Buffers that one thread uses for one entry after the other.
pub struct Scratch {
    pub(super) compressed: Vec<u8>,
    pub(super) content: Vec<u8>,
    pub(super) inflater: Inflater,
    pub(super) budget: Arc<Budget>,
}

impl Scratch {
    /// Empty buffers without a budget for large entries.
    pub fn new() -> Self {
        Self::sharing(&Arc::new(Budget::new(0)))
    }

    /// Empty buffers for one of several threads that share `budget`.
    pub fn sharing(budget: &Arc<Budget>) -> Self {
        Self {
            compressed: Vec::new(),
            content: Vec::new(),
            inflater: Inflater::new(),
            budget: Arc::clone(budget),
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// How many bytes all threads together may hold in addition to their own buffers: a large entry is
/// unpacked faster as a whole than in pieces.
#[derive(Debug)]
pub struct Budget(AtomicU64);

impl Budget {
    /// A budget of `bytes`.
    pub fn new(bytes: u64) -> Self {
        Self(AtomicU64::new(bytes))
    }

    /// Takes `bytes` if as many are left; returns whether it did.
    pub(super) fn take(&self, bytes: u64) -> bool {
        // Relaxed: the number is all that threads share here. It guards no other memory, and each
        // thread fills a buffer of its own.
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            })
            .is_ok()
    }

    /// Returns `bytes` that were taken.
    pub(super) fn give_back(&self, bytes: u64) {
        // Relaxed: see `take`.
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Makes `buffer` at least `length` bytes long.
pub(super) fn grow(buffer: &mut Vec<u8>, length: usize) {
    if buffer.is_empty() {
        // A new allocation of zeros comes straight from the system, which has zeroed the pages
        // anyway; `resize` would write them once more.
        *buffer = vec![0; length];
    } else if buffer.len() < length {
        buffer.resize(length, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_never_overdrawn() {
        let budget = Budget::new(10);
        assert!(budget.take(6) && !budget.take(5) && budget.take(4) && !budget.take(1));
        budget.give_back(6);
        assert!(budget.take(6) && budget.take(0));
    }
}

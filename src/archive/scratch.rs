//! The buffers of one thread that unpacks.

use super::inflate::Inflater;
use crate::threads::SpareThreads;

/// Buffers that one thread uses for one entry after the other.
pub struct Scratch {
    pub(super) compressed: Vec<u8>,
    pub(super) content: Vec<u8>,
    pub(super) inflater: Inflater,
    /// The threads that may help with a huge entry.
    pub(super) spare: Option<SpareThreads>,
}

impl Scratch {
    /// Empty buffers, which grow when they are used.
    pub fn new() -> Self {
        Self {
            compressed: Vec::new(),
            content: Vec::new(),
            inflater: Inflater::new(),
            spare: None,
        }
    }

    /// The same, for a thread of several that take one work after the other: as soon as one of the
    /// others has nothing to do, it is replaced by one that helps with a huge entry.
    pub fn with_help(spare: SpareThreads) -> Self {
        Self {
            spare: Some(spare),
            ..Self::new()
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
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

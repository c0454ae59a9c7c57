//! How much was asked of servers, and how often an answer had to be waited for.
//!
//! Input: the beginning and the end of each request, and the bytes that come. Output: [`Asked`].

use std::sync::atomic::{AtomicU64, Ordering};

/// What was asked of servers so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    /// How many requests were made.
    pub requests: u64,
    /// How many bytes their bodies had, as they were sent.
    pub bytes: u64,
    /// The length of the longest row of requests of which each began after the one before was
    /// answered: so many times the network's delay was waited for.
    pub tiers: u64,
}

/// The counters of a client. They are for people and order nothing, so all accesses are relaxed.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    requests: AtomicU64,
    bytes: AtomicU64,
    /// The greatest tier of a request that was answered.
    tiers: AtomicU64,
}

/// A request that waits for its answer.
pub(super) struct Asking<'a> {
    traffic: &'a Traffic,
    tier: u64,
}

impl Traffic {
    /// Counts a request, which ends when the result is dropped.
    pub(super) fn begin(&self) -> Asking<'_> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Asking {
            traffic: self,
            tier: self.tiers.load(Ordering::Relaxed) + 1,
        }
    }

    /// Counts bytes of a body.
    pub(super) fn received(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn asked(&self) -> Asked {
        Asked {
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            tiers: self.tiers.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.traffic.tiers.fetch_max(self.tier, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_at_the_same_time_are_one_tier() {
        let traffic = Traffic::default();
        let together = [traffic.begin(), traffic.begin()];
        drop(together);
        drop(traffic.begin());
        traffic.received(5);
        let asked = traffic.asked();
        assert_eq!((asked.requests, asked.bytes, asked.tiers), (3, 5, 2));
    }
}

//! Whether somebody waits for something that is still in the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by the one that waits and the queue. Nobody waits at first.
#[derive(Debug, Clone, Default)]
pub struct Urgency(Arc<AtomicBool>);

impl Urgency {
    /// Somebody waits now.
    pub fn raise(&self) {
        // Relaxed: it orders requests and guards no data.
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody waits.
    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

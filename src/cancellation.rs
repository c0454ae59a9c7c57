//! Stopping commands: a token that every wait and every long loop polls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Stops commands from another thread. Clones stop the same commands.
///
/// ```
/// use pkg_install::{Cancellation, Options};
///
/// let cancellation = Cancellation::default();
/// let options = Options::default().with_cancellation(cancellation.clone());
/// // Later, elsewhere: every command with these options ends with `ErrorKind::Interrupted`.
/// cancellation.cancel();
/// assert!(cancellation.is_cancelled());
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default)]
pub struct Cancellation {
    own: Arc<AtomicBool>,
    // All ancestors are in one flat list, so polling follows no chain of tokens.
    parents: Vec<Arc<AtomicBool>>,
}

// Every access is relaxed: a flag only says "stop" and publishes no other data, and all of its
// readers poll.
impl Cancellation {
    /// A token that is cancelled with this one, or on its own.
    pub(crate) fn child(&self) -> Self {
        let parents = self.parents.iter().chain([&self.own]).cloned().collect();
        Self {
            own: Arc::default(),
            parents,
        }
    }

    /// Stops the commands. A commit that has begun is finished.
    pub fn cancel(&self) {
        self.own.store(true, Ordering::Relaxed);
    }

    /// Whether the commands are to stop.
    pub fn is_cancelled(&self) -> bool {
        let set = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        set(&self.own) || self.parents.iter().any(|parent| set(parent))
    }

    /// Fails if the work should stop.
    ///
    /// # Errors
    /// Of the kind [`Interrupted`](crate::ErrorKind::Interrupted).
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            Err(Error::interrupted())
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_cancelled_with_its_parents_and_not_with_its_children() {
        let command = Cancellation::default();
        let batch = command.child();
        let (one, other) = (batch.child(), batch.child());
        one.cancel();
        assert!(one.is_cancelled() && one.check().is_err());
        assert!(!other.is_cancelled() && !batch.is_cancelled() && batch.check().is_ok());
        command.cancel();
        assert!(other.is_cancelled() && batch.is_cancelled() && command.is_cancelled());
    }
}

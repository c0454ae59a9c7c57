//! Cancellation tokens.
//!
//! Input: the user's flag, which a signal handler sets. Output: [`Cancel`] tokens that report it,
//! and that can be cancelled on their own: cancelling a token cancels its children, never its
//! parent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// Says whether a piece of work should stop. Clones are the same token.
#[derive(Debug, Clone)]
pub struct Cancel {
    own: Arc<AtomicBool>,
    parents: Vec<Arc<AtomicBool>>,
}

// Every access is relaxed: a flag only says "stop" and publishes no other data, and all of its
// readers poll.
impl Cancel {
    /// A token that is cancelled once `flag` becomes true.
    pub fn new(flag: Arc<AtomicBool>) -> Self {
        Self {
            own: flag,
            parents: Vec::new(),
        }
    }

    /// A token that is cancelled with this one, or on its own.
    pub fn child(&self) -> Self {
        let parents = self.parents.iter().chain([&self.own]).cloned().collect();
        Self {
            own: Arc::default(),
            parents,
        }
    }

    /// Cancels this token and its children.
    pub fn cancel(&self) {
        self.own.store(true, Ordering::Relaxed);
    }

    /// Whether this token, or any that it is a child of, was cancelled.
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

    /// The token's own flag, for code that polls a single flag. It follows the parents only if
    /// somebody calls [`Cancel::is_cancelled`] and passes the answer on with [`Cancel::cancel`].
    pub(super) fn flag(&self) -> &AtomicBool {
        &self.own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_cancelled_with_its_parents_and_not_with_its_children() {
        let user = Arc::new(AtomicBool::new(false));
        let command = Cancel::new(Arc::clone(&user));
        let batch = command.child();
        let (one, other) = (batch.child(), batch.child());
        one.cancel();
        assert!(one.is_cancelled() && one.check().is_err());
        assert!(!other.is_cancelled() && !batch.is_cancelled() && batch.check().is_ok());
        user.store(true, Ordering::Relaxed);
        assert!(other.is_cancelled() && batch.is_cancelled() && command.is_cancelled());
    }
}

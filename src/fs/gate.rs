//! A gate before all changes of one [`Fs`](super::Fs), which can be closed.
//!
//! A directory can only be removed for certain if no other thread puts anything into it meanwhile.
//! Threads that wait for servers cannot be waited for; but each change takes only a moment, so
//! closing the gate waits for those that are being made, and lets no further ones begin.

use std::io;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// The gate. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<RwLock<GateState>>);

#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum GateState {
    #[default]
    Open,
    Closed,
}

impl Gate {
    /// Lets one change through, which ends before the guard is dropped.
    ///
    /// # Errors
    /// The gate is closed: what would be changed is gone.
    pub(super) fn pass(&self) -> io::Result<RwLockReadGuard<'_, GateState>> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match *state {
            GateState::Open => Ok(state),
            GateState::Closed => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Waits for the changes that are being made, and lets no other one through.
    pub(super) fn close(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = GateState::Closed;
    }
}

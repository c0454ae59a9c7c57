//! The private directories of one run, for everything that cannot be in a cache of the user's.
//!
//! Output: [`CacheDir`]s. Invariant: after [`PrivateDirectories::remove`] none is left and none is
//! made, although threads that wait for servers may still be at work.

use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::fs::{CacheDir, Fs, PrivateDirectory};

/// All of them; `None` once they are removed.
#[derive(Debug)]
pub(super) struct PrivateDirectories(Mutex<Option<Vec<PrivateDirectory>>>);

impl PrivateDirectories {
    /// None yet.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }

    /// Makes one.
    pub(super) fn make(&self, fs: &Fs) -> Result<CacheDir> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Only threads whose results no one waits for any more ask for one later.
        let made = made.as_mut().ok_or_else(Error::interrupted)?;
        let directory = PrivateDirectory::new()?;
        let root = directory.root(fs)?;
        made.push(directory);
        Ok(root)
    }

    /// Removes all of them for good.
    pub(super) fn remove(&self) {
        let made = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(made);
    }
}

//! Locks in a cache: an exclusive `flock` on a file that only this user can open.
//!
//! A lock that others can open for reading can be held by them for ever, so its directory is closed
//! to them. Every wait has an end; the caller says what happens then.

use std::time::Duration;

use super::lock::{self, Hold, LockWait};
use super::{CacheDir, CacheFile};
use crate::cancellation::Cancellation;
use crate::error::Result;

/// A lock in a cache, held until it is dropped.
#[derive(Debug)]
pub struct CacheLock {
    // The kernel releases the lock when the file is closed.
    _file: CacheFile,
    directory: CacheDir,
    name: String,
}

impl CacheLock {
    /// Removes the lock's file and releases the lock. A process that waits for it sees that the
    /// file is gone and begins anew.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn release(self) -> Result<()> {
        // The lock is released after the removal, when `self` is dropped; a lock that was released
        // first could lose its file while another process holds it.
        self.directory.remove_file(&self.name)
    }
}

impl CacheDir {
    /// Takes the lock `name`, whose file is made if it is missing.
    ///
    /// # Errors
    /// A file that cannot be made or locked, or a lock that is held for too long.
    pub fn lock(&self, name: &str, wait: &LockWait<'_>) -> Result<CacheLock> {
        self.lock_as(Hold::Exclusive, name, wait)
    }

    /// Takes the lock `name` together with others that take it in this way.
    ///
    /// # Errors
    /// As [`CacheDir::lock`].
    pub fn share_lock(&self, name: &str, wait: &LockWait<'_>) -> Result<CacheLock> {
        self.lock_as(Hold::Shared, name, wait)
    }

    /// Takes the lock `name` if it is free.
    ///
    /// # Errors
    /// A file that cannot be made or locked.
    pub fn try_lock(&self, name: &str) -> Result<Option<CacheLock>> {
        let never = Cancellation::default();
        let wait = LockWait {
            timeout: Duration::ZERO,
            cancel: &never,
            waiting: &|_| {},
        };
        match self.lock(name, &wait) {
            Ok(lock) => Ok(Some(lock)),
            Err(error) if error.code() == "locked" => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn lock_as(&self, hold: Hold, name: &str, wait: &LockWait<'_>) -> Result<CacheLock> {
        loop {
            let file = self.open_or_make(name)?;
            lock::take(file.file(), hold, file.path(), wait)?;
            // The holder before may have removed the file, so that the lock excludes no process.
            let stat = file.stat()?;
            if self.lstat(name)?.is_some_and(|named| named.is_same(&stat)) {
                return Ok(CacheLock {
                    _file: file,
                    directory: self.clone(),
                    name: name.to_owned(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::fs::Fs;

    #[test]
    fn a_lock_excludes_others_and_its_file_goes_with_it() {
        let scratch = tempfile::tempdir().unwrap();
        let root = CacheDir::make(&Fs::default(), scratch.path()).unwrap();
        let never = crate::cancellation::Cancellation::default();
        let wait = |timeout| LockWait {
            timeout,
            cancel: &never,
            waiting: &|_| {},
        };
        let held = root.lock("x.lock", &wait(Duration::ZERO)).unwrap();
        assert!(root.lock("x.lock", &wait(Duration::ZERO)).is_err());
        let (sender, done) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let lock = root.lock("x.lock", &wait(Duration::MAX));
                sender.send(lock.is_ok()).unwrap();
                lock.unwrap().release().unwrap();
            });
            held.release().unwrap();
            assert!(done.recv().unwrap());
        });
        assert_eq!(root.names().unwrap(), []);
    }
}

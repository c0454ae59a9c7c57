//! Taking a `flock` on an open file, and waiting for it.
//!
//! The kernel releases the lock when its holder dies, and no process that is started inherits it.
//! After the lock was taken, its path must be looked at again: if another file is there by now, the
//! lock excludes no other process and has to be taken anew. Failing to lock is an error.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::read::not_regular;
use super::stat::{Kind, Stat};
use crate::cancellation::Cancellation;
use crate::error::{Error, Result};

/// The first and the longest pause between two attempts to take a lock that another process holds.
/// Short commands hold it for milliseconds; a longer pause than the last would be noticed.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(100));

/// Permissions of a new lock file, less the user's mask.
// Other users of a shared environment must be able to open the file for writing, too.
const MODE: Mode = Mode::from_raw_mode(0o666);

/// How to wait for a lock.
pub struct LockWait<'a> {
    /// The longest time to wait.
    pub timeout: Duration,
    /// Ends the waiting.
    pub cancel: &'a Cancellation,
    /// Called once, when the waiting begins, with the path of the lock.
    pub waiting: &'a dyn Fn(&Path),
}

/// Whether others may hold the same lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// No other process may hold it.
    Exclusive,
    /// Other processes may hold it as well, but none exclusively.
    Shared,
}

/// Opens a lock's file, without following a symbolic link to another file.
pub(super) fn open(path: &Path, flags: OFlags) -> rustix::io::Result<File> {
    // NONBLOCK: opening a pipe that was put there would wait for its other end.
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    rustix::fs::open(path, flags, MODE).map(File::from)
}

/// Takes the lock, now or once it is free.
pub(super) fn take(file: &File, hold: Hold, path: &Path, wait: &LockWait<'_>) -> Result<()> {
    let begin = Instant::now();
    let (mut pause, longest) = PAUSES;
    let mut told = false;
    loop {
        match try_take(file, hold) {
            Ok(true) => return Ok(()),
            Ok(false) => {
                wait.cancel.check()?;
                if begin.elapsed() >= wait.timeout {
                    return Err(Error::locked(path, wait.timeout.as_secs()));
                }
                if !told {
                    (wait.waiting)(path);
                    told = true;
                }
                // Attempts instead of a blocking call, which could not be cancelled.
                std::thread::sleep(pause);
                pause = (pause * 2).min(longest);
            }
            Err(error) => return Err(Error::lock_failed(path, error)),
        }
    }
}

/// Takes the lock if it is free.
pub(super) fn try_take(file: &File, hold: Hold) -> io::Result<bool> {
    loop {
        // By their full names: `File` has methods of these names by now, with other errors.
        let taken = match hold {
            Hold::Exclusive => fs2::FileExt::try_lock_exclusive(file),
            Hold::Shared => fs2::FileExt::try_lock_shared(file),
        };
        match taken {
            Ok(()) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether the path still names the locked file, which must be a regular file.
pub(super) fn is_still_there(file: &File, path: &Path) -> Result<bool> {
    let fail = |error: Errno| Error::lock_failed(path, error.into());
    let locked = Stat::of(&rustix::fs::fstat(file).map_err(fail)?);
    if locked.kind != Kind::File {
        return Err(Error::lock_failed(path, not_regular()));
    }
    match rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Stat::of(&stat).is_same(&locked)),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(fail(error)),
    }
}

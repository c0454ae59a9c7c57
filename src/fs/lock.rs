//! The lock of an environment: an exclusive `flock` on the file `.lock` in its root.
//!
//! It is the same file and the same kind of lock that uv takes, so the two exclude each other. The
//! kernel releases it when its holder dies; no process that is started inherits it. After it was
//! acquired the path is looked at again: where another file stands there by now, the lock was one
//! of nothing and is taken anew. Failing to lock is an error. pip takes no lock at all. The file
//! itself stays, as uv's does: removing one that another process waits for would let two in. Only a
//! command that made the file and then changed nothing takes it away again.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

use super::read::{Kind, Stat};
use super::{Fs, OwnedFsOp};
use crate::error::{Error, Result};

/// The longest pause between two looks at a lock that another process holds.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// How long to wait for a lock, who can end the waiting, and who is told of it.
pub struct LockWait<'a> {
    /// How long to wait at the most.
    pub timeout: Duration,
    /// Ends the waiting once it is true.
    pub cancel: &'a AtomicBool,
    /// Told once, when the waiting begins.
    pub waiting: &'a dyn Fn(&Path),
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
    created: bool,
}

impl Lock {
    /// Takes the lock `path`, whose file is made where it is missing.
    ///
    /// # Errors
    /// Where the file cannot be made or locked, or another process holds it for too long.
    pub fn acquire(fs: &Fs, path: &Path, patience: &LockWait<'_>) -> Result<Self> {
        let mut created = false;
        loop {
            let file = match open(path, OFlags::empty()) {
                Ok(file) => file,
                Err(rustix::io::Errno::NOENT) => {
                    let make = || open(path, OFlags::CREATE | OFlags::EXCL);
                    match fs.run(|| OwnedFsOp::Create(path.to_owned()), make) {
                        Ok(file) => {
                            created = true;
                            file
                        }
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                        Err(error) => return Err(Error::lock_failed(path, error)),
                    }
                }
                Err(error) => return Err(Error::lock_failed(path, error.into())),
            };
            wait(&file, path, patience)?;
            if still_there(&file, path)? {
                return Ok(Self {
                    file,
                    path: path.to_owned(),
                    created,
                });
            }
        }
    }

    /// Takes the lock where its file is there; without the file nobody holds it.
    ///
    /// # Errors
    /// As [`Lock::acquire`].
    pub fn acquire_existing(path: &Path, patience: &LockWait<'_>) -> Result<Option<Self>> {
        loop {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
            let file = match rustix::fs::open(path, flags, Mode::empty()) {
                Ok(file) => File::from(file),
                Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
                Err(error) => return Err(Error::lock_failed(path, error.into())),
            };
            wait(&file, path, patience)?;
            if still_there(&file, path)? {
                return Ok(Some(Self {
                    file,
                    path: path.to_owned(),
                    created: false,
                }));
            }
        }
    }

    /// Releases the lock and takes its file away. Only for locks that nobody but this program
    /// takes: who waits for it sees that it is gone and begins anew.
    ///
    /// # Errors
    /// Where the file cannot be removed.
    pub fn release_removed(self, fs: &Fs) -> Result<()> {
        super::remove(fs, &self.path)
    }

    /// Releases the lock after a command that changed nothing: a lock file that it made goes too.
    ///
    /// # Errors
    /// Where the file cannot be removed.
    pub fn release_unused(self, fs: &Fs) -> Result<()> {
        if self.created {
            fs.run(
                || OwnedFsOp::Remove(self.path.clone()),
                || rustix::fs::unlinkat(CWD, &self.path, AtFlags::empty()),
            )
            .map_err(|error| Error::io("remove", &self.path, error))?;
        }
        drop(self.file);
        Ok(())
    }
}

fn open(path: &Path, more: OFlags) -> rustix::io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | more;
    rustix::fs::open(path, flags, Mode::from_raw_mode(0o666)).map(File::from)
}

fn wait(file: &File, path: &Path, patience: &LockWait<'_>) -> Result<()> {
    let begin = Instant::now();
    let mut pause = Duration::from_millis(5);
    let mut told = false;
    loop {
        // In full, since `File` has methods of the same name by now, with another error type.
        match fs2::FileExt::try_lock_exclusive(file) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => {
                if patience.cancel.load(Ordering::Relaxed) {
                    return Err(Error::interrupted());
                }
                if begin.elapsed() >= patience.timeout {
                    return Err(Error::locked(path, patience.timeout.as_secs()));
                }
                if !told {
                    (patience.waiting)(path);
                    told = true;
                }
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) => return Err(Error::lock_failed(path, error)),
        }
    }
}

/// Whether the locked file is still the one that its path names, and a regular file.
fn still_there(file: &File, path: &Path) -> Result<bool> {
    let fail = |error: rustix::io::Errno| Error::lock_failed(path, error.into());
    let locked = Stat::of(&rustix::fs::fstat(file).map_err(fail)?);
    if locked.kind != Kind::File {
        return Err(Error::lock_failed(
            path,
            io::Error::from(io::ErrorKind::InvalidInput),
        ));
    }
    match rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Stat::of(&stat).is_same(&locked)),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(fail(error)),
    }
}

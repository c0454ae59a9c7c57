//! The lock of an environment: a `flock` on the file `.lock` in its root, and one on the root
//! itself.
//!
//! uv takes the same kind of lock on the same file, so the two programs exclude each other; pip
//! takes none. The lock on the directory needs no file, so it also holds if the file belongs to
//! another user who keeps it closed, or cannot be made because the root is read-only. Commands that
//! change something lock exclusively, commands that read lock together. The kernel releases both
//! locks when their holder dies, and no process that is started inherits them.
//!
//! The file may be removed while it is locked: after a lock was taken, its path is looked at again,
//! and if another file or none is there, the lock excludes no process and is taken anew. uv does
//! not look again, so the file stays in virtual environments, which both programs change.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use super::lock::{Hold, LockWait, is_still_there, open, take, try_take};
use super::{Fs, OwnedFsOp};
use crate::error::{Error, Result};

/// The name of the lock file in an environment's root. uv locks the same file.
const LOCK: &str = ".lock";

/// The lock of an environment, held until it is dropped.
#[derive(Debug)]
pub struct RootLock {
    /// `None` if it cannot be opened or made.
    file: Option<File>,
    /// `None` if the file system locks no directories, or the root is missing.
    directory: Option<File>,
    path: PathBuf,
    created: bool,
    /// Why there is no `file`.
    refusal: Option<io::Error>,
}

/// The answer to an attempt to lock an environment for reading.
#[derive(Debug)]
pub enum ReadLock {
    /// It is locked, as far as it can be.
    Held(RootLock),
    /// A command that changes the environment holds the lock.
    Busy,
}

impl RootLock {
    /// Takes the lock of the environment at `root` for a change, and makes its file if it is
    /// missing.
    ///
    /// # Errors
    /// A lock that another process holds for too long, a file system without locks, and something
    /// other than a regular file at the path of the lock file.
    pub fn exclusive(fs: &Fs, root: &Path, wait: &LockWait<'_>) -> Result<Self> {
        let path = root.join(LOCK);
        loop {
            let mut lock = Self::opened(path.clone(), open_or_make(fs, &path)?);
            if let Some(file) = &lock.file {
                match take(file, Hold::Exclusive, &path, wait) {
                    Ok(()) if is_still_there(file, &path)? => {}
                    Ok(()) => continue,
                    // NFS locks a file for changes only if it is open for writing.
                    Err(error) if error.os_code() == Some(Errno::BADF.raw_os_error()) => {
                        lock.refusal = Some(Errno::BADF.into());
                        lock.file = None;
                    }
                    Err(error) => return Err(error),
                }
            }
            lock.directory = lock_directory(root, Hold::Exclusive, &lock, wait)?;
            return Ok(lock);
        }
    }

    /// Takes the lock of the environment at `root` for reading. A file that is missing or cannot be
    /// opened is left alone, and a file system without locks is read without one.
    ///
    /// # Errors
    /// As [`RootLock::exclusive`].
    pub fn shared(root: &Path, wait: &LockWait<'_>) -> Result<Self> {
        let path = root.join(LOCK);
        loop {
            let mut lock = Self::opened(path.clone(), open_existing(&path)?);
            if let Some(file) = &lock.file {
                match take(file, Hold::Shared, &path, wait) {
                    Ok(()) if is_still_there(file, &path)? => {}
                    Ok(()) => continue,
                    Err(error) if is_unsupported(&error) => {}
                    Err(error) => return Err(error),
                }
            }
            lock.directory = match lock_directory(root, Hold::Shared, &lock, wait) {
                Err(error) if is_unsupported(&error) => None,
                result => result?,
            };
            return Ok(lock);
        }
    }

    /// As [`RootLock::shared`], but does not wait.
    ///
    /// # Errors
    /// As [`RootLock::shared`].
    pub fn try_shared(root: &Path) -> Result<ReadLock> {
        let path = root.join(LOCK);
        let mut lock = Self::opened(path.clone(), open_existing(&path)?);
        lock.directory = open_directory(root)?;
        for file in lock.file.iter().chain(&lock.directory) {
            match try_take(file, Hold::Shared) {
                Ok(true) => {}
                Ok(false) => return Ok(ReadLock::Busy),
                Err(error) => {
                    let error = Error::lock_failed(&path, error);
                    if !is_unsupported(&error) {
                        return Err(error);
                    }
                }
            }
        }
        if let Some(file) = &lock.file
            && !is_still_there(file, &path)?
        {
            // A command has just ended and removed the file.
            lock.file = None;
        }
        Ok(ReadLock::Held(lock))
    }

    fn opened(path: PathBuf, opened: OpenedLock) -> Self {
        let (file, created, refusal) = match opened {
            OpenedLock::There(file) => (Some(file), false, None),
            OpenedLock::Made(file) => (Some(file), true, None),
            OpenedLock::Refused(refusal) => (None, false, Some(refusal)),
            OpenedLock::Missing => (None, false, None),
        };
        Self {
            file,
            directory: None,
            path,
            created,
            refusal,
        }
    }

    /// The path of the lock file, and why it could not be locked, if it could not.
    pub fn refusal(&self) -> Option<(&Path, &io::Error)> {
        Some((&self.path, self.refusal.as_ref()?))
    }

    /// Whether this command has made the lock file.
    pub fn is_created(&self) -> bool {
        self.created
    }

    /// Whether the lock file is empty, as a killed command leaves it. A file with something in it
    /// has another purpose.
    pub fn is_empty(&self) -> bool {
        let is_empty = |file: &File| file.metadata().is_ok_and(|metadata| metadata.len() == 0);
        self.file.as_ref().is_some_and(is_empty)
    }

    /// Removes the lock file, if it is the one that is locked, and releases the lock.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn release_removed(self, fs: &Fs) -> Result<()> {
        if let Some(file) = &self.file
            && is_still_there(file, &self.path)?
        {
            fs.run(
                || OwnedFsOp::Remove(self.path.clone()),
                || rustix::fs::unlinkat(CWD, &self.path, AtFlags::empty()),
            )
            .map_err(|error| Error::io("remove", &self.path, error))?;
        }
        // The locks are released after the removal: a lock that was released first could lose its
        // file while another process holds it.
        drop(self);
        Ok(())
    }

    /// Releases the lock after a command that changed nothing, and removes the lock's file if this
    /// command made it.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn release_unused(self, fs: &Fs) -> Result<()> {
        if self.created {
            self.release_removed(fs)
        } else {
            Ok(())
        }
    }
}

/// The result of opening a lock file.
enum OpenedLock {
    There(File),
    Made(File),
    Missing,
    /// This user may not open or make it, or the file system is read-only.
    Refused(io::Error),
}

fn open_or_make(fs: &Fs, path: &Path) -> Result<OpenedLock> {
    loop {
        // RDWR: on NFS, Linux emulates `flock` with byte-range locks, which need a file that is
        // open for writing.
        match open(path, OFlags::RDWR) {
            Ok(file) => return Ok(OpenedLock::There(file)),
            // The file of another user may be open for reading only, which is enough elsewhere.
            Err(error) if is_denied(error) => return open_existing(path),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(Error::lock_failed(path, error.into())),
        }
        // EXCL: only the process that made the file may remove it again.
        let make = || open(path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL);
        match fs.run(|| OwnedFsOp::Create(path.to_owned()), make) {
            Ok(file) => return Ok(OpenedLock::Made(file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if Errno::from_io_error(&error).is_some_and(is_denied) => {
                return Ok(OpenedLock::Refused(error));
            }
            Err(error) => return Err(Error::lock_failed(path, error)),
        }
    }
}

fn open_existing(path: &Path) -> Result<OpenedLock> {
    match open(path, OFlags::RDONLY) {
        Ok(file) => Ok(OpenedLock::There(file)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(OpenedLock::Missing),
        Err(error) if is_denied(error) => Ok(OpenedLock::Refused(error.into())),
        Err(error) => Err(Error::lock_failed(path, error.into())),
    }
}

fn is_denied(error: Errno) -> bool {
    matches!(error, Errno::ACCESS | Errno::PERM | Errno::ROFS)
}

/// Whether the file system has no locks: NFS without a lock daemon, Lustre without `flock`.
fn is_unsupported(error: &Error) -> bool {
    let unsupported = [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP, Errno::BADF];
    let code = error.os_code();
    unsupported
        .iter()
        .any(|errno| code == Some(errno.raw_os_error()))
}

/// Locks the root directory itself. The `lock` has the lock on the file already, if there is one.
fn lock_directory(
    root: &Path,
    hold: Hold,
    lock: &RootLock,
    wait: &LockWait<'_>,
) -> Result<Option<File>> {
    let Some(directory) = open_directory(root)? else {
        return Ok(None);
    };
    match take(&directory, hold, &lock.path, wait) {
        Ok(()) => Ok(Some(directory)),
        // NFS locks no directory for changes; the lock on the file has to do.
        Err(error) if lock.file.is_some() && is_unsupported(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The directory, opened to be locked; `None` if it is missing or closed to this user.
fn open_directory(path: &Path) -> Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(directory) => Ok(Some(File::from(directory))),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) if is_denied(error) => Ok(None),
        Err(error) => Err(Error::lock_failed(path, error.into())),
    }
}

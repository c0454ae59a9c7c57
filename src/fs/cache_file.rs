//! Files of a cache: written at any position, and renamed when they are complete; and temporary
//! directories.
//!
//! Input: a path in a cache that other processes use too. Output: a [`CacheFile`] that is read and
//! written in place, an [`OpenFile`] under its final name, a [`PrivateDirectory`]. Invariant:
//! changes go through [`Fs`] like all others. Limits: nothing here locks; the caller holds the lock
//! of what it writes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};

use super::read::{OpenFile, ReadAt as _, read_at};
use super::stat::{Kind, Stat};
use super::{Fs, OwnedFsOp};
use crate::error::{Error, Result};

/// A regular file that is read and written at any position. Parts that were never written are holes
/// and read as zeros.
#[derive(Debug)]
pub struct CacheFile {
    file: File,
    path: PathBuf,
    fs: Fs,
}

impl CacheFile {
    /// Opens the file at `path`, or makes it, empty, if it is missing. A symbolic link is not
    /// followed.
    ///
    /// # Errors
    /// A file that is not a regular one, or cannot be opened or made.
    pub fn open(fs: &Fs, path: &Path) -> Result<Self> {
        // NONBLOCK: opening a pipe that was put there would wait for its other end.
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let open = |flags| rustix::fs::open(path, flags, Mode::from_raw_mode(0o666));
        // The first attempt omits CREATE, so that a hook sees a creation only if there is one.
        let fd = match open(flags) {
            Err(rustix::io::Errno::NOENT) => fs.run(
                || OwnedFsOp::Create(path.to_owned()),
                || open(flags | OFlags::CREATE),
            ),
            result => result.map_err(Into::into),
        };
        let file = File::from(fd.map_err(|error| Error::io("open", path, error))?);
        let opened = Self {
            file,
            path: path.to_owned(),
            fs: fs.clone(),
        };
        match opened.stat()?.kind {
            Kind::File => Ok(opened),
            _ => Err(Error::io(
                "open",
                path,
                io::Error::from(io::ErrorKind::InvalidInput),
            )),
        }
    }

    /// The path by which it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The metadata of the open file.
    ///
    /// # Errors
    /// A file system that does not answer.
    pub fn stat(&self) -> Result<Stat> {
        let stat = rustix::fs::fstat(&self.file)
            .map_err(|error| Error::io("look at", &self.path, error.into()))?;
        Ok(Stat::of(&stat))
    }

    /// Writes `bytes` from `offset` on.
    ///
    /// # Errors
    /// A failure to write, for example on a full disk; a part of the bytes may have been written.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<()> {
        self.fs
            .run_write(
                || self.path.clone(),
                bytes,
                || self.file.write_all_at(bytes, offset),
            )
            .map_err(|error| Error::io("write", &self.path, error))
    }

    /// Reads up to `buffer.len()` bytes from `offset` on; 0 at the end.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        read_at(&self.file, buffer, offset)
    }

    /// Makes the file `length` bytes long, by cutting it or with a hole at its end.
    ///
    /// # Errors
    /// A failure of the file system, for example one that has no holes and is full.
    pub fn set_length(&self, length: u64) -> Result<()> {
        self.fs
            // `FsOp` has no change of length, so hooks see a write of no bytes.
            .run_write(|| self.path.clone(), &[], || self.file.set_len(length))
            .map_err(|error| Error::io("change the length of", &self.path, error))
    }
}

impl OpenFile {
    /// Moves the file to `to` on the same file system and replaces a file of that name. It stays
    /// open, so the content that was read before is the content at `to`.
    ///
    /// # Errors
    /// A file that cannot be moved.
    pub fn renamed(mut self, fs: &Fs, to: &Path) -> Result<Self> {
        let from = self.path().to_owned();
        fs.run(
            || OwnedFsOp::Rename(from.clone(), to.to_owned()),
            || rustix::fs::rename(&from, to),
        )
        .map_err(|error| Error::io_to("move", &from, to, error))?;
        self.set_path(to);
        Ok(self)
    }
}

/// Makes a directory, and those above it, while other processes may be making the same ones.
///
/// # Errors
/// A directory that cannot be made.
pub fn make_shared(fs: &Fs, path: &Path) -> Result<()> {
    // Most calls find the directory, and one look costs less than an attempt for each ancestor.
    if super::stat(path)?.is_some() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_shared(fs, parent)?;
    }
    match fs.run(
        || OwnedFsOp::MakeDir(path.to_owned()),
        || rustix::fs::mkdir(path, Mode::from_raw_mode(0o777)),
    ) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Error::io("make the directory", path, error))
        }
        // A file in its place gets here too; the first use of the directory reports it.
        _ => Ok(()),
    }
}

/// Removes a file by its path; a missing one is fine.
///
/// # Errors
/// A file that cannot be removed.
pub fn remove(fs: &Fs, path: &Path) -> Result<()> {
    match fs.run(
        || OwnedFsOp::Remove(path.to_owned()),
        || rustix::fs::unlinkat(CWD, path, AtFlags::empty()),
    ) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// A new directory that only this user may enter. It is deleted with everything in it when it is
/// dropped.
#[derive(Debug)]
pub struct PrivateDirectory(tempfile::TempDir);

impl PrivateDirectory {
    /// Makes one in the system's directory for temporary files.
    ///
    /// # Errors
    /// A directory that cannot be made.
    pub fn new() -> Result<Self> {
        let made = tempfile::Builder::new().prefix("pkg-install-").tempdir();
        made.map(Self)
            .map_err(|error| Error::io("make a directory in", &std::env::temp_dir(), error))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

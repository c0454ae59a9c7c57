//! Files of a cache, which are written at any position; and private copies.
//!
//! Input: an open file of a cache that other processes use too. Output: a [`CacheFile`] that is
//! read and written in place, a copy of an [`OpenFile`]. Invariant: changes go through [`Fs`] like
//! all others. Limits: nothing here locks; the caller holds the lock of what it writes.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::Fs;
use super::read::{OpenFile, ReadAt as _, read_at};
use super::stat::Stat;
use super::trust::distrust;
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
    /// A file that was opened for reading and writing.
    pub(super) fn of(file: File, path: PathBuf, fs: &Fs) -> Self {
        Self {
            file,
            path,
            fs: fs.clone(),
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
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
    /// Whether only this user and root could change its content when it was opened.
    pub fn is_exclusive(&self) -> bool {
        self.owned().is_none_or(|stat| distrust(stat).is_none())
    }

    /// Notes that the file is used, by the time of its last change, which `cache prune` goes by:
    /// not every file system keeps the time of the last access. A failure is dropped, since it only
    /// makes the file seem unused.
    pub fn mark_used(&self) {
        // Once a day suffices, and spares most commands a change of every file.
        let now = std::time::SystemTime::now();
        let is_old = |changed: std::time::SystemTime| {
            now.duration_since(changed)
                .is_ok_and(|age| age.as_secs() >= 24 * 60 * 60)
        };
        if self
            .file()
            .metadata()
            .and_then(|stat| stat.modified())
            .is_ok_and(is_old)
        {
            let _ = self.file().set_modified(now);
        }
    }

    /// A copy that no other user can change, without a name. Errors still name the original.
    ///
    /// # Errors
    /// A file that cannot be read, or no room for the copy in the directory for temporary files.
    pub fn private_copy(&self) -> Result<Self> {
        let fail = |error| Error::io("copy", self.path(), error);
        let mut copy = tempfile::tempfile().map_err(fail)?;
        self.in_pieces(&mut |piece| copy.write_all(piece).map_err(fail))?;
        let opened = Self::of_regular(copy, self.path().to_owned())?;
        opened.ok_or_else(|| fail(io::ErrorKind::InvalidInput.into()))
    }

    /// This file if only this user and root can change it, otherwise a private copy: what is
    /// checked is then what is used.
    ///
    /// # Errors
    /// As [`OpenFile::private_copy`].
    pub fn settled(self) -> Result<Self> {
        if self.is_exclusive() {
            Ok(self)
        } else {
            self.private_copy()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_that_others_can_change_is_copied_and_no_other() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("file");
        for (mode, then) in [(0o666, "before"), (0o644, "after!")] {
            std::fs::write(&path, "before").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let file = OpenFile::open(&path).unwrap().unwrap().settled().unwrap();
            std::fs::write(&path, "after!").unwrap();
            let mut content = [0; 6];
            file.read_exact_at(&mut content, 0).unwrap();
            assert_eq!(content, then.as_bytes(), "{mode:o}");
            assert_eq!((file.path(), file.size()), (path.as_path(), 6));
        }
    }
}

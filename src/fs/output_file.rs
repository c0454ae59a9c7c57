//! A new file while it is written.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{Fs, OwnedFsOp};
use crate::error::{Error, Result};

/// A file that this process made, while it is written.
pub struct OutputFile<'a> {
    pub(super) file: File,
    pub(super) fs: &'a Fs,
    /// The path of its directory, and its name there: they are only joined for hooks and errors.
    pub(super) directory: &'a Path,
    pub(super) name: &'a str,
}

impl OutputFile<'_> {
    /// Appends `bytes`.
    ///
    /// # Errors
    /// A failure to write, for example on a full disk; a part of the bytes may have been written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let (directory, name, file) = (self.directory, self.name, &mut self.file);
        self.fs
            .run_write(|| directory.join(name), bytes, || file.write_all(bytes))
            .map_err(|error| Error::io("write", &directory.join(name), error))
    }

    /// Makes the content durable.
    ///
    /// # Errors
    /// Data that could not be written back. Calling again proves nothing then: the kernel may have
    /// dropped it.
    pub fn flush(&self) -> Result<()> {
        let op = || OwnedFsOp::Flush(self.path());
        self.fs
            .run(op, || rustix::fs::fsync(&self.file))
            .map_err(|error| Error::io("flush", &self.path(), error))
    }

    fn path(&self) -> PathBuf {
        self.directory.join(self.name)
    }
}

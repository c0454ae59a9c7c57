//! Files that a command's messages go to beside stdout and stderr: a log, or an open descriptor.
//!
//! They belong to the caller like stdout does and are no part of an environment, so they are not
//! written through [`Fs`](super::Fs).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file or pipe to which messages are appended.
#[derive(Debug)]
pub struct MessageFile(File);

impl MessageFile {
    /// Opens the file at `path`, which is made if it is missing; what it holds stays.
    pub fn append(path: &Path) -> Result<Self> {
        let opened = OpenOptions::new().append(true).create(true).open(path);
        opened
            .map(Self)
            .map_err(|error| Error::io("open", path, error))
    }

    /// Opens one of this process's own descriptors again; it may be a file or a pipe.
    ///
    /// # Errors
    /// The descriptor is not open, cannot be written to, or is a socket.
    pub fn descriptor(number: u32) -> Result<Self> {
        // A descriptor that is only a number cannot be trusted to be open, so the system is asked.
        let path = PathBuf::from(format!("/dev/fd/{number}"));
        let opened = OpenOptions::new().append(true).open(&path);
        opened
            .map(Self)
            .map_err(|error| Error::io("open", &path, error))
    }
}

impl Write for MessageFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

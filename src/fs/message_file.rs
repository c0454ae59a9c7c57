//! Files that a command's messages go to beside stdout and stderr: a log, or an open descriptor.
//!
//! They belong to the caller like stdout does and are no part of an environment, so they are not
//! written through [`Fs`](super::Fs).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::stat::refuse_foreign_link;
use crate::error::{Error, Result};

/// A file or pipe to which messages are appended.
#[derive(Debug)]
pub struct MessageFile(File);

/// The paths of what this process has open as its standard output.
const STDOUT: [&str; 3] = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

impl MessageFile {
    /// Opens the file at `path`, which is made if it is missing; what it holds stays.
    ///
    /// # Errors
    /// If it cannot be opened, is a pipe that no process reads, or is a symbolic link of another
    /// user to a file that does not belong to that user.
    pub fn append(path: &Path) -> Result<Self> {
        let fail = |error| Error::io("open", path, error);
        if STDOUT.map(Path::new).contains(&path) {
            // Opened anew, it would be written to from a position of its own, and what is printed
            // later from the old one.
            let stdout = rustix::stdio::stdout().try_clone_to_owned();
            return stdout.map(|file| Self(file.into())).map_err(fail);
        }
        refuse_foreign_link(path).map_err(fail)?;
        // NONBLOCK: opening a pipe that no process reads would wait for one.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let file = (OpenOptions::new().append(true).create(true))
            .custom_flags(flags)
            .open(path)
            .map_err(fail)?;
        // Writing may wait: the reader of a pipe may be slow.
        let flags = rustix::fs::fcntl_getfl(&file).map_err(|error| fail(error.into()))?;
        rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK)
            .map_err(|error| fail(error.into()))?;
        Ok(Self(file))
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

//! One regular file of an archive as the central directory describes it, and the error of reading
//! it.

use std::io;
use std::ops::Range;

use crate::error::{ArchiveFault, Error};
use crate::fs::ReadAt;
use crate::path::RelPath;

/// One regular file of an archive. Directory entries are checked and left out: directories follow
/// from the files.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its path in the archive.
    pub path: RelPath,
    /// The length of its content in bytes.
    pub size: u64,
    /// Whether any execute bit is set.
    pub executable: bool,
    /// The CRC-32 of its content.
    pub crc: u32,
    pub(super) method: Method,
    /// The length of its compressed data in bytes.
    pub(super) compressed: u64,
    /// The offset of its local header in the archive.
    pub(super) header: u64,
    /// The offset of its compressed data. It is 0 until the local header, whose length it depends
    /// on, has been read.
    pub(super) data: u64,
}

impl Entry {
    /// How its content is compressed.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The length of its compressed data in bytes.
    pub fn compressed(&self) -> u64 {
        self.compressed
    }

    /// The position of its compressed data in the archive.
    pub fn range(&self) -> Range<u64> {
        // The compressed size is only a claim until the local header has been checked.
        self.data..self.data.saturating_add(self.compressed)
    }

    /// `bytes`, a length that belongs to this entry, as a length in memory. Only systems of 32 bits
    /// refuse any.
    pub(super) fn in_memory(&self, bytes: u64) -> ArchiveResult<usize> {
        usize::try_from(bytes).map_err(|error| corrupt(self, &error).into())
    }
}

/// How an entry is compressed (APPNOTE 4.4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Not at all.
    Stored,
    /// As a deflate stream (RFC 1951).
    Deflate,
    /// As a Zstandard frame (RFC 8878).
    Zstd,
}

impl Method {
    /// The method of this number, if wheels use it.
    pub(super) fn from_number(number: u16) -> Option<Self> {
        match number {
            0 => Some(Self::Stored),
            8 => Some(Self::Deflate),
            93 => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The number in the headers of an entry.
    pub fn number(self) -> u16 {
        match self {
            Self::Stored => 0,
            Self::Deflate => 8,
            Self::Zstd => 93,
        }
    }
}

/// Why an archive or one of its entries could not be read.
#[derive(Debug)]
pub enum ArchiveError {
    /// The archive is at fault.
    Fault(ArchiveFault),
    /// The file could not be read, or the receiver of the content failed.
    Other(Error),
}

pub(super) type ArchiveResult<T> = std::result::Result<T, ArchiveError>;

impl From<ArchiveFault> for ArchiveError {
    fn from(fault: ArchiveFault) -> Self {
        Self::Fault(fault)
    }
}

impl ArchiveError {
    /// As an error about the wheel `label`.
    pub fn of_wheel(self, label: &str) -> Error {
        match self {
            Self::Fault(fault) => Error::wheel(label, fault),
            Self::Other(error) => error,
        }
    }
}

/// The entry's content cannot be unpacked, for this reason.
pub(super) fn corrupt(entry: &Entry, reason: &dyn std::fmt::Display) -> ArchiveFault {
    ArchiveFault::Corrupt {
        entry: entry.path.to_string(),
        reason: reason.to_string(),
    }
}

/// A failure to read the entry's data: the archive is at fault if the file ends too early.
pub(super) fn unreadable(file: &dyn ReadAt, entry: &Entry, error: io::Error) -> ArchiveError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        ArchiveError::Fault(ArchiveFault::Truncated(entry.path.to_string()))
    } else {
        ArchiveError::Other(Error::io("read", file.path(), error))
    }
}

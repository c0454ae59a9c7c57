//! Faults of the zip archive and of the contents of its entries.

use std::fmt::{self, Write as _};

use super::code::Code;
use super::escape::Escaping;
use crate::digest::Digest;
use crate::path::PathFault;

/// One thing that is wrong with the zip archive of a wheel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentences of `Display` explain the fields")]
pub enum ArchiveFault {
    /// The central directory cannot be read; with the reader's own words.
    NotAnArchive(String),
    /// The path is not a regular file.
    NotAFile,
    /// There are bytes before the first entry, between two entries, or after the end record.
    HiddenBytes { place: String, count: u64 },
    /// Two entries share bytes of the archive.
    Overlap { first: String, second: String },
    /// Two entries have one name.
    DuplicateName(String),
    /// A name is not UTF-8.
    NameNotUtf8(String),
    /// A name is not a safe relative path.
    UnsafePath { path: String, fault: PathFault },
    /// An entry is compressed with a method that wheels do not use.
    Method { entry: String, method: String },
    /// An entry is encrypted.
    Encrypted(String),
    /// The local header of an entry contradicts the central directory.
    LocalHeader {
        entry: String,
        field: &'static str,
        local: String,
        central: String,
    },
    /// A field of the central directory or of the end record that no wheel needs, or that
    /// contradicts another.
    Structure { place: String, found: &'static str },
    /// A directory entry has content.
    DirectoryContent(String),
    /// An entry is a symbolic link, a device or the like.
    SpecialEntry { entry: String, kind: &'static str },
    /// One path is a file and a directory at once.
    FileAndDirectory(String),
    /// The archive ends within an entry.
    Truncated(String),
    /// The compressed data of an entry is not valid.
    Corrupt { entry: String, reason: String },
    /// The content of an entry is longer or shorter than the central directory states, in bytes.
    Size {
        entry: String,
        stated: u64,
        actual: u64,
    },
    /// The entries together are far larger than the archive, in bytes.
    Inflation {
        content: u64,
        archive: u64,
        limit: u64,
    },
    /// The CRC-32 of an entry differs.
    Crc {
        entry: String,
        stated: u32,
        actual: u32,
    },
    /// The digest of an entry differs from the one in RECORD.
    DigestMismatch {
        entry: String,
        recorded: Box<Digest>,
        actual: Box<Digest>,
    },
    /// Something is larger than this crate reads.
    TooLarge { what: String, size: u64, limit: u64 },
}

impl ArchiveFault {
    pub(super) fn word(&self) -> Code {
        match self {
            Self::NotAnArchive(_) => Code::NotAnArchive,
            Self::NotAFile => Code::NotAFile,
            Self::HiddenBytes { .. } => Code::HiddenBytes,
            Self::Overlap { .. } => Code::OverlappingEntries,
            Self::DuplicateName(_) => Code::DuplicateEntry,
            Self::NameNotUtf8(_) => Code::EntryNameNotUtf8,
            Self::UnsafePath { .. } => Code::UnsafePath,
            Self::Method { .. } => Code::Compression,
            Self::Encrypted(_) => Code::EncryptedEntry,
            Self::LocalHeader { .. } => Code::LocalHeader,
            Self::Structure { .. } => Code::ZipStructure,
            Self::DirectoryContent(_) => Code::DirectoryWithContent,
            Self::SpecialEntry { .. } => Code::SpecialEntry,
            Self::FileAndDirectory(_) => Code::FileAndDirectory,
            Self::Truncated(_) => Code::TruncatedArchive,
            Self::Corrupt { .. } => Code::CorruptEntry,
            Self::Size { .. } => Code::SizeMismatch,
            Self::Inflation { .. } => Code::Inflation,
            Self::Crc { .. } => Code::CrcMismatch,
            Self::DigestMismatch { .. } => Code::DigestMismatch,
            Self::TooLarge { .. } => Code::TooLarge,
        }
    }
}

impl fmt::Display for ArchiveFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut Escaping(f))
    }
}

impl ArchiveFault {
    fn write(&self, f: &mut Escaping<'_, '_>) -> fmt::Result {
        match self {
            Self::NotAnArchive(reason) => write!(f, "not a readable zip archive: {reason}"),
            Self::NotAFile => write!(f, "not a regular file"),
            Self::HiddenBytes { place, count } => write!(
                f,
                "{count} bytes {place} belong to no entry; another reader may see other files in \
                 them"
            ),
            Self::Overlap { first, second } => {
                write!(
                    f,
                    "entries `{first}` and `{second}` share bytes of the archive"
                )
            }
            Self::DuplicateName(name) => write!(f, "two entries are named `{name}`"),
            Self::NameNotUtf8(name) => write!(f, "the entry name `{name}` is not UTF-8"),
            Self::UnsafePath { path, fault } => {
                write!(f, "the path `{path}` is unsafe: it has {fault}")
            }
            Self::Method { entry, method } => write!(
                f,
                "entry `{entry}` is compressed with {method}; wheels use stored, deflate or zstd"
            ),
            Self::Encrypted(entry) => write!(f, "entry `{entry}` is encrypted"),
            Self::LocalHeader {
                entry,
                field,
                local,
                central,
            } => write!(
                f,
                "entry `{entry}`: its local header says {field} {local}, the central directory \
                 says {central}"
            ),
            Self::Structure { place, found } => write!(f, "{place}: {found}"),
            Self::DirectoryContent(entry) => {
                write!(f, "the directory entry `{entry}` has content")
            }
            Self::SpecialEntry { entry, kind } => {
                write!(
                    f,
                    "entry `{entry}` is {kind}; wheels hold only regular files"
                )
            }
            Self::FileAndDirectory(path) => {
                write!(f, "`{path}` is a file and a directory at once")
            }
            Self::Truncated(entry) => write!(f, "the archive ends within entry `{entry}`"),
            Self::Corrupt { entry, reason } => {
                write!(f, "entry `{entry}` cannot be unpacked: {reason}")
            }
            Self::Size {
                entry,
                stated,
                actual,
            } => write!(
                f,
                "entry `{entry}` has {actual} bytes, but {stated} are stated"
            ),
            Self::Inflation {
                content,
                archive,
                limit,
            } => write!(
                f,
                "its entries have {content} bytes, but the archive has {archive}; the limit is \
                 {limit}"
            ),
            Self::Crc {
                entry,
                stated,
                actual,
            } => write!(
                f,
                "entry `{entry}` has CRC-32 {actual:08x}, the archive states {stated:08x}"
            ),
            Self::DigestMismatch {
                entry,
                recorded,
                actual,
            } => write!(
                f,
                "entry `{entry}` has digest {actual}, RECORD states {recorded}"
            ),
            Self::TooLarge { what, size, limit } => {
                write!(f, "{what} is {size}, the limit is {limit}")
            }
        }
    }
}

//! Faults of RECORD, and of the archive against it.

use std::fmt::{self, Write as _};

use super::code::Code;
use super::escape::Escaping;
use crate::path::PathFault;

/// One thing that is wrong with RECORD.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentences of `Display` explain the fields")]
pub enum RecordFault {
    /// The file is not UTF-8.
    NotUtf8,
    /// It has more rows than the archive could have files.
    TooManyRows { limit: usize },
    /// A row is not valid.
    Row {
        line: u64,
        reason: &'static str,
        text: String,
    },
    /// A row has no digest, or one that the specification does not accept.
    Digest {
        path: String,
        reason: &'static str,
        text: String,
    },
    /// Two rows contradict each other.
    Contradiction(String),
    /// A row states another size than the archive, in bytes.
    Size {
        entry: String,
        recorded: u64,
        actual: u64,
    },
    /// A row leads out of the wheel.
    UnsafePath { path: String, fault: PathFault },
    /// An entry of the archive is not listed.
    NotRecorded(String),
    /// A listed file is not in the archive.
    Absent(String),
}

impl RecordFault {
    pub(super) fn word(&self) -> Code {
        match self {
            Self::NotUtf8 => Code::RecordNotUtf8,
            Self::TooManyRows { .. } => Code::RecordRows,
            Self::Row { .. } => Code::RecordRow,
            Self::Digest { .. } => Code::RecordDigest,
            Self::Contradiction(_) => Code::RecordContradiction,
            Self::Size { .. } => Code::RecordSize,
            Self::UnsafePath { .. } => Code::RecordUnsafePath,
            Self::NotRecorded(_) => Code::NotRecorded,
            Self::Absent(_) => Code::RecordedAbsent,
        }
    }
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut Escaping(f))
    }
}

impl RecordFault {
    fn write(&self, f: &mut Escaping<'_, '_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => write!(f, "`RECORD` is not UTF-8"),
            Self::TooManyRows { limit } => write!(
                f,
                "RECORD lists more than {limit} files, which is the limit for this archive"
            ),
            Self::Row { line, reason, text } => {
                write!(f, "RECORD line {line}: {reason}: `{text}`")
            }
            Self::Digest { path, reason, text } => {
                write!(f, "RECORD row of `{path}`: {reason}: `{text}`")
            }
            Self::Contradiction(path) => write!(
                f,
                "RECORD lists `{path}` twice, with different digests or sizes"
            ),
            Self::Size {
                entry,
                recorded,
                actual,
            } => write!(
                f,
                "entry `{entry}` has {actual} bytes, but RECORD states {recorded}"
            ),
            Self::UnsafePath { path, fault } => {
                write!(f, "the path `{path}` is unsafe: it has {fault}")
            }
            Self::NotRecorded(entry) => write!(f, "entry `{entry}` is not listed in RECORD"),
            Self::Absent(path) => {
                write!(f, "RECORD lists `{path}`, which is not in the archive")
            }
        }
    }
}

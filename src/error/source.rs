//! Faults of a wheel's file as a whole: it is not the one that its source promised.

use std::fmt::{self, Write as _};

use super::code::Code;
use super::escape::Escaping;
use crate::digest::Digest;

/// How the file of a wheel differs from what was promised of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentences of `Display` explain the fields")]
pub enum SourceFault {
    /// The digest differs from the one that the file is pinned to.
    Digest {
        pinned: Box<Digest>,
        actual: Box<Digest>,
    },
    /// The digest is none of those that the file may have.
    NoneOfDigests { allowed: usize, actual: Box<Digest> },
    /// The file has another length than was promised, in bytes.
    Size { promised: u64, actual: u64 },
    /// A server sends more bytes than the file may have.
    Longer { promised: u64 },
    /// A server sent the file in a content encoding.
    ContentEncoding(String),
    /// A server sent something other than a zip archive.
    NotAWheel { content_type: String },
    /// The file is a source distribution.
    SourceDistribution,
    /// The wheel is on a server, and has to be a local file.
    NotFetched,
    /// The fetched file differs from the one that was previewed.
    ChangedOnServer,
    /// A hash is required, and none is pinned.
    NotPinned,
}

impl SourceFault {
    pub(super) fn word(&self) -> Code {
        match self {
            Self::Digest { .. } => Code::PinMismatch,
            Self::NoneOfDigests { .. } => Code::NoPinMatches,
            Self::Size { .. } | Self::Longer { .. } => Code::LengthMismatch,
            Self::ContentEncoding(_) => Code::ContentEncoding,
            Self::NotAWheel { .. } => Code::NotAWheel,
            Self::SourceDistribution => Code::SourceDistribution,
            Self::NotFetched => Code::NotFetched,
            Self::ChangedOnServer => Code::ChangedOnServer,
            Self::NotPinned => Code::NotPinned,
        }
    }
}

impl fmt::Display for SourceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut Escaping(f))
    }
}

impl SourceFault {
    fn write(&self, f: &mut Escaping<'_, '_>) -> fmt::Result {
        match self {
            Self::Digest { pinned, actual } => write!(
                f,
                "the archive has {}={}, it was pinned to {}={}",
                actual.algorithm().name(),
                actual.to_hex(),
                pinned.algorithm().name(),
                pinned.to_hex()
            ),
            Self::NoneOfDigests { allowed, actual } => write!(
                f,
                "the archive has {}={}, which is none of the {allowed} hashes that it may have",
                actual.algorithm().name(),
                actual.to_hex()
            ),
            Self::Size { promised, actual } => {
                write!(
                    f,
                    "the archive has {actual} bytes, {promised} were promised"
                )
            }
            Self::ContentEncoding(encoding) => write!(
                f,
                "the server sent it in the content encoding `{encoding}`, which changes the file"
            ),
            Self::Longer { promised } => {
                write!(
                    f,
                    "the server sends more than the {promised} bytes that it may have"
                )
            }
            Self::NotAWheel { content_type } => {
                write!(f, "the server sent `{content_type}` instead of a wheel")
            }
            Self::SourceDistribution => write!(f, "source distributions are not built here"),
            Self::NotFetched => write!(f, "it is on a server and was not fetched"),
            Self::ChangedOnServer => write!(
                f,
                "the server sent another file than the one that was previewed"
            ),
            Self::NotPinned => write!(f, "a hash is required, but none is pinned"),
        }
    }
}

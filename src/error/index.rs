//! Faults of package indexes: pages that cannot be read, and projects that must not be installed.

use std::fmt::{self, Write as _};

use super::code::Code;
use super::escape::Escaping;

/// One thing that is wrong with a page of an index, or with what it says about a project.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentences of `Display` explain the fields")]
pub enum IndexFault {
    /// The page is neither JSON nor HTML of the simple index, or breaks their rules.
    NotAPage(String),
    /// The page has a newer major version of the index's interface.
    ApiVersion(String),
    /// The page is longer than any real one.
    PageTooLong { limit: u64 },
    /// The page lists more files than any real one.
    TooManyFiles { limit: usize },
    /// The index has put the project into quarantine (PEP 792).
    Quarantined { project: String, reason: String },
    /// The metadata file belongs to another project or version, or cannot be read.
    Metadata(String),
    /// The metadata file has another digest than the page states.
    MetadataDigest { stated: String, actual: String },
}

impl IndexFault {
    pub(super) fn word(&self) -> Code {
        match self {
            Self::NotAPage(_) => Code::NotAPage,
            Self::ApiVersion(_) => Code::IndexVersion,
            Self::PageTooLong { .. } | Self::TooManyFiles { .. } => Code::PageTooLong,
            Self::Quarantined { .. } => Code::Quarantined,
            Self::Metadata(_) => Code::BadMetadata,
            Self::MetadataDigest { .. } => Code::MetadataDigest,
        }
    }
}

impl fmt::Display for IndexFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut Escaping(f))
    }
}

impl IndexFault {
    fn write(&self, f: &mut Escaping<'_, '_>) -> fmt::Result {
        match self {
            Self::NotAPage(reason) => write!(f, "this is not a page of a package index: {reason}"),
            Self::ApiVersion(found) => write!(
                f,
                "the index has interface version {found}; only versions 1.x can be read"
            ),
            Self::PageTooLong { limit } => write!(f, "the page has more than {limit} bytes"),
            Self::TooManyFiles { limit } => write!(f, "the page lists more than {limit} files"),
            Self::Quarantined { project, reason } => {
                write!(f, "the index has put {project} into quarantine")?;
                if reason.is_empty() {
                    Ok(())
                } else {
                    write!(f, ": {reason}")
                }
            }
            Self::Metadata(reason) => write!(f, "its metadata cannot be used: {reason}"),
            Self::MetadataDigest { stated, actual } => write!(
                f,
                "its metadata file has sha256={actual}, the index states sha256={stated}"
            ),
        }
    }
}

#[cfg(test)]
pub(super) mod samples {
    use super::IndexFault as F;
    use crate::error::tests::text;

    /// One fault of every kind.
    pub(in crate::error) fn index_faults() -> Vec<F> {
        vec![
            F::NotAPage(text("it is text/plain")),
            F::ApiVersion(text("2.0")),
            F::PageTooLong { limit: 1 << 26 },
            F::TooManyFiles { limit: 500_000 },
            F::Quarantined {
                project: text("six"),
                reason: text("malware"),
            },
            F::Metadata(text("it is of flask 3.0")),
            F::MetadataDigest {
                stated: text("0f"),
                actual: text("f0"),
            },
        ]
    }
}

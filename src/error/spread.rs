//! Faults of the places that a wheel's files would be installed at.

use std::fmt::{self, Write as _};

use super::code::Code;
use super::escape::Escaping;
use crate::path::PathFault;

/// One reason why a file of a wheel cannot be installed where the wheel wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentences of `Display` explain the fields")]
pub enum SpreadFault {
    /// The path is not a safe relative path.
    UnsafePath { path: String, fault: PathFault },
    /// A path below `.data` has no scheme, or one that does not exist.
    DataScheme(String),
    /// A path below `.data/scripts` is in a directory; only files may be there.
    NestedScript(String),
    /// Two entries with different contents have one target.
    Twice(String),
    /// Windows' rules for names hold here, and do not allow the path.
    ReservedName(String),
    /// The file would be part of the metadata of a project, which only installers write.
    ProjectMetadata(String),
    /// The file would overwrite the interpreter, the environment's own files, or the state of a
    /// transaction.
    Protected { path: String, what: &'static str },
}

impl SpreadFault {
    pub(super) fn word(&self) -> Code {
        match self {
            Self::UnsafePath { .. } => Code::UnsafeTarget,
            Self::DataScheme(_) => Code::DataScheme,
            Self::NestedScript(_) => Code::NestedScript,
            Self::Twice(_) => Code::InstalledTwice,
            Self::ReservedName(_) => Code::ReservedName,
            Self::ProjectMetadata(_) => Code::ProjectMetadata,
            Self::Protected { .. } => Code::ProtectedPath,
        }
    }
}

impl fmt::Display for SpreadFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut Escaping(f))
    }
}

impl SpreadFault {
    fn write(&self, f: &mut Escaping<'_, '_>) -> fmt::Result {
        match self {
            Self::UnsafePath { path, fault } => {
                write!(f, "the path `{path}` is unsafe: it has {fault}")
            }
            Self::DataScheme(path) => write!(
                f,
                "`{path}` is in no scheme; the schemes below `.data` are purelib, platlib, \
                 headers, scripts and data"
            ),
            Self::NestedScript(path) => write!(
                f,
                "`{path}` is in a directory below `.data/scripts`, which holds only files"
            ),
            Self::Twice(path) => write!(
                f,
                "two entries with different contents would be installed at `{path}`"
            ),
            Self::ReservedName(path) => write!(
                f,
                "the path `{path}` has a name that Windows reserves or cannot have"
            ),
            Self::ProjectMetadata(path) => write!(
                f,
                "`{path}` would be installed as metadata of a project, which only an installer \
                 writes"
            ),
            Self::Protected { path, what } => write!(f, "`{path}` would overwrite {what}"),
        }
    }
}

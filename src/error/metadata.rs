//! Faults of a wheel's file name, WHEEL, METADATA and entry points, and of its fit.

use std::fmt::{self, Write as _};

use super::code::Code;
use super::escape::{Escaping, quoted};

/// One thing that is wrong with what a wheel says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentences of `Display` explain the fields")]
pub enum MetadataFault {
    /// The file name is not a wheel's.
    FileName { name: String, reason: &'static str },
    /// There is not exactly one dist-info directory; these were found.
    DistInfoCount(Vec<String>),
    /// The dist-info directory is of another project or version.
    DistInfoName { found: String, expected: String },
    /// A file that every wheel must have is missing.
    Missing(String),
    /// A file is not UTF-8.
    NotUtf8(String),
    /// A field is missing or has a value that is not valid.
    Header {
        file: &'static str,
        field: &'static str,
        value: Option<String>,
    },
    /// The wheel has a newer format than is supported.
    Newer {
        what: &'static str,
        found: String,
        supported: &'static str,
    },
    /// METADATA and the file name disagree.
    Mismatch {
        field: &'static str,
        metadata: String,
        file_name: String,
    },
    /// A version or version specifier is not valid.
    Version { what: &'static str, text: String },
    /// The wheel's tags do not fit the environment.
    Incompatible { tags: String, environment: String },
    /// The project does not support the environment's Python.
    RequiresPython { requires: String, python: String },
    /// The scripts of these names need launchers for Windows, which are not made.
    WindowsLaunchers(Vec<String>),
    /// There are more entry points than scripts that any project would have.
    TooManyEntryPoints { count: usize, limit: usize },
    /// A line of entry_points.txt is not valid.
    EntryPointLine { line: u64, text: String },
    /// An entry point's name or value cannot become a script.
    EntryPoint {
        name: String,
        value: String,
        reason: &'static str,
    },
}

impl MetadataFault {
    pub(super) fn word(&self) -> Code {
        match self {
            Self::FileName { .. } => Code::FileName,
            Self::DistInfoCount(_) => Code::DistInfoCount,
            Self::DistInfoName { .. } => Code::DistInfoName,
            Self::Missing(_) => Code::MissingFile,
            Self::NotUtf8(_) => Code::NotUtf8,
            Self::Header { value: None, .. } => Code::MissingField,
            Self::Header { value: Some(_), .. } => Code::BadField,
            Self::Newer { .. } => Code::NewerFormat,
            Self::Mismatch { .. } => Code::MetadataMismatch,
            Self::Version { .. } => Code::BadVersion,
            Self::Incompatible { .. } => Code::IncompatibleTags,
            Self::RequiresPython { .. } => Code::RequiresPython,
            Self::WindowsLaunchers(_) => Code::WindowsLaunchers,
            Self::TooManyEntryPoints { .. } => Code::EntryPoints,
            Self::EntryPointLine { .. } => Code::EntryPointLine,
            Self::EntryPoint { .. } => Code::EntryPoint,
        }
    }
}

impl fmt::Display for MetadataFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut Escaping(f))
    }
}

impl MetadataFault {
    fn write(&self, f: &mut Escaping<'_, '_>) -> fmt::Result {
        match self {
            Self::FileName { name, reason } => {
                write!(f, "`{name}` is not a wheel's file name: {reason}")
            }
            Self::DistInfoCount(found) if found.is_empty() => {
                write!(f, "it has no `.dist-info` directory")
            }
            Self::DistInfoCount(found) => write!(
                f,
                "it has {} `.dist-info` directories: {}",
                found.len(),
                quoted(found)
            ),
            Self::DistInfoName { found, expected } => write!(
                f,
                "its dist-info directory is `{found}`, but the file name requires `{expected}`"
            ),
            Self::Missing(file) => write!(f, "`{file}` is missing"),
            Self::NotUtf8(file) => write!(f, "`{file}` is not UTF-8"),
            Self::Header {
                file,
                field,
                value: None,
            } => write!(f, "{file} has no `{field}`"),
            Self::Header {
                file,
                field,
                value: Some(value),
            } => write!(f, "{file} has `{field}: {value}`, which is not valid"),
            Self::Newer {
                what,
                found,
                supported,
            } => write!(
                f,
                "its {what} is {found}, but only versions up to {supported} are supported"
            ),
            Self::Mismatch {
                field,
                metadata,
                file_name,
            } => write!(
                f,
                "METADATA has {field} `{metadata}`, the file name has `{file_name}`"
            ),
            Self::Version { what, text } => write!(f, "{what} `{text}` is not valid"),
            Self::Incompatible { tags, environment } => write!(
                f,
                "it is built for `{tags}`, which does not fit {environment}"
            ),
            Self::RequiresPython { requires, python } => write!(
                f,
                "it requires Python {requires}, the environment has {python}"
            ),
            Self::WindowsLaunchers(names) => {
                write!(
                    f,
                    "its scripts need launchers for Windows, which cannot be made here: {}",
                    quoted(names)
                )
            }
            Self::TooManyEntryPoints { count, limit } => {
                write!(f, "it has {count} entry points, the limit is {limit}")
            }
            Self::EntryPointLine { line, text } => {
                write!(f, "entry_points.txt line {line} is not valid: `{text}`")
            }
            Self::EntryPoint {
                name,
                value,
                reason,
            } => write!(
                f,
                "the entry point `{name} = {value}` cannot become a script: {reason}"
            ),
        }
    }
}

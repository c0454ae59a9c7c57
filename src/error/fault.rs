//! What can be wrong with a wheel: every message about an archive, a RECORD, a METADATA, side by
//! side.
//!
//! A [`Fault`] says what was found and what was expected, never which wheel: the
//! [`Error`](super::Error) or the warning around it does. Fields are things; sentences are made in
//! `Display`: lower case, no full stop, backticks around names.

use std::fmt;

use super::ResolutionFault;
use crate::digest::Digest;
use crate::path::PathFault;

/// One thing that is wrong with a wheel, or with a text that a wheel holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "the fields are the things that the sentence of each fault names"
)]
pub enum Fault {
    /// The central directory cannot be read; with the reader's own words.
    NotAnArchive(String),
    /// The wheel is not a regular file.
    NotAFile,
    /// Bytes stand before the first entry, between two entries, or after the end record.
    HiddenBytes { place: String, count: u64 },
    /// Two entries share bytes of the archive.
    Overlap { first: String, second: String },
    /// Two entries have one name.
    DuplicateName(String),
    /// A name is not UTF-8.
    NameNotUtf8(String),
    /// A name or path breaks a rule of [`crate::path::RelPath`].
    UnsafePath { path: String, fault: PathFault },
    /// An entry is compressed in a way that wheels do not use.
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
    /// An entry's content is not what its compression promises.
    Corrupt { entry: String, reason: String },
    /// An entry's content is longer or shorter than the central directory and RECORD say.
    Size {
        entry: String,
        stated: u64,
        actual: u64,
    },
    /// The entries together are far larger than the archive.
    Inflation {
        content: u64,
        archive: u64,
        limit: u64,
    },
    /// An entry's CRC-32 differs.
    Crc {
        entry: String,
        stated: u32,
        actual: u32,
    },
    /// An entry's digest differs from RECORD's.
    DigestMismatch {
        entry: String,
        recorded: Box<Digest>,
        actual: Box<Digest>,
    },
    /// The digest of the whole archive differs from the one that it was pinned to.
    ArchiveDigest {
        pinned: Box<Digest>,
        actual: Box<Digest>,
    },
    /// The digest of the whole archive is none of those that it may have.
    ArchiveDigests { allowed: usize, actual: Box<Digest> },
    /// The file has another length than the one that was promised.
    ArchiveSize { promised: u64, actual: u64 },
    /// A server sent the file in another encoding than its own.
    ContentEncoding(String),
    /// A server sent something else than a wheel.
    NotAWheel {
        content_type: String,
        begins: String,
    },
    /// The archive is on a server, and has to be here.
    Remote,
    /// What has arrived differs from what was looked at before.
    OtherThanPreviewed,
    /// The archive has to be pinned to a hash and is not.
    NotPinned,
    /// Something is larger than this crate reads.
    TooLarge { what: String, size: u64, limit: u64 },
    /// The file name is not a wheel's.
    FileName { name: String, reason: &'static str },
    /// There is not exactly one dist-info directory.
    DistInfoCount(Vec<String>),
    /// The dist-info directory is another project's or another version's.
    DistInfoName { found: String, expected: String },
    /// A file that every wheel must have is missing.
    Missing(String),
    /// A text is not UTF-8.
    NotUtf8(String),
    /// A header is missing or has a value that cannot be read.
    Header {
        file: &'static str,
        field: &'static str,
        value: Option<String>,
    },
    /// The wheel was made by rules that are newer than this crate.
    Newer {
        what: &'static str,
        found: String,
        supported: &'static str,
    },
    /// METADATA and the file name disagree.
    MetadataMismatch {
        field: &'static str,
        metadata: String,
        file_name: String,
    },
    /// A row of RECORD cannot be read.
    RecordRow {
        line: u64,
        reason: &'static str,
        text: String,
    },
    /// A row of RECORD has no digest, or one that the specification does not accept.
    RecordDigest {
        path: String,
        reason: &'static str,
        text: String,
    },
    /// Two rows of RECORD contradict each other.
    RecordContradiction(String),
    /// RECORD does not list an entry of the archive.
    NotRecorded(String),
    /// RECORD lists a file that the archive does not hold.
    RecordedAbsent(String),
    /// A path below `.data` has no scheme, or one that does not exist.
    DataScheme(String),
    /// A directory below `.data/scripts`, where only files may be.
    NestedScript(String),
    /// A line of entry_points.txt cannot be read.
    EntryPointLine { line: u64, text: String },
    /// An entry point's name or value cannot become a script.
    EntryPoint {
        name: String,
        value: String,
        reason: &'static str,
    },
    /// Two entries with different contents go to one place.
    TwiceInstalled(String),
    /// A path cannot be made where Windows' names hold.
    ReservedName(String),
    /// An entry would overwrite the interpreter, the environment's own files, or this tool's state.
    Protected { path: String, what: &'static str },
    /// A `Requires-Python` or version that cannot be read.
    Version { what: &'static str, text: String },
    /// The wheel's tags do not fit the environment.
    Incompatible { tags: String, environment: String },
    /// The environment's Python is not one that the project supports.
    RequiresPython { requires: String, python: String },
    /// What a resolver left cannot be installed.
    Resolution(ResolutionFault),
}

impl From<ResolutionFault> for Fault {
    fn from(fault: ResolutionFault) -> Self {
        Self::Resolution(fault)
    }
}

/// `text` with everything a terminal would obey made visible.
pub fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let escape = crate::path::is_invisible(character);
            let plain = (!escape).then_some(character);
            plain.into_iter().chain(
                escape
                    .then(|| character.escape_default())
                    .into_iter()
                    .flatten(),
            )
        })
        .collect()
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(&self.sentence()))
    }
}

impl Fault {
    fn sentence(&self) -> String {
        match self {
            Self::NotAnArchive(reason) => format!("not a readable zip archive: {reason}"),
            Self::NotAFile => "not a regular file".to_owned(),
            Self::HiddenBytes { place, count } => {
                format!(
                    "{count} bytes {place} belong to no entry; another reader may see other files in them"
                )
            }
            Self::Overlap { first, second } => {
                format!("entries `{first}` and `{second}` share bytes of the archive")
            }
            Self::DuplicateName(name) => format!("two entries are named `{name}`"),
            Self::NameNotUtf8(name) => format!("the entry name `{name}` is not UTF-8"),
            Self::UnsafePath { path, fault } => {
                format!("the path `{path}` is unsafe: it has {fault}")
            }
            Self::Method { entry, method } => {
                format!(
                    "entry `{entry}` is compressed with {method}; wheels use stored, deflate or zstd"
                )
            }
            Self::Encrypted(entry) => format!("entry `{entry}` is encrypted"),
            Self::LocalHeader {
                entry,
                field,
                local,
                central,
            } => {
                format!(
                    "entry `{entry}`: its local header says {field} {local}, the central directory says {central}"
                )
            }
            Self::Structure { place, found } => format!("{place}: {found}"),
            Self::DirectoryContent(entry) => format!("the directory entry `{entry}` has content"),
            Self::SpecialEntry { entry, kind } => {
                format!("entry `{entry}` is {kind}; wheels hold only regular files")
            }
            Self::FileAndDirectory(path) => format!("`{path}` is a file and a directory at once"),
            Self::Truncated(entry) => format!("the archive ends within entry `{entry}`"),
            Self::Corrupt { entry, reason } => {
                format!("entry `{entry}` cannot be unpacked: {reason}")
            }
            Self::Size {
                entry,
                stated,
                actual,
            } => {
                format!("entry `{entry}` has {actual} bytes, {stated} are stated")
            }
            Self::Inflation {
                content,
                archive,
                limit,
            } => {
                format!(
                    "its entries have {content} bytes, the archive has {archive}; the limit for it is {limit}"
                )
            }
            Self::Crc {
                entry,
                stated,
                actual,
            } => {
                format!("entry `{entry}` has CRC-32 {actual:08x}, the archive states {stated:08x}")
            }
            Self::DigestMismatch {
                entry,
                recorded,
                actual,
            } => {
                format!("entry `{entry}` has digest {actual}, RECORD states {recorded}")
            }
            Self::ArchiveDigest { pinned, actual } => format!(
                "the archive has {}={}, it was pinned to {}={}",
                actual.algorithm().name(),
                actual.to_hex(),
                pinned.algorithm().name(),
                pinned.to_hex()
            ),
            Self::ArchiveDigests { allowed, actual } => format!(
                "the archive has {}={}, which is none of the {allowed} hashes that it may have",
                actual.algorithm().name(),
                actual.to_hex()
            ),
            Self::ArchiveSize { promised, actual } => {
                format!("the archive has {actual} bytes, {promised} were promised")
            }
            Self::ContentEncoding(encoding) => {
                format!("the server sent it encoded as `{encoding}`; a wheel has to come as it is")
            }
            Self::NotAWheel {
                content_type,
                begins,
            } => {
                format!(
                    "the server sent no wheel but `{content_type}`, which begins with `{begins}`"
                )
            }
            Self::OtherThanPreviewed => {
                "the server sent another file than the one that was looked at before it was fetched"
                    .to_owned()
            }
            Self::Remote => "it is on a server, and has to be fetched first".to_owned(),
            Self::NotPinned => {
                "no hash is pinned for it, and `--require-hashes` asks for one".to_owned()
            }
            Self::TooLarge { what, size, limit } => {
                format!("{what} is {size}, the limit is {limit}")
            }
            _ => self.sentence_about_metadata(),
        }
    }

    fn sentence_about_metadata(&self) -> String {
        match self {
            Self::FileName { name, reason } => {
                format!("`{name}` is not a wheel's file name: {reason}")
            }
            Self::DistInfoCount(found) if found.is_empty() => {
                "it has no `.dist-info` directory".to_owned()
            }
            Self::DistInfoCount(found) => {
                format!(
                    "it has {} `.dist-info` directories: `{}`",
                    found.len(),
                    found.join("`, `")
                )
            }
            Self::DistInfoName { found, expected } => {
                format!("its dist-info directory is `{found}`, the file name asks for `{expected}`")
            }
            Self::Missing(file) => format!("`{file}` is missing"),
            Self::NotUtf8(file) => format!("`{file}` is not UTF-8"),
            Self::Header {
                file,
                field,
                value: None,
            } => format!("{file} has no `{field}`"),
            Self::Header {
                file,
                field,
                value: Some(value),
            } => {
                format!("{file} has `{field}: {value}`, which cannot be read")
            }
            Self::Newer {
                what,
                found,
                supported,
            } => format!("its {what} is {found}, up to {supported} is supported"),
            Self::MetadataMismatch {
                field,
                metadata,
                file_name,
            } => {
                format!("METADATA has {field} `{metadata}`, the file name has `{file_name}`")
            }
            Self::RecordRow { line, reason, text } => {
                format!("RECORD line {line}: {reason}: `{text}`")
            }
            Self::RecordDigest { path, reason, text } => {
                format!("RECORD row of `{path}`: {reason}: `{text}`")
            }
            Self::RecordContradiction(path) => {
                format!("RECORD lists `{path}` twice, with different digests or sizes")
            }
            Self::NotRecorded(entry) => format!("entry `{entry}` is not listed in RECORD"),
            Self::RecordedAbsent(path) => {
                format!("RECORD lists `{path}`, which the archive does not hold")
            }
            Self::DataScheme(path) => {
                format!(
                    "`{path}` is in no scheme: below `.data` are purelib, platlib, headers, scripts and data"
                )
            }
            Self::NestedScript(path) => {
                format!("`{path}` is in a directory below `.data/scripts`, which holds only files")
            }
            Self::EntryPointLine { line, text } => {
                format!("entry_points.txt line {line} cannot be read: `{text}`")
            }
            Self::EntryPoint {
                name,
                value,
                reason,
            } => {
                format!("the entry point `{name} = {value}` cannot become a script: {reason}")
            }
            Self::TwiceInstalled(path) => {
                format!("two entries with different contents go to `{path}`")
            }
            Self::ReservedName(path) => {
                format!("the path `{path}` has a name that Windows reserves or cannot have")
            }
            Self::Protected { path, what } => format!("`{path}` would overwrite {what}"),
            Self::Version { what, text } => format!("{what} `{text}` cannot be read"),
            Self::Incompatible { tags, environment } => {
                format!("it is built for `{tags}`, which does not fit {environment}")
            }
            Self::RequiresPython { requires, python } => {
                format!("it requires Python {requires}, the environment has {python}")
            }
            Self::Resolution(fault) => fault.sentence(),
            _ => String::new(),
        }
    }
}

//! Faults of the files that resolvers write: installation reports, lock files, lists of pinned
//! requirements.

use std::fmt::{self, Write as _};

use super::code::Code;
use super::escape::{Escaping, SHOWN, quoted};
use super::tools_lock::ToolsLock;

/// One thing that is wrong with the file of a resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the sentences of `Display` explain the fields")]
pub enum ResolutionFault {
    /// An installation report is not JSON; with the reader's own words.
    NotJson(String),
    /// A JSON text is not an installation report of pip; with the reader's own words.
    NotAReport(String),
    /// A lock file is not TOML; with the reader's own words.
    NotToml(String),
    /// A list of requirements is not text; with the reader's own words.
    NotRequirements(String),
    /// A lock file was given as a list of requirements.
    LockAsRequirements,
    /// JSON was given as a list of requirements.
    JsonAsRequirements,
    /// A lock file in the own format of another tool.
    ToolsOwnLock(ToolsLock),
    /// A lock file has another name than lock files have.
    LockName(String),
    /// A required key is missing.
    MissingKey(String),
    /// A key has a value of another type or form.
    BadKey { key: String, expected: &'static str },
    /// A key of a project's file cannot be used; with the reason.
    ProjectKey { key: String, reason: String },
    /// The version of the format is not supported.
    FormatVersion {
        key: &'static str,
        found: String,
        supported: &'static str,
    },
    /// A marker is not valid.
    Marker {
        place: String,
        marker: String,
        reason: String,
    },
    /// It was made for another interpreter or system: field, value in the report, value of the
    /// environment.
    OtherEnvironment(Vec<(&'static str, String, String)>),
    /// None of the lock file's environments is the given one; these are its markers.
    NoEnvironment(Vec<String>),
    /// A package does not support the interpreter.
    PackageRequiresPython {
        package: String,
        requires: String,
        python: String,
    },
    /// The lock file does not have the selected extra or group.
    NotOffered {
        kind: &'static str,
        name: String,
        offered: Vec<String>,
    },
    /// One project is listed more than once; with the places or versions.
    Twice { package: String, found: Vec<String> },
    /// A package has several kinds of sources, or none.
    Sources {
        package: String,
        found: Vec<&'static str>,
    },
    /// Packages that are not wheels: name, and what each is.
    NotWheels(Vec<(String, String)>),
    /// None of a package's wheels fits.
    NoWheelFits {
        package: String,
        wheels: usize,
        environment: String,
    },
    /// A wheel is of another project or version than its entry.
    OtherWheel { entry: String, file_name: String },
    /// An entry has no hash that proves its content; these were found.
    NoSecureHash { entry: String, found: Vec<String> },
    /// A hash is not valid.
    BadHash { entry: String, hash: String },
    /// A URL or path cannot be used.
    Location {
        entry: String,
        location: String,
        reason: &'static str,
    },
    /// A line of a list of requirements cannot be used.
    Line {
        line: u64,
        text: String,
        reason: &'static str,
    },
    /// No wheel of a pinned requirement that fits is in the directories; `others` do not fit.
    NotFound {
        line: u64,
        requirement: String,
        directories: Vec<String>,
        others: Vec<String>,
    },
    /// Requirements are pinned to versions, and there is no directory to look in.
    NowhereToLook(Vec<String>),
}

impl ResolutionFault {
    /// The stable code, as `yanked`; all are listed in [`CODES`](super::CODES).
    pub fn code(&self) -> &'static str {
        self.word().slug()
    }

    pub(super) fn word(&self) -> Code {
        match self {
            Self::NotJson(_) => Code::NotJson,
            Self::NotAReport(_) => Code::NotAReport,
            Self::NotToml(_) => Code::NotToml,
            Self::NotRequirements(_) => Code::NotRequirements,
            Self::LockAsRequirements => Code::LockAsRequirements,
            Self::JsonAsRequirements => Code::JsonAsRequirements,
            Self::ToolsOwnLock(_) => Code::ToolsOwnLock,
            Self::LockName(_) => Code::LockName,
            Self::MissingKey(_) => Code::MissingKey,
            Self::BadKey { .. } | Self::ProjectKey { .. } => Code::BadKey,
            Self::FormatVersion { .. } => Code::FormatVersion,
            Self::Marker { .. } => Code::BadMarker,
            Self::OtherEnvironment(_) => Code::OtherEnvironment,
            Self::NoEnvironment(_) => Code::NoLockedEnvironment,
            Self::PackageRequiresPython { .. } => Code::PackageRequiresPython,
            Self::NotOffered { .. } => Code::NotOffered,
            Self::Twice { .. } => Code::ListedTwice,
            Self::Sources { .. } => Code::PackageSources,
            Self::NotWheels(_) => Code::NotWheels,
            Self::NoWheelFits { .. } => Code::NoWheelFits,
            Self::OtherWheel { .. } => Code::OtherWheel,
            Self::NoSecureHash { .. } => Code::NoSecureHash,
            Self::BadHash { .. } => Code::BadHash,
            Self::Location { .. } => Code::Location,
            Self::Line { .. } => Code::RequirementLine,
            Self::NotFound { .. } => Code::NotFound,
            Self::NowhereToLook(_) => Code::NowhereToLook,
        }
    }
}

impl fmt::Display for ResolutionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut Escaping(f))
    }
}

impl ResolutionFault {
    fn write(&self, f: &mut Escaping<'_, '_>) -> fmt::Result {
        match self {
            Self::NotJson(reason) => write!(f, "it is not JSON: {reason}"),
            Self::NotAReport(reason) => {
                write!(f, "it is not an installation report of pip: {reason}")
            }
            Self::NotToml(reason) => write!(f, "it is not TOML: {reason}"),
            Self::NotRequirements(reason) => {
                write!(f, "it is not a list of requirements: {reason}")
            }
            Self::LockAsRequirements => {
                write!(f, "it is a lock file, not a list of requirements")
            }
            Self::JsonAsRequirements => {
                write!(f, "it is JSON, not a list of requirements")
            }
            Self::ToolsOwnLock(lock) => write!(
                f,
                "it is a lock file in {}'s own format: `{}` makes one that others can read",
                lock.tool, lock.export
            ),
            Self::LockName(name) => write!(
                f,
                "`{name}` is not a lock file's name: it is `pylock.toml` or `pylock.NAME.toml`"
            ),
            Self::MissingKey(key) => write!(f, "`{key}` is missing"),
            Self::BadKey { key, expected } => write!(f, "`{key}` is not {expected}"),
            Self::ProjectKey { key, reason } => write!(f, "`{key}` cannot be used: {reason}"),
            Self::FormatVersion {
                key,
                found,
                supported,
            } => write!(
                f,
                "its `{key}` is `{found}`, only `{supported}` is supported"
            ),
            Self::Marker {
                place,
                marker,
                reason,
            } => write!(f, "the marker `{marker}` of {place} is not valid: {reason}"),
            Self::OtherEnvironment(differences) => {
                write!(f, "it was made for another environment: ")?;
                write_list(f, differences, ", ", |f, (field, there, here)| {
                    write!(f, "`{field}` is `{there}` in it and `{here}` here")
                })
            }
            Self::NoEnvironment(markers) => write!(
                f,
                "it was made for other environments: none of {} holds here",
                quoted(markers)
            ),
            Self::PackageRequiresPython {
                package,
                requires,
                python,
            } => write!(
                f,
                "`{package}` requires Python {requires}, the environment has {python}"
            ),
            Self::NotOffered {
                kind,
                name,
                offered,
            } if offered.is_empty() => write!(f, "it has no {kind} `{name}` and no other"),
            Self::NotOffered {
                kind,
                name,
                offered,
            } => write!(f, "it has no {kind} `{name}`, only {}", quoted(offered)),
            Self::Twice { package, found } => {
                write!(
                    f,
                    "`{package}` is listed more than once for this environment: "
                )?;
                write_list(f, found, ", ", |f, place| write!(f, "{place}"))
            }
            Self::Sources { package, found } if found.is_empty() => {
                write!(f, "`{package}` has no source")
            }
            Self::Sources { package, found } => write!(
                f,
                "`{package}` has sources that cannot be used together: {}",
                quoted(found)
            ),
            Self::NotWheels(entries) => {
                write!(f, "only wheels can be installed, but ")?;
                write_list(f, entries, "; ", |f, (name, what)| {
                    write!(f, "`{name}` is {what}")
                })
            }
            Self::NoWheelFits {
                package,
                wheels: 1,
                environment,
            } => write!(
                f,
                "the only wheel of `{package}` does not fit {environment}"
            ),
            Self::NoWheelFits {
                package,
                wheels,
                environment,
            } => write!(
                f,
                "none of the {wheels} wheels of `{package}` fits {environment}"
            ),
            Self::OtherWheel { entry, file_name } => {
                write!(f, "`{file_name}` is not a wheel of `{entry}`")
            }
            Self::NoSecureHash { entry, found } if found.is_empty() => {
                write!(f, "`{entry}` has no hash")
            }
            Self::NoSecureHash { entry, found } => {
                write!(f, "`{entry}` has no secure hash, only {}", quoted(found))
            }
            Self::BadHash { entry, hash } => {
                write!(f, "the hash `{hash}` of `{entry}` is not valid")
            }
            Self::Location {
                entry,
                location,
                reason,
            } => write!(f, "`{entry}` is at `{location}`: {reason}"),
            Self::Line { line, text, reason } => write!(f, "line {line}: {reason}: `{text}`"),
            Self::NotFound {
                line,
                requirement,
                directories,
                others,
            } if others.is_empty() => write!(
                f,
                "line {line}: no wheel of `{requirement}` is in {}",
                quoted(directories)
            ),
            Self::NotFound {
                line,
                requirement,
                others,
                ..
            } => write!(
                f,
                "line {line}: no wheel of `{requirement}` fits the environment: there is {}",
                quoted(others)
            ),
            Self::NowhereToLook(requirements) => write!(
                f,
                "there is no directory to look for these in: {}",
                quoted(requirements)
            ),
        }
    }
}

/// The first entries, and how many more there are.
fn write_list<T>(
    f: &mut Escaping<'_, '_>,
    entries: &[T],
    separator: &str,
    write_one: impl Fn(&mut Escaping<'_, '_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (number, entry) in entries.iter().take(SHOWN).enumerate() {
        f.write_str(if number == 0 { "" } else { separator })?;
        write_one(f, entry)?;
    }
    match entries.len().checked_sub(SHOWN) {
        Some(rest @ 1..) => write!(f, "{separator}and {rest} more"),
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod samples {
    //! One fault of each kind, for the snapshot of all messages.

    use super::super::tests::{text, texts};
    use super::*;

    pub(in crate::error) fn resolution_faults() -> Vec<ResolutionFault> {
        use ResolutionFault as F;
        let package = || text("six 1.17.0");
        vec![
            F::NotJson(text("expected value at line 1")),
            F::NotAReport(text("missing field `install`")),
            F::NotToml(text("line 1, column 2")),
            F::NotRequirements(text("invalid UTF-8")),
            F::LockAsRequirements,
            F::JsonAsRequirements,
            F::ToolsOwnLock(ToolsLock::ALL[0]),
            F::ToolsOwnLock(ToolsLock::ALL[3]),
            F::LockName(text("lock.toml")),
            F::MissingKey(text("version")),
            F::BadKey {
                key: text("packages"),
                expected: "a list",
            },
            F::ProjectKey {
                key: text("project.dependencies"),
                reason: text("it is dynamic"),
            },
            F::FormatVersion {
                key: "lock-version",
                found: text("2.0"),
                supported: "1.x",
            },
            F::Marker {
                place: package(),
                marker: text("x"),
                reason: text("unknown variable"),
            },
            F::OtherEnvironment(vec![("sys_platform", text("win32"), text("linux"))]),
            F::NoEnvironment(texts(&["os_name == 'nt'"])),
            F::PackageRequiresPython {
                package: package(),
                requires: text(">=3.12"),
                python: text("3.11.2"),
            },
            F::NotOffered {
                kind: "extra",
                name: text("x"),
                offered: Vec::new(),
            },
            F::NotOffered {
                kind: "extra",
                name: text("x"),
                offered: texts(&["y", "z"]),
            },
            F::Twice {
                package: package(),
                found: texts(&["1.0", "2.0"]),
            },
            F::Sources {
                package: package(),
                found: Vec::new(),
            },
            F::Sources {
                package: package(),
                found: vec!["archive", "wheels"],
            },
            F::NotWheels(vec![(package(), text("a directory, `.`"))]),
            F::NoWheelFits {
                package: package(),
                wheels: 1,
                environment: text("CPython 3.11"),
            },
            F::NoWheelFits {
                package: package(),
                wheels: 2,
                environment: text("CPython 3.11"),
            },
            F::OtherWheel {
                entry: package(),
                file_name: text("a-1-py3-none-any.whl"),
            },
            F::NoSecureHash {
                entry: package(),
                found: Vec::new(),
            },
            F::NoSecureHash {
                entry: package(),
                found: texts(&["md5"]),
            },
            F::BadHash {
                entry: package(),
                hash: text("sha256:0"),
            },
            F::Location {
                entry: package(),
                location: text("ftp://host/a.whl"),
                reason: "this is not a URL",
            },
            F::Line {
                line: 4,
                text: text("-x"),
                reason: "this option is not known",
            },
            F::NotFound {
                line: 4,
                requirement: text("six==1.17.0"),
                directories: texts(&["wheels"]),
                others: Vec::new(),
            },
            F::NotFound {
                line: 4,
                requirement: text("six==1.17.0"),
                directories: texts(&["wheels"]),
                others: texts(&["six-1.17.0-cp39-cp39-win32.whl"]),
            },
            F::NowhereToLook(texts(&["a==1", "b==1", "c==1", "d==1", "e==1"])),
        ]
    }
}

//! What can be wrong with what a resolver left: an installation report, a lock file, a list of
//! pinned requirements.
//!
//! A [`ResolutionFault`] says what was found, never in which file: the [`Error`](super::Error) or
//! the warning around it does. Sentences as everywhere: lower case, no full stop, backticks around
//! names.

/// One thing that is wrong with, or odd about, what a resolver left.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "the fields are the things that the sentence of each fault names"
)]
pub enum ResolutionFault {
    /// The text is not in its format; with the reader's own words.
    Syntax {
        format: &'static str,
        reason: String,
    },
    /// A lock file that is not called as lock files are.
    LockName(String),
    /// A key that has to be there and is not.
    MissingKey(String),
    /// A key whose value is of another type or form.
    BadKey { key: String, expected: &'static str },
    /// A version of the format that is not known.
    FormatVersion {
        key: &'static str,
        found: String,
        supported: &'static str,
    },
    /// A marker that cannot be read.
    Marker {
        place: String,
        marker: String,
        reason: String,
    },
    /// It was made for another interpreter or system: field, value there, value here.
    OtherEnvironment(Vec<(&'static str, String, String)>),
    /// None of a lock file's environments is the one here.
    NoEnvironment(Vec<String>),
    /// A package does not support the interpreter.
    PackageRequiresPython {
        package: String,
        requires: String,
        python: String,
    },
    /// Something that a lock file does not offer was selected.
    NotOffered {
        kind: &'static str,
        name: String,
        offered: Vec<String>,
    },
    /// One project is there more than once; with the places or versions.
    Twice { package: String, found: Vec<String> },
    /// A package comes from several sorts of sources, or from none.
    Sources {
        package: String,
        found: Vec<&'static str>,
    },
    /// Entries that are no wheels: name, and what it is.
    NotWheels(Vec<(String, String)>),
    /// None of a package's wheels fits.
    NoWheelFits {
        package: String,
        wheels: usize,
        environment: String,
    },
    /// A wheel of another project or version than its entry's.
    OtherWheel { entry: String, file_name: String },
    /// There is no hash that can be checked.
    NoSecureHash { entry: String, found: Vec<String> },
    /// A hash that is not one.
    BadHash { entry: String, hash: String },
    /// A URL or path that cannot be used.
    Location {
        entry: String,
        location: String,
        reason: &'static str,
    },
    /// A line of a list of requirements that cannot be used.
    Line {
        line: u64,
        text: String,
        reason: &'static str,
    },
    /// No wheel of a pinned requirement is in the directories to look in.
    NotFound {
        line: u64,
        requirement: String,
        directories: Vec<String>,
        others: Vec<String>,
    },
    /// Requirements that are pinned to a version, and no directory to look in.
    NowhereToLook(Vec<String>),
    /// A release that was taken back by its project.
    Yanked(String),
    /// A key of a newer format that is not known.
    UnknownKey { key: String, version: String },
    /// An option that means nothing here.
    IgnoredOption {
        line: u64,
        option: String,
        reason: &'static str,
    },
}

impl ResolutionFault {
    /// The code of the warning that it is where it does not stop anything.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Yanked(_) => "yanked",
            Self::UnknownKey { .. } => "lock-unknown-key",
            Self::IgnoredOption { .. } => "requirements-option",
            _ => "resolution",
        }
    }

    /// What a person can do about it, where there is something to say.
    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotWheels(_) => Some(
                "build wheels of them with `pip wheel --no-deps`, and resolve again with those; `--only-binary :all:` keeps \
                 pip from choosing sources, `uv export --no-emit-local` leaves local projects out",
            ),
            Self::OtherEnvironment(_)
            | Self::NoEnvironment(_)
            | Self::PackageRequiresPython { .. } => {
                Some("`--no-compat-check` installs it all the same")
            }
            Self::LockName(_) => {
                Some("`--lock -` reads one without a name, or of another, from stdin")
            }
            Self::Syntax { format: "JSON", .. } => {
                Some("`pip install --report -` mixes it with other lines; `--quiet` keeps it pure")
            }
            Self::NowhereToLook(_) => Some(
                "download the wheels with `pip download --no-deps`, and name their directory with `--find-links`",
            ),
            _ => None,
        }
    }

    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Syntax { format, reason } => format!("it is not {format}: {reason}"),
            Self::LockName(name) => {
                format!(
                    "`{name}` is not a lock file's name: it is `pylock.toml` or `pylock.NAME.toml`"
                )
            }
            Self::MissingKey(key) => format!("`{key}` is missing"),
            Self::BadKey { key, expected } => format!("`{key}` is not {expected}"),
            Self::FormatVersion {
                key,
                found,
                supported,
            } => {
                format!("its `{key}` is `{found}`, only `{supported}` is supported")
            }
            Self::Marker {
                place,
                marker,
                reason,
            } => {
                format!("the marker `{marker}` of {place} cannot be read: {reason}")
            }
            Self::Yanked(release) => {
                format!("`{release}` was yanked: its project took the release back")
            }
            Self::UnknownKey { key, version } => {
                format!(
                    "the key `{key}` is not known and is ignored; the lock file is of version {version}"
                )
            }
            Self::IgnoredOption {
                line,
                option,
                reason,
            } => format!("line {line}: `{option}` is ignored: {reason}"),
            Self::Line { line, text, reason } => format!("line {line}: {reason}: `{text}`"),
            Self::NowhereToLook(requirements) => {
                let more = match requirements.len().saturating_sub(1) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let first = requirements.first().map(String::as_str).unwrap_or_default();
                format!(
                    "nothing is looked up by name, and no directory is named that holds `{first}`{more}"
                )
            }
            Self::NotFound {
                line,
                requirement,
                directories,
                others,
            } => not_found(*line, requirement, directories, others),
            _ => self.sentence_about_packages(),
        }
    }

    fn sentence_about_packages(&self) -> String {
        match self {
            Self::OtherEnvironment(differences) => {
                let list: Vec<_> = differences
                    .iter()
                    .map(|(field, there, here)| {
                        format!("`{field}` is `{there}` there and `{here}` here")
                    })
                    .collect();
                format!("it was made for another environment: {}", list.join(", "))
            }
            Self::NoEnvironment(markers) => {
                format!(
                    "it was made for other environments: none of `{}` holds here",
                    markers.join("`, `")
                )
            }
            Self::PackageRequiresPython {
                package,
                requires,
                python,
            } => {
                format!("`{package}` requires Python {requires}, the environment has {python}")
            }
            Self::NotOffered {
                kind,
                name,
                offered,
            } if offered.is_empty() => {
                format!("it has no {kind} `{name}`, nor any other")
            }
            Self::NotOffered {
                kind,
                name,
                offered,
            } => {
                format!("it has no {kind} `{name}`, only `{}`", offered.join("`, `"))
            }
            Self::Twice { package, found } => {
                format!(
                    "`{package}` is listed more than once for this environment: {}",
                    found.join(", ")
                )
            }
            Self::Sources { package, found } if found.is_empty() => {
                format!("`{package}` has no source")
            }
            Self::Sources { package, found } => {
                format!(
                    "`{package}` has sources that exclude each other: `{}`",
                    found.join("`, `")
                )
            }
            Self::NotWheels(entries) => {
                let list: Vec<_> = entries
                    .iter()
                    .map(|(name, what)| format!("`{name}` is {what}"))
                    .collect();
                format!("only wheels can be installed, but {}", list.join("; "))
            }
            Self::NoWheelFits {
                package,
                wheels: 1,
                environment,
            } => {
                format!("the only wheel of `{package}` does not fit {environment}")
            }
            Self::NoWheelFits {
                package,
                wheels,
                environment,
            } => {
                format!("none of the {wheels} wheels of `{package}` fits {environment}")
            }
            Self::OtherWheel { entry, file_name } => {
                format!("`{file_name}` is not a wheel of `{entry}`")
            }
            Self::NoSecureHash { entry, found } if found.is_empty() => {
                format!("`{entry}` has no hash")
            }
            Self::NoSecureHash { entry, found } => {
                format!(
                    "`{entry}` has no secure hash: `{}` proves nothing",
                    found.join("`, `")
                )
            }
            Self::BadHash { entry, hash } => {
                format!("the hash `{hash}` of `{entry}` cannot be read")
            }
            Self::Location {
                entry,
                location,
                reason,
            } => format!("`{entry}` is at `{location}`: {reason}"),
            _ => String::new(),
        }
    }
}

fn not_found(line: u64, requirement: &str, directories: &[String], others: &[String]) -> String {
    if others.is_empty() {
        return format!(
            "line {line}: no wheel of `{requirement}` is in `{}`",
            directories.join("`, `")
        );
    }
    format!(
        "line {line}: no wheel of `{requirement}` fits the environment: there is `{}`",
        others.join("`, `")
    )
}

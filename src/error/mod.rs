//! Failures: one opaque type for the whole crate, and every message of it.
//!
//! An [`Error`] says what happened ([`Display`](fmt::Display)), what sort of thing that is
//! ([`Error::kind`], which the command line turns into its exit code), what state the environment
//! is in ([`Error::effect`]) and what to do ([`Error::hint`]). Its details are private. There is no
//! conversion from `io::Error`: each one gets the operation and the path that it happened to, at
//! the file system's door.

mod fault;
mod resolution;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use fault::{Fault, escaped};
pub use resolution::ResolutionFault;

/// How many faults or conflicts a message shows; JSON has them all.
const SHOWN: usize = 10;

/// The result of everything that can fail in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure, with what it did to the environment.
pub struct Error(Box<Failure>);

struct Failure {
    detail: Detail,
    effect: Effect,
}

/// What sort of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An operation of the file system failed: disk full, permission, I/O.
    Failed,
    /// What was asked for makes no sense.
    Usage,
    /// A wheel is not valid, not what was promised, or does not fit the environment.
    Input,
    /// Two owners of one path, or two versions of one project.
    Conflict,
    /// The environment cannot be found, or must not be changed.
    Environment,
    /// `check` found differences.
    Differences,
    /// The user asked to stop.
    Interrupted,
}

/// What a failure did to the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing was changed.
    Untouched,
    /// Changes had begun and were taken back.
    RolledBack,
    /// Changes had begun and could not be taken back; `recover` has to settle them.
    Unfinished,
}

/// Two owners of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// The path, relative to the directory of the packages where it is inside, else to the
    /// environment's root.
    pub path: String,
    /// Who owns it, and what they would have there, as text: a digest, `a file`, `a directory`.
    pub owners: Vec<(String, String)>,
    /// Whether naming a winner could settle it; nothing makes one path a file and a directory.
    pub is_settleable: bool,
}

#[derive(Debug)]
enum Detail {
    Io {
        operation: &'static str,
        path: PathBuf,
        other: Option<PathBuf>,
        source: io::Error,
    },
    Wheels(Vec<(String, Vec<Fault>)>),
    Conflicts(Vec<Clash>),
    TwoVersions {
        name: String,
        sources: Vec<String>,
    },
    NoEnvironment {
        tried: Vec<PathBuf>,
    },
    BadEnvironment {
        path: PathBuf,
        reason: String,
    },
    Interpreter {
        path: PathBuf,
        reason: String,
    },
    ExternallyManaged {
        path: PathBuf,
        message: String,
    },
    Locked {
        path: PathBuf,
        seconds: u64,
    },
    LockFailed {
        path: PathBuf,
        source: io::Error,
    },
    NotReplaceable {
        name: String,
        reason: String,
        installer: Option<String>,
    },
    NotInstalled(Vec<String>),
    LeadsOutside {
        path: PathBuf,
        target: PathBuf,
    },
    Journal {
        path: PathBuf,
        reason: String,
    },
    NothingToUndo {
        path: PathBuf,
        reason: String,
    },
    NoSpace {
        path: PathBuf,
        needed: u64,
        available: u64,
    },
    Differences {
        count: usize,
    },
    Network {
        label: String,
        reason: String,
        hint: &'static str,
    },
    Offline(Vec<String>),
    Cache(Error),
    Usage(String),
    Interrupted,
}

impl Error {
    fn new(detail: Detail) -> Self {
        Self(Box::new(Failure {
            detail,
            effect: Effect::Untouched,
        }))
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match &self.0.detail {
            Detail::Io { .. }
            | Detail::NoSpace { .. }
            | Detail::Network { .. }
            | Detail::Offline(_) => ErrorKind::Failed,
            Detail::Cache(error) => error.kind(),
            Detail::Wheels(_) => ErrorKind::Input,
            Detail::Conflicts(_) | Detail::TwoVersions { .. } => ErrorKind::Conflict,
            Detail::Differences { .. } => ErrorKind::Differences,
            Detail::Usage(_) => ErrorKind::Usage,
            Detail::Interrupted => ErrorKind::Interrupted,
            _ => ErrorKind::Environment,
        }
    }

    /// What the failure did to the environment.
    pub fn effect(&self) -> Effect {
        self.0.effect
    }

    /// The same failure, known to have had this effect.
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.0.effect = effect;
        self
    }

    /// What a person can do about it, where there is something to say.
    pub fn hint(&self) -> Option<&'static str> {
        match &self.0.detail {
            Detail::Conflicts(clashes) if clashes.iter().all(|clash| !clash.is_settleable) => {
                Some("choose one of the projects, or move what is in the way")
            }
            Detail::Conflicts(_) => Some(
                "choose one of the projects, or say which one wins with `--on-conflict first` or `--on-conflict last`",
            ),
            Detail::TwoVersions { .. } => Some("pass one wheel of each project"),
            Detail::NoEnvironment { .. } => {
                Some("pass `--target DIR` or `--python EXE`, or activate a virtual environment")
            }
            Detail::ExternallyManaged { .. } => {
                Some("use a virtual environment, or pass `--break-system-packages`")
            }
            Detail::Network { hint, .. } => Some(hint),
            Detail::Offline(_) => Some("run it once without `--offline`"),
            Detail::Cache(error) => error.hint().or(Some(
                "name another directory with `--cache-dir`, or do without one: `--no-cache`",
            )),
            Detail::Locked { .. } => Some("wait for the other process, or raise `--lock-timeout`"),
            Detail::Wheels(wheels) => {
                wheels
                    .iter()
                    .flat_map(|(_, faults)| faults)
                    .find_map(|fault| match fault {
                        Fault::Incompatible { .. } | Fault::RequiresPython { .. } => {
                            Some("`--no-compat-check` installs it all the same")
                        }
                        Fault::HiddenBytes { .. }
                        | Fault::Truncated(_)
                        | Fault::NotAnArchive(_) => Some("fetch or build the wheel again"),
                        Fault::Resolution(fault) => fault.hint(),
                        _ => None,
                    })
            }
            _ => None,
        }
    }

    /// The operating system's error code, where the failure came from a file-system operation.
    pub fn os_code(&self) -> Option<i32> {
        match &self.0.detail {
            Detail::Io { source, .. } => source.raw_os_error(),
            Detail::Cache(error) => error.os_code(),
            _ => None,
        }
    }

    /// The conflicts, all of them, where that is what the failure is.
    pub fn clashes(&self) -> &[Clash] {
        match &self.0.detail {
            Detail::Conflicts(clashes) => clashes,
            _ => &[],
        }
    }

    /// The wheels that were refused, each with all of its faults, where that is what the failure
    /// is.
    pub fn refused_wheels(&self) -> &[(String, Vec<Fault>)] {
        match &self.0.detail {
            Detail::Wheels(wheels) => wheels,
            _ => &[],
        }
    }

    /// Whether wheels were refused, and nothing else failed.
    pub(crate) fn is_refusal(&self) -> bool {
        !self.refused_wheels().is_empty()
    }

    /// All that succeeded, or one refusal of everything that was refused.
    ///
    /// # Errors
    /// That refusal; a failure of another kind comes first.
    pub(crate) fn all_or_refused<T>(
        results: impl IntoIterator<Item = Result<T>>,
    ) -> Result<Vec<T>> {
        let (mut succeeded, mut refused) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(value) => succeeded.push(value),
                Err(error) if error.is_refusal() => {
                    refused.extend_from_slice(error.refused_wheels());
                }
                Err(error) => return Err(error),
            }
        }
        if refused.is_empty() {
            Ok(succeeded)
        } else {
            Err(Self::wheels(refused))
        }
    }

    /// A file-system operation on `path` failed.
    pub fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::new(Detail::Io {
            operation,
            path: path.to_owned(),
            other: None,
            source,
        })
    }

    /// A file-system operation from `path` to `other` failed.
    pub(crate) fn io_to(
        operation: &'static str,
        path: &Path,
        other: &Path,
        source: io::Error,
    ) -> Self {
        Self::new(Detail::Io {
            operation,
            path: path.to_owned(),
            other: Some(other.to_owned()),
            source,
        })
    }

    /// Wheels are refused, each for all of these reasons.
    pub(crate) fn wheels(wheels: Vec<(String, Vec<Fault>)>) -> Self {
        Self::new(Detail::Wheels(wheels))
    }

    /// One wheel is refused for one reason.
    pub(crate) fn wheel(wheel: &str, fault: Fault) -> Self {
        Self::wheels(vec![(wheel.to_owned(), vec![fault])])
    }

    pub(crate) fn conflicts(clashes: Vec<Clash>) -> Self {
        Self::new(Detail::Conflicts(clashes))
    }

    pub(crate) fn two_versions(name: &str, sources: Vec<String>) -> Self {
        Self::new(Detail::TwoVersions {
            name: name.to_owned(),
            sources,
        })
    }

    /// No environment was named and none was found at these places.
    pub(crate) fn no_environment(tried: Vec<PathBuf>) -> Self {
        Self::new(Detail::NoEnvironment { tried })
    }

    /// There is something at `path`, but not an environment that can be used.
    pub(crate) fn bad_environment(path: &Path, reason: impl Into<String>) -> Self {
        Self::new(Detail::BadEnvironment {
            path: path.to_owned(),
            reason: reason.into(),
        })
    }

    /// The interpreter cannot be started or does not answer.
    pub(crate) fn interpreter(path: &Path, reason: impl Into<String>) -> Self {
        Self::new(Detail::Interpreter {
            path: path.to_owned(),
            reason: reason.into(),
        })
    }

    /// The environment belongs to another package manager (PEP 668); `message` is its own words.
    pub(crate) fn externally_managed(path: &Path, message: impl Into<String>) -> Self {
        Self::new(Detail::ExternallyManaged {
            path: path.to_owned(),
            message: message.into(),
        })
    }

    pub(crate) fn locked(path: &Path, seconds: u64) -> Self {
        Self::new(Detail::Locked {
            path: path.to_owned(),
            seconds,
        })
    }

    pub(crate) fn lock_failed(path: &Path, source: io::Error) -> Self {
        Self::new(Detail::LockFailed {
            path: path.to_owned(),
            source,
        })
    }

    /// What is installed cannot be replaced or removed.
    pub(crate) fn not_replaceable(
        name: &str,
        reason: impl Into<String>,
        installer: Option<String>,
    ) -> Self {
        Self::new(Detail::NotReplaceable {
            name: name.to_owned(),
            reason: reason.into(),
            installer,
        })
    }

    pub(crate) fn not_installed(names: Vec<String>) -> Self {
        Self::new(Detail::NotInstalled(names))
    }

    /// A symbolic link leads out of the environment.
    pub(crate) fn leads_outside(path: &Path, target: &Path) -> Self {
        Self::new(Detail::LeadsOutside {
            path: path.to_owned(),
            target: target.to_owned(),
        })
    }

    pub(crate) fn journal(path: &Path, reason: impl Into<String>) -> Self {
        Self::new(Detail::Journal {
            path: path.to_owned(),
            reason: reason.into(),
        })
        .with_effect(Effect::Unfinished)
    }

    pub(crate) fn nothing_to_undo(path: &Path, reason: impl Into<String>) -> Self {
        Self::new(Detail::NothingToUndo {
            path: path.to_owned(),
            reason: reason.into(),
        })
    }

    pub(crate) fn no_space(path: &Path, needed: u64, available: u64) -> Self {
        Self::new(Detail::NoSpace {
            path: path.to_owned(),
            needed,
            available,
        })
    }

    pub(crate) fn differences(count: usize) -> Self {
        Self::new(Detail::Differences { count })
    }

    /// The address `label` could not be fetched; `hint` says what to do about it.
    #[cfg_attr(
        not(feature = "http"),
        allow(dead_code, reason = "only addresses are fetched")
    )]
    pub(crate) fn network(label: &str, reason: impl Into<String>, hint: &'static str) -> Self {
        Self::new(Detail::Network {
            label: label.to_owned(),
            reason: reason.into(),
            hint,
        })
    }

    /// These addresses would have to be fetched.
    #[cfg_attr(
        not(feature = "http"),
        allow(dead_code, reason = "only addresses are fetched")
    )]
    pub(crate) fn offline(labels: Vec<String>) -> Self {
        Self::new(Detail::Offline(labels))
    }

    /// What failed is the cache's affair alone: another one may do.
    #[cfg_attr(
        not(feature = "http"),
        allow(dead_code, reason = "only what is fetched is cached")
    )]
    pub(crate) fn of_cache(self) -> Self {
        if self.os_code().is_some() {
            Self::new(Detail::Cache(self))
        } else {
            self
        }
    }

    /// What was asked for makes no sense, in these words.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Detail::Usage(message.into()))
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(Detail::Interrupted)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.detail {
            Detail::Io {
                operation,
                path,
                other: None,
                source,
            } => {
                write!(f, "cannot {operation} `{}`: {source}", shown(path))
            }
            Detail::Io {
                operation,
                path,
                other: Some(other),
                source,
            } => {
                write!(
                    f,
                    "cannot {operation} `{}` to `{}`: {source}",
                    shown(path),
                    shown(other)
                )
            }
            Detail::Wheels(wheels) => write_wheels(f, wheels),
            Detail::Conflicts(clashes) => write_clashes(f, clashes),
            Detail::TwoVersions { name, sources } => {
                write!(
                    f,
                    "`{name}` is given more than once: `{}`",
                    escaped(&sources.join("`, `"))
                )
            }
            Detail::NoEnvironment { tried } if tried.is_empty() => {
                f.write_str("no environment was named")
            }
            Detail::NoEnvironment { tried } => {
                let tried: Vec<_> = tried
                    .iter()
                    .map(|path| format!("`{}`", shown(path)))
                    .collect();
                write!(
                    f,
                    "no environment was named, and there is none at {}",
                    tried.join(" or ")
                )
            }
            Detail::BadEnvironment { path, reason } => {
                write!(f, "`{}` cannot be used: {}", shown(path), escaped(reason))
            }
            Detail::Interpreter { path, reason } => {
                write!(
                    f,
                    "the interpreter `{}` does not answer: {reason}",
                    shown(path)
                )
            }
            Detail::ExternallyManaged { path, message } => {
                let lines: Vec<_> = message.lines().map(escaped).collect();
                write!(
                    f,
                    "`{}` is managed by another package manager: {}",
                    shown(path),
                    lines.join("\n")
                )
            }
            Detail::Locked { path, seconds } => {
                write!(
                    f,
                    "another process held `{}` for more than {seconds} s",
                    shown(path)
                )
            }
            Detail::LockFailed { path, source } => {
                write!(f, "cannot lock `{}`: {source}", shown(path))
            }
            Detail::NotReplaceable {
                name,
                reason,
                installer,
            } => {
                write!(
                    f,
                    "the installed `{name}` cannot be replaced or removed: {reason}"
                )?;
                installer.as_ref().map_or(Ok(()), |tool| {
                    write!(f, "; it was installed by `{}`", escaped(tool))
                })
            }
            Detail::NotInstalled(names) => {
                write!(f, "not installed: `{}`", escaped(&names.join("`, `")))
            }
            Detail::LeadsOutside { path, target } => {
                write!(
                    f,
                    "`{}` is a symbolic link out of the environment, to `{}`",
                    shown(path),
                    shown(target)
                )
            }
            Detail::Journal { path, reason } => {
                write!(f, "the journal `{}` cannot be used: {reason}", shown(path))
            }
            Detail::NothingToUndo { path, reason } => {
                write!(f, "nothing can be undone in `{}`: {reason}", shown(path))
            }
            Detail::NoSpace {
                path,
                needed,
                available,
            } => {
                write!(
                    f,
                    "`{}` has {available} bytes free, {needed} are needed",
                    shown(path)
                )
            }
            Detail::Differences { count: 1 } => f.write_str("1 file differs from its RECORD"),
            Detail::Differences { count } => write!(f, "{count} files differ from their RECORD"),
            Detail::Network { label, reason, .. } => {
                write!(f, "cannot fetch `{}`: {}", escaped(label), escaped(reason))
            }
            Detail::Cache(error) => write!(f, "cannot use the cache: {error}"),
            Detail::Offline(labels) => {
                write!(
                    f,
                    "not in the cache, and nothing may be fetched: `{}`",
                    escaped(&labels.join("`, `"))
                )
            }
            Detail::Usage(message) => f.write_str(&escaped(message)),
            Detail::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// A path as text, with everything a terminal would obey made visible.
fn shown(path: &Path) -> String {
    escaped(&path.display().to_string())
}

fn write_wheels(f: &mut fmt::Formatter<'_>, wheels: &[(String, Vec<Fault>)]) -> fmt::Result {
    let total: usize = wheels.iter().map(|(_, faults)| faults.len()).sum();
    if let [(wheel, faults)] = wheels
        && let [fault] = faults.as_slice()
    {
        return write!(f, "`{}`: {fault}", escaped(wheel));
    }
    match wheels {
        [(wheel, _)] => write!(f, "`{}` has {total} faults", escaped(wheel))?,
        _ => write!(f, "{} wheels are refused", wheels.len())?,
    }
    let all = wheels
        .iter()
        .flat_map(|(wheel, faults)| faults.iter().map(move |fault| (wheel, fault)));
    for (wheel, fault) in all.take(SHOWN) {
        match wheels {
            [_] => write!(f, "\n  {fault}")?,
            _ => write!(f, "\n  `{}`: {fault}", escaped(wheel))?,
        }
    }
    write_rest(f, total)
}

fn write_clashes(f: &mut fmt::Formatter<'_>, clashes: &[Clash]) -> fmt::Result {
    match clashes.len() {
        1 => f.write_str("1 path has owners whose contents differ")?,
        count => write!(f, "{count} paths have owners whose contents differ")?,
    }
    for clash in clashes.iter().take(SHOWN) {
        let owners: Vec<_> = clash
            .owners
            .iter()
            .map(|(owner, what)| format!("{owner} has {what}"))
            .collect();
        write!(
            f,
            "\n  `{}`: {}",
            escaped(&clash.path),
            escaped(&owners.join(", "))
        )?;
    }
    write_rest(f, clashes.len())
}

fn write_rest(f: &mut fmt::Formatter<'_>, total: usize) -> fmt::Result {
    match total.checked_sub(SHOWN) {
        Some(rest @ 1..) => write!(f, "\n  … and {rest} more"),
        _ => Ok(()),
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("detail", &self.0.detail)
            .field("effect", &self.0.effect)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.detail {
            Detail::Io { source, .. } | Detail::LockFailed { source, .. } => Some(source),
            Detail::Cache(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_conflicts_are_shown_and_the_rest_counted() {
        let clash = |number: usize| Clash {
            path: format!("cv2/{number}.so"),
            owners: vec![
                ("one".into(), "sha256=a".into()),
                ("two".into(), "sha256=b".into()),
            ],
            is_settleable: true,
        };
        let text = Error::conflicts((0..12).map(clash).collect()).to_string();
        assert_eq!(text.lines().count(), 12);
        assert!(text.ends_with("… and 2 more"), "{text}");
        assert!(
            text.contains("`cv2/0.so`: one has sha256=a, two has sha256=b"),
            "{text}"
        );
    }

    #[test]
    fn r58_what_a_terminal_would_obey_is_escaped() {
        let text =
            Error::wheel("a.whl", Fault::DuplicateName("\u{1b}[2Jx\u{202e}".into())).to_string();
        assert!(text.contains("\\u{1b}[2Jx\\u{202e}"), "{text}");
    }
}

//! The constructors of [`Error`], one for each detail.
//!
//! Input: the things that an error is about. Output: an [`Error`] whose effect is
//! [`Effect::Untouched`] until a caller knows better.

use std::io;
use std::path::{Path, PathBuf};

use super::fault::bounded;
use super::{Clash, Detail, Effect, Error, Fault, NetworkFault, NoSolution, RequestFault};

impl Error {
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
        let wheels = wheels.into_iter();
        let wheels = wheels.map(|(wheel, faults)| (wheel, bounded(faults)));
        Self::new(Detail::Wheels(wheels.collect()))
    }

    /// One wheel is refused for one reason.
    pub(crate) fn wheel(wheel: &str, fault: impl Into<Fault>) -> Self {
        Self::refused(wheel, [fault])
    }

    /// One wheel, or one file of a resolver, is refused for these reasons.
    pub(crate) fn refused<F: Into<Fault>>(
        wheel: &str,
        faults: impl IntoIterator<Item = F>,
    ) -> Self {
        let faults = faults.into_iter().map(Into::into).collect();
        Self::wheels(vec![(wheel.to_owned(), faults)])
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

    /// There is no directory at `path`, which was named as an environment.
    pub(crate) fn no_directory(path: &Path) -> Self {
        Self::bad_environment(path, "there is no such directory")
    }

    /// No interpreter was named, and none is on the search path.
    pub(crate) fn no_interpreter() -> Self {
        Self::new(Detail::NoInterpreter)
    }

    /// The interpreter cannot be started or does not answer.
    pub(crate) fn interpreter(path: &Path, reason: impl Into<String>) -> Self {
        Self::new(Detail::Interpreter {
            path: path.to_owned(),
            reason: reason.into(),
        })
    }

    /// The interpreter that cannot be started or does not answer, and why; `None` for any other
    /// failure.
    pub(crate) fn into_broken_interpreter(self) -> Option<(PathBuf, String)> {
        match self.0.detail {
            Detail::Interpreter { path, reason } => Some((path, reason)),
            _ => None,
        }
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

    /// An installed project cannot be replaced or removed.
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

    /// These names were asked for and are not installed. Nothing had to be done with them, so the
    /// environment is not at fault.
    pub fn not_listed(names: Vec<String>) -> Self {
        Self::new(Detail::NotListed(names))
    }

    /// No installed project owns these paths.
    pub fn no_owner(paths: Vec<String>) -> Self {
        Self::new(Detail::NoOwner(paths))
    }

    /// A symbolic link leads out of the environment.
    pub(crate) fn leads_outside(path: &Path, target: &Path) -> Self {
        Self::new(Detail::LeadsOutside {
            path: path.to_owned(),
            target: target.to_owned(),
        })
    }

    /// The environment `root` was not named, and its part `part` is not the user's own.
    pub(crate) fn foreign_environment(root: &Path, part: &Path, reason: impl Into<String>) -> Self {
        Self::new(Detail::ForeignEnvironment {
            root: root.to_owned(),
            part: part.to_owned(),
            reason: reason.into(),
        })
    }

    /// Others could have written what is at `path`, which would tell this program what to move.
    pub(crate) fn foreign_state(path: &Path, reason: impl Into<String>) -> Self {
        Self::new(Detail::ForeignState {
            path: path.to_owned(),
            reason: reason.into(),
        })
    }

    pub(crate) fn journal(path: &Path, reason: impl Into<String>) -> Self {
        Self::new(Detail::Journal {
            path: path.to_owned(),
            reason: reason.into(),
        })
        .with_effect(Effect::Unfinished)
    }

    /// The last transaction in `path` was not kept for undoing.
    pub(crate) fn nothing_to_undo(path: &Path) -> Self {
        Self::new(Detail::NothingToUndo {
            path: path.to_owned(),
        })
    }

    /// The last transaction in `path` was kept, but cannot be undone any more.
    pub(crate) fn cannot_undo(path: &Path, reason: impl Into<String>) -> Self {
        Self::new(Detail::CannotUndo {
            path: path.to_owned(),
            reason: reason.into(),
        })
    }

    /// The state after the transaction of this number cannot be restored; 0 means the state before
    /// the first one.
    pub(crate) fn cannot_go_back(path: &Path, number: u64, reason: impl Into<String>) -> Self {
        Self::new(Detail::CannotGoBack {
            path: path.to_owned(),
            number,
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

    /// So many files differ from RECORD.
    pub fn differences(count: usize) -> Self {
        Self::new(Detail::Differences { count })
    }

    /// So many requirements of installed projects are not met.
    pub fn unmet_requirements(count: usize) -> Self {
        Self::new(Detail::UnmetRequirements { count })
    }

    /// The address `label` could not be fetched.
    #[cfg_attr(
        not(feature = "http"),
        allow(dead_code, reason = "without HTTP nothing is fetched")
    )]
    pub(crate) fn network(fault: NetworkFault, label: &str, reason: impl Into<String>) -> Self {
        Self::new(Detail::Network {
            fault,
            label: label.to_owned(),
            reason: reason.into(),
        })
    }

    /// These addresses would have to be fetched.
    #[cfg_attr(
        not(feature = "http"),
        allow(dead_code, reason = "without HTTP nothing is fetched")
    )]
    pub(crate) fn offline(labels: Vec<String>) -> Self {
        Self::new(Detail::Offline(labels))
    }

    /// The failure is one of the cache alone: another cache may work.
    #[cfg_attr(
        not(feature = "http"),
        allow(dead_code, reason = "without HTTP nothing is cached")
    )]
    pub(crate) fn of_cache(self) -> Self {
        if self.os_code().is_some() {
            Self::new(Detail::Cache(self))
        } else {
            self
        }
    }

    /// So many wheels in the cache at `path` do not have their digests.
    pub fn damaged_cache(path: &Path, count: usize) -> Self {
        Self::new(Detail::DamagedCache {
            path: path.to_owned(),
            count,
        })
    }

    /// A part of the cache that must not be used, for this reason.
    #[cfg_attr(
        not(feature = "http"),
        allow(dead_code, reason = "without HTTP nothing is cached")
    )]
    pub(crate) fn cache(path: &Path, reason: impl Into<String>) -> Self {
        let reason = io::Error::other(reason.into());
        Self::new(Detail::Cache(Self::io("use", path, reason)))
    }

    /// The request is not valid in a way that advice could be given for.
    pub(crate) fn request(fault: RequestFault, message: impl Into<String>) -> Self {
        Self::new(Detail::Request {
            fault,
            message: message.into(),
        })
    }

    /// The request is not valid.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Detail::Usage(message.into()))
    }

    /// No set of wheels satisfies the requirements.
    pub(crate) fn unsolvable(proof: NoSolution) -> Self {
        Self::new(Detail::NoSolution(proof))
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(Detail::Interrupted)
    }
}

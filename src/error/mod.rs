//! Failures: one opaque type for the whole crate.
//!
//! An [`Error`] has a sentence ([`Display`](fmt::Display)), a kind ([`Error::kind`], from which the
//! command line makes its exit code), a stable code ([`Error::code`]) and the state that it left
//! the environment in ([`Error::effect`]). Its details are private, and it gives no advice: what to
//! do depends on the program around this crate. There is no conversion from `io::Error`: the module
//! `fs` adds the operation and the path to each.

mod archive;
mod code;
mod construct;
mod display;
mod escape;
mod fault;
mod index;
mod metadata;
mod network;
mod record;
mod request;
mod resolution;
mod size;
mod source;
mod spread;
#[cfg(test)]
mod tests;
mod tools_lock;
mod unsolvable;
mod warning;

use std::fmt;
use std::io;
use std::path::PathBuf;

pub use archive::ArchiveFault;
pub use code::CODES;
pub use escape::escaped;
pub(crate) use escape::excerpt;
pub use fault::{Fault, MOST_KEPT};
pub use index::IndexFault;
pub use metadata::MetadataFault;
pub(crate) use network::NetworkFault;
pub use record::RecordFault;
pub(crate) use request::RequestFault;
pub use resolution::ResolutionFault;
pub use size::size;
pub use source::SourceFault;
pub use spread::SpreadFault;
pub use tools_lock::ToolsLock;
pub use unsolvable::{Advice, Finding, NoSolution};
pub use warning::{ResolutionOddity, WARNING_CODES, WarningCode};

use code::Code;

/// The result of everything that can fail in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure, with what it did to the environment.
pub struct Error(Box<Failure>);

struct Failure {
    detail: Detail,
    effect: Effect,
}

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An operation of the file system failed: disk full, permission, I/O.
    Failed,
    /// The request is not valid.
    Usage,
    /// A wheel is not valid, not what was promised, or does not fit the environment.
    Input,
    /// Two owners of one path, or two versions of one project.
    Conflict,
    /// The environment cannot be found, or must not be changed.
    Environment,
    /// `check` found differences.
    Differences,
    /// No set of wheels satisfies the requirements.
    Unsolvable,
    /// The user asked to stop.
    Interrupted,
}

/// The effect of a failure on the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing was changed.
    Untouched,
    /// Changes had begun and were rolled back.
    RolledBack,
    /// Changes had begun and could not be rolled back; a recovery has to settle them.
    Unfinished,
}

/// Two owners of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// The path, relative to the directory of the packages if it is inside, else to the
    /// environment's root.
    pub path: String,
    /// The owners, each with what it has at the path.
    pub owners: Vec<ClashSide>,
    /// Whether choosing a winner could settle it: no choice makes one path a file and a directory.
    pub is_settleable: bool,
}

/// One owner of a path and what it has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClashSide {
    /// The name of the project, or [`UNOWNED`].
    pub owner: String,
    /// A digest, or `a file`, `a directory`.
    pub content: String,
    /// The length in bytes, if it is a file whose length is known.
    pub size: Option<u64>,
}

impl ClashSide {
    /// An owner that has something there other than a file of known length.
    pub(crate) fn other(owner: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            owner: owner.into(),
            content: content.into(),
            size: None,
        }
    }
}

/// The owner of a file that no project owns.
pub const UNOWNED: &str = "a file that no project owns";

#[derive(Debug)]
enum Detail {
    Io {
        operation: &'static str,
        path: PathBuf,
        other: Option<PathBuf>,
        source: io::Error,
    },
    Wheels(Vec<(String, Vec<Fault>)>),
    NoSolution(NoSolution),
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
    NoInterpreter,
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
    NotListed(Vec<String>),
    NoOwner(Vec<String>),
    LeadsOutside {
        path: PathBuf,
        target: PathBuf,
    },
    ForeignEnvironment {
        root: PathBuf,
        part: PathBuf,
        reason: String,
    },
    ForeignState {
        path: PathBuf,
        reason: String,
    },
    Journal {
        path: PathBuf,
        reason: String,
    },
    NothingToUndo {
        path: PathBuf,
    },
    CannotUndo {
        path: PathBuf,
        reason: String,
    },
    CannotGoBack {
        path: PathBuf,
        number: u64,
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
    UnmetRequirements {
        count: usize,
    },
    Network {
        fault: NetworkFault,
        label: String,
        reason: String,
    },
    Offline(Vec<String>),
    Cache(Error),
    DamagedCache {
        path: PathBuf,
        count: usize,
    },
    Usage(String),
    Request {
        fault: RequestFault,
        message: String,
    },
    Interrupted,
}

impl Error {
    fn new(detail: Detail) -> Self {
        Self(Box::new(Failure {
            detail,
            effect: Effect::Untouched,
        }))
    }

    /// The kind, from which exit codes are made.
    pub fn kind(&self) -> ErrorKind {
        match &self.0.detail {
            Detail::Io { .. }
            | Detail::NoSpace { .. }
            | Detail::Network { .. }
            | Detail::NotListed(_)
            | Detail::NoOwner(_)
            | Detail::DamagedCache { .. }
            | Detail::Offline(_) => ErrorKind::Failed,
            Detail::Cache(error) => error.kind(),
            // A directory that this user may not write to, or a full disk, is no fault of the
            // environment.
            Detail::LockFailed { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded => ErrorKind::Failed,
                _ => ErrorKind::Environment,
            },
            Detail::Wheels(_) => ErrorKind::Input,
            Detail::Conflicts(_) | Detail::TwoVersions { .. } => ErrorKind::Conflict,
            Detail::Differences { .. } | Detail::UnmetRequirements { .. } => ErrorKind::Differences,
            Detail::Usage(_) | Detail::Request { .. } => ErrorKind::Usage,
            Detail::NoSolution(_) => ErrorKind::Unsolvable,
            Detail::Interrupted => ErrorKind::Interrupted,
            Detail::NoEnvironment { .. }
            | Detail::BadEnvironment { .. }
            | Detail::Interpreter { .. }
            | Detail::NoInterpreter
            | Detail::ExternallyManaged { .. }
            | Detail::Locked { .. }
            | Detail::NotReplaceable { .. }
            | Detail::NotInstalled(_)
            | Detail::LeadsOutside { .. }
            | Detail::ForeignEnvironment { .. }
            | Detail::ForeignState { .. }
            | Detail::Journal { .. }
            | Detail::NothingToUndo { .. }
            | Detail::CannotUndo { .. }
            | Detail::CannotGoBack { .. } => ErrorKind::Environment,
        }
    }

    /// The stable code, as `no-space`; all are listed in [`CODES`]. Refused wheels have the code of
    /// their faults, or `several-faults` if those differ.
    pub fn code(&self) -> &'static str {
        self.word().slug()
    }

    fn word(&self) -> Code {
        match &self.0.detail {
            Detail::Io { .. } => Code::Io,
            Detail::NoSpace { .. } => Code::NoSpace,
            Detail::Network { fault, .. } => fault.word(),
            Detail::Offline(_) => Code::Offline,
            Detail::Cache(_) => Code::Cache,
            Detail::DamagedCache { .. } => Code::DamagedCache,
            Detail::Wheels(wheels) => {
                let mut words = wheels
                    .iter()
                    .flat_map(|(_, faults)| faults)
                    .filter(|fault| !matches!(fault, Fault::LeftOut(_)))
                    .map(Fault::word);
                let first = words.next().unwrap_or(Code::LeftOut);
                if words.all(|word| word == first) {
                    first
                } else {
                    Code::SeveralFaults
                }
            }
            Detail::NoSolution(proof) => proof.word(),
            Detail::Conflicts(_) => Code::Conflict,
            Detail::TwoVersions { .. } => Code::TwoVersions,
            Detail::Differences { .. } => Code::Differences,
            Detail::UnmetRequirements { .. } => Code::UnmetRequirements,
            Detail::Usage(_) => Code::Usage,
            Detail::Request { fault, .. } => fault.word(),
            Detail::Interrupted => Code::Interrupted,
            Detail::NoEnvironment { .. } => Code::NoEnvironment,
            Detail::BadEnvironment { .. } => Code::BadEnvironment,
            Detail::Interpreter { .. } => Code::Interpreter,
            Detail::NoInterpreter => Code::NoInterpreter,
            Detail::ExternallyManaged { .. } => Code::ExternallyManaged,
            Detail::Locked { .. } => Code::Locked,
            Detail::LockFailed { source, .. } if has_no_locks(source) => Code::LockUnsupported,
            Detail::LockFailed { .. } => Code::LockFailed,
            Detail::NotReplaceable { .. } => Code::NotReplaceable,
            Detail::NotInstalled(_) | Detail::NotListed(_) => Code::NotInstalled,
            Detail::NoOwner(_) => Code::NoOwner,
            Detail::LeadsOutside { .. } => Code::LeadsOutside,
            Detail::ForeignEnvironment { .. } => Code::ForeignEnvironment,
            Detail::ForeignState { .. } => Code::ForeignState,
            Detail::Journal { .. } => Code::Journal,
            Detail::NothingToUndo { .. } => Code::NothingToUndo,
            Detail::CannotUndo { .. } | Detail::CannotGoBack { .. } => Code::CannotUndo,
        }
    }

    /// The effect of the failure on the environment.
    pub fn effect(&self) -> Effect {
        self.0.effect
    }

    /// The same failure, known to have had this effect.
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.0.effect = effect;
        self
    }

    /// The operating system's error code, if the failure came from a file-system operation.
    pub fn os_code(&self) -> Option<i32> {
        match &self.0.detail {
            Detail::Io { source, .. } | Detail::LockFailed { source, .. } => source.raw_os_error(),
            Detail::Cache(error) => error.os_code(),
            _ => None,
        }
    }

    /// The kind of the operating system's error, if the failure came from a file-system operation.
    pub(crate) fn io_kind(&self) -> Option<io::ErrorKind> {
        let code = self.os_code()?;
        Some(io::Error::from_raw_os_error(code).kind())
    }

    /// Whether there was no room on the disk, or none that this user may take.
    pub(crate) fn is_disk_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self.io_kind(), Some(StorageFull | QuotaExceeded))
    }

    /// All conflicts, if the failure is that there are some; else empty.
    pub fn clashes(&self) -> &[Clash] {
        match &self.0.detail {
            Detail::Conflicts(clashes) => clashes,
            _ => &[],
        }
    }

    /// The sentence of the failure without the lists behind it.
    pub fn headline(&self) -> String {
        match &self.0.detail {
            Detail::Conflicts(clashes) => display::clash_sentence(clashes),
            _ => self
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// The wheels that were refused, each with all of its faults, if that is what the failure
    /// is.
    pub fn refused_wheels(&self) -> &[(String, Vec<Fault>)] {
        match &self.0.detail {
            Detail::Wheels(wheels) => wheels,
            _ => &[],
        }
    }

    /// The proof, if the failure is that no set of wheels satisfies the requirements.
    pub fn no_solution(&self) -> Option<&NoSolution> {
        match &self.0.detail {
            Detail::NoSolution(proof) => Some(proof),
            _ => None,
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
}

/// Whether the file system itself has no locks: NFS without a lock daemon, Lustre without `flock`.
fn has_no_locks(source: &io::Error) -> bool {
    use rustix::io::Errno;
    let unsupported = [Errno::NOLCK, Errno::NOSYS, Errno::OPNOTSUPP];
    unsupported
        .iter()
        .any(|errno| source.raw_os_error() == Some(errno.raw_os_error()))
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

//! Requests that are not valid, in kinds that differ in what a person can do.

use super::code::Code;

/// The faults of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestFault {
    /// A target directory excludes a prefix and a root.
    ExclusivePlaces,
    /// A prefix or a root needs a named interpreter.
    NeedsInterpreter,
    /// Wheels for an interpreter that is not here need a directory of their own.
    NeedsPlace,
    /// A wheel or directory does not exist.
    NoSuchWheel,
    /// A wheel or directory does not exist, and its name looks like a project's.
    ProjectName,
    /// An address has a scheme that is not supported.
    Scheme,
    /// A lock file was named as a wheel.
    LockAsWheel,
    /// A list of requirements was named as a wheel.
    RequirementsAsWheel,
    /// An installation report was named as a wheel.
    ReportAsWheel,
}

impl RequestFault {
    pub(super) fn word(self) -> Code {
        match self {
            Self::ExclusivePlaces => Code::ExclusivePlaces,
            Self::NeedsInterpreter => Code::NeedsInterpreter,
            Self::NeedsPlace => Code::NeedsPlace,
            Self::NoSuchWheel => Code::NoSuchWheel,
            Self::ProjectName => Code::ProjectName,
            Self::Scheme => Code::Scheme,
            Self::LockAsWheel => Code::LockAsWheel,
            Self::RequirementsAsWheel => Code::RequirementsAsWheel,
            Self::ReportAsWheel => Code::ReportAsWheel,
        }
    }
}

//! What comparing installed projects with their RECORDs and requirements finds; plain data.
//!
//! Input: the findings of `check`. Output: the types that the library returns, and the warning
//! about each requirement that is not met.

use super::Warning;
use crate::error::WarningCode;

/// The result of comparing installed projects with their RECORDs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckOutcome {
    /// How many projects were compared.
    pub projects: usize,
    /// How many files their RECORDs list.
    pub files: u64,
    /// The differences, sorted by project and path; empty if all is as recorded.
    pub differences: Vec<Difference>,
    /// The requirements that nothing installed meets, sorted by project; empty unless they were
    /// asked for.
    pub unmet: Vec<UnmetRequirement>,
}

/// A requirement of an installed project that nothing installed meets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnmetRequirement {
    /// The name of the project that has the requirement, normalised.
    pub project: String,
    /// The version of that project.
    pub version: String,
    /// The requirement without its marker, such as `idna >=2.5`.
    pub requirement: String,
    /// The version that is installed of what is required; `None` if none is.
    pub installed: Option<String>,
}

impl UnmetRequirement {
    /// The warning about it.
    pub(crate) fn warning(&self) -> Warning {
        let (code, found) = match &self.installed {
            None => (
                WarningCode::MissingDependency,
                "which is not installed".to_owned(),
            ),
            Some(version) => (
                WarningCode::IncompatibleDependency,
                format!("but {version} is installed"),
            ),
        };
        Warning {
            code,
            wheel: Some(self.project.clone()),
            message: format!(
                "version {} requires {}, {found}",
                self.version, self.requirement
            ),
        }
    }
}

/// One file that differs from its RECORD.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The project whose RECORD lists the file.
    pub project: String,
    /// Its version.
    pub version: String,
    /// The path as RECORD writes it.
    pub path: String,
    /// The kind of difference.
    pub state: DifferenceState,
    /// Both sides of the difference, if there are two.
    pub detail: Option<String>,
}

/// The ways in which an installed file differs from RECORD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DifferenceState {
    /// It is not there.
    Missing,
    /// Its content is not what RECORD states.
    Changed,
    /// It cannot be read, or is not a regular file.
    Unreadable,
    /// It is a script that cannot be executed, or only its owner can read it although its directory
    /// is open to others.
    Mode,
    /// RECORD cannot be read, or has rows of another machine.
    Record,
}

//! What is wanted: requirements, constraints, preferences, and the environment they are for.

use std::collections::BTreeMap;
use std::fmt;

use crate::spec::marker::MarkerEnvironment;
use crate::spec::name::ProjectName;
use crate::spec::requirement::Requirement;
use crate::spec::version::Version;

/// Everything that a resolution has to satisfy or prefers.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The requirements of the command and of its lists. Those whose marker does not hold are
    /// passed over.
    pub(crate) roots: Vec<StatedRequirement>,
    /// Limits on projects that something else needs; their extras do not count.
    pub(crate) constraints: Vec<StatedRequirement>,
    /// Whether pre-releases are as good as final releases.
    pub(crate) prereleases: bool,
    /// Whether only the roots are resolved, and not what they need.
    pub(crate) no_deps: bool,
    /// The installed projects for which a newer version is looked for.
    pub(crate) upgrade: Upgrade,
    /// The installed versions, which are tried first and need no index. None, if everything is to
    /// be installed anew.
    pub(crate) installed: BTreeMap<ProjectName, Version>,
    /// The values that markers are evaluated with.
    pub(crate) environment: MarkerEnvironment,
    /// The version of the interpreter, which has to be in each `Requires-Python`.
    pub(crate) python: Version,
}

/// A requirement or constraint of the command, and where it was stated.
#[derive(Debug, Clone)]
pub(crate) struct StatedRequirement {
    /// The requirement.
    pub(crate) requirement: Requirement,
    /// Its place.
    pub(crate) origin: RequirementOrigin,
}

/// Where a requirement was stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequirementOrigin {
    /// On the command line.
    Argument,
    /// In a list: its name as given, and the number of the line.
    Line(String, u64),
    /// In a table of a TOML file: its name as given, and the key.
    Key(String, String),
    /// Nowhere: the version is installed.
    Installed,
}

/// `requirements.in:3` or `installed`; nothing for an argument.
impl fmt::Display for RequirementOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument => Ok(()),
            Self::Line(file, line) => write!(f, "{file}:{line}"),
            Self::Key(file, key) => write!(f, "{file}: {key}"),
            Self::Installed => f.write_str("installed"),
        }
    }
}

/// The installed projects for which a newer version is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Upgrade {
    /// None: what is installed stays if it satisfies everything.
    #[default]
    Nothing,
    /// Those that are named by a root; what they need changes only if it has to.
    Roots,
    /// All.
    Everything,
}

//! The answer: one version of each project, and how it was found.

use std::collections::BTreeMap;

use super::wanted::RequirementOrigin;
use crate::spec::name::ProjectName;
use crate::spec::version::Version;

/// A set of versions that satisfies everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Resolution {
    /// By name.
    pub(crate) projects: Vec<ResolvedProject>,
    /// What a user should hear about.
    pub(crate) warnings: Vec<ResolutionWarning>,
    /// How often the search began, each time with a better order.
    pub(crate) rounds: u32,
    /// How many versions of each project were looked at, if more than one.
    pub(crate) tried: BTreeMap<ProjectName, u32>,
}

/// One project of the answer.
#[derive(Debug, Clone)]
pub(crate) struct ResolvedProject {
    /// The project.
    pub(crate) name: ProjectName,
    /// Its version, as the index or the environment spells it.
    pub(crate) version: Version,
    /// The extras that are wanted of it: normalized, in order.
    pub(crate) extras: Vec<String>,
    /// Whether a root names it.
    pub(crate) is_requested: bool,
    /// Whether this version is installed already.
    pub(crate) is_installed: bool,
    /// The address that the command or a constraint names for it.
    pub(crate) url: Option<String>,
    /// What needs it: roots in their order, then projects by name.
    pub(crate) via: Vec<Via>,
    /// The projects that it needs, by name.
    pub(crate) needs: Vec<ProjectName>,
}

/// One reason for which a project is in the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Via {
    /// A root, stated there.
    Root(RequirementOrigin),
    /// Another project of the answer.
    Project(ProjectName),
}

/// Something about the answer that a user should hear about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ResolutionWarning {
    /// The version was withdrawn, for this reason, which may be empty.
    Yanked {
        name: ProjectName,
        version: Version,
        reason: String,
    },
    /// The version does not offer this extra.
    MissingExtra {
        name: ProjectName,
        version: Version,
        extra: String,
    },
}

impl ResolutionWarning {
    /// The project that it is about.
    pub(crate) fn name(&self) -> &ProjectName {
        match self {
            Self::Yanked { name, .. } | Self::MissingExtra { name, .. } => name,
        }
    }
}

//! What the solver chooses versions of.
//!
//! An extra is a package of its own, so that its requirements appear only where it is wanted. It is
//! two packages: [`SolverPackage::Extra`] ties it to the version of its project without reading any
//! METADATA, and [`SolverPackage::ExtraRequirements`] has the requirements. With one package
//! for both, a version that does not match the project's would cost a fetch before it is refused.

use std::collections::HashMap;
use std::fmt;

use crate::spec::name::ProjectName;

/// The number of a project, in the order in which the search met them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) struct ProjectId(u32);

/// The number of an extra's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ExtraId(u32);

/// Something that gets one version. Small and plain, because the solver copies and hashes it all
/// the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum SolverPackage {
    /// The command: its requirements are the roots.
    Root,
    /// A project without extras.
    Project(ProjectId),
    /// An extra of a project: needs the project, and the extra's requirements, in its own version.
    Extra(ProjectId, ExtraId),
    /// What an extra needs beyond what its project needs.
    ExtraRequirements(ProjectId, ExtraId),
}

impl SolverPackage {
    /// The project that it belongs to; the command belongs to none.
    pub(super) fn project(self) -> Option<ProjectId> {
        match self {
            Self::Root => None,
            Self::Project(id) | Self::Extra(id, _) | Self::ExtraRequirements(id, _) => Some(id),
        }
    }
}

/// Only the solver's own log shows it.
impl fmt::Display for SolverPackage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The names behind the numbers.
#[derive(Debug, Default)]
pub(super) struct Names {
    projects: Numbered<ProjectName>,
    extras: Numbered<String>,
}

impl Names {
    /// The number of a project, a new one if it was not met before.
    pub(super) fn project(&mut self, name: &ProjectName) -> ProjectId {
        ProjectId(self.projects.number(name))
    }

    /// The number of a project that was met before.
    pub(super) fn met(&self, name: &ProjectName) -> Option<ProjectId> {
        self.projects.numbers.get(name).copied().map(ProjectId)
    }

    /// The number of an extra, a new one if it was not met before.
    pub(super) fn extra(&mut self, name: &String) -> ExtraId {
        ExtraId(self.extras.number(name))
    }

    /// The name of a project.
    pub(super) fn of_project(&self, id: ProjectId) -> &ProjectName {
        &self.projects.values[id.index()]
    }

    /// The names of all projects, in the order of their numbers.
    pub(super) fn projects(&self) -> &[ProjectName] {
        &self.projects.values
    }

    /// The name of an extra.
    pub(super) fn of_extra(&self, id: ExtraId) -> &str {
        &self.extras.values[id.0 as usize]
    }
}

impl ProjectId {
    /// Its place in a table of all projects.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug)]
struct Numbered<T> {
    numbers: HashMap<T, u32>,
    values: Vec<T>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self {
            numbers: HashMap::new(),
            values: Vec::new(),
        }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Numbered<T> {
    fn number(&mut self, value: &T) -> u32 {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        let number = u32::try_from(self.values.len()).expect("memory ends before numbers do");
        self.numbers.insert(value.clone(), number);
        self.values.push(value.clone());
        number
    }
}

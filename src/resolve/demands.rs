//! The requirements and constraints of the command, merged by project.
//!
//! Input: [`Wanted`]. Output: [`Demands`]: for each project that it names, the versions that will
//! do, its extras and its address. Invariant: no set of a root is
//! empty; contradictions between roots are found here, before anything is looked up.

use std::collections::HashMap;

use super::ranges::{VersionArena, VersionRanges, of_specifiers};
use super::versions::Preferences;
use super::wanted::{StatedRequirement, Upgrade, Wanted};
use super::wording;
use crate::error::{Error, Finding, NoSolution, Result};
use crate::spec::name::ProjectName;
use crate::spec::requirement::Requirement;
use crate::spec::version::{Specifiers, Version};

/// What the command says about the projects that it names.
#[derive(Debug)]
pub(super) struct Demands<'a> {
    pub(super) wanted: &'a Wanted,
    by_name: HashMap<&'a ProjectName, Demand<'a>>,
    /// The projects of roots, in the order of their first line.
    roots: Vec<&'a ProjectName>,
}

/// What the command says about one project.
#[derive(Debug)]
struct Demand<'a> {
    /// The versions that the roots allow.
    root: VersionRanges<'a>,
    /// The versions that the constraints allow.
    constraint: VersionRanges<'a>,
    /// The extras of the roots: normalized, sorted.
    extras: Vec<String>,
    url: Option<String>,
    is_pinned: bool,
}

impl<'a> Demands<'a> {
    /// Merges the lines whose markers hold.
    ///
    /// # Errors
    /// Lines about one project that contradict each other.
    pub(super) fn new(wanted: &'a Wanted, arena: &'a VersionArena) -> Result<Self> {
        let mut demands = Self {
            wanted,
            by_name: HashMap::new(),
            roots: Vec::new(),
        };
        let applies = |line: &&StatedRequirement| line.requirement.applies(&wanted.environment);
        for line in wanted.roots.iter().filter(applies) {
            let name = &line.requirement.name;
            if !demands.roots.contains(&name) {
                demands.roots.push(name);
            }
            let demand = demands.note(&line.requirement)?;
            narrow(&mut demand.root, &line.requirement, arena);
            demand.extras.extend_from_slice(&line.requirement.extras);
        }
        for line in wanted.constraints.iter().filter(applies) {
            let demand = demands.note(&line.requirement)?;
            narrow(&mut demand.constraint, &line.requirement, arena);
        }
        for demand in demands.by_name.values_mut() {
            demand.extras.sort_unstable();
            demand.extras.dedup();
        }
        for name in &demands.roots {
            if demands.root_ranges(name).is_empty() {
                return Err(demands.contradiction(name));
            }
        }
        Ok(demands)
    }

    /// The demand for the project of a requirement, with its address and pin.
    fn note(&mut self, requirement: &'a Requirement) -> Result<&mut Demand<'a>> {
        let name = &requirement.name;
        let known = self
            .by_name
            .get(name)
            .and_then(|demand| demand.url.as_deref());
        if let (Some(known), Some(url)) = (known, requirement.url())
            && known != url
        {
            return Err(self.contradiction(name));
        }
        let demand = self.by_name.entry(name).or_insert_with(|| Demand {
            root: VersionRanges::full(),
            constraint: VersionRanges::full(),
            extras: Vec::new(),
            url: None,
            is_pinned: false,
        });
        if let Some(url) = requirement.url() {
            demand.url = Some(url.to_owned());
        }
        demand.is_pinned |= requirement.specifiers().is_some_and(Specifiers::pins);
        Ok(demand)
    }

    /// The lines about one project, roots first, that contradict each other.
    fn contradiction(&self, name: &ProjectName) -> Error {
        let step = wording::demands(&self.roots_of(name), &self.constraints_of(name));
        Error::unsolvable(NoSolution::new(
            Finding::Contradiction,
            vec![step],
            Vec::new(),
        ))
    }

    /// The projects of the roots, in the order of their first line.
    pub(super) fn roots(&self) -> &[&'a ProjectName] {
        &self.roots
    }

    /// The lines of roots about a project whose marker holds.
    pub(super) fn roots_of(&self, name: &ProjectName) -> Vec<&'a StatedRequirement> {
        self.applying(&self.wanted.roots, name)
    }

    /// The constraints on a project whose marker holds.
    pub(super) fn constraints_of(&self, name: &ProjectName) -> Vec<&'a StatedRequirement> {
        self.applying(&self.wanted.constraints, name)
    }

    fn applying(
        &self,
        lines: &'a [StatedRequirement],
        name: &ProjectName,
    ) -> Vec<&'a StatedRequirement> {
        let environment = &self.wanted.environment;
        let about = |line: &&StatedRequirement| {
            line.requirement.name == *name && line.requirement.applies(environment)
        };
        lines.iter().filter(about).collect()
    }

    /// The versions of a root that will do.
    pub(super) fn root_ranges(&self, name: &ProjectName) -> VersionRanges<'a> {
        let demand = self.by_name.get(name);
        demand.map_or_else(VersionRanges::full, |demand| {
            demand.root.intersection(&demand.constraint)
        })
    }

    /// The extras of a root.
    pub(super) fn root_extras(&self, name: &ProjectName) -> &[String] {
        let demand = self.by_name.get(name);
        demand.map_or(&[], |demand| &demand.extras)
    }

    /// The versions that the constraints allow; `None` if all.
    pub(super) fn constraint(&self, name: &ProjectName) -> Option<&VersionRanges<'a>> {
        self.by_name.get(name).map(|demand| &demand.constraint)
    }

    /// The one address of a project.
    pub(super) fn url(&self, name: &ProjectName) -> Option<&str> {
        self.by_name.get(name)?.url.as_deref()
    }

    /// The installed version of a project; `None` if an address is named instead.
    pub(super) fn installed(&self, name: &ProjectName) -> Option<&'a Version> {
        let installed = self.wanted.installed.get(name)?;
        self.url(name).is_none().then_some(installed)
    }

    /// The installed version of a project if it is to be kept where possible.
    pub(super) fn kept(&self, name: &ProjectName) -> Option<&'a Version> {
        let is_upgraded = match self.wanted.upgrade {
            Upgrade::Nothing => false,
            Upgrade::Roots => self.roots.contains(&name),
            Upgrade::Everything => true,
        };
        self.installed(name).filter(|_| !is_upgraded)
    }

    /// What decides which versions of a project may be chosen. Only a pin that the command states
    /// allows withdrawn ones ("File yanking", "Installers").
    pub(super) fn preferences(&self, name: &ProjectName) -> Preferences {
        let demand = self.by_name.get(name);
        Preferences {
            prereleases: self.wanted.prereleases,
            yanked: demand.is_some_and(|demand| demand.is_pinned || demand.url.is_some()),
        }
    }
}

/// Leaves only those of `ranges` that satisfy the requirement.
fn narrow<'a>(ranges: &mut VersionRanges<'a>, requirement: &Requirement, arena: &'a VersionArena) {
    if let Some(specifiers) = requirement.specifiers().filter(|all| !all.is_empty()) {
        *ranges = ranges.intersection(&of_specifiers(specifiers, arena));
    }
}

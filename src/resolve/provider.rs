//! The solver's view of the world: packages, their priorities, versions and dependencies.
//!
//! Input: a [`Search`]. Output: the answers that the crate `pubgrub` asks for.

use pubgrub::{DependencyProvider, PackageResolutionStatistics, VersionSet};

use super::known::{Dependencies, Stated};
use super::order::{Priority, Rank};
use super::package::{ProjectId, SolverPackage};
use super::ranges::{self, VersionRanges};
use super::search::Search;
use super::solver_set::{SolverSet, SolverVersion};
use super::stop::{SearchEnd, Unusable};
use super::wording;
use crate::spec::requirement::Requirement;
use crate::spec::version::Version;

/// What applies of the requirements of a version.
pub(super) struct Applying<'s> {
    /// The requirements.
    pub(super) requirements: Vec<&'s Requirement>,
    /// The extras that they belong to, each once.
    pub(super) extras: Vec<&'s str>,
}

/// An edge of the dependency graph.
type Edge<'a> = (SolverPackage, SolverSet<'a>);

impl<'a> Search<'a> {
    /// The packages that a requirement of `of` adds, with the versions that will do.
    fn edges(
        &self,
        of: Option<(ProjectId, &'a Version)>,
        requirement: &Requirement,
        edges: &mut Vec<Edge<'a>>,
    ) -> Result<(), Unusable> {
        let name = &requirement.name;
        let mut ranges = match (requirement.specifiers(), requirement.url()) {
            (_, Some(url)) if self.demands.url(name) != Some(url) => {
                return Err(Unusable::Address(wording::requirement(requirement)));
            }
            (Some(specifiers), _) if !specifiers.is_empty() => {
                ranges::of_specifiers(specifiers, self.arena)
            }
            _ => VersionRanges::full(),
        };
        if let Some(constraint) = self.demands.constraint(name) {
            ranges = ranges.intersection(constraint);
        }
        let mut names = self.names.borrow_mut();
        let id = names.project(name);
        if let Some((of, version)) = of
            && of == id
        {
            // The requirements of its extras are among those that apply.
            return if ranges.contains(version) {
                Ok(())
            } else {
                Err(Unusable::Itself(wording::requirement(requirement)))
            };
        }
        let ranges = self.set(id, ranges);
        add(edges, SolverPackage::Project(id), ranges.clone());
        for extra in &requirement.extras {
            let extra = names.extra(extra);
            add(edges, SolverPackage::Extra(id, extra), ranges.clone());
        }
        Ok(())
    }

    /// The packages that the roots add.
    fn root_edges(&self) -> Vec<Edge<'a>> {
        let mut names = self.names.borrow_mut();
        let mut edges = Vec::new();
        for name in self.demands.roots() {
            let id = names.project(name);
            let ranges = self.set(id, self.demands.root_ranges(name));
            for extra in self.demands.root_extras(name) {
                let extra = names.extra(extra);
                edges.push((SolverPackage::Extra(id, extra), ranges.clone()));
            }
            edges.push((SolverPackage::Project(id), ranges));
        }
        edges
    }

    /// The packages that a version of a project adds, with `extra` or without any.
    fn edges_of(
        &self,
        id: ProjectId,
        version: &'a Version,
        extra: Option<&str>,
    ) -> Result<Result<Vec<Edge<'a>>, Unusable>, SearchEnd> {
        let read = self.dependencies(id, version)?;
        let stated = match &*read {
            Dependencies::Unreadable(reason) => {
                return Ok(Err(Unusable::Unreadable(reason.clone())));
            }
            Dependencies::Stated(stated) => stated,
        };
        if let Some(python) = self.unfit_python(id, version, stated) {
            return Ok(Err(Unusable::Python(python)));
        }
        let mut edges = Vec::new();
        if self.demands.wanted.no_deps {
            return Ok(Ok(edges));
        }
        for requirement in self.applying(id, stated, extra).requirements {
            if let Err(reason) = self.edges(Some((id, version)), requirement, &mut edges) {
                return Ok(Err(reason));
            }
        }
        Ok(Ok(edges))
    }

    /// The requirements of METADATA that apply with `extra` only, or without any, and those of the
    /// extras of the project itself that they name. Some projects have an extra for a hundred
    /// others: a solver that chose each of them would do so for every version of the project.
    pub(super) fn applying<'s>(
        &self,
        id: ProjectId,
        stated: &'s Stated,
        extra: Option<&'s str>,
    ) -> Applying<'s> {
        let environment = &self.demands.wanted.environment;
        let names = self.names.borrow();
        let own = names.of_project(id);
        let (mut requirements, mut extras) = (Vec::new(), vec![extra]);
        let mut done = 0;
        while let Some(extra) = extras.get(done).copied() {
            done += 1;
            let applies = |requirement: &&Requirement| match extra {
                None => requirement.applies(environment),
                Some(extra) => requirement.applies_only_with(extra, environment),
            };
            for requirement in stated.requires.iter().filter(applies) {
                requirements.push(requirement);
                if requirement.name == *own {
                    let named = requirement.extras.iter().map(|extra| Some(extra.as_str()));
                    let new: Vec<_> = named.filter(|extra| !extras.contains(extra)).collect();
                    extras.extend(new);
                }
            }
        }
        Applying {
            requirements,
            extras: extras.into_iter().flatten().collect(),
        }
    }

    /// The `Requires-Python` that the interpreter does not satisfy. What is installed runs already.
    fn unfit_python(&self, id: ProjectId, version: &Version, stated: &Stated) -> Option<String> {
        let python = stated.python.as_ref()?;
        let is_unfit = !python.contains(&self.demands.wanted.python);
        let installed = self.demands.installed(self.names.borrow().of_project(id));
        (is_unfit && installed != Some(version)).then(|| python.to_string())
    }
}

/// Adds an edge, or narrows the one that is there.
fn add<'a>(edges: &mut Vec<Edge<'a>>, package: SolverPackage, ranges: SolverSet<'a>) {
    match edges.iter_mut().find(|(known, _)| *known == package) {
        Some((_, known)) => *known = known.intersection(&ranges),
        None => edges.push((package, ranges)),
    }
}

impl<'a> DependencyProvider for Search<'a> {
    type P = SolverPackage;
    type V = SolverVersion<'a>;
    type VS = SolverSet<'a>;
    type M = Unusable;
    type Priority = Priority;
    type Err = SearchEnd;

    /// Called for every package whose set has changed, before one of them is chosen: so all that is
    /// new is asked for in one go.
    fn prioritize(
        &self,
        package: &SolverPackage,
        set: &SolverSet<'a>,
        statistics: &PackageResolutionStatistics,
    ) -> Priority {
        let Some(id) = package.project() else {
            return self.order.priority(*package, Rank::Root, 0);
        };
        if matches!(package, SolverPackage::Project(_)) {
            // The solver asks only about packages that it has no version for.
            self.undecide(id);
            self.ask_ahead(id, set);
        }
        let rank = if self
            .demands
            .url(self.names.borrow().of_project(id))
            .is_some()
        {
            Rank::Url
        } else if self.is_pin(id, set) {
            Rank::Pinned
        } else {
            // An earlier place would not help the others.
            self.order
                .heed_conflicts(*package, statistics.conflict_count());
            Rank::Met
        };
        (self.order).priority(*package, rank, statistics.conflict_count())
    }

    fn choose_version(
        &self,
        package: &SolverPackage,
        set: &SolverSet<'a>,
    ) -> Result<Option<SolverVersion<'a>>, SearchEnd> {
        // It would only wait for facts that the next round may not need.
        if self.order.is_stale() {
            return Err(SearchEnd::Reorder);
        }
        match package {
            SolverPackage::Root => Ok(set
                .line(false)
                .as_singleton()
                .copied()
                .map(SolverVersion::alone)),
            SolverPackage::Project(id) => self.choose(*id, set),
            SolverPackage::Extra(id, _) | SolverPackage::ExtraRequirements(id, _) => {
                self.choose_for_extra(*id, set)
            }
        }
    }

    fn get_dependencies(
        &self,
        package: &SolverPackage,
        version: &SolverVersion<'a>,
    ) -> Result<pubgrub::Dependencies<SolverPackage, SolverSet<'a>, Unusable>, SearchEnd> {
        let edges = match *package {
            SolverPackage::Root => Ok(self.root_edges()),
            SolverPackage::Project(id) => self.edges_of(id, version.version, None)?,
            SolverPackage::Extra(id, extra) => {
                let same = || SolverSet::singleton(*version);
                Ok(vec![
                    (SolverPackage::Project(id), same()),
                    (SolverPackage::ExtraRequirements(id, extra), same()),
                ])
            }
            SolverPackage::ExtraRequirements(id, extra) => {
                let extra = self.names.borrow().of_extra(extra).to_owned();
                self.edges_of(id, version.version, Some(&extra))?
            }
        };
        Ok(match edges {
            Ok(edges) => pubgrub::Dependencies::Available(edges.into_iter().collect()),
            Err(reason) => pubgrub::Dependencies::Unavailable(reason),
        })
    }

    fn should_cancel(&self) -> Result<(), SearchEnd> {
        self.check()
    }
}

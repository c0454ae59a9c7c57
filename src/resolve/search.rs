//! A search: what it has learned, and what it asks for.
//!
//! Input: [`Demands`] and [`KnownProjects`]. Output: versions and dependencies, which stay in
//! memory through all rounds. Invariants: only the methods that return a fact wait for it; what is
//! asked for ahead is asked for once; no choice depends on what happened to be there already.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::demands::Demands;
use super::known::{Candidates, Dependencies, KnownProjects};
use super::order::{Order, is_batch_low, is_seldom_read, versions_ahead};
use super::package::{Names, ProjectId};
use super::ranges::{self, VersionArena, VersionRanges};
use super::solver_set::{KnownVersions, SolverSet, SolverVersion};
use super::stop::SearchEnd;
use super::versions::Versions;
use super::wording;
use crate::error::Error;
use crate::spec::name::ProjectName;
use crate::spec::requirement::Requirement;
use crate::spec::version::Version;

/// Limits of one resolution. They are far above what real sets need; beyond them a set is hostile,
/// or the search would last for hours.
const MOST_CHOICES: u32 = 200_000;
const MOST_READ: u32 = 20_000;
const MOST_ROUNDS: u32 = 1_000;

/// A search through all of its rounds.
pub(super) struct Search<'a> {
    pub(super) demands: Demands<'a>,
    known: &'a dyn KnownProjects,
    pub(super) arena: &'a VersionArena,
    pub(super) names: RefCell<Names>,
    projects: RefCell<Vec<Project<'a>>>,
    pub(super) order: Order,
    choices: Cell<u32>,
    read: Cell<u32>,
    pub(super) rounds: Cell<u32>,
}

/// What the search has learned about one project.
#[derive(Debug, Default)]
struct Project<'a> {
    versions: Option<Rc<Versions>>,
    /// Whether the search has needed the versions. That they are here may be chance.
    is_needed: bool,
    /// The versions by which the sets of this round are made; `None` if the round began without.
    known: Option<KnownVersions<'a>>,
    read: HashMap<Version, Arc<Dependencies>>,
    /// The versions whose METADATA was asked for ahead, and has not been needed yet.
    unread: HashSet<Version>,
    is_page_asked: bool,
    /// The version that the solver has decided on, which extras have to take.
    decided: Option<Version>,
    tried: HashSet<Version>,
    last_tried: Option<Version>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        demands: Demands<'a>,
        known: &'a dyn KnownProjects,
        arena: &'a VersionArena,
    ) -> Self {
        Self {
            demands,
            known,
            arena,
            names: RefCell::default(),
            projects: RefCell::default(),
            order: Order::default(),
            choices: Cell::new(0),
            read: Cell::new(0),
            rounds: Cell::new(1),
        }
    }

    /// Begins another round, in which more versions are known. What was guessed ahead was guessed
    /// from versions of which many were rejected, so no more guesses are followed.
    ///
    /// # Errors
    /// [`SearchEnd::GiveUp`] after too many.
    pub(super) fn begin_round(&self) -> Result<(), SearchEnd> {
        self.order.renew();
        self.known.expect_rejections();
        for project in &mut *self.projects.borrow_mut() {
            project.learn(self.arena);
        }
        count(&self.rounds, MOST_ROUNDS)
    }

    /// Something about one project, which is met now if it was not before.
    fn with<T>(&self, id: ProjectId, act: impl FnOnce(&mut Project<'a>) -> T) -> T {
        let mut projects = self.projects.borrow_mut();
        if projects.len() <= id.index() {
            projects.resize_with(id.index() + 1, Project::default);
        }
        act(&mut projects[id.index()])
    }

    /// The versions of a project; waits for them.
    ///
    /// # Errors
    /// They cannot be had.
    pub(super) fn versions(&self, id: ProjectId) -> Result<Rc<Versions>, Error> {
        let versions = self.with(id, |project| {
            project.is_needed = true;
            project.versions.clone()
        });
        if let Some(versions) = versions {
            return Ok(versions);
        }
        let candidates = self.known.candidates(self.names.borrow().of_project(id))?;
        Ok(self.keep_versions(id, candidates))
    }

    fn keep_versions(&self, id: ProjectId, candidates: Arc<Candidates>) -> Rc<Versions> {
        let names = self.names.borrow();
        let name = names.of_project(id);
        let installed = self.demands.installed(name);
        let versions = Versions::new(candidates, installed, self.demands.preferences(name));
        let versions = Rc::new(versions);
        self.with(id, |project| project.versions = Some(Rc::clone(&versions)));
        versions
    }

    /// The set of a package of this project, in this round.
    pub(super) fn set(&self, id: ProjectId, ranges: VersionRanges<'a>) -> SolverSet<'a> {
        match self.with(id, |project| project.known) {
            Some(known) => known.set(ranges),
            None => SolverSet::of(ranges),
        }
    }

    /// A version of a package of this project, in this round.
    fn version(&self, id: ProjectId, version: &Version) -> SolverVersion<'a> {
        let known = self.with(id, |project| project.known);
        let known = known.and_then(|known| known.find(version));
        known.unwrap_or_else(|| SolverVersion::alone(self.arena.alloc(version.clone())))
    }

    /// Whether a set has one version at most, maybe with its local versions.
    pub(super) fn is_pin(&self, id: ProjectId, set: &SolverSet<'a>) -> bool {
        match self.with(id, |project| project.known) {
            Some(known) => known.has_one_in(set),
            None => set.is_pin(),
        }
    }

    /// The versions of a project if they were read already, for explanations.
    pub(super) fn seen_versions(&self, id: ProjectId) -> Option<Rc<Versions>> {
        self.with(id, |project| project.versions.clone())
    }

    /// What a version needs; waits for it.
    ///
    /// # Errors
    /// It cannot be had, or too much was read.
    pub(super) fn dependencies(
        &self,
        id: ProjectId,
        version: &Version,
    ) -> Result<Arc<Dependencies>, SearchEnd> {
        if let Some(read) = self.with(id, |project| project.read.get(version).cloned()) {
            return Ok(read);
        }
        count(&self.read, MOST_READ)?;
        let read = self
            .known
            .requirements(self.names.borrow().of_project(id), version)?;
        self.with(id, |project| {
            project.unread.remove(version);
            project.read.insert(version.clone(), Arc::clone(&read));
        });
        Ok(read)
    }

    /// What a version needs, if that was read already.
    pub(super) fn seen_dependencies(
        &self,
        id: ProjectId,
        version: &Version,
    ) -> Option<Arc<Dependencies>> {
        self.with(id, |project| project.read.get(version).cloned())
    }

    /// The versions of a project whose METADATA was read, in ascending order.
    pub(super) fn read_versions(&self, id: ProjectId) -> Vec<Version> {
        let mut versions: Vec<Version> =
            self.with(id, |project| project.read.keys().cloned().collect());
        versions.sort_unstable();
        versions
    }

    /// The projects of which several versions were tried, with their number.
    pub(super) fn contested(&self) -> Vec<(ProjectName, usize)> {
        let (names, projects) = (self.names.borrow(), self.projects.borrow());
        let tried = projects.iter().map(|project| project.tried.len());
        let tried = names.projects().iter().cloned().zip(tried);
        tried.filter(|(_, tried)| *tried > 1).collect()
    }

    /// How many versions of a project were tried.
    pub(super) fn tried(&self, id: ProjectId) -> usize {
        self.with(id, |project| project.tried.len())
    }

    /// Asks, without waiting, for what will be needed if `set` stays as it is.
    pub(super) fn ask_ahead(&self, id: ProjectId, set: &SolverSet<'_>) {
        let names = self.names.borrow();
        let name = names.of_project(id);
        let is_kept = |kept: &&Version| set.has(kept);
        if self.demands.kept(name).filter(is_kept).is_some() {
            return;
        }
        let versions = self.with(id, |project| {
            if !project.is_page_asked {
                project.is_page_asked = true;
                self.known.want_candidates(name, set.filter());
            }
            project.versions.clone()
        });
        let versions = versions.or_else(|| {
            let candidates = self.known.peek_candidates(name)?;
            Some(self.keep_versions(id, candidates))
        });
        let best = versions.as_ref().and_then(|versions| versions.best(set));
        let is_seldom_read = self.with(id, |project| {
            is_seldom_read(project.unread.len(), project.read.len())
        });
        if let Some(best) = best.filter(|_| !is_seldom_read) {
            self.ask_for_requirements(id, best);
        }
    }

    fn is_asked(&self, id: ProjectId, version: &Version) -> bool {
        self.with(id, |project| {
            project.unread.contains(version) || project.read.contains_key(version)
        })
    }

    fn ask_for_requirements(&self, id: ProjectId, version: &Version) {
        let (is_new, is_first) = self.with(id, |project| {
            (project.expect(version), project.tried.is_empty())
        });
        let names = self.names.borrow();
        let name = names.of_project(id);
        match (is_new, is_first) {
            (true, true) => self.known.want_requirements(name, version),
            (true, false) => self.known.want_ahead(name, vec![version.clone()]),
            (false, _) => {}
        }
    }

    /// The best version of a project in `set`.
    pub(super) fn choose(
        &self,
        id: ProjectId,
        set: &SolverSet<'_>,
    ) -> Result<Option<SolverVersion<'a>>, SearchEnd> {
        count(&self.choices, MOST_CHOICES)?;
        let kept = self.demands.kept(self.names.borrow().of_project(id));
        let chosen = if let Some(kept) = kept.filter(|kept| set.has(kept)) {
            Some(kept.clone())
        } else {
            let versions = self.versions(id)?;
            let chosen = versions.best(set).cloned();
            if let Some(chosen) = &chosen {
                self.ask_for_next(id, &versions, set, chosen);
            }
            chosen
        };
        if let Some(chosen) = &chosen {
            let (before, times) = self.with(id, |project| {
                project.decided = Some(chosen.clone());
                let is_new = project.tried.insert(chosen.clone());
                let before = is_new.then(|| project.last_tried.replace(chosen.clone()));
                (before.flatten(), project.tried.len())
            });
            if let Some(before) = before {
                let times = u32::try_from(times).expect("choices are limited");
                let names = self.names.borrow();
                let reason = || self.rejection(id, &before);
                self.known
                    .report_tried(names.of_project(id), times, &reason);
            }
        }
        Ok(chosen.map(|chosen| self.version(id, &chosen)))
    }

    /// Why a version that was tried does not fit, if its own requirements tell.
    fn rejection(&self, id: ProjectId, version: &Version) -> Option<String> {
        let read = self.seen_dependencies(id, version)?;
        let Dependencies::Stated(stated) = read.as_ref() else {
            return None;
        };
        let names = self.names.borrow();
        let is_at_odds = |requirement: &&Requirement| {
            let Some(specifiers) = requirement.specifiers().filter(|all| !all.is_empty()) else {
                return false;
            };
            let ranges = ranges::of_specifiers(specifiers, self.arena);
            let other = names.met(&requirement.name);
            let decided = other.and_then(|id| self.with(id, |project| project.decided.clone()));
            ranges.is_disjoint(&self.demands.root_ranges(&requirement.name))
                || decided.is_some_and(|decided| !ranges.contains(&decided))
        };
        let applying = self.applying(id, stated, None).requirements;
        let culprit = applying.into_iter().find(is_at_odds)?;
        Some(format!("{version} needs {}", wording::requirement(culprit)))
    }

    /// Asks for the METADATA of the versions that are likely to be tried after `chosen`, if several
    /// were tried already.
    fn ask_for_next(
        &self,
        id: ProjectId,
        versions: &Versions,
        set: &SolverSet<'_>,
        chosen: &Version,
    ) {
        let ahead = versions_ahead(self.tried(id));
        if ahead == 0 {
            return;
        }
        // A project of which each version needs one version of another one walks down together with
        // that one, which the solver then never sees with more than one version in its range.
        let below = SolverSet::of(VersionRanges::strictly_lower_than(chosen));
        let behind = versions.in_order(&below);
        let mut next = versions.in_order(set).skip(1).chain(behind).peekable();
        // A batch is asked for when the last one is used up: asking for one more version with each
        // that is rejected would leave as many behind in vain as the batch is large.
        let is_low = self.with(id, |project| {
            is_batch_low(project.unread.len(), project.tried.len())
        });
        if is_low || next.peek().is_some_and(|next| !self.is_asked(id, next)) {
            let batch: Vec<&Version> = next.take(ahead).collect();
            let new: Vec<Version> = self.with(id, |project| {
                let batch = batch.into_iter().filter(|version| project.expect(version));
                batch.cloned().collect()
            });
            if !new.is_empty() {
                let names = self.names.borrow();
                self.known.want_ahead(names.of_project(id), new);
            }
        }
    }

    /// The solver has no version of this project any more.
    pub(super) fn undecide(&self, id: ProjectId) {
        self.with(id, |project| project.decided = None);
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// A better order is known, or the user asked to stop.
    pub(super) fn check(&self) -> Result<(), SearchEnd> {
        self.known.should_cancel()?;
        if self.order.is_stale() {
            return Err(SearchEnd::Reorder);
        }
        Ok(())
    }

    /// The version of an extra: that of its project, which is decided first. Another one only if
    /// the solver has excluded that one, to show it that the project's version has to change.
    pub(super) fn choose_for_extra(
        &self,
        id: ProjectId,
        set: &SolverSet<'_>,
    ) -> Result<Option<SolverVersion<'a>>, SearchEnd> {
        count(&self.choices, MOST_CHOICES)?;
        let decided = self.with(id, |project| project.decided.clone());
        if let Some(decided) = decided.filter(|decided| set.has(decided)) {
            return Ok(Some(self.version(id, &decided)));
        }
        let versions = self.versions(id)?;
        let best = versions.best(set);
        Ok(best.map(|best| self.version(id, best)))
    }
}

impl<'a> Project<'a> {
    /// Notes that METADATA is asked for ahead; returns whether it was not before.
    fn expect(&mut self, version: &Version) -> bool {
        !self.read.contains_key(version) && self.unread.insert(version.clone())
    }

    /// From now on sets are made by the versions, if the search has needed them: what is here by
    /// chance must not change the search.
    fn learn(&mut self, arena: &'a VersionArena) {
        let Some(versions) = self.versions.as_ref().filter(|_| self.is_needed) else {
            return;
        };
        if self.known.is_none() && versions.are_complete() {
            let line = |prereleases| {
                let all = versions.candidates.versions().iter();
                let line = all.filter(|version| version.is_prerelease() == prereleases);
                &*arena.alloc_extend(line.cloned())
            };
            self.known = Some(KnownVersions::new(line(false), line(true)));
        }
    }
}

fn count(counter: &Cell<u32>, most: u32) -> Result<(), SearchEnd> {
    counter.set(counter.get() + 1);
    if counter.get() > most {
        Err(SearchEnd::GiveUp)
    } else {
        Ok(())
    }
}

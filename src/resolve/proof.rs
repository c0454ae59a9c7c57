//! The facts that a failed search rests on.
//!
//! Input: the derivation of the contradiction, as the solver found it. Output: [`ProofFacts`]: what
//! needs what, which sets have no version, and which roots take part. The steps between facts and
//! contradiction are left out: together the facts are the proof.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use pubgrub::{DerivationTree, External, VersionSet};

use super::package::{ExtraId, ProjectId, SolverPackage};
use super::solver_set::SolverSet;
use super::stop::Unusable;

/// The derivation of a contradiction.
pub(super) type Derivation<'a> = DerivationTree<SolverPackage, SolverSet<'a>, Unusable>;

/// A project, or one of its extras, that needs something.
pub(super) type Dependent = (ProjectId, Option<ExtraId>);

/// The facts, each project and pair of projects once.
#[derive(Debug, Default)]
pub(super) struct ProofFacts<'a> {
    /// The versions of the first that need the second.
    pub(super) needs: BTreeMap<(Dependent, ProjectId), SolverSet<'a>>,
    /// Sets without a version that may be chosen.
    pub(super) none: BTreeMap<ProjectId, SolverSet<'a>>,
    /// Versions that turned out to be unusable when their METADATA was read.
    pub(super) unusable: Vec<(ProjectId, SolverSet<'a>, Unusable)>,
    /// The roots that take part.
    pub(super) roots: BTreeSet<ProjectId>,
}

impl<'a> ProofFacts<'a> {
    /// Collects the facts, and frees the derivation.
    pub(super) fn of(derivation: Derivation<'a>) -> Self {
        let mut facts = Self::default();
        let derivation = Arc::new(derivation);
        // A derivation may be as deep as the longest chain of dependencies, so nothing recurses.
        let (mut waiting, mut seen) = (vec![&derivation], HashSet::new());
        while let Some(next) = waiting.pop() {
            if !seen.insert(Arc::as_ptr(next)) {
                continue;
            }
            match &**next {
                DerivationTree::External(external) => facts.add(external),
                DerivationTree::Derived(derived) => {
                    waiting.extend([&derived.cause2, &derived.cause1]);
                }
            }
        }
        free(derivation);
        facts
    }

    fn add(&mut self, external: &External<SolverPackage, SolverSet<'a>, Unusable>) {
        let is_new = match external {
            External::NotRoot(..) => return,
            External::NoVersions(package, ranges) => {
                let Some(project) = package.project() else {
                    return;
                };
                let none = self.none.entry(project);
                let none = none.or_insert_with(SolverSet::empty);
                *none = none.union(ranges);
                return;
            }
            External::Custom(package, ranges, reason) => {
                let fact = package
                    .project()
                    .map(|id| (id, ranges.clone(), reason.clone()));
                fact.filter(|fact| !self.unusable.contains(fact))
            }
            External::FromDependencyOf(of, ranges, on, _) => {
                self.add_need(*of, ranges, *on);
                return;
            }
        };
        self.unusable.extend(is_new);
    }

    fn add_need(&mut self, of: SolverPackage, ranges: &SolverSet<'a>, on: SolverPackage) {
        let Some(on) = on.project() else {
            return;
        };
        let dependent = match of {
            SolverPackage::Root => {
                self.roots.insert(on);
                return;
            }
            SolverPackage::Project(id) => (id, None),
            SolverPackage::ExtraRequirements(id, extra) => (id, Some(extra)),
            // That an extra needs its project goes without saying.
            SolverPackage::Extra(..) => return,
        };
        let versions = self.needs.entry((dependent, on));
        let versions = versions.or_insert_with(SolverSet::empty);
        *versions = versions.union(ranges);
    }

    /// The pairs of dependents and what they need: those near the roots first.
    pub(super) fn needs_from_the_roots(&self) -> Vec<(Dependent, ProjectId)> {
        let mut found: Vec<(Dependent, ProjectId)> = Vec::new();
        let mut waiting: VecDeque<ProjectId> = self.roots.iter().copied().collect();
        let mut reached = self.roots.clone();
        while let Some(project) = waiting.pop_front() {
            for pair in self.needs_of(project) {
                found.push(pair);
                if reached.insert(pair.1) {
                    waiting.push_back(pair.1);
                }
            }
        }
        // A learned fact may have lost its way from the roots; it belongs to the proof, too.
        let rest = self
            .needs
            .keys()
            .filter(|pair| !reached.contains(&pair.0.0));
        found.extend(rest);
        found
    }

    /// What a project and its extras need.
    pub(super) fn needs_of(
        &self,
        project: ProjectId,
    ) -> impl Iterator<Item = (Dependent, ProjectId)> {
        let from = ((project, None), ProjectId::default());
        let rest = self.needs.range(from..).map(|(pair, _)| *pair);
        rest.take_while(move |((of, _), _)| *of == project)
    }

    /// The project without any usable version that alone is to blame: nothing else in the proof is
    /// needed by two that disagree.
    pub(super) fn culprit(&self) -> Option<ProjectId> {
        let has_none = |project: &&ProjectId| {
            let is_dependent = self.needs_of(**project).next().is_some();
            !is_dependent && !self.unusable.iter().any(|(id, ..)| id == *project)
        };
        let mut culprits = self.none.keys().filter(has_none);
        let (culprit, None) = (*culprits.next()?, culprits.next()) else {
            return None;
        };
        let mut needed: BTreeMap<ProjectId, BTreeSet<Option<ProjectId>>> = BTreeMap::new();
        for ((of, _), on) in self.needs.keys().filter(|((of, _), on)| of != on) {
            needed.entry(*on).or_default().insert(Some(*of));
        }
        for root in &self.roots {
            needed.entry(*root).or_default().insert(None);
        }
        let is_simple = |(id, by): (&ProjectId, &BTreeSet<_>)| *id == culprit || by.len() < 2;
        needed.iter().all(is_simple).then_some(culprit)
    }
}

/// Frees a derivation without recursing.
fn free(derivation: Arc<Derivation<'_>>) {
    let mut waiting = vec![derivation];
    while let Some(next) = waiting.pop() {
        if let Ok(DerivationTree::Derived(derived)) = Arc::try_unwrap(next) {
            waiting.extend([derived.cause1, derived.cause2]);
        }
    }
}

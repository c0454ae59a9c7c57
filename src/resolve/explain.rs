//! Why there is no answer, in sentences.
//!
//! Input: the [`ProofFacts`] of a failed search. Output: a [`NoSolution`] whose steps name
//! versions that exist, the lines of the command, and the reasons for which versions cannot be
//! used.

use std::collections::BTreeMap;

use super::known::{Dependencies, Rejection, VersionState};
use super::package::ProjectId;
use super::proof::{Dependent, ProofFacts};
use super::search::Search;
use super::solver_set::SolverSet;
use super::stop::Unusable;
use super::wording;
use crate::digest::Digest;
use crate::error::{Advice, Finding, NoSolution};
use crate::spec::version::{Specifiers, Version};

/// So many of the most contested projects are named if the search is given up.
const MOST_CONTESTED: usize = 5;

/// Explains a contradiction.
pub(super) fn contradiction<'a>(search: &Search<'a>, facts: &ProofFacts<'a>) -> NoSolution {
    let writer = Writer { search, facts };
    let mut steps: Vec<String> = facts
        .needs_from_the_roots()
        .into_iter()
        .filter_map(|(of, on)| writer.needs(of, on))
        .collect();
    for (id, ranges, reason) in &facts.unusable {
        steps.push(writer.unusable(*id, ranges, reason));
    }
    let gone: Vec<String> = facts
        .none
        .iter()
        .filter_map(|(id, ranges)| writer.none(*id, ranges))
        .collect();
    let demands = writer.demands();
    let has_one_root = facts.roots.len() == 1;
    match steps.first_mut() {
        // The chain from the only root is one thought.
        Some(first) if has_one_root && !gone.is_empty() => {
            *first = format!("{first}; {demands}");
            steps.extend(gone);
        }
        None if has_one_root => {
            steps.push(demands);
            steps.extend(gone);
        }
        _ => {
            steps.extend(gone);
            steps.push(demands);
        }
    }
    NoSolution::new(writer.finding(), steps, writer.advice())
}

/// Explains that the search took too long.
pub(super) fn given_up(search: &Search<'_>) -> NoSolution {
    let mut contested = search.contested();
    contested.sort_by_key(|(name, tried)| (std::cmp::Reverse(*tried), name.clone()));
    contested.truncate(MOST_CONTESTED);
    let contested = contested.into_iter();
    let steps = contested.map(|(name, tried)| format!("{name}: {tried} versions were tried"));
    let mut steps: Vec<String> = steps.collect();
    steps.push(match search.rounds.get() {
        1 => "no order of projects settled it in 1 round".to_owned(),
        rounds => format!("no order of projects settled it in {rounds} rounds"),
    });
    NoSolution::new(Finding::GaveUp, steps, Vec::new())
}

struct Writer<'w, 'a> {
    search: &'w Search<'a>,
    facts: &'w ProofFacts<'a>,
}

impl Writer<'_, '_> {
    fn name(&self, id: ProjectId) -> String {
        self.search.names.borrow().of_project(id).to_string()
    }

    fn finding(&self) -> Finding {
        let Some(culprit) = self.facts.culprit() else {
            return Finding::Contradiction;
        };
        let name = self.name(culprit);
        let is_known = self.search.seen_versions(culprit).is_none_or(|versions| {
            versions.candidates.is_known || !versions.candidates.versions().is_empty()
        });
        let refused = self.refused(culprit, &self.facts.none[&culprit]);
        if !is_known {
            Finding::UnknownProject(name)
        } else if refused
            .iter()
            .any(|refused| refused.state.rejection.is_some())
        {
            Finding::NoWheel(name)
        } else {
            Finding::NoVersion(name)
        }
    }

    /// `numba 0.60.0 needs numpy >=1.22, and so does every numba from 0.2 to 0.59.1`.
    fn needs(&self, (of, extra): Dependent, on: ProjectId) -> Option<String> {
        let ranges = &self.facts.needs[&((of, extra), on)];
        let mut name = self.name(of);
        let extra = extra.map(|extra| self.search.names.borrow().of_extra(extra).to_owned());
        if let Some(extra) = &extra {
            name = format!("{name}[{extra}]");
        }
        let mut by_need: Vec<(String, Vec<Version>)> = Vec::new();
        for version in self.search.read_versions(of).into_iter().rev() {
            if !ranges.has(&version) {
                continue;
            }
            let need = self.need(of, &version, extra.as_deref(), on)?;
            match by_need.iter_mut().find(|(known, _)| *known == need) {
                Some((_, versions)) => versions.push(version),
                None => by_need.push((need, vec![version])),
            }
        }
        let (need, versions) = by_need.first()?;
        let (newest, older) = versions.split_first()?;
        let mut sentence = format!("{name} {newest} needs {need}");
        let older: Vec<&Version> = older.iter().rev().collect();
        match &older[..] {
            [] => {}
            [one] => sentence += &format!(", and so does {one}"),
            [one, other] => sentence += &format!(", and so do {one} and {other}"),
            all => {
                sentence += &format!(", and so do {} more, {}", all.len(), wording::span(all));
            }
        }
        let others: usize = by_need[1..]
            .iter()
            .map(|(_, versions)| versions.len())
            .sum();
        match &by_need[1..] {
            [] => {}
            [(need, versions)] => {
                let versions: Vec<&Version> = versions.iter().rev().collect();
                let verb = if others == 1 { "needs" } else { "need" };
                sentence += &format!(", {name} {} {verb} {need}", wording::span(&versions));
            }
            _ => {
                let on = self.name(on);
                sentence += &format!(", and {others} more need other versions of {on}");
            }
        }
        Some(sentence)
    }

    /// The requirements of one version on a project, as METADATA states them.
    fn need(
        &self,
        of: ProjectId,
        version: &Version,
        extra: Option<&str>,
        on: ProjectId,
    ) -> Option<String> {
        let read = self.search.seen_dependencies(of, version)?;
        let Dependencies::Stated(stated) = &*read else {
            return None;
        };
        let names = self.search.names.borrow();
        let on = names.of_project(on);
        let lines = self
            .search
            .applying(of, stated, extra)
            .requirements
            .into_iter();
        let lines = lines.filter(|requirement| requirement.name == *on);
        let mut lines: Vec<String> = lines.map(wording::requirement).collect();
        lines.dedup();
        (!lines.is_empty()).then(|| wording::and(&lines))
    }

    fn unusable(&self, id: ProjectId, ranges: &SolverSet<'_>, reason: &Unusable) -> String {
        let versions = self.search.read_versions(id).into_iter();
        let versions: Vec<Version> = versions.filter(|one| ranges.has(one)).collect();
        let versions: Vec<&Version> = versions.iter().collect();
        let subject = format!("{} {}", self.name(id), wording::span(&versions));
        match reason {
            Unusable::Unreadable(reason) => format!("{subject} has unreadable METADATA: {reason}"),
            Unusable::Python(requires) => format!("{subject} is for Python {requires}"),
            Unusable::Address(requirement) => {
                format!("{subject} needs {requirement}, an address that you do not name")
            }
            Unusable::Itself(requirement) => format!("{subject} needs itself as {requirement}"),
        }
    }

    /// Why a set has no version, if there is more to say than that none is left.
    fn none(&self, id: ProjectId, ranges: &SolverSet<'_>) -> Option<String> {
        let name = self.name(id);
        let versions = self.search.seen_versions(id)?;
        let all = versions.candidates.versions();
        if !versions.candidates.is_known && all.is_empty() {
            return Some(format!("no index has a project {name}"));
        }
        let refused = self.refused(id, ranges);
        if !refused.is_empty() {
            return Some(describe_refused(&name, &refused));
        }
        let is_left = self.facts.needs_of(id).next().is_some();
        if is_left || self.facts.unusable.iter().any(|(other, ..)| *other == id) {
            return None;
        }
        let all: Vec<&Version> = all.iter().collect();
        Some(match &all[..] {
            [] => format!("{name} has no versions"),
            [one] => format!("{name} exists only as {one}"),
            all => format!(
                "{name} exists as {}, and none of them fits",
                wording::span(all)
            ),
        })
    }

    /// The versions in a set that exist and cannot be used, in ascending order.
    fn refused(&self, id: ProjectId, ranges: &SolverSet<'_>) -> Vec<RefusedVersion> {
        let Some(versions) = self.search.seen_versions(id) else {
            return Vec::new();
        };
        let candidates = &versions.candidates;
        let all = candidates.versions().iter().enumerate();
        let refused = all.filter(|(_, version)| ranges.has(version));
        refused
            .map(|(position, version)| RefusedVersion {
                version: version.clone(),
                state: candidates.state(position).clone(),
            })
            .filter(|RefusedVersion { state, .. }| {
                state.rejection.is_some() || state.yanked.is_some()
            })
            .collect()
    }

    /// What the command says about the projects of the proof.
    fn demands(&self) -> String {
        let demands = &self.search.demands;
        let names = self.search.names.borrow();
        let mut concerned = self.facts.roots.clone();
        concerned.extend(self.facts.needs.keys().map(|(_, on)| *on));
        let roots = demands.roots().iter().copied();
        let is_concerned =
            |name: &&_| (self.facts.roots.iter()).any(|id| names.of_project(*id) == *name);
        let roots: Vec<_> = roots
            .filter(is_concerned)
            .flat_map(|name| demands.roots_of(name))
            .collect();
        let constraints = concerned.iter().map(|id| names.of_project(*id));
        let constraints: Vec<_> = constraints
            .flat_map(|name| demands.constraints_of(name))
            .collect();
        wording::demands(&roots, &constraints)
    }

    /// What would change the outcome for projects without a usable version.
    fn advice(&self) -> Vec<Advice> {
        let mut advice = Vec::new();
        for (id, ranges) in &self.facts.none {
            let refused = self.refused(*id, ranges);
            // The newest one is what most people would want.
            let newest =
                |is: fn(&VersionState) -> bool| refused.iter().rev().find(|one| is(&one.state));
            let project = self.name(*id);
            if let Some(found) = newest(|one| matches!(one.rejection, Some(Rejection::Python(_))))
                && let Some(Rejection::Python(requires)) = &found.state.rejection
            {
                advice.push(Advice::OtherPython {
                    project: project.clone(),
                    requires: requires.to_string(),
                });
            }
            if newest(|one| one.rejection == Some(Rejection::NoWheel)).is_some() {
                advice.push(Advice::BuildWheel(project.clone()));
            }
            if newest(|one| one.rejection == Some(Rejection::TooNew)).is_some() {
                advice.push(Advice::LaterUploads(project.clone()));
            }
            let yanked = newest(|one| one.rejection.is_none() && one.yanked.is_some());
            if let Some(found) = yanked.filter(|_| !self.facts.roots.contains(id)) {
                advice.push(Advice::PinYanked {
                    project,
                    version: found.version.to_string(),
                });
            }
        }
        advice
    }
}

/// A version that exists and cannot be used.
struct RefusedVersion {
    version: Version,
    state: VersionState,
}

/// `netifaces 0.10.4 to 0.11.0: 9 versions, all of them only as source distributions`.
fn describe_refused(name: &str, refused: &[RefusedVersion]) -> String {
    let versions: Vec<&Version> = refused.iter().map(|candidate| &candidate.version).collect();
    let span = wording::span(&versions);
    if let [only] = refused {
        return format!("{name} {span} {}", predicate(only.state.rejection.as_ref()));
    }
    let pythons = refused
        .iter()
        .filter_map(|candidate| match &candidate.state.rejection {
            Some(Rejection::Python(requires)) => Some(requires),
            _ => None,
        });
    let pythons: Vec<&Specifiers> = pythons.collect();
    let one_python = pythons.windows(2).all(|pair| pair[0] == pair[1]);
    let mut by_reason: BTreeMap<String, usize> = BTreeMap::new();
    for candidate in refused {
        let reason = match &candidate.state.rejection {
            None => "yanked".to_owned(),
            Some(Rejection::NoWheel) => "only as source distributions".to_owned(),
            Some(Rejection::Tags) => "only for other platforms or interpreters".to_owned(),
            Some(Rejection::Python(requires)) if one_python => format!("for Python {requires}"),
            Some(Rejection::Python(_)) => "for other Pythons".to_owned(),
            Some(Rejection::TooNew) => "uploaded too late".to_owned(),
            Some(Rejection::Hash(_)) => "without a required hash".to_owned(),
        };
        *by_reason.entry(reason).or_default() += 1;
    }
    let reasons: Vec<(String, usize)> = by_reason.into_iter().collect();
    let count = refused.len();
    if let [(reason, _)] = &reasons[..] {
        return format!("{name} {span}: {count} versions, all of them {reason}");
    }
    let reasons = reasons
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"));
    let reasons: Vec<String> = reasons.collect();
    format!(
        "{name} {span}: {count} versions, {}",
        wording::and(&reasons)
    )
}

/// Why one version cannot be used; without a rejection it is yanked.
fn predicate(rejection: Option<&Rejection>) -> String {
    match rejection {
        None => "is yanked".to_owned(),
        Some(Rejection::NoWheel) => "exists only as a source distribution".to_owned(),
        Some(Rejection::Tags) => "has wheels only for other platforms or interpreters".to_owned(),
        Some(Rejection::Python(requires)) => format!("is for Python {requires}"),
        Some(Rejection::TooNew) => "was uploaded too late".to_owned(),
        Some(Rejection::Hash(other)) => {
            let required = match &other.required[..] {
                [one] => format!("not {}", hash(one)),
                several => format!("none of the {} that are required", several.len()),
            };
            let (file_name, actual) = (&other.file_name, hash(&other.actual));
            format!("has no wheel with a required hash: `{file_name}` has {actual}, {required}")
        }
    }
}

/// A digest as lists of requirements state it.
fn hash(digest: &Digest) -> String {
    format!("{}:{}", digest.algorithm().name(), digest.to_hex())
}

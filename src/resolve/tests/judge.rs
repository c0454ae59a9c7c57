//! What is wrong with an answer, by rules that share nothing with the solver.

use std::collections::BTreeMap;

use super::super::{Dependencies, Resolution};
use super::scenario::Scenario;
use crate::spec::name::ProjectName;
use crate::spec::requirement::Requirement;
use crate::spec::version::{Specifiers, Version};

/// The faults of an answer; none if it may stand.
pub(super) fn faults(scenario: &Scenario, answer: &Resolution) -> Vec<String> {
    let versions: BTreeMap<&ProjectName, &Version> = answer
        .projects
        .iter()
        .map(|found| (&found.name, &found.version))
        .collect();
    let environment = &scenario.wanted.environment;
    let roots = scenario.wanted.roots.iter().map(|line| &line.requirement);
    let roots = roots.filter(|requirement| requirement.applies(environment));
    let mut waiting: Vec<Requirement> = roots.cloned().collect();
    let mut wanted: BTreeMap<ProjectName, Vec<Requirement>> = BTreeMap::new();
    let (mut seen, mut faults) = (Vec::new(), Vec::new());
    while let Some(requirement) = waiting.pop() {
        let name = requirement.name.clone();
        wanted
            .entry(name.clone())
            .or_default()
            .push(requirement.clone());
        let Some(version) = versions.get(&name) else {
            faults.push(format!("{name} is missing"));
            continue;
        };
        let key = (name.clone(), (*version).clone());
        let Some(Dependencies::Stated(stated)) = scenario.memory.stated.get(&key) else {
            faults.push(format!("{name} {version} does not exist"));
            continue;
        };
        if requirement
            .specifiers()
            .is_some_and(|all| !all.contains(version))
        {
            faults.push(format!("{name} {version} is not in `{requirement}`"));
        }
        let extras = requirement.extras.iter().map(|extra| Some(extra.clone()));
        for extra in extras.chain([None]) {
            if seen.contains(&(name.clone(), extra.clone())) {
                continue;
            }
            let applies = |one: &&Requirement| match &extra {
                None => one.applies(environment),
                Some(extra) => one.applies_only_with(extra, environment),
            };
            waiting.extend(stated.requires.iter().filter(applies).cloned());
            seen.push((name.clone(), extra));
        }
    }
    for (name, version) in versions {
        match wanted.get(name) {
            Some(requirements) => faults.extend(unfit(scenario, name, version, requirements)),
            None => faults.push(format!("{name} {version} is not needed")),
        }
    }
    faults
}

/// Why a version must not be chosen, or not before another one.
fn unfit(
    scenario: &Scenario,
    name: &ProjectName,
    version: &Version,
    requirements: &[Requirement],
) -> Option<String> {
    let candidates = scenario.memory.pages.get(name)?;
    let state = candidates.get(version)?;
    let is_pinned = requirements
        .iter()
        .any(|one| one.specifiers().is_some_and(Specifiers::pins));
    if let Some(rejection) = &state.rejection {
        return Some(format!("{name} {version} cannot be used: {rejection:?}"));
    }
    if state.yanked.is_some() && !is_pinned {
        return Some(format!("{name} {version} is yanked"));
    }
    let is_in = |version: &Version| {
        let mut all = requirements.iter().filter_map(Requirement::specifiers);
        all.all(|specifiers| specifiers.contains(version))
    };
    let final_fits = candidates.iter().any(|(one, state)| {
        let is_usable = state.rejection.is_none() && state.yanked.is_none();
        is_usable && !one.is_prerelease() && is_in(one)
    });
    let unasked = version.is_prerelease() && !scenario.wanted.prereleases;
    (unasked && final_fits).then(|| format!("{name} {version} is before a final release"))
}

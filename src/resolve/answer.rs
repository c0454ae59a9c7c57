//! The answer of the solver as a [`Resolution`].
//!
//! Input: the packages with their versions, and the search that found them. Output: the projects
//! that the roots need, directly or not, with everything that is worth knowing about each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pubgrub::SelectedDependencies;

use super::known::{Dependencies, Stated};
use super::package::{ProjectId, SolverPackage};
use super::resolution::{Resolution, ResolutionWarning, ResolvedProject, Via};
use super::search::Search;
use super::solver_set::SolverVersion;
use super::stop::SearchEnd;
use crate::spec::name::ProjectName;
use crate::spec::version::Version;

/// The projects of a solution, by name.
///
/// # Errors
/// The METADATA of a version was not read before and cannot be had.
pub(super) fn resolution<'a>(
    search: &Search<'a>,
    solution: &SelectedDependencies<SolverPackage, SolverVersion<'a>>,
) -> Result<Resolution, SearchEnd> {
    let mut picked = Picked::default();
    for (package, version) in solution.iter() {
        match *package {
            SolverPackage::Project(id) => {
                picked.versions.insert(id, version.version.clone());
            }
            SolverPackage::Extra(id, extra) => {
                let extra = search.names.borrow().of_extra(extra).to_owned();
                picked.extras.entry(id).or_default().insert(extra);
            }
            SolverPackage::Root | SolverPackage::ExtraRequirements(..) => {}
        }
    }
    let mut found = Resolution {
        rounds: search.rounds.get(),
        ..Resolution::default()
    };
    let mut needed_by: BTreeMap<ProjectName, BTreeSet<ProjectName>> = BTreeMap::new();
    for (id, version) in &picked.versions {
        let extras = picked.extras.get(id).into_iter().flatten();
        let WithExtras { extras, needs } = with_extras(search, *id, version, extras)?;
        let name = search.names.borrow().of_project(*id).clone();
        for needed in &needs {
            needed_by
                .entry(needed.clone())
                .or_default()
                .insert(name.clone());
        }
        found
            .warnings
            .extend(warnings(search, *id, version, &extras)?);
        let tried = u32::try_from(search.tried(*id)).expect("choices are limited");
        if tried > 1 {
            found.tried.insert(name.clone(), tried);
        }
        found.projects.push(ResolvedProject {
            is_requested: search.demands.roots().contains(&&name),
            is_installed: search.demands.installed(&name) == Some(version),
            url: search.demands.url(&name).map(str::to_owned),
            version: version.clone(),
            via: Vec::new(),
            needs,
            extras,
            name,
        });
    }
    for project in &mut found.projects {
        let roots = search.demands.roots_of(&project.name);
        let roots = roots.iter().map(|line| Via::Root(line.origin.clone()));
        let others = needed_by.remove(&project.name).unwrap_or_default();
        project.via = roots.chain(others.into_iter().map(Via::Project)).collect();
    }
    found.projects.sort_by(|one, next| one.name.cmp(&next.name));
    found
        .warnings
        .sort_by(|one, next| one.name().cmp(next.name()));
    Ok(found)
}

/// The solution without the packages that only the solver needs.
#[derive(Default)]
struct Picked {
    versions: BTreeMap<ProjectId, Version>,
    extras: BTreeMap<ProjectId, BTreeSet<String>>,
}

/// What a version is with its extras.
struct WithExtras {
    /// The extras, and those of the project itself that they name, in order.
    extras: Vec<String>,
    /// The projects that it needs with them, by name.
    needs: Vec<ProjectName>,
}

fn with_extras<'e>(
    search: &Search<'_>,
    id: ProjectId,
    version: &Version,
    picked: impl Iterator<Item = &'e String>,
) -> Result<WithExtras, SearchEnd> {
    let mut extras: BTreeSet<String> = picked.cloned().collect();
    let mut needs = BTreeSet::new();
    if !search.demands.wanted.no_deps {
        let read = search.dependencies(id, version)?;
        let own = search.names.borrow().of_project(id).clone();
        let with: Vec<String> = extras.iter().cloned().collect();
        let with = with.iter().map(|extra| Some(extra.as_str()));
        for extra in with.chain([None]) {
            let Some(stated) = stated(&read) else {
                continue;
            };
            let applying = search.applying(id, stated, extra);
            extras.extend(applying.extras.into_iter().map(str::to_owned));
            let others = applying.requirements.into_iter();
            let others = others.filter(|requirement| requirement.name != own);
            needs.extend(others.map(|requirement| requirement.name.clone()));
        }
    }
    Ok(WithExtras {
        extras: extras.into_iter().collect(),
        needs: needs.into_iter().collect(),
    })
}

fn stated(read: &Arc<Dependencies>) -> Option<&Stated> {
    match &**read {
        Dependencies::Stated(stated) => Some(stated),
        Dependencies::Unreadable(_) => None,
    }
}

fn warnings(
    search: &Search<'_>,
    id: ProjectId,
    version: &Version,
    extras: &[String],
) -> Result<Vec<ResolutionWarning>, SearchEnd> {
    let name = search.names.borrow().of_project(id).clone();
    let mut warnings = Vec::new();
    let versions = search.seen_versions(id);
    let state = versions
        .as_ref()
        .and_then(|versions| versions.state(version));
    if let Some(reason) = state.and_then(|state| state.yanked.as_ref())
        && search.demands.installed(&name) != Some(version)
    {
        warnings.push(ResolutionWarning::Yanked {
            name: name.clone(),
            version: version.clone(),
            reason: reason.to_string(),
        });
    }
    if !extras.is_empty() {
        let read = search.dependencies(id, version)?;
        let offered = stated(&read).map_or(&[][..], |stated| &stated.extras);
        let missing = extras.iter().filter(|extra| !offered.contains(extra));
        warnings.extend(missing.map(|extra| ResolutionWarning::MissingExtra {
            name: name.clone(),
            version: version.clone(),
            extra: extra.clone(),
        }));
    }
    Ok(warnings)
}

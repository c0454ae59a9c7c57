//! Requirements of installed projects that nothing installed meets.
//!
//! Input: projects with the requirements that their METADATA states, and every version that is
//! installed. Output: each [`UnmetRequirement`], sorted. As for `pip check`, requirements of extras
//! do not count, and pre-releases do. Limits: a requirement that names an address counts as met by
//! every version; one that cannot be read is left out.

use std::collections::BTreeMap;

use super::Installed;
use crate::environment::layout::Layout;
use crate::fs;
use crate::outcome::UnmetRequirement;
use crate::spec::core_metadata::Headers;
use crate::spec::marker::MarkerEnvironment;
use crate::spec::name::ProjectName;
use crate::spec::requirement::Requirement;
use crate::spec::version::Version;
use crate::threads::{Pool, in_parallel};

/// The most of an installed METADATA that is read, in bytes; its headers come first.
const MAX_METADATA: u64 = 4 << 20;

/// The installed versions by project; `None` for a version that cannot be read.
pub type InstalledVersions = BTreeMap<ProjectName, Option<Version>>;

/// A project and what it requires.
#[derive(Debug)]
pub struct Requiring {
    /// The project.
    pub name: ProjectName,
    /// Its version, as it is spelled.
    pub version: String,
    /// Each `Requires-Dist`, as written.
    pub requires: Vec<Box<str>>,
}

/// The versions of these projects.
pub fn versions<'i>(installed: impl IntoIterator<Item = &'i Installed>) -> InstalledVersions {
    let known = installed.into_iter();
    known
        .map(|project| (project.name.clone(), project.parsed_version()))
        .collect()
}

/// Reads what the projects require. METADATA that is missing or cannot be read requires nothing:
/// `check` reports it otherwise.
pub fn read(layout: &Layout, projects: &[&Installed], pool: &Pool) -> Vec<Requiring> {
    in_parallel(pool, projects, |project| {
        let path = layout.absolute(&project.place).join("METADATA");
        let content = fs::read_unless_foreign(&path, MAX_METADATA).unwrap_or_default();
        let content = content.unwrap_or_default();
        let text = String::from_utf8_lossy(&content);
        let headers = Headers::parse(&text);
        Requiring {
            name: project.name.clone(),
            version: project.version.clone(),
            requires: headers.all("Requires-Dist").map(Into::into).collect(),
        }
    })
}

/// The requirements that no installed version meets, among those of projects that `is_meant` says.
pub fn unmet(
    projects: &[Requiring],
    installed: &InstalledVersions,
    environment: &MarkerEnvironment,
    is_meant: impl Fn(&ProjectName) -> bool,
) -> Vec<UnmetRequirement> {
    let mut unmet = Vec::new();
    for project in projects {
        for text in &project.requires {
            let Ok(requirement) = Requirement::parse(text) else {
                continue;
            };
            if !is_meant(&requirement.name) || !requirement.applies(environment) {
                continue;
            }
            let found = installed.get(&requirement.name);
            let is_met = match (found, requirement.specifiers()) {
                (None, _) => false,
                // Without a readable version or a stated one there is nothing to compare.
                (Some(None), _) | (Some(_), None) => true,
                (Some(Some(version)), Some(wanted)) => wanted.contains(version),
            };
            if !is_met {
                unmet.push(UnmetRequirement {
                    project: project.name.normalized().to_owned(),
                    version: project.version.clone(),
                    requirement: requirement.to_string(),
                    installed: found.and_then(|found| Some(found.as_ref()?.to_string())),
                });
            }
        }
    }
    unmet.sort_by(|a, b| (&a.project, &a.requirement).cmp(&(&b.project, &b.requirement)));
    unmet.dedup();
    unmet
}

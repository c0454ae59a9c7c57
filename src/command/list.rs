//! `list`: what is installed, with sizes and conflicts.

use std::collections::{BTreeSet, HashMap};

use super::session::{Session, look};
use super::{Context, Options};
use crate::digest::Digest;
use crate::environment::Environment;
use crate::environment::layout::{Layout, Place};
use crate::error::Result;
use crate::fs;
use crate::installed::{Form, Installed};
use crate::outcome::InstalledProject;

/// Lists the installed projects, sorted by name.
///
/// # Errors
/// If the environment cannot be read.
pub fn list(
    environment: &Environment,
    options: &Options,
    context: Context<'_>,
) -> Result<Vec<InstalledProject>> {
    look(environment, options, context, |session| {
        let projects = listed(session)?.into_iter();
        Ok(projects.map(|(_, project)| project).collect())
    })
}

/// The names and versions of the installed projects, sorted; no RECORD is read.
///
/// # Errors
/// If the environment cannot be read.
pub fn installed_versions(
    environment: &Environment,
    options: &Options,
    context: Context<'_>,
) -> Result<Vec<(String, String)>> {
    look(environment, options, context, |session| {
        let all = session.installed.iter();
        let mut found: Vec<(String, String)> = all
            .filter(|one| one.form != Form::Leftover)
            .map(|one| (one.name.normalized().to_owned(), one.version.clone()))
            .collect();
        found.sort();
        Ok(found)
    })
}

/// The installed projects, sorted by name.
pub(super) fn listed<'s>(
    session: &'s Session<'_>,
) -> Result<Vec<(&'s Installed, InstalledProject)>> {
    let mut listing = Listing::default();
    let all = session.installed.iter();
    let installed: Vec<&Installed> = all.filter(|one| one.form != Form::Leftover).collect();
    let mut projects = Vec::with_capacity(installed.len());
    for (number, project) in installed.iter().enumerate() {
        projects.push((*project, listing.add(&session.layout, number, project)?));
    }
    for (number, (_, project)) in projects.iter_mut().enumerate() {
        let others = listing.conflicts.get(&number).into_iter().flatten();
        project.conflicts = others
            .map(|other| installed[*other].name.normalized().to_owned())
            .collect();
        project.conflicts.dedup();
    }
    projects.sort_by(|(_, one), (_, two)| one.name.cmp(&two.name));
    Ok(projects)
}

/// Finds installed projects that list one file with different digests.
#[derive(Default)]
struct Listing {
    /// The first project that lists a place, and the digest that it states.
    seen: HashMap<Place, (usize, Option<Digest>)>,
    /// The projects that each project is in conflict with.
    conflicts: HashMap<usize, BTreeSet<usize>>,
}

impl Listing {
    fn add(
        &mut self,
        layout: &Layout,
        number: usize,
        project: &Installed,
    ) -> Result<InstalledProject> {
        let recorded = project.read_record(layout)?;
        let rows = recorded.rows();
        for row in rows.into_iter().flat_map(|rows| rows.iter()) {
            let Some(place) = layout.of_recorded(project.library, &row.path) else {
                continue;
            };
            let (first, digest) = *self.seen.entry(place).or_insert((number, row.digest));
            if first != number && digest != row.digest {
                self.conflicts.entry(first).or_default().insert(number);
                self.conflicts.entry(number).or_default().insert(first);
            }
        }
        // RECORD cannot state its own length, but it is a file of the project like the others.
        let own = layout.absolute(&project.place).join("RECORD");
        let own = rows.map(|_| fs::stat(&own)).transpose()?.flatten();
        let own = own.map_or(0, |stat| stat.size);
        Ok(InstalledProject {
            name: project.name.normalized().to_owned(),
            version: project.version.clone(),
            installer: project.installer.clone(),
            files: rows.map(|rows| rows.len() as u64),
            bytes: rows.map(|rows| {
                rows.iter()
                    .filter_map(|row| row.size)
                    .fold(own, u64::saturating_add)
            }),
            conflicts: Vec::new(),
        })
    }
}

//! `check` and `list`: the commands that only look.

use std::collections::{BTreeSet, HashMap};

use super::session::{Purpose, Session, environment_report};
use super::{Context, Options};
use crate::check;
use crate::digest::Digest;
use crate::environment::installed::Installed;
use crate::environment::layout::{Layout, Place};
use crate::environment::{self, Locate};
use crate::error::{Error, ErrorKind, Result};
use crate::outcome::{ListedProject, Report};
use crate::spec::name::ProjectName;
use crate::threads::Pool;

/// Compares the named projects, or all of them, with their RECORDs; `report.differences` says what
/// differs.
///
/// # Errors
/// Where something differs, a name is not installed, or the environment cannot be read.
pub fn check(
    locate: &Locate,
    names: &[String],
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let pool = Pool::new(options.jobs)?;
    let environment = environment::locate(locate)?;
    report.environment = Some(environment_report(&environment));
    let session = Session::begin(&environment, Purpose::Look, options, context, report)?;
    let chosen = chosen(&session.installed, names)?;
    let differences = check::check(&pool, &session.layout, &chosen)?;
    let count = differences.len();
    report.projects_checked = Some(chosen.len());
    report.differences = Some(differences);
    if count == 0 {
        Ok(())
    } else {
        Err(Error::differences(count))
    }
}

fn chosen<'a>(installed: &'a [Installed], names: &[String]) -> Result<Vec<&'a Installed>> {
    if names.is_empty() {
        return Ok(installed.iter().collect());
    }
    let wanted: Vec<ProjectName> = names
        .iter()
        .filter_map(|name| ProjectName::parse(name))
        .collect();
    let unknown: Vec<String> = names
        .iter()
        .filter(|name| {
            ProjectName::parse(name)
                .is_none_or(|name| installed.iter().all(|project| project.name != name))
        })
        .cloned()
        .collect();
    if !unknown.is_empty() {
        return Err(Error::not_installed(unknown));
    }
    Ok(installed
        .iter()
        .filter(|project| wanted.contains(&project.name))
        .collect())
}

/// What is installed; `report.projects` lists it, sorted by name.
///
/// # Errors
/// Where the environment cannot be read.
pub fn list(
    locate: &Locate,
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let environment = environment::locate(locate)?;
    report.environment = Some(environment_report(&environment));
    let session = Session::begin(&environment, Purpose::Look, options, context, report)?;
    let mut listing = Listing::default();
    let mut projects = Vec::with_capacity(session.installed.len());
    for (number, project) in session.installed.iter().enumerate() {
        projects.push(listing.add(&session.layout, number, project)?);
    }
    for (number, project) in projects.iter_mut().enumerate() {
        let others = listing.conflicts.get(&number).into_iter().flatten();
        project.conflicts = others
            .map(|other| session.installed[*other].name.normalized().to_owned())
            .collect();
        project.conflicts.dedup();
    }
    projects.sort_by(|a, b| a.name.cmp(&b.name));
    report.projects = Some(projects);
    Ok(())
}

/// Who lists which file with which digest, while projects are gone through.
#[derive(Default)]
struct Listing {
    seen: HashMap<Place, (usize, Option<Digest>)>,
    conflicts: HashMap<usize, BTreeSet<usize>>,
}

impl Listing {
    fn add(
        &mut self,
        layout: &Layout,
        number: usize,
        project: &Installed,
    ) -> Result<ListedProject> {
        let rows = match project.record(layout) {
            Ok(rows) => Some(rows),
            Err(error) if error.kind() == ErrorKind::Environment => None,
            Err(error) => return Err(error),
        };
        for row in rows.iter().flatten() {
            let Some(place) = layout.of_recorded(project.library, &row.path) else {
                continue;
            };
            let (first, digest) = *self.seen.entry(place).or_insert((number, row.digest));
            if first != number && digest != row.digest {
                self.conflicts.entry(first).or_default().insert(number);
                self.conflicts.entry(number).or_default().insert(first);
            }
        }
        Ok(ListedProject {
            name: project.name.normalized().to_owned(),
            version: project.version.clone(),
            installer: project.installer.clone(),
            files: rows.as_ref().map(|rows| rows.len() as u64),
            bytes: rows.as_ref().map(|rows| {
                rows.iter()
                    .filter_map(|row| row.size)
                    .fold(0, u64::saturating_add)
            }),
            conflicts: Vec::new(),
        })
    }
}

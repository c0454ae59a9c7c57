//! `check`: compares installed projects with their RECORDs.

use super::session::look;
use super::{Context, Options};
use crate::environment::{Environment, marker_values};
use crate::error::{Error, Result};
use crate::installed::{self, Form, Installed, requires};
use crate::outcome::{CheckOutcome, UnmetRequirement};
use crate::spec::name::ProjectName;
use crate::threads::Pool;

/// Compares the named projects, or all if `names` is empty, with their RECORDs.
///
/// # Errors
/// A name is not installed, or the environment cannot be read. Differences are no error.
pub fn check(
    environment: &Environment,
    names: &[String],
    options: &Options,
    context: Context<'_>,
) -> Result<CheckOutcome> {
    let pool = Pool::new(options.jobs)?;
    look(environment, options, context, |session| {
        let chosen = chosen(&session.installed, names)?;
        let (files, differences) = installed::check::check(
            &session.layout,
            &chosen,
            &pool,
            context.cancel,
            context.events,
        )?;
        Ok(CheckOutcome {
            projects: chosen.len(),
            files,
            differences,
            unmet: Vec::new(),
        })
    })
}

/// The requirements of the named projects, or of all if `names` is empty, that nothing installed
/// meets.
///
/// # Errors
/// A name is not installed, the interpreter is not known, or the environment cannot be read.
pub fn unmet_requirements(
    environment: &Environment,
    names: &[String],
    options: &Options,
    context: Context<'_>,
) -> Result<Vec<UnmetRequirement>> {
    let pool = Pool::new(options.jobs)?;
    // Markers ask about the interpreter.
    let markers = marker_values(environment.python()?);
    look(environment, options, context, |session| {
        let chosen = chosen(&session.installed, names)?;
        let all = requires::versions(projects_of(&session.installed));
        let projects = requires::read(&session.layout, &chosen, &pool);
        Ok(requires::unmet(&projects, &all, &markers, |_| true))
    })
}

fn projects_of(installed: &[Installed]) -> impl Iterator<Item = &Installed> {
    installed.iter().filter(|one| one.form != Form::Leftover)
}

fn chosen<'a>(installed: &'a [Installed], names: &[String]) -> Result<Vec<&'a Installed>> {
    let projects = || projects_of(installed);
    if names.is_empty() {
        return Ok(projects().collect());
    }
    // Names that do not parse are reported below, with those that are not installed.
    let wanted: Vec<ProjectName> = names
        .iter()
        .filter_map(|name| ProjectName::parse(name))
        .collect();
    let unknown: Vec<String> = names
        .iter()
        .filter(|name| {
            ProjectName::parse(name)
                .is_none_or(|name| projects().all(|project| project.name != name))
        })
        .cloned()
        .collect();
    if !unknown.is_empty() {
        return Err(Error::not_installed(unknown));
    }
    Ok(projects()
        .filter(|project| wanted.contains(&project.name))
        .collect())
}

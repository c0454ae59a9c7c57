//! `check`: compares installed projects with their RECORDs.

use super::session::look;
use super::{Context, Options};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::installed::{self, Form, Installed};
use crate::outcome::CheckOutcome;
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
        let differences = installed::check::check(&session.layout, &chosen, &pool)?;
        Ok(CheckOutcome {
            projects: chosen.len(),
            differences,
        })
    })
}

fn chosen<'a>(installed: &'a [Installed], names: &[String]) -> Result<Vec<&'a Installed>> {
    let projects = || installed.iter().filter(|one| one.form != Form::Leftover);
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

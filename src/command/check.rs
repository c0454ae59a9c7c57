//! `check`: compares installed projects with their RECORDs.

use super::session::{Purpose, Session, environment_report};
use super::{Context, Options};
use crate::environment::{self, Locate};
use crate::error::{Error, Result};
use crate::installed::{self, Installed};
use crate::outcome::Report;
use crate::spec::name::ProjectName;
use crate::threads::Pool;

/// Compares the named projects, or all if `names` is empty, with their RECORDs and fills
/// `report.differences`.
///
/// # Errors
/// If something differs, a name is not installed, or the environment cannot be read.
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
    let differences = installed::check::check(&session.layout, &chosen, &pool)?;
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

//! `uninstall`: removes installed projects, all of them or none.

use std::time::Instant;

use super::install::{Act, milliseconds};
use super::open::Opened;
use super::planning;
use super::session::{Purpose, Session, environment_report};
use super::{Context, Options};
use crate::environment::{self, Locate};
use crate::error::{Error, Result};
use crate::outcome::Report;
use crate::spec::name::ProjectName;
use crate::threads::Pool;

/// Removes all the named projects, or none.
///
/// # Errors
/// If a name is not installed, or an installed project cannot be removed. The environment is then
/// unchanged.
pub fn uninstall(
    locate: &Locate,
    names: &[String],
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let names: Vec<ProjectName> = names
        .iter()
        .map(|name| {
            ProjectName::parse(name)
                .ok_or_else(|| Error::usage(format!("`{name}` is not a project's name")))
        })
        .collect::<Result<_>>()?;
    let pool = Pool::new(options.jobs)?;
    let environment = environment::locate(locate)?;
    report.environment = Some(environment_report(&environment));
    let begin = Instant::now();
    let mut session = Session::begin(&environment, Purpose::Change, options, context, report)?;
    let planned = planning::uninstall(&mut session, &names, &pool, report);
    report.timings_ms.plan = Some(milliseconds(begin));
    Act {
        opened: &Opened::default(),
        pool: &pool,
        options,
        context,
    }
    .carry_out(session, planned, report)
}

//! `uninstall`: removes installed projects, all of them or none.

use std::time::Instant;

use super::observer::Observer;
use super::open::Opened;
use super::planned::PlannedTransaction;
use super::session::{Purpose, Session};
use super::{Context, Options, make_plan};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::outcome::{Activity, ActivityKind, Outcome, RunningActivity, Step};
use crate::spec::name::ProjectName;
use crate::threads::Pool;

/// Removes all the named projects, or none.
///
/// # Errors
/// A name is not installed, or an installed project cannot be removed. The environment is then
/// unchanged.
pub fn uninstall(
    environment: &Environment,
    names: &[String],
    options: &Options,
    context: Context<'_>,
) -> Result<Outcome> {
    plan_uninstall(environment, names, options, context)?.apply(&Observer::new(context.events))
}

/// Plans to remove all the named projects.
pub(crate) fn plan_uninstall<'a>(
    environment: &'a Environment,
    names: &[String],
    options: &Options,
    context: Context<'_>,
) -> Result<PlannedTransaction<'a>> {
    let names: Vec<ProjectName> = names
        .iter()
        .map(|name| {
            ProjectName::parse(name)
                .ok_or_else(|| Error::usage(format!("`{name}` is not a project's name")))
        })
        .collect::<Result<_>>()?;
    let pool = Pool::new(options.jobs)?;
    let begin = Instant::now();
    let mut session = Session::begin(environment, Purpose::Change, options, context)?;
    let activity = Activity::new(ActivityKind::Remove, "");
    let running = RunningActivity::begin(context.events, &activity);
    let planned = make_plan::uninstall(&mut session, &names, &pool, context);
    drop(running);
    context.events.step(Step::Plan, begin.elapsed());
    let (session, plan) = session.unless_failed(planned)?;
    let opened = Opened::default();
    Ok(PlannedTransaction::new(
        session, plan, opened, pool, options,
    ))
}

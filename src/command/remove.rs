//! `uninstall`, `undo` and `recover`: the commands that take something back.

use std::time::Instant;

use super::install::{Act, milliseconds};
use super::planning;
use super::session::{Purpose, Session, environment_report};
use super::{Context, Options};
use crate::environment::{self, Locate};
use crate::error::{Error, Result};
use crate::outcome::{Outcome, Report};
use crate::spec::name::ProjectName;
use crate::threads::Pool;
use crate::transaction;

/// Removes all the projects, or none.
///
/// # Errors
/// Where a name is not installed or what is installed cannot be removed; the environment is as it
/// was then.
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
        wheels: &[],
        bring: None,
        pool: &pool,
        options,
        context,
    }
    .carry_out(session, planned, report)
}

/// Takes the last transaction back, where `--undoable` kept it.
///
/// # Errors
/// Where nothing was kept, or the environment has changed since.
pub fn undo(
    locate: &Locate,
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let environment = environment::locate(locate)?;
    report.environment = Some(environment_report(&environment));
    let session = Session::begin(&environment, Purpose::Change, options, context, report)?;
    let undone = transaction::plan_undo(context.fs, &session.layout).and_then(|plan| {
        if options.dry_run {
            report.outcome = Outcome::Planned;
            return Ok(());
        }
        let begin = Instant::now();
        let committed = transaction::take_back(context.fs, &session.layout, plan, options.durable)?;
        report.timings_ms.commit = Some(milliseconds(begin));
        report.warnings.extend(committed.warnings);
        report.outcome = Outcome::Committed;
        Ok(())
    });
    if undone.is_err() {
        session.leave_unchanged();
    }
    undone
}

/// Settles what a crash left behind; every other command does so too.
///
/// # Errors
/// Where it cannot be settled.
pub fn recover(
    locate: &Locate,
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let environment = environment::locate(locate)?;
    report.environment = Some(environment_report(&environment));
    let session = Session::begin(&environment, Purpose::Change, options, context, report)?;
    let settled = report
        .warnings
        .iter()
        .any(|warning| warning.code == "recovered");
    report.outcome = if settled {
        Outcome::Committed
    } else {
        Outcome::Unchanged
    };
    session.leave_unchanged();
    Ok(())
}

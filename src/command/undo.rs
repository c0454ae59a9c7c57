//! `undo`: reverts the last transaction.

use std::time::Instant;

use super::install::milliseconds;
use super::session::{Purpose, Session, environment_report};
use super::{Context, Options};
use crate::environment::{self, Locate};
use crate::error::Result;
use crate::outcome::{Outcome, Report};
use crate::transaction;

/// Reverts the last transaction, if it ran with [`Options::undoable`].
///
/// # Errors
/// If nothing was kept to revert to, or the environment has changed since.
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

//! `undo`: reverts the last transaction.

use std::time::Instant;

use super::session::{Purpose, Session};
use super::{Context, Options};
use crate::environment::Environment;
use crate::error::Result;
use crate::outcome::{Outcome, Status, Step};
use crate::transaction;

/// Reverts the last transaction, if it ran with [`Options::undoable`].
///
/// # Errors
/// If nothing was kept to revert to, or the environment has changed since.
pub fn undo(environment: &Environment, options: &Options, context: Context<'_>) -> Result<Outcome> {
    let session = Session::begin(environment, Purpose::Change, options, context)?;
    let undone = transaction::plan_undo(context.fs, &session.layout).and_then(|plan| {
        if options.dry_run {
            return Ok(Outcome::new(Status::Planned));
        }
        let begin = Instant::now();
        let committed = transaction::take_back(context.fs, &session.layout, plan, options.durable)?;
        context.events.step(Step::Commit, begin.elapsed());
        context.warn(committed.warnings);
        Ok(Outcome::new(Status::Committed))
    });
    match &undone {
        Ok(outcome) if outcome.status == Status::Committed => session.leave_changed(false),
        _ => session.leave_unchanged(),
    }
    undone
}

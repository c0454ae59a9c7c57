//! `recover`: finishes or reverts what an interrupted command left.

use super::session::{Purpose, Session};
use super::{Context, Options};
use crate::environment::Environment;
use crate::error::Result;
use crate::outcome::{Outcome, Status};

/// Finishes or reverts what an interrupted command left; every other command does so too.
///
/// # Errors
/// If that fails, or the environment cannot be locked.
pub fn recover(
    environment: &Environment,
    options: &Options,
    context: Context<'_>,
) -> Result<Outcome> {
    let session = Session::begin(environment, Purpose::Change, options, context)?;
    let status = if session.recovered {
        Status::Committed
    } else {
        Status::Unchanged
    };
    // The recovery ended when the session began, so the lock file is not needed any more.
    session.leave_unchanged();
    Ok(Outcome::new(status))
}

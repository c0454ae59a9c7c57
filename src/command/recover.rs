//! `recover`: finishes or reverts what an interrupted command left.

use super::session::{Purpose, Session, environment_report};
use super::{Context, Options};
use crate::environment::{self, Locate};
use crate::error::Result;
use crate::outcome::{Outcome, Report};

/// Finishes or reverts what an interrupted command left; every other command does so too.
///
/// # Errors
/// If that fails, or the environment cannot be locked.
pub fn recover(
    locate: &Locate,
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let environment = environment::locate(locate)?;
    report.environment = Some(environment_report(&environment));
    let session = Session::begin(&environment, Purpose::Change, options, context, report)?;
    let recovered = report
        .warnings
        .iter()
        .any(|warning| warning.code == "recovered");
    report.outcome = if recovered {
        Outcome::Committed
    } else {
        Outcome::Unchanged
    };
    session.leave_unchanged();
    Ok(())
}

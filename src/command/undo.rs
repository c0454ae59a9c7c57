//! `undo`: reverts the last transaction.

use std::collections::BTreeMap;
use std::time::Instant;

use super::session::{Purpose, Session};
use super::{Context, Options};
use crate::environment::Environment;
use crate::environment::layout::Layout;
use crate::error::Result;
use crate::installed;
use crate::outcome::{Action, Outcome, ProjectChange, Status, Step};
use crate::transaction::{self, MovedDistInfo, UndoPlan};

/// Reverts the last transaction, if it ran with [`Options::undoable`]. The changes of the outcome
/// are those that the undo makes, or would make: a project that was replaced is replaced again.
///
/// # Errors
/// If nothing was kept to revert to, or the environment has changed since.
pub fn undo(environment: &Environment, options: &Options, context: Context<'_>) -> Result<Outcome> {
    let session = Session::begin(environment, Purpose::Change, options, context)?;
    let undone = transaction::plan_undo(context.fs, &session.layout).and_then(|plan| {
        let mut outcome = Outcome::new(Status::Planned);
        // Read before anything moves: afterwards the files are elsewhere, or gone.
        outcome.changes = changes(&plan, &session.layout);
        if options.dry_run {
            return Ok(outcome);
        }
        let begin = Instant::now();
        let committed = transaction::take_back(context.fs, &session.layout, plan, options.durable)?;
        context.events.step(Step::Commit, begin.elapsed());
        context.warn(committed.warnings);
        outcome.status = Status::Committed;
        Ok(outcome)
    });
    match &undone {
        Ok(outcome) if outcome.status == Status::Committed => session.leave_changed(false, false),
        _ => session.leave_unchanged(),
    }
    undone
}

/// One change for each project that the undo moves out, in, or both, sorted by name.
fn changes(plan: &UndoPlan, layout: &Layout) -> Vec<ProjectChange> {
    let mut projects: BTreeMap<String, Sides> = BTreeMap::new();
    let (leaving, returning) = plan.dist_infos(layout);
    for (moved, returns) in leaving
        .iter()
        .map(|moved| (moved, false))
        .chain(returning.iter().map(|moved| (moved, true)))
    {
        let Some((name, side)) = side(moved) else {
            continue;
        };
        let sides = projects.entry(name).or_default();
        if returns {
            sides.returning = Some(side);
        } else {
            sides.leaving = Some(side);
        }
    }
    projects
        .into_iter()
        .filter_map(|(name, sides)| sides.change(name))
        .collect()
}

/// One project before and after the undo.
#[derive(Default)]
struct Sides {
    leaving: Option<Side>,
    returning: Option<Side>,
}

struct Side {
    version: String,
    files: u64,
    bytes: u64,
}

/// The normalised name of the project, its version and its files.
fn side(moved: &MovedDistInfo) -> Option<(String, Side)> {
    let (name, version) = installed::project_of(&moved.name)?;
    // The numbers are only shown, so a RECORD that cannot be read must not stop the undo.
    let tally = moved.record.as_deref().and_then(installed::tally);
    let (files, bytes) = tally.unwrap_or_default();
    let version = version.to_owned();
    let side = Side {
        version,
        files,
        bytes,
    };
    Some((name.normalized().to_owned(), side))
}

impl Sides {
    fn change(self, name: String) -> Option<ProjectChange> {
        let (action, side, previous) = match (self.leaving, self.returning) {
            (Some(leaving), Some(returning)) if leaving.version == returning.version => {
                (Action::Reinstall, returning, Some(leaving.version))
            }
            (Some(leaving), Some(returning)) => (Action::Replace, returning, Some(leaving.version)),
            (None, Some(returning)) => (Action::Install, returning, None),
            (Some(leaving), None) => {
                let previous = Some(leaving.version.clone());
                (Action::Remove, leaving, previous)
            }
            (None, None) => return None,
        };
        Some(ProjectChange {
            action,
            name,
            version: side.version,
            previous,
            source: None,
            files: side.files,
            bytes: side.bytes,
        })
    }
}

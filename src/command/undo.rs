//! `undo`: reverts the last transaction, or several.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
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
    take_back(environment, None, options, context)
}

/// Reverts all transactions after the one of this number in [`history`](super::history), which all
/// have to be kept; 0 means those from the first one on.
///
/// # Errors
/// As [`undo`], and if there was no such transaction. The environment is then what it was.
pub fn undo_to(
    environment: &Environment,
    number: u64,
    options: &Options,
    context: Context<'_>,
) -> Result<Outcome> {
    take_back(environment, Some(number), options, context)
}

fn take_back(
    environment: &Environment,
    back_to: Option<u64>,
    options: &Options,
    context: Context<'_>,
) -> Result<Outcome> {
    let session = Session::begin(environment, Purpose::Change, options, context)?;
    let planned = transaction::plan_undo(context.fs, &session.layout, back_to);
    let undone = planned.and_then(|plan| {
        let mut outcome = Outcome::new(Status::Planned);
        if plan.is_empty() {
            outcome.status = Status::Unchanged;
            return Ok(outcome);
        }
        // Read before anything moves: afterwards the files are elsewhere, or gone.
        outcome.changes = changes(&plan, &session.layout);
        if options.dry_run {
            return Ok(outcome);
        }
        let begin = Instant::now();
        let about = options.about(&outcome.changes);
        let committed =
            transaction::take_back(context.fs, &session.layout, plan, about, options.durable)?;
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
    // Newest first: the first of them has what is installed now, and the last what returns.
    for (leaving, returning) in plan.dist_infos(layout) {
        let mut one: BTreeMap<String, Sides> = BTreeMap::new();
        for (name, side) in leaving.iter().filter_map(side) {
            one.entry(name).or_default().leaving = Some(side);
        }
        for (name, side) in returning.iter().filter_map(side) {
            one.entry(name).or_default().returning = Some(side);
        }
        for (name, sides) in one {
            match projects.entry(name) {
                Entry::Occupied(mut known) => known.get_mut().returning = sides.returning,
                Entry::Vacant(free) => drop(free.insert(sides)),
            }
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

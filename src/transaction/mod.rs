//! The transaction: everything is moved in, or nothing.
//!
//! Input: [`Staged`] and its [`Areas`]. Output: the environment changed, or as it was. The journal
//! is written whole before the first rename, and unlinking it is the one instant of commitment.
//! Each operation is judged by its private side only, since the live names mislead. No content is
//! written here but the journal's, and nothing is moved anywhere else in the crate. The steps, and
//! what a crash at each of them leaves, are in `docs/transaction.md`.
//!
//! Assumed of the file system: a rename is atomic; with `durable`, flushed data stays flushed.

mod areas;
mod executor;
mod history;
pub(crate) mod journal;
mod marks;
mod protocol;
mod read;
mod records;
mod recover;
mod rewritten;
mod root_name;
mod state_dir;
mod undo;
mod version_1;

use std::time::Instant;

use crate::environment::layout::{Layout, RootId};
use crate::error::Effect;
use crate::fs;
use crate::outcome::{Activity, ActivityKind, Events, RunningActivity};
use crate::plan::Operation;
use crate::stage::Staged;

pub use areas::Areas;
use executor::{Executor, is_cross_device};
pub use history::{About, RecordedAction, RecordedChange};
pub use journal::Journal;
use journal::JournalOperation;
pub use protocol::{CommitOptions, Committed, Failed};
use protocol::{finish, run};
pub use records::{PastTransaction, past};
pub use recover::{Recovered, recover};
use root_name::RootName;
pub use state_dir::is_interrupted;
pub use undo::{MovedDistInfo, UndoPlan, plan_undo, take_back};

/// Moves everything in. Signals do not interrupt it. Without an error the environment is changed.
///
/// # Errors
/// An operation failed; see [`Failed::effect`] for the state of the environment.
pub fn commit(
    layout: &Layout,
    areas: Areas,
    staged: Staged,
    options: CommitOptions<'_>,
    events: &dyn Events,
) -> Result<Committed, Failed> {
    // From here on a journal may name them, even if a panic ends this function.
    let areas = areas.keep();
    let committed = move_in(layout, &areas, staged.plan.operations, options, events);
    if let Err(failed) = &committed
        && failed.effect != Effect::Unfinished
    {
        // No journal is left that names them, and nothing in them is needed.
        areas.discard();
    }
    committed
}

fn move_in(
    layout: &Layout,
    areas: &Areas,
    mut operations: Vec<Operation>,
    options: CommitOptions<'_>,
    events: &dyn Events,
) -> Result<Committed, Failed> {
    let begin = Instant::now();
    let main = areas.main(layout);
    let line = records::next_line(main, layout, options.about, options.undoable);
    let line = line.map_err(Failed::untouched)?;
    loop {
        let mut journal = journal_of(layout, areas, &operations);
        journal.undoable = options.undoable;
        journal.line.clone_from(&line);
        let executor = Executor::new(main, areas.by_root().values());
        let failed = match run(&executor, &journal, options.durable) {
            Ok(()) => {
                let moved = begin.elapsed();
                let activity = Activity::new(ActivityKind::CleanUp, "");
                let _running = RunningActivity::begin(events, &activity);
                return Ok(Committed {
                    moved,
                    warnings: finish(&executor, &journal, layout, options.durable),
                });
            }
            Err(failed) => failed,
        };
        if failed.effect != Effect::RolledBack || !is_cross_device(&failed.error) {
            return Err(failed);
        }
        // A directory of an overlay's lower layer cannot be renamed, but its files can.
        let expanded = executor.expanded(&journal, &operations);
        operations = match expanded {
            Ok(expanded) if expanded.len() > operations.len() => expanded,
            // Nothing was expanded, so another attempt would fail in the same way.
            Ok(_) => return Err(failed),
            Err(error) => {
                let effect = Effect::RolledBack;
                return Err(Failed { error, effect });
            }
        };
    }
}

/// The journal of the operations. Its roots are in the order of the areas.
fn journal_of(layout: &Layout, areas: &Areas, operations: &[Operation]) -> Journal {
    let order: Vec<RootId> = areas.by_root().keys().copied().collect();
    let areas = areas.by_root().iter();
    let roots = areas.map(|(root, area)| area.journal_root(RootName::of(layout, *root)));
    let number = |root: RootId| {
        let known = order.iter().position(|known| *known == root);
        known.expect("areas are made for the root of every operation")
    };
    let operations = operations.iter().map(|operation| JournalOperation {
        kind: operation.kind,
        root: number(operation.place.root),
        path: operation.place.path.as_str().to_owned(),
        slot: operation.slot.to_string(),
        mode: operation.mode,
    });
    Journal {
        uid: fs::effective_user(),
        roots: roots.collect(),
        operations: operations.collect(),
        undoable: false,
        line: None,
    }
}

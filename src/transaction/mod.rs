//! The transaction: moving everything in, or nothing.
//!
//! Input: [`Staged`]. Output: the environment changed, or as it was. The journal is written whole
//! before the first rename, and unlinking it is the one instant of commitment. Every failure in
//! between is undone in reverse by `roll_back`, which is also what recovery does after a crash:
//! each operation is judged by its private side only, since the live names mislead. No content is
//! written here but the journal's, and only here is anything moved outside of staging.
//!
//! Assumed of the file system: a rename is atomic; with `durable`, that what was flushed stays
//! flushed.

mod executor;
pub(crate) mod journal;
mod recover;
mod state_dir;
mod undo;

use std::time::{Duration, Instant};

use crate::environment::layout::{Layout, RootId};
use crate::error::{Effect, Error, Result};
use crate::fs::{self, Fs};
use crate::outcome::Warning;
use crate::plan::{Operation, OperationKind};
use crate::stage::Staged;

use executor::Executor;
pub use journal::Journal;
use journal::{JournalOperation, JournalRoot};
pub use recover::{Recovered, recover};
pub use state_dir::{Areas, is_interrupted};
use state_dir::{JOURNAL, NEW_JOURNAL, UNDO};
pub use undo::{UndoPlan, plan_undo, take_back};

/// How to commit.
#[derive(Debug, Clone, Copy, Default)]
pub struct CommitOptions {
    /// Flush what was staged before the journal, and what was moved before the commit point.
    pub durable: bool,
    /// Keep what `undo` needs.
    pub undoable: bool,
}

/// Moves everything in. Not interrupted by signals; when it returns without an error the
/// environment is changed.
///
/// # Errors
/// Where an operation failed; [`Error::effect`] says whether it was taken back.
pub fn commit(
    fs: &Fs,
    layout: &Layout,
    areas: Areas,
    staged: Staged,
    options: CommitOptions,
) -> Result<Committed> {
    let committed = move_in(fs, layout, &areas, staged.plan.operations, options);
    match &committed {
        // The journal was not acted on, or all of it was taken back: the areas are of no use.
        Err(error) if error.effect() != Effect::Unfinished => drop(areas),
        _ => areas.keep(),
    }
    committed
}

fn move_in(
    fs: &Fs,
    layout: &Layout,
    areas: &Areas,
    mut operations: Vec<Operation>,
    options: CommitOptions,
) -> Result<Committed> {
    let begin = Instant::now();
    loop {
        let mut journal = journal_of(layout, areas, &operations)?;
        journal.undoable = options.undoable;
        let executor = Executor::open(fs, layout, &journal)?;
        let error = match run(&executor, &journal, options) {
            Ok(()) => {
                let moved = begin.elapsed();
                return Ok(Committed {
                    moved,
                    warnings: finish(&executor, &journal, options.durable),
                });
            }
            Err(error) => error,
        };
        if error.effect() != Effect::RolledBack || !is_cross_device(&error) {
            return Err(error);
        }
        // A directory that comes from a lower layer of an overlay cannot be moved, but its files
        // can.
        let expanded = executor.expanded(&journal, &operations)?;
        if expanded.len() == operations.len() {
            return Err(error);
        }
        operations = expanded;
    }
}

/// What came of a commit.
#[derive(Debug)]
pub struct Committed {
    /// How long it took up to the commit point.
    pub moved: Duration,
    /// What could not be cleaned up afterwards.
    pub warnings: Vec<Warning>,
}

fn is_cross_device(error: &Error) -> bool {
    error.os_code() == Some(rustix::io::Errno::XDEV.raw_os_error())
}

/// The journal of `operations`, and the roots in its order.
fn journal_of(layout: &Layout, areas: &Areas, operations: &[Operation]) -> Result<Journal> {
    let order: Vec<RootId> = areas.by_root().keys().copied().collect();
    let mut roots = Vec::with_capacity(order.len());
    for (root, area) in areas.by_root() {
        roots.push(JournalRoot {
            path: layout.roots()[usize::from(root.0)].clone(),
            inode: area.live.own_stat()?.inode,
            home: area.state.home().to_owned(),
            stage: area.stage.clone(),
            trash: area.trash.clone(),
        });
    }
    let number = |root: RootId| {
        order
            .iter()
            .position(|known| *known == root)
            .unwrap_or(usize::MAX)
    };
    let operations = operations
        .iter()
        .map(|operation| JournalOperation {
            kind: operation.kind,
            root: number(operation.place.root),
            path: operation.place.path.as_str().to_owned(),
            slot: operation.slot.to_string(),
            mode: operation.mode,
        })
        .collect();
    Ok(Journal {
        uid: fs::effective_user(),
        roots,
        operations,
        undoable: false,
    })
}

/// Runs the protocol up to and including the commit point.
fn run(executor: &Executor, journal: &Journal, options: CommitOptions) -> Result<()> {
    let untouched = |error: Error| error.with_effect(Effect::Untouched);
    if options.durable {
        executor.flush_file_systems().map_err(untouched)?;
    }
    if let Err(error) = write_journal(executor, journal, options) {
        // It may be visible already; nothing was moved yet, so without it nothing has happened.
        let state = executor.main().dir();
        let gone = state
            .remove_file(JOURNAL)
            .and_then(|()| state.remove_file(NEW_JOURNAL));
        let effect = if gone.is_ok() {
            Effect::Untouched
        } else {
            Effect::Unfinished
        };
        return Err(error.with_effect(effect));
    }
    let moved = journal
        .operations
        .iter()
        .try_for_each(|operation| executor.execute(operation));
    let flushed = moved.and_then(|()| {
        if options.durable {
            executor.flush_file_systems()
        } else {
            Ok(())
        }
    });
    let Err(error) = flushed.and_then(|()| commit_point(executor, journal, options.durable)) else {
        return Ok(());
    };
    let undone = roll_back(executor, journal, options.durable);
    Err(error.with_effect(if undone.is_ok() {
        Effect::RolledBack
    } else {
        Effect::Unfinished
    }))
}

fn write_journal(executor: &Executor, journal: &Journal, options: CommitOptions) -> Result<()> {
    let state = executor.main();
    state.write(NEW_JOURNAL, &journal.encode(), options.durable)?;
    let control = state.dir();
    control.replace(NEW_JOURNAL, JOURNAL)?;
    if options.durable {
        control.flush()?;
    }
    Ok(())
}

/// The instant in which the transaction has happened: the journal is gone, or has become what
/// `undo` reads.
fn commit_point(executor: &Executor, journal: &Journal, durable: bool) -> Result<()> {
    let control = executor.main().dir();
    if journal.undoable {
        undo::write_marks(executor, journal, durable)?;
        control.replace(JOURNAL, UNDO)?;
    } else if control.stat(UNDO)?.is_some() {
        // What an earlier transaction kept is void in the same instant.
        control.replace(JOURNAL, UNDO)?;
    } else {
        control.remove_file(JOURNAL)?;
    }
    Ok(())
}

/// Takes back whatever of the journal was done, in reverse, and then the journal itself. May be
/// killed anywhere and called again.
///
/// # Errors
/// Where something cannot be moved back; the journal stays then, and the rest can be taken back
/// later.
fn roll_back(executor: &Executor, journal: &Journal, durable: bool) -> Result<()> {
    for operation in journal.operations.iter().rev() {
        executor.revert(operation)?;
    }
    if durable {
        executor.flush_file_systems()?;
    }
    if journal.undoable {
        let marks = undo::marks_name(journal);
        executor.main().dir().remove_file(&marks)?;
    }
    executor.main().dir().remove_file(JOURNAL)?;
    if durable {
        executor.main().dir().flush()?;
    }
    Ok(())
}

/// Makes the commit durable and deletes what is not needed any more. The transaction has happened:
/// what fails here is only warned of.
fn finish(executor: &Executor, journal: &Journal, durable: bool) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |code, message| {
        warnings.push(Warning {
            code,
            wheel: None,
            message,
        });
    };
    if durable && let Err(error) = executor.main().dir().flush() {
        warn(
            "not-durable",
            format!("the change is made, but may not survive a loss of power: {error}"),
        );
    }
    let kept = if journal.undoable {
        undo::kept_names(journal)
    } else {
        Vec::new()
    };
    if let Err(error) = state_dir::clean(executor.state_dirs(), &kept) {
        warn(
            "not-cleaned",
            format!("{error}; the next command deletes it"),
        );
    }
    warnings
}

/// Whether an operation of this kind has something in the trash.
fn fills_trash(kind: OperationKind) -> bool {
    kind == OperationKind::Out
}

//! Undo: reverses the last transaction, if it ran with `--undoable`.
//!
//! Input: the record, which is the journal of that transaction, and its marks. Output: a journal of
//! the opposite operations in the opposite order, run by the same protocol. Undo is refused if the
//! environment has changed since: a file that was moved in was edited, removed or added to, or
//! something is at a path that an old file returns to. See [`marks`] for what is compared. Bytecode
//! written by interpreters does not count, and goes with its directory.

use std::time::Instant;

use super::executor::Executor;
use super::journal::{Journal, JournalOperation, JournalRoot};
use super::protocol::{Committed, Failed, finish, run};
use super::state_dir::{self, StateDir, UNDO};
use super::{marks, read};
use crate::environment::layout::Layout;
use crate::error::{Effect, Error, Result};
use crate::fs::{self, Fs};
use crate::plan::OperationKind;

/// A transaction that can be undone.
pub struct UndoPlan {
    journal: Journal,
}

/// Checks whether the last transaction can be undone. The lock must be held and recovery done.
///
/// # Errors
/// Nothing was kept, or the environment has changed since.
pub fn plan_undo(fs: &Fs, layout: &Layout) -> Result<UndoPlan> {
    let root = &layout.roots()[usize::from(layout.main_root().0)];
    let refuse = |reason: String| Error::cannot_undo(root, reason);
    let nothing = || Error::nothing_to_undo(root);
    let main = StateDir::main(fs, layout)?.ok_or_else(nothing)?;
    let journal = read::read(&main, layout, UNDO)?
        // A record that is not undoable only voids an earlier one; see `commit_point`.
        .filter(|journal| journal.undoable)
        .ok_or_else(nothing)?;
    let marks = marks::read(&main, &journal)?
        .ok_or_else(|| refuse("its record is incomplete".to_owned()))?;
    if let Some(path) = marks::changed(&marks, &journal, layout)? {
        return Err(refuse(format!("`{path}` has changed since")));
    }
    if let Some(reason) = hindrance(&journal, layout)? {
        return Err(refuse(reason));
    }
    Ok(UndoPlan { journal })
}

/// Why an old file cannot return: its path is taken by something that the transaction did not move
/// in, or it is not in the trash any more.
fn hindrance(journal: &Journal, layout: &Layout) -> Result<Option<String>> {
    let outs = journal.operations.iter();
    for operation in outs.filter(|operation| operation.kind == OperationKind::Out) {
        let live = fs::lstat(&marks::live_path(journal, operation, layout))?;
        if live.is_some() && !is_below_moved_in(journal, operation) {
            return Ok(Some(format!("something is at `{}` now", operation.path)));
        }
        let root = &journal.roots[operation.root];
        let trash = state_dir::private_path(&root.home_path(layout), &root.trash);
        let kept = fs::lstat(&trash.join(&operation.slot))?;
        if kept.is_none() {
            let (path, trash) = (&operation.path, trash.display());
            return Ok(Some(format!("the old `{path}` is gone from `{trash}`")));
        }
    }
    Ok(None)
}

/// Whether what is at the operation's path now was moved in by the same transaction.
fn is_below_moved_in(journal: &Journal, operation: &JournalOperation) -> bool {
    journal.operations.iter().any(|other| {
        let below = operation.path.strip_prefix(&other.path);
        other.kind == OperationKind::In
            && other.root == operation.root
            && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Undoes a transaction.
///
/// # Errors
/// An operation failed; see [`Failed::effect`] for the state of the environment.
pub fn take_back(
    fs: &Fs,
    layout: &Layout,
    plan: UndoPlan,
    durable: bool,
) -> std::result::Result<Committed, Failed> {
    let kept = plan.journal.clone();
    let taken = run_opposite(fs, layout, plan.journal, durable);
    if let Err(failed) = &taken
        && failed.effect != Effect::Unfinished
    {
        // Only what this attempt made is deleted, so that the undo can be tried again. The next
        // command deletes what cannot be deleted now.
        let homes = kept.roots.iter().map(|root| root.home_path(layout));
        let _ = state_dir::open_all(fs, layout, &homes.collect())
            .and_then(|dirs| state_dir::clean(&dirs, &marks::kept_names(&kept)));
    }
    taken
}

fn run_opposite(
    fs: &Fs,
    layout: &Layout,
    done: Journal,
    durable: bool,
) -> std::result::Result<Committed, Failed> {
    let journal = opposite(fs, layout, done).map_err(Failed::untouched)?;
    let executor = Executor::open(fs, layout, &journal).map_err(Failed::untouched)?;
    let begin = Instant::now();
    run(&executor, &journal, durable)?;
    let moved = begin.elapsed();
    Ok(Committed {
        moved,
        warnings: finish(&executor, &journal, durable),
    })
}

/// The journal of the opposite operations. The former trash is its stage.
fn opposite(fs: &Fs, layout: &Layout, done: Journal) -> Result<Journal> {
    let mut roots = done.roots;
    for root in &mut roots {
        let state = open_state(fs, layout, root)?;
        root.stage = match state.dir().stat(&root.trash)? {
            Some(_) => root.trash.clone(),
            // A transaction that moved nothing out has kept no trash.
            None => state.make_stage()?,
        };
        root.trash = state.make_trash()?;
    }
    let mut operations = Vec::with_capacity(done.operations.len());
    for operation in done.operations.into_iter().rev() {
        let kind = match operation.kind {
            OperationKind::In => OperationKind::Out,
            OperationKind::Out => OperationKind::In,
            OperationKind::RemoveDir => {
                // An empty directory is staged and moved in, because whether a directory was made
                // in place could not be judged by a private side.
                stage_empty(fs, layout, &roots[operation.root], &operation)?;
                OperationKind::In
            }
        };
        operations.push(JournalOperation { kind, ..operation });
    }
    Ok(Journal {
        uid: fs::effective_user(),
        roots,
        operations,
        undoable: false,
    })
}

fn open_state(fs: &Fs, layout: &Layout, root: &JournalRoot) -> Result<StateDir> {
    let home = root.home_path(layout);
    StateDir::open(fs, layout, &home)?
        .ok_or_else(|| Error::cannot_undo(&home, "the old files are gone"))
}

fn stage_empty(
    fs: &Fs,
    layout: &Layout,
    root: &JournalRoot,
    operation: &JournalOperation,
) -> Result<()> {
    let state = open_state(fs, layout, root)?;
    let stage = state
        .open_private(&root.stage)?
        .ok_or_else(|| Error::cannot_undo(&root.home_path(layout), "the old files are gone"))?;
    // An earlier attempt that failed has left it in the former trash, which was kept.
    if stage.stat(&operation.slot)?.is_some() {
        return Ok(());
    }
    stage.make_dir_again(&operation.slot, operation.mode.unwrap_or(0o755))
}

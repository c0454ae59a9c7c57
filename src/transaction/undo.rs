//! Undo: the last transaction taken back, where `--undoable` kept what that needs.
//!
//! Input: the record, which is the journal of that transaction, and the marks, which tell what it
//! left in place. Output: a journal of the opposite operations in the opposite order, run by the
//! same protocol. Refused where the environment has changed since: where a file that came in was
//! edited, removed or added to, or something stands where an old one belongs. Bytecode that
//! interpreters wrote in the meantime does not count, and goes with the directory that it is in.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::executor::Executor;
use super::journal::{self, Journal, JournalOperation, JournalRoot};
use super::state_dir::{self, MAX_STATE, StateDir, UNDO};
use super::{CommitOptions, Committed, fills_trash, finish, run};
use crate::digest::{Algorithm, Hasher};
use crate::environment::layout::{Layout, STATE_DIR};
use crate::error::{Effect, Error, Result};
use crate::fs::{self, Fs};
use crate::plan::OperationKind;

/// The name of a journal's marks.
pub(super) fn marks_name(journal: &Journal) -> String {
    let trash = journal.roots.first().map_or("", |root| &root.trash);
    state_dir::marks_name(trash)
}

/// What has to stay in the state directories so that the transaction of `main` can be undone.
pub(super) fn kept(main: &StateDir) -> Result<Vec<String>> {
    let journal = journal::read(main, UNDO)?.filter(|journal| journal.undoable);
    Ok(journal.as_ref().map(kept_names).unwrap_or_default())
}

/// The names of what it takes to undo this transaction.
pub(super) fn kept_names(journal: &Journal) -> Vec<String> {
    let mut names = vec![UNDO.to_owned(), marks_name(journal)];
    if journal
        .operations
        .iter()
        .any(|operation| fills_trash(operation.kind))
    {
        names.extend(journal.roots.iter().map(|root| root.trash.clone()));
    }
    names
}

/// What a transaction left in place.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Marks {
    /// For each operation that moved something in, a digest over the names, sizes and times of what
    /// came in.
    seen: Vec<Option<String>>,
}

/// An undo that can be made.
pub struct UndoPlan {
    journal: Journal,
}

impl UndoPlan {
    /// How many renames it takes.
    pub fn operations(&self) -> usize {
        self.journal.operations.len()
    }
}

/// Writes the marks of a transaction whose operations have all been made.
pub(super) fn write_marks(executor: &Executor, journal: &Journal, durable: bool) -> Result<()> {
    let mut marks = Marks::default();
    for operation in &journal.operations {
        marks.seen.push(mark(journal, operation)?);
    }
    let content = serde_json::to_vec(&marks).expect("marks are plain text");
    executor
        .main()
        .write(&marks_name(journal), &content, durable)
}

/// The digest of what an operation moved in; `None` for other operations.
fn mark(journal: &Journal, operation: &JournalOperation) -> Result<Option<String>> {
    if operation.kind != OperationKind::In {
        return Ok(None);
    }
    let path = journal.roots[operation.root].path.join(&operation.path);
    let mut hasher = Hasher::new(Algorithm::Sha256);
    for (below, stat) in fs::walk(&path)? {
        let name = below.to_string_lossy();
        if stat.kind == fs::Kind::Directory || name.ends_with(".pyc") {
            continue;
        }
        let (seconds, nanoseconds) = stat.modified;
        let line = format!(
            "{name}\0{:?}\0{:o}\0{}\0{seconds}.{nanoseconds}\n",
            stat.kind, stat.mode, stat.size
        );
        hasher.update(line.as_bytes());
    }
    Ok(Some(hasher.finish().to_hex()))
}

/// Looks whether the last transaction can be taken back. The lock must be held and recovery done.
///
/// # Errors
/// Where nothing was kept, or the environment has changed since.
pub fn plan_undo(fs: &Fs, layout: &Layout) -> Result<UndoPlan> {
    let root = &layout.roots()[usize::from(layout.main_root().0)];
    let refuse = |reason: String| Error::cannot_undo(root, reason);
    let nothing = || Error::nothing_to_undo(root);
    let main = StateDir::main(fs, layout)?.ok_or_else(nothing)?;
    let journal = journal::read(&main, UNDO)?
        .filter(|journal| journal.undoable)
        .ok_or_else(nothing)?;
    let marks: Option<Marks> = main
        .dir()
        .read(&marks_name(&journal), MAX_STATE)?
        .and_then(|content| serde_json::from_slice(&content).ok());
    let marks = marks.filter(|marks| marks.seen.len() == journal.operations.len());
    let marks = marks.ok_or_else(|| refuse("its record is incomplete".to_owned()))?;
    for (operation, seen) in journal.operations.iter().zip(&marks.seen) {
        if mark(&journal, operation)? != *seen {
            return Err(refuse(format!("`{}` has changed since", operation.path)));
        }
    }
    check_free(&journal, &main).map_err(refuse)?;
    Ok(UndoPlan { journal })
}

/// Every name that an old thing goes back to must be free, or taken by what came in.
fn check_free(journal: &Journal, state: &StateDir) -> std::result::Result<(), String> {
    for operation in journal
        .operations
        .iter()
        .filter(|operation| fills_trash(operation.kind))
    {
        let root = &journal.roots[operation.root];
        let came_in = journal.operations.iter().any(|other| {
            let above = operation
                .path
                .strip_prefix(&other.path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            other.kind == OperationKind::In && other.root == operation.root && above
        });
        let live =
            fs::lstat(&root.path.join(&operation.path)).map_err(|error| error.to_string())?;
        if live.is_some() && !came_in {
            return Err(format!("something stands at `{}` by now", operation.path));
        }
        let main = root.home.join(STATE_DIR);
        let kept = fs::lstat(&main.join(&root.trash).join(&operation.slot))
            .map_err(|error| error.to_string())?;
        if kept.is_none() {
            return Err(format!(
                "what was at `{}` is gone from `{}`",
                operation.path,
                state.dir().path().display()
            ));
        }
    }
    Ok(())
}

/// Takes the last transaction back.
///
/// # Errors
/// Where an operation failed; the environment is as before then, or recovery makes it so.
pub fn take_back(fs: &Fs, layout: &Layout, plan: UndoPlan, durable: bool) -> Result<Committed> {
    let kept = plan.journal.clone();
    let taken = run_opposite(fs, layout, plan.journal, durable);
    if let Err(error) = &taken
        && error.effect() != Effect::Unfinished
    {
        // Only what this attempt made goes: the undo can be tried again. The next command deletes
        // what cannot be deleted now.
        let dirs = kept.roots.iter();
        let dirs = dirs.filter_map(|root| StateDir::open(fs, layout, &root.home).transpose());
        let _ = dirs
            .collect::<Result<Vec<_>>>()
            .and_then(|dirs| state_dir::clean(&dirs, &kept_names(&kept)));
    }
    taken
}

fn run_opposite(fs: &Fs, layout: &Layout, done: Journal, durable: bool) -> Result<Committed> {
    let journal = opposite(fs, layout, done)?;
    let executor = Executor::open(fs, layout, &journal)?;
    let begin = Instant::now();
    let options = CommitOptions {
        durable,
        undoable: false,
    };
    run(&executor, &journal, options)?;
    let moved = begin.elapsed();
    Ok(Committed {
        moved,
        warnings: finish(&executor, &journal, durable),
    })
}

/// The journal that does the opposite: what was the trash is what comes in.
fn opposite(fs: &Fs, layout: &Layout, done: Journal) -> Result<Journal> {
    let mut roots = done.roots;
    for root in &mut roots {
        let state = StateDir::open(fs, layout, &root.home)?;
        let state = state.ok_or_else(|| Error::cannot_undo(&root.home, "what was kept is gone"))?;
        root.stage = match state.dir().stat(&root.trash)? {
            Some(_) => root.trash.clone(),
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
                // A directory that was emptied comes in as an empty one, so that it is judged as
                // all that comes in.
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

fn stage_empty(
    fs: &Fs,
    layout: &Layout,
    root: &JournalRoot,
    operation: &JournalOperation,
) -> Result<()> {
    let gone = || Error::cannot_undo(&root.home, "what was kept is gone");
    let state = StateDir::open(fs, layout, &root.home)?.ok_or_else(gone)?;
    let stage = state.open_private(&root.stage)?.ok_or_else(gone)?;
    if stage.stat(&operation.slot)?.is_some() {
        return Ok(());
    }
    stage.make_dir_again(&operation.slot, operation.mode.unwrap_or(0o755))
}

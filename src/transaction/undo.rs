//! Undo: reverses the last transaction, if it ran with `--undoable`.
//!
//! Input: the record, which is the journal of that transaction, and its marks. Output: a journal of
//! the opposite operations in the opposite order, run by the same protocol. Undo is refused if the
//! environment has changed since: a file that was moved in was edited, removed or added to, or
//! something is at a path that an old file returns to. See [`marks`] for what is compared. Bytecode
//! written by interpreters does not count, and goes with its directory.

use std::time::Instant;

use super::areas::{Area, open_root};
use super::executor::Executor;
use super::journal::{Journal, JournalOperation};
use super::protocol::{Committed, Failed, finish, run};
use super::state_dir::{self, Private, StateDir, UNDO};
use super::{marks, read};
use crate::environment::layout::{Layout, SchemeKey};
use crate::error::{Effect, Error, Result};
use crate::fs::{self, Dir, Fs};
use crate::plan::OperationKind;

/// A transaction that can be undone, and its open directories.
pub struct UndoPlan {
    journal: Journal,
    main: StateDir,
    roots: Vec<KeptRoot>,
}

/// A root of the transaction. Everything is looked at and moved through these handles, so that no
/// link can lead out of the environment, and what was checked is what is moved.
struct KeptRoot {
    live: Dir,
    state: StateDir,
    /// The directory with the old files; `None` if nothing was moved out.
    trash: Option<Private>,
}

/// The most of a RECORD that is read, in bytes.
const MAX_RECORD: u64 = 256 << 20;

/// A dist-info directory that an undo moves.
pub struct MovedDistInfo {
    /// Its name.
    pub name: String,
    /// The content of its RECORD, if there is one that can be read.
    pub record: Option<Vec<u8>>,
}

impl UndoPlan {
    /// The dist-info directories that leave, and those that come back.
    pub fn dist_infos(&self, layout: &Layout) -> (Vec<MovedDistInfo>, Vec<MovedDistInfo>) {
        let libraries =
            [SchemeKey::Purelib, SchemeKey::Platlib].map(|key| layout.absolute_directory(key));
        let (mut leaving, mut returning) = (Vec::new(), Vec::new());
        for operation in &self.journal.operations {
            let root = &self.roots[operation.root];
            let live = root.live.path().join(&operation.path);
            let is_in_library = live
                .parent()
                .is_some_and(|parent| libraries.iter().any(|library| library == parent));
            let name = live.file_name().and_then(|name| name.to_str());
            let Some(name) = name.filter(|name| is_in_library && name.ends_with(".dist-info"))
            else {
                continue;
            };
            let name = name.to_owned();
            match operation.kind {
                OperationKind::In => leaving.push(MovedDistInfo {
                    name,
                    record: record_in(&root.live, &operation.path),
                }),
                OperationKind::Out => {
                    let trash = root.trash.as_ref();
                    let record = trash.and_then(|trash| record_in(&trash.dir, &operation.slot));
                    returning.push(MovedDistInfo { name, record });
                }
                OperationKind::RemoveDir => {}
            }
        }
        (leaving, returning)
    }
}

/// The RECORD of the dist-info directory at a path below `dir`. It is only counted and shown, so
/// that a failure to read it must not stop the undo.
fn record_in(dir: &Dir, below: &str) -> Option<Vec<u8>> {
    let dist_info = dir.open_below(below).ok()??;
    dist_info.read("RECORD", MAX_RECORD).ok()?
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
    main.check_way(fs, layout, UNDO)?;
    let marks = marks::read(&main, &journal)?
        .ok_or_else(|| refuse("its record is incomplete".to_owned()))?;
    let roots = open_roots(fs, layout, &journal)?;
    let live: Vec<&Dir> = roots.iter().map(|root| &root.live).collect();
    if let Some(path) = marks::changed(&marks, &journal, layout, &live)? {
        return Err(refuse(format!("`{path}` has changed since")));
    }
    if let Some(reason) = hindrance(&journal, &roots)? {
        return Err(refuse(reason));
    }
    Ok(UndoPlan {
        journal,
        main,
        roots,
    })
}

fn open_roots(fs: &Fs, layout: &Layout, journal: &Journal) -> Result<Vec<KeptRoot>> {
    let mut roots = Vec::with_capacity(journal.roots.len());
    for root in &journal.roots {
        let gone = || Error::cannot_undo(&root.home_path(layout), "the old files are gone");
        let (live, state) = open_root(fs, layout, root)?;
        let (live, state) = live.zip(state).ok_or_else(gone)?;
        let trash = state.open_private(&root.trash)?;
        roots.push(KeptRoot { live, state, trash });
    }
    Ok(roots)
}

/// Why an old file cannot return: its path is taken by something that the transaction did not move
/// in, or it is not in the trash any more.
fn hindrance(journal: &Journal, roots: &[KeptRoot]) -> Result<Option<String>> {
    let outs = journal.operations.iter();
    for operation in outs.filter(|operation| operation.kind == OperationKind::Out) {
        let root = &roots[operation.root];
        let live = match root.live.parent_of(&operation.path)? {
            Some((parent, name)) => parent.as_ref().unwrap_or(&root.live).stat(name)?,
            None => None,
        };
        if live.is_some() && !is_below_moved_in(journal, operation) {
            return Ok(Some(format!("something is at `{}` now", operation.path)));
        }
        let kept = match &root.trash {
            Some(trash) => trash.dir.stat(&operation.slot)?,
            None => None,
        };
        if kept.is_none() {
            let path = &operation.path;
            let trash = root
                .state
                .dir()
                .path()
                .join(&journal.roots[operation.root].trash);
            let trash = trash.display();
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
    let kept = marks::kept_names(&plan.journal);
    let homes = plan.journal.roots.iter();
    let homes = homes.map(|root| root.home_path(layout)).collect();
    let taken = run_opposite(plan, durable);
    if let Err(failed) = &taken
        && failed.effect != Effect::Unfinished
    {
        // Only what this attempt made is deleted, so that the undo can be tried again. The next
        // command deletes what cannot be deleted now.
        let _ = state_dir::open_all(fs, layout, &homes)
            .and_then(|dirs| state_dir::clean(&dirs.iter().collect::<Vec<_>>(), &kept));
    }
    taken
}

fn run_opposite(plan: UndoPlan, durable: bool) -> std::result::Result<Committed, Failed> {
    let (done, main) = (plan.journal, plan.main);
    let (journal, areas) = opposite(done, plan.roots).map_err(Failed::untouched)?;
    let executor = Executor::new(&main, &areas);
    let begin = Instant::now();
    run(&executor, &journal, durable)?;
    let moved = begin.elapsed();
    Ok(Committed {
        moved,
        warnings: finish(&executor, &journal, durable),
    })
}

/// The journal of the opposite operations, and its directories. The former trash is its stage.
fn opposite(done: Journal, kept: Vec<KeptRoot>) -> Result<(Journal, Vec<Area>)> {
    let mut areas = Vec::with_capacity(kept.len());
    let mut roots = Vec::with_capacity(kept.len());
    for (root, known) in done.roots.into_iter().zip(kept) {
        let stage = match known.trash {
            Some(trash) => trash,
            // A transaction that moved nothing out has kept no trash.
            None => known.state.make_stage()?,
        };
        let area = Area {
            trash: known.state.make_trash()?,
            live: known.live,
            state: known.state,
            stage,
        };
        roots.push(area.journal_root(root.at));
        areas.push(area);
    }
    let mut operations = Vec::with_capacity(done.operations.len());
    for operation in done.operations.into_iter().rev() {
        let kind = match operation.kind {
            OperationKind::In => OperationKind::Out,
            OperationKind::Out => OperationKind::In,
            OperationKind::RemoveDir => {
                // An empty directory is staged and moved in, because whether a directory was made
                // in place could not be judged by a private side.
                stage_empty(&areas[operation.root].stage.dir, &operation)?;
                OperationKind::In
            }
        };
        operations.push(JournalOperation { kind, ..operation });
    }
    let journal = Journal {
        uid: fs::effective_user(),
        roots,
        operations,
        undoable: false,
    };
    Ok((journal, areas))
}

fn stage_empty(stage: &Dir, operation: &JournalOperation) -> Result<()> {
    // An earlier attempt that failed has left it in the former trash, which was kept.
    if stage.stat(&operation.slot)?.is_some() {
        return Ok(());
    }
    stage.make_dir_again(&operation.slot, operation.mode.unwrap_or(0o755))
}

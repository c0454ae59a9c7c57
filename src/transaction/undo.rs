//! Undo: reverses the last transactions, if they ran with `--undoable`.
//!
//! Input: the records, which are the journals of those transactions, and their marks. Output: one
//! journal of the opposite operations in the opposite order, run by the same protocol. Undo is
//! refused if the environment has changed since: a file that was moved in was edited, removed or
//! added to, or something is at a path that an old file returns to. See [`marks`] for what is
//! compared. Bytecode written by interpreters does not count: it goes with its directory, or makes
//! way for the bytecode that returns.
//!
//! If several transactions are taken back, only the last of them can be compared beforehand. Each
//! other one is compared when those after it have been reversed; if it has changed, everything is
//! moved back to where it was.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::areas::{Area, open_root};
use super::executor::Executor;
use super::history::About;
use super::journal::{Journal, JournalOperation};
use super::marks::{self, Marks};
use super::protocol::{Committed, Failed, finish, run_checked};
use super::records::{self, Record};
use super::rewritten::{is_bytecode, will_be_there};
use super::state_dir::{self, Private, StateDir, UNDO};
use crate::environment::layout::{Layout, SchemeKey};
use crate::error::{Effect, Error, Result};
use crate::fs::{self, Dir, Fs};
use crate::plan::OperationKind;

/// Transactions that can be undone, and their open directories.
pub struct UndoPlan {
    /// The transactions, newest first.
    steps: Vec<KeptTransaction>,
    main: StateDir,
    /// The last transaction that stays.
    back_to: Option<u64>,
}

/// One transaction to undo.
struct KeptTransaction {
    journal: Journal,
    marks: Marks,
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
    /// The dist-info directories that leave, and those that come back, of each transaction, newest
    /// first.
    pub fn dist_infos(&self, layout: &Layout) -> Vec<(Vec<MovedDistInfo>, Vec<MovedDistInfo>)> {
        let libraries =
            [SchemeKey::Purelib, SchemeKey::Platlib].map(|key| layout.absolute_directory(key));
        let steps = self.steps.iter();
        steps.map(|step| step.dist_infos(&libraries)).collect()
    }

    /// Whether there is nothing to take back.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl KeptTransaction {
    fn dist_infos(&self, libraries: &[PathBuf]) -> (Vec<MovedDistInfo>, Vec<MovedDistInfo>) {
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

/// Checks whether the last transaction, or with a number all transactions after that one, can be
/// undone. The lock must be held and recovery done.
///
/// # Errors
/// Nothing was kept, or the environment has changed since.
pub fn plan_undo(fs: &Fs, layout: &Layout, back_to: Option<u64>) -> Result<UndoPlan> {
    let root = main_root(layout);
    let nothing = || Error::nothing_to_undo(root);
    let main = StateDir::main(fs, layout)?.ok_or_else(nothing)?;
    let (wanted, back_to) = match back_to {
        None => {
            let record = records::last(&main, layout)?.ok_or_else(nothing)?;
            let standing = records::before(&main, layout, &record)?;
            (vec![record], standing)
        }
        Some(number) => {
            let (records, back_to) = records::after(&main, layout, number)?;
            (records, Some(back_to))
        }
    };
    // The records are in one directory, so that one look at the way to it is enough.
    if !wanted.is_empty() {
        main.check_way(fs, layout, UNDO)?;
    }
    let mut steps = Vec::with_capacity(wanted.len());
    for Record { journal, .. } in wanted {
        let marks = marks::read(&main, &journal)?;
        let marks =
            marks.ok_or_else(|| Error::cannot_undo(root, "its record is incomplete".to_owned()))?;
        let roots = open_roots(fs, layout, &journal)?;
        let step = KeptTransaction {
            journal,
            marks,
            roots,
        };
        check_old_files(&step, layout)?;
        steps.push(step);
    }
    if let Some(last) = steps.first() {
        let live: Vec<&Dir> = last.roots.iter().map(|root| &root.live).collect();
        if let Some(reason) = hindrance(&last.journal, &last.marks, layout, &live)? {
            return Err(Error::cannot_undo(root, reason));
        }
    }
    Ok(UndoPlan {
        steps,
        main,
        back_to,
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

/// Refuses an undo for which an old file is not in the trash any more.
fn check_old_files(step: &KeptTransaction, layout: &Layout) -> Result<()> {
    let outs = step.journal.operations.iter();
    for operation in outs.filter(|operation| operation.kind == OperationKind::Out) {
        let root = &step.roots[operation.root];
        let kept = match &root.trash {
            Some(trash) => trash.dir.stat(&operation.slot)?,
            None => None,
        };
        if kept.is_none() {
            let path = &operation.path;
            let name = &step.journal.roots[operation.root].trash;
            let trash = root.state.dir().path().join(name);
            let trash = trash.display();
            let reason = format!("the old `{path}` is gone from `{trash}`");
            return Err(Error::cannot_undo(main_root(layout), reason));
        }
    }
    Ok(())
}

/// Why a transaction cannot be undone: something that it moved in has changed, or the path of an
/// old file is taken by something that it did not move in.
fn hindrance(
    journal: &Journal,
    marks: &Marks,
    layout: &Layout,
    live: &[&Dir],
) -> Result<Option<String>> {
    if let Some(path) = marks::changed(marks, journal, layout, live)? {
        return Ok(Some(format!("`{path}` has changed since")));
    }
    let outs = journal.operations.iter();
    for operation in outs.filter(|operation| operation.kind == OperationKind::Out) {
        let root = live[operation.root];
        let taken = match root.parent_of(&operation.path)? {
            Some((parent, name)) => parent.as_ref().unwrap_or(root).stat(name)?,
            None => None,
        };
        let path = &operation.path;
        if taken.is_some()
            && !is_below_moved_in(journal, operation)
            && !is_bytecode(root, path, path)?
        {
            return Ok(Some(format!("something is at `{}` now", operation.path)));
        }
    }
    Ok(None)
}

fn main_root(layout: &Layout) -> &Path {
    &layout.roots()[usize::from(layout.main_root().0)]
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

/// Undoes the transactions of a plan, all of them or none.
///
/// # Errors
/// An operation failed; see [`Failed::effect`] for the state of the environment.
pub fn take_back(
    fs: &Fs,
    layout: &Layout,
    plan: UndoPlan,
    about: About<'_>,
    durable: bool,
) -> std::result::Result<Committed, Failed> {
    let roots = plan.steps.iter().flat_map(|step| &step.journal.roots);
    let homes = roots.map(|root| root.home_path(layout)).collect();
    let taken = run_opposite(layout, plan, about, durable);
    if let Err(failed) = &taken
        && failed.effect != Effect::Unfinished
    {
        // Only what this attempt made is deleted, so that the undo can be tried again. The next
        // command deletes what cannot be deleted now.
        let _ = clean_attempt(fs, layout, &homes);
    }
    taken
}

fn clean_attempt(fs: &Fs, layout: &Layout, homes: &BTreeSet<PathBuf>) -> Result<()> {
    let dirs = state_dir::open_all(fs, layout, homes)?;
    let kept = match StateDir::main(fs, layout)? {
        Some(main) => records::settle(&main, layout, false)?,
        None => Vec::new(),
    };
    state_dir::clean(&dirs.iter().collect::<Vec<_>>(), &kept)
}

fn run_opposite(
    layout: &Layout,
    plan: UndoPlan,
    about: About<'_>,
    durable: bool,
) -> std::result::Result<Committed, Failed> {
    let UndoPlan {
        steps,
        main,
        back_to,
    } = plan;
    let is_numbered = steps.iter().any(|step| step.journal.line.is_some());
    let line = records::next_line(&main, layout, about, is_numbered);
    let mut journal = Journal {
        uid: fs::effective_user(),
        roots: Vec::new(),
        operations: Vec::new(),
        undoable: false,
        line: line.map_err(Failed::untouched)?,
    };
    if let Some(line) = &mut journal.line {
        line.back_to = back_to;
    }
    let mut areas = Vec::new();
    let mut parts = Vec::with_capacity(steps.len());
    for step in steps {
        let part = ReversedPart {
            first_operation: journal.operations.len(),
            first_root: areas.len(),
            done: step.journal,
            marks: step.marks,
        };
        reverse(&part, step.roots, &mut journal, &mut areas).map_err(Failed::untouched)?;
        parts.push(part);
    }
    let executor = Executor::new(&main, &areas);
    let begin = Instant::now();
    // The newest transaction was compared already, under the same lock.
    let later = parts.get(1..).unwrap_or_default();
    run_checked(&executor, &journal, durable, |number| {
        let mut reached = later.iter().filter(|part| part.first_operation == number);
        reached.try_for_each(|part| part.check(layout, &areas, back_to.unwrap_or(0)))
    })?;
    let moved = begin.elapsed();
    Ok(Committed {
        moved,
        warnings: finish(&executor, &journal, layout, durable),
    })
}

/// One of several transactions while they are taken back by one journal.
struct ReversedPart {
    /// The number of its first operation in the journal.
    first_operation: usize,
    /// The number of its first root in the journal.
    first_root: usize,
    /// The journal of the transaction.
    done: Journal,
    marks: Marks,
}

impl ReversedPart {
    /// Refuses to take it back if the environment is not as it was left by it.
    fn check(&self, layout: &Layout, areas: &[Area], back_to: u64) -> Result<()> {
        let areas = areas[self.first_root..].iter().take(self.done.roots.len());
        let live: Vec<&Dir> = areas.map(|area| &area.live).collect();
        match hindrance(&self.done, &self.marks, layout, &live)? {
            None => Ok(()),
            Some(reason) => Err(Error::cannot_go_back(main_root(layout), back_to, reason)),
        }
    }
}

/// Adds the opposite operations of a transaction to a journal, and their directories. The former
/// trash is their stage.
fn reverse(
    part: &ReversedPart,
    kept: Vec<KeptRoot>,
    journal: &mut Journal,
    areas: &mut Vec<Area>,
) -> Result<()> {
    for (root, known) in part.done.roots.iter().zip(kept) {
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
        journal.roots.push(area.journal_root(root.at.clone()));
        areas.push(area);
    }
    for operation in part.done.operations.iter().rev() {
        let root = part.first_root + operation.root;
        if operation.kind == OperationKind::Out && will_be_there(journal, areas, root, operation)? {
            // Slots below this number are those of the transaction.
            let slot = (part.done.operations.len() + journal.operations.len()).to_string();
            journal.operations.push(JournalOperation {
                root,
                slot,
                ..operation.clone()
            });
        }
        let kind = match operation.kind {
            OperationKind::In => OperationKind::Out,
            OperationKind::Out => OperationKind::In,
            OperationKind::RemoveDir => {
                // An empty directory is staged and moved in, because whether a directory was made
                // in place could not be judged by a private side.
                stage_empty(&areas[root].stage.dir, operation)?;
                OperationKind::In
            }
        };
        journal.operations.push(JournalOperation {
            kind,
            root,
            ..operation.clone()
        });
    }
    Ok(())
}

fn stage_empty(stage: &Dir, operation: &JournalOperation) -> Result<()> {
    // An earlier attempt that failed has left it in the former trash, which was kept.
    if stage.stat(&operation.slot)?.is_some() {
        return Ok(());
    }
    stage.make_dir_again(&operation.slot, operation.mode.unwrap_or(0o755))
}

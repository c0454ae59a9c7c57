//! Applies, checks and reverts the operations of a journal.
//!
//! Input: a journal, and its roots and private directories, opened once. Output: operations made
//! relative to them. A root is recognised by the random names of its private directories, even if
//! its device or path has changed. No symbolic link is followed on the way to a live name, and
//! nothing outside of the layout is opened.

use std::ffi::OsStr;

use super::areas::Area;
use super::journal::{Journal, JournalOperation};
use super::state_dir::StateDir;
use crate::environment::layout::Place;
use crate::error::{Error, Result};
use crate::fs::{Dir, Kind};
use crate::path::RelPath;
use crate::plan::{Operation, OperationKind};

/// The open directories of a journal.
pub struct Executor<'a> {
    main: &'a StateDir,
    roots: Vec<&'a Area>,
}

impl<'a> Executor<'a> {
    /// Operations below these roots, which are in the order of the journal's.
    pub fn new(main: &'a StateDir, roots: impl IntoIterator<Item = &'a Area>) -> Self {
        Self {
            main,
            roots: roots.into_iter().collect(),
        }
    }

    /// The state directory that holds the journal.
    pub fn main(&self) -> &'a StateDir {
        self.main
    }

    /// The root itself of an operation.
    pub fn live(&self, operation: &JournalOperation) -> &'a Dir {
        &self.roots[operation.root].live
    }

    /// The state directories of all roots, each once.
    pub fn state_dirs(&self) -> Vec<&'a StateDir> {
        let mut found: Vec<&StateDir> = Vec::with_capacity(self.roots.len());
        for root in &self.roots {
            // If something is mounted on the main library, two roots share one directory.
            if !found.iter().any(|known| known.home() == root.state.home()) {
                found.push(&root.state);
            }
        }
        found
    }

    /// Makes everything durable that was written to the file system of any root.
    pub fn flush_file_systems(&self) -> Result<()> {
        self.roots
            .iter()
            .try_for_each(|root| root.live.flush_file_system())
    }

    /// Makes one operation.
    pub fn execute(&self, operation: &JournalOperation) -> Result<()> {
        let root = self.roots[operation.root];
        let (parent, name) = parent(root, &operation.path)?;
        let parent = parent.as_ref().unwrap_or(&root.live);
        let (stage, trash) = (&root.stage.dir, &root.trash.dir);
        match operation.kind {
            OperationKind::Out => parent.rename(name, trash, &operation.slot),
            OperationKind::In => stage.rename(&operation.slot, parent, name),
            OperationKind::RemoveDir => parent.remove_dir(name),
        }
    }

    /// Whether one operation was made.
    ///
    /// Only the private side of a rename is looked at. The live side misleads: after something went
    /// out and something else came in, the same name is taken before and after.
    pub fn is_done(&self, operation: &JournalOperation) -> Result<bool> {
        let root = self.roots[operation.root];
        let (stage, trash) = (&root.stage.dir, &root.trash.dir);
        Ok(match operation.kind {
            OperationKind::Out => {
                // `carry` removes the slot before it renames the halfway directory, so a crash in
                // between leaves only the latter.
                trash.stat(&operation.slot)?.is_some()
                    || trash.stat(&halfway(&operation.slot))?.is_some()
            }
            OperationKind::In => stage.stat(&operation.slot)?.is_none(),
            // Nothing private tells this. A later operation may take the same name, but `roll_back`
            // has reverted that one first; before that, the answer errs towards taking back.
            OperationKind::RemoveDir => root.live.stat(&operation.path)?.is_none(),
        })
    }

    /// Reverts one operation if it was made.
    pub fn revert(&self, operation: &JournalOperation) -> Result<()> {
        if !self.is_done(operation)? {
            return Ok(());
        }
        let root = self.roots[operation.root];
        let (parent, name) = parent(root, &operation.path)?;
        let parent = parent.as_ref().unwrap_or(&root.live);
        let (stage, trash) = (&root.stage.dir, &root.trash.dir);
        match operation.kind {
            OperationKind::Out => {
                let halfway = halfway(&operation.slot);
                let private = |name| At { dir: trash, name };
                let live = At { dir: parent, name };
                carry(&private(&operation.slot), &private(&halfway), &live)
            }
            OperationKind::In => {
                let halfway = halfway(&operation.slot);
                let private = |name| At { dir: stage, name };
                let live = At { dir: parent, name };
                if parent.stat(name)?.is_some() || stage.stat(&halfway)?.is_some() {
                    return carry(&live, &private(&halfway), &private(&operation.slot));
                }
                // Neither staged nor live: a power cut lost what had not been flushed. Something
                // has to be in the stage all the same. Otherwise a recovery that is interrupted
                // after the old file has returned would take that one for the new one.
                stage.make_dir(&operation.slot)
            }
            OperationKind::RemoveDir => {
                // It is made in private and then moved, so that another user who can write to its
                // parent cannot exchange it before it has its permissions.
                let again = format!("{}-again", operation.slot);
                trash.remove_dir(&again)?;
                trash.make_dir_again(&again, operation.mode.unwrap_or(0o755))?;
                trash.rename(&again, parent, name)
            }
        }
    }

    /// The same operations, but each directory that is moved out is emptied entry by entry and then
    /// removed.
    ///
    /// An overlay refuses to rename a directory of its lower layer, and reports another device. All
    /// directories are expanded at once, because the others are most likely of that layer too.
    pub fn expanded(&self, journal: &Journal, operations: &[Operation]) -> Result<Vec<Operation>> {
        let mut expanded = Vec::new();
        for (operation, written) in operations.iter().zip(&journal.operations) {
            let live = self.live(written);
            let kind = live.stat(&written.path)?.map(|stat| stat.kind);
            let moves_directory =
                operation.kind == OperationKind::Out && kind == Some(Kind::Directory);
            let directory = if moves_directory {
                live.open_below(&written.path)?
            } else {
                None
            };
            match directory {
                Some(directory) => expand(&directory, &operation.place, &mut expanded)?,
                None => expanded.push(operation.clone()),
            }
        }
        // Staged files lie at their slots already; everything else gets new ones behind those.
        let used = operations.iter().map(|operation| operation.slot + 1);
        let free = used.max().unwrap_or(0);
        let outgoing = expanded
            .iter_mut()
            .filter(|operation| operation.kind != OperationKind::In);
        for (operation, slot) in outgoing.zip(free..) {
            operation.slot = slot;
        }
        Ok(expanded)
    }
}

/// The private name of a directory that is moved back entry by entry.
fn halfway(slot: &str) -> String {
    // Slots are digits only, so this is the name of no other slot.
    format!("{slot}-halfway")
}

/// A name in an open directory.
struct At<'a> {
    dir: &'a Dir,
    name: &'a str,
}

/// Moves something to a name that is free. May be killed anywhere and called again.
///
/// If the interrupted command ran in what is a lower layer of an overlay by now, its directories
/// cannot be renamed. Their entries are moved to a new directory, which is renamed in the end. That
/// directory is private, so that nothing incomplete becomes live.
fn carry(from: &At<'_>, halfway: &At<'_>, to: &At<'_>) -> Result<()> {
    let private = halfway.dir;
    if private.stat(halfway.name)?.is_none() {
        let error = match from.dir.rename(from.name, to.dir, to.name) {
            Err(error) if is_cross_device(&error) => error,
            result => return result,
        };
        match from.dir.stat(from.name)? {
            Some(stat) if stat.kind == Kind::Directory => {
                private.make_dir_again(halfway.name, stat.mode)?;
            }
            _ => return Err(error),
        }
    }
    let target = private.open_below(halfway.name)?;
    if let (Some(source), Some(target)) = (from.dir.open_below(from.name)?, target) {
        move_entries(&source, &target)?;
        from.dir.remove_dir(from.name)?;
    }
    private.rename(halfway.name, to.dir, to.name)
}

/// Moves the entries of a directory, and those of each directory in it, one by one.
fn move_entries(source: &Dir, target: &Dir) -> Result<()> {
    for (name, kind) in source.names()? {
        let name = text_of(source, &name)?;
        if kind != Kind::Directory {
            source.rename(&name, target, &name)?;
            continue;
        }
        if target.stat(&name)?.is_none() {
            let mode = source.stat(&name)?.map_or(0o755, |stat| stat.mode);
            target.make_dir_again(&name, mode)?;
        }
        let inner = (source.open_below(&name)?, target.open_below(&name)?);
        if let (Some(source), Some(target)) = inner {
            move_entries(&source, &target)?;
        }
        source.remove_dir(&name)?;
    }
    Ok(())
}

/// The name of an entry as text.
fn text_of(directory: &Dir, name: &OsStr) -> Result<String> {
    name.to_str().map(str::to_owned).ok_or_else(|| {
        let path = directory.path().join(name);
        Error::bad_environment(&path, "its name cannot be recorded")
    })
}

/// Whether a rename failed because it would cross file systems, or layers of an overlay.
pub(super) fn is_cross_device(error: &Error) -> bool {
    error.os_code() == Some(rustix::io::Errno::XDEV.raw_os_error())
}

/// Operations that move out every entry of a directory and then remove it.
fn expand(directory: &Dir, place: &Place, operations: &mut Vec<Operation>) -> Result<()> {
    let mut names = directory.names()?;
    // METADATA goes first: without it no tool takes a dist-info for an installed project, so that
    // none is seen with half of its files.
    names.sort_by_key(|(name, _)| (name != "METADATA", name.clone()));
    for (name, kind) in names {
        let path = RelPath::parse(&text_of(directory, &name)?)
            .map_err(|fault| Error::bad_environment(directory.path(), fault.to_string()))?;
        let child = place.join(&path);
        match directory.open_below(path.as_str()) {
            Ok(Some(inner)) if kind == Kind::Directory => expand(&inner, &child, operations)?,
            _ => operations.push(Operation {
                kind: OperationKind::Out,
                place: child,
                slot: 0,
                mode: None,
            }),
        }
    }
    let mode = Some(directory.own_stat()?.mode);
    operations.push(Operation {
        kind: OperationKind::RemoveDir,
        place: place.clone(),
        slot: 0,
        mode,
    });
    Ok(())
}

/// The open parent of a live path, `None` if that is the root itself, and the last component.
fn parent<'p>(root: &Area, path: &'p str) -> Result<(Option<Dir>, &'p str)> {
    root.live.parent_of(path)?.ok_or_else(|| {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
        Error::io("open the directory", &root.live.path().join(parent), gone)
    })
}

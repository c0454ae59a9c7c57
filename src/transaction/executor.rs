//! Applies, checks and reverts the operations of a journal.
//!
//! Input: a journal and the layout that it was found in. Output: its roots and private directories,
//! opened once, and operations made relative to them. A root is recognised by the random names of
//! its private directories, even if its device or path has changed. No symbolic link is followed on
//! the way to a live name, and nothing outside of the layout is opened.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::journal::{Journal, JournalOperation};
use super::state_dir::{JOURNAL, StateDir};
use crate::environment::layout::{Layout, Place, STATE_DIR};
use crate::error::{Error, Result};
use crate::fs::{Dir, Fs, Kind};
use crate::path::RelPath;
use crate::plan::{Operation, OperationKind};

/// The open directories of a journal.
pub struct Executor {
    main: StateDir,
    roots: Vec<OpenRoot>,
    state_dirs: Vec<StateDir>,
}

/// The open directories of one root of a journal.
struct OpenRoot {
    live: Dir,
    stage: Dir,
    trash: Dir,
}

impl Executor {
    /// Opens every directory that the journal names.
    ///
    /// # Errors
    /// A root, or one of its private directories, is missing or cannot be reached inside the layout
    /// without following a link. Nothing has been changed then.
    pub fn open(fs: &Fs, layout: &Layout, journal: &Journal) -> Result<Self> {
        let home = layout.state_home(layout.main_root());
        let path = home.join(STATE_DIR).join(JOURNAL);
        let refuse = |reason: String| Error::journal(&path, reason);
        let main = StateDir::main(fs, layout)?;
        let main = main.ok_or_else(|| refuse("its directory is gone".to_owned()))?;
        let mut roots = Vec::with_capacity(journal.roots.len());
        let mut state_dirs = Vec::with_capacity(journal.roots.len());
        for root in &journal.roots {
            let path = root.at.path(layout);
            let live = layout.open(fs, &path)?;
            let live =
                live.ok_or_else(|| refuse(format!("its root `{}` is gone", path.display())))?;
            let home = root.home_path(layout);
            let state = StateDir::open(fs, layout, &home)?;
            let state = state.ok_or_else(|| {
                refuse(format!(
                    "its state directory in `{}` is gone",
                    home.display()
                ))
            })?;
            let private = |name: &str| {
                let opened = state.open_private(name)?;
                opened.ok_or_else(|| {
                    let path = state.dir().path().join(name);
                    refuse(format!(
                        "its private directory `{}` is gone",
                        path.display()
                    ))
                })
            };
            // A missing private directory is refused rather than made again: every staged file
            // would seem to have been moved in.
            let (stage, trash) = (private(&root.stage)?, private(&root.trash)?);
            roots.push(OpenRoot { live, stage, trash });
            // If something is mounted on the main library, two roots share one directory.
            let is_known = |known: &StateDir| known.home() == state.home();
            if !state_dirs.iter().any(is_known) {
                state_dirs.push(state);
            }
        }
        Ok(Self {
            main,
            roots,
            state_dirs,
        })
    }

    /// The state directory that holds the journal.
    pub fn main(&self) -> &StateDir {
        &self.main
    }

    /// The state directories of all roots, each once.
    pub fn state_dirs(&self) -> &[StateDir] {
        &self.state_dirs
    }

    /// The path of what an operation moves.
    pub fn live_path(&self, operation: &JournalOperation) -> PathBuf {
        self.roots[operation.root].live.path().join(&operation.path)
    }

    /// Makes everything durable that was written to the file system of any root.
    pub fn flush_file_systems(&self) -> Result<()> {
        self.roots
            .iter()
            .try_for_each(|root| root.live.flush_file_system())
    }

    /// Makes one operation.
    pub fn execute(&self, operation: &JournalOperation) -> Result<()> {
        let root = &self.roots[operation.root];
        let (parent, name) = root.parent(&operation.path)?;
        let parent = parent.as_ref().unwrap_or(&root.live);
        match operation.kind {
            OperationKind::Out => parent.rename(name, &root.trash, &operation.slot),
            OperationKind::In => root.stage.rename(&operation.slot, parent, name),
            OperationKind::RemoveDir => parent.remove_dir(name),
        }
    }

    /// Whether one operation was made.
    ///
    /// Only the private side of a rename is looked at. The live side misleads: after something went
    /// out and something else came in, the same name is taken before and after.
    pub fn is_done(&self, operation: &JournalOperation) -> Result<bool> {
        let root = &self.roots[operation.root];
        Ok(match operation.kind {
            OperationKind::Out => {
                // `carry` removes the slot before it renames the halfway directory, so a crash in
                // between leaves only the latter.
                root.trash.stat(&operation.slot)?.is_some()
                    || root.trash.stat(&halfway(&operation.slot))?.is_some()
            }
            OperationKind::In => root.stage.stat(&operation.slot)?.is_none(),
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
        let root = &self.roots[operation.root];
        let (parent, name) = root.parent(&operation.path)?;
        let parent = parent.as_ref().unwrap_or(&root.live);
        match operation.kind {
            OperationKind::Out => {
                let halfway = halfway(&operation.slot);
                let private = |name| At {
                    dir: &root.trash,
                    name,
                };
                let live = At { dir: parent, name };
                carry(&private(&operation.slot), &private(&halfway), &live)
            }
            OperationKind::In => {
                let halfway = halfway(&operation.slot);
                let private = |name| At {
                    dir: &root.stage,
                    name,
                };
                let live = At { dir: parent, name };
                if parent.stat(name)?.is_some() || root.stage.stat(&halfway)?.is_some() {
                    return carry(&live, &private(&halfway), &private(&operation.slot));
                }
                // Neither staged nor live: a power cut lost what had not been flushed. Something
                // has to be in the stage all the same. Otherwise a recovery that is interrupted
                // after the old file has returned would take that one for the new one.
                root.stage.make_dir(&operation.slot)
            }
            OperationKind::RemoveDir => {
                parent.make_dir_again(name, operation.mode.unwrap_or(0o755))
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
            let live = &self.roots[written.root].live;
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

impl OpenRoot {
    /// The open parent of a live path, `None` if that is the root itself, and the last component.
    fn parent<'p>(&self, path: &'p str) -> Result<(Option<Dir>, &'p str)> {
        let Some((parent, name)) = path.rsplit_once('/') else {
            return Ok((None, path));
        };
        match self.live.open_below(parent)? {
            Some(parent) => Ok((Some(parent), name)),
            None => {
                let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
                Err(Error::io(
                    "open the directory",
                    &self.live.path().join(parent),
                    gone,
                ))
            }
        }
    }
}

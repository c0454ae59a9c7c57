//! The field on which a journal is played: its roots and private directories, opened once.
//!
//! Input: a journal whose roots are still the ones it was written for. Output: operations executed,
//! judged and reverted. All of it is relative to open directories; no symbolic link is followed on
//! the way to a live name.

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
    roots: Vec<Root>,
    state_dirs: Vec<StateDir>,
}

/// The open directories of one root of a journal.
struct Root {
    live: Dir,
    stage: Dir,
    trash: Dir,
}

impl Executor {
    /// Opens every directory that the journal names, all of them inside the layout.
    ///
    /// # Errors
    /// A directory is missing, is another one than the journal's, or lies outside of the
    /// environment.
    pub fn open(fs: &Fs, layout: &Layout, journal: &Journal) -> Result<Self> {
        let home = layout.state_home(layout.main_root());
        let path = home.join(STATE_DIR).join(JOURNAL);
        let refuse = |reason: &str| Error::journal(&path, reason);
        let mut roots = Vec::with_capacity(journal.roots.len());
        let mut state_dirs = Vec::with_capacity(journal.roots.len());
        for root in &journal.roots {
            if layout.of_resolved(&root.path).is_none() {
                return Err(refuse("it names a root outside of the environment"));
            }
            let live = layout
                .open(fs, &root.path)?
                .ok_or_else(|| refuse("its root is gone"))?;
            if live.own_stat()?.inode != root.inode {
                return Err(refuse("another directory stands in the place of its root"));
            }
            let state = StateDir::open(fs, layout, &root.home)?
                .ok_or_else(|| refuse("its private directory is gone"))?;
            let stage = state
                .open_private(&root.stage)?
                .ok_or_else(|| refuse("what it staged is gone"))?;
            let trash = state
                .open_private(&root.trash)?
                .ok_or_else(|| refuse("its trash is gone"))?;
            roots.push(Root { live, stage, trash });
            state_dirs.push(state);
        }
        let main = StateDir::main(fs, layout)?.ok_or_else(|| refuse("its directory is gone"))?;
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

    /// The state directory of each root, in the order of the journal.
    pub fn state_dirs(&self) -> &[StateDir] {
        &self.state_dirs
    }

    /// Makes everything durable that was done on any of the file systems.
    pub fn flush_file_systems(&self) -> Result<()> {
        self.roots
            .iter()
            .try_for_each(|root| root.live.flush_file_system())
    }

    /// Executes one operation.
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

    /// Whether one operation was executed: judged by its private side, where there is one.
    pub fn is_done(&self, operation: &JournalOperation) -> Result<bool> {
        let root = &self.roots[operation.root];
        Ok(match operation.kind {
            OperationKind::Out => root.trash.stat(&operation.slot)?.is_some(),
            OperationKind::In => root.stage.stat(&operation.slot)?.is_none(),
            OperationKind::RemoveDir => root.live.stat(&operation.path)?.is_none(),
        })
    }

    /// Reverts one operation where it was executed.
    pub fn revert(&self, operation: &JournalOperation) -> Result<()> {
        if !self.is_done(operation)? {
            return Ok(());
        }
        let root = &self.roots[operation.root];
        let (parent, name) = root.parent(&operation.path)?;
        let parent = parent.as_ref().unwrap_or(&root.live);
        match operation.kind {
            OperationKind::Out => root.trash.rename(&operation.slot, parent, name),
            OperationKind::In => match parent.stat(name)? {
                // Neither staged nor live: a power cut took what had not been flushed.
                None => Ok(()),
                Some(_) => parent.rename(name, &root.stage, &operation.slot),
            },
            OperationKind::RemoveDir => {
                parent.make_dir_again(name, operation.mode.unwrap_or(0o755))
            }
        }
    }

    /// The same operations, but directories go entry by entry, and then as empty ones. One at which
    /// a device was crossed is rarely alone: all of a lower layer are like it, so all are expanded
    /// at once.
    pub fn expanded(&self, journal: &Journal, operations: &[Operation]) -> Result<Vec<Operation>> {
        let mut expanded = Vec::new();
        for (operation, written) in operations.iter().zip(&journal.operations) {
            let live = &self.roots[written.root].live;
            let kind = live.stat(&written.path)?.map(|stat| stat.kind);
            let moves_directory =
                operation.kind == OperationKind::Out && kind == Some(Kind::Directory);
            match if moves_directory {
                live.open_below(&written.path)?
            } else {
                None
            } {
                Some(directory) => expand(&directory, &operation.place, &mut expanded)?,
                None => expanded.push(operation.clone()),
            }
        }
        // What is staged keeps its slots; what goes gets new ones.
        let free = operations
            .iter()
            .map(|operation| operation.slot + 1)
            .max()
            .unwrap_or_default();
        let outgoing = expanded
            .iter_mut()
            .filter(|operation| operation.kind != OperationKind::In);
        for (operation, slot) in outgoing.zip(free..) {
            operation.slot = slot;
        }
        Ok(expanded)
    }
}

fn expand(directory: &Dir, place: &Place, operations: &mut Vec<Operation>) -> Result<()> {
    let mut names = directory.names()?;
    // Of a dist-info what makes it one goes first: without METADATA no tool takes it for an
    // installed project.
    names.sort_by_key(|(name, _)| (name != "METADATA", name.clone()));
    for (name, kind) in names {
        let path = name.to_str().and_then(|name| RelPath::parse(name).ok());
        let Some(path) = path else {
            return Err(Error::bad_environment(
                &directory.path().join(&name),
                "its name cannot be recorded",
            ));
        };
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

impl Root {
    /// The open parent of a live path, `None` where that is the root itself, and the last
    /// component.
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

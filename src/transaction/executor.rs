//! The field on which a journal is played: its roots and private directories, opened once.
//!
//! Input: a journal whose roots are still the ones it was written for. Output: operations executed,
//! judged and reverted. All of it is relative to open directories; no symbolic link is followed on
//! the way to a live name.

use std::path::{Path, PathBuf};

use super::journal::{Journal, JournalOperation};
use crate::environment::layout::{Layout, Place};
use crate::error::{Error, Result};
use crate::fs::{Dir, Fs, Kind};
use crate::path::RelPath;
use crate::plan::spread::CONTROL;
use crate::plan::{Operation, OperationKind};

/// The open directories of a journal.
pub struct Field {
    fs: Fs,
    main: Dir,
    grounds: Vec<Ground>,
}

struct Ground {
    live: Dir,
    home: PathBuf,
    stage: Dir,
    trash: Dir,
}

impl Field {
    /// Opens everything that the journal names, all of it inside the layout; `control` is the
    /// `.pkg-install` that holds the journal.
    ///
    /// # Errors
    /// Where something is missing, is not what it was, or lies outside of the environment.
    pub fn open(fs: &Fs, layout: &Layout, journal: &Journal, control: &Path) -> Result<Self> {
        let refuse = |reason: &str| Error::journal(&control.join(super::JOURNAL), reason);
        let mut grounds = Vec::with_capacity(journal.roots.len());
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
            let private = layout
                .open(fs, &root.home.join(CONTROL))?
                .ok_or_else(|| refuse("its private directory is gone"))?;
            let stage = private
                .open_below(&root.stage)?
                .ok_or_else(|| refuse("what it staged is gone"))?;
            let trash = private
                .open_below(&root.trash)?
                .ok_or_else(|| refuse("its trash is gone"))?;
            grounds.push(Ground {
                live,
                home: root.home.clone(),
                stage,
                trash,
            });
        }
        let main = layout
            .open(fs, control)?
            .ok_or_else(|| refuse("its directory is gone"))?;
        Ok(Self {
            fs: fs.clone(),
            main,
            grounds,
        })
    }

    /// The `.pkg-install` that holds the journal.
    pub fn main(&self) -> &Dir {
        &self.main
    }

    /// The door through which all of it goes.
    pub fn fs(&self) -> &Fs {
        &self.fs
    }

    /// The directories that hold a `.pkg-install`.
    pub fn homes(&self) -> Vec<PathBuf> {
        self.grounds
            .iter()
            .map(|ground| ground.home.clone())
            .collect()
    }

    /// Makes everything durable that was done on any of the file systems.
    pub fn flush_file_systems(&self) -> Result<()> {
        self.grounds
            .iter()
            .try_for_each(|ground| ground.live.flush_file_system())
    }

    /// Executes one operation.
    pub fn execute(&self, operation: &JournalOperation) -> Result<()> {
        let ground = &self.grounds[operation.root];
        let (parent, name) = ground.parent(&operation.path)?;
        let parent = parent.as_ref().unwrap_or(&ground.live);
        match operation.kind {
            OperationKind::Out => parent.rename(name, &ground.trash, &operation.slot),
            OperationKind::In => ground.stage.rename(&operation.slot, parent, name),
            OperationKind::RemoveDir => parent.remove_dir(name),
        }
    }

    /// Whether one operation was executed: judged by its private side, where there is one.
    pub fn is_done(&self, operation: &JournalOperation) -> Result<bool> {
        let ground = &self.grounds[operation.root];
        Ok(match operation.kind {
            OperationKind::Out => ground.trash.stat(&operation.slot)?.is_some(),
            OperationKind::In => ground.stage.stat(&operation.slot)?.is_none(),
            OperationKind::RemoveDir => ground.live.stat(&operation.path)?.is_none(),
        })
    }

    /// Reverts one operation where it was executed.
    pub fn revert(&self, operation: &JournalOperation) -> Result<()> {
        if !self.is_done(operation)? {
            return Ok(());
        }
        let ground = &self.grounds[operation.root];
        let (parent, name) = ground.parent(&operation.path)?;
        let parent = parent.as_ref().unwrap_or(&ground.live);
        match operation.kind {
            OperationKind::Out => ground.trash.rename(&operation.slot, parent, name),
            OperationKind::In => match parent.stat(name)? {
                // Neither staged nor live: a power cut took what had not been flushed.
                None => Ok(()),
                Some(_) => parent.rename(name, &ground.stage, &operation.slot),
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
            let live = &self.grounds[written.root].live;
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

impl Ground {
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

//! Recovery: settling what a crash left behind.
//!
//! Input: an environment under its lock. Output: the environment as it was before the interrupted
//! transaction, or after it where every operation had been made; and nothing of ours left in it.
//! Every command begins with it. It is idempotent and may itself be killed anywhere. A journal that
//! is not ours is never acted on.

use std::path::{Path, PathBuf};

use super::executor::Field;
use super::journal::{self, Journal, MAX_JOURNAL};
use super::{JOURNAL, NEW_JOURNAL, UNDO, commit_point, fills_trash, roll_back, undo};
use crate::environment::layout::{Layout, RootId, SchemeKey};
use crate::error::{Error, Result};
use crate::fs::{self, Dir, Fs, Kind};
use crate::plan::spread::CONTROL;
use crate::stage::{AREAS, control_home};

/// What recovery found, and did about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovered {
    /// There was nothing to settle.
    Nothing,
    /// Only staged files were left; they are deleted.
    Cleaned,
    /// A transaction was in mid-change; it is taken back.
    RolledBack,
    /// A transaction had made all its changes; it is finished.
    Finished,
}

/// Settles whatever an interrupted command left in the environment. The lock must be held.
///
/// # Errors
/// Where the journal is not ours or cannot be read, or something cannot be moved back; nothing is
/// deleted then.
pub fn recover(fs: &Fs, layout: &Layout) -> Result<Recovered> {
    let (main, _) = layout.directory(SchemeKey::Purelib);
    let home = control_home(layout, main);
    let mut homes: Vec<PathBuf> = (0..layout.roots().len())
        .map(|root| control_home(layout, RootId(u16::try_from(root).unwrap_or(u16::MAX))))
        .collect();
    homes.extend(other_homes(fs, layout, &home)?);
    homes.sort();
    homes.dedup();
    let Some(control) = open_control(fs, layout, &home)? else {
        return Ok(clean_leftovers(fs, layout, &homes, None)?.unwrap_or(Recovered::Nothing));
    };
    let Some(journal) = read_journal(&control, JOURNAL)? else {
        let kept = read_journal(&control, UNDO)?.filter(|kept| kept.undoable);
        drop(control);
        return Ok(
            clean_leftovers(fs, layout, &homes, kept.as_ref())?.unwrap_or(Recovered::Nothing)
        );
    };
    let field = Field::open(fs, layout, &journal, control.path())?;
    let mut all_done = true;
    for operation in &journal.operations {
        all_done = all_done && field.is_done(operation)?;
    }
    let recovered = if all_done && !journal.operations.is_empty() {
        field.flush_file_systems()?;
        commit_point(&field, &journal, true)?;
        control.flush()?;
        Recovered::Finished
    } else {
        roll_back(&field, &journal, true)?;
        Recovered::RolledBack
    };
    homes.extend(field.homes());
    homes.sort();
    homes.dedup();
    let kept = read_journal(&control, UNDO)?.filter(|kept| kept.undoable);
    clean(fs, layout, &homes, kept.as_ref())?;
    Ok(recovered)
}

/// The directories that hold another `.pkg-install` of the interrupted command, as it had written
/// them down. What is outside of the environment is none of them, whoever wrote it down.
fn other_homes(fs: &Fs, layout: &Layout, home: &Path) -> Result<Vec<PathBuf>> {
    let Some(control) = open_control(fs, layout, home)? else {
        return Ok(Vec::new());
    };
    let listed = control.read(AREAS, MAX_JOURNAL)?;
    let homes: Vec<PathBuf> = listed
        .and_then(|listed| serde_json::from_slice(&listed).ok())
        .unwrap_or_default();
    Ok(homes
        .into_iter()
        .filter(|home| layout.of_resolved(home).is_some())
        .collect())
}

fn clean_leftovers(
    fs: &Fs,
    layout: &Layout,
    homes: &[PathBuf],
    kept: Option<&Journal>,
) -> Result<Option<Recovered>> {
    let mut something = false;
    for home in homes {
        if let Some(control) = open_control(fs, layout, home)? {
            something |= control.names()?.iter().any(|(name, _)| {
                let name = name.to_string_lossy();
                (journal::is_private(&name) || name == UNDO)
                    && !kept.is_some_and(|kept| keeps(kept, &name))
            });
        }
    }
    clean(fs, layout, homes, kept)?;
    Ok(something.then_some(Recovered::Cleaned))
}

/// The private directory in `home`, where there is one.
///
/// # Errors
/// Where it is a symbolic link, or belongs to somebody else.
pub(super) fn open_control(fs: &Fs, layout: &Layout, home: &Path) -> Result<Option<Dir>> {
    let Some(home) = layout.open(fs, home)? else {
        return Ok(None);
    };
    let Some(stat) = home.stat(CONTROL)? else {
        return Ok(None);
    };
    let refuse = |reason: String| Error::journal(&home.path().join(CONTROL).join(JOURNAL), reason);
    if stat.kind != Kind::Directory {
        return Err(refuse("its directory is none".to_owned()));
    }
    let Some(control) = home.open_below(CONTROL)? else {
        return Ok(None);
    };
    let owner = control.own_stat()?.uid;
    if owner != fs::user() && fs::user() != 0 {
        return Err(refuse(format!("its directory belongs to user {owner}")));
    }
    Ok(Some(control))
}

/// A journal, or the record of one, whose owner is the directory's.
pub(super) fn read_journal(control: &Dir, name: &str) -> Result<Option<Journal>> {
    let path = control.path().join(name);
    let refuse = |reason: String| Error::journal(&path, reason);
    match control.stat(name)? {
        Some(stat) if stat.kind != Kind::File => {
            return Err(refuse("it is no regular file".to_owned()));
        }
        Some(stat) if stat.size > MAX_JOURNAL => {
            return Err(refuse(format!(
                "it has {} bytes, no more than {MAX_JOURNAL} are read",
                stat.size
            )));
        }
        _ => {}
    }
    let Some(content) = control.read(name, MAX_JOURNAL)? else {
        return Ok(None);
    };
    let journal = Journal::decode(&content).map_err(|reason| refuse(reason.to_owned()))?;
    let owner = control.own_stat()?.uid;
    if control.stat(name)?.is_none_or(|stat| stat.uid != owner) || journal.uid != owner {
        return Err(refuse(format!(
            "it was written by user {}, its directory belongs to user {owner}",
            journal.uid
        )));
    }
    Ok(Some(journal))
}

fn keeps(kept: &Journal, name: &str) -> bool {
    if name == UNDO || name == undo::marks_name(kept) {
        return true;
    }
    kept.roots.iter().any(|root| root.trash == name)
        && kept
            .operations
            .iter()
            .any(|operation| fills_trash(operation.kind))
}

/// Deletes everything of ours from these directories, but for what `kept` needs to be undone; and
/// `.pkg-install` itself where nothing is left in it.
pub(super) fn clean(
    fs: &Fs,
    layout: &Layout,
    homes: &[PathBuf],
    kept: Option<&Journal>,
) -> Result<()> {
    // The one that knows of the others comes last, and what it knows of them goes last of all.
    for list in [false, true] {
        for home in homes {
            let Some(control) = open_control(fs, layout, home)? else {
                continue;
            };
            if control.stat(AREAS)?.is_some() != list {
                continue;
            }
            for (name, _) in control.names()? {
                let name = name.to_string_lossy();
                let ours = journal::is_private(&name)
                    || name == NEW_JOURNAL
                    || name == UNDO
                    || undo::is_marks(&name);
                let needed = kept.is_some_and(|kept| keeps(kept, &name));
                if ours && !needed {
                    control.remove_tree(&name)?;
                }
            }
            control.remove_file(AREAS)?;
            if control.names()?.is_empty() {
                layout
                    .open(fs, home)?
                    .map_or(Ok(()), |home| home.remove_dir(CONTROL))?;
            }
        }
    }
    Ok(())
}

//! Journals of version 1, which name roots by absolute path and inode.
//!
//! Input: the body of such a journal, and the layout in whose state directory it was found. Output:
//! the same journal in the present form. If the environment has moved since, its former paths are
//! translated: the root that held the state directory then is the one that holds it now. The inode
//! is ignored, because a restored or copied directory has another one. Nothing writes this version
//! any more.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use super::journal::{self, Journal, JournalOperation, JournalRoot};
use super::root_name::RootName;
use super::state_dir::StateDir;
use crate::environment::layout::{Layout, SchemeKey};

/// The version that this file reads.
pub(super) const VERSION: u32 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OldJournal {
    uid: u32,
    roots: Vec<OldRoot>,
    operations: Vec<JournalOperation>,
    undoable: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OldRoot {
    /// The resolved absolute path.
    path: PathBuf,
    // Without this field `deny_unknown_fields` would refuse every journal of this version.
    #[serde(rename = "inode")]
    _inode: u64,
    /// The resolved directory that holds its state directory.
    home: PathBuf,
    stage: String,
    trash: String,
}

/// The journal in the present form. An error says why it cannot be trusted.
pub(super) fn read(
    body: &[u8],
    layout: &Layout,
    state: &StateDir,
) -> Result<Journal, &'static str> {
    let old: OldJournal = serde_json::from_slice(body).map_err(|_| journal::NO_SENSE)?;
    for root in &old.roots {
        let is_root = root.path.is_absolute() && root.home.starts_with(&root.path);
        if !is_root || climbs(&root.home) {
            return Err(journal::NO_ROOT);
        }
        journal::check_private(&root.stage, &root.trash)?;
    }
    journal::check_operations(&old.operations, old.roots.len())?;
    let moved = Moved::of(&old.roots, layout, state);
    let mut roots = Vec::with_capacity(old.roots.len());
    for root in &old.roots {
        let home = root.home.strip_prefix(&root.path).ok();
        let home = home.and_then(Path::to_str).ok_or(journal::NO_ROOT)?;
        let at = RootName::of_path(layout, &moved.now(&root.path)).ok_or(journal::NO_ROOT)?;
        roots.push(JournalRoot {
            at,
            home: home.to_owned(),
            stage: root.stage.clone(),
            trash: root.trash.clone(),
        });
    }
    Ok(Journal {
        uid: old.uid,
        roots,
        operations: old.operations,
        undoable: old.undoable,
        line: None,
    })
}

/// Whether a path has a component that leads up.
fn climbs(path: &Path) -> bool {
    path.components()
        .any(|component| component == Component::ParentDir)
}

/// The former and the present path of the main root.
struct Moved {
    from: PathBuf,
    to: PathBuf,
}

impl Moved {
    fn of(roots: &[OldRoot], layout: &Layout, state: &StateDir) -> Self {
        let (main, inside) = layout.directory(SchemeKey::Purelib);
        let to = layout.roots()[usize::from(main.0)].clone();
        let has = |name: &str| matches!(state.dir().stat(name), Ok(Some(_)));
        let was_main = |root: &&OldRoot| match inside {
            Some(inside) => root.home == root.path.join(inside.as_str()),
            None => root.home == root.path,
        };
        // A root of the journal that is still at its path proves that the environment has not
        // moved.
        let stays = roots.iter().any(|root| root.home == state.home());
        let from = roots.iter().filter(was_main);
        // Only the main root's private directories are beside the journal.
        let from = from.max_by_key(|root| has(&root.stage) || has(&root.trash));
        match from {
            Some(from) if !stays => Self {
                from: from.path.clone(),
                to,
            },
            _ => Self {
                from: to.clone(),
                to,
            },
        }
    }

    /// The present path of a directory.
    fn now(&self, then: &Path) -> PathBuf {
        match then.strip_prefix(&self.from) {
            Ok(below) if below.as_os_str().is_empty() => self.to.clone(),
            Ok(below) => self.to.join(below),
            Err(_) => then.to_owned(),
        }
    }
}

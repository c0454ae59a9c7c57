//! Areas: the private directories of a transaction below each root that it changes.
//!
//! Input: the roots of a new transaction, or a journal. Output: open directories. Each is opened
//! once: staging, moving and cleaning use the same handles, so that another user who can write to
//! the environment cannot put other directories in their place in between.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::journal::{Journal, JournalRoot};
use super::root_name::RootName;
use super::state_dir::{AREAS, JOURNAL, Private, StateDir};
use crate::environment::layout::{Layout, Place, RootId, STATE_DIR};
use crate::error::{Error, Result};
use crate::fs::{self, Dir, Fs, Inherited};
use crate::plan::{Operation, OperationKind};
use crate::stage::Stages;

/// The open directories of a transaction below one root.
pub(super) struct Area {
    /// The root itself.
    pub live: Dir,
    /// Its state directory.
    pub state: StateDir,
    /// The directory with staged files.
    pub stage: Private,
    /// The directory with files that were moved out.
    pub trash: Private,
}

impl Area {
    /// The root as a journal names it.
    pub fn journal_root(&self, at: RootName) -> JournalRoot {
        let below = self.state.home().strip_prefix(self.live.path());
        let below = below.expect("a state directory is inside its root");
        let below = below
            .to_str()
            .expect("the layout refuses paths that are not UTF-8");
        JournalRoot {
            at,
            home: below.to_owned(),
            stage: self.stage.name.clone(),
            trash: self.trash.name.clone(),
        }
    }

    /// Opens the directories of each root of a journal, in its order.
    ///
    /// # Errors
    /// A root, or one of its private directories, is missing or cannot be reached inside the layout
    /// without following a link, or others could have filled it.
    pub fn of_journal(fs: &Fs, layout: &Layout, journal: &Journal) -> Result<Vec<Self>> {
        let home = layout.state_home(layout.main_root());
        let path = home.join(STATE_DIR).join(JOURNAL);
        let gone = |what: &str, path: &Path, journal: &Path| {
            Error::journal(journal, format!("its {what} `{}` is gone", path.display()))
        };
        let mut areas = Vec::with_capacity(journal.roots.len());
        for root in &journal.roots {
            let (live, state) = open_root(fs, layout, root)?;
            let live = live.ok_or_else(|| gone("root", &root.at.path(layout), &path))?;
            let state =
                state.ok_or_else(|| gone("state directory in", &root.home_path(layout), &path))?;
            let private = |name: &str| {
                let opened = state.open_private(name)?;
                opened
                    .ok_or_else(|| gone("private directory", &state.dir().path().join(name), &path))
            };
            // A missing private directory is refused rather than made again: every staged file
            // would seem to have been moved in.
            let (stage, trash) = (private(&root.stage)?, private(&root.trash)?);
            areas.push(Self {
                live,
                state,
                stage,
                trash,
            });
        }
        Ok(areas)
    }

    /// Makes directories inside the staging directory for slots whose final directory passes on
    /// another group, default ACL or label. Returns their names by slot.
    fn make_inner(&self, operations: &[&Operation]) -> Result<HashMap<u32, String>> {
        let mut inner = HashMap::new();
        let mut by_parent: BTreeMap<Option<Place>, Vec<u32>> = BTreeMap::new();
        for operation in operations {
            let slots = by_parent.entry(operation.place.parent()).or_default();
            slots.push(operation.slot);
        }
        let own = self.stage.dir.inherited()?;
        let mut made: BTreeMap<Inherited, String> = BTreeMap::new();
        for (parent, slots) in by_parent {
            let wanted = match parent {
                None => self.live.inherited()?,
                // If the directory has just vanished, the commit fails.
                Some(parent) => match self.live.open_below(parent.path.as_str())? {
                    Some(parent) => parent.inherited()?,
                    None => continue,
                },
            };
            if wanted == own {
                continue;
            }
            let name = match made.get(&wanted) {
                Some(name) => name.clone(),
                None => {
                    // No slot has such a name: slots are numbers.
                    let name = format!("like-{}", made.len());
                    self.stage.dir.make_like(&name, &wanted)?;
                    made.insert(wanted, name.clone());
                    name
                }
            };
            inner.extend(slots.into_iter().map(|slot| (slot, name.clone())));
        }
        Ok(inner)
    }
}

/// Opens a root of a journal and its state directory; `None` for one that is missing.
pub(super) fn open_root(
    fs: &Fs,
    layout: &Layout,
    root: &JournalRoot,
) -> Result<(Option<Dir>, Option<StateDir>)> {
    let live = layout.open(fs, &root.at.path(layout))?;
    let state = StateDir::open(fs, layout, &root.home_path(layout))?;
    Ok((live, state))
}

/// The private directories of a new transaction, which are deleted on drop unless a journal may
/// name them.
pub struct Areas {
    by_root: BTreeMap<RootId, Area>,
    /// By root and slot: the directory inside the staging directory that passes the same on to new
    /// files as the final directory does, if the staging directory itself does not.
    inner: BTreeMap<RootId, HashMap<u32, String>>,
    /// Directories that were made to hold a state directory, outermost first.
    made: Vec<PathBuf>,
    fs: Fs,
    kept: bool,
}

impl Areas {
    /// Makes private directories below every root that the operations change, and below the main
    /// one. After an error nothing is left of them.
    pub fn make(fs: &Fs, layout: &Layout, operations: &[Operation]) -> Result<Self> {
        let mut areas = Self {
            by_root: BTreeMap::new(),
            inner: BTreeMap::new(),
            made: Vec::new(),
            fs: fs.clone(),
            kept: false,
        };
        let main = layout.main_root();
        let mut others: BTreeSet<RootId> = operations
            .iter()
            .map(|operation| operation.place.root)
            .collect();
        others.remove(&main);
        areas.add(layout, main)?;
        if !others.is_empty() {
            // The list is written before the directories that it names are made, so that a crash
            // leaves no unlisted one.
            areas.list_others(layout, main, &others)?;
        }
        for root in others {
            areas.add(layout, root)?;
        }
        for (root, area) in &areas.by_root {
            let moves_in = |operation: &&Operation| {
                operation.kind == OperationKind::In && operation.place.root == *root
            };
            let staged: Vec<&Operation> = operations.iter().filter(moves_in).collect();
            areas.inner.insert(*root, area.make_inner(&staged)?);
        }
        Ok(areas)
    }

    fn add(&mut self, layout: &Layout, root: RootId) -> Result<()> {
        let home = layout.state_home(root);
        let gone = |path: &Path| Error::bad_environment(path, "it is gone");
        if layout.open(&self.fs, &home)?.is_none() {
            self.made.extend(Dir::make_all(&self.fs, &home)?);
        }
        let home = layout.open(&self.fs, &home)?.ok_or_else(|| gone(&home))?;
        let live = &layout.roots()[usize::from(root.0)];
        let live = layout.open(&self.fs, live)?.ok_or_else(|| gone(live))?;
        let state = StateDir::make_in(home)?;
        match make_private(&state) {
            Ok((stage, trash)) => {
                let area = Area {
                    live,
                    state,
                    stage,
                    trash,
                };
                self.by_root.insert(root, area);
                Ok(())
            }
            Err(error) => {
                // It stays if it is not empty: an undo may be kept in it.
                let _ = state.remove_if_empty();
                Err(error)
            }
        }
    }

    /// Writes down which other roots get a state directory, for a recovery that would not look
    /// there otherwise. A mount inside the environment is such a root.
    fn list_others(&self, layout: &Layout, main: RootId, others: &BTreeSet<RootId>) -> Result<()> {
        let names = others.iter().map(|root| RootName::of(layout, *root));
        let names: Vec<RootName> = names.collect();
        let list = serde_json::to_vec(&names).expect("names of roots are text");
        self.by_root[&main].state.write(AREAS, &list, false)
    }

    /// The open staging directory of each root.
    pub fn stages(&self) -> Stages<'_> {
        let mut stages = Stages::default();
        for (root, area) in &self.by_root {
            stages.add(*root, &area.stage.dir, &self.inner[root]);
        }
        stages
    }

    /// The private directories by root, in the roots' order.
    pub(super) fn by_root(&self) -> &BTreeMap<RootId, Area> {
        &self.by_root
    }

    /// The state directory below the main root.
    pub(super) fn main(&self, layout: &Layout) -> &StateDir {
        &self.by_root[&layout.main_root()].state
    }

    /// Leaves everything to recovery, or to a cleaning that knows what is needed for undo.
    pub(super) fn keep(mut self) -> Self {
        self.kept = true;
        self
    }

    /// Deletes them after all: no journal names them.
    pub(super) fn discard(mut self) {
        self.kept = false;
    }

    fn delete(&self) -> Result<()> {
        for area in self.by_root.values() {
            for private in [&area.stage, &area.trash] {
                fs::remove_tree(area.state.dir(), &private.name)?;
            }
            // It is not empty, and stays, if an undo is kept in it or something unknown is.
            let _ = area.state.remove_if_empty();
        }
        // The list of the others is needed until all of them are gone.
        for area in self.by_root.values() {
            area.state.dir().remove_file(AREAS)?;
            let _ = area.state.remove_if_empty();
        }
        Dir::remove_made(&self.fs, &self.made)
    }
}

/// Makes the two private directories of a root, or neither.
fn make_private(state: &StateDir) -> Result<(Private, Private)> {
    let stage = state.make_stage()?;
    match state.make_trash() {
        Ok(trash) => Ok((stage, trash)),
        Err(error) => {
            // It is empty. The next command deletes it if this fails.
            let _ = fs::remove_tree(state.dir(), &stage.name);
            Err(error)
        }
    }
}

impl Drop for Areas {
    fn drop(&mut self) {
        if !self.kept {
            // There is no way to report a failure here. The next command finds what is left.
            let _ = self.delete();
        }
    }
}

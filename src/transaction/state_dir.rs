//! The state directory, `.pkg-install`: its names, its owner, what is made in it and what is
//! deleted from it.
//!
//! Input: a root of the layout. Output: the open directory, or the private directories of a new
//! transaction. Each root that a transaction changes has a state directory of its own on its own
//! device, because a rename cannot cross devices. The one below purelib is the main one: it holds
//! the journal and the list of the others. Nothing else in the crate knows these names.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::root_name::RootName;
use crate::environment::layout::{Layout, RootId, STATE_DIR};
use crate::error::{Error, Result};
use crate::fs::{self, Dir, Fs, Kind};
use crate::plan::Operation;

/// The journal of a transaction that may be in mid-change.
pub(super) const JOURNAL: &str = "journal";
/// A journal while it is written. Its content is not trusted until it has been renamed.
pub(super) const NEW_JOURNAL: &str = "journal.new";
/// The journal of the last transaction, if it can be undone.
pub(super) const UNDO: &str = "undo";
/// The list of the other state directories of a transaction, in the main one.
const AREAS: &str = "areas";
/// Begins the name of the file with the marks of a transaction that can be undone.
const MARKS: &str = "marks-";
/// Begins the name of a directory with staged files.
const STAGE: &str = "stage-";
/// Begins the name of a directory with files that were moved out.
const TRASH: &str = "trash-";
/// The largest file that is read from a state directory, in bytes.
// Far more than any journal needs: it only keeps a planted file from filling the memory.
pub(super) const MAX_STATE: u64 = 1 << 30;

/// Whether a name is one that a transaction gives to its private directories.
pub(super) fn is_private(name: &str) -> bool {
    let rest = name
        .strip_prefix(STAGE)
        .or_else(|| name.strip_prefix(TRASH));
    rest.is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// The name of the marks that belong to a trash directory. It repeats the random part of that name,
/// so that the marks of one transaction are never taken for those of another.
pub(super) fn marks_name(trash: &str) -> String {
    format!("{MARKS}{}", trash.strip_prefix(TRASH).unwrap_or(trash))
}

/// The path of a private directory by its name.
pub(super) fn private_path(home: &Path, name: &str) -> PathBuf {
    home.join(STATE_DIR).join(name)
}

/// Whether an interrupted transaction has left a journal. The journal is not read, and the lock
/// need not be held.
pub fn is_interrupted(layout: &Layout) -> Result<bool> {
    let home = layout.state_home(layout.main_root());
    Ok(fs::lstat(&home.join(STATE_DIR).join(JOURNAL))?.is_some())
}

/// An open state directory, and the directory that holds it.
pub(super) struct StateDir {
    home: Dir,
    dir: Dir,
}

impl StateDir {
    /// The main state directory, `None` if there is none. See [`StateDir::open`] for the errors.
    pub fn main(fs: &Fs, layout: &Layout) -> Result<Option<Self>> {
        Self::open(fs, layout, &layout.state_home(layout.main_root()))
    }

    /// The state directory in `home`, `None` if there is none.
    ///
    /// # Errors
    /// A symbolic link or a file has its name, or it belongs to another user.
    pub fn open(fs: &Fs, layout: &Layout, home: &Path) -> Result<Option<Self>> {
        match layout.open(fs, home)? {
            Some(home) => Self::open_in(home),
            None => Ok(None),
        }
    }

    fn open_in(home: Dir) -> Result<Option<Self>> {
        let Some(stat) = home.stat(STATE_DIR)? else {
            return Ok(None);
        };
        let path = home.path().join(STATE_DIR).join(JOURNAL);
        if stat.kind != Kind::Directory {
            return Err(Error::journal(&path, "its directory is not a directory"));
        }
        let Some(dir) = home.open_below(STATE_DIR)? else {
            return Ok(None);
        };
        // Another user could have planted a journal. Root may settle everybody's environments.
        // The open directory is asked, because its name may mean another one since the look above.
        let owner = dir.own_stat()?.uid;
        if owner != fs::effective_user() && fs::effective_user() != 0 {
            let reason = format!("its directory belongs to user {owner}");
            return Err(Error::journal(&path, reason));
        }
        Ok(Some(Self { home, dir }))
    }

    /// Opens the state directory in `home`, and makes it if it is missing.
    fn make_in(home: Dir) -> Result<Self> {
        if home.stat(STATE_DIR)?.is_none() {
            home.make_dir(STATE_DIR)?;
        }
        let opened = home.open_below(STATE_DIR).and_then(|dir| {
            dir.ok_or_else(|| Error::bad_environment(home.path(), "its state directory is gone"))
        });
        match opened {
            Ok(dir) => Ok(Self { home, dir }),
            Err(error) => {
                // If it was made just now, it is empty and nothing else knows of it.
                let _ = home.remove_dir(STATE_DIR);
                Err(error)
            }
        }
    }

    /// The directory itself.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The path of the directory that holds it.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A file that belongs to the same user as the directory, with that user's number; `None` if
    /// there is none.
    ///
    /// # Errors
    /// It is no regular file, it is too large, or it belongs to another user.
    pub fn read_owned(&self, name: &str) -> Result<Option<(Vec<u8>, u32)>> {
        let refuse = |reason: String| Error::journal(&self.dir.path().join(name), reason);
        let Some(stat) = self.dir.stat(name)? else {
            return Ok(None);
        };
        if stat.kind != Kind::File {
            return Err(refuse("it is not a regular file".to_owned()));
        }
        // The read below also refuses a longer file, but with an I/O error instead of a journal's.
        if stat.size > MAX_STATE {
            let size = stat.size;
            let reason = format!("it has {size} bytes, no more than {MAX_STATE} are read");
            return Err(refuse(reason));
        }
        // If others may write to the directory, they can plant a file in it. Only a file of the
        // directory's owner is read.
        let owner = self.dir.own_stat()?.uid;
        if stat.uid != owner {
            let writer = stat.uid;
            return Err(refuse(format!(
                "it was written by user {writer}, its directory belongs to user {owner}"
            )));
        }
        Ok(self
            .dir
            .read(name, MAX_STATE)?
            .map(|content| (content, owner)))
    }

    /// Writes a new file, in place of one that an interrupted command left.
    pub fn write(&self, name: &str, content: &[u8], durable: bool) -> Result<()> {
        self.dir.remove_file(name)?;
        let mut file = self.dir.create(name, false)?;
        file.write(content)?;
        if durable { file.flush() } else { Ok(()) }
    }

    /// A new directory for staged files; returns its name.
    pub fn make_stage(&self) -> Result<String> {
        self.dir.make_unique(STAGE)
    }

    /// A new directory for files that are moved out; returns its name.
    pub fn make_trash(&self) -> Result<String> {
        self.dir.make_unique(TRASH)
    }

    /// A private directory by its name, `None` if it is gone.
    pub fn open_private(&self, name: &str) -> Result<Option<Dir>> {
        self.dir.open_below(name)
    }

    /// The directories that hold other state directories of an interrupted command.
    fn others(&self, layout: &Layout) -> Result<Vec<PathBuf>> {
        let Some(listed) = self.dir.read(AREAS, MAX_STATE)? else {
            return Ok(Vec::new());
        };
        let names: Vec<RootName> = match serde_json::from_slice(&listed) {
            Ok(ListedHomes::Names(names)) => names,
            Ok(ListedHomes::Paths(paths)) => {
                let names = paths.iter().map(|path| RootName::of_path(layout, path));
                names.flatten().collect()
            }
            // A power cut can tear the list, since it is not flushed. No journal was written then,
            // so all that is lost is the place of some leftovers.
            Err(_) => Vec::new(),
        };
        // The list has no checksum, so a name that climbs out of the environment is possible.
        let names = names.iter().filter(|name| name.is_plain());
        Ok(names.map(|name| name.path(layout)).collect())
    }

    /// Whether [`clean`] would delete anything that a transaction had used.
    fn has_leftovers(&self, kept: &[String]) -> Result<bool> {
        Ok(self.dir.names()?.iter().any(|(name, _)| {
            let name = name.to_string_lossy();
            (is_private(&name) || name == UNDO) && !kept.iter().any(|kept| *kept == name)
        }))
    }

    /// Deletes everything of ours except `kept`, then the list of the others, then the directory
    /// itself if it is empty.
    fn clean(&self, kept: &[String]) -> Result<()> {
        for (name, _) in self.dir.names()? {
            let name = name.to_string_lossy();
            let ours =
                is_private(&name) || name == NEW_JOURNAL || name == UNDO || name.starts_with(MARKS);
            if ours && !kept.iter().any(|kept| *kept == name) {
                fs::remove_tree(&self.dir, &name)?;
            }
        }
        self.dir.remove_file(AREAS)?;
        if self.dir.names()?.is_empty() {
            self.home.remove_dir(STATE_DIR)?;
        }
        Ok(())
    }
}

/// The content of the list of the others.
#[derive(Deserialize)]
#[serde(untagged)]
enum ListedHomes {
    Names(Vec<RootName>),
    /// Absolute paths, as the first version of this tool wrote them.
    Paths(Vec<PathBuf>),
}

/// Every directory that may hold a state directory of an interrupted command.
pub(super) fn homes(fs: &Fs, layout: &Layout) -> Result<BTreeSet<PathBuf>> {
    let roots = layout.root_ids();
    let mut homes: BTreeSet<PathBuf> = roots.map(|root| layout.state_home(root)).collect();
    if let Some(main) = StateDir::main(fs, layout)? {
        homes.extend(main.others(layout)?);
    }
    Ok(homes)
}

/// The state directories in these homes, as far as there are any.
pub(super) fn open_all(
    fs: &Fs,
    layout: &Layout,
    homes: &BTreeSet<PathBuf>,
) -> Result<Vec<StateDir>> {
    let open = |home: &PathBuf| StateDir::open(fs, layout, home).transpose();
    homes.iter().filter_map(open).collect()
}

/// Whether [`clean`] would delete anything that a transaction had used.
pub(super) fn have_leftovers(dirs: &[StateDir], kept: &[String]) -> Result<bool> {
    for dir in dirs {
        if dir.has_leftovers(kept)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deletes everything of ours from these directories except the names in `kept`, and each directory
/// that is empty then.
pub(super) fn clean(dirs: &[StateDir], kept: &[String]) -> Result<()> {
    // The directory that lists the others comes last: a crash in between must not leave any that
    // recovery would not find.
    for lists in [false, true] {
        for dir in dirs {
            if dir.dir.stat(AREAS)?.is_some() == lists {
                dir.clean(kept)?;
            }
        }
    }
    Ok(())
}

/// The private directories of a transaction below one root.
pub(super) struct Area {
    /// The root itself.
    pub live: Dir,
    /// Its state directory.
    pub state: StateDir,
    /// The name of the directory with staged files.
    pub stage: String,
    /// The name of the directory with files that were moved out.
    pub trash: String,
}

impl Area {
    /// The directory that holds the state directory, as a path below the root; empty for the root
    /// itself.
    pub fn home_below_root(&self) -> String {
        let below = self.state.home().strip_prefix(self.live.path());
        let below = below.expect("a state directory is inside its root");
        let below = below
            .to_str()
            .expect("the layout refuses paths that are not UTF-8");
        below.to_owned()
    }
}

/// The private directories of a transaction, which are deleted on drop unless a journal names them.
pub struct Areas {
    by_root: BTreeMap<RootId, Area>,
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
        let area = Area {
            live,
            state: StateDir::make_in(home)?,
            stage: String::new(),
            trash: String::new(),
        };
        // It is kept before anything is made in it, so that it is deleted after any later failure.
        let area = self.by_root.entry(root).or_insert(area);
        area.stage = area.state.make_stage()?;
        area.trash = area.state.make_trash()?;
        Ok(())
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
    pub fn stages(&self) -> Result<HashMap<RootId, Dir>> {
        let open = |(root, area): (&RootId, &Area)| {
            let stage = area.state.open_private(&area.stage)?;
            let gone = || Error::bad_environment(area.state.dir.path(), "its staging is gone");
            Ok((*root, stage.ok_or_else(gone)?))
        };
        self.by_root.iter().map(open).collect()
    }

    /// The private directories by root, in the roots' order.
    pub(super) fn by_root(&self) -> &BTreeMap<RootId, Area> {
        &self.by_root
    }

    /// Leaves everything to recovery, or to a cleaning that knows what is needed for undo.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }

    fn delete(&self) -> Result<()> {
        for area in self.by_root.values() {
            for name in [&area.stage, &area.trash] {
                if !name.is_empty() {
                    fs::remove_tree(&area.state.dir, name)?;
                }
            }
            // It is not empty, and stays, if an undo is kept in it or something unknown is.
            let _ = area.state.home.remove_dir(STATE_DIR);
        }
        // The list of the others is needed until all of them are gone.
        for area in self.by_root.values() {
            area.state.dir.remove_file(AREAS)?;
            let _ = area.state.home.remove_dir(STATE_DIR);
        }
        Dir::remove_made(&self.fs, &self.made)
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

//! The state directory, `.pkg-install`: its names, its owner, and what is deleted from it.
//!
//! Input: a root of the layout. Output: the open directory. Each root that a transaction changes
//! has a state directory of its own on its own device, because a rename cannot cross devices. The
//! one below purelib is the main one: it holds the journal and the list of the others. Nothing else
//! in the crate knows these names.
//!
//! Invariant: a state directory that others could have filled is never used, and what tells a
//! command to move files is obeyed only if no other user could have put it there
//! ([`StateDir::check_way`]). The rules are those of `fs::distrust`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::root_name::RootName;
use crate::environment::layout::{Layout, STATE_DIR};
use crate::error::{Error, Result};
use crate::fs::{self, Dir, Fs, Kind};

/// The journal of a transaction that may be in mid-change.
pub(super) const JOURNAL: &str = "journal";
/// A journal while it is written. Its content is not trusted until it has been renamed.
pub(super) const NEW_JOURNAL: &str = "journal.new";
/// The journal of the last transaction, if it can be undone.
pub(super) const UNDO: &str = "undo";
/// Begins the name of the journal of an older transaction that can be undone.
pub(super) const OLDER_UNDO: &str = "undo-";
/// What was done so far.
pub(super) const HISTORY: &str = "history";
/// The history while it is written.
pub(super) const NEW_HISTORY: &str = "history.new";
/// The list of the other state directories of a transaction, in the main one.
pub(super) const AREAS: &str = "areas";
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
            if fs::lstat(&path)?.is_some() {
                return Err(Error::journal(&path, "its directory is not a directory"));
            }
            // There is no journal, so no change is unfinished.
            let path = home.path().join(STATE_DIR);
            return Err(Error::bad_environment(&path, "it is not a directory"));
        }
        let Some(dir) = home.open_below(STATE_DIR)? else {
            return Ok(None);
        };
        // The open directory is asked, because its name may mean another one since the look above.
        if let Some(distrust) = dir.distrust()? {
            return Err(Error::foreign_state(
                &path,
                format!("its directory {distrust}"),
            ));
        }
        Ok(Some(Self { home, dir }))
    }

    /// Opens the state directory in `home`, and makes it if it is missing.
    ///
    /// # Errors
    /// It belongs to another user, or others may write to it.
    pub fn make_in(home: Dir) -> Result<Self> {
        let is_new = home.stat(STATE_DIR)?.is_none();
        if is_new {
            // The group gets no permission to write, whatever the mask, since it could plant a
            // journal then.
            home.make_own_dir(STATE_DIR)?;
        }
        match Self::open_own(&home) {
            Ok(dir) => Ok(Self { home, dir }),
            Err(error) => {
                if is_new {
                    // It is empty and nothing else knows of it.
                    let _ = home.remove_dir(STATE_DIR);
                }
                Err(error)
            }
        }
    }

    fn open_own(home: &Dir) -> Result<Dir> {
        let gone = || Error::bad_environment(home.path(), "its state directory is gone");
        let dir = home.open_below(STATE_DIR)?.ok_or_else(gone)?;
        match dir.distrust()? {
            None => Ok(dir),
            Some(distrust) => {
                let reason = format!("its directory {distrust}");
                Err(Error::foreign_state(dir.path(), reason))
            }
        }
    }

    /// Checks that no other user could have put this directory where it is: every directory from
    /// the environment's root down to it has to be trusted. Comes before anything in it is obeyed.
    ///
    /// # Errors
    /// The first directory that others could have changed; `name` is what would be obeyed.
    pub fn check_way(&self, fs: &Fs, layout: &Layout, name: &str) -> Result<()> {
        let path = self.dir.path().join(name);
        let root = layout.outermost_of(self.home.path());
        let root = root.expect("a state directory is inside a root");
        let below = self.dir.path().strip_prefix(root).ok();
        let below = below
            .and_then(Path::to_str)
            .expect("the layout refuses paths that are not UTF-8");
        let root = Dir::open(fs, root)?;
        if let Some((found, distrust)) = root.distrust_way(below)? {
            let shown = root.path().join(found);
            let reason = format!("`{}` {distrust}", shown.display());
            return Err(Error::foreign_state(&path, reason));
        }
        // The way led to this very directory, or it was exchanged before it was looked at.
        let found = root.open_below(below)?.map(|dir| dir.own_stat());
        match found.transpose()? {
            Some(found) if found.is_same(&self.dir.own_stat()?) => Ok(()),
            _ => Err(Error::foreign_state(&path, "its directory was exchanged")),
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

    /// A file that only this user or root can have written, with the number of that user; `None` if
    /// there is none.
    ///
    /// # Errors
    /// It is no regular file, it is too large, or others could have written it.
    pub fn read_trusted(&self, name: &str) -> Result<Option<(Vec<u8>, u32)>> {
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
        // Nobody else can exchange the file: its directory is trusted. Its permissions may differ
        // from those of the directory, so it is looked at, too.
        if let Some(distrust) = fs::distrust_in(&stat, &self.dir.own_stat()?) {
            let path = self.dir.path().join(name);
            return Err(Error::foreign_state(&path, format!("it {distrust}")));
        }
        Ok(self
            .dir
            .read(name, MAX_STATE)?
            .map(|content| (content, stat.uid)))
    }

    /// Removes the directory if nothing is in it.
    ///
    /// # Errors
    /// Something is.
    pub fn remove_if_empty(&self) -> Result<()> {
        self.home.remove_dir(STATE_DIR)
    }

    /// Writes a new file, in place of one that an interrupted command left.
    pub fn write(&self, name: &str, content: &[u8], durable: bool) -> Result<()> {
        self.dir.remove_file(name)?;
        let mut file = self.dir.create(name, false)?;
        file.write(content)?;
        if durable { file.flush() } else { Ok(()) }
    }

    /// A new directory for staged files.
    pub fn make_stage(&self) -> Result<Private> {
        self.make_private(STAGE)
    }

    /// A new directory for files that are moved out.
    pub fn make_trash(&self) -> Result<Private> {
        self.make_private(TRASH)
    }

    fn make_private(&self, prefix: &str) -> Result<Private> {
        let name = self.dir.make_unique(prefix)?;
        let gone = || Error::bad_environment(self.dir.path(), "a directory in it is gone");
        let dir = self.dir.open_below(&name)?.ok_or_else(gone)?;
        Ok(Private { name, dir })
    }

    /// A private directory by its name, `None` if it is gone.
    ///
    /// # Errors
    /// It is no directory.
    pub fn open_private(&self, name: &str) -> Result<Option<Private>> {
        // Its owner need not be asked: only this user and root can make names in here.
        let name = name.to_owned();
        Ok(self.dir.open_below(&name)?.map(|dir| Private { name, dir }))
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
            let is_ours = is_private(&name) || name == UNDO || name.starts_with(OLDER_UNDO);
            is_ours && !kept.iter().any(|kept| *kept == name)
        }))
    }

    /// Deletes everything of ours except `kept` and the history, then the list of the others, then
    /// the directory itself if it is empty.
    fn clean(&self, kept: &[String]) -> Result<()> {
        let is_kept = |name: &str| kept.iter().any(|kept| kept == name);
        let mut voided = false;
        for (name, _) in self.dir.names()? {
            let name = name.to_string_lossy();
            let ours = is_private(&name)
                || [NEW_JOURNAL, NEW_HISTORY].contains(&&*name)
                || [MARKS, OLDER_UNDO]
                    .iter()
                    .any(|begin| name.starts_with(begin));
            if ours && !is_kept(&name) {
                fs::remove_tree(&self.dir, &name)?;
                voided = voided || name.starts_with(OLDER_UNDO);
            }
        }
        if !is_kept(UNDO) && self.dir.stat(UNDO)?.is_some() {
            // It says which of the older records are void, so none may outlive it.
            if voided {
                self.dir.flush()?;
            }
            self.dir.remove_file(UNDO)?;
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

/// A private directory of a transaction. It is opened once, so that its name cannot come to mean
/// another one while files are staged or moved.
pub(super) struct Private {
    pub name: String,
    pub dir: Dir,
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

/// Everything that is in these directories.
pub(super) fn all_names(dirs: &[&StateDir]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for dir in dirs {
        let names = dir.dir.names()?.into_iter();
        all.extend(names.map(|(name, _)| name.to_string_lossy().into_owned()));
    }
    Ok(all)
}

/// Whether [`clean`] would delete anything that a transaction had used.
pub(super) fn have_leftovers(dirs: &[&StateDir], kept: &[String]) -> Result<bool> {
    for dir in dirs {
        if dir.has_leftovers(kept)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deletes everything of ours from these directories except the names in `kept`, and each directory
/// that is empty then.
pub(super) fn clean(dirs: &[&StateDir], kept: &[String]) -> Result<()> {
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

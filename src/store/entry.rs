//! Entries: opened by their content id, and checked before anything is taken from them.

use std::time::{SystemTime, UNIX_EPOCH};

use super::index_file::{self, Described, FileFacts, StoredIndex};
use super::{ContentId, Store};
use crate::cancellation::Cancellation;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::fs::{self, Below, Dir, Kind, ReadAt as _, Stat, WORTH_OPENING};
use crate::wheel::{WheelContents, WheelEntry};

/// The names in the directory of an entry.
pub(super) const INDEX: &str = "index";
pub(super) const TREE: &str = "tree";
/// The longest index, in bytes: that of two million entries.
const MAX_INDEX: u64 = 1 << 30;

/// How thoroughly the files of an entry are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreCheck {
    /// Their lengths, times, permissions and inodes.
    Looks,
    /// Also their digests.
    Contents,
    /// Only their lengths and digests.
    OnlyContents,
}

/// The files of a wheel in the store.
#[derive(Debug)]
pub struct StoredWheel {
    /// The identity of its contents.
    pub id: ContentId,
    /// The directory that holds them, by their paths in the archive.
    pub tree: Dir,
    /// The looks of the files.
    pub facts: FileFacts,
}

/// The answer of the store about one content id.
pub enum Found {
    /// Its wheel.
    Whole(Box<WheelContents>, Box<StoredWheel>),
    /// There was an entry; this file in it was changed, or something else is wrong with it.
    Damaged(String),
    /// There is no entry.
    Missing,
}

impl Store {
    /// Opens the entry of a content id. Its files are not checked, see [`Store::check`]; but if the
    /// store was copied from elsewhere and `settles`, it is made usable. A damaged entry is
    /// removed.
    ///
    /// # Errors
    /// Cancelling, or a file that cannot be looked at.
    pub fn find(&self, id: ContentId, settles: bool, cancel: &Cancellation) -> Result<Found> {
        let path = id.path();
        let Some(bytes) = self.dir.read(&format!("{path}/{INDEX}"), MAX_INDEX)? else {
            return Ok(Found::Missing);
        };
        let Some(index) = index_file::decode(&bytes) else {
            self.discard(id)?;
            return Ok(Found::Damaged(INDEX.to_owned()));
        };
        let Some(tree) = self.dir.open_below(&format!("{path}/{TREE}"))? else {
            self.discard(id)?;
            return Ok(Found::Damaged(TREE.to_owned()));
        };
        let stored = StoredWheel {
            id,
            tree,
            facts: index.facts.clone(),
        };
        self.mark_used(&format!("{path}/{INDEX}"));
        let is_moved = settles && stored.tree.own_stat()?.inode != index.facts.tree;
        let settled = if is_moved {
            self.settle(&index, stored, cancel)?
        } else {
            Ok(stored)
        };
        match settled {
            Ok(stored) => Ok(Found::Whole(Box::new(index.contents), Box::new(stored))),
            Err(path) => {
                self.discard(id)?;
                Ok(Found::Damaged(path))
            }
        }
    }

    /// Checks the files of an entry. A damaged one is removed, and the path of the first file that
    /// is not as it was written is returned.
    ///
    /// # Errors
    /// Cancelling, or a file that cannot be looked at.
    pub fn check(
        &self,
        stored: &StoredWheel,
        entries: &[WheelEntry],
        check: StoreCheck,
        cancel: &Cancellation,
    ) -> Result<Option<String>> {
        let damaged = stored.check(entries, check, cancel)?;
        if damaged.is_some() {
            self.discard(stored.id)?;
        }
        Ok(damaged)
    }

    /// Notes that an entry is used, by the time of its index, which `cache prune` goes by. A
    /// failure is dropped, since it only makes the entry seem unused.
    fn mark_used(&self, index: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        let now = i64::try_from(now).expect("a clock shows less than 2^63 seconds");
        // Once a day suffices, and spares most commands a change of every entry.
        if let Ok(Some(stat)) = self.dir.stat(index)
            && now - stat.modified.0 >= 24 * 60 * 60
        {
            let _ = self.dir.set_modified(index, now);
        }
    }

    /// Removes an entry. Commands that have its tree open can go on with what is left.
    fn discard(&self, id: ContentId) -> Result<()> {
        let place = self.filling_place()?;
        let path = id.path();
        let Some((Some(parent), name)) = self.dir.parent_of(&path)? else {
            return Ok(());
        };
        let aside = format!("damaged-{name}");
        match parent.rename(name, place, &aside) {
            Ok(()) => fs::remove_tree(place, &aside),
            // Another command has removed it.
            Err(error) if error.io_kind() == Some(std::io::ErrorKind::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes an entry that was copied from elsewhere usable: inodes and times mean nothing then, so
    /// every file is hashed, and the index gets the new looks. The inner error is the path of a
    /// file that is not right.
    fn settle(
        &self,
        index: &StoredIndex,
        stored: StoredWheel,
        cancel: &Cancellation,
    ) -> Result<std::result::Result<StoredWheel, String>> {
        let mut facts = index.facts.clone();
        facts.tree = stored.tree.own_stat()?.inode;
        for (number, entry) in index.contents.entries.iter().enumerate() {
            cancel.check()?;
            let path = entry.path.as_str();
            let Some(stat) = stored.tree.stat(path)? else {
                return Ok(Err(path.to_owned()));
            };
            let is_file = stat.kind == Kind::File && stat.size == entry.size;
            if !is_file || !has_digest(&stored.tree, entry, cancel)? {
                return Ok(Err(path.to_owned()));
            }
            if stat.modified != (facts.modified, 0) {
                stored.tree.set_modified(path, facts.modified)?;
            }
            // The copy was made under one mask, so that one file of each kind tells.
            let mode = if entry.executable {
                &mut facts.executable
            } else {
                &mut facts.plain
            };
            *mode = stat.mode;
            facts.inodes[number] = stat.inode;
        }
        let stored = StoredWheel { facts, ..stored };
        // Files with other permissions than the last of their kind are found here.
        if let Some(path) = stored.check(&index.contents.entries, StoreCheck::Looks, cancel)? {
            return Ok(Err(path));
        }
        self.write_index(stored.id, &Described::of_index(index).encode(&stored.facts))?;
        Ok(Ok(stored))
    }

    fn write_index(&self, id: ContentId, content: &[u8]) -> Result<()> {
        let place = self.filling_place()?;
        let name = format!("index-{id}");
        place.create(&name, false)?.write(content)?;
        let Some(entry) = self.dir.open_below(&id.path())? else {
            return place.remove_file(&name);
        };
        // The old index goes first, as moving replaces nothing; without one, an entry is damaged
        // and is unpacked again.
        entry.remove_file(INDEX)?;
        place.rename(&name, &entry, INDEX)
    }
}

impl StoredWheel {
    /// The permissions of a file.
    pub fn mode(&self, executable: bool) -> u32 {
        if executable {
            self.facts.executable
        } else {
            self.facts.plain
        }
    }

    /// The path of the first file that is not as it was written.
    pub(super) fn check(
        &self,
        entries: &[WheelEntry],
        check: StoreCheck,
        cancel: &Cancellation,
    ) -> Result<Option<String>> {
        let mut directory = Below::new(&self.tree, "", 0)?;
        for (number, entry) in entries.iter().enumerate() {
            let below = entry.path.directory().unwrap_or("");
            if !directory.is_at(below) {
                let others = entries[number..].iter().take(WORTH_OPENING);
                let is_here = |other: &&WheelEntry| other.path.directory().unwrap_or("") == below;
                let files = others.take_while(is_here).count();
                directory = match Below::new(&self.tree, below, files) {
                    Ok(directory) => directory,
                    Err(error) if is_no_directory(&error) => {
                        return Ok(Some(entry.path.to_string()));
                    }
                    Err(error) => return Err(error),
                };
            }
            let name = directory.path(entry.path.file_name());
            let stat = directory.dir().stat(&name)?;
            let looks_right = match check {
                StoreCheck::OnlyContents => stat.is_some_and(|stat| stat.size == entry.size),
                _ => stat
                    .is_some_and(|stat| self.is_untouched(&stat, entry, self.facts.inodes[number])),
            };
            let is_right = looks_right
                && (check == StoreCheck::Looks || has_digest(&self.tree, entry, cancel)?);
            if !is_right {
                return Ok(Some(entry.path.to_string()));
            }
        }
        cancel.check()?;
        Ok(None)
    }

    fn is_untouched(&self, stat: &Stat, entry: &WheelEntry, inode: u64) -> bool {
        stat.kind == Kind::File
            && stat.size == entry.size
            && stat.modified == (self.facts.modified, 0)
            && stat.inode == inode
            && stat.mode == self.mode(entry.executable)
    }
}

/// Whether a directory is missing, or something else has taken its place.
fn is_no_directory(error: &Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.io_kind(), Some(NotFound | NotADirectory))
}

/// Whether a file has the digest that RECORD states for it.
fn has_digest(tree: &Dir, entry: &WheelEntry, cancel: &Cancellation) -> Result<bool> {
    let expected: Digest = entry
        .digest
        .ok_or_else(|| Error::cache(tree.path(), "an entry has no digest"))?;
    let mut hasher = Hasher::new(expected.algorithm());
    let Some(file) = tree.open_file(entry.path.as_str())? else {
        return Ok(false);
    };
    file.in_pieces(&mut |piece| {
        hasher.update(piece);
        cancel.check()
    })?;
    Ok(hasher.finish() == expected)
}

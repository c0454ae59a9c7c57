//! Everything that a store holds: a list of its entries, and the removal and check of single ones.
//!
//! Input: the path of a cache. Output: [`StoredItem`]s, which are plain data. Removing takes the
//! lock alone that commands share which use the store, so nothing is removed that one of them is
//! about to link. Only names of the store's are looked at, and no symbolic link is followed.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::entry::{INDEX, StoreCheck, TREE};
use super::notes::{ARCHIVES, FILES};
use super::{ContentId, FILLING, LOCK, STORE, StoredWheel, VERSION, index_file};
use crate::cancellation::Cancellation;
use crate::error::{Error, Result};
use crate::fs::{self, CacheDir, CacheLock, Dir, Fs};
use crate::spec::name::ProjectName;

/// The longest index, in bytes.
const MAX_INDEX: u64 = 1 << 30;
/// The longest note, in bytes.
const MAX_NOTE: u64 = 128;

/// An entry of a store.
#[derive(Debug, Clone)]
pub struct StoredItem {
    /// The identity of its contents.
    pub id: ContentId,
    /// The project; `None` if the index cannot be read.
    pub project: Option<ProjectName>,
    /// The lengths of all files.
    pub bytes: u64,
    /// The lengths of those that have names elsewhere, which are in use by environments: removing
    /// the entry does not free them.
    pub linked: u64,
    /// When it was last used, to the day.
    pub used: SystemTime,
}

impl StoredItem {
    /// Its path below the directory of the cache.
    pub fn path(&self) -> String {
        format!("{STORE}/{VERSION}/{}", self.id.path())
    }
}

/// A store, opened to look at all of it.
#[derive(Debug)]
pub struct StoreContents {
    root: CacheDir,
    dir: Dir,
}

impl StoreContents {
    /// Opens the store of the cache at a path; `None` if there is none.
    ///
    /// # Errors
    /// A directory that cannot be opened.
    pub fn open(path: &Path, fs: &Fs) -> Result<Option<Self>> {
        let Some(cache) = CacheDir::open(fs, path)? else {
            return Ok(None);
        };
        let Some(store) = cache.child(STORE)? else {
            return Ok(None);
        };
        let root = store.child(VERSION)?;
        let root = root.filter(|root| root.is_trusted_owner() && root.is_exclusive());
        let opened = root.map(|root| {
            Ok::<_, Error>(Self {
                dir: root.to_dir()?,
                root,
            })
        });
        opened.transpose()
    }

    /// All entries, sorted by content id.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn items(&self) -> Result<Vec<StoredItem>> {
        let mut items = Vec::new();
        for (beginning, _) in self.root.names()? {
            let Some(middle) = self
                .root
                .child(&beginning)?
                .filter(|_| beginning.len() == 2)
            else {
                continue;
            };
            for (name, _) in middle.names()? {
                let id = ContentId::from_hex(&name).filter(|_| name.starts_with(&beginning));
                items.extend(id.map(|id| self.item(id)).transpose()?);
            }
        }
        Ok(items)
    }

    fn item(&self, id: ContentId) -> Result<StoredItem> {
        let path = id.path();
        let index = self.dir.read(&format!("{path}/{INDEX}"), MAX_INDEX)?;
        let index = index.and_then(|bytes| index_file::decode(&bytes));
        let (mut bytes, mut linked) = (0, 0);
        for (_, stat) in self.dir.walk(&format!("{path}/{TREE}"))? {
            if stat.kind == fs::Kind::File {
                bytes += stat.size;
                linked += if stat.links > 1 { stat.size } else { 0 };
            }
        }
        let used = self.dir.stat(&format!("{path}/{INDEX}"))?;
        let used = used.map_or(UNIX_EPOCH, |stat| {
            // A time before 1970 is as good as the oldest.
            UNIX_EPOCH + Duration::from_secs(u64::try_from(stat.modified.0).unwrap_or(0))
        });
        Ok(StoredItem {
            id,
            project: index.map(|index| index.contents.metadata.name),
            bytes,
            linked,
            used,
        })
    }

    /// Takes the lock under which entries are removed; `None` if a command is using the store.
    ///
    /// # Errors
    /// A lock that cannot be taken.
    pub fn lock(&self) -> Result<Option<CacheLock>> {
        self.root.try_lock(LOCK)
    }

    /// Removes an entry. The caller holds the lock.
    ///
    /// # Errors
    /// An entry that cannot be removed.
    pub fn remove(&self, id: ContentId) -> Result<()> {
        let path = id.path();
        let Some((Some(parent), name)) = self.dir.parent_of(&path)? else {
            return Ok(());
        };
        // It disappears whole, so that a command that is killed leaves no half of it.
        let filling = self.root.make_child(FILLING)?.to_dir()?;
        let aside = format!("{REMOVED}{name}");
        fs::remove_tree(&filling, &aside)?;
        match parent.rename(name, &filling, &aside) {
            Err(error) if error.io_kind() == Some(std::io::ErrorKind::NotFound) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => fs::remove_tree(&filling, &aside),
        }
    }

    /// Removes what no entry needs: notes about entries that are gone, and what killed commands
    /// have left. The caller holds the lock, and `left` are the entries that are there.
    ///
    /// # Errors
    /// Something that cannot be removed.
    pub fn tidy(&self, left: &[ContentId]) -> Result<()> {
        for kind in [ARCHIVES, FILES] {
            let Some(notes) = self.root.child(kind)? else {
                continue;
            };
            for (name, _) in notes.names()? {
                let note = notes.read(&name, MAX_NOTE)?.unwrap_or_default();
                let id = std::str::from_utf8(&note)
                    .ok()
                    .and_then(|note| note.get(..64));
                let id = id.and_then(ContentId::from_hex);
                if id.is_none_or(|id| !left.contains(&id)) {
                    notes.remove_file(&name)?;
                }
            }
        }
        if let Some(filling) = self.root.child(FILLING)? {
            // Every command that fills the store shares the lock that the caller holds alone.
            let dir = filling.to_dir()?;
            for (name, _) in filling.names()? {
                fs::remove_tree(&dir, &name)?;
            }
        }
        Ok(())
    }

    /// The path of the first file of an entry that does not have its digest, or whose looks have
    /// changed; `None` if it is whole.
    ///
    /// # Errors
    /// Cancelling, or a file that cannot be looked at.
    pub fn damage(&self, item: &StoredItem, cancel: &Cancellation) -> Result<Option<String>> {
        let path = item.id.path();
        let below = |name: &str| format!("{}/{name}", item.path());
        let index = self.dir.read(&format!("{path}/{INDEX}"), MAX_INDEX)?;
        let Some(index) = index.and_then(|bytes| index_file::decode(&bytes)) else {
            return Ok(Some(below(INDEX)));
        };
        let Some(tree) = self.dir.open_below(&format!("{path}/{TREE}"))? else {
            return Ok(Some(below(TREE)));
        };
        let is_moved = tree.own_stat()?.inode != index.facts.tree;
        let stored = StoredWheel {
            id: item.id,
            tree,
            facts: index.facts,
        };
        // In a store that was copied, inodes mean nothing until it is used.
        let check = if is_moved {
            StoreCheck::OnlyContents
        } else {
            StoreCheck::Contents
        };
        let entries = &index.contents.entries;
        let damaged = stored.check(entries, check, cancel)?;
        Ok(damaged.map(|path| below(&format!("{TREE}/{path}"))))
    }
}

/// How the name of an entry begins that is being removed, in the directory for filling.
pub(super) const REMOVED: &str = "removed-";

//! The store: unpacked, verified wheels, and how environments get files from it.
//!
//! ```text
//! CACHE/store/v1/ab/ab12…/tree/…    the entries of a wheel by their paths in the archive
//! CACHE/store/v1/ab/ab12…/index     what planning needs, and what the files look like
//! CACHE/store/v1/archives/SHA256    the content id and the length of an archive that is known
//! CACHE/store/v1/files/KEY          the content id of a wheel on this machine
//! CACHE/store/v1/filling/RANDOM/    what a running command is unpacking, under a lock
//! CACHE/store/v1/lock               shared by commands that use the store
//! ```
//!
//! | file | what it does |
//! | --- | --- |
//! | `content_id` | the identity of a wheel's contents, which names its entry |
//! | `index_file` | the file `index` as bytes |
//! | `notes` | from an archive's hash, or a file on this machine, to a content id |
//! | `entry` | opens an entry, and checks or hashes its files |
//! | `filling` | unpacks a wheel into an entry, which appears whole by one rename |
//! | `linker` | makes files of an environment from those of the store |
//! | `directories` | directories that environments have symbolic links to |
//! | `self_contained` | whether the libraries of a wheel work behind such links |
//! | `contents` | everything in the store, for the commands that look after it |
//! | `settings` | what the user decides |
//!
//! Invariants: an entry is only ever seen whole, and every byte in it matched RECORD. Nothing is
//! written through a link: a file that differs from one environment to the next is written anew.
//! All files of an entry have one time of last change, in whole seconds of the past, so that every
//! later change of a file shows; an entry with such a file is dropped and unpacked again. Only
//! directories of this user that no other user can change are used. Limits: a change that keeps
//! length, time and inode is only seen by hashing.

mod content_id;
mod contents;
mod directories;
mod entry;
mod filling;
mod index_file;
mod linker;
mod notes;
mod self_contained;
mod settings;

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use content_id::ContentId;
pub use contents::{StoreContents, StoredItem};
pub use entry::{Found, StoreCheck, StoredWheel};
pub use filling::Filling;
pub use linker::{LinkWay, Linker, NewLinker, StoreCounts, StoredFile};
pub use notes::ArchiveFacts;
pub use settings::{LinkMode, StoreUse};

use crate::error::{Error, Result};
use crate::fs::{self, CacheDir, CacheLock, Dir, Fs, LockWait, Stat};

/// The places below the directory of a cache.
const STORE: &str = "store";
const VERSION: &str = "v1";
/// The lock that commands share which use the store; only a removal takes it alone.
const LOCK: &str = "lock";
/// The directory of entries that are not complete.
const FILLING: &str = "filling";
/// The lock of a directory in [`FILLING`].
const FILLING_LOCK: &str = "lock";
/// How long a directory may be without its lock: making the lock takes far less.
const MAKING: Duration = Duration::from_secs(60 * 60);

/// The store of a cache, in use by this command.
#[derive(Debug)]
pub struct Store {
    root: CacheDir,
    /// The same directory, for files below it.
    dir: Dir,
    /// Keeps `cache prune` from removing entries that are being used.
    _lock: CacheLock,
    /// Where this command unpacks; made when it is needed.
    place: OnceLock<FillingPlace>,
}

/// The private directory of a command below [`FILLING`].
#[derive(Debug)]
struct FillingPlace {
    name: String,
    dir: Dir,
    /// Tells other commands that its user is alive.
    _lock: CacheLock,
}

impl Store {
    /// Opens the store of the cache at `path`, and makes both if they are missing.
    ///
    /// # Errors
    /// A directory that cannot be made or written to, or that is another user's.
    pub fn open(path: &Path, fs: &Fs, wait: &LockWait<'_>) -> Result<Self> {
        let cache = CacheDir::make(fs, &fs::absolute(path)?)?;
        if !cache.is_trusted_owner() {
            let reason = format!("it belongs to another user (user ID {})", cache.stat().uid);
            return Err(Error::cache(cache.path(), reason));
        }
        let root = cache.make_child(STORE)?.make_child(VERSION)?;
        let lock = root.share_lock(LOCK, wait)?;
        Ok(Self {
            dir: root.to_dir()?,
            root,
            _lock: lock,
            place: OnceLock::new(),
        })
    }

    /// Whether the cache at `path` has a store.
    pub fn exists(path: &Path) -> bool {
        let lock = path.join(STORE).join(VERSION).join(LOCK);
        matches!(fs::lstat(&lock), Ok(Some(_)))
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// The directory in which this command unpacks.
    fn filling_place(&self) -> Result<&Dir> {
        if let Some(made) = self.place.get() {
            return Ok(&made.dir);
        }
        let made = self.make_filling_place()?;
        // If another thread was faster, this one is empty and is removed here.
        if let Err(second) = self.place.set(made) {
            self.remove_filling_place(&second);
        }
        let made = self.place.get().expect("it was set above");
        Ok(&made.dir)
    }

    fn make_filling_place(&self) -> Result<FillingPlace> {
        let filling = self.root.make_child(FILLING)?;
        remove_abandoned(&filling)?;
        let name = filling.to_dir()?.make_unique("")?;
        let place = filling.make_child(&name)?;
        Ok(FillingPlace {
            name,
            dir: place.to_dir()?,
            _lock: place.try_lock(FILLING_LOCK)?.ok_or_else(|| {
                Error::cache(
                    place.path(),
                    "another command has locked what this one made",
                )
            })?,
        })
    }

    fn remove_filling_place(&self, place: &FillingPlace) {
        // What stays behind is removed by the next command that fills the store.
        if let Ok(Some(filling)) = self.dir.open_below(FILLING) {
            let _ = fs::remove_tree(&filling, &place.name);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.remove_filling_place(&place);
        }
    }
}

/// Whether a directory has not changed for longer than [`MAKING`].
fn is_old(directory: &Stat) -> bool {
    let modified = u64::try_from(directory.modified.0).unwrap_or(u64::MAX);
    let latest = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    let latest = latest.and_then(|now| now.checked_sub(MAKING));
    latest.is_some_and(|latest| latest.as_secs() > modified)
}

/// Removes what killed commands were unpacking.
fn remove_abandoned(filling: &CacheDir) -> Result<()> {
    for (name, _) in filling.names()? {
        let Some(place) = filling.child(&name)? else {
            continue;
        };
        if name.starts_with(contents::REMOVED) {
            fs::remove_tree(&filling.to_dir()?, &name)?;
            continue;
        }
        let is_abandoned = match place.lstat(FILLING_LOCK)? {
            Some(_) => place.try_lock(FILLING_LOCK)?.is_some(),
            // It was made just now, or is being removed, or a kill came in between.
            None => is_old(place.stat()),
        };
        if is_abandoned {
            fs::remove_tree(&filling.to_dir()?, &name)?;
        }
    }
    Ok(())
}

//! Everything that a cache holds: a list, and the removal and check of single items.
//!
//! Input: the path of a cache. Output: [`CachedItem`]s, which are plain data. Invariants: only
//! what has a name and a place of the cache's is listed or removed, and no symbolic link is
//! followed; an unfinished download is removed under its lock, so never while it is written.
//! Complete files may be removed at any time: a process that uses one has it open.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::address_note::AddressNote;
use super::cache_places::{ADDRESSES, KNOWN, PAGES, PARTIAL, WHEELS, lock_name, locked_key};
use super::cache_root::of_this_user;
use super::partial::{CONTENT, LOG};
use crate::cancellation::Cancellation;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::Result;
use crate::fs::{CacheDir, Fs, INTERPRETERS, Kind, LockWait, OpenFile, ReadAt as _, Stat};
use crate::spec::name::ProjectName;
use crate::spec::wheel_name::WheelName;

/// The kinds of things in a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CachePart {
    /// Complete wheels.
    Wheels,
    /// Unpacked wheels.
    Store,
    /// Unfinished downloads.
    Partial,
    /// Notes that say where a complete wheel came from.
    Notes,
    /// Pages of indexes.
    Pages,
    /// Answers of interpreters.
    Interpreters,
}

impl CachePart {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 6] = [
        Self::Wheels,
        Self::Store,
        Self::Partial,
        Self::Notes,
        Self::Pages,
        Self::Interpreters,
    ];

    /// Its name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wheels => "wheels",
            Self::Store => "store",
            Self::Partial => "partial",
            Self::Notes => "notes",
            Self::Pages => "pages",
            Self::Interpreters => "interpreters",
        }
    }
}

/// One thing in a cache.
#[derive(Debug, Clone)]
pub struct CachedItem {
    /// Its kind.
    pub part: CachePart,
    /// Its path below the cache's directory.
    pub path: String,
    /// Its length in bytes; for an unpacked wheel those of its files.
    pub bytes: u64,
    /// How many of the bytes are shared with environments, so that removing it does not free them.
    pub linked: u64,
    /// When it was last used, to the day for complete wheels.
    pub used: SystemTime,
    /// For a wheel its own digest, for a note that of the wheel that it is about.
    pub digest: Option<Digest>,
    /// The project of a wheel.
    pub project: Option<ProjectName>,
    /// Whether it is what a killed command has left of a note, page or answer.
    pub is_leftover: bool,
}

impl CachedItem {
    /// The last component of its path; for a wheel its file name.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// A cache, opened to look at all of it.
#[derive(Debug)]
pub struct CacheContents {
    root: CacheDir,
}

impl CacheContents {
    /// Opens the cache at a path; `None` if there is none.
    ///
    /// # Errors
    /// A cache of another user, or a directory that cannot be opened.
    pub fn open(path: &Path, fs: &Fs) -> Result<Option<Self>> {
        let Some(root) = CacheDir::open(fs, path)? else {
            return Ok(None);
        };
        of_this_user(&root)?;
        Ok(Some(Self { root }))
    }

    /// The path of its directory.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Everything in it, sorted by path.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn items(&self) -> Result<Vec<CachedItem>> {
        let mut items = Vec::new();
        self.wheels(&mut items)?;
        self.partial(&mut items)?;
        for (name, part) in [
            (KNOWN, CachePart::Notes),
            (ADDRESSES, CachePart::Notes),
            (PAGES, CachePart::Pages),
            (INTERPRETERS, CachePart::Interpreters),
        ] {
            self.flat(name, part, &mut items)?;
        }
        items.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(items)
    }

    fn wheels(&self, items: &mut Vec<CachedItem>) -> Result<()> {
        let Some(wheels) = self.root.child(WHEELS)? else {
            return Ok(());
        };
        for (beginning, _) in names(&wheels, |name| is_hex(name, 2..=2))? {
            let Some(middle) = wheels.child(&beginning)? else {
                continue;
            };
            for (hex, _) in names(&middle, |name| is_hex(name, 64..=64))? {
                let (Some(place), Some(digest)) = (
                    middle.child(&hex)?,
                    Digest::from_hex(Algorithm::Sha256, &hex),
                ) else {
                    continue;
                };
                for (name, stat) in names(&place, |_| true)? {
                    if stat.kind == Kind::File {
                        items.push(CachedItem {
                            digest: Some(digest),
                            project: WheelName::parse(&name).ok().map(|name| name.name),
                            ..item(
                                CachePart::Wheels,
                                format!("{WHEELS}/{beginning}/{hex}/{name}"),
                                &stat,
                            )
                        });
                    }
                }
            }
        }
        Ok(())
    }

    fn partial(&self, items: &mut Vec<CachedItem>) -> Result<()> {
        let Some(partial) = self.root.child(PARTIAL)? else {
            return Ok(());
        };
        for (name, stat) in names(&partial, |name| {
            is_hex(locked_key(name).unwrap_or(name), 64..=64)
        })? {
            let path = |key: &str| format!("{PARTIAL}/{key}");
            if let Some(key) = locked_key(&name) {
                // A lock without a partial file is one that was just taken, or was left behind.
                if stat.kind == Kind::File && partial.lstat(key)?.is_none() {
                    items.push(item(CachePart::Partial, path(key), &stat));
                }
                continue;
            }
            let Some(directory) = partial.child(&name)? else {
                continue;
            };
            let mut found = item(CachePart::Partial, path(&name), directory.stat());
            found.bytes = 0;
            for stat in [LOG, CONTENT].map(|file| directory.lstat(file)) {
                let Some(stat) = stat? else { continue };
                found.bytes += stat.size;
                found.used = found.used.max(time(&stat));
            }
            items.push(found);
        }
        Ok(())
    }

    /// The files directly in the directory `name`.
    fn flat(&self, name: &str, part: CachePart, items: &mut Vec<CachedItem>) -> Result<()> {
        let Some(directory) = self.root.child(name)? else {
            return Ok(());
        };
        let is_own = |name: &str| {
            let finished = name
                .strip_prefix('.')
                .and_then(|rest| rest.split('.').next());
            is_hex(finished.unwrap_or(name), 32..=64)
        };
        for (file, stat) in names(&directory, is_own)? {
            if stat.kind != Kind::File {
                continue;
            }
            let mut found = item(part, format!("{name}/{file}"), &stat);
            found.is_leftover = file.starts_with('.');
            if part == CachePart::Notes && !found.is_leftover {
                let content = directory.read(&file, AddressNote::LONGEST)?;
                found.digest = content.as_deref().and_then(noted_digest);
            }
            items.push(found);
        }
        Ok(())
    }

    /// Removes one item; false if another process is working on it.
    ///
    /// # Errors
    /// An item that cannot be removed.
    pub fn remove(&self, item: &CachedItem, cancel: &Cancellation) -> Result<bool> {
        let (above, name) = item.path.rsplit_once('/').unwrap_or(("", &item.path));
        let mut directories = vec![self.root.clone()];
        for component in above.split('/') {
            let last = &directories[directories.len() - 1];
            let Some(child) = last.child(component)? else {
                // Another process has removed it.
                return Ok(true);
            };
            directories.push(child);
        }
        let directory = &directories[directories.len() - 1];
        if item.part == CachePart::Partial {
            return remove_partial(directory, name, cancel);
        }
        directory.remove_file(name)?;
        // The directories of a wheel go with it, but not `wheels`, which running commands hold.
        let names: Vec<&str> = above.split('/').collect();
        for depth in (1..names.len()).rev() {
            if !directories[depth].remove_empty(names[depth])? {
                break;
            }
        }
        Ok(true)
    }

    /// Whether the wheel `item` has the digest in its path.
    ///
    /// # Errors
    /// Cancelling only. A file that cannot be read is not intact.
    pub fn is_intact(&self, item: &CachedItem, cancel: &Cancellation) -> Result<bool> {
        let Ok(Some(file)) = self.open_item(item) else {
            return Ok(false);
        };
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let hashed = file.in_pieces(&mut |piece| {
            hasher.update(piece);
            cancel.check()
        });
        cancel.check()?;
        Ok(hashed.is_ok() && Some(hasher.finish()) == item.digest)
    }

    fn open_item(&self, item: &CachedItem) -> Result<Option<OpenFile>> {
        let mut components: Vec<&str> = item.path.split('/').collect();
        let name = components.pop().unwrap_or_default();
        let mut directory = self.root.clone();
        for component in components {
            let Some(child) = directory.child(component)? else {
                return Ok(None);
            };
            directory = child;
        }
        directory.file(name)
    }
}

/// Removes an unfinished download under its lock; false if another process holds that.
fn remove_partial(partial: &CacheDir, key: &str, cancel: &Cancellation) -> Result<bool> {
    let wait = LockWait {
        timeout: Duration::ZERO,
        cancel,
        waiting: &|_| {},
    };
    let lock = match partial.lock(&lock_name(key), &wait) {
        Ok(lock) => lock,
        Err(error) if error.code() == "locked" => return Ok(false),
        Err(error) => return Err(error),
    };
    if let Some(directory) = partial.child(key)? {
        // The log goes first: it must never promise bytes that are gone.
        directory.remove_file(LOG)?;
        directory.remove_file(CONTENT)?;
        partial.remove_empty(key)?;
    }
    lock.release()?;
    Ok(true)
}

fn item(part: CachePart, path: String, stat: &Stat) -> CachedItem {
    CachedItem {
        part,
        path,
        bytes: stat.size,
        linked: 0,
        project: None,
        used: time(stat),
        digest: None,
        is_leftover: false,
    }
}

/// The names in a directory that `is_own` accepts. None in one that this user does not own: it is
/// none of the cache's.
fn names(directory: &CacheDir, is_own: impl Fn(&str) -> bool) -> Result<Vec<(String, Stat)>> {
    if !directory.is_trusted_owner() {
        return Ok(Vec::new());
    }
    let mut names = directory.names()?;
    names.retain(|(name, _)| is_own(name));
    Ok(names)
}

fn is_hex(name: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    length.contains(&name.len()) && name.bytes().all(is_digit)
}

/// The digest in either kind of note.
fn noted_digest(content: &[u8]) -> Option<Digest> {
    let known = std::str::from_utf8(content).ok();
    let known = known.and_then(|hex| Digest::from_hex(Algorithm::Sha256, hex.trim()));
    known.or_else(|| AddressNote::parse(content).map(|(_, digest)| digest))
}

fn time(stat: &Stat) -> SystemTime {
    // A time before 1970 is as good as the oldest.
    let seconds = u64::try_from(stat.modified.0).unwrap_or(0);
    UNIX_EPOCH + Duration::from_secs(seconds)
}

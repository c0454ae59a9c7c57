//! The cache: its complete and partial files, their locks, and the check of each file.
//!
//! Input: a [`RemoteFile`]. Output: the file under its final name, open, hashed from the disk and
//! found to be what was promised; or the [`Partial`] that it is put together in. Invariants: a file
//! under `wheels/` was checked before it was put there, and is checked again when it is used. A
//! file that other users could change meanwhile is copied first, and the copy is checked and used.
//! Notes and partial files are used only if no other user could have written them. A part of the
//! cache that cannot be used counts as absent, with a warning.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::address_note::AddressNote;
use super::cache_places::{ADDRESSES, KNOWN, PARTIAL, WHEELS, lock_name};
use super::cache_root::{CacheRoots, open_roots};
use super::partial::{Head, Partial, Provenance};
use super::private_directories::PrivateDirectories;
use super::remote_file::RemoteFile;
use super::settings::Settings;
use crate::cancellation::Cancellation;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{ArchiveFault, Error, Fault, Result, SourceFault, WarningCode};
use crate::fs::{CacheDir, CacheLock, Fs, LockWait, OpenFile, ReadAt as _};
use crate::outcome::Warning;
use crate::spec::location::request_url;

/// How often a file is put to its place if `cache prune` keeps removing the empty directory.
const ATTEMPTS: usize = 8;

#[derive(Debug)]
pub(super) struct Cache {
    fs: Fs,
    roots: CacheRoots,
    /// A random name of this run, for the heads of partial files.
    session: String,
    /// The digests of files that were completed or confirmed in this run, by address: a file that
    /// is not pinned cannot be found in another way.
    finished: Mutex<HashMap<String, Digest>>,
    warnings: Mutex<Vec<Warning>>,
    /// Takes the files that cannot be put together in the cache itself.
    private: OnceLock<CacheDir>,
    private_directories: PrivateDirectories,
    lock_timeout: Duration,
}

/// The result of checking a complete file.
pub(super) enum Checked {
    /// It is what was promised, and was moved to its place.
    Good(OpenFile),
    /// It differs from what was promised in these ways, and was deleted.
    Bad(Vec<Fault>),
}

/// The lock of one file, and the directory in which the file is put together.
pub(super) struct FileLock {
    lock: CacheLock,
    directory: CacheDir,
}

impl Cache {
    /// The cache of the settings, which is made if it is missing, or a private one.
    pub(super) fn new(settings: &Settings, fs: &Fs) -> Result<Self> {
        let private_directories = PrivateDirectories::new();
        let (roots, warning) = open_roots(settings, &private_directories, fs)?;
        Ok(Self {
            fs: fs.clone(),
            roots,
            // The standard library seeds `RandomState` at random, which saves a crate for one name.
            session: format!("{:016x}", RandomState::new().build_hasher().finish()),
            finished: Mutex::default(),
            warnings: Mutex::new(Vec::from_iter(warning)),
            private: OnceLock::new(),
            private_directories,
            lock_timeout: settings.lock_timeout,
        })
    }

    /// The file if the cache has it. It is hashed again; a damaged one is deleted, with a warning.
    pub(super) fn cached(
        &self,
        wanted: &RemoteFile,
        cancel: &Cancellation,
    ) -> Result<Option<OpenFile>> {
        let finished = self.finished().get(&address(wanted)).copied();
        for digest in self.pinned_digest(wanted).into_iter().chain(finished) {
            if let Some(found) = self.checked(&digest, wanted, cancel)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The file that was fetched last from this address, and what identifies it to the server. It
    /// is only looked for if it is not pinned; a pinned one is found by its digest.
    pub(super) fn noted(
        &self,
        wanted: &RemoteFile,
        cancel: &Cancellation,
    ) -> Result<Option<(AddressNote, OpenFile)>> {
        if !wanted.pinned.is_empty() {
            return Ok(None);
        }
        for root in self.roots.for_reading() {
            let content = self.read_note(root, ADDRESSES, wanted);
            let Some((note, digest)) = content.as_deref().and_then(AddressNote::parse) else {
                continue;
            };
            if let Some(found) = self.checked(&digest, wanted, cancel)? {
                return Ok(Some((note, found)));
            }
        }
        Ok(None)
    }

    /// The directory of this name in the cache of the user, for what is kept between commands;
    /// `None` if nothing is.
    pub(super) fn kept_directory(&self, name: &str) -> Option<CacheDir> {
        let directory = self.roots.kept()?.make_child(name);
        // What cannot be kept is fetched again by the next command.
        directory.ok()
    }

    /// Says that the file that was [noted](Self::noted) is what its address has now.
    pub(super) fn confirm(&self, wanted: &RemoteFile, note: &AddressNote) {
        if let Some(digest) = note.digest() {
            self.finished().insert(address(wanted), digest);
        }
    }

    /// The file with this digest, if it is intact and what was promised.
    fn checked(
        &self,
        digest: &Digest,
        wanted: &RemoteFile,
        cancel: &Cancellation,
    ) -> Result<Option<OpenFile>> {
        for root in self.roots.for_reading() {
            let found = match open_archive(root, digest, &wanted.file_name) {
                Ok(None) => continue,
                Ok(Some(found)) => found,
                Err(error) => {
                    self.warn(wanted, &format!("is not used: {error}"));
                    continue;
                }
            };
            let file = if found.is_exclusive {
                found.file
            } else {
                // Its owner could change it after it was hashed.
                found.file.private_copy()?
            };
            let (actual, faults) = check(&file, wanted, cancel)?;
            // A file that fits the name of its directory is intact even if it fails these pins:
            // they may be wrong, and another command may want the file.
            if actual != *digest {
                let path = file.path().display();
                self.warn(wanted, &format!("`{path}` was damaged and is not used"));
                // A failure leaves it to the next command, which does not use it either.
                let _ = found.directory.remove_file(&wanted.file_name);
            } else if faults.is_empty() {
                file.mark_used();
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// The SHA-256 of the file, if its pinned digests determine it.
    fn pinned_digest(&self, wanted: &RemoteFile) -> Option<Digest> {
        if let Some(digest) = Digest::among(&wanted.pinned, Algorithm::Sha256) {
            return Some(digest);
        }
        if wanted.pinned.is_empty() {
            return None;
        }
        self.roots.for_reading().find_map(|root| {
            let text = self.read_note(root, KNOWN, wanted)?;
            let hex = std::str::from_utf8(&text).ok()?;
            Digest::from_hex(Algorithm::Sha256, hex)
        })
    }

    /// The content of a note about the file, if no other user could have written it.
    fn read_note(&self, root: &CacheDir, kind: &str, wanted: &RemoteFile) -> Option<Vec<u8>> {
        let read = root.child(kind).and_then(|notes| {
            let notes = notes.filter(CacheDir::is_exclusive);
            notes.map_or(Ok(None), |notes| {
                notes.read(&key(wanted), AddressNote::LONGEST)
            })
        });
        read.unwrap_or_else(|error| {
            self.warn(wanted, &format!("is not used: {error}"));
            None
        })
    }

    /// Takes the lock under which the file is fetched. `waiting` is called once if another process
    /// or thread holds it. If the holder makes no progress for too long, the file is fetched into a
    /// private directory.
    pub(super) fn lock(
        &self,
        wanted: &RemoteFile,
        cancel: &Cancellation,
        waiting: &dyn Fn(&Path),
    ) -> Result<FileLock> {
        let directory = self
            .roots
            .writing
            .make_child(PARTIAL)
            .map_err(Error::of_cache)?;
        let wait = LockWait {
            timeout: self.lock_timeout,
            cancel,
            waiting,
        };
        let name = lock_name(&key(wanted));
        let mut seen = progress(&directory, wanted);
        loop {
            match directory.lock(&name, &wait) {
                Ok(lock) => return Ok(FileLock { lock, directory }),
                Err(error) if error.code() == "locked" => {
                    let now = progress(&directory, wanted);
                    if now == seen {
                        let path = directory.path().join(&name);
                        let message = format!(
                            "another command holds `{}` and fetches nothing; the file is fetched \
                             without it",
                            path.display()
                        );
                        self.add_warning(Some(wanted.label.clone()), message);
                        break;
                    }
                    seen = now;
                }
                Err(error) => return Err(error.of_cache()),
            }
        }
        let directory = self.private()?;
        let lock = directory.lock(&name, &wait)?;
        Ok(FileLock { lock, directory })
    }

    /// Releases a lock of [`Cache::lock`] and deletes its file.
    pub(super) fn unlock(&self, lock: FileLock) {
        // An empty file that is left behind does no harm.
        let _ = lock.lock.release();
    }

    /// The partial file, with the bytes of earlier runs that are usable.
    pub(super) fn partial(&self, wanted: &RemoteFile, lock: &FileLock) -> Result<Partial> {
        let usable = |head: &Head| {
            // Pinned bytes may be from any run, as the digest of the whole shows a mixture. Nothing
            // shows that of others, so that they must be this user's for certain.
            let is_own = head.strong && lock.directory.proves_owners();
            let known = !wanted.pinned.is_empty() || is_own || head.session == self.session;
            known && wanted.size.is_none_or(|size| size == head.total)
        };
        match Partial::open(&lock.directory, &key(wanted), usable) {
            Err(error) if !error.is_disk_full() => {
                // The private directory is of no use to later commands, but works.
                self.warn(wanted, &format!("is not used: {error}"));
                Partial::open(&self.private()?, &key(wanted), usable)
            }
            result => result,
        }
    }

    /// A directory of this run alone.
    fn private(&self) -> Result<CacheDir> {
        if let Some(directory) = self.private.get() {
            return Ok(directory.clone());
        }
        let made = self.private_directories.make(&self.fs)?;
        // If another thread was faster, this one is not used.
        Ok(self.private.get_or_init(|| made).clone())
    }

    /// Removes what is not kept. Threads that still fetch into it fail then.
    pub(super) fn end(&self) {
        self.private_directories.remove();
    }

    /// Whether the bytes that are present may belong to another file than those that are fetched
    /// now: they are from an earlier run, or nothing but the address says that they are the same.
    pub(super) fn may_mix(&self, partial: &Partial) -> bool {
        let sure = |head: &Head| head.strong && head.session == self.session;
        partial.count() > 0 && !partial.head().is_some_and(sure)
    }

    /// The address and the run, for the heads of partial files.
    pub(super) fn origin(&self, wanted: &RemoteFile) -> Provenance {
        Provenance {
            address: address(wanted),
            session: self.session.clone(),
        }
    }

    /// Checks a complete file, and moves it to its place if it is what was promised.
    pub(super) fn finish(
        &self,
        wanted: &RemoteFile,
        partial: Partial,
        cancel: &Cancellation,
    ) -> Result<Checked> {
        let Some(file) = partial.open_file()? else {
            return Ok(Checked::Bad(vec![ArchiveFault::NotAFile.into()]));
        };
        // Ranges come in any order and partly from earlier runs, so that hashing cannot go along
        // with receiving: the bytes are read back.
        let (digest, faults) = check(&file, wanted, cancel)?;
        if !faults.is_empty() {
            partial.remove()?;
            return Ok(Checked::Bad(faults));
        }
        let note = AddressNote::new(&digest, partial.head());
        let kept = self.keep(&digest, wanted, &partial);
        // The file is open, so that it can be used even if it could not be kept.
        let file = match kept {
            Ok(path) => file.at(path),
            Err(error) => {
                self.warn(wanted, &format!("cannot keep the file: {error}"));
                file
            }
        };
        partial.remove()?;
        self.take_note(wanted, &digest, &note);
        self.finished().insert(address(wanted), digest);
        Ok(Checked::Good(file))
    }

    /// Moves a complete file to its place; returns that.
    fn keep(
        &self,
        digest: &Digest,
        wanted: &RemoteFile,
        partial: &Partial,
    ) -> Result<std::path::PathBuf> {
        let hex = digest.to_hex();
        let mut attempt = 1;
        loop {
            let moved = (self.roots.writing.make_child(WHEELS))
                .and_then(|wheels| wheels.make_child(&hex[..2]))
                .and_then(|wheels| wheels.make_child(&hex))
                .and_then(|place| {
                    partial.move_content(&place, &wanted.file_name)?;
                    Ok(place.path().join(&wanted.file_name))
                });
            match moved {
                // `cache prune` has removed the directory, which was empty until now.
                Err(error)
                    if error.io_kind() == Some(io::ErrorKind::NotFound) && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// Notes what the pins, or else the address, of a file do not say: its SHA-256.
    fn take_note(&self, wanted: &RemoteFile, digest: &Digest, note: &AddressNote) {
        let (kind, content) = if wanted.pinned.is_empty() {
            (ADDRESSES, note.to_json())
        } else if wanted.pinned.contains(digest) {
            return;
        } else {
            (KNOWN, digest.to_hex().into_bytes())
        };
        let notes = self.roots.writing.make_child(kind);
        // Without the note the next command fetches the file again.
        let _ = notes.and_then(|notes| notes.write(&key(wanted), &[&content]));
    }

    fn finished(&self) -> std::sync::MutexGuard<'_, HashMap<String, Digest>> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Warns of a part of the cache that has to do with a file.
    fn warn(&self, wanted: &RemoteFile, what: &str) {
        let message = format!("a part of the cache {what}");
        self.add_warning(Some(wanted.label.clone()), message);
    }

    fn add_warning(&self, wheel: Option<String>, message: String) {
        let warning = Warning {
            code: WarningCode::DamagedCache,
            wheel,
            message,
        };
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        // The same entry is looked at several times in one command.
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    pub(super) fn take_warnings(&self) -> Vec<Warning> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A complete file of the cache.
struct FoundArchive {
    file: OpenFile,
    directory: CacheDir,
    /// Whether only this user and root can change it, or put another one in its place.
    is_exclusive: bool,
}

fn open_archive(root: &CacheDir, digest: &Digest, file_name: &str) -> Result<Option<FoundArchive>> {
    let hex = digest.to_hex();
    let mut directory = root.clone();
    let mut is_exclusive = true;
    for name in [WHEELS, &hex[..2], &hex] {
        let Some(child) = directory.child(name)? else {
            return Ok(None);
        };
        is_exclusive &= child.is_exclusive();
        directory = child;
    }
    Ok(directory.file(file_name)?.map(|file| FoundArchive {
        is_exclusive: is_exclusive && file.is_exclusive(),
        file,
        directory,
    }))
}

/// How far the holder of the lock of a file has come: the length and time of its log. `None` if it
/// has not begun.
fn progress(directory: &CacheDir, wanted: &RemoteFile) -> Option<(u64, (i64, i64))> {
    // Failures count as no progress, which only shortens the wait.
    let stat = directory.child(&key(wanted)).ok()??.lstat("log").ok()??;
    Some((stat.size, stat.modified))
}

/// The SHA-256 of the whole file, and how it differs from what was promised.
fn check(
    file: &OpenFile,
    wanted: &RemoteFile,
    cancel: &Cancellation,
) -> Result<(Digest, Vec<Fault>)> {
    let mut faults = Vec::new();
    if let Some(promised) = wanted.size.filter(|size| *size != file.size()) {
        let actual = file.size();
        faults.push(SourceFault::Size { promised, actual }.into());
    }
    let mut algorithms: Vec<_> = wanted
        .pinned
        .iter()
        .map(Digest::algorithm)
        .chain([Algorithm::Sha256])
        .collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    let mut hashers: Vec<_> = algorithms.into_iter().map(Hasher::new).collect();
    file.in_pieces(&mut |piece| {
        hashers.iter_mut().for_each(|hasher| hasher.update(piece));
        cancel.check()
    })?;
    let digests: Vec<_> = hashers.into_iter().map(Hasher::finish).collect();
    for pinned in &wanted.pinned {
        let actual = Digest::among(&digests, pinned.algorithm());
        if let Some(actual) = actual.filter(|actual| actual != pinned) {
            let (pinned, actual) = (Box::new(*pinned), Box::new(actual));
            faults.push(SourceFault::Digest { pinned, actual }.into());
        }
    }
    // SHA-256 is always among them and sorts first.
    Ok((digests[0], faults))
}

/// The name of a partial file: made from its pinned digests, which identify the file at whichever
/// address, else from the address.
fn key(wanted: &RemoteFile) -> String {
    if wanted.pinned.is_empty() {
        return address(wanted);
    }
    let mut pinned: Vec<_> = wanted.pinned.iter().map(ToString::to_string).collect();
    // Two texts may list the digests of one file in different orders.
    pinned.sort_unstable();
    pinned.dedup();
    Digest::of(Algorithm::Sha256, pinned.join(",").as_bytes()).to_hex()
}

/// The address without credentials, hashed.
fn address(wanted: &RemoteFile) -> String {
    Digest::of(
        Algorithm::Sha256,
        request_url(&wanted.url).as_str().as_bytes(),
    )
    .to_hex()
}

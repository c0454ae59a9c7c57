//! The cache: its complete and partial files, their locks, and the check of each file.
//!
//! Input: a [`RemoteFile`]. Output: the file under its final name, open, hashed from the disk and
//! found to be what was promised; or the [`Partial`] that it is put together in. Invariant: a file
//! under `wheels/` was checked before it was put there, and is checked again when it is used.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::partial::{Head, Partial, Provenance};
use super::remote_file::RemoteFile;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{ArchiveFault, Error, Fault, Result, SourceFault};
use crate::fs::{
    self, CacheFile, Fs, Kind, Lock, LockWait, OpenFile, PrivateDirectory, ReadAt as _,
};
use crate::outcome::Warning;
use crate::spec::location::request_url;
use crate::threads::Cancel;

#[derive(Debug)]
pub(super) struct Cache {
    fs: Fs,
    root: PathBuf,
    /// A random name of this run, for the heads of partial files.
    session: String,
    /// The paths of files that were completed in this run, by address: a file that is not pinned
    /// cannot be found in another way.
    finished: Mutex<HashMap<String, PathBuf>>,
    warnings: Mutex<Vec<Warning>>,
    _private: Option<PrivateDirectory>,
}

/// The result of checking a complete file.
pub(super) enum Checked {
    /// It is what was promised, and was moved to its place.
    Good(OpenFile),
    /// It differs from what was promised in these ways, and was deleted.
    Bad(Vec<Fault>),
}

impl Cache {
    /// The cache at `root`, which is made if it is missing, or a private one.
    pub(super) fn new(root: Option<&Path>, fs: &Fs) -> Result<Self> {
        let private = if root.is_none() {
            Some(PrivateDirectory::new()?)
        } else {
            None
        };
        let root = root
            .or(private.as_ref().map(PrivateDirectory::path))
            .unwrap_or(Path::new("."));
        let root = fs::absolute(root)?;
        fs::make_shared(fs, &root).map_err(Error::of_cache)?;
        Ok(Self {
            fs: fs.clone(),
            root,
            // The standard library seeds `RandomState` at random, which saves a crate for one name.
            session: format!("{:016x}", RandomState::new().build_hasher().finish()),
            finished: Mutex::default(),
            warnings: Mutex::default(),
            _private: private,
        })
    }

    /// The file if the cache has it. It is hashed again; a damaged one is deleted, with a warning.
    pub(super) fn cached(&self, wanted: &RemoteFile, cancel: &Cancel) -> Result<Option<OpenFile>> {
        let finished = self
            .finished
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&address(wanted))
            .cloned();
        for path in self.place_of(wanted)?.into_iter().chain(finished) {
            if fs::lstat(&path)?.is_none_or(|stat| stat.kind != Kind::File) {
                continue;
            }
            let Some(file) = OpenFile::open(&path)? else {
                continue;
            };
            let (digest, faults) = check(&file, wanted, cancel)?;
            // A file that fits the name of its directory is intact even if it fails these pins:
            // they may be wrong, and another command may want the file.
            if path
                .parent()
                .is_some_and(|parent| !parent.ends_with(digest.to_hex()))
            {
                self.warn(wanted, &path);
                fs::remove(&self.fs, &path)?;
            } else if faults.is_empty() {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// The path of the complete file, if its pinned digests determine it.
    fn place_of(&self, wanted: &RemoteFile) -> Result<Option<PathBuf>> {
        if let Some(digest) = Digest::among(&wanted.pinned, Algorithm::Sha256) {
            return Ok(Some(self.place(&digest, wanted)));
        }
        let known = self.root.join("known").join(key(wanted));
        if wanted.pinned.is_empty() || fs::lstat(&known)?.is_none() {
            return Ok(None);
        }
        let text = fs::read_to_limit(&known, 64)?;
        let digest = std::str::from_utf8(&text)
            .ok()
            .and_then(|hex| Digest::from_hex(Algorithm::Sha256, hex));
        Ok(digest.map(|digest| self.place(&digest, wanted)))
    }

    fn place(&self, sha256: &Digest, wanted: &RemoteFile) -> PathBuf {
        let hex = sha256.to_hex();
        self.root
            .join("wheels")
            .join(&hex[..2])
            .join(&hex)
            .join(&wanted.file_name)
    }

    /// Takes the lock under which the file is fetched. `waiting` is called once if another process
    /// or thread holds it.
    pub(super) fn lock(
        &self,
        wanted: &RemoteFile,
        cancel: &Cancel,
        waiting: &dyn Fn(&Path),
    ) -> Result<Lock> {
        let directory = self.root.join("partial");
        fs::make_shared(&self.fs, &directory).map_err(Error::of_cache)?;
        let patience = LockWait {
            // The holder may be fetching a large file for hours, so only cancelling ends the wait.
            timeout: Duration::MAX,
            cancel: cancel.flag(),
            waiting,
        };
        let path = directory.join(format!("{}.lock", key(wanted)));
        // A failure to lock an environment is reported as a fault of the environment; this one is a
        // fault of the cache.
        Lock::acquire(&self.fs, &path, &patience).map_err(|error| {
            let source = std::error::Error::source(&error)
                .and_then(|source| source.downcast_ref::<io::Error>());
            match source.and_then(io::Error::raw_os_error) {
                Some(code) => {
                    Error::io("lock", &path, io::Error::from_raw_os_error(code)).of_cache()
                }
                None => error,
            }
        })
    }

    /// Releases a lock of [`Cache::lock`] and deletes its file.
    pub(super) fn unlock(&self, lock: Lock) {
        // An empty file that is left behind does no harm.
        let _ = lock.release_removed(&self.fs);
    }

    /// The partial file, with the bytes of earlier runs that are usable; its lock must be held.
    pub(super) fn partial(&self, wanted: &RemoteFile) -> Result<Partial> {
        Partial::open(
            &self.fs,
            &self.root.join("partial").join(key(wanted)),
            |head| {
                // Pinned bytes may be from any run, as the digest of the whole shows a mixture.
                let known =
                    !wanted.pinned.is_empty() || head.strong || head.session == self.session;
                known && wanted.size.is_none_or(|size| size == head.total)
            },
        )
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
        cancel: &Cancel,
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
        let place = self.place(&digest, wanted);
        if let Some(parent) = place.parent() {
            fs::make_shared(&self.fs, parent)?;
        }
        let file = file.renamed(&self.fs, &place)?;
        partial.remove()?;
        if !wanted.pinned.is_empty() && !wanted.pinned.contains(&digest) {
            self.remember(wanted, &digest)?;
        }
        self.finished
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(address(wanted), place);
        Ok(Checked::Good(file))
    }

    /// Notes the SHA-256 of a file that is pinned by other digests only. A torn note is ignored.
    fn remember(&self, wanted: &RemoteFile, digest: &Digest) -> Result<()> {
        let directory = self.root.join("known");
        fs::make_shared(&self.fs, &directory)?;
        // Every note has 64 digits, so writing over an older one needs no truncation.
        CacheFile::open(&self.fs, &directory.join(key(wanted)))?
            .write_at(digest.to_hex().as_bytes(), 0)
    }

    fn warn(&self, wanted: &RemoteFile, path: &Path) {
        let message = format!(
            "the cached `{}` was damaged and is not used",
            path.display()
        );
        let warning = Warning {
            code: "damaged-cache",
            wheel: Some(wanted.label.clone()),
            message,
        };
        self.warnings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(warning);
    }

    pub(super) fn take_warnings(&self) -> Vec<Warning> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The SHA-256 of the whole file, and how it differs from what was promised.
fn check(file: &OpenFile, wanted: &RemoteFile, cancel: &Cancel) -> Result<(Digest, Vec<Fault>)> {
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

//! METADATA of single versions: a file of its own, or part of a wheel.
//!
//! Input: versions, and the wheel of each. Output: facts in [`Scout::metadata`]; what they lead to
//! is asked for.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError, Weak};

use url::Url;

use super::{MISSING, Scout, asked_twice};
use crate::download::{Keep, RemoteFile, Resource, ResourceRequest, Urgency};
use crate::error::{ArchiveFault, Error, Result};
use crate::fs::OpenFile;
use crate::index::metadata::{self, KnownMetadata};
use crate::index::project::{IndexedProject, Offered};
use crate::spec::location::{Location, label_of};
use crate::spec::name::ProjectName;
use crate::spec::simple::MetadataFile;
use crate::spec::version::Version;

/// The form in which METADATA is kept by the digest of its wheel.
const METADATA_OF_WHEEL: &str = "METADATA 1";

impl Scout {
    /// Begins to look for the metadata of a version that `project` has.
    pub(in crate::index) fn want_metadata(
        self: &Arc<Self>,
        name: &ProjectName,
        version: &Version,
        project: &IndexedProject,
    ) {
        let key = (name.clone(), version.clone());
        let Some(urgency) = self.metadata.claim(&key) else {
            return;
        };
        let Some(wheel) = project.best(version) else {
            let reason = "no wheel of it can be used".to_owned();
            self.put_metadata(&key, Ok(KnownMetadata::unreadable(reason)));
            return;
        };
        match &wheel.location {
            Location::File(path) => {
                let read = OpenFile::open(path).and_then(|file| {
                    let label = || path.display().to_string();
                    let file =
                        file.ok_or_else(|| Error::wheel(&label(), ArchiveFault::NotAFile))?;
                    KnownMetadata::in_wheel(name, version, Box::new(file))
                });
                // It is not followed: a chain of local wheels would recurse without end, and
                // reading them when the solver asks costs no wait.
                self.metadata.put(&key, read.map(Arc::new));
            }
            Location::Url(url) => match wheel.metadata {
                MetadataFile::Absent => self.peek(key, wheel, urgency),
                MetadataFile::Unpinned | MetadataFile::Pinned(_) => {
                    self.ask_metadata_file(key, wheel, url, urgency);
                }
            },
        }
    }

    /// Asks for METADATA as a file of its own (PEP 658).
    fn ask_metadata_file(
        self: &Arc<Self>,
        key: (ProjectName, Version),
        wheel: &Offered,
        url: &Url,
        urgency: Urgency,
    ) {
        let mut url = url.clone();
        url.set_path(&format!("{}.metadata", url.path()));
        let pinned = match &wheel.metadata {
            MetadataFile::Pinned(digest) => Some(**digest),
            MetadataFile::Unpinned | MetadataFile::Absent => None,
        };
        let request = ResourceRequest {
            url: url.clone(),
            accept: None,
            gzip: true,
            limit: metadata::MOST_BYTES,
            // With a digest any copy is as good as the server's.
            keep: if pinned.is_some() {
                Keep::Forever
            } else {
                Keep::UntilStale
            },
            form: None,
            urgency: urgency.clone(),
        };
        let (scout, wheel, claimed) = (Arc::downgrade(self), wheel.clone(), key.clone());
        let arrived = move |answer: Result<Resource>| {
            let Some(scout) = Weak::upgrade(&scout) else {
                return;
            };
            let read = match answer {
                // The page promised the file. If it is missing, the wheel has METADATA.
                Ok(file) if MISSING.contains(&file.status) => {
                    scout.peek(key, &wheel, urgency);
                    return;
                }
                Ok(file) => KnownMetadata::of_file(&key, file, pinned),
                Err(error) => Err(error),
            };
            scout.put_metadata(&key, read);
        };
        if !self.downloader.want(request, arrived) {
            self.put_metadata(&claimed, Err(asked_twice(&url)));
        }
    }

    /// Reads METADATA out of a remote wheel, of which only parts are fetched if the server allows.
    fn peek(self: &Arc<Self>, key: (ProjectName, Version), wheel: &Offered, urgency: Urgency) {
        let Location::Url(url) = &wheel.location else {
            return;
        };
        let file = RemoteFile {
            url: url.clone(),
            file_name: wheel.file_name.to_string(),
            size: wheel.size,
            pinned: wheel.digests.to_vec(),
            label: label_of(url),
        };
        let scout = Arc::downgrade(self);
        let claimed = key.clone();
        let begun = self.downloader.run_beside(urgency, move || {
            if let Some(scout) = Weak::upgrade(&scout) {
                let read = scout.in_wheel(&key, &file);
                scout.put_metadata(&key, read);
            }
        });
        if let Err(error) = begun {
            self.metadata.put(&claimed, Err(error));
        }
    }

    /// METADATA in a remote wheel, or what an earlier command has read there.
    fn in_wheel(
        &self,
        (name, version): &(ProjectName, Version),
        file: &RemoteFile,
    ) -> Result<KnownMetadata> {
        // Equal digests mean equal METADATA. Without one the wheel may be another by now.
        let remembered = file.pinned.first().map(ToString::to_string);
        if let Some(key) = &remembered
            && let Some(text) = self.downloader.recall(key, METADATA_OF_WHEEL)
        {
            return Ok(KnownMetadata::read(name, version, text));
        }
        let peek = self.downloader.peek(file)?;
        let read = KnownMetadata::in_wheel(name, version, Box::new(peek.clone()));
        // The archive only knows that a read failed; the peek knows why.
        let read = peek.take_failure().map_or(read, Err)?;
        if let Some(key) = &remembered
            && !read.text.is_empty()
        {
            (self.downloader).remember(key, METADATA_OF_WHEEL, read.text.clone());
        }
        Ok(read)
    }

    /// Begins to look for the metadata of versions that are likely to be rejected. The pages of the
    /// projects that they need are left to the solver, which asks for them if it takes the version.
    pub(in crate::index) fn want_unfollowed_metadata(
        self: &Arc<Self>,
        name: &ProjectName,
        versions: Vec<Version>,
        project: Arc<IndexedProject>,
    ) {
        // Noted before the metadata is asked for: it may arrive before this function returns.
        let keys = versions
            .iter()
            .map(|version| (name.clone(), version.clone()));
        self.unfollowed().extend(keys);
        let (scout, name) = (Arc::downgrade(self), name.clone());
        // In a long walk the solver has the most work of all threads, so it goes on meanwhile.
        self.downloader.run_soon(move || {
            for version in &versions {
                if let Some(scout) = Weak::upgrade(&scout) {
                    scout.want_metadata(&name, version, &project);
                }
            }
            if let Some(lowest) = versions.iter().min() {
                project.rank_below(lowest, versions.len());
            }
        });
    }

    fn unfollowed(&self) -> MutexGuard<'_, BTreeSet<(ProjectName, Version)>> {
        let unfollowed = self.unfollowed.lock();
        unfollowed.unwrap_or_else(PoisonError::into_inner)
    }

    fn put_metadata(self: &Arc<Self>, key: &(ProjectName, Version), read: Result<KnownMetadata>) {
        let read = read.map(Arc::new);
        let found = read.as_ref().ok().cloned();
        self.metadata.put(key, read);
        // The guard must not live on: following may put other metadata from this very thread.
        let is_followed = !self.unfollowed().contains(key);
        if let Some(found) = found
            && is_followed
        {
            self.follow_metadata(&key.0, &found.dependencies);
        }
    }
}

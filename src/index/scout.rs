//! Fetching ahead of the solver: pages lead to metadata, and metadata leads to pages.
//!
//! Input: the names and versions that the solver or an earlier answer leads to. Output: facts in
//! [`Scout::projects`] and [`Scout::metadata`]. Whatever arrives is read on the connection's thread
//! and asks for what it leads to, so the network runs down the graph whether the solver is there
//! yet or not. Invariants: a page and a metadata file are asked for once; what is fetched ahead
//! decides nothing. Limits: the metadata of one version per page is followed, the one that would be
//! taken if nothing else had a say; that of a version that the solver expects to reject is not.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use url::Url;

use super::awaited::Awaited;
use super::links::Links;
use super::merge::Answers;
use super::metadata::{self, KnownMetadata};
use super::page::condensed;
use super::project::{IndexedProject, Offered};
use super::settings::{DirectWheel, IndexSettings};
use crate::download::{Downloader, Keep, RemoteFile, Resource, ResourceRequest};
use crate::error::{ArchiveFault, Error, IndexFault, Result};
use crate::fs::OpenFile;
use crate::resolve::{Dependencies, VersionFilter};
use crate::spec::location::{Location, label_of};
use crate::spec::name::ProjectName;
use crate::spec::requirement::Requirement;
use crate::spec::simple::{self, CONDENSED, CondensedPage, MetadataFile, ProjectStatus};
use crate::spec::version::Version;
use crate::spec::wheel_name::WheelName;

/// The statuses that mean "not here" (RFC 9110, 15.5.5 and 15.5.11).
const MISSING: [u16; 2] = [404, 410];

/// The form in which METADATA is kept by the digest of its wheel.
const METADATA_OF_WHEEL: &str = "METADATA 1";

/// Fetches pages and metadata files, from any thread.
pub(super) struct Scout {
    pub(super) downloader: Downloader,
    pub(super) settings: IndexSettings,
    links: Links,
    pub(super) projects: Awaited<ProjectName, IndexedProject>,
    pub(super) metadata: Awaited<(ProjectName, Version), KnownMetadata>,
    /// The extras that something asks for.
    extras: Mutex<BTreeSet<(ProjectName, String)>>,
    /// The versions that are likely to be rejected, so that their metadata leads to nothing.
    unfollowed: Mutex<BTreeSet<(ProjectName, Version)>>,
    /// Warnings about projects (PEP 792).
    pub(super) remarks: Mutex<Vec<(ProjectName, ProjectStatus)>>,
}

impl Scout {
    pub(super) fn new(downloader: Downloader, settings: IndexSettings, links: Links) -> Self {
        Self {
            downloader,
            settings,
            links,
            projects: Awaited::new(),
            metadata: Awaited::new(),
            extras: Mutex::default(),
            unfollowed: Mutex::default(),
            remarks: Mutex::default(),
        }
    }

    /// Begins to look at the wheels that requirements name by address.
    pub(super) fn want_direct(self: &Arc<Self>) {
        for (name, DirectWheel { location, digests }) in &self.settings.direct {
            let file_name = location.file_name();
            let Ok(parsed) = WheelName::parse(&file_name) else {
                continue;
            };
            let wheel = Offered::direct(location.clone(), &file_name, digests);
            let wheels = vec![(parsed.version.clone(), wheel)];
            let accepts = &self.settings.acceptance;
            let project = Arc::new(IndexedProject::of_wheels(name, wheels, accepts));
            if self.projects.claim(name) {
                self.projects.put(name, Ok(Arc::clone(&project)));
                self.want_metadata(name, &parsed.version, &project);
            }
        }
    }

    /// Begins to look for the versions of a project. `lead` are the versions that something needs.
    pub(super) fn want_project(self: &Arc<Self>, name: &ProjectName, lead: Option<VersionFilter>) {
        if !self.projects.claim(name) {
            return;
        }
        let wheels = self.links.get(name);
        if self.settings.locations.merges(name) {
            self.ask_all_indexes(name, wheels.cloned(), lead);
        } else if let Some(wheels) = wheels {
            let accepts = &self.settings.acceptance;
            let project = IndexedProject::of_wheels(name, wheels.clone(), accepts);
            self.projects.put(name, Ok(Arc::new(project)));
        } else {
            self.ask_index(name, 0, lead);
        }
    }

    /// Asks the `number`-th index for a project, and the next one if that does not know it.
    fn ask_index(self: &Arc<Self>, name: &ProjectName, number: usize, lead: Option<VersionFilter>) {
        let pages = self.settings.locations.pages(name);
        let Some((index, url)) = pages.into_iter().nth(number) else {
            // No index knows it.
            self.projects.put(name, Ok(Arc::default()));
            return;
        };
        let project = name.clone();
        let arrived = move |scout: Arc<Self>, answer: Result<Resource>| match answer {
            Ok(page) if MISSING.contains(&page.status) => {
                scout.ask_index(&project, number + 1, lead);
            }
            Ok(page) => scout.read_page(&project, &index.label(), page, |read| {
                scout.put_project(&project, read, lead.as_ref());
            }),
            Err(error) => scout.projects.put(&project, Err(error)),
        };
        if !self.ask_page(&url, arrived) {
            // Two projects have different addresses, so only a redirecting index gets here.
            self.projects.put(name, Err(asked_twice(&url)));
        }
    }

    /// Asks all indexes for a project at the same time, and merges their answers with `wheels`,
    /// which come before all of them.
    fn ask_all_indexes(
        self: &Arc<Self>,
        name: &ProjectName,
        wheels: Option<Vec<(Version, Offered)>>,
        lead: Option<VersionFilter>,
    ) {
        let accepts = &self.settings.acceptance;
        let wheels = wheels.map(|wheels| IndexedProject::of_wheels(name, wheels, accepts));
        let pages = self.settings.locations.pages(name);
        let answers = Arc::new(Answers::new(pages.len(), wheels));
        let lead = Arc::new(lead);
        for (number, (index, url)) in pages.into_iter().enumerate() {
            let (answers, lead) = (Arc::clone(&answers), Arc::clone(&lead));
            let project = name.clone();
            let arrived = move |scout: Arc<Self>, answer: Result<Resource>| {
                let note = |answer: Result<Option<IndexedProject>>| {
                    let accepts = &scout.settings.acceptance;
                    if let Some(merged) = answers.put(number, answer, &project, accepts) {
                        scout.put_project(&project, merged, lead.as_ref().as_ref());
                    }
                };
                match answer {
                    Ok(page) if MISSING.contains(&page.status) => note(Ok(None)),
                    Ok(page) => scout.read_page(&project, &index.label(), page, |read| {
                        note(read.map(Some));
                    }),
                    Err(error) => note(Err(error)),
                }
            };
            if !self.ask_page(&url, arrived) {
                // This answer stays missing, so that nothing replaces the error.
                self.projects.put(name, Err(asked_twice(&url)));
                return;
            }
        }
    }

    /// Asks for a page. Returns false if its address was asked for before.
    fn ask_page(
        self: &Arc<Self>,
        url: &Url,
        arrived: impl FnOnce(Arc<Self>, Result<Resource>) + Send + 'static,
    ) -> bool {
        let request = ResourceRequest {
            url: url.clone(),
            accept: Some(simple::ACCEPT.to_owned()),
            gzip: true,
            limit: simple::MOST_BYTES,
            keep: Keep::UntilStale,
            form: Some(CONDENSED),
        };
        let scout = Arc::downgrade(self);
        self.downloader.want(request, move |answer| {
            if let Some(scout) = Weak::upgrade(&scout) {
                arrived(scout, answer);
            }
        })
    }

    fn read_page(
        &self,
        name: &ProjectName,
        index: &str,
        mut answer: Resource,
        done: impl FnOnce(Result<IndexedProject>),
    ) {
        let (page, keep) = match condensed(name, &mut answer) {
            Ok((page, keep)) => (Ok(page), keep),
            Err(error) => (Err(error), None),
        };
        // Those that wait go on before the page is written to the cache.
        done(page.and_then(|page| self.project_of(name, index, &answer.url, page)));
        if let Some(content) = keep {
            answer.keep(content);
        }
    }

    fn put_project(
        self: &Arc<Self>,
        name: &ProjectName,
        read: Result<IndexedProject>,
        lead: Option<&VersionFilter>,
    ) {
        let read = read.map(Arc::new);
        let found = read.as_ref().ok().cloned();
        if let Some(found) = &found
            && found.status != ProjectStatus::Active
        {
            let mut remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
            remarks.push((name.clone(), found.status.clone()));
        }
        self.projects.put(name, read);
        // Wants the metadata of the version that will most likely be taken.
        if let Some(found) = found
            && let Some(version) = self.likely(name, &found, lead)
        {
            self.want_metadata(name, &version, &found);
        }
    }

    fn project_of(
        &self,
        name: &ProjectName,
        index: &str,
        at: &Url,
        page: CondensedPage,
    ) -> Result<IndexedProject> {
        if let ProjectStatus::Quarantined(reason) = &page.status {
            let fault = IndexFault::Quarantined {
                project: name.to_string(),
                reason: reason.clone(),
            };
            return Err(Error::wheel(&label_of(at), fault));
        }
        let accepts = &self.settings.acceptance;
        Ok(IndexedProject::of_page(name, page, at, index, accepts))
    }

    /// The version that will be taken if nothing else has a say.
    fn likely(
        &self,
        name: &ProjectName,
        project: &IndexedProject,
        lead: Option<&VersionFilter>,
    ) -> Option<Version> {
        let ahead = &self.settings.ahead;
        let stated = ahead
            .stated
            .get(name)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let candidates = &project.candidates;
        let all = candidates.versions();
        let will_do = |position: &usize| {
            let version = &all[*position];
            let is_wanted = lead.is_none_or(|set| set(version))
                && stated.iter().all(|set| set.contains(version));
            // The state takes longest to find out.
            is_wanted && {
                let state = candidates.state(*position);
                state.rejection.is_none() && state.yanked.is_none()
            }
        };
        let preferred = |position: &usize| ahead.prereleases || !all[*position].is_prerelease();
        let positions = || (0..all.len()).rev();
        let found = positions().filter(preferred).find(will_do);
        let found = found.or_else(|| positions().find(will_do))?;
        Some(all[found].clone())
    }

    /// Begins to look for the metadata of a version that `project` has.
    pub(super) fn want_metadata(
        self: &Arc<Self>,
        name: &ProjectName,
        version: &Version,
        project: &IndexedProject,
    ) {
        let key = (name.clone(), version.clone());
        if !self.metadata.claim(&key) {
            return;
        }
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
                MetadataFile::Absent => self.peek(key, wheel),
                MetadataFile::Unpinned | MetadataFile::Pinned(_) => {
                    self.ask_metadata_file(key, wheel, url);
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
        };
        let (scout, wheel, claimed) = (Arc::downgrade(self), wheel.clone(), key.clone());
        let arrived = move |answer: Result<Resource>| {
            let Some(scout) = Weak::upgrade(&scout) else {
                return;
            };
            let read = match answer {
                // The page promised the file. Where it is missing, the wheel has METADATA.
                Ok(file) if MISSING.contains(&file.status) => {
                    scout.peek(key, &wheel);
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
    fn peek(self: &Arc<Self>, key: (ProjectName, Version), wheel: &Offered) {
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
        let begun = self.downloader.run_beside(move || {
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

    /// Begins to look for the metadata of a version that is likely to be rejected. The pages of the
    /// projects that it needs are left to the solver, which asks for them if it takes the version.
    pub(super) fn want_unfollowed_metadata(
        self: &Arc<Self>,
        name: &ProjectName,
        version: &Version,
        project: &IndexedProject,
    ) {
        // Noted before the metadata is asked for: it may arrive before this function returns.
        self.unfollowed().insert((name.clone(), version.clone()));
        self.want_metadata(name, version, project);
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

    /// Wants the pages of everything that METADATA leads to.
    fn follow_metadata(self: &Arc<Self>, name: &ProjectName, dependencies: &Dependencies) {
        let ahead = &self.settings.ahead;
        let Dependencies::Stated(stated) = dependencies else {
            return;
        };
        if ahead.no_deps {
            return;
        }
        let extras = self.extras_of(name);
        for requirement in &stated.requires {
            let applies = requirement.applies(&ahead.environment)
                || (extras.iter())
                    .any(|extra| requirement.applies_only_with(extra, &ahead.environment));
            if applies {
                self.want_requirement(requirement);
            }
        }
    }

    /// Begins to look for the project that a requirement names, unless what is installed will do.
    pub(super) fn want_requirement(self: &Arc<Self>, requirement: &Requirement) {
        let name = &requirement.name;
        let Some(specifiers) = requirement.specifiers() else {
            return;
        };
        self.note_extras(name, &requirement.extras);
        let installed = self.settings.installed.get(name);
        let is_settled = self.settings.direct.contains_key(name)
            || installed.is_some_and(|(version, _)| specifiers.contains(version));
        if !is_settled {
            let set = specifiers.clone();
            self.want_project(name, Some(Box::new(move |version| set.contains(version))));
        }
    }

    fn note_extras(&self, name: &ProjectName, extras: &[String]) {
        if extras.is_empty() {
            return;
        }
        let mut known = self.extras.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(extras.iter().map(|extra| (name.clone(), extra.clone())));
    }

    fn extras_of(&self, name: &ProjectName) -> Vec<String> {
        let known = self.extras.lock().unwrap_or_else(PoisonError::into_inner);
        let from = (name.clone(), String::new());
        let of_name = known.range(from..).take_while(|(other, _)| other == name);
        of_name.map(|(_, extra)| extra.clone()).collect()
    }
}

/// The refusal of an address that was asked for already, as another file.
fn asked_twice(url: &Url) -> Error {
    let reason = "the index gives two files this address".to_owned();
    Error::wheel(&label_of(url), IndexFault::NotAPage(reason))
}

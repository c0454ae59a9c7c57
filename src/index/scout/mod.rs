//! Fetching ahead of the solver: pages lead to metadata, and metadata leads to pages.
//!
//! Input: the names and versions that the solver or an earlier answer leads to. Output: facts in
//! [`Scout::projects`] and [`Scout::metadata`]. Whatever arrives is read on the connection's thread
//! and asks for what it leads to, so the network runs down the graph whether the solver is there
//! yet or not. Invariants: a page and a metadata file are asked for once; what is fetched ahead
//! decides nothing. Limits: the metadata of one version per page is followed, the one that would be
//! taken if nothing else had a say; that of a version that the solver expects to reject is not, and
//! none is any more once the solver expects to reject many.

mod metadata;
mod pages;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use url::Url;

use super::awaited::Awaited;
use super::links::Links;
use super::metadata::KnownMetadata;
use super::project::{IndexedProject, Offered};
use super::settings::{DirectWheel, IndexSettings};
use crate::download::Downloader;
use crate::error::{Error, IndexFault};
use crate::resolve::Dependencies;
use crate::spec::location::label_of;
use crate::spec::name::ProjectName;
use crate::spec::requirement::Requirement;
use crate::spec::simple::ProjectStatus;
use crate::spec::version::Version;
use crate::spec::wheel_name::WheelName;

/// The statuses that mean "not here" (RFC 9110, 15.5.5 and 15.5.11).
const MISSING: [u16; 2] = [404, 410];

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
    /// Whether metadata leads to pages.
    is_following: AtomicBool,
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
            is_following: AtomicBool::new(true),
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
            if self.projects.claim(name).is_some() {
                self.projects.put(name, Ok(Arc::clone(&project)));
                self.want_metadata(name, &parsed.version, &project);
            }
        }
    }

    /// Leaves what METADATA leads to to the solver, which asks for it when it takes the version:
    /// many of the versions that were guessed are rejected.
    pub(super) fn stop_following(&self) {
        // Relaxed: a late reader asks for a page more.
        self.is_following.store(false, Ordering::Relaxed);
    }

    /// Wants the pages of everything that METADATA leads to.
    fn follow_metadata(self: &Arc<Self>, name: &ProjectName, dependencies: &Dependencies) {
        let ahead = &self.settings.ahead;
        let Dependencies::Stated(stated) = dependencies else {
            return;
        };
        if ahead.no_deps || !self.is_following.load(Ordering::Relaxed) {
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

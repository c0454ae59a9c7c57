//! Package indexes: which versions there are, what they need, and where their wheels are.
//!
//! Input: [`IndexSettings`] and a [`Downloader`]. Output: [`Index`], from which the solver learns
//! everything ([`KnownProjects`]), and afterwards the wheel of each version. Invariants: the first
//! index that knows a project decides alone, unless the indexes are to be merged; an index that
//! cannot be asked is an error and never passed over; METADATA is that of the wheel which is
//! then installed. Limits: wheels only; the simple index ("Simple repository API"), directories,
//! pages of links.
//!
//! ```text
//! solver ──► Index ──► Scout ──► pages ──► IndexedProject
//!                        ▲ └───► .metadata, else parts of the wheel ──► KnownMetadata
//!                        └──────────── what they lead to ◄──────────────┘
//! ```

mod acceptance;
mod awaited;
mod links;
mod locations;
mod merge;
mod metadata;
mod page;
mod project;
mod scout;
mod settings;

use std::sync::{Arc, PoisonError};

pub use acceptance::Acceptance;
pub use locations::{IndexUrl, Locations, default_index};
pub use metadata::KnownMetadata;
pub use project::{IndexedProject, Offered};
pub use settings::{Ahead, DirectWheel, IndexSettings};

use scout::Scout;

use crate::download::{Asked, Downloader};
use crate::error::Result;
use crate::fs;
use crate::resolve::{Candidates, Dependencies, KnownProjects, StatedRequirement, VersionFilter};
use crate::spec::name::ProjectName;
use crate::spec::simple::ProjectStatus;
use crate::spec::version::Version;

/// All indexes of a command.
pub struct Index {
    scout: Arc<Scout>,
    /// Keeps the cache for the scout, which threads may hold longer than they should keep it.
    _downloader: Downloader,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let locations = &self.scout.settings.locations;
        f.debug_tuple("Index").field(locations).finish()
    }
}

impl Index {
    /// Reads directories, pages of links and the wheels that are named by address.
    ///
    /// # Errors
    /// One of them cannot be fetched or read.
    pub fn new(downloader: Downloader, settings: IndexSettings) -> Result<Self> {
        let links = links::read(&downloader, &settings.find_links)?;
        let index = Self {
            scout: Arc::new(Scout::new(downloader.for_callbacks(), settings, links)),
            _downloader: downloader,
        };
        index.scout.want_direct();
        Ok(index)
    }

    /// Begins to look for everything that these requirements lead to.
    pub(crate) fn want_ahead(&self, roots: &[StatedRequirement]) {
        let environment = &self.scout.settings.ahead.environment;
        for root in roots {
            if root.requirement.applies(environment) {
                self.scout.want_requirement(&root.requirement);
            }
        }
    }

    /// A project that was looked for.
    ///
    /// # Errors
    /// Its page cannot be fetched or read.
    pub fn project(&self, name: &ProjectName) -> Result<Arc<IndexedProject>> {
        self.scout.want_project(name, None);
        self.scout
            .projects
            .wait(name, self.scout.downloader.cancel())
    }

    /// The metadata of a version.
    ///
    /// # Errors
    /// It cannot be fetched.
    pub fn metadata(&self, name: &ProjectName, version: &Version) -> Result<Arc<KnownMetadata>> {
        let key = (name.clone(), version.clone());
        if let Some(found) = self.scout.metadata.peek(&key) {
            return Ok(found);
        }
        if let Some((installed, path)) = self.scout.settings.installed.get(name)
            && installed == version
        {
            let text = fs::read_to_limit(path, metadata::MOST_BYTES)?;
            let read = Arc::new(KnownMetadata::read(name, version, text));
            self.scout.metadata.put(&key, Ok(Arc::clone(&read)));
            return Ok(read);
        }
        let project = self.project(name)?;
        self.scout.want_metadata(name, version, &project);
        self.scout
            .metadata
            .wait(&key, self.scout.downloader.cancel())
    }

    /// Waits until the pages that have come are in the cache.
    pub(crate) fn settle(&self) {
        self.scout.downloader.settle();
    }

    /// What was asked of servers so far.
    pub fn asked(&self) -> Asked {
        self.scout.downloader.asked()
    }

    /// The projects that are archived or deprecated (PEP 792), sorted by name.
    pub fn remarks(&self) -> Vec<(ProjectName, ProjectStatus)> {
        let mut remarks = self
            .scout
            .remarks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        remarks.sort_by(|one, other| one.0.cmp(&other.0));
        remarks
    }
}

impl KnownProjects for Index {
    fn want_candidates(&self, name: &ProjectName, set: VersionFilter) {
        self.scout.want_project(name, Some(set));
    }

    fn want_requirements(&self, name: &ProjectName, version: &Version) {
        if let Some(project) = self.scout.projects.peek(name) {
            self.scout.want_metadata(name, version, &project);
        }
    }

    fn want_ahead(&self, name: &ProjectName, versions: Vec<Version>) {
        if let Some(project) = self.scout.projects.peek(name) {
            self.scout.want_unfollowed_metadata(name, versions, project);
        }
    }

    fn expect_rejections(&self) {
        self.scout.stop_following();
    }

    fn peek_candidates(&self, name: &ProjectName) -> Option<Arc<Candidates>> {
        let project = self.scout.projects.peek(name)?;
        Some(Arc::clone(&project.candidates))
    }

    fn candidates(&self, name: &ProjectName) -> Result<Arc<Candidates>> {
        Ok(Arc::clone(&self.project(name)?.candidates))
    }

    fn requirements(&self, name: &ProjectName, version: &Version) -> Result<Arc<Dependencies>> {
        Ok(Arc::clone(&self.metadata(name, version)?.dependencies))
    }

    fn should_cancel(&self) -> Result<()> {
        self.scout.downloader.cancel().check()
    }
}

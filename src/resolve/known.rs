//! What is known about projects: their versions, and what each version needs.
//!
//! Input: nothing; these are the types. [`KnownProjects`] is the only way in which the solver
//! learns something: an index implements it, and tests do with values in memory.

use std::fmt;
use std::sync::Arc;

use crate::digest::Digest;
use crate::error::Result;
use crate::spec::core_metadata::Metadata;
use crate::spec::marker;
use crate::spec::name::ProjectName;
use crate::spec::requirement::Requirement;
use crate::spec::version::{Specifiers, Version};

/// Whether a version is in a set.
pub(crate) type VersionFilter = Box<dyn Fn(&Version) -> bool + Send + Sync>;

/// The source of all facts about projects.
///
/// The methods that begin with `want` and `peek` never wait, and their results never decide
/// anything; the others wait until the fact is there.
pub(crate) trait KnownProjects {
    /// Begins to look for the versions of a project, unless that has begun. What the best one of
    /// those in `set` needs will be wanted next.
    fn want_candidates(&self, name: &ProjectName, set: VersionFilter);

    /// Begins to look for what one version needs, unless that has begun.
    fn want_requirements(&self, name: &ProjectName, version: &Version);

    /// The same for versions that are likely to be rejected, as others of their project were: what
    /// they need themselves is better not looked for.
    fn want_ahead(&self, name: &ProjectName, versions: Vec<Version>);

    /// From now on many of the versions that would be taken are rejected, so that what one needs is
    /// better looked for when the search takes it.
    fn expect_rejections(&self) {}

    /// The versions of a project if they are here already.
    fn peek_candidates(&self, name: &ProjectName) -> Option<Arc<Candidates>>;

    /// Every version of a project. For a project that a requirement or constraint of the command
    /// names by URL, only the version at that URL.
    ///
    /// # Errors
    /// The page or file cannot be fetched or read. A project that does not exist is no error.
    fn candidates(&self, name: &ProjectName) -> Result<Arc<Candidates>>;

    /// What one version needs. It is asked for usable versions, and for installed ones, whose
    /// METADATA is in the environment.
    ///
    /// # Errors
    /// METADATA cannot be fetched. If it cannot be read, [`Dependencies::Unreadable`] says so.
    fn requirements(&self, name: &ProjectName, version: &Version) -> Result<Arc<Dependencies>>;

    /// Called often, so that a long search can be ended.
    ///
    /// # Errors
    /// The error to end with.
    fn should_cancel(&self) -> Result<()>;

    /// The search looks at another version of this project, the `times`-th one. `reason` says why
    /// the one before does not fit, if that is known.
    fn report_tried(&self, name: &ProjectName, times: u32, reason: &dyn Fn() -> Option<String>) {
        let _ = (name, times, reason);
    }
}

/// The versions of a project, usable or not.
#[derive(Clone, Default)]
pub(crate) struct Candidates {
    /// In ascending order, each version once.
    versions: Vec<Version>,
    /// `None` if there are no versions.
    states: Option<Arc<dyn VersionStates>>,
    /// Whether any index or directory knows the project.
    pub(crate) is_known: bool,
}

impl fmt::Debug for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.versions).finish()
    }
}

/// Which versions of a project can be used, by their positions.
///
/// Most versions are never looked at, so an implementation finds the answer out when it is asked
/// for, and remembers it. It is always the same.
pub(crate) trait VersionStates: Send + Sync {
    /// The state of the version at this position.
    fn state(&self, position: usize) -> &VersionState;
}

/// Whether a version can be used.
#[derive(Debug, Clone, Default)]
pub(crate) struct VersionState {
    /// Why it cannot be used; `None` if it can.
    pub(crate) rejection: Option<Rejection>,
    /// The reason for which it was withdrawn, maybe an empty one (PEP 592).
    pub(crate) yanked: Option<Arc<str>>,
}

impl Candidates {
    /// The versions of a project that is known. They are in ascending order, each once.
    pub(crate) fn new(versions: Vec<Version>, states: Arc<dyn VersionStates>) -> Self {
        Self {
            versions,
            states: Some(states),
            is_known: true,
        }
    }

    /// All versions, in ascending order.
    pub(crate) fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The position of a version.
    pub(crate) fn position(&self, version: &Version) -> Option<usize> {
        self.versions.binary_search(version).ok()
    }

    /// The state of the version at this position.
    pub(crate) fn state(&self, position: usize) -> &VersionState {
        let states = self.states.as_ref();
        states.expect("there are versions").state(position)
    }
}

/// Why a version cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// It has no wheel, only source distributions.
    NoWheel,
    /// None of its wheels has tags that fit the environment.
    Tags,
    /// Its wheels are for other Pythons, which this set states.
    Python(Specifiers),
    /// All of its wheels were uploaded too late, or it is not known when.
    TooNew,
    /// None of its wheels has one of the required hashes.
    Hash(Box<OtherHash>),
}

/// A wheel that fits but for its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OtherHash {
    /// The name of the file.
    pub(crate) file_name: String,
    /// The hash that it has.
    pub(crate) actual: Digest,
    /// The hashes of which it would have to have one; at least one.
    pub(crate) required: Vec<Digest>,
}

/// What one version needs, if that can be read.
#[derive(Debug, Clone)]
pub(crate) enum Dependencies {
    /// What METADATA states.
    Stated(Stated),
    /// METADATA cannot be read, for this reason.
    Unreadable(String),
}

/// The statements of METADATA that matter for resolving.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stated {
    /// Each `Requires-Dist`.
    pub(crate) requires: Vec<Requirement>,
    /// Each `Provides-Extra`, normalized.
    pub(crate) extras: Vec<String>,
    /// `Requires-Python`.
    pub(crate) python: Option<Specifiers>,
}

impl Dependencies {
    /// The dependencies that METADATA states. A line that cannot be read makes all of it
    /// unreadable: leaving it out would install something that does not work.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let mut requires = Vec::with_capacity(metadata.requires_dist.len());
        for line in &metadata.requires_dist {
            match Requirement::parse(line) {
                Ok(requirement) => requires.push(requirement),
                Err(reason) => {
                    let reason = format!("`Requires-Dist: {line}` cannot be read: {reason}");
                    return Self::Unreadable(reason);
                }
            }
        }
        let extras = metadata.provides_extra.iter();
        Self::Stated(Stated {
            requires,
            extras: extras.map(|extra| marker::normalized(extra)).collect(),
            python: metadata.requires_python.clone(),
        })
    }
}

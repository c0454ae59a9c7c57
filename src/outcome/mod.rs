//! The results of commands as plain data, and the events on the way to them.
//!
//! Commands return values. Warnings, progress and the duration of each step go to [`Events`], also
//! if the command fails later. Nothing here formats for people or
//! machines; that is the command line's.

mod activity;
mod checked;

use std::path::Path;
use std::time::Duration;

use crate::error::{Clash, MOST_KEPT, WarningCode};

pub(crate) use activity::LockWaitReport;
pub use activity::{Activity, ActivityKind, RunningActivity};
pub use checked::{CheckOutcome, Difference, DifferenceState, UnmetRequirement};

/// The result of a command that changes an environment, or would.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// How the command ended.
    pub status: Status,
    /// The change of each project, made or planned, sorted by name.
    pub changes: Vec<ProjectChange>,
    /// The conflicts that were resolved, and how.
    pub conflicts: Vec<PathConflict>,
    /// The files that would be written and removed; only of a dry run.
    pub files: Option<PlannedFiles>,
    /// How many files came from the store; `None` if it was not used.
    pub store: Option<StoreFigures>,
}

impl Outcome {
    pub(crate) fn new(status: Status) -> Self {
        Self {
            status,
            changes: Vec::new(),
            conflicts: Vec::new(),
            files: None,
            store: None,
        }
    }
}

/// What a command used the store for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StoreFigures {
    /// How many files are hard links to files of the store.
    pub linked: u64,
    /// How many files share their blocks with files of the store.
    pub cloned: u64,
    /// How many files were copied from the store.
    pub copied: u64,
    /// How many files are in directories that are symbolic links to those of the store.
    pub symlinked: u64,
    /// How many files were written without it.
    pub written: u64,
    /// How many wheels were put into it.
    pub filled: u64,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// The changes are in the environment.
    Committed,
    /// The artefact is written.
    Packed,
    /// The command was a dry run.
    Planned,
    /// There was nothing to do.
    Unchanged,
}

/// One project and what is done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProjectChange {
    /// The kind of change.
    pub action: Action,
    /// The project's name, normalised.
    pub name: String,
    /// The version afterwards; for a removed project the version before.
    pub version: String,
    /// The version before, if the project was installed.
    pub previous: Option<String>,
    /// The wheel that is installed, as it was named.
    pub source: Option<String>,
    /// How many files are written, or removed.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The kinds of changes to a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// It is new.
    Install,
    /// Another version replaces it.
    Replace,
    /// The same version replaces it.
    Reinstall,
    /// It is removed.
    Remove,
    /// It is already installed and stays as it is.
    Keep,
}

/// The files of a plan. Paths are relative to the directory of the packages if they are inside it,
/// otherwise to the environment's root.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedFiles {
    /// The files to write, sorted.
    pub write: Vec<String>,
    /// The files to remove, sorted, and directories that are removed as a whole. A path in both
    /// lists is replaced.
    pub remove: Vec<String>,
}

/// A path with more than one owner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathConflict {
    /// The path, as in [`PlannedFiles`].
    pub path: String,
    /// The owners: project names, or what else is at the path.
    pub owners: Vec<String>,
    /// The content of each owner, in the same order: a digest, or `a file`, `a directory`.
    pub contents: Vec<String>,
    /// The length in bytes of what each owner has, in the same order; `None` if it is no file.
    pub sizes: Vec<Option<u64>>,
    /// `error`, or the owner whose content is on disk afterwards.
    pub resolution: String,
}

impl PathConflict {
    /// A conflict that stopped the command.
    pub fn refused(clash: &Clash) -> Self {
        let sides = clash.owners.iter();
        Self {
            path: clash.path.clone(),
            owners: sides.clone().map(|side| side.owner.clone()).collect(),
            contents: sides.clone().map(|side| side.content.clone()).collect(),
            sizes: sides.map(|side| side.size).collect(),
            resolution: "error".to_owned(),
        }
    }
}

/// Something odd that did not stop the command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// Its kind.
    pub code: WarningCode,
    /// The wheel or project that it is about, if it is about one.
    pub wheel: Option<String>,
    /// A sentence.
    pub message: String,
}

impl Warning {
    /// A warning about this wheel or project.
    pub fn about(wheel: impl Into<String>, code: WarningCode, message: impl Into<String>) -> Self {
        Self {
            code,
            wheel: Some(wheel.into()),
            message: message.into(),
        }
    }
}

/// The warnings about one input, of which the first thousand are kept and the others counted.
#[derive(Debug, Default)]
pub(crate) struct BoundedWarnings {
    kept: Vec<Warning>,
    left_out: u64,
}

impl BoundedWarnings {
    /// Adds a warning.
    pub(crate) fn push(&mut self, warning: Warning) {
        if self.kept.len() < MOST_KEPT {
            self.kept.push(warning);
        } else {
            self.left_out += 1;
        }
    }

    /// Adds to the number of those that are not kept.
    pub(crate) fn leave_out(&mut self, count: u64) {
        self.left_out += count;
    }

    /// All that were kept, and one that says how many more there are; `wheel` is what they are
    /// about.
    pub(crate) fn finish(mut self, wheel: Option<&str>) -> Vec<Warning> {
        if self.left_out > 0 {
            self.kept.push(Warning {
                code: WarningCode::LeftOut,
                wheel: wheel.map(str::to_owned),
                message: format!("{} more warnings are left out", self.left_out),
            });
        }
        self.kept
    }
}

/// An installed project.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstalledProject {
    /// The name, normalised.
    pub name: String,
    /// The version as its dist-info states it.
    pub version: String,
    /// The content of INSTALLER.
    pub installer: Option<String>,
    /// How many files its RECORD lists; `None` if it has no RECORD.
    pub files: Option<u64>,
    /// Their bytes as recorded.
    pub bytes: Option<u64>,
    /// Other projects that list one of its paths with another digest.
    pub conflicts: Vec<String>,
}

/// One step of a command, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Deciding which wheels satisfy the requirements.
    Resolve,
    /// Opening and validating the wheels.
    Open,
    /// Waiting for the lock, reading what is installed, deciding.
    Plan,
    /// Unpacking, checking, writing.
    Stage,
    /// Moving everything in.
    Commit,
    /// Deleting what was moved out.
    Clean,
}

/// A download that failed and is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Retry {
    /// Why it failed.
    pub why: String,
    /// The pause before the next try.
    pub pause: Duration,
    /// The number of the next try, which is at least 2.
    pub attempt: u32,
    /// How many tries there are at the most before it is given up.
    pub attempts: u32,
}

/// Receives events while a command works. Methods may be called from several threads at once; by
/// default they do nothing.
pub trait Events: Sync {
    /// Something is odd, and the command goes on.
    fn warning(&self, warning: Warning) {
        // Parameters have names for the documentation, and `let _` keeps them from being unused.
        let _ = warning;
    }
    /// A source is no valid Python, so it has no bytecode. This is the end of the traceback; a
    /// warning follows.
    fn not_compiled(&self, traceback: &str) {
        let _ = traceback;
    }
    /// Nothing else says where to look, so these places of pip's configuration count.
    fn pip_places(&self, places: &[String]) {
        let _ = places;
    }
    /// A step has ended after so long.
    fn step(&self, step: Step, took: Duration) {
        let _ = (step, took);
    }
    /// Staging begins; it will write so many files and bytes.
    fn begin(&self, files: u64, bytes: u64) {
        let _ = (files, bytes);
    }
    /// So many more files and bytes are written.
    fn advance(&self, files: u64, bytes: u64) {
        let _ = (files, bytes);
    }
    /// The cache has this remote wheel, so that it is not downloaded.
    fn in_cache(&self, name: &str) {
        let _ = name;
    }
    /// Another process holds the lock, and the command waits for it.
    fn waiting(&self, lock: &Path) {
        let _ = lock;
    }
    /// Staging has ended, whether it succeeded or not.
    fn end(&self) {}
    /// Something begins that may take long. Several may run at once, each with its own number.
    fn activity_begin(&self, number: usize, activity: &Activity) {
        let _ = (number, activity);
    }
    /// So many more of its parts are done.
    fn activity_advance(&self, number: usize, parts: u64) {
        let _ = (number, parts);
    }
    /// It works on something else now; comes often.
    fn activity_subject(&self, number: usize, subject: &str) {
        let _ = (number, subject);
    }
    /// It has ended, whether it succeeded or not.
    fn activity_end(&self, number: usize) {
        let _ = number;
    }
    /// So many files will be fetched, each as one transfer; `bytes` is their sum if the length of
    /// each is known.
    fn transfers(&self, files: usize, bytes: Option<u64>) {
        let _ = (files, bytes);
    }
    /// A preview of a file failed and is tried again. A preview is no transfer, unless it fetches
    /// the whole file: then it is reported as one.
    fn look_retry(&self, name: &str, retry: &Retry) {
        let _ = (name, retry);
    }
    /// The conflicts that the options resolve, before anything is written.
    fn resolved(&self, conflicts: &[PathConflict]) {
        let _ = conflicts;
    }
    /// A file is being fetched; `present` of its `total` bytes are here already. Comes again with
    /// the same number once the length is known, or if the file is started again.
    fn transfer_begin(&self, transfer: usize, name: &str, total: Option<u64>, present: u64) {
        let _ = (transfer, name, total, present);
    }
    /// So many more bytes of it have arrived.
    fn transfer_advance(&self, transfer: usize, bytes: u64) {
        let _ = (transfer, bytes);
    }
    /// It failed and is tried again.
    fn transfer_retry(&self, transfer: usize, retry: &Retry) {
        let _ = (transfer, retry);
    }
    /// It is complete and checked, or was given up.
    fn transfer_end(&self, transfer: usize) {
        let _ = transfer;
    }
}

/// Ignores all events.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Events for Silent {}

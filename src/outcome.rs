//! What happened, or would happen, as plain data: the object that `--json` prints (schema version
//! 1).
//!
//! A command fills a [`Report`] as it goes, so that a failure too can say which environment it was
//! about and what was warned of before it. Nothing here formats for people: that is the command
//! line's.

use std::path::PathBuf;

use serde::Serialize;

use crate::error::{Clash, Effect, Error, ErrorKind};

/// The whole report of one command.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The version of this schema: 1.
    pub version: u32,
    /// How the command ended.
    pub outcome: Outcome,
    /// The environment that it was about; null where none was found.
    pub environment: Option<EnvironmentReport>,
    /// What was, or would be, done to which project, sorted by name.
    pub changes: Vec<ChangeReport>,
    /// Paths with more than one owner, and how each was settled.
    pub conflicts: Vec<ConflictReport>,
    /// What was odd and did not stop the command.
    pub warnings: Vec<Warning>,
    /// Which files would be written and removed; only of `--dry-run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlannedFiles>,
    /// What is installed, sorted by name; only of `list`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projects: Option<Vec<ListedProject>>,
    /// How many installed projects were compared; only of `check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projects_checked: Option<usize>,
    /// What differs from its RECORD; only of `check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differences: Option<Vec<Difference>>,
    /// How long each step took, in milliseconds.
    pub timings_ms: Timings,
    /// What went wrong; null on success.
    pub error: Option<ErrorReport>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Done: the changes are in the environment.
    Committed,
    /// Only planned (`--dry-run`).
    Planned,
    /// There was nothing to do.
    Unchanged,
    /// It failed; `error` says why and what that did.
    Failed,
}

/// Where things go in an environment; all paths are absolute.
#[derive(Debug, Clone, Serialize)]
pub struct EnvironmentReport {
    /// The virtual environment, the target directory or the prefix.
    pub root: PathBuf,
    /// `venv`, `target` or `prefix`.
    pub kind: &'static str,
    /// Where pure Python files go.
    pub purelib: PathBuf,
    /// Where platform-dependent files go.
    pub platlib: PathBuf,
    /// Where scripts go.
    pub scripts: PathBuf,
}

/// One project and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeReport {
    /// What is done.
    pub action: Action,
    /// The project's name, normalised.
    pub name: String,
    /// The version that is there afterwards; of a removed project the one that was there.
    pub version: String,
    /// The version that was there before, where there was one.
    pub previous: Option<String>,
    /// The wheel it comes from; null where nothing is installed.
    pub source: Option<String>,
    /// How many files it has, of those that are written or removed.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What is done to a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It was not there.
    Install,
    /// Another version takes its place.
    Replace,
    /// The same version takes its place.
    Reinstall,
    /// It goes.
    Remove,
    /// It is there already and stays as it is.
    Keep,
}

/// The files that a plan is about, as paths relative to the directory of the packages where they
/// are inside it, else to the environment's root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedFiles {
    /// What would be written, sorted.
    pub write: Vec<String>,
    /// What would be moved out, sorted: files, and directories of which nothing would stay. What is
    /// in both lists is replaced.
    pub remove: Vec<String>,
}

/// A path with more than one owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConflictReport {
    /// The path, relative to the directory of the packages where it is inside, else to the
    /// environment's root.
    pub path: String,
    /// The owners: project names, or what else stands there.
    pub owners: Vec<String>,
    /// What each owner has there, in the same order: a digest, or `a file`, `a directory`.
    pub contents: Vec<String>,
    /// `error`, or the owner whose content is on disk afterwards.
    pub resolution: String,
}

impl ConflictReport {
    /// A conflict that stopped the command.
    pub fn refused(clash: &Clash) -> Self {
        Self {
            path: clash.path.clone(),
            owners: clash
                .owners
                .iter()
                .map(|(owner, _)| owner.clone())
                .collect(),
            contents: clash.owners.iter().map(|(_, what)| what.clone()).collect(),
            resolution: "error".to_owned(),
        }
    }
}

/// Something odd that did not stop the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// A short fixed word for it, as `record-padded-digest`.
    pub code: &'static str,
    /// The wheel or project that it is about, where it is about one.
    pub wheel: Option<String>,
    /// A sentence about it.
    pub message: String,
}

/// Milliseconds per step; absent where the step was not reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Timings {
    /// Opening and validating the wheels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<f64>,
    /// Waiting for the lock, reading what is installed, deciding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<f64>,
    /// Unpacking, checking, writing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<f64>,
    /// Moving everything in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<f64>,
    /// Deleting what was moved out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clean: Option<f64>,
}

/// A failure, for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorReport {
    /// The kind that decides the exit code: `failed`, `usage`, `input`, `conflict`, `environment`,
    /// `differences`, `interrupted`.
    pub kind: &'static str,
    /// The sentence that people are shown.
    pub message: String,
    /// `untouched`, `rolled-back` or `unfinished`.
    pub effect: &'static str,
    /// Every wheel that was refused with every fault of it; empty for other failures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wheels: Vec<RefusedWheel>,
}

/// A wheel that was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedWheel {
    /// The wheel as it was named.
    pub wheel: String,
    /// All of its faults.
    pub faults: Vec<String>,
}

impl Report {
    /// A report of a command that has done nothing yet.
    pub fn new() -> Self {
        Self {
            version: 1,
            outcome: Outcome::Unchanged,
            environment: None,
            changes: Vec::new(),
            conflicts: Vec::new(),
            warnings: Vec::new(),
            plan: None,
            projects: None,
            projects_checked: None,
            differences: None,
            timings_ms: Timings::default(),
            error: None,
        }
    }

    /// Turns the report into one of this failure: what was planned did not happen.
    pub fn fail(&mut self, error: &Error) {
        self.outcome = Outcome::Failed;
        self.changes.clear();
        if !error.clashes().is_empty() {
            self.conflicts = error
                .clashes()
                .iter()
                .map(ConflictReport::refused)
                .collect();
        }
        let wheels = error
            .refused_wheels()
            .iter()
            .map(|(wheel, faults)| RefusedWheel {
                wheel: wheel.clone(),
                faults: faults.iter().map(ToString::to_string).collect(),
            });
        self.error = Some(ErrorReport {
            kind: kind_word(error.kind()),
            message: error.to_string(),
            effect: effect_word(error.effect()),
            wheels: wheels.collect(),
        });
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

fn kind_word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Failed => "failed",
        ErrorKind::Usage => "usage",
        ErrorKind::Input => "input",
        ErrorKind::Conflict => "conflict",
        ErrorKind::Environment => "environment",
        ErrorKind::Differences => "differences",
        ErrorKind::Interrupted => "interrupted",
    }
}

fn effect_word(effect: Effect) -> &'static str {
    match effect {
        Effect::Untouched => "untouched",
        Effect::RolledBack => "rolled-back",
        Effect::Unfinished => "unfinished",
    }
}

/// What `list` knows of one installed project.
#[derive(Debug, Clone, Serialize)]
pub struct ListedProject {
    /// The name, normalised.
    pub name: String,
    /// The version as its dist-info says it.
    pub version: String,
    /// The word in INSTALLER.
    pub installer: Option<String>,
    /// How many files its RECORD lists; null where it has none.
    pub files: Option<u64>,
    /// Their bytes as recorded.
    pub bytes: Option<u64>,
    /// Other projects that list one of its paths with another digest.
    pub conflicts: Vec<String>,
}

/// One file that `check` found to differ from its RECORD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The project whose RECORD lists the file.
    pub project: String,
    /// The path as RECORD writes it.
    pub path: String,
    /// What is wrong with it.
    pub state: DifferenceState,
    /// The two sides, where there are two.
    pub detail: Option<String>,
}

/// What is wrong with an installed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DifferenceState {
    /// It is not there.
    Missing,
    /// Its content is not what RECORD states.
    Changed,
    /// It cannot be read, or is no regular file.
    Unreadable,
    /// It is a script that cannot be executed, or a file that nobody but its owner can read though
    /// its directory is open.
    Mode,
    /// RECORD has rows of another machine, or ones that cannot be read.
    Record,
}

/// What is told while a command works. All methods may be called from several threads; by default
/// nothing is done.
pub trait Progress: Sync {
    /// Staging begins: so many files and bytes will be written.
    fn begin(&self, files: u64, bytes: u64) {
        let _ = (files, bytes);
    }
    /// So many more files and bytes were written.
    fn advance(&self, files: u64, bytes: u64) {
        let _ = (files, bytes);
    }
    /// Waiting for another process that holds the lock.
    fn waiting(&self, lock: &std::path::Path) {
        let _ = lock;
    }
    /// Staging has ended, well or not.
    fn end(&self) {}
    /// So many files will be fetched, each of them a transfer; their bytes, where the length of
    /// each is known beforehand.
    fn transfers(&self, files: usize, bytes: Option<u64>) {
        let _ = (files, bytes);
    }
    /// A look at a file came to a halt, for this reason, and is tried again. A look is no transfer,
    /// unless it brings the whole file: then it is told as one once it has.
    fn look_retry(&self, name: &str, why: &str) {
        let _ = (name, why);
    }
    /// A file is being fetched, of which `present` bytes of `total` are here already. Told again
    /// under the same number where its length becomes known, or where it begins anew.
    fn transfer_begin(&self, transfer: usize, name: &str, total: Option<u64>, present: u64) {
        let _ = (transfer, name, total, present);
    }
    /// So many more bytes of it have arrived.
    fn transfer_advance(&self, transfer: usize, bytes: u64) {
        let _ = (transfer, bytes);
    }
    /// It came to a halt, for this reason, and is tried again.
    fn transfer_retry(&self, transfer: usize, why: &str) {
        let _ = (transfer, why);
    }
    /// It is complete and checked, or was given up.
    fn transfer_end(&self, transfer: usize) {
        let _ = transfer;
    }
}

/// Progress that nobody is told of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}

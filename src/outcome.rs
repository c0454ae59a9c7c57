//! What happened, or would happen, as plain data.
//!
//! A command fills a [`Report`] as it goes, so that a failure too can say which environment it was
//! about and what was warned of before it. Nothing here formats for people or machines: that is the
//! command line's.

use std::path::PathBuf;

use crate::error::Clash;

/// The whole report of one command.
#[derive(Debug, Clone)]
pub struct Report {
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
    pub plan: Option<PlannedFiles>,
    /// What is installed, sorted by name; only of `list`.
    pub projects: Option<Vec<ListedProject>>,
    /// How many installed projects were compared; only of `check`.
    pub projects_checked: Option<usize>,
    /// What differs from its RECORD; only of `check`.
    pub differences: Option<Vec<Difference>>,
    /// How long each step took, in milliseconds.
    pub timings_ms: Timings,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done: the changes are in the environment.
    Committed,
    /// Only planned (`--dry-run`).
    Planned,
    /// There was nothing to do.
    Unchanged,
}

/// Where things go in an environment; all paths are absolute.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedFiles {
    /// What would be written, sorted.
    pub write: Vec<String>,
    /// What would be moved out, sorted: files, and directories of which nothing would stay. What is
    /// in both lists is replaced.
    pub remove: Vec<String>,
}

/// A path with more than one owner.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// A short fixed word for it, as `record-padded-digest`.
    pub code: &'static str,
    /// The wheel or project that it is about, where it is about one.
    pub wheel: Option<String>,
    /// A sentence about it.
    pub message: String,
}

/// Milliseconds per step; absent where the step was not reached.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Timings {
    /// Opening and validating the wheels.
    pub open: Option<f64>,
    /// Waiting for the lock, reading what is installed, deciding.
    pub plan: Option<f64>,
    /// Unpacking, checking, writing.
    pub stage: Option<f64>,
    /// Moving everything in.
    pub commit: Option<f64>,
    /// Deleting what was moved out.
    pub clean: Option<f64>,
}

impl Report {
    /// A report of a command that has done nothing yet.
    pub fn new() -> Self {
        Self {
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
        }
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

/// What `list` knows of one installed project.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

//! The plan: everything that will happen, as a plain value that can be printed.
//!
//! Input: wheels, what is installed, and what a survey saw. Output: a [`Plan`]: which projects
//! change, which files are written, which places they take, and the renames that bring it about.
//! Nothing here does I/O, so all of it is tested with plain values; and nothing after it decides
//! anything.

pub mod changes;
pub mod conflict;
pub mod operations;
pub mod removal;
pub mod spread;

use std::sync::Arc;

use crate::digest::{Digest, Identity};
use crate::environment::layout::Place;
use crate::outcome::{Action, ConflictReport, Warning};
use crate::spec::name::ProjectName;
use crate::spec::record::RecordRow;
use crate::wheel::EntryId;

pub use operations::{Operation, OperationKind};

/// The number of a wheel in the order of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WheelId(pub u32);

/// The number of a change in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChangeId(pub u32);

/// What is done to one project.
#[derive(Debug, Clone)]
pub struct Change {
    /// What is done.
    pub action: Action,
    /// The project.
    pub name: ProjectName,
    /// The version that is there afterwards; of a removed project the one that was there.
    pub version: String,
    /// The version that was there before.
    pub previous: Option<String>,
    /// The wheel that it is installed from.
    pub wheel: Option<WheelId>,
    /// How that wheel is named.
    pub source: Option<String>,
    /// What goes: indices of the installed projects that this one takes the place of. More than one
    /// where a project had been installed twice.
    pub old: Vec<usize>,
    /// Files and bytes that are written, or removed.
    pub files: u64,
    /// See `files`.
    pub bytes: u64,
}

/// A file that a project wants to have.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// Where.
    pub place: Place,
    /// How RECORD writes that.
    pub recorded: Arc<str>,
    /// For which project.
    pub owner: ChangeId,
    /// What.
    pub content: Content,
    /// With execute bits or without.
    pub executable: bool,
    /// How long; not known of RECORD before it is written.
    pub size: u64,
    /// What its content's digest is; `None` where only writing it will tell.
    pub digest: Option<Digest>,
    /// What its content is compared by; `None` where it is like nothing else.
    pub identity: Option<Identity>,
}

/// Where a file's content comes from.
#[derive(Debug, Clone)]
pub enum Content {
    /// An entry of a wheel.
    Entry(WheelId, EntryId),
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// The project's RECORD, put together when all its files are written.
    Record,
}

/// A row of a RECORD that is to be written.
#[derive(Debug, Clone)]
pub struct NewRow {
    /// The path as RECORD writes it.
    pub recorded: Arc<str>,
    /// The file that it is about.
    pub file: RowFile,
}

/// What a row of RECORD is about.
#[derive(Debug, Clone)]
pub enum RowFile {
    /// A file of the plan, by its number.
    New(u32),
    /// A file that is there already and stays.
    Live(Box<RecordRow>),
}

/// Everything that will happen.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// What is done to which project, sorted by name.
    pub changes: Vec<Change>,
    /// The files to write, sorted by place; no place twice.
    pub files: Vec<NewFile>,
    /// The rows of RECORD of each change, in the order of the changes; empty where none is written.
    pub records: Vec<Vec<NewRow>>,
    /// The renames, in order.
    pub operations: Vec<Operation>,
    /// Where each file is staged, in the order of the files: the operation that moves it in, and
    /// its path below what that moves.
    pub staged: Vec<operations::StagedAt>,
    /// Paths with two owners, and how each was settled.
    pub conflicts: Vec<ConflictReport>,
    /// What was odd.
    pub warnings: Vec<Warning>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The bytes that will be written, as far as they are known before.
    pub fn bytes(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |sum: u64, file| sum.saturating_add(file.size))
    }
}

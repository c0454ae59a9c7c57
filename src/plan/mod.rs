//! The plan: everything that will happen, as a plain value that can be printed.
//!
//! Input: [`Wants`], the projects that change and the files that they want, and
//! [`Facts`], what is on disk. Output: a [`Plan`]: which files are written, which places they take,
//! and the renames that bring it about. Installing, replacing and removing are one function,
//! [`make`]. Nothing here does I/O or starts threads, so all of it is tested with plain values, and
//! nothing after it decides anything.

pub mod bytecode;
pub mod changes;
mod compare;
pub mod conflict;
pub mod digests;
pub mod directory_links;
mod folded_names;
mod insertion;
mod losers;
pub mod operations;
mod order;
pub mod project_metadata;
mod removal;
pub mod spread;

#[cfg(test)]
mod scenario;

use std::sync::Arc;

use crate::digest::{Digest, Identity};
use crate::environment::layout::Place;
use crate::error::{Error, Fault, Result, SpreadFault};
use crate::installed::facts::{Blocked, Facts, Live, Site};
use crate::outcome::{Action, PathConflict};
use crate::spec::name::ProjectName;
use crate::wheel::EntryId;

pub use crate::wheel::WheelId;
pub use directory_links::DirectoryLink;
pub use operations::{Operation, OperationKind};

use bytecode::BytecodeCandidate;
use conflict::{OnConflict, Resolved, Rules};

/// The number of a change in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChangeId(pub u32);

/// The change of one project.
#[derive(Debug, Clone)]
pub struct Change {
    /// The action.
    pub action: Action,
    /// The project.
    pub name: ProjectName,
    /// The version that is installed afterwards; for a removed project its last version.
    pub version: String,
    /// The version that was installed before.
    pub previous: Option<String>,
    /// The wheel that it is installed from.
    pub wheel: Option<WheelId>,
    /// How messages and reports name that wheel.
    pub source: Option<String>,
    /// The installed projects that leave, as indices. More than one if a project had been installed
    /// twice.
    pub old: Vec<usize>,
    /// The rows of the RECORD that is written, in no order; empty if none is.
    pub record: Vec<NewRow>,
    /// The files that go with a removed project; nothing for other actions.
    pub removed: Tally,
}

/// A number of files, and the sum of their lengths in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many files.
    pub files: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// A file that a project wants to have.
#[derive(Debug, Clone)]
pub struct WantedFile {
    /// The place.
    pub place: Place,
    /// The path as RECORD spells it.
    pub recorded: Arc<str>,
    /// The change that wants it.
    pub owner: ChangeId,
    /// The content.
    pub content: Content,
    /// Whether it gets execute bits.
    pub executable: bool,
    /// The length in bytes; 0 for RECORD, which is not written yet.
    pub size: u64,
    /// The digest of the content; `None` if it is known only when the file is written.
    pub digest: Option<Digest>,
    /// The CRC-32 of the content, if contents are compared by that.
    pub crc: Option<u32>,
}

impl WantedFile {
    /// The digest or checksum that contents are compared by; `None` if this one is equal to no
    /// other.
    pub fn identity(&self) -> Option<Identity> {
        let digest = || self.digest.map(Identity::Digest);
        self.crc.map(Identity::Crc).or_else(digest)
    }
}

/// The source of a file's content.
#[derive(Debug, Clone)]
pub enum Content {
    /// An entry of a wheel.
    Entry(WheelId, EntryId),
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// The RECORD of a change, which is composed when all of its files are written.
    Record(ChangeId),
    /// What an interpreter makes of a source.
    Bytecode(CompiledFrom),
}

/// How a file of bytecode is made. Its size is a guess until it is there, and a file that is no
/// valid Python has none in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompiledFrom {
    /// The source, as the index of a file in the plan.
    pub source: u32,
    /// The optimisation level.
    pub level: u8,
}

/// A row of a RECORD that is to be written.
#[derive(Debug, Clone)]
pub struct NewRow {
    /// The path as RECORD spells it.
    pub recorded: Arc<str>,
    /// The file that it is about.
    pub file: RowFile,
}

/// The file that a row of RECORD is about.
#[derive(Debug, Clone)]
pub enum RowFile {
    /// A file of the plan, by its index.
    New(u32),
    /// A file that is on disk already and stays. Boxed, because it is rare and large.
    Live(Box<LiveRow>),
    /// A directory that is a symbolic link, see [`directory_links`].
    Link,
}

/// The columns of RECORD for a file that is on disk already.
#[derive(Debug, Clone)]
pub struct LiveRow {
    /// Its digest; `None` for a symbolic link.
    pub digest: Option<Digest>,
    /// Its length in bytes; `None` for a symbolic link.
    pub size: Option<u64>,
}

/// A file that a project wants, and what exists at its place.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The file, at its real place.
    pub file: WantedFile,
    /// Whether a symbolic link inside the environment leads there from the place that was wanted.
    pub is_elsewhere: bool,
    /// The outermost directory that is missing on the way to it; its own place if none is.
    pub missing_root: Place,
    /// The file or directory at its place, unless it leaves.
    pub live: Option<Box<Live>>,
    /// A file that stays and blocks a directory of the place.
    pub blocked: Option<Box<Blocked>>,
}

impl Candidate {
    /// A file and what was found at its place.
    pub fn new(mut file: WantedFile, site: Site) -> Self {
        let is_elsewhere = file.place != site.place;
        file.place = site.place;
        Self {
            file,
            is_elsewhere,
            missing_root: site.missing_root,
            live: site.live,
            blocked: site.blocked,
        }
    }
}

/// The goal of a command.
#[derive(Debug, Clone)]
pub struct Wants {
    /// The projects that change, sorted by name. A [`ChangeId`] is an index.
    pub changes: Vec<Change>,
    /// The files that they want, in the order of the command's arguments.
    pub files: Vec<Candidate>,
    /// The bytecode that is made of those of them that are written.
    pub bytecode: Vec<BytecodeCandidate>,
    /// What to do if the contents of two owners differ.
    pub on_conflict: OnConflict,
}

/// A file that will be written.
#[derive(Debug, Clone)]
pub struct PlannedFile {
    /// The place that it takes.
    pub place: Place,
    /// The content.
    pub content: Content,
    /// Whether it gets execute bits.
    pub executable: bool,
    /// The length in bytes; 0 for RECORD until it is written.
    pub size: u64,
    /// The digest of the content; `None` if it is known only when the file is written.
    pub digest: Option<Digest>,
    /// The slot of the operation that moves it in.
    pub slot: u32,
}

/// Everything that will happen.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The projects that change, sorted by name.
    pub changes: Vec<Change>,
    /// The files to write, sorted by place; no place twice.
    pub files: Vec<PlannedFile>,
    /// The renames, in the order of their slots. Staging may leave some out.
    pub operations: Vec<Operation>,
    /// Conflicts, and how each was resolved.
    pub conflicts: Vec<PathConflict>,
    /// Directories that are to be symbolic links, sorted by slot. Staging may leave some out.
    pub links: Vec<DirectoryLink>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The wheels that are installed from, in the order of the changes.
    pub fn wheels(&self) -> impl Iterator<Item = WheelId> {
        let changes = self.changes.iter();
        changes
            .filter(|change| change.action != Action::Keep)
            .filter_map(|change| change.wheel)
    }

    /// The files whose content is known before it is written: all but RECORDs and bytecode.
    pub fn contents(&self) -> impl Iterator<Item = &PlannedFile> {
        let files = self.files.iter();
        files.filter(|file| matches!(file.content, Content::Entry(..) | Content::Bytes(_)))
    }

    /// The bytes that will be written, as far as they are known before.
    pub fn bytes(&self) -> u64 {
        self.bytes_without(&|_| false)
    }

    /// The same without the entries of the wheels for which `leaves_out` holds.
    pub fn bytes_without(&self, leaves_out: &dyn Fn(WheelId) -> bool) -> u64 {
        let is_counted = |file: &&PlannedFile| match file.content {
            Content::Entry(id, _) => !leaves_out(id),
            _ => true,
        };
        self.files
            .iter()
            .filter(is_counted)
            // Sizes are claims of the archives, so their sum must not overflow.
            .fold(0, |sum: u64, file| sum.saturating_add(file.size))
    }

    /// For a removed project its removed files; for any other project the files in its RECORD,
    /// including those that it shares with other projects. RECORD's own length counts once it is
    /// staged.
    pub fn tally(&self, change: &Change) -> Tally {
        if change.action == Action::Remove {
            return change.removed;
        }
        let sizes = change.record.iter().map(|row| match &row.file {
            RowFile::New(number) => self.files[*number as usize].size,
            RowFile::Live(live) => live.size.unwrap_or(0),
            RowFile::Link => 0,
        });
        Tally {
            files: change.record.len() as u64,
            bytes: sizes.fold(0, u64::saturating_add),
        }
    }

    /// The path of a file in the staging directory, such as `3/pkg/a.py`: the slot of the operation
    /// that moves it in, and its path below the place of that operation.
    pub fn staged_path(&self, file: &PlannedFile) -> String {
        let moved = operations::place_of(&self.operations, file.slot);
        match file.place.path.below(&moved.path) {
            // Faster than `format!`, and needed for every directory and more.
            Some(below) => [&*file.slot.to_string(), "/", below].concat(),
            None => file.slot.to_string(),
        }
    }
}

/// Decides everything that will happen.
///
/// # Errors
/// If a file would take a protected place, a wheel contradicts itself, or a conflict is not
/// resolved by [`Wants::on_conflict`]. All such faults are in the error.
pub fn make(wants: Wants, facts: &Facts<'_>) -> Result<Plan> {
    let Wants {
        mut changes,
        files,
        bytecode,
        on_conflict,
    } = wants;
    refuse_protected(&files, &changes, facts)?;
    count_removed(&mut changes, facts);
    let mut out = removal::outgoing(&facts.removal, facts.layout);
    let rules = Rules {
        on_conflict,
        facts,
        out: &out,
    };
    let resolved = conflict::resolve(changes, files, &rules);
    let mut resolved = refuse_unresolved(resolved)?;
    bytecode::add(&mut resolved, bytecode);
    losers::correct_records(&mut resolved, facts);
    let Resolved {
        changes,
        files,
        displaced,
        conflicts,
        ..
    } = resolved;
    // Displaced files are added late: which ones leave is known only after the resolution.
    out.extend(displaced.into_iter().map(|displaced| displaced.place));
    out.sort();
    let (operations, files) = operations::operations(facts.layout, files, &out);
    Ok(Plan {
        changes,
        files,
        operations,
        conflicts,
        links: Vec::new(),
    })
}

/// Refuses files that a symbolic link inside the environment would lead to a protected place;
/// `spread` has refused those that need no link.
fn refuse_protected(files: &[Candidate], changes: &[Change], facts: &Facts<'_>) -> Result<()> {
    let elsewhere = files.iter().filter(|candidate| candidate.is_elsewhere);
    let protected = elsewhere.filter_map(|candidate| {
        let file = &candidate.file;
        let what = facts.protected.reason(facts.layout, &file.place)?;
        let path = file.recorded.to_string();
        Some(fault(
            changes,
            file.owner,
            SpreadFault::Protected { path, what },
        ))
    });
    let protected: Vec<_> = protected.collect();
    if protected.is_empty() {
        Ok(())
    } else {
        Err(Error::wheels(protected))
    }
}

/// Refuses conflicts that are not resolved, and wheels that contradict themselves.
fn refuse_unresolved(resolved: Resolved) -> Result<Resolved> {
    // A faulty wheel is reported before clashes, because no policy helps against it.
    if !resolved.doubled.is_empty() {
        let faults = resolved
            .doubled
            .into_iter()
            .map(|(change, path)| fault(&resolved.changes, change, SpreadFault::Twice(path)));
        return Err(Error::wheels(faults.collect()));
    }
    if resolved.clashes.is_empty() {
        Ok(resolved)
    } else {
        Err(Error::conflicts(resolved.clashes))
    }
}

/// A fault of the wheel that a change installs.
fn fault(changes: &[Change], change: ChangeId, fault: SpreadFault) -> (String, Vec<Fault>) {
    let change = &changes[change.0 as usize];
    let wheel = change
        .source
        .clone()
        .expect("only changes that install a wheel want files");
    (wheel, vec![fault.into()])
}

/// Counts the files that go with each removed project.
fn count_removed(changes: &mut [Change], facts: &Facts<'_>) {
    for change in changes
        .iter_mut()
        .filter(|change| change.action == Action::Remove)
    {
        let projects = facts.removal.projects.iter();
        for project in projects.filter(|project| change.old.contains(&project.installed)) {
            change.removed.files += project.files;
            change.removed.bytes += project.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::scenario::Scenario;
    use super::*;

    fn shown(plan: &Plan) -> Vec<String> {
        let show = |operation: &Operation| format!("{:?} {}", operation.kind, operation.place.path);
        plan.operations.iter().map(show).collect()
    }

    #[test]
    fn a_replacement_with_a_conflict_in_a_namespace_package() {
        let plan = Scenario::new()
            .installed("one", "1", &["ns/one/a.py", "ns/one/b.py"])
            .installed("two", "1", &["ns/two.py"])
            .stray("ns/notes.txt", "mine")
            .wants(
                "one",
                "2",
                &[
                    ("ns/one/a.py", "a"),
                    ("ns/two.py", "of one"),
                    ("ns/new/c.py", "c"),
                ],
            )
            .plan(OnConflict::Last)
            .expect("the last one wins");
        assert_eq!(
            shown(&plan),
            [
                "Out one-1.dist-info",
                "Out two-1.dist-info/RECORD",
                "In ns/new",
                "Out ns/one",
                "In ns/one",
                "Out ns/two.py",
                "In ns/two.py",
                "In one-2.dist-info",
                "In two-1.dist-info/RECORD",
            ]
        );
        let (conflict, change) = (&plan.conflicts[0], &plan.changes[0]);
        assert_eq!(conflict.owners, ["two", "one"]);
        assert_eq!(conflict.resolution, "one");
        assert_eq!(
            (change.action, plan.tally(change).files),
            (Action::Replace, 4)
        );
        let paths: Vec<String> = plan
            .files
            .iter()
            .map(|file| plan.staged_path(file))
            .collect();
        let expected = ["2/c.py", "4/a.py", "6", "7/RECORD", "8"];
        assert_eq!(paths, expected);
    }

    #[test]
    fn a_removal_counts_what_it_removes_and_leaves_what_others_own() {
        let plan = Scenario::new()
            .installed("one", "1", &["ns/one.py", "ns/shared.py"])
            .installed("two", "1", &["ns/shared.py"])
            .removes("one")
            .plan(OnConflict::Error)
            .expect("nothing in the way");
        assert_eq!(shown(&plan), ["Out one-1.dist-info", "Out ns/one.py"]);
        let tally = plan.tally(&plan.changes[0]);
        assert_eq!((tally.files, tally.bytes), (2, 18));
        assert!(!plan.is_empty() && plan.bytes() == 0);
    }

    #[test]
    fn a_protected_place_is_refused() {
        let error = Scenario::new()
            .wants("one", "1", &[("pkg/.pkg-install/x", "a")])
            .plan(OnConflict::Last);
        assert_eq!(
            error.expect_err("refused").kind(),
            crate::error::ErrorKind::Input
        );
    }
}

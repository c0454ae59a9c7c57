//! Everything that an artefact contains, in the order in which it is written.
//!
//! Input: a [`Plan`], and the files that the format adds, such as launchers. Output: [`Contents`]:
//! first what is added, then the files of the wheels in the order of the plan, at last the RECORDs.
//! The digest of every content is known then, and with it the id of the whole.

use std::borrow::Cow;
use std::collections::HashMap;

use super::PackOptions;
use crate::archive::{Expected, Scratch};
use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::Result;
use crate::path::RelPath;
use crate::plan::{ChangeId, Content, Plan, RowFile};
use crate::spec::record::Verify;
use crate::stage;
use crate::threads::in_parallel;
use crate::wheel::{Archives, EntryId, WheelId};

/// A file of an artefact, as one step of writing it sees it.
#[derive(Debug, Clone)]
pub struct PackedFile<'c> {
    /// Its path in the artefact.
    pub path: Cow<'c, str>,
    /// Whether it gets execute bits.
    pub executable: bool,
    /// The length of its content in bytes.
    pub size: u64,
    /// The digest that its content must have.
    pub digest: Digest,
    /// The project that it belongs to; `None` for what no wheel has.
    pub owner: Option<ChangeId>,
    /// Its content.
    pub content: PackedContent<'c>,
}

/// The content of a file of an artefact.
#[derive(Debug, Clone, Copy)]
pub enum PackedContent<'c> {
    /// An entry of a wheel.
    Entry(WheelId, EntryId),
    /// These bytes.
    Bytes(&'c [u8]),
    /// The RECORD of a change, which [`Contents::record`] composes.
    Record(ChangeId),
    /// A symbolic link to this path.
    Link(&'c str),
}

/// A file that a format adds to those of the wheels.
#[derive(Debug, Clone)]
pub struct AddedFile {
    /// Its path in the environment.
    pub path: String,
    /// Its content.
    pub content: AddedContent,
    /// Whether it gets execute bits.
    pub executable: bool,
}

/// The content of a file that a format adds.
#[derive(Debug, Clone)]
pub enum AddedContent {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A symbolic link to this path.
    Link(String),
}

impl AddedFile {
    fn bytes(&self) -> &[u8] {
        match &self.content {
            AddedContent::Bytes(bytes) => bytes,
            AddedContent::Link(target) => target.as_bytes(),
        }
    }
}

/// See the head of this file.
// Each file is made from the plan when it is asked for: a list of them, and the RECORDs, would
// take as much memory as the plan.
#[derive(Debug)]
pub struct Contents<'p> {
    plan: &'p Plan,
    below: Option<&'p RelPath>,
    /// What the format adds, with its digests.
    added: Vec<(AddedFile, Digest)>,
    /// The numbers in the plan of all files but the RECORDs.
    files: Vec<u32>,
    records: Vec<PackedRecord>,
    /// The project of each file of the plan.
    owners: Vec<Option<ChangeId>>,
    /// The digests that the plan does not state, by the numbers of its files.
    unknown: HashMap<usize, Digest>,
    /// The SHA-256 in hexadecimal digits of the sorted paths, modes and digests.
    pub id: String,
}

/// A RECORD whose content was composed once and thrown away.
#[derive(Debug)]
struct PackedRecord {
    /// Its number in the plan.
    number: u32,
    owner: ChangeId,
    size: u64,
    digest: Digest,
}

impl<'p> Contents<'p> {
    /// Lists the contents of `plan` and what is `added`. With `below`, everything is in that
    /// directory of the artefact.
    ///
    /// # Errors
    /// A content whose digest has to be computed first, and that is not what its wheel states.
    pub fn gather(
        plan: &'p Plan,
        archives: &Archives,
        added: Vec<AddedFile>,
        below: Option<&'p RelPath>,
        options: &PackOptions<'_>,
    ) -> Result<Self> {
        let unknown = unknown_digests(plan, archives, options)?;
        let with_digest = |file: AddedFile| {
            let digest = Digest::of(Algorithm::Sha256, file.bytes());
            (file, digest)
        };
        let (mut files, mut records) = (Vec::with_capacity(plan.files.len()), Vec::new());
        for (number, file) in (0..).zip(&plan.files) {
            match file.content {
                Content::Entry(..) | Content::Bytes(_) => files.push(number),
                Content::Record(owner) => records.push((number, owner)),
                Content::Bytecode(_) => unreachable!("an artefact is planned without bytecode"),
            }
        }
        let compose = |&(number, owner): &(u32, ChangeId)| {
            let content = stage::record_of(plan, owner, &|number| unknown.get(&number).copied());
            PackedRecord {
                number,
                owner,
                size: content.len() as u64,
                digest: Digest::of(Algorithm::Sha256, &content),
            }
        };
        let records = in_parallel(options.pool, &records, compose);
        let mut contents = Self {
            plan,
            below,
            added: added.into_iter().map(with_digest).collect(),
            files,
            records,
            owners: owners(plan),
            unknown,
            id: String::new(),
        };
        contents.id = contents.compute_id();
        Ok(contents)
    }

    /// How many files there are.
    pub fn count(&self) -> usize {
        self.added.len() + self.files.len() + self.records.len()
    }

    /// The files, in the order in which they are written.
    pub fn files(&self) -> impl Iterator<Item = PackedFile<'_>> {
        (0..self.count()).map(|number| self.file(number))
    }

    /// How long all contents are together, in bytes.
    pub fn size(&self) -> u64 {
        self.files().map(|file| file.size).sum()
    }

    /// The file at this position in the order in which they are written.
    pub fn file(&self, number: usize) -> PackedFile<'_> {
        let path = self.place(self.path(number));
        if let Some((file, digest)) = self.added.get(number) {
            return PackedFile {
                path,
                executable: file.executable,
                size: file.bytes().len() as u64,
                digest: *digest,
                owner: None,
                content: match &file.content {
                    AddedContent::Bytes(bytes) => PackedContent::Bytes(bytes),
                    AddedContent::Link(target) => PackedContent::Link(target),
                },
            };
        }
        let number = number - self.added.len();
        let Some(&planned) = self.files.get(number) else {
            let record = &self.records[number - self.files.len()];
            return PackedFile {
                path,
                executable: false,
                size: record.size,
                digest: record.digest,
                owner: Some(record.owner),
                content: PackedContent::Record(record.owner),
            };
        };
        let number = planned as usize;
        let file = &self.plan.files[number];
        let digest = file.digest.or_else(|| self.unknown.get(&number).copied());
        PackedFile {
            path,
            executable: file.executable,
            size: file.size,
            digest: digest.expect("a digest that RECORD does not state was computed"),
            owner: self.owners[number],
            content: match &file.content {
                Content::Entry(wheel, entry) => PackedContent::Entry(*wheel, *entry),
                Content::Bytes(bytes) => PackedContent::Bytes(bytes),
                _ => unreachable!("these files were left out above"),
            },
        }
    }

    /// The content of the RECORD of a change.
    pub fn record(&self, owner: ChangeId) -> Vec<u8> {
        stage::record_of(self.plan, owner, &|number| {
            self.unknown.get(&number).copied()
        })
    }

    /// The path in the environment of the file at this position.
    fn path(&self, number: usize) -> &str {
        if let Some((file, _)) = self.added.get(number) {
            return &file.path;
        }
        let number = number - self.added.len();
        let planned = match self.files.get(number) {
            Some(&planned) => planned,
            None => self.records[number - self.files.len()].number,
        };
        self.plan.files[planned as usize].place.path.as_str()
    }

    /// The path in the artefact of a path in the environment.
    fn place<'c>(&self, path: &'c str) -> Cow<'c, str> {
        match self.below {
            Some(below) => format!("{below}/{path}").into(),
            None => path.into(),
        }
    }

    /// The id of these files, whatever their order.
    fn compute_id(&self) -> String {
        // All paths begin alike, so that the rest decides about their order.
        let mut order: Vec<(&str, usize)> = (0..self.count())
            .map(|number| (self.path(number), number))
            .collect();
        order.sort_unstable();
        let mut hasher = Hasher::new(Algorithm::Sha256);
        for (_, number) in order {
            let file = self.file(number);
            let digest = file.digest;
            let name = digest.algorithm().name();
            let hex = digest.to_hex();
            let line = format!("{}\0{}\0{name}={hex}\n", file.path, file.mode());
            hasher.update(line.as_bytes());
        }
        hasher.finish().to_hex()
    }
}

impl PackedFile<'_> {
    /// What its content must be if it is an entry.
    pub(super) fn expected(&self, verify: Verify) -> Expected {
        Expected {
            digest: Some(self.digest).filter(|_| verify != Verify::Off),
            compute: None,
        }
    }

    /// The letter that tells apart what is not seen in the content.
    fn mode(&self) -> char {
        match self.content {
            PackedContent::Link(_) => 'l',
            _ if self.executable => 'x',
            _ => 'f',
        }
    }
}

/// The project of each file. A file that several projects list is that of the wheel that it comes
/// from.
fn owners(plan: &Plan) -> Vec<Option<ChangeId>> {
    let mut owners = vec![None; plan.files.len()];
    for (change, id) in plan.changes.iter().zip(0..) {
        for row in &change.record {
            let RowFile::New(number) = row.file else {
                continue;
            };
            let number = number as usize;
            let is_source = match plan.files[number].content {
                Content::Entry(wheel, _) => change.wheel == Some(wheel),
                Content::Bytes(_) | Content::Record(_) | Content::Bytecode(_) => {
                    owners[number].is_none()
                }
            };
            if is_source {
                owners[number] = Some(ChangeId(id));
            }
        }
    }
    owners
}

/// The wheels that [`Contents::gather`] reads, because their RECORDs do not state all digests.
pub fn wheels_without_digests(plan: &Plan) -> impl Iterator<Item = WheelId> {
    let files = plan.files.iter();
    files.filter_map(|file| match (file.digest, &file.content) {
        (None, Content::Entry(wheel, _)) => Some(*wheel),
        _ => None,
    })
}

/// The digests that no RECORD states, by the numbers of the files. There are few, so that it does
/// not matter that their contents are unpacked once more later.
fn unknown_digests(
    plan: &Plan,
    archives: &Archives,
    options: &PackOptions<'_>,
) -> Result<HashMap<usize, Digest>> {
    let mut unknown = Vec::new();
    for (number, file) in plan.files.iter().enumerate() {
        if let (None, Content::Entry(wheel, entry)) = (file.digest, &file.content) {
            unknown.push((number, *wheel, *entry));
        }
    }
    let compute = |&(number, wheel, entry): &(usize, WheelId, EntryId)| {
        options.cancel.check()?;
        let archive = archives.get(wheel)?;
        let entry = &archive.entries()[entry.0 as usize];
        let expected = Expected {
            digest: None,
            compute: Some(Algorithm::Sha256),
        };
        let digest = archive
            .unpack(entry, expected, &mut Scratch::new(), &mut |_| Ok(()))
            .map_err(|error| error.of_wheel(archives.label(wheel)))?;
        Ok((number, digest.expect("it was asked for")))
    };
    in_parallel(options.pool, &unknown, compute)
        .into_iter()
        .collect()
}

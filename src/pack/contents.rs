//! Everything that an artefact contains, in the order in which it is written.
//!
//! Input: a [`Plan`], and the files that the format adds, such as launchers. Output: [`Contents`]:
//! first what is added, then the files of the wheels in the order of the plan, at last the RECORDs.
//! The digest of every content is known then, and with it the id of the whole.

use std::collections::HashMap;
use std::sync::Arc;

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

/// A file of an artefact.
#[derive(Debug, Clone)]
pub struct PackedFile {
    /// Its path in the artefact.
    pub path: String,
    /// Whether it gets execute bits.
    pub executable: bool,
    /// The length of its content in bytes.
    pub size: u64,
    /// The digest that its content must have.
    pub digest: Digest,
    /// The project that it belongs to; `None` for what no wheel has.
    pub owner: Option<ChangeId>,
    /// Its content.
    pub content: PackedContent,
}

/// The content of a file of an artefact.
#[derive(Debug, Clone)]
pub enum PackedContent {
    /// An entry of a wheel.
    Entry(WheelId, EntryId),
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// A symbolic link to this path.
    Link(String),
}

/// A file that a format adds to those of the wheels.
#[derive(Debug, Clone)]
pub struct AddedFile {
    /// Its path in the environment.
    pub path: String,
    /// Its content, which is no entry.
    pub content: PackedContent,
    /// Whether it gets execute bits.
    pub executable: bool,
}

/// See the head of this file.
#[derive(Debug)]
pub struct Contents {
    /// The files, in the order in which they are written.
    pub files: Vec<PackedFile>,
    /// The SHA-256 in hexadecimal digits of the sorted paths, modes and digests.
    pub id: String,
}

impl Contents {
    /// Lists the contents of `plan` and what is `added`. With `below`, everything is in that
    /// directory of the artefact.
    ///
    /// # Errors
    /// A content whose digest has to be computed first, and that is not what its wheel states.
    pub fn gather(
        plan: &Plan,
        archives: &Archives,
        added: Vec<AddedFile>,
        below: Option<&RelPath>,
        options: &PackOptions<'_>,
    ) -> Result<Self> {
        let unknown = unknown_digests(plan, archives, options)?;
        let digest_of = |number: usize| unknown.get(&number).copied();
        let place = |path: &str| match below {
            Some(below) => format!("{below}/{path}"),
            None => path.to_owned(),
        };
        let mut files = Vec::with_capacity(plan.files.len() + added.len());
        files.extend(added.into_iter().map(|file| {
            let path = place(&file.path);
            PackedFile::made(path, file.executable, file.content)
        }));
        let owners = owners(plan);
        let mut records = Vec::new();
        for (number, file) in plan.files.iter().enumerate() {
            let path = place(file.place.path.as_str());
            let content = match &file.content {
                Content::Entry(wheel, entry) => PackedContent::Entry(*wheel, *entry),
                Content::Bytes(bytes) => PackedContent::Bytes(Arc::clone(bytes)),
                Content::Record(owner) => {
                    let record = stage::record_of(plan, *owner, &digest_of);
                    let content = PackedContent::Bytes(record.into());
                    let made = PackedFile::made(path, false, content);
                    records.push(PackedFile {
                        owner: Some(*owner),
                        ..made
                    });
                    continue;
                }
                Content::Bytecode(_) => unreachable!("an artefact is planned without bytecode"),
            };
            files.push(PackedFile {
                path,
                executable: file.executable,
                size: file.size,
                digest: file
                    .digest
                    .or_else(|| digest_of(number))
                    .expect("a digest that RECORD does not state was computed"),
                owner: owners[number],
                content,
            });
        }
        files.extend(records);
        let id = id_of(&files);
        Ok(Self { files, id })
    }
}

impl PackedFile {
    /// A file whose content is no entry of a wheel.
    fn made(path: String, executable: bool, content: PackedContent) -> Self {
        let bytes = match &content {
            PackedContent::Bytes(bytes) => &bytes[..],
            PackedContent::Link(target) => target.as_bytes(),
            PackedContent::Entry(..) => unreachable!("an entry has a digest of its own"),
        };
        Self {
            path,
            executable,
            size: bytes.len() as u64,
            digest: Digest::of(Algorithm::Sha256, bytes),
            owner: None,
            content,
        }
    }

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

/// The id of these files, whatever their order.
fn id_of(files: &[PackedFile]) -> String {
    let mut order: Vec<&PackedFile> = files.iter().collect();
    order.sort_unstable_by(|one, two| one.path.cmp(&two.path));
    let mut hasher = Hasher::new(Algorithm::Sha256);
    for file in order {
        let digest = file.digest;
        let name = digest.algorithm().name();
        let hex = digest.to_hex();
        let line = format!("{}\0{}\0{name}={hex}\n", file.path, file.mode());
        hasher.update(line.as_bytes());
    }
    hasher.finish().to_hex()
}

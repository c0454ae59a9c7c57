//! The journal: everything that a transaction will do, written whole before it does any of it.
//!
//! Input and output: one line `pkg-install journal 1 SHA256 LENGTH`, then that many bytes of JSON.
//! A journal exists exactly as long as the environment may be in mid-change. It is never appended
//! to. Reading trusts nothing: the version, the checksum, the user, each root and each path are
//! checked, so that a planted or torn journal moves nothing.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::state_dir::{StateDir, is_private};
use crate::digest::{Algorithm, Digest};
use crate::error::{self, Error};
use crate::path::RelPath;
use crate::plan::OperationKind;

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;
/// The first words of every journal.
const MAGIC: &str = "pkg-install journal";

/// What a transaction does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// The user that wrote it.
    pub uid: u32,
    /// The roots that it is about.
    pub roots: Vec<JournalRoot>,
    /// What is done, in order.
    pub operations: Vec<JournalOperation>,
    /// Whether it may be taken back after it was committed.
    pub undoable: bool,
}

/// A root, and the private directories that are below its `.pkg-install`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalRoot {
    /// Its resolved path.
    pub path: PathBuf,
    /// Its inode number, which a directory that was put in its place has not.
    pub inode: u64,
    /// The resolved directory that holds its `.pkg-install`.
    pub home: PathBuf,
    /// The staging directory's name.
    pub stage: String,
    /// The trash's name.
    pub trash: String,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalOperation {
    /// What is done.
    pub kind: OperationKind,
    /// The number of the root.
    pub root: usize,
    /// The path below it.
    pub path: String,
    /// The name in the staging directory that comes in, or in the trash that goes out.
    pub slot: String,
    /// The permissions of a directory that is removed, to make it again with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

/// The journal of this name, or the record of one, `None` if there is none.
///
/// # Errors
/// It cannot be trusted, or the user who wrote it is not the owner of its directory.
pub(super) fn read(state: &StateDir, name: &str) -> error::Result<Option<Journal>> {
    let refuse = |reason: String| Error::journal(&state.dir().path().join(name), reason);
    let Some((content, owner)) = state.read_owned(name)? else {
        return Ok(None);
    };
    let journal = Journal::decode(&content).map_err(|reason| refuse(reason.to_owned()))?;
    if journal.uid != owner {
        let writer = journal.uid;
        return Err(refuse(format!(
            "it was written by user {writer}, its directory belongs to user {owner}"
        )));
    }
    Ok(Some(journal))
}

impl Journal {
    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        let body = serde_json::to_vec(self).expect("the layout refuses paths that are not UTF-8");
        let digest = Digest::of(Algorithm::Sha256, &body).to_hex();
        let mut file = format!("{MAGIC} {VERSION} {digest} {}\n", body.len()).into_bytes();
        file.extend_from_slice(&body);
        file
    }

    /// Reads a journal and checks everything that can be checked without looking at the file
    /// system.
    ///
    /// # Errors
    /// Why it is not to be trusted.
    pub fn decode(file: &[u8]) -> Result<Self, &'static str> {
        let end = file
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or("it is torn")?;
        let head = std::str::from_utf8(&file[..end]).map_err(|_| "it is not a journal")?;
        let body = &file[end + 1..];
        let rest = head.strip_prefix(MAGIC).ok_or("it is not a journal")?;
        let mut words = rest.split_ascii_whitespace();
        match words.next().and_then(|word| word.parse::<u32>().ok()) {
            Some(VERSION) => {}
            Some(_) => return Err("another version of this tool wrote it"),
            None => return Err("it is not a journal"),
        }
        if words.next() != Some(&Digest::of(Algorithm::Sha256, body).to_hex())
            || words.next() != Some(&body.len().to_string())
        {
            return Err("its checksum is wrong");
        }
        let journal: Self =
            serde_json::from_slice(body).map_err(|_| "its content makes no sense")?;
        journal.check().map(|()| journal)
    }

    fn check(&self) -> Result<(), &'static str> {
        for root in &self.roots {
            if !root.path.is_absolute()
                || !is_normal(&root.home)
                || !root.home.starts_with(&root.path)
            {
                return Err("it names a root that is none");
            }
            if !is_private(&root.stage) || !is_private(&root.trash) {
                return Err("it names a private directory that is none");
            }
        }
        for operation in &self.operations {
            if operation.root >= self.roots.len() || RelPath::parse(&operation.path).is_err() {
                return Err("it names a path that leads elsewhere");
            }
            if operation.slot.is_empty()
                || !operation.slot.bytes().all(|byte| byte.is_ascii_digit())
            {
                return Err("it names a slot that is none");
            }
        }
        Ok(())
    }
}

/// Whether a path climbs nowhere, so that it lies below whatever it begins with.
fn is_normal(path: &Path) -> bool {
    !path
        .components()
        .any(|component| component == Component::ParentDir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> Journal {
        Journal {
            uid: 1,
            roots: vec![JournalRoot {
                path: "/venv".into(),
                inode: 7,
                home: "/venv/lib".into(),
                stage: "stage-a1".into(),
                trash: "trash-b2".into(),
            }],
            operations: vec![JournalOperation {
                kind: OperationKind::In,
                root: 0,
                path: "lib/a".into(),
                slot: "0".into(),
                mode: None,
            }],
            undoable: false,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Journal::decode(&journal().encode()), Ok(journal()));
    }

    #[test]
    fn r124_torn_and_foreign_journals_are_refused() {
        let good = journal().encode();
        for length in 0..good.len() {
            assert!(Journal::decode(&good[..length]).is_err(), "{length}");
        }
        let mut flipped = good.clone();
        *flipped.last_mut().expect("not empty") ^= 1;
        assert_eq!(Journal::decode(&flipped), Err("its checksum is wrong"));
        let text = String::from_utf8(good)
            .expect("text")
            .replacen(" 1 ", " 2 ", 1);
        assert_eq!(
            Journal::decode(text.as_bytes()),
            Err("another version of this tool wrote it")
        );
    }

    #[test]
    fn r125_paths_that_lead_elsewhere_are_refused() {
        type Spoil = fn(&mut Journal);
        let spoilers: [Spoil; 8] = [
            |journal| journal.operations[0].path = "../x".into(),
            |journal| journal.operations[0].path = "/etc".into(),
            |journal| journal.operations[0].root = 1,
            |journal| journal.operations[0].slot = "../0".into(),
            |journal| journal.roots[0].home = "/elsewhere".into(),
            |journal| journal.roots[0].home = "/venv/../elsewhere".into(),
            |journal| {
                (journal.roots[0].path, journal.roots[0].home) =
                    ("/venv/..".into(), "/venv/../lib".into());
            },
            |journal| journal.roots[0].stage = "../stage-a".into(),
        ];
        for (number, spoil) in spoilers.into_iter().enumerate() {
            let mut spoiled = journal();
            spoil(&mut spoiled);
            assert!(Journal::decode(&spoiled.encode()).is_err(), "{number}");
        }
    }
}

//! The journal: everything that a transaction will do, written whole before it does any of it.
//!
//! Input and output: one line `pkg-install journal 2 SHA256 LENGTH`, then that many bytes of JSON:
//!
//! ```json
//! {
//!   "uid": 1000,
//!   "roots": [{
//!     "at": {"base": "environment", "path": ""},
//!     "home": "lib/python3.12/site-packages",
//!     "stage": "stage-x7Qd2k",
//!     "trash": "trash-0bNfWa"
//!   }],
//!   "operations": [
//!     {"kind": "out", "root": 0, "path": "lib/python3.12/site-packages/idna", "slot": "0"},
//!     {"kind": "in", "root": 0, "path": "lib/python3.12/site-packages/idna", "slot": "1"}
//!   ],
//!   "undoable": false
//! }
//! ```
//!
//! The journal exists if and only if the environment may be in mid-change. It is never appended to.
//! Nothing in it depends on the location of the environment or on its device: roots are named by
//! their place in the scheme and recognised by the random names of their private directories. So it
//! still holds after the environment was moved, copied or restored from a backup. Reading trusts
//! nothing: the version, the checksum, each root and each path are checked.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::history::HistoryLine;
use super::root_name::{RootName, is_plain};
use super::state_dir::is_private;
use crate::digest::{Algorithm, Digest};
use crate::environment::layout::Layout;
use crate::path::RelPath;
use crate::plan::OperationKind;

/// The version that is written.
pub const VERSION: u32 = 2;
/// The first words of every journal.
const MAGIC: &str = "pkg-install journal";

/// The operations of a transaction, and the roots that they change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// The ID of the user that wrote it.
    pub uid: u32,
    /// The roots that the operations change.
    pub roots: Vec<JournalRoot>,
    /// The operations in the order in which they are made.
    pub operations: Vec<JournalOperation>,
    /// Whether the transaction can be undone after it was committed.
    pub undoable: bool,
    /// What the history gets once it is committed; `None` if there is no history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<HistoryLine>,
}

/// A root, and the private directories in its state directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalRoot {
    /// Its place in the environment.
    pub at: RootName,
    /// The directory that holds its state directory, as a path below the root; empty for the root
    /// itself.
    pub home: String,
    /// The name of the directory with staged files.
    pub stage: String,
    /// The name of the directory with files that were moved out.
    pub trash: String,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalOperation {
    /// The kind of operation.
    pub kind: OperationKind,
    /// The number of the root.
    pub root: usize,
    /// The path below it.
    pub path: String,
    /// The name in the stage directory of what is moved in, or in the trash of what is moved out.
    pub slot: String,
    /// The permissions of a directory that is removed, with which it is made again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

impl JournalRoot {
    /// The path of the directory that holds its state directory, in this layout.
    pub fn home_path(&self, layout: &Layout) -> PathBuf {
        let path = self.at.path(layout);
        if self.home.is_empty() {
            path
        } else {
            path.join(&self.home)
        }
    }
}

impl Journal {
    /// The bytes of the file.
    pub fn encode(&self) -> Vec<u8> {
        let body = serde_json::to_vec(self).expect("a journal is numbers and text");
        seal(VERSION, &body)
    }

    /// Reads a journal of this version, and checks everything that can be checked without looking
    /// at the file system. An error says why the journal cannot be trusted.
    pub fn decode(file: &[u8]) -> Result<Self, &'static str> {
        match unseal(file)? {
            (VERSION, body) => Self::of_body(body),
            _ => Err(OTHER_VERSION),
        }
    }

    /// Reads what follows the first line.
    pub(super) fn of_body(body: &[u8]) -> Result<Self, &'static str> {
        let journal: Self = serde_json::from_slice(body).map_err(|_| NO_SENSE)?;
        for root in &journal.roots {
            if !root.at.is_plain() || !is_plain(&root.home) {
                return Err(NO_ROOT);
            }
            check_private(&root.stage, &root.trash)?;
        }
        check_operations(&journal.operations, journal.roots.len())?;
        Ok(journal)
    }
}

/// Another version of the format, from before or after this one.
pub(super) const OTHER_VERSION: &str = "another version of this tool wrote it";
/// The JSON is not that of a journal.
pub(super) const NO_SENSE: &str = "its content is not that of a journal";
/// A path of a root leads elsewhere.
pub(super) const NO_ROOT: &str = "it names a root outside of the environment";

/// Refuses names of private directories that staging would not have given.
pub(super) fn check_private(stage: &str, trash: &str) -> Result<(), &'static str> {
    if is_private(stage) && is_private(trash) {
        Ok(())
    } else {
        Err("it names an impossible private directory")
    }
}

/// Refuses operations that reach outside of the roots or of the private directories.
pub(super) fn check_operations(
    operations: &[JournalOperation],
    roots: usize,
) -> Result<(), &'static str> {
    for operation in operations {
        if operation.root >= roots || RelPath::parse(&operation.path).is_err() {
            return Err("it names a path outside of its root");
        }
        let slot = &operation.slot;
        // Slots become names in the private directories, so anything but digits could lead out of
        // them.
        if slot.is_empty() || !slot.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("it names an impossible slot");
        }
    }
    Ok(())
}

/// Puts the first line before the body.
pub(super) fn seal(version: u32, body: &[u8]) -> Vec<u8> {
    let digest = Digest::of(Algorithm::Sha256, body).to_hex();
    let mut file = format!("{MAGIC} {version} {digest} {}\n", body.len()).into_bytes();
    file.extend_from_slice(body);
    file
}

/// The version and the body of a file whose checksum is right.
pub(super) fn unseal(file: &[u8]) -> Result<(u32, &[u8]), &'static str> {
    let end = file
        .iter()
        .position(|&byte| byte == b'\n')
        .ok_or("it is incomplete")?;
    let head = std::str::from_utf8(&file[..end]).map_err(|_| "it is not a journal")?;
    let body = &file[end + 1..];
    let rest = head.strip_prefix(MAGIC).ok_or("it is not a journal")?;
    let mut words = rest.split_ascii_whitespace();
    let version = words.next().and_then(|word| word.parse().ok());
    let version = version.ok_or("it is not a journal")?;
    // The version decides what the other words mean, so it is looked at first.
    if !(1..=VERSION).contains(&version) {
        return Err(OTHER_VERSION);
    }
    let digest = Digest::of(Algorithm::Sha256, body).to_hex();
    if words.next() != Some(&digest) || words.next() != Some(&body.len().to_string()) {
        return Err("its checksum is wrong");
    }
    Ok((version, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::root_name::RootBase;

    fn journal() -> Journal {
        Journal {
            uid: 1,
            roots: vec![JournalRoot {
                at: RootName {
                    base: RootBase::Environment,
                    path: String::new(),
                },
                home: "lib".into(),
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
            line: None,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Journal::decode(&journal().encode()), Ok(journal()));
    }

    #[test]
    fn a_journal_holds_no_absolute_path_and_no_inode() {
        let text = String::from_utf8(journal().encode()).expect("text");
        assert!(!text.contains("\"/") && !text.contains("inode"), "{text}");
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
        for version in [" 0 ", " 1 ", " 3 ", " 4294967295 "] {
            let text = String::from_utf8(good.clone()).expect("text");
            let other = text.replacen(" 2 ", version, 1);
            assert_eq!(Journal::decode(other.as_bytes()), Err(OTHER_VERSION));
        }
    }

    #[test]
    fn r125_paths_that_lead_elsewhere_are_refused() {
        type Spoil = fn(&mut Journal);
        let spoilers: [Spoil; 10] = [
            |journal| journal.operations[0].path = "../x".into(),
            |journal| journal.operations[0].path = "/etc".into(),
            |journal| journal.operations[0].root = 1,
            |journal| journal.operations[0].slot = "../0".into(),
            |journal| journal.roots[0].at.path = "/elsewhere".into(),
            |journal| journal.roots[0].at.path = "..".into(),
            |journal| journal.roots[0].at.path = "lib/../..".into(),
            |journal| journal.roots[0].home = "/elsewhere".into(),
            |journal| journal.roots[0].home = "../elsewhere".into(),
            |journal| journal.roots[0].stage = "../stage-a".into(),
        ];
        for (number, spoil) in spoilers.into_iter().enumerate() {
            let mut spoiled = journal();
            spoil(&mut spoiled);
            assert!(Journal::decode(&spoiled.encode()).is_err(), "{number}");
        }
    }
}

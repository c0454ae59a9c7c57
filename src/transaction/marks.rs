//! Marks: what a transaction moved in, so that `undo` can tell whether it has changed since.
//!
//! Input: a committed journal. Output: a file `marks-RANDOM` beside the record of the transaction,
//! as JSON:
//!
//! ```json
//! {"moved_in": [null, {"times": "9f0c…", "content": "51ab…"}]}
//! ```
//!
//! There is one entry for each operation, `null` for those that move nothing in. `times` is a
//! digest of the names, kinds, modes, sizes and modification times of the files. If it is the same,
//! nothing has changed and no file is read. `cp -a`, `mv` and backups keep it the same; a plain `cp
//! -r` does not. Then `content` decides: a digest of the names, kinds and sizes, of the content of
//! each RECORD and of the target of each symbolic link. If that is the same, every file must have
//! the digest that RECORD states for it.
//! Directories and bytecode do not count, because interpreters write bytecode whenever they like.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::executor::Executor;
use super::journal::{Journal, JournalOperation};
use super::state_dir::{self, MAX_STATE, StateDir};
use crate::digest::{Algorithm, Digest, Hasher};
use crate::environment::layout::{Layout, SchemeKey};
use crate::error::{Error, Result};
use crate::fs::{Dir, Kind, ReadAt as _, Stat};
use crate::plan::OperationKind;
use crate::spec::record;

/// The largest RECORD that is read, in bytes.
const MAX_RECORD: u64 = 256 << 20;

/// The marks of a transaction.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Marks {
    /// As they are written.
    Present { moved_in: Vec<Option<Mark>> },
    /// As the first version of this tool wrote them: only the digests with the times.
    Old { seen: Vec<Option<String>> },
}

/// The files that one operation moved in, as two digests in hexadecimal.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    times: String,
    content: String,
}

/// The name of a journal's marks.
pub(super) fn name(journal: &Journal) -> String {
    // Any root would do: only the random part of its trash's name matters.
    let trash = journal.roots.first().map_or("", |root| &root.trash);
    state_dir::marks_name(trash)
}

/// The names in the state directories that it takes to undo a transaction, whose record has this
/// name.
pub(super) fn kept_names(record: &str, journal: &Journal) -> Vec<String> {
    let mut names = vec![record.to_owned(), name(journal)];
    let mut kinds = journal.operations.iter().map(|operation| operation.kind);
    // An empty trash is not worth keeping: undo makes itself a stage if there is none.
    if kinds.any(|kind| kind == OperationKind::Out) {
        names.extend(journal.roots.iter().map(|root| root.trash.clone()));
    }
    names
}

/// Writes the marks of a transaction whose operations have all been made.
pub(super) fn write(executor: &Executor<'_>, journal: &Journal, durable: bool) -> Result<()> {
    let mut moved_in = Vec::with_capacity(journal.operations.len());
    for operation in &journal.operations {
        moved_in.push(match operation.kind {
            OperationKind::In => Some(mark(&MovedIn::look(executor.live(operation), operation)?)?),
            _ => None,
        });
    }
    let marks = Marks::Present { moved_in };
    let content = serde_json::to_vec(&marks).expect("marks are plain text");
    executor.main().write(&name(journal), &content, durable)
}

/// The marks that were kept for a journal; `None` if they are gone or do not belong to it.
pub(super) fn read(main: &StateDir, journal: &Journal) -> Result<Option<Marks>> {
    let Some(content) = main.dir().read(&name(journal), MAX_STATE)? else {
        return Ok(None);
    };
    // Marks are flushed only in durable transactions, so a power cut may tear them. Undo refuses
    // then, and nothing else depends on them.
    let Ok(marks) = serde_json::from_slice::<Marks>(&content) else {
        return Ok(None);
    };
    let count = match &marks {
        Marks::Present { moved_in } => moved_in.len(),
        Marks::Old { seen } => seen.len(),
    };
    Ok((count == journal.operations.len()).then_some(marks))
}

/// The first file or directory that the transaction moved in and that has changed since, as its
/// path below its root. `roots` are the open roots of the journal, so that nothing outside of the
/// environment is looked at, even if a directory in it is a link by now.
///
/// # Errors
/// Something cannot be looked at, or a link or file is where a directory was.
pub(super) fn changed<'a>(
    marks: &Marks,
    journal: &'a Journal,
    layout: &Layout,
    roots: &[&Dir],
) -> Result<Option<&'a str>> {
    let mut unsure = Vec::new();
    for (number, operation) in journal.operations.iter().enumerate() {
        if operation.kind != OperationKind::In {
            continue;
        }
        let now = MovedIn::look(roots[operation.root], operation)?;
        let same = match marks {
            Marks::Old { seen } => seen[number] == Some(times(&now.files)),
            Marks::Present { moved_in } => match &moved_in[number] {
                Some(mark) if mark.times == times(&now.files) => true,
                Some(mark) if mark.content == content(&now)? => {
                    unsure.push((operation, now));
                    true
                }
                _ => false,
            },
        };
        if !same {
            return Ok(Some(&operation.path));
        }
    }
    if unsure.is_empty() {
        return Ok(None);
    }
    // Only the times differ, as after a copy that does not keep them. Every RECORD is as it was, so
    // it says what the files have to hold.
    let recorded = recorded(journal, layout, roots)?;
    for (operation, now) in unsure {
        if !is_recorded(&now, &recorded)? {
            return Ok(Some(&operation.path));
        }
    }
    Ok(None)
}

/// What is now at the place that an operation moved something to.
struct MovedIn<'a> {
    root: &'a Dir,
    /// Its path below the root.
    path: &'a str,
    files: Vec<(PathBuf, Stat)>,
}

impl<'a> MovedIn<'a> {
    fn look(root: &'a Dir, operation: &'a JournalOperation) -> Result<Self> {
        let path = operation.path.as_str();
        let files = root.walk(path)?;
        Ok(Self { root, path, files })
    }

    /// The path below the root of something below this one.
    fn join(&self, below: &str) -> String {
        if below.is_empty() {
            self.path.to_owned()
        } else {
            format!("{}/{below}", self.path)
        }
    }

    /// The absolute path of the same, for comparison with other paths only.
    fn absolute(&self, below: &str) -> PathBuf {
        self.root.path().join(self.join(below))
    }

    fn read_record(&self, below: &str) -> Result<Option<Vec<u8>>> {
        self.root.read_below(&self.join(below), MAX_RECORD)
    }
}

/// The metadata of a path and of everything below it, by paths relative to it.
type Files = [(PathBuf, Stat)];

fn mark(now: &MovedIn<'_>) -> Result<Mark> {
    Ok(Mark {
        times: times(&now.files),
        content: content(now)?,
    })
}

/// The files that count: all but directories and bytecode.
fn counted(files: &Files) -> impl Iterator<Item = (std::borrow::Cow<'_, str>, &Stat)> {
    let named = files
        .iter()
        .map(|(below, stat)| (below.to_string_lossy(), stat));
    named.filter(|(name, stat)| stat.kind != Kind::Directory && !name.ends_with(".pyc"))
}

/// The digest with the times. Its lines are those of the first version, so that marks of that time
/// can still be compared.
fn times(files: &Files) -> String {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    for (name, stat) in counted(files) {
        let (seconds, nanoseconds) = stat.modified;
        let line = format!(
            "{name}\0{:?}\0{:o}\0{}\0{seconds}.{nanoseconds}\n",
            stat.kind, stat.mode, stat.size
        );
        hasher.update(line.as_bytes());
    }
    hasher.finish().to_hex()
}

/// The digest that a copy does not change.
fn content(now: &MovedIn<'_>) -> Result<String> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    for (name, stat) in counted(&now.files) {
        let mut line = format!("{name}\0{:?}\0{}\0", stat.kind, stat.size);
        if stat.kind == Kind::File && is_record(Path::new(&now.join(&name))) {
            // A file that has gone since it was listed counts as an empty one.
            let record = now.read_record(&name)?.unwrap_or_default();
            line.push_str(&Digest::of(Algorithm::Sha256, &record).to_hex());
        }
        if stat.kind == Kind::Symlink {
            let target = now.root.link_target(&now.join(&name))?.unwrap_or_default();
            line.push_str(&Digest::of(Algorithm::Sha256, &target).to_hex());
        }
        line.push('\n');
        hasher.update(line.as_bytes());
    }
    Ok(hasher.finish().to_hex())
}

/// Whether a file is the RECORD of an installed project.
fn is_record(file: &Path) -> bool {
    let directory = file.parent().and_then(Path::file_name);
    file.ends_with("RECORD")
        && directory.is_some_and(|name| name.to_string_lossy().ends_with(".dist-info"))
}

/// The digest of each file that a RECORD of the transaction lists, by absolute path.
fn recorded(
    journal: &Journal,
    layout: &Layout,
    roots: &[&Dir],
) -> Result<HashMap<PathBuf, Digest>> {
    let mut digests = HashMap::new();
    for operation in &journal.operations {
        if operation.kind != OperationKind::In {
            continue;
        }
        let now = MovedIn::look(roots[operation.root], operation)?;
        for (name, _) in counted(&now.files) {
            let file = now.absolute(&name);
            let Some(library) = library_of(&file, layout) else {
                continue;
            };
            let text = now.read_record(&name)?.unwrap_or_default();
            let rows = record::read_installed_record(&text).map_err(|fault| {
                Error::bad_environment(&file, format!("it cannot be read: {fault}"))
            })?;
            for row in rows {
                if let Some(digest) = row.digest
                    && let Some(place) = layout.of_recorded(library, &row.path)
                {
                    digests.insert(layout.absolute(&place), digest);
                }
            }
        }
    }
    Ok(digests)
}

/// The library of a RECORD; `None` for any other file.
fn library_of(file: &Path, layout: &Layout) -> Option<SchemeKey> {
    let library = file.parent()?.parent()?;
    let is_in = |key: &SchemeKey| layout.absolute_directory(*key) == library;
    let keys = [SchemeKey::Purelib, SchemeKey::Platlib];
    keys.into_iter().find(is_in).filter(|_| is_record(file))
}

/// Whether every file has the digest that its RECORD states.
fn is_recorded(now: &MovedIn<'_>, recorded: &HashMap<PathBuf, Digest>) -> Result<bool> {
    for (name, stat) in counted(&now.files) {
        let file = now.absolute(&name);
        if is_record(&file) || stat.kind == Kind::Symlink {
            // Its own digest, or that of its target, is part of the mark.
            continue;
        }
        // Nothing says what a file without a recorded digest held, so it counts as changed.
        let Some(expected) = recorded.get(&file) else {
            return Ok(false);
        };
        let Some(open) = now.root.open_file(&now.join(&name))? else {
            return Ok(false);
        };
        let mut hasher = Hasher::new(expected.algorithm());
        open.in_pieces(&mut |piece| {
            hasher.update(piece);
            Ok(())
        })?;
        if hasher.finish() != *expected {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_present_marks_are_told_apart() {
        let old: Marks = serde_json::from_str(r#"{"seen":[null,"ab"]}"#).expect("it is one");
        assert!(matches!(old, Marks::Old { seen } if seen.len() == 2));
        let text = r#"{"moved_in":[null,{"times":"ab","content":"cd"}]}"#;
        let present: Marks = serde_json::from_str(text).expect("it is one");
        assert!(matches!(present, Marks::Present { moved_in } if moved_in[1].is_some()));
    }

    #[test]
    fn only_a_record_in_a_dist_info_is_one() {
        for (path, is) in [
            ("/v/demo-1.dist-info/RECORD", true),
            ("/v/demo/RECORD", false),
            ("/v/demo-1.dist-info/RECORDS", false),
            ("RECORD", false),
        ] {
            assert_eq!(is_record(Path::new(path)), is, "{path}");
        }
    }

    #[test]
    fn times_change_one_digest_and_sizes_change_both() {
        let stat = |size, seconds| Stat {
            kind: Kind::File,
            mode: 0o644,
            size,
            device: 1,
            inode: 2,
            uid: 3,
            gid: 4,
            modified: (seconds, 0),
            changed: (seconds, 0),
            links: 1,
        };
        let scratch = tempfile::tempdir().expect("there is room");
        let root = Dir::open(&crate::fs::Fs::default(), scratch.path()).expect("it is there");
        let marked = |size, seconds| {
            let files = vec![(PathBuf::from("a.py"), stat(size, seconds))];
            let root = &root;
            let path = "demo";
            mark(&MovedIn { root, path, files }).expect("nothing is read")
        };
        let first = marked(1, 1);
        assert_eq!(marked(1, 1), first);
        assert_ne!(marked(1, 2).times, first.times);
        assert_eq!(marked(1, 2).content, first.content);
        assert_ne!(marked(2, 1).content, first.content);
    }
}

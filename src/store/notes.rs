//! Notes that lead to an entry: from the hash of an archive, and from a wheel on this machine.
//!
//! A note is a small file with a content id. It is only a short cut: without it an archive is
//! opened, which tells the same. So failures to write one are dropped, and a note that cannot be
//! read is none.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{ContentId, Store};
use crate::digest::{Algorithm, Digest};
use crate::fs::Stat;
use crate::source::Pins;

/// The directories of notes.
pub(super) const ARCHIVES: &str = "archives";
pub(super) const FILES: &str = "files";
/// The longest note: 64 digits, a space and a number.
const MAX_NOTE: u64 = 128;
/// A file that was changed less long ago may be changed again without getting another time.
const SETTLED: Duration = Duration::from_secs(2);

/// An archive that was checked.
#[derive(Debug, Clone, Copy)]
pub struct ArchiveFacts {
    /// Its SHA-256.
    pub digest: Digest,
    /// Its length in bytes, if it is known.
    pub size: Option<u64>,
}

impl Store {
    /// The contents of an archive that is pinned to these hashes and has this length, if the store
    /// knows an archive for which all of that holds.
    pub fn content_of_archive(&self, pins: &Pins, size: Option<u64>) -> Option<ContentId> {
        let pinned = pins.all.iter().chain(pins.any.iter().flatten());
        let candidates = pinned.filter(|digest| digest.algorithm() == Algorithm::Sha256);
        candidates
            .filter(|digest| pins.agree_with(&[**digest]) == Some(true))
            .find_map(|digest| {
                let (id, known) = self.note(ARCHIVES, &digest.to_hex())?;
                size.is_none_or(|size| known == Some(size)).then_some(id)
            })
    }

    /// Notes that an archive has these contents.
    pub fn note_archive(&self, archive: &ArchiveFacts, id: ContentId) {
        let name = archive.digest.to_hex();
        let size = archive
            .size
            .map_or_else(String::new, |size| format!(" {size}"));
        self.write_note(ARCHIVES, &name, &format!("{id}{size}\n"));
    }

    /// The contents of the wheel that looks like this, if it was noted.
    pub fn content_of_file(&self, stat: &Stat) -> Option<ContentId> {
        self.note(FILES, &file_key(stat)).map(|(id, _)| id)
    }

    /// Notes the contents of a wheel on this machine, which looked like this before it was read.
    pub fn note_file(&self, stat: &Stat, id: ContentId) {
        if is_settled(stat, SystemTime::now()) {
            self.write_note(FILES, &file_key(stat), &format!("{id}\n"));
        }
    }

    fn note(&self, directory: &str, name: &str) -> Option<(ContentId, Option<u64>)> {
        let note = self.dir.read(&format!("{directory}/{name}"), MAX_NOTE);
        let note = String::from_utf8(note.ok()??).ok()?;
        let (id, size) = note.trim_end().split_at_checked(64)?;
        Some((ContentId::from_hex(id)?, size.trim_start().parse().ok()))
    }

    fn write_note(&self, directory: &str, name: &str, content: &str) {
        let notes = self.root.make_child(directory);
        // Without the note the archive is opened again.
        let _ = notes.and_then(|notes| notes.write(name, &[content.as_bytes()]));
    }
}

/// The name of the note about a file. The time of the last change of its metadata is in it, which
/// every writing to the file moves and which cannot be set.
fn file_key(stat: &Stat) -> String {
    let looks = format!(
        "{} {} {} {:?} {:?}",
        stat.device, stat.inode, stat.size, stat.modified, stat.changed
    );
    Digest::of(Algorithm::Sha256, looks.as_bytes()).to_hex()
}

/// Whether any later change of the file gives it another time than it has.
fn is_settled(stat: &Stat, now: SystemTime) -> bool {
    let changed = u64::try_from(stat.changed.0).unwrap_or(u64::MAX);
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    now.checked_sub(SETTLED)
        .is_some_and(|latest| latest.as_secs() >= changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_just_changed_is_not_noted() {
        let scratch = tempfile::tempdir().expect("there is room");
        std::fs::write(scratch.path().join("a"), "a").expect("written");
        let stat = crate::fs::stat(&scratch.path().join("a"));
        let stat = stat.expect("looked at").expect("there");
        let now = SystemTime::now();
        assert!(!is_settled(&stat, now));
        assert!(is_settled(&stat, now + SETTLED + Duration::from_secs(1)));
    }
}

//! Filling the store: a wheel is unpacked into a private directory, which becomes its entry by one
//! rename when every file is in it.
//!
//! Input: a wheel, and its contents one after the other from any thread, each already verified.
//! Output: an entry. A failure is no failure of the command: its files are then written into the
//! environment alone, and the entry does not appear.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::entry::{INDEX, TREE};
use super::index_file::{Described, FileFacts};
use super::notes::ArchiveFacts;
use super::self_contained::is_self_contained;
use super::{ContentId, Store};
use crate::error::{Error, Result};
use crate::fs::{Dir, OutputFile, Stat};
use crate::wheel::{Wheel, WheelEntry};

/// The largest METADATA that is read back, in bytes; a larger one was refused before.
const MAX_METADATA: u64 = 8 << 20;

/// A wheel that is being put into the store.
pub struct Filling<'a> {
    store: &'a Store,
    wheel: &'a Wheel,
    id: ContentId,
    archive: Option<ArchiveFacts>,
    file: Option<Stat>,
    /// The time of the last change that all files get.
    modified: i64,
    place: OnceLock<Option<FillingDirectory>>,
    /// The inodes of the files that are written, by the positions of their entries.
    inodes: Vec<AtomicU64>,
    /// How many entries are still to be written.
    left: AtomicUsize,
    /// The permissions of the first file of each kind; 0 before there is one.
    plain: AtomicU64,
    executable: AtomicU64,
    /// Whether its libraries need nothing outside of it, once it is published.
    self_contained: OnceLock<bool>,
    failure: OnceLock<Error>,
}

/// The private directory of a filling.
struct FillingDirectory {
    name: String,
    dir: Dir,
    tree: Dir,
}

impl<'a> Filling<'a> {
    /// Will put `wheel` into the store, which has contents that are determined by its digests:
    /// `None` otherwise. `archive` is the archive that it comes from, if its hash is known; `file`
    /// is how that looked on this machine before it was opened.
    pub fn new(
        store: &'a Store,
        wheel: &'a Wheel,
        archive: Option<ArchiveFacts>,
        file: Option<Stat>,
    ) -> Option<Self> {
        Some(Self {
            store,
            wheel,
            id: ContentId::of(wheel)?,
            archive,
            file,
            modified: time_of_files(SystemTime::now()),
            place: OnceLock::new(),
            inodes: wheel.entries.iter().map(|_| AtomicU64::new(0)).collect(),
            left: AtomicUsize::new(wheel.entries.len()),
            plain: AtomicU64::new(0),
            executable: AtomicU64::new(0),
            self_contained: OnceLock::new(),
            failure: OnceLock::new(),
        })
    }

    /// The wheel.
    pub fn wheel(&self) -> &'a Wheel {
        self.wheel
    }

    /// The directory that holds the files, by their paths in the archive; `None` if the store
    /// cannot be filled.
    pub fn tree(&self) -> Option<&Dir> {
        if self.failure.get().is_some() {
            return None;
        }
        let place = self.place.get_or_init(|| match self.make() {
            Ok(place) => Some(place),
            Err(error) => {
                self.fail(error);
                None
            }
        });
        place.as_ref().map(|place| &place.tree)
    }

    /// Gives up: what is written so far is removed in the end.
    pub fn fail(&self, error: Error) {
        // Only the first failure says why; later ones may follow from it.
        let _ = self.failure.set(error);
    }

    /// Why it was given up, if it was.
    pub fn failure(&self) -> Option<&Error> {
        self.failure.get()
    }

    /// The identity of its contents.
    pub fn id(&self) -> ContentId {
        self.id
    }

    /// Whether directories of it can be links, as [`FileFacts::self_contained`]; `None` before it
    /// is in the store.
    pub fn self_contained(&self) -> Option<bool> {
        self.self_contained.get().copied()
    }

    /// The permissions that its files have got.
    pub fn mode(&self, executable: bool) -> u32 {
        let of_kind = if executable {
            &self.executable
        } else {
            &self.plain
        };
        u32::try_from(of_kind.load(Ordering::Relaxed)).expect("permissions have twelve bits")
    }

    /// Ends the file of the entry at `position`, whose whole verified content was written, and
    /// returns what it looks like. The last one publishes the entry.
    ///
    /// # Errors
    /// A file system that does not keep times.
    pub fn finish_file(&self, position: usize, file: &OutputFile<'_>) -> Result<Stat> {
        file.set_modified(self.modified)?;
        let stat = file.stat()?;
        let of_kind = if self.wheel.entries[position].executable {
            &self.executable
        } else {
            &self.plain
        };
        // Relaxed here and below: `left` orders all of it, see there.
        self.inodes[position].store(stat.inode, Ordering::Relaxed);
        of_kind.store(u64::from(stat.mode), Ordering::Relaxed);
        Ok(stat)
    }

    /// Counts an entry whose file is written and linked. The last one publishes the entry, and
    /// returns true if this made it appear.
    pub fn done(&self) -> bool {
        // AcqRel: the thread that counts the last one must see the inodes that others have stored.
        if self.left.fetch_sub(1, Ordering::AcqRel) != 1 || self.failure.get().is_some() {
            return false;
        }
        let Some(Some(place)) = self.place.get() else {
            return false;
        };
        match self.publish(place) {
            Ok(published) => published,
            Err(error) => {
                self.fail(error);
                false
            }
        }
    }

    fn make(&self) -> Result<FillingDirectory> {
        let filling = self.store.filling_place()?;
        let name = self.id.to_string();
        filling.make_own_dir(&name)?;
        let gone = || Error::cache(filling.path(), "a directory in it is gone");
        let dir = filling.open_below(&name)?.ok_or_else(gone)?;
        dir.make_own_dir(TREE)?;
        let tree = dir.open_below(TREE)?.ok_or_else(gone)?;
        for directory in directories(&self.wheel.entries) {
            tree.make_dir(directory)?;
        }
        Ok(FillingDirectory { name, dir, tree })
    }

    /// Makes the complete entry appear, unless another command was faster.
    fn publish(&self, place: &FillingDirectory) -> Result<bool> {
        let self_contained = is_self_contained(&place.tree, &self.wheel.entries);
        let facts = FileFacts {
            modified: self.modified,
            plain: self.mode(false),
            executable: self.mode(true),
            tree: place.tree.own_stat()?.inode,
            inodes: (self.inodes.iter())
                .map(|inode| inode.load(Ordering::Relaxed))
                .collect(),
            self_contained,
        };
        let metadata = format!("{}/METADATA", self.wheel.dist_info);
        let metadata = place.tree.read(&metadata, MAX_METADATA)?;
        let metadata =
            metadata.ok_or_else(|| Error::cache(place.dir.path(), "METADATA is gone"))?;
        let index = Described::of_wheel(self.wheel, &metadata).encode(&facts);
        place.dir.create(INDEX, false)?.write(&index)?;
        let path = self.id.path();
        let (parent, hex) = path.split_once('/').expect("it has two components");
        let parent = self.store.root.make_child(parent)?.to_dir()?;
        let filling = self.store.filling_place()?;
        let published = match filling.rename(&place.name, &parent, hex) {
            Ok(()) => true,
            // Another command has the same contents there, which are as good.
            Err(error) if is_taken(&error) => false,
            Err(error) => return Err(error),
        };
        if let Some(archive) = &self.archive {
            self.store.note_archive(archive, self.id);
        }
        if let Some(file) = &self.file {
            self.store.note_file(file, self.id);
        }
        // It is set once, here.
        let _ = self.self_contained.set(self_contained);
        Ok(published)
    }
}

/// Whether a new name is taken. Renaming a directory to one that is not empty has an error of its
/// own on systems without a rename that replaces nothing.
fn is_taken(error: &Error) -> bool {
    use std::io::ErrorKind::{AlreadyExists, DirectoryNotEmpty};
    matches!(error.io_kind(), Some(AlreadyExists | DirectoryNotEmpty))
}

/// The directories that the entries are in, each before those in it.
fn directories(entries: &[WheelEntry]) -> BTreeSet<&str> {
    let mut directories = BTreeSet::new();
    for entry in entries {
        let mut rest = entry.path.as_str();
        while let Some((parent, _)) = rest.rsplit_once('/') {
            // The parents of a known directory are known, too.
            if !directories.insert(parent) {
                break;
            }
            rest = parent;
        }
    }
    directories
}

/// A time for the files of an entry: whole seconds, so that it survives being copied by programs
/// that keep no fractions, and in the past, so that no change of a file can leave it the same.
fn time_of_files(now: SystemTime) -> i64 {
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
        .saturating_sub(2);
    i64::try_from(seconds).expect("a clock shows less than 2^63 seconds")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_time_of_files_is_in_the_past_and_has_no_fraction() {
        let now = UNIX_EPOCH + Duration::from_millis(10_700);
        assert_eq!(time_of_files(now), 8);
        assert_eq!(time_of_files(UNIX_EPOCH), 0);
    }
}

//! Making files of an environment from those of the store: clones, hard links or copies.
//!
//! Input: a directory of the environment, and [`LinkMode`]. Output: a [`Linker`], which knows what
//! is possible there and makes one file after the other, from any thread. A file is only linked if
//! a new file in the environment would look the same; otherwise it is copied.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{LinkMode, Store};
use crate::error::{Error, Result};
use crate::fs::Dir;

/// How files get from the store to a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkWay {
    /// Copies that share their blocks.
    Clone,
    /// Hard links.
    Link,
    /// Copies.
    Copy,
}

/// How many files a command has made in each way.
#[derive(Debug, Default)]
pub struct StoreCounts {
    /// Hard links.
    pub linked: AtomicU64,
    /// Clones.
    pub cloned: AtomicU64,
    /// Copies.
    pub copied: AtomicU64,
    /// Files in directories that are symbolic links.
    pub symlinked: AtomicU64,
    /// Files that were written without the store.
    pub written: AtomicU64,
    /// Wheels that were put into the store.
    pub filled: AtomicU64,
}

/// A file of the store, and what it looks like.
#[derive(Clone, Copy)]
pub struct StoredFile<'a> {
    /// The directory of the wheel's files, or one in it.
    pub dir: &'a Dir,
    /// The path below it.
    pub path: &'a str,
    /// Its permissions.
    pub mode: u32,
}

/// Makes files in one directory of an environment.
#[derive(Clone, Copy)]
pub struct Linker<'a> {
    to: &'a Dir,
    /// The permissions of new files here: of those that are not executable, and of those that are.
    modes: [u32; 2],
    way: LinkWay,
    /// Whether files of the store have the same user, group and label as new files here, and none
    /// of them has an access list.
    is_alike: bool,
    counts: &'a StoreCounts,
}

/// A linker, and why it copies although copies were not asked for.
pub struct NewLinker<'a> {
    /// The linker.
    pub linker: Linker<'a>,
    /// Why files cannot be linked; `None` if they can, or copies were asked for.
    pub obstacle: Option<String>,
}

impl<'a> Linker<'a> {
    /// Finds out what is possible between the store and the directory `to`.
    ///
    /// # Errors
    /// A mode that was asked for by its name and is not possible.
    pub fn between(
        store: &Store,
        to: &'a Dir,
        mode: LinkMode,
        counts: &'a StoreCounts,
    ) -> Result<NewLinker<'a>> {
        let looks = to.new_file_looks()?;
        let probe = match Probe::make(store) {
            // Nothing can be made in the store, but what is in it can still be copied.
            Err(error) if mode.needs_links() => return Err(error),
            probe => probe,
        };
        let mut obstacle = None;
        let way = match (mode, &probe) {
            (LinkMode::Reflink, Ok(probe)) => probe.clone_to(to).map(|()| LinkWay::Clone)?,
            (LinkMode::Hardlink, Ok(probe)) => probe.link_to(to).map(|()| LinkWay::Link)?,
            (LinkMode::Auto, Ok(probe)) if probe.clone_to(to).is_ok() => LinkWay::Clone,
            (LinkMode::Auto, Ok(probe)) => match probe.link_to(to) {
                Ok(()) => LinkWay::Link,
                Err(error) => {
                    obstacle = Some(no_link(store, &error));
                    LinkWay::Copy
                }
            },
            (LinkMode::Auto, Err(error)) => {
                obstacle = Some(error.to_string());
                LinkWay::Copy
            }
            // Whole packages are links then, and the rest comes as is possible, without a word.
            (LinkMode::Symlink, Ok(probe)) if probe.link_to(to).is_ok() => LinkWay::Link,
            (LinkMode::Copy | LinkMode::Reflink | LinkMode::Hardlink | LinkMode::Symlink, _) => {
                LinkWay::Copy
            }
        };
        let is_alike = !looks.has_access_list
            && probe.is_ok_and(|probe| {
                probe.owner == (looks.uid, looks.gid) && probe.label == looks.label
            });
        if mode == LinkMode::Auto && way == LinkWay::Link && !is_alike {
            obstacle = Some(format!(
                "new files in `{}` have another owner, group, access list or label",
                to.path().display()
            ));
        }
        let linker = Self {
            to,
            modes: [looks.plain, looks.executable],
            way,
            is_alike,
            counts,
        };
        Ok(NewLinker { linker, obstacle })
    }

    /// How files are made if nothing keeps one from it.
    pub fn way(&self) -> LinkWay {
        self.way
    }

    /// Whether a file of the store with these permissions can be linked: a new file would look the
    /// same.
    pub fn can_link(&self, mode: u32, executable: bool) -> bool {
        self.way == LinkWay::Link && self.is_alike && mode == self.modes[usize::from(executable)]
    }

    /// The same, for files that have to look different from those of the store: they are cloned or
    /// copied.
    #[must_use]
    pub fn without_links(self) -> Self {
        Self {
            is_alike: false,
            ..self
        }
    }

    /// Makes the file `name`, a path below `at`, with the content of a file of the store.
    ///
    /// # Errors
    /// A file that cannot be made or read.
    pub fn place(
        &self,
        from: StoredFile<'_>,
        (at, name): (&Dir, &str),
        executable: bool,
        buffer: &mut Vec<u8>,
    ) -> Result<()> {
        let count = |counter: &AtomicU64| {
            // Relaxed: only the sum counts, and it is read after the threads have ended.
            counter.fetch_add(1, Ordering::Relaxed);
        };
        if self.can_link(from.mode, executable) {
            match from.dir.link(from.path, at, name) {
                Ok(()) => {
                    count(&self.counts.linked);
                    return Ok(());
                }
                // A file has as many names as are possible, or a security module objects.
                Err(error) if is_about_links(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if self.way == LinkWay::Clone {
            from.dir.clone_file(from.path, at, name, executable)?;
            count(&self.counts.cloned);
            return Ok(());
        }
        from.dir
            .copy_file(from.path, at, name, executable, buffer)?;
        count(&self.counts.copied);
        Ok(())
    }

    /// The directory that files are made in.
    pub fn to(&self) -> &'a Dir {
        self.to
    }

    /// The counters.
    pub fn counts(&self) -> &'a StoreCounts {
        self.counts
    }
}

/// Why no file of the store can be linked, after one attempt failed.
fn no_link(store: &Store, error: &Error) -> String {
    if error.io_kind() == Some(std::io::ErrorKind::CrossesDevices) {
        let store = store.path().display();
        return format!("the store `{store}` is on another file system than the environment");
    }
    error.to_string()
}

/// Whether a link failed although a copy may succeed.
fn is_about_links(error: &Error) -> bool {
    use std::io::ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
    matches!(
        error.io_kind(),
        Some(CrossesDevices | PermissionDenied | TooManyLinks | Unsupported)
    )
}

/// A file in the store, made for a moment.
struct Probe<'a> {
    dir: &'a Dir,
    owner: (u32, u32),
    label: Option<Vec<u8>>,
}

/// The names of the probe, in the store and in an environment.
const PROBE: &str = "probe";

impl<'a> Probe<'a> {
    fn make(store: &'a Store) -> Result<Self> {
        let dir = store.filling_place()?;
        dir.remove_file(PROBE)?;
        let file = dir.create(PROBE, false)?;
        let stat = file.stat()?;
        Ok(Self {
            dir,
            owner: (stat.uid, stat.gid),
            label: file.label()?,
        })
    }

    fn link_to(&self, to: &Dir) -> Result<()> {
        self.dir.link(PROBE, to, PROBE)?;
        to.remove_file(PROBE)
    }

    fn clone_to(&self, to: &Dir) -> Result<()> {
        self.dir.clone_file(PROBE, to, PROBE, false)?;
        to.remove_file(PROBE)
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        // It is empty, and its directory is removed at the end of the command anyway.
        let _ = self.dir.remove_file(PROBE);
    }
}

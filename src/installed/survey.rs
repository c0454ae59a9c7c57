//! The survey: what exists at the places that a plan would change.
//!
//! Input: places. Output: what was [`Surveyed`] there, and listings of directories. Each directory
//! is looked at once, and nothing below a missing one is looked at. A symbolic link to a directory
//! is followed if it leads to somewhere inside the environment, and the answer names the real
//! place; if it leads outside, that is an error. A directory on which something is mounted becomes
//! a root.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use crate::digest::{Algorithm, Digest, Hasher};
use crate::environment::layout::{Layout, Place, RootId};
use crate::error::{Error, Result};
use crate::fs::{self, DirectorySnapshot, Kind, OpenFile, ReadAt as _, Stat};
use crate::path::RelPath;

/// What exists at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    /// The place itself, symbolic links to directories resolved.
    pub place: Place,
    /// The outermost directory that is missing on the way to the place; the place itself if its
    /// directory is there.
    pub missing_root: Place,
    /// The metadata of what exists there; `None` if nothing does.
    pub stat: Option<Stat>,
    /// Something other than a directory that blocks a directory of the place.
    pub blocked_by: Option<Place>,
}

/// A directory that was looked at.
#[derive(Debug, Clone)]
enum Known {
    There(RootId, Option<RelPath>),
    Missing {
        missing_root: Place,
        real: Place,
    },
    Blocked {
        by: Place,
        real: Place,
    },
    /// A symbolic link on the way leads out of the environment.
    Outside {
        at: Place,
        link: PathBuf,
        target: PathBuf,
    },
}

/// The directory that was asked for last: its spelling, what it is, and its listing if one was
/// remembered. Files come sorted, so most answers are found here without a map.
#[derive(Debug, Clone)]
struct Last {
    root: RootId,
    directory: Option<RelPath>,
    known: Known,
    inside: Option<Arc<DirectorySnapshot>>,
}

/// Looks at the file system under a layout, and remembers what it saw.
pub struct Survey<'a> {
    layout: &'a mut Layout,
    directories: HashMap<(RootId, Option<RelPath>), Known>,
    last: Option<Last>,
    listings: HashMap<Place, Arc<DirectorySnapshot>>,
    mounts: HashMap<RootId, u64>,
}

impl<'a> Survey<'a> {
    /// A survey that has looked at nothing yet. It adds the mounts that it finds to the roots of
    /// `layout`.
    pub fn new(layout: &'a mut Layout) -> Self {
        Self {
            layout,
            directories: HashMap::new(),
            last: None,
            listings: HashMap::new(),
            mounts: HashMap::new(),
        }
    }

    /// The layout, with the roots found so far.
    pub fn layout(&self) -> &Layout {
        self.layout
    }

    /// The layout, with all roots that were found.
    pub fn into_layout(self) -> &'a Layout {
        self.layout
    }

    /// Remembers listings that were made elsewhere, in parallel: nothing in these directories is
    /// looked at again.
    pub fn remember(&mut self, listings: impl IntoIterator<Item = (Place, DirectorySnapshot)>) {
        let shared = listings
            .into_iter()
            .map(|(place, inside)| (place, Arc::new(inside)));
        self.listings.extend(shared);
    }

    /// The remembered listing of a directory.
    pub fn remembered(&self, directory: &Place) -> Option<&DirectorySnapshot> {
        self.listings.get(directory).map(Arc::as_ref)
    }

    /// The metadata of a real place; a symbolic link there is not followed.
    pub fn stat(&self, real: &Place) -> Result<Option<Stat>> {
        match self.remembered_at(real) {
            Some(stat) => Ok(stat),
            None => fs::lstat(&self.layout.absolute(real)),
        }
    }

    /// The metadata of a real place in the remembered listings; the outer `None` means that no
    /// listing covers it.
    fn remembered_at(&self, real: &Place) -> Option<Option<Stat>> {
        let inside = self.listings.get(&real.parent()?)?;
        Some(inside.stat(real.path.file_name()).copied())
    }

    /// What exists at `place`.
    ///
    /// # Errors
    /// If it cannot be looked at, or a symbolic link on the way leads out of the environment.
    pub fn look(&mut self, place: &Place) -> Result<Surveyed> {
        let Last { known, inside, .. } = self.directory_of(place)?;
        let seen = match known {
            Known::There(root, directory) => {
                let real = named(place, *root, directory.as_ref());
                let listed = inside
                    .as_ref()
                    .map(|inside| inside.stat(real.path.file_name()).copied());
                let stat = match listed {
                    Some(stat) => stat,
                    None => self.stat(&real)?,
                };
                Surveyed {
                    missing_root: real.clone(),
                    place: real,
                    stat,
                    blocked_by: None,
                }
            }
            Known::Missing { missing_root, real } => Surveyed {
                place: named(place, real.root, Some(&real.path)),
                missing_root: missing_root.clone(),
                stat: None,
                blocked_by: None,
            },
            Known::Blocked { by, real } => Surveyed {
                place: named(place, real.root, Some(&real.path)),
                missing_root: by.clone(),
                stat: None,
                blocked_by: Some(by.clone()),
            },
            Known::Outside { link, target, .. } => {
                return Err(Error::leads_outside(link, target));
            }
        };
        Ok(seen)
    }

    /// The error that [`Survey::look`] fails with if a symbolic link on the way to the place leads
    /// out of the environment; `None` if none does.
    ///
    /// # Errors
    /// If the way cannot be looked at.
    pub fn leads_outside(&mut self, place: &Place) -> Result<Option<Error>> {
        Ok(match &self.directory_of(place)?.known {
            Known::Outside { link, target, .. } => Some(Error::leads_outside(link, target)),
            Known::There(..) | Known::Missing { .. } | Known::Blocked { .. } => None,
        })
    }

    /// The place itself, symbolic links to directories resolved, whether anything exists there or
    /// not.
    ///
    /// # Errors
    /// As [`Survey::look`].
    pub fn real(&mut self, place: &Place) -> Result<Place> {
        Ok(match &self.directory_of(place)?.known {
            Known::There(root, inside) => named(place, *root, inside.as_ref()),
            Known::Missing { real, .. } | Known::Blocked { real, .. } => {
                named(place, real.root, Some(&real.path))
            }
            Known::Outside { link, target, .. } => {
                return Err(Error::leads_outside(link, target));
            }
        })
    }

    /// As [`Survey::real`], but a symbolic link that leads out of the environment stands for all
    /// that is behind it.
    ///
    /// # Errors
    /// If the way cannot be looked at.
    pub fn real_or_link(&mut self, place: &Place) -> Result<Place> {
        match &self.directory_of(place)?.known {
            Known::Outside { at, .. } => Ok(at.clone()),
            Known::There(..) | Known::Missing { .. } | Known::Blocked { .. } => self.real(place),
        }
    }

    /// The digest of the regular file at a real place; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn digest(&self, place: &Place, algorithm: Algorithm) -> Result<Option<Digest>> {
        digest_of(&self.layout.absolute(place), algorithm)
    }

    /// The names in a directory at a real place, with their types; a name that is not UTF-8
    /// is `None`. Empty if there is no such directory.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn list(&self, place: &Place) -> Result<Vec<(Option<String>, Kind)>> {
        if let Some(inside) = self.listings.get(place) {
            let names = inside.entries.iter();
            return Ok(names
                .map(|(name, stat)| (name.to_str().map(str::to_owned), stat.kind))
                .collect());
        }
        // The listing of its parent lacks it, which spares a system call that would only fail.
        if self.remembered_at(place) == Some(None) {
            return Ok(Vec::new());
        }
        let names = fs::list(&self.layout.absolute(place))?;
        Ok(names
            .into_iter()
            .map(|(name, kind)| (name.into_string().ok(), kind))
            .collect())
    }

    /// The directory that holds a place; most often it is the same as for the place before.
    fn directory_of(&mut self, place: &Place) -> Result<&Last> {
        let is_last = |last: &Last| {
            last.root == place.root
                && last.directory.as_ref().map(RelPath::as_str) == place.path.directory()
        };
        let last = match self.last.take().filter(is_last) {
            Some(last) => last,
            None => {
                let directory = place.path.parent();
                let known = self.directory(place.root, directory.clone())?;
                let inside = match &known {
                    Known::There(root, Some(path)) => self.listings.get(&Place {
                        root: *root,
                        path: path.clone(),
                    }),
                    _ => None,
                };
                Last {
                    root: place.root,
                    directory,
                    inside: inside.cloned(),
                    known,
                }
            }
        };
        Ok(self.last.insert(last))
    }

    fn directory(&mut self, root: RootId, path: Option<RelPath>) -> Result<Known> {
        let key = (root, path);
        if let Some(known) = self.directories.get(&key) {
            return Ok(known.clone());
        }
        let known = match &key.1 {
            None => self.root(root)?,
            Some(path) => {
                let parent = self.directory(root, path.parent())?;
                self.below(parent, path.file_name())?
            }
        };
        self.directories.insert(key, known.clone());
        Ok(known)
    }

    fn root(&mut self, root: RootId) -> Result<Known> {
        let path = self.layout.roots()[usize::from(root.0)].clone();
        match fs::stat(&path)? {
            Some(stat) if stat.kind == Kind::Directory => {
                self.mounts.insert(root, fs::mount_of(&path)?);
            }
            Some(_) => return Err(Error::bad_environment(&path, "it is not a directory")),
            // It will be made. Until then nothing is found below it either.
            None => {}
        }
        Ok(Known::There(root, None))
    }

    /// The directory `name` in `parent`.
    fn below(&mut self, parent: Known, name: &str) -> Result<Known> {
        let name =
            RelPath::parse(name).map_err(|fault| Error::usage(format!("`{name}` has {fault}")))?;
        let (root, inside) = match parent {
            Known::There(root, inside) => (root, inside),
            Known::Missing { missing_root, real } => {
                let real = real.join(&name);
                return Ok(Known::Missing { missing_root, real });
            }
            Known::Blocked { by, real } => {
                let real = real.join(&name);
                return Ok(Known::Blocked { by, real });
            }
            Known::Outside { .. } => return Ok(parent),
        };
        let real = Place {
            root,
            path: inside.map_or_else(|| name.clone(), |inside| inside.join(&name)),
        };
        let path = self.layout.absolute(&real);
        let blocked = |real: Place| Known::Blocked {
            by: real.clone(),
            real,
        };
        Ok(match self.stat(&real)? {
            None => Known::Missing {
                missing_root: real.clone(),
                real,
            },
            Some(stat) if stat.kind == Kind::Directory => self.entered(real, &path)?,
            Some(stat) if stat.kind == Kind::Symlink => match fs::stat(&path)? {
                Some(target) if target.kind == Kind::Directory => self.through_link(real, &path)?,
                _ => blocked(real),
            },
            Some(_) => blocked(real),
        })
    }

    /// The directory that the symbolic link `at`, with the path `path`, leads to.
    fn through_link(&mut self, at: Place, path: &Path) -> Result<Known> {
        let resolved = fs::canonical(path)?;
        match self.layout.of_resolved(&resolved) {
            None => Ok(Known::Outside {
                at,
                link: path.to_owned(),
                target: resolved,
            }),
            Some((root, None)) => self.root(root),
            Some((root, Some(path))) => self.entered(Place { root, path }, &resolved),
        }
    }

    /// A directory that is there: below its root, or a root of its own if something is mounted on
    /// it, since renames do not cross mounts.
    fn entered(&mut self, real: Place, path: &Path) -> Result<Known> {
        let mount = match self.listings.get(&real) {
            Some(inside) => inside.mount,
            None => fs::mount_of(path)?,
        };
        if self
            .mounts
            .get(&real.root)
            // A root that is not made yet has no mount to compare with.
            .is_none_or(|known| *known == mount)
        {
            return Ok(Known::There(real.root, Some(real.path)));
        }
        let root = self.layout.root_at(path)?;
        self.mounts.insert(root, mount);
        Ok(Known::There(root, None))
    }
}

/// The place with the last name of `place` in `directory`, which is the resolved directory of
/// `place`.
fn named(place: &Place, root: RootId, directory: Option<&RelPath>) -> Place {
    if (root, directory.map(RelPath::as_str)) == (place.root, place.path.directory()) {
        return place.clone();
    }
    let path = match directory {
        Some(directory) => directory.join_name_of(&place.path),
        None => RelPath::parse(place.path.file_name())
            .expect("the last component of a path is a path, too"),
    };
    Place { root, path }
}

/// The digest of a regular file; `None` if `path` is something else or nothing.
///
/// # Errors
/// If it cannot be read.
pub fn digest_of(path: &Path, algorithm: Algorithm) -> Result<Option<Digest>> {
    Ok(sums_of(path, algorithm)?.map(|(digest, _)| digest))
}

/// The digest and the CRC-32 of a regular file; `None` if `path` is something else or nothing.
///
/// # Errors
/// If it cannot be read.
pub fn sums_of(path: &Path, algorithm: Algorithm) -> Result<Option<(Digest, u32)>> {
    let Some(file) = OpenFile::open(path)? else {
        return Ok(None);
    };
    // One pass makes both, because a new file may be known by either.
    let (mut digest, mut crc) = (Hasher::new(algorithm), crc32fast::Hasher::new());
    file.in_pieces(&mut |piece| {
        digest.update(piece);
        crc.update(piece);
        Ok(())
    })?;
    Ok(Some((digest.finish(), crc.finalize())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_what_blocks_and_where_links_lead() {
        let scratch = tempfile::tempdir().expect("a directory");
        let root = scratch.path().canonicalize().expect("it is there");
        std::fs::create_dir_all(root.join("real/sub")).expect("made");
        std::fs::write(root.join("real/file"), b"x").expect("written");
        std::os::unix::fs::symlink("real", root.join("link")).expect("linked");
        std::os::unix::fs::symlink("/", root.join("out")).expect("linked");
        let mut layout = Layout::for_tests(root.to_str().expect("UTF-8"), "");
        let mut survey = Survey::new(&mut layout);

        let seen = survey.look(&Place::for_tests("link/file")).expect("inside");
        assert_eq!(seen.place, Place::for_tests("real/file"));
        assert_eq!(seen.stat.map(|stat| stat.size), Some(1));
        let seen = survey
            .look(&Place::for_tests("link/new/deep/x.py"))
            .expect("inside");
        assert_eq!(seen.place, Place::for_tests("real/new/deep/x.py"));
        assert_eq!(seen.missing_root, Place::for_tests("real/new"));
        assert_eq!((seen.stat, seen.blocked_by), (None, None));
        let seen = survey
            .look(&Place::for_tests("real/file/below/x.py"))
            .expect("inside");
        assert_eq!(seen.blocked_by, Some(Place::for_tests("real/file")));
        assert!(survey.look(&Place::for_tests("out/etc/passwd")).is_err());
        for (path, leads_outside) in [("out/etc/passwd", true), ("link/file", false)] {
            let error = survey
                .leads_outside(&Place::for_tests(path))
                .expect("readable");
            assert_eq!(error.is_some(), leads_outside, "{path}");
        }
        assert_eq!(
            survey.list(&Place::for_tests("nothing")).expect("no such"),
            []
        );
    }

    #[test]
    fn a_remembered_listing_is_believed() {
        let scratch = tempfile::tempdir().expect("a directory");
        let root = scratch.path().canonicalize().expect("it is there");
        std::fs::create_dir(root.join("d")).expect("made");
        let mut layout = Layout::for_tests(root.to_str().expect("UTF-8"), "");
        let mut survey = Survey::new(&mut layout);
        let inside = fs::snapshot(&root.join("d")).expect("readable");
        survey.remember(inside.map(|inside| (Place::for_tests("d"), inside)));
        std::fs::write(root.join("d/later"), b"x").expect("written");
        assert_eq!(
            survey
                .look(&Place::for_tests("d/later"))
                .expect("inside")
                .stat,
            None
        );
    }
}

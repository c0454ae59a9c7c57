//! The survey: what stands in the environment where a plan wants to put or take something.
//!
//! Input: places. Output: [`Fact`]s, and listings of directories. Each directory is looked at once;
//! nothing below a missing one is looked at at all. A symbolic link to a directory is followed
//! where it leads inside the environment, and the fact names the real place; where it leads outside
//! it is an error. A directory on which something is mounted is made a root.

use std::path::Path;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use crate::digest::{Algorithm, Digest, Hasher};
use crate::environment::layout::{Layout, Place, RootId};
use crate::error::{Error, Result};
use crate::fs::{self, Inside, Kind, OpenFile, ReadAt as _, Stat};
use crate::path::RelPath;

/// What stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The place itself, symbolic links to directories resolved.
    pub place: Place,
    /// The outermost part of the place that is missing; the place itself where its directory is
    /// there.
    pub anchor: Place,
    /// What stands there; `None` where nothing does.
    pub live: Option<Stat>,
    /// Something that is no directory and stands where a directory of the place would have to be.
    pub blocked: Option<Place>,
}

/// A directory, once looked at.
#[derive(Debug, Clone)]
enum Known {
    There(RootId, Option<RelPath>),
    Missing { anchor: Place, real: Place },
    Blocked { by: Place, real: Place },
}

/// The directory that was asked for last: as it was spelled, what it is, and what was seen in it
/// beforehand.
#[derive(Debug, Clone)]
struct Last {
    root: RootId,
    directory: Option<RelPath>,
    known: Known,
    inside: Option<Arc<Inside>>,
}

/// Looks at the file system under a layout.
pub struct Survey<'a> {
    layout: &'a mut Layout,
    directories: HashMap<(RootId, Option<RelPath>), Known>,
    last: Option<Last>,
    insides: HashMap<Place, Arc<Inside>>,
    mounts: HashMap<RootId, u64>,
}

impl<'a> Survey<'a> {
    /// A survey that has looked at nothing yet. Roots may be added to `layout` as it goes.
    pub fn new(layout: &'a mut Layout) -> Self {
        let (directories, insides, mounts) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self {
            layout,
            directories,
            last: None,
            insides,
            mounts,
        }
    }

    /// The layout, with the roots found so far.
    pub fn layout(&self) -> &Layout {
        self.layout
    }

    /// Takes in what directories were looked into beforehand: nothing in them is looked at again.
    pub fn foresee(&mut self, insides: impl IntoIterator<Item = (Place, Inside)>) {
        self.insides.extend(
            insides
                .into_iter()
                .map(|(place, inside)| (place, Arc::new(inside))),
        );
    }

    /// What was seen in a directory beforehand.
    pub fn foreseen(&self, directory: &Place) -> Option<&Inside> {
        self.insides.get(directory).map(Arc::as_ref)
    }

    /// What stands at a real place, a symbolic link not followed.
    fn stat(&self, real: &Place) -> Result<Option<Stat>> {
        match self.foreseen_at(real) {
            Some(stat) => Ok(stat),
            None => fs::lstat(&self.layout.absolute(real)),
        }
    }

    /// What was seen beforehand at a real place; `None` where nobody looked.
    fn foreseen_at(&self, real: &Place) -> Option<Option<Stat>> {
        let inside = self.insides.get(&real.parent()?)?;
        Some(inside.stat(real.path.file_name()).copied())
    }

    /// What stands at `place`.
    ///
    /// # Errors
    /// Where it cannot be looked at, or a symbolic link on the way leads out of the environment.
    pub fn look(&mut self, place: &Place) -> Result<Fact> {
        let Last { known, inside, .. } = self.directory_of(place)?;
        let fact = match known {
            Known::There(root, directory) => {
                let real = named(place, *root, directory.as_ref());
                let live = inside
                    .as_ref()
                    .map(|inside| inside.stat(real.path.file_name()).copied());
                let anchor = real.clone();
                return Ok(Fact {
                    live: live.map_or_else(|| self.stat(&real), Ok)?,
                    place: real,
                    anchor,
                    blocked: None,
                });
            }
            Known::Missing { anchor, real } => Fact {
                place: named(place, real.root, Some(&real.path)),
                anchor: anchor.clone(),
                live: None,
                blocked: None,
            },
            Known::Blocked { by, real } => {
                let place = named(place, real.root, Some(&real.path));
                Fact {
                    place,
                    anchor: by.clone(),
                    live: None,
                    blocked: Some(by.clone()),
                }
            }
        };
        Ok(fact)
    }

    /// The place itself, symbolic links to directories resolved, whether anything stands there or
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
        })
    }

    /// The digest of the regular file at a real place.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn digest(&self, place: &Place, algorithm: Algorithm) -> Result<Option<Digest>> {
        digest_of(&self.layout.absolute(place), algorithm)
    }

    /// The names in a directory at a real place, with what they stand for; names that are not UTF-8
    /// as `None`.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn list(&self, place: &Place) -> Result<Vec<(Option<String>, Kind)>> {
        if let Some(inside) = self.insides.get(place) {
            let names = inside.names.iter();
            return Ok(names
                .map(|(name, stat)| (name.to_str().map(str::to_owned), stat.kind))
                .collect());
        }
        if self.foreseen_at(place) == Some(None) {
            return Ok(Vec::new());
        }
        let names = fs::list(&self.layout.absolute(place))?;
        Ok(names
            .into_iter()
            .map(|(name, kind)| (name.into_string().ok(), kind))
            .collect())
    }

    /// The directory that holds a place, most often the one that held the place before it.
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
                    Known::There(root, Some(path)) => self.insides.get(&Place {
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
            // It will be made; below it nothing is found either.
            None => {}
        }
        Ok(Known::There(root, None))
    }

    fn below(&mut self, parent: Known, name: &str) -> Result<Known> {
        let name =
            RelPath::parse(name).map_err(|fault| Error::usage(format!("`{name}` has {fault}")))?;
        let (root, inside) = match parent {
            Known::There(root, inside) => (root, inside),
            Known::Missing { anchor, real } => {
                return Ok(Known::Missing {
                    anchor,
                    real: real.join(&name),
                });
            }
            Known::Blocked { by, real } => {
                return Ok(Known::Blocked {
                    by,
                    real: real.join(&name),
                });
            }
        };
        let real = Place {
            root,
            path: inside.map_or_else(|| name.clone(), |inside| inside.join(&name)),
        };
        let path = self.layout.absolute(&real);
        Ok(match self.stat(&real)? {
            None => Known::Missing {
                anchor: real.clone(),
                real,
            },
            Some(stat) if stat.kind == Kind::Directory => self.entered(real, &path)?,
            Some(stat) if stat.kind == Kind::Symlink => match fs::stat(&path)? {
                Some(target) if target.kind == Kind::Directory => {
                    let resolved = fs::canonical(&path)?;
                    let Some((root, inside)) = self.layout.of_resolved(&resolved) else {
                        return Err(Error::leads_outside(&path, &resolved));
                    };
                    match inside {
                        None => self.root(root)?,
                        Some(inside) => self.entered(Place { root, path: inside }, &resolved)?,
                    }
                }
                _ => Known::Blocked {
                    by: real.clone(),
                    real,
                },
            },
            Some(_) => Known::Blocked {
                by: real.clone(),
                real,
            },
        })
    }

    /// A directory that is there: below its root, or a root of its own where something is mounted.
    fn entered(&mut self, real: Place, path: &Path) -> Result<Known> {
        let mount = match self.insides.get(&real) {
            Some(inside) => inside.mount,
            None => fs::mount_of(path)?,
        };
        if self
            .mounts
            .get(&real.root)
            .is_none_or(|known| *known == mount)
        {
            return Ok(Known::There(real.root, Some(real.path)));
        }
        let root = self.layout.root_at(path);
        self.mounts.insert(root, mount);
        Ok(Known::There(root, None))
    }
}

/// The place in this directory, which is where that of `place` really is, that has the last name of
/// `place`.
fn named(place: &Place, root: RootId, directory: Option<&RelPath>) -> Place {
    if (root, directory.map(RelPath::as_str)) == (place.root, place.path.directory()) {
        return place.clone();
    }
    let path = match directory {
        Some(directory) => directory.join_name_of(&place.path),
        // Directly below a root, where nothing stands above that could be spelled differently.
        None => RelPath::parse(place.path.file_name()).unwrap_or_else(|_| place.path.clone()),
    };
    Place { root, path }
}

/// The digest of a regular file; `None` where `path` is something else or nothing.
///
/// # Errors
/// Where it cannot be read.
pub fn digest_of(path: &Path, algorithm: Algorithm) -> Result<Option<Digest>> {
    Ok(sums_of(path, algorithm)?.map(|(digest, _)| digest))
}

/// The digest and the CRC-32 of a regular file; `None` where `path` is something else or nothing.
///
/// # Errors
/// Where it cannot be read.
pub fn sums_of(path: &Path, algorithm: Algorithm) -> Result<Option<(Digest, u32)>> {
    let Some(file) = OpenFile::open(path)? else {
        return Ok(None);
    };
    let (mut digest, mut crc) = (Hasher::new(algorithm), crc32fast::Hasher::new());
    file.in_pieces(&mut |piece| {
        digest.update(piece);
        crc.update(piece);
        Ok(())
    })?;
    Ok(Some((digest.finish(), crc.finalize())))
}

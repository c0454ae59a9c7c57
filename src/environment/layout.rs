//! Places: where in an environment a file is, in coordinates that cannot name anything outside of
//! it.
//!
//! Input: an [`Environment`] and the file system under it. Output: a [`Layout`], which turns a
//! scheme and a path into a [`Place`] and back into what RECORD writes. A place is a root and a
//! path below it. Roots are resolved once and none lies inside another: two spellings of one file
//! are one place. A virtual environment has one root, itself; a scheme directory elsewhere, or on
//! another device, is a root of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Environment, Kind};
use crate::error::{Error, Result};
use crate::fs::{self, Dir, Fs};
use crate::path::RelPath;

/// The name of the directory that holds the state of a transaction. No wheel may contain it.
pub const STATE_DIR: &str = ".pkg-install";

/// The number of a root in its [`Layout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RootId(pub u16);

/// A file or directory below a root. Ordered by root, then component by component.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The root.
    pub root: RootId,
    /// The path below it.
    pub path: RelPath,
}

impl Place {
    /// The place of `path` below this one.
    #[must_use]
    pub fn join(&self, path: &RelPath) -> Self {
        Self {
            root: self.root,
            path: self.path.join(path),
        }
    }

    /// The directory that holds it; `None` for what stands directly below the root.
    pub fn parent(&self) -> Option<Self> {
        self.path.parent().map(|path| Self {
            root: self.root,
            path,
        })
    }
}

/// A scheme of the wheel specification: one of the directories that an installer spreads files
/// over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemeKey {
    /// Pure Python modules.
    Purelib,
    /// Platform-dependent modules.
    Platlib,
    /// Executables.
    Scripts,
    /// Anything, relative to the environment's own root.
    Data,
    /// C headers; the project's own directory is put between.
    Headers,
}

/// A scheme directory: as it is spelled, and where that is.
#[derive(Debug, Clone)]
struct Base {
    lexical: PathBuf,
    root: RootId,
    inside: Option<RelPath>,
}

impl Base {
    fn absolute(&self, roots: &[PathBuf]) -> PathBuf {
        let root = &roots[usize::from(self.root.0)];
        self.inside
            .as_ref()
            .map_or_else(|| root.clone(), |inside| root.join(inside.as_str()))
    }
}

/// The places of an environment.
#[derive(Debug, Clone)]
pub struct Layout {
    roots: Vec<PathBuf>,
    own: Base,
    bases: [Base; 5],
    protects_headers: bool,
}

const KEYS: [SchemeKey; 5] = [
    SchemeKey::Purelib,
    SchemeKey::Platlib,
    SchemeKey::Scripts,
    SchemeKey::Data,
    SchemeKey::Headers,
];

impl Layout {
    /// Resolves the environment's root and scheme directories, of which none need exist yet.
    ///
    /// # Errors
    /// Where a directory cannot be looked at, is no path in UTF-8, or is a symbolic link out of the
    /// environment.
    pub fn of(environment: &Environment) -> Result<Self> {
        let mut roots = Vec::new();
        let scheme = &environment.scheme;
        let home = resolve(&environment.root)?;
        let own = base(&mut roots, &environment.root, &environment.root, &home)?;
        let mut bases = Vec::with_capacity(KEYS.len());
        for lexical in [
            &scheme.purelib,
            &scheme.platlib,
            &scheme.scripts,
            &scheme.data,
            &scheme.headers,
        ] {
            bases.push(base(&mut roots, lexical, &environment.root, &home)?);
        }
        let bases = bases
            .try_into()
            .map_err(|_| Error::usage("a scheme has five directories"))?;
        // Neither a journal nor a launcher could say where things are.
        if let Some(odd) = roots
            .iter()
            .chain([&environment.root])
            .find(|root| root.to_str().is_none())
        {
            return Err(Error::bad_environment(odd, "its path is not UTF-8"));
        }
        Ok(Self {
            roots,
            own,
            bases,
            protects_headers: environment.kind != Kind::Target,
        })
    }

    /// The roots' paths, resolved; a [`RootId`] counts them.
    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// The numbers of all roots.
    pub fn root_ids(&self) -> impl Iterator<Item = RootId> + use<> {
        let count = u16::try_from(self.roots.len()).expect("roots are counted in 16 bits");
        (0..count).map(RootId)
    }

    /// The root that holds purelib, and the state of a transaction with it.
    pub fn main_root(&self) -> RootId {
        self.base(SchemeKey::Purelib).root
    }

    /// The directory that holds the [`STATE_DIR`] of a root: purelib if that is inside the root, else
    /// the root itself.
    pub fn state_home(&self, root: RootId) -> PathBuf {
        let (main, inside) = self.directory(SchemeKey::Purelib);
        let path = &self.roots[usize::from(root.0)];
        match inside {
            Some(inside) if main == root => path.join(inside.as_str()),
            _ => path.clone(),
        }
    }

    /// The number of a root at this resolved path, which is made one where it is not: a mount
    /// inside another root.
    pub fn root_at(&mut self, path: &Path) -> RootId {
        let position = self
            .roots
            .iter()
            .position(|root| root == path)
            .unwrap_or_else(|| {
                self.roots.push(path.to_owned());
                self.roots.len() - 1
            });
        RootId(u16::try_from(position).unwrap_or(u16::MAX))
    }

    /// Opens a directory that is a root or lies below one, `None` where there is none. Below the
    /// root no symbolic link is followed, so that nobody who swaps a directory for one leads a
    /// change elsewhere.
    ///
    /// # Errors
    /// Where `path` is outside of all roots, or something on the way to it is no directory or
    /// cannot be opened.
    pub fn open(&self, fs: &Fs, path: &Path) -> Result<Option<Dir>> {
        // A root that was found inside another one is reached through that.
        let outermost = self
            .roots
            .iter()
            .filter(|root| path.starts_with(root))
            .min_by_key(|root| root.as_os_str().len());
        let below =
            outermost.and_then(|root| Some((root, path.strip_prefix(root).ok()?.to_str()?)));
        let plain = |below: &str| below.is_empty() || RelPath::parse(below).is_ok();
        let Some((root, below)) = below.filter(|(_, below)| plain(below)) else {
            return Err(Error::bad_environment(
                path,
                "it is outside of the environment",
            ));
        };
        if fs::stat(root)?.is_none() {
            return Ok(None);
        }
        let root = Dir::open(fs, root)?;
        if below.is_empty() {
            Ok(Some(root))
        } else {
            root.open_below(below)
        }
    }

    /// The absolute path of a place.
    pub fn absolute(&self, place: &Place) -> PathBuf {
        self.roots[usize::from(place.root.0)].join(place.path.as_str())
    }

    /// The absolute path of a scheme's directory, resolved.
    pub fn absolute_directory(&self, key: SchemeKey) -> PathBuf {
        self.base(key).absolute(&self.roots)
    }

    /// The place of a file in a scheme; `None` where `path` is `None` and the scheme directory is a
    /// root itself.
    pub fn directory(&self, key: SchemeKey) -> (RootId, Option<&RelPath>) {
        let base = self.base(key);
        (base.root, base.inside.as_ref())
    }

    /// The place of a file in a scheme.
    pub fn place(&self, key: SchemeKey, path: &RelPath) -> Place {
        let base = self.base(key);
        let path = base
            .inside
            .as_ref()
            .map_or_else(|| path.clone(), |inside| inside.join(path));
        Place {
            root: base.root,
            path,
        }
    }

    /// How RECORD in `library` writes a file of another scheme: relative to the directory that
    /// holds dist-info.
    pub fn recorded(&self, library: SchemeKey, key: SchemeKey, path: &RelPath) -> Arc<str> {
        let from = &self.base(library).lexical;
        let to = &self.base(key).lexical;
        if from == to {
            return path.text();
        }
        relative(from, &to.join(path.as_str())).into()
    }

    /// What a row of RECORD in `library` means; `None` where it leads out of the environment.
    pub fn of_recorded(&self, library: SchemeKey, text: &str) -> Option<Place> {
        if !text.starts_with('/') && !text.contains("..") {
            // Below the library itself, as nearly all rows are.
            return RelPath::parse(text)
                .ok()
                .map(|path| self.place(library, &path));
        }
        let lexical = normal(&self.base(library).lexical.join(text))?;
        self.bases
            .iter()
            .chain([&self.own])
            .filter_map(|base| {
                let below = lexical.strip_prefix(&base.lexical).ok()?.to_str()?;
                let below = RelPath::parse(below).ok()?;
                let path = base
                    .inside
                    .as_ref()
                    .map_or_else(|| below.clone(), |inside| inside.join(&below));
                Some((
                    base.lexical.as_os_str().len(),
                    Place {
                        root: base.root,
                        path,
                    },
                ))
            })
            .max_by_key(|(length, _)| *length)
            .map(|(_, place)| place)
    }

    /// The place of a resolved absolute path; `None` outside of all roots, and for a root itself.
    pub fn of_resolved(&self, path: &Path) -> Option<(RootId, Option<RelPath>)> {
        let (position, below) = self
            .roots
            .iter()
            .enumerate()
            .filter_map(|(position, root)| Some((position, path.strip_prefix(root).ok()?)))
            .min_by_key(|(_, below)| below.as_os_str().len())?;
        let root = RootId(u16::try_from(position).unwrap_or(u16::MAX));
        match below.to_str()? {
            "" => Some((root, None)),
            below => Some((root, Some(RelPath::parse(below).ok()?))),
        }
    }

    /// The place as people are shown it: as RECORD has it where it is in a library, else relative
    /// to the environment's root, else absolute.
    pub fn show(&self, place: &Place) -> String {
        for library in [SchemeKey::Purelib, SchemeKey::Platlib] {
            let base = self.base(library);
            let below = match &base.inside {
                None => Some(place.path.clone()),
                Some(inside) => place.path.strip_prefix(inside),
            };
            if let Some(below) = below.filter(|_| base.root == place.root) {
                return below.as_str().to_owned();
            }
        }
        if place.root == self.own.root {
            return place.path.as_str().to_owned();
        }
        self.absolute(place).display().to_string()
    }

    /// Whether a directory belongs to the environment itself and stays when it is empty, whichever
    /// root it is seen from.
    pub fn is_own_directory(&self, place: &Place) -> bool {
        // Only `include` is deeper than the deepest of them.
        let length =
            |root: RootId, below: usize| self.roots[usize::from(root.0)].as_os_str().len() + below;
        let inside = |base: &Base| {
            base.inside
                .as_ref()
                .map_or(0, |inside| inside.as_str().len() + 1)
        };
        let longest = self
            .bases
            .iter()
            .map(|base| length(base.root, inside(base)))
            .max()
            .unwrap_or(0);
        if length(place.root, place.path.as_str().len() + 1) > longest + "/include".len() {
            return false;
        }
        let path = self.absolute(place);
        KEYS.iter().zip(&self.bases).any(|(key, base)| {
            let kept = match key {
                SchemeKey::Headers => false,
                SchemeKey::Scripts => self.protects_headers,
                _ => true,
            };
            // `include` of a virtual environment was made with it; what is below came with wheels.
            let header_home = self.protects_headers && *key == SchemeKey::Data;
            let own = base.absolute(&self.roots);
            (header_home && path == own.join("include")) || (kept && own.starts_with(&path))
        })
    }

    fn base(&self, key: SchemeKey) -> &Base {
        &self.bases[KEYS.iter().position(|known| *known == key).unwrap_or(0)]
    }
}

/// Resolves `path`, of which the last parts need not exist.
fn resolve(path: &Path) -> Result<PathBuf> {
    let mut missing = Vec::new();
    let mut at = path;
    while fs::stat(at)?.is_none() {
        match (at.parent(), at.file_name()) {
            (Some(parent), Some(name)) => {
                missing.push(name);
                at = parent;
            }
            _ => break,
        }
    }
    let mut resolved = fs::canonical(at)?;
    resolved.extend(missing.iter().rev());
    Ok(resolved)
}

fn base(
    roots: &mut Vec<PathBuf>,
    lexical: &Path,
    home: &Path,
    resolved_home: &Path,
) -> Result<Base> {
    let resolved = resolve(lexical)?;
    if lexical.starts_with(home) && !resolved.starts_with(resolved_home) {
        return Err(Error::leads_outside(lexical, &resolved));
    }
    let position = roots
        .iter()
        .position(|root| resolved.starts_with(root))
        .unwrap_or_else(|| {
            roots.push(resolved.clone());
            roots.len() - 1
        });
    let below = resolved
        .strip_prefix(&roots[position])
        .unwrap_or(&resolved)
        .to_str();
    let inside = match below {
        Some("") => None,
        Some(below) => Some(RelPath::parse(below).map_err(|fault| {
            Error::bad_environment(lexical, format!("its path below the root has {fault}"))
        })?),
        None => return Err(Error::bad_environment(lexical, "its path is not UTF-8")),
    };
    let root = RootId(u16::try_from(position).unwrap_or(u16::MAX));
    Ok(Base {
        lexical: lexical.to_owned(),
        root,
        inside,
    })
}

/// `path` with `.` and `..` taken away by their text alone; `None` where it climbs above the root
/// directory.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                if !plain.pop() {
                    return None;
                }
            }
            other => plain.push(other),
        }
    }
    Some(plain)
}

/// `to` as seen from the directory `from`; both absolute and in normal form.
fn relative(from: &Path, to: &Path) -> String {
    let shared = from
        .components()
        .zip(to.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = from.components().skip(shared).map(|_| "..".to_owned());
    let down = to
        .components()
        .skip(shared)
        .map(|component| component.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

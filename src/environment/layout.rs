//! Places: coordinates of a file in an environment that cannot name anything outside of it.
//!
//! Input: the resolved directories of an environment. Output: a [`Layout`], which turns a scheme
//! and a path into a [`Place`], and a place into what RECORD writes. Pure: the directories are
//! resolved in `roots.rs`. A place is a root and a path below it. Invariant: roots are resolved and
//! none of the first ones lies inside another, so two spellings of one file are one place. A
//! virtual environment has one root, itself; a scheme directory elsewhere, or on another mount, is
//! a root of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _};

use super::lexical::{normal, relative};
use crate::error::{Error, Result};
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
    /// A place below the first root, for tests.
    #[cfg(test)]
    pub fn for_tests(path: &str) -> Self {
        Self {
            root: RootId(0),
            path: RelPath::parse(path).expect("plain"),
        }
    }

    /// The place of `path` below this one.
    #[must_use]
    pub fn join(&self, path: &RelPath) -> Self {
        Self {
            root: self.root,
            path: self.path.join(path),
        }
    }

    /// The directory that holds it; `None` if that is the root.
    pub fn parent(&self) -> Option<Self> {
        self.path.parent().map(|path| Self {
            root: self.root,
            path,
        })
    }

    /// Whether the place is `directory` or lies below it.
    pub fn is_within(&self, directory: &Self) -> bool {
        self.root == directory.root && self.path.starts_with(&directory.path)
    }
}

/// A directory as a key that borrows: its root, and its path unless it is the root itself.
pub type DirectoryKey<'a> = (RootId, Option<&'a str>);

/// Groups places by the directory that holds them, and in there by name.
pub fn by_directory<'a>(
    places: impl IntoIterator<Item = &'a Place>,
) -> HashMap<DirectoryKey<'a>, HashMap<&'a str, &'a Place>> {
    let mut directories: HashMap<DirectoryKey<'_>, HashMap<&str, &Place>> = HashMap::new();
    for place in places {
        let directory = directories
            .entry((place.root, place.path.directory()))
            .or_default();
        directory.insert(place.path.file_name(), place);
    }
    directories
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
    /// C headers; each project's go to a directory of its name in there.
    Headers,
}

/// The schemes in the order of [`Layout`]'s bases.
const KEYS: [SchemeKey; 5] = [
    SchemeKey::Purelib,
    SchemeKey::Platlib,
    SchemeKey::Scripts,
    SchemeKey::Data,
    SchemeKey::Headers,
];

/// A scheme directory: its spelling, and its resolved place.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub lexical: PathBuf,
    pub root: RootId,
    /// The path below the root; `None` if the directory is the root.
    pub inside: Option<RelPath>,
}

impl Base {
    fn absolute(&self, roots: &[PathBuf]) -> PathBuf {
        let root = &roots[usize::from(self.root.0)];
        self.inside
            .as_ref()
            .map_or_else(|| root.clone(), |inside| root.join(inside.as_str()))
    }

    fn place(&self, path: &RelPath) -> Place {
        let path = match &self.inside {
            None => path.clone(),
            Some(inside) => inside.join(path),
        };
        Place {
            root: self.root,
            path,
        }
    }
}

/// The places of an environment.
#[derive(Debug, Clone)]
pub struct Layout {
    pub(super) roots: Vec<PathBuf>,
    pub(super) own: Base,
    /// The scheme directories, in the order of [`KEYS`].
    pub(super) bases: [Base; 5],
    /// Whether it is a plain directory in the layout of `pip install --target`. In other
    /// environments `include` and the scripts' directory belong to the environment and stay when
    /// they are empty.
    pub(super) is_flat: bool,
}

impl Layout {
    /// The roots' paths, resolved; a [`RootId`] is an index.
    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// The resolved path of the environment's own root directory.
    pub fn environment_root(&self) -> &Path {
        &self.roots[usize::from(self.own.root.0)]
    }

    /// The numbers of all roots.
    pub fn root_ids(&self) -> impl Iterator<Item = RootId> + use<> {
        let count = u16::try_from(self.roots.len()).expect("roots are counted in 16 bits");
        (0..count).map(RootId)
    }

    /// The root that holds purelib, and with it the state of transactions.
    pub fn main_root(&self) -> RootId {
        self.base(SchemeKey::Purelib).root
    }

    /// The directory that holds the [`STATE_DIR`] of a root: purelib if that is inside the root,
    /// else the root itself.
    pub fn state_home(&self, root: RootId) -> PathBuf {
        let (main, inside) = self.directory(SchemeKey::Purelib);
        let path = &self.roots[usize::from(root.0)];
        match inside {
            Some(inside) if main == root => path.join(inside.as_str()),
            _ => path.clone(),
        }
    }

    /// The root at this resolved path. If there is none it becomes one: something is mounted there,
    /// inside another root.
    ///
    /// # Errors
    /// If the environment has more mounts than a [`RootId`] can count.
    pub fn root_at(&mut self, path: &Path) -> Result<RootId> {
        let position = self.roots.iter().position(|root| root == path);
        let root = root_id(position.unwrap_or(self.roots.len()), path)?;
        if position.is_none() {
            self.roots.push(path.to_owned());
        }
        Ok(root)
    }

    /// The absolute path of a place.
    pub fn absolute(&self, place: &Place) -> PathBuf {
        self.roots[usize::from(place.root.0)].join(place.path.as_str())
    }

    /// The absolute path of a scheme's directory, resolved.
    pub fn absolute_directory(&self, key: SchemeKey) -> PathBuf {
        self.base(key).absolute(&self.roots)
    }

    /// A scheme's directory: its root, and its path unless it is the root itself.
    pub fn directory(&self, key: SchemeKey) -> (RootId, Option<&RelPath>) {
        let base = self.base(key);
        (base.root, base.inside.as_ref())
    }

    /// The place of a file in a scheme.
    pub fn place(&self, key: SchemeKey, path: &RelPath) -> Place {
        self.base(key).place(path)
    }

    /// How a RECORD in `library` spells a file of a scheme: relative to the directory that holds
    /// dist-info.
    pub fn recorded(&self, library: SchemeKey, key: SchemeKey, path: &RelPath) -> Arc<str> {
        let from = &self.base(library).lexical;
        let to = &self.base(key).lexical;
        if from == to {
            return path.text();
        }
        relative(from, &to.join(path.as_str())).into()
    }

    /// The place that a row of a RECORD in `library` means; `None` if it leads out of the
    /// environment.
    pub fn of_recorded(&self, library: SchemeKey, text: &str) -> Option<Place> {
        // Below the library itself, as nearly all rows are.
        if let Ok(path) = RelPath::parse(text) {
            return Some(self.place(library, &path));
        }
        let directory = &self.base(library).lexical;
        let lexical = normal(&directory.join(text));
        // The library itself is no file, nor is a directory above it.
        let lexical = lexical.filter(|lexical| !directory.starts_with(lexical));
        let place = lexical.and_then(|lexical| self.of_lexical(&lexical));
        place.or_else(|| {
            // pip fills a target directory from a staging directory with `lib/python` and `bin`,
            // and moves both into the target, but does not change the rows.
            let from_staging = text.strip_prefix("../../").filter(|_| self.is_flat)?;
            let path = RelPath::parse(from_staging).ok()?;
            Some(self.place(library, &path))
        })
    }

    /// The place of an absolute path without `.` and `..`, symbolic links not resolved.
    fn of_lexical(&self, lexical: &Path) -> Option<Place> {
        // Scheme directories may lie inside each other: the innermost one counts, since a part of
        // the way to it may be a symbolic link, which the outer one would not resolve.
        self.bases
            .iter()
            .chain([&self.own])
            .filter_map(|base| {
                let below = lexical.strip_prefix(&base.lexical).ok()?.to_str()?;
                let place = base.place(&RelPath::parse(below).ok()?);
                Some((base.lexical.as_os_str().len(), place))
            })
            .max_by_key(|(length, _)| *length)
            .map(|(_, place)| place)
    }

    /// The root that holds a resolved absolute path, and the path below it unless it is the root
    /// itself; `None` outside of all roots.
    pub fn of_resolved(&self, path: &Path) -> Option<(RootId, Option<RelPath>)> {
        let (root, below) = self
            .roots
            .iter()
            .zip(self.root_ids())
            .filter_map(|(root, id)| Some((id, path.strip_prefix(root).ok()?)))
            .min_by_key(|(_, below)| below.as_os_str().len())?;
        match below.to_str()? {
            "" => Some((root, None)),
            below => Some((root, Some(RelPath::parse(below).ok()?))),
        }
    }

    /// Whether a directory belongs to the environment itself and stays when it is empty. Compared
    /// by absolute path, because a directory may be seen from more than one root.
    pub fn is_own_directory(&self, place: &Place) -> bool {
        // Only `include` is deeper than the deepest of them; the check of lengths spares nearly all
        // directories the comparison of paths.
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
            let stays = match key {
                SchemeKey::Headers => false,
                SchemeKey::Scripts => !self.is_flat,
                SchemeKey::Purelib | SchemeKey::Platlib | SchemeKey::Data => true,
            };
            // `include` of a virtual environment was made with it; what is below came with wheels.
            let holds_include = !self.is_flat && *key == SchemeKey::Data;
            let own = base.absolute(&self.roots);
            (holds_include && path == own.join("include")) || (stays && own.starts_with(&path))
        })
    }

    pub(super) fn base(&self, key: SchemeKey) -> &Base {
        let position = KEYS.iter().position(|known| *known == key);
        &self.bases[position.expect("KEYS has every scheme")]
    }
}

/// The id of the root at this index.
///
/// # Errors
/// If there are more roots than a [`RootId`] can count.
pub(super) fn root_id(position: usize, path: &Path) -> Result<RootId> {
    u16::try_from(position)
        .map(RootId)
        .map_err(|_| Error::bad_environment(path, "the environment has too many mounts"))
}

impl Layout {
    /// The layout of a virtual environment at `root` with its packages in `library`, which is
    /// empty for a plain directory. Neither has to exist.
    pub fn nominal(root: &str, library: &str) -> Self {
        let base = |below: &str| Base {
            lexical: Path::new(root)
                .components()
                .chain(Path::new(below).components())
                .collect(),
            root: RootId(0),
            inside: (!below.is_empty()).then(|| RelPath::parse(below).expect("plain")),
        };
        Self {
            roots: vec![root.into()],
            own: base(""),
            bases: [
                base(library),
                base(library),
                base("bin"),
                base(""),
                base("include"),
            ],
            is_flat: library.is_empty(),
        }
    }

    /// [`Layout::nominal`], for tests.
    #[cfg(test)]
    pub fn for_tests(root: &str, library: &str) -> Self {
        Self::nominal(root, library)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: &str = "lib/python3.11/site-packages";

    #[test]
    fn rows_of_record_are_read_as_they_are_written() {
        let layout = Layout::for_tests("/venv", LIBRARY);
        let of = |text| layout.of_recorded(SchemeKey::Purelib, text);
        for (text, path) in [
            ("a/b.py", "lib/python3.11/site-packages/a/b.py"),
            ("../../../bin/tool", "bin/tool"),
            ("../x.py", "lib/python3.11/x.py"),
            ("a/../b.py", "lib/python3.11/site-packages/b.py"),
            ("/venv/share/doc", "share/doc"),
            ("./a//b.py", "lib/python3.11/site-packages/a/b.py"),
        ] {
            assert_eq!(of(text), Some(Place::for_tests(path)), "{text}");
        }
        for text in ["../../../../etc/passwd", "/etc/passwd", "", ".", "/venv"] {
            assert_eq!(of(text), None, "{text}");
        }
        let name = RelPath::parse("tool").expect("plain");
        let written = layout.recorded(SchemeKey::Purelib, SchemeKey::Scripts, &name);
        assert_eq!(&*written, "../../../bin/tool");
        assert_eq!(of(&written), Some(Place::for_tests("bin/tool")));
    }

    #[test]
    fn rows_of_pips_staging_directory_are_read_in_a_target_only() {
        for root in ["/srv/app", "/app"] {
            let flat = Layout::for_tests(root, "");
            let of = |text| flat.of_recorded(SchemeKey::Purelib, text);
            assert_eq!(
                of("../../bin/tool"),
                Some(Place::for_tests("bin/tool")),
                "{root}"
            );
            assert_eq!(of("bin/tool"), Some(Place::for_tests("bin/tool")));
            for text in [
                "../bin/tool",
                "../../../bin/tool",
                "../..",
                "../../",
                "../../..",
            ] {
                assert_eq!(of(text), None, "{root} {text}");
            }
        }
        let venv = Layout::for_tests("/venv", LIBRARY);
        let tool = venv.of_recorded(SchemeKey::Purelib, "../../bin/tool");
        assert_eq!(tool, Some(Place::for_tests("lib/bin/tool")));
    }

    #[test]
    fn a_row_that_crosses_a_linked_scheme_directory_is_found_where_the_link_leads() {
        let mut layout = Layout::for_tests("/venv", LIBRARY);
        // `bin` is a symbolic link to `tools/bin`.
        layout.bases[2].inside = Some(RelPath::parse("tools/bin").expect("plain"));
        assert_eq!(
            layout.of_recorded(SchemeKey::Purelib, "../../../bin/tool"),
            Some(Place::for_tests("tools/bin/tool"))
        );
    }

    #[test]
    fn the_environments_own_directories_stay() {
        let venv = Layout::for_tests("/venv", LIBRARY);
        for path in ["lib", "lib/python3.11", LIBRARY, "bin", "include"] {
            assert!(venv.is_own_directory(&Place::for_tests(path)), "{path}");
        }
        let package = format!("{LIBRARY}/pkg");
        for path in ["share", "include/pkg", "bin/x", package.as_str()] {
            assert!(!venv.is_own_directory(&Place::for_tests(path)), "{path}");
        }
        let target = Layout::for_tests("/target", "");
        for path in ["bin", "include", "pkg"] {
            assert!(!target.is_own_directory(&Place::for_tests(path)), "{path}");
        }
    }

    #[test]
    fn a_mount_inside_a_root_is_an_own_directory_seen_from_both() {
        let mut layout = Layout::for_tests("/venv", LIBRARY);
        let lib = layout.root_at(Path::new("/venv/lib")).expect("few roots");
        assert_eq!(layout.root_at(Path::new("/venv/lib")).expect("known"), lib);
        let seen_from_lib = |path: &str| Place {
            root: lib,
            path: RelPath::parse(path).expect("plain"),
        };
        assert!(layout.is_own_directory(&seen_from_lib("python3.11")));
        assert!(!layout.is_own_directory(&seen_from_lib("python3.12")));
        assert_eq!(
            layout.of_resolved(Path::new("/venv/lib/x")),
            Some((lib, Some(RelPath::parse("x").expect("plain"))))
        );
        assert_eq!(
            layout.of_resolved(Path::new("/venv/lib")),
            Some((lib, None))
        );
        assert_eq!(layout.of_resolved(Path::new("/etc")), None);
    }
}

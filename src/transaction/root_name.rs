//! Names of roots that stay true when the environment is moved, copied or mounted elsewhere.
//!
//! Input: a root or a resolved path of a layout. Output: the scheme directory that holds it, and
//! the path below that directory. A name that was read from a file says nothing about what is
//! there: [`RootName::path`] only builds a path inside the layout, and opening it follows no
//! symbolic link.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::environment::layout::{Layout, RootId, SchemeKey};
use crate::path::RelPath;

/// The directory that the path of a [`RootName`] starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RootBase {
    /// The root of the environment, which holds everything of a virtual environment.
    Environment,
    /// The scheme directory `purelib`, if it is outside of the environment's root.
    Purelib,
    /// The scheme directory `platlib`, likewise.
    Platlib,
    /// The scheme directory `scripts`, likewise.
    Scripts,
    /// The scheme directory `data`, likewise.
    Data,
    /// The scheme directory `headers`, likewise.
    Headers,
}

/// A root, named by its place in the scheme instead of by an absolute path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootName {
    /// The base of `path`.
    pub base: RootBase,
    /// The path below it, empty for the directory itself. A mount inside the environment is a root
    /// with a path.
    pub path: String,
}

impl RootBase {
    /// In the order in which they are tried: a name from the environment's root is the one that
    /// most often stays true.
    const ALL: [Self; 6] = [
        Self::Environment,
        Self::Purelib,
        Self::Platlib,
        Self::Scripts,
        Self::Data,
        Self::Headers,
    ];

    fn directory(self, layout: &Layout) -> PathBuf {
        let key = match self {
            Self::Environment => return layout.environment_root().to_owned(),
            Self::Purelib => SchemeKey::Purelib,
            Self::Platlib => SchemeKey::Platlib,
            Self::Scripts => SchemeKey::Scripts,
            Self::Data => SchemeKey::Data,
            Self::Headers => SchemeKey::Headers,
        };
        layout.absolute_directory(key)
    }
}

impl RootName {
    /// The name of a root of the layout.
    pub fn of(layout: &Layout, root: RootId) -> Self {
        Self::of_path(layout, &layout.roots()[usize::from(root.0)])
            .expect("every root is a scheme directory or lies in one")
    }

    /// The name of a resolved path; `None` outside of the environment and its scheme directories.
    pub fn of_path(layout: &Layout, path: &Path) -> Option<Self> {
        RootBase::ALL.into_iter().find_map(|base| {
            let below = path.strip_prefix(base.directory(layout)).ok()?.to_str()?;
            let name = Self {
                base,
                path: below.to_owned(),
            };
            name.is_plain().then_some(name)
        })
    }

    /// Whether the path stays below its base. False only for names that were read from a file.
    pub fn is_plain(&self) -> bool {
        is_plain(&self.path)
    }

    /// The path of the root in this layout.
    pub fn path(&self, layout: &Layout) -> PathBuf {
        let base = self.base.directory(layout);
        if self.path.is_empty() {
            base
        } else {
            base.join(&self.path)
        }
    }
}

/// Whether a path is empty or a normal relative path.
pub fn is_plain(path: &str) -> bool {
    path.is_empty() || RelPath::parse(path).is_ok()
}

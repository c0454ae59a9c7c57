//! Resolves an environment's directories to a [`Layout`], and opens directories below its roots.
//!
//! This is the half of the layout that looks at the file system. Invariant: below a root no
//! symbolic link is followed when a directory is opened.

use std::path::{Path, PathBuf};

use super::layout::{Base, Layout, root_id};
use super::{Environment, EnvironmentKind};
use crate::error::{Error, Result};
use crate::fs::{self, Dir, Fs};
use crate::path::RelPath;

impl Layout {
    /// Resolves the environment's root and scheme directories, none of which needs to exist yet.
    ///
    /// # Errors
    /// If a directory cannot be looked at, its path is not UTF-8, or it is a symbolic link out of
    /// the environment.
    pub fn of(environment: &Environment) -> Result<Self> {
        let scheme = &environment.scheme;
        let mut resolver = Resolver {
            roots: Vec::new(),
            home: &environment.root,
            resolved_home: resolve(&environment.root)?,
        };
        // The environment is resolved first, so that the directories inside it share its root.
        let own = resolver.base(&environment.root)?;
        let bases = [
            resolver.base(&scheme.purelib)?,
            resolver.base(&scheme.platlib)?,
            resolver.base(&scheme.scripts)?,
            resolver.base(&scheme.data)?,
            resolver.base(&scheme.headers)?,
        ];
        // Journals and launchers are text and could not name other paths.
        if let Some(odd) = resolver
            .roots
            .iter()
            .chain([&environment.root])
            .find(|root| root.to_str().is_none())
        {
            return Err(Error::bad_environment(odd, "its path is not UTF-8"));
        }
        Ok(Self {
            roots: resolver.roots,
            own,
            bases,
            is_flat: environment.kind == EnvironmentKind::Target,
        })
    }

    /// The outermost root that is `path` or holds it; a root that was found inside another one is
    /// reached through that. `None` outside of all roots.
    pub fn outermost_of(&self, path: &Path) -> Option<&Path> {
        let roots = self.roots.iter().filter(|root| path.starts_with(root));
        roots
            .min_by_key(|root| root.as_os_str().len())
            .map(PathBuf::as_path)
    }

    /// Opens a directory that is a root or lies below one; `None` if nothing is there. Below the
    /// root no symbolic link is followed: if someone replaces a directory by a link meanwhile, no
    /// change is made elsewhere.
    ///
    /// # Errors
    /// If `path` is outside of all roots, or something on the way to it is no directory or cannot
    /// be opened.
    pub fn open(&self, fs: &Fs, path: &Path) -> Result<Option<Dir>> {
        let below = self
            .outermost_of(path)
            .and_then(|root| Some((root, path.strip_prefix(root).ok()?.to_str()?)));
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
}

/// Collects the roots of a layout while its directories are resolved one after the other.
struct Resolver<'a> {
    roots: Vec<PathBuf>,
    home: &'a Path,
    resolved_home: PathBuf,
}

impl Resolver<'_> {
    /// The resolved place of a directory: below a known root, or a root of its own.
    fn base(&mut self, lexical: &Path) -> Result<Base> {
        let resolved = resolve(lexical)?;
        // A link must not redirect writes, but a scheme may have directories outside by itself.
        if lexical.starts_with(self.home) && !resolved.starts_with(&self.resolved_home) {
            return Err(Error::leads_outside(lexical, &resolved));
        }
        let holder = self
            .roots
            .iter()
            .position(|root| resolved.starts_with(root));
        let position = holder.unwrap_or_else(|| {
            self.roots.push(resolved.clone());
            self.roots.len() - 1
        });
        let below = resolved
            .strip_prefix(&self.roots[position])
            .expect("it was found by this prefix, or is the root itself");
        let inside = match below.to_str() {
            Some("") => None,
            Some(below) => Some(RelPath::parse(below).map_err(|fault| {
                Error::bad_environment(lexical, format!("its path below the root has {fault}"))
            })?),
            None => return Err(Error::bad_environment(lexical, "its path is not UTF-8")),
        };
        Ok(Base {
            lexical: lexical.to_owned(),
            root: root_id(position, lexical)?,
            inside,
        })
    }
}

/// Resolves `path`, whose last components need not exist.
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

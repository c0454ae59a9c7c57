//! `owner`: the installed projects that files belong to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::session::{Session, look};
use super::{Context, Options};
use crate::environment::Environment;
use crate::environment::layout::{Layout, Place, RootId, SchemeKey};
use crate::error::Result;
use crate::fs;
use crate::path::RelPath;

/// A path, and the projects whose RECORDs list it or files below it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathOwners {
    /// The path as it was given.
    pub path: PathBuf,
    /// Names and versions, sorted; empty if no project owns it.
    pub projects: Vec<(String, String)>,
}

/// Finds the owners of paths. Relative paths are relative to the working directory. A directory
/// belongs to every project with a file in it; bytecode belongs to the owner of its source.
///
/// # Errors
/// If the environment cannot be read.
pub fn owner(
    environment: &Environment,
    paths: &[PathBuf],
    options: &Options,
    context: Context<'_>,
) -> Result<Vec<PathOwners>> {
    look(environment, options, context, |session| {
        owners(session, paths)
    })
}

fn owners(session: &Session<'_>, paths: &[PathBuf]) -> Result<Vec<PathOwners>> {
    let sought: Vec<Option<SoughtPath>> = paths
        .iter()
        .map(|path| sought(&session.layout, path))
        .collect::<Result<_>>()?;
    let mut direct: Vec<BTreeSet<(String, String)>> = vec![BTreeSet::new(); paths.len()];
    let mut by_source = direct.clone();
    for project in &session.installed {
        let recorded = project.read_record(&session.layout)?;
        let label = (
            project.name.normalized().to_owned(),
            project.version.clone(),
        );
        let rows = recorded.rows().into_iter().flat_map(|rows| rows.iter());
        for row in rows {
            let Some(place) = session.layout.of_recorded(project.library, &row.path) else {
                continue;
            };
            for (number, sought) in sought.iter().enumerate() {
                let Some(sought) = sought else { continue };
                if sought.holds(&place) {
                    direct[number].insert(label.clone());
                } else if sought.source.as_ref() == Some(&place) {
                    by_source[number].insert(label.clone());
                }
            }
        }
    }
    let found = paths.iter().zip(direct).zip(by_source);
    Ok(found
        .map(|((path, direct), by_source)| PathOwners {
            path: path.clone(),
            // Bytecode that a RECORD lists belongs to that project alone.
            projects: if direct.is_empty() { by_source } else { direct }
                .into_iter()
                .collect(),
        })
        .collect())
}

/// A path in the environment.
struct SoughtPath {
    root: RootId,
    /// `None` is the root itself.
    path: Option<RelPath>,
    /// The source that it is the bytecode of.
    source: Option<Place>,
}

impl SoughtPath {
    /// Whether the place is the sought one or below it.
    fn holds(&self, place: &Place) -> bool {
        place.root == self.root
            && self
                .path
                .as_ref()
                .is_none_or(|path| place.path == *path || place.path.below(path).is_some())
    }
}

/// The path as RECORDs mean it; `None` if it is outside of the environment.
fn sought(layout: &Layout, path: &Path) -> Result<Option<SoughtPath>> {
    let mut places = vec![fs::absolute(path)?];
    if path.is_relative() {
        // As people read it in a listing: below the environment, or as RECORD spells it.
        let library = layout.absolute_directory(SchemeKey::Purelib);
        places.extend([layout.environment_root(), &library].map(|base| base.join(path)));
    }
    let first = places[0].clone();
    let found = places
        .into_iter()
        .find(|place| fs::lstat(place).is_ok_and(|stat| stat.is_some()));
    let place = resolved(&fs::absolute(&found.unwrap_or(first))?);
    let Some((root, path)) = layout.of_resolved(&place) else {
        return Ok(None);
    };
    let source = path
        .as_ref()
        .and_then(|path| source_of(path.as_str()))
        .and_then(|source| RelPath::parse(&source).ok())
        .map(|path| Place { root, path });
    Ok(Some(SoughtPath { root, path, source }))
}

/// The path with the links on the way to it resolved. The last component stays as it is, since a
/// RECORD may list a link. What does not exist cannot be resolved, and may still be listed.
fn resolved(path: &Path) -> PathBuf {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return path.to_owned();
    };
    let parent = fs::canonical(parent).unwrap_or_else(|_| resolved(parent));
    parent.join(name)
}

/// The source of a file of bytecode (PEP 3147): `a/b.py` of `a/__pycache__/b.cpython-311.pyc`.
fn source_of(path: &str) -> Option<String> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = name.strip_suffix(".pyc")?;
    let above = directory.strip_suffix("__pycache__")?;
    // `b.cpython-311.opt-2` has the tag, and after it perhaps the optimisation.
    let (module, _tag) = stem.split_once('.')?;
    Some(format!("{above}{module}.py"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytecode_has_a_source() {
        for (path, source) in [
            ("a/__pycache__/b.cpython-311.pyc", Some("a/b.py")),
            ("a/__pycache__/b.cpython-311.opt-2.pyc", Some("a/b.py")),
            ("__pycache__/b.pypy311.pyc", Some("b.py")),
            ("a/b.pyc", None),
            ("a/__pycache__/b.txt", None),
        ] {
            assert_eq!(source_of(path).as_deref(), source, "{path}");
        }
    }
}

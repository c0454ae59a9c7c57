//! Compiled bytecode: its names (PEP 3147, PEP 488), and where that of sources is.

use foldhash::HashSet;

use super::survey::Survey;
use crate::environment::layout::{Place, by_directory};
use crate::error::Result;
use crate::fs::Kind;
use crate::path::RelPath;

/// The directory that holds the bytecode of its neighbours (PEP 3147).
pub const BYTECODE: &str = "__pycache__";

/// The directory of bytecode as a path.
pub(super) fn bytecode_directory() -> RelPath {
    RelPath::parse(BYTECODE).expect("a plain name is a path")
}

/// Whether `cache`, a name in `__pycache__`, was compiled from one of the sources with these stems,
/// by any interpreter and at any level (PEP 3147, PEP 488): `stem.tag.pyc` or `stem.tag.opt-N.pyc`.
fn is_bytecode_of(cache: &str, stems: &HashSet<&str>) -> bool {
    let Some(rest) = cache.strip_suffix(".pyc") else {
        return false;
    };
    let rest = match rest.rsplit_once('.') {
        Some((head, last)) if last.starts_with("opt-") => head,
        _ => rest,
    };
    rest.rsplit_once('.')
        .is_some_and(|(stem, _)| stems.contains(stem))
}

/// The bytecode of the sources among `files`, in `__pycache__` and beside them.
///
/// # Errors
/// A directory that cannot be read.
pub(super) fn bytecode_of(files: &HashSet<Place>, survey: &Survey<'_>) -> Result<Vec<Place>> {
    let cache = bytecode_directory();
    let mut compiled = Vec::new();
    for ((root, _), files) in by_directory(files) {
        let stems: HashSet<&str> = files
            .keys()
            .filter_map(|name| name.strip_suffix(".py"))
            .collect();
        let Some(source) = files.values().next().filter(|_| !stems.is_empty()) else {
            continue;
        };
        // Beside modules directly in a root only `__pycache__` is looked into: a listing of the
        // root itself would cost more than old-style bytecode there is worth.
        let directory = source.parent();
        let cache = directory.as_ref().map_or_else(
            || Place {
                root,
                path: cache.clone(),
            },
            |at| at.join(&cache),
        );
        let is_beside = |name: &str| {
            name.strip_suffix(".pyc")
                .is_some_and(|stem| stems.contains(stem))
        };
        if let Some(directory) = directory {
            compiled.extend(files_in(survey, &directory, is_beside)?);
        }
        // What is behind a link is not this environment's.
        let stat = survey.stat(&cache)?;
        if stat.is_some_and(|stat| stat.kind == Kind::Directory) {
            compiled.extend(files_in(survey, &cache, |name| {
                is_bytecode_of(name, &stems)
            })?);
        }
    }
    Ok(compiled)
}

/// The regular files in a directory whose names are wanted.
fn files_in(
    survey: &Survey<'_>,
    directory: &Place,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Place>> {
    let names = survey.list(directory)?.into_iter();
    // Interpreters write regular files only, so a link or directory of such a name stays.
    let files = names.filter(|(_, kind)| *kind == Kind::File);
    let wanted =
        files.filter_map(|(name, _)| RelPath::parse(&name.filter(|name| is_wanted(name))?).ok());
    Ok(wanted.map(|name| directory.join(&name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c56_bytecode_of_every_level_and_interpreter() {
        let stems = HashSet::from_iter(["mod", "__init__"]);
        for cache in [
            "mod.cpython-311.pyc",
            "mod.cpython-39.opt-2.pyc",
            "__init__.pypy311.pyc",
        ] {
            assert!(is_bytecode_of(cache, &stems), "{cache}");
        }
        for cache in [
            "other.cpython-311.pyc",
            "mod.py",
            "mod.pyc",
            "mod.x.y.cpython-311.pyc",
        ] {
            assert!(!is_bytecode_of(cache, &stems), "{cache}");
        }
    }
}

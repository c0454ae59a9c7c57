//! Whether the directories of a wheel can be replaced by links to those in the store.
//!
//! Input: the entries of a wheel, and their files. Output: whether all of its libraries find the
//! others that they need. A library's search path may begin with `$ORIGIN`, its own directory, and
//! go up from there: behind a link it then leads into the store, where only the files of the same
//! wheel are. Limits: what is uncertain counts as leading outside, such as libraries of macOS.

use std::collections::BTreeSet;

use crate::elf;
use crate::fs::{Dir, ReadAt as _};
use crate::wheel::WheelEntry;

/// Whether no library among the entries, whose files are in `tree`, looks for others outside of it.
pub fn is_self_contained(tree: &Dir, entries: &[WheelEntry]) -> bool {
    let names: BTreeSet<&str> = entries
        .iter()
        .filter_map(|entry| entry.path.components().next())
        .collect();
    let mut libraries = entries
        .iter()
        .map(|entry| entry.path.as_str())
        .filter(|path| is_library(path));
    libraries.all(|path| {
        let lists = search_paths(tree, path);
        lists.is_some_and(|lists| {
            let mut directories = lists.iter().flat_map(|list| list.split(':'));
            directories.all(|directory| !leads_outside(path, directory, &names))
        })
    })
}

/// Whether a file has the name of a library: `.so`, perhaps with a version behind it, or `.dylib`.
fn is_library(path: &str) -> bool {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let mut parts = name.split('.').skip(1);
    parts.any(|part| part == "so" || part == "dylib")
}

fn search_paths(tree: &Dir, path: &str) -> Option<Vec<String>> {
    let file = tree.open_file(path).ok()??;
    elf::search_paths(&|range| {
        let end = range.end.min(file.size());
        let length = end.checked_sub(range.start)?;
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        file.read_exact_at(&mut bytes, range.start).ok()?;
        Some(bytes)
    })
}

/// Whether a directory of the search path of the library at `path` is not among those of its wheel,
/// whose outermost names are `names`. One that does not depend on where the library is leads to the
/// same place with and without links.
fn leads_outside(path: &str, directory: &str, names: &BTreeSet<&str>) -> bool {
    let below = directory
        .strip_prefix("$ORIGIN")
        .or_else(|| directory.strip_prefix("${ORIGIN}"));
    let Some(below) = below else {
        // Other variables of the loader are as uncertain as one in the middle.
        return directory.contains('$');
    };
    let mut at: Vec<&str> = path.split('/').collect();
    at.pop();
    for component in below.split('/') {
        match component {
            "" | "." => {}
            ".." if at.pop().is_none() => return true,
            ".." => {}
            name => at.push(name),
        }
    }
    // In the directory of all packages, anything may be.
    at.first().is_none_or(|first| !names.contains(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_path_may_lead_to_other_packages_of_the_same_wheel_only() {
        let names = BTreeSet::from(["pkg", "pkg.libs"]);
        for (directory, outside) in [
            ("$ORIGIN", false),
            ("${ORIGIN}/../lib", false),
            ("$ORIGIN/../../pkg.libs", false),
            ("$ORIGIN/./..//../pkg/deep/", false),
            ("/usr/lib", false),
            ("", false),
            ("relative", false),
            ("$ORIGIN/../..", true),
            ("$ORIGIN/../../other/lib", true),
            ("$ORIGIN/../../../pkg", true),
            ("$ORIGIN/../../../../../x", true),
            ("$LIB", true),
        ] {
            let found = leads_outside("pkg/deep/lib.so", directory, &names);
            assert_eq!(found, outside, "{directory}");
        }
    }

    #[test]
    fn libraries_are_told_by_their_names() {
        for (path, is) in [
            ("a/b.so", true),
            ("a/b.cpython-312-x86_64-linux-gnu.so", true),
            ("a/libb.so.1.2", true),
            ("a.so/b.py", false),
            ("so", false),
            ("a/b.dylib", true),
            ("a/also.py", false),
        ] {
            assert_eq!(is_library(path), is, "{path}");
        }
    }
}

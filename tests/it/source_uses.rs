//! Which module and which file a path in this crate's sources leads to.
//!
//! Input: [`Source`]s and the paths that they name. Output: top-level modules, and which files use
//! which. Limits: a path through an alias, or through more than three re-exports, is not followed.

use std::collections::{BTreeMap, BTreeSet};

use crate::source_text::{Source, library};

/// The top-level module that a file of `src` belongs to.
pub fn module(source: &Source) -> &str {
    let inner = source
        .path
        .trim_start_matches("src/")
        .trim_end_matches(".rs");
    inner.split('/').next().unwrap_or(inner)
}

/// The module path of a file: `src/a/b.rs` and `src/a/b/mod.rs` are both `a::b`.
fn module_path(source: &Source) -> Vec<String> {
    let inner = source
        .path
        .trim_start_matches("src/")
        .trim_end_matches(".rs");
    let inner = inner.trim_end_matches("/mod");
    if ["lib", "main"].contains(&inner) {
        return Vec::new();
    }
    inner.split('/').map(str::to_owned).collect()
}

/// A path from the crate's root on, by `crate::`, `self::`, enough `super::`, or a child module.
fn absolute(source: &Source, path: &str) -> Option<Vec<String>> {
    let mut base = module_path(source);
    let mut names: Vec<&str> = path.split("::").collect();
    match names.first().copied() {
        Some("crate") => {
            base.clear();
            names.remove(0);
        }
        Some("self") => {
            names.remove(0);
        }
        Some("super") => {
            while names.first() == Some(&"super") {
                base.pop()?;
                names.remove(0);
            }
        }
        Some(child) if source.modules.iter().any(|(name, _)| name == child) => {}
        _ => return None,
    }
    base.extend(names.into_iter().map(str::to_owned));
    Some(base)
}

/// The name that a path takes from the crate's root.
pub fn from_root(source: &Source, path: &str) -> Option<String> {
    if !path.starts_with("crate::") && !path.starts_with("super::") {
        return None;
    }
    let name = absolute(source, path)?.into_iter().next()?;
    (!name.is_empty() && !name.ends_with('!')).then_some(name)
}

/// Which files each file of `src` uses, but for a `mod.rs` and the files below it.
pub fn uses_between_files() -> BTreeMap<String, BTreeSet<String>> {
    let files: BTreeMap<Vec<String>, &Source> = library()
        .map(|source| (module_path(source), source))
        .collect();
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in library() {
        let own = module_path(source);
        for named in source.named.iter().filter(|named| !named.test) {
            let Some(path) = absolute(source, &named.path) else {
                continue;
            };
            let Some(used) = defining_file(&files, path) else {
                continue;
            };
            let other = module_path(used);
            if !own.starts_with(&other) && !other.starts_with(&own) {
                let entry = uses.entry(source.path.clone()).or_default();
                entry.insert(used.path.clone());
            }
        }
    }
    uses
}

/// The file in which the item of a path is defined, through re-exports.
fn defining_file<'a>(
    files: &BTreeMap<Vec<String>, &'a Source>,
    mut path: Vec<String>,
) -> Option<&'a Source> {
    // Each round follows one re-export; longer chains than this do not occur.
    for _ in 0..4 {
        let length = (0..=path.len())
            .rev()
            .find(|&length| files.contains_key(&path[..length]))?;
        let file = files[&path[..length]];
        let Some(item) = path.get(length) else {
            return Some(file);
        };
        let Some((_, from)) = file.reexports.iter().find(|(name, _)| name == item) else {
            return Some(file);
        };
        let mut next = absolute(file, from)?;
        next.push(item.clone());
        path = next;
    }
    None
}

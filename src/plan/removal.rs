//! Removal: from the files that go to the fewest things to move out.
//!
//! Input: the files of what goes, and listings of the directories that hold them. Output: [`Outgoing`]: a directory goes
//! whole where all that it holds goes, else its files go one by one. What nobody owns stays, and its directories with it;
//! bytecode goes with the sources that it was made from. The environment's own directories always stay.

use std::collections::{HashMap, HashSet};

use super::moves::Outgoing;
use crate::environment::place::Place;
use crate::fs::Kind;

/// What is in each directory that holds something that goes; `None` for names that are not UTF-8.
pub type Listing = HashMap<Place, Vec<(Option<String>, Kind)>>;

/// What goes, and what is around it.
#[derive(Debug, Default)]
pub struct Going {
    /// The files that go.
    pub files: HashSet<Place>,
    /// Every directory above one of them, up to the environment's own ones.
    pub listing: Listing,
    /// Directories in those that hold no file at all.
    pub hollow: HashSet<Place>,
}

impl Going {
    /// The fewest things to move out. `own` tells which directories belong to the environment itself.
    pub fn outgoing(&self, own: &dyn Fn(&Place) -> bool) -> Outgoing {
        let mut directories: Vec<&Place> = self.listing.keys().collect();
        directories.sort_by_cached_key(|place| std::cmp::Reverse(place.path.components().count()));
        let mut whole: HashSet<&Place> = HashSet::new();
        for directory in &directories {
            if !own(directory) && self.goes_whole(directory, &whole) {
                whole.insert(directory);
            }
        }
        // From the outermost inwards: what each directory goes with, itself or one above it.
        let mut outermost: HashMap<&Place, &Place> = HashMap::with_capacity(whole.len());
        for directory in directories.into_iter().rev().filter(|directory| whole.contains(directory)) {
            let above = directory.parent().and_then(|parent| outermost.get(&parent).copied());
            outermost.insert(directory, above.unwrap_or(directory));
        }
        let mut places: HashSet<&Place> = HashSet::new();
        for file in &self.files {
            let with = file.parent().and_then(|parent| outermost.get(&parent).copied());
            places.insert(with.unwrap_or(file));
        }
        let mut places: Vec<Place> = places.into_iter().cloned().collect();
        places.sort();
        Outgoing { places }
    }

    fn goes_whole(&self, directory: &Place, whole: &HashSet<&Place>) -> bool {
        let mut something = false;
        for (name, kind) in &self.listing[directory] {
            let child = name.as_deref().and_then(|name| crate::path::RelPath::parse(name).ok());
            let Some(child) = child.map(|name| directory.join(&name)) else {
                return false;
            };
            if *kind == Kind::Directory && self.hollow.contains(&child) {
                continue;
            }
            if !(whole.contains(&child) || self.files.contains(&child)) {
                return false;
            }
            something = true;
        }
        something
    }
}

/// Whether `cache`, a name in `__pycache__`, was compiled from one of the sources with these stems, by whatever
/// interpreter and at whatever level (PEP 3147, PEP 488): `stem.tag.pyc` or `stem.tag.opt-N.pyc`.
pub fn is_bytecode_of(cache: &str, stems: &HashSet<String>) -> bool {
    let Some(rest) = cache.strip_suffix(".pyc") else { return false };
    let rest = match rest.rsplit_once('.') {
        Some((head, last)) if last.starts_with("opt-") => head,
        _ => rest,
    };
    rest.rsplit_once('.').is_some_and(|(stem, _)| stems.contains(stem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::place::RootId;
    use crate::path::RelPath;

    fn place(path: &str) -> Place {
        Place { root: RootId(0), path: RelPath::parse(path).expect("plain") }
    }

    fn going(files: &[&str], listing: &[(&str, &[(&str, Kind)])]) -> Going {
        let listing = listing.iter().map(|(directory, names)| {
            (place(directory), names.iter().map(|(name, kind)| (Some((*name).to_owned()), *kind)).collect())
        });
        let files = files.iter().map(|path| place(path)).collect();
        Going { files, listing: listing.collect(), hollow: HashSet::from([place("lib/a/empty")]) }
    }

    #[test]
    fn a_directory_goes_whole_where_all_that_it_holds_goes() {
        use Kind::{Directory, File};
        let all = going(
            &["lib/a/x.py", "lib/a/sub/y.py"],
            &[
                ("lib", &[("a", Directory), ("other.py", File)]),
                ("lib/a", &[("x.py", File), ("sub", Directory), ("empty", Directory)]),
                ("lib/a/sub", &[("y.py", File)]),
            ],
        );
        assert_eq!(all.outgoing(&|_| false).places, [place("lib/a")]);
        assert_eq!(all.outgoing(&|at| *at == place("lib/a")).places, [place("lib/a/sub"), place("lib/a/x.py")]);
    }

    #[test]
    fn e96_what_nobody_owns_stays_with_its_directory() {
        use Kind::{Directory, File};
        let some = going(
            &["lib/a/x.py", "lib/a/sub/y.py"],
            &[("lib/a", &[("x.py", File), ("sub", Directory)]), ("lib/a/sub", &[("y.py", File), ("notes.txt", File)])],
        );
        assert_eq!(some.outgoing(&|_| false).places, [place("lib/a/sub/y.py"), place("lib/a/x.py")]);
    }

    #[test]
    fn c56_bytecode_of_every_level_and_interpreter() {
        let stems = HashSet::from(["mod".to_owned(), "__init__".to_owned()]);
        for cache in ["mod.cpython-311.pyc", "mod.cpython-39.opt-2.pyc", "__init__.pypy311.pyc"] {
            assert!(is_bytecode_of(cache, &stems), "{cache}");
        }
        for cache in ["other.cpython-311.pyc", "mod.py", "mod.pyc", "mod.x.y.cpython-311.pyc"] {
            assert!(!is_bytecode_of(cache, &stems), "{cache}");
        }
    }
}

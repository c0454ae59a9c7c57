//! Removal: from the files that go to the fewest things to move out.
//!
//! Input: the files of what goes, and listings of the directories that hold them. Output:
//! [`Outgoing`]: a directory goes whole where all that it holds goes, else its files go one by one.
//! What nobody owns stays, and its directories with it; bytecode goes with the sources that it was
//! made from. The environment's own directories always stay.

use std::cmp::Reverse;

use foldhash::{HashMap, HashMapExt as _, HashSet};

use super::operations::Outgoing;
use crate::environment::layout::{Place, RootId};
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

/// A directory: its root, and its path where it is not the root itself.
type Directory<'a> = (RootId, Option<&'a str>);

/// Places by the directory that holds them, and by their name in it.
pub fn by_directory<'a>(
    places: impl IntoIterator<Item = &'a Place>,
) -> HashMap<Directory<'a>, HashMap<&'a str, &'a Place>> {
    let mut directories: HashMap<Directory<'_>, HashMap<&str, &Place>> = HashMap::new();
    for place in places {
        let directory = directories
            .entry((place.root, place.path.directory()))
            .or_default();
        directory.insert(place.path.file_name(), place);
    }
    directories
}

impl Going {
    /// The fewest things to move out. `own` tells which directories belong to the environment
    /// itself.
    pub fn outgoing(&self, own: &dyn Fn(&Place) -> bool) -> Outgoing {
        let (files, hollow) = (by_directory(&self.files), by_directory(&self.hollow));
        let mut directories: Vec<&Place> = self.listing.keys().collect();
        directories.sort_by_cached_key(|place| Reverse(place.path.components().count()));
        let mut whole: HashMap<Directory<'_>, HashMap<&str, &Place>> = HashMap::new();
        for directory in &directories {
            let inside = (directory.root, Some(directory.path.as_str()));
            let going = [&files, &whole, &hollow].map(|places| places.get(&inside));
            if goes_whole(&self.listing[directory], going) && !own(directory) {
                let above = whole
                    .entry((directory.root, directory.path.directory()))
                    .or_default();
                above.insert(directory.path.file_name(), directory);
            }
        }
        // From the outermost inwards: what each directory goes with, itself or one above it.
        let mut outermost: HashMap<Directory<'_>, &Place> = HashMap::new();
        for directory in directories.into_iter().rev() {
            let above = (directory.root, directory.path.directory());
            if whole
                .get(&above)
                .is_some_and(|names| names.contains_key(directory.path.file_name()))
            {
                let with = outermost.get(&above).copied().unwrap_or(directory);
                outermost.insert((directory.root, Some(directory.path.as_str())), with);
            }
        }
        let mut places: Vec<Place> = Vec::new();
        for (directory, files) in &files {
            match outermost.get(directory) {
                Some(with) => places.push((*with).clone()),
                None => places.extend(files.values().copied().cloned()),
            }
        }
        places.sort();
        places.dedup();
        Outgoing { places }
    }
}

/// Whether all that a directory holds goes, and something does: files, directories that go whole,
/// hollow directories.
fn goes_whole(
    listing: &[(Option<String>, Kind)],
    going: [Option<&HashMap<&str, &Place>>; 3],
) -> bool {
    let [files, whole, hollow] = going;
    let is_in = |names: Option<&HashMap<&str, &Place>>, name: &str| {
        names.is_some_and(|names| names.contains_key(name))
    };
    let mut something = false;
    for (name, kind) in listing {
        let Some(name) = name else { return false };
        if *kind == Kind::Directory && is_in(hollow, name) {
            continue;
        }
        if !is_in(files, name) && !is_in(whole, name) {
            return false;
        }
        something = true;
    }
    something
}

/// Whether `cache`, a name in `__pycache__`, was compiled from one of the sources with these stems,
/// by whatever interpreter and at whatever level (PEP 3147, PEP 488): `stem.tag.pyc` or
/// `stem.tag.opt-N.pyc`.
pub fn is_bytecode_of(cache: &str, stems: &HashSet<&str>) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::RelPath;

    fn place(path: &str) -> Place {
        Place {
            root: RootId(0),
            path: RelPath::parse(path).expect("plain"),
        }
    }

    fn going(files: &[&str], listing: &[(&str, &[(&str, Kind)])]) -> Going {
        let listing = listing.iter().map(|(directory, names)| {
            (
                place(directory),
                names
                    .iter()
                    .map(|(name, kind)| (Some((*name).to_owned()), *kind))
                    .collect(),
            )
        });
        let files = files.iter().map(|path| place(path)).collect();
        Going {
            files,
            listing: listing.collect(),
            hollow: HashSet::from_iter([place("lib/a/empty")]),
        }
    }

    #[test]
    fn a_directory_goes_whole_where_all_that_it_holds_goes() {
        use Kind::{Directory, File};
        let all = going(
            &["lib/a/x.py", "lib/a/sub/y.py"],
            &[
                ("lib", &[("a", Directory), ("other.py", File)]),
                (
                    "lib/a",
                    &[("x.py", File), ("sub", Directory), ("empty", Directory)],
                ),
                ("lib/a/sub", &[("y.py", File)]),
            ],
        );
        assert_eq!(all.outgoing(&|_| false).places, [place("lib/a")]);
        assert_eq!(
            all.outgoing(&|at| *at == place("lib/a")).places,
            [place("lib/a/sub"), place("lib/a/x.py")]
        );
    }

    #[test]
    fn e96_what_nobody_owns_stays_with_its_directory() {
        use Kind::{Directory, File};
        let some = going(
            &["lib/a/x.py", "lib/a/sub/y.py"],
            &[
                ("lib/a", &[("x.py", File), ("sub", Directory)]),
                ("lib/a/sub", &[("y.py", File), ("notes.txt", File)]),
            ],
        );
        assert_eq!(
            some.outgoing(&|_| false).places,
            [place("lib/a/sub/y.py"), place("lib/a/x.py")]
        );
    }

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

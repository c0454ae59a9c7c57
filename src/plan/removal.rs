//! Removal: the fewest things to move out, so that everything that leaves is gone.
//!
//! Input: the files that leave, and listings of the directories around them. Output: places. A
//! directory is moved out whole if all that it holds leaves, else its files one by one. Files that
//! no project owns stay, and so do their directories. The environment's own directories always
//! stay.

use std::cmp::Reverse;

use foldhash::{HashMap, HashMapExt as _};

use crate::environment::layout::{DirectoryKey, Layout, Place, by_directory};
use crate::installed::removal::{ListedName, Removal};

/// The whole directories and single files to move out, sorted; none lies inside another.
pub fn outgoing(removal: &Removal, layout: &Layout) -> Vec<Place> {
    let files = by_directory(&removal.files);
    let empty_dirs = by_directory(&removal.empty_dirs);
    let mut directories: Vec<&Place> = removal.listings.keys().collect();
    // A parent can be judged only after the directories in it. Caching the key counts the
    // components of each path once.
    directories.sort_by_cached_key(|place| Reverse(place.path.components().count()));
    // From the innermost outwards: which directories leave whole.
    let mut whole: HashMap<DirectoryKey<'_>, HashMap<&str, &Place>> = HashMap::new();
    for directory in &directories {
        let key = (directory.root, Some(directory.path.as_str()));
        let leaving = Leaving {
            files: files.get(&key),
            whole: whole.get(&key),
            empty_dirs: empty_dirs.get(&key),
        };
        if leaving.is_all_of(&removal.listings[directory]) && !layout.is_own_directory(directory) {
            let above = whole
                .entry((directory.root, directory.path.directory()))
                .or_default();
            above.insert(directory.path.file_name(), directory);
        }
    }
    // From the outermost inwards: the directory that each one leaves with, itself or one above it.
    let mut outermost: HashMap<DirectoryKey<'_>, &Place> = HashMap::new();
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
    places.extend(removal.empty_dist_infos.iter().cloned());
    places.sort();
    places.dedup();
    places
}

/// The names that leave one directory.
struct Leaving<'a> {
    files: Option<&'a HashMap<&'a str, &'a Place>>,
    whole: Option<&'a HashMap<&'a str, &'a Place>>,
    empty_dirs: Option<&'a HashMap<&'a str, &'a Place>>,
}

impl Leaving<'_> {
    /// Whether nothing that stays is in the directory, and at least one file leaves it. Directories
    /// without files go along.
    fn is_all_of(&self, names: &[ListedName]) -> bool {
        let is_in = |places: Option<&HashMap<&str, &Place>>, name: &str| {
            places.is_some_and(|places| places.contains_key(name))
        };
        let mut leaves = false;
        for listed in names {
            // No RECORD can list a name that is not UTF-8.
            let Some(name) = &listed.name else {
                return false;
            };
            if listed.is_directory && is_in(self.empty_dirs, name) {
                continue;
            }
            if !is_in(self.files, name) && !is_in(self.whole, name) {
                return false;
            }
            leaves = true;
        }
        leaves
    }
}

#[cfg(test)]
mod tests {
    use foldhash::HashSet;

    use super::*;

    /// The places that are moved out if `files` leave. A name in a listing that ends in `/` is a
    /// directory.
    fn moved_out(layout: &Layout, files: &[&str], listings: &[(&str, &[&str])]) -> Vec<Place> {
        let listed = |name: &&str| ListedName {
            name: Some(name.trim_end_matches('/').to_owned()),
            is_directory: name.ends_with('/'),
        };
        let mut removal = Removal {
            files: files.iter().map(|path| Place::for_tests(path)).collect(),
            empty_dirs: HashSet::from_iter([Place::for_tests("lib/a/empty")]),
            ..Removal::default()
        };
        for (directory, names) in listings {
            let names = names.iter().map(listed).collect();
            removal.listings.insert(Place::for_tests(directory), names);
        }
        outgoing(&removal, layout)
    }

    #[test]
    fn a_directory_goes_whole_where_all_that_it_holds_goes() {
        let files = ["lib/a/x.py", "lib/a/sub/y.py"];
        let listings: [(&str, &[&str]); 3] = [
            ("lib", &["a/", "other.py"]),
            ("lib/a", &["x.py", "sub/", "empty/"]),
            ("lib/a/sub", &["y.py"]),
        ];
        let target = Layout::for_tests("/target", "");
        assert_eq!(
            moved_out(&target, &files, &listings),
            [Place::for_tests("lib/a")]
        );
        let library_is_a = Layout::for_tests("/venv", "lib/a");
        assert_eq!(
            moved_out(&library_is_a, &files, &listings),
            [
                Place::for_tests("lib/a/sub"),
                Place::for_tests("lib/a/x.py")
            ]
        );
    }

    #[test]
    fn e96_what_nobody_owns_stays_with_its_directory() {
        let files = ["lib/a/x.py", "lib/a/sub/y.py"];
        let listings: [(&str, &[&str]); 2] = [
            ("lib/a", &["x.py", "sub/"]),
            ("lib/a/sub", &["y.py", "notes.txt"]),
        ];
        let target = Layout::for_tests("/target", "");
        assert_eq!(
            moved_out(&target, &files, &listings),
            [
                Place::for_tests("lib/a/sub/y.py"),
                Place::for_tests("lib/a/x.py")
            ]
        );
    }

    #[test]
    fn directories_without_files_go_along_but_do_not_go_alone() {
        let target = Layout::for_tests("/target", "");
        let listings: [(&str, &[&str]); 1] = [("lib/a", &["empty/", "x.py"])];
        assert_eq!(
            moved_out(&target, &["lib/a/x.py"], &listings),
            [Place::for_tests("lib/a")]
        );
        assert!(moved_out(&target, &[], &[("lib/a", &["empty/"])]).is_empty());
    }
}

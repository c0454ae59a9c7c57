//! Directory links: packages that become symbolic links to directories of the store.
//!
//! Input: a plan. Output: its [`Plan::links`], with a row for each in the RECORD of its project. A
//! directory is linked if it is moved in whole, lies directly in the library of its wheel, holds
//! everything that the wheel has below that name and nothing else, and is a regular package.
//!
//! Namespace packages are not linked, because other projects add to them. Neither are directories
//! deeper down: RECORD could not list them. The row is what makes pip and uv remove the link
//! itself; without it both reach through the link, and change or remove files of the store. But in
//! a directory that is shared with others, pip takes such a row for all that is there, and removes
//! the other projects' links, too.

use std::ops::Range;

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::operations::{below, place_of};
use super::{ChangeId, Content, NewRow, Plan, PlannedFile, RowFile};
use crate::environment::layout::{Layout, Place, SchemeKey};
use crate::wheel::{Wheel, WheelEntry, WheelId};

/// A directory that is to be a symbolic link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryLink {
    /// The slot of the operation that moves it in.
    pub slot: u32,
    /// The numbers of its files in the plan.
    pub files: Range<usize>,
    /// The wheel that it is of.
    pub wheel: WheelId,
    /// The change that installs that wheel.
    pub owner: ChangeId,
    /// Its name in the library, which is also its path in the archive.
    pub name: String,
}

impl Plan {
    /// Plans symbolic links for all directories of `wheels` that can be ones.
    pub fn link_directories(&mut self, layout: &Layout, wheels: &[Wheel]) {
        let owners: HashMap<WheelId, ChangeId> = (self.changes.iter().zip(0..))
            .filter_map(|(change, number)| Some((change.wheel?, ChangeId(number))))
            .collect();
        let mut packages: HashMap<WheelId, HashMap<&str, usize>> = HashMap::new();
        let moved = self.files.chunk_by(|one, other| one.slot == other.slot);
        let mut links = Vec::new();
        let mut end = 0;
        for files in moved {
            let begin = end;
            end += files.len();
            let place = place_of(&self.operations, files[0].slot);
            let Some((id, name)) = package(files, place, (layout, wheels)) else {
                continue;
            };
            let counts = packages
                .entry(id)
                .or_insert_with(|| whole_packages(&wheels[id.0 as usize]));
            let is_whole = counts.get(name).is_some_and(|count| *count == files.len());
            if let Some(owner) = owners.get(&id).filter(|_| is_whole) {
                links.push(DirectoryLink {
                    slot: files[0].slot,
                    files: begin..end,
                    wheel: id,
                    owner: *owner,
                    name: name.to_owned(),
                });
            }
        }
        for link in &links {
            self.changes[link.owner.0 as usize].record.push(NewRow {
                recorded: link.name.as_str().into(),
                file: RowFile::Link,
            });
        }
        links.sort_by_key(|link| link.slot);
        self.links = links;
    }

    /// Drops the links whose slot is not in `made`, with their rows.
    pub fn keep_links(&mut self, made: &HashSet<u32>) {
        let (kept, dropped): (Vec<_>, Vec<_>) = std::mem::take(&mut self.links)
            .into_iter()
            .partition(|link| made.contains(&link.slot));
        self.links = kept;
        for link in dropped {
            let record = &mut self.changes[link.owner.0 as usize].record;
            record.retain(|row| !matches!(row.file, RowFile::Link) || *row.recorded != *link.name);
        }
    }
}

/// The wheel and the name of a directory that lies directly in the library of its wheel, if that is
/// what is moved to this place. All `files`, which are moved in with it, are entries of that wheel.
fn package<'p>(
    files: &[PlannedFile],
    place: &'p Place,
    (layout, wheels): (&Layout, &[Wheel]),
) -> Option<(WheelId, &'p str)> {
    let Content::Entry(id, _) = files[0].content else {
        return None;
    };
    let library = if wheels[id.0 as usize].root_is_purelib {
        SchemeKey::Purelib
    } else {
        SchemeKey::Platlib
    };
    let name = below(layout, place, library).filter(|name| !name.contains('/'))?;
    let is_of_wheel =
        |file: &PlannedFile| matches!(file.content, Content::Entry(other, _) if other == id);
    let is_directory = files[0].place != *place;
    (is_directory && files.iter().all(is_of_wheel)).then_some((id, name))
}

/// How many files a wheel has below each of its names that are regular packages. A name to which
/// its `.data` directory adds is left out.
fn whole_packages(wheel: &Wheel) -> HashMap<&str, usize> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let (mut regular, mut elsewhere) = (HashSet::new(), HashSet::new());
    let top = |entry: &WheelEntry| memchr::memchr(b'/', entry.path.as_str().as_bytes());
    let is_beside = |one: &WheelEntry, other: &WheelEntry| {
        let (one_top, other_top) = (top(one), top(other));
        one_top == other_top
            && one_top.is_some_and(|end| {
                one.path.as_str().as_bytes()[..end] == other.path.as_str().as_bytes()[..end]
            })
    };
    // Entries are sorted by path as a rule, so that those below one name follow each other.
    for entries in wheel.entries.chunk_by(is_beside) {
        let path = entries[0].path.as_str();
        if wheel.below_data(path).is_some() {
            let below = entries
                .iter()
                .filter_map(|entry| wheel.below_data(entry.path.as_str()));
            // The first component is the scheme.
            elsewhere.extend(below.filter_map(|below| below.split('/').nth(1)));
            continue;
        }
        let Some((name, _)) = path.split_once('/') else {
            continue;
        };
        *counts.entry(name).or_default() += entries.len();
        let is_first = |entry: &WheelEntry| {
            let rest = &entry.path.as_str()[name.len() + 1..];
            rest.starts_with("__init__.")
        };
        if entries.iter().any(is_first) {
            regular.insert(name);
        }
    }
    counts.retain(|name, _| regular.contains(name) && !elsewhere.contains(name));
    counts
}

#[cfg(test)]
mod tests {
    use super::super::scenario::wheel;
    use super::*;

    #[test]
    fn only_regular_packages_to_which_nothing_is_added_are_whole() {
        let wheel = wheel(
            "demo-1.0-py3-none-any.whl",
            &[
                "demo/__init__.py",
                "demo/deep/__init__.py",
                "native/__init__.cpython-312-x86_64-linux-gnu.so",
                "space/demo/__init__.py",
                "more/__init__.py",
                "demo-1.0.data/purelib/more/data.txt",
                "alone.py",
            ],
        );
        let whole = whole_packages(&wheel);
        let mut whole: Vec<_> = whole.into_iter().collect();
        whole.sort_unstable();
        assert_eq!(whole, [("demo", 2), ("native", 1)]);
    }
}

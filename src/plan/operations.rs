//! Operations: the fewest renames that take the old out and bring the new in, in order.
//!
//! Input: the files to write, each with the outermost directory that is missing, and the places to
//! move out. Output: [`Operation`]s in the order in which they are made, and for each file the
//! operation that moves it in. A tree whose name is free is moved in whole, and a directory that
//! leaves whole is moved out whole; if others have files inside, single files are moved. Order: old
//! dist-infos out; then contents, scripts and `.pth` files; new dist-infos in last. A reader in
//! between sees a project that looks as if it were not installed, never one that looks installed
//! and is broken. Within each of these, what leaves a name and what takes it are neighbours, so an
//! importer misses it only between two renames.

use foldhash::HashSet;
use serde::{Deserialize, Serialize};

use super::PlannedFile;
use super::conflict::ResolvedFile;
use crate::environment::layout::{Layout, Place, SchemeKey};

/// One rename, or the removal of an empty directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The kind of operation.
    pub kind: OperationKind,
    /// The place in the environment.
    pub place: Place,
    /// The number under which the new is staged, or the old is kept. Unique in a plan, whose
    /// operations are numbered in order.
    pub slot: u32,
    /// The permissions of a directory that is removed.
    pub mode: Option<u32>,
}

/// The kinds of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperationKind {
    /// Moves what is there to the trash.
    Out,
    /// Moves a staged file or directory to a free place.
    In,
    /// Removes an empty directory.
    RemoveDir,
}

/// The operations, and the files with their slots. `files` and `out` are sorted by place.
pub fn operations(
    layout: &Layout,
    files: Vec<ResolvedFile>,
    out: &[Place],
) -> (Vec<Operation>, Vec<PlannedFile>) {
    let moves = moves(&files, out, layout);
    let outs = out.iter().map(|place| match phase(layout, place) {
        // `phase` looks at the place only, and a dist-info that leaves is an old one.
        Phase::NewDistInfo => (Phase::OldDistInfo, place, OperationKind::Out, None),
        phase => (phase, place, OperationKind::Out, None),
    });
    let ins = moves
        .iter()
        .enumerate()
        .map(|(number, moved)| (moved.phase, &moved.place, OperationKind::In, Some(number)));
    // Sorted by phase, then by place: `Out` of a place comes directly before `In`.
    let mut order: Vec<(Phase, &Place, OperationKind, Option<usize>)> = outs.chain(ins).collect();
    order.sort();
    let mut slots = vec![0; moves.len()];
    let mut operations = Vec::with_capacity(order.len());
    for ((_, place, kind, number), slot) in order.into_iter().zip(0..) {
        operations.push(Operation {
            kind,
            place: place.clone(),
            slot,
            mode: None,
        });
        if let Some(number) = number {
            slots[number] = slot;
        }
    }
    let slots = moves
        .iter()
        .zip(slots)
        .flat_map(|(moved, slot)| std::iter::repeat_n(slot, moved.files));
    let planned = files
        .into_iter()
        .zip(slots)
        .map(|(file, slot)| PlannedFile {
            place: file.place,
            content: file.content,
            executable: file.executable,
            size: file.size,
            digest: file.digest,
            slot,
        });
    (operations, planned.collect())
}

/// The place to which the operation of a slot moves something.
pub(super) fn place_of(operations: &[Operation], slot: u32) -> &Place {
    let at = operations.binary_search_by_key(&slot, |operation| operation.slot);
    &operations[at.expect("an operation moves it in")].place
}

/// Something that is moved in with one rename, and the files in it, which follow each other.
struct Move {
    place: Place,
    phase: Phase,
    files: usize,
}

/// Groups `files`, which are sorted, by what moves them in.
fn moves(files: &[ResolvedFile], out: &[Place], layout: &Layout) -> Vec<Move> {
    let out: HashSet<&Place> = out.iter().collect();
    let mut moves: Vec<Move> = Vec::new();
    for file in files {
        let phase = phase(layout, &file.place);
        match moves.last_mut() {
            Some(last) if file.place.is_within(&last.place) => {
                // The tree moves as one, so it waits for the latest phase of any file in it.
                last.phase = last.phase.max(phase);
                last.files += 1;
            }
            _ => moves.push(Move {
                place: outermost_free(&file.missing_root, &out),
                phase,
                files: 1,
            }),
        }
    }
    moves
}

/// The outermost place on the way to `missing_root` that is free, or becomes so.
fn outermost_free(missing_root: &Place, out: &HashSet<&Place>) -> Place {
    let mut outermost = missing_root.clone();
    // Walking up takes an allocation per directory, in vain if nothing leaves.
    let mut at = Some(missing_root.clone()).filter(|_| !out.is_empty());
    while let Some(candidate) = at {
        at = candidate.parent();
        if out.contains(&candidate) {
            outermost = candidate;
        }
    }
    outermost
}

/// The part of the order that an operation belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    OldDistInfo,
    Content,
    Scripts,
    PathFiles,
    NewDistInfo,
}

/// The phase in which a place is taken.
fn phase(layout: &Layout, place: &Place) -> Phase {
    // Scripts are checked first, because in a target directory they lie inside the library.
    if below(layout, place, SchemeKey::Scripts).is_some() {
        return Phase::Scripts;
    }
    let Some(path) = [SchemeKey::Purelib, SchemeKey::Platlib]
        .iter()
        .find_map(|key| below(layout, place, *key))
    else {
        return Phase::Content;
    };
    match path.split_once('/') {
        Some((top, _)) if top.ends_with(".dist-info") => Phase::NewDistInfo,
        Some(_) => Phase::Content,
        None if path.ends_with(".dist-info") => Phase::NewDistInfo,
        None if path.ends_with(".pth") => Phase::PathFiles,
        None => Phase::Content,
    }
}

/// The path of a place below a scheme's directory.
pub(super) fn below<'p>(layout: &Layout, place: &'p Place, key: SchemeKey) -> Option<&'p str> {
    let (root, inside) = layout.directory(key);
    match inside {
        _ if root != place.root => None,
        None => Some(place.path.as_str()),
        Some(inside) => place.path.below(inside),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Content;
    use super::*;

    /// The operations as text, and the slots of the files. Each file is written with a `|` behind
    /// the part of its path that is missing.
    fn planned(files: &[&str], out: &[&str]) -> (Vec<String>, Vec<u32>) {
        let files = files.iter().map(|path| {
            let missing = path.split_once('|').map_or(*path, |(missing, _)| missing);
            ResolvedFile {
                place: Place::for_tests(&path.replace('|', "")),
                content: Content::Bytes([].into()),
                executable: false,
                size: 0,
                digest: None,
                missing_root: Place::for_tests(missing),
            }
        });
        let out: Vec<Place> = out.iter().map(|path| Place::for_tests(path)).collect();
        let layout = Layout::for_tests("/target", "");
        let (operations, files) = operations(&layout, files.collect(), &out);
        for (operation, number) in operations.iter().zip(0..) {
            assert_eq!(operation.slot, number);
        }
        let show = |operation: &Operation| format!("{:?} {}", operation.kind, operation.place.path);
        let shown = operations.iter().map(show).collect();
        (shown, files.iter().map(|file| file.slot).collect())
    }

    #[test]
    fn a_tree_whose_name_is_free_is_moved_in_whole() {
        let files = ["a|/x.py", "a|/y/z.py", "b/new|/x.py", "b/y.py"];
        let (operations, slots) = planned(&files, &[]);
        assert_eq!(operations, ["In a", "In b/new", "In b/y.py"]);
        assert_eq!(slots, [0, 0, 1, 2]);
    }

    #[test]
    fn what_leaves_makes_room_for_a_whole_tree() {
        let (operations, slots) = planned(&["a/x.py", "a/y/z.py"], &["a"]);
        assert_eq!(operations, ["Out a", "In a"]);
        assert_eq!(slots, [1, 1]);
    }

    #[test]
    fn dist_infos_go_first_and_come_last() {
        let files = ["a/x.py", "a-2.dist-info|/RECORD", "a.pth", "bin/a", "b.py"];
        let mut sorted = files;
        sorted.sort_by_key(|path| Place::for_tests(&path.replace('|', "")));
        let (operations, _) = planned(&sorted, &["a/x.py", "a-1.dist-info", "a.pth"]);
        assert_eq!(
            operations,
            [
                "Out a-1.dist-info",
                "Out a/x.py",
                "In a/x.py",
                "In b.py",
                "In bin/a",
                "Out a.pth",
                "In a.pth",
                "In a-2.dist-info",
            ]
        );
    }
}

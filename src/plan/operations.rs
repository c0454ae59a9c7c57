//! Moves: the fewest renames that take the old out and bring the new in.
//!
//! Input: the files to write, each with its anchor, and what goes. Output: [`Operation`]s in the
//! order in which they are made, and for each file the operation that brings it in. A tree whose
//! name is free goes in whole; a directory that belongs wholly to what goes is taken out whole;
//! where others have files inside, single files move. Order: old dist-infos out, then contents,
//! scripts and `.pth` files, new dist-infos in last: whatever is seen in between looks as if it
//! were not installed, never as if it were installed and broken. Of each of these what goes from a
//! name and what comes to it stand side by side, so that an importer finds neither only between two
//! renames.

use serde::{Deserialize, Serialize};

use foldhash::HashSet;

use super::NewFile;
use crate::environment::layout::{Layout, Place, SchemeKey};

/// One rename, or the removal of an empty directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What is done.
    pub kind: OperationKind,
    /// Where in the environment.
    pub place: Place,
    /// The number by which what comes in is staged, or what goes out is kept; no two operations
    /// share one.
    pub slot: u32,
    /// The permissions of a directory that is removed.
    pub mode: Option<u32>,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperationKind {
    /// What is there goes to the trash.
    Out,
    /// What was staged comes in; nothing may stand there.
    In,
    /// An empty directory is removed.
    RemoveDir,
}

/// Where a file is staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedAt {
    /// The slot of the operation that moves it in.
    pub slot: u32,
    /// Its path below what that operation moves; `None` where it is moved itself.
    pub below: Option<String>,
}

/// What goes: whole directories and single files, none inside another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// The places, sorted.
    pub places: Vec<Place>,
}

/// The operations, and where each of `files` is staged.
pub fn operations(
    layout: &Layout,
    files: &[NewFile],
    anchors: &[Place],
    outgoing: &Outgoing,
) -> (Vec<Operation>, Vec<StagedAt>) {
    let gone: HashSet<&Place> = outgoing.places.iter().collect();
    let sorter = Sorter { layout };
    let runs = runs(files, anchors, &gone, &sorter);
    let outs = outgoing
        .places
        .iter()
        .map(|place| match sorter.phase(place) {
            Phase::NewDistInfo => (Phase::OldDistInfo, place, OperationKind::Out, None),
            phase => (phase, place, OperationKind::Out, None),
        });
    let ins = runs
        .iter()
        .enumerate()
        .map(|(number, run)| (run.phase, &run.head, OperationKind::In, Some(number)));
    let mut order: Vec<(Phase, &Place, OperationKind, Option<usize>)> = outs.chain(ins).collect();
    order.sort();
    let mut slots = vec![0; runs.len()];
    let mut operations = Vec::with_capacity(order.len());
    for ((_, place, kind, run), slot) in order.into_iter().zip(0..) {
        operations.push(Operation {
            kind,
            place: place.clone(),
            slot,
            mode: None,
        });
        run.into_iter().for_each(|run| slots[run] = slot);
    }
    let runs = runs
        .iter()
        .zip(slots)
        .flat_map(|(run, slot)| std::iter::repeat_n((&run.head, slot), run.files));
    let below = |file: &NewFile, head: &Place| file.place.path.below(&head.path).map(str::to_owned);
    let staged = files
        .iter()
        .zip(runs)
        .map(|(file, (head, slot))| StagedAt {
            slot,
            below: below(file, head),
        })
        .collect();
    (operations, staged)
}

/// Files that follow each other and go in together.
struct Run {
    head: Place,
    phase: Phase,
    files: usize,
}

/// The runs of `files`, which are sorted: what lies below one place comes together.
fn runs(
    files: &[NewFile],
    anchors: &[Place],
    gone: &HashSet<&Place>,
    sorter: &Sorter<'_>,
) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (file, anchor) in files.iter().zip(anchors) {
        let phase = sorter.phase(&file.place);
        match runs.last_mut() {
            Some(run)
                if run.head.root == file.place.root
                    && file.place.path.starts_with(&run.head.path) =>
            {
                run.phase = run.phase.max(phase);
                run.files += 1;
            }
            _ => runs.push(Run {
                head: head(anchor, gone),
                phase,
                files: 1,
            }),
        }
    }
    runs
}

/// What has to be moved in for a file with this anchor: the outermost part of its place that is
/// free, or becomes so.
fn head(anchor: &Place, gone: &HashSet<&Place>) -> Place {
    let mut outermost = anchor.clone();
    let mut at = Some(anchor.clone()).filter(|_| !gone.is_empty());
    while let Some(candidate) = at {
        at = candidate.parent();
        if gone.contains(&candidate) {
            outermost = candidate;
        }
    }
    outermost
}

/// When an operation has its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    OldDistInfo,
    Content,
    Scripts,
    PathFiles,
    NewDistInfo,
}

/// Tells what sort of file a place is for.
struct Sorter<'a> {
    layout: &'a Layout,
}

impl Sorter<'_> {
    fn phase(&self, place: &Place) -> Phase {
        if self.below(place, SchemeKey::Scripts).is_some() {
            return Phase::Scripts;
        }
        let library = [SchemeKey::Purelib, SchemeKey::Platlib]
            .iter()
            .find_map(|key| self.below(place, *key));
        match library {
            Some(below)
                if below
                    .split('/')
                    .next()
                    .is_some_and(|top| top.ends_with(".dist-info")) =>
            {
                Phase::NewDistInfo
            }
            Some(below) if below.ends_with(".pth") && !below.contains('/') => Phase::PathFiles,
            _ => Phase::Content,
        }
    }

    fn below<'p>(&self, place: &'p Place, key: SchemeKey) -> Option<&'p str> {
        let (root, inside) = self.layout.directory(key);
        if root != place.root {
            return None;
        }
        match inside {
            None => Some(place.path.as_str()),
            Some(inside) => place
                .path
                .as_str()
                .strip_prefix(inside.as_str())?
                .strip_prefix('/'),
        }
    }
}

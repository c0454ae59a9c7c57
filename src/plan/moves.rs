//! Moves: the fewest renames that take the old out and bring the new in.
//!
//! Input: the files to write, each with its anchor, and what goes. Output: [`Operation`]s in the order in which they are
//! made, and for each file the operation that brings it in. A tree whose name is free goes in whole; a directory that
//! belongs wholly to what goes is taken out whole; where others have files inside, single files move. Order: old
//! dist-infos out, other old content out, new content in, scripts in, `.pth` files in, new dist-infos in last: whatever
//! is seen in between looks as if it were not installed, never as if it were installed and broken.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::NewFile;
use crate::environment::place::{Layout, Place, SchemeKey};

/// One rename, or the making or removing of an empty directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What is done.
    pub kind: OperationKind,
    /// Where in the environment.
    pub place: Place,
    /// The number by which what comes in is staged, or what goes out is kept; no two operations share one.
    pub slot: u32,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OperationKind {
    /// What is there goes to the trash.
    Out,
    /// What was staged comes in; nothing may stand there.
    In,
    /// An empty directory is made.
    MakeDir,
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
    let sorter = Sorter::of(layout);
    let mut outs: Vec<(u8, &Place)> = outgoing.places.iter().map(|place| (sorter.rank(place), place)).collect();
    // The highest rank is that of dist-info, which is the first to go.
    outs.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let heads: Vec<Place> = files.iter().zip(anchors).map(|(file, anchor)| head(&file.place, anchor, &gone)).collect();
    let mut ranks: HashMap<&Place, u8> = HashMap::new();
    for (file, head) in files.iter().zip(&heads) {
        let rank = ranks.entry(head).or_default();
        *rank = (*rank).max(sorter.rank(&file.place));
    }
    let mut ins: Vec<(u8, &Place)> = ranks.into_iter().map(|(place, rank)| (rank, place)).collect();
    ins.sort();
    let outs = outs.iter().map(|(_, place)| (OperationKind::Out, *place));
    let ins = ins.iter().map(|(_, place)| (OperationKind::In, *place));
    let operations: Vec<Operation> =
        outs.chain(ins).zip(0..).map(|((kind, place), slot)| Operation { kind, place: place.clone(), slot }).collect();
    let slots: HashMap<&Place, u32> = operations
        .iter()
        .filter(|operation| operation.kind == OperationKind::In)
        .map(|operation| (&operation.place, operation.slot))
        .collect();
    let staged = files
        .iter()
        .zip(&heads)
        .map(|(file, head)| StagedAt {
            slot: slots.get(head).copied().unwrap_or_default(),
            below: file.place.path.strip_prefix(&head.path).map(|below| below.as_str().to_owned()),
        })
        .collect();
    (operations, staged)
}

/// What has to be moved in for a file: the outermost part of its place that is free, or becomes so.
fn head(place: &Place, anchor: &Place, gone: &HashSet<&Place>) -> Place {
    let mut outermost = anchor.clone();
    if !gone.is_empty() {
        let mut at = Some(place.clone());
        while let Some(candidate) = at {
            if gone.contains(&candidate) && outermost.path.starts_with(&candidate.path) {
                outermost = candidate.clone();
            }
            at = candidate.parent();
        }
    }
    outermost
}

/// Tells what sort of file a place is for.
struct Sorter<'a> {
    layout: &'a Layout,
}

impl<'a> Sorter<'a> {
    fn of(layout: &'a Layout) -> Self {
        Self { layout }
    }

    /// 0 for content, 1 for scripts, 2 for `.pth` files, 3 for anything in a dist-info.
    fn rank(&self, place: &Place) -> u8 {
        if self.below(place, SchemeKey::Scripts).is_some() {
            return 1;
        }
        let library = [SchemeKey::Purelib, SchemeKey::Platlib].iter().find_map(|key| self.below(place, *key));
        match library {
            Some(below) if below.split('/').next().is_some_and(|top| top.ends_with(".dist-info")) => 3,
            Some(below) if below.ends_with(".pth") && !below.contains('/') => 2,
            _ => 0,
        }
    }

    fn below<'p>(&self, place: &'p Place, key: SchemeKey) -> Option<&'p str> {
        let (root, inside) = self.layout.directory(key);
        if root != place.root {
            return None;
        }
        match inside {
            None => Some(place.path.as_str()),
            Some(inside) => place.path.as_str().strip_prefix(inside.as_str())?.strip_prefix('/'),
        }
    }
}

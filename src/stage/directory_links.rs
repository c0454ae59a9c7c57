//! Which packages become symbolic links to directories of the store.
//!
//! Input: a plan with links, and which of its wheels are in the store or are put there. Output:
//! [`DirectoryLinks`]. A wheel whose libraries would not find others behind a link gets files
//! instead.

use foldhash::HashSet;

use super::store_files::StoreFiles;
use crate::plan::Plan;
use crate::wheel::WheelId;

/// Which of a plan's directories become links.
#[derive(Debug, Default)]
pub(super) struct DirectoryLinks {
    /// The slots of those whose wheel is in the store.
    pub(super) ready: HashSet<u32>,
    /// The slots of those whose wheel is put into it now.
    pub(super) awaited: HashSet<u32>,
}

/// What there is in the store to be linked to.
pub(super) enum LinkTarget {
    Ready,
    Awaited,
    /// The libraries of the wheel would not work.
    Unsuitable,
    Missing,
}

impl DirectoryLinks {
    pub(super) fn of(plan: &Plan, files: &StoreFiles<'_>) -> Self {
        let mut links = Self::default();
        for link in &plan.links {
            match target(files, link.wheel) {
                LinkTarget::Ready => links.ready.insert(link.slot),
                LinkTarget::Awaited => links.awaited.insert(link.slot),
                LinkTarget::Unsuitable | LinkTarget::Missing => false,
            };
        }
        links
    }

    /// Whether what is moved in by this slot is, or may become, a link.
    pub(super) fn contains(&self, slot: u32) -> bool {
        self.ready.contains(&slot) || self.awaited.contains(&slot)
    }
}

/// Whether directories of a wheel can be links.
pub(super) fn target(files: &StoreFiles<'_>, wheel: WheelId) -> LinkTarget {
    if let Some(stored) = files.stored(wheel) {
        return match stored.facts.self_contained {
            true => LinkTarget::Ready,
            false => LinkTarget::Unsuitable,
        };
    }
    match files.filling(wheel) {
        Some(_) => LinkTarget::Awaited,
        None => LinkTarget::Missing,
    }
}

//! Which project gets its version first, and how far ahead METADATA is asked for.
//!
//! The solver never gives up an earlier decision for a later one: a project that is decided first
//! may make it walk down hundreds of versions of another. So a project that has been in several
//! conflicts is promoted, and the search begins anew with the better order. All that was read
//! stays in memory, so a new round costs milliseconds.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;

use super::package::{ProjectId, SolverPackage};

/// So many conflicts promote a project. With fewer, ordinary sets would begin anew for nothing;
/// with more, versions are read in vain.
const CONFLICTS_UNTIL_PROMOTION: u32 = 5;

/// So many versions of one project are tried before METADATA is asked for ahead.
const TRIED_UNTIL_AHEAD: usize = 5;
/// How far ahead it is asked for at first, and at most. Fewer leave connections idle, more are
/// fetched in vain when the walk ends.
const LEAST_AHEAD: usize = 8;
const MOST_AHEAD: usize = 50;
/// The next batch is asked for when fewer than this are left of the largest one. With half a batch
/// a walk through two projects took a tenth longer. A larger value saves no time, and more METADATA
/// is fetched in vain.
const LOW: usize = MOST_AHEAD * 3 / 5;

/// The solver decides the package with the greatest priority next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Priority {
    rank: Rank,
    /// Among equals, what was met or promoted first.
    place: Reverse<usize>,
    /// A project before its extras: an extra has to take its project's version.
    is_project: bool,
    /// Among the extras of a project, the one first that was in the most conflicts: it may reject
    /// the project's version before all the others were looked at.
    conflicts: u32,
    /// What an extra adds, after the extra itself.
    part: Reverse<u8>,
}

/// In ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A project like any other.
    Met,
    /// A project that was in several conflicts.
    Promoted,
    /// Its set has one version: deciding it early costs nothing and cannot be wrong.
    Pinned,
    /// It has one file.
    Url,
    /// The command itself.
    Root,
}

/// The projects that were promoted, and whether the search has to begin anew.
#[derive(Debug, Default)]
pub(super) struct Order {
    promoted: RefCell<Vec<ProjectId>>,
    is_stale: Cell<bool>,
}

impl Order {
    /// The priority of a package, which `rank` puts above those that were promoted, or not.
    pub(super) fn priority(&self, package: SolverPackage, rank: Rank, conflicts: u32) -> Priority {
        let (project, part) = match package {
            SolverPackage::Root => {
                return Priority {
                    rank: Rank::Root,
                    place: Reverse(0),
                    is_project: true,
                    conflicts: 0,
                    part: Reverse(0),
                };
            }
            SolverPackage::Project(project) => (project, 0),
            SolverPackage::Extra(project, _) => (project, 1),
            SolverPackage::ExtraRequirements(project, _) => (project, 2),
        };
        let promoted = self.promoted.borrow();
        let promotion = promoted.iter().position(|one| *one == project);
        let (rank, place) = match (rank, promotion) {
            (Rank::Met, Some(place)) => (Rank::Promoted, place),
            (rank, _) => (rank, project.index()),
        };
        Priority {
            rank,
            place: Reverse(place),
            is_project: part == 0,
            conflicts: if part == 0 { 0 } else { conflicts },
            part: Reverse(part),
        }
    }

    /// Promotes the project of `package` if it has been in so many conflicts and was not promoted
    /// before. Each is promoted once, so the rounds are fewer than the projects.
    pub(super) fn heed_conflicts(&self, package: SolverPackage, conflicts: u32) {
        let Some(project) = package.project() else {
            return;
        };
        let mut promoted = self.promoted.borrow_mut();
        if conflicts >= CONFLICTS_UNTIL_PROMOTION && !promoted.contains(&project) {
            promoted.push(project);
            self.is_stale.set(true);
        }
    }

    /// Whether the search goes on in an order that is no longer the best.
    pub(super) fn is_stale(&self) -> bool {
        self.is_stale.get()
    }

    /// The next round has the new order.
    pub(super) fn renew(&self) {
        self.is_stale.set(false);
    }
}

/// How many versions ahead METADATA is asked for, after so many were tried: as many again, so that
/// no more than half of what is asked for is in vain when the walk ends.
pub(super) fn versions_ahead(tried: usize) -> usize {
    if tried < TRIED_UNTIL_AHEAD {
        return 0;
    }
    tried.clamp(LEAST_AHEAD, MOST_AHEAD)
}

/// Whether the next batch of METADATA is asked for before the last one is used up: `tried` versions
/// were tried, and the METADATA of `unread` further ones was asked for and not looked at yet. In a
/// long walk this is so below [`LOW`], so that connections are always busy. In a short walk the
/// rest would be asked for in vain.
pub(super) fn is_batch_low(unread: usize, tried: usize) -> bool {
    versions_ahead(tried) == MOST_AHEAD && unread < LOW
}

/// Whether METADATA of a project is likely to be asked for in vain: of the versions that were asked
/// for, `unread` were never looked at, and `read` were. Such is a project that every version of
/// another one pins, while that one is walked down: each step needs another version of it, and is
/// often rejected before that version is looked at.
pub(super) fn is_seldom_read(unread: usize, read: usize) -> bool {
    unread >= read.max(LEAST_AHEAD)
}

#[cfg(test)]
mod tests {
    use super::super::package::Names;
    use super::*;
    use crate::spec::name::ProjectName;

    #[test]
    fn the_first_promoted_comes_first_and_extras_follow_their_project() {
        let mut names = Names::default();
        let [a, b, c] =
            ["a", "b", "c"].map(|name| names.project(&ProjectName::parse(name).expect("a name")));
        let x = names.extra(&"x".to_owned());
        let order = Order::default();
        let met = |package| order.priority(package, Rank::Met, 0);
        assert!(met(SolverPackage::Project(a)) > met(SolverPackage::Project(b)));
        order.heed_conflicts(SolverPackage::Project(c), 4);
        assert!(!order.is_stale());
        order.heed_conflicts(SolverPackage::Extra(c, x), 5);
        order.heed_conflicts(SolverPackage::Project(b), 9);
        assert!(order.is_stale());
        order.renew();
        order.heed_conflicts(SolverPackage::Project(c), 50);
        order.heed_conflicts(SolverPackage::Root, 50);
        assert!(!order.is_stale(), "each is promoted once");
        let falling = [
            order.priority(SolverPackage::Root, Rank::Met, 0),
            order.priority(SolverPackage::Project(b), Rank::Url, 0),
            order.priority(SolverPackage::Project(a), Rank::Pinned, 0),
            met(SolverPackage::Project(c)),
            met(SolverPackage::Extra(c, x)),
            met(SolverPackage::ExtraRequirements(c, x)),
            met(SolverPackage::Project(b)),
            met(SolverPackage::Project(a)),
        ];
        assert!(falling.is_sorted_by(|one, next| one > next), "{falling:?}");
        let y = names.extra(&"y".to_owned());
        let in_conflict = |package| order.priority(package, Rank::Met, 3);
        let falling = [
            met(SolverPackage::Project(a)),
            in_conflict(SolverPackage::Extra(a, y)),
            in_conflict(SolverPackage::ExtraRequirements(a, y)),
            met(SolverPackage::Extra(a, x)),
            met(SolverPackage::ExtraRequirements(a, x)),
        ];
        assert!(falling.is_sorted_by(|one, next| one > next), "{falling:?}");
    }

    #[test]
    fn the_longer_a_walk_lasts_the_further_ahead_it_looks() {
        let ahead = [0, 4, 5, 12, 13, 28, 29, 60, 61, 1000].map(versions_ahead);
        assert_eq!(ahead, [0, 0, 8, 12, 13, 28, 29, 50, 50, 50]);
    }

    #[test]
    fn only_a_long_walk_asks_for_more_before_a_batch_is_used_up() {
        let is_low = |(unread, tried)| is_batch_low(unread, tried);
        assert!([(29, 60), (0, 60), (29, 1000)].into_iter().all(is_low));
        assert!(
            ![(30, 60), (50, 60), (0, 49), (0, 5)]
                .into_iter()
                .any(is_low)
        );
    }

    #[test]
    fn no_more_is_asked_for_than_was_read_but_for_a_few() {
        let is_seldom_read = |(unread, read)| is_seldom_read(unread, read);
        assert!(
            [(8, 0), (8, 8), (30, 30), (31, 30)]
                .into_iter()
                .all(is_seldom_read)
        );
        assert!(![(0, 0), (7, 0), (29, 30)].into_iter().any(is_seldom_read));
    }
}

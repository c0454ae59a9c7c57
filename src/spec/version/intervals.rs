//! The versions that one clause allows, as intervals.
//!
//! Input: an operator and its version. Output: at most two [`Interval`]s, in ascending order. The
//! ends are versions that need not exist: `1.0.dev0` is below every other version of 1.0, and
//! `1.0.post0.dev0` is the first one above 1.0 and its local versions. The rules are those of
//! Python's `packaging` 26.

use std::ops::Bound::{self, Excluded, Included, Unbounded};

use pep440_rs::{Operator, VersionSpecifier};

use super::Version;

/// The first and the last version of an interval.
pub(crate) type Interval = (Bound<Version>, Bound<Version>);

/// The versions that `clause` allows ("Version specifiers").
///
/// `===` is taken for one version here, although it compares texts.
#[allow(deprecated, reason = "the crate warns about `===`, but users write it")]
pub(super) fn of_clause(clause: &VersionSpecifier) -> Vec<Interval> {
    let bound = clause.version();
    match clause.operator() {
        Operator::Equal => vec![equal(bound)],
        Operator::ExactEqual => {
            vec![(Included(of(bound.clone())), Included(of(bound.clone())))]
        }
        Operator::NotEqual => outside(equal(bound)),
        Operator::EqualStar => vec![series(bound, bound.release())],
        Operator::NotEqualStar => outside(series(bound, bound.release())),
        Operator::TildeEqual => {
            // `~=` is read only with two numbers or more.
            let (_, series_of) = bound.release().split_last().unwrap_or((&0, &[]));
            vec![(Included(of(bound.clone())), series(bound, series_of).1)]
        }
        Operator::LessThan if bound.any_prerelease() => {
            vec![(Unbounded, Excluded(of(bound.clone())))]
        }
        // A final release excludes its own pre-releases, too.
        Operator::LessThan => vec![(Unbounded, Excluded(of(bound.clone().with_dev(Some(0)))))],
        Operator::LessThanEqual => vec![(Unbounded, above_locals(bound))],
        // A release excludes its own post-releases, too.
        Operator::GreaterThan if !bound.is_post() && !bound.is_dev() => {
            vec![(Excluded(of(bound.clone().with_max(Some(0)))), Unbounded)]
        }
        Operator::GreaterThan => vec![(flipped(above_locals(bound)), Unbounded)],
        Operator::GreaterThanEqual => vec![(Included(of(bound.clone())), Unbounded)],
    }
}

/// A version and its local versions; the version alone if it has a local label itself.
pub(super) fn equal(bound: &pep440_rs::Version) -> Interval {
    let first = Included(of(bound.clone()));
    if bound.is_local() {
        (first.clone(), first)
    } else {
        (first, above_locals(bound))
    }
}

/// The end of a version's local versions, which the interval does not contain.
fn above_locals(bound: &pep440_rs::Version) -> Bound<Version> {
    let above = if let Some(dev) = bound.dev() {
        let dev = dev.checked_add(1);
        dev.map(|dev| bound.clone().with_dev(Some(dev)))
    } else if let Some(post) = bound.post() {
        let post = post.checked_add(1);
        post.map(|post| bound.clone().with_post(Some(post)).with_dev(Some(0)))
    } else {
        Some(bound.clone().with_post(Some(0)).with_dev(Some(0)))
    };
    // Above the greatest number nothing can be written; local versions of such a version are lost.
    above.map_or_else(
        || Included(of(bound.clone())),
        |above| Excluded(of(above.without_local())),
    )
}

/// All versions of the series that `release` begins, in the epoch of `bound`: `1.4.*`.
fn series(bound: &pep440_rs::Version, release: &[u64]) -> Interval {
    let first_of = |release: Vec<u64>| {
        let first = pep440_rs::Version::new(release).with_epoch(bound.epoch());
        of(first.with_dev(Some(0)))
    };
    let mut next = release.to_vec();
    let raised = next.last_mut().is_some_and(|last| {
        let above = last.checked_add(1);
        *last = above.unwrap_or(*last);
        above.is_some()
    });
    let end = if raised {
        Excluded(first_of(next))
    } else {
        Unbounded
    };
    (Included(first_of(release.to_vec())), end)
}

/// Everything but an interval.
fn outside((first, last): Interval) -> Vec<Interval> {
    let mut parts = Vec::with_capacity(2);
    if first != Unbounded {
        parts.push((Unbounded, flipped(first)));
    }
    if last != Unbounded {
        parts.push((flipped(last), Unbounded));
    }
    parts
}

/// The same point as the end of the neighbouring interval.
fn flipped(bound: Bound<Version>) -> Bound<Version> {
    match bound {
        Included(version) => Excluded(version),
        Excluded(version) => Included(version),
        Unbounded => Unbounded,
    }
}

fn of(parsed: pep440_rs::Version) -> Version {
    // The ends of intervals are compared, never quoted; a text would cost an allocation.
    Version::of(Box::default(), parsed)
}

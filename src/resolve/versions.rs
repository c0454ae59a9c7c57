//! The versions of one project that may be chosen, in the order of preference.
//!
//! Input: the [`Candidates`] and the preferences of the command. Output: for a set of versions, the
//! best one in it, and those that would be tried next. Invariant: which versions may be chosen
//! never changes during a search, since the solver remembers for good that a set has none.

use std::ops::{Bound, Range};
use std::sync::Arc;

use super::known::{Candidates, VersionState};
use super::ranges::{self, VersionRanges};
use crate::spec::version::Version;

/// The versions of a project.
#[derive(Debug, Clone)]
pub(super) struct Versions {
    /// All versions of the index, usable or not.
    pub(super) candidates: Arc<Candidates>,
    /// The installed version: it may be chosen, whatever the index says about it.
    installed: Option<Version>,
    preferences: Preferences,
}

/// What decides which versions may be chosen, and which are better.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Preferences {
    /// Whether pre-releases are as good as final releases.
    pub(super) prereleases: bool,
    /// Whether withdrawn versions may be chosen if nothing else fits.
    pub(super) yanked: bool,
}

/// Every version of a group is preferred to those of the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum VersionGroup {
    /// Final releases; with a preference for pre-releases, these too.
    Finals,
    Prereleases,
    Yanked,
}

const GROUPS: [VersionGroup; 3] = [
    VersionGroup::Finals,
    VersionGroup::Prereleases,
    VersionGroup::Yanked,
];

impl Versions {
    pub(super) fn new(
        candidates: Arc<Candidates>,
        installed: Option<&Version>,
        preferences: Preferences,
    ) -> Self {
        Self {
            candidates,
            installed: installed.cloned(),
            preferences,
        }
    }

    /// Whether the index has all versions that may be chosen, and at least one.
    pub(super) fn are_complete(&self) -> bool {
        let is_there = |installed| self.candidates.position(installed).is_some();
        !self.candidates.versions().is_empty() && self.installed.as_ref().is_none_or(is_there)
    }

    /// The best version in `ranges`.
    pub(super) fn best<'a>(&'a self, ranges: &'a VersionRanges<'_>) -> Option<&'a Version> {
        self.in_order(ranges).next()
    }

    /// The versions in `ranges`, the best one first. Only the versions that are taken out are
    /// looked at, and those before them.
    pub(super) fn in_order<'a>(
        &'a self,
        ranges: &'a VersionRanges<'_>,
    ) -> impl Iterator<Item = &'a Version> {
        GROUPS
            .into_iter()
            .flat_map(move |group| self.of_group(group, ranges))
    }

    /// The versions of a group in `ranges`, in descending order.
    fn of_group<'a>(
        &'a self,
        group: VersionGroup,
        ranges: &'a VersionRanges<'_>,
    ) -> impl Iterator<Item = &'a Version> {
        let all = self.candidates.versions();
        let within = within(all, ranges);
        let installed = self.installed.as_ref().filter(|installed| {
            ranges.contains::<Version>(installed) && group == self.group_of_usable(installed)
        });
        let at = installed.map(|installed| all.partition_point(|version| version < installed));
        // The installed version is put in between those above and below it.
        let split = at.map_or(within.start, |at| at.clamp(within.start, within.end));
        let fits = move |position: &usize| self.is_in(*position, group);
        let above = Descending::new(all, split..within.end, ranges).filter(fits);
        let below = Descending::new(all, within.start..split, ranges).filter(fits);
        let above = above.map(|position| &all[position]);
        let below = below.map(|position| &all[position]);
        above.chain(installed).chain(below)
    }

    /// Whether the version at a position of the index may be chosen, and belongs to `group`.
    fn is_in(&self, position: usize, group: VersionGroup) -> bool {
        let version = &self.candidates.versions()[position];
        // The cheap questions come first: most versions never get to the state, which is found out
        // when it is asked for.
        if group == VersionGroup::Yanked && !self.preferences.yanked
            || group != VersionGroup::Yanked && group != self.group_of_usable(version)
            || self.installed.as_ref() == Some(version)
        {
            return false;
        }
        let state = self.candidates.state(position);
        state.rejection.is_none() && state.yanked.is_some() == (group == VersionGroup::Yanked)
    }

    /// The group of a version that is not withdrawn.
    fn group_of_usable(&self, version: &Version) -> VersionGroup {
        if version.is_prerelease() && !self.preferences.prereleases {
            VersionGroup::Prereleases
        } else {
            VersionGroup::Finals
        }
    }

    /// What the index says about a version.
    pub(super) fn state(&self, version: &Version) -> Option<&VersionState> {
        let position = self.candidates.position(version)?;
        Some(self.candidates.state(position))
    }
}

/// The positions of the versions in a set, the highest one first.
///
/// A solver that walks down takes one version after the other out of the set, so it has as many
/// segments as versions were tried. Both are walked in step: looking each version up in the
/// segments took most of the time of a long walk.
struct Descending<'a, 'r> {
    all: &'a [Version],
    positions: Range<usize>,
    /// The segments that have not been passed, in ascending order.
    segments: Vec<(&'a Bound<&'r Version>, &'a Bound<&'r Version>)>,
}

impl<'a, 'r> Descending<'a, 'r> {
    fn new(all: &'a [Version], positions: Range<usize>, ranges: &'a VersionRanges<'r>) -> Self {
        let segments = if positions.is_empty() {
            Vec::new()
        } else {
            ranges.iter().collect()
        };
        Self {
            all,
            positions,
            segments,
        }
    }
}

impl Iterator for Descending<'_, '_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while let (Some((first, last)), false) = (self.segments.last(), self.positions.is_empty()) {
            let position = self.positions.end - 1;
            let version = &self.all[position];
            let is_from = match first {
                Bound::Included(first) => version >= *first,
                Bound::Excluded(first) => version > *first,
                Bound::Unbounded => true,
            };
            if !is_from {
                self.segments.pop();
                continue;
            }
            self.positions.end = position;
            if ranges::is_below(version, **last) {
                return Some(position);
            }
        }
        None
    }
}

/// The positions between the first and the last version of `ranges`.
fn within(all: &[Version], ranges: &VersionRanges<'_>) -> Range<usize> {
    let ends = ranges.bounding_range();
    ends.map_or(0..0, |(first, last)| {
        ranges::positions(all, (&first.cloned(), &last.cloned()))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_is_walked_down_as_each_version_says_itself(
            segments in proptest::collection::vec((0..40_u32, 0..40_u32, any::<bool>()), 0..6),
            (start, end) in (0..30_usize, 0..30_usize),
        ) {
            let version = |number: u32| Version::parse(&format!("1.{number}")).expect("a version");
            let numbered: Vec<Version> = (0..=40).map(version).collect();
            let version = |number: u32| &numbered[number as usize];
            let all = &numbered[5..35];
            let mut ranges = VersionRanges::empty();
            for (one, other, is_open) in segments {
                let (first, last) = (version(one.min(other)), version(one.max(other) + 1));
                let open = VersionRanges::strictly_higher_than(first);
                let open = open.intersection(&VersionRanges::strictly_lower_than(last));
                let between = VersionRanges::between(first, last);
                ranges = ranges.union(if is_open { &open } else { &between });
            }
            let positions = start.min(end)..start.max(end);
            let walked: Vec<usize> = Descending::new(all, positions.clone(), &ranges).collect();
            let expected = positions.rev().filter(|at| ranges.contains(&all[*at]));
            prop_assert_eq!(walked, expected.collect::<Vec<_>>());
        }
    }
}

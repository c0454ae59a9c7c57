//! The versions of one project that may be chosen, in the order of preference.
//!
//! Input: the [`Candidates`] and the preferences of the command. Output: for a set of versions, the
//! best one in it, and those that would be tried next. Invariant: which versions may be chosen
//! never changes during a search, since the solver remembers for good that a set has none.

use std::ops::{Bound, Range};
use std::sync::Arc;

use super::known::{Candidates, VersionState};
use super::ranges;
use super::solver_set::SolverSet;
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

    /// The best version in `set`.
    pub(super) fn best<'a>(&'a self, set: &'a SolverSet<'_>) -> Option<&'a Version> {
        self.in_order(set).next()
    }

    /// The versions in `set`, the best one first. Only the versions that are taken out are
    /// looked at, and those before them.
    pub(super) fn in_order<'a>(
        &'a self,
        set: &'a SolverSet<'_>,
    ) -> impl Iterator<Item = &'a Version> {
        GROUPS
            .into_iter()
            .flat_map(move |group| self.of_group(group, set))
    }

    /// The versions of a group in `set`, in descending order.
    fn of_group<'a>(
        &'a self,
        group: VersionGroup,
        set: &'a SolverSet<'_>,
    ) -> impl Iterator<Item = &'a Version> {
        let all = self.candidates.versions();
        let within = within(all, set, self.lines_of(group));
        let installed = self
            .installed
            .as_ref()
            .filter(|installed| set.has(installed) && group == self.group_of_usable(installed));
        let at = installed.map(|installed| all.partition_point(|version| version < installed));
        // The installed version is put in between those above and below it.
        let split = at.map_or(within.start, |at| at.clamp(within.start, within.end));
        let fits = move |position: &usize| self.is_in(*position, group);
        let above = Descending::new(all, split..within.end, set).filter(fits);
        let below = Descending::new(all, within.start..split, set).filter(fits);
        let above = above.map(|position| &all[position]);
        let below = below.map(|position| &all[position]);
        above.chain(installed).chain(below)
    }

    /// Whether the versions of a group are pre-releases; nothing if none may be chosen.
    fn lines_of(&self, group: VersionGroup) -> &'static [bool] {
        match group {
            VersionGroup::Finals if self.preferences.prereleases => &[false, true],
            VersionGroup::Finals => &[false],
            VersionGroup::Prereleases if self.preferences.prereleases => &[],
            VersionGroup::Prereleases => &[true],
            VersionGroup::Yanked if self.preferences.yanked => &[false, true],
            VersionGroup::Yanked => &[],
        }
    }

    /// Whether the version at a position of the index may be chosen, and belongs to `group`.
    fn is_in(&self, position: usize, group: VersionGroup) -> bool {
        let version = &self.candidates.versions()[position];
        // The cheap questions come first: most versions never get to the state, which is found out
        // when it is asked for.
        if group != VersionGroup::Yanked && group != self.group_of_usable(version)
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
/// As long as the versions of a project are not known to the solver, its sets have as many segments
/// as versions were tried. Both are walked in step: looking each version up in the segments took
/// most of the time of a long walk.
struct Descending<'a, 'r> {
    all: &'a [Version],
    positions: Range<usize>,
    /// The segments of final releases and of pre-releases that have not been passed, in ascending
    /// order.
    segments: [Vec<Segment<'a, 'r>>; 2],
}

/// The ends of a segment.
type Segment<'a, 'r> = (&'a Bound<&'r Version>, &'a Bound<&'r Version>);

impl<'a, 'r> Descending<'a, 'r> {
    fn new(all: &'a [Version], positions: Range<usize>, set: &'a SolverSet<'r>) -> Self {
        let segments = |prereleases| {
            if positions.is_empty() {
                Vec::new()
            } else {
                set.line(prereleases).iter().collect()
            }
        };
        Self {
            all,
            segments: [segments(false), segments(true)],
            positions,
        }
    }
}

impl Iterator for Descending<'_, '_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while let Some(position) = self.positions.next_back() {
            let version = &self.all[position];
            let segments = &mut self.segments[usize::from(version.is_prerelease())];
            let is_passed = |(first, _): &Segment<'_, '_>| match first {
                Bound::Included(first) => version < first,
                Bound::Excluded(first) => version <= first,
                Bound::Unbounded => false,
            };
            while segments.pop_if(|segment| is_passed(segment)).is_some() {}
            let is_in = |(_, last): &Segment<'_, '_>| ranges::is_below(version, **last);
            if segments.last().is_some_and(is_in) {
                return Some(position);
            }
        }
        None
    }
}

/// The positions between the first and the last version of a set, by what it has of final releases
/// (`false`) or pre-releases (`true`).
fn within(all: &[Version], set: &SolverSet<'_>, lines: &[bool]) -> Range<usize> {
    let ends = lines
        .iter()
        .filter_map(|line| set.line(*line).bounding_range());
    let positions =
        ends.map(|(first, last)| ranges::positions(all, (&first.cloned(), &last.cloned())));
    let hull =
        |one: Range<usize>, other: Range<usize>| one.start.min(other.start)..one.end.max(other.end);
    positions
        .filter(|positions| !positions.is_empty())
        .reduce(hull)
        .unwrap_or(0..0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use pubgrub::VersionSet;

    use super::super::ranges::VersionRanges;
    use super::super::solver_set::SolverVersion;
    use super::*;

    proptest! {
        #[test]
        fn a_set_is_walked_down_as_each_version_says_itself(
            segments in proptest::collection::vec(
                (0..40_u32, 0..40_u32, any::<bool>(), any::<bool>()), 0..6
            ),
            (start, end) in (0..30_usize, 0..30_usize),
        ) {
            // Every third one is a pre-release.
            let suffix = |number| if number % 3 == 0 { "rc1" } else { "" };
            let text = |number| format!("1.{number}{}", suffix(number));
            let version = |number: u32| Version::parse(&text(number)).expect("a version");
            let numbered: Vec<Version> = (0..=40).map(version).collect();
            let version = |number: u32| &numbered[number as usize];
            let all = &numbered[5..35];
            let mut set = SolverSet::empty();
            for (one, other, is_open, is_final) in segments {
                let (first, last) = (version(one.min(other)), version(one.max(other) + 1));
                let open = VersionRanges::strictly_higher_than(first);
                let open = open.intersection(&VersionRanges::strictly_lower_than(last));
                let between = VersionRanges::between(first, last);
                let added = SolverSet::of(if is_open { open } else { between });
                let line = SolverSet::singleton(SolverVersion::alone(first));
                set = set.union(if is_final { &added } else { &line });
            }
            let positions = start.min(end)..start.max(end);
            let walked: Vec<usize> = Descending::new(all, positions.clone(), &set).collect();
            let expected = positions.rev().filter(|at| set.has(&all[*at]));
            prop_assert_eq!(walked, expected.collect::<Vec<_>>());
        }
    }
}

//! The versions of one project that may be chosen, in the order of preference.
//!
//! Input: the [`Candidates`] and the preferences of the command. Output: for a set of versions, the
//! best one in it, and those that would be tried next. Invariant: which versions may be chosen
//! never changes during a search, since the solver remembers for good that a set has none.

use std::ops::Bound;
use std::sync::Arc;

use super::known::{CandidateVersion, Candidates};
use super::ranges::VersionRanges;
use crate::spec::version::Version;

/// The usable versions of a project, in groups: every version of a group is preferred to those of
/// the next one.
#[derive(Debug, Clone)]
pub(super) struct Versions {
    /// In ascending order within each group.
    groups: Vec<Vec<Version>>,
    /// All versions, usable or not, for explanations.
    pub(super) candidates: Arc<Candidates>,
}

/// What decides which versions may be chosen, and which are better.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Preferences {
    /// Whether pre-releases are as good as final releases.
    pub(super) prereleases: bool,
    /// Whether withdrawn versions may be chosen if nothing else fits.
    pub(super) yanked: bool,
}

impl Versions {
    /// Sorts the candidates, and the installed version, into groups.
    pub(super) fn new(
        candidates: Arc<Candidates>,
        installed: Option<&Version>,
        preferences: Preferences,
    ) -> Self {
        let (mut finals, mut prereleases, mut yanked) = (Vec::new(), Vec::new(), Vec::new());
        let usable = |candidate: &&CandidateVersion| candidate.rejection.is_none();
        for candidate in candidates.versions.iter().filter(usable) {
            let version = candidate.version.clone();
            if installed == Some(&version) {
                // It is added below, whatever the index says about it.
            } else if candidate.yanked.is_some() {
                yanked.push(version);
            } else if version.is_prerelease() && !preferences.prereleases {
                prereleases.push(version);
            } else {
                finals.push(version);
            }
        }
        if let Some(installed) = installed {
            let group = if installed.is_prerelease() && !preferences.prereleases {
                &mut prereleases
            } else {
                &mut finals
            };
            let place = group.partition_point(|version| version < installed);
            group.insert(place, installed.clone());
        }
        if !preferences.yanked {
            yanked.clear();
        }
        Self {
            groups: vec![finals, prereleases, yanked],
            candidates,
        }
    }

    /// The best version in `ranges`.
    pub(super) fn best(&self, ranges: &VersionRanges) -> Option<&Version> {
        let is_in = |version: &&Version| ranges.contains(*version);
        let mut groups = self.groups.iter();
        groups.find_map(|group| within(group, ranges).iter().rev().find(is_in))
    }

    /// The versions in `ranges`, the best one first.
    pub(super) fn in_order<'a>(
        &'a self,
        ranges: &'a VersionRanges,
    ) -> impl Iterator<Item = &'a Version> {
        self.groups
            .iter()
            .flat_map(|group| within(group, ranges).iter().rev())
            .filter(|version| ranges.contains(*version))
    }

    /// What the index says about a version.
    pub(super) fn candidate(&self, version: &Version) -> Option<&CandidateVersion> {
        let all = &self.candidates.versions;
        let found = all.binary_search_by(|candidate| candidate.version.cmp(version));
        found.ok().map(|at| &all[at])
    }
}

/// The part of a group between the first and the last version of `ranges`.
fn within<'a>(group: &'a [Version], ranges: &VersionRanges) -> &'a [Version] {
    let Some((first, last)) = ranges.bounding_range() else {
        return &[];
    };
    let from = match first {
        Bound::Included(first) => group.partition_point(|version| version < first),
        Bound::Excluded(first) => group.partition_point(|version| version <= first),
        Bound::Unbounded => 0,
    };
    let to = match last {
        Bound::Included(last) => group.partition_point(|version| version <= last),
        Bound::Excluded(last) => group.partition_point(|version| version < last),
        Bound::Unbounded => group.len(),
    };
    // The first is below the last, but in a group there may be nothing between them.
    group.get(from..to).unwrap_or_default()
}

//! Sets of versions as the solver calculates with them.
//!
//! Input: sets of requirements, and the versions of a project once they are known. Output:
//! [`SolverSet`] and [`SolverVersion`], the types that the crate `pubgrub` needs.
//!
//! A search takes one version after the other out of a set. On the line of all possible versions
//! each of them leaves a hole of its own, and a set with a thousand holes makes a long search slow.
//! Once the versions of a project are known, each stands for everything up to the next one, so that
//! holes which touch become one. The versions that exist are in the same sets as before, and others
//! are never chosen. Invariant: in one round all sets of a project are of the same kind.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Bound, Range};

use pubgrub::{Ranges, VersionSet};

use super::ranges::{self, VersionRanges};
use crate::spec::version::Version;

/// A set of versions of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SolverSet<'a>(pub(super) VersionRanges<'a>);

/// A version of one package, with the end of the set that stands for it alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct SolverVersion<'a> {
    pub(super) version: &'a Version,
    end: Bound<&'a Version>,
}

/// The versions of a project that are known, in ascending order. Each stands for everything up to
/// the next one, the last one for everything above it. What lies below the first is in no set of a
/// version, so that a set without any version is not empty: the solver has to find out.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownVersions<'a>(pub(super) &'a [Version]);

impl<'a> SolverVersion<'a> {
    /// A version of a project whose other versions are not known.
    pub(super) fn alone(version: &'a Version) -> Self {
        Self {
            version,
            end: Bound::Included(version),
        }
    }
}

impl<'a> KnownVersions<'a> {
    /// The version, if it is one of these.
    pub(super) fn find(self, version: &Version) -> Option<SolverVersion<'a>> {
        let position = self.0.binary_search(version).ok()?;
        Some(SolverVersion {
            version: &self.0[position],
            end: self.end(position + 1),
        })
    }

    /// The set that has the same of these versions as `ranges`.
    pub(super) fn set(self, ranges: &VersionRanges<'a>) -> SolverSet<'a> {
        if *ranges == Ranges::full() {
            return SolverSet(Ranges::full());
        }
        let segments = self.positions(ranges);
        let segments = segments.map(|positions| {
            (
                Bound::Included(&self.0[positions.start]),
                self.end(positions.end),
            )
        });
        let set: VersionRanges<'a> = segments.collect();
        if set.is_empty()
            && !ranges.is_empty()
            && let Some(first) = self.0.first()
        {
            return SolverSet(Ranges::strictly_lower_than(first));
        }
        SolverSet(set)
    }

    /// Whether at most one of these versions is in the set, maybe with its local versions.
    pub(super) fn has_one_in(self, set: &SolverSet<'a>) -> bool {
        let mut segments = self.positions(&set.0);
        let Some(positions) = segments.next() else {
            return true;
        };
        if segments.next().is_some() {
            return false;
        }
        let (_, last_local) = self.0[positions.start].interval();
        ranges::is_below(&self.0[positions.end - 1], last_local.as_ref())
    }

    /// The positions of the versions in a set, without segments that have none.
    fn positions(self, ranges: &VersionRanges<'a>) -> impl Iterator<Item = Range<usize>> {
        let segments = ranges.iter();
        let positions = segments.map(move |segment| ranges::positions(self.0, segment));
        positions.filter(|positions| !positions.is_empty())
    }

    /// The end of the set of all versions before a position.
    fn end(self, position: usize) -> Bound<&'a Version> {
        self.0
            .get(position)
            .map_or(Bound::Unbounded, Bound::Excluded)
    }
}

impl<'a> VersionSet for SolverSet<'a> {
    type V = SolverVersion<'a>;

    fn empty() -> Self {
        Self(Ranges::empty())
    }

    fn full() -> Self {
        Self(Ranges::full())
    }

    fn singleton(version: SolverVersion<'a>) -> Self {
        let bounds = (Bound::Included(version.version), version.end);
        Self(Ranges::from_range_bounds::<_, &Version>(bounds))
    }

    fn complement(&self) -> Self {
        Self(self.0.complement())
    }

    fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0))
    }

    fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0))
    }

    fn contains(&self, version: &SolverVersion<'a>) -> bool {
        self.0.contains(version.version)
    }

    fn is_disjoint(&self, other: &Self) -> bool {
        self.0.is_disjoint(&other.0)
    }

    fn subset_of(&self, other: &Self) -> bool {
        self.0.subset_of(&other.0)
    }
}

/// The version decides: in one round its set is always the same.
impl PartialEq for SolverVersion<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version
    }
}

impl Eq for SolverVersion<'_> {}

impl PartialOrd for SolverVersion<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SolverVersion<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.version.cmp(other.version)
    }
}

/// Only the solver's own log shows it.
impl fmt::Display for SolverVersion<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.version.fmt(f)
    }
}

/// Only the solver's own log shows it.
impl fmt::Display for SolverSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ranges::{VersionArena, of_specifiers};
    use super::*;
    use crate::spec::version::Specifiers;

    fn versions(texts: &[&str]) -> Vec<Version> {
        let versions = texts.iter().map(|text| Version::parse(text).expect(text));
        versions.collect()
    }

    /// The set of a requirement, over the versions of these texts.
    fn with_set<T>(
        known: &[&str],
        specifiers: &str,
        look: impl for<'a> FnOnce(KnownVersions<'a>, SolverSet<'a>) -> T,
    ) -> T {
        let (arena, known) = (VersionArena::new(), versions(known));
        let specifiers = Specifiers::parse(specifiers).expect(specifiers);
        let ranges = of_specifiers(&specifiers, &arena);
        look(KnownVersions(&known), KnownVersions(&known).set(&ranges))
    }

    #[test]
    fn versions_that_touch_leave_one_hole() {
        let all = versions(&["1", "2", "3rc1", "3", "4"]);
        let known = KnownVersions(&all);
        let mut set = SolverSet::full();
        for version in &all[1..4] {
            let version = known.find(version).expect("a version");
            set = set.intersection(&SolverSet::singleton(version).complement());
        }
        assert_eq!(set.0.iter().count(), 2, "{set}");
        let kept: Vec<bool> = all.iter().map(|version| set.0.contains(version)).collect();
        assert_eq!(kept, [true, false, false, false, true]);
    }

    #[test]
    fn a_requirement_without_any_version_is_not_empty() {
        for none in [">=9", "<0.5", "==1.5", ">1,<2"] {
            with_set(&["1", "2", "3"], none, |known, set| {
                assert!(!set.0.is_empty(), "{none}");
                assert!(
                    known.0.iter().all(|version| !set.0.contains(version)),
                    "{none}"
                );
                for version in known.0 {
                    let version = known.find(version).expect("a version");
                    assert!(set.is_disjoint(&SolverSet::singleton(version)), "{none}");
                }
            });
        }
        with_set(&["1"], ">2,<1", |_, set| {
            assert_eq!(set, SolverSet::empty())
        });
    }

    #[test]
    fn one_version_with_its_local_ones_is_a_pin() {
        let known = ["1.0", "1.0+cpu", "1.0+cu12", "1.1", "2.0"];
        for pin in ["==1.0", ">1.0.1,<2", ">=2", "==1.0+cpu", ">=9"] {
            assert!(
                with_set(&known, pin, |known, set| known.has_one_in(&set)),
                "{pin}"
            );
        }
        for wide in ["", ">=1.1", "<2", "!=1.1"] {
            assert!(
                !with_set(&known, wide, |known, set| known.has_one_in(&set)),
                "{wide}"
            );
        }
    }

    proptest! {
        #[test]
        fn sets_have_the_versions_that_the_requirements_contain(
            known in proptest::collection::btree_set(0..20_u32, 1..12),
            clauses in proptest::collection::vec(("(==|!=|<=|>=|<|>)", 0..20_u32), 0..4),
        ) {
            let known: Vec<String> = known.iter().map(u32::to_string).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let clauses = clauses.iter().map(|(operator, number)| format!("{operator}{number}"));
            let text = clauses.collect::<Vec<_>>().join(",");
            let specifiers = Specifiers::parse(&text).expect("specifiers");
            with_set(&known, &text, |known, set| {
                for version in known.0 {
                    let alone = SolverSet::singleton(known.find(version).expect("a version"));
                    let is_in = specifiers.contains(version);
                    prop_assert_eq!(set.0.contains(version), is_in, "{} in {}", version, text);
                    prop_assert_eq!(alone.subset_of(&set), is_in, "{} in {}", version, text);
                    prop_assert_eq!(alone.is_disjoint(&set), !is_in, "{} in {}", version, text);
                }
                Ok(())
            })?;
        }
    }
}

//! Sets of versions as the solver calculates with them.
//!
//! Input: sets of requirements, and the versions of a project once they are known. Output:
//! [`SolverSet`] and [`SolverVersion`], the types that the crate `pubgrub` needs.
//!
//! A search takes one version after the other out of a set. On the line of all possible versions
//! each of them leaves a hole of its own, and a set with a thousand holes makes a long search slow.
//! Once the versions of a project are known, each stands for everything up to the next one, so that
//! holes which touch become one. Final releases and pre-releases are on lines of their own: a
//! search takes the final ones first, and would leave those between them behind. The versions that
//! exist are in the same sets as before, and others are never chosen. Invariant: in one round all
//! sets of a project are of the same kind.

use std::cmp::Ordering;
use std::fmt;
use std::ops::{Bound, Range};

use pubgrub::{Ranges, VersionSet};

use super::known::VersionFilter;
use super::ranges::{self, VersionRanges};
use crate::spec::version::Version;

/// A set of versions of one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SolverSet<'a> {
    finals: VersionRanges<'a>,
    prereleases: VersionRanges<'a>,
}

/// A version of one package, with the end of the set that stands for it alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct SolverVersion<'a> {
    pub(super) version: &'a Version,
    end: Bound<&'a Version>,
}

/// The versions of a project that are known, each line in ascending order. Each version stands for
/// everything up to the next one of its line, the last one for everything above it. What lies below
/// the first is in no set of a version, so that a set without any version is not empty: the solver
/// has to find out.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownVersions<'a> {
    finals: KnownLine<'a>,
    prereleases: KnownLine<'a>,
}

#[derive(Debug, Clone, Copy)]
struct KnownLine<'a>(&'a [Version]);

impl<'a> SolverVersion<'a> {
    /// A version of a project whose other versions are not known.
    pub(super) fn alone(version: &'a Version) -> Self {
        Self {
            version,
            end: Bound::Included(version),
        }
    }
}

impl<'a> SolverSet<'a> {
    /// The set of a requirement for a project whose versions are not known.
    pub(super) fn of(ranges: VersionRanges<'a>) -> Self {
        Self {
            prereleases: ranges.clone(),
            finals: ranges,
        }
    }

    /// Whether a version is in the set.
    pub(super) fn has(&self, version: &Version) -> bool {
        self.line(version.is_prerelease()).contains(version)
    }

    /// The set on the line of final releases or on that of pre-releases.
    pub(super) fn line(&self, prereleases: bool) -> &VersionRanges<'a> {
        if prereleases {
            &self.prereleases
        } else {
            &self.finals
        }
    }

    /// Whether the set holds one public version at most, maybe with its local versions. The other
    /// versions of the project are not known.
    pub(super) fn is_pin(&self) -> bool {
        let is_one_line = self.finals.is_empty() || self.prereleases.is_empty();
        (is_one_line || self.finals == self.prereleases)
            && ranges::is_pin(&self.finals)
            && ranges::is_pin(&self.prereleases)
    }

    /// Whether a version is in the set, for another thread.
    pub(super) fn filter(&self) -> VersionFilter {
        let finals = ranges::owned(&self.finals);
        let prereleases = ranges::owned(&self.prereleases);
        Box::new(move |version| {
            let line = if version.is_prerelease() {
                &prereleases
            } else {
                &finals
            };
            line.contains(version)
        })
    }

    /// The same operation on both lines.
    fn zip(
        &self,
        other: &Self,
        join: impl Fn(&VersionRanges<'a>, &VersionRanges<'a>) -> VersionRanges<'a>,
    ) -> Self {
        Self {
            finals: join(&self.finals, &other.finals),
            prereleases: join(&self.prereleases, &other.prereleases),
        }
    }
}

impl<'a> KnownVersions<'a> {
    /// The final releases and the pre-releases of a project, each in ascending order.
    pub(super) fn new(finals: &'a [Version], prereleases: &'a [Version]) -> Self {
        Self {
            finals: KnownLine(finals),
            prereleases: KnownLine(prereleases),
        }
    }

    /// The version, if it is one of these.
    pub(super) fn find(self, version: &Version) -> Option<SolverVersion<'a>> {
        let line = if version.is_prerelease() {
            self.prereleases
        } else {
            self.finals
        };
        let position = line.0.binary_search(version).ok()?;
        Some(SolverVersion {
            version: &line.0[position],
            end: line.end(position + 1),
        })
    }

    /// The set that has the same of these versions as `ranges`.
    pub(super) fn set(self, ranges: VersionRanges<'a>) -> SolverSet<'a> {
        if ranges.is_empty() || ranges == Ranges::full() {
            return SolverSet::of(ranges);
        }
        let mut set = SolverSet {
            finals: self.finals.set(&ranges),
            prereleases: self.prereleases.set(&ranges),
        };
        if set == SolverSet::empty() {
            let first = self.finals.0.first();
            set.finals = first.map_or_else(Ranges::full, Ranges::strictly_lower_than);
        }
        set
    }

    /// Whether at most one of these versions is in the set, maybe with its local versions.
    pub(super) fn has_one_in(self, set: &SolverSet<'a>) -> bool {
        let finals = self.finals.spans(&set.finals);
        let mut spans = finals.chain(self.prereleases.spans(&set.prereleases));
        let Some((first, last)) = spans.next() else {
            return true;
        };
        let (_, last_local) = first.interval();
        spans.next().is_none() && ranges::is_below(last, last_local.as_ref())
    }
}

impl<'a> KnownLine<'a> {
    fn set(self, ranges: &VersionRanges<'a>) -> VersionRanges<'a> {
        let segments = self.positions(ranges);
        let segments = segments.map(|positions| {
            let first = Bound::Included(&self.0[positions.start]);
            (first, self.end(positions.end))
        });
        segments.collect()
    }

    /// The first and the last version of each segment.
    fn spans(self, ranges: &VersionRanges<'a>) -> impl Iterator<Item = (&'a Version, &'a Version)> {
        let positions = self.positions(ranges);
        positions.map(move |positions| (&self.0[positions.start], &self.0[positions.end - 1]))
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
        Self::of(Ranges::empty())
    }

    fn full() -> Self {
        Self::of(Ranges::full())
    }

    fn singleton(version: SolverVersion<'a>) -> Self {
        let bounds = (Bound::Included(version.version), version.end);
        let alone = Ranges::from_range_bounds::<_, &Version>(bounds);
        let (finals, prereleases) = if version.version.is_prerelease() {
            (Ranges::empty(), alone)
        } else {
            (alone, Ranges::empty())
        };
        Self {
            finals,
            prereleases,
        }
    }

    fn complement(&self) -> Self {
        Self {
            finals: self.finals.complement(),
            prereleases: self.prereleases.complement(),
        }
    }

    fn intersection(&self, other: &Self) -> Self {
        self.zip(other, Ranges::intersection)
    }

    fn union(&self, other: &Self) -> Self {
        self.zip(other, Ranges::union)
    }

    fn contains(&self, version: &SolverVersion<'a>) -> bool {
        self.has(version.version)
    }

    fn is_disjoint(&self, other: &Self) -> bool {
        self.finals.is_disjoint(&other.finals) && self.prereleases.is_disjoint(&other.prereleases)
    }

    fn subset_of(&self, other: &Self) -> bool {
        self.finals.subset_of(&other.finals) && self.prereleases.subset_of(&other.prereleases)
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
        write!(
            f,
            "{} and of pre-releases {}",
            self.finals, self.prereleases
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::ranges::{VersionArena, of_specifiers};
    use super::*;
    use crate::spec::version::Specifiers;

    /// The versions of these texts, and the set of a requirement over them.
    fn with_set<T>(
        texts: &[&str],
        specifiers: &str,
        look: impl for<'a> FnOnce(&[Version], KnownVersions<'a>, SolverSet<'a>) -> T,
    ) -> T {
        let arena = VersionArena::new();
        let versions = texts.iter().map(|text| Version::parse(text).expect(text));
        let versions: Vec<Version> = versions.collect();
        let (prereleases, finals): (Vec<Version>, Vec<Version>) =
            versions.iter().cloned().partition(Version::is_prerelease);
        let known = KnownVersions::new(&finals, &prereleases);
        let specifiers = Specifiers::parse(specifiers).expect(specifiers);
        let ranges = of_specifiers(&specifiers, &arena);
        look(&versions, known, known.set(ranges))
    }

    #[test]
    fn versions_that_touch_leave_one_hole_on_each_line() {
        let all = ["1", "2rc1", "2", "3rc1", "3", "4rc1", "4", "5"];
        with_set(&all, "", |all, known, mut set| {
            let (first, rest) = all.split_first().expect("versions");
            let (last, taken) = rest.split_last().expect("versions");
            for version in taken {
                let version = known.find(version).expect("a version");
                set = set.intersection(&SolverSet::singleton(version).complement());
            }
            assert_eq!(set.finals.iter().count(), 2, "{set}");
            assert_eq!(set.prereleases.iter().count(), 1, "{set}");
            assert!(!taken.iter().any(|version| set.has(version)));
            assert!(set.has(first) && set.has(last));
        });
    }

    #[test]
    fn a_requirement_without_any_version_is_not_empty() {
        for known in [&["1", "2", "3"][..], &["1rc1", "2rc1"], &["1", "2rc1", "3"]] {
            for none in [">=9", "<0.5", "==1.5", ">1,<1.5"] {
                with_set(known, none, |all, known, set| {
                    assert_ne!(set, SolverSet::empty(), "{none}");
                    for version in all {
                        assert!(!set.has(version), "{none}");
                        let version = known.find(version).expect("a version");
                        assert!(set.is_disjoint(&SolverSet::singleton(version)), "{none}");
                    }
                });
            }
        }
        with_set(&["1"], ">2,<1", |_, _, set| {
            assert_eq!(set, SolverSet::empty());
        });
    }

    #[test]
    fn one_version_with_its_local_ones_is_a_pin() {
        let known = ["1.0", "1.0+cpu", "1.0+cu12", "1.1rc1", "1.1", "2.0"];
        for pin in ["==1.0", ">1.1,<=2", ">=2", "==1.0+cpu", ">=9", "==1.1rc1"] {
            let has_one = with_set(&known, pin, |_, known, set| known.has_one_in(&set));
            assert!(has_one, "{pin}");
        }
        for wide in ["", ">=1.1", "<2", "!=1.1", "<=1.1,>=1.1rc1"] {
            let has_one = with_set(&known, wide, |_, known, set| known.has_one_in(&set));
            assert!(!has_one, "{wide}");
        }
    }

    proptest! {
        #[test]
        fn sets_have_the_versions_that_the_requirements_contain(
            known in proptest::collection::btree_set((0..12_u32, any::<bool>()), 1..12),
            clauses in proptest::collection::vec(("(==|!=|<=|>=|<|>)", 0..12_u32), 0..4),
        ) {
            let text = |(number, is_final): &(u32, bool)| {
                format!("{number}{}", if *is_final { "" } else { "rc1" })
            };
            let known: Vec<String> = known.iter().map(text).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let clauses = clauses.iter().map(|(operator, number)| format!("{operator}{number}"));
            let text = clauses.collect::<Vec<_>>().join(",");
            let specifiers = Specifiers::parse(&text).expect("specifiers");
            with_set(&known, &text, |all, known, set| {
                for version in all {
                    let alone = SolverSet::singleton(known.find(version).expect("a version"));
                    let is_in = specifiers.contains(version);
                    prop_assert_eq!(set.has(version), is_in, "{} in {}", version, text);
                    prop_assert_eq!(set.filter()(version), is_in, "{} in {}", version, text);
                    prop_assert_eq!(alone.subset_of(&set), is_in, "{} in {}", version, text);
                    prop_assert_eq!(alone.is_disjoint(&set), !is_in, "{} in {}", version, text);
                }
                Ok(())
            })?;
        }
    }
}

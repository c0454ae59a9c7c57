//! Specifiers as sets that can be intersected and compared.
//!
//! Input: [`Specifiers`]. Output: [`Ranges`] of the same versions. The rules of each clause are
//! those of [`Specifiers::intervals`].

use std::ops::{Bound, Range};

use pubgrub::Ranges;
use typed_arena::Arena;

use crate::spec::version::{Specifiers, Version};

/// The versions that sets name, which live as long as the search. A long search copies its sets all
/// the time, so their ends have to cost nothing.
pub(super) type VersionArena = Arena<Version>;

/// A set of versions.
pub(super) type VersionRanges<'a> = Ranges<&'a Version>;

/// The versions that satisfy every clause.
pub(super) fn of_specifiers<'a>(
    specifiers: &Specifiers,
    arena: &'a VersionArena,
) -> VersionRanges<'a> {
    let keep = |end: Bound<Version>| end.map(|version| &*arena.alloc(version));
    let clauses = specifiers.intervals();
    let clauses = clauses.map(|intervals| {
        let intervals = intervals.into_iter();
        let intervals = intervals.map(|(first, last)| (keep(first), keep(last)));
        intervals.collect::<VersionRanges<'a>>()
    });
    clauses.fold(Ranges::full(), |all, clause| all.intersection(&clause))
}

/// The same set, for another thread.
pub(super) fn owned(ranges: &VersionRanges<'_>) -> Ranges<Version> {
    let segments = ranges.iter();
    let segments = segments.map(|(first, last)| (first.cloned(), last.cloned()));
    segments.collect()
}

/// Whether the set holds one public version at most, maybe with its local versions.
pub(super) fn is_pin(ranges: &VersionRanges<'_>) -> bool {
    let mut segments = ranges.iter();
    let (Some((first, last)), None) = (segments.next(), segments.next()) else {
        return ranges.is_empty();
    };
    let Bound::Included(version) = first else {
        return false;
    };
    let (_, last_local) = version.interval();
    *last == *first || *last == last_local.as_ref()
}

/// The positions of the versions between two ends.
pub(super) fn positions(
    all: &[Version],
    (first, last): (&Bound<&Version>, &Bound<&Version>),
) -> Range<usize> {
    let from = match first {
        Bound::Included(first) => all.partition_point(|version| version < *first),
        Bound::Excluded(first) => all.partition_point(|version| version <= *first),
        Bound::Unbounded => 0,
    };
    let to = all.partition_point(|version| is_below(version, *last));
    // The first is below the last, but there may be no version between them.
    from..to.max(from)
}

/// Whether a version is not above the end of a set.
pub(super) fn is_below(version: &Version, last: Bound<&Version>) -> bool {
    match last {
        Bound::Included(last) => version <= last,
        Bound::Excluded(last) => version < last,
        Bound::Unbounded => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges<'a>(text: &str, arena: &'a VersionArena) -> VersionRanges<'a> {
        of_specifiers(&Specifiers::parse(text).expect(text), arena)
    }

    fn version(text: &str) -> Version {
        Version::parse(text).expect("a version")
    }

    #[test]
    fn a_pin_is_one_version_with_its_local_ones() {
        let arena = VersionArena::new();
        for pin in [
            "==1.0",
            "===1.0",
            "==1.0+l",
            "==1.0.dev2",
            "<=1.0,>=1.0",
            "==1.0,==2",
        ] {
            assert!(is_pin(&ranges(pin, &arena)), "{pin}");
        }
        for wide in [
            "",
            ">=1.0",
            "==1.0.*",
            "!=1.0",
            "<1.0",
            ">=1.0,<1.1",
            "~=1.0",
        ] {
            assert!(!is_pin(&ranges(wide, &arena)), "{wide}");
        }
    }

    #[test]
    fn the_set_of_an_impossible_requirement_is_empty() {
        let arena = VersionArena::new();
        for none in [
            ">2,<1",
            "==1.0,==2.0",
            "<1.0,>1.0",
            ">=1.0,<1.0",
            "==1.0,!=1.0",
        ] {
            assert!(ranges(none, &arena).is_empty(), "{none}");
        }
        assert_eq!(ranges("", &arena), Ranges::full());
        assert!(!ranges("<1.1,>1.0", &arena).is_empty());
    }

    fn versions() -> impl Strategy<Value = String> {
        "(1!)?[0-2](\\.[0-2]){0,2}((a|b|rc)[01])?(\\.post[01])?(\\.dev[01])?(\\+[ab])?"
    }

    fn clauses() -> impl Strategy<Value = String> {
        let clause = ("(==|!=|<=|>=|<|>|~=)", versions(), "(\\.\\*)?");
        let clause =
            clause.prop_map(|(operator, version, star)| format!("{operator}{version}{star}"));
        prop::collection::vec(clause, 0..4).prop_map(|clauses| clauses.join(","))
    }

    proptest! {
        #[test]
        fn sets_hold_what_specifiers_contain(text in clauses(), found in versions()) {
            if let Some(specifiers) = Specifiers::parse(&text) {
                let arena = VersionArena::new();
                let (set, found) = (of_specifiers(&specifiers, &arena), version(&found));
                let outside = set.complement();
                let is_in = specifiers.contains(&found);
                prop_assert_eq!(set.contains(&found), is_in, "{:?} in {}", found, text);
                prop_assert_eq!(outside.contains(&found), !is_in, "{:?} in {}", found, text);
                prop_assert_eq!(owned(&set).contains(&found), is_in, "{:?} in {}", found, text);
            }
        }
    }
}

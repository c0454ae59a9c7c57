//! Specifiers as sets that can be intersected and compared.
//!
//! Input: [`Specifiers`]. Output: [`Ranges`] of the same versions. The rules of each clause are
//! those of [`Specifiers::intervals`].

use pubgrub::Ranges;

use crate::spec::version::{Specifiers, Version};

/// A set of versions.
pub(super) type VersionRanges = Ranges<Version>;

/// The versions that satisfy every clause.
pub(super) fn of_specifiers(specifiers: &Specifiers) -> VersionRanges {
    let clauses = specifiers.intervals();
    let clauses = clauses.map(|intervals| intervals.into_iter().collect::<VersionRanges>());
    clauses.fold(Ranges::full(), |all, clause| all.intersection(&clause))
}

/// Whether the set holds one public version at most, maybe with its local versions.
pub(super) fn is_pin(ranges: &VersionRanges) -> bool {
    let mut segments = ranges.iter();
    let (Some((first, last)), None) = (segments.next(), segments.next()) else {
        return ranges.is_empty();
    };
    let std::ops::Bound::Included(version) = first else {
        return false;
    };
    let single = [version.interval(), (first.clone(), first.clone())];
    single.iter().any(|(_, end)| end == last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges(text: &str) -> VersionRanges {
        of_specifiers(&Specifiers::parse(text).expect(text))
    }

    fn version(text: &str) -> Version {
        Version::parse(text).expect("a version")
    }

    #[test]
    fn a_pin_is_one_version_with_its_local_ones() {
        for pin in [
            "==1.0",
            "===1.0",
            "==1.0+l",
            "==1.0.dev2",
            "<=1.0,>=1.0",
            "==1.0,==2",
        ] {
            assert!(is_pin(&ranges(pin)), "{pin}");
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
            assert!(!is_pin(&ranges(wide)), "{wide}");
        }
    }

    #[test]
    fn the_set_of_an_impossible_requirement_is_empty() {
        for none in [
            ">2,<1",
            "==1.0,==2.0",
            "<1.0,>1.0",
            ">=1.0,<1.0",
            "==1.0,!=1.0",
        ] {
            assert!(ranges(none).is_empty(), "{none}");
        }
        assert_eq!(ranges(""), Ranges::full());
        assert!(!ranges("<1.1,>1.0").is_empty());
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
                let (set, found) = (of_specifiers(&specifiers), version(&found));
                let outside = set.complement();
                let is_in = specifiers.contains(&found);
                prop_assert_eq!(set.contains(&found), is_in, "{:?} in {}", found, text);
                prop_assert_eq!(outside.contains(&found), !is_in, "{:?} in {}", found, text);
            }
        }
    }
}

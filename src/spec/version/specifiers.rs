//! Sets of versions, as requirements and `Requires-Python` state them.
//!
//! Input: text. Output: [`Specifiers`], or `None`. Limits: `===` is read only with a valid version.

use std::fmt;
use std::ops::RangeBounds as _;
use std::str::FromStr as _;

use pep440_rs::{Operator, VersionSpecifier};

use super::Version;
use super::intervals::{self, Interval};

/// A set of versions, as `Requires-Python` states it ("Version specifiers").
#[derive(Clone, PartialEq, Eq)]
pub struct Specifiers {
    raw: Box<str>,
    clauses: Vec<VersionSpecifier>,
}

impl Specifiers {
    /// Reads clauses separated by commas. Empty clauses (`>=2.7,`) mean nothing, and no clause at
    /// all is every version, as for Python's `packaging`. `None` if a clause is not valid, such as
    /// the legacy `>=3.6.*`.
    pub fn parse(text: &str) -> Option<Self> {
        let clauses: Option<Vec<_>> = text
            .split(',')
            .map(str::trim)
            .filter(|clause| !clause.is_empty())
            .map(|clause| VersionSpecifier::from_str(clause).ok())
            .collect();
        Some(Self {
            raw: text.trim().into(),
            clauses: clauses?,
        })
    }

    /// Whether `version` satisfies every clause. Pre-releases do, as in `packaging`'s
    /// `SpecifierSet.contains(version, prereleases=True)`; but `<3.14` still excludes `3.14.0rc1`.
    /// If a pre-release of an interpreter shall count as the release, pass the release alone.
    pub fn contains(&self, version: &Version) -> bool {
        self.clauses.iter().all(|clause| allows(clause, version))
    }

    /// The versions that each clause allows; a version satisfies all clauses if it is in an
    /// interval of each. Other than for [`contains`](Self::contains), `===1.0` allows `1.0.0`.
    pub(crate) fn intervals(&self) -> impl Iterator<Item = Vec<Interval>> {
        self.clauses.iter().map(intervals::of_clause)
    }

    /// The clauses as they were written.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// Whether there is no clause, so that every version satisfies it.
    pub(crate) fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    /// Whether a clause pins one version: `==` without `.*`, or `===`.
    #[allow(deprecated, reason = "the crate warns about `===`, but users write it")]
    pub(crate) fn pins(&self) -> bool {
        let pin = |clause: &VersionSpecifier| {
            matches!(clause.operator(), Operator::Equal | Operator::ExactEqual)
        };
        self.clauses.iter().any(pin)
    }
}

/// Whether one clause allows `version`.
#[allow(deprecated, reason = "the crate warns about `===`, but users write it")]
fn allows(clause: &VersionSpecifier, version: &Version) -> bool {
    // It compares texts, so that local labels and trailing zeros count.
    if matches!(clause.operator(), Operator::ExactEqual) {
        return clause.version().to_string() == version.to_string();
    }
    let intervals = intervals::of_clause(clause);
    intervals.iter().any(|interval| interval.contains(version))
}
/// The clauses as they were written.
impl fmt::Display for Specifiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.raw)
    }
}

impl fmt::Debug for Specifiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.raw, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).expect("a version")
    }

    /// The answers of `packaging` 26.4.
    #[test]
    fn c13_requires_python_is_read_as_packaging_reads_it() {
        for (specifiers, python, contained) in [
            (">=3.8", "3.14.0rc1", true),
            (">=3.14", "3.14.0rc1", false),
            ("<3.14", "3.14.0rc1", false),
            ("<3.14rc2", "3.14.0rc1", true),
            ("<=3.14", "3.14.0rc1", true),
            (">=2.7, !=3.0.*, !=3.1.*,<4", "3.11.7", true),
            ("!=3.8.*", "3.8.1", false),
            ("!=3.8.*", "3", true),
            ("==3.8.*", "3", false),
            ("~=3.8", "3.11.7", true),
            ("~=3.8.0", "3.11.7", false),
            ("~=3.8.0", "3", false),
            (">3.8", "3.8.1", true),
            (">3.8", "3.8.0.post1", false),
            (">=2.7,", "3.11", true),
            ("", "3.11", true),
            ("===3.11.7", "3.11.7", true),
            ("===3.11", "3.11.0", false),
            ("<4", "3.11.7+debian", true),
        ] {
            let parsed = Specifiers::parse(specifiers).expect(specifiers);
            assert_eq!(
                parsed.contains(&version(python)),
                contained,
                "{python} in {specifiers}"
            );
            assert_eq!(parsed.to_string(), specifiers);
        }
        for text in [
            ">=3.6.*",
            "3.6",
            ">=",
            "~=3",
            ">=3.6 <4",
            "python>=3",
            "=>3.6",
            ">=3.8+local",
        ] {
            assert_eq!(Specifiers::parse(text), None, "{text}");
        }
    }

    /// The answers of `packaging` 26.4.
    #[test]
    fn clauses_about_pre_post_and_local_releases_are_read_as_packaging_reads_them() {
        for (specifiers, inside, outside) in [
            (
                "<1.0.post1",
                "1.0rc1 1.0 1.0+l 1.0.post0.dev1 1.0.post0+l",
                "1.0.post1.dev0",
            ),
            (">1.0", "1.0.1.dev0", "1.0.post1 1.0+l 1.0.post1.dev2"),
            (">1.0a1", "1.0a2 1.0 1.0.post1 1.0+l", "1.0a1+l 1.0a1.post1"),
            (
                ">1.0.post1",
                "1.0.post2.dev0 1.0.post2+l 1.1",
                "1.0.post1+l",
            ),
            (">1.0.dev3", "1.0.dev4 1.0 1.0.post1 1.0+l", "1.0.dev3+l"),
            (
                ">1.0.post1.dev2",
                "1.0.post1.dev3 1.0.post1+l",
                "1.0.post1.dev2+l",
            ),
            ("<1.0a2", "1.0a1 1.0a2.dev0 1.0.dev0 1.0a1.post3", "1.0a2"),
            ("<1.0.dev3", "1.0.dev2+l 0.9.post1", "1.0.dev3"),
            ("<=1.0", "1.0+l 1.0rc1", "1.0.post0.dev0"),
            ("==1.0", "1.0+l 1.0.0", "1.0.post1"),
            ("==1.0+l", "1.0+L", "1.0 1.0+l.1"),
            ("!=1.0+l", "1.0 1.0+l.1", "1.0.0+l"),
            ("!=1.0", "1.0.post1", "1.0+l"),
            (
                "==1.0.*",
                "1 1.0.dev1 1.0a1 1.0.post5 1.0.9+x",
                "1.1.dev0 1!1.0",
            ),
            ("!=1.0.*", "1.1.dev0 0.9 1!1.0", "1.0a1 1"),
            ("~=1.0rc1", "1.0rc1+x 1.9", "1.0.dev0 1.0a1 2.0.dev0"),
            ("~=1.0.post1", "1.0.post1 1.5", "1.0 2.dev0"),
            ("==1.0.dev3", "1.0.dev3+x", "1.0.dev4"),
            (
                "==1.0.dev18446744073709551615",
                "1.0.dev18446744073709551615",
                "1.0a1",
            ),
            ("==18446744073709551615.*", "18446744073709551615.1", "7"),
        ] {
            let parsed = Specifiers::parse(specifiers).expect(specifiers);
            for text in inside.split(' ') {
                assert!(parsed.contains(&version(text)), "{text} in {specifiers}");
            }
            for text in outside.split(' ') {
                assert!(!parsed.contains(&version(text)), "{text} in {specifiers}");
            }
        }
    }

    fn versions() -> impl Strategy<Value = String> {
        "(1!)?[0-2](\\.[0-2]){0,2}((a|b|rc)[01])?(\\.post[01])?(\\.dev[01])?"
    }

    proptest! {
        /// The crate's own rules differ in corners of `<` and `>`, so only the others are compared.
        #[test]
        fn intervals_agree_with_the_crates_own_rules(
            operator in "(==|!=|<=|>=|~=)",
            bound in versions(),
            found in versions(),
            local in "(\\+[ab])?",
        ) {
            let clause = format!("{operator}{bound}");
            let found = version(&format!("{found}{local}"));
            if let Some(parsed) = Specifiers::parse(&clause) {
                let mut release = found.parsed().release().to_vec();
                release.resize(8, 0);
                let padded = found.parsed().clone().with_release(release);
                let theirs = parsed.clauses[0].contains(&padded);
                prop_assert_eq!(parsed.contains(&found), theirs, "{:?} in {}", found, clause);
            }
        }
    }
}

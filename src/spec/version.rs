//! Versions and the sets of versions that a project supports.
//!
//! Input: text. Output: a [`Version`] or [`Specifiers`], or `None`. Both keep their text, for
//! messages and for the file names that were built from it. Limits: numbers of at most 64 bits.
//! Only this file names the crate `pep440_rs`.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr as _;

use pep440_rs::{Operator, VersionSpecifier};

/// How many numbers of a release are compared with a pattern such as `==3.8.*`. No pattern in use
/// is longer.
const RELEASE_LENGTH: usize = 8;

/// A version ("Version specifiers").
///
/// Equal, ordered and hashed by the specification's rules: `1.0` is `1.0.0`.
#[derive(Clone)]
pub struct Version {
    raw: Box<str>,
    parsed: pep440_rs::Version,
}

impl Version {
    /// Reads a version in any spelling that the specification normalizes.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed = pep440_rs::Version::from_str(text).ok()?;
        Some(Self {
            raw: text.into(),
            parsed,
        })
    }

    /// The version as it was written.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The canonical version with `_` for `-`, as file names of wheels and dist-info directories
    /// have it ("Binary distribution format", "Escaping and Unicode"; "Recording installed
    /// projects", "The .dist-info directory").
    pub fn escaped(&self) -> String {
        self.to_string().replace('-', "_")
    }

    /// Whether the version of a wheel, this one, satisfies a request for `wanted`: they are equal,
    /// or differ only in a local label that `wanted` does not have ("Version specifiers", "Version
    /// matching"). `1.0+cu121` matches `1.0`, but not the other way round.
    pub fn matches(&self, wanted: &Self) -> bool {
        self == wanted || self.without_local() == *wanted
    }

    /// The same version without its local label: `1.0` for `1.0+cu121` ("Version specifiers",
    /// "Local version identifiers"). Its raw text is the canonical one.
    #[must_use]
    pub fn without_local(&self) -> Self {
        let parsed = self.parsed.clone().without_local();
        Self {
            raw: parsed.to_string().into(),
            parsed,
        }
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.parsed == other.parsed
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parsed.cmp(&other.parsed)
    }
}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parsed.hash(state);
    }
}

/// The canonical form.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.parsed, f)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.raw, f)
    }
}

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
        self.clauses
            .iter()
            .all(|clause| allows(clause, &version.parsed))
    }
}

/// Whether one clause allows `version`.
fn allows(clause: &VersionSpecifier, version: &pep440_rs::Version) -> bool {
    let bound = clause.version();
    match clause.operator() {
        // In the crate a pre-release never satisfies `<` with the same release. By the
        // specification it can, if the bound itself is a pre-release: 3.14rc1 is in `<3.14rc2`.
        Operator::LessThan if bound.any_prerelease() => version.clone().without_local() < *bound,
        Operator::EqualStar | Operator::NotEqualStar | Operator::TildeEqual => {
            clause.contains(&padded(version))
        }
        _ => clause.contains(version),
    }
}

/// `version` with trailing zeros: 3 is 3.0, which is not in `3.8.*`. The crate does not assume them
/// when it compares with a prefix.
fn padded(version: &pep440_rs::Version) -> pep440_rs::Version {
    let mut release = version.release().to_vec();
    release.resize(release.len().max(RELEASE_LENGTH), 0);
    version.clone().with_release(release)
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
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).expect("a version")
    }

    #[test]
    fn c10_c48_spellings_of_one_version_are_equal_and_print_canonically() {
        for (text, canonical) in [
            ("1.0", "1.0"),
            ("v1.0", "1.0"),
            ("1.0-alpha_1", "1.0a1"),
            ("1.0-1", "1.0.post1"),
            ("1!2.0.dev3", "1!2.0.dev3"),
            ("1.0+Ubuntu-1", "1.0+ubuntu.1"),
            ("01.02.003", "1.2.3"),
        ] {
            assert_eq!(version(text).to_string(), canonical, "{text}");
            assert_eq!(version(text).escaped(), canonical, "{text}");
            assert_eq!(version(text).raw(), text);
        }
        assert_eq!(version("1.0"), version("1.0.0"));
        assert!(version("1.0rc1") < version("1.0") && version("1.0") < version("1.0+local"));
        assert_eq!(Version::parse("1.0_1_linux"), None);
        assert_eq!(Version::parse(""), None);
    }

    #[test]
    fn e27_the_local_label_can_be_left_out() {
        assert!(version("1.0+cu121").matches(&version("1.0.0")));
        assert!(version("1.0+cu121").matches(&version("1+cu121")));
        assert!(!version("1.0").matches(&version("1.0+cu121")));
        assert!(!version("1.0+cpu").matches(&version("1.0+cu121")));
        assert_eq!(version("1.0+cu121").without_local(), version("1.0"));
        assert_eq!(version("1.0+cu121").without_local().raw(), "1.0");
    }

    /// The answers of `packaging` 26.3.
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
}

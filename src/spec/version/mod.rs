//! Versions and the sets of versions that a project supports.
//!
//! Input: text. Output: a [`Version`] or [`Specifiers`], or `None`. Both keep their text, for
//! messages and for the file names that were built from it. Limits: numbers of at most 64 bits.
//! Only this module names the crate `pep440_rs`.

mod intervals;
mod sort_key;
mod specifiers;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr as _;
use std::sync::Arc;

pub(crate) use intervals::Interval;
pub use specifiers::Specifiers;

/// A version ("Version specifiers").
///
/// Equal, ordered and hashed by the specification's rules: `1.0` is `1.0.0`.
#[derive(Clone)]
pub struct Version {
    // Many facts about a project hold its versions, so copies share their parts.
    parts: Arc<VersionParts>,
    /// Decides most comparisons, and without looking at the parts.
    key: u64,
}

struct VersionParts {
    raw: Box<str>,
    parsed: pep440_rs::Version,
}

impl Version {
    /// Reads a version in any spelling that the specification normalizes.
    pub fn parse(text: &str) -> Option<Self> {
        let parsed = pep440_rs::Version::from_str(text).ok()?;
        Some(Self::of(text.into(), parsed))
    }

    fn of(raw: Box<str>, parsed: pep440_rs::Version) -> Self {
        let key = sort_key::sort_key(&parsed);
        let parts = Arc::new(VersionParts { raw, parsed });
        Self { parts, key }
    }

    fn parsed(&self) -> &pep440_rs::Version {
        &self.parts.parsed
    }

    #[cold]
    fn cmp_parts(&self, other: &Self) -> Ordering {
        self.parsed().cmp(other.parsed())
    }

    /// The version as it was written.
    pub fn raw(&self) -> &str {
        &self.parts.raw
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

    /// Whether it is a pre-release or a development release ("Version specifiers", "Handling of
    /// pre-releases").
    pub(crate) fn is_prerelease(&self) -> bool {
        self.parsed().any_prerelease()
    }

    /// This version and its local ones, as `==` allows them.
    pub(crate) fn interval(&self) -> Interval {
        intervals::equal(self.parsed())
    }

    /// The same version without its local label: `1.0` for `1.0+cu121` ("Version specifiers",
    /// "Local version identifiers"). Its raw text is the canonical one.
    #[must_use]
    pub fn without_local(&self) -> Self {
        let parsed = self.parsed().clone().without_local();
        Self::of(parsed.to_string().into(), parsed)
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl PartialOrd for Version {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    // Sets of versions are compared end by end, so this is most of the work of a long search.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match self.key.cmp(&other.key) {
            // Copies of one version are compared most of all.
            Ordering::Equal if Arc::ptr_eq(&self.parts, &other.parts) => Ordering::Equal,
            Ordering::Equal => self.cmp_parts(other),
            order => order,
        }
    }
}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parsed().hash(state);
    }
}

/// The canonical form.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.parsed(), f)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.raw(), f)
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
}

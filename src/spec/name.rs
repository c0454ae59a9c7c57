//! Names of projects.
//!
//! Input: a name as METADATA, a file name or a person writes it. Output: a [`ProjectName`], which
//! keeps that spelling and compares by the normalized one. Invariant: a `ProjectName` is ASCII, is
//! not empty, and is safe as a part of a path.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// The name of a project ("Names and normalization").
///
/// Equal, ordered and hashed by its normalized form: `A.B_c` is `a-b-c`.
#[derive(Clone)]
pub struct ProjectName {
    raw: Box<str>,
    // It is computed once, because comparing and hashing names needs it each time.
    normalized: Box<str>,
}

impl ProjectName {
    /// Checks `text` ("Names and normalization", "Name format"): ASCII letters, digits, `.`, `_`
    /// and `-`, with a letter or digit at both ends. `None` if it breaks that rule; surrounding
    /// white space is not allowed either.
    pub fn parse(text: &str) -> Option<Self> {
        let first = text.bytes().next()?;
        let last = text.bytes().next_back()?;
        let inner = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        (inner && first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric()).then(|| Self {
            raw: text.into(),
            normalized: normalized(text).into(),
        })
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.raw
    }

    /// The name in lower case, each run of `.`, `_` and `-` as one `-` ("Names and normalization",
    /// "Normalization").
    pub fn normalized(&self) -> &str {
        &self.normalized
    }

    /// What follows this name at the beginning of `text`, in whatever spelling the name is there;
    /// `None` if `text` begins otherwise.
    pub fn strip_from<'t>(&self, text: &'t str) -> Option<&'t str> {
        let mut rest = text;
        for expected in self.normalized.chars() {
            if expected == '-' {
                let behind = rest.trim_start_matches(['-', '_', '.']);
                rest = (behind.len() < rest.len()).then_some(behind)?;
            } else {
                let first = rest.chars().next()?;
                rest = (first.to_ascii_lowercase() == expected).then(|| &rest[1..])?;
            }
        }
        Some(rest)
    }

    /// The normalized name with `_` for `-`, as file names of wheels and dist-info directories have
    /// it ("Binary distribution format", "Escaping and Unicode"; "Recording installed projects",
    /// "The .dist-info directory").
    pub fn escaped(&self) -> String {
        self.normalized.replace('-', "_")
    }
}

/// `text` in lower case, with one `-` for each run of `.`, `_` and `-`.
fn normalized(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut in_run = false;
    for character in text.chars() {
        let separates = matches!(character, '.' | '_' | '-');
        if !separates {
            normal.push(character.to_ascii_lowercase());
        } else if !in_run {
            normal.push('-');
        }
        in_run = separates;
    }
    normal
}

impl PartialEq for ProjectName {
    fn eq(&self, other: &Self) -> bool {
        self.normalized == other.normalized
    }
}

impl Eq for ProjectName {}

impl PartialOrd for ProjectName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ProjectName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.normalized.cmp(&other.normalized)
    }
}

impl Hash for ProjectName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.normalized.hash(state);
    }
}

/// The normalized name.
impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.normalized)
    }
}

impl fmt::Debug for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.raw, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c09_c49_spellings_of_one_name_are_equal() {
        for text in ["a-b-c", "A.B_c", "a--B.-_c"] {
            let name = ProjectName::parse(text).expect("a name");
            assert_eq!(name, ProjectName::parse("a-b-c").expect("a name"), "{text}");
            assert_eq!((name.as_str(), name.normalized()), (text, "a-b-c"));
            assert_eq!(name.to_string(), "a-b-c");
        }
    }

    #[test]
    fn c48_the_escaped_name_has_no_dash() {
        assert_eq!(
            ProjectName::parse("Foo.Bar-baz").expect("a name").escaped(),
            "foo_bar_baz"
        );
        assert_eq!(
            ProjectName::parse("PyYAML").expect("a name").escaped(),
            "pyyaml"
        );
    }

    #[test]
    fn names_outside_the_grammar_are_refused() {
        for text in [
            "", "-a", "a-", "_a", "a.", "a b", "é", "a/b", "..", " a", "a\n",
        ] {
            assert!(ProjectName::parse(text).is_none(), "{text:?}");
        }
        for text in ["a", "7", "3to2", "a..b"] {
            assert!(ProjectName::parse(text).is_some(), "{text:?}");
        }
    }
}

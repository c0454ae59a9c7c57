//! `RelPath`: the only path that may come out of an archive or a RECORD.
//!
//! Input: text. Output: a relative path of plain components, separated by `/`, that cannot lead out
//! of the directory it is joined to, on any operating system. Invariant: the rules are checked
//! once, when the text is parsed. Limits: [`MAX_PATH`] bytes in all, [`MAX_COMPONENT`] bytes and
//! [`MAX_DEPTH`] components.

mod bytes;
mod windows;

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

pub use bytes::any_byte;
pub use windows::has_reserved_component;

/// The longest relative path accepted, in bytes: what Linux takes, less room for the environment's
/// own path.
pub const MAX_PATH: usize = 3072;
/// The longest component accepted, in bytes: what common file systems take.
pub const MAX_COMPONENT: usize = 255;
/// The deepest path accepted, in components.
pub const MAX_DEPTH: usize = 256;

/// A relative path in normal form: no empty, `.` or `..` component, no backslash or control
/// character, and no drive letter of Windows at its beginning.
///
/// Ordered component by component, so that a directory sorts directly before its content. A
/// clone is the same text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RelPath(Arc<str>);

/// Why a text is not a [`RelPath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathFault {
    /// The text, or a component of it, is empty.
    Empty,
    /// It begins with `/`.
    Absolute,
    /// It has a `.` or `..` component.
    Dots,
    /// It holds a backslash, which Windows reads as a separator.
    Backslash,
    /// It begins with a letter and a colon, which Windows reads as a drive.
    Drive,
    /// It holds a control, formatting, bidirectional or private-use character.
    Control,
    /// It is longer than a file system takes.
    TooLong,
    /// It has more components than [`MAX_DEPTH`].
    TooDeep,
}

impl fmt::Display for PathFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an empty component",
            Self::Absolute => "an absolute path",
            Self::Dots => "a `.` or `..` component",
            Self::Backslash => "a backslash",
            Self::Drive => "a drive letter",
            Self::Control => "a control character",
            Self::TooLong => "too long",
            Self::TooDeep => "too many directories",
        })
    }
}

impl RelPath {
    /// Checks `text` and takes it over.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, PathFault> {
        if text.starts_with('/') {
            return Err(PathFault::Absolute);
        }
        // A colon elsewhere is an ordinary character on Unix; a file system with Windows' rules
        // reserves such names.
        if matches!(text.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic()) {
            return Err(PathFault::Drive);
        }
        if text.len() > MAX_PATH {
            return Err(PathFault::TooLong);
        }
        // Nearly all paths are found to be right here, many bytes at a time.
        if is_plain_ascii(text) {
            return Ok(Self(text.into()));
        }
        let mut depth = 0;
        for component in text.split('/') {
            check_component(component)?;
            depth += 1;
        }
        if depth > MAX_DEPTH {
            return Err(PathFault::TooDeep);
        }
        Ok(Self(text.into()))
    }

    /// The path as text, separated by `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same text, for callers that need no path type.
    pub fn text(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The components, outermost first; at least one.
    pub fn components(&self) -> std::str::Split<'_, char> {
        self.0.split('/')
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        memchr::memrchr(b'/', self.0.as_bytes()).map_or(&self.0, |at| &self.0[at + 1..])
    }

    /// The path without its last component; `None` if it has only one.
    pub fn parent(&self) -> Option<Self> {
        self.directory().map(|directory| Self(directory.into()))
    }

    /// The text of the path without its last component; `None` if it has only one.
    pub fn directory(&self) -> Option<&str> {
        memchr::memrchr(b'/', self.0.as_bytes()).map(|at| &self.0[..at])
    }

    /// `self/other`. The lengths were checked one by one; their sum is checked by the file system.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        Self(joined(&self.0, &other.0))
    }

    /// `self/name`, where `name` is the last component of `other`.
    #[must_use]
    pub fn join_name_of(&self, other: &Self) -> Self {
        Self(joined(&self.0, other.file_name()))
    }

    /// The rest of the path below `base`; `None` if it is not below it.
    pub fn strip_prefix(&self, base: &Self) -> Option<Self> {
        self.below(base).map(|rest| Self(rest.into()))
    }

    /// The text of the rest of the path below `base`; `None` if it is not below it.
    pub fn below(&self, base: &Self) -> Option<&str> {
        self.0.strip_prefix(&*base.0)?.strip_prefix('/')
    }

    /// Whether the path is `base` or lies below it.
    pub fn starts_with(&self, base: &Self) -> bool {
        self == base || self.below(base).is_some()
    }
}

/// `directory/name` with one allocation, since every installed file needs such a text.
fn joined(directory: &str, name: &str) -> Arc<str> {
    let mut buffer = [0; 256];
    let length = directory.len() + 1 + name.len();
    match buffer.get_mut(..length) {
        Some(text) => {
            text[..directory.len()].copy_from_slice(directory.as_bytes());
            text[directory.len()] = b'/';
            text[directory.len() + 1..].copy_from_slice(name.as_bytes());
            std::str::from_utf8(text)
                .expect("texts that are put together are a text")
                .into()
        }
        None => [directory, "/", name].concat().into(),
    }
}

/// Whether `text`, which has no drive letter and is not too long, is certainly a [`RelPath`]. False
/// says nothing.
fn is_plain_ascii(text: &str) -> bool {
    let bytes = text.as_bytes();
    if any_byte(bytes, |byte| !matches!(byte, b' '..=b'~') | (byte == b'\\')) {
        return false;
    }
    let (mut begin, mut depth) = (0, 0);
    memchr::memchr_iter(b'/', bytes)
        .chain([bytes.len()])
        .all(|end| {
            let component = &bytes[begin..end];
            (begin, depth) = (end + 1, depth + 1);
            let is_dots = component.len() <= 2 && component.iter().all(|byte| *byte == b'.');
            // An empty component counts as dots here.
            !is_dots && component.len() <= MAX_COMPONENT && depth <= MAX_DEPTH
        })
}

/// Whether `component` may be one component of a [`RelPath`].
///
/// # Errors
/// The first rule that it breaks.
pub fn check_component(component: &str) -> Result<(), PathFault> {
    match component {
        "" => return Err(PathFault::Empty),
        "." | ".." => return Err(PathFault::Dots),
        _ => {}
    }
    if component.len() > MAX_COMPONENT {
        return Err(PathFault::TooLong);
    }
    for character in component.chars() {
        match character {
            '/' => return Err(PathFault::Absolute),
            '\\' => return Err(PathFault::Backslash),
            _ if is_invisible(character) => return Err(PathFault::Control),
            _ => {}
        }
    }
    Ok(())
}

/// Whether a terminal would obey or hide the character instead of showing it: Unicode's control and
/// formatting characters, line and paragraph separators, private-use characters and noncharacters.
/// Unassigned code points are not among them, because they may become characters.
pub fn is_invisible(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    let is_formatting = matches!(character,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    let is_private = matches!(character, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..);
    let is_none =
        matches!(character, '\u{fdd0}'..='\u{fdef}') || u32::from(character) & 0xfffe == 0xfffe;
    character.is_control() || is_formatting || is_private || is_none
}

/// A name as a file system that ignores case sees it: spellings that differ only in case, in how
/// accents are composed, or in ligatures give the same result (Unicode, canonical caseless matching
/// with full case folding).
pub fn folded(text: &str) -> String {
    use caseless::Caseless as _;
    use unicode_normalization::UnicodeNormalization as _;
    if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        text.chars().nfd().default_case_fold().nfd().collect()
    }
}

/// Whether a file system that ignores case takes `name` for `folded`, which is folded already.
pub fn folds_to(name: &str, folded: &str) -> bool {
    // Almost all names are ASCII, and need no copy.
    name.eq_ignore_ascii_case(folded) || (!name.is_ascii() && self::folded(name) == folded)
}

/// Whether two names look the same because they differ only in how accents are composed.
pub fn is_same_text(one: &str, other: &str) -> bool {
    use unicode_normalization::UnicodeNormalization as _;
    one.nfc().eq(other.nfc())
}

impl Ord for RelPath {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let (own, other) = (self.0.as_bytes(), other.0.as_bytes());
        // Paths of one environment begin alike: what is alike is passed over many bytes at a time.
        let chunks = own
            .as_chunks::<16>()
            .0
            .iter()
            .zip(other.as_chunks::<16>().0);
        let alike = 16 * chunks.take_while(|(a, b)| a == b).count();
        match own[alike..]
            .iter()
            .zip(&other[alike..])
            .find(|(a, b)| a != b)
        {
            Some((b'/', _)) => std::cmp::Ordering::Less,
            Some((_, b'/')) => std::cmp::Ordering::Greater,
            Some((a, b)) => a.cmp(b),
            None => own.len().cmp(&other.len()),
        }
    }
}

impl PartialOrd for RelPath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for RelPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e01_e02_e03_paths_that_lead_elsewhere_are_refused() {
        for (text, fault) in [
            ("", PathFault::Empty),
            ("/abs/x", PathFault::Absolute),
            ("../x", PathFault::Dots),
            ("a/../../x", PathFault::Dots),
            ("a/./b", PathFault::Dots),
            ("a//b", PathFault::Empty),
            ("a/", PathFault::Empty),
            ("a\\b", PathFault::Backslash),
            ("C:/x", PathFault::Drive),
            ("c:x", PathFault::Drive),
            ("a\0b", PathFault::Control),
            ("a\nb", PathFault::Control),
            ("a\u{202e}b", PathFault::Control),
        ] {
            assert_eq!(RelPath::parse(text), Err(fault), "{text:?}");
        }
        for text in ["a.py:stream", "pkg/c:x", "10:30.txt", ":x"] {
            assert!(RelPath::parse(text).is_ok(), "{text}");
        }
        assert_eq!(RelPath::parse(&"x".repeat(256)), Err(PathFault::TooLong));
        assert_eq!(
            RelPath::parse(&"x/".repeat(300).repeat(20)),
            Err(PathFault::TooLong)
        );
        assert_eq!(
            RelPath::parse(&format!("{}x", "x/".repeat(300))),
            Err(PathFault::TooDeep)
        );
    }

    #[test]
    fn a_directory_stands_directly_before_what_it_holds() {
        let mut paths: Vec<_> = ["a-b", "a/x", "a", "a.b", "a/y/z"]
            .iter()
            .map(|text| RelPath::parse(text).expect("plain"))
            .collect();
        paths.sort();
        let texts: Vec<_> = paths.iter().map(RelPath::as_str).collect();
        assert_eq!(texts, ["a", "a/x", "a/y/z", "a-b", "a.b"]);
    }

    #[test]
    fn r58_what_cannot_be_seen_is_no_name() {
        for character in
            "\u{1b}\u{7f}\u{9b}\u{202e}\u{200d}\u{2069}\u{feff}\u{e000}\u{ffff}\u{fdd0}\u{e0041}\
             \u{10ffff}"
                .chars()
        {
            let name = format!("a{character}b");
            assert_eq!(RelPath::parse(&name), Err(PathFault::Control), "{name:?}");
        }
        for name in ["grün", "漢字", "e\u{301}", "🦀", "ﬁ", "عربى", "\u{a0}"] {
            assert!(RelPath::parse(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn r49_spellings_that_some_systems_take_for_one() {
        for (one, other) in [
            ("Mod.py", "mod.py"),
            ("gr\u{fc}n", "gru\u{308}n"),
            ("GR\u{dc}N", "gru\u{308}n"),
            ("straße", "STRASSE"),
            ("ﬁle", "file"),
            ("Σ", "ς"),
            ("\u{1e9e}", "ss"),
            ("\u{212a}", "k"),
            ("\u{1fb3}", "\u{391}\u{345}"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        for (one, other) in [("a", "ä"), ("mod.py", "mod_py"), ("ı", "i"), ("٣", "3")] {
            assert_ne!(folded(one), folded(other), "{one} {other}");
        }
    }
}

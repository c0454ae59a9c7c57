//! Untrusted text in messages: control and formatting characters are shown as escapes, and long
//! texts in part, so that no name in a wheel can move the cursor or fill the screen.

use std::fmt;
use std::path::Path;

use crate::path::is_invisible;

/// The most characters of one text that a message quotes.
const MOST: usize = 200;
/// How many of them are its end, which tells a path or URL from others.
const MOST_OF_END: usize = 79;
/// How many entries of a list messages show; programs get all of them as data.
pub(super) const SHOWN: usize = 10;

/// `text` with control and formatting characters as escapes.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_invisible(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// As [`escaped`]; of a text of more than 200 characters only the beginning and the end.
pub(crate) fn excerpt(text: &str) -> String {
    match ends(text) {
        Some((beginning, end)) => format!("{}…{}", escaped(beginning), escaped(end)),
        None => escaped(text),
    }
}

/// The beginning and the end of a text that is too long to be quoted.
fn ends(text: &str) -> Option<(&str, &str)> {
    // No text has more characters than bytes, so that most are not counted.
    if text.len() <= MOST || text.chars().nth(MOST).is_none() {
        return None;
    }
    let mut places = text.char_indices().map(|(place, _)| place);
    let beginning = places.nth(MOST - MOST_OF_END - 1)?;
    let end = text.char_indices().nth_back(MOST_OF_END - 1)?.0;
    Some((&text[..beginning], &text[end..]))
}

/// A path as text with control and formatting characters as escapes.
pub(super) fn shown(path: &Path) -> String {
    escaped(&path.display().to_string())
}

/// Names in backticks: `` `a`, `b` ``. Of many only the first ten.
pub(super) fn quoted<T: fmt::Display>(names: &[T]) -> QuotedNames<'_, T> {
    QuotedNames(names)
}

/// The [`quoted`] names.
pub(super) struct QuotedNames<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for QuotedNames<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, name) in self.0.iter().take(SHOWN).enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            // Each name is a piece of its own, which `Escaping` cuts if it is long.
            write!(f, "{separator}`{name}`")?;
        }
        match self.0.len().checked_sub(SHOWN) {
            Some(rest @ 1..) => write!(f, " and {rest} more"),
            _ => Ok(()),
        }
    }
}

/// A formatter through which everything passes escaped, and long pieces in part. A piece is the
/// value of a placeholder, or the text between two.
pub(super) struct Escaping<'f, 'b>(pub(super) &'f mut fmt::Formatter<'b>);

impl Escaping<'_, '_> {
    fn write_escaped(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, character)) = rest.char_indices().find(|(_, c)| is_invisible(*c)) {
            self.0.write_str(&rest[..at])?;
            for escape in character.escape_default() {
                fmt::Write::write_char(self.0, escape)?;
            }
            rest = &rest[at + character.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let Some((beginning, end)) = ends(text) else {
            return self.write_escaped(text);
        };
        self.write_escaped(beginning)?;
        self.0.write_str("…")?;
        self.write_escaped(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_quoted_in_part_and_escaped() {
        let text = format!("a{}z", "é".repeat(500));
        let quoted = excerpt(&text);
        assert_eq!(quoted.chars().count(), MOST);
        assert!(quoted.starts_with("aé") && quoted.contains("é…é") && quoted.ends_with("éz"));
        let short = "é".repeat(MOST);
        assert_eq!(excerpt(&short), short);
        assert_eq!(
            excerpt("a\x1b\u{9b}\u{7f}\u{202e}\nb"),
            "a\\u{1b}\\u{9b}\\u{7f}\\u{202e}\\nb"
        );
    }
}

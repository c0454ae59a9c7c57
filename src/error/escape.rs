//! Untrusted text in messages: control and formatting characters are shown as escapes, so that no
//! name in a wheel can move the cursor or hide part of a message.

use std::fmt;
use std::path::Path;

use crate::path::is_invisible;

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

/// A path as text with control and formatting characters as escapes.
pub(super) fn shown(path: &Path) -> String {
    escaped(&path.display().to_string())
}

/// Names in backticks: `` `a`, `b` ``.
pub(super) fn quoted(names: &[impl fmt::Display]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// A formatter through which everything passes escaped.
pub(super) struct Escaping<'f, 'b>(pub(super) &'f mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, character)) = rest.char_indices().find(|(_, c)| is_invisible(*c)) {
            self.0.write_str(&rest[..at])?;
            for escape in character.escape_default() {
                self.0.write_char(escape)?;
            }
            rest = &rest[at + character.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

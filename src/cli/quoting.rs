//! Text for other programs: paths as one word for a shell, and JSON that a terminal can show.
//!
//! Input: paths and JSON with anything in them. Output: text without control or formatting
//! characters, which means the same.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use pkg_install::error::escaped;

/// The path as one word of a shell, to be copied from a message. Characters that a terminal would
/// obey or hide are written as `$'…'` has them, which bash, zsh and ksh understand.
pub fn for_shell(path: &Path) -> String {
    let text = path.as_os_str().to_str();
    let is_plain = |c: char| c.is_alphanumeric() || "_@%+=:,./-".contains(c);
    match text {
        Some(text) if !text.is_empty() && text.chars().all(is_plain) => text.to_owned(),
        Some(text) if !text.chars().any(is_invisible) => {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        _ => ansi_quoted(path.as_os_str().as_bytes()),
    }
}

fn ansi_quoted(bytes: &[u8]) -> String {
    let mut quoted = String::from("$'");
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if matches!(character, '\\' | '\'') {
                quoted.push('\\');
            }
            if is_invisible(character) {
                let mut buffer = [0; 4];
                push_bytes(character.encode_utf8(&mut buffer).as_bytes(), &mut quoted);
            } else {
                quoted.push(character);
            }
        }
        push_bytes(chunk.invalid(), &mut quoted);
    }
    quoted + "'"
}

fn push_bytes(bytes: &[u8], text: &mut String) {
    for byte in bytes {
        // Three octal digits, unlike hexadecimal ones, end by themselves.
        write!(text, "\\{byte:03o}").expect("memory takes every write");
    }
}

/// JSON in which no character can be obeyed or hidden by a terminal: C1, DEL and formatting
/// characters, such as those that change the direction of text, are escaped. serde_json escapes
/// only the control characters below U+0020.
pub fn ascii_json(json: String) -> String {
    // A line break outside of a string is the only control character that may stand as it is.
    let is_raw = |c: char| c != '\n' && is_invisible(c);
    if !json.contains(is_raw) {
        return json;
    }
    let mut safe = String::with_capacity(json.len() + 64);
    for character in json.chars() {
        if is_raw(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(safe, "\\u{unit:04x}").expect("memory takes every write");
            }
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Whether messages would show an escape for the character.
fn is_invisible(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    let mut buffer = [0; 4];
    let text: &str = character.encode_utf8(&mut buffer);
    escaped(text) != text
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_takes_every_path_as_one_word() {
        let paths: [&[u8]; 8] = [
            b"/plain/path-1.0_x",
            b"/with space",
            b"/it's; rm -rf $HOME `id` \"x\" \\ *",
            "/\u{e9}t\u{e9}".as_bytes(),
            b"/line\nbreak\x1b[31m",
            "/bidi\u{202e}7\u{9b}".as_bytes(),
            b"/not utf-8 \xff7'\\",
            b"",
        ];
        for bytes in paths {
            let quoted = for_shell(Path::new(OsStr::from_bytes(bytes)));
            assert!(!quoted.chars().any(is_invisible), "{quoted:?}");
            let script = format!("printf %s {quoted}");
            let output = Command::new("bash").args(["-c", &script]).output();
            assert_eq!(output.expect("there is bash").stdout, bytes, "{quoted}");
        }
        assert_eq!(for_shell(Path::new("/a/b-1.0")), "/a/b-1.0");
        assert_eq!(for_shell(Path::new("/a b")), "'/a b'");
    }

    #[test]
    fn json_has_no_character_that_a_terminal_obeys_or_hides() {
        let text = "a\u{7f}\u{9b}\u{202e}\u{e0041}\u{e9}\n\t\u{1b}";
        let json = serde_json::to_string_pretty(&[text]).expect("a text");
        let safe = ascii_json(json);
        assert!(
            !safe.chars().any(|c| c != '\n' && is_invisible(c)),
            "{safe:?}"
        );
        assert!(safe.contains("\\u202e\\udb40\\udc41\u{e9}"), "{safe}");
        let read: Vec<String> = serde_json::from_str(&safe).expect("it is JSON");
        assert_eq!(read, [text]);
    }
}

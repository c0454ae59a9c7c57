//! The lines at the beginning of a script that start its interpreter.

use std::path::{Path, PathBuf};

/// The longest first line in bytes that every kernel accepts, with `#!` and line feed. This is the
/// limit of Linux before 5.1; later kernels accept 255.
pub const MAX_SHEBANG: usize = 127;

/// The interpreter that a script starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptPython<'a> {
    /// The program at this absolute path.
    At(&'a Path),
    /// `python` in the directory of the script itself, wherever that is by then: the environment
    /// can be moved.
    Beside,
    /// The first program of this name on the path of the user who starts the script. The name has
    /// no blank.
    OnPath(&'a str),
}

impl<'a> From<&'a Path> for ScriptPython<'a> {
    fn from(path: &'a Path) -> Self {
        Self::At(path)
    }
}

impl<'a> From<&'a PathBuf> for ScriptPython<'a> {
    fn from(path: &'a PathBuf) -> Self {
        Self::At(path)
    }
}

/// The interpreter beside the script as one word of the shell, which is harmless within a Python
/// string between `'''` as well.
// As uv writes it. `realpath`, because a script is often called through a link elsewhere.
const BESIDE: &str = r#""$(dirname -- "$(realpath -- "$0")")"/python"#;

/// The first line, or lines, of a Python script that `interpreter` shall run. The error says why
/// the path cannot be written into a script.
///
/// If the path is too long for the kernel, or the kernel would split it at a blank, `/bin/sh`
/// starts the interpreter: the lines are a command for the shell and a string without effect for
/// Python.
pub fn shebang<'p>(interpreter: impl Into<ScriptPython<'p>>) -> Result<Vec<u8>, &'static str> {
    let path = match interpreter.into() {
        ScriptPython::At(path) => checked(path)?,
        ScriptPython::Beside => return Ok(trampoline(BESIDE, None)),
        ScriptPython::OnPath(name) => return Ok(simple(&by_name(name))),
    };
    if fits(path) {
        Ok(simple(path))
    } else {
        Ok(trampoline(&word(path, None), None))
    }
}

/// An interpreter as one word of the shell, in a script with this encoding; see [`quoted`].
pub(super) fn word(path: &str, encoding: Option<&str>) -> String {
    quoted(path, encoding.is_some_and(|encoding| !is_utf8(encoding)))
}

/// The words in a first line that start the first program of this name on the path.
pub(super) fn by_name(name: &str) -> String {
    format!("/usr/bin/env {name}")
}

/// The interpreter beside the script as one word of the shell.
pub(super) fn word_beside() -> String {
    BESIDE.to_owned()
}

/// The path as text, if it can be written into a script.
pub(super) fn checked(interpreter: &Path) -> Result<&str, &'static str> {
    let path = interpreter
        .to_str()
        .ok_or("the interpreter's path is not UTF-8")?;
    if path.contains(['\n', '\r', '\0']) {
        return Err("the interpreter's path has a line break or NUL");
    }
    // The kernel would resolve a relative path from the working directory of the caller.
    if !path.starts_with('/') {
        Err("the interpreter's path is not absolute")
    } else {
        Ok(path)
    }
}

/// Whether a plain first line will do: the kernel finds the interpreter in it, and Python reads it
/// as a comment without a meaning.
pub(super) fn fits(path: &str) -> bool {
    let line = simple(path);
    // Python would read `/encoding=x/` in the first line as the declaration of an encoding.
    line.len() <= MAX_SHEBANG
        && !path.contains([' ', '\t', '\x0c'])
        && declared_encoding(&line).is_none()
}

pub(super) fn simple(path: &str) -> Vec<u8> {
    format!("#!{path}\n").into_bytes()
}

/// A shell command within a Python string: `'''exec'` is the word `exec` to the shell and begins a
/// string for Python, which ends on the next line, which the shell never reaches.
pub(super) fn trampoline(word: &str, encoding: Option<&str>) -> Vec<u8> {
    let coding = encoding.map(coding_line).unwrap_or_default();
    format!("#!/bin/sh\n{coding}'''exec' {word} \"$0\" \"$@\"\n' '''\n").into_bytes()
}

/// The same in a Python comment, for a script whose first statement must stay the first: a string
/// before it would become its `__doc__`, and would make a later `from __future__ import` an error.
///
/// The line begins with a form feed. Python skips it and sees a comment. To the shell it makes `#`
/// a part of a word, the name of a command that cannot exist since it ends with `/`, and the shell
/// goes on to the next command. The line declares an encoding, so that the path cannot.
pub(super) fn trampoline_in_comment(word: &str, encoding: Option<&str>) -> Vec<u8> {
    let encoding = encoding.unwrap_or("utf-8");
    format!("#!/bin/sh\n\x0c#/ coding: {encoding} 2>/dev/null; exec {word} \"$0\" \"$@\"\n")
        .into_bytes()
}

/// `path` as one word of the shell that is also harmless within a Python string between `'''`.
///
/// A quote becomes `'\''`, which never puts three unescaped quotes side by side. A backslash, and
/// with `ascii_only` every byte that is not ASCII, is written in octal for `printf`: Python would
/// read `\x` or `\N` as an escape of its own. It reads `\0ddd` as one too, but as a valid one.
fn quoted(path: &str, ascii_only: bool) -> String {
    if !path.contains('\\') && (path.is_ascii() || !ascii_only) {
        return format!("'{}'", path.replace('\'', r"'\''"));
    }
    let mut word = String::from("\"$(printf %b '");
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b' ' => {
                word.push(char::from(byte));
            }
            other => word.push_str(&format!("\\0{other:03o}")),
        }
    }
    word.push_str("')\"");
    word
}

pub(super) fn coding_line(encoding: &str) -> String {
    format!("# -*- coding: {encoding} -*-\n")
}

/// The encoding that a line declares: `^[ \t\f]*#.*?coding[:=][ \t]*([-_.a-zA-Z0-9]+)` (PEP 263).
pub(super) fn declared_encoding(line: &[u8]) -> Option<&str> {
    let start = line
        .iter()
        .position(|byte| !matches!(byte, b' ' | b'\t' | b'\x0c'))?;
    let mut rest = line[start..].strip_prefix(b"#")?;
    // The pattern backtracks: a `coding` without a value does not hide a later one.
    while let Some(at) = rest.windows(6).position(|window| window == b"coding") {
        rest = &rest[at + 6..];
        let Some((b':' | b'=', value)) = rest.split_first() else {
            continue;
        };
        let value = &value[value
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count()..];
        let is_name =
            |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let length = value.iter().take_while(is_name).count();
        if length > 0 {
            return std::str::from_utf8(&value[..length]).ok();
        }
    }
    None
}

pub(super) fn is_utf8(encoding: &str) -> bool {
    matches!(
        // Python's tokenizer normalizes the name in the same way.
        encoding.to_ascii_lowercase().replace('_', "-").as_str(),
        "utf-8" | "utf8" | "utf-8-sig"
    )
}

//! The first line of the scripts in a wheel.

use super::shebang::{
    ScriptPython, by_name, checked, coding_line, declared_encoding, fits, is_utf8, simple,
    trampoline, trampoline_in_comment, word, word_beside,
};

/// The beginning of a script that asks for the interpreter of its environment ("Recommended
/// installer features").
const PLACEHOLDER: &[u8] = b"#!python";

/// How many bytes of a file [`wants_rewrite`] needs.
pub const HEAD: usize = PLACEHOLDER.len();

/// Whether a file below `.data/scripts` that begins with `head` gets another first line: it begins
/// with `#!python`, as `#!pythonw` and `#!python3` do too ("Recommended installer features").
/// [`HEAD`] bytes are enough.
pub fn wants_rewrite(head: &[u8]) -> bool {
    head.starts_with(PLACEHOLDER)
}

/// `content` with the interpreter in its first line; unchanged if [`wants_rewrite`] says no
/// ("Recommended installer features"). The error says why the path cannot be written into a script.
///
/// The whole first line is replaced, with its arguments and its carriage return. All other bytes
/// are kept. If Python would no longer find the declaration of the script's encoding in the first
/// two lines (PEP 263), it is repeated there.
pub fn rewritten<'p>(
    content: &[u8],
    interpreter: impl Into<ScriptPython<'p>>,
) -> Result<Vec<u8>, &'static str> {
    if !wants_rewrite(content) {
        return Ok(content.to_vec());
    }
    let (path, line) = match interpreter.into() {
        ScriptPython::At(path) => {
            let path = checked(path)?;
            (Some(path), fits(path).then(|| path.to_owned()))
        }
        ScriptPython::Beside => (None, None),
        ScriptPython::OnPath(name) => (None, Some(by_name(name))),
    };
    let end = content
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(content.len(), |at| at + 1);
    let (first, rest) = content.split_at(end);
    // Python ends a line at a lone carriage return too.
    let second = rest
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .next()
        .unwrap_or(rest);
    let of_first = declared_encoding(first);
    let encoding = of_first.or_else(|| declared_encoding(second));
    // A false hit only costs the less common form, so a search without parsing is enough.
    let mentions = |word: &[u8]| rest.windows(word.len()).any(|window| window == word);
    // Python decodes the first line too, so UTF-8 could be an error in another encoding.
    let readable = |line: &String| line.is_ascii() || encoding.is_none_or(is_utf8);
    let word = || path.map_or_else(word_beside, |path| word(path, encoding));
    let mut script = if let Some(line) = line.filter(readable) {
        let mut line = simple(&line);
        line.extend(of_first.map(coding_line).unwrap_or_default().as_bytes());
        line
    } else if mentions(b"__doc__") || mentions(b"__future__") {
        trampoline_in_comment(&word(), encoding)
    } else {
        trampoline(&word(), encoding)
    };
    script.extend_from_slice(rest);
    Ok(script)
}

//! The lines of a list of requirements.
//!
//! Input: the text. Output: its logical lines with the number of their first line: continuations
//! after `\` joined, comments removed, none empty. Limits: a `\` inside a comment is part of it,
//! while for pip it swallows the next line.

use std::borrow::Cow;

use memchr::{memchr, memchr3};

use crate::error::ResolutionFault;
use crate::spec::location::{shown, without_credentials};

/// A logical line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) text: String,
}

/// The lines of a text (pip's "Requirements file format").
pub(super) fn lines(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut open: Option<Line> = None;
    for (line, number) in text.lines().zip(1..) {
        let code = without_comment(line);
        // A comment ends the logical line, even if it ends in `\`.
        let continued = code.strip_suffix('\\').filter(|_| code.len() == line.len());
        let logical = open.get_or_insert_with(|| Line {
            number,
            text: String::new(),
        });
        logical.text += continued.unwrap_or(code);
        if continued.is_none() {
            lines.extend(open.take());
        }
    }
    lines.extend(open);
    let trimmed = lines.into_iter().map(|line| Line {
        text: line.text.trim().to_owned(),
        ..line
    });
    trimmed.filter(|line| !line.text.is_empty()).collect()
}

/// The text before a `#` at the start of the line or after white space.
fn without_comment(line: &str) -> &str {
    let begins = |at: &usize| {
        line[..*at]
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace)
    };
    // A `#` inside a word begins the fragment of a URL, which may hold the wheel's hash.
    let end = line.match_indices('#').map(|(at, _)| at).find(begins);
    &line[..end.unwrap_or(line.len())]
}

/// The words between blanks, tabs and line ends.
fn blank_separated(text: &str) -> Vec<Cow<'_, str>> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        let end = memchr3(b' ', b'\t', b'\n', rest.as_bytes()).unwrap_or(rest.len());
        if end > 0 {
            words.push(Cow::Borrowed(&rest[..end]));
        }
        match rest.get(end + 1..) {
            Some(behind) => rest = behind,
            None => return words,
        }
    }
}

impl Line {
    /// The words of `text`, a part of the line, without quotes and escapes, as pip reads options.
    pub(super) fn words<'t>(&self, text: &'t str) -> Result<Vec<Cow<'t, str>>, ResolutionFault> {
        // Most lists quote nothing, and splitting at blanks takes a tenth of the time.
        let bytes = text.as_bytes();
        if memchr3(b'"', b'\'', b'\\', bytes).is_none() && memchr(b'#', bytes).is_none() {
            return Ok(blank_separated(text));
        }
        let words = shlex::split(text).ok_or_else(|| self.fault("a quote is not closed"))?;
        Ok(words.into_iter().map(Cow::Owned).collect())
    }

    /// The requirement, and the options behind it.
    pub(super) fn split_options(&self) -> (&str, &str) {
        // A `-` inside a word belongs to a name, a version or a URL.
        let begins = |at: &usize| self.text[..*at].ends_with(char::is_whitespace);
        let at = self
            .text
            .match_indices('-')
            .map(|(at, _)| at)
            .find(begins)
            .unwrap_or(self.text.len());
        let (requirement, options) = self.text.split_at(at);
        (requirement.trim_end(), options)
    }

    /// This line, refused.
    pub(super) fn fault(&self, reason: &'static str) -> ResolutionFault {
        ResolutionFault::Line {
            line: self.number,
            text: self.shown(),
            reason,
        }
    }

    /// This line, refused because its project would have to be built.
    pub(super) fn not_a_wheel(&self, what: &str) -> ResolutionFault {
        ResolutionFault::NotWheels(vec![(
            self.shown(),
            format!("{what} (line {})", self.number),
        )])
    }

    /// The line without the credentials and the queries of its URLs.
    fn shown(&self) -> String {
        // A password may hold a blank, so the line comes first as a whole, and then every word.
        let words = without_credentials(&self.text);
        words
            .split_whitespace()
            .map(shown)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_and_lose_their_comments() {
        let text = "# head\n\n\
                    six==1 \\\n    --hash=sha256:a \\\n    --hash=sha256:b # via x\n  # via y\n\
                    a==1 # c\\\nb==2 \\\n# end\n\
                    c @ https://h/c.whl#sha256=1\nd==1 \\";
        let found: Vec<_> = lines(text)
            .into_iter()
            .map(|line| (line.number, line.text))
            .collect();
        let expected = [
            (3, "six==1     --hash=sha256:a     --hash=sha256:b"),
            (7, "a==1"),
            (8, "b==2"),
            (10, "c @ https://h/c.whl#sha256=1"),
            (11, "d==1"),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(number, text)| (*number, (*text).to_owned()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn words_are_those_of_a_shell_with_and_without_quotes() {
        for text in [
            "",
            "  ",
            "--hash=sha256:a  --hash\tsha256:b ",
            "--x=a\u{a0}b \u{3000}c",
            "--x='a b' c",
            "--x=a\\ b \"c d\"",
            "--egg=a#b c",
        ] {
            let line = Line {
                number: 1,
                text: text.to_owned(),
            };
            let words = line.words(text).unwrap();
            assert_eq!(words, shlex::split(text).unwrap(), "{text}");
        }
    }

    #[test]
    fn c52_refused_lines_do_not_show_credentials() {
        for (text, shown) in [
            ("-e git+https://u:p@h/x", "-e git+https://h/x"),
            ("six@https://u:p@h/x y", "six@https://h/x y"),
            ("--x=https://u:p@h", "--x=https://h"),
            ("six @ https://u:p w@h/x?sig=1 ; a", "six @ https://h/x ; a"),
            // Two URLs are no URL: all that may be a password is left out.
            ("-i https://u:p@h -f https://v:q@h", "-i https://h"),
            ("no url://", "no url://"),
        ] {
            let line = Line {
                number: 1,
                text: text.to_owned(),
            };
            let ResolutionFault::Line { text, .. } = line.fault("r") else {
                panic!("{line:?}")
            };
            assert_eq!(text, shown);
        }
    }
}

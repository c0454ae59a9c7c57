//! The format of Python's `configparser`, without interpolation.
//!
//! Input: a text and its delimiters. Output: the lines that mean something, in order. Invariants: a
//! comment is a whole line that begins with `#` or `;`; a line that is indented deeper than the
//! entry before it continues that entry's value, and so does a blank line. Nothing is an error
//! here: what a line without a delimiter means is the caller's decision.

/// A line that is neither a section header nor a comment, with its continuation lines.
#[derive(Debug, PartialEq, Eq)]
pub struct IniItem<'t> {
    /// The section it is in; `None` before the first header.
    pub section: Option<&'t str>,
    /// The number of its first line, from 1.
    pub line: u64,
    /// Its first line without the white space around it.
    pub text: &'t str,
    /// The text before the first delimiter; empty if there is no delimiter.
    pub name: &'t str,
    /// The text after the first delimiter, with continuation lines after `\n`; may end in blank
    /// lines.
    pub value: String,
}

/// The items of `text`; a byte order mark at its beginning is ignored.
pub fn items<'t>(text: &'t str, delimiters: &[char]) -> Vec<IniItem<'t>> {
    let mut items: Vec<IniItem<'t>> = Vec::new();
    let mut section = None;
    // The indentation of the item that the next line may continue; none after a header.
    let mut open: Option<usize> = None;
    for (line, number) in text.trim_start_matches('\u{feff}').split('\n').zip(1..) {
        let content = line.trim();
        // A comment leaves the item open: as in `configparser`, its value may go on below.
        if content.starts_with(['#', ';']) {
            continue;
        }
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        let continues = open.is_some_and(|of_item| content.is_empty() || indent > of_item);
        match items.last_mut().filter(|_| continues) {
            Some(item) => {
                item.value.push('\n');
                item.value.push_str(content);
            }
            None if content.is_empty() => {}
            None => match header(content) {
                Some(name) => (section, open) = (Some(name), None),
                None => {
                    let (name, value) = content.split_once(delimiters).unwrap_or(("", ""));
                    items.push(IniItem {
                        section,
                        line: number,
                        text: content,
                        name: name.trim(),
                        value: value.trim().to_owned(),
                    });
                    open = Some(indent);
                }
            },
        }
    }
    items
}

/// The name in `[name]`. As in `configparser`, what follows the last `]` is ignored.
fn header(content: &str) -> Option<&str> {
    let (name, _) = content.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(Option<&str>, u64, &str, String)> {
        let items = items(text, &['=', ':']);
        let parts = items
            .into_iter()
            .map(|item| (item.section, item.line, item.name, item.value));
        parts.collect()
    }

    #[test]
    fn values_go_on_in_deeper_lines_and_over_blank_ones() {
        let text = "\u{feff}# head\n[one] x\na = 1\n  b = 2\n\n # remark\n  c\nd: 3\n[two]\n  e=\n";
        assert_eq!(
            read(text),
            [
                (Some("one"), 3, "a", "1\nb = 2\n\nc".to_owned()),
                (Some("one"), 8, "d", "3".to_owned()),
                (Some("two"), 10, "e", "\n".to_owned()),
            ]
        );
    }

    #[test]
    fn headers_need_a_name_and_lines_a_delimiter() {
        let found = items("a\n[]\n[b\n = c\n", &['=']);
        let texts: Vec<_> = found.iter().map(|item| (item.text, item.name)).collect();
        assert_eq!(texts, [("a", ""), ("[]", ""), ("[b", "")]);
        assert_eq!(found[2].value, "\n= c\n");
    }
}

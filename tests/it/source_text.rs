//! This crate's own sources, read well enough to check habits: not a parser, but it knows what is
//! code.
//!
//! Input: Rust text as rustfmt leaves it. Output: [`Source`]: the text with comments and literals
//! blanked out, which lines are test code, the functions, and every path that is named, `use` trees
//! taken apart. Limits: code that macros make is not seen, and a path through an alias is seen
//! where the alias is made.

use std::fs;
use std::ops::Range;
use std::path::Path;

/// Directories that a fuzzer fills, with nothing that anybody wrote.
const MADE: &[&str] = &[
    "tests/fuzz/artifacts",
    "tests/fuzz/corpus",
    "tests/fuzz/coverage",
    "tests/fuzz/target",
];

/// One source file.
pub struct Source {
    /// Relative to the crate's root, with `/`: `src/error/mod.rs`.
    pub path: String,
    pub text: String,
    /// The text with a space for each character of a comment or a literal; line breaks stay.
    code: Vec<char>,
    /// Where in the code each line ends.
    line_ends: Vec<usize>,
    /// For each line, whether it is only compiled for tests.
    test: Vec<bool>,
}

/// A function with a name.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    /// The line of `fn`, from 1.
    pub line: usize,
    /// The lines from `fn` to the closing brace; 0 where there is no body.
    pub lines: usize,
    /// The parameters, the receiver not counted.
    pub parameters: usize,
}

/// A path or a macro as the code names it: `std::fs::read`, `println!`.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    pub path: String,
    /// From 1; of a path in a `use` tree the line of the `use`.
    pub line: usize,
    /// Whether this is code for tests.
    pub test: bool,
}

/// Every Rust file below these directories of the crate, sorted by path.
pub fn sources(directories: &[&str]) -> Vec<Source> {
    let files = text_files(directories)
        .into_iter()
        .filter(|(path, _)| path.ends_with(".rs"));
    files
        .map(|(path, text)| Source::new(&path, &text))
        .collect()
}

/// Every text file below these directories, or named by them, with its path, sorted by path.
pub fn text_files(names: &[&str]) -> Vec<(String, String)> {
    let mut files = Vec::new();
    names.iter().for_each(|name| collect(name, &mut files));
    files.sort();
    files
}

fn collect(name: &str, files: &mut Vec<(String, String)>) {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if full.is_dir() && !MADE.contains(&name) {
        for child in fs::read_dir(&full).expect("the directory can be listed") {
            let child = child.expect("the directory can be listed").file_name();
            collect(&format!("{name}/{}", child.to_string_lossy()), files);
        }
    } else if let Ok(text) = fs::read_to_string(&full) {
        files.push((name.to_owned(), text));
    }
}

impl Source {
    /// Reads `text`; the path says whether all of it is test code.
    pub fn new(path: &str, text: &str) -> Self {
        let code = blank(&text.chars().collect::<Vec<_>>());
        // `fuzzing` is compiled for tests and fuzz targets alone.
        let tests = ["/tests.rs", "/tests/", "/fuzzing/"]
            .iter()
            .any(|part| path.contains(part));
        let all = tests || !path.starts_with("src/");
        let line_ends: Vec<usize> = (0..code.len()).filter(|&at| code[at] == '\n').collect();
        let test = vec![all; line_ends.len() + 1];
        let mut source = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            line_ends,
            test,
        };
        for range in source.test_items() {
            let (first, last) = (source.line(range.start), source.line(range.end));
            source.test[first - 1..last].fill(true);
        }
        source
    }

    /// The lines of code, with numbers from 1.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, String)> {
        let lines = self.code.split(|&character| character == '\n');
        lines
            .enumerate()
            .map(|(index, line)| (index + 1, line.iter().collect()))
    }

    /// The functions that have a name, in order.
    pub fn functions(&self) -> Vec<Function> {
        let words = self.words().into_iter().filter(|word| self.is(word, "fn"));
        words.filter_map(|word| self.function(word.start)).collect()
    }

    fn function(&self, start: usize) -> Option<Function> {
        let name_start = self.skip_space(start + 2);
        let name: String = self.code[name_start..]
            .iter()
            .take_while(|&&character| is_word(character))
            .collect();
        if name.is_empty() {
            return None;
        }
        let open = self.find(name_start, &['('])?;
        let close = self.matching(open)?;
        let mut parameters = split_top(&self.code[open + 1..close]);
        if parameters.first().is_some_and(|first| is_receiver(first)) {
            parameters.remove(0);
        }
        let body = self.find(close + 1, &['{', ';'])?;
        let line = self.line(start);
        let lines = if self.code[body] == '{' {
            self.line(self.matching(body)?) - line + 1
        } else {
            0
        };
        Some(Function {
            name,
            line,
            lines,
            parameters: parameters.len(),
        })
    }

    /// Every path of two or more names, every path of a `use`, every macro.
    pub fn named(&self) -> Vec<Named> {
        let mut named = Vec::new();
        let mut done = 0;
        for word in self.words() {
            if word.start < done {
                continue;
            }
            let mut paths = Vec::new();
            if self.is(&word, "use") && self.code.get(self.skip_space(word.end)) != Some(&'<') {
                done = self.find(word.end, &[';']).unwrap_or(self.code.len());
                let tree: String = self.code[word.end..done].iter().collect();
                flatten("", &tree, &mut paths);
            } else {
                done = self.path_end(word.start);
                let path: String = self.code[word.start..done].iter().collect();
                paths.extend((path.contains("::") || path.ends_with('!')).then_some(path));
            }
            let line = self.line(word.start);
            named.extend(paths.into_iter().map(|path| Named {
                path,
                line,
                test: self.test[line - 1],
            }));
        }
        named
    }

    /// The end of the path that starts at `at`: names joined by `::`, and the `!` of a macro.
    fn path_end(&self, mut at: usize) -> usize {
        loop {
            at += self.code[at..]
                .iter()
                .take_while(|&&character| is_word(character))
                .count();
            match self.code.get(at..at + 3) {
                Some([':', ':', next]) if is_word(*next) => at += 2,
                Some(['!', next, _]) if *next != '=' => return at + 1,
                _ => return at,
            }
        }
    }

    /// The items that an attribute gives to tests alone.
    fn test_items(&self) -> Vec<Range<usize>> {
        let text: Vec<Vec<char>> = ["#[cfg(test)]", "#[cfg(all(test"]
            .map(|text| text.chars().collect())
            .into();
        let starts = (0..self.code.len())
            .filter(|&at| text.iter().any(|text| self.code[at..].starts_with(text)));
        starts
            .filter_map(|start| {
                let mut at = start;
                while self.code.get(at) == Some(&'#') {
                    at = self.skip_space(self.matching(at + 1)? + 1);
                }
                let end = self.find(at, &['{', ';'])?;
                Some(
                    start..if self.code[end] == '{' {
                        self.matching(end)?
                    } else {
                        end
                    },
                )
            })
            .collect()
    }

    fn words(&self) -> Vec<Range<usize>> {
        let mut words = Vec::new();
        let mut at = 0;
        while at < self.code.len() {
            let length = self.code[at..]
                .iter()
                .take_while(|&&character| is_word(character))
                .count();
            if length > 0 {
                words.push(at..at + length);
            }
            at += length.max(1);
        }
        words
    }

    fn is(&self, word: &Range<usize>, text: &str) -> bool {
        self.code[word.clone()].iter().copied().eq(text.chars())
    }

    fn line(&self, at: usize) -> usize {
        1 + self.line_ends.partition_point(|&end| end < at)
    }

    fn skip_space(&self, at: usize) -> usize {
        at + self.code[at..]
            .iter()
            .take_while(|character| character.is_whitespace())
            .count()
    }

    /// The first of these characters from `start` on that stands in no parentheses, brackets or
    /// generics.
    fn find(&self, start: usize, wanted: &[char]) -> Option<usize> {
        let mut depth = 0;
        for at in start..self.code.len() {
            if depth <= 0 && wanted.contains(&self.code[at]) {
                return Some(at);
            }
            depth += step(&self.code, at);
        }
        None
    }

    /// The bracket that closes the one at `open`.
    fn matching(&self, open: usize) -> Option<usize> {
        let (opening, closing) = match self.code[open] {
            '{' => ('{', '}'),
            '[' => ('[', ']'),
            _ => ('(', ')'),
        };
        let mut depth = 0;
        (open..self.code.len()).find(|&at| {
            depth += i32::from(self.code[at] == opening) - i32::from(self.code[at] == closing);
            depth == 0
        })
    }
}

/// How the character at `at` changes the depth; the `>` of an arrow does not.
fn step(code: &[char], at: usize) -> i32 {
    match code[at] {
        '(' | '[' | '{' | '<' => 1,
        '>' if at > 0 && matches!(code[at - 1], '-' | '=') => 0,
        ')' | ']' | '}' | '>' => -1,
        _ => 0,
    }
}

/// The parts between the commas that stand in no brackets; an empty last one is dropped.
fn split_top(code: &[char]) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for at in 0..code.len() {
        depth += step(code, at);
        match code[at] {
            ',' if depth == 0 => parts.push(String::new()),
            character => parts
                .last_mut()
                .expect("there is always one")
                .push(character),
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn is_receiver(parameter: &str) -> bool {
    let pattern = parameter.split(':').next().unwrap_or_default();
    pattern.split(|character| !is_word(character)).next_back() == Some("self")
        || pattern.trim_end().ends_with("self") && pattern.trim_start().starts_with(['&', 'm', 's'])
}

/// Takes a `use` tree apart: `a::{b, c::{self, d}}` names `a::b`, `a::c` and `a::c::d`.
fn flatten(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let (head, inner) = tree
        .split_once('{')
        .map_or((tree, None), |(head, rest)| (head, rest.rsplit_once('}')));
    let head = head.split_whitespace().next().unwrap_or_default();
    match inner {
        Some((inner, _)) => {
            let inner: Vec<char> = inner.chars().collect();
            split_top(&inner)
                .iter()
                .for_each(|part| flatten(&format!("{prefix}{head}"), part, paths));
        }
        None if head == "self" => paths.push(prefix.trim_end_matches("::").to_owned()),
        None => paths.push(format!("{prefix}{head}")),
    }
}

fn is_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

/// `text` with a space for each character of a comment or a literal.
fn blank(text: &[char]) -> Vec<char> {
    let mut code = text.to_vec();
    let mut at = 0;
    while at < text.len() {
        let end = at + literal_length(text, at);
        code[at..end]
            .iter_mut()
            .filter(|character| **character != '\n')
            .for_each(|character| *character = ' ');
        at = end.max(at + 1);
    }
    code
}

/// The length of the comment or literal that starts at `at`; 0 where none does.
fn literal_length(text: &[char], at: usize) -> usize {
    let rest = &text[at..];
    let after_word = at > 0 && is_word(text[at - 1]);
    match rest {
        ['/', '/', ..] => rest
            .iter()
            .take_while(|&&character| character != '\n')
            .count(),
        ['/', '*', ..] => closing(rest, 2, &['*', '/'], false),
        ['"', ..] => closing(rest, 1, &['"'], true),
        ['r', '"' | '#', ..] if !after_word || text[at - 1] == 'b' => {
            let hashes = rest[1..]
                .iter()
                .take_while(|&&character| character == '#')
                .count();
            let end: Vec<char> = std::iter::once('"')
                .chain(std::iter::repeat_n('#', hashes))
                .collect();
            if rest.get(1 + hashes) == Some(&'"') {
                closing(rest, 2 + hashes, &end, false)
            } else {
                0
            }
        }
        ['\'', '\\', ..] => closing(rest, 1, &['\''], true),
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

/// The length up to the end of the first `end` from `start` on; a backslash hides what follows it
/// where `escapes`.
fn closing(rest: &[char], start: usize, end: &[char], escapes: bool) -> usize {
    let mut at = start;
    while at < rest.len() {
        if rest[at..].starts_with(end) {
            return at + end.len();
        }
        at += if escapes && rest[at] == '\\' { 2 } else { 1 };
    }
    rest.len()
}

#[test]
fn sources_are_read_for_what_they_are() {
    let text = r##"//! std::fs in a comment
use std::{fs, io::{self, Read as _}};
fn one<'a, F: Fn(u8, u8) -> Vec<u8>>(&'a self, map: BTreeMap<u8, F>, (x, y): (u8, [u8; 2]),) -> [u8; 2] {
    let quote = ('"', '\'', "println!(\"// }", r#"fs::read "}"#);
    zip::read(quote, a != b); fn_pointer(self.zip);
}
trait T { fn two(self: Box<Self>, a: u8); }
#[cfg(test)]
#[rustfmt::skip]
mod tests { fn three() { rayon::join!() } }
fn four() {}
"##;
    let source = Source::new("src/x.rs", text);
    let functions: Vec<_> = source
        .functions()
        .into_iter()
        .map(|f| (f.name, f.line, f.lines, f.parameters))
        .collect();
    let expected = [
        ("one", 3, 4, 2),
        ("two", 7, 0, 1),
        ("three", 10, 1, 0),
        ("four", 11, 1, 0),
    ];
    assert_eq!(
        functions,
        expected.map(|(name, line, lines, count)| (name.to_owned(), line, lines, count))
    );
    let named: Vec<_> = source
        .named()
        .into_iter()
        .map(|named| (named.path, named.line, named.test))
        .collect();
    let expected = [
        ("std::fs", 2, false),
        ("std::io", 2, false),
        ("std::io::Read", 2, false),
        ("zip::read", 5, false),
        ("rustfmt::skip", 9, true),
        ("rayon::join!", 10, true),
    ];
    assert_eq!(
        named,
        expected.map(|(path, line, test)| (path.to_owned(), line, test))
    );
}

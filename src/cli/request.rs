//! Reading what a command line names: wheels, directories, and the files of resolvers.
//!
//! Input: paths and URLs as they were typed; `-` means stdin. Output: the library's
//! [`Input`], in which every document has been read.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use pkg_install::command::{Document, Input, Selection, Source};
use pkg_install::error::{Error, Result};

use super::args::RequestArgs;
use super::args::groups::SelectionArgs;

/// Means stdin if it is given as the path of a file.
const STDIN: &str = "-";

impl RequestArgs {
    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.wheels.is_empty()
            && self.report.is_empty()
            && self.lock.is_empty()
            && self.requirements.is_empty()
    }
}

/// Reads everything that a request names.
pub fn read(args: &RequestArgs) -> Result<Input> {
    let files = [&args.report, &args.lock, &args.requirements];
    refuse_stdin_twice(files.into_iter().flatten())?;
    let mut input = Input {
        reports: documents(&args.report)?,
        locks: documents(&args.lock)?,
        requirements: documents(&args.requirements)?,
        selection: selection(&args.selection),
        find_links: args.selection.find_links.clone(),
        ..Input::default()
    };
    for argument in &args.wheels {
        input.sources.extend(Source::from_argument(argument)?);
    }
    Ok(input)
}

/// Reads the files of `sync`, whose kinds are recognised by what they contain.
pub fn read_files(files: &[PathBuf], args: &RequestArgs) -> Result<Input> {
    refuse_stdin_twice(files)?;
    let mut input = read(args)?;
    for file in files {
        let is_wheel = file.is_dir() || file.extension().is_some_and(|name| name == "whl");
        let text = file.to_string_lossy();
        if is_wheel || text.contains("://") || text.contains(".whl#") {
            input.sources.extend(Source::from_argument(file)?);
            continue;
        }
        let document = document(file)?;
        match kind(&document.content) {
            FileKind::Report => input.reports.push(document),
            FileKind::Lock => input.locks.push(document),
            FileKind::Requirements => input.requirements.push(document),
        }
    }
    Ok(input)
}

/// The kinds of files that resolvers write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileKind {
    Report,
    Lock,
    Requirements,
}

/// The kind of a resolver's file. Names are not looked at, because stdin has none.
fn kind(content: &[u8]) -> FileKind {
    let mut lines = content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    if content.trim_ascii_start().starts_with(b"{") {
        FileKind::Report
    } else if lines.any(|line| {
        let key = line.strip_prefix(b"lock-version");
        key.is_some_and(|rest| rest.trim_ascii_start().starts_with(b"="))
    }) {
        FileKind::Lock
    } else {
        FileKind::Requirements
    }
}

fn refuse_stdin_twice<'p>(files: impl IntoIterator<Item = &'p PathBuf>) -> Result<()> {
    let from_stdin = files.into_iter().filter(|path| path.as_os_str() == STDIN);
    if from_stdin.count() > 1 {
        return Err(Error::usage(
            "`-` is given more than once, and stdin can be read only once",
        ));
    }
    Ok(())
}

/// The extras and groups to select from lock files.
fn selection(args: &SelectionArgs) -> Selection {
    // A variable that ends in a comma yields an empty name.
    let named = |names: &[String]| {
        names
            .iter()
            .filter(|name| !name.is_empty())
            .cloned()
            .collect()
    };
    Selection {
        extras: named(&args.extra),
        groups: named(&args.group),
        without_default_groups: args.no_default_groups,
    }
}

fn documents(paths: &[PathBuf]) -> Result<Vec<Document>> {
    paths.iter().map(|path| document(path)).collect()
}

/// The content of a file; `-` reads stdin.
fn document(path: &Path) -> Result<Document> {
    if path.as_os_str() != STDIN {
        return Document::read(path);
    }
    let mut content = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut content);
    read.map_err(|error| Error::io("read", Path::new("stdin"), error))?;
    Ok(Document {
        at: path.to_owned(),
        content,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_file_is_recognised_by_its_content() {
        for (content, expected) in [
            ("{\"version\": \"1\"}", FileKind::Report),
            ("\n  {", FileKind::Report),
            ("# made by uv\nlock-version = \"1.0\"\n", FileKind::Lock),
            ("lock-version=\"1.0\"", FileKind::Lock),
            ("six==1.17.0\n", FileKind::Requirements),
            (
                "# lock-version\nsix==1.17.0 \\\n  --hash=…",
                FileKind::Requirements,
            ),
            ("", FileKind::Requirements),
        ] {
            assert_eq!(kind(content.as_bytes()), expected, "{content}");
        }
    }
}

//! Reading what a command line names: wheels, directories, and the files of resolvers.
//!
//! Input: paths and URLs as they were typed; `-` means stdin. Output: the library's
//! [`Input`], in which every document has been read.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use pkg_install::command::{Context, Document, Input, Options, Selection, Source};
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

/// Reads everything that a request names; documents at URLs are fetched.
pub fn read(args: &RequestArgs, options: &Options, context: Context<'_>) -> Result<Input> {
    let files = [&args.report, &args.lock, &args.requirements];
    refuse_stdin_twice(files.into_iter().flatten())?;
    let mut input = Input {
        reports: documents(&args.report, options, context)?,
        locks: documents(&args.lock, options, context)?,
        requirements: documents(&args.requirements, options, context)?,
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
pub fn read_files(
    files: &[PathBuf],
    args: &RequestArgs,
    options: &Options,
    context: Context<'_>,
) -> Result<Input> {
    refuse_stdin_twice(files)?;
    let mut input = read(args, options, context)?;
    for file in files {
        let text = file.to_string_lossy();
        // A URL may have a query or a hash behind the name of the file.
        let name = text.split(['?', '#']).next().unwrap_or_default();
        if file.is_dir() || text.ends_with(".whl") || name.ends_with(".whl") {
            input.sources.extend(Source::from_argument(file)?);
            continue;
        }
        let document = document(file, options, context)?;
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

fn documents(paths: &[PathBuf], options: &Options, context: Context<'_>) -> Result<Vec<Document>> {
    let read = |path: &PathBuf| document(path, options, context);
    paths.iter().map(read).collect()
}

/// The content of a file or a URL; `-` reads stdin.
fn document(path: &Path, options: &Options, context: Context<'_>) -> Result<Document> {
    if path.as_os_str() != STDIN {
        return Document::read(path, options, context);
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

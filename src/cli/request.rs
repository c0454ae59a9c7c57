//! Reading what a command line names: wheels, directories, and the files of resolvers.
//!
//! Input: paths and URLs as they were typed; `-` means stdin. Output: the library's
//! [`Input`], in which every document has been read.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use pkg_install::command::{Context, Document, Input, Options, Selection, Source};
#[cfg(feature = "http")]
use pkg_install::command::{Places, ResolutionRequest, Upgrading};
use pkg_install::error::{Error, Result};
use pkg_install::progress::{Activity, ActivityKind, RunningActivity};

use super::args::RequestArgs;
#[cfg(feature = "http")]
use super::args::ResolveArgs;
use super::args::groups::SelectionArgs;
#[cfg(feature = "http")]
use super::args::resolution::{IndexStrategy, ResolutionArgs, Strategy, UpgradeArgs};

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
    refuse_stdin_twice(read_by(args))?;
    let mut input = Input {
        reports: documents(&args.report, options, context)?,
        locks: documents(&args.lock, options, context)?,
        requirements: documents(&args.requirements, options, context)?,
        selection: selection(&args.selection),
        #[cfg(feature = "http")]
        resolution: resolution(&args.selection, options, context)?,
        ..Input::default()
    };
    // An address is a page of links; only directories hold the wheels of pinned lists.
    let directories = args.selection.find_links.iter();
    input.find_links = directories
        .filter(|path| !path.to_string_lossy().contains("://"))
        .cloned()
        .collect();
    for argument in &args.wheels {
        #[cfg(feature = "http")]
        if input.resolution.take_argument(argument) {
            continue;
        }
        input.sources.extend(Source::from_argument(argument)?);
    }
    refuse_empty_lists(&input, options)?;
    Ok(input)
}

/// The files that a request reads.
fn read_by(args: &RequestArgs) -> impl Iterator<Item = &PathBuf> {
    let files = [&args.report, &args.lock, &args.requirements];
    #[cfg(feature = "http")]
    let files = [files.as_slice(), &[&args.selection.resolution.constraints]].concat();
    files.into_iter().flatten()
}

/// Refuses to remove every project because the lists that were given have no line: most likely the
/// program that should have written them failed.
fn refuse_empty_lists(input: &Input, options: &Options) -> Result<()> {
    let is_blank = |document: &Document| {
        let text = document.content.as_slice();
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        lines.all(|line| line.is_empty() || line.starts_with(b"#"))
    };
    #[cfg(feature = "http")]
    let names_projects = !input.resolution.requirements.is_empty();
    #[cfg(not(feature = "http"))]
    let names_projects = false;
    let names_more = names_projects
        || !input.sources.is_empty()
        || !input.reports.is_empty()
        || !input.locks.is_empty();
    let lists = &input.requirements;
    if !options.exact || names_more || lists.is_empty() || !lists.iter().all(is_blank) {
        return Ok(());
    }
    Err(Error::usage(
        "the lists are empty, so that every installed project would be removed; \
         `pkg-install uninstall` removes projects",
    ))
}

/// Reads the files of `sync`, whose kinds are recognised by what they contain.
pub fn read_files(
    files: &[PathBuf],
    args: &RequestArgs,
    options: &Options,
    context: Context<'_>,
) -> Result<Input> {
    refuse_stdin_twice(files.iter().chain(read_by(args)))?;
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
    refuse_empty_lists(&input, options)?;
    Ok(input)
}

/// The wheels that are given as nothing but paths.
pub fn wheels(paths: &[PathBuf]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in paths {
        sources.extend(Source::from_argument(path)?);
    }
    Ok(sources)
}

/// The wheels that `verify` is given.
pub fn local_wheels(paths: &[PathBuf]) -> Result<Vec<Source>> {
    for path in paths {
        let text = path.to_string_lossy();
        if text.starts_with("http://") || text.starts_with("https://") {
            return Err(Error::usage(
                "a wheel on a server cannot be verified; `pkg-install download` fetches it",
            ));
        }
    }
    wheels(paths)
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

/// How names and loose lists are resolved.
#[cfg(feature = "http")]
fn resolution(
    args: &SelectionArgs,
    options: &Options,
    context: Context<'_>,
) -> Result<ResolutionRequest> {
    let links = args.find_links.iter();
    let links: Vec<String> = links
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    let mut request = args.resolution.request(&links, options, context)?;
    request.extras.clone_from(&args.extra);
    request.groups.clone_from(&args.group);
    args.upgrade.add_to(&mut request);
    Ok(request)
}

#[cfg(feature = "http")]
impl ResolveArgs {
    /// Reads everything that is named.
    pub fn request(&self, options: &Options, context: Context<'_>) -> Result<ResolutionRequest> {
        if self.named.is_empty() && self.requirements.is_empty() {
            return Err(Error::usage("no requirement was named"));
        }
        let mut request = self
            .resolution
            .request(&self.find_links, options, context)?;
        request.requirements.clone_from(&self.named);
        request.lists = documents(&self.requirements, options, context)?;
        request.extras.clone_from(&self.extra);
        request.groups.clone_from(&self.group);
        Ok(request)
    }
}

#[cfg(feature = "http")]
impl ResolutionArgs {
    /// The request without requirements.
    pub fn request(
        &self,
        find_links: &[String],
        options: &Options,
        context: Context<'_>,
    ) -> Result<ResolutionRequest> {
        let (mut extra_index_urls, mut tied) = (Vec::new(), Vec::new());
        for text in &self.index {
            // A `=` behind the scheme belongs to the address.
            match text.split_once('=') {
                Some((name, url)) if !name.contains(':') => {
                    tied.push((name.to_owned(), url.to_owned()));
                }
                _ => extra_index_urls.push(text.clone()),
            }
        }
        extra_index_urls.extend_from_slice(&self.extra_index_url);
        Ok(ResolutionRequest {
            constraints: documents(&self.constraints, options, context)?,
            places: Places {
                index_url: self.index_url.clone(),
                extra_index_urls,
                tied,
                find_links: find_links.to_vec(),
                no_index: self.no_index,
                merges_indexes: self.index_strategy == IndexStrategy::Any,
            },
            pip: if self.no_pip_config {
                Places::default()
            } else {
                super::pip_configuration::places()?
            },
            prereleases: self.pre,
            no_deps: self.no_deps,
            before: self.exclude_newer,
            ..ResolutionRequest::default()
        })
    }
}

#[cfg(feature = "http")]
impl UpgradeArgs {
    /// Adds them to a request.
    pub fn add_to(&self, request: &mut ResolutionRequest) {
        request.upgrade = match (self.upgrade, self.upgrade_strategy) {
            (false, _) => Upgrading::Nothing,
            (true, Strategy::OnlyIfNeeded) => Upgrading::Named,
            (true, Strategy::Eager) => Upgrading::Everything,
        };
        request.save_report.clone_from(&self.save_report);
        request.save_lock.clone_from(&self.save_lock);
    }
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
    let is_stdin = path.as_os_str() == STDIN;
    let subject = match is_stdin {
        true if std::io::stdin().is_terminal() => "from the terminal...".to_owned(),
        true => "from standard input".to_owned(),
        false => path.display().to_string(),
    };
    let activity = Activity::new(ActivityKind::ReadInput, subject);
    let _running = RunningActivity::begin(context.events, &activity);
    if is_stdin {
        Document::read_stdin(context)
    } else {
        Document::read(path, options, context)
    }
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

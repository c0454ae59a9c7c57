//! `download`: the wheels that an installation would need, in a directory, and nothing installed.
//!
//! Input: what would be installed. Output: the paths of the wheels. What had their names before is
//! replaced. Limits: an environment is looked for only where a report, a lock file or a list has to
//! be fitted to one.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::fetching::wanted;
use super::{Context, Input, Options};
use crate::archive;
use crate::digest::Digest;
use crate::download::{Downloader, RemoteFile};
use crate::environment::{self, Locate};
use crate::error::{ArchiveFault, Error, Result, SourceFault};
use crate::fs::{Dir, OpenFile, ReadAt as _};
use crate::outcome::{Outcome, Report};
use crate::source::{Source, merged};
use crate::spec::wheel_name::WheelName;

/// What to fetch, and where to put it.
#[derive(Debug, Clone, Copy)]
pub struct Fetch<'a> {
    /// What would be installed.
    pub input: &'a Input,
    /// The directory for its wheels; made where it is missing.
    pub dest: &'a Path,
}

/// Puts every wheel into a directory; returns their paths, in the order of the input.
///
/// # Errors
/// Where one cannot be fetched or is not what was promised; those that came before it stay.
pub fn download(
    locate: &Locate,
    fetch: Fetch<'_>,
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<Vec<PathBuf>> {
    let Fetch { input, dest } = fetch;
    let sources = if input.needs_environment() {
        input.resolve(&environment::locate(locate)?, options, report)?
    } else {
        merged(input.sources.clone())
    };
    let mut names = HashSet::new();
    if let Some(twice) = sources
        .iter()
        .find(|source| !names.insert(&source.file_name))
    {
        return Err(Error::usage(format!(
            "there are two files that are called `{}`",
            twice.file_name
        )));
    }
    if options.require_hashes
        && let Some(source) = sources.iter().find(|source| source.pinned.is_empty())
    {
        return Err(Error::wheel(&source.label(), SourceFault::NotPinned));
    }
    Dir::make_all(context.fs, dest)?;
    let dest = Dir::open(context.fs, dest)?;
    let downloader = Downloader::new(&options.download, context.fs, Arc::clone(context.cancel))?;
    for source in &sources {
        if let Some(path) = source.path() {
            let file = OpenFile::open(path)?
                .ok_or_else(|| Error::wheel(&source.label(), ArchiveFault::NotAFile))?;
            put(&dest, source, &file, &[])?;
        }
    }
    let (remote, missing): (Vec<&Source>, Vec<RemoteFile>) = sources
        .iter()
        .filter_map(|source| Some((source, wanted(source)?)))
        .unzip();
    let turn = Mutex::new(());
    downloader.fetch_all(
        &missing,
        context.progress,
        &|index: usize, file: OpenFile| {
            let _one_at_a_time = turn.lock().unwrap_or_else(PoisonError::into_inner);
            put(&dest, remote[index], &file, &missing[index].pinned)
        },
    )?;
    report.warnings.extend(downloader.take_warnings());
    report.outcome = Outcome::Committed;
    Ok(sources
        .iter()
        .map(|source| dest.path().join(&source.file_name))
        .collect())
}

/// Copies a wheel into the directory under its own name, in one step for whoever looks. `known` are
/// digests of the file that were computed already.
fn put(dest: &Dir, source: &Source, file: &OpenFile, known: &[Digest]) -> Result<()> {
    let label = source.label();
    let digest_of = |algorithm| {
        Digest::among(known, algorithm).map_or_else(|| archive::digest_of(file, algorithm), Ok)
    };
    if let Some(fault) = source.pinned.check(digest_of)? {
        return Err(Error::wheel(&label, fault));
    }
    let name = &source.file_name;
    // A wheel's name is one component of a path, and no hidden one.
    WheelName::parse(name).map_err(|fault| Error::wheel(&label, fault))?;
    let partial = format!(".{name}.part");
    dest.remove_file(&partial)?;
    let mut copy = dest.create(&partial, false)?;
    file.in_pieces(&mut |piece| copy.write(piece))?;
    drop(copy);
    dest.replace(&partial, name)
}

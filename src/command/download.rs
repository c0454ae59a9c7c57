//! `download`: puts the wheels that an installation would need into a directory, and installs
//! nothing.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::remote::remote_file;
use super::{Context, Options};
use crate::archive;
use crate::digest::Digest;
use crate::download::{Downloader, RemoteFile};
use crate::error::{ArchiveFault, Error, Result, SourceFault};
use crate::fs::{Dir, OpenFile, ReadAt as _};
use crate::source::Source;
use crate::spec::wheel_name::WheelName;

/// Puts every wheel into the directory `dest`, which is made if it is missing, under its file name.
/// Files of the same names are replaced. Returns the paths in the order of `sources`.
///
/// # Errors
/// The first wheel that cannot be fetched or read, or is not what was promised. Wheels that were
/// put there before it stay.
pub fn download(
    sources: &[Source],
    dest: &Path,
    options: &Options,
    context: Context<'_>,
) -> Result<Vec<PathBuf>> {
    let mut names = HashSet::new();
    // One file would silently replace the other, so this is refused before any is written.
    if let Some(twice) = sources
        .iter()
        .find(|source| !names.insert(&source.file_name))
    {
        return Err(Error::usage(format!(
            "two of the wheels have the file name `{}`",
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
    let downloader = Downloader::new(&options.download, context.fs, context.cancel.clone())?;
    for source in sources {
        if let Some(path) = source.path() {
            let file = OpenFile::open(path)?
                .ok_or_else(|| Error::wheel(&source.label(), ArchiveFault::NotAFile))?
                .settled()?;
            put(&dest, source, &file, &[])?;
        }
    }
    let (remote, missing): (Vec<&Source>, Vec<RemoteFile>) = sources
        .iter()
        .filter_map(|source| Some((source, remote_file(source)?)))
        .unzip();
    let turn = Mutex::new(());
    downloader.fetch_all(&missing, context.events, &|index: usize, file: OpenFile| {
        // Copies side by side would only compete for the disk.
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        put(&dest, remote[index], &file, &missing[index].pinned)
    })?;
    context.warn(downloader.take_warnings());
    Ok(sources
        .iter()
        .map(|source| dest.path().join(&source.file_name))
        .collect())
}

/// Checks a wheel against its pinned digests and copies it into the directory. `known` are digests
/// of this file that were computed before.
fn put(dest: &Dir, source: &Source, file: &OpenFile, known: &[Digest]) -> Result<()> {
    let label = source.label();
    let digest_of = |algorithm| {
        Digest::among(known, algorithm).map_or_else(|| archive::digest_of(file, algorithm), Ok)
    };
    if let Some(fault) = source.pinned.check(digest_of)? {
        return Err(Error::wheel(&label, fault));
    }
    let name = &source.file_name;
    // The name comes from a URL or a report. A wheel's name is a single component of a path, and
    // does not begin with a dot.
    WheelName::parse(name).map_err(|fault| Error::wheel(&label, fault))?;
    // Written under another name, so that the directory never shows half a wheel.
    let partial = format!(".{name}.part");
    // An interrupted command may have left this file.
    dest.remove_file(&partial)?;
    let mut copy = dest.create(&partial, false)?;
    file.in_pieces(&mut |piece| copy.write(piece))?;
    drop(copy);
    dest.replace(&partial, name)
}

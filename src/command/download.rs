//! `download`: puts the wheels that an installation would need into a directory, and installs
//! nothing.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::remote::remote_file;
use super::request::Input;
use super::shared_downloads::SharedDownloads;
use super::{Context, Options, names};
use crate::archive;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::download::RemoteFile;
use crate::environment::Locate;
use crate::error::{ArchiveFault, Error, Result, SourceFault};
use crate::fs::{self, Dir, OpenFile, ReadAt as _};
use crate::source::Source;
use crate::spec::direct_url::DirectUrl;
use crate::spec::location::Location;
use crate::spec::wheel_name::WheelName;

/// A wheel in the directory of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadedWheel {
    /// Its path.
    pub path: PathBuf,
    /// The URL that it comes from, without credentials; for a local file a `file` URL.
    pub url: String,
    /// Its SHA-256 in hexadecimal digits; in a dry run only if it is pinned.
    pub sha256: Option<String>,
    /// Its length in bytes; in a dry run only if it is known.
    pub size: Option<u64>,
}

impl DownloadedWheel {
    /// The wheel of the source in the directory, as far as the source describes it.
    fn of(source: &Source, dest: &Path) -> Result<Self> {
        let location = match source.path() {
            Some(path) => Location::File(fs::absolute(path)?),
            None => source.location.clone(),
        };
        let pinned = Digest::among(&source.pinned.certain(), Algorithm::Sha256);
        let on_disk = match source.path() {
            Some(path) => fs::stat(path)?.map(|stat| stat.size),
            None => None,
        };
        Ok(Self {
            path: dest.join(&source.file_name),
            url: DirectUrl::of_archive(&location, &[]).url().to_owned(),
            sha256: pinned.map(Digest::to_hex),
            size: source.size.or(on_disk),
        })
    }
}

/// Puts every wheel that an installation of `input` would need into the directory `dest`, which is
/// made if it is missing, under its file name. Files of the same names are replaced. Returns the
/// wheels in the order of the input. With [`Options::dry_run`] no wheel is fetched or written. The
/// environment that `locate` means counts only if the input depends on one.
///
/// # Errors
/// All faults of all texts in one error; there is no such environment; no set of wheels satisfies
/// the requirements; or the first wheel that cannot be fetched or read, or is not what was
/// promised. Wheels that were put there before it stay.
pub fn download(
    locate: &Locate,
    input: &Input,
    dest: &Path,
    options: &Options,
    context: Context<'_>,
) -> Result<Vec<DownloadedWheel>> {
    let downloads = SharedDownloads::new(options, context);
    let sources = names::sources(locate, input, &downloads)?;
    fetch_all(&sources, dest, &downloads)
}

fn fetch_all(
    sources: &[Source],
    dest: &Path,
    downloads: &SharedDownloads<'_>,
) -> Result<Vec<DownloadedWheel>> {
    let (options, context) = (downloads.options, downloads.context);
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
    let mut wheels: Vec<DownloadedWheel> = sources
        .iter()
        .map(|source| DownloadedWheel::of(source, dest))
        .collect::<Result<_>>()?;
    if options.dry_run {
        return Ok(wheels);
    }
    Dir::make_all(context.fs, dest)?;
    let dest = Dir::open(context.fs, dest)?;
    let downloader = downloads.downloader()?;
    for (source, wheel) in sources.iter().zip(&mut wheels) {
        if let Some(path) = source.path() {
            let file = OpenFile::open(path)?
                .ok_or_else(|| Error::wheel(&source.label(), ArchiveFault::NotAFile))?
                .settled()?;
            put(&dest, source, &file, &[])?.complete(wheel);
        }
    }
    let (remote, missing): (Vec<usize>, Vec<RemoteFile>) = sources
        .iter()
        .enumerate()
        .filter_map(|(number, source)| Some((number, remote_file(source)?)))
        .unzip();
    let wheels = Mutex::new(wheels);
    downloader.fetch_all(&missing, context.events, &|index: usize, file: OpenFile| {
        // Copies side by side would only compete for the disk.
        let mut wheels = wheels.lock().unwrap_or_else(PoisonError::into_inner);
        let number = remote[index];
        let copied = put(&dest, &sources[number], &file, &missing[index].pinned)?;
        copied.complete(&mut wheels[number]);
        Ok(())
    })?;
    context.warn(downloader.take_warnings());
    Ok(wheels.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// What is known of a file once it was copied.
struct Copied {
    sha256: Digest,
    size: u64,
}

impl Copied {
    fn complete(&self, wheel: &mut DownloadedWheel) {
        wheel.sha256 = Some(self.sha256.to_hex());
        wheel.size = Some(self.size);
    }
}

/// Checks a wheel against its pinned digests and copies it into the directory. `known` are digests
/// of this file that were computed before.
fn put(dest: &Dir, source: &Source, file: &OpenFile, known: &[Digest]) -> Result<Copied> {
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
    let pinned = source.pinned.certain();
    let proven = Digest::among(known, Algorithm::Sha256)
        .or_else(|| Digest::among(&pinned, Algorithm::Sha256));
    // Hashed on the way only if it was not hashed before.
    let mut hasher = proven.is_none().then(|| Hasher::new(Algorithm::Sha256));
    file.in_pieces(&mut |piece| {
        if let Some(hasher) = &mut hasher {
            hasher.update(piece);
        }
        copy.write(piece)
    })?;
    drop(copy);
    dest.replace(&partial, name)?;
    let hashed = hasher.map(Hasher::finish);
    Ok(Copied {
        sha256: proven.or(hashed).expect("what is not proven is hashed"),
        size: file.size(),
    })
}

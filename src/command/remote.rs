//! Remote wheels: previewed before anything is planned, downloaded while others are staged.
//!
//! Planning needs a few kilobytes of each wheel. Only the wheels of the plan are then downloaded as
//! a whole; each is checked on its own and against its preview. Limits: a wheel is downloaded
//! before it is planned if its own digest goes into direct_url.json and is not known, or if the
//! downloader is offline, so that it is in the cache anyway.

use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};

use super::Options;
use super::shared_downloads::SharedDownloads;
use crate::archive::Archive;
use crate::cancellation::Cancellation;
use crate::digest::Digest;
use crate::download::{Downloader, Peek, RemoteFile, label_of};
use crate::error::{Error, Result, SourceFault};
use crate::fs::OpenFile;
use crate::outcome::{Events, Warning};
use crate::source::{Location, Source};
use crate::stage::{Arrival, Arrivals};
use crate::threads::{Pool, in_parallel};
use crate::wheel::{self, Archives, OpenOptions, Records, Wheel, WheelId};

/// How many bytes of a file's end are asked for first if the whole file is probably needed soon.
/// Most wheels are smaller, so that one request brings them whole.
const TAIL: u64 = 1 << 18;

/// A wheel of the plan that is not here.
#[derive(Clone, Copy)]
pub struct Missing<'a> {
    /// Its position in the input.
    pub id: WheelId,
    /// The file to download.
    pub source: &'a Source,
    /// The wheel as previewed so far.
    pub preview: &'a Wheel,
}

/// Reads remote wheels.
pub struct RemoteWheels {
    downloader: Downloader,
    open: OpenOptions,
    offline: bool,
}

/// A wheel, and its archive if the whole file is here.
type Previewed = (Wheel, Option<Archive>);

/// The file that the source of a remote wheel means; `None` if the wheel is not remote.
pub fn remote_file(source: &Source) -> Option<RemoteFile> {
    let Location::Url(url) = &source.location else {
        return None;
    };
    Some(RemoteFile {
        url: url.clone(),
        file_name: source.file_name.clone(),
        size: source.size,
        pinned: source.pinned.certain(),
        label: label_of(url),
    })
}

impl RemoteWheels {
    /// Connects to nothing yet.
    pub fn new(
        open: OpenOptions,
        options: &Options,
        downloads: &SharedDownloads<'_>,
    ) -> Result<Self> {
        let settings = &options.download;
        let tail = if options.dry_run { settings.tail } else { TAIL };
        Ok(Self {
            downloader: downloads.downloader()?.with_tail(tail),
            open,
            offline: settings.offline,
        })
    }

    /// Opens the wheels that are on disk, and previews those that are not.
    ///
    /// # Errors
    /// All faults of all wheels in one error; but if anything cannot be read, only that.
    pub fn open_among(
        &self,
        sources: &[Source],
        pool: &Pool,
        progress: &dyn Events,
    ) -> Result<(Vec<Wheel>, Archives)> {
        let is_local = |source: &Source| source.path().is_some();
        let (local, remote): (Vec<&Source>, Vec<&Source>) =
            sources.iter().partition(|source| is_local(source));
        let local = in_parallel(pool, &local, |source| {
            let (wheel, archive) = Wheel::open(source, self.open)?;
            Ok((wheel, Some(archive)))
        });
        let remote = self.preview_all(&remote, self.open, progress)?;
        let (mut local, mut remote) = (local.into_iter(), remote.into_iter());
        let in_order = sources.iter().filter_map(|source| {
            if is_local(source) {
                local.next()
            } else {
                remote.next()
            }
        });
        let mut wheels = Vec::with_capacity(sources.len());
        let mut archives = Archives::default();
        for (wheel, archive) in Error::all_or_refused(in_order)? {
            archives.push(&wheel.label, archive);
            wheels.push(wheel);
        }
        Ok((wheels, archives))
    }

    /// Previews wheels again, and reads every RECORD this time.
    ///
    /// # Errors
    /// As [`RemoteWheels::open_among`], and [`SourceFault::ChangedOnServer`] if a server has
    /// another file by now.
    pub fn read_digests(
        &self,
        missing: &[Missing<'_>],
        progress: &dyn Events,
    ) -> Result<Vec<Wheel>> {
        let open = OpenOptions {
            records: Records::All,
            ..self.open
        };
        let sources: Vec<&Source> = missing.iter().map(|missing| missing.source).collect();
        let seen = self.preview_all(&sources, open, progress)?;
        let checked = missing.iter().zip(seen).map(|(missing, seen)| match seen? {
            (wheel, _) if missing.preview.installs_the_same(&wheel) => Ok(wheel),
            (wheel, _) => Err(Error::wheel(&wheel.label, SourceFault::ChangedOnServer)),
        });
        Error::all_or_refused(checked)
    }

    /// Calls `work` while the wheels in `missing` are downloaded; `work` receives them.
    pub fn while_downloading<T>(
        &self,
        missing: &[Missing<'_>],
        progress: &dyn Events,
        work: impl FnOnce(Arrivals<'_>) -> T,
    ) -> T {
        let (sender, archives) = mpsc::channel();
        let enough = self.downloader.cancel().child();
        std::thread::scope(|scope| {
            let flag = &enough;
            // The sender is dropped with the thread, which ends the channel.
            scope.spawn(move || self.download(missing, progress, flag, &sender));
            let done = work(Arrivals {
                archives,
                enough: &enough,
            });
            // `work` may have failed before it began to receive.
            enough.cancel();
            done
        })
    }

    /// Oddities of the downloads so far; each is returned once.
    pub fn take_warnings(&self) -> Vec<Warning> {
        self.downloader.take_warnings()
    }

    /// Downloads wheels, checks them and sends them, until `enough` is cancelled.
    fn download(
        &self,
        missing: &[Missing<'_>],
        progress: &dyn Events,
        enough: &Cancellation,
        sender: &Sender<Arrival>,
    ) {
        let files: Vec<RemoteFile> = missing
            .iter()
            .filter_map(|missing| remote_file(missing.source))
            .collect();
        let arrived = |index: usize, file: OpenFile| {
            let Missing {
                id,
                source,
                preview,
            } = missing[index];
            let known = &files[index].pinned;
            let archive = preview.check_whole(source, file, known, self.open)?;
            // If nothing receives any more, staging has failed with an error of its own.
            sender
                .send(Ok((id, archive)))
                .map_err(|_| Error::interrupted())
        };
        let done = self
            .downloader
            .fetch_until(enough, &files, progress, &arrived);
        if let Err(error) = done {
            // As above.
            let _ = sender.send(Err(error));
        }
    }

    /// Previews remote wheels, or downloads those that are needed whole. The results are in the
    /// order of `sources`.
    ///
    /// # Errors
    /// The first failure that is not the fault of a wheel, which ends the other downloads.
    fn preview_all(
        &self,
        sources: &[&Source],
        open: OpenOptions,
        progress: &dyn Events,
    ) -> Result<Vec<Result<Previewed>>> {
        let (whole, parts): (Vec<usize>, Vec<usize>) = (0..sources.len())
            .partition(|&number| self.offline || wheel::needs_own_digest(sources[number]));
        let files_of = |numbers: &[usize]| -> Vec<RemoteFile> {
            let files = numbers.iter().map(|&number| remote_file(sources[number]));
            files.flatten().collect()
        };
        let found: Vec<Mutex<Option<Result<Previewed>>>> =
            sources.iter().map(|_| Mutex::new(None)).collect();
        let keep = |number: usize, seen: Result<Previewed>| {
            // The faults of one wheel are reported together with those of the others.
            if matches!(&seen, Err(error) if !error.is_refusal()) {
                return seen.map(drop);
            }
            *found[number].lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
            Ok(())
        };
        let files = files_of(&whole);
        self.downloader
            .fetch_all(&files, progress, &|index: usize, file: OpenFile| {
                let number = whole[index];
                let known = &files[index].pinned;
                keep(number, open_whole(sources[number], file, known, open))
            })?;
        let files = files_of(&parts);
        self.downloader
            .peek_all(&files, progress, &|index: usize, peek: Peek| {
                let number = parts[index];
                let known = &files[index].pinned;
                if peek.is_from_cache() {
                    progress.in_cache(&files[index].file_name);
                }
                keep(number, preview(sources[number], peek, known, open))
            })?;
        let found = found.into_iter();
        Ok(found
            .map(|seen| {
                let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
                seen.expect("every file was opened, or the download has failed")
            })
            .collect())
    }
}

fn open_whole(
    source: &Source,
    file: OpenFile,
    known: &[Digest],
    open: OpenOptions,
) -> Result<Previewed> {
    let (wheel, archive) = Wheel::open_file(source, file, known, open)?;
    Ok((wheel, Some(archive)))
}

fn preview(source: &Source, peek: Peek, known: &[Digest], open: OpenOptions) -> Result<Previewed> {
    match peek.into_complete() {
        Ok(file) => open_whole(source, file, known, open),
        Err(peek) => match Wheel::preview(source, Box::new(peek.clone()), open) {
            Ok(wheel) => Ok((wheel, None)),
            // The archive only knows that a read failed; the peek knows why.
            Err(error) => Err(peek.take_failure().unwrap_or(error)),
        },
    }
}

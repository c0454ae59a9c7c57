//! Wheels that are on servers: looked at before they are fetched, and fetched while others are
//! staged already.
//!
//! Input: [`Source`]s. Output: wheels that can be planned with from a few kilobytes of each, and a
//! [`Bring`] that fetches those that the plan needs. What has arrived is checked whole and against
//! what was seen of it before. Limits: a wheel whose own digest has to be recorded and is not
//! known, and everything when offline, is here before the plan.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::opening::{Coming, Opened};
use super::{Context, Options};
use crate::download::{Downloader, Peek, Receiver, RemoteFile, Settings, label_of};
use crate::error::{Error, Result};
use crate::fs::OpenFile;
use crate::outcome::{Progress, Warning};
use crate::plan::WheelId;
use crate::source::{Location, Source};
use crate::stage::{Bring, Waiting};
use crate::threads::{Pool, in_parallel};
use crate::wheel::{self, OpenOptions, Records, Wheel};

/// How much of a wheel's end is asked for first where all of it is wanted soon: most wheels are
/// smaller.
const TAIL: u64 = 1 << 18;

/// Opens the wheels that are here, and looks at those that are not.
///
/// # Errors
/// Every fault of every wheel; a failure to read comes first.
pub fn open(
    sources: &[Source],
    open: OpenOptions,
    options: &Options,
    pool: &Pool,
    context: Context<'_>,
) -> Result<Opened> {
    let tail = if options.dry_run {
        options.download.tail
    } else {
        TAIL
    };
    let settings = Settings {
        tail,
        ..options.download.clone()
    };
    let downloader = Downloader::new(&settings, context.fs, Arc::clone(context.cancel))?;
    let local: Vec<&Source> = sources
        .iter()
        .filter(|source| source.path().is_some())
        .collect();
    let mut local =
        in_parallel(pool, &local, |source| Wheel::open((*source).clone(), open)).into_iter();
    let look = Look {
        downloader: &downloader,
        sources,
        open,
        progress: context.progress,
    };
    let mut remote = look.at_all(options.download.offline)?;
    let opened =
        (0..sources.len()).filter_map(|number| remote.remove(&number).or_else(|| local.next()));
    let wheels = Error::all_or_refused(opened)?;
    Ok(Opened {
        wheels,
        coming: Some(Box::new(Fetching { downloader, open })),
    })
}

/// The file that a source on a server means.
pub(super) fn wanted(source: &Source) -> Option<RemoteFile> {
    let Location::Url(url) = &source.location else {
        return None;
    };
    let (file_name, size, pinned) = (
        source.file_name.clone(),
        source.size,
        source.pinned.certain(),
    );
    Some(RemoteFile {
        url: url.clone(),
        file_name,
        size,
        pinned,
        label: label_of(url),
    })
}

/// Looking at wheels that are elsewhere.
struct Look<'a> {
    downloader: &'a Downloader,
    sources: &'a [Source],
    open: OpenOptions,
    progress: &'a dyn Progress,
}

impl Look<'_> {
    /// The wheels by the numbers of their sources, or what is wrong with each.
    fn at_all(&self, offline: bool) -> Result<BTreeMap<usize, Result<Wheel>>> {
        let remote = self
            .sources
            .iter()
            .enumerate()
            .filter_map(|(number, source)| Some((number, wanted(source)?)));
        let whole =
            |number: usize| offline || wheel::needs_its_digest(&self.sources[number], self.open);
        let (first, others): (Vec<_>, Vec<_>) = remote.partition(|(number, _)| whole(*number));
        let found: Mutex<BTreeMap<usize, Result<Wheel>>> = Mutex::default();
        let keep = |number: usize, wheel: Result<Wheel>| {
            // What is wrong with one wheel is told with what is wrong with the others; any other
            // failure ends it all.
            if matches!(&wheel, Err(error) if !error.is_refusal()) {
                return wheel.map(drop);
            }
            found
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(number, wheel);
            Ok(())
        };
        let (numbers, first): (Vec<usize>, Vec<RemoteFile>) = first.into_iter().unzip();
        self.downloader
            .fetch_all(&first, self.progress, &|index: usize, file: OpenFile| {
                keep(
                    numbers[index],
                    self.whole(numbers[index], &first[index], file),
                )
            })?;
        let (numbers, others): (Vec<usize>, Vec<RemoteFile>) = others.into_iter().unzip();
        self.downloader
            .peek_all(&others, self.progress, &|index, peek| {
                keep(
                    numbers[index],
                    self.preview(numbers[index], &others[index], peek),
                )
            })?;
        Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn whole(&self, number: usize, wanted: &RemoteFile, file: OpenFile) -> Result<Wheel> {
        Wheel::of_file(
            self.sources[number].clone(),
            file,
            &wanted.pinned,
            self.open,
        )
    }

    fn preview(&self, number: usize, wanted: &RemoteFile, peek: Peek) -> Result<Wheel> {
        let peek = match peek.into_complete() {
            Ok(file) => return self.whole(number, wanted, file),
            Err(peek) => peek,
        };
        let wheel = Wheel::preview(
            self.sources[number].clone(),
            Box::new(peek.clone()),
            self.open,
        );
        // A reader of archives only knows that a read failed; the peek knows why.
        wheel.map_err(|error| peek.take_failure().unwrap_or(error))
    }
}

/// Fetches what was looked at.
struct Fetching {
    downloader: Downloader,
    open: OpenOptions,
}

impl Coming for Fetching {
    fn look_closer(&self, wheels: &mut [Wheel], progress: &dyn Progress) -> Result<()> {
        let shallow: Vec<&mut Wheel> = wheels
            .iter_mut()
            .filter(|wheel| !wheel.is_record_read())
            .collect();
        let sources: Vec<Source> = shallow.iter().map(|wheel| wheel.source.clone()).collect();
        let open = OpenOptions {
            records: Records::All,
            ..self.open
        };
        let look = Look {
            downloader: &self.downloader,
            sources: &sources,
            open,
            progress,
        };
        let seen = Error::all_or_refused(look.at_all(false)?.into_values())?;
        shallow
            .into_iter()
            .zip(seen)
            .for_each(|(wheel, seen)| *wheel = seen);
        Ok(())
    }

    fn take_warnings(&self) -> Vec<Warning> {
        self.downloader.take_warnings()
    }
}

impl Bring for Fetching {
    fn bring(
        &self,
        wheels: &[Wheel],
        needed: &[WheelId],
        progress: &dyn Progress,
        waiting: &dyn Waiting,
    ) -> Result<()> {
        let missing = needed
            .iter()
            .filter_map(|&id| Some((id, wanted(&wheels[id.0 as usize].source)?)));
        let (ids, missing): (Vec<WheelId>, Vec<RemoteFile>) = missing.unzip();
        let arrivals = Arrivals {
            wheels,
            ids: &ids,
            wanted: &missing,
            open: self.open,
            waiting,
        };
        self.downloader.fetch_all(&missing, progress, &arrivals)
    }
}

/// Wheels on their way to who waits for them.
struct Arrivals<'a> {
    wheels: &'a [Wheel],
    ids: &'a [WheelId],
    wanted: &'a [RemoteFile],
    open: OpenOptions,
    waiting: &'a dyn Waiting,
}

impl Receiver for Arrivals<'_> {
    fn arrived(&self, index: usize, file: OpenFile) -> Result<()> {
        let id = self.ids[index];
        self.wheels[id.0 as usize].arrive(file, &self.wanted[index].pinned, self.open)?;
        self.waiting.here(id);
        Ok(())
    }

    fn wants_more(&self) -> bool {
        self.waiting.wants_more()
    }
}

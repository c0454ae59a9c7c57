//! From sources to wheels: those in the store are taken from there, files on disk are opened, and
//! remote files are previewed.
//!
//! Input: [`Source`]s. Output: [`Opened`], with the wheels in the same order and everything that is
//! needed to read more of them later.

use std::collections::HashSet;
use std::sync::Arc;

use super::Options;
use super::from_store::{FoundWheel, OpenedSource, UsedStore, UsedWheel, stat_of};
#[cfg(feature = "http")]
use super::remote::{Missing, RemoteWheels};
use super::shared_downloads::SharedDownloads;
use crate::error::Result;
use crate::fs::Stat;
use crate::outcome::{Events, Warning};
use crate::source::Source;
use crate::spec::record::Verify;
use crate::stage::{Arrivals, StoreFiles};
use crate::store::{ContentId, Filling, LinkMode, StoreCounts, StoredWheel};
use crate::threads::Pool;
use crate::wheel::{self, Archives, OpenOptions, Records, Wheel, WheelId};

/// Wheels that can be planned with, and their archives. By default there are none.
#[derive(Default)]
pub struct Opened {
    /// One wheel per source.
    pub wheels: Vec<Wheel>,
    /// The bytes of those wheels that are here.
    pub archives: Archives,
    /// The source of each wheel, and how its file looked before it was opened.
    sources: Vec<(Source, Option<Stat>)>,
    /// The files of the wheels that are in the store.
    stored: Vec<Option<Arc<StoredWheel>>>,
    /// The store; `None` if it is not used.
    store: Option<Arc<UsedStore>>,
    /// Reads remote wheels; `None` if there are none.
    #[cfg(feature = "http")]
    remote: Option<RemoteWheels>,
}

/// Opens all wheels.
///
/// # Errors
/// All faults of all wheels in one error; but if anything cannot be read, only that.
pub fn open(
    sources: Vec<Source>,
    options: &Options,
    pool: &Pool,
    downloads: &SharedDownloads<'_>,
) -> Result<Opened> {
    open_without(sources, options, (pool, &HashSet::new()), downloads)
}

/// As [`open`], but the entries of the store in `refused` are not used.
///
/// # Errors
/// As [`open`].
pub fn open_without(
    sources: Vec<Source>,
    options: &Options,
    (pool, refused): (&Pool, &HashSet<ContentId>),
    downloads: &SharedDownloads<'_>,
) -> Result<Opened> {
    let context = downloads.context;
    // A dry run needs few digests, so large RECORDs are read only if a decision turns out to depend
    // on them. Strict verification asks for RECORD itself.
    let records = if options.dry_run && options.verify != Verify::Strict {
        Records::Small
    } else {
        Records::All
    };
    let open = OpenOptions {
        verify: options.verify,
        require_hashes: options.require_hashes,
        records,
        complete_record: options.complete_record,
        fresh_digests: options.fresh_digests,
    };
    let Some(store) = UsedStore::open(&sources, (open, refused), options, context)? else {
        let mut opened = open_archives(&sources, open, (options, pool), downloads)?;
        opened.stored = sources.iter().map(|_| None).collect();
        opened.sources = sources.into_iter().map(|source| (source, None)).collect();
        return Ok(opened);
    };
    let mut found = store.find_all(&sources, pool, context)?;
    let unknown: Vec<usize> = (0..sources.len())
        .filter(|&number| found[number].is_none())
        .collect();
    let rest: Vec<Source> = (unknown.iter())
        .map(|&number| sources[number].clone())
        .collect();
    let looks: Vec<Option<Stat>> = rest.iter().map(stat_of).collect();
    let opened = open_archives(&rest, open, (options, pool), downloads)?;
    let known: Vec<OpenedSource<'_>> = (rest.iter().zip(&looks).zip(&opened.wheels))
        .map(|((source, before), wheel)| OpenedSource {
            source,
            before: *before,
            wheel,
        })
        .collect();
    let by_contents = store.find_opened(&known, pool, context)?;
    for (number, wheel) in unknown.iter().zip(by_contents) {
        found[*number] = wheel;
    }
    let mut looks_of: Vec<Option<Stat>> = vec![None; sources.len()];
    for (number, looks) in unknown.iter().zip(looks) {
        looks_of[*number] = looks;
    }
    Ok(Opened {
        sources: sources.into_iter().zip(looks_of).collect(),
        store: Some(Arc::new(store)),
        ..merged(found, &unknown, opened)
    })
}

/// A store, and the wheels in it whose files are used.
pub type StoreToCheck = (Arc<UsedStore>, Vec<UsedWheel>);

/// Puts the wheels from the store, by their numbers, between those that were opened, whose numbers
/// are `unknown`. An archive whose wheel was then found in the store is closed.
fn merged(found: Vec<Option<FoundWheel>>, unknown: &[usize], opened: Opened) -> Opened {
    let mut all = Opened {
        #[cfg(feature = "http")]
        remote: opened.remote,
        ..Opened::default()
    };
    let mut unknown = unknown.iter().peekable();
    let mut rest = opened.wheels.into_iter().zip(opened.archives.into_parts());
    for (number, found) in found.into_iter().enumerate() {
        let opened = unknown.next_if_eq(&&number).and_then(|_| rest.next());
        let (wheel, archive, stored) = match (found, opened) {
            (Some((wheel, stored)), _) => (wheel, None, Some(stored)),
            (None, Some((wheel, (_, archive)))) => (wheel, archive, None),
            (None, None) => unreachable!("what is not in the store was opened"),
        };
        all.archives.push(&wheel.label, archive);
        all.wheels.push(wheel);
        all.stored.push(stored);
    }
    all
}

/// Opens the archives of all wheels, or previews them. The result has no sources.
///
/// # Errors
/// As [`open`].
fn open_archives(
    sources: &[Source],
    open: OpenOptions,
    (options, pool): (&Options, &Pool),
    downloads: &SharedDownloads<'_>,
) -> Result<Opened> {
    #[cfg(feature = "http")]
    if sources.iter().any(|source| source.path().is_none()) {
        let remote = RemoteWheels::new(open, options, downloads)?;
        let (wheels, archives) = remote.open_among(sources, pool, downloads.context.events)?;
        return Ok(Opened {
            wheels,
            archives,
            remote: Some(remote),
            ..Opened::default()
        });
    }
    // Without the feature `http` the parameters would be unused.
    let _ = (options, downloads);
    let (wheels, archives) = wheel::open_all(pool, sources, open)?;
    Ok(Opened {
        wheels,
        archives,
        ..Opened::default()
    })
}

impl Opened {
    /// The oddities of all wheels.
    pub fn warnings(&self) -> impl Iterator<Item = Warning> {
        self.wheels
            .iter()
            .flat_map(|wheel| wheel.warnings.iter().cloned())
    }

    /// Reads the RECORDs of these wheels, which were left out when they were opened. Returns the
    /// oddities of the wheels that were not known before.
    ///
    /// # Errors
    /// As [`open`], and [`SourceFault::ChangedOnServer`] if a server has another file by now.
    pub fn read_digests(&mut self, ids: &[WheelId], progress: &dyn Events) -> Result<Vec<Warning>> {
        #[cfg(feature = "http")]
        if let Some(remote) = &self.remote {
            let mut warnings = Vec::new();
            let new = remote.read_digests(&self.missing(ids), progress)?;
            for (id, new) in ids.iter().zip(new) {
                let old = std::mem::replace(&mut self.wheels[id.0 as usize], new);
                let known = |warning: &&Warning| old.warnings.contains(warning);
                let all = self.wheels[id.0 as usize].warnings.iter();
                warnings.extend(all.filter(|warning| !known(warning)).cloned());
            }
            return Ok(warnings);
        }
        // Only a remote wheel can have been opened without its RECORD.
        let _ = (ids, progress);
        Ok(Vec::new())
    }

    /// Calls `work` while those of the `needed` wheels that are not here are downloaded. `work`
    /// gets them as they arrive, or `None` if everything is here already.
    pub fn while_downloading<T>(
        &self,
        needed: &[WheelId],
        progress: &dyn Events,
        work: impl FnOnce(Option<Arrivals<'_>>) -> T,
    ) -> T {
        #[cfg(feature = "http")]
        if let Some(remote) = &self.remote {
            let missing = self.missing(needed);
            if !missing.is_empty() {
                return remote
                    .while_downloading(&missing, progress, |arrivals| work(Some(arrivals)));
            }
        }
        // Without the feature `http` the parameters would be unused.
        let _ = (needed, progress);
        work(None)
    }

    /// Those of the wheels that are not here.
    #[cfg(feature = "http")]
    fn missing(&self, ids: &[WheelId]) -> Vec<Missing<'_>> {
        let is_missing = |id: &&WheelId| !self.archives.is_here(**id) && !self.is_stored(**id);
        let ids = ids.iter().filter(is_missing);
        let missing = |&id: &WheelId| Missing {
            id,
            source: &self.sources[id.0 as usize].0,
            preview: &self.wheels[id.0 as usize],
        };
        ids.map(missing).collect()
    }

    /// The wheels whose files come from the store, to be checked before any is used, and the store;
    /// `None` if there are none.
    pub fn to_check(&self) -> Option<StoreToCheck> {
        let used = (self.wheels.iter().zip(&self.stored)).filter_map(|(wheel, stored)| {
            Some(UsedWheel {
                label: wheel.label.clone(),
                entries: Arc::clone(&wheel.entries),
                stored: Arc::clone(stored.as_ref()?),
            })
        });
        let used: Vec<UsedWheel> = used.collect();
        let store = self.store.as_ref().filter(|_| !used.is_empty())?;
        Some((Arc::clone(store), used))
    }

    /// Whether the files of a wheel come from the store.
    pub fn is_stored(&self, id: WheelId) -> bool {
        self.stored[id.0 as usize].is_some()
    }

    /// What staging takes from the store and puts into it; `None` if the store is not used.
    pub fn store_files<'a>(
        &'a self,
        needed: &[WheelId],
        mode: LinkMode,
        counts: &'a StoreCounts,
    ) -> Option<StoreFiles<'a>> {
        let used = self.store.as_ref()?;
        let mut filling: Vec<Option<Filling<'a>>> = self.wheels.iter().map(|_| None).collect();
        for id in needed {
            let number = id.0 as usize;
            if self.stored[number].is_none() {
                let (source, before) = &self.sources[number];
                filling[number] = used.filling(source, &self.wheels[number], *before);
            }
        }
        Some(StoreFiles {
            store: used.store(),
            mode,
            wheels: &self.wheels,
            stored: &self.stored,
            filling,
            counts,
        })
    }

    /// Oddities of the downloads so far; each is returned once.
    pub fn take_warnings(&self) -> Vec<Warning> {
        #[cfg(feature = "http")]
        if let Some(remote) = &self.remote {
            return remote.take_warnings();
        }
        Vec::new()
    }
}

//! Fetching over http and https, into a cache that many processes share.
//!
//! Input: a [`RemoteFile`], which is an address and what was promised about the file, or a
//! [`ResourceRequest`]. Output: an [`OpenFile`] whose length and digests were checked; a [`Peek`],
//! which is read like a file and fetches only what is read; or a [`Resource`] in memory.
//! Invariants: nothing half-written is found under a final name; bytes that have arrived are kept,
//! even if the process is killed, and are not fetched again; a cached file is hashed again when it
//! is used; credentials are sent to their own host only and are in no message. Only this directory
//! names the HTTP crate and starts threads of its own.
//!
//! ```text
//! Downloader ──► Fetcher: one file ──► Scheduler: connection threads ──► FileTransfer ──► Client
//!            ──► Resources ──► cache, else                           ──► ResourceFetch ──►
//! ```
//!
//! Threads: those that call the downloader decide and wait; a call for many files adds one for each
//! file in progress, and its callbacks run on those. The scheduler's connection threads make the
//! requests and write the bodies.
//!
//! Limits: HTTP/1.1; Basic authentication; proxies must allow tunnels (`CONNECT`), for http too. A
//! server that gives neither an entity tag nor a date is asked anew for a file that is not pinned.

mod address_note;
mod cache;
mod cache_contents;
mod cache_places;
mod cache_root;
mod certificates;
mod client;
mod errand;
mod fetcher;
mod lookups;
mod netrc;
mod pages;
mod partial;
mod preview_events;
mod private_directories;
mod proxies;
mod queue;
mod range_reader;
mod ranges;
mod remote_file;
mod resources;
mod response;
mod retry;
mod scheduler;
mod settings;
mod status;
mod traffic;
mod transfer;
mod unanswered;
mod urgency;
mod waits;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ScopedJoinHandle;

use crate::cancellation::Cancellation;
use crate::error::{Error, Result};
use crate::fs::{Fs, OpenFile};
use crate::outcome::{Activity, ActivityKind, Events, RunningActivity, Warning};

pub use range_reader::Peek;
pub use remote_file::RemoteFile;

pub use crate::spec::location::label_of;
pub use cache_contents::{CacheContents, CachePart, CachedItem};
pub use pages::Keep;
pub use resources::{Resource, ResourceRequest};
pub use settings::Settings;
pub use traffic::Asked;
pub use urgency::Urgency;

use cache_places::PAGES;
use fetcher::{Fetcher, PAUSE};
use pages::Pages;
use queue::Batch;
use resources::Resources;

/// Fetches files and resources; may be used from several threads. Clones are the same downloader.
/// What is not kept for later commands is removed with the last of them.
#[derive(Clone)]
pub struct Downloader {
    fetcher: Arc<Fetcher>,
    resources: Arc<Resources>,
    /// How many bytes of a file's end a preview asks for first.
    tail: u64,
    /// `None` if others keep the cache.
    _cache_keeper: Option<Arc<CacheKeeper>>,
}

/// Ends the cache when it is dropped: with the last downloader of the command, not with the last
/// thread that uses it. A thread that waits for a server may still be there when the process ends,
/// and would leave a private directory behind.
struct CacheKeeper(Arc<Fetcher>);

impl Drop for CacheKeeper {
    fn drop(&mut self) {
        self.0.cache.end();
    }
}

impl fmt::Debug for Downloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Downloader")
            .field("cache", &self.fetcher.cache)
            .finish_non_exhaustive()
    }
}

/// Gets each file with its index as soon as it is complete and checked, on the thread that handled
/// it. An error ends everything.
pub type OnArrival<'a> = dyn Fn(usize, OpenFile) -> Result<()> + Sync + 'a;

/// The work on one file of a batch, by its index.
type EachFile<'a> = dyn Fn(usize, &Arc<Batch>, &Cancellation) -> Result<()> + Sync + 'a;

impl Downloader {
    /// A downloader that connects to nothing yet. All of its work ends soon after `cancel` is
    /// cancelled.
    ///
    /// # Errors
    /// If the cache cannot be used.
    pub fn new(settings: &Settings, fs: &Fs, cancel: Cancellation) -> Result<Self> {
        let fetcher = Fetcher::new(settings, fs, cancel)?;
        let pages = Pages::new(fetcher.cache.kept_directory(PAGES), settings.refresh);
        let fetcher = Arc::new(fetcher);
        Ok(Self {
            _cache_keeper: Some(Arc::new(CacheKeeper(Arc::clone(&fetcher)))),
            fetcher,
            resources: Arc::new(Resources::new(pages)),
            tail: settings.tail.max(1),
        })
    }

    /// The same downloader for what connections' threads hold. It is of use as long as there is one
    /// that is not made by this.
    #[must_use]
    pub fn for_callbacks(&self) -> Self {
        Self {
            _cache_keeper: None,
            ..self.clone()
        }
    }

    /// The same downloader, whose previews ask for so many bytes of a file's end first.
    #[must_use]
    pub fn with_tail(mut self, tail: u64) -> Self {
        self.tail = tail;
        self
    }

    /// The token that cancels all of the downloader's work.
    pub fn cancel(&self) -> &Cancellation {
        &self.fetcher.cancel
    }

    /// The file if the cache has it. It is hashed again, so this reads all of it. The server is
    /// asked whether one that is not pinned has changed, unless the downloader is offline.
    ///
    /// # Errors
    /// If the cache cannot be read.
    pub fn cached(&self, file: &RemoteFile) -> Result<Option<OpenFile>> {
        self.fetcher.present(file, &self.fetcher.cancel)
    }

    /// A preview of one file: its length and its end are fetched, over one connection.
    ///
    /// # Errors
    /// If they cannot be fetched, or differ from what was promised.
    pub fn peek(&self, file: &RemoteFile) -> Result<Peek> {
        Peek::open(&self.fetcher, file, self.tail, None, &self.fetcher.cancel)
    }

    /// One whole file, from the cache or fetched over one connection, and checked against its
    /// promised length and all of its digests.
    ///
    /// # Errors
    /// If it cannot be fetched, or differs from what was promised.
    pub fn fetch(&self, file: &RemoteFile, progress: &dyn Events) -> Result<OpenFile> {
        self.fetcher
            .fetch(file, None, &self.fetcher.cancel, progress)
    }

    /// All whole files, several at once, the largest first. Files of one address are fetched once.
    ///
    /// # Errors
    /// The first failure, which ends the rest; also that of `arrived`. Offline, one error names
    /// all files that are missing.
    pub fn fetch_all(
        &self,
        files: &[RemoteFile],
        progress: &dyn Events,
        arrived: &OnArrival<'_>,
    ) -> Result<()> {
        self.fetch_until(&self.fetcher.cancel, files, progress, arrived)
    }

    /// As [`Downloader::fetch_all`], but ends soon after `enough`, a child of
    /// [`Downloader::cancel`], is cancelled.
    ///
    /// # Errors
    /// As [`Downloader::fetch_all`]; and of the kind [`Interrupted`](crate::ErrorKind::Interrupted)
    /// if `enough` ended it.
    pub fn fetch_until(
        &self,
        enough: &Cancellation,
        files: &[RemoteFile],
        progress: &dyn Events,
        arrived: &OnArrival<'_>,
    ) -> Result<()> {
        if self.fetcher.offline {
            return self.all_cached(files, arrived);
        }
        if !files.is_empty() {
            let lengths = files
                .iter()
                .map(|file| self.fetcher.previews.length_of(file));
            progress.transfers(files.len(), lengths.sum());
        }
        let fetch = |index: usize, batch: &Arc<Batch>, cancel: &Cancellation| {
            let file = &files[index];
            let found = self.fetcher.fetch(file, Some(batch), cancel, progress)?;
            arrived(index, found)
        };
        self.each(files, progress, enough, &fetch)
    }

    /// Previews of all files, several at once. `previewed` gets each with its index, on a thread
    /// that it may keep to read on.
    ///
    /// # Errors
    /// The first failure, which ends the rest; also that of `previewed`.
    pub fn peek_all(
        &self,
        files: &[RemoteFile],
        progress: &dyn Events,
        previewed: &(dyn Fn(usize, Peek) -> Result<()> + Sync),
    ) -> Result<()> {
        let preview = |index: usize, batch: &Arc<Batch>, cancel: &Cancellation| {
            let activity = Activity::new(ActivityKind::ReadIndex, &files[index].file_name);
            let _running = RunningActivity::begin(progress, &activity);
            let peek = Peek::open(&self.fetcher, &files[index], self.tail, Some(batch), cancel)?;
            previewed(index, peek)
        };
        self.each(files, progress, &self.fetcher.cancel, &preview)
    }

    /// Has a resource fetched, unless its address was asked for before; returns whether it was not.
    /// The address alone says which resource it is, and after a failure it may be asked for again.
    /// Never waits. `arrived` is called with the resource or the failure, on a connection's thread;
    /// it should be short, and may ask for more.
    pub fn want(
        &self,
        request: ResourceRequest,
        arrived: impl FnOnce(Result<Resource>) + Send + 'static,
    ) -> bool {
        (self.resources).want(&self.fetcher, request, Box::new(arrived))
    }

    /// A content that an earlier command has [remembered](Self::remember). It is as trustworthy as
    /// everything in the cache: only this user can have written it.
    pub fn recall(&self, key: &str, form: &str) -> Option<Vec<u8>> {
        self.resources.recall(key, form)
    }

    /// Keeps a content, in a form of this name, for later commands. The key is no address, and says
    /// all that the content depends on. A failure is dropped.
    pub fn remember(&self, key: &str, form: &str, content: Vec<u8>) {
        self.resources.remember(key, form, content);
    }

    /// Does `work` on one of the connections' threads for resources, as soon as `urgency` says.
    /// Never waits.
    ///
    /// # Errors
    /// No thread can be started; `work` is then dropped.
    pub fn run_beside(&self, urgency: Urgency, work: impl FnOnce() + Send + 'static) -> Result<()> {
        resources::run_beside(&self.fetcher, urgency, work)
    }

    /// Does short `work` on one of the threads that look into the cache, before they look for more.
    /// If none can be started, the work is dropped. Never waits.
    pub fn run_soon(&self, work: impl FnOnce() + Send + 'static) {
        resources::run_soon(&self.fetcher, work);
    }

    /// Waits until the resources that have come are in the cache. They are handed out before they
    /// are written, and the end of the program would end the threads that write.
    pub fn settle(&self) {
        self.resources.settle();
    }

    /// What was asked of servers so far.
    pub fn asked(&self) -> Asked {
        self.fetcher.client.traffic.asked()
    }

    /// Removes and returns the warnings so far.
    pub fn take_warnings(&self) -> Vec<Warning> {
        let mut warnings = self.fetcher.client.take_warnings();
        warnings.extend(self.fetcher.cache.take_warnings());
        warnings
    }

    /// Does `work` with each index of `files`, on as many threads as there are connections for
    /// files, until `enough` is cancelled.
    fn each(
        &self,
        files: &[RemoteFile],
        progress: &dyn Events,
        enough: &Cancellation,
        work: &EachFile<'_>,
    ) -> Result<()> {
        let groups = self.in_order(files);
        let threads = self.fetcher.connections.min(groups.len());
        let batch = Arc::new(Batch {
            waiting: (groups.len() - threads).into(),
            running: threads.into(),
        });
        let (next, cancel) = (AtomicUsize::new(0), enough.child());
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        let caller = std::thread::current();
        // Relaxed: the counters only say how busy the threads are, and scoped threads end with a
        // synchronisation of their own.
        let run = || {
            while !cancel.is_cancelled() {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(group) = groups.get(index) else {
                    break;
                };
                // The first file of each thread was never counted as waiting.
                if index >= threads {
                    batch.waiting.fetch_sub(1, Ordering::Relaxed);
                }
                let mut group = group.iter();
                if let Err(error) = group.try_for_each(|&index| work(index, &batch, &cancel)) {
                    // The cause must be stored before `cancel` makes other files fail too.
                    let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                    failure.get_or_insert(error);
                    cancel.cancel();
                }
            }
            batch.running.fetch_sub(1, Ordering::Relaxed);
            caller.unpark();
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
            while !workers.iter().all(ScopedJoinHandle::is_finished) {
                self.fetcher.previews.report(progress);
                std::thread::park_timeout(PAUSE);
            }
        });
        self.fetcher.previews.report(progress);
        let failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
        failure.map_or_else(|| cancel.check(), Err)
    }

    /// The indices of `files`, those of one address together: files of unknown length first, as
    /// they may be the largest, then the largest.
    fn in_order(&self, files: &[RemoteFile]) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, file) in files.iter().enumerate() {
            // Threads at one address would mostly wait for each other's lock.
            groups.entry(file.key()).or_default().push(index);
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_by_cached_key(|group| {
            let length = self.fetcher.previews.length_of(&files[group[0]]);
            (length.is_some(), std::cmp::Reverse(length), group[0])
        });
        groups
    }

    fn all_cached(&self, files: &[RemoteFile], arrived: &OnArrival<'_>) -> Result<()> {
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for file in files {
            match self.cached(file)? {
                Some(file) => found.push(file),
                None => missing.push(file.label.clone()),
            }
        }
        if !missing.is_empty() {
            return Err(Error::offline(missing));
        }
        let mut found = found.into_iter().enumerate();
        found.try_for_each(|(index, file)| arrived(index, file))
    }
}

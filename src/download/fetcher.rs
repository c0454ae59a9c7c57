//! One file from its address to the cache: what to ask for next, and when to try again.
//!
//! Input: a [`RemoteFile`]. Output: the file, complete and checked; or a [`Partial`] in which a
//! [`Part`] is present. The calling thread holds the file's lock, decides, waits and reports; the
//! connections of the [`Scheduler`] do the rest. Invariants: bytes that are present are not asked
//! for again; a try that brought new bytes never counts as a failure; a cancelled caller waits at
//! most [`PAUSE`].
//!
//! A large file is divided into shares among the connections that are idle. If a share fails, the
//! rest is fetched by one connection alone, which meets the same failure and can handle it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::address_note::AddressNote;
use super::cache::{Cache, Checked, FileLock};
use super::client::{Client, identity};
use super::partial::Partial;
use super::preview_events::{PreviewEvents, Reporter};
use super::queue::{Batch, Class, Done, Limits, Split, Task};
use super::ranges::Part;
use super::remote_file::RemoteFile;
use super::retry::{Attempts, FetchError, Passing, RetryPolicy};
use super::scheduler::Scheduler;
use super::settings::Settings;
use super::transfer::{FileTransfer, RangeSupport, TransferState};
use super::urgency::Urgency;
use crate::cancellation::Cancellation;
use crate::error::{Error, NetworkFault, Result};
use crate::fs::{Fs, OpenFile, ReadAt as _};
use crate::outcome::{ActivityKind, Events, Retry};

/// The longest time between two checks whether the caller was cancelled.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// The fewest bytes of a file that are worth a request of their own: at 100 Mbit/s they take as
/// long as a round trip to another continent.
const SHARE: u64 = 1 << 20;
/// The same for a preview, whose caller waits for it.
const SHARE_OF_PREVIEW: u64 = 1 << 19;
/// From this length on a file is divided although no connection is idle yet: one may become idle
/// before the file is complete.
const LARGE: u64 = 1 << 23;

/// The parts of a downloader that fetch files.
pub(super) struct Fetcher {
    pub(super) client: Arc<Client>,
    pub(super) scheduler: Scheduler,
    /// The threads that look for resources in the cache. More than there are processors would only
    /// contend for memory.
    pub(super) readers: Scheduler,
    pub(super) cache: Cache,
    pub(super) previews: PreviewEvents,
    pub(super) retry: RetryPolicy,
    pub(super) offline: bool,
    pub(super) connections: usize,
    pub(super) cancel: Cancellation,
    /// By address: how long servers were silent while parts of a file were fetched, and what they
    /// have shown of ranges.
    shown: Mutex<HashMap<String, (Duration, RangeSupport)>>,
    /// The number of the next transfer.
    transfers: AtomicUsize,
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        // Threads whose work was abandoned must not wait for their timeouts.
        self.client.hang_up(false);
    }
}

impl Fetcher {
    pub(super) fn new(settings: &Settings, fs: &Fs, cancel: Cancellation) -> Result<Self> {
        let connections = settings.connections.max(1);
        let limits = Limits {
            files: connections,
            resources: settings.resource_connections.max(1),
            // Often all files are on one host, which must not leave connections without work.
            host: settings.host_connections.max(connections),
        };
        Ok(Self {
            client: Arc::new(Client::new(settings)),
            scheduler: Scheduler::new(limits),
            readers: Scheduler::new(Limits {
                files: 0,
                resources: std::thread::available_parallelism().map_or(1, usize::from),
                host: usize::MAX,
            }),
            cache: Cache::new(settings, fs)?,
            previews: PreviewEvents::default(),
            retry: RetryPolicy::new(settings),
            offline: settings.offline,
            connections,
            // No server can satisfy a suffix range of no bytes (RFC 9110, 14.1.2).
            cancel,
            shown: Mutex::default(),
            transfers: AtomicUsize::new(0),
        })
    }

    fn shown(&self) -> MutexGuard<'_, HashMap<String, (Duration, RangeSupport)>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no other transfer of this downloader has.
    pub(super) fn next_transfer(&self) -> usize {
        // Relaxed: only that each number is given once matters.
        self.transfers.fetch_add(1, Ordering::Relaxed)
    }

    /// The whole file, from the cache or fetched. Without a batch one connection fetches it.
    pub(super) fn fetch(
        &self,
        file: &RemoteFile,
        batch: Option<&Arc<Batch>>,
        cancel: &Cancellation,
        progress: &dyn Events,
    ) -> Result<OpenFile> {
        file.check_name()?;
        cancel.check()?;
        let fetch = FileFetch {
            fetcher: self,
            file,
            batch,
            cancel,
            report: Reporter::Transfer(progress, self.next_transfer()),
        };
        // This looks without the lock: a complete file needs no wait for another process.
        if let Some(found) = self.present(file, cancel)? {
            fetch.report_complete(&found);
            return Ok(found);
        }
        if self.offline {
            return Err(Error::offline(vec![file.label.clone()]));
        }
        fetch.with_lock(|lock| fetch.whole(lock))
    }

    /// The file if the cache has it. The server is asked whether one that is not pinned is still
    /// the same, unless the downloader is offline.
    pub(super) fn present(
        &self,
        file: &RemoteFile,
        cancel: &Cancellation,
    ) -> Result<Option<OpenFile>> {
        if let Some(found) = self.cache.cached(file, cancel)? {
            return Ok(Some(found));
        }
        let Some((note, found)) = self.cache.noted(file, cancel)? else {
            return Ok(None);
        };
        if !self.offline && !self.is_unchanged(file, &note, cancel) {
            cancel.check()?;
            return Ok(None);
        }
        self.cache.confirm(file, &note);
        Ok(Some(found))
    }

    /// Asks the server once whether a file is still the one that was noted. Failures count as no,
    /// since the fetch that follows meets and handles them.
    fn is_unchanged(&self, file: &RemoteFile, note: &AddressNote, cancel: &Cancellation) -> bool {
        let Some(condition) = note.condition() else {
            return false;
        };
        // One byte is asked for: a server that ignores the condition then sends few, and the body
        // is not read. A suffix or HEAD is supported by fewer servers.
        let headers = vec![identity(), ("Range", "bytes=0-0".to_owned()), condition];
        let patience = self.retry.attempts().left();
        let Ok(answer) = self.client.get(&file.url, &headers, patience, cancel) else {
            return false;
        };
        let total = match answer.status {
            304 => return true,
            206 => answer.content_range().and_then(|range| range.total),
            200 => answer.length(),
            _ => return false,
        };
        note.is_same(&answer.validator(), total)
    }
}

/// Fetching of one file for one caller.
#[derive(Clone, Copy)]
pub(super) struct FileFetch<'a> {
    pub(super) fetcher: &'a Fetcher,
    pub(super) file: &'a RemoteFile,
    /// The files that are fetched together with it; with none, it is not divided.
    pub(super) batch: Option<&'a Arc<Batch>>,
    pub(super) cancel: &'a Cancellation,
    pub(super) report: Reporter<'a>,
}

impl FileFetch<'_> {
    /// Does `work` under the file's lock. If another process holds it, it is reported that this one
    /// waits, and for how long.
    pub(super) fn with_lock<T>(&self, work: impl FnOnce(&FileLock) -> Result<T>) -> Result<T> {
        let cache = &self.fetcher.cache;
        let running = RefCell::new(None);
        let waiting = |path: &Path| {
            // A holder that makes progress is waited for again and again: that is one wait.
            if running.borrow().is_none() {
                running.replace(Some(self.report.wait_for_lock(path)));
            }
        };
        let lock = cache.lock(self.file, self.cancel, &waiting)?;
        running.take();
        let result = work(&lock);
        cache.unlock(lock);
        result.map_err(|error| of_full_disk(error, self.file))
    }

    /// The whole file, under its lock.
    pub(super) fn whole(&self, lock: &FileLock) -> Result<OpenFile> {
        // Another process may have completed it while this one waited for the lock.
        if let Some(file) = self.fetcher.cache.cached(self.file, self.cancel)? {
            self.report_complete(&file);
            return Ok(file);
        }
        let result = self.fetch_and_check(lock);
        self.report.end();
        result
    }

    /// Reports a file of the cache as a transfer that is complete from the beginning.
    fn report_complete(&self, found: &OpenFile) {
        let length = found.size();
        self.report.begin(self.file, Some(length), length);
        self.report.end();
    }

    fn fetch_and_check(&self, lock: &FileLock) -> Result<OpenFile> {
        let cache = &self.fetcher.cache;
        loop {
            let partial = cache.partial(self.file, lock)?;
            let may_mix = cache.may_mix(&partial);
            let total = partial.head().map(|head| head.total).or(self.file.size);
            self.report.begin(self.file, total, partial.count());
            let partial = self.fill(partial, &Part::Whole)?;
            let hashing = self
                .report
                .activity(ActivityKind::Hash, &self.file.file_name);
            let finished = cache.finish(self.file, partial, self.cancel)?;
            drop(hashing);
            match finished {
                Checked::Good(file) => return Ok(file),
                // The earlier bytes may be of another file, or were lost on the disk. They are
                // gone now, so this happens once.
                Checked::Bad(_) if may_mix => {
                    let retry = Retry {
                        why: "the bytes that were there already are wrong".to_owned(),
                        pause: Duration::ZERO,
                        attempt: 2,
                        attempts: 2,
                    };
                    self.report.retry(self.file, &retry);
                }
                Checked::Bad(faults) => {
                    return Err(Error::wheels(vec![(self.file.label.clone(), faults)]));
                }
            }
        }
    }

    /// Fetches the missing bytes of `part`. If that fails before any bytes came, the partial file
    /// is deleted.
    pub(super) fn fill(&self, partial: Partial, part: &Part) -> Result<Partial> {
        let key = self.file.key();
        let (lost, ranges) = self.fetcher.shown().remove(&key).unwrap_or_default();
        let transfer = Arc::new(FileTransfer {
            client: Arc::clone(&self.fetcher.client),
            file: self.file.clone(),
            origin: self.fetcher.cache.origin(self.file),
            cancel: self.cancel.clone(),
            state: TransferState::new(partial, self.fetcher.retry.waits(), ranges),
        });
        let mut attempts = self.fetcher.retry.attempts();
        attempts.lose(lost);
        let result = self.try_part(&transfer, part, &mut attempts);
        // The parts of one file share all this. After a failure the caller gives the file up, and
        // may begin anew much later.
        let shown = (attempts.lost(), transfer.ranges());
        if result.is_ok() && shown != Default::default() {
            self.fetcher.shown().insert(key, shown);
        }
        let mut partial = transfer.close().expect("only its owner closes it");
        let Err(error) = result else {
            return Ok(partial);
        };
        // The failure matters more than a log that lacks a block, or an empty directory.
        let _ = if partial.count() == 0 {
            partial.remove()
        } else {
            partial.flush_log()
        };
        Err(error)
    }

    fn try_part(
        &self,
        transfer: &Arc<FileTransfer>,
        part: &Part,
        attempts: &mut Attempts,
    ) -> Result<()> {
        let mut may_divide = self.batch.is_some() && self.fetcher.connections > 1;
        // The most bytes that were ever present: after everything was given up, a server that sends
        // the same bytes again does not get any further.
        let mut most = transfer.look(Partial::count)?;
        loop {
            self.cancel.check()?;
            let is_pressing = attempts.is_pressing();
            may_divide &= !is_pressing;
            let next = |partial: &Partial| self.next(partial, part, may_divide, is_pressing);
            let parts = transfer.look(next)?;
            let divided = match parts.first() {
                None => return Ok(()),
                Some(first) => matches!(first, Part::Share(_)),
            };
            let least = if *part == Part::Whole {
                SHARE
            } else {
                SHARE_OF_PREVIEW
            };
            transfer.set_patience(attempts.left());
            let result = self.request(transfer, parts, least);
            self.cancel.check()?;
            let waits = transfer.take_waits();
            if result.is_err() || !transfer.look(next)?.is_empty() {
                attempts.lose(waits);
            }
            let count = transfer.look(Partial::count)?;
            if count >= most + SHARE {
                attempts.recovered();
            }
            let (moved, restarted) = (count > most, transfer.take_restarted());
            most = most.max(count);
            if divided {
                // After any failure one connection continues alone.
                may_divide = false;
                continue;
            }
            let passing = match result {
                Err(FetchError::Fatal(error)) => return Err(error),
                _ if moved && !attempts.left().is_zero() => {
                    // This ends: each round brings more bytes than were ever present.
                    attempts.succeeded();
                    continue;
                }
                Ok(()) if transfer.look(|partial| next(partial).is_empty())? => return Ok(()),
                Ok(()) => Passing::new("the server sends nothing new"),
                Err(FetchError::Passing(passing)) => passing,
            };
            if restarted && count == most {
                // The server sent the same bytes again and broke off at the same place, which is
                // less likely to pass than a line that breaks anywhere.
                attempts.skip();
            }
            let retry = attempts.failed(passing, &self.file.label)?;
            self.report.retry(self.file, &retry);
            self.pause(retry.pause)?;
        }
    }

    /// The parts to ask for next; none if `part` is present.
    fn next(
        &self,
        partial: &Partial,
        part: &Part,
        may_divide: bool,
        is_pressing: bool,
    ) -> Vec<Part> {
        let Some(head) = partial.head() else {
            // Only an answer says how long the file is and whether the server supports ranges. A
            // file that may be divided begins with a share, so that the rest can be.
            let size = self.file.size;
            let begins = *part == Part::Whole
                && may_divide
                && size.is_none_or(|size| self.is_worth_dividing(size, SHARE));
            return vec![if begins {
                Part::Beginning(SHARE)
            } else {
                part.clone()
            }];
        };
        let (wanted, least) = match part {
            Part::Tail(_) | Part::Beginning(_) => return Vec::new(),
            Part::Whole => (0..head.total, SHARE),
            Part::Range(range) | Part::Share(range) => (range.clone(), SHARE_OF_PREVIEW),
        };
        let gaps = partial.ranges().gaps(wanted);
        let missing = gaps.iter().map(|gap| gap.end - gap.start).sum();
        // If nothing has come yet, it is not known whether the server supports ranges.
        if may_divide && missing < head.total && self.is_worth_dividing(missing, least) {
            return gaps.into_iter().map(Part::Share).collect();
        }
        // The rest waits: the server may answer with more than this gap, even the whole file.
        let first = gaps.into_iter().take(1);
        first
            .map(|gap| {
                // One request for all that is missing of the file, whatever part of it is wanted
                // now: each may take long. What is present between two gaps comes again.
                let gaps = partial.ranges().gaps(0..head.total);
                let all = gaps.first().zip(gaps.last()).filter(|_| is_pressing);
                Part::alone(
                    all.map_or(gap, |(first, last)| first.start..last.end),
                    head.total,
                )
            })
            .collect()
    }

    fn is_worth_dividing(&self, missing: u64, least: u64) -> bool {
        let idle = |batch: &Arc<Batch>| self.fetcher.scheduler.has_idle_connection(batch);
        missing >= LARGE || missing >= 2 * least && self.batch.is_some_and(idle)
    }

    /// Has connections fetch these parts, and waits for all of them. Returns the first failure.
    fn request(&self, transfer: &Arc<FileTransfer>, parts: Vec<Part>, least: u64) -> Done {
        let (results, done) = channel();
        let job: Arc<FileTransfer> = Arc::clone(transfer);
        let scheduler = &self.fetcher.scheduler;
        let id = scheduler.submit(Task {
            job,
            class: Class::File,
            host: self.file.host().to_owned(),
            parts,
            split: self.batch.map(|batch| Split {
                least,
                batch: Arc::clone(batch),
            }),
            urgency: Urgency::default(),
            results: Some(results),
        })?;
        let mut first = Ok(());
        let (mut connecting, mut has_answered) = (None, false);
        loop {
            // The timeout also bounds how late progress is reported: results come only at the end.
            let next = done.recv_timeout(PAUSE);
            let events = transfer.take_events();
            if !events.is_empty() {
                has_answered = true;
                connecting = None;
            } else if !has_answered && connecting.is_none() && next.is_err() {
                // Only now, as most servers answer before anything could be seen of it.
                let kind = ActivityKind::Connect;
                connecting = Some(self.report.activity(kind, self.file.host()));
            }
            self.report.events(self.file, events);
            match next {
                Ok(result) => first = first.and(result),
                Err(RecvTimeoutError::Disconnected) => return first,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Err(cancelled) = self.cancel.check() {
                if scheduler.abandon(id) {
                    // Connections cannot be ended one by one; other transfers try again over new
                    // ones.
                    self.fetcher.client.hang_up(true);
                }
                return Err(cancelled.into());
            }
        }
    }

    fn pause(&self, length: Duration) -> Result<()> {
        let end = Instant::now() + length;
        loop {
            self.cancel.check()?;
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(());
            }
            std::thread::park_timeout(rest.min(PAUSE));
        }
    }
}

/// Adds the name of the file and a hint to the error of a full disk; returns others as they are.
fn of_full_disk(error: Error, file: &RemoteFile) -> Error {
    if error.is_disk_full() {
        Error::network(NetworkFault::CacheFull, &file.label, error.to_string())
    } else {
        error
    }
}

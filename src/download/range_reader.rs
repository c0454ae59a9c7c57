//! A remote file that is fetched as it is read.
//!
//! Input: a [`RemoteFile`]. Output: [`Peek`], which is [`ReadAt`]. The ranges that are read are
//! fetched and kept for the time when the whole file is wanted. They are rounded out to [`GRAIN`],
//! and sequential reads fetch twice as much each time; a range announced by
//! [`will_read`](ReadAt::will_read) is fetched at once. When all of the file is present, it is
//! checked. Invariant: the file's lock is held only while a range is fetched. Limits: what is read
//! was checked against nothing; only the complete file is. A server that does not support ranges
//! sends the whole file.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cache::Checked;
use super::fetcher::{Fetcher, FileFetch};
use super::partial::Partial;
use super::preview_events::Reporter;
use super::queue::Batch;
use super::ranges::Part;
use super::remote_file::RemoteFile;
use crate::cancellation::Cancellation;
use crate::error::{Error, NetworkFault, Result};
use crate::fs::{OpenFile, ReadAt};

/// Reads of an archive's directory are short and close together.
const GRAIN: u64 = 1 << 14;
/// The most that a sequential read fetches ahead.
const MOST_AHEAD: u64 = 1 << 22;

/// A file that is fetched as it is read. Its clones are the same file.
#[derive(Clone)]
pub struct Peek {
    shared: Arc<SharedPeek>,
}

impl fmt::Debug for Peek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peek")
            .field("label", &self.shared.remote.file.label)
            .field("size", &self.shared.size)
            .finish()
    }
}

struct SharedPeek {
    remote: Remote,
    size: u64,
    /// Whether the cache had all of it.
    is_from_cache: bool,
    path: PathBuf,
    state: Mutex<PeekState>,
}

/// The source of the file, and how it is read.
struct Remote {
    fetcher: Arc<Fetcher>,
    file: RemoteFile,
    /// With a batch, long ranges are divided among idle connections.
    batch: Option<Arc<Batch>>,
    cancel: Cancellation,
}

struct PeekState {
    content: Present,
    /// The end and the length of the range that was fetched last.
    last: Option<(u64, u64)>,
    failure: Option<Error>,
}

enum Present {
    Complete(OpenFile),
    Parts(Box<Partial>),
}

impl Peek {
    /// Fetches the length and the last `tail` bytes of a file. Once `cancel` is cancelled, a read
    /// fails if it would have to fetch anything.
    pub(super) fn open(
        fetcher: &Arc<Fetcher>,
        file: &RemoteFile,
        tail: u64,
        batch: Option<&Arc<Batch>>,
        cancel: &Cancellation,
    ) -> Result<Self> {
        file.check_name()?;
        let remote = Remote {
            fetcher: Arc::clone(fetcher),
            file: file.clone(),
            batch: batch.cloned(),
            cancel: cancel.clone(),
        };
        let present = fetcher.present(file, cancel)?;
        let is_from_cache = present.is_some();
        let content = match present {
            Some(found) => Present::Complete(found),
            None if fetcher.offline => return Err(Error::offline(vec![file.label.clone()])),
            None => remote.fetch(&Part::Tail(tail))?,
        };
        let size = content.size();
        fetcher.previews.saw(file, size);
        let shared = SharedPeek {
            remote,
            size,
            is_from_cache,
            path: PathBuf::from(&file.label),
            state: Mutex::new(PeekState {
                content,
                last: None,
                failure: None,
            }),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Whether the cache had the whole file when it was opened.
    pub fn is_from_cache(&self) -> bool {
        self.shared.is_from_cache
    }

    /// The file itself, if it was complete when it was opened.
    ///
    /// # Errors
    /// The same preview, if the file was not complete.
    pub fn into_complete(self) -> std::result::Result<OpenFile, Self> {
        let shared = Arc::try_unwrap(self.shared).map_err(|shared| Self { shared })?;
        let state = shared.state.into_inner();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        if let Present::Complete(file) = state.content {
            return Ok(file);
        }
        let state = Mutex::new(state);
        Err(Self {
            shared: Arc::new(SharedPeek { state, ..shared }),
        })
    }

    /// The error of the last read that failed, in full: a reader of archives passes on only that
    /// there was one.
    pub fn take_failure(&self) -> Option<Error> {
        self.shared.lock().failure.take()
    }
}

impl ReadAt for Peek {
    /// The address, as messages show it.
    fn path(&self) -> &Path {
        &self.shared.path
    }

    fn size(&self) -> u64 {
        self.shared.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let shared = &*self.shared;
        let end = shared.size.min(offset.saturating_add(buffer.len() as u64));
        let count = end.checked_sub(offset).map(usize::try_from);
        let Some(Ok(count)) = count else {
            return Ok(0);
        };
        let mut state = shared.lock();
        if !state.content.missing(offset..end).is_empty()
            && let Err(error) = shared.fetch(&mut state, offset..end)
        {
            let shown = io::Error::other(error.to_string());
            state.failure = Some(error);
            return Err(shown);
        }
        match &state.content {
            Present::Complete(file) => file.read_at(&mut buffer[..count], offset),
            Present::Parts(partial) => partial.read_at(&mut buffer[..count], offset),
        }
    }

    fn at_hand(&self) -> u64 {
        let size = self.shared.size;
        let missing = self.shared.lock().content.missing(0..size);
        missing.last().map_or(size, |last| size - last.end)
    }

    fn will_read(&self, range: Range<u64>) {
        let shared = &*self.shared;
        let mut state = shared.lock();
        let missing = state
            .content
            .missing(range.start..range.end.min(shared.size));
        let Some((first, last)) = missing.first().zip(missing.last()) else {
            return;
        };
        if let Err(error) = shared.fetch(&mut state, first.start..last.end) {
            state.failure = Some(error);
        }
    }
}

impl SharedPeek {
    fn lock(&self) -> MutexGuard<'_, PeekState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches the missing bytes of `range`, and a little more.
    fn fetch(&self, state: &mut PeekState, range: Range<u64>) -> Result<()> {
        let start = range.start / GRAIN * GRAIN;
        let least = range.end.next_multiple_of(GRAIN) - start;
        let length = match state.last {
            // A reader that skips a header or some padding still reads sequentially.
            Some((end, length)) if (end..=end + GRAIN).contains(&range.start) => {
                least.max((length * 2).min(MOST_AHEAD))
            }
            _ => least,
        };
        let wide = start..self.size.min(start + length);
        state.last = Some((wide.end, length));
        state.content = self.remote.fetch(&Part::Range(wide))?;
        // Offsets from the directory of the old file would be wrong in the new one.
        if state.content.size() != self.size {
            let why = "the file has changed while it was read";
            let fault = NetworkFault::ChangedWhileRead;
            return Err(Error::network(fault, &self.remote.file.label, why));
        }
        Ok(())
    }
}

impl Remote {
    /// Makes `part` present, under the file's lock. Another process or thread may have completed
    /// the file meanwhile.
    fn fetch(&self, part: &Part) -> Result<Present> {
        let Self { fetcher, file, .. } = self;
        let cache = &fetcher.cache;
        let transfer = fetcher.next_transfer();
        let fetch = FileFetch {
            fetcher,
            file,
            batch: self.batch.as_ref(),
            cancel: &self.cancel,
            report: Reporter::Preview(&fetcher.previews, transfer),
        };
        let fetched = fetch.with_lock(|lock| {
            if let Some(found) = cache.cached(file, &self.cancel)? {
                return Ok(Present::Complete(found));
            }
            let partial = cache.partial(file, lock)?;
            let may_mix = cache.may_mix(&partial);
            let partial = fetch.fill(partial, part)?;
            if !partial.is_complete() {
                return Ok(Present::Parts(Box::new(partial)));
            }
            let found = match cache.finish(file, partial, &self.cancel)? {
                Checked::Good(found) => found,
                // The earlier bytes may be of another file.
                Checked::Bad(_) if may_mix => fetch.whole(lock)?,
                Checked::Bad(faults) => {
                    return Err(Error::wheels(vec![(file.label.clone(), faults)]));
                }
            };
            fetcher.previews.completed(file, found.size(), transfer);
            Ok(Present::Complete(found))
        });
        fetcher.previews.ended(transfer);
        fetched
    }
}

impl Present {
    fn size(&self) -> u64 {
        match self {
            Self::Complete(file) => file.size(),
            Self::Parts(partial) => {
                let head = partial.head();
                head.expect("a part was fetched, so the head is known")
                    .total
            }
        }
    }

    /// The ranges of `within` that are not present.
    fn missing(&self, within: Range<u64>) -> Vec<Range<u64>> {
        match self {
            Self::Complete(_) => Vec::new(),
            Self::Parts(partial) => partial.ranges().gaps(within),
        }
    }
}

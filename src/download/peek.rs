//! A look into a file that is not here: what is read of it is fetched, in ranges, and kept for when
//! all of it is wanted.
//!
//! Input: a [`Wanted`]. Output: [`ReadAt`]. Ranges are rounded out to [`GRAIN`], and who reads on
//! where he has read gets twice as much each time; what is [announced](ReadAt::will_read) comes at
//! once. Once all of it is here it is checked. Invariant: the lock of the partial file is held only
//! while one range is fetched. Limits: what is read was checked against nothing; only the complete
//! file is. A server that knows no ranges sends the whole file.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use super::cache::{Checked, check_name};
use super::fetch::{Job, Part, of_full_disk};
use super::looks::Look;
use super::partial::Partial;
use super::retry::Halt;
use super::{Inner, Wanted};
use crate::error::{Error, NetworkFault, Result};
use crate::fs::{OpenFile, ReadAt};

const GRAIN: u64 = 1 << 14;
const MOST_AHEAD: u64 = 1 << 22;

/// A file that is fetched as it is read. Its clones are the same file.
#[derive(Clone)]
pub struct Peek {
    shared: Arc<Shared>,
}

impl fmt::Debug for Peek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peek")
            .field("label", &self.shared.wanted.label)
            .field("size", &self.shared.size)
            .finish()
    }
}

struct Shared {
    inner: Arc<Inner>,
    wanted: Wanted,
    size: u64,
    path: PathBuf,
    stop: Arc<AtomicBool>,
    state: Mutex<State>,
}

struct State {
    origin: Origin,
    /// Where the last range that was fetched ends, and how long it was.
    next: u64,
    ahead: u64,
    failure: Option<Error>,
}

enum Origin {
    Complete(OpenFile),
    Parts(Box<Partial>),
}

impl Peek {
    /// Looks into a file, until `stop` becomes true: then every read fails that would have to fetch
    /// anything.
    pub(super) fn open(inner: &Arc<Inner>, wanted: &Wanted, stop: Arc<AtomicBool>) -> Result<Self> {
        check_name(wanted)?;
        let halt = Halt::new(&inner.cancel, &stop);
        let origin = match inner.store.cached(wanted, halt)? {
            Some(file) => Origin::Complete(file),
            None if inner.offline => return Err(Error::offline(vec![wanted.label.clone()])),
            None => with_lock(inner, wanted, &Part::Tail, halt)?,
        };
        let size = origin.size();
        inner.looks.saw(wanted, size);
        let state = Mutex::new(State {
            origin,
            next: 0,
            ahead: 0,
            failure: None,
        });
        let (inner, wanted, path) = (
            Arc::clone(inner),
            wanted.clone(),
            PathBuf::from(&wanted.label),
        );
        Ok(Self {
            shared: Arc::new(Shared {
                inner,
                wanted,
                size,
                path,
                stop,
                state,
            }),
        })
    }

    /// The file itself, where all of it was here before anybody looked.
    ///
    /// # Errors
    /// The look, where it was not.
    pub fn into_complete(self) -> std::result::Result<OpenFile, Self> {
        let shared = Arc::try_unwrap(self.shared).map_err(|shared| Self { shared })?;
        let Shared {
            inner,
            wanted,
            size,
            path,
            stop,
            state,
        } = shared;
        let state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        match state.origin {
            Origin::Complete(file) => Ok(file),
            Origin::Parts(_) => {
                let state = Mutex::new(state);
                Err(Self {
                    shared: Arc::new(Shared {
                        inner,
                        wanted,
                        size,
                        path,
                        stop,
                        state,
                    }),
                })
            }
        }
    }

    /// What made a read fail, in full: readers of archives only hear that it did.
    pub fn take_failure(&self) -> Option<Error> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .failure
            .take()
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
        let Some(count) = end
            .checked_sub(offset)
            .and_then(|count| usize::try_from(count).ok())
        else {
            return Ok(0);
        };
        let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = matches!(&state.origin, Origin::Parts(partial) if !partial.ranges().covers(offset..end));
        if missing && let Err(error) = shared.fetch(&mut state, offset..end) {
            let told = io::Error::other(error.to_string());
            state.failure = Some(error);
            return Err(told);
        }
        match &state.origin {
            Origin::Complete(file) => file.read_at(&mut buffer[..count], offset),
            Origin::Parts(partial) => partial.read_at(&mut buffer[..count], offset),
        }
    }

    fn will_read(&self, range: Range<u64>) {
        let shared = &*self.shared;
        let range = range.start..range.end.min(shared.size);
        let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = match &state.origin {
            Origin::Parts(partial) => partial.ranges().gaps(range),
            Origin::Complete(_) => Vec::new(),
        };
        let Some((first, last)) = missing.first().zip(missing.last()) else {
            return;
        };
        if let Err(error) = shared.fetch(&mut state, first.start..last.end) {
            state.failure = Some(error);
        }
    }
}

impl Shared {
    /// Fetches what is missing of `range`, and a little more.
    fn fetch(&self, state: &mut State, range: Range<u64>) -> Result<()> {
        let start = range.start / GRAIN * GRAIN;
        let reads_on = state.ahead > 0 && (state.next..=state.next + GRAIN).contains(&range.start);
        let least = range.end.next_multiple_of(GRAIN) - start;
        let length = if reads_on {
            least.max((state.ahead * 2).min(MOST_AHEAD))
        } else {
            least
        };
        let wide = start..self.size.min(start + length);
        (state.next, state.ahead) = (wide.end, length);
        let halt = Halt::new(&self.inner.cancel, &self.stop);
        state.origin = with_lock(&self.inner, &self.wanted, &Part::Range(wide), halt)?;
        if state.origin.size() != self.size {
            return Err(Error::network(
                NetworkFault::ChangedWhileRead,
                &self.wanted.label,
                "the file has changed while it was read",
            ));
        }
        Ok(())
    }
}

impl Origin {
    fn size(&self) -> u64 {
        match self {
            Self::Complete(file) => file.size(),
            Self::Parts(partial) => partial.head().map(|head| head.total).unwrap_or_default(),
        }
    }
}

/// Makes `part` present, under the lock, unless another process or thread has completed the file by
/// now.
fn with_lock(inner: &Inner, wanted: &Wanted, part: &Part, halt: Halt<'_>) -> Result<Origin> {
    let lock = inner.store.lock(wanted, halt, &|_| {})?;
    let fill = || {
        if let Some(file) = inner.store.cached(wanted, halt)? {
            return Ok(Origin::Complete(file));
        }
        let look = Look {
            looks: &inner.looks,
            wanted,
        };
        let job = Job {
            inner,
            wanted,
            halt,
            progress: &look,
            transfer: usize::MAX,
        };
        let partial = inner.store.partial(wanted)?;
        let may_mix = inner.store.may_mix(&partial);
        let partial = job.fill(partial, part)?;
        if !partial
            .head()
            .is_some_and(|head| partial.ranges().covers(0..head.total))
        {
            return Ok(Origin::Parts(Box::new(partial)));
        }
        let file = match inner.store.finish(wanted, partial, halt)? {
            Checked::Good(file) => file,
            // What came earlier may be of another file.
            Checked::Bad(_) if may_mix => job.fetch()?,
            Checked::Bad(faults) => {
                return Err(Error::wheels(vec![(wanted.label.clone(), faults)]));
            }
        };
        inner.looks.completed(wanted, file.size(), &inner.transfers);
        Ok(Origin::Complete(file))
    };
    let result = fill();
    inner.store.unlock(lock);
    result.map_err(|error| of_full_disk(error, wanted))
}

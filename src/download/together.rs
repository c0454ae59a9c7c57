//! One file over several connections: those that nobody else uses help to fetch what is missing of
//! a large file.
//!
//! Input: a [`Partial`] that a server has described and that has gaps. Output: the same with fewer
//! gaps. Each connection asks for a share of what is missing, once; who comes later takes of what
//! was not asked for yet. Invariants: no byte is asked for twice; a server that sends anything but
//! the range that was asked for is asked no more. Limits: what goes wrong here is told to nobody
//! and tried no second time: who fetches the rest alone meets it again, and knows what to do.

use std::io::Read as _;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Scope;

use super::client::Ask;
use super::fetch::{BUFFER, Job};
use super::partial::{Head, Partial};
use super::response::Answer;
use super::retry::Trouble;

/// The least that is worth a request of its own.
pub(super) const SHARE: u64 = 1 << 20;
/// The same in a look, which somebody waits for.
pub(super) const SHARE_OF_LOOK: u64 = 1 << 19;
/// From this on a file is fetched in shares although no connection is idle yet: one may be before
/// it is here.
const LARGE: u64 = 1 << 23;

/// The connections that nobody uses.
#[derive(Debug)]
pub(super) struct Spare {
    idle: AtomicUsize,
    /// More files than connections: as long as there are any, who is done with one begins with
    /// another.
    waiting: AtomicUsize,
}

impl Spare {
    /// Nobody is idle, and nobody will be.
    pub(super) fn none() -> Self {
        Self {
            idle: AtomicUsize::new(0),
            waiting: AtomicUsize::new(usize::MAX),
        }
    }

    pub(super) fn clear(&self) {
        self.set(0, usize::MAX);
    }

    /// Whether there is anybody but the one who asks.
    fn is_any(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) != usize::MAX
    }

    pub(super) fn set(&self, idle: usize, waiting: usize) {
        self.idle.store(idle, Ordering::Relaxed);
        self.waiting.store(waiting, Ordering::Relaxed);
    }

    /// Somebody has begun with a file, and this many are left.
    pub(super) fn begun(&self, left: usize) {
        self.waiting.fetch_min(left, Ordering::Relaxed);
    }

    pub(super) fn give(&self) {
        self.idle.fetch_add(1, Ordering::Relaxed);
    }

    fn is_there(&self) -> bool {
        self.idle.load(Ordering::Relaxed) > 0
    }

    /// Whether whoever is done with a file will be idle.
    fn grows(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    fn take(&self) -> bool {
        self.idle
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                count.checked_sub(1)
            })
            .is_ok()
    }
}

/// A file that several connections bring.
struct Together<'a> {
    job: &'a Job<'a>,
    head: Head,
    /// The least that is asked for at once.
    least: u64,
    generation: u64,
    partial: Mutex<&'a mut Partial>,
    /// What nobody has asked for yet.
    rest: Mutex<Vec<Range<u64>>>,
    over: AtomicBool,
}

impl Job<'_> {
    /// Whether a file of which nothing is known yet may be one that others help with: then it is
    /// begun with a share, for only an answer says how long it is and whether the server has
    /// ranges.
    pub(super) fn others_may_help(&self) -> bool {
        let inner = self.inner;
        inner.spare.is_any()
            && inner.connections > 1
            && self
                .wanted
                .size
                .is_none_or(|size| self.is_worth_sharing(size, SHARE))
    }

    fn is_worth_sharing(&self, missing: u64, least: u64) -> bool {
        missing >= LARGE || missing >= 2 * least && self.inner.spare.is_there()
    }

    /// Fetches what is missing of `range` in shares of at `least` so many bytes, as far as others
    /// help and nothing goes wrong.
    pub(super) fn fetch_together(&self, partial: &mut Partial, range: Range<u64>, least: u64) {
        let Some(head) = partial.head().cloned() else {
            return;
        };
        let rest = partial
            .ranges()
            .gaps(range.start..range.end.min(head.total));
        let missing = length(&rest);
        // Where nothing has come yet, it is not known whether the server has ranges.
        if !self.is_worth_sharing(missing, least) || missing == head.total {
            return;
        }
        let generation = partial.generation();
        let (partial, rest, over) = (
            Mutex::new(partial),
            Mutex::new(rest),
            AtomicBool::new(false),
        );
        let together = Together {
            job: self,
            head,
            least,
            generation,
            partial,
            rest,
            over,
        };
        std::thread::scope(|scope| together.work(scope));
    }
}

impl<'a> Together<'a> {
    /// What each connection does.
    fn work<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>)
    where
        'a: 'scope,
    {
        while let Some(range) = self.next() {
            if self.bring(range, scope).is_err() {
                self.over.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Has idle connections help.
    fn recruit<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>)
    where
        'a: 'scope,
    {
        while !self.rest().is_empty()
            && !self.over.load(Ordering::Relaxed)
            && self.job.inner.spare.take()
        {
            scope.spawn(|| {
                self.work(scope);
                self.job.inner.spare.give();
            });
        }
    }

    /// The next share: what there is, divided among all who may come to take of it.
    fn next(&self) -> Option<Range<u64>> {
        if self.over.load(Ordering::Relaxed) {
            return None;
        }
        let inner = self.job.inner;
        // While other files wait, few will come to help; then all will.
        let helpers = if inner.spare.grows() {
            inner.connections
        } else {
            1
        };
        let mut rest = self.rest();
        let share = length(&rest) / helpers.max(2) as u64;
        let gap = rest.first_mut()?;
        let share = share.max(self.least);
        if gap.end - gap.start < share + self.least / 2 {
            return Some(rest.remove(0));
        }
        let taken = gap.start..gap.start + share;
        gap.start = taken.end;
        Some(taken)
    }

    fn bring<'scope>(
        &'scope self,
        range: Range<u64>,
        scope: &'scope Scope<'scope, '_>,
    ) -> std::result::Result<(), Trouble>
    where
        'a: 'scope,
    {
        self.recruit(scope);
        let if_range = self.job.validator(&self.head);
        let ask = Ask {
            range: Some(format!("bytes={}-{}", range.start, range.end - 1)),
            if_range,
        };
        let answer = self
            .job
            .inner
            .client
            .get(&self.job.wanted.url, &ask, self.job.halt)?;
        if !self.is_range(&answer, &range) {
            return Err(Trouble::passing(
                "the server sends another range than was asked for".to_owned(),
            ));
        }
        let result = self.receive(answer, range, scope);
        self.partial().note()?;
        result
    }

    fn is_range(&self, answer: &Answer, range: &Range<u64>) -> bool {
        let found = answer.content_range();
        let same = found.is_some_and(|found| {
            found.range.as_ref() == Some(range) && found.total == Some(self.head.total)
        });
        let (tag, _) = answer.tag();
        let changed = self.head.tag.is_some() && tag.is_some() && tag != self.head.tag;
        answer.status == 206 && answer.encoding().is_none() && same && !changed
    }

    fn receive<'scope>(
        &'scope self,
        answer: Answer,
        range: Range<u64>,
        scope: &'scope Scope<'scope, '_>,
    ) -> std::result::Result<(), Trouble>
    where
        'a: 'scope,
    {
        let mut body = answer.into_body();
        let mut buffer = vec![0; BUFFER];
        let mut at = range.start;
        loop {
            self.job.halt.check()?;
            let read = body
                .read(&mut buffer)
                .map_err(|error| Trouble::of(error.into(), &self.job.wanted.url))?;
            let bytes = &buffer[..read];
            if read == 0 && at == range.end {
                return Ok(());
            }
            if read == 0 || read as u64 > range.end - at {
                return Err(Trouble::passing(
                    "the server sends more or less than it said".to_owned(),
                ));
            }
            self.job.check_beginning(bytes, at, "a range")?;
            let mut partial = self.partial();
            if partial.generation() != self.generation {
                return Err(Trouble::passing("it was begun anew".to_owned()));
            }
            partial.write(bytes, at)?;
            drop(partial);
            at += read as u64;
            self.job
                .progress
                .transfer_advance(self.job.transfer, read as u64);
            self.recruit(scope);
        }
    }

    fn partial(&self) -> MutexGuard<'_, &'a mut Partial> {
        self.partial.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rest(&self) -> MutexGuard<'_, Vec<Range<u64>>> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn length(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

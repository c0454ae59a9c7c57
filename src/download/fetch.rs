//! One file: which bytes to ask for next, what to do with the answer, and when to try again.
//!
//! Input: a [`Partial`] under its lock and the [`Part`] of it that is wanted. Output: that part is
//! present, or an error. Invariants: what is present is not asked for again; a connection that
//! brought new bytes never counts as a failure; an answer that cannot be the wanted file is refused
//! before its body is read.

use std::io::Read as _;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::cache::{Checked, check_name};
use super::client::{Ask, PAUSE};
use super::partial::{Head, Partial};
use super::response::Answer;
use super::retry::{Halt, Trouble};
use super::together::{SHARE, SHARE_OF_LOOK};
use super::{Inner, Wanted};
use crate::error::{Error, NetworkFault, Result, SourceFault, escaped};
use crate::fs::{OpenFile, ReadAt as _};
use crate::outcome::Progress;

const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
pub(super) const BUFFER: usize = 1 << 17;

/// Which part of a file is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// Its length and, on the way, its end.
    Tail,
    /// Its length and, on the way, its beginning.
    Beginning,
    /// These bytes.
    Range(Range<u64>),
}

/// One file and who wants it.
pub(super) struct Job<'a> {
    pub(super) inner: &'a Inner,
    pub(super) wanted: &'a Wanted,
    pub(super) halt: Halt<'a>,
    pub(super) progress: &'a dyn Progress,
    pub(super) transfer: usize,
}

impl Inner {
    /// The whole file, from the cache or fetched.
    pub(super) fn fetch(
        &self,
        wanted: &Wanted,
        halt: Halt<'_>,
        progress: &dyn Progress,
    ) -> Result<OpenFile> {
        check_name(wanted)?;
        halt.check()?;
        let transfer = self.transfers.fetch_add(1, Ordering::Relaxed);
        let job = Job {
            inner: self,
            wanted,
            halt,
            progress,
            transfer,
        };
        if let Some(file) = job.cached()? {
            return Ok(file);
        }
        if self.offline {
            return Err(Error::offline(vec![wanted.label.clone()]));
        }
        let lock = self
            .store
            .lock(wanted, halt, &|path| progress.waiting(path))?;
        let result = job.fetch();
        self.store.unlock(lock);
        result.map_err(|error| of_full_disk(error, wanted))
    }
}

impl Job<'_> {
    pub(super) fn fetch(&self) -> Result<OpenFile> {
        // Another process may have completed it while this one waited for the lock.
        if let Some(file) = self.cached()? {
            return Ok(file);
        }
        let result = self.fetch_and_check();
        self.progress.transfer_end(self.transfer);
        result
    }

    /// The file where the cache has it: a transfer of which nothing is left to do.
    fn cached(&self) -> Result<Option<OpenFile>> {
        let file = self.inner.store.cached(self.wanted, self.halt)?;
        if let Some(file) = &file {
            let (length, name) = (file.size(), &self.wanted.file_name);
            self.progress
                .transfer_begin(self.transfer, name, Some(length), length);
            self.progress.transfer_end(self.transfer);
        }
        Ok(file)
    }

    fn fetch_and_check(&self) -> Result<OpenFile> {
        loop {
            let partial = self.inner.store.partial(self.wanted)?;
            let (present, may_mix) = (partial.ranges().count(), self.inner.store.may_mix(&partial));
            let total = partial.head().map(|head| head.total).or(self.wanted.size);
            self.progress
                .transfer_begin(self.transfer, &self.wanted.file_name, total, present);
            let partial = self.fill(partial, &Part::Whole)?;
            match self.inner.store.finish(self.wanted, partial, self.halt)? {
                Checked::Good(file) => return Ok(file),
                // What came earlier may be of another file, or be lost on the disk: that is worth
                // one more try.
                Checked::Bad(_) if may_mix => {
                    self.progress.transfer_retry(
                        self.transfer,
                        "the bytes that were there already are wrong",
                    );
                }
                Checked::Bad(faults) => {
                    return Err(Error::wheels(vec![(self.wanted.label.clone(), faults)]));
                }
            }
        }
    }

    /// Fetches what is missing of `part`. Where that fails before anything came, nothing stays.
    pub(super) fn fill(&self, mut partial: Partial, part: &Part) -> Result<Partial> {
        match self.fetch_part(&mut partial, part) {
            Ok(()) => Ok(partial),
            Err(error) => {
                if partial.ranges().count() == 0 {
                    // The failure matters more than an empty directory that stays.
                    let _ = partial.remove();
                }
                Err(error)
            }
        }
    }

    fn fetch_part(&self, partial: &mut Partial, part: &Part) -> Result<()> {
        match part {
            Part::Whole => {
                if partial.head().is_none() && self.others_may_help() {
                    self.fetch_steps(partial, &Part::Beginning)?;
                }
                self.fetch_together(partial, 0..u64::MAX, SHARE);
            }
            Part::Range(range) => self.fetch_together(partial, range.clone(), SHARE_OF_LOOK),
            Part::Tail | Part::Beginning => {}
        }
        self.fetch_steps(partial, part)
    }

    fn fetch_steps(&self, partial: &mut Partial, part: &Part) -> Result<()> {
        let mut failures = 0;
        let mut most = partial.ranges().count();
        while let Some(step) = next_step(partial, part) {
            self.halt.check()?;
            let result = self.receive(partial, &step);
            let moved = partial.ranges().count() > most;
            most = most.max(partial.ranges().count());
            let (why, wait, fault) = match result {
                Err(Trouble::Fatal(error)) => return Err(error),
                _ if moved => {
                    failures = 0;
                    continue;
                }
                Ok(()) if next_step(partial, part).is_none() => return Ok(()),
                Ok(()) => (
                    "the server sends nothing new".to_owned(),
                    None,
                    NetworkFault::TransferFailed,
                ),
                Err(Trouble::Passing { why, wait, fault }) => (why, wait, fault),
            };
            failures += 1;
            if failures > self.inner.retries {
                return Err(Error::network(fault, &self.wanted.label, why));
            }
            self.progress.transfer_retry(self.transfer, &why);
            self.pause(wait.unwrap_or_else(|| self.inner.pause_before(failures)))?;
        }
        Ok(())
    }

    fn pause(&self, length: Duration) -> Result<()> {
        let end = Instant::now() + length;
        loop {
            self.halt.check()?;
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Ok(());
            }
            std::thread::park_timeout(rest.min(PAUSE));
        }
    }

    /// Asks once, and takes what comes.
    fn receive(&self, partial: &mut Partial, step: &Part) -> std::result::Result<(), Trouble> {
        let range = match step {
            Part::Whole => None,
            Part::Tail => Some(format!("bytes=-{}", self.inner.tail)),
            Part::Beginning => Some(format!("bytes=0-{}", SHARE - 1)),
            Part::Range(range) => Some(format!("bytes={}-{}", range.start, range.end - 1)),
        };
        let if_range = partial
            .head()
            .filter(|_| range.is_some())
            .and_then(|head| self.validator(head));
        let answer =
            self.inner
                .client
                .get(&self.wanted.url, &Ask { range, if_range }, self.halt)?;
        match (answer.status, step) {
            (200 | 206, _) if answer.encoding().is_some() => {
                let encoding = answer.encoding().unwrap_or_default().to_owned();
                Err(self.refuse(SourceFault::ContentEncoding(encoding)))
            }
            (200, _) => self.take_whole(partial, answer),
            (206, Part::Tail | Part::Beginning | Part::Range(_)) => {
                self.take_range(partial, answer, step)
            }
            (416, Part::Tail | Part::Beginning)
                if answer
                    .content_range()
                    .is_some_and(|found| found.total == Some(0)) =>
            {
                self.check_size(0)?;
                Ok(partial.begin(self.inner.store.head(self.wanted, 0, answer.tag()))?)
            }
            // Some servers know no ranges that count from the end, or none that are longer than the
            // file, or none at all.
            (400 | 416 | 501, Part::Tail | Part::Beginning) => self.receive(partial, &Part::Whole),
            (416, Part::Range(_)) => {
                partial.clear()?;
                Err(Trouble::passing(
                    "the file has another length than before".to_owned(),
                ))
            }
            _ => Err(Trouble::of_status(&answer, self.wanted)),
        }
    }

    /// What makes sure that a range is one of the same file as before.
    pub(super) fn validator(&self, head: &Head) -> Option<String> {
        let same = self
            .inner
            .store
            .head(self.wanted, head.total, (None, false))
            .address
            == head.address;
        head.tag.clone().filter(|_| head.strong && same)
    }

    fn take_whole(
        &self,
        partial: &mut Partial,
        answer: Answer,
    ) -> std::result::Result<(), Trouble> {
        let tag = answer.tag();
        let Some(total) = answer.length() else {
            partial.clear()?;
            self.progress.transfer_begin(
                self.transfer,
                &self.wanted.file_name,
                self.wanted.size,
                0,
            );
            self.stream(partial, answer, 0..u64::MAX, None)?;
            let total = partial.ranges().count();
            self.check_size(total)?;
            return Ok(partial.complete(self.inner.store.head(self.wanted, total, tag))?);
        };
        self.check_size(total)?;
        let head = self.inner.store.head(self.wanted, total, tag);
        let same = |held: &Head| {
            head.strong
                && *held
                    == Head {
                        session: held.session.clone(),
                        ..head.clone()
                    }
        };
        let begins = !partial.head().is_some_and(same);
        self.stream(partial, answer, 0..total, begins.then_some(head))
    }

    fn take_range(
        &self,
        partial: &mut Partial,
        answer: Answer,
        step: &Part,
    ) -> std::result::Result<(), Trouble> {
        let odd =
            || Trouble::passing("the server sends another range than was asked for".to_owned());
        let found = answer.content_range().ok_or_else(odd)?;
        let (Some(range), Some(total)) = (found.range, found.total) else {
            return Err(odd());
        };
        let as_asked = match step {
            Part::Range(asked) => range.start == asked.start && range.end <= asked.end,
            Part::Beginning => range.start == 0 && range.end <= SHARE,
            Part::Tail | Part::Whole => range.end == total,
        };
        if !as_asked {
            return Err(odd());
        }
        let head = self.inner.store.head(self.wanted, total, answer.tag());
        let Some(held) = partial.head() else {
            self.check_size(total)?;
            return self.stream(partial, answer, range, Some(head));
        };
        let tags_differ = held.tag.is_some() && head.tag.is_some() && held.tag != head.tag;
        if held.total != total || tags_differ && held.address == head.address {
            partial.clear()?;
            return Err(Trouble::passing(
                "the file has changed since it was begun".to_owned(),
            ));
        }
        self.stream(partial, answer, range, None)
    }

    /// Writes the body, which holds `range` of the file; the end of a range without bounds is where
    /// the body ends. What is present is given up for a file that `begins` only when something came
    /// that may be it.
    fn stream(
        &self,
        partial: &mut Partial,
        answer: Answer,
        range: Range<u64>,
        mut begins: Option<Head>,
    ) -> std::result::Result<(), Trouble> {
        let content_type = answer
            .header("content-type")
            .unwrap_or("no content type")
            .to_owned();
        let mut body = answer.into_body();
        let mut buffer = vec![0; BUFFER];
        let mut at = range.start;
        let result = loop {
            self.halt.check()?;
            match body.read(&mut buffer) {
                Ok(0) if at < range.end && range.end != u64::MAX => {
                    break Err(Trouble::passing(
                        "the server broke the connection off".to_owned(),
                    ));
                }
                Ok(0) => {
                    begins.map_or(Ok(()), |head| self.begin(partial, head))?;
                    break Ok(());
                }
                Ok(count) if count as u64 > range.end - at => {
                    break Err(Trouble::passing(
                        "the server sends more than it said".to_owned(),
                    ));
                }
                Ok(count) => {
                    let bytes = &buffer[..count];
                    self.check_beginning(bytes, at, &content_type)?;
                    begins
                        .take()
                        .map_or(Ok(()), |head| self.begin(partial, head))?;
                    let before = partial.ranges().count();
                    partial.write(bytes, at)?;
                    at += count as u64;
                    self.progress
                        .transfer_advance(self.transfer, partial.ranges().count() - before);
                }
                Err(error) => {
                    break Err(Trouble::of(ureq::Error::from(error), &self.wanted.url));
                }
            }
        };
        partial.note()?;
        self.halt.check()?;
        result
    }

    fn begin(&self, partial: &mut Partial, head: Head) -> Result<()> {
        self.progress
            .transfer_begin(self.transfer, &self.wanted.file_name, Some(head.total), 0);
        partial.begin(head)
    }

    /// A page that a portal or a login shows in place of the file does not begin as an archive
    /// does.
    pub(super) fn check_beginning(
        &self,
        bytes: &[u8],
        at: u64,
        content_type: &str,
    ) -> std::result::Result<(), Trouble> {
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        let expected = b"PK".get(start..).unwrap_or_default();
        if bytes
            .iter()
            .zip(expected)
            .all(|(byte, expected)| byte == expected)
        {
            return Ok(());
        }
        let begins = escaped(&String::from_utf8_lossy(&bytes[..bytes.len().min(40)]));
        Err(self.refuse(SourceFault::NotAWheel {
            content_type: content_type.to_owned(),
            begins,
        }))
    }

    fn check_size(&self, actual: u64) -> std::result::Result<(), Trouble> {
        match self.wanted.size {
            Some(promised) if promised != actual => {
                Err(self.refuse(SourceFault::Size { promised, actual }))
            }
            _ => Ok(()),
        }
    }

    fn refuse(&self, fault: SourceFault) -> Trouble {
        Trouble::Fatal(Error::wheel(&self.wanted.label, fault))
    }
}

impl Inner {
    /// The pause before the next try: doubled each time, and not the same for all who were turned
    /// away together.
    fn pause_before(&self, failures: u32) -> Duration {
        let doubled = self.backoff.saturating_mul(1 << (failures - 1).min(16));
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let jitter = 750 + clock.map_or(0, |now| now.subsec_micros() % 500);
        (doubled.saturating_mul(jitter) / 1000).min(LONGEST_BACKOFF)
    }
}

/// Names the file that a full disk has no room for, and what to do; other failures stay as they
/// are.
pub(super) fn of_full_disk(error: Error, wanted: &Wanted) -> Error {
    let kind = error
        .os_code()
        .map(|code| std::io::Error::from_raw_os_error(code).kind());
    if matches!(
        kind,
        Some(std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
    ) {
        return Error::network(NetworkFault::CacheFull, &wanted.label, error.to_string());
    }
    error
}

/// What to ask for next, where anything of `part` is missing.
fn next_step(partial: &Partial, part: &Part) -> Option<Part> {
    match (part, partial.head()) {
        (Part::Whole, None) => Some(Part::Whole),
        (Part::Tail | Part::Beginning, None) => Some(part.clone()),
        (Part::Tail | Part::Beginning, Some(_)) => None,
        (Part::Whole, Some(head)) => {
            partial
                .ranges()
                .gaps(0..head.total)
                .into_iter()
                .next()
                .map(|gap| {
                    // From nothing to all is the plain request, which every server understands.
                    if gap == (0..head.total) {
                        Part::Whole
                    } else {
                        Part::Range(gap)
                    }
                })
        }
        (Part::Range(range), _) => partial
            .ranges()
            .gaps(range.clone())
            .into_iter()
            .next()
            .map(Part::Range),
    }
}

//! One file in progress: what a connection does with one part of it.
//!
//! Input: a [`Part`] to ask for. Output: bytes in the [`Partial`] file, and [`TransferEvent`]s for
//! the waiting side. Invariants: an answer that cannot be the wanted file is refused before its
//! body is read; bytes that are present are given up only once the first bytes of another file have
//! come; after [`FileTransfer::close`] no connection writes any more. A range that a server
//! refuses, or answers in a way that cannot be used, is followed by one request for the whole file,
//! and only the answer to that one is final. Limits: nothing else is tried again here.

use std::io::Read as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::client::{Client, identity};
use super::partial::{Head, Partial, Provenance};
use super::queue::{Done, Job, Ran};
use super::ranges::Part;
use super::remote_file::RemoteFile;
use super::response::Response;
use super::retry::FetchError;
use super::waits::Waits;
use crate::cancellation::Cancellation;
use crate::error::{Error, NetworkFault, Result, SourceFault};

/// Large enough that a system call costs little, small enough to stay in the processor's cache
/// until it is written.
const BUFFER: usize = 1 << 17;
/// The most bytes of a body whose length neither the server nor the source states: more than wheels
/// have, so that a body without an end does not fill the disk.
const MOST_UNSTATED: u64 = 1 << 32;

/// A file that connections write into.
pub(super) struct FileTransfer {
    pub(super) client: Arc<Client>,
    pub(super) file: RemoteFile,
    pub(super) origin: Provenance,
    pub(super) cancel: Cancellation,
    pub(super) state: Mutex<TransferState>,
}

/// Shared by all connections of the file.
pub(super) struct TransferState {
    /// `None` once the transfer is closed.
    partial: Option<Partial>,
    events: Vec<TransferEvent>,
    ranges: RangeSupport,
    /// How long the server may send nothing.
    patience: Duration,
    waits: Waits,
    /// Whether the file was received from its beginning since this was last asked for.
    restarted: bool,
}

/// What the server's answers to requests with `Range` have shown.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum RangeSupport {
    /// Nothing that speaks against ranges.
    #[default]
    Usable,
    /// The last one failed in a way that may pass.
    Doubtful,
    /// Ranges are refused, or answered in a way that cannot be used.
    Unusable,
}

/// Why an answer did not bring what was asked for.
enum Unanswered {
    /// The server may still send the whole file.
    OfRange(FetchError),
    Other(FetchError),
}

impl From<FetchError> for Unanswered {
    fn from(error: FetchError) -> Self {
        Self::Other(error)
    }
}

impl From<Error> for Unanswered {
    fn from(error: Error) -> Self {
        Self::Other(error.into())
    }
}

impl From<Unanswered> for FetchError {
    fn from(refusal: Unanswered) -> Self {
        match refusal {
            Unanswered::OfRange(error) | Unanswered::Other(error) => error,
        }
    }
}

/// The events of the file, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TransferEvent {
    /// It was begun anew; its length, if that is known; whether all of its bytes come at once.
    Began { total: Option<u64>, whole: bool },
    /// This many more bytes are present.
    Advanced(u64),
}

impl TransferState {
    /// `ranges` is what earlier transfers of the file have shown.
    pub(super) fn new(partial: Partial, waits: Waits, ranges: RangeSupport) -> Mutex<Self> {
        Mutex::new(Self {
            partial: Some(partial),
            events: Vec::new(),
            ranges,
            patience: Duration::ZERO,
            waits,
            restarted: false,
        })
    }

    /// The file, unless the waiting side has given up.
    fn partial(&mut self) -> Result<&mut Partial> {
        self.partial.as_mut().ok_or_else(Error::interrupted)
    }

    fn begin(&mut self, head: Head, whole: bool) -> Result<()> {
        let total = Some(head.total);
        self.events.push(TransferEvent::Began { total, whole });
        self.partial()?.begin(head)
    }

    /// Writes a piece. Whether the pieces come fast enough to wait for the rest.
    fn write(&mut self, bytes: &[u8], at: u64) -> Result<bool> {
        let partial = self.partial()?;
        let before = partial.count();
        partial.write(bytes, at)?;
        let new = partial.count() - before;
        let behind = self.waits.came(Instant::now(), bytes.len());
        match self.events.last_mut() {
            Some(TransferEvent::Advanced(count)) => *count += new,
            _ => self.events.push(TransferEvent::Advanced(new)),
        }
        Ok(behind <= self.patience)
    }
}

impl Job for FileTransfer {
    fn run(&self, part: &Part) -> Ran {
        self.lock().waits.begin(Instant::now());
        let result = self.fetch(part);
        self.lock().waits.end(Instant::now(), result.is_err());
        Ran::Done(result)
    }
}

impl FileTransfer {
    /// Looks at the partial file between two requests.
    pub(super) fn look<T>(&self, at: impl FnOnce(&Partial) -> T) -> Result<T> {
        self.lock().partial().map(|partial| at(partial))
    }

    /// The events since the last call.
    pub(super) fn take_events(&self) -> Vec<TransferEvent> {
        std::mem::take(&mut self.lock().events)
    }

    /// The next requests fail if the server sends nothing for this long.
    pub(super) fn set_patience(&self, patience: Duration) {
        self.lock().patience = patience;
    }

    /// What the server's answers have shown of ranges.
    pub(super) fn ranges(&self) -> RangeSupport {
        self.lock().ranges
    }

    /// How long requests waited for bytes since the last call.
    pub(super) fn take_waits(&self) -> Duration {
        self.lock().waits.take()
    }

    /// Whether the whole file was sent, or begun to be sent, since the last call.
    pub(super) fn take_restarted(&self) -> bool {
        std::mem::take(&mut self.lock().restarted)
    }

    /// Takes the file away from the connections; `None` if that was done already.
    pub(super) fn close(&self) -> Option<Partial> {
        self.lock().partial.take()
    }

    fn lock(&self) -> MutexGuard<'_, TransferState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a part and takes the answer; if the server does not serve ranges, asks for the
    /// whole file.
    fn fetch(&self, part: &Part) -> Done {
        // The whole file is for one connection: after the failure of a share, one goes on alone.
        let may_be_whole = !matches!(part, Part::Share(_));
        if may_be_whole && self.lock().ranges == RangeSupport::Unusable {
            return Ok(self.ask(&Part::Whole)?);
        }
        match self.ask(part) {
            Err(Unanswered::OfRange(error)) if may_be_whole => {
                // A busy server gets its pause; some answer ranges with 429 or 503 for ever.
                let may_pass = matches!(error, FetchError::Passing(_));
                // There is time for two silent tries only. The second one asks for the whole file,
                // unless that would bring bytes again that are present already.
                let is_silence =
                    matches!(&error, FetchError::Passing(passing) if passing.is_silence);
                let is_first = matches!(part, Part::Tail(_) | Part::Beginning(_));
                let mut state = self.lock();
                let is_new = state.ranges == RangeSupport::Usable;
                state.ranges = if may_pass && is_new && !(is_silence && is_first) {
                    RangeSupport::Doubtful
                } else {
                    RangeSupport::Unusable
                };
                drop(state);
                if may_pass {
                    return Err(error);
                }
                Ok(self.ask(&Part::Whole)?)
            }
            Ok(()) => {
                self.lock().ranges = RangeSupport::Usable;
                Ok(())
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Asks once, and takes the answer.
    fn ask(&self, part: &Part) -> std::result::Result<(), Unanswered> {
        let mut headers = vec![identity()];
        if let Some(range) = part.header() {
            headers.push(("Range", range));
            let if_range = |partial: &Partial| partial.head()?.if_range(&self.origin);
            headers.extend(self.look(if_range)?.map(|tag| ("If-Range", tag)));
        }
        let patience = self.lock().patience;
        let answer = (self.client).get(&self.file.url, &headers, patience, &self.cancel);
        let answer = answer.map_err(|error| match error {
            // Some servers drop requests for ranges, or never answer them.
            FetchError::Passing(_) if *part != Part::Whole => Unanswered::OfRange(error),
            error => Unanswered::Other(error),
        })?;
        // A proxy that has changed the headers of an answer says so with 203 (RFC 9110, 15.3.4).
        match (answer.status, part) {
            (200 | 203 | 206, _) if answer.coding().is_some() => {
                let coding = answer.coding().unwrap_or_default().to_owned();
                Err(self.refuse(SourceFault::ContentEncoding(coding)).into())
            }
            (200 | 203, Part::Share(_)) => Err(self.other_range()),
            (200 | 203, _) => self.take_whole(answer),
            (206, _) => self.take_range(answer, part),
            (416, Part::Tail(_) | Part::Beginning(_)) if is_empty(&answer) => {
                self.check_size(0)?;
                let head = self.origin.head(0, answer.validator());
                Ok(self.lock().begin(head, true)?)
            }
            (_, Part::Whole) => Err(self.status(&answer).into()),
            _ => Err(Unanswered::OfRange(self.status(&answer))),
        }
    }

    fn status(&self, answer: &Response) -> FetchError {
        FetchError::of_status(answer, &self.file.url, &self.file.label)
    }

    fn take_whole(&self, answer: Response) -> std::result::Result<(), Unanswered> {
        self.lock().restarted = true;
        let validator = answer.validator();
        let Some(total) = answer.length() else {
            let mut state = self.lock();
            state.partial()?.clear()?;
            state.events.push(TransferEvent::Began {
                total: self.file.size,
                whole: true,
            });
            drop(state);
            // The lock is free meanwhile, as `receive` takes it for each piece.
            self.receive(answer, 0, None, None)?;
            let mut state = self.lock();
            let partial = state.partial()?;
            let total = partial.count();
            self.check_size(total)?;
            return Ok(partial.complete(self.origin.head(total, validator))?);
        };
        self.check_size(total)?;
        let head = self.origin.head(total, validator);
        let same = |partial: &Partial| partial.head().is_some_and(|held| held.is_same_file(&head));
        let begins = !self.look(same)?;
        self.receive(answer, 0, Some(total), begins.then_some(head))
    }

    fn take_range(&self, answer: Response, part: &Part) -> std::result::Result<(), Unanswered> {
        let other_range = || self.other_range();
        let found = answer.content_range().ok_or_else(other_range)?;
        let (Some(range), Some(total)) = (found.range, found.total) else {
            return Err(other_range());
        };
        // One of the two lengths is wrong, and the body would be cut off or run over.
        let lengths_agree = |length| length == range.end - range.start;
        if !answer.length().is_none_or(lengths_agree) {
            return Err(other_range());
        }
        let as_asked = match part {
            Part::Share(asked) => range == *asked,
            // A server may send less than was asked for (RFC 9110, 15.3.7); the rest follows.
            Part::Range(asked) => range.start == asked.start && range.end <= asked.end,
            Part::Beginning(length) => range.start == 0 && range.end <= *length,
            // A suffix that is longer than the file is all of it, so its start is free.
            Part::Tail(_) => range.end == total,
            // Some servers answer every request with a range.
            Part::Whole => range == (0..total),
        };
        if !as_asked {
            return Err(other_range());
        }
        let head = self.origin.head(total, answer.validator());
        let mut state = self.lock();
        let partial = state.partial()?;
        let Some(held) = partial.head() else {
            drop(state);
            self.check_size(total)?;
            return self.receive(answer, range.start, Some(range.end), Some(head));
        };
        // Mirrors have tags of their own, so tags of two addresses prove nothing.
        let tags_differ = held.tag.is_some() && head.tag.is_some() && held.tag != head.tag;
        if held.total != total || tags_differ && held.address == head.address {
            // Other connections may still be writing shares; the one that works alone clears it.
            if !matches!(part, Part::Share(_)) {
                partial.clear()?;
            }
            // Some servers send another weak tag with each answer, so that no two ranges fit.
            return Err(Unanswered::OfRange(
                self.fatal("the file has changed since it was begun"),
            ));
        }
        drop(state);
        self.receive(answer, range.start, Some(range.end), None)
    }

    /// Writes the body, whose first byte is that at `start`. It ends at `end`, or, if that is
    /// unknown, with the connection. `begins` describes a file that is another one than before.
    fn receive(
        &self,
        answer: Response,
        start: u64,
        end: Option<u64>,
        mut begins: Option<Head>,
    ) -> std::result::Result<(), Unanswered> {
        let content_type = answer
            .header("content-type")
            .unwrap_or("no content type")
            .to_owned();
        let (_, mut body) = answer.into_parts();
        let mut buffer = vec![0; BUFFER];
        let mut at = start;
        let result = loop {
            self.cancel.check()?;
            let bytes = match body.read(&mut buffer) {
                Ok(count) => {
                    self.client.traffic.received(count);
                    &buffer[..count]
                }
                Err(error) => break Err(self.broken(error).into()),
            };
            match end {
                Some(end) if bytes.is_empty() && at < end => {
                    break Err(FetchError::passing("the server broke the connection off").into());
                }
                // The bytes beyond the end may belong to another connection and are not written.
                Some(end) if bytes.len() as u64 > end - at => {
                    break Err(Unanswered::OfRange(
                        self.fatal("the server sends more than it said"),
                    ));
                }
                None => self.check_growth(at + bytes.len() as u64)?,
                _ => {}
            }
            self.check_beginning(bytes, at, &content_type)?;
            let mut state = self.lock();
            if let Some(head) = begins.take() {
                let whole = start == 0 && end == Some(head.total);
                state.begin(head, whole)?;
            }
            // This check comes after `begin`, as an empty file must get a head, too.
            if bytes.is_empty() {
                break Ok(());
            }
            if !state.write(bytes, at)? {
                break Err(FetchError::passing("the server sends hardly anything").into());
            }
            at += bytes.len() as u64;
        };
        // A body that broke off is logged as well, so that the next run goes on behind it.
        self.lock().partial()?.flush_log()?;
        result
    }

    /// The error of a body that ended too early.
    fn broken(&self, error: std::io::Error) -> FetchError {
        FetchError::of(error.into(), &self.file.url, &self.file.label)
    }

    /// Refuses a page that a portal or a login shows instead of the file: an archive begins in
    /// another way.
    fn check_beginning(&self, bytes: &[u8], at: u64, content_type: &str) -> Done {
        // The first piece may be as short as one byte, so each byte is compared at its offset.
        let expected = usize::try_from(at).ok().and_then(|at| b"PK".get(at..));
        let mut pairs = bytes.iter().zip(expected.unwrap_or_default());
        if pairs.all(|(byte, expected)| byte == expected) {
            return Ok(());
        }
        Err(self.refuse(SourceFault::NotAWheel {
            content_type: content_type.to_owned(),
        }))
    }

    /// Ends a body of unknown length once it is longer than it may be.
    fn check_growth(&self, length: u64) -> Done {
        match self.file.size {
            Some(promised) if length > promised => {
                Err(self.refuse(SourceFault::Longer { promised }))
            }
            None if length > MOST_UNSTATED => Err(self.refuse(SourceFault::Longer {
                promised: MOST_UNSTATED,
            })),
            _ => Ok(()),
        }
    }

    fn check_size(&self, actual: u64) -> Done {
        match self.file.size {
            Some(promised) if promised != actual => {
                Err(self.refuse(SourceFault::Size { promised, actual }))
            }
            _ => Ok(()),
        }
    }

    fn refuse(&self, fault: SourceFault) -> FetchError {
        Error::wheel(&self.file.label, fault).into()
    }

    fn fatal(&self, why: &str) -> FetchError {
        Error::network(NetworkFault::TransferFailed, &self.file.label, why).into()
    }

    /// The answer holds bytes that were not asked for: the same request would bring them again.
    fn other_range(&self) -> Unanswered {
        Unanswered::OfRange(self.fatal("the server sends another range than was asked for"))
    }
}

/// Whether the answer to a range says that the file has no bytes at all.
fn is_empty(answer: &Response) -> bool {
    let found = answer.content_range();
    found.is_some_and(|found| found.total == Some(0))
}

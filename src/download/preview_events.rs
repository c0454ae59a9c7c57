//! How fetching reports its progress: at once for a transfer, later for a preview.
//!
//! Input: what happens to a file, from any thread. Output: calls of a [`Events`], and the lengths
//! of the files that were previewed. The progress of the call that made a preview may be gone when
//! the preview reads on, so the events of previews wait here until a caller polls them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::remote_file::RemoteFile;
use super::transfer::TransferEvent;
use crate::outcome::{Activity, ActivityKind, Events, Retry};

/// The events of previews that were not reported yet.
#[derive(Debug, Default)]
pub(super) struct PreviewEvents {
    state: Mutex<Previews>,
}

#[derive(Debug, Default)]
struct Previews {
    /// By address.
    lengths: HashMap<String, u64>,
    pending: Vec<PreviewEvent>,
    /// The transfers that have begun, because a server sends the whole file, and have not ended.
    begun: HashSet<usize>,
}

#[derive(Debug)]
enum PreviewEvent {
    Retry {
        name: String,
        retry: Retry,
    },
    Begin {
        transfer: usize,
        name: String,
        total: Option<u64>,
    },
    Advance {
        transfer: usize,
        bytes: u64,
    },
    End {
        transfer: usize,
    },
    Waiting {
        lock: PathBuf,
    },
    ActivityBegin {
        number: usize,
        activity: Activity,
    },
    ActivityEnd {
        number: usize,
    },
}

impl PreviewEvent {
    fn report(self, progress: &dyn Events) {
        match self {
            Self::Retry { name, retry } => progress.look_retry(&name, &retry),
            Self::Begin {
                transfer,
                name,
                total,
            } => progress.transfer_begin(transfer, &name, total, 0),
            Self::Advance { transfer, bytes } => progress.transfer_advance(transfer, bytes),
            Self::End { transfer } => progress.transfer_end(transfer),
            Self::Waiting { lock } => progress.waiting(&lock),
            Self::ActivityBegin { number, activity } => progress.activity_begin(number, &activity),
            Self::ActivityEnd { number } => progress.activity_end(number),
        }
    }
}

impl Previews {
    fn begin(&mut self, file: &RemoteFile, total: Option<u64>, transfer: usize) {
        self.begun.insert(transfer);
        let name = file.file_name.clone();
        self.pending.push(PreviewEvent::Begin {
            transfer,
            name,
            total,
        });
    }

    /// Adds to an event that waits already, since there may be none that polls for long.
    fn advance(&mut self, transfer: usize, bytes: u64) {
        for event in self.pending.iter_mut().rev() {
            match event {
                PreviewEvent::Advance {
                    transfer: other,
                    bytes: count,
                } if *other == transfer => {
                    *count += bytes;
                    return;
                }
                PreviewEvent::Begin {
                    transfer: other, ..
                } if *other == transfer => break,
                _ => {}
            }
        }
        self.pending.push(PreviewEvent::Advance { transfer, bytes });
    }

    fn end(&mut self, transfer: usize) {
        if self.begun.remove(&transfer) {
            self.pending.push(PreviewEvent::End { transfer });
        }
    }
}

impl PreviewEvents {
    /// A preview has seen the file's length.
    pub(super) fn saw(&self, file: &RemoteFile, length: u64) {
        self.lock().lengths.insert(file.key(), length);
    }

    /// The length that was promised, or seen by a preview.
    pub(super) fn length_of(&self, file: &RemoteFile) -> Option<u64> {
        let seen = || self.lock().lengths.get(&file.key()).copied();
        file.size.or_else(seen)
    }

    /// A preview has fetched the whole file, which makes it a transfer.
    pub(super) fn completed(&self, file: &RemoteFile, length: u64, transfer: usize) {
        let mut state = self.lock();
        if !state.begun.contains(&transfer) {
            // Its parts came one by one, or were there already.
            state.begin(file, Some(length), transfer);
            state.advance(transfer, length);
        }
        state.end(transfer);
    }

    /// A preview has ended; a transfer that it was has failed.
    pub(super) fn ended(&self, transfer: usize) {
        self.lock().end(transfer);
    }

    /// Reports everything that was not reported yet.
    pub(super) fn report(&self, progress: &dyn Events) {
        let pending = std::mem::take(&mut self.lock().pending);
        // The lock is free here: a connection must not wait for a callback that is slow.
        for one in pending {
            one.report(progress);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Previews> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the progress of one file is reported.
#[derive(Clone, Copy)]
pub(super) enum Reporter<'a> {
    /// It is a transfer with this number.
    Transfer(&'a dyn Events, usize),
    /// It is a preview. If the server sends the whole file, it is a transfer with this number.
    Preview(&'a PreviewEvents, usize),
}

impl<'a> Reporter<'a> {
    /// The file begins, or begins anew, or its length became known.
    pub(super) fn begin(self, file: &RemoteFile, total: Option<u64>, present: u64) {
        if let Self::Transfer(progress, number) = self {
            progress.transfer_begin(number, &file.file_name, total, present);
        }
    }

    pub(super) fn events(self, file: &RemoteFile, events: Vec<TransferEvent>) {
        for event in events {
            match (self, event) {
                (Self::Transfer(..), TransferEvent::Began { total, .. }) => {
                    self.begin(file, total, 0);
                }
                (Self::Transfer(progress, number), TransferEvent::Advanced(bytes)) => {
                    progress.transfer_advance(number, bytes);
                }
                (Self::Preview(events, number), TransferEvent::Began { total, whole: true }) => {
                    events.lock().begin(file, total, number);
                }
                // The parts of a file are no transfer.
                (Self::Preview(..), TransferEvent::Began { whole: false, .. }) => {}
                (Self::Preview(events, number), TransferEvent::Advanced(bytes)) => {
                    let mut state = events.lock();
                    if state.begun.contains(&number) {
                        state.advance(number, bytes);
                    }
                }
            }
        }
    }

    pub(super) fn retry(self, file: &RemoteFile, retry: &Retry) {
        match self {
            Self::Transfer(progress, number) => progress.transfer_retry(number, retry),
            Self::Preview(events, _) => events.lock().pending.push(PreviewEvent::Retry {
                name: file.file_name.clone(),
                retry: retry.clone(),
            }),
        }
    }

    /// Something begins that may take long; it ends when the result is dropped.
    pub(super) fn activity(self, kind: ActivityKind, subject: &str) -> ReportedActivity<'a> {
        self.begin_activity(Activity::new(kind, subject))
    }

    /// Another process holds the lock of the file; the wait ends when the result is dropped.
    pub(super) fn wait_for_lock(self, lock: &Path) -> ReportedActivity<'a> {
        match self {
            Self::Transfer(progress, _) => progress.waiting(lock),
            Self::Preview(events, _) => {
                let lock = lock.to_owned();
                events.lock().pending.push(PreviewEvent::Waiting { lock });
            }
        }
        self.begin_activity(Activity::wait_for_lock(lock))
    }

    fn begin_activity(self, activity: Activity) -> ReportedActivity<'a> {
        let number = Activity::next_number();
        match self {
            Self::Transfer(progress, _) => progress.activity_begin(number, &activity),
            Self::Preview(events, _) => {
                let event = PreviewEvent::ActivityBegin { number, activity };
                events.lock().pending.push(event);
            }
        }
        ReportedActivity {
            report: self,
            number,
        }
    }

    /// The file is complete, or was given up.
    pub(super) fn end(self) {
        if let Self::Transfer(progress, number) = self {
            progress.transfer_end(number);
        }
    }
}

/// An activity of fetching that is reported to have ended when this value is dropped.
pub(super) struct ReportedActivity<'a> {
    report: Reporter<'a>,
    number: usize,
}

impl Drop for ReportedActivity<'_> {
    fn drop(&mut self) {
        let number = self.number;
        match self.report {
            Reporter::Transfer(progress, _) => progress.activity_end(number),
            Reporter::Preview(events, _) => {
                let event = PreviewEvent::ActivityEnd { number };
                events.lock().pending.push(event);
            }
        }
    }
}

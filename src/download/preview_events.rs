//! How fetching reports its progress: at once for a transfer, later for a preview.
//!
//! Input: what happens to a file, from any thread. Output: calls of a [`Events`], and the lengths
//! of the files that were previewed. The progress of the call that made a preview may be gone when
//! the preview reads on, so the events of previews wait here until a caller polls them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::remote_file::RemoteFile;
use super::transfer::TransferEvent;
use crate::outcome::{Events, Retry};

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
}

#[derive(Debug)]
enum PreviewEvent {
    Retry {
        name: String,
        retry: Retry,
    },
    Complete {
        transfer: usize,
        name: String,
        length: u64,
    },
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
        let name = file.file_name.clone();
        self.lock().pending.push(PreviewEvent::Complete {
            transfer,
            name,
            length,
        });
    }

    /// Reports everything that was not reported yet.
    pub(super) fn report(&self, progress: &dyn Events) {
        let pending = std::mem::take(&mut self.lock().pending);
        // The lock is free here: a connection must not wait for a callback that is slow.
        for one in pending {
            match one {
                PreviewEvent::Retry { name, retry } => progress.look_retry(&name, &retry),
                PreviewEvent::Complete {
                    transfer,
                    name,
                    length,
                } => {
                    progress.transfer_begin(transfer, &name, Some(length), 0);
                    progress.transfer_advance(transfer, length);
                    progress.transfer_end(transfer);
                }
            }
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
    /// It is a preview, of which only new tries are reported.
    Preview(&'a PreviewEvents),
}

impl Reporter<'_> {
    /// The file begins, or begins anew, or its length became known.
    pub(super) fn begin(self, file: &RemoteFile, total: Option<u64>, present: u64) {
        if let Self::Transfer(progress, number) = self {
            progress.transfer_begin(number, &file.file_name, total, present);
        }
    }

    pub(super) fn events(self, file: &RemoteFile, events: Vec<TransferEvent>) {
        let Self::Transfer(progress, number) = self else {
            return;
        };
        for event in events {
            match event {
                TransferEvent::Began(total) => self.begin(file, total, 0),
                TransferEvent::Advanced(bytes) => progress.transfer_advance(number, bytes),
            }
        }
    }

    pub(super) fn retry(self, file: &RemoteFile, retry: &Retry) {
        match self {
            Self::Transfer(progress, number) => progress.transfer_retry(number, retry),
            Self::Preview(events) => events.lock().pending.push(PreviewEvent::Retry {
                name: file.file_name.clone(),
                retry: retry.clone(),
            }),
        }
    }

    /// The file is complete, or was given up.
    pub(super) fn end(self) {
        if let Self::Transfer(progress, number) = self {
            progress.transfer_end(number);
        }
    }
}

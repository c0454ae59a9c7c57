//! What looks into files have to tell: who made one is gone when it goes on, so it is kept until
//! somebody listens.
//!
//! Input: what became of looks, from any thread. Output: the lengths that they have seen, and
//! events for a [`Progress`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Wanted, label_of};
use crate::outcome::Progress;

#[derive(Debug, Default)]
pub(super) struct Looks {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lengths: HashMap<String, u64>,
    untold: Vec<Untold>,
}

#[derive(Debug)]
enum Untold {
    Retry {
        name: String,
        why: String,
    },
    Complete {
        transfer: usize,
        name: String,
        length: u64,
    },
}

impl Looks {
    /// The length of the file was seen.
    pub(super) fn saw(&self, wanted: &Wanted, length: u64) {
        self.state().lengths.insert(label_of(&wanted.url), length);
    }

    /// The length that a look has seen.
    pub(super) fn length_of(&self, wanted: &Wanted) -> Option<u64> {
        self.state().lengths.get(&label_of(&wanted.url)).copied()
    }

    /// A look has brought the whole file, which so is a transfer.
    pub(super) fn completed(&self, wanted: &Wanted, length: u64, transfers: &AtomicUsize) {
        let (transfer, name) = (
            transfers.fetch_add(1, Ordering::Relaxed),
            wanted.file_name.clone(),
        );
        self.state().untold.push(Untold::Complete {
            transfer,
            name,
            length,
        });
    }

    /// Tells what nobody was told yet.
    pub(super) fn tell(&self, progress: &dyn Progress) {
        let untold = std::mem::take(&mut self.state().untold);
        for one in untold {
            match one {
                Untold::Retry { name, why } => progress.look_retry(&name, &why),
                Untold::Complete {
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

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a look tells while it fetches.
pub(super) struct Look<'a> {
    pub(super) looks: &'a Looks,
    pub(super) wanted: &'a Wanted,
}

impl Progress for Look<'_> {
    fn transfer_retry(&self, _: usize, why: &str) {
        let (name, why) = (self.wanted.file_name.clone(), why.to_owned());
        self.looks.state().untold.push(Untold::Retry { name, why });
    }
}

//! The counters that workers add to, and what a drawer sees of them at one moment.
//!
//! Adding takes a lock that workers share; only what begins and ends takes it alone. A number that
//! is told to end or to advance without having begun is nothing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// How far everything has come.
#[derive(Default)]
pub struct Counters {
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    running: BTreeMap<usize, Transfer>,
    begun: usize,
    /// How many files there will be, those that have ended included, and their bytes, where those
    /// are known.
    expected: usize,
    expected_bytes: Option<u64>,
    /// The bytes of the files that have ended, and those of them that came over the wire.
    ended: u64,
    ended_received: u64,
    staging: Option<Staging>,
}

struct Transfer {
    name: String,
    total: Option<u64>,
    present: AtomicU64,
    received: AtomicU64,
}

struct Staging {
    files: u64,
    bytes: u64,
    files_done: AtomicU64,
    bytes_done: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// What is being fetched, by number.
    pub transfers: Vec<SeenTransfer>,
    /// How many files were begun, those that have ended included.
    pub begun: usize,
    /// How many files there will be at the least.
    pub expected: usize,
    /// Their bytes, where those are known.
    pub expected_bytes: Option<u64>,
    /// The bytes of the files that have ended.
    pub ended: u64,
    /// The bytes that came over the wire, for all files; never fewer than before.
    pub received: u64,
    /// What is being unpacked.
    pub staging: Option<SeenStaging>,
}

/// One file that is being fetched.
#[derive(Debug, Clone, Default)]
pub struct SeenTransfer {
    /// Its number.
    pub transfer: usize,
    /// Its name.
    pub name: String,
    /// Its length, where that is known.
    pub total: Option<u64>,
    /// The bytes that are here; fewer than before where it begins anew.
    pub present: u64,
    /// The bytes that came over the wire; never fewer than before.
    pub received: u64,
}

/// What is being unpacked.
#[derive(Debug, Clone, Copy, Default)]
pub struct SeenStaging {
    /// How many files there will be.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many files there are.
    pub files_done: u64,
    /// Their bytes.
    pub bytes_done: u64,
}

impl Counters {
    /// Unpacking begins.
    pub fn stage(&self, files: u64, bytes: u64) {
        let (files_done, bytes_done) = <(AtomicU64, AtomicU64)>::default();
        self.write().staging = Some(Staging {
            files,
            bytes,
            files_done,
            bytes_done,
        });
    }

    /// So many more files and bytes are unpacked.
    pub fn staged(&self, files: u64, bytes: u64) {
        if let Some(staging) = &self.read().staging {
            staging.files_done.fetch_add(files, Ordering::Relaxed);
            staging.bytes_done.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Unpacking has ended.
    pub fn stage_ended(&self) {
        self.write().staging = None;
    }

    /// So many files will begin, with so many bytes.
    pub fn expect(&self, files: usize, bytes: Option<u64>) {
        let mut state = self.write();
        state.expected = state.begun + files;
        state.expected_bytes = bytes.map(|bytes| state.ended + bytes);
    }

    /// A file begins, or begins anew, or more is known of it.
    pub fn begin(&self, transfer: usize, name: &str, total: Option<u64>, present: u64) {
        let mut state = self.write();
        let before = state.running.remove(&transfer);
        state.begun += usize::from(before.is_none());
        let received = before.map(|before| before.received).unwrap_or_default();
        let begun = Transfer {
            name: name.to_owned(),
            total,
            present: present.into(),
            received,
        };
        state.running.insert(transfer, begun);
    }

    /// So many more bytes of it are here.
    pub fn received(&self, transfer: usize, bytes: u64) {
        if let Some(transfer) = self.read().running.get(&transfer) {
            transfer.present.fetch_add(bytes, Ordering::Relaxed);
            transfer.received.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// It has ended.
    pub fn ended(&self, transfer: usize) {
        let mut state = self.write();
        if let Some(ended) = state.running.remove(&transfer) {
            state.ended += ended.present.into_inner();
            state.ended_received += ended.received.into_inner();
        }
    }

    /// What a file that is being fetched is called.
    pub fn name(&self, transfer: usize) -> Option<String> {
        self.read()
            .running
            .get(&transfer)
            .map(|transfer| transfer.name.clone())
    }

    /// How far everything has come.
    pub fn seen(&self) -> Seen {
        let state = self.read();
        let transfers: Vec<SeenTransfer> = state
            .running
            .iter()
            .map(|(&number, running)| running.seen(number))
            .collect();
        let received = state.ended_received
            + transfers
                .iter()
                .map(|transfer| transfer.received)
                .sum::<u64>();
        let staging = state.staging.as_ref().map(|staging| SeenStaging {
            files: staging.files,
            bytes: staging.bytes,
            files_done: staging.files_done.load(Ordering::Relaxed),
            bytes_done: staging.bytes_done.load(Ordering::Relaxed),
        });
        let (begun, ended) = (state.begun, state.ended);
        let expected_bytes = state.expected_bytes.filter(|_| begun <= state.expected);
        Seen {
            transfers,
            begun,
            expected: state.expected.max(begun),
            expected_bytes,
            ended,
            received,
            staging,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transfer {
    fn seen(&self, transfer: usize) -> SeenTransfer {
        let (present, received) = (
            self.present.load(Ordering::Relaxed),
            self.received.load(Ordering::Relaxed),
        );
        SeenTransfer {
            transfer,
            name: self.name.clone(),
            total: self.total,
            present,
            received,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_anew_is_one_file_and_what_came_stays_counted() {
        let counters = Counters::default();
        counters.begin(3, "a", None, 0);
        counters.received(3, 70);
        counters.begin(3, "a", Some(100), 20);
        counters.received(3, 30);
        let seen = counters.seen();
        assert_eq!(
            (seen.begun, seen.received, seen.transfers.len()),
            (1, 100, 1)
        );
        assert_eq!(
            (seen.transfers[0].present, seen.transfers[0].total),
            (50, Some(100))
        );
        counters.ended(3);
        counters.begin(4, "b", None, 5);
        let seen = counters.seen();
        assert_eq!(
            (
                seen.begun,
                seen.received,
                seen.ended,
                seen.transfers[0].transfer
            ),
            (2, 100, 50, 4)
        );
    }

    #[test]
    fn what_is_expected_comes_to_what_has_ended() {
        let counters = Counters::default();
        counters.begin(0, "a", Some(7), 7);
        counters.ended(0);
        counters.expect(2, Some(30));
        let seen = counters.seen();
        assert_eq!((seen.expected, seen.expected_bytes), (3, Some(37)));
        (1..4).for_each(|number| counters.begin(number, "b", Some(10), 0));
        let seen = counters.seen();
        assert_eq!(
            (seen.expected, seen.expected_bytes),
            (4, None),
            "more than was said"
        );
    }

    #[test]
    fn what_never_began_is_nothing() {
        let counters = Counters::default();
        counters.received(1, 5);
        counters.ended(1);
        counters.staged(1, 5);
        let seen = counters.seen();
        assert_eq!(
            (
                seen.begun,
                seen.received,
                seen.ended,
                seen.staging.is_none()
            ),
            (0, 0, 0, true)
        );
    }
}

//! The counters that workers add to, and a snapshot of them for the thread that draws.
//!
//! Adding takes a lock that workers share; only a begin or an end takes it exclusively. Numbers
//! that end or advance without having begun are ignored.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use pkg_install::progress::Activity;

/// How far all downloads and staging are.
#[derive(Default)]
pub struct Counters {
    counts: RwLock<Counts>,
}

#[derive(Default)]
struct Counts {
    // The bars search a snapshot by bisection, which needs this order.
    running: BTreeMap<usize, Running>,
    begun: usize,
    /// How many files there will be, including those that have ended.
    expected: usize,
    /// Their bytes, if known.
    expected_bytes: Option<u64>,
    /// The bytes of the files that have ended.
    ended: u64,
    staging: Option<StagingCounts>,
    /// By number, which is the order in which they began.
    activities: BTreeMap<usize, ActivityCount>,
}

struct ActivityCount {
    activity: Activity,
    begun: Instant,
    done: AtomicU64,
}

struct Running {
    name: String,
    total: Option<u64>,
    present: AtomicU64,
}

struct StagingCounts {
    files: u64,
    bytes: u64,
    files_done: AtomicU64,
    bytes_done: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The running downloads, sorted by number.
    pub transfers: Vec<SeenTransfer>,
    /// How many downloads have begun, including those that have ended.
    pub begun: usize,
    /// How many files there will be at least.
    pub expected: usize,
    /// Their bytes, if known.
    pub expected_bytes: Option<u64>,
    /// The bytes of the files that have ended.
    pub ended: u64,
    /// The numbers of files and bytes being staged.
    pub staging: Option<SeenStaging>,
    /// The running activities, in the order in which they began.
    pub activities: Vec<SeenActivity>,
}

/// One running activity.
#[derive(Debug, Clone)]
pub struct SeenActivity {
    pub activity: Activity,
    /// How long it has been running.
    pub elapsed: Duration,
    /// How many of its files are done.
    pub done: u64,
}

/// One running download.
#[derive(Debug, Clone, Default)]
pub struct SeenTransfer {
    pub transfer: usize,
    pub name: String,
    /// Its length, if known.
    pub total: Option<u64>,
    /// The bytes that have arrived; fewer than before if it was started again.
    pub present: u64,
}

/// How far staging is.
#[derive(Debug, Clone, Copy, Default)]
pub struct SeenStaging {
    pub files: u64,
    pub bytes: u64,
    pub files_done: u64,
    pub bytes_done: u64,
}

impl Counters {
    /// An activity begins.
    pub fn act(&self, number: usize, activity: &Activity) {
        let count = ActivityCount {
            activity: activity.clone(),
            begun: Instant::now(),
            done: AtomicU64::new(0),
        };
        self.write().activities.insert(number, count);
    }

    /// So many more files of an activity are done.
    pub fn acted(&self, number: usize, files: u64) {
        if let Some(activity) = self.read().activities.get(&number) {
            activity.done.fetch_add(files, Ordering::Relaxed);
        }
    }

    /// An activity works on something else now.
    pub fn act_on(&self, number: usize, subject: &str) {
        if let Some(activity) = self.write().activities.get_mut(&number) {
            subject.clone_into(&mut activity.activity.subject);
        }
    }

    /// An activity has ended.
    pub fn act_ended(&self, number: usize) {
        self.write().activities.remove(&number);
    }

    /// Staging begins.
    pub fn stage(&self, files: u64, bytes: u64) {
        self.write().staging = Some(StagingCounts {
            files,
            bytes,
            files_done: AtomicU64::new(0),
            bytes_done: AtomicU64::new(0),
        });
    }

    /// So many more files and bytes are staged.
    pub fn staged(&self, files: u64, bytes: u64) {
        if let Some(staging) = &self.read().staging {
            // Relaxed, here and below: the numbers are only shown, and nothing else depends on
            // their order.
            staging.files_done.fetch_add(files, Ordering::Relaxed);
            staging.bytes_done.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Staging has ended.
    pub fn stage_ended(&self) {
        self.write().staging = None;
    }

    /// So many more files will be fetched, with so many bytes.
    pub fn expect(&self, files: usize, bytes: Option<u64>) {
        let mut counts = self.write();
        counts.expected = counts.begun + files;
        counts.expected_bytes = bytes.map(|bytes| counts.ended + bytes);
    }

    /// A download begins, is started again, or its length is known now.
    pub fn begin(&self, transfer: usize, name: &str, total: Option<u64>, present: u64) {
        let mut counts = self.write();
        let begun = Running {
            name: name.to_owned(),
            total,
            present: present.into(),
        };
        let before = counts.running.insert(transfer, begun);
        // A number that begins again is the same file and must not be counted twice.
        counts.begun += usize::from(before.is_none());
    }

    /// So many more bytes of a download have arrived.
    pub fn received(&self, transfer: usize, bytes: u64) {
        if let Some(transfer) = self.read().running.get(&transfer) {
            transfer.present.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// A download has ended.
    pub fn ended(&self, transfer: usize) {
        let mut counts = self.write();
        if let Some(ended) = counts.running.remove(&transfer) {
            counts.ended += ended.present.into_inner();
        }
    }

    /// The name of a running download.
    pub fn name(&self, transfer: usize) -> Option<String> {
        let counts = self.read();
        counts.running.get(&transfer).map(|one| one.name.clone())
    }

    /// A snapshot.
    pub fn seen(&self) -> Seen {
        let counts = self.read();
        let transfers = counts
            .running
            .iter()
            .map(|(&transfer, running)| SeenTransfer {
                transfer,
                name: running.name.clone(),
                total: running.total,
                present: running.present.load(Ordering::Relaxed),
            });
        let staging = counts.staging.as_ref().map(|staging| SeenStaging {
            files: staging.files,
            bytes: staging.bytes,
            files_done: staging.files_done.load(Ordering::Relaxed),
            bytes_done: staging.bytes_done.load(Ordering::Relaxed),
        });
        let activities = counts.activities.values().map(|count| SeenActivity {
            activity: count.activity.clone(),
            elapsed: count.begun.elapsed(),
            done: count.done.load(Ordering::Relaxed),
        });
        let (begun, expected) = (counts.begun, counts.expected);
        Seen {
            transfers: transfers.collect(),
            begun,
            expected: expected.max(begun),
            // More files than were announced: their bytes are not in the sum.
            expected_bytes: counts.expected_bytes.filter(|_| begun <= expected),
            ended: counts.ended,
            staging,
            activities: activities.collect(),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Counts> {
        self.counts.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Counts> {
        self.counts.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_that_is_started_again_is_counted_once() {
        let counters = Counters::default();
        counters.begin(3, "a", None, 0);
        counters.received(3, 70);
        counters.begin(3, "a", Some(100), 20);
        counters.received(3, 30);
        let seen = counters.seen();
        assert_eq!((seen.begun, seen.transfers.len()), (1, 1));
        assert_eq!(
            (seen.transfers[0].present, seen.transfers[0].total),
            (50, Some(100))
        );
        counters.ended(3);
        counters.begin(4, "b", None, 5);
        let seen = counters.seen();
        assert_eq!((seen.begun, seen.ended), (2, 50));
        assert_eq!(seen.transfers[0].transfer, 4);
    }

    #[test]
    fn announced_files_are_added_to_those_that_have_ended() {
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
            "more than was announced"
        );
    }

    #[test]
    fn numbers_that_never_began_are_ignored() {
        let counters = Counters::default();
        counters.received(1, 5);
        counters.ended(1);
        counters.staged(1, 5);
        let seen = counters.seen();
        assert_eq!(
            (seen.begun, seen.ended, seen.staging.is_none()),
            (0, 0, true)
        );
    }
}

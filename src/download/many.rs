//! Many files at once: as many threads as there may be connections, the largest file first.
//!
//! Input: [`Wanted`] files. Output: each of them, or a [`Peek`] into each, as soon as it is there.
//! Invariants: files of one address are fetched once; the first failure ends what the others do,
//! and so does whoever wants no more.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::client::PAUSE;
use super::retry::Halt;
use super::{Downloader, Inner, Peek, Wanted, label_of};
use crate::error::{Error, Result};
use crate::fs::OpenFile;
use crate::outcome::Progress;

/// Who is waiting for files.
pub trait Receiver: Sync {
    /// The file with this index is here and checked.
    ///
    /// # Errors
    /// Where nothing can be done with it, which ends everything.
    fn arrived(&self, index: usize, file: OpenFile) -> Result<()>;

    /// Whether anything is still worth fetching; asked all the time.
    fn wants_more(&self) -> bool {
        true
    }
}

impl<F: Fn(usize, OpenFile) -> Result<()> + Sync> Receiver for F {
    fn arrived(&self, index: usize, file: OpenFile) -> Result<()> {
        self(index, file)
    }
}

impl Downloader {
    /// All files, several at once, the largest first. `receiver` is told of each on the thread that
    /// fetched it. Files of one address are fetched once.
    ///
    /// # Errors
    /// The first failure, which ends the rest; also that of `receiver`. Offline, all that is
    /// missing is named at once.
    pub fn fetch_all(
        &self,
        wanted: &[Wanted],
        progress: &dyn Progress,
        receiver: &dyn Receiver,
    ) -> Result<()> {
        if self.inner.offline {
            return self.all_cached(wanted, receiver);
        }
        if !wanted.is_empty() {
            progress.transfers(
                wanted.len(),
                wanted.iter().map(|one| self.inner.length_of(one)).sum(),
            );
        }
        let fetch = |index: usize, stop: &Arc<AtomicBool>| {
            let halt = Halt::new(&self.inner.cancel, stop);
            receiver.arrived(index, self.inner.fetch(&wanted[index], halt, progress)?)
        };
        self.each(wanted, progress, &|| receiver.wants_more(), &fetch)
    }

    /// Looks into all files, several at once. `looked` is called with the index of each in
    /// `wanted`, on the thread that looked into it, and may read on.
    ///
    /// # Errors
    /// The first failure, which ends the rest; also that of `looked`.
    pub fn peek_all(
        &self,
        wanted: &[Wanted],
        progress: &dyn Progress,
        looked: &(dyn Fn(usize, Peek) -> Result<()> + Sync),
    ) -> Result<()> {
        let look = |index: usize, stop: &Arc<AtomicBool>| {
            looked(
                index,
                Peek::open(&self.inner, &wanted[index], Arc::clone(stop))?,
            )
        };
        self.each(wanted, progress, &|| true, &look)
    }

    /// Does `work` with each index of `wanted`, by as many threads as there may be connections, as
    /// long as more is wanted. What it is given becomes true where it shall end.
    fn each(
        &self,
        wanted: &[Wanted],
        progress: &dyn Progress,
        wants_more: &dyn Fn() -> bool,
        work: &(dyn Fn(usize, &Arc<AtomicBool>) -> Result<()> + Sync),
    ) -> Result<()> {
        let queue = self.inner.in_order(wanted);
        let (next, stop) = (AtomicUsize::new(0), Arc::new(AtomicBool::new(false)));
        let failure: Mutex<Option<Error>> = Mutex::new(None);
        let end = || {
            if !stop.swap(true, Ordering::Relaxed) {
                self.inner.client.hang_up(true);
            }
        };
        let asker = std::thread::current();
        let run = || {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(group) = queue.get(index) else { break };
                self.inner.spare.begun(queue.len() - index - 1);
                if let Err(error) = group.iter().try_for_each(|&index| work(index, &stop)) {
                    failure
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .get_or_insert(error);
                    end();
                }
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
            self.inner.spare.give();
            asker.unpark();
        };
        std::thread::scope(|scope| {
            let threads = self.inner.connections.min(queue.len());
            self.inner
                .spare
                .set(self.inner.connections - threads, queue.len() - threads);
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
            while !workers
                .iter()
                .all(std::thread::ScopedJoinHandle::is_finished)
            {
                stop.fetch_or(self.inner.cancel.load(Ordering::Relaxed), Ordering::Relaxed);
                if !wants_more() {
                    end();
                }
                self.inner.looks.tell(progress);
                std::thread::park_timeout(PAUSE);
            }
        });
        self.inner.looks.tell(progress);
        self.inner.spare.clear();
        // Without a failure, who stopped between two files was asked to.
        let asked = || Halt::new(&self.inner.cancel, &stop).check();
        failure
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .map_or_else(asked, Err)
    }

    fn all_cached(&self, wanted: &[Wanted], receiver: &dyn Receiver) -> Result<()> {
        let mut missing = Vec::new();
        let mut found = Vec::new();
        for one in wanted {
            match self.cached(one)? {
                Some(file) => found.push(file),
                None => missing.push(one.label.clone()),
            }
        }
        if !missing.is_empty() {
            return Err(Error::offline(missing));
        }
        found
            .into_iter()
            .enumerate()
            .try_for_each(|(index, file)| receiver.arrived(index, file))
    }
}

impl Inner {
    /// The length of a file, where it was promised or seen in a look.
    fn length_of(&self, wanted: &Wanted) -> Option<u64> {
        wanted.size.or_else(|| self.looks.length_of(wanted))
    }

    /// The indices of `wanted`, those of one address together: first what has no known length, then
    /// the largest first.
    fn in_order(&self, wanted: &[Wanted]) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, one) in wanted.iter().enumerate() {
            groups.entry(label_of(&one.url)).or_default().push(index);
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_by_cached_key(|group| {
            let length = self.length_of(&wanted[group[0]]).unwrap_or(u64::MAX);
            (std::cmp::Reverse(length), group[0])
        });
        groups
    }
}

//! The queue of groups of files to write or to check, to which groups may be added while workers
//! take from it.
//!
//! [`Queue::next`] blocks until a group is queued or the queue is closed. Once the queue is
//! stopped, it gives out nothing more.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::threads::SpareThreads;
use crate::wheel::WheelId;

/// The cost of making a file, in bytes of content that cost as much.
// A rough estimate is enough, because it only decides which group comes first.
pub(super) const FILE_COST: u64 = 1 << 14;

/// Files that one worker writes one after the other.
pub struct Group<W = Work> {
    /// Whether they are unpacked from an archive. Those come first: unpacking takes the longest,
    /// and all other files are small.
    pub unpacks: bool,
    /// The cost of writing them, in bytes of content that cost as much.
    pub cost: u64,
    /// The files themselves.
    pub work: W,
}

/// What is done with the files of a group.
#[derive(Debug, PartialEq, Eq)]
pub enum Work {
    /// They are written; these are their numbers in the plan.
    Write(Vec<usize>),
    /// They are taken from the store; these are their numbers in the plan.
    Link(Vec<usize>),
    /// They are put into the store and into the environment; these are positions among the entries
    /// of the wheel.
    Fill(WheelId, Vec<usize>),
}

/// See the head of this file.
pub struct Queue<W = Work> {
    state: Mutex<State<W>>,
    changed: Condvar,
    /// The workers that wait for a group, and those that have ended.
    spare: SpareThreads,
}

struct State<W> {
    /// Sorted by cost: the most expensive group is the last.
    groups: Vec<Group<W>>,
    is_open: bool,
    is_stopped: bool,
}

impl<W> Queue<W> {
    /// An empty queue. If it is open, groups may be added until it is [closed](Queue::close).
    pub fn new(is_open: bool) -> Self {
        Self {
            state: Mutex::new(State {
                groups: Vec::new(),
                is_open,
                is_stopped: false,
            }),
            changed: Condvar::new(),
            spare: SpareThreads::default(),
        }
    }

    /// Adds groups, unless the queue is stopped.
    pub fn add(&self, groups: Vec<Group<W>>) {
        let mut state = self.lock();
        if !state.is_stopped {
            state.groups.extend(groups);
            state
                .groups
                .sort_by_key(|group| (group.unpacks, group.cost));
        }
        // The lock is released first, or the workers that wake up would only wait for it.
        drop(state);
        self.changed.notify_all();
    }

    /// Takes out the most expensive group; `None` if there will be no more.
    pub fn next(&self) -> Option<W> {
        let mut state = self.lock();
        loop {
            // A closed queue still gives out what it holds, so the groups are looked at first.
            if let Some(group) = state.groups.pop() {
                return Some(group.work);
            }
            if !state.is_open {
                self.spare.end();
                return None;
            }
            let _rest = self.spare.rest();
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The workers that have nothing to do.
    pub fn spare(&self) -> &SpareThreads {
        &self.spare
    }

    /// Nothing will be added any more.
    pub fn close(&self) {
        self.lock().is_open = false;
        self.changed.notify_all();
    }

    /// Throws away what is left, and closes the queue.
    pub fn stop(&self) {
        let mut state = self.lock();
        state.groups.clear();
        state.is_open = false;
        state.is_stopped = true;
        drop(state);
        self.changed.notify_all();
    }

    // No method leaves the state half changed, so it is right even after a panic.
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(unpacks: bool, cost: u64) -> Group {
        Group {
            unpacks,
            cost,
            work: Work::Write(vec![usize::try_from(cost).unwrap()]),
        }
    }

    #[test]
    fn archives_come_first_and_the_largest_of_them_before_the_others() {
        let queue = Queue::new(false);
        queue.add(vec![group(true, 1), group(false, 9)]);
        queue.add(vec![group(true, 5)]);
        let order: Vec<Work> = std::iter::from_fn(|| queue.next()).collect();
        assert_eq!(order, [5, 1, 9].map(|number| Work::Write(vec![number])));
        assert!(queue.spare().take().is_some(), "this thread has ended");
    }

    #[test]
    fn an_open_queue_is_waited_for_until_it_is_closed() {
        let queue = Queue::new(true);
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| std::iter::from_fn(|| queue.next()).count());
            queue.add(vec![group(true, 1)]);
            queue.add(vec![group(true, 2)]);
            queue.close();
            assert_eq!(worker.join().unwrap(), 2);
        });
    }

    #[test]
    fn a_stopped_queue_gives_and_takes_nothing() {
        let queue = Queue::new(true);
        queue.add(vec![group(true, 1)]);
        queue.stop();
        queue.add(vec![group(true, 2)]);
        assert_eq!(queue.next(), None);
    }
}

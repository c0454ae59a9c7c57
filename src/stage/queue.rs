//! The queue of what is to be written, which may grow while it is worked off.
//!
//! Input: groups of files, each with its weight. Output: the heaviest first. Invariant: once
//! stopped it gives nothing more; until it is complete who asks for more than there is waits.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Files that are written one after the other by one worker, by their numbers.
pub(super) struct Group {
    pub(super) weight: (bool, u64),
    pub(super) files: Vec<usize>,
}

pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Sorted by weight: the heaviest is the last.
    groups: Vec<Group>,
    grows: bool,
    stopped: bool,
}

impl Queue {
    /// An empty queue. Where it grows, it has an end only when it is said to be complete.
    pub(super) fn new(grows: bool) -> Self {
        Self {
            state: Mutex::new(State {
                groups: Vec::new(),
                grows,
                stopped: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Adds groups, unless nothing is wanted any more.
    pub(super) fn add(&self, groups: Vec<Group>) {
        let mut state = self.lock();
        if !state.stopped {
            state.groups.extend(groups);
            state.groups.sort_by_key(|group| group.weight);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Whether nothing is wanted any more.
    pub(super) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// The heaviest group; `None` when there will be none any more.
    pub(super) fn next(&self) -> Option<Vec<usize>> {
        let mut state = self.lock();
        loop {
            if let Some(group) = state.groups.pop() {
                return Some(group.files);
            }
            if !state.grows {
                return None;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing will be added any more.
    pub(super) fn complete(&self) {
        self.lock().grows = false;
        self.changed.notify_all();
    }

    /// Whatever is left is not wanted any more.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.groups.clear();
        (state.grows, state.stopped) = (false, true);
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

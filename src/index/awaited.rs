//! Facts that arrive later, on other threads, each asked for once.
//!
//! Input: keys that are claimed, and the fact for each. Output: the facts, for those that wait.
//! Invariant: only the first claim of a key succeeds, so whatever it begins is begun once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::cancellation::Cancellation;
use crate::download::Urgency;
use crate::error::{Error, Result};

/// The longest time between two looks at the cancellation, which wakes nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// Facts by key.
pub(super) struct Awaited<K, T> {
    slots: Mutex<HashMap<K, AwaitedFact<T>>>,
    /// Notified with every fact.
    arrived: Condvar,
}

enum AwaitedFact<T> {
    Pending(Urgency),
    Here(Arc<T>),
    /// The error is handed out once; the command then ends.
    Failed(Option<Error>),
}

impl<K: Eq + Hash + Clone, T> Awaited<K, T> {
    pub(super) fn new() -> Self {
        Self {
            slots: Mutex::new(HashMap::new()),
            arrived: Condvar::new(),
        }
    }

    /// If this call is the first for the key, the caller has to [`put`](Self::put) the fact. What
    /// is returned then tells whether somebody waits for it.
    pub(super) fn claim(&self, key: &K) -> Option<Urgency> {
        let mut slots = self.lock();
        if slots.contains_key(key) {
            return None;
        }
        let urgency = Urgency::default();
        slots.insert(key.clone(), AwaitedFact::Pending(urgency.clone()));
        Some(urgency)
    }

    /// Hands the fact to all that wait for it.
    pub(super) fn put(&self, key: &K, fact: Result<Arc<T>>) {
        let slot = match fact {
            Ok(fact) => AwaitedFact::Here(fact),
            Err(error) => AwaitedFact::Failed(Some(error)),
        };
        self.lock().insert(key.clone(), slot);
        self.arrived.notify_all();
    }

    /// The fact if it is here already.
    pub(super) fn peek(&self, key: &K) -> Option<Arc<T>> {
        match self.lock().get(key) {
            Some(AwaitedFact::Here(fact)) => Some(Arc::clone(fact)),
            _ => None,
        }
    }

    /// The fact, which must have been claimed. Waits for it.
    pub(super) fn wait(&self, key: &K, cancel: &Cancellation) -> Result<Arc<T>> {
        let mut slots = self.lock();
        loop {
            match slots.get_mut(key) {
                Some(AwaitedFact::Here(fact)) => return Ok(Arc::clone(fact)),
                Some(AwaitedFact::Failed(error)) => {
                    return Err(error.take().unwrap_or_else(Error::interrupted));
                }
                Some(AwaitedFact::Pending(urgency)) => urgency.raise(),
                None => {}
            }
            cancel.check()?;
            let waited = self.arrived.wait_timeout(slots, PAUSE);
            slots = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, AwaitedFact<T>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_claimed_once_and_reaches_those_that_wait() {
        let awaited: Awaited<u32, u32> = Awaited::new();
        let cancel = Cancellation::default();
        let urgency = awaited.claim(&1).expect("the first claim");
        assert!(awaited.claim(&1).is_none() && !urgency.is_raised());
        assert!(awaited.peek(&1).is_none());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| awaited.wait(&1, &cancel).map(|fact| *fact));
            while !urgency.is_raised() {
                std::thread::yield_now();
            }
            awaited.put(&1, Ok(Arc::new(7)));
            let waited = waiting.join().expect("it does not panic");
            assert_eq!(waited.expect("a fact"), 7);
        });
        assert!(awaited.claim(&2).is_some());
        awaited.put(&2, Err(Error::usage("no")));
        assert!(awaited.wait(&2, &cancel).is_err());
        cancel.cancel();
        assert!(awaited.claim(&3).is_some());
        assert!(awaited.wait(&3, &cancel).is_err(), "it was cancelled");
    }
}

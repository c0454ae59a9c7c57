//! What staging takes from the store, and what it puts there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::WarningCode;
use crate::outcome::{StoreFigures, Warning};
use crate::plan::Plan;
use crate::store::{Filling, LinkMode, Store, StoreCounts, StoredWheel};
use crate::wheel::{Wheel, WheelId};

/// The wheels of a plan that are in the store, and those that are put into it.
pub struct StoreFiles<'a> {
    /// The store.
    pub store: &'a Store,
    /// How its files become files of the environment.
    pub mode: LinkMode,
    /// The wheels by their ids.
    pub wheels: &'a [Wheel],
    /// Those that are in the store, by their ids.
    pub stored: &'a [Option<Arc<StoredWheel>>],
    /// Those that are put into the store, by their ids.
    pub filling: Vec<Option<Filling<'a>>>,
    /// Counts what is done.
    pub counts: &'a StoreCounts,
}

impl<'a> StoreFiles<'a> {
    /// What was done, once `plan` is staged.
    pub fn figures(&self, plan: &Plan) -> StoreFigures {
        // Relaxed: the threads that counted have ended.
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = self.counts;
        let (linked, cloned) = (count(&counts.linked), count(&counts.cloned));
        let (copied, symlinked) = (count(&counts.copied), count(&counts.symlinked));
        StoreFigures {
            linked,
            cloned,
            copied,
            symlinked,
            written: plan.files.len() as u64 - linked - cloned - copied - symlinked,
            filled: count(&counts.filled),
        }
    }

    /// Why a wheel could not be put into the store.
    pub fn warning(&self) -> Option<Warning> {
        let mut failures = self.filling.iter().flatten().filter_map(Filling::failure);
        failures.next().map(|error| Warning {
            code: WarningCode::UnusableCache,
            wheel: None,
            message: format!("{error}; the wheels are installed, but not kept in the store"),
        })
    }

    pub(super) fn stored(&self, id: WheelId) -> Option<&'a StoredWheel> {
        self.stored.get(id.0 as usize)?.as_deref()
    }

    pub(super) fn filling(&self, id: WheelId) -> Option<&Filling<'a>> {
        self.filling.get(id.0 as usize)?.as_ref()
    }
}

//! Small work for the threads of a scheduler.
//!
//! Input: what is to be done. Output: a [`Task`] of one part, which counts as a resource.

use std::sync::{Arc, Mutex, PoisonError};

use super::queue::{Class, Job, Ran, Task};
use super::ranges::Part;
use super::urgency::Urgency;

/// A task of one part, whose own requests count for their host.
pub(super) fn resource_task(job: Arc<dyn Job>, urgency: Urgency) -> Task {
    Task {
        job,
        class: Class::Resource,
        host: String::new(),
        parts: vec![Part::Whole],
        urgency,
        split: None,
        results: None,
    }
}

/// Work that is done once on a thread of a scheduler. It is taken out before it is done, so that
/// nothing of it is dropped while the scheduler is locked.
pub(super) struct Errand(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Errand {
    pub(super) fn new(work: impl FnOnce() + Send + 'static) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(Box::new(work)))))
    }
}

impl Job for Errand {
    fn run(&self, _: &Part) -> Ran {
        let work = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(work) = work {
            work();
        }
        Ran::Done(Ok(()))
    }
}

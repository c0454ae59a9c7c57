//! The answers of several indexes about one project, until all are there.
//!
//! Input: the project as each index has it. Output: one project with the versions of all.
//! Invariants: the order of the indexes counts, and not that in which they answer; the error of one
//! index is the error of all, since a missing index could hide the version that is wanted.

use std::sync::{Arc, Mutex, PoisonError};

use super::acceptance::Acceptance;
use super::project::IndexedProject;
use crate::error::Result;
use crate::spec::name::ProjectName;

/// What the indexes have answered so far.
pub(super) struct Answers(Mutex<Slots>);

struct Slots {
    /// The directories and pages of links, which come before the indexes.
    links: Option<IndexedProject>,
    /// By the number of the index; `None` in a slot until it has answered, and inside if it does
    /// not know the project.
    indexes: Vec<Option<Result<Option<IndexedProject>>>>,
}

impl Answers {
    /// Waits for the answers of this many indexes.
    pub(super) fn new(indexes: usize, links: Option<IndexedProject>) -> Self {
        Self(Mutex::new(Slots {
            links,
            indexes: (0..indexes).map(|_| None).collect(),
        }))
    }

    /// Notes an answer. Returns the merged project with the last one.
    pub(super) fn put(
        &self,
        number: usize,
        answer: Result<Option<IndexedProject>>,
        project: &ProjectName,
        accepts: &Arc<Acceptance>,
    ) -> Option<Result<IndexedProject>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.indexes[number] = Some(answer);
        if slots.indexes.iter().any(Option::is_none) {
            return None;
        }
        let links = slots.links.take().map(Ok);
        let answers = std::mem::take(&mut slots.indexes).into_iter().flatten();
        let all = links
            .into_iter()
            .chain(answers.filter_map(Result::transpose));
        // The first error in the order of the indexes, so that equal commands fail alike.
        let parts = all.collect::<Result<Vec<_>>>();
        Some(parts.map(|parts| IndexedProject::merged(project, parts, accepts)))
    }
}

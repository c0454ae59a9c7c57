//! Saying what a search is busy with.
//!
//! Input: an [`Index`] that a search learns from, and what the search reports. Output: the subject
//! of the running activity: the project of which versions are tried, how many, and why the last one
//! does not fit.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::index::Index;
use crate::outcome::RunningActivity;
use crate::resolve::{Candidates, Dependencies, KnownProjects, VersionFilter};
use crate::spec::name::ProjectName;
use crate::spec::version::Version;

/// With fewer versions tried, a project is not what takes the time.
const WORTH_SAYING: u32 = 5;

/// The least time between two reports: finding the reason takes longer than a step of the search.
const PAUSE: Duration = Duration::from_millis(100);

/// An index, with an activity that shows what the search is busy with.
pub(super) struct WatchedIndex<'a> {
    index: &'a Index,
    activity: &'a RunningActivity<'a>,
    said: Cell<Option<Instant>>,
}

impl<'a> WatchedIndex<'a> {
    pub(super) fn new(index: &'a Index, activity: &'a RunningActivity<'a>) -> Self {
        Self {
            index,
            activity,
            said: Cell::new(None),
        }
    }
}

impl KnownProjects for WatchedIndex<'_> {
    fn want_candidates(&self, name: &ProjectName, set: VersionFilter) {
        self.index.want_candidates(name, set);
    }

    fn want_requirements(&self, name: &ProjectName, version: &Version) {
        self.index.want_requirements(name, version);
    }

    fn want_ahead(&self, name: &ProjectName, versions: Vec<Version>) {
        KnownProjects::want_ahead(self.index, name, versions);
    }

    fn expect_rejections(&self) {
        self.index.expect_rejections();
    }

    fn peek_candidates(&self, name: &ProjectName) -> Option<Arc<Candidates>> {
        self.index.peek_candidates(name)
    }

    fn candidates(&self, name: &ProjectName) -> Result<Arc<Candidates>> {
        self.index.candidates(name)
    }

    fn requirements(&self, name: &ProjectName, version: &Version) -> Result<Arc<Dependencies>> {
        self.index.requirements(name, version)
    }

    fn should_cancel(&self) -> Result<()> {
        self.index.should_cancel()
    }

    fn report_tried(&self, name: &ProjectName, times: u32, reason: &dyn Fn() -> Option<String>) {
        let now = Instant::now();
        let is_due = (self.said.get()).is_none_or(|said| now.duration_since(said) >= PAUSE);
        if times < WORTH_SAYING || !is_due {
            return;
        }
        self.said.set(Some(now));
        let because = reason().map(|reason| format!(", as {reason}"));
        let because = because.unwrap_or_default();
        self.activity
            .work_on(&format!("{name}: {times} versions tried{because}"));
    }
}

//! What a command is to install: wheels that were named, and what resolvers left.
//!
//! Input: arguments, and texts of reports, lock files and lists of pinned requirements. Output: one
//! list of [`Source`]s for one transaction, in the order: arguments, reports, lock files, lists; a
//! wheel that is named again is in it once. Every text is read before anything fails.

use std::path::PathBuf;

use super::Options;
use crate::environment::{Environment, marker_values};
use crate::error::{Error, Result};
use crate::outcome::Report;
use crate::source::{Fitting, Source, Sourced, lock_file, merged, pip_report, requirements};
use crate::spec::pylock::Selection;

/// What is to be installed, as the user said it; nothing by default.
#[derive(Debug, Default)]
pub struct Input {
    /// Wheels that were named.
    pub sources: Vec<Source>,
    /// Installation reports of pip.
    pub reports: Vec<Document>,
    /// Lock files.
    pub locks: Vec<Document>,
    /// What is wanted of the lock files.
    pub selection: Selection,
    /// Lists of pinned requirements.
    pub requirements: Vec<Document>,
    /// Directories that hold the wheels of the lists.
    pub find_links: Vec<PathBuf>,
}

/// A text, and what messages call it.
#[derive(Debug)]
pub struct Document {
    /// Its path, or `-`.
    pub at: PathBuf,
    /// Its bytes.
    pub content: Vec<u8>,
}

impl From<Vec<Source>> for Input {
    fn from(sources: Vec<Source>) -> Self {
        Self {
            sources,
            ..Self::default()
        }
    }
}

impl Input {
    /// Whether nothing was said at all. What a text means may still be nothing.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
            && self.reports.is_empty()
            && self.locks.is_empty()
            && self.requirements.is_empty()
    }

    /// Whether what it means depends on an environment.
    #[cfg(feature = "http")]
    pub(super) fn needs_environment(&self) -> bool {
        !(self.reports.is_empty() && self.locks.is_empty() && self.requirements.is_empty())
    }

    /// The wheels that this means for an environment. What is odd goes to `report`.
    ///
    /// # Errors
    /// Everything that is refused in any of the texts.
    pub(super) fn resolve(
        &self,
        environment: &Environment,
        options: &Options,
        report: &mut Report,
    ) -> Result<Vec<Source>> {
        let python = &environment.python;
        let fitting = Fitting::new(
            &python.target,
            &python.version,
            marker_values(python),
            options.compat_check,
        );
        let reports = self
            .reports
            .iter()
            .map(|text| pip_report::sources(&text.content, &text.at, &fitting));
        let locks = self
            .locks
            .iter()
            .map(|text| lock_file::sources(&text.content, &text.at, &fitting, &self.selection));
        let lists = self.requirements.iter();
        let lists = lists
            .map(|text| requirements::sources(&text.content, &text.at, &fitting, &self.find_links));
        let mut warned = |Sourced { sources, warnings }| {
            report.warnings.extend(warnings);
            sources
        };
        let more = reports
            .chain(locks)
            .chain(lists)
            .map(|sourced| sourced.map(&mut warned));
        let more = Error::all_or_refused(more)?.into_iter().flatten();
        Ok(merged(self.sources.iter().cloned().chain(more).collect()))
    }
}

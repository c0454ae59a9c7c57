//! The wheels that a command is asked for: named as arguments, or pinned by a resolver.
//!
//! All texts (installation reports, lock files, lists of pinned requirements) are read before
//! anything fails. The wheels come in the order: arguments, reports, lock files, lists. A wheel
//! that is named twice is in the result once.

use std::path::PathBuf;

use super::document::Document;
#[cfg(feature = "http")]
use super::resolve::{ResolutionRequest, is_project_file};
use super::{Context, Options};
use crate::environment::{Environment, marker_values};
use crate::error::{Error, Result};
use crate::source::{
    Fitting, IsInstalled, Satisfied, Source, Sourced, lock_file, merged, pip_report, requirements,
};
use crate::spec::pylock::Selection;
#[cfg(feature = "http")]
use crate::{
    source::Pins,
    spec::requirements::{LooseList, Pin, PinnedRequirement, Requirements},
};

/// The wheels to install, as the user named them. By default nothing.
#[derive(Debug, Default)]
pub struct Input {
    /// Wheels that were named as arguments.
    pub sources: Vec<Source>,
    /// pip's installation reports.
    pub reports: Vec<Document>,
    /// Lock files (PEP 751).
    pub locks: Vec<Document>,
    /// The extras and dependency groups of the lock files.
    pub selection: Selection,
    /// Lists of pinned requirements.
    pub requirements: Vec<Document>,
    /// Directories that contain the wheels of the lists.
    pub find_links: Vec<PathBuf>,
    /// What has to be resolved, and how the lists are resolved that are not pinned to files.
    #[cfg(feature = "http")]
    pub resolution: ResolutionRequest,
}

/// The answer to an [`Input`] in one environment.
#[derive(Debug, Default)]
pub(super) struct ResolvedInput {
    /// The wheels.
    pub(super) sources: Vec<Source>,
    /// The requirements that are installed already.
    pub(super) satisfied: Vec<Satisfied>,
    /// The lists that have to be resolved, as positions among the input's.
    pub(super) loose: Vec<usize>,
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
    /// Whether nothing was named. Texts may still turn out to name no wheel.
    pub fn is_empty(&self) -> bool {
        #[cfg(feature = "http")]
        if !self.resolution.requirements.is_empty() {
            return false;
        }
        self.sources.is_empty()
            && self.reports.is_empty()
            && self.locks.is_empty()
            && self.requirements.is_empty()
    }

    pub(super) fn reported(
        &self,
        fitting: Option<&Fitting>,
    ) -> impl Iterator<Item = Result<Sourced>> {
        let reports = self.reports.iter();
        reports.map(move |text| pip_report::sources(&text.content, &text.at, fitting))
    }

    /// The wheels for an environment, and what is installed in it already. Oddities of the texts
    /// become warnings.
    ///
    /// # Errors
    /// All faults of all texts in one error.
    pub(super) fn resolve(
        &self,
        environment: &Environment,
        options: &Options,
        is_installed: &IsInstalled<'_>,
        context: Context<'_>,
    ) -> Result<ResolvedInput> {
        let mut satisfied = Vec::new();
        // Wheels that are named themselves need no interpreter to be chosen by.
        let (pinned, loose) = if self.has_documents() {
            self.pinned(environment, options, is_installed)?
        } else {
            (Vec::new(), Vec::new())
        };
        let mut take = |sourced: Sourced| {
            context.warn(sourced.warnings);
            satisfied.extend(sourced.satisfied);
            sourced.sources
        };
        let pinned =
            Error::all_or_refused(pinned.into_iter().map(|sourced| sourced.map(&mut take)))?;
        let named = self.sources.iter().cloned();
        let mut sources = merged(named.chain(pinned.into_iter().flatten()).collect());
        for source in &mut sources {
            source.settle_direct_reference(options.direct_url);
        }
        Ok(ResolvedInput {
            sources,
            satisfied,
            loose,
        })
    }

    /// Whether anything but wheels is named: a report, a lock file or a list.
    pub(super) fn has_documents(&self) -> bool {
        !(self.reports.is_empty() && self.locks.is_empty() && self.requirements.is_empty())
    }

    #[cfg(feature = "http")]
    pub(super) fn has_reports_only(&self) -> bool {
        self.locks.is_empty() && self.requirements.is_empty()
    }

    /// What each report, lock file and list pins for the environment's interpreter, and the lists
    /// that have to be resolved instead.
    fn pinned(
        &self,
        environment: &Environment,
        options: &Options,
        is_installed: &IsInstalled<'_>,
    ) -> Result<(Vec<Result<Sourced>>, Vec<usize>)> {
        let python = environment.python()?;
        let fitting = Fitting::new(
            &python.target,
            &python.version,
            marker_values(python),
            options.compat_check,
        );
        let reports = self.reported(Some(&fitting));
        let locks = self
            .locks
            .iter()
            .map(|text| lock_file::sources(&text.content, &text.at, &fitting, &self.selection));
        let (loose, pinned): (Vec<usize>, Vec<usize>) = (0..self.requirements.len())
            .partition(|&number| self.is_loose(number, &fitting, is_installed));
        let lists = pinned.iter().map(|&number| {
            let text = &self.requirements[number];
            let Document { at, content } = text;
            requirements::sources(content, at, &fitting, &self.find_links, is_installed)
        });
        Ok((reports.chain(locks).chain(lists).collect(), loose))
    }

    /// Whether a list has to be resolved: it is not pinned to wheels that are named or installed.
    #[cfg(feature = "http")]
    fn is_loose(&self, number: usize, fitting: &Fitting, is_installed: &IsInstalled<'_>) -> bool {
        let Document { at, content } = &self.requirements[number];
        if self.resolution.asks_for_an_index() {
            return true;
        }
        if is_project_file(at) {
            return true;
        }
        // A list that is no text is refused when its wheels are looked for.
        let Ok(list) = Requirements::parse(content) else {
            return false;
        };
        let has_directories = !self.find_links.is_empty() || !list.find_links.is_empty();
        let is_missing = |entry: &PinnedRequirement| match &entry.pin {
            Pin::Version(version) => {
                let pins = Pins::default().and_one_of(entry.hashes.clone());
                is_installed(&entry.name, version, &pins).is_none()
            }
            Pin::Wheel(..) | Pin::NotAWheel(_) => false,
        };
        match list.select(fitting.markers()) {
            Ok(entries) => !has_directories && entries.into_iter().any(is_missing),
            // If it is wrong for a resolver, too, the reading with fewer faults is reported.
            Err(faults) => LooseList::parse(content)
                .and_then(|list| list.check(fitting.markers()))
                .map_or_else(|others| others.len() < faults.len(), |()| true),
        }
    }

    /// Without HTTP there is no index, so that every list has to be pinned to files.
    #[cfg(not(feature = "http"))]
    fn is_loose(&self, _: usize, _: &Fitting, _: &IsInstalled<'_>) -> bool {
        false
    }

    /// The lists that have to be resolved.
    #[cfg(feature = "http")]
    pub(super) fn loose_lists(&self, resolved: &ResolvedInput) -> Vec<&Document> {
        let numbers = resolved.loose.iter();
        numbers.map(|&number| &self.requirements[number]).collect()
    }
}

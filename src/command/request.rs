//! The wheels that a command is asked for: named as arguments, or pinned by a resolver.
//!
//! All texts (installation reports, lock files, lists of pinned requirements) are read before
//! anything fails. The wheels come in the order: arguments, reports, lock files, lists. A wheel
//! that is named twice is in the result once.

use std::path::PathBuf;

use super::{Context, Options};
#[cfg(feature = "http")]
use crate::environment::{self, Locate};
use crate::environment::{Environment, marker_values};
use crate::error::{Error, Result};
use crate::source::{
    Fitting, IsInstalled, Satisfied, Source, Sourced, lock_file, merged, pip_report, requirements,
};
use crate::spec::pylock::Selection;

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
}

/// A text that was read already.
#[derive(Debug)]
pub struct Document {
    /// Its path, or `-` for stdin; messages name it so.
    pub at: PathBuf,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// The answer to an [`Input`] in one environment.
#[derive(Debug, Default)]
pub(super) struct ResolvedInput {
    /// The wheels.
    pub(super) sources: Vec<Source>,
    /// The requirements that are installed already.
    pub(super) satisfied: Vec<Satisfied>,
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
        self.sources.is_empty()
            && self.reports.is_empty()
            && self.locks.is_empty()
            && self.requirements.is_empty()
    }

    fn reported(&self, fitting: Option<&Fitting>) -> impl Iterator<Item = Result<Sourced>> {
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
        let pinned = if self.has_documents() {
            self.pinned(environment, options, is_installed)?
        } else {
            Vec::new()
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
        Ok(ResolvedInput { sources, satisfied })
    }

    /// Whether anything but wheels is named: a report, a lock file or a list.
    fn has_documents(&self) -> bool {
        !(self.reports.is_empty() && self.locks.is_empty() && self.requirements.is_empty())
    }

    #[cfg(feature = "http")]
    fn has_reports_only(&self) -> bool {
        self.locks.is_empty() && self.requirements.is_empty()
    }

    /// What each report, lock file and list pins for the environment's interpreter.
    fn pinned(
        &self,
        environment: &Environment,
        options: &Options,
        is_installed: &IsInstalled<'_>,
    ) -> Result<Vec<Result<Sourced>>> {
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
        let lists = self.requirements.iter().map(|text| {
            let Document { at, content } = text;
            requirements::sources(content, at, &fitting, &self.find_links, is_installed)
        });
        Ok(reports.chain(locks).chain(lists).collect())
    }
}

/// The wheels that an installation into the environment would need. An environment is located only
/// if the input depends on one.
///
/// # Errors
/// All faults of all texts in one error, or there is no such environment.
#[cfg(feature = "http")]
pub fn sources(
    locate: &Locate,
    input: &Input,
    options: &Options,
    context: Context<'_>,
) -> Result<Vec<Source>> {
    // Only reports, lock files and lists are fitted to an interpreter.
    if !input.has_documents() {
        return Ok(merged(input.sources.clone()));
    }
    let environment = match environment::locate(locate) {
        // A report names its wheels. If there is an environment, it should be for that one.
        Err(error) if error.code() == "no-environment" && input.has_reports_only() => {
            let mut sources = input.sources.clone();
            for sourced in Error::all_or_refused(input.reported(None))? {
                context.warn(sourced.warnings);
                sources.extend(sourced.sources);
            }
            return Ok(merged(sources));
        }
        located => located?,
    };
    // The wheels themselves are wanted, whatever is installed.
    let resolved = input.resolve(&environment, options, &|_, _, _| None, context)?;
    Ok(resolved.sources)
}

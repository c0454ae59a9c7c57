//! From names to wheels: the part of an installation's input that has to be resolved.
//!
//! Input: an [`Input`] with requirements, or with lists that are not pinned to files, and the
//! installed projects. Output: [`NamedWheels`], which join the wheels that were named as files.
//! Invariants: an installed project that satisfies everything stays and costs no request; METADATA
//! of a fetched wheel must be the one that was resolved with.

use std::collections::BTreeMap;
use std::time::Instant;

use super::document::Document;
use super::request::{Input, ResolvedInput};
use super::resolve::{
    Additions, InstalledMetadata, RequestResolver, ResolutionRequest, ResolvedRequest, TAIL,
    lock_of, report_of,
};
use super::shared_downloads::SharedDownloads;
use super::{Context, Options};
use crate::environment::layout::Layout;
use crate::environment::{self, Environment, Locate};
use crate::error::{Error, IndexFault, Result};
use crate::installed::{Form, Installed};
use crate::outcome::{Activity, ActivityKind, RunningActivity, Step};
use crate::source::{DirectReference, Pins, Satisfied, Source, merged};
use crate::spec::core_metadata::Metadata;
use crate::spec::resolved::ResolvedWheel;
use crate::wheel::Wheel;

/// The wheels that were found for names.
#[derive(Default)]
pub(super) struct NamedWheels {
    /// The wheels to install.
    pub(super) sources: Vec<Source>,
    /// What is installed and stays.
    pub(super) satisfied: Vec<Satisfied>,
    /// METADATA that each wheel was resolved with, by label.
    metadata: BTreeMap<String, Metadata>,
}

/// The installed projects that may stay, with the path of their METADATA.
pub(super) fn installed_metadata<'i>(
    installed: impl Iterator<Item = &'i Installed>,
    layout: &Layout,
    options: &Options,
) -> InstalledMetadata {
    let mut found = InstalledMetadata::new();
    if options.reinstall {
        return found;
    }
    for project in installed {
        // Eggs have no METADATA that states requirements in today's form.
        if project.form == Form::Egg {
            continue;
        }
        if let Some(version) = project.parsed_version() {
            let path = layout.absolute(&project.place).join("METADATA");
            found.insert(project.name.clone(), (version, path));
        }
    }
    found
}

/// Adds to `resolved` what the names and the loose lists of `input` lead to.
///
/// # Errors
/// As [`resolve`](super::resolve()).
pub(super) fn add(
    environment: &Environment,
    input: &Input,
    resolved: &mut ResolvedInput,
    installed: InstalledMetadata,
    downloads: &SharedDownloads<'_>,
) -> Result<NamedWheels> {
    let lists = input.loose_lists(resolved);
    let mut named = resolve(environment, input, &lists, installed, downloads)?;
    resolved.satisfied.append(&mut named.satisfied);
    resolved.sources.append(&mut named.sources);
    Ok(named)
}

/// Resolves what `input` names. `lists` are those of its lists that are not pinned to files.
///
/// # Errors
/// As [`resolve`](super::resolve()).
pub(super) fn resolve(
    environment: &Environment,
    input: &Input,
    lists: &[&Document],
    installed: InstalledMetadata,
    downloads: &SharedDownloads<'_>,
) -> Result<NamedWheels> {
    let (options, context) = (downloads.options, downloads.context);
    let request = &input.resolution;
    if request.requirements.is_empty() && lists.is_empty() {
        if request.save_report.is_some() || request.save_lock.is_some() {
            return Err(Error::usage(
                "no report or lock file can be saved, as nothing is resolved: every wheel is named \
                 or pinned",
            ));
        }
        return Ok(NamedWheels::default());
    }
    if let Some(path) = &request.save_lock {
        Document::check_lock_name(path)?;
    }
    let begin = Instant::now();
    let downloader = downloads.downloader()?.with_tail(TAIL);
    let more = Additions {
        lists,
        wheels: &input.sources,
        installed,
    };
    let resolver =
        RequestResolver::new(environment, request, more, downloader, (options, context))?;
    let resolving =
        RunningActivity::begin(context.events, &Activity::new(ActivityKind::Resolve, ""));
    let resolution = resolver.solve(&resolving)?;
    let resolved = resolver.finish(&resolution, context)?;
    // A lock file stands alone: without what is installed already, it would remove that.
    let whole = request
        .save_lock
        .as_ref()
        .map(|_| resolver.whole(&resolution, &resolving));
    let whole = whole.transpose()?;
    drop(resolving);
    context.events.step(Step::Resolve, begin.elapsed());
    save(request, &resolved, whole.as_ref(), context)?;
    let mut named = NamedWheels::default();
    for project in resolution
        .projects
        .iter()
        .filter(|project| project.is_installed)
    {
        named.satisfied.push(Satisfied {
            name: project.name.clone(),
            version: project.version.clone(),
            label: project.name.to_string(),
            pins: Pins::default(),
        });
    }
    for wheel in &resolved.wheels {
        let source = source_of(wheel);
        if let Ok(metadata) = Metadata::parse(&wheel.metadata) {
            named.metadata.insert(source.label(), metadata);
        }
        // A wheel that was named as a file is among the input's already.
        let is_given = |given: &Source| given.location == source.location;
        if !input.sources.iter().any(is_given) {
            named.sources.push(source);
        }
    }
    Ok(named)
}

/// Saves what was resolved, if that is wanted: `resolved` is what will be installed, `whole` is
/// that and what stays.
fn save(
    request: &ResolutionRequest,
    resolved: &ResolvedRequest,
    whole: Option<&ResolvedRequest>,
    context: Context<'_>,
) -> Result<()> {
    if let Some(path) = &request.save_report {
        Document::write(path, report_of(resolved)?.as_bytes(), context.fs)?;
    }
    if let Some((path, whole)) = request.save_lock.as_ref().zip(whole) {
        Document::write(path, lock_of(whole)?.as_bytes(), context.fs)?;
    }
    Ok(())
}

/// The wheel of a resolution as a source, with everything that the index promised.
pub(super) fn source_of(wheel: &ResolvedWheel) -> Source {
    let file = &wheel.wheel;
    Source {
        location: file.location.clone(),
        file_name: file.file_name.clone(),
        pinned: Pins::all_of(file.digests.clone()),
        size: file.size,
        requested: wheel.requested,
        direct_reference: if wheel.is_direct {
            DirectReference::Always
        } else {
            DirectReference::Never
        },
        is_argument: false,
    }
}

impl NamedWheels {
    /// Refuses wheels whose METADATA states other needs than those that were resolved.
    ///
    /// # Errors
    /// All such wheels in one error.
    pub(super) fn check(&self, wheels: &[Wheel]) -> Result<()> {
        let differs = |wheel: &&Wheel| {
            self.metadata.get(&wheel.label).is_some_and(|resolved| {
                let found = &wheel.metadata;
                resolved.requires_dist != found.requires_dist
                    || resolved.provides_extra != found.provides_extra
                    || resolved.requires_python != found.requires_python
            })
        };
        let reason = "the index states other requirements than the wheel";
        let refused: Vec<_> = wheels
            .iter()
            .filter(differs)
            .map(|wheel| {
                let fault = IndexFault::Metadata(reason.to_owned());
                (wheel.label.clone(), vec![fault.into()])
            })
            .collect();
        if refused.is_empty() {
            Ok(())
        } else {
            Err(Error::wheels(refused))
        }
    }
}

/// The wheels that an installation into the environment would need. An environment is located only
/// if the input depends on one.
///
/// # Errors
/// All faults of all texts in one error, or there is no such environment.
pub(super) fn sources(
    locate: &Locate,
    input: &Input,
    downloads: &SharedDownloads<'_>,
) -> Result<Vec<Source>> {
    let (options, context) = (downloads.options, downloads.context);
    // Only reports, lock files and lists are fitted to an interpreter.
    if !input.has_documents() && input.resolution.requirements.is_empty() {
        return Ok(merged(input.sources.clone()));
    }
    let environment = match environment::locate(locate) {
        // A report names its wheels. If there is an environment, it should be for that one.
        Err(error)
            if error.code() == "no-environment"
                && input.has_reports_only()
                && input.resolution.requirements.is_empty() =>
        {
            let mut sources = input.sources.clone();
            for sourced in Error::all_or_refused(input.reported(None))? {
                context.warn(sourced.warnings);
                sources.extend(sourced.sources);
            }
            return Ok(merged(sources));
        }
        Err(error) if error.code() == "no-environment" => {
            // Nothing is written there: any directory names the default interpreter.
            environment::locate(
                &locate
                    .clone()
                    .with_target(locate.surroundings.directory.clone()),
            )?
        }
        located => located?,
    };
    // The wheels themselves are wanted, whatever is installed.
    let mut resolved = input.resolve(&environment, options, &|_, _, _| None, context)?;
    let installed = InstalledMetadata::new();
    add(&environment, input, &mut resolved, installed, downloads)?;
    Ok(merged(resolved.sources))
}

//! `resolve`: decides which wheels satisfy requirements, and fetches none of them.
//!
//! Steps: read every text, begin to fetch what they lead to, solve, look up the wheel of each pin.
//! Installing from names begins with the same steps.

mod gather;
mod lock;
mod request;
mod watched;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

pub(super) use gather::is_project_file;
pub use lock::lock_of;
pub use request::{Places, ResolutionRequest, Upgrading, pip_places};

use gather::{Gathered, Reader};
use watched::WatchedIndex;

use super::{Context, Document, Options};
use crate::digest::Digest;
use crate::download::{Asked, Downloader};
use crate::environment::{Environment, marker_values};
use crate::error::{Error, ResolutionFault, Result, WarningCode};
use crate::fs;
use crate::index::{
    Acceptance, Ahead, Index, IndexSettings, IndexUrl, Locations, Offered, default_index,
};
use crate::outcome::{Activity, ActivityKind, RunningActivity, Step, Warning};
use crate::resolve::{
    RequirementOrigin, Resolution, ResolutionWarning, ResolvedProject, StatedRequirement, Upgrade,
    Via, Wanted, solve,
};
use crate::source::Source;
use crate::spec::location::Location;
use crate::spec::marker::MarkerEnvironment;
use crate::spec::name::ProjectName;
use crate::spec::pip_report;
use crate::spec::requirement::Requirement;
use crate::spec::resolved::{ResolvedWheel, WheelFile};
use crate::spec::simple::{MetadataFile, ProjectStatus};
use crate::spec::tags::TagSet;
use crate::spec::version::{Specifiers, Version};

/// How many bytes of a wheel's end are asked for, if its METADATA is no file of its own: most
/// wheels have their directory and METADATA there.
pub(super) const TAIL: u64 = 1 << 14;

/// The result of a resolution.
#[derive(Debug)]
pub struct ResolvedRequest {
    /// The wheels, each after those that it needs.
    pub wheels: Vec<ResolvedWheel>,
    /// The values of the environment's markers.
    pub environment: MarkerEnvironment,
    /// What was asked of servers.
    pub asked: Asked,
    /// How often the search began.
    pub rounds: u32,
}

/// Decides which wheels satisfy a request, as if nothing were installed.
///
/// # Errors
/// A text or an index cannot be read, or no set of wheels satisfies the request
/// ([`ErrorKind::Unsolvable`](crate::ErrorKind::Unsolvable)).
pub fn resolve(
    environment: &Environment,
    request: &ResolutionRequest,
    options: &Options,
    context: Context<'_>,
) -> Result<ResolvedRequest> {
    let cancel = context.cancel.clone();
    let downloader = Downloader::new(&options.download, context.fs, cancel)?.with_tail(TAIL);
    let lists: Vec<&Document> = request.lists.iter().collect();
    let more = Additions {
        lists: &lists,
        ..Additions::default()
    };
    let resolver =
        RequestResolver::new(environment, request, more, downloader, (options, context))?;
    let begin = Instant::now();
    let resolving =
        RunningActivity::begin(context.events, &Activity::new(ActivityKind::Resolve, ""));
    let resolution = resolver.solve(&resolving)?;
    drop(resolving);
    context.events.step(Step::Resolve, begin.elapsed());
    resolver.finish(&resolution, context)
}

/// The installation report of a resolution.
///
/// # Errors
/// The working directory, which relative paths start from, cannot be found.
pub fn report_of(resolved: &ResolvedRequest) -> Result<String> {
    let mut wheels = resolved.wheels.clone();
    // A report has URLs only, and a relative path has none.
    for wheel in &mut wheels {
        if let Location::File(path) = &mut wheel.wheel.location {
            *path = fs::absolute(path)?;
        }
    }
    Ok(pip_report::write(&wheels, &resolved.environment))
}

/// The installed projects, by name, with their version and the path of their METADATA.
pub(super) type InstalledMetadata = BTreeMap<ProjectName, (Version, PathBuf)>;

/// What a command adds to a request.
#[derive(Default)]
pub(super) struct Additions<'a> {
    /// The lists to resolve.
    pub(super) lists: &'a [&'a Document],
    /// Wheels that were named as files: they count as requirements.
    pub(super) wheels: &'a [Source],
    /// The installed projects that may stay.
    pub(super) installed: InstalledMetadata,
}

/// Everything that a resolution needs.
pub(super) struct RequestResolver {
    index: Index,
    wanted: Wanted,
    hashes: BTreeMap<ProjectName, Vec<Digest>>,
    needs_hashes: bool,
}

impl RequestResolver {
    /// Reads all texts and connects to nothing but pages of links.
    pub(super) fn new(
        environment: &Environment,
        request: &ResolutionRequest,
        more: Additions<'_>,
        downloader: Downloader,
        (options, context): (&Options, Context<'_>),
    ) -> Result<Self> {
        let python = environment.python()?;
        let environment = marker_values(python);
        let reader = Reader {
            request,
            lists: more.lists,
            wheels: more.wheels,
            environment: &environment,
            python: &python.version,
            how: (options, context),
        };
        let gathered = reader.gather()?;
        context.warn(gathered.warnings.iter().cloned());
        let (places, from_pip) = gathered.places.with_pip(&request.pip);
        if !from_pip.is_empty() {
            context.events.pip_places(&from_pip);
        }
        let acceptance = Arc::new(Acceptance {
            tags: TagSet::new(&python.target),
            python: python.version.clone(),
            before: request.before,
            hashes: gathered.hashes.clone(),
        });
        let settings = IndexSettings {
            locations: locations(&places)?,
            find_links: find_links(&places, &request.places)?,
            acceptance,
            direct: gathered.direct.clone(),
            installed: more.installed.clone(),
            ahead: Ahead {
                environment: environment.clone(),
                stated: stated(&gathered, &environment),
                prereleases: gathered.prereleases,
                no_deps: request.no_deps,
            },
        };
        context.warn(merge_warning(&places, &settings));
        let index = Index::new(downloader, settings)?;
        let wanted = Wanted {
            roots: gathered.roots,
            constraints: gathered.constraints,
            prereleases: gathered.prereleases,
            no_deps: request.no_deps,
            upgrade: match request.upgrade {
                Upgrading::Nothing => Upgrade::Nothing,
                Upgrading::Named => Upgrade::Roots,
                Upgrading::Everything => Upgrade::Everything,
            },
            installed: more
                .installed
                .into_iter()
                .map(|(name, (version, _))| (name, version))
                .collect(),
            environment,
            python: python.version.clone(),
        };
        Ok(Self {
            index,
            wanted,
            hashes: gathered.hashes,
            needs_hashes: gathered.needs_hashes,
        })
    }

    /// Decides. What takes long is shown as the subject of `activity`.
    pub(super) fn solve(&self, activity: &RunningActivity<'_>) -> Result<Resolution> {
        self.index.want_ahead(&self.wanted.roots);
        let solved = solve(&self.wanted, &WatchedIndex::new(&self.index, activity));
        // Also after a failure: the next try should not fetch the pages again.
        self.index.settle();
        solved
    }

    /// The wheels of a resolution that are not installed.
    pub(super) fn finish(
        &self,
        resolution: &Resolution,
        context: Context<'_>,
    ) -> Result<ResolvedRequest> {
        context.warn(warnings(resolution));
        context.warn(self.index.remarks().into_iter().filter_map(remark));
        self.collect(resolution)
    }

    /// The wheels of all projects of a resolution, as if nothing were installed. The versions are
    /// the same.
    ///
    /// # Errors
    /// No index has an installed version ([`ErrorKind::Unsolvable`](crate::ErrorKind::Unsolvable)).
    pub(super) fn whole(
        &self,
        resolution: &Resolution,
        activity: &RunningActivity<'_>,
    ) -> Result<ResolvedRequest> {
        if !resolution.projects.iter().any(|one| one.is_installed) {
            return self.collect(resolution);
        }
        let mut wanted = self.wanted.clone();
        wanted.installed.clear();
        let decided = resolution.projects.iter().filter(|one| one.url.is_none());
        wanted.constraints.extend(decided.map(|one| {
            StatedRequirement {
                requirement: Requirement::parse(&format!("{}=={}", one.name, one.version))
                    .expect("a name and a version are a requirement"),
                origin: RequirementOrigin::Installed,
            }
        }));
        let solved = solve(&wanted, &WatchedIndex::new(&self.index, activity));
        self.index.settle();
        self.collect(&solved?)
    }

    fn collect(&self, resolution: &Resolution) -> Result<ResolvedRequest> {
        let mut wheels = Vec::with_capacity(resolution.projects.len());
        for project in in_order(&resolution.projects) {
            if !project.is_installed {
                wheels.push(self.wheel(project)?);
            }
        }
        if self.needs_hashes {
            self.check_hashes(&wheels)?;
        }
        Ok(ResolvedRequest {
            wheels,
            environment: self.wanted.environment.clone(),
            asked: self.index.asked(),
            rounds: resolution.rounds,
        })
    }

    fn wheel(&self, project: &ResolvedProject) -> Result<ResolvedWheel> {
        let found = self.index.project(&project.name)?;
        let best = found
            .best(&project.version)
            .expect("the solver takes usable versions only");
        let same = |other: &&Offered| match (&best.metadata, &other.metadata) {
            (MetadataFile::Pinned(mine), MetadataFile::Pinned(theirs)) => mine == theirs,
            _ => other.file_name == best.file_name,
        };
        let metadata = self.index.metadata(&project.name, &project.version)?;
        let via = |via: &Via| match via {
            Via::Root(origin) => Some(origin.to_string()).filter(|text| !text.is_empty()),
            Via::Project(name) => Some(name.to_string()),
        };
        Ok(ResolvedWheel {
            name: project.name.clone(),
            version: project.version.clone(),
            wheel: file(best),
            siblings: found
                .all(&project.version)
                .iter()
                .filter(same)
                .map(file)
                .collect(),
            index: best.index.as_deref().map(str::to_owned),
            is_direct: project.url.is_some(),
            yanked: best.yanked.as_deref().map(str::to_owned),
            requested: project.is_requested,
            extras: project.extras.clone(),
            via: project.via.iter().filter_map(via).collect(),
            needs: project.needs.clone(),
            metadata: metadata.text.clone(),
        })
    }

    /// With hashes in a list, every wheel must have one there.
    fn check_hashes(&self, wheels: &[ResolvedWheel]) -> Result<()> {
        let has_hash = |wheel: &&ResolvedWheel| {
            let in_address = wheel.is_direct && !wheel.wheel.digests.is_empty();
            in_address || self.hashes.contains_key(&wheel.name)
        };
        let faults: Vec<ResolutionFault> = wheels
            .iter()
            .filter(|wheel| !has_hash(wheel))
            .map(|wheel| ResolutionFault::NoSecureHash {
                entry: format!("{}=={}", wheel.name, wheel.version),
                found: Vec::new(),
            })
            .collect();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Error::refused("the requirements", faults))
        }
    }
}

fn locations(places: &Places) -> Result<Locations> {
    if places.no_index {
        return Ok(Locations::default());
    }
    let mut indexes = Vec::new();
    for text in &places.extra_index_urls {
        indexes.push(IndexUrl::parse(text)?);
    }
    indexes.push(match &places.index_url {
        Some(text) => IndexUrl::parse(text)?,
        None => default_index().into(),
    });
    let mut locations = Locations::new(indexes);
    if places.merges_indexes {
        locations.merge();
    }
    for (name, index) in &places.tied {
        let project = ProjectName::parse(name)
            .ok_or_else(|| Error::usage(format!("`{name}` is not the name of a project")))?;
        locations.tie(project, IndexUrl::parse(index)?);
    }
    Ok(locations)
}

/// The warning about merging indexes, if there is anything to merge. Directories alone are always
/// merged.
fn merge_warning(places: &Places, settings: &IndexSettings) -> Option<Warning> {
    let (indexes, links) = (settings.locations.count(), settings.find_links.len());
    let merges = places.merges_indexes && indexes > 0 && indexes + links > 1;
    let message = "the versions of all indexes are merged: a public index can replace a private \
        project";
    merges.then(|| Warning {
        code: WarningCode::DependencyConfusion,
        wheel: None,
        message: message.to_owned(),
    })
}

/// The directories and pages. One that the user typed must exist, since a typing error would look
/// like a missing wheel; those of lists and of pip may be absent.
fn find_links(places: &Places, typed: &Places) -> Result<Vec<Location>> {
    let mut found = Vec::new();
    for text in &places.find_links {
        let location = match Location::from_url(text) {
            Ok((location, _)) => location,
            Err(_) => Location::File(text.into()),
        };
        if let Location::File(path) = &location
            && typed.find_links.contains(text)
            && fs::stat(path)?.is_none()
        {
            return Err(Error::usage(format!("there is no directory `{text}`")));
        }
        found.push(location);
    }
    Ok(found)
}

/// The sets of versions that the command itself states.
fn stated(
    gathered: &Gathered,
    environment: &MarkerEnvironment,
) -> BTreeMap<ProjectName, Vec<Specifiers>> {
    let mut stated: BTreeMap<ProjectName, Vec<_>> = BTreeMap::new();
    let all: Vec<&StatedRequirement> = gathered.roots.iter().chain(&gathered.constraints).collect();
    for StatedRequirement { requirement, .. } in all {
        if requirement.applies(environment)
            && let Some(specifiers) = requirement.specifiers()
        {
            stated
                .entry(requirement.name.clone())
                .or_default()
                .push(specifiers.clone());
        }
    }
    stated
}

fn file(offered: &Offered) -> WheelFile {
    WheelFile {
        file_name: offered.file_name.to_string(),
        location: offered.location.clone(),
        digests: offered.digests.to_vec(),
        size: offered.size,
        upload_time: offered.upload_time.as_deref().map(str::to_owned),
    }
}

/// The projects, each after those that it needs; projects that need each other stay in the order of
/// their names.
fn in_order(projects: &[ResolvedProject]) -> Vec<&ResolvedProject> {
    let by_name: HashMap<&ProjectName, usize> = projects
        .iter()
        .enumerate()
        .map(|(index, project)| (&project.name, index))
        .collect();
    let (mut order, mut begun) = (
        Vec::with_capacity(projects.len()),
        vec![false; projects.len()],
    );
    for first in 0..projects.len() {
        // A stack of our own: chains of needs may be longer than the thread's.
        let mut open = vec![(first, 0)];
        if std::mem::replace(&mut begun[first], true) {
            continue;
        }
        while let Some((index, next)) = open.pop() {
            match projects[index].needs.get(next) {
                Some(name) => {
                    open.push((index, next + 1));
                    if let Some(&needed) = by_name.get(name)
                        && !std::mem::replace(&mut begun[needed], true)
                    {
                        open.push((needed, 0));
                    }
                }
                None => order.push(&projects[index]),
            }
        }
    }
    order
}

fn warnings(resolution: &Resolution) -> Vec<Warning> {
    let warning = |warning: &ResolutionWarning| match warning {
        ResolutionWarning::Yanked {
            name,
            version,
            reason,
        } => Warning::about(
            format!("{name} {version}"),
            WarningCode::Yanked,
            if reason.is_empty() {
                "the project has withdrawn this release".to_owned()
            } else {
                format!("the project has withdrawn this release: {reason}")
            },
        ),
        ResolutionWarning::MissingExtra {
            name,
            version,
            extra,
        } => Warning::about(
            format!("{name} {version}"),
            WarningCode::MissingExtra,
            format!("it has no extra `{extra}`"),
        ),
    };
    resolution.warnings.iter().map(warning).collect()
}

fn remark((name, status): (ProjectName, ProjectStatus)) -> Option<Warning> {
    let (code, what, reason) = match status {
        ProjectStatus::Archived(reason) => {
            (WarningCode::Archived, "the project is archived", reason)
        }
        ProjectStatus::Deprecated(reason) => {
            (WarningCode::Deprecated, "the project is deprecated", reason)
        }
        ProjectStatus::Active | ProjectStatus::Quarantined(_) => return None,
    };
    let message = if reason.is_empty() {
        what.to_owned()
    } else {
        format!("{what}: {reason}")
    };
    Some(Warning {
        code,
        wheel: Some(name.to_string()),
        message,
    })
}

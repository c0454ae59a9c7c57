//! Reading everything that a request names, other lists included.
//!
//! Input: a [`ResolutionRequest`]. Output: [`Gathered`]: requirements and constraints with the
//! place of each, and where to look. Invariants: every text is read before anything fails; a list
//! that is named again is read once, so lists may name each other. Limits: a list at a URL is
//! refused.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::super::{Context, Document, Options};
use super::request::{Places, ResolutionRequest};
use crate::digest::Digest;
use crate::error::{Error, Fault, ResolutionFault, ResolutionOddity, Result};
use crate::fs;
use crate::index::DirectWheel;
use crate::outcome::Warning;
use crate::resolve::{RequirementOrigin, StatedRequirement};
use crate::source::Source;
use crate::spec::location::{Location, hashes_in, without_credentials};
use crate::spec::marker::MarkerEnvironment;
use crate::spec::name::ProjectName;
use crate::spec::project::ProjectFile;
use crate::spec::pylock::is_lock_name;
use crate::spec::requirement::Requirement;
use crate::spec::requirements::{LooseList, LooseRequirement};
use crate::spec::version::Version;
use crate::spec::wheel_name::WheelName;

/// The name of the files whose `[project]` and `[dependency-groups]` are read.
const PROJECT_FILE: &str = "pyproject.toml";

/// Everything that a request names.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) roots: Vec<StatedRequirement>,
    pub(super) constraints: Vec<StatedRequirement>,
    /// The wheels that requirements name by path or URL.
    pub(super) direct: BTreeMap<ProjectName, DirectWheel>,
    /// The hashes of lists, by project: one of them must match.
    pub(super) hashes: BTreeMap<ProjectName, Vec<Digest>>,
    /// Whether every wheel must have a hash in a list.
    pub(super) needs_hashes: bool,
    /// Where the lists say to look, after what the request says.
    pub(super) places: Places,
    pub(super) prereleases: bool,
    pub(super) warnings: Vec<Warning>,
}

/// For which environment texts are read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) request: &'a ResolutionRequest,
    pub(super) lists: &'a [&'a Document],
    pub(super) wheels: &'a [Source],
    pub(super) environment: &'a MarkerEnvironment,
    pub(super) python: &'a Version,
    /// How documents at addresses are fetched.
    pub(super) how: (&'a Options, Context<'a>),
}

/// What a list means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Role {
    Requirements,
    Constraints,
}

impl Reader<'_> {
    /// Reads everything.
    ///
    /// # Errors
    /// All faults of all texts in one error.
    pub(super) fn gather(self) -> Result<Gathered> {
        let request = self.request;
        let mut gathered = Gathered {
            places: request.places.clone(),
            prereleases: request.prereleases,
            ..Gathered::default()
        };
        let mut results: Vec<Result<()>> = Vec::new();
        for text in &request.requirements {
            results.push(self.argument(&mut gathered, text));
        }
        for wheel in self.wheels {
            self.wheel(&mut gathered, wheel);
        }
        let mut seen = HashSet::new();
        let lists = self.lists.iter().map(|list| (*list, Role::Requirements));
        let constraints = request
            .constraints
            .iter()
            .map(|list| (list, Role::Constraints));
        for (document, role) in lists.chain(constraints) {
            self.document(&mut gathered, &mut seen, document, role, &mut results);
        }
        Error::all_or_refused(results)?;
        Ok(gathered)
    }

    fn argument(self, gathered: &mut Gathered, text: &str) -> Result<()> {
        let shown = || without_credentials(text);
        let requirement = Requirement::parse(text).map_err(|reason| {
            Error::usage(format!("`{}` is not a requirement: {reason}", shown()))
        })?;
        let direct = requirement
            .url()
            .map(|url| direct_wheel(&requirement.name, url));
        let direct = direct
            .transpose()
            .map_err(|fault| Error::refused(&shown(), [fault]))?;
        let stated = StatedRequirement {
            requirement,
            origin: RequirementOrigin::Argument,
        };
        self.add(gathered, stated, direct, Role::Requirements);
        Ok(())
    }

    /// A wheel that was named as a file.
    fn wheel(self, gathered: &mut Gathered, wheel: &Source) {
        // Opening the wheel reports a name that cannot be read.
        let Ok(name) = WheelName::parse(&wheel.file_name) else {
            return;
        };
        let stated = StatedRequirement {
            requirement: Requirement::at(name.name, &wheel.label(), None),
            origin: RequirementOrigin::Argument,
        };
        let direct = DirectWheel {
            location: wheel.location.clone(),
            digests: wheel.pinned.certain(),
        };
        self.add(gathered, stated, Some(direct), Role::Requirements);
    }

    fn add(
        self,
        gathered: &mut Gathered,
        stated: StatedRequirement,
        direct: Option<DirectWheel>,
        role: Role,
    ) {
        if let Some(direct) = direct
            && stated.requirement.applies(self.environment)
        {
            gathered
                .direct
                .insert(stated.requirement.name.clone(), direct);
        }
        match role {
            Role::Requirements => gathered.roots.push(stated),
            Role::Constraints => gathered.constraints.push(stated),
        }
    }

    fn document(
        self,
        gathered: &mut Gathered,
        seen: &mut HashSet<(PathBuf, Role)>,
        document: &Document,
        role: Role,
        results: &mut Vec<Result<()>>,
    ) {
        // A loop over what is left, since lists may be nested as deep as their author likes.
        let mut left: Vec<Document> = Vec::new();
        let mut next = Some((document, role));
        let mut roles: Vec<Role> = Vec::new();
        let mut owned: Document;
        while let Some((document, role)) = next {
            if seen.insert((identity(&document.at), role)) {
                match self.one(gathered, document, role) {
                    Ok(nested) => {
                        for (path, role) in nested {
                            match Document::read(&path, self.how.0, self.how.1) {
                                Ok(document) => {
                                    left.push(document);
                                    roles.push(role);
                                }
                                Err(error) => results.push(Err(error)),
                            }
                        }
                    }
                    Err(error) => results.push(Err(error)),
                }
            }
            next = match (left.pop(), roles.pop()) {
                (Some(document), Some(role)) => {
                    owned = document;
                    Some((&owned, role))
                }
                _ => None,
            };
        }
    }

    /// Reads one text; returns the lists that it names.
    fn one(
        self,
        gathered: &mut Gathered,
        document: &Document,
        role: Role,
    ) -> Result<Vec<(PathBuf, Role)>> {
        let name = document.at.display().to_string();
        let file_name = document.at.file_name().map(|name| name.to_string_lossy());
        if is_project_file(&document.at) && role == Role::Requirements {
            self.project_file(gathered, document, &name)?;
            return Ok(Vec::new());
        }
        if file_name.is_some_and(|name| is_lock_name(&name)) {
            return Err(Error::refused(&name, [ResolutionFault::LockAsRequirements]));
        }
        let list = LooseList::parse(&document.content)
            .and_then(|list| list.check(self.environment).map(|()| list))
            .map_err(|faults| Error::refused(&name, faults))?;
        let home = document.at.parent().unwrap_or(Path::new(""));
        gathered.add_settings(&list, home, &name)?;
        for read in list.requirements {
            // As for pip, a hash on any line counts, also on one whose marker does not hold here.
            gathered.needs_hashes |= !read.hashes.is_empty() && list.needs_hashes != Some(false);
            if !read.applies(self.environment) {
                continue;
            }
            let LooseRequirement {
                line,
                requirement,
                direct,
                hashes,
                ..
            } = read;
            if !hashes.is_empty() {
                let known = gathered.hashes.entry(requirement.name.clone()).or_default();
                known.extend(hashes.iter().copied());
            }
            let direct = direct.map(|(location, digests)| DirectWheel { location, digests });
            let stated = StatedRequirement {
                requirement,
                origin: RequirementOrigin::Line(name.clone(), line),
            };
            self.add(gathered, stated, direct, role);
        }
        let nested = list.nested.into_iter().map(|nested| {
            let role = if nested.is_constraints {
                Role::Constraints
            } else {
                role
            };
            let path = if Location::is_url(&nested.path) {
                nested.path.into()
            } else {
                home.join(&nested.path)
            };
            (path, role)
        });
        Ok(nested.collect())
    }

    fn project_file(self, gathered: &mut Gathered, document: &Document, name: &str) -> Result<()> {
        let refuse = |faults: Vec<Fault>| Error::refused(name, faults);
        let file = ProjectFile::parse(&document.content).map_err(refuse)?;
        let request = self.request;
        let found = file.requirements(&request.extras, &request.groups, self.python);
        for (key, requirement) in found.map_err(refuse)? {
            let direct = requirement
                .url()
                .map(|url| direct_wheel(&requirement.name, url));
            let direct = direct.transpose().map_err(|fault| refuse(vec![fault]))?;
            let stated = StatedRequirement {
                requirement,
                origin: RequirementOrigin::Key(name.to_owned(), key),
            };
            self.add(gathered, stated, direct, Role::Requirements);
        }
        Ok(())
    }
}

/// What tells a list from others however it is named, so that lists which name each other from two
/// directories end.
fn identity(at: &Path) -> PathBuf {
    // A URL is in its normal form, and is no path that exists.
    fs::canonical(at).unwrap_or_else(|_| at.to_owned())
}

/// Whether a file at `path` is read as a `pyproject.toml`.
pub(in crate::command) fn is_project_file(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == PROJECT_FILE)
}

impl Gathered {
    /// Adds what a list says about where to look.
    fn add_settings(&mut self, list: &LooseList, home: &Path, name: &str) -> Result<()> {
        let places = &list.places;
        // What was typed wins over what a list says.
        if self.places.index_url.is_none() {
            self.places.index_url.clone_from(&places.index_url);
        }
        self.places
            .extra_index_urls
            .extend_from_slice(&places.extra_index_urls);
        self.places.no_index |= places.no_index;
        self.prereleases |= list.prereleases;
        self.needs_hashes |= list.needs_hashes == Some(true);
        for text in &places.find_links {
            self.places.find_links.push(beside(home, text)?);
        }
        let warning =
            |fault: &ResolutionOddity| Warning::about(name, fault.code(), fault.to_string());
        self.warnings.extend(list.warnings.iter().map(warning));
        Ok(())
    }
}

/// A directory or address of a list. As in pip, a directory is relative to the list, or, if it does
/// not exist there, to the working directory.
fn beside(home: &Path, text: &str) -> Result<String> {
    if Location::is_url(text) {
        return Ok(text.to_owned());
    }
    let path = home.join(text);
    Ok(match (fs::stat(&path)?, path.to_str()) {
        (Some(_), Some(path)) => path.to_owned(),
        _ => text.to_owned(),
    })
}

/// The wheel of `name @ url`, where `url` may be a path.
fn direct_wheel(name: &ProjectName, url: &str) -> std::result::Result<DirectWheel, Fault> {
    let (location, fragment) = if Location::is_url(url) {
        Location::from_url(url).map_err(|reason| ResolutionFault::Location {
            entry: name.to_string(),
            location: without_credentials(url),
            reason,
        })?
    } else if url.contains("://") {
        let what = format!("no wheel, `{}`", without_credentials(url));
        return Err(ResolutionFault::NotWheels(vec![(name.to_string(), what)]).into());
    } else {
        (Location::File(url.into()), None)
    };
    let file_name = location.file_name();
    if !file_name.ends_with(".whl") {
        let what = format!("no wheel, `{}`", location.label());
        return Err(ResolutionFault::NotWheels(vec![(name.to_string(), what)]).into());
    }
    if WheelName::parse(&file_name)?.name != *name {
        let entry = name.to_string();
        return Err(ResolutionFault::OtherWheel { entry, file_name }.into());
    }
    let bad = |hash| ResolutionFault::BadHash {
        entry: name.to_string(),
        hash,
    };
    let digests = hashes_in(fragment.as_deref().unwrap_or_default()).map_err(bad)?;
    Ok(DirectWheel { location, digests })
}

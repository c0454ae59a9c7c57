//! Sources of wheels: the location of each wheel and its pinned hashes and size.
//!
//! Input: a path, a directory, a URL, `file.whl#sha256=…`; or the file of a resolver: an
//! installation report, a lock file, a list of pinned requirements. Output: one [`Source`] for each
//! wheel; a directory means the wheels directly inside it, sorted by name. New kinds of input
//! belong here. Limits: nothing is downloaded, and names are looked up only in directories.

mod argument;
pub mod lock_file;
mod merge;
mod pins;
pub mod pip_report;
pub mod requirements;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use argument::is_requirement;
pub use merge::merged;
pub use pins::Pins;

pub use crate::spec::location::Location;

use crate::error::{Error, Fault, ResolutionOddity, Result};
use crate::fs;
use crate::outcome::Warning;
use crate::spec::marker::MarkerEnvironment;
use crate::spec::name::ProjectName;
use crate::spec::tags::{TagSet, Target};
use crate::spec::version::Version;

/// One wheel that is to be installed.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path or URL.
    pub location: Location,
    /// The file name of the wheel; the last part of the location may be another name.
    pub file_name: String,
    /// The digests that it must have.
    pub pinned: Pins,
    /// Its length in bytes, if that was promised.
    pub size: Option<u64>,
    /// Whether the user asked for this project, which REQUESTED records. For a wheel that is given
    /// as a path this is unknown, since a resolver may have chosen it.
    pub requested: bool,
    /// Whether it counts as a direct reference.
    pub direct_reference: DirectReference,
    /// Whether it was given as an argument, and not found by a resolver or in its file.
    pub is_argument: bool,
}

/// Whether a wheel counts as a direct reference, which means that direct_url.json records its
/// location ("Direct URL data structure").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirectReference {
    /// No: it was found by name and version.
    Never,
    /// It was given as an argument, so this depends on an option: see
    /// [`Source::settle_direct_reference`]. Until then it counts as none.
    IfAsked,
    /// Yes; the content of direct_url.json follows from the location and the digest of the wheel.
    Always,
    /// Yes; this is the content of direct_url.json, as a resolver wrote it.
    Written(Arc<[u8]>),
}

/// A requirement that an installed project satisfies, so that no wheel was looked for.
#[derive(Debug, Clone)]
pub struct Satisfied {
    /// The project.
    pub name: ProjectName,
    /// The version that is installed.
    pub version: Version,
    /// How messages and reports name the requirement.
    pub label: String,
    /// The hashes that it is pinned to.
    pub pins: Pins,
}

/// Finds the installed version of a project that satisfies a requirement for a version and hashes.
pub type IsInstalled<'a> = dyn Fn(&ProjectName, &Version, &Pins) -> Option<Version> + 'a;

/// The wheels of a resolver's file.
#[derive(Debug, Default)]
pub struct Sourced {
    /// The wheels, in the order of the text.
    pub sources: Vec<Source>,
    /// The requirements that are installed already.
    pub satisfied: Vec<Satisfied>,
    /// Warnings about the file.
    pub warnings: Vec<Warning>,
}

/// The interpreter and the system that wheels are chosen for.
#[derive(Debug)]
pub struct Fitting {
    tags: TagSet,
    described: String,
    version: Version,
    markers: MarkerEnvironment,
    compat_check: bool,
}

impl Fitting {
    /// Without `compat_check`, a file that was resolved for another environment is accepted, and so
    /// is a wheel whose tags do not fit if there is no other. Markers are evaluated as always.
    pub fn new(
        target: &Target,
        version: &Version,
        markers: MarkerEnvironment,
        compat_check: bool,
    ) -> Self {
        let (tags, described) = (TagSet::new(target), target.to_string());
        Self {
            tags,
            described,
            version: version.clone(),
            markers,
            compat_check,
        }
    }
}

impl Fitting {
    /// The values that markers are evaluated with.
    pub fn markers(&self) -> &MarkerEnvironment {
        &self.markers
    }
}

impl Source {
    /// A local wheel without any promise about it.
    pub fn from_path(path: impl Into<PathBuf>) -> Self {
        Self::from_location(Location::File(path.into()))
    }

    /// A wheel without any promise about it.
    pub fn from_location(location: Location) -> Self {
        let file_name = wheel_file_name(&location);
        let (pinned, direct_reference) = (Pins::default(), DirectReference::IfAsked);
        Self {
            location,
            file_name,
            pinned,
            size: None,
            requested: false,
            direct_reference,
            is_argument: false,
        }
    }

    /// How errors and reports name the wheel: its path, or its URL without credentials.
    pub fn label(&self) -> String {
        self.location.label()
    }

    /// Decides for a wheel that was given as an argument whether it counts as a direct reference.
    pub fn settle_direct_reference(&mut self, arguments_are_direct: bool) {
        if self.direct_reference == DirectReference::IfAsked {
            self.is_argument = true;
            self.direct_reference = if arguments_are_direct {
                DirectReference::Always
            } else {
                DirectReference::Never
            };
        }
    }

    /// Its path, if it is on this machine.
    pub fn path(&self) -> Option<&Path> {
        self.location.path()
    }
}

/// The file name of the wheel at a location. A browser that saves a file for the second time calls
/// it `NAME (1).whl`.
fn wheel_file_name(location: &Location) -> String {
    let name = location.file_name();
    let first = location.path().and_then(|_| {
        let (name, number) = name.strip_suffix(").whl")?.rsplit_once(" (")?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| format!("{name}.whl"))
    });
    first.unwrap_or(name)
}

/// The paths of the wheels directly inside a directory, sorted by name.
fn wheel_paths(directory: &Path) -> Result<Vec<PathBuf>> {
    let names = fs::list(directory)?
        .into_iter()
        .map(|(name, _)| directory.join(name));
    Ok(names
        .filter(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .collect())
}

/// The error for the resolver's file at `at`.
fn refused(at: &Path, faults: Vec<Fault>) -> Error {
    Error::refused(&at.display().to_string(), faults)
}

/// The warnings about the resolver's file at `at`.
fn warnings(at: &Path, oddities: &[ResolutionOddity]) -> Vec<Warning> {
    let warning = |oddity: &ResolutionOddity| Warning {
        code: oddity.code(),
        wheel: Some(at.display().to_string()),
        message: oddity.to_string(),
    };
    oddities.iter().map(warning).collect()
}

#[cfg(test)]
mod tests;

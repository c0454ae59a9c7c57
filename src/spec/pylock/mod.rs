//! Lock files: `pylock.toml`.
//!
//! Input: the TOML of version 1.x. Output: a [`LockFile`]; [`LockFile::select`] gives its wheels
//! for one environment. Invariants: `packages.dependencies` and the `tool` tables are ignored; the
//! choice of a wheel depends only on the lock file and the environment, never on which files are
//! available. Limits: only wheels are installed, from `packages.wheels` or from a
//! `packages.archive` that is a wheel; keys of later minor versions are ignored with a warning.

mod keys;
mod select;
mod write;

use keys::Keys;

pub use select::{Choice, LockedWheel, Selection};
pub use write::write;

use super::digits::number;
use super::marker::{Marker, MarkerScope};
use super::name::ProjectName;
use super::version::{Specifiers, Version};
use crate::error::{Fault, ResolutionFault, ResolutionOddity};

/// The highest minor version of format 1 whose keys are all known.
const MINOR: u32 = 0;

/// A lock file ("`pylock.toml` specification", "File Format").
#[derive(Debug)]
pub struct LockFile {
    /// Warnings about it.
    pub warnings: Vec<ResolutionOddity>,
    requires_python: Option<Specifiers>,
    environments: Vec<(String, Marker)>,
    extras: Vec<String>,
    dependency_groups: Vec<String>,
    default_groups: Vec<String>,
    packages: Vec<Package>,
}

/// One of `packages`.
#[derive(Debug)]
struct Package {
    name: ProjectName,
    version: Option<Version>,
    marker: Option<Marker>,
    requires_python: Option<Specifiers>,
    /// The kind and the URL of the repository.
    vcs: Option<(String, String)>,
    /// The path of the directory, and whether it is editable.
    directory: Option<(String, bool)>,
    archive: Option<Artifact>,
    sdist: Option<Artifact>,
    wheels: Vec<Artifact>,
}

/// A file of `packages.archive`, `packages.sdist` or `packages.wheels`.
#[derive(Debug)]
struct Artifact {
    name: Option<String>,
    path: Option<String>,
    url: Option<String>,
    size: Option<u64>,
    hashes: Vec<(String, String)>,
}

/// Whether a lock file may have this name ("`pylock.toml` specification", "File Name").
pub fn is_lock_name(file_name: &str) -> bool {
    let middle = file_name
        .strip_prefix("pylock.")
        .and_then(|rest| rest.strip_suffix("toml"));
    middle.is_some_and(|middle| {
        middle.is_empty()
            || middle
                .strip_suffix('.')
                .is_some_and(|name| !name.is_empty() && !name.contains('.'))
    })
}

impl LockFile {
    /// Reads a lock file ("`pylock.toml` specification", "File Format").
    ///
    /// # Errors
    /// Everything that is wrong with it: an unknown version, missing keys, keys of the wrong type.
    pub fn parse(text: &[u8]) -> Result<Self, Vec<Fault>> {
        let mut keys = Keys::parse(text).map_err(|fault| vec![fault.into()])?;
        // The version comes before all other keys, whose meaning another major version may change.
        let version = keys
            .required("lock-version")
            .and_then(supported)
            .map_err(|fault| vec![fault.into()])?;
        let mut reading = LockFileReader {
            faults: Vec::new(),
            unknown: Vec::new(),
        };
        // The value is not used, but the specification requires the key.
        let created_by = keys.required("created-by");
        reading.keep(created_by);
        let lock = Self {
            warnings: Vec::new(),
            requires_python: reading.keep(specifiers(&mut keys)).flatten(),
            environments: reading
                .keep(keys.texts("environments").and_then(markers))
                .unwrap_or_default(),
            extras: reading.keep(keys.texts("extras")).unwrap_or_default(),
            dependency_groups: reading
                .keep(keys.texts("dependency-groups"))
                .unwrap_or_default(),
            default_groups: reading
                .keep(keys.texts("default-groups"))
                .unwrap_or_default(),
            packages: reading.packages(&mut keys),
        };
        keys.ignore(&["tool"]);
        reading.unknown.extend(keys.rest());
        if !reading.faults.is_empty() {
            return Err(reading.faults.into_iter().map(Fault::from).collect());
        }
        // Only a newer minor version can give an unknown key a meaning that is missed here.
        let unknown = if version.1 > MINOR {
            reading.unknown
        } else {
            Vec::new()
        };
        let version = format!("{}.{}", version.0, version.1);
        let warnings = unknown.into_iter().map(|key| ResolutionOddity::UnknownKey {
            key,
            version: version.clone(),
        });
        Ok(Self {
            warnings: warnings.collect(),
            ..lock
        })
    }
}

/// The major and minor version; a fault if the major version is not supported.
fn supported(version: String) -> Result<(u32, u32), ResolutionFault> {
    let numbers = version
        .split_once('.')
        .and_then(|(a, b)| Some((number(a)?, number(b)?)));
    numbers
        .filter(|(major, _)| *major == 1)
        .ok_or(ResolutionFault::FormatVersion {
            key: "lock-version",
            found: version,
            supported: "1.x",
        })
}

fn specifiers(keys: &mut Keys) -> Result<Option<Specifiers>, ResolutionFault> {
    keys.parsed("requires-python", "a set of versions", Specifiers::parse)
}

fn markers(texts: Vec<String>) -> Result<Vec<(String, Marker)>, ResolutionFault> {
    let read = |text: String| {
        Ok((
            text.clone(),
            marker("`environments`".to_owned(), text, MarkerScope::Plain)?,
        ))
    };
    texts.into_iter().map(read).collect()
}

fn marker(place: String, text: String, context: MarkerScope) -> Result<Marker, ResolutionFault> {
    Marker::parse(&text, context).map_err(|reason| ResolutionFault::Marker {
        place,
        marker: text,
        reason,
    })
}

/// The faults and unknown keys that are found while a lock file is read.
struct LockFileReader {
    faults: Vec<ResolutionFault>,
    unknown: Vec<String>,
}

impl LockFileReader {
    fn keep<T>(&mut self, result: Result<T, ResolutionFault>) -> Option<T> {
        result.map_err(|fault| self.faults.push(fault)).ok()
    }

    fn packages(&mut self, keys: &mut Keys) -> Vec<Package> {
        let tables = keys.tables("packages").and_then(|tables| {
            // A missing list is a fault, unlike an empty one: the file may have been truncated.
            tables.ok_or_else(|| ResolutionFault::MissingKey("packages".to_owned()))
        });
        let tables = self.keep(tables).unwrap_or_default();
        tables
            .into_iter()
            .filter_map(|table| {
                let package = self.package(table);
                self.keep(package)
            })
            .collect()
    }

    fn package(&mut self, mut keys: Keys) -> Result<Package, ResolutionFault> {
        let name = keys.required("name")?;
        let Some(name) = ProjectName::parse(&name) else {
            return Err(ResolutionFault::BadKey {
                key: keys.path("name"),
                expected: "a project's name",
            });
        };
        let place = || format!("`{name}`");
        let read_marker = |text| marker(place(), text, MarkerScope::LockedPackage);
        let package = Package {
            version: keys.parsed("version", "a version", Version::parse)?,
            marker: keys.text("marker")?.map(read_marker).transpose()?,
            requires_python: specifiers(&mut keys)?,
            vcs: keys.table("vcs")?.map(|vcs| self.vcs(vcs)).transpose()?,
            directory: keys
                .table("directory")?
                .map(|directory| self.directory(directory))
                .transpose()?,
            archive: keys
                .table("archive")?
                .map(|archive| self.artifact(archive))
                .transpose()?,
            sdist: keys
                .table("sdist")?
                .map(|sdist| self.artifact(sdist))
                .transpose()?,
            wheels: keys
                .tables("wheels")?
                .unwrap_or_default()
                .into_iter()
                .map(|wheel| self.artifact(wheel))
                .collect::<Result<_, ResolutionFault>>()?,
            name,
        };
        keys.ignore(&["dependencies", "index", "attestation-identities", "tool"]);
        self.unknown.extend(keys.rest());
        Ok(package)
    }

    fn vcs(&mut self, mut keys: Keys) -> Result<(String, String), ResolutionFault> {
        let kind = keys.required("type")?;
        let (url, path) = (keys.text("url")?, keys.text("path")?);
        keys.ignore(&["requested-revision", "commit-id", "subdirectory"]);
        self.unknown.extend(keys.rest());
        // Repositories are refused later, so the place only serves that message.
        url.or(path)
            .map(|place| (kind, place))
            .ok_or_else(|| ResolutionFault::MissingKey(keys.path("url")))
    }

    fn directory(&mut self, mut keys: Keys) -> Result<(String, bool), ResolutionFault> {
        let path = keys.required("path")?;
        let editable = keys.flag("editable")?;
        keys.ignore(&["subdirectory"]);
        self.unknown.extend(keys.rest());
        Ok((path, editable))
    }

    fn artifact(&mut self, mut keys: Keys) -> Result<Artifact, ResolutionFault> {
        let (name, path, url) = (keys.text("name")?, keys.text("path")?, keys.text("url")?);
        if path.is_none() && url.is_none() {
            return Err(ResolutionFault::MissingKey(keys.path("url")));
        }
        let size = keys.number("size")?;
        let hashes = keys
            .table("hashes")?
            .ok_or_else(|| ResolutionFault::MissingKey(keys.path("hashes")))?
            .pairs()?;
        keys.ignore(&["upload-time", "subdirectory"]);
        self.unknown.extend(keys.rest());
        Ok(Artifact {
            name,
            path,
            url,
            size,
            hashes,
        })
    }
}

#[cfg(test)]
mod tests;

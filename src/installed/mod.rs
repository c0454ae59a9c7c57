//! What is on disk: the installed projects, what their RECORDs list, and what exists at a place.
//!
//! Input: a [`Layout`]. Output: plain data that plans, listings and checks are made from; nothing
//! is changed. [`scan`] finds one [`Installed`] per dist-info directory (Recording installed
//! projects), and [`Installed::read_record`] is the one function that reads a RECORD. Invariant:
//! nothing that is installed is trusted, so rows that lead out of the environment have no place.
//! Directories that no project can own, such as the `~name` of an interrupted pip, are skipped.

pub mod check;
pub mod facts;
pub mod ownership;
pub mod removal;
pub mod survey;

use std::path::Path;
use std::sync::Arc;

use crate::environment::layout::{Layout, Place, SchemeKey};
use crate::error::{Error, Fault, Result};
use crate::fs::{self, Kind, OpenFile};
use crate::path::RelPath;
use crate::spec::direct_url::RecordedOrigin;
use crate::spec::name::ProjectName;
use crate::spec::record::{self, RecordRow};
use crate::spec::version::Version;

/// An installed project, as its directory in a library names it.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The project's name.
    pub name: ProjectName,
    /// The version as the directory's name spells it.
    pub version: String,
    /// The directory that makes the project installed; for an egg it may be a file.
    pub place: Place,
    /// The library that holds it: purelib or platlib.
    pub library: SchemeKey,
    /// How it is recorded.
    pub form: Form,
    /// The first line of INSTALLER.
    pub installer: Option<String>,
}

/// How an installed project is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A `.dist-info` directory with RECORD.
    Recorded,
    /// A `.dist-info` directory without RECORD, as conda and Linux distributions leave it.
    Unrecorded,
    /// An `.egg-info`, an `.egg-link` or an egg, from before RECORD existed.
    Egg,
}

/// The RECORD of an installed project, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// The rows of its RECORD, shared because several questions are answered from them.
    Rows(Arc<Vec<RecordRow>>),
    /// It has no RECORD, as conda and Linux distributions leave it.
    Absent,
    /// It is an egg, which has no RECORD.
    Egg,
    /// Its RECORD breaks the specification.
    Malformed(Fault),
}

impl Recorded {
    /// The rows of RECORD, if there is one that can be understood.
    pub fn rows(&self) -> Option<&Arc<Vec<RecordRow>>> {
        match self {
            Self::Rows(rows) => Some(rows),
            Self::Absent | Self::Egg | Self::Malformed(_) => None,
        }
    }
}

/// The largest RECORD of an installed project that is read, in bytes.
const MAX_RECORD: u64 = 256 << 20;
/// The most of a direct_url.json that is read, in bytes; it holds a URL and a few digests.
const MAX_DIRECT_URL: u64 = 1 << 16;
/// The most of an INSTALLER that is read, in bytes; it holds one word.
const MAX_INSTALLER: u64 = 256;

/// Finds everything that is installed, in the order of the directories' names.
///
/// # Errors
/// If a library directory exists and cannot be listed.
pub fn scan(layout: &Layout) -> Result<Vec<Installed>> {
    let mut found = glance(layout)?;
    for project in &mut found {
        project.look_inside(layout)?;
    }
    Ok(found)
}

/// As [`scan`], but reads nothing except the names of directories: whether a project has a RECORD,
/// and its installer, stay unknown. It costs one listing, which a command can afford before it
/// takes the lock.
///
/// # Errors
/// As [`scan`].
pub fn glance(layout: &Layout) -> Result<Vec<Installed>> {
    let mut found = named_in(layout, SchemeKey::Purelib)?;
    // Most environments have one directory for both, and would list every project twice.
    if layout.directory(SchemeKey::Purelib) != layout.directory(SchemeKey::Platlib) {
        found.extend(named_in(layout, SchemeKey::Platlib)?);
    }
    Ok(found)
}

fn named_in(layout: &Layout, library: SchemeKey) -> Result<Vec<Installed>> {
    let directory = layout.absolute_directory(library);
    let mut found = Vec::new();
    for (name, kind) in fs::list(&directory)? {
        let Some(text) = name.to_str() else { continue };
        let stem = if let Some(stem) = text.strip_suffix(".dist-info") {
            (kind == Kind::Directory).then_some((stem, false))
        } else {
            text.strip_suffix(".egg-info")
                .or_else(|| text.strip_suffix(".egg-link"))
                .or_else(|| text.strip_suffix(".egg"))
                .map(|stem| (stem, true))
        };
        let Some((stem, is_egg)) = stem else { continue };
        let (project, version) = name_and_version(stem, is_egg);
        let Some(name) = ProjectName::parse(project) else {
            continue;
        };
        let Ok(path) = RelPath::parse(text) else {
            continue;
        };
        found.push(Installed {
            name,
            version: version.to_owned(),
            place: layout.place(library, &path),
            library,
            form: if is_egg { Form::Egg } else { Form::Recorded },
            installer: None,
        });
    }
    Ok(found)
}

/// Splits `name-version` of a dist-info directory, or `name-version-py3.x` of an egg.
fn name_and_version(stem: &str, is_egg: bool) -> (&str, &str) {
    // Older tools left `-` in the names of dist-infos but not in their versions, so those are split
    // at the last one. In the name of an egg, `-` occurs only as a separator.
    let parts = if is_egg {
        stem.split_once('-')
    } else {
        stem.rsplit_once('-')
    };
    let (name, version) = parts.unwrap_or((stem, ""));
    match version.split_once('-') {
        Some((version, _python)) if is_egg => (name, version),
        _ => (name, version),
    }
}

fn first_line(path: &Path) -> Option<String> {
    // INSTALLER is only shown, so a failure to read it must not fail a command.
    let content = fs::read_to_limit(path, MAX_INSTALLER).ok()?;
    let text = String::from_utf8_lossy(&content);
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

impl Installed {
    /// Completes what the name of the directory does not say.
    fn look_inside(&mut self, layout: &Layout) -> Result<()> {
        let directory = layout.absolute(&self.place);
        if self.form != Form::Egg {
            let record = fs::stat(&directory.join("RECORD"))?;
            if record.is_none_or(|stat| stat.kind != Kind::File) {
                self.form = Form::Unrecorded;
            }
        }
        self.installer = first_line(&directory.join("INSTALLER"));
        Ok(())
    }

    /// Whether it is installed in this version.
    pub fn has_version(&self, version: &Version) -> bool {
        self.parsed_version().is_some_and(|own| own == *version)
    }

    /// Its version; `None` if the directory's name has none that is valid.
    pub fn parsed_version(&self) -> Option<Version> {
        // The names of dist-info directories have `_` for the `-` of a version.
        Version::parse(&self.version.replace('_', "-"))
    }

    /// What direct_url.json records about its origin. Anything that cannot be read there counts as
    /// not recorded, since the file only ever proves that a project may stay or must be replaced.
    pub fn origin(&self, layout: &Layout) -> RecordedOrigin {
        if self.form == Form::Egg {
            return RecordedOrigin::Unknown;
        }
        let path = layout.absolute(&self.place).join("direct_url.json");
        match OpenFile::open(&path).and_then(|file| {
            file.map(|file| file.read_to_limit(MAX_DIRECT_URL))
                .transpose()
        }) {
            Ok(Some(content)) => RecordedOrigin::parse(&content),
            Ok(None) | Err(_) => RecordedOrigin::Unknown,
        }
    }

    /// Whether the project is imported from its source tree.
    pub fn is_editable(&self, layout: &Layout) -> bool {
        // Setuptools wrote `.egg-link` files before there was a `direct_url.json`.
        self.place.path.as_str().ends_with(".egg-link")
            || self.origin(layout) == (RecordedOrigin::SourceTree { editable: true })
    }

    /// Reads the project's RECORD.
    ///
    /// # Errors
    /// If RECORD is there and cannot be read from disk.
    pub fn read_record(&self, layout: &Layout) -> Result<Recorded> {
        match self.form {
            Form::Recorded => {}
            Form::Unrecorded => return Ok(Recorded::Absent),
            Form::Egg => return Ok(Recorded::Egg),
        }
        let path = layout.absolute(&self.place).join("RECORD");
        let content = fs::read_to_limit(&path, MAX_RECORD)?;
        Ok(match record::read_installed_record(&content) {
            Ok(rows) => Recorded::Rows(Arc::new(rows)),
            Err(fault) => Recorded::Malformed(fault.into()),
        })
    }

    /// The rows of the project's RECORD, for a command that cannot do without them.
    ///
    /// # Errors
    /// If `recorded` has none: a project whose files are not known can be neither replaced nor
    /// removed.
    pub fn require_rows<'r>(&self, recorded: &'r Recorded) -> Result<&'r Arc<Vec<RecordRow>>> {
        let reason = match recorded {
            Recorded::Rows(rows) => return Ok(rows),
            Recorded::Absent => "it has no RECORD, so its files are not known".to_owned(),
            Recorded::Egg => "it was installed without a RECORD, as an egg".to_owned(),
            Recorded::Malformed(fault) => format!("its RECORD cannot be read: {fault}"),
        };
        let installer = self.installer.clone();
        Err(Error::not_replaceable(
            self.name.normalized(),
            reason,
            installer,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_python_version_of_an_egg_is_not_part_of_its_version() {
        assert_eq!(name_and_version("a_b-1.0", false), ("a_b", "1.0"));
        assert_eq!(name_and_version("a-b-1.0", false), ("a-b", "1.0"));
        assert_eq!(name_and_version("a-1.0-py3.11", true), ("a", "1.0"));
        assert_eq!(name_and_version("a-1.0", true), ("a", "1.0"));
        assert_eq!(name_and_version("a", true), ("a", ""));
    }
}

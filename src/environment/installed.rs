//! What is installed in an environment: its dist-info directories, and what came before them.
//!
//! Input: the library directories. Output: one [`Installed`] a dist-info (Recording installed
//! projects), in the order of their directories' names. RECORD is read only when it is asked for.
//! Names that no project can have, as the `~name` that an interrupted pip leaves, are not projects.
//! Nothing installed is ever trusted: rows that lead elsewhere have no place.

use super::layout::{Layout, Place, SchemeKey};
use crate::error::{Error, Fault, Result};
use crate::fs::{self, Kind};
use crate::path::RelPath;
use crate::spec::name::ProjectName;
use crate::spec::record::{self, RecordRow};

/// An installed project, as its directory in a library says it.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The project's name.
    pub name: ProjectName,
    /// The version as the directory's name writes it.
    pub version: String,
    /// The directory, or for an old form the file, that makes it installed.
    pub place: Place,
    /// Which library it is in.
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
    /// A `.dist-info` directory without RECORD, as conda and distributions leave it.
    Unrecorded,
    /// A `.egg-info` or `.egg-link`, or an egg, of times before RECORD.
    Egg,
}

/// The largest RECORD or METADATA of an installed project that is read, in bytes.
const MAX_METADATA: u64 = 256 << 20;

/// Everything that is installed.
///
/// # Errors
/// Where a library cannot be read.
pub fn scan(layout: &Layout) -> Result<Vec<Installed>> {
    let mut found = scan_library(layout, SchemeKey::Purelib)?;
    if layout.directory(SchemeKey::Purelib) != layout.directory(SchemeKey::Platlib) {
        found.extend(scan_library(layout, SchemeKey::Platlib)?);
    }
    Ok(found)
}

fn scan_library(layout: &Layout, library: SchemeKey) -> Result<Vec<Installed>> {
    let (root, inside) = layout.directory(library);
    let home = &layout.roots()[usize::from(root.0)];
    let directory = inside.map_or_else(|| home.clone(), |inside| home.join(inside.as_str()));
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
        let Some((stem, egg)) = stem else { continue };
        let (project, version) = split(stem, egg);
        let Some(name) = ProjectName::parse(project) else {
            continue;
        };
        let Ok(path) = RelPath::parse(text) else {
            continue;
        };
        let place = layout.place(library, &path);
        let inside = directory.join(text);
        let form = match () {
            () if egg => Form::Egg,
            () if fs::stat(&inside.join("RECORD"))?.is_some_and(|stat| stat.kind == Kind::File) => {
                Form::Recorded
            }
            () => Form::Unrecorded,
        };
        let installer = first_line(&inside.join("INSTALLER"));
        found.push(Installed {
            name,
            version: version.to_owned(),
            place,
            library,
            form,
            installer,
        });
    }
    Ok(found)
}

/// `name-version` of a dist-info, or `name-version-py3.x` of an egg.
fn split(stem: &str, egg: bool) -> (&str, &str) {
    let parted = if egg {
        stem.split_once('-')
    } else {
        stem.rsplit_once('-')
    };
    let (name, version) = parted.unwrap_or((stem, ""));
    (
        name,
        if egg {
            version.split('-').next().unwrap_or("")
        } else {
            version
        },
    )
}

fn first_line(path: &std::path::Path) -> Option<String> {
    let content = fs::read_to_limit(path, 256).ok()?;
    let text = String::from_utf8_lossy(&content);
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

impl Installed {
    /// The rows of its RECORD.
    ///
    /// # Errors
    /// Where it has none, or one that cannot be read: such a project cannot be replaced or removed.
    pub fn record(&self, layout: &Layout) -> Result<Vec<RecordRow>> {
        let reason = match self.form {
            Form::Recorded => None,
            Form::Unrecorded => Some("it has no RECORD, so its files are not known"),
            Form::Egg => Some("it was installed without a RECORD, as an egg"),
        };
        if let Some(reason) = reason {
            return Err(self.not_replaceable(reason));
        }
        let path = layout.absolute(&self.place).join("RECORD");
        let content = fs::read_to_limit(&path, MAX_METADATA)?;
        record::read_installed_record(&content).map_err(|fault: Fault| {
            self.not_replaceable(&format!("its RECORD cannot be read: {fault}"))
        })
    }

    /// The error that says why the project cannot be replaced or removed.
    pub fn not_replaceable(&self, reason: &str) -> Error {
        Error::not_replaceable(self.name.normalized(), reason, self.installer.clone())
    }
}

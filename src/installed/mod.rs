//! What is on disk: the installed projects, what their RECORDs list, and what exists at a place.
//!
//! Input: a [`Layout`]. Output: plain data that plans, listings and checks are made from; nothing
//! is changed. [`scan`] finds one [`Installed`] per dist-info directory (Recording installed
//! projects), and [`Installed::read_record`] is the one function that reads a RECORD. Invariant:
//! nothing that is installed is trusted, so rows that lead out of the environment have no place.
//! Directories that no project can own, such as the `~name` of an interrupted pip, are skipped.

mod bytecode;
pub mod check;
pub mod facts;
pub mod ownership;
pub mod removal;
pub mod requires;
mod scan;
pub mod survey;

use std::sync::Arc;

use crate::environment::layout::{Layout, Place, SchemeKey};
use crate::error::{Error, Fault, RecordFault, Result};
use crate::fs::{self, ReadAt as _};
use crate::spec::direct_url::RecordedOrigin;
use crate::spec::name::ProjectName;
use crate::spec::record::{self, RecordRow};
use crate::spec::version::Version;
use crate::spec::wheel_name::{Tag, recorded_tags};

pub use bytecode::BYTECODE;
pub use scan::{glance, project_of, scan, tally};

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
    /// Whether `place` is a symbolic link to the directory, as virtualenv and pdm link projects
    /// out of their caches.
    pub is_linked: bool,
}

/// How an installed project is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A `.dist-info` directory with RECORD.
    Recorded,
    /// A `.dist-info` directory without RECORD, as conda and Linux distributions leave it.
    Unrecorded,
    /// A `.dist-info` directory with neither RECORD nor METADATA, as an interrupted installer
    /// leaves it. No project is installed by it.
    Leftover,
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
/// The most of a WHEEL that is read, in bytes; it has a few lines, and one for each tag.
const MAX_WHEEL: u64 = 1 << 16;

impl Installed {
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
        let content = self.direct_url(layout);
        content.map_or(RecordedOrigin::Unknown, |content| {
            RecordedOrigin::parse(&content)
        })
    }

    /// The content of its direct_url.json, if there is one that can be read.
    pub fn direct_url(&self, layout: &Layout) -> Option<Vec<u8>> {
        if self.form == Form::Egg {
            return None;
        }
        let path = layout.absolute(&self.place).join("direct_url.json");
        fs::read_unless_foreign(&path, MAX_DIRECT_URL).ok()?
    }

    /// The tags of the wheel that it was installed from, as its WHEEL records them; none if that
    /// cannot be read.
    pub fn tags(&self, layout: &Layout) -> Vec<Tag> {
        if self.form == Form::Egg {
            return Vec::new();
        }
        let path = layout.absolute(&self.place).join("WHEEL");
        let content = fs::read_unless_foreign(&path, MAX_WHEEL).ok().flatten();
        content.map_or_else(Vec::new, |content| recorded_tags(&content))
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
            Form::Unrecorded | Form::Leftover => return Ok(Recorded::Absent),
            Form::Egg => return Ok(Recorded::Egg),
        }
        let path = layout.absolute(&self.place).join("RECORD");
        let Some(file) = fs::open_unless_foreign(&path)? else {
            return Ok(Recorded::Absent);
        };
        if file.size() > MAX_RECORD {
            let limit = record::MOST_INSTALLED_ROWS;
            let fault = RecordFault::TooManyRows { limit };
            return Ok(Recorded::Malformed(fault.into()));
        }
        let content = file.read_to_limit(MAX_RECORD)?;
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
    pub fn require_rows<'r>(
        &self,
        recorded: &'r Recorded,
        layout: &Layout,
    ) -> Result<&'r Arc<Vec<RecordRow>>> {
        let place = layout.absolute(&self.place);
        let place = place.display();
        let reason = match recorded {
            Recorded::Rows(rows) => return Ok(rows),
            Recorded::Absent => format!("`{place}` has no RECORD, so its files are not known"),
            Recorded::Egg => format!("`{place}` is an egg, which has no RECORD"),
            Recorded::Malformed(fault) => format!("`{place}/RECORD` cannot be read: {fault}"),
        };
        let installer = self.installer.clone();
        Err(Error::not_replaceable(
            self.name.normalized(),
            reason,
            installer,
        ))
    }
}

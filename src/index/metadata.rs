//! METADATA of a wheel that is not fetched as a whole.
//!
//! Input: the bytes of METADATA, or a file that is read in parts. Output: a [`KnownMetadata`].
//! Invariant: METADATA must state the project and version of its wheel's name, so that an index
//! cannot mix wheels up. Limits: [`MOST_BYTES`].

use std::sync::Arc;

use crate::archive::{Archive, ArchiveError, Entry, Expected, Extent, Scratch};
use crate::digest::{Algorithm, Digest};
use crate::download::Resource;
use crate::error::{Error, IndexFault, Result};
use crate::fs::ReadAt;
use crate::resolve::Dependencies;
use crate::spec::core_metadata::Metadata;
use crate::spec::location::label_of;
use crate::spec::name::ProjectName;
use crate::spec::version::Version;

/// The most bytes that METADATA may have. The longest real ones have some 500,000.
pub(super) const MOST_BYTES: u64 = 1 << 24;

/// METADATA of one version.
#[derive(Debug)]
pub struct KnownMetadata {
    /// What the solver needs of it.
    pub(crate) dependencies: Arc<Dependencies>,
    /// Its bytes; empty if it cannot be read.
    pub text: Vec<u8>,
}

impl KnownMetadata {
    /// Reads METADATA of a version of `project`.
    pub(super) fn read(project: &ProjectName, version: &Version, text: Vec<u8>) -> Self {
        let metadata = match Metadata::parse(&text) {
            Ok(metadata) => metadata,
            Err(fault) => return Self::unreadable(fault.to_string()),
        };
        if metadata.name != *project || metadata.version != *version {
            return Self::unreadable(format!(
                "its METADATA is that of {} {}",
                metadata.name, metadata.version
            ));
        }
        Self {
            dependencies: Arc::new(Dependencies::of(&metadata)),
            text,
        }
    }

    /// Checks and reads METADATA that came as a file of its own.
    ///
    /// # Errors
    /// It does not have the digest `pinned`.
    pub(super) fn of_file(
        (name, version): &(ProjectName, Version),
        file: Resource,
        pinned: Option<Digest>,
    ) -> Result<Self> {
        if let Some(pinned) = pinned {
            let actual = Digest::of(Algorithm::Sha256, &file.body);
            if actual != pinned {
                let fault = IndexFault::MetadataDigest {
                    stated: pinned.to_hex(),
                    actual: actual.to_hex(),
                };
                return Err(Error::wheel(&label_of(&file.url), fault));
            }
        }
        Ok(Self::read(name, version, file.body))
    }

    /// METADATA that cannot be read, for this reason.
    pub(super) fn unreadable(reason: String) -> Self {
        Self {
            dependencies: Arc::new(Dependencies::Unreadable(reason)),
            text: Vec::new(),
        }
    }

    /// Reads METADATA in a wheel, and of the wheel no more than that takes.
    ///
    /// # Errors
    /// The file cannot be read. A wheel that is not valid is no error.
    pub(super) fn in_wheel(
        project: &ProjectName,
        version: &Version,
        file: Box<dyn ReadAt>,
    ) -> Result<Self> {
        let label = file.path().display().to_string();
        match content(file, &label) {
            Ok(Some(text)) => Ok(Self::read(project, version, text)),
            Ok(None) => Ok(Self::unreadable("it has no METADATA".to_owned())),
            Err(error) if error.is_refusal() => {
                let faults = error.refused_wheels().iter().flat_map(|(_, faults)| faults);
                let reasons: Vec<String> = faults.map(ToString::to_string).collect();
                Ok(Self::unreadable(reasons.join("; ")))
            }
            Err(error) => Err(error),
        }
    }
}

/// The content of METADATA; `None` if the wheel has none.
fn content(file: Box<dyn ReadAt>, label: &str) -> Result<Option<Vec<u8>>> {
    let archive = Archive::read(file, label, &Extent::Index(&is_metadata))?;
    let Some(entry) = archive.entries().iter().find(|entry| is_metadata(entry)) else {
        return Ok(None);
    };
    let content = archive.content(entry, Expected::default(), MOST_BYTES, &mut Scratch::new());
    match content {
        Ok(content) => Ok(Some(content)),
        Err(ArchiveError::Fault(fault)) => Err(Error::wheel(label, fault)),
        Err(ArchiveError::Other(error)) => Err(error),
    }
}

/// Whether an entry is METADATA of a dist-info directory at the root.
fn is_metadata(entry: &Entry) -> bool {
    let parts = entry.path.as_str().split_once('/');
    parts.is_some_and(|(directory, name)| name == "METADATA" && directory.ends_with(".dist-info"))
}

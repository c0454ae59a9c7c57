//! What a resolution decided, as plain data from which reports and lock files are written.

use url::Url;

use super::location::{Location, label_of};
use super::name::ProjectName;
use super::version::Version;
use crate::digest::{Algorithm, Digest};

/// One project of a resolution, with the wheel that will be installed.
#[derive(Debug, Clone)]
pub struct ResolvedWheel {
    /// The project.
    pub name: ProjectName,
    /// Its version.
    pub version: Version,
    /// The wheel that was chosen.
    pub wheel: WheelFile,
    /// All wheels of the version that have the same metadata, the chosen one among them.
    pub siblings: Vec<WheelFile>,
    /// The index that it is from, without credentials; `None` for files and direct references.
    pub index: Option<String>,
    /// Whether it was named by a path or URL.
    pub is_direct: bool,
    /// Why it was withdrawn, often an empty text; `None` if it was not.
    pub yanked: Option<String>,
    /// Whether the user asked for the project.
    pub requested: bool,
    /// The extras that are wanted of it, normalized and sorted.
    pub extras: Vec<String>,
    /// What needs it: places of the user's requirements, and names of projects.
    pub via: Vec<String>,
    /// The projects of the resolution that it needs.
    pub needs: Vec<ProjectName>,
    /// The bytes of METADATA; empty if they are not known.
    pub metadata: Vec<u8>,
}

/// A wheel that can be fetched.
#[derive(Debug, Clone)]
pub struct WheelFile {
    /// Its file name.
    pub file_name: String,
    /// Where it is.
    pub location: Location,
    /// Its digests, as far as they are known.
    pub digests: Vec<Digest>,
    /// Its length in bytes, if it is known.
    pub size: Option<u64>,
    /// When it was uploaded, as the index writes it.
    pub upload_time: Option<String>,
}

impl WheelFile {
    /// Its SHA-256 in hexadecimal, if that is known.
    pub fn sha256(&self) -> Option<String> {
        Some(Digest::among(&self.digests, Algorithm::Sha256)?.to_hex())
    }

    /// Its URL without credentials; a path becomes a `file` URL. `None` for a relative path.
    pub fn url(&self) -> Option<String> {
        match &self.location {
            Location::File(path) => Url::from_file_path(path).ok().map(String::from),
            Location::Url(url) => Some(label_of(url)),
        }
    }
}

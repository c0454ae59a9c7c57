//! The parts of the JSON object about installed projects, files and wheels.

use std::collections::BTreeMap;

#[cfg(feature = "http")]
use pkg_install::command::DownloadedWheel;
use pkg_install::command::{PathOwners, ProjectDetails, RecordedUrl, VerifiedWheel};
use pkg_install::results::InstalledProject;
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Serialize, JsonSchema)]
pub struct ProjectObject<'a> {
    name: &'a str,
    version: &'a str,
    /// The content of INSTALLER.
    installer: Option<&'a str>,
    /// The files that its RECORD lists; null if it has no RECORD.
    files: Option<u64>,
    /// Their bytes.
    bytes: Option<u64>,
    /// Other projects that list one of its paths with another digest.
    conflicts: &'a [String],
    /// The directory that holds it; an absolute path.
    location: String,
    /// Whether it was asked for by name.
    requested: bool,
    /// The content of direct_url.json.
    direct_url: Option<OriginObject<'a>>,
    /// The requirements without those of extras, with their markers.
    requires: &'a [String],
    /// The installed projects that require it.
    required_by: &'a [String],
    requires_python: Option<&'a str>,
    summary: Option<&'a str>,
    license: Option<&'a str>,
    /// The paths that its RECORD lists; only of `show --files`.
    #[serde(skip_serializing_if = "Option::is_none")]
    paths: Option<&'a [String]>,
}

impl<'a> ProjectObject<'a> {
    pub fn of(details: &'a ProjectDetails, with_files: bool) -> Self {
        let project: &InstalledProject = &details.project;
        Self {
            name: &project.name,
            version: &project.version,
            installer: project.installer.as_deref(),
            files: project.files,
            bytes: project.bytes,
            conflicts: &project.conflicts,
            location: details.location.to_string_lossy().into_owned(),
            requested: details.requested,
            direct_url: details.origin.as_ref().map(OriginObject::of),
            requires: &details.requires,
            required_by: &details.required_by,
            requires_python: details.requires_python.as_deref(),
            summary: details.summary.as_deref(),
            license: details.license.as_deref(),
            paths: with_files.then_some(&details.files),
        }
    }
}

/// A `direct_url.json`.
#[derive(Serialize, JsonSchema)]
struct OriginObject<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    archive_info: Option<ArchiveObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dir_info: Option<DirectoryObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vcs_info: Option<RepositoryObject<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subdirectory: Option<&'a str>,
}

#[derive(Serialize, JsonSchema)]
struct ArchiveObject<'a> {
    hashes: &'a BTreeMap<String, String>,
}

#[derive(Serialize, JsonSchema)]
struct DirectoryObject {
    editable: bool,
}

#[derive(Serialize, JsonSchema)]
struct RepositoryObject<'a> {
    vcs: &'a str,
    commit_id: &'a str,
}

impl<'a> OriginObject<'a> {
    fn of(origin: &'a RecordedUrl) -> Self {
        let archive = origin.archive_info.as_ref();
        let directory = origin.dir_info.as_ref();
        let repository = origin.vcs_info.as_ref();
        Self {
            url: &origin.url,
            archive_info: archive.map(|archive| ArchiveObject {
                hashes: &archive.hashes,
            }),
            dir_info: directory.map(|directory| DirectoryObject {
                editable: directory.editable,
            }),
            vcs_info: repository.map(|repository| RepositoryObject {
                vcs: &repository.vcs,
                commit_id: &repository.commit_id,
            }),
            subdirectory: origin.subdirectory.as_deref(),
        }
    }
}

/// A path and the projects that it belongs to; none of them if `projects` is empty.
#[derive(Serialize, JsonSchema)]
pub struct OwnersObject<'a> {
    path: String,
    projects: Vec<NameAndVersion<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct NameAndVersion<'a> {
    name: &'a str,
    version: &'a str,
}

impl<'a> OwnersObject<'a> {
    pub fn of(found: &'a PathOwners) -> Self {
        let projects = found.projects.iter();
        Self {
            path: found.path.to_string_lossy().into_owned(),
            projects: projects
                .map(|(name, version)| NameAndVersion { name, version })
                .collect(),
        }
    }
}

/// A wheel in which nothing is wrong.
#[derive(Serialize, JsonSchema)]
pub struct VerifiedObject<'a> {
    wheel: &'a str,
    name: &'a str,
    version: &'a str,
    files: u64,
    bytes: u64,
}

impl<'a> VerifiedObject<'a> {
    pub fn of(wheel: &'a VerifiedWheel) -> Self {
        Self {
            wheel: &wheel.wheel,
            name: &wheel.name,
            version: &wheel.version,
            files: wheel.files,
            bytes: wheel.bytes,
        }
    }
}

/// A wheel in the directory of a download.
#[cfg(feature = "http")]
#[derive(Serialize, JsonSchema)]
pub struct DownloadObject<'a> {
    path: String,
    /// Without credentials; a `file` URL for a local wheel.
    url: &'a str,
    /// Hexadecimal digits; null only with `--dry-run`.
    sha256: Option<&'a str>,
    /// Bytes; null only with `--dry-run`.
    size: Option<u64>,
}

#[cfg(feature = "http")]
impl<'a> DownloadObject<'a> {
    pub fn of(wheel: &'a DownloadedWheel) -> Self {
        Self {
            path: wheel.path.to_string_lossy().into_owned(),
            url: &wheel.url,
            sha256: wheel.sha256.as_deref(),
            size: wheel.size,
        }
    }
}

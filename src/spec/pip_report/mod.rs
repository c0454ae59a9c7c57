//! pip's installation report, the output of `pip install --report`.
//!
//! Input: the JSON of version 1. Output: a [`PipReport`] whose items are all wheels, with the
//! environment that they were chosen for; or everything that is wrong with it. Invariants: unknown
//! keys are ignored; `download_info` is kept unchanged. Limits: everything but wheels is refused,
//! since nothing is built here.

#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;

pub use write::write;

use serde::Deserialize;
use serde_json::Value;

use super::location::{Location, hashes_in, shown, without_credentials};
use super::marker::MarkerEnvironment;
use super::name::ProjectName;
use super::version::Version;
use super::wheel_name::WheelName;
use crate::digest::{Algorithm, Digest};
use crate::error::{Fault, ResolutionFault, ResolutionOddity};

/// The one version of the format.
const VERSION: &str = "1";

/// An installation report ("Installation report", "Specification").
#[derive(Debug, Clone)]
pub struct PipReport {
    /// The wheels, in pip's order.
    pub items: Vec<ReportItem>,
    /// The values of the environment markers in the environment that pip ran in.
    pub environment: BTreeMap<String, String>,
    /// Warnings about it.
    pub warnings: Vec<ResolutionOddity>,
}

/// One wheel ("Installation report", "InstallationReportItem").
#[derive(Debug, Clone)]
pub struct ReportItem {
    /// Its path or URL.
    pub location: Location,
    /// Its secure hashes.
    pub hashes: Vec<Digest>,
    /// Whether the user asked for the project by name or URL, and not another project for it.
    pub requested: bool,
    /// The content of direct_url.json, if the user named the wheel by a URL.
    pub direct_url: Option<Vec<u8>>,
}

#[derive(Deserialize)]
struct Text {
    install: Vec<TextItem>,
    #[serde(default)]
    environment: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct TextItem {
    download_info: Value,
    is_direct: bool,
    #[serde(default)]
    is_yanked: bool,
    #[serde(default)]
    requested: bool,
    metadata: TextMetadata,
}

#[derive(Deserialize)]
struct TextMetadata {
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct DownloadInfo {
    url: String,
    archive_info: Option<ArchiveInfo>,
    dir_info: Option<DirectoryInfo>,
    vcs_info: Option<VcsInfo>,
}

#[derive(Deserialize)]
struct ArchiveInfo {
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    hash: Option<String>,
}

#[derive(Deserialize)]
struct DirectoryInfo {
    #[serde(default)]
    editable: bool,
}

#[derive(Deserialize)]
struct VcsInfo {
    vcs: String,
}

impl PipReport {
    /// Reads a report ("Installation report", "Specification").
    ///
    /// # Errors
    /// Everything that is wrong with it; all items that are not wheels are one fault.
    pub fn parse(text: &[u8]) -> Result<Self, Vec<Fault>> {
        let value: Value =
            serde_json::from_slice(text).map_err(|error| vec![not_json(&error).into()])?;
        // A report of another version is refused for that, and not for a field that it lacks.
        check_version(&value).map_err(|fault| vec![fault.into()])?;
        // Parsed again from the text, so that errors state the line.
        let text: Text =
            serde_json::from_slice(text).map_err(|error| vec![not_a_report(&error).into()])?;
        let (mut items, mut faults, mut others, mut warnings) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for item in text.install {
            let release = format!("{} {}", item.metadata.name, item.metadata.version);
            if item.is_yanked {
                // pip chooses a yanked release only if it is pinned, so it was meant.
                warnings.push(ResolutionOddity::Yanked(release.clone()));
            }
            match read_item(item, &release) {
                Ok(item) => items.push(item),
                Err(Refusal::NotAWheel(what)) => others.push((release, what)),
                Err(Refusal::Fault(fault)) => faults.push(fault),
            }
        }
        if !others.is_empty() {
            faults.push(ResolutionFault::NotWheels(others).into());
        }
        let environment = text
            .environment
            .into_iter()
            .filter_map(|(name, value)| match value {
                Value::String(text) => Some((name, text)),
                _ => None,
            });
        if faults.is_empty() {
            Ok(Self {
                items,
                environment: environment.collect(),
                warnings,
            })
        } else {
            Err(faults)
        }
    }

    /// How the environment that pip ran in differs from this one in the fields that wheels and
    /// markers depend on: the field, its value there and its value here. A field that is missing in
    /// the report does not count as a difference.
    pub fn differences(&self, here: &MarkerEnvironment) -> Vec<(&'static str, String, String)> {
        [
            // Fields such as `platform_release` change with each update of the kernel and hardly
            // ever matter to the choice of wheels.
            ("implementation_name", &here.implementation_name),
            ("platform_machine", &here.platform_machine),
            ("python_version", &here.python_version),
            ("sys_platform", &here.sys_platform),
        ]
        .into_iter()
        .filter_map(|(field, here)| {
            let there = self.environment.get(field).filter(|there| *there != here)?;
            Some((field, there.clone(), here.clone()))
        })
        .collect()
    }
}

fn not_json(error: &serde_json::Error) -> ResolutionFault {
    ResolutionFault::NotJson(error.to_string())
}

fn not_a_report(error: &impl ToString) -> ResolutionFault {
    ResolutionFault::NotAReport(error.to_string())
}

fn check_version(report: &Value) -> Result<(), ResolutionFault> {
    match report.get("version") {
        None => Err(ResolutionFault::MissingKey("version".to_owned())),
        Some(Value::String(version)) if version == VERSION => Ok(()),
        Some(other) => {
            let (found, supported) = (other.to_string(), "\"1\"");
            Err(ResolutionFault::FormatVersion {
                key: "version",
                found,
                supported,
            })
        }
    }
}

enum Refusal {
    NotAWheel(String),
    Fault(Fault),
}

fn read_item(item: TextItem, release: &str) -> Result<ReportItem, Refusal> {
    let refuse = |fault: ResolutionFault| Refusal::Fault(fault.into());
    // The value is borrowed because direct_url.json may need all of it, unknown keys included.
    let info = DownloadInfo::deserialize(&item.download_info).map_err(|error| {
        refuse(not_a_report(&format!(
            "{error} in `download_info` of `{release}`"
        )))
    })?;
    let archive = match (&info.archive_info, &info.vcs_info, &info.dir_info) {
        (_, Some(VcsInfo { vcs }), _) => {
            return Err(Refusal::NotAWheel(format!(
                "a {vcs} repository, `{}`",
                shown(&info.url)
            )));
        }
        (_, _, Some(directory)) => {
            let kind = if directory.editable {
                "an editable directory"
            } else {
                "a directory"
            };
            return Err(Refusal::NotAWheel(format!(
                "{kind}, `{}`",
                shown(&info.url)
            )));
        }
        (Some(archive), None, None) => archive,
        (None, None, None) => {
            return Err(refuse(ResolutionFault::MissingKey(
                "download_info.archive_info".to_owned(),
            )));
        }
    };
    let (location, fragment) = Location::from_url(&info.url).map_err(|reason| {
        let (entry, location) = (release.to_owned(), shown(&info.url));
        refuse(ResolutionFault::Location {
            entry,
            location,
            reason,
        })
    })?;
    let file_name = location.file_name();
    if !file_name.ends_with(".whl") {
        return Err(Refusal::NotAWheel(format!(
            "a source distribution, `{}`",
            location.label()
        )));
    }
    if !is_of(&file_name, &item.metadata) {
        return Err(refuse(ResolutionFault::OtherWheel {
            entry: release.to_owned(),
            file_name,
        }));
    }
    let bad = |hash| {
        refuse(ResolutionFault::BadHash {
            entry: release.to_owned(),
            hash,
        })
    };
    let mut hashes = archive.hashes().map_err(bad)?;
    hashes.extend(hashes_in(fragment.as_deref().unwrap_or_default()).map_err(bad)?);
    let direct_url = item.is_direct.then(|| written(item.download_info));
    Ok(ReportItem {
        location,
        hashes,
        requested: item.requested,
        direct_url,
    })
}

/// Whether a file name matches the project and version. A name that cannot be read is accepted
/// here, because opening the wheel refuses it.
fn is_of(file_name: &str, metadata: &TextMetadata) -> bool {
    let Ok(name) = WheelName::parse(file_name) else {
        return true;
    };
    let version = Version::parse(&metadata.version);
    ProjectName::parse(&metadata.name).is_some_and(|project| project == name.name)
        && version.is_some_and(|version| name.version.matches(&version))
}

impl ArchiveInfo {
    /// `hashes` and the older `hash`; weak algorithms are left out because they prove nothing.
    ///
    /// # Errors
    /// The hash that cannot be read.
    fn hashes(&self) -> Result<Vec<Digest>, String> {
        // pip writes the deprecated `hash` beside `hashes`, where it repeats one of them. If it
        // contradicts them, no file has both, and none is installed.
        let older = self.hash.as_deref();
        let older = older
            .map(|hash| hash.split_once('=').ok_or_else(|| hash.to_owned()))
            .transpose()?;
        let all = self
            .hashes
            .iter()
            .map(|(name, hex)| (name.as_str(), hex.as_str()))
            .chain(older);
        let secure = all.filter_map(|(name, hex)| {
            Algorithm::from_name(&name.to_ascii_lowercase()).map(|found| (found, hex))
        });
        let mut digests = Vec::new();
        for (algorithm, hex) in secure {
            let digest = Digest::from_hex(algorithm, hex).ok_or_else(|| hex.to_owned())?;
            if !digests.contains(&digest) {
                digests.push(digest);
            }
        }
        Ok(digests)
    }
}

/// `download_info` unchanged except for credentials, which pip itself has removed already.
fn written(mut info: Value) -> Vec<u8> {
    if let Some(Value::String(url)) = info.get_mut("url") {
        *url = without_credentials(url);
    }
    info.to_string().into_bytes()
}

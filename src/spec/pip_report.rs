//! pip's installation report: what `pip install --report` says that it chose.
//!
//! Input: the JSON of version 1. Output: a [`PipReport`] whose items are all wheels, with the
//! environment that they were chosen for; or everything that is wrong with it. Invariants: keys
//! that are not known are ignored; `download_info` is kept as it is. Limits: whatever is not a
//! wheel is refused, since nothing is built here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::location::{Location, hashes_in, without_credentials};
use super::marker::MarkerEnvironment;
use super::name::ProjectName;
use super::version::Version;
use super::wheel_name::WheelName;
use crate::digest::{Algorithm, Digest};
use crate::error::{Fault, ResolutionFault};

/// The one version of the format.
const VERSION: &str = "1";

/// What pip chose ("Installation report", "Specification").
#[derive(Debug, Clone)]
pub struct PipReport {
    /// The wheels, in pip's order.
    pub items: Vec<ReportItem>,
    /// The values of the environment markers where pip ran.
    pub environment: BTreeMap<String, String>,
    /// What was odd about it.
    pub warnings: Vec<ResolutionFault>,
}

/// One wheel ("Installation report", "InstallationReportItem").
#[derive(Debug, Clone)]
pub struct ReportItem {
    /// Where it is.
    pub location: Location,
    /// Its secure hashes.
    pub hashes: Vec<Digest>,
    /// Whether the user asked for the project by name or URL, and not another project for it.
    pub requested: bool,
    /// The content of direct_url.json, where the wheel was named by a URL.
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
    /// All that is wrong with it; what is no wheel is one fault.
    pub fn parse(text: &[u8]) -> Result<Self, Vec<Fault>> {
        let value: Value =
            serde_json::from_slice(text).map_err(|error| vec![not_json(&error).into()])?;
        check_version(&value).map_err(|fault| vec![fault.into()])?;
        // Read again from the text, which knows lines.
        let text: Text =
            serde_json::from_slice(text).map_err(|error| vec![not_a_report(&error).into()])?;
        let (mut items, mut faults, mut others, mut warnings) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for item in text.install {
            let release = format!("{} {}", item.metadata.name, item.metadata.version);
            if item.is_yanked {
                warnings.push(ResolutionFault::Yanked(release.clone()));
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

    /// How the environment that pip ran in differs from this one, in what wheels and markers depend
    /// on: the field, its value there and its value here. A field that the report does not have
    /// differs in nothing.
    pub fn differences(&self, here: &MarkerEnvironment) -> Vec<(&'static str, String, String)> {
        [
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
    let info = DownloadInfo::deserialize(&item.download_info).map_err(|error| {
        refuse(not_a_report(&format!(
            "{error} in `download_info` of `{release}`"
        )))
    })?;
    let archive = match (&info.archive_info, &info.vcs_info, &info.dir_info) {
        (_, Some(VcsInfo { vcs }), _) => {
            return Err(Refusal::NotAWheel(format!(
                "a {vcs} repository, `{}`",
                without_credentials(&info.url)
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
                without_credentials(&info.url)
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
        let (entry, location) = (release.to_owned(), without_credentials(&info.url));
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

/// Whether a file name is of the project and version; one that cannot be read is refused when the
/// wheel is opened.
fn is_of(file_name: &str, metadata: &TextMetadata) -> bool {
    let Ok(name) = WheelName::parse(file_name) else {
        return true;
    };
    let version = Version::parse(&metadata.version);
    ProjectName::parse(&metadata.name).is_some_and(|project| project == name.name)
        && version.is_some_and(|version| name.version.matches(&version))
}

impl ArchiveInfo {
    /// `hashes`, else the older `hash`; weak ones prove nothing and are left out.
    ///
    /// # Errors
    /// The hash that cannot be read.
    fn hashes(&self) -> Result<Vec<Digest>, String> {
        let older = self.hash.as_deref().filter(|_| self.hashes.is_empty());
        let older = older
            .map(|hash| hash.split_once('=').ok_or_else(|| hash.to_owned()))
            .transpose()?;
        let all = self
            .hashes
            .iter()
            .map(|(name, hex)| (name.as_str(), hex.as_str()))
            .chain(older);
        all.filter_map(|(name, hex)| {
            Algorithm::from_name(&name.to_ascii_lowercase()).map(|found| (found, hex))
        })
        .map(|(algorithm, hex)| Digest::from_hex(algorithm, hex).ok_or_else(|| hex.to_owned()))
        .collect()
    }
}

/// `download_info` as it is, but for credentials, which pip has taken out itself.
fn written(mut info: Value) -> Vec<u8> {
    if let Some(Value::String(url)) = info.get_mut("url") {
        *url = without_credentials(url);
    }
    info.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHA: &str = "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274";

    /// As pip 26.3 writes it, but shorter.
    fn report(items: &str) -> String {
        format!(
            r#"{{"version": "1", "pip_version": "26.3", "install": [{items}], "environment": {{
            "implementation_name": "cpython", "implementation_version": "3.11.7", "os_name": "posix",
            "platform_machine": "x86_64", "platform_release": "6.18.44", "platform_system": "Linux",
            "platform_version": "SMP", "python_full_version": "3.11.7", "python_version": "3.11",
            "platform_python_implementation": "CPython", "sys_platform": "linux"}}}}"#
        )
    }

    fn item(download_info: &str, flags: &str, name: &str) -> String {
        format!(
            r#"{{"download_info": {download_info}, {flags}, "metadata": {{"metadata_version": "2.1",
            "name": "{name}", "version": "1.17.0", "summary": "s"}}, "requested_extras": ["x"]}}"#
        )
    }

    fn archive(url: &str) -> String {
        format!(
            r#"{{"url": "{url}", "archive_info": {{"hashes": {{"sha256": "{SHA}"}}, "hash": "sha256={SHA}"}}}}"#
        )
    }

    const INDEX: &str = r#""is_direct": false, "is_yanked": false, "requested": true"#;
    const DIRECT: &str = r#""is_direct": true, "is_yanked": true, "requested": false"#;

    fn refused(text: &str) -> Vec<String> {
        PipReport::parse(text.as_bytes())
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn c72_wheels_are_read_with_hash_request_and_warning() {
        let remote = item(
            &archive("https://example.com/p/six-1.17.0-py2.py3-none-any.whl"),
            INDEX,
            "six",
        );
        let local = item(
            &archive("file:///w/a%20b%2520c/Six-1.17.0-py2.py3-none-any.whl"),
            DIRECT,
            "six",
        );
        let found = PipReport::parse(report(&format!("{remote}, {local}")).as_bytes()).unwrap();
        let [first, second] = found.items.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(
            first.location.label(),
            "https://example.com/p/six-1.17.0-py2.py3-none-any.whl"
        );
        assert_eq!(
            first.hashes,
            [Digest::from_hex(Algorithm::Sha256, SHA).unwrap()]
        );
        assert!(first.requested && !second.requested);
        assert_eq!(
            second.location.path().unwrap().to_str(),
            Some("/w/a b%20c/Six-1.17.0-py2.py3-none-any.whl")
        );
        assert_eq!(
            found.warnings,
            [ResolutionFault::Yanked("six 1.17.0".into())]
        );
    }

    #[test]
    fn c51_c52_download_info_is_kept_for_direct_references_alone() {
        let url = "https://u:p@example.com/six-1.17.0-py2.py3-none-any.whl";
        let info = |url: &str| {
            format!(r#"{{"url":"{url}","archive_info":{{"hash":"sha256={SHA}"}},"x":1}}"#)
        };
        let items = format!(
            "{}, {}",
            item(&info(url), DIRECT, "six"),
            item(&info(url), INDEX, "six")
        );
        let found = PipReport::parse(report(&items).as_bytes()).unwrap();
        let kept: Value =
            serde_json::from_slice(found.items[0].direct_url.as_ref().unwrap()).unwrap();
        let expected: Value =
            serde_json::from_str(&info("https://example.com/six-1.17.0-py2.py3-none-any.whl"))
                .unwrap();
        assert_eq!(kept, expected);
        assert_eq!(found.items[1].direct_url, None);
        assert_eq!(found.items[0].hashes.len(), 1);
    }

    #[test]
    fn c72_e105_everything_that_is_no_wheel_is_one_fault() {
        let items = [
            item(&archive("https://example.com/a-1.17.0.tar.gz"), INDEX, "a"),
            item(
                r#"{"url": "https://t:s@example.com/b.git", "vcs_info": {"vcs": "git", "commit_id": "0"}}"#,
                DIRECT,
                "b",
            ),
            item(r#"{"url": "file:///c", "dir_info": {}}"#, DIRECT, "c"),
            item(
                r#"{"url": "file:///d", "dir_info": {"editable": true}}"#,
                DIRECT,
                "d",
            ),
            item(
                &archive("https://example.com/six-1.17.0-py2.py3-none-any.whl"),
                INDEX,
                "six",
            ),
        ];
        assert_eq!(
            refused(&report(&items.join(","))),
            [
                "only wheels can be installed, but `a 1.17.0` is a source distribution, \
              `https://example.com/a-1.17.0.tar.gz`; `b 1.17.0` is a git repository, `https://example.com/b.git`; \
              `c 1.17.0` is a directory, `file:///c`; `d 1.17.0` is an editable directory, `file:///d`"
            ]
        );
    }

    #[test]
    fn c72_other_versions_and_texts_are_refused() {
        assert_eq!(
            refused(r#"{"version": "2", "install": []}"#),
            ["its `version` is `\"2\"`, only `\"1\"` is supported"]
        );
        assert_eq!(
            refused(r#"{"version": 1, "install": []}"#),
            ["its `version` is `1`, only `\"1\"` is supported"]
        );
        assert_eq!(refused(r#"{"install": []}"#), ["`version` is missing"]);
        assert_eq!(refused("[]"), ["`version` is missing"]);
        assert!(refused("{")[0].starts_with("it is not JSON: EOF"));
        assert_eq!(
            refused(r#"{"version": "1"}"#),
            [
                "it is not an installation report of pip: missing field `install` at line 1 column 16"
            ]
        );
        let nowhere = item(r#"{"archive_info": {}}"#, INDEX, "six");
        assert_eq!(
            refused(&report(&nowhere)),
            [
                "it is not an installation report of pip: missing field `url` in `download_info` of `six 1.17.0`"
            ]
        );
        let other = item(
            &archive("https://example.com/seven-1.17.0-py3-none-any.whl"),
            INDEX,
            "six",
        );
        assert_eq!(
            refused(&report(&other)),
            ["`seven-1.17.0-py3-none-any.whl` is not a wheel of `six 1.17.0`"]
        );
        let host = item(
            &archive("file://example.com/six-1.17.0-py3-none-any.whl"),
            INDEX,
            "six",
        );
        assert_eq!(
            refused(&report(&host)),
            [
                "`six 1.17.0` is at `file://example.com/six-1.17.0-py3-none-any.whl`: \
                 a `file` URL cannot name another host",
            ]
        );
        let hash = archive("https://example.com/six-1.17.0-py3-none-any.whl").replace(SHA, "00");
        assert_eq!(
            refused(&report(&item(&hash, INDEX, "six"))),
            ["the hash `00` of `six 1.17.0` is not valid"]
        );
        let older = r#"{"url": "https://example.com/six-1.17.0-py3-none-any.whl", "archive_info": {"hash": "sha256:00"}}"#;
        assert_eq!(
            refused(&report(&item(older, INDEX, "six"))),
            ["the hash `sha256:00` of `six 1.17.0` is not valid"]
        );
        let fragment = archive("https://example.com/six-1.17.0-py3-none-any.whl#sha256=01");
        assert_eq!(
            refused(&report(&item(&fragment, INDEX, "six"))),
            ["the hash `sha256=01` of `six 1.17.0` is not valid"]
        );
    }

    #[test]
    fn c72_another_environment_is_told() {
        let found = PipReport::parse(report("").as_bytes()).unwrap();
        let here = MarkerEnvironment {
            implementation_name: "cpython".into(),
            platform_machine: "x86_64".into(),
            python_version: "3.12".into(),
            sys_platform: "linux".into(),
            ..MarkerEnvironment::default()
        };
        assert_eq!(
            found.differences(&here),
            [("python_version", "3.11".to_owned(), "3.12".to_owned())]
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_text_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), url in "\\PC{0,40}", cut in 0..900usize) {
            let _ = PipReport::parse(&bytes);
            let url = url.replace(['"', '\\'], "/");
            let text = report(&item(&archive(&format!("file:///{url}")), DIRECT, "six"));
            let _ = PipReport::parse(text.as_bytes());
            let _ = PipReport::parse(&text.as_bytes()[..cut.min(text.len())]);
        }
    }
}

//! Writing an installation report, which [`PipReport`](super::PipReport) and other tools read.
//!
//! Input: [`ResolvedWheel`]s and the values of the environment's markers. Output: the JSON of
//! version 1. Limits: credentials are left out of addresses; `pip_version` is not written, since
//! pip had no part in it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::VERSION;
use crate::spec::core_metadata::Headers;
use crate::spec::marker::MarkerEnvironment;
use crate::spec::resolved::ResolvedWheel;

#[derive(Serialize)]
struct Report<'a> {
    version: &'static str,
    pkg_install_version: &'static str,
    install: Vec<ReportedWheel<'a>>,
    environment: BTreeMap<&'static str, &'a str>,
}

#[derive(Serialize)]
struct ReportedWheel<'a> {
    download_info: ReportedFile,
    is_direct: bool,
    is_yanked: bool,
    requested: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_extras: Option<&'a [String]>,
    metadata: Map<String, Value>,
}

#[derive(Serialize)]
struct ReportedFile {
    url: String,
    archive_info: ReportedHashes,
}

#[derive(Serialize)]
struct ReportedHashes {
    /// pip's readers of before 2023 know only this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    hashes: BTreeMap<&'static str, String>,
}

/// The report of these wheels, in their order. Ends with a newline.
pub fn write(wheels: &[ResolvedWheel], environment: &MarkerEnvironment) -> String {
    let report = Report {
        version: VERSION,
        pkg_install_version: env!("CARGO_PKG_VERSION"),
        install: wheels.iter().map(ReportedWheel::of).collect(),
        environment: values(environment),
    };
    let text = serde_json::to_string_pretty(&report);
    text.expect("strings and numbers below string keys are always written") + "\n"
}

impl<'a> ReportedWheel<'a> {
    fn of(wheel: &'a ResolvedWheel) -> Self {
        let digests = wheel.wheel.digests.iter();
        let hashes = digests.map(|digest| (digest.algorithm().name(), digest.to_hex()));
        let hashes: BTreeMap<_, _> = hashes.collect();
        let hash = hashes.get("sha256").map(|hex| format!("sha256={hex}"));
        let file = &wheel.wheel;
        Self {
            download_info: ReportedFile {
                url: file.url().unwrap_or_else(|| file.location.label()),
                archive_info: ReportedHashes { hash, hashes },
            },
            is_direct: wheel.is_direct,
            is_yanked: wheel.yanked.is_some(),
            requested: wheel.requested,
            requested_extras: (wheel.requested && !wheel.extras.is_empty())
                .then_some(&*wheel.extras),
            metadata: metadata(wheel),
        }
    }
}

fn values(environment: &MarkerEnvironment) -> BTreeMap<&'static str, &str> {
    let MarkerEnvironment {
        implementation_name,
        implementation_version,
        os_name,
        platform_machine,
        platform_python_implementation,
        platform_release,
        platform_system,
        platform_version,
        python_full_version,
        python_version,
        sys_platform,
    } = environment;
    BTreeMap::from([
        ("implementation_name", implementation_name.as_str()),
        ("implementation_version", implementation_version),
        ("os_name", os_name),
        ("platform_machine", platform_machine),
        (
            "platform_python_implementation",
            platform_python_implementation,
        ),
        ("platform_release", platform_release),
        ("platform_system", platform_system),
        ("platform_version", platform_version),
        ("python_full_version", python_full_version),
        ("python_version", python_version),
        ("sys_platform", sys_platform),
    ])
}

/// The fields of METADATA that may occur more than once ("Core metadata specifications").
const LISTS: [&str; 16] = [
    "classifier",
    "dynamic",
    "import-name",
    "import-namespace",
    "license-file",
    "obsoletes",
    "obsoletes-dist",
    "platform",
    "project-url",
    "provides",
    "provides-dist",
    "provides-extra",
    "requires",
    "requires-dist",
    "requires-external",
    "supported-platform",
];

/// METADATA as JSON ("Core metadata specifications"; PEP 566, "JSON-compatible Metadata").
fn metadata(wheel: &ResolvedWheel) -> Map<String, Value> {
    let text = String::from_utf8_lossy(&wheel.metadata);
    let (headers, body) = Headers::parse_with_body(&text);
    let mut fields = Map::new();
    for (name, value) in headers.iter() {
        let name = name.to_ascii_lowercase();
        let key = name.replace('-', "_");
        if name == "keywords" {
            fields.entry(key).or_insert_with(|| keywords(value));
        } else if LISTS.contains(&name.as_str()) {
            let list = fields
                .entry(key)
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(values) = list {
                values.push(value.into());
            }
        } else {
            // The first of several headers counts, as everywhere.
            fields.entry(key).or_insert_with(|| value.into());
        }
    }
    if !body.trim().is_empty() {
        fields.entry("description").or_insert_with(|| body.into());
    }
    // A report without these two cannot be read.
    fields
        .entry("name")
        .or_insert_with(|| wheel.name.as_str().into());
    fields
        .entry("version")
        .or_insert_with(|| wheel.version.to_string().into());
    fields
}

/// Keywords are separated by commas, in old files by spaces.
fn keywords(value: &str) -> Value {
    let words: Vec<&str> = if value.contains(',') {
        value.split(',').map(str::trim).collect()
    } else {
        value.split_whitespace().collect()
    };
    words.into()
}

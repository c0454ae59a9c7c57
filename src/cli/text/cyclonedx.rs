//! The list of projects as a bill of materials, in version 1.6 of CycloneDX's JSON
//! (<https://cyclonedx.org/docs/1.6/json/>).
//!
//! Input: projects at length. Output: one JSON object that is the same each time: it has neither a
//! serial number nor a time, both of which are optional.

use pkg_install::command::ProjectDetails;
use serde::Serialize;

use crate::cli::quoting::ascii_json;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    version: u32,
    metadata: BillMetadata,
    components: Vec<Component<'a>>,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct BillMetadata {
    tools: Tools,
}

#[derive(Serialize)]
struct Tools {
    components: [Tool; 1],
}

#[derive(Serialize)]
struct Tool {
    r#type: &'static str,
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Component<'a> {
    r#type: &'static str,
    bom_ref: String,
    name: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<LicenseChoice<'a>>,
    purl: String,
    #[serde(rename = "externalReferences", skip_serializing_if = "Vec::is_empty")]
    external_references: Vec<ExternalReference<'a>>,
}

/// An expression of SPDX, or what else the project calls its licence.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum LicenseChoice<'a> {
    Expression(&'a str),
    License { name: &'a str },
}

#[derive(Serialize)]
struct ExternalReference<'a> {
    r#type: &'static str,
    url: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash<'a>>,
}

#[derive(Serialize)]
struct Hash<'a> {
    alg: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    r#ref: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    depends_on: Vec<String>,
}

/// The bill of materials of these projects.
pub fn bill(projects: &[ProjectDetails]) -> String {
    let bom = Bom {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        version: 1,
        metadata: BillMetadata {
            tools: Tools {
                components: [Tool {
                    r#type: "application",
                    name: env!("CARGO_PKG_NAME"),
                    version: env!("CARGO_PKG_VERSION"),
                }],
            },
        },
        components: projects.iter().map(component).collect(),
        dependencies: projects
            .iter()
            .map(|details| dependency(details, projects))
            .collect(),
    };
    let text = serde_json::to_string_pretty(&bom).expect("it is text and numbers");
    ascii_json(text) + "\n"
}

fn component(details: &ProjectDetails) -> Component<'_> {
    let license = details.license.as_deref();
    let license = license.map(|license| {
        if details.license_is_expression {
            LicenseChoice::Expression(license)
        } else {
            LicenseChoice::License { name: license }
        }
    });
    Component {
        r#type: "library",
        bom_ref: reference(details),
        name: &details.project.name,
        version: &details.project.version,
        description: details.summary.as_deref(),
        licenses: license.into_iter().collect(),
        purl: purl(details),
        external_references: references(details),
    }
}

/// The name of a component in its bill. A project that is installed twice has two.
fn reference(details: &ProjectDetails) -> String {
    format!("{}=={}", details.project.name, details.project.version)
}

fn purl(details: &ProjectDetails) -> String {
    let version = encoded(&details.project.version);
    format!("pkg:pypi/{}@{version}", details.project.name)
}

/// Where it is from, its web page, and the bills of its parts (PEP 770).
fn references(details: &ProjectDetails) -> Vec<ExternalReference<'_>> {
    let mut references = Vec::new();
    if let Some(origin) = details
        .origin
        .as_ref()
        .filter(|origin| is_reference(&origin.url))
    {
        let archive = origin.archive_info.as_ref();
        let sha256 = archive.and_then(|archive| archive.hashes.get("sha256"));
        references.push(ExternalReference {
            r#type: "distribution",
            url: origin.url.clone(),
            hashes: sha256
                .into_iter()
                .filter_map(|hash| sha_256(hash))
                .collect(),
        });
    }
    if let Some(page) = details
        .home_page
        .as_deref()
        .filter(|page| is_reference(page))
    {
        references.push(ExternalReference {
            r#type: "website",
            url: page.to_owned(),
            hashes: Vec::new(),
        });
    }
    for bill in &details.bills {
        references.push(ExternalReference {
            r#type: "bom",
            url: encoded(&bill.path),
            hashes: bill
                .sha256
                .iter()
                .filter_map(|hash| sha_256(hash))
                .collect(),
        });
    }
    references
}

/// A digest as the schema takes it.
fn sha_256(hexadecimal: &str) -> Option<Hash<'_>> {
    let is_one =
        hexadecimal.len() == 64 && hexadecimal.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then_some(Hash {
        alg: "SHA-256",
        content: hexadecimal,
    })
}

/// Whether a text that a project states is one word, as every address is.
fn is_reference(text: &str) -> bool {
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(c);
    text.contains(':') && !text.contains(is_odd)
}

/// A text with everything encoded that an address cannot have as it is.
fn encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/!".contains(&byte);
    text.bytes()
        .map(|byte| match byte {
            _ if is_plain(byte) => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// What of the other projects it requires.
fn dependency(details: &ProjectDetails, projects: &[ProjectDetails]) -> Dependency {
    let name = &details.project.name;
    let required = projects
        .iter()
        .filter(|other| other.required_by.contains(name));
    Dependency {
        r#ref: reference(details),
        depends_on: required.map(reference).collect(),
    }
}

//! `show`: the metadata, the origin and the files of installed projects.

use std::path::PathBuf;

use super::list::listed;
use super::session::{Session, look};
use super::{Context, Options};
use crate::digest::{Algorithm, Digest};
use crate::environment::Environment;
use crate::environment::layout::Layout;
use crate::error::Result;
use crate::fs;
use crate::installed::{Form, Installed};
use crate::outcome::InstalledProject;
use crate::spec::core_metadata::Headers;
use crate::spec::direct_url::RecordedUrl;
use crate::spec::name::ProjectName;

/// The most of a METADATA that is read, in bytes; a long description may follow the headers.
const MAX_METADATA: u64 = 16 << 20;
/// The most characters of a `License` header that are a name and not a text.
const LONGEST_LICENSE: usize = 100;

/// An installed project at length. Everything but the project itself is as its METADATA states it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProjectDetails {
    /// Its line of the list.
    pub project: InstalledProject,
    /// The library that holds it: an absolute path.
    pub location: PathBuf,
    /// Whether it was asked for by name (the file REQUESTED).
    pub requested: bool,
    /// The location that it was installed from, if `direct_url.json` states one.
    pub origin: Option<RecordedUrl>,
    /// One line about it.
    pub summary: Option<String>,
    /// Its web page.
    pub home_page: Option<String>,
    /// The licence: an expression, a name, or the classifiers.
    pub license: Option<String>,
    /// Whether the licence is an expression of SPDX (PEP 639).
    pub license_is_expression: bool,
    /// The versions of Python that it supports.
    pub requires_python: Option<String>,
    /// The requirements without those of extras, with their markers.
    pub requires: Vec<String>,
    /// The names of the installed projects that require it, sorted.
    pub required_by: Vec<String>,
    /// The paths that its RECORD lists, sorted.
    pub files: Vec<String>,
    /// The bills of materials that it brings in its dist-info (PEP 770), sorted by path.
    pub bills: Vec<BillOfMaterials>,
}

/// A bill of materials that describes parts of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BillOfMaterials {
    /// Its path as RECORD states it.
    pub path: String,
    /// Its SHA-256 digest in hexadecimal digits, if RECORD states one.
    pub sha256: Option<String>,
}

/// The projects that were found, and the names that were not.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProjectsShown {
    /// The projects, sorted by name.
    pub projects: Vec<ProjectDetails>,
    /// The names that are not installed, as they were given.
    pub missing: Vec<String>,
}

/// Describes the named projects, or all if `names` is empty.
///
/// # Errors
/// If the environment cannot be read.
pub fn show(
    environment: &Environment,
    names: &[String],
    options: &Options,
    context: Context<'_>,
) -> Result<ProjectsShown> {
    look(environment, options, context, |session| {
        shown(session, names)
    })
}

fn shown(session: &Session<'_>, names: &[String]) -> Result<ProjectsShown> {
    let wanted: Vec<Option<ProjectName>> =
        names.iter().map(|name| ProjectName::parse(name)).collect();
    let mut found: Vec<(ProjectDetails, Vec<ProjectName>)> = Vec::new();
    for (installed, line) in listed(session)? {
        found.push(describe(&session.layout, installed, line)?);
    }
    let required_by: Vec<Vec<String>> = found
        .iter()
        .map(|(details, _)| {
            let requiring = found.iter().filter(|(_, requires)| {
                let mut requires = requires.iter();
                requires.any(|name| name.normalized() == details.project.name)
            });
            requiring
                .map(|(other, _)| other.project.name.clone())
                .collect()
        })
        .collect();
    let is_wanted = |details: &ProjectDetails| {
        let mut wanted = wanted.iter().flatten();
        names.is_empty() || wanted.any(|name| name.normalized() == details.project.name)
    };
    let missing = names.iter().zip(&wanted).filter(|(_, wanted)| {
        let is_it = |name: &ProjectName| {
            let mut found = found.iter();
            found.any(|(details, _)| details.project.name == name.normalized())
        };
        !wanted.as_ref().is_some_and(is_it)
    });
    let missing = missing.map(|(name, _)| name.clone()).collect();
    let projects = found.into_iter().zip(required_by);
    let projects = projects.map(|((details, _), required_by)| ProjectDetails {
        required_by,
        ..details
    });
    Ok(ProjectsShown {
        projects: projects.filter(is_wanted).collect(),
        missing,
    })
}

/// Describes a project, and names the projects that it requires.
fn describe(
    layout: &Layout,
    installed: &Installed,
    project: InstalledProject,
) -> Result<(ProjectDetails, Vec<ProjectName>)> {
    let text = metadata_text(layout, installed);
    let headers = Headers::parse(&text);
    let own = |name| {
        headers
            .get(name)
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    };
    let requires: Vec<String> = headers
        .all("Requires-Dist")
        .filter(|requirement| !is_of_extra(requirement))
        .map(str::to_owned)
        .collect();
    let names = requires
        .iter()
        .filter_map(|requirement| required_name(requirement));
    let names = names.collect();
    let recorded = installed.read_record(layout)?;
    let rows = || recorded.rows().into_iter().flat_map(|rows| rows.iter());
    let mut files: Vec<String> = rows().map(|row| row.path.clone()).collect();
    files.sort();
    let bills = rows().filter(|row| is_bill(&row.path, installed));
    let mut bills: Vec<BillOfMaterials> = bills
        .map(|row| BillOfMaterials {
            path: row.path.clone(),
            sha256: row
                .digest
                .filter(|digest| digest.algorithm() == Algorithm::Sha256)
                .map(Digest::to_hex),
        })
        .collect();
    bills.sort_by(|one, two| one.path.cmp(&two.path));
    let place = layout.absolute(&installed.place);
    let home_page = own("Home-page").or_else(|| {
        let mut urls = headers
            .all("Project-URL")
            .filter_map(|url| url.split_once(','));
        let homepage = urls.find(|(label, _)| label.trim().eq_ignore_ascii_case("homepage"));
        homepage.map(|(_, url)| url.trim().to_owned())
    });
    let details = ProjectDetails {
        project,
        location: layout.absolute_directory(installed.library),
        requested: fs::stat(&place.join("REQUESTED"))?.is_some(),
        origin: installed
            .direct_url(layout)
            .and_then(|json| RecordedUrl::parse(&json)),
        summary: own("Summary"),
        home_page,
        license: license(&headers),
        license_is_expression: headers.get("License-Expression").is_some(),
        requires_python: own("Requires-Python"),
        requires,
        required_by: Vec::new(),
        files,
        bills,
    };
    Ok((details, names))
}

/// Whether a path in RECORD is that of a bill of materials (PEP 770).
fn is_bill(path: &str, installed: &Installed) -> bool {
    let own = path.strip_prefix(installed.place.path.file_name());
    own.is_some_and(|below| below.starts_with("/sboms/"))
}

/// The text of METADATA, or of PKG-INFO for an egg; empty if there is none that can be read.
fn metadata_text(layout: &Layout, installed: &Installed) -> String {
    let place = layout.absolute(&installed.place);
    let path = match installed.form {
        Form::Recorded | Form::Unrecorded | Form::Leftover => place.join("METADATA"),
        // The information of an egg is a directory, or a single file.
        Form::Egg => match fs::stat(&place.join("PKG-INFO")) {
            Ok(Some(_)) => place.join("PKG-INFO"),
            _ => place,
        },
    };
    // Headers are only shown, so a project without them is described by its name and version.
    let content = fs::read_unless_foreign(&path, MAX_METADATA).unwrap_or_default();
    let content = content.unwrap_or_default();
    String::from_utf8_lossy(&content).into_owned()
}

/// The licence that METADATA states, in the newest of the three ways that it uses.
fn license(headers: &Headers<'_>) -> Option<String> {
    let expression = headers.get("License-Expression");
    let name = headers.get("License").filter(|text| {
        // Some projects put the whole text of the licence here.
        !text.is_empty() && *text != "UNKNOWN" && text.chars().count() <= LONGEST_LICENSE
    });
    let classifiers: Vec<&str> = headers
        .all("Classifier")
        .filter(|classifier| classifier.starts_with("License ::"))
        .filter_map(|classifier| Some(classifier.rsplit_once("::")?.1.trim()))
        .collect();
    let classified = (!classifiers.is_empty()).then(|| classifiers.join(", "));
    expression.or(name).map(str::to_owned).or(classified)
}

/// Whether a requirement holds only for an extra.
fn is_of_extra(requirement: &str) -> bool {
    let marker = requirement.split_once(';').map_or("", |(_, marker)| marker);
    marker
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .any(|word| word == "extra")
}

/// The name that a requirement begins with.
fn required_name(requirement: &str) -> Option<ProjectName> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = requirement
        .find(|c| !is_part(c))
        .unwrap_or(requirement.len());
    ProjectName::parse(&requirement[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_has_a_name_and_may_be_of_an_extra() {
        for (text, name, of_extra) in [
            ("idna (<4,>=2.5)", "idna", false),
            ("Flask>=2; python_version < '3.8'", "flask", false),
            ("PySocks!=1.5.7,>=1.5.6; extra == 'socks'", "pysocks", true),
            ("a[b]==1", "a", false),
            ("extra-data", "extra-data", false),
        ] {
            let found = required_name(text).expect("a name");
            assert_eq!((found.normalized(), is_of_extra(text)), (name, of_extra));
        }
    }

    #[test]
    fn the_licence_is_stated_in_three_ways() {
        let of = |text: &str| license(&Headers::parse(text));
        let classifier = "Classifier: License :: OSI Approved :: MIT License\n";
        assert_eq!(of(classifier).as_deref(), Some("MIT License"));
        let name = format!("License: BSD\n{classifier}");
        assert_eq!(of(&name).as_deref(), Some("BSD"));
        let expression = format!("License-Expression: MIT OR Apache-2.0\n{name}");
        assert_eq!(of(&expression).as_deref(), Some("MIT OR Apache-2.0"));
        assert_eq!(of("Name: x\n"), None);
    }
}

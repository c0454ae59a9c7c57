//! What is installed: the list, one project at length, the owners of paths.

use pkg_install::command::{PathOwners, ProjectDetails};
use pkg_install::error::escaped;
use pkg_install::results::InstalledProject;

use super::units::{grouped, size};
use crate::cli::quoting::ascii_json;

/// A table with a heading, in as few columns of the terminal as its cells need.
pub fn columns(projects: &[InstalledProject], details: &[ProjectDetails], verbose: bool) -> String {
    if projects.is_empty() {
        return String::new();
    }
    let mut headings = vec!["Name", "Version"];
    // One tool has installed nearly everything in most environments, and the column would push the
    // rest beyond 80 columns.
    let mut installers = projects.iter().map(|project| &project.installer);
    let first = installers.next();
    let with_installer = verbose || installers.any(|other| Some(other) != first);
    if with_installer {
        headings.push("Installer");
    }
    headings.extend(["Files", "Size"]);
    if !details.is_empty() {
        headings.push("Licence");
    }
    let mut rows: Vec<Vec<String>> = vec![headings.iter().map(|&cell| cell.to_owned()).collect()];
    for (number, project) in projects.iter().enumerate() {
        let mut row = vec![project.name.clone(), escaped(&project.version)];
        if with_installer {
            row.push(escaped(project.installer.as_deref().unwrap_or("-")));
        }
        row.push(
            project
                .files
                .map_or_else(|| "no RECORD".to_owned(), grouped),
        );
        row.push(project.bytes.map(size).unwrap_or_default());
        if let Some(details) = details.get(number) {
            row.push(escaped(details.license.as_deref().unwrap_or("not stated")));
        }
        rows.push(row);
    }
    let widths: Vec<usize> = (0..headings.len())
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or_default()
        })
        .collect();
    rows.insert(1, widths.iter().map(|width| "-".repeat(*width)).collect());
    let conflicts = projects.iter().map(|project| project.conflicts.as_slice());
    let conflicts = [&[][..], &[]].into_iter().chain(conflicts);
    let line = |(row, conflicts): (&Vec<String>, &[String])| {
        let cells = row.iter().zip(&widths).zip(&headings);
        let cells = cells.map(|((cell, width), heading)| match *heading {
            // Numbers stand at the right of their column.
            "Files" | "Size" => format!("{cell:>width$}"),
            _ => format!("{cell:width$}"),
        });
        let cells: Vec<String> = cells.collect();
        let mut line = cells.join("  ").trim_end().to_owned();
        if !conflicts.is_empty() {
            line += &format!("  conflicts with {}", conflicts.join(", "));
        }
        line + "\n"
    };
    rows.iter().zip(conflicts).map(line).collect()
}

/// Lines that `-r` reads again. `pip` is left out, as pip itself does.
pub fn freeze(details: &[ProjectDetails]) -> String {
    let lines = details
        .iter()
        .filter(|details| details.project.name != "pip")
        .map(|details| {
            let (name, version) = (&details.project.name, &details.project.version);
            let Some(origin) = &details.origin else {
                return format!("{name}=={version}\n");
            };
            if origin.is_editable() {
                // There is no wheel of it that could be installed again.
                return format!("# editable: {name}=={version} from {}\n", origin.url);
            }
            match origin
                .archive_info
                .as_ref()
                .filter(|_| origin.url.contains(".whl"))
            {
                Some(archive) => {
                    let hash = archive.hashes.iter().next();
                    let hash = hash.map(|(name, hex)| format!("#{name}={hex}"));
                    format!("{name} @ {}{}\n", origin.url, hash.unwrap_or_default())
                }
                None => format!("{name}=={version}\n"),
            }
        });
    lines.map(|line| escaped(line.trim_end()) + "\n").collect()
}

/// pip's array of names and versions, on one line; with licences if there are details.
pub fn pip_json(projects: &[InstalledProject], details: &[ProjectDetails]) -> String {
    let row = |(number, project): (usize, &InstalledProject)| {
        let mut row = serde_json::json!({"name": project.name, "version": project.version});
        if let Some(details) = details.get(number) {
            row["license"] = details.license.clone().into();
        }
        row
    };
    let rows: Vec<serde_json::Value> = projects.iter().enumerate().map(row).collect();
    ascii_json(serde_json::Value::from(rows).to_string()) + "\n"
}

/// One project at length, in the form of `pip show`.
pub fn details(details: &ProjectDetails, with_files: bool) -> String {
    let project = &details.project;
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        if !value.is_empty() {
            text += &format!("{name}: {}\n", escaped(value));
        }
    };
    let origin = details.origin.as_ref();
    let editable = origin.filter(|origin| origin.is_editable());
    field("Name", &project.name);
    field("Version", &project.version);
    field("Summary", details.summary.as_deref().unwrap_or_default());
    field(
        "Home-page",
        details.home_page.as_deref().unwrap_or_default(),
    );
    field("License", details.license.as_deref().unwrap_or_default());
    field("Location", &details.location.display().to_string());
    field(
        "Installer",
        project.installer.as_deref().unwrap_or_default(),
    );
    field("Requested", if details.requested { "yes" } else { "no" });
    field(
        "Origin",
        origin.map(|origin| origin.url.as_str()).unwrap_or_default(),
    );
    field("Editable", if editable.is_some() { "yes" } else { "" });
    field(
        "Requires-Python",
        details.requires_python.as_deref().unwrap_or_default(),
    );
    field("Requires", &details.requires.join(", "));
    field("Required-by", &details.required_by.join(", "));
    let size = project
        .bytes
        .map(|bytes| format!(", {}", size(bytes)))
        .unwrap_or_default();
    match project.files {
        Some(files) => field("Files", &format!("{}{size}", grouped(files))),
        None => field("Files", "not known: it has no RECORD"),
    }
    field("Conflicts-with", &project.conflicts.join(", "));
    if with_files {
        text.extend(
            details
                .files
                .iter()
                .map(|path| format!("  {}\n", escaped(path))),
        );
    }
    text
}

/// One line for each path that has owners.
pub fn owners(found: &[PathOwners]) -> String {
    let line = |found: &PathOwners| {
        let owners: Vec<String> = found
            .projects
            .iter()
            .map(|(name, version)| format!("{name} {}", escaped(version)))
            .collect();
        let path = escaped(&found.path.display().to_string());
        format!("{path}: {}\n", owners.join(", "))
    };
    found
        .iter()
        .filter(|found| !found.projects.is_empty())
        .map(line)
        .collect()
}

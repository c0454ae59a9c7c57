//! Results as the JSON object that `--json` prints: schema version 1.
//!
//! The types here are the schema, so that the library's types can change without it. Names and
//! order of the fields are part of it. Paths that are not UTF-8 are written with replacement
//! characters.

use std::path::Path;

use pkg_install::error::{Effect, Error, ErrorKind, Fault};
use pkg_install::{
    Action, ChangeReport, ConflictReport, Difference, DifferenceState, ListedProject, Outcome,
    Report,
};
use serde::{Serialize, Serializer};

/// The version of the schema.
const VERSION: u32 = 1;

/// The whole object.
#[derive(Serialize)]
struct Root<'a> {
    version: u32,
    /// `committed`, `planned`, `unchanged` or `failed`.
    outcome: &'static str,
    /// Null if none was found.
    environment: Option<EnvironmentObject<'a>>,
    /// What was, or would be, done to which project, sorted by name.
    changes: Vec<ChangeObject<'a>>,
    conflicts: Vec<ConflictObject<'a>>,
    warnings: Vec<WarningObject<'a>>,
    /// The files that would be written and removed; only with `--dry-run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<PlanObject<'a>>,
    /// Only of `list`; sorted by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    projects: Option<Vec<ProjectObject<'a>>>,
    /// Only of `check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    projects_checked: Option<usize>,
    /// Only of `check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    differences: Option<Vec<DifferenceObject<'a>>>,
    timings_ms: TimingsObject,
    /// Null on success.
    error: Option<ErrorObject>,
}

/// Absolute paths.
#[derive(Serialize)]
struct EnvironmentObject<'a> {
    #[serde(serialize_with = "lossy")]
    root: &'a Path,
    /// `venv`, `target` or `prefix`.
    kind: &'static str,
    #[serde(serialize_with = "lossy")]
    purelib: &'a Path,
    #[serde(serialize_with = "lossy")]
    platlib: &'a Path,
    #[serde(serialize_with = "lossy")]
    scripts: &'a Path,
}

#[derive(Serialize)]
struct ChangeObject<'a> {
    /// `install`, `replace`, `reinstall`, `remove` or `keep`.
    action: &'static str,
    name: &'a str,
    version: &'a str,
    previous: Option<&'a str>,
    source: Option<&'a str>,
    files: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct ConflictObject<'a> {
    path: &'a str,
    owners: Vec<&'a str>,
    /// What each owner has there, in the order of `owners`.
    contents: Vec<&'a str>,
    /// `error`, or the owner that wins.
    resolution: &'a str,
}

#[derive(Serialize)]
struct WarningObject<'a> {
    code: &'a str,
    wheel: Option<&'a str>,
    message: &'a str,
}

#[derive(Serialize)]
struct PlanObject<'a> {
    write: &'a [String],
    remove: &'a [String],
}

#[derive(Serialize)]
struct ProjectObject<'a> {
    name: &'a str,
    version: &'a str,
    installer: Option<&'a str>,
    files: Option<u64>,
    bytes: Option<u64>,
    conflicts: &'a [String],
}

#[derive(Serialize)]
struct DifferenceObject<'a> {
    project: &'a str,
    path: &'a str,
    /// `missing`, `changed`, `unreadable`, `mode` or `record`.
    state: &'static str,
    detail: Option<&'a str>,
}

/// Milliseconds per step; a step that was not reached is absent.
#[derive(Serialize)]
struct TimingsObject {
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clean: Option<f64>,
}

#[derive(Serialize)]
struct ErrorObject {
    /// The kind that decides the exit code.
    kind: &'static str,
    /// The stable code, as `no-space`.
    code: &'static str,
    message: String,
    /// `untouched`, `rolled-back` or `unfinished`.
    effect: &'static str,
    /// The refused wheels, each with all its faults.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    wheels: Vec<RefusedObject>,
}

#[derive(Serialize)]
struct RefusedObject {
    wheel: String,
    faults: Vec<String>,
    /// The stable codes of the faults, in the same order.
    codes: Vec<&'static str>,
}

/// The object for `report`, or for `error` if the command failed. Ends with a newline.
pub fn object(report: &Report, error: Option<&Error>) -> String {
    let root = Root::of(report, error);
    serde_json::to_string_pretty(&root)
        .expect("strings and numbers below string keys are always written")
        + "\n"
}

/// The JSON object of a usage error, found before any command began.
pub fn refusal(message: &str) -> String {
    object(&Report::new(), Some(&Error::usage(message)))
}

impl<'a> Root<'a> {
    fn of(report: &'a Report, error: Option<&'a Error>) -> Self {
        let environment = report
            .environment
            .as_ref()
            .map(|environment| EnvironmentObject {
                root: &environment.root,
                kind: environment.kind,
                purelib: &environment.purelib,
                platlib: &environment.platlib,
                scripts: &environment.scripts,
            });
        let timings = report.timings_ms;
        Self {
            version: VERSION,
            outcome: match (error, report.outcome) {
                (Some(_), _) => "failed",
                (None, Outcome::Committed) => "committed",
                (None, Outcome::Planned) => "planned",
                (None, Outcome::Unchanged) => "unchanged",
            },
            environment,
            changes: match error {
                // What was planned did not happen.
                Some(_) => Vec::new(),
                None => report.changes.iter().map(ChangeObject::of).collect(),
            },
            conflicts: conflicts(report, error),
            warnings: report
                .warnings
                .iter()
                .map(|warning| WarningObject {
                    code: warning.code,
                    wheel: warning.wheel.as_deref(),
                    message: &warning.message,
                })
                .collect(),
            plan: report.plan.as_ref().map(|plan| PlanObject {
                write: &plan.write,
                remove: &plan.remove,
            }),
            projects: report
                .projects
                .as_deref()
                .map(|projects| projects.iter().map(ProjectObject::of).collect()),
            projects_checked: report.projects_checked,
            differences: report
                .differences
                .as_deref()
                .map(|found| found.iter().map(DifferenceObject::of).collect()),
            timings_ms: TimingsObject {
                open: timings.open,
                plan: timings.plan,
                stage: timings.stage,
                commit: timings.commit,
                clean: timings.clean,
            },
            error: error.map(ErrorObject::of),
        }
    }
}

/// The conflicts that stopped the command, otherwise those that were resolved.
fn conflicts<'a>(report: &'a Report, error: Option<&'a Error>) -> Vec<ConflictObject<'a>> {
    match error.map(Error::clashes) {
        None | Some([]) => report.conflicts.iter().map(ConflictObject::of).collect(),
        Some(clashes) => clashes
            .iter()
            .map(|clash| ConflictObject {
                path: &clash.path,
                owners: clash.owners.iter().map(|(owner, _)| &**owner).collect(),
                contents: clash.owners.iter().map(|(_, what)| &**what).collect(),
                resolution: "error",
            })
            .collect(),
    }
}

impl<'a> ChangeObject<'a> {
    fn of(change: &'a ChangeReport) -> Self {
        Self {
            action: match change.action {
                Action::Install => "install",
                Action::Replace => "replace",
                Action::Reinstall => "reinstall",
                Action::Remove => "remove",
                Action::Keep => "keep",
            },
            name: &change.name,
            version: &change.version,
            previous: change.previous.as_deref(),
            source: change.source.as_deref(),
            files: change.files,
            bytes: change.bytes,
        }
    }
}

impl<'a> ConflictObject<'a> {
    fn of(conflict: &'a ConflictReport) -> Self {
        Self {
            path: &conflict.path,
            owners: conflict.owners.iter().map(String::as_str).collect(),
            contents: conflict.contents.iter().map(String::as_str).collect(),
            resolution: &conflict.resolution,
        }
    }
}

impl<'a> ProjectObject<'a> {
    fn of(project: &'a ListedProject) -> Self {
        Self {
            name: &project.name,
            version: &project.version,
            installer: project.installer.as_deref(),
            files: project.files,
            bytes: project.bytes,
            conflicts: &project.conflicts,
        }
    }
}

impl<'a> DifferenceObject<'a> {
    fn of(difference: &'a Difference) -> Self {
        Self {
            project: &difference.project,
            path: &difference.path,
            state: match difference.state {
                DifferenceState::Missing => "missing",
                DifferenceState::Changed => "changed",
                DifferenceState::Unreadable => "unreadable",
                DifferenceState::Mode => "mode",
                DifferenceState::Record => "record",
            },
            detail: difference.detail.as_deref(),
        }
    }
}

impl ErrorObject {
    fn of(error: &Error) -> Self {
        let wheels = error
            .refused_wheels()
            .iter()
            .map(|(wheel, faults)| RefusedObject {
                wheel: wheel.clone(),
                faults: faults.iter().map(ToString::to_string).collect(),
                codes: faults.iter().map(Fault::code).collect(),
            });
        Self {
            kind: match error.kind() {
                ErrorKind::Usage => "usage",
                ErrorKind::Input => "input",
                ErrorKind::Conflict => "conflict",
                ErrorKind::Environment => "environment",
                ErrorKind::Differences => "differences",
                ErrorKind::Interrupted => "interrupted",
                // Also a kind that the library adds later: this schema has no other word for it.
                _ => "failed",
            },
            code: error.code(),
            message: error.to_string(),
            effect: match error.effect() {
                Effect::Untouched => "untouched",
                Effect::RolledBack => "rolled-back",
                Effect::Unfinished => "unfinished",
            },
            wheels: wheels.collect(),
        }
    }
}

fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_error_is_an_object_of_the_schema() {
        let object: serde_json::Value =
            serde_json::from_str(&refusal("no such option")).expect("it is JSON");
        assert_eq!(object["version"], 1);
        assert_eq!(object["outcome"], "failed");
        assert_eq!(object["error"]["kind"], "usage");
        assert_eq!(object["error"]["message"], "no such option");
        assert_eq!(object["error"]["effect"], "untouched");
        assert!(object["environment"].is_null());
        assert!(object["error"]["wheels"].is_null(), "left out if empty");
    }
}

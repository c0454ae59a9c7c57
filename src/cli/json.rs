//! Results as the JSON object that `--json` prints: schema version 1.
//!
//! The types here are the schema, so that the library's types can change without it. Names and
//! order of the fields are part of it. Paths that are not UTF-8 are written with replacement
//! characters.

use std::path::Path;
use std::time::Duration;

use super::quoting::ascii_json;
#[cfg(feature = "http")]
use super::resolution::ResolutionObject;
use super::{CommandResult, Results};
use pkg_install::command::Step;
use pkg_install::error::{Clash, Effect, Error, ErrorKind, Fault};
use pkg_install::{
    Action, Difference, DifferenceState, Environment, InstalledProject, PathConflict,
    ProjectChange, Status, UnmetRequirement, Warning,
};
use serde::{Serialize, Serializer};

/// The version of the schema.
const VERSION: u32 = 1;

/// The whole object.
#[derive(Serialize)]
struct ResultObject<'a> {
    version: u32,
    /// `committed`, `planned`, `unchanged`, `resolved` or `failed`.
    outcome: &'static str,
    /// Null if none was found.
    environment: Option<EnvironmentObject<'a>>,
    /// The changes that were made or would be made, sorted by project name.
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
    /// Only of `check --requires`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unmet_requirements: Vec<UnmetObject<'a>>,
    /// Only of `resolve`.
    #[cfg(feature = "http")]
    #[serde(flatten)]
    resolution: Option<ResolutionObject<'a>>,
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
    /// The content that each owner has there, in the order of `owners`.
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

/// A requirement that nothing installed meets.
#[derive(Serialize)]
struct UnmetObject<'a> {
    project: &'a str,
    version: &'a str,
    requirement: &'a str,
    /// The version that is installed of what is required; null if none is.
    installed: Option<&'a str>,
}

impl<'a> UnmetObject<'a> {
    fn of(unmet: &'a UnmetRequirement) -> Self {
        Self {
            project: &unmet.project,
            version: &unmet.version,
            requirement: &unmet.requirement,
            installed: unmet.installed.as_deref(),
        }
    }
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
    resolve: Option<f64>,
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

/// The object for `results`, or for `error` if the command failed. Ends with a newline.
pub fn object(results: &Results, error: Option<&Error>) -> String {
    let root = ResultObject::of(results, error);
    let text = serde_json::to_string_pretty(&root)
        .expect("strings and numbers below string keys are always written");
    ascii_json(text) + "\n"
}

/// The JSON object of a usage error, found before any command began.
pub fn refusal(message: &str) -> String {
    object(&Results::default(), Some(&Error::usage(message)))
}

impl<'a> ResultObject<'a> {
    fn of(results: &'a Results, error: Option<&'a Error>) -> Self {
        let mut root = Self {
            version: VERSION,
            outcome: "unchanged",
            environment: results.environment.as_ref().map(EnvironmentObject::of),
            changes: Vec::new(),
            conflicts: Vec::new(),
            warnings: results.warnings.iter().map(WarningObject::of).collect(),
            plan: None,
            projects: None,
            projects_checked: None,
            differences: None,
            unmet_requirements: Vec::new(),
            #[cfg(feature = "http")]
            resolution: None,
            timings_ms: TimingsObject::of(&results.timings),
            error: error.map(ErrorObject::of),
        };
        match &results.done {
            Some(
                CommandResult::Changes(outcome)
                | CommandResult::Undone(outcome)
                | CommandResult::Recovered(outcome),
            ) => {
                root.outcome = match outcome.status {
                    Status::Committed => "committed",
                    Status::Planned => "planned",
                    _ => "unchanged",
                };
                root.changes = outcome.changes.iter().map(ChangeObject::of).collect();
                root.conflicts = outcome.conflicts.iter().map(ConflictObject::of).collect();
                root.plan = outcome.files.as_ref().map(|files| PlanObject {
                    write: &files.write,
                    remove: &files.remove,
                });
            }
            Some(CommandResult::Checked(checked)) => {
                root.projects_checked = Some(checked.projects);
                let differences = checked.differences.iter().map(DifferenceObject::of);
                root.differences = Some(differences.collect());
                let unmet = checked.unmet.iter().map(UnmetObject::of);
                root.unmet_requirements = unmet.collect();
            }
            Some(CommandResult::Listed(projects)) => {
                root.projects = Some(projects.iter().map(ProjectObject::of).collect());
            }
            #[cfg(feature = "http")]
            Some(CommandResult::Downloaded(_)) => root.outcome = "committed",
            #[cfg(feature = "http")]
            Some(CommandResult::Resolved(shown)) => {
                root.outcome = "resolved";
                root.resolution = Some(ResolutionObject::of(&shown.resolved));
            }
            None => {}
        }
        if let Some(error) = error {
            // This also holds for a `check` that found differences, which stay in the object.
            root.outcome = "failed";
            root.conflicts = error
                .clashes()
                .iter()
                .map(ConflictObject::refused)
                .collect();
        }
        root
    }
}

impl<'a> EnvironmentObject<'a> {
    fn of(environment: &'a Environment) -> Self {
        Self {
            root: &environment.root,
            kind: environment.kind.word(),
            purelib: &environment.scheme.purelib,
            platlib: &environment.scheme.platlib,
            scripts: &environment.scheme.scripts,
        }
    }
}

impl<'a> WarningObject<'a> {
    fn of(warning: &'a Warning) -> Self {
        Self {
            code: warning.code.as_str(),
            wheel: warning.wheel.as_deref(),
            message: &warning.message,
        }
    }
}

impl TimingsObject {
    fn of(timings: &[(Step, Duration)]) -> Self {
        let of = |step| {
            let (_, took) = timings.iter().find(|(other, _)| *other == step)?;
            Some(took.as_secs_f64() * 1e3)
        };
        Self {
            resolve: of(Step::Resolve),
            open: of(Step::Open),
            plan: of(Step::Plan),
            stage: of(Step::Stage),
            commit: of(Step::Commit),
            clean: of(Step::Clean),
        }
    }
}

impl<'a> ChangeObject<'a> {
    fn of(change: &'a ProjectChange) -> Self {
        Self {
            action: match change.action {
                Action::Install => "install",
                Action::Replace => "replace",
                Action::Reinstall => "reinstall",
                Action::Remove => "remove",
                // Also an action that the library adds later: this schema has no word for it.
                _ => "keep",
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
    /// A conflict that stopped the command.
    fn refused(clash: &'a Clash) -> Self {
        Self {
            path: &clash.path,
            owners: clash.owners.iter().map(|(owner, _)| &**owner).collect(),
            contents: clash.owners.iter().map(|(_, what)| &**what).collect(),
            resolution: "error",
        }
    }

    fn of(conflict: &'a PathConflict) -> Self {
        Self {
            path: &conflict.path,
            owners: conflict.owners.iter().map(String::as_str).collect(),
            contents: conflict.contents.iter().map(String::as_str).collect(),
            resolution: &conflict.resolution,
        }
    }
}

impl<'a> ProjectObject<'a> {
    fn of(project: &'a InstalledProject) -> Self {
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
                DifferenceState::Mode => "mode",
                DifferenceState::Record => "record",
                // Also a state that the library adds later: this schema has no word for it.
                _ => "unreadable",
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
                ErrorKind::Unsolvable => "unsolvable",
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

//! Results as the JSON object that `--json` prints, and its schema: version 1.
//!
//! The types here are the schema, so that the library's types can change without it;
//! `--json-schema` prints what is derived from them. Names and order of the fields are part of it.
//! Fields are added and never change their meaning. Paths that are not UTF-8 are written with
//! replacement characters.

#[cfg(feature = "http")]
mod cache;
mod checks;
mod history;
mod pack;
mod projects;

use std::path::Path;
use std::time::Duration;

#[cfg(feature = "http")]
use self::cache::CacheObject;
use self::checks::{DifferenceObject, UnmetObject};
use self::history::TransactionObject;
use self::pack::ArtifactObject;
use super::quoting::ascii_json;
#[cfg(feature = "http")]
use super::resolution::ResolutionObject;
use super::{CommandResult, Results};
use pkg_install::error::{Clash, Effect, Error, ErrorKind, Fault};
use pkg_install::progress::Step;
use pkg_install::results::{PathConflict, ProjectChange};
use pkg_install::{Action, Environment, Outcome, Status, Warning};

#[cfg(feature = "http")]
use projects::DownloadObject;
use projects::{OwnersObject, ProjectObject, VerifiedObject};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Serialize, Serializer};

/// The version of the schema.
const VERSION: u32 = 1;

/// The result of a command of `pkg-install`.
#[derive(Serialize, JsonSchema)]
struct ResultObject<'a> {
    version: u32,
    /// `committed`, `planned`, `unchanged`, `resolved`, `packed` or `failed`.
    #[schemars(extend("enum" =
        ["committed", "planned", "unchanged", "resolved", "packed", "failed"]))]
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
    /// How many files came from the store, and how many wheels were put into it; only if it was
    /// used.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<StoreObject>,
    /// Only of `list` and `show`; sorted by name.
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
    /// Only of `owner`.
    #[serde(skip_serializing_if = "Option::is_none")]
    owners: Option<Vec<OwnersObject<'a>>>,
    /// Only of `verify`.
    #[serde(skip_serializing_if = "Option::is_none")]
    wheels: Option<Vec<VerifiedObject<'a>>>,
    /// Only of `download`.
    #[cfg(feature = "http")]
    #[serde(skip_serializing_if = "Option::is_none")]
    downloads: Option<Vec<DownloadObject<'a>>>,
    /// Only of `cache`.
    #[cfg(feature = "http")]
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<CacheObject<'a>>,
    /// Only of `history`; oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    transactions: Option<Vec<TransactionObject<'a>>>,
    /// Only of `pack`.
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact: Option<ArtifactObject<'a>>,
    timings_ms: TimingsObject,
    /// Null on success.
    error: Option<ErrorObject>,
}

/// Absolute paths.
#[derive(Serialize, JsonSchema)]
struct EnvironmentObject<'a> {
    #[serde(serialize_with = "lossy")]
    #[schemars(with = "String")]
    root: &'a Path,
    #[schemars(extend("enum" = ["venv", "target", "prefix"]))]
    kind: &'static str,
    #[serde(serialize_with = "lossy")]
    #[schemars(with = "String")]
    purelib: &'a Path,
    #[serde(serialize_with = "lossy")]
    #[schemars(with = "String")]
    platlib: &'a Path,
    #[serde(serialize_with = "lossy")]
    #[schemars(with = "String")]
    scripts: &'a Path,
}

#[derive(Serialize, JsonSchema)]
struct ChangeObject<'a> {
    #[schemars(extend("enum" = ["install", "replace", "reinstall", "remove", "keep"]))]
    action: &'static str,
    name: &'a str,
    version: &'a str,
    previous: Option<&'a str>,
    source: Option<&'a str>,
    files: u64,
    bytes: u64,
}

#[derive(Serialize, JsonSchema)]
struct ConflictObject<'a> {
    path: &'a str,
    owners: Vec<&'a str>,
    /// The content that each owner has there, in the order of `owners`.
    contents: Vec<&'a str>,
    /// The bytes of each, in the same order; null for what is no file.
    sizes: Vec<Option<u64>>,
    /// `error`, or the owner that wins.
    resolution: &'a str,
}

#[derive(Serialize, JsonSchema)]
struct WarningObject<'a> {
    code: &'a str,
    wheel: Option<&'a str>,
    message: &'a str,
}

/// Numbers of files, and of wheels that were put into the store.
#[derive(Serialize, JsonSchema)]
struct StoreObject {
    /// Hard links.
    linked: u64,
    /// Copies that share their blocks with the store.
    cloned: u64,
    copied: u64,
    /// Files in directories that are symbolic links to those of the store.
    symlinked: u64,
    /// Files that were written without the store.
    written: u64,
    /// Wheels.
    filled: u64,
}

#[derive(Serialize, JsonSchema)]
struct PlanObject<'a> {
    write: &'a [String],
    remove: &'a [String],
}

/// Milliseconds per step; a step that was not reached is absent.
#[derive(Serialize, JsonSchema)]
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

#[derive(Serialize, JsonSchema)]
struct ErrorObject {
    /// The kind that decides the exit code. More may be added.
    kind: &'static str,
    /// The stable code, as `no-space`.
    code: &'static str,
    message: String,
    #[schemars(extend("enum" = ["untouched", "rolled-back", "unfinished"]))]
    effect: &'static str,
    /// The refused wheels, each with all its faults.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    wheels: Vec<RefusedObject>,
}

#[derive(Serialize, JsonSchema)]
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

/// The JSON Schema of the object (draft 2020-12). Ends with a newline.
pub fn schema() -> String {
    let generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    let schema = generator.into_root_schema_for::<ResultObject<'static>>();
    serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n"
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
            store: None,
            projects: None,
            projects_checked: None,
            differences: None,
            unmet_requirements: Vec::new(),
            #[cfg(feature = "http")]
            resolution: None,
            owners: None,
            wheels: None,
            #[cfg(feature = "http")]
            downloads: None,
            #[cfg(feature = "http")]
            cache: None,
            transactions: None,
            artifact: None,
            timings_ms: TimingsObject::of(&results.timings),
            error: error.map(ErrorObject::of),
        };
        if let Some(done) = &results.done {
            root.add(done);
        }
        if let Some(error) = error {
            root.fail(results, error);
        }
        root
    }

    /// Fills in the fields of one kind of result.
    fn add(&mut self, done: &'a CommandResult) {
        match done {
            CommandResult::Changes(outcome)
            | CommandResult::Undone(outcome)
            | CommandResult::Recovered(outcome) => self.add_changes(outcome),
            CommandResult::Packed(packed) => {
                self.add_changes(&packed.plan);
                self.artifact = packed.artifact.as_ref().map(ArtifactObject::of);
            }
            CommandResult::History(past) => {
                self.transactions = Some(past.iter().map(TransactionObject::of).collect());
            }
            CommandResult::Checked(checked) => {
                self.projects_checked = Some(checked.projects);
                let differences = checked.differences.iter().map(DifferenceObject::of);
                self.differences = Some(differences.collect());
                let unmet = checked.unmet.iter().map(UnmetObject::of);
                self.unmet_requirements = unmet.collect();
            }
            CommandResult::Listed(_, details) => {
                let projects = details.iter();
                self.projects = Some(projects.map(|one| ProjectObject::of(one, false)).collect());
            }
            CommandResult::Shown(shown, files) => {
                let projects = shown.projects.iter();
                self.projects = Some(projects.map(|one| ProjectObject::of(one, *files)).collect());
            }
            CommandResult::Owned(found) => {
                self.owners = Some(found.iter().map(OwnersObject::of).collect());
            }
            CommandResult::Verified(wheels) => {
                self.wheels = Some(wheels.iter().map(VerifiedObject::of).collect());
            }
            #[cfg(feature = "http")]
            CommandResult::Downloaded(wheels, status) => {
                self.outcome = outcome_word(*status);
                self.downloads = Some(wheels.iter().map(DownloadObject::of).collect());
            }
            #[cfg(feature = "http")]
            CommandResult::Resolved(shown) => {
                self.outcome = "resolved";
                self.resolution = Some(ResolutionObject::of(&shown.resolved));
            }
            #[cfg(feature = "http")]
            CommandResult::Cache(outcome, request) => {
                self.outcome = outcome_word(super::cache::status(outcome, request));
                self.cache = Some(CacheObject::new(outcome));
            }
        }
    }

    fn add_changes(&mut self, outcome: &'a Outcome) {
        self.outcome = outcome_word(outcome.status);
        self.changes = outcome.changes.iter().map(ChangeObject::of).collect();
        self.conflicts = outcome.conflicts.iter().map(ConflictObject::of).collect();
        self.store = outcome.store.map(|figures| StoreObject {
            linked: figures.linked,
            cloned: figures.cloned,
            copied: figures.copied,
            symlinked: figures.symlinked,
            written: figures.written,
            filled: figures.filled,
        });
        self.plan = outcome.files.as_ref().map(|files| PlanObject {
            write: &files.write,
            remove: &files.remove,
        });
    }

    fn fail(&mut self, results: &'a Results, error: &'a Error) {
        // This also holds for a `check` that found differences, which stay in the object.
        self.outcome = "failed";
        // Those that stopped the command, or those that a later failure left without effect.
        let resolved = results.conflicts.iter().map(ConflictObject::of);
        let refused = error.clashes().iter().map(ConflictObject::refused);
        self.conflicts = resolved.chain(refused).collect();
    }
}

fn outcome_word(status: Status) -> &'static str {
    match status {
        Status::Committed => "committed",
        Status::Planned => "planned",
        Status::Packed => "packed",
        _ => "unchanged",
    }
}

impl<'a> EnvironmentObject<'a> {
    fn of(environment: &'a Environment) -> Self {
        Self {
            root: environment.root(),
            kind: environment.kind().as_str(),
            purelib: environment.purelib(),
            platlib: environment.platlib(),
            scripts: environment.scripts(),
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
            owners: clash.owners.iter().map(|side| &*side.owner).collect(),
            contents: clash.owners.iter().map(|side| &*side.content).collect(),
            sizes: clash.owners.iter().map(|side| side.size).collect(),
            resolution: "error",
        }
    }

    fn of(conflict: &'a PathConflict) -> Self {
        Self {
            path: &conflict.path,
            owners: conflict.owners.iter().map(String::as_str).collect(),
            contents: conflict.contents.iter().map(String::as_str).collect(),
            sizes: conflict.sizes.clone(),
            resolution: &conflict.resolution,
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

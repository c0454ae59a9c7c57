//! Results, warnings and errors as text for people.
//!
//! Input: plain data of the library. Output: strings with ANSI colours; the streams drop the
//! colours if they show none. Names and paths from wheels are escaped, since a terminal would obey
//! the control characters in them.

#[cfg(feature = "http")]
mod cache;
mod changes;
mod conflicts;
mod cyclonedx;
mod history;
mod listing;
mod pack;
mod units;
mod warnings;
pub mod wrapping;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

pub use units::size;
pub use warnings::{tracebacks, warnings};

use super::args::ListFormat;
use super::options::{Command, Parsed};
use super::quoting::for_shell;
use super::refusal::UsageError;
use super::{CommandResult, Results, hints};
#[cfg(feature = "http")]
use pkg_install::command::DownloadedWheel;
use pkg_install::command::VerifiedWheel;
use pkg_install::error::{Effect, Error, ErrorKind, Fault, escaped};
use pkg_install::progress::Step;
use pkg_install::results::{CheckOutcome, Difference, DifferenceState, UnmetRequirement};
use pkg_install::{Action, Outcome, Status};

use units::{counted, paint};

/// The result of a command. `elapsed` is the time since the program started.
pub fn results(results: &Results, parsed: &Parsed, elapsed: Duration) -> String {
    let Some(done) = &results.done else {
        return String::new();
    };
    let verbose = parsed.output.verbose;
    let mut text = match done {
        CommandResult::Changes(outcome) => {
            let place = results.environment.as_ref().filter(|_| installs(outcome));
            let place = place.map(|place| format!("into the {}\n", escaped(&place.to_string())));
            changes::changes(outcome, verbose, elapsed) + &place.unwrap_or_default()
        }
        CommandResult::Undone(outcome) => changes::undone(outcome, verbose),
        CommandResult::History(past) => history::history(past, verbose > 0),
        CommandResult::Recovered(outcome) if outcome.status == Status::Unchanged => {
            "nothing to recover\n".to_owned()
        }
        CommandResult::Recovered(_) => "recovered\n".to_owned(),
        CommandResult::Checked(checked) => checked_text(checked),
        #[cfg(feature = "http")]
        CommandResult::Downloaded(wheels, status) => downloaded(wheels, *status),
        #[cfg(feature = "http")]
        CommandResult::Resolved(shown) => shown.text(),
        #[cfg(feature = "http")]
        CommandResult::Cache(outcome, request) => cache::text(outcome, request, verbose > 0),
        CommandResult::Listed(projects, details) => match &parsed.command {
            Command::List(ListFormat::Freeze, _) => listing::freeze(details),
            Command::List(ListFormat::Cyclonedx, _) => cyclonedx::bill(details),
            Command::List(ListFormat::Json, _) => listing::pip_json(projects, details),
            _ => listing::columns(projects, details, verbose > 0),
        },
        CommandResult::Shown(shown, with_files) => {
            let projects = shown.projects.iter();
            let texts: Vec<String> = projects
                .map(|details| listing::details(details, *with_files))
                .collect();
            texts.join("\n")
        }
        CommandResult::Owned(found) => listing::owners(found),
        CommandResult::Packed(packed) => pack::text(packed, verbose, elapsed),
        CommandResult::Verified(wheels) => verified(wheels, verbose > 0),
    };
    let is_for_programs = |format: &ListFormat| *format != ListFormat::Columns;
    let is_data = matches!(&parsed.command, Command::List(format, _) if is_for_programs(format));
    if verbose > 0 && !is_data && !done.is_document() {
        text += &figures(results);
    }
    text
}

/// What `-v` adds to a result that other programs read, and that has stdout for itself.
pub fn figures_beside(results: &Results) -> String {
    match &results.done {
        #[cfg(feature = "http")]
        Some(CommandResult::Resolved(shown)) => figures(results) + &shown.asked(),
        _ => String::new(),
    }
}

/// What is printed even with `--quiet`: which files differ, without which the error is of no use.
pub fn quiet_results(results: &Results) -> String {
    match &results.done {
        Some(CommandResult::Checked(checked)) => {
            differences(&checked.differences) + &unmet_requirements(&checked.unmet)
        }
        _ => String::new(),
    }
}

/// The environment, and how long each step took.
fn figures(results: &Results) -> String {
    let timings = results.timings.iter().map(|&(step, took)| {
        let milliseconds = took.as_secs_f64() * 1e3;
        format!("  {:7}{milliseconds:9.1} ms\n", step_name(step))
    });
    environment(results) + &remote_wheels(results) + &timings.collect::<String>()
}

/// The environment: its kind, its path, and its interpreter.
fn environment(results: &Results) -> String {
    let Some(environment) = &results.environment else {
        return String::new();
    };
    let interpreter = environment.interpreter();
    let interpreter = interpreter.map(|path| format!(" at {}", shown(path)));
    let described = escaped(&environment.to_string());
    format!("  {described}{}\n", interpreter.unwrap_or_default())
}

/// How many wheels the cache had, and how many were downloaded.
fn remote_wheels(results: &Results) -> String {
    let cached = results.wheels.values().filter(|cached| **cached).count();
    let downloaded = results.wheels.len() - cached;
    match results.wheels.len() {
        0 => String::new(),
        _ => format!("  wheels: {cached} from the cache, {downloaded} downloaded\n"),
    }
}

/// Whether something was or would be installed, so that it is worth to say where.
fn installs(outcome: &Outcome) -> bool {
    let mut changes = outcome.changes.iter();
    changes.any(|change| !matches!(change.action, Action::Keep | Action::Remove))
}

fn shown(path: &Path) -> String {
    escaped(&path.display().to_string())
}

/// The name of a step.
fn step_name(step: Step) -> &'static str {
    match step {
        Step::Resolve => "resolve",
        Step::Open => "open",
        Step::Plan => "plan",
        Step::Stage => "stage",
        Step::Commit => "commit",
        Step::Clean => "clean",
        // A step that the library adds later.
        _ => "other",
    }
}

#[cfg(feature = "http")]
fn downloaded(wheels: &[DownloadedWheel], status: Status) -> String {
    let verb = match status {
        Status::Planned => "would download ",
        _ => "",
    };
    let line = |wheel: &DownloadedWheel| {
        let size = wheel.size.filter(|_| !verb.is_empty());
        let size = size.map(|bytes| format!(" ({})", units::size(bytes)));
        format!("{verb}{}{}\n", shown(&wheel.path), size.unwrap_or_default())
    };
    wheels.iter().map(line).collect()
}

fn verified(wheels: &[VerifiedWheel], verbose: bool) -> String {
    let (files, bytes) = wheels.iter().fold((0, 0), |(files, bytes), wheel| {
        (files + wheel.files, bytes + wheel.bytes)
    });
    let line = |wheel: &VerifiedWheel| {
        let (name, version) = (&wheel.name, escaped(&wheel.version));
        let files = counted(usize::try_from(wheel.files).unwrap_or(usize::MAX), "file");
        format!(" {name} {version}: {files}, {}\n", size(wheel.bytes))
    };
    let lines: String = wheels.iter().filter(|_| verbose).map(line).collect();
    let wheels = counted(wheels.len(), "wheel");
    let files = counted(usize::try_from(files).unwrap_or(usize::MAX), "file");
    format!(
        "{lines}verified {wheels}, {files}, {}: no faults\n",
        size(bytes)
    )
}

fn checked_text(checked: &CheckOutcome) -> String {
    compared(checked) + &unmet_requirements(&checked.unmet)
}

fn compared(checked: &CheckOutcome) -> String {
    if !checked.differences.is_empty() {
        return differences(&checked.differences);
    }
    let projects = counted(checked.projects, "project");
    let files = counted(usize::try_from(checked.files).unwrap_or(usize::MAX), "file");
    format!("checked {projects}, {files}: all match RECORD\n")
}

/// One line per requirement that nothing installed meets.
fn unmet_requirements(unmet: &[UnmetRequirement]) -> String {
    let line = |unmet: &UnmetRequirement| {
        let found = unmet.installed.as_deref().map_or_else(
            || "which is not installed".to_owned(),
            |version| format!("but {} is installed", escaped(version)),
        );
        format!(
            "requires    {} {}  {}, {found}\n",
            unmet.project,
            escaped(&unmet.version),
            escaped(&unmet.requirement)
        )
    };
    unmet.iter().map(line).collect()
}

/// One line per file that differs from its RECORD.
fn differences(found: &[Difference]) -> String {
    let line = |difference: &Difference| {
        let state = match difference.state {
            DifferenceState::Missing => "missing",
            DifferenceState::Changed => "changed",
            DifferenceState::Unreadable => "unreadable",
            DifferenceState::Mode => "mode",
            DifferenceState::Record => "record",
            _ => "differs",
        };
        let detail = difference
            .detail
            .as_deref()
            .map(|detail| format!(" ({})", escaped(detail)))
            .unwrap_or_default();
        format!(
            "{state:10}  {}  {}{detail}\n",
            difference.project,
            escaped(&difference.path)
        )
    };
    found.iter().map(line).collect()
}

/// The error, what to do about it, and the state in which the environment is.
pub fn error(error: &Error, results: &Results, parsed: &Parsed) -> String {
    let label = paint("31", "error");
    let verbose = parsed.output.verbose > 0;
    let all_faults = verbose || matches!(parsed.command, Command::Verify(_));
    let mut text = match (error.clashes(), error.refused_wheels()) {
        ([], wheels @ [_, ..]) if all_faults => {
            format!("{label}: {}\n{}", error.headline(), every_fault(wheels))
        }
        ([], _) => format!("{label}: {error}\n"),
        (clashes, _) => {
            let paths = conflicts::refused(clashes, verbose);
            format!("{label}: {}\n{paths}", error.headline())
        }
    };
    for advice in hints::ways_out(error) {
        text += &hint(&advice);
    }
    if let Some(advice) = hints::hint(error) {
        text += &hint(advice);
    }
    if hints::is_about_places(error, &results.pip_places) {
        text += &pip_places(&results.pip_places);
    }
    let place = results
        .environment
        .as_ref()
        .map(|environment| {
            format!(
                " in `{}`",
                escaped(&environment.root().display().to_string())
            )
        })
        .unwrap_or_default();
    let state = match error.effect() {
        Effect::Untouched => format!("nothing was changed{place}"),
        Effect::RolledBack => {
            format!("all changes were rolled back, nothing is changed{place}")
        }
        Effect::Unfinished => {
            let options = environment_options(parsed, results);
            format!(
                "a change is unfinished{place}; run `pkg-install recover{options}` to settle it"
            )
        }
    };
    // Wrong usage and commands that only read are no reason to fear for the environment.
    let is_feared = parsed.command.is_writing() && error.kind() != ErrorKind::Usage;
    if is_feared || error.effect() != Effect::Untouched {
        text += &format!("{}: {state}\n", paint("36", "state"));
    }
    text
}

/// How to bring back what RECORD states, if `check` found that it is not there.
pub fn repair(results: &Results, parsed: &Parsed) -> String {
    let Some(CommandResult::Checked(checked)) = &results.done else {
        return String::new();
    };
    // Without a RECORD a project cannot be replaced; such a difference has the name of a directory.
    let is_replaceable = |difference: &&Difference| !is_of_whole_project(&difference.path);
    let damaged = checked.differences.iter().filter(is_replaceable);
    let damaged: BTreeSet<String> = damaged
        .map(|difference| {
            let pin = format!("{}=={}", difference.project, difference.version);
            for_shell(Path::new(&pin))
        })
        .collect();
    if damaged.is_empty() {
        return String::new();
    }
    let damaged: Vec<String> = damaged.into_iter().collect();
    let options = environment_options(parsed, results);
    hint(&format!(
        "`pkg-install --reinstall {}{options}` repairs this; it also takes the wheels that were \
         installed",
        damaged.join(" ")
    ))
}

/// Whether a difference is about a project without RECORD: its path is that of the directory that
/// makes the project installed.
fn is_of_whole_project(path: &str) -> bool {
    !path.contains('/') && (path.ends_with(".dist-info") || path.contains(".egg"))
}

/// The way back from a transaction that can be undone.
pub fn way_back(results: &Results, parsed: &Parsed) -> String {
    match &results.done {
        Some(CommandResult::Changes(outcome))
            if parsed.options.undoable && outcome.status == Status::Committed =>
        {
            let options = environment_options(parsed, results);
            hint(&format!("`pkg-install undo{options}` takes this back"))
        }
        _ => String::new(),
    }
}

/// Where pip's configuration says to look; empty if it has no say.
pub fn pip_places(places: &[String]) -> String {
    if places.is_empty() {
        return String::new();
    }
    let places = places.iter().map(|place| format!("`{}`", escaped(place)));
    let places = places.collect::<Vec<_>>().join(", ");
    hint(&format!(
        "pip's configuration says where to look: {places}; `--no-pip-config` ignores it"
    ))
}

/// Advice, on a line of its own.
pub fn hint(advice: &str) -> String {
    format!("{}: {advice}\n", paint("36", "hint"))
}

/// Arguments that are refused.
pub fn refusal(refusal: &UsageError) -> String {
    let message = escaped(&refusal.message);
    let advice = refusal.hint.as_deref().map(|advice| hint(&escaped(advice)));
    format!("{}: {message}\n", paint("31", "error")) + &advice.unwrap_or_default()
}

/// One line for each fault of each wheel, unless the sentence has said the only one.
fn every_fault(wheels: &[(String, Vec<Fault>)]) -> String {
    if let [(_, faults)] = wheels
        && faults.len() == 1
    {
        return String::new();
    }
    let faults = wheels
        .iter()
        .flat_map(|(wheel, faults)| faults.iter().map(move |fault| (wheel, fault)));
    faults
        .map(|(wheel, fault)| match wheels {
            [_] => format!("  {fault}\n"),
            _ => format!("  `{}`: {fault}\n", escaped(wheel)),
        })
        .collect()
}

/// The options that select the same environment again, with a space before each.
fn environment_options(parsed: &Parsed, results: &Results) -> String {
    let locate = parsed.locate();
    if locate.target.is_none() && (locate.python.is_some() || locate.prefix.is_some()) {
        let places = [
            ("--python", locate.python),
            ("--prefix", locate.prefix),
            ("--root", locate.root),
        ];
        let mut words = String::new();
        for (option, value) in places {
            if let Some(value) = value {
                words += &format!(" {option} {}", for_shell(&value));
            }
        }
        // A prefix without an interpreter has the directories of the one that is described.
        if let Some(release) = locate.described.release {
            words += &format!(" --python-version {release}");
        }
        if let Some(platform) = locate.described.platform {
            words += &format!(" --python-platform {}", platform.tag());
        }
        return words;
    }
    results
        .environment
        .as_ref()
        .map(|environment| format!(" --target {}", for_shell(environment.root())))
        .unwrap_or_default()
}

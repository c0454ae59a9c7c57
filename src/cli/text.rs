//! Results, warnings and errors as text for people.
//!
//! Input: plain data of the library. Output: strings with ANSI colours; the streams drop the
//! colours if they show none. Names and paths from wheels are escaped, since a terminal would obey
//! the control characters in them.

use std::time::Duration;

use super::options::Parsed;
use super::quoting::for_shell;
use super::refusal::UsageError;
use super::{CommandResult, Results, hints};
use pkg_install::command::Step;
use pkg_install::error::{Effect, Error, ErrorKind, WarningCode, escaped};
use pkg_install::{
    Action, Difference, DifferenceState, InstalledProject, Outcome, PathConflict, ProjectChange,
    Status, UnmetRequirement, Warning,
};

/// How many projects are listed without `-v`.
// A terminal of 24 rows then still shows the summary and some warnings.
const MAX_PROJECTS: usize = 12;
/// How many warnings of one kind are shown without `-v`.
// A build tool tends to repeat one mistake in every row and every wheel.
const MAX_WARNINGS: usize = 3;

/// The result of a command. `elapsed` is the time since the program started.
pub fn results(results: &Results, verbose: bool, elapsed: Duration) -> String {
    let Some(done) = &results.done else {
        return String::new();
    };
    let mut text = match done {
        CommandResult::Changes(outcome) => {
            let place = results.environment.as_ref().filter(|_| installs(outcome));
            let place = place.map(|place| format!("into the {}\n", escaped(&place.to_string())));
            changes(outcome, verbose, elapsed) + &place.unwrap_or_default()
        }
        CommandResult::Undone(outcome) if outcome.status == Status::Planned => {
            "would undo the last transaction\n".to_owned()
        }
        CommandResult::Undone(_) => "undone: the last transaction\n".to_owned(),
        CommandResult::Recovered(outcome) if outcome.status == Status::Unchanged => {
            "nothing to recover\n".to_owned()
        }
        CommandResult::Recovered(_) => "recovered\n".to_owned(),
        CommandResult::Checked(checked) => {
            let compared = if checked.differences.is_empty() {
                format!("{} as recorded\n", counted(checked.projects, "project"))
            } else {
                differences(&checked.differences)
            };
            compared + &unmet_requirements(&checked.unmet)
        }
        #[cfg(feature = "http")]
        CommandResult::Downloaded(paths) => paths
            .iter()
            .map(|path| format!("{}\n", escaped(&path.display().to_string())))
            .collect(),
        #[cfg(feature = "http")]
        CommandResult::Resolved(shown) => shown.text(),
        CommandResult::Listed(projects) => list(projects),
    };
    if verbose {
        text.extend(results.timings.iter().map(|&(step, took)| {
            let milliseconds = took.as_secs_f64() * 1e3;
            format!("  {:7}{milliseconds:9.1} ms\n", step_name(step))
        }));
    }
    text
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

fn changes(outcome: &Outcome, verbose: bool, elapsed: Duration) -> String {
    let shown = if verbose { usize::MAX } else { MAX_PROJECTS };
    let changed: Vec<&ProjectChange> = outcome
        .changes
        .iter()
        .filter(|change| change.action != Action::Keep)
        .collect();
    let mut text: String = changed.iter().take(shown).map(|one| change(one)).collect();
    if changed.len() > shown {
        text += &format!("   … and {} more\n", changed.len() - shown);
    }
    text.extend(outcome.conflicts.iter().map(conflict));
    if let Some(files) = outcome.files.as_ref().filter(|_| verbose) {
        for (word, paths) in [("remove", &files.remove), ("write", &files.write)] {
            let lines = paths
                .iter()
                .map(|path| format!("   {word:6}  {}\n", escaped(path)));
            text.extend(lines);
        }
    }
    let kept = outcome.changes.len() - changed.len();
    if kept > 0 {
        let are = if kept == 1 { "is" } else { "are" };
        text += &format!("{} {are} already installed\n", counted(kept, "project"));
    }
    text + &summary(outcome, &changed, elapsed)
}

/// Whether something was or would be installed, so that it is worth to say where.
fn installs(outcome: &Outcome) -> bool {
    let mut changes = outcome.changes.iter();
    changes.any(|change| !matches!(change.action, Action::Keep | Action::Remove))
}

fn change(change: &ProjectChange) -> String {
    let (name, version) = (&change.name, escaped(&change.version));
    match change.action {
        Action::Install => format!(" {} {name} {version}\n", paint("32", "+")),
        Action::Replace => {
            let previous = change.previous.as_deref().map(escaped).unwrap_or_default();
            format!(" {} {name} {previous} → {version}\n", paint("33", "~"))
        }
        Action::Reinstall => format!(" {} {name} {version}\n", paint("33", "~")),
        Action::Remove => format!(" {} {name} {version}\n", paint("31", "-")),
        // Nothing is done, or something that the library adds later.
        _ => String::new(),
    }
}

fn conflict(conflict: &PathConflict) -> String {
    format!(
        "   `{}` of {}: {} wins\n",
        escaped(&conflict.path),
        escaped(&conflict.owners.join(", ")),
        escaped(&conflict.resolution)
    )
}

fn summary(outcome: &Outcome, changed: &[&ProjectChange], elapsed: Duration) -> String {
    let count = |actions: &[Action]| {
        let these = changed
            .iter()
            .filter(|change| actions.contains(&change.action));
        these.count()
    };
    let planned = outcome.status == Status::Planned;
    let parts: Vec<String> = [
        (count(&[Action::Install]), "installed", "would install"),
        (
            count(&[Action::Replace, Action::Reinstall]),
            "replaced",
            "would replace",
        ),
        (count(&[Action::Remove]), "removed", "would remove"),
    ]
    .into_iter()
    .filter(|(number, ..)| *number > 0)
    .map(|(number, done, would)| {
        let verb = if planned { would } else { done };
        format!("{verb} {}", counted(number, "project"))
    })
    .collect();
    if parts.is_empty() {
        return "nothing to do\n".to_owned();
    }
    let (files, bytes) = changed.iter().fold((0, 0), |(files, bytes), change| {
        (files + change.files, bytes + change.bytes)
    });
    let took = if planned {
        String::new()
    } else {
        format!(" in {}", duration(elapsed))
    };
    format!(
        "{}: {} files, {}{took}\n",
        parts.join(", "),
        grouped(files),
        size(bytes)
    )
}

fn list(projects: &[InstalledProject]) -> String {
    let width = |column: fn(&InstalledProject) -> usize| {
        projects.iter().map(column).max().unwrap_or_default()
    };
    let name = width(|project| project.name.len());
    let version = width(|project| project.version.len());
    let installer = width(|project| project.installer.as_deref().unwrap_or("-").len());
    let line = |project: &InstalledProject| {
        let files = project.files.map_or_else(
            || "no RECORD".to_owned(),
            |files| format!("{} files", grouped(files)),
        );
        let bytes = project.bytes.map(size).unwrap_or_default();
        let conflicts = match project.conflicts.as_slice() {
            [] => String::new(),
            others => format!("  conflicts with {}", others.join(", ")),
        };
        let line = format!(
            "{:name$}  {:version$}  {:installer$}  {files:>13}  {bytes:>10}{conflicts}",
            project.name,
            escaped(&project.version),
            escaped(project.installer.as_deref().unwrap_or("-")),
        );
        line.trim_end().to_owned() + "\n"
    };
    projects.iter().map(line).collect()
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

/// The warnings, grouped by kind, with only the first few of each unless `verbose`.
pub fn warnings(warnings: &[Warning], verbose: bool) -> String {
    let shown = if verbose { usize::MAX } else { MAX_WARNINGS };
    // There are few kinds, so a linear search is cheap, and a list keeps their first order.
    let mut codes: Vec<WarningCode> = Vec::new();
    for warning in warnings {
        if !codes.contains(&warning.code) {
            codes.push(warning.code);
        }
    }
    let mut text = String::new();
    for code in codes {
        let alike: Vec<&Warning> = warnings
            .iter()
            .filter(|warning| warning.code == code)
            .collect();
        for warning in alike.iter().take(shown) {
            let about = warning
                .wheel
                .as_deref()
                .map(|wheel| format!("`{}`: ", escaped(wheel)))
                .unwrap_or_default();
            let label = paint("33", "warning");
            text += &format!("{label}: {about}{}\n", escaped(&warning.message));
        }
        if alike.len() > shown {
            let more = alike.len() - shown;
            text += &format!("         … and {more} more like this ({code}; `-v` shows all)\n");
        }
    }
    text
}

/// The error, what to do about it, and the state in which the environment is.
pub fn error(error: &Error, results: &Results, parsed: &Parsed) -> String {
    let mut text = format!("{}: {error}\n", paint("31", "error"));
    for advice in hints::ways_out(error) {
        text += &hint(&advice);
    }
    if let Some(advice) = hints::hint(error) {
        text += &hint(advice);
    }
    let place = results
        .environment
        .as_ref()
        .map(|environment| format!(" in `{}`", escaped(&environment.root.display().to_string())))
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

/// The options that select the same environment again, with a space before each.
fn environment_options(parsed: &Parsed, results: &Results) -> String {
    let locate = parsed.locate();
    if let Some(python) = locate.python.filter(|_| locate.target.is_none()) {
        let mut words = format!(" --python {}", for_shell(&python));
        for (option, value) in [("--prefix", locate.prefix), ("--root", locate.root)] {
            if let Some(value) = value {
                words += &format!(" {option} {}", for_shell(&value));
            }
        }
        return words;
    }
    results
        .environment
        .as_ref()
        .map(|environment| format!(" --target {}", for_shell(&environment.root)))
        .unwrap_or_default()
}

fn paint(code: &str, text: &str) -> String {
    format!("\u{1b}[1;{code}m{text}\u{1b}[0m")
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

fn duration(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}

/// Bytes with three digits and a decimal unit, such as `56.8 MB`.
#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let (mut value, mut unit) = (bytes as f64 / 1e3, 0);
    // 999.5 would be rounded to 1000.
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1e3;
        unit += 1;
    }
    let decimals = match value {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {}", units[unit])
}

/// A number with a comma after each group of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1000, 36_367, 1_000_000].map(grouped),
            ["0", "999", "1,000", "36,367", "1,000,000"]
        );
        assert_eq!(
            [12, 1_500, 56_789_012].map(size),
            ["12 bytes", "1.50 kB", "56.8 MB"]
        );
        assert_eq!(size(1_153_000_000), "1.15 GB");
    }
}

//! What was done to projects, or would be.

use std::time::Duration;

use pkg_install::error::escaped;
use pkg_install::results::ProjectChange;
use pkg_install::{Action, Outcome, Status};

use super::conflicts;
use super::units::{counted, duration, grouped, paint, size};

/// How many projects are listed without `-v`.
// A terminal of 24 rows then still shows the summary and some warnings.
const MAX_PROJECTS: usize = 12;
/// How many projects an undo names in its first line.
const MAX_UNDONE: usize = 3;

/// The changes, the conflicts that were resolved, and a summary. `elapsed` is the time since the
/// program started.
pub fn changes(outcome: &Outcome, verbose: u8, elapsed: Duration) -> String {
    let changed: Vec<&ProjectChange> = outcome
        .changes
        .iter()
        .filter(|change| change.action != Action::Keep)
        .collect();
    let mut text = lines(&changed, verbose);
    text += &conflicts::resolved(&outcome.conflicts, verbose > 0);
    if let Some(files) = outcome.files.as_ref().filter(|_| verbose > 0) {
        for (word, paths) in [("remove", &files.remove), ("write", &files.write)] {
            let lines = paths
                .iter()
                .map(|path| format!("   {word:6}  {}\n", escaped(path)));
            text.extend(lines);
        }
    }
    let kept = outcome.changes.len() - changed.len();
    if kept > 0 {
        text += &format!("{} already installed\n", counted(kept, "project"));
    }
    text + &summary(outcome, &changed, elapsed)
}

/// What an undo took back, and then what that changed.
pub fn undone(outcome: &Outcome, verbose: u8) -> String {
    if outcome.status == Status::Unchanged {
        return "nothing to undo\n".to_owned();
    }
    let changed: Vec<&ProjectChange> = outcome.changes.iter().collect();
    let verb = match outcome.status {
        Status::Planned => "would undo",
        _ => "undone",
    };
    let mut named: Vec<String> = changed
        .iter()
        .take(MAX_UNDONE)
        .map(|one| taken_back(one))
        .collect();
    if changed.len() > MAX_UNDONE {
        named.push(format!("{} more", changed.len() - MAX_UNDONE));
    }
    if named.is_empty() {
        // Only files of projects were replaced, or nothing that is a project.
        named.push("the last transaction".to_owned());
    }
    format!("{verb}: {}\n", named.join(", ")) + &lines(&changed, verbose)
}

/// The change that an undo reverses, from the change that the undo makes.
fn taken_back(change: &ProjectChange) -> String {
    let (name, version) = (&change.name, escaped(&change.version));
    match (change.action, &change.previous) {
        (Action::Replace, Some(previous)) => format!("{name} {version} → {}", escaped(previous)),
        (Action::Install, _) => format!("removal of {name} {version}"),
        (Action::Remove, _) => format!("installation of {name} {version}"),
        _ => format!("reinstallation of {name} {version}"),
    }
}

fn lines(changed: &[&ProjectChange], verbose: u8) -> String {
    let shown = if verbose > 0 {
        usize::MAX
    } else {
        MAX_PROJECTS
    };
    let mut text: String = changed
        .iter()
        .take(shown)
        .map(|one| line(one, verbose))
        .collect();
    if changed.len() > shown {
        text += &format!("   … and {} more\n", changed.len() - shown);
    }
    text
}

fn line(change: &ProjectChange, verbose: u8) -> String {
    let (name, version) = (&change.name, escaped(&change.version));
    let mut line = match change.action {
        Action::Install => format!(" {} {name} {version}", paint("32", "+")),
        Action::Replace => {
            let previous = change.previous.as_deref().map(escaped).unwrap_or_default();
            format!(" {} {name} {previous} → {version}", paint("33", "~"))
        }
        Action::Reinstall => format!(" {} {name} {version}", paint("33", "~")),
        Action::Remove => format!(" {} {name} {version}", paint("31", "-")),
        // Nothing is done, or something that the library adds later.
        _ => return String::new(),
    };
    if verbose > 1 {
        let files = counted(usize::try_from(change.files).unwrap_or(usize::MAX), "file");
        line += &format!(": {files}, {}", size(change.bytes));
        let source = change.source.as_deref().map(escaped);
        line += &source
            .map(|source| format!(", from {source}"))
            .unwrap_or_default();
    }
    line + "\n"
}

fn summary(outcome: &Outcome, changed: &[&ProjectChange], elapsed: Duration) -> String {
    let count = |actions: &[Action]| {
        let these = changed
            .iter()
            .filter(|change| actions.contains(&change.action));
        these.count()
    };
    let planned = outcome.status == Status::Planned;
    let installed = match outcome.status {
        Status::Packed => "packed",
        _ => "installed",
    };
    let parts: Vec<String> = [
        (count(&[Action::Install]), installed, "would install"),
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

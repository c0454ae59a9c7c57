//! The history: a line for each transaction.

use pkg_install::command::Timestamp;
use pkg_install::error::escaped;
use pkg_install::results::{PastTransaction, RecordedAction, RecordedChange};

use super::units::paint;

/// How many projects a line names without `-v`.
const MAX_NAMED: usize = 3;

/// A line for each transaction, oldest first: its number, its time, what it changed, and whether it
/// can be undone.
pub fn history(transactions: &[PastTransaction], verbose: bool) -> String {
    if transactions.is_empty() {
        return "nothing is recorded; the first command with `--undoable` begins the history\n"
            .to_owned();
    }
    let last = transactions.last().map_or(0, |last| last.number);
    let width = last.to_string().len();
    let lines = transactions.iter().map(|past| {
        let time = Timestamp::from_seconds(past.time);
        let what = match past.back_to {
            Some(0) => "undone to what was before the first".to_owned(),
            Some(number) => format!("undone to {number}"),
            None => changes(&past.changes, verbose),
        };
        let state = match (past.is_kept, past.is_undone) {
            (true, _) => "  (can be undone)",
            (_, true) => "  (undone)",
            _ => "",
        };
        format!("{:>width$}  {time}  {what}{state}\n", past.number)
    });
    lines.collect()
}

fn changes(changes: &[RecordedChange], verbose: bool) -> String {
    let most = if verbose { usize::MAX } else { MAX_NAMED };
    let mut named: Vec<String> = changes.iter().take(most).map(change).collect();
    if changes.len() > named.len() {
        named.push(format!("{} more", changes.len() - named.len()));
    }
    if named.is_empty() {
        // Only files of projects were replaced.
        return "no project".to_owned();
    }
    named.join(", ")
}

fn change(change: &RecordedChange) -> String {
    let (name, version) = (escaped(&change.name), escaped(&change.version));
    match (change.action, &change.previous) {
        (RecordedAction::Install, _) => format!("{} {name} {version}", paint("32", "+")),
        (RecordedAction::Replace, Some(previous)) => {
            let previous = escaped(previous);
            format!("{} {name} {previous} → {version}", paint("33", "~"))
        }
        (RecordedAction::Replace | RecordedAction::Reinstall, _) => {
            format!("{} {name} {version}", paint("33", "~"))
        }
        (RecordedAction::Remove, _) => format!("{} {name} {version}", paint("31", "-")),
    }
}

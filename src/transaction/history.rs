//! The history: a line for each transaction since the first one that was kept to be undone.
//!
//! Input: the transaction that has just been committed. Output: the file `history` in the main
//! state directory, with one line of JSON for each transaction:
//!
//! ```json
//! {"number":2,"time":1764197298,"changes":[{"action":"install","name":"idna","version":"3.7"}]}
//! {"number":3,"time":1764197400,"changes":[],"back_to":1}
//! ```
//!
//! The second line is that of an undo: everything after transaction 1 was taken back. The history
//! is for people. Nothing is moved because of it, except that `undo --to` is refused if it shows a
//! transaction that was not kept.

use serde::{Deserialize, Serialize};

use super::state_dir::{HISTORY, NEW_HISTORY, StateDir};
use crate::error::Result;
use crate::outcome::{Action, ProjectChange};

/// The most transactions of which there are lines. The oldest are dropped.
const MOST_LINES: usize = 1000;

/// The line of one transaction. Its journal has it, too, so that a crash after the commit point
/// does not lose it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryLine {
    /// The number of the transaction, from 1.
    pub number: u64,
    /// When it was committed, in seconds since 1970.
    pub time: u64,
    /// What it changed.
    pub changes: Vec<RecordedChange>,
    /// Of an undo: the last transaction that it did not take back; 0 if it took back all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_to: Option<u64>,
}

/// What was done to one project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedChange {
    /// `install`, `replace`, `reinstall` or `remove`.
    pub action: RecordedAction,
    /// The project's name, normalised.
    pub name: String,
    /// The version afterwards; for a removed project the version before.
    pub version: String,
    /// The version before, if the project was installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
}

/// The kinds of changes that are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordedAction {
    /// It was new.
    Install,
    /// Another version replaced it.
    Replace,
    /// The same version replaced it.
    Reinstall,
    /// It was removed.
    Remove,
}

impl HistoryLine {
    /// The line of a transaction with these changes. Its number is that of no other one.
    pub fn new(number: u64, about: About<'_>) -> Self {
        let changes = about.changes.iter().filter_map(RecordedChange::of);
        Self {
            number,
            time: about.time,
            changes: changes.collect(),
            back_to: None,
        }
    }
}

impl RecordedChange {
    fn of(change: &ProjectChange) -> Option<Self> {
        let action = match change.action {
            Action::Install => RecordedAction::Install,
            Action::Replace => RecordedAction::Replace,
            Action::Reinstall => RecordedAction::Reinstall,
            Action::Remove => RecordedAction::Remove,
            Action::Keep => return None,
        };
        Some(Self {
            action,
            name: change.name.clone(),
            version: change.version.clone(),
            previous: change.previous.clone(),
        })
    }
}

/// What the history says about a transaction.
#[derive(Debug, Clone, Copy, Default)]
pub struct About<'a> {
    /// What it changes.
    pub changes: &'a [ProjectChange],
    /// The time, in seconds since 1970.
    pub time: u64,
}

/// The lines of the history, oldest first; none if there is no history.
///
/// # Errors
/// It is no regular file, or others could have written it.
pub(super) fn read(main: &StateDir) -> Result<Vec<HistoryLine>> {
    let Some((content, _)) = main.read_trusted(HISTORY)? else {
        return Ok(Vec::new());
    };
    // A line that a power cut has torn is passed over: nothing depends on it.
    let lines = content.split(|&byte| byte == b'\n');
    Ok(lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect())
}

/// Adds the line of a transaction, unless it was added before.
///
/// # Errors
/// The file cannot be read or written.
pub(super) fn add(main: &StateDir, line: &HistoryLine, durable: bool) -> Result<()> {
    let mut lines = read(main)?;
    if lines.last().is_some_and(|last| last.number >= line.number) {
        return Ok(());
    }
    let is_cut = is_cut(&lines);
    lines.push(line.clone());
    if standing(&lines).is_empty() && !is_cut {
        // Everything was taken back, so the environment becomes what it was before the first line.
        main.dir().remove_file(HISTORY)?;
        return flush(main, durable);
    }
    let dropped = lines.len().saturating_sub(MOST_LINES);
    let mut content = Vec::new();
    for line in &lines[dropped..] {
        serde_json::to_writer(&mut content, line).expect("a line is numbers and text");
        content.push(b'\n');
    }
    // A reader never sees a part of it.
    main.write(NEW_HISTORY, &content, durable)?;
    main.dir().replace(NEW_HISTORY, HISTORY)?;
    flush(main, durable)
}

/// The record that the line is from is deleted next, and must not be lost before.
fn flush(main: &StateDir, durable: bool) -> Result<()> {
    if durable { main.dir().flush() } else { Ok(()) }
}

/// Whether the oldest lines were dropped.
pub(super) fn is_cut(lines: &[HistoryLine]) -> bool {
    lines.first().is_some_and(|first| first.number > 1)
}

/// The numbers of the transactions that were not taken back, in ascending order.
pub(super) fn standing(lines: &[HistoryLine]) -> Vec<u64> {
    let mut standing = Vec::new();
    for line in lines {
        match line.back_to {
            Some(last) => standing.retain(|&number| number <= last),
            None => standing.push(line.number),
        }
    }
    standing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64, back_to: Option<u64>) -> HistoryLine {
        HistoryLine {
            number,
            time: 1,
            changes: Vec::new(),
            back_to,
        }
    }

    #[test]
    fn an_undo_takes_back_all_later_transactions() {
        let lines = [line(1, None), line(2, None), line(3, None)];
        assert_eq!(standing(&lines), [1, 2, 3]);
        let mut lines = lines.to_vec();
        lines.push(line(4, Some(1)));
        assert_eq!(standing(&lines), [1]);
        lines.push(line(5, None));
        assert_eq!(standing(&lines), [1, 5]);
        lines.push(line(6, Some(0)));
        assert!(standing(&lines).is_empty());
    }

    #[test]
    fn fields_of_later_versions_are_passed_over() {
        let text = r#"{"number":7,"time":1,"changes":[],"by":"somebody"}"#;
        let read: HistoryLine = serde_json::from_str(text).expect("it can be read");
        assert_eq!(read, line(7, None));
    }
}

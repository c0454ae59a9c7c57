//! The parts of the JSON object about past transactions.

use pkg_install::command::Timestamp;
use pkg_install::results::{PastTransaction, RecordedAction, RecordedChange};
use schemars::JsonSchema;
use serde::Serialize;

/// A transaction of the history.
#[derive(Serialize, JsonSchema)]
pub struct TransactionObject<'a> {
    /// From 1.
    number: u64,
    /// As `2026-11-26T12:30:00Z`.
    time: String,
    /// Sorted by project.
    changes: Vec<PastChangeObject<'a>>,
    /// Of an undo: the last transaction that it did not take back; 0 if it took back all of them.
    back_to: Option<u64>,
    /// Whether an undo has taken it back.
    undone: bool,
    /// Whether it is kept, so that it can be undone.
    kept: bool,
}

#[derive(Serialize, JsonSchema)]
struct PastChangeObject<'a> {
    #[schemars(extend("enum" = ["install", "replace", "reinstall", "remove"]))]
    action: &'static str,
    name: &'a str,
    version: &'a str,
    previous: Option<&'a str>,
}

impl<'a> TransactionObject<'a> {
    pub fn of(past: &'a PastTransaction) -> Self {
        Self {
            number: past.number,
            time: Timestamp::from_seconds(past.time).to_string(),
            changes: past.changes.iter().map(PastChangeObject::of).collect(),
            back_to: past.back_to,
            undone: past.is_undone,
            kept: past.is_kept,
        }
    }
}

impl<'a> PastChangeObject<'a> {
    fn of(change: &'a RecordedChange) -> Self {
        Self {
            action: match change.action {
                RecordedAction::Install => "install",
                RecordedAction::Replace => "replace",
                RecordedAction::Reinstall => "reinstall",
                RecordedAction::Remove => "remove",
            },
            name: &change.name,
            version: &change.version,
            previous: change.previous.as_deref(),
        }
    }
}

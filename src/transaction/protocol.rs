//! The protocol of a transaction, from the journal to the commit point and back.
//!
//! Input: a journal and its open directories. Output: all of its operations made, or none of them.
//! Everything before the journal is renamed to its name, and everything after it loses that name,
//! needs no undoing. A failure in between is undone in reverse by [`roll_back`], which is also what
//! recovery calls after a crash.

use std::fmt;
use std::time::Duration;

use super::executor::Executor;
use super::history::About;
use super::journal::Journal;
use super::state_dir::{self, JOURNAL, NEW_JOURNAL, UNDO};
use super::{marks, records};
use crate::environment::layout::Layout;
use crate::error::{Effect, Error, Result, WarningCode};
use crate::outcome::Warning;

/// How to commit.
#[derive(Debug, Clone, Copy, Default)]
pub struct CommitOptions<'a> {
    /// Flush the staged files before the journal, and the renames before the commit point.
    pub durable: bool,
    /// Keep what `undo` needs.
    pub undoable: bool,
    /// What the history gets, if there is one.
    pub about: About<'a>,
}

/// A transaction that has happened.
#[derive(Debug)]
pub struct Committed {
    /// How long it took up to the commit point.
    pub moved: Duration,
    /// Faults of the cleaning afterwards.
    pub warnings: Vec<Warning>,
}

/// A transaction that failed, and the state in which it left the environment.
pub struct Failed {
    /// Why it failed.
    pub error: Error,
    /// The effect of what could not be taken back.
    pub effect: Effect,
}

impl Failed {
    /// Nothing was changed yet.
    pub(super) fn untouched(error: Error) -> Self {
        Self {
            error,
            effect: Effect::Untouched,
        }
    }
}

impl fmt::Debug for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.effect, self.error)
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.error.with_effect(failed.effect)
    }
}

/// Runs the protocol up to and including the commit point.
pub(super) fn run(
    executor: &Executor<'_>,
    journal: &Journal,
    durable: bool,
) -> std::result::Result<(), Failed> {
    run_checked(executor, journal, durable, |_| Ok(()))
}

/// As [`run`]; but `check` is called before each operation, with its number. If it fails, the
/// operations so far are taken back.
pub(super) fn run_checked(
    executor: &Executor<'_>,
    journal: &Journal,
    durable: bool,
    check: impl Fn(usize) -> Result<()>,
) -> std::result::Result<(), Failed> {
    if durable {
        // Errors of delayed writing show here, before anything was moved.
        executor.flush_file_systems().map_err(Failed::untouched)?;
    }
    if let Err(error) = write_journal(executor, journal, durable) {
        // The journal may be visible already. Nothing was moved yet, so without it nothing has
        // happened.
        let state = executor.main().dir();
        let gone = state
            .remove_file(JOURNAL)
            .and_then(|()| state.remove_file(NEW_JOURNAL));
        let effect = match gone {
            Ok(()) => Effect::Untouched,
            Err(_) => Effect::Unfinished,
        };
        return Err(Failed { error, effect });
    }
    let mut operations = journal.operations.iter().enumerate();
    let moved = operations.try_for_each(|(number, operation)| {
        check(number)?;
        executor.execute(operation)
    });
    let flushed = moved.and_then(|()| {
        if durable {
            executor.flush_file_systems()
        } else {
            Ok(())
        }
    });
    let Err(error) = flushed.and_then(|()| commit_point(executor, journal, durable)) else {
        return Ok(());
    };
    let effect = match roll_back(executor, journal, durable) {
        Ok(()) => Effect::RolledBack,
        Err(_) => Effect::Unfinished,
    };
    Err(Failed { error, effect })
}

fn write_journal(executor: &Executor<'_>, journal: &Journal, durable: bool) -> Result<()> {
    let state = executor.main();
    // A torn journal never has the journal's name: it is complete, and flushed, before the rename.
    state.write(NEW_JOURNAL, &journal.encode(), durable)?;
    state.dir().replace(NEW_JOURNAL, JOURNAL)?;
    if durable {
        state.dir().flush()?;
    }
    Ok(())
}

/// The instant in which the transaction has happened: the journal is gone, or has become the record
/// that `undo` reads.
pub(super) fn commit_point(
    executor: &Executor<'_>,
    journal: &Journal,
    durable: bool,
) -> Result<()> {
    let state = executor.main().dir();
    if journal.undoable {
        // The marks precede the rename, since a record without marks could never be undone.
        marks::write(executor, journal, durable)?;
        records::keep_last(executor.main(), durable)?;
        state.replace(JOURNAL, UNDO)
    } else if journal.line.is_some() || state.stat(UNDO)?.is_some() {
        // The records of earlier transactions become void in the same instant: the record of one
        // that cannot be undone takes the name. The history gets its line from there.
        state.replace(JOURNAL, UNDO)
    } else {
        state.remove_file(JOURNAL)
    }
}

/// Reverts the operations that were made, last one first, and then removes the journal. May be
/// killed anywhere and called again.
///
/// # Errors
/// Something cannot be moved back. The journal stays then, and a later call goes on.
pub(super) fn roll_back(executor: &Executor<'_>, journal: &Journal, durable: bool) -> Result<()> {
    for operation in journal.operations.iter().rev() {
        executor.revert(operation)?;
    }
    if durable {
        // The renames must not be lost once the journal that names them is gone.
        executor.flush_file_systems()?;
    }
    let state = executor.main().dir();
    // A commit point that failed, or was cut short, may have written the marks already.
    if journal.undoable {
        state.remove_file(&marks::name(journal))?;
        records::drop_copy(executor.main())?;
    }
    state.remove_file(JOURNAL)?;
    if durable {
        state.flush()?;
    }
    Ok(())
}

/// Makes the commit durable and deletes what is not needed any more. The transaction has happened,
/// so failures are only warnings.
pub(super) fn finish(
    executor: &Executor<'_>,
    journal: &Journal,
    layout: &Layout,
    durable: bool,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |code, message| {
        warnings.push(Warning {
            code,
            wheel: None,
            message,
        });
    };
    // The flush precedes the cleaning: if a power cut brought the journal back, recovery would
    // need the trash.
    if durable && let Err(error) = executor.main().dir().flush() {
        warn(
            WarningCode::NotDurable,
            format!("the change is made, but may not survive a loss of power: {error}"),
        );
    }
    // Without a history there are no records.
    let kept = match journal.line {
        Some(_) => records::settle(executor.main(), layout, durable),
        None => Ok(Vec::new()),
    };
    let cleaned = kept.and_then(|kept| state_dir::clean(&executor.state_dirs(), &kept));
    if let Err(error) = cleaned {
        warn(
            WarningCode::NotCleaned,
            format!("{error}; the next command deletes it"),
        );
    }
    warnings
}

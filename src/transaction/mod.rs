//! The transaction: moving everything in, or nothing.
//!
//! Input: [`Staged`]. Output: the environment changed, or as it was. The journal is written whole
//! before the first rename, and unlinking it is the one instant of commitment. Every failure in
//! between is undone in reverse by `roll_back`, which is also what recovery does after a crash:
//! each operation is judged by its private side only, since the live names mislead. No content is
//! written here but the journal's, and only here is anything moved outside of staging.
//!
//! Assumed of the file system: a rename is atomic; with `durable`, that what was flushed stays
//! flushed.

mod executor;
pub(crate) mod journal;
mod recover;
mod undo;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::environment::layout::{Layout, RootId, SchemeKey};
use crate::error::{Effect, Error, Result};
use crate::fs::{self, Fs};
use crate::outcome::Warning;
use crate::plan::spread::CONTROL;
use crate::plan::{Operation, OperationKind};
use crate::stage::{self, Area, Staged};

use executor::Field;
pub use journal::Journal;
use journal::{JournalOperation, JournalRoot};
pub use recover::{Recovered, recover};
pub use undo::{UndoPlan, plan_undo, take_back};

/// The name of the journal in `.pkg-install`.
pub const JOURNAL: &str = "journal";
/// The name of a journal while it is written.
const NEW_JOURNAL: &str = "journal.new";
/// The name of the record that `undo` needs.
pub const UNDO: &str = "undo";

/// How to commit.
#[derive(Debug, Clone, Copy, Default)]
pub struct CommitOptions {
    /// Flush what was staged before the journal, and what was moved before the commit point.
    pub durable: bool,
    /// Keep what `undo` needs.
    pub undoable: bool,
}

/// Moves everything in. Not interrupted by signals; when it returns without an error the
/// environment is changed.
///
/// # Errors
/// Where an operation failed; [`Error::effect`] says whether it was taken back.
pub fn commit(
    fs: &Fs,
    layout: &Layout,
    staged: Staged,
    options: CommitOptions,
) -> Result<Committed> {
    let (plan, areas, made) = staged.into_parts();
    let committed = move_in(fs, layout, &areas, plan.operations, options);
    if let Err(error) = &committed
        && error.effect() != Effect::Unfinished
    {
        // What cannot be deleted now is found by the next command.
        let _ = stage::discard(fs, &areas, &made);
    }
    committed
}

fn move_in(
    fs: &Fs,
    layout: &Layout,
    areas: &HashMap<RootId, Area>,
    mut operations: Vec<Operation>,
    options: CommitOptions,
) -> Result<Committed> {
    let begin = Instant::now();
    loop {
        let (mut journal, control) = journal_of(layout, areas, &operations)?;
        journal.undoable = options.undoable;
        let field = Field::open(fs, layout, &journal, &control)?;
        let error = match run(&field, &journal, options) {
            Ok(()) => {
                let moved = begin.elapsed();
                return Ok(Committed {
                    moved,
                    warnings: finish(&field, layout, &journal, options.durable),
                });
            }
            Err(error) => error,
        };
        if error.effect() != Effect::RolledBack || !is_cross_device(&error) {
            return Err(error);
        }
        // A directory that comes from a lower layer of an overlay cannot be moved, but its files
        // can.
        let expanded = field.expanded(&journal, &operations)?;
        if expanded.len() == operations.len() {
            return Err(error);
        }
        operations = expanded;
    }
}

/// What came of a commit.
#[derive(Debug)]
pub struct Committed {
    /// How long it took up to the commit point.
    pub moved: Duration,
    /// What could not be cleaned up afterwards.
    pub warnings: Vec<Warning>,
}

fn is_cross_device(error: &Error) -> bool {
    error.os_code() == Some(rustix::io::Errno::XDEV.raw_os_error())
}

/// The journal of `operations`, and the roots in its order.
fn journal_of(
    layout: &Layout,
    areas: &HashMap<RootId, Area>,
    operations: &[Operation],
) -> Result<(Journal, PathBuf)> {
    let (main, _) = layout.directory(SchemeKey::Purelib);
    let mut order: Vec<RootId> = areas.keys().copied().collect();
    order.sort_unstable();
    let mut roots = Vec::with_capacity(order.len());
    for root in &order {
        let area = &areas[root];
        roots.push(JournalRoot {
            path: layout.roots()[usize::from(root.0)].clone(),
            inode: area.live.own_stat()?.inode,
            home: area.home.path().to_owned(),
            stage: area.stage.clone(),
            trash: area.trash.clone(),
        });
    }
    let number = |root: RootId| {
        order
            .iter()
            .position(|known| *known == root)
            .unwrap_or(usize::MAX)
    };
    let operations = operations
        .iter()
        .map(|operation| JournalOperation {
            kind: operation.kind,
            root: number(operation.place.root),
            path: operation.place.path.as_str().to_owned(),
            slot: operation.slot.to_string(),
            mode: operation.mode,
        })
        .collect();
    let journal = Journal {
        uid: fs::user(),
        roots,
        operations,
        undoable: false,
    };
    Ok((journal, stage::control_home(layout, main).join(CONTROL)))
}

/// Runs the protocol up to and including the commit point.
fn run(field: &Field, journal: &Journal, options: CommitOptions) -> Result<()> {
    let untouched = |error: Error| error.with_effect(Effect::Untouched);
    if options.durable {
        field.flush_file_systems().map_err(untouched)?;
    }
    if let Err(error) = write_journal(field, journal, options) {
        // It may be visible already; nothing was moved yet, so without it nothing has happened.
        let gone = field
            .main()
            .remove_file(JOURNAL)
            .and_then(|()| field.main().remove_file(NEW_JOURNAL));
        let effect = if gone.is_ok() {
            Effect::Untouched
        } else {
            Effect::Unfinished
        };
        return Err(error.with_effect(effect));
    }
    let moved = journal
        .operations
        .iter()
        .try_for_each(|operation| field.execute(operation));
    let flushed = moved.and_then(|()| {
        if options.durable {
            field.flush_file_systems()
        } else {
            Ok(())
        }
    });
    let Err(error) = flushed.and_then(|()| commit_point(field, journal, options.durable)) else {
        return Ok(());
    };
    let undone = roll_back(field, journal, options.durable);
    Err(error.with_effect(if undone.is_ok() {
        Effect::RolledBack
    } else {
        Effect::Unfinished
    }))
}

fn write_journal(field: &Field, journal: &Journal, options: CommitOptions) -> Result<()> {
    let control = field.main();
    control.remove_file(NEW_JOURNAL)?;
    let mut file = control.create(NEW_JOURNAL, false)?;
    file.write(&journal.encode())?;
    if options.durable {
        file.flush()?;
    }
    drop(file);
    control.replace(NEW_JOURNAL, JOURNAL)?;
    if options.durable {
        control.flush()?;
    }
    Ok(())
}

/// The instant in which the transaction has happened: the journal is gone, or has become what
/// `undo` reads.
fn commit_point(field: &Field, journal: &Journal, durable: bool) -> Result<()> {
    let control = field.main();
    if journal.undoable {
        undo::write_marks(field, journal, durable)?;
        control.replace(JOURNAL, UNDO)?;
    } else if control.stat(UNDO)?.is_some() {
        // What an earlier transaction kept is void in the same instant.
        control.replace(JOURNAL, UNDO)?;
    } else {
        control.remove_file(JOURNAL)?;
    }
    Ok(())
}

/// Takes back whatever of the journal was done, in reverse, and then the journal itself. May be
/// killed anywhere and called again.
///
/// # Errors
/// Where something cannot be moved back; the journal stays then, and the rest can be taken back
/// later.
fn roll_back(field: &Field, journal: &Journal, durable: bool) -> Result<()> {
    for operation in journal.operations.iter().rev() {
        field.revert(operation)?;
    }
    if durable {
        field.flush_file_systems()?;
    }
    if journal.undoable {
        field.main().remove_file(&undo::marks_name(journal))?;
    }
    field.main().remove_file(JOURNAL)?;
    if durable {
        field.main().flush()?;
    }
    Ok(())
}

/// Makes the commit durable and deletes what is not needed any more. The transaction has happened:
/// what fails here is only warned of.
fn finish(field: &Field, layout: &Layout, journal: &Journal, durable: bool) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |code, message| {
        warnings.push(Warning {
            code,
            wheel: None,
            message,
        });
    };
    if durable && let Err(error) = field.main().flush() {
        warn(
            "not-durable",
            format!("the change is made, but may not survive a loss of power: {error}"),
        );
    }
    let keep = journal.undoable.then_some(journal);
    if let Err(error) = recover::clean(field.fs(), layout, &field.homes(), keep) {
        warn(
            "not-cleaned",
            format!("{error}; the next command deletes it"),
        );
    }
    warnings
}

/// Whether an operation of this kind has something in the trash.
fn fills_trash(kind: OperationKind) -> bool {
    kind == OperationKind::Out
}

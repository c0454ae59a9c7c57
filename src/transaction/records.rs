//! Records: the journals of transactions that can be undone.
//!
//! Input: a main state directory. Output: the records, newest first, and the names that must stay
//! because of them. The record of the last transaction is called `undo`. When another one is
//! committed that can be undone, the former becomes `undo-NUMBER`. A transaction that cannot be
//! undone voids all records; an undo voids those of the transactions that it took back.
//!
//! Invariant: one rename, of the journal to `undo`, commits a transaction and decides which records
//! are void. They are deleted afterwards, by [`settle`], which a crash may interrupt anywhere.

use super::history::{self, HistoryLine, RecordedChange};
use super::journal::Journal;
use super::state_dir::{HISTORY, OLDER_UNDO, StateDir, UNDO};
use super::{marks, read};
use crate::environment::layout::Layout;
use crate::error::{Error, Result};
use crate::fs::Fs;

/// The most transactions that are kept to be undone. Each keeps the files that it replaced.
// Ten upgrades are further back than people remember, and bound the space.
pub(super) const MOST_KEPT: usize = 10;

/// A transaction that can be undone.
pub(super) struct Record {
    /// The name of its file.
    pub name: String,
    /// Its journal.
    pub journal: Journal,
}

/// The name of the record of an older transaction.
fn older_name(number: u64) -> String {
    format!("{OLDER_UNDO}{number}")
}

/// The number in the name of an older record.
fn number_in(name: &str) -> Option<u64> {
    name.strip_prefix(OLDER_UNDO)?.parse().ok()
}

/// Whether there is any record, void or not.
///
/// # Errors
/// The directory cannot be read.
pub(super) fn are_there(main: &StateDir) -> Result<bool> {
    let names = main.dir().names()?;
    let mut names = names.iter().filter_map(|(name, _)| name.to_str());
    Ok(names.any(|name| name == UNDO || number_in(name).is_some()))
}

/// The record of the last transaction; `None` if that cannot be undone.
///
/// # Errors
/// It cannot be trusted.
pub(super) fn last(main: &StateDir, layout: &Layout) -> Result<Option<Record>> {
    let journal = read::read(main, layout, UNDO)?;
    // A record that is not undoable only voids others.
    let journal = journal.filter(|journal| journal.undoable);
    Ok(journal.map(|journal| Record {
        name: UNDO.to_owned(),
        journal,
    }))
}

/// All records that are not void, newest first.
///
/// # Errors
/// One of them cannot be trusted.
pub(super) fn all(main: &StateDir, layout: &Layout) -> Result<Vec<Record>> {
    let mut numbers = Vec::new();
    for (name, _) in main.dir().names()? {
        numbers.extend(name.to_str().and_then(number_in));
    }
    // Newest first.
    numbers.sort_unstable_by(|one, two| two.cmp(one));
    let last = read::read(main, layout, UNDO)?;
    if let Some(journal) = &last {
        let line = journal.line.as_ref();
        match (journal.undoable, line) {
            // The copy of the last record is made before the next one takes its name.
            (true, Some(line)) => numbers.retain(|number| *number < line.number),
            (false, Some(line)) => {
                let back_to = line.back_to;
                numbers.retain(|number| back_to.is_some_and(|last| *number <= last));
            }
            // Only the first version of this tool wrote no line, and it kept one transaction.
            (_, None) => numbers.clear(),
        }
    }
    let mut records = Vec::with_capacity(numbers.len() + 1);
    let last = last.filter(|journal| journal.undoable);
    records.extend(last.map(|journal| Record {
        name: UNDO.to_owned(),
        journal,
    }));
    for number in numbers {
        if records.len() == MOST_KEPT {
            break;
        }
        let name = older_name(number);
        let journal = read::read(main, layout, &name)?;
        let journal = journal.filter(|journal| journal.undoable);
        records.extend(journal.map(|journal| Record { name, journal }));
    }
    Ok(records)
}

/// The line of the next transaction in the history; `None` if there is no history and `is_numbered`
/// does not say that this transaction has a number all the same.
///
/// # Errors
/// The history or the record of the last transaction cannot be trusted.
pub(super) fn next_line(
    main: &StateDir,
    layout: &Layout,
    about: history::About<'_>,
    is_numbered: bool,
) -> Result<Option<HistoryLine>> {
    if !is_numbered && main.dir().stat(HISTORY)?.is_none() {
        return Ok(None);
    }
    let lines = history::read(main)?;
    // The history may be lost, but two records must not get one name.
    let recorded = last(main, layout)?.and_then(|record| record.journal.line);
    let newest = lines.last().map(|line| line.number);
    let newest = newest.max(recorded.map(|line| line.number));
    let number = newest.map_or(1, |newest| newest.saturating_add(1));
    Ok(Some(HistoryLine::new(number, about)))
}

/// Keeps the record of the last transaction under its number, before another takes its name.
///
/// # Errors
/// It cannot be read or written.
pub(super) fn keep_last(main: &StateDir, durable: bool) -> Result<()> {
    let Some((content, _)) = main.read_trusted(UNDO)? else {
        return Ok(());
    };
    match Journal::decode(&content) {
        Ok(Journal {
            undoable: true,
            line: Some(line),
            ..
        }) => main.write(&older_name(line.number), &content, durable),
        // It is void, or of a version without numbers.
        _ => Ok(()),
    }
}

/// Reverts [`keep_last`].
///
/// # Errors
/// The copy cannot be deleted.
pub(super) fn drop_copy(main: &StateDir) -> Result<()> {
    let last = main.read_trusted(UNDO)?;
    let last = last.and_then(|(content, _)| Journal::decode(&content).ok());
    match last.and_then(|journal| journal.line) {
        Some(line) => main.dir().remove_file(&older_name(line.number)),
        None => Ok(()),
    }
}

/// Adds the last transaction to the history, and returns the names that must stay so that the
/// records can be undone.
///
/// # Errors
/// A record cannot be trusted, or the history cannot be written.
pub(super) fn settle(main: &StateDir, layout: &Layout, durable: bool) -> Result<Vec<String>> {
    let last = read::read(main, layout, UNDO)?;
    if let Some(line) = last.and_then(|journal| journal.line) {
        history::add(main, &line, durable)?;
    }
    let records = all(main, layout)?.into_iter();
    let names = records.map(|record| marks::kept_names(&record.name, &record.journal));
    Ok(names.flatten().collect())
}

/// The number of the last transaction that stands before the one of this record, 0 if there is
/// none; `None` if transactions had no numbers then.
///
/// # Errors
/// The history cannot be trusted.
pub(super) fn before(main: &StateDir, layout: &Layout, record: &Record) -> Result<Option<u64>> {
    let Some(line) = &record.journal.line else {
        return Ok(None);
    };
    let mut standing = history::standing(&history::read(main)?);
    // The history may be lost, which must not void older records.
    let records = all(main, layout)?.into_iter();
    standing.extend(records.filter_map(|record| Some(record.journal.line?.number)));
    let before = standing.into_iter().filter(|&one| one < line.number);
    Ok(Some(before.max().unwrap_or(0)))
}

/// The records of the transactions after this one, newest first, and the number of the transaction
/// that is the last one without them.
///
/// # Errors
/// There was no such transaction, it was taken back, or a later one was not kept.
pub(super) fn after(main: &StateDir, layout: &Layout, number: u64) -> Result<(Vec<Record>, u64)> {
    let root = &layout.roots()[usize::from(layout.main_root().0)];
    let refuse = |reason: String| Err(Error::cannot_go_back(root, number, reason));
    let lines = history::read(main)?;
    let asked = lines.iter().find(|line| line.number == number);
    // The state after an undo is that after the transaction to which it went back.
    let wanted = asked.and_then(|line| line.back_to).unwrap_or(number);
    let standing = history::standing(&lines);
    if wanted != 0 && !standing.contains(&wanted) {
        return refuse(match asked {
            Some(_) => "it was itself taken back".to_owned(),
            None => "the history has no such transaction".to_owned(),
        });
    }
    let mut records = all(main, layout)?;
    records.retain(|record| {
        let line = record.journal.line.as_ref();
        line.is_some_and(|line| line.number > wanted)
    });
    let kept = |number: &u64| {
        let mut lines = records.iter().filter_map(|one| one.journal.line.as_ref());
        lines.any(|line| line.number == *number)
    };
    let mut later = standing.iter().rev().filter(|later| **later > wanted);
    match later.find(|later| !kept(later)) {
        Some(lost) => refuse(format!("transaction {lost} was not kept")),
        None if wanted == 0 && history::is_cut(&lines) => {
            refuse("the beginning of the history was dropped".to_owned())
        }
        None => Ok((records, wanted)),
    }
}

/// A transaction of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PastTransaction {
    /// Its number, from 1.
    pub number: u64,
    /// When it was committed, in seconds since 1970.
    pub time: u64,
    /// What it changed, sorted by project.
    pub changes: Vec<RecordedChange>,
    /// Of an undo: the last transaction that it did not take back; 0 if it took back all of them.
    pub back_to: Option<u64>,
    /// Whether an undo has taken it back.
    pub is_undone: bool,
    /// Whether it is kept, so that it can be undone.
    pub is_kept: bool,
}

/// The transactions of the history, oldest first.
///
/// # Errors
/// The history or a record cannot be trusted.
pub fn past(fs: &Fs, layout: &Layout) -> Result<Vec<PastTransaction>> {
    let Some(main) = StateDir::main(fs, layout)? else {
        return Ok(Vec::new());
    };
    let lines = history::read(&main)?;
    let standing = history::standing(&lines);
    let records = all(&main, layout)?.into_iter();
    let kept: Vec<u64> = records
        .filter_map(|record| Some(record.journal.line?.number))
        .collect();
    let past = |line: HistoryLine| PastTransaction {
        number: line.number,
        time: line.time,
        is_undone: line.back_to.is_none() && !standing.contains(&line.number),
        is_kept: kept.contains(&line.number),
        changes: line.changes,
        back_to: line.back_to,
    };
    Ok(lines.into_iter().map(past).collect())
}

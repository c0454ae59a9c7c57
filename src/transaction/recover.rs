//! Recovery: settles what a crash left behind.
//!
//! Input: an environment under its lock. Output: the environment as it was before the interrupted
//! transaction, or as it is after it if every operation had been made; and nothing of ours left in
//! it. Every command begins with it. It is idempotent and may itself be killed anywhere. A journal
//! that cannot be trusted is never acted on and never deleted.

use super::areas::Area;
use super::executor::Executor;
use super::journal::Journal;
use super::protocol::{commit_point, roll_back};
use super::state_dir::{self, JOURNAL, StateDir, UNDO};
use super::{read, records};
use crate::environment::layout::Layout;
use crate::error::{Effect, Error, Result};
use crate::fs::Fs;

/// The result of recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovered {
    /// There was nothing to settle.
    Nothing,
    /// Only staged files were left; they are deleted.
    Cleaned,
    /// The changes of an interrupted transaction were taken back.
    RolledBack,
    /// All changes of an interrupted transaction had been made; it is finished.
    Finished,
}

/// Settles an interrupted command's remains in the environment. The lock must be held.
///
/// # Errors
/// The journal cannot be trusted or read, or something cannot be moved back. The journal stays
/// then, and with it everything that it takes to settle the environment later.
pub fn recover(fs: &Fs, layout: &Layout) -> Result<Recovered> {
    let mut homes = state_dir::homes(fs, layout)?;
    let dirs = state_dir::open_all(fs, layout, &homes)?;
    let dirs: Vec<&StateDir> = dirs.iter().collect();
    let Some(main) = StateDir::main(fs, layout)? else {
        return clean_leftovers(&dirs, &[]);
    };
    let Some(journal) = read::read(&main, layout, JOURNAL)? else {
        let kept = kept(&main, &dirs, fs, layout)?;
        return clean_leftovers(&dirs, &kept);
    };
    main.check_way(fs, layout, JOURNAL)?;
    let unfinished = |error: Error| error.with_effect(Effect::Unfinished);
    let areas = Area::of_journal(fs, layout, &journal).map_err(unfinished)?;
    let executor = Executor::new(&main, &areas);
    let recovered = settle(&executor, &journal).map_err(unfinished)?;
    // A root of the journal may be one that the layout does not know, such as a mount.
    homes.extend(journal.roots.iter().map(|root| root.home_path(layout)));
    let dirs = state_dir::open_all(fs, layout, &homes)?;
    let dirs: Vec<&StateDir> = dirs.iter().collect();
    state_dir::clean(&dirs, &kept(&main, &dirs, fs, layout)?)?;
    Ok(recovered)
}

fn settle(executor: &Executor<'_>, journal: &Journal) -> Result<Recovered> {
    let mut all_done = true;
    for operation in &journal.operations {
        all_done = all_done && executor.is_done(operation)?;
    }
    // Flushes are always made here: whether the interrupted command was durable is not known.
    // An empty journal is taken back, because finishing would void an earlier record for undo.
    if all_done && !journal.operations.is_empty() {
        executor.flush_file_systems()?;
        commit_point(executor, journal, true)?;
        executor.main().dir().flush()?;
        Ok(Recovered::Finished)
    } else {
        roll_back(executor, journal, true)?;
        Ok(Recovered::RolledBack)
    }
}

/// The names that must stay because transactions can be undone.
fn kept(main: &StateDir, dirs: &[&StateDir], fs: &Fs, layout: &Layout) -> Result<Vec<String>> {
    if !records::are_there(main)? {
        return Ok(Vec::new());
    }
    if main.check_way(fs, layout, UNDO).is_err() {
        // A record that others could have put there is not obeyed, not even in what it keeps. It is
        // not void either: the directories may get other permissions.
        return state_dir::all_names(dirs);
    }
    records::settle(main, layout, true)
}

fn clean_leftovers(dirs: &[&StateDir], kept: &[String]) -> Result<Recovered> {
    let something = state_dir::have_leftovers(dirs, kept)?;
    state_dir::clean(dirs, kept)?;
    Ok(if something {
        Recovered::Cleaned
    } else {
        Recovered::Nothing
    })
}

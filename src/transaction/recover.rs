//! Recovery: settling what a crash left behind.
//!
//! Input: an environment under its lock. Output: the environment as it was before the interrupted
//! transaction, or after it where every operation had been made; and nothing of ours left in it.
//! Every command begins with it. It is idempotent and may itself be killed anywhere. A journal that
//! is not ours is never acted on.

use super::executor::Executor;
use super::state_dir::{self, JOURNAL, StateDir};
use super::{commit_point, journal, roll_back, undo};
use crate::environment::layout::Layout;
use crate::error::Result;
use crate::fs::Fs;

/// What recovery found, and did about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovered {
    /// There was nothing to settle.
    Nothing,
    /// Only staged files were left; they are deleted.
    Cleaned,
    /// A transaction was in mid-change; it is taken back.
    RolledBack,
    /// A transaction had made all its changes; it is finished.
    Finished,
}

/// Settles whatever an interrupted command left in the environment. The lock must be held.
///
/// # Errors
/// Where the journal is not ours or cannot be read, or something cannot be moved back; nothing is
/// deleted then.
pub fn recover(fs: &Fs, layout: &Layout) -> Result<Recovered> {
    let dirs = state_dir::all(fs, layout)?;
    let Some(main) = StateDir::main(fs, layout)? else {
        return clean_leftovers(&dirs, &[]);
    };
    let Some(journal) = journal::read(&main, JOURNAL)? else {
        return clean_leftovers(&dirs, &undo::kept(&main)?);
    };
    let executor = Executor::open(fs, layout, &journal)?;
    let mut all_done = true;
    for operation in &journal.operations {
        all_done = all_done && executor.is_done(operation)?;
    }
    let recovered = if all_done && !journal.operations.is_empty() {
        executor.flush_file_systems()?;
        commit_point(&executor, &journal, true)?;
        main.dir().flush()?;
        Recovered::Finished
    } else {
        roll_back(&executor, &journal, true)?;
        Recovered::RolledBack
    };
    let kept = undo::kept(&main)?;
    // A root of the journal may be one that the layout does not know, such as a mount.
    state_dir::clean(executor.state_dirs(), &kept)?;
    state_dir::clean(&state_dir::all(fs, layout)?, &kept)?;
    Ok(recovered)
}

fn clean_leftovers(dirs: &[StateDir], kept: &[String]) -> Result<Recovered> {
    let something = state_dir::have_leftovers(dirs, kept)?;
    state_dir::clean(dirs, kept)?;
    Ok(if something {
        Recovered::Cleaned
    } else {
        Recovered::Nothing
    })
}

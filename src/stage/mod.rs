//! Staging: every file of the plan is written once and checked, with its final mode, into a
//! directory that nothing else looks at.
//!
//! Input: a [`Plan`], the wheels' [`Archives`] or their files in the [`Store`], and an empty
//! staging directory for each root. Output: [`Staged`], which `transaction::commit` moves into
//! place. There are two passes: first the contents, on all threads, the largest first and remote
//! wheels as they arrive, with bytecode compiled as soon as its source is there; then the RECORDs,
//! because they state digests that may be known only when a content was written. Wheels that are
//! put into the store are unpacked into it and linked from there, in the same pass. The first
//! failure stops everything.

mod arrivals;
mod compile;
mod directory_links;
mod fill;
mod linking;
mod links;
mod queue;
mod seal;
mod stages;
mod store_files;
mod uncompiled;
mod writers;

pub use arrivals::{Arrival, Arrivals, AwaitedFiles, receive};
pub use compile::CompileWith;
pub use queue::{Group, Queue};
pub use seal::{predict_records, record_of};
pub use stages::Stages;
pub use store_files::StoreFiles;

use std::collections::BTreeSet;

use crate::cancellation::Cancellation;
use crate::digest::Backend;
use crate::environment::layout::RootId;
use crate::error::Result;
use crate::outcome::Events;
use crate::plan::{Plan, PlannedFile};
use crate::spec::record::Verify;
#[cfg(doc)]
use crate::store::Store;
use crate::threads::{Pool, in_parallel};
use crate::wheel::Archives;
use links::StageLinks;
use uncompiled::Uncompiled;

/// Everything that staging needs beside the plan.
pub struct StageOptions<'a> {
    /// How strictly contents are checked.
    pub verify: Verify,
    /// The implementation that hashes.
    pub backend: Backend,
    /// The threads that write.
    pub pool: &'a Pool,
    /// The wheels that are still being downloaded, if any.
    pub arrivals: Option<Arrivals<'a>>,
    /// The store, if wheels come from it or go into it.
    pub store: Option<&'a StoreFiles<'a>>,
    /// What compiles the plan's bytecode, if it has any.
    pub compile: Option<CompileWith<'a>>,
    /// The time of all files and directories, in seconds since 1970; their modes do not depend on
    /// the user's mask then. Only possible with copies from the store.
    pub epoch: Option<u64>,
    /// Stops staging.
    pub cancel: &'a Cancellation,
    /// Gets an event for every file.
    pub progress: &'a dyn Events,
}

/// A plan whose files are all on disk, in a directory that nothing else looks at.
#[must_use = "staged files have to be committed"]
pub struct Staged {
    /// The plan that was staged.
    pub plan: Plan,
}

/// Writes every file of the plan into the staging directories, which are empty. The owner of the
/// directories deletes them after an error.
///
/// # Errors
/// The first failure of any worker or download.
pub fn stage(
    stages: &Stages<'_>,
    mut plan: Plan,
    archives: &Archives,
    options: StageOptions<'_>,
) -> Result<Staged> {
    let links = StageLinks::new(&plan, stages, options.store)?;
    let is_linked = |slot| {
        links
            .as_ref()
            .is_some_and(|links| links.directories.contains(slot))
    };
    make_directories(&plan, stages, options.pool, &|slot| !is_linked(slot))?;
    let (pool, cancel) = (options.pool, options.cancel);
    let (progress, epoch) = (options.progress, options.epoch);
    let written = writers::write_contents(&plan, (stages, links), archives, options)?;
    plan.keep_links(&written.directory_links);
    for (number, size) in &written.compiled.sizes {
        plan.files[*number].size = *size;
    }
    let uncompiled = Uncompiled::of(&plan, &written.compiled.refused);
    uncompiled.warn(&plan, progress);
    uncompiled.leave_out(&mut plan, stages)?;
    seal::write_records(&mut plan, stages, &written.digests, (pool, cancel))?;
    uncompiled.drop_operations(&mut plan);
    stages.gather(&plan.operations)?;
    if let Some(epoch) = epoch {
        settle(&plan, &uncompiled, stages, epoch)?;
    }
    // This is the last chance to stop, because signals do not interrupt the commit.
    cancel.check()?;
    Ok(Staged { plan })
}

/// Gives the staged files and directories their time and mode, now that all is written.
fn settle(plan: &Plan, uncompiled: &Uncompiled<'_>, stages: &Stages<'_>, epoch: u64) -> Result<()> {
    let mut directories: BTreeSet<(RootId, String)> = BTreeSet::new();
    for (number, file) in plan.files.iter().enumerate() {
        if uncompiled.contains(number) {
            continue;
        }
        let path = plan.staged_path(file);
        let root = file.place.root;
        stages
            .dir(root)
            .settle_file(&path, file.executable, epoch)?;
        let mut rest = path.as_str();
        while let Some((parent, _)) = rest.rsplit_once('/') {
            if !directories.insert((root, parent.to_owned())) {
                break;
            }
            rest = parent;
        }
    }
    for (root, path) in &directories {
        stages.dir(*root).open_own(path)?.settle(true, epoch)?;
    }
    Ok(())
}

/// Makes the staged directories of the slots for which `is_real` holds, each before those in it,
/// those of different operations at the same time.
fn make_directories(
    plan: &Plan,
    stages: &Stages<'_>,
    pool: &Pool,
    is_real: &(dyn Fn(u32) -> bool + Sync),
) -> Result<()> {
    // Files are sorted by place, so those that are moved in together follow each other.
    let by_slot = plan.files.chunk_by(|one, other| one.slot == other.slot);
    let by_slot: Vec<&[PlannedFile]> = by_slot.filter(|files| is_real(files[0].slot)).collect();
    let made = in_parallel(pool, &by_slot, |files| {
        let mut directories: BTreeSet<String> = BTreeSet::new();
        let in_one_directory =
            files.chunk_by(|one, other| one.place.path.directory() == other.place.path.directory());
        for files in in_one_directory {
            let path = plan.staged_path(&files[0]);
            let mut rest = path.as_str();
            while let Some((parent, _)) = rest.rsplit_once('/') {
                // The parents of a known directory are known, too.
                if !directories.insert(parent.to_owned()) {
                    break;
                }
                rest = parent;
            }
        }
        let (stage, slot) = (stages.dir(files[0].place.root), files[0].slot);
        // A path sorts before the paths that it begins.
        directories
            .into_iter()
            .try_for_each(|path| stage.make_dir(&stages.below(slot, path)))
    });
    made.into_iter().collect()
}

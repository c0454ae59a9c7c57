//! Stage: every file that the plan writes, written once, checked, with its final mode, where nobody
//! looks.
//!
//! Input: a [`Plan`], the wheels, an empty staging directory for each root. Output: [`Staged`], which
//! `commit` moves in. Directories are made
//! first, from a sorted set; then all files in parallel, entry by entry and big ones first, those
//! of a wheel that is still on its way when it has arrived; then each RECORD, when all digests are
//! known. The first failure stops all workers.

mod queue;
mod writers;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::digest::{Backend, Digest};
use crate::environment::layout::RootId;
use crate::error::{Error, Result};
use crate::fs::Dir;
use crate::outcome::Progress;
use crate::plan::{Content, Plan, RowFile, WheelId};
use crate::spec::record::{self, RecordRow, Verify};
use crate::threads::Pool;
use crate::wheel::Wheel;

/// What staging needs beside the plan.
#[derive(Clone, Copy)]
pub struct StageOptions<'a> {
    /// How strictly contents are checked.
    pub verify: Verify,
    /// What hashes.
    pub backend: Backend,
    /// The pool that the work is done on.
    pub pool: &'a Pool,
    /// What brings the wheels that are not here yet.
    pub bring: Option<&'a dyn Bring>,
    /// Stops the work once it is true.
    pub cancel: &'a AtomicBool,
    /// Told of every file.
    pub progress: &'a dyn Progress,
}

/// Brings wheels that were only previewed, while those that are here are staged.
pub trait Bring: Sync {
    /// Makes every wheel of `needed` [arrive](Wheel::arrive), and says so as soon as it has; ends
    /// early where no more are wanted.
    ///
    /// # Errors
    /// The first failure; nothing is staged any more then.
    fn bring(
        &self,
        wheels: &[Wheel],
        needed: &[WheelId],
        progress: &dyn Progress,
        waiting: &dyn Waiting,
    ) -> Result<()>;
}

/// Who waits for wheels.
pub trait Waiting: Sync {
    /// This wheel has arrived.
    fn here(&self, id: WheelId);

    /// Whether any more are wanted.
    fn wants_more(&self) -> bool;
}

/// The open staging directory of each root.
pub type Stages = HashMap<RootId, Dir>;

/// A plan whose files are all on disk, where nothing sees them yet.
#[must_use = "staged files have to be committed"]
pub struct Staged {
    /// The plan that was staged.
    pub plan: Plan,
}

/// A plan while it is staged.
struct Staging<'a> {
    plan: Plan,
    stages: &'a Stages,
}

/// Writes every file of the plan into the staging directories, which are empty. The directories'
/// owner deletes them after an error.
///
/// # Errors
/// The first failure of any worker.
pub fn stage(
    stages: &Stages,
    plan: Plan,
    wheels: &[Wheel],
    options: StageOptions<'_>,
) -> Result<Staged> {
    let mut staged = Staging { plan, stages };
    staged.make_directories()?;
    // RECORDs come afterwards, and nobody waits for them.
    let files = staged
        .plan
        .files
        .iter()
        .filter(|file| !matches!(file.content, Content::Record(_)));
    options
        .progress
        .begin(files.count() as u64, staged.plan.bytes());
    let written = writers::write_files(&staged, wheels, options);
    options.progress.end();
    let digests = written?;
    staged.write_records(&digests, options)?;
    if options.cancel.load(Ordering::Relaxed) {
        Err(Error::interrupted())
    } else {
        Ok(Staged { plan: staged.plan })
    }
}

impl Staging<'_> {
    /// The staging directory and the path in it of a file.
    fn path_of(&self, number: usize) -> String {
        self.plan.staged_path(&self.plan.files[number])
    }

    fn make_directories(&self) -> Result<()> {
        let mut directories: BTreeSet<(RootId, String)> = BTreeSet::new();
        for number in 0..self.plan.files.len() {
            let root = self.plan.files[number].place.root;
            let path = self.path_of(number);
            let mut at = path.as_str();
            while let Some((parent, _)) = at.rsplit_once('/') {
                if !directories.insert((root, parent.to_owned())) {
                    break;
                }
                at = parent;
            }
        }
        directories
            .iter()
            .try_for_each(|(root, path)| self.stages[root].make_dir(path))
    }

    /// Writes each RECORD: its rows sorted by path, its own without digest and size.
    fn write_records(
        &mut self,
        digests: &HashMap<usize, Digest>,
        options: StageOptions<'_>,
    ) -> Result<()> {
        for number in 0..self.plan.files.len() {
            let Content::Record(owner) = self.plan.files[number].content else {
                continue;
            };
            let owner = owner.0 as usize;
            if options.cancel.load(Ordering::Relaxed) {
                return Err(Error::interrupted());
            }
            let content = record::write_record(&self.rows(owner, digests));
            let path = self.path_of(number);
            let mut file = self.stages[&self.plan.files[number].place.root].create(&path, false)?;
            file.write(&content)?;
            self.plan.files[number].size = content.len() as u64;
            self.plan.changes[owner].bytes += content.len() as u64;
        }
        Ok(())
    }

    fn rows(&self, owner: usize, digests: &HashMap<usize, Digest>) -> Vec<RecordRow> {
        let mut rows: Vec<RecordRow> = self.plan.changes[owner]
            .record
            .iter()
            .map(|row| match &row.file {
                RowFile::Live(live) => RecordRow {
                    path: row.recorded.to_string(),
                    digest: live.digest,
                    size: live.size,
                },
                RowFile::New(number) => {
                    let number = *number as usize;
                    let file = &self.plan.files[number];
                    let own = matches!(file.content, Content::Record(_));
                    RecordRow {
                        path: row.recorded.to_string(),
                        digest: file
                            .digest
                            .or_else(|| digests.get(&number).copied())
                            .filter(|_| !own),
                        size: (!own).then_some(file.size),
                    }
                }
            })
            .collect();
        rows.sort_by(|a, b| a.path.cmp(&b.path));
        rows
    }
}

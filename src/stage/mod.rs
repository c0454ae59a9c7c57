//! Stage: every file that the plan writes, written once, checked, with its final mode, where nobody
//! looks.
//!
//! Input: a [`Plan`], the wheels, the layout. Output: [`Staged`], which `commit` moves in and which
//! deletes what was staged when it is dropped. The staging directory lies in `.pkg-install` beside
//! the packages, so that it is on their device and inherits what they would. Directories are made
//! first, from a sorted set; then all files in parallel, entry by entry and big ones first, those
//! of a wheel that is still on its way when it has arrived; then each RECORD, when all digests are
//! known. The first failure stops all workers.

mod queue;
mod writers;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::digest::{Backend, Digest};
use crate::environment::layout::{Layout, RootId, SchemeKey};
use crate::error::{Error, Result};
use crate::fs::{Dir, Fs};
use crate::outcome::Progress;
use crate::plan::spread::CONTROL;
use crate::plan::{Content, Plan, RowFile, WheelId};
use crate::spec::record::{self, RecordRow, Verify};
use crate::threads::Pool;
use crate::wheel::Wheel;

/// The name of the file in the main `.pkg-install` that lists the directories which hold another
/// one.
pub const AREAS: &str = "areas";

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

/// The private directories of a transaction below one root.
pub struct Area {
    /// The root itself.
    pub live: Dir,
    /// Its `.pkg-install`.
    pub control: Dir,
    /// The directory that holds `.pkg-install`.
    pub home: Dir,
    /// Where files are staged.
    pub stage: String,
    /// Where what goes is put.
    pub trash: String,
}

/// Everything is on disk, and nobody sees it.
#[must_use = "what was staged has to be committed, or dropped to delete it"]
pub struct Staged {
    /// The plan that was staged.
    pub plan: Plan,
    /// The private directories, by root.
    pub areas: HashMap<RootId, Area>,
    /// Directories that were made for them above `.pkg-install`, outermost first.
    made: Vec<PathBuf>,
    fs: Fs,
    settled: bool,
}

/// Writes everything that the plan wants written.
///
/// # Errors
/// The first failure; what was staged is deleted then.
pub fn stage(
    fs: &Fs,
    layout: &Layout,
    plan: Plan,
    wheels: &[Wheel],
    options: StageOptions<'_>,
) -> Result<Staged> {
    let mut staged = Staged {
        plan,
        areas: HashMap::new(),
        made: Vec::new(),
        fs: fs.clone(),
        settled: false,
    };
    let main = layout.main_root();
    let mut others: BTreeSet<RootId> = staged
        .plan
        .operations
        .iter()
        .map(|operation| operation.place.root)
        .collect();
    others.remove(&main);
    staged.open_area(layout, main)?;
    if !others.is_empty() {
        staged.name_others(layout, main, &others)?;
    }
    for root in others {
        staged.open_area(layout, root)?;
    }
    staged.make_directories()?;
    // RECORDs come afterwards, and nobody waits for them.
    let files = staged
        .plan
        .files
        .iter()
        .filter(|file| !matches!(file.content, Content::Record));
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
        Ok(staged)
    }
}

/// The directory that holds the `.pkg-install` of a root: purelib where that is inside the root,
/// else the root itself.
pub fn control_home(layout: &Layout, root: RootId) -> PathBuf {
    let (main, inside) = layout.directory(SchemeKey::Purelib);
    let path = &layout.roots()[usize::from(root.0)];
    match inside {
        Some(inside) if main == root => path.join(inside.as_str()),
        _ => path.clone(),
    }
}

impl Staged {
    fn open_area(&mut self, layout: &Layout, root: RootId) -> Result<()> {
        let home = control_home(layout, root);
        let gone = |path: &Path| Error::bad_environment(path, "it is gone");
        if layout.open(&self.fs, &home)?.is_none() {
            self.made.extend(Dir::make_all(&self.fs, &home)?);
        }
        let home = layout.open(&self.fs, &home)?.ok_or_else(|| gone(&home))?;
        let live = &layout.roots()[usize::from(root.0)];
        let live = layout.open(&self.fs, live)?.ok_or_else(|| gone(live))?;
        if home.stat(CONTROL)?.is_none() {
            home.make_dir(CONTROL)?;
        }
        let control = match home
            .open_below(CONTROL)
            .and_then(|control| control.ok_or_else(|| gone(home.path())))
        {
            Ok(control) => control,
            Err(error) => {
                // Empty where it was made just now, and then nobody else knows of it.
                let _ = home.remove_dir(CONTROL);
                return Err(error);
            }
        };
        // Known from here on, so that whatever fails next, it is deleted.
        let area = Area {
            live,
            control,
            home,
            stage: String::new(),
            trash: String::new(),
        };
        let area = self.areas.entry(root).or_insert(area);
        area.stage = area.control.make_unique("stage-")?;
        area.trash = area.control.make_unique("trash-")?;
        Ok(())
    }

    /// Writes down where else private directories will be made, for a recovery that would not think
    /// of looking there.
    fn name_others(&self, layout: &Layout, main: RootId, others: &BTreeSet<RootId>) -> Result<()> {
        let homes: Vec<PathBuf> = others
            .iter()
            .map(|root| control_home(layout, *root))
            .collect();
        let control = &self.areas[&main].control;
        control.remove_file(AREAS)?;
        control
            .create(AREAS, false)?
            .write(&serde_json::to_vec(&homes).unwrap_or_default())
    }

    /// The staging directory and the path in it of a file.
    fn path_of(&self, number: usize) -> String {
        let at = &self.plan.staged[number];
        match &at.below {
            Some(below) => format!("{}/{below}", at.slot),
            None => at.slot.to_string(),
        }
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
        let stages = self.stages()?;
        directories
            .iter()
            .try_for_each(|(root, path)| stages[root].make_dir(path))
    }

    fn stages(&self) -> Result<HashMap<RootId, Dir>> {
        let open = |(root, area): (&RootId, &Area)| {
            let stage = area.control.open_below(&area.stage)?;
            Ok((
                *root,
                stage.ok_or_else(|| {
                    Error::bad_environment(area.control.path(), "its staging is gone")
                })?,
            ))
        };
        self.areas.iter().map(open).collect()
    }

    /// Writes each RECORD: its rows sorted by path, its own without digest and size.
    fn write_records(
        &mut self,
        digests: &HashMap<usize, Digest>,
        options: StageOptions<'_>,
    ) -> Result<()> {
        let stages = self.stages()?;
        let records: Vec<usize> = (0..self.plan.files.len())
            .filter(|&number| matches!(self.plan.files[number].content, Content::Record))
            .collect();
        for number in records {
            if options.cancel.load(Ordering::Relaxed) {
                return Err(Error::interrupted());
            }
            let owner = self.plan.files[number].owner.0 as usize;
            let content = record::write_record(&self.rows(owner, digests));
            let path = self.path_of(number);
            let mut file = stages[&self.plan.files[number].place.root].create(&path, false)?;
            file.write(&content)?;
            self.plan.files[number].size = content.len() as u64;
            self.plan.changes[owner].bytes += content.len() as u64;
        }
        Ok(())
    }

    fn rows(&self, owner: usize, digests: &HashMap<usize, Digest>) -> Vec<RecordRow> {
        let mut rows: Vec<RecordRow> = self.plan.records[owner]
            .iter()
            .map(|row| match &row.file {
                RowFile::Live(live) => RecordRow {
                    path: row.recorded.to_string(),
                    ..(**live).clone()
                },
                RowFile::New(number) => {
                    let number = *number as usize;
                    let file = &self.plan.files[number];
                    let own = matches!(file.content, Content::Record);
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

    /// Takes the staged tree apart: from now on what happens to it is the transaction's business.
    pub(crate) fn into_parts(mut self) -> (Plan, HashMap<RootId, Area>, Vec<PathBuf>) {
        self.settled = true;
        (
            std::mem::take(&mut self.plan),
            std::mem::take(&mut self.areas),
            std::mem::take(&mut self.made),
        )
    }
}

/// Deletes the private directories of a transaction that changed nothing, and the directories made
/// for them. A failure stops the deleting and is returned; the next command goes on with it.
pub(crate) fn discard(fs: &Fs, areas: &HashMap<RootId, Area>, made: &[PathBuf]) -> Result<()> {
    for area in areas.values() {
        for name in [&area.stage, &area.trash]
            .into_iter()
            .filter(|name| !name.is_empty())
        {
            area.control.remove_tree(name)?;
        }
        // Where an undo is kept, or something unknown lies, the directory is not empty and stays.
        let _ = area.home.remove_dir(CONTROL);
    }
    // Only now is there nothing left that a recovery would have to be told of.
    for area in areas.values() {
        area.control.remove_file(AREAS)?;
        let _ = area.home.remove_dir(CONTROL);
    }
    Dir::remove_made(fs, made)
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.settled {
            // The next command finds what could not be deleted now, and there is nobody here to
            // tell.
            let _ = discard(&self.fs, &self.areas, &self.made);
        }
    }
}

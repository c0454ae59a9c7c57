//! Stage: every file that the plan writes, written once, checked, with its final mode, where nobody looks.
//!
//! Input: a [`Plan`], the wheels, the layout. Output: [`Staged`], which `commit` moves in and which deletes what was
//! staged when it is dropped. The staging directory lies in `.pkg-install` beside the packages, so that it is on their
//! device and inherits what they would. Directories are made first, from a sorted set; then all files in parallel, entry
//! by entry and big ones first, small ones of nearly one size together where they are hashed side by side; then each RECORD, when all digests are known. The first failure stops all workers.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::archive::{Expected, GROUP, Item, Scratch};
use crate::environment::place::{Layout, RootId, SchemeKey};
use crate::error::{Effect, Error, Result};
use crate::fs::{Dir, Door};
use crate::hash::{Algorithm, Digest, Engine};
use crate::plan::spread::CONTROL;
use crate::plan::{Content, NewFile, Plan, RowFile};
use crate::report::Progress;
use crate::spec::record::{self, RecordRow, Verify};
use crate::wheel::Wheel;

/// The name of the file in the main `.pkg-install` that lists the directories which hold another one.
pub const AREAS: &str = "areas";

/// What staging needs beside the plan.
#[derive(Clone, Copy)]
pub struct StageOptions<'a> {
    /// How strictly contents are checked.
    pub verify: Verify,
    /// What hashes.
    pub engine: Engine,
    /// The pool that the work is done on.
    pub pool: &'a rayon::ThreadPool,
    /// Stops the work once it is true.
    pub cancel: &'a AtomicBool,
    /// Told of every file.
    pub progress: &'a dyn Progress,
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
    door: Door,
    settled: bool,
}

/// Writes everything that the plan wants written.
///
/// # Errors
/// The first failure; what was staged is deleted then.
pub fn stage(door: &Door, layout: &Layout, plan: Plan, wheels: &[Wheel], options: StageOptions<'_>) -> Result<Staged> {
    let mut staged = Staged { plan, areas: HashMap::new(), made: Vec::new(), door: door.clone(), settled: false };
    let main = layout.main_root();
    let mut others: BTreeSet<RootId> = staged.plan.operations.iter().map(|operation| operation.place.root).collect();
    others.remove(&main);
    staged.open_area(layout, main)?;
    if !others.is_empty() {
        staged.name_others(layout, main, &others)?;
    }
    for root in others {
        staged.open_area(layout, root)?;
    }
    staged.make_directories()?;
    options.progress.begin(staged.plan.files.len() as u64, staged.plan.bytes());
    let written = staged.write_files(wheels, options);
    options.progress.end();
    let digests = written?;
    staged.write_records(&digests, options)?;
    if options.cancel.load(Ordering::Relaxed) { Err(Error::interrupted()) } else { Ok(staged) }
}

/// The directory that holds the `.pkg-install` of a root: purelib where that is inside the root, else the root itself.
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
        self.made.extend(Dir::make_all(&self.door, &home)?);
        let home = Dir::open(&self.door, &home)?;
        let live = Dir::open(&self.door, &layout.roots()[usize::from(root.0)])?;
        if home.stat(CONTROL)?.is_none() {
            home.make_dir(CONTROL)?;
        }
        let gone = || Error::bad_environment(home.path(), "its `.pkg-install` is gone");
        let control = match home.open_below(CONTROL).and_then(|control| control.ok_or_else(gone)) {
            Ok(control) => control,
            Err(error) => {
                // Empty where it was made just now, and then nobody else knows of it.
                let _ = home.remove_dir(CONTROL);
                return Err(error);
            }
        };
        // Known from here on, so that whatever fails next, it is deleted.
        let area = Area { live, control, home, stage: String::new(), trash: String::new() };
        let area = self.areas.entry(root).or_insert(area);
        area.stage = area.control.make_unique("stage-")?;
        area.trash = area.control.make_unique("trash-")?;
        Ok(())
    }

    /// Writes down where else private directories will be made, for a recovery that would not think of looking there.
    fn name_others(&self, layout: &Layout, main: RootId, others: &BTreeSet<RootId>) -> Result<()> {
        let homes: Vec<PathBuf> = others.iter().map(|root| control_home(layout, *root)).collect();
        let control = &self.areas[&main].control;
        control.remove_file(AREAS)?;
        control.create(AREAS, false)?.write(&serde_json::to_vec(&homes).unwrap_or_default())
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
        directories.iter().try_for_each(|(root, path)| stages[root].make_dir(path))
    }

    fn stages(&self) -> Result<HashMap<RootId, Dir>> {
        let open = |(root, area): (&RootId, &Area)| {
            let stage = area.control.open_below(&area.stage)?;
            Ok((*root, stage.ok_or_else(|| Error::bad_environment(area.control.path(), "its staging is gone"))?))
        };
        self.areas.iter().map(open).collect()
    }

    /// Writes all files but RECORDs; returns the digests that were not known before.
    fn write_files(&self, wheels: &[Wheel], options: StageOptions<'_>) -> Result<HashMap<usize, Digest>> {
        let mut order: Vec<usize> = (0..self.plan.files.len()).collect();
        order.retain(|&number| !matches!(self.plan.files[number].content, Content::Record));
        let generated = |number: usize| matches!(self.plan.files[number].content, Content::Bytes(_));
        order.sort_by_key(|&number| (generated(number), Reverse(self.plan.files[number].size)));
        let work = Work {
            staged: self,
            stages: self.stages()?,
            wheels,
            options,
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            failure: Mutex::new(None),
            digests: Mutex::new(HashMap::new()),
        };
        let groups = work.groups(&order);
        options.pool.broadcast(|_| {
            let mut scratch = Scratch::new();
            while let Some(&group) = groups.get(work.next.fetch_add(1, Ordering::Relaxed)) {
                if work.stop.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(error) = work.write_group(group, &mut scratch) {
                    work.fail(error);
                    return;
                }
            }
        });
        match work.failure.into_inner() {
            Ok(Some(error)) => Err(error),
            _ => Ok(work.digests.into_inner().unwrap_or_default()),
        }
    }

    /// Writes each RECORD: its rows sorted by path, its own without digest and size.
    fn write_records(&mut self, digests: &HashMap<usize, Digest>, options: StageOptions<'_>) -> Result<()> {
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
                RowFile::Live(live) => RecordRow { path: row.recorded.clone(), ..(**live).clone() },
                RowFile::New(number) => {
                    let number = *number as usize;
                    let file = &self.plan.files[number];
                    let own = matches!(file.content, Content::Record);
                    RecordRow {
                        path: row.recorded.clone(),
                        digest: file.digest.or_else(|| digests.get(&number).copied()).filter(|_| !own),
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
        (std::mem::take(&mut self.plan), std::mem::take(&mut self.areas), std::mem::take(&mut self.made))
    }
}

/// Deletes the private directories of a transaction that changed nothing, and the directories made for them. A failure
/// stops the deleting and is returned; the next command goes on with it.
pub(crate) fn discard(door: &Door, areas: &HashMap<RootId, Area>, made: &[PathBuf]) -> Result<()> {
    for area in areas.values() {
        for name in [&area.stage, &area.trash].into_iter().filter(|name| !name.is_empty()) {
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
    Dir::remove_made(door, made)
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.settled {
            // The next command finds what could not be deleted now, and there is nobody here to tell.
            let _ = discard(&self.door, &self.areas, &self.made);
        }
    }
}

/// What the workers share.
struct Work<'a> {
    staged: &'a Staged,
    stages: HashMap<RootId, Dir>,
    wheels: &'a [Wheel],
    options: StageOptions<'a>,
    next: AtomicUsize,
    stop: AtomicBool,
    failure: Mutex<Option<Error>>,
    digests: Mutex<HashMap<usize, Digest>>,
}

impl Work<'_> {
    fn fail(&self, error: Error) {
        if !self.stop.swap(true, Ordering::Relaxed)
            && let Ok(mut failure) = self.failure.lock()
        {
            *failure = Some(error.with_effect(Effect::Untouched));
        }
    }

    /// Puts together what is unpacked at once: as many small entries, neighbours in `order`, as the engine hashes side by
    /// side and memory allows; everything else alone.
    fn groups<'o>(&self, order: &'o [usize]) -> Vec<&'o [usize]> {
        let mut groups = Vec::new();
        let mut rest = order;
        while let [first, others @ ..] = rest {
            let mut room = GROUP.saturating_sub(self.staged.plan.files[*first].size);
            let fits = |number: &&usize| {
                let left = room.checked_sub(self.staged.plan.files[**number].size);
                room = left.unwrap_or(0);
                left.is_some() && self.small_item(**number).is_some()
            };
            let most = if self.small_item(*first).is_some() { self.options.engine.lanes() - 1 } else { 0 };
            let (group, after) = rest.split_at(1 + others.iter().take(most).take_while(fits).count());
            groups.push(group);
            rest = after;
        }
        groups
    }

    /// The file as an entry to unpack, and the name of its wheel, where it is a small one.
    fn small_item(&self, number: usize) -> Option<(&str, Item<'_>)> {
        let file = &self.staged.plan.files[number];
        let Content::Entry(id, entry) = file.content else { return None };
        let wheel = &self.wheels[id.0 as usize];
        let entry = wheel.entry(entry);
        let item = Item { archive: wheel.archive(), entry, expected: self.expected(file) };
        entry.is_small().then_some((&*wheel.label, item))
    }

    /// Writes a group of small entries, or one file of another kind.
    fn write_group(&self, group: &[usize], scratch: &mut Scratch) -> Result<()> {
        self.check_cancel()?;
        let (labels, items): (Vec<&str>, Vec<Item<'_>>) =
            group.iter().filter_map(|&number| self.small_item(number)).unzip();
        if items.is_empty() {
            return group.iter().try_for_each(|&number| self.write_alone(number, scratch));
        }
        let unpacked = scratch.unpack_each(&items, self.options.engine, &mut |at, content, digest| {
            self.check_cancel()?;
            let path = self.staged.path_of(group[at]);
            let file = &self.staged.plan.files[group[at]];
            self.stages[&file.place.root].create(&path, file.executable)?.write(content)?;
            self.finish(group[at], digest);
            Ok(())
        });
        unpacked.map_err(|(at, error)| error.of_wheel(labels[at]))
    }

    /// Writes what is at hand, or a large entry in pieces.
    fn write_alone(&self, number: usize, scratch: &mut Scratch) -> Result<()> {
        let file = &self.staged.plan.files[number];
        let path = self.staged.path_of(number);
        let mut output = self.stages[&file.place.root].create(&path, file.executable)?;
        let digest = match &file.content {
            Content::Bytes(bytes) => output.write(bytes).map(|()| None)?,
            Content::Entry(id, entry) => {
                let wheel = &self.wheels[id.0 as usize];
                let mut sink = |piece: &[u8]| {
                    self.check_cancel()?;
                    output.write(piece)
                };
                let unpacked = wheel.archive().unpack(wheel.entry(*entry), self.expected(file), scratch, &mut sink);
                unpacked.map_err(|error| error.of_wheel(&wheel.label))?
            }
            Content::Record => None,
        };
        self.finish(number, digest);
        Ok(())
    }

    /// A file is on disk: its digest is kept where it was not known before.
    fn finish(&self, number: usize, digest: Option<Digest>) {
        let file = &self.staged.plan.files[number];
        if let (None, Some(digest), Ok(mut digests)) = (file.digest, digest, self.digests.lock()) {
            digests.insert(number, digest);
        }
        self.options.progress.advance(1, file.size);
    }

    fn expected(&self, file: &NewFile) -> Expected {
        let digest = file.digest.filter(|_| self.options.verify != Verify::Off);
        Expected { digest, compute: file.digest.is_none().then_some(Algorithm::Sha256) }
    }

    fn check_cancel(&self) -> Result<()> {
        if self.options.cancel.load(Ordering::Relaxed) { Err(Error::interrupted()) } else { Ok(()) }
    }
}

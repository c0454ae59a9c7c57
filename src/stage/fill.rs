//! Wheels that are put into the store while they are staged: each entry is unpacked once, into the
//! store, and the file of the environment is made from there or from the same bytes.

use super::Stages;
use super::links::StageLinks;
use super::queue::{FILE_COST, Group, Work};
use crate::archive::{Archive, Entry, EntryBatch, Expected, Item, Scratch};
use crate::cancellation::Cancellation;
use crate::digest::Backend;
use crate::error::{Error, Result};
use crate::fs::{Dir, OutputFile};
use crate::plan::Plan;
use crate::store::{Filling, StoredFile};
use crate::wheel::{Archives, WheelEntry, WheelId};

/// The longest content that is written only after all of it was checked, in bytes.
const MAX_WHOLE: u64 = 1 << 20;

/// The groups of a wheel that is put into the store, whose archive is here.
pub(super) fn groups(id: WheelId, filling: &Filling<'_>, archive: &Archive) -> Vec<Group> {
    let entries = &filling.wheel().entries;
    let in_archive = |position: usize| &archive.entries()[entries[position].id.0 as usize];
    let mut positions: Vec<usize> = (0..entries.len()).collect();
    positions.sort_by_key(|&position| in_archive(position).range().start);
    let mut groups: Vec<Group> = Vec::new();
    let mut batch: Option<EntryBatch> = None;
    for position in positions {
        let entry: &Entry = in_archive(position);
        let goes_on = batch.as_mut().is_some_and(|batch| batch.add(entry));
        let cost = entry.size + 2 * FILE_COST;
        match groups.last_mut() {
            Some(Group {
                cost: sum,
                work: Work::Fill(_, positions),
                ..
            }) if goes_on => {
                *sum += cost;
                positions.push(position);
            }
            _ => {
                batch = Some(EntryBatch::of(entry));
                groups.push(Group {
                    unpacks: true,
                    cost,
                    work: Work::Fill(id, vec![position]),
                });
            }
        }
    }
    groups
}

/// A file that is being written into the store.
struct Stored<'f> {
    tree: &'f Dir,
    file: OutputFile<'f>,
}

/// Unpacks wheels into the store and into the environment.
pub(super) struct Filler<'a> {
    pub(super) plan: &'a Plan,
    pub(super) stages: &'a Stages<'a>,
    pub(super) archives: &'a Archives,
    pub(super) links: &'a StageLinks<'a>,
    pub(super) backend: Backend,
    pub(super) cancel: &'a Cancellation,
    /// Is called with the number of each planned file that is made.
    pub(super) done: &'a dyn Fn(usize),
}

impl Filler<'_> {
    /// Unpacks entries of one wheel, by their positions. Returns the number of a planned file that
    /// is still to be written, without the store.
    pub(super) fn fill(
        &self,
        id: WheelId,
        positions: &[usize],
        scratch: &mut Scratch,
    ) -> Result<Option<usize>> {
        self.cancel.check()?;
        let Some(filling) = self.links.filling(id) else {
            return Ok(None);
        };
        let archive = self.archives.get(id)?;
        let wheel = filling.wheel();
        let entry = |position: usize| &archive.entries()[wheel.entries[position].id.0 as usize];
        if let [position] = positions
            && entry(*position).size > MAX_WHOLE
        {
            return self.fill_large((id, filling), *position, entry(*position), scratch);
        }
        let items: Vec<Item<'_>> = (positions.iter())
            .map(|&position| Item {
                entry: entry(position),
                expected: expected(&wheel.entries[position]),
            })
            .collect();
        let mut sink = |at: usize, content: &[u8], _| {
            self.cancel.check()?;
            self.fill_small((id, filling), positions[at], content)
        };
        archive
            .unpack_each(&items, self.backend, scratch, &mut sink)
            .map_err(|error| error.of_wheel(self.archives.label(id)))?;
        Ok(None)
    }

    /// Writes one verified content.
    fn fill_small(
        &self,
        (id, filling): (WheelId, &Filling<'_>),
        position: usize,
        content: &[u8],
    ) -> Result<()> {
        let entry = &filling.wheel().entries[position];
        let stored = filling.tree().and_then(|tree| {
            let written = create(tree, entry).and_then(|mut stored| {
                stored.file.write(content)?;
                filling.finish_file(position, &stored.file)
            });
            let mode = written.map_err(|error| filling.fail(error)).ok()?.mode;
            let path = entry.path.as_str();
            Some(StoredFile {
                dir: tree,
                path,
                mode,
            })
        });
        if let Some(number) = self.links.planned(id, entry.id) {
            match stored {
                Some(from) if self.can_link(number, from.mode) => {
                    self.link_filled(number, from)?;
                }
                // Writing the bytes that are at hand is cheaper than reading them again.
                _ => {
                    let file = &self.plan.files[number];
                    self.stages
                        .dir(file.place.root)
                        .create(&self.stages.path(self.plan, file), file.executable)?
                        .write(content)?;
                }
            }
            (self.done)(number);
        }
        self.count_filled(filling);
        Ok(())
    }

    /// Writes an entry that may be too large to be held in memory.
    fn fill_large(
        &self,
        (id, filling): (WheelId, &Filling<'_>),
        position: usize,
        in_archive: &Entry,
        scratch: &mut Scratch,
    ) -> Result<Option<usize>> {
        let entry = &filling.wheel().entries[position];
        let planned = self.links.planned(id, entry.id);
        let stored = filling.tree().and_then(|tree| {
            let made = create(tree, entry);
            made.map_err(|error| filling.fail(error)).ok()
        });
        let Some(mut stored) = stored else {
            return Ok(planned);
        };
        let mode = stored.file.stat()?.mode;
        let linked = planned.filter(|&number| self.can_link(number, mode));
        let staged = planned.filter(|_| linked.is_none());
        let staged = staged.map(|number| &self.plan.files[number]);
        let path = staged.map_or_else(String::new, |file| self.stages.path(self.plan, file));
        let mut output = staged
            .map(|file| (self.stages.dir(file.place.root)).create(&path, file.executable))
            .transpose()?;
        let mut failed = false;
        let mut sink = |piece: &[u8]| {
            // A large entry takes long, so each piece of it is a chance to stop.
            self.cancel.check()?;
            if !failed && let Err(error) = stored.file.write(piece) {
                failed = true;
                filling.fail(error);
            }
            match &mut output {
                Some(output) => output.write(piece),
                // Nothing is left to write for, so that unpacking begins again.
                None if failed => Err(Error::interrupted()),
                None => Ok(()),
            }
        };
        let archive = self.archives.get(id)?;
        let unpacked = archive.unpack(in_archive, expected(entry), scratch, &mut sink);
        if failed && output.is_none() {
            return Ok(planned);
        }
        unpacked.map_err(|error| error.of_wheel(self.archives.label(id)))?;
        if !failed && let Err(error) = filling.finish_file(position, &stored.file) {
            filling.fail(error);
        }
        if let Some(number) = linked {
            let (dir, path) = (stored.tree, entry.path.as_str());
            self.link_filled(number, StoredFile { dir, path, mode })?;
        }
        if let Some(number) = planned {
            (self.done)(number);
        }
        self.count_filled(filling);
        Ok(None)
    }

    fn can_link(&self, number: usize, mode: u32) -> bool {
        let file = &self.plan.files[number];
        self.links.linker(file).can_link(mode, file.executable)
    }

    fn link_filled(&self, number: usize, from: StoredFile<'_>) -> Result<()> {
        let file = &self.plan.files[number];
        let linker = self.links.linker(file);
        let path = self.stages.path(self.plan, file);
        linker.place(from, (linker.to(), &path), file.executable, &mut Vec::new())
    }

    fn count_filled(&self, filling: &Filling<'_>) {
        if filling.done() {
            self.links.count_filled();
        }
    }
}

fn create<'f>(tree: &'f Dir, entry: &'f WheelEntry) -> Result<Stored<'f>> {
    let file = tree.create(entry.path.as_str(), entry.executable)?;
    Ok(Stored { tree, file })
}

/// Contents in the store are always verified.
fn expected(entry: &WheelEntry) -> Expected {
    Expected {
        digest: entry.digest,
        compute: None,
    }
}

//! Writing the files: by all workers at once, the heaviest first, wheels that are on their way when
//! they have arrived.
//!
//! Input: what is to be staged, in directories that are there. Output: the digests that were not
//! known before. Each worker takes a group of files from the queue: small entries that lie side by
//! side, or one file.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::queue::{Group, Queue};
use super::{StageOptions, Stages, Staging, Waiting};
use crate::archive::{Entry, Expected, Item, Memory, Scratch, Stretch};
use crate::digest::{Algorithm, Digest};
use crate::error::{Effect, Error, Result, SourceFault};
use crate::outcome::Action;
use crate::plan::{Content, PlannedFile, WheelId};
use crate::spec::record::Verify;
use crate::wheel::Wheel;

/// What making a file costs, in bytes of content that cost as much.
const A_FILE: u64 = 1 << 14;
/// How many bytes of large entries all workers hold together at the most.
const MEMORY: u64 = 40 << 20;

/// Writes all files but RECORDs; returns the digests that were not known before, by the files'
/// numbers.
pub(super) fn write_files(
    staged: &Staging<'_>,
    wheels: &[Wheel],
    options: StageOptions<'_>,
) -> Result<HashMap<usize, Digest>> {
    let (mut here, mut coming): (Vec<usize>, HashMap<WheelId, Vec<usize>>) = Default::default();
    for (number, file) in staged.plan.files.iter().enumerate() {
        match file.content {
            Content::Record(_) => {}
            Content::Entry(id, _) if !wheels[id.0 as usize].is_here() => {
                coming.entry(id).or_default().push(number);
            }
            _ => here.push(number),
        }
    }
    let changes = staged
        .plan
        .changes
        .iter()
        .filter(|change| change.action != Action::Keep);
    let needed: Vec<WheelId> = changes
        .filter_map(|change| change.wheel)
        .filter(|id| !wheels[id.0 as usize].is_here())
        .collect();
    let work = Work {
        staged,
        stages: staged.stages,
        wheels,
        options,
        queue: Queue::new(!needed.is_empty()),
        memory: Arc::new(Memory::new(MEMORY)),
        failure: Mutex::new(None),
        digests: Mutex::new(HashMap::new()),
    };
    work.queue.add(work.groups(here));
    std::thread::scope(|scope| {
        if !needed.is_empty() {
            scope.spawn(|| work.bring(&needed, coming));
        }
        options.pool.on_each_thread(|| work.run());
    });
    match work.failure.into_inner() {
        Ok(Some(error)) => Err(error),
        _ => Ok(work.digests.into_inner().unwrap_or_default()),
    }
}

/// What the workers share.
struct Work<'a> {
    staged: &'a Staging<'a>,
    stages: &'a Stages,
    wheels: &'a [Wheel],
    options: StageOptions<'a>,
    queue: Queue,
    memory: Arc<Memory>,
    failure: Mutex<Option<Error>>,
    digests: Mutex<HashMap<usize, Digest>>,
}

/// The files that are queued when their wheels arrive.
struct Arrivals<'a> {
    work: &'a Work<'a>,
    coming: HashMap<WheelId, Vec<usize>>,
}

impl Waiting for Arrivals<'_> {
    fn here(&self, id: WheelId) {
        self.work.queue.add(
            self.work
                .groups(self.coming.get(&id).cloned().unwrap_or_default()),
        );
    }

    fn wants_more(&self) -> bool {
        !self.work.queue.is_stopped()
    }
}

impl Work<'_> {
    /// What one worker does.
    fn run(&self) {
        let mut scratch = Scratch::sharing(&self.memory);
        while let Some(group) = self.queue.next() {
            if let Err(error) = self.write_group(&group, &mut scratch) {
                self.fail(error);
            }
        }
    }

    /// Has the wheels brought whose files are `coming`, and queues these as they arrive.
    fn bring(&self, needed: &[WheelId], coming: HashMap<WheelId, Vec<usize>>) {
        let missing = || {
            Error::wheel(
                &self.wheels[needed[0].0 as usize].label,
                SourceFault::NotFetched,
            )
        };
        let arrivals = Arrivals { work: self, coming };
        let bring = self.options.bring.ok_or_else(missing);
        match bring
            .and_then(|bring| bring.bring(self.wheels, needed, self.options.progress, &arrivals))
        {
            Ok(()) => self.queue.complete(),
            // What ended because it was not wanted any more fails too, after the failure that is
            // told.
            Err(error) => self.fail(error),
        }
    }

    fn fail(&self, error: Error) {
        if let Ok(mut failure) = self.failure.lock() {
            failure.get_or_insert(error.with_effect(Effect::Untouched));
        }
        self.queue.stop();
    }

    /// Puts together what is unpacked at once: small entries that lie side by side in their wheel;
    /// everything else alone.
    fn groups(&self, mut files: Vec<usize>) -> Vec<Group> {
        let place = |number: usize| {
            self.entry(number)
                .map(|(wheel, entry)| (wheel.0, entry.range().start))
        };
        files.sort_by_key(|&number| place(number));
        let mut groups: Vec<Group> = Vec::new();
        let mut last: Option<(WheelId, Stretch)> = None;
        for number in files {
            let weight = self.staged.plan.files[number].size + A_FILE;
            let entry = self.entry(number);
            let goes_on = match (&mut last, entry) {
                (Some((wheel, stretch)), Some((id, entry))) => {
                    *wheel == id && stretch.goes_on_to(entry)
                }
                _ => false,
            };
            match groups.last_mut() {
                Some(group) if goes_on => {
                    group.weight.1 += weight;
                    group.files.push(number);
                }
                _ => {
                    groups.push(Group {
                        weight: (entry.is_some(), weight),
                        files: vec![number],
                    });
                    last = entry.map(|(id, entry)| (id, Stretch::of(entry)));
                }
            }
        }
        groups
    }

    /// The entry that a file is unpacked from, and its wheel.
    fn entry(&self, number: usize) -> Option<(WheelId, &Entry)> {
        match self.staged.plan.files[number].content {
            Content::Entry(id, entry) => Some((id, self.wheels[id.0 as usize].entry(entry))),
            _ => None,
        }
    }

    /// Writes a group of small entries of one wheel, or one file of any kind.
    fn write_group(&self, group: &[usize], scratch: &mut Scratch) -> Result<()> {
        self.check_cancel()?;
        if let [number] = group {
            return self.write_alone(*number, scratch);
        }
        let entries: Vec<(WheelId, &Entry)> = group
            .iter()
            .filter_map(|&number| self.entry(number))
            .collect();
        let Some((id, _)) = entries.first() else {
            return Ok(());
        };
        let wheel = &self.wheels[id.0 as usize];
        let expected = group
            .iter()
            .map(|&number| self.expected(&self.staged.plan.files[number]));
        let items: Vec<Item<'_>> = entries
            .iter()
            .zip(expected)
            .map(|((_, entry), expected)| Item { entry, expected })
            .collect();
        let backend = self.options.backend;
        let unpacked =
            wheel
                .archive()
                .unpack_each(&items, backend, scratch, &mut |at, content, digest| {
                    self.check_cancel()?;
                    let path = self.staged.path_of(group[at]);
                    let file = &self.staged.plan.files[group[at]];
                    self.stages[&file.place.root]
                        .create(&path, file.executable)?
                        .write(content)?;
                    self.finish(group[at], digest);
                    Ok(())
                });
        unpacked.map_err(|error| error.of_wheel(&wheel.label))
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
                let unpacked = wheel.archive().unpack(
                    wheel.entry(*entry),
                    self.expected(file),
                    scratch,
                    &mut sink,
                );
                unpacked.map_err(|error| error.of_wheel(&wheel.label))?
            }
            Content::Record(_) => None,
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

    fn expected(&self, file: &PlannedFile) -> Expected {
        let digest = file.digest.filter(|_| self.options.verify != Verify::Off);
        Expected {
            digest,
            compute: file.digest.is_none().then_some(Algorithm::Sha256),
        }
    }

    fn check_cancel(&self) -> Result<()> {
        if self.options.cancel.load(Ordering::Relaxed) {
            Err(Error::interrupted())
        } else {
            Ok(())
        }
    }
}

//! Writing the files: by all workers at once, the heaviest first, wheels that are on their way when they have arrived.
//!
//! Input: what is to be staged, in directories that are there. Output: the digests that were not known before. Each worker
//! takes a group of files from the queue: small entries of nearly one size that are hashed side by side, or one file.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::queue::{Group, Queue};
use super::{StageOptions, Staged};
use crate::archive::{Expected, GROUP, Item, Memory, Scratch};
use crate::environment::place::RootId;
use crate::error::{Effect, Error, Fault, Result};
use crate::fs::Dir;
use crate::hash::{Algorithm, Digest};
use crate::plan::{Content, NewFile, WheelId};
use crate::report::Action;
use crate::spec::record::Verify;
use crate::wheel::Wheel;

/// How many bytes of large entries all workers hold together at the most.
const MEMORY: u64 = 40 << 20;

/// Writes all files but RECORDs; returns the digests that were not known before, by the files' numbers.
pub(super) fn write_files(
    staged: &Staged,
    wheels: &[Wheel],
    options: StageOptions<'_>,
) -> Result<HashMap<usize, Digest>> {
    let (mut here, mut coming): (Vec<usize>, HashMap<WheelId, Vec<usize>>) = Default::default();
    for (number, file) in staged.plan.files.iter().enumerate() {
        match file.content {
            Content::Record => {}
            Content::Entry(id, _) if !wheels[id.0 as usize].is_here() => coming.entry(id).or_default().push(number),
            _ => here.push(number),
        }
    }
    let changes = staged.plan.changes.iter().filter(|change| change.action != Action::Keep);
    let needed: Vec<WheelId> =
        changes.filter_map(|change| change.wheel).filter(|id| !wheels[id.0 as usize].is_here()).collect();
    let work = Work {
        staged,
        stages: staged.stages()?,
        wheels,
        options,
        queue: Queue::new(!needed.is_empty()),
        memory: Arc::new(Memory::new(MEMORY)),
        failure: Mutex::new(None),
        digests: Mutex::new(HashMap::new()),
    };
    let _ = work.queue.add(work.groups(here));
    std::thread::scope(|scope| {
        if !needed.is_empty() {
            scope.spawn(|| work.bring(&needed, &coming));
        }
        options.pool.broadcast(|_| work.run());
    });
    match work.failure.into_inner() {
        Ok(Some(error)) => Err(error),
        _ => Ok(work.digests.into_inner().unwrap_or_default()),
    }
}

/// What the workers share.
struct Work<'a> {
    staged: &'a Staged,
    stages: HashMap<RootId, Dir>,
    wheels: &'a [Wheel],
    options: StageOptions<'a>,
    queue: Queue,
    memory: Arc<Memory>,
    failure: Mutex<Option<Error>>,
    digests: Mutex<HashMap<usize, Digest>>,
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
    fn bring(&self, needed: &[WheelId], coming: &HashMap<WheelId, Vec<usize>>) {
        let missing = || Error::wheel(&self.wheels[needed[0].0 as usize].label, Fault::Remote);
        let here = |id: WheelId| {
            let wanted = self.queue.add(self.groups(coming.get(&id).cloned().unwrap_or_default()));
            // What made it stop is known already and is the failure that is told.
            if wanted { Ok(()) } else { Err(Error::interrupted()) }
        };
        let bring = self.options.bring.ok_or_else(missing);
        match bring.and_then(|bring| bring.bring(self.wheels, needed, self.options.progress, &here)) {
            Ok(()) => self.queue.complete(),
            Err(error) => self.fail(error),
        }
    }

    fn fail(&self, error: Error) {
        if let Ok(mut failure) = self.failure.lock() {
            failure.get_or_insert(error.with_effect(Effect::Untouched));
        }
        self.queue.stop();
    }

    /// Puts together what is unpacked at once: as many small entries, neighbours by size, as the engine hashes side by side
    /// and memory allows; everything else alone.
    fn groups(&self, mut files: Vec<usize>) -> Vec<Group> {
        files.sort_by_key(|&number| Reverse(self.weight(number)));
        let mut groups = Vec::new();
        let mut rest = &files[..];
        while let [first, others @ ..] = rest {
            let mut room = GROUP.saturating_sub(self.staged.plan.files[*first].size);
            let fits = |number: &&usize| {
                let left = room.checked_sub(self.staged.plan.files[**number].size);
                room = left.unwrap_or(0);
                left.is_some() && self.small_item(**number).is_some()
            };
            let most = if self.small_item(*first).is_some() { self.options.engine.lanes() - 1 } else { 0 };
            let (group, after) = rest.split_at(1 + others.iter().take(most).take_while(fits).count());
            groups.push(Group { weight: self.weight(*first), files: group.to_vec() });
            rest = after;
        }
        groups
    }

    /// What is heavier is written first; what needs no unpacking comes last.
    fn weight(&self, number: usize) -> (bool, u64) {
        let file = &self.staged.plan.files[number];
        (!matches!(file.content, Content::Bytes(_)), file.size)
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

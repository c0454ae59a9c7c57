//! Checks every content of an artefact, on all threads, while another one writes the artefact.
//!
//! Contents are copied compressed, so that checking and writing do not depend on each other: the
//! writer copies what it may, and the artefact gets its name only if all checks have passed. Only a
//! writer that joins deflate streams waits, because a check finds where a stream ends. Contents
//! that are compressed anew are checked on the way and not here.
//!
//! Both begin while wheels are still being downloaded: the contents of a wheel are queued when it
//! arrives, and the writer waits for the wheel of the file that comes next.

use std::sync::mpsc::Receiver;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::PackOptions;
use super::contents::{Contents, PackedContent, PackedFile};
use crate::archive::{Archive, Entry, EntryBatch, Item, Scratch, Sink, StreamEnd, Unpacked};
use crate::cancellation::Cancellation;
use crate::error::{Error, Result};
use crate::stage::{self, Arrival, AwaitedFiles, Group, Queue};
use crate::threads::{OnPanic, Pool};
use crate::wheel::{Archives, WheelId};

/// Entries that are at least so large are checked first: one of them, checked last, would keep a
/// single thread busy.
const LARGE: u64 = 8 << 20;

/// The most content, in bytes, and the most files that one thread checks before a writer that waits
/// for them may go on.
const MAX_GROUP: u64 = 1 << 18;
const MAX_GROUPED: usize = 32;

/// See the head of this file.
pub(super) struct Checks<'a> {
    contents: &'a Contents<'a>,
    archives: &'a Archives,
    options: &'a PackOptions<'a>,
    /// Whether the ends of deflate streams are wanted.
    finds_ends: bool,
    /// Cancelled on failure, to end the downloads.
    enough: Option<&'a Cancellation>,
    /// Files that one thread checks one after the other, by their numbers.
    queue: Queue<Vec<usize>>,
    state: Mutex<CheckState>,
    changed: Condvar,
}

struct CheckState {
    /// The end of the deflate stream of each file that has one and was checked.
    ends: Vec<Option<StreamEnd>>,
    /// The first failure, and whether there was one: it is taken out at the end.
    failure: Option<Error>,
    is_stopped: bool,
}

impl<'a> Checks<'a> {
    pub(super) fn new(
        contents: &'a Contents<'a>,
        (archives, enough): (&'a Archives, Option<&'a Cancellation>),
        options: &'a PackOptions<'a>,
        finds_ends: bool,
    ) -> Self {
        let ends = if finds_ends { contents.count() } else { 0 };
        Self {
            contents,
            archives,
            options,
            finds_ends,
            enough,
            queue: Queue::new(true),
            state: Mutex::new(CheckState {
                ends: vec![None; ends],
                failure: None,
                is_stopped: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Checks everything while `write` runs in a thread of its own; returns what that returns.
    /// Wheels that are not here have to come from `arrivals`.
    ///
    /// # Errors
    /// The first failure of either, or of a download.
    pub(super) fn run<T: Send>(
        self,
        arrivals: Option<Receiver<Arrival>>,
        write: impl FnOnce(&Self) -> Result<T> + Send,
    ) -> Result<T> {
        let (writer, written) = (Mutex::new(Some(write)), Mutex::new(None));
        let write = || {
            let writer = lock(&writer).take();
            match writer.map(|write| write(&self)) {
                Some(Ok(result)) => *lock(&written) = Some(result),
                Some(Err(error)) => self.fail(error),
                None => {}
            }
        };
        let (here, awaited) = self.numbers();
        self.add(here);
        std::thread::scope(|scope| {
            if arrivals.is_some() {
                scope.spawn(|| self.receive(arrivals, awaited));
            } else {
                self.receive(None, awaited);
            }
            // Without a thread for it, the writer runs after the checks and waits for nothing.
            let writing = std::thread::Builder::new().spawn_scoped(scope, write);
            self.options.pool.on_each_thread(|| {
                let _stop = OnPanic(|| self.fail(Error::interrupted()));
                self.work();
            });
            if writing.is_err() {
                write();
            }
        });
        let state = self.state.into_inner();
        match state.unwrap_or_else(PoisonError::into_inner).failure {
            Some(error) => Err(error),
            None => Ok(lock(&written).take().expect("the writer has not failed")),
        }
    }

    /// Whether the artefact is still wanted.
    ///
    /// # Errors
    /// The command was stopped, or a check has failed; that failure is returned by [`Checks::run`].
    pub(super) fn proceed(&self) -> Result<()> {
        self.options.cancel.check()?;
        if self.lock().is_stopped {
            Err(Error::interrupted())
        } else {
            Ok(())
        }
    }

    /// The end of the deflate stream of a file, once it was checked.
    ///
    /// # Errors
    /// As [`Checks::proceed`].
    pub(super) fn end_of(&self, number: usize) -> Result<StreamEnd> {
        let mut state = self.lock();
        loop {
            if state.is_stopped {
                return Err(Error::interrupted());
            }
            if let Some(end) = state.ends[number] {
                return Ok(end);
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The numbers of the files that are checked here: those of the wheels that are here, and those
    /// of each other wheel.
    fn numbers(&self) -> (Vec<usize>, AwaitedFiles) {
        let (mut here, mut awaited) = (Vec::new(), AwaitedFiles::new());
        for (number, file) in self.contents.files().enumerate() {
            match file.content {
                PackedContent::Entry(wheel, _) if self.archives.is_here(wheel) => here.push(number),
                PackedContent::Entry(wheel, _) => awaited.entry(wheel).or_default().push(number),
                _ => {}
            }
        }
        (here, awaited)
    }

    /// Queues files, whose wheels are here.
    fn add(&self, numbers: Vec<usize>) {
        match self.groups(numbers) {
            Ok(groups) => self.queue.add(groups),
            Err(error) => self.fail(error),
        }
    }

    /// Queues the files of each wheel when it arrives, and closes the queue after the last one.
    fn receive(&self, arrivals: Option<Receiver<Arrival>>, awaited: AwaitedFiles) {
        let _stop = OnPanic(|| self.fail(Error::interrupted()));
        let received = stage::receive(arrivals, awaited, self.archives, |files| {
            // The writer looks for the wheel with the lock held, so that it either sees the wheel
            // or waits already.
            drop(self.lock());
            self.changed.notify_all();
            self.add(files);
        });
        match received {
            Ok(()) => self.queue.close(),
            Err(error) => self.fail(error),
        }
    }

    /// Waits until a wheel is here.
    fn wait_for(&self, wheel: WheelId) -> Result<()> {
        let mut state = self.lock();
        loop {
            if state.is_stopped {
                return Err(Error::interrupted());
            }
            if self.archives.is_here(wheel) {
                return Ok(());
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The archive and the entry that a file is copied from, once its wheel has arrived.
    ///
    /// # Errors
    /// As [`Checks::proceed`].
    pub(super) fn entry(&self, file: &PackedFile<'_>) -> Result<Option<(&'a Archive, &'a Entry)>> {
        let PackedContent::Entry(wheel, entry) = file.content else {
            return Ok(None);
        };
        if !self.archives.is_here(wheel) {
            self.wait_for(wheel)?;
        }
        let archive = self.archives.get(wheel)?;
        Ok(Some((archive, &archive.entries()[entry.0 as usize])))
    }

    /// How errors name the wheel of a file.
    pub(super) fn label(&self, file: &PackedFile<'_>) -> &'a str {
        match file.content {
            PackedContent::Entry(wheel, _) => self.archives.label(wheel),
            _ => "",
        }
    }

    /// Whether the data of an entry is copied.
    pub(super) fn is_copied(&self, entry: &Entry) -> bool {
        self.options.compression.copies(entry)
    }

    /// The level of what is deflated anew.
    pub(super) fn level(&self) -> u32 {
        self.options.compression.level()
    }

    /// The threads.
    pub(super) fn pool(&self) -> &'a Pool {
        self.options.pool
    }

    /// Passes the content of a file to `sink` in pieces, and checks it.
    ///
    /// # Errors
    /// It is not what its wheel states, or one of [`Checks::proceed`].
    pub(super) fn unpack(
        &self,
        (file, archive, entry): (&PackedFile<'_>, &Archive, &Entry),
        scratch: &mut Scratch,
        sink: &mut Sink<'_>,
    ) -> Result<Unpacked> {
        let expected = file.expected(self.options.verify);
        let mut sink = |piece: &[u8]| {
            self.proceed()?;
            sink(piece)
        };
        let unpacked = archive
            .unpack_stream(entry, expected, scratch, &mut sink)
            .map_err(|error| error.of_wheel(self.label(file)))?;
        self.options.progress.advance(1, file.size);
        Ok(unpacked)
    }

    /// The loop of one thread.
    fn work(&self) {
        let mut scratch = Scratch::with_help(self.queue.spare().clone());
        while let Some(group) = self.queue.next() {
            let checked = self
                .proceed()
                .and_then(|()| self.check_group(&group, &mut scratch));
            if let Err(error) = checked {
                return self.fail(error);
            }
        }
    }

    fn check_group(&self, group: &[usize], scratch: &mut Scratch) -> Result<()> {
        let files = || group.iter().map(|&number| self.contents.file(number));
        let mut items = Vec::with_capacity(group.len());
        let mut archive = None;
        for file in files() {
            if let Some((of, entry)) = self.entry(&file)? {
                archive = Some(of);
                let expected = file.expected(self.options.verify);
                items.push(Item { entry, expected });
            }
        }
        let Some(archive) = archive else {
            return Ok(());
        };
        let label = self.label(&self.contents.file(group[0]));
        if self.finds_ends {
            let mut ends = Vec::with_capacity(group.len());
            for (&number, item) in group.iter().zip(&items) {
                let mut sink = |_: &[u8]| self.options.cancel.check();
                let unpacked = archive
                    .unpack_stream(item.entry, item.expected, scratch, &mut sink)
                    .map_err(|error| error.of_wheel(label))?;
                ends.push((number, unpacked.end));
            }
            self.found(&ends);
        } else if let [item] = items[..] {
            let mut sink = |_: &[u8]| self.options.cancel.check();
            archive
                .unpack(item.entry, item.expected, scratch, &mut sink)
                .map_err(|error| error.of_wheel(label))?;
        } else {
            let backend = self.options.backend;
            archive
                .unpack_each(&items, backend, scratch, &mut |_, _, _| Ok(()))
                .map_err(|error| error.of_wheel(label))?;
        }
        let bytes = files().map(|file| file.size).sum();
        self.options.progress.advance(group.len() as u64, bytes);
        Ok(())
    }

    /// Puts together what one thread checks at once: small entries that lie side by side in their
    /// archive. The large ones come first, the others in the order in which they are written.
    fn groups(&self, numbers: Vec<usize>) -> Result<Vec<Group<Vec<usize>>>> {
        let finds_ends = self.finds_ends;
        let mut found: Vec<(usize, WheelId, &Entry)> = Vec::new();
        for number in numbers {
            let file = self.contents.file(number);
            if let (PackedContent::Entry(wheel, _), Some((_, entry))) =
                (file.content, self.entry(&file)?)
                && self.is_copied(entry)
            {
                found.push((number, wheel, entry));
            }
        }
        if !finds_ends {
            // A batch forms only from files that follow each other here as they do in the archive.
            found.sort_by_key(|&(_, wheel, entry)| (wheel, entry.range().start));
        }
        let mut groups: Vec<(u64, Vec<usize>)> = Vec::new();
        let mut last: Option<(WheelId, EntryBatch)> = None;
        for (number, wheel, entry) in found {
            let goes_on = match (&mut last, groups.last()) {
                // They are inflated one after the other, wherever they lie.
                (Some((of, _)), Some((size, group))) if finds_ends => {
                    *of == wheel && size + entry.size <= MAX_GROUP && group.len() < MAX_GROUPED
                }
                (Some((of, batch)), _) => *of == wheel && batch.add(entry),
                _ => false,
            };
            match groups.last_mut() {
                Some((size, group)) if goes_on => {
                    *size += entry.size;
                    group.push(number);
                }
                _ => {
                    groups.push((entry.size, vec![number]));
                    last = Some((wheel, EntryBatch::of(entry)));
                }
            }
        }
        // The large ones cost the most. The first of the others costs the most of them, as they are
        // wanted in their order.
        let cost = |size: u64, first: usize| match size {
            LARGE.. => size,
            _ => (LARGE - 1).saturating_sub(first as u64),
        };
        let groups = groups.into_iter().map(|(size, group)| Group {
            unpacks: true,
            cost: cost(size, group[0]),
            work: group,
        });
        Ok(groups.collect())
    }

    /// A check has found where the streams of some files end.
    fn found(&self, ends: &[(usize, Option<StreamEnd>)]) {
        let mut state = self.lock();
        for &(number, end) in ends {
            state.ends[number] = end;
        }
        // The lock is released first, or the writer that wakes up would only wait for it.
        drop(state);
        self.changed.notify_all();
    }

    /// Stops everything. Only the first failure is kept: what ends because of it fails, too.
    fn fail(&self, error: Error) {
        let mut state = self.lock();
        state.is_stopped = true;
        state.failure.get_or_insert(error);
        drop(state);
        self.changed.notify_all();
        self.queue.stop();
        // The failure is stored before, so that those of the downloads that end come second.
        if let Some(enough) = self.enough {
            enough.cancel();
        }
    }

    // No method leaves the state half changed, so it is right even after a panic.
    fn lock(&self) -> MutexGuard<'_, CheckState> {
        lock(&self.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The first pass: all contents, written by all threads at once, and compiled beside that.
//!
//! Each worker takes one group of files at a time: small entries that lie side by side in their
//! archive, or a single file. A group of a remote wheel is queued when the wheel arrives.

use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::Receiver;
use std::sync::{Mutex, PoisonError};
use std::thread::Scope;

use foldhash::HashSet;

use super::arrivals::{self, Arrival, AwaitedFiles, SortedFiles};
use super::compile::{Compilation, CompileResults};
use super::fill::{self, Filler};
use super::linking::Linking;
use super::links::StageLinks;
use super::queue::{FILE_COST, Group, Queue, Work};
use super::{StageOptions, Stages};
use crate::archive::{Entry, EntryBatch, Expected, Item, Scratch};
use crate::cancellation::Cancellation;
use crate::digest::{Algorithm, Backend, Digest};
use crate::error::{Effect, Error, Result};
use crate::outcome::Events;
use crate::plan::{Content, Plan, PlannedFile};
use crate::spec::record::Verify;
use crate::threads::OnPanic;
use crate::wheel::{Archives, WheelId};

/// What became known when the contents were written.
#[derive(Default)]
pub(super) struct WrittenContents {
    /// The digests that were not known before, by the numbers of the files.
    pub digests: HashMap<usize, Digest>,
    /// What has become of the bytecode.
    pub compiled: CompileResults,
    /// The slots whose directories are symbolic links.
    pub directory_links: HashSet<u32>,
}

/// Writes all files but the RECORDs.
pub(super) fn write_contents<'a>(
    plan: &'a Plan,
    (stages, links): (&'a Stages<'a>, Option<StageLinks<'a>>),
    archives: &'a Archives,
    options: StageOptions<'a>,
) -> Result<WrittenContents> {
    if let Some(warning) = links.as_ref().and_then(StageLinks::warning) {
        options.progress.warning(warning);
    }
    let SortedFiles {
        here,
        stored,
        awaited,
    } = SortedFiles::of(plan, links.as_ref(), archives);
    let arrivals = options.arrivals;
    let (arrivals, enough) = arrivals.map(|both| (both.archives, both.enough)).unzip();
    let workers = Workers {
        plan,
        stages,
        archives,
        verify: options.verify,
        backend: options.backend,
        cancel: options.cancel,
        progress: options.progress,
        enough,
        links,
        // The queue is open even if nothing will arrive: `close` may have to fail instead.
        queue: Queue::new(true),
        compilation: options.compile.and_then(|with| {
            Compilation::new(plan, stages, with, (options.cancel, options.progress))
        }),
        failure: Mutex::new(None),
        digests: Mutex::new(HashMap::new()),
    };
    let finish = |number| workers.finish(number, None);
    let linking = workers.links.as_ref().map(|links| Linking {
        plan,
        stages,
        links,
        pool: options.pool,
        done: &finish,
    });
    if let Some(linking) = &linking {
        linking.link_ready()?;
        workers.queue.add(linking.links.groups(plan, &stored));
    }
    workers.queue.add(workers.groups(here));
    std::thread::scope(|scope| {
        if arrivals.is_some() {
            scope.spawn(|| workers.receive(arrivals, awaited));
        } else {
            workers.receive(None, awaited);
        }
        if let Some(compilation) = &workers.compilation {
            workers.start_compiling(compilation, scope);
        }
        options.pool.on_each_thread(|| workers.run());
        if let Some(compilation) = &workers.compilation {
            // All files are written. Those that are not compiled yet are waited for.
            compilation.close();
        }
    });
    let linking = linking.filter(|_| !workers.has_failed());
    let linked = linking.map(|linking| linking.link_awaited(options.progress));
    let directory_links = linked.transpose()?.unwrap_or_default();
    workers.into_written(directory_links)
}

/// The workers, and what they share.
struct Workers<'a> {
    plan: &'a Plan,
    stages: &'a Stages<'a>,
    archives: &'a Archives,
    verify: Verify,
    backend: Backend,
    cancel: &'a Cancellation,
    progress: &'a dyn Events,
    /// Cancelled on failure, to end the downloads.
    enough: Option<&'a Cancellation>,
    /// What comes from the store or goes into it, if anything does.
    links: Option<StageLinks<'a>>,
    queue: Queue,
    compilation: Option<Compilation<'a>>,
    /// The first failure.
    failure: Mutex<Option<Error>>,
    digests: Mutex<HashMap<usize, Digest>>,
}

impl Workers<'_> {
    /// The results, or the first failure.
    fn into_written(self, directory_links: HashSet<u32>) -> Result<WrittenContents> {
        // A panic of a worker goes on in the thread that waits, so neither lock is poisoned here.
        let failure = self.failure.into_inner();
        let digests = self.digests.into_inner();
        let compiled = self.compilation.map(Compilation::into_results);
        match failure.unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(WrittenContents {
                digests: digests.unwrap_or_else(PoisonError::into_inner),
                compiled: compiled.unwrap_or_default(),
                directory_links,
            }),
        }
    }

    fn has_failed(&self) -> bool {
        let failure = self.failure.lock();
        failure.unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The loop of one worker.
    fn run(&self) {
        let _stop = self.stop_on_panic();
        let mut scratch = Scratch::with_help(self.queue.spare().clone());
        let mut buffer = Vec::new();
        while let Some(work) = self.queue.next() {
            let done = match work {
                Work::Write(files) => self.write_group(&files, &mut scratch),
                Work::Fill(wheel, positions) => self.fill(wheel, &positions, &mut scratch),
                Work::Link(files) => self.link_group(&files, &mut buffer),
            };
            if let Err(error) = done {
                // The queue is stopped by this, which ends the loop of every worker.
                self.fail(error);
            }
        }
    }

    /// Queues the files of each remote wheel when it arrives, and closes the queue after the last
    /// one.
    fn receive(&self, arrivals: Option<Receiver<Arrival>>, awaited: AwaitedFiles) {
        let _stop = self.stop_on_panic();
        let received = arrivals::receive(arrivals, awaited, self.archives, |files| {
            self.queue.add(self.groups(files));
        });
        match received {
            Ok(()) => self.queue.close(),
            Err(error) => self.fail(error),
        }
    }

    /// Stops everything. Only the first failure is kept: a download that ends because nothing is
    /// wanted any more fails, too, and says nothing of the cause.
    fn fail(&self, error: Error) {
        // The failure is stored before the downloads are cancelled, so that theirs comes second.
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error.with_effect(Effect::Untouched));
        if let Some(enough) = self.enough {
            enough.cancel();
        }
        self.queue.stop();
        if let Some(compilation) = &self.compilation {
            compilation.stop();
        }
    }

    /// Stops everything if this thread panics, so that none waits for what it would have done.
    fn stop_on_panic(&self) -> OnPanic<impl Fn()> {
        OnPanic(|| self.fail(Error::interrupted()))
    }

    /// Starts a thread for each interpreter that compiles. They are beside those that write,
    /// because they wait most of the time.
    fn start_compiling<'scope>(
        &'scope self,
        compilation: &'scope Compilation<'_>,
        scope: &'scope Scope<'scope, '_>,
    ) {
        for worker in 0..compilation.threads() {
            let compile = move || {
                if let Err(error) = compilation.run(worker) {
                    self.fail(error);
                }
            };
            let started = std::thread::Builder::new().spawn_scoped(scope, compile);
            // Where the system gives fewer threads, the first one compiles everything.
            if let (Err(error), 0) = (started, worker) {
                self.fail(Error::usage(format!("cannot start a thread: {error}")));
            }
        }
    }

    /// Puts together the files that are unpacked at once: small entries that lie side by side in
    /// their archive. All other files get a group each.
    fn groups(&self, mut files: Vec<usize>) -> Vec<Group> {
        let mut groups = self.filling_groups(&mut files);
        // A batch forms only from files that follow each other here as they do in the archive.
        files.sort_by_key(|&number| {
            self.entry(number)
                .map(|(wheel, entry)| (wheel, entry.range().start))
        });
        let mut last: Option<(WheelId, EntryBatch)> = None;
        for number in files {
            let cost = self.plan.files[number].size + FILE_COST;
            let entry = self.entry(number);
            let goes_on = match (&mut last, entry) {
                (Some((wheel, batch)), Some((id, entry))) => *wheel == id && batch.add(entry),
                _ => false,
            };
            match groups.last_mut() {
                Some(Group {
                    cost: sum,
                    work: Work::Write(files),
                    ..
                }) if goes_on => {
                    *sum += cost;
                    files.push(number);
                }
                _ => {
                    groups.push(Group {
                        unpacks: entry.is_some(),
                        cost,
                        work: Work::Write(vec![number]),
                    });
                    last = entry.map(|(id, entry)| (id, EntryBatch::of(entry)));
                }
            }
        }
        groups
    }

    /// The groups of the wheels among `files` that are put into the store, which are here. Their
    /// files are taken out of `files`.
    fn filling_groups(&self, files: &mut Vec<usize>) -> Vec<Group> {
        let Some(links) = &self.links else {
            return Vec::new();
        };
        let mut wheels: BTreeSet<WheelId> = BTreeSet::new();
        files.retain(|&number| match self.plan.files[number].content {
            Content::Entry(id, _) if links.filling(id).is_some() => {
                wheels.insert(id);
                false
            }
            _ => true,
        });
        let groups = wheels.into_iter().filter_map(|id| {
            let archive = self.archives.get(id).ok()?;
            Some(fill::groups(id, links.filling(id)?, archive))
        });
        groups.flatten().collect()
    }

    /// Puts entries of a wheel into the store and makes files from them.
    fn fill(&self, wheel: WheelId, positions: &[usize], scratch: &mut Scratch) -> Result<()> {
        let Some(links) = &self.links else {
            return Ok(());
        };
        let filler = Filler {
            plan: self.plan,
            stages: self.stages,
            archives: self.archives,
            links,
            backend: self.backend,
            cancel: self.cancel,
            done: &|number| self.finish(number, None),
        };
        match filler.fill(wheel, positions, scratch)? {
            Some(number) => self.write_alone(number, scratch),
            None => Ok(()),
        }
    }

    /// Makes files from those in the store.
    fn link_group(&self, files: &[usize], buffer: &mut Vec<u8>) -> Result<()> {
        self.cancel.check()?;
        let Some(links) = &self.links else {
            return Ok(());
        };
        links.link(self.plan, files, buffer, &mut |number| {
            self.finish(number, None);
            Ok(())
        })
    }

    /// The entry that a file is unpacked from, and its wheel; `None` for a file of another kind.
    /// The wheel has to be here.
    fn entry(&self, number: usize) -> Option<(WheelId, &Entry)> {
        let Content::Entry(id, entry) = self.plan.files[number].content else {
            return None;
        };
        let archive = self.archives.get(id).ok()?;
        Some((id, &archive.entries()[entry.0 as usize]))
    }

    /// Writes a group of small entries of one wheel, or one file of any kind.
    fn write_group(&self, group: &[usize], scratch: &mut Scratch) -> Result<()> {
        self.cancel.check()?;
        if let [number] = group {
            return self.write_alone(*number, scratch);
        }
        let mut wheel = None;
        let mut items: Vec<Item<'_>> = Vec::with_capacity(group.len());
        for &number in group {
            if let Some((id, entry)) = self.entry(number) {
                wheel = Some(id);
                let expected = self.expected(&self.plan.files[number]);
                items.push(Item { entry, expected });
            }
        }
        let Some(wheel) = wheel else {
            return Ok(());
        };
        let archive = self.archives.get(wheel)?;
        let mut sink = |at: usize, content: &[u8], digest| {
            self.cancel.check()?;
            let file = &self.plan.files[group[at]];
            self.stages
                .dir(file.place.root)
                .create(&self.stages.path(self.plan, file), file.executable)?
                .write(content)?;
            self.finish(group[at], digest);
            Ok(())
        };
        archive
            .unpack_each(&items, self.backend, scratch, &mut sink)
            .map_err(|error| error.of_wheel(self.archives.label(wheel)))
    }

    /// Writes one file: bytes that are in memory, or an entry, in pieces if it is large.
    fn write_alone(&self, number: usize, scratch: &mut Scratch) -> Result<()> {
        let file = &self.plan.files[number];
        let path = self.stages.path(self.plan, file);
        let dir = self.stages.dir(file.place.root);
        let mut output = dir.create(&path, file.executable)?;
        let digest = match &file.content {
            Content::Bytes(bytes) => {
                output.write(bytes)?;
                None
            }
            Content::Entry(id, entry) => {
                let archive = self.archives.get(*id)?;
                let entry = &archive.entries()[entry.0 as usize];
                // A large entry takes long, so each piece of it is a chance to stop.
                let mut sink = |piece: &[u8]| {
                    self.cancel.check()?;
                    output.write(piece)
                };
                archive
                    .unpack(entry, self.expected(file), scratch, &mut sink)
                    .map_err(|error| error.of_wheel(self.archives.label(*id)))?
            }
            Content::Record(_) | Content::Bytecode(_) => None,
        };
        self.finish(number, digest);
        Ok(())
    }

    /// A file is on disk. Keeps its digest if it was not known before.
    fn finish(&self, number: usize, digest: Option<Digest>) {
        let file = &self.plan.files[number];
        if let (None, Some(digest)) = (file.digest, digest) {
            self.digests
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(number, digest);
        }
        self.progress.advance(1, file.size);
        if let Some(compilation) = &self.compilation {
            compilation.written(number);
        }
    }

    fn expected(&self, file: &PlannedFile) -> Expected {
        Expected {
            digest: file.digest.filter(|_| self.verify != Verify::Off),
            // RECORD states a digest in any case.
            compute: file.digest.is_none().then_some(Algorithm::Sha256),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::Arrivals;
    use super::*;
    use crate::environment::layout::{Place, RootId};
    use crate::error::ErrorKind;
    use crate::outcome::Silent;
    use crate::path::RelPath;
    use crate::plan::{Operation, OperationKind, PlannedFile};
    use crate::threads::Pool;
    use crate::wheel::EntryId;

    /// Stages one file of a wheel that is not here. Returns the error, and whether the downloads
    /// were asked to end.
    fn failure(arrivals: Option<Receiver<Arrival>>) -> (Error, bool) {
        let place = Place {
            root: RootId(0),
            path: RelPath::parse("a.py").unwrap(),
        };
        let plan = Plan {
            files: vec![PlannedFile {
                place: place.clone(),
                content: Content::Entry(WheelId(0), EntryId(0)),
                executable: false,
                size: 1,
                digest: None,
                slot: 0,
            }],
            operations: vec![Operation {
                kind: OperationKind::In,
                place,
                slot: 0,
                mode: None,
            }],
            ..Plan::default()
        };
        let mut archives = Archives::default();
        archives.push("a.whl", None);
        let (never, enough) = (Cancellation::default(), Cancellation::default());
        let options = StageOptions {
            verify: Verify::Normal,
            backend: Backend::default(),
            pool: &Pool::new(Some(2)).unwrap(),
            arrivals: arrivals.map(|archives| Arrivals {
                archives,
                enough: &enough,
            }),
            store: None,
            compile: None,
            epoch: None,
            cancel: &never,
            progress: &Silent,
        };
        let written = write_contents(&plan, (&Stages::default(), None), &archives, options);
        (written.err().unwrap(), enough.is_cancelled())
    }

    #[test]
    fn a_wheel_that_never_arrives_is_named() {
        let nothing_to_receive = failure(None).0;
        let (sender, receiver) = mpsc::channel();
        drop(sender);
        let (closed_early, enough) = failure(Some(receiver));
        assert!(enough);
        for error in [nothing_to_receive, closed_early] {
            assert_eq!(error.kind(), ErrorKind::Input);
            assert_eq!(error.refused_wheels()[0].0, "a.whl");
        }
    }

    #[test]
    fn a_failed_download_ends_staging_and_the_other_downloads() {
        let (sender, receiver) = mpsc::channel();
        sender.send(Err(Error::interrupted())).unwrap();
        // The sender lives on, as it does while other downloads run.
        let (error, enough) = failure(Some(receiver));
        assert_eq!((error.kind(), enough), (ErrorKind::Interrupted, true));
        assert!(sender.send(Err(Error::interrupted())).is_err());
    }
}

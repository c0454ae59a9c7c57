//! The requests that wait for a connection, and the order in which they are handed out; plain data.
//!
//! Input: [`Task`]s. A task is one [`Job`] (a file, or a resource) and the parts of it to ask for.
//! Output: [`Ticket`]s, one request each, and their results on the task's channel, which closes
//! after the last one.
//!
//! The order: resources first, of these what somebody waits for; then files that no connection
//! works on yet, then the file with the most bytes left. [`Part::Share`]s are divided when a
//! connection takes them, so every connection that becomes free joins the largest file. Limits: as
//! many connections for files, for resources and to one host as [`Limits`] says (HTTP/1.1 answers
//! one request at a time on a connection); the host is that of the address, not of what it
//! redirects to.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use super::ranges::Part;
use super::retry::FetchError;
use super::urgency::Urgency;

/// The result of one request, as the waiting side receives it.
pub(super) type Done = Result<(), FetchError>;

/// Something that connections fetch.
pub(super) trait Job: Send + Sync {
    /// Makes one request and takes its answer. Runs on a connection's thread and may block.
    fn run(&self, part: &Part) -> Ran;
}

/// How a request ended.
pub(super) enum Ran {
    Done(Done),
    /// The same part is to be asked for again after this pause; meanwhile the connection is free.
    Again(Duration),
}

/// Which limit applies to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Small bodies that block the caller.
    Resource,
    /// Files and ranges of files.
    File,
}

/// How many connections there may be at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) files: usize,
    pub(super) resources: usize,
    pub(super) host: usize,
}

impl Limits {
    /// How many connections there may be in all.
    pub(super) fn connections(self) -> usize {
        self.files + self.resources
    }
}

/// How [`Part::Share`]s are divided.
#[derive(Clone)]
pub(super) struct Split {
    /// The fewest bytes that are worth a request of their own.
    pub(super) least: u64,
    pub(super) batch: Arc<Batch>,
}

/// Files that are fetched together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// How many files were not begun yet.
    pub(super) waiting: AtomicUsize,
    /// How many threads work on files, one file at a time each.
    pub(super) running: AtomicUsize,
}

/// A caller's order of requests.
pub(super) struct Task {
    pub(super) job: Arc<dyn Job>,
    pub(super) class: Class,
    pub(super) host: String,
    /// In the order in which they are handed out.
    pub(super) parts: Vec<Part>,
    /// Whether somebody waits for it. All files are waited for, and this is not looked at.
    pub(super) urgency: Urgency,
    /// Needed for [`Part::Share`]s only.
    pub(super) split: Option<Split>,
    /// Receives one result for each request, if the caller waits for them.
    pub(super) results: Option<Sender<Done>>,
}

/// A task in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TaskId(u64);

/// The number of a host. A queue of a thousand tasks is looked through for each request, so their
/// hosts are not compared letter by letter.
#[derive(Debug, Clone, Copy)]
struct HostId(usize);

/// How many connections each host that was met is busy with.
#[derive(Debug, Default)]
struct Hosts {
    ids: HashMap<String, HostId>,
    busy: Vec<usize>,
}

impl Hosts {
    /// The number of a host, a new one if it was not met before.
    fn id(&mut self, host: &str) -> HostId {
        if let Some(id) = self.ids.get(host) {
            return *id;
        }
        let id = HostId(self.busy.len());
        self.busy.push(0);
        self.ids.insert(host.to_owned(), id);
        id
    }
}

struct OpenTask {
    id: TaskId,
    task: Task,
    host: HostId,
    /// How many connections work on it.
    active: usize,
    /// Not handed out before this time.
    not_before: Option<Instant>,
}

impl OpenTask {
    /// How many bytes have not been requested yet; `None` if that is unknown (it may be many).
    fn left(&self) -> Option<u64> {
        self.task.parts.iter().map(Part::length).sum()
    }

    /// Takes the next part out of the task.
    fn take(&mut self, connections: usize) -> Part {
        let left = self.left();
        let divided = match (&self.task.split, self.task.parts.first_mut(), left) {
            (Some(split), Some(Part::Share(range)), Some(left)) => {
                split.take(range, left, connections)
            }
            _ => None,
        };
        divided.unwrap_or_else(|| self.task.parts.remove(0))
    }
}

impl Split {
    /// Cuts the first share off `range`, the first of all that is `left`; `None` if it is too short
    /// to be divided.
    fn take(&self, range: &mut Range<u64>, left: u64, connections: usize) -> Option<Part> {
        // As long as files wait, a connection that becomes free begins with one of them, so few
        // will help. Relaxed: an old value only makes a share larger or smaller.
        let helpers = if self.batch.waiting.load(Ordering::Relaxed) == 0 {
            connections
        } else {
            1
        };
        // The divisor is at least 2: a connection that becomes free later finds a rest.
        let share = (left / helpers.max(2) as u64).max(self.least);
        // A rest of less than half a share is not worth a request.
        if range.end - range.start < share + self.least / 2 {
            return None;
        }
        let taken = range.start..range.start + share;
        range.start = taken.end;
        Some(Part::Share(taken))
    }
}

/// One request that was handed out.
pub(super) struct Ticket {
    id: TaskId,
    pub(super) job: Arc<dyn Job>,
    pub(super) part: Part,
}

/// All tasks, and how many connections are busy with what; plain data.
pub(super) struct RequestQueue {
    limits: Limits,
    tasks: Vec<OpenTask>,
    next_id: u64,
    files: usize,
    resources: usize,
    hosts: Hosts,
}

impl RequestQueue {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            tasks: Vec::new(),
            next_id: 0,
            files: 0,
            resources: 0,
            hosts: Hosts::default(),
        }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// How many connections work on files.
    pub(super) fn busy_with_files(&self) -> usize {
        self.files
    }

    /// Forgets all tasks.
    pub(super) fn clear(&mut self) {
        self.tasks.clear();
    }

    pub(super) fn submit(&mut self, task: Task) -> TaskId {
        let id = TaskId(self.next_id);
        self.next_id += 1;
        self.tasks.push(OpenTask {
            id,
            host: self.hosts.id(&task.host),
            task,
            active: 0,
            not_before: None,
        });
        id
    }

    /// Whether the limits allow another request of this task.
    fn is_allowed(&self, open: &OpenTask) -> bool {
        let below = match open.task.class {
            Class::File => self.files < self.limits.files,
            Class::Resource => self.resources < self.limits.resources,
        };
        let host = self.hosts.busy[open.host.0];
        below && host < self.limits.host && !open.task.parts.is_empty()
    }

    /// The next task that may be handed out, by its index; or how long to wait for it.
    pub(super) fn next(&self, now: Instant) -> Result<usize, Option<Duration>> {
        let wait = |open: &OpenTask| {
            let wait = open.not_before?.saturating_duration_since(now);
            (!wait.is_zero()).then_some(wait)
        };
        let allowed = || self.tasks.iter().filter(|open| self.is_allowed(open));
        let ready = self.tasks.iter().enumerate();
        let ready = ready.filter(|(_, open)| self.is_allowed(open) && wait(open).is_none());
        let best = ready.min_by_key(|(_, open)| {
            // An unknown length comes first: it may be the largest.
            let left = Reverse(open.left().unwrap_or(u64::MAX));
            let resource = open.task.class == Class::Resource;
            let urgent = resource && open.task.urgency.is_raised();
            (
                Reverse(resource),
                Reverse(urgent),
                open.active > 0,
                left,
                open.id,
            )
        });
        best.map(|(index, _)| index)
            .ok_or_else(|| allowed().filter_map(wait).min())
    }

    /// Hands out the next request.
    pub(super) fn take(&mut self, now: Instant) -> Result<Ticket, Option<Duration>> {
        let index = self.next(now)?;
        let open = &mut self.tasks[index];
        open.active += 1;
        open.not_before = None;
        let ticket = Ticket {
            id: open.id,
            job: Arc::clone(&open.task.job),
            part: open.take(self.limits.files),
        };
        let (class, host) = (open.task.class, open.host);
        self.count(class, host, |count| count + 1);
        Ok(ticket)
    }

    /// A request has ended. False if its task was abandoned meanwhile.
    pub(super) fn finish(&mut self, ticket: &Ticket, ran: Ran, now: Instant) -> bool {
        let Some(index) = self.tasks.iter().position(|open| open.id == ticket.id) else {
            return false;
        };
        let open = &mut self.tasks[index];
        open.active -= 1;
        match ran {
            Ran::Again(pause) => {
                open.task.parts.insert(0, ticket.part.clone());
                open.not_before = Some(now + pause);
            }
            Ran::Done(result) => {
                if result.is_err() {
                    // The waiting side looks at the bytes that came and decides anew.
                    open.task.parts.clear();
                }
                if let Some(results) = &open.task.results {
                    // The waiting side may have given up.
                    let _ = results.send(result);
                }
            }
        }
        let (class, host) = (open.task.class, open.host);
        if open.active == 0 && open.task.parts.is_empty() {
            // This closes the channel, which ends the wait. The order of the tasks is free, as
            // `next` decides by their ids.
            self.tasks.swap_remove(index);
        }
        self.count(class, host, |count| count - 1);
        true
    }

    /// Forgets a task; returns how many connections work on it. They no longer count.
    pub(super) fn abandon(&mut self, id: TaskId) -> usize {
        let Some(index) = self.tasks.iter().position(|open| open.id == id) else {
            return 0;
        };
        let OpenTask {
            task, host, active, ..
        } = self.tasks.swap_remove(index);
        self.count(task.class, host, |count| count - active);
        active
    }

    fn count(&mut self, class: Class, host: HostId, change: impl Fn(usize) -> usize) {
        let busy = match class {
            Class::File => &mut self.files,
            Class::Resource => &mut self.resources,
        };
        *busy = change(*busy);
        let busy = &mut self.hosts.busy[host.0];
        *busy = change(*busy);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const LIMITS: Limits = Limits {
        files: 4,
        resources: 2,
        host: 3,
    };

    /// Job that only counts: the queue never runs it.
    struct Nothing;

    impl Job for Nothing {
        fn run(&self, _: &Part) -> Ran {
            Ran::Done(Ok(()))
        }
    }

    fn task(class: Class, host: &str, parts: &[Part]) -> Task {
        Task {
            job: Arc::new(Nothing),
            class,
            host: host.to_owned(),
            parts: parts.to_vec(),
            urgency: Urgency::default(),
            split: None,
            results: None,
        }
    }

    fn shared(ranges: &[(u64, u64)], least: u64, waiting: usize) -> Task {
        let share = |&(start, end): &_| Part::Share(start..end);
        let parts: Vec<Part> = ranges.iter().map(share).collect();
        let batch = Batch {
            waiting: waiting.into(),
            ..Batch::default()
        };
        let batch = Arc::new(batch);
        Task {
            split: Some(Split { least, batch }),
            ..task(Class::File, "large", &parts)
        }
    }

    /// The parts handed out until nothing is left or the limits are reached.
    fn handed_out(queue: &mut RequestQueue) -> Vec<(u64, Part)> {
        let take = || queue.take(Instant::now()).ok();
        let tickets = std::iter::from_fn(take);
        tickets.map(|ticket| (ticket.id.0, ticket.part)).collect()
    }

    #[test]
    fn awaited_resources_go_first_then_others_then_new_files_then_the_largest() {
        let mut queue = RequestQueue::new(LIMITS);
        let awaited = task(Class::Resource, "d", &[Part::Whole]);
        let urgency = awaited.urgency.clone();
        for task in [
            task(Class::File, "a", &[Part::Range(0..10)]),
            shared(&[(0, 90)], 10, 0),
            task(Class::File, "c", &[Part::Whole]),
            task(Class::Resource, "d", &[Part::Whole]),
            awaited,
        ] {
            queue.submit(task);
        }
        urgency.raise();
        let order: Vec<u64> = handed_out(&mut queue).iter().map(|one| one.0).collect();
        assert_eq!(order, [4, 3, 2, 1, 0, 1], "four connections for files");
    }

    #[test]
    fn shares_shrink_with_what_is_left_and_cover_all_of_it_once() {
        for (waiting, first) in [(0, 25), (7, 50)] {
            let mut queue = RequestQueue::new(LIMITS);
            let id = queue.submit(shared(&[(100, 180), (200, 220)], 10, waiting));
            let mut covered = super::super::ranges::Ranges::default();
            let (mut lengths, mut count) = (Vec::new(), 0);
            while let Ok(ticket) = queue.take(Instant::now()) {
                let Part::Share(range) = ticket.part.clone() else {
                    unreachable!("only shares were submitted");
                };
                lengths.push(range.end - range.start);
                count += range.end - range.start;
                covered.add(range);
                assert!(queue.finish(&ticket, Ran::Done(Ok(())), Instant::now()));
            }
            assert_eq!(lengths[0], first);
            assert!(lengths.iter().all(|length| *length >= 5), "{lengths:?}");
            assert!(covered.covers(100..180) && covered.covers(200..220));
            assert_eq!(count, covered.count(), "no byte is asked for twice");
            assert_eq!(queue.abandon(id), 0, "the task is gone");
        }
    }

    #[test]
    fn a_failure_ends_the_task_and_what_is_still_running_is_heard() {
        let mut queue = RequestQueue::new(LIMITS);
        let (results, done) = channel();
        queue.submit(Task {
            results: Some(results),
            ..shared(&[(0, 100)], 10, 0)
        });
        let mut take = || queue.take(Instant::now()).ok();
        let (Some(first), Some(second)) = (take(), take()) else {
            unreachable!("four connections are free");
        };
        let trouble = || Err(FetchError::passing("it broke".to_owned()));
        queue.finish(&second, Ran::Done(trouble()), Instant::now());
        assert_eq!(handed_out(&mut queue), [], "nothing more is asked for");
        queue.finish(&first, Ran::Done(Ok(())), Instant::now());
        let heard: Vec<bool> = done.iter().map(|result: Done| result.is_ok()).collect();
        assert_eq!(heard, [false, true], "and then the channel closes");
    }

    #[test]
    fn a_host_and_a_class_have_limits_of_their_own() {
        let mut queue = RequestQueue::new(LIMITS);
        for _ in 0..5 {
            queue.submit(task(Class::Resource, "one", &[Part::Whole]));
            queue.submit(task(Class::File, "one", &[Part::Whole]));
            queue.submit(task(Class::File, "two", &[Part::Whole]));
        }
        let ids: Vec<u64> = handed_out(&mut queue).iter().map(|one| one.0).collect();
        // Two resources; one more from their host, which then has three; three of the other host.
        assert_eq!(ids, [0, 3, 1, 2, 5, 8]);
        assert_eq!((queue.resources, queue.files), (2, 4));
        assert_eq!(queue.abandon(TaskId(1)), 1);
        let ids: Vec<u64> = handed_out(&mut queue).iter().map(|one| one.0).collect();
        assert_eq!(ids, [4], "an abandoned request no longer counts");
    }

    #[test]
    fn a_part_that_is_asked_for_again_waits_for_its_time() {
        let mut queue = RequestQueue::new(LIMITS);
        let (id, now) = (
            queue.submit(task(Class::Resource, "a", &[Part::Whole])),
            Instant::now(),
        );
        let pause = Duration::from_secs(60);
        let ticket = queue.take(now).expect("it is ready");
        assert!(queue.finish(&ticket, Ran::Again(pause), now));
        assert_eq!(queue.take(now).err(), Some(Some(pause)));
        let again = queue.take(now + pause).expect("its time has come");
        assert_eq!((again.id, &again.part), (id, &Part::Whole));
        assert!(queue.finish(&again, Ran::Done(Ok(())), now));
        assert_eq!(queue.take(now).err(), Some(None), "nothing is left");
        assert!(!queue.finish(&again, Ran::Done(Ok(())), now));
    }
}

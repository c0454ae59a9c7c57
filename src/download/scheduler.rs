//! The connection threads.
//!
//! Input: [`Task`]s. Output: calls of [`Job::run`](super::queue::Job::run) on a fixed number of
//! threads, in the order of the [`RequestQueue`]. A thread stands for one connection: it makes a
//! request, receives the body, and takes the next part.
//!
//! Nothing can interrupt a thread that looks up a name or connects. Therefore nothing waits for a
//! thread: the waiting side [abandons](Scheduler::abandon) the task, the thread ends by its own
//! timeout, and a new thread may take its place at once. Invariant: once a task is abandoned, its
//! result is dropped. This file knows no sockets.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::queue::{Batch, Limits, Ran, RequestQueue, Task, TaskId};
use super::retry::FetchError;

struct Threads {
    queue: RequestQueue,
    /// The connection threads, without those whose task was abandoned.
    threads: usize,
    idle: usize,
    closed: bool,
}

struct Connections {
    state: Mutex<Threads>,
    /// Idle threads wait here.
    work: Condvar,
}

/// The queue and the connection threads. They are started when there is work for them, and live as
/// long as the scheduler.
pub(super) struct Scheduler {
    shared: Arc<Connections>,
}

impl Scheduler {
    pub(super) fn new(limits: Limits) -> Self {
        let state = Threads {
            queue: RequestQueue::new(limits),
            threads: 0,
            idle: 0,
            closed: false,
        };
        let shared = Connections {
            state: Mutex::new(state),
            work: Condvar::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Queues a task and returns at once. Fails if there is no thread and none can be started.
    pub(super) fn submit(&self, task: Task) -> Result<TaskId, FetchError> {
        let mut state = self.shared.lock();
        let id = state.queue.submit(task);
        match Connections::wake(&self.shared, &mut state) {
            Err(error) if state.threads == 0 => {
                state.queue.abandon(id);
                Err(FetchError::passing(format!(
                    "no thread can be started: {error}"
                )))
            }
            // The threads that there are do the work.
            _ => Ok(id),
        }
    }

    /// Forgets a task whose result is no longer wanted. True if connections are still busy with it:
    /// hanging up ends them.
    pub(super) fn abandon(&self, id: TaskId) -> bool {
        let mut state = self.shared.lock();
        let active = state.queue.abandon(id);
        // Those threads end on their own; others may be started in their place. If none can be,
        // those that are left do the work.
        state.threads -= active;
        let _ = Connections::wake(&self.shared, &mut state);
        active > 0
    }

    /// Whether a file of this batch that uses one connection would leave another one idle.
    pub(super) fn has_idle_connection(&self, batch: &Batch) -> bool {
        // Each running thread of the batch will want one connection, even if it has none now.
        // Relaxed: an old value costs a request more or less.
        let expected = batch.running.load(Ordering::Relaxed);
        let state = self.shared.lock();
        let busy = state.queue.busy_with_files();
        state.queue.limits().files > expected.max(busy + 1)
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.queue.clear();
        drop(state);
        self.shared.work.notify_all();
    }
}

impl Connections {
    fn lock(&self) -> MutexGuard<'_, Threads> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds a thread for the next request, if there is one: an idle thread, else a new one.
    fn wake(shared: &Arc<Self>, state: &mut Threads) -> std::io::Result<()> {
        let may_start = state.threads < state.queue.limits().connections();
        if state.idle == 0 && !may_start {
            // A thread that becomes free looks itself. Without this, each of a thousand new tasks
            // would look through all that wait.
            return Ok(());
        }
        let next = state.queue.next(Instant::now());
        if next == Err(None) {
            return Ok(());
        }
        if state.idle > 0 {
            // If the next request has to wait, the idle thread waits for its time.
            shared.work.notify_one();
            return Ok(());
        }
        if next.is_err() || !may_start {
            return Ok(());
        }
        let worker = Arc::clone(shared);
        std::thread::Builder::new()
            .name("connection".to_owned())
            .spawn(move || worker.serve())?;
        state.threads += 1;
        Ok(())
    }

    /// Handles requests one after the other; the life of a connection's thread.
    fn serve(self: Arc<Self>) {
        let mut state = self.lock();
        while !state.closed {
            match state.queue.take(Instant::now()) {
                Ok(ticket) => {
                    // Another request may be ready too. If no thread can be started for it, this
                    // one takes it next.
                    let _ = Self::wake(&self, &mut state);
                    drop(state);
                    // The state of jobs is behind locks whose users ignore poisoning.
                    let run = AssertUnwindSafe(|| ticket.job.run(&ticket.part));
                    // The waiting side must hear of a request that panicked, too.
                    let ran = catch_unwind(run).unwrap_or_else(|_| {
                        Ran::Done(Err(FetchError::passing("the request broke off".to_owned())))
                    });
                    state = self.lock();
                    if !state.queue.finish(&ticket, ran, Instant::now()) {
                        // The task was abandoned and this thread replaced.
                        return;
                    }
                }
                Err(wait) => {
                    state.idle += 1;
                    state = match wait {
                        Some(wait) => {
                            let waited = self.work.wait_timeout(state, wait);
                            waited.unwrap_or_else(PoisonError::into_inner).0
                        }
                        None => (self.work.wait(state)).unwrap_or_else(PoisonError::into_inner),
                    };
                    state.idle -= 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::thread::ThreadId;

    use super::*;
    use crate::download::queue::{Class, Done, Job};
    use crate::download::ranges::Part;
    use crate::download::urgency::Urgency;

    const ONE: Limits = Limits {
        files: 1,
        resources: 0,
        host: 1,
    };

    /// A job that blocks until the test sends its result.
    struct Blocking {
        begun: Mutex<Sender<ThreadId>>,
        ends: Mutex<Receiver<()>>,
    }

    impl Job for Blocking {
        fn run(&self, _: &Part) -> Ran {
            let begun = self.begun.lock().expect("no test panics here");
            begun.send(std::thread::current().id()).expect("it listens");
            drop(begun);
            let ends = self.ends.lock().expect("no test panics here").recv();
            ends.expect("this is how the test makes a request panic");
            Ran::Done(Ok(()))
        }
    }

    /// A task of one request, the thread that it has begun on, what ends it, and its results.
    type Blocked = (Task, Receiver<ThreadId>, Sender<()>, Receiver<Done>);

    fn blocking() -> Blocked {
        let ((begun, begins), (end, ends), (results, done)) = (channel(), channel(), channel());
        let job = Blocking {
            begun: Mutex::new(begun),
            ends: Mutex::new(ends),
        };
        let task = Task {
            job: Arc::new(job),
            class: Class::File,
            host: "a".to_owned(),
            parts: vec![Part::Whole],
            urgency: Urgency::default(),
            split: None,
            results: Some(results),
        };
        (task, begins, end, done)
    }

    #[test]
    fn a_thread_is_used_again_and_an_abandoned_one_is_replaced() {
        let scheduler = Scheduler::new(ONE);
        let run = |(task, begins, end, done): Blocked| {
            assert!(scheduler.submit(task).is_ok());
            let thread = begins.recv().expect("it begins");
            end.send(()).expect("it waits");
            assert!(matches!(done.recv(), Ok(Ok(()))) && done.recv().is_err());
            thread
        };
        let first = run(blocking());
        assert_eq!(run(blocking()), first);
        let (task, begins, end, done) = blocking();
        let id = scheduler.submit(task).expect("there is a thread");
        assert_eq!(begins.recv(), Ok(first));
        assert!(scheduler.abandon(id));
        assert!(done.recv().is_err(), "an abandoned task has no result");
        let second = run(blocking());
        assert_ne!(second, first, "the first is still blocked");
        end.send(()).expect("it waits");
        assert_eq!(run(blocking()), second);
    }

    #[test]
    fn a_request_that_panics_is_a_failure() {
        let scheduler = Scheduler::new(ONE);
        let (task, begins, end, done) = blocking();
        assert!(scheduler.submit(task).is_ok());
        begins.recv().expect("it begins");
        drop(end);
        assert!(matches!(done.recv(), Ok(Err(FetchError::Passing { .. }))));
        assert!(done.recv().is_err());
    }
}

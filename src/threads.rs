//! The threads that wheels are opened, planned and staged on, one pool for a whole command, the
//! count of those that have nothing to do, and what a panic of one means for the others.
//!
//! Only this file names rayon. Downloads do not run here: they wait for servers most of the time,
//! and start threads of their own.

use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use crate::error::{Error, Result};

/// A pool of worker threads.
#[derive(Debug)]
pub struct Pool(rayon::ThreadPool);

impl Pool {
    /// Starts `jobs` threads, or one per processor if `jobs` is `None`; fewer if the system does
    /// not give that many.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::error::ErrorKind::Usage) if there cannot be any.
    pub fn new(jobs: Option<usize>) -> Result<Self> {
        // rayon takes 0 as "one per processor".
        let mut jobs = jobs.unwrap_or(0);
        if jobs == 0 {
            jobs = std::thread::available_parallelism().map_or(1, usize::from);
        }
        loop {
            let threads = || rayon::ThreadPoolBuilder::new().num_threads(jobs);
            match threads().build() {
                Ok(pool) => return Ok(Self(pool)),
                Err(_) if jobs > 1 => jobs /= 2,
                // This user may start no thread at all (RLIMIT_NPROC, a container's limit of
                // tasks), but one job needs none beside the one that is there.
                Err(_) => {
                    return threads()
                        .use_current_thread()
                        .build()
                        .map(Self)
                        .map_err(|error| Error::usage(format!("cannot start a thread: {error}")));
                }
            }
        }
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.0.current_num_threads()
    }

    /// Runs `work` once on each thread, and returns when all of them have finished.
    pub fn on_each_thread(&self, work: impl Fn() + Sync) {
        self.0.broadcast(|_| work());
    }
}

/// Calls `work` with each item on all threads of the pool; the results are in the order of the
/// items.
pub fn in_parallel<T: Sync, R: Send>(
    pool: &Pool,
    items: &[T],
    work: impl Fn(&T) -> R + Sync + Send,
) -> Vec<R> {
    // `install` keeps rayon from using its global pool, which ignores the number of jobs.
    pool.0.install(|| items.par_iter().map(work).collect())
}

/// Does two things at once: `work` on this thread, and `other` on one more, outside of any pool. If
/// the system gives no more threads, `work` comes first and then `other`.
pub fn beside<W, O: Send>(work: impl FnOnce() -> W, other: impl FnOnce() -> O + Send) -> (W, O) {
    on_two_threads(work, other, || ())
}

/// As [`beside`], but `other` gives way: it runs where a processor is idle, and where none is it
/// gets a small share of one. It should not be what others wait for.
pub fn beside_in_background<W, O: Send>(
    work: impl FnOnce() -> W,
    other: impl FnOnce() -> O + Send,
) -> (W, O) {
    on_two_threads(work, other, give_way)
}

/// Does two things at once; `begin` is called first on the second thread.
fn on_two_threads<W, O: Send>(
    work: impl FnOnce() -> W,
    other: impl FnOnce() -> O + Send,
    begin: fn(),
) -> (W, O) {
    let other = Mutex::new(Some(other));
    let run_other = || {
        let other = other.lock().unwrap_or_else(PoisonError::into_inner).take();
        other.map(|other| other())
    };
    let begin_other = || {
        begin();
        run_other()
    };
    std::thread::scope(|scope| {
        let started = std::thread::Builder::new().spawn_scoped(scope, begin_other);
        let worked = work();
        let done = match started {
            // A panic goes on in this thread.
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => run_other(),
        };
        (worked, done.expect("it was not taken before"))
    })
}

/// Lowers the priority of this thread for good. Less than this was not enough for others to run as
/// if they were alone, and more would stop it on a machine that is busy.
#[cfg(target_os = "linux")]
fn give_way() {
    const NICE: i32 = 15;
    // Without it everything is only slower.
    let _ = rustix::process::nice(NICE);
}

/// Elsewhere only whole processes have a priority that may be lowered like this.
#[cfg(not(target_os = "linux"))]
fn give_way() {}

/// Counts the threads of a pool that have nothing to do, so that another thread can use their
/// share of the processors. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct SpareThreads(Arc<AtomicIsize>);

/// Ends a change of [`SpareThreads`] when it is dropped.
#[derive(Debug)]
pub struct SpareGuard<'a> {
    threads: &'a SpareThreads,
    by: isize,
}

impl SpareThreads {
    /// Counts this thread as one that has nothing to do, until the guard is dropped.
    pub fn rest(&self) -> SpareGuard<'_> {
        self.change(1)
    }

    /// Counts this thread as one that has nothing to do from now on.
    pub fn end(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the place of one thread that has nothing to do until the guard is dropped; `None` if
    /// all are busy.
    pub fn take(&self) -> Option<SpareGuard<'_>> {
        // Two threads may take the last one both, and a resting thread may get work again: then one
        // thread more than wanted runs for a while, which does no harm. So the order is relaxed.
        (self.0.load(Ordering::Relaxed) > 0).then(|| self.change(-1))
    }

    fn change(&self, by: isize) -> SpareGuard<'_> {
        self.0.fetch_add(by, Ordering::Relaxed);
        SpareGuard { threads: self, by }
    }
}

impl Drop for SpareGuard<'_> {
    fn drop(&mut self) {
        self.threads.0.fetch_sub(self.by, Ordering::Relaxed);
    }
}

/// Calls its function if it is dropped by a panic. Threads that would wait for the one that panics
/// end then, and the panic is seen instead of a standstill.
#[derive(Debug)]
pub struct OnPanic<F: Fn()>(pub F);

impl<F: Fn()> Drop for OnPanic<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        let pool = Pool::new(Some(3)).unwrap();
        let items: Vec<u32> = (0..1000).collect();
        let doubled = in_parallel(&pool, &items, |item| item * 2);
        assert!(
            doubled
                .iter()
                .copied()
                .eq(items.iter().map(|item| item * 2))
        );
    }

    #[test]
    fn each_thread_works_once() {
        let count = AtomicUsize::new(0);
        let pool = Pool::new(Some(3)).unwrap();
        pool.on_each_thread(|| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(count.into_inner(), 3);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_work_in_the_background_gives_way() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let (usual, beside_it) = beside(nice, nice);
        assert_eq!(usual, beside_it);
        let (same, background) = beside_in_background(nice, nice);
        assert_eq!((same, background), (usual, (usual + 15).min(19)));
        assert_eq!(nice(), usual);
    }

    #[test]
    fn a_resting_thread_is_taken_once() {
        let spare = SpareThreads::default();
        assert!(spare.take().is_none());
        let rest = spare.rest();
        let taken = spare.take();
        assert!(taken.is_some() && spare.take().is_none());
        drop(taken);
        assert!(spare.take().is_some());
        drop(rest);
        assert!(spare.take().is_none());
        spare.end();
        assert!(spare.take().is_some());
    }
}

//! The threads that wheels are opened, planned and staged on, one pool for a whole command; and
//! tokens that cancel work on any thread.
//!
//! Only this file names rayon. Downloads do not run here: they wait for servers most of the time,
//! and start threads of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Says whether a piece of work should stop. Clones are the same token.
#[derive(Debug, Clone)]
pub struct Cancel {
    own: Arc<AtomicBool>,
    // All ancestors are in one flat list, so polling follows no chain of tokens.
    parents: Vec<Arc<AtomicBool>>,
}

// Every access is relaxed: a flag only says "stop" and publishes no other data, and all of its
// readers poll.
impl Cancel {
    /// A token that is cancelled once `flag` becomes true.
    pub fn new(flag: Arc<AtomicBool>) -> Self {
        Self {
            own: flag,
            parents: Vec::new(),
        }
    }

    /// A token that is cancelled with this one, or on its own.
    pub fn child(&self) -> Self {
        let parents = self.parents.iter().chain([&self.own]).cloned().collect();
        Self {
            own: Arc::default(),
            parents,
        }
    }

    /// Cancels this token and its children.
    pub fn cancel(&self) {
        self.own.store(true, Ordering::Relaxed);
    }

    /// Whether this token, or any that it is a child of, was cancelled.
    pub fn is_cancelled(&self) -> bool {
        let set = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        set(&self.own) || self.parents.iter().any(|parent| set(parent))
    }

    /// Fails if the work should stop.
    ///
    /// # Errors
    /// Of the kind [`Interrupted`](crate::ErrorKind::Interrupted).
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            Err(Error::interrupted())
        } else {
            Ok(())
        }
    }

    /// The token's own flag, for code that polls a single flag. It follows the parents only if
    /// somebody calls [`Cancel::is_cancelled`] and passes the answer on with [`Cancel::cancel`].
    pub fn flag(&self) -> &AtomicBool {
        &self.own
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

    #[test]
    fn a_token_is_cancelled_with_its_parents_and_not_with_its_children() {
        let user = Arc::new(AtomicBool::new(false));
        let command = Cancel::new(Arc::clone(&user));
        let batch = command.child();
        let (one, other) = (batch.child(), batch.child());
        one.cancel();
        assert!(one.is_cancelled() && one.check().is_err());
        assert!(!other.is_cancelled() && !batch.is_cancelled() && batch.check().is_ok());
        user.store(true, Ordering::Relaxed);
        assert!(other.is_cancelled() && batch.is_cancelled() && command.is_cancelled());
    }
}

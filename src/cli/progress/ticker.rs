//! A thread that does one thing again and again, until it is stopped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Runs nothing until [`Ticker::start`], and nothing any more once it is dropped.
#[derive(Default)]
pub struct Ticker {
    done: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Ticker {
    /// Does what `make` returns after each `pause`, on a thread of its own. Only the first call has
    /// an effect, so that everything that may take long can make it; quick commands need no thread.
    pub fn start<Work>(&self, pause: Duration, make: impl FnOnce() -> Work)
    where
        Work: FnMut() + Send + 'static,
    {
        let mut thread = self.lock();
        if thread.is_some() {
            return;
        }
        let mut work = make();
        let done = Arc::clone(&self.done);
        let run = move || {
            let mut next = Instant::now() + pause;
            while !done.load(Ordering::Acquire) {
                let rest = next.saturating_duration_since(Instant::now());
                if rest.is_zero() {
                    work();
                    next = Instant::now() + pause;
                } else {
                    // It may return early, so the time is looked at again.
                    std::thread::park_timeout(rest);
                }
            }
        };
        let builder = std::thread::Builder::new().name("progress".to_owned());
        // Without a thread nothing is shown; the work of the command goes on.
        *thread = builder.spawn(run).ok();
    }

    /// Ends the thread, and waits for it.
    pub fn stop(&self) {
        // Pairs with the load in the thread, though the join alone orders everything that matters.
        self.done.store(true, Ordering::Release);
        let thread = self.lock().take();
        if let Some(thread) = thread {
            // Without a wake-up the end would wait for up to one pause. An `unpark` that comes
            // before the `park` is not lost.
            thread.thread().unpark();
            // A thread that panicked has shown what it could.
            let _ = thread.join();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop();
    }
}

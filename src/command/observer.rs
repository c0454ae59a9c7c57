//! Watching a transaction, and stopping it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::outcome::{Events, Silent, Warning};

/// Passes the [`Events`] of a transaction on.
#[derive(Clone, Copy)]
pub struct Observer<'a> {
    events: &'a dyn Events,
}

impl Observer<'static> {
    /// Ignores all events, warnings included.
    pub fn none() -> Self {
        Self { events: &Silent }
    }
}

impl<'a> Observer<'a> {
    /// Passes all events to `events`.
    pub fn new(events: &'a dyn Events) -> Self {
        Self { events }
    }

    pub(crate) fn events(&self) -> &'a dyn Events {
        self.events
    }

    pub(super) fn warn(&self, warnings: impl IntoIterator<Item = Warning>) {
        for warning in warnings {
            self.events.warning(warning);
        }
    }
}

impl std::fmt::Debug for Observer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

/// Stops commands from another thread or a signal handler. Clones stop the same commands.
///
/// ```
/// use pkg_install::{Cancellation, Options};
///
/// let cancellation = Cancellation::default();
/// let options = Options::default().with_cancellation(cancellation.clone());
/// // Later, elsewhere: every command with these options ends with `ErrorKind::Interrupted`.
/// cancellation.cancel();
/// assert!(cancellation.is_cancelled());
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default)]
pub struct Cancellation {
    flag: Arc<AtomicBool>,
}

// Relaxed, here and wherever the flag is polled: it says "stop" and publishes no other data.
impl Cancellation {
    /// Stops the commands. A commit that has begun is finished.
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Whether the commands are to stop.
    pub fn is_cancelled(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// The flag itself, which is all that a signal handler may touch.
    pub fn flag(&self) -> &Arc<AtomicBool> {
        &self.flag
    }
}

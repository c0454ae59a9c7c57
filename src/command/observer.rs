//! Watching a transaction.

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

//! Progress as plain lines: one when the program begins to wait for a lock or tries a download
//! again, and every ten seconds one that says what runs.
//!
//! Workers only add to [`Counters`]. The thread that prints starts with the first thing that may
//! take long and ends when [`Plain`] is dropped.

use std::sync::Arc;
use std::time::Duration;

use super::counters::Counters;
use super::ticker::Ticker;
use super::{say, words};
use pkg_install::progress::{Activity, ActivityKind, Events, Retry};

/// The time between two lines about what runs. Logs of pipelines should stay short.
const PAUSE: Duration = Duration::from_secs(10);

/// Prints these lines and nothing else.
#[derive(Default)]
pub struct Plain {
    counters: Arc<Counters>,
    ticker: Ticker,
}

impl Plain {
    fn start(&self) {
        self.ticker.start(PAUSE, || {
            let counters = Arc::clone(&self.counters);
            move || {
                if let Some(line) = words::all(&counters.seen()) {
                    say(&(line + "\n"));
                }
            }
        });
    }
}

impl Events for Plain {
    fn begin(&self, files: u64, bytes: u64) {
        self.counters.stage(files, bytes);
        self.start();
    }

    fn advance(&self, files: u64, bytes: u64) {
        self.counters.staged(files, bytes);
    }

    fn end(&self) {
        self.counters.stage_ended();
    }

    fn activity_begin(&self, number: usize, activity: &Activity) {
        // Without this line a person at the other end of a pipe would wait for nothing to see.
        if activity.kind == ActivityKind::WaitForLock {
            say(&(words::activity(activity, 0) + "\n"));
        }
        self.counters.act(number, activity);
        self.start();
    }

    fn activity_advance(&self, number: usize, files: u64) {
        self.counters.acted(number, files);
    }

    fn activity_subject(&self, number: usize, subject: &str) {
        self.counters.act_on(number, subject);
    }

    fn activity_end(&self, number: usize) {
        self.counters.act_ended(number);
    }

    fn transfers(&self, files: usize, bytes: Option<u64>) {
        self.counters.expect(files, bytes);
    }

    fn transfer_begin(&self, transfer: usize, name: &str, total: Option<u64>, present: u64) {
        self.counters.begin(transfer, name, total, present);
        self.start();
    }

    fn transfer_advance(&self, transfer: usize, bytes: u64) {
        self.counters.received(transfer, bytes);
    }

    fn transfer_retry(&self, transfer: usize, again: &Retry) {
        let name = self.counters.name(transfer).unwrap_or_default();
        say(&(words::retry(&name, again) + "\n"));
    }

    fn look_retry(&self, name: &str, again: &Retry) {
        say(&(words::retry(name, again) + "\n"));
    }

    fn transfer_end(&self, transfer: usize) {
        self.counters.ended(transfer);
    }
}

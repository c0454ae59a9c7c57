//! Progress as plain lines: only that the program waits for something or tries again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::say;
use pkg_install::error::escaped;
use pkg_install::{Events, Retry};

/// The line that says that another process holds the lock; without a newline.
pub fn waiting(lock: &Path) -> String {
    format!(
        "waiting for another process that holds `{}`",
        escaped(&lock.display().to_string())
    )
}

/// The line that says that a download failed and is tried again; without a newline.
pub fn retry(name: &str, retry: &Retry) -> String {
    let pause = match retry.pause {
        Duration::ZERO => String::new(),
        // The pauses of servers are whole seconds, those of our own begin at half a second.
        pause if pause < Duration::from_secs(1) => format!(" in {:.1} s", pause.as_secs_f64()),
        pause => format!(" in {:.0} s", pause.as_secs_f64()),
    };
    format!(
        "{}; retrying `{}`{pause} ({} of {})",
        escaped(&retry.why),
        escaped(name),
        retry.attempt,
        retry.attempts
    )
}

/// Prints these lines and nothing else.
#[derive(Default)]
pub struct Plain {
    /// The names of the running downloads, by number.
    names: Mutex<BTreeMap<usize, String>>,
}

impl Plain {
    fn with_names<T>(&self, act: impl FnOnce(&mut BTreeMap<usize, String>) -> T) -> T {
        act(&mut self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Events for Plain {
    fn waiting(&self, lock: &Path) {
        say(&(waiting(lock) + "\n"));
    }

    fn transfer_begin(&self, transfer: usize, name: &str, _: Option<u64>, _: u64) {
        self.with_names(|names| names.insert(transfer, name.to_owned()));
    }

    fn transfer_retry(&self, transfer: usize, again: &Retry) {
        // The name is copied, so that a slow stderr does not hold the lock against other downloads.
        let name = self.with_names(|names| names.get(&transfer).cloned());
        say(&(retry(&name.unwrap_or_default(), again) + "\n"));
    }

    fn look_retry(&self, name: &str, again: &Retry) {
        say(&(retry(name, again) + "\n"));
    }

    fn transfer_end(&self, transfer: usize) {
        self.with_names(|names| names.remove(&transfer));
    }
}

//! What is worth a line of its own wherever stderr goes: that something is waited for or tried
//! again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::say;
use pkg_install::error::escaped;
use pkg_install::outcome::Progress;

/// That another process holds the lock.
pub fn waiting(lock: &Path) -> String {
    format!(
        "waiting for another process that holds `{}`\n",
        escaped(&lock.display().to_string())
    )
}

/// That a download came to a halt and is tried again.
pub fn retry(name: &str, why: &str) -> String {
    format!("retrying `{}`: {}\n", escaped(name), escaped(why))
}

/// Says nothing else.
#[derive(Default)]
pub struct Remarks {
    /// What is being fetched, by number.
    names: Mutex<BTreeMap<usize, String>>,
}

impl Remarks {
    fn with_names<T>(&self, act: impl FnOnce(&mut BTreeMap<usize, String>) -> T) -> T {
        act(&mut self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Progress for Remarks {
    fn waiting(&self, lock: &Path) {
        say(&waiting(lock));
    }

    fn transfer_begin(&self, transfer: usize, name: &str, _: Option<u64>, _: u64) {
        self.with_names(|names| names.insert(transfer, name.to_owned()));
    }

    fn transfer_retry(&self, transfer: usize, why: &str) {
        let name = self.with_names(|names| names.get(&transfer).cloned());
        say(&retry(&name.unwrap_or_default(), why));
    }

    fn look_retry(&self, name: &str, why: &str) {
        say(&retry(name, why));
    }

    fn transfer_end(&self, transfer: usize) {
        self.with_names(|names| names.remove(&transfer));
    }
}

//! Hosts that have never answered.
//!
//! Input: when a host is asked, and that it has answered. Output: how long the next request to it
//! may wait. One host gets one limit for all of its files and pages: otherwise a command that asks
//! for one thing after the other would wait for a dead server again and again. Limits: what a host
//! does after its first answer is the business of [`Attempts`](super::retry::Attempts).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use url::Url;

use super::retry::FetchError;
use crate::error::{Error, NetworkFault};

/// The hosts that were asked.
pub(super) struct UnansweredHosts {
    limit: Duration,
    /// By host and port: when the host was asked first; `None` if it has answered.
    asked: Mutex<HashMap<String, Option<Instant>>>,
}

impl UnansweredHosts {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            asked: Mutex::default(),
        }
    }

    /// How long a request to the host of `url` may wait for an answer; an error if the host was
    /// silent for too long already.
    pub(super) fn left(&self, url: &Url, label: &str) -> Result<Duration, FetchError> {
        let now = Instant::now();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(since) = asked.entry(key_of(url)).or_insert(Some(now)) else {
            return Ok(self.limit);
        };
        let silence = now.saturating_duration_since(*since);
        // A program that keeps its downloader may ask again much later, and begins anew then.
        if silence > self.limit * 3 {
            *since = now;
            return Ok(self.limit);
        }
        let left = self.limit.saturating_sub(silence);
        if left.is_zero() {
            let host = url.host_str().unwrap_or_default();
            let why = format!("`{host}` has not answered for {} s", silence.as_secs());
            return Err(Error::network(NetworkFault::Unreachable, label, why).into());
        }
        Ok(left)
    }

    /// The host of `url` has answered, in whatever way.
    pub(super) fn heard(&self, url: &Url) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(key_of(url), None);
    }
}

fn key_of(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

//! How long the server of one file lets its client wait.
//!
//! Input: when a request is made, when bytes come, when a request ends. Output: the waiting time of
//! a request, which [`Attempts`](super::retry::Attempts) counts if the request did not bring what
//! was asked for; and whether bytes come so slowly that the file would never be complete. The times
//! of requests that run at once are not added up: a wait ends when bytes of any of them come.

use std::io::Read;
use std::time::{Duration, Instant};

/// Bytes per second. A server that sends less counts as one that sends nothing: git and curl have
/// the same limit (`http.lowSpeedLimit`, `--speed-limit`).
const SLOWEST: u32 = 1000;

/// The waits of one transfer.
#[derive(Debug)]
pub(super) struct Waits {
    /// A shorter gap between two pieces is a part of their transfer.
    shortest: Duration,
    /// How many requests run.
    running: usize,
    /// When bytes came last, or the first of the running requests was made.
    heard: Option<Instant>,
    /// The waits since they were last taken.
    waited: Duration,
    /// How much later the bytes came than they would have at the slowest speed.
    behind: Duration,
}

impl Waits {
    pub(super) fn new(shortest: Duration) -> Self {
        Self {
            shortest,
            running: 0,
            heard: None,
            waited: Duration::ZERO,
            behind: Duration::ZERO,
        }
    }

    /// A request is made.
    pub(super) fn begin(&mut self, now: Instant) {
        if self.running == 0 {
            self.heard = Some(now);
            self.behind = Duration::ZERO;
        }
        self.running += 1;
    }

    /// So many bytes came. Returns how far they are behind the slowest speed.
    pub(super) fn came(&mut self, now: Instant, bytes: usize) -> Duration {
        let gap = self.gap(now);
        if gap >= self.shortest {
            self.waited += gap;
        }
        // A buffer is much smaller than 4 GiB.
        let bytes = u32::try_from(bytes).expect("a piece fits into a buffer");
        let worth = Duration::from_secs(1) * bytes / SLOWEST;
        self.behind = (self.behind + gap).saturating_sub(worth);
        self.behind
    }

    /// A request ended. The wait before a failure counts, however short it was.
    pub(super) fn end(&mut self, now: Instant, is_failure: bool) {
        if is_failure {
            let gap = self.gap(now);
            self.waited += gap;
        }
        self.running -= 1;
    }

    /// The waits since the last call.
    pub(super) fn take(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }

    fn gap(&mut self, now: Instant) -> Duration {
        let since = self.heard.replace(now).unwrap_or(now);
        now.saturating_duration_since(since)
    }
}

/// A body that notes when its bytes come, and ends if they come too slowly.
pub(super) struct HeardBody<'a, R> {
    pub(super) body: R,
    pub(super) waits: &'a mut Waits,
    pub(super) patience: Duration,
}

impl<R: Read> Read for HeardBody<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.body.read(buffer)?;
        if self.waits.came(Instant::now(), count) > self.patience {
            let reason = "the server sends hardly anything";
            return Err(std::io::Error::new(std::io::ErrorKind::TimedOut, reason));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_waits_of_a_request_are_those_for_its_first_bytes_and_long_gaps() {
        let (start, mut waits) = (Instant::now(), Waits::new(SECOND / 4));
        waits.begin(start);
        waits.came(start + SECOND * 3, 1_000_000);
        for tenth in 1..=10 {
            waits.came(start + SECOND * 3 + SECOND / 10 * tenth, 1_000_000);
        }
        waits.came(start + SECOND * 6, 1_000_000);
        waits.end(start + SECOND * 7, false);
        assert_eq!(waits.take(), SECOND * 5);
        waits.begin(start + SECOND * 20);
        waits.end(start + SECOND * 21, true);
        assert_eq!(waits.take(), SECOND);
    }

    #[test]
    fn requests_at_the_same_time_wait_only_once() {
        let (start, mut waits) = (Instant::now(), Waits::new(SECOND / 4));
        waits.begin(start);
        waits.begin(start + SECOND);
        waits.end(start + SECOND * 2, true);
        waits.end(start + SECOND * 3, true);
        assert_eq!(waits.take(), SECOND * 3);
    }

    #[test]
    fn a_byte_now_and_then_is_too_slow_and_a_slow_line_is_not() {
        let start = Instant::now();
        let behind = |bytes: usize| {
            let mut waits = Waits::new(SECOND / 4);
            waits.begin(start);
            let pieces = (1..=20).map(|number| waits.came(start + SECOND * 5 * number, bytes));
            pieces.max().expect("there are pieces")
        };
        assert!(behind(1) > SECOND * 90);
        assert!(behind(6000) < SECOND * 6);
    }
}

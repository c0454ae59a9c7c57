//! From counters to lines: what a person sees of the work at one moment.
//!
//! Input: what is [`Seen`] of the counters, the time, the terminal's size. Output: lines, each
//! narrower than the terminal, and fewer than its rows: the running downloads in the order in which
//! they began, how many more there are, all of them together where there were several, and what is
//! unpacked. Limits: a character is taken to be one column wide.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::counters::Seen;
use crate::cli::render::size;
use pkg_install::error::escaped;

/// The most downloads that have a line of their own.
const SHOWN: usize = 8;
/// Lines that may stand below those, and the one that the cursor is in.
const OTHERS: usize = 4;
/// Over how long a speed is measured.
const WINDOW: Duration = Duration::from_secs(4);
/// A speed that was measured over less says nothing.
const SHORTEST: Duration = Duration::from_millis(300);

/// How large the terminal is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Characters in a line.
    pub columns: usize,
    /// Lines.
    pub rows: usize,
}

/// What has to be remembered from one moment to the next: speeds.
#[derive(Debug, Default)]
pub struct Model {
    transfers: BTreeMap<usize, Speed>,
    all: Speed,
    staging: Speed,
}

impl Model {
    /// The lines to show; `now` is counted from any moment and never less than before.
    pub fn lines(&mut self, seen: &Seen, now: Duration, size: Size) -> Vec<String> {
        let mut lines = Vec::new();
        let room = size.rows.saturating_sub(OTHERS).min(SHOWN);
        self.transfers.retain(|number, _| {
            seen.transfers
                .iter()
                .any(|transfer| transfer.transfer == *number)
        });
        for (place, transfer) in seen.transfers.iter().enumerate() {
            let speed = self
                .transfers
                .entry(transfer.transfer)
                .or_default()
                .measure(now, transfer.received);
            if place < room {
                let (label, done) = (short(&transfer.name), transfer.present);
                lines.push(
                    Gauge {
                        label,
                        done,
                        total: transfer.total,
                        speed,
                    }
                    .line(size.columns),
                );
            }
        }
        if seen.transfers.len() > room {
            lines.push(format!("… and {} more", seen.transfers.len() - room));
        }
        let speed = self.all.measure(now, seen.received);
        if seen.expected.max(seen.begun) > 1 && !seen.transfers.is_empty() {
            lines.push(all(seen, speed).line(size.columns));
        }
        match seen.staging {
            Some(staging) => {
                let label = format!("{}/{} files", staging.files_done, staging.files);
                let speed = self.staging.measure(now, staging.bytes_done);
                let gauge = Gauge {
                    label,
                    done: staging.bytes_done,
                    total: Some(staging.bytes),
                    speed,
                };
                lines.push(gauge.line(size.columns));
            }
            None => self.staging = Speed::default(),
        }
        lines.truncate(size.rows.saturating_sub(1));
        lines
            .iter()
            .map(|line| line.chars().take(size.columns.saturating_sub(1)).collect())
            .collect()
    }
}

fn all(seen: &Seen, speed: Option<u64>) -> Gauge {
    let done = seen.ended
        + seen
            .transfers
            .iter()
            .map(|transfer| transfer.present)
            .sum::<u64>();
    let files = seen.expected.max(seen.begun);
    let totals = || {
        seen.transfers
            .iter()
            .map(|transfer| transfer.total)
            .sum::<Option<u64>>()
    };
    let total = seen.expected_bytes.or_else(|| {
        totals()
            .filter(|_| files == seen.begun)
            .map(|sum| seen.ended + sum)
    });
    let label = format!("{}/{files} wheels", seen.begun - seen.transfers.len());
    Gauge {
        label,
        done,
        total,
        speed,
    }
}

/// The project and the version of a wheel's file name, which are what people know it by.
fn short(name: &str) -> String {
    let parts: Vec<&str> = name.split('-').collect();
    escaped(&if parts.len() > 2 {
        parts[..2].join("-")
    } else {
        name.to_owned()
    })
}

/// Anything that has come so far.
struct Gauge {
    label: String,
    done: u64,
    total: Option<u64>,
    speed: Option<u64>,
}

impl Gauge {
    fn line(&self, columns: usize) -> String {
        let (label, bar) = match columns {
            100.. => (32, 24),
            80.. => (24, 16),
            60.. => (20, 10),
            _ => (16, 0),
        };
        let mut line = fitted(&self.label, label);
        if bar > 0 {
            line = format!(
                "{line} {}",
                self.total
                    .map_or_else(|| " ".repeat(bar), |total| drawn(self.done, total, bar))
            );
        }
        line = format!("{line} {}", size(self.done));
        line += &self
            .total
            .map(|total| format!("/{}", size(total)))
            .unwrap_or_default();
        line += &self
            .speed
            .map(|speed| format!("  {}/s", size(speed)))
            .unwrap_or_default();
        let left = self
            .total
            .map(|total| total.saturating_sub(self.done))
            .filter(|left| *left > 0);
        let left = left.and_then(|left| left.checked_div(self.speed?));
        line + &left
            .map(|seconds| format!("  {}", clock(seconds)))
            .unwrap_or_default()
    }
}

/// The text in exactly so many columns.
fn fitted(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return format!("{text:columns$}");
    }
    text.chars().take(columns - 1).chain(['…']).collect()
}

fn drawn(done: u64, total: u64, columns: usize) -> String {
    let full = u128::from(done.min(total)) * columns as u128;
    let full = full
        .checked_div(u128::from(total))
        .map_or(columns, |full| usize::try_from(full).unwrap_or(columns));
    let tip = if full < columns { "╸" } else { "" };
    format!(
        "{}{tip}{}",
        "━".repeat(full),
        "─".repeat((columns - full).saturating_sub(1))
    )
}

/// `m:ss`, or `h:mm:ss`.
fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// How fast something grows, over the last seconds.
#[derive(Debug, Default)]
struct Speed {
    samples: VecDeque<(Duration, u64)>,
}

impl Speed {
    /// Takes note of how much it is now; bytes a second, once that can be said.
    fn measure(&mut self, now: Duration, amount: u64) -> Option<u64> {
        self.samples.push_back((now, amount));
        while self.samples.len() > 2 && now.saturating_sub(self.samples[1].0) >= WINDOW {
            self.samples.pop_front();
        }
        let (then, before) = self.samples[0];
        let time = now.saturating_sub(then);
        let grown = u128::from(amount.saturating_sub(before)) * 1000;
        (time >= SHORTEST).then(|| u64::try_from(grown / time.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests;

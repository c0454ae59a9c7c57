//! Progress bars for people at a terminal.
//!
//! Workers only add to [`Counters`]. One thread looks at them ten times a second and moves the bars
//! of `indicatif`: one bar per running download, one for all downloads, one for staging, and a line
//! for what else runs. Only that thread draws, so bars cost the workers nothing. It starts with the
//! first thing to show and ends when [`Bars`] is dropped, also by a panic. Then, and when a signal
//! comes, the bars are cleared.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indicatif::style::ProgressTracker;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::counters::{Counters, Seen, SeenStaging, SeenTransfer};
use super::terminal::{self, Terminal};
use super::ticker::Ticker;
use super::words;
use crate::cli::text::size;
use pkg_install::error::escaped;
use pkg_install::progress::{Activity, Events, Retry};

/// Frames per second.
const FRAMES: u8 = 10;
const PAUSE: Duration = Duration::from_millis(1000 / FRAMES as u64);
/// The most downloads that have a bar of their own.
const MAX_DOWNLOADS: usize = 8;
/// A speed that was measured for less time says nothing.
const SHORTEST: Duration = Duration::from_millis(300);
/// The rows below those: how many more or what else runs, all downloads, staging, the cursor's.
const OTHER_ROWS: usize = 4;

/// Shows how far the work is.
#[derive(Default)]
pub struct Bars {
    counters: Arc<Counters>,
    terminal: Terminal,
    ticker: Ticker,
}

impl Bars {
    /// Starts the thread that draws, if it does not run yet.
    fn draw(&self) {
        self.ticker.start(PAUSE, || {
            let terminal = Box::new(self.terminal.clone());
            let target = ProgressDrawTarget::term_like_with_hz(terminal, FRAMES);
            let mut shown = Shown::new(MultiProgress::with_draw_target(target));
            let counters = Arc::clone(&self.counters);
            move || shown.show(&counters.seen(), terminal::size())
        });
    }

    /// What a signal does to the bars, from another thread.
    pub fn interrupter(&self) -> impl Fn(i32) + Send + 'static {
        let terminal = self.terminal.clone();
        move |signal| terminal.end(Some(words::interrupted(signal)))
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        // The rows are cleared first: bars draw themselves once more when the thread drops them.
        self.terminal.end(None);
        self.ticker.stop();
    }
}

impl Events for Bars {
    fn begin(&self, files: u64, bytes: u64) {
        self.counters.stage(files, bytes);
        self.draw();
    }

    fn advance(&self, files: u64, bytes: u64) {
        self.counters.staged(files, bytes);
    }

    fn activity_begin(&self, number: usize, activity: &Activity) {
        self.counters.act(number, activity);
        self.draw();
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

    fn end(&self) {
        self.counters.stage_ended();
    }

    fn transfers(&self, files: usize, bytes: Option<u64>) {
        self.counters.expect(files, bytes);
    }

    fn look_retry(&self, name: &str, retry: &Retry) {
        self.terminal.print(&words::retry(name, retry));
    }

    fn transfer_begin(&self, transfer: usize, name: &str, total: Option<u64>, present: u64) {
        self.counters.begin(transfer, name, total, present);
        self.draw();
    }

    fn transfer_advance(&self, transfer: usize, bytes: u64) {
        self.counters.received(transfer, bytes);
    }

    fn transfer_retry(&self, transfer: usize, retry: &Retry) {
        let name = self.counters.name(transfer).unwrap_or_default();
        self.terminal.print(&words::retry(&name, retry));
    }

    fn transfer_end(&self, transfer: usize) {
        self.counters.ended(transfer);
    }
}

/// The bars on the screen, from top to bottom.
struct Shown {
    multi: MultiProgress,
    /// The width for which the bars have their styles.
    columns: u16,
    /// By the number of the download, which is the order in which they began.
    downloads: BTreeMap<usize, ProgressBar>,
    /// How many downloads have no bar.
    more: Option<ProgressBar>,
    /// All downloads together, if there are several.
    all: Option<ProgressBar>,
    staging: Option<ProgressBar>,
    /// What else runs, in one line.
    activity: Option<ProgressBar>,
}

impl Shown {
    fn new(multi: MultiProgress) -> Self {
        Self {
            multi,
            columns: 0,
            downloads: BTreeMap::new(),
            more: None,
            all: None,
            staging: None,
            activity: None,
        }
    }

    fn show(&mut self, seen: &Seen, (columns, rows): (u16, u16)) {
        if columns != self.columns {
            // Another width has other styles, so the bars are made anew.
            self.remove_all();
            self.columns = columns;
        }
        let room = usize::from(rows).saturating_sub(OTHER_ROWS);
        self.show_downloads(&seen.transfers, room.min(MAX_DOWNLOADS));
        let place = self.downloads.len() + usize::from(self.more.is_some());
        let bar = self.all.take();
        self.all = self.update(bar, place, all(seen));
        let place = place + usize::from(self.all.is_some());
        let bar = self.staging.take();
        self.staging = self.update(bar, place, seen.staging.as_ref().and_then(staging));
        // The rows are few, so this line and the number of further downloads share one.
        let line = words::activities(&seen.activities).filter(|_| self.more.is_none());
        let bar = self.activity.take();
        // Below all others: a place beyond the last one is the end.
        self.activity = self.write(bar, usize::MAX, line);
    }

    /// Puts `line` into the row `bar`, which it makes at `place` or removes if needed.
    fn write(
        &self,
        bar: Option<ProgressBar>,
        place: usize,
        line: Option<String>,
    ) -> Option<ProgressBar> {
        let Some(line) = line else {
            if let Some(bar) = bar {
                self.multi.remove(&bar);
            }
            return None;
        };
        let bar = bar.unwrap_or_else(|| {
            let style = ProgressStyle::with_template("{wide_msg}").expect("a constant template");
            let bar = ProgressBar::no_length().with_style(style);
            self.multi.insert(place, bar)
        });
        bar.set_message(line);
        Some(bar)
    }

    fn show_downloads(&mut self, transfers: &[SeenTransfer], room: usize) {
        let numbers: Vec<usize> = transfers.iter().map(|one| one.transfer).collect();
        self.downloads.retain(|number, bar| {
            let runs = numbers.binary_search(number).is_ok();
            if !runs {
                self.multi.remove(bar);
            }
            runs
        });
        let shown = &transfers[..transfers.len().min(room)];
        for (place, transfer) in shown.iter().enumerate() {
            let bar = self.downloads.remove(&transfer.transfer);
            let gauge = Gauge {
                label: short(&transfer.name),
                done: transfer.present,
                total: transfer.total,
            };
            if let Some(bar) = self.update(bar, place, Some(gauge)) {
                self.downloads.insert(transfer.transfer, bar);
            }
        }
        let more = transfers.len() - shown.len();
        let line = (more > 0).then(|| format!("… and {more} more"));
        let bar = self.more.take();
        self.more = self.write(bar, self.downloads.len(), line);
    }

    /// Moves `bar` to what `gauge` says. Makes it at `place` or removes it if needed.
    fn update(
        &self,
        bar: Option<ProgressBar>,
        place: usize,
        gauge: Option<Gauge>,
    ) -> Option<ProgressBar> {
        let Some(gauge) = gauge else {
            if let Some(bar) = bar {
                self.multi.remove(&bar);
            }
            return None;
        };
        let bar = bar.unwrap_or_else(|| {
            let bar = ProgressBar::no_length().with_style(style(self.columns, gauge.total));
            let bar = self.multi.insert(place, bar);
            bar.set_position(gauge.done);
            // Bytes that were present at the beginning do not count for the speed.
            bar.reset_eta();
            bar
        });
        // Making a style parses its template, so it is made only if the length has changed.
        if bar.length() != gauge.total {
            bar.set_style(style(self.columns, gauge.total));
            match gauge.total {
                Some(total) => bar.set_length(total),
                None => bar.unset_length(),
            }
        }
        bar.set_prefix(gauge.label);
        bar.set_position(gauge.done);
        Some(bar)
    }

    /// Takes all bars off the screen without drawing.
    fn remove_all(&mut self) {
        let others = [
            self.more.take(),
            self.all.take(),
            self.staging.take(),
            self.activity.take(),
        ];
        let downloads = std::mem::take(&mut self.downloads).into_values();
        for bar in downloads.chain(others.into_iter().flatten()) {
            self.multi.remove(&bar);
        }
    }
}

/// How much of something is done.
struct Gauge {
    label: String,
    done: u64,
    total: Option<u64>,
}

/// All downloads together, if there are or will be several and one is running.
fn all(seen: &Seen) -> Option<Gauge> {
    let files = seen.expected.max(seen.begun);
    if files < 2 || seen.transfers.is_empty() {
        return None;
    }
    let running: u64 = seen.transfers.iter().map(|transfer| transfer.present).sum();
    let totals = || {
        let totals = seen.transfers.iter().map(|transfer| transfer.total);
        totals.sum::<Option<u64>>()
    };
    let total = seen.expected_bytes.or_else(|| {
        totals()
            .filter(|_| files == seen.begun)
            .map(|sum| seen.ended + sum)
    });
    Some(Gauge {
        label: format!("{}/{files} wheels", seen.begun - seen.transfers.len()),
        done: seen.ended + running,
        total,
    })
}

/// The files that are unpacked; `None` if there are none, as when projects are removed.
fn staging(staging: &SeenStaging) -> Option<Gauge> {
    (staging.files > 0).then(|| Gauge {
        label: format!("{}/{} files", staging.files_done, staging.files),
        done: staging.bytes_done,
        total: Some(staging.bytes),
    })
}

/// The project and the version of a wheel's file name, escaped.
fn short(name: &str) -> String {
    let parts: Vec<&str> = name.split('-').collect();
    if parts.len() > 2 {
        escaped(&parts[..2].join("-"))
    } else {
        escaped(name)
    }
}

/// The style of a bar on a terminal of so many columns: label, bar, bytes, speed and time left.
fn style(columns: u16, total: Option<u64>) -> ProgressStyle {
    // Amounts take up to 19 columns, speeds 11, times 9; none of these lines is wrapped.
    let (label, bar, rest) = match columns {
        100.. => (32, 24, "{speed}{left}"),
        80.. => (24, 12, "{speed}{left}"),
        60.. => (20, 6, "{speed}"),
        _ => (16, 0, ""),
    };
    let template = match (total, bar) {
        (_, 0) => format!("{{prefix:{label}!}} {{amount}}"),
        // Without a length there is nothing that a bar could show.
        (None, _) => format!("{{prefix:{label}!}} {:bar$} {{amount}}{rest}", ""),
        (Some(_), _) => format!("{{prefix:{label}!}} {{bar:{bar}}} {{amount}}{rest}"),
    };
    ProgressStyle::with_template(&template)
        .expect("the template has no placeholders but these")
        .progress_chars("━╸─")
        .with_key("amount", tracker(amount))
        .with_key("speed", tracker(speed))
        .with_key("left", tracker(left))
}

/// A placeholder of a template that shows what `text` makes of the state of its bar.
fn tracker(text: fn(&ProgressState) -> String) -> impl ProgressTracker {
    move |state: &ProgressState, output: &mut dyn std::fmt::Write| {
        // Writing to a string does not fail.
        let _ = output.write_str(&text(state));
    }
}

fn amount(state: &ProgressState) -> String {
    match state.len() {
        // Nothing has come yet, and a zero would look like a stalled download.
        None if state.pos() == 0 => String::new(),
        Some(total) => format!("{}/{}", size(state.pos()), size(total)),
        None => size(state.pos()),
    }
}

/// Whether the bar has been measured for long enough to state its speed.
fn is_measured(state: &ProgressState) -> bool {
    state.elapsed() >= SHORTEST && state.per_sec() >= 1.0
}

/// Empty until the speed is known.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a speed in bytes is a small positive number"
)]
fn speed(state: &ProgressState) -> String {
    if !is_measured(state) {
        return String::new();
    }
    format!("  {}/s", size(state.per_sec() as u64))
}

/// Empty if nothing is left or the speed is not known.
fn left(state: &ProgressState) -> String {
    let is_over = state.len().is_none_or(|total| state.pos() >= total);
    if is_over || !is_measured(state) {
        return String::new();
    }
    format!("  {}", clock(state.eta().as_secs()))
}

/// `m:ss` or `h:mm:ss`.
fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

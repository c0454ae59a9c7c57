//! Progress while a command works, all of it on stderr.
//!
//! * [`bars`]: bars on a terminal, cleared at the end. [`counters`] has what they show,
//!   [`terminal`] draws them.
//! * [`plain`]: plain lines that say that the program waits or tries again, and every ten seconds
//!   what runs. If stderr is no terminal, and with `--progress plain`.
//! * [`json_lines`]: one line of JSON per event, wherever stderr goes. With `--progress json`.
//!
//! `--quiet` leaves only the JSON events. Names and reasons contain no credentials. They are
//! escaped for people and left as they are in JSON.

mod bars;
mod counters;
mod json_lines;
mod plain;
mod terminal;
mod ticker;
mod words;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::args::groups::OutputArgs;
use super::args::values::ProgressMode;
use pkg_install::command::MessageFile;
use pkg_install::progress::{Activity, Events, Retry, Silent, Step};
use pkg_install::results::PathConflict;
use pkg_install::{Result, Warning};

/// Shows that a signal, whose number is passed, has cancelled the command.
pub type Interrupter = Box<dyn FnOnce(i32) + Send>;

/// Shows progress as the options ask for, and keeps what is printed after the command.
pub struct ProgressDisplay {
    shower: Box<dyn Events>,
    warnings: Mutex<Vec<Warning>>,
    timings: Mutex<Vec<(Step, Duration)>>,
    conflicts: Mutex<Vec<PathConflict>>,
    pip_places: Mutex<Vec<String>>,
    wheels: Mutex<BTreeMap<String, bool>>,
    tracebacks: Mutex<Vec<String>>,
}

/// What was reported while a command worked and is printed after it.
pub struct Kept {
    pub warnings: Vec<Warning>,
    pub timings: Vec<(Step, Duration)>,
    /// The conflicts that the options resolve.
    pub conflicts: Vec<PathConflict>,
    /// The places of pip's configuration that count, without credentials.
    pub pip_places: Vec<String>,
    /// The remote wheels by file name, and whether the cache had all of them.
    pub wheels: BTreeMap<String, bool>,
    /// What interpreters say about sources that are no valid Python.
    pub tracebacks: Vec<String>,
}

/// The progress that the options ask for, and what shows a signal in it.
///
/// # Errors
/// The descriptor for progress cannot be used.
pub fn of(output: &OutputArgs) -> Result<(ProgressDisplay, Interrupter)> {
    let (shower, interrupter) = match output.progress_fd {
        Some(number) => to_descriptor(number)?,
        None => to_stderr(output),
    };
    let display = ProgressDisplay {
        shower,
        warnings: Mutex::default(),
        timings: Mutex::default(),
        conflicts: Mutex::default(),
        pip_places: Mutex::default(),
        wheels: Mutex::default(),
        tracebacks: Mutex::default(),
    };
    Ok((display, interrupter))
}

fn to_descriptor(number: u32) -> Result<(Box<dyn Events>, Interrupter)> {
    let lines = json_lines::JsonLines::new(MessageFile::descriptor(number)?);
    let mut last = MessageFile::descriptor(number)?;
    let interrupter = move |signal| {
        // A reader that went away stops nothing.
        let _ = last.write_all(json_lines::interrupted(signal).as_bytes());
    };
    Ok((Box::new(lines), Box::new(interrupter)))
}

fn to_stderr(output: &OutputArgs) -> (Box<dyn Events>, Interrupter) {
    let terminal = std::io::stderr().is_terminal() && !is_dumb();
    match output.progress {
        ProgressMode::Json => (
            Box::new(json_lines::JsonLines::new(std::io::stderr())),
            Box::new(|signal| say(&json_lines::interrupted(signal))),
        ),
        _ if output.quiet => (Box::new(Silent), Box::new(|_| ())),
        ProgressMode::None => (Box::new(Silent), Box::new(|_| ())),
        ProgressMode::Auto | ProgressMode::Bars if terminal => {
            let bars = bars::Bars::default();
            let interrupter = Box::new(bars.interrupter());
            (Box::new(bars), interrupter)
        }
        ProgressMode::Auto | ProgressMode::Bars | ProgressMode::Plain => (
            Box::<plain::Plain>::default(),
            Box::new(|signal| say(&format!("{}\n", words::interrupted(signal)))),
        ),
    }
}

impl ProgressDisplay {
    /// Clears what was drawn, and returns what was reported.
    pub fn end(self) -> Kept {
        // Dropping the bars joins the thread that draws, so nothing is drawn after this.
        drop(self.shower);
        let warnings = self.warnings.into_inner();
        let timings = self.timings.into_inner();
        let conflicts = self.conflicts.into_inner();
        let pip_places = self.pip_places.into_inner();
        let tracebacks = self.tracebacks.into_inner();
        Kept {
            warnings: warnings.unwrap_or_else(PoisonError::into_inner),
            timings: timings.unwrap_or_else(PoisonError::into_inner),
            conflicts: conflicts.unwrap_or_else(PoisonError::into_inner),
            pip_places: pip_places.unwrap_or_else(PoisonError::into_inner),
            wheels: (self.wheels.into_inner()).unwrap_or_else(PoisonError::into_inner),
            tracebacks: tracebacks.unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl Events for ProgressDisplay {
    fn warning(&self, warning: Warning) {
        // Warnings wait for the end: printed now, they would break up the bars.
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.push(warning);
    }

    fn not_compiled(&self, traceback: &str) {
        let kept = self.tracebacks.lock();
        let mut kept = kept.unwrap_or_else(PoisonError::into_inner);
        kept.push(traceback.to_owned());
    }

    fn pip_places(&self, places: &[String]) {
        let kept = self.pip_places.lock();
        *kept.unwrap_or_else(PoisonError::into_inner) = places.to_vec();
    }

    fn resolved(&self, conflicts: &[PathConflict]) {
        let mut kept = self
            .conflicts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(conflicts);
    }

    fn step(&self, step: Step, took: Duration) {
        let mut timings = self.timings.lock().unwrap_or_else(PoisonError::into_inner);
        timings.push((step, took));
    }

    fn begin(&self, files: u64, bytes: u64) {
        self.shower.begin(files, bytes);
    }

    fn advance(&self, files: u64, bytes: u64) {
        self.shower.advance(files, bytes);
    }

    fn waiting(&self, lock: &Path) {
        self.shower.waiting(lock);
    }

    fn in_cache(&self, name: &str) {
        let mut wheels = self.wheels.lock().unwrap_or_else(PoisonError::into_inner);
        wheels.insert(name.to_owned(), true);
    }

    fn end(&self) {
        self.shower.end();
    }

    fn activity_begin(&self, number: usize, activity: &Activity) {
        self.shower.activity_begin(number, activity);
    }

    fn activity_advance(&self, number: usize, files: u64) {
        self.shower.activity_advance(number, files);
    }

    fn activity_subject(&self, number: usize, subject: &str) {
        self.shower.activity_subject(number, subject);
    }

    fn activity_end(&self, number: usize) {
        self.shower.activity_end(number);
    }

    fn transfers(&self, files: usize, bytes: Option<u64>) {
        self.shower.transfers(files, bytes);
    }

    fn look_retry(&self, name: &str, retry: &Retry) {
        self.shower.look_retry(name, retry);
    }

    fn transfer_begin(&self, transfer: usize, name: &str, total: Option<u64>, present: u64) {
        let mut wheels = self.wheels.lock().unwrap_or_else(PoisonError::into_inner);
        // Only the first time counts: a wheel that was fetched is in the cache from then on.
        wheels
            .entry(name.to_owned())
            .or_insert(total == Some(present));
        drop(wheels);
        self.shower.transfer_begin(transfer, name, total, present);
    }

    fn transfer_advance(&self, transfer: usize, bytes: u64) {
        self.shower.transfer_advance(transfer, bytes);
    }

    fn transfer_retry(&self, transfer: usize, retry: &Retry) {
        self.shower.transfer_retry(transfer, retry);
    }

    fn transfer_end(&self, transfer: usize) {
        self.shower.transfer_end(transfer);
    }
}

/// Whether the terminal understands plain text only.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// Writes the text to stderr in one write; a failure is ignored, since progress is no result.
pub fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

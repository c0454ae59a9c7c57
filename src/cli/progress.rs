//! The progress bar: files and bytes, one bar for the whole, drawn by one thread, and only on a terminal.
//!
//! Workers only add to two counters. A thread of its own draws them ten times a second and ends with the staging.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args::Output;
use crate::error::escaped;
use crate::report::Progress;

const PAUSE: Duration = Duration::from_millis(100);
const TEMPLATE: &str = "{msg:>16} {bar:28} {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}";

/// Shows how far the work has come.
pub struct Bar {
    shown: bool,
    quiet: bool,
    counters: Arc<Counters>,
    drawer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Counters {
    files: AtomicU64,
    bytes: AtomicU64,
    done: AtomicBool,
}

impl Bar {
    /// A bar that is shown where stderr is a terminal and nobody said otherwise.
    pub fn new(output: &Output) -> Self {
        let shown = std::io::stderr().is_terminal() && !output.no_progress && !output.quiet;
        Self { shown, quiet: output.quiet, counters: Arc::default(), drawer: Mutex::new(None) }
    }
}

impl Progress for Bar {
    fn begin(&self, files: u64, bytes: u64) {
        if !self.shown {
            return;
        }
        let counters = Arc::clone(&self.counters);
        let drawer = std::thread::spawn(move || draw(&counters, files, bytes));
        if let Ok(mut held) = self.drawer.lock() {
            *held = Some(drawer);
        }
    }

    fn advance(&self, files: u64, bytes: u64) {
        self.counters.files.fetch_add(files, Ordering::Relaxed);
        self.counters.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn waiting(&self, lock: &Path) {
        if !self.quiet {
            let _ = writeln!(
                std::io::stderr(),
                "waiting for another process that holds `{}`",
                escaped(&lock.display().to_string())
            );
        }
    }

    fn end(&self) {
        self.counters.done.store(true, Ordering::Relaxed);
        let drawer = self.drawer.lock().ok().and_then(|mut held| held.take());
        if let Some(drawer) = drawer {
            drawer.thread().unpark();
            // A drawer that failed has drawn what it could.
            let _ = drawer.join();
        }
    }
}

fn draw(counters: &Counters, files: u64, bytes: u64) {
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    while !counters.done.load(Ordering::Relaxed) {
        bar.set_message(format!("{}/{files} files", counters.files.load(Ordering::Relaxed)));
        bar.set_position(counters.bytes.load(Ordering::Relaxed));
        std::thread::park_timeout(PAUSE);
    }
    bar.finish_and_clear();
}

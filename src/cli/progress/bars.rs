//! Progress for people at a terminal, drawn ten times a second by one thread.
//!
//! Workers only add to counters. The thread begins with the first thing to show and ends when
//! [`Bars`] is dropped, also by a panic; nothing that it drew stands then. Remarks go through it
//! too, so that they stand above the bars.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::counters::Counters;
use super::lines::{Model, Size};
use super::screen::Screen;
use super::{remarks, say};
use pkg_install::outcome::Progress;

const PAUSE: Duration = Duration::from_millis(100);

/// Shows how far the work has come.
#[derive(Default)]
pub struct Bars {
    shared: Arc<Shared>,
    drawer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    counters: Counters,
    remarks: Mutex<Vec<String>>,
    done: AtomicBool,
}

impl Bars {
    /// Begins to draw, where nobody does yet.
    fn draw(&self) {
        let mut drawer = self.drawer.lock().unwrap_or_else(PoisonError::into_inner);
        if drawer.is_none() {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("progress".to_owned());
            // Without a thread there are no bars, and remarks are said at the end.
            *drawer = thread.spawn(move || draw(&shared)).ok();
        }
    }

    fn remark(&self, text: String) {
        self.shared
            .remarks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text);
        self.draw();
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.shared.done.store(true, Ordering::Release);
        let drawer = self
            .drawer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(drawer) = drawer {
            drawer.thread().unpark();
            // A drawer that failed has drawn what it could.
            let _ = drawer.join();
        }
        say(&self.shared.take_remarks().concat());
    }
}

impl Progress for Bars {
    fn begin(&self, files: u64, bytes: u64) {
        self.shared.counters.stage(files, bytes);
        self.draw();
    }

    fn advance(&self, files: u64, bytes: u64) {
        self.shared.counters.staged(files, bytes);
    }

    fn waiting(&self, lock: &Path) {
        self.remark(remarks::waiting(lock));
    }

    fn end(&self) {
        self.shared.counters.stage_ended();
    }

    fn transfers(&self, files: usize, bytes: Option<u64>) {
        self.shared.counters.expect(files, bytes);
    }

    fn look_retry(&self, name: &str, why: &str) {
        self.remark(remarks::retry(name, why));
    }

    fn transfer_begin(&self, transfer: usize, name: &str, total: Option<u64>, present: u64) {
        self.shared.counters.begin(transfer, name, total, present);
        self.draw();
    }

    fn transfer_advance(&self, transfer: usize, bytes: u64) {
        self.shared.counters.received(transfer, bytes);
    }

    fn transfer_retry(&self, transfer: usize, why: &str) {
        let name = self.shared.counters.name(transfer).unwrap_or_default();
        self.remark(remarks::retry(&name, why));
    }

    fn transfer_end(&self, transfer: usize) {
        self.shared.counters.ended(transfer);
    }
}

impl Shared {
    fn take_remarks(&self) -> Vec<String> {
        std::mem::take(&mut *self.remarks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn draw(shared: &Shared) {
    let (begin, mut model, mut screen) = (Instant::now(), Model::default(), Screen::default());
    loop {
        let done = shared.done.load(Ordering::Acquire);
        let remarks = shared.take_remarks();
        let lines = if done {
            Vec::new()
        } else {
            model.lines(&shared.counters.seen(), begin.elapsed(), size())
        };
        say(&screen.frame(&remarks, &lines));
        if done {
            return;
        }
        std::thread::park_timeout(PAUSE);
    }
}

/// The terminal's size now: it may change at any time.
fn size() -> Size {
    let said = rustix::termios::tcgetwinsize(std::io::stderr()).ok();
    let said = said.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
    let (columns, rows) = said
        .filter(|&(columns, rows)| columns > 0 && rows > 0)
        .unwrap_or((80, 24));
    Size { columns, rows }
}

//! Signals cancel the command instead of ending the process in the middle of its work.
//!
//! Ctrl-C, SIGTERM and a closed terminal cancel the command, which then gives up and cleans up; a
//! commit that has begun is finished. The second such signal ends the process at once, and the next
//! command recovers. Exceeding a limit on file sizes becomes an error of the write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use super::progress::{Interrupter, say};
use pkg_install::Cancellation;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

/// The signals that ask a program to end.
// SIGQUIT keeps its default action, as another way to end a program that hangs.
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// The longest time that the last remark may take: a second signal is to end the program at once.
const LONGEST_REMARK: Duration = Duration::from_millis(100);

/// The signal that has cancelled the command.
#[derive(Debug, Clone, Default)]
pub struct ReceivedSignal {
    /// 0 until there was one.
    number: Arc<AtomicI32>,
}

impl ReceivedSignal {
    /// The exit code of a command that a signal has ended, as shells state it.
    pub fn exit_code(&self) -> u8 {
        // Relaxed: the number is all that is shared. 0 means that the command was cancelled
        // without a signal, which only tests do.
        let number = match self.number.load(Ordering::Relaxed) {
            0 => SIGINT,
            number => number,
        };
        code(number)
    }
}

/// 128 and the number of the signal.
fn code(signal: i32) -> u8 {
    u8::try_from(128 + signal).expect("signals have small numbers")
}

/// Cancels `cancel` when a signal asks the program to end, and shows that with `interrupter`.
pub fn watch(cancel: &Cancellation, interrupter: Interrupter) -> ReceivedSignal {
    let received = ReceivedSignal::default();
    // Any handler keeps SIGXFSZ from ending the process; the flag itself is never read.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    // If handlers cannot be registered, a signal ends the process, as by default.
    let Ok(mut signals) = Signals::new(SIGNALS) else {
        return received;
    };
    let (cancel, shared) = (cancel.clone(), received.clone());
    let thread = std::thread::Builder::new().name("signals".to_owned());
    let thread = thread.spawn(move || {
        let mut signals = signals.forever();
        if let Some(signal) = signals.next() {
            shared.number.store(signal, Ordering::Relaxed);
            cancel.cancel();
            aside(move || interrupter(signal));
        }
        if let Some(signal) = signals.next() {
            // The command may be in the middle of anything, so nothing is promised here.
            let left = aside(|| {
                say("left at once; the next command, or `pkg-install recover`, cleans up\n");
            });
            let _ = left.recv_timeout(LONGEST_REMARK);
            // Without destructors and exit handlers, which could wait for other threads.
            signal_hook::low_level::exit(code(signal).into());
        }
    });
    if thread.is_err() {
        // Without a thread the handlers would swallow the signals, so the default action is called.
        for signal in SIGNALS {
            let always = Arc::new(AtomicBool::new(true));
            let _ = signal_hook::flag::register_conditional_default(signal, always);
        }
    }
    received
}

/// Does `work` on another thread, since a terminal that takes no output must not keep this one from
/// the next signal. The channel is closed when the work is done, or cannot be done.
fn aside(work: impl FnOnce() + Send + 'static) -> Receiver<()> {
    let (done, wait) = mpsc::channel();
    let run = move || {
        work();
        drop(done);
    };
    // Without a thread nothing is shown.
    let _ = std::thread::Builder::new().spawn(run);
    wait
}

/// Raises the limit on open files as far as allowed, since every wheel stays open until it is
/// installed.
pub fn raise_file_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        ..limit
    };
    // If it stays low, a command with many wheels fails with an error that says so.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
}

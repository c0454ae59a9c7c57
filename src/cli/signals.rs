//! Signals: a flag that asks the work to stop, instead of a death in the middle of it.
//!
//! Ctrl-C, a request to terminate and a closed terminal set the flag; staging looks at it and gives
//! up, a commit that has begun is finished. Reaching a limit on file sizes is made an error of the
//! write that reached it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

/// A flag that becomes true when the user wants the program to stop.
pub fn watch() -> Arc<AtomicBool> {
    let cancel = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // Where a handler cannot be registered the signal keeps its default: the process dies and
        // recovery settles it.
        let _ = signal_hook::flag::register(signal, Arc::clone(&cancel));
    }
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    cancel
}

/// Raises the limit on open files as far as this user may: every wheel stays open until it is
/// installed.
pub fn raise_file_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        ..limit
    };
    // With the limit as it is, many wheels at once are refused with an error that says so.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
}

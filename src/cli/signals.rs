//! Signals set a flag that cancels the work, instead of ending the process in the middle of it.
//!
//! Ctrl-C, SIGTERM and a closed terminal set the flag. Staging polls it and gives up; a commit that
//! has begun is finished. Exceeding a limit on file sizes becomes an error of the write.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

/// Returns the flag that such a signal sets.
pub fn watch() -> Arc<AtomicBool> {
    let cancel = Arc::new(AtomicBool::new(false));
    // A second signal only sets the flag again, because ending at once could cut a commit short.
    // SIGQUIT keeps its default action, as a way to end a program that hangs.
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // If a handler cannot be registered the signal ends the process, as by default, and the
        // next command recovers.
        let _ = signal_hook::flag::register(signal, Arc::clone(&cancel));
    }
    // Any handler keeps SIGXFSZ from ending the process; the flag itself is never read.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    cancel
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

//! Faults of the program itself: a panic at any change ends the command, as a kill would, and the
//! next one settles what it left.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use pkg_install::BytecodeOptions;
use pkg_install::command::Options;
use pkg_install::fs::{FaultHook, Fs, FsOp};

use crate::support::faults::{Fault, Fuse};
use crate::support::living::Life;
use crate::support::tree_image::Image;

/// Panics at the change of this number.
struct PanicAt(usize, AtomicUsize);

impl FaultHook for PanicAt {
    fn before(&self, _: &FsOp<'_>) -> io::Result<()> {
        let number = self.1.fetch_add(1, Ordering::SeqCst);
        assert!(number != self.0, "as the test wants, at {number}");
        Ok(())
    }
}

/// Panics at each change in turn. The thread that panics may be any, and none may wait for it.
fn panic_everywhere(life: Life) {
    let (tell, told) = mpsc::channel();
    let tried = std::thread::spawn(move || {
        let whole = Fuse::new(Fault::None);
        life.rehearse(&whole);
        for at in 0..whole.seen() {
            life.reset();
            let fs = Fs::with_hook(Arc::new(PanicAt(at, AtomicUsize::new(0))));
            let result = catch_unwind(AssertUnwindSafe(|| life.run(&fs.with_threads(Some(4)))));
            assert!(result.is_err(), "{}: {at}: no panic", life.name);
            (life.recover(&Fs::default())).unwrap_or_else(|error| panic!("{at}: {error}"));
            let now = Image::of(&life.root).public();
            assert!(
                now == life.before.public() || now == life.after,
                "{}: {at}: neither as before nor as after:\n{}",
                life.name,
                life.before.public().difference(&now)
            );
            tell.send(at).expect("the test waits");
        }
    });
    let ended = loop {
        if let Err(ended) = told.recv_timeout(Duration::from_secs(60)) {
            break ended;
        }
    };
    let waits = "a thread waits for one that panicked";
    assert_eq!(ended, RecvTimeoutError::Disconnected, "{waits}");
    tried.join().expect("each panic ends the command");
}

#[test]
fn a_panic_ends_an_installation_and_is_recovered_from() {
    panic_everywhere(Life::into_shared());
    panic_everywhere(Life::small_replace());
}

#[test]
fn a_panic_ends_a_compilation() {
    let compile = |options: &mut Options| {
        options.bytecode = Some(BytecodeOptions::default());
        // The same bytecode each time.
        options.source_date_epoch = Some(1_000_000_000);
    };
    panic_everywhere(Life::small_replace().with(compile));
}

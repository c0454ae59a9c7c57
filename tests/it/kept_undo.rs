//! The kept undo of an earlier `--undoable`, while the next command crashes, fails, or crashes
//! twice.
//!
//! One transaction is kept for `undo`; a second one follows and dies. If recovery leaves the
//! environment as it was before the second, `undo` still takes back the first, to the byte. If
//! recovery completes the second, `undo` takes that back if it was kept, and is refused otherwise.
//! It never takes back a transaction before the last, unless it is asked to.

use pkg_install::error::ErrorKind;
use pkg_install::fs::Fs;

use crate::support::faults::{EACCES, EDQUOT, EIO, ENOSPC, Fault, Fuse};
use crate::support::living::{Attempt, Life};
use crate::support::scene::Scene;
use crate::support::tree_image::Image;
use crate::support::wheel_builder::Wheel;

/// A life in which something was installed to be undone, and what there was before.
struct Kept {
    life: Life,
    first: Image,
    /// The path of the second command's wheel.
    _wheels: Scene,
}

impl Kept {
    fn begin(undoable: bool) -> Self {
        let mut life = Life::into_shared();
        let first = Image::of(&life.root);
        life.options.undoable = true;
        life.run(&Fs::default())
            .expect("the first command succeeds");
        let scene = Scene::new();
        let wheel = scene.wheel(&Wheel::new("apart", "1.0").file("apart.py", "apart"));
        life.attempt = Attempt::Install(vec![wheel]);
        let life = life.with(|options| options.undoable = undoable);
        Self {
            life,
            first,
            _wheels: scene,
        }
    }

    /// Tries `undo` in the recovered environment; returns whether that was as before the second.
    #[track_caller]
    fn assert_undo_is_of_the_last(&mut self, what: &str) -> bool {
        let public = Image::of(&self.life.root).public();
        let is_before = public == self.life.before.public();
        assert!(
            is_before || public == self.life.after,
            "{what}:\n{}",
            self.life.after.difference(&public)
        );
        let second = std::mem::replace(&mut self.life.attempt, Attempt::Undo);
        let undone = self.life.run(&Fs::default());
        self.life.attempt = second;
        let now = Image::of(&self.life.root);
        match undone {
            Ok(()) if is_before => assert!(
                now == self.first,
                "{what}: undone\n{}",
                self.first.difference(&now)
            ),
            Ok(()) => {
                assert!(
                    self.life.options.undoable,
                    "{what}: an undo that was not asked for"
                );
                let before = self.life.before.public();
                let undone = now.public();
                assert!(
                    undone == before,
                    "{what}: undone\n{}",
                    before.difference(&undone)
                );
                self.assert_the_first_goes_too(what);
            }
            Err(error) => {
                assert!(
                    !is_before,
                    "{what}: as before, and cannot be undone: {error}"
                );
                assert_eq!(error.kind(), ErrorKind::Environment, "{what}: {error}");
                assert!(now.public() == public, "{what}: refused, and changed");
            }
        }
        is_before
    }

    /// The first transaction can still be taken back, and then nothing of ours is left.
    #[track_caller]
    fn assert_the_first_goes_too(&mut self, what: &str) {
        let second = std::mem::replace(&mut self.life.attempt, Attempt::UndoTo(0));
        let undone = self.life.run(&Fs::default());
        self.life.attempt = second;
        undone.unwrap_or_else(|error| panic!("{what}: the first: {error}"));
        let now = Image::of(&self.life.root);
        assert!(
            now == self.first,
            "{what}: both undone\n{}",
            self.first.difference(&now)
        );
    }
}

#[test]
fn r120_undo_after_a_crash_takes_back_the_last_transaction_or_none() {
    for undoable in [false, true] {
        let mut kept = Kept::begin(undoable);
        let whole = Fuse::new(Fault::None);
        kept.life.rehearse(&whole);
        let mut outcomes = [0, 0];
        for at in 0..=whole.seen() {
            let _ = kept.life.run_with(&Fuse::new(Fault::CrashBefore(at)));
            let crashed = Image::of(&kept.life.root);
            for inner in 0.. {
                crashed.restore(&kept.life.root);
                let fuse = Fuse::new(Fault::CrashBefore(inner));
                let _ = kept.life.recover(&fuse.fs());
                let what = format!(
                    "undoable {undoable}: crash before {at}, and before {inner} of recovery"
                );
                kept.life
                    .recover(&Fs::default())
                    .unwrap_or_else(|error| panic!("{what}: {error}"));
                outcomes[usize::from(kept.assert_undo_is_of_the_last(&what))] += 1;
                if fuse.refused().is_none() {
                    break;
                }
            }
        }
        assert!(
            outcomes.iter().all(|outcome| *outcome >= 20),
            "{outcomes:?}"
        );
    }
}

#[test]
fn r129_undo_after_a_failure_takes_back_the_last_transaction_or_none() {
    for undoable in [false, true] {
        let mut kept = Kept::begin(undoable);
        let whole = Fuse::new(Fault::None);
        kept.life.rehearse(&whole);
        for at in 0..whole.seen() {
            let code = [ENOSPC, EIO, EACCES, EDQUOT][at % 4];
            let result = kept.life.run_with(&Fuse::new(Fault::Error(at, code)));
            let is_before = kept
                .assert_undo_is_of_the_last(&format!("undoable {undoable}: error {code} at {at}"));
            assert_eq!(
                result.is_err(),
                is_before,
                "undoable {undoable}: error {code} at {at}: {result:?}"
            );
        }
    }
}

/// A failed undo leaves what it needs, and nothing else, so that it can be tried again.
#[test]
fn r129_an_undo_that_fails_can_be_tried_again() {
    for life in [
        Life::fresh().undo_of("undo of fresh"),
        Life::uninstall().undo_of("undo of uninstall"),
        Life::undo_of_two(),
        Life::undo_over_bytecode(),
    ] {
        let whole = Fuse::new(Fault::None);
        life.rehearse(&whole);
        for at in 0..whole.seen() {
            let fuse = Fuse::new(Fault::Error(at, ENOSPC));
            let result = life.run_with(&fuse);
            let what = format!("{}: {at}: {:?}", life.name, fuse.refused());
            let now = Image::of(&life.root);
            if result.is_err() {
                assert!(
                    now == life.before,
                    "{what}\n{}",
                    life.before.difference(&now)
                );
                life.run(&Fs::default())
                    .unwrap_or_else(|error| panic!("{what}: {error}"));
            }
            life.recover(&Fs::default())
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let now = Image::of(&life.root);
            assert!(now == life.after, "{what}\n{}", life.after.difference(&now));
        }
    }
}

/// An undone transaction stays undone, and there is nothing more to undo, at every crash of the
/// undo.
#[test]
fn r120_an_undo_that_crashed_can_be_made_again_or_was_made() {
    let life = Life::replace().undo_of("undo of replace");
    let whole = Fuse::new(Fault::None);
    life.rehearse(&whole);
    for at in 0..=whole.seen() {
        let _ = life.run_with(&Fuse::new(Fault::CrashBefore(at)));
        // The same again, which begins with a recovery: it is made now, or there is nothing left of
        // it to make.
        let again = life.run(&Fs::default());
        let now = Image::of(&life.root);
        assert!(
            now == life.after,
            "crash before {at}: {again:?}\n{}",
            life.after.difference(&now)
        );
    }
}

#[test]
fn an_undone_project_can_be_installed_again() {
    let life = Life::into_shared();
    let first = life.before.clone();
    let mut life = life.with(|options| options.undoable = true);
    for round in 0..3 {
        life.run(&Fs::default())
            .unwrap_or_else(|error| panic!("round {round}: {error}"));
        let wheels = std::mem::replace(&mut life.attempt, Attempt::Undo);
        life.run(&Fs::default())
            .unwrap_or_else(|error| panic!("undo {round}: {error}"));
        life.attempt = wheels;
        let now = Image::of(&life.root);
        assert!(now == first, "round {round}:\n{}", first.difference(&now));
    }
}

//! An overlay whose lower layer holds the installed files.
//!
//! Directories there cannot be renamed, so their files move one by one and the emptied directories
//! are removed. The tests are crashes, failures and `undo` along this path.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use pkg_install::error::Effect;
use pkg_install::fs::Fs;

use crate::support::faults::{EIO, Fault, Fuse};
use crate::support::living::{Attempt, Life};
use crate::support::tree_image::Image;

fn lives() -> [Life; 2] {
    [Life::small_replace(), Life::uninstall()]
}

/// The same with permissions on a directory that no new one gets by itself.
fn with_odd_permissions(life: Life) -> Life {
    let library = life.library();
    let inside = fs::read_dir(&library)
        .expect("it can be listed")
        .map(|entry| entry.expect("an entry").path());
    for directory in inside.filter(|path| path.is_dir()) {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o750))
            .expect("permissions can be set");
    }
    life.with(|_| {})
}

#[test]
fn r120_a_crash_in_recovery_changes_nothing_on_an_overlay() {
    let mut points = 0;
    for life in lives() {
        let whole = Fuse::layered(Fault::None);
        life.rehearse(&whole);
        for at in 0..=whole.seen() {
            let _ = life.run_with(&Fuse::layered(Fault::CrashBefore(at)));
            let crashed = Image::of(&life.root);
            for inner in 0.. {
                crashed.restore(&life.root);
                let fuse = Fuse::layered(Fault::CrashBefore(inner));
                let _ = life.recover(&fuse.fs());
                let what = format!(
                    "{}: crash before {at}, and before {inner} of recovery",
                    life.name
                );
                life.recover(&Fuse::layered(Fault::None).fs())
                    .unwrap_or_else(|error| panic!("{what}: {error}"));
                let now = Image::of(&life.root);
                assert!(
                    now == life.before || now == life.after,
                    "{what}\n{}",
                    life.before.difference(&now)
                );
                points += 1;
                if fuse.refused().is_none() {
                    break;
                }
            }
        }
    }
    eprintln!("{points} points");
    assert!(points >= 500, "{points}");
}

/// Fails every change once; a failure while the first attempt is taken back is left to recovery.
fn fail_everywhere(life: &Life) {
    let whole = Fuse::layered(Fault::None);
    life.rehearse(&whole);
    for at in 0..whole.seen() {
        let fuse = Fuse::layered(Fault::Error(at, EIO));
        let result = life.run_with(&fuse);
        let what = format!("{}: {at}: {:?}: {result:?}", life.name, fuse.refused());
        if result
            .as_ref()
            .err()
            .is_none_or(|error| error.effect() == Effect::Unfinished)
        {
            life.recover(&Fs::default())
                .unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        let now = Image::of(&life.root);
        let expected = if result.is_ok() {
            &life.after
        } else {
            &life.before
        };
        assert!(now == *expected, "{what}\n{}", expected.difference(&now));
    }
}

#[test]
fn r138_a_failure_anywhere_on_an_overlay_leaves_all_or_nothing() {
    lives().iter().for_each(fail_everywhere);
}

#[test]
fn r138_what_is_taken_back_on_an_overlay_has_its_permissions_again() {
    lives()
        .map(with_odd_permissions)
        .iter()
        .for_each(fail_everywhere);
}

#[test]
fn r138_undo_of_what_was_done_on_an_overlay_is_exact_wherever_it_crashes() {
    for life in [Life::replace(), Life::uninstall()].map(with_odd_permissions) {
        let (first, mut life) = (life.before.clone(), life);
        life.options.undoable = true;
        life.run(&Fuse::layered(Fault::None).fs())
            .expect("the command succeeds on an overlay");
        life.options.undoable = false;
        life.attempt = Attempt::Undo;
        life.before = Image::of(&life.root);
        let whole = Fuse::new(Fault::None);
        life.run_with(&whole)
            .unwrap_or_else(|error| panic!("{}: {error}", life.name));
        let now = Image::of(&life.root);
        assert!(
            now == first,
            "{}: undone\n{}",
            life.name,
            first.difference(&now)
        );
        for at in 0..=whole.seen() {
            let _ = life.run_with(&Fuse::new(Fault::CrashBefore(at)));
            // The same again, which begins with a recovery: it is made now, or there is nothing
            // left of it to make.
            let again = life.run(&Fs::default());
            let now = Image::of(&life.root);
            assert!(
                now == first,
                "{}: crash before {at}: {again:?}\n{}",
                life.name,
                first.difference(&now)
            );
        }
    }
}

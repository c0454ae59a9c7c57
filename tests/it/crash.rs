//! Crashes: the process dies before each change that it makes, and again during the recovery.
//!
//! Every command runs once to count its changes and then once for each of them. After a crash
//! `recover` leaves the environment either as it was before or as the command leaves it: always as
//! before until the journal has its name, always as after once the journal has lost it. Four
//! threads work throughout.

use std::sync::Arc;

use pkg_install::fs::Fs;

use crate::support::faults::{Change, Fault, Fuse};
use crate::support::living::{Attempt, Life};
use crate::support::tree_image::Image;

/// The states that are allowed after recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
    Either,
}

/// The states that the changes made before a crash allow.
fn allowed(made: &[Change]) -> Side {
    if made.iter().any(Change::decides) {
        Side::After
    } else if made.iter().any(Change::begins) {
        Side::Either
    } else {
        Side::Before
    }
}

/// Fails unless the environment is settled, and on a side that is allowed; says whether it is as
/// before.
#[track_caller]
fn assert_settled(life: &Life, side: Side, what: &str) -> bool {
    let now = Image::of(&life.root);
    let public = now.public();
    // A directory that the command made for itself may stay, with nothing in it.
    let is_before = public == life.before.public() || life.before.absent && public.nodes.is_empty();
    let is_after = public == life.after;
    let fine = match side {
        Side::Before => is_before,
        Side::After => is_after,
        Side::Either => is_before || is_after,
    };
    assert!(
        fine,
        "{}: {what}: {side:?} expected; to before:\n{}\nto after:\n{}",
        life.name,
        life.before.public().difference(&public),
        life.after.difference(&public)
    );
    let kept = is_before && life.before.has_private() || is_after && life.options.undoable;
    assert!(
        kept || !now.has_private(),
        "{}: {what}: something of ours stays:\n{}",
        life.name,
        public.difference(&now)
    );
    is_before
}

/// Crashes at every change; returns how many points there were.
fn crash_everywhere(life: &Life) -> usize {
    crash_where(life, Fuse::new, allowed, Life::assert_what_is_seen_is_whole)
}

fn crash_where(
    life: &Life,
    fuse_of: fn(Fault) -> Arc<Fuse>,
    allowed: fn(&[Change]) -> Side,
    assert_seen: fn(&Life, &str),
) -> usize {
    let whole = fuse_of(Fault::None);
    life.rehearse(&whole);
    let mut points = 0;
    let mut outcomes = (0, 0);
    for at in 0..=whole.seen() {
        for fault in [Fault::CrashBefore(at), Fault::CrashAfter(at)] {
            let fuse = fuse_of(fault);
            let result = life.run_with(&fuse);
            let what = format!("{fault:?} of {}", whole.seen());
            let side = allowed(&fuse.made());
            assert_seen(life, &what);
            assert!(
                result.is_err() || side != Side::Before,
                "{}: {what}: reports a success that is none",
                life.name
            );
            life.recover(&Fs::default())
                .unwrap_or_else(|error| panic!("{}: {what}: {error}", life.name));
            if assert_settled(life, side, &what) {
                outcomes.0 += 1;
            } else {
                outcomes.1 += 1;
            }
            points += 1;
        }
    }
    assert!(
        outcomes.0 > 0 && outcomes.1 > 0,
        "{}: not both outcomes were seen: {outcomes:?}",
        life.name
    );
    eprintln!("{}: {} changes, {points} points", life.name, whole.seen());
    points
}

/// Crashes at every change from the journal on, and for each of these at every change of the
/// recovery.
fn crash_twice_everywhere(life: &Life) -> usize {
    let fuse = Fuse::new(Fault::None);
    life.rehearse(&fuse);
    let begin = fuse
        .made()
        .iter()
        .position(Change::begins)
        .expect("there is a journal");
    let mut points = 0;
    for at in begin..=fuse.seen() {
        let fuse = Fuse::new(Fault::CrashBefore(at));
        let _ = life.run_with(&fuse);
        let side = allowed(&fuse.made());
        let crashed = Image::of(&life.root);
        for inner in 0.. {
            crashed.restore(&life.root);
            let fuse = Fuse::new(Fault::CrashBefore(inner));
            let first = life.recover(&fuse.fs());
            let what = format!("a crash before {at}, and before {inner} of the recovery");
            life.assert_what_is_seen_is_whole(&what);
            let again = life.recover(&Fs::default());
            again.unwrap_or_else(|error| panic!("{}: {what}: {error}", life.name));
            assert_settled(life, side, &what);
            points += 1;
            if fuse.refused().is_none() {
                first.unwrap_or_else(|error| panic!("{}: {what}: {error}", life.name));
                break;
            }
        }
    }
    eprintln!("{}: {points} points of two crashes", life.name);
    points
}

#[test]
fn r118_a_crash_anywhere_leaves_all_or_nothing_of_a_fresh_install() {
    let points = crash_everywhere(&Life::fresh());
    assert!(points >= 150, "{points}");
}

#[test]
fn r118_a_crash_anywhere_leaves_all_or_nothing_in_shared_directories() {
    let points = crash_everywhere(&Life::into_shared());
    assert!(points >= 130, "{points}");
}

#[test]
fn r118_a_crash_anywhere_leaves_all_or_nothing_of_a_new_target() {
    let points = crash_everywhere(&Life::new_target());
    assert!(points >= 150, "{points}");
}

#[test]
fn r119_a_crash_anywhere_leaves_all_or_nothing_of_a_replacement() {
    let points = crash_everywhere(&Life::replace());
    assert!(points >= 150, "{points}");
}

#[test]
fn r119_a_crash_anywhere_leaves_all_or_nothing_of_a_removal() {
    let points = crash_everywhere(&Life::uninstall());
    assert!(points >= 50, "{points}");
}

#[test]
fn r119_a_crash_anywhere_leaves_all_or_nothing_of_links_into_the_store() {
    let links = |life: &Life| {
        let names = life.before.nodes.iter();
        names
            .filter(|(path, _)| path.ends_with("site-packages/demo"))
            .count()
    };
    let life = Life::replace_links();
    assert_eq!(links(&life), 1, "{:?}", life.before.nodes.keys());
    let mut points = crash_everywhere(&life);
    points += crash_everywhere(&Life::replace_links().undo_of("undo of replaced links"));
    assert!(points >= 150, "{points}");
}

#[test]
fn r119_a_crash_anywhere_leaves_all_or_nothing_of_an_undo() {
    let mut points = crash_everywhere(&Life::fresh().undo_of("undo of fresh"));
    points += crash_everywhere(&Life::replace().undo_of("undo of replace"));
    points += crash_everywhere(&Life::uninstall().undo_of("undo of uninstall"));
    points += crash_everywhere(&Life::undo_of_two());
    points += crash_everywhere(&Life::undo_over_bytecode());
    assert!(points >= 200, "{points}");
}

#[test]
fn r119_a_crash_anywhere_leaves_all_or_nothing_of_what_can_be_undone() {
    let mut points = crash_everywhere(&Life::replace().with(|options| options.undoable = true));
    points += crash_everywhere(&Life::uninstall().with(|options| options.undoable = true));
    assert!(points >= 160, "{points}");
}

/// An overlay refuses to move directories of its lower layer; their files go one by one then.
#[test]
fn r138_a_crash_anywhere_leaves_all_or_nothing_on_an_overlay() {
    // A journal also loses its name when its operations were taken back to be tried file by file.
    let begun = |made: &[Change]| {
        if made.iter().any(Change::begins) {
            Side::Either
        } else {
            Side::Before
        }
    };
    // And its dist-info cannot vanish in one instant: that is all an overlay costs.
    let anything = |_: &Life, _: &str| {};
    let mut points = crash_where(&Life::replace(), Fuse::layered, begun, anything);
    points += crash_where(&Life::uninstall(), Fuse::layered, begun, anything);
    assert!(points >= 250, "{points}");
}

#[test]
fn r119_durable_commands_are_as_safe_from_crashes() {
    let points = crash_everywhere(&Life::replace().with(|options| options.durable = true));
    assert!(points >= 150, "{points}");
}

#[test]
fn r120_a_crash_in_the_recovery_of_a_replacement_changes_nothing() {
    let points = crash_twice_everywhere(&Life::small_replace());
    assert!(points >= 200, "{points}");
}

#[test]
fn r120_a_crash_in_the_recovery_of_a_removal_changes_nothing() {
    let points = crash_twice_everywhere(&Life::uninstall());
    assert!(points >= 400, "{points}");
}

#[test]
fn r120_a_crash_in_the_recovery_of_an_undo_changes_nothing() {
    let points = crash_twice_everywhere(&Life::small_replace().undo_of("undo of small replace"));
    assert!(points >= 200, "{points}");
}

/// The next command finds the state that recovery left: the same attempt succeeds.
#[test]
fn r119_the_next_command_settles_a_crash_and_does_its_work() {
    for life in [Life::fresh(), Life::small_replace(), Life::uninstall()] {
        let whole = Fuse::new(Fault::None);
        life.rehearse(&whole);
        for at in (0..=whole.seen()).step_by(3) {
            let _ = life.run_with(&Fuse::new(Fault::CrashBefore(at)));
            let again = life.run(&Fs::default());
            // A removed project cannot be removed again.
            let removed = matches!(life.attempt, Attempt::Uninstall(_))
                && Image::of(&life.root).public() == life.after;
            assert!(again.is_ok() || removed, "{}: {at}: {again:?}", life.name);
            assert_settled(
                &life,
                Side::After,
                &format!("the same again after a crash before {at}"),
            );
        }
    }
}

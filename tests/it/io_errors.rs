//! Errors and interruptions: one change fails, or the user asks to stop, and the command does all
//! or nothing.
//!
//! Each change of a command fails once with each of the errors that file systems return. The
//! command then ends with an error and leaves the environment exactly as it was, its own files
//! included; or it had already finished. A signal that interrupts a system call is not an error.

use pkg_install::error::{Effect, ErrorKind};
use pkg_install::fs::Fs;

use crate::support::faults::{
    Change, EACCES, EDQUOT, EINTR, EIO, ENOSPC, EROFS, EXDEV, Fault, Fuse,
};
use crate::support::living::Life;
use crate::support::tree_image::Image;

const ERRORS: [i32; 5] = [ENOSPC, EIO, EACCES, EDQUOT, EROFS];

/// Which errors each change is made to fail with.
#[derive(Clone, Copy)]
enum Breadth {
    /// All of them.
    All,
    /// One of them, another one for the next change.
    OneEach,
}

/// Fails every change; returns how many points there were.
fn fail_everywhere(life: &Life, breadth: Breadth) -> usize {
    let whole = Fuse::new(Fault::None);
    life.rehearse(&whole);
    let mut faults = Vec::new();
    for at in 0..whole.seen() {
        let codes = match breadth {
            Breadth::All => &ERRORS[..],
            Breadth::OneEach => &ERRORS[at % ERRORS.len()..][..1],
        };
        faults.extend(codes.iter().map(|code| Fault::Error(at, *code)));
    }
    let renames = whole
        .made()
        .iter()
        .filter(|change| matches!(change, Change::Rename(..)))
        .count();
    faults.extend((0..renames).map(|at| Fault::RenameError(at, EXDEV)));
    let wrong: Vec<String> = faults
        .iter()
        .filter_map(|fault| try_fault(life, *fault).err())
        .collect();
    let shown = wrong
        .iter()
        .take(10)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n\n");
    assert!(
        wrong.is_empty(),
        "{}: {} of {} are wrong:\n{shown}",
        life.name,
        wrong.len(),
        faults.len()
    );
    eprintln!("{}: {} points", life.name, faults.len());
    faults.len()
}

/// Runs the command with a fault: afterwards it is done, or nothing has happened; otherwise says
/// what has.
fn try_fault(life: &Life, fault: Fault) -> Result<(), String> {
    let fuse = Fuse::new(fault);
    let result = life.run_with(&fuse);
    let now = Image::of(&life.root);
    let at = fuse
        .refused()
        .ok_or_else(|| format!("{fault:?}: the change was never tried"))?;
    match result {
        Err(error) if error.effect() == Effect::Unfinished => {
            Err(format!("{fault:?} at {at:?}: unfinished: {error}"))
        }
        Err(error) => {
            as_before(life).map_err(|wrong| format!("{fault:?} at {at:?}: {error}\n{wrong}"))
        }
        Ok(()) if now.public() != life.after => Err(format!(
            "{fault:?} at {at:?}: reports success\n{}",
            life.after.difference(&now.public())
        )),
        Ok(()) => {
            let recovered = life.recover(&Fs::default());
            recovered.map_err(|error| format!("{fault:?} at {at:?}: no recovery: {error}"))?;
            let now = Image::of(&life.root);
            let expected = if life.options.undoable {
                now.public()
            } else {
                now
            };
            let fine = expected == life.after;
            let wrong = || {
                format!(
                    "{fault:?} at {at:?}: after recovery\n{}",
                    life.after.difference(&expected)
                )
            };
            if fine { Ok(()) } else { Err(wrong()) }
        }
    }
}

/// Whether the environment is as before, with nothing of ours in it that was not there.
fn as_before(life: &Life) -> Result<(), String> {
    let now = Image::of(&life.root);
    if now != life.before {
        return Err(life.before.difference(&now));
    }
    if life.root.join(".lock").exists() {
        Err("the lock file that it made stays".to_owned())
    } else {
        Ok(())
    }
}

#[test]
fn r126_a_failure_anywhere_leaves_all_or_nothing_of_a_fresh_install() {
    let points = fail_everywhere(&Life::fresh(), Breadth::All);
    assert!(points >= 400, "{points}");
}

#[test]
fn r126_a_failure_anywhere_leaves_all_or_nothing_in_shared_directories() {
    let points = fail_everywhere(&Life::into_shared(), Breadth::OneEach);
    assert!(points >= 60, "{points}");
}

#[test]
fn r126_a_failure_anywhere_leaves_all_or_nothing_of_a_new_target() {
    let points = fail_everywhere(&Life::new_target(), Breadth::OneEach);
    assert!(points >= 80, "{points}");
}

#[test]
fn r129_a_failure_anywhere_leaves_all_or_nothing_of_a_replacement() {
    let points = fail_everywhere(&Life::replace(), Breadth::All);
    assert!(points >= 400, "{points}");
}

#[test]
fn r129_a_failure_anywhere_leaves_all_or_nothing_of_a_removal() {
    let points = fail_everywhere(&Life::uninstall(), Breadth::All);
    assert!(points >= 150, "{points}");
}

#[test]
fn r129_a_failure_anywhere_leaves_all_or_nothing_of_an_undo() {
    let points = fail_everywhere(&Life::replace().undo_of("undo of replace"), Breadth::All);
    assert!(points >= 200, "{points}");
}

#[test]
fn r129_a_failed_flush_leaves_all_or_nothing() {
    let points = fail_everywhere(
        &Life::replace().with(|options| options.durable = true),
        Breadth::OneEach,
    );
    assert!(points >= 80, "{points}");
}

#[test]
fn r129_a_failure_anywhere_leaves_all_or_nothing_of_what_can_be_undone() {
    let points = fail_everywhere(
        &Life::replace().with(|options| options.undoable = true),
        Breadth::OneEach,
    );
    assert!(points >= 60, "{points}");
}

#[test]
fn r131_an_interrupted_system_call_is_made_again() {
    for life in [
        Life::fresh(),
        Life::replace(),
        Life::uninstall(),
        Life::replace().undo_of("undo of replace"),
    ] {
        let whole = Fuse::new(Fault::None);
        life.rehearse(&whole);
        for at in 0..whole.seen() {
            let fuse = Fuse::new(Fault::Error(at, EINTR));
            let result = life.run_with(&fuse);
            result.unwrap_or_else(|error| panic!("{}: {at}: {error}", life.name));
            let now = Image::of(&life.root);
            assert!(
                now == life.after,
                "{}: {at}\n{}",
                life.name,
                life.after.difference(&now)
            );
        }
    }
}

#[test]
fn r101_r138_directories_of_a_lower_layer_go_file_by_file() {
    for life in [Life::replace(), Life::uninstall()] {
        let fuse = Fuse::layered(Fault::None);
        life.run_with(&fuse)
            .unwrap_or_else(|error| panic!("{}: {error}", life.name));
        let now = Image::of(&life.root);
        assert!(
            now == life.after,
            "{}:\n{}",
            life.name,
            life.after.difference(&now)
        );
    }
}

/// Up to the journal the wish to stop is granted; from the journal on the command is finished.
#[test]
fn r121_an_interruption_leaves_all_or_nothing() {
    let mut stopped = 0;
    for life in [Life::fresh(), Life::replace(), Life::uninstall()] {
        let whole = Fuse::new(Fault::None);
        life.rehearse(&whole);
        for at in 0..whole.seen() {
            let fuse = Fuse::new(Fault::Cancel(at));
            let result = life.run_with(&fuse);
            let what = format!(
                "{}: asked to stop at change {at} of {}",
                life.name,
                whole.seen()
            );
            let staged = fuse
                .made()
                .iter()
                .position(is_of_journal)
                .is_none_or(|begin| at < begin);
            match result {
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Interrupted, "{what}: {error}");
                    assert!(staged, "{what}: the commit had begun");
                    as_before(&life).unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
                    stopped += 1;
                }
                Ok(()) => {
                    assert!(!staged, "{what}: it went on");
                    let now = Image::of(&life.root);
                    assert!(now == life.after, "{what}\n{}", life.after.difference(&now));
                }
            }
        }
    }
    assert!(stopped >= 100, "{stopped}");
}

/// The first change that is one of the commit.
fn is_of_journal(change: &Change) -> bool {
    matches!(change, Change::Create(path) if path.ends_with(".pkg-install/journal.new"))
}

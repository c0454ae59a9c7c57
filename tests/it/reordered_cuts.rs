//! Power cuts on a disk that keeps no order: the commands with `--durable`, and the recovery from
//! such a cut.
//!
//! The disk is a [`LooseDisk`]. The state after a cut replaces the environment and `recover` runs:
//! the environment is as before while there is no journal, as after once its end is flushed, and
//! one of the two in between. Each of the five flushes of the protocol is needed: with a disk that
//! ignores one of them the tests find damage.

use pkg_install::fs::Fs;

use crate::support::living::Life;
use crate::support::loose_disk::{LooseDisk, Stage};
use crate::support::tree_image::Image;

/// Recovers the state that a cut left; returns what is wrong with the result.
fn settle(life: &Life, left: &Image, stage: Stage) -> Result<(), String> {
    left.restore(&life.root);
    life.recover(&Fs::default())
        .map_err(|error| error.to_string())?;
    let now = Image::of(&life.root).public();
    let (before, after) = (now == life.before.public(), now == life.after);
    let fine = match stage {
        Stage::Early => before,
        Stage::Open => before || after,
        Stage::Decided => after,
    };
    if !fine {
        let (before, after) = (
            life.before.public().difference(&now),
            life.after.difference(&now),
        );
        return Err(format!("to before:\n{before}\nto after:\n{after}"));
    }
    let keeps = life.options.undoable || before && life.before.has_private();
    if !keeps && Image::of(&life.root).has_private() {
        Err("something of ours stays".to_owned())
    } else {
        Ok(())
    }
}

/// Runs the command on a disk that ignores one of its flushes, or none; returns the number of cuts,
/// and the wrong ones. If a flush is ignored, the first wrong cut is proof enough.
fn cut(life: &Life, ignored: Option<usize>) -> (usize, Vec<String>) {
    life.reset();
    let disk = LooseDisk::new(&life.root, &life.before, ignored);
    life.run(&disk.fs())
        .unwrap_or_else(|error| panic!("{}: {error}", life.name));
    let cuts = disk.cuts();
    let mut wrong = Vec::new();
    for cut in &cuts {
        if let Err(what) = settle(life, &cut.left, cut.stage) {
            wrong.push(format!(
                "{}: cut after {} ({:?}): {what}",
                life.name, cut.after, cut.stage
            ));
            if ignored.is_some() {
                break;
            }
        }
    }
    for left in disk.cuts_at_the_end(20) {
        if let Err(what) = settle(life, &left, Stage::Decided) {
            wrong.push(format!("{}: cut after the end: {what}", life.name));
        }
    }
    (cuts.len() + 20, wrong)
}

/// Cuts the power, and again during the recovery from that, on a disk that may ignore one of the
/// recovery's flushes.
fn cut_twice(life: &Life, ignored: Option<usize>) -> (usize, Vec<String>) {
    life.reset();
    let disk = LooseDisk::new(&life.root, &life.before, None);
    life.run(&disk.fs())
        .unwrap_or_else(|error| panic!("{}: {error}", life.name));
    let open: Vec<_> = disk
        .cuts()
        .into_iter()
        .filter(|cut| cut.stage == Stage::Open)
        .collect();
    let every = (open.len() / 5).max(1);
    let (mut points, mut wrong) = (0, Vec::new());
    for first in open.iter().step_by(every) {
        first.left.restore(&life.root);
        let disk = LooseDisk::new(&life.root, &first.left, ignored);
        life.recover(&disk.fs())
            .unwrap_or_else(|error| panic!("{}: {error}", life.name));
        let settled = Image::of(&life.root);
        if ignored.is_some() && !wrong.is_empty() {
            break;
        }
        for second in disk.cuts() {
            if let Err(what) = settle(life, &second.left, Stage::Open) {
                wrong.push(format!(
                    "{}: cut after {}, and {} of recovery: {what}",
                    life.name, first.after, second.after
                ));
            }
            points += 1;
        }
        for left in disk.cuts_at_the_end(5) {
            let again = settle(life, &left, Stage::Open);
            if again.is_err() || Image::of(&life.root).public() != settled.public() {
                wrong.push(format!(
                    "{}: cut after {}, and after the end of recovery",
                    life.name, first.after
                ));
            }
            points += 1;
        }
    }
    (points, wrong)
}

fn durable(life: Life) -> Life {
    life.with(|options| options.durable = true)
}

#[test]
fn r123_a_power_cut_leaves_before_or_after_in_any_order_of_writing() {
    let mut cuts = 0;
    let undo = Life::replace()
        .with(|options| options.durable = true)
        .undo_of("undo of replace");
    for life in [
        Life::fresh(),
        Life::into_shared(),
        Life::replace(),
        Life::uninstall(),
        undo,
    ]
    .map(durable)
    {
        let (count, wrong) = cut(&life, None);
        assert!(
            wrong.is_empty(),
            "{} of {count} cuts are wrong:\n{}",
            wrong.len(),
            wrong[0]
        );
        cuts += count;
    }
    eprintln!("{cuts} cuts");
    assert!(cuts >= 900, "{cuts}");
}

#[test]
fn r123_a_power_cut_of_what_can_be_undone_leaves_before_or_after() {
    for life in [Life::replace(), Life::uninstall()].map(durable) {
        let (count, wrong) = cut(&life.with(|options| options.undoable = true), None);
        assert!(
            wrong.is_empty(),
            "{} of {count} cuts are wrong:\n{}",
            wrong.len(),
            wrong[0]
        );
    }
}

#[test]
fn r123_a_power_cut_in_the_recovery_from_one_changes_nothing() {
    let mut cuts = 0;
    for life in [Life::fresh(), Life::small_replace(), Life::uninstall()].map(durable) {
        let (count, wrong) = cut_twice(&life, None);
        assert!(
            wrong.is_empty(),
            "{} of {count} cuts are wrong:\n{}",
            wrong.len(),
            wrong[0]
        );
        cuts += count;
    }
    eprintln!("{cuts} cuts");
    assert!(cuts >= 1000, "{cuts}");
}

/// Proves that the cuts have an effect: no flush of the protocol can be left out.
#[test]
fn r123_without_any_one_of_the_flushes_a_power_cut_leaves_damage() {
    let life = durable(Life::replace());
    for ignored in 0..5 {
        let (count, wrong) = cut(&life, Some(ignored));
        assert!(
            !wrong.is_empty(),
            "nothing is wrong without flush {ignored}, after {count} cuts"
        );
    }
    for ignored in 0..2 {
        let (count, wrong) = cut_twice(&life, Some(ignored));
        assert!(
            !wrong.is_empty(),
            "nothing is wrong without flush {ignored} of recovery, after {count} cuts"
        );
    }
}

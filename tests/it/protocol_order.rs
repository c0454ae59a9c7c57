//! The order of the protocol, read off the changes that a command makes.
//!
//! A crash test looks only at the outcome. These tests check that nothing is ever written in place
//! or outside the environment, that a project in mid-change looks as if it were not installed, and
//! when each flush happens.

use std::path::Path;

use crate::support::faults::{Change, Fault, Fuse};
use crate::support::living::Life;
use crate::support::tree_image::PRIVATE;

/// The changes of a command, and the positions of those that matter.
struct Course {
    changes: Vec<Change>,
    /// The journal gets its name.
    begin: usize,
    /// It loses it.
    end: usize,
    /// The moves out of and into the visible tree, in order: position, and visible path.
    outs: Vec<(usize, String)>,
    ins: Vec<(usize, String)>,
}

impl Course {
    fn of(life: &Life) -> Self {
        let fuse = Fuse::new(Fault::None);
        life.rehearse(&fuse);
        let changes = fuse.made();
        let only = |wanted: fn(&Change) -> bool| {
            let found: Vec<usize> = (0..changes.len())
                .filter(|at| wanted(&changes[*at]))
                .collect();
            assert_eq!(found.len(), 1, "{}: {found:?}", life.name);
            found[0]
        };
        let (begin, end) = (only(Change::begins), only(Change::decides));
        let (mut outs, mut ins) = (Vec::new(), Vec::new());
        for (at, change) in changes.iter().enumerate() {
            let Change::Rename(from, to) = change else {
                continue;
            };
            match (is_private(from), is_private(to)) {
                (false, true) => outs.push((at, from.display().to_string())),
                (true, false) => ins.push((at, to.display().to_string())),
                (true, true) => {}
                (false, false) => panic!(
                    "{}: {change:?} moves what others see to where they see it",
                    life.name
                ),
            }
        }
        Self {
            changes,
            begin,
            end,
            outs,
            ins,
        }
    }
}

fn is_private(path: &Path) -> bool {
    path.iter().any(|name| name == PRIVATE)
}

fn lives() -> Vec<Life> {
    vec![
        Life::fresh(),
        Life::into_shared(),
        Life::replace(),
        Life::uninstall(),
        Life::new_target(),
        Life::replace().undo_of("undo of replace"),
        Life::replace().with(|options| options.undoable = true),
        Life::replace().with(|options| options.durable = true),
    ]
}

#[test]
fn r119_what_is_seen_changes_only_while_there_is_a_journal() {
    for life in lives() {
        let course = Course::of(&life);
        let moved: Vec<usize> = course
            .outs
            .iter()
            .chain(&course.ins)
            .map(|(at, _)| *at)
            .collect();
        assert!(!moved.is_empty(), "{}", life.name);
        assert!(
            moved
                .iter()
                .all(|at| course.begin < *at && *at < course.end),
            "{}",
            life.name
        );
        for (at, change) in course.changes.iter().enumerate() {
            let seen = match change {
                Change::MakeDir(path) | Change::RemoveDir(path) => {
                    !is_private(path) && !life.root.starts_with(path)
                }
                _ => false,
            };
            assert!(
                !seen || course.begin < at && at < course.end,
                "{}: {at}: {change:?}",
                life.name
            );
        }
    }
}

#[test]
fn r119_content_is_written_only_out_of_sight() {
    for life in lives() {
        for change in Course::of(&life).changes {
            match &change {
                Change::Create(path) | Change::Remove(path) if *path == life.root.join(".lock") => {
                }
                Change::Create(path) | Change::Write(path) | Change::Remove(path) => {
                    assert!(is_private(path), "{}: {change:?}", life.name);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn r119_nothing_outside_the_environment_is_touched() {
    for life in lives() {
        for change in Course::of(&life).changes {
            let made_for_it = match &change {
                Change::MakeDir(path) => life.before.absent && life.root.starts_with(path),
                _ => false,
            };
            let inside = change
                .paths()
                .iter()
                .all(|path| path.starts_with(&life.root));
            assert!(inside || made_for_it, "{}: {change:?}", life.name);
        }
    }
}

#[test]
fn r119_dist_infos_are_the_first_to_go_and_the_last_to_come() {
    let is_info = |path: &str| path.ends_with(".dist-info");
    for life in [
        Life::fresh(),
        Life::into_shared(),
        Life::replace(),
        Life::uninstall(),
        Life::new_target(),
    ] {
        let course = Course::of(&life);
        let gone = course.outs.iter().map(|(_, path)| is_info(path));
        assert!(
            gone.is_sorted_by(|a, b| a >= b),
            "{}: {:?}",
            life.name,
            course.outs
        );
        let come = course.ins.iter().map(|(_, path)| match path {
            path if is_info(path) => 2,
            path if path.ends_with(".pth") => 1,
            _ => 0,
        });
        assert!(come.is_sorted(), "{}: {:?}", life.name, course.ins);
        let old_infos = course
            .outs
            .iter()
            .filter(|(_, path)| is_info(path))
            .map(|(at, _)| *at);
        let last_info = old_infos.max().unwrap_or_default();
        assert!(
            course.ins.first().is_none_or(|(at, _)| *at > last_info),
            "{}: something comes first",
            life.name
        );
        // An importer finds neither only between two renames.
        for (out, path) in course.outs.iter().filter(|(_, path)| !is_info(path)) {
            let come = course.ins.iter().find(|(_, name)| name == path);
            assert!(
                come.is_none_or(|(at, _)| *at == out + 1),
                "{}: `{path}` is away for long",
                life.name
            );
        }
    }
    let replaced = Course::of(&Life::replace());
    let infos = |moved: &[(usize, String)]| moved.iter().filter(|(_, path)| is_info(path)).count();
    assert_eq!((infos(&replaced.outs), infos(&replaced.ins)), (1, 1));
}

#[test]
fn r122_durable_flushes_twice_for_any_number_of_files() {
    for life in [Life::fresh(), Life::replace(), Life::uninstall()] {
        let life = life.with(|options| options.durable = true);
        let course = Course::of(&life);
        let all = |wanted: fn(&Change) -> bool| -> Vec<usize> {
            (0..course.changes.len())
                .filter(|at| wanted(&course.changes[*at]))
                .collect()
        };
        let whole = all(|change| matches!(change, Change::FlushFileSystem(_)));
        assert_eq!(whole.len(), 2, "{}: {whole:?}", life.name);
        let journal =
            all(|change| matches!(change, Change::Create(path) if path.ends_with("journal.new")));
        let last_move = course
            .outs
            .iter()
            .chain(&course.ins)
            .map(|(at, _)| *at)
            .max()
            .expect("something moves");
        assert!(
            whole[0] < journal[0],
            "{}: the staged data is flushed before the journal is written",
            life.name
        );
        assert!(
            last_move < whole[1] && whole[1] < course.end,
            "{}: the moves are flushed before the end",
            life.name
        );
        let single = all(|change| matches!(change, Change::Flush(_)));
        let (begin, end) = (course.begin, course.end);
        let expected = [begin - 1, begin + 1, end + 1];
        assert_eq!(
            single, expected,
            "{}: the journal, its name, and its end are flushed",
            life.name
        );
    }
}

#[test]
fn commands_without_durable_flush_nothing() {
    for life in [Life::fresh(), Life::replace(), Life::uninstall()] {
        let flushes =
            |change: &Change| matches!(change, Change::FlushFileSystem(_) | Change::Flush(_));
        assert!(
            !Course::of(&life).changes.iter().any(flushes),
            "{}",
            life.name
        );
    }
}

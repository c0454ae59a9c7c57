//! Environments that were interrupted and then copied, moved or restored from a backup.
//!
//! A command is killed at several points of its commit, or its recovery is killed as well. Then the
//! environment is copied with and without its times, moved, or deleted and restored to the same
//! path, where every inode is a new one. Each command has to work there as it would have worked in
//! place, and a transaction that can be undone can be undone there too. Journals of version 1 are
//! tested in [`old_journals`](crate::old_journals).

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, io};

use pkg_install::fs::{FaultHook, Fs, FsOp};
use pkg_install::transaction::Journal;

use crate::support::faults::{Change, EIO, EXDEV, Fault, Fuse};
use crate::support::living::{Attempt, Life, demo_one, demo_two};
use crate::support::scene::{Run, Scene, site_packages};
use crate::support::tree_image::{Image, Node};
use crate::support::wheel_builder::Wheel;

/// An event between two commands of an environment.
#[derive(Debug, Clone, Copy)]
pub enum Journey {
    /// Copied with all times, and the copy is used.
    Copy,
    /// Copied without times, and the copy is used.
    CopyWithoutTimes,
    /// Renamed.
    Move,
    /// Copied, deleted, and copied back: another inode at the same path.
    Restore,
}

pub const JOURNEYS: [Journey; 4] = [
    Journey::Copy,
    Journey::CopyWithoutTimes,
    Journey::Move,
    Journey::Restore,
];

impl Journey {
    /// Does it, and returns the path of the environment afterwards.
    pub fn make(self, root: &Path) -> PathBuf {
        let place = root.parent().expect("an environment is in a directory");
        let other = place.join("elsewhere");
        if other.exists() {
            fs::remove_dir_all(&other).expect("it can be removed");
        }
        match self {
            Self::Copy => copy("-a", root, &other),
            Self::CopyWithoutTimes => {
                copy("-r", root, &other);
                // The clock may be too coarse for the copy to differ by itself.
                age(&other);
            }
            Self::Move => fs::rename(root, &other).expect("it can be moved"),
            Self::Restore => {
                copy("-a", root, &other);
                fs::remove_dir_all(root).expect("it can be removed");
                copy("-a", &other, root);
                return root.to_owned();
            }
        }
        other
    }
}

fn copy(how: &str, from: &Path, to: &Path) {
    let mut command = Command::new("cp");
    Run::of(command.arg(how).arg(from).arg(to)).assert_code(0);
}

/// Gives every file another time.
fn age(directory: &Path) {
    for child in fs::read_dir(directory).expect("it can be listed") {
        let child = child.expect("it can be listed");
        let kind = child.file_type().expect("it was listed");
        if kind.is_dir() {
            age(&child.path());
        } else if kind.is_file() {
            let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1 << 30);
            let file = fs::File::open(child.path()).expect("it can be opened");
            file.set_modified(time).expect("its time can be set");
        }
    }
}

/// The environment without the program's own files.
pub fn public(root: &Path) -> Image {
    Image::of(root).public()
}

#[track_caller]
pub fn assert_same(expected: &Image, root: &Path, what: &str) {
    let now = public(root);
    assert!(now == *expected, "{what}:\n{}", expected.difference(&now));
}

/// Three states of one environment, each but the first reached by a command that can be undone.
pub struct Story {
    pub life: Life,
    pub scene: Scene,
    /// Without `demo`.
    pub first: Image,
    pub late: String,
}

impl Story {
    /// `demo` was installed so that it can be undone; its replacement is what will be killed.
    pub fn new() -> Self {
        let mut life = Life::replace();
        life.attempt = Attempt::Uninstall(vec!["demo".to_owned()]);
        life.run(&Fs::default()).expect("it can be removed");
        let first = public(&life.root);
        let scene = Scene::new();
        let wheels = [demo_one(), demo_two()].map(|wheel| scene.wheel(&wheel));
        life.options.undoable = true;
        life.attempt = Attempt::Install(wheels[..1].to_vec());
        life.run(&Fs::default()).expect("it can be installed");
        life.attempt = Attempt::Install(wheels[1..].to_vec());
        let life = life.with(|options| options.undoable = true);
        let late = scene.wheel(&Wheel::new("late", "1").file("late.py", ""));
        let late = late.display().to_string();
        Self {
            life,
            scene,
            first,
            late,
        }
    }

    /// Environments in mid-change: killed at several points of the commit, and of the recovery from
    /// the middle of it.
    pub fn crashed(&self) -> Vec<(String, Image)> {
        let journal = site_packages(Path::new("")).join(".pkg-install/journal");
        let whole = Fuse::new(Fault::None);
        self.life.rehearse(&whole);
        let mut during = Vec::new();
        for at in 0..=whole.seen() {
            let _ = self.life.run_with(&Fuse::new(Fault::CrashBefore(at)));
            if self.life.root.join(&journal).exists() {
                during.push((at, Image::of(&self.life.root)));
            }
        }
        let last = during.len() - 1;
        let middle = during[last / 2].0;
        let mut crashed = Vec::new();
        for at in [0, 1, last / 2, last - 3, last] {
            let (number, image) = &during[at];
            crashed.push((format!("killed at {number}"), image.clone()));
        }
        for inner in [1, 4, 9] {
            let _ = self.life.run_with(&Fuse::new(Fault::CrashBefore(middle)));
            let again = self
                .life
                .recover(&Fuse::new(Fault::CrashBefore(inner)).fs());
            assert!(again.is_err(), "the recovery is killed at {inner}");
            crashed.push((
                format!("killed at {middle}, and at {inner} of the recovery"),
                Image::of(&self.life.root),
            ));
        }
        for (what, image) in &crashed {
            assert!(image.nodes.contains_key(&journal), "{what}: no journal");
        }
        crashed
    }

    /// Brings back a crashed environment.
    pub fn put(&self, image: &Image) {
        image.restore(&self.life.root);
        // An image has no lock, which every real command leaves.
        fs::write(self.life.root.join(".lock"), "").expect("it can be written");
    }

    #[track_caller]
    pub fn run(&self, root: &Path, words: &[&str], what: &str) {
        let run = self.scene.install(root, words);
        assert_eq!(run.code, 0, "{what}: {words:?}: {run:?}");
    }

    /// Fails unless the environment is as before or as after the killed command; says whether it is
    /// as before.
    #[track_caller]
    pub fn is_before(&self, root: &Path, what: &str) -> bool {
        let now = public(root);
        let is_before = now == self.life.before.public();
        assert!(
            is_before || now == self.life.after,
            "{what}:\n{}\n{}",
            self.life.before.public().difference(&now),
            self.life.after.difference(&now)
        );
        is_before
    }
}

/// The table of journeys and commands, for every point of the crash.
#[test]
fn r120_an_interrupted_environment_is_settled_wherever_it_is() {
    let story = Story::new();
    let mut outcomes = [0, 0];
    for (crash, image) in story.crashed() {
        for journey in JOURNEYS {
            for command in ["recover", "list", "check", "install", "uninstall", "undo"] {
                let what = format!("{crash}, {journey:?}, {command}");
                story.put(&image);
                let root = journey.make(&story.life.root);
                match command {
                    "install" => {
                        story.run(&root, &[&story.late], &what);
                        story.run(&root, &["check"], &what);
                        story.run(&root, &["uninstall", "late"], &what);
                    }
                    "uninstall" => {
                        story.run(&root, &["uninstall", "demo"], &what);
                        assert_same(&story.first, &root, &what);
                        continue;
                    }
                    "undo" => {
                        story.run(&root, &["undo"], &what);
                        let now = public(&root);
                        let [before, first] = [&story.life.before.public(), &story.first];
                        assert!(now == *before || now == *first, "{what}");
                        outcomes[usize::from(now == *first)] += 1;
                        continue;
                    }
                    _ => story.run(&root, &[command], &what),
                }
                let is_before = story.is_before(&root, &what);
                outcomes[usize::from(is_before)] += 1;
                let control = site_packages(&root).join(".pkg-install");
                assert!(!control.join("journal").exists(), "{what}");
            }
        }
    }
    assert!(outcomes.iter().all(|count| *count > 10), "{outcomes:?}");
}

/// The copy and the original are settled apart from each other.
#[test]
fn r120_a_copy_in_mid_change_and_its_original_do_not_touch_each_other() {
    let story = Story::new();
    let (_, image) = story.crashed().swap_remove(2);
    story.put(&image);
    let root = Journey::Copy.make(&story.life.root);
    story.run(&root, &["recover"], "the copy");
    assert!(
        Image::of(&story.life.root) == image,
        "the original has changed"
    );
    story.run(&story.life.root, &["recover"], "the original");
    assert_eq!(
        story.is_before(&root, "the copy"),
        story.is_before(&story.life.root, "the original")
    );
}

#[test]
fn r120_what_can_be_undone_can_be_undone_wherever_it_is() {
    for life in [Life::fresh(), Life::replace(), Life::uninstall()] {
        let life = life.with(|options| options.undoable = true);
        life.run(&Fs::default()).expect("the command succeeds");
        let (done, scene) = (Image::of(&life.root), Scene::new());
        for journey in JOURNEYS {
            done.restore(&life.root);
            let root = journey.make(&life.root);
            let run = scene.install(&root, &["undo"]);
            assert_eq!(run.code, 0, "{}, {journey:?}: {run:?}", life.name);
            assert!(
                Image::of(&root) == life.before,
                "{}, {journey:?}:\n{}",
                life.name,
                life.before.difference(&Image::of(&root))
            );
        }
    }
}

/// A file that was edited is noticed in a copy too, whether or not its size has changed.
#[test]
fn r120_undo_in_a_copy_is_refused_if_a_file_has_changed() {
    let story = Story::new();
    story
        .life
        .run(&Fs::default())
        .expect("the command succeeds");
    for journey in JOURNEYS {
        for (file, content) in [
            ("demo/__init__.py", "TWO!"),
            ("demo/__init__.py", "longer"),
            ("demo-2.0.dist-info/RECORD", ""),
            ("demo/added.py", ""),
        ] {
            let done = Image::of(&story.life.root);
            let root = journey.make(&story.life.root);
            fs::write(site_packages(&root).join(file), content).expect("it can be written");
            let changed = Image::of(&root);
            let run = story.scene.install(&root, &["undo"]);
            assert_eq!(run.code, 5, "{journey:?}, {file}: {run:?}");
            run.assert_stderr("changed since");
            assert!(Image::of(&root) == changed, "{journey:?}, {file}");
            done.restore(&story.life.root);
        }
    }
}

/// A target has no directory around its library, and a prefix has nothing but directories of the
/// scheme in it.
#[test]
fn r120_a_moved_target_is_settled() {
    let life = Life::new_target();
    let whole = Fuse::new(Fault::None);
    life.rehearse(&whole);
    let begin = whole.made().iter().position(Change::begins);
    let begin = begin.expect("there is a journal");
    let scene = Scene::new();
    for journey in JOURNEYS {
        let _ = life.run_with(&Fuse::new(Fault::CrashBefore(begin + 4)));
        assert!(life.root.join(".pkg-install/journal").is_file());
        let root = journey.make(&life.root);
        scene.install(&root, &["recover"]).assert_code(0);
        let now = Image::of(&root);
        assert!(now.nodes.is_empty(), "{journey:?}: {:?}", now.nodes.keys());
    }
}

// Layers

/// A file system on which the directories that were there at the beginning cannot be renamed, as
/// those of an overlay's lower layer; it dies before a change of a given number.
struct LowerLayer {
    directories: HashSet<u64>,
    changes: AtomicUsize,
    dies_at: usize,
}

impl LowerLayer {
    fn of(directories: &HashSet<u64>, dies_at: usize) -> Arc<Self> {
        Arc::new(Self {
            directories: directories.clone(),
            changes: AtomicUsize::new(0),
            dies_at,
        })
    }
}

impl FaultHook for LowerLayer {
    fn before(&self, change: &FsOp<'_>) -> io::Result<()> {
        if self.changes.fetch_add(1, Ordering::SeqCst) >= self.dies_at {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        if let FsOp::Rename(from, _) = change
            && let Ok(stat) = fs::symlink_metadata(from)
            && stat.is_dir()
            && self.directories.contains(&stat.ino())
        {
            return Err(io::Error::from_raw_os_error(EXDEV));
        }
        Ok(())
    }
}

/// The inodes of all directories.
fn directories(root: &Path) -> HashSet<u64> {
    let mut found = HashSet::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        let stat = fs::symlink_metadata(&directory).expect("it is there");
        found.insert(stat.ino());
        let children = fs::read_dir(&directory).expect("it can be listed");
        let children = children.map(|child| child.expect("it can be listed"));
        let inner = children.filter(|child| child.file_type().is_ok_and(|kind| kind.is_dir()));
        left.extend(inner.map(|child| child.path()));
    }
    found
}

/// The interrupted environment is the lower layer of the overlay in which it is recovered, as in
/// the next layer of a container image; and that recovery is killed before each of its changes.
#[test]
fn r138_an_interrupted_lower_layer_is_recovered_above_it() {
    let story = Story::new();
    let mut points = 0;
    for (crash, image) in story.crashed() {
        for inner in 0.. {
            story.put(&image);
            let below = directories(&story.life.root);
            let what = format!("{crash}, and above at {inner}");
            let first = LowerLayer::of(&below, inner);
            let killed = story.life.recover(&Fs::with_hook(first));
            let second = LowerLayer::of(&below, usize::MAX);
            let settled = story.life.recover(&Fs::with_hook(second));
            settled.unwrap_or_else(|error| panic!("{what}: {error}"));
            story.is_before(&story.life.root, &what);
            points += 1;
            if killed.is_ok() {
                break;
            }
        }
    }
    assert!(points > 100, "{points}");
}

/// A power cut can lose what was moved in. The old file that returns to its place is not taken for
/// it, wherever the recovery is killed.
#[test]
fn r120_an_old_file_that_has_returned_is_never_taken_for_a_lost_new_one() {
    let story = Story::new();
    let (_, image) = story.crashed().swap_remove(3);
    let lost = site_packages(Path::new("")).join("demo.pth");
    let lost = [lost, PathBuf::from("bin/demo-tool")];
    for inner in 0.. {
        story.put(&image);
        for path in &lost {
            let _ = fs::remove_file(story.life.root.join(path));
        }
        // All but the last operation were made: without that they are taken back.
        let stage = site_packages(&story.life.root).join(".pkg-install");
        let stage = fs::read_dir(stage)
            .expect("it can be listed")
            .find(|child| {
                let name = child.as_ref().expect("it can be listed").file_name();
                name.to_string_lossy().starts_with("stage-")
            });
        let stage = stage
            .expect("there is one")
            .expect("it can be listed")
            .path();
        fs::write(stage.join(last_in(&image)), "").expect("it can be written");
        let first = story
            .life
            .recover(&Fuse::new(Fault::CrashBefore(inner)).fs());
        story
            .life
            .recover(&Fs::default())
            .expect("it can be settled");
        for path in &lost {
            let now = fs::read(story.life.root.join(path));
            let old = &story.life.before.nodes[path];
            let same =
                matches!((&now, old), (Ok(now), Node::File { content, .. }) if now == content);
            assert!(same, "killed at {inner}: {}: {now:?}", path.display());
        }
        if first.is_ok() {
            break;
        }
    }
}

/// The slot of the last thing that the interrupted transaction moves in.
fn last_in(image: &Image) -> String {
    let path = site_packages(Path::new("")).join(".pkg-install/journal");
    let Node::File { content, .. } = &image.nodes[&path] else {
        panic!("the journal is a file");
    };
    let journal = Journal::decode(content).expect("it is a journal");
    journal
        .operations
        .last()
        .expect("it has operations")
        .slot
        .clone()
}

// Version 1

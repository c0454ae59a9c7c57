//! Power cuts: a file system in memory that keeps apart the written data and the data that survives
//! a cut.
//!
//! [`Disk`] watches every file system operation and keeps a log of the changes, with their bytes.
//! After a cut, any prefix of the unflushed changes to names may have reached the disk, and none of
//! the unflushed content: the worst behaviour known of ext4, XFS and btrfs. Flushing a file makes
//! all earlier names durable, but only the file's own content. The surviving state replaces the
//! environment, `recover` runs, and the environment is as before or as after, to the byte.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use pkg_install::fs::{FaultHook, Fs, FsOp};

use crate::support::living::Life;
use crate::support::tree_image::{Image, Node};

/// A change, with all that is needed to make it again.
enum Event {
    Make(PathBuf, Node),
    Write(PathBuf, Vec<u8>),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    FlushAll,
    Flush(PathBuf),
}

/// Keeps the log of one command.
struct Disk {
    root: PathBuf,
    log: Mutex<Vec<Event>>,
}

impl FaultHook for Disk {
    fn before(&self, _: &FsOp<'_>) -> io::Result<()> {
        Ok(())
    }

    fn after(&self, mutation: &FsOp<'_>) {
        let below = |path: &Path| {
            path.strip_prefix(&self.root)
                .expect("inside the environment")
                .to_owned()
        };
        let mode = |path: &Path| {
            let metadata = std::fs::symlink_metadata(path).expect("it was made just now");
            metadata.permissions().mode() & 0o7777
        };
        let event = match *mutation {
            // Times and modes are of no account here.
            FsOp::Settle(_) => return,
            FsOp::MakeDir(path) => Event::Make(below(path), Node::Directory { mode: mode(path) }),
            FsOp::Create(path) => Event::Make(
                below(path),
                Node::File {
                    mode: mode(path),
                    content: Vec::new(),
                },
            ),
            FsOp::Write(path, bytes) => Event::Write(below(path), bytes.to_vec()),
            FsOp::Rename(from, to) => Event::Rename(below(from), below(to)),
            FsOp::Link(..) => unreachable!("nothing here uses a store"),
            FsOp::Remove(path) | FsOp::RemoveDir(path) => Event::Remove(below(path)),
            FsOp::FlushFileSystem(_) => Event::FlushAll,
            FsOp::Flush(path) => Event::Flush(below(path)),
        };
        self.log.lock().expect("no thread panics").push(event);
    }
}

/// The disk while a log is played on it. Contents are kept apart from names, by a number that a
/// file keeps for life.
struct Played {
    names: BTreeMap<PathBuf, Kept>,
    written: HashMap<usize, Vec<u8>>,
    durable: HashMap<usize, Vec<u8>>,
}

/// The thing that a name stands for: one without content of interest, or a file by its number.
#[derive(Clone)]
enum Kept {
    Plain(Node),
    File { number: usize, mode: u32 },
}

impl Played {
    fn new(before: &Image) -> Self {
        let mut played = Self {
            names: BTreeMap::new(),
            written: HashMap::new(),
            durable: HashMap::new(),
        };
        for (path, node) in &before.nodes {
            played.make(path, node);
        }
        played.durable = played.written.clone();
        played
    }

    fn make(&mut self, path: &Path, node: &Node) {
        let kept = match node {
            Node::File { mode, content } => {
                let number = self.written.len();
                self.written.insert(number, content.clone());
                Kept::File {
                    number,
                    mode: *mode,
                }
            }
            plain => Kept::Plain(plain.clone()),
        };
        self.names.insert(path.to_owned(), kept);
    }

    fn play(&mut self, event: &Event) {
        match event {
            Event::Make(path, node) => self.make(path, node),
            Event::Write(path, bytes) => {
                let number = self.number(path);
                self.written.entry(number).or_default().extend(bytes);
            }
            Event::Rename(from, to) => {
                let moved: Vec<PathBuf> = self
                    .names
                    .keys()
                    .filter(|path| path.starts_with(from))
                    .cloned()
                    .collect();
                for path in moved {
                    let below = path.strip_prefix(from).expect("it was filtered");
                    let new = if below.as_os_str().is_empty() {
                        to.clone()
                    } else {
                        to.join(below)
                    };
                    let kept = self.names.remove(&path).expect("it was there");
                    self.names.insert(new, kept);
                }
            }
            Event::Remove(path) => {
                self.names.remove(path);
            }
            Event::FlushAll => self.durable.clone_from(&self.written),
            Event::Flush(path) => {
                if let Some(Kept::File { number, .. }) = self.names.get(path) {
                    self.durable.insert(*number, self.written[number].clone());
                }
            }
        }
    }

    fn number(&self, path: &Path) -> usize {
        match &self.names[path] {
            Kept::File { number, .. } => *number,
            Kept::Plain(_) => panic!("{} is no file", path.display()),
        }
    }

    /// The state of the disk once `names` have reached it, with the contents that `self` has
    /// flushed.
    fn cut(&self, names: &BTreeMap<PathBuf, Kept>) -> Image {
        let node = |kept: &Kept| match kept {
            Kept::Plain(node) => node.clone(),
            Kept::File { number, mode } => Node::File {
                mode: *mode,
                content: self.durable.get(number).cloned().unwrap_or_default(),
            },
        };
        let nodes = names
            .iter()
            .map(|(path, kept)| (path.clone(), node(kept)))
            .collect();
        Image {
            nodes,
            ..Image::default()
        }
    }
}

/// The log of one undisturbed run.
fn log_of(life: &Life) -> Vec<Event> {
    let disk = Arc::new(Disk {
        root: life.root.clone(),
        log: Mutex::default(),
    });
    life.reset();
    life.run(&Fs::with_hook(disk.clone()))
        .unwrap_or_else(|error| panic!("{}: {error}", life.name));
    let mut log = disk.log.lock().expect("no thread panics");
    // The lock file has no content.
    log.retain(|event| !matches!(event, Event::Make(path, _) if path == Path::new(".lock")));
    std::mem::take(&mut *log)
}

/// Cuts the power at every change; returns the number of cuts and those that left damage.
fn cut_everywhere(life: &Life, log: &[Event]) -> (usize, Vec<String>) {
    let mut played = Played::new(&life.before);
    // The names after each change since the last flush, the flush itself included.
    let mut since = vec![played.names.clone()];
    let (mut cuts, mut damage) = (0, Vec::new());
    for at in 0..=log.len() {
        let mut reached = vec![0, since.len() / 2, since.len() - 1];
        reached.dedup();
        for names in reached.into_iter().map(|number| &since[number]) {
            played.cut(names).restore(&life.root);
            let recovered = life.recover(&Fs::default());
            let now = Image::of(&life.root);
            let (before, after) = (now == life.before, now == life.after);
            if recovered.is_err() || !(after || before && at < log.len()) {
                let what = recovered
                    .err()
                    .map(|error| error.to_string())
                    .unwrap_or_default();
                damage.push(format!(
                    "{}: cut at {at} of {}: {what}\n{}",
                    life.name,
                    log.len(),
                    life.after.difference(&now)
                ));
            }
            cuts += 1;
        }
        if let Some(event) = log.get(at) {
            played.play(event);
            if matches!(event, Event::FlushAll | Event::Flush(_)) {
                since.clear();
            }
            since.push(played.names.clone());
        }
    }
    life.reset();
    (cuts, damage)
}

fn lives() -> [Life; 4] {
    [
        Life::fresh(),
        Life::into_shared(),
        Life::replace(),
        Life::uninstall(),
    ]
    .map(|life| life.with(|options| options.durable = true))
}

#[test]
fn r122_r123_a_power_cut_anywhere_leaves_before_or_after_and_after_success_after() {
    let mut cuts = 0;
    for life in lives() {
        let (points, damage) = cut_everywhere(&life, &log_of(&life));
        assert!(
            damage.is_empty(),
            "{} of {points} cuts left damage:\n{}",
            damage.len(),
            damage[0]
        );
        cuts += points;
    }
    assert!(cuts >= 800, "{cuts}");
}

/// Proves that the cuts have an effect: the first flush is needed.
#[test]
fn r123_without_the_first_flush_a_power_cut_leaves_damage() {
    for life in lives().into_iter().take(3) {
        let mut log = log_of(&life);
        let first = log
            .iter()
            .position(|event| matches!(event, Event::FlushAll))
            .expect("it is durable");
        log.remove(first);
        let (_, damage) = cut_everywhere(&life, &log);
        assert!(!damage.is_empty(), "{}: nothing was damaged", life.name);
    }
}

#[test]
fn r123_without_durable_a_power_cut_after_success_may_leave_empty_files() {
    let life = Life::fresh();
    let (_, damage) = cut_everywhere(&life, &log_of(&life));
    assert!(
        damage.iter().any(|what| what.contains("cut at")),
        "what is said of `--durable` would be no promise"
    );
}

//! A disk that keeps as little as it may: names and contents reach it in any order until they are
//! flushed.
//!
//! [`LooseDisk`] watches every file system operation. Flushing the file system makes everything
//! durable; flushing a file makes its content durable, not its name; flushing a directory makes the
//! names in it durable, not those elsewhere. A power cut keeps any consistent part of the unflushed
//! changes: a name is free before it is used again, and a directory exists before its entries.
//! Every change is followed by a few cuts, drawn from a seed; [`LooseDisk::cuts`] returns the state
//! after each.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use pkg_install::fs::{FaultHook, Fs, FsOp};

use crate::support::faults::Change;
use crate::support::tree_image::{Image, Node};

/// How many cuts are drawn after each change.
const DRAWS: usize = 6;

/// A name in a directory: the directory's number, and the name.
type Slot = (usize, OsString);
/// The thing that each name stands for.
type Names = BTreeMap<Slot, usize>;

/// A thing on the disk, which keeps its number for life.
struct Thing {
    node: Node,
    time: Option<SystemTime>,
    /// How many bytes of its content are durable.
    flushed: usize,
}

/// A change of names that is not durable yet.
#[derive(Clone)]
enum Step {
    Link(Slot, usize),
    Unlink(Slot, usize),
    Move(Slot, Slot, usize),
}

impl Step {
    fn slots(&self) -> Vec<&Slot> {
        match self {
            Self::Link(slot, _) | Self::Unlink(slot, _) => vec![slot],
            Self::Move(from, to, _) => vec![from, to],
        }
    }

    fn make(&self, names: &mut Names) {
        match self {
            Self::Link(slot, thing) => {
                names.insert(slot.clone(), *thing);
            }
            Self::Unlink(slot, _) => {
                names.remove(slot);
            }
            Self::Move(from, to, thing) => {
                names.remove(from);
                names.insert(to.clone(), *thing);
            }
        }
    }
}

/// How far a command has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// No journal has its name.
    Early,
    /// In between.
    Open,
    /// The journal's end is flushed.
    Decided,
}

/// The state after a power cut.
pub struct Cut {
    pub left: Image,
    pub stage: Stage,
    /// The change after which the power went.
    pub after: String,
}

struct State {
    things: Vec<Thing>,
    names: Names,
    durable: Names,
    pending: Vec<Step>,
    flushes: usize,
    stage: Stage,
    undecided: bool,
    seed: u64,
    known: HashSet<u64>,
    cuts: Vec<Cut>,
}

/// The disk, while somebody works on it.
pub struct LooseDisk {
    root: PathBuf,
    /// The number of a flush, counting all of them, that it pretends to have made.
    ignored: Option<usize>,
    state: Mutex<State>,
}

impl LooseDisk {
    /// A disk on which everything that the image shows is durable.
    pub fn new(root: &Path, image: &Image, ignored: Option<usize>) -> Arc<Self> {
        let mut state = State {
            things: vec![Thing {
                node: Node::Directory { mode: 0o755 },
                time: None,
                flushed: 0,
            }],
            names: Names::new(),
            durable: Names::new(),
            pending: Vec::new(),
            flushes: 0,
            stage: Stage::Early,
            undecided: true,
            seed: 0x9e37_79b9_7f4a_7c15,
            known: HashSet::new(),
            cuts: Vec::new(),
        };
        for (path, node) in &image.nodes {
            let slot = state.slot(path);
            let thing = state.add(node.clone(), image.times.get(path).copied());
            state.names.insert(slot, thing);
        }
        state.flush_all();
        Arc::new(Self {
            root: root.to_owned(),
            ignored,
            state: Mutex::new(state),
        })
    }

    pub fn fs(self: &Arc<Self>) -> Fs {
        Fs::with_hook(Arc::<Self>::clone(self))
    }

    /// The states after the cuts drawn so far, none twice.
    pub fn cuts(&self) -> Vec<Cut> {
        std::mem::take(&mut self.state.lock().expect("no thread panics").cuts)
    }

    /// The states after cuts that come after everything.
    pub fn cuts_at_the_end(&self, count: usize) -> Vec<Image> {
        let mut state = self.state.lock().expect("no thread panics");
        (0..count).map(|number| state.draw(number)).collect()
    }

    fn below(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root)
            .expect("only the environment is changed")
            .to_owned()
    }

    fn apply(&self, state: &mut State, mutation: &FsOp<'_>) {
        match *mutation {
            FsOp::MakeDir(path) => {
                let (path, mode) = (self.below(path), mode(path));
                state.link(&path, Node::Directory { mode });
            }
            FsOp::Create(path) => {
                let (path, mode) = (self.below(path), mode(path));
                state.link(
                    &path,
                    Node::File {
                        mode,
                        content: Vec::new(),
                    },
                );
            }
            FsOp::Write(path, bytes) => {
                let time = std::fs::symlink_metadata(path)
                    .and_then(|metadata| metadata.modified())
                    .ok();
                let thing = state.find(&self.below(path));
                let thing = &mut state.things[thing];
                thing.time = time;
                if let Node::File { content, .. } = &mut thing.node {
                    content.extend_from_slice(bytes);
                }
            }
            FsOp::Rename(from, to) => {
                let (from, to) = (state.slot(&self.below(from)), state.slot(&self.below(to)));
                let thing = state.names[&from];
                state.step(Step::Move(from, to, thing));
            }
            FsOp::Link(from, to) => {
                let from = state.slot(&self.below(from));
                let (to, thing) = (state.slot(&self.below(to)), state.names[&from]);
                state.step(Step::Link(to, thing));
            }
            FsOp::Remove(path) | FsOp::RemoveDir(path) => {
                let slot = state.slot(&self.below(path));
                let thing = state.names[&slot];
                state.step(Step::Unlink(slot, thing));
            }
            // Times and modes are of no account here.
            FsOp::Settle(_) => {}
            FsOp::FlushFileSystem(_) | FsOp::Flush(_) => self.flush(state, mutation),
        }
    }

    fn flush(&self, state: &mut State, mutation: &FsOp<'_>) {
        state.flushes += 1;
        if self.ignored == Some(state.flushes - 1) {
            return;
        }
        let FsOp::Flush(path) = mutation else {
            return state.flush_all();
        };
        let thing = state.find(&self.below(path));
        match &state.things[thing].node {
            Node::File { content, .. } => state.things[thing].flushed = content.len(),
            _ => state.flush_names_in(thing),
        }
    }
}

impl FaultHook for LooseDisk {
    fn before(&self, _: &FsOp<'_>) -> io::Result<()> {
        Ok(())
    }

    fn after(&self, mutation: &FsOp<'_>) {
        let change = Change::of(mutation);
        if change
            .paths()
            .iter()
            .any(|path| **path == self.root.join(".lock"))
        {
            return;
        }
        let mut state = self.state.lock().expect("no thread panics");
        if matches!(change, Change::Flush(_)) && !state.undecided {
            state.stage = Stage::Decided;
        } else if state.stage == Stage::Early && change.begins() {
            state.stage = Stage::Open;
        } else if change.decides() {
            state.undecided = false;
        }
        self.apply(&mut state, mutation);
        for number in 0..DRAWS {
            let left = state.draw(number);
            if state.known.insert(fingerprint(&left)) {
                let cut = Cut {
                    left,
                    stage: state.stage,
                    after: format!("{change:?}"),
                };
                state.cuts.push(cut);
            }
        }
    }
}

impl State {
    fn add(&mut self, node: Node, time: Option<SystemTime>) -> usize {
        self.things.push(Thing {
            node,
            time,
            flushed: 0,
        });
        self.things.len() - 1
    }

    fn find(&self, path: &Path) -> usize {
        let look = |at: usize, name: &std::ffi::OsStr| {
            let found = self.names.get(&(at, name.to_owned()));
            *found.unwrap_or_else(|| panic!("`{}` is not known", path.display()))
        };
        path.iter().fold(0, look)
    }

    fn slot(&self, path: &Path) -> Slot {
        let parent = path.parent().expect("a name has a directory");
        (
            self.find(parent),
            path.file_name()
                .expect("a name has a last component")
                .to_owned(),
        )
    }

    fn link(&mut self, path: &Path, node: Node) {
        let slot = self.slot(path);
        let thing = self.add(node, None);
        self.step(Step::Link(slot, thing));
    }

    fn step(&mut self, step: Step) {
        step.make(&mut self.names);
        self.pending.push(step);
    }

    fn flush_all(&mut self) {
        self.durable.clone_from(&self.names);
        self.pending.clear();
        for thing in &mut self.things {
            if let Node::File { content, .. } = &thing.node {
                thing.flushed = content.len();
            }
        }
    }

    /// Makes the names in one directory durable, and what they need.
    fn flush_names_in(&mut self, directory: usize) {
        let mut slots: HashSet<Slot> = HashSet::new();
        let mut parents: HashSet<usize> = HashSet::new();
        let mut emptied: HashSet<usize> = HashSet::new();
        let mut wanted = vec![false; self.pending.len()];
        for (step, wanted) in self.pending.iter().zip(&mut wanted).rev() {
            let makes = matches!(step, Step::Link(_, thing) if parents.contains(thing));
            let touches = |slot: &&Slot| {
                slot.0 == directory || slots.contains(*slot) || emptied.contains(&slot.0)
            };
            *wanted = makes || step.slots().iter().any(touches);
            if *wanted {
                slots.extend(step.slots().into_iter().cloned());
                parents.extend(step.slots().into_iter().map(|slot| slot.0));
                if let Step::Unlink(_, thing) = step {
                    emptied.insert(*thing);
                }
            }
        }
        let steps = std::mem::take(&mut self.pending);
        for (step, wanted) in steps.into_iter().zip(wanted) {
            if wanted {
                step.make(&mut self.durable);
            } else {
                self.pending.push(step);
            }
        }
    }

    /// The state after a cut: the least, the most without content, and then anything.
    fn draw(&mut self, number: usize) -> Image {
        let chance = match number {
            0 => 0,
            1 => 8,
            _ => [1, 4, 6, 7][number % 4],
        };
        let mut names = self.durable.clone();
        let (mut slots, mut parents, mut filled) = (HashSet::new(), HashSet::new(), HashSet::new());
        for step in self.pending.clone() {
            let blocked = step
                .slots()
                .iter()
                .any(|slot| slots.contains(*slot) || parents.contains(&slot.0))
                || matches!(&step, Step::Unlink(_, thing) if filled.contains(thing));
            if !blocked && self.random(8) < chance {
                step.make(&mut names);
                continue;
            }
            slots.extend(step.slots().into_iter().cloned());
            filled.extend(step.slots().into_iter().map(|slot| slot.0));
            if let Step::Link(_, thing) = step {
                parents.insert(thing);
            }
        }
        let mut lengths = Vec::with_capacity(self.things.len());
        for number_of_thing in 0..self.things.len() {
            let thing = &self.things[number_of_thing];
            let all = if let Node::File { content, .. } = &thing.node {
                content.len()
            } else {
                0
            };
            let (flushed, unflushed) = (thing.flushed, all - thing.flushed);
            let more = if number < 2 || unflushed == 0 {
                0
            } else {
                self.random(3) * unflushed / 2
            };
            lengths.push(flushed + more);
        }
        let mut image = Image::default();
        self.show(&names, &lengths, (0, Path::new("")), &mut image);
        image
    }

    fn show(&self, names: &Names, lengths: &[usize], at: (usize, &Path), image: &mut Image) {
        let (directory, path) = at;
        for ((_, name), &thing) in
            names.range((directory, OsString::new())..(directory + 1, OsString::new()))
        {
            let path = path.join(name);
            let Thing { node, time, .. } = &self.things[thing];
            let mut node = node.clone();
            match &mut node {
                Node::Directory { .. } => self.show(names, lengths, (thing, &path), image),
                Node::File { content, .. } => content.truncate(lengths[thing]),
                Node::Link { .. } => {}
            }
            if let Some(time) = time {
                image.times.insert(path.clone(), *time);
            }
            image.nodes.insert(path, node);
        }
    }

    fn random(&mut self, below: usize) -> usize {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.seed >> 33).expect("31 bits fit") % below
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path)
        .expect("it was made just now")
        .permissions()
        .mode()
        & 0o7777
}

fn fingerprint(image: &Image) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (path, node) in &image.nodes {
        path.hash(&mut hasher);
        match node {
            Node::Directory { mode } => mode.hash(&mut hasher),
            Node::File { mode, content } => (mode, content).hash(&mut hasher),
            Node::Link { target } => target.hash(&mut hasher),
        }
    }
    hasher.finish()
}

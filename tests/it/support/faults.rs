//! Faults of the file system: a hook that counts the changes and makes the n-th one fail, or all
//! from the n-th on.
//!
//! A [`Fuse`] numbers the changes of all threads from 0. A *crash* makes the change and every later
//! one fail, so the command cannot clean up either, as in a killed process. An *error* makes one
//! change fail.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use pkg_install::Cancellation;
use pkg_install::fs::{FaultHook, Fs, FsOp};

pub const EINTR: i32 = 4;
pub const EIO: i32 = 5;
pub const EACCES: i32 = 13;
pub const EXDEV: i32 = 18;
pub const ENOSPC: i32 = 28;
pub const EROFS: i32 = 30;
pub const EDQUOT: i32 = 122;

/// The fault, and the change it affects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: only look.
    None,
    /// The change of this number and all after it fail.
    CrashBefore(usize),
    /// All changes fail that begin after the one of this number was made.
    CrashAfter(usize),
    /// The change of this number fails with this error code.
    Error(usize, i32),
    /// The rename of this number, counting renames only, fails with this error code.
    RenameError(usize, i32),
    /// Nothing fails; the change of this number makes the user ask to stop.
    Cancel(usize),
}

/// A change, for keeping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    MakeDir(PathBuf),
    Create(PathBuf),
    Write(PathBuf),
    Rename(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Remove(PathBuf),
    RemoveDir(PathBuf),
    Settle(PathBuf),
    FlushFileSystem(PathBuf),
    Flush(PathBuf),
}

impl Change {
    pub fn of(mutation: &FsOp<'_>) -> Self {
        match *mutation {
            FsOp::MakeDir(path) => Self::MakeDir(path.to_owned()),
            FsOp::Create(path) => Self::Create(path.to_owned()),
            FsOp::Write(path, _) => Self::Write(path.to_owned()),
            FsOp::Rename(from, to) => Self::Rename(from.to_owned(), to.to_owned()),
            FsOp::Link(from, to) => Self::Link(from.to_owned(), to.to_owned()),
            FsOp::Remove(path) => Self::Remove(path.to_owned()),
            FsOp::RemoveDir(path) => Self::RemoveDir(path.to_owned()),
            FsOp::Settle(path) => Self::Settle(path.to_owned()),
            FsOp::FlushFileSystem(path) => Self::FlushFileSystem(path.to_owned()),
            FsOp::Flush(path) => Self::Flush(path.to_owned()),
        }
    }

    /// The paths that it names.
    pub fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Rename(from, to) | Self::Link(from, to) => vec![from, to],
            Self::MakeDir(path)
            | Self::Create(path)
            | Self::Write(path)
            | Self::Remove(path)
            | Self::Settle(path)
            | Self::RemoveDir(path)
            | Self::FlushFileSystem(path)
            | Self::Flush(path) => vec![path],
        }
    }

    /// Whether the transaction begins with it: the journal gets its name.
    pub fn begins(&self) -> bool {
        matches!(self, Self::Rename(_, to) if is_journal(to))
    }

    /// Whether the transaction is decided by it: the journal loses its name.
    pub fn decides(&self) -> bool {
        match self {
            Self::Rename(from, _) => is_journal(from),
            Self::Remove(path) => is_journal(path),
            _ => false,
        }
    }
}

fn is_journal(path: &Path) -> bool {
    path.ends_with(".pkg-install/journal")
}

/// Counts and records the changes, and makes some fail.
#[derive(Debug)]
pub struct Fuse {
    fault: Fault,
    /// Directories that go to the trash are of a lower layer, where renames of directories fail.
    layered: bool,
    seen: AtomicUsize,
    renames: AtomicUsize,
    cancel: Cancellation,
    dead: AtomicBool,
    refused: Mutex<Option<Change>>,
    made: Mutex<Vec<Change>>,
}

impl Fuse {
    pub fn new(fault: Fault) -> Arc<Self> {
        Self::on(fault, false)
    }

    /// For a file system that is an overlay with the installed files in its lower layer.
    pub fn layered(fault: Fault) -> Arc<Self> {
        Self::on(fault, true)
    }

    fn on(fault: Fault, layered: bool) -> Arc<Self> {
        Arc::new(Self {
            fault,
            layered,
            seen: AtomicUsize::new(0),
            renames: AtomicUsize::new(0),
            cancel: Cancellation::default(),
            dead: AtomicBool::new(false),
            refused: Mutex::new(None),
            made: Mutex::new(Vec::new()),
        })
    }

    pub fn fs(self: &Arc<Self>) -> Fs {
        Fs::with_hook(Arc::<Self>::clone(self))
    }

    /// How many changes were tried.
    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    /// Stops the command.
    pub fn cancel(&self) -> &Cancellation {
        &self.cancel
    }

    /// The first change that was made to fail.
    pub fn refused(&self) -> Option<Change> {
        self.refused.lock().expect("no watcher panics").clone()
    }

    /// The changes that were made, in order.
    pub fn made(&self) -> Vec<Change> {
        self.made.lock().expect("no watcher panics").clone()
    }

    fn refuse(&self, mutation: &FsOp<'_>, code: i32) -> io::Result<()> {
        self.refused
            .lock()
            .expect("no watcher panics")
            .get_or_insert_with(|| Change::of(mutation));
        Err(io::Error::from_raw_os_error(code))
    }
}

impl FaultHook for Fuse {
    fn before(&self, mutation: &FsOp<'_>) -> io::Result<()> {
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        let mut rename = None;
        if let FsOp::Rename(from, to) = mutation {
            rename = Some(self.renames.fetch_add(1, Ordering::SeqCst));
            if self.layered
                && from.is_dir()
                && to
                    .iter()
                    .any(|name| name.to_string_lossy().starts_with("trash-"))
            {
                return Err(io::Error::from_raw_os_error(EXDEV));
            }
        }
        match self.fault {
            Fault::CrashBefore(at) if number >= at => self.refuse(mutation, EIO),
            Fault::CrashAfter(_) if self.dead.load(Ordering::SeqCst) => self.refuse(mutation, EIO),
            Fault::Error(at, code) if number == at => self.refuse(mutation, code),
            Fault::RenameError(at, code) if rename == Some(at) => self.refuse(mutation, code),
            Fault::Cancel(at) if number == at => {
                self.cancel.cancel();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn after(&self, mutation: &FsOp<'_>) {
        let mut made = self.made.lock().expect("no watcher panics");
        made.push(Change::of(mutation));
        if let Fault::CrashAfter(at) = self.fault
            && made.len() > at
        {
            self.dead.store(true, Ordering::SeqCst);
        }
    }
}

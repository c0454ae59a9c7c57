//! The only door to the file system.
//!
//! Input: paths and open directories. Output: what is there, or the change made. Invariants: every
//! error names the operation and the path; everything that changes the file system goes through
//! [`Fs`], where a [`FaultHook`] can count it, refuse it or replay it; nothing here decides
//! anything. Reading functions are plain functions of this module, changing ones are methods of
//! [`Dir`] and [`NewFile`]. Limits: Unix only.

mod cache_file;
mod dir;
mod lock;
mod read;
mod remove_tree;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use cache_file::{CacheFile, PrivateDirectory, make_shared, remove};
pub use dir::{Dir, NewFile};
pub use lock::{Lock, LockWait};
pub use read::{
    Inside, Kind, OpenFile, ReadAt, Stat, absolute, available_space, canonical, is_executable,
    is_of_windows, is_writable, link_target, list, look_into, lstat, mount_of, read, read_to_limit,
    stat, user, walk,
};

/// A change to the file system, about to be made or just made. All paths are absolute.
#[derive(Debug, Clone, Copy)]
pub enum FsOp<'a> {
    /// A directory is made.
    MakeDir(&'a Path),
    /// An empty file is made.
    Create(&'a Path),
    /// Bytes are appended to a file that this process made, or written into one of a cache.
    Write(&'a Path, &'a [u8]),
    /// Something is renamed to a name that is free, or, for the journal alone, to one that is not.
    Rename(&'a Path, &'a Path),
    /// A file or symbolic link is removed.
    Remove(&'a Path),
    /// An empty directory is removed.
    RemoveDir(&'a Path),
    /// Everything written to the file system that holds the path is made durable.
    FlushFileSystem(&'a Path),
    /// A file's data, or a directory's entries, are made durable.
    Flush(&'a Path),
}

/// Sees every change before and after it is made; for tests of crashes, errors and power cuts.
pub trait FaultHook: Send + Sync {
    /// An error stands for the operation's own failure: the change is then not made.
    ///
    /// # Errors
    /// Whatever the operation shall fail with.
    fn before(&self, mutation: &FsOp<'_>) -> io::Result<()>;

    /// The change was made.
    fn after(&self, mutation: &FsOp<'_>) {
        let _ = mutation;
    }
}

/// The way through which every change to the file system goes.
#[derive(Clone, Default)]
pub struct Fs {
    watch: Option<Arc<dyn FaultHook>>,
    threads: Option<usize>,
}

impl std::fmt::Debug for Fs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fs")
    }
}

impl Fs {
    /// The same door, through which this many threads go at once when a tree is taken apart;
    /// otherwise there are as many as there are cores.
    pub fn with_threads(self, threads: Option<usize>) -> Self {
        Self { threads, ..self }
    }

    fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or_else(cores).clamp(1, 16)
    }

    /// A door at which somebody watches.
    pub fn with_hook(watch: Arc<dyn FaultHook>) -> Self {
        Self {
            watch: Some(watch),
            threads: None,
        }
    }

    /// Makes one change, repeated where a signal interrupts it.
    fn run<T>(
        &self,
        mutation: impl FnOnce() -> OwnedFsOp,
        mut act: impl FnMut() -> rustix::io::Result<T>,
    ) -> io::Result<T> {
        let Some(watch) = &self.watch else {
            return Ok(rustix::io::retry_on_intr(act)?);
        };
        let mutation = mutation();
        retried(|| watch.before(&mutation.borrowed()))?;
        let result = rustix::io::retry_on_intr(&mut act)?;
        watch.after(&mutation.borrowed());
        Ok(result)
    }

    fn run_write(
        &self,
        path: impl FnOnce() -> PathBuf,
        bytes: &[u8],
        act: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(watch) = &self.watch else {
            return act();
        };
        let path = path();
        retried(|| watch.before(&FsOp::Write(&path, bytes)))?;
        act()?;
        watch.after(&FsOp::Write(&path, bytes));
        Ok(())
    }
}

/// What a signal interrupts is made again, as the system calls themselves are.
fn retried(mut act: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    loop {
        match act() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A [`FsOp`] whose paths were put together only because somebody watches.
enum OwnedFsOp {
    MakeDir(PathBuf),
    Create(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    RemoveDir(PathBuf),
    FlushFileSystem(PathBuf),
    Flush(PathBuf),
}

impl OwnedFsOp {
    fn borrowed(&self) -> FsOp<'_> {
        match self {
            Self::MakeDir(path) => FsOp::MakeDir(path),
            Self::Create(path) => FsOp::Create(path),
            Self::Rename(from, to) => FsOp::Rename(from, to),
            Self::Remove(path) => FsOp::Remove(path),
            Self::RemoveDir(path) => FsOp::RemoveDir(path),
            Self::FlushFileSystem(path) => FsOp::FlushFileSystem(path),
            Self::Flush(path) => FsOp::Flush(path),
        }
    }
}

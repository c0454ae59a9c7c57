//! The file system. Only this module calls it.
//!
//! Input: paths and open directories. Output: what is there, or the change that was made.
//! Invariants: every error names the operation and the path; every change is made through [`Fs`],
//! so that a [`FaultHook`] can count, refuse or replay it; nothing here makes decisions. Functions
//! that read are plain functions of this module, those that change something are methods of
//! [`Dir`], [`OutputFile`] and [`CacheFile`], or take an [`Fs`]. Limits: Unix only.

mod below;
mod cache_dir;
mod cache_file;
mod cache_lock;
mod capabilities;
mod dir;
mod gate;
mod inherited;
mod link;
mod lock;
mod lock_holder;
mod make;
mod message_file;
mod output_file;
mod private_directory;
mod read;
mod remove_tree;
mod root_lock;
mod settle;
mod stat;
mod stream;
mod trust;
mod walk;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use below::{Below, WORTH_OPENING};
pub use cache_dir::{CacheDir, INTERPRETERS};
pub use cache_file::CacheFile;
pub use cache_lock::CacheLock;
pub use capabilities::Capabilities;
pub use dir::Dir;
pub use inherited::Inherited;
pub use link::NewFileLooks;
pub use lock::LockWait;
pub use lock_holder::LockHolder;
pub use message_file::MessageFile;
pub use output_file::OutputFile;
pub use private_directory::PrivateDirectory;
pub use read::{
    DirectorySnapshot, OpenFile, ReadAt, absolute, behind_link, canonical, is_own_descriptor,
    link_target, list, open_unless_foreign, read, read_document, read_to_limit,
    read_unless_foreign, snapshot, walk,
};
pub use remove_tree::remove_tree;
pub use root_lock::{ReadLock, RootLock};
pub use stat::{
    Kind, Stat, available_space, check_writable, effective_user, is_denied, is_executable,
    is_foreign_link, is_writable, lstat, mount_of, stat,
};
pub use stream::read_stdin;
pub use trust::{Distrust, distrust, distrust_in, distrust_outside_group, distrust_owner};

use gate::Gate;

/// A change to the file system. All paths are absolute.
#[derive(Debug, Clone, Copy)]
pub enum FsOp<'a> {
    /// Makes a directory.
    MakeDir(&'a Path),
    /// Makes an empty file.
    Create(&'a Path),
    /// Appends bytes to a file that this process made, or writes them into a file of a cache.
    Write(&'a Path, &'a [u8]),
    /// Renames the first path to the second, which is free. Only the journal replaces a file.
    Rename(&'a Path, &'a Path),
    /// Makes the second path, which is free, another name of the file at the first.
    Link(&'a Path, &'a Path),
    /// Removes a file or symbolic link.
    Remove(&'a Path),
    /// Removes an empty directory.
    RemoveDir(&'a Path),
    /// Gives a file or directory a fixed time and mode.
    Settle(&'a Path),
    /// Makes everything durable that was written to the file system which holds the path.
    FlushFileSystem(&'a Path),
    /// Makes a file's data, or a directory's entries, durable.
    Flush(&'a Path),
}

/// Is called before and after each change, by tests of crashes, errors and power cuts.
pub trait FaultHook: Send + Sync {
    /// A change is about to be made.
    ///
    /// # Errors
    /// An error takes the place of the operation's own failure; the change is then not made.
    fn before(&self, op: &FsOp<'_>) -> io::Result<()>;

    /// The change was made.
    fn after(&self, op: &FsOp<'_>) {
        // The name `op` belongs in the documentation, so it is not spelled `_op`.
        let _ = op;
    }
}

/// The handle that makes every change to the file system.
#[derive(Clone, Default)]
pub struct Fs {
    hook: Option<Arc<dyn FaultHook>>,
    threads: Option<usize>,
    gate: Option<Gate>,
}

impl std::fmt::Debug for Fs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fs")
    }
}

impl Fs {
    /// Removes trees on this many threads; `None` means as many as there are cores.
    pub fn with_threads(self, threads: Option<usize>) -> Self {
        Self { threads, ..self }
    }

    /// A handle that calls `hook` with each change.
    pub fn with_hook(hook: Arc<dyn FaultHook>) -> Self {
        Self {
            hook: Some(hook),
            ..Self::default()
        }
    }

    /// A handle that makes changes only while the gate is open.
    fn behind(self, gate: Gate) -> Self {
        let gate = Some(gate);
        Self { gate, ..self }
    }

    fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        // Above 16 threads the kernel's locks on directories leave nothing to gain.
        self.threads.unwrap_or_else(cores).clamp(1, 16)
    }

    /// Makes one change, again if a signal interrupts it.
    fn run<T>(
        &self,
        op: impl FnOnce() -> OwnedFsOp,
        mut act: impl FnMut() -> rustix::io::Result<T>,
    ) -> io::Result<T> {
        let _pass = self.gate.as_ref().map(Gate::pass).transpose()?;
        let Some(hook) = &self.hook else {
            // `op` is not called: it copies paths, which every installed file would pay for.
            return Ok(rustix::io::retry_on_intr(act)?);
        };
        let op = op();
        retry_if_interrupted(|| hook.before(&op.borrowed()))?;
        let result = rustix::io::retry_on_intr(&mut act)?;
        hook.after(&op.borrowed());
        Ok(result)
    }

    /// Writes to the file at `path`. Unlike [`Fs::run`] it repeats nothing: `act` may have written
    /// a part of the bytes.
    fn run_write(
        &self,
        path: impl FnOnce() -> PathBuf,
        bytes: &[u8],
        act: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let _pass = self.gate.as_ref().map(Gate::pass).transpose()?;
        let Some(hook) = &self.hook else {
            return act();
        };
        let path = path();
        retry_if_interrupted(|| hook.before(&FsOp::Write(&path, bytes)))?;
        act()?;
        hook.after(&FsOp::Write(&path, bytes));
        Ok(())
    }
}

/// Repeats `act` as long as a signal interrupts it, as is done with the system calls themselves.
fn retry_if_interrupted(mut act: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    loop {
        match act() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A [`FsOp`] with paths of its own. It is only built if there is a hook.
enum OwnedFsOp {
    MakeDir(PathBuf),
    Create(PathBuf),
    Rename(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Remove(PathBuf),
    RemoveDir(PathBuf),
    Settle(PathBuf),
    FlushFileSystem(PathBuf),
    Flush(PathBuf),
}

impl OwnedFsOp {
    fn borrowed(&self) -> FsOp<'_> {
        match self {
            Self::MakeDir(path) => FsOp::MakeDir(path),
            Self::Create(path) => FsOp::Create(path),
            Self::Rename(from, to) => FsOp::Rename(from, to),
            Self::Link(from, to) => FsOp::Link(from, to),
            Self::Remove(path) => FsOp::Remove(path),
            Self::RemoveDir(path) => FsOp::RemoveDir(path),
            Self::Settle(path) => FsOp::Settle(path),
            Self::FlushFileSystem(path) => FsOp::FlushFileSystem(path),
            Self::Flush(path) => FsOp::Flush(path),
        }
    }
}

//! Removes a directory tree on several threads.
//!
//! Input: an open directory and a name in it. Output: the name is gone. Each directory is opened
//! relative to its parent, following no symbolic link, and removed from its parent by the thread
//! that removed the last thing in it. Limits: each thread holds as many directories open at once as
//! the tree is deep.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::dir::Dir;
use super::stat::Kind;
use crate::error::{Error, Result};
use crate::threads::OnPanic;

/// Removes `name` from `dir`: a directory with everything in it, or a file or symbolic link. A
/// missing name is fine.
///
/// # Errors
/// The first removal that fails; other parts of the tree may have been removed.
pub fn remove_tree(dir: &Dir, name: &str) -> Result<()> {
    match dir.stat(name)? {
        None => Ok(()),
        Some(stat) if stat.kind == Kind::Directory => remove_directory(dir, name),
        Some(_) => dir.remove_file(name),
    }
}

fn remove_directory(top: &Dir, name: &str) -> Result<()> {
    let root = Subdirectory {
        above: None,
        name: name.to_owned(),
    };
    let removal = TreeRemoval {
        top,
        queue: Mutex::new(Pending {
            waiting: vec![root],
            ..Pending::default()
        }),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| {
        // The count begins at 1 because the calling thread works too.
        for _ in 1..top.fs().threads() {
            // If the system gives no more threads, the existing ones do all of the work.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || removal.run());
        }
        removal.run();
    });
    let failed = removal.lock().failed.take();
    failed.map_or(Ok(()), Err)
}

/// A directory that is being emptied, and its place in the tree.
struct Emptied {
    dir: Dir,
    place: Subdirectory,
}

/// A name in the top directory, or in a directory that is being emptied.
#[derive(Clone)]
struct Subdirectory {
    above: Option<Arc<Emptied>>,
    name: String,
}

/// The directories that wait to be emptied.
#[derive(Default)]
struct Pending {
    waiting: Vec<Subdirectory>,
    /// How many threads are emptying one, and may queue more.
    busy: usize,
    failed: Option<Error>,
}

struct TreeRemoval<'a> {
    top: &'a Dir,
    queue: Mutex<Pending>,
    changed: Condvar,
}

impl TreeRemoval<'_> {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        // No change of the queue is left half done, so it is right even after a panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let _stop = OnPanic(|| self.fail(Error::interrupted()));
        while let Some(place) = self.next() {
            let emptied = self.empty(place);
            self.lock().busy -= 1;
            match emptied {
                Err(error) => self.fail(error),
                // Idle threads wait for new directories and for the end alike, so all have to look.
                Ok(()) => self.changed.notify_all(),
            }
        }
    }

    /// Ends the removal.
    fn fail(&self, error: Error) {
        // Later failures often follow from the first, so only that is kept.
        self.lock().failed.get_or_insert(error);
        self.changed.notify_all();
    }

    /// Waits for a directory to empty, innermost first; `None` if there will be no more.
    fn next(&self) -> Option<Subdirectory> {
        let mut queue = self.lock();
        loop {
            if queue.failed.is_some() {
                return None;
            }
            // The last one queued is the innermost, which keeps the number of open ones low.
            if let Some(place) = queue.waiting.pop() {
                queue.busy += 1;
                return Some(place);
            }
            if queue.busy == 0 {
                return None;
            }
            queue = self
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Removes the files in a directory and queues the directories in it.
    fn empty(&self, place: Subdirectory) -> Result<()> {
        let above = place.above.as_ref().map_or(self.top, |above| &above.dir);
        let Some(dir) = above.open_below(&place.name)? else {
            return Ok(());
        };
        let names = dir.names()?;
        let emptied = Arc::new(Emptied { dir, place });
        let mut directories = Vec::new();
        for (name, kind) in names {
            let Some(name) = name.to_str() else {
                return Err(Error::io(
                    "remove",
                    &emptied.dir.path().join(&name),
                    std::io::ErrorKind::InvalidFilename.into(),
                ));
            };
            if kind == Kind::Directory {
                directories.push(Subdirectory {
                    above: Some(Arc::clone(&emptied)),
                    name: name.to_owned(),
                });
            } else {
                although_read_only(&emptied.dir, || emptied.dir.remove_file(name))?;
            }
        }
        if !directories.is_empty() {
            self.lock().waiting.append(&mut directories);
            self.changed.notify_all();
        }
        self.leave(emptied)
    }

    /// Removes a directory if this thread is the last to hold it, and then the one above it in the
    /// same way.
    fn leave(&self, emptied: Arc<Emptied>) -> Result<()> {
        // The directories below hold a reference to it: the last one is dropped when it is empty.
        // `into_inner`, unlike `try_unwrap`, succeeds for one of two threads that let go at once.
        let mut last = Arc::into_inner(emptied);
        while let Some(Emptied { dir, place }) = last {
            drop(dir);
            match place.above {
                None => return self.top.remove_dir(&place.name),
                Some(above) => {
                    although_read_only(&above.dir, || above.dir.remove_dir(&place.name))?;
                    last = Arc::into_inner(above);
                }
            }
        }
        Ok(())
    }
}

/// Removes something from a directory, even if its owner may not write to it, as with directories
/// of the store that environments link to.
fn although_read_only(dir: &Dir, remove: impl Fn() -> Result<()>) -> Result<()> {
    match remove() {
        Err(error) if error.io_kind() == Some(std::io::ErrorKind::PermissionDenied) => {
            dir.make_writable().map_err(|_| error)?;
            remove()
        }
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::Path;

    use super::*;
    use crate::fs::{FaultHook, Fs, FsOp};

    /// A removal that panics at one name.
    struct PanicAt(&'static str);

    impl FaultHook for PanicAt {
        fn before(&self, operation: &FsOp<'_>) -> io::Result<()> {
            let (FsOp::Remove(path) | FsOp::RemoveDir(path)) = operation else {
                return Ok(());
            };
            assert!(!path.ends_with(self.0), "as the test wants");
            Ok(())
        }
    }

    fn remove(top: &Path, hook: PanicAt) -> Result<()> {
        let fs = Fs::with_hook(Arc::new(hook)).with_threads(Some(4));
        remove_tree(&Dir::open(&fs, top).expect("opened"), "tree")
    }

    #[test]
    fn a_panic_of_one_thread_ends_the_others() {
        let scratch = tempfile::tempdir().expect("there is room");
        for name in ["file", "one", "tree"] {
            for directory in ["one/two/three", "four"] {
                let directory = scratch.path().join("tree").join(directory);
                std::fs::create_dir_all(&directory).expect("it can be made");
                std::fs::write(directory.join("file"), "content").expect("it can be written");
            }
            let removed = catch_unwind(AssertUnwindSafe(|| remove(scratch.path(), PanicAt(name))));
            assert!(removed.is_err(), "{name}: {removed:?}");
        }
        assert!(remove(scratch.path(), PanicAt("none")).is_ok());
        assert!(!scratch.path().join("tree").exists());
    }
}

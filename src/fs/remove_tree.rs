//! Taking a tree apart, by several threads.
//!
//! Input: an open directory and a name in it. Output: nothing stands there any more. Each directory
//! is opened below its parent, following no symbolic link, and removed from its parent by whoever
//! removed the last thing in it. Limits: as many directories are open at once as the tree is deep,
//! for each thread.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::dir::Dir;
use super::read::Kind;
use crate::error::{Error, Result};

/// A directory that is being emptied, and where it stands.
struct Emptied {
    dir: Dir,
    place: Place,
}

/// A name in a directory: of the tree's own top, or in a directory that is being emptied.
#[derive(Clone)]
struct Place {
    above: Option<Arc<Emptied>>,
    name: String,
}

/// What there is to do, and who is doing something.
#[derive(Default)]
struct Queue {
    waiting: Vec<Place>,
    busy: usize,
    failed: Option<Error>,
}

struct Work<'a> {
    top: &'a Dir,
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// Removes the directory `name` of `top` with all it holds.
///
/// # Errors
/// The first removal that fails; what could be removed before is gone.
pub(super) fn remove(top: &Dir, name: &str, threads: usize) -> Result<()> {
    let queue = Queue {
        waiting: vec![Place {
            above: None,
            name: name.to_owned(),
        }],
        ..Queue::default()
    };
    let work = Work {
        top,
        queue: Mutex::new(queue),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Where no thread can be had, those that there are do it.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || work.run());
        }
        work.run();
    });
    let failed = work.lock().failed.take();
    failed.map_or(Ok(()), Err)
}

impl Work<'_> {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        while let Some(place) = self.next() {
            let emptied = self.empty(place);
            let mut queue = self.lock();
            queue.busy -= 1;
            if let Err(error) = emptied {
                queue.failed.get_or_insert(error);
            }
            drop(queue);
            self.changed.notify_all();
        }
    }

    /// The innermost directory that waits; `None` when there will be none any more.
    fn next(&self) -> Option<Place> {
        let mut queue = self.lock();
        loop {
            if queue.failed.is_some() {
                return None;
            }
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

    fn empty(&self, place: Place) -> Result<()> {
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
                directories.push(Place {
                    above: Some(Arc::clone(&emptied)),
                    name: name.to_owned(),
                });
            } else {
                emptied.dir.remove_file(name)?;
            }
        }
        if !directories.is_empty() {
            self.lock().waiting.append(&mut directories);
            self.changed.notify_all();
        }
        self.leave(emptied)
    }

    /// Removes a directory when nobody is in it or below it any more, and then the one above it
    /// where that was the last.
    fn leave(&self, emptied: Arc<Emptied>) -> Result<()> {
        let mut last = Arc::into_inner(emptied);
        while let Some(Emptied { dir, place }) = last {
            drop(dir);
            match place.above {
                None => return self.top.remove_dir(&place.name),
                Some(above) => {
                    above.dir.remove_dir(&place.name)?;
                    last = Arc::into_inner(above);
                }
            }
        }
        Ok(())
    }
}

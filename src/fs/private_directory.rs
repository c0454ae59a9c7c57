//! Temporary directories.
//!
//! Input: nothing but the system's directory for temporary files. Output: a [`PrivateDirectory`].
//! Invariant: once it is dropped, nothing of it is left, whatever other threads are doing in it.

use std::path::Path;

use super::gate::Gate;
use super::{CacheDir, Fs};
use crate::error::{Error, Result};

/// A new directory that only this user may enter. It is deleted with everything in it when it is
/// dropped; from then on nothing is changed any more through [`PrivateDirectory::root`].
pub struct PrivateDirectory {
    made: tempfile::TempDir,
    gate: Gate,
}

impl std::fmt::Debug for PrivateDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PrivateDirectory")
            .field(&self.path())
            .finish()
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // A file that a thread makes between the removal of the files and that of the directory
        // would keep the latter.
        self.gate.close();
    }
}

impl PrivateDirectory {
    /// Makes one in the system's directory for temporary files.
    ///
    /// # Errors
    /// A directory that cannot be made.
    pub fn new() -> Result<Self> {
        let made = tempfile::Builder::new().prefix("pkg-install-").tempdir();
        let made =
            made.map_err(|error| Error::io("make a directory in", &std::env::temp_dir(), error))?;
        Ok(Self {
            made,
            gate: Gate::default(),
        })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.made.path()
    }

    /// The directory as one of a cache.
    ///
    /// # Errors
    /// A directory that cannot be opened.
    pub fn root(&self, fs: &Fs) -> Result<CacheDir> {
        CacheDir::make(&fs.clone().behind(self.gate.clone()), self.path())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn nothing_is_left_while_other_threads_use_it() {
        for _ in 0..50 {
            let made = PrivateDirectory::new().unwrap();
            let (path, root) = (made.path().to_owned(), made.root(&Fs::default()).unwrap());
            let written = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for thread in 0..2 {
                    let (root, written) = (&root, &written);
                    scope.spawn(move || {
                        let write = |number| {
                            let child = root.make_child(&format!("{thread}-{number}"))?;
                            child.write("file", &[b"content"])
                        };
                        for number in 0.. {
                            if write(number).is_err() {
                                return;
                            }
                            written.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
                while written.load(Ordering::Relaxed) < 8 {
                    std::thread::yield_now();
                }
                drop(made);
            });
            assert!(!path.exists());
        }
    }
}

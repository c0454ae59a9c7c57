//! Makes directories, by their paths or in an open directory.
//!
//! Input: a path, or a name and the permissions. Output: the directory is there. Invariant: a mode
//! that comes from a file is only ever set on an open directory, never by a name.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::dir::{DIRECTORY, Dir};
use super::stat::{Kind, Stat};
use super::{Fs, OwnedFsOp};
use crate::error::{Error, Result};

impl Dir {
    /// Makes a directory by its path, and the missing ones above it. Returns the paths of those it
    /// made, outermost first.
    ///
    /// # Errors
    /// The first directory that cannot be made; those made before it are removed again.
    pub fn make_all(fs: &Fs, path: &Path) -> Result<Vec<PathBuf>> {
        let mut missing = Vec::new();
        let mut at = path;
        while super::stat(at)?.is_none() {
            missing.push(at.to_owned());
            match at.parent() {
                // An empty parent is the working directory, which exists.
                Some(parent) if !parent.as_os_str().is_empty() => at = parent,
                _ => break,
            }
        }
        let mut made = Vec::with_capacity(missing.len());
        for path in missing.into_iter().rev() {
            let make = || rustix::fs::mkdir(&path, Mode::from_raw_mode(0o777));
            match fs.run(|| OwnedFsOp::MakeDir(path.clone()), make) {
                Ok(()) => made.push(path),
                // Another process has made it since we looked, so it is not ours to remove.
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists
                        && super::stat(&path)?.is_some_and(|stat| stat.kind == Kind::Directory) => {
                }
                Err(error) => {
                    // The first failure matters more than an empty directory that stays behind.
                    let _ = Self::remove_made(fs, &made);
                    return Err(Error::io("make the directory", &path, error));
                }
            }
        }
        Ok(made)
    }

    /// Removes directories that [`Dir::make_all`] made, innermost first. One that is missing or no
    /// longer empty is skipped.
    ///
    /// # Errors
    /// The first directory that cannot be removed.
    pub fn remove_made(fs: &Fs, made: &[PathBuf]) -> Result<()> {
        for path in made.iter().rev() {
            let act = || rustix::fs::rmdir(path);
            match fs.run(|| OwnedFsOp::RemoveDir(path.clone()), act) {
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
                    ) => {}
                Err(error) => return Err(Error::io("remove", path, error)),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Makes a directory that only this user may enter, under a random name that begins with
    /// `prefix`. Returns the name.
    ///
    /// # Errors
    /// A directory that cannot be made.
    pub fn make_unique(&self, prefix: &str) -> Result<String> {
        let make = |path: &Path| {
            let name = path.file_name().expect("tempfile adds a name");
            self.fs().run(
                || OwnedFsOp::MakeDir(path.to_owned()),
                || rustix::fs::mkdirat(self.fd(), name, Mode::RWXU),
            )
        };
        let made = tempfile::Builder::new()
            .prefix(prefix)
            .make_in(self.path(), make);
        let made = made
            .map_err(|error| Error::io("make a directory in", self.path(), without_path(error)))?;
        // Otherwise tempfile would delete it when `made` is dropped; the transaction does so later.
        let kept = made.into_temp_path().keep();
        let path = kept.map_err(|error| Error::io("keep", self.path(), error.error))?;
        let name = path.file_name().expect("tempfile adds a name");
        let name = name.to_str().expect("tempfile's names are ASCII");
        Ok(name.to_owned())
    }

    /// Makes a directory with the permissions that the user's mask leaves.
    ///
    /// # Errors
    /// A directory that exists already or cannot be made.
    pub fn make_dir(&self, name: &str) -> Result<()> {
        let make = || rustix::fs::mkdirat(self.fd(), name, Mode::from_raw_mode(0o777));
        self.fs()
            .run(|| OwnedFsOp::MakeDir(self.path().join(name)), make)
            .map_err(|error| Error::io("make the directory", &self.path().join(name), error))
    }

    /// Makes a directory that only its owner may change, whatever the user's mask.
    ///
    /// # Errors
    /// A directory that exists already or cannot be made.
    pub fn make_own_dir(&self, name: &str) -> Result<()> {
        let make = || rustix::fs::mkdirat(self.fd(), name, Mode::from_raw_mode(0o755));
        self.fs()
            .run(|| OwnedFsOp::MakeDir(self.path().join(name)), make)
            .map_err(|error| Error::io("make the directory", &self.path().join(name), error))
    }

    /// Makes an empty file that only this user may read and write; returns its metadata.
    ///
    /// # Errors
    /// A file that exists already or cannot be made.
    pub(super) fn make_own_file(&self, name: &str) -> Result<Stat> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let make = || {
            let file = rustix::fs::openat(self.fd(), name, flags, Mode::RUSR | Mode::WUSR)?;
            rustix::fs::fstat(&file)
        };
        let made = self
            .fs()
            .run(|| OwnedFsOp::Create(self.path().join(name)), make)
            .map_err(|error| Error::io("create", &self.path().join(name), error))?;
        Ok(Stat::of(&made))
    }

    /// Makes a directory that was removed before, with the permissions that it had, regardless of
    /// the user's mask.
    ///
    /// # Errors
    /// A directory that exists already or cannot be made.
    pub fn make_dir_again(&self, name: &str, mode: u32) -> Result<()> {
        // The mode comes from a file. The set-user-ID bit means nothing on a directory.
        let mode = Mode::from_raw_mode(mode & 0o3777);
        let make = || {
            rustix::fs::mkdirat(self.fd(), name, Mode::RWXU)?;
            // The mode is set on the open directory: by its name, a link that another user put
            // there in the meantime would be followed, and any file could get any mode.
            let flags = DIRECTORY | OFlags::NOFOLLOW;
            let made = rustix::fs::openat(self.fd(), name, flags, Mode::empty())?;
            rustix::fs::fchmod(&made, mode)
        };
        self.fs()
            .run(|| OwnedFsOp::MakeDir(self.path().join(name)), make)
            .map_err(|error| Error::io("make the directory", &self.path().join(name), error))
    }
}

/// The error of the system call inside an error to which tempfile has added its path: messages here
/// name the path themselves.
fn without_path(error: io::Error) -> io::Error {
    let inner = error
        .get_ref()
        .and_then(std::error::Error::source)
        .and_then(|inner| inner.downcast_ref::<io::Error>())
        .and_then(io::Error::raw_os_error);
    inner.map_or(error, io::Error::from_raw_os_error)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fs::{FaultHook, FsOp};

    /// Another process that makes each directory just before this one does.
    struct Rival;

    impl FaultHook for Rival {
        fn before(&self, operation: &FsOp<'_>) -> io::Result<()> {
            if let FsOp::MakeDir(path) = operation {
                std::fs::create_dir(path)?;
            }
            Ok(())
        }
    }

    #[test]
    fn directories_that_another_process_makes_meanwhile_are_used_but_not_ours() {
        let root = tempfile::tempdir().expect("there is room");
        let path = root.path().join("a/b");
        let fs = Fs::with_hook(Arc::new(Rival));
        let made = Dir::make_all(&fs, &path).expect("they are there");
        assert!(path.is_dir() && made.is_empty(), "{made:?}");
    }

    #[test]
    fn a_directory_is_made_again_with_its_permissions_but_without_set_user_id() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = tempfile::tempdir().expect("there is room");
        let dir = Dir::open(&Fs::default(), scratch.path()).expect("opened");
        for (mode, expected) in [(0o6777, 0o2777), (0o1700, 0o1700), (0o500, 0o500)] {
            let name = format!("{mode:o}");
            dir.make_dir_again(&name, mode).expect("made");
            let made = std::fs::metadata(scratch.path().join(name)).expect("there");
            assert_eq!(made.permissions().mode() & 0o7777, expected);
        }
    }
}

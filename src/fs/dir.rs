//! An open directory. Every change is made relative to one, so that a parent which another process
//! swaps for a symbolic link cannot redirect it.
//!
//! Names are relative paths in normal form. [`Dir::open_below`] goes down one component at a time
//! and follows no symbolic link. Renames replace nothing, except [`Dir::replace`].

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::stat::{Kind, Stat};
use super::{Fs, OutputFile, OwnedFsOp};
use crate::error::{Error, Result};

/// A directory that was opened once. It stays the same directory, even if its path names another
/// one later.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    path: PathBuf,
    fs: Fs,
}

pub(super) const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

impl Dir {
    /// Opens a directory by its path, following symbolic links.
    ///
    /// # Errors
    /// A path that is missing, no directory, or cannot be opened.
    pub fn open(fs: &Fs, path: &Path) -> Result<Self> {
        let fd = rustix::io::retry_on_intr(|| rustix::fs::open(path, DIRECTORY, Mode::empty()))
            .map_err(|error| Error::io("open", path, error.into()))?;
        Ok(Self {
            fd,
            path: path.to_owned(),
            fs: fs.clone(),
        })
    }

    /// A directory that is open already.
    pub(super) fn of(fd: OwnedFd, path: PathBuf, fs: &Fs) -> Self {
        let fs = fs.clone();
        Self { fd, path, fs }
    }

    /// Opens a directory below this one, one component after the other, following no symbolic link;
    /// `None` if one is missing.
    ///
    /// # Errors
    /// A component that is not a directory, or cannot be opened.
    pub fn open_below(&self, below: &str) -> Result<Option<Self>> {
        let mut opened: Option<OwnedFd> = None;
        for component in below.split('/') {
            let parent = opened.as_ref().unwrap_or(&self.fd);
            let flags = DIRECTORY | OFlags::NOFOLLOW;
            match rustix::io::retry_on_intr(|| {
                rustix::fs::openat(parent, component, flags, Mode::empty())
            }) {
                Ok(fd) => opened = Some(fd),
                Err(Errno::NOENT) => return Ok(None),
                Err(error) => {
                    return Err(Error::io(
                        "open the directory",
                        &self.path.join(below),
                        error.into(),
                    ));
                }
            }
        }
        let fd = opened.expect("a path has at least one component");
        Ok(Some(Self {
            fd,
            path: self.path.join(below),
            fs: self.fs.clone(),
        }))
    }

    /// Opens a directory below this one at once, for places that only this command can change:
    /// symbolic links on the way are followed.
    ///
    /// # Errors
    /// A directory that is missing or cannot be opened.
    pub fn open_own(&self, below: &str) -> Result<Self> {
        let flags = DIRECTORY | OFlags::NOFOLLOW;
        let open = || rustix::fs::openat(&self.fd, below, flags, Mode::empty());
        match rustix::io::retry_on_intr(open) {
            Ok(fd) => Ok(Self::of(fd, self.path.join(below), &self.fs)),
            Err(error) => Err(Error::io(
                "open the directory",
                &self.path.join(below),
                error.into(),
            )),
        }
    }

    /// The path by which the directory was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    pub(super) fn fs(&self) -> &Fs {
        &self.fs
    }

    /// The metadata of the directory itself.
    ///
    /// # Errors
    /// A file system that does not answer.
    pub fn own_stat(&self) -> Result<Stat> {
        let stat = rustix::fs::fstat(&self.fd)
            .map_err(|error| Error::io("look at", &self.path, error.into()))?;
        Ok(Stat::of(&stat))
    }

    /// The metadata of `name`, without following a symbolic link; `None` if nothing is there.
    ///
    /// # Errors
    /// A failure other than a missing file.
    pub fn stat(&self, name: &str) -> Result<Option<Stat>> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Stat::of(&stat))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(Error::io("look at", &self.path.join(name), error.into())),
        }
    }

    /// The names in the directory and their types, unsorted.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn names(&self) -> Result<Vec<(OsString, Kind)>> {
        let fail = |error: Errno| Error::io("list", &self.path, error.into());
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let kind = match entry.file_type() {
                // Some file systems do not store types in directories.
                FileType::Unknown => {
                    let stat =
                        rustix::fs::statat(&self.fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
                    Stat::of(&stat.map_err(fail)?).kind
                }
                kind => Kind::of(kind),
            };
            names.push((OsString::from_vec(name.to_vec()), kind));
        }
        Ok(names)
    }

    /// Reads a file of at most `limit` bytes; `None` if it is missing.
    ///
    /// # Errors
    /// A file that is longer, is a symbolic link, or cannot be read.
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let fail = |error: io::Error| Error::io("read", &self.path.join(name), error);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::io::retry_on_intr(|| {
            rustix::fs::openat(&self.fd, name, flags, Mode::empty())
        }) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(fail(error.into())),
        };
        let stat = Stat::of(&rustix::fs::fstat(&file).map_err(|error| fail(error.into()))?);
        // A pipe or device would be read without an end, and a directory not at all.
        if stat.kind != Kind::File {
            return Err(fail(super::read::not_regular()));
        }
        let too_large = || fail(io::Error::from(io::ErrorKind::FileTooLarge));
        if stat.size > limit {
            return Err(too_large());
        }
        // One byte more than it should need, so that the end is seen without growing.
        let capacity = usize::try_from(stat.size.saturating_add(1)).unwrap_or(0);
        let mut content = Vec::with_capacity(capacity);
        // The file may grow meanwhile.
        file.take(limit + 1)
            .read_to_end(&mut content)
            .map_err(fail)?;
        if content.len() as u64 > limit {
            return Err(too_large());
        }
        Ok(Some(content))
    }

    /// Makes an empty file with its final permissions: those that the user's mask leaves of `0o777`
    /// if it is executable, of `0o666` otherwise.
    ///
    /// # Errors
    /// A file that exists already or cannot be made.
    pub fn create<'a>(&'a self, name: &'a str, executable: bool) -> Result<OutputFile<'a>> {
        let mode = Mode::from_raw_mode(if executable { 0o777 } else { 0o666 });
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = self
            .fs
            .run(
                || OwnedFsOp::Create(self.path.join(name)),
                || rustix::fs::openat(&self.fd, name, flags, mode),
            )
            .map_err(|error| Error::io("create", &self.path.join(name), error))?;
        Ok(OutputFile {
            file: fd.into(),
            fs: &self.fs,
            directory: &self.path,
            name,
        })
    }

    /// Moves `name` to `new_name` in `to`, which must be free.
    ///
    /// # Errors
    /// A new name that exists, directories on different devices, or a name that cannot be moved.
    pub fn rename(&self, name: &str, to: &Self, new_name: &str) -> Result<()> {
        let act = || match rustix::fs::renameat_with(
            &self.fd,
            name,
            &to.fd,
            new_name,
            RenameFlags::NOREPLACE,
        ) {
            // This file system, or this system, has no rename that replaces nothing. Programs that
            // respect the lock make no names between the look and the rename.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                self.look_and_rename(name, to, new_name)
            }
            result => result,
        };
        self.fs
            .run(
                || OwnedFsOp::Rename(self.path.join(name), to.path.join(new_name)),
                act,
            )
            .map_err(|error| {
                Error::io_to(
                    "move",
                    &self.path.join(name),
                    &to.path.join(new_name),
                    error,
                )
            })
    }

    fn look_and_rename(&self, name: &str, to: &Self, new_name: &str) -> rustix::io::Result<()> {
        match rustix::fs::statat(&to.fd, new_name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(Errno::EXIST),
            Err(Errno::NOENT) => rustix::fs::renameat(&self.fd, name, &to.fd, new_name),
            Err(error) => Err(error),
        }
    }

    /// Moves `name` to `new_name` in the same directory and replaces a file of that name.
    ///
    /// # Errors
    /// A name that cannot be moved.
    pub fn replace(&self, name: &str, new_name: &str) -> Result<()> {
        let act = || rustix::fs::renameat(&self.fd, name, &self.fd, new_name);
        self.fs
            .run(
                || OwnedFsOp::Rename(self.path.join(name), self.path.join(new_name)),
                act,
            )
            .map_err(|error| {
                Error::io_to(
                    "move",
                    &self.path.join(name),
                    &self.path.join(new_name),
                    error,
                )
            })
    }

    /// Removes a file or symbolic link; a missing one is fine.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn remove_file(&self, name: &str) -> Result<()> {
        let act = || rustix::fs::unlinkat(&self.fd, name, AtFlags::empty());
        self.absent_is_fine(
            name,
            self.fs.run(|| OwnedFsOp::Remove(self.path.join(name)), act),
        )
    }

    /// Removes an empty directory; a missing one is fine.
    ///
    /// # Errors
    /// A directory that is not empty or cannot be removed.
    pub fn remove_dir(&self, name: &str) -> Result<()> {
        let act = || rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR);
        self.absent_is_fine(
            name,
            self.fs
                .run(|| OwnedFsOp::RemoveDir(self.path.join(name)), act),
        )
    }

    fn absent_is_fine(&self, name: &str, result: io::Result<()>) -> Result<()> {
        match result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &self.path.join(name), error))
            }
            _ => Ok(()),
        }
    }

    /// Makes everything durable that was written to the file system which holds the directory.
    ///
    /// # Errors
    /// Data that could not be written back.
    pub fn flush_file_system(&self) -> Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let act = || rustix::fs::syncfs(&self.fd);
        // Other systems can only flush all of their file systems, and report no errors.
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let act = || {
            rustix::fs::sync();
            Ok(())
        };
        self.fs
            .run(|| OwnedFsOp::FlushFileSystem(self.path.clone()), act)
            .map_err(|error| Error::io("flush the file system of", &self.path, error))
    }

    /// Makes the directory's own entries durable.
    ///
    /// # Errors
    /// Entries that could not be written back.
    pub fn flush(&self) -> Result<()> {
        self.fs
            .run(
                || OwnedFsOp::Flush(self.path.clone()),
                || rustix::fs::fsync(&self.fd),
            )
            .map_err(|error| Error::io("flush", &self.path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r106_without_a_rename_that_replaces_nothing_the_new_name_is_looked_at_first() {
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        let dir = Dir::open(&Fs::default(), scratch.path()).unwrap();
        std::fs::write(path("new"), "new").unwrap();
        std::fs::write(path("old"), "old").unwrap();
        std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
        std::fs::create_dir(path("empty")).unwrap();
        for taken in ["old", "link", "empty"] {
            assert_eq!(
                dir.look_and_rename("new", &dir, taken),
                Err(Errno::EXIST),
                "{taken}"
            );
        }
        assert_eq!(std::fs::read(path("old")).unwrap(), b"old");
        assert_eq!(dir.look_and_rename("new", &dir, "free"), Ok(()));
        assert_eq!(std::fs::read(path("free")).unwrap(), b"new");
        assert!(!path("new").exists());
    }
}

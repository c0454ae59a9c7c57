//! An open directory: every change is made relative to one, so that no swapped parent can lead it
//! elsewhere.
//!
//! Names are relative paths in normal form. [`Dir::open_below`] goes down one component at a time
//! and follows no symbolic link. Renames never replace, but for [`Dir::replace`].

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::read::{Kind, Stat};
use super::{Fs, OwnedFsOp};
use crate::error::{Error, Result};

/// A directory that was opened once and is the same ever after, whatever its path comes to mean.
pub struct Dir {
    fd: OwnedFd,
    path: PathBuf,
    fs: Fs,
}

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);

impl Dir {
    /// Opens a directory by its path; symbolic links are followed.
    ///
    /// # Errors
    /// Where there is none.
    pub fn open(fs: &Fs, path: &Path) -> Result<Self> {
        let fd = rustix::io::retry_on_intr(|| rustix::fs::open(path, DIRECTORY, Mode::empty()))
            .map_err(|error| Error::io("open", path, error.into()))?;
        Ok(Self {
            fd,
            path: path.to_owned(),
            fs: fs.clone(),
        })
    }

    /// Makes a directory by its path, and those above it that are missing; returns those it made,
    /// outermost first.
    ///
    /// # Errors
    /// Where one cannot be made; those that were made before are removed again.
    pub fn make_all(fs: &Fs, path: &Path) -> Result<Vec<PathBuf>> {
        let mut missing = Vec::new();
        let mut at = path;
        while super::stat(at)?.is_none() {
            missing.push(at.to_owned());
            match at.parent() {
                // What is above the first name of a relative path is there.
                Some(parent) if !parent.as_os_str().is_empty() => at = parent,
                _ => break,
            }
        }
        missing.reverse();
        for (made, path) in missing.iter().enumerate() {
            let make = || rustix::fs::mkdir(path, Mode::from_raw_mode(0o777));
            if let Err(error) = fs.run(|| OwnedFsOp::MakeDir(path.clone()), make) {
                // The failure matters more than an empty directory that cannot be removed.
                let _ = Self::remove_made(fs, &missing[..made]);
                return Err(Error::io("make the directory", path, error));
            }
        }
        Ok(missing)
    }

    /// Removes directories that [`Dir::make_all`] made, innermost first; one that holds something
    /// by now stays.
    ///
    /// # Errors
    /// Where one cannot be removed.
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

    /// Makes a directory with a name that is not taken, which begins with `prefix` and which only
    /// this user may enter.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn make_unique(&self, prefix: &str) -> Result<String> {
        let make = |path: &Path| {
            let name = path.file_name().unwrap_or_default();
            self.fs.run(
                || OwnedFsOp::MakeDir(path.to_owned()),
                || rustix::fs::mkdirat(&self.fd, name, Mode::RWXU),
            )
        };
        let made = tempfile::Builder::new()
            .prefix(prefix)
            .make_in(&self.path, make);
        let made = made.map_err(|error| {
            Error::io("make a directory in", &self.path, code_of(&error).into())
        })?;
        // From here on it is the transaction's to delete.
        let kept = made.into_temp_path().keep();
        let path = kept.map_err(|error| Error::io("keep", &self.path, error.error))?;
        Ok(path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default())
    }

    /// Opens a directory below, one component after the other, following no symbolic link; `None`
    /// where there is none.
    ///
    /// # Errors
    /// Where a component is not a directory, or cannot be opened.
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
        let Some(fd) = opened else { return Ok(None) };
        Ok(Some(Self {
            fd,
            path: self.path.join(below),
            fs: self.fs.clone(),
        }))
    }

    /// The path that the directory was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file system says of the directory itself.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn own_stat(&self) -> Result<Stat> {
        let stat = rustix::fs::fstat(&self.fd)
            .map_err(|error| Error::io("look at", &self.path, error.into()))?;
        Ok(Stat::of(&stat))
    }

    /// What stands at `name`, a symbolic link not followed; `None` where nothing does.
    ///
    /// # Errors
    /// Where it cannot be looked at.
    pub fn stat(&self, name: &str) -> Result<Option<Stat>> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Stat::of(&stat))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(Error::io("look at", &self.path.join(name), error.into())),
        }
    }

    /// The names in the directory and what they stand for, unsorted.
    ///
    /// # Errors
    /// Where it cannot be read.
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
                FileType::RegularFile => Kind::File,
                FileType::Directory => Kind::Directory,
                FileType::Symlink => Kind::Symlink,
                FileType::Unknown => {
                    let stat =
                        rustix::fs::statat(&self.fd, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW);
                    Stat::of(&stat.map_err(fail)?).kind
                }
                _ => Kind::Other,
            };
            names.push((OsString::from_vec(name.to_vec()), kind));
        }
        Ok(names)
    }

    /// The content of a small regular file; `None` where there is none.
    ///
    /// # Errors
    /// Where it cannot be read, or is a symbolic link or longer than `limit` bytes.
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        use std::io::Read as _;
        let fail = |error: io::Error| Error::io("read", &self.path.join(name), error);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::io::retry_on_intr(|| {
            rustix::fs::openat(&self.fd, name, flags, Mode::empty())
        }) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(fail(error.into())),
        };
        let mut content = Vec::new();
        if file.metadata().map_err(fail)?.len() > limit {
            return Err(fail(io::Error::from(io::ErrorKind::FileTooLarge)));
        }
        file.take(limit + 1)
            .read_to_end(&mut content)
            .map_err(fail)?;
        if content.len() as u64 > limit {
            return Err(fail(io::Error::from(io::ErrorKind::FileTooLarge)));
        }
        Ok(Some(content))
    }

    /// Makes a directory with the permissions that the user's mask leaves.
    ///
    /// # Errors
    /// Where it cannot be made; also where it is there already.
    pub fn make_dir(&self, name: &str) -> Result<()> {
        let make = || rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(0o777));
        self.fs
            .run(|| OwnedFsOp::MakeDir(self.path.join(name)), make)
            .map_err(|error| Error::io("make the directory", &self.path.join(name), error))
    }

    /// Makes a directory with exactly these permissions, whatever the user's mask: one that was
    /// there before.
    ///
    /// # Errors
    /// Where it cannot be made; also where it is there already.
    pub fn make_dir_again(&self, name: &str, mode: u32) -> Result<()> {
        let mode = Mode::from_raw_mode(mode);
        let make = || {
            rustix::fs::mkdirat(&self.fd, name, mode)?;
            rustix::fs::chmodat(&self.fd, name, mode, AtFlags::empty())
        };
        self.fs
            .run(|| OwnedFsOp::MakeDir(self.path.join(name)), make)
            .map_err(|error| Error::io("make the directory", &self.path.join(name), error))
    }

    /// Makes an empty file that must not be there yet, with its final permissions: those that the
    /// user's mask leaves of `0o777` for an executable, of `0o666` for any other file.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn create<'a>(&'a self, name: &'a str, executable: bool) -> Result<NewFile<'a>> {
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
        Ok(NewFile {
            file: fd.into(),
            dir: self,
            name,
        })
    }

    /// Moves `name` to `new_name` in `to`, where nothing may stand.
    ///
    /// # Errors
    /// Where something stands there, where the two are on different devices, or where it cannot be
    /// moved.
    pub fn rename(&self, name: &str, to: &Self, new_name: &str) -> Result<()> {
        let act = || match rustix::fs::renameat_with(
            &self.fd,
            name,
            &to.fd,
            new_name,
            RenameFlags::NOREPLACE,
        ) {
            // This file system cannot promise not to replace: look, under the lock, and rename.
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

    /// Moves `name` to `new_name` in the same directory, in place of whatever file stands there.
    ///
    /// # Errors
    /// Where it cannot be moved.
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

    /// Removes a file or symbolic link; nothing happens where there is none.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub fn remove_file(&self, name: &str) -> Result<()> {
        let act = || rustix::fs::unlinkat(&self.fd, name, AtFlags::empty());
        self.absent_is_fine(
            name,
            self.fs.run(|| OwnedFsOp::Remove(self.path.join(name)), act),
        )
    }

    /// Removes an empty directory; nothing happens where there is none.
    ///
    /// # Errors
    /// Where it is not empty or cannot be removed.
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

    /// Removes whatever stands at `name`, directories with all they hold; symbolic links are
    /// removed, not followed.
    ///
    /// # Errors
    /// The first removal that fails; what could be removed before is gone.
    pub fn remove_tree(&self, name: &str) -> Result<()> {
        match self.stat(name)? {
            None => Ok(()),
            Some(stat) if stat.kind == Kind::Directory => {
                super::remove_tree::remove(self, name, self.fs.threads())
            }
            Some(_) => self.remove_file(name),
        }
    }

    /// Makes everything durable that was written to the file system which holds the directory.
    ///
    /// # Errors
    /// Where any of it could not be written back.
    pub fn flush_file_system(&self) -> Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let act = || rustix::fs::syncfs(&self.fd);
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
    /// Where they could not be written back.
    pub fn flush(&self) -> Result<()> {
        self.fs
            .run(
                || OwnedFsOp::Flush(self.path.clone()),
                || rustix::fs::fsync(&self.fd),
            )
            .map_err(|error| Error::io("flush", &self.path, error))
    }
}

/// The system's code of an error that tempfile has put its path around.
fn code_of(error: &io::Error) -> Errno {
    let inner = error
        .get_ref()
        .and_then(std::error::Error::source)
        .and_then(|inner| inner.downcast_ref::<io::Error>());
    inner
        .and_then(Errno::from_io_error)
        .or_else(|| Errno::from_io_error(error))
        .unwrap_or(Errno::IO)
}

/// A file that this process made, while it is written.
pub struct NewFile<'a> {
    file: File,
    dir: &'a Dir,
    name: &'a str,
}

impl NewFile<'_> {
    /// Appends `bytes`.
    ///
    /// # Errors
    /// Where they cannot be written.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Self { file, dir, name } = self;
        dir.fs
            .run_write(|| dir.path.join(*name), bytes, || file.write_all(bytes))
            .map_err(|error| Error::io("write", &dir.path.join(*name), error))
    }

    /// Makes the content durable.
    ///
    /// # Errors
    /// Where it could not be written back.
    pub fn flush(&self) -> Result<()> {
        self.dir
            .fs
            .run(
                || OwnedFsOp::Flush(self.dir.path.join(self.name)),
                || rustix::fs::fsync(&self.file),
            )
            .map_err(|error| Error::io("flush", &self.dir.path.join(self.name), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r106_where_nothing_promises_not_to_replace_it_is_looked_at_first() {
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

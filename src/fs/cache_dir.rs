//! Directories of a cache, reached through handles.
//!
//! Other users may be able to write to the directory that holds a cache, or have made parts of it.
//! Input: the path of the cache, once; from there on names. Output: [`CacheDir`]s, and the files in
//! them. Invariants: below the cache's own directory no symbolic link is followed, and only regular
//! files are opened, without waiting for a pipe's other end; whatever is made can be entered and
//! read by this user only.
//!
//! A directory or file is *exclusive* if it is [trusted](super::distrust). The sticky bit does not
//! help here, since it only keeps others from removing files. Inside of a directory that no one
//! else may enter, only the owners matter.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::stat::{Kind, Stat, effective_user};
use super::trust::{distrust, distrust_owner};
use super::{CacheFile, Dir, Fs, OpenFile, OwnedFsOp};
use crate::error::{Error, Result};

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::CLOEXEC);
/// The directory of a cache in which answers of interpreters are kept. It is named here for those
/// who write it and those who list caches, which are independent of each other.
pub const INTERPRETERS: &str = "interpreters";
/// For everything below the cache's own directory.
const INSIDE: OFlags = OFlags::CLOEXEC
    .union(OFlags::NOFOLLOW)
    // Opening a pipe that was put there would wait for its other end.
    .union(OFlags::NONBLOCK);

/// An open directory of a cache. Clones are the same directory.
#[derive(Debug, Clone)]
pub struct CacheDir {
    inner: Arc<OpenCacheDir>,
}

#[derive(Debug)]
struct OpenCacheDir {
    fd: OwnedFd,
    path: PathBuf,
    fs: Fs,
    stat: Stat,
    is_exclusive: bool,
    /// Whether no other user may enter it or a directory above it, up to the cache's own.
    is_closed: bool,
    /// Whether the file system keeps owners and permissions.
    keeps_owners: bool,
}

impl CacheDir {
    /// Opens the directory of a cache by its path, following symbolic links; `None` if it is
    /// missing.
    ///
    /// # Errors
    /// A path that is no directory, or cannot be opened.
    pub fn open(fs: &Fs, path: &Path) -> Result<Option<Self>> {
        match rustix::io::retry_on_intr(|| rustix::fs::open(path, DIRECTORY, Mode::empty())) {
            Ok(fd) => Self::of(fd, path.to_owned(), fs, None).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(Error::io("open", path, error.into())),
        }
    }

    /// Opens the directory of a cache, and makes it and those above it if they are missing.
    ///
    /// # Errors
    /// A directory that cannot be made or opened.
    pub fn make(fs: &Fs, path: &Path) -> Result<Self> {
        if let Some(found) = Self::open(fs, path)? {
            return Ok(found);
        }
        if let Some(parent) = path.parent() {
            Self::make(fs, parent)?;
        }
        let made = fs.run(
            || OwnedFsOp::MakeDir(path.to_owned()),
            || rustix::fs::mkdir(path, Mode::RWXU),
        );
        match made {
            // Another process may be making the same directories.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(Error::io("make the directory", path, error))
            }
            _ => Self::open(fs, path)?
                .ok_or_else(|| Error::io("open", path, io::ErrorKind::NotFound.into())),
        }
    }

    fn of(fd: OwnedFd, path: PathBuf, fs: &Fs, above: Option<&OpenCacheDir>) -> Result<Self> {
        let stat =
            rustix::fs::fstat(&fd).map_err(|error| Error::io("look at", &path, error.into()))?;
        let stat = Stat::of(&stat);
        let keeps_owners = above.is_none_or(|above| above.keeps_owners);
        let in_closed = above.is_some_and(|above| above.is_closed);
        let is_trusted = !keeps_owners || distrust_owner(&stat).is_none();
        Ok(Self {
            inner: Arc::new(OpenCacheDir {
                fd,
                path,
                fs: fs.clone(),
                // The bits are looked at only if others can get at the directory, as this may read
                // lists of users.
                is_exclusive: is_trusted
                    && (in_closed || !keeps_owners || distrust(&stat).is_none()),
                is_closed: in_closed || (is_trusted && stat.mode & 0o077 == 0),
                keeps_owners,
                stat,
            }),
        })
    }

    /// The same directory on a file system that keeps no owners or permissions, such as FAT, or NFS
    /// for root: there everything looks alike, so looks mean nothing. `None` on any other. This
    /// makes a directory, which shows its owner.
    ///
    /// # Errors
    /// A directory that cannot be made.
    pub fn without_owners(&self) -> Result<Option<Self>> {
        let name = unique("owner");
        let path = self.inner.path.join(&name);
        let make = || rustix::fs::mkdirat(&self.inner.fd, &*name, Mode::RWXU);
        let made = self.inner.fs.run(|| OwnedFsOp::MakeDir(path.clone()), make);
        made.map_err(|error| Error::io("make the directory", &path, error))?;
        let looks = self.lstat(&name);
        self.remove_empty(&name)?;
        let keeps = |stat: Stat| stat.uid == effective_user() && stat.mode & 0o022 == 0;
        if looks?.is_none_or(keeps) {
            return Ok(None);
        }
        let fd = (self.inner.fd.try_clone())
            .map_err(|error| Error::io("open", &self.inner.path, error))?;
        Ok(Some(Self {
            inner: Arc::new(OpenCacheDir {
                fd,
                path: self.inner.path.clone(),
                fs: self.inner.fs.clone(),
                stat: self.inner.stat,
                is_exclusive: true,
                is_closed: self.inner.is_closed,
                keeps_owners: false,
            }),
        }))
    }

    /// Whether it belongs to this user or root, as far as the file system keeps owners.
    pub fn is_trusted_owner(&self) -> bool {
        !self.inner.keeps_owners || distrust_owner(&self.inner.stat).is_none()
    }

    /// The same directory for changes below it.
    ///
    /// # Errors
    /// Too many open files.
    pub fn to_dir(&self) -> Result<Dir> {
        let fd = (self.inner.fd.try_clone())
            .map_err(|error| Error::io("open", &self.inner.path, error))?;
        Ok(Dir::of(fd, self.inner.path.clone(), &self.inner.fs))
    }

    /// Whether the owners and permissions of what is in it prove that no other user wrote it.
    pub fn proves_owners(&self) -> bool {
        self.inner.keeps_owners && self.inner.is_exclusive
    }

    /// Its path, for messages.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Its metadata at the time it was opened.
    pub fn stat(&self) -> &Stat {
        &self.inner.stat
    }

    /// Whether only this user and root can change what is directly in it.
    pub fn is_exclusive(&self) -> bool {
        self.inner.is_exclusive
    }

    /// Opens a directory in this one; `None` if there is none, or something else.
    ///
    /// # Errors
    /// A directory that cannot be opened.
    pub fn child(&self, name: &str) -> Result<Option<Self>> {
        let flags = DIRECTORY | INSIDE;
        let open = || rustix::fs::openat(&self.inner.fd, name, flags, Mode::empty());
        match rustix::io::retry_on_intr(open) {
            Ok(fd) => {
                let path = self.inner.path.join(name);
                Self::of(fd, path, &self.inner.fs, Some(&*self.inner)).map(Some)
            }
            // A symbolic link is NOTDIR or LOOP on Linux, and MLINK on some BSDs.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => Ok(None),
            Err(error) => Err(Error::io("open", &self.inner.path.join(name), error.into())),
        }
    }

    /// Opens a directory in this one for writing, and makes it if it is missing. One that this user
    /// has made with an earlier version or another mask is closed to others.
    ///
    /// # Errors
    /// A directory that cannot be made or opened, or that others can change.
    pub fn make_child(&self, name: &str) -> Result<Self> {
        let path = || self.inner.path.join(name);
        let mut child = self.child(name)?;
        if child.is_none() {
            let make = || rustix::fs::mkdirat(&self.inner.fd, name, Mode::RWXU);
            let made = self.inner.fs.run(|| OwnedFsOp::MakeDir(path()), make);
            match made {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(Error::io("make the directory", &path(), error));
                }
                _ => child = self.child(name)?,
            }
        }
        let child = child.ok_or_else(|| Error::cache(&path(), "it is not a directory"))?;
        if !child.inner.keeps_owners {
            return Ok(child);
        }
        if child.stat().uid != effective_user() {
            let uid = child.stat().uid;
            let reason = format!("it belongs to another user (user ID {uid})");
            return Err(Error::cache(child.path(), reason));
        }
        if child.stat().mode & 0o077 == 0 {
            return Ok(child);
        }
        // Through the handle: the name may be that of another file by now.
        rustix::fs::fchmod(&child.inner.fd, Mode::RWXU)
            .map_err(|error| Error::io("close to others", child.path(), error.into()))?;
        self.child(name)?
            .ok_or_else(|| Error::io("open", &path(), io::ErrorKind::NotFound.into()))
    }

    /// Opens a file for reading, and says whether only this user and root can change it; `None` if
    /// there is none, or something else.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub fn file(&self, name: &str) -> Result<Option<OpenFile>> {
        let flags = OFlags::RDONLY | INSIDE;
        let open = || rustix::fs::openat(&self.inner.fd, name, flags, Mode::empty());
        let file = match rustix::io::retry_on_intr(open) {
            Ok(fd) => OpenFile::of_regular(File::from(fd), self.inner.path.join(name))?
                .map(|file| file.without_owner(!self.inner.keeps_owners)),
            // NXIO: a socket. The others are as for directories.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::MLINK | Errno::NXIO) => None,
            Err(error) => {
                return Err(Error::io("open", &self.inner.path.join(name), error.into()));
            }
        };
        Ok(file)
    }

    /// The first `limit` bytes of a file that only this user and root can change; `None` if there
    /// is none.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        match self.file(name)? {
            Some(file) if self.is_exclusive() && file.is_exclusive() => {
                file.read_to_limit(limit).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Writes a whole file, from these pieces, under another name, and then renames it, so that
    /// readers see the old or the new content.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, name: &str, pieces: &[&[u8]]) -> Result<()> {
        let temporary = unique(name);
        // A command that was killed may have left a file of this name.
        self.remove_file(&temporary)?;
        let file = self.open_or_make(&temporary)?;
        let mut at = 0;
        let written = pieces.iter().try_for_each(|piece| {
            file.write_at(piece, at)?;
            at += piece.len() as u64;
            Ok(())
        });
        let renamed = written.and_then(|()| self.rename(&temporary, self, name));
        if renamed.is_err() {
            // The first failure matters more than a file that `cache prune` deletes.
            let _ = self.remove_file(&temporary);
        }
        renamed
    }

    /// Opens a file for reading and writing, and makes it, empty, if it is missing.
    ///
    /// # Errors
    /// A file that is not a regular one or is another user's, or cannot be opened or made.
    pub fn open_or_make(&self, name: &str) -> Result<CacheFile> {
        let path = self.inner.path.join(name);
        let flags = OFlags::RDWR | INSIDE;
        let mode = Mode::RUSR | Mode::WUSR;
        let open = |flags| rustix::fs::openat(&self.inner.fd, name, flags, mode);
        // The first attempt omits CREATE, so that a hook sees a creation only if there is one.
        let fd = match rustix::io::retry_on_intr(|| open(flags)) {
            Err(Errno::NOENT) => self.inner.fs.run(
                || OwnedFsOp::Create(path.clone()),
                || open(flags | OFlags::CREATE),
            ),
            result => result.map_err(Into::into),
        };
        let file = File::from(fd.map_err(|error| Error::io("open", &path, error))?);
        let file = CacheFile::of(file, path, &self.inner.fs);
        let stat = file.stat()?;
        let is_own = stat.uid == effective_user() || !self.inner.keeps_owners;
        if stat.kind != Kind::File || !is_own {
            return Err(Error::cache(
                file.path(),
                "it is not a regular file of this user",
            ));
        }
        Ok(file)
    }

    /// The metadata of `name`, without following a symbolic link; `None` if nothing is there.
    ///
    /// # Errors
    /// A failure other than a missing file.
    pub fn lstat(&self, name: &str) -> Result<Option<Stat>> {
        match rustix::fs::statat(&self.inner.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Stat::of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(Error::io(
                "look at",
                &self.inner.path.join(name),
                error.into(),
            )),
        }
    }

    /// The names in it and their metadata, sorted. Names that are not UTF-8 are none of the cache's
    /// and are left out.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn names(&self) -> Result<Vec<(String, Stat)>> {
        let fail = |error: Errno| Error::io("list", &self.inner.path, error.into());
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.inner.fd).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let Ok(name) = OsString::from_vec(name.to_bytes().to_vec()).into_string() else {
                continue;
            };
            // Another process may have removed it since the names were read.
            names.extend(self.lstat(&name)?.map(|stat| (name, stat)));
        }
        names.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        Ok(names)
    }

    /// Moves a file to `to` and replaces a file of the new name.
    ///
    /// # Errors
    /// A file that cannot be moved.
    pub fn rename(&self, name: &str, to: &Self, new_name: &str) -> Result<()> {
        let (from_path, to_path) = (self.inner.path.join(name), to.inner.path.join(new_name));
        let act = || rustix::fs::renameat(&self.inner.fd, name, &to.inner.fd, new_name);
        self.inner
            .fs
            .run(
                || OwnedFsOp::Rename(from_path.clone(), to_path.clone()),
                act,
            )
            .map_err(|error| Error::io_to("move", &from_path, &to_path, error))
    }

    /// Removes a file or symbolic link; a missing one is fine.
    ///
    /// # Errors
    /// A file that cannot be removed.
    pub fn remove_file(&self, name: &str) -> Result<()> {
        let path = || self.inner.path.join(name);
        let act = || rustix::fs::unlinkat(&self.inner.fd, name, AtFlags::empty());
        match self.inner.fs.run(|| OwnedFsOp::Remove(path()), act) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("remove", &path(), error))
            }
            _ => Ok(()),
        }
    }

    /// Removes a directory if it is empty; returns whether it is gone.
    ///
    /// # Errors
    /// A directory that cannot be removed.
    pub fn remove_empty(&self, name: &str) -> Result<bool> {
        let path = || self.inner.path.join(name);
        let act = || rustix::fs::unlinkat(&self.inner.fd, name, AtFlags::REMOVEDIR);
        match self.inner.fs.run(|| OwnedFsOp::RemoveDir(path()), act) {
            Ok(()) => Ok(true),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound => Ok(true),
                // Another process has put something into it.
                io::ErrorKind::DirectoryNotEmpty => Ok(false),
                _ => Err(Error::io("remove", &path(), error)),
            },
        }
    }
}

/// A name that no other thread or running command writes to. It begins with a dot, as no name of a
/// finished file does.
fn unique(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Relaxed: only that each number is given once matters.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(".{name}.{}-{number}", std::process::id())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_made_is_closed_to_others_and_what_others_can_change_is_seen() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a/b");
        let root = CacheDir::make(&Fs::default(), &path).unwrap();
        let made = root.make_child("wheels").unwrap();
        assert!(root.is_exclusive() && made.is_exclusive() && made.proves_owners());
        assert_eq!((root.stat().mode, made.stat().mode), (0o700, 0o700));
        made.write("note", &[b"te", b"xt"]).unwrap();
        assert_eq!(made.read("note", 9).unwrap().as_deref(), Some(&b"text"[..]));
        mode(&path.join("wheels/note"), 0o666);
        assert_eq!(made.read("note", 9).unwrap(), None);

        mode(&path, 0o755);
        mode(&path.join("wheels"), 0o777);
        let open = CacheDir::open(&Fs::default(), &path).unwrap().unwrap();
        assert!(!open.child("wheels").unwrap().unwrap().is_exclusive());
        // It is this user's, so it is closed again as soon as it is written to.
        assert!(open.make_child("wheels").unwrap().is_exclusive());
        assert_eq!(open.child("wheels").unwrap().unwrap().stat().mode, 0o700);
    }

    #[test]
    fn links_and_pipes_are_not_opened() {
        let scratch = tempfile::tempdir().unwrap();
        let root = CacheDir::make(&Fs::default(), &scratch.path().join("cache")).unwrap();
        let at = |name: &str| root.path().join(name);
        let outside = scratch.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("file"), "precious").unwrap();
        symlink(&outside, at("directory")).unwrap();
        symlink(outside.join("file"), at("link")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        let pipe = std::process::Command::new("mkfifo")
            .arg(at("pipe"))
            .status();
        assert!(pipe.unwrap().success());
        for name in ["directory", "link", "dangling", "pipe", "missing"] {
            assert!(root.file(name).unwrap().is_none(), "{name}");
            assert!(root.child(name).unwrap().is_none(), "{name}");
        }
        for name in ["directory", "link", "dangling", "pipe"] {
            assert!(root.make_child(name).is_err(), "{name}");
            assert!(root.open_or_make(name).is_err(), "{name}");
        }
        root.write("link", &[b"new"]).unwrap();
        assert_eq!(std::fs::read(outside.join("file")).unwrap(), b"precious");
        assert!(!scratch.path().join("nowhere").exists() && !at("nowhere").exists());
    }
}

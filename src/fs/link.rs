//! Further names and copies of a file: hard links, clones that share blocks, and plain copies.
//!
//! Input: a file in one open directory, and a free name in another. Output: the new name. Names may
//! be paths below the directories. Limits: only Linux clones files.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps};

use super::inherited::label;
use super::read::not_regular;
use super::stat::{Kind, Stat};
use super::{Dir, OutputFile, OwnedFsOp};
use crate::error::{Error, Result};

/// What a new file in a directory looks like: the result of the user's mask, of the directory's
/// access list and set-group-ID bit, and of the options of the mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFileLooks {
    /// The permissions of a file that is not executable.
    pub plain: u32,
    /// The permissions of an executable file.
    pub executable: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The device.
    pub device: u64,
    /// Whether the directory has an access list that new files inherit.
    pub has_access_list: bool,
    /// The label by which SELinux decides.
    pub label: Option<Vec<u8>>,
}

impl Dir {
    /// Makes `new_name` in `to`, which must be free, another name of the file `name`.
    ///
    /// # Errors
    /// Directories on different mounts, a file system without hard links, or a file that has as
    /// many names as are possible.
    pub fn link(&self, name: &str, to: &Self, new_name: &str) -> Result<()> {
        let act = || rustix::fs::linkat(self.fd(), name, to.fd(), new_name, AtFlags::empty());
        self.fs()
            .run(
                || OwnedFsOp::Link(self.path().join(name), to.path().join(new_name)),
                act,
            )
            .map_err(|error| {
                let paths = (self.path().join(name), to.path().join(new_name));
                Error::io_to("link", &paths.0, &paths.1, error)
            })
    }

    /// Makes `name`, which must be free, a symbolic link to `target`, which need not exist.
    ///
    /// # Errors
    /// A name that is taken, or a file system without symbolic links.
    pub fn symlink(&self, target: &Path, name: &str) -> Result<()> {
        let act = || rustix::fs::symlinkat(target, self.fd(), name);
        self.fs()
            .run(
                || OwnedFsOp::Link(target.to_owned(), self.path().join(name)),
                act,
            )
            .map_err(|error| Error::io_to("link", target, &self.path().join(name), error))
    }

    /// Makes a new file `new_name` in `to` that shares its blocks with the file `name` until one of
    /// them is changed. After an error there is no new file.
    ///
    /// # Errors
    /// A file system that cannot do this, or the failures of [`Dir::create`].
    pub fn clone_file(
        &self,
        name: &str,
        to: &Self,
        new_name: &str,
        executable: bool,
    ) -> Result<()> {
        let source = self.open_regular(name)?;
        let output = to.create(new_name, executable)?;
        let cloned = output.clone_content(&source);
        if cloned.is_err() {
            // The first failure matters more than an empty file in a private directory.
            let _ = to.remove_file(new_name);
        }
        cloned
    }

    /// Makes a new file `new_name` in `to` with the content of the file `name`.
    ///
    /// # Errors
    /// A file that cannot be read or written; the new file may then have a part of the content.
    pub fn copy_file(
        &self,
        name: &str,
        to: &Self,
        new_name: &str,
        executable: bool,
        buffer: &mut Vec<u8>,
    ) -> Result<()> {
        use std::io::Read as _;
        let mut source = self.open_regular(name)?;
        let mut output = to.create(new_name, executable)?;
        if buffer.is_empty() {
            buffer.resize(PIECE, 0);
        }
        loop {
            match source.read(buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    output.write(&buffer[..count])?;
                    // A short read of a regular file is its end, as nothing writes to it: most
                    // files are small, so that this saves a system call for each.
                    if count < buffer.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", &self.path().join(name), error)),
            }
        }
    }

    /// Finds out what new files in this directory look like, by making two for a moment.
    ///
    /// # Errors
    /// A file that cannot be made or removed.
    pub fn new_file_looks(&self) -> Result<NewFileLooks> {
        let look = |name: &str, executable| {
            let file = self.create(name, executable)?;
            let found = (file.stat()?, if executable { None } else { file.label()? });
            self.remove_file(name)?;
            Ok::<_, Error>(found)
        };
        let (plain, label) = look("looks-plain", false)?;
        let (executable, _) = look("looks-executable", true)?;
        Ok(NewFileLooks {
            plain: plain.mode,
            executable: executable.mode,
            uid: plain.uid,
            gid: plain.gid,
            device: plain.device,
            has_access_list: has_default_access_list(self),
            label,
        })
    }

    /// Sets the time of the last change of a file, in seconds since 1970.
    ///
    /// # Errors
    /// A file that is missing or another user's.
    pub fn set_modified(&self, name: &str, seconds: i64) -> Result<()> {
        rustix::fs::utimensat(self.fd(), name, &times(seconds), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| Error::io("set the time of", &self.path().join(name), error.into()))
    }

    /// Opens a regular file to read it, without following a symbolic link.
    pub(super) fn open_regular(&self, name: &str) -> Result<File> {
        let fail = |error: io::Error| Error::io("open", &self.path().join(name), error);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let open = || rustix::fs::openat(self.fd(), name, flags, Mode::empty());
        let file = rustix::io::retry_on_intr(open).map_err(|error| fail(error.into()))?;
        let stat = rustix::fs::fstat(&file).map_err(|error| fail(error.into()))?;
        if Stat::of(&stat).kind != Kind::File {
            return Err(fail(not_regular()));
        }
        Ok(File::from(file))
    }
}

/// How many bytes are copied at once.
const PIECE: usize = 1 << 18;

#[cfg(target_os = "linux")]
fn has_default_access_list(dir: &Dir) -> bool {
    // Without support for access lists, or without one, there is an error.
    let mut none: [u8; 0] = [];
    rustix::fs::fgetxattr(dir.fd(), "system.posix_acl_default", &mut none[..])
        .is_ok_and(|length| length > 0)
}

#[cfg(not(target_os = "linux"))]
fn has_default_access_list(_: &Dir) -> bool {
    false
}

/// One time, in seconds since 1970, for the last access and the last change.
fn times(seconds: i64) -> Timestamps {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

impl OutputFile<'_> {
    /// Shares the blocks of `source`; this file is empty.
    fn clone_content(&self, source: &File) -> Result<()> {
        #[cfg(target_os = "linux")]
        let act = || {
            let cloned = rustix::io::retry_on_intr(|| {
                rustix::fs::ioctl_ficlone(self.file.as_fd(), source.as_fd())
            });
            Ok(cloned?)
        };
        #[cfg(not(target_os = "linux"))]
        let act = || {
            let _ = source.as_fd();
            Err(io::ErrorKind::Unsupported.into())
        };
        // There is no kind of change for it, so hooks see a write of no bytes.
        self.fs
            .run_write(|| self.directory.join(self.name), &[], act)
            .map_err(|error| Error::io("clone to", &self.directory.join(self.name), error))
    }

    /// The metadata of the open file.
    ///
    /// # Errors
    /// A file system that does not answer.
    pub fn stat(&self) -> Result<Stat> {
        let stat = rustix::fs::fstat(&self.file)
            .map_err(|error| Error::io("look at", &self.directory.join(self.name), error.into()))?;
        Ok(Stat::of(&stat))
    }

    /// The label by which SELinux decides; `None` without SELinux.
    ///
    /// # Errors
    /// A file system that does not answer.
    pub fn label(&self) -> Result<Option<Vec<u8>>> {
        label(self.file.as_fd())
            .map_err(|error| Error::io("look at", &self.directory.join(self.name), error.into()))
    }

    /// Sets the time of the last change, in seconds since 1970.
    ///
    /// # Errors
    /// A file system that does not keep it.
    pub fn set_modified(&self, seconds: i64) -> Result<()> {
        rustix::fs::futimens(&self.file, &times(seconds)).map_err(|error| {
            let path = self.directory.join(self.name);
            Error::io("set the time of", &path, error.into())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;
    use crate::fs::Fs;

    fn dir() -> (tempfile::TempDir, Dir) {
        let scratch = tempfile::tempdir().expect("there is room");
        let dir = Dir::open(&Fs::default(), scratch.path()).expect("opened");
        (scratch, dir)
    }

    #[test]
    fn a_link_is_the_same_file_and_a_copy_is_not() {
        let (scratch, dir) = dir();
        let path = |name: &str| scratch.path().join(name);
        // Longer than a piece, so that it is copied in several.
        let content = vec![7; PIECE + 1];
        std::fs::write(path("old"), &content).expect("written");
        dir.link("old", &dir, "link").expect("linked");
        let mut buffer = Vec::new();
        dir.copy_file("old", &dir, "copy", true, &mut buffer)
            .expect("copied");
        let inode = |name: &str| std::fs::metadata(path(name)).expect("there").ino();
        assert_eq!(inode("old"), inode("link"));
        assert_ne!(inode("old"), inode("copy"));
        assert_eq!(std::fs::read(path("copy")).expect("read"), content);
        assert!(dir.link("old", &dir, "copy").is_err(), "the name is taken");
    }

    #[test]
    fn a_symbolic_link_is_not_followed_by_a_copy_or_a_clone() {
        let (scratch, dir) = dir();
        std::fs::write(scratch.path().join("old"), "text").expect("written");
        std::os::unix::fs::symlink("old", scratch.path().join("link")).expect("made");
        let mut buffer = Vec::new();
        assert!(
            dir.copy_file("link", &dir, "a", false, &mut buffer)
                .is_err()
        );
        assert!(dir.clone_file("link", &dir, "b", false).is_err());
        assert_eq!(dir.names().expect("listed").len(), 2);
    }

    #[test]
    fn a_clone_has_the_content_or_is_not_there() {
        let (scratch, dir) = dir();
        std::fs::write(scratch.path().join("old"), "text").expect("written");
        match dir.clone_file("old", &dir, "new", false) {
            Ok(()) => assert_eq!(
                std::fs::read(scratch.path().join("new")).expect("read"),
                b"text"
            ),
            Err(_) => assert!(!scratch.path().join("new").exists()),
        }
    }

    #[test]
    fn looks_are_those_of_new_files_and_leave_nothing() {
        let (scratch, dir) = dir();
        let looks = dir.new_file_looks().expect("looked");
        assert_eq!(dir.names().expect("listed"), []);
        dir.create("made", true).expect("made");
        let made = std::fs::metadata(scratch.path().join("made")).expect("there");
        assert_eq!(made.permissions().mode() & 0o7777, looks.executable);
        assert_eq!(looks.plain & 0o111, 0);
    }
}

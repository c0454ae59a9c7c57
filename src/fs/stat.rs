//! Metadata of paths, mounts and free space, without reading content.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, FileType};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// The type of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, pipe or socket.
    Other,
}

impl Kind {
    pub(super) fn of(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Symlink,
            _ => Self::Other,
        }
    }
}

/// The metadata of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Its type.
    pub kind: Kind,
    /// The permission bits, with setuid, setgid and sticky bit.
    pub mode: u32,
    /// The length in bytes.
    pub size: u64,
    /// The device that holds it.
    pub device: u64,
    /// Its number on the device.
    pub inode: u64,
    /// How many names it has.
    pub links: u64,
    /// The ID of the user that owns it.
    pub uid: u32,
    /// The ID of its group.
    pub gid: u32,
    /// When its content was last changed: seconds since 1970, and nanoseconds.
    pub modified: (i64, i64),
    /// When its content or metadata was last changed, which no user can set: seconds since 1970,
    /// and nanoseconds.
    pub changed: (i64, i64),
}

impl Stat {
    #[allow(
        clippy::unnecessary_cast,
        reason = "the fields' widths differ between systems"
    )]
    pub(super) fn of(stat: &rustix::fs::Stat) -> Self {
        Self {
            kind: Kind::of(FileType::from_raw_mode(stat.st_mode as _)),
            mode: stat.st_mode as u32 & 0o7777,
            size: stat.st_size as u64,
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            links: stat.st_nlink as u64,
            uid: stat.st_uid as u32,
            gid: stat.st_gid as u32,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }

    /// Whether both describe the same file, perhaps under two names.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// The metadata of `path`, without following a symbolic link; `None` if nothing is there.
///
/// # Errors
/// A failure other than a missing file, such as a directory above it that may not be entered.
pub fn lstat(path: &Path) -> Result<Option<Stat>> {
    stat_with(path, AtFlags::SYMLINK_NOFOLLOW)
}

/// The metadata of `path`, following symbolic links; `None` if nothing is there.
///
/// # Errors
/// As [`lstat`].
pub fn stat(path: &Path) -> Result<Option<Stat>> {
    stat_with(path, AtFlags::empty())
}

fn stat_with(path: &Path, flags: AtFlags) -> Result<Option<Stat>> {
    match rustix::fs::statat(CWD, path, flags) {
        Ok(stat) => Ok(Some(Stat::of(&stat))),
        // NOTDIR: a component of the path is a file, so the path cannot exist.
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(Error::io("look at", path, error.into())),
    }
}

/// A number that identifies the mount which holds the directory `path`. The same file system
/// mounted in two places has two numbers: files cannot be renamed from one mount to another.
///
/// # Errors
/// A directory that cannot be looked at.
pub fn mount_of(path: &Path) -> Result<u64> {
    if let Some(mount) = mount_at(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        return Ok(mount);
    }
    match stat(path)? {
        Some(stat) => Ok(stat.device),
        None => Err(Error::io("look at", path, Errno::NOENT.into())),
    }
}

/// The number of a mount; `None` on Linux before 5.8 and on other systems. The device, which tells
/// most mounts apart, takes its place there.
#[cfg(target_os = "linux")]
pub(super) fn mount_at(
    directory: impl AsFd,
    path: impl rustix::path::Arg,
    flags: AtFlags,
) -> Option<u64> {
    use rustix::fs::{StatxFlags, statx};
    let stat = statx(directory, path, flags, StatxFlags::MNT_ID).ok()?;
    // Older kernels ignore the flags they do not know, and say so in the mask.
    (stat.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(stat.stx_mnt_id)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn mount_at(
    _directory: impl AsFd,
    _path: impl rustix::path::Arg,
    _flags: AtFlags,
) -> Option<u64> {
    None
}

/// Whether `path` is a regular file that this process may execute.
pub fn is_executable(path: &Path) -> bool {
    stat(path).is_ok_and(|stat| stat.is_some_and(|stat| stat.kind == Kind::File))
        && rustix::fs::access(path, Access::EXEC_OK).is_ok()
}

/// Whether this user may create and remove names in the directory `path`.
pub fn is_writable(path: &Path) -> bool {
    rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

/// Fails as a change of the directory `path` would if this user may not create and remove names in
/// it.
///
/// # Errors
/// A directory that this user may not write to, or one on a read-only file system.
pub fn check_writable(path: &Path) -> Result<()> {
    rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| Error::io("write to", path, error.into()))
}

/// Whether the directory `path` is on a file system of Windows, which reserves some names. Limits:
/// only Linux is asked, and a file system that is served by a program (FUSE) is not recognised.
pub(super) fn is_windows_file_system(path: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        // FAT, exFAT, and the two drivers of NTFS.
        const KINDS: [i64; 4] = [0x4d44, 0x2011_bab0, 0x5346_544e, 0x7366_746e];
        #[allow(
            clippy::unnecessary_cast,
            reason = "the field's width differs between systems"
        )]
        // A file system that does not answer gets no rules: making a file will report the reason.
        rustix::fs::statfs(path).is_ok_and(|stat| KINDS.contains(&(stat.f_type as i64)))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        false
    }
}

/// How many bytes this user may still write to the file system that holds `path`.
///
/// # Errors
/// A path that does not exist, or a file system that does not answer.
pub fn available_space(path: &Path) -> Result<u64> {
    fs2::available_space(path).map_err(|error| Error::io("measure the free space of", path, error))
}

/// The user that this process acts as.
pub fn effective_user() -> u32 {
    rustix::process::geteuid().as_raw()
}
/// Whether this user may not see what is at a path.
pub fn is_denied(path: &Path) -> bool {
    let looked = rustix::fs::statat(CWD, path, AtFlags::empty());
    matches!(looked, Err(Errno::ACCESS))
}

/// Whether a path is a symbolic link of another user to something that does not belong to that
/// user, or to nothing. Following it would let its owner choose one of this user's files, which
/// Linux prevents in shared directories only (`fs.protected_symlinks`).
pub fn is_foreign_link(path: &Path) -> bool {
    let Ok(Some(link)) = lstat(path) else {
        return false;
    };
    let is_own = |target: Stat| target.uid == link.uid;
    link.kind == Kind::Symlink
        && link.uid != effective_user()
        && link.uid != 0
        && !stat(path).ok().flatten().is_some_and(is_own)
}

/// Refuses a [link of another user](is_foreign_link).
pub(super) fn refuse_foreign_link(path: &Path) -> io::Result<()> {
    if is_foreign_link(path) {
        let reason = "it is a symbolic link of another user";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
    }
    Ok(())
}

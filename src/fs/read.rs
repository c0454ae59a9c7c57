//! Looking at the file system: what is there, what it holds, how much room is left. Nothing here
//! changes anything.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// The most that is read at once of a file that is read whole.
const LARGEST_PIECE: usize = 1 << 18;

/// What sort of thing a name stands for.
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

/// What the file system says of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// The permission bits.
    pub mode: u32,
    /// The length in bytes.
    pub size: u64,
    /// The device that holds it.
    pub device: u64,
    /// Its number on the device.
    pub inode: u64,
    /// Its owner.
    pub uid: u32,
    /// When its content was changed last: seconds since 1970, and nanoseconds.
    pub modified: (i64, i64),
}

impl Stat {
    #[allow(
        clippy::unnecessary_cast,
        reason = "the fields' widths differ between systems"
    )]
    pub(super) fn of(stat: &rustix::fs::Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode as _) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::Other,
        };
        Self {
            kind,
            mode: stat.st_mode as u32 & 0o7777,
            size: stat.st_size as u64,
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            uid: stat.st_uid as u32,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        }
    }

    /// Whether both are the same thing on the same device.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// What stands at `path`, a symbolic link not followed; `None` where nothing does.
///
/// # Errors
/// Where it cannot be looked at.
pub fn lstat(path: &Path) -> Result<Option<Stat>> {
    stat_with(path, AtFlags::SYMLINK_NOFOLLOW)
}

/// What stands at `path`, symbolic links followed; `None` where nothing does.
///
/// # Errors
/// Where it cannot be looked at.
pub fn stat(path: &Path) -> Result<Option<Stat>> {
    stat_with(path, AtFlags::empty())
}

fn stat_with(path: &Path, flags: AtFlags) -> Result<Option<Stat>> {
    match rustix::fs::statat(CWD, path, flags) {
        Ok(stat) => Ok(Some(Stat::of(&stat))),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(Error::io("look at", path, error.into())),
    }
}

/// What tells one mounted file system from another, and from itself mounted elsewhere: renames do
/// not cross it.
///
/// # Errors
/// Where the directory cannot be looked at.
pub fn mount_of(path: &Path) -> Result<u64> {
    if let Some(mount) = mount_at(CWD, path, AtFlags::SYMLINK_NOFOLLOW) {
        return Ok(mount);
    }
    let stat = stat(path)?;
    Ok(stat.map(|stat| stat.device).unwrap_or_default())
}

/// Kernels before 5.8, and other systems, do not say; the device tells most mounts apart.
#[cfg(target_os = "linux")]
fn mount_at(directory: impl AsFd, path: impl rustix::path::Arg, flags: AtFlags) -> Option<u64> {
    use rustix::fs::{StatxFlags, statx};
    let stat = statx(directory, path, flags, StatxFlags::MNT_ID).ok()?;
    (stat.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(stat.stx_mnt_id)
}

#[cfg(not(target_os = "linux"))]
fn mount_at(_directory: impl AsFd, _path: impl rustix::path::Arg, _flags: AtFlags) -> Option<u64> {
    None
}

/// The whole file.
///
/// # Errors
/// Where it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Error::io("read", path, error))
}

/// The file's first `limit` bytes.
///
/// # Errors
/// Where it cannot be read.
pub fn read_to_limit(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut content))
        .map_err(|error| Error::io("read", path, error))?;
    Ok(content)
}

/// The names in a directory, sorted; empty where there is no such directory.
///
/// # Errors
/// Where it cannot be read.
pub fn list(path: &Path) -> Result<Vec<(OsString, Kind)>> {
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", path, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("list", path, error))?;
        let kind = entry
            .file_type()
            .map_err(|error| Error::io("look at", &entry.path(), error))?;
        let kind = match kind {
            kind if kind.is_dir() => Kind::Directory,
            kind if kind.is_symlink() => Kind::Symlink,
            kind if kind.is_file() => Kind::File,
            _ => Kind::Other,
        };
        names.push((entry.file_name(), kind));
    }
    names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(names)
}

/// A directory as it was when it was looked into.
#[derive(Debug)]
pub struct Inside {
    /// The mounted file system that it is on, as [`mount_of`] says it.
    pub mount: u64,
    /// What stands in it, sorted by name; symbolic links are not followed.
    pub names: Vec<(OsString, Stat)>,
}

impl Inside {
    /// What stands at a name.
    pub fn stat(&self, name: &str) -> Option<&Stat> {
        let at = self
            .names
            .binary_search_by(|(known, _)| known.as_os_str().cmp(name.as_ref()))
            .ok()?;
        Some(&self.names[at].1)
    }
}

/// Looks into a directory: all that [`lstat`] would say of each name in it. `None` where `path` is
/// no directory, or a symbolic link to one.
///
/// # Errors
/// Where it cannot be read.
pub fn look_into(path: &Path) -> Result<Option<Inside>> {
    let fail = |error: Errno| Error::io("look into", path, error.into());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))
    {
        Ok(directory) => directory,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    let mount = match mount_at(&directory, c"", AtFlags::EMPTY_PATH) {
        Some(mount) => mount,
        None => Stat::of(&rustix::fs::fstat(&directory).map_err(fail)?).device,
    };
    let mut directory = rustix::fs::Dir::new(directory).map_err(fail)?;
    let entries = directory
        .by_ref()
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(fail)?;
    let directory = directory.fd().map_err(fail)?;
    let mut names = Vec::with_capacity(entries.len());
    for entry in entries {
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => names.push((
                OsString::from_vec(name.to_bytes().to_vec()),
                Stat::of(&stat),
            )),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(fail(error)),
        }
    }
    names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(Some(Inside { mount, names }))
}

/// Everything at and below `path`, sorted by name, symbolic links not followed: the path below it,
/// empty for `path` itself, and what it is. Empty where nothing is there.
///
/// # Errors
/// Where something cannot be looked at.
pub fn walk(path: &Path) -> Result<Vec<(PathBuf, Stat)>> {
    let mut found = Vec::new();
    if lstat(path)?.is_none() {
        return Ok(found);
    }
    for entry in walkdir::WalkDir::new(path).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            let at = error.path().unwrap_or(path).to_owned();
            let source = error
                .into_io_error()
                .unwrap_or_else(|| io::Error::from(io::ErrorKind::InvalidInput));
            Error::io("look at", &at, source)
        })?;
        let stat = lstat(entry.path())?;
        let below = entry
            .path()
            .strip_prefix(path)
            .unwrap_or(entry.path())
            .to_owned();
        found.extend(stat.map(|stat| (below, stat)));
    }
    Ok(found)
}

/// The path with all symbolic links resolved.
///
/// # Errors
/// Where a part of it does not exist or cannot be looked at.
pub fn canonical(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).map_err(|error| Error::io("resolve", path, error))
}

/// The path from the root directory, symbolic links left as they are, `.` and `..` taken away.
///
/// # Errors
/// Where the working directory is gone.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    let whole = std::path::absolute(path).map_err(|error| Error::io("resolve", path, error))?;
    let mut plain = PathBuf::new();
    for component in whole.components() {
        match component {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    Ok(plain)
}

/// Where a symbolic link points, as it is written.
///
/// # Errors
/// Where it is no symbolic link.
pub fn link_target(path: &Path) -> Result<PathBuf> {
    std::fs::read_link(path).map_err(|error| Error::io("read the link", path, error))
}

/// Whether `path` is a file that this process may execute.
pub fn is_executable(path: &Path) -> bool {
    stat(path).is_ok_and(|stat| stat.is_some_and(|stat| stat.kind == Kind::File))
        && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Whether this user may make and remove names in the directory `path`.
pub fn is_writable(path: &Path) -> bool {
    rustix::fs::access(
        path,
        rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
    )
    .is_ok()
}

/// Whether the directory `path` is on a file system of Windows, where Windows' rules for names
/// hold. Limits: asked of Linux only, and not found out of one that a program serves.
pub fn is_of_windows(path: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        // FAT, exFAT, and the two drivers of NTFS.
        const KINDS: [i64; 4] = [0x4d44, 0x2011_bab0, 0x5346_544e, 0x7366_746e];
        #[allow(
            clippy::unnecessary_cast,
            reason = "the field's width differs between systems"
        )]
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
/// Where the file system does not say.
pub fn available_space(path: &Path) -> Result<u64> {
    fs2::available_space(path).map_err(|error| Error::io("measure the free space of", path, error))
}

/// The user that this process acts as.
pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Bytes that can be read at any position, from any thread: a file, or one that is still being
/// fetched.
pub trait ReadAt: Send + Sync + std::fmt::Debug {
    /// What errors name.
    fn path(&self) -> &Path;

    /// The length in bytes.
    fn size(&self) -> u64;

    /// Reads up to `buffer.len()` bytes from `offset` on; 0 at the end.
    ///
    /// # Errors
    /// Where the bytes cannot be read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Says that this range is read next. Where reading takes a journey, one is made for all of it;
    /// what goes wrong on the way shows when it is read.
    fn will_read(&self, _range: Range<u64>) {}

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// Where the bytes end before, or cannot be read.
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => {
                    buffer = &mut buffer[count..];
                    offset += count as u64;
                }
            }
        }
        Ok(())
    }

    /// Hands on all of the bytes, in order and in pieces.
    ///
    /// # Errors
    /// Where they cannot be read, and the first error of `take`.
    fn in_pieces(&self, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut buffer = vec![
            0;
            usize::try_from(self.size())
                .unwrap_or(usize::MAX)
                .clamp(1, LARGEST_PIECE)
        ];
        let mut at = 0;
        loop {
            let count = self
                .read_at(&mut buffer, at)
                .map_err(|error| Error::io("read", self.path(), error))?;
            if count == 0 {
                return Ok(());
            }
            take(&buffer[..count])?;
            at += count as u64;
        }
    }
}

/// A regular file, opened once and read at any position; the file that was looked at is the file
/// that is read.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    path: PathBuf,
    size: u64,
}

impl OpenFile {
    /// Opens a regular file; `None` where `path` is something else. Never waits, also not for a
    /// pipe.
    ///
    /// # Errors
    /// Where there is none, or it cannot be opened.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let fail = |error: Errno| Error::io("open", path, error.into());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match rustix::fs::open(path, flags, Mode::empty()) {
            // Links that lead to each other lead to no file.
            Err(rustix::io::Errno::LOOP) => return Ok(None),
            result => result.map_err(fail)?,
        };
        let stat = Stat::of(&rustix::fs::fstat(&file).map_err(fail)?);
        let open = Self {
            file: file.into(),
            path: path.to_owned(),
            size: stat.size,
        };
        Ok((stat.kind == Kind::File).then_some(open))
    }

    /// The file was moved to `path`.
    pub(super) fn set_path(&mut self, path: &Path) {
        path.clone_into(&mut self.path);
    }
}

impl ReadAt for OpenFile {
    fn path(&self) -> &Path {
        &self.path
    }

    /// The length when it was opened.
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

//! Reads files and directories. Nothing here changes anything.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::stat::{Kind, Stat, is_foreign_link, lstat, mount_at, refuse_foreign_link};
use super::stream::read_descriptor;

use crate::cancellation::Cancellation;
use crate::error::{Error, Result};

/// How many bytes are read at once of a file that is read whole.
const PIECE: u64 = 1 << 18;

/// NONBLOCK: opening a pipe without a writer would wait for one. On a regular file it does nothing.
/// NOCTTY: a terminal must not become the one that controls this process.
const READING: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// Opens the regular file at `path` to read it; `None` if it is something else. A symbolic link is
/// followed. Every file that is read is opened here or by [`Dir`](super::Dir): a pipe in an
/// environment would otherwise stop every command for ever, and opening a device can act.
fn open_regular(path: &Path) -> io::Result<Option<(File, Stat)>> {
    let open = || rustix::fs::open(path, READING, Mode::empty());
    let file = match rustix::io::retry_on_intr(open) {
        // Links that lead to each other lead to no file. A socket, or a device without a driver,
        // cannot be opened at all.
        Err(Errno::LOOP | Errno::NXIO | Errno::NODEV) => return Ok(None),
        result => File::from(result?),
    };
    let stat = Stat::of(&rustix::fs::fstat(&file)?);
    Ok((stat.kind == Kind::File).then_some((file, stat)))
}

/// Reads a whole file.
///
/// # Errors
/// A file that does not exist, is no regular file, or cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    read_to_limit(path, u64::MAX)
}

/// Reads the first `limit` bytes of a file, or all of it if it is shorter.
///
/// # Errors
/// A file that does not exist, is no regular file, or cannot be read.
pub fn read_to_limit(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let fail = |error: io::Error| Error::io("read", path, error);
    let Some((file, stat)) = open_regular(path).map_err(fail)? else {
        return Err(fail(not_regular()));
    };
    // The length is only a hint: the file may change while it is read.
    let length = usize::try_from(stat.size.min(limit).min(PIECE)).expect("a piece is small");
    let mut content = Vec::with_capacity(length + 1);
    file.take(limit).read_to_end(&mut content).map_err(fail)?;
    Ok(content)
}

/// Opens a file in an environment; `None` if it is a [link of another user](is_foreign_link) to a
/// file that does not belong to that user.
///
/// # Errors
/// A file that does not exist, is no regular file, or cannot be opened.
pub fn open_unless_foreign(path: &Path) -> Result<Option<OpenFile>> {
    // Most files are no links, and those cost no call more.
    let flags = READING | OFlags::NOFOLLOW;
    let opened = rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()));
    let file = match opened {
        Err(Errno::LOOP) if is_foreign_link(path) => return Ok(None),
        Ok(file) => OpenFile::of_regular(File::from(file), path.to_owned()),
        // A link that may be followed, or an error that opening it again shows.
        Err(_) => OpenFile::open(path),
    };
    let file = file?.ok_or_else(|| Error::io("read", path, not_regular()))?;
    Ok(Some(file))
}

/// As [`read_to_limit`] for a file in an environment that [may be opened](open_unless_foreign).
///
/// # Errors
/// As [`open_unless_foreign`], or the file cannot be read.
pub fn read_unless_foreign(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    open_unless_foreign(path)?
        .map(|file| file.read_to_limit(limit))
        .transpose()
}

/// Reads a whole document that the user named. Unlike other files it may be one of this process's
/// own descriptors, which the shell passes for `<(command)`, or `/dev/null`, which stands for an
/// empty document. Only a descriptor is waited for.
///
/// # Errors
/// A file that does not exist, is neither of these nor a regular file, or cannot be read.
pub fn read_document(path: &Path, cancel: &Cancellation) -> Result<Vec<u8>> {
    if path == Path::new("/dev/null") {
        return Ok(Vec::new());
    }
    if is_own_descriptor(path) {
        return read_descriptor(path, cancel);
    }
    read(path)
}

/// Whether a path means one of this process's open descriptors.
pub fn is_own_descriptor(path: &Path) -> bool {
    let own = ["/dev/fd", "/proc/self/fd"].map(Path::new);
    let standard = ["/dev/stdin", "/dev/stdout", "/dev/stderr"].map(Path::new);
    standard.contains(&path) || path.parent().is_some_and(|at| own.contains(&at))
}

/// The path of the file that a path to write to means: what a symbolic link leads to, so that the
/// link stays.
///
/// # Errors
/// A link that leads nowhere, or one of another user to a file that does not belong to that user.
pub fn behind_link(path: &Path) -> Result<PathBuf> {
    let path = absolute(path)?;
    let is_link = lstat(&path)?.is_some_and(|stat| stat.kind == Kind::Symlink);
    if !is_link || is_own_descriptor(&path) {
        return Ok(path);
    }
    refuse_foreign_link(&path).map_err(|error| Error::io("write", &path, error))?;
    // A link to a link to a descriptor ends there: what it has open may have no path.
    match link_target(&path)? {
        target if is_own_descriptor(&target) => Ok(target),
        _ => canonical(&path),
    }
}

/// The text of a file that the kernel makes up, such as those in `/proc`; `None` if there is none.
pub(super) fn read_virtual(path: &Path) -> Option<String> {
    let content = std::fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&content).into_owned())
}

pub(super) fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")
}

/// The names in a directory, sorted; empty if there is no such directory.
///
/// # Errors
/// A directory that cannot be read.
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
    // Names are unique, so a stable sort would only cost memory.
    names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(names)
}

/// The entries of a directory and their metadata at one time.
#[derive(Debug)]
pub struct DirectorySnapshot {
    /// The number of its mount, as [`mount_of`](super::mount_of) returns it.
    pub mount: u64,
    /// Its entries, sorted by name; symbolic links are not followed.
    pub entries: Vec<(OsString, Stat)>,
}

impl DirectorySnapshot {
    /// The metadata of a name; `None` if it was not there.
    pub fn stat(&self, name: &str) -> Option<&Stat> {
        let at = self
            .entries
            .binary_search_by(|(known, _)| known.as_os_str().cmp(name.as_ref()))
            .ok()?;
        Some(&self.entries[at].1)
    }
}

/// Reads a directory with everything that [`lstat`] would say of each of its names. `None` if
/// `path` is missing, no directory, or a symbolic link to one.
///
/// # Errors
/// A directory that cannot be read.
pub fn snapshot(path: &Path) -> Result<Option<DirectorySnapshot>> {
    let fail = |error: Errno| Error::io("look into", path, error.into());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))
    {
        Ok(directory) => directory,
        // A symbolic link is NOTDIR or LOOP on Linux, and MLINK on some BSDs.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    // The open directory is asked, because its path may name another one by now.
    let mount = match mount_at(&directory, c"", AtFlags::EMPTY_PATH) {
        Some(mount) => mount,
        None => Stat::of(&rustix::fs::fstat(&directory).map_err(fail)?).device,
    };
    let mut directory = rustix::fs::Dir::new(directory).map_err(fail)?;
    let names = directory
        .by_ref()
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(fail)?;
    let directory = directory.fd().map_err(fail)?;
    let mut entries = Vec::with_capacity(names.len());
    for entry in names {
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => entries.push((
                OsString::from_vec(name.to_bytes().to_vec()),
                Stat::of(&stat),
            )),
            // It was removed since the names were read.
            Err(Errno::NOENT) => {}
            Err(error) => return Err(fail(error)),
        }
    }
    entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(Some(DirectorySnapshot { mount, entries }))
}

/// Everything at and below `path`, sorted by name, without following symbolic links: the path
/// relative to `path`, which is empty for `path` itself, and its metadata. Empty if nothing is
/// there.
///
/// # Errors
/// A directory below `path` that cannot be read.
pub fn walk(path: &Path) -> Result<Vec<(PathBuf, Stat)>> {
    let mut found = Vec::new();
    if lstat(path)?.is_none() {
        return Ok(found);
    }
    for entry in walkdir::WalkDir::new(path).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            let at = error.path().unwrap_or(path).to_owned();
            // Without an I/O error it is a loop of links, which are not followed here.
            let source = error
                .into_io_error()
                .unwrap_or_else(|| io::Error::from(io::ErrorKind::InvalidInput));
            Error::io("look at", &at, source)
        })?;
        // An entry that was removed since it was listed is left out rather than being an error.
        let stat = lstat(entry.path())?;
        let below = entry
            .path()
            .strip_prefix(path)
            .expect("the walk stays below its root");
        found.extend(stat.map(|stat| (below.to_owned(), stat)));
    }
    Ok(found)
}

/// The path with all symbolic links resolved.
///
/// # Errors
/// A component that does not exist or cannot be looked at.
pub fn canonical(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).map_err(|error| Error::io("resolve", path, error))
}

/// The path from the root directory without `.` and `..`, symbolic links left as they are.
///
/// # Errors
/// A relative path in a working directory that was removed.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    let whole = std::path::absolute(path).map_err(|error| Error::io("resolve", path, error))?;
    let mut plain = PathBuf::new();
    for component in whole.components() {
        match component {
            // `std::path::absolute` keeps `..` on Unix.
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    Ok(plain)
}

/// The target of a symbolic link as it is written.
///
/// # Errors
/// A path that is no symbolic link.
pub fn link_target(path: &Path) -> Result<PathBuf> {
    std::fs::read_link(path).map_err(|error| Error::io("read the link", path, error))
}

/// Bytes that any thread can read at any position: a file, or a remote file of which parts are
/// still missing.
pub trait ReadAt: Send + Sync + std::fmt::Debug {
    /// The path, or the address, that errors name.
    fn path(&self) -> &Path;

    /// The length in bytes.
    fn size(&self) -> u64;

    /// Reads up to `buffer.len()` bytes from `offset` on and returns their number; 0 at the end.
    ///
    /// # Errors
    /// Bytes that cannot be read or fetched.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// A hint that this range is read next, so that a remote file is fetched in one request. A
    /// failure to fetch is returned by the read that needs the bytes.
    fn will_read(&self, _range: Range<u64>) {}

    /// How many bytes at the end can be read without being fetched.
    fn at_hand(&self) -> u64 {
        self.size()
    }

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before, and every failure of [`ReadAt::read_at`].
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

    /// Passes all bytes to `take`, in order and in pieces.
    ///
    /// # Errors
    /// Bytes that cannot be read, and the first error of `take`.
    fn in_pieces(&self, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        // An empty buffer would look like the end of a file that has grown since it was opened.
        let length = usize::try_from(self.size().clamp(1, PIECE)).expect("a piece is small");
        let mut buffer = vec![0; length];
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

/// A regular file, opened once, so that the file that was checked is the file that is read.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    path: PathBuf,
    stat: Stat,
    /// Whether its owner and permissions mean nothing.
    has_no_owner: bool,
}

impl OpenFile {
    /// Opens a regular file; `None` if `path` is something else.
    ///
    /// # Errors
    /// A file that does not exist or cannot be opened.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let opened = open_regular(path).map_err(|error| Error::io("open", path, error))?;
        Ok(opened.map(|(file, stat)| Self::of(file, path.to_owned(), stat)))
    }

    /// A file that is open already; `None` if it is not a regular one.
    pub(super) fn of_regular(file: File, path: PathBuf) -> Result<Option<Self>> {
        let stat =
            rustix::fs::fstat(&file).map_err(|error| Error::io("look at", &path, error.into()))?;
        let stat = Stat::of(&stat);
        Ok((stat.kind == Kind::File).then(|| Self::of(file, path, stat)))
    }

    /// A regular file that is open already.
    pub(super) fn of(file: File, path: PathBuf, stat: Stat) -> Self {
        Self {
            file,
            path,
            stat,
            has_no_owner: false,
        }
    }

    /// Its metadata when it was opened; `None` if its owner and permissions mean nothing.
    pub(super) fn owned(&self) -> Option<&Stat> {
        (!self.has_no_owner).then_some(&self.stat)
    }

    /// The same file, whose owner and permissions mean nothing if `has_no_owner` is set.
    pub(super) fn without_owner(self, has_no_owner: bool) -> Self {
        Self {
            has_no_owner,
            ..self
        }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Reads its first `limit` bytes, or all of it if it is shorter.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read_to_limit(&self, limit: u64) -> Result<Vec<u8>> {
        // The length is only a hint, which saves growing piece by piece.
        let length = self.stat.size.min(limit);
        let mut content = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
        (&self.file)
            .take(limit)
            .read_to_end(&mut content)
            .map_err(|error| Error::io("read", &self.path, error))?;
        Ok(content)
    }

    /// The same file, which was moved to `path`.
    #[must_use]
    pub fn at(self, path: PathBuf) -> Self {
        Self { path, ..self }
    }
}

impl ReadAt for OpenFile {
    fn path(&self) -> &Path {
        &self.path
    }

    /// The length at the time it was opened.
    fn size(&self) -> u64 {
        self.stat.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        read_at(&self.file, buffer, offset)
    }
}

/// Reads from `file` at a position, again if a signal interrupts it.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

//! The archive of a wheel: its index, checked so strictly that there is only one way to read it,
//! and its entries.
//!
//! Input: one open file. Output: [`Entry`]s, and their content one at a time from any thread. The
//! archive is read from its central directory; whatever another reader could see differently is
//! refused in `layout`. Only this directory names the zip and inflate crates, and it uses none of
//! their extraction functions. Limits: [`MAX_ENTRIES`] entries, [`MAX_RATIO`] times the archive's
//! own size; stored, deflate and zstd.

mod batch;
mod central_directory;
mod extra_fields;
mod extract;
mod inflate;
mod stream;

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use foldhash::{HashSet, HashSetExt as _};

use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{ArchiveFault as Fault, Error, Result};
use crate::fs::{OpenFile, ReadAt};
use crate::path::RelPath;

pub use batch::{Item, Stretch};
pub use extract::{EntryError, Expected, Memory, Scratch};

/// The most entries that an archive may have.
pub const MAX_ENTRIES: usize = 2_000_000;
/// How many times its own size an archive may inflate to, where that is more than [`ANY_RATIO`]. No
/// wheel that was looked at comes to 20 times.
pub const MAX_RATIO: u64 = 200;
/// What any archive may inflate to, in bytes: a small one that is full of zeros harms nobody.
pub const ANY_RATIO: u64 = 1 << 30;

/// The directory bit of DOS in the external attributes, which other systems set too (4.4.15).
const DOS_DIRECTORY: u32 = 0x10;

/// An archive whose index was checked. The file stays open: what was checked is what is read.
#[derive(Debug)]
pub struct Archive {
    file: Box<dyn ReadAt>,
    entries: Vec<Entry>,
}

/// How much of an archive is looked at.
pub enum Extent<'a> {
    /// Every byte of its structure: all that an archive must pass before anything is unpacked from
    /// it.
    Whole,
    /// Its index, and the local headers of these entries. Only they can be read; what else is wrong
    /// with the archive shows when it is looked at whole.
    Index(&'a dyn Fn(&Entry) -> bool),
}

impl Extent<'_> {
    fn covers(&self, listed: &Listed) -> bool {
        match self {
            Self::Whole => true,
            Self::Index(wanted) => !listed.directory && wanted(&listed.entry),
        }
    }
}

/// One regular file in an archive. Directory entries are checked and left out: directories follow
/// from the files.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its path as the archive has it.
    pub path: RelPath,
    /// The length of its content in bytes.
    pub size: u64,
    /// Whether any execute bit is set on it.
    pub executable: bool,
    /// The CRC-32 of its content.
    pub crc: u32,
    method: Method,
    compressed: u64,
    header: u64,
    data: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Stored,
    Deflate,
    Zstd,
}

/// An entry as the central directory describes it, before it is known to be a regular file with a
/// safe name.
struct Listed {
    name: String,
    directory: bool,
    flags: u16,
    raw_method: u16,
    entry: Entry,
}

impl Archive {
    /// Opens the file at `path` and checks it whole.
    ///
    /// # Errors
    /// Where the file cannot be read, or everything that is wrong with the archive, under the name
    /// `label`.
    pub fn open(path: &Path, label: &str) -> Result<Self> {
        match OpenFile::open(path)? {
            Some(file) => Self::read(Box::new(file), label, &Extent::Whole),
            None => Err(Error::wheel(label, Fault::NotAFile)),
        }
    }

    /// Checks an archive's index (APPNOTE 4.3; binary distribution format, "File format"), and as
    /// many of its entries as `extent` says.
    ///
    /// # Errors
    /// Where the bytes cannot be read, or everything that is wrong with the archive, under the name
    /// `label`.
    pub fn read(file: Box<dyn ReadAt>, label: &str, extent: &Extent<'_>) -> Result<Self> {
        let refuse = |faults: Vec<Fault>| Error::refused(label, faults);
        let index = read_index(&*file).map_err(|fault| refuse(vec![fault]))?;
        let directory = index.central_directory_start();
        let mut faults = Vec::new();
        let mut listed = Vec::with_capacity(index.len());
        for number in 0..index.len() {
            let entry = index
                .by_index_data(number)
                .map_err(|error| refuse(vec![not_an_archive(&error)]))?;
            match list(&entry) {
                Ok(entry) => listed.push(entry),
                Err(fault) => faults.push(fault),
            }
        }
        drop(index);
        if faults.is_empty() {
            faults = check_names(&listed);
        }
        if faults.is_empty() {
            faults.extend(central_directory::check(
                &*file,
                directory,
                &mut listed,
                extent,
            )?);
        }
        if faults.is_empty() {
            faults.extend(check_ratio(file.size(), &listed));
        }
        let (directories, files): (Vec<Listed>, Vec<Listed>) =
            listed.into_iter().partition(|listed| listed.directory);
        let archive = Self {
            file,
            entries: files.into_iter().map(|listed| listed.entry).collect(),
        };
        if faults.is_empty() && matches!(extent, Extent::Whole) {
            faults.extend(
                directories
                    .iter()
                    .filter_map(|listed| archive.check_hollow(listed)),
            );
        }
        if faults.is_empty() {
            Ok(archive)
        } else {
            Err(refuse(faults))
        }
    }

    /// A directory entry may be compressed, but only nothing.
    fn check_hollow(&self, listed: &Listed) -> Option<Fault> {
        let entry = &listed.entry;
        let nothing = entry.compressed == 0 && entry.crc == 0;
        let mut scratch = Scratch::new();
        let hollow = nothing
            || (entry.method != Method::Stored
                && self
                    .unpack(entry, Expected::default(), &mut scratch, &mut |_| Ok(()))
                    .is_ok());
        (!hollow).then(|| Fault::DirectoryContent(listed.name.clone()))
    }

    /// The regular files, in the order of the central directory.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The digest of the whole file, read again from the beginning.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn digest(&self, algorithm: Algorithm) -> Result<Digest> {
        digest_of(&*self.file, algorithm)
    }
}

/// The digest of a whole file.
///
/// # Errors
/// Where it cannot be read.
pub fn digest_of(file: &dyn ReadAt, algorithm: Algorithm) -> Result<Digest> {
    let mut hasher = Hasher::new(algorithm);
    file.in_pieces(&mut |piece| {
        hasher.update(piece);
        Ok(())
    })?;
    Ok(hasher.finish())
}

fn not_an_archive(error: &dyn std::fmt::Display) -> Fault {
    Fault::NotAnArchive(error.to_string())
}

/// The zip crate's index of the file, and the refusal of what it would be lenient with.
fn read_index(file: &dyn ReadAt) -> std::result::Result<zip::ZipArchive<Reader<'_>>, Fault> {
    // Known before the index is read, which takes memory for each entry.
    if let Some(stated) = central_directory::stated(file) {
        check_count(stated.entries)?;
        let most = stated
            .entries
            .saturating_mul(central_directory::MOST_OF_ENTRY);
        file.will_read(stated.directory.max(file.size().saturating_sub(most))..file.size());
    }
    let config = zip::read::Config {
        archive_offset: zip::read::ArchiveOffset::Known(0),
    };
    let reader = Reader {
        file,
        at: 0,
        buffer: Vec::new(),
        buffered: 0,
    };
    let index =
        zip::ZipArchive::with_config(config, reader).map_err(|error| not_an_archive(&error))?;
    if index.has_duplicate_names() {
        let mut names = HashSet::new();
        let twice = central_directory::names(file, index.central_directory_start())
            .into_iter()
            .find(|name| !names.insert(name.clone()));
        return Err(Fault::DuplicateName(
            String::from_utf8_lossy(&twice.unwrap_or_default()).into_owned(),
        ));
    }
    check_count(index.len() as u64)?;
    Ok(index)
}

fn check_count(size: u64) -> std::result::Result<(), Fault> {
    let (what, limit) = ("the number of entries".to_owned(), MAX_ENTRIES as u64);
    if size > limit {
        Err(Fault::TooLarge { what, size, limit })
    } else {
        Ok(())
    }
}

/// Reads one line of the index. An entry that no wheel may hold is a fault.
fn list(listed: &zip::read::ZipFileEntry<'_>) -> std::result::Result<Listed, Fault> {
    let raw = listed.name_raw();
    let text = std::str::from_utf8(raw)
        .map_err(|_| Fault::NameNotUtf8(String::from_utf8_lossy(raw).into_owned()))?;
    let flags = listed.flags().as_u16();
    if !text.is_ascii() && flags & central_directory::FLAG_UTF8 == 0 {
        return Err(Fault::NameNotUtf8(text.to_owned()));
    }
    if listed.encrypted() {
        return Err(Fault::Encrypted(text.to_owned()));
    }
    let (directory, plain) = match text.strip_suffix('/') {
        Some(plain) => (true, plain),
        None => (false, text),
    };
    let path = RelPath::parse(plain).map_err(|fault| Fault::UnsafePath {
        path: text.to_owned(),
        fault,
    })?;
    let mode = listed.external_attributes() >> 16;
    check_kind(text, directory, mode)?;
    if !directory && listed.external_attributes() & DOS_DIRECTORY != 0 {
        let kind = "a directory by its attributes and a file by its name";
        return Err(Fault::SpecialEntry {
            entry: text.to_owned(),
            kind,
        });
    }
    if directory && listed.size() != 0 {
        return Err(Fault::DirectoryContent(text.to_owned()));
    }
    let (method, raw_method) = method_of(text, listed.compression())?;
    let entry = Entry {
        path,
        size: listed.size(),
        executable: mode & 0o111 != 0,
        crc: listed.crc32(),
        method,
        compressed: listed.compressed_size(),
        header: listed.header_start(),
        data: 0,
    };
    Ok(Listed {
        name: text.to_owned(),
        directory,
        flags,
        raw_method,
        entry,
    })
}

fn method_of(
    name: &str,
    method: zip::CompressionMethod,
) -> std::result::Result<(Method, u16), Fault> {
    #[allow(
        deprecated,
        reason = "the only way to the number of a method that the zip crate was built without"
    )]
    match method {
        zip::CompressionMethod::Stored => Ok((Method::Stored, 0)),
        zip::CompressionMethod::Deflated => Ok((Method::Deflate, 8)),
        zip::CompressionMethod::Unsupported(93) => Ok((Method::Zstd, 93)),
        other => {
            let number = match other {
                zip::CompressionMethod::Unsupported(number) => number,
                _ => 0,
            };
            let method = match number {
                9 => "deflate64".to_owned(),
                12 => "bzip2".to_owned(),
                14 => "lzma".to_owned(),
                95 => "xz".to_owned(),
                98 => "ppmd".to_owned(),
                99 => "aes encryption".to_owned(),
                number => format!("method {number}"),
            };
            Err(Fault::Method {
                entry: name.to_owned(),
                method,
            })
        }
    }
}

/// Refuses what is neither a regular file nor a directory, and what is one by its mode and the
/// other by its name.
fn check_kind(name: &str, directory: bool, mode: u32) -> std::result::Result<(), Fault> {
    let kind = match mode >> 12 {
        0 => return Ok(()),
        0o10 if !directory => return Ok(()),
        0o04 if directory => return Ok(()),
        0o10 => "a regular file by its mode and a directory by its name",
        0o04 => "a directory by its mode and a file by its name",
        0o12 => "a symbolic link",
        0o01 => "a pipe",
        0o02 | 0o06 => "a device",
        0o14 => "a socket",
        _ => "of an unknown kind",
    };
    Err(Fault::SpecialEntry {
        entry: name.to_owned(),
        kind,
    })
}

/// Refuses what would fill the disk from next to nothing. What inflates to more than is stated here
/// is cut off there.
fn check_ratio(archive: u64, listed: &[Listed]) -> Option<Fault> {
    let content = listed
        .iter()
        .fold(0_u64, |sum, listed| sum.saturating_add(listed.entry.size));
    let limit = archive.saturating_mul(MAX_RATIO).max(ANY_RATIO);
    (content > limit).then_some(Fault::Inflation {
        content,
        archive,
        limit,
    })
}

/// Refuses names that stand twice, and paths that are a file here and a directory there.
fn check_names(listed: &[Listed]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut names = HashSet::with_capacity(listed.len());
    for entry in listed {
        if !names.insert(entry.name.trim_end_matches('/')) {
            faults.push(Fault::DuplicateName(entry.name.clone()));
        }
    }
    let files: HashSet<&str> = listed
        .iter()
        .filter(|entry| !entry.directory)
        .map(|entry| entry.name.as_str())
        .collect();
    let mut seen = HashSet::new();
    for entry in listed {
        let mut rest = entry.name.trim_end_matches('/');
        while let Some((parent, _)) = rest.rsplit_once('/') {
            if !seen.insert(parent) {
                break;
            }
            if files.contains(parent) {
                faults.push(Fault::FileAndDirectory(parent.to_owned()));
            }
            rest = parent;
        }
    }
    faults
}

/// The open file as the zip crate wants to read it, through a small buffer.
struct Reader<'a> {
    file: &'a dyn ReadAt,
    at: u64,
    buffer: Vec<u8>,
    buffered: u64,
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let held = self.buffered..self.buffered + self.buffer.len() as u64;
        if !held.contains(&self.at) {
            self.buffer.resize(1 << 16, 0);
            let count = self.file.read_at(&mut self.buffer, self.at)?;
            self.buffer.truncate(count);
            self.buffered = self.at;
        }
        let from = usize::try_from(self.at - self.buffered).map_err(io::Error::other)?;
        let rest = self.buffer.get(from..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for Reader<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.file.size().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.at.checked_add_signed(offset),
        };
        self.at = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}

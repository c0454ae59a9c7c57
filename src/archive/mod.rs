//! Wheels' archives: read so strictly that there is only one way to read them.
//!
//! Input: one open file. Output: its [`Entry`]s, and their contents one at a time from any thread.
//! The index is the central directory, read once by this module's own walk; everything that another
//! reader could see differently is refused. Steps: `end_records` says where the central directory
//! is, `central_directory` reads it, `local_headers` compares the rest of the file with it,
//! `extract` unpacks. Only this module names the inflate crates. Limits: two million entries,
//! [`MAX_RATIO`] times the archive's own size; stored, deflate and zstd.

mod batch;
mod central_directory;
mod compress;
mod end_records;
mod entry;
mod extra_fields;
mod extract;
#[cfg(feature = "http")]
mod gzip;
mod gzip_reader;
mod inflate;
mod little_endian;
mod local_headers;
mod pipeline;
mod scratch;
mod stream;
#[cfg(test)]
mod tests;
mod verify;

use std::path::Path;

use central_directory::ListedEntry;

use crate::digest::{Algorithm, Backend, Digest, Hasher};
use crate::error::{ArchiveFault, Error, Result};
use crate::fs::{OpenFile, ReadAt};

pub use batch::{EntryBatch, Item, ItemSink};
pub use compress::{Deflater, LEVEL};
pub use entry::{ArchiveError, Entry, Method};
#[cfg(feature = "http")]
pub use gzip::{GzipError, gunzip};
pub use gzip_reader::gzip_reader;
#[cfg(feature = "testing")]
pub use inflate::{Inflate, Progress};
pub use local_headers::Extent;
pub use scratch::Scratch;
pub use stream::{Sink, StreamEnd, Unpacked};
pub use verify::Expected;

/// How many times its own size an archive may inflate to, if that is more than [`MIN_CONTENT`]. Of
/// the wheels that were looked at none reaches 20 times.
const MAX_RATIO: u64 = 200;
/// The content that any archive may have, in bytes: a small archive full of zeros does no harm.
const MIN_CONTENT: u64 = 1 << 30;

/// An archive whose index was checked. The file stays open, so the file that was checked is the one
/// that is unpacked.
#[derive(Debug)]
pub struct Archive {
    file: Box<dyn ReadAt>,
    entries: Vec<Entry>,
}

impl Archive {
    /// Opens the file at `path` and checks it whole.
    ///
    /// # Errors
    /// A failure to read the file, or everything that is wrong with the archive, under the name
    /// `label`.
    pub fn open(path: &Path, label: &str) -> Result<Self> {
        match OpenFile::open(path)? {
            Some(file) => Self::read(Box::new(file), label, &Extent::Whole),
            None => Err(Error::wheel(label, ArchiveFault::NotAFile)),
        }
    }

    /// Checks an archive's index (APPNOTE 4.3; binary distribution format, "File format"), and the
    /// entries that `extent` covers.
    ///
    /// # Errors
    /// A failure to read the file, or everything that is wrong with the archive, under the name
    /// `label`.
    pub fn read(file: Box<dyn ReadAt>, label: &str, extent: &Extent<'_>) -> Result<Self> {
        let refuse = |faults: Vec<ArchiveFault>| Error::refused(label, faults);
        let end = end_records::find(&*file).map_err(|error| error.of_wheel(label))?;
        let directory = end
            .read_directory(&*file)
            .map_err(|error| error.of_wheel(label))?;
        let mut listed = central_directory::read(&directory, end.entries).map_err(refuse)?;
        let mut faults = local_headers::check(&*file, end.directory.start, &mut listed, extent)?;
        if faults.is_empty() {
            faults.extend(check_ratio(file.size(), &listed));
        }
        // This check inflates data and therefore comes after that of the ratio.
        if faults.is_empty() && matches!(extent, Extent::Whole) {
            let directories = listed.iter().filter(|listed| listed.directory);
            faults.extend(directories.filter_map(|listed| check_hollow(&*file, listed)));
        }
        if !faults.is_empty() {
            return Err(refuse(faults));
        }
        let entries = listed
            .into_iter()
            .filter(|listed| !listed.directory)
            .map(|listed| listed.entry)
            .collect();
        Ok(Self { file, entries })
    }

    /// The regular files, in the order of the central directory.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Computes the digest of the whole file, which is read again from the beginning.
    ///
    /// # Errors
    /// A failure to read the file.
    pub fn digest(&self, algorithm: Algorithm) -> Result<Digest> {
        digest_of(&*self.file, algorithm)
    }

    /// Passes the content of `entry` to `sink`, in order, and returns its digest if one was
    /// expected or asked for.
    ///
    /// # Errors
    /// A content that is not what the archive or `expected` states, or the first error of `sink`.
    pub fn unpack(
        &self,
        entry: &Entry,
        expected: Expected,
        scratch: &mut Scratch,
        sink: &mut Sink<'_>,
    ) -> std::result::Result<Option<Digest>, ArchiveError> {
        extract::unpack(&*self.file, entry, expected, scratch, sink)
    }

    /// As [`Archive::unpack`], in pieces whatever its size, and with the places in its deflate
    /// stream that matter to join it with another one.
    ///
    /// # Errors
    /// As [`Archive::unpack`].
    pub fn unpack_stream(
        &self,
        entry: &Entry,
        expected: Expected,
        scratch: &mut Scratch,
        sink: &mut Sink<'_>,
    ) -> std::result::Result<Unpacked, ArchiveError> {
        stream::unpack(&*self.file, entry, expected, scratch, sink)
    }

    /// Passes the data of `entry` to `sink` in pieces, compressed as it is in the archive, and
    /// unchecked.
    ///
    /// # Errors
    /// Data that cannot be read, or the first error of `sink`.
    pub fn copy_data(
        &self,
        entry: &Entry,
        scratch: &mut Scratch,
        sink: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> std::result::Result<(), ArchiveError> {
        stream::copy_data(&*self.file, entry, scratch, sink)
    }

    /// Unpacks the entries of one [`EntryBatch`], in their order, up to the first that is at fault.
    /// Each is passed to `sink` with its position in `items`, its content, and its digest if one
    /// was expected or asked for.
    ///
    /// # Errors
    /// A content that is not what the archive or its item states, or the first error of `sink`.
    pub fn unpack_each(
        &self,
        items: &[Item<'_>],
        backend: Backend,
        scratch: &mut Scratch,
        sink: &mut ItemSink<'_>,
    ) -> std::result::Result<(), ArchiveError> {
        batch::unpack_each(&*self.file, items, backend, scratch, sink)
    }

    /// Unpacks the whole content of an entry of at most `limit` bytes.
    ///
    /// # Errors
    /// An entry that is longer, or whose content is not what the archive or `expected` states.
    pub fn content(
        &self,
        entry: &Entry,
        expected: Expected,
        limit: u64,
        scratch: &mut Scratch,
    ) -> std::result::Result<Vec<u8>, ArchiveError> {
        extract::content(&*self.file, entry, expected, limit, scratch)
    }

    /// Unpacks the first bytes of the content, at most 64 of them, unchecked.
    ///
    /// # Errors
    /// Data that cannot be read or inflated.
    pub fn head(
        &self,
        entry: &Entry,
        scratch: &mut Scratch,
    ) -> std::result::Result<Vec<u8>, ArchiveError> {
        extract::head(&*self.file, entry, scratch)
    }
}

/// Computes the digest of a whole file.
///
/// # Errors
/// A failure to read the file.
pub fn digest_of(file: &dyn ReadAt, algorithm: Algorithm) -> Result<Digest> {
    let mut hasher = Hasher::new(algorithm);
    file.in_pieces(&mut |piece| {
        hasher.update(piece);
        Ok(())
    })?;
    Ok(hasher.finish())
}

/// Refuses an archive that would fill the disk from next to nothing. An entry that inflates to more
/// than its stated size is cut off at that size when it is unpacked.
fn check_ratio(archive: u64, listed: &[ListedEntry<'_>]) -> Option<ArchiveFault> {
    let content = listed
        .iter()
        .fold(0_u64, |sum, listed| sum.saturating_add(listed.entry.size));
    let limit = archive.saturating_mul(MAX_RATIO).max(MIN_CONTENT);
    (content > limit).then_some(ArchiveFault::Inflation {
        content,
        archive,
        limit,
    })
}

/// Refuses a directory entry with content. Its data may be compressed, but must inflate to nothing.
fn check_hollow(file: &dyn ReadAt, listed: &ListedEntry<'_>) -> Option<ArchiveFault> {
    let entry = &listed.entry;
    let nothing = entry.compressed == 0 && entry.crc == 0;
    // A failure to read counts as content, because a refusal is the safe answer. The buffers are
    // not kept: hardly any archive has such a directory.
    let hollow = nothing
        || (entry.method != entry::Method::Stored
            && extract::unpack(
                file,
                entry,
                Expected::default(),
                &mut Scratch::new(),
                &mut |_| Ok(()),
            )
            .is_ok());
    (!hollow).then(|| ArchiveFault::DirectoryContent(listed.name.to_owned()))
}

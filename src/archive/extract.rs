//! The content of one entry: read, inflated and checked, whole where it is small, in pieces where
//! it is large.
//!
//! What is small is handed on only after its CRC-32, size and digest were found right; what is
//! large is handed on in pieces as it comes, and found wrong at its end at the latest. Memory: two
//! buffers of a megabyte a thread, what large entries take of the [`Memory`] that threads share,
//! and what a zstd frame asks for.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::FlushDecompress;

use super::batch::Item;
use super::inflate::Inflater;
use super::stream::Data;
use super::{Archive, Entry, Method};
use crate::digest::{Algorithm, Backend, Digest};
use crate::error::{ArchiveFault as Fault, Error, Result};
use crate::fs::ReadAt;

/// The largest content and the largest compressed content that are held in memory as a whole, in
/// bytes.
pub(super) const WHOLE: u64 = 1 << 20;
/// The largest content, with its compressed form, that is held where there is memory to spare, in
/// bytes.
const HELD: u64 = 24 << 20;
/// How many bytes [`Archive::head`] returns at the most.
const HEAD: usize = 64;

/// What an entry's content should be, and what to find out about it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected {
    /// The digest that it must have.
    pub digest: Option<Digest>,
    /// Which digest to compute where none is expected.
    pub compute: Option<Algorithm>,
}

impl Expected {
    /// The digest to compute.
    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        self.digest
            .map(|digest| digest.algorithm())
            .or(self.compute)
    }

    /// The digest of the content, where it is the expected one.
    pub(super) fn check(&self, entry: &Entry, actual: Option<Digest>) -> Attempt<Option<Digest>> {
        match (self.digest, actual) {
            (Some(recorded), Some(actual)) if recorded != actual => {
                let (recorded, actual) = (recorded.into(), actual.into());
                Err(Fault::DigestMismatch {
                    entry: entry.path.to_string(),
                    recorded,
                    actual,
                }
                .into())
            }
            _ => Ok(actual),
        }
    }
}

/// Buffers that one thread uses for one entry after the other.
pub struct Scratch {
    pub(super) compressed: Vec<u8>,
    pub(super) content: Vec<u8>,
    pub(super) inflate: Inflater,
    memory: Arc<Memory>,
}

/// How many bytes several threads may hold together beside their own buffers: large entries are
/// faster as a whole.
#[derive(Debug)]
pub struct Memory(AtomicU64);

impl Memory {
    /// So many bytes.
    pub fn new(bytes: u64) -> Self {
        Self(AtomicU64::new(bytes))
    }

    fn take(&self, bytes: u64) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            })
            .is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Scratch {
    /// Empty buffers, which hold nothing large.
    pub fn new() -> Self {
        Self::sharing(&Arc::new(Memory::new(0)))
    }

    /// Empty buffers of one thread of several that share `memory`.
    pub fn sharing(memory: &Arc<Memory>) -> Self {
        let inflate = Inflater::new();
        Self {
            compressed: Vec::new(),
            content: Vec::new(),
            inflate,
            memory: Arc::clone(memory),
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// A failure within one entry: of the entry, or of whatever takes its content.
pub(super) enum Trouble {
    Entry(Fault),
    Other(Error),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Entry(fault)
    }
}

pub(super) type Attempt<T> = std::result::Result<T, Trouble>;

/// Where an entry's content goes.
pub(super) type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

impl Entry {
    /// Where its data lies in the archive.
    pub fn range(&self) -> Range<u64> {
        self.data..self.data.saturating_add(self.compressed)
    }

    /// Whether it is held in memory as a whole.
    fn is_small(&self) -> bool {
        self.size <= WHOLE && self.compressed <= WHOLE
    }
}

impl Archive {
    /// Hands the content of `entry` to `sink`, in order, and returns its digest where one was
    /// expected or asked for.
    ///
    /// # Errors
    /// Where the content is not what the archive or `expected` states, or `sink` fails.
    pub fn unpack(
        &self,
        entry: &Entry,
        expected: Expected,
        scratch: &mut Scratch,
        sink: &mut Sink<'_>,
    ) -> std::result::Result<Option<Digest>, EntryError> {
        if entry.is_small() {
            return self.unpack_whole(entry, expected, scratch, sink);
        }
        let bytes = entry.size.saturating_add(entry.compressed);
        if entry.method != Method::Deflate || bytes > HELD || !scratch.memory.take(bytes) {
            return self
                .unpack_in_pieces(entry, expected, scratch, sink)
                .map_err(EntryError::from);
        }
        // In buffers that go again: what a thread keeps is small.
        let kept = (
            std::mem::take(&mut scratch.compressed),
            std::mem::take(&mut scratch.content),
        );
        let unpacked = self.unpack_whole(entry, expected, scratch, sink);
        (scratch.compressed, scratch.content) = kept;
        scratch.memory.give_back(bytes);
        unpacked
    }

    /// The whole content of an entry of at most `limit` bytes.
    ///
    /// # Errors
    /// Where it is longer, or not what the archive or `expected` states.
    pub fn content(
        &self,
        entry: &Entry,
        expected: Expected,
        limit: u64,
        scratch: &mut Scratch,
    ) -> std::result::Result<Vec<u8>, EntryError> {
        if entry.size > limit {
            let what = format!("the size of `{}`", entry.path);
            return Err(EntryError::Fault(Fault::TooLarge {
                what,
                size: entry.size,
                limit,
            }));
        }
        let mut content = Vec::with_capacity(usize::try_from(entry.size).unwrap_or(0));
        self.unpack(entry, expected, scratch, &mut |piece| {
            content.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(content)
    }

    /// The first bytes of the content, at most 64 of them, unchecked.
    ///
    /// # Errors
    /// Where they cannot be read or inflated.
    pub fn head(
        &self,
        entry: &Entry,
        scratch: &mut Scratch,
    ) -> std::result::Result<Vec<u8>, EntryError> {
        let count = usize::try_from(entry.compressed)
            .unwrap_or(usize::MAX)
            .min(1 << 12);
        let mut compressed = vec![0; count];
        let mut content = vec![0; HEAD];
        let failed = |error: &dyn std::fmt::Display| EntryError::Fault(corrupt(entry, error));
        self.read_data(entry, &mut compressed)
            .map_err(EntryError::from)?;
        let length = match entry.method {
            Method::Stored => {
                content.clone_from(&compressed);
                count
            }
            Method::Deflate => {
                scratch.inflate.pieces.reset(false);
                let result = scratch.inflate.pieces.decompress(
                    &compressed,
                    &mut content,
                    FlushDecompress::None,
                );
                result.map_err(|error| failed(&error))?;
                usize::try_from(scratch.inflate.pieces.total_out()).unwrap_or(0)
            }
            Method::Zstd => {
                let data = Data {
                    file: &*self.file,
                    at: entry.data,
                    left: entry.compressed,
                };
                let decoder = zstd(entry, data).map_err(EntryError::from)?;
                content.clear();
                decoder
                    .take(HEAD as u64)
                    .read_to_end(&mut content)
                    .map_err(|error| failed(&error))?
            }
        };
        content.truncate(length.min(HEAD));
        Ok(content)
    }

    fn unpack_whole(
        &self,
        entry: &Entry,
        expected: Expected,
        scratch: &mut Scratch,
        sink: &mut Sink<'_>,
    ) -> std::result::Result<Option<Digest>, EntryError> {
        let mut found = None;
        let unpacked = self.unpack_each(
            &[Item { entry, expected }],
            Backend::Single,
            scratch,
            &mut |_, content, digest| {
                found = digest;
                sink(content)
            },
        );
        unpacked.map(|()| found)
    }

    fn read_data(&self, entry: &Entry, into: &mut [u8]) -> Attempt<()> {
        self.file
            .read_exact_at(into, entry.data)
            .map_err(|error| unreadable(&*self.file, entry, error))
    }
}

/// Why an entry could not be unpacked.
#[derive(Debug)]
pub enum EntryError {
    /// The entry is not what it should be.
    Fault(Fault),
    /// Reading the archive or using the content failed.
    Other(Error),
}

impl From<Trouble> for EntryError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Entry(fault) => Self::Fault(fault),
            Trouble::Other(error) => Self::Other(error),
        }
    }
}

impl EntryError {
    /// As an error about the wheel `label`.
    pub fn of_wheel(self, label: &str) -> Error {
        match self {
            Self::Fault(fault) => Error::wheel(label, fault),
            Self::Other(error) => error,
        }
    }
}

/// Compares the size and, where that is right, the CRC-32 of the content with what the archive
/// states.
pub(super) fn check_sums(entry: &Entry, size: u64, crc: impl FnOnce() -> u32) -> Attempt<()> {
    let name = || entry.path.to_string();
    if size != entry.size {
        return Err(Fault::Size {
            entry: name(),
            stated: entry.size,
            actual: size,
        }
        .into());
    }
    let actual = crc();
    if actual == entry.crc {
        Ok(())
    } else {
        Err(Fault::Crc {
            entry: name(),
            stated: entry.crc,
            actual,
        }
        .into())
    }
}

/// Reads until `room` is full or there is no more.
pub(super) fn fill(mut from: impl Read, room: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < room.len() {
        match from.read(&mut room[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

pub(super) fn grow(buffer: &mut Vec<u8>, length: usize) {
    if buffer.is_empty() {
        // The system's pages come as zeros.
        *buffer = vec![0; length];
    } else if buffer.len() < length {
        buffer.resize(length, 0);
    }
}

pub(super) fn corrupt(entry: &Entry, reason: &dyn std::fmt::Display) -> Fault {
    Fault::Corrupt {
        entry: entry.path.to_string(),
        reason: reason.to_string(),
    }
}

pub(super) fn unreadable(file: &dyn ReadAt, entry: &Entry, error: io::Error) -> Trouble {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        Trouble::Entry(Fault::Truncated(entry.path.to_string()))
    } else {
        Trouble::Other(Error::io("read", file.path(), error))
    }
}

/// Refuses compressed data that goes on after its end: another reader might see more of it.
pub(super) fn nothing_follows(entry: &Entry, left: u64) -> Attempt<()> {
    if left == 0 {
        Ok(())
    } else {
        Err(corrupt(entry, &"bytes follow the compressed data").into())
    }
}

pub(super) fn zstd<R: Read>(entry: &Entry, data: R) -> Attempt<impl Read> {
    ruzstd::decoding::StreamingDecoder::new(data).map_err(|error| corrupt(entry, &error).into())
}

//! Small entries that lie side by side in an archive: read with one system call, and hashed side by
//! side if that is faster.
//!
//! Input: entries in the order of their data. Output: their contents, each passed on only after its
//! size, CRC-32 and digest were found right. Limits: [`MAX_DATA`], [`MAX_CONTENT`] and
//! [`MAX_COUNT`]; a single entry may be larger.

use std::io::{self, Read};
use std::ops::Range;

use super::entry::{ArchiveError, ArchiveResult, Entry, Method, corrupt, unreadable};
use super::inflate::{Inflater, MARGIN, zstd};
use super::scratch::{Scratch, grow};
use super::verify::{Expected, check_fully_used, check_size_and_crc};
use crate::digest::{Backend, Digest};
use crate::error::Result;
use crate::fs::ReadAt;

/// The most compressed data of a batch, in bytes.
const MAX_DATA: u64 = 1 << 18;
/// The most content of a batch, in bytes.
// The buffers of a thread must hold a single entry of a megabyte anyway (`extract`), so batches
// within these two limits never make them larger.
const MAX_CONTENT: u64 = 1 << 19;
/// The widest gap between two entries that is read along, in bytes: reading it costs less than
/// another system call.
const MAX_GAP: u64 = 1 << 14;
/// The most entries of a batch. Creating a file takes time regardless of its size, so larger
/// batches would be shared out unevenly among threads.
const MAX_COUNT: usize = 64;

/// Entries that lie side by side.
#[derive(Debug)]
pub struct EntryBatch {
    data: Range<u64>,
    content: u64,
    count: usize,
}

impl EntryBatch {
    /// A batch of one entry, of any size.
    pub fn of(entry: &Entry) -> Self {
        Self {
            data: entry.range(),
            content: entry.size,
            count: 1,
        }
    }

    /// Adds `entry` if it lies close behind the others and the batch stays within its limits;
    /// returns whether it did.
    pub fn add(&mut self, entry: &Entry) -> bool {
        let Range { start, end } = entry.range();
        // The first comparison keeps the subtractions after it from wrapping around.
        let fits = start >= self.data.end
            && start - self.data.end <= MAX_GAP
            && end - self.data.start <= MAX_DATA
            && self.content.saturating_add(entry.size) <= MAX_CONTENT
            && self.count < MAX_COUNT;
        if fits {
            self.data.end = end;
            self.content += entry.size;
            self.count += 1;
        }
        fits
    }
}

/// An entry to unpack.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// The digest that its content must have, or the digest to compute of it.
    pub expected: Expected,
}

/// The receiver of whole contents: the item's position among the items, its content, and its digest
/// if one was expected or asked for.
pub type ItemSink<'a> = dyn FnMut(usize, &[u8], Option<Digest>) -> Result<()> + 'a;

/// Unpacks the entries of one [`EntryBatch`] and passes them to `sink` in their order, up to the
/// first that is at fault.
pub(super) fn unpack_each(
    file: &dyn ReadAt,
    items: &[Item<'_>],
    backend: Backend,
    scratch: &mut Scratch,
    sink: &mut ItemSink<'_>,
) -> ArchiveResult<()> {
    let Some(first) = items.first() else {
        return Ok(());
    };
    let begin = first.entry.data;
    let end = items
        .iter()
        .map(|item| item.entry.range().end)
        .fold(begin, u64::max);
    let length = first.entry.in_memory(end - begin)?;
    grow(&mut scratch.compressed, MARGIN + length + MARGIN);
    file.read_exact_at(&mut scratch.compressed[MARGIN..MARGIN + length], begin)
        .map_err(|error| unreadable(file, first.entry, error))?;
    // A backend that hashes one content at a time gains nothing from several at once, and a content
    // that is passed on at once is still in the processor's cache.
    let at_once = if backend.lanes() == 1 { 1 } else { items.len() };
    for (number, items) in (0..).step_by(at_once).zip(items.chunks(at_once)) {
        unpack_chunk(
            items,
            begin,
            backend,
            scratch,
            &mut |at, content, digest| sink(number + at, content, digest),
        )?;
    }
    Ok(())
}

/// Inflates, checks and passes on entries whose data was read from offset `begin` of the archive.
fn unpack_chunk(
    items: &[Item<'_>],
    begin: u64,
    backend: Backend,
    scratch: &mut Scratch,
    sink: &mut ItemSink<'_>,
) -> ArchiveResult<()> {
    let mut room = 0;
    for item in items {
        room += item.entry.in_memory(item.entry.size)? + 1;
    }
    grow(&mut scratch.content, room);
    // All contents are inflated before any is hashed, because the lanes need several at once.
    let mut rest = &mut scratch.content[..];
    let mut contents: Vec<&[u8]> = Vec::with_capacity(items.len());
    let mut failure = None;
    for item in items {
        match inflate_one(
            item.entry,
            begin,
            &mut scratch.compressed,
            &mut scratch.inflater,
            &mut *rest,
        ) {
            Ok(length) => {
                let (content, after) = rest.split_at_mut(length);
                contents.push(content);
                rest = after;
            }
            Err(error) => {
                // The entries before this one are good and are passed on first, as if they had been
                // unpacked one by one.
                failure = Some(error);
                break;
            }
        }
    }
    let unpacked = || items.iter().zip(&contents);
    let hashed: Vec<_> = unpacked()
        .filter_map(|(item, content)| Some((item.expected.algorithm()?, *content)))
        .collect();
    let mut digests = backend.digest_each(&hashed).into_iter();
    for (number, (item, content)) in unpacked().enumerate() {
        // An item without an algorithm was not hashed and must not take the digest of the next one.
        let digest = item.expected.algorithm().and_then(|_| digests.next());
        let digest = item.expected.check(item.entry, digest)?;
        sink(number, content, digest).map_err(ArchiveError::Other)?;
    }
    failure.map_or(Ok(()), Err)
}

/// Puts the content of `entry` at the beginning of `room`, which is longer than it, checks size and
/// CRC-32, and returns the length. `compressed` holds the archive from offset `begin` on, with a
/// margin before and after it.
///
/// The margins that inflating overwrites are the bytes around the entry's data: local headers,
/// which are longer than a margin and have been checked already, or a data descriptor and a header.
fn inflate_one(
    entry: &Entry,
    begin: u64,
    compressed: &mut [u8],
    inflater: &mut Inflater,
    room: &mut [u8],
) -> ArchiveResult<usize> {
    let at = entry.in_memory(entry.data - begin)?;
    let length = entry.in_memory(entry.compressed)?;
    let size = entry.in_memory(entry.size)?;
    let member = &mut compressed[at..at + MARGIN + length + MARGIN];
    // One byte more than stated, so that content which is too long does not look right.
    let room = &mut room[..=size];
    let (count, crc_checked) = match entry.method {
        Method::Stored => {
            // The two lengths may differ in a faulty archive. The check below reports that.
            let most = length.min(size);
            room[..most].copy_from_slice(&member[MARGIN..MARGIN + most]);
            (length, false)
        }
        Method::Deflate => {
            let inflated = inflater.inflate(entry, member, room)?;
            (inflated.length, inflated.crc_checked)
        }
        Method::Zstd => {
            let mut rest = &member[MARGIN..MARGIN + length];
            let count =
                fill(zstd(entry, &mut rest)?, room).map_err(|error| corrupt(entry, &error))?;
            check_fully_used(entry, rest.len() as u64)?;
            (count, false)
        }
    };
    check_size_and_crc(entry, count as u64, || {
        // libdeflate has compared the CRC-32 already, so a second pass would only cost time.
        if crc_checked {
            entry.crc
        } else {
            crc32fast::hash(&room[..count])
        }
    })?;
    Ok(count)
}

/// Reads until `room` is full or the input ends; returns the number of bytes.
fn fill(mut from: impl Read, room: &mut [u8]) -> io::Result<usize> {
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

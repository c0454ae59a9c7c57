//! Neighbours in an archive: small entries that are read at once, and hashed side by side where
//! that is faster.
//!
//! Input: entries in the order in which their data lies. Output: their contents, each handed on
//! only after its size, CRC-32 and digest were found right. Limits, but for one entry alone:
//! [`DATA`], [`CONTENT`] and [`MOST`].

use std::ops::Range;

use super::extract::{
    Attempt, EntryError, Scratch, Trouble, check_sums, corrupt, fill, grow, nothing_follows,
};
use super::extract::{unreadable, zstd};
use super::inflate::{Inflater, MARGIN};
use super::{Archive, Entry, Expected, Method};
use crate::digest::{Backend, Digest};
use crate::error::Result;

/// The most compressed data of a stretch, in bytes.
const DATA: u64 = 1 << 18;
/// The most content of a stretch, in bytes.
const CONTENT: u64 = 1 << 19;
/// The widest gap between two entries that is read for nothing, in bytes.
const WIDEST_GAP: u64 = 1 << 14;
/// The most entries of a stretch: several threads share the work, and making files takes time
/// whatever their size is.
const MOST: usize = 64;

/// Entries that lie side by side.
#[derive(Debug)]
pub struct Stretch {
    data: Range<u64>,
    content: u64,
    count: usize,
}

impl Stretch {
    /// One entry.
    pub fn of(entry: &Entry) -> Self {
        Self {
            data: entry.range(),
            content: entry.size,
            count: 1,
        }
    }

    /// Goes on to another entry, where that is small, lies close behind and keeps within the
    /// limits.
    pub fn goes_on_to(&mut self, entry: &Entry) -> bool {
        let Range { start, end } = entry.range();
        let fits = start >= self.data.end
            && start - self.data.end <= WIDEST_GAP
            && end - self.data.start <= DATA
            && self.content.saturating_add(entry.size) <= CONTENT
            && self.count < MOST;
        if fits {
            (self.data.end, self.content, self.count) =
                (end, self.content + entry.size, self.count + 1);
        }
        fits
    }
}

/// An entry to unpack.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// Which one it is.
    pub entry: &'a Entry,
    /// What its content should be.
    pub expected: Expected,
}

/// Where contents go: the number of each, and its digest where there is one.
pub(super) type Held<'a> = dyn FnMut(usize, &[u8], Option<Digest>) -> Result<()> + 'a;

impl Archive {
    /// Unpacks the entries of one [`Stretch`], in their order. Hands on each number in `items`,
    /// content, and digest where one was expected or asked for, until one is at fault.
    ///
    /// # Errors
    /// Where the content of one is not what it should be, or `sink` fails with it.
    pub fn unpack_each(
        &self,
        items: &[Item<'_>],
        backend: Backend,
        scratch: &mut Scratch,
        sink: &mut Held<'_>,
    ) -> std::result::Result<(), EntryError> {
        let Some(first) = items.first() else {
            return Ok(());
        };
        let begin = first.entry.data;
        let end = items
            .iter()
            .map(|item| item.entry.range().end)
            .fold(begin, u64::max);
        let length = usize::try_from(end - begin).unwrap_or(usize::MAX);
        grow(&mut scratch.compressed, MARGIN + length + MARGIN);
        let read = self
            .file
            .read_exact_at(&mut scratch.compressed[MARGIN..MARGIN + length], begin);
        read.map_err(|error| unreadable(&*self.file, first.entry, error))?;
        // Where nothing is gained by holding several, each is handed on while the processor has it
        // at hand.
        let at_once = if backend.lanes() == 1 { 1 } else { items.len() };
        for (number, items) in (0..).step_by(at_once).zip(items.chunks(at_once)) {
            hand_on_each(
                items,
                begin,
                backend,
                scratch,
                &mut |at, content, digest| sink(number + at, content, digest),
            )?;
        }
        Ok(())
    }
}

/// Inflates, checks and hands on entries whose data was read from `begin` on.
fn hand_on_each(
    items: &[Item<'_>],
    begin: u64,
    backend: Backend,
    scratch: &mut Scratch,
    sink: &mut Held<'_>,
) -> Attempt<()> {
    let room = items
        .iter()
        .map(|item| usize::try_from(item.entry.size).unwrap_or(0) + 1)
        .sum();
    grow(&mut scratch.content, room);
    let mut rest = &mut scratch.content[..];
    let mut contents: Vec<&[u8]> = Vec::with_capacity(items.len());
    let mut failure = None;
    for item in items {
        match hold(
            item.entry,
            begin,
            &mut scratch.compressed,
            &mut scratch.inflate,
            &mut *rest,
        ) {
            Ok(length) => {
                let (content, after) = rest.split_at_mut(length);
                contents.push(content);
                rest = after;
            }
            Err(trouble) => {
                failure = Some(trouble);
                break;
            }
        }
    }
    let held = || items.iter().zip(&contents);
    let hashed: Vec<_> = held()
        .filter_map(|(item, content)| Some((item.expected.algorithm()?, *content)))
        .collect();
    let mut digests = backend.digest_each(&hashed).into_iter();
    for (number, (item, content)) in held().enumerate() {
        let digest = item.expected.algorithm().and_then(|_| digests.next());
        let digest = item.expected.check(item.entry, digest)?;
        sink(number, content, digest).map_err(Trouble::Other)?;
    }
    failure.map_or(Ok(()), Err)
}

/// Puts the content of `entry` at the beginning of `room`, which is longer than it; returns its
/// length. Size and CRC-32 are right then. `compressed` holds the archive from `begin` on, with
/// margins; what is used up around the data are local headers, which are longer than margins and
/// known already.
fn hold(
    entry: &Entry,
    begin: u64,
    compressed: &mut [u8],
    inflate: &mut Inflater,
    room: &mut [u8],
) -> Attempt<usize> {
    let at = usize::try_from(entry.data - begin).map_err(|error| corrupt(entry, &error))?;
    let length = usize::try_from(entry.compressed).map_err(|error| corrupt(entry, &error))?;
    let size = usize::try_from(entry.size).unwrap_or(0);
    let member = &mut compressed[at..at + MARGIN + length + MARGIN];
    // One byte more than stated, so that content which is too long is seen as such.
    let room = &mut room[..=size];
    let (count, checked) = match entry.method {
        Method::Stored => {
            let most = length.min(size);
            room[..most].copy_from_slice(&member[MARGIN..MARGIN + most]);
            (length, false)
        }
        Method::Deflate => {
            let inflated = inflate.inflate(entry, member, room)?;
            (inflated.length, inflated.checked)
        }
        Method::Zstd => {
            let mut rest = &member[MARGIN..MARGIN + length];
            let count =
                fill(zstd(entry, &mut rest)?, room).map_err(|error| corrupt(entry, &error))?;
            nothing_follows(entry, rest.len() as u64)?;
            (count, false)
        }
    };
    check_sums(entry, count as u64, || {
        if checked {
            entry.crc
        } else {
            crc32fast::hash(&room[..count])
        }
    })?;
    Ok(count)
}

//! Unpacks one large entry in pieces.
//!
//! Input: an entry. Output: its content, passed to a sink in order. Size, CRC-32 and digest are
//! only known at the end, so a fault is reported after pieces were passed on, but never more bytes
//! are passed on than the archive states. Memory: two buffers of [`PIECE`] bytes, and the window of
//! a zstd frame. The rest of a huge deflated entry is hashed and written on a second thread if one
//! has nothing else to do.

use std::io::{self, Read};
use std::ops::Range;

use super::entry::{ArchiveError, ArchiveResult, Entry, Method, corrupt, unreadable};
use super::inflate::{Inflate, Progress, zstd};
use super::pipeline::{self, Pieces};
use super::scratch::{Scratch, grow};
use super::verify::{Expected, check_fully_used, check_size_and_crc, wrong_size};
use crate::digest::{Digest, Hasher};
use crate::error::Result;
use crate::fs::ReadAt;
use crate::threads::SpareThreads;

/// How many bytes of compressed or stored data are read at once. Larger pieces gain nothing.
const PIECE: usize = 1 << 18;

/// The receiver of an entry's content, which comes in one or more pieces, from one thread after
/// another.
pub type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + Send + 'a;

/// What is known of an entry once it was unpacked in pieces.
#[derive(Debug, Clone, Copy)]
pub struct Unpacked {
    /// Its digest, if one was expected or asked for.
    pub digest: Option<Digest>,
    /// The places in its data that matter to join it with another stream, if it is deflated.
    pub end: Option<StreamEnd>,
}

/// Two places in a deflate stream, in bits from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamEnd {
    /// The place of the bit that marks the last block as the last.
    pub last_header: u64,
    /// The place behind the last bit.
    pub end: u64,
}

/// Passes the content of `entry` to `sink` in pieces.
pub(super) fn unpack(
    file: &dyn ReadAt,
    entry: &Entry,
    expected: Expected,
    scratch: &mut Scratch,
    sink: &mut Sink<'_>,
) -> ArchiveResult<Unpacked> {
    let mut writer = PieceWriter {
        entry,
        crc: crc32fast::Hasher::new(),
        digest: expected.algorithm().map(Hasher::new),
        size: 0,
        sink,
    };
    let mut data = Data::new(file, entry);
    let mut end = None;
    match entry.method {
        Method::Stored => writer.copy(data, &mut scratch.content)?,
        Method::Deflate => end = Some(writer.inflate(data, scratch)?),
        Method::Zstd => {
            writer.copy(zstd(entry, &mut data)?, &mut scratch.content)?;
            // The decoder reads no further than its frame, so these bytes lie behind it.
            check_fully_used(entry, data.left)?;
        }
    }
    check_size_and_crc(entry, writer.size, || writer.crc.finalize())?;
    let digest = expected.check(entry, writer.digest.map(Hasher::finish))?;
    Ok(Unpacked { digest, end })
}

/// Passes the data of `entry` to `sink` in pieces, as it is in the archive.
pub(super) fn copy_data(
    file: &dyn ReadAt,
    entry: &Entry,
    scratch: &mut Scratch,
    sink: &mut dyn FnMut(&mut [u8]) -> Result<()>,
) -> ArchiveResult<()> {
    let mut data = Data::new(file, entry);
    grow(&mut scratch.compressed, PIECE);
    while data.left > 0 {
        let count = data
            .read(&mut scratch.compressed[..PIECE])
            .map_err(|error| unreadable(file, entry, error))?;
        sink(&mut scratch.compressed[..count]).map_err(ArchiveError::Other)?;
    }
    Ok(())
}

/// The content so far: passed on, counted and hashed.
struct PieceWriter<'a, 's> {
    entry: &'a Entry,
    crc: crc32fast::Hasher,
    digest: Option<Hasher>,
    size: u64,
    sink: &'a mut Sink<'s>,
}

impl PieceWriter<'_, '_> {
    /// Passes one piece on, unless it goes beyond the stated size.
    fn write(&mut self, piece: &[u8]) -> ArchiveResult<()> {
        self.size += piece.len() as u64;
        if self.size > self.entry.size {
            return Err(wrong_size(self.entry, self.size));
        }
        self.crc.update(piece);
        if let Some(digest) = &mut self.digest {
            digest.update(piece);
        }
        (self.sink)(piece).map_err(ArchiveError::Other)
    }

    /// Copies everything that `from` yields.
    fn copy(&mut self, mut from: impl Read, buffer: &mut Vec<u8>) -> ArchiveResult<()> {
        grow(buffer, PIECE);
        loop {
            match from.read(&mut buffer[..PIECE]) {
                Ok(0) => return Ok(()),
                Ok(count) => self.write(&buffer[..count])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The errors of a decoder do not distinguish damaged data from a failed read.
                Err(error) => return Err(corrupt(self.entry, &error).into()),
            }
        }
    }

    /// Inflates `data`, which must end with its stream, and has a spare thread hash and write the
    /// rest as soon as there is one.
    fn inflate(&mut self, data: Data<'_>, scratch: &mut Scratch) -> ArchiveResult<StreamEnd> {
        let spare = scratch.spare.clone();
        let mut pieces = DeflatePieces::new(self.entry, data, scratch);
        while let Some(piece) = pieces.next()? {
            self.write(piece)?;
            let left = self.entry.size - self.size;
            if left >= pipeline::LEAST
                && let Some(_thread) = spare.as_ref().and_then(SpareThreads::take)
            {
                pipeline::run(&mut pieces, |piece| self.write(piece))?;
            }
        }
        Ok(pieces.end.expect("the last piece ends the stream"))
    }
}

/// Inflates the data of one entry, piece by piece.
struct DeflatePieces<'a> {
    entry: &'a Entry,
    data: Data<'a>,
    inflate: &'a mut Inflate,
    compressed: &'a mut [u8],
    /// The bytes of `compressed` that are not used yet.
    input: Range<usize>,
    needs_input: bool,
    /// The number of bytes that were used in earlier calls.
    before: u64,
    last_header: Option<u64>,
    /// Known once the stream has ended.
    end: Option<StreamEnd>,
}

impl<'a> DeflatePieces<'a> {
    fn new(entry: &'a Entry, data: Data<'a>, scratch: &'a mut Scratch) -> Self {
        grow(&mut scratch.compressed, PIECE);
        let inflate = &mut scratch.inflater.pieces;
        inflate.reset();
        Self {
            entry,
            data,
            inflate,
            compressed: &mut scratch.compressed[..PIECE],
            input: 0..0,
            needs_input: true,
            before: 0,
            last_header: None,
            end: None,
        }
    }

    /// Fills the buffer: the bytes that were not used yet come first, and new data follows them.
    fn read(&mut self) -> ArchiveResult<()> {
        self.compressed.copy_within(self.input.clone(), 0);
        self.input = 0..self.input.len();
        while self.input.end < PIECE && self.data.left > 0 {
            self.input.end += self
                .data
                .read(&mut self.compressed[self.input.end..])
                .map_err(|error| unreadable(self.data.file, self.entry, error))?;
        }
        Ok(())
    }

    /// Inflates until the data that was read or the buffer is used up.
    fn decode(&mut self) -> ArchiveResult<Progress> {
        if self.needs_input {
            self.read()?;
        }
        let (used, progress) = self
            .inflate
            .decode(&self.compressed[self.input.clone()], self.data.left == 0)
            .map_err(|fault| corrupt(self.entry, &fault))?;
        // The offset is negative if the header begins in a byte that was used before.
        if let Some(offset) = self.inflate.last_header() {
            self.last_header = (self.before * 8).checked_add_signed(offset);
        }
        self.input.start += used;
        self.before += used as u64;
        self.needs_input = progress == Progress::NeedsInput;
        if progress == Progress::End {
            check_fully_used(self.entry, self.input.len() as u64 + self.data.left)?;
            self.end = Some(StreamEnd {
                last_header: self.last_header.expect("a stream ends with a last block"),
                end: self.before * 8 - u64::from(self.inflate.unused_bits()),
            });
        }
        Ok(progress)
    }
}

impl Pieces for DeflatePieces<'_> {
    /// The data must end with its stream.
    fn next(&mut self) -> ArchiveResult<Option<&[u8]>> {
        if self.end.is_some() {
            return Ok(None);
        }
        self.inflate.discard();
        // The buffer is filled before it is passed on, however the data is cut into reads: each
        // piece costs a copy of the window and a write.
        while self.decode()? == Progress::NeedsInput {}
        let content = self.inflate.content();
        Ok((!content.is_empty()).then_some(content))
    }
}

/// Reads the compressed data of one entry, in order.
pub(super) struct Data<'a> {
    file: &'a dyn ReadAt,
    at: u64,
    /// How many bytes have not been read yet.
    left: u64,
}

impl<'a> Data<'a> {
    pub(super) fn new(file: &'a dyn ReadAt, entry: &Entry) -> Self {
        Self {
            file,
            at: entry.data,
            left: entry.compressed,
        }
    }
}

impl Read for Data<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(into.len(), |left| left.min(into.len()));
        if most == 0 {
            return Ok(0);
        }
        let count = self.file.read_at(&mut into[..most], self.at)?;
        // Decompressors take 0 bytes for a regular end; the file has become shorter.
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

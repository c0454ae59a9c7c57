//! Unpacks one large entry in pieces.
//!
//! Input: an entry. Output: its content, passed to a sink in order. Size, CRC-32 and digest are
//! only known at the end, so a fault is reported after pieces were passed on, but never more bytes
//! are passed on than the archive states. Memory: two buffers of [`PIECE`] bytes, and the window of
//! a zstd frame.

use std::io::{self, Read};

use super::entry::{ArchiveError, ArchiveResult, Entry, Method, corrupt, unreadable};
use super::inflate::{Progress, zstd};
use super::scratch::{Scratch, grow};
use super::verify::{Expected, check_fully_used, check_size_and_crc, wrong_size};
use crate::digest::{Digest, Hasher};
use crate::error::Result;
use crate::fs::ReadAt;

/// How many bytes of compressed or stored data are read at once. Larger pieces gain nothing.
const PIECE: usize = 1 << 18;

/// The receiver of an entry's content, which comes in one or more pieces.
pub(super) type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

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

    /// Inflates `data`, which must end with its stream.
    fn inflate(&mut self, mut data: Data<'_>, scratch: &mut Scratch) -> ArchiveResult<StreamEnd> {
        grow(&mut scratch.compressed, PIECE);
        let inflate = &mut scratch.inflater.pieces;
        inflate.reset();
        // The bytes of the buffer that hold compressed data.
        let mut input = 0..0;
        // The number of bytes that were used in earlier calls.
        let mut before = 0_u64;
        let mut last_header = None;
        loop {
            // What was not used before comes first, and new data follows it.
            scratch.compressed.copy_within(input.clone(), 0);
            input = 0..input.len();
            while input.end < PIECE && data.left > 0 {
                input.end += data
                    .read(&mut scratch.compressed[input.end..PIECE])
                    .map_err(|error| unreadable(data.file, self.entry, error))?;
            }
            loop {
                let (used, progress) = inflate
                    .decode(&scratch.compressed[input.clone()], data.left == 0)
                    .map_err(|fault| corrupt(self.entry, &fault))?;
                // The offset is negative if the header begins in a byte that was used before.
                if let Some(offset) = inflate.last_header() {
                    last_header = (before * 8).checked_add_signed(offset);
                }
                input.start += used;
                before += used as u64;
                self.write(inflate.content())?;
                match progress {
                    Progress::NeedsInput => break,
                    Progress::Full => {}
                    Progress::End => {
                        check_fully_used(self.entry, input.len() as u64 + data.left)?;
                        return Ok(StreamEnd {
                            last_header: last_header.expect("a stream ends with a last block"),
                            end: before * 8 - u64::from(inflate.unused_bits()),
                        });
                    }
                }
            }
        }
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

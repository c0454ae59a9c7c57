//! One gzip member (RFC 1952) that holds what several deflate streams hold (RFC 1951).
//!
//! A stream is opened at its end: the bit that marks its last block as the last is cleared, and an
//! empty stored block fills up the last byte, so that the next stream can follow. Nothing is
//! compressed again, and every reader of gzip takes the result for what it is, an ordinary member.
//! This is the method of zlib's example `gzjoin`. What is new is deflated and left open.

use super::output::ArtifactOutput;
use crate::archive::{Deflater, StreamEnd};
use crate::error::Result;

/// No name, no time, and no system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// An empty block with fixed codes that is the last one.
const LAST: [u8; 2] = [3, 0];
/// The lengths in an empty stored block, which begin at a byte boundary.
const EMPTY: [u8; 4] = [0, 0, 0xff, 0xff];
/// How many bits the header of a block takes.
const BLOCK_HEADER: u64 = 3;
/// The most bytes of a stored block.
const MAX_STORED: usize = 0xffff;

/// A member while it is written.
pub(super) struct GzipWriter {
    /// New content that is not deflated yet, because more may follow it.
    waiting: Vec<u8>,
    deflater: Deflater,
    sum: crc32fast::Hasher,
    length: u64,
}

/// How many bytes of new content are deflated at once at least.
const PIECE: usize = 1 << 18;

impl GzipWriter {
    /// Writes the header of a member, whose new content is deflated at this level.
    pub(super) fn begin(level: u32, output: &mut ArtifactOutput<'_>) -> Result<Self> {
        output.write(&HEADER)?;
        Ok(Self {
            waiting: Vec::new(),
            deflater: Deflater::with_level(level),
            sum: crc32fast::Hasher::new(),
            length: 0,
        })
    }

    /// Appends new content, which is deflated.
    pub(super) fn add(&mut self, content: &[u8], output: &mut ArtifactOutput<'_>) -> Result<()> {
        self.waiting.extend_from_slice(content);
        if self.waiting.len() >= PIECE {
            self.write_waiting(output)?;
        }
        Ok(())
    }

    /// Prepares to append a stream whose content has this CRC-32 and length.
    fn begin_stream(&mut self, crc: u32, size: u64, output: &mut ArtifactOutput<'_>) -> Result<()> {
        self.write_waiting(output)?;
        self.sum
            .combine(&crc32fast::Hasher::new_with_initial_len(crc, size));
        self.length = self.length.wrapping_add(size);
        Ok(())
    }

    /// Appends the content of a deflate stream, which has this CRC-32 and length. `copy` passes the
    /// bytes of the stream on, in pieces.
    pub(super) fn join(
        &mut self,
        (crc, size): (u32, u64),
        end: StreamEnd,
        output: &mut ArtifactOutput<'_>,
        copy: impl FnOnce(&mut dyn FnMut(&mut [u8]) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        self.begin_stream(crc, size, output)?;
        let mut at = 0;
        copy(&mut |piece| {
            open_at(end, at, piece);
            at += piece.len() as u64;
            output.write(piece)
        })?;
        output.write(filling(end))
    }

    /// Appends a stream that is open already, and whose content has this CRC-32 and length.
    pub(super) fn append(
        &mut self,
        (crc, size): (u32, u64),
        stream: &[u8],
        output: &mut ArtifactOutput<'_>,
    ) -> Result<()> {
        self.begin_stream(crc, size, output)?;
        output.write(stream)
    }

    /// Appends content with this CRC-32 and length as it is, in stored blocks. `copy` passes its
    /// bytes on, in pieces.
    pub(super) fn store(
        &mut self,
        (crc, size): (u32, u64),
        output: &mut ArtifactOutput<'_>,
        copy: impl FnOnce(&mut dyn FnMut(&mut [u8]) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        self.begin_stream(crc, size, output)?;
        copy(&mut |piece| {
            for block in piece.chunks(MAX_STORED) {
                let length = u16::try_from(block.len()).expect("a block is that short");
                let [low, high] = length.to_le_bytes();
                output.write(&[0, low, high, !low, !high])?;
                output.write(block)?;
            }
            Ok(())
        })
    }

    /// Ends the member.
    pub(super) fn finish(mut self, output: &mut ArtifactOutput<'_>) -> Result<()> {
        self.write_waiting(output)?;
        output.write(&LAST)?;
        output.write(&self.sum.finalize().to_le_bytes())?;
        // The length is stated modulo 2^32 (2.3.1).
        let [a, b, c, d, ..] = self.length.to_le_bytes();
        output.write(&[a, b, c, d])
    }

    fn write_waiting(&mut self, output: &mut ArtifactOutput<'_>) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.sum.update(&self.waiting);
        self.length = self.length.wrapping_add(self.waiting.len() as u64);
        output.write(&self.deflater.open(&self.waiting))?;
        self.waiting.clear();
        Ok(())
    }
}

/// Changes those bits of a stream that lie in `piece`, which begins at byte `at` of it: the last
/// block is not the last any more, and what follows the end is zero.
fn open_at(end: StreamEnd, at: u64, piece: &mut [u8]) {
    let used = end.end % 8;
    let behind = if used == 0 { 0xff } else { (1 << used) - 1 };
    for (number, mask) in [
        (end.last_header / 8, !(1 << (end.last_header % 8))),
        (end.end / 8, behind),
    ] {
        let index = number
            .checked_sub(at)
            .and_then(|index| usize::try_from(index).ok());
        if let Some(byte) = index.and_then(|index| piece.get_mut(index)) {
            *byte &= mask;
        }
    }
}

/// What follows an open stream, so that the next one begins at a byte boundary.
fn filling(end: StreamEnd) -> &'static [u8] {
    const WITH_HEADER: [u8; 5] = [0, EMPTY[0], EMPTY[1], EMPTY[2], EMPTY[3]];
    match end.end % 8 {
        0 => &[],
        // The header of the empty block is zeros, which are in the last byte already.
        used if 8 - used >= BLOCK_HEADER => &EMPTY,
        _ => &WITH_HEADER,
    }
}

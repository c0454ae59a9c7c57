//! The decompressors: deflate (RFC 1951) and zstd.
//!
//! Large streams are inflated in pieces by [`Inflate`]. With the feature `libdeflate`, libdeflate
//! inflates data that is in memory as a whole, which it does faster still. Data that it refuses
//! goes to [`Inflate`] too, which decides and names the fault.
//!
//! libdeflate does not report how much of its input it has read, but bytes after the end of a
//! stream must be found. Therefore the stream is presented as a member of a gzip file (RFC 1952),
//! with the CRC-32 and the size that the archive states as its trailer, which libdeflate compares.
//! The bytes of the size must occur nowhere else in the data, so libdeflate cannot have stopped
//! early.

mod bits;
mod deflate;
mod fault;
mod output;
mod tables;

use std::io::Read;

pub use deflate::{Inflate, Progress};

use super::entry::{ArchiveResult, Entry, corrupt};
use super::verify::check_fully_used;

/// A gzip header without options (RFC 1952, 2.3).
// The last byte stands for an unknown operating system; decompressors ignore it.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The length of a gzip trailer: CRC-32 and size.
#[cfg(feature = "libdeflate")]
const TRAILER: usize = 8;
/// How many bytes before and after the compressed data are overwritten, by the gzip header and by
/// the trailer.
// The header is the longer of the two, so its length serves at both ends.
pub(super) const MARGIN: usize = HEADER.len();

/// Inflates one stream after the other.
pub(super) struct Inflater {
    #[cfg(feature = "libdeflate")]
    whole: libdeflater::Decompressor,
    /// For streams that are inflated in pieces, and for those that libdeflate refuses.
    pub(super) pieces: Inflate,
}

/// The result of inflating a stream.
pub(super) struct Inflated {
    /// The length of the content in bytes.
    pub(super) length: usize,
    /// Whether its CRC-32 is already known to be the stated one.
    pub(super) crc_checked: bool,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self {
            #[cfg(feature = "libdeflate")]
            whole: libdeflater::Decompressor::new(),
            pieces: Inflate::new(),
        }
    }

    /// Inflates an entry into `room`, which is one byte longer than the stated size. `member` is
    /// the compressed data with a [`MARGIN`] at both ends, whose bytes are overwritten.
    pub(super) fn inflate(
        &mut self,
        entry: &Entry,
        member: &mut [u8],
        room: &mut [u8],
    ) -> ArchiveResult<Inflated> {
        let end = member.len() - MARGIN;
        #[cfg(feature = "libdeflate")]
        if let Some(length) = self.inflate_member(entry, &mut member[..end + TRAILER], room) {
            return Ok(Inflated {
                length,
                crc_checked: true,
            });
        }
        let length = inflate_slowly(entry, &mut self.pieces, &member[MARGIN..end], room)?;
        Ok(Inflated {
            length,
            crc_checked: false,
        })
    }

    /// The length of the content; `None` if anything is wrong with the stream, or might be.
    #[cfg(feature = "libdeflate")]
    fn inflate_member(
        &mut self,
        entry: &Entry,
        member: &mut [u8],
        room: &mut [u8],
    ) -> Option<usize> {
        let end = member.len() - TRAILER;
        // A gzip trailer has only four bytes for the size, so larger content goes to zlib-rs.
        let size = u32::try_from(entry.size).ok()?;
        member[..HEADER.len()].copy_from_slice(&HEADER);
        member[end..end + 4].copy_from_slice(&entry.crc.to_le_bytes());
        member[end + 4..].copy_from_slice(&size.to_le_bytes());
        // An earlier occurrence could be where libdeflate stops, with unread bytes behind it. It
        // stops only before the true size, so before these four bytes, whatever CRC is with them.
        if memchr::memmem::find(&member[HEADER.len()..], &size.to_le_bytes())
            != Some(end + 4 - HEADER.len())
        {
            return None;
        }
        let length = self.whole.gzip_decompress(member, room).ok()?;
        (length as u64 == entry.size).then_some(length)
    }
}

fn inflate_slowly(
    entry: &Entry,
    inflate: &mut Inflate,
    from: &[u8],
    into: &mut [u8],
) -> ArchiveResult<usize> {
    inflate.reset();
    let mut at = 0;
    let mut length = 0;
    loop {
        let (used, progress) = inflate
            .decode(&from[at..], true)
            .map_err(|fault| corrupt(entry, &fault))?;
        at += used;
        let content = inflate.content();
        let Some(room) = into.get_mut(length..length + content.len()) else {
            // More than was stated; the caller reports that as a wrong size.
            return Ok(into.len());
        };
        room.copy_from_slice(content);
        length += content.len();
        if progress == Progress::End {
            check_fully_used(entry, (from.len() - at) as u64)?;
            return Ok(length);
        }
        inflate.discard();
    }
}

/// A reader of the content of one zstd frame.
pub(super) fn zstd<R: Read>(entry: &Entry, data: R) -> ArchiveResult<impl Read> {
    ruzstd::decoding::StreamingDecoder::new(data).map_err(|error| corrupt(entry, &error).into())
}

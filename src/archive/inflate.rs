//! The decompressors: deflate for data that is in memory as a whole (RFC 1951), and zstd.
//!
//! With the feature `libdeflate`, libdeflate inflates: it is half as fast again as any decompressor
//! that can work in pieces. Data that it refuses goes to zlib-rs, which decides and names the
//! fault.
//!
//! libdeflate does not report how much of its input it has read, but bytes after the end of a
//! stream must be found. Therefore the stream is presented as a member of a gzip file (RFC 1952),
//! with the CRC-32 and the size that the archive states as its trailer, which libdeflate compares.
//! The trailer's bytes must occur nowhere else in the data, so libdeflate cannot have stopped
//! early.

use std::io::Read;

use flate2::{Decompress, FlushDecompress, Status};

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
    pub(super) pieces: Decompress,
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
            // The data of an archive has no zlib header around it.
            pieces: Decompress::new(false),
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
        let (data, trailer) = (&member[HEADER.len()..], &member[end..]);
        // An earlier occurrence could be where libdeflate stops, with unread bytes behind it.
        if memchr::memmem::find(data, trailer) != Some(end - HEADER.len()) {
            return None;
        }
        let length = self.whole.gzip_decompress(member, room).ok()?;
        (length as u64 == entry.size).then_some(length)
    }
}

fn inflate_slowly(
    entry: &Entry,
    inflate: &mut Decompress,
    from: &[u8],
    into: &mut [u8],
) -> ArchiveResult<usize> {
    inflate.reset(false);
    let status = inflate
        .decompress(from, into, FlushDecompress::Finish)
        .map_err(|error| corrupt(entry, &error))?;
    // Output as long as the buffer is longer than stated; the caller reports that as a wrong size.
    if status != Status::StreamEnd && inflate.total_out() < into.len() as u64 {
        return Err(corrupt(entry, &"the compressed data ends early").into());
    }
    if status == Status::StreamEnd {
        check_fully_used(entry, from.len() as u64 - inflate.total_in())?;
    }
    entry.in_memory(inflate.total_out())
}

/// A reader of the content of one zstd frame.
pub(super) fn zstd<R: Read>(entry: &Entry, data: R) -> ArchiveResult<impl Read> {
    ruzstd::decoding::StreamingDecoder::new(data).map_err(|error| corrupt(entry, &error).into())
}

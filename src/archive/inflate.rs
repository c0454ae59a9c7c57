//! Deflated data that is in memory as a whole (RFC 1951): where libdeflate is built in, by
//! libdeflate, which is half as fast again as anything that can work in pieces; whatever it does
//! not take, and every fault, is zlib-rs's to judge.
//!
//! libdeflate does not say how much of its input it has read, and bytes behind the end of a stream
//! have to be found. So the stream is dressed as a member of a gzip file (RFC 1952): behind its end
//! stand the CRC-32 and the size that the archive states, which libdeflate compares. They are
//! looked for nowhere else in the data, so that it cannot have stopped before.

use flate2::{Decompress, FlushDecompress, Status};

use super::Entry;
use super::extract::{Attempt, corrupt, nothing_follows};

/// A gzip header without any option (RFC 1952, 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The length of a gzip trailer: CRC-32 and size.
#[cfg(feature = "libdeflate")]
const TRAILER: usize = 8;
/// How many bytes around the compressed data are used up: room for the header before it, and for
/// the trailer behind it.
pub(super) const MARGIN: usize = HEADER.len();

/// What inflates one stream after the other.
pub(super) struct Inflater {
    #[cfg(feature = "libdeflate")]
    whole: libdeflater::Decompressor,
    pub(super) pieces: Decompress,
}

/// What came of inflating.
pub(super) struct Inflated {
    /// How many bytes of content there are.
    pub(super) length: usize,
    /// Whether their CRC-32 is known to be the stated one.
    pub(super) checked: bool,
}

impl Inflater {
    pub(super) fn new() -> Self {
        Self {
            #[cfg(feature = "libdeflate")]
            whole: libdeflater::Decompressor::new(),
            pieces: Decompress::new(false),
        }
    }

    /// Inflates an entry's compressed data, which is `member` but for a [`MARGIN`] at both ends,
    /// into `room`, which is longer than the content should be. What the margins held is lost.
    pub(super) fn inflate(
        &mut self,
        entry: &Entry,
        member: &mut [u8],
        room: &mut [u8],
    ) -> Attempt<Inflated> {
        let end = member.len() - MARGIN;
        #[cfg(feature = "libdeflate")]
        if let Some(length) = self.inflate_member(entry, &mut member[..end + TRAILER], room) {
            return Ok(Inflated {
                length,
                checked: true,
            });
        }
        let length = inflate_slowly(entry, &mut self.pieces, &member[MARGIN..end], room)?;
        Ok(Inflated {
            length,
            checked: false,
        })
    }

    /// The length of the content, where there is nothing to say against it.
    #[cfg(feature = "libdeflate")]
    fn inflate_member(
        &mut self,
        entry: &Entry,
        member: &mut [u8],
        room: &mut [u8],
    ) -> Option<usize> {
        let end = member.len() - TRAILER;
        let size = u32::try_from(entry.size).ok()?;
        member[..HEADER.len()].copy_from_slice(&HEADER);
        member[end..end + 4].copy_from_slice(&entry.crc.to_le_bytes());
        member[end + 4..].copy_from_slice(&size.to_le_bytes());
        let (data, trailer) = (&member[HEADER.len()..], &member[end..]);
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
) -> Attempt<usize> {
    inflate.reset(false);
    let status = inflate
        .decompress(from, into, FlushDecompress::Finish)
        .map_err(|error| corrupt(entry, &error))?;
    if status != Status::StreamEnd && inflate.total_out() < into.len() as u64 {
        return Err(corrupt(entry, &"the compressed data ends early").into());
    }
    if status == Status::StreamEnd {
        nothing_follows(entry, from.len() as u64 - inflate.total_in())?;
    }
    usize::try_from(inflate.total_out()).map_err(|error| corrupt(entry, &error).into())
}

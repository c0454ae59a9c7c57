//! Deflate streams: our decoder against zlib-rs and libdeflate.

use flate2::{Decompress, FlushDecompress, Status};
use pkg_install::archive::{Inflate, Progress};

use super::MOST_CONTENT;

/// The smallest piece of compressed data that the decoder takes.
const MIN_PIECE: usize = 563;

/// Decodes a stream. The first two bytes of `data` choose the size of the pieces, so that every
/// place of a stream can be the end of one.
///
/// zlib must accept the same streams with the same content, and libdeflate what is accepted.
/// Returns the content of an accepted stream.
pub fn deflate(data: &[u8]) -> Option<Vec<u8>> {
    let (size, stream) = data.split_first_chunk()?;
    let piece = MIN_PIECE + usize::from(u16::from_le_bytes(*size));
    let ours = decode(stream, piece);
    assert!(ours == zlib(stream), "zlib differs");
    let (content, used) = ours?;
    let other = libdeflate(&stream[..used], content.len());
    assert!(other == content, "libdeflate differs");
    Some(content)
}

/// The content of a stream of at most [`MOST_CONTENT`] bytes, and how many bytes the stream has.
type Decoded = Option<(Vec<u8>, usize)>;

fn limit() -> usize {
    usize::try_from(MOST_CONTENT).expect("a few megabytes")
}

fn decode(stream: &[u8], piece: usize) -> Decoded {
    let mut inflate = Inflate::new();
    // An earlier stream must leave nothing behind.
    let _ = inflate.decode(&stream[..stream.len() / 2], true);
    inflate.reset();
    let mut content = Vec::new();
    let mut at = 0;
    loop {
        let end = stream.len().min(at + piece);
        let result = inflate.decode(&stream[at..end], end == stream.len());
        let (used, progress) = result.ok()?;
        // Whether the content is taken piece by piece or only when the buffer is full must make no
        // difference.
        if progress != Progress::NeedsInput || piece.is_multiple_of(2) {
            let is_full = progress == Progress::Full;
            assert!(
                !is_full || !inflate.content().is_empty(),
                "a full buffer has content"
            );
            content.extend_from_slice(inflate.content());
            inflate.discard();
        }
        if content.len() > limit() {
            return None;
        }
        at += used;
        match progress {
            Progress::End => return Some((content, at)),
            Progress::Full => {}
            Progress::NeedsInput => {
                assert!(
                    used > 0 && end < stream.len(),
                    "input is needed at its end only"
                );
            }
        }
    }
}

fn zlib(stream: &[u8]) -> Decoded {
    let mut zlib = Decompress::new(false);
    let mut content = vec![0; limit() + 1];
    let status = zlib.decompress(stream, &mut content, FlushDecompress::Finish);
    let made = usize::try_from(zlib.total_out()).expect("it fits the buffer");
    content.truncate(made);
    let accepted = matches!(status, Ok(Status::StreamEnd)) && made <= limit();
    let used = usize::try_from(zlib.total_in()).expect("it is part of the stream");
    accepted.then_some((content, used))
}

fn libdeflate(stream: &[u8], size: usize) -> Vec<u8> {
    let mut content = vec![0; size];
    let made = libdeflater::Decompressor::new()
        .deflate_decompress(stream, &mut content)
        .expect("libdeflate accepts what zlib accepts");
    content.truncate(made);
    content
}

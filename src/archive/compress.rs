//! Deflates contents that are new in an archive (RFC 1951).
//!
//! Input: bytes, whole or in pieces. Output: a raw deflate stream, which is either ended or left
//! open at a byte boundary, so that other streams can follow it. The same bytes give the same
//! stream, whatever the machine.

use flate2::{Compress, Compression, FlushCompress};

/// The usual compromise between time and size. Levels are from 0, which stores, to 9.
pub const LEVEL: u32 = 6;
/// How much room is added at once for compressed bytes.
const ROOM: usize = 1 << 15;

/// Deflates one content after the other.
#[derive(Debug)]
pub struct Deflater(Compress);

impl Default for Deflater {
    fn default() -> Self {
        Self::new()
    }
}

impl Deflater {
    /// A compressor of the usual level before its first content.
    pub fn new() -> Self {
        Self::with_level(LEVEL)
    }

    /// A compressor of this level before its first content.
    pub fn with_level(level: u32) -> Self {
        Self(Compress::new(Compression::new(level), false))
    }

    /// The stream of a whole content.
    pub fn whole(&mut self, content: &[u8]) -> Vec<u8> {
        let mut stream = Vec::with_capacity(content.len() / 2 + 64);
        self.add(content, &mut stream);
        self.end(&mut stream);
        stream
    }

    /// The blocks of a whole content, without a last one: they end at a byte boundary, and any
    /// other stream may follow them.
    pub fn open(&mut self, content: &[u8]) -> Vec<u8> {
        let mut stream = Vec::with_capacity(content.len() / 2 + 64);
        self.add(content, &mut stream);
        self.leave_open(&mut stream);
        stream
    }

    /// Appends what is complete of the stream of a next piece of content.
    pub fn add(&mut self, piece: &[u8], stream: &mut Vec<u8>) {
        self.run(piece, stream, FlushCompress::None);
    }

    /// Appends the rest of the stream, and begins a new one.
    pub fn end(&mut self, stream: &mut Vec<u8>) {
        self.run(&[], stream, FlushCompress::Finish);
        self.0.reset();
    }

    /// Appends the rest of the blocks without ending the stream, and begins a new one: what follows
    /// must not refer to this content, because other streams come between them.
    pub fn leave_open(&mut self, stream: &mut Vec<u8>) {
        self.run(&[], stream, FlushCompress::Sync);
        self.0.reset();
    }

    fn run(&mut self, piece: &[u8], stream: &mut Vec<u8>, flush: FlushCompress) {
        let mut at = 0;
        loop {
            // `compress_vec` only fills the room that is there.
            stream.reserve(ROOM);
            let (read, written) = (self.0.total_in(), stream.len());
            self.0
                .compress_vec(&piece[at..], stream, flush)
                .expect("the state of a compressor is always valid");
            at += usize::try_from(self.0.total_in() - read).expect("a part of a piece");
            // Room that is left means that nothing waits to be written.
            let is_complete = stream.len() < stream.capacity() || stream.len() == written;
            if at == piece.len() && is_complete {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inflated(stream: &[u8]) -> Vec<u8> {
        use std::io::Read as _;
        let mut content = Vec::new();
        flate2::read::DeflateDecoder::new(stream)
            .read_to_end(&mut content)
            .expect("a deflate stream");
        content
    }

    /// Bytes that cannot be compressed.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    #[test]
    fn streams_are_whole_or_open_whatever_their_length() {
        let mut deflater = Deflater::new();
        for length in [0, 1, 511, 32_768, 300_000] {
            for content in [vec![b'a'; length], noise(length)] {
                let whole = deflater.whole(&content);
                assert_eq!(inflated(&whole), content);
                let mut joined = deflater.open(&content);
                let again = deflater.open(&content);
                joined.extend(again);
                joined.extend(deflater.whole(b"end"));
                assert_eq!(inflated(&joined), [&content[..], &content, b"end"].concat());
            }
        }
    }

    #[test]
    fn the_same_bytes_give_the_same_stream_in_any_pieces() {
        let mut deflater = Deflater::new();
        let content = noise(200_000);
        let mut pieces = Vec::new();
        for piece in content.chunks(7_001) {
            deflater.add(piece, &mut pieces);
        }
        deflater.end(&mut pieces);
        assert_eq!(inflated(&pieces), content);
        assert_eq!(Deflater::new().whole(&content), deflater.whole(&content));
    }
}

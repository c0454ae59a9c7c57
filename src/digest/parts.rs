//! SHA-256 of a whole, and of contents that it consists of (FIPS 180-4).
//!
//! Input: bytes, some of which are contents. Output: the digest of each content, and that of
//! everything. Both digests together cost less than one after the other if the content begins at
//! the same place of a block in both, as contents do in a tar archive.

use sha2::block_api::compress256;

use super::multi_buffer::{BLOCK, Block, INITIAL, compress_both, ending};
use super::{Algorithm, Digest};

/// See the head of this file.
#[derive(Default)]
pub struct WholeHasher {
    whole: OpenMessage,
    part: OpenMessage,
}

impl WholeHasher {
    /// Takes in bytes that are no part of a content.
    pub fn update(&mut self, bytes: &[u8]) {
        self.whole.update(bytes);
    }

    /// Takes in bytes of a content.
    pub fn update_part(&mut self, bytes: &[u8]) {
        self.part.update_both(&mut self.whole, bytes);
    }

    /// The digest of the content that was taken in since the last call.
    pub fn finish_part(&mut self) -> Digest {
        std::mem::take(&mut self.part).finish()
    }

    /// The digest of everything that was taken in.
    pub fn finish(self) -> Digest {
        self.whole.finish()
    }
}

/// A message that has not ended.
struct OpenMessage {
    state: [u32; 8],
    /// The beginning of the next block.
    waiting: Block,
    /// How many bytes the message has so far.
    length: u64,
}

impl Default for OpenMessage {
    fn default() -> Self {
        Self {
            state: INITIAL,
            waiting: [0; BLOCK],
            length: 0,
        }
    }
}

impl OpenMessage {
    /// Takes in more bytes.
    fn update(&mut self, content: &[u8]) {
        let (blocks, rest) = self.complete(content).as_chunks();
        compress256(&mut self.state, blocks);
        self.take(blocks.len(), rest);
    }

    /// Takes in more bytes that are part of the other message, too.
    fn update_both(&mut self, other: &mut Self, content: &[u8]) {
        if self.begun() != other.begun() {
            self.update(content);
            other.update(content);
            return;
        }
        let (blocks, rest) = self.complete(content).as_chunks();
        other.complete(content);
        compress_both(&mut self.state, &mut other.state, blocks);
        self.take(blocks.len(), rest);
        other.take(blocks.len(), rest);
    }

    /// The digest of everything that was taken in.
    fn finish(mut self) -> Digest {
        let (end, count) = ending(&self.waiting[..self.begun()], self.length);
        compress256(&mut self.state, &end[..count]);
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_be_bytes();
        }
        Digest::from_bytes(Algorithm::Sha256, &digest).expect("it has the length of its algorithm")
    }

    /// How many bytes of the next block there are.
    fn begun(&self) -> usize {
        usize::try_from(self.length % BLOCK as u64).expect("less than a block")
    }

    /// Completes a block that is begun, as far as the content goes; returns the rest of it.
    fn complete<'c>(&mut self, content: &'c [u8]) -> &'c [u8] {
        let begun = self.begun();
        if begun == 0 {
            return content;
        }
        let (first, rest) = content.split_at(content.len().min(BLOCK - begun));
        self.waiting[begun..begun + first.len()].copy_from_slice(first);
        self.length += first.len() as u64;
        if self.begun() == 0 {
            compress256(&mut self.state, &[self.waiting]);
        }
        rest
    }

    /// Counts blocks that were taken in, and keeps the beginning of the one that follows.
    fn take(&mut self, blocks: usize, rest: &[u8]) {
        if !rest.is_empty() {
            self.waiting[..rest.len()].copy_from_slice(rest);
        }
        self.length += (blocks * BLOCK + rest.len()) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(length: usize) -> Vec<u8> {
        let bytes = (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap());
        bytes.collect()
    }

    #[test]
    fn pieces_of_all_lengths_give_the_digest_of_the_whole() {
        for length in [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000] {
            let content = content(length);
            for piece in [1, 3, 63, 64, 65, 200, 1000] {
                let mut message = OpenMessage::default();
                content
                    .chunks(piece)
                    .for_each(|piece| message.update(piece));
                let expected = Digest::of(Algorithm::Sha256, &content);
                assert_eq!(message.finish(), expected, "{length} by {piece}");
            }
        }
    }

    #[test]
    fn a_whole_and_its_parts_are_hashed_together_wherever_a_part_begins() {
        for before in [0, 64, 512, 5, 63, 130] {
            for length in [0, 1, 63, 64, 700] {
                let (header, content) = (content(before), content(length));
                let mut hasher = WholeHasher::default();
                let mut whole = Vec::new();
                for _ in 0..3 {
                    hasher.update(&header);
                    content
                        .chunks(130)
                        .for_each(|piece| hasher.update_part(piece));
                    let expected = Digest::of(Algorithm::Sha256, &content);
                    assert_eq!(hasher.finish_part(), expected, "{before} and {length}");
                    whole.extend_from_slice(&header);
                    whole.extend_from_slice(&content);
                }
                let expected = Digest::of(Algorithm::Sha256, &whole);
                assert_eq!(hasher.finish(), expected, "{before} and {length}");
            }
        }
    }
}

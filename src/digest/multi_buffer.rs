//! SHA-256 of many messages side by side ("multi-buffer"): one vector instruction does the same
//! step for sixteen of them, each in a lane of its own.
//!
//! Input: contents of any lengths. Output: their digests, in the same order. One message after the
//! other, SHA instructions are about as fast as AVX2 is here, and half as fast as AVX-512; a
//! processor without them is several times slower than either. The steps are plain arithmetic on
//! arrays, compiled once for each instruction set, so every [`Backend`] computes the same digests
//! on every processor. Limits: an idle lane costs as much as a busy one, so messages of similar
//! lengths are hashed together.

use std::cmp::Reverse;

use sha2::block_api::compress256;

use super::{Algorithm, Digest};

/// How many messages are hashed side by side.
// Sixteen words fill one register of AVX-512, or two of AVX2.
const LANES: usize = 16;
/// The size of a block of SHA-256 in bytes.
pub(super) const BLOCK: usize = 64;

pub(super) type Block = [u8; BLOCK];

/// One word of each message.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Row([u32; LANES]);

/// The state between two blocks, eight words for each message.
type States = [Row; 8];
/// The sixteen words of one block of each message.
type Words = [Row; 16];
/// The next blocks of each message; all have the same number.
type Lanes<'a> = [&'a [Block]; LANES];

/// A way to hash many contents. All compute the same digests; they differ in speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// One after the other, with SHA instructions if the processor has them.
    Single,
    /// Side by side, with AVX2.
    Avx2,
    /// Side by side, with AVX-512.
    Avx512,
}

/// The fastest on this processor.
impl Default for Backend {
    fn default() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") && !has_sha() {
                return Self::Avx2;
            }
        }
        Self::Single
    }
}

/// Whether the processor has instructions for SHA-256.
fn has_sha() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        // `sha2` uses the SHA instructions only together with SSE4.1.
        is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

impl Backend {
    /// How many contents it hashes at once.
    pub fn lanes(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Avx2 | Self::Avx512 => LANES,
        }
    }

    /// The digest of each content by its algorithm, in the order of the contents. Only SHA-256 is
    /// computed side by side.
    pub fn digest_each(self, contents: &[(Algorithm, &[u8])]) -> Vec<Digest> {
        let blank = Digest {
            algorithm: Algorithm::Sha256,
            bytes: [0; 64],
        };
        let mut digests = vec![blank; contents.len()];
        let mut messages = Vec::with_capacity(contents.len());
        for ((&(algorithm, content), digest), number) in contents.iter().zip(&mut digests).zip(0..)
        {
            if algorithm == Algorithm::Sha256 && self != Self::Single {
                messages.push(Message::new(number, content));
            } else {
                *digest = Digest::of(algorithm, content);
            }
        }
        // Sorted, so that messages of similar lengths are in the lanes at the same time.
        messages.sort_unstable_by_key(|message| Reverse(message.body.len()));
        self.hash(&messages, |message, words| {
            for (bytes, word) in digests[message.number].bytes.chunks_exact_mut(4).zip(words) {
                bytes.copy_from_slice(&word.to_be_bytes());
            }
        });
        digests
    }

    /// With fewer messages than this, hashing one after the other is as fast. The better a
    /// processor hashes a single message, the more lanes must be busy to gain anything.
    fn fewest() -> usize {
        if has_sha() { LANES / 2 } else { LANES / 8 }
    }

    /// Calls `done` with the eight words of every message's digest, in the order in which they are
    /// finished.
    fn hash(self, messages: &[Message<'_>], mut done: impl FnMut(&Message<'_>, [u32; 8])) {
        let mut waiting = messages.iter();
        let mut lanes: [Option<Lane<'_>>; LANES] = [const { None }; LANES];
        let mut states: States = [Row([0; LANES]); 8];
        loop {
            for (number, lane) in lanes
                .iter_mut()
                .enumerate()
                .filter(|(_, lane)| lane.is_none())
            {
                *lane = waiting.next().map(Lane::new);
                set(&mut states, number, INITIAL);
            }
            if lanes.iter().flatten().count() < Self::fewest() {
                break;
            }
            let mut working = lanes.iter().flatten().map(Lane::blocks);
            // An idle lane repeats the work of another one, and its result is not used: it costs
            // nothing extra and needs no branch.
            let any = working.next().unwrap_or_default();
            let count = working.map(<[Block]>::len).fold(any.len(), usize::min);
            let blocks = lanes
                .each_ref()
                .map(|lane| &lane.as_ref().map_or(any, Lane::blocks)[..count]);
            self.compress(&mut states, &blocks);
            for (number, slot) in lanes.iter_mut().enumerate() {
                if let Some(lane) = slot
                    && lane.advance(count)
                {
                    done(lane.message, get(&states, number));
                    *slot = None;
                }
            }
        }
        // No message waits any more. The few that are left continue alone from their states.
        for (number, mut lane) in lanes
            .into_iter()
            .enumerate()
            .filter_map(|(number, lane)| Some((number, lane?)))
        {
            let mut state = get(&states, number);
            loop {
                compress256(&mut state, lane.blocks());
                if lane.advance(lane.blocks().len()) {
                    break;
                }
            }
            done(lane.message, state);
        }
    }
}

pub(super) use calls::compress_both;

#[allow(
    unsafe_code,
    reason = "calls functions that are compiled for instructions which not all processors have"
)]
mod calls {
    use super::*;
    #[cfg(target_arch = "x86_64")]
    use crate::digest::paired;

    impl Backend {
        /// Takes in all blocks of each lane, with the instructions after which the backend is
        /// named.
        pub(super) fn compress(self, states: &mut States, blocks: &Lanes<'_>) {
            // Callers may name any backend, so the processor is asked again; the answer is cached.
            match self {
                // SAFETY: the guard has checked that the processor has the instructions for which
                // the function is compiled.
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 if is_x86_feature_detected!("avx512f") => unsafe {
                    compress_avx512(states, blocks);
                },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 if is_x86_feature_detected!("avx2") => unsafe {
                    compress_avx2(states, blocks);
                },
                _ => compress(states, blocks),
            }
        }
    }

    /// Takes in blocks that follow in two messages, at once if the processor gains from it.
    pub(in crate::digest) fn compress_both(
        one: &mut [u32; 8],
        other: &mut [u32; 8],
        blocks: &[Block],
    ) {
        #[cfg(target_arch = "x86_64")]
        if has_sha() && is_x86_feature_detected!("ssse3") {
            // SAFETY: the processor was asked for all instructions for which the function is
            // compiled.
            unsafe { paired::compress_both([one, other], blocks, &CONSTANTS) };
            return;
        }
        compress256(one, blocks);
        compress256(other, blocks);
    }
}

/// A content as whole blocks, followed by one or two blocks that end it.
struct Message<'a> {
    number: usize,
    body: &'a [Block],
    end: [Block; 2],
    ends: usize,
}

impl<'a> Message<'a> {
    fn new(number: usize, content: &'a [u8]) -> Self {
        let (body, rest) = content.as_chunks();
        let (end, ends) = ending(rest, content.len() as u64);
        Self {
            number,
            body,
            end,
            ends,
        }
    }
}

/// The one or two blocks that end a message of this length, and how many they are. They hold the
/// `rest` of it that is no whole block, one bit, zeros, and the length in bits at the end of a
/// block (FIPS 180-4, 5.1.1).
pub(super) fn ending(rest: &[u8], length: u64) -> ([Block; 2], usize) {
    let mut end = [[0; BLOCK]; 2];
    let bytes = end.as_flattened_mut();
    bytes[..rest.len()].copy_from_slice(rest);
    bytes[rest.len()] = 0x80;
    // The final bit and the length take nine bytes at the least.
    let ends = if rest.len() < BLOCK - 8 { 1 } else { 2 };
    bytes[ends * BLOCK - 8..ends * BLOCK].copy_from_slice(&(length * 8).to_be_bytes());
    (end, ends)
}

/// A message that is being hashed, and how many of its blocks were taken in.
struct Lane<'a> {
    message: &'a Message<'a>,
    at: usize,
}

impl<'a> Lane<'a> {
    fn new(message: &'a Message<'a>) -> Self {
        Self { message, at: 0 }
    }

    /// The next blocks that are contiguous in memory; at least one.
    fn blocks(&self) -> &'a [Block] {
        let Message {
            body, end, ends, ..
        } = self.message;
        if self.at < body.len() {
            &body[self.at..]
        } else {
            &end[self.at - body.len()..*ends]
        }
    }

    /// Moves on by `count` blocks; returns whether the message is finished.
    fn advance(&mut self, count: usize) -> bool {
        self.at += count;
        self.at == self.message.body.len() + self.message.ends
    }
}

fn set(states: &mut States, lane: usize, words: [u32; 8]) {
    states
        .iter_mut()
        .zip(words)
        .for_each(|(row, word)| row.0[lane] = word);
}

fn get(states: &States, lane: usize) -> [u32; 8] {
    states.map(|row| row.0[lane])
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn compress_avx512(states: &mut States, blocks: &Lanes<'_>) {
    compress(states, blocks);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn compress_avx2(states: &mut States, blocks: &Lanes<'_>) {
    compress(states, blocks);
}

// Inlining is necessary: only code inside the two functions above is compiled with their
// instructions.
#[inline(always)]
fn compress(states: &mut States, blocks: &Lanes<'_>) {
    for at in 0..blocks[0].len() {
        rounds(states, &mut transpose(&blocks.map(|blocks| &blocks[at])));
    }
}

/// The words of one block of each lane, transposed: from one block a lane to one word of all lanes
/// a row. It goes by four words of four lanes, the unit in which vector instructions transpose.
#[inline(always)]
fn transpose(blocks: &[&Block; LANES]) -> Words {
    let mut words = [Row([0; LANES]); 16];
    for (lane, blocks) in (0..).step_by(4).zip(blocks.as_chunks().0) {
        let quarters: [_; 4] = blocks.map(|block| block.as_chunks::<16>().0);
        for (quarter, rows) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let four = quarters.map(|quarters| four_words(&quarters[quarter]));
            for (word, row) in rows.iter_mut().enumerate() {
                row.0[lane..lane + 4].copy_from_slice(&four.map(|four| four[word]));
            }
        }
    }
    words
}

#[inline(always)]
fn four_words(bytes: &[u8; 16]) -> [u32; 4] {
    let words = bytes.as_chunks().0;
    [0, 1, 2, 3].map(|word| u32::from_be_bytes(words[word]))
}

/// The 64 rounds of SHA-256 in each lane (FIPS 180-4, 6.2.2).
#[inline(always)]
fn rounds(states: &mut States, words: &mut Words) {
    let mut rows = *states;
    for constants in CONSTANTS.as_chunks().0 {
        round::<0>(&mut rows, words, constants);
        round::<1>(&mut rows, words, constants);
        round::<2>(&mut rows, words, constants);
        round::<3>(&mut rows, words, constants);
        round::<4>(&mut rows, words, constants);
        round::<5>(&mut rows, words, constants);
        round::<6>(&mut rows, words, constants);
        round::<7>(&mut rows, words, constants);
        round::<8>(&mut rows, words, constants);
        round::<9>(&mut rows, words, constants);
        round::<10>(&mut rows, words, constants);
        round::<11>(&mut rows, words, constants);
        round::<12>(&mut rows, words, constants);
        round::<13>(&mut rows, words, constants);
        round::<14>(&mut rows, words, constants);
        round::<15>(&mut rows, words, constants);
    }
    for lane in 0..LANES {
        for (state, row) in states.iter_mut().zip(&rows) {
            state.0[lane] = state.0[lane].wrapping_add(row.0[lane]);
        }
    }
}

/// One round; it also replaces the word that it used with the one that is needed sixteen rounds
/// later. Instead of moving rows, the eight names rotate with the round. The sum on which the next
/// round depends is added last. All of it is one loop over the lanes, because the compiler turns
/// such loops into vector instructions.
#[inline(always)]
fn round<const R: usize>(rows: &mut States, words: &mut Words, constants: &[u32; 16]) {
    let [a, b, c, d, e, f, g, h] = [0, 1, 2, 3, 4, 5, 6, 7].map(|name: usize| (name + 16 - R) % 8);
    for lane in 0..LANES {
        let [a, b, c, e, f, g] = [a, b, c, e, f, g].map(|name| rows[name].0[lane]);
        let [old, second, tenth, fifteenth] =
            [R, R + 1, R + 9, R + 14].map(|number| words[number % 16].0[lane]);
        let known = [constants[R], old, (e & f) ^ (!e & g)]
            .into_iter()
            .fold(rows[h].0[lane], u32::wrapping_add);
        let late = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let majority = (a & b) ^ (a & c) ^ (b & c);
        let other =
            (a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22)).wrapping_add(majority);
        rows[d].0[lane] = rows[d].0[lane].wrapping_add(known).wrapping_add(late);
        rows[h].0[lane] = known.wrapping_add(other).wrapping_add(late);
        let near = second.rotate_right(7) ^ second.rotate_right(18) ^ (second >> 3);
        let far = fifteenth.rotate_right(17) ^ fifteenth.rotate_right(19) ^ (fifteenth >> 10);
        words[R].0[lane] = [near, tenth, far].into_iter().fold(old, u32::wrapping_add);
    }
}

/// The initial state (FIPS 180-4, 5.3.3).
pub(super) const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The constant of each round (FIPS 180-4, 4.2.2).
#[rustfmt::skip]
const CONSTANTS: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5,
    0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3,
    0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc,
    0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7,
    0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13,
    0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3,
    0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5,
    0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208,
    0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

//! SHA-256 of one content in two messages at once, with the SHA instructions of x86-64.
//!
//! Input: two states, and blocks that follow in both messages. Output: the new states. The words of
//! a block are the same for both, so they are computed once; and a chain of rounds keeps its unit
//! of the processor busy only half of the time, so the second chain runs in the gaps of the first.

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_extract_epi64, _mm_set_epi32,
    _mm_set_epi64x, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32,
    _mm_shuffle_epi8, _mm_shuffle_epi32,
};

/// A state in the order of the instructions: the words A, B, E, F, and the others.
#[derive(Clone, Copy)]
struct PackedState {
    first: __m128i,
    second: __m128i,
}

/// Takes in all blocks, with these constants of the rounds.
#[target_feature(enable = "sha,ssse3,sse4.1")]
pub(super) fn compress_both(
    states: [&mut [u32; 8]; 2],
    blocks: &[[u8; 64]],
    constants: &[u32; 64],
) {
    let mut packed = states.each_ref().map(|state| pack(state));
    let (constants, _) = constants.as_chunks();
    for block in blocks {
        let before = packed;
        let mut words = words_of(block);
        // The compiler unrolls this, so that nothing is indexed when it runs.
        for (round, &[one, two, three, four]) in constants.iter().enumerate() {
            let [a, b, c, d] = [0, 1, 2, 3].map(|next| words[(round + next) % 4]);
            if round >= 4 {
                let sum = _mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8::<4>(d, c));
                words[round % 4] = _mm_sha256msg2_epu32(sum, d);
            }
            let constants = [four, three, two, one].map(u32::cast_signed);
            let [four, three, two, one] = constants;
            let low = _mm_add_epi32(words[round % 4], _mm_set_epi32(four, three, two, one));
            let high = _mm_shuffle_epi32::<0x0e>(low);
            for PackedState { first, second } in &mut packed {
                *second = _mm_sha256rnds2_epu32(*second, *first, low);
            }
            for PackedState { first, second } in &mut packed {
                *first = _mm_sha256rnds2_epu32(*first, *second, high);
            }
        }
        for (state, before) in packed.iter_mut().zip(before) {
            state.first = _mm_add_epi32(state.first, before.first);
            state.second = _mm_add_epi32(state.second, before.second);
        }
    }
    for (state, packed) in states.into_iter().zip(packed) {
        *state = unpack(packed);
    }
}

/// The sixteen words of a block, four a register.
#[target_feature(enable = "ssse3")]
fn words_of(block: &[u8; 64]) -> [__m128i; 4] {
    // Words are written with their high byte first.
    let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let (words, _) = block.as_chunks::<8>();
    let half = |number: usize| i64::from_le_bytes(words[number]);
    [0, 2, 4, 6].map(|number| {
        let words = _mm_set_epi64x(half(number + 1), half(number));
        _mm_shuffle_epi8(words, order)
    })
}

#[target_feature(enable = "sse2")]
fn pack(state: &[u32; 8]) -> PackedState {
    let [a, b, c, d, e, f, g, h] = state.map(u32::cast_signed);
    PackedState {
        first: _mm_set_epi32(a, b, e, f),
        second: _mm_set_epi32(c, d, g, h),
    }
}

#[target_feature(enable = "ssse3,sse4.1")]
fn unpack(packed: PackedState) -> [u32; 8] {
    let first = _mm_shuffle_epi32::<0x1b>(packed.first);
    let second = _mm_shuffle_epi32::<0xb1>(packed.second);
    let low = _mm_blend_epi16::<0xf0>(first, second);
    let high = _mm_alignr_epi8::<8>(second, first);
    let halves = [
        _mm_extract_epi64::<0>(low),
        _mm_extract_epi64::<1>(low),
        _mm_extract_epi64::<0>(high),
        _mm_extract_epi64::<1>(high),
    ];
    let mut words = [0; 8];
    for (pair, half) in words.as_chunks_mut::<2>().0.iter_mut().zip(halves) {
        let bytes = half.to_le_bytes();
        let (halves, _) = bytes.as_chunks::<4>();
        *pair = [u32::from_le_bytes(halves[0]), u32::from_le_bytes(halves[1])];
    }
    words
}

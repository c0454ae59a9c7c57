//! The bits of a deflate stream, and the steps of the fast loop that decodes it.
//!
//! Nothing here checks that as many bits are there as are consumed.

use super::output::Output;
use super::tables::{LITLEN_BITS, LITLEN_SIZE};

/// How many bytes of input a turn of the fast loop may look at: two reads of 8 bytes, of which the
/// second begins up to 7 bytes later.
pub(super) const AHEAD: usize = 16;

/// Bits that were read and not consumed, the next one lowest.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bits {
    /// Bits above `count` may be set; if so, they are those that follow in the input.
    pub(super) bits: u64,
    /// At most 63 in the lowest byte; the others are meaningless, so that an entry can be
    /// subtracted without a mask.
    pub(super) count: u32,
}

impl Bits {
    /// Reads as many whole bytes as fit, from `from` on, and returns their number, at most 7.
    /// Afterwards there are at least 56 bits.
    #[inline(always)]
    pub(super) fn refill(&mut self, ahead: &[u8; AHEAD], from: usize) -> usize {
        let word = ahead[from..from + 8].try_into().expect("8 bytes");
        self.bits |= u64::from_le_bytes(word) << (self.count & 63);
        let read = 7 - ((self.count >> 3) & 7);
        self.count |= 56;
        read as usize
    }

    /// Consumes the bits that `entry` says.
    #[inline(always)]
    pub(super) fn consume(&mut self, entry: u32) {
        self.bits >>= entry & 63;
        self.count = self.count.wrapping_sub(entry & 0xff);
    }

    /// The index of the next bits in a table of `SIZE` entries, whose main table has `bits` bits.
    #[inline(always)]
    pub(super) fn look_up<const SIZE: usize>(&self, table: &[u32; SIZE], bits: u32) -> u32 {
        table[low(self.bits, bits) & (SIZE - 1)]
    }

    /// The entry in the subtable that `entry` names.
    #[inline(always)]
    pub(super) fn look_up_rest<const SIZE: usize>(&self, table: &[u32; SIZE], entry: u32) -> u32 {
        let index = (entry >> 16) as usize + low(self.bits, (entry >> 8) & 15);
        table[index & (SIZE - 1)]
    }

    /// Consumes `entry`, a length or distance, and returns its value.
    #[inline(always)]
    pub(super) fn value(&mut self, entry: u32) -> usize {
        let extra = low(self.bits, entry & 63) >> ((entry >> 8) & 15);
        self.consume(entry);
        (entry >> 16) as usize + extra
    }

    /// Consumes `entry`, a literal, and returns the next entry of `litlen`.
    #[inline(always)]
    pub(super) fn literal(
        &mut self,
        output: &mut Output<'_>,
        entry: u32,
        litlen: &[u32; LITLEN_SIZE],
    ) -> u32 {
        self.consume(entry);
        output.push((entry >> 16).to_le_bytes()[0]);
        self.look_up(litlen, LITLEN_BITS)
    }

    /// Makes `count` exact, and returns how many whole bytes have to be read again.
    pub(super) fn give_back(&mut self) -> usize {
        let bytes = (self.count & 63) >> 3;
        self.count &= 7;
        self.bits &= (1 << self.count) - 1;
        bytes as usize
    }
}

/// The lowest `count` bits, at most 48 of them.
#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "on 32-bit processors, the extra bits of a value are still in the lower half"
)]
pub(super) fn low(bits: u64, count: u32) -> usize {
    (bits & ((1 << count) - 1)) as usize
}

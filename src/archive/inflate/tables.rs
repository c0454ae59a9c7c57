//! The decoding tables of a deflate block (RFC 1951, 3.2).
//!
//! Input: the lengths of the codes of an alphabet. Output: a table that is indexed by the next bits
//! of the stream. Codes longer than the index of the main table continue in subtables behind it.
//!
//! An entry is one number, so that a lookup is one read:
//!
//! | bits | literal | length or distance | subtable |
//! | --- | --- | --- | --- |
//! | 16 and up | the byte | the base | the index of the subtable |
//! | 8 to 11 | the length of the code | the length of the code | the bits of the subtable's index |
//! | 0 to 7 | bits to consume | bits to consume, with the extra bits | bits to consume |
//! | flags | [`LITERAL`] | | [`SPECIAL`] |

use super::fault::DeflateFault;

/// How many bits index the main table of literals and lengths.
pub(super) const LITLEN_BITS: u32 = 11;
/// How many bits index the main table of distances.
pub(super) const DISTANCE_BITS: u32 = 8;
/// How many bits index the table of code lengths. No code of that alphabet is longer.
pub(super) const PRECODE_BITS: u32 = 7;

// Powers of two, so that a masked index needs no bounds check. Main table and subtables of a
// complete code take at most 2,342 entries for 288 symbols, and 402 for 32.
/// The entries of the table of literals and lengths.
pub(super) const LITLEN_SIZE: usize = 4096;
/// The entries of the table of distances.
pub(super) const DISTANCE_SIZE: usize = 512;
/// The entries of the table of code lengths.
pub(super) const PRECODE_SIZE: usize = 1 << PRECODE_BITS;

/// The entry is a literal. The highest bit, because a sign is the cheapest to test.
pub(super) const LITERAL: u32 = 1 << 31;
/// The entry is neither a literal nor a length or distance: one of the two below, or a subtable.
pub(super) const SPECIAL: u32 = 1 << 15;
/// With [`SPECIAL`]: the block ends.
pub(super) const END: u32 = 1 << 14;
/// With [`SPECIAL`]: no symbol has this code, or the symbol has no meaning.
pub(super) const INVALID: u32 = 1 << 13;

/// The longest code of deflate in bits.
const MAX_LENGTH: usize = 15;

/// Number of extra bits, and how many symbols in a row have it (RFC 1951, 3.2.5).
type Extra = (u32, usize);
const LENGTH_EXTRAS: [Extra; 6] = [(0, 8), (1, 4), (2, 4), (3, 4), (4, 4), (5, 4)];
const DISTANCE_EXTRAS: [Extra; 14] = [
    (0, 4),
    (1, 2),
    (2, 2),
    (3, 2),
    (4, 2),
    (5, 2),
    (6, 2),
    (7, 2),
    (8, 2),
    (9, 2),
    (10, 2),
    (11, 2),
    (12, 2),
    (13, 2),
];

/// The literals and lengths, still without the lengths of their codes.
pub(super) const LITLEN_SYMBOLS: [u32; 288] = {
    let mut symbols = [SPECIAL | INVALID; 288];
    let mut byte = 0;
    while byte < 256 {
        symbols[byte as usize] = LITERAL | byte << 16;
        byte += 1;
    }
    symbols[256] = SPECIAL | END;
    symbols = bases(symbols, 257, 3, &LENGTH_EXTRAS);
    // The last length is not the base of a range: it would be 259 with five extra bits.
    symbols[285] = 258 << 16;
    symbols
};

/// The distances, likewise.
pub(super) const DISTANCE_SYMBOLS: [u32; 32] =
    bases([SPECIAL | INVALID; 32], 0, 1, &DISTANCE_EXTRAS);

/// The code lengths, likewise.
pub(super) const PRECODE_SYMBOLS: [u32; 19] = {
    let mut symbols = [0; 19];
    let mut length = 0;
    while length < 19 {
        symbols[length as usize] = length << 16;
        length += 1;
    }
    symbols
};

/// Fills in the ranges of lengths or distances from symbol `at`, of which the first begins with
/// `base`.
const fn bases<const N: usize>(
    mut symbols: [u32; N],
    mut at: usize,
    mut base: u32,
    extras: &[Extra],
) -> [u32; N] {
    let mut row = 0;
    while row < extras.len() {
        let (bits, times) = extras[row];
        let mut time = 0;
        while time < times {
            symbols[at] = base << 16 | bits;
            base += 1 << bits;
            at += 1;
            time += 1;
        }
        row += 1;
    }
    symbols
}

/// The alphabets differ in what an incomplete code means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Incomplete {
    /// It is refused.
    Refused,
    /// It is accepted if it has no symbols at all, or a single one whose code has one bit. zlib
    /// accepts these too; the bits that are no code are refused when they occur.
    OneSymbol,
}

/// How often each length occurs, and the symbols in order of the length of their codes.
struct Lengths {
    counts: [u16; MAX_LENGTH + 1],
    sorted: [u16; 288],
    used: usize,
    /// The codes of 15 bits that no symbol uses.
    unused: u32,
}

impl Lengths {
    /// Refuses lengths that need more codes than there are.
    fn new(lengths: &[u8]) -> Result<Self, DeflateFault> {
        let mut counts = [0_u16; MAX_LENGTH + 1];
        for &length in lengths {
            counts[usize::from(length & 15)] += 1;
        }
        counts[0] = 0;
        let mut offsets = [0_u16; MAX_LENGTH + 2];
        let mut unused = 1_u32 << MAX_LENGTH;
        for length in 1..=MAX_LENGTH {
            offsets[length + 1] = offsets[length] + counts[length];
            unused = unused
                .checked_sub(u32::from(counts[length]) << (MAX_LENGTH - length))
                .ok_or(DeflateFault::Codes)?;
        }
        let mut sorted = [0_u16; 288];
        for (symbol, &length) in (0_u16..).zip(lengths) {
            if length != 0 {
                let offset = &mut offsets[usize::from(length & 15)];
                sorted[usize::from(*offset)] = symbol;
                *offset += 1;
            }
        }
        // After the loop, each offset is where the next length begins.
        let used = usize::from(offsets[MAX_LENGTH]);
        Ok(Self {
            counts,
            sorted,
            used,
            unused,
        })
    }
}

/// Fills `table` for the code whose symbols have these `lengths`. `bits` index its main table.
pub(super) fn build<const SIZE: usize>(
    table: &mut [u32; SIZE],
    bits: u32,
    lengths: &[u8],
    symbols: &[u32],
    incomplete: Incomplete,
) -> Result<(), DeflateFault> {
    let lengths = Lengths::new(lengths)?;
    if lengths.unused > 0 {
        let one = lengths.used == 0 || (lengths.used == 1 && lengths.counts[1] == 1);
        if !one || incomplete == Incomplete::Refused {
            return Err(DeflateFault::Codes);
        }
        table[..1 << bits].fill(with_code(SPECIAL | INVALID, 1));
        if lengths.used == 1 {
            // The only code is a zero bit.
            let entry = with_code(symbols[usize::from(lengths.sorted[0])], 1);
            table[..1 << bits]
                .iter_mut()
                .step_by(2)
                .for_each(|place| *place = entry);
        }
        return Ok(());
    }
    let mut builder = Builder {
        table,
        bits,
        symbols,
        sorted: lengths.sorted[..lengths.used].iter(),
        code: 0,
    };
    if !builder.fill_main(&lengths.counts) {
        builder.fill_subtables(&lengths.counts);
    }
    Ok(())
}

/// Fills the table of a complete code, in order of the codes.
struct Builder<'a, const SIZE: usize> {
    table: &'a mut [u32; SIZE],
    bits: u32,
    symbols: &'a [u32],
    /// The symbols that have no code yet.
    sorted: std::slice::Iter<'a, u16>,
    /// The next code, with its first bit lowest, as in the stream.
    code: usize,
}

impl<const SIZE: usize> Builder<'_, SIZE> {
    /// The entry of the next symbol, whose code has `length` bits in its table.
    fn next_entry(&mut self, length: u32) -> u32 {
        let symbol = self
            .sorted
            .next()
            .expect("the counts are those of the symbols");
        with_code(self.symbols[usize::from(*symbol)], length)
    }

    /// Moves on to the next code of `length` bits; returns false after the last one.
    fn next_code(&mut self, length: u32) -> bool {
        let all = (1_usize << length) - 1;
        if self.code == all {
            return false;
        }
        // Adds 1 to a number whose highest bit comes first.
        let bit = 1_usize << (self.code ^ all).ilog2();
        self.code = (self.code & (bit - 1)) | bit;
        true
    }

    /// Fills the main table; returns whether no code is longer than its index.
    fn fill_main(&mut self, counts: &[u16; MAX_LENGTH + 1]) -> bool {
        let main = 1_usize << self.bits;
        let mut complete = false;
        for length in 1..=self.bits {
            for _ in 0..counts[length as usize] {
                self.table[self.code] = self.next_entry(length);
                complete = !self.next_code(length);
            }
            // The part for `length` bits is valid; a further bit does not matter to its codes.
            let part = 1_usize << length;
            if part < main {
                self.table.copy_within(..part, part);
            }
        }
        complete
    }

    fn fill_subtables(&mut self, counts: &[u16; MAX_LENGTH + 1]) {
        let main = 1_usize << self.bits;
        let mut prefix = usize::MAX;
        // The current subtable; the first one begins behind the main table.
        let mut start = 0_u32;
        let mut end = 1_u32 << self.bits;
        for length in (self.bits + 1..).take(MAX_LENGTH - self.bits as usize) {
            let count = counts[length as usize];
            for done in 0..count {
                if self.code & (main - 1) != prefix {
                    prefix = self.code & (main - 1);
                    let index = subtable_bits(counts, length, count - done, self.bits);
                    start = end;
                    end += 1 << index;
                    self.table[prefix] = SPECIAL | start << 16 | index << 8 | self.bits;
                }
                let entry = self.next_entry(length - self.bits);
                let first = start as usize + (self.code >> self.bits);
                for at in (first..end as usize).step_by(1 << (length - self.bits)) {
                    self.table[at] = entry;
                }
                self.next_code(length);
            }
        }
    }
}

/// The number of bits that index a subtable: so many that the codes from here on, `left` of them
/// with `length` bits, fill it.
fn subtable_bits(counts: &[u16; MAX_LENGTH + 1], length: u32, left: u16, bits: u32) -> u32 {
    let mut index = length - bits;
    let mut codes = u32::from(left);
    while codes < 1 << index {
        index += 1;
        codes = codes * 2 + u32::from(counts[(bits + index) as usize]);
    }
    index
}

/// `symbol` with a code of `length` bits. Its extra bits are in the lowest byte already.
const fn with_code(symbol: u32, length: u32) -> u32 {
    symbol + (length << 8) + length
}

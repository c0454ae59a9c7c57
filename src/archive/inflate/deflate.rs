//! Inflates a deflate stream in pieces (RFC 1951).
//!
//! Input: the compressed data, in pieces of at least [`MAX_HEADER`] bytes but for the last. Output:
//! the content, in pieces of up to [`SIZE`] bytes. A stream is accepted or refused exactly as by
//! zlib. Memory: 280 KiB.
//!
//! Most of the stream is decoded by a loop that reads eight bytes at once and copies sixteen
//! ([`Inflate::fast`]). It needs room for that at both ends, so the last bytes of the stream are
//! decoded with care ([`Inflate::careful`]). Both stop between two symbols only, which keeps the
//! state small.

use std::fmt::Debug;

use super::bits::{AHEAD, Bits, low};
use super::fault::DeflateFault;
use super::output::{Buffer, Output, SIZE};
use super::tables::{
    self, DISTANCE_BITS, DISTANCE_SIZE, DISTANCE_SYMBOLS, END, INVALID, Incomplete, LITERAL,
    LITLEN_BITS, LITLEN_SIZE, LITLEN_SYMBOLS, PRECODE_BITS, PRECODE_SIZE, PRECODE_SYMBOLS, SPECIAL,
};

/// The farthest distance of a match, in bytes.
const WINDOW: usize = 1 << 15;
/// No symbol is begun with less room in the buffer: three literals and the longest match.
const ROOM: usize = 3 + 258;
/// The largest header of a block in bytes: 17 + 19 * 3 + 316 * (7 + 7) bits.
const MAX_HEADER: usize = 563;

/// Why [`Inflate::decode`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The input is used up except for some bytes, which have to be passed again with those that
    /// follow them.
    NeedsInput,
    /// The buffer is full: its content has to be [discarded](Inflate::discard) first.
    Full,
    /// The stream has ended.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BlockState {
    /// A block begins.
    Header,
    /// In a stored block that has this many bytes left.
    Stored(usize),
    /// In a block of codes, between two symbols.
    Codes,
    End,
}

/// The state of one stream, and its buffers, which serve one stream after the other.
pub struct Inflate {
    litlen: Box<[u32; LITLEN_SIZE]>,
    distance: Box<[u32; DISTANCE_SIZE]>,
    precode: Box<[u32; PRECODE_SIZE]>,
    /// The window, and the content behind it.
    buffer: Box<Buffer>,
    /// Where the content begins that was not taken yet.
    start: usize,
    /// Where it ends.
    end: usize,
    bits: Bits,
    state: BlockState,
    /// Whether this is the last block.
    last: bool,
    /// See [`Inflate::last_header`].
    last_header: Option<i64>,
}

/// A piece of the compressed data, and how much of it was read.
struct Compressed<'a> {
    data: &'a [u8],
    at: usize,
}

/// The number of bits of the first `at` bytes without the last `unread` ones.
fn position(at: usize, unread: u32) -> i64 {
    let bytes = i64::try_from(at).expect("the data is in memory");
    bytes * 8 - i64::from(unread)
}

fn boxed<T: Copy + Debug, const N: usize>(value: T) -> Box<[T; N]> {
    let values = vec![value; N].into_boxed_slice();
    values.try_into().expect("it has N values")
}

impl Default for Inflate {
    fn default() -> Self {
        Self::new()
    }
}

impl Inflate {
    /// Empty buffers, before the first stream.
    pub fn new() -> Self {
        Self {
            litlen: boxed(0),
            distance: boxed(0),
            precode: boxed(0),
            buffer: boxed(0),
            start: 0,
            end: 0,
            bits: Bits::default(),
            state: BlockState::Header,
            last: false,
            last_header: None,
        }
    }

    /// Begins a new stream.
    pub fn reset(&mut self) {
        self.start = 0;
        self.end = 0;
        self.bits = Bits::default();
        self.state = BlockState::Header;
    }

    /// The content since the last call of [`discard`](Self::discard).
    pub fn content(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The place of the header of the last block, if the last call of [`decode`](Self::decode) has
    /// read it: in bits from the beginning of the data of that call. It is up to 7 bits before it
    /// if the header begins in a byte that was used before.
    pub fn last_header(&self) -> Option<i64> {
        self.last_header
    }

    /// How many bits of the last used byte are not part of what was decoded so far, at most 7.
    pub fn unused_bits(&self) -> u32 {
        self.bits.count
    }

    /// Decodes `data` until it or the buffer is used up, and returns how many bytes of it were
    /// used. `last` says that nothing follows it. The content is appended to that of earlier calls.
    pub fn decode(&mut self, data: &[u8], last: bool) -> Result<(usize, Progress), DeflateFault> {
        self.last_header = None;
        let mut input = Compressed { data, at: 0 };
        let progress = loop {
            match self.state {
                BlockState::Header => {
                    if !last && data.len() - input.at < MAX_HEADER {
                        break Progress::NeedsInput;
                    }
                    self.header(&mut input)?;
                }
                BlockState::Stored(left) => {
                    let copied = self.copy_stored(&mut input, left);
                    if copied < left {
                        self.state = BlockState::Stored(left - copied);
                        break self.stop(last)?;
                    }
                    self.end_block();
                }
                BlockState::Codes => {
                    self.fast(&mut input)?;
                    if self.state == BlockState::Codes && last {
                        self.careful(&mut input)?;
                    }
                    if self.state == BlockState::Codes {
                        break self.stop(last)?;
                    }
                }
                BlockState::End => break Progress::End,
            }
        };
        input.at -= self.bits.give_back();
        Ok((input.at, progress))
    }

    /// Why a block cannot go on: the buffer is full, or else the input is used up.
    fn stop(&self, last: bool) -> Result<Progress, DeflateFault> {
        let full = match self.state {
            BlockState::Codes => self.end > SIZE - ROOM,
            _ => self.end == SIZE,
        };
        match (full, last) {
            (true, _) => Ok(Progress::Full),
            (false, false) => Ok(Progress::NeedsInput),
            (false, true) => Err(DeflateFault::CutOff),
        }
    }

    fn end_block(&mut self) {
        self.state = if self.last {
            BlockState::End
        } else {
            BlockState::Header
        };
    }

    /// Discards the content, of which only the window is kept. Moving it takes as long as decoding
    /// a few kilobytes, so the buffer should be full, or the stream at its end.
    pub fn discard(&mut self) {
        if self.end > WINDOW {
            self.buffer.copy_within(self.end - WINDOW..self.end, 0);
            self.end = WINDOW;
        }
        self.start = self.end;
    }

    /// Reads the header of a block (RFC 1951, 3.2.3).
    fn header(&mut self, input: &mut Compressed<'_>) -> Result<(), DeflateFault> {
        let begin = position(input.at, self.bits.count);
        self.last = self.read(input, 1)? == 1;
        if self.last {
            self.last_header = Some(begin);
        }
        match self.read(input, 2)? {
            0 => {
                // The rest of the byte is not used.
                let rest = self.bits.count & 7;
                self.read(input, rest)?;
                let length = self.read(input, 16)?;
                if self.read(input, 16)? != length ^ 0xffff {
                    return Err(DeflateFault::StoredLength);
                }
                self.state = BlockState::Stored(length);
            }
            1 => {
                self.fixed_codes()?;
                self.state = BlockState::Codes;
            }
            2 => {
                self.dynamic_codes(input)?;
                self.state = BlockState::Codes;
            }
            _ => return Err(DeflateFault::BlockType),
        }
        Ok(())
    }

    /// Copies up to `left` bytes of a stored block, and returns how many.
    fn copy_stored(&mut self, input: &mut Compressed<'_>, left: usize) -> usize {
        input.at -= self.bits.give_back();
        let here = &input.data[input.at..];
        let count = left.min(SIZE - self.end).min(here.len());
        self.buffer[self.end..self.end + count].copy_from_slice(&here[..count]);
        self.end += count;
        input.at += count;
        count
    }

    /// The tables of blocks without codes of their own (RFC 1951, 3.2.6).
    fn fixed_codes(&mut self) -> Result<(), DeflateFault> {
        let mut lengths = [8; 288];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        self.build_tables(&lengths, &[5; 32])
    }

    fn build_tables(&mut self, litlen: &[u8], distance: &[u8]) -> Result<(), DeflateFault> {
        let one = Incomplete::OneSymbol;
        tables::build(&mut self.litlen, LITLEN_BITS, litlen, &LITLEN_SYMBOLS, one)?;
        tables::build(
            &mut self.distance,
            DISTANCE_BITS,
            distance,
            &DISTANCE_SYMBOLS,
            one,
        )
    }

    /// Reads the codes of a block (RFC 1951, 3.2.7).
    fn dynamic_codes(&mut self, input: &mut Compressed<'_>) -> Result<(), DeflateFault> {
        const ORDER: [usize; 19] = [
            16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
        ];
        let literals = 257 + self.read(input, 5)?;
        let distances = 1 + self.read(input, 5)?;
        let precodes = 4 + self.read(input, 4)?;
        // The other symbols have no meaning. zlib refuses them here.
        if literals > 286 || distances > 30 {
            return Err(DeflateFault::Codes);
        }
        let mut lengths = [0; 19];
        for &place in &ORDER[..precodes] {
            lengths[place] = self.read_length(input, 3)?;
        }
        tables::build(
            &mut self.precode,
            PRECODE_BITS,
            &lengths,
            &PRECODE_SYMBOLS,
            Incomplete::Refused,
        )?;
        let mut lengths = [0; 286 + 30];
        let total = literals + distances;
        self.read_lengths(input, &mut lengths[..total])?;
        if lengths[256] == 0 {
            return Err(DeflateFault::NoEndOfBlock);
        }
        self.build_tables(&lengths[..literals], &lengths[literals..total])
    }

    /// Reads the lengths of codes, which are themselves coded.
    fn read_lengths(
        &mut self,
        input: &mut Compressed<'_>,
        lengths: &mut [u8],
    ) -> Result<(), DeflateFault> {
        let mut at = 0;
        while at < lengths.len() {
            self.read_ahead(input, PRECODE_BITS);
            let entry = self.bits.look_up(&self.precode, PRECODE_BITS);
            self.consume(entry)?;
            let (value, times) = match entry >> 16 {
                16 => {
                    let before = at.checked_sub(1).ok_or(DeflateFault::Repeat)?;
                    (lengths[before], 3 + self.read(input, 2)?)
                }
                17 => (0, 3 + self.read(input, 3)?),
                18 => (0, 11 + self.read(input, 7)?),
                length => (length.to_le_bytes()[0], 1),
            };
            let places = lengths.get_mut(at..at + times);
            places.ok_or(DeflateFault::Repeat)?.fill(value);
            at += times;
        }
        Ok(())
    }

    /// Reads input until there are `count` bits, at most 48, or the input ends.
    fn read_ahead(&mut self, input: &mut Compressed<'_>, count: u32) {
        while self.bits.count < count
            && let Some(&byte) = input.data.get(input.at)
        {
            self.bits.bits |= u64::from(byte) << self.bits.count;
            self.bits.count += 8;
            input.at += 1;
        }
    }

    /// Reads `count` bits, at most 16.
    fn read(&mut self, input: &mut Compressed<'_>, count: u32) -> Result<usize, DeflateFault> {
        self.read_ahead(input, count);
        let value = low(self.bits.bits, count);
        self.consume(count)?;
        Ok(value)
    }

    /// Reads a length of `count` bits, at most 8.
    fn read_length(&mut self, input: &mut Compressed<'_>, count: u32) -> Result<u8, DeflateFault> {
        Ok(self.read(input, count)?.to_le_bytes()[0])
    }

    /// Consumes the bits that `entry` says, if as many were read.
    fn consume(&mut self, entry: u32) -> Result<(), DeflateFault> {
        if self.bits.count < entry & 0xff {
            return Err(DeflateFault::CutOff);
        }
        self.bits.consume(entry);
        Ok(())
    }

    /// Decodes symbols one by one, up to the very end of the input.
    fn careful(&mut self, input: &mut Compressed<'_>) -> Result<(), DeflateFault> {
        while self.end <= SIZE - ROOM {
            // A length and a distance have at most 48 bits. If fewer are left, zeros follow them,
            // and `consume` notices.
            self.read_ahead(input, 48);
            let mut entry = self.bits.look_up(&self.litlen, LITLEN_BITS);
            if entry & (SPECIAL | END | INVALID) == SPECIAL {
                self.consume(entry)?;
                entry = self.bits.look_up_rest(&self.litlen, entry);
            }
            if entry & LITERAL != 0 {
                self.consume(entry)?;
                self.append(|output| output.push((entry >> 16).to_le_bytes()[0]));
                continue;
            }
            if entry & SPECIAL != 0 {
                self.consume(entry)?;
                if entry & END == 0 {
                    return Err(DeflateFault::Symbol);
                }
                self.end_block();
                return Ok(());
            }
            let length = self.careful_value(entry)?;
            let mut entry = self.bits.look_up(&self.distance, DISTANCE_BITS);
            if entry & (SPECIAL | INVALID) == SPECIAL {
                self.consume(entry)?;
                entry = self.bits.look_up_rest(&self.distance, entry);
            }
            if entry & SPECIAL != 0 {
                self.consume(entry)?;
                return Err(DeflateFault::Symbol);
            }
            let distance = self.careful_value(entry)?;
            if distance > self.end {
                return Err(DeflateFault::Distance);
            }
            self.append(|output| output.repeat(distance, length));
        }
        Ok(())
    }

    fn append(&mut self, change: impl FnOnce(&mut Output<'_>)) {
        let mut output = Output {
            buffer: &mut self.buffer,
            end: self.end,
        };
        change(&mut output);
        self.end = output.end;
    }

    /// Like [`Bits::value`], if as many bits were read.
    fn careful_value(&mut self, entry: u32) -> Result<usize, DeflateFault> {
        if self.bits.count < entry & 0xff {
            return Err(DeflateFault::CutOff);
        }
        Ok(self.bits.value(entry))
    }

    /// Decodes symbols until the block ends, the buffer is full, or fewer than [`AHEAD`] bytes of
    /// input are left.
    fn fast(&mut self, input: &mut Compressed<'_>) -> Result<(), DeflateFault> {
        let (litlen, distances) = (&*self.litlen, &*self.distance);
        let mut output = Output {
            buffer: &mut self.buffer,
            end: self.end,
        };
        let (mut bits, mut at) = (self.bits, input.at);
        let mut block_ended = false;
        while output.end <= SIZE - ROOM
            && let Some(ahead) = input.data[at..].first_chunk::<AHEAD>()
        {
            let mut read = bits.refill(ahead, 0);
            let mut entry = bits.look_up(litlen, LITLEN_BITS);
            // Three literals of the main table take at most 33 of the 56 bits.
            if entry & LITERAL != 0 {
                entry = bits.literal(&mut output, entry, litlen);
                if entry & LITERAL != 0 {
                    entry = bits.literal(&mut output, entry, litlen);
                    if entry & LITERAL != 0 {
                        bits.literal(&mut output, entry, litlen);
                        at += read;
                        continue;
                    }
                }
                // Without literals before it, a match has enough bits: at most 20 + 28.
                read += bits.refill(ahead, read & 7);
            }
            at += read;
            if entry & SPECIAL != 0 {
                if entry & (END | INVALID) == 0 {
                    bits.consume(entry);
                    entry = bits.look_up_rest(litlen, entry);
                }
                if entry & LITERAL != 0 {
                    bits.literal(&mut output, entry, litlen);
                    continue;
                }
                if entry & INVALID != 0 {
                    return Err(DeflateFault::Symbol);
                }
                if entry & END != 0 {
                    bits.consume(entry);
                    block_ended = true;
                    break;
                }
            }
            let length = bits.value(entry);
            let mut entry = bits.look_up(distances, DISTANCE_BITS);
            if entry & (SPECIAL | INVALID) == SPECIAL {
                bits.consume(entry);
                entry = bits.look_up_rest(distances, entry);
            }
            if entry & SPECIAL != 0 {
                return Err(DeflateFault::Symbol);
            }
            let distance = bits.value(entry);
            if distance > output.end {
                return Err(DeflateFault::Distance);
            }
            output.repeat(distance, length);
        }
        self.end = output.end;
        input.at = at - bits.give_back();
        self.bits = bits;
        if block_ended {
            self.end_block();
        }
        Ok(())
    }
}

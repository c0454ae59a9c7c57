//! The buffer that a deflate stream is decoded into.
//!
//! Its size is a power of two and indexes are masked, so that the compiler can leave out the bounds
//! checks. The masks never change an index.

/// How many bytes of content the buffer holds, the window of 32 KiB included. 256 KiB stay in the
/// second cache of the processor until they are hashed and written.
pub(super) const SIZE: usize = 1 << 18;
/// Copies may go beyond [`SIZE`] by as much.
const MARGIN: usize = 32;

/// A buffer of [`SIZE`] bytes with a margin.
pub(super) type Buffer = [u8; SIZE + MARGIN];

/// The buffer, and where its content ends.
pub(super) struct Output<'a> {
    pub(super) buffer: &'a mut Buffer,
    pub(super) end: usize,
}

impl Output<'_> {
    /// Appends one byte.
    #[inline(always)]
    pub(super) fn push(&mut self, byte: u8) {
        self.buffer[self.end & (SIZE - 1)] = byte;
        self.end += 1;
    }

    /// Appends the `length` bytes that begin `distance` before the end. They may overlap with the
    /// appended ones: a byte that was copied can be copied again. Up to 32 bytes behind the match
    /// are overwritten too.
    #[inline(always)]
    pub(super) fn repeat(&mut self, distance: usize, length: usize) {
        let (from, to) = (self.end - distance, self.end);
        if distance >= 16 {
            // Most matches have at most 32 bytes, and a needless copy costs less than a wrong
            // guess of the processor whether the loop ends.
            self.copy::<16>(from, to);
            self.copy::<16>(from + 16, to + 16);
            let mut done = 32;
            while done < length {
                self.copy::<16>(from + done, to + done);
                done += 16;
            }
        } else if distance >= 8 {
            let mut done = 0;
            while done < length {
                self.copy::<8>(from + done, to + done);
                done += 8;
            }
        } else if distance == 1 {
            let byte = self.buffer[from & (SIZE - 1)];
            self.buffer[to..to + length].fill(byte);
        } else {
            // Only the first `distance` bytes of a copy are right; the next copy replaces the
            // others.
            let mut done = 0;
            while done < length {
                self.copy::<8>(from + done, to + done);
                done += distance;
            }
        }
        self.end += length;
    }

    #[inline(always)]
    fn copy<const N: usize>(&mut self, from: usize, to: usize) {
        let (from, to) = (from & (SIZE - 1), to & (SIZE - 1));
        let chunk: [u8; N] = self.buffer[from..from + N].try_into().expect("N bytes");
        self.buffer[to..to + N].copy_from_slice(&chunk);
    }
}

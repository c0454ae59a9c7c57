//! Numbers in the records of a zip archive, which are little-endian (APPNOTE 4.1.6).
//!
//! Callers have checked that the record is long enough; a number outside of it is a bug and panics.

/// The number of two bytes at offset `at`.
pub(super) fn u16_at(record: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([record[at], record[at + 1]])
}

/// The number of four bytes at offset `at`.
pub(super) fn u32_at(record: &[u8], at: usize) -> u32 {
    u32::from(u16_at(record, at)) | u32::from(u16_at(record, at + 2)) << 16
}

/// The number of eight bytes at offset `at`.
pub(super) fn u64_at(record: &[u8], at: usize) -> u64 {
    u64::from(u32_at(record, at)) | u64::from(u32_at(record, at + 4)) << 32
}

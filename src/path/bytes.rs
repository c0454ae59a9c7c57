//! Looking for bytes in short texts.

/// Whether `is_meant` holds for any byte. Looks at all of them, which lets the compiler compare
/// many at once: the bytes of a path are few, and hardly any is ever meant.
#[inline]
pub fn any_byte(bytes: &[u8], is_meant: impl Fn(u8) -> bool) -> bool {
    let found = bytes
        .iter()
        .fold(0, |found, byte| found | u8::from(is_meant(*byte)));
    found != 0
}

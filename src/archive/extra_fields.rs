//! The extra fields of a header (APPNOTE 4.5): those that say what the header itself says must
//! agree with it.
//!
//! Input: the bytes of all extra fields of one header, and the numbers of that header which a zip64
//! field may replace. Output: the true numbers, or what is wrong. Readers differ in which field
//! they look for, whether the first or the last counts, and whether it counts where the header has
//! a number of its own; so each field may only be read in one way.

use super::central_directory::{u16_at, u64_at};

/// The zip64 field (4.5.3): sizes and offset that do not fit into the header.
const ZIP64: u16 = 0x0001;
/// The name in UTF-8 (4.6.9).
const UNICODE_PATH: u16 = 0x7075;

/// The true numbers of a header, and whether it has a zip64 field.
///
/// `stated` are the header's own numbers in the order of that field; `together` asks for all of
/// them there or none.
pub(super) fn resolve<const N: usize>(
    extra: &[u8],
    stated: [u32; N],
    together: bool,
) -> Result<([u64; N], bool), &'static str> {
    let mut zip64 = None;
    let mut rest = extra;
    while !rest.is_empty() {
        let length = usize::from(u16_at(rest, 2));
        let content = rest.get(4..4 + length).ok_or("an extra field is cut off")?;
        match u16_at(rest, 0) {
            UNICODE_PATH => return Err("its name has another form in an extra field"),
            ZIP64 if zip64.replace(content).is_some() => return Err("it has two zip64 fields"),
            _ => {}
        }
        rest = &rest[4 + length..];
    }
    let numbers =
        replace(zip64, stated, together).ok_or("its zip64 field does not fit its sizes")?;
    Ok((numbers, zip64.is_some()))
}

/// The numbers with those from the zip64 field in their places. A field that nothing asks for must
/// repeat what is there.
fn replace<const N: usize>(
    field: Option<&[u8]>,
    stated: [u32; N],
    together: bool,
) -> Option<[u64; N]> {
    let mut numbers = stated.map(u64::from);
    let missing = stated.iter().filter(|&&number| number == u32::MAX).count();
    let field = field.unwrap_or_default();
    let count = field.len() / 8;
    if !field.len().is_multiple_of(8)
        || (missing > 0 && count != missing)
        || (together && missing % N > 0)
    {
        return None;
    }
    if missing == 0 {
        return (count <= N && (0..count).all(|place| u64_at(field, 8 * place) == numbers[place]))
            .then_some(numbers);
    }
    let replaced = numbers
        .iter_mut()
        .filter(|number| **number == u64::from(u32::MAX));
    for (place, number) in replaced.enumerate() {
        *number = u64_at(field, 8 * place);
    }
    Some(numbers)
}

//! The extra fields of a header (APPNOTE 4.5), which may replace or repeat its numbers.
//!
//! Input: the bytes of all extra fields of one header, and those numbers of the header that a zip64
//! field may replace. Output: the true numbers, or what is wrong. Readers differ in which field
//! they look for, in whether the first or the last one counts, and in whether it counts if the
//! header has a number of its own. Therefore only fields that can be read in one way are accepted.

use super::little_endian::{u16_at, u64_at};

/// The zip64 field (4.5.3): sizes and an offset that do not fit into the header.
const ZIP64: u16 = 0x0001;
/// The name in UTF-8 (4.6.9).
const UNICODE_PATH: u16 = 0x7075;
/// The comment in UTF-8 (4.6.8).
const UNICODE_COMMENT: u16 = 0x6375;
/// Times of Unix, as Info-ZIP writes them.
const TIMESTAMP: u16 = 0x5455;
/// The alignment of the data, as Android's tools write it, and under an older number.
const ALIGNMENT: [u16; 2] = [0xa11e, 0xd935];

/// Which of the two headers of an entry the extra fields belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderKind {
    Central,
    /// A zip64 field replaces both sizes or none (4.5.3).
    Local,
}

/// The true numbers of a header, and whether it has a zip64 field. `stated` are the header's own
/// numbers in the order of that field; one that is `u32::MAX` is a placeholder.
pub(super) fn resolve<const N: usize>(
    extra: &[u8],
    stated: [u32; N],
    kind: HeaderKind,
) -> Result<([u64; N], bool), &'static str> {
    let mut zip64 = None;
    let mut rest = extra;
    while !rest.is_empty() {
        let cut_off = "an extra field is cut off";
        let (head, after) = rest.split_at_checked(4).ok_or(cut_off)?;
        let (content, after) = after
            .split_at_checked(usize::from(u16_at(head, 2)))
            .ok_or(cut_off)?;
        match u16_at(head, 0) {
            // Only some readers use this name, so two tools could install two different files.
            UNICODE_PATH => return Err("its name has another form in an extra field"),
            ZIP64 if zip64.replace(content).is_some() => return Err("it has two zip64 fields"),
            // Other readers refuse the archive for these, though nothing here depends on them.
            identifier
                if kind == HeaderKind::Central && content.len() < least_length(identifier) =>
            {
                return Err("an extra field is too short");
            }
            _ => {}
        }
        rest = after;
    }
    let numbers = replace(zip64, stated, kind).ok_or("its zip64 field does not fit its sizes")?;
    Ok((numbers, zip64.is_some()))
}

/// The length of a field's fixed part in bytes.
fn least_length(identifier: u16) -> usize {
    match identifier {
        UNICODE_COMMENT => 5,
        TIMESTAMP => 1,
        identifier if ALIGNMENT.contains(&identifier) => 2,
        _ => 0,
    }
}

/// The header's numbers with the placeholders replaced from the zip64 field; `None` if the field
/// does not fit. A field without any placeholder to replace must repeat the header's numbers.
fn replace<const N: usize>(
    field: Option<&[u8]>,
    stated: [u32; N],
    kind: HeaderKind,
) -> Option<[u64; N]> {
    let mut numbers = stated.map(u64::from);
    let missing = stated.iter().filter(|&&number| number == u32::MAX).count();
    let field = field.unwrap_or_default();
    let count = field.len() / 8;
    let in_part = missing > 0 && missing < N;
    if !field.len().is_multiple_of(8)
        // Surplus numbers are ambiguous: a reader may take them by position instead.
        || (missing > 0 && count != missing)
        || (kind == HeaderKind::Local && in_part)
    {
        return None;
    }
    if missing == 0 {
        return (count <= N && (0..count).all(|at| u64_at(field, 8 * at) == numbers[at]))
            .then_some(numbers);
    }
    let placeholders = numbers
        .iter_mut()
        .filter(|number| **number == u64::from(u32::MAX));
    for (at, number) in placeholders.enumerate() {
        *number = u64_at(field, 8 * at);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(identifier: u16, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap();
        [
            &identifier.to_le_bytes()[..],
            &length.to_le_bytes(),
            content,
        ]
        .concat()
    }

    fn zip64(numbers: &[u64]) -> Vec<u8> {
        let content: Vec<u8> = numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        field(ZIP64, &content)
    }

    #[test]
    fn placeholders_are_replaced_in_their_order() {
        let wide = 1 << 33;
        let (stated, extra) = ([7, u32::MAX, u32::MAX], zip64(&[8, wide]));
        let resolved = resolve(&extra, stated, HeaderKind::Central);
        assert_eq!(resolved, Ok(([7, 8, wide], true)));
        assert_eq!(
            resolve(&[], [7, 8, 9], HeaderKind::Central),
            Ok(([7, 8, 9], false))
        );
    }

    #[test]
    fn a_field_that_nothing_asks_for_repeats_the_header() {
        for numbers in [&[7][..], &[7, 8], &[7, 8, 9], &[]] {
            let resolved = resolve(&zip64(numbers), [7, 8, 9], HeaderKind::Central);
            assert_eq!(resolved, Ok(([7, 8, 9], true)), "{numbers:?}");
        }
        for numbers in [&[8][..], &[7, 9], &[7, 8, 9, 0]] {
            assert!(resolve(&zip64(numbers), [7, 8, 9], HeaderKind::Central).is_err());
        }
    }

    #[test]
    fn a_local_header_has_both_sizes_in_the_field_or_none() {
        let extra = zip64(&[8]);
        assert!(resolve(&extra, [7, u32::MAX], HeaderKind::Local).is_err());
        assert!(resolve(&extra, [7, u32::MAX], HeaderKind::Central).is_ok());
        assert!(resolve(&zip64(&[7, 8]), [u32::MAX; 2], HeaderKind::Local).is_ok());
    }

    #[test]
    fn fields_that_are_cut_off_or_doubled_are_refused() {
        let whole = zip64(&[7]);
        for length in 1..whole.len() {
            assert!(resolve(&whole[..length], [7], HeaderKind::Local).is_err());
        }
        assert!(resolve(&whole.repeat(2), [7], HeaderKind::Central).is_err());
        assert!(resolve(&field(UNICODE_PATH, b"\x01...."), [7], HeaderKind::Central).is_err());
    }

    #[test]
    fn fields_without_their_fixed_part_are_refused_in_the_central_directory() {
        let short = [
            (TIMESTAMP, 0),
            (ALIGNMENT[0], 1),
            (ALIGNMENT[1], 0),
            (UNICODE_COMMENT, 4),
        ];
        for (identifier, length) in short {
            let (short, enough) = (vec![0; length], vec![0; length + 1]);
            let resolved = |content: &[u8], kind| resolve(&field(identifier, content), [7], kind);
            assert!(
                resolved(&short, HeaderKind::Central).is_err(),
                "{identifier:#06x}"
            );
            assert!(
                resolved(&short, HeaderKind::Local).is_ok(),
                "{identifier:#06x}"
            );
            assert!(
                resolved(&enough, HeaderKind::Central).is_ok() || identifier == ALIGNMENT[1],
                "{identifier:#06x}"
            );
        }
    }
}

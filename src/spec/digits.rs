//! Numbers that are written with digits alone.

use std::str::FromStr;

/// The number; `None` if `text` has anything but ASCII digits, or does not fit. `parse` alone would
/// accept a sign.
pub(crate) fn number<T: FromStr>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_spaces_and_nothing_are_no_numbers() {
        for text in ["", "+1", "-1", " 1", "1 ", "1_0", "٣", "256"] {
            assert_eq!(number::<u8>(text), None, "{text:?}");
        }
        assert_eq!(number::<u8>("007"), Some(7));
    }
}

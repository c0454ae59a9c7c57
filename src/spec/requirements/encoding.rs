//! The text of a list from its bytes.
//!
//! Input: bytes. Output: text, by the byte order mark, as pip reads it; UTF-8 without one. Windows
//! PowerShell 5 writes UTF-16 if the output of `pip freeze` is redirected.

use std::borrow::Cow;

/// The text, or the reason why there is none.
pub(super) fn text_of(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    // The mark of UTF-32 begins with that of UTF-16, so it is tried first.
    let wide = match bytes {
        [0xff, 0xfe, 0, 0, rest @ ..] => Some(utf32(rest, u32::from_le_bytes)),
        [0, 0, 0xfe, 0xff, rest @ ..] => Some(utf32(rest, u32::from_be_bytes)),
        [0xff, 0xfe, rest @ ..] => Some(utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Some(utf16(rest, u16::from_be_bytes)),
        _ => None,
    };
    if let Some(text) = wide {
        return text
            .map(Cow::Owned)
            .ok_or_else(|| "it is not valid in the encoding of its byte order mark".to_owned());
    }
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    Ok(Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text)))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (units, []) = bytes.as_chunks::<2>() else {
        return None;
    };
    let units = units.iter().map(|bytes| unit(*bytes));
    char::decode_utf16(units).collect::<Result<_, _>>().ok()
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Option<String> {
    let (units, []) = bytes.as_chunks::<4>() else {
        return None;
    };
    let units = units.iter().map(|bytes| unit(*bytes));
    units.map(char::from_u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_by_their_byte_order_mark() {
        let text = "six==1 # é\u{1f600}\r\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        let of = |mark: &[u8], bytes: Vec<u8>| [mark.to_vec(), bytes].concat();
        let wide = text.chars().map(u32::from);
        for bytes in [
            text.as_bytes().to_vec(),
            of(&[0xef, 0xbb, 0xbf], text.as_bytes().to_vec()),
            of(
                &[0xff, 0xfe],
                units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
            ),
            of(
                &[0xfe, 0xff],
                units.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
            ),
            of(
                &[0xff, 0xfe, 0, 0],
                wide.clone().flat_map(u32::to_le_bytes).collect(),
            ),
            of(
                &[0, 0, 0xfe, 0xff],
                wide.flat_map(u32::to_be_bytes).collect(),
            ),
        ] {
            assert_eq!(text_of(&bytes).as_deref(), Ok(text), "{bytes:?}");
        }
        for bytes in [
            &[0xff, 0xfe, 0x41][..],
            &[0xfe, 0xff, 0xd8, 0],
            &[0x80],
            b"\xff\xfe\0\0a",
        ] {
            assert!(text_of(bytes).is_err(), "{bytes:?}");
        }
    }
}

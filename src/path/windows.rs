//! Names that Windows reserves.
//!
//! Input: a path. Output: whether a component of it means something else on Windows than a file of
//! that name, or cannot be there at all. Limits: which of these names a version of Windows really
//! refuses differs; all that any refuses count.

use super::bytes::any_byte;

/// Whether Windows reserves a component of the path, or cannot have it.
pub fn has_reserved_component(path: &str) -> bool {
    may_have_reserved_component(path) && path.split('/').any(is_reserved_on_windows)
}

/// Whether a component of the path may be reserved, at little cost: this is asked about every file
/// of every wheel, and false for nearly all.
fn may_have_reserved_component(path: &str) -> bool {
    let bytes = path.as_bytes();
    // Not as one pattern, of which the compiler makes a table that it looks bytes up in one by one.
    let is_special = |byte: u8| {
        (byte == b':')
            | (byte == b'<')
            | (byte == b'>')
            | (byte == b'"')
            | (byte == b'|')
            | (byte == b'?')
            | (byte == b'*')
            | (byte == b'~')
    };
    if any_byte(bytes, is_special) {
        return true;
    }
    let mut begin = 0;
    memchr::memchr_iter(b'/', bytes)
        .chain([bytes.len()])
        .any(|end| {
            let component = &bytes[begin..end];
            begin = end + 1;
            matches!(component, [.., b'.' | b' ']) || may_be_device(component)
        })
}

/// Whether a component begins like the name of a device, and that may be all of its stem.
fn may_be_device(component: &[u8]) -> bool {
    let Some((begin, rest)) = component.split_first_chunk::<3>() else {
        return false;
    };
    // A port has a digit, which may be superscript, and `CONIN$` and `CONOUT$` are devices, too.
    let may_end = match rest.first() {
        None | Some(b'.' | b' ' | b'0'..=b'9' | b'i' | b'I' | b'o' | b'O') => true,
        Some(byte) => !byte.is_ascii(),
    };
    may_end
        && [b"CON", b"PRN", b"AUX", b"NUL", b"COM", b"LPT"]
            .iter()
            .any(|device| begin.eq_ignore_ascii_case(*device))
}

/// Windows' device names and the endings it drops: names that mean something else there.
fn is_reserved_on_windows(component: &str) -> bool {
    let refused = |byte: &u8| matches!(byte, b':' | b'<' | b'>' | b'"' | b'|' | b'?' | b'*');
    if component.ends_with(['.', ' ']) || component.as_bytes().iter().any(refused) {
        return true;
    }
    let stem = component.split('.').next().unwrap_or(component).trim_end();
    let is_port = |port: &str| {
        matches!(
            port,
            "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³"
        )
    };
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
        .iter()
        .any(|device| stem.eq_ignore_ascii_case(device))
        || stem.split_at_checked(3).is_some_and(|(device, port)| {
            (device.eq_ignore_ascii_case("COM") || device.eq_ignore_ascii_case("LPT"))
                && is_port(port)
        })
        || is_short_alias(component)
}

/// Whether a name is like those that Windows gives to files beside their own, as `PYTHON~1.EXE`: it
/// may mean another file.
fn is_short_alias(component: &str) -> bool {
    if component.len() > 12 || !component.as_bytes().contains(&b'~') {
        return false;
    }
    let (stem, extension) = component.split_once('.').unwrap_or((component, ""));
    let number = stem.rsplit_once('~').map(|(_, number)| number);
    stem.len() <= 8
        && extension.len() <= 3
        && number.is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e23_names_that_windows_reserves() {
        for character in r#":<>"|?*"#.chars() {
            let path = format!("a/b{character}c/d");
            assert!(has_reserved_component(&path), "{path}");
        }
        for name in [
            "aux.py",
            "CON",
            "nul.tar.gz",
            "com1",
            "COM¹",
            "lpt9.txt",
            "x.",
            "x ",
            "a?b",
            "CONIN$",
            "PYTHON~1",
            "PYTHON~1.EXE",
        ] {
            assert!(is_reserved_on_windows(name), "{name}");
            for path in [name.to_owned(), format!("a/{name}"), format!("{name}/b")] {
                assert!(has_reserved_component(&path), "{path}");
            }
        }
        for name in [
            "auxiliary.py",
            "console",
            "com10",
            "x.y",
            "backup.py~",
            "a~b",
            "python~interpreter~1",
            "x~1.json",
        ] {
            assert!(!is_reserved_on_windows(name), "{name}");
            assert!(!has_reserved_component(&format!("a/{name}/b")), "{name}");
        }
    }
}

//! The headers of tar archives: ustar, and pax where a path or a size needs it (POSIX.1-2017,
//! `pax`).
//!
//! Input: what a member is. Output: the blocks before its content. Owner and group are 0 and have
//! no names, so that the bytes say nothing about the machine.

/// The length of a block. Headers are blocks, and contents are padded to them.
const BLOCK: u64 = 512;
/// The longest name that fits into the header, and the longest directory before it.
const NAME: usize = 100;
const PREFIX: usize = 155;
/// The largest size that eleven octal digits can state.
const MAX_SIZE: u64 = 0o777_7777_7777;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TarKind<'a> {
    /// A file with so many bytes, and whether it is executable.
    File(u64, bool),
    Directory,
    /// A symbolic link to this path.
    Link(&'a str),
}

/// The blocks before the content of a member. `path` is relative, without a final slash, and
/// `modified` is in seconds since 1970.
pub(super) fn header(path: &str, kind: TarKind<'_>, modified: u64) -> Vec<u8> {
    let mut records = String::new();
    let size = match kind {
        TarKind::File(size, _) => size,
        TarKind::Directory | TarKind::Link(_) => 0,
    };
    let name = match kind {
        TarKind::Directory => format!("{path}/"),
        TarKind::File(..) | TarKind::Link(_) => path.to_owned(),
    };
    if size > MAX_SIZE {
        records += &record("size", &size.to_string());
    }
    // Readers disagree about the encoding of names in a plain header.
    let fits = name.is_ascii() && split(&name).is_some();
    if !fits {
        records += &record("path", &name);
    }
    if let TarKind::Link(target) = kind
        && (target.len() > NAME || !target.is_ascii())
    {
        records += &record("linkpath", target);
    }
    let mut blocks = Vec::new();
    if !records.is_empty() {
        let length = records.len() as u64;
        block(
            &mut blocks,
            "PaxHeaders/entry",
            b'x',
            (length, 0o644, modified),
            "",
        );
        blocks.extend_from_slice(records.as_bytes());
        blocks.resize(blocks.len().next_multiple_of(512), 0);
    }
    let (flag, mode) = match kind {
        TarKind::File(_, false) => (b'0', 0o644),
        TarKind::File(_, true) => (b'0', 0o755),
        TarKind::Directory => (b'5', 0o755),
        TarKind::Link(_) => (b'2', 0o777),
    };
    let target = match kind {
        TarKind::Link(target) if target.len() <= NAME && target.is_ascii() => target,
        _ => "",
    };
    // The pax record replaces the name; a part of it is enough for readers without pax.
    let shown = if fits { name } else { shortened(&name) };
    // The record states the size then.
    let size = if size > MAX_SIZE { 0 } else { size };
    block(&mut blocks, &shown, flag, (size, mode, modified), target);
    blocks
}

/// How many zeros follow a content of this length.
pub(super) fn padding(size: u64) -> usize {
    usize::try_from(size.next_multiple_of(BLOCK) - size).expect("less than a block")
}

/// Appends one header.
fn block(
    blocks: &mut Vec<u8>,
    name: &str,
    flag: u8,
    (size, mode, modified): (u64, u64, u64),
    target: &str,
) {
    let (prefix, name) = split(name).expect("the name was made to fit");
    let begin = blocks.len();
    let mut field = |text: &[u8], length: usize| {
        let end = blocks.len() + length;
        blocks.extend_from_slice(text);
        blocks.resize(end, 0);
    };
    let octal = |number: u64, digits: usize| format!("{number:0digits$o}").into_bytes();
    field(name.as_bytes(), NAME);
    field(&octal(mode, 7), 8);
    field(&octal(0, 7), 8);
    field(&octal(0, 7), 8);
    field(&octal(size, 11), 12);
    field(&octal(modified, 11), 12);
    // The checksum is computed with spaces in its own place.
    field(b"        ", 8);
    field(&[flag], 1);
    field(target.as_bytes(), NAME);
    field(b"ustar\0", 6);
    field(b"00", 2);
    field(b"", 32);
    field(b"", 32);
    field(&octal(0, 7), 8);
    field(&octal(0, 7), 8);
    field(prefix.as_bytes(), PREFIX);
    field(b"", 12);
    let sum: u64 = blocks[begin..].iter().map(|&byte| u64::from(byte)).sum();
    blocks[begin + 148..begin + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// The directory and the name that fit into the two fields of a header.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= NAME {
        return Some(("", path));
    }
    // The first slash that leaves a short enough name leaves the shortest directory, too. The
    // final slash of a directory belongs to its name.
    let begin = path.len() - NAME - 1;
    let slash = path.as_bytes()[begin..path.len() - 1]
        .iter()
        .position(|&byte| byte == b'/')?;
    let (prefix, name) = (&path[..begin + slash], &path[begin + slash + 1..]);
    (prefix.len() <= PREFIX).then_some((prefix, name))
}

/// The end of a name, in ASCII.
fn shortened(name: &str) -> String {
    let ascii: String = name
        .chars()
        .map(|letter| if letter.is_ascii() { letter } else { '_' })
        .collect();
    ascii[ascii.len().saturating_sub(NAME)..].to_owned()
}

/// A record of a pax header: its length, which counts its own digits, a name and a value.
fn record(key: &str, value: &str) -> String {
    // The blank, the equals sign and the line end.
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length += 1;
    }
    format!("{length} {key}={value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_ustar_as_long_as_everything_fits() {
        let blocks = header("bin/tool", TarKind::File(10, true), 315_532_800);
        assert_eq!(blocks.len(), 512);
        assert!(blocks.starts_with(b"bin/tool\0"));
        assert_eq!(&blocks[100..108], b"0000755\0");
        assert_eq!(&blocks[124..136], b"00000000012\0");
        assert_eq!(&blocks[257..265], b"ustar\x0000");
        let deep = format!("{}/{}", "d".repeat(120), "n".repeat(90));
        let blocks = header(&deep, TarKind::File(0, false), 0);
        assert_eq!(blocks.len(), 512);
        assert!(blocks.starts_with("n".repeat(90).as_bytes()));
        assert!(blocks[345..].starts_with("d".repeat(120).as_bytes()));
    }

    #[test]
    fn what_does_not_fit_is_in_a_pax_record() {
        let long = "x".repeat(300);
        let accented = "caf\u{e9}.py";
        for path in [long.as_str(), accented] {
            let blocks = header(path, TarKind::File(1, false), 0);
            assert_eq!(blocks.len(), 3 * 512);
            assert_eq!(blocks[156], b'x');
            let text = String::from_utf8_lossy(&blocks[512..1024]).into_owned();
            assert!(text.contains(&format!(" path={path}\n")), "{text}");
        }
        let blocks = header("big", TarKind::File(9 << 30, false), 0);
        let text = String::from_utf8_lossy(&blocks[512..1024]).into_owned();
        assert!(text.starts_with("19 size=9663676416\n"), "{text}");
    }

    #[test]
    fn records_count_their_own_digits() {
        for length in [1, 5, 88, 89, 90, 91, 985, 986, 987] {
            let text = record("path", &"v".repeat(length));
            let (stated, _) = text.split_once(' ').expect("there is a blank");
            assert_eq!(stated.parse(), Ok(text.len()));
        }
    }

    #[test]
    fn contents_are_padded_to_whole_blocks() {
        for (size, expected) in [(0, 0), (1, 511), (512, 0), (513, 511)] {
            assert_eq!(padding(size), expected);
        }
    }
}

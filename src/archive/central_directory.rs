//! The central directory: the one walk over its headers, which reads and checks each of them
//! (APPNOTE 4.3.12).
//!
//! Input: the bytes of the directory and the number of its entries. Output: the content of each
//! header, or everything that is wrong with them. Only what wheels need is accepted: files and
//! directories with safe names in UTF-8, stored, deflated or compressed with zstd, not encrypted.

use foldhash::{HashSet, HashSetExt as _};

use super::entry::{Entry, Method};
use super::extra_fields::{self, HeaderKind};
use super::little_endian::{u16_at, u32_at};
use crate::error::ArchiveFault;
use crate::path::RelPath;

/// Bit 3: sizes and CRC follow the data (4.4.4).
pub(super) const FLAG_DESCRIPTOR: u16 = 1 << 3;
/// Bit 11: the name is UTF-8.
const FLAG_UTF8: u16 = 1 << 11;
/// Encryption, strong encryption and masked headers, and patched data: bits that change how an
/// entry is read.
const FLAGS_REFUSED: u16 = 1 | 1 << 6 | 1 << 13 | 1 << 5;

/// The newest version of the format that an entry may need (4.4.3), times ten; there is no newer
/// one yet.
// Python's `zipfile` draws the line at the same number.
const NEWEST_VERSION: u8 = 63;

const SIGNATURE: &[u8] = b"PK\x01\x02";
/// The length of a header without its name, extra fields and comment.
const HEADER: usize = 46;

/// The directory bit of DOS in the external attributes, which other systems set too (4.4.15).
const DOS_DIRECTORY: u32 = 0x10;

/// An entry as its header describes it, a file or a directory.
pub(super) struct ListedEntry<'a> {
    /// Its name as it is written, with a final `/` if it is a directory.
    pub(super) name: &'a str,
    pub(super) directory: bool,
    pub(super) flags: u16,
    pub(super) entry: Entry,
}

/// One header, cut out of the directory.
struct CentralHeader<'a> {
    fields: &'a [u8; HEADER],
    name: &'a [u8],
    extra: &'a [u8],
    comment: &'a [u8],
}

impl<'a> CentralHeader<'a> {
    /// The header at the beginning of `directory`, and what follows it; `None` if there is none.
    fn split(directory: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (fields, rest) = directory.split_first_chunk::<HEADER>()?;
        if !fields.starts_with(SIGNATURE) {
            return None;
        }
        let length = |at| usize::from(u16_at(fields, at));
        let (name, rest) = rest.split_at_checked(length(28))?;
        let (extra, rest) = rest.split_at_checked(length(30))?;
        let (comment, rest) = rest.split_at_checked(length(32))?;
        let header = Self {
            fields,
            name,
            extra,
            comment,
        };
        Some((header, rest))
    }
}

/// Reads the `count` headers that `directory` must consist of.
pub(super) fn read(
    directory: &[u8],
    count: usize,
) -> Result<Vec<ListedEntry<'_>>, Vec<ArchiveFault>> {
    let ends_early = || {
        vec![ArchiveFault::Structure {
            place: "the central directory".to_owned(),
            found: "it ends before its last entry",
        }]
    };
    // Checked before memory is reserved for that many entries.
    if count.saturating_mul(HEADER) > directory.len() {
        return Err(ends_early());
    }
    let mut faults = Vec::new();
    let mut listed = Vec::with_capacity(count);
    let mut rest = directory;
    // Some readers stop at this count, others at the end of the directory: the two must agree.
    for _ in 0..count {
        let (header, after) = CentralHeader::split(rest).ok_or_else(ends_early)?;
        match list(&header) {
            Ok(entry) => listed.push(entry),
            Err(fault) => faults.push(fault),
        }
        rest = after;
    }
    if !rest.is_empty() {
        faults.push(ArchiveFault::HiddenBytes {
            place: "after the last entry of the central directory".to_owned(),
            count: rest.len() as u64,
        });
    }
    if faults.is_empty() {
        // Names are compared only once every header is known: a partial list hides conflicts.
        faults = check_names(&listed);
    }
    if faults.is_empty() {
        Ok(listed)
    } else {
        Err(faults)
    }
}

/// Reads one header; a fault if no wheel may hold such an entry.
fn list<'a>(header: &CentralHeader<'a>) -> Result<ListedEntry<'a>, ArchiveFault> {
    let fields = header.fields;
    let not_utf8 =
        |name: &[u8]| ArchiveFault::NameNotUtf8(String::from_utf8_lossy(name).into_owned());
    let name = std::str::from_utf8(header.name).map_err(|_| not_utf8(header.name))?;
    let flags = u16_at(fields, 8);
    // Without the flag other readers take such a name for cp437 (appendix D).
    if !name.is_ascii() && flags & FLAG_UTF8 == 0 {
        return Err(not_utf8(header.name));
    }
    if flags & FLAGS_REFUSED != 0 {
        return Err(ArchiveFault::Encrypted(name.to_owned()));
    }
    // A second final slash stays in the path, and `RelPath` refuses its empty component.
    let plain = name.strip_suffix('/');
    let directory = plain.is_some();
    let path = RelPath::parse(plain.unwrap_or(name)).map_err(|fault| ArchiveFault::UnsafePath {
        path: name.to_owned(),
        fault,
    })?;
    let attributes = u32_at(fields, 38);
    check_kind(name, directory, attributes)?;
    let number = u16_at(fields, 10);
    let method = Method::from_number(number).ok_or_else(|| ArchiveFault::Method {
        entry: name.to_owned(),
        method: method_name(number),
    })?;
    check_unused(name, header)?;
    let [size, compressed, offset] = numbers(name, header)?;
    // The compressed size may be above 0, because even an empty deflate stream takes two bytes.
    // `check_hollow` inflates such data.
    if directory && size != 0 {
        return Err(ArchiveFault::DirectoryContent(name.to_owned()));
    }
    Ok(ListedEntry {
        name,
        directory,
        flags,
        entry: Entry {
            path,
            size,
            // Tools without Unix modes leave the upper half zero; their files get no execute bit.
            executable: attributes >> 16 & 0o111 != 0,
            crc: u32_at(fields, 16),
            method,
            compressed,
            header: offset,
            data: 0,
        },
    })
}

/// The size, the compressed size and the offset of the local header.
fn numbers(name: &str, header: &CentralHeader<'_>) -> Result<[u64; 3], ArchiveFault> {
    // A zip64 field holds the size before the compressed size; the header has the reverse order.
    let stated = [24, 20, 42].map(|at| u32_at(header.fields, at));
    match extra_fields::resolve(header.extra, stated, HeaderKind::Central) {
        Ok((numbers, _)) => Ok(numbers),
        Err(found) => Err(ArchiveFault::Structure {
            place: format!("entry `{name}` in the central directory"),
            found,
        }),
    }
}

/// Refuses what no wheel needs and what readers treat differently.
fn check_unused(name: &str, header: &CentralHeader<'_>) -> Result<(), ArchiveFault> {
    let found = if !header.comment.is_empty() {
        "it has a comment"
    } else if header.fields[6] > NEWEST_VERSION {
        "it needs a newer version of the zip format"
    } else if u16_at(header.fields, 34) != 0 {
        "it is on another disk"
    } else {
        return Ok(());
    };
    Err(ArchiveFault::Structure {
        place: format!("entry `{name}`"),
        found,
    })
}

/// Refuses everything but regular files and directories, and entries that are one by their
/// attributes and the other by their name.
fn check_kind(name: &str, directory: bool, attributes: u32) -> Result<(), ArchiveFault> {
    // The mode of Unix is in the upper half, its file type in the upper four bits of that. Type 0
    // is what tools of other systems leave.
    let kind = match attributes >> 28 {
        0o10 if directory => "a regular file by its mode and a directory by its name",
        0o04 if !directory => "a directory by its mode and a file by its name",
        0o12 => "a symbolic link",
        0o01 => "a pipe",
        0o02 | 0o06 => "a device",
        0o14 => "a socket",
        0 | 0o10 | 0o04 if directory || attributes & DOS_DIRECTORY == 0 => return Ok(()),
        0 | 0o10 | 0o04 => "a directory by its attributes and a file by its name",
        _ => "of an unknown kind",
    };
    Err(ArchiveFault::SpecialEntry {
        entry: name.to_owned(),
        kind,
    })
}

/// The name of a method that wheels do not use.
fn method_name(number: u16) -> String {
    match number {
        9 => "deflate64".to_owned(),
        12 => "bzip2".to_owned(),
        14 => "lzma".to_owned(),
        95 => "xz".to_owned(),
        98 => "ppmd".to_owned(),
        99 => "aes encryption".to_owned(),
        number => format!("method {number}"),
    }
}

/// Refuses duplicate names, and paths that are both a file and a directory.
fn check_names(listed: &[ListedEntry<'_>]) -> Vec<ArchiveFault> {
    let mut faults = Vec::new();
    // The slash does not count: `a` and `a/` would be the same path on disk.
    let mut names = HashSet::with_capacity(listed.len());
    for entry in listed {
        if !names.insert(entry.name.trim_end_matches('/')) {
            faults.push(ArchiveFault::DuplicateName(entry.name.to_owned()));
        }
    }
    let files: HashSet<&str> = listed
        .iter()
        .filter(|entry| !entry.directory)
        .map(|entry| entry.name)
        .collect();
    let mut seen = HashSet::new();
    for entry in listed {
        let mut rest = entry.name.trim_end_matches('/');
        while let Some((parent, _)) = rest.rsplit_once('/') {
            // A directory that was seen before has had those above it checked too.
            if !seen.insert(parent) {
                break;
            }
            if files.contains(parent) {
                faults.push(ArchiveFault::FileAndDirectory(parent.to_owned()));
            }
            rest = parent;
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::zip_image::{DEFLATE, STORED, ZipEntry, ZipImage};

    fn entry(name: &str) -> ZipEntry {
        ZipEntry::new(name, b"content", 0o100_644, DEFLATE)
    }

    /// The central directory of an archive of these entries.
    fn directory(entries: &[ZipEntry]) -> Vec<u8> {
        let image = ZipImage {
            entries: entries.to_vec(),
            ..ZipImage::default()
        };
        let bytes = image.to_bytes();
        let end = &bytes[bytes.len() - 22..];
        let begin = usize::try_from(u32_at(end, 16)).unwrap();
        bytes[begin..bytes.len() - 22].to_vec()
    }

    /// The faults of an archive of these entries.
    #[track_caller]
    fn faults(entries: &[ZipEntry]) -> Vec<ArchiveFault> {
        match read(&directory(entries), entries.len()) {
            Ok(_) => panic!("it is accepted"),
            Err(faults) => faults,
        }
    }

    /// The fault of one entry after a change.
    #[track_caller]
    fn fault(name: &str, change: impl Fn(&mut ZipEntry)) -> ArchiveFault {
        let mut changed = entry(name);
        change(&mut changed);
        let faults = faults(&[entry("good"), changed]);
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults[0].clone()
    }

    #[test]
    fn headers_say_what_they_say() {
        let mut wide = entry("demo/b.py");
        wide.use_zip64();
        wide.listing.external = 0o100_755 << 16;
        let entries = [entry("demo/a.py"), wide, entry("demo/c/")];
        let mut entries = entries.to_vec();
        entries[2] = ZipEntry::new("demo/c/", b"", 0o040_755, STORED);
        let bytes = directory(&entries);
        let listed = read(&bytes, 3).unwrap();
        let names: Vec<_> = listed.iter().map(|listed| listed.name).collect();
        assert_eq!(names, ["demo/a.py", "demo/b.py", "demo/c/"]);
        assert_eq!(listed[1].entry.size, 7);
        assert!(listed[1].entry.executable && !listed[0].entry.executable);
        assert!(listed[2].directory && !listed[1].directory);
    }

    #[test]
    fn entries_that_no_wheel_may_hold_have_faults_of_their_own() {
        let name = "demo/a.py";
        let named =
            |bytes: &'static [u8]| fault(name, move |entry| entry.central.name = bytes.to_vec());
        assert!(matches!(named(b"gr\x81n"), ArchiveFault::NameNotUtf8(_)));
        assert!(matches!(
            named("gr\u{fc}n".as_bytes()),
            ArchiveFault::NameNotUtf8(_)
        ));
        assert!(matches!(named(b"../a"), ArchiveFault::UnsafePath { .. }));
        for bit in [0, 5, 6, 13] {
            let encrypted = fault(name, |entry| entry.central.flags |= 1 << bit);
            assert_eq!(encrypted, ArchiveFault::Encrypted(name.to_owned()));
        }
        let method = fault(name, |entry| entry.central.method = 12);
        assert!(matches!(method, ArchiveFault::Method { method, .. } if method == "bzip2"));
        for mode in [
            0o120_777, 0o010_644, 0o020_644, 0o060_644, 0o140_644, 0o170_644, 0o040_755,
        ] {
            let special = fault(name, |entry| entry.listing.external = mode << 16);
            assert!(
                matches!(special, ArchiveFault::SpecialEntry { .. }),
                "{mode:o}"
            );
        }
        let dos = fault(name, |entry| entry.listing.external |= DOS_DIRECTORY);
        assert!(matches!(dos, ArchiveFault::SpecialEntry { .. }));
        let unused: [fn(&mut ZipEntry); 4] = [
            |entry| entry.listing.comment = b"note".to_vec(),
            |entry| entry.central.version_needed = 64,
            |entry| entry.listing.disk = 1,
            |entry| entry.central.extra = b"   ".to_vec(),
        ];
        for change in unused {
            assert!(matches!(
                fault(name, change),
                ArchiveFault::Structure { .. }
            ));
        }
        let full = fault("demo/", |entry| entry.listing.external = 0);
        assert!(matches!(full, ArchiveFault::DirectoryContent(_)));
    }

    #[test]
    fn all_faulty_entries_are_reported() {
        let mut entries = [entry("../a"), entry("good"), entry("b")];
        entries[2].central.method = 14;
        assert_eq!(faults(&entries).len(), 2);
    }

    #[test]
    fn names_are_unique_and_paths_are_files_or_directories() {
        let twice = faults(&[entry("a"), entry("a")]);
        assert_eq!(twice, [ArchiveFault::DuplicateName("a".to_owned())]);
        let both = faults(&[entry("a/b/c"), entry("a/b")]);
        assert_eq!(both, [ArchiveFault::FileAndDirectory("a/b".to_owned())]);
        let mut directory = ZipEntry::new("a/", b"", 0o040_755, STORED);
        directory.listing.external = 0;
        assert!(matches!(
            faults(&[entry("a"), directory])[..],
            [ArchiveFault::DuplicateName(_)]
        ));
    }

    #[test]
    fn the_directory_has_exactly_as_many_headers_as_are_stated() {
        let bytes = directory(&[entry("a"), entry("b")]);
        assert!(read(&bytes, 2).is_ok());
        for count in [3, 1_000_000, usize::MAX] {
            assert!(read(&bytes, count).is_err(), "{count}");
        }
        let hidden = read(&bytes, 1).err().unwrap();
        assert!(matches!(
            hidden[..],
            [ArchiveFault::HiddenBytes { count: 47, .. }]
        ));
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length], 2).is_err(), "{length}");
        }
    }
}

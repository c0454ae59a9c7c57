//! Compares the walk over the central directory with two independent readers, `zip` and `rawzip`:
//! an archive that is accepted must look the same to both, down to the offsets.
//!
//! The archives are built field by field, and then changed one byte after the other.

#![allow(
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a difference is reported by panicking, and the tests' builder is part of this module"
)]

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use super::entry::{Entry, Method};
use super::{Archive, Extent};
use crate::error::ErrorKind;
use crate::fs::ReadAt;

use zip_image::{DEFLATE, STORED, ZSTD, ZipEntry, ZipImage};

#[allow(dead_code, reason = "these tests use only a part of it")]
#[path = "../../tests/it/support/zip_image.rs"]
pub(super) mod zip_image;

/// A file in memory.
#[derive(Debug, Clone)]
pub(super) struct Bytes(pub(super) Arc<[u8]>);

impl ReadAt for Bytes {
    fn path(&self) -> &Path {
        Path::new("memory")
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        let from = usize::try_from(offset).unwrap().min(self.0.len());
        let count = buffer.len().min(self.0.len() - from);
        buffer[..count].copy_from_slice(&self.0[from..from + count]);
        Ok(count)
    }
}

fn read(image: &[u8]) -> crate::error::Result<Archive> {
    Archive::read(Box::new(Bytes(image.into())), "demo", &Extent::Whole)
}

/// The result of all three readers for one file.
#[derive(Debug, PartialEq, Eq)]
struct SeenEntry {
    name: String,
    size: u64,
    compressed: u64,
    crc: u32,
    method: u16,
    executable: bool,
    header: u64,
    data: u64,
}

fn by_this(entry: &Entry) -> SeenEntry {
    SeenEntry {
        name: entry.path.to_string(),
        size: entry.size,
        compressed: entry.compressed,
        crc: entry.crc,
        method: entry.method.number(),
        executable: entry.executable,
        header: entry.header,
        data: entry.data,
    }
}

/// The files by `zip`.
fn by_zip(image: &[u8]) -> Vec<SeenEntry> {
    let mut archive = zip::ZipArchive::new(Cursor::new(image)).expect("`zip` accepts it");
    assert_eq!(archive.offset(), 0, "`zip` sees bytes before the archive");
    let mut rows = Vec::new();
    for number in 0..archive.len() {
        let file = archive
            .by_index_raw(number)
            .expect("`zip` reads each entry");
        let name = String::from_utf8(file.name_raw().to_vec()).expect("its name is UTF-8");
        #[allow(
            deprecated,
            reason = "the only way to the number of a method that `zip` was built without"
        )]
        let method = match file.compression() {
            zip::CompressionMethod::Stored => Method::Stored,
            zip::CompressionMethod::Deflated => Method::Deflate,
            zip::CompressionMethod::Unsupported(93) => Method::Zstd,
            other => panic!("`zip` sees the method {other}"),
        };
        rows.push(SeenEntry {
            name,
            size: file.size(),
            compressed: file.compressed_size(),
            crc: file.crc32(),
            method: method.number(),
            executable: file.external_attributes() >> 16 & 0o111 != 0,
            header: file.header_start(),
            data: file.data_start().expect("`zip` reads the local header"),
        });
    }
    rows.retain(|row| !row.name.ends_with('/'));
    rows
}

/// The files by `rawzip`.
fn by_rawzip(image: &[u8]) -> Vec<SeenEntry> {
    let archive = rawzip::ZipArchive::from_slice(image).expect("`rawzip` accepts it");
    let mut entries = archive.entries();
    let mut rows = Vec::new();
    while let Some(entry) = entries.next_entry().expect("`rawzip` reads each entry") {
        let local = archive
            .get_entry(entry.wayfinder())
            .expect("`rawzip` reads the local header");
        let data = local.data();
        rows.push(SeenEntry {
            name: String::from_utf8(entry.file_path().as_ref().to_vec()).expect("it is UTF-8"),
            size: entry.uncompressed_size_hint(),
            compressed: entry.compressed_size_hint(),
            crc: entry.crc32(),
            method: entry.compression_method().as_u16(),
            executable: entry.external_attributes() >> 16 & 0o111 != 0,
            header: entry.local_header_offset(),
            data: (data.as_ptr().addr() - image.as_ptr().addr()) as u64,
        });
    }
    rows.retain(|row| !row.name.ends_with('/'));
    rows
}

/// Compares the readers, if the archive is accepted; returns whether it is.
#[track_caller]
fn compare(image: &[u8]) -> bool {
    let Ok(archive) = read(image) else {
        return false;
    };
    let rows: Vec<SeenEntry> = archive.entries().iter().map(by_this).collect();
    assert_eq!(by_zip(image), rows, "by `zip`");
    assert_eq!(by_rawzip(image), rows, "by `rawzip`");
    true
}

/// An archive with an entry of each kind.
fn image() -> ZipImage {
    let text = b"a line of text\n".repeat(3);
    let mut entries = vec![
        ZipEntry::new("demo/", b"", 0o040_755, STORED),
        ZipEntry::new("demo/stored.txt", &text, 0o100_644, STORED),
        ZipEntry::new("demo/deflated.py", &text, 0o100_644, DEFLATE),
        ZipEntry::new("demo/zstd.py", &text, 0o100_755, ZSTD),
        ZipEntry::new("demo/gr\u{fc}n.py", b"x", 0, DEFLATE),
        ZipEntry::new("demo/streamed.py", &text, 0o100_600, DEFLATE),
        ZipEntry::new("demo/wide.py", &text, 0o100_711, DEFLATE),
        ZipEntry::new("demo/empty", b"", 0o100_644, STORED),
    ];
    entries[5].use_descriptor();
    entries[6].use_zip64();
    entries[7].both(|header| header.extra = zip_image::extra(0x5455, b"\x01\x00\x00\x00\x00"));
    ZipImage {
        entries,
        ..ZipImage::default()
    }
}

/// The forms of end records that are accepted.
fn honest() -> Vec<Vec<u8>> {
    let (plain, mut commented, mut wide, mut only_wide) = (image(), image(), image(), image());
    commented.comment = b"built on a Monday".to_vec();
    wide.end.zip64 = true;
    only_wide.end.zip64 = true;
    only_wide.end.entries = Some(u16::MAX);
    only_wide.end.entries_on_disk = Some(u16::MAX);
    only_wide.end.directory_size = Some(u32::MAX);
    only_wide.end.directory_offset = Some(u32::MAX);
    let empty = ZipImage::default();
    [plain, commented, wide, only_wide, empty]
        .iter()
        .map(ZipImage::to_bytes)
        .collect()
}

#[test]
fn honest_archives_look_the_same_to_all_readers() {
    for image in honest() {
        assert!(compare(&image), "{:?}", read(&image).err());
    }
}

#[test]
fn a_directory_longer_than_the_tail_is_read_whole() {
    let mut image = image();
    for number in 0..3_000 {
        let name = format!("demo/{number}.py");
        let entry = ZipEntry::new(&name, b"", 0o100_644, STORED);
        image.entries.push(entry);
    }
    let bytes = image.to_bytes();
    assert!(compare(&bytes), "{:?}", read(&bytes).err());
    assert_eq!(read(&bytes).unwrap().entries().len(), 3_007);
    // Its first bytes are in the tail, and its last are not.
    image.comment = vec![b' '; 60_000];
    assert!(compare(&image.to_bytes()));
}

#[test]
fn archives_with_one_changed_byte_are_refused_or_look_the_same_to_all_readers() {
    let mut accepted = 0;
    for image in honest() {
        for at in 0..image.len() {
            for mask in [0x01, 0x08, 0x80, 0xff] {
                let mut changed = image.clone();
                changed[at] ^= mask;
                accepted += usize::from(compare(&changed));
            }
        }
    }
    assert!(
        accepted > 500,
        "times, contents and comments may change: {accepted}"
    );
}

#[test]
fn archives_with_bytes_missing_or_added_are_refused() {
    for image in honest() {
        for at in 0..image.len() {
            let cut = [&image[..at], &image[at + 1..]].concat();
            let longer = [&image[..at], b"P", &image[at..]].concat();
            // A shorter or longer comment contradicts its stated length.
            assert!(read(&image[..at]).is_err(), "cut to {at} bytes");
            assert!(read(&cut).is_err(), "without byte {at}");
            assert!(read(&longer).is_err(), "with a byte before {at}");
        }
        assert!(read(&[&image[..], b"\0"].concat()).is_err());
    }
}

#[test]
fn numbers_of_the_central_directory_are_those_of_all_readers() {
    let fields = [0_u32, 1, 30, 0xffff, 0x7fff_ffff, 0xffff_fffe, u32::MAX];
    let bytes = image().to_bytes();
    let begin = bytes
        .windows(4)
        .position(|window| window == b"PK\x01\x02")
        .unwrap();
    for at in begin..bytes.len() - 4 {
        for number in fields {
            let mut changed = bytes.clone();
            changed[at..at + 4].copy_from_slice(&number.to_le_bytes());
            compare(&changed);
        }
    }
}

#[test]
fn a_zip64_record_hidden_in_an_extra_field_is_refused() {
    // An end record without placeholders: some readers look for a locator before it nevertheless.
    let mut image = image();
    let mut hidden = vec![0; 56 + 20];
    hidden[..4].copy_from_slice(b"PK\x06\x06");
    hidden[56..60].copy_from_slice(b"PK\x06\x07");
    let last = image.entries.last_mut().unwrap();
    last.central.extra = zip_image::extra(0xcafe, &hidden);
    let error = read(&image.to_bytes()).expect_err("it is refused");
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains("zip64 end record"), "{error}");
}

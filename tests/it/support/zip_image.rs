//! A zip archive as data, field by field, so that a test can make any of them wrong.
//!
//! Input: names and contents. Output: bytes. The headers and the body are separate here, and
//! nothing is checked: [`ZipImage::to_bytes`] writes the fields as they are. Only offsets and the
//! counts of the end record are computed, unless they are overridden. Numbers are little-endian;
//! ZIP64 is written on request.

use std::io::Write as _;

/// The general purpose flag of an encrypted entry.
pub const ENCRYPTED: u16 = 1;
/// The flag of an entry whose CRC and sizes follow its content.
pub const DESCRIPTOR: u16 = 1 << 3;
/// The flag of a name in UTF-8.
pub const UTF8: u16 = 1 << 11;
/// The method of content as it is.
pub const STORED: u16 = 0;
/// The method of deflated content.
pub const DEFLATE: u16 = 8;
/// The method of content compressed with Zstandard.
pub const ZSTD: u16 = 93;

/// An archive: `prefix`, the entries in order, the central directory, the end record with its
/// comment, `suffix`.
#[derive(Debug, Clone, Default)]
pub struct ZipImage {
    /// Bytes before the first entry; offsets count from the first byte of the file.
    pub prefix: Vec<u8>,
    pub entries: Vec<ZipEntry>,
    /// Bytes between the last entry and the central directory.
    pub gap_before_directory: Vec<u8>,
    /// Bytes between the central directory and the end records.
    pub gap_before_end: Vec<u8>,
    pub end: EndRecord,
    /// The comment at the end of the end record.
    pub comment: Vec<u8>,
    /// Bytes after the end record.
    pub suffix: Vec<u8>,
}

/// One entry: what its local header says, what follows it, and what the central directory says.
#[derive(Debug, Clone)]
pub struct ZipEntry {
    /// Bytes before the local header, belonging to no entry.
    pub gap_before: Vec<u8>,
    pub local: Header,
    /// The compressed content after the local header.
    pub body: Vec<u8>,
    /// The bytes of the data descriptor, its signature too; empty if there is none.
    pub descriptor: Vec<u8>,
    pub central: Header,
    /// The fields that only the central directory has.
    pub listing: Listing,
}

/// The fields that both headers have.
#[derive(Debug, Clone)]
pub struct Header {
    pub version_needed: u16,
    pub flags: u16,
    pub method: u16,
    pub time: u16,
    pub date: u16,
    pub crc: u32,
    /// The compressed size.
    pub csize: u32,
    /// The uncompressed size.
    pub usize: u32,
    pub name: Vec<u8>,
    pub extra: Vec<u8>,
}

/// The fields that only the central directory has.
#[derive(Debug, Clone)]
pub struct Listing {
    pub version_made_by: u16,
    pub disk: u16,
    pub internal: u16,
    /// The external attributes: the mode of Unix in the upper half.
    pub external: u32,
    pub comment: Vec<u8>,
    /// The stated offset of the local header; `None` for the true one.
    pub offset: Option<u32>,
    /// `false` leaves the entry out of the central directory.
    pub listed: bool,
    /// `false` leaves the local header and the content out of the body.
    pub present: bool,
}

/// The end record; `None` stands for the true number.
#[derive(Debug, Clone, Default)]
pub struct EndRecord {
    pub disk: u16,
    pub directory_disk: u16,
    pub entries_on_disk: Option<u16>,
    pub entries: Option<u16>,
    pub directory_size: Option<u32>,
    pub directory_offset: Option<u32>,
    pub comment_length: Option<u16>,
    /// Writes a ZIP64 end record and its locator before the end record, with the true numbers.
    pub zip64: bool,
}

impl ZipEntry {
    /// A correct entry with the permissions and type of `mode`, compressed by `method`.
    pub fn new(name: &str, content: &[u8], mode: u32, method: u16) -> Self {
        let body = compress(content, method);
        let header = Header {
            version_needed: 20,
            flags: if name.is_ascii() { 0 } else { UTF8 },
            method,
            time: 0,
            date: (2020 - 1980) << 9 | 1 << 5 | 1,
            crc: crc32fast::hash(content),
            csize: body.len() as u32,
            usize: content.len() as u32,
            name: name.into(),
            extra: Vec::new(),
        };
        let listing = Listing {
            version_made_by: 3 << 8 | 20,
            disk: 0,
            internal: 0,
            external: mode << 16,
            comment: Vec::new(),
            offset: None,
            listed: true,
            present: true,
        };
        let central = header.clone();
        Self {
            gap_before: Vec::new(),
            local: header,
            body,
            descriptor: Vec::new(),
            central,
            listing,
        }
    }

    /// Changes both headers alike.
    pub fn both(&mut self, change: impl Fn(&mut Header)) {
        change(&mut self.local);
        change(&mut self.central);
    }

    /// Moves CRC and sizes out of the local header, behind the content.
    pub fn use_descriptor(&mut self) {
        self.both(|header| header.flags |= DESCRIPTOR);
        let mut bytes = b"PK\x07\x08".to_vec();
        for number in [self.central.crc, self.central.csize, self.central.usize] {
            bytes.extend(number.to_le_bytes());
        }
        self.descriptor = bytes;
        (self.local.crc, self.local.csize, self.local.usize) = (0, 0, 0);
    }

    /// Moves the sizes of both headers to the ZIP64 field, as an entry above 4 GiB has them.
    pub fn use_zip64(&mut self) {
        self.both(|header| {
            header.version_needed = 45;
            header.extra.extend(zip64_extra(&[
                u64::from(header.usize),
                u64::from(header.csize),
            ]));
            (header.csize, header.usize) = (u32::MAX, u32::MAX);
        });
    }
}

impl ZipImage {
    /// The first entry that the central directory calls `name`.
    pub fn entry(&mut self, name: &str) -> &mut ZipEntry {
        let found = self
            .entries
            .iter_mut()
            .find(|entry| entry.central.name == name.as_bytes());
        found.unwrap_or_else(|| panic!("no entry is called `{name}`"))
    }

    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.prefix.clone();
        let mut directory = Vec::new();
        for entry in &self.entries {
            if entry.listing.present {
                out.extend(&entry.gap_before);
            }
            let offset = entry.listing.offset.unwrap_or(out.len() as u32);
            if entry.listing.present {
                write_local(&mut out, &entry.local);
                out.extend(&entry.body);
                out.extend(&entry.descriptor);
            }
            if entry.listing.listed {
                write_central(&mut directory, entry, offset);
            }
        }
        out.extend(&self.gap_before_directory);
        let start = out.len() as u64;
        out.extend(&directory);
        out.extend(&self.gap_before_end);
        self.write_end(&mut out, start, directory.len() as u64);
        out.extend(&self.suffix);
        out
    }

    fn write_end(&self, out: &mut Vec<u8>, start: u64, size: u64) {
        let end = &self.end;
        let count = self
            .entries
            .iter()
            .filter(|entry| entry.listing.listed)
            .count() as u64;
        if end.zip64 {
            let record = out.len() as u64;
            out.extend(b"PK\x06\x06");
            out.extend(44_u64.to_le_bytes());
            put16(out, &[3 << 8 | 45, 45]);
            put32(out, &[0, 0]);
            [count, count, size, start]
                .iter()
                .for_each(|number| out.extend(number.to_le_bytes()));
            out.extend(b"PK\x06\x07");
            put32(out, &[0]);
            out.extend(record.to_le_bytes());
            put32(out, &[1]);
        }
        out.extend(b"PK\x05\x06");
        let entries_on_disk = end.entries_on_disk.unwrap_or(count as u16);
        put16(
            out,
            &[
                end.disk,
                end.directory_disk,
                entries_on_disk,
                end.entries.unwrap_or(count as u16),
            ],
        );
        put32(
            out,
            &[
                end.directory_size.unwrap_or(size as u32),
                end.directory_offset.unwrap_or(start as u32),
            ],
        );
        put16(
            out,
            &[end.comment_length.unwrap_or(self.comment.len() as u16)],
        );
        out.extend(&self.comment);
    }
}

/// An extra field with its identifier and length.
pub fn extra(identifier: u16, content: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    put16(&mut field, &[identifier, content.len() as u16]);
    field.extend(content);
    field
}

/// The ZIP64 extra field with these numbers: uncompressed size, compressed size, offset, as far as
/// they are wanted.
pub fn zip64_extra(numbers: &[u64]) -> Vec<u8> {
    extra(
        1,
        &numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect::<Vec<_>>(),
    )
}

/// `content` compressed by `method`; unchanged if this harness cannot write the method.
pub fn compress(content: &[u8], method: u16) -> Vec<u8> {
    match method {
        DEFLATE => {
            let mut encoder =
                flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(content).expect("memory takes every byte");
            encoder.finish().expect("memory takes every byte")
        }
        ZSTD => {
            ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest)
        }
        _ => content.to_vec(),
    }
}

fn write_local(out: &mut Vec<u8>, header: &Header) {
    out.extend(b"PK\x03\x04");
    write_shared(out, header);
    out.extend(&header.name);
    out.extend(&header.extra);
}

fn write_central(out: &mut Vec<u8>, entry: &ZipEntry, offset: u32) {
    let Listing {
        version_made_by,
        disk,
        internal,
        external,
        comment,
        ..
    } = &entry.listing;
    out.extend(b"PK\x01\x02");
    put16(out, &[*version_made_by]);
    write_shared(out, &entry.central);
    put16(out, &[comment.len() as u16, *disk, *internal]);
    put32(out, &[*external, offset]);
    out.extend(&entry.central.name);
    out.extend(&entry.central.extra);
    out.extend(comment);
}

/// The fields that both headers have, in the order that both have them.
fn write_shared(out: &mut Vec<u8>, header: &Header) {
    put16(
        out,
        &[
            header.version_needed,
            header.flags,
            header.method,
            header.time,
            header.date,
        ],
    );
    put32(out, &[header.crc, header.csize, header.usize]);
    put16(out, &[header.name.len() as u16, header.extra.len() as u16]);
}

fn put16(out: &mut Vec<u8>, numbers: &[u16]) {
    numbers
        .iter()
        .for_each(|number| out.extend(number.to_le_bytes()));
}

fn put32(out: &mut Vec<u8>, numbers: &[u32]) {
    numbers
        .iter()
        .for_each(|number| out.extend(number.to_le_bytes()));
}

#[test]
fn archives_compressed_here_can_be_read_by_python() {
    use std::io::Read as _;
    let content = b"content ".repeat(1000);
    let (deflated, zstd) = (compress(&content, DEFLATE), compress(&content, ZSTD));
    let mut read = Vec::new();
    flate2::read::DeflateDecoder::new(&deflated[..])
        .read_to_end(&mut read)
        .expect("it is deflated");
    assert!(deflated.len() < content.len() && read == content);
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(&zstd[..]).expect("it is a frame");
    read.clear();
    decoder
        .read_to_end(&mut read)
        .expect("it is compressed with Zstandard");
    assert!(zstd.len() < content.len() && read == content);
}

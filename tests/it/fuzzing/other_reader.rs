//! The same archive through other readers: an accepted archive must mean the same to `rawzip` and
//! to `zip`.
//!
//! Input: an archive's bytes, and the files that were read from it. Output: nothing; a panic if
//! another reader refuses the archive, or sees other names, sizes or contents. The fuzz targets
//! include this file, too.

use std::io::{Cursor, Read};

use rawzip::{CompressionMethod, ZipArchive, ZipSliceArchive};

/// Compares the files that were read from `image`, in the order of the archive, with those that the
/// other readers see.
pub fn agree(image: &[u8], accepted: &[(String, Vec<u8>)]) {
    rawzip_agrees(image, accepted);
    zip_agrees(image, accepted);
}

fn zip_agrees(image: &[u8], accepted: &[(String, Vec<u8>)]) {
    let archive = zip::ZipArchive::new(Cursor::new(image)).expect("`zip` opens the archive");
    assert_eq!(archive.offset(), 0, "`zip` sees bytes before the archive");
    let mut rest = accepted.iter();
    for number in 0..archive.len() {
        let entry = archive.by_index_data(number).expect("it has that many");
        let name = String::from_utf8_lossy(entry.name_raw());
        if name.ends_with('/') {
            continue;
        }
        let (path, content) = rest
            .next()
            .unwrap_or_else(|| panic!("only `zip` sees `{name}`"));
        assert_eq!(*path, name);
        assert_eq!(entry.size(), content.len() as u64, "the size of `{name}`");
    }
    assert!(rest.next().is_none(), "`zip` sees fewer files");
}

fn rawzip_agrees(image: &[u8], accepted: &[(String, Vec<u8>)]) {
    let archive = ZipArchive::from_slice(image).expect("`rawzip` opens the archive");
    let mut entries = archive.entries();
    let (mut count, mut rest) = (0, accepted.iter());
    while let Some(entry) = entries
        .next_entry()
        .expect("`rawzip` reads the central directory")
    {
        count += 1;
        let name =
            String::from_utf8(entry.file_path().as_ref().to_vec()).expect("its name is UTF-8");
        if name.ends_with('/') {
            continue;
        }
        let (path, content) = rest
            .next()
            .unwrap_or_else(|| panic!("only `rawzip` sees `{name}`"));
        assert_eq!(path, &name);
        assert_eq!(
            entry.uncompressed_size_hint(),
            content.len() as u64,
            "the size of `{name}`"
        );
        let (wayfinder, method) = (entry.wayfinder(), entry.compression_method());
        assert!(
            read(&archive, wayfinder, method, &name) == *content,
            "the content of `{name}`"
        );
    }
    assert!(rest.next().is_none(), "`rawzip` sees fewer files");
    assert_eq!(archive.entries_hint(), count, "the number of entries");
}

fn read(
    archive: &ZipSliceArchive<&[u8]>,
    wayfinder: rawzip::ZipArchiveEntryWayfinder,
    method: CompressionMethod,
    name: &str,
) -> Vec<u8> {
    let local = archive
        .get_entry(wayfinder)
        .unwrap_or_else(|error| panic!("`{name}`: {error}"));
    let decoder: Box<dyn Read> = match method {
        CompressionMethod::STORE => Box::new(local.data()),
        CompressionMethod::DEFLATE => Box::new(flate2::read::DeflateDecoder::new(local.data())),
        _ => {
            Box::new(ruzstd::decoding::StreamingDecoder::new(local.data()).expect("it is a frame"))
        }
    };
    let mut content = Vec::new();
    local
        .verifying_reader(decoder)
        .read_to_end(&mut content)
        .unwrap_or_else(|error| panic!("`{name}`: {error}"));
    content
}

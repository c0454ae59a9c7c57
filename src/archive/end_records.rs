//! The records at the end of an archive, which say where its central directory is (APPNOTE 4.3.14
//! to 4.3.16).
//!
//! Input: a file. Output: the number of entries and the position of the central directory, which
//! must end exactly where these records begin. Readers differ in how they search for the end
//! record and in when they believe the zip64 record. Therefore the last signature in the file must
//! be that of the end record, a comment must hold nothing that looks like a record, and a zip64
//! record must agree with every number of the end record that is not a placeholder.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;

use super::entry::{ArchiveError, ArchiveResult};
use super::little_endian::{u16_at, u32_at, u64_at};
use crate::error::{ArchiveFault, Error};
use crate::fs::ReadAt;

/// The most entries that an archive may have.
const MAX_ENTRIES: u64 = 2_000_000;
/// The largest central directory that is read, in bytes.
// Both limits bound the memory that the numbers of an unchecked archive can claim.
const MAX_DIRECTORY: u64 = 1 << 30;

const SIGNATURE: &[u8] = b"PK\x05\x06";
const SIGNATURE64: &[u8] = b"PK\x06\x06";
const LOCATOR_SIGNATURE: &[u8] = b"PK\x06\x07";
/// The lengths of the three records; that of the end record is without its comment.
const END_RECORD: usize = 22;
const END_RECORD64: usize = 56;
const LOCATOR64: usize = 20;
/// All that can follow a central directory.
const LONGEST_TAIL: usize = END_RECORD64 + LOCATOR64 + END_RECORD + u16::MAX as usize;
/// How many bytes of a central directory are announced for each entry at the most. A directory is
/// read whole anyway, but it may claim any length, and announced bytes of a remote file are
/// fetched.
const ANNOUNCED_FOR_ENTRY: u64 = 1 << 9;

/// The numbers in the end records, checked against their position.
pub(super) struct EndRecords {
    /// The number of entries, at most [`MAX_ENTRIES`].
    pub(super) entries: usize,
    /// The position of the central directory, of at most [`MAX_DIRECTORY`] bytes.
    pub(super) directory: Range<u64>,
    /// The end of the file, which holds the end records and often the central directory too.
    tail: Vec<u8>,
}

/// The numbers of one end record.
struct Numbers {
    /// The number of entries on the last disk, and on all disks.
    entries: [u64; 2],
    /// The length of the central directory in bytes.
    length: u64,
    /// The offset of the central directory.
    begin: u64,
}

/// Finds and checks the end records of a file.
pub(super) fn find(file: &dyn ReadAt) -> ArchiveResult<EndRecords> {
    let (tail, at) = read_tail(file)?;
    let begin = file.size() - tail.len() as u64;
    let not_an_archive = |reason: &str| ArchiveFault::NotAnArchive(reason.to_owned());
    let at = at.ok_or_else(|| not_an_archive(without_end(file)))?;
    let (record, comment) = tail[at..]
        .split_first_chunk::<END_RECORD>()
        .ok_or_else(|| not_an_archive("its end record is cut off"))?;
    check_comment(comment, usize::from(u16_at(record, 20)))?;
    let numbers = numbers(record, &tail[..at], begin)?;
    let (entries, length) = (numbers.entries[1], numbers.length);
    check_limit("the number of entries", entries, MAX_ENTRIES)?;
    check_limit("the size of the central directory", length, MAX_DIRECTORY)?;
    // The sum cannot overflow: `numbers` has found it to be the offset of the end records.
    let directory = numbers.begin..numbers.begin + length;
    let entries = usize::try_from(entries).expect("MAX_ENTRIES fits into memory");
    Ok(EndRecords {
        entries,
        directory,
        tail,
    })
}

/// The end of the file, and where the last signature of an end record is in it.
fn read_tail(file: &dyn ReadAt) -> ArchiveResult<(Vec<u8>, Option<usize>)> {
    let (size, longest) = (file.size(), LONGEST_TAIL as u64);
    // The rest of a remote file would have to be fetched. The last signature is the last one of the
    // whole file, and all that belongs to it comes before it.
    let at_hand = file.at_hand().min(longest);
    let tail = read(file, size.saturating_sub(at_hand)..size)?;
    let at = memmem::rfind(&tail, SIGNATURE);
    if at_hand >= size.min(longest) || at.is_some_and(|at| at >= END_RECORD64 + LOCATOR64) {
        return Ok((tail, at));
    }
    let tail = read(file, size.saturating_sub(longest)..size)?;
    let at = memmem::rfind(&tail, SIGNATURE);
    Ok((tail, at))
}

/// Why a file has no end record.
fn without_end(file: &dyn ReadAt) -> &'static str {
    if file.size() == 0 {
        return "it is empty";
    }
    // Every wheel begins with the header of its first entry.
    let beginning = read(file, 0..file.size().min(4));
    if beginning.is_ok_and(|beginning| beginning == *b"PK\x03\x04") {
        "it is cut off"
    } else {
        "it is a file of another kind"
    }
}

impl EndRecords {
    /// The bytes of the central directory.
    pub(super) fn read_directory(&self, file: &dyn ReadAt) -> ArchiveResult<Cow<'_, [u8]>> {
        let Range { start, end } = self.directory;
        let tail_begin = file.size() - self.tail.len() as u64;
        let position = |offset: u64| {
            usize::try_from(offset - tail_begin).expect("it lies in the tail, which is in memory")
        };
        // The directory of a usual wheel lies in the tail, which saves a second read and a copy.
        if start >= tail_begin {
            return Ok(Cow::Borrowed(&self.tail[position(start)..position(end)]));
        }
        let announced = self.entries as u64 * ANNOUNCED_FOR_ENTRY;
        file.will_read(start.max(file.size().saturating_sub(announced))..file.size());
        let before = start..end.min(tail_begin);
        let mut directory = read(file, before)?;
        if end > tail_begin {
            directory.extend_from_slice(&self.tail[..position(end)]);
        }
        Ok(Cow::Owned(directory))
    }
}

/// Reads a part of the file that is small enough for memory.
fn read(file: &dyn ReadAt, range: Range<u64>) -> ArchiveResult<Vec<u8>> {
    let length = usize::try_from(range.end - range.start).expect("its length was limited");
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, range.start)
        .map_err(|error| ArchiveError::Other(Error::io("read", file.path(), error)))?;
    Ok(bytes)
}

/// The numbers that count: those of the zip64 record if there is one. `before` is the part of the
/// file from offset `begin` up to the end record.
fn numbers(record: &[u8; END_RECORD], before: &[u8], begin: u64) -> ArchiveResult<Numbers> {
    let stated = Numbers {
        entries: [8, 10].map(|at| u64::from(u16_at(record, at))),
        length: u32_at(record, 12).into(),
        begin: u32_at(record, 16).into(),
    };
    if u16_at(record, 4) != 0 || u16_at(record, 6) != 0 {
        return Err(structure(
            "the end record",
            "it belongs to one of several disks",
        ));
    }
    let (numbers, end) = match zip64_numbers(before, begin)? {
        None => (stated, begin + before.len() as u64),
        Some((wide, end)) => {
            let agrees =
                |narrow: u64, wide: u64, placeholder: u64| narrow == wide || narrow == placeholder;
            let [short, long] = [u64::from(u16::MAX), u64::from(u32::MAX)];
            let fits = agrees(stated.entries[0], wide.entries[0], short)
                && agrees(stated.entries[1], wide.entries[1], short)
                && agrees(stated.length, wide.length, long)
                && agrees(stated.begin, wide.begin, long);
            if !fits {
                return Err(structure(
                    "the end record",
                    "it contradicts the zip64 end record",
                ));
            }
            (wide, end)
        }
    };
    if numbers.entries[0] != numbers.entries[1] {
        return Err(structure(
            "the end records",
            "their counts of entries differ",
        ));
    }
    // Other readers, such as Python's `zipfile`, would shift all offsets by the difference.
    if numbers.begin.checked_add(numbers.length) != Some(end) {
        return Err(structure(
            "the end records",
            "the central directory does not end where they begin",
        ));
    }
    Ok(numbers)
}

/// The numbers and the offset of the zip64 end record; `None` if no locator precedes the end
/// record.
///
/// Some readers look for a locator only if the end record has placeholders, others always do.
/// Everything that looks like one must therefore be one, even if it lies in an extra field of the
/// last entry.
fn zip64_numbers(before: &[u8], begin: u64) -> ArchiveResult<Option<(Numbers, u64)>> {
    let Some((before, locator)) = before
        .split_last_chunk::<LOCATOR64>()
        .filter(|(_, locator)| locator.starts_with(LOCATOR_SIGNATURE))
    else {
        return Ok(None);
    };
    let contradiction = || {
        structure(
            "the zip64 end record",
            "it contradicts its locator, or is not directly before it",
        )
    };
    let (before, record) = before
        .split_last_chunk::<END_RECORD64>()
        .filter(|(_, record)| record.starts_with(SIGNATURE64))
        .ok_or_else(contradiction)?;
    let at = begin + before.len() as u64;
    let on_one_disk = u32_at(record, 16) == 0
        && u32_at(record, 20) == 0
        && u32_at(locator, 4) == 0
        && u32_at(locator, 16) == 1;
    // The stated length is without the signature and the length itself.
    let whole = u64_at(record, 4) == END_RECORD64 as u64 - 12;
    if !on_one_disk || !whole || u64_at(locator, 8) != at {
        return Err(contradiction());
    }
    let numbers = Numbers {
        entries: [24, 32].map(|at| u64_at(record, at)),
        length: u64_at(record, 40),
        begin: u64_at(record, 48),
    };
    Ok(Some((numbers, at)))
}

/// The archive's comment (4.3.16) must reach to the end of the file and hold no record, or the
/// beginning of one.
fn check_comment(comment: &[u8], stated: usize) -> ArchiveResult<()> {
    if comment.len() > stated {
        Err(ArchiveFault::HiddenBytes {
            place: "after the end record".to_owned(),
            count: (comment.len() - stated) as u64,
        }
        .into())
    } else if comment.len() < stated {
        Err(structure("the end record", "its comment is cut off"))
    } else if comment.iter().any(|&byte| byte < 0x09) || memmem::find(comment, b"PK").is_some() {
        Err(structure(
            "the archive's comment",
            "it holds records of another archive",
        ))
    } else {
        Ok(())
    }
}

fn check_limit(what: &str, size: u64, limit: u64) -> ArchiveResult<()> {
    if size <= limit {
        return Ok(());
    }
    Err(ArchiveFault::TooLarge {
        what: what.to_owned(),
        size,
        limit,
    }
    .into())
}

fn structure(place: &str, found: &'static str) -> ArchiveError {
    ArchiveFault::Structure {
        place: place.to_owned(),
        found,
    }
    .into()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::archive::tests::Bytes;
    use crate::archive::tests::zip_image::{STORED, ZipEntry, ZipImage};

    fn image() -> ZipImage {
        ZipImage {
            entries: vec![ZipEntry::new("a", b"content", 0o100_644, STORED)],
            ..ZipImage::default()
        }
    }

    fn found(image: &ZipImage) -> Result<(usize, Range<u64>), ArchiveFault> {
        match find(&Bytes(image.to_bytes().into())) {
            Ok(end) => Ok((end.entries, end.directory)),
            Err(ArchiveError::Fault(fault)) => Err(fault),
            Err(ArchiveError::Other(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn the_directory_is_found_by_each_kind_of_end_record() {
        let (plain, mut commented, mut wide) = (image(), image(), image());
        commented.comment = vec![b' '; usize::from(u16::MAX)];
        wide.end.zip64 = true;
        wide.comment = commented.comment.clone();
        let place = 38..38 + 47;
        for image in [plain, commented, wide.clone()] {
            assert_eq!(found(&image), Ok((1, place.clone())));
        }
        wide.end.entries = Some(u16::MAX);
        wide.end.directory_offset = Some(u32::MAX);
        assert_eq!(found(&wide), Ok((1, place)));
    }

    #[test]
    fn end_records_that_contradict_each_other_or_their_position_are_refused() {
        let changes: [fn(&mut ZipImage); 9] = [
            |image| image.end.disk = 1,
            |image| image.end.directory_disk = 1,
            |image| image.end.entries_on_disk = Some(2),
            |image| image.end.directory_size = Some(46),
            |image| image.end.directory_offset = Some(0),
            |image| image.end.directory_offset = Some(u32::MAX),
            |image| image.gap_before_end = vec![0],
            |image| image.comment = b"\x08".to_vec(),
            |image| image.comment = b"PK".to_vec(),
        ];
        for (number, change) in changes.iter().enumerate() {
            for zip64 in [false, true] {
                let mut image = image();
                image.end.zip64 = zip64;
                change(&mut image);
                // A placeholder is filled in by the zip64 record.
                let accepted = zip64 && number == 5;
                let fault = found(&image);
                assert_eq!(fault.is_ok(), accepted, "{number}: {fault:?}");
            }
        }
    }

    #[test]
    fn bytes_after_the_end_record_must_be_its_comment() {
        let mut longer = image();
        longer.suffix = b"more".to_vec();
        assert!(matches!(
            found(&longer),
            Err(ArchiveFault::HiddenBytes { count: 4, .. })
        ));
        let mut shorter = image();
        shorter.end.comment_length = Some(1);
        assert!(matches!(
            found(&shorter),
            Err(ArchiveFault::Structure { .. })
        ));
    }

    #[test]
    fn what_has_no_end_record_is_no_archive() {
        for (bytes, reason) in [
            (&b""[..], "it is empty"),
            (b"text", "it is a file of another kind"),
            (b"<!DOCTYPE html>", "it is a file of another kind"),
            (b"PK\x03\x04", "it is cut off"),
            (b"PK\x05\x06", "its end record is cut off"),
            (&[0; 100_000], "it is a file of another kind"),
        ] {
            let error = find(&Bytes(bytes.into())).err().unwrap();
            let expected = ArchiveFault::NotAnArchive(reason.to_owned());
            assert!(matches!(error, ArchiveError::Fault(fault) if fault == expected));
        }
    }

    #[test]
    fn the_end_that_was_fetched_is_enough_if_it_has_all_end_records() {
        /// A file of which so many bytes at the end were fetched.
        #[derive(Debug)]
        struct Fetched(Bytes, u64, AtomicU64);
        impl ReadAt for Fetched {
            fn path(&self) -> &std::path::Path {
                self.0.path()
            }
            fn size(&self) -> u64 {
                self.0.size()
            }
            fn at_hand(&self) -> u64 {
                self.1
            }
            fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
                self.2.fetch_min(offset, Ordering::Relaxed);
                self.0.read_at(buffer, offset)
            }
        }
        for zip64 in [false, true] {
            let mut image = image();
            image.entries = vec![ZipEntry::new("a", &[b'x'; 100_000], 0o100_644, STORED)];
            image.end.zip64 = zip64;
            image.comment = b"comment".to_vec();
            let bytes = image.to_bytes();
            let records = if zip64 { 98 } else { 22 } + 7;
            let (size, expected) = (bytes.len() as u64, found(&image).expect("an archive"));
            for at_hand in [0, 10, records, 98 + 7, 200, 99_000, size] {
                let file = Fetched(Bytes(bytes.clone().into()), at_hand, AtomicU64::new(size));
                let Ok(end) = find(&file) else {
                    panic!("{at_hand} bytes at hand, zip64 {zip64}")
                };
                assert_eq!((end.entries, end.directory), expected);
                let first = file.2.into_inner();
                let is_enough = at_hand >= 98 + 7;
                assert_eq!(first >= size - at_hand.min(LONGEST_TAIL as u64), is_enough);
            }
        }
    }

    #[test]
    fn absurd_numbers_are_refused_before_anything_is_read() {
        // A file of zeros that ends with these numbers, without the zeros.
        #[derive(Debug)]
        struct Hole(Bytes, u64);
        impl ReadAt for Hole {
            fn path(&self) -> &std::path::Path {
                self.0.path()
            }
            fn size(&self) -> u64 {
                self.1 + self.0.size()
            }
            fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
                match offset.checked_sub(self.1) {
                    Some(offset) => self.0.read_at(buffer, offset),
                    None => {
                        buffer[0] = 0;
                        Ok(1)
                    }
                }
            }
        }
        for (entries, length) in [(MAX_ENTRIES + 1, 46), (1, MAX_DIRECTORY + 1)] {
            let mut end = SIGNATURE64.to_vec();
            end.extend(44_u64.to_le_bytes());
            end.extend([0; 12]);
            for number in [entries, entries, length, 0] {
                end.extend(number.to_le_bytes());
            }
            end.extend(LOCATOR_SIGNATURE);
            end.extend([0; 4]);
            end.extend(length.to_le_bytes());
            end.extend(1_u32.to_le_bytes());
            end.extend(SIGNATURE);
            end.extend([0; 4].into_iter().chain([0xff; 12]).chain([0; 2]));
            let error = find(&Hole(Bytes(end.into()), length)).err().unwrap();
            assert!(
                matches!(error, ArchiveError::Fault(ArchiveFault::TooLarge { .. })),
                "{error:?}"
            );
        }
    }
}

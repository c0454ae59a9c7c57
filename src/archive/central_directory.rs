//! The archive's bytes against its central directory: every byte belongs to one entry or to the
//! directory, and what the local headers say is what the central directory says.
//!
//! Readers that stream see local headers, readers that seek see the central directory; where the
//! two differ, two tools install different files from one wheel. Section numbers are those of the
//! ZIP specification (APPNOTE 6.3).

use std::ops::Range;

use super::{Extent, Listed, extra_fields};
use crate::error::{ArchiveFault as Fault, Error, Result};
use crate::fs::ReadAt;

/// Bit 3: sizes and CRC follow the data (4.4.4).
const FLAG_DESCRIPTOR: u16 = 1 << 3;
/// Bit 11: the name is UTF-8 (4.4.4).
pub(super) const FLAG_UTF8: u16 = 1 << 11;
/// Patched data, strong encryption and masked headers: bits that change how an entry is read.
const FLAGS_REFUSED: u16 = 1 << 5 | 1 << 6 | 1 << 13;

/// The newest version of the format that an entry may need (4.4.3), times ten; what reads 6.4 is
/// yet to be specified.
const NEWEST_VERSION: u8 = 63;

const LOCAL_HEADER: u64 = 30;
const CENTRAL_HEADER: usize = 46;
const END_RECORD: u64 = 22;
const LOCATOR64: u64 = 20;
const END_RECORD64: u64 = 56;
/// How much of a central directory is read ahead for each of its entries, at the most.
pub(super) const MOST_OF_ENTRY: u64 = 1 << 9;
/// The most of an entry that is read ahead where only parts of an archive are looked at, and the
/// widest gap over which that goes on.
const MOST_AHEAD: u64 = 1 << 20;
const WIDEST_GAP: u64 = 1 << 16;
/// What extra fields usually take at the most.
const MOST_EXTRA: u8 = 64;
/// The largest central directory that is read, with the records behind it, in bytes.
const MAX_DIRECTORY: usize = 1 << 30;
/// The length of the longest data descriptor.
const DESCRIPTOR: u64 = 24;
/// How many bytes are read at once while local headers are looked at: small entries have theirs
/// close together.
const AHEAD: u64 = 1 << 15;
const MAX_COMMENT: u64 = u16::MAX as u64;

/// Checks the layout, of entries as far as `extent` covers them, and fills in where their data
/// begins. Returns what is wrong; the outer error is a failure to read.
pub(super) fn check(
    file: &dyn ReadAt,
    directory: u64,
    listed: &mut [Listed],
    extent: &Extent<'_>,
) -> Result<Vec<Fault>> {
    let mut check = Check {
        file,
        faults: Vec::new(),
    };
    let ahead = if matches!(extent, Extent::Whole) {
        AHEAD
    } else {
        0
    };
    let mut window = Window {
        file,
        ahead,
        at: 0,
        bytes: Vec::new(),
    };
    check.directory(directory, listed)?;
    let mut order: Vec<usize> = (0..listed.len()).collect();
    order.sort_by_key(|&number| listed[number].entry.header);
    if check.faults.is_empty() && matches!(extent, Extent::Index(_)) {
        announce(file, listed, &order, extent);
    }
    let mut end = 0;
    for (place, &number) in order.iter().enumerate() {
        let next = order
            .get(place + 1)
            .map_or(directory, |&next| listed[next].entry.header);
        let begin = listed[number].entry.header;
        if !extent.covers(&listed[number]) {
            end = next;
            continue;
        }
        if begin < end {
            let first = listed[order[place.saturating_sub(1)]].name.clone();
            check.faults.push(Fault::Overlap {
                first,
                second: listed[number].name.clone(),
            });
        } else if begin > end {
            let place = format!("before entry `{}`", listed[number].name);
            check.faults.push(Fault::HiddenBytes {
                place,
                count: begin - end,
            });
        }
        match check.local_header(&mut window, &mut listed[number], next)? {
            Some(after) => end = after,
            None => return Ok(check.faults),
        }
        if !check.faults.is_empty() {
            return Ok(check.faults);
        }
    }
    if end != directory {
        let place = "before the central directory".to_owned();
        check.faults.push(match directory.checked_sub(end) {
            Some(count) => Fault::HiddenBytes { place, count },
            None => Fault::Overlap {
                first: "the last entry".to_owned(),
                second: "the central directory".to_owned(),
            },
        });
    }
    Ok(check.faults)
}

/// Says what of the entries that `extent` covers is read next: their headers, and the contents of
/// those that are small.
fn announce(file: &dyn ReadAt, listed: &[Listed], order: &[usize], extent: &Extent<'_>) {
    let mut ahead: Option<Range<u64>> = None;
    for listed in order
        .iter()
        .map(|&number| &listed[number])
        .filter(|listed| extent.covers(listed))
    {
        let whole = LOCAL_HEADER
            + listed.name.len() as u64
            + u64::from(MOST_EXTRA)
            + listed.entry.compressed;
        let length = if whole > MOST_AHEAD {
            LOCAL_HEADER
        } else {
            whole
        };
        let range = listed.entry.header..listed.entry.header.saturating_add(length);
        match &mut ahead {
            Some(ahead) if range.start <= ahead.end.saturating_add(WIDEST_GAP) => {
                ahead.end = ahead.end.max(range.end);
            }
            _ => ahead
                .replace(range)
                .into_iter()
                .for_each(|done| file.will_read(done)),
        }
    }
    ahead.into_iter().for_each(|last| file.will_read(last));
}

/// What the end records state.
pub(super) struct Stated {
    /// How many entries there are.
    pub(super) entries: u64,
    /// Where the central directory begins.
    pub(super) directory: u64,
}

/// What the end records state, where they are where an honest archive has them.
pub(super) fn stated(file: &dyn ReadAt) -> Option<Stated> {
    let check = Check {
        file,
        faults: Vec::new(),
    };
    let length = file
        .size()
        .min(END_RECORD64 + LOCATOR64 + END_RECORD + MAX_COMMENT);
    let tail = check
        .read(file.size() - length, usize::try_from(length).ok()?)
        .ok()?;
    let end = tail
        .windows(4)
        .rposition(|window| window == b"PK\x05\x06")?;
    let wide = end
        .checked_sub(76)
        .and_then(|at| tail.get(at..))
        .filter(|wide| wide.starts_with(b"PK\x06\x06"));
    Some(match wide {
        None => Stated {
            entries: u16_at(&tail, end + 10).into(),
            directory: u32_at(&tail, end + 16).into(),
        },
        Some(wide) => Stated {
            entries: u64_at(wide, 32),
            directory: u64_at(wide, 48),
        },
    })
}

/// The names in the central directory, as far as it can be read, those that stand twice included.
pub(super) fn names(file: &dyn ReadAt, directory: u64) -> Vec<Vec<u8>> {
    let check = Check {
        file,
        faults: Vec::new(),
    };
    let Ok(whole) = check.read(directory, MAX_DIRECTORY) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(header) = whole
        .get(at..at + CENTRAL_HEADER)
        .filter(|header| header.starts_with(b"PK\x01\x02"))
    {
        let lengths = [28, 30, 32].map(|at| usize::from(u16_at(header, at)));
        names.extend(
            whole
                .get(at + CENTRAL_HEADER..at + CENTRAL_HEADER + lengths[0])
                .map(<[u8]>::to_vec),
        );
        at += CENTRAL_HEADER + lengths.iter().sum::<usize>();
    }
    names
}

struct Check<'a> {
    file: &'a dyn ReadAt,
    faults: Vec<Fault>,
}

impl Check<'_> {
    /// Reads as many bytes as there are, up to `count`.
    fn read(&self, offset: u64, count: usize) -> Result<Vec<u8>> {
        let available =
            usize::try_from(self.file.size().saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; count.min(available)];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|error| Error::io("read", self.file.path(), error))?;
        Ok(bytes)
    }

    fn structure(&mut self, place: &str, found: &'static str) {
        self.faults.push(Fault::Structure {
            place: place.to_owned(),
            found,
        });
    }

    /// Walks the central directory (4.3.12) and the end records (4.3.14 to 4.3.16), which must fill
    /// the rest of the file.
    fn directory(&mut self, begin: u64, listed: &[Listed]) -> Result<()> {
        let size = self.file.size();
        let tail_length =
            (END_RECORD + MAX_COMMENT + LOCATOR64 + END_RECORD64).min(size.saturating_sub(begin));
        let whole = self.read(begin, MAX_DIRECTORY)?;
        let mut at = 0;
        for entry in listed {
            let header = whole
                .get(at..at + CENTRAL_HEADER)
                .filter(|header| header.starts_with(b"PK\x01\x02"));
            let Some(header) = header else {
                self.structure("the central directory", "it ends before its last entry");
                return Ok(());
            };
            let lengths = [28, 30, 32].map(|at| usize::from(u16_at(header, at)));
            let begin = at + CENTRAL_HEADER;
            if whole.get(begin..begin + lengths[0]) != Some(entry.name.as_bytes()) {
                self.structure(
                    &format!("entry `{}`", entry.name),
                    "its name has another form in an extra field",
                );
            }
            let extra = whole
                .get(begin + lengths[0]..begin + lengths[0] + lengths[1])
                .unwrap_or_default();
            self.central_extra(entry, header, extra);
            if lengths[2] != 0 {
                self.structure(&format!("entry `{}`", entry.name), "it has a comment");
            }
            if header[6] > NEWEST_VERSION {
                self.structure(
                    &format!("entry `{}`", entry.name),
                    "it needs a newer version of the zip format",
                );
            }
            if u16_at(header, 34) != 0 {
                self.structure(&format!("entry `{}`", entry.name), "it is on another disk");
            }
            if entry.flags & FLAGS_REFUSED != 0 {
                self.faults.push(Fault::Encrypted(entry.name.clone()));
            }
            at += CENTRAL_HEADER + lengths.iter().sum::<usize>();
        }
        let tail = whole.get(at..).unwrap_or_default();
        if tail.len() as u64 > tail_length {
            let place = "after the central directory".to_owned();
            self.faults.push(Fault::HiddenBytes {
                place,
                count: tail.len() as u64 - tail_length,
            });
            return Ok(());
        }
        self.end_records(tail, begin, at as u64, listed.len() as u64);
        Ok(())
    }

    /// Checks the extra fields that the central directory has of an entry.
    fn central_extra(&mut self, entry: &Listed, header: &[u8], extra: &[u8]) {
        let stated = [24, 20, 42].map(|at| u32_at(header, at));
        let found = match extra_fields::resolve(extra, stated, false) {
            Ok((numbers, _))
                if numbers == [entry.entry.size, entry.entry.compressed, entry.entry.header] =>
            {
                return;
            }
            Ok(_) => "its zip64 field is read in two ways",
            Err(found) => found,
        };
        self.structure(
            &format!("entry `{}` in the central directory", entry.name),
            found,
        );
    }

    /// `tail` is all that follows the central directory, which begins at `begin` and is `length`
    /// bytes long.
    fn end_records(&mut self, tail: &[u8], begin: u64, length: u64, count: u64) {
        let mut rest = tail;
        if rest.starts_with(b"PK\x06\x06") {
            let fits = rest.len() as u64 >= END_RECORD64 + LOCATOR64
                && u64_at(rest, 4) == END_RECORD64 - 12
                && u32_at(rest, 16) == 0
                && u32_at(rest, 20) == 0
                && u64_at(rest, 24) == count
                && u64_at(rest, 32) == count
                && u64_at(rest, 40) == length
                && u64_at(rest, 48) == begin;
            let locator = rest.get(56..).unwrap_or_default();
            let located = locator.starts_with(b"PK\x06\x07")
                && locator.len() as u64 >= LOCATOR64
                && u32_at(locator, 4) == 0
                && u64_at(locator, 8) == begin + length
                && u32_at(locator, 16) == 1;
            if !fits || !located {
                return self.structure(
                    "the zip64 end record",
                    "it contradicts the central directory",
                );
            }
            rest = &rest[76..];
        }
        if !rest.starts_with(b"PK\x05\x06") || (rest.len() as u64) < END_RECORD {
            let place = "after the central directory".to_owned();
            return self.faults.push(Fault::HiddenBytes {
                place,
                count: tail.len() as u64,
            });
        }
        let zip64 = rest.len() < tail.len();
        let agrees = |field: u64, value: u64, most: u64| field == value || (zip64 && field == most);
        let fits = u16_at(rest, 4) == 0
            && u16_at(rest, 6) == 0
            && agrees(u16_at(rest, 8).into(), count, u16::MAX.into())
            && agrees(u16_at(rest, 10).into(), count, u16::MAX.into())
            && agrees(u32_at(rest, 12).into(), length, u32::MAX.into())
            && agrees(u32_at(rest, 16).into(), begin, u32::MAX.into());
        if !fits {
            return self.structure("the end record", "it contradicts the central directory");
        }
        let comment = &rest[22..];
        let stated = usize::from(u16_at(rest, 20));
        if comment.len() > stated {
            let place = "after the end record".to_owned();
            self.faults.push(Fault::HiddenBytes {
                place,
                count: (comment.len() - stated) as u64,
            });
        } else if comment.len() < stated {
            self.structure("the end record", "its comment is cut off");
        } else if comment.iter().any(|&byte| byte < 0x09)
            || comment.windows(2).any(|pair| pair == b"PK")
        {
            self.structure(
                "the archive's comment",
                "it holds records of another archive",
            );
        }
    }

    /// Compares one local header (4.3.7) with the central directory, and a data descriptor (4.3.9)
    /// where one follows. `next` is where the next record begins. Returns where this entry ends.
    fn local_header(
        &mut self,
        window: &mut Window<'_>,
        entry: &mut Listed,
        next: u64,
    ) -> Result<Option<u64>> {
        let expected = LOCAL_HEADER + entry.name.len() as u64;
        let header = window.read(entry.entry.header, expected + u64::from(MOST_EXTRA))?;
        if (header.len() as u64) < expected || !header.starts_with(b"PK\x03\x04") {
            self.structure(
                &format!("entry `{}`", entry.name),
                "there is no local header where it should begin",
            );
            return Ok(None);
        }
        let extra_length = usize::from(u16_at(header, 28));
        let data =
            entry.entry.header + LOCAL_HEADER + u64::from(u16_at(header, 26)) + extra_length as u64;
        let extra_begin = usize::try_from(expected).unwrap_or(usize::MAX);
        let wide = match header.get(extra_begin..extra_begin.saturating_add(extra_length)) {
            Some(extra) => self.compare(entry, header, extra),
            None => self.compare(
                entry,
                header,
                &self.read(entry.entry.header + expected, extra_length)?,
            ),
        };
        if !self.faults.is_empty() {
            return Ok(None);
        }
        let mut end = data.saturating_add(entry.entry.compressed);
        if end > next || end > self.file.size() {
            self.faults.push(if end > self.file.size() {
                Fault::Truncated(entry.name.clone())
            } else {
                Fault::Overlap {
                    first: entry.name.clone(),
                    second: "what follows it".to_owned(),
                }
            });
            return Ok(None);
        }
        if entry.flags & FLAG_DESCRIPTOR != 0 {
            end = self.descriptor(window.read(end, DESCRIPTOR)?, entry, (end, next), wide);
        }
        entry.entry.data = data;
        Ok(Some(end))
    }

    /// Whether the local header has a zip64 field.
    fn compare(&mut self, entry: &Listed, header: &[u8], extra: &[u8]) -> bool {
        let mut differ = |field: &'static str, local: String, central: String| {
            self.faults.push(Fault::LocalHeader {
                entry: entry.name.clone(),
                field,
                local,
                central,
            });
        };
        let name_end = (30 + usize::from(u16_at(header, 26))).min(header.len());
        let name = &header[30..name_end];
        if name != entry.name.as_bytes() {
            differ(
                "its name is",
                name.escape_ascii().to_string(),
                entry.name.clone(),
            );
        }
        if u16_at(header, 6) != entry.flags {
            differ(
                "the flags are",
                format!("{:#06x}", u16_at(header, 6)),
                format!("{:#06x}", entry.flags),
            );
        }
        if u16_at(header, 8) != entry.raw_method {
            differ(
                "the method is",
                u16_at(header, 8).to_string(),
                entry.raw_method.to_string(),
            );
        }
        let ([size, compressed], wide) =
            match extra_fields::resolve(extra, [22, 18].map(|at| u32_at(header, at)), true) {
                Ok(resolved) => resolved,
                Err(found) => {
                    self.structure(
                        &format!("the local header of entry `{}`", entry.name),
                        found,
                    );
                    return false;
                }
            };
        let crc = u32_at(header, 14).into();
        // With a data descriptor the local fields may be zero, all of them: the descriptor is
        // compared instead.
        if entry.flags & FLAG_DESCRIPTOR == 0 || (crc, size, compressed) != (0, 0, 0) {
            let numbers = [
                ("the CRC-32 is", crc, u64::from(entry.entry.crc)),
                ("the size is", size, entry.entry.size),
                ("the compressed size is", compressed, entry.entry.compressed),
            ];
            for (field, local, central) in numbers
                .into_iter()
                .filter(|(_, local, central)| local != central)
            {
                differ(field, local.to_string(), central.to_string());
            }
        }
        wide
    }

    /// Checks a data descriptor, of which `bytes` are read, and which reaches from `at` to `next`:
    /// with or without its signature, and `wide` where the local header has a zip64 field. Returns
    /// where it ends.
    fn descriptor(
        &mut self,
        bytes: &[u8],
        entry: &Listed,
        (at, next): (u64, u64),
        wide: bool,
    ) -> u64 {
        let length = next - at;
        let fields = match (length, wide) {
            (12, false) | (20, true) => 0,
            (16, false) | (24, true) => 4,
            _ => usize::MAX,
        };
        let fits = fields != usize::MAX
            && bytes.len() as u64 >= length
            && (fields == 0 || bytes.starts_with(b"PK\x07\x08"))
            && u32_at(bytes, fields) == entry.entry.crc
            && if wide {
                (u64_at(bytes, fields + 4), u64_at(bytes, fields + 12))
                    == (entry.entry.compressed, entry.entry.size)
            } else {
                let sizes = (u32_at(bytes, fields + 4), u32_at(bytes, fields + 8));
                (u64::from(sizes.0), u64::from(sizes.1))
                    == (entry.entry.compressed, entry.entry.size)
            };
        if !fits {
            self.structure(
                &format!("entry `{}`", entry.name),
                "its data descriptor is missing or contradicts the central directory",
            );
        }
        if entry.raw_method == 0 && entry.entry.size != 0 {
            let found = "a data descriptor follows stored content, so nobody who reads from the front can tell where it ends";
            self.structure(&format!("entry `{}`", entry.name), found);
        }
        next
    }
}

/// A part of the file that goes along with what is read from front to back.
struct Window<'a> {
    file: &'a dyn ReadAt,
    /// How many bytes are read at once at the least.
    ahead: u64,
    at: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// The bytes from `offset` on: as many as there are, up to `count`.
    fn read(&mut self, offset: u64, count: u64) -> Result<&[u8]> {
        let count = count.min(self.file.size().saturating_sub(offset));
        let held = self.at..=self.at + self.bytes.len() as u64;
        if !held.contains(&offset) || !held.contains(&(offset + count)) {
            let length = count
                .max(self.ahead)
                .min(self.file.size().saturating_sub(offset));
            self.bytes
                .resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
            self.at = offset;
            let read = self.file.read_exact_at(&mut self.bytes, offset);
            read.map_err(|error| Error::io("read", self.file.path(), error))?;
        }
        let from = usize::try_from(offset - self.at).unwrap_or(usize::MAX);
        Ok(&self.bytes[from..from + usize::try_from(count).unwrap_or(0)])
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..at + 2)
        .map_or(0, |field| u16::from_le_bytes([field[0], field[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

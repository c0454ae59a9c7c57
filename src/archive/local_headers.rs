//! The local headers, compared with the central directory, and the bytes between entries, of which
//! there must be none.
//!
//! Readers that stream an archive see its local headers, readers that seek see the central
//! directory. If the two differ, two tools install different files from one wheel. Section numbers
//! are those of the zip specification (APPNOTE 6.3).

use std::ops::Range;

use super::central_directory::{FLAG_DESCRIPTOR, ListedEntry};
use super::entry::{Entry, Method};
use super::extra_fields::{self, HeaderKind};
use super::little_endian::{u16_at, u32_at, u64_at};
use crate::error::{ArchiveFault, Error, Result};
use crate::fs::ReadAt;

const SIGNATURE: &[u8] = b"PK\x03\x04";
const DESCRIPTOR_SIGNATURE: &[u8] = b"PK\x07\x08";
/// The length of a local header without its name and extra fields.
const HEADER: usize = 30;
/// The length of the longest data descriptor: signature, CRC-32 and two sizes of eight bytes.
const LONGEST_DESCRIPTOR: u64 = 24;
/// How many bytes of extra fields are read along with a header; longer ones are read separately.
const USUAL_EXTRA: usize = 64;
/// How many bytes are read at once if every header is checked: small entries have theirs close
/// together, and a system call costs as much as copying this many bytes.
const READ_AHEAD: u64 = 1 << 15;
/// The largest entry that is announced whole. Of a larger one only the header is announced.
// A preview reads only the first bytes of a script that is not rewritten, and such scripts may
// be large binaries.
const MAX_ANNOUNCED: u64 = 1 << 20;
/// The widest gap between two announced ranges that are made one.
// Another request to a server takes longer than the transfer of this many bytes.
const MAX_GAP: u64 = 1 << 16;

/// How much of an archive is checked.
pub enum Extent<'a> {
    /// All of it, as an archive must be before anything is unpacked from it.
    Whole,
    /// Its central directory, and the local headers of these entries. Only they can be read; other
    /// faults of the archive are found when it is checked whole.
    Index(&'a dyn Fn(&Entry) -> bool),
}

impl Extent<'_> {
    fn covers(&self, listed: &ListedEntry<'_>) -> bool {
        match self {
            Self::Whole => true,
            Self::Index(wanted) => !listed.directory && wanted(&listed.entry),
        }
    }
}

/// Checks the entries that `extent` covers and fills in the offset of their data. The central
/// directory begins at offset `directory`. Returns what is wrong; the outer error is a failure to
/// read.
pub(super) fn check(
    file: &dyn ReadAt,
    directory: u64,
    listed: &mut [ListedEntry<'_>],
    extent: &Extent<'_>,
) -> Result<Vec<ArchiveFault>> {
    // The central directory may list entries in any order, but gaps and overlaps show only in the
    // order of the data.
    let mut order: Vec<usize> = (0..listed.len()).collect();
    order.sort_by_key(|&number| listed[number].entry.header);
    let whole = matches!(extent, Extent::Whole);
    if !whole {
        announce(file, listed, &order, extent);
    }
    let mut check = Check {
        window: Window {
            file,
            // Reading ahead in a remote file would fetch parts that nothing asked for.
            ahead: if whole { READ_AHEAD } else { 0 },
            at: 0,
            bytes: Vec::new(),
        },
        faults: Vec::new(),
    };
    let mut end = 0;
    for (place, &number) in order.iter().enumerate() {
        let next = order
            .get(place + 1)
            .map_or(directory, |&next| listed[next].entry.header);
        let begin = listed[number].entry.header;
        if !extent.covers(&listed[number]) {
            // Taken on trust: the next entry must begin where its own header says.
            end = next;
            continue;
        }
        if begin < end {
            check.faults.push(ArchiveFault::Overlap {
                // The first place cannot get here, as no offset is below 0.
                first: listed[order[place.saturating_sub(1)]].name.to_owned(),
                second: listed[number].name.to_owned(),
            });
        } else if begin > end {
            check.faults.push(ArchiveFault::HiddenBytes {
                place: format!("before entry `{}`", listed[number].name),
                count: begin - end,
            });
        }
        if let Some(after) = check.entry(&mut listed[number], next)? {
            end = after;
        }
        // Positions after a faulty entry mean nothing.
        if !check.faults.is_empty() {
            return Ok(check.faults);
        }
    }
    check.faults.extend(check_end(end, directory));
    Ok(check.faults)
}

/// The last entry must end where the central directory begins.
fn check_end(end: u64, directory: u64) -> Option<ArchiveFault> {
    match directory.checked_sub(end) {
        Some(0) => None,
        Some(count) => Some(ArchiveFault::HiddenBytes {
            place: "before the central directory".to_owned(),
            count,
        }),
        None => Some(ArchiveFault::Overlap {
            first: "the last entry".to_owned(),
            second: "the central directory".to_owned(),
        }),
    }
}

/// Announces what will be read of the covered entries, so that a remote file is fetched in few
/// requests: their headers, and the contents of the small ones.
fn announce(file: &dyn ReadAt, listed: &[ListedEntry<'_>], order: &[usize], extent: &Extent<'_>) {
    let mut pending: Option<Range<u64>> = None;
    for listed in order
        .iter()
        .map(|&number| &listed[number])
        .filter(|listed| extent.covers(listed))
    {
        let header = (HEADER + listed.name.len() + USUAL_EXTRA) as u64;
        let whole = header.saturating_add(listed.entry.compressed);
        let length = if whole > MAX_ANNOUNCED {
            HEADER as u64
        } else {
            whole
        };
        let range = listed.entry.header..listed.entry.header.saturating_add(length);
        match &mut pending {
            Some(pending) if range.start <= pending.end.saturating_add(MAX_GAP) => {
                pending.end = pending.end.max(range.end);
            }
            _ => {
                if let Some(complete) = pending.replace(range) {
                    file.will_read(complete);
                }
            }
        }
    }
    if let Some(last) = pending {
        file.will_read(last);
    }
}

/// The faults found so far, and the part of the file that is being read.
struct Check<'a> {
    window: Window<'a>,
    faults: Vec<ArchiveFault>,
}

impl Check<'_> {
    /// Compares one local header (4.3.7), and its data descriptor (4.3.9) if it has one, with the
    /// central directory. `next` is the offset of the record after this entry. Returns the offset
    /// of the entry's end, or `None` if the entry is at fault.
    fn entry(&mut self, listed: &mut ListedEntry<'_>, next: u64) -> Result<Option<u64>> {
        let begin = listed.entry.header;
        let fixed = HEADER + listed.name.len();
        let bytes = self.window.read(begin, (fixed + USUAL_EXTRA) as u64)?;
        if bytes.len() < fixed || !bytes.starts_with(SIGNATURE) {
            self.structure(
                format!("entry `{}`", listed.name),
                "there is no local header where it should begin",
            );
            return Ok(None);
        }
        // A name of another length is a fault, so that the extra fields begin where `fixed` says.
        let length = fixed + usize::from(u16_at(bytes, 28));
        let bytes = if length <= bytes.len() {
            &bytes[..length]
        } else {
            let available = self.window.read(begin, length as u64)?;
            if available.len() < length {
                self.faults
                    .push(ArchiveFault::Truncated(listed.name.to_owned()));
                return Ok(None);
            }
            available
        };
        let mut differences = Vec::new();
        let wide = compare(listed, bytes, &mut differences);
        self.faults.append(&mut differences);
        if !self.faults.is_empty() {
            return Ok(None);
        }
        let data = begin + length as u64;
        let end = data.saturating_add(listed.entry.compressed);
        let size = self.window.file.size();
        if end > next || end > size {
            // Both may be true of a file that was cut off, and then the cut is the cause.
            self.faults.push(if end > size {
                ArchiveFault::Truncated(listed.name.to_owned())
            } else {
                ArchiveFault::Overlap {
                    first: listed.name.to_owned(),
                    second: "what follows it".to_owned(),
                }
            });
            return Ok(None);
        }
        listed.entry.data = data;
        if listed.flags & FLAG_DESCRIPTOR == 0 {
            return Ok(Some(end));
        }
        let descriptor = self.window.read(end, LONGEST_DESCRIPTOR.min(next - end))?;
        // All bytes up to the next record must be the descriptor.
        let fits = descriptor.len() as u64 == next - end
            && descriptor_matches(descriptor, &listed.entry, wide);
        if !fits {
            self.structure(
                format!("entry `{}`", listed.name),
                "its data descriptor is missing or contradicts the central directory",
            );
        }
        if listed.entry.method == Method::Stored && listed.entry.size != 0 {
            self.structure(
                format!("entry `{}`", listed.name),
                "a data descriptor follows stored content, whose end a streaming reader cannot \
                 find",
            );
        }
        Ok(Some(next))
    }

    fn structure(&mut self, place: String, found: &'static str) {
        self.faults.push(ArchiveFault::Structure { place, found });
    }
}

/// Compares a local header, of which `bytes` are all, with the central directory. Returns whether
/// it has a zip64 field.
fn compare(listed: &ListedEntry<'_>, bytes: &[u8], faults: &mut Vec<ArchiveFault>) -> bool {
    let mut differ = |field: &'static str, local: String, central: String| {
        faults.push(ArchiveFault::LocalHeader {
            entry: listed.name.to_owned(),
            field,
            local,
            central,
        });
    };
    // Its end may lie beyond `bytes`, which are as long as the central directory's name makes them.
    let name_end = HEADER + usize::from(u16_at(bytes, 26));
    if bytes.get(HEADER..name_end) != Some(listed.name.as_bytes()) {
        let name = &bytes[HEADER..name_end.min(bytes.len())];
        let local = name.escape_ascii().to_string();
        differ("its name is", local, listed.name.to_owned());
        // Its extra fields are elsewhere then.
        return false;
    }
    let flags = u16_at(bytes, 6);
    if flags != listed.flags {
        let hex = |flags: u16| format!("{flags:#06x}");
        differ("the flags are", hex(flags), hex(listed.flags));
    }
    let entry = &listed.entry;
    let method = u16_at(bytes, 8);
    if method != entry.method.number() {
        let central = entry.method.number().to_string();
        differ("the method is", method.to_string(), central);
    }
    // The order is that of the zip64 field, which states the size before the compressed size.
    let stated = [22, 18].map(|at| u32_at(bytes, at));
    let ([size, compressed], wide) =
        match extra_fields::resolve(&bytes[name_end..], stated, HeaderKind::Local) {
            Ok(resolved) => resolved,
            Err(found) => {
                faults.push(ArchiveFault::Structure {
                    place: format!("the local header of entry `{}`", listed.name),
                    found,
                });
                return false;
            }
        };
    let crc = u32_at(bytes, 14).into();
    // With a data descriptor the three may be zero together; the descriptor is compared instead.
    if listed.flags & FLAG_DESCRIPTOR != 0 && (crc, size, compressed) == (0, 0, 0) {
        return wide;
    }
    let numbers = [
        ("the CRC-32 is", crc, u64::from(entry.crc)),
        ("the size is", size, entry.size),
        ("the compressed size is", compressed, entry.compressed),
    ];
    for (field, local, central) in numbers {
        if local != central {
            differ(field, local.to_string(), central.to_string());
        }
    }
    wide
}

/// Whether `bytes` are a data descriptor of this entry, with or without a signature. Its sizes have
/// eight bytes if the local header has a zip64 field (4.3.9.2), which is `wide`.
fn descriptor_matches(bytes: &[u8], entry: &Entry, wide: bool) -> bool {
    // The signature is optional (4.3.9.3). The length decides, because a CRC-32 may look like one.
    let fields = match (bytes.len(), wide) {
        (12, false) | (20, true) => bytes,
        (16, false) | (24, true) if bytes.starts_with(DESCRIPTOR_SIGNATURE) => &bytes[4..],
        _ => return false,
    };
    let sizes = if wide {
        [4, 12].map(|at| u64_at(fields, at))
    } else {
        [4, 8].map(|at| u64::from(u32_at(fields, at)))
    };
    u32_at(fields, 0) == entry.crc && sizes == [entry.compressed, entry.size]
}

/// A part of the file in memory, which moves forward with what is read.
struct Window<'a> {
    file: &'a dyn ReadAt,
    /// How many bytes are read at once at the least.
    ahead: u64,
    /// The offset of `bytes` in the file.
    at: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// The bytes from `offset` on: `count` of them, or fewer at the end of the file.
    fn read(&mut self, offset: u64, count: u64) -> Result<&[u8]> {
        let available = self.file.size().saturating_sub(offset);
        let count = count.min(available);
        let held = self.at..=self.at + self.bytes.len() as u64;
        if !held.contains(&offset) || !held.contains(&(offset + count)) {
            let length = count.max(self.ahead).min(available);
            self.bytes.resize(in_memory(length), 0);
            self.at = offset;
            self.file
                .read_exact_at(&mut self.bytes, offset)
                .map_err(|error| Error::io("read", self.file.path(), error))?;
        }
        let from = in_memory(offset - self.at);
        Ok(&self.bytes[from..from + in_memory(count)])
    }
}

/// A length of at most a header with its name and extra fields, or [`READ_AHEAD`] bytes.
fn in_memory(length: u64) -> usize {
    usize::try_from(length).expect("a window is small")
}

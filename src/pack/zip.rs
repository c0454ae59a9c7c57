//! Writes zip archives (APPNOTE 6.3) whose bytes depend on their contents alone.
//!
//! Input: names, modes and data that is compressed already. Output: an archive without extra
//! fields, but for those of zip64 if numbers need more than 32 bits. All offsets count from the
//! archive's own beginning, so that anything may stand before it.

use super::output::ArtifactOutput;
use crate::error::Result;

const LOCAL: u32 = 0x0403_4b50;
const DESCRIPTOR: u32 = 0x0807_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const ZIP64_END: u32 = 0x0606_4b50;
const ZIP64_LOCATOR: u32 = 0x0706_4b50;
/// The length of a header of the central directory without its path and extra fields (4.3.12).
const CENTRAL_HEADER: usize = 46;
/// The id of the extra field with numbers of 64 bits (4.5.3).
const ZIP64_EXTRA: u16 = 1;
/// Stands in a field of 32 bits whose number is in the extra field.
const IN_EXTRA: u32 = u32::MAX;
/// The system that modes belong to: Unix (4.4.2).
const UNIX: u16 = 3 << 8;
/// Bit 3: sizes and CRC follow the data (4.4.4).
const HAS_DESCRIPTOR: u16 = 1 << 3;
/// Bit 11: the name is UTF-8.
const IS_UTF8: u16 = 1 << 11;

/// A time as zip archives state it: local, in steps of two seconds (4.4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DosTime {
    pub(super) date: u16,
    pub(super) time: u16,
}

/// What is known of a file before its data is written.
#[derive(Debug, Clone)]
pub(super) struct ZipMember<'a> {
    /// Its path in the archive.
    pub(super) path: &'a str,
    /// Its mode with the type of file, as `stat` has it.
    pub(super) mode: u32,
    /// The number of the method of compression (4.4.5).
    pub(super) method: u16,
    /// The CRC-32 of its content.
    pub(super) crc: u32,
    /// The length of its content.
    pub(super) size: u64,
    /// The length of its data, if it is known before the data is written.
    pub(super) compressed: Option<u64>,
}

/// An archive while it is written.
pub(super) struct ZipWriter {
    /// Where it begins in the output.
    begin: u64,
    time: DosTime,
    directory: Vec<u8>,
    count: u64,
}

/// A file whose data is being written.
#[must_use = "a file has to be ended"]
pub(super) struct OpenMember<'a> {
    member: ZipMember<'a>,
    /// The offset of its local header, and of its data in the output.
    header: u64,
    data: u64,
}

impl ZipWriter {
    /// An archive that begins at the end of `output`, for files with these paths.
    pub(super) fn new(
        output: &ArtifactOutput<'_>,
        time: DosTime,
        paths: impl Iterator<Item: AsRef<str>>,
    ) -> Self {
        // A vector that grows needs up to three times as much memory on the way.
        let lengths = paths.map(|path| CENTRAL_HEADER + path.as_ref().len());
        let room = lengths.sum();
        Self {
            begin: output.length(),
            time,
            directory: Vec::with_capacity(room),
            count: 0,
        }
    }

    /// Writes the local header of a file (4.3.7), whose data has to follow.
    pub(super) fn begin<'m>(
        &mut self,
        member: ZipMember<'m>,
        output: &mut ArtifactOutput<'_>,
    ) -> Result<OpenMember<'m>> {
        let header = output.length() - self.begin;
        let mut fields = ZipFields::default();
        let wide = is_wide(&member, member.compressed);
        fields.u32(LOCAL);
        self.common(&mut fields, &member, wide);
        let numbers = match member.compressed {
            // They follow in the descriptor, whose width the extra field decides.
            None if wide => [0, IN_EXTRA, IN_EXTRA],
            None => [0; 3],
            Some(_) if wide => [member.crc, IN_EXTRA, IN_EXTRA],
            Some(compressed) => [member.crc, narrow(compressed), narrow(member.size)],
        };
        numbers.into_iter().for_each(|number| fields.u32(number));
        fields.length(member.path.len());
        fields.length(if wide { 20 } else { 0 });
        fields.0.extend_from_slice(member.path.as_bytes());
        if wide {
            let compressed = member.compressed;
            fields.extra(&compressed.map_or([0, 0], |compressed| [member.size, compressed]));
        }
        output.write(&fields.0)?;
        Ok(OpenMember {
            member,
            header,
            data: output.length(),
        })
    }

    /// Ends a file after its data, and lists it.
    pub(super) fn end(
        &mut self,
        open: OpenMember<'_>,
        output: &mut ArtifactOutput<'_>,
    ) -> Result<()> {
        let OpenMember {
            member,
            header,
            data,
        } = open;
        let compressed = output.length() - data;
        let was_wide = is_wide(&member, member.compressed);
        if member.compressed.is_none() {
            let mut fields = ZipFields::default();
            fields.u32(DESCRIPTOR);
            fields.u32(member.crc);
            for number in [compressed, member.size] {
                if was_wide {
                    fields.u64(number);
                } else {
                    fields.u32(narrow(number));
                }
            }
            output.write(&fields.0)?;
        }
        self.list(&member, compressed, header);
        Ok(())
    }

    /// Adds the header of a file to the central directory (4.3.12).
    fn list(&mut self, member: &ZipMember<'_>, compressed: u64, header: u64) {
        let wide = is_wide(member, Some(compressed));
        let far = header >= u64::from(IN_EXTRA);
        let mut wides = Vec::new();
        if wide {
            wides.extend([member.size, compressed]);
        }
        if far {
            wides.push(header);
        }
        let mut fields = ZipFields(std::mem::take(&mut self.directory));
        fields.u32(CENTRAL);
        fields.u16(UNIX | version(wide || far));
        self.common(&mut fields, member, wide || far);
        fields.u32(member.crc);
        for number in [compressed, member.size] {
            fields.u32(if wide { IN_EXTRA } else { narrow(number) });
        }
        fields.length(member.path.len());
        fields.length(if wides.is_empty() {
            0
        } else {
            4 + 8 * wides.len()
        });
        // No comment, on the first disk, no internal attributes.
        [0; 3].into_iter().for_each(|field| fields.u16(field));
        fields.u32(member.mode << 16);
        fields.u32(if far { IN_EXTRA } else { narrow(header) });
        fields.0.extend_from_slice(member.path.as_bytes());
        if !wides.is_empty() {
            fields.extra(&wides);
        }
        self.directory = fields.0;
        self.count += 1;
    }

    /// The fields that both headers of a file have in common, up to its time.
    fn common(&self, fields: &mut ZipFields, member: &ZipMember<'_>, wide: bool) {
        let mut flags = 0;
        if !member.path.is_ascii() {
            flags |= IS_UTF8;
        }
        if member.compressed.is_none() {
            flags |= HAS_DESCRIPTOR;
        }
        fields.u16(version(wide));
        fields.u16(flags);
        fields.u16(member.method);
        fields.u16(self.time.time);
        fields.u16(self.time.date);
    }

    /// Writes the central directory and the records at its end (4.3.14 to 4.3.16).
    pub(super) fn finish(self, output: &mut ArtifactOutput<'_>) -> Result<()> {
        let offset = output.length() - self.begin;
        let length = self.directory.len() as u64;
        output.write(&self.directory)?;
        let narrow_count = u16::try_from(self.count)
            .ok()
            .filter(|&count| count < u16::MAX);
        let fits = |number: u64| u32::try_from(number).is_ok_and(|number| number < IN_EXTRA);
        let wide = narrow_count.is_none() || !fits(offset) || !fits(length);
        let mut fields = ZipFields::default();
        if wide {
            fields.u32(ZIP64_END);
            // The length of the rest of this record.
            fields.u64(44);
            fields.u16(UNIX | version(true));
            fields.u16(version(true));
            [0; 2].into_iter().for_each(|disk| fields.u32(disk));
            for number in [self.count, self.count, length, offset] {
                fields.u64(number);
            }
            fields.u32(ZIP64_LOCATOR);
            fields.u32(0);
            fields.u64(offset + length);
            fields.u32(1);
        }
        fields.u32(END);
        [0; 2].into_iter().for_each(|disk| fields.u16(disk));
        let count = narrow_count.unwrap_or(u16::MAX);
        [count; 2].into_iter().for_each(|count| fields.u16(count));
        for number in [length, offset] {
            fields.u32(if fits(number) {
                narrow(number)
            } else {
                IN_EXTRA
            });
        }
        // No comment.
        fields.u16(0);
        output.write(&fields.0)
    }
}

/// Whether a length of a file needs 64 bits.
fn is_wide(member: &ZipMember<'_>, compressed: Option<u64>) -> bool {
    // Data that is not known yet may be a little longer than its content.
    let compressed = compressed.unwrap_or(member.size.saturating_add(member.size / 16 + 1024));
    member.size.max(compressed) >= u64::from(IN_EXTRA)
}

/// The version of the format that is needed to read an entry (4.4.3), times ten.
fn version(wide: bool) -> u16 {
    if wide { 45 } else { 20 }
}

/// A number that was compared with [`IN_EXTRA`] before.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).expect("larger numbers are in extra fields")
}

/// The fields of a header, one behind the other.
#[derive(Default)]
struct ZipFields(Vec<u8>);

impl ZipFields {
    fn u16(&mut self, number: u16) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn u32(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn u64(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn length(&mut self, length: usize) {
        self.u16(u16::try_from(length).expect("paths and extra fields are short"));
    }

    fn extra(&mut self, numbers: &[u64]) {
        self.u16(ZIP64_EXTRA);
        self.length(8 * numbers.len());
        numbers.iter().for_each(|&number| self.u64(number));
    }
}

//! ELF files: the fields of their headers, and where a library looks for other libraries.
//!
//! Input: bytes of a file. Output: numbers and texts in it; `None` if anything is uncertain.
//! Invariant: no content of a file makes this fail or panic, or ask for much memory. Limits: only
//! the program headers are read, which are all that a loader needs.

use std::ops::Range;

/// How many bytes the largest header has.
const HEADER: u64 = 64;
/// The most that is read of a table of program headers or of dynamic entries, in bytes.
const MAX_TABLE: u64 = 1 << 20;
/// The longest list of directories, in bytes.
const MAX_SEARCH_PATHS: u64 = 1 << 16;

/// The types of program headers that are of use here.
pub mod segment_kind {
    /// What is loaded into memory (`PT_LOAD`).
    pub const LOADED: u64 = 1;
    /// The dynamic entries (`PT_DYNAMIC`).
    pub const DYNAMIC: u64 = 2;
    /// The path of the loader (`PT_INTERP`).
    pub const LOADER: u64 = 3;
}

/// The fields of an ELF file, in its own width and byte order.
pub struct ElfFields<'a> {
    bytes: &'a [u8],
    /// Whether it has addresses of 64 bits.
    pub wide: bool,
    /// Whether the most significant byte comes first.
    pub big: bool,
}

/// A program header.
pub struct ProgramHeader {
    /// Its type, one of [`segment_kind`].
    pub kind: u64,
    /// Where its bytes are in the file.
    pub in_file: Range<u64>,
    /// Where they begin in memory.
    pub address: u64,
}

impl<'a> ElfFields<'a> {
    /// The fields of a file that begins with these bytes.
    pub fn of(bytes: &'a [u8]) -> Option<Self> {
        if !bytes.starts_with(b"\x7fELF") {
            return None;
        }
        // Both are 1 or 2.
        let is_second = |at: usize| match bytes.get(at)? {
            1 => Some(false),
            2 => Some(true),
            _ => None,
        };
        let (wide, big) = (is_second(4)?, is_second(5)?);
        Some(Self { bytes, wide, big })
    }

    /// The fields of other bytes of the same file.
    fn within<'b>(&self, bytes: &'b [u8]) -> ElfFields<'b> {
        let (wide, big) = (self.wide, self.big);
        ElfFields { bytes, wide, big }
    }

    /// The number of `width` bytes at an offset.
    pub fn number(&self, offset: usize, width: usize) -> Option<u64> {
        let bytes = self.bytes.get(offset..offset.checked_add(width)?)?;
        let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        Some(if self.big {
            bytes.iter().fold(0, fold)
        } else {
            bytes.iter().rev().fold(0, fold)
        })
    }

    /// A field as wide as an address, at its offset in the 64-bit or the 32-bit layout.
    fn word(&self, wide: usize, narrow: usize) -> Option<u64> {
        if self.wide {
            self.number(wide, 8)
        } else {
            self.number(narrow, 4)
        }
    }

    fn half(&self, wide: usize, narrow: usize) -> Option<usize> {
        usize::try_from(self.number(if self.wide { wide } else { narrow }, 2)?).ok()
    }

    /// Where the table of program headers is in the file, and the length of each.
    fn table(&self) -> Option<(Range<u64>, usize)> {
        // Each pair is the offset in the 64-bit header and in the 32-bit header.
        let begin = self.word(32, 28)?;
        let (size, count) = (self.half(54, 42)?, self.half(56, 44)?);
        let length = u64::try_from(size.checked_mul(count)?).ok()?;
        Some((begin..begin.checked_add(length)?, size))
    }

    /// The program headers, if these bytes hold their table, too.
    pub fn segments(&self) -> Option<Vec<ProgramHeader>> {
        let (table, size) = self.table()?;
        let range = usize::try_from(table.start).ok()?..usize::try_from(table.end).ok()?;
        self.within(self.bytes.get(range)?).segments_in(size)
    }

    /// The program headers, of `size` bytes each, that these bytes are.
    fn segments_in(&self, size: usize) -> Option<Vec<ProgramHeader>> {
        let count = self.bytes.len().checked_div(size).unwrap_or(0);
        let segment = |number: usize| {
            let at = number * size;
            // The type is the first field in both layouts.
            let kind = self.number(at, 4)?;
            let begin = self.word(at + 8, at + 4)?;
            let length = self.word(at + 32, at + 16)?;
            Some(ProgramHeader {
                kind,
                in_file: begin..begin.checked_add(length)?,
                address: self.word(at + 16, at + 8)?,
            })
        };
        (0..count).map(segment).collect()
    }
}

/// The directories in which a library looks for others before the system's (`DT_RPATH` and
/// `DT_RUNPATH`), as they are written: lists with colons, in which `$ORIGIN` stands for the
/// directory of the library. `read` gives the bytes of a range of the file.
///
/// `None` if it is no ELF file, or one that cannot be understood.
pub fn search_paths(read: &dyn Fn(Range<u64>) -> Option<Vec<u8>>) -> Option<Vec<String>> {
    let head = read(0..HEADER)?;
    let fields = ElfFields::of(&head)?;
    let (table, size) = fields.table()?;
    // `patchelf` moves the table to the end of the file.
    let table = read(limited(table, MAX_TABLE)?)?;
    let segments = fields.within(&table).segments_in(size)?;
    let mut dynamic = segments.iter();
    let Some(dynamic) = dynamic.find(|segment| segment.kind == segment_kind::DYNAMIC) else {
        return Some(Vec::new());
    };
    let entries = read(limited(dynamic.in_file.clone(), MAX_TABLE)?)?;
    let entries = fields.within(&entries);
    let width = if fields.wide { 8 } else { 4 };
    let (mut texts, mut lists) = (None, Vec::new());
    for number in 0.. {
        let at = number * 2 * width;
        let (Some(tag), Some(value)) =
            (entries.number(at, width), entries.number(at + width, width))
        else {
            break;
        };
        match tag {
            // DT_NULL ends the table.
            0 => break,
            // DT_STRTAB
            5 => texts = Some(value),
            // DT_RPATH and DT_RUNPATH
            15 | 29 => lists.push(value),
            _ => {}
        }
    }
    if lists.is_empty() {
        return Some(Vec::new());
    }
    let texts = texts?;
    let mut loaded = segments
        .iter()
        .filter(|segment| segment.kind == segment_kind::LOADED);
    let holder = loaded.find(|segment| {
        let length = segment.in_file.end - segment.in_file.start;
        texts
            .checked_sub(segment.address)
            .is_some_and(|at| at < length)
    })?;
    let begin = holder.in_file.start + (texts - holder.address);
    let list = |at: u64| {
        let begin = begin.checked_add(at)?;
        let end = begin.checked_add(MAX_SEARCH_PATHS)?.min(holder.in_file.end);
        let bytes = read(begin..end)?;
        let length = memchr::memchr(0, &bytes)?;
        String::from_utf8(bytes[..length].to_vec()).ok()
    };
    lists.into_iter().map(list).collect()
}

fn limited(range: Range<u64>, limit: u64) -> Option<Range<u64>> {
    (range.end.checked_sub(range.start)? <= limit).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A library with this search path, whose program headers are at its end.
    fn library(wide: bool, big: bool, tag: u64, path: &str) -> Vec<u8> {
        let number = |value: u64, width: usize| {
            let bytes = value.to_be_bytes()[8 - width..].to_vec();
            if big {
                bytes
            } else {
                bytes.into_iter().rev().collect()
            }
        };
        let width = if wide { 8 } else { 4 };
        let texts = format!("\0{path}\0");
        // The addresses of what is loaded are 4096 higher than the positions in the file.
        let dynamic: Vec<u8> = [5, 64 + 4096, tag, 1, 0, 0]
            .iter()
            .flat_map(|value| number(*value, width))
            .collect();
        let at_dynamic = 64 + texts.len();
        let table = at_dynamic + dynamic.len();
        let size = if wide { 56 } else { 32 };
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(&[
            0x7f,
            b'E',
            b'L',
            b'F',
            1 + u8::from(wide),
            1 + u8::from(big),
        ]);
        let mut put = |wide_at: usize, narrow_at: usize, value: usize, length: usize| {
            let at = if wide { wide_at } else { narrow_at };
            bytes[at..at + length].copy_from_slice(&number(value as u64, length));
        };
        put(32, 28, table, width);
        put(54, 42, size, 2);
        put(56, 44, 2, 2);
        bytes.extend(texts.as_bytes());
        bytes.extend(&dynamic);
        for (kind, begin, length) in [(1, 0, table), (2, at_dynamic, dynamic.len())] {
            let mut segment = vec![0; size];
            let fields = [
                (0, 0, kind, 4),
                (8, 4, begin, width),
                (16, 8, begin + 4096, width),
                (32, 16, length, width),
            ];
            for (wide_at, narrow_at, value, length) in fields {
                let at = if wide { wide_at } else { narrow_at };
                segment[at..at + length].copy_from_slice(&number(value as u64, length));
            }
            bytes.extend(segment);
        }
        bytes
    }

    fn paths_of(bytes: &[u8]) -> Option<Vec<String>> {
        search_paths(&|range| {
            let end = usize::try_from(range.end).ok()?.min(bytes.len());
            Some(bytes.get(usize::try_from(range.start).ok()?..end)?.to_vec())
        })
    }

    #[test]
    fn the_search_paths_of_a_library_are_read_in_every_layout() {
        for (wide, big) in [(true, false), (true, true), (false, false), (false, true)] {
            for tag in [15, 29] {
                let bytes = library(wide, big, tag, "$ORIGIN/../x:/lib");
                assert_eq!(paths_of(&bytes), Some(vec!["$ORIGIN/../x:/lib".to_owned()]));
            }
            // DT_NEEDED is none.
            assert_eq!(paths_of(&library(wide, big, 1, "libm.so")), Some(vec![]));
        }
    }

    #[test]
    fn what_is_torn_or_no_elf_file_is_uncertain() {
        let bytes = library(true, false, 29, "$ORIGIN");
        for length in 0..bytes.len() {
            // No panic, and never a wrong path.
            let paths = paths_of(&bytes[..length]).unwrap_or_default();
            assert!(paths.iter().all(|path| path == "$ORIGIN"), "{length}");
        }
        assert_eq!(paths_of(b"INPUT(libm.so)"), None);
        assert_eq!(paths_of(&[0xcf, 0xfa, 0xed, 0xfe, 0, 0, 0, 0]), None);
    }
}

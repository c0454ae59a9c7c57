//! The file `index` of a store's entry: all that planning needs, read with one read.
//!
//! Input and output: a [`StoredIndex`]. Numbers are little-endian; a text or a list is preceded by
//! its length, a number of 32 bits. The first line names the version. Then follow a CRC-32 of the
//! rest and the rest: a power cut may tear the file, since it is not flushed. Invariant: what
//! cannot be read whole is read as nothing at all, and the wheel is unpacked again.

use std::sync::Arc;

use crate::digest::{Algorithm, Digest};
use crate::error::{WARNING_CODES, WarningCode};
use crate::outcome::Warning;
use crate::path::RelPath;
use crate::spec::core_metadata::Metadata;
use crate::spec::entry_points::EntryPoint;
use crate::wheel::{EntryId, Wheel, WheelContents, WheelEntry};

/// The first line of the file.
const FIRST_LINE: &[u8] = b"pkg-install store index 1\n";
/// The bits of an entry.
const EXECUTABLE: u8 = 1;
const HAS_SCRIPT: u8 = 2;
/// A guess of the bytes for each entry, so that the buffer seldom grows.
const ENTRY_BYTES: usize = 128;

/// The looks of the files of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// The time of the last change of all of them, in seconds since 1970.
    pub modified: i64,
    /// The permissions of files that are not executable.
    pub plain: u32,
    /// The permissions of executable files.
    pub executable: u32,
    /// The inode of the directory that holds them. If it has another one, the store was copied.
    pub tree: u64,
    /// The inode of each file, in the order of the entries.
    pub inodes: Vec<u64>,
    /// Whether no library among them looks for others outside of them.
    pub self_contained: bool,
}

/// A wheel in the store.
#[derive(Debug)]
pub struct StoredIndex {
    /// The contents. The entries are sorted by path and numbered in that order.
    pub contents: WheelContents,
    /// The looks of its files.
    pub facts: FileFacts,
    /// The headers of METADATA.
    pub headers: Vec<u8>,
}

/// The parts of a wheel that are written down.
pub struct Described<'a> {
    root_is_purelib: bool,
    dist_info: &'a str,
    headers: &'a [u8],
    entry_points: &'a [EntryPoint],
    warnings: &'a [Warning],
    entries: &'a [WheelEntry],
}

impl<'a> Described<'a> {
    /// A wheel whose METADATA has these bytes.
    pub fn of_wheel(wheel: &'a Wheel, metadata: &'a [u8]) -> Self {
        Self {
            root_is_purelib: wheel.root_is_purelib,
            dist_info: &wheel.dist_info,
            headers: headers(metadata),
            entry_points: &wheel.entry_points,
            warnings: &wheel.warnings,
            entries: &wheel.entries,
        }
    }

    /// A wheel that is in the store already.
    pub fn of_index(index: &'a StoredIndex) -> Self {
        let contents = &index.contents;
        Self {
            root_is_purelib: contents.root_is_purelib,
            dist_info: &contents.dist_info,
            headers: &index.headers,
            entry_points: &contents.entry_points,
            warnings: &contents.warnings,
            entries: &contents.entries,
        }
    }

    /// The file for the wheel and its files.
    pub fn encode(&self, facts: &FileFacts) -> Vec<u8> {
        let mut rest = IndexWriter(Vec::with_capacity(
            (self.entries.len() + 32) * ENTRY_BYTES + self.headers.len(),
        ));
        rest.0.extend_from_slice(&facts.modified.to_le_bytes());
        rest.0.extend_from_slice(&facts.tree.to_le_bytes());
        rest.0.extend_from_slice(&facts.plain.to_le_bytes());
        rest.0.extend_from_slice(&facts.executable.to_le_bytes());
        rest.0.push(u8::from(self.root_is_purelib));
        rest.bytes(self.dist_info.as_bytes());
        rest.bytes(self.headers);
        rest.count(self.entry_points.len());
        for point in self.entry_points {
            rest.bytes(point.name.as_bytes());
            rest.bytes(point.module.as_bytes());
            rest.bytes(point.attribute.as_bytes());
        }
        rest.count(self.warnings.len());
        for warning in self.warnings {
            rest.bytes(warning.code.as_str().as_bytes());
            rest.bytes(warning.message.as_bytes());
        }
        rest.count(self.entries.len());
        let mut entries: Vec<(&WheelEntry, u64)> = (self.entries.iter())
            .zip(facts.inodes.iter().copied())
            .collect();
        // Sorted, so that planning from the index has nothing to sort.
        entries.sort_unstable_by(|(one, _), (other, _)| one.path.cmp(&other.path));
        for (entry, inode) in entries {
            rest.entry(entry, inode);
        }
        rest.0.push(u8::from(facts.self_contained));
        let IndexWriter(rest) = rest;
        let crc = crc32fast::hash(&rest).to_le_bytes();
        [FIRST_LINE, &crc, &rest].concat()
    }
}

/// Reads the file; `None` if it is torn, or of another version.
pub fn decode(bytes: &[u8]) -> Option<StoredIndex> {
    let rest = bytes.strip_prefix(FIRST_LINE)?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    if crc32fast::hash(rest) != u32::from_le_bytes(*crc) {
        return None;
    }
    let mut reader = IndexReader(rest);
    let mut facts = FileFacts {
        modified: i64::from_le_bytes(reader.array()?),
        tree: u64::from_le_bytes(reader.array()?),
        plain: reader.number()?,
        executable: reader.number()?,
        inodes: Vec::new(),
        self_contained: false,
    };
    let root_is_purelib = reader.byte()? == 1;
    let dist_info = reader.text()?.to_owned();
    let headers = reader.bytes()?.to_vec();
    let entry_points = reader.list(|reader| {
        Some(EntryPoint {
            name: reader.text()?.to_owned(),
            module: reader.text()?.to_owned(),
            attribute: reader.text()?.to_owned(),
        })
    })?;
    let warnings = reader.list(|reader| {
        Some(Warning {
            code: code(reader.text()?)?,
            wheel: None,
            message: reader.text()?.to_owned(),
        })
    })?;
    let mut ids = (0..).map(EntryId);
    let entries = reader.list(|reader| {
        let (entry, inode) = reader.entry(ids.next()?)?;
        facts.inodes.push(inode);
        Some(entry)
    })?;
    // An index without this byte is from before it was known.
    facts.self_contained = reader.byte() == Some(1);
    Some(StoredIndex {
        contents: WheelContents {
            root_is_purelib,
            dist_info,
            metadata: Metadata::parse(&headers).ok()?,
            entries: Arc::new(entries),
            entry_points,
            warnings,
        },
        facts,
        headers,
    })
}

/// METADATA up to the first blank line: what follows is a long description.
fn headers(metadata: &[u8]) -> &[u8] {
    let ends = [&b"\n\n"[..], b"\r\n\r\n"].map(|blank| {
        let at = memchr::memmem::find(metadata, blank)?;
        Some(at + blank.len())
    });
    let end = ends.into_iter().flatten().min();
    &metadata[..end.unwrap_or(metadata.len())]
}

fn code(word: &str) -> Option<WarningCode> {
    let mut known = WARNING_CODES.iter().map(|(code, _)| *code);
    known.find(|code| code.as_str() == word)
}

struct IndexWriter(Vec<u8>);

impl IndexWriter {
    fn count(&mut self, count: usize) {
        let count = u32::try_from(count).expect("an archive has at most two million entries");
        self.0.extend_from_slice(&count.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).expect("texts and scripts have at most 64 MB");
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn entry(&mut self, entry: &WheelEntry, inode: u64) {
        let digest = entry
            .digest
            .expect("only wheels whose digests are all known have an entry");
        self.bytes(entry.path.as_str().as_bytes());
        self.0.extend_from_slice(&entry.size.to_le_bytes());
        self.0.extend_from_slice(&entry.crc.to_le_bytes());
        self.0.extend_from_slice(&inode.to_le_bytes());
        let script = if entry.script.is_some() {
            HAS_SCRIPT
        } else {
            0
        };
        self.0
            .push(script | if entry.executable { EXECUTABLE } else { 0 });
        self.bytes(digest.algorithm().name().as_bytes());
        self.0.extend_from_slice(digest.bytes());
        if let Some(script) = &entry.script {
            self.bytes(script);
        }
    }
}

struct IndexReader<'a>(&'a [u8]);

impl<'a> IndexReader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.number()?).ok()?;
        // Each item takes at least four bytes, so that a wrong count cannot ask for much memory.
        let mut items = Vec::with_capacity(count.min(self.0.len() / 4));
        for _ in 0..count {
            items.push(item(self)?);
        }
        Some(items)
    }

    /// An entry, and its inode.
    fn entry(&mut self, id: EntryId) -> Option<(WheelEntry, u64)> {
        let path = RelPath::parse(self.text()?).ok()?;
        let size = u64::from_le_bytes(self.array()?);
        let crc = self.number()?;
        let inode = u64::from_le_bytes(self.array()?);
        let bits = self.byte()?;
        let algorithm = Algorithm::from_name(self.text()?)?;
        let digest = Digest::from_bytes(algorithm, self.take(algorithm.length())?)?;
        let script = match bits & HAS_SCRIPT {
            0 => None,
            _ => Some(self.bytes()?.into()),
        };
        let entry = WheelEntry {
            id,
            path,
            size,
            crc,
            executable: bits & EXECUTABLE != 0,
            digest: Some(digest),
            script,
        };
        Some((entry, inode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> StoredIndex {
        let headers = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n\n".to_vec();
        let entry = |number: u32, path: &str, script: Option<&str>| WheelEntry {
            id: EntryId(number),
            path: RelPath::parse(path).expect("plain"),
            size: 3,
            crc: 7,
            executable: number == 1,
            digest: Some(Digest::of(Algorithm::Sha512, path.as_bytes())),
            script: script.map(|script| script.as_bytes().into()),
        };
        StoredIndex {
            contents: WheelContents {
                root_is_purelib: true,
                dist_info: "demo-1.0.dist-info".to_owned(),
                metadata: Metadata::parse(&headers).expect("valid"),
                entries: Arc::new(vec![
                    entry(0, "demo/ä.py", None),
                    entry(1, "demo-1.0.data/scripts/x", Some("#!python\n")),
                ]),
                entry_points: vec![EntryPoint {
                    name: "demo".to_owned(),
                    module: "demo.main".to_owned(),
                    attribute: "run".to_owned(),
                }],
                warnings: vec![Warning {
                    code: WarningCode::RecordBom,
                    wheel: None,
                    message: "RECORD begins with a byte order mark".to_owned(),
                }],
            },
            facts: FileFacts {
                modified: 1_700_000_000,
                plain: 0o644,
                executable: 0o755,
                tree: 5,
                inodes: vec![6, u64::MAX],
                self_contained: true,
            },
            headers,
        }
    }

    #[test]
    fn an_index_is_read_as_it_was_written() {
        let written = index();
        let bytes = Described::of_index(&written).encode(&written.facts);
        let read = decode(&bytes).expect("whole");
        assert_eq!(read.facts, written.facts);
        assert_eq!(read.headers, written.headers);
        let (read, written) = (read.contents, written.contents);
        assert_eq!(read.entries, written.entries);
        assert_eq!(read.entry_points, written.entry_points);
        assert_eq!(read.warnings, written.warnings);
        assert_eq!(read.metadata, written.metadata);
        assert_eq!(read.dist_info, written.dist_info);
        assert!(read.root_is_purelib);
    }

    #[test]
    fn an_index_that_is_torn_or_changed_is_none() {
        let written = index();
        let bytes = Described::of_index(&written).encode(&written.facts);
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_none(), "{length}");
            let mut changed = bytes.clone();
            changed[length] ^= 0x20;
            assert!(decode(&changed).is_none(), "{length}");
        }
    }

    #[test]
    fn only_the_headers_of_metadata_are_kept() {
        for (metadata, kept) in [
            ("Name: x\n\nlong", "Name: x\n\n"),
            ("Name: x\r\n\r\nlong\n\n", "Name: x\r\n\r\n"),
            ("Name: x\n", "Name: x\n"),
        ] {
            assert_eq!(headers(metadata.as_bytes()), kept.as_bytes());
        }
    }
}

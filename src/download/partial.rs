//! A file that is not complete yet: a sparse file, and a log of the byte ranges of it that are
//! present.
//!
//! Input: bytes at their offsets, from whichever connection they come. Output: what is present,
//! also after the process was killed. Layout of the directory: `content` is the sparse file; `log`
//! has one line of JSON, the [`Head`], and then a line `first-end` for each range, appended after
//! its bytes were written. Invariant: who uses it holds its lock. Limits: after a loss of power the
//! log may promise what never reached the disk, which the digest of the whole then shows.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ranges::Ranges;
use crate::error::Result;
use crate::fs::{self, CacheFile, Dir, Fs, OpenFile};

/// How many bytes are written before the log says so; several connections write at several places.
const BLOCK: u64 = 1 << 18;
const LONGEST_LOG: u64 = 1 << 24;

/// What the ranges are ranges of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The version of this format: 1.
    pub(super) version: u32,
    /// The length of the whole file.
    pub(super) total: u64,
    /// What the server tells this state of the file from others by: an entity tag or the date of
    /// its last change.
    pub(super) tag: Option<String>,
    /// Whether equal tags stand for equal bytes.
    pub(super) strong: bool,
    /// The address that the tag is about, hashed.
    pub(super) address: String,
    /// The run of the program that began it.
    pub(super) session: String,
}

/// A file that is being put together.
#[derive(Debug)]
pub(super) struct Partial {
    fs: Fs,
    directory: PathBuf,
    content: CacheFile,
    log: CacheFile,
    log_end: u64,
    head: Option<Head>,
    ranges: Ranges,
    /// Written and not in the log yet: one range for each connection.
    unlogged: Vec<Range<u64>>,
    /// How often it was begun anew.
    generation: u64,
}

impl Partial {
    /// Opens what an earlier connection left in `directory`, as long as `usable` says that it is
    /// the wanted file; else begins anew.
    pub(super) fn open(
        fs: &Fs,
        directory: &Path,
        usable: impl FnOnce(&Head) -> bool,
    ) -> Result<Self> {
        fs::make_shared(fs, directory)?;
        let log = CacheFile::open(fs, &directory.join("log"))?;
        let (head, ranges, log_end) = match read_log(&fs::read_to_limit(log.path(), LONGEST_LOG)?) {
            Some((head, ranges, end)) if usable(&head) => (Some(head), ranges, end),
            _ => (None, Ranges::default(), 0),
        };
        let content = CacheFile::open(fs, &directory.join("content"))?;
        let (fs, directory) = (fs.clone(), directory.to_owned());
        let (unlogged, generation) = (Vec::new(), 0);
        let mut partial = Self {
            fs,
            directory,
            content,
            log,
            log_end,
            head,
            ranges,
            unlogged,
            generation,
        };
        if partial.head.as_ref().is_none_or(|head| {
            partial
                .content
                .stat()
                .is_ok_and(|stat| stat.size != head.total)
        }) {
            partial.clear()?;
        } else if partial.log.stat()?.size != log_end {
            // A line that was torn must not run into the next one.
            partial.log.set_length(log_end)?;
        }
        Ok(partial)
    }

    /// Throws away whatever is present.
    pub(super) fn clear(&mut self) -> Result<()> {
        // The log goes first: it must never promise what is gone.
        self.log.set_length(0)?;
        self.content.set_length(0)?;
        (self.head, self.ranges, self.log_end) = (None, Ranges::default(), 0);
        self.unlogged.clear();
        self.generation += 1;
        Ok(())
    }

    /// Begins anew with a file of this description.
    pub(super) fn begin(&mut self, head: Head) -> Result<()> {
        self.clear()?;
        self.content.set_length(head.total)?;
        self.set_head(head)
    }

    /// What was written from the beginning on is the whole file, whose length was not known before.
    pub(super) fn complete(&mut self, head: Head) -> Result<()> {
        self.unlogged.clear();
        self.unlogged.push(0..head.total);
        self.content.set_length(head.total)?;
        self.set_head(head)?;
        self.note()
    }

    fn set_head(&mut self, head: Head) -> Result<()> {
        let mut line = serde_json::to_string(&head).unwrap_or_default();
        line.push('\n');
        self.append(&line)?;
        self.head = Some(head);
        Ok(())
    }

    /// What is known of the file, once a server has described it.
    pub(super) fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// What is present.
    pub(super) fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    /// Changes when everything that was present is given up.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Takes in bytes.
    pub(super) fn write(&mut self, bytes: &[u8], at: u64) -> Result<()> {
        self.content.write_at(bytes, at)?;
        let end = at + bytes.len() as u64;
        self.ranges.add(at..end);
        let place = self
            .unlogged
            .iter()
            .position(|range| range.end == at)
            .unwrap_or_else(|| {
                self.unlogged.push(at..at);
                self.unlogged.len() - 1
            });
        self.unlogged[place].end = end;
        if end - self.unlogged[place].start < BLOCK {
            return Ok(());
        }
        let block = self.unlogged.swap_remove(place);
        self.log(&block)
    }

    /// Says in the log what was written.
    pub(super) fn note(&mut self) -> Result<()> {
        std::mem::take(&mut self.unlogged)
            .iter()
            .try_for_each(|range| self.log(range))
    }

    fn log(&mut self, range: &Range<u64>) -> Result<()> {
        if self.head.is_none() || range.is_empty() {
            return Ok(());
        }
        self.append(&format!("{}-{}\n", range.start, range.end))
    }

    fn append(&mut self, line: &str) -> Result<()> {
        self.log.write_at(line.as_bytes(), self.log_end)?;
        self.log_end += line.len() as u64;
        Ok(())
    }

    /// Reads what is present there.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.content.read_at(buffer, offset)
    }

    /// The file for reading.
    pub(super) fn open_file(&self) -> Result<Option<OpenFile>> {
        OpenFile::open(self.content.path())
    }

    /// Takes the directory away, with what is left in it.
    pub(super) fn remove(self) -> Result<()> {
        fs::remove(&self.fs, self.log.path())?;
        fs::remove(&self.fs, self.content.path())?;
        Dir::remove_made(&self.fs, &[self.directory])
    }
}

/// The head, the ranges of all whole lines up to the first that makes no sense, and where those
/// end.
fn read_log(bytes: &[u8]) -> Option<(Head, Ranges, u64)> {
    let mut lines = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.ends_with(b"\n"));
    let first = lines.next()?;
    let head: Head = serde_json::from_slice(first)
        .ok()
        .filter(|head: &Head| head.version == 1)?;
    let mut ranges = Ranges::default();
    let mut end = first.len() as u64;
    for line in lines {
        let Some(range) = read_range(line).filter(|range| range.end <= head.total) else {
            break;
        };
        ranges.add(range);
        end += line.len() as u64;
    }
    Some((head, ranges, end))
}

fn read_range(line: &[u8]) -> Option<Range<u64>> {
    let (start, end) = std::str::from_utf8(line).ok()?.trim_end().split_once('-')?;
    let range = start.parse().ok()?..end.parse().ok()?;
    (!range.is_empty()).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_log_promises_only_its_whole_lines() {
        let head = Head {
            version: 1,
            total: 90,
            tag: None,
            strong: false,
            address: "a".into(),
            session: "s".into(),
        };
        let mut log = serde_json::to_vec(&head).expect("plain data");
        log.extend_from_slice(b"\n0-10\n20-30\n30-4");
        let (read, ranges, end) = read_log(&log).expect("it has a head");
        assert_eq!((read, end), (head, log.len() as u64 - 4));
        assert_eq!(ranges.gaps(0..90), [10..20, 30..90]);
        log.extend_from_slice(b"000\n40-50\n");
        let (_, ranges, _) = read_log(&log).expect("it has a head");
        assert_eq!(
            ranges.gaps(0..90),
            [10..20, 30..90],
            "what follows a broken line counts for nothing"
        );
        assert!(
            read_log(b"{}\n").is_none() && read_log(b"").is_none() && read_log(&log[..9]).is_none()
        );
    }
}

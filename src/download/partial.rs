//! A file that is not complete yet: a sparse file, and a log of the byte ranges that are present.
//!
//! Input: bytes at their offsets, from any connection. Output: which bytes are present, even after
//! the process was killed. A directory holds `content`, the sparse file, and `log`: one line of
//! JSON, the [`Head`], and then a line `first-end` for each range, appended after its bytes were
//! written:
//!
//! ```text
//! {"version":1,"total":9000000,"tag":"\"one\"","strong":true,"address":"5f2c…","session":"08ab…"}
//! 0-262144
//! 8912896-9000000
//! ```
//!
//! Invariant: its user holds its lock. Limits: after a power loss the log may promise bytes that
//! never reached the disk; the digest of the whole file shows that.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::ranges::Ranges;
use super::response::Validator;
use crate::error::Result;
use crate::fs::{CacheDir, CacheFile, OpenFile};

/// The file with the bytes.
pub(super) const CONTENT: &str = "content";
/// The file that says which bytes are present.
pub(super) const LOG: &str = "log";

/// How many bytes a connection writes before they are logged. A killed process loses at most this
/// many for each connection, and a line for fewer would slow large files down.
const BLOCK: u64 = 1 << 18;
// Lines of 24 bytes, one for each block, suffice for files of more than 100 GB.
const LONGEST_LOG: u64 = 1 << 24;

/// The file that the ranges belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The version of this format: 1.
    pub(super) version: u32,
    /// The length of the whole file.
    pub(super) total: u64,
    /// The server's validator for this state of the file: an entity tag or the date of its last
    /// change.
    pub(super) tag: Option<String>,
    /// Whether equal tags mean equal bytes.
    pub(super) strong: bool,
    /// The address that the tag belongs to, hashed.
    pub(super) address: String,
    /// The run of the program that began the file.
    pub(super) session: String,
}

/// The address and the run that bytes come from.
#[derive(Debug, Clone)]
pub(super) struct Provenance {
    pub(super) address: String,
    pub(super) session: String,
}

impl Provenance {
    /// The head of a file from here.
    pub(super) fn head(&self, total: u64, validator: Validator) -> Head {
        Head {
            version: 1,
            total,
            tag: validator.tag,
            strong: validator.strong,
            address: self.address.clone(),
            session: self.session.clone(),
        }
    }
}

impl Head {
    /// Whether both surely describe the same bytes, in whichever run.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        let session = self.session.clone();
        self.strong
            && *self
                == (Self {
                    session,
                    ..other.clone()
                })
    }

    /// The value of `If-Range` for another range of this file from `origin`. Without it a server
    /// would send a range of the file's present version.
    pub(super) fn if_range(&self, origin: &Provenance) -> Option<String> {
        let usable = self.strong && self.address == origin.address;
        self.tag.clone().filter(|_| usable)
    }
}

/// A file that is being put together.
#[derive(Debug)]
pub(super) struct Partial {
    /// The directory that holds that of this file, and the name of the latter.
    parent: CacheDir,
    name: String,
    directory: CacheDir,
    content: CacheFile,
    log: CacheFile,
    log_end: u64,
    head: Option<Head>,
    ranges: Ranges,
    /// Written and not in the log yet: one range for each connection.
    unlogged: Vec<Range<u64>>,
}

impl Partial {
    /// Opens what an earlier connection left in the directory `name` of `parent`. If `usable` says
    /// that it is another file, nothing of it counts as present.
    pub(super) fn open(
        parent: &CacheDir,
        name: &str,
        usable: impl FnOnce(&Head) -> bool,
    ) -> Result<Self> {
        let directory = parent.make_child(name)?;
        // A log that others can write to is not read, and its content then does not count.
        let written = directory.read(LOG, LONGEST_LOG)?.unwrap_or_default();
        let (head, ranges, log_end) = match read_log(&written) {
            Some((head, ranges, end)) if usable(&head) => (Some(head), ranges, end),
            _ => (None, Ranges::default(), 0),
        };
        let (log, content) = (own_file(&directory, LOG)?, own_file(&directory, CONTENT)?);
        let mut partial = Self {
            parent: parent.clone(),
            name: name.to_owned(),
            directory,
            content,
            log,
            log_end,
            head,
            ranges,
            unlogged: Vec::new(),
        };
        // A process that was killed after the content was moved to its place leaves a log alone.
        let size = partial.content.stat()?.size;
        if partial.head.as_ref().is_none_or(|head| head.total != size) {
            partial.clear()?;
        } else if partial.log.stat()?.size != log_end {
            // The next line must not be appended to a torn one.
            partial.log.set_length(log_end)?;
        }
        Ok(partial)
    }

    /// Throws away everything that is present.
    pub(super) fn clear(&mut self) -> Result<()> {
        // The log goes first: it must never promise bytes that are gone.
        self.log.set_length(0)?;
        self.content.set_length(0)?;
        (self.head, self.ranges, self.log_end) = (None, Ranges::default(), 0);
        self.unlogged.clear();
        Ok(())
    }

    /// Begins anew with a file of this description.
    pub(super) fn begin(&mut self, head: Head) -> Result<()> {
        self.clear()?;
        // The length is set before the log has a head: `open` discards a content that is shorter.
        self.content.set_length(head.total)?;
        self.set_head(head)
    }

    /// Says that the bytes written so far are the whole file, of a length that was unknown before.
    pub(super) fn complete(&mut self, head: Head) -> Result<()> {
        // Without a head no range could be logged before, so the log gets all of them as one.
        self.unlogged.clear();
        self.unlogged.push(0..head.total);
        self.content.set_length(head.total)?;
        self.set_head(head)?;
        self.flush_log()
    }

    fn set_head(&mut self, head: Head) -> Result<()> {
        let mut line = serde_json::to_string(&head).expect("a head is numbers and strings");
        line.push('\n');
        self.append(&line)?;
        self.head = Some(head);
        Ok(())
    }

    /// The description of the file, once a server has sent one.
    pub(super) fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// The ranges that are present.
    pub(super) fn ranges(&self) -> &Ranges {
        &self.ranges
    }

    /// How many bytes are present.
    pub(super) fn count(&self) -> u64 {
        self.ranges.count()
    }

    /// Whether the whole file is present.
    pub(super) fn is_complete(&self) -> bool {
        let covers = |head: &Head| self.ranges.covers(0..head.total);
        self.head.as_ref().is_some_and(covers)
    }

    /// Writes bytes at an offset, and logs them once there is a block of them.
    pub(super) fn write(&mut self, bytes: &[u8], at: u64) -> Result<()> {
        self.content.write_at(bytes, at)?;
        let end = at + bytes.len() as u64;
        self.ranges.add(at..end);
        // A connection goes on at its last byte, which identifies its range without a number.
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

    /// Logs everything that was written.
    pub(super) fn flush_log(&mut self) -> Result<()> {
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
        // The offset is explicit: after a failed write the next line overwrites the torn one.
        self.log.write_at(line.as_bytes(), self.log_end)?;
        self.log_end += line.len() as u64;
        Ok(())
    }

    /// Reads at an offset; bytes that are not present are zeros.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.content.read_at(buffer, offset)
    }

    /// Opens the content for reading; `None` if it is no regular file.
    pub(super) fn open_file(&self) -> Result<Option<OpenFile>> {
        self.directory.file(CONTENT)
    }

    /// Moves the content to `to`, under the name `name`.
    pub(super) fn move_content(&self, to: &CacheDir, name: &str) -> Result<()> {
        self.directory.rename(CONTENT, to, name)
    }

    /// Deletes the directory with everything that is left in it.
    pub(super) fn remove(self) -> Result<()> {
        self.directory.remove_file(LOG)?;
        self.directory.remove_file(CONTENT)?;
        self.parent.remove_empty(&self.name).map(drop)
    }
}

/// Opens or makes a file that only this user can write to. Anything else of its name is replaced.
fn own_file(directory: &CacheDir, name: &str) -> Result<CacheFile> {
    match directory.open_or_make(name) {
        // It is open for writing already, so its mode decides only if it was made by others or with
        // another mask.
        Ok(file) if directory.is_exclusive() => Ok(file),
        _ => {
            directory.remove_file(name)?;
            directory.open_or_make(name)
        }
    }
}

/// The head, the ranges of all whole lines before the first malformed one, and the offset after
/// those lines. `None` if the head is torn, malformed or of another version.
fn read_log(bytes: &[u8]) -> Option<(Head, Ranges, u64)> {
    // A last line without its end may be a number cut short: `30-4` of `30-400`.
    let mut lines = bytes
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.ends_with(b"\n"));
    let first = lines.next()?;
    let head: Head = serde_json::from_slice(first)
        .ok()
        .filter(|head: &Head| head.version == 1)
        .filter(|head| head.tag.as_deref().is_none_or(is_header_value))?;
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

/// Whether a text can be sent as the value of a header: a line break would begin another one.
pub(super) fn is_header_value(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
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
        assert_eq!((&read, end), (&head, log.len() as u64 - 4));
        assert_eq!(ranges.gaps(0..90), [10..20, 30..90]);
        log.extend_from_slice(b"000\n40-50\n");
        let (_, ranges, _) = read_log(&log).expect("it has a head");
        assert_eq!(
            ranges.gaps(0..90),
            [10..20, 30..90],
            "lines after a broken one do not count"
        );
        let tag = Some("\"x\"\r\nRange: bytes=0-".to_owned());
        let mut planted = serde_json::to_vec(&Head { tag, ..read }).expect("plain data");
        planted.extend_from_slice(b"\n0-10\n");
        assert!(read_log(&planted).is_none(), "its tag cannot be sent");
        assert!(
            read_log(b"{}\n").is_none() && read_log(b"").is_none() && read_log(&log[..9]).is_none()
        );
    }
}

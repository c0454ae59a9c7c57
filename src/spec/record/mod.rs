//! RECORD: the list of files of a wheel or an installed project.
//!
//! Input: the bytes of a RECORD. Output: its rows, and everything that is wrong with them; or the
//! bytes of a new one. Invariants: digests are of secure algorithms; written rows are read back
//! equal, also by Python's `csv`. Paths are plain text here: [`crate::path::RelPath`] checks them,
//! and the caller decides whether a row must have a digest. Limits: the caller bounds the size; the
//! work is linear in it.

mod digest;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;

use csv::{QuoteStyle, ReaderBuilder, StringRecord, WriterBuilder};

use super::digits::number;
use crate::digest::Digest;
use crate::error::{MOST_KEPT, RecordFault, WarningCode};
use crate::path::any_byte;
use digest::parse_digest;

/// How many characters of a row or digest a fault repeats.
// A quote that is never closed makes one row of the rest of the file.
const SHOWN: usize = 200;

/// The longest row of an installed RECORD, in bytes. No system has longer paths.
const LONGEST_ROW: usize = 1 << 15;

/// The most rows of an installed RECORD: those of the largest wheel that is installed, and room for
/// what installers add.
pub const MOST_INSTALLED_ROWS: usize = 2_100_000;

/// How strictly the RECORD of a wheel is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verify {
    /// Only what the specification allows is accepted.
    Strict,
    /// Known and unambiguous mistakes of build tools are accepted with a warning.
    #[default]
    Normal,
    /// As `Normal`, but digests and sizes are not checked, and invalid ones count as absent.
    Off,
}

/// One row of a RECORD ("Recording installed projects", "The RECORD file").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRow {
    /// The file's path as text, separated by `/`: in a wheel from its root, in an installed project
    /// from the directory that holds the dist-info directory, or absolute.
    pub path: String,
    /// The digest of its content.
    pub digest: Option<Digest>,
    /// The size of its content, in bytes.
    pub size: Option<u64>,
}

/// The RECORD of a wheel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WheelRecord {
    /// One row for each path, in their order. A row with a fault is included, without its invalid
    /// columns.
    pub rows: Vec<RecordRow>,
    /// Departures from the specification that were accepted, each with the code of the
    /// warning.
    pub warnings: Vec<(WarningCode, RecordFault)>,
    /// The reasons to refuse the wheel.
    pub faults: Vec<RecordFault>,
    /// The number of warnings and of faults that were found and not kept.
    pub left_out: LeftOut,
}

/// How many warnings and faults were left out, because there are more than [`MOST_KEPT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Departures that were accepted.
    pub warnings: u64,
    /// Reasons to refuse the wheel.
    pub faults: u64,
}

/// Reads the RECORD of a wheel ("Binary distribution format", "Signed wheel files"; "Recording
/// installed projects", "The RECORD file"). Faults are collected, the first [`MOST_KEPT`] of them.
/// No more than `most_rows` rows are read.
pub fn read_wheel_record(bytes: &[u8], verify: Verify, most_rows: usize) -> WheelRecord {
    let mut reading = RecordReader {
        verify,
        most_rows,
        record: WheelRecord::default(),
        places: HashMap::new(),
    };
    let Ok(text) = std::str::from_utf8(bytes) else {
        reading.record.faults.push(RecordFault::NotUtf8);
        return reading.record;
    };
    if text.starts_with('\u{feff}') {
        let reason = "it begins with a byte order mark";
        reading.odd(WarningCode::RecordBom, || RecordFault::Row {
            line: 1,
            reason,
            text: "\u{feff}".to_owned(),
        });
    }
    if let Err(fault) = each_row(text, |line, row| reading.row(line, row)) {
        reading.fault(|| fault);
    }
    reading.record
}

/// Reads the RECORD of an installed project ("Recording installed projects", "The RECORD file") as
/// tolerantly as pip: invalid digests and sizes count as absent, rows without a path and rows for
/// directories are dropped, and paths are unchanged.
///
/// # Errors
/// [`RecordFault::NotUtf8`], and [`RecordFault::Row`] if the text is not CSV.
pub fn read_installed_record(bytes: &[u8]) -> Result<Vec<RecordRow>, RecordFault> {
    let text = std::str::from_utf8(bytes).map_err(|_| RecordFault::NotUtf8)?;
    // Before rows are copied: a planted file may be one row of any length.
    let mut begin = 0;
    let ends = memchr::memchr_iter(b'\n', bytes).chain([bytes.len()]);
    for (end, line) in ends.zip(1..) {
        if end - begin > LONGEST_ROW {
            return Err(RecordFault::Row {
                line,
                reason: "it is longer than any path",
                text: String::new(),
            });
        }
        begin = end + 1;
    }
    let mut rows = Vec::new();
    let mut has_room = true;
    each_row(text, |_, row| {
        let column = |index| row.get(index).unwrap_or_default();
        if !column(0).is_empty() && !is_directory(column(0)) {
            let digest = parse_digest(column(1)).ok().map(|(digest, _)| digest);
            rows.push(RecordRow {
                path: column(0).to_owned(),
                digest,
                size: number(column(2)),
            });
        }
        has_room = rows.len() <= MOST_INSTALLED_ROWS;
        has_room
    })?;
    if has_room {
        Ok(rows)
    } else {
        let limit = MOST_INSTALLED_ROWS;
        Err(RecordFault::TooManyRows { limit })
    }
}

/// Whether a row of an installed RECORD is for a directory, as virtualenv lists `__pycache__` and
/// some build tools list packages with a final slash. A RECORD lists files only.
fn is_directory(path: &str) -> bool {
    path.ends_with('/') || path == "__pycache__" || path.ends_with("/__pycache__")
}

/// The bytes of a RECORD with these rows, in this order: see [`write_lines`].
pub fn write_record(rows: &[RecordRow]) -> Vec<u8> {
    write_lines(rows.iter().map(|row| RecordLine {
        path: &row.path,
        digest: row.digest,
        size: row.size,
    }))
}

/// The bytes of a RECORD with these rows, in this order ("Recording installed projects", "The
/// RECORD file"): lines end in `\n`, and only fields that need quotes have them.
pub fn write_lines<'a>(lines: impl IntoIterator<Item = RecordLine<'a>>) -> Vec<u8> {
    let mut lines = lines.into_iter().peekable();
    // Without quotes, a path's byte order mark would be read as that of the file.
    let marked = (lines.peek()).is_some_and(|line| line.path.starts_with('\u{feff}'));
    let mut text = Vec::with_capacity(lines.size_hint().0 * LINE_BYTES);
    let mut size = String::new();
    for line in lines {
        size.clear();
        if let Some(number) = line.size {
            write!(size, "{number}").expect("memory takes every write");
        }
        if marked || any_byte(line.path.as_bytes(), needs_quotes) {
            line.write_quoted(&size, marked, &mut text);
            continue;
        }
        text.extend_from_slice(line.path.as_bytes());
        text.push(b',');
        if let Some(digest) = &line.digest {
            digest.write_to(&mut text);
        }
        text.push(b',');
        text.extend_from_slice(size.as_bytes());
        text.push(b'\n');
    }
    text
}

/// A guess of the bytes of a line, so that the buffer seldom grows.
const LINE_BYTES: usize = 128;

/// A row of a RECORD that is written; the columns are those of [`RecordRow`].
#[derive(Debug, Clone, Copy)]
pub struct RecordLine<'a> {
    /// The path.
    pub path: &'a str,
    /// The digest.
    pub digest: Option<Digest>,
    /// The length in bytes.
    pub size: Option<u64>,
}

impl RecordLine<'_> {
    /// Appends the line by way of the csv crate, which knows all about quotes. It takes several
    /// times as long as a line that needs none.
    fn write_quoted(&self, size: &str, always: bool, text: &mut Vec<u8>) {
        let quotes = if always {
            QuoteStyle::Always
        } else {
            QuoteStyle::Necessary
        };
        let mut writer = WriterBuilder::new()
            .has_headers(false)
            .quote_style(quotes)
            .from_writer(text);
        let digest = self.digest.map(|digest| digest.to_string());
        let digest = digest.unwrap_or_default();
        writer
            .write_record([self.path, &digest, size])
            .and_then(|()| writer.flush().map_err(csv::Error::from))
            .expect("memory takes every write");
    }
}

/// Whether a field with this byte has to be quoted (RFC 4180, section 2).
// Not as one pattern, so that many bytes are compared at once.
fn needs_quotes(byte: u8) -> bool {
    (byte == b'"') | (byte == b',') | (byte == b'\r') | (byte == b'\n')
}

/// Calls `take` with each row of CSV that is not blank, and the number of its first line, until it
/// returns false. A byte order mark is ignored.
fn each_row(
    text: &str,
    mut take: impl FnMut(u64, &StringRecord) -> bool,
) -> Result<(), RecordFault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        // The readers judge the number of columns themselves; the csv crate would stop there.
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut row = StringRecord::new();
    loop {
        let line = next_line(text, reader.position());
        match reader.read_record(&mut row) {
            // The csv crate skips empty lines, but not lines of white space.
            Ok(true) if row.len() == 1 && row[0].trim().is_empty() => {}
            Ok(true) if take(line, &row) => {}
            Ok(_) => return Ok(()),
            Err(error) => {
                let text = error.to_string();
                return Err(RecordFault::Row {
                    line,
                    reason: "it is not CSV",
                    text,
                });
            }
        }
    }
}

/// The line of the next row. The position of the csv crate is the end of the last row, before the
/// `\n` of its `\r\n` and before blank lines.
fn next_line(text: &str, position: &csv::Position) -> u64 {
    let rest = usize::try_from(position.byte())
        .ok()
        .and_then(|byte| text.as_bytes().get(byte..))
        .unwrap_or_default();
    let ends = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + ends.filter(|byte| **byte == b'\n').map(|_| 1).sum::<u64>()
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The state while the RECORD of a wheel is read.
struct RecordReader {
    verify: Verify,
    /// The most rows that are kept.
    most_rows: usize,
    record: WheelRecord,
    /// The index of the row of each path, and whether it has no fault.
    places: HashMap<String, (usize, bool)>,
}

impl RecordReader {
    /// Reports something that the specification does not allow but that is unambiguous.
    fn odd(&mut self, code: WarningCode, make: impl FnOnce() -> RecordFault) {
        if self.verify == Verify::Strict {
            self.fault(make);
        } else if self.record.warnings.len() < MOST_KEPT {
            self.record.warnings.push((code, make()));
        } else {
            self.record.left_out.warnings += 1;
        }
    }

    /// Reports a reason to refuse the wheel. It is made only if it is kept: a row of two bytes
    /// could otherwise cost a kilobyte.
    fn fault(&mut self, make: impl FnOnce() -> RecordFault) {
        if self.record.faults.len() < MOST_KEPT {
            self.record.faults.push(make());
        } else {
            self.record.left_out.faults += 1;
        }
    }

    fn count_of_faults(&self) -> u64 {
        self.record.faults.len() as u64 + self.record.left_out.faults
    }

    /// Reads a row; false if there may be no more.
    fn row(&mut self, line: u64, row: &StringRecord) -> bool {
        let about = |reason| {
            let text = row.iter().collect::<Vec<_>>().join(",");
            RecordFault::Row {
                line,
                reason,
                text: shown(&text),
            }
        };
        if row.len() != 3 {
            self.odd(WarningCode::RecordColumns, || {
                about("it does not have three columns")
            });
        }
        let column = |index| row.get(index).unwrap_or_default();
        let path = self.path(column(0), about);
        if path.is_empty() {
            if self.verify != Verify::Off {
                self.fault(|| about("it has no path"));
            }
            return true;
        }
        if self.record.rows.len() >= self.most_rows {
            let limit = self.most_rows;
            self.fault(|| RecordFault::TooManyRows { limit });
            return false;
        }
        let faults = self.count_of_faults();
        let digest = self.digest(&path, column(1));
        let size = number(column(2));
        if size.is_none() && !column(2).is_empty() && self.verify != Verify::Off {
            self.fault(|| about("its size is not a number"));
        }
        let sound = faults == self.count_of_faults();
        self.add(RecordRow { path, digest, size }, sound, about);
        true
    }

    /// The path without the known mistakes of build tools.
    fn path(&mut self, text: &str, about: impl Fn(&'static str) -> RecordFault) -> String {
        let mut path = text.to_owned();
        // Backslashes go first, so that the checks below also see the `\a` and `.\a` of Windows.
        if path.contains('\\') {
            self.odd(WarningCode::RecordBackslash, || {
                about("its path has backslashes")
            });
            path = path.replace('\\', "/");
        }
        if path.starts_with('/') {
            self.odd(WarningCode::RecordLeadingSlash, || {
                about("its path begins with `/`")
            });
            path = path.trim_start_matches('/').to_owned();
        }
        if path.starts_with("./") {
            self.odd(WarningCode::RecordDotPrefix, || {
                about("its path begins with `./`")
            });
            path = path.trim_start_matches("./").to_owned();
        }
        path
    }

    fn digest(&mut self, path: &str, text: &str) -> Option<Digest> {
        if text.is_empty() {
            return None;
        }
        let about = |reason| RecordFault::Digest {
            path: path.to_owned(),
            reason,
            text: shown(text),
        };
        match (parse_digest(text), self.verify) {
            (result, Verify::Off) => result.ok().map(|(digest, _)| digest),
            (Ok((digest, oddities)), _) => {
                for oddity in oddities {
                    self.odd(oddity.code(), || about(oddity.reason()));
                }
                Some(digest)
            }
            (Err(reason), _) => {
                self.fault(|| about(reason));
                None
            }
        }
    }

    /// Adds the row, unless its path is listed already.
    fn add(&mut self, row: RecordRow, sound: bool, about: impl Fn(&'static str) -> RecordFault) {
        match self.places.entry(row.path.clone()) {
            Entry::Vacant(place) => {
                place.insert((self.record.rows.len(), sound));
                self.record.rows.push(row);
            }
            Entry::Occupied(place) => {
                let (place, first_sound) = *place.get();
                if self.verify == Verify::Off || self.record.rows[place] == row {
                    self.odd(WarningCode::RecordDuplicateRow, || {
                        about("its path is listed before")
                    });
                } else if sound && first_sound {
                    // A row with a fault of its own has been reported already.
                    self.fault(|| RecordFault::Contradiction(row.path));
                }
            }
        }
    }
}

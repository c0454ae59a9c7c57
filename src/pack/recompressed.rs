//! Entries of wheels that are deflated anew: on all threads, ahead of the one that writes.
//!
//! Input: the files of an artefact. Output: their deflate streams, in the order in which they are
//! written; every content is checked on the way. Limits: at most [`AHEAD`] bytes of content are
//! deflated at once. A larger entry is left to the writer, which deflates it piece by piece.

use std::collections::VecDeque;

use super::checks::Checks;
use super::contents::{Contents, PackedFile};
use crate::archive::{Archive, Deflater, Entry, Scratch};
use crate::error::Result;
use crate::threads::in_parallel;

/// Enough to keep many threads busy, and little beside what a large wheel takes to open.
const AHEAD: u64 = 16 << 20;

/// See the head of this file.
pub(super) struct Recompressed<'c, 'a> {
    contents: &'c Contents<'c>,
    checks: &'c Checks<'a>,
    /// Whether other streams can follow the streams.
    is_open: bool,
    ready: VecDeque<Vec<u8>>,
}

impl<'c, 'a> Recompressed<'c, 'a> {
    pub(super) fn new(contents: &'c Contents<'c>, checks: &'c Checks<'a>, is_open: bool) -> Self {
        Self {
            contents,
            checks,
            is_open,
            ready: VecDeque::new(),
        }
    }

    /// The stream of a file that is not copied, by its number; `None` if the file is too large. The
    /// numbers must be asked for in their order.
    pub(super) fn next(&mut self, number: usize) -> Result<Option<Vec<u8>>> {
        if self.contents.file(number).size > AHEAD {
            return Ok(None);
        }
        if self.ready.is_empty() {
            self.ready = self.streams_from(number)?;
        }
        let stream = self.ready.pop_front();
        Ok(Some(stream.expect("the file itself is among them")))
    }

    fn streams_from(&self, first: usize) -> Result<VecDeque<Vec<u8>>> {
        let (mut found, mut size) = (Vec::new(), 0);
        for number in first..self.contents.count() {
            let file = self.contents.file(number);
            let Some((archive, entry)) = self.checks.entry(&file)? else {
                continue;
            };
            if self.checks.is_copied(entry) || file.size > AHEAD {
                continue;
            }
            size += file.size;
            if size > AHEAD && !found.is_empty() {
                break;
            }
            found.push((file, archive, entry));
        }
        let deflate = |(file, archive, entry): &(PackedFile<'_>, &Archive, &Entry)| {
            self.deflate(file, archive, entry)
        };
        let pool = self.checks.pool();
        // The only thread of a pool may be the one that waits for the writer.
        if pool.threads() == 1 {
            return found.iter().map(deflate).collect();
        }
        in_parallel(pool, &found, deflate).into_iter().collect()
    }

    fn deflate(&self, file: &PackedFile<'_>, archive: &Archive, entry: &Entry) -> Result<Vec<u8>> {
        let mut deflater = Deflater::with_level(self.checks.level());
        let mut stream = Vec::new();
        self.checks
            .unpack((file, archive, entry), &mut Scratch::new(), &mut |piece| {
                deflater.add(piece, &mut stream);
                Ok(())
            })?;
        if self.is_open {
            deflater.leave_open(&mut stream);
        } else {
            deflater.end(&mut stream);
        }
        Ok(stream)
    }
}

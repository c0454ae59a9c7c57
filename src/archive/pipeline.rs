//! The pipeline for a huge deflated entry: this thread inflates, a second one hashes and writes.
//!
//! Both take about as long, so the entry is done in little more than half the time. Each piece is
//! copied once, to one of [`BUFFERS`] buffers that go back and forth between the threads.

use std::sync::mpsc;
use std::thread::{Builder, scope};

use super::entry::ArchiveResult;

/// The least content that is worth a second thread, in bytes. Inflating it takes some ten
/// milliseconds, and starting a thread a tenth of one.
pub(super) const LEAST: u64 = 8 << 20;
/// How many pieces may be on their way: one that is written, one that waits, one that is inflated.
// More than that would not stay in the second cache of the processors.
const BUFFERS: usize = 3;

/// A content in pieces.
pub(super) trait Pieces {
    /// The next piece, which is not empty; `None` after the last one.
    fn next(&mut self) -> ArchiveResult<Option<&[u8]>>;
}

/// Passes all pieces that are left to `write`, on a second thread. Does nothing if the system gives
/// none.
pub(super) fn run(
    pieces: &mut dyn Pieces,
    mut write: impl FnMut(&[u8]) -> ArchiveResult<()> + Send,
) -> ArchiveResult<()> {
    let (full, to_write) = mpsc::channel::<Vec<u8>>();
    let (written, empty) = mpsc::channel::<Vec<u8>>();
    scope(|scope| {
        let write_all = move || {
            for piece in to_write {
                write(&piece)?;
                // The other thread may have ended with an error of its own.
                let _ = written.send(piece);
            }
            Ok(())
        };
        let Ok(second) = Builder::new().spawn_scoped(scope, write_all) else {
            return Ok(());
        };
        let mut buffers = BUFFERS;
        let inflated = loop {
            let piece = match pieces.next() {
                Ok(Some(piece)) => piece,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            let mut buffer = if buffers > 0 {
                buffers -= 1;
                Vec::with_capacity(piece.len())
            } else if let Ok(buffer) = empty.recv() {
                buffer
            } else {
                // The second thread has ended with an error, which is returned below.
                break Ok(());
            };
            buffer.clear();
            buffer.extend_from_slice(piece);
            if full.send(buffer).is_err() {
                break Ok(());
            }
        };
        drop(full);
        let written = second
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // A fault found while writing concerns an earlier piece.
        written.and(inflated)
    })
}

#[cfg(test)]
mod tests {
    use std::thread::{self, ThreadId};

    use super::super::tests::Bytes;
    use super::super::tests::zip_image::{DEFLATE, STORED, ZipEntry, ZipImage};
    use super::super::{Archive, Expected, Extent, Scratch};
    use super::LEAST;
    use crate::digest::{Algorithm, Digest};
    use crate::error::{Error, ErrorKind, Result};
    use crate::threads::SpareThreads;

    /// Content of three times [`LEAST`] that repeats itself far away and near.
    fn content() -> Vec<u8> {
        let mut state = 7_u32;
        let mut content = Vec::new();
        while content.len() < 3 * usize::try_from(LEAST).unwrap() {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            content.extend_from_slice(&state.to_le_bytes());
            content.extend_from_slice(&[(state >> 28) as u8; 500]);
        }
        content
    }

    fn entry(content: &[u8]) -> ZipEntry {
        ZipEntry::new("huge.bin", content, 0o644, DEFLATE)
    }

    /// Unpacks the only entry with a spare thread. Returns what the sink got, the threads that
    /// called it, and the digest or the error.
    fn unpack(entry: ZipEntry, most: usize) -> (Vec<u8>, Vec<ThreadId>, Result<Option<Digest>>) {
        // An archive has to have a certain size before it may hold that much.
        let padding = ZipEntry::new("padding", &vec![1; 1 << 20], 0o644, STORED);
        let image = ZipImage {
            entries: vec![entry, padding],
            ..ZipImage::default()
        };
        let file = Box::new(Bytes(image.to_bytes().into()));
        let archive = Archive::read(file, "demo", &Extent::Whole).unwrap();
        let spare = SpareThreads::default();
        spare.end();
        let (mut received, mut threads) = (Vec::new(), Vec::new());
        let expected = Expected {
            digest: None,
            compute: Some(Algorithm::Sha256),
        };
        let mut sink = |piece: &[u8]| {
            if received.len() > most {
                return Err(Error::interrupted());
            }
            received.extend_from_slice(piece);
            threads.push(thread::current().id());
            Ok(())
        };
        let entry = &archive.entries()[0];
        let mut scratch = Scratch::with_help(spare.clone());
        let unpacked = archive.unpack(entry, expected, &mut scratch, &mut sink);
        let unpacked = unpacked.map_err(|error| error.of_wheel("demo"));
        assert!(spare.take().is_some(), "the thread is spare again");
        threads.dedup();
        (received, threads, unpacked)
    }

    #[test]
    fn a_second_thread_writes_the_same_content() {
        let content = content();
        let (received, threads, digest) = unpack(entry(&content), usize::MAX);
        assert!(received == content, "the content differs");
        assert_eq!(
            digest.unwrap(),
            Some(Digest::of(Algorithm::Sha256, &content))
        );
        assert_eq!(threads.len(), 2, "one thread began, another one went on");
        assert_eq!(threads[0], thread::current().id());
    }

    #[test]
    fn faults_on_either_thread_are_reported() {
        let content = content();
        let mut wrong_crc = entry(&content);
        wrong_crc.both(|header| header.crc ^= 1);
        let mut too_long = entry(&content);
        too_long.both(|header| header.usize -= 1);
        let mut cut = entry(&content);
        cut.body.truncate(cut.body.len() / 2);
        let half = u32::try_from(cut.body.len()).unwrap();
        cut.both(|header| header.csize = half);
        for damaged in [wrong_crc, too_long, cut] {
            let (received, threads, unpacked) = unpack(damaged, usize::MAX);
            assert_eq!(unpacked.unwrap_err().kind(), ErrorKind::Input);
            assert!(content.starts_with(&received));
            assert_eq!(threads.len(), 2);
        }
    }

    #[test]
    fn a_failed_write_ends_both_threads() {
        let content = content();
        let (received, _, unpacked) = unpack(entry(&content), 1 << 20);
        assert_eq!(unpacked.unwrap_err().kind(), ErrorKind::Interrupted);
        assert!(received.len() < content.len() / 2);
    }
}

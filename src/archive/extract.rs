//! The content of one entry: as a whole if it is small, in pieces if it is large.
//!
//! Small content is passed on only after its CRC-32, size and digest were found right. Large
//! content is passed on in pieces, and a fault is found at its end at the latest. Memory: two
//! buffers of a megabyte for each thread, and the window of a zstd frame.

use std::io::Read as _;

use super::batch::{self, Item};
use super::entry::{ArchiveResult, Entry, Method, corrupt, unreadable};
use super::inflate::zstd;
use super::scratch::Scratch;
use super::stream::{self, Data, Sink};
use super::verify::Expected;
use crate::digest::{Backend, Digest};
use crate::error::ArchiveFault;
use crate::fs::ReadAt;

/// The largest content, and the largest compressed data, that a thread's own buffers hold as a
/// whole, in bytes.
// Larger ones gain nothing as a whole: inflating in pieces, which stay in the processor's cache
// until they are hashed and written, takes as long and a tenth of the memory.
const MAX_WHOLE: u64 = 1 << 20;
/// The most bytes that [`head`] returns.
const HEAD: usize = 64;
/// How many compressed bytes [`head`] reads: enough for the header of a dynamic deflate block.
const HEAD_DATA: u64 = 1 << 12;

/// Passes the content of `entry` to `sink`, in order, and returns its digest if one was expected or
/// asked for.
pub(super) fn unpack(
    file: &dyn ReadAt,
    entry: &Entry,
    expected: Expected,
    scratch: &mut Scratch,
    sink: &mut Sink<'_>,
) -> ArchiveResult<Option<Digest>> {
    if entry.size <= MAX_WHOLE && entry.compressed <= MAX_WHOLE {
        return unpack_whole(file, entry, expected, scratch, sink);
    }
    Ok(stream::unpack(file, entry, expected, scratch, sink)?.digest)
}

fn unpack_whole(
    file: &dyn ReadAt,
    entry: &Entry,
    expected: Expected,
    scratch: &mut Scratch,
    sink: &mut Sink<'_>,
) -> ArchiveResult<Option<Digest>> {
    let mut found = None;
    let items = [Item { entry, expected }];
    // The other backends gain nothing from a single content.
    batch::unpack_each(
        file,
        &items,
        Backend::Single,
        scratch,
        &mut |_, content, digest| {
            found = digest;
            sink(content)
        },
    )?;
    Ok(found)
}

/// The whole content of an entry of at most `limit` bytes.
pub(super) fn content(
    file: &dyn ReadAt,
    entry: &Entry,
    expected: Expected,
    limit: u64,
    scratch: &mut Scratch,
) -> ArchiveResult<Vec<u8>> {
    // This check precedes the allocation, because the size is only a claim of the archive.
    if entry.size > limit {
        return Err(ArchiveFault::TooLarge {
            what: format!("the size of `{}`", entry.path),
            size: entry.size,
            limit,
        }
        .into());
    }
    let mut content = Vec::with_capacity(entry.in_memory(entry.size)?);
    unpack(file, entry, expected, scratch, &mut |piece| {
        content.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(content)
}

/// The first bytes of the content, at most [`HEAD`] of them, unchecked.
pub(super) fn head(
    file: &dyn ReadAt,
    entry: &Entry,
    scratch: &mut Scratch,
) -> ArchiveResult<Vec<u8>> {
    let mut compressed = vec![0; entry.in_memory(entry.compressed.min(HEAD_DATA))?];
    file.read_exact_at(&mut compressed, entry.data)
        .map_err(|error| unreadable(file, entry, error))?;
    let mut content = match entry.method {
        Method::Stored => compressed,
        Method::Deflate => {
            let inflate = &mut scratch.inflater.pieces;
            inflate.reset();
            inflate
                .decode(&compressed, entry.compressed <= HEAD_DATA)
                .map_err(|fault| corrupt(entry, &fault))?;
            inflate.content().iter().take(HEAD).copied().collect()
        }
        Method::Zstd => {
            // A frame may need more than the bytes read above to yield its first one.
            let mut content = Vec::with_capacity(HEAD);
            zstd(entry, Data::new(file, entry))?
                .take(HEAD as u64)
                .read_to_end(&mut content)
                .map_err(|error| corrupt(entry, &error))?;
            content
        }
    };
    content.truncate(HEAD);
    Ok(content)
}

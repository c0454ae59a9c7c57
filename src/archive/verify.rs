//! The checks of an entry's content: size, CRC-32 and digest.

use super::entry::{ArchiveError, ArchiveResult, Entry, corrupt};
use crate::digest::{Algorithm, Digest};
use crate::error::ArchiveFault;

/// The digest that an entry's content must have, or the digest to compute of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected {
    /// The digest that the content must have.
    pub digest: Option<Digest>,
    /// The digest to compute if none is expected.
    pub compute: Option<Algorithm>,
}

impl Expected {
    /// The algorithm of the digest to compute; `None` if none is needed.
    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        self.digest
            .map(|digest| digest.algorithm())
            .or(self.compute)
    }

    /// Returns `actual`, the digest of the content, unless another one is expected.
    ///
    /// # Errors
    /// The digest differs from the expected one.
    pub fn check(&self, entry: &Entry, actual: Option<Digest>) -> ArchiveResult<Option<Digest>> {
        match (self.digest, actual) {
            (Some(recorded), Some(actual)) if recorded != actual => {
                Err(ArchiveFault::DigestMismatch {
                    entry: entry.path.to_string(),
                    recorded: recorded.into(),
                    actual: actual.into(),
                }
                .into())
            }
            // An expected digest never lacks an actual one, because `algorithm` asks for it.
            _ => Ok(actual),
        }
    }
}

/// Compares size and CRC-32 of the content with those of the central directory. `crc` is only
/// called if the size is right.
pub(super) fn check_size_and_crc(
    entry: &Entry,
    size: u64,
    crc: impl FnOnce() -> u32,
) -> ArchiveResult<()> {
    // A wrong size must end the check here: `crc` of a batch may reach beyond its buffer otherwise.
    if size != entry.size {
        return Err(wrong_size(entry, size));
    }
    let actual = crc();
    if actual == entry.crc {
        Ok(())
    } else {
        Err(ArchiveFault::Crc {
            entry: entry.path.to_string(),
            stated: entry.crc,
            actual,
        }
        .into())
    }
}

/// The content has `actual` bytes, which is not the stated size.
pub(super) fn wrong_size(entry: &Entry, actual: u64) -> ArchiveError {
    ArchiveFault::Size {
        entry: entry.path.to_string(),
        stated: entry.size,
        actual,
    }
    .into()
}

/// Refuses `left` bytes of data after the end of a compressed stream: another reader might unpack
/// them too.
pub(super) fn check_fully_used(entry: &Entry, left: u64) -> ArchiveResult<()> {
    if left == 0 {
        Ok(())
    } else {
        Err(corrupt(entry, &"bytes follow the compressed data").into())
    }
}

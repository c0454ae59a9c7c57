//! The file that an artefact is written to, from its first byte to its last.
//!
//! Everything is counted on the way, and hashed if that is wanted, so that the digest of the
//! artefact costs no second look at it. Small pieces are put together, because a system call costs
//! more than copying them.

use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::Result;
use crate::fs::OutputFile;

/// How many bytes are written at once. More gains nothing.
const PIECE: usize = 1 << 18;

/// See the head of this file.
pub(super) struct ArtifactOutput<'a> {
    file: OutputFile<'a>,
    waiting: Vec<u8>,
    hasher: Option<Hasher>,
    length: u64,
}

impl<'a> ArtifactOutput<'a> {
    /// An output that writes to an empty file, and hashes what it writes if that is wanted.
    pub(super) fn new(file: OutputFile<'a>, hashes: bool) -> Self {
        Self {
            file,
            waiting: Vec::with_capacity(2 * PIECE),
            hasher: hashes.then(|| Hasher::new(Algorithm::Sha256)),
            length: 0,
        }
    }

    /// How many bytes were written so far.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    /// A failure to write, for example on a full disk.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.length += bytes.len() as u64;
        if bytes.len() >= PIECE {
            // It is large enough without the others, and is not copied.
            self.write_waiting()?;
            if let Some(hasher) = &mut self.hasher {
                hasher.update(bytes);
            }
            return self.file.write(bytes);
        }
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= PIECE {
            self.write_waiting()?;
        }
        Ok(())
    }

    /// Writes what is still waiting, and returns the file and its digest, if that is wanted.
    ///
    /// # Errors
    /// A failure to write.
    pub(super) fn finish(mut self) -> Result<(OutputFile<'a>, Option<Digest>)> {
        self.write_waiting()?;
        Ok((self.file, self.hasher.map(Hasher::finish)))
    }

    fn write_waiting(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&self.waiting);
        }
        self.file.write(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }
}

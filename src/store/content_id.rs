//! Content ids: the identity of what is in a wheel, whatever its file is called and however it is
//! compressed.

use std::fmt;

use crate::digest::{Algorithm, Digest, Hasher};
use crate::wheel::{Digests, Wheel, WheelEntry};

/// What is hashed first, so that another table can never have the same id.
const TABLE: &[u8] = b"pkg-install content 1\n";

/// The SHA-256 of the table of a wheel's entries, sorted by path: path, size, execute bit, and the
/// digest in RECORD. RECORD itself and the files that only installers write do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentId(Digest);

impl ContentId {
    /// The id of a wheel; `None` if its digests are not all known, so that they do not determine
    /// its contents.
    pub fn of(wheel: &Wheel) -> Option<Self> {
        if wheel.digests == Digests::NotRead {
            return None;
        }
        let mut entries: Vec<&WheelEntry> = wheel.entries.iter().collect();
        entries.sort_unstable_by(|one, other| one.path.as_str().cmp(other.path.as_str()));
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hasher.update(TABLE);
        // One update per wheel: short updates cost as much as hashing.
        let mut table = Vec::with_capacity(entries.len() * 128);
        for entry in entries {
            let digest = entry.digest?;
            table.extend_from_slice(entry.path.as_str().as_bytes());
            // A path has no such byte, so that no two tables are written alike.
            table.push(0);
            table.extend_from_slice(&entry.size.to_le_bytes());
            table.push(u8::from(entry.executable));
            table.extend_from_slice(digest.algorithm().name().as_bytes());
            table.push(0);
            table.extend_from_slice(digest.bytes());
        }
        hasher.update(&table);
        Some(Self(hasher.finish()))
    }

    /// An id from 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        Digest::from_hex(Algorithm::Sha256, text).map(Self)
    }

    /// The directory of its entry below the store, such as `ab/ab12…`.
    pub fn path(self) -> String {
        let hex = self.0.to_hex();
        format!("{}/{hex}", &hex[..2])
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_hex())
    }
}

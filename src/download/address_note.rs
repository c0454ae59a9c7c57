//! What is known of the file at an address: its digest, and what identifies it to the server.
//!
//! A file that is not pinned cannot be found by its digest, so a note is taken when it was fetched.
//! The next command asks the server with the entity tag or the date of the last change whether the
//! file is still the same (RFC 9110, 13.1), and fetches it only if it is not.

use serde::{Deserialize, Serialize};

use super::partial::{Head, is_header_value};
use super::response::Validator;
use crate::digest::{Algorithm, Digest};

/// What was noted when a file was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AddressNote {
    /// The version of this format: 1.
    version: u32,
    sha256: String,
    /// The length of the file.
    total: Option<u64>,
    /// The server's entity tag, or the date of the last change.
    tag: Option<String>,
    /// Whether equal tags mean equal bytes.
    strong: bool,
}

impl AddressNote {
    /// The most bytes that a note has; a tag has at most a few hundred.
    pub(super) const LONGEST: u64 = 1 << 14;

    /// A note about a file with this digest, which was fetched as `head` describes.
    pub(super) fn new(digest: &Digest, head: Option<&Head>) -> Self {
        Self {
            version: 1,
            sha256: digest.to_hex(),
            total: head.map(|head| head.total),
            tag: head.and_then(|head| head.tag.clone()),
            strong: head.is_some_and(|head| head.strong),
        }
    }

    /// Reads a note, and the digest in it; `None` if it is torn, malformed or of another version.
    pub(super) fn parse(json: &[u8]) -> Option<(Self, Digest)> {
        let note: Self = serde_json::from_slice(json).ok()?;
        let sound = note.version == 1 && note.tag.as_deref().is_none_or(is_header_value);
        let digest = note.digest().filter(|_| sound)?;
        Some((note, digest))
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a note is numbers and strings")
    }

    /// The digest of the file.
    pub(super) fn digest(&self) -> Option<Digest> {
        Digest::from_hex(Algorithm::Sha256, &self.sha256)
    }

    /// The header that asks whether the file has changed; `None` if the server gave nothing to ask
    /// with.
    pub(super) fn condition(&self) -> Option<(&'static str, String)> {
        let tag = self.tag.clone()?;
        // A date has no quotes, an entity tag always.
        let name = if tag.contains('"') {
            "If-None-Match"
        } else {
            "If-Modified-Since"
        };
        Some((name, tag))
    }

    /// Whether an answer of a server that ignores conditions describes the same file.
    pub(super) fn is_same(&self, validator: &Validator, total: Option<u64>) -> bool {
        self.strong
            && validator.strong
            && self.tag == validator.tag
            && total.is_some()
            && self.total == total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_strictly_and_asks_with_what_the_server_gave() {
        let digest = Digest::of(Algorithm::Sha256, b"x");
        let note = |tag: Option<&str>| AddressNote {
            tag: tag.map(str::to_owned),
            strong: true,
            total: Some(1),
            ..AddressNote::new(&digest, None)
        };
        for (tag, header) in [
            (Some("\"one\""), Some("If-None-Match")),
            (Some("W/\"one\""), Some("If-None-Match")),
            (
                Some("Sun, 06 Nov 1994 08:49:37 GMT"),
                Some("If-Modified-Since"),
            ),
            (None, None),
        ] {
            let (read, found) = AddressNote::parse(&note(tag).to_json()).expect("it is whole");
            assert_eq!((read.clone(), found), (note(tag), digest));
            assert_eq!(read.condition().map(|condition| condition.0), header);
        }
        let planted = note(Some("\"one\"\r\nHost: elsewhere")).to_json();
        assert_eq!(AddressNote::parse(&planted), None);
        let whole = note(None).to_json();
        assert_eq!(AddressNote::parse(&whole[..whole.len() - 1]), None);
    }
}

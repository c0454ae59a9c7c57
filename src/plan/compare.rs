//! Comparing the contents of files that are wanted and of files that exist, before anything is
//! written.

use super::{Content, WantedFile};
use crate::digest::Identity;
use crate::installed::facts::{Live, LiveContent, LiveFile};

/// The content of a file that is wanted, for people.
pub(super) fn describe(file: &WantedFile) -> String {
    file.digest.map_or_else(
        || format!("{} bytes", file.size),
        |digest| digest.to_string(),
    )
}

/// What exists at a place, for people.
pub(super) fn describe_live(live: &Live) -> String {
    match live.content {
        LiveContent::File(LiveFile {
            sums: Some((digest, _)),
            ..
        }) => digest.to_string(),
        LiveContent::File(LiveFile { size, .. }) => format!("{size} bytes"),
        LiveContent::Symlink => "a symbolic link".to_owned(),
        LiveContent::Directory => "a directory".to_owned(),
        LiveContent::Other => "a device or pipe".to_owned(),
    }
}

/// Whether two files will have the same bytes, as far as that is known before they are written.
pub(super) fn same_content(a: &WantedFile, b: &WantedFile) -> bool {
    match (&a.content, &b.content) {
        (Content::Record(change), Content::Record(other)) => change == other,
        (Content::Record(_), _) | (_, Content::Record(_)) => false,
        (Content::Entry(wheel, entry), Content::Entry(other_wheel, other_entry))
            if (wheel, entry) == (other_wheel, other_entry) =>
        {
            true
        }
        // Two identities that are not known must not count as equal.
        _ => a.size == b.size && a.identity().is_some() && a.identity() == b.identity(),
    }
}

/// Whether a file has the bytes of a live one.
pub(super) fn same_as_live(file: &WantedFile, live: &Live) -> bool {
    let LiveContent::File(LiveFile {
        size,
        sums: Some((digest, crc)),
        ..
    }) = live.content
    else {
        return false;
    };
    let is_same = |identity: Identity| match identity {
        Identity::Digest(wanted) => wanted == digest,
        Identity::Crc(wanted) => wanted == crc,
    };
    size == file.size && file.identity().is_some_and(is_same)
}

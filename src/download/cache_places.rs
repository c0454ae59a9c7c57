//! The places of a cache.
//!
//! ```text
//! CACHE/wheels/AB/SHA256/NAME.whl       complete and checked
//! CACHE/partial/KEY/{content,log}       the bytes so far; see the partial module
//! CACHE/partial/KEY.lock                held while bytes are added
//! CACHE/known/KEY                       the SHA-256 of a file that is pinned by other digests only
//! CACHE/addresses/KEY                   what is known of the file at an address
//! CACHE/pages/KEY                       pages of indexes
//! CACHE/interpreters/KEY                answers of interpreters; see the environment module
//! ```

/// The directory of complete files.
pub(super) const WHEELS: &str = "wheels";
/// The directory of partial files and their locks.
pub(super) const PARTIAL: &str = "partial";
/// The directory of notes about files that are pinned by other digests than SHA-256.
pub(super) const KNOWN: &str = "known";
/// The directory of notes about files that are not pinned.
pub(super) const ADDRESSES: &str = "addresses";
/// The directory of pages of indexes.
pub(super) const PAGES: &str = "pages";

/// How the name of a lock ends.
const LOCK: &str = ".lock";

/// The name of the lock of a partial file.
pub(super) fn lock_name(key: &str) -> String {
    format!("{key}{LOCK}")
}

/// The partial file that a lock is for.
pub(super) fn locked_key(name: &str) -> Option<&str> {
    name.strip_suffix(LOCK)
}

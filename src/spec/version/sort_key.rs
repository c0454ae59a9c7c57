//! A number that orders most versions, so that few comparisons look at all of their parts.
//!
//! Input: a version. Output: its key. Invariant: a version with a smaller key is the smaller one;
//! of versions with equal keys nothing is known. The ends of intervals are versions such as
//! `1.0.post0.dev0`, which the crate compares part by part, and a resolution compares with millions
//! of them.

use pep440_rs::{PrereleaseKind, Version};

/// How many bits the epoch and each of the first numbers of the release have. The first number of a
/// release may be a date.
const EPOCH_BITS: u32 = 2;
const RELEASE_BITS: [u32; 4] = [25, 14, 12, 8];
/// How many bits the kind of the version has.
const KIND_BITS: u32 = 3;
/// A kind above all others, for a release with more numbers than the key has.
const LONGER: u64 = (1 << KIND_BITS) - 1;

const _: () = {
    let [first, second, third, fourth] = RELEASE_BITS;
    assert!(EPOCH_BITS + first + second + third + fourth + KIND_BITS == u64::BITS);
};

/// The key of a version.
pub(super) fn sort_key(version: &Version) -> u64 {
    let mut key = Key {
        bits: 0,
        left: u64::BITS,
    };
    if !key.push(version.epoch(), EPOCH_BITS) {
        return key.filled();
    }
    let release = version.release();
    for (place, width) in RELEASE_BITS.into_iter().enumerate() {
        // `1.0` is `1.0.0`.
        let number = release.get(place).copied().unwrap_or(0);
        if !key.push(number, width) {
            return key.filled();
        }
    }
    let mut further = release.iter().skip(RELEASE_BITS.len());
    let kind = if further.any(|number| *number > 0) {
        LONGER
    } else {
        kind_of(version)
    };
    key.push(kind, KIND_BITS);
    key.bits
}

/// The kinds of versions of one release, in their order.
fn kind_of(version: &Version) -> u64 {
    match version.pre().map(|pre| pre.kind) {
        _ if version.min().is_some() => 0,
        Some(PrereleaseKind::Alpha) => 2,
        Some(PrereleaseKind::Beta) => 3,
        Some(PrereleaseKind::Rc) => 4,
        None if version.post().is_some() || version.max().is_some() => 6,
        None if version.dev().is_some() => 1,
        None => 5,
    }
}

/// A key that is put together from its highest bits to its lowest.
struct Key {
    bits: u64,
    /// How many bits are not set yet.
    left: u32,
}

impl Key {
    /// Adds a number. If it is too large, its bits are set and this returns false: what follows may
    /// not count then, or it would decide between two numbers that look alike.
    fn push(&mut self, number: u64, width: u32) -> bool {
        let most = (1 << width) - 1;
        self.left -= width;
        self.bits |= number.min(most) << self.left;
        number < most
    }

    /// The key with all remaining bits set.
    fn filled(&self) -> u64 {
        self.bits | ((1 << self.left) - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::super::Version;

    fn versions() -> impl Strategy<Value = String> {
        let number = "([0-2]|25[4-6]|409[4-6]|1638[2-4]|33554430|33554431|33554432|20240101)";
        let release = format!("([1-5]!)?{number}(\\.{number}){{0,5}}");
        let rest = "((a|b|rc)[01])?(\\.post[01])?(\\.dev[01])?(\\+[ab])?";
        proptest::string::string_regex(&(release + rest)).expect("an expression")
    }

    proptest! {
        #[test]
        fn keys_are_in_the_order_of_versions(one in versions(), other in versions()) {
            let read = |text: &str| Version::parse(text).expect("a version");
            let (one, other) = (read(&one), read(&other));
            let ends = |version: &Version| {
                let (first, last) = version.interval();
                [first, last].map(|end| match end {
                    std::ops::Bound::Included(end) | std::ops::Bound::Excluded(end) => end,
                    std::ops::Bound::Unbounded => version.clone(),
                })
            };
            for a in ends(&one) {
                for b in ends(&other) {
                    let by_key = a.key.cmp(&b.key);
                    let by_parts = a.parsed().cmp(b.parsed());
                    let is_right = by_key == Ordering::Equal || by_key == by_parts;
                    prop_assert!(is_right, "{:?} {:?}", a.parsed(), b.parsed());
                    prop_assert_eq!(a.cmp(&b), by_parts);
                    prop_assert_eq!(a == b, by_parts == Ordering::Equal);
                }
            }
        }
    }

    #[test]
    fn common_versions_have_keys_of_their_own() {
        let keys = [
            "1.0.dev1",
            "1.0a1",
            "1.0b1",
            "1.0rc1",
            "1.0",
            "1.0.post1",
            "1.0.1",
            "2024.1",
        ];
        let keys = keys.map(|text| Version::parse(text).expect("a version").key);
        assert!(keys.is_sorted_by(|one, next| one < next), "{keys:?}");
    }
}

//! Merging of sources that name the same wheel.
//!
//! Input: sources in order. Output: each wheel once, at its first position. Invariants: every
//! promise about a wheel is kept; two files of one name are merged only if they have the same
//! location, or are pinned to the same hash. Limits: two wheels of one project are refused later,
//! when the installation is planned.

use std::collections::HashMap;

use super::{DirectReference, Location, Source};
use crate::fs;

/// The sources without those that name a wheel again.
pub fn merged(sources: Vec<Source>) -> Vec<Source> {
    let mut kept: Vec<Source> = Vec::with_capacity(sources.len());
    let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
    for source in sources {
        let known = by_name.entry(source.file_name.clone()).or_default();
        if let Some(&number) = known.iter().find(|&&number| kept[number].is_also(&source)) {
            kept[number].take_in(source);
        } else {
            known.push(kept.len());
            kept.push(source);
        }
    }
    kept
}

impl Source {
    /// Whether both are the same wheel, and their promises agree.
    fn is_also(&self, other: &Self) -> bool {
        let sizes = self
            .size
            .zip(other.size)
            .is_none_or(|(mine, theirs)| mine == theirs);
        sizes && (is_one_place(&self.location, &other.location) || self.shares_a_hash(other))
    }

    fn shares_a_hash(&self, other: &Self) -> bool {
        // A list of alternatives proves nothing: all wheels of a release may have the same list.
        let theirs = other.pinned.certain();
        self.pinned
            .certain()
            .iter()
            .any(|digest| theirs.contains(digest))
    }

    /// Adds the promises of `other`. The stronger direct reference decides the location, since
    /// direct_url.json records it.
    fn take_in(&mut self, other: Self) {
        self.pinned = std::mem::take(&mut self.pinned).and(other.pinned);
        self.size = self.size.or(other.size);
        self.requested |= other.requested;
        if directness(&other.direct_reference) > directness(&self.direct_reference) {
            (self.location, self.direct_reference) = (other.location, other.direct_reference);
        }
    }
}

fn directness(reference: &DirectReference) -> u8 {
    match reference {
        DirectReference::Never => 0,
        DirectReference::IfAsked => 1,
        DirectReference::Always => 2,
        DirectReference::Written(_) => 3,
    }
}

/// Whether both are the same file. Errors are ignored: opening the file reports them.
fn is_one_place(one: &Location, other: &Location) -> bool {
    // Links and `.` give one file many paths; its device and inode identify it.
    let identity = |location: &Location| {
        let stat = fs::stat(location.path()?).ok().flatten()?;
        Some((stat.device, stat.inode))
    };
    one == other || identity(one).is_some_and(|one| identity(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Algorithm, Digest};
    use crate::source::Pins;

    fn at(url: &str) -> Source {
        Source::from_location(Location::from_url(url).unwrap().0)
    }

    fn pinned(url: &str, all: &[&[u8]], any: &[&[u8]]) -> Source {
        let digests = |contents: &[&[u8]]| {
            contents
                .iter()
                .map(|content| Digest::of(Algorithm::Sha256, content))
                .collect()
        };
        Source {
            pinned: Pins::all_of(digests(all)).and_one_of(digests(any)),
            ..at(url)
        }
    }

    const ONE: &str = "https://example.com/one/a-1-py3-none-any.whl";
    const TWO: &str = "https://example.com/two/a-1-py3-none-any.whl";

    #[test]
    fn one_wheel_is_known_by_its_place_or_by_a_hash() {
        for (sources, expected) in [
            (vec![at(ONE), at(ONE)], 1),
            (vec![at(ONE), at(TWO)], 2),
            (
                vec![at(ONE), at("https://example.com/one/b-1-py3-none-any.whl")],
                2,
            ),
            (
                vec![pinned(ONE, &[b"x"], &[]), pinned(TWO, &[b"x"], &[])],
                1,
            ),
            (
                vec![pinned(ONE, &[b"x"], &[]), pinned(TWO, &[], &[b"x"])],
                1,
            ),
            (
                vec![pinned(ONE, &[b"x"], &[]), pinned(TWO, &[], &[b"x", b"y"])],
                2,
            ),
            (
                vec![pinned(ONE, &[b"x"], &[]), pinned(TWO, &[b"y"], &[])],
                2,
            ),
            (
                vec![
                    pinned(ONE, &[], &[b"x", b"y"]),
                    pinned(ONE, &[], &[b"y", b"x"]),
                ],
                1,
            ),
            (
                vec![pinned(ONE, &[], &[b"x", b"y"]), pinned(ONE, &[], &[b"x"])],
                1,
            ),
            (
                vec![
                    pinned(ONE, &[], &[b"x", b"y"]),
                    pinned(TWO, &[], &[b"x", b"y"]),
                ],
                2,
            ),
            (
                vec![
                    Source {
                        size: Some(1),
                        ..at(ONE)
                    },
                    Source {
                        size: Some(2),
                        ..at(ONE)
                    },
                ],
                2,
            ),
        ] {
            assert_eq!(merged(sources.clone()).len(), expected, "{sources:?}");
        }
    }

    #[test]
    fn nothing_that_was_said_of_it_is_lost() {
        let first = Source {
            direct_reference: DirectReference::Never,
            ..pinned(ONE, &[b"x"], &[])
        };
        let second = Source {
            requested: true,
            size: Some(7),
            direct_reference: DirectReference::Always,
            ..pinned(TWO, &[b"x", b"y"], &[b"z", b"x"])
        };
        let found = merged(vec![
            first.clone(),
            at("https://example.com/b-1-py3-none-any.whl"),
            second.clone(),
            first,
        ]);
        let [one, _] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(one.label(), TWO);
        assert_eq!(
            (one.requested, one.size, &one.direct_reference),
            (true, Some(7), &DirectReference::Always)
        );
        assert_eq!(one.pinned, second.pinned);
    }
}

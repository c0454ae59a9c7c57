//! The hashes that a wheel is pinned to.
//!
//! Input: digests that must all match, and lists of which one digest must match. Output: whether
//! the digests of a file satisfy them. Invariants: every pin is checked; each algorithm is computed
//! once.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::{Algorithm, Digest};
use crate::error::{Result, SourceFault};

/// The promised digests of a wheel; none by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pins {
    /// The wheel has all of them: they are digests of this one file.
    pub all: Vec<Digest>,
    /// The wheel has one of each list: a list has the digests of all files of a release. No list is
    /// empty.
    pub any: Vec<Vec<Digest>>,
}

impl Pins {
    /// Pins to digests of one file.
    pub fn all_of(digests: Vec<Digest>) -> Self {
        Self {
            all: digests,
            any: Vec::new(),
        }
    }

    /// Adds the promise that the wheel has one of `digests`, if there are any.
    #[must_use]
    pub fn and_one_of(mut self, digests: Vec<Digest>) -> Self {
        if !digests.is_empty() && !self.any.contains(&digests) {
            self.any.push(digests);
        }
        self
    }

    /// Adds the promises of `other`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        for digest in other.all {
            if !self.all.contains(&digest) {
                self.all.push(digest);
            }
        }
        other.any.into_iter().fold(self, Self::and_one_of)
    }

    /// Whether nothing was promised.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.any.is_empty()
    }

    /// The digests that the wheel must have: those of this file, and those that are alone in their
    /// list.
    pub fn certain(&self) -> Vec<Digest> {
        let mut certain = self.all.clone();
        for list in &self.any {
            certain.extend(
                list.first()
                    .filter(|only| list.len() == 1 && !self.all.contains(only)),
            );
        }
        certain
    }

    /// Whether a file with these digests, which may not be all of its digests, is one that is
    /// promised; `None` if they do not tell.
    pub fn agree_with(&self, digests: &[Digest]) -> Option<bool> {
        let of = |pinned: &Digest| Digest::among(digests, pinned.algorithm());
        let mut known = true;
        for pinned in &self.all {
            match of(pinned) {
                Some(own) if own != *pinned => return Some(false),
                Some(_) => {}
                None => known = false,
            }
        }
        for list in &self.any {
            if list.iter().any(|pinned| of(pinned) == Some(*pinned)) {
                continue;
            }
            if list.iter().all(|pinned| of(pinned).is_some()) {
                return Some(false);
            }
            known = false;
        }
        known.then_some(true)
    }

    /// The algorithms that [`check`](Self::check) asks for.
    pub fn algorithms(&self) -> BTreeSet<Algorithm> {
        self.all
            .iter()
            .chain(self.any.iter().flatten())
            .map(Digest::algorithm)
            .collect()
    }

    /// Compares the pins with the digests that `digest` computes; returns the difference.
    ///
    /// # Errors
    /// If `digest` fails.
    pub fn check(
        &self,
        mut digest: impl FnMut(Algorithm) -> Result<Digest>,
    ) -> Result<Option<SourceFault>> {
        let mut known: BTreeMap<Algorithm, Digest> = BTreeMap::new();
        for algorithm in self.algorithms() {
            known.insert(algorithm, digest(algorithm)?);
        }
        let holds = |pinned: &Digest| known.get(&pinned.algorithm()) == Some(pinned);
        let failed = self
            .any
            .iter()
            .find(|list| !list.iter().any(holds))
            .map(Vec::as_slice);
        // The pins of this one file go first, as their message names the expected digest.
        let only = match (self.all.iter().find(|pinned| !holds(pinned)), failed) {
            (Some(pinned), _) | (None, Some([pinned])) => pinned,
            (None, Some([first, ..])) => {
                let (allowed, actual) = (
                    failed.map_or(0, <[_]>::len),
                    Box::new(known[&first.algorithm()]),
                );
                return Ok(Some(SourceFault::NoneOfDigests { allowed, actual }));
            }
            (None, Some([]) | None) => return Ok(None),
        };
        Ok(Some(SourceFault::Digest {
            pinned: Box::new(*only),
            actual: Box::new(known[&only.algorithm()]),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(all: &[Digest], any: &[Digest]) -> Option<String> {
        fault_of(&Pins::all_of(all.to_vec()).and_one_of(any.to_vec()))
    }

    fn fault_of(pins: &Pins) -> Option<String> {
        let mut asked = Vec::new();
        let fault = pins.check(|algorithm| {
            asked.push(algorithm);
            Ok(Digest::of(algorithm, b"here"))
        });
        assert_eq!(asked, pins.algorithms().into_iter().collect::<Vec<_>>());
        fault.unwrap().map(|fault| fault.to_string())
    }

    #[test]
    fn recorded_digests_agree_contradict_or_say_nothing() {
        let good = Digest::of(Algorithm::Sha256, b"here");
        let bad = Digest::of(Algorithm::Sha256, b"there");
        let long = Digest::of(Algorithm::Sha512, b"here");
        let agree = |all: &[Digest], any: &[Digest], own: &[Digest]| {
            Pins::all_of(all.to_vec())
                .and_one_of(any.to_vec())
                .agree_with(own)
        };
        assert_eq!(agree(&[good], &[], &[good]), Some(true));
        assert_eq!(agree(&[good], &[], &[bad]), Some(false));
        assert_eq!(agree(&[long], &[], &[good]), None);
        assert_eq!(agree(&[good, long], &[], &[bad]), Some(false));
        assert_eq!(agree(&[], &[bad, good], &[good]), Some(true));
        assert_eq!(agree(&[], &[bad], &[good]), Some(false));
        assert_eq!(agree(&[], &[bad, long], &[good]), None);
        assert_eq!(agree(&[], &[], &[good]), Some(true));
    }

    #[test]
    fn c70_c74_all_of_one_file_and_one_of_a_release_have_to_hold() {
        let good = Digest::of(Algorithm::Sha256, b"here");
        let bad = Digest::of(Algorithm::Sha256, b"there");
        let long = Digest::of(Algorithm::Sha512, b"here");
        let long_bad = Digest::of(Algorithm::Sha512, b"there");
        for (all, any) in [
            (&[][..], &[][..]),
            (&[good, long], &[]),
            (&[], &[bad, good]),
            (&[], &[long_bad, bad, long]),
            (&[good], &[bad, long]),
        ] {
            assert_eq!(fault(all, any), None, "{all:?} {any:?}");
        }
        let one = format!(
            "the archive has sha256={}, it was pinned to sha256={}",
            good.to_hex(),
            bad.to_hex()
        );
        assert_eq!(fault(&[good, bad], &[]).as_deref(), Some(one.as_str()));
        assert_eq!(fault(&[], &[bad]).as_deref(), Some(one.as_str()));
        assert_eq!(fault(&[bad], &[good]).as_deref(), Some(one.as_str()));
        let several = format!(
            "the archive has sha256={}, which is none of the 2 hashes that it may have",
            good.to_hex()
        );
        assert_eq!(
            fault(&[good], &[bad, long_bad]).as_deref(),
            Some(several.as_str())
        );
        assert!(fault(&[long_bad], &[]).unwrap().contains("sha512="));
        let certain = |all: &[Digest], any: &[Digest]| {
            Pins::all_of(all.to_vec())
                .and_one_of(any.to_vec())
                .certain()
        };
        assert_eq!(certain(&[good], &[long]), [good, long]);
        assert_eq!(certain(&[good], &[good]), [good]);
        assert_eq!(certain(&[], &[good, long]), []);

        // Two texts list hashes of one release: the wheel must have one of each list.
        let two = |one: &[Digest], other: &[Digest]| {
            Pins::default()
                .and_one_of(one.to_vec())
                .and(Pins::default().and_one_of(other.to_vec()))
        };
        assert_eq!(fault_of(&two(&[good, bad], &[long_bad, good])), None);
        assert_eq!(
            fault_of(&two(&[good, bad], &[bad])).as_deref(),
            Some(one.as_str())
        );
        assert_eq!(
            fault_of(&two(&[bad, long_bad], &[good])).as_deref(),
            Some(several.as_str())
        );
        assert_eq!(
            (
                two(&[good, bad], &[good, bad]).any.len(),
                two(&[good], &[long]).certain()
            ),
            (1, vec![good, long])
        );
    }
}

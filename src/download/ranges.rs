//! Byte ranges: which bytes of a file are present, and which bytes a request asks for.
//!
//! Input: ranges in any order. Output: [`Ranges`], which knows what is covered and what is missing,
//! and [`Part`], the subject of one request. Invariant: the ranges of a set are sorted, not empty,
//! and neither overlap nor touch.

use std::ops::Range;

/// The part of a file that one request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it, by a request without `Range`, which every server understands.
    Whole,
    /// The file's length and its last bytes, this many.
    Tail(u64),
    /// The file's length and its first bytes, this many.
    Beginning(u64),
    /// Exactly these bytes, by the only connection that works on the file. It may also take the
    /// whole file if the server sends that.
    Range(Range<u64>),
    /// These bytes, which the scheduler may divide among several connections at once.
    Share(Range<u64>),
}

impl Part {
    /// These bytes of a file of this length, by the only connection that works on it.
    pub(super) fn alone(bytes: Range<u64>, total: u64) -> Self {
        // The request for all bytes is the plain one, which every server understands.
        if bytes == (0..total) {
            Self::Whole
        } else {
            Self::Range(bytes)
        }
    }

    /// The value of the `Range` header (RFC 9110, 14.2).
    pub(super) fn header(&self) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Tail(length) => Some(format!("bytes=-{length}")),
            Self::Beginning(length) => Some(format!("bytes=0-{}", length - 1)),
            Self::Range(range) | Self::Share(range) => {
                Some(format!("bytes={}-{}", range.start, range.end - 1))
            }
        }
    }

    /// How many bytes the answer has, if that is known.
    pub(super) fn length(&self) -> Option<u64> {
        match self {
            Self::Whole => None,
            Self::Tail(length) | Self::Beginning(length) => Some(*length),
            Self::Range(range) | Self::Share(range) => Some(range.end - range.start),
        }
    }
}

/// The bytes that are present.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges(Vec<Range<u64>>);

impl Ranges {
    /// Adds a range, joined with those that it overlaps or touches.
    pub(super) fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        // Ranges that only touch are joined too, or the list would grow with every piece.
        let first = self.0.partition_point(|held| held.end < range.start);
        let last = self.0.partition_point(|held| held.start <= range.end);
        let joined = self.0[first..last].iter().fold(range, |all, held| {
            all.start.min(held.start)..all.end.max(held.end)
        });
        self.0.splice(first..last, [joined]);
    }

    /// The missing ranges of `within`, in order.
    pub(super) fn gaps(&self, within: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut at = within.start;
        for held in self
            .0
            .iter()
            .filter(|held| held.end > within.start && held.start < within.end)
        {
            if held.start > at {
                gaps.push(at..held.start);
            }
            at = held.end;
        }
        if at < within.end {
            gaps.push(at..within.end);
        }
        gaps
    }

    /// Whether all of `range` is present.
    pub(super) fn covers(&self, range: Range<u64>) -> bool {
        self.gaps(range).is_empty()
    }

    /// How many bytes are present.
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|held| held.end - held.start).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_where_they_touch_and_gaps_are_what_is_left() {
        let mut ranges = Ranges::default();
        for (range, expected) in [
            (10..20, "10..20"),
            (30..40, "10..20 30..40"),
            (20..22, "10..22 30..40"),
            (5..5, "10..22 30..40"),
            (0..10, "0..22 30..40"),
            (21..31, "0..40"),
            (50..60, "0..40 50..60"),
            (45..48, "0..40 45..48 50..60"),
            (41..70, "0..40 41..70"),
        ] {
            ranges.add(range.clone());
            let held: Vec<_> = ranges.0.iter().map(|held| format!("{held:?}")).collect();
            assert_eq!(held.join(" "), expected, "after {range:?}");
        }
        assert_eq!(ranges.count(), 69);
        assert_eq!(ranges.gaps(0..80), [40..41, 70..80]);
        assert_eq!(ranges.gaps(39..42), [40..41; 1]);
        assert!(ranges.covers(3..40) && !ranges.covers(3..41) && ranges.covers(80..80));
    }
}

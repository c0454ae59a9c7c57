//! The head of a server's answer: status, length, range, and what tells one state of the file from
//! another.
//!
//! Input: a response whose body was not read. Output: its fields, read strictly; a field that makes
//! no sense is absent.

use std::io::Read;
use std::ops::Range;

use super::date;

/// How much younger than an answer a date of change must be, at least, to stand for one state of
/// the file only.
const SETTLED: u64 = 60;

/// An answer, its body still to be read.
pub(super) struct Answer {
    pub(super) status: u16,
    response: ureq::http::Response<ureq::Body>,
}

/// Which bytes an answer holds (RFC 9110, 14.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContentRange {
    /// The bytes; none where the range that was asked for cannot be had.
    pub(super) range: Option<Range<u64>>,
    /// The length of the whole.
    pub(super) total: Option<u64>,
}

impl Answer {
    pub(super) fn new(response: ureq::http::Response<ureq::Body>) -> Self {
        Self {
            status: response.status().as_u16(),
            response,
        }
    }

    /// The value of a header, where it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The length of the body as it is promised.
    pub(super) fn length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    pub(super) fn content_range(&self) -> Option<ContentRange> {
        read_content_range(self.header("content-range")?)
    }

    /// The encoding of the body, where it is not the file itself.
    pub(super) fn encoding(&self) -> Option<&str> {
        self.header("content-encoding")
            .filter(|encoding| !matches!(encoding.trim(), "" | "identity"))
    }

    /// What tells this state of the file from others, and whether it stands for the very bytes (RFC
    /// 9110, 8.8).
    pub(super) fn tag(&self) -> (Option<String>, bool) {
        if let Some(tag) = self.header("etag").map(str::trim) {
            let strong = tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"');
            return (Some(tag.to_owned()), strong);
        }
        let Some(changed) = self.header("last-modified").map(str::trim) else {
            return (None, false);
        };
        let age = date::parse(changed)
            .zip(self.header("date").and_then(date::parse))
            .and_then(|(changed, now)| now.checked_sub(changed));
        (
            Some(changed.to_owned()),
            age.is_some_and(|age| age >= SETTLED),
        )
    }

    /// The body.
    pub(super) fn into_body(self) -> impl Read {
        self.response
            .into_body()
            .into_with_config()
            .limit(u64::MAX)
            .reader()
    }
}

fn read_content_range(text: &str) -> Option<ContentRange> {
    let (range, total) = text.trim().strip_prefix("bytes ")?.trim().split_once('/')?;
    let total = if total == "*" {
        None
    } else {
        Some(total.parse().ok()?)
    };
    if range == "*" {
        return Some(ContentRange { range: None, total });
    }
    let (first, last) = range.split_once('-')?;
    let range = first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?;
    let sound = !range.is_empty() && total.is_none_or(|total| range.end <= total);
    sound.then_some(ContentRange {
        range: Some(range),
        total,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_strictly() {
        let read = |text| read_content_range(text).map(|found| (found.range, found.total));
        assert_eq!(read("bytes 0-9/10"), Some((Some(0..10), Some(10))));
        assert_eq!(read("bytes 3-4/*"), Some((Some(3..5), None)));
        assert_eq!(read("bytes */7"), Some((None, Some(7))));
        for text in [
            "",
            "bytes",
            "bytes 4-3/9",
            "bytes 0-9/9",
            "items 0-1/2",
            "bytes 0-18446744073709551615/*",
            "bytes a-b/c",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

//! The head of a server's answer: status, length, range, validators, dates.
//!
//! Input: a response whose body was not read. Output: its fields, read strictly; a malformed field
//! counts as absent.

use std::io::Read;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use url::Url;

/// How much older than the answer the date of the last change must be to identify the content: the
/// date has a resolution of one second, and a file may change twice in one (RFC 9110, 8.8.2.2).
const SETTLED: Duration = Duration::from_secs(60);

/// The headers of an answer.
pub(super) type HeaderFields = ureq::http::HeaderMap;

/// An answer whose body is still to be read.
pub(super) struct Response {
    /// The address that answered, after all redirects.
    pub(super) url: Url,
    pub(super) status: u16,
    response: ureq::http::Response<ureq::Body>,
}

/// Which bytes an answer holds (RFC 9110, 14.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContentRange {
    /// The bytes; `None` if the range that was asked for does not exist.
    pub(super) range: Option<Range<u64>>,
    /// The length of the whole file.
    pub(super) total: Option<u64>,
}

/// An entity tag or the date of the last change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Validator {
    /// The header's value; `None` if the server sends neither.
    pub(super) tag: Option<String>,
    /// Whether equal tags mean equal bytes.
    pub(super) strong: bool,
}

impl Response {
    pub(super) fn new(url: Url, response: ureq::http::Response<ureq::Body>) -> Self {
        Self {
            url,
            status: response.status().as_u16(),
            response,
        }
    }

    /// The value of a header, if it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The length of the body that the server promises.
    pub(super) fn length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// The value of `Content-Range`.
    pub(super) fn content_range(&self) -> Option<ContentRange> {
        read_content_range(self.header("content-range")?)
    }

    /// The coding that the body is compressed with, if any.
    pub(super) fn coding(&self) -> Option<&'static str> {
        let fields = self.response.headers().get_all("content-encoding");
        fields
            .iter()
            .filter_map(|value| value.to_str().ok())
            .find_map(coding_in)
    }

    /// The identity of the file's present version (RFC 9110, 8.8).
    pub(super) fn validator(&self) -> Validator {
        if let Some(tag) = self.header("etag").map(str::trim) {
            // A weak tag begins with `W/`; one without quotes breaks the RFC and counts as weak.
            let strong = tag.len() >= 2 && tag.starts_with('"') && tag.ends_with('"');
            let tag = Some(tag.to_owned());
            return Validator { tag, strong };
        }
        let Some(changed) = self.header("last-modified").map(str::trim) else {
            return Validator::default();
        };
        // Both dates are the server's: the local clock may be wrong.
        let age = date(changed)
            .zip(self.date())
            .and_then(|(changed, now)| now.duration_since(changed).ok());
        Validator {
            tag: Some(changed.to_owned()),
            strong: age.is_some_and(|age| age >= SETTLED),
        }
    }

    /// The server's own clock.
    fn date(&self) -> Option<SystemTime> {
        self.header("date").and_then(date)
    }

    /// How long the server asks to wait, in seconds or until a date by its own clock (RFC 9110,
    /// 10.2.3).
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let text = self.header("retry-after")?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let (until, now) = (date(text)?, self.date()?);
        Some(until.duration_since(now).unwrap_or(Duration::ZERO))
    }

    /// The headers, and the body without a limit of its length.
    pub(super) fn into_parts(self) -> (HeaderFields, impl Read) {
        let (head, body) = self.response.into_parts();
        let body = body.into_with_config().limit(u64::MAX).reader();
        (head.headers, body)
    }
}

/// The codings that change a body (the registry of RFC 9110, 16.6.1).
const CODINGS: [&str; 10] = [
    "aes128gcm",
    "br",
    "compress",
    "dcb",
    "dcz",
    "deflate",
    "exi",
    "gzip",
    "pack200-gzip",
    "zstd",
];

/// The first real coding in a value of `Content-Encoding`. Servers also write labels that are none,
/// such as `identity`, `aws-chunked`, `binary` or a character set; their bodies are unchanged.
fn coding_in(value: &str) -> Option<&'static str> {
    let names = value.split(',').map(str::trim);
    let known = |name: &str| {
        let bare = name.strip_prefix("x-").unwrap_or(name);
        CODINGS.into_iter().find(|coding| *coding == bare)
    };
    names
        .map(str::to_ascii_lowercase)
        .find_map(|name| known(&name))
}

/// A date in a header, in any of the forms that recipients must accept (RFC 9110, 5.6.7).
fn date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text.trim()).ok()
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
    // The header has the last position, so the greatest number has no end in 64 bits.
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

    #[test]
    fn only_codings_that_change_a_body_count() {
        for (value, expected) in [
            ("", None),
            ("identity", None),
            (" Identity ", None),
            ("aws-chunked", None),
            ("none", None),
            ("binary", None),
            ("UTF-8", None),
            ("utf-8, identity", None),
            ("GZip", Some("gzip")),
            ("x-gzip", Some("gzip")),
            ("X-Compress", Some("compress")),
            ("aws-chunked, gzip", Some("gzip")),
            ("identity,br", Some("br")),
            ("zstd", Some("zstd")),
        ] {
            assert_eq!(coding_in(value), expected, "{value}");
        }
    }

    #[test]
    fn dates_are_read_in_every_form_that_recipients_must_accept() {
        let read = |text| {
            let since = date(text)?.duration_since(SystemTime::UNIX_EPOCH);
            since.ok().map(|since| since.as_secs())
        };
        for (text, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            (" Sun, 06 Nov 1994 08:49:37 GMT ", Some(784_111_777)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thu, 29 Feb 2024 12:00:00 GMT", Some(1_709_208_000)),
            ("", None),
            ("120", None),
            ("Sun, 06 Nov 1994 08:49:37", None),
            ("Sun, 06 Foo 1994 1:2:3 GMT", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}

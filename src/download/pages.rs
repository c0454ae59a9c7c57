//! Pages and metadata files that are kept between commands.
//!
//! The content is the decompressed body, or a shorter form that the caller makes of it.
//!
//! Input: the address of a resource, and an answer to keep. Output: the answer that was kept last,
//! and whether it may be used without asking the server (RFC 9111, 4.2). Invariants: a file is
//! replaced by a rename, so readers see an old or a new one; a damaged file counts as absent.
//! Limits: `Vary` is not looked at, because every request for an address is made with the same
//! headers; failures to write are dropped, as the next command then only asks again.
//!
//! ```text
//! CACHE/pages/KEY     the content, a line feed, a line of JSON (the head), MAGIC
//! ```
//!
//! The head comes last, so that cutting it off leaves the content where it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use url::Url;

use super::response::HeaderFields;
use crate::digest::{Algorithm, Digest};
use crate::fs::CacheDir;

/// The last line of a file. A later version of the format gets another one.
const MAGIC: &[u8] = b"pkg-install page 2\n";

/// The most bytes of a file that are read: the longest page and its head.
const MOST_BYTES: u64 = (1 << 26) + (1 << 16);

/// How the answer for an address may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Not at all.
    Never,
    /// As long as the server allows; then it is asked whether the answer has changed.
    UntilStale,
    /// For ever: the caller knows what the content must be, or it never changes.
    Forever,
}

/// An answer that was kept.
#[derive(Debug, Clone)]
pub(super) struct KeptPage {
    head: PageHead,
    pub(super) body: Vec<u8>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct PageHead {
    /// The address that answered, after all redirects, without credentials.
    url: String,
    content_type: Option<String>,
    etag: Option<String>,
    last_modified: Option<String>,
    /// When the answer came, in seconds since 1970.
    stored: u64,
    /// For how many seconds it may be used.
    max_age: u64,
    /// The caller's name for the form of the content; `None` for the body as it came.
    form: Option<String>,
    /// The length and the CRC-32 of the content: a crash can leave zeros or half a file.
    length: u64,
    crc: u32,
}

impl KeptPage {
    /// An answer with these headers.
    pub(super) fn new(url: &Url, fields: &HeaderFields, body: Vec<u8>) -> Self {
        let text = |name: &str| Some(fields.get(name)?.to_str().ok()?.to_owned());
        let head = PageHead {
            url: super::label_of(url),
            content_type: text("content-type"),
            etag: text("etag"),
            last_modified: text("last-modified"),
            stored: now(),
            max_age: max_age(text("cache-control").as_deref().unwrap_or_default()),
            form: None,
            length: 0,
            crc: 0,
        };
        Self { head, body }
    }

    /// A content that is no answer, in a form of this name.
    pub(super) fn of_content(form: &str, content: Vec<u8>) -> Self {
        let head = PageHead {
            url: String::new(),
            content_type: None,
            etag: None,
            last_modified: None,
            stored: now(),
            max_age: 0,
            form: Some(form.to_owned()),
            length: 0,
            crc: 0,
        };
        Self {
            head,
            body: content,
        }
    }

    /// The same answer with another content, in a form of this name.
    pub(super) fn in_form(mut self, form: &str, content: Vec<u8>) -> Self {
        self.head.form = Some(form.to_owned());
        self.body = content;
        self
    }

    /// Whether the content is in this form.
    pub(super) fn has_form(&self, form: Option<&str>) -> bool {
        self.head.form.as_deref() == form
    }

    /// The same answer, confirmed by a new one without a body (status 304).
    pub(super) fn confirmed(mut self, fields: &HeaderFields) -> Self {
        self.head.stored = now();
        if let Some(control) = fields
            .get("cache-control")
            .and_then(|value| value.to_str().ok())
        {
            self.head.max_age = max_age(control);
        }
        self
    }

    /// Whether it may be used without asking the server.
    pub(super) fn is_fresh(&self) -> bool {
        // A clock that was set back makes the age unknown.
        (now().checked_sub(self.head.stored)).is_some_and(|age| age < self.head.max_age)
    }

    /// The address that answered.
    pub(super) fn url(&self) -> Option<Url> {
        Url::parse(&self.head.url).ok()
    }

    /// The value of `Content-Type`.
    pub(super) fn content_type(&self) -> Option<&str> {
        self.head.content_type.as_deref()
    }

    /// The headers that ask whether the answer has changed; none if the server gave no validator.
    pub(super) fn conditions(&self) -> Vec<(&'static str, String)> {
        match (&self.head.etag, &self.head.last_modified) {
            // RFC 9110, 13.1.3: with an entity tag the date would be ignored.
            (Some(tag), _) => vec![("If-None-Match", tag.clone())],
            (None, Some(date)) => vec![("If-Modified-Since", date.clone())],
            (None, None) => Vec::new(),
        }
    }
}

/// The kept pages of a cache.
pub(super) struct Pages {
    /// `None` if nothing is kept between commands.
    directory: Option<CacheDir>,
    /// Whether the server is always asked.
    pub(super) refresh: bool,
}

impl Pages {
    pub(super) fn new(directory: Option<CacheDir>, refresh: bool) -> Self {
        Self { directory, refresh }
    }

    /// What was kept for an address, if it is whole.
    pub(super) fn read(&self, label: &str) -> Option<KeptPage> {
        let directory = self.directory.as_ref()?;
        let mut content = directory.read(&key(label), MOST_BYTES).ok()??;
        let rest = content.strip_suffix(MAGIC)?.strip_suffix(b"\n")?;
        let end = rest.iter().rposition(|byte| *byte == b'\n')?;
        let head: PageHead = serde_json::from_slice(&rest[end + 1..]).ok()?;
        content.truncate(end);
        let is_whole = content.len() as u64 == head.length && crc32fast::hash(&content) == head.crc;
        is_whole.then_some(KeptPage {
            head,
            body: content,
        })
    }

    /// Keeps an answer; a failure is dropped.
    pub(super) fn write(&self, label: &str, page: &KeptPage) {
        if let Some(directory) = &self.directory {
            let head = PageHead {
                length: page.body.len() as u64,
                crc: crc32fast::hash(&page.body),
                ..page.head.clone()
            };
            let head = serde_json::to_vec(&head).expect("strings and numbers are always written");
            // A full disk or a missing permission only makes the next command ask again.
            let _ = directory.write(&key(label), &[&page.body, b"\n", &head, b"\n", MAGIC]);
        }
    }
}

/// The name of the file for an address.
fn key(label: &str) -> String {
    let mut key = Digest::of(Algorithm::Sha256, label.as_bytes()).to_hex();
    // 128 bits tell all addresses apart.
    key.truncate(32);
    key
}

/// For how many seconds an answer may be used (RFC 9111, 5.2.2); 0 if nothing is said.
fn max_age(control: &str) -> u64 {
    let mut seconds = 0;
    for directive in control.split(',') {
        let directive = directive.trim().to_ascii_lowercase();
        if matches!(directive.as_str(), "no-store" | "no-cache") {
            return 0;
        }
        let value = directive
            .strip_prefix("max-age=")
            .map(|text| text.trim_matches('"'));
        if let Some(Ok(value)) = value.map(str::parse) {
            seconds = value;
        }
    }
    seconds
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // A clock before 1970 makes every kept page stale.
    since.map_or(0, |since: Duration| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_age_is_read_from_cache_control() {
        for (control, expected) in [
            ("max-age=600, public", 600),
            ("public, Max-Age=\"60\"", 60),
            ("no-store, max-age=600", 0),
            ("max-age=600, no-cache", 0),
            ("s-maxage=9", 0),
            ("max-age=-1", 0),
            ("", 0),
        ] {
            assert_eq!(max_age(control), expected, "{control}");
        }
    }

    #[test]
    fn a_damaged_page_counts_as_absent() {
        let cache = tempfile::tempdir().expect("a directory");
        let directory =
            CacheDir::make(&crate::fs::Fs::default(), cache.path()).expect("it is there");
        let pages = Pages::new(Some(directory), false);
        let url = Url::parse("https://h.example/simple/a/").expect("a URL");
        let mut fields = HeaderFields::new();
        fields.insert("etag", "\"1\"".parse().expect("a value"));
        fields.insert("cache-control", "max-age=9".parse().expect("a value"));
        pages.write("a", &KeptPage::new(&url, &fields, b"text\n".to_vec()));
        let found = pages.read("a").expect("it was kept");
        assert_eq!((&found.body[..], found.url()), (&b"text\n"[..], Some(url)));
        assert!(found.is_fresh() && found.conditions()[0].1 == "\"1\"");
        assert!(pages.read("b").is_none());
        let path = cache.path().join(key("a"));
        let whole = std::fs::read(&path).expect("it is there");
        for content in [&whole[..whole.len() - 1], &whole[1..], b""] {
            std::fs::write(&path, content).expect("it is writable");
            assert!(pages.read("a").is_none());
        }
        let mut zeros = whole;
        zeros[2] = 0;
        std::fs::write(&path, zeros).expect("it is writable");
        assert!(pages.read("a").is_none());
    }
}

//! `direct_url.json`: the location that a project was installed from.
//!
//! Input: the path or URL of a wheel and its digests, or the file of an installed project. Output:
//! JSON, or a [`RecordedOrigin`]. Invariants: equal inputs make equal bytes; no credentials are
//! written. Limits: only archives are written. An installation report has its own description of a
//! direct reference, which is written unchanged.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use serde::{Deserialize, Serialize};

use super::location::{Location, without_credentials};
use crate::digest::{Algorithm, Digest};

/// The bytes that Python's `urllib.parse.quote` escapes in a path.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~')
    .remove(b'/');

/// The content of `direct_url.json` ("Direct URL data structure", "Archive URLs").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DirectUrl {
    url: String,
    archive_info: ArchiveHashes,
}

/// The algorithms' `hashlib` names with lower-case hexadecimal digests. The deprecated key `hash`
/// is never written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ArchiveHashes {
    // The order of a hash map would differ from run to run, and so would the digest in RECORD.
    hashes: BTreeMap<&'static str, String>,
}

impl ArchiveHashes {
    fn new(hashes: &[Digest]) -> Self {
        let hashes = hashes
            .iter()
            .map(|digest| (digest.algorithm().name(), digest.to_hex()));
        Self {
            hashes: hashes.collect(),
        }
    }
}

impl DirectUrl {
    /// Describes a wheel that was installed from a path or URL ("Direct URL data structure",
    /// "Archive URLs" and "Local files").
    ///
    /// A path must be absolute; it becomes a `file` URL as Python's `Path.as_uri()` writes it, byte
    /// by byte. A URL loses its credentials.
    pub fn of_archive(location: &Location, hashes: &[Digest]) -> Self {
        let url = match location {
            Location::File(path) => {
                let bytes = path.as_os_str().as_encoded_bytes();
                format!("file://{}", percent_encode(bytes, QUOTED))
            }
            Location::Url(url) => without_credentials(url.as_str()),
        };
        Self {
            url,
            archive_info: ArchiveHashes::new(hashes),
        }
    }

    /// The URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The content of `direct_url.json`, in UTF-8, on one line.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text and a map of text are always JSON")
    }
}

/// What the `direct_url.json` of an installed project says about its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordedOrigin {
    /// Nothing that can be relied on: the file is missing, malformed, or states no digest.
    Unknown,
    /// An archive with these digests.
    Archive(Vec<Digest>),
    /// A source tree on this machine or in a version control system.
    SourceTree {
        /// Whether its modules are imported from that tree.
        editable: bool,
    },
}

/// The `direct_url.json` of an installed project, whichever tool wrote it. Keys that are not listed
/// here are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct RecordedUrl {
    /// The URL, without credentials.
    #[serde(default)]
    pub url: String,
    /// If it was an archive: its hashes.
    pub archive_info: Option<RecordedArchive>,
    /// If it was a directory.
    pub dir_info: Option<RecordedDirectory>,
    /// If it was a repository.
    pub vcs_info: Option<RecordedRepository>,
    /// The directory of the project inside of it.
    pub subdirectory: Option<String>,
}

/// The archive that a project was installed from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct RecordedArchive {
    /// Hexadecimal digests by the names of their algorithms.
    #[serde(default)]
    pub hashes: BTreeMap<String, String>,
    /// The deprecated form, `algorithm=digest`; pip writes both.
    hash: Option<String>,
}

/// The directory that a project was installed from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct RecordedDirectory {
    /// Whether the project is imported from there.
    #[serde(default)]
    pub editable: bool,
}

/// The repository that a project was installed from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct RecordedRepository {
    /// The system, such as `git`.
    #[serde(default)]
    pub vcs: String,
    /// The commit.
    #[serde(default)]
    pub commit_id: String,
}

impl RecordedUrl {
    /// Reads the content of `direct_url.json` ("Direct URL data structure"); `None` if it is not
    /// valid.
    pub fn parse(json: &[u8]) -> Option<Self> {
        let recorded: Self = serde_json::from_slice(json).ok()?;
        Some(Self {
            // Other tools may have written them.
            url: without_credentials(&recorded.url),
            ..recorded
        })
    }

    /// Whether the project is imported from the directory at the URL.
    pub fn is_editable(&self) -> bool {
        let directory = self.dir_info.as_ref();
        directory.is_some_and(|directory| directory.editable)
    }
}

impl RecordedOrigin {
    /// Reads the content of `direct_url.json` ("Direct URL data structure"). Digests of unknown
    /// algorithms are left out.
    pub fn parse(json: &[u8]) -> Self {
        let Some(recorded) = RecordedUrl::parse(json) else {
            return Self::Unknown;
        };
        if let Some(directory) = recorded.dir_info {
            let editable = directory.editable;
            return Self::SourceTree { editable };
        }
        if recorded.vcs_info.is_some() {
            return Self::SourceTree { editable: false };
        }
        let Some(archive) = recorded.archive_info else {
            return Self::Unknown;
        };
        let old = archive
            .hash
            .as_deref()
            .and_then(|hash| hash.split_once('='));
        let all = archive.hashes.iter();
        let all = all
            .map(|(name, hex)| (name.as_str(), hex.as_str()))
            .chain(old);
        let mut digests: Vec<Digest> = all
            .filter_map(|(name, hex)| Digest::from_hex(Algorithm::from_name(name)?, hex))
            .collect();
        digests.dedup();
        if digests.is_empty() {
            Self::Unknown
        } else {
            Self::Archive(digests)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_of_an_installed_project_is_read_leniently() {
        let sha256 = Digest::of(Algorithm::Sha256, b"abc");
        let hex = sha256.to_hex();
        let archive = |info: &str| format!(r#"{{"url":"x","archive_info":{info}}}"#);
        let tree = |editable| RecordedOrigin::SourceTree { editable };
        for (json, expected) in [
            (String::new(), RecordedOrigin::Unknown),
            (r#"{"url":"x"}"#.to_owned(), RecordedOrigin::Unknown),
            (archive("{}"), RecordedOrigin::Unknown),
            (
                archive(r#"{"hashes":{"crc":"00"}}"#),
                RecordedOrigin::Unknown,
            ),
            (
                archive(&format!(
                    r#"{{"hashes":{{"sha256":"{hex}"}},"hash":"sha256={hex}"}}"#
                )),
                RecordedOrigin::Archive(vec![sha256]),
            ),
            (
                archive(&format!(r#"{{"hash":"sha256={hex}"}}"#)),
                RecordedOrigin::Archive(vec![sha256]),
            ),
            (r#"{"url":"x","dir_info":{}}"#.to_owned(), tree(false)),
            (
                r#"{"url":"x","dir_info":{"editable":true}}"#.to_owned(),
                tree(true),
            ),
            (
                r#"{"url":"x","vcs_info":{"vcs":"git"}}"#.to_owned(),
                tree(false),
            ),
        ] {
            assert_eq!(RecordedOrigin::parse(json.as_bytes()), expected, "{json}");
        }
    }

    fn file(path: impl Into<std::path::PathBuf>) -> Location {
        Location::File(path.into())
    }

    #[test]
    fn c52_the_json_has_the_url_and_the_hashes() {
        let hashes = [
            Digest::of(Algorithm::Sha512, b"abc"),
            Digest::of(Algorithm::Sha256, b"abc"),
        ];
        let json = DirectUrl::of_archive(&file("/w/a-1-py3-none-any.whl"), &hashes[1..]).to_json();
        assert_eq!(
            String::from_utf8(json).expect("JSON is UTF-8"),
            concat!(
                r#"{"url":"file:///w/a-1-py3-none-any.whl","archive_info":{"hashes":{"sha256":"#,
                r#""ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}}}"#
            )
        );
        let both = DirectUrl::of_archive(&file("/w/a.whl"), &hashes).to_json();
        let both = String::from_utf8(both).expect("JSON is UTF-8");
        assert!(both.find("sha256") < both.find("sha512"), "{both}");
    }

    /// The answers of `PurePosixPath.as_uri`.
    #[test]
    fn c51_paths_become_the_urls_that_python_makes() {
        use std::os::unix::ffi::OsStrExt as _;
        for (path, url) in [
            (
                &b"/tmp/a b+c~(1)%.whl"[..],
                "file:///tmp/a%20b%2Bc~%281%29%25.whl",
            ),
            (b"/x\\y:z", "file:///x%5Cy%3Az"),
            ("/é".as_bytes(), "file:///%C3%A9"),
            (b"/\xff", "file:///%FF"),
        ] {
            let file = file(std::ffi::OsStr::from_bytes(path));
            assert_eq!(DirectUrl::of_archive(&file, &[]).url(), url);
        }
    }

    #[test]
    fn c52_urls_are_written_without_credentials() {
        let (location, _) = Location::from_url("https://me:secret@example.com/a.whl").unwrap();
        let json = DirectUrl::of_archive(&location, &[]).to_json();
        let expected = r#"{"url":"https://example.com/a.whl","archive_info":{"hashes":{}}}"#;
        assert_eq!(String::from_utf8(json).expect("JSON is UTF-8"), expected);
    }
}

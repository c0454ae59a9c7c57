//! Where a project was installed from, for `direct_url.json`.
//!
//! Input: the path or URL of a wheel and its digests. Output: JSON, or the URL without its
//! credentials. Invariant: equal inputs make equal bytes. Limits: only archives are described here;
//! a report that describes a direct reference does so in its own words.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use crate::digest::Digest;

/// What `direct_url.json` holds ("Direct URL data structure", "Archive URLs").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DirectUrl {
    url: String,
    archive_info: ArchiveInfo,
}

/// The algorithms' `hashlib` names with lower-case hexadecimal digests. The deprecated key `hash`
/// is never written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ArchiveInfo {
    hashes: BTreeMap<&'static str, String>,
}

/// A `file` URL has another shape where paths begin with a drive or a share.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PathStyle {
    Posix,
    Windows,
}

impl DirectUrl {
    /// Describes a wheel in a local file ("Direct URL data structure", "Archive URLs" and "Local
    /// files").
    ///
    /// `absolute_path` becomes a `file://` URL as Python's `Path.as_uri()` writes it, byte by byte
    /// on POSIX.
    pub fn for_local_file(absolute_path: &Path, hashes: &[Digest]) -> Self {
        let style = if cfg!(windows) {
            PathStyle::Windows
        } else {
            PathStyle::Posix
        };
        let hashes = hashes
            .iter()
            .map(|digest| (digest.algorithm().name(), digest.to_hex()))
            .collect();
        Self {
            url: file_url(absolute_path.as_os_str().as_encoded_bytes(), style),
            archive_info: ArchiveInfo { hashes },
        }
    }

    /// Describes a wheel on a server, the URL without its credentials ("Direct URL data structure",
    /// "Archive URLs").
    pub fn for_url(url: &str, hashes: &[Digest]) -> Self {
        let hashes = hashes
            .iter()
            .map(|digest| (digest.algorithm().name(), digest.to_hex()))
            .collect();
        Self {
            url: without_credentials(url),
            archive_info: ArchiveInfo { hashes },
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

/// The `file` URL of an absolute path.
fn file_url(path: &[u8], style: PathStyle) -> String {
    if style == PathStyle::Posix {
        return format!("file://{}", percent_encoded(path));
    }
    let path: Vec<u8> = path
        .iter()
        .map(|byte| if *byte == b'\\' { b'/' } else { *byte })
        .collect();
    match &path[..] {
        [b'/', b'/', ..] => format!("file:{}", percent_encoded(&path)),
        [drive, b':', rest @ ..] => {
            format!("file:///{}:{}", char::from(*drive), percent_encoded(rest))
        }
        rest => format!("file://{}", percent_encoded(rest)),
    }
}

/// `bytes` as Python's `urllib.parse.quote` has them: all but letters, digits and `_.-~/` as `%XX`.
fn percent_encoded(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len()), |mut text, byte| {
            if byte.is_ascii_alphanumeric() || b"_.-~/".contains(byte) {
                text.push(char::from(*byte));
            } else {
                let _ = write!(text, "%{byte:02X}");
            }
            text
        })
}

/// `url` without user and password ("Direct URL data structure", "Specification": what must be
/// stripped from `url`).
///
/// What stays is what the specification calls harmless: `${USER}`, `${USER}:${PASSWORD}` and the
/// user `git`. A text that is not a URL with an authority is returned as it is.
pub fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    if !scheme
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    {
        return url.to_owned();
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    // The last `@`: an unescaped one in a password must not leave half of it behind.
    match authority.rsplit_once('@') {
        Some((user, host)) if !is_harmless(user) => format!("{scheme}://{host}{tail}"),
        _ => url.to_owned(),
    }
}

fn is_harmless(user: &str) -> bool {
    user == "git"
        || user.split_once(':').map_or_else(
            || is_variable(user),
            |(a, b)| is_variable(a) && is_variable(b),
        )
}

/// Whether `text` is `${NAME}`.
fn is_variable(text: &str) -> bool {
    text.strip_prefix("${")
        .and_then(|text| text.strip_suffix('}'))
        .is_some_and(|name| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Algorithm;

    #[test]
    fn c52_the_json_has_the_url_and_the_hashes() {
        let hashes = [
            Digest::of(Algorithm::Sha512, b"abc"),
            Digest::of(Algorithm::Sha256, b"abc"),
        ];
        let json =
            DirectUrl::for_local_file(Path::new("/w/a-1-py3-none-any.whl"), &hashes[1..]).to_json();
        assert_eq!(
            String::from_utf8(json).expect("JSON is UTF-8"),
            concat!(
                r#"{"url":"file:///w/a-1-py3-none-any.whl","archive_info":{"hashes":{"sha256":"#,
                r#""ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}}}"#
            )
        );
        let both = DirectUrl::for_local_file(Path::new("/w/a.whl"), &hashes).to_json();
        let both = String::from_utf8(both).expect("JSON is UTF-8");
        assert!(both.find("sha256") < both.find("sha512"), "{both}");
    }

    /// The answers of `PurePosixPath.as_uri` and `PureWindowsPath.as_uri`.
    #[test]
    fn c51_paths_become_the_urls_that_python_makes() {
        for (path, style, url) in [
            (
                &b"/tmp/a b+c~(1)%.whl"[..],
                PathStyle::Posix,
                "file:///tmp/a%20b%2Bc~%281%29%25.whl",
            ),
            (b"/x\\y:z", PathStyle::Posix, "file:///x%5Cy%3Az"),
            ("/é".as_bytes(), PathStyle::Posix, "file:///%C3%A9"),
            (b"/\xff", PathStyle::Posix, "file:///%FF"),
            (
                b"C:\\a b\\c.whl",
                PathStyle::Windows,
                "file:///C:/a%20b/c.whl",
            ),
            (
                b"\\\\host\\share\\c.whl",
                PathStyle::Windows,
                "file://host/share/c.whl",
            ),
        ] {
            assert_eq!(file_url(path, style), url);
        }
    }

    #[test]
    fn c52_credentials_are_stripped_but_variables_and_git_stay() {
        for (url, expected) in [
            ("https://user:secret@host/a.whl", "https://host/a.whl"),
            (
                "https://token@host:8080/a.whl?x=1#y",
                "https://host:8080/a.whl?x=1#y",
            ),
            ("https://u:p@ss@host/a.whl", "https://host/a.whl"),
            ("https://@host/a.whl", "https://host/a.whl"),
            (
                "https://${USER}:${PASS-1}@host/a.whl",
                "https://${USER}:${PASS-1}@host/a.whl",
            ),
            ("https://${TOKEN}@host/a.whl", "https://${TOKEN}@host/a.whl"),
            ("https://${USER}:secret@host/a.whl", "https://host/a.whl"),
            ("https://${}@host/a.whl", "https://host/a.whl"),
            ("git+ssh://git@host/a.git@v1", "git+ssh://git@host/a.git@v1"),
            ("ssh://git:secret@host/a.git", "ssh://host/a.git"),
            ("https://host/a@b.whl", "https://host/a@b.whl"),
            ("https://host?a@b", "https://host?a@b"),
            ("file:///x@y/a.whl", "file:///x@y/a.whl"),
            ("/not a url://u@h", "/not a url://u@h"),
        ] {
            assert_eq!(without_credentials(url), expected, "{url}");
        }
    }
}

//! Locations of files, which are paths or URLs; and URLs without their credentials.
//!
//! Input: a URL's text. Output: a [`Location`] and the URL's fragment. Invariants: percent signs
//! are decoded exactly once; a `file` URL becomes a path of this machine; a [`Location::Url`] has a
//! host, no fragment, and is `http` or `https`. Limits: the paths of `file` URLs are Unix paths.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use url::Url;

use crate::digest::{Algorithm, Digest};

/// The location of a file.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// On this machine.
    File(PathBuf),
    /// On a server.
    Url(Url),
}

impl Location {
    /// Whether `text` has a scheme that [`from_url`](Self::from_url) reads.
    pub fn is_url(text: &str) -> bool {
        let scheme = text
            .split_once(':')
            .map(|(scheme, _)| scheme.to_ascii_lowercase());
        scheme.is_some_and(|scheme| matches!(scheme.as_str(), "http" | "https" | "file"))
    }

    /// Reads a URL into the location and the fragment, or says why it cannot be used.
    pub fn from_url(text: &str) -> Result<(Self, Option<String>), &'static str> {
        let mut url = Url::parse(text).map_err(|_| "this is not a URL")?;
        let fragment = url.fragment().map(str::to_owned);
        url.set_fragment(None);
        let location = match url.scheme() {
            "file" => Self::File(local_path(text, &url)?),
            "http" | "https" => Self::Url(url),
            _ => return Err("only `https`, `http` and `file` URLs can be read"),
        };
        Ok((location, fragment))
    }

    /// The name of the file: the last part of the path, decoded.
    pub fn file_name(&self) -> String {
        match self {
            Self::File(path) => path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            Self::Url(url) => {
                let last = url.path().rsplit('/').next().unwrap_or_default();
                percent_decode_str(last).decode_utf8_lossy().into_owned()
            }
        }
    }

    /// The name in messages and reports: the path, or the URL without credentials.
    pub fn label(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Url(url) => without_credentials(url.as_str()),
        }
    }

    /// The path, if it is on this machine.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Url(_) => None,
        }
    }
}

/// Without credentials.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.label(), f)
    }
}

/// The path of a `file` URL (RFC 8089): absolute, on this host, decoded once.
fn local_path(text: &str, url: &Url) -> Result<PathBuf, &'static str> {
    // The URL parser would turn a relative path into an absolute one.
    if !text
        .trim_start()
        .get("file:".len()..)
        .is_some_and(|rest| rest.starts_with('/'))
    {
        return Err("a `file` URL needs an absolute path");
    }
    url.to_file_path()
        .map_err(|()| "a `file` URL cannot name another host")
}

/// The secure hashes of a URL's fragment, as `sha256=…`; other keys and weak hashes are ignored.
/// The error is a hash that is not valid.
pub fn hashes_in(fragment: &str) -> Result<Vec<Digest>, String> {
    let mut hashes = Vec::new();
    for part in fragment.split('&') {
        let Some((name, hex)) = part.split_once('=') else {
            continue;
        };
        if let Some(algorithm) = Algorithm::from_name(name) {
            hashes.push(Digest::from_hex(algorithm, hex).ok_or_else(|| part.to_owned())?);
        }
    }
    Ok(hashes)
}

/// `url` without user and password ("Direct URL data structure", "Specification").
///
/// The specification allows a few harmless ones, which stay: `${USER}`, `${USER}:${PASSWORD}` and
/// the user `git`. A text that is not a URL with an authority is returned unchanged.
pub fn without_credentials(url: &str) -> String {
    // This works on the text and not on a parsed URL, because a URL that cannot be parsed is
    // quoted in messages, too.
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

/// `url` as a request names it: without user, password and fragment.
pub fn request_url(url: &Url) -> Url {
    let mut bare = url.clone();
    // Both fail only for URLs that cannot have credentials.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare.set_fragment(None);
    bare
}

/// `url` as messages name it: without credentials and fragment.
pub fn label_of(url: &Url) -> String {
    let mut url = url.clone();
    url.set_fragment(None);
    without_credentials(url.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e106_file_urls_are_decoded_exactly_once() {
        for (url, path) in [
            (
                "file:///w/a%20b%2520c/six-1.17.0-py2.py3-none-any.whl",
                "/w/a b%20c/six-1.17.0-py2.py3-none-any.whl",
            ),
            ("file://localhost/w/a.whl", "/w/a.whl"),
            ("file:/w/a.whl", "/w/a.whl"),
            ("FILE:///w/a.whl#sha256=x", "/w/a.whl"),
            ("file:///w/a%3Fb%23c%5Cd.whl", "/w/a?b#c\\d.whl"),
            ("file:///C:/w/a.whl", "/C:/w/a.whl"),
            ("file:///w/%252e%252e/a.whl", "/w/%2e%2e/a.whl"),
        ] {
            let (location, _) = Location::from_url(url).unwrap();
            assert_eq!(location, Location::File(path.into()), "{url}");
        }
    }

    #[test]
    fn e106_other_hosts_relative_paths_and_schemes_are_refused() {
        for (url, reason) in [
            (
                "file://example.com/w/a.whl",
                "a `file` URL cannot name another host",
            ),
            ("file:a.whl", "a `file` URL needs an absolute path"),
            ("file:../a.whl", "a `file` URL needs an absolute path"),
            (
                "ftp://example.com/a.whl",
                "only `https`, `http` and `file` URLs can be read",
            ),
            (
                "git+https://example.com/a.git",
                "only `https`, `http` and `file` URLs can be read",
            ),
            ("https://", "this is not a URL"),
            ("a.whl", "this is not a URL"),
        ] {
            assert_eq!(Location::from_url(url), Err(reason), "{url}");
        }
    }

    #[test]
    fn c52_labels_have_neither_credentials_nor_fragment() {
        let url = "https://me:secret@example.com/p/torch-2.0%2Bcpu-py3-none-any.whl#sha256=00";
        let (location, fragment) = Location::from_url(url).unwrap();
        assert_eq!(
            location.label(),
            "https://example.com/p/torch-2.0%2Bcpu-py3-none-any.whl"
        );
        assert!(!format!("{location:?}").contains("secret"));
        assert_eq!(location.file_name(), "torch-2.0+cpu-py3-none-any.whl");
        assert_eq!(fragment.as_deref(), Some("sha256=00"));
    }

    #[test]
    fn c73_fragments_hold_hashes_among_other_things() {
        let hex = "ab".repeat(32);
        let found = hashes_in(&format!("egg=six&md5=00&sha256={hex}&subdirectory=x&y")).unwrap();
        assert_eq!(found, [Digest::from_hex(Algorithm::Sha256, &hex).unwrap()]);
        assert_eq!(hashes_in("sha256=ab"), Err("sha256=ab".to_owned()));
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

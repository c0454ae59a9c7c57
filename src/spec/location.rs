//! Locations of files, which are paths or URLs; and URLs without their credentials.
//!
//! Input: a URL's text. Output: a [`Location`] and the URL's fragment. Invariants: percent signs
//! are decoded exactly once; a `file` URL becomes a path of this machine; a [`Location::Url`] has a
//! host, no fragment, and is `http` or `https`. Limits: the paths of `file` URLs are Unix paths.

use std::borrow::Cow;
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
        let scheme = scheme_of(text);
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

    /// The name in messages and reports: the path, or the URL without credentials and query.
    pub fn label(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Url(url) => label_of(url),
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

/// The path of a `file` URL (RFC 8089): on this host, decoded once. As for pip, `file:./a.whl` is
/// relative to the working directory.
fn local_path(text: &str, url: &Url) -> Result<PathBuf, &'static str> {
    let rest = text.trim_start().get("file:".len()..).unwrap_or_default();
    if rest.starts_with('/') {
        return url
            .to_file_path()
            .map_err(|()| "a `file` URL cannot name another host");
    }
    // The URL parser would turn a relative path into an absolute one.
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let path: Cow<'_, [u8]> = percent_decode_str(&rest[..end]).into();
    let path = String::from_utf8(path.into_owned()).map_err(|_| "its path is not UTF-8")?;
    if path.is_empty() || path.contains('\0') {
        Err("a `file` URL needs a path")
    } else {
        Ok(path.into())
    }
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

/// The scheme of a text that is a URL, in lower case: `https`, `git+ssh`. What precedes the first
/// `:` is one only if `//` follows, or if it is `file`, `http` or `https`.
pub fn scheme_of(text: &str) -> Option<String> {
    let (scheme, rest) = text.trim_start().split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    let is_known = matches!(scheme.as_str(), "file" | "http" | "https");
    let is_scheme =
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(in_scheme);
    (is_scheme && (is_known || rest.starts_with("//"))).then_some(scheme)
}

fn in_scheme(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '+' | '-' | '.')
}

/// `text` without the user and password of the URL in it ("Direct URL data structure",
/// "Specification").
///
/// The specification allows a few harmless ones, which stay: `${USER}`, `${USER}:${PASSWORD}` and
/// the user `git`. A text without a URL is returned unchanged. In a URL that cannot be read, all up
/// to the last `@` may be a password.
pub fn without_credentials(text: &str) -> String {
    // The URL parser also accepts `https:user@host`.
    let Some((before, rest)) = text.split_once("://").or_else(|| {
        let scheme = scheme_of(text)?;
        text.split_once(':').filter(|_| scheme != "file")
    }) else {
        return text.to_owned();
    };
    let authority_ends = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let path_ends = rest.find(['?', '#']).unwrap_or(rest.len());
    let scheme = &before[before.trim_end_matches(in_scheme).len()..];
    let is_url = Url::parse(&format!("{scheme}://{rest}")).is_ok();
    // `user:12/34@host` looks like a port and a path.
    let has_port = rest[..authority_ends].contains(':') && !rest[..authority_ends].contains('@');
    let credentials_end = if !is_url {
        rest.rfind('@')
    } else if has_port {
        rest[..path_ends].rfind('@')
    } else {
        // An unescaped `@` in a password must not leave half of it behind.
        rest[..authority_ends].rfind('@')
    };
    match credentials_end {
        Some(at) if !is_harmless(&rest[..at]) => {
            let start = text.len() - rest.len();
            format!("{}{}", &text[..start], &rest[at + 1..])
        }
        _ => text.to_owned(),
    }
}

/// `text` as messages show it: a URL without credentials, query and fragment, which may hold the
/// signature of a storage service; other texts unchanged.
pub fn shown(text: &str) -> String {
    let mut shown = without_credentials(text);
    // A name or an option may precede the URL.
    let start = shown.find("://").or_else(|| scheme_of(&shown).map(|_| 0));
    if let Some(end) = start.and_then(|start| Some(start + shown[start..].find(['?', '#'])?)) {
        shown.truncate(end);
    }
    shown
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

/// `url` as messages name it: without credentials, query and fragment.
pub fn label_of(url: &Url) -> String {
    shown(url.as_str())
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
            ("file:a.whl", "a.whl"),
            ("file:./a%20b.whl#sha256=x", "./a b.whl"),
            ("file:../a.whl", "../a.whl"),
        ] {
            let (location, _) = Location::from_url(url).unwrap();
            assert_eq!(location, Location::File(path.into()), "{url}");
        }
    }

    #[test]
    fn e106_other_hosts_and_schemes_are_refused() {
        for (url, reason) in [
            (
                "file://example.com/w/a.whl",
                "a `file` URL cannot name another host",
            ),
            ("file:", "a `file` URL needs a path"),
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
            ("/not a url://u@h", "/not a url://h"),
            ("-e git+https://u:p@h/x", "-e git+https://h/x"),
            ("six @ https://u:p@h/x", "six @ https://h/x"),
            ("--x=https://u:p@h", "--x=https://h"),
            (" https://u:p@h/x", " https://h/x"),
            // These are no URLs, since the password is not escaped.
            ("https://u:se/cret@h/a.whl", "https://h/a.whl"),
            ("https://u:se#cret@h/a.whl", "https://h/a.whl"),
            ("https://u:se?cret@h/a.whl", "https://h/a.whl"),
            ("https://u:12/34@h/a.whl", "https://h/a.whl"),
            ("https:u:secret@h/a.whl", "https:h/a.whl"),
            ("https://host:80/a.whl?x=a@b", "https://host:80/a.whl?x=a@b"),
            ("git+https://token@h/r.git@v1", "git+https://h/r.git@v1"),
            ("no url", "no url"),
        ] {
            assert_eq!(without_credentials(url), expected, "{url}");
        }
    }

    #[test]
    fn messages_show_urls_without_their_query() {
        for (text, expected) in [
            (
                "https://u:p@h/a.whl?X-Amz-Signature=ab#sha256=00",
                "https://h/a.whl",
            ),
            ("https://u:p@h?sig=a@b", "https://h"),
            ("ftp://u:p@h/a.whl?x", "ftp://h/a.whl"),
            ("./a?b#c.whl", "./a?b#c.whl"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        let url = Url::parse("https://u:p@h/a.whl?sig=a%2Fb#x").unwrap();
        assert_eq!(label_of(&url), "https://h/a.whl");
        assert_eq!(Location::Url(url).label(), "https://h/a.whl");
    }

    #[test]
    fn schemes_are_told_from_names_and_paths() {
        for (text, expected) in [
            ("https://h/a.whl", Some("https")),
            (" HTTPS://h", Some("https")),
            ("git+ssh://git@h/x", Some("git+ssh")),
            ("file:./a.whl", Some("file")),
            ("ftp://h", Some("ftp")),
            ("six @ https://h/a.whl", None),
            ("c:\\a.whl", None),
            ("a:b.whl", None),
            ("six==1", None),
        ] {
            assert_eq!(scheme_of(text).as_deref(), expected, "{text}");
        }
    }
}

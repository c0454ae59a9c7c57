//! Arguments: what the user means by one that is typed.
//!
//! Input: its text. Output: the wheels that it names. An argument is a path if something is there,
//! a URL if it has a scheme, and a path, too, if it ends in `.whl`, unless it is `name @ URL`. All
//! else is the name of a project. Invariant: no message repeats the credentials or the query of a
//! URL. Limits: projects are not looked up by name.

use std::path::Path;

use super::{Location, Pins, Source, wheel_paths};
use crate::digest::{Algorithm, Digest};
use crate::error::{Error, RequestFault, ResolutionFault, Result, SourceFault, ToolsLock, excerpt};
use crate::fs::{self, Kind};
use crate::spec::location::{scheme_of, shown};
use crate::spec::name::ProjectName;

/// The endings of source distributions: the one of today, and those of older ones.
const SOURCES: [&str; 6] = [".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar", ".zip"];

/// What an argument is.
enum Argument<'a> {
    /// A path at which something is.
    Present(&'a Path),
    /// The path of a wheel, perhaps with hashes after the last `#`.
    Wheel(&'a Path),
    /// A URL with this scheme.
    Url(&'a str, String),
    /// Something else, such as the name of a project.
    Name(&'a Path),
}

impl<'a> Argument<'a> {
    fn of(argument: &'a Path) -> Self {
        let text = argument.to_str().unwrap_or_default();
        if is_there(argument) {
            return Self::Present(argument);
        }
        if let Some(scheme) = scheme_of(text) {
            return Self::Url(text.trim(), scheme);
        }
        if is_direct_reference(text) {
            return Self::Name(argument);
        }
        let path = text.rsplit_once('#').map_or(text, |(path, _)| path);
        if path.ends_with(".whl") || !path.is_empty() && is_there(Path::new(path)) {
            return Self::Wheel(argument);
        }
        Self::Name(argument)
    }
}

/// Whether `text` is a name, perhaps with extras, and the place of its wheel: `name @ URL`
/// (dependency specifiers, "Direct references"). A path needs white space before the `@`, which a
/// file name may have.
fn is_direct_reference(text: &str) -> bool {
    let Some((before, place)) = text.split_once('@') else {
        return false;
    };
    let name = before.split('[').next().unwrap_or_default().trim();
    let is_place = scheme_of(place).is_some() || before.ends_with(char::is_whitespace);
    ProjectName::parse(name).is_some() && is_place
}

fn is_there(path: &Path) -> bool {
    // A link is there even if it leads nowhere, or to itself. A failure, as with a name that is too
    // long, is no proof that something is there.
    matches!(fs::lstat(path), Ok(Some(_)))
}

/// Whether an argument is a requirement, and neither a place nor a file that is no wheel.
pub fn is_requirement(argument: &Path) -> bool {
    let Argument::Name(path) = Argument::of(argument) else {
        return false;
    };
    let text = path.to_str().unwrap_or_default();
    // A slash is a part of a path that does not exist, unless an address follows the name.
    let before = text.split(['@', ';']).next().unwrap_or_default();
    !before.contains(['/', '\\']) && check_kind(&Location::File(path.to_owned())).is_ok()
}

impl Source {
    /// What the user typed as one argument: a wheel, by its path or URL, with or without a pinned
    /// hash after `#`; or a directory, which stands for every `*.whl` directly inside it.
    ///
    /// # Errors
    /// If there is no such file, the URL or hash cannot be read, or a directory holds no wheel.
    pub fn from_argument(argument: &Path) -> Result<Vec<Self>> {
        match Argument::of(argument) {
            Argument::Present(path) => on_disk(path),
            Argument::Wheel(path) => pinned_path(path),
            Argument::Url(text, scheme) => from_url(text, &scheme),
            Argument::Name(text) => {
                check_kind(&Location::File(text.to_owned()))?;
                Err(nothing_there(text))
            }
        }
    }
}

/// The wheel at a path that may end in `#` and hashes.
fn pinned_path(argument: &Path) -> Result<Vec<Source>> {
    // The last `#` counts: file names may have one.
    let parts = argument.to_str().and_then(|text| text.rsplit_once('#'));
    let Some((path, fragment)) = parts else {
        return Err(nothing_there(argument));
    };
    let pinned = pins(fragment)?;
    if !is_there(Path::new(path)) {
        return Err(nothing_there(Path::new(path)));
    }
    Ok(vec![Source {
        pinned,
        ..Source::from_path(path)
    }])
}

/// An argument that is a URL.
fn from_url(text: &str, scheme: &str) -> Result<Vec<Source>> {
    let name = excerpt(&shown(text));
    if let Some((vcs, _)) = scheme.split_once('+') {
        let why = format!("`{name}` is a {vcs} repository, and only wheels can be installed");
        return Err(Error::request(RequestFault::Scheme, why));
    }
    if !Location::is_url(text) {
        let why = format!("`{name}` cannot be read: only `https`, `http` and `file` URLs can");
        return Err(Error::request(RequestFault::Scheme, why));
    }
    let (location, fragment) = Location::from_url(text)
        .map_err(|reason| Error::usage(format!("`{name}` cannot be used: {reason}")))?;
    // A source distribution is refused whatever its fragment says.
    check_kind(&location)?;
    let pinned = fragment.as_deref().map(pins).transpose()?;
    if let (Location::File(path), true) = (&location, pinned.as_ref().is_none_or(Pins::is_empty)) {
        return on_disk(path);
    }
    // A pinned path is one wheel and no directory; opening it reports that it is missing.
    Ok(vec![Source {
        pinned: pinned.unwrap_or_default(),
        ..Source::from_location(location)
    }])
}

/// The wheel, or the wheels of the directory, at `path`.
fn on_disk(path: &Path) -> Result<Vec<Source>> {
    match fs::stat(path) {
        Ok(None) => return Err(nothing_there(path)),
        Ok(Some(stat)) if stat.kind == Kind::Directory => return wheels_in(path),
        // If `stat` failed, opening the file will report why.
        Ok(Some(_)) | Err(_) => {}
    }
    check_kind(&Location::File(path.to_owned()))?;
    match resolver_file(path) {
        None => Ok(vec![Source::from_path(path)]),
        Some(fault) => {
            let message = format!("`{}` is not a wheel", path.display());
            Err(Error::request(fault, message))
        }
    }
}

/// Refuses files that cannot be wheels by their names.
fn check_kind(location: &Location) -> Result<()> {
    let name = location.file_name();
    if let Some(lock) = ToolsLock::called(&name) {
        let fault = ResolutionFault::ToolsOwnLock(lock);
        return Err(Error::wheel(&location.label(), fault));
    }
    if SOURCES.iter().any(|ending| name.ends_with(ending)) {
        let fault = SourceFault::SourceDistribution;
        return Err(Error::wheel(&location.label(), fault));
    }
    Ok(())
}

/// The file of a resolver, by its name: it was given as a wheel.
fn resolver_file(path: &Path) -> Option<RequestFault> {
    match path.extension()?.to_str()? {
        "toml" => Some(RequestFault::LockAsWheel),
        "txt" => Some(RequestFault::RequirementsAsWheel),
        "json" => Some(RequestFault::ReportAsWheel),
        _ => None,
    }
}

/// The error for a `path` at which nothing is; it may be the name of a project.
fn nothing_there(path: &Path) -> Error {
    // Something may be there that this user may not see.
    if fs::is_denied(path)
        && let Err(error) = fs::stat(path)
    {
        return error;
    }
    let text = excerpt(&shown(&path.display().to_string()));
    let is_named = !text.contains('/') && !text.ends_with(".whl");
    let message = format!("there is no wheel or directory `{text}`");
    if is_named {
        Error::request(RequestFault::ProjectName, message)
    } else {
        Error::request(RequestFault::NoSuchWheel, message)
    }
}

/// The hashes behind the `#` of an argument; all of them must match. As for pip, `egg` and
/// `subdirectory` say nothing about a wheel, and weak hashes prove nothing.
fn pins(fragment: &str) -> Result<Pins> {
    let parts = fragment.split('&').filter(|part| !part.is_empty());
    let told = parts.filter(|part| {
        let key = part
            .split_once('=')
            .map(|(key, _)| key.to_ascii_lowercase());
        !matches!(
            key.as_deref(),
            Some("egg" | "subdirectory" | "md5" | "sha1")
        )
    });
    told.map(pinned_hash)
        .collect::<Result<_>>()
        .map(Pins::all_of)
}

/// One hash. A key that is not known is refused: it may be a misspelt one, and the wheel would go
/// unchecked.
fn pinned_hash(fragment: &str) -> Result<Digest> {
    let parsed = fragment.split_once('=').and_then(|(name, hex)| {
        let algorithm = Algorithm::from_name(&name.to_ascii_lowercase())?;
        Digest::from_hex(algorithm, hex)
    });
    parsed.ok_or_else(|| {
        Error::usage(format!(
            "`#{}` is not a hash: write `#sha256=` and 64 hexadecimal digits",
            excerpt(fragment)
        ))
    })
}

/// The wheels directly inside a directory.
fn wheels_in(directory: &Path) -> Result<Vec<Source>> {
    let wheels: Vec<_> = wheel_paths(directory)?
        .into_iter()
        .map(Source::from_path)
        .collect();
    if wheels.is_empty() {
        return Err(Error::usage(format!(
            "the directory `{}` has no wheels",
            directory.display()
        )));
    }
    Ok(wheels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::source::DirectReference;
    use crate::source::tests::{SHA, sha, shelf};

    #[test]
    fn e106_arguments_may_be_urls_with_hashes() {
        let url =
            format!("https://me:secret@example.com/six-1.17.0-py2.py3-none-any.whl#sha256={SHA}");
        let found = Source::from_argument(Path::new(&url)).unwrap();
        let [six] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(
            six.label(),
            "https://example.com/six-1.17.0-py2.py3-none-any.whl"
        );
        assert_eq!(
            (six.file_name.as_str(), six.path()),
            ("six-1.17.0-py2.py3-none-any.whl", None)
        );
        assert_eq!(six.pinned, Pins::all_of(vec![sha()]));
        assert_eq!(six.direct_reference, DirectReference::IfAsked);

        let scratch = shelf(&[
            "a b%20c/six-1-py3-none-any.whl",
            "a b%20c/x.txt",
            "pylock.toml",
            "r.json",
        ]);
        for (file, code) in [
            ("a b%20c/x.txt", "requirements-as-wheel"),
            ("pylock.toml", "lock-as-wheel"),
            ("r.json", "report-as-wheel"),
        ] {
            let path = scratch.path().join(file);
            let error = Source::from_argument(&path).unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Usage, code));
        }
        let base = format!("file://{}/a%20b%2520c", scratch.path().display());
        let wheel = scratch.path().join("a b%20c/six-1-py3-none-any.whl");
        for url in [base.clone(), format!("{base}/six-1-py3-none-any.whl")] {
            let found = Source::from_argument(Path::new(&url)).unwrap();
            assert_eq!(
                found.iter().map(Source::path).collect::<Vec<_>>(),
                [Some(wheel.as_path())],
                "{url}"
            );
        }
        for (argument, code, expected) in [
            (
                "file://example.com/six.whl",
                "usage",
                "`file://example.com/six.whl`",
            ),
            ("https://u:p@/x.whl", "usage", "`https:///x.whl`"),
            (
                "https://example.com/six.whl#sha256=0",
                "usage",
                "`#sha256=0`",
            ),
            (
                "https://example.com/six.whl#sha265=0",
                "usage",
                "`#sha265=0`",
            ),
            (
                "file:///nowhere/six.whl",
                "no-such-wheel",
                "`/nowhere/six.whl`",
            ),
            (
                "ftp://example.com/six.whl",
                "scheme",
                "`ftp://example.com/six.whl` cannot be read: only `https`, `http` and",
            ),
            (
                "git+https://token@example.com/six.git",
                "scheme",
                "`git+https://example.com/six.git` is a git repository",
            ),
            ("six==1.17.0", "project-name", "`six==1.17.0`"),
        ] {
            let error = Source::from_argument(Path::new(argument)).unwrap_err();
            assert_eq!(
                (error.kind(), error.code()),
                (ErrorKind::Usage, code),
                "{error}"
            );
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn arguments_are_files_urls_or_names() {
        let scratch = shelf(&[
            "six-1-py3-none-any (1).whl",
            "a#b.whl",
            "six-1.tar.gz",
            "uv.lock",
            "w/six-1-py3-none-any.whl",
        ]);
        let found = |argument: &str| {
            let path = scratch.path().join(argument);
            Source::from_argument(&path).unwrap().remove(0)
        };
        let saved_twice = found("six-1-py3-none-any (1).whl");
        assert_eq!(saved_twice.file_name, "six-1-py3-none-any.whl");
        assert_eq!(found("a#b.whl").file_name, "a#b.whl");
        assert_eq!(
            found(&format!("a#b.whl#SHA256={SHA}")).pinned,
            Pins::all_of(vec![sha()])
        );
        for fragment in ["", "egg=six", "md5=00", "egg=six&subdirectory=x&sha1=0"] {
            let url = format!("https://h/six-1-py3-none-any.whl#{fragment}");
            for argument in [
                url,
                scratch
                    .path()
                    .join(format!("a#b.whl#{fragment}"))
                    .display()
                    .to_string(),
            ] {
                let found = Source::from_argument(Path::new(&argument)).unwrap();
                assert!(found[0].pinned.is_empty(), "{argument}");
            }
        }
        let refused = |argument: &str| Source::from_argument(Path::new(argument)).unwrap_err();
        for (name, code, says) in [
            (
                "six-1.tar.gz",
                "source-distribution",
                "source distributions are not built here",
            ),
            (
                "uv.lock",
                "tools-own-lock",
                "`uv export --format pylock.toml`",
            ),
            ("missing/six-1.zip", "source-distribution", "six-1.zip"),
            (
                "missing/six-1-py3-none-any.whl",
                "no-such-wheel",
                "there is no wheel",
            ),
        ] {
            let error = refused(scratch.path().join(name).to_str().unwrap());
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
        let error = refused("https://u:p@h/six-1.tar.gz?x#y");
        assert_eq!(
            error.to_string(),
            "`https://h/six-1.tar.gz`: source distributions are not built here"
        );
        let long = refused(&format!("{}x", "long-".repeat(2000)));
        assert!(long.to_string().len() < 400, "{long}");
        let relative = Source::from_argument(Path::new("file:./missing%20/six-1-py3-none-any.whl"));
        assert!(
            relative
                .unwrap_err()
                .to_string()
                .contains("`./missing /six-1-")
        );
    }
}

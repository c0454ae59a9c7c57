//! One requirement of a list: its project, its pin and its marker.
//!
//! Input: a line, and its part before the options. Output: a [`Specified`], or the reason why the
//! line cannot be used. Limits: extras are ignored, because the resolver has already listed the
//! projects that they add; variables are not replaced.

use super::lines::Line;
use super::{Pin, VARIABLE};
use crate::error::ResolutionFault;
use crate::spec::location::{Location, hashes_in, without_credentials};
use crate::spec::marker::{Marker, MarkerScope};
use crate::spec::name::ProjectName;
use crate::spec::version::Version;
use crate::spec::wheel_name::WheelName;

const NOT_PINNED: &str = "it is not pinned to one version with `==`, nor to a URL";
const UNREADABLE: &str = "this is not a requirement";

/// A requirement without its options ("Dependency specifiers", "Specification").
pub(super) struct Specified {
    pub(super) name: ProjectName,
    pub(super) pin: Pin,
    pub(super) marker: Option<Marker>,
}

impl Specified {
    /// Reads a requirement.
    pub(super) fn read(line: &Line, text: &str) -> Result<Self, ResolutionFault> {
        if text.contains("${") {
            return Err(line.fault(VARIABLE));
        }
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-'));
        let (name, rest) = text.split_at(end.unwrap_or(text.len()));
        // The rest of a path begins with `/` or `\`, that of a URL with `:`, and that of a scheme
        // such as `git+https` with `+`; none of them can follow a project's name.
        if name.is_empty() || rest.starts_with(['/', '\\', ':', '+']) || name.ends_with(".whl") {
            return Self::unnamed(line, text);
        }
        let name = ProjectName::parse(name).ok_or_else(|| line.fault(UNREADABLE))?;
        let mut rest = rest.trim_start();
        if let Some(extras) = rest.strip_prefix('[') {
            rest = extras
                .split_once(']')
                .ok_or_else(|| line.fault(UNREADABLE))?
                .1
                .trim_start();
        }
        let (pin, marker) = match rest.strip_prefix('@') {
            Some(url) => {
                let (url, marker) = url_and_marker(line, url.trim_start())?;
                (at_url(&name, url)?, marker)
            }
            None => {
                let (version, marker) = text_and_marker(rest);
                (
                    pinned(version).ok_or_else(|| line.fault(NOT_PINNED))?,
                    marker,
                )
            }
        };
        Ok(Self {
            name,
            pin,
            marker: read_marker(line, marker)?,
        })
    }

    /// A wheel without a project's name, by its URL or path, as `uv export` writes local wheels:
    /// the project is taken from the file name. A path is relative to the working directory, as for
    /// pip and uv.
    fn unnamed(line: &Line, text: &str) -> Result<Self, ResolutionFault> {
        let is_url = text.contains("://") || Location::is_url(text);
        let (place, marker) = if is_url {
            url_and_marker(line, text)?
        } else {
            text_and_marker(text)
        };
        // pip lets extras follow a path or URL; the resolver has already taken them into account.
        let without_extras = place
            .strip_suffix(']')
            .and_then(|place| place.rsplit_once('['));
        let place = without_extras.map_or(place, |(place, _)| place);
        if !place.contains(['/', '\\']) && !place.ends_with(".whl") {
            return Err(line.fault(UNREADABLE));
        }
        // If this is a URL that cannot be used, `at_url` reads it again below and says why.
        let location = Location::from_url(place)
            .map_or_else(|_| Location::File(place.into()), |(location, _)| location);
        let file_name = location.file_name();
        if !file_name.ends_with(".whl") {
            return Err(line.not_a_wheel("no wheel"));
        }
        let name = WheelName::parse(&file_name)
            .map_err(|_| line.fault("this is not a wheel's file name"))?
            .name;
        let pin = if is_url {
            at_url(&name, place)?
        } else {
            Pin::Wheel(location, Vec::new())
        };
        Ok(Self {
            name,
            pin,
            marker: read_marker(line, marker)?,
        })
    }
}

/// The one version that a set of versions names with `==`; parentheses may be around it.
fn pinned(versions: &str) -> Option<Pin> {
    let bare = versions
        .strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'))
        .unwrap_or(versions)
        .trim();
    // `===` pins as well as `==`; `==1.*` and `==1,>0` are no versions and fail to parse.
    let version = bare
        .strip_prefix("==")
        .map(|rest| rest.strip_prefix('=').unwrap_or(rest).trim());
    version.and_then(Version::parse).map(Pin::Version)
}

fn text_and_marker(text: &str) -> (&str, Option<&str>) {
    text.split_once(';').map_or((text, None), |(text, marker)| {
        (text.trim_end(), Some(marker))
    })
}

/// A URL ends at white space; only a marker may follow.
fn url_and_marker<'a>(
    line: &Line,
    text: &'a str,
) -> Result<(&'a str, Option<&'a str>), ResolutionFault> {
    let (url, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    let rest = rest.trim_start();
    let marker = rest.strip_prefix(';');
    if marker.is_none() && !rest.is_empty() {
        Err(line.fault(UNREADABLE))
    } else {
        Ok((url, marker))
    }
}

fn read_marker(line: &Line, text: Option<&str>) -> Result<Option<Marker>, ResolutionFault> {
    let Some(text) = text.map(str::trim) else {
        return Ok(None);
    };
    let refuse = |reason| {
        let place = format!("line {}", line.number);
        ResolutionFault::Marker {
            place,
            marker: text.to_owned(),
            reason,
        }
    };
    Marker::parse(text, MarkerScope::Plain)
        .map(Some)
        .map_err(refuse)
}

/// Whether a URL is a wheel or something else.
fn at_url(name: &ProjectName, url: &str) -> Result<Pin, ResolutionFault> {
    if let Some((vcs, _)) = url
        .split_once("://")
        .and_then(|(scheme, _)| scheme.split_once('+'))
    {
        return Ok(Pin::NotAWheel(format!(
            "a {vcs} repository, `{}`",
            without_credentials(url)
        )));
    }
    let refuse = |reason| {
        let (entry, location) = (name.to_string(), without_credentials(url));
        ResolutionFault::Location {
            entry,
            location,
            reason,
        }
    };
    let (location, fragment) = Location::from_url(url).map_err(refuse)?;
    if !location.file_name().ends_with(".whl") {
        return Ok(Pin::NotAWheel(format!("no wheel, `{}`", location.label())));
    }
    // A name that cannot be read is refused when the wheel is opened.
    if WheelName::parse(&location.file_name()).is_ok_and(|found| found.name != *name) {
        return Err(ResolutionFault::OtherWheel {
            entry: name.to_string(),
            file_name: location.file_name(),
        });
    }
    let bad = |hash| ResolutionFault::BadHash {
        entry: name.to_string(),
        hash,
    };
    let hashes = hashes_in(fragment.as_deref().unwrap_or_default()).map_err(bad)?;
    Ok(Pin::Wheel(location, hashes))
}

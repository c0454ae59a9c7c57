//! One requirement of a list: its project, its pin and its marker.
//!
//! Input: a line, and its part before the options. Output: the marker, and the project with its
//! pin, or the reason why the line cannot be used. The marker is read first: a requirement for
//! another environment may be anything. Limits: extras are ignored, because the resolver has
//! already listed the projects that they add; variables are not replaced.

use super::lines::Line;
use super::{Pin, VARIABLE};
use crate::error::ResolutionFault;
use crate::spec::location::{Location, hashes_in, shown};
use crate::spec::marker::{Marker, MarkerScope};
use crate::spec::name::ProjectName;
use crate::spec::version::Version;
use crate::spec::wheel_name::WheelName;

const NOT_PINNED: &str = "it is not pinned to one version with `==`, nor to a URL";
const UNREADABLE: &str = "this is not a requirement";

/// Separates a requirement from its marker; `;` may also be a part of a URL.
pub(super) fn split_marker(text: &str) -> (&str, Option<&str>) {
    if !text.contains("://") && !Location::is_url(text) {
        let parts = text.split_once(';');
        return parts.map_or((text, None), |(text, marker)| {
            (text.trim_end(), Some(marker))
        });
    }
    before_marker(text, |before, after| {
        after.is_empty()
            || before.ends_with(char::is_whitespace)
            || after.starts_with(char::is_whitespace)
    })
}

/// Separates the options behind a requirement, or those of a line of their own, from a marker
/// behind them.
pub(super) fn split_options_marker(text: &str) -> (&str, Option<&str>) {
    before_marker(text, |_, _| false)
}

/// The text before the first `;` that separates a marker: `separates` says so of the texts on both
/// sides, or a marker follows that can be read.
fn before_marker(text: &str, separates: fn(&str, &str) -> bool) -> (&str, Option<&str>) {
    for (at, _) in text.match_indices(';') {
        let (before, after) = (&text[..at], &text[at + 1..]);
        let is_marker = || Marker::parse(after.trim(), MarkerScope::Requirement).is_ok();
        if separates(before, after) || is_marker() {
            return (before.trim_end(), Some(after));
        }
    }
    (text, None)
}

/// Reads a marker of the line.
pub(super) fn read_marker(line: &Line, text: &str) -> Result<Marker, ResolutionFault> {
    let text = text.trim();
    Marker::parse(text, MarkerScope::Requirement).map_err(|reason| ResolutionFault::Marker {
        place: format!("line {}", line.number),
        marker: text.to_owned(),
        reason,
    })
}

/// Reads a requirement without its options and its marker ("Dependency specifiers",
/// "Specification").
pub(super) fn read(line: &Line, text: &str) -> Result<(ProjectName, Pin), ResolutionFault> {
    if text.contains("${") {
        return Err(line.fault(VARIABLE));
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-'));
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    // The rest of a path begins with `/` or `\`, that of a URL with `:`, and that of a scheme
    // such as `git+https` with `+`; none of them can follow a project's name.
    if name.is_empty() || rest.starts_with(['/', '\\', ':', '+']) || name.ends_with(".whl") {
        return unnamed(line, text);
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
    let pin = match rest.strip_prefix('@') {
        Some(url) => at_url(&name, one_word(line, url.trim_start())?)?,
        None => pinned(rest).ok_or_else(|| line.fault(NOT_PINNED))?,
    };
    Ok((name, pin))
}

/// A wheel without a project's name, by its URL or path, as `uv export` writes local wheels: the
/// project is taken from the file name. A path is relative to the working directory, as for pip and
/// uv.
fn unnamed(line: &Line, text: &str) -> Result<(ProjectName, Pin), ResolutionFault> {
    let is_url = text.contains("://") || Location::is_url(text);
    let place = if is_url { one_word(line, text)? } else { text };
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
    Ok((name, pin))
}

/// A URL ends at white space, and only a marker may follow.
fn one_word<'a>(line: &Line, text: &'a str) -> Result<&'a str, ResolutionFault> {
    if text.is_empty() || text.contains(char::is_whitespace) {
        Err(line.fault(UNREADABLE))
    } else {
        Ok(text)
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

/// Whether a URL is a wheel or something else.
fn at_url(name: &ProjectName, url: &str) -> Result<Pin, ResolutionFault> {
    if let Some((vcs, _)) = url
        .split_once("://")
        .and_then(|(scheme, _)| scheme.split_once('+'))
    {
        return Ok(Pin::NotAWheel(format!(
            "a {vcs} repository, `{}`",
            shown(url)
        )));
    }
    let refuse = |reason| {
        let (entry, location) = (name.to_string(), shown(url));
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

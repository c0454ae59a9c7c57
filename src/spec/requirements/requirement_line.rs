//! A line that names a project: its parts, and the options behind the requirement.
//!
//! Input: a logical line. Output: the text of the requirement, its markers and its hashes, which
//! pinned and loose lists read alike. Does no I/O.

use super::RefusedLine;
use super::lines::Line;
use super::specifier::{read_marker, split_marker, split_options_marker};
use crate::digest::{Algorithm, Digest};
use crate::error::{ResolutionFault, ResolutionOddity};
use crate::spec::marker::Marker;

/// The parts of a line.
pub(super) struct RequirementLine<'a> {
    /// The requirement without its marker.
    pub(super) specification: &'a str,
    /// The options behind it, not yet split into words.
    pub(super) options: &'a str,
    /// All of them have to hold.
    pub(super) markers: Vec<Marker>,
}

impl<'a> RequirementLine<'a> {
    /// The parts of `line`; an error if a marker cannot be read.
    pub(super) fn of(line: &'a Line) -> Result<Self, RefusedLine> {
        let (specification, options) = line.split_options();
        let (specification, marker) = split_marker(specification);
        // pip takes a marker behind the options too.
        let (options, later_marker) = split_options_marker(options);
        let mut markers = Vec::new();
        for text in [marker, later_marker].into_iter().flatten() {
            markers.push(read_marker(line, text)?);
        }
        Ok(Self {
            specification,
            options,
            markers,
        })
    }
}

/// The hashes among the options of the requirement that errors name by `label`. Options that change
/// nothing here become warnings.
///
/// # Errors
/// An unknown option, an option without its value, a hash that is none, and only weak hashes.
pub(super) fn hashes(
    line: &Line,
    options: &str,
    label: &dyn Fn() -> String,
    warnings: &mut Vec<ResolutionOddity>,
) -> Result<Vec<Digest>, ResolutionFault> {
    let words = line.words(options)?;
    let mut words = words.iter().map(AsRef::as_ref);
    let (mut hashes, mut weak) = (Vec::new(), Vec::new());
    while let Some(word) = words.next() {
        let (option, attached) = split_option(word);
        let value = attached
            .or_else(|| words.next())
            .ok_or_else(|| line.fault("its value is missing"))?;
        match option {
            "--hash" => match hash_of(value, label)? {
                Some(hash) => hashes.push(hash),
                None => weak.push(value.split(':').next().unwrap_or_default().to_owned()),
            },
            "-C" | "--config-settings" | "--config-setting" | "--global-option" => {
                warnings.push(ignored_option(line, option, "nothing is built"));
            }
            _ => return Err(line.fault("this option is not known")),
        }
    }
    // Without its weak hashes this wheel would go unchecked although the list pins it.
    if hashes.is_empty() && !weak.is_empty() {
        return Err(ResolutionFault::NoSecureHash {
            entry: label(),
            found: weak,
        });
    }
    Ok(hashes)
}

/// The warning about an option that changes nothing.
pub(super) fn ignored_option(line: &Line, option: &str, reason: &'static str) -> ResolutionOddity {
    ResolutionOddity::IgnoredOption {
        line: line.number,
        option: option.to_owned(),
        reason,
    }
}

/// `--option=value`, `--option`, `-o` and `-ovalue`: the option and what is attached to it.
pub(super) fn split_option(word: &str) -> (&str, Option<&str>) {
    if word.starts_with("--") {
        return word
            .split_once('=')
            .map_or((word, None), |(option, value)| (option, Some(value)));
    }
    match word.split_at_checked(2) {
        Some((option, "")) => (option, None),
        Some((option, value)) => (option, Some(value.strip_prefix('=').unwrap_or(value))),
        None => (word, None),
    }
}

/// `sha256:…` of the requirement `label`; `None` if the algorithm is weak or unknown.
fn hash_of(value: &str, label: &dyn Fn() -> String) -> Result<Option<Digest>, ResolutionFault> {
    let bad = || ResolutionFault::BadHash {
        entry: label(),
        hash: value.to_owned(),
    };
    let (name, hex) = value.split_once(':').ok_or_else(bad)?;
    let algorithm = Algorithm::from_name(name);
    algorithm
        .map(|algorithm| Digest::from_hex(algorithm, hex).ok_or_else(bad))
        .transpose()
}

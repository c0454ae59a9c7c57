//! Lists of pinned requirements, as `pip-compile` and `uv pip compile` print them.
//!
//! Input: the text. Output: [`Requirements`]: every project with its one version or URL, its hashes
//! and its marker; or every line that cannot be used. Invariants: nothing is resolved, so an
//! unpinned requirement is refused; if one requirement has `--hash`, all that apply must have one,
//! as for pip. Limits: other files are not followed, variables are not replaced, and only a wheel,
//! by its URL or path, may be listed without a project's name.

mod encoding;
mod lines;
mod loose;
mod requirement_line;
mod specifier;

use std::borrow::Cow;
use std::collections::BTreeMap;

pub use loose::LooseList;
pub(crate) use loose::LooseRequirement;

use lines::{Line, lines};
use requirement_line::{RequirementLine, hashes, ignored_option, split_option};
use specifier::{read_marker, split_options_marker};

use super::location::Location;
use super::marker::{Marker, MarkerEnvironment, Sets};
use super::name::ProjectName;
use super::version::Version;
use crate::digest::Digest;
use crate::error::{Fault, ResolutionFault, ResolutionOddity};

/// The name of the format in messages.
const VARIABLE: &str = "variables are not replaced";

/// A list of requirements.
#[derive(Debug, Default)]
pub struct Requirements {
    /// The directories of `--find-links`, as written.
    pub find_links: Vec<String>,
    /// Warnings about it.
    pub warnings: Vec<ResolutionOddity>,
    entries: Vec<PinnedRequirement>,
    /// The setting of `--require-hashes` or `--no-require-hashes`; without either, one `--hash`
    /// makes hashes mandatory for all.
    needs_hashes: Option<bool>,
    refused: Vec<RefusedLine>,
}

/// A line that cannot be used, which matters only if it applies to the environment.
#[derive(Debug)]
struct RefusedLine {
    markers: Vec<Marker>,
    fault: ResolutionFault,
}

impl RefusedLine {
    /// Reads a line of options, with or without a marker behind them. As for pip, the marker leaves
    /// out no option; but it says for which environment an editable project is.
    fn read_options(
        line: &Line,
        read: impl FnOnce(&[Cow<'_, str>]) -> Result<(), ResolutionFault>,
    ) -> Result<(), Self> {
        let (options, marker) = split_options_marker(&line.text);
        let marker = marker.map(|text| read_marker(line, text)).transpose();
        let markers: Vec<_> = marker.map_err(Self::from)?.into_iter().collect();
        let read = line.words(options).and_then(|words| read(&words));
        read.map_err(|fault| Self { markers, fault })
    }
}

/// One project ("Dependency specifiers", "Specification").
#[derive(Debug, Clone)]
pub struct PinnedRequirement {
    /// The number of its first line.
    pub line: u64,
    /// The project.
    pub name: ProjectName,
    /// Its version, or the location of its wheel.
    pub pin: Pin,
    /// The hashes of `--hash`, one of which must match; empty if there are none.
    pub hashes: Vec<Digest>,
    /// All of them must hold: one may precede the options, and one follow them.
    markers: Vec<Marker>,
}

/// The version or file that a requirement is pinned to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    /// `==`: a wheel of this version.
    Version(Version),
    /// `@`: this wheel, with the hashes of its fragment, all of which must match.
    Wheel(Location, Vec<Digest>),
    /// `@`: something else than a wheel.
    NotAWheel(String),
}

impl PinnedRequirement {
    /// Its name in messages: `six==1.17.0`, or the name alone.
    pub fn label(&self) -> String {
        match &self.pin {
            Pin::Version(version) => format!("{}=={version}", self.name),
            _ => self.name.to_string(),
        }
    }
}

impl Requirements {
    /// Reads a list (pip's "Requirements file format"). Lines that cannot be used are refused by
    /// [`Requirements::select`], as they may be for another environment.
    ///
    /// # Errors
    /// If it is not text.
    pub fn parse(text: &[u8]) -> Result<Self, Vec<Fault>> {
        let text = encoding::text_of(text)
            .map_err(|reason| vec![ResolutionFault::NotRequirements(reason).into()])?;
        let mut list = Self::default();
        for line in lines(&text) {
            let read = if line.text.starts_with('-') {
                RefusedLine::read_options(&line, |words| list.options(&line, words))
            } else {
                list.requirement(&line)
            };
            list.refused.extend(read.err());
        }
        Ok(list)
    }

    /// The requirements that apply to an environment, in the list's order.
    ///
    /// # Errors
    /// Every reason why they cannot be installed; all that are not wheels are one fault.
    pub fn select(
        &self,
        environment: &MarkerEnvironment,
    ) -> Result<Vec<&PinnedRequirement>, Vec<Fault>> {
        let apply = |markers: &[Marker]| {
            let holds = |marker: &Marker| marker.holds(environment, &Sets::default());
            markers.iter().all(holds)
        };
        let (mut faults, mut others) = (Vec::<Fault>::new(), Vec::new());
        for line in self.refused.iter().filter(|line| apply(&line.markers)) {
            match &line.fault {
                ResolutionFault::NotWheels(found) => others.extend(found.iter().cloned()),
                fault => faults.push(fault.clone().into()),
            }
        }
        let entries = self.entries.iter();
        let meant: Vec<_> = entries.filter(|entry| apply(&entry.markers)).collect();
        faults.extend(twice(&meant).into_iter().map(Fault::from));
        // As for pip, a hash on any line counts, also on one whose marker does not hold here.
        let needs_hashes = self
            .needs_hashes
            .unwrap_or_else(|| self.entries.iter().any(|entry| !entry.hashes.is_empty()));
        // The same pin without a hash, as in two concatenated lists, is checked by the other line.
        let is_hashed = |entry: &PinnedRequirement| {
            let is_same =
                |other: &&&PinnedRequirement| other.name == entry.name && other.pin == entry.pin;
            meant
                .iter()
                .filter(is_same)
                .any(|other| !other.hashes.is_empty())
        };
        for entry in &meant {
            match &entry.pin {
                Pin::NotAWheel(what) => others.push((entry.label(), what.clone())),
                // The hash applies to this URL only and does not make hashes mandatory for the
                // others.
                Pin::Wheel(_, fragment) if !fragment.is_empty() => {}
                _ if needs_hashes && entry.hashes.is_empty() && !is_hashed(entry) => {
                    let fault = ResolutionFault::NoSecureHash {
                        entry: entry.label(),
                        found: Vec::new(),
                    };
                    faults.push(fault.into());
                }
                _ => {}
            }
        }
        if !others.is_empty() {
            faults.push(ResolutionFault::NotWheels(others).into());
        }
        if faults.is_empty() {
            Ok(meant)
        } else {
            Err(faults)
        }
    }

    fn options(&mut self, line: &Line, words: &[Cow<'_, str>]) -> Result<(), ResolutionFault> {
        let mut words = words.iter().map(AsRef::as_ref);
        while let Some(word) = words.next() {
            let (option, attached) = split_option(word);
            let mut value = || {
                attached
                    .or_else(|| words.next())
                    .ok_or_else(|| line.fault("its value is missing"))
            };
            let ignored = match option {
                "-i" | "--index-url" | "--extra-index-url" | "--trusted-host" => {
                    value()?;
                    Some("nothing is looked up in an index")
                }
                "--no-binary" => {
                    value()?;
                    Some("only wheels are installed")
                }
                "--use-feature" => {
                    value()?;
                    Some("it is for pip")
                }
                // These options describe what happens here anyway, or concern only a resolver.
                "--only-binary" | "--all-releases" | "--only-final" => value().map(|_| None)?,
                "--no-index" | "--pre" | "--prefer-binary" => None,
                "--require-hashes" | "--no-require-hashes" => {
                    self.needs_hashes = Some(option == "--require-hashes");
                    None
                }
                "-f" | "--find-links" => {
                    let directory = value()?;
                    // pip would replace the variable; taken literally, it names a wrong directory.
                    if directory.contains("${") {
                        return Err(line.fault(VARIABLE));
                    }
                    let is_remote = directory.contains("://") && !directory.starts_with("file:");
                    if !is_remote {
                        self.find_links.push(directory.to_owned());
                    }
                    is_remote.then_some("nothing is looked up on a server")
                }
                "-r" | "--requirement" => {
                    return Err(
                        line.fault("other lists are not followed: name each with `--requirements`")
                    );
                }
                "-c" | "--constraint" => {
                    return Err(
                        line.fault("constraints are for a resolver: give the list that it printed")
                    );
                }
                "-e" | "--editable" => {
                    return Err(line.not_a_wheel("an editable project"));
                }
                _ => return Err(line.fault("this option is not known")),
            };
            if let Some(reason) = ignored {
                self.warnings.push(ignored_option(line, option, reason));
            }
        }
        Ok(())
    }

    /// A line with a requirement and its own options.
    fn requirement(&mut self, line: &Line) -> Result<(), RefusedLine> {
        let RequirementLine {
            specification,
            options,
            markers,
        } = RequirementLine::of(line)?;
        let read = specifier::read(line, specification).and_then(|(name, pin)| {
            let mut requirement = PinnedRequirement {
                line: line.number,
                name,
                pin,
                hashes: Vec::new(),
                markers: markers.clone(),
            };
            let label = || requirement.label();
            requirement.hashes = hashes(line, options, &label, &mut self.warnings)?;
            Ok(requirement)
        });
        match read {
            Ok(requirement) => self.entries.push(requirement),
            Err(fault) => return Err(RefusedLine { markers, fault }),
        }
        Ok(())
    }
}

impl From<ResolutionFault> for RefusedLine {
    /// The line is refused in every environment.
    fn from(fault: ResolutionFault) -> Self {
        Self {
            markers: Vec::new(),
            fault,
        }
    }
}

/// Projects that are pinned to different things. The same pin twice, as in two concatenated lists,
/// counts once.
fn twice(meant: &[&PinnedRequirement]) -> Vec<ResolutionFault> {
    let mut by_name: BTreeMap<&str, Vec<&PinnedRequirement>> = BTreeMap::new();
    for entry in meant {
        by_name
            .entry(entry.name.normalized())
            .or_default()
            .push(entry);
    }
    by_name
        .into_iter()
        .filter(|(_, entries)| entries.iter().any(|entry| entry.pin != entries[0].pin))
        .map(|(name, entries)| ResolutionFault::Twice {
            package: name.to_owned(),
            found: entries
                .iter()
                .map(|entry| format!("`{}` in line {}", entry.label(), entry.line))
                .collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests;

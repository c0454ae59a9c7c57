//! Lists of requirements that a resolver reads: loose or pinned, with other lists and indexes.
//!
//! Input: the text. Output: a [`LooseList`]: every requirement with its line, the lists that it
//! names, and where to look; or every line that cannot be used. Limits: other lists are named and
//! not read here; variables are not replaced; nothing is built.

use std::borrow::Cow;

use super::lines::{Line, lines};
use super::requirement_line::{RequirementLine, hashes, ignored_option, split_option};
use super::specifier;
use super::{Pin, RefusedLine, VARIABLE, encoding};
use crate::digest::Digest;
use crate::error::{Fault, ResolutionFault, ResolutionOddity};
use crate::spec::location::Location;
use crate::spec::marker::{Marker, MarkerEnvironment, Sets};
use crate::spec::requirement::Requirement;

const UNREADABLE: &str = "this is not a requirement";

/// A list of requirements ("Requirements file format" of pip).
#[derive(Debug, Default)]
pub struct LooseList {
    /// The requirements, in the order of the text.
    pub(crate) requirements: Vec<LooseRequirement>,
    /// The lists that it names with `-r` and `-c`.
    pub(crate) nested: Vec<NestedList>,
    /// The addresses and directories of `--index-url`, `--extra-index-url` and `--find-links`.
    pub(crate) places: ListedPlaces,
    /// Whether pre-releases are as good as final releases (`--pre`).
    pub(crate) prereleases: bool,
    /// `--require-hashes` or `--no-require-hashes`; without either, one `--hash` makes hashes
    /// mandatory for all.
    pub(crate) needs_hashes: Option<bool>,
    /// Warnings about it.
    pub warnings: Vec<ResolutionOddity>,
    refused: Vec<RefusedLine>,
}

/// One requirement of a list.
#[derive(Debug)]
pub(crate) struct LooseRequirement {
    /// The number of its first line.
    pub(crate) line: u64,
    /// The requirement, without its markers.
    pub(crate) requirement: Requirement,
    /// The wheel that it names by path or URL, and the hashes of its fragment, all of which must
    /// match.
    pub(crate) direct: Option<(Location, Vec<Digest>)>,
    /// The hashes of `--hash`, one of which must match; empty if there are none.
    pub(crate) hashes: Vec<Digest>,
    /// All of them must hold.
    markers: Vec<Marker>,
}

/// Another list that a list names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NestedList {
    /// The line that names it.
    pub(crate) line: u64,
    /// Its path or URL as written, relative to the list.
    pub(crate) path: String,
    /// Whether it has constraints (`-c`).
    pub(crate) is_constraints: bool,
}

/// Where to look for projects, as a list states it.
#[derive(Debug, Default, Clone)]
pub(crate) struct ListedPlaces {
    /// `--index-url`; the last one counts.
    pub(crate) index_url: Option<String>,
    /// `--extra-index-url`, in their order.
    pub(crate) extra_index_urls: Vec<String>,
    /// `--find-links`, as written.
    pub(crate) find_links: Vec<String>,
    /// `--no-index`.
    pub(crate) no_index: bool,
}

impl LooseList {
    /// Reads a list (pip's "Requirements file format"). Lines that cannot be used are refused by
    /// [`check`](Self::check), as they may be for another environment.
    ///
    /// # Errors
    /// It is not text.
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

    /// Refuses the lines that apply to an environment and cannot be used.
    ///
    /// # Errors
    /// All of them; those that are no wheels are one fault.
    pub fn check(&self, environment: &MarkerEnvironment) -> Result<(), Vec<Fault>> {
        let (mut faults, mut others) = (Vec::<Fault>::new(), Vec::new());
        for line in self
            .refused
            .iter()
            .filter(|line| hold(&line.markers, environment))
        {
            match &line.fault {
                ResolutionFault::NotWheels(found) => others.extend(found.iter().cloned()),
                fault => faults.push(fault.clone().into()),
            }
        }
        if !others.is_empty() {
            faults.push(ResolutionFault::NotWheels(others).into());
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }

    fn options(&mut self, line: &Line, words: &[Cow<'_, str>]) -> Result<(), ResolutionFault> {
        let mut words = words.iter().map(AsRef::as_ref);
        while let Some(word) = words.next() {
            let (option, attached) = split_option(word);
            let mut value = || {
                let value = attached
                    .or_else(|| words.next())
                    .ok_or_else(|| line.fault("its value is missing"))?;
                // pip would replace the variable; taken literally, it names a wrong place.
                if value.contains("${") {
                    return Err(line.fault(VARIABLE));
                }
                Ok(value.to_owned())
            };
            match option {
                "-i" | "--index-url" | "--pypi-url" => self.places.index_url = Some(value()?),
                "--extra-index-url" => self.places.extra_index_urls.push(value()?),
                "-f" | "--find-links" => self.places.find_links.push(value()?),
                "--no-index" => self.places.no_index = true,
                "--pre" => self.prereleases = true,
                "-r" | "--requirement" | "-c" | "--constraint" => self.nested.push(NestedList {
                    line: line.number,
                    path: value()?,
                    is_constraints: matches!(option, "-c" | "--constraint"),
                }),
                "--require-hashes" | "--no-require-hashes" => {
                    self.needs_hashes = Some(option == "--require-hashes");
                }
                // What they ask for happens here anyway.
                "--only-binary" | "--all-releases" | "--only-final" => drop(value()?),
                "--prefer-binary" => {}
                "--trusted-host" => {
                    value()?;
                    self.warnings.push(ignored_option(
                        line,
                        option,
                        "certificates are always checked",
                    ));
                }
                "--no-binary" => {
                    value()?;
                    self.warnings
                        .push(ignored_option(line, option, "only wheels are installed"));
                }
                "--use-feature" => {
                    value()?;
                    self.warnings
                        .push(ignored_option(line, option, "it is for pip"));
                }
                "-e" | "--editable" => return Err(line.not_a_wheel("an editable project")),
                _ => return Err(line.fault("this option is not known")),
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
        let read = read(line, specification).and_then(|(requirement, direct)| {
            let label = || requirement.name.normalized().to_owned();
            let hashes = hashes(line, options, &label, &mut self.warnings)?;
            Ok(LooseRequirement {
                line: line.number,
                requirement,
                direct,
                hashes,
                markers: markers.clone(),
            })
        });
        match read {
            Ok(read) => self.requirements.push(read),
            Err(fault) => return Err(RefusedLine { markers, fault }),
        }
        Ok(())
    }
}

impl LooseRequirement {
    /// Whether it is for this environment.
    pub(crate) fn applies(&self, environment: &MarkerEnvironment) -> bool {
        hold(&self.markers, environment)
    }
}

fn hold(markers: &[Marker], environment: &MarkerEnvironment) -> bool {
    let holds = |marker: &Marker| marker.holds(environment, &Sets::default());
    markers.iter().all(holds)
}

/// A wheel that is named by path or URL, with the hashes of its fragment.
type NamedWheel = (Location, Vec<Digest>);

/// A requirement without its marker, and the wheel that it names by path or URL.
fn read(line: &Line, text: &str) -> Result<(Requirement, Option<NamedWheel>), ResolutionFault> {
    if text.contains("${") {
        return Err(line.fault(VARIABLE));
    }
    let named = Requirement::parse(text);
    if let Ok(requirement) = &named
        && requirement.url().is_none()
    {
        return Ok((requirement.clone(), None));
    }
    // A path or URL, with or without a name; or a line that is wrong, which this finds out.
    let (name, pin) = specifier::read(line, text).map_err(|fault| match fault {
        // A set of versions that cannot be read is no missing pin.
        ResolutionFault::Line { .. } if named.is_err() => line.fault(UNREADABLE),
        fault => fault,
    })?;
    match pin {
        Pin::Wheel(location, hashes) => {
            let requirement = match named {
                Ok(requirement) => requirement,
                Err(_) => Requirement::at(name, &location.label(), None),
            };
            Ok((requirement, Some((location, hashes))))
        }
        Pin::NotAWheel(what) => Err(ResolutionFault::NotWheels(vec![(
            name.to_string(),
            format!("{what} (line {})", line.number),
        )])),
        Pin::Version(_) => Err(line.fault(UNREADABLE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loose_lists_name_requirements_other_lists_and_places() {
        let text = "-i https://h/simple --pre\n--extra-index-url=https://i/s\n-f dir\n\
                    -r other.in\n-cconstraints.txt\nflask >=3,<4 ; python_version > '3' # why\n\
                    six==1.0 --hash=sha256:\
                    4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274\n\
                    a[x] @ https://h/a-1-py3-none-any.whl\n\
                    ./b-2-py3-none-any.whl ; python_version > '3'\n\
                    --no-index";
        let list = LooseList::parse(text.as_bytes()).expect("it is a list");
        let names = list.requirements.iter().map(|read| {
            let name = read.requirement.name.to_string();
            (read.line, name, read.direct.is_some(), read.hashes.len())
        });
        let expected = [
            (6, "flask", false, 0),
            (7, "six", false, 1),
            (8, "a", true, 0),
            (9, "b", true, 0),
        ];
        let expected =
            expected.map(|(line, name, direct, hashes)| (line, name.to_owned(), direct, hashes));
        assert_eq!(names.collect::<Vec<_>>(), expected);
        let nested = |line, path: &str, is_constraints| NestedList {
            line,
            path: path.to_owned(),
            is_constraints,
        };
        let expected = [
            nested(4, "other.in", false),
            nested(5, "constraints.txt", true),
        ];
        assert_eq!(list.nested, expected);
        assert_eq!(list.places.index_url.as_deref(), Some("https://h/simple"));
        assert_eq!(list.places.extra_index_urls, ["https://i/s"]);
        assert_eq!(list.places.find_links, ["dir"]);
        assert!(list.places.no_index && list.prereleases);
    }

    #[test]
    fn lines_that_cannot_be_used_are_refused_where_they_apply() {
        let text = "a >=x\n-e .\n-r ${X}\nb @ git+https://h/b\n--what\n\
                    c >=y ; python_version < '3'\n";
        let list = LooseList::parse(text.as_bytes()).expect("it is text");
        let environment = MarkerEnvironment {
            python_version: "3.12".to_owned(),
            ..MarkerEnvironment::default()
        };
        let faults = list.check(&environment).expect_err("it is wrong");
        let codes: Vec<_> = faults.iter().map(Fault::code).collect();
        let line = "requirement-line";
        assert_eq!(codes, [line, line, line, "not-wheels"]);
    }
}

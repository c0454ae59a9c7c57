//! File names of wheels.
//!
//! Input: the last component of a path or URL, already decoded. Output: a [`WheelName`].
//! Invariants: there is at least one [`Tag`], all tags are in lower case, and none has an empty
//! part. Limits: 255 bytes, as for any component of a path.

use std::fmt;

use crate::error::MetadataFault;
use crate::path::check_component;
use crate::spec::name::ProjectName;
use crate::spec::version::Version;

/// The parts of a wheel's file name ("Binary distribution format", "File name convention").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName {
    /// The project.
    pub name: ProjectName,
    /// Its version.
    pub version: Version,
    /// The build tag, if the name has one.
    pub build: Option<BuildTag>,
    /// Its tags: every combination of the name's compressed tag sets, in the order written.
    pub tags: Vec<Tag>,
}

/// The build tag of a wheel ("Binary distribution format", "File name convention"): sorted by
/// number, then by suffix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuildTag {
    /// The digits that it begins with.
    pub number: u64,
    /// The rest of it, often empty.
    pub suffix: String,
}

/// One interpreter, ABI and platform ("Platform compatibility tags"), in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// The interpreter and its version: `py3`, `cp311`.
    pub python: String,
    /// The ABI: `none`, `abi3`, `cp311`.
    pub abi: String,
    /// The platform: `any`, `manylinux_2_17_x86_64`.
    pub platform: String,
}

impl WheelName {
    /// Reads a file name ("Binary distribution format", "File name convention"). A name with `.` or
    /// in upper case is accepted, and so is a version with `_` for `-`, both of which older build
    /// tools wrote.
    ///
    /// # Errors
    /// [`MetadataFault::FileName`] with the first rule that the name breaks.
    pub fn parse(file_name: &str) -> Result<Self, MetadataFault> {
        Self::read(file_name).map_err(|reason| MetadataFault::FileName {
            name: file_name.to_owned(),
            reason,
        })
    }

    /// The name of the project's dist-info directory ("Recording installed projects", "The
    /// .dist-info directory").
    pub fn dist_info(&self) -> String {
        let (name, version) = (self.name.escaped(), self.version.escaped());
        format!("{name}-{version}.dist-info")
    }

    fn read(file_name: &str) -> Result<Self, &'static str> {
        check_component(file_name).map_err(|_| "it is not a plain file name")?;
        let stem = file_name
            .strip_suffix(".whl")
            .ok_or("it does not end in `.whl`")?;
        let parts: Vec<&str> = stem.split('-').collect();
        let (name, version, build, [python, abi, platform]) = match parts[..] {
            [name, version, python, abi, platform] => {
                (name, version, None, [python, abi, platform])
            }
            [name, version, build, python, abi, platform] => {
                (name, version, Some(build), [python, abi, platform])
            }
            _ => return Err("it does not have five or six parts separated by `-`"),
        };
        Ok(Self {
            name: ProjectName::parse(name).ok_or("its project name is not valid")?,
            version: Version::parse(version)
                .or_else(|| Version::parse(&version.replace('_', "-")))
                .ok_or("its version is not valid")?,
            build: build.map(BuildTag::read).transpose()?,
            tags: tags(tag_set(python)?, &tag_set(abi)?, &tag_set(platform)?),
        })
    }
}

impl BuildTag {
    fn read(text: &str) -> Result<Self, &'static str> {
        let end = text
            .find(|character: char| !character.is_ascii_digit())
            .unwrap_or(text.len());
        let (digits, suffix) = text.split_at(end);
        if digits.is_empty() {
            return Err("its build tag does not begin with a digit");
        }
        let number = digits
            .parse()
            .map_err(|_| "the number of its build tag is too large")?;
        Ok(Self {
            number,
            suffix: suffix.to_owned(),
        })
    }
}

/// The parts of one compressed tag set ("Platform compatibility tags", "Compressed tag sets").
fn tag_set(text: &str) -> Result<Vec<String>, &'static str> {
    let well_formed = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|character| character.is_alphanumeric() || character == '_')
    };
    text.split('.')
        .map(|part| {
            well_formed(part)
                .then(|| part.to_lowercase())
                .ok_or("it has an empty or malformed tag")
        })
        .collect()
}

/// Every combination of three compressed tag sets.
fn tags(pythons: Vec<String>, abis: &[String], platforms: &[String]) -> Vec<Tag> {
    // 255 bytes leave room for less than 100,000 combinations, so a hostile name cannot exhaust
    // memory.
    let mut tags = Vec::with_capacity(pythons.len() * abis.len() * platforms.len());
    for python in pythons {
        for abi in abis {
            for platform in platforms {
                tags.push(Tag {
                    python: python.clone(),
                    abi: abi.clone(),
                    platform: platform.clone(),
                });
            }
        }
    }
    tags
}

/// The tags that the WHEEL file of an installed project records ("Binary distribution format",
/// "File contents"). Lines that are not valid are passed over.
pub fn recorded_tags(wheel: &[u8]) -> Vec<Tag> {
    let text = String::from_utf8_lossy(wheel);
    let recorded = text.lines().filter_map(|line| line.strip_prefix("Tag:"));
    let parsed = recorded.filter_map(|value| {
        let mut parts = value.trim().splitn(3, '-');
        let mut next = || tag_set(parts.next()?).ok();
        Some(tags(next()?, &next()?, &next()?))
    });
    parsed.flatten().collect()
}

impl Tag {
    /// Whether it fits every interpreter of Python 3 on every platform.
    pub fn is_universal(&self) -> bool {
        self.python == "py3" && self.abi == "none" && self.platform == "any"
    }
}

/// As file names have it: `py3-none-any`.
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.python, self.abi, self.platform)
    }
}

/// As file names have it: `2`, `2local`.
impl fmt::Display for BuildTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.number, self.suffix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags_of(file_name: &str) -> Vec<String> {
        WheelName::parse(file_name)
            .expect("a wheel's name")
            .tags
            .iter()
            .map(Tag::to_string)
            .collect()
    }

    #[test]
    fn c09_dots_and_upper_case_are_accepted() {
        let wheel = WheelName::parse("A.B_c-1.0-Py3-None-Any.whl").expect("a wheel's name");
        assert_eq!(
            (wheel.name.normalized(), wheel.version.raw()),
            ("a-b-c", "1.0")
        );
        assert_eq!(wheel.build, None);
        assert_eq!(wheel.tags[0].to_string(), "py3-none-any");
    }

    #[test]
    fn c09_what_is_not_a_wheels_name_is_refused() {
        for (name, expected) in [
            ("a-1.0-py3-none.whl", "parts"),
            ("a-1.0-1-x-py3-none-any.whl", "parts"),
            ("a-1.0-py3-none-any.zip", "`.whl`"),
            ("a-1.0-py3-none-any.WHL", "`.whl`"),
            ("a-1.0-py3--any.whl", "tag"),
            ("a-1.0-py3-none-.whl", "tag"),
            ("a-1.0-py2..py3-none-any.whl", "tag"),
            ("a-1.0-py3-none-a ny.whl", "tag"),
            ("-1.0-py3-none-any.whl", "project name"),
            ("a--py3-none-any.whl", "version"),
            ("a-x-py3-none-any.whl", "version"),
            ("a-1.0-b1-py3-none-any.whl", "build tag"),
            ("a-1.0--py3-none-any.whl", "build tag"),
            ("a-1.0-99999999999999999999-py3-none-any.whl", "too large"),
            ("x/a-1.0-py3-none-any.whl", "plain"),
            ("", "plain"),
        ] {
            let fault = WheelName::parse(name).expect_err(name);
            let MetadataFault::FileName { reason, .. } = fault else {
                panic!("{name}: {fault}")
            };
            assert!(reason.contains(expected), "{name}: {reason}");
        }
    }

    #[test]
    fn recorded_tags_are_read_from_their_lines() {
        let read = |text: &str| {
            let tags = recorded_tags(text.as_bytes());
            let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
            tags.join(" ")
        };
        let two = "Wheel-Version: 1.0\nTag: py2.py3-none-any\r\nTag:cp312-abi3-win32\n";
        assert_eq!(read(two), "py2-none-any py3-none-any cp312-abi3-win32");
        assert_eq!(read("Tag: py3\nTag:\nTags: py3-none-any\nTag: a--b\n"), "");
    }

    #[test]
    fn c12_compressed_tag_sets_expand_in_order() {
        assert_eq!(
            tags_of("a-1-py2.py3-none-any.whl"),
            ["py2-none-any", "py3-none-any"]
        );
        assert_eq!(
            tags_of("a-1-cp311-cp311.abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"),
            [
                "cp311-cp311-manylinux_2_17_x86_64",
                "cp311-cp311-manylinux2014_x86_64",
                "cp311-abi3-manylinux_2_17_x86_64",
                "cp311-abi3-manylinux2014_x86_64"
            ]
        );
    }

    #[test]
    fn e34_builds_are_ordered_by_number_then_suffix() {
        let build = |text: &str| {
            WheelName::parse(&format!("a-1.0-{text}-py3-none-any.whl"))
                .expect("a wheel's name")
                .build
                .expect("a build")
        };
        assert!(build("2") < build("10"));
        assert!(build("2") < build("2a") && build("2a") < build("2b") && build("2b") < build("3"));
        assert_eq!(build("202401010000").number, 202_401_010_000);
        assert_eq!(build("2local").to_string(), "2local");
    }

    #[test]
    fn e27_local_labels_and_legacy_versions_are_read() {
        let version = |text: &str| {
            WheelName::parse(&format!("a-{text}-py3-none-any.whl"))
                .expect("a wheel's name")
                .version
                .to_string()
        };
        assert_eq!(version("1.0+cu121"), "1.0+cu121");
        assert_eq!(version("1.0+ubuntu_1"), "1.0+ubuntu.1");
        assert_eq!(version("1.0_1"), "1.0.post1");
    }
}

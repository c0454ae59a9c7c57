//! An interpreter that is described, because it is not on this machine.
//!
//! Input: a [`PythonDescription`], which may leave parts open. Output: a [`Python`]. Nothing is
//! started if the version is given: CPython is the usual implementation, and the platform of this
//! machine is read from the files of its programs. What is left open otherwise is taken from an
//! interpreter that is here.

use std::path::Path;

use super::{Python, elf};
use crate::error::{Error, Result};
use crate::spec::described_python::{self, PythonRelease};
use crate::spec::tags::{Implementation, Platform, Target};

/// Programs that nearly every Linux has and that are linked to its C library. The last one is this
/// program, for images that have neither.
const PROGRAMS: [&str; 3] = ["/usr/bin/env", "/bin/sh", "/proc/self/exe"];

/// What is said about an interpreter that is not on this machine. By default nothing, so that the
/// environment's own interpreter counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PythonDescription {
    /// `--python-version`.
    pub release: Option<PythonRelease>,
    /// `--python-platform`.
    pub platform: Option<Platform>,
    /// `--implementation`.
    pub implementation: Option<Implementation>,
    /// `--abi`, as an ABI tag.
    pub abi: Option<String>,
}

impl PythonDescription {
    /// Whether nothing is described.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The described interpreter; parts that are left open are those of `base`.
    ///
    /// # Errors
    /// The ABI is not one of the version, or there is no `base` for a part that is left open.
    pub(super) fn with(&self, base: Option<&Python>) -> Result<Python> {
        let version = match (self.release, base) {
            (Some(release), _) => release.version(),
            (None, base) => base.ok_or_else(Error::no_interpreter)?.version.clone(),
        };
        let release = self.release.or_else(|| base.map(release_of));
        let release = release.ok_or_else(Error::no_interpreter)?;
        let platform = self.platform.clone().or_else(|| {
            base.map(|base| base.target.platform.clone())
                .or_else(platform_here)
        });
        let platform = platform.ok_or_else(Error::no_interpreter)?;
        let implementation = self.implementation.clone();
        let implementation = implementation
            .or_else(|| base.map(|base| base.target.implementation.clone()))
            .unwrap_or(Implementation::CPython);
        let abi = self
            .abi
            .as_deref()
            .or_else(|| usual_abi(base?, release, &implementation));
        let target = described_python::target(release, implementation, abi, platform)
            .map_err(Error::usage)?;
        Ok(Python {
            executable: None,
            version,
            target,
            is_elsewhere: self.platform.is_some(),
        })
    }
}

/// The ABI of an interpreter that is here, if the described one is of the same version.
fn usual_abi<'p>(
    base: &'p Python,
    release: PythonRelease,
    implementation: &Implementation,
) -> Option<&'p str> {
    let Target {
        version: (major, minor),
        ..
    } = base.target;
    let is_same = (major, minor) == (release.numbers.0, release.numbers.1)
        && base.target.implementation == *implementation;
    base.target.abi.as_deref().filter(|_| is_same)
}

fn release_of(python: &Python) -> PythonRelease {
    let (major, minor) = python.target.version;
    PythonRelease {
        numbers: (major, minor, 0),
        free_threaded: python.target.free_threaded,
    }
}

/// The platform of this machine, if the files of its programs tell it.
pub(super) fn platform_here() -> Option<Platform> {
    PROGRAMS
        .iter()
        .find_map(|program| elf::platform(Path::new(program)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::version::Version;

    fn here() -> Python {
        Python {
            executable: Some("/usr/bin/pypy3".into()),
            version: Version::parse("3.10.14").expect("a version"),
            target: Target {
                implementation: Implementation::PyPy,
                version: (3, 10),
                abi: Some("pypy310-pp73".into()),
                free_threaded: false,
                debug: false,
                platform: Platform::Linux {
                    arch: "x86_64".into(),
                },
            },
            is_elsewhere: false,
        }
    }

    fn described(release: Option<&str>, platform: Option<&str>) -> PythonDescription {
        PythonDescription {
            release: release.map(|text| text.parse().expect("a version")),
            platform: platform.map(|text| text.parse().expect("a platform")),
            ..PythonDescription::default()
        }
    }

    #[test]
    fn what_is_left_open_is_that_of_an_interpreter_which_is_here() {
        let python = described(None, Some("macos")).with(Some(&here())).unwrap();
        assert_eq!(python.version, here().version);
        assert_eq!(python.target.to_string(), "PyPy 3.10 on macOS 13.0 arm64");
        assert_eq!(python.target.abi.as_deref(), Some("pypy310-pp73"));
        assert!(python.is_elsewhere && python.executable.is_none());

        let python = described(Some("3.11"), None).with(Some(&here())).unwrap();
        assert_eq!(python.target.abi.as_deref(), Some("pypy311_pp73"));
        assert_eq!(python.target.platform, here().target.platform);
        assert!(!python.is_elsewhere);
    }

    #[test]
    fn an_abi_of_another_version_is_wrong_usage() {
        let request = PythonDescription {
            abi: Some("cp311".into()),
            ..described(Some("3.12"), Some("linux"))
        };
        let error = request.with(None).unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Usage);
    }
}

//! A Python that is described in words, because it is not on this machine.
//!
//! Input: a version such as `3.12`, `3.12.1` or `3.13t`, the name of an implementation, an ABI tag,
//! a platform. Output: [`PythonRelease`] and [`Target`]. As in uv and pip, `3.12` means `3.12.0`:
//! what is installed then works with every release of 3.12. pip's form without dots, `312`, is
//! read, too.

use std::fmt;
use std::str::FromStr;

use super::digits::number;
use super::tags::{Implementation, Platform, Target};
use super::version::Version;

/// A release of Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PythonRelease {
    /// The three numbers.
    pub numbers: (u32, u32, u32),
    /// Whether it is the build without the global interpreter lock (PEP 703).
    pub free_threaded: bool,
}

impl PythonRelease {
    /// The version, as `Requires-Python` compares it.
    pub fn version(&self) -> Version {
        let (major, minor, micro) = self.numbers;
        Version::parse(&format!("{major}.{minor}.{micro}")).expect("three numbers are a version")
    }
}

impl FromStr for PythonRelease {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "not a version of Python 3, such as 3.12, 3.12.1, or 3.13t for the free-threaded build"
                .to_owned()
        };
        let plain = text.strip_suffix('t');
        let mut parts: Vec<&str> = plain.unwrap_or(text).split('.').collect();
        if let [joined] = parts[..]
            && joined.is_ascii()
            && joined.len() > 1
        {
            let (major, minor) = joined.split_at(1);
            parts = vec![major, minor];
        }
        let (major, minor, micro) = match parts[..] {
            [major, minor] => (major, minor, "0"),
            [major, minor, micro] => (major, minor, micro),
            _ => return Err(wrong()),
        };
        let read = |part: &str| number::<u32>(part).ok_or_else(wrong);
        let numbers = (read(major)?, read(minor)?, read(micro)?);
        let free_threaded = plain.is_some();
        let exists = numbers.0 == 3 && (!free_threaded || numbers.1 >= 13);
        exists
            .then_some(Self {
                numbers,
                free_threaded,
            })
            .ok_or_else(wrong)
    }
}

impl fmt::Display for PythonRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, micro) = self.numbers;
        let thread = if self.free_threaded { "t" } else { "" };
        write!(f, "{major}.{minor}.{micro}{thread}")
    }
}

impl FromStr for Implementation {
    type Err = String;

    /// Reads the name of an implementation, or its letters in a Python tag ("Python Tag").
    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "cp" | "cpython" => Ok(Self::CPython),
            "pp" | "pypy" => Ok(Self::PyPy),
            _ => Err("known are `cp` (CPython) and `pp` (PyPy)".to_owned()),
        }
    }
}

/// The interpreter of a release on a platform, with the ABI that is usual for it or this one
/// ("ABI Tag"). The error says why the ABI cannot be that of the release.
pub fn target(
    release: PythonRelease,
    implementation: Implementation,
    abi: Option<&str>,
    platform: Platform,
) -> Result<Target, String> {
    let (major, minor, _) = release.numbers;
    let mut target = Target {
        implementation,
        version: (major, minor),
        abi: None,
        free_threaded: release.free_threaded,
        debug: false,
        platform,
    };
    if target.implementation != Implementation::CPython {
        // PyPy 7.3 is the only series for Python 3.6 and later.
        let usual = format!("pypy{major}{minor}_pp73");
        target.abi = Some(abi.map_or(usual, str::to_ascii_lowercase));
        return Ok(target);
    }
    let Some(abi) = abi.map(str::to_ascii_lowercase) else {
        return Ok(target);
    };
    if matches!(abi.as_str(), "none" | "abi3" | "abi3t") {
        target.free_threaded |= abi == "abi3t";
        target.abi = Some(abi);
        return Ok(target);
    }
    let flags = abi
        .strip_prefix(&format!("cp{major}{minor}"))
        .filter(|flags| flags.bytes().all(|flag| b"dmt".contains(&flag)))
        .ok_or_else(|| {
            format!(
                "`{abi}` is not an ABI of CPython {major}.{minor}, such as `cp{major}{minor}`, \
                 `abi3` or `none`"
            )
        })?;
    target.debug = flags.contains('d');
    target.free_threaded |= flags.contains('t');
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::tags::supported;

    /// The first tags of a Python on `win_amd64`.
    fn first(release: &str, implementation: &str, abi: Option<&str>) -> Result<String, String> {
        let target = target(
            release.parse().expect("a version"),
            implementation.parse().expect("known"),
            abi,
            Platform::Other("win_amd64".into()),
        )?;
        Ok(supported(&target)[0].to_string())
    }

    #[test]
    fn an_abi_tag_selects_the_build() {
        let cp = |release, abi| first(release, "cp", abi);
        assert_eq!(cp("3.12", None), Ok("cp312-cp312-win_amd64".into()));
        assert_eq!(cp("3.12", Some("cp312")), cp("3.12", None));
        assert_eq!(cp("3.7", Some("CP37m")), Ok("cp37-cp37m-win_amd64".into()));
        assert_eq!(cp("3.13", Some("cp313t")), cp("3.13t", None));
        assert_eq!(cp("3.13t", None), Ok("cp313-cp313t-win_amd64".into()));
        assert_eq!(
            cp("3.12", Some("cp312d")),
            Ok("cp312-cp312d-win_amd64".into())
        );
        assert_eq!(cp("3.12", Some("none")), Ok("cp312-abi3-win_amd64".into()));
        assert_eq!(
            cp("3.15", Some("abi3t")),
            Ok("cp315-abi3t-win_amd64".into())
        );
        for wrong in ["cp311", "cp3120", "", "pypy312_pp73", "abi4", "cp312x"] {
            assert!(cp("3.12", Some(wrong)).is_err(), "{wrong}");
        }
        assert_eq!(
            first("3.11", "PyPy", None),
            Ok("pp311-pypy311_pp73-win_amd64".into())
        );
        assert_eq!(
            first("3.11", "pp", Some("pypy311_pp80")),
            Ok("pp311-pypy311_pp80-win_amd64".into())
        );
        assert!("jy".parse::<Implementation>().is_err());
    }

    #[test]
    fn versions_are_read_as_uv_and_pip_write_them() {
        for (text, expected) in [
            ("3.12", "3.12.0"),
            ("3.12.4", "3.12.4"),
            ("312", "3.12.0"),
            ("38", "3.8.0"),
            ("3.13t", "3.13.0t"),
            ("3.14.1t", "3.14.1t"),
        ] {
            let release: PythonRelease = text.parse().expect(text);
            assert_eq!(release.to_string(), expected);
            assert_eq!(expected.parse(), Ok(release));
        }
        for text in [
            "", "3", "2.7", "3.x", "3.12.1.2", "3.12rc1", "3.12t", "v3.12", "3.", ".3", "3.+1",
            "４.1", "t", ">=3.8",
        ] {
            assert!(text.parse::<PythonRelease>().is_err(), "{text}");
        }
    }
}

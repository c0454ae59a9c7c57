//! The directories of a virtual environment's `lib`, each for one interpreter.
//!
//! Input: names such as `python3.11`, `python3.13t`, `pypy3.10`, or an interpreter. Output:
//! [`Library`], with which one is found for the other. Limits: the layout of Unix.

use std::path::Path;

use crate::error::Result;
use crate::fs;
use crate::spec::tags::{Implementation, Target};

/// A directory in `lib` that belongs to one interpreter, as `python3.13t`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Library {
    /// Its name.
    pub(super) name: String,
    /// The letters that it begins with.
    pub(super) implementation: String,
    /// The first two numbers of the version.
    pub(super) version: (u32, u32),
    /// It ends in `t`.
    pub(super) free_threaded: bool,
}

impl Library {
    /// Parses the name of a directory.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let split = name
            .find(|c: char| !c.is_ascii_alphabetic())
            .filter(|&split| split > 0)?;
        let (implementation, version) = name.split_at(split);
        let plain = version.strip_suffix('t');
        let (major, minor) = plain.unwrap_or(version).split_once('.')?;
        Some(Self {
            name: name.to_owned(),
            implementation: implementation.to_owned(),
            version: (major.parse().ok()?, minor.parse().ok()?),
            free_threaded: plain.is_some(),
        })
    }

    /// The directory of an interpreter, as `sysconfig` names it.
    pub(super) fn of(target: &Target) -> Self {
        let implementation = match &target.implementation {
            Implementation::CPython => "python",
            Implementation::PyPy => "pypy",
            Implementation::Other(name) => name,
        };
        let (major, minor) = target.version;
        let thread = if target.free_threaded { "t" } else { "" };
        Self {
            name: format!("{implementation}{major}.{minor}{thread}"),
            implementation: implementation.to_owned(),
            version: target.version,
            free_threaded: target.free_threaded,
        }
    }

    /// Whether an interpreter uses it.
    ///
    /// Implementations other than the two known ones may also use the name `python`.
    pub(super) fn is_of(&self, target: &Target) -> bool {
        let wanted = Self::of(target);
        let may_be_python = matches!(target.implementation, Implementation::Other(_))
            && self.implementation == "python";
        (self.version, self.free_threaded) == (wanted.version, wanted.free_threaded)
            && (self.implementation == wanted.implementation || may_be_python)
    }
}

/// The directories `lib/*` of a virtual environment that have a `site-packages`.
///
/// # Errors
/// If `lib` cannot be looked at.
pub(super) fn libraries(root: &Path) -> Result<Vec<Library>> {
    let lib = root.join("lib");
    let mut libraries = Vec::new();
    for (name, _) in fs::list(&lib)? {
        let library = name.to_str().and_then(Library::parse);
        if let Some(library) = library
            && is_directory(&lib.join(&library.name).join("site-packages"))?
        {
            libraries.push(library);
        }
    }
    Ok(libraries)
}

fn is_directory(path: &Path) -> Result<bool> {
    Ok(fs::stat(path)?.is_some_and(|stat| stat.kind == fs::Kind::Directory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::tags::Platform;

    fn target(implementation: Implementation, version: (u32, u32), free_threaded: bool) -> Target {
        let platform = Platform::Linux {
            arch: "x86_64".into(),
        };
        Target {
            implementation,
            version,
            abi: None,
            free_threaded,
            debug: false,
            platform,
        }
    }

    #[test]
    fn e104_each_interpreter_has_its_own_directory() {
        let graal = || Implementation::Other("graalpy".into());
        let cases = [
            (
                "python3.11",
                target(Implementation::CPython, (3, 11), false),
            ),
            (
                "python3.13t",
                target(Implementation::CPython, (3, 13), true),
            ),
            ("pypy3.10", target(Implementation::PyPy, (3, 10), false)),
            ("graalpy3.12", target(graal(), (3, 12), false)),
        ];
        for (name, of) in &cases {
            assert_eq!(Library::of(of).name, *name);
            for (_, other) in &cases {
                let library = Library::parse(name).unwrap();
                assert_eq!(library.is_of(other), of == other, "{name} {other:?}");
            }
        }
        assert!(
            Library::parse("python3.11")
                .unwrap()
                .is_of(&target(graal(), (3, 11), false))
        );
    }

    #[test]
    fn what_is_no_such_directory() {
        for name in [
            "",
            "python",
            "python3",
            "3.11",
            "python3.x",
            "python3.11tt",
            "python-3.11",
            "site-packages",
        ] {
            assert_eq!(Library::parse(name), None, "{name}");
        }
    }

    #[test]
    fn only_what_has_site_packages_counts() {
        let root = tempfile::tempdir().unwrap();
        assert!(libraries(root.path()).unwrap().is_empty());
        for made in [
            "lib/python3.11/site-packages",
            "lib/python3.12",
            "lib/pkgconfig/site-packages",
        ] {
            std::fs::create_dir_all(root.path().join(made)).unwrap();
        }
        let names: Vec<_> = libraries(root.path())
            .unwrap()
            .into_iter()
            .map(|library| library.name)
            .collect();
        assert_eq!(names, ["python3.11"]);
    }
}

//! Finding the interpreter that a user means, or the one for a plain directory.
//!
//! Input: a [`Locate`]. Output: the path of a program, or the interpreter that answered.
//! Invariants: the path is absolute and its symbolic links are left as they are, since an
//! interpreter finds its environment by the path it is called by.

use std::path::{Path, PathBuf};

use super::locate_request::Inquiry;
use super::python_description::platform_here;
use super::{Locate, LocatePurpose, NoPython, Python, interpreter, venv};
use crate::error::{Error, ErrorKind, Result};
use crate::fs;

/// The interpreter for a plain directory: the described one, or one that is here.
///
/// # Errors
/// As [`any_python`]; the description is contradictory; or it leaves something open, and no
/// interpreter answers.
pub(super) fn described_or_any(request: &Locate) -> Result<std::result::Result<Python, NoPython>> {
    let described = &request.described;
    if described.is_empty() {
        return any_python(request);
    }
    // A named interpreter counts for what is left open. Any other one is looked for only if the
    // version is left open, or if no file tells the platform.
    let is_told =
        described.release.is_some() && (described.platform.is_some() || platform_here().is_some());
    if is_told && request.python.is_none() {
        return Ok(Ok(described.with(None)?));
    }
    match any_python(request)? {
        Ok(base) => Ok(Ok(described.with(Some(&base))?)),
        Err(missing) => Ok(Err(missing)),
    }
}

/// The environment's interpreter with what is described instead.
///
/// # Errors
/// The description is contradictory.
pub(super) fn described_with(
    request: &Locate,
    base: std::result::Result<Python, NoPython>,
) -> Result<std::result::Result<Python, NoPython>> {
    match base {
        Ok(base) if !request.described.is_empty() => Ok(Ok(request.described.with(Some(&base))?)),
        other => Ok(other),
    }
}

/// The interpreter for a plain directory: the one that is named, the active environment's, or the
/// first that answers. None is looked for if none is needed.
///
/// # Errors
/// If one is named, or its environment is active, and it cannot be used.
pub(super) fn any_python(request: &Locate) -> Result<std::result::Result<Python, NoPython>> {
    if let Some(python) = &request.python {
        return python_at(&executable(request, python)?, request.inquiry());
    }
    if !request.purpose.needs_python() {
        return Ok(Err(NoPython::NotFound));
    }
    // A stale `VIRTUAL_ENV` is no error here, since any interpreter will do for a directory.
    if let Some(root) = active(request)?
        && venv::is_venv(&root)?
    {
        return Ok(venv::open_found(&root, LocatePurpose::Install, request.inquiry())?.python);
    }
    let mut failure = None;
    // `python` is Python 2 on some old systems, so `python3` is tried first.
    for name in ["python3", "python"] {
        for path in search(request, name) {
            match python_at(&path?, request.inquiry()) {
                Ok(Ok(python)) => return Ok(Ok(python)),
                Ok(Err(_)) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
                // The shims of version managers answer only if a version is chosen.
                Err(error) => failure = failure.or_else(|| error.into_broken_interpreter()),
            }
        }
    }
    Ok(Err(failure.map_or(NoPython::NotFound, |(path, reason)| {
        NoPython::Broken { path, reason }
    })))
}

fn python_at(
    executable: &Path,
    inquiry: Inquiry<'_>,
) -> Result<std::result::Result<Python, NoPython>> {
    match venv::of_interpreter(executable)? {
        Some(root) => Ok(venv::open(&root, LocatePurpose::Install, inquiry)?.python),
        None => Ok(Ok(interpreter::ask(executable, None, inquiry)?.python)),
    }
}

/// The program that `python` names: a path, a name on the search path, or the root of an
/// environment.
///
/// # Errors
/// If there is no such program.
pub(super) fn executable(request: &Locate, python: &Path) -> Result<PathBuf> {
    let path = absolute("the interpreter", python)?;
    // A bare name is searched first, as in a shell; a directory of that name is the fallback.
    let is_name = python.file_name() == Some(python.as_os_str());
    if is_name && let Some(found) = search(request, python).next() {
        return found;
    }
    if fs::stat(&path)?.is_some_and(|stat| stat.kind == fs::Kind::Directory) {
        let inside = ["bin/python", "bin/python3"].map(|name| path.join(name));
        let found = inside.into_iter().find(|path| fs::is_executable(path));
        return found
            .ok_or_else(|| Error::interpreter(&path, "it is a directory without `bin/python`"));
    }
    if is_name {
        return Err(Error::interpreter(
            python,
            "there is no such program on the path",
        ));
    }
    let reason = match fs::stat(&path)? {
        None => "there is no such file",
        Some(_) if fs::is_executable(&path) => return Ok(path),
        Some(_) => "this user cannot execute it",
    };
    Err(Error::interpreter(&path, reason))
}

/// The programs of this name on the search path, in its order.
fn search<'a>(
    request: &'a Locate,
    name: impl AsRef<Path> + 'a,
) -> impl Iterator<Item = Result<PathBuf>> + 'a {
    // A relative entry could start a program that someone left in the working directory.
    let directories = request
        .surroundings
        .search
        .iter()
        .filter(|directory| directory.is_absolute());
    let paths = directories.map(move |directory| directory.join(name.as_ref()));
    paths
        .filter(|path| fs::is_executable(path))
        .map(|path| fs::absolute(&path))
}

/// `path` from the working directory; `what` names it in the error.
///
/// # Errors
/// If it is empty.
pub(super) fn absolute(what: &str, path: &Path) -> Result<PathBuf> {
    if path.as_os_str().is_empty() {
        return Err(Error::usage(format!("{what} is an empty path")));
    }
    fs::absolute(path)
}

/// `$VIRTUAL_ENV`, if it is set.
///
/// # Errors
/// If the working directory is gone.
pub(super) fn active(request: &Locate) -> Result<Option<PathBuf>> {
    request
        .surroundings
        .virtual_env
        .as_deref()
        .filter(|path| !path.as_os_str().is_empty())
        .map(fs::absolute)
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::super::Surroundings;
    use super::*;
    use crate::environment::PythonDescription;

    #[test]
    fn an_interpreter_that_cannot_be_used_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let search = vec!["/bin".into()];
        let request =
            Locate::default().with_surroundings(Surroundings::default().with_search(search));
        let file = scratch.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (python, expected) in [
            (scratch.path().join("none"), "no such file"),
            (file, "cannot execute it"),
            (scratch.path().to_owned(), "without `bin/python`"),
            (
                PathBuf::from("no-such-python"),
                "no such program on the path",
            ),
        ] {
            let error = executable(&request, &python).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Environment);
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert_eq!(
            executable(&request, Path::new("sh")).unwrap(),
            Path::new("/bin/sh")
        );
    }

    #[test]
    fn what_answers_is_taken_and_what_does_not_is_said() {
        let search = vec!["/nowhere".into(), "relative".into()];
        let mut request =
            Locate::default().with_surroundings(Surroundings::default().with_search(search));
        assert_eq!(any_python(&request).unwrap(), Err(NoPython::NotFound));
        let scratch = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/bin/echo", scratch.path().join("python3")).unwrap();
        request.surroundings.search.push(scratch.path().to_owned());
        let Err(NoPython::Broken { reason, .. }) = any_python(&request).unwrap() else {
            panic!("`echo` is no interpreter");
        };
        assert!(reason.contains("not a Python interpreter"), "{reason}");
        request
            .surroundings
            .search
            .extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        assert!(any_python(&request).unwrap().is_ok());
        request.purpose = LocatePurpose::Read;
        assert_eq!(any_python(&request).unwrap(), Err(NoPython::NotFound));
    }

    #[test]
    fn a_version_alone_means_cpython_on_this_machine() {
        let request = Locate {
            described: PythonDescription {
                release: "3.12".parse().ok(),
                ..PythonDescription::default()
            },
            ..Locate::default()
        };
        let Some(platform) = platform_here() else {
            return;
        };
        let python = described_or_any(&request).unwrap().unwrap();
        assert_eq!(python.target.platform, platform);
        assert_eq!(python.target.interpreter(), "CPython 3.12");
        assert_eq!((python.executable, python.is_elsewhere), (None, false));
    }

    #[test]
    fn a_platform_alone_needs_an_interpreter_for_the_version() {
        let request = Locate {
            described: PythonDescription {
                platform: "linux".parse().ok(),
                ..PythonDescription::default()
            },
            ..Locate::default()
        };
        assert_eq!(described_or_any(&request).unwrap(), Err(NoPython::NotFound));
    }
}

//! Virtual environments, understood from their files (PEP 405).
//!
//! Input: a directory with `pyvenv.cfg`, as `venv`, virtualenv and uv write it. Output: its
//! [`Environment`]. Invariants: CPython on Linux is not started if `pyvenv.cfg` has the version,
//! one directory of `lib` is for that version, and the files of the interpreter tell its build and
//! its system; if anything of this is missing or contradicts, the interpreter is asked. Limits: the
//! layout of Unix; the last number of the version is from the day the environment was made.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use super::build_flags::{build_flags, is_flags};
use super::locate_request::Inquiry;
use super::pyvenv_cfg::Config;
use super::site_packages::{Library, libraries};
use super::{
    Environment, EnvironmentKind, LocatePurpose, NoPython, Python, Scheme, ScriptInterpreter, elf,
    interpreter, vouch,
};
use crate::error::{Error, Result};
use crate::fs;
use crate::spec::tags::{Implementation, Target};
use crate::spec::version::Version;

const MARKER: &str = "pyvenv.cfg";
/// The limit of `pyvenv.cfg` in bytes; the rest of a longer file is not read.
const MAX_MARKER: u64 = 1 << 20;
/// How many symbolic links are followed one after the other, as Linux does.
const MAX_LINKS: usize = 40;

/// Whether `root` is the root of a virtual environment.
///
/// # Errors
/// If it cannot be looked at.
pub(super) fn is_venv(root: &Path) -> Result<bool> {
    Ok(fs::stat(&root.join(MARKER))?.is_some_and(|stat| stat.kind == fs::Kind::File))
}

/// The virtual environment that an interpreter belongs to by its path, as an interpreter itself
/// finds it.
///
/// # Errors
/// If it cannot be looked at.
pub(super) fn of_interpreter(executable: &Path) -> Result<Option<PathBuf>> {
    let Some(root) = executable.parent().and_then(Path::parent) else {
        return Ok(None);
    };
    Ok(is_venv(root)?.then(|| root.to_owned()))
}

/// The virtual environment at `root`, which is absolute, has `pyvenv.cfg`, and was named by the
/// user.
///
/// Its interpreter may be missing, as in a part of an image. It is started only to install, or if
/// nothing else tells which directory of `lib` is the environment's.
///
/// # Errors
/// If it is not whole, or its interpreter was asked and did not answer.
pub(super) fn open(
    root: &Path,
    purpose: LocatePurpose,
    inquiry: Inquiry<'_>,
) -> Result<Environment> {
    open_as(root, EnvironmentChoice::Named, purpose, inquiry)
}

/// As [`open`], for an environment that the user has not named.
///
/// # Errors
/// As [`open`], and if it could have been made or changed by another user. Nothing of it is started
/// then.
pub(super) fn open_found(
    root: &Path,
    purpose: LocatePurpose,
    inquiry: Inquiry<'_>,
) -> Result<Environment> {
    vouch::check_environment(root)?;
    open_as(root, EnvironmentChoice::Found, purpose, inquiry)
}

/// The virtual environment at `root`, for an interpreter that was described. Nothing of it is
/// started, and its interpreter need not be there yet.
///
/// # Errors
/// It is the environment of another version of Python.
pub(super) fn open_described(root: &Path, python: Python) -> Result<Environment> {
    let text = fs::read_to_limit(&root.join(MARKER), MAX_MARKER)?;
    let config = Config::parse(&String::from_utf8_lossy(&text));
    if let Some((major, minor, _)) = config.version
        && (major, minor) != python.target.version
    {
        let described = python.target.interpreter();
        let reason =
            format!("it is a virtual environment of Python {major}.{minor}, not of {described}");
        return Err(Error::bad_environment(root, reason));
    }
    let library = Library::of(&python.target);
    let scheme = if python.target.platform.is_windows() {
        let (major, minor) = python.target.version;
        Scheme {
            headers: root.join(format!("include/site/python{major}.{minor}")),
            ..Scheme::of_prefix(root, &python.target)
        }
    } else {
        scheme(root, &library)?
    };
    let scripts = match scripts(&config) {
        ScriptInterpreter::Own => ScriptInterpreter::At(root.join("bin/python")),
        beside => beside,
    };
    Ok(Environment {
        kind: EnvironmentKind::Venv,
        root: root.to_owned(),
        scheme,
        python: Ok(python),
        script_interpreter: scripts,
        destdir: None,
        identity: None,
    })
}

/// How an environment was chosen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EnvironmentChoice {
    /// The user named it.
    Named,
    /// It is in the working directory, or a variable names it.
    Found,
}

fn open_as(
    root: &Path,
    choice: EnvironmentChoice,
    purpose: LocatePurpose,
    inquiry: Inquiry<'_>,
) -> Result<Environment> {
    let text = fs::read_to_limit(&root.join(MARKER), MAX_MARKER)?;
    let config = Config::parse(&String::from_utf8_lossy(&text));
    let libraries = libraries(root)?;
    let only = only_library(&config, &libraries);
    let (python, library) = match (executable(root), only) {
        (Ok(executable), only) => match from_files(&executable, &config, &libraries) {
            // Starting an interpreter is far slower than reading these files, so they are tried
            // first, and it is not started at all if it is not needed.
            Some(python) => (Some(python), None),
            None if only.is_some() && !purpose.needs_python() => (None, only),
            None => {
                let asked = ask(root, &executable, &config, choice, inquiry)?;
                // `sys.executable` may be spelled differently; scripts must name the environment's
                // own.
                (
                    Some(Python {
                        executable: Some(executable),
                        ..asked
                    }),
                    None,
                )
            }
        },
        (Err(_), only @ Some(_)) => (None, only),
        (Err(reason), None) => return Err(Error::bad_environment(root, reason)),
    };
    let library = match (&python, library) {
        (Some(python), _) => library_of(root, &libraries, python)?,
        (None, library) => library.expect("there is an interpreter or one library"),
    };
    Ok(Environment {
        kind: EnvironmentKind::Venv,
        root: root.to_owned(),
        scheme: scheme(root, library)?,
        python: python.ok_or_else(|| match executable(root) {
            Ok(_) => NoPython::NotFound,
            Err(reason) => NoPython::Broken {
                path: root.join("bin/python"),
                reason,
            },
        }),
        script_interpreter: scripts(&config),
        destdir: None,
        identity: None,
    })
}

/// How scripts of the environment find their interpreter.
fn scripts(config: &Config) -> ScriptInterpreter {
    if config.relocatable {
        ScriptInterpreter::Beside
    } else {
        ScriptInterpreter::Own
    }
}

/// The directory of the interpreter in `lib`.
fn library_of<'l>(root: &Path, libraries: &'l [Library], python: &Python) -> Result<&'l Library> {
    let mut fitting = libraries.iter();
    fitting
        .find(|library| library.is_of(&python.target))
        .ok_or_else(|| {
            let expected = Library::of(&python.target).name;
            Error::bad_environment(root, format!("it has no `lib/{expected}/site-packages`"))
        })
}

/// The one directory in `lib` that can be the interpreter's, as far as that is known without it.
fn only_library<'l>(config: &Config, libraries: &'l [Library]) -> Option<&'l Library> {
    let is_of = |library: &&Library| {
        config
            .version
            .is_none_or(|(major, minor, _)| library.version == (major, minor))
    };
    let mut fitting = libraries.iter().filter(is_of);
    fitting.next().filter(|_| fitting.next().is_none())
}

/// Asks the interpreter that the environment leads to, outside of the environment if possible:
/// there it takes its library, which is code that runs, from its own place and not from the
/// directory that `pyvenv.cfg` names as `home`.
fn ask(
    root: &Path,
    executable: &Path,
    config: &Config,
    choice: EnvironmentChoice,
    inquiry: Inquiry<'_>,
) -> Result<Python> {
    let program = fs::canonical(executable)?;
    let is_copy = program.starts_with(fs::canonical(root)?);
    if choice == EnvironmentChoice::Found {
        vouch::check_program(root, &program)?;
        if let Some(home) = config.home.as_ref().filter(|_| is_copy) {
            // A copy of the interpreter has no library but that one.
            vouch::check_program(root, &Path::new("/").join(home).join("python"))?;
        }
    }
    Ok(interpreter::ask(&program, None, inquiry)?.python)
}

/// The interpreter as the environment's scripts call it, or why there is none.
fn executable(root: &Path) -> std::result::Result<PathBuf, String> {
    for name in ["bin/python", "bin/python3"] {
        let path = root.join(name);
        if fs::is_executable(&path) {
            return Ok(path);
        }
    }
    let path = root.join("bin/python");
    if fs::link_target(&path).is_err() {
        return Err("it has no interpreter `bin/python`".to_owned());
    }
    let end = end_of_links(&path);
    let what = if matches!(fs::lstat(&end), Ok(Some(_))) {
        "which is not a program"
    } else {
        "which is missing; the environment has to be made anew"
    };
    Err(format!(
        "its `bin/python` leads to `{}`, {what}",
        end.display()
    ))
}

/// The path that a chain of symbolic links ends with, whether anything is there or not.
fn end_of_links(path: &Path) -> PathBuf {
    let mut at = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::link_target(&at) else {
            break;
        };
        at = at
            .parent()
            .map_or_else(|| target.clone(), |parent| parent.join(&target));
    }
    at
}

/// The interpreter, if the files are unambiguous: CPython on Linux.
fn from_files(executable: &Path, config: &Config, libraries: &[Library]) -> Option<Python> {
    if config
        .implementation
        .as_ref()
        .is_some_and(|name| !name.eq_ignore_ascii_case("cpython"))
    {
        return None;
    }
    let (major, minor, micro) = config.version?;
    let mut fitting = libraries
        .iter()
        .filter(|library| library.version == (major, minor));
    let (library, None) = (fitting.next()?, fitting.next()) else {
        return None;
    };
    // A system update may have replaced the Python that the environment links to by a newer one.
    let resolved = fs::canonical(executable).ok()?;
    let rest = resolved
        .file_name()?
        .to_str()?
        .strip_prefix(&format!("python{major}.{minor}"))?;
    let flags = build_flags(&resolved, (major, minor))?;
    let free_threaded = flags.contains('t');
    if library.implementation != "python"
        || library.free_threaded != free_threaded
        || !is_flags(rest)
    {
        return None;
    }
    let target = Target {
        implementation: Implementation::CPython,
        version: (major, minor),
        abi: None,
        free_threaded,
        debug: flags.contains('d'),
        platform: elf::platform(&resolved)?,
    };
    let version = Version::parse(&format!("{major}.{minor}.{micro}"))?;
    Some(Python {
        executable: Some(executable.to_owned()),
        version,
        target,
        is_elsewhere: false,
    })
}

/// The paths of `sysconfig`'s scheme `venv`, with pip's directory of headers.
fn scheme(root: &Path, library: &Library) -> Result<Scheme> {
    let site = |lib: &str| root.join(lib).join(&library.name).join("site-packages");
    let (purelib, other) = (site("lib"), site("lib64"));
    // `lib64` is nearly always a link to `lib`; it counts only if it is another directory. A link
    // into another environment does not: what was installed there would not be in this one.
    let is_inside = || Ok::<_, Error>(fs::canonical(&other)?.starts_with(fs::canonical(root)?));
    let platlib = match (fs::stat(&purelib)?, fs::stat(&other)?) {
        (Some(one), Some(two))
            if two.kind == fs::Kind::Directory && !one.is_same(&two) && is_inside()? =>
        {
            other
        }
        _ => purelib.clone(),
    };
    let (major, minor) = library.version;
    Ok(Scheme {
        purelib,
        platlib,
        scripts: root.join("bin"),
        data: root.to_owned(),
        headers: root.join(format!("include/site/python{major}.{minor}")),
    })
}

//! Finding the environment that a user means.
//!
//! Input: a [`Locate`]. Output: the [`Environment`], or what to say instead. Invariants:
//! `--target`, then `--python`, then `$VIRTUAL_ENV`, then `./.venv`; what is named and cannot be
//! used is an error and never a reason to take the next. Limits: as those of the interpreter and
//! the virtual environments below.

#[cfg(test)]
mod tests;

use std::path::Path;

use super::find_python::{absolute, active, described_or_any, described_with, executable};
use super::site_packages::Library;
use super::{
    Environment, EnvironmentKind, Locate, LocatePurpose, NoPython, Python, Scheme,
    ScriptInterpreter, externally_managed, interpreter, venv,
};
use crate::error::{Error, RequestFault, Result};
use crate::fs;

/// Finds the environment that the user means.
///
/// # Errors
/// If the options contradict each other; if there is no environment, or none that can be
/// used; if the interpreter had to be asked and did not answer; if it is externally managed
/// (PEP 668).
pub fn locate(request: &Locate) -> Result<Environment> {
    let mut environment = find(request)?;
    if request.scripts != ScriptInterpreter::Own {
        environment.script_interpreter = request.scripts.clone();
    }
    // What was described without a version is completed by the interpreter that was found.
    let is_open = matches!(&environment.python, Ok(python) if python.executable.is_some());
    if is_open {
        let python = std::mem::replace(&mut environment.python, Err(NoPython::NotFound));
        environment.python = described_with(request, python)?;
    }
    // The session compares it under the lock, since the directory may be replaced until then.
    environment.identity = fs::stat(&environment.root)?.map(|stat| (stat.device, stat.inode));
    Ok(environment)
}

impl Environment {
    /// Finds the environment that `request` means: its target, otherwise its interpreter's,
    /// otherwise the active virtual environment, otherwise `.venv` in its directory.
    ///
    /// # Errors
    /// A contradictory request is [`ErrorKind::Usage`](crate::ErrorKind::Usage). No environment, or
    /// one that is broken or externally managed, is
    /// [`ErrorKind::Environment`](crate::ErrorKind::Environment).
    pub fn locate(request: &Locate) -> Result<Self> {
        locate(request)
    }
}

fn find(request: &Locate) -> Result<Environment> {
    check_places(request)?;
    let is_described = request.described.release.is_some();
    // Where the wheels go does not matter while they are only chosen.
    if is_described && request.purpose == LocatePurpose::Choose {
        let directory = absolute("the working directory", &request.surroundings.directory)?;
        return of_directory(request, &directory);
    }
    if let Some(target) = &request.target {
        let target = absolute("the target", target)?;
        if !venv::is_venv(&target)? {
            return of_directory(request, &target);
        }
        let python = if is_described {
            described_or_any(request)?
        } else if request.described.is_empty() || !request.purpose.needs_python() {
            return of_venv(request, &target);
        } else {
            described_with(request, of_venv(request, &target)?.python)?
        };
        let python = python.map_err(|_| Error::no_interpreter())?;
        return venv::open_described(&target, python);
    }
    if let Some(python) = &request.python {
        return of_python(request, python);
    }
    if let Some(prefix) = &request.prefix {
        return of_prefix(request, prefix);
    }
    nearby(request)
}

/// Refuses options that exclude each other.
fn check_places(request: &Locate) -> Result<()> {
    for (place, other) in [("prefix", &request.prefix), ("root", &request.root)] {
        if request.target.is_some() && other.is_some() {
            return Err(Error::request(
                RequestFault::ExclusivePlaces,
                format!("a target and a {place} cannot be used together"),
            ));
        }
        let is_described = request.described.release.is_some() && request.prefix.is_some();
        if request.target.is_none() && request.python.is_none() && other.is_some() && !is_described
        {
            return Err(Error::request(
                RequestFault::NeedsInterpreter,
                format!("a {place} needs an interpreter"),
            ));
        }
    }
    let is_placed =
        request.target.is_some() || request.prefix.is_some() && request.python.is_none();
    // The environments of interpreters that are here are no place for wheels of another one.
    if request.purpose == LocatePurpose::Install && !request.described.is_empty() && !is_placed {
        return Err(Error::request(
            RequestFault::NeedsPlace,
            "wheels for an interpreter that is not here need a directory of their own",
        ));
    }
    Ok(())
}

/// The target is a virtual environment, which has an interpreter of its own.
fn of_venv(request: &Locate, root: &Path) -> Result<Environment> {
    let environment = venv::open(root, request.purpose, request.inquiry())?;
    if let Some(python) = &request.python {
        // `python` and `python3` are links to one program, so the resolved paths are compared.
        let named = fs::canonical(&executable(request, python)?)?;
        if let Ok(python) = &environment.python
            && let Some(own) = &python.executable
            && named != fs::canonical(own)?
        {
            let reason = format!(
                "it is a virtual environment of another interpreter than `{}`",
                named.display()
            );
            return Err(Error::bad_environment(root, reason));
        }
    }
    Ok(environment)
}

/// The target is a plain directory, which need not exist yet.
fn of_directory(request: &Locate, root: &Path) -> Result<Environment> {
    match fs::stat(root)? {
        Some(stat) if stat.kind == fs::Kind::Directory => {}
        Some(_) => return Err(Error::bad_environment(root, "it is not a directory")),
        // A dangling link cannot become a directory, and its target was not named by the user.
        None if fs::lstat(root)?.is_some() => {
            return Err(Error::bad_environment(
                root,
                "it is a symbolic link that leads nowhere",
            ));
        }
        None => {}
    }
    let python = described_or_any(request)?;
    let scheme = Scheme::flat(root);
    Ok(Environment {
        kind: EnvironmentKind::Target,
        root: root.to_owned(),
        scheme,
        script_interpreter: scripts_for(&python),
        python,
        destdir: None,
        identity: None,
    })
}

/// The layout of an interpreter that was described below a prefix, with or without a destdir.
fn of_prefix(request: &Locate, prefix: &Path) -> Result<Environment> {
    let prefix = absolute("the prefix", prefix)?;
    let destdir = request.root.as_deref();
    let destdir = destdir.map(|root| absolute("the root", root)).transpose()?;
    let python = described_or_any(request)?;
    let target = &python.as_ref().map_err(|_| Error::no_interpreter())?.target;
    let environment = Environment {
        kind: EnvironmentKind::Prefix,
        scheme: Scheme::of_prefix(&prefix, target),
        root: prefix,
        script_interpreter: scripts_for(&python),
        python,
        destdir: None,
        identity: None,
    };
    below(environment, destdir.as_deref())
}

/// How scripts find an interpreter: one that was described is not here, so that its path is not
/// known.
fn scripts_for(python: &std::result::Result<Python, NoPython>) -> ScriptInterpreter {
    match python {
        Ok(python) if python.executable.is_none() => {
            ScriptInterpreter::OnPath(Library::of(&python.target).name)
        }
        _ => ScriptInterpreter::Own,
    }
}

/// The environment of a named interpreter, with or without another prefix and a destdir.
fn of_python(request: &Locate, python: &Path) -> Result<Environment> {
    let (executable, inquiry) = (executable(request, python)?, request.inquiry());
    let given = |what, path: Option<&Path>| path.map(|path| absolute(what, path)).transpose();
    let destdir = given("the root", request.root.as_deref())?;
    let prefix = given("the prefix", request.prefix.as_deref())?;
    let open = |root: &Path| {
        let environment = venv::open(root, request.purpose, inquiry)?;
        below(environment, destdir.as_deref())
    };
    if prefix.is_none()
        && let Some(root) = venv::of_interpreter(&executable)?
    {
        return open(&root);
    }
    let answer = interpreter::ask(&executable, prefix.as_deref(), inquiry)?;
    // Another prefix leaves the packages of the system alone, so PEP 668 does not apply to it.
    if prefix.is_none() {
        // The program may be a wrapper around the interpreter of a virtual environment.
        let program = answer.python.executable.as_deref();
        if let Some(root) = program.map(venv::of_interpreter).transpose()?.flatten() {
            return open(&root);
        }
        // PEP 668 does not concern a destdir, whose files a packager puts in place later.
        if destdir.is_none() && request.purpose.changes() && !request.break_system_packages {
            externally_managed::refuse(&answer.stdlib, &answer.prefix)?;
        }
    }
    let environment = Environment {
        kind: EnvironmentKind::Prefix,
        root: answer.prefix,
        scheme: answer.scheme,
        python: Ok(answer.python),
        script_interpreter: ScriptInterpreter::Own,
        destdir: None,
        identity: None,
    };
    below(environment, destdir.as_deref())
}

/// The same environment with all its paths below a destdir.
fn below(mut environment: Environment, destdir: Option<&Path>) -> Result<Environment> {
    if let Some(destdir) = destdir {
        // `join` with an absolute path would discard the destdir.
        let move_in = |path: &Path| destdir.join(path.strip_prefix("/").unwrap_or(path));
        environment.scheme = environment.scheme.map(move_in);
        environment.root = move_in(&environment.root);
        environment.destdir = Some(destdir.to_owned());
    }
    match fs::stat(&environment.root)? {
        Some(stat) if stat.kind != fs::Kind::Directory => Err(Error::bad_environment(
            &environment.root,
            "it is not a directory",
        )),
        _ => Ok(environment),
    }
}

/// Nothing was named: the active environment, else `.venv`.
fn nearby(request: &Locate) -> Result<Environment> {
    if let Some(root) = active(request)? {
        if venv::is_venv(&root)? {
            return venv::open_found(&root, request.purpose, request.inquiry());
        }
        return Err(Error::bad_environment(
            &root,
            "`VIRTUAL_ENV` names it, but it has no `pyvenv.cfg`",
        ));
    }
    let root = absolute("the working directory", &request.surroundings.directory)?.join(".venv");
    if venv::is_venv(&root)? {
        return venv::open_found(&root, request.purpose, request.inquiry());
    }
    // `lstat` also finds a dangling link, which deserves a message of its own.
    if fs::lstat(&root)?.is_some() {
        return Err(Error::bad_environment(
            &root,
            "it is not a virtual environment: it has no `pyvenv.cfg`",
        ));
    }
    Err(Error::no_environment(vec![root]))
}

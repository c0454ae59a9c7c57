//! Finding the environment that a user means.
//!
//! Input: a [`Locate`]. Output: the [`Environment`], or what to say instead. Invariants:
//! `--target`, then `--python`, then `$VIRTUAL_ENV`, then `./.venv`; what is named and cannot be
//! used is an error and never a reason to take the next. Limits: as those of the interpreter and
//! the virtual environments below.

use std::path::Path;

use super::find_python::{absolute, active, any_python, executable};
use super::{Environment, EnvironmentKind, Locate, Scheme, externally_managed, interpreter, venv};
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
    for (place, other) in [("prefix", &request.prefix), ("root", &request.root)] {
        if request.target.is_some() && other.is_some() {
            return Err(Error::request(
                RequestFault::ExclusivePlaces,
                format!("a target and a {place} exclude each other"),
            ));
        }
        if request.target.is_none() && request.python.is_none() && other.is_some() {
            return Err(Error::request(
                RequestFault::NeedsInterpreter,
                format!("a {place} needs an interpreter"),
            ));
        }
    }
    if let Some(target) = &request.target {
        let target = absolute("the target", target)?;
        return if venv::is_venv(&target)? {
            of_venv(request, &target)
        } else {
            of_directory(request, &target)
        };
    }
    if let Some(python) = &request.python {
        return of_python(request, python);
    }
    nearby(request)
}

/// The target is a virtual environment, which has an interpreter of its own.
fn of_venv(request: &Locate, root: &Path) -> Result<Environment> {
    let environment = venv::open(root, request.purpose, &request.cancellation)?;
    if let Some(python) = &request.python {
        // `python` and `python3` are links to one program, so the resolved paths are compared.
        let named = fs::canonical(&executable(request, python)?)?;
        if let Ok(python) = &environment.python
            && named != fs::canonical(&python.executable)?
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
    let python = any_python(request)?;
    let scheme = Scheme::flat(root);
    Ok(Environment {
        kind: EnvironmentKind::Target,
        root: root.to_owned(),
        scheme,
        python,
        is_relocatable: false,
        has_destdir: false,
        identity: None,
    })
}

/// The environment of a named interpreter, with or without another prefix and a destdir.
fn of_python(request: &Locate, python: &Path) -> Result<Environment> {
    let (executable, cancel) = (executable(request, python)?, &request.cancellation);
    let given = |what, path: Option<&Path>| path.map(|path| absolute(what, path)).transpose();
    let destdir = given("the root", request.root.as_deref())?;
    let prefix = given("the prefix", request.prefix.as_deref())?;
    let open = |root: &Path| {
        let environment = venv::open(root, request.purpose, cancel)?;
        below(environment, destdir.as_deref())
    };
    if prefix.is_none()
        && let Some(root) = venv::of_interpreter(&executable)?
    {
        return open(&root);
    }
    let answer = interpreter::ask(&executable, prefix.as_deref(), cancel)?;
    // Another prefix leaves the packages of the system alone, so PEP 668 does not apply to it.
    if prefix.is_none() {
        // The program may be a wrapper around the interpreter of a virtual environment.
        if let Some(root) = venv::of_interpreter(&answer.python.executable)? {
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
        is_relocatable: false,
        has_destdir: false,
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
        environment.has_destdir = true;
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
            return venv::open_found(&root, request.purpose, &request.cancellation);
        }
        return Err(Error::bad_environment(
            &root,
            "`VIRTUAL_ENV` names it, but it has no `pyvenv.cfg`",
        ));
    }
    let root = absolute("the working directory", &request.surroundings.directory)?.join(".venv");
    if venv::is_venv(&root)? {
        return venv::open_found(&root, request.purpose, &request.cancellation);
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use tempfile::TempDir;

    use super::super::Surroundings;
    use super::*;
    use crate::error::ErrorKind;

    /// An empty directory, and a request that finds nothing there but the system's interpreter.
    fn scene() -> (TempDir, Locate) {
        let scratch = tempfile::tempdir().unwrap();
        let search = vec![system_python().parent().unwrap().to_owned()];
        let directory = scratch.path().to_owned();
        (
            scratch,
            Locate::default().with_surroundings(Surroundings {
                directory,
                search,
                virtual_env: None,
            }),
        )
    }

    fn make_venv(root: &Path) {
        let made = Command::new(system_python())
            .args(["-m", "venv", "--without-pip"])
            .arg(root)
            .status()
            .unwrap();
        assert!(made.success());
    }

    /// The interpreter below the path's `python3`, which may be a stand-in or a virtual
    /// environment's.
    fn system_python() -> PathBuf {
        let code = "import sys; print(getattr(sys, '_base_executable', sys.executable))";
        let output = Command::new("python3")
            .args(["-I", "-c", code])
            .output()
            .unwrap();
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    }

    fn failure(request: &Locate) -> (ErrorKind, String) {
        let error = locate(request).unwrap_err();
        (error.kind(), error.to_string())
    }

    #[test]
    fn nothing_named_takes_the_active_environment_then_the_one_here() {
        let (scratch, mut request) = scene();
        let (kind, text) = failure(&request);
        assert_eq!(kind, ErrorKind::Environment);
        assert!(text.contains("/.venv`"), "{text}");
        let here = scratch.path().join(".venv");
        std::fs::write(&here, "").unwrap();
        assert!(failure(&request).1.contains("pyvenv.cfg"));
        std::fs::remove_file(&here).unwrap();
        make_venv(&here);
        request.surroundings.virtual_env = Some(PathBuf::new());
        let found = locate(&request).unwrap();
        assert_eq!((found.kind, &found.root), (EnvironmentKind::Venv, &here));
        assert_eq!(found.python().unwrap().executable, here.join("bin/python"));
        request.surroundings.virtual_env = Some(scratch.path().join("gone"));
        assert!(failure(&request).1.contains("`VIRTUAL_ENV` names it"));
        let active = scratch.path().join("active");
        std::fs::rename(&here, &active).unwrap();
        request.surroundings.virtual_env = Some(active.clone());
        assert_eq!(locate(&request).unwrap().root, active);
    }

    #[test]
    fn options_that_contradict_each_other_are_wrong_usage() {
        let (_scratch, request) = scene();
        let some = |path: &str| Some(PathBuf::from(path));
        for request in [
            Locate {
                target: some("t"),
                prefix: some("p"),
                ..request.clone()
            },
            Locate {
                target: some("t"),
                root: some("r"),
                ..request.clone()
            },
            Locate {
                prefix: some("p"),
                ..request.clone()
            },
            Locate {
                root: some("r"),
                ..request.clone()
            },
            Locate {
                target: some(""),
                ..request.clone()
            },
            Locate {
                python: some(""),
                ..request.clone()
            },
            Locate {
                python: some("python3"),
                prefix: some(""),
                ..request
            },
        ] {
            assert_eq!(failure(&request).0, ErrorKind::Usage, "{request:?}");
        }
    }

    #[test]
    fn a_plain_directory_is_flat_and_need_not_be_there() {
        let (scratch, mut request) = scene();
        let root = scratch.path().join("new/app");
        // E56: for every spelling.
        request.target = Some(PathBuf::from(format!("/{}/./x/..//", root.display())));
        let found = locate(&request).unwrap();
        assert_eq!((found.kind, &found.root), (EnvironmentKind::Target, &root));
        assert_eq!(found.scheme, Scheme::flat(&root));
        assert_eq!(found.scheme.purelib.as_os_str(), root.as_os_str());
        assert_eq!(
            found.python().unwrap().executable.parent(),
            system_python().parent()
        );
        std::fs::create_dir_all(&root).unwrap();
        assert_eq!(locate(&request).unwrap().root, root);

        request.surroundings.search.clear();
        let found = locate(&request).unwrap();
        assert_eq!(found.python().unwrap_err().code(), "no-interpreter");
        let venv = scratch.path().join("venv");
        make_venv(&venv);
        request.surroundings.virtual_env = Some(venv.clone());
        assert_eq!(
            locate(&request).unwrap().python().unwrap().executable,
            venv.join("bin/python")
        );
        request.surroundings.virtual_env = None;
        request.python = Some(venv.join("bin/python3"));
        assert_eq!(
            locate(&request).unwrap().python().unwrap().executable,
            venv.join("bin/python")
        );

        let file = scratch.path().join("file");
        std::fs::write(&file, "").unwrap();
        request.target = Some(file);
        assert!(failure(&request).1.contains("not a directory"));
        std::os::unix::fs::symlink("gone", scratch.path().join("link")).unwrap();
        request.target = Some(scratch.path().join("link"));
        assert!(failure(&request).1.contains("leads nowhere"));
    }

    #[test]
    fn an_environment_is_the_same_by_its_directory_and_by_its_interpreter() {
        let (scratch, request) = scene();
        let root = scratch.path().join("venv");
        make_venv(&root);
        let by_target = locate(&Locate {
            target: Some(root.clone()),
            ..request.clone()
        })
        .unwrap();
        for python in [
            root.join("bin/python"),
            root.join("bin/python3"),
            root.clone(),
        ] {
            let request = Locate {
                python: Some(python),
                ..request.clone()
            };
            assert_eq!(locate(&request).unwrap(), by_target);
            let both = Locate {
                target: Some(root.clone()),
                ..request
            };
            assert_eq!(locate(&both).unwrap(), by_target);
        }
        let search = vec![PathBuf::from("relative"), root.join("bin")];
        let by_name = Locate {
            python: Some("python3".into()),
            surroundings: Surroundings::default().with_search(search),
            ..request.clone()
        };
        assert_eq!(locate(&by_name).unwrap(), by_target);
        let other = Locate {
            target: Some(root.clone()),
            python: Some("/bin/sh".into()),
            ..request.clone()
        };
        assert!(failure(&other).1.contains("another interpreter"));

        let destdir = scratch.path().join("dest");
        let found = locate(&Locate {
            python: Some(root.clone()),
            root: Some(destdir.clone()),
            ..request
        })
        .unwrap();
        let inside = destdir.join(root.strip_prefix("/").unwrap());
        assert_eq!((found.kind, &found.root), (EnvironmentKind::Venv, &inside));
        assert_eq!(found.scheme.scripts, inside.join("bin"));
        assert_eq!(found.python, by_target.python);
    }

    #[test]
    fn c17_c64_another_prefix_has_the_plain_layout_and_destdir_stands_before_all() {
        let (scratch, request) = scene();
        let python = system_python();
        let request = Locate {
            python: Some(python.clone()),
            prefix: Some("/opt/app".into()),
            ..request
        };
        let found = locate(&request).unwrap();
        let (major, minor) = found.python().unwrap().target.version;
        let lib = PathBuf::from(format!("/opt/app/lib/python{major}.{minor}/site-packages"));
        assert_eq!(
            (found.kind, found.root.as_path()),
            (EnvironmentKind::Prefix, Path::new("/opt/app"))
        );
        assert_eq!(
            (&found.scheme.purelib, &found.python().unwrap().executable),
            (&lib, &python)
        );
        assert_eq!(
            found.scheme.headers,
            PathBuf::from(format!("/opt/app/include/python{major}.{minor}"))
        );
        assert_eq!(found.scheme.scripts, PathBuf::from("/opt/app/bin"));
        assert_eq!(found.scheme.data, PathBuf::from("/opt/app"));

        let destdir = scratch.path().join("dest");
        let below = locate(&Locate {
            root: Some(destdir.clone()),
            ..request.clone()
        })
        .unwrap();
        assert_eq!(below.root, destdir.join("opt/app"));
        assert_eq!(
            below.scheme.purelib,
            destdir.join(lib.strip_prefix("/").unwrap())
        );
        assert_eq!(below.python, found.python);
        let root = Locate {
            root: Some("//".into()),
            ..request
        };
        assert_eq!(locate(&root).unwrap().scheme, found.scheme);
    }

    #[test]
    fn c62_the_systems_own_environment_is_what_sysconfig_says() {
        let (scratch, request) = scene();
        let request = Locate {
            python: Some(system_python()),
            break_system_packages: true,
            ..request
        };
        let found = locate(&request).unwrap();
        let code = "import json, sysconfig as s; print(json.dumps([s.get_path(n) for n in \
                    ('purelib', 'platlib', 'scripts', 'data', 'include')]))";
        let output = Command::new(system_python())
            .args(["-I", "-c", code])
            .output()
            .unwrap();
        let [purelib, platlib, scripts, data, headers] =
            serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            found.scheme,
            Scheme {
                purelib,
                platlib,
                scripts,
                data,
                headers
            }
        );
        // A destdir is for a package that somebody else will put in place: PEP 668 does not hold.
        let destdir = Some(scratch.path().to_owned());
        let below = locate(&Locate {
            root: destdir,
            break_system_packages: false,
            ..request
        })
        .unwrap();
        assert!(below.scheme.purelib.starts_with(scratch.path()));
    }
}

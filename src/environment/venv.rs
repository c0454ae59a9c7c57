//! Virtual environments, understood from their files (PEP 405).
//!
//! Input: a directory with `pyvenv.cfg`, as `venv`, virtualenv and uv write it. Output: its
//! [`Environment`]. Invariants: CPython on Linux is not started if `pyvenv.cfg` has the version,
//! one directory of `lib` is for that version, and the files of the interpreter tell its build and
//! its system; if anything of this is missing or contradicts, the interpreter is asked. Limits: the
//! layout of Unix; the last number of the version is from the day the environment was made.

use std::path::{Path, PathBuf};

use super::build_flags::{build_flags, is_flags};
use super::pyvenv_cfg::Config;
use super::site_packages::{Library, libraries};
use super::{
    Environment, EnvironmentKind, LocatePurpose, NoPython, Python, Scheme, elf, interpreter, vouch,
};
use crate::cancellation::Cancellation;
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
    cancel: &Cancellation,
) -> Result<Environment> {
    open_as(root, EnvironmentChoice::Named, purpose, cancel)
}

/// As [`open`], for an environment that the user has not named.
///
/// # Errors
/// As [`open`], and if it could have been made or changed by another user. Nothing of it is started
/// then.
pub(super) fn open_found(
    root: &Path,
    purpose: LocatePurpose,
    cancel: &Cancellation,
) -> Result<Environment> {
    vouch::check_environment(root)?;
    open_as(root, EnvironmentChoice::Found, purpose, cancel)
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
    cancel: &Cancellation,
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
                let asked = ask(root, &executable, &config, choice, cancel)?;
                // `sys.executable` may be spelled differently; scripts must name the environment's
                // own.
                (
                    Some(Python {
                        executable,
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
        is_relocatable: config.relocatable,
        has_destdir: false,
        identity: None,
    })
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
    cancel: &Cancellation,
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
    Ok(interpreter::ask(&program, None, cancel)?.python)
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
        executable: executable.to_owned(),
        version,
        target,
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

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;
    use crate::error::ErrorKind;
    use crate::fs::canonical;

    /// A virtual environment that has no real interpreter: what stands for it is the first part of
    /// a program.
    fn unstartable(config: &str, resolved: &str, files: &[&str]) -> TempDir {
        let scratch = tempfile::tempdir().unwrap();
        for name in files {
            let path = scratch.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::fs::create_dir_all(scratch.path().join("base/bin")).unwrap();
        std::fs::create_dir_all(scratch.path().join("venv/bin")).unwrap();
        std::fs::write(scratch.path().join("venv/pyvenv.cfg"), config).unwrap();
        let program = scratch.path().join("base/bin").join(resolved);
        let mut head = Vec::new();
        let test = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
        test.take(1 << 16).read_to_end(&mut head).unwrap();
        std::fs::write(&program, head).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        symlink(program, scratch.path().join("venv/bin/python")).unwrap();
        scratch
    }

    fn told(scratch: &TempDir) -> Option<Python> {
        let root = scratch.path().join("venv");
        let config = Config::parse(&std::fs::read_to_string(root.join(MARKER)).unwrap());
        from_files(
            &executable(&root).unwrap(),
            &config,
            &libraries(&root).unwrap(),
        )
    }

    const CONFIG: &str = "home = /base\nversion = 3.13.1\n";
    const DATA: &str = "base/lib/python3.13/_sysconfigdata__linux_x86_64-linux-gnu.py";
    const SITE: &str = "venv/lib/python3.13/site-packages/x.py";

    #[test]
    fn c64_files_answer_and_nothing_is_started() {
        let Some(platform) = elf::platform(&std::env::current_exe().unwrap()) else {
            return;
        };
        let scratch = unstartable(CONFIG, "python3.13", &[DATA, SITE]);
        let root = scratch.path().join("venv");
        let found = open(&root, LocatePurpose::Install, &Cancellation::default()).unwrap();
        assert_eq!(found.kind, EnvironmentKind::Venv);
        assert_eq!(found.python().unwrap().executable, root.join("bin/python"));
        assert_eq!(found.python().unwrap().version.to_string(), "3.13.1");
        assert_eq!(found.python().unwrap().target.platform, platform);
        assert_eq!(
            found.scheme.platlib,
            root.join("lib/python3.13/site-packages")
        );
        assert_eq!(found.scheme.headers, root.join("include/site/python3.13"));

        let data = "base/lib64/python3.13t/_sysconfigdata_td_linux_.py";
        let scratch = unstartable(
            CONFIG,
            "python3.13td",
            &[data, "venv/lib/python3.13t/site-packages/x.py"],
        );
        let found = open(
            &scratch.path().join("venv"),
            LocatePurpose::Install,
            &Cancellation::default(),
        )
        .unwrap();
        assert!(
            found.python().unwrap().target.free_threaded && found.python().unwrap().target.debug
        );
        assert!(
            found
                .scheme
                .purelib
                .ends_with("venv/lib/python3.13t/site-packages")
        );
        assert!(found.scheme.headers.ends_with("include/site/python3.13"));
    }

    #[test]
    fn where_files_leave_a_doubt_they_do_not_answer() {
        let debug = "base/lib/python3.13/_sysconfigdata_d_linux_x86_64-linux-gnu.py";
        let threaded = "venv/lib/python3.13t/site-packages/x.py";
        for (config, resolved, files) in [
            ("home = /base\n", "python3.13", vec![DATA, SITE]),
            ("version = 3.13\n", "python3.13", vec![DATA, SITE]),
            (
                "version = 3.13.1\nimplementation = PyPy\n",
                "python3.13",
                vec![DATA, SITE],
            ),
            (CONFIG, "python3.14", vec![DATA, SITE]),
            (CONFIG, "python3", vec![DATA, SITE]),
            (CONFIG, "python3.13", vec![SITE]),
            (CONFIG, "python3.13", vec![DATA, debug, SITE]),
            (CONFIG, "python3.13", vec![DATA, SITE, threaded]),
            (CONFIG, "python3.13", vec![DATA, threaded]),
            (CONFIG, "python3.13", vec![DATA]),
        ] {
            assert_eq!(
                told(&unstartable(config, resolved, &files)),
                None,
                "{config} {resolved} {files:?}"
            );
        }
    }

    #[test]
    fn c4_e55_lib64_counts_only_where_it_is_a_place_of_its_own() {
        let library = Library::parse("python3.13").unwrap();
        let scratch = unstartable(CONFIG, "python3.13", &[SITE]);
        let root = scratch.path().join("venv");
        symlink("lib", root.join("lib64")).unwrap();
        let found = scheme(&root, &library).unwrap();
        assert_eq!(found.platlib, found.purelib);
        std::fs::remove_file(root.join("lib64")).unwrap();
        let elsewhere = scratch.path().join("elsewhere");
        std::fs::create_dir_all(elsewhere.join("python3.13/site-packages")).unwrap();
        symlink(&elsewhere, root.join("lib64")).unwrap();
        let found = scheme(&root, &library).unwrap();
        assert_eq!(found.platlib, found.purelib);
        std::fs::remove_file(root.join("lib64")).unwrap();
        std::fs::create_dir_all(root.join("lib64/python3.13/site-packages")).unwrap();
        assert_eq!(
            scheme(&root, &library).unwrap().platlib,
            root.join("lib64/python3.13/site-packages")
        );
    }

    #[test]
    fn what_is_not_whole_is_refused_with_the_reason() {
        let refused = |root: &Path| {
            let error = open(root, LocatePurpose::Install, &Cancellation::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Environment);
            error.to_string()
        };
        let scratch = tempfile::tempdir().unwrap();
        std::fs::write(scratch.path().join(MARKER), CONFIG).unwrap();
        assert!(refused(scratch.path()).contains("no interpreter `bin/python`"));
        std::fs::create_dir(scratch.path().join("bin")).unwrap();
        symlink("/nowhere/python3.13", scratch.path().join("bin/python")).unwrap();
        assert!(refused(scratch.path()).contains("leads to `/nowhere/python3.13`"));
    }

    #[test]
    fn c64_e104_files_say_what_the_interpreter_says() {
        let scratch = tempfile::tempdir().unwrap();
        let root = canonical(scratch.path()).unwrap().join("venv");
        let made = Command::new("python3")
            .args(["-m", "venv", "--without-pip"])
            .arg(&root)
            .status()
            .unwrap();
        assert!(made.success());
        let found = open(&root, LocatePurpose::Install, &Cancellation::default()).unwrap();
        let asked =
            interpreter::ask(&root.join("bin/python"), None, &Cancellation::default()).unwrap();
        assert_eq!(found.python, Ok(asked.python));

        let code = "import json, sysconfig as s; print(json.dumps([s.get_path(n) for n in \
                    ('purelib', 'platlib', 'scripts', 'data')]))";
        let output = Command::new(root.join("bin/python"))
            .args(["-I", "-c", code])
            .output()
            .unwrap();
        let paths: Vec<PathBuf> = serde_json::from_slice(&output.stdout).unwrap();
        let scheme = found.scheme;
        let resolved = |paths: Vec<PathBuf>| {
            paths
                .iter()
                .map(|path| canonical(path).unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            resolved(vec![
                scheme.purelib,
                scheme.platlib,
                scheme.scripts,
                scheme.data
            ]),
            resolved(paths)
        );

        std::fs::remove_dir_all(root.join("lib")).unwrap();
        let error = open(&root, LocatePurpose::Install, &Cancellation::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains("/site-packages`"), "{error}");
    }
}

//! Finding environments, with real directories and interpreters.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::environment::Surroundings;
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
    assert_eq!(
        found.python().unwrap().executable,
        Some(here.join("bin/python"))
    );
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
        found
            .python()
            .unwrap()
            .executable
            .as_ref()
            .unwrap()
            .parent(),
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
        Some(venv.join("bin/python"))
    );
    request.surroundings.virtual_env = None;
    request.python = Some(venv.join("bin/python3"));
    assert_eq!(
        locate(&request).unwrap().python().unwrap().executable,
        Some(venv.join("bin/python"))
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
        (&lib, &Some(python))
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

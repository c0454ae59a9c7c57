//! Interpreters of distributors, old ones, and programs that are none.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;

use crate::support::scene::{Run, Scene, interpreter, site_packages, tree};
use crate::support::wheel_builder::Wheel;

fn program(scene: &Scene, name: &str, text: &str) -> PathBuf {
    let program = scene.write(name, text);
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&program, mode).expect("its mode can be set");
    program
}

/// An interpreter without `get_preferred_scheme`, whose distributor changed the default scheme.
fn of_a_distributor(scene: &Scene) -> PathBuf {
    let text = format!(
        "#!{}\n\
         import sys, sysconfig\n\
         for name in ('get_preferred_scheme', 'get_default_scheme'):\n    \
             if hasattr(sysconfig, name):\n        delattr(sysconfig, name)\n\
         schemes = sysconfig._INSTALL_SCHEMES\n\
         local = '{{base}}/local/lib/distro/dist-packages'\n\
         schemes['posix_local'] = dict(schemes['posix_prefix'], purelib=local, platlib=local,\n    \
             scripts='{{base}}/local/bin', data='{{base}}/local')\n\
         real = sysconfig.get_paths\n\
         sysconfig.get_paths = lambda scheme='posix_local', vars=None, expand=True: \
             real(scheme, vars, expand)\n\
         at = sys.argv.index('-c')\n\
         code, sys.argv = sys.argv[at + 1], ['-c'] + sys.argv[at + 2:]\n\
         exec(compile(code, '<string>', 'exec'), {{'__name__': '__main__'}})\n",
        interpreter().executable.display()
    );
    program(scene, "tools/python3", &text)
}

#[test]
fn before_python_3_10_the_default_scheme_is_the_distributors() {
    let scene = Scene::new();
    let python = of_a_distributor(&scene);
    let code = "import sysconfig; print(sysconfig.get_paths()['purelib'])";
    let wanted = Run::of(Command::new(&python).args(["-c", code]));
    wanted.assert_code(0);
    let wheel = scene.wheel(&Wheel::new("demo", "1.0").file("demo.py", ""));
    let (python, wheel) = (python.display().to_string(), wheel.display().to_string());
    let image = scene.join("image").display().to_string();
    scene
        .run(&["--python", &python, "--root", &image, &wheel])
        .assert_code(0);
    let place = format!("{image}{}/demo.py", wanted.stdout.trim());
    assert!(fs::metadata(&place).is_ok(), "{place}");
    // Another prefix has the plain layout.
    scene
        .run(&[
            "--python", &python, "--root", &image, "--prefix", "/opt/x", &wheel,
        ])
        .assert_code(0);
    let place = format!(
        "{image}/opt/x/lib/python{}/site-packages",
        interpreter().minor
    );
    assert!(fs::metadata(&place).is_ok(), "{place}");
}

#[test]
fn what_is_no_interpreter_or_too_old_is_said_in_one_line() {
    let scene = Scene::new();
    let usage = "#!/bin/sh\necho 'Unknown option: -I' >&2\n\
                 echo 'usage: python2 [option] ... [-c cmd | -m mod | file | -] [arg] ...' >&2\n\
                 exit 2\n";
    let old = program(&scene, "tools/python2", usage)
        .display()
        .to_string();
    for (python, says) in [
        (old.as_str(), "too old"),
        ("/bin/ls", "is not a Python interpreter"),
        ("/bin/echo", "is not a Python interpreter"),
    ] {
        let run = scene.run(&["list", "--python", python]);
        run.assert_code(5).assert_stderr(says);
        assert!(run.stderr.len() < 300, "{}", run.stderr);
        assert!(!run.stderr.contains("import"), "{}", run.stderr);
    }
}

#[test]
fn a_lib64_that_leads_into_another_environment_is_not_used() {
    let scene = Scene::new();
    let (venv, other) = (scene.venv(), scene.venv_at("other"));
    symlink(other.join("lib"), venv.join("lib64")).expect("a link can be made");
    let native = Wheel::new("native", "1.0")
        .root_is_purelib(false)
        .file("native.py", "");
    scene.install(&venv, &[scene.wheel(&native)]).assert_code(0);
    assert!(site_packages(&venv).join("native.py").is_file());
    assert!(!site_packages(&other).join("native.py").exists());
    scene
        .install(&venv, &["uninstall", "native"])
        .assert_code(0);
}

/// Runs the program as a user who may start no thread; `None` if this user cannot become another.
fn run_without_threads(scene: &Scene, arguments: &[&OsStr]) -> Option<Run> {
    // The limit does not bind the administrator.
    let as_another = |command: &[&str]| {
        let mut setpriv = Command::new("setpriv");
        setpriv
            .args(["--reuid", "54321", "--clear-groups"])
            .args(command)
            .current_dir(scene.path());
        setpriv
    };
    let program = env!("CARGO_BIN_EXE_pkg-install");
    let probe = as_another(&[program, "--version"]).output();
    probe.ok().filter(|output| output.status.success())?;
    let limited = ["prlimit", "--nproc=1"];
    let fork = as_another(&[&limited[..], &["sh", "-c", "true & wait $!"]].concat()).output();
    let fork = fork.expect("setpriv ran before");
    assert!(!fork.status.success(), "the limit does not bind");
    let mut run = as_another(&[&limited[..], &[program]].concat());
    Some(Run::of(run.args(arguments)))
}

#[test]
fn without_threads_the_work_is_done_on_the_one_that_is_there() {
    let scene = Scene::new();
    let wheel = scene.wheel(&Wheel::new("demo", "1.0").file("demo/__init__.py", ""));
    for path in [scene.path(), &scene.join("wheels")] {
        let mode = fs::Permissions::from_mode(0o777);
        fs::set_permissions(path, mode).expect("its mode can be set");
    }
    // An interpreter could not be started either.
    let foreign = [
        "--no-cache",
        "--python-version=3.12",
        "--python-platform=linux",
    ];
    let arguments = |words: &[&'static str]| {
        let mut words: Vec<&OsStr> = words.iter().copied().map(OsStr::new).collect();
        words.extend(foreign.map(OsStr::new));
        words.push(wheel.as_os_str());
        words
    };
    let Some(run) = run_without_threads(&scene, &arguments(&["--target", "app"])) else {
        return;
    };
    run.assert_code(0);
    assert!(scene.join("app/demo/__init__.py").is_file());
    for (format, limited, usual) in [
        ("zip", "limited.zip", "usual.zip"),
        ("tar.gz", "limited.tar.gz", "usual.tar.gz"),
        ("oci", "limited", "usual"),
    ] {
        let pack = |output| {
            let options = ["pack", "--interpreter=/usr/bin/python3", "--format", format];
            arguments(&[&options[..], &["--output", output]].concat())
        };
        let run = run_without_threads(&scene, &pack(limited)).expect("it ran before");
        run.assert_code(0);
        scene.run(&pack(usual)).assert_code(0);
        let (limited, usual) = (scene.join(limited), scene.join(usual));
        if format == "oci" {
            // Blobs are named after their contents.
            assert_eq!(tree(&limited), tree(&usual));
        } else {
            let [limited, usual] = [limited, usual].map(|path| fs::read(path).expect("a file"));
            assert!(limited == usual, "{format}");
        }
    }
}

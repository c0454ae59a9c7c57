//! What commands need of an environment: that it exists, a lock, an interpreter, permission. And
//! what they leave in it.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use crate::environment_shapes::{managed_interpreter, without_privilege};
use crate::support::scene::{Run, Scene, assert_unchanged, interpreter, site_packages, tree};
use crate::support::wheel_builder::Wheel;

fn plain() -> Wheel {
    Wheel::new("demo", "1.0")
        .file("demo.py", "x = 1\n")
        .metadata_line("Requires-Python: >=3.6")
}

fn with_script() -> Wheel {
    Wheel::new("tool", "1.0")
        .file("tool.py", "def main():\n    print('runs')\n")
        .data("scripts/plain", "#!python\nprint('runs')\n")
        .entry_points("[console_scripts]\ntool = tool:main\n")
}

#[test]
fn a_mistyped_directory_is_no_environment() {
    let scene = Scene::new();
    let missing = scene.join("vnev");
    for command in [
        &["list"][..],
        &["check"],
        &["recover"],
        &["undo"],
        &["undo", "--dry-run"],
        &["uninstall", "demo"],
        &["uninstall", "--dry-run", "demo"],
    ] {
        let run = scene.install(&missing, command);
        run.assert_code(5)
            .assert_stderr("there is no such directory");
        assert!(!missing.exists(), "{command:?}");
    }
    fs::create_dir(&missing).expect("it can be made");
    for command in ["list", "check", "recover"] {
        scene.install(&missing, &[command]).assert_code(0);
    }
    assert_eq!(fs::read_dir(&missing).expect("it is there").count(), 0);
}

/// Runs the program with an empty search path.
fn without_path(scene: &Scene, target: &Path, arguments: &[&str]) -> Run {
    let target = target.display().to_string();
    let arguments = [arguments, &["--target", &target]].concat();
    scene.run_with(&[("PATH", "")], &arguments)
}

#[test]
fn a_plain_directory_needs_no_interpreter_unless_scripts_do() {
    let scene = Scene::new();
    let app = scene.join("app");
    let wheel = scene.wheel(&plain()).display().to_string();
    let run = without_path(&scene, &app, &["--undoable", &wheel]);
    run.assert_code(0)
        .assert_stderr("Requires-Python was not checked");
    for command in [&["list"][..], &["check"], &["recover"], &["undo"]] {
        without_path(&scene, &app, command).assert_code(0);
    }
    without_path(&scene, &app, &[&wheel]).assert_code(0);
    let again = without_path(&scene, &app, &["--json", &wheel]);
    assert_eq!(again.json()["outcome"], "unchanged");
    without_path(&scene, &app, &["uninstall", "demo"]).assert_code(0);
    let native = Wheel::new("native", "1.0").tag("cp311-cp311-manylinux_2_17_x86_64");
    for wheel in [with_script(), native] {
        let wheel = scene.wheel(&wheel).display().to_string();
        let run = without_path(&scene, &app, &["--json", &wheel]);
        assert_eq!(run.assert_code(5).json()["error"]["code"], "no-interpreter");
    }
    let native = scene.join("wheels/native-1.0-cp311-cp311-manylinux_2_17_x86_64.whl");
    let native = native.display().to_string();
    without_path(&scene, &app, &["--no-compat-check", &native]).assert_code(0);
}

#[test]
fn a_virtual_environment_whose_interpreter_is_elsewhere_can_be_read_and_filled() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = scene.wheel(&plain()).display().to_string();
    for name in [
        "python",
        "python3",
        &format!("python{}", interpreter().minor),
    ] {
        fs::remove_file(venv.join("bin").join(name)).expect("it can be removed");
    }
    symlink("there", venv.join("bin/python")).expect("a link can be made");
    symlink("/nowhere/python3", venv.join("bin/there")).expect("a link can be made");
    scene.install(&venv, &[&wheel]).assert_code(0);
    assert!(site_packages(&venv).join("demo.py").is_file());
    for command in [&["list"][..], &["check"], &["uninstall", "demo"]] {
        scene.install(&venv, command).assert_code(0);
    }
    let tool = scene.wheel(&with_script()).display().to_string();
    let run = scene.install(&venv, &[&tool]);
    run.assert_code(5)
        .assert_stderr("`/nowhere/python3`, which is missing")
        .assert_stderr("made anew");
}

#[test]
fn reading_an_environment_of_the_distribution_needs_no_permission() {
    let scene = Scene::new();
    let (program, _) = managed_interpreter(&scene);
    fs::create_dir_all(scene.join("system")).expect("it can be made");
    let program = program.display().to_string();
    for command in ["list", "check", "recover"] {
        scene.run(&[command, "--python", &program]).assert_code(0);
    }
    scene
        .run(&["uninstall", "demo", "--python", &program])
        .assert_code(5)
        .assert_stderr("--break-system-packages");
}

#[test]
fn no_lock_file_is_left_in_what_is_shipped() {
    let scene = Scene::new();
    let wheels = [plain(), with_script()].map(|wheel| scene.wheel(&wheel).display().to_string());
    let app = scene.join("app");
    for wheel in &wheels {
        scene.install(&app, &[wheel]).assert_code(0);
        assert!(!app.join(".lock").exists());
    }
    scene.install(&app, &[&wheels[0]]).assert_code(0);
    assert!(!app.join(".lock").exists(), "nothing to do");
    let python = interpreter().executable.display().to_string();
    let image = scene.join("image").display().to_string();
    let places = [
        "--python",
        &python,
        "--prefix",
        "/opt/tool",
        "--root",
        &image,
    ];
    for wheel in &wheels {
        scene.run(&[&places[..], &[wheel]].concat()).assert_code(0);
        assert!(!scene.join("image/opt/tool/.lock").exists());
    }
    let venv = scene.venv();
    scene.install(&venv, &wheels).assert_code(0);
    scene.install(&venv, &["uninstall", "demo"]).assert_code(0);
    assert!(venv.join(".lock").exists(), "uv may wait for it");
    scene.install(&venv, &["uninstall", "tool"]).assert_code(0);
    assert!(
        !venv.join(".lock").exists(),
        "nothing is installed any more"
    );
    fs::write(app.join(".lock"), "").expect("it can be written");
    scene.install(&app, &["uninstall", "demo"]).assert_code(0);
    assert!(app.join(".lock").exists(), "it was there before");
}

#[test]
fn the_lock_file_of_a_killed_command_is_not_shipped() {
    let scene = Scene::new();
    let wheels = [plain(), with_script()].map(|wheel| scene.wheel(&wheel).display().to_string());
    let python = interpreter().executable.display().to_string();
    let image = scene.join("image").display().to_string();
    let root = ["--python", &python, "--prefix", "/usr", "--root", &image];
    let lock = scene.join("image/usr/.lock");
    fs::create_dir_all(scene.join("image/usr")).expect("it can be made");
    for wheel in &wheels {
        fs::write(&lock, "").expect("it can be written");
        scene.run(&[&root[..], &[wheel]].concat()).assert_code(0);
        assert!(!lock.exists());
    }
    let app = scene.join("app");
    fs::create_dir(&app).expect("it can be made");
    fs::write(app.join(".lock"), "").expect("it can be written");
    let mut command = scene.command();
    let words = ["--target", "app", &wheels[0]];
    Run::of(command.args(words).env("SOURCE_DATE_EPOCH", "0")).assert_code(0);
    assert!(!app.join(".lock").exists());
    // A file that says something is not a leftover.
    fs::write(&lock, "of another program").expect("it can be written");
    scene
        .run(&[&["uninstall", "demo"], &root[..]].concat())
        .assert_code(0);
    assert!(lock.exists());
}

#[test]
fn reading_does_not_wait_for_a_command_that_stages() {
    let scene = Scene::new();
    let venv = scene.venv();
    scene
        .install(&venv, &[scene.wheel(&plain())])
        .assert_code(0);
    let lock = File::open(venv.join(".lock")).expect("it is there");
    lock.lock().expect("it is free");
    for command in ["list", "check"] {
        let run = scene.install(&venv, &[command, "--lock-timeout", "0"]);
        run.assert_code(0);
        assert!(run.stdout.contains("1"), "{}", run.stdout);
    }
    // Files are being moved, as far as anyone can tell.
    let state = site_packages(&venv).join(".pkg-install");
    fs::create_dir(&state).expect("it can be made");
    fs::write(state.join("journal"), "").expect("it can be written");
    for command in ["list", "check"] {
        let run = scene.install(&venv, &[command, "--lock-timeout", "0"]);
        run.assert_code(5)
            .assert_stderr(&venv.join(".lock").display().to_string());
    }
}

#[test]
fn several_commands_may_read_at_once() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = scene.wheel(&plain()).display().to_string();
    scene.install(&venv, &[&wheel]).assert_code(0);
    let lock = File::open(venv.join(".lock")).expect("it is there");
    lock.lock_shared().expect("it is free");
    for command in [&["list"][..], &["check"], &["--dry-run", &wheel]] {
        let run = scene.install(&venv, &[command, &["--lock-timeout", "0"]].concat());
        run.assert_code(0);
    }
    let run = scene.install(&venv, &["uninstall", "--lock-timeout", "0", "demo"]);
    run.assert_code(5);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode can be set");
}

#[test]
fn a_lock_file_that_may_only_be_read_is_a_lock() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = scene.wheel(&plain()).display().to_string();
    let target = venv.display().to_string();
    scene.install(&venv, &[&wheel]).assert_code(0);
    set_mode(&venv.join(".lock"), 0o444);
    let install = [&wheel, "--reinstall", "--target", &target];
    let Some(run) = without_privilege(&scene, &install) else {
        return;
    };
    run.assert_code(0);
    assert_eq!(run.stderr, "");
    let lock = File::open(venv.join(".lock")).expect("it is there");
    lock.lock().expect("it is free");
    let waiting = [&install[..], &["--lock-timeout", "0"]].concat();
    let run = without_privilege(&scene, &waiting).expect("it worked before");
    run.assert_code(5);
}

#[test]
fn without_access_to_the_lock_file_the_directory_is_locked() {
    for is_closed in [true, false] {
        let scene = Scene::new();
        let venv = scene.venv();
        let wheel = scene.wheel(&plain()).display().to_string();
        let target = venv.display().to_string();
        if is_closed {
            scene.install(&venv, &[&wheel]).assert_code(0);
            set_mode(&venv.join(".lock"), 0o000);
        } else {
            set_mode(&venv, 0o555);
        }
        let install = [&wheel, "--reinstall", "--target", &target];
        let Some(run) = without_privilege(&scene, &install) else {
            return;
        };
        run.assert_code(0).assert_stderr("uv is not");
        for command in ["list", "check"] {
            let run = without_privilege(&scene, &[command, "--target", &target]);
            let run = run.expect("it worked before");
            run.assert_code(0);
            assert_eq!(run.stderr, "");
        }
        let directory = File::open(&venv).expect("it is there");
        directory.lock().expect("it is free");
        let waiting = [&install[..], &["--lock-timeout", "0"]].concat();
        let run = without_privilege(&scene, &waiting).expect("it worked before");
        run.assert_code(5);
    }
}

#[test]
fn a_read_only_environment_is_read_and_nothing_to_do_there_is_no_failure() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = scene.wheel(&plain()).display().to_string();
    let target = venv.display().to_string();
    scene.install(&venv, &[&wheel]).assert_code(0);
    fs::remove_file(venv.join(".lock")).expect("it can be removed");
    set_mode(&venv, 0o555);
    set_mode(&site_packages(&venv), 0o555);
    let before = tree(&venv);
    let commands: [(&[&str], i32); 5] = [
        (&["list"], 0),
        (&["check"], 0),
        (&[&wheel], 0),
        (&["--dry-run", "--reinstall", &wheel], 1),
        (&["--reinstall", &wheel], 1),
    ];
    for (command, code) in commands {
        let arguments = [command, &["--target", &target]].concat();
        let Some(run) = without_privilege(&scene, &arguments) else {
            return;
        };
        run.assert_code(code);
        assert_unchanged(&before, &tree(&venv));
    }
    set_mode(&venv, 0o755);
}

#[test]
fn a_directory_with_the_name_of_a_virtual_environment_is_told_from_one() {
    let scene = Scene::new();
    let wheel = scene.wheel(&plain()).display().to_string();
    let warns = |target: &Path| {
        let run = scene.install(target, &["--json", &wheel]);
        let warnings = run.assert_code(0).json()["warnings"].clone();
        let warnings = warnings.as_array().expect("an array").clone();
        warnings
            .iter()
            .any(|warning| warning["code"] == "plain-directory")
    };
    for name in ["venv", ".venv", "env"] {
        assert!(warns(&scene.join(name)), "{name}");
    }
    assert!(!warns(&scene.join("app")));
    assert!(!warns(&scene.venv_at("real/venv")));
}

#[test]
fn an_installation_says_where_it_went() {
    let scene = Scene::new();
    let wheel = scene.wheel(&plain()).display().to_string();
    let (app, venv) = (scene.join("app"), scene.venv());
    for (target, says) in [
        (&app, "into the new directory `"),
        (&app, "into the directory `"),
        (&venv, "into the virtual environment `"),
    ] {
        let run = scene.install(target, &["--reinstall", &wheel]);
        assert!(run.stdout.contains(says), "{}", run.stdout);
        assert!(run.stdout.contains("CPython"), "{}", run.stdout);
        assert!(run.stdout.contains(&target.display().to_string()));
    }
    let run = scene.install(&venv, &["uninstall", "demo"]);
    assert!(!run.stdout.contains("into"), "{}", run.stdout);
}

#[test]
fn scripts_of_a_relocatable_environment_run_after_a_move() {
    let scene = Scene::new();
    let venv = scene.venv();
    let config = fs::read_to_string(venv.join("pyvenv.cfg")).expect("it is there");
    let config = config + "relocatable = true\n";
    fs::write(venv.join("pyvenv.cfg"), config).expect("it can be written");
    let documented = "#!python\n'''doc'''\nfrom __future__ import annotations\nprint(__doc__)\n";
    let wheel = with_script().data("scripts/documented", documented);
    scene.install(&venv, &[scene.wheel(&wheel)]).assert_code(0);
    scene.install(&venv, &["check"]).assert_code(0);
    let moved = scene.join("else where");
    fs::rename(&venv, &moved).expect("it can be moved");
    symlink(moved.join("bin/tool"), scene.join("link")).expect("a link can be made");
    for (program, says) in [
        (moved.join("bin/tool"), "runs\n"),
        (moved.join("bin/plain"), "runs\n"),
        (moved.join("bin/documented"), "doc\n"),
        (scene.join("link"), "runs\n"),
    ] {
        let run = Run::of(Command::new(&program).current_dir("/"));
        assert_eq!(run.stdout, says, "{}: {}", program.display(), run.stderr);
    }
}

//! The interpreter that scripts start with: one that is named, or the one beside them.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::support::scene::{Run, Scene};
use crate::support::wheel_builder::Wheel;

#[test]
fn scripts_name_the_interpreter_that_is_asked_for() {
    let scene = Scene::new();
    let wheel = Wheel::new("demo", "1.0")
        .file("demo.py", "def main(): print('runs')\n")
        .data("scripts/own", "#!python\nprint('runs')\n")
        .entry_points("[console_scripts]\ntool = demo:main\n");
    let wheel = scene.wheel(&wheel).display().to_string();
    let long = format!("/{}", "p".repeat(130));
    for (python, first) in [
        ("/usr/bin/python3", "#!/usr/bin/python3\n".to_owned()),
        (
            "/usr/bin/env python3",
            "#!/usr/bin/env python3\n".to_owned(),
        ),
        (
            "/opt/my python",
            "#!/bin/sh\n'''exec' '/opt/my python' ".to_owned(),
        ),
        (&long, format!("#!/bin/sh\n'''exec' '{long}' ")),
    ] {
        let options = ["--target", "app", "--reinstall", "--script-python", python];
        scene
            .run(&[&options[..], &[&wheel]].concat())
            .assert_code(0);
        for name in ["tool", "own"] {
            let script = fs::read_to_string(scene.join("app/bin").join(name)).expect("it is there");
            assert!(script.starts_with(&first), "{python}: {script}");
        }
    }
    for wrong in ["python3", "bin/python"] {
        let options = ["--target", "app", "--script-python", wrong, &wheel];
        scene
            .run(&options)
            .assert_code(2)
            .assert_stderr("absolute path");
    }
    let both = [
        "--relocatable",
        "--script-python",
        "/p",
        "--target",
        "app",
        &wheel,
    ];
    scene.run(&both).assert_code(2);
}

#[test]
fn relocatable_scripts_find_the_interpreter_beside_them_from_everywhere() {
    let scene = Scene::new();
    let documented = "#!python\n'''doc'''\nfrom __future__ import annotations\nprint(__doc__)\n";
    let wheel = Wheel::new("demo", "1.0")
        .file("demo.py", "def main(): print('runs')\n")
        .data("scripts/own", documented)
        .entry_points("[console_scripts]\ntool = demo:main\n");
    let wheel = scene.wheel(&wheel);
    let venv = scene.venv_at("a venv");
    let wheel = wheel.display().to_string();
    scene
        .install(&venv, &["--relocatable", &wheel])
        .assert_code(0);
    let long = "d".repeat(100);
    let moved = scene.join(&format!("{long}/it's $HOME/{long}"));
    fs::create_dir_all(moved.parent().expect("it has one")).expect("it can be made");
    fs::rename(&venv, &moved).expect("it can be moved");
    let linked = scene.join("linked");
    symlink(&moved, &linked).expect("a link can be made");
    let link = scene.join("link to tool");
    symlink("linked/bin/tool", &link).expect("a link can be made");
    for (program, says) in [
        (moved.join("bin/tool"), "runs\n"),
        (linked.join("bin/tool"), "runs\n"),
        (link, "runs\n"),
        (moved.join("bin/own"), "doc\n"),
        (linked.join("bin/own"), "doc\n"),
    ] {
        let run = Run::of(Command::new(&program).current_dir("/"));
        assert_eq!(run.stdout, says, "{}: {}", program.display(), run.stderr);
    }
}

//! Wheels for an interpreter that is not here: it is described, and none is started.

use std::fs;
use std::path::Path;

use crate::support::scene::{Run, Scene, tree};
use crate::support::wheel_builder::Wheel;

pub(crate) const ARM: [&str; 4] = [
    "--python-version",
    "3.12",
    "--python-platform",
    "aarch64-manylinux_2_28",
];
pub(crate) const WINDOWS: [&str; 4] = ["--python-version", "3.12", "--python-platform", "windows"];

/// The program with nothing on its path.
pub(crate) fn bare(scene: &Scene, arguments: &[&str]) -> Run {
    scene.run_with(&[("PATH", "/nowhere")], arguments)
}

pub(crate) fn native(tag: &str) -> Wheel {
    Wheel::new("demo", "1.0")
        .tag(tag)
        .file("demo/__init__.py", "")
        .file("demo/native.so", tag)
}

pub(crate) fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn wheels_for_another_machine_are_laid_out_without_any_interpreter() {
    let scene = Scene::new();
    let wheel = native("cp312-cp312-manylinux_2_17_aarch64")
        .entry_points("[console_scripts]\ntool = demo:main\n");
    let wheel = scene.wheel(&wheel).display().to_string();
    let run = bare(&scene, &[&ARM[..], &["--target", "app", &wheel]].concat());
    run.assert_code(0);
    assert!(
        run.stdout
            .contains("for CPython 3.12 on Linux aarch64 with glibc 2.28"),
        "{}",
        run.stdout
    );
    let script = text(&scene.join("app/bin/tool"));
    assert!(
        script.starts_with("#!/usr/bin/env python3.12\n"),
        "{script}"
    );
    let as_pip = [
        "--platform",
        "manylinux2014_aarch64",
        "--python-version",
        "312",
    ];
    let more = [
        "--implementation",
        "cp",
        "--abi",
        "cp312",
        "--target",
        "app",
        "--check",
    ];
    bare(&scene, &[&as_pip[..], &more, &[&wheel]].concat()).assert_code(0);
    for reading in [&["list"][..], &["check"], &["show", "demo"]] {
        bare(&scene, &[reading, &["--target", "app"]].concat()).assert_code(0);
    }
    bare(&scene, &["uninstall", "demo", "--target", "app"]).assert_code(0);

    for (options, fits) in [
        (["3.12", "aarch64-manylinux_2_17"], true),
        (["3.12", "manylinux2014_aarch64"], true),
        (["3.12", "manylinux_2_12_aarch64"], false),
        (["3.12", "linux"], false),
        (["3.12", "aarch64-unknown-linux-musl"], false),
        (["3.11", "aarch64-unknown-linux-gnu"], false),
        (["3.13t", "aarch64-unknown-linux-gnu"], false),
    ] {
        let [version, platform] = options;
        let run = bare(
            &scene,
            &[
                "--target",
                "other",
                "--dry-run",
                "--python-version",
                version,
                "--python-platform",
                platform,
                &wheel,
            ],
        );
        run.assert_code(if fits { 0 } else { 3 });
    }
}

#[test]
fn a_project_that_is_there_for_another_machine_is_replaced() {
    let scene = Scene::new();
    for tag in [
        "cp312-cp312-win_amd64",
        "cp312-cp312-manylinux_2_17_aarch64",
    ] {
        scene.wheel(&native(tag));
    }
    let links = scene.join("wheels").display().to_string();
    let file = |tag: &str| format!("wheels/demo-1.0-cp312-cp312-{tag}.whl");
    let (windows, arm) = (file("win_amd64"), file("manylinux_2_17_aarch64"));
    let pins = scene.write("pins.txt", "demo==1.0\n").display().to_string();
    let changes = |target: &str, options: &[&str]| {
        let run = bare(
            &scene,
            &[&["--target", target, "--json"][..], options].concat(),
        );
        run.assert_code(0);
        run.json()["outcome"].as_str().map(str::to_owned)
    };
    for (target, one, two) in [
        ("paths", &[windows.as_str()][..], &[arm.as_str()][..]),
        (
            "pins",
            &["--find-links", &links, "-r", &pins],
            &["--find-links", &links, "-r", &pins],
        ),
        (
            "names",
            &["--no-index", "--find-links", &links, "demo"],
            &["--no-index", "--find-links", &links, "demo"],
        ),
    ] {
        let (first, second) = ([&WINDOWS[..], one].concat(), [&ARM[..], two].concat());
        assert_eq!(
            changes(target, &first).as_deref(),
            Some("committed"),
            "{target}"
        );
        assert_eq!(
            changes(target, &first).as_deref(),
            Some("unchanged"),
            "{target}"
        );
        assert_eq!(
            changes(target, &second).as_deref(),
            Some("committed"),
            "{target}"
        );
        assert_eq!(
            changes(target, &second).as_deref(),
            Some("unchanged"),
            "{target}"
        );
        let native = text(&scene.join(target).join("demo/native.so"));
        assert!(native.contains("aarch64"), "{target}: {native}");
    }
}

#[test]
fn a_prefix_gets_the_layout_of_the_described_interpreter() {
    let scene = Scene::new();
    let wheel = Wheel::new("demo", "1.0")
        .file("demo.py", "")
        .data("headers/demo.h", "")
        .data("data/share/demo", "")
        .data("scripts/tool", "#!/bin/sh\n");
    let wheel = scene.wheel(&wheel).display().to_string();
    let layout = |name: &str, options: &[&str]| {
        let root = scene.join(name);
        let place = root.display().to_string();
        let run = bare(
            &scene,
            &[&["--prefix", "/opt/x", "--root", &place, &wheel], options].concat(),
        );
        run.assert_code(0);
        tree(&root.join("opt/x"))
    };
    for (name, options, expected) in [
        (
            "arm",
            &ARM[..],
            [
                "lib/python3.12/site-packages/demo.py",
                "bin/tool",
                "include/python3.12/demo/demo.h",
                "share/demo",
            ],
        ),
        (
            "threaded",
            &["--python-version", "3.13t", "--python-platform", "macos"],
            [
                "lib/python3.13t/site-packages/demo.py",
                "bin/tool",
                "include/python3.13t/demo/demo.h",
                "share/demo",
            ],
        ),
        (
            "pypy",
            &["--python-version", "3.10", "--implementation", "pp"],
            [
                "lib/pypy3.10/site-packages/demo.py",
                "bin/tool",
                "include/pypy3.10/demo/demo.h",
                "share/demo",
            ],
        ),
        (
            "windows",
            &WINDOWS,
            [
                "Lib/site-packages/demo.py",
                "Scripts/tool",
                "Include/demo/demo.h",
                "share/demo",
            ],
        ),
    ] {
        let found = layout(name, options);
        for path in expected {
            let path = format!("{name}/opt/x/{path}");
            assert!(scene.join(&path).is_file(), "{path}:\n{found}");
        }
    }
    let place = scene.join("arm").display().to_string();
    let options = ["list", "--prefix", "/opt/x", "--root", &place];
    let run = bare(&scene, &[&options[..], &ARM].concat());
    run.assert_code(0);
    assert!(run.stdout.contains("demo"), "{}", run.stdout);
}

#[test]
fn windows_launchers_are_refused_by_name_and_wheels_without_them_are_not() {
    let scene = Scene::new();
    let plain = scene.wheel(&Wheel::new("plain", "1").file("plain.py", ""));
    let point = Wheel::new("point", "1").entry_points("[console_scripts]\nrun-it = point:main\n");
    let script = Wheel::new("script", "1").data("scripts/tool.py", "#!python\n");
    let paths = [plain, scene.wheel(&point), scene.wheel(&script)];
    let [plain, point, script] = paths.map(|path| path.display().to_string());
    let run = bare(
        &scene,
        &[
            &WINDOWS[..],
            &["--target", "app", "--json", &plain, &point, &script],
        ]
        .concat(),
    );
    run.assert_code(3)
        .assert_stderr("need launchers for Windows")
        .assert_stderr("`run-it`")
        .assert_stderr("`tool.py`");
    assert!(!scene.join("app").exists());
    bare(
        &scene,
        &[&WINDOWS[..], &["--target", "app", &plain]].concat(),
    )
    .assert_code(0);
    // Windows reserves the name, whatever file system the files lie on until then.
    let reserved = scene.wheel(&Wheel::new("reserved", "1").file("aux.py", ""));
    let reserved = reserved.display().to_string();
    bare(
        &scene,
        &[&WINDOWS[..], &["--target", "app", &reserved]].concat(),
    )
    .assert_code(3);
}

#[test]
fn a_virtual_environment_for_another_machine_keeps_its_layout() {
    let scene = Scene::new();
    let venv = scene.join("image/venv");
    scene.write(
        "image/venv/pyvenv.cfg",
        "home = /usr/bin\nversion = 3.12.1\n",
    );
    let wheel = native("cp312-abi3-manylinux_2_17_aarch64")
        .entry_points("[console_scripts]\ntool = demo:main\n");
    let wheel = scene.wheel(&wheel).display().to_string();
    let target = venv.display().to_string();
    bare(&scene, &[&ARM[..], &["--target", &target, &wheel]].concat()).assert_code(0);
    assert!(
        venv.join("lib/python3.12/site-packages/demo/native.so")
            .is_file()
    );
    let script = text(&venv.join("bin/tool"));
    let shebang = format!("#!{}\n", venv.join("bin/python").display());
    assert!(script.starts_with(&shebang), "{script}");
    bare(&scene, &["check", "--target", &target]).assert_code(0);
    let other = ["--python-version", "3.11", "--python-platform", "linux"];
    let run = bare(
        &scene,
        &[&other[..], &["--target", &target, &wheel]].concat(),
    );
    run.assert_code(5)
        .assert_stderr("Python 3.12, not of CPython 3.11");
}

#[test]
fn a_description_that_makes_no_sense_is_wrong_usage() {
    let scene = Scene::new();
    scene.venv();
    let wheel = scene
        .wheel(&Wheel::new("demo", "1.0"))
        .display()
        .to_string();
    let target = ["--target", "app"];
    for (options, says) in [
        (&["--python-platform", "amiga"][..], "known are `linux`"),
        (&["--python-version", "three"], "not a version of Python 3"),
        (&["--implementation", "jython"], "known are `cp`"),
        (
            &["--python-version", "3.12", "--abi", "cp311"],
            "not an ABI of CPython 3.12",
        ),
    ] {
        let run = scene.run(&[&target[..], options, &[&wheel]].concat());
        run.assert_code(2).assert_stderr(says);
    }
    // An environment that is here is no place for wheels of another interpreter.
    let venv = scene.join("venv").display().to_string();
    let python = scene.join("venv/bin/python").display().to_string();
    for place in [&["--python", &python][..], &[]] {
        let run = scene.run_with(
            &[("VIRTUAL_ENV", &venv)],
            &[place, &ARM[..], &[&wheel]].concat(),
        );
        run.assert_code(2).assert_stderr("`--target`");
    }
    let run = bare(
        &scene,
        &["--python-platform", "linux", "--target", "app", &wheel],
    );
    // A pure wheel without scripts needs no interpreter, so that no version is missing.
    run.assert_code(0);
    let variables = [("PKG_INSTALL_PYTHON_PLATFORM", "amiga")];
    scene
        .run_with(&variables, &["--target", "app", &wheel])
        .assert_code(2)
        .assert_stderr("PKG_INSTALL_PYTHON_PLATFORM");
}

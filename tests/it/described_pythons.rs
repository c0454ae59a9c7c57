//! Wheels for an interpreter that is not here: it is described, and none is started.

use std::fs;
use std::path::Path;

use serde_json::json;
use sha2::Digest as _;

use crate::support::scene::{Run, Scene, tree};
use crate::support::wheel_builder::Wheel;

const ARM: [&str; 4] = [
    "--python-version",
    "3.12",
    "--python-platform",
    "aarch64-manylinux_2_28",
];
const WINDOWS: [&str; 4] = ["--python-version", "3.12", "--python-platform", "windows"];

/// The program with nothing on its path.
fn bare(scene: &Scene, arguments: &[&str]) -> Run {
    scene.run_with(&[("PATH", "/nowhere")], arguments)
}

fn native(tag: &str) -> Wheel {
    Wheel::new("demo", "1.0")
        .tag(tag)
        .file("demo/__init__.py", "")
        .file("demo/native.so", tag)
}

fn text(path: &Path) -> String {
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

fn sha256(content: &[u8]) -> String {
    let digest = sha2::Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A lock file with a wheel for each of several platforms, and packages with markers.
fn lock(scene: &Scene) -> String {
    let tags = [
        "cp312-cp312-manylinux_2_17_x86_64",
        "cp312-cp312-manylinux_2_17_aarch64",
        "cp312-cp312-musllinux_1_2_aarch64",
        "cp312-cp312-macosx_11_0_arm64",
        "cp312-cp312-win_amd64",
        "cp313-cp313t-manylinux_2_17_x86_64",
    ];
    let entry = |wheel: &Wheel| {
        let path = wheel.write_to(scene.path());
        let sha = sha256(&fs::read(&path).expect("it was made"));
        let (name, path) = (wheel.wheel_file_name(), path.display().to_string());
        format!("{{ name = \"{name}\", path = \"{path}\", hashes = {{ sha256 = \"{sha}\" }} }}")
    };
    let native: Vec<String> = tags.iter().map(|tag| entry(&native(tag))).collect();
    let mut text = format!(
        "lock-version = \"1.0\"\ncreated-by = \"x\"\n[[packages]]\nname = \"demo\"\nversion = \
         \"1.0\"\nwheels = [{}]\n",
        native.join(", ")
    );
    for (name, marker) in [
        ("winonly", "sys_platform == 'win32' and os_name == 'nt'"),
        ("maconly", "platform_system == 'Darwin'"),
        ("armonly", "platform_machine in 'aarch64 arm64'"),
        ("newer", "python_full_version >= '3.13'"),
    ] {
        let wheel = entry(&Wheel::new(name, "1").file(&format!("{name}.py"), ""));
        text += &format!(
            "[[packages]]\nname = \"{name}\"\nversion = \"1\"\nmarker = \"{marker}\"\nwheels = \
             [{wheel}]\n"
        );
    }
    scene.write("pylock.toml", text).display().to_string()
}

#[test]
fn a_lock_is_read_for_the_described_interpreter() {
    let scene = Scene::new();
    let lock = lock(&scene);
    for (version, platform, expected) in [
        ("3.12", "linux", "demo(manylinux_2_17_x86_64)"),
        (
            "3.12",
            "aarch64-unknown-linux-gnu",
            "armonly demo(manylinux_2_17_aarch64)",
        ),
        (
            "3.12",
            "aarch64-unknown-linux-musl",
            "armonly demo(musllinux_1_2_aarch64)",
        ),
        ("3.12", "macos", "armonly demo(macosx_11_0_arm64) maconly"),
        ("3.12", "win_amd64", "demo(win_amd64) winonly"),
        ("3.13t", "linux", "demo(manylinux_2_17_x86_64) newer"),
    ] {
        let options = ["--python-version", version, "--python-platform", platform];
        let (dest, app) = (
            format!("{platform}-{version}"),
            format!("app-{platform}-{version}"),
        );
        let locked = ["--lock", &lock];
        bare(
            &scene,
            &[&["download", "--dest", &dest][..], &options, &locked].concat(),
        )
        .assert_code(0);
        let mut names: Vec<String> = fs::read_dir(scene.join(&dest))
            .expect("it was made")
            .map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .map(|name| {
                let stem = name.strip_suffix(".whl").expect("a wheel").to_owned();
                let (project, tag) = (stem.split('-').next(), stem.rsplit('-').next());
                match (project, tag) {
                    (Some(project), Some("any")) => project.to_owned(),
                    (Some(project), Some(tag)) => format!("{project}({tag})"),
                    _ => panic!("{stem}"),
                }
            })
            .collect();
        names.sort();
        let mut wanted: Vec<&str> = expected.split(' ').collect();
        wanted.sort_unstable();
        assert_eq!(names, wanted, "{platform}");
        let target = ["--target", &app];
        bare(&scene, &[&target[..], &options, &locked].concat()).assert_code(0);
        // What was downloaded for the target is what an installation for it takes.
        let again = format!("again-{platform}-{version}");
        let pins = scene.write("pins.txt", "demo==1.0\n").display().to_string();
        let from = ["--no-index", "--find-links", &dest, "-r", &pins];
        let target = ["--target", &again];
        bare(&scene, &[&target[..], &options, &from].concat()).assert_code(0);
        assert!(scene.join(&again).join("demo/native.so").is_file());
    }
}

#[test]
fn a_report_for_another_interpreter_is_refused_unless_it_is_described() {
    let scene = Scene::new();
    let wheel = scene.wheel(&native("cp312-cp312-win_amd64"));
    let report = json!({
        "version": "1",
        "environment": {"sys_platform": "win32", "python_version": "3.12"},
        "install": [{
            "download_info": {"url": format!("file://{}", wheel.display()), "archive_info": {}},
            "is_direct": false,
            "requested": true,
            "metadata": {"metadata_version": "2.1", "name": "demo", "version": "1.0"},
        }],
    });
    let report = scene.write("report.json", report.to_string());
    let report = report.display().to_string();
    let options = ["--target", "app", "--report", &report];
    bare(&scene, &[&options[..], &ARM].concat()).assert_code(3);
    bare(&scene, &[&options[..], &WINDOWS].concat()).assert_code(0);
}

#[test]
fn a_resolution_and_its_lock_are_those_of_the_described_interpreter() {
    let scene = Scene::new();
    for tag in [
        "cp312-cp312-win_amd64",
        "cp312-cp312-manylinux_2_17_aarch64",
        "cp311-cp311-win_amd64",
    ] {
        let needs = "Requires-Dist: winonly; sys_platform == 'win32'";
        scene.wheel(&native(tag).metadata_line(needs));
    }
    scene.wheel(&Wheel::new("winonly", "1").file("winonly.py", ""));
    // A newer version that has no wheel for these platforms is no choice.
    let newer = Wheel::new("demo", "2.0").tag("cp312-cp312-macosx_11_0_arm64");
    scene.wheel(&newer.file("demo.py", ""));
    let links = scene.join("wheels").display().to_string();
    let from = ["--no-index", "--find-links", &links];
    let resolve = |options: &[&str]| {
        let run = bare(&scene, &[&["resolve", "demo"][..], &from, options].concat());
        run.assert_code(0);
        run.stdout.replace("    # via demo\n", "")
    };
    assert_eq!(resolve(&WINDOWS), "demo==1.0\nwinonly==1\n");
    assert_eq!(resolve(&ARM), "demo==1.0\n");
    let macos = ["--python-version", "3.12", "--python-platform", "macos"];
    assert_eq!(resolve(&macos), "demo==2.0\n");
    resolve(&[&["--lock", "pylock.toml"][..], &WINDOWS].concat());
    let lock = text(&scene.join("pylock.toml"));
    let marker = "sys_platform == 'win32' and platform_machine == 'AMD64'";
    assert!(lock.contains(marker), "{lock}");
    assert!(lock.contains("requires-python = \"==3.12.*\""), "{lock}");
    let locked = ["--target", "app", "--lock", "pylock.toml"];
    bare(&scene, &[&locked[..], &ARM].concat()).assert_code(3);
    bare(&scene, &[&locked[..], &WINDOWS].concat()).assert_code(0);
    // Names are resolved in the same way on the way to an installation.
    let named = ["--target", "named", "demo"];
    bare(&scene, &[&named[..], &from, &ARM].concat()).assert_code(0);
    assert!(scene.join("named/demo/native.so").is_file());
    assert!(!scene.join("named/winonly.py").exists());
}

//! Lock files, reports and resolutions for an interpreter that is not here.

use std::fs;

use serde_json::json;
use sha2::Digest as _;

use crate::described_pythons::{ARM, WINDOWS, bare, native, text};
use crate::support::scene::Scene;
use crate::support::wheel_builder::Wheel;

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

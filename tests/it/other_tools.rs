//! Leftovers of other tools in an environment: eggs, odd records, links in records, and another
//! installer.

use crate::environment_shapes::{demo, write};
use crate::support::scene::{Scene, assert_unchanged, site_packages, tree};
use crate::support::verdict::refused;
use crate::support::wheel_builder::Wheel;
use std::fs::{self};
use std::os::unix::fs::symlink;

#[test]
fn r112_leftovers_of_other_tools_are_neither_installed_nor_removed() {
    let scene = Scene::new();
    let venv = scene.venv();
    let library = site_packages(&venv);
    for left in [
        "~emo-1.0.dist-info/METADATA",
        "~emo/__init__.py",
        ".tmpAbC123/x.py",
        "-demo-1.0.dist-info/RECORD",
    ] {
        write(&library.join(left), "theirs");
    }
    let before = tree(&venv);
    scene
        .install(&venv, &[scene.wheel(&demo("1.0"))])
        .assert_code(0);
    let listed = scene.install(&venv, &["list", "--json"]).json();
    assert_eq!(
        listed["projects"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );
    scene
        .install(&venv, &[scene.wheel(&demo("2.0"))])
        .assert_code(0);
    scene.install(&venv, &["uninstall", "demo"]).assert_code(0);
    assert_unchanged(&before, &tree(&venv));
}

#[test]
fn r114_r117_eggs_take_nothing_with_them_no_matter_what_they_list() {
    for listed in ["", "\n", "\n\n../demo\n", ".\n", "/\n"] {
        let scene = Scene::new();
        let venv = scene.venv();
        let egg = site_packages(&venv).join("demo-1.0.egg-info");
        write(&egg.join("PKG-INFO"), "Name: demo\nVersion: 1.0\n");
        write(&egg.join("installed-files.txt"), listed);
        write(&egg.join("top_level.txt"), listed);
        write(&site_packages(&venv).join("theirs.py"), "theirs");
        let path = scene.wheel(&demo("2.0")).display().to_string();
        refused(&scene, &venv, &["uninstall", "demo"], 5, &["demo", "egg"]);
        refused(&scene, &venv, &[&path], 5, &["demo", "egg"]);
    }
}

#[test]
fn r115_sizes_in_a_record_that_have_no_sum_are_listed() {
    let scene = Scene::new();
    let venv = scene.venv();
    scene
        .install(&venv, &[scene.wheel(&demo("1.0"))])
        .assert_code(0);
    let record = site_packages(&venv).join("demo-1.0.dist-info/RECORD");
    let text = fs::read_to_string(&record).expect("it is there")
        + &format!("a.py,,{0}\nb.py,,{0}\n", u64::MAX);
    fs::write(&record, text).expect("it can be written");
    let listed = scene.install(&venv, &["list", "--json"]);
    listed.assert_code(0);
    assert_eq!(listed.json()["projects"][0]["bytes"], u64::MAX);
    scene.install(&venv, &["check"]).assert_code(6);
    scene.install(&venv, &["uninstall", "demo"]).assert_code(0);
    assert!(!site_packages(&venv).join("demo").exists());
}

#[test]
fn r79_r80_r115_a_link_is_no_way_to_what_is_protected() {
    let scene = Scene::new();
    let venv = scene.venv();
    symlink("bin", venv.join("tools")).expect("a link can be made");
    symlink(".", venv.join("self")).expect("a link can be made");
    for path in [
        "tools/python",
        "self/pyvenv.cfg",
        "self/bin/python3",
        "self/.lock",
        "tools/activate",
    ] {
        let wheel = Wheel::new("demo", "1.0").data(&format!("data/{path}"), "evil");
        let wheel = scene.wheel(&wheel).display().to_string();
        for policy in ["error", "first", "last"] {
            refused(
                &scene,
                &venv,
                &["--on-conflict", policy, &wheel],
                3,
                &["demo-1.0", path, "would overwrite"],
            );
        }
    }
    scene
        .install(&venv, &[scene.wheel(&demo("1.0"))])
        .assert_code(0);
    let record = site_packages(&venv).join("demo-1.0.dist-info/RECORD");
    let rows =
        "../../../tools/python,,\n../../../self/pyvenv.cfg,,\n../../../self/tools/python3,,\n";
    let text = fs::read_to_string(&record).expect("it is there") + rows;
    fs::write(&record, text).expect("it can be written");
    let run = scene.install(&venv, &["uninstall", "-v", "demo"]);
    run.assert_code(0);
    for path in ["tools/python", "self/pyvenv.cfg", "self/tools/python3"] {
        run.assert_stderr(path);
        assert!(
            fs::symlink_metadata(venv.join(path)).is_ok(),
            "{path} is gone"
        );
    }
    assert!(!site_packages(&venv).join("demo").exists());
}

#[test]
fn r93_the_installer_of_others_is_a_project_like_others() {
    let scene = Scene::new();
    let venv = scene.venv();
    let empty = tree(&venv);
    let tool = |name: &str, version: &str| {
        let points = format!("[console_scripts]\n{name} = {name}:main\n");
        Wheel::new(name, version)
            .file(&format!("{name}/__init__.py"), version)
            .entry_points(&points)
    };
    for name in ["pip", "uv", "pkg-install"] {
        let name = name.replace('-', "_");
        for version in ["1.0", "2.0"] {
            scene
                .install(&venv, &[scene.wheel(&tool(&name, version))])
                .assert_code(0);
        }
        let shown = fs::read_to_string(site_packages(&venv).join(&name).join("__init__.py"))
            .expect("it is there");
        assert_eq!(shown, "2.0");
        scene.install(&venv, &["uninstall", &name]).assert_code(0);
    }
    assert_unchanged(&empty, &tree(&venv));
}

//! `check`, `list`, `undo` and `recover`: the differences they find, the projects they show, and
//! whether a change can be taken back.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::scene::{Run, Scene, assert_unchanged, site_packages, tree};
use crate::support::verdict::refused;
use crate::support::wheel_builder::{Wheel, digest};

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().expect("a file has a parent"))
        .expect("directories can be made");
    fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn put(scene: &Scene, venv: &Path, options: &[&str], wheel: &Wheel) -> Run {
    let path = scene.wheel(wheel).display().to_string();
    let run = scene.install(venv, &[options, &[path.as_str()]].concat());
    run.assert_code(0);
    run
}

fn demo(version: &str) -> Wheel {
    Wheel::new("demo", version)
        .file("demo/__init__.py", format!("# {version}\n"))
        .file("demo/a.py", "a = 1\n")
        .file(&format!("demo/sub{version}/b.py"), "b = 1\n")
        .file(&format!("ns/demo{version}.py"), "")
        .data("scripts/tool", "#!/bin/sh\n")
        .data("data/share/demo/x.txt", version)
        .entry_points("[console_scripts]\ndemo = demo:main\n")
}

fn other() -> Wheel {
    Wheel::new("other", "3.1")
        .file("ns/other.py", "other\n")
        .file("other.py", "")
}

/// `demo` and `other`, one after the other.
fn both(scene: &Scene) -> PathBuf {
    let venv = scene.venv();
    put(scene, &venv, &[], &demo("1.0"));
    put(scene, &venv, &[], &other());
    venv
}

/// The differences that `check` finds: project, path and state.
#[track_caller]
fn differences(scene: &Scene, venv: &Path, names: &[&str]) -> Vec<[String; 3]> {
    let before = tree(venv);
    let run = scene.install(venv, &[&["check", "--json"], names].concat());
    let report = run.json();
    let found: Vec<Value> = report["differences"].as_array().expect("a list").clone();
    run.assert_code(if found.is_empty() { 0 } else { 6 });
    if !found.is_empty() {
        assert_eq!(report["error"]["kind"], "differences");
    }
    assert_unchanged(&before, &tree(venv));
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    found
        .iter()
        .map(|one| ["project", "path", "state"].map(|key| text(&one[key])))
        .collect()
}

#[test]
fn check_says_that_all_is_as_it_was() {
    let scene = Scene::new();
    let venv = both(&scene);
    scene.install(&venv, &["check"]).assert_code(0);
    assert_eq!(differences(&scene, &venv, &[]), [[""; 3]; 0]);
    assert_eq!(
        scene.install(&venv, &["check", "--json"]).json()["outcome"],
        "unchanged"
    );
    write(
        &site_packages(&venv).join("demo/__pycache__/a.cpython-311.pyc"),
        "",
    );
    write(&site_packages(&venv).join("demo/mine.txt"), "mine");
    assert_eq!(differences(&scene, &venv, &["Demo", "other"]), [[""; 3]; 0]);
}

#[test]
fn check_finds_every_difference() {
    let scene = Scene::new();
    let venv = both(&scene);
    let library = site_packages(&venv);
    fs::remove_file(library.join("demo/a.py")).expect("it can be removed");
    write(&library.join("demo/__init__.py"), "# 1.1\n");
    fs::remove_file(library.join("demo/sub1.0/b.py")).expect("it can be removed");
    fs::create_dir(library.join("demo/sub1.0/b.py")).expect("it can be made");
    fs::remove_file(library.join("ns/demo1.0.py")).expect("it can be removed");
    symlink("other.py", library.join("ns/demo1.0.py")).expect("a link can be made");
    fs::set_permissions(venv.join("bin/tool"), fs::Permissions::from_mode(0o644))
        .expect("its mode can be set");
    write(&venv.join("share/demo/x.txt"), "longer than it was");
    let record = library.join("demo-1.0.dist-info/RECORD");
    let text = fs::read_to_string(&record).expect("it is there") + "../../../../elsewhere.txt,,\n";
    write(&record, &text);
    let expected = [
        ("../../../../elsewhere.txt", "record"),
        ("../../../bin/tool", "mode"),
        ("../../../share/demo/x.txt", "changed"),
        ("demo/__init__.py", "changed"),
        ("demo/a.py", "missing"),
        ("demo/sub1.0/b.py", "unreadable"),
        ("ns/demo1.0.py", "changed"),
    ]
    .map(|(path, state)| ["demo", path, state].map(str::to_owned));
    assert_eq!(differences(&scene, &venv, &[]), expected);
    assert_eq!(differences(&scene, &venv, &["DEMO"]), expected);
    assert_eq!(differences(&scene, &venv, &["other"]), [[""; 3]; 0]);
    let run = scene.install(&venv, &["check"]);
    run.assert_code(6);
    for [project, path, state] in &expected {
        let line = run
            .stdout
            .lines()
            .find(|line| line.contains(path.as_str()))
            .unwrap_or_default();
        assert!(
            line.starts_with(state.as_str()) && line.contains(project.as_str()),
            "{path}\n{}",
            run.stdout
        );
    }
}

#[test]
fn check_takes_only_a_script_for_one() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel =
        scene.wheel(&Wheel::new("demo", "1.0").data("data/bin/notes.txt", "not a script\n"));
    scene.install(&venv, &[wheel]).assert_code(0);
    assert_eq!(differences(&scene, &venv, &[]), [[""; 3]; 0]);
}

#[test]
fn check_of_an_unknown_name_is_refused() {
    let scene = Scene::new();
    let venv = both(&scene);
    refused(
        &scene,
        &venv,
        &["check", "demo", "nothing-like-it"],
        5,
        &["nothing-like-it"],
    );
}

#[test]
fn list_says_what_is_installed() {
    let scene = Scene::new();
    let venv = both(&scene);
    let old = site_packages(&venv).join("old-0.9.dist-info");
    write(&old.join("INSTALLER"), "conda\n");
    write(
        &old.join("METADATA"),
        "Metadata-Version: 2.1\nName: old\nVersion: 0.9\n",
    );
    let before = tree(&venv);
    let report = scene.install(&venv, &["list", "--json"]).json();
    let projects = report["projects"].as_array().expect("a list").clone();
    let shown: Vec<Value> = projects
        .iter()
        .map(|one| json!([one["name"], one["version"], one["installer"]]))
        .collect();
    let expected = [
        ("demo", "1.0", "pkg-install"),
        ("old", "0.9", "conda"),
        ("other", "3.1", "pkg-install"),
    ];
    assert_eq!(
        shown,
        expected.map(|(name, version, installer)| json!([name, version, installer]))
    );
    let record = fs::read_to_string(site_packages(&venv).join("demo-1.0.dist-info/RECORD"))
        .expect("it is there");
    assert_eq!(projects[0]["files"], record.lines().count());
    let sizes = record
        .lines()
        .filter_map(|row| row.rsplit(',').next()?.parse::<u64>().ok());
    // RECORD states no length of its own.
    assert_eq!(
        projects[0]["bytes"],
        sizes.sum::<u64>() + record.len() as u64
    );
    assert_eq!(
        (&projects[1]["files"], &projects[0]["conflicts"]),
        (&Value::Null, &json!([]))
    );
    let run = scene.install(&venv, &["list"]);
    run.assert_code(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 5, "{}", run.stdout);
    let lines = &lines[2..];
    assert!(
        lines[0].starts_with("demo ")
            && lines[0].contains("1.0")
            && lines[0].contains("pkg-install"),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("no RECORD") && lines[1].contains("conda"),
        "{lines:?}"
    );
    assert_unchanged(&before, &tree(&venv));
}

#[test]
fn list_names_conflicts_in_both_directions() {
    let scene = Scene::new();
    let venv = scene.venv();
    for (name, content) in [("one", "1"), ("two", "2"), ("three", "1")] {
        let wheel = Wheel::new(name, "1.0")
            .file("same.py", "same")
            .file(&format!("{name}.py"), "");
        put(
            &scene,
            &venv,
            &[],
            &if name == "three" {
                wheel
            } else {
                wheel.file("clash.py", "x")
            },
        );
        let row = format!("clash.py,{},1", digest(content.as_bytes()));
        let record = site_packages(&venv).join(format!("{name}-1.0.dist-info/RECORD"));
        let text = fs::read_to_string(&record)
            .expect("it is there")
            .replace(&digest(b"x"), &digest(content.as_bytes()));
        write(&record, &text);
        assert_eq!(text.contains(&row), name != "three");
    }
    let report = scene.install(&venv, &["list", "--json"]).json();
    let found: Vec<Value> = report["projects"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["conflicts"].clone())
        .collect();
    assert_eq!(found, [json!(["two"]), json!([]), json!(["one"])]);
    let run = scene.install(&venv, &["list"]);
    assert!(
        run.stdout.contains("conflicts with two") && run.stdout.contains("conflicts with one"),
        "{}",
        run.stdout
    );
}

/// The environment without the files kept for `undo`.
fn seen(venv: &Path) -> String {
    tree(venv)
        .lines()
        .filter(|line| !line.contains("/.pkg-install"))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn undo_restores_what_was_before_an_install_a_replacement_and_a_removal() {
    let scene = Scene::new();
    let venv = scene.venv();
    put(&scene, &venv, &[], &other());
    let steps: [&dyn Fn() -> Run; 3] = [
        &|| put(&scene, &venv, &["--undoable"], &demo("1.0")),
        &|| put(&scene, &venv, &["--undoable"], &demo("2.0")),
        &|| scene.install(&venv, &["uninstall", "--undoable", "demo", "other"]),
    ];
    for (number, step) in steps.iter().enumerate() {
        let before = seen(&venv);
        step().assert_code(0);
        assert_ne!(before, seen(&venv), "{number}");
        let dry = seen(&venv);
        scene.install(&venv, &["undo", "--dry-run"]).assert_code(0);
        assert_unchanged(&dry, &seen(&venv));
        scene.install(&venv, &["undo"]).assert_code(0);
        assert_unchanged(&before, &seen(&venv));
        refused(&scene, &venv, &["undo"], 5, &["--undoable"]);
        step().assert_code(0);
    }
}

#[test]
fn undo_does_not_mind_bytecode() {
    let scene = Scene::new();
    let venv = scene.venv();
    put(&scene, &venv, &[], &other());
    for old in [None, Some(demo("1.0"))] {
        old.iter()
            .for_each(|wheel| drop(put(&scene, &venv, &[], wheel)));
        let before = tree(&venv);
        put(&scene, &venv, &["--undoable"], &demo("2.0"));
        for path in [
            "demo/__pycache__/a.cpython-311.pyc",
            "demo/sub2.0/__pycache__/b.cpython-311.opt-2.pyc",
        ] {
            write(&site_packages(&venv).join(path), "");
        }
        scene.install(&venv, &["undo"]).assert_code(0);
        assert_unchanged(&before, &tree(&venv));
    }
}

/// After `change`, the undo of an upgrade of `demo` is refused with these words.
#[track_caller]
fn not_undone(change: impl Fn(&Scene, &Path), says: &[&str]) {
    for old in [None, Some(demo("1.0"))] {
        let scene = Scene::new();
        let venv = scene.venv();
        put(&scene, &venv, &[], &other());
        old.iter()
            .for_each(|wheel| drop(put(&scene, &venv, &[], wheel)));
        put(&scene, &venv, &["--undoable"], &demo("2.0"));
        change(&scene, &venv);
        refused(&scene, &venv, &["undo"], 5, says);
    }
}

#[test]
fn undo_is_refused_if_the_environment_has_changed_since() {
    let inside = |venv: &Path, path: &str| site_packages(venv).join(path);
    not_undone(
        |_, venv| {
            let file = inside(venv, "demo/a.py");
            write(&file, "a = 2\n");
            let later = SystemTime::now() + Duration::from_secs(60);
            let file = File::options()
                .write(true)
                .open(file)
                .expect("it can be opened");
            file.set_modified(later).expect("its time can be set");
        },
        &["demo", "changed"],
    );
    not_undone(
        |_, venv| write(&inside(venv, "demo/a.py"), "longer than before\n"),
        &["demo", "changed"],
    );
    not_undone(
        |_, venv| fs::remove_file(inside(venv, "demo/a.py")).expect("it can be removed"),
        &["demo", "changed"],
    );
    not_undone(
        |_, venv| write(&inside(venv, "demo/mine.txt"), "mine"),
        &["demo", "changed"],
    );
    not_undone(
        |_, venv| write(&venv.join("share/demo/mine.txt"), "mine"),
        &["share", "changed"],
    );
    not_undone(
        |scene, venv| {
            drop(put(
                scene,
                venv,
                &[],
                &Wheel::new("late", "1").file("late.py", ""),
            ));
        },
        &["--undoable"],
    );
}

#[test]
fn undo_is_refused_if_an_installed_file_is_gone() {
    not_undone(
        |_, venv| fs::remove_file(venv.join("bin/tool")).expect("it can be removed"),
        &["bin/tool", "changed"],
    );
    let whole = |_: &Scene, venv: &Path| {
        fs::remove_dir_all(site_packages(venv).join("demo")).expect("it can be removed");
    };
    not_undone(whole, &["demo", "changed"]);
}

#[test]
fn undo_is_refused_if_an_old_place_is_taken() {
    let scene = Scene::new();
    let venv = both(&scene);
    scene
        .install(&venv, &["uninstall", "--undoable", "demo"])
        .assert_code(0);
    write(&site_packages(&venv).join("ns/demo1.0.py"), "theirs");
    refused(&scene, &venv, &["undo"], 5, &["ns/demo1.0.py"]);
    fs::remove_file(site_packages(&venv).join("ns/demo1.0.py")).expect("it can be removed");
    scene.install(&venv, &["undo"]).assert_code(0);
    assert_eq!(differences(&scene, &venv, &[]), [[""; 3]; 0]);
}

#[test]
fn undo_is_refused_if_nothing_was_kept() {
    let scene = Scene::new();
    let venv = scene.venv();
    refused(&scene, &venv, &["undo"], 5, &["--undoable"]);
    put(&scene, &venv, &[], &demo("1.0"));
    refused(&scene, &venv, &["undo"], 5, &["--undoable"]);
    assert!(!site_packages(&venv).join(".pkg-install").exists());
}

#[test]
fn recover_has_nothing_to_do_if_nothing_was_interrupted() {
    let scene = Scene::new();
    let venv = both(&scene);
    let before = tree(&venv);
    let run = scene.install(&venv, &["recover"]);
    run.assert_code(0);
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(said.contains("nothing to recover"), "{said}");
    assert_eq!(
        scene.install(&venv, &["recover", "--json"]).json()["outcome"],
        "unchanged"
    );
    assert_unchanged(&before, &tree(&venv));
    put(&scene, &venv, &["--undoable"], &demo("2.0"));
    scene.install(&venv, &["recover"]).assert_code(0);
    scene.install(&venv, &["undo"]).assert_code(0);
    assert_unchanged(&before, &tree(&venv));
}

#[test]
fn check_names_the_command_that_repairs_what_it_found() {
    let scene = Scene::new();
    let venv = both(&scene);
    let library = site_packages(&venv);
    fs::write(library.join("demo/a.py"), "a = 2\n").expect("it is there");
    fs::remove_file(library.join("ns/other.py")).expect("it is there");
    let run = scene.install(&venv, &["check"]);
    run.assert_code(6)
        .assert_stderr("hint: `pkg-install --reinstall demo==1.0 other==3.1 --target ");
    let quiet = scene.install(&venv, &["check", "-q"]);
    quiet.assert_code(6);
    assert!(!quiet.stderr.contains("hint"), "{}", quiet.stderr);
    assert_eq!(quiet.stdout.lines().count(), 2, "{}", quiet.stdout);
    // The command works with the wheels, too.
    for wheel in [demo("1.0"), other()] {
        put(&scene, &venv, &["--reinstall"], &wheel);
    }
    let run = scene.install(&venv, &["check"]);
    run.assert_code(0);
    assert!(!run.stderr.contains("hint"), "{}", run.stderr);
    // A project without RECORD cannot be replaced.
    fs::remove_file(library.join("demo-1.0.dist-info/RECORD")).expect("it is there");
    let run = scene.install(&venv, &["check"]);
    run.assert_code(6);
    assert!(!run.stderr.contains("--reinstall"), "{}", run.stderr);
}

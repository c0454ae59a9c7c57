//! `--exact`, `sync` and `--check`: an environment that holds what the input names and nothing
//! else.

use crate::determinism::demo;
use crate::support::scene::{Run, Scene, assert_unchanged, site_packages, tree};
use crate::support::wheel_builder::Wheel;
use serde_json::{Value, json};
use std::fs;

fn wheel(scene: &Scene, name: &str) -> String {
    let wheel = Wheel::new(name, "1.0").file(&format!("{name}.py"), "");
    scene.wheel(&wheel).display().to_string()
}

fn actions(report: &Value) -> Vec<String> {
    let changes = report["changes"].as_array().expect("changes");
    changes
        .iter()
        .map(|change| format!("{} {}", change["action"], change["name"]).replace('"', ""))
        .collect()
}

#[test]
fn exact_removes_in_the_same_transaction_what_is_not_named() {
    let scene = Scene::new();
    let venv = scene.venv();
    let [a, b, pip] = ["a", "b", "pip"].map(|name| wheel(&scene, name));
    scene.install(&venv, &[&a, &b, &pip]).assert_code(0);
    let before = tree(&venv);
    let dry = scene
        .install(&venv, &["--exact", "--dry-run", "--json", &b])
        .json();
    assert_eq!(actions(&dry), ["remove a", "keep b"]);
    assert_unchanged(&before, &tree(&venv));
    let run = scene.install(&venv, &["--exact", "--undoable", "--json", &b]);
    run.assert_code(0);
    assert_eq!(actions(&run.json()), ["remove a", "keep b"]);
    let library = site_packages(&venv);
    assert!(!library.join("a.py").exists() && library.join("pip.py").exists());
    scene.install(&venv, &["undo"]).assert_code(0);
    assert!(library.join("a.py").exists());
}

#[test]
fn exact_keeps_editable_projects_and_says_so() {
    let scene = Scene::new();
    let venv = scene.venv();
    let [a, b] = ["a", "b"].map(|name| wheel(&scene, name));
    scene.install(&venv, &[&a]).assert_code(0);
    let info = site_packages(&venv).join("a-1.0.dist-info");
    let origin = r#"{"url": "file:///src/a", "dir_info": {"editable": true}}"#;
    fs::write(info.join("direct_url.json"), origin).expect("it can be written");
    let run = scene.install(&venv, &["--exact", &b]);
    run.assert_code(0).assert_stderr("editable");
    assert!(info.exists());
}

#[test]
fn a_project_without_record_stops_an_exact_installation() {
    let scene = Scene::new();
    let venv = scene.venv();
    let [a, b] = ["a", "b"].map(|name| wheel(&scene, name));
    scene.install(&venv, &[&a]).assert_code(0);
    let record = site_packages(&venv).join("a-1.0.dist-info/RECORD");
    fs::remove_file(record).expect("it can be removed");
    let before = tree(&venv);
    scene.install(&venv, &["--exact", &b]).assert_code(5);
    assert_unchanged(&before, &tree(&venv));
}

#[test]
fn sync_recognises_the_kind_of_each_file() {
    let scene = Scene::new();
    let venv = scene.venv();
    let [a, b, c] = ["a", "b", "c"].map(|name| wheel(&scene, name));
    scene.install(&venv, &[&a]).assert_code(0);
    let pins = scene.write("pins.txt", format!("{b}\n"));
    let lock = format!(
        "lock-version = \"1.0\"\ncreated-by = \"x\"\n\
         [[packages]]\nname = \"c\"\nversion = \"1.0\"\n\
         archive = {{path = \"{c}\", hashes = {{sha256 = \"{}\"}}}}\n",
        pkg_install::digest::Digest::of(
            pkg_install::digest::Algorithm::Sha256,
            &fs::read(&c).expect("it is there")
        )
        .to_hex()
    );
    let lock = scene.write("pylock.toml", lock);
    let files = [pins.display().to_string(), lock.display().to_string()];
    let run = scene.install(&venv, &["sync", &files[0], &files[1], "--json"]);
    run.assert_code(0);
    assert_eq!(actions(&run.json()), ["remove a", "install b", "install c"]);
    let run = scene.install(&venv, &["sync", &a, "--json"]);
    run.assert_code(0);
    assert_eq!(actions(&run.json()), ["install a", "remove b", "remove c"]);
    scene.install(&venv, &["sync", "gone.txt"]).assert_code(2);
    scene.install(&venv, &["sync"]).assert_code(2);
}

#[test]
fn check_writes_nothing_and_ends_with_1_if_something_would_change() {
    let scene = Scene::new();
    let venv = scene.venv();
    let path = demo(&scene);
    let before = tree(&venv);
    let run = scene.install(&venv, &["--check", "--json", &path]);
    run.assert_code(1);
    assert_eq!(run.json()["outcome"], "planned");
    assert_eq!(run.json()["error"], Value::Null);
    assert_unchanged(&before, &tree(&venv));
    let run = scene.install(&venv, &["--check", &path]);
    run.assert_code(1);
    assert!(
        run.stdout.contains("would install 1 project"),
        "{}",
        run.stdout
    );
    scene.install(&venv, &[&path]).assert_code(0);
    scene.install(&venv, &["--check", &path]).assert_code(0);
    scene
        .install(&venv, &["--check", "--reinstall", &path])
        .assert_code(1);
    let other = wheel(&scene, "other");
    scene.install(&venv, &["--check", &other]).assert_code(1);
    let run = scene.install(&venv, &["--check", "--exact", "--json", &other]);
    run.assert_code(1);
    assert_eq!(run.json()["changes"][0]["action"], json!("remove"));
}

#[test]
fn an_empty_list_does_not_remove_everything() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = scene.wheel(&Wheel::new("demo", "1.0").file("demo.py", ""));
    scene.install(&venv, &[&wheel]).assert_code(0);
    scene.write("blank.txt", "\u{feff}\n  # nothing\n");
    let before = tree(&venv);
    for arguments in [
        &["sync", "/dev/null"][..],
        &["sync", "-"],
        &["--exact", "-r", "blank.txt"],
    ] {
        let run = scene.install(&venv, arguments);
        run.assert_code(2)
            .assert_stderr("every installed project would be removed");
        assert_unchanged(&before, &tree(&venv));
    }
    // A lock file that names nothing was written on purpose.
    scene.write(
        "pylock.toml",
        "lock-version = \"1.0\"\ncreated-by = \"x\"\npackages = []\n",
    );
    scene
        .install(&venv, &["sync", "pylock.toml"])
        .assert_code(0);
    assert!(!site_packages(&venv).join("demo.py").exists());
}

#[test]
fn a_lock_file_from_a_descriptor_needs_no_name() {
    let scene = Scene::new();
    let venv = scene.venv();
    let path = scene.write(
        "any.name",
        "lock-version = \"1.0\"\ncreated-by = \"x\"\npackages = []\n",
    );
    for option in ["--lock", "sync"] {
        let lock = std::fs::File::open(&path).expect("it is there");
        let mut command = scene.command();
        command.args([option, "/dev/stdin", "--target"]).arg(&venv);
        Run::of(command.stdin(lock)).assert_code(0);
    }
    let run = scene.install(&venv, &["-r", "-", "-c", "-"]);
    run.assert_code(2).assert_stderr("only once");
}

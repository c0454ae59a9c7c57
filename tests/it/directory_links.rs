//! Packages that are symbolic links into the store: when they are made, what they look like to
//! others, and how they leave.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::store::{entries, install};
use crate::support::scene::{Run, Scene, assert_unchanged, python, site_packages, tree};
use crate::support::wheel_builder::Wheel;

const SYMLINK: [&str; 4] = ["--store", "always", "--link-mode", "symlink"];

/// A package with data, a namespace package, a module, a script, and data for the prefix.
fn demo(version: &str) -> Wheel {
    Wheel::new("demo", version)
        .file("demo/__init__.py", format!("version = {version:?}\n"))
        .file("demo/deep/table.txt", vec![b'x'; 3_000])
        .file_mode("demo/tool", "#!/bin/sh\n", 0o755)
        .file("space/demo.py", "")
        .file("alone.py", "")
        .data("data/share/demo.txt", "shared")
        .entry_points("[console_scripts]\ndemo = demo:main\n")
}

fn link(scene: &Scene, target: &str, more: &[&str]) -> Run {
    let run = install(scene, target, &[&SYMLINK, more].concat());
    run.assert_code(0);
    run
}

fn built(scene: &Scene, wheel: &Wheel) -> String {
    scene.wheel(wheel).display().to_string()
}

fn is_link(path: PathBuf) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

/// The entries of the store; notes about archives come and go.
fn the_store(scene: &Scene) -> String {
    let all = tree(&scene.join("cache/store"));
    let of_entries = all.lines().filter(|line| line.contains("/tree"));
    of_entries.map(|line| format!("{line}\n")).collect()
}

/// The rows of an installed RECORD.
fn record(target: &Path) -> Vec<String> {
    let text = fs::read_to_string(target.join("demo-1.0.dist-info/RECORD")).expect("installed");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn whole_packages_are_links_at_once_and_everything_else_is_real() {
    let scene = Scene::new();
    let path = built(&scene, &demo("1.0"));
    install(&scene, "plain", &["--store", "never", &path]).assert_code(0);
    for (target, filled) in [("first", 1), ("second", 0)] {
        let run = link(&scene, target, &[&path]);
        let store = run.json()["store"].clone();
        assert_eq!(store["symlinked"], 3, "{store}");
        assert_eq!(store["filled"], filled, "{store}");
        let root = scene.join(target);
        assert!(is_link(root.join("demo")));
        assert!(fs::metadata(root.join("demo/tool")).expect("there").mode() & 0o111 != 0);
        for real in ["space", "alone.py", "share", "bin", "demo-1.0.dist-info"] {
            assert!(!is_link(root.join(real)), "{real}");
        }
        let rows = record(&root);
        // uv removes row after row, so that the link has to come before what is behind it.
        let at = rows.iter().position(|row| row == "demo,,").expect("a row");
        assert!(
            rows[at..]
                .iter()
                .any(|row| row.starts_with("demo/__init__.py,sha256="))
        );
        assert!(!rows[..at].iter().any(|row| row.starts_with("demo/")));
        // Beside that row, RECORD is that of any other installation.
        let others: Vec<String> = rows.into_iter().filter(|row| row != "demo,,").collect();
        assert_eq!(others, record(&scene.join("plain")));
        scene.run(&["check", "--target", target]).assert_code(0);
        let nothing = link(&scene, target, &[&path]);
        assert_eq!(nothing.json()["outcome"], "unchanged");
    }
}

#[test]
fn directories_behind_links_are_read_only_and_the_cache_can_still_remove_them() {
    let scene = Scene::new();
    let path = built(&scene, &demo("1.0"));
    link(&scene, "one", &[&path]);
    let [entry] = entries(&scene).try_into().expect("one entry");
    for directory in ["tree", "tree/demo", "tree/demo/deep"] {
        let metadata = fs::metadata(entry.join(directory)).expect("there");
        assert_eq!(metadata.permissions().mode() & 0o222, 0, "{directory}");
    }
    // Other environments link the files themselves as before.
    let run = install(
        &scene,
        "two",
        &["--store", "always", "--link-mode", "hardlink", &path],
    );
    assert_eq!(run.json()["store"]["symlinked"], 0);
    assert_eq!(
        fs::metadata(scene.join("one/demo/__init__.py"))
            .expect("there")
            .ino(),
        fs::metadata(scene.join("two/demo/__init__.py"))
            .expect("there")
            .ino(),
    );
    scene
        .run(&["cache", "clean", "--cache-dir", "cache"])
        .assert_code(0);
    assert_eq!(entries(&scene), Vec::<PathBuf>::new());
    // What is behind the link is gone, and a check says so.
    let check = scene.run(&["check", "--target", "one"]);
    assert_ne!(check.code, 0);
    assert!(
        check.stdout.contains("demo/__init__.py"),
        "{}",
        check.stdout
    );
    link(&scene, "one", &["--reinstall", &path]);
    scene.run(&["check", "--target", "one"]).assert_code(0);
}

#[test]
fn links_are_removed_replaced_and_taken_back_without_harm_to_the_store() {
    let scene = Scene::new();
    let (old, new) = (built(&scene, &demo("1.0")), built(&scene, &demo("2.0")));
    link(&scene, "one", &[&old]);
    link(&scene, "other", &[&new]);
    let store = the_store(&scene);
    let linked = tree(&scene.join("one"));
    let target = ["--target", "one"];

    let removed =
        scene.run(&[&["uninstall", "demo", "--undoable", "--json"][..], &target].concat());
    removed.assert_code(0);
    // As many files as with any other way of linking, and the link itself.
    assert_eq!(removed.json()["changes"][0]["files"], 13);
    assert!(
        removed.json()["warnings"]
            .as_array()
            .expect("a list")
            .is_empty()
    );
    assert!(!is_link(scene.join("one/demo")));
    assert_unchanged(&store, &the_store(&scene));
    scene.run(&[&["undo"][..], &target].concat()).assert_code(0);
    let public = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| !line.starts_with(".pkg-install"));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    assert_unchanged(&public(&linked), &public(&tree(&scene.join("one"))));

    // A link by a link, by files, and files by a link.
    link(&scene, "one", &[&new]);
    assert!(is_link(scene.join("one/demo")));
    install(&scene, "one", &["--store", "never", &old]).assert_code(0);
    assert!(!is_link(scene.join("one/demo")));
    link(&scene, "one", &[&new]);
    assert!(is_link(scene.join("one/demo")));
    assert_unchanged(
        &public(&tree(&scene.join("other"))),
        &public(&tree(&scene.join("one"))),
    );
    assert_unchanged(&store, &the_store(&scene));
    scene.run(&["check", "--target", "one"]).assert_code(0);
}

#[test]
fn a_directory_with_files_of_others_stays_and_gets_files() {
    let scene = Scene::new();
    scene.write("one/demo/notes.txt", "mine");
    let path = built(&scene, &demo("1.0"));
    let run = link(&scene, "one", &[&path]);
    assert_eq!(run.json()["store"]["symlinked"], 0);
    assert!(!is_link(scene.join("one/demo")));
    assert!(record(&scene.join("one")).iter().all(|row| row != "demo,,"));
    assert_eq!(
        fs::read_to_string(scene.join("one/demo/notes.txt")).expect("kept"),
        "mine"
    );
}

#[test]
fn packages_that_two_wheels_share_are_real() {
    let scene = Scene::new();
    let addition = Wheel::new("addition", "1.0").file("demo/addition.py", "");
    let (demo, addition) = (built(&scene, &demo("1.0")), built(&scene, &addition));
    let run = link(&scene, "one", &[&demo, &addition]);
    assert_eq!(run.json()["store"]["symlinked"], 0);
    assert!(scene.join("one/demo/addition.py").is_file());

    // Into a package that is a link already, nothing is written.
    link(&scene, "two", &[&demo]);
    let (before, store) = (tree(&scene.join("two")), the_store(&scene));
    let refused = install(&scene, "two", &[&addition]);
    assert_ne!(refused.code, 0);
    let message = refused.json()["error"]["message"]
        .as_str()
        .expect("one")
        .to_owned();
    assert!(
        message.contains("two/demo") && message.contains("store"),
        "{message}"
    );
    assert_unchanged(&before, &tree(&scene.join("two")));
    assert_unchanged(&store, &the_store(&scene));
}

#[test]
fn interpreters_import_what_is_behind_a_link() {
    let scene = Scene::new();
    let venv = scene.venv();
    let path = built(&scene, &demo("1.0"));
    link(&scene, "venv", &[&path]);
    assert!(is_link(site_packages(&venv).join("demo")));
    let code = "import demo, alone, space.demo; print(demo.version, demo.__file__)";
    let said = python(&venv, code);
    let file = site_packages(&venv).join("demo/__init__.py");
    assert_eq!(said.trim(), format!("1.0 {}", file.display()));
}

/// A library for 64 bits whose dynamic entries are a search path and its texts.
fn library(search_path: &str) -> Vec<u8> {
    let texts = format!("\0{search_path}\0");
    let dynamic: Vec<u8> = [5, 64, 29, 1, 0, 0u64]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let (at, table) = (
        64 + texts.len() as u64,
        64 + (texts.len() + dynamic.len()) as u64,
    );
    let mut bytes = vec![0; 64];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    bytes[32..40].copy_from_slice(&table.to_le_bytes());
    bytes[54..56].copy_from_slice(&56u16.to_le_bytes());
    bytes[56..58].copy_from_slice(&2u16.to_le_bytes());
    bytes.extend(texts.as_bytes());
    bytes.extend(&dynamic);
    for (kind, begin, length) in [(1u32, 0, table), (2, at, dynamic.len() as u64)] {
        let mut segment = vec![0; 56];
        segment[..4].copy_from_slice(&kind.to_le_bytes());
        segment[8..16].copy_from_slice(&begin.to_le_bytes());
        segment[16..24].copy_from_slice(&begin.to_le_bytes());
        segment[32..40].copy_from_slice(&length.to_le_bytes());
        bytes.extend(segment);
    }
    bytes
}

#[test]
fn a_wheel_whose_libraries_look_outside_of_it_gets_files() {
    for (search_path, symlinked) in [("$ORIGIN/../demo.libs", 2), ("$ORIGIN/../../nvidia/lib", 0)] {
        let scene = Scene::new();
        let wheel = Wheel::new("demo", "1.0")
            .file("demo/__init__.py", "")
            .file("demo/fast.so", library(search_path))
            .file("demo.libs/libfast.so.1", library("$ORIGIN"));
        let path = built(&scene, &wheel);
        for target in ["first", "second"] {
            let run = link(&scene, target, &[&path]);
            let store = run.json()["store"].clone();
            assert_eq!(
                store["symlinked"], symlinked,
                "{search_path} {target}: {store}"
            );
            assert_eq!(is_link(scene.join(target).join("demo")), symlinked > 0);
            let warnings = run.json()["warnings"].as_array().expect("a list").clone();
            assert_eq!(warnings.len(), usize::from(symlinked == 0), "{warnings:?}");
            assert!(
                warnings
                    .iter()
                    .all(|warning| warning["code"] == "not-linked")
            );
            scene.run(&["check", "--target", target]).assert_code(0);
            let rows = record(&scene.join(target));
            assert_eq!(rows.iter().any(|row| row == "demo,,"), symlinked > 0);
        }
    }
}

#[test]
fn what_cannot_be_linked_is_refused_before_anything_is_written() {
    let scene = Scene::new();
    let path = built(&scene, &demo("1.0"));
    scene.venv();
    let before = tree(&scene.join("venv"));
    for more in [
        &["--compile-bytecode"][..],
        &["--no-cache-dir"],
        &["--root", "image"],
    ] {
        let mut command = scene.command();
        command
            .args(["--python", "venv/bin/python", "--no-compat-check", &path])
            .args(SYMLINK)
            .args(more);
        let run = Run::of(&mut command);
        assert_ne!(run.code, 0, "{more:?}: {}", run.stderr);
        run.assert_stderr("link");
        assert_unchanged(&before, &tree(&scene.join("venv")));
        assert!(!scene.join("image").exists());
    }
    let mut command = scene.command();
    command.args(["--prefix", "prefix", "--python", "venv/bin/python", &path]);
    Run::of(command.args(SYMLINK))
        .assert_code(2)
        .assert_stderr("virtual environments");
}

#[test]
fn with_a_fixed_time_of_files_nothing_is_linked() {
    let scene = Scene::new();
    let path = built(&scene, &demo("1.0"));
    let mut command = scene.command();
    command
        .args([
            "--cache-dir",
            "cache",
            "--no-compat-check",
            "--target",
            "one",
            &path,
        ])
        .args(SYMLINK)
        .env("SOURCE_DATE_EPOCH", "1000000000");
    Run::of(&mut command).assert_code(0);
    assert!(scene.join("one/demo").is_dir() && !is_link(scene.join("one/demo")));
}

#[test]
fn a_store_that_cannot_be_filled_leaves_the_environment_as_it_was() {
    let scene = Scene::new();
    let (first, path) = (
        Wheel::new("first", "1.0").file("first.py", ""),
        built(&scene, &demo("1.0")),
    );
    link(&scene, "one", &[&built(&scene, &first)]);
    let before = tree(&scene.join("one"));
    // A file is where the directory of the entry would be, whatever its name begins with.
    for name in 0..=255 {
        let _ = fs::write(scene.join(&format!("cache/store/v1/{name:02x}")), "");
    }
    let run = install(&scene, "one", &[&SYMLINK[..], &[&path]].concat());
    assert_ne!(run.code, 0);
    assert_eq!(run.json()["error"]["effect"], "untouched");
    assert_unchanged(&before, &tree(&scene.join("one")));
}

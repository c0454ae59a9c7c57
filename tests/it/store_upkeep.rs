//! The commands that look after the cache, over the store of unpacked wheels.

use std::fs;
use std::path::PathBuf;

use crate::store::{demo, entries, install};
use crate::support::scene::{Run, Scene};
use crate::support::wheel_builder::Wheel;

fn cache(scene: &Scene, arguments: &[&str]) -> Run {
    let mut command = scene.command();
    command.arg("cache").args(arguments);
    Run::of(command.args(["--cache-dir", "cache", "--json"]))
}

#[test]
fn the_commands_of_the_cache_count_check_and_remove_what_is_in_the_store() {
    let scene = Scene::new();
    let demo = scene.wheel(&demo("1.0")).display().to_string();
    let other = scene.wheel(&Wheel::new("other", "1").file("other.py", "other"));
    let other = other.display().to_string();
    let how = ["--store", "always", "--link-mode", "hardlink"];
    install(&scene, "one", &[&how[..], &[&demo, &other]].concat()).assert_code(0);

    let size = cache(&scene, &["size"]).json()["cache"]["contents"]["store"].clone();
    assert_eq!(size["items"], 2);
    assert!(size["linked_bytes"].as_u64() > Some(1 << 20), "{size}");
    let whole = cache(&scene, &["verify"]);
    whole.assert_code(0);

    // The edit is found, and the repair removes the whole entry.
    let stored = entries(&scene);
    let edited = stored.iter().map(|entry| entry.join("tree/other.py"));
    let edited = edited
        .into_iter()
        .find(|path| path.exists())
        .expect("stored");
    fs::write(&edited, "edited").expect("written");
    let damaged = cache(&scene, &["verify"]);
    damaged.assert_code(1);
    let found = damaged.json()["cache"]["damaged"][0].clone();
    assert!(
        found.as_str().expect("a path").ends_with("tree/other.py"),
        "{found}"
    );
    cache(&scene, &["verify", "--repair"]).assert_code(0);
    assert_eq!(entries(&scene).len(), 1);

    let dry = cache(&scene, &["clean", "demo", "--dry-run"]);
    assert_eq!(
        dry.json()["cache"]["removed"]
            .as_array()
            .expect("a list")
            .len(),
        1
    );
    assert_eq!(entries(&scene).len(), 1);
    cache(&scene, &["clean", "other"]).assert_code(0);
    assert_eq!(entries(&scene).len(), 1);
    cache(&scene, &["clean", "demo"]).assert_code(0);
    assert_eq!(entries(&scene), Vec::<PathBuf>::new());
    // The environment does not need the store.
    scene
        .run(&["check", "--target", "one", "demo"])
        .assert_code(0);
}

#[test]
fn what_is_in_use_is_not_pruned() {
    let scene = Scene::new();
    let path = scene.wheel(&demo("1.0")).display().to_string();
    install(&scene, "one", &["--store", "always", &path]).assert_code(0);
    let file = fs::File::open(scene.join("cache/store/v1/lock")).expect("there");
    file.lock_shared().expect("locked");
    let kept = cache(&scene, &["prune", "--max-size", "0"]);
    kept.assert_code(0);
    assert_eq!(
        kept.json()["cache"]["in_use"]
            .as_array()
            .expect("a list")
            .len(),
        1
    );
    assert_eq!(entries(&scene).len(), 1);
    drop(file);
    cache(&scene, &["prune", "--max-size", "0"]).assert_code(0);
    assert_eq!(entries(&scene), Vec::<PathBuf>::new());
}

#[test]
fn links_that_are_asked_for_are_an_error_if_there_can_be_no_store() {
    let scene = Scene::new();
    let path = scene.wheel(&demo("1.0")).display().to_string();
    fs::create_dir(scene.join("cache")).expect("made");
    fs::write(scene.join("cache/store"), "not a directory").expect("written");
    let run = |mode: &str| {
        let how = ["--store", "always", "--link-mode", mode, &path];
        install(&scene, "app", &how)
    };
    for mode in ["hardlink", "reflink"] {
        run(mode)
            .assert_code(1)
            .assert_stderr("state: nothing was changed");
        assert!(!scene.join("app").exists(), "{mode}");
    }
    for mode in ["copy", "auto"] {
        run(mode).assert_code(0);
    }
    let without = [
        "--no-cache-dir",
        "--store",
        "always",
        "--link-mode",
        "hardlink",
    ];
    let run = scene.run(&[&without[..], &["--target", "none", &path]].concat());
    run.assert_code(2).assert_stderr("no cache is used");
    assert!(!scene.join("none").exists());
}

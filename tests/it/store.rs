//! The store of unpacked wheels: what fills it, what comes out of it, and what happens when its
//! files are changed.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::http_server::Server;
use crate::support::scene::{Run, Scene, assert_unchanged, tree};
use crate::support::wheel_builder::Wheel;

/// A wheel with all kinds of files: modules, data, scripts that are rewritten, entry points, an
/// executable, a directory for another scheme.
pub fn demo(version: &str) -> Wheel {
    Wheel::new("demo", version)
        .file("demo/__init__.py", format!("version = {version:?}\n"))
        .file("demo/data/table.txt", vec![b'x'; 3_000])
        .stored("demo/large.bin", vec![7; (1 << 20) + 5])
        .file_mode("demo/tool", "#!/bin/sh\n", 0o755)
        .data("scripts/demo-script", "#!python\nprint('demo')\n")
        .data("data/share/demo.txt", "shared")
        .entry_points("[console_scripts]\ndemo = demo:main\n")
}

pub fn install(scene: &Scene, target: &str, more: &[&str]) -> Run {
    let mut command = scene.command();
    command
        .args(["--cache-dir", "cache", "--no-compat-check", "--json"])
        .args(["--target", target])
        .args(more)
        .env("no_proxy", "127.0.0.1");
    Run::of(&mut command)
}

/// What the store was used for: linked, copied, written files and filled wheels.
fn figures(run: &Run) -> Value {
    run.assert_code(0);
    run.json()["store"].clone()
}

fn served(server: &Server, wheel: &Wheel) -> String {
    server.put(&wheel.wheel_file_name(), &wheel.bytes());
    server.url(&wheel.wheel_file_name()).to_string()
}

fn pinned(url: &str, wheel: &Wheel) -> String {
    format!("{url}#sha256={}", hex(&wheel.bytes()))
}

fn hex(bytes: &[u8]) -> String {
    use pkg_install::digest::{Algorithm, Digest};
    Digest::of(Algorithm::Sha256, bytes).to_hex()
}

/// The directories of the store's entries.
pub fn entries(scene: &Scene) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let list = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).into_iter().flatten();
        entries.map(|entry| entry.expect("listed").path()).collect()
    };
    for beginning in list(&scene.join("cache/store/v1")) {
        let name = beginning.file_name().expect("it has a name");
        if name.len() == 2 {
            found.extend(list(&beginning));
        }
    }
    found
}

fn the_entry(scene: &Scene) -> PathBuf {
    let [entry] = entries(scene).try_into().expect("one entry");
    entry
}

#[test]
fn a_second_environment_is_linked_and_the_same_and_needs_neither_network_nor_archive() {
    let (scene, server, wheel) = (Scene::new(), Server::start(), demo("1.0"));
    let url = pinned(&served(&server, &wheel), &wheel);
    let plain = install(&scene, "plain", &["--store", "never", &url]);
    assert_eq!(figures(&plain), Value::Null);
    assert_eq!(entries(&scene), Vec::<PathBuf>::new());

    let first = figures(&install(&scene, "one", &[&url]));
    assert_eq!(first["filled"], 1);
    let asked = server.seen(&wheel.wheel_file_name()).len();
    fs::remove_dir_all(scene.join("cache/wheels")).expect("the archives are there");
    let second = figures(&install(&scene, "two", &["--offline", &url]));
    assert_eq!(second["filled"], 0);
    let linked =
        second["linked"].as_u64().expect("a number") + second["cloned"].as_u64().expect("a number");
    assert_eq!(linked, 8, "{second}");
    assert_eq!(server.seen(&wheel.wheel_file_name()).len(), asked);
    let without_url = |name: &str| tree(&scene.join(name));
    assert_unchanged(&without_url("one"), &without_url("two"));
    assert_unchanged(&without_url("plain"), &without_url("two"));
    let checked = scene.run(&["check", "--target", "two"]);
    checked.assert_code(0);
}

#[test]
fn files_that_differ_between_environments_are_written_and_never_linked() {
    let scene = Scene::new();
    let path = scene.wheel(&demo("1.0")).display().to_string();
    for target in ["one", "two"] {
        install(
            &scene,
            target,
            &["--store", "always", "--link-mode", "hardlink", &path],
        );
    }
    let links = |name: &str| {
        let metadata = fs::metadata(scene.join("two").join(name));
        metadata.expect("installed").nlink()
    };
    for own in [
        "demo-1.0.dist-info/RECORD",
        "demo-1.0.dist-info/INSTALLER",
        "bin/demo",
        "bin/demo-script",
    ] {
        assert_eq!(links(own), 1, "{own}");
    }
    for shared in ["demo/__init__.py", "demo/large.bin", "demo/tool"] {
        assert_eq!(links(shared), 3, "{shared}");
    }
}

#[test]
fn paths_use_the_store_only_if_that_is_asked_for() {
    let scene = Scene::new();
    let path = scene.wheel(&demo("1.0")).display().to_string();
    assert_eq!(figures(&install(&scene, "one", &[&path])), Value::Null);
    assert!(!scene.join("cache").exists());
    assert_eq!(
        figures(&install(&scene, "two", &["--store", "always", &path]))["filled"],
        1
    );
    assert_eq!(figures(&install(&scene, "three", &[&path])), Value::Null);
    // The wheel is too new for its looks to be trusted, so that it is recognised by its contents.
    let again = figures(&install(&scene, "four", &["--store", "always", &path]));
    assert_eq!((&again["filled"], &again["linked"]), (&0.into(), &8.into()));
}

#[test]
fn two_archives_with_the_same_contents_are_stored_once() {
    let (scene, server) = (Scene::new(), Server::start());
    let wheel = || Wheel::new("demo", "1.0").file("demo.py", vec![b'a'; 2_000]);
    let other = wheel().build("2");
    let other_bytes = wheel()
        .build("2")
        .tamper(|image| image.comment = b"repacked".to_vec());
    let urls = [pinned(&served(&server, &wheel()), &wheel()), {
        server.put(&other.wheel_file_name(), &other_bytes.bytes());
        let url = server.url(&other.wheel_file_name()).to_string();
        format!("{url}#sha256={}", hex(&other_bytes.bytes()))
    }];
    assert_eq!(figures(&install(&scene, "one", &[&urls[0]]))["filled"], 1);
    assert_eq!(figures(&install(&scene, "two", &[&urls[1]]))["filled"], 0);
    assert_eq!(entries(&scene).len(), 1);
    // The hash of the second archive is known from now on, too.
    fs::remove_dir_all(scene.join("cache/wheels")).expect("there are archives");
    let third = figures(&install(&scene, "three", &["--offline", &urls[1]]));
    assert_eq!(third["filled"], 0);
}

#[test]
fn a_wheel_on_a_server_without_a_hash_is_found_by_its_index() {
    let (scene, server) = (Scene::new(), Server::start());
    let wheel = Wheel::new("demo", "1.0").stored("demo.bin", noise(400_000));
    let url = served(&server, &wheel);
    install(&scene, "one", &[&url]).assert_code(0);
    fs::remove_dir_all(scene.join("cache/wheels")).expect("there are archives");
    let before = server.sent(&wheel.wheel_file_name());
    let second = figures(&install(&scene, "two", &[&url]));
    assert_eq!(second["filled"], 0, "{second}");
    let sent = server.sent(&wheel.wheel_file_name()) - before;
    assert!(sent < 300_000, "{sent} bytes were fetched again");
}

/// Bytes that do not shrink.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let bytes = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_le_bytes()[7]
    });
    bytes.take(length).collect()
}

/// An edit of an installed file, by its path.
type Edit = fn(&Path);

#[test]
fn an_edit_through_a_hard_link_is_noticed_and_the_next_environment_is_right() {
    let edits: [(&str, Edit); 5] = [
        ("append", |path| {
            use std::io::Write as _;
            let mut file = fs::OpenOptions::new()
                .append(true)
                .open(path)
                .expect("opened");
            file.write_all(b"# mine\n").expect("written");
        }),
        ("truncate", |path| {
            let file = fs::OpenOptions::new()
                .write(true)
                .open(path)
                .expect("opened");
            file.set_len(1).expect("cut");
        }),
        ("same size", |path| {
            let length = fs::metadata(path).expect("there").len();
            use std::io::Write as _;
            let mut file = fs::OpenOptions::new()
                .write(true)
                .open(path)
                .expect("opened");
            let bytes = vec![b'#'; usize::try_from(length).expect("small")];
            file.write_all(&bytes).expect("written");
        }),
        ("mode", |path| {
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)).expect("changed");
        }),
        ("time", |path| {
            let file = fs::OpenOptions::new()
                .write(true)
                .open(path)
                .expect("opened");
            file.set_modified(std::time::SystemTime::now())
                .expect("changed");
        }),
    ];
    for (name, edit) in edits {
        let scene = Scene::new();
        let path = scene.wheel(&demo("1.0")).display().to_string();
        let how = ["--store", "always", "--link-mode", "hardlink", &path];
        install(&scene, "plain", &["--store", "never", &path]).assert_code(0);
        install(&scene, "one", &how).assert_code(0);
        edit(&scene.join("one/demo/__init__.py"));
        let second = install(&scene, "two", &how);
        assert_eq!(figures(&second)["filled"], 1, "{name}");
        let warning = second.json()["warnings"][0].clone();
        assert_eq!(warning["code"], "damaged-cache", "{name}");
        let message = warning["message"].as_str().expect("a sentence");
        assert!(message.contains("`demo/__init__.py`"), "{name}: {message}");
        assert_unchanged(&tree(&scene.join("plain")), &tree(&scene.join("two")));
        // It is whole again.
        assert_eq!(
            figures(&install(&scene, "three", &how))["filled"],
            0,
            "{name}"
        );
    }
}

#[test]
fn a_change_that_leaves_length_and_time_is_found_by_strict_verification() {
    let scene = Scene::new();
    let path = scene.wheel(&demo("1.0")).display().to_string();
    let how = ["--store", "always", "--link-mode", "copy", &path];
    install(&scene, "one", &how).assert_code(0);
    let stored = the_entry(&scene).join("tree/demo/__init__.py");
    let time = fs::metadata(&stored)
        .expect("there")
        .modified()
        .expect("kept");
    fs::write(&stored, "version = '2.0'\n").expect("written");
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&stored)
        .expect("opened");
    file.set_modified(time).expect("set");
    let strict = install(&scene, "two", &[&how[..], &["--verify", "strict"]].concat());
    assert_eq!(figures(&strict)["filled"], 1);
    assert_eq!(strict.json()["warnings"][0]["code"], "damaged-cache");
    let text = fs::read_to_string(scene.join("two/demo/__init__.py")).expect("installed");
    assert_eq!(text, "version = \"1.0\"\n");
}

#[test]
fn a_store_that_was_copied_elsewhere_is_hashed_once_and_used() {
    let scene = Scene::new();
    let path = scene.wheel(&demo("1.0")).display().to_string();
    let how = ["--store", "always", "--link-mode", "hardlink", &path];
    install(&scene, "one", &how).assert_code(0);
    let copied = std::process::Command::new("cp")
        .args(["-r", "cache", "copy"])
        .current_dir(scene.path())
        .status();
    assert!(copied.expect("cp runs").success());
    fs::remove_dir_all(scene.join("cache")).expect("removed");
    fs::rename(scene.join("copy"), scene.join("cache")).expect("moved");
    for target in ["two", "three"] {
        let run = install(&scene, target, &how);
        assert_eq!(figures(&run)["filled"], 0, "{target}");
        assert_eq!(run.json()["warnings"], Value::Array(Vec::new()), "{target}");
    }
    assert_unchanged(&tree(&scene.join("one")), &tree(&scene.join("three")));
}

#[test]
fn a_torn_index_is_as_good_as_none() {
    let scene = Scene::new();
    let path = scene.wheel(&demo("1.0")).display().to_string();
    let how = ["--store", "always", &path];
    install(&scene, "one", &how).assert_code(0);
    let index = the_entry(&scene).join("index");
    let bytes = fs::read(&index).expect("read");
    for length in [0, 10, bytes.len() - 1] {
        fs::write(the_entry(&scene).join("index"), &bytes[..length]).expect("written");
        let run = install(&scene, &format!("at-{length}"), &how);
        assert_eq!(figures(&run)["filled"], 1, "{length}");
    }
}

#[test]
fn another_mask_gives_its_own_permissions_and_leaves_the_store_as_it_is() {
    let scene = Scene::new();
    let path = scene.wheel(&demo("1.0")).display().to_string();
    let arguments = |target: &str| -> Vec<String> {
        [
            "--cache-dir",
            "cache",
            "--no-compat-check",
            "--store",
            "always",
            "--target",
            target,
            &path,
        ]
        .map(str::to_owned)
        .to_vec()
    };
    scene
        .run_under_umask("022", &arguments("one"))
        .assert_code(0);
    scene
        .run_under_umask("077", &arguments("two"))
        .assert_code(0);
    scene
        .run_under_umask("022", &arguments("three"))
        .assert_code(0);
    let mode = |path: &str| {
        let metadata = fs::metadata(scene.join(path)).expect("there");
        metadata.permissions().mode() & 0o777
    };
    for (target, plain, executable) in [("one", 0o644, 0o755), ("two", 0o600, 0o700)] {
        assert_eq!(
            mode(&format!("{target}/demo/__init__.py")),
            plain,
            "{target}"
        );
        assert_eq!(mode(&format!("{target}/demo/tool")), executable, "{target}");
    }
    assert_unchanged(&tree(&scene.join("one")), &tree(&scene.join("three")));
    assert_eq!(entries(&scene).len(), 1);
}

#[test]
fn replacing_removing_and_undoing_linked_files_does_not_touch_the_store() {
    let scene = Scene::new();
    let (old, new) = (scene.wheel(&demo("1.0")), scene.wheel(&demo("2.0")));
    let (old, new) = (old.display().to_string(), new.display().to_string());
    let how = ["--store", "always", "--link-mode", "hardlink"];
    let install = |more: &[&str]| install(&scene, "app", &[&how[..], more].concat());
    install(&[&old]).assert_code(0);
    let before = tree(&the_entry(&scene).join("tree"));
    let entry = the_entry(&scene);
    install(&["--undoable", "--durable", &new]).assert_code(0);
    scene.run(&["check", "--target", "app"]).assert_code(0);
    scene.run(&["undo", "--target", "app"]).assert_code(0);
    scene.run(&["check", "--target", "app"]).assert_code(0);
    scene
        .run(&["uninstall", "--target", "app", "demo"])
        .assert_code(0);
    assert_unchanged(&before, &tree(&entry.join("tree")));
    let last = install(&[&old]);
    assert_eq!(figures(&last)["filled"], 0);
    assert_eq!(last.json()["warnings"], Value::Array(Vec::new()));
}

#[test]
fn wheels_whose_bytes_are_not_verified_do_not_enter_the_store() {
    let scene = Scene::new();
    let path = scene.wheel(&demo("1.0")).display().to_string();
    let off = install(
        &scene,
        "one",
        &["--store", "always", "--verify", "off", &path],
    );
    assert_eq!(figures(&off)["filled"], 0);
    assert_eq!(entries(&scene), Vec::<PathBuf>::new());
    // A wheel that does not match RECORD is refused, and leaves nothing in the store.
    let wrong = scene.wheel(
        &Wheel::new("wrong", "1")
            .file("a.py", "a")
            .wrong_digest("a.py"),
    );
    let wrong = wrong.display().to_string();
    install(&scene, "two", &["--store", "always", &wrong]).assert_code(3);
    assert_eq!(entries(&scene), Vec::<PathBuf>::new());
    let filling = fs::read_dir(scene.join("cache/store/v1/filling")).expect("made");
    assert_eq!(filling.count(), 0);
}

#[test]
fn what_a_kill_left_of_a_directory_without_a_lock_is_removed_after_a_while() {
    let scene = Scene::new();
    let filling = scene.join("cache/store/v1/filling");
    let fill = |version: &str| {
        let path = scene.wheel(&demo(version)).display().to_string();
        let filled = install(&scene, version, &["--store", "always", &path]);
        assert_eq!(figures(&filled)["filled"], 1);
    };
    fill("1.0");
    let made = |name: &str, at: SystemTime| {
        fs::create_dir(filling.join(name)).expect("made");
        let directory = fs::File::open(filling.join(name)).expect("opened");
        directory.set_modified(at).expect("its time can be set");
    };
    made("new", SystemTime::now());
    made("old", SystemTime::now() - Duration::from_secs(2 * 60 * 60));
    fill("2.0");
    let left = fs::read_dir(&filling).expect("read");
    let left: Vec<_> = left.map(|entry| entry.expect("read").file_name()).collect();
    assert_eq!(left, ["new"], "another command may be making it");
}

#[test]
fn a_store_that_cannot_be_written_to_is_a_warning_and_the_command_works() {
    let scene = Scene::new();
    let path = scene.wheel(&demo("1.0")).display().to_string();
    fs::create_dir(scene.join("cache")).expect("made");
    fs::write(scene.join("cache/store"), "not a directory").expect("written");
    for options in [["--store", "always"], ["--store", "auto"]] {
        let listed = scene.join("list.txt");
        fs::write(&listed, format!("demo @ file://{path}\n")).expect("written");
        let from_list = ["-r", listed.to_str().expect("a text"), "--reinstall"];
        let run = install(&scene, "one", &[&options[..], &from_list].concat());
        run.assert_code(0);
        assert_eq!(run.json()["warnings"][0]["code"], "unusable-cache");
    }
    scene.run(&["check", "--target", "one"]).assert_code(0);
}

#[test]
fn a_mode_that_is_asked_for_and_not_possible_is_an_error_before_anything_is_written() {
    // No file system can link from `/proc`, so that a target on another one is needed.
    let (scene, elsewhere) = (Scene::new(), tempfile::tempdir_in("/dev/shm"));
    let Ok(elsewhere) = elsewhere else { return };
    let device = |path: &Path| fs::metadata(path).expect("there").dev();
    if device(scene.path()) == device(elsewhere.path()) {
        return;
    }
    let path = scene.wheel(&demo("1.0")).display().to_string();
    let target = elsewhere.path().join("app").display().to_string();
    let failed = install(
        &scene,
        &target,
        &["--store", "always", "--link-mode", "hardlink", &path],
    );
    failed
        .assert_code(1)
        .assert_stderr("state: nothing was changed");
    assert!(!elsewhere.path().join("app").exists());
    let copying = install(&scene, &target, &["--store", "always", &path]);
    let warning = &copying.json()["warnings"][0];
    assert_eq!(warning["code"], "not-linked");
    assert!(
        warning["message"]
            .to_string()
            .contains("another file system")
    );
    assert_eq!(copying.json()["warnings"].as_array().map(Vec::len), Some(1));
    let copied = figures(&copying);
    assert_eq!(
        (&copied["linked"], &copied["filled"]),
        (&0.into(), &1.into())
    );
    let again = figures(&install(
        &scene,
        &target,
        &[
            "--store",
            "always",
            "--link-mode",
            "copy",
            "--reinstall",
            &path,
        ],
    ));
    assert_eq!((&again["copied"], &again["filled"]), (&8.into(), &0.into()));
}

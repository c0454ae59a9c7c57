//! Nothing to do needs nothing: what is installed already is neither opened nor fetched, unless a
//! pinned hash says that it is another file.

use std::fs;

use serde_json::json;

use crate::resolved_cli::{Shop, item, wheel};
use crate::support::http_server::{Server, Turn};
use crate::support::scene::{Run, Scene, assert_unchanged, site_packages, tree};
use crate::support::wheel_builder::Wheel;

/// Runs `install` into `venv`, with the server at hand and a cache of this scene.
fn install(scene: &Scene, arguments: &[&str]) -> Run {
    let mut command = scene.command();
    command
        .args(["--json", "--target", "venv", "--cache-dir", "cache"])
        .args(arguments)
        .env("no_proxy", "127.0.0.1");
    Run::of(&mut command)
}

#[track_caller]
fn unchanged(run: &Run) {
    run.assert_code(0);
    assert_eq!(run.json()["outcome"], "unchanged", "{}", run.stderr);
}

fn action(run: &Run) -> String {
    run.assert_code(0);
    let action = run.json()["changes"][0]["action"].clone();
    action.as_str().expect("it is a word").to_owned()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn reports_locks_and_lists_need_no_wheel_of_what_is_installed() {
    let shop = Shop::new(&["a", "b"]);
    let report = shop.report(&[shop.item("a"), shop.item("b")]);
    let lock = shop.lock(
        "pylock.toml",
        "",
        &[shop.package("a", ""), shop.package("b", "")],
    );
    shop.scene.write("list.txt", "a==1.0\nb==1\n");
    let hashes = ["a", "b"].map(|name| format!("{name}==1.0 --hash=sha256:{}\n", shop.sha(name)));
    shop.scene.write("hashed.txt", hashes.concat());
    shop.install(&["--report", &report]).assert_code(0);
    fs::rename(shop.scene.join("wheels"), shop.scene.join("gone")).unwrap();
    let before = tree(&shop.scene.join("venv"));
    for arguments in [
        &["--report", report.as_str()][..],
        &["--lock", &lock],
        &["--requirements", "list.txt"],
        &["--requirements", "list.txt", "--find-links", "nowhere"],
        &["--requirements", "hashed.txt"],
        &[
            "--requirements",
            "list.txt",
            "--lock",
            &lock,
            "--report",
            &report,
        ],
    ] {
        unchanged(&install(&shop.scene, arguments));
        let dry = install(&shop.scene, &[arguments, &["--dry-run"]].concat());
        assert_eq!(action(&dry), "keep", "{arguments:?}");
    }
    assert_unchanged(&before, &tree(&shop.scene.join("venv")));
    install(&shop.scene, &["--report", &report, "--reinstall"]).assert_code(1);
    shop.scene.write("more.txt", "a==1.0\nb==2\n");
    let more = install(&shop.scene, &["--requirements", "more.txt"]);
    more.assert_code(7);
    assert!(!more.stderr.contains("a==1.0"), "{}", more.stderr);
}

#[test]
fn no_server_is_asked_for_what_is_installed() {
    let (scene, server) = (Scene::new(), Server::start());
    scene.venv();
    let wheel = Wheel::new("demo", "1.0");
    let (name, bytes) = (wheel.wheel_file_name(), wheel.bytes());
    server.put(&name, &bytes);
    let url = server.url(&name).to_string();
    let pinned = format!("{url}#sha256={}", sha256(&bytes));
    install(&scene, &[&url]).assert_code(0);
    let asked = server.seen(&name).len();
    server.always(&name, Turn::Status(500, ""));
    for arguments in [
        &[url.as_str()][..],
        &[&pinned],
        &[&url, "--offline"],
        &[&url, "--offline", "--dry-run"],
    ] {
        fs::remove_dir_all(scene.join("cache")).ok();
        assert_eq!(action(&install(&scene, arguments)), "keep", "{arguments:?}");
    }
    assert_eq!(server.seen(&name).len(), asked);
    // What is refused stays refused.
    install(&scene, &[&url, "--require-hashes"]).assert_code(1);
}

#[test]
fn a_pinned_wheel_that_is_here_replaces_other_contents_of_the_same_version() {
    let scene = Scene::new();
    scene.venv();
    let one = Wheel::new("demo", "1.0").file("demo.py", "one = 1\n");
    let two = Wheel::new("demo", "1.0").file("demo.py", "two = 2\n");
    let path = scene.wheel(&one).display().to_string();
    install(&scene, &[&path]).assert_code(0);
    let pinned = format!("{path}#sha256={}", sha256(&one.bytes()));
    for more in [&[][..], &["--require-hashes"]] {
        unchanged(&install(&scene, &[&[pinned.as_str()], more].concat()));
    }
    let path = scene.wheel(&two).display().to_string();
    let pinned = format!("{path}#sha256={}", sha256(&two.bytes()));
    // Without a hash the name decides.
    unchanged(&install(&scene, &[&path]));
    assert_eq!(action(&install(&scene, &[&pinned])), "reinstall");
    unchanged(&install(&scene, &[&pinned]));
    let installed = site_packages(&scene.join("venv")).join("demo.py");
    assert_eq!(fs::read_to_string(installed).unwrap(), "two = 2\n");
}

#[test]
fn a_pinned_wheel_whose_bytecode_was_compiled_anew_is_there_already() {
    let scene = Scene::new();
    scene.venv();
    let tag = crate::bytecode::tag();
    let shipped = format!("__pycache__/demo.{tag}.pyc");
    let wheel = Wheel::new("demo", "1.0").file("demo.py", "one = 1\n");
    let wheel = wheel.file(&shipped, "of another build");
    let path = scene.wheel(&wheel).display().to_string();
    let pinned = format!("{path}#sha256={}", sha256(&wheel.bytes()));
    let compiled = [pinned.as_str(), "--compile-bytecode"];
    assert_eq!(action(&install(&scene, &compiled)), "install");
    unchanged(&install(&scene, &compiled));
    unchanged(&install(&scene, &[&pinned]));
}

/// Two pinned wheels that differ in a file and in nothing else; their words on a command line.
fn disputing(scene: &Scene) -> [String; 2] {
    ["one", "two"].map(|name| {
        let wheel = Wheel::new(name, "1.0")
            .file(&format!("{name}.py"), "x = 1\n")
            .file("space/x.py", format!("{name} = 1\n"));
        let path = scene.wheel(&wheel).display().to_string();
        format!("{path}#sha256={}", sha256(&wheel.bytes()))
    })
}

#[test]
fn a_pinned_wheel_that_lost_a_file_to_another_project_is_there_already() {
    for (choice, winner) in [("first", "one"), ("last", "two")] {
        let scene = Scene::new();
        scene.venv();
        let [one, two] = disputing(&scene);
        let words = [one.as_str(), &two, "--on-conflict", choice];
        install(&scene, &words).assert_code(0);
        let before = tree(&scene.join("venv"));
        unchanged(&install(&scene, &words));
        // Without the option the file is not what the pinned wheel says, and that is a conflict.
        install(&scene, &words[..2]).assert_code(4);
        assert_unchanged(&before, &tree(&scene.join("venv")));
        // Without the winner the file is another one than that of the wheel.
        let loser = usize::from(winner == "one");
        let run = install(&scene, &["--exact", words[loser], "--on-conflict", "last"]);
        run.assert_code(0);
        let file = site_packages(&scene.join("venv")).join("space/x.py");
        let expected = format!("{} = 1\n", ["one", "two"][loser]);
        assert_eq!(fs::read_to_string(file).unwrap(), expected);
    }
}

#[test]
fn a_pinned_wheel_with_another_file_that_another_project_has_too_is_compared() {
    let scene = Scene::new();
    scene.venv();
    let [one, two] = disputing(&scene);
    install(&scene, &[&one, &two, "--on-conflict", "first"]).assert_code(0);
    // Another build of the loser: the file in dispute does not explain the rest.
    let build = Wheel::new("two", "1.0").file("two.py", "x = 2\n");
    let path = scene.wheel(&build.file("space/x.py", "one = 1\n"));
    let pinned = format!(
        "{}#sha256={}",
        path.display(),
        sha256(&fs::read(&path).unwrap())
    );
    assert_eq!(action(&install(&scene, &[&pinned])), "reinstall");
}

#[test]
fn with_required_hashes_a_wheel_elsewhere_is_compared_by_its_record() {
    let (scene, server) = (Scene::new(), Server::start());
    scene.venv();
    let one = Wheel::new("demo", "1.0").file("demo.py", "one = 1\n");
    let two = Wheel::new("demo", "1.0").file("demo.py", "two = 2\n");
    let name = one.wheel_file_name();
    install(&scene, &[&scene.wheel(&one).display().to_string()]).assert_code(0);
    server.put(&name, &one.bytes());
    let url = server.url(&name).to_string();
    let pinned = format!("{url}#sha256={}", sha256(&one.bytes()));
    unchanged(&install(&scene, &[&pinned, "--require-hashes"]));
    server.put_tagged(&name, &two.bytes(), Some("\"two\""));
    let pinned = format!("{url}#sha256={}", sha256(&two.bytes()));
    unchanged(&install(&scene, &[&pinned]));
    let required = install(&scene, &[&pinned, "--require-hashes"]);
    assert_eq!(action(&required), "reinstall");
    unchanged(&install(&scene, &[&pinned, "--require-hashes"]));
}

#[test]
fn a_recorded_hash_decides_without_the_wheel() {
    let shop = Shop::new(&["a"]);
    let path = shop.scene.join(&wheel("a")).display().to_string();
    install(&shop.scene, &[&path, "--direct-url"]).assert_code(0);
    fs::rename(shop.scene.join("wheels"), shop.scene.join("gone")).unwrap();
    let url = |sha: &str| {
        let info =
            json!({"url": format!("file://{path}"), "archive_info": {"hashes": {"sha256": sha}}});
        shop.report(&[item("a", &info)])
    };
    let gone = shop.scene.join("gone/a-1.0-py3-none-any.whl");
    let right = sha256(&fs::read(gone).unwrap());
    unchanged(&install(
        &shop.scene,
        &["--report", &url(&right), "--require-hashes"],
    ));
    // Another hash needs the wheel, and there is none.
    install(&shop.scene, &["--report", &url(&"0".repeat(64))]).assert_code(1);
}

#[test]
fn a_source_tree_is_replaced_by_a_wheel_of_its_version() {
    let shop = Shop::new(&["a"]);
    let path = shop.scene.join(&wheel("a")).display().to_string();
    let site = site_packages(&shop.scene.join("venv"));
    let info = site.join("a-1.0.dist-info");
    for (recorded, expected) in [
        (
            r#"{"url":"file:///x","dir_info":{"editable":true}}"#,
            "reinstall",
        ),
        (r#"{"url":"file:///x","dir_info":{}}"#, "keep"),
    ] {
        install(&shop.scene, &[&path, "--reinstall"]).assert_code(0);
        fs::write(info.join("direct_url.json"), recorded).unwrap();
        let run = install(&shop.scene, &[&path, "--dry-run"]);
        assert_eq!(action(&run), expected, "{recorded}");
    }
}

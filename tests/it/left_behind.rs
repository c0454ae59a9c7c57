//! Temporary files: nothing of them is left in the directory for them, however a command ends.

use std::fs;
use std::process::{Command, Stdio};

use crate::index_install::IndexScene;
use crate::support::http_server::Turn;
use crate::support::scene::Run;

/// How often a command is run whose threads may end in any order.
const RUNS: usize = 8;

/// The program with the index, without a cache, and with a directory for temporary files that has
/// nothing in it.
fn command(index: &IndexScene, arguments: &[&str]) -> Command {
    fs::create_dir_all(index.scene.join("tmp")).expect("it can be made");
    let environment = if arguments[0] == "pack" {
        ["--python", "venv/bin/python"]
    } else {
        ["--target", "venv"]
    };
    let mut command = index.scene.command();
    command
        .args(arguments)
        .args(environment)
        .arg("--no-cache-dir")
        .args(["--index-url", index.server.url("simple/").as_str()])
        .env("TMPDIR", index.scene.join("tmp"))
        .env("no_proxy", "127.0.0.1");
    command
}

#[track_caller]
fn assert_nothing_left(index: &IndexScene, run: &Run) {
    let left = fs::read_dir(index.scene.join("tmp")).expect("it can be listed");
    let left: Vec<_> = left.map(|entry| entry.expect("it has a name")).collect();
    assert!(left.is_empty(), "{left:?}\n{}", run.stderr);
}

/// An index of projects that need each other, whose metadata is only in the wheels.
fn index_of_projects() -> IndexScene {
    let index = IndexScene::new();
    index.put("app", &[("1.0", &["one", "two", "three", "common"])]);
    for name in ["one", "two", "three"] {
        index.put(name, &[("1.0", &[]), ("2.0", &["common<3"])]);
    }
    let common: [(&str, &[&str]); 3] = [("1.0", &[]), ("2.0", &[]), ("3.0", &[])];
    index.put("common", &common);
    index
}

#[test]
fn nothing_is_left_after_a_success() {
    let index = index_of_projects();
    for arguments in [
        &["resolve", "app"][..],
        &["download", "app", "--dest", "here"],
        &["install", "app", "--reinstall"],
        &["pack", "app", "--format", "pyz", "--output", "app.pyz"],
    ] {
        for _ in 0..RUNS {
            let run = Run::of(&mut command(&index, arguments));
            run.assert_code(0);
            assert_nothing_left(&index, &run);
        }
    }
}

#[test]
fn nothing_is_left_if_the_command_ends_while_a_wheel_is_looked_into() {
    let index = index_of_projects();
    index.put("refused", &[("1.0", &["gone", "one"])]);
    index
        .server
        .always("files/one-2.0-py3-none-any.whl", Turn::Silence);
    for arguments in [&["resolve", "refused"][..], &["install", "refused"]] {
        let run = Run::of(&mut command(&index, arguments));
        run.assert_code(7).assert_stderr("gone");
        assert_nothing_left(&index, &run);
    }
}

#[test]
fn nothing_is_left_after_an_interruption() {
    let index = index_of_projects();
    let slow = "files/two-2.0-py3-none-any.whl";
    for turn in [Turn::Silence, Turn::Stall(100)] {
        index.server.always(slow, turn);
        let pack = ["pack", "app", "--format", "pyz", "--output", "app.pyz"];
        for arguments in [&["resolve", "app"][..], &["install", "app"], &pack] {
            for (signal, code) in [("INT", 130), ("TERM", 143)] {
                let asked = index.server.seen(slow).len();
                let mut command = command(&index, arguments);
                let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
                let child = child.expect("it starts");
                index.server.wait_for(slow, asked + 1);
                let kill = format!("kill -{signal} {}", child.id());
                Run::of(Command::new("sh").args(["-c", &kill])).assert_code(0);
                let run = Run::from(child.wait_with_output().expect("it ends"));
                run.assert_code(code);
                assert_nothing_left(&index, &run);
            }
        }
    }
    // A new artefact is written beside its place.
    let left = fs::read_dir(index.scene.path()).expect("it can be listed");
    let mut left: Vec<_> = left
        .map(|entry| entry.expect("it has a name").file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["tmp", "venv", "wheels"]);
}

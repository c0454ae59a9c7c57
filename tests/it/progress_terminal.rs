//! Progress for a person: plain lines in a pipe, and bars on a terminal that leave nothing behind.
//!
//! The terminal is a [`pseudo_terminal`](crate::support::pseudo_terminal). Progress as JSON events
//! is in [`progress`](crate::progress).

use crate::progress::{address, events, no_secret, run, serve, serve_of};
use crate::support::http_server::{Server, Turn};
use crate::support::pseudo_terminal::{Session, screen};
use crate::support::scene::Scene;
use crate::support::wheel_builder::Wheel;

#[test]
fn a_pipe_gets_plain_lines_and_no_control_characters() {
    let (scene, server) = (Scene::new(), Server::start());
    let (path, _) = serve(&server, "demo");
    let asked = |more: &[&str]| {
        server.script(&path, [Turn::Status(503, "Retry-After: 0\r\n")]);
        let address = address(&server, &path);
        let arguments = [&["download"], more, &[&address]].concat();
        let run = run(&scene, &arguments);
        run.assert_code(0);
        assert!(
            !run.stderr
                .contains(|character: char| character.is_control() && character != '\n'),
            "{run:?}"
        );
        no_secret(&run);
        run.stderr
    };
    let remark = format!("HTTP 503 Service Unavailable; retrying `{path}` (2 of 5)\n");
    assert_eq!(asked(&[]), remark);
    assert_eq!(asked(&["--no-progress"]), remark);
    assert_eq!(asked(&["--progress", "auto"]), remark);
    assert_eq!(asked(&["--quiet"]), "");
}

#[test]
fn typed_options_win_over_variables() {
    let scene = Scene::new();
    scene.venv();
    let wheel = scene
        .wheel(&Wheel::new("demo", "1.0"))
        .display()
        .to_string();
    let told = |variables: &[(&str, &str)], more: &[&str]| {
        let arguments = [&["--target", "venv", "--reinstall", &wheel], more].concat();
        let run = scene.run_with(variables, &arguments);
        run.assert_code(0);
        !events(&run.stderr).is_empty()
    };
    let (json, none) = (
        ("PKG_INSTALL_PROGRESS", "json"),
        ("PKG_INSTALL_NO_PROGRESS", "true"),
    );
    assert!(!told(&[], &[]));
    assert!(told(&[json], &[]));
    assert!(!told(&[json], &["--no-progress"]));
    assert!(told(&[none], &["--progress", "json"]));
    assert!(!told(&[none], &["--progress", "auto"]));
    let both = scene.run(&[
        "uninstall",
        "demo",
        "--target",
        "venv",
        "--progress",
        "json",
        "--no-progress",
    ]);
    both.assert_code(2)
        .assert_stderr("`--progress` and `--no-progress` cannot be used together");
}

/// The arguments of a download whose cache is in the scene.
fn download(addresses: impl IntoIterator<Item = String>) -> Vec<String> {
    let options = [
        "download",
        "--dest",
        "here",
        "--cache-dir",
        "cache",
        "--color",
        "always",
    ]
    .map(str::to_owned);
    options.into_iter().chain(addresses).collect()
}

#[test]
fn an_interrupt_leaves_no_bar_on_the_terminal() {
    let (scene, server) = (Scene::new(), Server::start());
    let served: Vec<String> = (0..12)
        .map(|number| serve(&server, &format!("demo{number}")).0)
        .collect();
    for path in &served {
        server.script(path, [Turn::Stall(70_000)]);
    }
    let mut session = Session::start(
        &scene,
        &download(served.iter().map(|path| address(&server, path))),
    );
    // Four bars are drawn while every file has come to a halt.
    session.wait_for("… and 4 more");
    session.wait_for("70.0 kB/201 kB");
    session.wait_for("0/12 wheels");
    session.press("\u{3}");
    let (code, written) = session.end();
    assert_eq!(code, 130, "{written:?}");
    assert!(
        written.contains("^C"),
        "the terminal shows what is pressed: {written:?}"
    );
    assert_eq!(
        screen(&written),
        ["error: interrupted", "state: nothing was changed"],
        "{written:?}"
    );
}

#[test]
fn a_failure_leaves_no_bar_and_retries_stay_above() {
    let (scene, server) = (Scene::new(), Server::start());
    let (good, bad) = (serve(&server, "good").0, serve(&server, "bad").0);
    server.script(
        &good,
        [Turn::Status(503, "Retry-After: 0\r\n"), Turn::Stall(70_000)],
    );
    server.script(
        &bad,
        [
            Turn::Cut(60_000),
            Turn::Status(503, "Retry-After: 1\r\n"),
            Turn::Status(403, ""),
            Turn::Status(403, ""),
        ],
    );
    let session = Session::start(
        &scene,
        &download([address(&server, &good), address(&server, &bad)]),
    );
    let (code, written) = session.end();
    assert_eq!(code, 1, "{written:?}");
    assert!(
        written.contains("70.0 kB/201 kB"),
        "it was drawn: {written:?}"
    );
    let left = screen(&written);
    let (said, others): (Vec<_>, Vec<_>) =
        left.iter().partition(|line| line.contains("; retrying `"));
    assert_eq!(said.len(), 2, "{left:?}");
    assert!(
        others[0].starts_with("error: ") && others.iter().all(|line| !line.contains('─')),
        "{left:?}"
    );
}

#[test]
fn an_installation_leaves_its_results_alone_on_the_terminal() {
    let (scene, server) = (Scene::new(), Server::start());
    scene.venv();
    let (path, _) = serve_of(&server, "demo", 600_000);
    // The look into it succeeds; then it is asked for again after a second.
    server.script(&path, [Turn::Fine, Turn::Status(503, "Retry-After: 1\r\n")]);
    let local = scene
        .wheel(&Wheel::new("other", "1.0").file("other.py", "x = 1\n"))
        .display()
        .to_string();
    let options = [
        "--target",
        "venv",
        "--no-cache",
        &local,
        &address(&server, &path),
    ]
    .map(str::to_owned);
    let (code, written) = Session::start(&scene, &options).end();
    assert_eq!(code, 0, "{written:?}");
    assert!(
        written.contains("demo-1.0 ") && written.contains(" files "),
        "both were drawn: {written:?} {:?}",
        server.seen(&path)
    );
    let left = screen(&written);
    let remark = "HTTP 503 Service Unavailable; retrying `demo-1.0-";
    assert!(left[0].starts_with(remark), "{left:?}");
    assert!(left[0].ends_with("` in 1 s (2 of 5)"), "{left:?}");
    assert_eq!(left[1..3], [" + demo 1.0", " + other 1.0"], "{left:?}");
    assert!(
        left[3].starts_with("installed 2 projects: ") && left[4].starts_with("into the "),
        "{left:?}"
    );
}

//! Reports, lock files and lists that are named by their URL; reports without an environment; and
//! the variables that an interpreter gets to see.

use std::os::unix::fs::PermissionsExt as _;

use sha2::{Digest as _, Sha256};

use crate::support::http_server::{Server, Turn};
use crate::support::scene::{Run, Scene};
use crate::support::wheel_builder::Wheel;

/// Serves the wheel `demo` below `w/`, and returns its path and its SHA-256.
fn serve_wheel(server: &Server) -> (String, String) {
    let wheel = Wheel::new("demo", "1.0");
    let (path, bytes) = (format!("w/{}", wheel.wheel_file_name()), wheel.bytes());
    server.put(&path, &bytes);
    let digest = Sha256::digest(&bytes);
    let hex = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    (path, hex)
}

#[test]
fn documents_are_fetched_and_paths_in_a_lock_file_are_relative_to_its_url() {
    let (scene, server) = (Scene::new(), Server::start());
    let (path, hex) = serve_wheel(&server);
    let lock = format!(
        "lock-version = '1.0'\ncreated-by = 'x'\n[[packages]]\nname = 'demo'\nversion = '1.0'\n\
         [[packages.wheels]]\npath = '../{path}'\nhashes = {{sha256 = '{hex}'}}\n"
    );
    server.put("locks/pylock.toml", lock.as_bytes());
    let url = server.url(&path);
    server.put(
        "list.txt",
        format!("{url} --hash=sha256:{hex}\n").as_bytes(),
    );
    for (number, arguments) in [
        ["--lock", server.url("locks/pylock.toml").as_str()],
        ["--requirements", server.url("list.txt").as_str()],
        ["sync", server.url("locks/pylock.toml").as_str()],
    ]
    .iter()
    .enumerate()
    {
        let venv = scene.venv_at(&format!("venv{number}"));
        let run = Run::of(scene.command().args(arguments).arg("--target").arg(&venv));
        run.assert_code(0);
        assert!(run.stdout.contains("demo 1.0"), "{run:?}");
    }
}

#[test]
fn a_document_that_cannot_be_fetched_is_named_without_login_and_query() {
    let (scene, server) = (Scene::new(), Server::start());
    scene.venv();
    let url = format!(
        "{}?sig=s3cr3t",
        server.url_with("anna:s3cr3t", "pylock.toml")
    );
    let run = scene.run(&["--lock", &url, "--target", "venv"]);
    run.assert_code(1);
    let shown = format!("`{}`: HTTP 404 Not Found", server.url("pylock.toml"));
    assert!(run.stderr.contains(&shown), "{run:?}");
    assert!(!run.stderr.contains("s3cr3t"), "{run:?}");
    // The server takes the query as a part of the path.
    server.put("pylock.toml?sig=s3cr3t", b"");
    server.always("pylock.toml?sig=s3cr3t", Turn::Html);
    let run = scene.run(&["--lock", &url, "--target", "venv"]);
    run.assert_code(3);
    assert!(!run.stderr.contains("s3cr3t"), "{run:?}");
    let run = scene.run(&[
        "--lock",
        "https://u:s3cr3t/x@h/pylock.toml",
        "--target",
        "venv",
    ]);
    run.assert_code(2);
    assert!(!run.stderr.contains("s3cr3t"), "{run:?}");
}

#[test]
fn the_wheels_of_a_report_are_downloaded_without_an_environment() {
    let (scene, server) = (Scene::new(), Server::start());
    let (path, hex) = serve_wheel(&server);
    let url = server.url(&path);
    let report = format!(
        r#"{{"version": "1", "environment": {{"sys_platform": "win32"}}, "install": [{{
        "download_info": {{"url": "{url}", "archive_info": {{"hashes": {{"sha256": "{hex}"}}}}}},
        "is_direct": false, "requested": true,
        "metadata": {{"name": "demo", "version": "1.0"}}}}]}}"#
    );
    scene.write("report.json", report);
    let run = scene.run(&["download", "--report", "report.json", "--dest", "wheels"]);
    run.assert_code(0);
    assert!(
        scene.join(&path.replace("w/", "wheels/")).is_file(),
        "{run:?}"
    );
    // If there is an environment, the report should be for it.
    scene.venv();
    let arguments = [
        "download",
        "--report",
        "report.json",
        "--dest",
        "w",
        "--target",
        "venv",
    ];
    scene.run(&arguments).assert_code(3);
}

#[test]
fn an_interpreter_gets_no_variable_that_may_hold_a_login() {
    let scene = Scene::new();
    let python = scene.venv().join("bin/python");
    let log = scene.join("log");
    let wrapper = scene.write(
        "python",
        format!(
            "#!/bin/sh\nenv > '{}'\nexec '{}' \"$@\"\n",
            log.display(),
            python.display()
        ),
    );
    let permissions = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&wrapper, permissions).expect("it is ours");
    let wheel = scene
        .wheel(&Wheel::new("demo", "1.0"))
        .display()
        .to_string();
    let secret = "http://anna:s3cr3t@127.0.0.1:1";
    let variables = [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ]
    .map(|name| (name, secret));
    let python = wrapper.display().to_string();
    let run = scene.run_with(&variables, &[&wheel, "--python", &python, "--dry-run"]);
    run.assert_code(0);
    let seen = std::fs::read_to_string(&log).expect("it was asked");
    assert!(seen.contains("PATH=") && !seen.contains("s3cr3t"), "{seen}");
}

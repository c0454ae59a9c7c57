//! Progress as JSON events.
//!
//! The wheels come from a local server that misbehaves. Progress for a person is in
//! [`progress_terminal`](crate::progress_terminal).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pkg_install::digest::{Algorithm, Digest};
use serde_json::{Value, json};

use crate::downloads::body;
use crate::support::http_server::{Server, Turn};
use crate::support::scene::{Run, Scene, held_file};
use crate::support::wheel_builder::Wheel;

/// A password, as an address holds it; none of its parts may be shown.
pub const LOGIN: &str = "anna:s3cr%20t";

/// A wheel that is not looked at in one request, on the server and by its size.
pub fn serve(server: &Server, name: &str) -> (String, u64) {
    serve_of(server, name, 200_000)
}

/// As [`serve`]. An installation first reads the end of a wheel, which is the whole of a small one.
pub fn serve_of(server: &Server, name: &str, length: usize) -> (String, u64) {
    let wheel =
        Wheel::new(name, "1.0").stored(&format!("{name}.bin"), body(length, name.len() as u64));
    let (path, bytes) = (wheel.wheel_file_name(), wheel.bytes());
    server.put(&path, &bytes);
    (path, bytes.len() as u64)
}

/// Runs the program with its cache in the scene.
pub fn run(scene: &Scene, arguments: &[&str]) -> Run {
    Run::of(
        scene
            .command()
            .args(arguments)
            .args(["--no-cache"])
            .env("no_proxy", "127.0.0.1"),
    )
}

pub fn address(server: &Server, path: &str) -> String {
    server.url_with(LOGIN, path).to_string()
}

/// The events on stderr, all of whose lines are such.
#[track_caller]
pub fn events(stderr: &str) -> Vec<Value> {
    assert!(stderr.is_empty() || stderr.ends_with('\n'), "{stderr}");
    let parse = |line: &str| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: `{line}` of\n{stderr}"))
    };
    stderr.lines().map(parse).collect()
}

pub fn named<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["event"] == name)
        .collect()
}

/// The events of each transfer: name, final bytes, final total, retries.
#[track_caller]
fn transfers(events: &[Value]) -> BTreeMap<String, (u64, Value, usize)> {
    let mut running: BTreeMap<u64, (String, u64, Value, usize)> = BTreeMap::new();
    let mut ended = BTreeMap::new();
    for event in events {
        let Some(number) = event["transfer"].as_u64() else {
            continue;
        };
        let one = running.get_mut(&number);
        match (event["event"].as_str().expect("it has a name"), one) {
            ("transfer-begin", None) => {
                let name = event["name"].as_str().expect("it is a text").to_owned();
                let present = event["present"].as_u64().expect("it is a number");
                running.insert(number, (name, present, event["total"].clone(), 0));
            }
            ("transfer", Some(one)) => {
                one.1 = event["bytes"].as_u64().expect("it is a number");
                one.2 = event["total"].clone();
            }
            ("transfer-retry", Some(one)) => one.3 += 1,
            ("transfer-end", Some(_)) => {
                let (name, bytes, total, tries) = running.remove(&number).expect("it was there");
                assert!(
                    ended.insert(name, (bytes, total, tries)).is_none(),
                    "{events:?}"
                );
            }
            (other, one) => panic!("`{other}` with {one:?}"),
        }
    }
    assert!(running.is_empty(), "without an end: {running:?}");
    ended
}

#[track_caller]
pub fn no_secret(run: &Run) {
    for secret in ["anna", "s3cr", "YW5u"] {
        assert!(
            !run.stderr.contains(secret) && !run.stdout.contains(secret),
            "{run:?}"
        );
    }
}

#[test]
fn transfers_are_reported_from_begin_to_end_with_their_bytes() {
    let (scene, server) = (Scene::new(), Server::start());
    let served: Vec<(String, u64)> = (0..12)
        .map(|number| serve(&server, &format!("demo{number}")))
        .collect();
    server.script(
        &served[0].0,
        [
            Turn::Status(503, "Retry-After: 0\r\n"),
            Turn::Status(429, "Retry-After: 0\r\n"),
        ],
    );
    server.script(&served[1].0, [Turn::Cut(70_000), Turn::Cut(50_000)]);
    server.script(&served[2].0, [Turn::Chunked(None)]);
    server.script(&served[3].0, [Turn::Cut(100_000), Turn::Unsatisfiable]);
    let addresses: Vec<String> = served
        .iter()
        .map(|(path, _)| address(&server, path))
        .collect();
    let mut arguments = vec!["download", "--dest", "here", "--progress", "json"];
    arguments.extend(addresses.iter().map(String::as_str));
    let run = run(&scene, &arguments);
    run.assert_code(0);
    let told = transfers(&events(&run.stderr));
    for (number, (path, bytes)) in served.iter().enumerate() {
        let (done, total, tries) = &told[path];
        assert_eq!(done, bytes, "{path}");
        assert_eq!(
            total,
            &if number == 2 {
                Value::Null
            } else {
                json!(bytes)
            },
            "{path}"
        );
        assert_eq!(
            *tries,
            [2].get(number).copied().unwrap_or(0),
            "{path}: {}",
            run.stderr
        );
    }
    assert_eq!(
        told.values().map(|one| one.0).sum::<u64>(),
        served.iter().map(|one| one.1).sum::<u64>()
    );
    assert_eq!(
        named(&events(&run.stderr), "transfers"),
        [&json!({"event": "transfers", "files": 12, "bytes": null})]
    );
    no_secret(&run);
}

#[test]
fn previews_and_their_retries_are_reported_and_the_sum_is_right() {
    let (scene, server) = (Scene::new(), Server::start());
    scene.venv();
    let served = [("small", 50_000), ("middle", 300_000), ("large", 1_500_000)];
    let served = served.map(|(name, length)| serve_of(&server, name, length));
    let retry = Turn::Status(503, "Retry-After: 0\r\n");
    server.script(&served[0].0, [retry.clone()]);
    server.script(&served[2].0, [retry.clone(), Turn::Fine, retry]);
    let addresses = served.each_ref().map(|(path, _)| address(&server, path));
    let mut arguments = vec!["--target", "venv", "--progress", "json"];
    arguments.extend(addresses.iter().map(String::as_str));
    let run = run(&scene, &arguments);
    run.assert_code(0);
    let events = events(&run.stderr);
    let told = transfers(&events);
    for (path, bytes) in &served {
        assert_eq!(
            (told[path].0, &told[path].1),
            (*bytes, &json!(bytes)),
            "{path}"
        );
    }
    let looks: Vec<&Value> = named(&events, "look-retry")
        .iter()
        .map(|event| &event["name"])
        .collect();
    assert_eq!(looks.len(), 2, "{events:?}");
    assert!(
        [0, 2]
            .iter()
            .all(|&number| looks.contains(&&json!(served[number].0))),
        "{looks:?}"
    );
    assert_eq!(named(&events, "transfer-retry").len(), 1);
    let left: u64 = served[1..].iter().map(|(_, bytes)| bytes).sum();
    assert_eq!(
        named(&events, "transfers"),
        [&json!({"event": "transfers", "files": 2, "bytes": left})]
    );
    no_secret(&run);
}

#[test]
fn cached_files_are_transfers_too() {
    let (scene, server) = (Scene::new(), Server::start());
    let (path, bytes) = serve(&server, "demo");
    let wheel = Wheel::new("demo", "1.0")
        .stored("demo.bin", body(200_000, 4))
        .bytes();
    let url = format!(
        "{}#sha256={}",
        address(&server, &path),
        Digest::of(Algorithm::Sha256, &wheel).to_hex()
    );
    for present in [0, bytes] {
        let arguments = [
            "download",
            "--dest",
            "here",
            "--cache-dir",
            "cache",
            "--progress",
            "json",
            &url,
        ];
        let run = Run::of(scene.command().args(arguments).env("no_proxy", "127.0.0.1"));
        run.assert_code(0);
        let events = events(&run.stderr);
        assert_eq!(transfers(&events)[&path], (bytes, json!(bytes), 0));
        assert_eq!(named(&events, "transfer-begin")[0]["present"], present);
    }
}

#[test]
fn a_failure_while_unpacking_ends_the_downloads_at_once() {
    let (scene, server) = (Scene::new(), Server::start());
    scene.venv();
    let (path, _) = serve_of(&server, "demo", 600_000);
    // The look into it succeeds; then nothing comes until the client has waited for half a minute.
    server.script(&path, [Turn::Fine, Turn::Stall(1000)]);
    // Large, so that the stall is reached before it is found out.
    let bad = Wheel::new("bad", "1.0")
        .stored("bad.bin", body(16_000_000, 1))
        .wrong_digest("bad.bin");
    let bad = scene.wheel(&bad).display().to_string();
    let begin = Instant::now();
    let run = run(
        &scene,
        &[
            "--target",
            "venv",
            "--no-progress",
            &bad,
            &address(&server, &path),
        ],
    );
    run.assert_code(3).assert_stderr("bad.bin");
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "the stall was waited for"
    );
}

#[test]
fn staging_is_reported_while_wheels_arrive_and_results_stay_on_stdout() {
    let (scene, server) = (Scene::new(), Server::start());
    scene.venv();
    let (path, bytes) = serve_of(&server, "demo", 600_000);
    let local = scene
        .wheel(&Wheel::new("other", "1.0").file("other.py", "x = 1\n"))
        .display()
        .to_string();
    let arguments = [
        "--target",
        "venv",
        "--json",
        "--progress",
        "json",
        &local,
        &address(&server, &path),
    ];
    let run = run(&scene, &arguments);
    run.assert_code(0);
    let events = events(&run.stderr);
    assert_eq!(transfers(&events)[&path], (bytes, json!(bytes), 0));
    let [begin] = named(&events, "stage-begin")[..] else {
        panic!("{events:?}")
    };
    let last = *named(&events, "stage").last().expect("it was told");
    assert_eq!(
        (&last["files"], &last["bytes"]),
        (&begin["files"], &begin["bytes"])
    );
    assert_eq!(named(&events, "stage-end").len(), 1);
    let place = |name: &str| {
        events
            .iter()
            .position(|event| event["event"] == name)
            .expect("it was told")
    };
    assert!(
        place("stage-begin") < place("transfer-begin")
            && place("transfer-end") < place("stage-end"),
        "{events:?}"
    );
    assert_eq!(run.json()["outcome"], "committed");
    no_secret(&run);
}

#[test]
fn a_transfer_that_is_given_up_ends_too_and_the_error_is_text() {
    let (scene, server) = (Scene::new(), Server::start());
    let (path, _) = serve(&server, "demo");
    server.script(
        &path,
        [
            Turn::Status(503, "Retry-After: 0\r\n"),
            Turn::Cut(50_000),
            Turn::Status(403, ""),
            Turn::Status(403, ""),
        ],
    );
    let run = run(
        &scene,
        &[
            "download",
            "--progress",
            "json",
            "--quiet",
            &address(&server, &path),
        ],
    );
    run.assert_code(1);
    let (json, text): (Vec<&str>, Vec<&str>) =
        run.stderr.lines().partition(|line| line.starts_with('{'));
    let events = events(&(json.join("\n") + "\n"));
    assert_eq!(transfers(&events)[&path].0, 50_000);
    assert_eq!(
        named(&events, "transfer-retry")[0]["why"],
        "HTTP 503 Service Unavailable"
    );
    assert!(
        text[0].starts_with("error: ") && text.iter().any(|line| line.starts_with("state: ")),
        "{text:?}"
    );
    no_secret(&run);
}

#[test]
fn waiting_for_the_lock_is_an_event() {
    let scene = Scene::new();
    let lock = scene.venv().join(".lock");
    let held = held_file(&lock);
    let arguments = [
        "recover",
        "--target",
        "venv",
        "--lock-timeout",
        "1",
        "--progress",
        "json",
    ];
    let run = scene.run(&arguments);
    run.assert_code(5);
    let mut lines = run.stderr.lines();
    let first = lines
        .find(|line| line.contains("\"waiting\""))
        .expect("it is said");
    let event: Value =
        serde_json::from_str(first).unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(
        event,
        json!({"event": "waiting", "path": lock.display().to_string()})
    );
    assert!(!run.stderr.contains("waiting for"), "{}", run.stderr);
    drop(held);
}

#[test]
fn a_body_of_a_server_without_ranges_is_a_transfer_while_it_arrives() {
    let (scene, server) = (Scene::new(), Server::start());
    scene.venv();
    let (path, bytes) = serve(&server, "demo");
    server.script(&path, [Turn::NoRanges]);
    let url = address(&server, &path);
    let run = run(&scene, &[&url, "--target", "venv", "--progress", "json"]);
    run.assert_code(0);
    let told = events(&run.stderr);
    let ended = transfers(&told);
    assert_eq!(ended[&path], (bytes, json!(bytes), 0));
    let kinds: Vec<&str> = named(&told, "activity-begin")
        .iter()
        .filter_map(|event| event["kind"].as_str())
        .collect();
    assert!(kinds.contains(&"read-index"), "{kinds:?}");
    assert!(kinds.contains(&"clean-up"), "{kinds:?}");
    let ends = named(&told, "activity-end").len();
    assert_eq!(ends, kinds.len(), "{told:?}");
    no_secret(&run);
}

#[test]
fn a_resolution_is_an_activity() {
    let scene = Scene::new();
    scene.venv();
    Wheel::new("demo", "1.0")
        .file("demo.py", "")
        .write_to(&scene.join("wheels"));
    let what = [
        "demo",
        "--no-index",
        "--find-links",
        "wheels",
        "--progress",
        "json",
    ];
    for arguments in [
        &["install", "--target", "venv"][..],
        &["resolve", "--target", "venv"],
    ] {
        let run = run(&scene, &[arguments, &what].concat());
        run.assert_code(0);
        let told = events(&run.stderr);
        let begun = named(&told, "activity-begin");
        assert!(
            begun.iter().any(|event| event["kind"] == "resolve"),
            "{told:?}"
        );
    }
}

#[test]
fn a_long_search_says_what_it_tries_and_why() {
    let scene = Scene::new();
    scene.venv();
    let wheel = |name: &str, version: u32, needs: &str| {
        Wheel::new(name, &version.to_string())
            .metadata_line(&format!("Requires-Dist: {needs}"))
            .write_to(&scene.join("wheels"));
    };
    for version in 1..10 {
        wheel("walker", version, if version > 1 { "old>1" } else { "old" });
    }
    (1..3).for_each(|version| wheel("old", version, "old"));
    let run = run(
        &scene,
        &[
            "install",
            "old<2",
            "walker",
            "--target",
            "venv",
            "--no-index",
            "--find-links",
            "wheels",
            "--progress",
            "json",
        ],
    );
    run.assert_code(0);
    let told = events(&run.stderr);
    let subjects = named(&told, "activity-subject");
    let expected = "walker: 5 versions tried, as 6 needs old >1";
    assert_eq!(subjects[0]["subject"], expected, "{told:?}");
}

#[test]
fn a_removal_is_an_activity() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = scene.wheel(&Wheel::new("demo", "1.0"));
    scene.install(&venv, &[wheel]).assert_code(0);
    let arguments = [
        "uninstall",
        "demo",
        "--target",
        "venv",
        "--progress",
        "json",
    ];
    let run = scene.run(&arguments);
    run.assert_code(0);
    let told = events(&run.stderr);
    let begun = named(&told, "activity-begin");
    for kind in ["read-environment", "remove", "clean-up"] {
        assert!(
            begun.iter().any(|event| event["kind"] == kind),
            "{kind}: {told:?}"
        );
    }
}

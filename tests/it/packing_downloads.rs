//! `pack` while wheels are still being downloaded.

use std::fs;

use crate::downloads::body;
use crate::progress::{address, events, run, serve_of};
use crate::support::http_server::{Server, Turn};
use crate::support::scene::Scene;
use crate::support::wheel_builder::Wheel;

#[test]
fn contents_are_checked_before_all_wheels_are_here() {
    let (scene, server) = (Scene::new(), Server::start());
    // Large, so that the stall is reached before it is found out.
    let bad = Wheel::new("bad", "1.0")
        .stored("bad.bin", body(16_000_000, 1))
        .wrong_digest("bad.bin");
    let bad = scene.wheel(&bad).display().to_string();
    for format in ["pyz", "zip", "tar.gz"] {
        let (path, _) = serve_of(&server, "demo", 600_000);
        // The look into it succeeds; then nothing comes until the client has waited for half a
        // minute, after which it would ask once more.
        server.script(&path, [Turn::Fine, Turn::Stall(1000)]);
        let before = server.seen(&path).len();
        let output = format!("x.{format}");
        let address = address(&server, &path);
        let run = run(&scene, &["pack", "--output", &output, &bad, &address]);
        run.assert_code(3).assert_stderr("bad.bin");
        assert!(server.seen(&path).len() - before <= 2, "{format}");
        server.script(&path, []);
        let parts = fs::read_dir(scene.path()).expect("it is there");
        let names = parts.map(|entry| entry.expect("it is read").file_name());
        let is_artefact = |name: &std::ffi::OsString| name.to_string_lossy().contains("x.");
        assert_eq!(names.filter(is_artefact).count(), 0, "{format}");
    }
}

#[test]
fn the_order_of_arrival_does_not_matter_and_writing_begins_before() {
    let (scene, server) = (Scene::new(), Server::start());
    let (one, _) = serve_of(&server, "one", 600_000);
    let (other, _) = serve_of(&server, "other", 500_000);
    let fail = |path: &str| {
        // The first is the look into it.
        server.script(path, [Turn::Fine, Turn::Cut(1000), Turn::Cut(1000)]);
    };
    for format in ["pyz", "zip", "tar.gz", "oci"] {
        let mut made = Vec::new();
        for late in [&one, &other] {
            fail(late);
            let output = format!("{}.{format}", made.len());
            let mut arguments = vec!["pack", "--json", "--progress", "json", "--format", format];
            if format == "oci" {
                arguments.extend(["--interpreter", "/usr/bin/python3"]);
            }
            let addresses = [&one, &other].map(|path| address(&server, path));
            arguments.extend(["--output", &output, &addresses[0], &addresses[1]]);
            let run = run(&scene, &arguments);
            run.assert_code(0);
            let events = events(&run.stderr);
            let position = |name: &str| events.iter().position(|event| event["event"] == name);
            let last = events
                .iter()
                .rposition(|event| event["event"] == "transfer-end");
            if format != "oci" {
                assert!(position("stage-begin") < last, "{events:?}");
            }
            assert!(last < position("stage-end"), "{events:?}");
            made.push(run.json()["artifact"]["sha256"].clone());
        }
        assert_eq!(made[0], made[1], "{format}");
    }
}

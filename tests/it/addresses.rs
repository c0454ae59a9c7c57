//! Files that are not pinned come from the cache by their address: the server is asked once whether
//! they have changed, and offline the last one is used.

use std::fs;

use pkg_install::download::Settings;
use pkg_install::outcome::Silent;

use crate::downloads::{NAME, body, content, downloader, files, loose, settings};
use crate::support::http_server::{Server, Turn};
use crate::support::scene::{Run, Scene};
use crate::support::wheel_builder::Wheel;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// The path of the note about the only address.
fn note(scene: &Scene) -> std::path::PathBuf {
    let all = files(scene);
    let note = all.iter().find(|path| path.starts_with("addresses/"));
    scene.join("cache").join(note.expect("a note was taken"))
}

fn offline(scene: &Scene) -> Settings {
    Settings {
        offline: true,
        ..settings(scene)
    }
}

#[test]
fn a_server_is_asked_once_whether_a_file_has_changed() {
    for tag in ["\"one\"", "W/\"weak\"", DATE] {
        let (scene, server, bytes) = (Scene::new(), Server::start(), body(300_000, 1));
        server.put_tagged(NAME, &bytes, Some(tag));
        let wanted = loose(server.url(NAME));
        let fetch = || {
            let file = downloader(&settings(&scene)).fetch(&wanted, &Silent);
            content(&file.expect("it comes"))
        };
        assert_eq!(fetch(), bytes);
        assert_eq!(server.seen(NAME).len(), 1);
        assert_eq!(fetch(), bytes);
        let seen = server.seen(NAME);
        assert_eq!((seen.len(), server.sent(NAME)), (2, 300_000), "{tag}");
        assert_eq!(seen[1].unless_same.as_deref(), Some(tag));
        // A preview of it asks as often, and knows that it is complete.
        let later = downloader(&settings(&scene));
        let peek = later.peek(&wanted).expect("it can be looked at");
        assert!(peek.into_complete().is_ok());
        later.fetch(&wanted, &Silent).expect("it is there");
        assert_eq!(server.seen(NAME).len(), 3, "one request for both");

        let other = body(300_000, 2);
        server.put_tagged(NAME, &other, Some("\"two\""));
        assert_eq!(fetch(), other, "{tag}");
        assert_eq!(fetch(), other);
    }
}

#[test]
fn a_file_without_a_tag_is_fetched_again_and_the_last_one_is_there_offline() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(200_000, 3));
    server.put_tagged(NAME, &bytes, None);
    let wanted = loose(server.url(NAME));
    let fetch = |settings: &Settings| {
        let file = downloader(settings).fetch(&wanted, &Silent);
        file.map(|file| content(&file))
    };
    assert_eq!(fetch(&settings(&scene)).expect("it comes"), bytes);
    let other = body(200_000, 4);
    server.put_tagged(NAME, &other, None);
    assert_eq!(fetch(&settings(&scene)).expect("it comes"), other);
    let asked = server.seen(NAME).len();
    assert_eq!(fetch(&offline(&scene)).expect("it is there"), other);
    assert_eq!(server.seen(NAME).len(), asked);
}

#[test]
fn a_server_that_ignores_conditions_is_believed_if_tag_and_length_are_the_same() {
    for (turn, tag, fetched_again) in [
        (Turn::Unconditional, "\"one\"", false),
        (Turn::NoRanges, "\"one\"", false),
        (Turn::Unconditional, "W/\"one\"", true),
        (Turn::Status(403, ""), "\"one\"", true),
    ] {
        let (scene, server, bytes) = (Scene::new(), Server::start(), body(300_000, 5));
        server.put_tagged(NAME, &bytes, Some(tag));
        let wanted = loose(server.url(NAME));
        let fetch = || downloader(&settings(&scene)).fetch(&wanted, &Silent);
        fetch().expect("it comes");
        server.script(NAME, [turn.clone()]);
        assert_eq!(content(&fetch().expect("it comes")), bytes);
        let again = server.seen(NAME).len() > 2;
        assert_eq!(again, fetched_again, "{turn:?} {tag}");
    }
}

#[test]
fn damaged_notes_and_files_count_as_absent() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(100_000, 6));
    server.put(NAME, &bytes);
    let wanted = loose(server.url(NAME));
    let fetch = || {
        let file = downloader(&settings(&scene)).fetch(&wanted, &Silent);
        content(&file.expect("it comes"))
    };
    fetch();
    let whole = fs::read(note(&scene)).expect("it can be read");
    let text = String::from_utf8(whole).expect("it is JSON");
    for damaged in [
        String::new(),
        text[..text.len() / 2].to_owned(),
        text.replace("\\\"one\\\"", "\\\"one\\\"\\r\\nRange: bytes=5-9"),
        text.replace("\"version\":1", "\"version\":2"),
    ] {
        assert_ne!(damaged, text);
        fs::write(note(&scene), damaged).expect("it can be written");
        let asked = server.seen(NAME).len();
        assert_eq!(fetch(), bytes);
        let seen = server.seen(NAME);
        assert_eq!((seen.len(), &seen[asked].unless_same), (asked + 1, &None));
    }
    let archive = files(&scene)
        .into_iter()
        .find(|path| path.starts_with("wheels/"));
    let archive = scene.join("cache").join(archive.expect("it is kept"));
    fs::write(&archive, body(100_000, 7)).expect("it can be written");
    let later = downloader(&settings(&scene));
    assert_eq!(
        content(&later.fetch(&wanted, &Silent).expect("it comes")),
        bytes
    );
    assert_eq!(later.take_warnings().len(), 1);
    fs::remove_file(archive).expect("it is there");
    assert_eq!(fetch(), bytes);
}

#[test]
fn a_url_without_a_hash_is_installed_again_without_a_network() {
    let (scene, server) = (Scene::new(), Server::start());
    let wheel = Wheel::new("demo", "1.0");
    server.put(&wheel.wheel_file_name(), &wheel.bytes());
    let url = server.url(&wheel.wheel_file_name()).to_string();
    let install = |target: &str, more: &[&str]| {
        let mut command = scene.command();
        command.args(["--target", target, "--cache-dir", "cache", &url]);
        Run::of(command.args(more).env("no_proxy", "127.0.0.1"))
    };
    install("one", &[]).assert_code(0);
    let sent = server.sent(&wheel.wheel_file_name());
    install("two", &[]).assert_code(0);
    assert_eq!(server.sent(&wheel.wheel_file_name()), sent);
    let asked = server.seen(&wheel.wheel_file_name()).len();
    install("three", &["--offline"]).assert_code(0);
    install("four", &["--offline", "--dry-run"]).assert_code(0);
    assert_eq!(server.seen(&wheel.wheel_file_name()).len(), asked);
}

//! Servers that send nothing, at first, always, or after a few bytes: they are given up after a
//! time that all tries share.

use crate::downloads::{NAME, body, content, downloader, fails, loose, settings};
use crate::support::http_server::{Server, Turn};
use crate::support::scene::Scene;
use pkg_install::download::{RemoteFile, Settings};
use pkg_install::error::ErrorKind;
use pkg_install::fs::ReadAt as _;
use pkg_install::outcome::Silent;
use std::time::Duration;

/// As many tries as one likes, but time for two of them.
fn impatient(scene: &Scene) -> Settings {
    Settings {
        retries: 50,
        stall_timeout: Duration::from_millis(200),
        give_up_after: Duration::from_millis(300),
        ..settings(scene)
    }
}

fn named(server: &Server, name: &str) -> RemoteFile {
    RemoteFile {
        file_name: name.to_owned(),
        ..loose(server.url(name))
    }
}

#[test]
fn a_server_that_never_answers_is_given_up_after_two_tries() {
    let (scene, server) = (Scene::new(), Server::start());
    server.put(NAME, &body(5000, 5));
    server.always(NAME, Turn::Silence);
    let file = loose(server.url(NAME));
    for is_looked_at in [false, true] {
        let (downloader, before) = (downloader(&impatient(&scene)), server.seen(NAME).len());
        let error = if is_looked_at {
            let peek = downloader.peek(&file);
            let whole = peek.map(|peek| peek.into_complete().expect("it is complete"));
            fails(whole, ErrorKind::Failed, &[NAME])
        } else {
            fails(downloader.fetch(&file, &Silent), ErrorKind::Failed, &[NAME])
        };
        assert!(["transfer-failed", "unreachable"].contains(&error.code()));
        let tries = server.seen(NAME).len() - before;
        assert!((1..=3).contains(&tries), "{tries} tries");
    }
}

#[test]
fn a_host_that_never_answered_is_not_waited_for_again() {
    let (scene, server) = (Scene::new(), Server::start());
    let names = [NAME, "b-1-py3-none-any.whl"];
    for name in names {
        server.put(name, &body(5000, 5));
        server.always(name, Turn::Silence);
    }
    let downloader = downloader(&impatient(&scene));
    let fetch = |name| {
        let file = named(&server, name);
        fails(downloader.fetch(&file, &Silent), ErrorKind::Failed, &[name])
    };
    fetch(names[0]);
    assert_eq!(fetch(names[1]).code(), "unreachable");
    assert_eq!(server.seen(names[1]).len(), 0);
}

#[test]
fn a_server_that_falls_silent_in_each_answer_is_given_up() {
    let (scene, server) = (Scene::new(), Server::start());
    server.put(NAME, &body(50_000, 5));
    server.always(NAME, Turn::Stall(1000));
    let file = loose(server.url(NAME));
    let error = fails(
        downloader(&impatient(&scene)).fetch(&file, &Silent),
        ErrorKind::Failed,
        &[NAME],
    );
    assert_eq!(error.code(), "transfer-failed");
    let tries = server.seen(NAME).len();
    assert!((2..=3).contains(&tries), "{tries} tries");
}

#[test]
fn the_parts_of_a_file_share_the_time_that_its_server_may_be_silent() {
    let (scene, server) = (Scene::new(), Server::start());
    server.put(NAME, &body(500_000, 5));
    server.always(NAME, Turn::Stall(1000));
    let downloader = downloader(&impatient(&scene));
    let peek = downloader.peek(&loose(server.url(NAME)));
    let peek = peek.expect("the length and some bytes came");
    let mut buffer = [0; 10];
    for offset in [0, 100_000, 200_000] {
        peek.read_at(&mut buffer, offset)
            .expect_err("its bytes do not come");
    }
    let tries = server.seen(NAME).len();
    assert!(tries <= 8, "{tries} tries");
}

#[test]
fn the_whole_file_is_asked_for_if_requests_for_ranges_get_no_answer() {
    for turns in [vec![Turn::Silence], vec![Turn::Drop, Turn::Drop]] {
        let (scene, server, bytes) = (Scene::new(), Server::start(), body(200_000, 5));
        server.put(NAME, &bytes);
        let tries = turns.len();
        server.script(NAME, turns);
        let patient = Settings {
            give_up_after: Duration::from_secs(10),
            ..impatient(&scene)
        };
        let downloader = downloader(&patient);
        let peek = downloader.peek(&loose(server.url(NAME)));
        let file = peek.expect("it comes").into_complete();
        assert_eq!(content(&file.expect("it is complete")), bytes);
        let ranges = server
            .seen(NAME)
            .into_iter()
            .map(|seen| seen.range.is_some());
        let expected = [vec![true; tries], vec![false]].concat();
        assert_eq!(ranges.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn after_a_long_silence_one_request_asks_for_all_that_is_missing() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(200_000, 5));
    server.put(NAME, &bytes);
    server.script(NAME, [Turn::Stall(1000)]);
    let settings = Settings {
        give_up_after: Duration::from_millis(390),
        ..impatient(&scene)
    };
    let downloader = downloader(&settings);
    let file = loose(server.url(NAME));
    let peek = downloader.peek(&file).expect("some bytes came");
    let mut buffer = [0; 10];
    peek.read_at(&mut buffer, 100).expect("all bytes come");
    assert_eq!(buffer, bytes[100..110]);
    let fetched = downloader.fetch(&file, &Silent).expect("it is complete");
    assert_eq!(content(&fetched), bytes);
    assert_eq!(server.seen(NAME).len(), 2);
}

#[test]
fn ranges_that_were_never_answered_are_not_asked_for_again() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(200_000, 5));
    server.put(NAME, &bytes);
    // The server is silent for the end of the file, and breaks off within all of it.
    server.script(NAME, [Turn::Silence, Turn::Cut(150_000)]);
    let patient = Settings {
        give_up_after: Duration::from_secs(10),
        ..impatient(&scene)
    };
    let downloader = downloader(&patient);
    let file = loose(server.url(NAME));
    let peek = downloader.peek(&file).expect("the length came");
    let mut buffer = [0; 10];
    peek.read_at(&mut buffer, 199_000).expect("all bytes come");
    assert_eq!(buffer, bytes[199_000..199_010]);
    let seen = server.seen(NAME);
    let ranges: Vec<bool> = seen.iter().map(|seen| seen.range.is_some()).collect();
    assert_eq!(ranges, [true, false, false]);
}

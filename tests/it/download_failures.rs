//! Downloads that fail or almost fail: wrong lengths, busy and broken servers, stalls, content that
//! is not the promised file, and a full disk.
//!
//! Downloads that succeed are in [`downloads`](crate::downloads), with the functions that both use.

use crate::downloads::{
    MIB, NAME, body, content, downloader, fails, files, loose, pinned, settings,
};
use crate::support::faults::{ENOSPC, Fault, Fuse};
use crate::support::http_server::{Server, Turn};
use crate::support::scene::Scene;
use pkg_install::Cancellation;
use pkg_install::download::{Downloader, RemoteFile, Settings};
use pkg_install::error::ErrorKind;
use pkg_install::outcome::{Events, Retry, Silent};
use std::sync::Mutex;
use std::time::{Duration, Instant};

#[test]
fn a_header_that_promises_too_much_is_found_out() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(100_000, 20));
    server.put(NAME, &bytes);
    server.script(NAME, [Turn::Length(100_500)]);
    assert_eq!(
        content(
            &downloader(&settings(&scene))
                .fetch(&loose(server.url(NAME)), &Silent)
                .expect("it comes")
        ),
        bytes
    );
    let ranges: Vec<_> = server
        .seen(NAME)
        .into_iter()
        .map(|seen| seen.range)
        .collect();
    assert_eq!(ranges, [None, Some("bytes=100000-100499".to_owned()), None]);
}

#[test]
fn servers_that_are_busy_are_asked_again() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(5000, 5));
    server.put(NAME, &bytes);
    let busy = [408, 425, 522].map(|status| Turn::Status(status, "Retry-After: 0\r\n"));
    let date =
        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    server.script(NAME, busy.into_iter().chain([Turn::Status(503, date)]));
    let slow = Settings {
        backoff: Duration::from_secs(50),
        ..settings(&scene)
    };
    let told = Told::default();
    let file = downloader(&slow)
        .fetch(&pinned(server.url(NAME), &bytes), &told)
        .expect("it comes");
    assert_eq!(content(&file), bytes);
    assert_eq!(server.seen(NAME).len(), 5);
    let told = told.0.into_inner().expect("no thread panicked");
    assert_eq!(
        told.first().map(String::as_str),
        Some("begin a-1-py3-none-any.whl None 0")
    );
    let retries: Vec<_> = told
        .iter()
        .filter(|line| line.starts_with("retry"))
        .collect();
    let expected = [
        "retry 2: HTTP 408 Request Timeout",
        "retry 3: HTTP 425 Too Early",
        "retry 4: HTTP 522 Connection Timed Out",
        "retry 5: HTTP 503 Service Unavailable",
    ];
    assert_eq!(retries, expected);
    assert_eq!(
        told.iter()
            .filter_map(|line| line.strip_prefix("advance ")?.parse::<u64>().ok())
            .sum::<u64>(),
        5000
    );
    assert_eq!(told.last().map(String::as_str), Some("end"));
}

/// The progress events, one line each.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Told {
    fn add(&self, line: String) {
        self.0.lock().expect("no thread panicked").push(line);
    }
}

impl Events for Told {
    fn transfer_begin(&self, _: usize, name: &str, total: Option<u64>, present: u64) {
        self.add(format!("begin {name} {total:?} {present}"));
    }
    fn transfer_advance(&self, _: usize, bytes: u64) {
        self.add(format!("advance {bytes}"));
    }
    fn transfer_retry(&self, _: usize, retry: &Retry) {
        let Retry { why, attempt, .. } = retry;
        self.add(format!("retry {attempt}: {why}"));
    }
    fn transfer_end(&self, _: usize) {
        self.add("end".to_owned());
    }
}

#[test]
fn a_server_that_stays_broken_is_given_up() {
    let (scene, server) = (Scene::new(), Server::start());
    server.put(NAME, &body(5000, 5));
    server.always(NAME, Turn::Status(503, ""));
    let settings = Settings {
        retries: 2,
        ..settings(&scene)
    };
    let url = server.url(NAME);
    let error = fails(
        downloader(&settings).fetch(&loose(url.clone()), &Silent),
        ErrorKind::Failed,
        &[url.as_str(), "HTTP 503 Service Unavailable"],
    );
    assert_eq!(error.code(), "transfer-failed");
    assert_eq!(server.seen(NAME).len(), 3);
    assert_eq!(files(&scene), [""; 0], "nothing arrived, so nothing stays");
    for status in [401, 403, 404, 410] {
        server.always(NAME, Turn::Status(status, ""));
        let says = format!("HTTP {status} ");
        fails(
            downloader(&settings).fetch(&loose(url.clone()), &Silent),
            ErrorKind::Failed,
            &[url.as_str(), &says],
        );
    }
    assert_eq!(server.seen(NAME).len(), 7, "these statuses do not pass");
}

#[test]
fn a_closed_port_is_an_error_that_names_the_address() {
    let (scene, server) = (Scene::new(), Server::start());
    let mut url = server.url(NAME);
    url.set_port(Some(1)).expect("it has a host");
    let settings = Settings {
        retries: 1,
        ..settings(&scene)
    };
    let error = fails(
        downloader(&settings).fetch(&loose(url.clone()), &Silent),
        ErrorKind::Failed,
        &[url.as_str()],
    );
    assert_eq!(error.code(), "unreachable");
}

#[test]
fn a_stall_is_a_failure_unless_bytes_came_before_it() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(MIB, 6));
    server.put(NAME, &bytes);
    server.script(
        NAME,
        [
            Turn::Silence,
            Turn::Stall(1000),
            Turn::Stall(500),
            Turn::Stall(0),
        ],
    );
    let settings = Settings {
        retries: 1,
        stall_timeout: Duration::from_millis(150),
        ..settings(&scene)
    };
    let wanted = pinned(server.url(NAME), &bytes);
    assert_eq!(
        content(
            &downloader(&settings)
                .fetch(&wanted, &Silent)
                .expect("it comes")
        ),
        bytes
    );
    assert_eq!(
        (server.seen(NAME).len(), server.sent(NAME)),
        (5, MIB as u64)
    );
    server.put("never", &bytes);
    server.always("never", Turn::Silence);
    let result = downloader(&settings).fetch(&loose(server.url("never")), &Silent);
    fails(result, ErrorKind::Failed, &["/never`", "sends nothing"]);
}

#[test]
fn a_file_other_than_the_promised_one_is_refused() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(200_000, 7));
    let downloader = downloader(&settings(&scene));
    server.put(NAME, &bytes);
    server.script(
        NAME,
        [Turn::Wrong, Turn::Stall(0), Turn::Encoded, Turn::Html],
    );
    let wanted = RemoteFile {
        size: Some(200_000),
        ..pinned(server.url(NAME), &bytes)
    };
    let says = [
        wanted.label.as_str(),
        "the archive has sha256=",
        "it was pinned to sha256=",
        &wanted.pinned[0].to_hex(),
    ];
    fails(downloader.fetch(&wanted, &Silent), ErrorKind::Input, &says);
    // The body never comes, so that waiting for it would take until the stall is noticed.
    let long = RemoteFile {
        size: Some(200_001),
        ..wanted.clone()
    };
    let begin = Instant::now();
    fails(
        downloader.fetch(&long, &Silent),
        ErrorKind::Input,
        &["has 200000 bytes, 200001 were promised"],
    );
    assert!(begin.elapsed() < Duration::from_secs(20));
    fails(
        downloader.fetch(&wanted, &Silent),
        ErrorKind::Input,
        &["content encoding `gzip`"],
    );
    let error = fails(
        downloader.fetch(&loose(server.url(NAME)), &Silent),
        ErrorKind::Input,
        &["`text/html` instead of a wheel"],
    );
    // The list may have been made by another party, and the address be one that only this machine
    // can reach: nothing that it answers gets into a log.
    assert!(
        !format!("{error} {error:?}").contains("Log in"),
        "{error:?}"
    );
    assert_eq!(server.seen(NAME).len(), 4, "none of it is tried again");
    assert_eq!(files(&scene), [""; 0]);
}

#[test]
fn a_full_disk_is_an_error_that_names_the_path() {
    let (server, bytes) = (Server::start(), body(2 * MIB, 13));
    server.put(NAME, &bytes);
    for at in [4, 8, 12] {
        let (scene, fuse) = (Scene::new(), Fuse::new(Fault::Error(at, ENOSPC)));
        let full = Downloader::new(&settings(&scene), &fuse.fs(), Cancellation::default())
            .expect("it can be made");
        let says = [NAME, "/cache/partial/", "No space left"];
        let error = fails(
            full.fetch(&loose(server.url(NAME)), &Silent),
            ErrorKind::Failed,
            &says,
        );
        assert_eq!(error.code(), "cache-full");
    }
}

//! Downloads that succeed, from servers that do not always behave: the promised content arrives
//! once.
//!
//! Every server is on the loopback ([`http_server`](crate::support::http_server)). Retries pause
//! for a millisecond. Downloads that fail are in [`download_failures`](crate::download_failures).

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use pkg_install::Cancellation;
use pkg_install::digest::{Algorithm, Digest};
use pkg_install::download::{Downloader, RemoteFile, Settings, label_of};
use pkg_install::error::ErrorKind;
use pkg_install::fs::{Fs, OpenFile, ReadAt};
use pkg_install::outcome::{Events, Silent};
use pkg_install::{Error, Result};
use url::Url;

use crate::support::http_server::{Server, Turn};
use crate::support::scene::Scene;

pub const NAME: &str = "a-1-py3-none-any.whl";
pub const MIB: usize = 1 << 20;

/// Bytes that begin as an archive does and do not repeat.
pub fn body(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut bytes = b"PK\x03\x04".to_vec();
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// The file is not there. A range is followed by a request for the whole file, so that after a part
/// of it two of these are needed for a failure.
pub fn gone() -> Turn {
    Turn::Status(404, "")
}

pub fn settings(scene: &Scene) -> Settings {
    Settings {
        cache: Some(scene.join("cache")),
        backoff: Duration::from_millis(1),
        ..Settings::default()
    }
}

pub fn downloader(settings: &Settings) -> Downloader {
    Downloader::new(settings, &Fs::default(), Cancellation::default()).expect("it can be made")
}

/// A file without a known size or digest.
pub fn loose(url: Url) -> RemoteFile {
    RemoteFile {
        label: label_of(&url),
        url,
        file_name: NAME.to_owned(),
        size: None,
        pinned: Vec::new(),
    }
}

/// A file whose content is known.
pub fn pinned(url: Url, content: &[u8]) -> RemoteFile {
    RemoteFile {
        pinned: vec![Digest::of(Algorithm::Sha256, content)],
        ..loose(url)
    }
}

pub fn content(file: &dyn ReadAt) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.size()).expect("it is small")];
    file.read_exact_at(&mut bytes, 0).expect("it can be read");
    bytes
}

#[track_caller]
pub fn fails(result: Result<OpenFile>, kind: ErrorKind, says: &[&str]) -> Error {
    let error = result.expect_err("it fails");
    assert_eq!(error.kind(), kind, "{error}");
    for word in says {
        assert!(
            error.to_string().contains(word),
            "`{word}` is not in: {error}"
        );
    }
    error
}

/// The files of the cache, but for empty directories.
pub fn files(scene: &Scene) -> Vec<String> {
    let found = pkg_install::fs::walk(&scene.join("cache")).expect("it can be walked");
    let files = found
        .into_iter()
        .filter(|(_, stat)| stat.kind == pkg_install::fs::Kind::File);
    files.map(|(path, _)| path.display().to_string()).collect()
}

#[test]
fn a_fetched_file_is_in_the_cache_under_its_digest_and_is_not_fetched_again() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(3 * MIB + 5, 1));
    server.put(NAME, &bytes);
    let wanted = RemoteFile {
        size: Some(bytes.len() as u64),
        ..pinned(server.url(NAME), &bytes)
    };
    let file = downloader(&settings(&scene))
        .fetch(&wanted, &Silent)
        .expect("it comes");
    assert_eq!(content(&file), bytes);
    let hex = wanted.pinned[0].to_hex();
    assert_eq!(
        files(&scene),
        [format!("wheels/{}/{hex}/{NAME}", &hex[..2])]
    );
    assert_eq!(file.path(), scene.join("cache").join(&files(&scene)[0]));
    let later = downloader(&settings(&scene));
    assert_eq!(
        content(
            &later
                .cached(&wanted)
                .expect("it can be read")
                .expect("it is there")
        ),
        bytes
    );
    assert_eq!(
        content(&later.fetch(&wanted, &Silent).expect("it is there")),
        bytes
    );
    let seen = server.seen(NAME);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].accept_encoding.as_deref(), Some("identity"));
    assert!(
        seen[0]
            .user_agent
            .as_deref()
            .is_some_and(|agent| agent.starts_with("pkg-install/")),
        "{seen:?}"
    );
    assert_eq!(
        (seen[0].range.as_deref(), seen[0].authorization.as_deref()),
        (None, None)
    );
}

#[test]
fn without_a_cache_the_file_goes_with_the_downloader() {
    let (server, bytes) = (Server::start(), body(1000, 1));
    server.put(NAME, &bytes);
    let downloader = downloader(&Settings::default());
    let file = downloader
        .fetch(&loose(server.url(NAME)), &Silent)
        .expect("it comes");
    assert!(file.path().exists());
    drop(downloader);
    assert!(!file.path().exists());
    assert_eq!(content(&file), bytes, "what is open can be read");
}

#[test]
fn fifty_cuts_cost_no_byte_twice() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(4 * MIB + 77, 2));
    server.put(NAME, &bytes);
    let places = body(400, 3);
    let cuts = places
        .chunks_exact(8)
        .map(|place| 1 + place[7] as usize * 300 + place[6] as usize);
    server.script(NAME, cuts.map(Turn::Cut));
    let settings = Settings {
        retries: 0,
        ..settings(&scene)
    };
    let file = downloader(&settings)
        .fetch(&pinned(server.url(NAME), &bytes), &Silent)
        .expect("it comes");
    assert_eq!(content(&file), bytes);
    assert_eq!(server.seen(NAME).len(), 51);
    assert_eq!(server.sent(NAME), bytes.len() as u64);
    assert!(
        server.seen(NAME)[1..]
            .iter()
            .all(|seen| seen.if_range.as_deref() == Some("\"one\""))
    );
}

#[test]
fn a_file_without_ranges_or_length_comes_all_the_same() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(MIB + 9, 4));
    server.put(NAME, &bytes);
    server.script(NAME, [Turn::Cut(70_000), Turn::NoRanges]);
    let wanted = pinned(server.url(NAME), &bytes);
    assert_eq!(
        content(
            &downloader(&settings(&scene))
                .fetch(&wanted, &Silent)
                .expect("it comes")
        ),
        bytes
    );
    server.put("chunks", &bytes);
    server.script("chunks", [Turn::Chunked(Some(90_000)), Turn::Chunked(None)]);
    let wanted = loose(server.url("chunks"));
    assert_eq!(
        content(
            &downloader(&settings(&scene))
                .fetch(&wanted, &Silent)
                .expect("it comes")
        ),
        bytes
    );
    server.put("short", &bytes);
    server.always("short", Turn::Chunked(Some(90_000)));
    let result = downloader(&settings(&scene)).fetch(&loose(server.url("short")), &Silent);
    fails(
        result,
        ErrorKind::Failed,
        &["/short`", "broke the connection off"],
    );
    assert_eq!(
        server.seen("short").len(),
        4,
        "the first try, which brought bytes, and three that broke off at the same place"
    );
}

#[test]
fn every_pinned_digest_has_to_hold_and_any_of_them_finds_the_file_again() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(10_000, 8));
    server.put(NAME, &bytes);
    let of = |algorithm, content: &[u8]| Digest::of(algorithm, content);
    let mut wanted = pinned(server.url(NAME), &bytes);
    wanted.pinned.push(of(Algorithm::Blake2b, b"other"));
    fails(
        downloader(&settings(&scene)).fetch(&wanted, &Silent),
        ErrorKind::Input,
        &["has blake2b="],
    );
    wanted.pinned = vec![
        of(Algorithm::Sha512, &bytes),
        of(Algorithm::Sha3_256, &bytes),
    ];
    assert_eq!(
        content(
            &downloader(&settings(&scene))
                .fetch(&wanted, &Silent)
                .expect("it comes")
        ),
        bytes
    );
    assert_eq!(
        content(
            &downloader(&settings(&scene))
                .fetch(&wanted, &Silent)
                .expect("it is there")
        ),
        bytes
    );
    assert_eq!(server.seen(NAME).len(), 2);
}

#[test]
fn offline_names_all_that_is_missing() {
    let (scene, server) = (Scene::new(), Server::start());
    let wanted = ["a", "b", "c"].map(|path| {
        server.put(path, &body(1000, 16));
        RemoteFile {
            file_name: format!("{path}.whl"),
            ..pinned(server.url(path), &body(1000, 16))
        }
    });
    downloader(&settings(&scene))
        .fetch(&wanted[1], &Silent)
        .expect("it comes");
    let offline = downloader(&Settings {
        offline: true,
        ..settings(&scene)
    });
    assert_eq!(
        content(&offline.fetch(&wanted[1], &Silent).expect("it is there")),
        body(1000, 16)
    );
    assert_eq!(
        content(&offline.peek(&wanted[1]).expect("it is there")),
        body(1000, 16)
    );
    let error = offline
        .fetch_all(&wanted, &Silent, &|_, _| Ok(()))
        .expect_err("two are missing");
    assert_eq!(error.kind(), ErrorKind::Failed);
    let text = error.to_string();
    assert!(
        text.contains(&wanted[0].label) && text.contains(&wanted[2].label),
        "{text}"
    );
    assert!(!text.contains(&wanted[1].label), "{text}");
    fails(
        offline.fetch(&wanted[0], &Silent),
        ErrorKind::Failed,
        &[&wanted[0].label],
    );
    assert_eq!(
        offline.peek(&wanted[0]).expect_err("it is missing").kind(),
        ErrorKind::Failed
    );
    assert_eq!(server.order(), ["b"]);
}

#[test]
fn connections_are_used_again() {
    let (scene, server) = (Scene::new(), Server::start());
    let wanted: Vec<_> = (0..20)
        .map(|number| {
            let path = format!("{number}");
            server.put(&path, &body(1000 + number, 22));
            RemoteFile {
                file_name: format!("{path}.whl"),
                ..loose(server.url(&path))
            }
        })
        .collect();
    let settings = Settings {
        connections: 2,
        ..settings(&scene)
    };
    downloader(&settings)
        .fetch_all(&wanted, &Silent, &|_, _| Ok(()))
        .expect("all come");
    assert_eq!(server.order().len(), 20);
    assert!(server.connections() <= 2, "{}", server.connections());
}

#[test]
fn all_come_the_unknown_and_the_largest_first_and_each_address_once() {
    let (scene, server) = (Scene::new(), Server::start());
    let sizes = [
        ("small", Some(10)),
        ("large", Some(9000)),
        ("unknown", None),
        ("middle", Some(500)),
        ("small", Some(10)),
    ];
    let wanted = sizes.map(|(path, size)| {
        server.put(path, &body(size.unwrap_or(20), 17));
        let size = size.map(|size| size as u64);
        RemoteFile {
            file_name: format!("{path}.whl"),
            size,
            ..loose(server.url(path))
        }
    });
    let come = Mutex::new(Vec::new());
    let settings = Settings {
        connections: 1,
        ..settings(&scene)
    };
    let arrived = |index: usize, file: OpenFile| {
        assert_eq!(content(&file).len(), sizes[index].1.unwrap_or(20));
        come.lock().expect("no thread panicked").push(index);
        Ok(())
    };
    downloader(&settings)
        .fetch_all(&wanted, &Silent, &arrived)
        .expect("all come");
    assert_eq!(
        come.into_inner().expect("no thread panicked"),
        [2, 1, 3, 0, 4]
    );
    assert_eq!(server.order(), ["unknown", "large", "middle", "small"]);
}

#[test]
fn the_first_failure_ends_the_rest() {
    let (scene, server) = (Scene::new(), Server::start());
    for path in ["stalls", "fine", "missing"] {
        server.put(path, &body(5000, 18));
    }
    server.always("stalls", Turn::Stall(100));
    server.always("missing", Turn::Status(404, ""));
    let downloader = downloader(&settings(&scene));
    // An answer that the server refuses ends it, and so does an error of the caller.
    for (path, says) in [("missing", "HTTP 404"), ("fine", "`not there`")] {
        let wanted = [loose(server.url("stalls")), loose(server.url(path))];
        let asked = server.seen("stalls").len();
        let progress = Waits(&|name| {
            if name == path {
                server.wait_for("stalls", asked + 1);
            }
        });
        let wanted = wanted.map(|one| RemoteFile {
            file_name: one.url.path()[1..].to_owned(),
            ..one
        });
        let refuse = |_, _| pkg_install::fs::read(Path::new("not there")).map(drop);
        let begin = Instant::now();
        let error = downloader
            .fetch_all(&wanted, &progress, &refuse)
            .expect_err("one is refused");
        assert!(error.to_string().contains(says), "{error}");
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "the stall was waited for"
        );
    }
    assert!(
        downloader
            .fetch(&loose(server.url("fine")), &Silent)
            .is_ok(),
        "it can be used again"
    );
}

/// Does something with the name of each file before it is fetched.
struct Waits<'a>(&'a (dyn Fn(&str) + Sync));

impl Events for Waits<'_> {
    fn transfer_begin(&self, _: usize, name: &str, _: Option<u64>, _: u64) {
        (self.0)(name);
    }
}

#[test]
fn a_request_to_stop_waits_for_nothing() {
    let (scene, server) = (Scene::new(), Server::start());
    for (path, turn) in [
        ("silent", Turn::Silence),
        ("stalled", Turn::Stall(1000)),
        ("busy", Turn::Status(429, "Retry-After: 50\r\n")),
    ] {
        server.put(path, &body(5000, 19));
        server.always(path, turn);
        let cancel = Cancellation::default();
        let patient = Settings {
            give_up_after: Duration::from_secs(100),
            ..settings(&scene)
        };
        let downloader =
            Downloader::new(&patient, &Fs::default(), cancel.clone()).expect("it can be made");
        let wanted = loose(server.url(path));
        let (result, waited) = std::thread::scope(|scope| {
            let work = scope.spawn(|| downloader.fetch_all(&[wanted], &Silent, &|_, _| Ok(())));
            server.wait_for(path, 1);
            let begin = Instant::now();
            cancel.cancel();
            (work.join().expect("it does not panic"), begin.elapsed())
        });
        assert_eq!(
            result.expect_err("it is interrupted").kind(),
            ErrorKind::Interrupted,
            "{path}"
        );
        assert!(waited < Duration::from_secs(10), "{path}: {waited:?}");
    }
    // Also between two files.
    let cancel = Cancellation::default();
    let downloader =
        Downloader::new(&settings(&scene), &Fs::default(), cancel.clone()).expect("it can be made");
    server.put("fine", &body(5000, 19));
    let wanted = ["fine", "silent"].map(|path| loose(server.url(path)));
    let arrived = |_, _| {
        cancel.cancel();
        Ok(())
    };
    let error = downloader
        .fetch_all(&wanted, &Silent, &arrived)
        .expect_err("it is interrupted");
    assert_eq!(error.kind(), ErrorKind::Interrupted);
}

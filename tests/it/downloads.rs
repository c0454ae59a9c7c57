//! Fetching from servers that misbehave: what arrives is what was promised, once, or the error says what is wrong.
//!
//! Every server is on the loopback ([`http_server`](crate::http_server)). Retries pause for a millisecond.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pkg_install::download::{Downloader, Settings, Wanted, label_of};
use pkg_install::error::ErrorKind;
use pkg_install::fs::{Door, OpenFile, ReadAt};
use pkg_install::hash::{Algorithm, Digest};
use pkg_install::report::{Progress, Silent};
use pkg_install::{Error, Result};
use url::Url;

use crate::faults::{ENOSPC, Fault, Fuse};
use crate::http_server::{Server, Turn};
use crate::scene::Scene;

const NAME: &str = "a-1-py3-none-any.whl";
const MIB: usize = 1 << 20;

/// Bytes that begin as an archive does and do not repeat.
fn body(length: usize, seed: u64) -> Vec<u8> {
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

fn settings(scene: &Scene) -> Settings {
    Settings { cache: Some(scene.join("cache")), backoff: Duration::from_millis(1), ..Settings::default() }
}

fn downloader(settings: &Settings) -> Downloader {
    Downloader::new(settings, &Door::default(), Arc::default()).expect("it can be made")
}

/// A file that nothing is promised of.
fn loose(url: Url) -> Wanted {
    Wanted { label: label_of(&url), url, file_name: NAME.to_owned(), size: None, pinned: Vec::new() }
}

/// A file whose content is known.
fn pinned(url: Url, content: &[u8]) -> Wanted {
    Wanted { pinned: vec![Digest::of(Algorithm::Sha256, content)], ..loose(url) }
}

fn content(file: &dyn ReadAt) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.size()).expect("it is small")];
    file.read_exact_at(&mut bytes, 0).expect("it can be read");
    bytes
}

#[track_caller]
fn fails(result: Result<OpenFile>, kind: ErrorKind, says: &[&str]) -> Error {
    let error = result.expect_err("it fails");
    assert_eq!(error.kind(), kind, "{error}");
    for word in says {
        assert!(error.to_string().contains(word), "`{word}` is not in: {error}");
    }
    error
}

/// The files of the cache, but for empty directories.
fn files(scene: &Scene) -> Vec<String> {
    let found = pkg_install::fs::walk(&scene.join("cache")).expect("it can be walked");
    let files = found.into_iter().filter(|(_, stat)| stat.kind == pkg_install::fs::Kind::File);
    files.map(|(path, _)| path.display().to_string()).collect()
}

#[test]
fn a_fetched_file_is_in_the_cache_under_its_digest_and_is_not_fetched_again() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(3 * MIB + 5, 1));
    server.put(NAME, &bytes);
    let wanted = Wanted { size: Some(bytes.len() as u64), ..pinned(server.url(NAME), &bytes) };
    let file = downloader(&settings(&scene)).fetch(&wanted, &Silent).expect("it comes");
    assert_eq!(content(&file), bytes);
    let hex = wanted.pinned[0].to_hex();
    assert_eq!(files(&scene), [format!("wheels/{}/{hex}/{NAME}", &hex[..2])]);
    assert_eq!(file.path(), scene.join("cache").join(&files(&scene)[0]));
    let later = downloader(&settings(&scene));
    assert_eq!(content(&later.cached(&wanted).expect("it can be read").expect("it is there")), bytes);
    assert_eq!(content(&later.fetch(&wanted, &Silent).expect("it is there")), bytes);
    let seen = server.seen(NAME);
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].accept_encoding.as_deref(), Some("identity"));
    assert!(seen[0].user_agent.as_deref().is_some_and(|agent| agent.starts_with("pkg-install/")), "{seen:?}");
    assert_eq!((seen[0].range.as_deref(), seen[0].authorization.as_deref()), (None, None));
}

#[test]
fn without_a_cache_the_file_goes_with_the_downloader() {
    let (server, bytes) = (Server::start(), body(1000, 1));
    server.put(NAME, &bytes);
    let downloader = downloader(&Settings::default());
    let file = downloader.fetch(&loose(server.url(NAME)), &Silent).expect("it comes");
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
    let cuts = places.chunks_exact(8).map(|place| 1 + place[7] as usize * 300 + place[6] as usize);
    server.script(NAME, cuts.map(Turn::Cut));
    let settings = Settings { retries: 0, ..settings(&scene) };
    let file = downloader(&settings).fetch(&pinned(server.url(NAME), &bytes), &Silent).expect("it comes");
    assert_eq!(content(&file), bytes);
    assert_eq!(server.seen(NAME).len(), 51);
    assert_eq!(server.sent(NAME), bytes.len() as u64);
    assert!(server.seen(NAME)[1..].iter().all(|seen| seen.if_range.as_deref() == Some("\"one\"")));
}

//! One file over several connections: idle connections help, no byte is fetched twice, and a broken
//! share is repaired by a single connection.

use std::sync::Mutex;

use pkg_install::download::{Downloader, Peek, RemoteFile, Settings};
use pkg_install::fs::ReadAt as _;
use pkg_install::outcome::Silent;

use crate::downloads::{MIB, NAME, body, content, downloader, loose, pinned, settings};
use crate::support::http_server::{Server, Turn};
use crate::support::scene::Scene;

/// Looks into all files, then fetches them, as an installation does.
fn fetched(scene: &Scene, connections: usize, wanted: &[RemoteFile]) -> Vec<Vec<u8>> {
    let downloader = downloader(&Settings {
        connections,
        ..settings(scene)
    });
    downloader
        .peek_all(wanted, &Silent, &|_, _| Ok(()))
        .expect("they answer");
    contents(&downloader, wanted)
}

/// Fetches files without known sizes or digests, as `download` does.
fn unknown(scene: &Scene, connections: usize, wanted: &[RemoteFile]) -> Vec<Vec<u8>> {
    contents(
        &downloader(&Settings {
            connections,
            ..settings(scene)
        }),
        wanted,
    )
}

fn contents(downloader: &Downloader, wanted: &[RemoteFile]) -> Vec<Vec<u8>> {
    let found = Mutex::new(vec![Vec::new(); wanted.len()]);
    let keep = |index: usize, file| {
        found.lock().expect("no thread panicked")[index] = content(&file);
        Ok(())
    };
    downloader
        .fetch_all(wanted, &Silent, &keep)
        .expect("they come");
    found.into_inner().expect("no thread panicked")
}

#[test]
fn idle_connections_bring_parts_of_a_large_file() {
    let (server, bytes) = (Server::start(), body(12 * MIB + 5, 1));
    for (connections, least, most) in [(1, 2, 6), (4, 5, 20), (16, 9, 40)] {
        let (scene, path) = (Scene::new(), format!("{connections}.whl"));
        server.put(&path, &bytes);
        let wanted = [RemoteFile {
            file_name: path.clone(),
            ..pinned(server.url(&path), &bytes)
        }];
        assert!(fetched(&scene, connections, &wanted)[0] == bytes);
        let requests = server.seen(&path).len();
        assert!(
            (least..=most).contains(&requests),
            "{connections} connections made {requests} requests"
        );
        assert_eq!(server.sent(&path), bytes.len() as u64, "{connections}");
    }
}

#[test]
fn an_unread_file_is_begun_with_a_share_and_then_fetched_by_many() {
    let (server, bytes) = (Server::start(), body(12 * MIB + 5, 8));
    for (connections, least, most) in [(1, 1, 1), (4, 5, 20), (16, 9, 40)] {
        let (scene, path) = (Scene::new(), format!("{connections}.whl"));
        server.put(&path, &bytes);
        let wanted = [RemoteFile {
            file_name: path.clone(),
            ..pinned(server.url(&path), &bytes)
        }];
        assert!(unknown(&scene, connections, &wanted)[0] == bytes);
        let requests = server.seen(&path);
        assert!(
            (least..=most).contains(&requests.len()),
            "{connections} connections made {requests:?}"
        );
        assert_eq!(
            requests[0].range.as_deref(),
            (connections > 1).then_some("bytes=0-1048575")
        );
        assert_eq!(server.sent(&path), bytes.len() as u64, "{connections}");
    }
}

#[test]
fn a_look_that_reads_much_is_shared_too() {
    let (server, bytes) = (Server::start(), body(12 * MIB, 11));
    for (connections, least, most) in [(1, 2, 2), (4, 4, 8), (16, 6, 12)] {
        let (scene, path) = (Scene::new(), format!("{connections}.whl"));
        server.put(&path, &bytes);
        let wanted = [RemoteFile {
            file_name: path.clone(),
            ..pinned(server.url(&path), &bytes)
        }];
        let looked = |_, peek: Peek| {
            peek.will_read(6 * MIB as u64..9 * MIB as u64);
            let mut read = vec![0; 3 * MIB];
            peek.read_exact_at(&mut read, 6 * MIB as u64)
                .expect("it is there");
            assert!(read == bytes[6 * MIB..9 * MIB]);
            Ok(())
        };
        let looking = downloader(&Settings {
            connections,
            ..settings(&scene)
        });
        looking
            .peek_all(&wanted, &Silent, &looked)
            .expect("it answers");
        let requests = server.seen(&path).len();
        assert!(
            (least..=most).contains(&requests),
            "{connections} connections made {requests} requests"
        );
        let looked = server.sent(&path);
        assert!(
            (3 * MIB as u64..4 * MIB as u64).contains(&looked),
            "{looked}"
        );
        assert!(contents(&looking, &wanted)[0] == bytes);
        assert_eq!(server.sent(&path), bytes.len() as u64, "{connections}");
    }
}

#[test]
fn a_file_that_is_known_to_be_small_or_turns_out_to_be_is_one_request() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(MIB, 9));
    let known = |path: &str, size| {
        server.put(path, &bytes);
        RemoteFile {
            file_name: path.to_owned(),
            size,
            ..loose(server.url(path))
        }
    };
    let wanted = [
        known("known.whl", Some(MIB as u64)),
        known("unknown.whl", None),
    ];
    assert!(
        unknown(&scene, 4, &wanted)
            .iter()
            .all(|found| *found == bytes)
    );
    assert_eq!(
        server
            .seen("known.whl")
            .iter()
            .map(|seen| seen.range.as_deref())
            .collect::<Vec<_>>(),
        [None]
    );
    assert_eq!(server.seen("unknown.whl").len(), 1);
}

#[test]
fn a_server_that_has_no_ranges_is_asked_once_for_all_of_it() {
    let (server, bytes) = (Server::start(), body(12 * MIB, 10));
    for (path, turns, requests) in [
        ("none.whl", vec![Turn::NoRanges], 1),
        ("refused.whl", vec![Turn::Unsatisfiable, Turn::NoRanges], 2),
        (
            "unknown.whl",
            vec![Turn::Status(501, ""), Turn::NoRanges],
            2,
        ),
        ("chunks.whl", vec![Turn::Chunked(None)], 1),
    ] {
        server.put(path, &bytes);
        server.script(path, turns);
        let wanted = [RemoteFile {
            file_name: path.to_owned(),
            ..loose(server.url(path))
        }];
        assert!(unknown(&Scene::new(), 4, &wanted)[0] == bytes);
        assert_eq!(
            (server.seen(path).len(), server.sent(path)),
            (requests, bytes.len() as u64),
            "{path}"
        );
    }
    server.put("empty.whl", b"");
    assert_eq!(
        unknown(&Scene::new(), 4, &[loose(server.url("empty.whl"))]),
        [b""]
    );
}

#[test]
fn a_connection_done_with_a_small_file_helps_with_a_large_one() {
    let (scene, server, large, small) = (
        Scene::new(),
        Server::start(),
        body(20 * MIB, 2),
        body(200_000, 3),
    );
    server.put(NAME, &large);
    server.put("b.whl", &small);
    let other = RemoteFile {
        file_name: "b.whl".to_owned(),
        ..loose(server.url("b.whl"))
    };
    let found = fetched(&scene, 2, &[loose(server.url(NAME)), other]);
    assert!(found[0] == large && found[1] == small);
    assert_eq!(server.sent(NAME), large.len() as u64);
}

#[test]
fn a_share_that_breaks_is_fetched_alone_from_where_it_broke() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(12 * MIB, 4));
    server.put(NAME, &bytes);
    server.script(
        NAME,
        [
            Turn::Fine,
            Turn::Cut(100_000),
            Turn::Status(503, ""),
            Turn::Cut(MIB),
        ],
    );
    assert!(fetched(&scene, 4, &[loose(server.url(NAME))])[0] == bytes);
    assert_eq!(server.sent(NAME), bytes.len() as u64);
}

#[test]
fn a_server_that_gives_its_ranges_up_is_not_asked_by_many() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(12 * MIB, 5));
    server.put(NAME, &bytes);
    server.script(NAME, [Turn::Fine]);
    server.always(NAME, Turn::NoRanges);
    assert!(fetched(&scene, 2, &[loose(server.url(NAME))])[0] == bytes);
    assert!(server.seen(NAME).len() <= 4, "{:?}", server.seen(NAME));
}

#[test]
fn a_file_that_changes_between_its_shares_is_one_or_the_other() {
    let (scene, server, bytes, other) = (
        Scene::new(),
        Server::start(),
        body(12 * MIB, 6),
        body(12 * MIB, 7),
    );
    server.put(NAME, &bytes);
    let downloader = downloader(&Settings {
        connections: 4,
        ..settings(&scene)
    });
    let wanted = [loose(server.url(NAME))];
    downloader
        .peek_all(&wanted, &Silent, &|_, _| Ok(()))
        .expect("it answers");
    server.put_tagged(NAME, &other, Some("\"two\""));
    let keep = |_: usize, file| {
        assert!(
            content(&file) == other,
            "the old end is not mixed with the new beginning"
        );
        Ok(())
    };
    downloader
        .fetch_all(&wanted, &Silent, &keep)
        .expect("it comes");
}

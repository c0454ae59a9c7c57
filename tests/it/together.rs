//! One file over several connections: who is idle helps, no byte comes twice, and what goes wrong is mended by one alone.

use std::sync::Mutex;

use pkg_install::download::{Settings, Wanted};
use pkg_install::report::Silent;

use crate::downloads::{MIB, NAME, body, content, downloader, loose, pinned, settings};
use crate::http_server::{Server, Turn};
use crate::scene::Scene;

/// Looks into all files, then fetches them, as an installation does.
fn fetched(scene: &Scene, connections: usize, wanted: &[Wanted]) -> Vec<Vec<u8>> {
    let downloader = downloader(&Settings { connections, ..settings(scene) });
    downloader.peek_all(wanted, &|_, _| Ok(())).expect("they answer");
    let found = Mutex::new(vec![Vec::new(); wanted.len()]);
    let keep = |index: usize, file| {
        found.lock().expect("nobody panicked")[index] = content(&file);
        Ok(())
    };
    downloader.fetch_all(wanted, &Silent, &keep).expect("they come");
    found.into_inner().expect("nobody panicked")
}

#[test]
fn idle_connections_bring_parts_of_a_large_file() {
    let (server, bytes) = (Server::start(), body(12 * MIB + 5, 1));
    for (connections, least, most) in [(1, 2, 6), (4, 5, 20), (16, 9, 40)] {
        let (scene, path) = (Scene::new(), format!("{connections}.whl"));
        server.put(&path, &bytes);
        let wanted = [Wanted { file_name: path.clone(), ..pinned(server.url(&path), &bytes) }];
        assert!(fetched(&scene, connections, &wanted)[0] == bytes);
        let requests = server.seen(&path).len();
        assert!((least..=most).contains(&requests), "{connections} connections made {requests} requests");
        assert_eq!(server.sent(&path), bytes.len() as u64, "{connections}");
    }
}

#[test]
fn who_is_done_with_a_small_file_helps_with_a_large_one() {
    let (scene, server, large, small) = (Scene::new(), Server::start(), body(20 * MIB, 2), body(200_000, 3));
    server.put(NAME, &large);
    server.put("b.whl", &small);
    let other = Wanted { file_name: "b.whl".to_owned(), ..loose(server.url("b.whl")) };
    let found = fetched(&scene, 2, &[loose(server.url(NAME)), other]);
    assert!(found[0] == large && found[1] == small);
    assert_eq!(server.sent(NAME), large.len() as u64);
}

#[test]
fn a_share_that_breaks_is_fetched_alone_from_where_it_broke() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(12 * MIB, 4));
    server.put(NAME, &bytes);
    server.script(NAME, [Turn::Fine, Turn::Cut(100_000), Turn::Status(503, ""), Turn::Cut(MIB)]);
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
    let (scene, server, bytes, other) = (Scene::new(), Server::start(), body(12 * MIB, 6), body(12 * MIB, 7));
    server.put(NAME, &bytes);
    let downloader = downloader(&Settings { connections: 4, ..settings(&scene) });
    let wanted = [loose(server.url(NAME))];
    downloader.peek_all(&wanted, &|_, _| Ok(())).expect("it answers");
    server.put_tagged(NAME, &other, Some("\"two\""));
    let keep = |_: usize, file| {
        assert!(content(&file) == other, "the old end is not mixed with the new beginning");
        Ok(())
    };
    downloader.fetch_all(&wanted, &Silent, &keep).expect("it comes");
}

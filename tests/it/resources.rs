//! Resources: small bodies that are requested ahead, fetched once per address, and retried like
//! files.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pkg_install::download::{Downloader, ResourceRequest, Settings};
use pkg_install::error::ErrorKind;
use pkg_install::fs::Fs;
use pkg_install::outcome::Silent;

use crate::downloads::{MIB, NAME, body, content, downloader, loose, settings};
use crate::support::http_server::{Server, Turn};
use crate::support::scene::Scene;

fn page(server: &Server, path: &str) -> ResourceRequest {
    ResourceRequest {
        url: server.url(path),
        accept: None,
        etag: None,
        gzip: false,
        limit: 10_000,
    }
}

#[test]
fn an_address_is_fetched_once_and_what_arrives_may_ask_for_more() {
    let (scene, server) = (Scene::new(), Server::start());
    server.put("root", b"left right");
    server.put("left", b"right");
    server.put("right", b"root");
    let downloader = downloader(&settings(&scene));
    /// Asks for a page, and for every page that it names.
    fn crawl(downloader: &Downloader, base: &ResourceRequest, seen: &Arc<Mutex<Vec<String>>>) {
        let (next, base, seen) = (downloader.clone(), base.clone(), Arc::clone(seen));
        downloader.want(base.clone(), move |resource| {
            let text = String::from_utf8_lossy(&resource.body).into_owned();
            for name in text.split(' ') {
                let url = resource.url.join(name).expect("it is relative");
                let base = ResourceRequest {
                    url,
                    ..base.clone()
                };
                crawl(&next, &base, &seen);
            }
            seen.lock().expect("no thread panicked").push(text);
        });
    }
    let seen = Arc::default();
    let root = page(&server, "root");
    crawl(&downloader, &root, &seen);
    for (path, text) in [("root", "left right"), ("left", "right"), ("right", "root")] {
        server.wait_for(path, 1);
        let resource = downloader.get(&page(&server, path)).expect("it comes");
        assert_eq!(
            (resource.status, &resource.body[..]),
            (200, text.as_bytes())
        );
        assert_eq!(resource.header("etag"), Some("\"one\""));
        assert_eq!(resource.header("no-such-header"), None);
    }
    assert!(!downloader.want(root, |_| unreachable!("it is here already")));
    assert_eq!(server.order().len(), 3, "{:?}", server.order());
}

#[test]
fn statuses_are_answers_new_tries_or_failures() {
    let (scene, server) = (Scene::new(), Server::start());
    let downloader = downloader(&Settings {
        retries: 2,
        ..settings(&scene)
    });
    server.put("a", b"text");
    let busy = || Turn::Status(503, "Retry-After: 0\r\n");
    server.script("a", [busy(), Turn::Cut(2)]);
    let found = downloader.get(&page(&server, "a")).expect("it comes");
    assert_eq!(found.body, b"text");
    assert_eq!(server.seen("a").len(), 3);
    for status in [304, 404, 410] {
        let path = status.to_string();
        server.put(&path, b"");
        server.always(&path, Turn::Status(status, ""));
        let found = downloader.get(&page(&server, &path)).expect("it answers");
        assert_eq!((found.status, found.body.len()), (status, 0));
    }
    server.put("b", b"text");
    server.script("b", [busy(), busy(), busy(), Turn::Status(403, "")]);
    for says in ["HTTP 503", "HTTP 403"] {
        let error = downloader.get(&page(&server, "b")).expect_err("it fails");
        assert_eq!(error.kind(), ErrorKind::Failed);
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(
        downloader.get(&page(&server, "b")).is_ok(),
        "it is asked for anew"
    );
}

#[test]
fn a_redirect_is_followed_and_a_long_body_refused() {
    let (scene, server) = (Scene::new(), Server::start());
    let downloader = downloader(&settings(&scene));
    server.put("from", b"");
    server.put("to", &[b'x'; 10_000]);
    server.always("from", Turn::Redirect("/to".to_owned()));
    let request = ResourceRequest {
        gzip: true,
        ..page(&server, "from")
    };
    let resource = downloader.get(&request).expect("it comes");
    assert_eq!(
        (&resource.url, resource.body.len()),
        (&server.url("to"), 10_000)
    );
    let encoding = server.seen("to")[0].accept_encoding.clone();
    assert_eq!(encoding.as_deref(), Some("gzip"));
    server.put("long", &[b'x'; 10_001]);
    let error = downloader
        .get(&page(&server, "long"))
        .expect_err("it is too long");
    assert!(
        error.to_string().contains("more than 10000 bytes"),
        "{error}"
    );
}

#[test]
fn resources_come_while_files_use_all_their_connections() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(3 * MIB, 1));
    server.put(NAME, &bytes);
    server.put("page", b"text");
    server.script(NAME, [Turn::Stall(1000)]);
    let downloader = downloader(&Settings {
        connections: 1,
        stall_timeout: Duration::from_millis(500),
        ..settings(&scene)
    });
    let file = loose(server.url(NAME));
    std::thread::scope(|scope| {
        let fetching = scope.spawn(|| downloader.fetch(&file, &Silent));
        server.wait_for(NAME, 1);
        assert!(downloader.get(&page(&server, "page")).is_ok());
        assert_eq!(server.seen(NAME).len(), 1, "the file still stalls");
        let file = fetching
            .join()
            .expect("it does not panic")
            .expect("it comes");
        assert!(content(&file) == bytes);
    });
}

#[test]
fn resources_are_neither_waited_for_in_vain_nor_fetched_offline() {
    let (scene, server) = (Scene::new(), Server::start());
    server.put("silent", b"");
    server.always("silent", Turn::Silence);
    let cancel = Arc::new(AtomicBool::new(false));
    let downloader = Downloader::new(&settings(&scene), &Fs::default(), Arc::clone(&cancel));
    let downloader = downloader.expect("it can be made");
    let (error, waited) = std::thread::scope(|scope| {
        let request = page(&server, "silent");
        let work = scope.spawn(move || downloader.get(&request));
        server.wait_for("silent", 1);
        let begin = Instant::now();
        cancel.store(true, Ordering::Relaxed);
        let result = work.join().expect("it does not panic");
        (result.expect_err("it is cancelled"), begin.elapsed())
    });
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    let offline = crate::downloads::downloader(&Settings {
        offline: true,
        ..settings(&scene)
    });
    let error = offline
        .get(&page(&server, "other"))
        .expect_err("it is not here");
    assert!(error.to_string().contains("/other"), "{error}");
    assert_eq!(server.order(), ["silent"]);
}

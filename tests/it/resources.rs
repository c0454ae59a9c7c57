//! Resources: small bodies that are requested ahead, fetched once per address, and retried like
//! files.

use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use pkg_install::Cancellation;
use pkg_install::download::{Downloader, Keep, Resource, ResourceRequest, Settings, Urgency};
use pkg_install::error::ErrorKind;
use pkg_install::error::Result;
use pkg_install::fs::Fs;
use pkg_install::outcome::Silent;

use crate::downloads::{MIB, NAME, body, content, downloader, loose, settings};
use crate::support::http_server::{Server, Turn};
use crate::support::scene::Scene;

fn page(server: &Server, path: &str) -> ResourceRequest {
    ResourceRequest {
        url: server.url(path),
        accept: None,
        gzip: false,
        limit: 10_000,
        keep: Keep::Never,
        form: None,
        urgency: Urgency::default(),
    }
}

/// Asks for a resource and waits for it, unless the downloader is cancelled.
fn get(downloader: &Downloader, request: &ResourceRequest) -> Result<Resource> {
    let (sender, answer) = channel();
    let send = move |resource| sender.send(resource).expect("the test waits");
    assert!(downloader.want(request.clone(), send), "it is new");
    loop {
        match answer.recv_timeout(Duration::from_millis(50)) {
            Ok(resource) => return resource,
            Err(_) => downloader.cancel().check()?,
        }
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
    fn crawl(downloader: &Downloader, base: &ResourceRequest, found: &Sender<Resource>) {
        let (next, base, found) = (downloader.clone(), base.clone(), found.clone());
        downloader.want(base.clone(), move |resource| {
            let resource = resource.expect("it comes");
            for name in String::from_utf8_lossy(&resource.body).split(' ') {
                let url = resource.url.join(name).expect("it is relative");
                let base = ResourceRequest {
                    url,
                    ..base.clone()
                };
                crawl(&next, &base, &found);
            }
            found.send(resource).expect("the test waits");
        });
    }
    let (found, resources) = channel();
    let root = page(&server, "root");
    crawl(&downloader, &root, &found);
    drop(found);
    let mut texts: Vec<String> = resources
        .iter()
        .map(|found| String::from_utf8(found.body).expect("text"))
        .collect();
    texts.sort();
    assert_eq!(texts, ["left right", "right", "root"]);
    assert!(!downloader.want(root, |_| unreachable!("it is here already")));
    assert_eq!(server.order().len(), 3, "{:?}", server.order());
}

#[test]
fn what_somebody_waits_for_is_asked_for_before_what_was_asked_for_earlier() {
    let (scene, server) = (Scene::new(), Server::start());
    for path in ["first", "a", "b", "c"] {
        server.put(path, b"text");
    }
    let downloader = downloader(&Settings {
        resource_connections: 1,
        ..settings(&scene)
    });
    let next = ["a", "b", "c"].map(|path| page(&server, path));
    let urgency = next[2].urgency.clone();
    let (found, resources) = channel();
    let asking = downloader.clone();
    // Until this returns, the only connection is busy.
    let arrived = move |_| {
        for request in next {
            let found = found.clone();
            asking.want(request, move |resource| {
                found.send(resource).expect("the test waits");
            });
        }
        urgency.raise();
    };
    assert!(downloader.want(page(&server, "first"), arrived));
    assert_eq!(resources.iter().filter(Result::is_ok).count(), 3);
    assert_eq!(server.order(), ["first", "c", "a", "b"]);
}

#[test]
fn a_panic_over_an_answer_ends_the_command() {
    let (scene, server) = (Scene::new(), Server::start());
    server.put("page", b"text");
    let downloader = downloader(&settings(&scene));
    let asked = downloader.want(page(&server, "page"), |resource| {
        panic!("as the test wants, over {resource:?}")
    });
    assert!(asked);
    // A thread that waits for what the answer would have become looks at this, too.
    let begin = Instant::now();
    while downloader.cancel().check().is_ok() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it goes on");
        std::thread::yield_now();
    }
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
    let found = get(&downloader, &page(&server, "a")).expect("it comes");
    assert_eq!(found.body, b"text");
    assert_eq!(server.seen("a").len(), 3);
    for status in [404, 410] {
        let path = status.to_string();
        server.put(&path, b"");
        server.always(&path, Turn::Status(status, ""));
        let found = get(&downloader, &page(&server, &path)).expect("it answers");
        assert_eq!((found.status, found.body.len()), (status, 0));
    }
    server.put("b", b"text");
    // Nothing is kept of it that could be unchanged.
    let unchanged = Turn::Status(304, "");
    server.script(
        "b",
        [busy(), busy(), busy(), Turn::Status(403, ""), unchanged],
    );
    for says in ["HTTP 503", "HTTP 403", "HTTP 304"] {
        let error = get(&downloader, &page(&server, "b")).expect_err("it fails");
        assert_eq!(error.kind(), ErrorKind::Failed);
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(
        get(&downloader, &page(&server, "b")).is_ok(),
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
    let resource = get(&downloader, &request).expect("it comes");
    assert_eq!(
        (&resource.url, resource.body.len()),
        (&server.url("to"), 10_000)
    );
    let encoding = server.seen("to")[0].accept_encoding.clone();
    assert_eq!(encoding.as_deref(), Some("gzip"));
    server.put("long", &[b'x'; 10_001]);
    let error = get(&downloader, &page(&server, "long")).expect_err("it is too long");
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
        assert!(get(&downloader, &page(&server, "page")).is_ok());
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
    let cancel = Cancellation::default();
    let downloader = Downloader::new(&settings(&scene), &Fs::default(), cancel.clone());
    let downloader = downloader.expect("it can be made");
    let (error, waited) = std::thread::scope(|scope| {
        let request = page(&server, "silent");
        let work = scope.spawn(move || get(&downloader, &request));
        server.wait_for("silent", 1);
        let begin = Instant::now();
        cancel.cancel();
        let result = work.join().expect("it does not panic");
        (result.expect_err("it is cancelled"), begin.elapsed())
    });
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(waited < Duration::from_secs(10), "{waited:?}");
    let offline = crate::downloads::downloader(&Settings {
        offline: true,
        ..settings(&scene)
    });
    let error = get(&offline, &page(&server, "other")).expect_err("it is not here");
    assert!(error.to_string().contains("/other"), "{error}");
    assert_eq!(server.order(), ["silent"]);
}

#[test]
fn kept_answers_are_confirmed_used_offline_or_used_for_ever() {
    let (scene, server) = (Scene::new(), Server::start());
    server.put("page", b"text");
    server.put("fixed", b"metadata");
    let again = |settings: &Settings, path: &str, keep: Keep| {
        let request = ResourceRequest {
            keep,
            ..page(&server, path)
        };
        get(&downloader(settings), &request)
    };
    let (plain, cached) = (settings(&scene), settings(&scene));
    let offline = Settings {
        offline: true,
        ..settings(&scene)
    };
    for _ in 0..2 {
        let found = again(&plain, "fixed", Keep::Forever).expect("it is kept");
        assert_eq!((found.body, found.status), (b"metadata".to_vec(), 200));
    }
    assert_eq!(server.seen("fixed").len(), 1);
    again(&cached, "page", Keep::UntilStale).expect("it comes");
    // Without a stated age the server is asked again, and it may say that nothing has changed.
    server.script(
        "page",
        [Turn::Status(304, "Cache-Control: max-age=600\r\n")],
    );
    for _ in 0..2 {
        let found = again(&cached, "page", Keep::UntilStale).expect("it is kept");
        assert_eq!((found.body, found.status), (b"text".to_vec(), 200));
    }
    assert_eq!(server.seen("page").len(), 2, "the second answer is fresh");
    let refresh = Settings {
        refresh: true,
        ..settings(&scene)
    };
    again(&refresh, "page", Keep::UntilStale).expect("it is fetched anew");
    assert_eq!(server.seen("page").len(), 3);
    let found = again(&offline, "page", Keep::UntilStale).expect("it is kept");
    assert_eq!(found.body, b"text");
    let error = again(&offline, "page", Keep::Never).expect_err("it is not kept");
    assert_eq!(error.code(), "offline");
    assert_eq!(server.seen("page").len(), 3);
}

#[test]
fn an_answer_is_kept_in_the_form_that_its_receiver_makes_of_it() {
    let (scene, server) = (Scene::new(), Server::start());
    let settings = settings(&scene);
    let ask = |form: &'static str| {
        let request = ResourceRequest {
            keep: Keep::Forever,
            form: Some(form),
            ..page(&server, "page")
        };
        get(&downloader(&settings), &request).expect("it comes")
    };
    server.put("page", b"a long text");
    let first = ask("short 1");
    assert_eq!(
        (&first.body[..], first.is_in_form),
        (&b"a long text"[..], false)
    );
    // What is not kept is asked for again.
    drop(first);
    ask("short 1").keep(b"short".to_vec());
    let kept = ask("short 1");
    assert_eq!((&kept.body[..], kept.is_in_form), (&b"short"[..], true));
    assert_eq!(server.seen("page").len(), 2);
    let other = ask("short 2");
    assert!(!other.is_in_form, "another form is of no use");
}

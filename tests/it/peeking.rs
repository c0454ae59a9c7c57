//! Reads of remote files: each fetches the bytes it needs and little more, and nothing twice.

use std::time::{Duration, Instant};

use pkg_install::Cancellation;
use pkg_install::download::{Downloader, Peek, RemoteFile, Settings};
use pkg_install::error::ErrorKind;
use pkg_install::fs::{Fs, ReadAt};
use pkg_install::outcome::Silent;
use pkg_install::source::Source;
use pkg_install::wheel::{self, OpenOptions};

use crate::downloads::{
    MIB, NAME, body, content, downloader, files, gone, loose, pinned, settings,
};
use crate::support::http_server::{Server, Turn};
use crate::support::scene::Scene;
use crate::support::wheel_builder::Wheel;

#[track_caller]
fn reads(file: &dyn ReadAt, at: usize, length: usize, whole: &[u8]) {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, at as u64)
        .expect("it can be read");
    assert!(bytes == whole[at..at + length], "other bytes at {at}");
}

#[test]
fn a_look_fetches_little_and_the_rest_is_fetched_later_without_it() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(5 * MIB, 1));
    server.put(NAME, &bytes);
    let wanted = pinned(server.url(NAME), &bytes);
    let looking = downloader(&settings(&scene));
    let peek = looking.peek(&wanted).expect("it answers");
    assert_eq!(
        (peek.size(), peek.path().to_str()),
        (bytes.len() as u64, Some(wanted.label.as_str()))
    );
    reads(&peek, bytes.len() - 22, 22, &bytes);
    reads(&peek, bytes.len() - 65_000, 65_000, &bytes);
    assert_eq!(server.seen(NAME).len(), 1, "the end came with the length");
    reads(&peek, 2 * MIB + 100, 30, &bytes);
    reads(&peek, 2 * MIB + 200, 1000, &bytes);
    reads(&peek, 0, 4, &bytes);
    assert_eq!(server.seen(NAME).len(), 3);
    let looked = server.sent(NAME);
    assert!(looked < 200_000, "{looked}");
    assert_eq!(looked, 73_728 + 2 * 16_384);
    // In another process, as if this one had been killed.
    let file = downloader(&settings(&scene))
        .fetch(&wanted, &Silent)
        .expect("it comes");
    assert!(content(&file) == bytes);
    assert_eq!(server.sent(NAME), bytes.len() as u64);
    assert_eq!(server.seen(NAME).len(), 5, "the two gaps");
    assert_eq!(files(&scene).len(), 1);
    // The look goes on: it sees the complete file.
    assert!(content(&peek) == bytes);
    assert!(content(&looking.peek(&wanted).expect("it is there")) == bytes);
    assert_eq!(server.seen(NAME).len(), 5);
}

#[test]
fn reading_on_fetches_more_each_time() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(3 * MIB, 2));
    server.put(NAME, &bytes);
    let downloader = downloader(&settings(&scene));
    let peek = downloader
        .peek(&loose(server.url(NAME)))
        .expect("it answers");
    for at in (MIB..3 * MIB).step_by(1 << 16) {
        reads(&peek, at, 1 << 16, &bytes);
    }
    assert!(server.seen(NAME).len() <= 7, "{:?}", server.seen(NAME));
    assert_eq!(server.sent(NAME), 2 * MIB as u64);
    assert!(
        content(
            &downloader
                .fetch(&loose(server.url(NAME)), &Silent)
                .expect("it comes")
        ) == bytes
    );
    assert_eq!(
        server.sent(NAME),
        3 * MIB as u64,
        "in one process it is the same file without a promise, too"
    );
}

#[test]
fn a_server_without_ranges_sends_the_whole_file_once() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(300_000, 3));
    for (path, turns) in [
        ("none", vec![Turn::NoRanges]),
        ("refused", vec![Turn::Unsatisfiable, Turn::NoRanges]),
    ] {
        server.put(path, &bytes);
        let requests = turns.len();
        server.script(path, turns);
        let wanted = RemoteFile {
            file_name: format!("{path}.whl"),
            ..loose(server.url(path))
        };
        let downloader = downloader(&settings(&scene));
        let peek = downloader.peek(&wanted).expect("it answers");
        assert!(content(&peek) == bytes);
        assert!(content(&downloader.fetch(&wanted, &Silent).expect("it comes")) == bytes);
        assert_eq!(
            (server.seen(path).len(), server.sent(path)),
            (requests, 300_000),
            "{path}"
        );
    }
}

#[test]
fn small_and_empty_files_can_be_looked_into() {
    let (scene, server) = (Scene::new(), Server::start());
    let downloader = downloader(&settings(&scene));
    for length in [0, 1, 22, 65_536, 65_537] {
        let (path, bytes) = (format!("{length}"), body(length, 4));
        server.put(&path, &bytes);
        let peek = downloader
            .peek(&loose(server.url(&path)))
            .expect("it answers");
        assert_eq!(peek.size(), length as u64);
        assert!(content(&peek) == bytes, "{length}");
        assert_eq!(
            peek.read_at(&mut [0; 9], length as u64)
                .expect("it is the end"),
            0
        );
        assert_eq!(
            peek.read_at(&mut [0; 9], u64::MAX)
                .expect("it is beyond the end"),
            0
        );
        assert_eq!(server.sent(&path), length as u64);
    }
}

#[test]
fn a_look_into_what_was_not_promised_is_refused() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(100_000, 5));
    server.put(NAME, &bytes);
    let downloader = downloader(&settings(&scene));
    let wrong = RemoteFile {
        size: Some(99_999),
        ..loose(server.url(NAME))
    };
    let error = downloader.peek(&wrong).expect_err("it has another length");
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(
        error
            .to_string()
            .contains("has 100000 bytes, 99999 were promised"),
        "{error}"
    );
    server.script(NAME, [Turn::Html]);
    let error = downloader
        .peek(&loose(server.url(NAME)))
        .expect_err("it is a page");
    assert!(error.to_string().contains("text/html"), "{error}");
    server.script(NAME, [gone(), gone()]);
    let error = downloader
        .peek(&loose(server.url(NAME)))
        .expect_err("it is not there");
    assert_eq!(error.kind(), ErrorKind::Failed);
}

#[test]
fn a_read_that_fails_leaves_its_whole_reason() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(300_000, 6));
    server.put(NAME, &bytes);
    let cancel = Cancellation::default();
    let settings = Settings {
        retries: 1,
        ..settings(&scene)
    };
    let downloader =
        Downloader::new(&settings, &Fs::default(), cancel.clone()).expect("it can be made");
    let peek = downloader
        .peek(&loose(server.url(NAME)))
        .expect("it answers");
    server.script(NAME, [Turn::Status(503, ""), Turn::Status(500, "")]);
    let reader: Box<dyn ReadAt> = Box::new(peek.clone());
    let told = reader
        .read_at(&mut [0; 9], 0)
        .expect_err("it cannot be read");
    let failure = peek.take_failure().expect("it is kept");
    assert_eq!(failure.to_string(), told.to_string());
    assert!(failure.to_string().contains("HTTP 500"), "{failure}");
    assert!(peek.take_failure().is_none());
    reads(&peek, 0, 9, &bytes);
    cancel.cancel();
    peek.read_at(&mut [0; 9], 200_000)
        .expect_err("the user wants to stop");
    assert_eq!(
        peek.take_failure().expect("it is kept").kind(),
        ErrorKind::Interrupted
    );
}

#[test]
fn a_file_that_changes_while_it_is_looked_into_is_one_or_the_other() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(300_000, 6));
    server.put(NAME, &bytes);
    let downloader = downloader(&settings(&scene));
    let peek = downloader
        .peek(&loose(server.url(NAME)))
        .expect("it answers");
    let other = body(300_000, 7);
    server.put_tagged(NAME, &other, Some("\"two\""));
    assert!(
        content(&peek) == other,
        "the old end is not mixed with the new beginning"
    );
    server.put_tagged("longer", &bytes, Some("\"one\""));
    let peek = downloader
        .peek(&loose(server.url("longer")))
        .expect("it answers");
    server.put_tagged("longer", &body(300_001, 7), Some("\"two\""));
    peek.read_at(&mut [0; 9], 0)
        .expect_err("its length is not what was said");
    assert!(
        peek.take_failure()
            .is_some_and(|error| error.to_string().contains("changed while it was read"))
    );
}

#[test]
fn many_looks_at_once_share_what_they_fetch() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(400_000, 8));
    server.put(NAME, &bytes);
    let wanted = pinned(server.url(NAME), &bytes);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let downloader = downloader(&settings(&scene));
                let peek = downloader.peek(&wanted).expect("it answers");
                for at in (0..400_000).step_by(50_000) {
                    reads(&peek, at, 10_000, &bytes);
                }
                assert!(content(&downloader.fetch(&wanted, &Silent).expect("it comes")) == bytes);
            });
        }
    });
    assert_eq!(server.sent(NAME), 400_000);
    assert_eq!(files(&scene).len(), 1, "{:?}", files(&scene));
}

#[test]
fn a_wheel_with_a_large_index_is_looked_at_in_three_journeys() {
    let (scene, server) = (Scene::new(), Server::start());
    let noise = body(2 * MIB, 9);
    let mut wheel = Wheel::new("demo", "1.0").stored("demo/large.bin", &noise);
    for number in 0..4000 {
        wheel = wheel.file(
            &format!("demo/{}/{number}.py", "a".repeat(100)),
            format!("x = {number}\n"),
        );
    }
    let path = wheel.write_to(&scene.join("wheels"));
    let bytes = std::fs::read(&path).expect("it was written");
    server.put(NAME, &bytes);
    let downloader = downloader(&settings(&scene));
    let peek = downloader
        .peek(&loose(server.url(NAME)))
        .expect("it answers");
    let options = OpenOptions::default();
    let seen = wheel::Wheel::preview(&Source::from_path(&path), Box::new(peek), options)
        .expect("it is sound");
    assert_eq!(seen.entries.len(), 4004 - 1, "all but RECORD");
    assert_eq!(
        server.seen(NAME).len(),
        3,
        "the end, the index, the metadata: {:?}",
        server.seen(NAME)
    );
    assert!(server.sent(NAME) < 1_500_000, "{}", server.sent(NAME));
}

#[test]
fn a_file_that_is_wrong_is_not_fetched_again_for_what_a_look_of_this_run_has_brought() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(2 * MIB, 11));
    let looked = |tag| {
        server.put_tagged(NAME, &bytes, tag);
        let before = server.sent(NAME);
        let (downloader, wanted) = (
            downloader(&settings(&scene)),
            pinned(server.url(NAME), b"something else"),
        );
        assert!(downloader.peek(&wanted).is_ok());
        let error = downloader
            .fetch(&wanted, &Silent)
            .expect_err("it is another file");
        assert_eq!(error.kind(), ErrorKind::Input);
        server.sent(NAME) - before
    };
    assert_eq!(
        looked(Some("\"one\"")),
        bytes.len() as u64,
        "a strong tag says that all of it is one file"
    );
    assert_eq!(
        looked(None),
        2 * bytes.len() as u64,
        "it may have changed meanwhile"
    );
}

#[test]
fn the_first_look_that_fails_ends_the_rest() {
    let (scene, server) = (Scene::new(), Server::start());
    let wanted = ["stalls", "missing"].map(|path| {
        server.put(path, &body(300_000, 12));
        RemoteFile {
            file_name: format!("{path}.whl"),
            ..loose(server.url(path))
        }
    });
    // Another look stalls at its beginning, or while it is read.
    for (turns, requests) in [(vec![], 1), (vec![Turn::Fine], 2)] {
        server.script("stalls", turns);
        server.always("stalls", Turn::Silence);
        let before = server.seen("stalls").len();
        server.always("missing", Turn::Status(503, ""));
        let downloader = downloader(&Settings {
            retries: 1000,
            ..settings(&scene)
        });
        let looked = |_: usize, peek: Peek| {
            peek.read_at(&mut [0; 9], 0)
                .map(drop)
                .map_err(|_| peek.take_failure().expect("it is kept"))
        };
        let begin = Instant::now();
        let error = std::thread::scope(|scope| {
            let work = scope.spawn(|| downloader.peek_all(&wanted, &Silent, &looked));
            server.wait_for("stalls", before + requests);
            server.always("missing", Turn::Status(404, ""));
            work.join()
                .expect("it does not panic")
                .expect_err("one is missing")
        });
        assert!(error.to_string().contains("HTTP 404"), "{error}");
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "the stall was waited for"
        );
        assert_eq!(
            server.seen("stalls").len(),
            before + requests,
            "it was asked again for nothing"
        );
    }
}

#[test]
fn a_small_file_is_complete_and_checked_after_one_look() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(50_000, 10));
    server.put(NAME, &bytes);
    let peek = downloader(&settings(&scene))
        .peek(&pinned(server.url(NAME), &bytes))
        .expect("it answers");
    assert!(content(&peek.into_complete().expect("all of it is here")) == bytes);
    server.put("other.whl", &bytes);
    let wrong = RemoteFile {
        file_name: "other.whl".to_owned(),
        ..pinned(server.url("other.whl"), b"something else")
    };
    let error = downloader(&settings(&scene))
        .peek(&wrong)
        .expect_err("it is another file");
    assert_eq!(
        (error.kind(), server.seen("other.whl").len()),
        (ErrorKind::Input, 1)
    );
}

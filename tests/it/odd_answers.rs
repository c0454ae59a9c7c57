//! Answers that servers should not give: refused ranges, ranges that cannot be used, labels of
//! codings that are none, bodies without an end.
//!
//! Each server has the whole file. It must arrive, and the same request is not sent again.

use pkg_install::download::{Downloader, RemoteFile, Settings};
use pkg_install::error::ErrorKind;
use pkg_install::fs::{Fs, ReadAt as _};
use pkg_install::outcome::Silent;

use crate::downloads::{MIB, NAME, body, content, downloader, fails, loose, pinned, settings};
use crate::support::http_server::{Seen, Server, Turn, range_of};
use crate::support::scene::Scene;

type Make = fn(&[u8], &Seen) -> (String, Vec<u8>);

/// A head with these lines, and the length of the body.
fn head(status: &str, lines: &str, length: usize) -> String {
    format!("HTTP/1.1 {status} So\r\n{lines}Content-Length: {length}\r\n\r\n")
}

fn whole(body: &[u8]) -> (String, Vec<u8>) {
    (head("200", "", body.len()), body.to_vec())
}

/// Answers a range with 206 and this `Content-Range` line, and other requests as it should.
fn part(body: &[u8], seen: &Seen, line: fn(usize, usize, usize) -> String) -> (String, Vec<u8>) {
    let Some(asked) = &seen.range else {
        return whole(body);
    };
    let range = range_of(asked, body.len()).expect("only ranges that exist are asked for");
    let line = line(range.start, range.end - 1, body.len());
    (head("206", &line, range.len()), body[range].to_vec())
}

fn refused(status: &str, body: &[u8], seen: &Seen) -> (String, Vec<u8>) {
    match seen.range {
        Some(_) => (head(status, "", 0), Vec::new()),
        None => whole(body),
    }
}

/// Looks into the file and then fetches it; returns the ranges that were asked for.
#[track_caller]
fn arrives(turn: Turn) -> Vec<Option<String>> {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(3 * MIB, 1));
    server.put(NAME, &bytes);
    server.always(NAME, turn);
    let wanted = pinned(server.url(NAME), &bytes);
    let downloader = downloader(&settings(&scene));
    let peek = downloader.peek(&wanted).expect("it can be previewed");
    let mut read = vec![0; 5000];
    peek.read_exact_at(&mut read, 4000).expect("it can be read");
    assert!(read == bytes[4000..9000]);
    let file = downloader.fetch(&wanted, &Silent).expect("it comes");
    assert!(content(&file) == bytes);
    let seen = server.seen(NAME);
    seen.into_iter().map(|seen| seen.range).collect()
}

#[test]
fn a_server_that_refuses_ranges_is_asked_once_for_the_whole_file() {
    let refusing: [Make; 10] = [
        |body, seen| refused("400", body, seen),
        |body, seen| refused("401", body, seen),
        |body, seen| refused("403", body, seen),
        |body, seen| refused("404", body, seen),
        |body, seen| refused("405", body, seen),
        |body, seen| refused("406", body, seen),
        |body, seen| refused("412", body, seen),
        |body, seen| refused("416", body, seen),
        |body, seen| refused("501", body, seen),
        |body, seen| refused("505", body, seen),
    ];
    for make in refusing {
        let asked = arrives(Turn::Made(make));
        assert!(matches!(asked.as_slice(), [Some(_), None]), "{asked:?}");
    }
}

#[test]
fn a_server_that_is_busy_for_ranges_only_is_asked_for_the_whole_file_after_two() {
    let busy: [Make; 4] = [
        |body, seen| refused("429", body, seen),
        |body, seen| refused("500", body, seen),
        |body, seen| refused("503", body, seen),
        |body, seen| refused("522", body, seen),
    ];
    for make in busy {
        let asked = arrives(Turn::Made(make));
        assert!(
            matches!(asked.as_slice(), [Some(_), Some(_), None]),
            "{asked:?}"
        );
    }
}

#[test]
fn a_server_that_refuses_all_but_the_first_range_is_asked_for_the_whole_file() {
    let make: Make = |body, seen| match seen.range.as_deref() {
        Some(range) if !range.starts_with("bytes=-") => (head("403", "", 0), Vec::new()),
        _ => part(body, seen, |first, last, all| {
            format!("Content-Range: bytes {first}-{last}/{all}\r\n")
        }),
    };
    let asked = arrives(Turn::Made(make));
    assert!(
        matches!(asked.as_slice(), [Some(_), Some(_), None]),
        "{asked:?}"
    );
}

#[test]
fn ranges_that_cannot_be_used_are_followed_by_one_plain_request() {
    let useless: [Make; 7] = [
        |body, seen| {
            part(body, seen, |first, last, _| {
                format!("Content-Range: bytes {first}-{last}/*\r\n")
            })
        },
        |body, seen| part(body, seen, |_, _, _| String::new()),
        |body, seen| {
            part(body, seen, |first, last, all| {
                format!("Content-Range: {first}-{last}/{all}\r\n")
            })
        },
        // The beginning in place of the end.
        |body, seen| {
            part(body, seen, |first, last, all| {
                format!("Content-Range: bytes 0-{}/{all}\r\n", last - first)
            })
        },
        |body, seen| {
            part(body, seen, |_, _, _| {
                "Content-Type: multipart/byteranges; boundary=B\r\n".to_owned()
            })
        },
        // Fewer and more bytes than the range has.
        |body, seen| {
            part(body, seen, |first, last, all| {
                format!("Content-Range: bytes {}-{last}/{all}\r\n", first - 1)
            })
        },
        |body, seen| {
            part(body, seen, |first, last, all| {
                format!("Content-Range: bytes {}-{last}/{all}\r\n", first + 1)
            })
        },
    ];
    for make in useless {
        let asked = arrives(Turn::Made(make));
        assert!(matches!(asked.as_slice(), [Some(_), None]), "{asked:?}");
    }
}

#[test]
fn a_range_without_a_length_that_runs_over_is_followed_by_a_plain_request() {
    let make: Make = |body, seen| {
        let Some(range) = seen
            .range
            .as_deref()
            .and_then(|asked| range_of(asked, body.len()))
        else {
            return whole(body);
        };
        let (last, all) = (range.end - 1, body.len());
        let lines = format!("Content-Range: bytes {}-{last}/{all}", range.start);
        let more = [&body[range], b"more".as_slice()].concat();
        let chunk = [
            format!("{:x}\r\n", more.len()).as_bytes(),
            &more,
            b"\r\n0\r\n\r\n",
        ]
        .concat();
        (
            format!("HTTP/1.1 206 So\r\n{lines}\r\nTransfer-Encoding: chunked\r\n\r\n"),
            chunk,
        )
    };
    let asked = arrives(Turn::Made(make));
    assert!(matches!(asked.as_slice(), [Some(_), None]), "{asked:?}");
}

#[test]
fn a_plain_request_may_be_answered_with_a_range_of_all_bytes() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(5000, 2));
    server.put(NAME, &bytes);
    let make: Make = |body, _| {
        let all = body.len();
        let line = format!("Content-Range: bytes 0-{}/{all}\r\n", all - 1);
        (head("206", &line, all), body.to_vec())
    };
    server.always(NAME, Turn::Made(make));
    let file = downloader(&settings(&scene)).fetch(&loose(server.url(NAME)), &Silent);
    assert_eq!(content(&file.expect("it comes")), bytes);
    assert_eq!(server.seen(NAME).len(), 1);
}

#[test]
fn labels_that_are_no_coding_and_status_203_are_accepted() {
    let labelled: [Make; 7] = [
        |body, _| {
            (
                head("200", "Content-Encoding: Identity\r\n", body.len()),
                body.to_vec(),
            )
        },
        |body, _| {
            (
                head("200", "Content-Encoding: aws-chunked\r\n", body.len()),
                body.to_vec(),
            )
        },
        |body, _| {
            (
                head("200", "Content-Encoding: none\r\n", body.len()),
                body.to_vec(),
            )
        },
        |body, _| {
            (
                head("200", "Content-Encoding: binary\r\n", body.len()),
                body.to_vec(),
            )
        },
        |body, _| {
            (
                head("200", "Content-Encoding: UTF-8\r\n", body.len()),
                body.to_vec(),
            )
        },
        |body, _| {
            (
                head("200", "Content-Encoding:\r\n", body.len()),
                body.to_vec(),
            )
        },
        |body, _| (head("203", "", body.len()), body.to_vec()),
    ];
    for make in labelled {
        assert_eq!(arrives(Turn::Made(make)).len(), 1);
    }
}

#[test]
fn real_codings_are_refused_in_any_case_and_beside_others() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(5000, 3));
    server.put(NAME, &bytes);
    let coded: [Make; 3] = [
        |body, _| {
            (
                head("200", "Content-Encoding: GZIP\r\n", body.len()),
                body.to_vec(),
            )
        },
        |body, _| {
            (
                head("200", "Content-Encoding: identity, br\r\n", body.len()),
                body.to_vec(),
            )
        },
        |body, _| {
            let lines = "Content-Encoding: identity\r\nContent-Encoding: zstd\r\n";
            (head("200", lines, body.len()), body.to_vec())
        },
    ];
    for make in coded {
        server.always(NAME, Turn::Made(make));
        let file = loose(server.url(NAME));
        let result = downloader(&settings(&scene)).fetch(&file, &Silent);
        let error = fails(result, ErrorKind::Input, &["content encoding"]);
        assert_eq!(error.code(), "content-encoding");
    }
    assert_eq!(server.seen(NAME).len(), 3);
}

#[test]
fn a_body_without_a_length_ends_at_the_promised_size() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(5 * MIB, 4));
    server.put(NAME, &bytes);
    server.always(NAME, Turn::Chunked(None));
    let wanted = RemoteFile {
        size: Some(MIB as u64),
        ..loose(server.url(NAME))
    };
    let result = downloader(&settings(&scene)).fetch(&wanted, &Silent);
    let error = fails(result, ErrorKind::Input, &["more than the 1048576 bytes"]);
    assert_eq!(error.code(), "length-mismatch");
    assert_eq!(server.seen(NAME).len(), 1, "nothing is tried again");
}

#[test]
fn a_server_that_asks_to_wait_for_an_hour_is_given_up_at_once() {
    let (scene, server) = (Scene::new(), Server::start());
    server.put(NAME, &body(5000, 5));
    server.always(NAME, Turn::Status(503, "Retry-After: 3600\r\n"));
    let settings: Settings = settings(&scene);
    let waiting = Downloader::new(&settings, &Fs::default(), Default::default());
    let result = waiting
        .expect("it can be made")
        .fetch(&loose(server.url(NAME)), &Silent);
    let says = ["HTTP 503 Service Unavailable, and it asks to wait 3600 s"];
    fails(result, ErrorKind::Failed, &says);
    assert_eq!(server.seen(NAME).len(), 1);
}

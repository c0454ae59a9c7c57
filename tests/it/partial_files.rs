//! Partial files in a cache: after processes were killed, while processes share the cache, and
//! after damage.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use pkg_install::Cancellation;
use pkg_install::download::{Downloader, RemoteFile, Settings};
use pkg_install::error::ErrorKind;
use pkg_install::error::WarningCode;
use pkg_install::fs::{FaultHook, Fs, FsOp, OpenFile, ReadAt as _};
use pkg_install::outcome::Silent;

use crate::downloads::{
    MIB, NAME, body, content, downloader, fails, files, gone, loose, pinned, settings,
};
use crate::support::http_server::{Server, Turn};
use crate::support::scene::Scene;

#[test]
fn wrong_leftovers_of_an_earlier_process_are_thrown_away_once() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(300_000, 9));
    server.put(NAME, &bytes);
    server.script(NAME, [Turn::WrongCut(100_000), gone(), gone()]);
    let wanted = pinned(server.url(NAME), &bytes);
    fails(
        downloader(&settings(&scene)).fetch(&wanted, &Silent),
        ErrorKind::Failed,
        &["404"],
    );
    assert_eq!(
        content(
            &downloader(&settings(&scene))
                .fetch(&wanted, &Silent)
                .expect("it comes")
        ),
        bytes
    );
    let ranges: Vec<_> = server
        .seen(NAME)
        .into_iter()
        .map(|seen| seen.range)
        .collect();
    let rest = || Some("bytes=100000-299999".to_owned());
    assert_eq!(ranges, [None, rest(), None, rest(), None]);
    // If the server itself is wrong, the second attempt is an error.
    server.put("wrong", &bytes);
    server.script(
        "wrong",
        [Turn::Cut(100_000), gone(), gone(), Turn::Wrong, Turn::Wrong],
    );
    let wanted = RemoteFile {
        file_name: "b.whl".to_owned(),
        ..pinned(server.url("wrong"), &bytes)
    };
    fails(
        downloader(&settings(&scene)).fetch(&wanted, &Silent),
        ErrorKind::Failed,
        &["404"],
    );
    fails(
        downloader(&settings(&scene)).fetch(&wanted, &Silent),
        ErrorKind::Input,
        &["pinned"],
    );
    assert_eq!(server.seen("wrong").len(), 5);
}

#[test]
fn another_process_goes_on_only_if_it_is_surely_the_same_file() {
    let (server, bytes) = (Server::start(), body(300_000, 10));
    let other = body(300_000, 11);
    let strong = Some("\"one\"");
    // The tag of the file that is served first, whether it is pinned, the file served then, whether
    // the rest is enough.
    for (case, (tag, is_pinned, then, goes_on)) in [
        (strong, true, (&bytes, strong), true),
        (strong, false, (&bytes, strong), true),
        (
            Some("W/\"weak\""),
            false,
            (&bytes, Some("W/\"weak\"")),
            false,
        ),
        (None, false, (&bytes, None), false),
        (None, true, (&bytes, None), true),
        (strong, false, (&other, Some("\"two\"")), false),
    ]
    .into_iter()
    .enumerate()
    {
        let (scene, path) = (Scene::new(), format!("case{case}"));
        server.put_tagged(&path, &bytes, tag);
        server.script(&path, [Turn::Cut(100_000), gone(), gone()]);
        let wanted = if is_pinned {
            pinned(server.url(&path), &bytes)
        } else {
            loose(server.url(&path))
        };
        fails(
            downloader(&settings(&scene)).fetch(&wanted, &Silent),
            ErrorKind::Failed,
            &["404"],
        );
        server.put_tagged(&path, then.0, then.1);
        let file = downloader(&settings(&scene))
            .fetch(&wanted, &Silent)
            .expect("it comes");
        assert_eq!(content(&file), *then.0, "{path}");
        let again = if goes_on { 0 } else { 100_000 };
        assert_eq!(server.sent(&path), 300_000 + again, "{path}");
    }
}

/// Dies before a change, as if it were killed: by the number of the change, by how many bytes of
/// the file were written, or by what the change is.
struct Death {
    number: usize,
    written: u64,
    at_rename: bool,
    seen: AtomicUsize,
    bytes: AtomicU64,
    dead: AtomicBool,
}

impl Death {
    fn new(number: usize, written: u64, at_rename: bool) -> Self {
        let (seen, bytes, dead) = Default::default();
        Self {
            number,
            written,
            at_rename,
            seen,
            bytes,
            dead,
        }
    }
}

impl FaultHook for Death {
    fn before(&self, mutation: &FsOp<'_>) -> io::Result<()> {
        let due = match mutation {
            FsOp::Write(path, bytes) if path.ends_with("content") => {
                self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed) + bytes.len() as u64
                    > self.written
            }
            FsOp::Rename(..) => self.at_rename,
            _ => false,
        };
        let dies = due || self.seen.fetch_add(1, Ordering::Relaxed) >= self.number;
        if self.dead.fetch_or(dies, Ordering::Relaxed) || dies {
            Err(io::ErrorKind::Other.into())
        } else {
            Ok(())
        }
    }
}

#[test]
fn a_process_that_is_killed_loses_at_most_the_block_that_it_was_at() {
    let (server, large, small) = (
        Server::start(),
        body(2 * MIB + 300_000, 12),
        body(50_000, 13),
    );
    let never = usize::MAX;
    let amid = [400_000, 1_500_000, 2_300_000]
        .map(|written| (&large, written, Death::new(never, written, false)));
    let late = [(
        &large,
        large.len() as u64,
        Death::new(never, u64::MAX, true),
    )];
    let each = (0..24).map(|number| (&small, 0, Death::new(number, u64::MAX, false)));
    let mut deaths = 0;
    for (case, (bytes, written, death)) in amid.into_iter().chain(late).chain(each).enumerate() {
        let scene = Scene::new();
        // The same file at two addresses: what the first sent before it noticed the death is no
        // matter.
        let [first, second] = ["first", "second"].map(|name| format!("{name}{case}"));
        server.put(&first, bytes);
        server.put(&second, bytes);
        let killed = Downloader::new(
            &settings(&scene),
            &Fs::with_hook(Arc::new(death)),
            Cancellation::default(),
        );
        let result = killed
            .and_then(|downloader| downloader.fetch(&pinned(server.url(&first), bytes), &Silent));
        deaths += usize::from(result.is_err());
        let kept = if files(&scene).iter().any(|file| file.starts_with("wheels")) {
            bytes.len() as u64
        } else {
            logged(&scene)
        };
        assert!(
            kept + MIB as u64 + (1 << 18) >= written,
            "case {case}: {kept} of {written}"
        );
        let wanted = pinned(server.url(&second), bytes);
        let file = downloader(&settings(&scene))
            .fetch(&wanted, &Silent)
            .expect("it comes");
        assert!(content(&file) == *bytes, "case {case}");
        assert_eq!(
            server.sent(&second),
            bytes.len() as u64 - kept,
            "case {case}"
        );
    }
    assert!(deaths > 16, "only {deaths} died");
}

/// The number of bytes that the one log in the cache records.
fn logged(scene: &Scene) -> u64 {
    let Some(log) = files(scene).into_iter().find(|file| file.ends_with("/log")) else {
        return 0;
    };
    let text = std::fs::read_to_string(scene.join("cache").join(log)).expect("it can be read");
    let ranges = text.lines().skip(1).filter_map(|line| line.split_once('-'));
    ranges
        .map(|(start, end)| {
            end.parse::<u64>().expect("it is whole") - start.parse::<u64>().expect("it is whole")
        })
        .sum()
}

#[test]
fn a_damaged_log_promises_no_more_than_it_can() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(300_000, 23));
    server.put(NAME, &bytes);
    let wanted = pinned(server.url(NAME), &bytes);
    let cut = |count| {
        server.script(NAME, [Turn::Cut(count), gone(), gone()]);
        fails(
            downloader(&settings(&scene)).fetch(&wanted, &Silent),
            ErrorKind::Failed,
            &["404"],
        );
    };
    cut(100_000);
    let log = files(&scene)
        .into_iter()
        .find(|file| file.ends_with("/log"))
        .expect("it is there");
    let log = scene.join("cache").join(log);
    let text = std::fs::read_to_string(&log).expect("it can be read");
    // As long as the line that comes next, and then one that would promise everything.
    std::fs::write(&log, text + "xxxxxxxxxxxxx\n0-300000\n").expect("it can be written");
    cut(50_000);
    assert_eq!(logged(&scene), 150_000);
    assert_eq!(
        content(
            &downloader(&settings(&scene))
                .fetch(&wanted, &Silent)
                .expect("it comes")
        ),
        bytes
    );
    assert_eq!(server.sent(NAME), 300_000);
}

#[test]
fn many_processes_that_share_a_cache_fetch_each_file_once() {
    for processes in [2, 8] {
        let (scene, server) = (Scene::new(), Server::start());
        let wanted: Vec<_> = (0..4)
            .map(|number| {
                let (path, bytes) = (format!("{number}"), body(400_000, number));
                server.put(&path, &bytes);
                RemoteFile {
                    file_name: format!("{number}.whl"),
                    ..pinned(server.url(&path), &bytes)
                }
            })
            .collect();
        let settings = Settings {
            connections: 2,
            ..settings(&scene)
        };
        std::thread::scope(|scope| {
            for _ in 0..processes {
                scope.spawn(|| {
                    let count = AtomicU64::new(0);
                    let arrived = |index: usize, file: OpenFile| {
                        assert_eq!(content(&file), body(400_000, index as u64));
                        count.fetch_add(1, Ordering::Relaxed);
                        Ok(())
                    };
                    downloader(&settings)
                        .fetch_all(&wanted, &Silent, &arrived)
                        .expect("all come");
                    assert_eq!(count.into_inner(), 4);
                });
            }
        });
        for number in 0..4 {
            assert_eq!(
                server.sent(&number.to_string()),
                400_000,
                "{processes} processes"
            );
        }
        assert_eq!(files(&scene).len(), 4, "{:?}", files(&scene));
    }
}

#[test]
fn a_damaged_file_of_the_cache_is_fetched_again_with_a_warning() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(50_000, 14));
    server.put(NAME, &bytes);
    let wanted = pinned(server.url(NAME), &bytes);
    let path = downloader(&settings(&scene))
        .fetch(&wanted, &Silent)
        .expect("it comes")
        .path()
        .to_owned();
    for damage in [&bytes[..49_999], &body(50_000, 15)] {
        std::fs::write(&path, damage).expect("it can be written");
        let downloader = downloader(&settings(&scene));
        assert_eq!(
            content(&downloader.fetch(&wanted, &Silent).expect("it comes")),
            bytes
        );
        let warnings = downloader.take_warnings();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert_eq!(
            (warnings[0].code, warnings[0].wheel.as_deref()),
            (WarningCode::DamagedCache, Some(wanted.label.as_str()))
        );
        assert!(
            warnings[0].message.contains(&*path.to_string_lossy()),
            "{warnings:?}"
        );
    }
    assert_eq!(server.seen(NAME).len(), 3);
}

#[test]
fn a_page_in_place_of_the_rest_costs_nothing_of_what_is_there() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(300_000, 21));
    server.put(NAME, &bytes);
    server.script(NAME, [Turn::Cut(200_000), Turn::Html]);
    let wanted = pinned(server.url(NAME), &bytes);
    fails(
        downloader(&settings(&scene)).fetch(&wanted, &Silent),
        ErrorKind::Input,
        &["text/html"],
    );
    let page = server.sent(NAME) - 200_000;
    assert_eq!(
        content(
            &downloader(&settings(&scene))
                .fetch(&wanted, &Silent)
                .expect("it comes")
        ),
        bytes
    );
    assert_eq!(server.sent(NAME), 300_000 + page);
}

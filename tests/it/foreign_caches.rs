//! Caches that other users made, can write to, or have put something into. Most tests need root,
//! who gives files to another user; without it they pass without having tried anything.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use pkg_install::digest::{Algorithm, Digest};
use pkg_install::download::Settings;
use pkg_install::error::ErrorKind;
use pkg_install::outcome::Silent;

use crate::downloads::{NAME, body, content, downloader, fails, files, loose, pinned, settings};
use crate::support::http_server::Server;
use crate::support::scene::Scene;

/// A user that is neither this one nor root.
const OTHER: u32 = 65_534;

/// Gives files to another user; false if this user may not.
fn give(paths: &[&Path]) -> bool {
    paths
        .iter()
        .all(|path| chown(path, Some(OTHER), None).is_ok())
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is this user's");
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode()
        & 0o7777
}

fn place(scene: &Scene, bytes: &[u8]) -> PathBuf {
    let hex = Digest::of(Algorithm::Sha256, bytes).to_hex();
    scene
        .join("cache/wheels")
        .join(&hex[..2])
        .join(hex)
        .join(NAME)
}

/// Puts a complete file into the cache.
fn put(scene: &Scene, named_for: &[u8], bytes: &[u8]) -> PathBuf {
    let place = place(scene, named_for);
    fs::create_dir_all(place.parent().expect("it has one")).expect("there is room");
    fs::write(&place, bytes).expect("there is room");
    place
}

#[test]
fn the_cache_of_another_user_is_refused_if_it_was_named_and_else_not_used() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(50_000, 1));
    server.put(NAME, &bytes);
    fs::create_dir(scene.join("cache")).expect("there is room");
    if !give(&[&scene.join("cache")]) {
        return;
    }
    let named = pkg_install::download::Downloader::new(
        &settings(&scene),
        &pkg_install::fs::Fs::default(),
        pkg_install::Cancellation::default(),
    );
    let error = named.expect_err("it is another user's");
    assert_eq!((error.kind(), error.code()), (ErrorKind::Failed, "cache"));
    assert!(error.to_string().contains("another user"), "{error}");
    let default = Settings {
        cache_is_named: false,
        ..settings(&scene)
    };
    let later = downloader(&default);
    let wanted = loose(server.url(NAME));
    assert_eq!(
        content(&later.fetch(&wanted, &Silent).expect("it comes")),
        bytes
    );
    assert_eq!(
        later.take_warnings()[0].code,
        pkg_install::error::WarningCode::UnusableCache
    );
    assert_eq!(files(&scene), [""; 0]);
}

#[test]
fn everything_that_is_made_is_closed_to_others_and_locks_with_it() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(50_000, 2));
    server.put(NAME, &bytes);
    // An earlier version has made these.
    fs::create_dir_all(scene.join("cache/partial")).expect("there is room");
    for path in ["cache", "cache/partial"] {
        mode(&scene.join(path), 0o777);
    }
    let wanted = loose(server.url(NAME));
    downloader(&settings(&scene))
        .fetch(&wanted, &Silent)
        .expect("it comes");
    let found = pkg_install::fs::walk(&scene.join("cache")).expect("it can be walked");
    for (path, stat) in &found[1..] {
        assert_eq!(stat.mode & 0o077, 0, "{}: {:o}", path.display(), stat.mode);
    }
    // The cache's own directory may be any that the user named, such as `/tmp`.
    assert_eq!(mode_of(&scene.join("cache")), 0o777);
}

#[test]
fn a_file_that_others_can_change_is_copied_and_the_copy_is_checked() {
    let (scene, bytes) = (Scene::new(), body(80_000, 3));
    let at = put(&scene, &bytes, &bytes);
    mode(&at, 0o666);
    let offline = Settings {
        offline: true,
        ..settings(&scene)
    };
    let wanted = pinned("http://127.0.0.1:9/x".parse().expect("a URL"), &bytes);
    let file = downloader(&offline)
        .fetch(&wanted, &Silent)
        .expect("it is there");
    fs::write(&at, body(80_000, 4)).expect("it can be written");
    assert_eq!(content(&file), bytes, "the copy does not change");
    fails(
        downloader(&offline).fetch(&wanted, &Silent),
        ErrorKind::Failed,
        &["not in the cache"],
    );
    // A file that no other user can change is used in place.
    let at = put(&scene, &bytes, &bytes);
    mode(&at, 0o644);
    let file = downloader(&offline)
        .fetch(&wanted, &Silent)
        .expect("it is there");
    fs::write(&at, body(80_000, 4)).expect("it can be written");
    assert_eq!(content(&file), body(80_000, 4));
}

#[test]
fn files_and_directories_that_another_user_has_put_into_the_cache_are_not_trusted() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(80_000, 5));
    server.put(NAME, &bytes);
    let at = put(&scene, &bytes, &bytes);
    if !give(&[at.parent().expect("it has one"), &at]) {
        return;
    }
    let wanted = pinned(server.url(NAME), &bytes);
    let file = downloader(&settings(&scene))
        .fetch(&wanted, &Silent)
        .expect("it comes");
    fs::write(&at, body(80_000, 6)).expect("it can be written");
    assert_eq!(content(&file), bytes);
    // Now it is damaged; it is fetched, although it cannot be kept there.
    let later = downloader(&settings(&scene));
    assert_eq!(
        content(&later.fetch(&wanted, &Silent).expect("it comes")),
        bytes
    );
    assert!(!later.take_warnings().is_empty());

    // A partial file of somebody else is no beginning.
    let wanted = loose(server.url(NAME));
    let key = Digest::of(Algorithm::Sha256, wanted.url.as_str().as_bytes()).to_hex();
    let partial = scene.join("cache/partial").join(&key);
    fs::create_dir_all(&partial).expect("there is room");
    let head = format!(
        "{{\"version\":1,\"total\":80000,\"tag\":\"\\\"one\\\"\",\"strong\":true,\
         \"address\":\"{key}\",\"session\":\"x\"}}\n0-79999\n"
    );
    fs::write(partial.join("content"), body(80_000, 7)).expect("there is room");
    fs::write(partial.join("log"), head).expect("there is room");
    for given in [
        vec![partial.clone()],
        vec![partial.join("log"), partial.join("content")],
    ] {
        let given: Vec<&Path> = given.iter().map(PathBuf::as_path).collect();
        assert!(give(&given));
        let file = downloader(&settings(&scene)).fetch(&wanted, &Silent);
        assert_eq!(content(&file.expect("it comes")), bytes);
        fs::remove_dir_all(scene.join("cache/addresses")).expect("it is there");
        chown(&partial, Some(0), None).ok();
    }
}

#[test]
fn links_pipes_and_directories_in_the_cache_lead_nowhere() {
    let (server, bytes) = (Server::start(), body(60_000, 8));
    server.put(NAME, &bytes);
    let known = Digest::of(Algorithm::Sha512, &bytes);
    let hex = Digest::of(Algorithm::Sha256, &bytes).to_hex();
    let loose_key = Digest::of(Algorithm::Sha256, server.url(NAME).as_str().as_bytes()).to_hex();
    let known_key = Digest::of(Algorithm::Sha256, known.to_string().as_bytes()).to_hex();
    let pinned_key = format!("sha256={hex}");
    let pinned_key = Digest::of(Algorithm::Sha256, pinned_key.as_bytes()).to_hex();
    let mut places = vec![
        "wheels".to_owned(),
        format!("wheels/{}", &hex[..2]),
        format!("wheels/{}/{hex}", &hex[..2]),
        format!("wheels/{}/{hex}/{NAME}", &hex[..2]),
        "addresses".to_owned(),
        "known".to_owned(),
        format!("known/{known_key}"),
        format!("addresses/{loose_key}"),
    ];
    for key in [&loose_key, &pinned_key, &known_key] {
        let inside = ["", "/log", "/content"].map(|name| format!("partial/{key}{name}"));
        places.extend(inside);
    }
    for place in places {
        for kind in ["link", "dangling", "pipe", "directory", "locked"] {
            let scene = Scene::new();
            let outside = scene.join("outside");
            fs::create_dir_all(&outside).expect("there is room");
            for name in [NAME, "log", "content", "file"] {
                fs::write(outside.join(name), "precious").expect("there is room");
            }
            let at = scene.join("cache").join(&place);
            fs::create_dir_all(at.parent().expect("it has one")).expect("there is room");
            match kind {
                "link" if at.extension().is_some() || place.ends_with("log") => {
                    symlink(outside.join("file"), &at).expect("there is room");
                }
                "link" => symlink(&outside, &at).expect("there is room"),
                "dangling" => symlink(outside.join("new"), &at).expect("there is room"),
                "pipe" => {
                    let made = Command::new("mkfifo").arg(&at).status();
                    assert!(made.expect("it is a common program").success());
                }
                "directory" => fs::create_dir_all(at.join("full")).expect("there is room"),
                _ => {
                    fs::write(&at, "x").expect("there is room");
                    mode(&at, 0o000);
                }
            }
            let sha512 = pkg_install::download::RemoteFile {
                pinned: vec![known],
                ..loose(server.url(NAME))
            };
            for wanted in [
                loose(server.url(NAME)),
                pinned(server.url(NAME), &bytes),
                sha512,
            ] {
                let fetched = downloader(&settings(&scene)).fetch(&wanted, &Silent);
                let file = fetched.unwrap_or_else(|error| panic!("{place} {kind}: {error}"));
                assert_eq!(content(&file), bytes, "{place} {kind}");
            }
            let names = fs::read_dir(&outside).expect("it is there").count();
            assert_eq!(names, 4, "{place} {kind}");
            for name in [NAME, "log", "content", "file"] {
                assert_eq!(
                    fs::read(outside.join(name)).expect("it is there"),
                    b"precious"
                );
            }
        }
    }
}

/// Locks what is to be fetched, as another command would. Returns settings that wait a moment only,
/// and the lock.
fn locked(scene: &Scene, wanted: &pkg_install::download::RemoteFile) -> (Settings, fs::File) {
    let key = Digest::of(Algorithm::Sha256, wanted.url.as_str().as_bytes()).to_hex();
    let path = scene.join("cache/partial").join(format!("{key}.lock"));
    fs::create_dir_all(path.parent().expect("it has one")).expect("there is room");
    let held = fs::File::create(&path).expect("there is room");
    fs2::FileExt::lock_exclusive(&held).expect("it is free");
    let impatient = Settings {
        lock_timeout: std::time::Duration::from_millis(20),
        ..settings(scene)
    };
    (impatient, held)
}

#[test]
fn a_wait_for_a_lock_that_nobody_works_under_ends() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(60_000, 9));
    server.put(NAME, &bytes);
    let wanted = loose(server.url(NAME));
    let (impatient, _held) = locked(&scene, &wanted);
    let later = downloader(&impatient);
    assert_eq!(
        content(&later.fetch(&wanted, &Silent).expect("it comes")),
        bytes
    );
    let warnings = later.take_warnings();
    assert!(warnings[0].message.contains(".lock"), "{warnings:?}");
}

/// The locks that are waited for, and the waits that are shown with their time.
#[derive(Default)]
struct Waits(std::sync::Mutex<Vec<String>>);

impl pkg_install::outcome::Events for Waits {
    fn waiting(&self, lock: &Path) {
        let mut waits = self.0.lock().expect("no thread panicked");
        waits.push(lock.display().to_string());
    }

    fn activity_begin(&self, _: usize, activity: &pkg_install::outcome::Activity) {
        if activity.kind == pkg_install::outcome::ActivityKind::WaitForLock {
            let mut waits = self.0.lock().expect("no thread panicked");
            waits.push(activity.subject.clone());
        }
    }
}

#[test]
fn the_wait_for_a_lock_of_a_wheel_that_is_only_looked_at_is_shown() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(60_000, 9));
    server.put(NAME, &bytes);
    let wanted = loose(server.url(NAME));
    let (impatient, _held) = locked(&scene, &wanted);
    let waits = Waits::default();
    let looked = downloader(&impatient).peek_all(&[wanted], &waits, &|_, _| Ok(()));
    looked.expect("it comes without the lock");
    let waits = waits.0.into_inner().expect("no thread panicked");
    assert!(waits.len() >= 2, "{waits:?}");
    assert!(waits.iter().all(|wait| wait.contains(".lock")), "{waits:?}");
}

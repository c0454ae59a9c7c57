//! Caches for wheels: unusable ones, ones that must be left as they are, and commands without one.

use pkg_install::download::{RemoteFile, Settings};
use pkg_install::error::ErrorKind;
use pkg_install::outcome::Silent;

use crate::downloads::{
    NAME, body, content, downloader, fails, files, gone, loose, pinned, settings,
};
use crate::support::http_server::{Server, Turn};
use crate::support::scene::{Run, Scene};
use crate::support::wheel_builder::Wheel;

/// A scene with an environment, and the address of a wheel.
fn scene_and_url() -> (Scene, Server, String) {
    let (scene, server) = (Scene::new(), Server::start());
    scene.venv();
    let wheel = Wheel::new("demo", "1.0");
    server.put(&wheel.wheel_file_name(), &wheel.bytes());
    let url = server.url(&wheel.wheel_file_name()).to_string();
    (scene, server, url)
}

fn reinstall(scene: &Scene, more: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = scene.command();
    command
        .args(["--target", "venv", "--reinstall"])
        .args(more)
        .env("no_proxy", "127.0.0.1");
    Run::of(command.envs(variables.iter().copied()))
}

#[test]
fn a_named_cache_that_cannot_be_used_is_an_error_that_says_what_to_do_instead() {
    let (scene, _server, url) = scene_and_url();
    scene.write("file", "not a directory");
    for cache in ["file", "file/cache"] {
        let failed = reinstall(&scene, &["--cache-dir", cache, &url], &[]);
        failed
            .assert_code(1)
            .assert_stderr("error: cannot use the cache: ")
            .assert_stderr("/file")
            .assert_stderr("`--no-cache`")
            .assert_stderr("state: nothing was changed");
    }
}

#[test]
fn a_default_cache_that_cannot_be_used_is_a_warning_and_the_command_works_without_one() {
    let (scene, _server, url) = scene_and_url();
    let home = scene.write("file", "not a directory").display().to_string();
    let variables = [("XDG_CACHE_HOME", home.as_str())];
    let run = reinstall(&scene, &["--json", &url], &variables);
    run.assert_code(0).assert_stderr("cannot use the cache: ");
    assert_eq!(run.json()["warnings"][0]["code"], "unusable-cache");
    reinstall(&scene, &["--offline", &url], &variables)
        .assert_code(1)
        .assert_stderr("not in the cache");
    let without = reinstall(&scene, &["--no-cache", &url], &variables);
    assert!(!without.stderr.contains("cache"), "{}", without.stderr);
    // A wheel that is here needs no cache.
    let here = scene
        .wheel(&Wheel::new("demo", "1.0"))
        .display()
        .to_string();
    let local = reinstall(&scene, &[&here], &variables);
    local.assert_code(0);
    assert!(!local.stderr.contains("cache"), "{}", local.stderr);
}

#[test]
fn offline_a_part_is_no_file_and_stays_as_it_is() {
    let (scene, server, bytes) = (Scene::new(), Server::start(), body(300_000, 1));
    server.put(NAME, &bytes);
    server.script(NAME, [Turn::Cut(100_000), gone(), gone()]);
    let wanted = pinned(server.url(NAME), &bytes);
    fails(
        downloader(&settings(&scene)).fetch(&wanted, &Silent),
        ErrorKind::Failed,
        &["404"],
    );
    let before = files(&scene);
    let offline = downloader(&Settings {
        offline: true,
        ..settings(&scene)
    });
    let error = fails(
        offline.fetch(&wanted, &Silent),
        ErrorKind::Failed,
        &["not in the cache", &wanted.label],
    );
    assert_eq!(error.code(), "offline");
    assert!(
        offline.peek(&wanted).is_err()
            && offline
                .cached(&wanted)
                .expect("it can be looked at")
                .is_none()
    );
    assert_eq!((files(&scene), server.seen(NAME).len()), (before, 3));
    assert!(
        content(
            &downloader(&settings(&scene))
                .fetch(&wanted, &Silent)
                .expect("it comes")
        ) == bytes
    );
    assert_eq!(server.sent(NAME), 300_000);
}

#[test]
fn a_server_that_ignores_conditions_is_believed_only_if_its_tag_is_the_same() {
    let (old, new) = (body(300_000, 2), body(300_000, 3));
    // Whether the other file has a tag, and whether the wanted one is pinned: then its digest
    // tells.
    for (case, (tag, is_pinned)) in [
        (Some("\"two\""), false),
        (Some("\"two\""), true),
        (None, true),
    ]
    .into_iter()
    .enumerate()
    {
        let (scene, server, path) = (Scene::new(), Server::start(), format!("case{case}"));
        server.put(&path, &old);
        server.script(&path, [Turn::Cut(100_000), gone(), gone()]);
        let known = if is_pinned {
            pinned(server.url(&path), &new)
        } else {
            loose(server.url(&path))
        };
        let wanted = RemoteFile {
            size: Some(300_000),
            ..known
        };
        fails(
            downloader(&settings(&scene)).fetch(&wanted, &Silent),
            ErrorKind::Failed,
            &["404"],
        );
        server.put_tagged(&path, &new, tag);
        server.script(&path, [Turn::Unconditional]);
        let file = downloader(&settings(&scene))
            .fetch(&wanted, &Silent)
            .expect("it comes");
        assert!(
            content(&file) == new,
            "{path}: the old beginning is not mixed with the new end"
        );
        let seen = server.seen(&path);
        assert_eq!(seen[3].if_range.as_deref(), Some("\"one\""), "{seen:?}");
    }
}

#[test]
fn verbose_output_says_how_many_wheels_the_cache_had() {
    let (scene, _server, url) = scene_and_url();
    let wheels = |run: &Run| {
        let mut lines = run.stdout.lines().map(str::trim);
        lines
            .find(|line| line.starts_with("wheels:"))
            .map(str::to_owned)
    };
    let first = reinstall(&scene, &["-v", &url], &[]);
    first.assert_code(0);
    let downloaded = "wheels: 0 from the cache, 1 downloaded";
    assert_eq!(wheels(&first).as_deref(), Some(downloaded));
    let again = reinstall(&scene, &["-v", &url], &[]);
    again.assert_code(0);
    let cached = "wheels: 1 from the cache, 0 downloaded";
    assert_eq!(wheels(&again).as_deref(), Some(cached));
    assert_eq!(wheels(&reinstall(&scene, &[&url], &[])), None);
}

//! State of a cache that was planted at random: whatever it is, nothing beside the cache and the
//! target changes, and nothing but the wheel's own content is installed.
//!
//! The seed is fixed; `PROPTEST_CASES` and `PROPTEST_RNG_SEED` extend it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use pkg_install::fs::walk;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use crate::support::http_server::Server;
use crate::support::scene::{Run, Scene};
use crate::support::wheel_builder::Wheel;

const CONTENT: &str = "right = True\n";

fn run(scene: &Scene, arguments: &[&str]) -> Run {
    let mut command = scene.command();
    command.args(arguments).args(["--cache-dir", "cache"]);
    Run::of(command.env("no_proxy", "127.0.0.1"))
}

/// Puts something else in the place of a file or directory of the cache, or changes it.
fn plant(scene: &Scene, path: &Path, choice: u8) {
    let remove = || {
        let is_directory = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
        let removed = if is_directory {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        };
        removed.is_ok()
    };
    let mode = |mode| fs::set_permissions(path, Permissions::from_mode(mode));
    // Through a link of an earlier choice this test would change what is outside.
    if choice % 12 > 3 && path.is_symlink() {
        return;
    }
    // What an earlier choice has removed or made unreadable stays as it is.
    let _ = match choice % 12 {
        0 if remove() => symlink(scene.join("outside/precious"), path),
        1 if remove() => symlink(scene.join("outside"), path),
        2 if remove() => rustix::fs::mknodat(
            rustix::fs::CWD,
            path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .map_err(Into::into),
        3 if remove() => fs::create_dir(path),
        4 if path.is_file() => fs::write(path, "garbage\n"),
        5 if path.is_file() => fs::write(path, ""),
        6 if path.is_file() => fs::read(path).and_then(|mut bytes| {
            let middle = bytes.len() / 2;
            bytes[middle..].fill(b'0');
            fs::write(path, bytes)
        }),
        7 => mode(0o777),
        8 => mode(0o000),
        9 => std::os::unix::fs::chown(path, Some(65_534), None),
        10 => {
            remove();
            Ok(())
        }
        _ => Ok(()),
    };
}

/// Installs into a new target, which then holds the right content or nothing.
fn install(scene: &Scene, target: &str, arguments: &[&str]) -> Run {
    let fixed = ["--no-compat-check", "--target", target];
    let run = run(scene, &[&fixed, arguments].concat());
    let installed = fs::read_to_string(scene.join(target).join("demo.py"));
    match run.code {
        0 => assert_eq!(installed.expect("it is installed"), CONTENT),
        _ => assert!(installed.is_err(), "{}", run.stderr),
    }
    run
}

/// Installs what is fetched again if the cache cannot be used. Only a named cache that can neither
/// be written to nor read from is refused, so that its user learns that it does nothing.
fn install_unless_refused(scene: &Scene, target: &str, url: &str) {
    let run = install(scene, target, &[url]);
    if is_of_use(scene) {
        run.assert_code(0);
    } else {
        run.assert_code(1);
        assert!(
            run.stderr.contains("cannot use the cache"),
            "{}",
            run.stderr
        );
    }
}

/// Whether the cache can be written to, or has files to read. Those of another user are copied and
/// checked, so that they are of use, too.
fn is_of_use(scene: &Scene) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let user = rustix::process::geteuid().as_raw();
    let partial = fs::symlink_metadata(scene.join("cache/partial"));
    let is_writable = partial.map_or(true, |found| found.is_dir() && found.uid() == user);
    let wheels = scene.join("cache/wheels");
    is_writable || !wheels.is_symlink() && fs::read_dir(wheels).is_ok()
}

fn survives(urls: &[String], choices: &[(u16, u8)]) {
    let scene = Scene::new();
    scene.write("outside/precious", "precious");
    for (number, url) in urls.iter().enumerate() {
        install(&scene, &format!("first-{number}"), &[url]).assert_code(0);
    }
    scene.write(&format!("cache/partial/{:064}/content", 1), "half");
    scene.write(&format!("cache/partial/{:064}/log", 1), "log");
    scene.write(&format!("cache/pages/{:064}", 2), "page");
    let found = walk(&scene.join("cache")).expect("it can be walked");
    for (number, choice) in choices {
        let (path, _) = &found[1 + usize::from(*number) % (found.len() - 1)];
        plant(&scene, &scene.join("cache").join(path), *choice);
    }
    for (number, url) in urls.iter().enumerate() {
        let run = install(&scene, &format!("offline-{number}"), &["--offline", url]);
        if choices.is_empty() {
            run.assert_code(0);
        }
    }
    for action in [
        &["size"][..],
        &["verify"],
        &["prune", "--max-size", "10"],
        &["verify", "--repair"],
    ] {
        let run = run(&scene, &[&["cache"], action].concat());
        assert!(
            [0, 1, 5, 6].contains(&run.code),
            "{action:?}: {}",
            run.stderr
        );
    }
    for (number, url) in urls.iter().enumerate() {
        install_unless_refused(&scene, &format!("second-{number}"), url);
    }
    // Only what is the cache's own is removed, so not what stands in the place of a directory.
    run(&scene, &["cache", "clean"]);
    for (number, url) in urls.iter().enumerate() {
        install_unless_refused(&scene, &format!("third-{number}"), url);
    }
    let outside = walk(&scene.join("outside")).expect("it can be walked");
    assert_eq!(outside.len(), 2, "{outside:?}");
    let precious = fs::read(scene.join("outside/precious")).expect("it is there");
    assert_eq!(precious, b"precious");
}

#[test]
fn whatever_is_planted_in_a_cache_nothing_wrong_is_installed_or_changed() {
    let server = Server::start();
    let wheel = Wheel::new("demo", "1.0").file("demo.py", CONTENT);
    server.put(&wheel.wheel_file_name(), &wheel.bytes());
    let url = server.url(&wheel.wheel_file_name()).to_string();
    let digest =
        pkg_install::digest::Digest::of(pkg_install::digest::Algorithm::Sha256, &wheel.bytes());
    let urls = [url.clone(), format!("{url}#sha256={}", digest.to_hex())];
    let mut config = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 30,
        ..ProptestConfig::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 7;
    }
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(1);
    }
    // Without this case the others could pass although nothing is ever installed from a cache.
    survives(&urls, &[]);
    let choices = vec((any::<u16>(), any::<u8>()), 1..8);
    let result = TestRunner::new(config).run(&choices, |choices| {
        survives(&urls, &choices);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

//! The command `cache`: what it counts, removes, checks and leaves alone.

use std::fs::{self, File, FileTimes};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use pkg_install::download::Downloader;
use pkg_install::fs::Fs;
use pkg_install::outcome::{Events, Silent};
use pkg_install::progress::{Activity, ActivityKind};
use pkg_install::{Cancellation, ErrorKind};
use serde_json::Value;

use crate::downloads;
use crate::support::http_server::{Server, Turn};
use crate::support::scene::{Run, Scene};
use crate::support::wheel_builder::Wheel;

fn cache(scene: &Scene, arguments: &[&str]) -> Run {
    let mut command = scene.command();
    command.arg("cache").args(arguments);
    Run::of(command.args(["--cache-dir", "cache"]))
}

fn json(scene: &Scene, arguments: &[&str]) -> Value {
    let run = cache(scene, &[arguments, &["--json"]].concat());
    run.assert_code(0);
    run.json()["cache"].clone()
}

/// Fetches wheels of these projects into the cache, each of another size.
fn filled(server: &Server, names: &[&str]) -> Scene {
    let scene = Scene::new();
    for (name, number) in names.iter().zip(1..) {
        let wheel =
            Wheel::new(name, "1.0").stored(&format!("{name}.bin"), vec![7; number * 10_000]);
        server.put(&wheel.wheel_file_name(), &wheel.bytes());
        let url = server.url(&wheel.wheel_file_name()).to_string();
        let mut command = scene.command();
        command.args([
            "--cache-dir",
            "cache",
            "--target",
            "app",
            "--no-compat-check",
            "--store",
            "never",
            &url,
        ]);
        Run::of(command.env("no_proxy", "127.0.0.1")).assert_code(0);
    }
    scene
}

fn wheels(scene: &Scene) -> Vec<String> {
    let found = pkg_install::fs::walk(&scene.join("cache/wheels")).expect("it can be walked");
    let names = found
        .iter()
        .filter_map(|(path, _)| path.file_name()?.to_str());
    let names =
        names.filter_map(|name| Some(name.strip_suffix("-1.0-py3-none-any.whl")?.to_owned()));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// Makes the wheel of a project look as if it was used so many days ago.
fn used(scene: &Scene, name: &str, days: u64) {
    let found = pkg_install::fs::walk(&scene.join("cache/wheels")).expect("it can be walked");
    let path = found
        .iter()
        .map(|(path, _)| path)
        .find(|path| path.to_string_lossy().contains(&format!("{name}-1.0-")));
    let path = scene.join("cache/wheels").join(path.expect("it is cached"));
    let time = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
    let file = File::options()
        .write(true)
        .open(path)
        .expect("it can be opened");
    file.set_times(FileTimes::new().set_modified(time))
        .expect("it is this user's");
}

#[test]
fn without_a_cache_every_command_succeeds_and_makes_none() {
    let scene = Scene::new();
    for arguments in [
        &["dir"][..],
        &["size"],
        &["prune"],
        &["prune", "--older-than", "3", "--max-size", "1GB"],
        &["verify"],
        &["verify", "--repair"],
        &["clean"],
        &["clean", "demo"],
    ] {
        cache(&scene, arguments).assert_code(0);
        let found = json(&scene, arguments);
        let directory = scene.join("cache").display().to_string();
        assert_eq!(found["directory"], directory.as_str());
        assert_eq!(found["removed"], serde_json::json!([]));
    }
    assert!(!scene.join("cache").exists());
    assert_eq!(
        cache(&scene, &["dir"]).stdout.trim(),
        scene.join("cache").display().to_string()
    );
    cache(&scene, &["clean", "-x-"]).assert_code(2);
    cache(&scene, &["prune", "--max-size", "much"]).assert_code(2);
    cache(&scene, &[]).assert_code(2);
}

#[test]
fn what_is_not_the_caches_is_neither_counted_nor_touched() {
    let server = Server::start();
    let scene = filled(&server, &["a"]);
    let own = [
        "cache/mine",
        "cache/wheels/mine",
        "cache/partial/mine",
        "cache/notes",
    ];
    for path in own {
        scene.write(path, "precious");
    }
    let outside = scene.write("outside/aa/x", "precious");
    for name in ["cache/wheels/aa", "cache/pages"] {
        std::os::unix::fs::symlink(scene.join("outside"), scene.join(name)).ok();
    }
    let size = json(&scene, &["size"]);
    assert_eq!(size["contents"]["wheels"]["items"], 1);
    assert_eq!(size["contents"]["notes"]["items"], 1);
    let removed = json(&scene, &["clean"]);
    assert_eq!(removed["removed"].as_array().expect("a list").len(), 2);
    for path in own {
        assert_eq!(
            fs::read(scene.join(path)).expect("it is there"),
            b"precious",
            "{path}"
        );
    }
    assert!(outside.exists() && wheels(&scene).is_empty());
    assert_eq!(json(&scene, &["size"])["contents"]["wheels"]["items"], 0);
}

#[test]
fn the_least_recently_used_are_pruned_first_and_a_dry_run_removes_nothing() {
    let server = Server::start();
    let scene = filled(&server, &["a", "b", "c"]);
    for (name, days) in [("a", 5), ("b", 50), ("c", 20)] {
        used(&scene, name, days);
    }
    let paths = |found: &Value| {
        let all = found["removed"].as_array().expect("a list").clone();
        let wheels = all.iter().filter_map(|one| one["path"].as_str());
        wheels.filter(|path| path.starts_with("wheels/")).count()
    };
    assert_eq!(paths(&json(&scene, &["prune"])), 0);
    let dry = json(&scene, &["prune", "--older-than", "30", "--dry-run"]);
    assert_eq!((paths(&dry), wheels(&scene).len()), (1, 3));
    assert_eq!(paths(&json(&scene, &["prune", "--older-than", "30"])), 1);
    assert_eq!(wheels(&scene), ["a", "c"]);
    // Use makes it new again.
    let url = server.url("c-1.0-py3-none-any.whl").to_string();
    let mut command = scene.command();
    command.args([
        "--cache-dir",
        "cache",
        "--target",
        "other",
        "--no-compat-check",
        "--store",
        "never",
        &url,
    ]);
    Run::of(command.env("no_proxy", "127.0.0.1")).assert_code(0);
    cache(&scene, &["prune", "--max-size", "35kB"]).assert_code(0);
    assert_eq!(wheels(&scene), ["c"]);
    cache(&scene, &["clean", "C"]).assert_code(0);
    assert_eq!(wheels(&scene), [""; 0]);
    assert_eq!(json(&scene, &["size"])["contents"]["notes"]["items"], 0);
}

#[test]
fn a_damaged_wheel_is_found_and_removed_on_request() {
    let server = Server::start();
    let scene = filled(&server, &["a", "b"]);
    cache(&scene, &["verify"]).assert_code(0);
    let found = pkg_install::fs::walk(&scene.join("cache/wheels")).expect("it can be walked");
    let mut paths = found.iter().map(|(path, _)| path);
    let path = paths.rfind(|path| path.to_string_lossy().contains("a-1.0-"));
    let path = scene.join("cache/wheels").join(path.expect("it is cached"));
    let mut content = fs::read(&path).expect("it can be read");
    content[100] ^= 1;
    fs::write(&path, content).expect("it can be written");
    for arguments in [&["verify"][..], &["verify", "--repair", "--dry-run"]] {
        let run = cache(&scene, &[arguments, &["--json"]].concat());
        run.assert_code(1).assert_stderr("damaged");
        assert_eq!(
            run.json()["cache"]["damaged"].as_array().map(Vec::len),
            Some(1)
        );
        assert!(path.exists());
    }
    let repaired = json(&scene, &["verify", "--repair"]);
    assert_eq!(repaired["damaged"].as_array().map(Vec::len), Some(1));
    assert_eq!(wheels(&scene), ["b"]);
    cache(&scene, &["verify"]).assert_code(0);
}

#[test]
fn cache_commands_are_safe_beside_running_installs() {
    let server = Server::start();
    let scene = filled(&server, &["a", "b", "c"]);
    let urls = ["a", "b", "c"].map(|name| server.url(&format!("{name}-1.0-py3-none-any.whl")));
    let install = |number: usize| {
        let mut command = scene.command();
        command
            .args(["--cache-dir", "cache", "--target", &format!("app{number}")])
            .arg("--no-compat-check")
            .args(urls.iter().map(ToString::to_string))
            .env("no_proxy", "127.0.0.1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("it starts")
    };
    let actions = [
        &["clean"][..],
        &["prune", "--max-size", "0"],
        &["verify", "--repair"],
        &["size"],
    ];
    for round in 0..6 {
        let running: Vec<_> = (0..3).map(|number| install(round * 3 + number)).collect();
        for _ in 0..3 {
            for action in actions {
                cache(&scene, action).assert_code(0);
            }
        }
        for child in running {
            let output = child.wait_with_output().expect("it ends");
            Run::from(output).assert_code(0);
        }
    }
    for number in 0..18 {
        for name in ["a", "b", "c"] {
            assert!(
                scene
                    .join(&format!("app{number}/{name}-1.0.dist-info/RECORD"))
                    .exists()
            );
        }
    }
}

/// Keeps which waits for locks begin and end, and stops the downloads once one has begun.
struct LockWaits {
    cancel: Cancellation,
    begun: Mutex<Vec<usize>>,
    ended: Mutex<Vec<usize>>,
}

impl Events for LockWaits {
    fn activity_begin(&self, number: usize, activity: &Activity) {
        if activity.kind == ActivityKind::WaitForLock {
            assert!(activity.subject.contains(".lock"), "{}", activity.subject);
            self.begun.lock().expect("no panic").push(number);
            self.cancel.cancel();
        }
    }

    fn activity_end(&self, number: usize) {
        self.ended.lock().expect("no panic").push(number);
    }
}

#[test]
fn a_wait_for_a_file_that_another_command_fetches_is_an_activity() {
    let (scene, server) = (Scene::new(), Server::start());
    server.put(downloads::NAME, &downloads::body(5_000, 3));
    server.always(downloads::NAME, Turn::Silence);
    let wanted = downloads::loose(server.url(downloads::NAME));
    let cancel = Cancellation::default();
    let fetch = |events: &dyn Events| {
        let settings = downloads::settings(&scene);
        let downloader = Downloader::new(&settings, &Fs::default(), cancel.clone());
        let fetched = downloader.expect("it can be made").fetch(&wanted, events);
        assert_eq!(
            fetched.expect_err("it is stopped").kind(),
            ErrorKind::Interrupted
        );
    };
    let waits = LockWaits {
        cancel: cancel.clone(),
        begun: Mutex::default(),
        ended: Mutex::default(),
    };
    std::thread::scope(|threads| {
        threads.spawn(|| fetch(&Silent));
        server.wait_for(downloads::NAME, 1);
        fetch(&waits);
    });
    let begun = waits.begun.into_inner().expect("no panic");
    assert_eq!(begun.len(), 1, "{begun:?}");
    let ended = waits.ended.into_inner().expect("no panic");
    assert!(ended.contains(&begun[0]), "{ended:?}");
}

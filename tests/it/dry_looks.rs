//! Dry runs of a remote wheel with a large RECORD: it is fetched only if a result depends on a
//! digest, and the results are the same as for a local wheel.

use std::path::Path;

use pkg_install::download::{RemoteFile, Settings};
use pkg_install::outcome::Silent;
use pkg_install::source::Source;
use pkg_install::wheel::{self, Digests, OpenOptions, Records};
use serde_json::{Value, json};

use crate::downloads::{body, content, downloader, loose, settings};
use crate::support::http_server::Server;
use crate::support::scene::{Run, Scene, site_packages};
use crate::support::wheel_builder::Wheel;

/// A wheel whose RECORD is large, and so are its index and its content.
fn large() -> Wheel {
    let mut wheel = Wheel::new("large", "1.0").stored("large/noise.bin", body(3 << 20, 1));
    for number in 0..6500 {
        wheel = wheel.file(
            &format!("large/{}/{number}.py", "long-name-".repeat(12)),
            format!("x = {number}\n"),
        );
    }
    wheel
        .entry_points("[console_scripts]\nlarge = large:main\n")
        .data("scripts/tool", "#!python\n")
}

/// A server that has it, and the wheel itself.
struct Ground {
    scene: Scene,
    server: Server,
    path: String,
    length: u64,
    /// How many bytes its index and the end records have, and how many RECORD has as it is packed.
    index: u64,
    record: u64,
}

impl Ground {
    fn new() -> Self {
        let (scene, server) = (Scene::new(), Server::start());
        let (path, image) = (large().wheel_file_name(), large().image());
        let record = image
            .entries
            .iter()
            .find(|entry| entry.central.name.ends_with(b"/RECORD"))
            .expect("it has one");
        let index: usize = image
            .entries
            .iter()
            .map(|entry| 46 + entry.central.name.len())
            .sum();
        let (index, record, bytes) = (
            index as u64 + 22,
            record.body.len() as u64,
            image.to_bytes(),
        );
        scene.write(&format!("here/{path}"), &bytes);
        server.put(&path, &bytes);
        Self {
            scene,
            server,
            path,
            length: bytes.len() as u64,
            index,
            record,
        }
    }

    /// The report of a dry run with these arguments, which must be the same for the local and the
    /// remote wheel; and the number of bytes fetched.
    #[track_caller]
    fn both(&self, venv: &Path, code: i32, arguments: &[&str]) -> (Value, u64) {
        let dry = |wheel: &str| {
            let options = [
                "--dry-run",
                "--json",
                "--no-cache",
                "--target",
                venv.to_str().expect("it is text"),
            ];
            let mut command = self.scene.command();
            let run = Run::of(
                command
                    .args(options)
                    .arg(wheel)
                    .args(arguments)
                    .env("no_proxy", "127.0.0.1"),
            );
            run.assert_code(code);
            let mut report = run.json();
            report
                .as_object_mut()
                .expect("it is an object")
                .remove("timings_ms");
            report
        };
        let here = self
            .scene
            .join("here")
            .join(&self.path)
            .display()
            .to_string();
        let (url, before) = (
            self.server.url(&self.path).to_string(),
            self.server.sent(&self.path),
        );
        let (report, of_here) = (dry(&url), dry(&here));
        let of_here = of_here.to_string().replace(&here, &url);
        let told = report.to_string();
        assert!(told == of_here, "{told:.3000}\n{of_here:.3000}");
        (report, self.server.sent(&self.path) - before)
    }
}

#[test]
fn a_large_record_is_fetched_only_if_something_depends_on_a_digest() {
    let ground = Ground::new();
    let venv = ground.scene.venv();
    let Ground { index, record, .. } = ground;
    let little = 6 * (1 << 14) + Settings::default().tail;
    assert!(
        record > little + little / 4 && ground.length > 2 * (index + record),
        "the sizes show which parts were fetched"
    );
    let (report, sent) = ground.both(&venv, 0, &[]);
    assert_eq!(report["plan"]["write"].as_array().map(Vec::len), Some(6508));
    assert!(
        (index..index + little).contains(&sent),
        "{sent} of {index} and {record}"
    );
    // Another wheel has an equal file at the same place, or another one.
    let path = format!("large/{}/7.py", "long-name-".repeat(12));
    let beside = |name: &str, text: &str| {
        ground
            .scene
            .wheel(&Wheel::new(name, "1.0").file(&path, text))
    };
    let (equal, other) = (beside("equal", "x = 7\n"), beside("other", "x = 8\n"));
    let (report, sent) = ground.both(&venv, 0, &[equal.to_str().expect("it is text")]);
    assert!(
        (index + record..index + record + little).contains(&sent),
        "{sent} of {index} and {record}"
    );
    assert_eq!(report["conflicts"], json!([]));
    let other = other.to_str().expect("it is text");
    let (report, sent) = ground.both(&venv, 4, &[other]);
    assert!(sent >= index + record, "{sent} of {index} and {record}");
    assert_eq!(report["conflicts"][0]["path"], path);
    let (report, sent) = ground.both(&venv, 0, &["--on-conflict", "last", other]);
    assert!(sent >= index + record, "{sent} of {index} and {record}");
    assert_eq!(report["conflicts"][0]["resolution"], "other");
    // RECORD itself is what is asked about.
    let (_, sent) = ground.both(&venv, 0, &["--verify", "strict"]);
    assert!(sent >= index + record, "{sent} of {index} and {record}");
}

#[test]
fn existing_files_are_compared_with_a_large_record() {
    let ground = Ground::new();
    let venv = ground.scene.venv();
    let path = site_packages(&venv)
        .join("large")
        .join("long-name-".repeat(12))
        .join("7.py");
    std::fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
    for (text, code) in [("x = 7\n", 0), ("x = 8\n", 4)] {
        std::fs::write(&path, text).expect("it can be written");
        let (_, sent) = ground.both(&venv, code, &[]);
        assert!(
            sent >= ground.index + ground.record,
            "{sent} of {} and {}",
            ground.index,
            ground.record
        );
    }
}

#[test]
fn a_failure_that_no_digest_would_mend_is_reported_at_once() {
    let ground = Ground::new();
    let venv = ground.scene.venv();
    let lock = std::fs::File::create(venv.join(".lock")).expect("it can be made");
    lock.lock().expect("the lock is free");
    let (report, sent) = ground.both(&venv, 5, &["--lock-timeout", "0"]);
    assert!(
        report["error"]["message"]
            .as_str()
            .is_some_and(|said| said.contains("lock")),
        "{report}"
    );
    assert!(
        sent < ground.index + ground.record,
        "{sent} of {} and {}",
        ground.index,
        ground.record
    );
}

#[test]
fn a_wheel_whose_record_was_not_read_does_not_arrive() {
    let ground = Ground::new();
    let wanted = RemoteFile {
        file_name: ground.path.clone(),
        ..loose(ground.server.url(&ground.path))
    };
    let downloader = downloader(&settings(&ground.scene));
    let source = || Source::from_path(ground.scene.join("here").join(&ground.path));
    let look = |records| {
        let options = OpenOptions {
            records,
            ..OpenOptions::default()
        };
        let peek = downloader.peek(&wanted).expect("it answers");
        wheel::Wheel::preview(&source(), Box::new(peek), options).expect("it is sound")
    };
    let (shallow, deep) = (look(Records::Small), look(Records::All));
    assert_eq!(
        (shallow.digests, deep.digests),
        (Digests::NotRead, Digests::Known)
    );
    assert!(shallow.entries.iter().all(|entry| entry.digest.is_none()));
    assert!(shallow.installs_the_same(&deep));
    let file = || downloader.fetch(&wanted, &Silent).expect("it comes");
    assert_eq!(content(&file()).len() as u64, ground.length);
    let error = shallow
        .check_whole(&source(), file(), &[], OpenOptions::default())
        .expect_err("its digests are not known");
    assert!(
        error.to_string().contains("another file than the one"),
        "{error}"
    );
    deep.check_whole(&source(), file(), &[], OpenOptions::default())
        .expect("it is what it seemed to be");
}

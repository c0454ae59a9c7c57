//! What the program says: conflicts that can be read, one warning for a wheel, sizes that agree,
//! what an undo takes back.

use crate::determinism::demo;
use crate::support::http_server::Server;
use crate::support::scene::{Scene, published_schema};
use crate::support::wheel_builder::Wheel;
use serde_json::{Value, json};

fn pair(scene: &Scene, files: usize) -> [String; 2] {
    ["opencv-python", "opencv-contrib-python"].map(|name| {
        let mut wheel = Wheel::new(name, "4.0");
        for number in 0..files {
            let content = format!("{name} {number}\n").repeat(100);
            wheel = wheel.file(&format!("cv2/file{number:02}.py"), &content);
        }
        scene.wheel(&wheel).display().to_string()
    })
}

#[test]
fn a_conflict_can_be_read_in_80_columns() {
    let scene = Scene::new();
    let venv = scene.venv();
    let [one, two] = pair(&scene, 12);
    let run = scene.install(&venv, &[&one, &two]);
    run.assert_code(4);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(
        lines[0],
        "error: opencv-python and opencv-contrib-python both provide 12 files with different \
         contents"
    );
    assert_eq!(lines[1], "         cv2/file00.py  1.60 kB / 2.40 kB");
    assert_eq!(lines[11], "         …and 2 more (`-v` lists all)");
    assert_eq!(
        lines[12],
        "hint: install only one of them, or choose a winner with `--on-conflict first` or \
         `--on-conflict last`"
    );
    assert!(!run.stderr.contains("sha256="), "{}", run.stderr);
    assert!(lines[1..12].iter().all(|line| line.chars().count() < 80));
    let run = scene.install(&venv, &["-v", &one, &two]);
    run.assert_code(4)
        .assert_stderr("cv2/file11.py")
        .assert_stderr("opencv-python: sha256=");
    let report = scene.install(&venv, &["--json", &one, &two]).json();
    assert_eq!(report["conflicts"].as_array().expect("conflicts").len(), 12);
    assert_eq!(report["conflicts"][0]["sizes"], json!([1600, 2400]));
}

#[test]
fn a_file_that_no_project_owns_is_called_that() {
    let scene = Scene::new();
    let venv = scene.venv();
    scene.write("venv/bin/tool", "mine");
    let wheel = Wheel::new("tool", "1.0").data("scripts/tool", "#!/bin/sh\n");
    let wheel = scene.wheel(&wheel).display().to_string();
    let run = scene.install(&venv, &[&wheel]);
    run.assert_code(4)
        .assert_stderr("tool provides 1 file that exists already with different contents and")
        .assert_stderr("hint: move what is in the way");
}

#[test]
fn conflicts_that_were_resolved_are_reported_after_a_failure_too() {
    let scene = Scene::new();
    let venv = scene.venv();
    let [one, two] = pair(&scene, 1);
    let broken = Wheel::new("broken", "1.0")
        .file("broken.py", "x")
        .wrong_digest("broken.py");
    let broken = scene.wheel(&broken).display().to_string();
    let run = scene.install(
        &venv,
        &["--json", "--on-conflict", "first", &one, &two, &broken],
    );
    run.assert_code(3);
    let report = run.json();
    assert_eq!(report["outcome"], "failed");
    assert_eq!(report["conflicts"][0]["resolution"], "opencv-python");
}

#[test]
fn a_wheel_is_warned_about_in_one_line() {
    let scene = Scene::new();
    let venv = scene.venv();
    let mut odd = Wheel::new("odd", "1.0").file("odd.py", "");
    for number in 0..5 {
        odd = odd.record_line(&format!("gone{number}.py,,"));
    }
    let odd = scene.wheel(&odd).display().to_string();
    let run = scene.install(&venv, &[&odd]);
    run.assert_code(0);
    let warnings: Vec<&str> = run
        .stderr
        .lines()
        .filter(|line| line.contains("warning"))
        .collect();
    assert_eq!(warnings.len(), 1, "{}", run.stderr);
    assert!(
        warnings[0].contains(": 5 files that RECORD lists"),
        "{}",
        run.stderr
    );
    let run = scene.install(&venv, &["-v", "--reinstall", &odd]);
    let warnings = run.stderr.lines().filter(|line| line.contains("warning"));
    assert_eq!(warnings.count(), 5, "{}", run.stderr);
}

#[test]
fn dry_run_installation_and_list_state_one_size() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = Wheel::new("sized", "1.0")
        .file("sized/__init__.py", "x = 1\n".repeat(100))
        .data("scripts/rewritten", "#!python\n")
        .entry_points("[console_scripts]\nsized = sized:main\n");
    let path = scene.wheel(&wheel).display().to_string();
    let bytes = |report: &Value| report["changes"][0]["bytes"].clone();
    let dry = bytes(&scene.install(&venv, &["--dry-run", "--json", &path]).json());
    let done = bytes(&scene.install(&venv, &["--json", &path]).json());
    let listed = scene.install(&venv, &["list", "--json"]).json();
    assert_eq!(dry, done);
    assert_eq!(listed["projects"][0]["bytes"], done);
}

#[test]
fn undo_lists_what_it_takes_back() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = |name: &str, version: &str| {
        let wheel = Wheel::new(name, version).file(&format!("{name}.py"), version);
        scene.wheel(&wheel).display().to_string()
    };
    let [old, new, other] = [
        wheel("idna", "2.7"),
        wheel("idna", "3.20"),
        wheel("other", "1.0"),
    ];
    scene.install(&venv, &[&old]).assert_code(0);
    let run = scene.install(&venv, &["--undoable", &new, &other]);
    run.assert_code(0)
        .assert_stderr("pkg-install undo --target");
    let dry = scene.install(&venv, &["undo", "--dry-run"]);
    dry.assert_code(0);
    assert!(
        dry.stdout.contains("would undo: idna 2.7 → 3.20"),
        "{}",
        dry.stdout
    );
    let report = scene
        .install(&venv, &["undo", "--dry-run", "--json"])
        .json();
    let run = scene.install(&venv, &["undo", "--json"]);
    run.assert_code(0);
    let undone = run.json();
    assert_eq!(
        (&report["outcome"], &undone["outcome"]),
        (&json!("planned"), &json!("committed"))
    );
    assert_eq!(report["changes"], undone["changes"]);
    let idna = &undone["changes"][0];
    assert_eq!(idna["action"], "replace");
    assert_eq!(
        (&idna["version"], &idna["previous"]),
        (&json!("2.7"), &json!("3.20"))
    );
    assert!(
        idna["files"].as_u64().is_some_and(|files| files > 3),
        "{idna}"
    );
    assert_eq!(undone["changes"][1]["action"], "remove");
    // The last transaction is the undo now.
    let run = scene.install(&venv, &["undo"]);
    run.assert_code(5).assert_stderr("nothing to undo");
    assert!(!run.stderr.contains("was not made with"), "{}", run.stderr);

    scene
        .install(&venv, &["uninstall", "--undoable", "idna"])
        .assert_code(0);
    let run = scene.install(&venv, &["undo"]);
    run.assert_code(0);
    assert_eq!(
        run.stdout.lines().next(),
        Some("undone: removal of idna 2.7"),
        "{}",
        run.stdout
    );
    scene
        .install(&venv, &["--reinstall", "--undoable", &old])
        .assert_code(0);
    let run = scene.install(&venv, &["undo", "--json"]);
    assert_eq!(run.json()["changes"][0]["action"], "reinstall");
}

#[test]
fn check_says_how_much_it_has_checked() {
    let scene = Scene::new();
    let venv = scene.venv();
    scene.install(&venv, &[&demo(&scene)]).assert_code(0);
    let run = scene.install(&venv, &["check"]);
    assert_eq!(run.stdout, "checked 1 project, 5 files: all match RECORD\n");
    let run = scene.install(&venv, &[&demo(&scene)]);
    assert!(
        run.stdout.contains("1 project already installed"),
        "{}",
        run.stdout
    );
}

#[test]
fn download_says_what_it_downloaded() {
    let scene = Scene::new();
    let server = Server::start();
    let wheel = Wheel::new("demo", "1.0").file("demo.py", "x");
    let path = wheel.wheel_file_name();
    server.put(&path, &wheel.bytes());
    let url = server.url(&path).to_string();
    let local = demo(&scene);
    let sha256 = |bytes: &[u8]| {
        let algorithm = pkg_install::digest::Algorithm::Sha256;
        pkg_install::digest::Digest::of(algorithm, bytes).to_hex()
    };
    // No environment is needed, and none is there.
    let dry = scene.run(&[
        "download",
        "--dry-run",
        "--json",
        "--no-cache",
        "--dest",
        "to",
        &url,
    ]);
    dry.assert_code(0);
    let report = dry.json();
    assert_eq!(report["outcome"], "planned");
    assert_eq!(report["downloads"][0]["sha256"], Value::Null);
    assert!(!scene.join("to").exists() && server.order().is_empty());
    let run = scene.run(&["download", "--json", "--no-cache", "--dest", "to", &url]);
    run.assert_code(0);
    let report = run.json();
    assert_eq!(report["outcome"], "committed");
    let found = &report["downloads"][0];
    let name = wheel.wheel_file_name();
    assert_eq!(found["path"], json!(format!("to/{name}")));
    assert_eq!(found["url"], json!(url));
    assert_eq!(found["sha256"], json!(sha256(&wheel.bytes())));
    assert_eq!(found["size"], json!(wheel.bytes().len()));
    let run = scene.run(&["download", "--json", "--dest", "copies", &local]);
    let found = &run.json()["downloads"][0];
    assert!(
        found["url"]
            .as_str()
            .is_some_and(|url| url.starts_with("file:///")),
        "{found}"
    );
    assert!(found["sha256"].is_string(), "{found}");
}

#[test]
fn a_report_is_downloaded_without_an_environment() {
    let scene = Scene::new();
    let path = demo(&scene);
    let pins = scene
        .write("pins.txt", format!("{path}\n"))
        .display()
        .to_string();
    let run = scene.run(&["download", "-r", &pins, "--dest", "to"]);
    run.assert_code(0);
}

#[test]
fn the_schema_is_published() {
    let schema = published_schema();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    let known = schema["properties"].as_object().expect("properties");
    for field in [
        "outcome",
        "changes",
        "error",
        "projects",
        "downloads",
        "owners",
        "wheels",
    ] {
        assert!(known.contains_key(field), "{field}");
    }
    let scene = Scene::new();
    let run = scene.run(&["list", "--json-schema"]);
    run.assert_code(0);
}

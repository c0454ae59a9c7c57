//! `history`, and `undo --to`: which transactions are listed and kept, and that several are taken
//! back at once or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::scene::{Run, Scene, assert_unchanged, site_packages, tree};
use crate::support::wheel_builder::Wheel;

/// An environment in which transactions are made.
struct Past {
    scene: Scene,
    venv: PathBuf,
}

impl Past {
    fn new() -> Self {
        let scene = Scene::new();
        let venv = scene.venv();
        Self { scene, venv }
    }

    /// One transaction that is kept for each of these versions of `demo`.
    fn of_versions(versions: &[&str]) -> Self {
        let past = Self::new();
        for version in versions {
            past.put(&["--undoable"], &demo(version));
        }
        past
    }

    fn put(&self, options: &[&str], wheel: &Wheel) {
        let path = self.scene.wheel(wheel).display().to_string();
        self.run(&[options, &[path.as_str()]].concat())
            .assert_code(0);
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.scene.install(&self.venv, arguments)
    }

    fn state(&self, name: &str) -> PathBuf {
        site_packages(&self.venv).join(".pkg-install").join(name)
    }

    /// The transactions as `history --json` lists them.
    fn listed(&self) -> Vec<Value> {
        let run = self.run(&["history", "--json"]);
        run.assert_code(0);
        let report = run.json();
        assert_eq!(report["outcome"], "unchanged");
        report["transactions"].as_array().expect("a list").clone()
    }

    /// Number, `back_to`, `undone` and `kept` of each transaction.
    fn states(&self) -> Vec<Value> {
        let keys = ["number", "back_to", "undone", "kept"];
        let listed = self.listed().into_iter();
        listed
            .map(|one| keys.iter().map(|key| one[key].clone()).collect())
            .collect()
    }

    /// What others see of the environment.
    fn seen(&self) -> String {
        seen(&self.venv)
    }

    /// The command is refused with code 5, `cannot-undo` and these words, and changes nothing.
    #[track_caller]
    fn assert_refused(&self, to: &str, words: &str) {
        let before = tree(&self.venv);
        let run = self.run(&["undo", "--to", to, "--json"]);
        run.assert_code(5);
        let error = &run.json()["error"];
        assert_eq!(error["code"], "cannot-undo");
        let message = error["message"].as_str().expect("a text");
        assert!(message.contains(words), "{message}");
        assert_unchanged(&before, &tree(&self.venv));
    }
}

fn seen(venv: &Path) -> String {
    let tree = tree(venv);
    let lines = tree.lines();
    lines
        .filter(|line| !line.contains("/.pkg-install"))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn demo(version: &str) -> Wheel {
    Wheel::new("demo", version)
        .file("demo/__init__.py", format!("# {version}\n"))
        .file(&format!("demo/sub{version}/b.py"), "b = 1\n")
        .file(&format!("ns/demo{version}.py"), "")
        .data("scripts/tool", "#!/bin/sh\n")
        .entry_points("[console_scripts]\ndemo = demo:main\n")
}

#[test]
fn the_history_begins_with_the_first_transaction_that_is_kept() {
    let past = Past::new();
    past.put(&[], &demo("1.0"));
    assert!(past.listed().is_empty());
    let run = past.run(&["history"]);
    assert!(run.stdout.starts_with("nothing is recorded"), "{run:?}");
    assert!(!past.state("").exists());
    past.put(&["--undoable"], &demo("2.0"));
    past.put(&[], &Wheel::new("other", "1.0").file("other.py", ""));
    past.run(&["uninstall", "--undoable", "demo"])
        .assert_code(0);
    let listed = past.listed();
    let changes: Vec<&Value> = listed.iter().map(|one| &one["changes"]).collect();
    let change = |action: &str, name: &str, version: &str, previous: Option<&str>| {
        let change = [("action", action), ("name", name), ("version", version)];
        let mut change: serde_json::Map<String, Value> = change
            .map(|(key, value)| (key.to_owned(), json!(value)))
            .into_iter()
            .collect();
        change.insert("previous".to_owned(), json!(previous));
        json!([change])
    };
    let wanted = [
        change("replace", "demo", "2.0", Some("1.0")),
        change("install", "other", "1.0", None),
        change("remove", "demo", "2.0", Some("2.0")),
    ];
    assert_eq!(changes, wanted.iter().collect::<Vec<_>>());
    // A transaction that cannot be undone stands in the way of those before it.
    let wanted = [
        json!([1, null, false, false]),
        json!([2, null, false, false]),
        json!([3, null, false, true]),
    ];
    assert_eq!(past.states(), wanted);
    past.assert_refused("1", "transaction 2 was not kept");
    let run = past.run(&["history"]);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{run:?}");
    assert!(lines[0].starts_with("1  20") && lines[0].ends_with("Z  ~ demo 1.0 → 2.0"));
    assert!(lines[2].ends_with("Z  - demo 2.0  (can be undone)"));
}

#[test]
fn several_transactions_are_taken_back_at_once() {
    let past = Past::new();
    past.put(&[], &Wheel::new("other", "1.0").file("ns/other.py", ""));
    let mut states = vec![past.seen()];
    for version in ["1.0", "2.0", "3.0"] {
        past.put(&["--undoable"], &demo(version));
        states.push(past.seen());
    }
    past.run(&["uninstall", "--undoable", "demo", "other"])
        .assert_code(0);
    let all = tree(&past.venv);
    let dry = past.run(&["undo", "--to", "1", "--dry-run", "--json"]);
    dry.assert_code(0);
    let change = &dry.json()["changes"][0];
    assert_eq!(
        [&change["action"], &change["name"], &change["version"]],
        ["install", "demo", "1.0"]
    );
    assert!(change["files"].as_u64().is_some_and(|files| files > 4));
    assert_unchanged(&all, &tree(&past.venv));
    past.run(&["undo", "--to", "2"]).assert_code(0);
    assert_unchanged(&states[2], &past.seen());
    let wanted = [
        json!([1, null, false, true]),
        json!([2, null, false, true]),
        json!([3, null, true, false]),
        json!([4, null, true, false]),
        json!([5, 2, false, false]),
    ];
    assert_eq!(past.states(), wanted);
    past.run(&["check"]).assert_code(0);
    past.assert_refused("3", "it was itself taken back");
    past.assert_refused("9", "no such transaction");
    let run = past.run(&["undo", "--to", "5", "--json"]);
    assert_eq!(run.assert_code(0).json()["outcome"], "unchanged");
    past.run(&["undo", "--to", "0"]).assert_code(0);
    assert_unchanged(&states[0], &past.seen());
    assert!(!past.state("").exists(), "nothing of ours stays");
}

/// The last transaction is the undo then, which cannot be undone; a number goes further back.
#[test]
fn an_undo_after_an_undo_needs_a_number() {
    let past = Past::of_versions(&["1.0", "2.0"]);
    past.run(&["undo"]).assert_code(0);
    past.run(&["undo"]).assert_code(5).assert_stderr("--to");
    past.put(&["--undoable"], &demo("3.0"));
    assert_eq!(past.states()[2], json!([3, 1, false, false]));
    past.run(&["undo", "--to", "3"]).assert_code(0);
    let run = past.run(&["list", "--format", "freeze"]);
    assert_eq!(run.stdout, "demo==1.0\n");
    past.run(&["undo", "--to", "0"]).assert_code(0);
    assert!(!past.state("").exists());
}

#[test]
fn a_change_that_only_an_earlier_transaction_shows_takes_the_undo_back() {
    let past = Past::new();
    past.put(&["--undoable"], &demo("1.0"));
    past.put(
        &["--undoable"],
        &Wheel::new("other", "1.0").file("other.py", ""),
    );
    let edited = site_packages(&past.venv).join("demo/__init__.py");
    fs::write(&edited, "# edited\n").expect("it can be written");
    past.assert_refused("0", "`lib/");
    let run = past.run(&["undo", "--to", "0", "--json"]);
    assert_eq!(run.json()["error"]["effect"], "rolled-back");
    past.run(&["undo"]).assert_code(0);
}

#[test]
fn ten_transactions_are_kept_and_the_files_of_older_ones_deleted() {
    let versions: Vec<String> = (1..=12).map(|version| format!("{version}.0")).collect();
    let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    let past = Past::of_versions(&versions);
    let kept: Vec<bool> = past
        .listed()
        .iter()
        .map(|one| one["kept"] == json!(true))
        .collect();
    assert_eq!(kept, [vec![false; 2], vec![true; 10]].concat());
    let names = fs::read_dir(past.state("")).expect("it is there");
    let names = names.map(|entry| entry.expect("listed").file_name());
    let trash = names.filter(|name| name.to_string_lossy().starts_with("trash-"));
    assert_eq!(trash.count(), 10);
    past.assert_refused("1", "transaction 2 was not kept");
    past.run(&["undo", "--to", "2"]).assert_code(0);
    let run = past.run(&["list", "--format", "freeze"]);
    assert_eq!(run.stdout, "demo==2.0\n");
}

/// The record of a transaction is enough to undo it; the numbers go on.
#[test]
fn a_lost_or_torn_history_loses_no_files() {
    for content in [None, Some("{\"number\":1,\"ti"), Some("nonsense\n\n")] {
        let past = Past::of_versions(&["1.0", "2.0", "3.0"]);
        match content {
            Some(content) => fs::write(past.state("history"), content),
            None => fs::remove_file(past.state("history")),
        }
        .expect("it can be changed");
        past.run(&["undo"]).assert_code(0);
        assert!(past.state("undo-2").is_file() && past.state("undo-1").is_file());
        past.put(&["--undoable"], &demo("4.0"));
        assert!(past.listed().iter().any(|one| one["number"] == 5));
    }
}

#[test]
fn the_epoch_is_the_time_of_a_transaction_if_it_is_given() {
    let past = Past::new();
    let wheel = past.scene.wheel(&demo("1.0")).display().to_string();
    let target = past.venv.display().to_string();
    let words = ["--undoable", &wheel, "--target", &target];
    let run = past
        .scene
        .run_with(&[("SOURCE_DATE_EPOCH", "1600000000")], &words);
    run.assert_code(0);
    assert_eq!(past.listed()[0]["time"], "2020-09-13T12:26:40Z");
}

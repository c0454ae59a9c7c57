//! What `--save-lock` and `--save-report` save of an installation from names.

use std::fs::{self, File};
use std::os::unix::fs::symlink;

use crate::index_install::IndexScene;
use crate::support::scene::{Run, assert_unchanged, tree};
use crate::support::wheel_builder::Wheel;

/// An index with `app`, which needs `base`; the older version of `base` is installed.
fn with_base() -> IndexScene {
    let index = IndexScene::new();
    index.put("base", &[("1.0", &[]), ("2.0", &[])]);
    index.put("app", &[("1.0", &["base"])]);
    index.run(&["base==1.0", "--target", "venv"]).assert_code(0);
    index
}

#[test]
fn a_saved_lock_file_has_what_is_installed_already() {
    let index = with_base();
    let lock = index.scene.join("pylock.toml");
    for requirements in [&["app"][..], &["app", "base"], &["app"]] {
        fs::remove_file(&lock).ok();
        let options = ["--target", "venv", "--save-lock", "pylock.toml"];
        index.run(&[requirements, &options].concat()).assert_code(0);
        let text = fs::read_to_string(&lock).expect("it was saved");
        for name in ["app", "base"] {
            let package = format!("name = \"{name}\"\nversion = \"1.0\"");
            assert!(text.contains(&package), "{text}");
        }
        // It removes nothing, and installs the same elsewhere.
        index
            .run(&["sync", "pylock.toml", "--check", "--target", "venv"])
            .assert_code(0);
    }
    index
        .run(&["sync", "pylock.toml", "--target", "new"])
        .assert_code(0);
    assert!(index.scene.join("new/base.py").exists());
}

#[test]
fn a_lock_file_without_a_project_that_only_the_environment_has_is_not_saved() {
    let index = with_base();
    index.put("other", &[("1.0", &["local"])]);
    let local = index.scene.wheel(&Wheel::new("local", "1.0"));
    let local = local.display().to_string();
    index.run(&[&local, "--target", "venv"]).assert_code(0);
    let before = tree(&index.scene.join("venv"));
    let words = ["other", "--target", "venv", "--save-lock", "pylock.toml"];
    index.run(&words).assert_code(7).assert_stderr("local");
    assert!(!index.scene.join("pylock.toml").exists());
    assert_unchanged(&before, &tree(&index.scene.join("venv")));
    index.run(&words[..3]).assert_code(0);
}

#[test]
fn a_saved_report_has_what_is_installed_anew() {
    let index = with_base();
    let words = ["app", "--target", "venv", "--save-report", "report.json"];
    index.run(&words).assert_code(0);
    let text = fs::read_to_string(index.scene.join("report.json")).expect("it was saved");
    let report: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let items = report["install"].as_array().expect("it is a list");
    let names: Vec<_> = items.iter().map(|item| &item["metadata"]["name"]).collect();
    assert_eq!(names, ["app"]);
}

#[test]
fn a_link_stays_and_what_it_leads_to_is_written() {
    let index = with_base();
    let scene = &index.scene;
    let save = |report| index.run(&["resolve", "app", "--target", "venv", "--report", report]);
    scene.write("elsewhere/old.json", "old");
    symlink("elsewhere/old.json", scene.join("report.json")).expect("it can be made");
    save("report.json").assert_code(0);
    assert!(scene.join("report.json").is_symlink());
    let text = fs::read_to_string(scene.join("elsewhere/old.json")).expect("it is there");
    assert!(text.contains("\"install\""), "{text}");

    symlink("nowhere", scene.join("lost.json")).expect("it can be made");
    save("lost.json").assert_code(1);
    assert!(scene.join("lost.json").is_symlink());
}

#[test]
fn an_open_descriptor_is_written_to_and_never_replaced() {
    let index = with_base();
    // Like `/dev/stdout`, which must stay what it is.
    let link = index.scene.join("stdout");
    symlink("/proc/self/fd/1", &link).expect("it can be made");
    for at in ["stdout", "/proc/self/fd/1"] {
        for append in [true, false] {
            let before = index.scene.write("all.txt", "before\n");
            let all = (File::options().append(append).write(true).truncate(!append)).open(&before);
            let url = index.server.url("simple/").to_string();
            let mut command = index.scene.command();
            command
                .args(["resolve", "app", "--target", "venv", "--report", at])
                .args(["--index-url", &url, "--cache-dir", "cache"])
                .env("no_proxy", "127.0.0.1")
                .stdout(all.expect("it is there"));
            Run::of(&mut command).assert_code(0);
            let text = fs::read_to_string(&before).expect("it is there");
            assert_eq!(text.starts_with("before\n"), append, "{text}");
            let (report, pins) = text.split_once("app==1.0").expect("pins are printed");
            assert!(
                report.contains("\"install\"") && report.trim().ends_with('}'),
                "{text}"
            );
            assert!(pins.contains("base==2.0"), "{text}");
            assert!(link.is_symlink());
        }
    }
}

#[test]
fn a_lock_file_is_not_saved_under_a_name_that_no_tool_takes() {
    let index = with_base();
    for words in [
        ["resolve", "app", "--lock", "lock.toml"],
        ["install", "app", "--save-lock", "my-pylock.toml"],
    ] {
        index
            .run(&[&words[..], &["--target", "venv"]].concat())
            .assert_code(2)
            .assert_stderr("is not a lock file's name");
        assert!(!index.scene.join(words[3]).exists() && !index.has("app-1.0"));
    }
    let words = ["resolve", "app", "--lock", "pylock.mine.toml"];
    index
        .run(&[&words[..], &["--target", "venv"]].concat())
        .assert_code(0);
    // What is open may have any name.
    let words = ["resolve", "app", "--lock", "/dev/stdout"];
    let run = index.run(&[&words[..], &["--target", "venv"]].concat());
    run.assert_code(0);
    assert!(run.stdout.contains("lock-version"), "{}", run.stdout);
}

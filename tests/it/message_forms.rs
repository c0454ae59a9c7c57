//! Messages in other forms and places: GitHub Actions, a log, and progress on a descriptor.

use std::process::Command;

use serde_json::Value;

use crate::support::scene::{Run, Scene, assert_unchanged, tree};
use crate::support::wheel_builder::Wheel;

fn wheel(scene: &Scene) -> String {
    let wheel = Wheel::new("demo", "1.0").file("demo.py", "x = 1\n");
    scene.wheel(&wheel).display().to_string()
}

#[test]
fn github_gets_annotations_on_stderr_and_a_summary_of_the_job() {
    let scene = Scene::new();
    let venv = scene.venv().display().to_string();
    let summary = scene.join("summary.md");
    let path = summary.display().to_string();
    let good = wheel(&scene);
    let bad = scene.write("bad-1.0-py3-none-any.whl", "no archive");
    let run = |wheel: &str| {
        let arguments = [wheel, "--target", &venv, "--output-format", "github"];
        scene.run_with(&[("GITHUB_STEP_SUMMARY", &path)], &arguments)
    };
    let refused = run(&bad.display().to_string());
    refused.assert_code(3);
    let line = refused.stderr.lines().next().unwrap_or_default();
    assert!(
        line.starts_with("::error title=pkg-install%3A not-an-archive::"),
        "{line}"
    );
    let done = run(&good);
    done.assert_code(0);
    assert!(!done.stdout.contains("::"), "{}", done.stdout);
    let written = std::fs::read_to_string(&summary).expect("the summary is there");
    assert!(written.contains("**not-an-archive**"), "{written}");
    assert!(written.contains("| demo | 1.0 |  |"), "{written}");
    // A command that only looks leaves the page alone.
    let list = ["list", "--target", &venv, "--output-format", "github"];
    scene
        .run_with(&[("GITHUB_STEP_SUMMARY", &path)], &list)
        .assert_code(0);
    let again = std::fs::read_to_string(&summary).expect("the summary is there");
    assert_eq!(written, again);
}

#[test]
fn a_log_keeps_what_commands_say_without_colour() {
    let scene = Scene::new();
    let venv = scene.venv().display().to_string();
    let log = scene.join("install.log");
    let path = log.display().to_string();
    let wheel = wheel(&scene);
    let more = ["--target", &venv, "--log", &path];
    let arguments = [&[&*wheel, "--json", "--color", "always"], &more[..]].concat();
    let installed = scene.run(&arguments);
    installed.assert_code(0);
    assert_eq!(installed.json()["outcome"], "committed");
    let arguments = [&["uninstall", "missing"], &more[..]].concat();
    scene.run(&arguments).assert_code(5);
    let text = std::fs::read_to_string(&log).expect("the log is there");
    let lines: Vec<&str> = text.lines().collect();
    let version = env!("CARGO_PKG_VERSION");
    let begin = format!("Z pkg-install {version} install begins");
    assert!(lines[0].ends_with(&begin), "{text}");
    for part in [
        "demo",
        "install ended with 0",
        "uninstall ended with 5",
        "error: ",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_log_that_cannot_be_opened_stops_the_command_before_it_begins() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = wheel(&scene);
    let before = tree(&venv);
    let missing = scene.join("missing/install.log").display().to_string();
    for option in [["--log", &*missing], ["--progress-fd", "77"]] {
        let run = scene.install(&venv, &[&[&*wheel], &option[..]].concat());
        run.assert_code(2);
        assert_unchanged(&before, &tree(&venv));
    }
}

#[test]
fn progress_goes_to_a_descriptor_and_stderr_keeps_the_messages() {
    let scene = Scene::new();
    let venv = scene.venv().display().to_string();
    let events = scene.join("events");
    let script = format!(
        "exec {} {} --target {venv} --progress-fd 3 3>{}",
        env!("CARGO_BIN_EXE_pkg-install"),
        wheel(&scene),
        events.display()
    );
    let run = Run::of(
        Command::new("sh")
            .args(["-c", &script])
            .current_dir(scene.path()),
    );
    run.assert_code(0);
    assert!(!run.stderr.contains("\"event\""), "{}", run.stderr);
    let text = std::fs::read_to_string(events).expect("the events are there");
    let kinds: Vec<String> = text
        .lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line).expect("each line is JSON");
            event["event"].as_str().expect("it has a kind").to_owned()
        })
        .collect();
    assert!(kinds.iter().any(|kind| kind == "stage-end"), "{kinds:?}");
    let both = ["list", "--progress-fd", "1", "--progress", "json"];
    scene.run(&both).assert_code(2);
}

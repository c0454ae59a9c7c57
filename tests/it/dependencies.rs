//! Requirements of installed projects: `check --requires`, and the warning after a change.

use std::path::Path;

use serde_json::Value;

use crate::support::scene::Scene;
use crate::support::wheel_builder::Wheel;

fn requiring(name: &str, version: &str, requires: &[&str]) -> Wheel {
    let wheel = Wheel::new(name, version).file(&format!("{name}.py"), version);
    let lines = requires.iter();
    lines.fold(wheel, |wheel, line| {
        wheel.metadata_line(&format!("Requires-Dist: {line}"))
    })
}

/// The codes and messages of the warnings about dependencies after a command.
fn warned(scene: &Scene, venv: &Path, arguments: &[&str]) -> Vec<(String, String)> {
    let run = scene.install(venv, &[arguments, &["--json"]].concat());
    let warnings = run.assert_code(0).json()["warnings"].clone();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let warnings = warnings.as_array().expect("an array").iter();
    warnings
        .map(|warning| (text(&warning["code"]), text(&warning["message"])))
        .filter(|(code, _)| code.ends_with("-dependency"))
        .collect()
}

#[test]
fn what_is_required_and_not_installed_is_warned_of_once() {
    let scene = Scene::new();
    let venv = scene.venv();
    let requires = [
        "there>=1",
        "Missing.One (>=2,<3)",
        "other; python_version < '3'",
        "extra; extra == 'x'",
    ];
    let path = |wheel: &Wheel| scene.wheel(wheel).display().to_string();
    let demo = path(&requiring("demo", "1.0", &requires));
    let there = path(&requiring("there", "1.5", &[]));
    let found = warned(&scene, &venv, &[&demo, &there]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "missing-dependency");
    assert!(found[0].1.contains("missing-one"), "{found:?}");
    // The next command does not touch it.
    let third = path(&requiring("third", "1.0", &[]));
    assert!(warned(&scene, &venv, &[&third]).is_empty());
    // These do.
    let newer = path(&requiring("there", "0.5", &[]));
    let found = warned(&scene, &venv, &[&newer]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "incompatible-dependency");
    assert!(found[0].1.contains("0.5 is installed"), "{found:?}");
    let found = warned(&scene, &venv, &["uninstall", "there"]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "missing-dependency");
}

#[test]
fn check_finds_requirements_that_are_not_met_if_it_is_asked_to() {
    let scene = Scene::new();
    for target in [scene.venv(), scene.join("app")] {
        let wheels = [
            requiring("demo", "1.0", &["there>=2", "missing", "pre>=1.0a1"]),
            requiring("there", "1.5", &[]),
            requiring("pre", "1.0a2", &[]),
        ];
        let wheels = wheels.map(|wheel| scene.wheel(&wheel));
        scene.install(&target, &wheels).assert_code(0);
        scene.install(&target, &["check"]).assert_code(0);
        let run = scene.install(&target, &["check", "--requires", "--json"]);
        let report = run.assert_code(6).json();
        assert_eq!(report["error"]["code"], "unmet-requirements");
        let unmet = report["unmet_requirements"].as_array().expect("an array");
        assert_eq!(unmet.len(), 2, "{report}");
        assert_eq!(unmet[0]["project"], "demo");
        assert_eq!(unmet[0]["installed"], Value::Null);
        assert_eq!(unmet[1]["installed"], "1.5");
        let run = scene.install(&target, &["check", "--requires"]);
        run.assert_code(6);
        assert!(
            run.stdout.contains("missing, which is not installed"),
            "{}",
            run.stdout
        );
        scene
            .install(&target, &["check", "--requires", "there"])
            .assert_code(0);
        let there = scene.wheel(&requiring("there", "2.0", &[]));
        let missing = scene.wheel(&requiring("missing", "1", &[]));
        scene.install(&target, &[there, missing]).assert_code(0);
        scene
            .install(&target, &["check", "--requires"])
            .assert_code(0);
    }
}

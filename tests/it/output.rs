//! The output is a contract: the JSON report, standard output and standard error, usage errors, and
//! options from variables.

use crate::determinism::demo;
use crate::support::scene::{Run, Scene, site_packages};
use crate::support::verdict::refused;
use crate::support::wheel_builder::Wheel;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

const FIELDS: [&str; 8] = [
    "changes",
    "conflicts",
    "environment",
    "error",
    "outcome",
    "timings_ms",
    "version",
    "warnings",
];

#[test]
fn the_json_report_of_a_success() {
    let scene = Scene::new();
    let venv = scene.venv();
    let path = demo(&scene);
    let run = scene.install(&venv, &["--json", &path]);
    run.assert_code(0);
    let report = run.json();
    let mut found = keys(&report);
    found.sort_unstable();
    assert_eq!(found, FIELDS);
    assert_eq!(
        (&report["version"], &report["outcome"], &report["error"]),
        (&json!(1), &json!("committed"), &Value::Null)
    );
    let library = site_packages(&venv);
    let expected = json!({"root": venv, "kind": "venv", "purelib": library, "platlib": library,
        "scripts": venv.join("bin")});
    assert_eq!(report["environment"], expected);
    let change = &report["changes"][0];
    for (field, value) in [
        ("action", json!("install")),
        ("name", json!("demo")),
        ("version", json!("1.0")),
        ("previous", Value::Null),
        ("source", json!(path)),
        ("files", json!(5)),
    ] {
        assert_eq!(change[field], value, "{field}");
    }
    let bytes: u64 = [
        "demo/__init__.py",
        "METADATA",
        "WHEEL",
        "INSTALLER",
        "RECORD",
    ]
    .iter()
    .map(|name| size(&library, name))
    .sum();
    assert_eq!(change["bytes"], bytes);
    for step in ["open", "plan", "stage", "commit"] {
        assert!(report["timings_ms"][step].is_number(), "{step}");
    }
}

fn size(library: &Path, name: &str) -> u64 {
    let path = if name.contains('/') {
        library.join(name)
    } else {
        library.join("demo-1.0.dist-info").join(name)
    };
    fs::metadata(path).expect("it is there").len()
}

#[test]
fn the_json_report_of_a_failure_and_of_wrong_usage() {
    let scene = Scene::new();
    let venv = scene.venv();
    let path = demo(&scene);
    let gone = scene.join("gone.whl").display().to_string();
    let broken = scene
        .write("bad-1.0-py3-none-any.whl", "no")
        .display()
        .to_string();
    let cases: [(&[&str], i32, &str); 5] = [
        (&[&broken], 3, "input"),
        (&[&gone], 2, "usage"),
        (&["--no-such-option", &path], 2, "usage"),
        (&["--on-conflict", "both", &path], 2, "usage"),
        (&[], 2, "usage"),
    ];
    for (arguments, code, kind) in cases {
        let run = scene.install(&venv, &[arguments, &["--json"]].concat());
        run.assert_code(code);
        let report = run.json();
        assert!(
            FIELDS.iter().all(|field| report.get(field).is_some()),
            "{report}"
        );
        assert_eq!(
            (&report["outcome"], &report["error"]["kind"]),
            (&json!("failed"), &json!(kind)),
            "{arguments:?}"
        );
        assert_eq!(report["error"]["effect"], "untouched");
        assert!(
            !run.stderr.is_empty()
                && !report["error"]["message"]
                    .as_str()
                    .unwrap_or_default()
                    .is_empty()
        );
    }
}

#[test]
fn results_go_to_stdout_and_all_else_to_stderr() {
    let scene = Scene::new();
    let venv = scene.venv();
    let path = demo(&scene);
    let failed = refused(&scene, &venv, &["--require-hashes", &path], 3, &["error: "]);
    assert_eq!(failed.stdout, "");
    let states: Vec<&str> = failed
        .stderr
        .lines()
        .filter(|line| line.starts_with("state: "))
        .collect();
    assert_eq!(
        states,
        [format!(
            "state: nothing was changed in `{}`",
            venv.display()
        )]
    );
    let odd = Wheel::new("odd", "1.0")
        .file("odd.py", "")
        .record_line("gone.py,,");
    let run = scene.install(&venv, &[scene.wheel(&odd).display().to_string()]);
    run.assert_code(0).assert_stderr("warning");
    assert!(
        run.stdout.contains("odd") && !run.stdout.contains("warning"),
        "{}",
        run.stdout
    );
    let run = scene.install(&venv, &["-q", &path]);
    assert_eq!(
        (run.code, run.stdout.as_str(), run.stderr.as_str()),
        (0, "", "")
    );
    let colored = scene.install(&venv, &["--color", "always", "--require-hashes", &path]);
    assert!(colored.stderr.contains("\u{1b}["), "{}", colored.stderr);
    assert!(!failed.stderr.contains('\u{1b}'), "{}", failed.stderr);
}

#[test]
fn wrong_usage_changes_nothing_and_does_not_speak_of_it() {
    let scene = Scene::new();
    let venv = scene.venv();
    let path = demo(&scene);
    refused(
        &scene,
        &venv,
        &[&scene.join("gone.whl").display().to_string()],
        2,
        &["gone.whl"],
    );
    refused(
        &scene,
        &venv,
        &["--no-such-option", &path],
        2,
        &["--no-such-option"],
    );
}

#[test]
fn every_option_has_a_variable() {
    let scene = Scene::new();
    let venv = scene.venv().display().to_string();
    let path = demo(&scene);
    let target = [("PKG_INSTALL_TARGET", venv.as_str())];
    let with = |name: &'static str, value: &'static str| {
        scene.run_with(&[target[0], (name, value)], &[&path])
    };
    for yes in ["1", "true"] {
        assert_eq!(
            scene
                .run_with(
                    &[
                        target[0],
                        ("PKG_INSTALL_DRY_RUN", yes),
                        ("PKG_INSTALL_JSON", yes)
                    ],
                    &[&path]
                )
                .json()["outcome"],
            "planned"
        );
        with("PKG_INSTALL_REQUIRE_HASHES", yes).assert_code(3);
    }
    with("PKG_INSTALL_ON_CONFLICT", "both").assert_code(2);
    let usage = scene.run_with(
        &[target[0], ("PKG_INSTALL_JSON", "true")],
        &["--no-such-option"],
    );
    usage.assert_code(2);
    assert_eq!(usage.json()["error"]["kind"], "usage");
    with("PKG_INSTALL_INSTALLER", "builder").assert_code(0);
    let installer = site_packages(Path::new(&venv)).join("demo-1.0.dist-info/INSTALLER");
    assert_eq!(
        fs::read_to_string(installer).expect("it is there"),
        "builder\n"
    );
}

#[test]
fn a_variable_that_is_empty_is_as_good_as_unset() {
    let scene = Scene::new();
    let venv = scene.venv().display().to_string();
    let path = demo(&scene);
    let empty = [
        "PKG_INSTALL_TARGET",
        "PKG_INSTALL_PYTHON",
        "PKG_INSTALL_PREFIX",
        "PKG_INSTALL_ROOT",
        "PKG_INSTALL_REPORT",
        "PKG_INSTALL_LOCK",
        "PKG_INSTALL_REQUIREMENTS",
        "PKG_INSTALL_FIND_LINKS",
        "PKG_INSTALL_EXTRA",
        "PKG_INSTALL_CACHE_DIR",
        "PKG_INSTALL_CONCURRENT_DOWNLOADS",
        "PKG_INSTALL_JOBS",
        "PKG_INSTALL_LOCK_TIMEOUT",
        "PKG_INSTALL_ON_CONFLICT",
        "PKG_INSTALL_VERIFY",
        "PKG_INSTALL_INSTALLER",
        "PKG_INSTALL_PROGRESS",
        "PKG_INSTALL_COLOR",
        "PKG_INSTALL_JSON",
        "PKG_INSTALL_DRY_RUN",
    ];
    let variables: Vec<_> = empty
        .iter()
        .map(|name| (*name, ""))
        .chain([("VIRTUAL_ENV", venv.as_str())])
        .collect();
    scene.run_with(&variables, &[&path]).assert_code(0);
    scene.run_with(&variables, &["check"]).assert_code(0);
    let installer = site_packages(Path::new(&venv)).join("demo-1.0.dist-info/INSTALLER");
    assert_eq!(
        fs::read_to_string(installer).expect("it is there"),
        "pkg-install\n"
    );
}

#[test]
fn a_result_that_cannot_be_written_is_a_failure_if_it_is_all_that_was_asked_for() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = scene.wheel(&Wheel::new("demo", "1.0").file("demo.py", ""));
    let wheel = wheel.to_str().expect("its path is text");
    let full = || {
        let file = fs::OpenOptions::new().write(true).open("/dev/full");
        file.expect("Linux has it")
    };
    let run = |arguments: &[&str]| {
        let mut command = scene.command();
        command.args(arguments).stdout(full());
        if !arguments[0].starts_with('-') && arguments[0] != "completions" {
            command.arg("--target").arg(&venv);
        }
        Run::of(&mut command)
    };
    // The exit code says whether the environment was changed.
    run(&["install", wheel])
        .assert_code(0)
        .assert_stderr("cannot write the result");
    for arguments in [
        &["install", wheel, "--reinstall", "--dry-run"][..],
        &["list"],
        &["list", "--json"],
        &["check"],
        &["--help"],
        &["--json-schema"],
        &["completions", "bash"],
    ] {
        run(arguments)
            .assert_code(1)
            .assert_stderr("error: cannot write the result: No space left on device");
    }
    run(&["show", "demo"]).assert_code(1);
    run(&["uninstall", "demo"]).assert_code(0);
}

//! Options from variables: what is typed wins, nonsense is refused by name, empty counts as unset.

use crate::determinism::demo;
use crate::support::scene::{Scene, site_packages};

#[test]
fn a_typed_option_wins_over_every_variable_that_contradicts_it() {
    let scene = Scene::new();
    let venv = scene.venv().display().to_string();
    let path = demo(&scene);
    for (name, value, typed) in [
        ("PKG_INSTALL_QUIET", "1", &["-v"][..]),
        ("PKG_INSTALL_VERBOSE", "1", &["-q"]),
        ("PKG_INSTALL_NO_CACHE", "1", &["--cache-dir", "c"]),
        ("PKG_INSTALL_CACHE_DIR", "c", &["--no-cache"]),
        ("PKG_INSTALL_ROOT", "x", &[]),
        ("PKG_INSTALL_PREFIX", "x", &[]),
        ("PKG_INSTALL_NO_PROGRESS", "1", &["--progress", "json"]),
        ("PKG_INSTALL_PROGRESS", "json", &["--no-progress"]),
        ("PKG_INSTALL_NO_COLOR", "1", &["--color", "always"]),
        ("PKG_INSTALL_COLOR", "always", &["--no-color"]),
        ("PKG_INSTALL_COLOR", "always", &["--color", "never"]),
        (
            "PKG_INSTALL_ON_CONFLICT",
            "first",
            &["--on-conflict", "error"],
        ),
        ("PKG_INSTALL_TARGET", "elsewhere", &[]),
    ] {
        let arguments = [&["--target", &venv, "--reinstall", &path], typed].concat();
        let run = scene.run_with(&[(name, value)], &arguments);
        run.assert_code(0);
        let is_coloured = run.stdout.contains('\u{1b}');
        assert_eq!(
            is_coloured,
            typed.contains(&"always"),
            "{name}: {}",
            run.stdout
        );
    }
    assert!(!scene.join("elsewhere").exists() && !scene.join("x").exists());
}

#[test]
fn nonsense_in_a_variable_is_refused_and_the_variable_named() {
    let scene = Scene::new();
    let venv = scene.venv();
    let path = demo(&scene);
    for (name, value, reason) in [
        ("PKG_INSTALL_OFFLINE", "nope", "must be yes or no"),
        ("PKG_INSTALL_DURABLE", "maybe", "must be yes or no"),
        ("PKG_INSTALL_JSON", "2", "must be yes or no"),
        ("PKG_INSTALL_VERBOSE", "3", "must be yes or no"),
        ("PKG_INSTALL_JOBS", "0", "must be 1 to 1024"),
        ("PKG_INSTALL_JOBS", "many", "not a number"),
        (
            "PKG_INSTALL_ON_CONFLICT",
            "both",
            "must be one of error, first, last",
        ),
        (
            "PKG_INSTALL_VERIFY",
            "some",
            "must be one of strict, normal, off",
        ),
        (
            "PKG_INSTALL_COLOR",
            "red",
            "must be one of auto, always, never",
        ),
    ] {
        let mut command = scene.command();
        command
            .env(name, value)
            .args([&path, "--target"])
            .arg(&venv);
        let run = crate::support::scene::Run::of(&mut command);
        run.assert_code(2)
            .assert_stderr(&format!("the variable {name} is `{value}`: "))
            .assert_stderr(reason);
        // A command that has no such option does not look at it.
        if name == "PKG_INSTALL_ON_CONFLICT" {
            let target = venv.display().to_string();
            scene
                .run_with(&[(name, value)], &["list", "--target", &target])
                .assert_code(0);
        }
    }
}

#[test]
fn two_variables_that_contradict_each_other_are_both_named() {
    let scene = Scene::new();
    let path = demo(&scene);
    let run = scene.run_with(
        &[("PKG_INSTALL_QUIET", "1"), ("PKG_INSTALL_VERBOSE", "1")],
        &[&path],
    );
    run.assert_code(2)
        .assert_stderr("PKG_INSTALL_QUIET")
        .assert_stderr("PKG_INSTALL_VERBOSE");
    let off = scene.venv().display().to_string();
    scene
        .run_with(
            &[
                ("PKG_INSTALL_QUIET", "0"),
                ("PKG_INSTALL_VERBOSE", "1"),
                ("PKG_INSTALL_TARGET", &off),
            ],
            &[&path],
        )
        .assert_code(0);
}

#[test]
fn a_variable_can_be_the_whole_request() {
    let scene = Scene::new();
    let venv = scene.venv();
    let path = demo(&scene);
    let pins = scene
        .write("pins.txt", format!("{path}\n"))
        .display()
        .to_string();
    let target = venv.display().to_string();
    scene
        .run_with(
            &[
                ("PKG_INSTALL_REQUIREMENTS", &pins),
                ("PKG_INSTALL_TARGET", &target),
            ],
            &[] as &[&str],
        )
        .assert_code(0);
    assert!(site_packages(&venv).join("demo").is_dir());
}

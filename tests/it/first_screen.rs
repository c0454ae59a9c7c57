//! The first minutes with the program: no arguments, help, mistyped commands and options, habits
//! from other tools.

use crate::determinism::demo;
use crate::support::scene::{Run, Scene};
use crate::support::wheel_builder::Wheel;

fn says(run: &Run, parts: &[&str]) {
    for part in parts {
        run.assert_stderr(part);
    }
    assert!(!run.stderr.contains("state:"), "{}", run.stderr);
}

#[test]
fn without_arguments_the_short_help_is_shown() {
    let scene = Scene::new();
    let run = scene.run(&[] as &[&str]);
    run.assert_code(2);
    says(
        &run,
        &[
            "Usage: pkg-install",
            "uninstall",
            "--target",
            "pkg-install --help",
        ],
    );
    assert_eq!(run.stdout, "");
    let run = scene.run_with(&[("PKG_INSTALL_JSON", "1")], &[] as &[&str]);
    assert_eq!(run.json()["error"]["code"], "usage");
}

#[test]
fn the_short_help_fits_on_a_screen_and_the_long_one_has_everything() {
    let scene = Scene::new();
    for arguments in [
        &["-h"][..],
        &["install", "-h"],
        &["uninstall", "-h"],
        &["list", "-h"],
    ] {
        for columns in ["80", "200"] {
            let run = scene.run_with(&[("COLUMNS", columns)], arguments);
            run.assert_code(0);
            let lines = run.stdout.lines().count();
            assert!(lines < 60, "{arguments:?}: {lines} lines\n{}", run.stdout);
            assert!(!run.stdout.contains("[env"), "{}", run.stdout);
        }
    }
    let long = scene.run(&["--help"]);
    long.assert_code(0);
    for part in [
        "Examples:",
        "Exit codes:",
        "130, 143",
        "PKG_INSTALL_",
        "--installer",
        "recover",
    ] {
        assert!(long.stdout.contains(part), "no {part}\n{}", long.stdout);
    }
    assert!(!long.stdout.contains("[env"), "{}", long.stdout);
}

#[test]
fn help_is_a_command_and_knows_the_others() {
    let scene = Scene::new();
    let run = scene.run(&["help", "install"]);
    run.assert_code(0);
    assert!(run.stdout.contains("--on-conflict"), "{}", run.stdout);
    let run = scene.run(&["help"]);
    run.assert_code(0);
    assert!(run.stdout.contains("Exit codes:"), "{}", run.stdout);
    let run = scene.run(&["help", "chek"]);
    run.assert_code(2);
    says(
        &run,
        &[
            "`chek` is not a command",
            "a similar command exists: `check`",
        ],
    );
}

#[test]
fn a_mistyped_command_is_not_taken_for_a_wheel() {
    let scene = Scene::new();
    for (typed, hint) in [
        ("uninstal", "a similar command exists: `uninstall`"),
        ("instal", "a similar command exists: `install`"),
        ("lst", "a similar command exists: `list`"),
        ("undoo", "a similar command exists: `undo`"),
        ("freeze", "`pkg-install list --format freeze`"),
        ("remove", "`pkg-install uninstall`"),
        ("upgrade", "`pkg-install install --upgrade`"),
    ] {
        let cases = [
            vec![typed, "flask"],
            vec!["--quiet", typed],
            vec![typed, "--nosuch"],
        ];
        for arguments in cases {
            let run = scene.run(&arguments);
            run.assert_code(2);
            says(
                &run,
                &[
                    &format!("`{typed}` is not a command of `pkg-install`"),
                    hint,
                ],
            );
        }
    }
    let run = scene.run(&["--quiet", "list"]);
    run.assert_code(2);
    says(&run, &["`list` is a command", "`pkg-install list …`"]);
}

#[test]
fn a_file_that_is_named_like_a_mistyped_command_is_the_file() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = Wheel::new("demo", "1.0").file("demo.py", "");
    wheel.write_to(&scene.join("lst"));
    scene.install(&venv, &["lst"]).assert_code(0);
    // After the word `install` everything is something to install.
    wheel.write_to(&scene.join("list"));
    scene
        .install(&venv, &["install", "--reinstall", "list"])
        .assert_code(0);
    let run = scene.install(&venv, &["list"]);
    run.assert_code(0)
        .assert_stderr("`list` is the command; write `./list` for the directory");
    scene
        .install(&venv, &["./list", "--reinstall"])
        .assert_code(0);
}

#[test]
fn an_option_that_does_not_exist_gets_no_misleading_tip() {
    let scene = Scene::new();
    for (arguments, expected) in [
        (
            &["x.whl", "--taget", "t"][..],
            "a similar option exists: `--target`",
        ),
        (&["x.whl", "--force-reinstall"], "use `--reinstall`"),
        (&["x.whl", "--user"], "`--target DIR`"),
        (
            &["uninstall", "x", "--on-conflict", "last"],
            "it is an option of `install`",
        ),
        (&["uninstall", "x", "-z"], "`pkg-install uninstall -h`"),
        (&["x.whl", "--no-deqs"], "`--no-deps`"),
    ] {
        let run = scene.run(arguments);
        run.assert_code(2);
        says(&run, &[expected, "is not an option of `pkg-install"]);
        assert!(!run.stderr.contains("tip:"), "{}", run.stderr);
        assert!(!run.stderr.contains("-- -"), "{}", run.stderr);
    }
}

#[test]
fn usage_errors_say_what_is_wrong_in_one_sentence() {
    let scene = Scene::new();
    for (arguments, message) in [
        (
            &["--on-conflict", "both", "x.whl"][..],
            "`--on-conflict both`: must be one of error, first, last",
        ),
        (&["--jobs", "0", "x.whl"], "`--jobs 0`: must be 1 to 1024"),
        (&["--jobs", "x", "x.whl"], "`--jobs x`: not a number"),
        (
            &["--lock-timeout", "soon", "x.whl"],
            "`--lock-timeout soon`: not a number",
        ),
        (
            &["--installer", "a\nb", "x.whl"],
            "must be one non-empty line",
        ),
        (
            &["-q", "-v", "x.whl"],
            "`--quiet` and `--verbose` cannot be used together",
        ),
        (&["x.whl", "--target"], "`--target` needs a value"),
        (
            &["--target", "a", "--target", "b", "x.whl"],
            "`--target` is given more than once",
        ),
        (&["uninstall"], "`pkg-install uninstall` needs a NAME"),
        (&["undo", "flask"], "`pkg-install undo` takes no `flask`"),
        (&["--target", "t"], "nothing to install was named"),
        (&["install"], "nothing to install was named"),
    ] {
        let run = scene.run(arguments);
        run.assert_code(2);
        says(&run, &[message]);
        let json = scene.run(&[arguments, &["--json"]].concat()).json();
        let said = json["error"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(!said.contains('\n') && !said.contains("error:"), "{said}");
        assert_eq!(json["error"]["code"], "usage", "{json}");
    }
}

#[test]
fn options_of_pip_that_are_true_anyway_are_accepted() {
    let scene = Scene::new();
    let venv = scene.venv();
    let path = demo(&scene);
    let options = [
        "install",
        "-U",
        "--no-deps",
        "-y",
        "--no-compile",
        "--no-cache-dir",
    ];
    scene
        .install(&venv, &[&options[..], &[&path]].concat())
        .assert_code(0);
    scene
        .install(&venv, &["uninstall", "-y", "demo"])
        .assert_code(0);
    scene
        .install(&venv, &[&path, "--upgrade", "--yes"])
        .assert_code(0);
}

#[test]
fn commands_in_capitals_and_of_other_tools_are_not_looked_up_in_an_index() {
    let scene = Scene::new();
    for (arguments, hint) in [
        (&["LIST"][..], "`pkg-install list …`"),
        (&["Install", "six"], "`pkg-install install …`"),
        (
            &["Unistall", "six"],
            "a similar command exists: `uninstall`",
        ),
        (&["search", "six"], "`pkg-install -h`"),
        (&["inspect"], "`pkg-install list --json`"),
        (&["pip", "install", "six"], "leave out `pip`"),
        (&["uv", "pip", "install", "six"], "leave out `uv`"),
    ] {
        let run = scene.run(arguments);
        run.assert_code(2);
        says(&run, &[hint]);
    }
}

#[test]
fn options_of_pip_that_images_are_built_with_are_accepted() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = scene.wheel(&Wheel::new("demo", "1.0").file("demo.py", ""));
    let run = scene.install(
        &venv,
        &[
            "install",
            "--no-input",
            "--disable-pip-version-check",
            "--no-warn-script-location",
            "--root-user-action=ignore",
            "-qq",
            "--quiet",
            &wheel.display().to_string(),
        ],
    );
    run.assert_code(0);
    assert_eq!(run.stdout, "");
}

#[test]
fn what_may_not_be_seen_is_not_called_missing() {
    let scene = Scene::new();
    let wheel = scene.write("private/demo-1.0-py3-none-any.whl", "");
    let private = wheel.parent().expect("it is in a directory");
    let nothing = std::os::unix::fs::PermissionsExt::from_mode(0o0);
    std::fs::set_permissions(private, nothing).expect("its owner may");
    // Root may look into every directory.
    if std::fs::read_dir(private).is_ok() {
        return;
    }
    let run = scene.install(&scene.join("t"), &[&wheel]);
    run.assert_code(1).assert_stderr("Permission denied");
}

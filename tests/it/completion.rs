//! Completion in shells, and manual pages: what a shell gets when it asks, and what is written.

use crate::support::scene::{Run, Scene, assert_unchanged, tree};
use crate::support::wheel_builder::Wheel;

/// What fish gets for the last of these words, without the explanations.
fn candidates(scene: &Scene, words: &[&str]) -> Vec<String> {
    let arguments = [&["--", "pkg-install"], words].concat();
    let run = scene.run_with(&[("_PKG_INSTALL_COMPLETE", "fish")], &arguments);
    run.assert_code(0);
    assert_eq!(run.stderr, "");
    let lines = run.stdout.lines();
    let values = lines.map(|line| line.split('\t').next().unwrap_or(line).to_owned());
    values.collect()
}

fn installed(scene: &Scene) -> String {
    let venv = scene.venv();
    let wheels = [Wheel::new("web", "2.0"), Wheel::new("web-socks", "1.0")];
    let paths = wheels.map(|wheel| {
        let wheel = wheel.file("x.py", "x = 1\n");
        scene.wheel(&wheel).display().to_string()
    });
    scene.install(&venv, &paths).assert_code(0);
    venv.display().to_string()
}

#[test]
fn installed_projects_are_offered_however_the_environment_is_named() {
    let scene = Scene::new();
    let venv = installed(&scene);
    let before = tree(scene.path());
    let short = format!("-t{venv}");
    let long = format!("--target={venv}");
    for named in [
        &["--target", &venv][..],
        &["-t", &venv],
        &[&short],
        &[&long],
    ] {
        let words = [&["uninstall"], named, &["we"]].concat();
        assert_eq!(
            candidates(&scene, &words),
            ["web", "web-socks"],
            "{words:?}"
        );
    }
    let words = ["show", "--target", &venv, "web", "web-"];
    assert_eq!(candidates(&scene, &words), ["web-socks"]);
    let arguments = ["--", "pkg-install", "check", "web-"];
    let variables = [("_PKG_INSTALL_COMPLETE", "fish"), ("VIRTUAL_ENV", &*venv)];
    let run = scene.run_with(&variables, &arguments);
    assert_eq!(run.stdout, "web-socks\t1.0\n");
    // A question changes nothing, and leaves no lock behind.
    assert_unchanged(&before, &tree(scene.path()));
}

#[test]
fn commands_options_wheels_extras_and_groups_are_offered() {
    let scene = Scene::new();
    let venv = installed(&scene);
    assert_eq!(candidates(&scene, &["unin"]), ["uninstall"]);
    assert_eq!(candidates(&scene, &["help", "unin"]), ["uninstall"]);
    assert_eq!(candidates(&scene, &["completions", "f"]), ["fish"]);
    assert_eq!(candidates(&scene, &["--on-con"]), ["--on-conflict"]);
    assert_eq!(candidates(&scene, &["--on-conflict", "fi"]), ["first"]);
    scene.write("dist/a-1-py3-none-any.whl", "");
    scene.write("dist/notes.txt", "");
    let dist = format!("{}/", scene.join("dist").display());
    let wheel = format!("{dist}a-1-py3-none-any.whl");
    for command in [
        &["verify"][..],
        &["install", "--target", &venv],
        &["--target", &venv],
    ] {
        let words = [command, &[&dist]].concat();
        assert_eq!(candidates(&scene, &words), [&*wheel], "{words:?}");
    }
    let lock = "lock-version = '1.0'\nextras = ['docs', 'dev']\ndependency-groups = ['test']\n";
    let lock = scene.write("pylock.toml", lock).display().to_string();
    let words = ["install", "--lock", &lock, "--extra", "d"];
    assert_eq!(candidates(&scene, &words), ["dev", "docs"]);
    assert_eq!(
        candidates(&scene, &["sync", &lock, "--group", ""]),
        ["test"]
    );
    let project = "[project.optional-dependencies]\nfast = []\n";
    let project = scene.write("pyproject.toml", project).display().to_string();
    assert_eq!(
        candidates(&scene, &["-r", &project, "--extra", ""]),
        ["fast"]
    );
}

#[test]
fn a_question_that_cannot_be_answered_gets_an_empty_answer() {
    let scene = Scene::new();
    let missing = scene.join("missing").display().to_string();
    let words = ["uninstall", "--target", &missing, "w"];
    assert_eq!(candidates(&scene, &words), [""; 0]);
    let words = ["install", "--lock", &missing, "--extra", "d"];
    assert_eq!(candidates(&scene, &words), [""; 0]);
    for shell in ["bash", "zsh", "fish", "tcsh"] {
        let run = scene.run_with(&[("_PKG_INSTALL_COMPLETE", shell)], &[] as &[&str]);
        run.assert_code(0);
        assert_eq!((&*run.stdout, &*run.stderr), ("", ""), "{shell}");
    }
}

#[test]
fn the_script_of_a_shell_calls_the_program_that_wrote_it() {
    let scene = Scene::new();
    for shell in ["bash", "zsh", "fish"] {
        let run = scene.run(&["completions", shell]);
        run.assert_code(0);
        for part in ["_PKG_INSTALL_COMPLETE", env!("CARGO_BIN_EXE_pkg-install")] {
            assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
        }
    }
    let run = scene.run(&["completions", "tcsh"]);
    run.assert_code(2);
    run.assert_stderr("must be one of bash, zsh, fish");
}

#[test]
fn manual_pages_are_printed_and_written() {
    let scene = Scene::new();
    let printed = scene.run(&["man", "cache", "prune"]);
    printed.assert_code(0);
    assert!(printed.stdout.contains("max\\-size"), "{}", printed.stdout);
    let directory = scene.join("share/man1");
    let run = scene.run(&["man", "--dir", &directory.display().to_string()]);
    run.assert_code(0);
    let names: Vec<&str> = run.stdout.lines().collect();
    for name in [
        "pkg-install.1",
        "pkg-install-install.1",
        "pkg-install-cache-prune.1",
    ] {
        let path = directory.join(name);
        assert!(names.contains(&&*path.display().to_string()), "{names:?}");
        let page = std::fs::read_to_string(path).expect("the page is there");
        assert!(page.contains("\n.TH "), "{page}");
    }
    assert_eq!(page_of(&scene.run(&["man"])), "PKG-INSTALL");
    let refused = scene.run(&["man", "chek"]);
    refused.assert_code(2);
    refused.assert_stderr("a similar command exists: `check`");
    scene.write("file", "");
    let below_a_file = scene.join("file/man1").display().to_string();
    scene.run(&["man", "--dir", &below_a_file]).assert_code(1);
}

/// The title of a page.
fn page_of(run: &Run) -> &str {
    let line = run.stdout.lines().find(|line| line.starts_with(".TH "));
    let line = line.unwrap_or_default();
    line.split(' ').nth(1).unwrap_or_default()
}

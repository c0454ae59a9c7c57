//! The same input gives the same tree and the same output, and environments are found the same way.
//!
//! The wording of the output is tested in [`output`](crate::output).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::scene::{Run, Scene, assert_unchanged, interpreter, site_packages, tree};
use crate::support::verdict::refused;
use crate::support::wheel_builder::{EXECUTABLE, Wheel};

/// Projects that share namespaces, files and directories, with scripts and data.
fn many() -> Vec<Wheel> {
    let project = |number: usize| {
        let name = format!("proj-{number}");
        let files = (0..12).fold(Wheel::new(&name, "1.0"), |wheel, file| {
            wheel.file(
                &format!("ns/p{number}/d{}/m{file}.py", file % 3),
                format!("x = {number} * {file}\n"),
            )
        });
        files
            .file("ns/__init__.py", "")
            .file_mode(&format!("ns/p{number}/run.sh"), "#!/bin/sh\n", EXECUTABLE)
            .data(&format!("scripts/tool{number}"), "#!python\nprint(1)\n")
            .data("data/share/common.txt", "common\n")
            .entry_points(&format!("[console_scripts]\nmain{number} = ns:main\n"))
    };
    (0..8).map(project).collect()
}

fn written(scene: &Scene, wheels: &[Wheel]) -> Vec<String> {
    wheels
        .iter()
        .map(|wheel| scene.wheel(wheel).display().to_string())
        .collect()
}

pub fn demo(scene: &Scene) -> String {
    scene
        .wheel(&Wheel::new("demo", "1.0").file("demo/__init__.py", "x = 1\n"))
        .display()
        .to_string()
}

/// Installs the same wheels with different threads and in different orders; returns each time what
/// `look` sees.
fn each_way<T>(look: impl Fn(&Path, &Run) -> T) -> Vec<T> {
    let scene = Scene::new();
    let paths = written(&scene, &many());
    let rotated: Vec<String> = paths[3..].iter().chain(&paths[..3]).cloned().collect();
    let reversed: Vec<String> = paths.iter().rev().cloned().collect();
    let ways = [
        ("1", &paths),
        ("8", &paths),
        ("1", &reversed),
        ("8", &rotated),
        ("64", &reversed),
    ];
    let install = |(jobs, order): (&str, &Vec<String>)| {
        let venv = scene.venv();
        let options = ["-j".to_owned(), jobs.to_owned(), "--json".to_owned()];
        let run = scene.install(&venv, &[&options[..], order].concat());
        run.assert_code(0);
        let seen = look(&venv, &run);
        fs::remove_dir_all(&venv).expect("it can be removed");
        seen
    };
    ways.map(install).into()
}

#[test]
fn r151_c39_threads_and_the_order_of_arguments_do_not_show() {
    let trees = each_way(|venv, _| tree(venv));
    for other in &trees[1..] {
        assert_unchanged(&trees[0], other);
    }
}

#[test]
fn r151_nor_do_they_show_in_the_report() {
    let reports = each_way(|_, run| run.json()["changes"].clone());
    for other in &reports[1..] {
        assert_eq!(reports[0], *other);
    }
}

#[test]
fn c39_a_directory_stands_for_the_wheels_directly_in_it() {
    let scene = Scene::new();
    let paths = written(&scene, &many());
    scene.write("wheels/README.txt", "not a wheel");
    scene.write(
        "wheels/below/broken-1.0-py3-none-any.whl",
        "not to be opened",
    );
    let venv = scene.venv();
    scene.install(&venv, &["wheels"]).assert_code(0);
    let by_directory = tree(&venv);
    fs::remove_dir_all(&venv).expect("it can be removed");
    scene.install(&scene.venv(), &paths).assert_code(0);
    assert_unchanged(&by_directory, &tree(&venv));
}

#[test]
fn twice_is_once() {
    let scene = Scene::new();
    let venv = scene.venv();
    let paths = written(&scene, &many());
    scene.install(&venv, &paths).assert_code(0);
    let before = tree(&venv);
    let again = scene.install(&venv, &paths);
    again.assert_code(0);
    assert!(
        again.stdout.contains("nothing to do") && again.stdout.contains('8'),
        "{}",
        again.stdout
    );
    let report = scene
        .install(&venv, &[&paths[..], &["--json".to_owned()]].concat())
        .json();
    assert_eq!(
        (&report["outcome"], &report["error"]),
        (&json!("unchanged"), &Value::Null)
    );
    let changes = report["changes"].as_array().expect("a list");
    assert_eq!(changes.len(), 8);
    assert!(
        changes
            .iter()
            .all(|change| change["action"] == "keep" && change["previous"] == "1.0"),
        "{report}"
    );
    assert_unchanged(&before, &tree(&venv));
}

#[test]
fn new_projects_are_installed_beside_kept_ones() {
    let scene = Scene::new();
    let venv = scene.venv();
    let paths = written(&scene, &many());
    scene.install(&venv, &paths[..4]).assert_code(0);
    let run = scene.install(&venv, &[&paths[..], &["--json".to_owned()]].concat());
    run.assert_code(0);
    let report = run.json();
    assert_eq!(report["outcome"], "committed");
    let changes = report["changes"].as_array().expect("a list");
    let actions: Vec<&str> = changes
        .iter()
        .filter_map(|change| change["action"].as_str())
        .collect();
    assert_eq!(
        actions,
        [
            "keep", "keep", "keep", "keep", "install", "install", "install", "install"
        ]
    );
    let apart = tree(&venv);
    fs::remove_dir_all(&venv).expect("it can be removed");
    scene.install(&scene.venv(), &paths).assert_code(0);
    assert_unchanged(&apart, &tree(&venv));
}

#[test]
fn a_dry_run_prints_the_plan_and_changes_nothing() {
    let scene = Scene::new();
    let venv = scene.venv();
    let paths = written(&scene, &many());
    let before = tree(&venv);
    let dry = [&paths[..], &["--dry-run".to_owned()]].concat();
    let run = scene.install(&venv, &dry);
    run.assert_code(0);
    for part in ["proj-0", "proj-7", "1.0", "would install 8 projects"] {
        assert!(run.stdout.contains(part), "no `{part}` in {}", run.stdout);
    }
    let planned = scene
        .install(&venv, &[&dry[..], &["--json".to_owned()]].concat())
        .json();
    assert_eq!(
        (&planned["outcome"], &planned["error"]),
        (&json!("planned"), &Value::Null)
    );
    assert_unchanged(&before, &tree(&venv));
    let done = scene
        .install(&venv, &[&paths[..], &["--json".to_owned()]].concat())
        .json();
    let counted = |report: &Value| -> Vec<Value> {
        let changes = report["changes"].as_array().expect("a list").iter();
        changes
            .map(|change| json!([change["name"], change["action"], change["files"]]))
            .collect()
    };
    assert_eq!(counted(&planned), counted(&done));
}

#[test]
fn a_dry_run_into_a_missing_directory_does_not_make_it() {
    let scene = Scene::new();
    let path = demo(&scene);
    let missing = scene.join("missing");
    let before = tree(scene.path());
    scene
        .install(&missing, &["--dry-run", &path])
        .assert_code(0);
    assert_unchanged(&before, &tree(scene.path()));
}

#[test]
fn a_dry_run_shows_conflicts_and_fails_as_the_real_one() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = |name: &str| Wheel::new(name, "1.0").file("mod.py", name);
    let paths = written(&scene, &[wheel("aa"), wheel("bb")]);
    refused(
        &scene,
        &venv,
        &["--dry-run", &paths[0], &paths[1]],
        4,
        &["mod.py", "aa", "bb"],
    );
    let before = tree(&venv);
    let run = scene.install(
        &venv,
        &[
            "--dry-run",
            "--json",
            "--on-conflict",
            "last",
            &paths[0],
            &paths[1],
        ],
    );
    run.assert_code(0);
    assert_eq!(run.json()["conflicts"][0]["resolution"], "bb");
    assert_unchanged(&before, &tree(&venv));
}

#[test]
fn r104_a_missing_target_is_made_and_goes_again_when_nothing_comes_of_it() {
    let scene = Scene::new();
    let good = demo(&scene);
    let late = Wheel::new("late", "1.0")
        .file("a.py", "")
        .file("z.py", "x")
        .wrong_last_digest();
    let late = scene.wheel(&late).display().to_string();
    let early = scene
        .wheel(&Wheel::new("early", "1.0").without_record())
        .display()
        .to_string();
    for target in ["new", "new/and/deeper"] {
        let target = scene.join(target);
        let before = tree(scene.path());
        for bad in [&early, &late] {
            refused(&scene, &target, &[&good, bad], 3, &[bad]);
            assert_unchanged(&before, &tree(scene.path()));
        }
        scene.install(&target, &[&good]).assert_code(0);
        assert!(target.join("demo/__init__.py").is_file());
    }
}

#[test]
fn nothing_is_left_behind_but_the_lock() {
    let scene = Scene::new();
    let target = scene.join("app");
    scene.install(&target, &[demo(&scene)]).assert_code(0);
    let names = |path: &Path| -> Vec<String> {
        let entries = fs::read_dir(path).expect("it can be listed");
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("it can be listed")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.retain(|name| name != ".lock");
        names.sort();
        names
    };
    assert_eq!(names(&target), ["demo", "demo-1.0.dist-info"]);
}

/// Runs in the scene's directory without any option for the environment.
fn discovered(scene: &Scene, variables: &[(&str, &str)]) -> Run {
    let path = demo(scene);
    scene.run_with(variables, &["--json", &path])
}

fn root(run: &Run) -> PathBuf {
    run.assert_code(0);
    PathBuf::from(run.json()["environment"]["root"].as_str().expect("a path"))
}

#[test]
fn c64_the_environment_that_is_active_or_beside_is_taken() {
    let scene = Scene::new();
    let active = scene.venv_at("active");
    let variable = active.display().to_string();
    assert_eq!(
        root(&discovered(&scene, &[("VIRTUAL_ENV", &variable)])),
        active
    );
    let beside = scene.venv_at(".venv");
    let taken = root(&discovered(&scene, &[]));
    assert_eq!(
        fs::canonicalize(&taken).ok(),
        fs::canonicalize(&beside).ok()
    );
    assert!(site_packages(&beside).join("demo").is_dir());
    let other = scene.venv_at("other");
    let both = other.display().to_string();
    assert_eq!(
        root(&discovered(&scene, &[("VIRTUAL_ENV", &both)])),
        other,
        "the active one comes first"
    );
}

#[test]
fn an_environment_that_is_not_there_is_refused_with_what_to_pass() {
    let scene = Scene::new();
    let run = discovered(&scene, &[]);
    run.assert_code(5)
        .assert_stderr("--target")
        .assert_stderr("--python")
        .assert_stderr("state: nothing was changed");
    assert_eq!(
        (&run.json()["error"]["kind"], &run.json()["environment"]),
        (&json!("environment"), &Value::Null)
    );
    let gone = scene.join("gone").display().to_string();
    scene.venv_at(".venv");
    discovered(&scene, &[("VIRTUAL_ENV", &gone)])
        .assert_code(5)
        .assert_stderr(&gone);
    assert!(!site_packages(&scene.join(".venv")).join("demo").exists());
}

/// A wheel with a module and a script.
fn tool(scene: &Scene) -> String {
    let wheel = Wheel::new("demo", "1.0")
        .file("demo.py", "")
        .data("scripts/tool", "#!python\nprint('runs')\n");
    scene.wheel(&wheel).display().to_string()
}

#[test]
fn c64_a_prefix_may_be_there_be_empty_or_be_missing() {
    let scene = Scene::new();
    let python = interpreter().executable.display().to_string();
    let path = tool(&scene);
    for (name, made) in [
        ("whole", "whole/lib/python0.0"),
        ("empty", "empty"),
        ("missing", "."),
    ] {
        fs::create_dir_all(scene.join(made)).expect("directories can be made");
        let prefix = scene.join(name);
        let run = scene.run(&[
            "--python",
            &python,
            "--prefix",
            &prefix.display().to_string(),
            &path,
        ]);
        assert!(run.code == 0, "a prefix that is {name}: {}", run.stderr);
        assert!(
            site_packages(&prefix).join("demo.py").is_file() && prefix.join("bin/tool").is_file()
        );
    }
}

#[test]
fn c64_root_puts_everything_below_and_speaks_of_the_final_paths() {
    let scene = Scene::new();
    let python = interpreter().executable.display().to_string();
    let (path, destdir) = (tool(&scene), scene.join("destdir"));
    let root = destdir.display().to_string();
    scene
        .run(&[
            "--python", &python, "--prefix", "/opt/app", "--root", &root, &path,
        ])
        .assert_code(0);
    let below = destdir.join("opt/app");
    assert!(
        site_packages(&below).join("demo.py").is_file(),
        "{}",
        tree(&destdir)
    );
    let script = fs::read_to_string(below.join("bin/tool")).expect("it is there");
    assert!(
        script.starts_with(&format!("#!{python}\n")) && !script.contains("destdir"),
        "{script}"
    );
    let record = fs::read_to_string(site_packages(&below).join("demo-1.0.dist-info/RECORD"))
        .expect("it is there");
    assert!(
        record.contains("../../../bin/tool,") && !record.contains("destdir"),
        "{record}"
    );
}

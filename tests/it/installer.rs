//! `installer`: the options, results and exit codes of `python -m installer`.

use std::fs;
use std::path::Path;

use crate::support::scene::{Scene, interpreter, tree};
use crate::support::wheel_builder::Wheel;

/// The wheel of installer's own tests.
fn fancy(name: &str) -> Wheel {
    Wheel::new(name, "1.0.0")
        .file(&format!("{name}/__init__.py"), "def main(): pass\n")
        .file(
            &format!("{name}/__main__.py"),
            "if __name__ == '__main__': pass\n",
        )
        .data(&format!("data/{name}/data.py"), "# put me in data\n")
        .entry_points(&format!("[console_scripts]\n{name} = {name}:main\n"))
}

fn written(scene: &Scene, wheel: &Wheel) -> String {
    scene.wheel(wheel).display().to_string()
}

/// The names of the files below a directory that end so, without what follows the first dot.
fn stems(root: &Path, suffix: &str) -> Vec<String> {
    let text = tree(root);
    let paths = text.lines().filter_map(|line| line.split("  ").next());
    let names = paths.filter_map(|path| path.strip_suffix(suffix)?.rsplit('/').next());
    let stems = names.filter_map(|name| name.split('.').next());
    let mut stems: Vec<String> = stems.map(str::to_owned).collect();
    stems.sort();
    stems.dedup();
    stems
}

fn library(root: &Path, prefix: &str) -> std::path::PathBuf {
    root.join(format!(
        "{prefix}/lib/python{}/site-packages",
        interpreter().minor
    ))
}

#[test]
fn wheels_go_below_the_destdir_with_bytecode_of_two_levels_and_nothing_is_said() {
    let scene = Scene::new();
    let wheels = [
        written(&scene, &fancy("fancy")),
        written(&scene, &fancy("other")),
    ];
    let run = scene.run(&[
        "installer",
        &wheels[0],
        &wheels[1],
        "-d",
        "dest",
        "-p",
        "/foo",
    ]);
    run.assert_code(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    let dest = scene.join("dest");
    assert_eq!(stems(&dest, ".py"), ["__init__", "__main__", "data"]);
    assert_eq!(stems(&dest, ".pyc"), ["__init__", "__main__"]);
    let library = library(&dest, "foo");
    let files = tree(&library);
    assert!(
        files.contains(".opt-1.pyc") && !files.contains(".opt-2.pyc"),
        "{files}"
    );
    assert!(
        !files.contains("INSTALLER") && files.contains("RECORD"),
        "{files}"
    );
    assert!(dest.join("foo/fancy/data.py").is_file() && dest.join("foo/bin/fancy").is_file());
    assert_eq!(fs::read_dir(&dest).expect("it was made").count(), 1);
    assert!(!tree(&dest).contains(".lock"));
}

#[test]
fn bytecode_is_of_the_levels_that_are_asked_for_or_left_out() {
    let scene = Scene::new();
    let wheel = written(&scene, &fancy("fancy"));
    for (dest, options, levels) in [
        ("none", &["--no-compile-bytecode"][..], &[][..]),
        (
            "both",
            &["--no-compile-bytecode", "--compile-bytecode", "1"],
            &[],
        ),
        ("two", &["--compile-bytecode", "2"], &[".opt-2"]),
        (
            "many",
            &["--compile-bytecode=0", "--compile-bytecode=1"],
            &["", ".opt-1"],
        ),
    ] {
        let given = ["installer", "--destdir", dest, "--prefix", "/usr", &wheel];
        scene.run(&[&given[..], options].concat()).assert_code(0);
        let text = tree(&scene.join(dest));
        let found = text
            .lines()
            .filter(|line| line.contains("__init__.cpython"))
            .count();
        assert_eq!(found, levels.len(), "{text}");
        for level in levels {
            let tag = interpreter().minor.replace('.', "");
            let name = format!("__init__.cpython-{tag}{level}.pyc");
            assert!(text.contains(&name), "{name}\n{text}");
        }
    }
}

#[test]
fn a_file_that_is_there_already_is_a_failure_unless_it_may_be_overwritten() {
    let scene = Scene::new();
    let wheel = written(&scene, &fancy("fancy"));
    let given = ["installer", "-d", "dest", "-p", "/usr", &wheel];
    scene.run(&given).assert_code(0);
    let installed = tree(&scene.join("dest"));
    // The same wheel once more, even though nothing would change.
    scene.run(&given).assert_code(1).assert_stderr("exists");
    assert_eq!(tree(&scene.join("dest")), installed);
    scene
        .run(&[&given[..], &["--overwrite-existing"]].concat())
        .assert_code(0);
    let stray = library(&scene.join("other"), "usr").join("fancy/__init__.py");
    fs::create_dir_all(stray.parent().expect("it has one")).expect("it is free");
    fs::write(&stray, "mine").expect("it can be written");
    let given = ["installer", "-d", "other", "-p", "/usr", &wheel];
    scene
        .run(&given)
        .assert_code(1)
        .assert_stderr("fancy/__init__.py");
    assert_eq!(fs::read(&stray).expect("it stays"), b"mine");
    scene
        .run(&[&given[..], &["--overwrite-existing"]].concat())
        .assert_code(0);
    assert_ne!(fs::read(&stray).expect("it is there"), b"mine");
}

#[test]
fn record_is_validated_only_if_that_is_asked_for() {
    let scene = Scene::new();
    let good = written(&scene, &fancy("fancy"));
    let bad = written(&scene, &fancy("bad").wrong_digest("bad/__init__.py"));
    let unlisted = written(
        &scene,
        &fancy("unlisted").omit_from_record("unlisted/__init__.py"),
    );
    for (number, part) in ["all", "entries", "none"].into_iter().enumerate() {
        let dest = number.to_string();
        let run = |wheel: &str| {
            let given = [
                "installer",
                "-d",
                &dest,
                "-p",
                "/usr",
                "--validate-record",
                part,
            ];
            scene.run(&[&given[..], &[wheel]].concat()).code
        };
        assert_eq!(run(&good), 0, "{part}");
        let expected = i32::from(part != "none");
        assert_eq!((run(&bad), run(&unlisted)), (expected, expected), "{part}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_every_failure_with_1() {
    let scene = Scene::new();
    let wheel = written(&scene, &fancy("fancy"));
    for arguments in [
        &["installer"][..],
        &["installer", "--compile-bytecode", "3", &wheel],
        &["installer", "--validate-record", "some", &wheel],
        &["installer", "--target", "x", &wheel],
    ] {
        scene.run(arguments).assert_code(2);
    }
    scene.write("wheels/broken-1.0-py3-none-any.whl", "no archive");
    for wheel in [
        "missing-1.0-py3-none-any.whl",
        "wheels/broken-1.0-py3-none-any.whl",
    ] {
        scene
            .run(&["installer", "-d", "dest", wheel])
            .assert_code(1);
    }
    // Variables are for our own options of these names.
    let variables = [
        ("PKG_INSTALL_COMPILE_BYTECODE", "yes"),
        ("PKG_INSTALL_PREFIX", "/x"),
    ];
    let run = scene.run_with(
        &variables,
        &["installer", "--dest", "dest", "-p", "/usr", &wheel],
    );
    run.assert_code(0);
    assert!(library(&scene.join("dest"), "usr").join("fancy").is_dir());
}

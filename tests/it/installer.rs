//! `installer`: the options, results and exit codes of `python -m installer`.

use std::fs;
use std::path::Path;

use crate::support::scene::{Scene, interpreter, tree};
use crate::support::wheel_builder::{Wheel, digest};

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
fn record_is_validated_as_far_as_that_is_asked_for() {
    let scene = Scene::new();
    let init = "fancy/__init__.py";
    let good = digest(b"def main(): pass\n");
    let info = "fancy-1.0.0.dist-info";
    let wheel = || fancy("fancy");
    // What `python -m installer` 1.1 does with `all`, `entries` and `none`.
    for (what, wheel, codes) in [
        ("good", wheel(), [0, 0, 0]),
        ("another digest", wheel().wrong_digest(init), [1, 0, 0]),
        ("another size", wheel().wrong_size(init), [1, 0, 0]),
        ("not listed", wheel().omit_from_record(init), [1, 1, 0]),
        ("no digest", wheel().record_row(init, "", 17), [1, 1, 0]),
        ("no size", wheel().record_row(init, &good, ""), [1, 1, 0]),
        (
            "a digest of itself",
            wheel().record_row(&format!("{info}/RECORD"), &good, 17),
            [1, 1, 0],
        ),
        (
            "without itself",
            wheel().omit_from_record(&format!("{info}/RECORD")),
            [1, 1, 0],
        ),
        (
            "a listed signature",
            wheel().dist_info_file("RECORD.jws", "{}"),
            [1, 1, 0],
        ),
        (
            "a signature",
            wheel()
                .dist_info_file("RECORD.jws", "{}")
                .omit_from_record(&format!("{info}/RECORD.jws")),
            [0, 0, 0],
        ),
        (
            "more than there is",
            wheel().record_line(&format!("fancy/missing.py,{good},17")),
            [0, 0, 0],
        ),
    ] {
        let path = written(&scene, &wheel);
        for (part, code) in ["all", "entries", "none"].into_iter().zip(codes) {
            let given = ["installer", "-d", "dest", "-p", "/usr", "--validate-record"];
            let run = scene.run(&[&given[..], &[part, &path]].concat());
            assert_eq!(run.code, code, "{what}, {part}: {}", run.stderr);
            if code == 0 {
                let dest = scene.join("dest");
                let record = library(&dest, "usr").join(info).join("RECORD");
                let record = fs::read_to_string(record).expect("it was written");
                let row = format!("{init},{good},17");
                assert!(record.lines().any(|line| line == row), "{what}: {record}");
                fs::remove_dir_all(dest).expect("it can be removed");
            }
        }
    }
}

#[test]
fn directories_are_named_as_the_wheel_spells_its_name() {
    let scene = Scene::new();
    let wheel = Wheel::new("Fancy_Name", "1.0.post01")
        .file_name("Fancy_Name-1.0.post01-py3-none-any.whl")
        .dist_info("Fancy_Name-1.0.post01.dist-info")
        .file("fancy.py", "")
        .data("headers/fancy.h", "");
    let wheel = written(&scene, &wheel);
    let given = ["installer", "-d", "dest", "-p", "/usr", &wheel];
    scene.run(&given).assert_code(0);
    let dest = scene.join("dest");
    let info = library(&dest, "usr").join("Fancy_Name-1.0.post01.dist-info");
    let record = fs::read_to_string(info.join("RECORD")).expect("it was written");
    assert!(
        record.contains("Fancy_Name-1.0.post01.dist-info/METADATA,"),
        "{record}"
    );
    let headers = format!("usr/include/python{}", interpreter().minor);
    assert!(dest.join(headers).join("Fancy_Name/fancy.h").is_file());
    scene.run(&given).assert_code(1).assert_stderr("exists");
}

#[test]
fn a_second_wheel_may_not_have_a_file_of_the_first_one_unless_it_may_be_overwritten() {
    let scene = Scene::new();
    let shared = |name: &str| written(&scene, &fancy(name).file("ns/__init__.py", ""));
    let (one, two) = (shared("one"), shared("two"));
    for wheels in [[&one, &two], [&one, &one]] {
        let given = [
            "installer",
            "-d",
            "dest",
            "-p",
            "/usr",
            wheels[0],
            wheels[1],
        ];
        scene.run(&given).assert_code(1);
        assert!(!scene.join("dest").exists());
        scene
            .run(&[&given[..], &["--overwrite-existing"]].concat())
            .assert_code(0);
        fs::remove_dir_all(scene.join("dest")).expect("it can be removed");
    }
}

#[test]
fn the_last_one_counts_of_an_option_that_is_given_twice() {
    let scene = Scene::new();
    let wheel = written(&scene, &fancy("fancy"));
    let options = ["-d", "first", "-d", "dest", "-p", "/a", "-p", "/usr"];
    let twice = ["--overwrite-existing", "--overwrite-existing"];
    let levels = ["--compile-bytecode", "1", "--compile-bytecode", "2"];
    scene
        .run(&[&["installer"], &options[..], &twice, &levels, &[&wheel]].concat())
        .assert_code(0);
    assert!(!scene.join("first").exists() && !scene.join("dest/a").exists());
    let files = tree(&library(&scene.join("dest"), "usr"));
    assert!(
        files.contains(".opt-1.pyc") && files.contains(".opt-2.pyc"),
        "{files}"
    );
}

#[test]
fn only_files_are_installed() {
    let scene = Scene::new();
    written(&scene, &fancy("fancy"));
    for wheel in [
        "wheels",
        "fancy",
        "https://localhost/fancy-1.0.0-py3-none-any.whl",
    ] {
        let given = ["installer", "-d", "dest", "-p", "/usr", wheel];
        scene.run(&given).assert_code(1);
    }
    assert!(!scene.join("dest").exists());
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

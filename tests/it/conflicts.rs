//! Two owners of one path: refused before anything is written, or resolved according to
//! `--on-conflict`, and recorded correctly.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::scene::{Run, Scene, assert_unchanged, python, site_packages, tree};
use crate::support::verdict::{Rows, refused};
use crate::support::wheel_builder::{Wheel, digest};

/// A project with these files.
pub fn project(name: &str, files: &[(&str, &str)]) -> Wheel {
    files
        .iter()
        .fold(Wheel::new(name, "1.0"), |wheel, (path, content)| {
            wheel.file(path, content)
        })
}

/// Writes the wheels and returns their paths.
pub fn wheels(scene: &Scene, wheels: &[Wheel]) -> Vec<String> {
    wheels
        .iter()
        .map(|wheel| scene.wheel(wheel).display().to_string())
        .collect()
}

pub fn texts(paths: &[String]) -> Vec<&str> {
    paths.iter().map(String::as_str).collect()
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn conflicts(run: &Run) -> Vec<Value> {
    run.json()["conflicts"].as_array().expect("a list").clone()
}

/// Two projects with a `cv2/cv2.py` of the same size and other bytes, and with an equal
/// `cv2/data.py`.
pub fn two_of_a_kind() -> [Wheel; 2] {
    [("opencv-python", "one"), ("opencv-contrib-python", "two")].map(|(name, content)| {
        project(
            name,
            &[
                ("cv2/cv2.py", content),
                ("cv2/data.py", "same"),
                ("cv2/__init__.py", ""),
            ],
        )
    })
}

/// A venv with `mod.py` with this content, which no project owns.
pub fn with_unowned(scene: &Scene, content: &str) -> (PathBuf, PathBuf) {
    let venv = scene.venv();
    let file = site_packages(&venv).join("mod.py");
    fs::write(&file, content).expect("it can be written");
    (venv, file)
}

#[test]
fn e63_e66_r90_two_wheels_with_other_bytes_at_one_path() {
    let scene = Scene::new();
    let venv = scene.venv();
    let paths = wheels(&scene, &two_of_a_kind());
    let (one, two) = (digest(b"one"), digest(b"two"));
    let says = [
        "cv2/cv2.py",
        "opencv-python",
        "opencv-contrib-python",
        "--on-conflict",
    ];
    let run = refused(&scene, &venv, &texts(&paths), 4, &says);
    assert!(!run.stderr.contains("cv2/data.py"), "{}", run.stderr);
    let run = refused(&scene, &venv, &[&paths[0], &paths[1], "--json"], 4, &[]);
    let found = conflicts(&run);
    assert_eq!(found.len(), 1);
    assert!(
        found[0]["path"]
            .as_str()
            .is_some_and(|path| path.ends_with("cv2/cv2.py")),
        "{found:?}"
    );
    assert_eq!(
        found[0]["owners"],
        json!(["opencv-python", "opencv-contrib-python"])
    );
    assert_eq!(found[0]["contents"], json!([one, two]));
    assert_eq!(found[0]["resolution"], "error");
    assert_eq!(run.json()["error"]["code"], "conflict");
    let report = run.json();
    assert_eq!(
        (&report["error"]["kind"], &report["error"]["effect"]),
        (&json!("conflict"), &json!("untouched"))
    );
    assert_eq!(
        (&report["outcome"], &report["changes"]),
        (&json!("failed"), &json!([]))
    );
}

#[test]
fn r90_ten_conflicts_are_shown_and_all_are_in_the_json() {
    let scene = Scene::new();
    let venv = scene.venv();
    let many = |name: &str| {
        (0..25).fold(Wheel::new(name, "1.0"), |wheel, n| {
            wheel.file(&format!("m/{n}.py"), name)
        })
    };
    let paths = wheels(&scene, &[many("aa"), many("bb")]);
    let run = refused(&scene, &venv, &texts(&paths), 4, &["25 files", "15 more"]);
    assert_eq!(
        run.stderr
            .lines()
            .filter(|line| line.starts_with("         m/"))
            .count(),
        10,
        "{}",
        run.stderr
    );
    assert_eq!(
        conflicts(&refused(
            &scene,
            &venv,
            &[&paths[0], &paths[1], "--json"],
            4,
            &[]
        ))
        .len(),
        25
    );
}

#[test]
fn e65_c38_first_and_last_are_the_order_of_the_arguments() {
    for (policy, reversed, winner, content) in [
        ("first", false, "opencv-python", "one"),
        ("last", false, "opencv-contrib-python", "two"),
        ("first", true, "opencv-contrib-python", "two"),
        ("last", true, "opencv-python", "one"),
    ] {
        for jobs in ["1", "8"] {
            let scene = Scene::new();
            let venv = scene.venv();
            let mut paths = wheels(&scene, &two_of_a_kind());
            if reversed {
                paths.reverse();
            }
            let run = scene.install(
                &venv,
                &[
                    "--on-conflict",
                    policy,
                    "-j",
                    jobs,
                    "--json",
                    &paths[0],
                    &paths[1],
                ],
            );
            run.assert_code(0);
            let found = conflicts(&run);
            assert_eq!(
                (found.len(), &found[0]["resolution"]),
                (1, &json!(winner)),
                "{policy}"
            );
            assert_eq!(
                read(&site_packages(&venv).join("cv2/cv2.py")),
                content,
                "{policy}"
            );
            for name in [
                "opencv_python-1.0.dist-info",
                "opencv_contrib_python-1.0.dist-info",
            ] {
                let rows = Rows::of(&venv, name);
                assert_eq!(rows.lies(), [""; 0], "{name}");
                assert!(rows.rows.contains_key("cv2/cv2.py"), "{name}");
            }
        }
    }
}

#[test]
fn e65_the_wheels_of_a_directory_come_in_the_order_of_their_names() {
    let scene = Scene::new();
    let venv = scene.venv();
    wheels(&scene, &two_of_a_kind());
    scene
        .install(&venv, &["--on-conflict", "first", "wheels"])
        .assert_code(0);
    assert_eq!(
        read(&site_packages(&venv).join("cv2/cv2.py")),
        "two",
        "opencv_contrib_python sorts first"
    );
}

#[test]
fn e61_e62_e64_r91_identical_contents_are_shared() {
    let namespace = |name: &str| {
        project(
            name,
            &[
                ("ns/__init__.py", ""),
                ("tests/__init__.py", "# tests\n"),
                (&format!("ns/{name}.py"), "x = 1\n"),
            ],
        )
    };
    let paths = |scene: &Scene| wheels(scene, &["one", "two", "three"].map(namespace));
    let together = Scene::new();
    let venv = together.venv();
    let run = together.install(
        &venv,
        &[&texts(&paths(&together))[..], &["--json"]].concat(),
    );
    run.assert_code(0);
    assert_eq!(conflicts(&run), [json!(null); 0]);
    let apart = Scene::new();
    let other = apart.venv();
    for path in paths(&apart) {
        apart.install(&other, &[path]).assert_code(0);
    }
    for venv in [&venv, &other] {
        assert_eq!(python(venv, "import ns.one, ns.two, ns.three"), "");
        for name in ["one", "two", "three"] {
            let rows = Rows::of(venv, &format!("{name}-1.0.dist-info"));
            assert!(
                rows.rows.contains_key("ns/__init__.py") && rows.lies().is_empty(),
                "{name}"
            );
        }
    }
    assert_unchanged(&tree(&site_packages(&venv)), &tree(&site_packages(&other)));
}

#[test]
fn e61_a_namespace_without_a_file_is_merged() {
    let scene = Scene::new();
    let target = scene.join("app");
    let parts = ["a", "b"].map(|name| {
        project(
            &format!("ns-{name}"),
            &[(&format!("ns/{name}/__init__.py"), name)],
        )
    });
    for path in wheels(&scene, &parts) {
        scene.install(&target, &[path]).assert_code(0);
    }
    assert_eq!(
        (
            read(&target.join("ns/a/__init__.py")),
            read(&target.join("ns/b/__init__.py"))
        ),
        ("a".into(), "b".into())
    );
}

#[test]
fn e24_r51_r52_a_file_where_another_has_a_directory() {
    let file = project("file", &[("thing", "a file\n")]);
    let directory = project("directory", &[("thing/__init__.py", "")]);
    let scene = Scene::new();
    let venv = scene.venv();
    let paths = wheels(&scene, &[file, directory]);
    for policy in ["error", "first", "last"] {
        let says = ["thing", "file", "directory", "a file", "a directory"];
        refused(
            &scene,
            &venv,
            &["--on-conflict", policy, &paths[0], &paths[1]],
            4,
            &says,
        );
        refused(
            &scene,
            &venv,
            &["--on-conflict", policy, &paths[1], &paths[0]],
            4,
            &says,
        );
    }
    for (first, second) in [(0, 1), (1, 0)] {
        let venv = scene.venv_at(&format!("venv{first}"));
        scene.install(&venv, &[&paths[first]]).assert_code(0);
        let run = refused(
            &scene,
            &venv,
            &[&paths[second]],
            4,
            &["thing", "a file", "a directory"],
        );
        let installed = ["file", "directory"][first];
        assert!(
            run.stderr.contains(&format!("{installed} has")),
            "the owner is not named:\n{}",
            run.stderr
        );
    }
}

#[test]
fn c61_e68_r92_two_versions_of_one_project() {
    let scene = Scene::new();
    let venv = scene.venv();
    let version = |version: &str| Wheel::new("Demo.X", version).file("demo.py", version);
    let paths = wheels(
        &scene,
        &[
            version("1.0"),
            version("2.0").file_name("demo_x-2.0-py3-none-any.whl"),
        ],
    );
    for policy in ["error", "first", "last"] {
        let says = [
            "demo-x",
            "Demo.X-1.0-py3-none-any.whl",
            "demo_x-2.0-py3-none-any.whl",
        ];
        refused(
            &scene,
            &venv,
            &["--on-conflict", policy, &paths[0], &paths[1]],
            4,
            &says,
        );
    }
    let run = refused(&scene, &venv, &["--json", &paths[0], &paths[1]], 4, &[]);
    assert_eq!(run.json()["error"]["kind"], "conflict");
    let copy = scene.join("Demo.X-1.0-py3-none-any.whl");
    std::fs::copy(&paths[0], &copy).expect("it can be copied");
    refused(
        &scene,
        &venv,
        &[&paths[0], &copy.display().to_string()],
        4,
        &["demo-x"],
    );
    // A file named twice is one wheel, for example by a directory and by a lock file.
    scene.install(&venv, &[&paths[0], &paths[0]]).assert_code(0);
}

#[test]
fn e34_of_several_builds_of_one_version_the_highest_is_taken() {
    let scene = Scene::new();
    let build = |build: &str| {
        Wheel::new("demo", "1.0")
            .build(build)
            .file("demo.py", format!("build = '{build}'\n"))
    };
    let plain = Wheel::new("demo", "1.0").file("demo.py", "build = ''\n");
    let paths = wheels(&scene, &[build("2"), build("10"), build("9z"), plain]);
    for (number, order) in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]]
        .iter()
        .enumerate()
    {
        let venv = scene.venv_at(&format!("venv{number}"));
        let chosen: Vec<&str> = order.iter().map(|&index| paths[index].as_str()).collect();
        let run = scene.install(&venv, &chosen);
        run.assert_code(0)
            .assert_stderr("demo-1.0-10-py3-none-any.whl");
        assert_eq!(
            read(&site_packages(&venv).join("demo.py")),
            "build = '10'\n"
        );
    }
}

#[test]
fn e51_r82_the_script_of_one_wheel_and_the_entry_point_of_another() {
    let scene = Scene::new();
    let venv = scene.venv();
    let script = Wheel::new("one", "1.0").data("scripts/tool", "#!/bin/sh\n");
    let point = Wheel::new("two", "1.0")
        .file("two.py", "")
        .entry_points("[console_scripts]\ntool = two:main\n");
    let other = Wheel::new("three", "1.0")
        .file("three.py", "")
        .entry_points("[console_scripts]\ntool = three:main\n");
    let paths = wheels(&scene, &[script, point, other]);
    refused(
        &scene,
        &venv,
        &[&paths[0], &paths[1]],
        4,
        &["bin/tool", "one", "two"],
    );
    refused(
        &scene,
        &venv,
        &[&paths[1], &paths[2]],
        4,
        &["bin/tool", "two", "three"],
    );
    scene
        .install(&venv, &["--on-conflict", "last", &paths[0], &paths[1]])
        .assert_code(0);
    assert_eq!(Rows::of(&venv, "one-1.0.dist-info").lies(), [""; 0]);
    assert_eq!(Rows::of(&venv, "two-1.0.dist-info").lies(), [""; 0]);
}

#[test]
fn c38_equal_rows_of_record_are_not_believed_unverified() {
    let scene = Scene::new();
    let venv = scene.venv();
    let said = digest(b"said");
    let liar = |name: &str, content: &str| {
        project(name, &[("mod.py", content)]).record_row("mod.py", &said, 3)
    };
    let paths = wheels(&scene, &[liar("aa", "one"), liar("bb", "two")]);
    refused(
        &scene,
        &venv,
        &["--verify", "off", &paths[0], &paths[1]],
        4,
        &["mod.py", "aa", "bb"],
    );
}

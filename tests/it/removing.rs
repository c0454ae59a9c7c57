//! Removal: all files of a project are removed and no others, and RECORD is trusted only within the
//! environment.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::support::scene::{
    Run, Scene, assert_unchanged, difference, interpreter, site_packages, tree,
};
use crate::support::verdict::refused;
use crate::support::wheel_builder::Wheel;

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().expect("a file has a parent"))
        .expect("directories can be made");
    fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn put(scene: &Scene, venv: &Path, wheel: &Wheel) {
    scene.install(venv, &[scene.wheel(wheel)]).assert_code(0);
}

fn uninstall(scene: &Scene, venv: &Path, names: &[&str]) -> Run {
    let run = scene.install(venv, &[&["uninstall", "-v"], names].concat());
    run.assert_code(0);
    run
}

fn demo() -> Wheel {
    Wheel::new("demo", "1.0")
        .file("demo/__init__.py", "")
        .file("demo/sub/deep/mod.py", "")
        .file("single.py", "")
}

/// `demo` in an environment of its own, whose RECORD gets these rows more.
fn with_rows(scene: &Scene, rows: &[&str]) -> PathBuf {
    let venv = scene.venv();
    put(scene, &venv, &demo());
    let record = site_packages(&venv).join("demo-1.0.dist-info/RECORD");
    let mut text = fs::read_to_string(&record).expect("RECORD is there");
    for row in rows {
        text += &format!("{row},,\n");
    }
    fs::write(&record, text).expect("RECORD can be written");
    venv
}

#[test]
fn c56_scripts_data_headers_and_emptied_directories_go() {
    let scene = Scene::new();
    let venv = scene.venv();
    fs::create_dir_all(venv.join("share/kept")).expect("directories can be made");
    write(&venv.join("share/kept/file"), "");
    let before = tree(&venv);
    let wheel = demo()
        .data("scripts/tool", "#!python\n")
        .data("data/share/demo/deep/er/file", "")
        .data("data/share/kept/demo", "")
        .data("data/etc/demo.conf", "")
        .data("headers/demo.h", "")
        .data("platlib/platform/x.py", "")
        .entry_points("[console_scripts]\ndemo = demo:main\n[gui_scripts]\ndemo-gui = demo:main\n");
    put(&scene, &venv, &wheel);
    uninstall(&scene, &venv, &["Demo"]);
    assert_unchanged(&before, &tree(&venv));
}

#[test]
fn c56_bytecode_of_every_level_and_interpreter_goes() {
    let scene = Scene::new();
    let venv = scene.venv();
    let library = site_packages(&venv);
    write(&library.join("__pycache__/other.cpython-39.pyc"), "");
    write(&library.join("__pycache__/single.txt"), "");
    let before = tree(&venv);
    put(&scene, &venv, &demo());
    let tag = format!("cpython-{}", interpreter().minor.replace('.', ""));
    for directory in ["", "demo/", "demo/sub/deep/"] {
        for stem in ["single", "__init__", "mod"] {
            if !library.join(format!("{directory}{stem}.py")).is_file() {
                continue;
            }
            for end in [tag.as_str(), "cpython-39", "pypy310"] {
                for level in ["", ".opt-1", ".opt-2"] {
                    write(
                        &library.join(format!("{directory}__pycache__/{stem}.{end}{level}.pyc")),
                        "",
                    );
                }
            }
            write(&library.join(format!("{directory}{stem}.pyc")), "");
        }
    }
    uninstall(&scene, &venv, &["demo"]);
    assert_unchanged(&before, &tree(&venv));
}

#[test]
fn c56_bytecode_of_modules_directly_in_a_root_goes() {
    let scene = Scene::new();
    let target = scene.join("flat");
    std::fs::create_dir(&target).expect("it can be made");
    let mut seen = Vec::new();
    for caches in [
        &[][..],
        &["single.cpython-39.pyc", "single.cpython-311.opt-1.pyc"],
    ] {
        put(&scene, &target, &demo());
        assert!(target.join("single.py").is_file());
        for cache in caches {
            write(&target.join("__pycache__").join(cache), "");
        }
        uninstall(&scene, &target, &["demo"]);
        seen.push(tree(&target));
    }
    assert_unchanged(&seen[0], &seen[1]);
}

#[test]
fn c57_r115_r116_rows_that_lead_outside_are_skipped_with_a_warning() {
    let scene = Scene::new();
    let victim = scene.write("victim.txt", "mine");
    let behind = scene.write("outside/x.py", "mine");
    let absolute = victim.display().to_string();
    let rows = [
        "../../../../victim.txt",
        "demo/../../../../../victim.txt",
        &absolute,
        "linked/x.py",
        "./../../../../victim.txt",
    ];
    let venv = with_rows(&scene, &rows);
    let link = site_packages(&venv).join("linked");
    symlink(scene.join("outside"), &link).expect("a link can be made");
    let run = uninstall(&scene, &venv, &["demo"]);
    for row in ["`../../../../victim.txt`", &absolute, "linked/x.py"] {
        run.assert_stderr(row);
    }
    run.assert_stderr("warning").assert_stderr("outside");
    assert!(victim.is_file() && behind.is_file() && link.is_symlink());
    assert!(
        !site_packages(&venv).join("demo").exists()
            && !site_packages(&venv).join("demo-1.0.dist-info").exists()
    );
}

#[test]
fn c57_a_replaced_project_takes_nothing_outside_along() {
    let scene = Scene::new();
    let victim = scene.write("victim.txt", "mine");
    let venv = with_rows(&scene, &["../../../../victim.txt"]);
    let run = scene.install(
        &venv,
        &[scene.wheel(&Wheel::new("demo", "2.0").file("demo/__init__.py", "2"))],
    );
    run.assert_code(0).assert_stderr("victim.txt");
    assert!(victim.is_file() && !site_packages(&venv).join("single.py").exists());
}

#[test]
fn c58_rows_that_are_directories_take_nothing_along() {
    let scene = Scene::new();
    let rows = [
        ".",
        "./",
        "theirs",
        "theirs/",
        "..",
        "../..",
        "../../..",
        "../../../bin",
        "demo/sub",
    ];
    let venv = with_rows(&scene, &rows);
    let library = site_packages(&venv);
    write(&library.join("theirs/file.py"), "theirs");
    let run = uninstall(&scene, &venv, &["demo"]);
    run.assert_stderr("theirs").assert_stderr("directory");
    assert!(library.join("theirs/file.py").is_file() && venv.join("bin/python").is_symlink());
    assert!(!library.join("demo").exists() && !library.join("single.py").exists());
}

#[test]
fn c59_a_link_goes_and_its_target_stays() {
    let scene = Scene::new();
    let outside = scene.write("outside.py", "mine");
    let venv = with_rows(&scene, &["link.py", "inner.py", "dangling.py"]);
    let library = site_packages(&venv);
    write(&library.join("target.py"), "mine");
    for (target, name) in [
        (outside.as_path(), "link.py"),
        (Path::new("target.py"), "inner.py"),
        (Path::new("no"), "dangling.py"),
    ] {
        symlink(target, library.join(name)).expect("a link can be made");
    }
    let single = library.join("single.py");
    fs::remove_file(&single).expect("it can be removed");
    symlink(&outside, &single).expect("a link can be made");
    uninstall(&scene, &venv, &["demo"]);
    for name in ["link.py", "inner.py", "dangling.py", "single.py"] {
        assert!(
            fs::symlink_metadata(library.join(name)).is_err(),
            "{name} is still there"
        );
    }
    assert!(outside.is_file() && library.join("target.py").is_file());
}

#[test]
fn c60_e102_a_shared_file_goes_with_its_last_owner() {
    let scene = Scene::new();
    let venv = scene.venv();
    let before = tree(&venv);
    let part = |name: &str| {
        Wheel::new(name, "1.0")
            .file("ns/__init__.py", "shared")
            .file(&format!("ns/{name}.py"), "")
            .data("data/share/common.txt", "shared")
    };
    for name in ["one", "two", "three"] {
        put(&scene, &venv, &part(name));
    }
    let shared = [
        site_packages(&venv).join("ns/__init__.py"),
        venv.join("share/common.txt"),
    ];
    uninstall(&scene, &venv, &["one"]);
    assert!(shared.iter().all(|path| path.is_file()));
    put(
        &scene,
        &venv,
        &Wheel::new("two", "2.0").file("ns/two.py", "2"),
    );
    assert!(shared.iter().all(|path| path.is_file()));
    uninstall(&scene, &venv, &["three"]);
    assert!(shared.iter().all(|path| !path.exists()));
    uninstall(&scene, &venv, &["two"]);
    assert_unchanged(&before, &tree(&venv));
    for name in ["one", "two"] {
        put(&scene, &venv, &part(name));
    }
    uninstall(&scene, &venv, &["one", "two"]);
    assert_unchanged(&before, &tree(&venv));
}

#[test]
fn r115_the_environment_itself_is_never_removed() {
    let scene = Scene::new();
    let python = format!("../../../bin/python{}", interpreter().minor);
    let files = [
        "../../../bin/python",
        "../../../bin/python3",
        &python,
        "../../../pyvenv.cfg",
        "../../../bin/activate",
    ];
    let venv = with_rows(&scene, &files);
    write(&venv.join("bin/activate"), "# activate\n");
    let run = uninstall(&scene, &venv, &["demo"]);
    for file in files {
        run.assert_stderr(file);
        assert!(
            fs::symlink_metadata(site_packages(&venv).join(file)).is_ok(),
            "{file} is gone"
        );
    }
    assert!(!site_packages(&venv).join("demo").exists());
}

#[test]
fn r114_an_unknown_name_removes_nothing() {
    let scene = Scene::new();
    let venv = scene.venv();
    put(&scene, &venv, &demo());
    refused(
        &scene,
        &venv,
        &["uninstall", "demo", "nothing-like-it"],
        5,
        &["nothing-like-it"],
    );
    refused(
        &scene,
        &venv,
        &["uninstall", "nothing-like-it", "demo"],
        5,
        &["nothing-like-it"],
    );
    refused(
        &scene,
        &venv,
        &["uninstall", "nor-this", "nothing-like-it"],
        5,
        &["nor-this", "nothing-like-it"],
    );
}

#[test]
fn r112_leftovers_of_an_interrupted_pip_have_no_owner() {
    let scene = Scene::new();
    let venv = scene.venv();
    write(
        &site_packages(&venv).join("~emo-1.0.dist-info/RECORD"),
        "demo/__init__.py,,\n",
    );
    let before = tree(&venv);
    put(&scene, &venv, &demo());
    uninstall(&scene, &venv, &["demo"]);
    assert_unchanged(&before, &tree(&venv));
}

/// The files of a wheel by their paths in it.
type Files = BTreeMap<String, String>;

fn wheel_of(name: &str, files: &Files) -> Wheel {
    files
        .iter()
        .fold(Wheel::new(name, "1.0"), |wheel, (path, content)| {
            wheel.file(path, content)
        })
}

/// Files of one project: some in namespaces that others use too, some of its own, in every scheme.
fn files_of(name: &'static str) -> impl Strategy<Value = Files> {
    let directory = prop_oneof![
        Just(String::new()),
        "(ns|ns/deep|tests)/".prop_map(|text| text),
        Just("{data}/purelib/pure/".to_owned()),
        Just("{data}/platlib/lib/".to_owned()),
        Just("{data}/scripts/".to_owned()),
        "\\{data\\}/data/(share|share/man/man1|etc|lib)/",
        Just("{data}/headers/inc/".to_owned()),
    ];
    let own = (directory, "[a-c]", "(\\.py|\\.txt|)", "[a-z]{0,9}").prop_map(
        move |(directory, stem, end, content)| (format!("{directory}{name}_{stem}{end}"), content),
    );
    let shared = "ns/(__init__|both)\\.py".prop_map(|path| (path, "shared\n".to_owned()));
    prop::collection::vec(prop_oneof![4 => own, 1 => shared], 0..12)
        .prop_map(|files| files.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn c56_an_uninstall_is_the_opposite_of_an_install(
        one in files_of("one"),
        two in files_of("two"),
        first in any::<bool>(),
        together in any::<bool>(),
    ) {
        let scene = Scene::new();
        let venv = scene.venv();
        write(&venv.join("share/file"), "here before");
        let before = tree(&venv);
        let wheels = [wheel_of("one", &one), wheel_of("two", &two)];
        let wheels = wheels.map(|wheel| scene.wheel(&wheel));
        scene.install(&venv, &[&wheels[0]]).assert_code(0);
        let with_one = tree(&venv);
        scene.install(&venv, &[&wheels[1]]).assert_code(0);
        let with_both = tree(&venv);
        for again in [&["--on-conflict", "error"][..], &["--reinstall"]] {
            let mut run = scene.command();
            Run::of(run.args(again).args(&wheels).arg("--target").arg(&venv)).assert_code(0);
            prop_assert_eq!(difference(&with_both, &tree(&venv)), "", "installing twice is once");
        }
        if together {
            uninstall(&scene, &venv, &["one", "two"]);
        } else if first {
            uninstall(&scene, &venv, &["one"]);
            uninstall(&scene, &venv, &["two"]);
        } else {
            uninstall(&scene, &venv, &["two"]);
            prop_assert_eq!(difference(&with_one, &tree(&venv)), "", "the other stays as it was");
            uninstall(&scene, &venv, &["one"]);
        }
        prop_assert_eq!(difference(&before, &tree(&venv)), "");
    }
}

#[test]
fn bytecode_behind_a_link_stays_and_blocks_nothing() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = Wheel::new("demo", "1.0").file("demo/__init__.py", "");
    scene.install(&venv, &[&scene.wheel(&wheel)]).assert_code(0);
    let outside = scene.join("outside");
    let compiled = outside.join("__init__.cpython-311.pyc");
    std::fs::create_dir(&outside).expect("it is new");
    std::fs::write(&compiled, "").expect("written");
    let package = site_packages(&venv).join("demo");
    std::os::unix::fs::symlink(&outside, package.join("__pycache__")).expect("it is new");
    scene.install(&venv, &["uninstall", "demo"]).assert_code(0);
    assert!(compiled.exists() && !package.join("__init__.py").exists());
}

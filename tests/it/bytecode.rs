//! `--compile-bytecode`: bytecode in the same transaction, and RECORD, removals and undo with it.

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::support::scene::{Scene, assert_unchanged, interpreter, python, site_packages, tree};
use crate::support::wheel_builder::Wheel;

/// The tag of the interpreter that environments are made for, such as `cpython-311`.
/// The tag in the names of bytecode files.
pub fn tag() -> String {
    format!("cpython-{}", interpreter().minor.replace('.', ""))
}

/// A project with a package, a module, a script and data.
fn demo(version: &str) -> Wheel {
    Wheel::new("demo", version)
        .file("pkg/__init__.py", "from . import inner\n")
        .file(
            "pkg/inner.py",
            format!("def name(): 'doc'; return {version:?}\n"),
        )
        .file("single.py", "assert True, 'never'\n")
        .data("scripts/tool.py", "#!python\nprint(1)\n")
        .data("data/share/example.py", "print(1)\n")
}

fn written(scene: &Scene, wheel: &Wheel) -> String {
    scene.wheel(wheel).display().to_string()
}

/// The bytecode below a directory, as sorted relative paths with the tag left out. What an undo
/// keeps does not count.
fn bytecode(root: &Path) -> Vec<String> {
    let tag = format!(".{}", tag());
    let text = tree(root);
    let paths = text.lines().filter_map(|line| line.split("  ").next());
    let bytecode = paths.filter(|path| path.ends_with(".pyc"));
    let live = bytecode.filter(|path| !path.contains(".pkg-install/"));
    live.map(|path| path.replace(&tag, "")).collect()
}

fn record(library: &Path, dist_info: &str) -> String {
    fs::read_to_string(library.join(dist_info).join("RECORD")).expect("it was written")
}

#[test]
fn c22_modules_are_compiled_for_their_final_paths_and_recorded_without_digests() {
    let scene = Scene::new();
    let venv = scene.venv();
    let empty = tree(&venv);
    let run = scene.install(
        &venv,
        &["--compile-bytecode", &written(&scene, &demo("1.0"))],
    );
    run.assert_code(0);
    let library = site_packages(&venv);
    let expected = [
        "__pycache__/single.pyc",
        "pkg/__pycache__/__init__.pyc",
        "pkg/__pycache__/inner.pyc",
    ];
    assert_eq!(bytecode(&library), expected);
    assert_eq!(bytecode(&venv).len(), 3);
    let record = record(&library, "demo-1.0.dist-info");
    for path in expected {
        let row = format!("{},,", path.replace(".pyc", &format!(".{}.pyc", tag())));
        assert!(record.lines().any(|line| line == row), "{row}\n{record}");
    }
    let mut sorted: Vec<&str> = record.lines().collect();
    sorted.sort_unstable_by_key(|line| line.split(',').next());
    assert_eq!(sorted, record.lines().collect::<Vec<_>>());
    let path = python(
        &venv,
        "import pkg.inner; print(pkg.inner.name.__code__.co_filename)",
    );
    assert_eq!(Path::new(path.trim()), library.join("pkg/inner.py"));
    let loaded = python(
        &venv,
        "import single, sys; sys.stdout.write(single.__cached__)",
    );
    assert!(library.join(loaded).is_file());
    scene.install(&venv, &["check"]).assert_code(0);
    let again = scene.install(
        &venv,
        &["--compile-bytecode", &written(&scene, &demo("1.0"))],
    );
    again.assert_code(0).assert_stderr("");
    scene.install(&venv, &["uninstall", "demo"]).assert_code(0);
    assert_unchanged(&empty, &tree(&venv));
}

#[test]
fn an_interpreter_takes_the_bytecode_and_writes_none() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = written(&scene, &demo("1.0"));
    let root = venv.display().to_string();
    let modes = ["timestamp", "checked-hash", "unchecked-hash"];
    // With the second variable the sources get a time that is not that of their compilation.
    let variables = [("LC_ALL", "C"), ("SOURCE_DATE_EPOCH", "1700000000")];
    for (mode, variable) in modes
        .iter()
        .flat_map(|mode| variables.map(|one| (*mode, one)))
    {
        let options = [
            "--reinstall",
            "--compile-bytecode",
            "--invalidation-mode",
            mode,
            "--target",
            &root,
        ];
        scene
            .run_with(&[variable], &[&options[..], &[&wheel]].concat())
            .assert_code(0);
        let before = tree(&venv);
        let mut command = std::process::Command::new(venv.join("bin/python"));
        command.args(["-I", "-v", "-c", "import pkg.inner, single"]);
        let output = command.output().expect("it starts");
        assert!(output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        let count = |word: &str| {
            let lines = said.lines().filter(|line| line.contains(word));
            lines.filter(|line| line.contains("site-packages")).count()
        };
        assert_eq!(
            (count("code object from"), count("# wrote")),
            (3, 0),
            "{mode} {variable:?}\n{said}"
        );
        assert_unchanged(&before, &tree(&venv));
        let library = site_packages(&venv);
        let path = library.join(format!("__pycache__/single.{}.pyc", tag()));
        let head = fs::read(path).expect("it was written");
        let flags = ["timestamp", "unchecked-hash", "", "checked-hash"];
        assert_eq!(flags[usize::from(head[4])], mode);
    }
}

#[test]
fn paths_in_bytecode_are_final_in_targets_prefixes_and_below_a_root() {
    let scene = Scene::new();
    let wheel = written(&scene, &demo("1.0"));
    let exe = interpreter().executable.display().to_string();
    let [target, image] = ["target", "image"].map(|name| scene.join(name).display().to_string());
    let below = format!("lib/python{}/site-packages", interpreter().minor);
    for (options, place, path) in [
        (vec!["--target", &target], target.clone(), target.clone()),
        (
            vec!["--python", &exe, "--root", &image, "--prefix", "/opt/app"],
            format!("{image}/opt/app/{below}"),
            format!("/opt/app/{below}"),
        ),
    ] {
        let run = scene.run(&[&options[..], &["--compile-bytecode", &wheel]].concat());
        run.assert_code(0);
        let file = format!("{place}/pkg/__pycache__/inner.{}.pyc", tag());
        let content = fs::read(file).expect("it was written");
        let expected = format!("{path}/pkg/inner.py");
        let found = content
            .windows(expected.len())
            .any(|part| part == expected.as_bytes());
        assert!(found, "{expected}");
        assert!(!place.contains("image") || !String::from_utf8_lossy(&content).contains(&image));
    }
    // Data lies inside the library of a target, programs do not count.
    let in_target = bytecode(Path::new(&target));
    assert_eq!(
        (in_target.len(), in_target.concat().contains("tool")),
        (4, false)
    );
    assert!(!scene.join("target/.pkg-install").exists());
}

#[test]
fn c22_a_file_that_is_no_python_is_a_warning_and_leaves_nothing_behind() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = Wheel::new("demo", "1.0")
        .file("good.py", "")
        .file("bad.py", "print 'two'\n")
        .file("templates/only.py", "{{ name }} = \n")
        .file("mixed/fine.py", "");
    let wheel = written(&scene, &wheel);
    let run = scene.install(&venv, &["--compile-bytecode", "--json", &wheel]);
    run.assert_code(0);
    let report = run.json();
    let warnings = report["warnings"].as_array().expect("warnings");
    let codes: Vec<&str> = warnings
        .iter()
        .filter_map(|one| one["code"].as_str())
        .collect();
    assert_eq!(codes, ["not-compiled", "not-compiled"]);
    let library = site_packages(&venv);
    assert_eq!(
        bytecode(&library),
        ["__pycache__/good.pyc", "mixed/__pycache__/fine.pyc"]
    );
    assert!(!library.join("templates/__pycache__").exists());
    assert!(!record(&library, "demo-1.0.dist-info").contains("bad.cpython"));
    scene.install(&venv, &["check"]).assert_code(0);
    let run = scene.install(&venv, &["--compile-bytecode", "--reinstall", "-v", &wheel]);
    run.assert_code(0)
        .assert_stderr("SyntaxError")
        .assert_stderr("line 1");
    // Here each of the two is moved in by itself, so that one operation has nothing to move.
    scene.install(&venv, &["uninstall", "demo"]).assert_code(0);
    fs::create_dir(library.join("__pycache__")).expect("it is free");
    scene
        .install(&venv, &["--compile-bytecode", &wheel])
        .assert_code(0);
    assert_eq!(bytecode(&library).len(), 2);
}

#[test]
fn an_epoch_is_given_to_all_files_if_an_operation_is_left_out() {
    let scene = Scene::new();
    let venv = scene.venv();
    let library = site_packages(&venv);
    // Each file of bytecode is moved in by itself, because its directory is there.
    fs::create_dir(library.join("__pycache__")).expect("it is free");
    let wheel = Wheel::new("demo", "1.0")
        .file("bad.py", "print 'two'\n")
        .file("good.py", "")
        .file("package/fine.py", "");
    let wheel = written(&scene, &wheel);
    let target = venv.display().to_string();
    let words = ["--compile-bytecode", "--target", &target, &wheel];
    scene
        .run_with(&[("SOURCE_DATE_EPOCH", "1000")], &words)
        .assert_code(0);
    let compiled = ["__pycache__/good", "package/__pycache__/fine"];
    let compiled = compiled.map(|stem| format!("{stem}.{}.pyc", tag()));
    let sources = ["bad.py", "good.py", "package/fine.py"];
    for file in sources
        .into_iter()
        .chain(compiled.iter().map(String::as_str))
    {
        let metadata = fs::metadata(library.join(file)).expect("it was written");
        let modified = metadata.modified().expect("files have times");
        assert_eq!(modified, UNIX_EPOCH + Duration::from_secs(1000), "{file}");
    }
}

#[test]
fn levels_have_files_of_their_own() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = written(
        &scene,
        &Wheel::new("demo", "1.0").file("one.py", "assert 0, 'text'\n"),
    );
    let options = ["--compile-bytecode", "-o", "2", "-o", "0,1", "-o", "2"];
    scene
        .install(&venv, &[&options[..], &[&wheel]].concat())
        .assert_code(0);
    let library = site_packages(&venv);
    let expected = [
        "__pycache__/one.opt-1.pyc",
        "__pycache__/one.opt-2.pyc",
        "__pycache__/one.pyc",
    ];
    assert_eq!(bytecode(&library), expected);
    for (name, keeps) in [("one", true), ("one.opt-1", false)] {
        let file = name.replace("one", &format!("one.{}", tag()));
        let content = fs::read(library.join(format!("__pycache__/{file}.pyc"))).expect("written");
        assert_eq!(
            String::from_utf8_lossy(&content).contains("text"),
            keeps,
            "{name}"
        );
    }
    scene.install(&venv, &["-o", "1", &wheel]).assert_code(2);
    scene
        .install(&venv, &["--compile-bytecode", "-o", "3", &wheel])
        .assert_code(2);
    let run = scene.run_with(
        &[
            ("PKG_INSTALL_COMPILE_BYTECODE", "1"),
            ("PKG_INSTALL_OPTIMIZE", "1"),
        ],
        &[
            "--no-compile",
            "--reinstall",
            "--target",
            &venv.display().to_string(),
            &wheel,
        ],
    );
    run.assert_code(0);
    assert_eq!(bytecode(&library), [] as [&str; 0]);
}

#[test]
fn replacing_and_undoing_take_bytecode_along() {
    let scene = Scene::new();
    let venv = scene.venv();
    let [old, new] = ["1.0", "2.0"].map(|version| written(&scene, &demo(version)));
    scene
        .install(&venv, &["--compile-bytecode", &old])
        .assert_code(0);
    let before = tree(&venv);
    scene.install(&venv, &["--undoable", &new]).assert_code(0);
    assert_eq!(bytecode(&venv), [] as [&str; 0]);
    scene.install(&venv, &["undo"]).assert_code(0);
    assert_unchanged(&before, &tree(&venv));
    let options = ["--compile-bytecode", "--undoable", "--durable"];
    scene
        .install(&venv, &[&options[..], &[&new]].concat())
        .assert_code(0);
    assert_eq!(
        python(&venv, "import pkg.inner; print(pkg.inner.name())"),
        "2.0\n"
    );
    assert_eq!(bytecode(&venv).len(), 3);
    scene.install(&venv, &["undo"]).assert_code(0);
    assert_unchanged(&before, &tree(&venv));
}

#[test]
fn bytecode_in_the_way_and_bytecode_in_wheels_give_way() {
    let scene = Scene::new();
    let venv = scene.venv();
    let library = site_packages(&venv);
    let stale = format!("__pycache__/single.{}.pyc", tag());
    fs::create_dir(library.join("__pycache__")).expect("it is free");
    fs::write(library.join(&stale), "stale").expect("it can be written");
    let shipped = format!("pkg/__pycache__/inner.{}.pyc", tag());
    let other = "pkg/__pycache__/inner.cpython-20.pyc";
    let wheel = demo("1.0")
        .file(&shipped, "shipped")
        .file(other, "for another one");
    let run = scene.install(&venv, &["--compile-bytecode", &written(&scene, &wheel)]);
    run.assert_code(0);
    for path in [&stale, &shipped] {
        assert!(
            fs::read(library.join(path)).expect("written").len() > 50,
            "{path}"
        );
    }
    let record = record(&library, "demo-1.0.dist-info");
    assert!(record.contains(&format!("{shipped},,")), "{record}");
    assert!(record.contains(&format!("{other},sha256=")), "{record}");
    scene.install(&venv, &["check"]).assert_code(0);
}

#[test]
fn two_owners_of_a_source_own_its_bytecode() {
    let scene = Scene::new();
    let venv = scene.venv();
    let [one, two] = ["one", "two"].map(|name| {
        let wheel = Wheel::new(name, "1.0").file("ns/__init__.py", "");
        written(&scene, &wheel.file(&format!("ns/{name}.py"), ""))
    });
    scene
        .install(&venv, &["--compile-bytecode", &one, &two])
        .assert_code(0);
    let library = site_packages(&venv);
    assert_eq!(bytecode(&library).len(), 3);
    for name in ["one", "two"] {
        assert!(
            record(&library, &format!("{name}-1.0.dist-info")).contains("ns/__pycache__/__init__")
        );
    }
    scene.install(&venv, &["uninstall", "one"]).assert_code(0);
    let left = ["ns/__pycache__/__init__.pyc", "ns/__pycache__/two.pyc"];
    assert_eq!(bytecode(&library), left);
    scene
        .install(&venv, &["--compile-bytecode", &one])
        .assert_code(0);
    assert_eq!(bytecode(&library).len(), 3);
    scene.install(&venv, &["check"]).assert_code(0);
}

#[test]
fn an_environment_without_its_interpreter_is_refused_and_left_alone() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = written(&scene, &demo("1.0"));
    for name in [
        "python",
        "python3",
        &format!("python{}", interpreter().minor),
    ] {
        fs::remove_file(venv.join("bin").join(name)).expect("it was made");
    }
    let before = tree(&venv);
    let run = scene.install(&venv, &["--compile-bytecode", &wheel]);
    run.assert_code(5).assert_stderr("python");
    assert_unchanged(&before, &tree(&venv));
    let target = scene.join("target").display().to_string();
    let described = ["--target", &target, "--python-version", "3.12"];
    let run = scene.run(&[&described[..], &["--compile-bytecode", &wheel]].concat());
    run.assert_code(5).assert_stderr("not on this machine");
    assert!(!scene.join("target").exists());
}

#[test]
fn a_dry_run_lists_the_bytecode() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = written(&scene, &demo("1.0"));
    let before = tree(&venv);
    let run = scene.install(
        &venv,
        &["--compile-bytecode", "--dry-run", "--json", &wheel],
    );
    run.assert_code(0);
    let planned = run.json()["plan"]["write"].to_string();
    assert!(
        planned.contains(&format!("pkg/__pycache__/inner.{}.pyc", tag())),
        "{planned}"
    );
    assert_unchanged(&before, &tree(&venv));
}

/// The version that is installed, as an interpreter that may write bytecode sees it.
fn imported(venv: &Path) -> String {
    let mut command = std::process::Command::new(venv.join("bin/python"));
    command.env_remove("PYTHONDONTWRITEBYTECODE");
    command.args(["-c", "import single, pkg.inner; print(pkg.inner.name())"]);
    let output = command.output().expect("it starts");
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn an_undo_moves_bytecode_away_that_interpreters_have_written_since() {
    for options in [&["--undoable"][..], &["--undoable", "--compile-bytecode"]] {
        let scene = Scene::new();
        let venv = scene.venv();
        // A file of another project, so that `__pycache__` is not only the project's.
        let other = Wheel::new("other", "1.0").file("other.py", "");
        let first = written(&scene, &other);
        scene.install(&venv, &[first]).assert_code(0);
        for version in ["1.0", "2.0", "3.0"] {
            let wheel = written(&scene, &demo(version));
            scene
                .install(&venv, &[options, &[&wheel]].concat())
                .assert_code(0);
            assert_eq!(imported(&venv), version);
            python(&venv, "import other");
        }
        scene.install(&venv, &["undo"]).assert_code(0);
        assert_eq!(imported(&venv), "2.0");
        scene.install(&venv, &["undo", "--to", "0"]).assert_code(0);
        assert!(!site_packages(&venv).join("pkg").exists());
        python(&venv, "import other");
        scene.install(&venv, &["check"]).assert_code(0);
    }
}

#[test]
fn an_undo_is_refused_if_more_than_bytecode_is_in_its_way() {
    let scene = Scene::new();
    let venv = scene.venv();
    let [old, new] = ["1.0", "2.0"].map(|version| written(&scene, &demo(version)));
    scene.install(&venv, &[&old]).assert_code(0);
    assert_eq!(imported(&venv), "1.0");
    scene.install(&venv, &["--undoable", &new]).assert_code(0);
    assert_eq!(imported(&venv), "2.0");
    let cache = site_packages(&venv).join("__pycache__");
    fs::write(cache.join("notes.txt"), "mine").expect("it can be written");
    let before = tree(&venv);
    scene.install(&venv, &["undo"]).assert_code(5);
    assert_unchanged(&before, &tree(&venv));
    fs::remove_file(cache.join("notes.txt")).expect("it is there");
    scene.install(&venv, &["undo"]).assert_code(0);
    assert_eq!(imported(&venv), "1.0");
    scene.install(&venv, &["check"]).assert_code(0);
}

//! `pack`: the artefacts contain what an installation would, run elsewhere, and are reproducible.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::scene::{Run, Scene, interpreter, tree};
use crate::support::wheel_builder::{EXECUTABLE, Wheel};

const FORMATS: [&str; 3] = ["pyz", "zip", "tar.gz"];

/// A wheel with everything that is treated differently: deflated, stored and Zstandard entries,
/// data, scripts, an entry point, and a long name that is not ASCII.
fn demo() -> Wheel {
    let long = format!("demo/{}/{}\u{e9}.txt", "d".repeat(120), "n".repeat(90));
    Wheel::new("demo", "1.0")
        .file(
            "demo/__init__.py",
            "import sys\ndef main(): print('demo', *sys.argv[1:])\n",
        )
        .file("demo/empty.py", "")
        .file("demo/big.txt", "line\n".repeat(40_000))
        .stored("demo/stored.bin", vec![7; 70_000])
        .zstd("demo/modern.txt", "modern\n".repeat(5_000))
        .file(&long, "long")
        .file_mode("demo/tool.sh", "#!/bin/sh\n", EXECUTABLE)
        .data("scripts/demo-script", "#!python\nprint('script')\n")
        .data("data/share/demo.txt", "data")
        .entry_points("[console_scripts]\ndemo = demo:main\n")
}

/// Packs `demo` and returns the path of the artefact.
#[track_caller]
fn packed(scene: &Scene, format: &str, options: &[&str]) -> PathBuf {
    let wheel = scene.wheel(&demo()).display().to_string();
    let name = format!("demo.{format}");
    let mut arguments = vec!["pack", wheel.as_str(), "--output", name.as_str()];
    arguments.extend(options);
    scene.run(&arguments).assert_code(0);
    scene.join(&name)
}

/// Unpacks an artefact with Python, whose `zipfile` leaves modes out.
#[track_caller]
fn unpack(scene: &Scene, artefact: &Path, to: &str) -> PathBuf {
    let code = "import os, sys, tarfile, zipfile\n\
        path, to = sys.argv[1:]\n\
        if path.endswith('.zip'):\n\
        \x20   archive = zipfile.ZipFile(path)\n\
        \x20   for info in archive.infolist():\n\
        \x20       out = archive.extract(info, to)\n\
        \x20       os.chmod(out, info.external_attr >> 16 & 0o777)\n\
        \x20   assert archive.testzip() is None\n\
        else:\n\
        \x20   tarfile.open(path).extractall(to)\n";
    let to = scene.join(to);
    let mut python = Command::new(&interpreter().executable);
    let arguments = ["-I", "-c", code, &artefact.display().to_string()];
    Run::of(python.args(arguments).arg(&to)).assert_code(0);
    to
}

/// Runs a program with few variables, and a cache in the scene.
fn run_plainly(scene: &Scene, program: &Path, arguments: &[&str]) -> Run {
    let mut command = Command::new(program);
    let python = interpreter()
        .executable
        .parent()
        .expect("it has a directory");
    let path = format!("{}:/usr/bin:/bin", python.display());
    command
        .args(arguments)
        .env_clear()
        .env("PATH", path)
        .env("PKG_INSTALL_PACK_CACHE", scene.join("cache"))
        .current_dir(scene.path())
        .stdin(Stdio::null());
    Run::of(&mut command)
}

/// The lines of a tree about files that wheels have.
fn of_wheels(tree: &str) -> Vec<&str> {
    let is_own = |line: &&str| {
        let path = line.split("  ").next().unwrap_or_default();
        let own = ["pyvenv.cfg", "bin/python", "bin/demo"];
        !line.contains("  directory ") && !own.iter().any(|own| path.starts_with(own))
    };
    tree.lines().filter(is_own).collect()
}

#[test]
fn an_archive_contains_what_an_installation_does() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = scene.wheel(&demo());
    scene.install(&venv, &[&wheel]).assert_code(0);
    let installed = tree(&venv);
    for format in ["zip", "tar.gz"] {
        let artefact = packed(&scene, format, &[]);
        let unpacked = tree(&unpack(&scene, &artefact, format));
        // RECORD differs, because scripts start another interpreter.
        let rows = |tree: &str| {
            let lines = of_wheels(tree);
            let lines = lines.into_iter().filter(|line| !line.contains("/RECORD "));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(rows(&unpacked), rows(&installed), "{format}");
        assert!(unpacked.contains("bin/demo  file 755"), "{unpacked}");
        assert!(unpacked.contains("share/demo.txt  file 644"), "{unpacked}");
    }
}

#[test]
fn an_unpacked_environment_is_what_its_records_say_before_and_after_its_first_start() {
    for format in ["zip", "tar.gz"] {
        let scene = Scene::new();
        let artefact = packed(&scene, format, &[]);
        let root = unpack(&scene, &artefact, "there");
        let check = || {
            let run = scene.run(&["check", "--json", "--target", "there"]);
            run.assert_code(0);
            assert_eq!(run.json()["projects_checked"], 1, "{format}");
        };
        check();
        let run = run_plainly(
            &scene,
            &root.join("bin/python"),
            &["-c", "import demo; demo.main()"],
        );
        assert_eq!(run.assert_code(0).stdout, "demo\n");
        check();
    }
}

#[test]
fn the_interpreter_settles_itself_wherever_the_environment_is() {
    let scene = Scene::new();
    let artefact = packed(&scene, "tar.gz", &[]);
    let root = unpack(&scene, &artefact, "first place");
    let said = |root: &Path, program: &str, arguments: &[&str]| {
        let run = run_plainly(&scene, &root.join(program), arguments);
        run.assert_code(0).stdout.clone()
    };
    let code = "import demo, sys; print(sys.prefix != sys.base_prefix, demo.__file__)";
    let expected = |root: &Path| {
        let minor = &interpreter().minor;
        let library = root.join(format!("lib/python{minor}/site-packages"));
        format!("True {}/demo/__init__.py\n", library.display())
    };
    assert_eq!(said(&root, "bin/python", &["-c", code]), expected(&root));
    // Moved after its first start, and called through links from elsewhere.
    let moved = scene.join("second");
    std::fs::rename(&root, &moved).expect("it can be moved");
    assert_eq!(said(&moved, "bin/python3", &["-c", code]), expected(&moved));
    assert_eq!(said(&moved, "bin/demo", &["x"]), "demo x\n");
    assert_eq!(said(&moved, "bin/demo-script", &[]), "script\n");
    std::os::unix::fs::symlink("second/bin/demo", scene.join("linked")).expect("a link");
    assert_eq!(said(scene.path(), "linked", &["y"]), "demo y\n");
    std::os::unix::fs::symlink("second", scene.join("third")).expect("a link");
    assert_eq!(
        said(&scene.join("third"), "bin/python", &["-c", "print(1)"]),
        "1\n"
    );
    // The interpreter has gone since.
    let link = moved.join(format!("bin/python{}", interpreter().minor));
    std::fs::remove_file(&link).expect("it is there");
    std::os::unix::fs::symlink("/nowhere/python", &link).expect("a link");
    assert_eq!(said(&moved, "bin/python", &["-c", code]), expected(&moved));
}

#[test]
fn many_first_starts_at_once_all_succeed() {
    let scene = Scene::new();
    let root = unpack(&scene, &packed(&scene, "zip", &[]), "there");
    let application = packed(&scene, "pyz", &["--entry", "demo"]);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (scene, root, application) = (&scene, &root, &application);
            scope.spawn(move || {
                let number = number.to_string();
                let code = "import demo, sys; print('demo', sys.argv[1])";
                let run = run_plainly(scene, &root.join("bin/python"), &["-c", code, &number]);
                assert_eq!(run.assert_code(0).stdout, format!("demo {number}\n"));
                let run = run_plainly(scene, application, &[&number]);
                assert_eq!(run.assert_code(0).stdout, format!("demo {number}\n"));
            });
        }
    });
    let left = tree(&scene.join("cache"));
    assert!(!left.contains(".new-"), "{left}");
    assert!(!tree(&root).contains(".new-"));
}

#[test]
fn an_application_unpacks_once_and_passes_arguments_and_variables() {
    let scene = Scene::new();
    let application = packed(&scene, "pyz", &["--entry", "demo"]);
    let mode = std::fs::metadata(&application)
        .expect("it is there")
        .permissions();
    assert_eq!(mode.mode() & 0o111, 0o111);
    let run = run_plainly(&scene, &application, &["a b", "*"]);
    assert_eq!(run.assert_code(0).stdout, "demo a b *\n");
    let first = tree(&scene.join("cache"));
    let again = run_plainly(&scene, &application, &[]);
    assert_eq!(again.assert_code(0).stdout, "demo\n");
    let pyc = |line: &&str| !line.contains("__pycache__");
    let again = tree(&scene.join("cache"));
    assert!(again.lines().filter(pyc).eq(first.lines().filter(pyc)));
    // By way of an interpreter, which is how systems without execute bits start it.
    let path = application.display().to_string();
    let by_python = run_plainly(&scene, &interpreter().executable, &[&path, "z"]);
    assert_eq!(by_python.assert_code(0).stdout, "demo z\n");

    let mut command = Command::new(&application);
    command
        .args([
            "-c",
            "import os, sys; print(os.environ['PYTHONPATH'] in sys.path)",
        ])
        .envs([
            ("PKG_INSTALL_PACK_INTERPRETER", "1"),
            ("PYTHONPATH", "/some/where"),
        ])
        .env("PKG_INSTALL_PACK_CACHE", scene.join("cache"));
    assert_eq!(Run::of(&mut command).assert_code(0).stdout, "True\n");
}

#[test]
fn an_application_without_an_entry_is_an_interpreter_and_an_entry_may_be_a_function() {
    let scene = Scene::new();
    let application = packed(&scene, "pyz", &[]);
    let run = run_plainly(&scene, &application, &["-c", "import demo; demo.main()"]);
    assert_eq!(run.assert_code(0).stdout, "demo\n");
    let application = packed(&scene, "pyz", &["--entry", "demo:main"]);
    let run = run_plainly(&scene, &application, &["f"]);
    assert_eq!(run.assert_code(0).stdout, "demo f\n");
    let wheel = scene.wheel(&demo()).display().to_string();
    let refused = scene.run(&["pack", &wheel, "--output", "x.pyz", "--entry", "nothing"]);
    refused
        .assert_code(2)
        .assert_stderr("there are demo, demo-script");
    assert!(!scene.join("x.pyz").exists());
}

#[test]
fn the_same_input_gives_the_same_bytes_whatever_is_around() {
    let scene = Scene::new();
    let (one, two) = (
        scene.wheel(&demo()).display().to_string(),
        scene
            .wheel(&Wheel::new("other", "2.0").file("other.py", "x = 1\n"))
            .display()
            .to_string(),
    );
    for format in FORMATS {
        let name = format!("first.{format}");
        scene
            .run(&["pack", &one, &two, "--output", &name, "-j", "1"])
            .assert_code(0);
        let first = std::fs::read(scene.join(&name)).expect("it is written");
        let elsewhere = Scene::new();
        let copy = elsewhere.join("wheels-of-mine");
        std::fs::create_dir_all(&copy).expect("a directory");
        for wheel in [&one, &two] {
            let name = Path::new(wheel).file_name().expect("a name");
            std::fs::copy(wheel, copy.join(name)).expect("it can be copied");
        }
        let name = format!("second.{format}");
        let copies = copy.display().to_string();
        let arguments = ["pack", &copies, "--output", &name, "-j", "7"];
        elsewhere.run_under_umask("077", &arguments).assert_code(0);
        let second = std::fs::read(elsewhere.join(&name)).expect("it is written");
        assert!(first == second, "{format}");
        let dated = elsewhere.run_with(&[("SOURCE_DATE_EPOCH", "1700000000")], &arguments);
        dated.assert_code(0);
        let third = std::fs::read(elsewhere.join(&name)).expect("it is written");
        assert!(first != third, "{format}");
    }
}

#[test]
fn a_second_run_changes_nothing_and_says_so_in_json() {
    let scene = Scene::new();
    let wheel = scene.wheel(&demo()).display().to_string();
    for format in FORMATS {
        let name = format!("demo.{format}");
        let arguments = ["pack", &wheel, "--output", &name, "--json"];
        let first = scene.run(&arguments).assert_code(0).json();
        assert_eq!(first["outcome"], "packed");
        let (artifact, project) = (&first["artifact"], &first["changes"][0]);
        assert_eq!(
            (&artifact["format"], &project["name"]),
            (&format.into(), &"demo".into())
        );
        let content = std::fs::read(scene.join(&name)).expect("it is written");
        assert_eq!(artifact["bytes"], content.len());
        assert_eq!(
            (&artifact["recompressed"], &project["action"]),
            (&1.into(), &"install".into())
        );
        let copied = artifact["copied"].as_u64().expect("a number");
        assert!(copied > 5 && artifact["entries"].as_u64() > Some(copied + 1));
        let second = scene.run(&arguments).assert_code(0).json();
        assert_eq!(second["outcome"], "unchanged");
        assert_eq!(second["artifact"], *artifact);
        let planned = scene.run(&[&arguments[..], &["--dry-run"]].concat());
        assert_eq!(planned.assert_code(0).json()["outcome"], "planned");
    }
}

#[test]
fn damage_in_a_wheel_is_refused_and_the_old_artefact_stays() {
    let scene = Scene::new();
    let bad = [
        Wheel::new("bad", "1")
            .file("bad.py", "x = 1\n")
            .crc("bad.py", 1),
        Wheel::new("bad", "1")
            .file("bad.py", "x = 1\n")
            .wrong_digest("bad.py"),
        Wheel::new("bad", "1")
            .stored("bad.py", "x = 1\n")
            .wrong_digest("bad.py"),
        Wheel::new("bad", "1")
            .zstd("bad.py", "x = 1\n")
            .wrong_digest("bad.py"),
        Wheel::new("bad", "1")
            .file("bad.py", "x = 1\n".repeat(100))
            .tamper_entry("bad.py", |entry| entry.body[9] ^= 4),
    ];
    for (number, wheel) in bad.iter().enumerate() {
        let wheel = scene.wheel(wheel).display().to_string();
        for format in FORMATS {
            let name = format!("out.{format}");
            scene.write(&name, "old");
            let run = scene.run(&["pack", &wheel, "--output", &name, "--json"]);
            run.assert_code(3);
            assert_eq!(run.json()["outcome"], "failed", "{number} {format}");
            assert_eq!(std::fs::read(scene.join(&name)).expect("it stays"), b"old");
        }
    }
    let left = tree(scene.path());
    assert!(!left.contains(".part"), "{left}");
}

#[test]
fn conflicts_end_with_4_and_are_settled_by_order() {
    let scene = Scene::new();
    let one = scene.wheel(&Wheel::new("one", "1").file("shared.py", "1"));
    let two = scene.wheel(&Wheel::new("two", "1").file("shared.py", "22"));
    let (one, two) = (one.display().to_string(), two.display().to_string());
    let arguments = ["pack", &one, &two, "--output", "x.tar.gz"];
    scene.run(&arguments).assert_code(4);
    scene
        .run(&[&arguments[..], &["--on-conflict", "last"]].concat())
        .assert_code(0);
    let root = unpack(&scene, &scene.join("x.tar.gz"), "there");
    assert!(tree(&root).contains("shared.py  file 644 2 bytes"));
    scene.run(&["check", "--target", "there"]).assert_code(0);
}

#[test]
fn a_fixed_interpreter_is_linked_and_plain_packages_have_none() {
    let scene = Scene::new();
    let python = interpreter().executable.display().to_string();
    let artefact = packed(&scene, "tar.gz", &["--interpreter", &python]);
    let root = unpack(&scene, &artefact, "fixed");
    assert_eq!(
        std::fs::read_link(root.join("bin/python")).expect("a link"),
        Path::new(&python)
    );
    let run = run_plainly(&scene, &root.join("bin/demo"), &["1"]);
    assert_eq!(run.assert_code(0).stdout, "demo 1\n");
    let root = unpack(
        &scene,
        &packed(&scene, "zip", &["--plain", "python"]),
        "plain",
    );
    let code = "import sys; sys.path.insert(0, 'plain/python'); import demo; demo.main()";
    let run = run_plainly(&scene, &interpreter().executable, &["-c", code]);
    assert_eq!(run.assert_code(0).stdout, "demo\n");
    assert!(!root.join("python/bin/python").exists());
}

#[test]
fn wrong_usage_is_refused_before_anything_is_read() {
    let scene = Scene::new();
    let wheel = scene.wheel(&demo()).display().to_string();
    std::fs::create_dir(scene.join("taken.zip")).expect("a directory");
    for (options, part) in [
        (&["--output", "artefact"][..], "which format"),
        (&["--output", "a.zip", "--entry", "demo"], "entry"),
        (&["--output", "a.pyz", "--plain", "python"], "plain"),
        (
            &["--output", "a.pyz", "--interpreter", "/usr/bin/python3"],
            "interpreter",
        ),
        (
            &["--output", "a.zip", "--interpreter", "python3"],
            "absolute",
        ),
        (&["--output", "a.zip", "--plain", "../up"], "../up"),
        (&["--output", "taken.zip"], "regular file"),
        (&[], "--output"),
    ] {
        let run = scene.run(&[&["pack", wheel.as_str()], options].concat());
        run.assert_code(2).assert_stderr(part);
    }
    let nonsense = [("SOURCE_DATE_EPOCH", "yesterday")];
    let run = scene.run_with(&nonsense, &["pack", &wheel, "--output", "a.zip"]);
    run.assert_code(2).assert_stderr("SOURCE_DATE_EPOCH");
}

#[test]
fn a_foreign_interpreter_is_refused_with_its_name() {
    let scene = Scene::new();
    let root = unpack(&scene, &packed(&scene, "zip", &[]), "there");
    let mut command = Command::new("/bin/sh");
    command
        .arg(root.join("bin/python"))
        .env_clear()
        .env("PATH", scene.join("nothing"));
    let run = Run::of(&mut command);
    let name = format!("python{}", interpreter().minor);
    run.assert_code(127).assert_stderr(&name);
}

#[test]
fn an_artefact_for_an_interpreter_that_is_not_here_needs_none() {
    let scene = Scene::new();
    let wheel = Wheel::new("native", "1").file("native.py", "x = 1\n");
    let wheel = wheel.tag("cp313-cp313-manylinux_2_17_aarch64");
    let wheel = scene.wheel(&wheel).display().to_string();
    let target = [
        "--python-version",
        "3.13",
        "--python-platform",
        "aarch64-manylinux_2_28",
    ];
    let arguments = [&["pack", &wheel, "--output", "x.tar.gz"], &target[..]].concat();
    let mut command = scene.command();
    let run = Run::of(command.args(&arguments).env("PATH", "/nowhere"));
    run.assert_code(0);
    let root = unpack(&scene, &scene.join("x.tar.gz"), "there");
    assert!(
        root.join("lib/python3.13/site-packages/native.py")
            .is_file()
    );
    let launcher = std::fs::read_to_string(root.join("bin/python")).expect("a text");
    assert!(launcher.contains("python3.13") && launcher.contains("cpython-313"));
    let here = scene.run(&["pack", &wheel, "--output", "y.tar.gz"]);
    here.assert_code(3);
}

#[test]
fn an_environment_that_cannot_be_written_asks_an_interpreter_only_at_its_first_start() {
    let scene = Scene::new();
    let root = unpack(&scene, &packed(&scene, "tar.gz", &[]), "there");
    // The file that the first start writes cannot take the place of a directory.
    std::fs::remove_file(root.join("pyvenv.cfg")).expect("it is there");
    std::fs::create_dir_all(root.join("pyvenv.cfg/full")).expect("a directory");
    let (asked, real) = (scene.join("asked"), interpreter().executable.display());
    let text = format!(
        "#!/bin/sh\necho asked >>'{}'\nexec '{real}' \"$@\"\n",
        asked.display()
    );
    let wrapper = scene.write("wrapper", text);
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&wrapper, mode).expect("it is there");
    let start = |root: &Path| {
        let mut command = Command::new(root.join("bin/python"));
        let code = "import demo, sys; print(sys.prefix, demo.__file__)";
        let cache = scene.join("cache");
        command.args(["-c", code]).env_clear();
        command.env("PATH", "/usr/bin:/bin");
        command.envs([
            ("PKG_INSTALL_PYTHON", &wrapper),
            ("PKG_INSTALL_PACK_CACHE", &cache),
        ]);
        let said = Run::of(&mut command).assert_code(0).stdout.clone();
        assert!(said.starts_with(&cache.display().to_string()), "{said}");
        std::fs::read_to_string(&asked)
            .expect("a text")
            .lines()
            .count()
    };
    assert_eq!([start(&root), start(&root)], [1, 1]);
    // Elsewhere, and with another file in it, it is another environment.
    let moved = scene.join("elsewhere");
    std::fs::rename(&root, &moved).expect("it can be moved");
    assert_eq!([start(&moved), start(&moved)], [2, 2]);
    std::fs::write(moved.join("bin/tool"), "new").expect("it can be written");
    assert_eq!([start(&moved), start(&moved)], [3, 3]);
}

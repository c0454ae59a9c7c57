//! `SOURCE_DATE_EPOCH`: the same wheels give the same tree to the last bit of an archive of it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use crate::support::scene::{Run, Scene, interpreter, site_packages};
use crate::support::wheel_builder::{EXECUTABLE, Wheel};

const EPOCH: &str = "1700000000";
const VARIABLES: &[(&str, &str)] = &[("SOURCE_DATE_EPOCH", EPOCH)];

/// The digest of an archive of the directory, owners left out.
fn archived(directory: &Path) -> String {
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--numeric-owner", "--owner=0", "--group=0"]);
    let output = tar
        .arg("-C")
        .arg(directory)
        .args(["-cf", "-", "."])
        .output();
    let output = output.expect("tar is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let digest = Sha256::digest(&output.stdout);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What differs most easily: the modes and times of everything below a directory.
fn settled(directory: &Path, found: &mut Vec<String>) {
    let metadata = fs::symlink_metadata(directory).expect("it is there");
    let (mode, time) = (metadata.permissions().mode() & 0o7777, metadata.mtime());
    let nanoseconds = metadata.mtime_nsec();
    let path = directory.display();
    found.push(format!("{path} {mode:o} {time}.{nanoseconds}"));
    if metadata.is_dir() {
        let children = fs::read_dir(directory).expect("it can be listed");
        let mut children: Vec<PathBuf> = children
            .map(|child| child.expect("it is there").path())
            .collect();
        children.sort();
        children.iter().for_each(|child| settled(child, found));
    }
}

fn assert_settled(directory: &Path) {
    let mut found = Vec::new();
    settled(directory, &mut found);
    for line in &found {
        let is_right = line.ends_with(&format!(" 644 {EPOCH}.0"))
            || line.ends_with(&format!(" 755 {EPOCH}.0"));
        assert!(is_right, "{line}\n{}", found.join("\n"));
    }
}

/// The digest of an archive of a tree that has settled, which is then removed.
fn removed(directory: &Path) -> String {
    assert_settled(directory);
    let digest = archived(directory);
    fs::remove_dir_all(directory).expect("it can be removed");
    digest
}

fn assert_same(digests: &[String]) {
    assert!(digests.len() > 1, "nothing to compare");
    let is_same = digests.iter().all(|digest| *digest == digests[0]);
    assert!(is_same, "{digests:?}");
}

fn project(scene: &Scene, name: &str, version: &str) -> String {
    let wheel = Wheel::new(name, version)
        .file("ns/__init__.py", "")
        .file(
            &format!("ns/{name}/__init__.py"),
            format!("version = {version:?}\n"),
        )
        .file(
            &format!("ns/{name}/sets.py"),
            "def f(x):\n    return x in {'a', 'b', 'c', 'd'}\n",
        )
        .file(&format!("{name}.py"), "import os\n")
        .file(&format!("ns/{name}/bad.py"), "print 'two'\n")
        .file(&format!("ns/{name}/v{}.py", version.replace('.', "_")), "")
        .file_mode(&format!("ns/{name}/run.sh"), "#!/bin/sh\n", EXECUTABLE)
        .data(&format!("scripts/tool-{name}"), "#!python\n")
        .data(&format!("data/share/{name}.txt"), "text")
        .entry_points(&format!("[console_scripts]\nmain-{name} = ns:main\n"));
    scene.wheel(&wheel).display().to_string()
}

fn projects(scene: &Scene, version: &str) -> Vec<String> {
    ["one", "two", "three"]
        .iter()
        .map(|name| project(scene, name, version))
        .collect()
}

#[test]
fn the_same_wheels_give_the_same_archive_whatever_the_umask_threads_and_order() {
    let scene = Scene::new();
    let forward = projects(&scene, "1.0");
    let backward: Vec<String> = forward.iter().rev().cloned().collect();
    let target = scene.join("target");
    let mut digests = Vec::new();
    for (umask, jobs, wheels) in [
        ("022", "1", &forward),
        ("077", "8", &backward),
        ("002", "3", &forward),
        ("027", "2", &backward),
    ] {
        let options = ["--compile-bytecode", "-o", "0,2", "-j", jobs, "--target"];
        let mut arguments: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        arguments.push(target.display().to_string());
        arguments.extend(wheels.iter().cloned());
        scene.run_as(umask, VARIABLES, &arguments).assert_code(0);
        digests.push(removed(&target));
    }
    assert_same(&digests);
}

#[test]
fn a_tree_below_a_root_is_the_same_from_its_top_on() {
    let scene = Scene::new();
    let wheels = projects(&scene, "1.0");
    let exe = interpreter().executable.display().to_string();
    let mut digests = Vec::new();
    for (umask, exists) in [("022", false), ("077", true)] {
        let image = scene.join("image");
        if exists {
            fs::create_dir(&image).expect("it is free");
            fs::set_permissions(&image, fs::Permissions::from_mode(0o755)).expect("it is ours");
        }
        let root = image.display().to_string();
        let options = [
            "--compile-bytecode",
            "--python",
            &exe,
            "--prefix",
            "/usr",
            "--root",
            &root,
        ];
        let mut arguments: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        arguments.extend(wheels.iter().cloned());
        scene.run_as(umask, VARIABLES, &arguments).assert_code(0);
        digests.push(removed(&image));
    }
    assert_same(&digests);
}

/// Where and how somebody builds a layer of an image.
struct Builder {
    umask: &'static str,
    jobs: &'static str,
    /// Whether the wheels are given in the other order.
    is_backward: bool,
    variables: [(&'static str, &'static str); 3],
    /// When the wheels were written, in seconds since 1970.
    time: u64,
    /// Whether the layer is on a disk. The other ones are in memory if possible.
    is_on_disk: bool,
    /// Another user than the one that runs the test, who has to be root then.
    user: Option<u32>,
    /// Whether other versions are installed first.
    upgrades: bool,
}

/// All that differs between builders, in three of them and then one by one.
fn builders() -> Vec<Builder> {
    let plain = || Builder {
        umask: "022",
        jobs: "1",
        is_backward: false,
        variables: [("TZ", "UTC"), ("LC_ALL", "C"), ("PYTHONHASHSEED", "1")],
        time: 1_000_000_000,
        is_on_disk: false,
        user: None,
        upgrades: false,
    };
    let far = || Builder {
        umask: "077",
        jobs: "8",
        is_backward: true,
        variables: [
            ("TZ", "Asia/Tokyo"),
            ("LC_ALL", "C.UTF-8"),
            ("PYTHONHASHSEED", "77"),
        ],
        time: 2_000_000_000,
        is_on_disk: true,
        ..plain()
    };
    vec![
        plain(),
        far(),
        Builder {
            is_on_disk: true,
            ..plain()
        },
        Builder {
            time: 1_999_999_999,
            ..plain()
        },
        Builder {
            user: Some(65_534),
            umask: "002",
            ..plain()
        },
        Builder {
            user: Some(65_534),
            is_on_disk: true,
            ..far()
        },
        Builder {
            upgrades: true,
            ..plain()
        },
        Builder {
            upgrades: true,
            ..far()
        },
    ]
}

/// The digest of the layer that a builder makes of the wheels; `None` if there can be no such
/// builder here.
fn layer_of(builder: &Builder, python: &str) -> Option<String> {
    let scene = Scene::new();
    let disk = tempfile::tempdir().expect("a temporary directory can be made");
    let place = if builder.is_on_disk {
        disk.path()
    } else {
        scene.path()
    };
    let is_root = fs::metadata(place).expect("it is there").uid() == 0;
    if builder.user.is_some() && !is_root {
        return None;
    }
    let image = place.join("image");
    fs::create_dir(&image).expect("it is free");
    for directory in [scene.path(), place, &image] {
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory, open).expect("it is ours");
    }
    if let Some(user) = builder.user {
        chown(&image, Some(user), Some(user)).expect("root may do so");
    }
    let (old, new) = (projects(&scene, "1.0"), projects(&scene, "2.0"));
    let steps = if builder.upgrades {
        vec![old, new]
    } else {
        vec![new]
    };
    for mut wheels in steps {
        for wheel in &wheels {
            let file = fs::File::options()
                .write(true)
                .open(wheel)
                .expect("it was written");
            let time = UNIX_EPOCH + Duration::from_secs(builder.time);
            file.set_modified(time).expect("it is ours");
        }
        if builder.is_backward {
            wheels.reverse();
        }
        let mut command = scene.command_under_umask(builder.umask);
        command.args(["--no-cache-dir", "--compile-bytecode", "-j", builder.jobs]);
        command.args(["--python", python, "--prefix", "/usr", "--root"]);
        command.arg(&image).args(&wheels);
        command.envs(VARIABLES.iter().chain(&builder.variables).copied());
        if let Some(user) = builder.user {
            command.uid(user).gid(user);
        }
        Run::of(&mut command).assert_code(0);
    }
    Some(removed(&image))
}

#[test]
fn a_layer_does_not_depend_on_its_builder_and_where_when_and_how_it_is_built() {
    // The interpreter of the tests may be in a home directory.
    let shared = Path::new("/usr/bin/python3");
    let own = interpreter().executable.display().to_string();
    let python = if shared.exists() {
        "/usr/bin/python3"
    } else {
        &own
    };
    let of = |builder: &Builder| {
        let is_here = builder.user.is_none() || python != own;
        is_here.then(|| layer_of(builder, python)).flatten()
    };
    let digests: Vec<String> = builders().iter().filter_map(of).collect();
    assert_same(&digests);
}

#[test]
fn a_fresh_and_an_upgraded_environment_are_the_same_tree() {
    let scene = Scene::new();
    let (old, new) = (projects(&scene, "1.0"), projects(&scene, "2.0"));
    for bytecode in [&["--compile-bytecode"][..], &[]] {
        let mut digests = Vec::new();
        for steps in [&[&new][..], &[&old, &new], &[&new, &old, &new]] {
            let target = scene.join("target");
            for (umask, wheels) in ["022", "077", "022"].iter().zip(steps) {
                let mut arguments = vec!["--target".to_owned(), target.display().to_string()];
                arguments.extend(bytecode.iter().map(|&option| option.to_owned()));
                arguments.extend(wheels.iter().cloned());
                scene.run_as(umask, VARIABLES, &arguments).assert_code(0);
            }
            digests.push(removed(&target));
        }
        assert_same(&digests);
    }
}

#[test]
fn a_virtual_environment_keeps_its_own_files_and_nothing_of_ours() {
    let scene = Scene::new();
    let venv = scene.venv();
    let config = fs::metadata(venv.join("pyvenv.cfg"))
        .expect("it is there")
        .mtime();
    let mut arguments = vec!["--target".to_owned(), venv.display().to_string()];
    arguments.extend(projects(&scene, "1.0"));
    scene.run_as("077", VARIABLES, &arguments).assert_code(0);
    assert_settled(&site_packages(&venv));
    assert!(!venv.join(".lock").exists());
    let tool = fs::metadata(venv.join("bin/main-one")).expect("it is there");
    assert_eq!(
        (tool.mtime().to_string(), tool.mode() & 0o777),
        (EPOCH.to_owned(), 0o755)
    );
    let kept = fs::metadata(venv.join("pyvenv.cfg"))
        .expect("it is there")
        .mtime();
    assert_eq!(kept, config);
    let mut arguments = vec![
        "uninstall".to_owned(),
        "--target".to_owned(),
        venv.display().to_string(),
    ];
    arguments.extend(["one", "two", "three"].map(str::to_owned));
    scene.run_as("077", VARIABLES, &arguments).assert_code(0);
    assert_settled(&site_packages(&venv));
}

#[test]
fn nonsense_in_the_variable_is_refused_by_its_name() {
    let scene = Scene::new();
    let wheel = project(&scene, "one", "1.0");
    let target = scene.join("target").display().to_string();
    for value in ["yesterday", "-1", "1.5", "+1", "99999999999999999999"] {
        let run = scene.run_with(
            &[("SOURCE_DATE_EPOCH", value)],
            &["--target", &target, &wheel],
        );
        run.assert_code(2).assert_stderr("SOURCE_DATE_EPOCH");
    }
    assert!(!scene.join("target").exists());
    let run = scene.run_with(&[("SOURCE_DATE_EPOCH", "")], &["--target", &target, &wheel]);
    run.assert_code(0);
    // Commands that write nothing do not care.
    scene
        .run_with(
            &[("SOURCE_DATE_EPOCH", "x")],
            &["list", "--target", &target],
        )
        .assert_code(0);
}

#[test]
fn the_files_of_the_store_keep_their_times_and_are_copied() {
    let scene = Scene::new();
    let wheel = project(&scene, "one", "1.0");
    let install = |variables: &[(&str, &str)], target: &str, mode: &str| {
        let how = [
            "--cache-dir",
            "cache",
            "--store",
            "always",
            "--link-mode",
            mode,
        ];
        let what = ["--json", "--target", target, &wheel];
        let run = scene.run_with(variables, &[&how[..], &what].concat());
        run.assert_code(0);
        run.json()["store"].clone()
    };
    let looks = |directory: &str| {
        let mut found = Vec::new();
        settled(&scene.join(directory), &mut found);
        found
    };
    // Filled with the variable, too.
    assert_eq!(install(VARIABLES, "filling", "auto")["filled"], 1);
    assert_settled(&scene.join("filling"));
    assert_ne!(install(&[], "linked", "hardlink")["linked"], 0);
    let before = looks("linked");
    assert!(
        before
            .iter()
            .any(|line| line.contains("one.py") && !line.contains(EPOCH))
    );
    for mode in ["auto", "hardlink", "copy"] {
        let figures = install(VARIABLES, mode, mode);
        assert_eq!(
            (&figures["linked"], &figures["cloned"]),
            (&0.into(), &0.into())
        );
        assert_ne!(figures["copied"], 0, "{figures}");
        assert_settled(&scene.join(mode));
        // These are the files of the store by other names.
        assert_eq!(looks("linked"), before, "{mode}");
    }
}

/// CPython has one object for each string of one Latin character. Once such a character was a name
/// in any source, old versions write the string in another way.
#[test]
fn the_bytecode_of_a_file_does_not_depend_on_what_else_is_compiled() {
    let scene = Scene::new();
    // From 3.12 on a constant set is made anew if one of its strings was a name before, and two
    // equal ones of a source are not one then.
    let set = "    'doc'\n    if (x := x.upper()) not in {'LEFT', 'RIGHT'}:\n        return x\n";
    let letters = "letters = {'a': 'é', 'b': '%', 'c': 'éa'}\n";
    let text = format!("{letters}def f(x):\n{set}def g(x):\n{set}");
    let ascii = format!("def f(x):\n{set}def g(x):\n{set}");
    let plain = Wheel::new("plain", "1.0").file("plain.py", text);
    let plain = scene.wheel(&plain.file("ascii.py", ascii));
    let names = [
        "é = 1\n",
        "class Names:\n    éa = 1\n",
        "LEFT = RIGHT = print.LEFT\n",
        "# coding: cp1252\n'decoding_table'\n",
        "print 'two'\n",
    ];
    // Sources may be sorted by their names or sizes.
    let padding = "# ".repeat(9000);
    let mut others = Wheel::new("others", "1.0");
    for (number, names) in names.iter().enumerate() {
        for place in ["a", "z"] {
            let path = |size: &str| format!("{place}_{size}{number}.py");
            others = others.file(&path("small"), names);
            others = others.file(&path("large"), format!("{names}{padding}\n"));
        }
    }
    let others = scene.wheel(&others);
    let mut bodies = Vec::new();
    // Bytecode has the path of its source, so both are made in one place.
    let target = scene.join("target");
    for wheels in [vec![&plain], vec![&others, &plain]] {
        let words = ["-j", "1", "--compile-bytecode", "--target"];
        let mut arguments: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        arguments.push(target.display().to_string());
        arguments.extend(wheels.iter().map(|wheel| wheel.display().to_string()));
        scene.run_with(VARIABLES, &arguments).assert_code(0);
        let tag = format!("cpython-{}", interpreter().minor.replace('.', ""));
        let cached = ["plain", "ascii"].map(|name| format!("__pycache__/{name}.{tag}.pyc"));
        bodies.push(cached.map(|path| fs::read(target.join(path)).expect("it is compiled")));
        fs::remove_dir_all(&target).expect("it can be removed");
    }
    assert_eq!(bodies[0], bodies[1]);
}

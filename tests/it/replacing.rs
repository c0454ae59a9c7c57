//! Another version replaces an installed one: new files in, obsolete files out, no matter which
//! tool installed the old version.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::scene::{
    Run, Scene, assert_unchanged, interpreter, python, site_packages, tree,
};
use crate::support::verdict::{Rows, dist_infos, refused};
use crate::support::wheel_builder::{Wheel, digest};

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().expect("a file has a parent"))
        .expect("directories can be made");
    fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn put(scene: &Scene, venv: &Path, wheel: &Wheel) -> Run {
    scene
        .install(venv, &[scene.wheel(wheel)])
        .assert_code(0)
        .clone()
}

fn uninstall(scene: &Scene, venv: &Path, name: &str) -> Run {
    scene
        .install(venv, &["uninstall", name])
        .assert_code(0)
        .clone()
}

/// Makes the file look as if it was written in an hour.
fn edit(path: &Path, content: &str) {
    write(path, content);
    let later = SystemTime::now() + Duration::from_secs(3600);
    File::open(path)
        .and_then(|file| file.set_modified(later))
        .expect("its time can be set");
}

/// Everything that a project can have, so that each version has something of its own.
fn rich(version: &str) -> Wheel {
    Wheel::new("demo", version)
        .file("demo/__init__.py", format!("version = '{version}'\n"))
        .file("demo/same.py", "same = 1\n")
        .file(&format!("demo/only{}.py", version.replace('.', "_")), "")
        .file(&format!("top{}.py", version.replace('.', "_")), "")
        .data("scripts/demo-script", format!("#!python\n# {version}\n"))
        .data(&format!("scripts/demo-{version}"), "#!/bin/sh\n")
        .data(&format!("data/share/demo/{version}/info.txt"), version)
        .data("data/share/demo/info.txt", version)
        .data("headers/demo.h", version)
        .data(&format!("headers/v{version}/demo.h"), version)
        .entry_points(&format!(
            "[console_scripts]\ndemo = demo:main\ndemo{version} = demo:main\n"
        ))
}

/// After `old` and then `new`, the environment is as if only `new` had ever been installed.
#[track_caller]
fn assert_as_fresh(old: &Wheel, new: &Wheel) {
    let scene = Scene::new();
    let venv = scene.venv();
    put(&scene, &venv, new);
    let fresh = tree(&venv);
    fs::remove_dir_all(&venv).expect("it can be removed");
    scene.venv();
    put(&scene, &venv, old);
    put(&scene, &venv, new);
    assert_unchanged(&fresh, &tree(&venv));
    for dist_info in dist_infos(&site_packages(&venv)) {
        assert_eq!(Rows::read(&dist_info).lies(), [""; 0]);
    }
}

#[test]
fn e99_an_upgrade_and_a_downgrade_leave_only_the_new() {
    assert_as_fresh(&rich("1.0"), &rich("2.0"));
    assert_as_fresh(&rich("2.0"), &rich("1.0"));
}

#[test]
fn e100_a_module_becomes_a_package_and_the_reverse() {
    let module = |version: &str| {
        Wheel::new("demo", version)
            .file("demo.py", "x = 'module'\n")
            .file("a", "a file")
    };
    let package = |version: &str| {
        Wheel::new("demo", version)
            .file("demo/__init__.py", "x = 'package'\n")
            .file("a/b/c.py", "")
            .file("a/d.py", "")
    };
    assert_as_fresh(&module("1.0"), &package("2.0"));
    assert_as_fresh(&package("1.0"), &module("2.0"));
}

#[test]
fn e99_the_same_version_is_kept_unless_a_reinstall_is_asked_for() {
    let scene = Scene::new();
    let venv = scene.venv();
    put(&scene, &venv, &rich("1.0"));
    let before = tree(&venv);
    let file = site_packages(&venv).join("demo/__init__.py");
    edit(&file, "broken\n");
    assert!(
        put(&scene, &venv, &rich("1.0"))
            .stdout
            .contains("nothing to do")
    );
    assert_eq!(read(&file), "broken\n");
    let path = scene.wheel(&rich("1.0")).display().to_string();
    let run = scene.install(&venv, &["--reinstall", "--json", &path]);
    run.assert_code(0);
    assert_eq!(run.json()["changes"][0]["action"], "reinstall");
    assert_unchanged(&before, &tree(&venv));
    let run = scene.install(&venv, &["--json", &path]);
    assert_eq!(
        (&run.json()["outcome"], &run.json()["changes"][0]["action"]),
        (&"unchanged".into(), &"keep".into())
    );
    let path = scene.wheel(&rich("2.0")).display().to_string();
    let change = &scene.install(&venv, &["--json", &path]).json()["changes"][0];
    assert_eq!(
        (&change["action"], &change["previous"]),
        (&"replace".into(), &"1.0".into())
    );
}

/// An installed project by hand: a dist-info of this name, with these files beside it, and RECORD
/// where `recorded`.
fn by_hand(venv: &Path, dist_info: &str, installer: &str, files: &[(&str, &str)], recorded: bool) {
    let library = site_packages(venv);
    let (name, version) = dist_info
        .trim_end_matches(".dist-info")
        .rsplit_once('-')
        .expect("name and version");
    let metadata = format!("Name: {name}\nVersion: {version}\n");
    let own = [("METADATA", metadata.as_str()), ("INSTALLER", installer)];
    let mut record = format!("{dist_info}/RECORD,,\n");
    for (path, content) in own.map(|(path, content)| (format!("{dist_info}/{path}"), content)) {
        write(&library.join(&path), content);
        record += &format!("{path},{},{}\n", digest(content.as_bytes()), content.len());
    }
    for (path, content) in files {
        write(&library.join(path), content);
        record += &format!("{path},{},{}\n", digest(content.as_bytes()), content.len());
    }
    if recorded {
        write(&library.join(dist_info).join("RECORD"), &record);
    }
}

#[test]
fn c49_another_spelling_of_the_name_is_the_same_project() {
    let scene = Scene::new();
    let venv = scene.venv();
    by_hand(
        &venv,
        "Foo.Bar-1.00.dist-info",
        "pip\n",
        &[("foo_bar.py", "old\n"), ("gone.py", "old\n")],
        true,
    );
    put(
        &scene,
        &venv,
        &Wheel::new("foo-bar", "2.0").file("foo_bar.py", "new\n"),
    );
    let library = site_packages(&venv);
    assert_eq!(
        dist_infos(&library),
        [library.join("foo_bar-2.0.dist-info")]
    );
    assert_eq!(
        (
            read(&library.join("foo_bar.py")),
            library.join("gone.py").exists()
        ),
        ("new\n".to_owned(), false)
    );
    assert_eq!(Rows::of(&venv, "foo_bar-2.0.dist-info").lies(), [""; 0]);
}

#[test]
fn c61_e69_r113_two_dist_infos_of_one_project_both_go() {
    let two = |venv: &Path| {
        by_hand(
            venv,
            "demo-1.0.dist-info",
            "pip\n",
            &[("demo.py", "old\n"), ("one.py", "1\n")],
            true,
        );
        by_hand(
            venv,
            "Demo-1.5.dist-info",
            "pip\n",
            &[("demo.py", "old\n"), ("two.py", "2\n")],
            true,
        );
    };
    let scene = Scene::new();
    let venv = scene.venv();
    let empty = tree(&venv);
    let wheel = Wheel::new("demo", "2.0").file("demo.py", "new\n");
    put(&scene, &venv, &wheel);
    let fresh = tree(&venv);
    uninstall(&scene, &venv, "demo");
    two(&venv);
    put(&scene, &venv, &wheel);
    assert_unchanged(&fresh, &tree(&venv));
    uninstall(&scene, &venv, "demo");
    assert_unchanged(&empty, &tree(&venv));
    two(&venv);
    uninstall(&scene, &venv, "demo");
    assert_unchanged(&empty, &tree(&venv));
}

#[test]
fn e93_c55_r114_without_record_nothing_is_replaced_or_removed() {
    type Make = fn(&Path);
    let makers: [(Make, &str); 4] = [
        (
            |venv| {
                by_hand(
                    venv,
                    "demo-1.0.dist-info",
                    "conda\n",
                    &[("demo.py", "old\n")],
                    false,
                );
            },
            "conda",
        ),
        (
            |venv| {
                write(
                    &site_packages(venv).join("demo-1.0.dist-info/METADATA"),
                    "Name: demo\n",
                );
            },
            "RECORD",
        ),
        (
            |venv| {
                write(
                    &site_packages(venv).join("demo-1.0-py3.11.egg-info/PKG-INFO"),
                    "Name: demo\n",
                );
            },
            "egg",
        ),
        (
            |venv| write(&site_packages(venv).join("demo.egg-link"), "/somewhere\n."),
            "egg",
        ),
    ];
    for (make, word) in makers {
        let scene = Scene::new();
        let venv = scene.venv();
        make(&venv);
        let path = scene
            .wheel(&Wheel::new("demo", "2.0").file("demo.py", "new\n"))
            .display()
            .to_string();
        refused(
            &scene,
            &venv,
            &["--on-conflict", "last", &path],
            5,
            &["demo", word],
        );
        refused(&scene, &venv, &["uninstall", "demo"], 5, &["demo", word]);
    }
}

#[test]
fn e95_an_edited_file_is_replaced_or_removed_with_a_warning() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = |version: &str| {
        Wheel::new("demo", version)
            .file("demo/__init__.py", version)
            .file("demo/b.py", "b")
    };
    let file = site_packages(&venv).join("demo/__init__.py");
    put(&scene, &venv, &wheel("1.0"));
    edit(&file, "mine");
    let run = put(&scene, &venv, &wheel("2.0"));
    run.assert_stderr("demo/__init__.py")
        .assert_stderr("edited");
    assert!(!run.stderr.contains("demo/b.py"), "{}", run.stderr);
    assert_eq!(read(&file), "2.0");
    edit(&file, "mine again");
    uninstall(&scene, &venv, "demo").assert_stderr("demo/__init__.py");
    assert!(!file.exists());
}

#[test]
fn e96_files_without_an_owner_stay_in_the_package() {
    let scene = Scene::new();
    let venv = scene.venv();
    let library = site_packages(&venv);
    put(&scene, &venv, &rich("1.0"));
    write(&library.join("demo/mine.txt"), "mine");
    write(&library.join("demo/own/deep.py"), "mine");
    symlink("nowhere", library.join("demo/link")).expect("a link can be made");
    put(&scene, &venv, &rich("2.0"));
    assert!(!library.join("demo/only1_0.py").exists() && library.join("demo/only2_0.py").exists());
    uninstall(&scene, &venv, "demo");
    let left = tree(&library.join("demo"));
    let names: Vec<&str> = left
        .lines()
        .filter_map(|line| line.split("  ").next())
        .collect();
    assert_eq!(names, [".", "link", "mine.txt", "own", "own/deep.py"]);
    assert_eq!(left.matches("file 644 4 bytes").count(), 2, "{left}");
}

#[test]
fn e94_an_editable_install_of_pip_gives_way() {
    let scene = Scene::new();
    let venv = scene.venv();
    let source = scene.write("project/demo.py", "x = 'editable'\n");
    let directory = source
        .parent()
        .expect("it is in a directory")
        .display()
        .to_string();
    let files = [
        ("__editable__.demo-1.0.pth", directory.as_str()),
        ("demo-1.0.dist-info/direct_url.json", "{}"),
    ];
    by_hand(&venv, "demo-1.0.dist-info", "pip\n", &files, true);
    put(
        &scene,
        &venv,
        &Wheel::new("demo", "1.1").file("demo.py", "x = 'wheel'\n"),
    );
    assert_eq!(python(&venv, "import demo\nprint(demo.x)"), "wheel\n");
    assert!(
        !site_packages(&venv)
            .join("__editable__.demo-1.0.pth")
            .exists()
    );
    assert_eq!(read(&source), "x = 'editable'\n");
}

#[test]
fn r111_a_shared_namespace_is_never_moved() {
    let scene = Scene::new();
    let venv = scene.venv();
    let part = |name: &str, version: &str| {
        Wheel::new(name, version)
            .file(&format!("ns/{name}.py"), version)
            .file(&format!("ns/{name}_{version}/x.py"), "")
    };
    let numbers = || {
        let library = site_packages(&venv);
        ["ns", "ns/other.py"]
            .map(|path| fs::metadata(library.join(path)).expect("it is there").ino())
    };
    put(&scene, &venv, &part("other", "1.0"));
    let (before, first) = (tree(&venv), numbers());
    put(&scene, &venv, &part("demo", "1.0"));
    put(&scene, &venv, &part("demo", "2.0"));
    assert_eq!(numbers(), first);
    assert_eq!(read(&site_packages(&venv).join("ns/demo.py")), "2.0");
    uninstall(&scene, &venv, "demo");
    assert_eq!(numbers(), first);
    assert_unchanged(&before, &tree(&venv));
}

#[test]
fn r110_e103_stale_bytecode_of_replaced_sources_goes() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = |version: &str| {
        let code = format!("x = '{version}'\n");
        Wheel::new("demo", version)
            .file("demo/__init__.py", &code)
            .file("single.py", &code)
    };
    put(&scene, &venv, &wheel("1.0"));
    put(
        &scene,
        &venv,
        &Wheel::new("other", "1.0").file("other.py", ""),
    );
    let library = site_packages(&venv);
    Run::of(
        Command::new(venv.join("bin/python"))
            .args(["-I", "-m", "compileall", "-q"])
            .arg(&library),
    )
    .assert_code(0);
    let tag = format!("cpython-{}", interpreter().minor.replace('.', ""));
    let other = library.join(format!("__pycache__/other.{tag}.pyc"));
    let stale = ["single", "demo/__init__"].map(|stem| {
        let (directory, stem) = stem.rsplit_once('/').unwrap_or(("", stem));
        library
            .join(directory)
            .join(format!("__pycache__/{stem}.{tag}.pyc"))
    });
    assert!(other.is_file() && stale.iter().all(|path| path.is_file()));
    put(&scene, &venv, &wheel("2.0"));
    assert!(
        other.is_file() && stale.iter().all(|path| !path.exists()),
        "{}",
        tree(&library)
    );
    assert_eq!(
        python(&venv, "import demo, single\nprint(demo.x, single.x)"),
        "2.0 2.0\n"
    );
}

#[test]
fn c56_projects_installed_by_pip_are_replaced_and_removed_completely() {
    let scene = Scene::new();
    let venv = scene.venv();
    let empty = tree(&venv);
    put(&scene, &venv, &rich("2.0"));
    let fresh = tree(&venv);
    uninstall(&scene, &venv, "demo");
    let old = scene.wheel(&rich("1.0"));
    for last in [&fresh, &empty] {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "--python"])
            .arg(&venv)
            .args(["install", "--no-index", "--no-deps", "--compile"])
            .arg(&old);
        Run::of(
            pip.env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
                .current_dir(scene.path()),
        )
        .assert_code(0);
        assert!(
            site_packages(&venv).join("demo/__pycache__").is_dir(),
            "{}",
            tree(&venv)
        );
        if last == &fresh {
            put(&scene, &venv, &rich("2.0"));
            assert_unchanged(&fresh, &tree(&venv));
        }
        uninstall(&scene, &venv, "demo");
        assert_unchanged(&empty, &tree(&venv));
    }
}

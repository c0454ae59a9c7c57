//! Environments of odd shapes: paths that are no text, links in the middle, directories that may
//! not be written to, what other tools left, and files that are in use.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::scene::{
    Run, Scene, assert_unchanged, interpreter, python, site_packages, tree,
};
use crate::support::verdict::{Rows, refused};
use crate::support::wheel_builder::Wheel;

pub fn demo(version: &str) -> Wheel {
    Wheel::new("demo", version)
        .file("demo/__init__.py", format!("x = '{version}'\n"))
        .data("scripts/tool", "#!python\nprint('runs')\n")
        .entry_points("[console_scripts]\nmain = demo:main\n")
}

pub fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().expect("a file has a parent"))
        .expect("directories can be made");
    fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

#[test]
fn e46_r84_an_environment_whose_path_is_no_text_is_refused() {
    let scene = Scene::new();
    let wheel = scene.wheel(&demo("1.0"));
    let odd = scene.path().join(OsStr::from_bytes(b"caf\xe9"));
    let plain = |name: &str| scene.venv_at(name);
    fs::rename(plain("venv"), &odd).expect("it can be renamed");
    let linked = scene.join("linked");
    symlink(&odd, &linked).expect("a link can be made");
    let target = scene.path().join(OsStr::from_bytes(b"\xfftarget"));
    for environment in [&odd, &linked, &target] {
        let before = tree(scene.path());
        let wheel = wheel.display().to_string();
        for command in [
            &[wheel.as_str()][..],
            &["--dry-run", &wheel],
            &["uninstall", "demo"],
            &["recover"],
        ] {
            let run = scene.install(environment, command);
            run.assert_code(5).assert_stderr("its path is not UTF-8");
            assert_unchanged(&before, &tree(scene.path()));
        }
    }
    let lines = plain("two\nlines");
    let run = refused(
        &scene,
        &lines,
        &[&wheel.display().to_string()],
        3,
        &["demo-1.0-py3-none-any.whl", "two\\nlines"],
    );
    assert!(!run.stderr.contains("two\nlines"), "{}", run.stderr);
}

#[test]
fn r58_control_characters_are_never_printed() {
    let scene = Scene::new();
    let venv = scene.venv_at("v\u{1b}[2Jenv");
    let odd = "w\u{1b}]0;\u{202e}heels";
    let path = |wheel: &Wheel| wheel.write_to(&scene.join(odd)).display().to_string();
    let (one, two) = (path(&demo("1.0")), path(&demo("2.0")));
    let broken = path(&Wheel::new("broken", "1.0").without_record());
    let loud = path(&Wheel::new("loud", "1.0").metadata_line("Requires-Python: >=3\u{1b}[2J"));
    let missing = format!("{odd}/missing-1.0-py3-none-any.whl");
    let cases: [(&[&str], i32); 6] = [
        (&[&one, &two], 4),
        (&[&broken], 3),
        (&[&loud, &broken], 3),
        (&[&missing], 2),
        (&["uninstall", "\u{1b}[2J"], 2),
        (&[&one], 0),
    ];
    for (arguments, code) in cases {
        let before = tree(&venv);
        let run = scene.install(&venv, arguments);
        run.assert_code(code);
        let printed = format!("{}{}", run.stdout, run.stderr);
        let obeyed = printed
            .chars()
            .find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(obeyed, None, "{arguments:?}: {printed:?}");
        if code > 2 {
            run.assert_stderr("state: nothing was changed");
        }
        if code != 0 {
            assert_unchanged(&before, &tree(&venv));
        }
    }
    write(
        &site_packages(&venv).join("demo-1.0.dist-info/INSTALLER"),
        "x\u{1b}[2Jy\n",
    );
    let listed = scene.install(&venv, &["list", "-v"]);
    assert!(listed.stdout.contains("x\\u{1b}[2Jy"), "{}", listed.stdout);
}

#[test]
fn r99_site_packages_may_be_a_link_within_the_environment() {
    let scene = Scene::new();
    let venv = scene.venv();
    let empty = tree(&venv);
    let (library, packages) = (site_packages(&venv), venv.join("packages"));
    fs::rename(&library, &packages).expect("it can be moved");
    symlink("../../packages", &library).expect("a link can be made");
    let wheel = demo("1.0")
        .root_is_purelib(false)
        .data("purelib/demo/__init__.py", "x = '1.0'\n");
    scene.install(&venv, &[scene.wheel(&wheel)]).assert_code(0);
    assert_eq!(python(&venv, "import demo\nprint(demo.x)"), "1.0\n");
    let rows = Rows::of(&venv, "demo-1.0.dist-info");
    assert!(
        rows.rows.contains_key("../../../bin/tool"),
        "{:?}",
        rows.paths()
    );
    assert!(fs::symlink_metadata(&library).is_ok_and(|found| found.is_symlink()));
    assert!(packages.join("demo/__init__.py").is_file() && venv.join("bin/tool").is_file());
    scene.install(&venv, &["uninstall", "demo"]).assert_code(0);
    fs::remove_file(&library).expect("the link can be removed");
    fs::rename(&packages, &library).expect("it can be moved back");
    assert_unchanged(&empty, &tree(&venv));
}

#[test]
fn r95_r99_site_packages_that_leads_outside_is_refused() {
    let scene = Scene::new();
    let venv = scene.venv();
    let (library, outside) = (site_packages(&venv), scene.join("outside"));
    fs::rename(&library, &outside).expect("it can be moved");
    symlink(&outside, &library).expect("a link can be made");
    let path = scene.wheel(&demo("1.0")).display().to_string();
    let before = tree(&outside);
    let says = [
        "site-packages",
        "symbolic link that leads out of the environment",
        &outside.display().to_string(),
    ];
    refused(&scene, &venv, &[&path], 5, &says);
    refused(&scene, &venv, &["uninstall", "demo"], 5, &says);
    assert_unchanged(&before, &tree(&outside));
}

/// The program without the administrator's right to write to any directory; `None` if the system
/// has no way to give that up.
pub fn without_privilege(scene: &Scene, arguments: &[&str]) -> Option<Run> {
    let closed = scene.join("closed");
    fs::create_dir_all(&closed).expect("a directory can be made");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).expect("its mode can be set");
    if File::create(closed.join("probe")).is_err() {
        return Some(scene.run(arguments));
    }
    fs::remove_file(closed.join("probe")).expect("it can be removed");
    let rights = "-dac_override,-dac_read_search";
    let given_up = [
        format!("--bounding-set={rights}"),
        format!("--inh-caps={rights}"),
    ];
    if !Command::new("setpriv")
        .args(&given_up)
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        return None;
    }
    let mut run = Command::new("setpriv");
    run.args(&given_up)
        .arg(env!("CARGO_BIN_EXE_pkg-install"))
        .args(arguments)
        .current_dir(scene.path());
    Some(Run::of(&mut run))
}

#[test]
fn r102_a_directory_that_may_not_be_written_to_is_refused_before_staging() {
    for part in ["lib", "bin", "share"] {
        let scene = Scene::new();
        let venv = scene.venv();
        fs::create_dir_all(venv.join("share")).expect("a directory can be made");
        let path = scene
            .wheel(&demo("1.0").data("data/share/demo.txt", ""))
            .display()
            .to_string();
        for directory in [
            venv.clone(),
            site_packages(&venv),
            venv.join("bin"),
            venv.join("share"),
            venv.join("include"),
        ] {
            fs::set_permissions(&directory, fs::Permissions::from_mode(0o777))
                .expect("its mode can be set");
        }
        let closed = if part == "lib" {
            site_packages(&venv)
        } else {
            venv.join(part)
        };
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o555))
            .expect("its mode can be set");
        let before = tree(&venv);
        let Some(run) =
            without_privilege(&scene, &[&path, "--target", &venv.display().to_string()])
        else {
            return;
        };
        run.assert_code(1)
            .assert_stderr(&closed.display().to_string())
            .assert_stderr("cannot write to");
        run.assert_stderr("state: nothing was changed in ");
        assert_unchanged(&before, &tree(&venv));
    }
}

/// Runs a shell script in the scene with a mount namespace of its own; `None` if the system forbids
/// it.
fn with_mounts(scene: &Scene, script: &str) -> Option<Run> {
    let ways = [&["-m"][..], &["-U", "-r", "-m"]];
    let allowed = |way: &&&[&str]| {
        let probe = "mkdir -p mounted && mount -t tmpfs tmpfs mounted";
        let mut command = Command::new("unshare");
        command
            .args(**way)
            .args(["sh", "-c", probe])
            .current_dir(scene.path());
        command.output().is_ok_and(|output| output.status.success())
    };
    let way = ways.iter().find(allowed)?;
    let mut command = Command::new("unshare");
    command
        .args(*way)
        .args([
            "sh",
            "-euc",
            script,
            "sh",
            env!("CARGO_BIN_EXE_pkg-install"),
        ])
        .current_dir(scene.path());
    Some(Run::of(&mut command))
}

#[test]
fn r100_parts_on_other_devices_are_like_parts_on_one() {
    let scene = Scene::new();
    let venv = scene.venv();
    for version in ["1.0", "2.0"] {
        scene.wheel(
            &demo(version)
                .data("data/share/demo/x.txt", version)
                .file("pack/sub/x.py", version),
        );
    }
    write(&venv.join("share/kept"), "kept");
    let before = tree(&venv);
    let steps = "look() {\n\
                   find venv -name .lock -o -printf '%p %y %m %s\\n' |\n\
                   grep -v '^venv[^ ]* d ' | sort\n\
                 }\n\
                 \"$1\" -q wheels/demo-1.0-py3-none-any.whl --target venv; look\n\
                 \"$1\" check -q --target venv\n\
                 \"$1\" -q wheels/demo-2.0-py3-none-any.whl --target venv; look\n\
                 \"$1\" check -q --target venv\n\
                 ! \"$1\" -q wheels/broken-1.0-py3-none-any.whl --target venv; look\n\
                 \"$1\" uninstall -q demo --target venv; look\n";
    let broken = Wheel::new("broken", "1.0")
        .data("scripts/other", "#!/bin/sh\n")
        .data("data/share/z", "z");
    scene.wheel(&broken.wrong_last_digest());
    let plain = with_mounts(&scene, steps);
    let mounts = "cp -a venv/bin bin; mount -t tmpfs tmpfs venv/bin\n\
                  cp -a bin/. venv/bin; rm -r bin\n\
                  mount -t tmpfs tmpfs venv/share; printf kept > venv/share/kept\n\
                  mount --bind venv/lib venv/lib\n";
    let Some((plain, mounted)) = plain.zip(with_mounts(&scene, &format!("{mounts}{steps}"))) else {
        return;
    };
    plain.assert_code(0).assert_stderr("broken-1.0");
    mounted.assert_code(0).assert_stderr("broken-1.0");
    assert!(
        plain.stdout.contains("venv/bin/tool f")
            && plain.stdout.contains("venv/share/demo/x.txt f")
    );
    assert_eq!(plain.stdout, mounted.stdout);
    assert_unchanged(&before, &tree(&venv));
}

#[test]
fn r102_a_read_only_file_system_is_refused_before_staging() {
    let scene = Scene::new();
    let venv = scene.venv();
    scene.wheel(&demo("1.0"));
    let before = tree(&venv);
    for part in ["venv/lib", "venv/bin", "venv"] {
        let script = format!(
            "mount --bind {part} {part}; mount -o remount,ro,bind {part}\n\
             \"$1\" wheels/demo-1.0-py3-none-any.whl --target venv\n"
        );
        let Some(run) = with_mounts(&scene, &script) else {
            return;
        };
        run.assert_code(1)
            .assert_stderr("Read-only file system")
            .assert_stderr("state: nothing was changed in ");
        assert_unchanged(&before, &tree(&venv));
    }
}

/// An interpreter whose standard library has `EXTERNALLY-MANAGED`, and the directory that it calls
/// its prefix.
pub fn managed_interpreter(scene: &Scene) -> (PathBuf, PathBuf) {
    let (system, stdlib) = (scene.join("system"), scene.join("stdlib"));
    fs::create_dir_all(&system).expect("a directory can be made");
    let words = "[externally-managed]\nError=Ask the distribution.\n Nicely.\n";
    scene.write("stdlib/EXTERNALLY-MANAGED", words);
    let text = format!(
        "#!/bin/sh\n'{}' \"$@\" '{}' | sed -e 's#\"stdlib\": \"[^\"]*\"#\"stdlib\": \"{}\"#' \
         -e 's#\"prefix\": \"[^\"]*\"#\"prefix\": \"{}\"#'\n",
        interpreter().executable.display(),
        system.display(),
        stdlib.display(),
        system.display()
    );
    let program = scene.write("tools/python3", text);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its mode can be set");
    (program, system)
}

#[test]
fn r103_an_environment_of_the_distribution_is_left_to_it() {
    let scene = Scene::new();
    let (program, system) = managed_interpreter(&scene);
    let (program, path) = (
        program.display().to_string(),
        scene.wheel(&demo("1.0")).display().to_string(),
    );
    let before = tree(scene.path());
    for command in [&[path.as_str()][..], &["uninstall", "demo"]] {
        let run = scene.run(&[command, &["--python", &program]].concat());
        run.assert_code(5)
            .assert_stderr("Ask the distribution.\nNicely.")
            .assert_stderr("--break-system-packages");
        run.assert_stderr("state: nothing was changed")
            .assert_stderr(&system.display().to_string());
        assert_unchanged(&before, &tree(scene.path()));
    }
    scene
        .run(&["--break-system-packages", "--python", &program, &path])
        .assert_code(0);
    assert!(
        tree(&system).contains("demo/__init__.py"),
        "{}",
        tree(&system)
    );
    let prefix = scene.join("prefix").display().to_string();
    scene
        .run(&["--prefix", &prefix, "--python", &program, &path])
        .assert_code(0);
}

#[test]
fn r108_files_in_use_keep_their_bytes() {
    let scene = Scene::new();
    let venv = scene.venv();
    let library =
        |content: &str| Wheel::new("demo", content).file("demo/lib.so", content.repeat(2000));
    scene
        .install(&venv, &[scene.wheel(&library("1.0"))])
        .assert_code(0);
    let mut used = File::open(site_packages(&venv).join("demo/lib.so")).expect("it is there");
    scene
        .install(&venv, &[scene.wheel(&library("2.0"))])
        .assert_code(0);
    let mut content = String::new();
    used.read_to_string(&mut content).expect("it can be read");
    assert_eq!(content, "1.0".repeat(2000));
    let new = fs::read_to_string(site_packages(&venv).join("demo/lib.so")).expect("it is there");
    assert_eq!(new, "2.0".repeat(2000));
}

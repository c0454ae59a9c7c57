//! The wheels of `testdata/`: their script reproduces them, and they work once they are installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::scene::{Run, Scene, interpreter};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

/// The names of the wheels in `directory`, sorted.
fn wheels(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("the directory can be listed");
    let names = entries.map(|entry| {
        entry
            .expect("it can be listed")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    let mut wheels: Vec<String> = names.filter(|name| name.ends_with(".whl")).collect();
    wheels.sort();
    wheels
}

#[test]
fn the_script_makes_the_same_bytes_again() {
    let scene = Scene::new();
    let out = scene.join("made");
    let mut script = Command::new(&interpreter().executable);
    Run::of(script.arg(directory().join("make_wheels.py")).arg(&out)).assert_code(0);
    assert_eq!(wheels(&out), wheels(&directory()));
    for name in wheels(&out) {
        let same = fs::read(out.join(&name)).ok() == fs::read(directory().join(&name)).ok();
        assert!(
            same,
            "`{name}` is not what testdata/make_wheels.py makes; run it and commit the wheels"
        );
    }
}

#[test]
fn the_wheels_install_and_their_scripts_run() {
    let scene = Scene::new();
    let venv = scene.venv();
    scene.install(&venv, &[directory()]).assert_code(0);
    let hello = Run::of(
        Command::new(venv.join("bin/hello"))
            .arg("reader")
            .current_dir(scene.path()),
    );
    hello.assert_code(0);
    assert_eq!(hello.stdout, "Good day, reader!\n");
    let tool = Run::of(Command::new(venv.join("bin/greetings-where")).current_dir(scene.path()));
    tool.assert_code(0);
    let shared = venv.join("share/greetings/phrases.txt");
    assert_eq!(tool.stdout, format!("{}\n", shared.display()));
    assert!(shared.is_file());
}

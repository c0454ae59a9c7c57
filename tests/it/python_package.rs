//! The Python package beside the program: its version, its classes, and its functions.

use std::path::Path;
use std::process::Command;

use crate::support::scene::Run;

const PROGRAM: &str = env!("CARGO_BIN_EXE_pkg-install");

fn python(arguments: &[&str]) -> Run {
    let mut command = Command::new("python3");
    command
        .args(arguments)
        .env("PKG_INSTALL_PROGRAM", PROGRAM)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("VIRTUAL_ENV")
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    Run::of(&mut command)
}

#[test]
fn its_version_is_that_of_the_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/pkg_install/_version.py");
    let text = std::fs::read_to_string(path).expect("the file is there");
    let line = format!("__version__ = \"{}\"\n", env!("CARGO_PKG_VERSION"));
    assert!(text.ends_with(&line), "{text}");
}

#[test]
fn its_classes_are_those_of_the_schema() {
    let run = python(&["python/generate_models.py", "--binary", PROGRAM, "--check"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
}

#[test]
fn its_functions_do_what_the_program_does() {
    let run = python(&["tests/outside/package/test_api.py"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
}

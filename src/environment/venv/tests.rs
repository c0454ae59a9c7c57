//! Virtual environments that are understood from their files, and that are not.

use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::environment::Locate;
use crate::error::ErrorKind;
use crate::fs::canonical;

/// A virtual environment that has no real interpreter: what stands for it is the first part of
/// a program.
fn unstartable(config: &str, resolved: &str, files: &[&str]) -> TempDir {
    let scratch = tempfile::tempdir().unwrap();
    for name in files {
        let path = scratch.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    std::fs::create_dir_all(scratch.path().join("base/bin")).unwrap();
    std::fs::create_dir_all(scratch.path().join("venv/bin")).unwrap();
    std::fs::write(scratch.path().join("venv/pyvenv.cfg"), config).unwrap();
    let program = scratch.path().join("base/bin").join(resolved);
    let mut head = Vec::new();
    let test = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    test.take(1 << 16).read_to_end(&mut head).unwrap();
    std::fs::write(&program, head).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    symlink(program, scratch.path().join("venv/bin/python")).unwrap();
    scratch
}

fn told(scratch: &TempDir) -> Option<Python> {
    let root = scratch.path().join("venv");
    let config = Config::parse(&std::fs::read_to_string(root.join(MARKER)).unwrap());
    from_files(
        &executable(&root).unwrap(),
        &config,
        &libraries(&root).unwrap(),
    )
}

const CONFIG: &str = "home = /base\nversion = 3.13.1\n";
const DATA: &str = "base/lib/python3.13/_sysconfigdata__linux_x86_64-linux-gnu.py";
const SITE: &str = "venv/lib/python3.13/site-packages/x.py";

#[test]
fn c64_files_answer_and_nothing_is_started() {
    let Some(platform) = elf::platform(&std::env::current_exe().unwrap()) else {
        return;
    };
    let scratch = unstartable(CONFIG, "python3.13", &[DATA, SITE]);
    let root = scratch.path().join("venv");
    let found = open(&root, LocatePurpose::Install, Locate::default().inquiry()).unwrap();
    assert_eq!(found.kind, EnvironmentKind::Venv);
    assert_eq!(
        found.python().unwrap().executable,
        Some(root.join("bin/python"))
    );
    assert_eq!(found.python().unwrap().version.to_string(), "3.13.1");
    assert_eq!(found.python().unwrap().target.platform, platform);
    assert_eq!(
        found.scheme.platlib,
        root.join("lib/python3.13/site-packages")
    );
    assert_eq!(found.scheme.headers, root.join("include/site/python3.13"));

    let data = "base/lib64/python3.13t/_sysconfigdata_td_linux_.py";
    let scratch = unstartable(
        CONFIG,
        "python3.13td",
        &[data, "venv/lib/python3.13t/site-packages/x.py"],
    );
    let found = open(
        &scratch.path().join("venv"),
        LocatePurpose::Install,
        Locate::default().inquiry(),
    )
    .unwrap();
    assert!(found.python().unwrap().target.free_threaded && found.python().unwrap().target.debug);
    assert!(
        found
            .scheme
            .purelib
            .ends_with("venv/lib/python3.13t/site-packages")
    );
    assert!(found.scheme.headers.ends_with("include/site/python3.13"));
}

#[test]
fn where_files_leave_a_doubt_they_do_not_answer() {
    let debug = "base/lib/python3.13/_sysconfigdata_d_linux_x86_64-linux-gnu.py";
    let threaded = "venv/lib/python3.13t/site-packages/x.py";
    for (config, resolved, files) in [
        ("home = /base\n", "python3.13", vec![DATA, SITE]),
        ("version = 3.13\n", "python3.13", vec![DATA, SITE]),
        (
            "version = 3.13.1\nimplementation = PyPy\n",
            "python3.13",
            vec![DATA, SITE],
        ),
        (CONFIG, "python3.14", vec![DATA, SITE]),
        (CONFIG, "python3", vec![DATA, SITE]),
        (CONFIG, "python3.13", vec![SITE]),
        (CONFIG, "python3.13", vec![DATA, debug, SITE]),
        (CONFIG, "python3.13", vec![DATA, SITE, threaded]),
        (CONFIG, "python3.13", vec![DATA, threaded]),
        (CONFIG, "python3.13", vec![DATA]),
    ] {
        assert_eq!(
            told(&unstartable(config, resolved, &files)),
            None,
            "{config} {resolved} {files:?}"
        );
    }
}

#[test]
fn c4_e55_lib64_counts_only_where_it_is_a_place_of_its_own() {
    let library = Library::parse("python3.13").unwrap();
    let scratch = unstartable(CONFIG, "python3.13", &[SITE]);
    let root = scratch.path().join("venv");
    symlink("lib", root.join("lib64")).unwrap();
    let found = scheme(&root, &library).unwrap();
    assert_eq!(found.platlib, found.purelib);
    std::fs::remove_file(root.join("lib64")).unwrap();
    let elsewhere = scratch.path().join("elsewhere");
    std::fs::create_dir_all(elsewhere.join("python3.13/site-packages")).unwrap();
    symlink(&elsewhere, root.join("lib64")).unwrap();
    let found = scheme(&root, &library).unwrap();
    assert_eq!(found.platlib, found.purelib);
    std::fs::remove_file(root.join("lib64")).unwrap();
    std::fs::create_dir_all(root.join("lib64/python3.13/site-packages")).unwrap();
    assert_eq!(
        scheme(&root, &library).unwrap().platlib,
        root.join("lib64/python3.13/site-packages")
    );
}

#[test]
fn what_is_not_whole_is_refused_with_the_reason() {
    let refused = |root: &Path| {
        let error = open(root, LocatePurpose::Install, Locate::default().inquiry()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Environment);
        error.to_string()
    };
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join(MARKER), CONFIG).unwrap();
    assert!(refused(scratch.path()).contains("no interpreter `bin/python`"));
    std::fs::create_dir(scratch.path().join("bin")).unwrap();
    symlink("/nowhere/python3.13", scratch.path().join("bin/python")).unwrap();
    assert!(refused(scratch.path()).contains("leads to `/nowhere/python3.13`"));
}

#[test]
fn c64_e104_files_say_what_the_interpreter_says() {
    let scratch = tempfile::tempdir().unwrap();
    let root = canonical(scratch.path()).unwrap().join("venv");
    let made = Command::new("python3")
        .args(["-m", "venv", "--without-pip"])
        .arg(&root)
        .status()
        .unwrap();
    assert!(made.success());
    let found = open(&root, LocatePurpose::Install, Locate::default().inquiry()).unwrap();
    let asked =
        interpreter::ask(&root.join("bin/python"), None, Locate::default().inquiry()).unwrap();
    assert_eq!(found.python, Ok(asked.python));

    let code = "import json, sysconfig as s; print(json.dumps([s.get_path(n) for n in \
                ('purelib', 'platlib', 'scripts', 'data')]))";
    let output = Command::new(root.join("bin/python"))
        .args(["-I", "-c", code])
        .output()
        .unwrap();
    let paths: Vec<PathBuf> = serde_json::from_slice(&output.stdout).unwrap();
    let scheme = found.scheme;
    let resolved = |paths: Vec<PathBuf>| {
        paths
            .iter()
            .map(|path| canonical(path).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        resolved(vec![
            scheme.purelib,
            scheme.platlib,
            scheme.scripts,
            scheme.data
        ]),
        resolved(paths)
    );

    std::fs::remove_dir_all(root.join("lib")).unwrap();
    let error = open(&root, LocatePurpose::Install, Locate::default().inquiry())
        .unwrap_err()
        .to_string();
    assert!(error.contains("/site-packages`"), "{error}");
}

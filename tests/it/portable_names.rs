//! Names on file systems that treat them differently: reserved names of Windows, and spellings that
//! fold to one name.
//!
//! The command runs in this process with given file system properties, so that the rules of one
//! system are tested on another. Every refusal has its kind, names both sides, and leaves the
//! environment as it was.

use std::path::Path;

use pkg_install::Cancellation;
use pkg_install::command::{self, Context, Options};
use pkg_install::environment::Locate;
use pkg_install::error::{Effect, ErrorKind};
use pkg_install::fs::{Capabilities, Fs};
use pkg_install::outcome::Silent;
use pkg_install::plan::conflict::OnConflict;
use pkg_install::source::Source;

use crate::support::scene::{Scene, assert_unchanged, site_packages, tree};
use crate::support::wheel_builder::Wheel;

const WINDOWS: Capabilities = Capabilities {
    ignores_case: true,
    windows_names: true,
};
const FOLDING: Capabilities = Capabilities {
    ignores_case: true,
    windows_names: false,
};

/// Installs as if the file system were of this sort.
fn install(
    scene: &Scene,
    venv: &Path,
    wheels: &[Wheel],
    on: Capabilities,
    policy: OnConflict,
) -> Result<(), String> {
    let sources: Vec<Source> = wheels
        .iter()
        .map(|wheel| Source::from_path(scene.wheel(wheel)))
        .collect();
    let (fs, cancel) = (Fs::default(), Cancellation::default());
    let context = Context {
        fs: &fs,
        cancel: &cancel,
        events: &Silent,
    };
    let locate = Locate {
        target: Some(venv.to_owned()),
        ..Locate::default()
    };
    let options = Options {
        capabilities: Some(on),
        on_conflict: policy,
        ..Options::default()
    };
    let before = tree(venv);
    let result = pkg_install::Environment::locate(&locate).and_then(|environment| {
        command::install(&environment, &sources.into(), &options, context).map(drop)
    });
    result.map_err(|error| {
        assert_unchanged(&before, &tree(venv));
        assert_eq!(error.effect(), Effect::Untouched);
        let code = match error.kind() {
            ErrorKind::Input => 3,
            ErrorKind::Conflict => 4,
            other => panic!("{other:?}: {error}"),
        };
        format!("{code}: {error}")
    })
}

fn with(path: &str) -> Wheel {
    Wheel::new("demo", "1.0")
        .file("demo/__init__.py", "")
        .file(path, "x = 1\n")
}

#[test]
fn r46_r47_e23_names_that_windows_reserves() {
    for name in [
        "CON",
        "nul.txt",
        "COM1",
        "COM\u{b9}",
        "CONIN$",
        "LPT9",
        "aux.tar.gz",
        "prn/x.py",
        "dot.",
        "space ",
        "a?b",
        "a<b",
        "PYTHON~1",
        "python~1.exe",
    ] {
        let (scene, path) = (Scene::new(), format!("demo/{name}"));
        let venv = scene.venv();
        let wheel = with(&path);
        let said = install(
            &scene,
            &venv,
            std::slice::from_ref(&wheel),
            WINDOWS,
            OnConflict::Last,
        )
        .expect_err(name);
        for part in ["3: ", "demo-1.0-py3-none-any.whl", &path, "Windows"] {
            assert!(said.contains(part), "{name}: {said}");
        }
        let run = scene.install(&venv, &["--json".into(), scene.wheel(&wheel)]);
        run.assert_code(0);
        let warnings = run.json()["warnings"].clone();
        assert_eq!(warnings[0]["code"], "windows-name", "{name}: {warnings}");
        let message = warnings[0]["message"].as_str().expect("a text");
        assert!(message.contains(&format!("`{path}`")), "{name}: {message}");
    }
    let script = Wheel::new("demo", "1.0")
        .file("demo.py", "")
        .entry_points("[console_scripts]\naux = demo:main\n");
    let scene = Scene::new();
    let said = install(&scene, &scene.venv(), &[script], WINDOWS, OnConflict::Error)
        .expect_err("a script");
    assert!(
        said.contains("bin/aux") && said.starts_with("3: "),
        "{said}"
    );
    let plain = ["console.py", "com10", "auxiliary.py", "a~b.py", "backup~"]
        .map(|name| format!("demo/{name}"));
    for path in plain {
        let (scene, wheel) = (Scene::new(), with(&path));
        let venv = scene.venv();
        install(&scene, &venv, &[wheel], WINDOWS, OnConflict::Error).expect("an ordinary name");
        assert!(site_packages(&venv).join(&path).is_file());
    }
}

#[test]
fn r46_one_warning_tells_of_all_names() {
    let scene = Scene::new();
    let run = scene.install(
        &scene.venv(),
        &[scene.wheel(&with("demo/aux.py").file("demo/nul", "").file("demo/x.", ""))],
    );
    run.assert_code(0)
        .assert_stderr("and 2 more have names that Windows reserves");
    assert_eq!(run.stderr.matches("warning").count(), 1, "{}", run.stderr);
}

/// Pairs that a folding file system takes for one name, and how both are shown.
const PAIRS: [(&str, &str, [&str; 2]); 6] = [
    (
        "demo/Mod.py",
        "demo/mod.py",
        ["`demo/Mod.py`", "`demo/mod.py`"],
    ),
    (
        "demo/stra\u{df}e.py",
        "demo/STRASSE.py",
        ["`demo/stra\u{df}e.py`", "`demo/STRASSE.py`"],
    ),
    (
        "demo/gr\u{fc}n.py",
        "demo/gru\u{308}n.py",
        ["`demo/gr\\u{fc}n.py`", "`demo/gru\\u{308}n.py`"],
    ),
    (
        "demo/\u{fb01}le.py",
        "demo/file.py",
        ["`demo/\u{fb01}le.py`", "`demo/file.py`"],
    ),
    (
        "demo/\u{212a}.py",
        "demo/k.py",
        ["`demo/\u{212a}.py`", "`demo/k.py`"],
    ),
    (
        "demo/Sub/a.py",
        "demo/sub/b.py",
        ["`demo/Sub`", "`demo/sub`"],
    ),
];

#[test]
fn r48_r49_r50_e22_names_that_fold_to_one_are_refused_where_they_would_meet() {
    for (one, two, shown) in PAIRS {
        let alone = |name: &str, path: &str| Wheel::new(name, "1.0").file(path, "x = 1\n");
        let (left, right) = (alone("left", one), alone("right", two));
        for policy in [OnConflict::Error, OnConflict::First, OnConflict::Last] {
            let check = |title: &str, said: Result<(), String>| {
                let said = said.expect_err(title);
                assert!(
                    said.starts_with("4: ") && shown.iter().all(|part| said.contains(part)),
                    "{title}: {said}"
                );
            };
            let scene = Scene::new();
            let venv = scene.venv();
            let both = alone("left", one).file(two, "x = 1\n");
            check(
                "in one wheel",
                install(&scene, &venv, &[both], FOLDING, policy),
            );
            check(
                "in two wheels",
                install(
                    &scene,
                    &venv,
                    &[left.clone(), right.clone()],
                    FOLDING,
                    policy,
                ),
            );
            install(&scene, &venv, std::slice::from_ref(&left), FOLDING, policy)
                .expect("alone it is no trouble");
            check(
                "with what is installed",
                install(&scene, &venv, std::slice::from_ref(&right), FOLDING, policy),
            );
        }
        let scene = Scene::new();
        let venv = scene.venv();
        let apart = Capabilities::default();
        install(&scene, &venv, &[left, right], apart, OnConflict::Error)
            .expect("they are two files here");
        assert!(
            site_packages(&venv).join(one).is_file() && site_packages(&venv).join(two).is_file()
        );
    }
}

#[test]
fn r48_r50_removed_files_block_no_new_ones() {
    let scene = Scene::new();
    let venv = scene.venv();
    let old = Wheel::new("demo", "1.0").file("Demo/x.py", "old");
    install(&scene, &venv, &[old], FOLDING, OnConflict::Error).expect("it is alone");
    let new = Wheel::new("demo", "2.0").file("demo/x.py", "new");
    install(&scene, &venv, &[new], FOLDING, OnConflict::Error).expect("the old spelling goes");
    assert!(
        !site_packages(&venv).join("Demo").exists()
            && site_packages(&venv).join("demo/x.py").is_file()
    );
}

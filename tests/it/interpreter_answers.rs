//! Answers of interpreters that are kept in the cache: when they are used, and when not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use pkg_install::{InterpreterCache, Locate, LocatePurpose};

use crate::support::scene::{Run, Scene, interpreter};

/// A version that no interpreter has.
const FORGED: &str = "3.99.7";

/// A copy of an interpreter whose standard library is a directory of links.
fn own_interpreter(scene: &Scene) -> PathBuf {
    let found = interpreter();
    let library = format!("lib/python{}", found.minor);
    let home = found.executable.ancestors().nth(2).expect("it is in `bin`");
    for directory in ["own/bin", &format!("own/{library}")] {
        fs::create_dir_all(scene.join(directory)).expect("it can be made");
    }
    for entry in fs::read_dir(home.join(&library)).expect("it is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_name().expect("it has a name");
        symlink(&path, scene.join("own").join(&library).join(name)).expect("a link can be made");
    }
    // A shared library of Python's is looked for beside the program.
    for entry in fs::read_dir(home.join("lib")).expect("it is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_name().expect("it has a name").to_owned();
        if name.to_string_lossy().contains(".so") {
            symlink(&path, scene.join("own/lib").join(name)).expect("a link can be made");
        }
    }
    let program = scene.join("own/bin/python3");
    fs::copy(&found.executable, &program).expect("it can be copied");
    program
}

fn version(python: &Path, cache: &InterpreterCache) -> String {
    let locate = Locate::python(python)
        .with_purpose(LocatePurpose::ReadWithPython)
        .with_interpreter_cache(cache.clone());
    let found = pkg_install::Environment::locate(&locate).expect("it answers");
    found.python().expect("it is known").version.to_string()
}

/// The files of the cache with answers.
fn answers(cache: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(cache.join("interpreters")) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.expect("it can be read").path())
        .collect()
}

/// Changes the version in each answer, so that an answer from the cache can be told from one that
/// an interpreter gave.
fn forge(cache: &Path) {
    let numbers = interpreter().version.replace('.', ", ");
    let forged = FORGED.replace('.', ", ");
    for path in answers(cache) {
        let text = fs::read_to_string(&path).expect("it is text");
        let changed = text.replace(&format!("[{numbers}]"), &format!("[{forged}]"));
        assert_ne!(text, changed);
        fs::write(&path, changed).expect("it can be written");
    }
}

#[test]
fn a_kept_answer_is_used_until_something_changes_that_it_depends_on() {
    let scene = Scene::new();
    let python = own_interpreter(&scene);
    let directory = scene.join("cache");
    let cache = InterpreterCache::new(&directory);
    let real = &interpreter().version;
    let library = scene.join(&format!("own/lib/python{}", interpreter().minor));
    let replaced = || {
        let other = scene.join("own/bin/other");
        fs::copy(&python, &other).expect("it can be copied");
        fs::rename(&other, &python).expect("it can be replaced");
    };
    let upgraded = || fs::write(library.join("new.py"), "").expect("it can be written");
    let touched = || {
        let file = fs::File::options().append(true).open(&python);
        let set = file
            .expect("it can be opened")
            .set_modified(std::time::UNIX_EPOCH);
        set.expect("its time can be set");
    };
    let changes: [&dyn Fn(); 3] = [&replaced, &upgraded, &touched];
    for change in changes {
        assert_eq!(version(&python, &cache), *real);
        forge(&directory);
        assert_eq!(version(&python, &cache), FORGED);
        change();
        assert_eq!(version(&python, &cache), *real);
    }
    forge(&directory);
    let variables = [("LD_LIBRARY_PATH".into(), "/nowhere".into())];
    let elsewhere = cache.clone().with_variables(variables.into_iter());
    assert_eq!(version(&python, &elsewhere), *real);
    let unrelated = [("TERM".into(), "dumb".into())];
    let same = cache.clone().with_variables(unrelated.into_iter());
    assert_eq!(version(&python, &same), FORGED);
    assert_eq!(version(&python, &cache.with_refresh(true)), *real);
    assert_eq!(version(&python, &same), *real);
}

#[test]
fn a_damaged_answer_counts_as_absent() {
    let scene = Scene::new();
    let python = own_interpreter(&scene);
    let directory = scene.join("cache");
    let cache = InterpreterCache::new(&directory);
    let real = &interpreter().version;
    for damage in [&b""[..], b"{}", b"\0\0\0\0", b"[1]"] {
        assert_eq!(version(&python, &cache), *real);
        for path in answers(&directory) {
            fs::write(path, damage).expect("it can be written");
        }
    }
    assert_eq!(version(&python, &cache), *real);
}

#[test]
fn an_answer_that_another_user_could_have_written_is_not_obeyed() {
    let scene = Scene::new();
    let python = own_interpreter(&scene);
    let directory = scene.join("cache");
    let cache = InterpreterCache::new(&directory);
    let real = &interpreter().version;
    let open = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode can be set");
    };
    let mut plants: Vec<Box<dyn Fn()>> = vec![
        // Only the directory of answers keeps others out, if the cache itself does not.
        Box::new(|| {
            open(&directory, 0o777);
            open(&directory.join("interpreters"), 0o777);
        }),
        Box::new(|| {
            let aside = scene.join("aside");
            fs::rename(directory.join("interpreters"), &aside).expect("it can be moved");
            symlink(&aside, directory.join("interpreters")).expect("a link can be made");
        }),
    ];
    let chown = |path: &Path| std::os::unix::fs::chown(path, Some(65_534), None);
    if chown(&scene.write("probe", "")).is_ok() {
        plants.push(Box::new(|| chown(&directory).expect("root may")));
        plants.push(Box::new(|| {
            chown(&directory.join("interpreters")).expect("root may");
        }));
        plants.push(Box::new(|| {
            open(&directory, 0o755);
            open(&directory.join("interpreters"), 0o755);
            for path in answers(&directory) {
                chown(&path).expect("root may");
            }
        }));
    }
    for plant in plants {
        assert_eq!(version(&python, &cache), *real);
        forge(&directory);
        assert_eq!(version(&python, &cache), FORGED);
        plant();
        assert_eq!(version(&python, &cache), *real);
        fs::remove_dir_all(&directory).expect("it can be removed");
    }
}

#[test]
fn a_shim_is_asked_each_time() {
    let scene = Scene::new();
    let directory = scene.join("cache");
    let cache = InterpreterCache::new(&directory);
    let real = interpreter().executable.display();
    for (name, text) in [
        ("shim", format!("#!/bin/sh\nexec {real} \"$@\"\n")),
        // It passes its own name on, so that the interpreter calls itself that.
        (
            "named",
            format!("#!/usr/bin/env bash\nexec -a \"$0\" {real} \"$@\"\n"),
        ),
    ] {
        let shim = scene.write(name, text);
        fs::set_permissions(&shim, Permissions::from_mode(0o755)).expect("its mode can be set");
        let locate = Locate::python(&shim)
            .with_purpose(LocatePurpose::ReadWithPython)
            .with_interpreter_cache(cache.clone());
        // The second one may not find its library by that name.
        let _ = pkg_install::Environment::locate(&locate);
        assert_eq!(answers(&directory), Vec::<PathBuf>::new(), "{name}");
    }
}

#[test]
fn the_options_of_the_cache_apply_to_answers() {
    let scene = Scene::new();
    let python = interpreter().executable.display().to_string();
    let resolve = |more: &[&str]| {
        let mut command = scene.command();
        command.args([
            "resolve",
            "-r",
            "empty.txt",
            "--no-index",
            "--python",
            &python,
        ]);
        Run::of(command.args(more)).assert_code(0);
    };
    scene.write("empty.txt", "\n");
    let cache = scene.join("cache");
    resolve(&["--no-cache"]);
    assert_eq!(answers(&cache).len(), 0);
    resolve(&["--cache-dir", "cache"]);
    resolve(&["--cache-dir", "cache"]);
    assert_eq!(answers(&cache).len(), 1);
    let run = scene.run(&["cache", "size", "--json", "--cache-dir", "cache"]);
    assert_eq!(run.json()["cache"]["contents"]["interpreters"]["items"], 1);
    let run = scene.run(&["cache", "clean", "--cache-dir", "cache"]);
    run.assert_code(0);
    assert_eq!(answers(&cache).len(), 0);
}

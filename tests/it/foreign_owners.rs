//! State and environments of other users: nothing is obeyed or started that somebody else could
//! have put there.
//!
//! Only root can make files of another user, so most tests here do nothing for other users.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use pkg_install::transaction::Journal;

use crate::support::scene::{Run, Scene, assert_unchanged, site_packages, tree};
use crate::support::wheel_builder::Wheel;

/// A user who is neither root nor the one that runs the tests.
const OTHER: u32 = 65_533;

/// Whether files of other users can be made.
fn is_root(scene: &Scene) -> bool {
    fs::metadata(scene.path()).expect("it is there").uid() == 0
}

fn give(path: &Path, user: u32) {
    // A symbolic link is given away itself.
    std::os::unix::fs::lchown(path, Some(user), Some(user)).expect("root may do so");
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("its owner may do so");
}

/// An environment with `demo` 1.0 installed, and an undo record if that can be kept.
struct Victim {
    scene: Scene,
    venv: PathBuf,
    state: PathBuf,
    newer: String,
}

impl Victim {
    fn new() -> Self {
        let scene = Scene::new();
        let venv = scene.venv();
        let wheel = |version: &str| {
            let wheel = Wheel::new("demo", version).file("demo.py", version);
            scene.wheel(&wheel).display().to_string()
        };
        let (older, newer) = (wheel("1.0"), wheel("2.0"));
        let options = ["--undoable".to_owned(), older];
        scene.install(&venv, &options).assert_code(0);
        let state = site_packages(&venv).join(".pkg-install");
        assert!(state.join("undo").is_file());
        Self {
            scene,
            venv,
            state,
            newer,
        }
    }

    /// Makes the kept record the journal of a command that was interrupted at its end.
    fn interrupt(&self) {
        let journal = self.state.join("journal");
        fs::rename(self.state.join("undo"), &journal).expect("renamed");
        let bytes = fs::read(&journal).expect("it is there");
        let roots = Journal::decode(&bytes).expect("it is one").roots;
        for name in roots.iter().flat_map(|root| [&root.stage, &root.trash]) {
            fs::create_dir_all(self.state.join(name)).expect("made");
        }
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.scene.install(&self.venv, arguments)
    }

    /// The command ends with code 5 because of the state, and changes nothing.
    #[track_caller]
    fn assert_refused(&self, what: &str, arguments: &[&str]) {
        let before = tree(self.scene.path());
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let run = self.run(&arguments);
        assert_eq!(run.code, 5, "{what}: {arguments:?}: {run:?}");
        assert_eq!(
            run.json()["error"]["code"],
            "foreign-state",
            "{what}: {run:?}"
        );
        assert_unchanged(&before, &tree(self.scene.path()));
    }

    /// Every command that would obey the journal refuses.
    #[track_caller]
    fn assert_all_refused(&self, what: &str) {
        for arguments in [
            &["list"][..],
            &["recover"],
            &["undo"],
            &["uninstall", "demo"],
            &[&self.newer],
        ] {
            self.assert_refused(what, arguments);
        }
    }
}

#[test]
fn a_journal_that_others_could_have_written_is_not_obeyed() {
    for mode in [0o777, 0o757, 0o1777] {
        let victim = Victim::new();
        victim.interrupt();
        chmod(&victim.state, mode);
        victim.assert_all_refused("a state directory for everybody");
        chmod(&victim.state, 0o755);
        chmod(&victim.state.join("journal"), 0o666);
        victim.assert_all_refused("a journal for everybody");
        chmod(&victim.state.join("journal"), 0o644);
        // Nobody else could have written it now.
        victim.run(&["recover"]).assert_code(0);
    }
}

#[test]
fn a_journal_below_a_directory_that_others_can_change_is_not_obeyed() {
    let victim = Victim::new();
    victim.interrupt();
    let library = site_packages(&victim.venv);
    for directory in [
        library.as_path(),
        library.parent().expect("it has one"),
        &victim.venv,
    ] {
        chmod(directory, 0o777);
        victim.assert_all_refused("a directory for everybody");
        chmod(directory, 0o755);
    }
    // In a sticky directory users cannot replace what belongs to others.
    chmod(&victim.venv, 0o1777);
    victim.run(&["recover"]).assert_code(0);
}

#[test]
fn a_journal_of_another_user_is_not_obeyed_by_root() {
    let victim = Victim::new();
    if !is_root(&victim.scene) {
        return;
    }
    victim.interrupt();
    let library = site_packages(&victim.venv);
    for path in [
        &victim.state,
        &victim.state.join("journal"),
        &library,
        &victim.venv,
    ] {
        give(path, OTHER);
        victim.assert_all_refused(&path.display().to_string());
        give(path, 0);
    }
    victim.run(&["recover"]).assert_code(0);
}

#[test]
fn an_undo_record_that_others_could_have_written_is_kept_and_not_obeyed() {
    let victim = Victim::new();
    let library = site_packages(&victim.venv);
    chmod(&library, 0o777);
    victim.assert_refused("a directory for everybody", &["undo"]);
    // Other commands need no record, and do not delete this one.
    victim.run(&["list"]).assert_code(0);
    victim.run(&["recover"]).assert_code(0);
    assert!(victim.state.join("undo").is_file());
    chmod(&library, 0o755);
    victim.run(&["undo"]).assert_code(0);
    assert!(!library.join("demo.py").exists());
}

#[test]
fn nothing_is_staged_in_a_state_directory_of_another_user() {
    let victim = Victim::new();
    if !is_root(&victim.scene) {
        return;
    }
    fs::remove_dir_all(&victim.state).expect("removed");
    fs::create_dir(&victim.state).expect("made");
    give(&victim.state, OTHER);
    victim.assert_refused("another user's", &[&victim.newer]);
    victim.run(&["list"]).assert_code(0);
    give(&victim.state, 0);
    victim.run(&[&victim.newer]).assert_code(0);
}

#[test]
fn an_environment_of_several_users_is_changed_but_its_state_is_not_theirs() {
    let victim = Victim::new();
    fs::remove_dir_all(&victim.state).expect("removed");
    chmod(&site_packages(&victim.venv), 0o2777);
    victim
        .scene
        .run_under_umask(
            "000",
            &[
                "--target",
                &victim.venv.display().to_string(),
                "--undoable",
                &victim.newer,
            ],
        )
        .assert_code(0);
    let mode = fs::metadata(&victim.state).expect("there").mode();
    assert_eq!(mode & 0o022, 0, "{mode:o}");
}

/// An environment `.venv` whose interpreter has to be asked, and writes `started` when it is.
struct Found {
    scene: Scene,
    root: PathBuf,
    wheel: String,
}

impl Found {
    fn new() -> Self {
        let scene = Scene::new();
        let root = scene.venv_at(".venv");
        let started = scene.join("started");
        // Without a version the files do not tell the interpreter.
        fs::write(root.join("pyvenv.cfg"), "home = /usr/bin\n").expect("written");
        let program = root.join("bin/program");
        let script = format!("#!/bin/sh\ntouch '{}'\n", started.display());
        fs::write(&program, script).expect("written");
        chmod(&program, 0o755);
        let python = root.join("bin/python");
        let _ = fs::remove_file(&python);
        let _ = fs::remove_file(root.join("bin/python3"));
        symlink("program", &python).expect("linked");
        // Commands that only read do without an interpreter.
        let wheel = scene.wheel(&Wheel::new("demo", "1.0").data("scripts/tool", "#!python\n"));
        let wheel = wheel.display().to_string();
        Self { scene, root, wheel }
    }

    fn was_started(&self) -> bool {
        fs::remove_file(self.scene.join("started")).is_ok()
    }

    #[track_caller]
    fn assert_refused(&self, what: &str) {
        let root = self.root.display().to_string();
        for variables in [&[][..], &[("VIRTUAL_ENV", root.as_str())]] {
            for arguments in [&["list"][..], &["check"], &["--dry-run", &self.wheel]] {
                let run = self.scene.run_with(variables, arguments);
                assert!(!self.was_started(), "{what}: {arguments:?}: {run:?}");
                assert_ne!(run.code, 0, "{what}: {run:?}");
            }
            let run = self.scene.run_with(variables, &["list", "--json"]);
            let code = &run.json()["error"]["code"];
            assert_eq!(code, "foreign-environment", "{what}: {run:?}");
            let run = self.scene.run_with(variables, &["list"]);
            run.assert_code(5).assert_stderr("--target");
        }
    }
}

#[test]
fn an_environment_of_ones_own_is_found() {
    let found = Found::new();
    found.scene.run(&["--dry-run", &found.wheel]);
    assert!(found.was_started());
}

#[test]
fn an_environment_that_others_can_change_is_not_started_unless_it_is_named() {
    let found = Found::new();
    for path in ["", "bin", "pyvenv.cfg", "bin/program"] {
        let path = found.root.join(path);
        let before = fs::metadata(&path).expect("there").mode();
        chmod(&path, 0o777);
        found.assert_refused(&path.display().to_string());
        chmod(&path, before);
    }
    chmod(&found.root, 0o777);
    let root = found.root.display().to_string();
    let run = ["--dry-run", &found.wheel, "--target", &root];
    found.scene.run(&run);
    assert!(found.was_started(), "it was named");
}

#[test]
fn an_environment_of_another_user_is_not_started_unless_it_is_named() {
    let found = Found::new();
    if !is_root(&found.scene) {
        return;
    }
    for path in ["", "bin", "pyvenv.cfg", "bin/python", "bin/program"] {
        let path = found.root.join(path);
        give(&path, OTHER);
        found.assert_refused(&path.display().to_string());
        give(&path, 0);
    }
    // A link of another user to an environment of one's own.
    let aside = found.scene.join("aside");
    fs::rename(&found.root, &aside).expect("moved");
    symlink(&aside, &found.root).expect("linked");
    give(&found.root, OTHER);
    found.assert_refused("a link");
    // A link of one's own to an environment of another user.
    give(&found.root, 0);
    chown(&aside, Some(OTHER), Some(OTHER)).expect("given");
    found.assert_refused("the end of a link");
}

#[test]
fn home_of_an_environment_is_not_where_the_interpreter_takes_its_code() {
    let scene = Scene::new();
    let root = scene.venv();
    let evil = scene.join("evil");
    fs::create_dir_all(evil.join("bin")).expect("made");
    let config = format!("home = {}\n", evil.join("bin").display());
    fs::write(root.join("pyvenv.cfg"), config).expect("written");
    // The interpreter would take its library from `evil/lib` and fail, since nothing is there.
    let run = scene.install(&root, &["list"]);
    run.assert_code(0);
}

#[test]
fn links_of_others_do_not_show_what_only_this_user_may_read() {
    let scene = Scene::new();
    if !is_root(&scene) {
        return;
    }
    let venv = scene.venv();
    let secret = scene.write("secret", "hunter2,,\nName: hunter2\n");
    chmod(&secret, 0o600);
    let site = site_packages(&venv);
    let planted = site.join("evil-1.0.dist-info");
    fs::create_dir(&planted).expect("it is new");
    for name in [
        "RECORD",
        "METADATA",
        "INSTALLER",
        "WHEEL",
        "direct_url.json",
    ] {
        symlink(&secret, planted.join(name)).expect("it is new");
        give(&planted.join(name), OTHER);
    }
    let outside = scene.join("outside");
    fs::create_dir(&outside).expect("it is new");
    fs::write(outside.join("METADATA"), "Name: hunter2\n").expect("written");
    symlink(&outside, site.join("worse-1.0.dist-info")).expect("it is new");
    give(&site.join("worse-1.0.dist-info"), OTHER);
    for arguments in [
        &["list", "--licenses"][..],
        &["list", "--json"],
        &["check"],
        &["check", "--requires", "--json"],
        &["show", "evil", "--files"],
        &["show", "worse"],
    ] {
        let run = scene.install(&venv, arguments);
        let said = run.stdout + &run.stderr;
        assert!(!said.contains("hunter2"), "{arguments:?}: {said}");
    }
    // A log is not written to a file that somebody else chose.
    let log = scene.join("log");
    symlink(&secret, &log).expect("it is new");
    give(&log, OTHER);
    let run = scene.install(&venv, &["list", "--log", "log"]);
    run.assert_code(2)
        .assert_stderr("a symbolic link of another user");
    // One's own link is followed.
    give(&log, 0);
    scene
        .install(&venv, &["list", "--log", "log"])
        .assert_code(0);
}

#[test]
fn an_artefact_is_not_written_to_a_file_that_somebody_else_chose() {
    let scene = Scene::new();
    if !is_root(&scene) {
        return;
    }
    let wheel = scene.wheel(&Wheel::new("demo", "1.0").file("demo.py", ""));
    let wheel = wheel.display().to_string();
    let (mine, link) = (scene.write("mine", "mine"), scene.join("demo.zip"));
    symlink(&mine, &link).expect("it is new");
    give(&link, OTHER);
    let pack = || scene.run(&["pack", &wheel, "--output", "demo.zip"]);
    pack()
        .assert_code(1)
        .assert_stderr("a symbolic link of another user");
    assert_eq!(fs::read_to_string(&mine).expect("it is there"), "mine");
    give(&link, 0);
    pack().assert_code(0);
    assert!(link.is_symlink() && fs::read(&mine).is_ok_and(|packed| packed.starts_with(b"PK")));
}

#[test]
fn a_link_in_the_place_of_the_state_directory_leaves_nothing_unfinished() {
    let scene = Scene::new();
    let venv = scene.venv();
    let wheel = scene.wheel(&Wheel::new("demo", "1.0").file("demo.py", ""));
    let outside = scene.join("outside");
    fs::create_dir(&outside).expect("it is new");
    symlink(&outside, site_packages(&venv).join(".pkg-install")).expect("it is new");
    let run = scene.install(&venv, &[&wheel]);
    run.assert_code(5)
        .assert_stderr(".pkg-install` cannot be used: it is not a directory")
        .assert_stderr("nothing was changed");
    assert_eq!(fs::read_dir(&outside).expect("it is there").count(), 0);
}

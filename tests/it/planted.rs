//! Journals that this tool did not leave as they are: torn, oversized, from another time, or
//! planted to move files elsewhere.
//!
//! A command is killed in the middle of its commit, and the files that it left are damaged. No
//! command then acts on them or deletes them: each ends with code 5, gives the reason, and changes
//! nothing, inside the environment or outside. Once the true journal is back, the environment
//! recovers.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use pkg_install::fs::Fs;
use pkg_install::transaction::Journal;

use crate::old_journals::{old_journal, sealed};
use crate::support::faults::{Change, Fault, Fuse};
use crate::support::living::Life;
use crate::support::scene::{Scene, assert_unchanged, tree};
use crate::support::tree_image::Image;
use crate::support::wheel_builder::Wheel;

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// An environment in mid-change, and a directory beside it that is none of its business.
struct Ruin {
    life: Life,
    scene: Scene,
    control: PathBuf,
    outside: PathBuf,
    wheel: String,
}

impl Ruin {
    fn new() -> Self {
        let life = Life::small_replace();
        let whole = Fuse::new(Fault::None);
        life.rehearse(&whole);
        let begin = whole
            .made()
            .iter()
            .position(Change::begins)
            .expect("there is a journal");
        let _ = life.run_with(&Fuse::new(Fault::CrashBefore(begin + 4)));
        let scene = Scene::new();
        let wheel = scene
            .wheel(&Wheel::new("late", "1").file("late.py", ""))
            .display()
            .to_string();
        let outside = scene.write("outside/.pkg-install/stage-a1/theirs", "theirs");
        scene.write("outside/.pkg-install/trash-b2/0", "theirs");
        let outside = outside
            .ancestors()
            .nth(3)
            .expect("it lies deep enough")
            .to_owned();
        let control = life.library().join(".pkg-install");
        assert!(
            control.join("journal").is_file(),
            "it was killed too early or too late"
        );
        Self {
            life,
            scene,
            control,
            outside,
            wheel,
        }
    }

    fn journal(&self) -> PathBuf {
        self.control.join("journal")
    }

    /// Every command refuses, says these words, and changes nothing.
    #[track_caller]
    fn assert_refused(&self, title: &str, says: &str) {
        let (before, elsewhere) = (tree(&self.life.root), tree(self.scene.path()));
        for command in [
            &["recover"][..],
            &[&self.wheel],
            &["uninstall", "demo"],
            &["undo"],
            &["list"],
            &["check"],
        ] {
            let run = self.scene.install(&self.life.root, command);
            assert_eq!(run.code, 5, "{title}: {command:?}: {run:?}");
            for part in [says, ".pkg-install/journal"] {
                assert!(
                    run.stderr.contains(part),
                    "{title}: {command:?}: `{part}` is not said: {run:?}"
                );
            }
            assert_unchanged(&before, &tree(&self.life.root));
            assert_unchanged(&elsewhere, &tree(self.scene.path()));
        }
    }

    /// The interrupted command can still be settled.
    fn assert_settles(&self) {
        self.life
            .recover(&Fs::default())
            .expect("the true journal is back");
        let now = Image::of(&self.life.root);
        assert!(
            now == self.life.before,
            "{}",
            self.life.before.difference(&now)
        );
    }
}

#[test]
fn r124_a_journal_that_is_torn_swollen_or_of_the_future_is_never_acted_on() {
    let ruin = Ruin::new();
    let path = ruin.journal();
    let good = fs::read(&path).expect("it is there");
    let mut flipped = good.clone();
    *flipped.last_mut().expect("it is not empty") ^= 1;
    let future = String::from_utf8(good.clone())
        .expect("text")
        .replacen(" 2 ", " 3 ", 1)
        .into_bytes();
    for (title, bytes, says) in [
        ("no bytes", &[][..], "it is incomplete"),
        (
            "half of it",
            &good[..good.len() / 2],
            "its checksum is wrong",
        ),
        ("another bit", &flipped, "its checksum is wrong"),
        (
            "another version",
            &future,
            "another version of this tool wrote it",
        ),
        ("something else", b"PKGTX1 0 2\n{}", "it is not a journal"),
    ] {
        fs::write(&path, bytes).expect("it can be written");
        ruin.assert_refused(title, says);
    }
    for (title, length, says) in [
        ("100 MB of nothing", 100 << 20, "it is incomplete"),
        ("more than is read", 3 << 30, "it has 3221225472 bytes"),
    ] {
        File::create(&path)
            .and_then(|file| file.set_len(length))
            .expect("a hole takes no room");
        let before = fs::metadata(&path).expect("it is there").ino();
        let run = ruin.scene.install(&ruin.life.root, &["recover"]);
        run.assert_code(5).assert_stderr(says);
        let after = fs::metadata(&path).expect("it is there");
        assert_eq!((after.ino(), after.len()), (before, length), "{title}");
    }
    fs::write(&path, &good).expect("it can be written");
    ruin.assert_settles();
}

#[test]
fn r125_a_journal_that_names_what_is_elsewhere_is_refused() {
    type Spoil = fn(&mut Journal, &Path);
    let ruin = Ruin::new();
    let path = ruin.journal();
    let good = fs::read(&path).expect("it is there");
    let link = ruin.life.root.join("link");
    symlink(&ruin.outside, &link).expect("a link can be made");
    let foreign: Spoil = |journal, outside| {
        let root = &mut journal.roots[0];
        (root.at.path, root.home) = (text(outside), String::new());
        (root.stage, root.trash) = ("stage-a1".to_owned(), "trash-b2".to_owned());
    };
    let cases: [(&str, Spoil, &str); 11] = [
        (
            "a path with `..`",
            |journal, _| journal.operations[0].path = "../outside/x".into(),
            "outside of its root",
        ),
        (
            "an absolute path",
            |journal, _| journal.operations[0].path = "/etc/passwd".into(),
            "outside of its root",
        ),
        (
            "no such root",
            |journal, _| journal.operations[0].root = 7,
            "outside of its root",
        ),
        (
            "a slot that is a path",
            |journal, _| journal.operations[0].slot = "../../0".into(),
            "slot",
        ),
        (
            "a private directory that is a path",
            |journal, _| journal.roots[0].stage = "stage-/..".into(),
            "private",
        ),
        (
            "a home elsewhere",
            |journal, outside| journal.roots[0].home = text(outside),
            "outside of the environment",
        ),
        (
            "a home above",
            |journal, _| journal.roots[0].home = "../outside".into(),
            "outside of the environment",
        ),
        ("a root elsewhere", foreign, "outside of the environment"),
        (
            "a root above",
            |journal, _| journal.roots[0].at.path = "..".into(),
            "outside of the environment",
        ),
        (
            "private directories of another transaction",
            |journal, _| journal.roots[0].stage = "stage-a1".into(),
            "is gone",
        ),
        (
            "another user's",
            |journal, _| journal.uid += 1,
            "was written by user",
        ),
    ];
    for (title, spoil, says) in cases {
        let mut journal = Journal::decode(&good).expect("it is a journal");
        spoil(&mut journal, &ruin.outside);
        fs::write(&path, journal.encode()).expect("it can be written");
        ruin.assert_refused(title, says);
    }
    fs::remove_file(&link).expect("it can be removed");
    fs::write(&path, &good).expect("it can be written");
    ruin.assert_settles();
}

/// A journal of version 1 names absolute paths, and is refused if they lie elsewhere.
#[test]
fn r125_an_old_journal_that_names_what_is_elsewhere_is_refused() {
    type Spoil = fn(&mut serde_json::Value, &str);
    let ruin = Ruin::new();
    let path = ruin.journal();
    let good = fs::read(&path).expect("it is there");
    let journal = Journal::decode(&good).expect("it is a journal");
    let outside = text(&ruin.outside);
    let foreign: Spoil = |journal, outside| {
        let root = &mut journal["roots"][0];
        (root["path"], root["home"]) = (outside.into(), outside.into());
        (root["stage"], root["trash"]) = ("stage-a1".into(), "trash-b2".into());
    };
    let cases: [(&str, Spoil, &str); 6] = [
        ("a root elsewhere", foreign, "outside of the environment"),
        (
            "a home elsewhere",
            |journal, outside| journal["roots"][0]["home"] = outside.into(),
            "outside of the environment",
        ),
        (
            "a root by `..`",
            |journal, outside| {
                let path = format!("{outside}/../outside");
                let root = &mut journal["roots"][0];
                (root["path"], root["home"]) = (path.clone().into(), path.into());
            },
            "outside of the environment",
        ),
        (
            "a relative root",
            |journal, _| journal["roots"][0]["path"] = "lib".into(),
            "outside of the environment",
        ),
        (
            "private directories of another transaction",
            |journal, _| journal["roots"][0]["trash"] = "trash-b2".into(),
            "is gone",
        ),
        (
            "a path with `..`",
            |journal, _| journal["operations"][0]["path"] = "../outside/x".into(),
            "outside of its root",
        ),
    ];
    for (title, spoil, says) in cases {
        let mut old = old_journal(&journal, &ruin.life.root);
        spoil(&mut old, &outside);
        fs::write(&path, sealed(&old)).expect("it can be written");
        ruin.assert_refused(title, says);
    }
    // The inode does not count: a directory that was restored from a backup has another one.
    let mut old = old_journal(&journal, &ruin.life.root);
    old["roots"][0]["inode"] = 1.into();
    fs::write(&path, sealed(&old)).expect("it can be written");
    ruin.assert_settles();
}

#[test]
fn r125_a_journal_that_leads_out_by_a_link_is_refused() {
    let ruin = Ruin::new();
    let path = ruin.journal();
    let good = fs::read(&path).expect("it is there");
    symlink(&ruin.outside, ruin.life.root.join("link")).expect("a link can be made");
    let mut journal = Journal::decode(&good).expect("it is a journal");
    let root = &mut journal.roots[0];
    (root.at.path, root.home) = ("link".to_owned(), String::new());
    (root.stage, root.trash) = ("stage-a1".to_owned(), "trash-b2".to_owned());
    fs::write(&path, journal.encode()).expect("it can be written");
    let (before, elsewhere) = (tree(&ruin.life.root), tree(&ruin.outside));
    for command in [&["recover"][..], &[&ruin.wheel], &["uninstall", "demo"]] {
        let run = ruin.scene.install(&ruin.life.root, command);
        assert!(run.code == 1 || run.code == 5, "{run:?}");
        run.assert_stderr("link");
        assert_unchanged(&before, &tree(&ruin.life.root));
        assert_unchanged(&elsewhere, &tree(&ruin.outside));
    }
}

#[test]
fn r125_what_is_no_file_or_no_directory_is_no_state_of_ours() {
    let ruin = Ruin::new();
    let (path, aside) = (ruin.journal(), ruin.scene.join("journal"));
    fs::copy(&path, &aside).expect("it can be copied");
    fs::remove_file(&path).expect("it can be removed");
    symlink(&aside, &path).expect("a link can be made");
    ruin.assert_refused("a journal that is a link", "it is not a regular file");
    fs::remove_file(&path).expect("it can be removed");
    fs::create_dir(&path).expect("a directory can be made");
    ruin.assert_refused("a journal that is a directory", "it is not a regular file");
    fs::remove_dir(&path).expect("it can be removed");
    fs::copy(&aside, &path).expect("it can be copied");

    let elsewhere = ruin
        .life
        .root
        .parent()
        .expect("it is in a directory")
        .join("control");
    fs::rename(&ruin.control, &elsewhere).expect("it can be moved");
    symlink(&elsewhere, &ruin.control).expect("a link can be made");
    let moved = tree(&elsewhere);
    ruin.assert_refused(
        "a private directory that is a link",
        "its directory is not a directory",
    );
    assert_unchanged(&moved, &tree(&elsewhere));
    fs::remove_file(&ruin.control).expect("it can be removed");
    fs::write(&ruin.control, "").expect("it can be written");
    // A command that only reads sees no journal there and has nothing to refuse.
    let before = tree(&ruin.life.root);
    for command in [
        &["recover"][..],
        &[&ruin.wheel],
        &["uninstall", "demo"],
        &["undo"],
    ] {
        let run = ruin.scene.install(&ruin.life.root, command);
        run.assert_code(5).assert_stderr("it is not a directory");
        assert_unchanged(&before, &tree(&ruin.life.root));
    }
    fs::remove_file(&ruin.control).expect("it can be removed");
    fs::rename(&elsewhere, &ruin.control).expect("it can be moved");
    ruin.assert_settles();
}

#[test]
fn r125_what_was_written_down_of_other_places_leads_nowhere_else() {
    let scene = Scene::new();
    let venv = scene.venv();
    let theirs = scene.write("outside/.pkg-install/trash-b2/0", "theirs");
    let outside = theirs
        .ancestors()
        .nth(3)
        .expect("it lies deep enough")
        .to_owned();
    let through = venv.join("link");
    symlink(&outside, &through).expect("a link can be made");
    let library = crate::support::scene::site_packages(&venv);
    let wheel = scene
        .wheel(&Wheel::new("demo", "1.0").file("demo.py", ""))
        .display()
        .to_string();
    let before = tree(&outside);
    for listed in [vec![outside.clone()], vec![venv.join("../outside")]] {
        fs::create_dir_all(library.join(".pkg-install")).expect("directories can be made");
        let list = serde_json::to_vec(&listed).expect("paths are text");
        fs::write(library.join(".pkg-install/areas"), list).expect("it can be written");
        scene.install(&venv, &["recover"]).assert_code(0);
        scene
            .install(&venv, &["--reinstall", &wheel])
            .assert_code(0);
        assert_unchanged(&before, &tree(&outside));
    }
    fs::create_dir_all(library.join(".pkg-install")).expect("directories can be made");
    let list = serde_json::to_vec(&[through]).expect("paths are text");
    fs::write(library.join(".pkg-install/areas"), list).expect("it can be written");
    let run = scene.install(&venv, &["recover"]);
    assert_ne!(run.code, 0, "{run:?}");
    assert_unchanged(&before, &tree(&outside));
}

#[test]
fn r125_a_journal_of_another_user_is_refused() {
    // Only the administrator may give a file away; for other users the number in the journal is
    // tested above.
    let ruin = Ruin::new();
    if std::os::unix::fs::chown(ruin.journal(), Some(12_345), None).is_err() {
        return;
    }
    ruin.assert_refused("a journal of somebody else's", "it belongs to user 12345");
    std::os::unix::fs::chown(ruin.journal(), Some(0), None).expect("it can be taken back");
    ruin.assert_settles();
}

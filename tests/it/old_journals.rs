//! Journals and undo records that version 1 wrote are settled, in place and in a moved environment.

use crate::moved::{JOURNEYS, Journey, Story};
use crate::support::living::Life;
use crate::support::scene::{Scene, site_packages};
use crate::support::tree_image::Image;
use pkg_install::fs::Fs;
use pkg_install::transaction::Journal;
use serde_json::{Value, json};
use sha2::Digest as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The journal as version 1 wrote it, in the environment `root`.
pub fn old_journal(journal: &Journal, root: &Path) -> Value {
    let roots = journal.roots.iter().map(|known| {
        let path = root.join(&known.at.path);
        json!({
            "path": path.components().collect::<PathBuf>(),
            "inode": 4711,
            "home": path.join(&known.home),
            "stage": known.stage,
            "trash": known.trash,
        })
    });
    json!({
        "uid": journal.uid,
        "roots": roots.collect::<Vec<_>>(),
        "operations": journal.operations,
        "undoable": journal.undoable,
    })
}

/// A file of version 1 with this body.
pub fn sealed(body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let digest: String = sha2::Sha256::digest(&body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("pkg-install journal 1 {digest} {}\n{body}", body.len()).into_bytes()
}

/// Turns a journal or a record on disk into one of version 1.
fn make_old(path: &Path, root: &Path) {
    let file = fs::read(path).expect("it is there");
    let journal = Journal::decode(&file).expect("it is a journal");
    let root = fs::canonicalize(root).expect("it is there");
    fs::write(path, sealed(&old_journal(&journal, &root))).expect("it can be written");
}

#[test]
fn r120_a_journal_of_version_1_is_settled_wherever_it_is() {
    let story = Story::new();
    for (crash, image) in story.crashed() {
        for journey in JOURNEYS {
            let what = format!("{crash}, {journey:?}");
            story.put(&image);
            let control = site_packages(&story.life.root).join(".pkg-install");
            make_old(&control.join("journal"), &story.life.root);
            if control.join("undo").exists() {
                make_old(&control.join("undo"), &story.life.root);
            }
            let root = journey.make(&story.life.root);
            story.run(&root, &["recover"], &what);
            story.is_before(&root, &what);
            story.run(&root, &["undo"], &what);
        }
    }
}

#[test]
fn r120_a_record_of_version_1_can_be_undone_wherever_it_is() {
    for life in [Life::fresh(), Life::replace()] {
        let life = life.with(|options| options.undoable = true);
        life.run(&Fs::default()).expect("the command succeeds");
        let control = site_packages(&life.root).join(".pkg-install");
        make_old(&control.join("undo"), &life.root);
        // That version had no history.
        fs::remove_file(control.join("history")).expect("there is one");
        let marks = fs::read_dir(&control)
            .expect("it can be listed")
            .find(|entry| {
                let name = entry.as_ref().expect("it can be listed").file_name();
                name.to_string_lossy().starts_with("marks-")
            });
        let marks = marks
            .expect("there are marks")
            .expect("it can be listed")
            .path();
        let text = fs::read(&marks).expect("they can be read");
        let present: Value = serde_json::from_slice(&text).expect("they are JSON");
        let moved_in = present["moved_in"].as_array().expect("it is a list");
        let seen: Vec<Value> = moved_in.iter().map(|mark| mark["times"].clone()).collect();
        let old = json!({ "seen": seen }).to_string();
        fs::write(&marks, old).expect("they can be written");
        let (done, scene) = (Image::of(&life.root), Scene::new());
        // Such marks hold nothing but the digest with the times.
        for journey in [Journey::Copy, Journey::Move, Journey::Restore] {
            done.restore(&life.root);
            let root = journey.make(&life.root);
            let run = scene.install(&root, &["undo"]);
            assert_eq!(run.code, 0, "{}, {journey:?}: {run:?}", life.name);
            assert!(
                Image::of(&root) == life.before,
                "{}, {journey:?}",
                life.name
            );
        }
    }
}

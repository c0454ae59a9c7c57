//! State of a transaction that was planted: whatever it says, nothing outside of the environment
//! changes.
//!
//! Input: bytes that decide what is planted. Output: nothing; a panic if a file or directory beside
//! the environment has changed. What happens inside of it is up to the state, since these tests run
//! as the user that planted it.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use pkg_install::command;
use pkg_install::digest::{Algorithm, Digest};
use pkg_install::source::Source;

use super::ground::{Ground, LIBRARY, assert_same, options};
use crate::support::wheel_builder::Wheel;

/// Takes decisions from bytes; after the last byte every decision is the first choice.
struct Decisions<'a>(std::slice::Iter<'a, u8>);

impl Decisions<'_> {
    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        let byte = self.0.next().copied().unwrap_or(0);
        choices[usize::from(byte) % choices.len()]
    }

    fn number(&mut self, most: u8) -> u8 {
        self.0.next().copied().unwrap_or(0) % (most + 1)
    }
}

const PATHS: [&str; 12] = [
    "bin/tool",
    "share/present.txt",
    "share",
    "new",
    "lib/python3.13/site-packages/present",
    "lib/python3.13/site-packages/present/module.py",
    "lib/python3.13/site-packages/directory/precious",
    "lib/python3.13/site-packages/directory",
    "lib/python3.13/site-packages/inner/module.py",
    "lib/python3.13/site-packages/pointer.py",
    "../outside/precious",
    "pyvenv.cfg",
];
const HOMES: [&str; 6] = [
    LIBRARY_BELOW,
    "",
    "lib",
    "lib/python3.13/site-packages/directory",
    "../outside",
    "lib/python3.13/site-packages/inner",
];
const LIBRARY_BELOW: &str = "lib/python3.13/site-packages";
const PRIVATE: [&str; 4] = ["stage-a", "trash-a", "stage-b", "../stage-a"];
const BASES: [&str; 4] = ["environment", "purelib", "scripts", "data"];
const AT: [&str; 5] = [
    "",
    "lib",
    "share",
    "../outside",
    "lib/python3.13/site-packages/directory",
];

/// Plants state as the bytes say, and runs every command on it.
pub fn planted_state(data: &[u8]) {
    let ground = Ground::new();
    for path in [
        "outside/stage-a/0",
        "outside/trash-a/0",
        "outside/.pkg-install/journal",
    ] {
        ground.write(path, b"theirs\n");
    }
    let mut decisions = Decisions(data.iter());
    let homes = [
        LIBRARY.to_owned(),
        "venv".to_owned(),
        "venv/share".to_owned(),
    ];
    for home in &homes[..=usize::from(decisions.number(2))] {
        plant(&ground, &format!("{home}/.pkg-install"), &mut decisions);
    }
    let wheel = Wheel::new("demo", "1.0").file("present/more.py", "x = 1\n");
    let wheel = ground.write(&wheel.wheel_file_name(), &wheel.bytes());
    let before = beside(&ground);
    let options = options(data);
    let input = vec![Source::from_path(&wheel)].into();
    // Each may succeed or be refused; a panic or a change outside is a fault.
    let _ = ground.try_run(|environment, context| command::list(environment, &options, context));
    let _ = ground.try_run(|environment, context| command::undo(environment, &options, context));
    assert_same(&before, &beside(&ground));
    let _ = ground.try_run(|environment, context| command::recover(environment, &options, context));
    assert_same(&before, &beside(&ground));
    let _ = ground
        .try_run(|environment, context| command::install(environment, &input, &options, context));
    let names = ["resident".to_owned()];
    let _ = ground
        .try_run(|environment, context| command::uninstall(environment, &names, &options, context));
    assert_same(&before, &beside(&ground));
}

fn beside(ground: &Ground) -> super::ground::Tree {
    let tree = ground.tree("").into_iter();
    tree.filter(|(path, _)| !path.starts_with("venv")).collect()
}

fn plant(ground: &Ground, state: &str, decisions: &mut Decisions<'_>) {
    let path = ground.join(state);
    match decisions.number(9) {
        0 => return put_link(ground, "outside/.pkg-install", &path),
        1 => {
            ground.write(state, b"a file\n");
            return;
        }
        _ => std::fs::create_dir_all(&path).expect("it can be made"),
    }
    for name in ["stage-a", "trash-a", "stage-b"] {
        let private = path.join(name);
        match decisions.number(7) {
            0 => put_link(ground, "outside/stage-a", &private),
            1 => {}
            _ => {
                std::fs::create_dir(&private).expect("it can be made");
                for slot in ["0", "1", "2"] {
                    put_slot(ground, &private.join(slot), decisions);
                }
            }
        }
    }
    for name in [
        "journal",
        "undo",
        "undo-1",
        "history",
        "areas",
        "marks-a",
        "journal.new",
    ] {
        let file = path.join(name);
        match decisions.number(7) {
            0 => put_link(ground, "outside/precious", &file),
            1 => std::fs::create_dir(&file).expect("it can be made"),
            2 => {}
            _ => std::fs::write(&file, content(name, decisions)).expect("it can be written"),
        }
    }
    let mode = decisions.of(&[0o755, 0o755, 0o755, 0o777, 0o500]);
    let mode = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(&path, mode).expect("it is ours");
}

fn put_link(ground: &Ground, target: &str, at: &Path) {
    symlink(ground.join(target), at).expect("a link can be made");
}

fn put_slot(ground: &Ground, at: &PathBuf, decisions: &mut Decisions<'_>) {
    match decisions.number(4) {
        0 => {}
        1 => put_link(ground, "outside", at),
        2 => std::fs::create_dir(at).expect("it can be made"),
        _ => std::fs::write(at, "staged\n").expect("it can be written"),
    }
}

/// The content of a file of the state.
fn content(name: &str, decisions: &mut Decisions<'_>) -> Vec<u8> {
    match name {
        "areas" => {
            let at = decisions.of(&AT);
            let base = decisions.of(&BASES);
            format!(r#"[{{"base":"{base}","path":"{at}"}}]"#).into_bytes()
        }
        "marks-a" => {
            let marks = ["null"; 4][..usize::from(decisions.number(4))].join(",");
            format!(r#"{{"moved_in":[{marks}]}}"#).into_bytes()
        }
        _ => journal(decisions),
    }
}

/// A journal whose first line is right, so that its content is looked at.
fn journal(decisions: &mut Decisions<'_>) -> Vec<u8> {
    let count = decisions.number(4);
    let operation = |decisions: &mut Decisions<'_>| {
        let kind = decisions.of(&["in", "out", "removedir"]);
        let path = decisions.of(&PATHS);
        let slot = decisions.of(&["0", "1", "2", "../0"]);
        let mode = decisions.of(&[0o755, 0o4777, 0o777]);
        format!(r#"{{"kind":"{kind}","root":0,"path":"{path}","slot":"{slot}","mode":{mode}}}"#)
    };
    let operations: Vec<String> = (0..count).map(|_| operation(decisions)).collect();
    let (base, at, home) = (
        decisions.of(&BASES),
        decisions.of(&AT),
        decisions.of(&HOMES),
    );
    let (stage, trash) = (
        decisions.of(&PRIVATE),
        decisions.of(&["trash-a", "trash-b"]),
    );
    let uid = pkg_install::fs::effective_user();
    let undoable = decisions.of(&[true, false]);
    let root = format!(
        r#"{{"at":{{"base":"{base}","path":"{at}"}},"home":"{home}",
            "stage":"{stage}","trash":"{trash}"}}"#
    );
    let operations = operations.join(",");
    let body = format!(
        r#"{{"uid":{uid},"roots":[{root}],"operations":[{operations}],"undoable":{undoable}}}"#
    );
    let digest = Digest::of(Algorithm::Sha256, body.as_bytes()).to_hex();
    let head = format!("pkg-install journal 2 {digest} {}\n", body.len());
    [head.into_bytes(), body.into_bytes()].concat()
}

//! An environment for fuzzed installations: it has files in it and beside it, and is restored after
//! each.
//!
//! Input: a wheel's bytes. Output: nothing; a panic if the tree is wrong. Each thread uses one
//! environment for all of its wheels, since each installation is undone. The environment's
//! interpreter is never started: it is the first part of this program, and a few files hold the
//! facts about it.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use pkg_install::Cancellation;
use pkg_install::command::{self, Context, Options};
use pkg_install::environment::{Environment, Locate};
use pkg_install::error::{Effect, ErrorKind};
use pkg_install::fs::{self, Fs, Kind};
use pkg_install::outcome::{DifferenceState, Outcome, Silent, Status};
use pkg_install::plan::conflict::OnConflict;
use pkg_install::source::Source;
use pkg_install::spec::record::Verify;
use pkg_install::spec::wheel_name::WheelName;

use crate::support::wheel_builder::Wheel;

/// The directory that packages are in.
pub(super) const LIBRARY: &str = "venv/lib/python3.13/site-packages";
/// The name of a wheel that has no readable one of its own.
const NAME: &str = "demo-1.0-py3-none-any.whl";

thread_local! {
    static GROUND: Ground = Ground::new();
}

/// Everything below a directory: kind, permissions and content.
pub(super) type Tree = BTreeMap<PathBuf, (Kind, u32, Vec<u8>)>;

pub(super) struct Ground {
    directory: tempfile::TempDir,
    locate: Locate,
}

/// Gives the bytes to `look` as a file.
pub fn with_file<T>(data: &[u8], look: impl FnOnce(&Path) -> T) -> T {
    GROUND.with(|ground| {
        let path = ground.directory.path().join("file");
        std::fs::write(&path, data).expect("the file can be written");
        let seen = look(&path);
        std::fs::remove_file(&path).expect("the file can be removed");
        seen
    })
}

/// Installs the bytes as a wheel. If that is refused, nothing was changed. If it succeeds, `check`
/// finds nothing, and removing the project or undoing the installation restores the tree. Nothing
/// outside of the environment is ever touched.
pub fn install(data: &[u8]) {
    GROUND.with(|ground| ground.install(data));
}

impl Ground {
    pub(super) fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let builder = tempfile::Builder::new();
        let directory = if memory.is_dir() {
            builder.tempdir_in(memory)
        } else {
            builder.tempdir()
        };
        let directory = directory.expect("a temporary directory can be made");
        let root = fs::canonical(directory.path()).expect("it is there");
        let locate = Locate {
            target: Some(root.join("venv")),
            ..Locate::default()
        };
        let ground = Self { directory, locate };
        ground.make_interpreter();
        for (path, content) in [
            ("outside/precious", "precious\n"),
            ("venv/pyvenv.cfg", "home = /base\nversion = 3.13.1\n"),
            ("venv/bin/tool", "#!/bin/sh\n"),
            ("venv/share/present.txt", "present\n"),
            (&format!("{LIBRARY}/present/module.py"), "present = 1\n"),
        ] {
            ground.write(path, content.as_bytes());
        }
        // A virtual environment is made with it; it stays when it is empty.
        std::fs::create_dir(ground.join("venv/include")).expect("a directory can be made");
        for (target, link) in [
            ("../../base/bin/python3.13", "venv/bin/python".to_owned()),
            ("../../../../outside", format!("{LIBRARY}/directory")),
            (
                "../../../../outside/precious",
                format!("{LIBRARY}/pointer.py"),
            ),
            ("present", format!("{LIBRARY}/inner")),
        ] {
            symlink(target, ground.join(&link)).expect("a link can be made");
        }
        let resident = Wheel::new("resident", "1.0")
            .file("resident/__init__.py", "x = 1\n")
            .file("shared.py", "1\n");
        let wheel = ground.write(&resident.wheel_file_name(), &resident.bytes());
        let input = vec![Source::from_path(&wheel)].into();
        ground.run("resident", |environment, context| {
            command::install(environment, &input, &options(&[]), context)
        });
        std::fs::remove_file(wheel).expect("the wheel can be removed");
        ground
    }

    /// A stand-in for the interpreter: the beginning of this program, and the names in its library.
    fn make_interpreter(&self) {
        let program = std::env::current_exe().expect("this program has a path");
        let head = fs::read_to_limit(&program, 1 << 16).expect("this program can be read");
        let path = self.write("base/bin/python3.13", &head);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        self.write(
            "base/lib/python3.13/_sysconfigdata__linux_x86_64-linux-gnu.py",
            b"",
        );
    }

    pub(super) fn join(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    pub(super) fn write(&self, path: &str, content: &[u8]) -> PathBuf {
        let path = self.join(path);
        std::fs::create_dir_all(path.parent().expect("a file has a parent"))
            .expect("directories can be made");
        std::fs::write(&path, content).expect("the file can be written");
        path
    }

    /// Runs a command; one that must succeed does.
    fn run<T>(
        &self,
        what: &str,
        command: impl FnOnce(&Environment, Context<'_>) -> pkg_install::Result<T>,
    ) -> T {
        self.try_run(command)
            .unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Locates the environment and runs a command in it.
    pub(super) fn try_run<T>(
        &self,
        command: impl FnOnce(&Environment, Context<'_>) -> pkg_install::Result<T>,
    ) -> pkg_install::Result<T> {
        let (fs, cancel) = (Fs::default(), Cancellation::default());
        let context = Context {
            fs: &fs,
            cancel: &cancel,
            events: &Silent,
        };
        command(&Environment::locate(&self.locate)?, context)
    }

    fn install(&self, data: &[u8]) {
        let name = file_name(data);
        let wheel = self.write(&name, data);
        let before = self.tree("");
        let options = options(data);
        let input = vec![Source::from_path(&wheel)].into();
        let result = self.try_run(|environment, context| {
            command::install(environment, &input, &options, context)
        });
        match result {
            Err(error) => {
                assert_ne!(error.effect(), Effect::Unfinished, "{error}");
                assert!(
                    error.kind() != ErrorKind::Failed,
                    "the input is refused by the file system: {error}"
                );
            }
            Ok(outcome) => self.check_installed(&before, &options, &outcome),
        }
        assert_same(&before, &self.tree(""));
        std::fs::remove_file(wheel).expect("the wheel can be removed");
    }

    /// Checks an environment that the wheel was installed into, and takes the installation back.
    fn check_installed(&self, before: &Tree, options: &Options, outcome: &Outcome) {
        let beside = |tree: &Tree| {
            tree.clone()
                .into_iter()
                .filter(|(path, _)| !path.starts_with("venv"))
                .collect()
        };
        assert_same(&beside(before), &beside(&self.tree("")));
        if options.verify != Verify::Off {
            self.check(options);
        }
        if outcome.status == Status::Unchanged {
            return;
        }
        if options.undoable {
            self.run("undo", |environment, context| {
                command::undo(environment, options, context)
            });
        } else {
            let names: Vec<String> = outcome
                .changes
                .iter()
                .map(|change| change.name.clone())
                .collect();
            self.run("uninstall", |environment, context| {
                command::uninstall(environment, &names, options, context)
            });
        }
    }

    /// Nothing differs from RECORD, which says nothing of modes: a wheel may put `#!` beside the
    /// scripts as plain data.
    fn check(&self, options: &Options) {
        let checked = self.run("check", |environment, context| {
            command::check(environment, &[], options, context)
        });
        let differences = checked.differences;
        assert!(
            differences
                .iter()
                .all(|one| one.state == DifferenceState::Mode),
            "check finds {differences:?}"
        );
    }

    pub(super) fn tree(&self, below: &str) -> Tree {
        let root = self.join(below);
        let walked = fs::walk(&root).expect("the tree can be walked");
        let mut tree = Tree::new();
        for (path, stat) in walked {
            let full = root.join(&path);
            let content = match stat.kind {
                Kind::File => fs::read(&full).expect("the file can be read"),
                Kind::Symlink => fs::link_target(&full)
                    .expect("it is a link")
                    .into_os_string()
                    .into_encoded_bytes(),
                _ => Vec::new(),
            };
            // The lock stays, empty.
            if !(path == Path::new("venv/.lock") && content.is_empty()) {
                tree.insert(path, (stat.kind, stat.mode, content));
            }
        }
        tree
    }
}

#[track_caller]
pub(super) fn assert_same(before: &Tree, after: &Tree) {
    let only = |one: &Tree, other: &Tree| {
        one.iter()
            .filter(|(path, thing)| other.get(*path) != Some(thing))
            .map(|(path, _)| path.clone())
            .collect()
    };
    let (gone, new): (Vec<PathBuf>, Vec<PathBuf>) = (only(before, after), only(after, before));
    assert!(
        gone.is_empty() && new.is_empty(),
        "the tree has changed: {gone:?} became {new:?}"
    );
}

/// The same bytes are always installed in the same way, and their length chooses which. Where
/// another file or project may have made way, undoing gives the tree back; uninstalling would not.
pub(super) fn options(data: &[u8]) -> Options {
    let verify = [Verify::Normal, Verify::Strict, Verify::Normal, Verify::Off][data.len() % 4];
    let on_conflict = [OnConflict::Error, OnConflict::Last, OnConflict::First][data.len() / 4 % 3];
    let resident =
        WheelName::parse(&file_name(data)).is_ok_and(|name| name.name.normalized() == "resident");
    let undoable = resident || on_conflict != OnConflict::Error || data.len() / 12 % 2 == 1;
    Options {
        verify,
        on_conflict,
        undoable,
        compat_check: false,
        jobs: Some(1),
        ..Options::default()
    }
}

/// The file name that fits the first dist-info directory that the bytes speak of.
fn file_name(data: &[u8]) -> String {
    let ending = b".dist-info/";
    let found = data
        .windows(ending.len())
        .position(|window| window == ending)
        .and_then(|end| {
            let begin = data[..end]
                .iter()
                .rposition(|&byte| !(byte.is_ascii_alphanumeric() || b"._-+!".contains(&byte)));
            let stem = std::str::from_utf8(&data[begin.map_or(0, |at| at + 1)..end]).ok()?;
            let name = format!(
                "{}-py3-none-any.whl",
                stem.trim_start_matches(|c: char| !c.is_ascii_alphanumeric())
            );
            WheelName::parse(&name).is_ok().then_some(name)
        });
    found.unwrap_or_else(|| NAME.to_owned())
}

//! Paths that change while a command runs: directories that turn into links, wheels that are
//! rewritten, an environment that is created anew.
//!
//! A [`Swap`] watches the file system operations and acts just before one change. The replacement
//! leads outside, where nothing may change; and once the true directory is back, the environment is
//! as before the command or as after it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};

use pkg_install::Cancellation;
use pkg_install::command::{self, Context, Options};
use pkg_install::digest::{Algorithm, Digest};
use pkg_install::environment::Locate;
use pkg_install::error::{Effect, ErrorKind, Result};
use pkg_install::fs::{FaultHook, Fs, FsOp};
use pkg_install::outcome::{Events, Silent};
use pkg_install::source::{Pins, Source};

use crate::support::faults::{Fault, Fuse};
use crate::support::living::Life;
use crate::support::scene::{Scene, assert_unchanged, held_file, site_packages, tree};
use crate::support::tree_image::Image;
use crate::support::wheel_builder::Wheel;

/// Acts once, just before the change of this number.
struct Swap<F> {
    at: usize,
    seen: AtomicUsize,
    act: F,
}

impl<F: Fn() + Send + Sync> Swap<F> {
    fn new(at: usize, act: F) -> Arc<Self> {
        Arc::new(Self {
            at,
            seen: AtomicUsize::new(0),
            act,
        })
    }
}

impl<F: Fn() + Send + Sync> FaultHook for Swap<F> {
    fn before(&self, _: &FsOp<'_>) -> io::Result<()> {
        if self.seen.fetch_add(1, Ordering::SeqCst) == self.at {
            (self.act)();
        }
        Ok(())
    }
}

/// Copies a directory with everything in it.
fn copy(from: &Path, to: &Path) {
    Image::of(from).restore(to);
}

/// Before each change of the command in turn, the directory at `victim` is moved aside and becomes
/// a link to a copy of itself outside, with a private directory of another user in it. Returns at
/// how many points that was tried.
#[track_caller]
fn swap_everywhere(life: &Life, victim: &str) -> usize {
    let whole = Fuse::new(Fault::None);
    life.rehearse(&whole);
    let (directory, beside) = (
        life.root.join(victim),
        life.root.parent().expect("it is in a directory"),
    );
    let (outside, aside) = (beside.join("outside"), beside.join("aside"));
    let mut caught = 0;
    for at in 0..whole.seen() {
        life.reset();
        let _ = fs::remove_dir_all(&outside);
        copy(&directory, &outside);
        let foreign = outside.join(
            site_packages(&life.root)
                .strip_prefix(&directory)
                .unwrap_or(Path::new("")),
        );
        fs::create_dir_all(foreign.join(".pkg-install/trash-theirs"))
            .expect("directories can be made");
        fs::write(foreign.join(".pkg-install/stage-theirs"), "theirs").expect("it can be written");
        let before = tree(&outside);
        let act = {
            let (directory, outside, aside) = (directory.clone(), outside.clone(), aside.clone());
            move || {
                fs::rename(&directory, &aside).expect("it can be moved");
                symlink(&outside, &directory).expect("a link can be made");
            }
        };
        let result = life.run(&Fs::with_hook(Swap::new(at, act)));
        assert!(
            fs::symlink_metadata(&directory).is_ok_and(|found| found.is_symlink()),
            "{victim}: {at}: never swapped"
        );
        assert!(
            before == tree(&outside),
            "{victim}: {at}: something outside has changed:\n{result:?}"
        );
        fs::remove_file(&directory).expect("the link can be removed");
        fs::rename(&aside, &directory).expect("it can be moved back");
        caught += usize::from(result.is_err());
        assert_as_before_or_after(life, result, &format!("{victim}: {at} of {}", whole.seen()));
    }
    assert!(caught > 0, "{victim}: never an error");
    whole.seen()
}

/// With the true directory back, recovery leaves the environment as before, or as after the
/// command.
#[track_caller]
fn assert_as_before_or_after(life: &Life, result: Result<()>, what: &str) {
    let said = result
        .as_ref()
        .err()
        .map(|error| (error.effect(), error.to_string()));
    life.recover(&Fs::default())
        .unwrap_or_else(|error| panic!("{what}: {error}, after {said:?}"));
    let now = Image::of(&life.root).public();
    let (is_before, is_after) = (now == life.before.public(), now == life.after);
    let fine = match &said {
        None => is_after,
        Some((Effect::Unfinished, _)) => is_before || is_after,
        Some(_) => is_before,
    };
    assert!(
        fine,
        "{what}: {said:?}\nto before:\n{}",
        life.before.public().difference(&now)
    );
}

#[test]
fn r96_a_directory_that_becomes_a_link_leads_no_change_outside() {
    let life = Life::small_replace();
    let library = site_packages(&life.root);
    let library = library
        .strip_prefix(&life.root)
        .expect("it is inside")
        .display()
        .to_string();
    for victim in [&format!("{library}/ns"), &library, "lib"] {
        let points = swap_everywhere(&life, victim);
        assert!(points >= 15, "{victim}: {points}");
    }
}

#[test]
fn r96_nor_does_one_of_scripts_or_data() {
    let life = Life::into_shared();
    for victim in ["bin", "share", "share/common"] {
        let points = swap_everywhere(&life, victim);
        assert!(points >= 30, "{victim}: {points}");
    }
}

#[test]
fn r96_nor_does_one_under_a_removal_or_an_undo() {
    for life in [
        Life::uninstall(),
        Life::small_replace().undo_of("undo of small replace"),
    ] {
        let library = site_packages(&life.root);
        let library = library
            .strip_prefix(&life.root)
            .expect("it is inside")
            .display()
            .to_string();
        for victim in [&library, "lib"] {
            let points = swap_everywhere(&life, victim);
            assert!(points >= 10, "{victim}: {points}");
        }
    }
}

/// Copies a directory with every file replaced by another one, which was not checked. What other
/// threads of the command remove meanwhile is left out.
fn copy_forged(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if metadata.is_dir() {
        fs::create_dir(to)?;
        for name in fs::read_dir(from).into_iter().flatten() {
            let name = name?.file_name();
            copy_forged(&from.join(&name), &to.join(&name))?;
        }
    } else {
        fs::write(to, "forged")?;
    }
    fs::set_permissions(to, metadata.permissions())
}

/// Before each change of the command in turn, the state directory is exchanged for a copy in which
/// every staged and every old file is forged, as a user could do who may write to the library.
#[test]
fn r96_a_state_directory_that_is_exchanged_moves_nothing_in_that_was_not_checked() {
    for life in [
        Life::small_replace(),
        Life::small_replace().undo_of("undo with a forged state"),
    ] {
        let whole = Fuse::new(Fault::None);
        life.rehearse(&whole);
        let state = site_packages(&life.root).join(".pkg-install");
        let aside = state.with_file_name("aside");
        let mut exchanged = 0;
        for at in 0..whole.seen() {
            life.reset();
            let act = {
                let (state, aside) = (state.clone(), aside.clone());
                move || {
                    if fs::rename(&state, &aside).is_ok() {
                        copy_forged(&aside, &state).expect("it can be copied");
                    }
                }
            };
            let result = life.run(&Fs::with_hook(Swap::new(at, act)));
            if aside.exists() {
                exchanged += 1;
                let _ = fs::remove_dir_all(&state);
                fs::rename(&aside, &state).expect("it can be moved back");
            }
            assert_as_before_or_after(&life, result, &format!("{at} of {}", whole.seen()));
        }
        assert!(exchanged >= 5, "{exchanged}");
    }
}

/// A wheel whose entries are read in each of the ways that there are, with this letter all over.
fn letters(letter: u8) -> Vec<u8> {
    let noise = |count: u32| {
        (0..count)
            .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
            .chain([letter])
            .collect::<Vec<_>>()
    };
    Wheel::new("demo", "1.0")
        .file("demo/__init__.py", [letter; 100])
        .stored("demo/stored.bin", [letter; 100])
        .zstd("demo/z.bin", [letter; 100])
        .stored("demo/large.bin", noise(263_000))
        .file("demo/deflated.bin", noise(263_000))
        .data("scripts/tool", [letter; 100])
        .bytes()
}

const NAME: &str = "demo-1.0-py3-none-any.whl";

/// Installs the wheel `a` into a new environment while `change` happens to its file just before the
/// change of number `at`; returns the result, or `None` if the command makes fewer changes.
fn install_while(
    at: usize,
    change: fn(&Path),
    wheel: &[u8],
) -> Option<(Scene, String, Result<()>)> {
    let scene = Scene::new();
    let venv = scene.venv();
    let path = scene.write(NAME, wheel);
    let pinned = Digest::of(Algorithm::Sha256, wheel);
    let before = tree(&venv);
    let watch = {
        let path = path.clone();
        Swap::new(at, move || change(&path))
    };
    let fs = Fs::with_hook(Arc::<Swap<_>>::clone(&watch) as Arc<dyn FaultHook>);
    let (cancel, options) = (
        Cancellation::default(),
        Options {
            require_hashes: true,
            ..Options::default()
        },
    );
    let context = Context {
        fs: &fs,
        cancel: &cancel,
        events: &Silent,
    };
    let locate = Locate {
        target: Some(venv),
        ..Locate::default()
    };
    let source = Source {
        pinned: Pins {
            all: vec![pinned],
            any: Vec::new(),
        },
        ..Source::from_path(path)
    };
    let result = pkg_install::Environment::locate(&locate).and_then(|environment| {
        command::install(&environment, &vec![source].into(), &options, context).map(drop)
    });
    (watch.seen.load(Ordering::SeqCst) > at).then_some((scene, before, result))
}

/// No matter how the wheel's file changes, the validated content is installed, or nothing; returns
/// how often nothing was.
#[track_caller]
fn never_a_mixture(title: &str, change: fn(&Path)) -> usize {
    let (whole, wheel) = (Scene::new(), letters(b'a'));
    let expected = whole.venv();
    whole
        .install(&expected, &[whole.write(NAME, &wheel)])
        .assert_code(0);
    let expected = tree(&expected.join("lib"));
    let mut refused = 0;
    // Hashing is slow without optimisation, so only every ninth change is tested.
    for at in (0..).step_by(9) {
        let Some((scene, before, result)) = install_while(at, change, &wheel) else {
            break;
        };
        let venv = scene.join("venv");
        let Err(error) = result else {
            assert_unchanged(&expected, &tree(&venv.join("lib")));
            continue;
        };
        let said = error.to_string();
        assert_eq!(
            (error.kind(), error.effect()),
            (ErrorKind::Input, Effect::Untouched),
            "{title}: {at}: {said}"
        );
        assert!(
            said.contains(NAME) && said.contains("entry `"),
            "{title}: {at}: {said}"
        );
        assert_unchanged(&before, &tree(&venv));
        refused += 1;
    }
    refused
}

/// The same wheel with another letter.
fn other() -> &'static [u8] {
    static OTHER: OnceLock<Vec<u8>> = OnceLock::new();
    OTHER.get_or_init(|| letters(b'b'))
}

#[test]
fn r37_e107_r38_another_file_at_the_path_of_a_wheel_is_not_the_wheel() {
    let refused = never_a_mixture("renamed over", |path| {
        let aside = path.with_extension("new");
        fs::write(&aside, other()).expect("it can be written");
        fs::rename(&aside, path).expect("it can be renamed");
    });
    assert_eq!(refused, 0, "the file that was validated is still open");
    let refused = never_a_mixture("removed", |path| {
        fs::remove_file(path).expect("it can be removed");
    });
    assert_eq!(refused, 0, "the file that was validated is still open");
}

#[test]
fn r37_e107_a_wheel_that_shrinks_or_changes_in_place_is_refused() {
    let truncate: [fn(&Path); 2] = [
        |path| {
            File::options()
                .write(true)
                .open(path)
                .and_then(|file| file.set_len(0))
                .expect("it can be cut");
        },
        |path| {
            File::options()
                .write(true)
                .open(path)
                .and_then(|file| file.set_len(2000))
                .expect("it can be cut");
        },
    ];
    for cut in truncate {
        assert!(never_a_mixture("cut", cut) >= 2);
    }
    let rewritten = never_a_mixture("rewritten", |path| {
        fs::write(path, other()).expect("it can be written");
    });
    assert!(rewritten >= 2, "{rewritten}");
}

/// Says when a command begins to wait.
struct Waiting(mpsc::Sender<()>);

impl Events for Waiting {
    fn waiting(&self, _: &Path) {
        self.0.send(()).expect("somebody listens");
    }
}

#[test]
fn r105_an_environment_made_anew_while_waited_for_is_not_the_one_that_was_found() {
    let scene = Scene::new();
    let venv = scene.venv();
    let source = Source::from_path(scene.write(NAME, letters(b'a')));
    let cancel = Cancellation::default();
    let held = held_file(&venv.join(".lock"));
    let (tell, told) = mpsc::channel();
    let result = std::thread::scope(|threads| {
        let command = threads.spawn(|| {
            let (fs, waiting) = (Fs::default(), Waiting(tell));
            let context = Context {
                fs: &fs,
                cancel: &cancel,
                events: &waiting,
            };
            let locate = Locate {
                target: Some(venv.clone()),
                ..Locate::default()
            };
            let options = Options::default();
            pkg_install::Environment::locate(&locate).and_then(|environment| {
                command::install(
                    &environment,
                    &vec![source.clone()].into(),
                    &options,
                    context,
                )
                .map(drop)
            })
        });
        told.recv().expect("it waits");
        fs::rename(&venv, scene.join("old")).expect("it can be moved");
        scene.venv();
        File::create(venv.join(".lock")).expect("it can be made");
        drop(held);
        command.join().expect("it does not panic")
    });
    let new = tree(&venv);
    let error = result.expect_err("another environment stands there");
    assert_eq!(
        (error.kind(), error.effect()),
        (ErrorKind::Environment, Effect::Untouched)
    );
    let said = error.to_string();
    assert!(
        said.contains("another directory has taken its place") && said.contains("/venv`"),
        "{said}"
    );
    assert_unchanged(&tree(&scene.venv_at("fresh")), &new);
    assert_unchanged(&new, &tree(&scene.join("old")));
}

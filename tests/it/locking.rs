//! The lock of an environment: waiting for it, other things at its path, and names that are taken
//! while a command runs.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use pkg_install::Cancellation;
use pkg_install::command::{self, Context, Options};
use pkg_install::environment::Locate;
use pkg_install::error::Result;
use pkg_install::fs::{FaultHook, Fs, FsOp, LockWait, RootLock};
use pkg_install::outcome::Silent;
use pkg_install::source::Source;

use crate::support::scene::{Run, Scene, assert_unchanged, held_file, site_packages, tree};
use crate::support::verdict::refused;
use crate::support::wheel_builder::Wheel;

/// Locks the environment at `root` as a command that changes it does.
fn lock_root(root: &Path, seconds: u64, waiting: &dyn Fn(&Path)) -> Result<RootLock> {
    let cancel = Cancellation::default();
    let patience = LockWait {
        timeout: Duration::from_secs(seconds),
        cancel: &cancel,
        waiting,
    };
    RootLock::exclusive(&Fs::default(), root, &patience)
}

/// Whether somebody holds the lock on the file that is at `path` now.
fn is_held(path: &Path) -> bool {
    let file = File::open(path).expect("the lock file is there");
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// Whether the lock is free. A process that is just being started briefly has copies of all files
/// that are open here, so one attempt is not enough.
fn is_free(path: &Path) -> bool {
    let file = File::open(path).expect("the lock file is there");
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(5) {
        if file.try_lock().is_ok() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}

fn demo(scene: &Scene) -> String {
    scene
        .wheel(&Wheel::new("demo", "1.0").file("demo.py", "new\n"))
        .display()
        .to_string()
}

#[test]
fn e97_a_message_names_the_owner_of_a_held_lock_file() {
    let scene = Scene::new();
    let venv = scene.venv();
    let path = demo(&scene);
    scene.install(&venv, &[&path]).assert_code(0);
    let lock = venv.join(".lock");
    let (held, file) = (held_file(&lock), lock.display().to_string());
    for command in [
        &["--reinstall", &path][..],
        &["uninstall", "demo"],
        &["undo"],
        &["recover"],
        &["--dry-run", "--reinstall", &path],
    ] {
        let run = scene.install(&venv, &[command, &["--lock-timeout", "0"]].concat());
        run.assert_code(5).assert_stderr(&file);
    }
    refused(
        &scene,
        &venv,
        &["--lock-timeout", "0", "--reinstall", &path],
        5,
        &[&file],
    );
    refused(
        &scene,
        &venv,
        &["uninstall", "--lock-timeout", "1", "demo"],
        5,
        &[&file],
    );
    drop(held);
    scene
        .install(&venv, &["uninstall", "--lock-timeout", "5", "demo"])
        .assert_code(0);
}

#[test]
fn r147_a_dead_holder_holds_nothing() {
    let scene = Scene::new();
    let venv = scene.venv();
    let lock = venv.join(".lock");
    let code = "import fcntl, sys\nf = open(sys.argv[1], 'a')\nfcntl.flock(f, fcntl.LOCK_EX)\n\
                print('held', flush=True)\nsys.stdin.read()";
    let mut holder = Command::new("python3");
    holder
        .args(["-I", "-c", code])
        .arg(&lock)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut holder = holder.spawn().expect("python3 starts");
    let mut said = [0; 5];
    io::Read::read_exact(holder.stdout.as_mut().expect("it is piped"), &mut said)
        .expect("it says that it holds it");
    refused(
        &scene,
        &venv,
        &["--lock-timeout", "0", &demo(&scene)],
        5,
        &[&lock.display().to_string()],
    );
    holder.kill().expect("it can be killed");
    holder.wait().expect("it ends");
    scene
        .install(&venv, &["--lock-timeout", "5", &demo(&scene)])
        .assert_code(0);
}

/// The result of `take`, which has to wait for the scene's lock; meanwhile the file is moved away,
/// and another one appears or not.
fn taken_after_a_move<T: Send>(
    scene: &Scene,
    replaced: bool,
    take: impl FnOnce(&Path, &dyn Fn(&Path)) -> Result<T> + Send,
) -> T {
    let path = scene.join(".lock");
    let old = held_file(&path);
    let (tell, told) = mpsc::channel();
    std::thread::scope(|threads| {
        let waiter =
            threads.spawn(|| take(&path, &move |_| tell.send(()).expect("somebody listens")));
        told.recv().expect("it waits");
        fs::rename(&path, scene.join("old")).expect("it can be renamed");
        if replaced {
            File::create(&path).expect("it can be made");
        }
        drop(old);
        waiter
            .join()
            .expect("it does not panic")
            .expect("it gets the lock")
    })
}

#[test]
fn r145_a_lock_file_replaced_while_waited_for_is_not_the_lock() {
    for replaced in [true, false] {
        let scene = Scene::new();
        let path = scene.join(".lock");
        let lock = taken_after_a_move(&scene, replaced, |path, waiting| {
            lock_root(path.parent().expect("it is in a directory"), 30, waiting)
        });
        assert!(is_held(&path), "what is locked is not the file at the path");
        assert!(
            is_free(&scene.join("old")),
            "the file that was there before is still locked"
        );
        drop(lock);
        assert!(is_free(&path));
    }
}

#[test]
fn r145_a_command_after_a_replacement_waits_for_the_new_holder() {
    let scene = Scene::new();
    let venv = scene.venv();
    let path = venv.join(".lock");
    let old = held_file(&path);
    fs::remove_file(&path).expect("it can be removed");
    let new = held_file(&path);
    drop(old);
    refused(
        &scene,
        &venv,
        &["--lock-timeout", "0", &demo(&scene)],
        5,
        &[&path.display().to_string()],
    );
    drop(new);
}

#[test]
fn r145_a_reader_waits_for_the_file_at_the_path_too() {
    for replaced in [true, false] {
        let scene = Scene::new();
        let lock = taken_after_a_move(&scene, replaced, |path, waiting| {
            let patience = LockWait {
                timeout: Duration::from_secs(30),
                cancel: &Cancellation::default(),
                waiting,
            };
            RootLock::shared(path.parent().expect("it is in a directory"), &patience)
        });
        assert!(
            is_free(&scene.join("old")),
            "the file that was there before is still locked"
        );
        assert!(
            !replaced || is_held(&scene.join(".lock")),
            "what is locked is not the file at the path"
        );
        drop(lock);
    }
}

/// Makes something other than a regular file at the first path; the second is a file of another
/// user.
const NO_FILES: [fn(&Path, &Path); 4] = [
    |lock, victim| symlink(victim, lock).expect("a link can be made"),
    |lock, _| symlink("nothing-there", lock).expect("a link can be made"),
    |lock, _| fs::create_dir(lock).expect("a directory can be made"),
    |lock, _| assert_eq!(Run::of(Command::new("mkfifo").arg(lock)).code, 0),
];

/// Anything but a regular file at the lock's path is an error and is left as it is.
#[track_caller]
fn assert_no_lock(arguments: &[&str]) {
    for make in NO_FILES {
        let scene = Scene::new();
        let venv = scene.venv();
        let victim = scene.write("victim", "mine");
        demo(&scene);
        let lock = venv.join(".lock");
        make(&lock, &victim);
        let kind = fs::symlink_metadata(&lock)
            .expect("it is there")
            .file_type();
        let before = tree(&venv);
        let run = scene.install(&venv, arguments);
        assert!(
            run.code == 1 || run.code == 5,
            "{arguments:?} at {kind:?}: {run:?}"
        );
        run.assert_stderr(".lock");
        assert_unchanged(&before, &tree(&venv));
        assert_eq!(
            fs::symlink_metadata(&lock)
                .expect("it is there")
                .file_type(),
            kind
        );
        assert!(lock_root(&venv, 0, &|_| ()).is_err(), "{kind:?}");
        assert_eq!(fs::read(&victim).expect("it is there"), b"mine");
        assert!(!venv.join("nothing-there").exists());
    }
}

#[test]
fn r146_only_a_regular_file_is_a_lock() {
    for arguments in [
        &["wheels"][..],
        &["uninstall", "demo"],
        &["undo"],
        &["recover"],
    ] {
        assert_no_lock(arguments);
    }
}

#[test]
fn r146_only_a_regular_file_is_a_lock_for_readers() {
    for arguments in [&["list"][..], &["check"], &["--dry-run", "wheels"]] {
        assert_no_lock(arguments);
    }
}

#[test]
fn r148_no_process_inherits_the_lock() {
    let scene = Scene::new();
    let path = scene.join(".lock");
    let held = lock_root(&scene.join("."), 0, &|_| ()).expect("the lock is free");
    let mut child = Command::new("sh");
    let child = child
        .args(["-c", "echo; read x"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = child.spawn().expect("a shell starts");
    io::Read::read_exact(child.stdout.as_mut().expect("it is piped"), &mut [0]).expect("it runs");
    drop(held);
    assert!(is_free(&path), "the child holds the lock");
    drop(child.stdin.take());
    child.wait().expect("it ends");
}

#[test]
fn e97_only_a_command_that_changed_nothing_takes_its_lock_file_away() {
    let scene = Scene::new();
    let venv = scene.venv();
    let lock = venv.join(".lock");
    let good = demo(&scene);
    for (arguments, code) in [
        (&["uninstall", "unknown"][..], 5),
        (&["undo"], 5),
        (&["recover"], 0),
        (&["list"], 0),
        (&["--dry-run", &good], 0),
    ] {
        scene.install(&venv, arguments).assert_code(code);
        assert!(!lock.exists(), "{arguments:?}");
    }
    scene.install(&venv, &[&good]).assert_code(0);
    assert!(lock.is_file());
    scene
        .install(&venv, &["uninstall", "unknown"])
        .assert_code(5);
    assert!(lock.is_file(), "one that was there before stays");
}

/// Puts something at a name just before the command renames something to it.
struct Intruder {
    live: PathBuf,
    make: fn(&Path),
    done: AtomicBool,
}

impl FaultHook for Intruder {
    fn before(&self, mutation: &FsOp<'_>) -> io::Result<()> {
        if let FsOp::Rename(_, to) = mutation
            && *to == self.live
            && !self.done.swap(true, Ordering::SeqCst)
        {
            (self.make)(to);
        }
        Ok(())
    }
}

/// Installs `new` while something appears at `name` in the packages' directory; fails unless all is
/// taken back.
#[track_caller]
fn intrude(old: Option<&Wheel>, new: &Wheel, name: &str, make: fn(&Path)) {
    let scene = Scene::new();
    let venv = scene.venv();
    if let Some(old) = old {
        scene.install(&venv, &[scene.wheel(old)]).assert_code(0);
    }
    let wheel = Source::from_path(scene.wheel(new));
    let live = site_packages(&venv).join(name);
    let before = tree(&venv);
    let watch = Arc::new(Intruder {
        live: live.clone(),
        make,
        done: AtomicBool::new(false),
    });
    let fs = Fs::with_hook(Arc::<Intruder>::clone(&watch));
    let cancel = Cancellation::default();
    let context = Context {
        fs: &fs,
        cancel: &cancel,
        events: &Silent,
    };
    let locate = Locate {
        target: Some(venv.clone()),
        ..Locate::default()
    };
    let done = pkg_install::Environment::locate(&locate).and_then(|environment| {
        command::install(
            &environment,
            &vec![wheel].into(),
            &Options::default(),
            context,
        )
        .map(drop)
    });
    assert!(
        watch.done.load(Ordering::SeqCst),
        "nothing was renamed to `{name}`"
    );
    assert!(done.is_err(), "it succeeded over what stood at `{name}`");
    let foreign = if live.is_dir() {
        live.join("theirs")
    } else {
        live.clone()
    };
    assert_eq!(
        fs::read_to_string(&foreign).expect("it is there"),
        "theirs",
        "{name}"
    );
    let away = if live.is_dir() {
        fs::remove_dir_all
    } else {
        fs::remove_file
    };
    away(&live).expect("it can be removed");
    assert_unchanged(&before, &tree(&venv));
}

fn a_file(path: &Path) {
    fs::write(path, "theirs").expect("it can be written");
}

fn a_directory(path: &Path) {
    fs::create_dir(path).expect("it can be made");
    a_file(&path.join("theirs"));
}

#[test]
fn r143_a_file_that_appears_at_a_name_is_never_replaced() {
    let new = Wheel::new("demo", "2.0")
        .file("demo.py", "new")
        .file("pack/__init__.py", "new")
        .file("a.pth", "# new");
    for name in ["demo.py", "pack", "a.pth", "demo-2.0.dist-info"] {
        intrude(None, &new, name, a_file);
        intrude(None, &new, name, a_directory);
    }
}

#[test]
fn r143_a_file_that_appears_during_a_replacement_is_never_replaced() {
    let old = Wheel::new("demo", "1.0")
        .file("other.py", "old")
        .file("flip.py", "old")
        .file("ns/demo.py", "old");
    let new = Wheel::new("demo", "2.0")
        .file("demo.py", "new")
        .file("flip/__init__.py", "new")
        .file("ns/new.py", "new");
    for name in ["demo.py", "flip", "demo-2.0.dist-info"] {
        intrude(Some(&old), &new, name, a_file);
        intrude(Some(&old), &new, name, a_directory);
    }
}

/// Runs the program with a filter of system calls that answers `flock` with this error, as some
/// network file systems do.
const WITHOUT_LOCKS: &str = r#"
import ctypes, os, platform, struct, sys
number = {"x86_64": 73, "aarch64": 32}[platform.machine()]
filter = struct.pack(
    "<" + "HBBI" * 4,
    0x20, 0, 0, 0,                                  # load the number of the system call
    0x15, 0, 1, number,                             # if it is that of flock,
    0x06, 0, 0, 0x00050000 | int(sys.argv[1]),      # answer with the error
    0x06, 0, 0, 0x7FFF0000,                         # otherwise allow it
)
program = ctypes.create_string_buffer(filter)
header = ctypes.create_string_buffer(struct.pack("@HP", 4, ctypes.addressof(program)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, header, 0, 0):
    sys.exit(99)
os.execv(sys.argv[2], sys.argv[2:])
"#;

#[test]
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
fn a_file_system_without_locks_is_named_with_the_ways_out_and_can_be_read() {
    let scene = Scene::new();
    let venv = scene.venv();
    let path = demo(&scene);
    scene.install(&venv, &[&path]).assert_code(0);
    let newer = Wheel::new("demo", "2.0").file("demo.py", "newer\n");
    let newer = scene.wheel(&newer).display().to_string();
    let before = tree(&venv);
    // ENOLCK of NFS without a lock daemon, ENOSYS of Lustre without `flock`.
    for error in ["37", "38"] {
        let run = |arguments: &[&str]| {
            let mut command = Command::new(&crate::support::scene::interpreter().executable);
            command.args([
                "-c",
                WITHOUT_LOCKS,
                error,
                env!("CARGO_BIN_EXE_pkg-install"),
            ]);
            command.args(arguments).arg("--target").arg(&venv);
            Run::of(command.current_dir(scene.path()))
        };
        let listed = run(&["list"]);
        if listed.code == 99 {
            return; // Filters are not allowed here.
        }
        listed.assert_code(0);
        run(&["check"]).assert_code(0);
        run(&["install", "--dry-run", &newer]).assert_code(0);
        let refused = run(&["install", "--json", &newer]);
        refused.assert_code(5).assert_stderr("`local_lock=flock`");
        assert_eq!(refused.json()["error"]["code"], "lock-unsupported");
        assert_unchanged(&before, &tree(&venv));
    }
}

//! Pipes, sockets and devices in place of files: no command waits for one, and none is read.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use crate::support::scene::{Scene, site_packages};
use crate::support::wheel_builder::Wheel;

fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo is a command").success());
}

/// Replaces a file by a pipe without a writer, which blocks the one that opens it.
fn replace_by_pipe(path: &Path) {
    let _ = fs::remove_file(path);
    make_pipe(path);
}

#[test]
fn a_pipe_among_the_files_of_a_project_stops_no_command() {
    let scene = Scene::new();
    let wheel = scene.wheel(&Wheel::new("demo", "1.0").file("demo.py", "x = 1\n"));
    let wheel = wheel.display().to_string();
    for name in [
        "INSTALLER",
        "RECORD",
        "METADATA",
        "REQUESTED",
        "direct_url.json",
        "top_level.txt",
    ] {
        let venv = scene.venv_at(name);
        scene.install(&venv, &[&wheel]).assert_code(0);
        replace_by_pipe(&site_packages(&venv).join("demo-1.0.dist-info").join(name));
        for command in [
            &["list"][..],
            &["check"],
            &["--dry-run", &wheel],
            &["--reinstall", &wheel],
            &["uninstall", "demo"],
        ] {
            let run = scene.install(&venv, command);
            assert!(
                [0, 1, 5, 6].contains(&run.code),
                "{name} {command:?}: {run:?}"
            );
        }
    }
}

#[test]
fn a_pipe_or_socket_as_an_argument_is_refused() {
    let scene = Scene::new();
    let (pipe, socket) = (scene.join("pipe"), scene.join("socket"));
    make_pipe(&pipe);
    let _listener = UnixListener::bind(&socket).expect("a socket can be made");
    for path in [&pipe, &socket] {
        for option in ["--requirements", "--report", "--lock"] {
            let argument = path.display().to_string();
            let target = scene.join("app");
            let run = scene.install(&target, &[option, &argument]);
            assert!((1..=3).contains(&run.code), "{option}: {run:?}");
            run.assert_stderr("not a regular file");
        }
    }
}

#[test]
fn no_document_is_an_empty_one() {
    let scene = Scene::new();
    let run = scene.install(&scene.venv(), &["--requirements", "/dev/null"]);
    assert!(!run.stderr.contains("not a regular file"), "{run:?}");
}

#[test]
fn pipes_in_place_of_the_environments_own_files_stop_no_command() {
    let scene = Scene::new();
    for name in [".lock", "pyvenv.cfg"] {
        let venv = scene.venv_at(&format!("with{name}"));
        replace_by_pipe(&venv.join(name));
        let run = scene.install(&venv, &["list"]);
        assert!([0, 1, 5].contains(&run.code), "{name}: {run:?}");
    }
    let venv = scene.venv_at("state");
    let state = site_packages(&venv).join(".pkg-install");
    for name in [
        "journal",
        "undo",
        "areas",
        "journal.new",
        "marks-a",
        "history",
        "undo-1",
    ] {
        fs::create_dir_all(&state).expect("it can be made");
        replace_by_pipe(&state.join(name));
        for command in ["list", "undo", "recover", "history"] {
            let run = scene.install(&venv, &[command]);
            assert!([0, 1, 5].contains(&run.code), "{name} {command}: {run:?}");
        }
        fs::remove_dir_all(&state)
            .or_else(|error| if state.exists() { Err(error) } else { Ok(()) })
            .expect("it can be removed");
    }
}

#[test]
fn a_pipe_that_no_process_reads_is_no_log() {
    let scene = Scene::new();
    let venv = scene.venv();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, scene.join("log"), mode).expect("made");
    scene
        .install(&venv, &["list", "--log", "log"])
        .assert_code(2);
}

#[test]
fn a_record_without_an_end_is_refused_at_once() {
    let scene = Scene::new();
    let venv = scene.venv();
    let planted = site_packages(&venv).join("evil-1.0.dist-info");
    std::fs::create_dir(&planted).expect("it is new");
    std::fs::write(planted.join("METADATA"), "Name: evil\nVersion: 1.0\n").expect("written");
    let record = std::fs::File::create(planted.join("RECORD")).expect("it is new");
    for size in [1 << 40, 1 << 20] {
        record.set_len(size).expect("it is sparse");
        let run = scene.install(&venv, &["list"]);
        run.assert_code(0);
        let run = scene.install(&venv, &["check"]);
        run.assert_code(6);
        let said = run.stdout.len() + run.stderr.len();
        assert!(said < 2000, "{said} bytes");
    }
}

#[test]
fn a_pipe_or_device_is_written_to_and_not_replaced() {
    let scene = Scene::new();
    let venv = scene.venv();
    Wheel::new("demo", "1.0")
        .file("demo.py", "")
        .write_to(&scene.join("wheels"));
    let pipe = scene.join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).expect("made");
    // Open for reading and writing, so that it has a reader before the program starts.
    let reader = fs::OpenOptions::new().read(true).write(true).open(&pipe);
    let mut reader = reader.expect("it is a pipe");
    let named = ["demo", "--no-index", "--find-links", "wheels"];
    for arguments in [
        &["resolve", "--report", "pipe"][..],
        &["install", "--reinstall", "--save-report", "pipe"],
    ] {
        let run = scene.install(&venv, &[arguments, &named].concat());
        run.assert_code(0);
        let mut begin = [0; 1];
        reader.read_exact(&mut begin).expect("something came");
        assert_eq!(&begin, b"{");
        let kind = fs::symlink_metadata(&pipe)
            .expect("it is there")
            .file_type();
        assert!(kind.is_fifo());
        let mut rest = vec![0; 1 << 16];
        let _ = reader.read(&mut rest).expect("the rest came");
    }
    let run = scene.install(
        &venv,
        &[&["resolve", "--report", "wheels"][..], &named].concat(),
    );
    run.assert_code(2).assert_stderr("is a directory");
    // Nothing is resolved, so nothing would be saved.
    let wheel = scene.wheel(&Wheel::new("demo", "2.0").file("demo.py", ""));
    let wheel = wheel.to_str().expect("its path is text");
    let run = scene.install(&venv, &[wheel, "--save-report", "report.json"]);
    run.assert_code(2).assert_stderr("nothing is resolved");
}

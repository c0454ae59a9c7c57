//! Signals: every wait ends at once, with the exit code of the signal.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::scene::{Run, Scene};

/// The signals that end a command, and its exit code.
const SIGNALS: [(&str, i32); 3] = [("INT", 130), ("TERM", 143), ("HUP", 129)];

/// Sends a signal to the process.
fn send(signal: &str, child: &Child) {
    let kill = format!("kill -{signal} {}", child.id());
    Run::of(Command::new("sh").args(["-c", &kill])).assert_code(0);
}

/// Starts the program, sends the signal once stderr has a line with `text`, and waits for the end.
fn interrupted(command: &mut Command, text: &str, signal: &str) -> Run {
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut told = String::new();
    while !told.contains(text) {
        let count = stderr.read_line(&mut told).expect("it can be read");
        assert!(count > 0, "`{text}` never came: {told}");
    }
    send(signal, &child);
    stderr.read_to_string(&mut told).expect("it can be read");
    Run {
        stderr: told,
        ..Run::from(child.wait_with_output().expect("it ends"))
    }
}

/// Holds the lock of an environment.
fn held(venv: &Path) -> File {
    let file = File::create(venv.join(".lock")).expect("it can be made");
    file.lock().expect("it is free");
    file
}

#[test]
fn the_exit_code_is_that_of_the_signal() {
    let scene = Scene::new();
    let _held = held(&scene.venv());
    for (signal, code) in SIGNALS {
        let mut command = scene.command();
        command.args(["recover", "--target", "venv"]);
        let run = interrupted(&mut command, "waiting", signal);
        run.assert_code(code).assert_stderr("error: interrupted\n");
    }
}

#[test]
fn a_signal_ends_the_reading_of_standard_input_and_of_a_descriptor() {
    let scene = Scene::new();
    scene.venv();
    for path in ["-", "/dev/stdin", "/dev/fd/0"] {
        for (signal, code) in SIGNALS {
            let mut command = scene.command();
            // The other end of the pipe is held by this process, which writes nothing.
            command
                .args(["--report", path, "--target", "venv", "--progress", "json"])
                .stdin(Stdio::piped());
            let run = interrupted(&mut command, "read-input", signal);
            run.assert_code(code).assert_stderr("error: interrupted\n");
        }
    }
}

#[test]
fn a_signal_ends_an_interpreter_that_does_not_answer() {
    let scene = Scene::new();
    let pipe = scene.join("pids");
    Run::of(Command::new("mkfifo").arg(&pipe)).assert_code(0);
    // As version managers may do, the wrapper starts a program that hangs.
    let script = format!(
        "#!/bin/sh\nsleep 600 &\necho $$ $! > '{}'\nwait\n",
        pipe.display()
    );
    let python = scene.write("python", script);
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&python, mode).expect("its mode can be set");
    for (signal, code) in SIGNALS {
        let mut command = scene.command();
        command.arg("list").arg("--python").arg(&python);
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        // Reading waits until both programs run.
        let pids = std::fs::read_to_string(&pipe).expect("it can be read");
        send(signal, &child);
        let run = Run::from(child.wait_with_output().expect("it ends"));
        run.assert_code(code).assert_stderr("error: interrupted\n");
        for pid in pids.split_whitespace() {
            // What was killed may stay in the list until its new parent has noticed.
            let alive = format!("ps -o stat= -p {pid} | grep -v Z");
            Run::of(Command::new("sh").args(["-c", &alive])).assert_code(1);
        }
    }
}

#[test]
fn the_second_signal_ends_the_program_at_once() {
    let scene = Scene::new();
    let _held = held(&scene.venv());
    let mut command = scene.command();
    command
        .args(["recover", "--target", "venv", "--progress", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    // Both signals are sent before the command can end by the first one.
    let mut child = command.spawn().expect("it starts");
    let mut told = String::new();
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    while !told.contains("wait-for-lock") {
        assert!(stderr.read_line(&mut told).expect("it can be read") > 0);
    }
    let kill = format!("kill -TERM {0}; kill -INT {0}", child.id());
    Run::of(Command::new("sh").args(["-c", &kill])).assert_code(0);
    let run = Run::from(child.wait_with_output().expect("it ends"));
    // Whichever the program sees first, it ends by a signal's code.
    assert!([130, 143].contains(&run.code), "{run:?}");
}

#[test]
fn a_wait_for_the_lock_names_its_holder() {
    let scene = Scene::new();
    let _held = held(&scene.venv());
    let mut command = scene.command();
    command.args(["recover", "--target", "venv"]);
    let run = interrupted(&mut command, "waiting for another process", "INT");
    if Path::new("/proc/locks").exists() {
        run.assert_stderr(&format!("(process {}", std::process::id()));
    }
    run.assert_stderr("interrupted: cleaning up (press Ctrl-C again to leave at once)\n");
}

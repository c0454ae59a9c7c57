//! Signals: every wait ends at once, with the exit code of the signal.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
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

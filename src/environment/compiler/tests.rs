//! Interpreters that work, die, hang and cannot write.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::environment::nominal_python;
use crate::error::ErrorKind;

/// A directory with sources, and an interpreter that runs `deadly` instead of compiling a source
/// of that name.
struct Workshop {
    directory: tempfile::TempDir,
    executable: PathBuf,
    target: Target,
}

impl Workshop {
    fn new(deadly: &str) -> Self {
        let directory = tempfile::tempdir().expect("there is room");
        let text = format!(
            "#!/usr/bin/env python3\n\
             import os, sys\n\
             arguments, head = sys.argv[1:], 'def compile_one(source, final, *outputs):\\n'\n\
             at = arguments.index('-c') + 1\n\
             deadly = head + '    if final.endswith(b\"deadly.py\"):\\n        {deadly}\\n'\n\
             arguments[at] = arguments[at].replace(head, deadly)\n\
             os.execv(sys.executable, [sys.executable, *arguments])\n"
        );
        let executable = directory.path().join("python");
        std::fs::write(&executable, text).expect("it can be written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&executable, mode).expect("it is ours");
        Self {
            directory,
            executable,
            target: target((3, 11)),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn source(&self, name: &str, content: &str) -> SourceToCompile {
        let source = self.path(name);
        std::fs::write(&source, content).expect("it can be written");
        SourceToCompile {
            source,
            final_path: Path::new("/final").join(name),
            outputs: vec![(0, self.path(&format!("{name}c")))],
        }
    }

    fn compilers(&self, patience: Duration) -> Compilers {
        let settings = CompilerSettings {
            invalidation: None,
            epoch: None,
            patience,
        };
        Compilers::start(&self.executable, &self.target, &settings, 1).expect("it starts")
    }

    /// Compiles three sources, one of them deadly. Returns which ones were written before the end.
    fn compile(&self, patience: Duration) -> (Result<()>, Vec<usize>) {
        let names = ["a.py", "deadly.py", "c.py"];
        let sources = names.map(|name| self.source(name, "x = 1\n"));
        let mut done = Vec::new();
        let mut take = |at, compiled| {
            assert!(matches!(compiled, Compiled::Written(_)));
            done.push(at);
        };
        let never = Cancellation::default();
        let result = self
            .compilers(patience)
            .compile(0, &sources, &never, &mut take);
        (result, done)
    }
}

fn target(version: (u32, u32)) -> Target {
    Target {
        version,
        ..nominal_python().target
    }
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn sources_are_compiled_and_those_that_are_no_python_refused() {
    let workshop = Workshop::new("pass");
    let sources = [
        workshop.source("good.py", "def f(): 'doc'\n"),
        workshop.source("bad.py", "def f(:\n"),
        workshop.source("null.py", "x = '\0'\n"),
    ];
    let mut done = Vec::new();
    let compilers = workshop.compilers(LONG);
    let never = Cancellation::default();
    let result = compilers.compile(0, &sources, &never, &mut |_, compiled| done.push(compiled));
    result.expect("none of them is a failure");
    let length = std::fs::metadata(workshop.path("good.pyc"))
        .expect("written")
        .len();
    assert_eq!(done[0], Compiled::Written(vec![length]));
    for (refused, name) in done[1..].iter().zip(["bad", "null"]) {
        assert!(
            matches!(refused, Compiled::Refused(text) if text.contains("Error")),
            "{refused:?}"
        );
        assert!(!workshop.path(&format!("{name}.pyc")).exists());
    }
    assert!(
        compilers
            .tag(&never)
            .expect("it has one")
            .starts_with("cpython-")
    );
}

#[test]
fn a_worker_that_dies_is_replaced_once() {
    let workshop =
        Workshop::new("os.path.exists(\"@\") or (open(\"@\", \"w\").close(), os._exit(9))");
    let marker = workshop.path("marker").display().to_string();
    let script = std::fs::read_to_string(workshop.path("python")).expect("it was written");
    std::fs::write(workshop.path("python"), script.replace('@', &marker)).expect("it is ours");
    let (result, done) = workshop.compile(LONG);
    result.expect("the second worker lives");
    assert_eq!(done, [0, 1, 2]);
}

#[test]
fn a_source_that_stops_two_workers_is_an_error() {
    for (deadly, patience) in [
        ("os._exit(9)", LONG),
        ("os.kill(os.getpid(), 9)", LONG),
        ("os.read(os.pipe()[0], 1)", Duration::from_secs(1)),
        ("os.write(1, bytes([255]) * 9)", LONG),
    ] {
        let (result, done) = Workshop::new(deadly).compile(patience);
        let error = result.expect_err("it never compiles");
        assert_eq!(error.kind(), ErrorKind::Environment, "{deadly}");
        assert!(error.to_string().contains("/final/deadly.py"), "{error}");
        assert_eq!(done, [0], "{deadly}");
    }
}

#[test]
fn a_file_that_cannot_be_written_is_a_failure_that_names_it() {
    let workshop = Workshop::new("pass");
    let mut source = workshop.source("a.py", "x = 1\n");
    source.outputs[0].1 = workshop.path("missing/a.pyc");
    let never = Cancellation::default();
    let compilers = workshop.compilers(LONG);
    let error = compilers.compile(0, &[source], &never, &mut |_, _| ());
    let error = error.expect_err("there is no directory");
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.to_string().contains("missing/a.pyc"), "{error}");
}

#[test]
fn cancelling_does_not_wait_for_a_worker() {
    let workshop = Workshop::new("os.read(os.pipe()[0], 1)");
    let (cancel, compilers) = (Cancellation::default(), workshop.compilers(LONG));
    let source = [workshop.source("deadly.py", "")];
    let error = std::thread::scope(|scope| {
        let compiling = scope.spawn(|| compilers.compile(0, &source, &cancel, &mut |_, _| ()));
        cancel.cancel();
        compiling.join().expect("it does not panic")
    });
    let error = error.expect_err("it was cancelled");
    assert_eq!(error.kind(), ErrorKind::Interrupted);
}

#[test]
fn an_interpreter_that_is_not_here_or_too_old_is_refused() {
    let settings = |invalidation| CompilerSettings {
        invalidation,
        epoch: None,
        patience: LONG,
    };
    let nowhere = Path::new("/nowhere/bin/python");
    let error = Compilers::start(nowhere, &target((3, 12)), &settings(None), 1).err();
    let text = error.expect("it is not here").to_string();
    assert!(text.contains("/nowhere/bin/python"), "{text}");
    let hashes = Some(Invalidation::CheckedHash);
    let error = Compilers::start(nowhere, &target((3, 6)), &settings(hashes), 1).err();
    assert_eq!(error.expect("too old").kind(), ErrorKind::Environment);
}

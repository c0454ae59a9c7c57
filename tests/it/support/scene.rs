//! A temporary directory with environments and wheels, the program run there, and trees as text.
//!
//! A [`Scene`] is deleted when it is dropped, and is in memory if the system offers that. Its
//! virtual environments are written file by file, which takes a millisecond, and are real: their
//! `bin/python` runs. The program sees none of the caller's settings. [`tree`] shows a directory as
//! sorted text without times, so that two trees can be compared line by line.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use sha2::Digest as _;

use crate::support::json_schema;
use crate::support::wheel_builder::Wheel;

/// A temporary directory: wheels go to `wheels/`, the environment is `venv/`, the program runs in
/// the directory itself.
pub struct Scene {
    directory: tempfile::TempDir,
    /// The caches of the user: outside of the directory, on the same file system.
    caches: tempfile::TempDir,
}

/// The result of a run of the program.
#[derive(Debug, Clone)]
pub struct Run {
    /// The exit code; of a process that a signal ended, the signal's number and 128.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Scene {
    /// An empty directory, in `/dev/shm` if that exists.
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let make = || {
            let made = if memory.is_dir() {
                tempfile::tempdir_in(memory)
            } else {
                tempfile::tempdir()
            };
            made.expect("a temporary directory can be made")
        };
        Self {
            directory: make(),
            caches: make(),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A path in the directory, made or not.
    pub fn join(&self, relative: &str) -> PathBuf {
        self.path().join(relative)
    }

    /// A new virtual environment, `venv`.
    pub fn venv(&self) -> PathBuf {
        self.venv_at("venv")
    }

    /// A new virtual environment of another name; the name may have several components.
    pub fn venv_at(&self, name: &str) -> PathBuf {
        let root = self.join(name);
        make_venv(&root);
        root
    }

    /// A new virtual environment whose `lib64` is a link to `lib`, as Python itself makes them on
    /// 64-bit Linux.
    pub fn venv_with_lib64(&self) -> PathBuf {
        let root = self.venv();
        symlink("lib", root.join("lib64")).expect("a link can be made");
        root
    }

    /// Writes the wheel to `wheels/`.
    pub fn wheel(&self, wheel: &Wheel) -> PathBuf {
        wheel.write_to(&self.join("wheels"))
    }

    /// Writes a file in the directory, and the directories it needs.
    pub fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(relative);
        fs::create_dir_all(path.parent().expect("a file has a parent"))
            .expect("directories can be made");
        fs::write(&path, content).expect("the file can be written");
        path
    }

    /// The program, not yet started: in this directory, with none of the caller's settings and
    /// nothing on its input.
    pub fn command(&self) -> Command {
        self.clean(Command::new(env!("CARGO_BIN_EXE_pkg-install")))
    }

    /// Runs the program.
    pub fn run(&self, arguments: &[impl AsRef<OsStr>]) -> Run {
        Run::of(self.command().args(arguments))
    }

    /// Installs into `target`; `arguments` are wheels and options.
    pub fn install(&self, target: &Path, arguments: &[impl AsRef<OsStr>]) -> Run {
        Run::of(self.command().args(arguments).arg("--target").arg(target))
    }

    /// Runs the program with these variables set.
    pub fn run_with(&self, variables: &[(&str, &str)], arguments: &[impl AsRef<OsStr>]) -> Run {
        Run::of(
            self.command()
                .args(arguments)
                .envs(variables.iter().copied()),
        )
    }

    /// Runs the program under a umask, given in octal digits.
    pub fn run_under_umask(&self, umask: &str, arguments: &[impl AsRef<OsStr>]) -> Run {
        self.run_as(umask, &[], arguments)
    }

    /// Runs the program under a umask, given in octal digits, with these variables set.
    pub fn run_as(
        &self,
        umask: &str,
        variables: &[(&str, &str)],
        arguments: &[impl AsRef<OsStr>],
    ) -> Run {
        let mut command = self.command_under_umask(umask);
        Run::of(command.args(arguments).envs(variables.iter().copied()))
    }

    /// The program as [`Scene::command`] has it, under a umask, given in octal digits.
    pub fn command_under_umask(&self, umask: &str) -> Command {
        let mut shell = self.clean(Command::new("sh"));
        shell
            .arg("-c")
            .arg(format!("umask {umask}; exec \"$0\" \"$@\""))
            .arg(env!("CARGO_BIN_EXE_pkg-install"));
        shell
    }

    fn clean(&self, mut command: Command) -> Command {
        let foreign = |name: &OsString| {
            let name = name.to_string_lossy();
            ["PKG_INSTALL_", "VIRTUAL_ENV", "PYTHON", "PIP_", "UV_"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        };
        std::env::vars_os()
            .map(|(name, _)| name)
            .filter(foreign)
            .for_each(|name| {
                command.env_remove(name);
            });
        // No test may use the user's caches, or those of another test.
        command.env("XDG_CACHE_HOME", self.caches.path());
        // No test may ask the public index; one that has an index names it.
        command.env("PIP_NO_INDEX", "1");
        command.current_dir(self.path()).stdin(Stdio::null());
        command
    }
}

impl Run {
    /// Starts the command and waits for its end.
    pub fn of(command: &mut Command) -> Self {
        let output = command
            .output()
            .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        Self::from(output)
    }

    /// The report that `--json` printed, which has to be valid by the published schema.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        let report = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON on stdout: {error}\n{}", self.text()));
        let faults = json_schema::faults(published_schema(), &report);
        assert!(faults.is_empty(), "{faults:#?}\n{}", self.text());
        report
    }

    /// Fails with everything that was printed unless the exit code is `code`.
    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Self {
        assert!(
            self.code == code,
            "exit code {} instead of {code}\n{}",
            self.code,
            self.text()
        );
        self
    }

    /// Fails unless stderr has this text.
    #[track_caller]
    pub fn assert_stderr(&self, part: &str) -> &Self {
        assert!(
            self.stderr.contains(part),
            "stderr does not say `{part}`\n{}",
            self.text()
        );
        self
    }

    fn text(&self) -> String {
        format!(
            "---- stdout\n{}\n---- stderr\n{}\n----",
            self.stdout, self.stderr
        )
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let code = output
            .status
            .code()
            .or_else(|| output.status.signal().map(|signal| 128 + signal));
        Self {
            code: code.expect("a process ends by a code or a signal"),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// What `--json-schema` prints.
pub fn published_schema() -> &'static serde_json::Value {
    static SCHEMA: OnceLock<serde_json::Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pkg-install"));
        let run = Run::of(command.arg("--json-schema").stdin(Stdio::null()));
        run.assert_code(0);
        serde_json::from_str(&run.stdout).expect("the schema is JSON")
    })
}

/// The interpreter that environments are made for.
pub struct Interpreter {
    /// The executable, with no environment and no launcher in between.
    pub executable: PathBuf,
    /// `3.11.7`.
    pub version: String,
    /// `3.11`.
    pub minor: String,
}

/// The `python3` of the search path.
pub fn interpreter() -> &'static Interpreter {
    static FOUND: OnceLock<Interpreter> = OnceLock::new();
    FOUND.get_or_init(|| {
        let code = "import os, platform, sys\n\
                    print(os.path.realpath(sys._base_executable), platform.python_version())";
        let output = Command::new("python3")
            .args(["-I", "-c", code])
            .output()
            .expect("python3 is on the search path");
        let text = String::from_utf8(output.stdout).expect("paths are UTF-8");
        let (executable, version) = text
            .trim()
            .rsplit_once(' ')
            .expect("python3 prints its path and version");
        let minor = version.split('.').take(2).collect::<Vec<_>>().join(".");
        Interpreter {
            executable: executable.into(),
            version: version.to_owned(),
            minor,
        }
    })
}

/// The directory of packages in the environment.
pub fn site_packages(venv: &Path) -> PathBuf {
    venv.join(format!("lib/python{}/site-packages", interpreter().minor))
}

fn make_venv(root: &Path) {
    let Interpreter {
        executable,
        version,
        minor,
    } = interpreter();
    for directory in [
        format!("lib/python{minor}/site-packages"),
        format!("include/python{minor}"),
        "bin".to_owned(),
    ] {
        fs::create_dir_all(root.join(directory)).expect("directories can be made");
    }
    let home = executable
        .parent()
        .expect("an executable has a directory")
        .display();
    let settings =
        format!("home = {home}\ninclude-system-site-packages = false\nversion = {version}\n");
    fs::write(root.join("pyvenv.cfg"), settings).expect("pyvenv.cfg can be written");
    symlink(executable, root.join("bin/python")).expect("a link can be made");
    for name in ["python3".to_owned(), format!("python{minor}")] {
        symlink("python", root.join("bin").join(name)).expect("a link can be made");
    }
}

/// The output of the environment's Python for `code`; it leaves no bytecode behind.
#[track_caller]
pub fn python(venv: &Path, code: &str) -> String {
    let mut command = Command::new(venv.join("bin/python"));
    let run = Run::of(
        command
            .args(["-I", "-B", "-c", code])
            .current_dir(venv)
            .stdin(Stdio::null()),
    );
    run.assert_code(0);
    run.stdout
}

/// Locks the file at `path` as uv does, until the returned file is dropped. Makes it if it is
/// missing.
pub fn held_file(path: &Path) -> fs::File {
    let file = fs::File::create(path).expect("a lock file can be made");
    file.try_lock().expect("the lock is free");
    file
}

/// The directory as text, one line for each thing in it, sorted by path; its own `.lock` is left
/// out.
///
/// A line has the path, the kind, and the permissions; of files also the size and the beginning of
/// the SHA-256 digest, of links the target. There are no times and no inode numbers.
pub fn tree(root: &Path) -> String {
    if fs::symlink_metadata(root).is_err() {
        return "(absent)\n".to_owned();
    }
    let mut lines = Vec::new();
    describe(root, Path::new(""), &mut lines);
    lines.retain(|line| !line.starts_with(".lock "));
    lines.sort();
    lines.concat()
}

fn describe(root: &Path, relative: &Path, lines: &mut Vec<String>) {
    let full = root.join(relative);
    let metadata = fs::symlink_metadata(&full).expect("what was listed is there");
    let mode = metadata.permissions().mode() & 0o777;
    let name = if relative.as_os_str().is_empty() {
        Path::new(".")
    } else {
        relative
    };
    let mut line = name.display().to_string();
    if metadata.is_dir() {
        let _ = writeln!(line, "  directory {mode:03o}");
        for child in fs::read_dir(&full).expect("the directory can be listed") {
            describe(
                root,
                &relative.join(child.expect("the directory can be listed").file_name()),
                lines,
            );
        }
    } else if metadata.is_symlink() {
        let _ = writeln!(
            line,
            "  link to {}",
            fs::read_link(&full)
                .expect("the link can be read")
                .display()
        );
    } else if metadata.is_file() {
        let content = fs::read(&full).expect("the file can be read");
        let digest = sha2::Sha256::digest(&content);
        let short: String = digest
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let _ = writeln!(line, "  file {mode:03o} {} bytes {short}", content.len());
    } else {
        let _ = writeln!(line, "  special {mode:03o}");
    }
    lines.push(line);
}

/// Fails with the lines that differ unless the two [trees](tree) are the same.
#[track_caller]
pub fn assert_unchanged(before: &str, after: &str) {
    assert!(
        before == after,
        "the tree has changed:\n{}",
        difference(before, after)
    );
}

/// The lines that only one of the two texts has: `-` before the first's, `+` before the second's.
pub fn difference(before: &str, after: &str) -> String {
    let only = |sign: char, text: &str, other: &str| {
        let other: std::collections::HashSet<&str> = other.lines().collect();
        text.lines()
            .filter(|line| !other.contains(line))
            .map(|line| format!("{sign} {line}\n"))
            .collect::<String>()
    };
    only('-', before, after) + &only('+', after, before)
}

#[test]
fn an_environment_of_the_scene_is_one_for_python() {
    let scene = Scene::new();
    let venv = scene.venv_with_lib64();
    let said = python(
        &venv,
        "import sys, sysconfig\nprint(sys.prefix)\nprint(sysconfig.get_path('purelib'))",
    );
    let expected = format!("{}\n{}\n", venv.display(), site_packages(&venv).display());
    assert_eq!(said, expected);
}

#[test]
fn a_built_wheel_is_one_for_python() {
    let scene = Scene::new();
    let wheel = Wheel::new("demo", "1.0")
        .file("demo/__init__.py", "x = 1\n".repeat(100))
        .file_mode("demo/run,me.sh", "#!/bin/sh\n", 0o100_755)
        .stored("demo/stored.txt", "as it is")
        .directory("demo/empty")
        .entry_points("[console_scripts]\ndemo = demo:main\n")
        .metadata_line("Requires-Python: >=3.8")
        .data("scripts/tool", "#!python\n")
        .descriptor("demo/__init__.py")
        .zip64("demo/stored.txt");
    let path = scene.wheel(&wheel);
    let code = format!(
        "import base64, csv, hashlib, io, zipfile\n\
         archive = zipfile.ZipFile({:?})\n\
         assert archive.testzip() is None\n\
         rows = list(csv.reader(io.StringIO(archive.read('demo-1.0.dist-info/RECORD').decode())))\n\
         for path, digest, size in rows[:-1]:\n    \
             content = archive.read(path)\n    \
             made = base64.urlsafe_b64encode(hashlib.sha256(content).digest())\n    \
             made = made.rstrip(b'=').decode()\n    \
             assert (digest, int(size)) == ('sha256=' + made, len(content)), path\n\
         print(sorted(set(archive.namelist()) - {{row[0] for row in rows}}), len(rows), rows[-1])",
        path.display()
    );
    assert_eq!(
        python(&scene.venv(), &code),
        "['demo/empty/'] 8 ['demo-1.0.dist-info/RECORD', '', '']\n"
    );
}

#[test]
fn trees_show_what_changed_and_not_when() {
    let scene = Scene::new();
    scene.write("a/one", "1");
    let before = tree(scene.path());
    scene.write(".lock", "");
    scene.write("a/one", "1");
    assert_unchanged(&before, &tree(scene.path()));
    scene.write("a/one", "2");
    let shown = difference(&before, &tree(scene.path()));
    assert_eq!(
        shown,
        "- a/one  file 644 1 bytes 6b86b273ff34\n+ a/one  file 644 1 bytes d4735e3a265e\n"
    );
}

//! Interpreters' answers that are kept between commands: starting one takes longer than everything
//! else that a command with a warm cache does.
//!
//! Input: a [`Question`] to an interpreter. Output: the answer that was kept, if nothing that it
//! depends on has changed. Invariants: an answer is read only if no other user could have written
//! it, and kept only if the program that was started is the interpreter itself. A shim of a version
//! manager, which chooses another one each time, is always asked. Limits: a shared library of
//! Python's that is replaced without its standard library is not noticed.
//!
//! ```text
//! CACHE/interpreters/KEY     a JSON object: the answer, and the state of what it depends on
//! ```
//!
//! KEY is the digest of the rest of what it depends on: the question, the path, some variables and
//! the kernel.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::elf;
use crate::digest::{Algorithm, Hasher};
use crate::fs::{self, CacheDir, Fs, INTERPRETERS, Stat};

/// The version of the format; another one gets other keys.
const FORMAT: &[u8] = b"1";
/// The most bytes of an answer that are read; a usual one has two thousand.
const MOST_BYTES: u64 = 1 << 16;
/// The beginnings of the names of variables that change an interpreter's answer even if it runs
/// isolated: other libraries, another platform or layout.
const VARIABLES: [&str; 5] = [
    "LD_",
    "DYLD_",
    "_PYTHON_",
    "DEB_PYTHON_",
    "MACOSX_DEPLOYMENT_TARGET",
];

/// Where answers of interpreters are kept between commands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InterpreterCache {
    /// The directory of the cache, which is made if it is missing.
    directory: PathBuf,
    /// Whether interpreters are asked although their answers are kept.
    refresh: bool,
    /// The variables of the process that an answer may depend on, sorted.
    variables: Vec<(OsString, OsString)>,
}

impl InterpreterCache {
    /// The answers in the cache `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            ..Self::default()
        }
    }

    /// Asks each interpreter again, and keeps its new answer.
    #[must_use]
    pub fn with_refresh(mut self, refresh: bool) -> Self {
        self.refresh = refresh;
        self
    }

    /// With the variables that the process passes on to interpreters. Those that no answer depends
    /// on are left out.
    #[must_use]
    pub fn with_variables(mut self, all: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let matters = |name: &OsStr| {
            let name = name.as_bytes();
            VARIABLES
                .iter()
                .any(|start| name.starts_with(start.as_bytes()))
        };
        self.variables = all.filter(|(name, _)| matters(name)).collect();
        self.variables.sort_unstable();
        self
    }

    /// The directory of answers, if it may be read: all of it belongs to this user or to root.
    fn to_read(&self) -> Option<CacheDir> {
        let root = CacheDir::open(&Fs::default(), &self.directory).ok()??;
        root.child(INTERPRETERS)
            .ok()?
            .filter(|_| root.is_trusted_owner())
    }

    /// The directory of answers, if it is this user's own, or could be made.
    fn to_write(&self) -> Option<CacheDir> {
        let root = CacheDir::make(&Fs::default(), &self.directory).ok()?;
        let is_trusted = root.is_trusted_owner();
        is_trusted.then(|| root.make_child(INTERPRETERS).ok())?
    }
}

/// A question to an interpreter, whose answer may be kept.
pub(super) struct Question<'a> {
    cache: &'a InterpreterCache,
    executable: &'a Path,
    key: String,
    /// The state of the program before it is started.
    program: ProgramState,
}

/// What an answer depends on and is known before the interpreter is started.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ProgramState {
    /// The path of the program without symbolic links.
    path: String,
    /// The program, and the places in which it looks for `pyvenv.cfg`.
    files: Vec<FileState>,
}

/// The state of a file or directory.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileState {
    path: String,
    /// `None` if there is none.
    identity: Option<FileIdentity>,
}

/// What changes if a file is replaced or changed. The number of its device is not part of it, since
/// that may be another one after each start of the machine.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileIdentity {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The content of a file of the cache.
#[derive(Serialize, Deserialize)]
struct KeptAnswer {
    program: ProgramState,
    /// What is known only from the answer: the standard library and the loader.
    library: Vec<FileState>,
    answer: String,
}

impl<'a> Question<'a> {
    /// The question `script` to the program at this absolute path, about another prefix if one is
    /// given. `None` if the program cannot be looked at.
    pub(super) fn new(
        cache: &'a InterpreterCache,
        executable: &'a Path,
        prefix: Option<&Path>,
        script: &str,
    ) -> Option<Self> {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let mut add = |part: &[u8]| {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        };
        add(FORMAT);
        add(script.as_bytes());
        add(executable.as_os_str().as_bytes());
        add(prefix.map_or(b"", |prefix| prefix.as_os_str().as_bytes()));
        // The platform has the kernel's name for the processor, and on some systems its release.
        let kernel = rustix::system::uname();
        for part in [kernel.sysname(), kernel.release(), kernel.machine()] {
            add(part.to_bytes());
        }
        for (name, value) in &cache.variables {
            add(name.as_bytes());
            add(value.as_bytes());
        }
        let mut key = hasher.finish().to_hex();
        // 128 bits tell all questions apart.
        key.truncate(32);
        Some(Self {
            cache,
            executable,
            key,
            program: ProgramState::of(executable)?,
        })
    }

    /// The answer that was kept; `None` if the interpreter has to be asked.
    pub(super) fn kept_answer(&self) -> Option<String> {
        if self.cache.refresh {
            return None;
        }
        let content = self.cache.to_read()?.read(&self.key, MOST_BYTES).ok()??;
        let kept: KeptAnswer = serde_json::from_slice(&content).ok()?;
        let is_current = kept.program == self.program && kept.library.iter().all(FileState::holds);
        is_current.then_some(kept.answer)
    }

    /// Keeps the answer of an interpreter that calls itself `executable` and has its standard
    /// library in `stdlib`, if that is the program that was asked.
    pub(super) fn keep(self, answer: String, executable: &Path, stdlib: &Path) {
        // A failure to keep it is dropped: the next command then only asks again.
        let Some(library) = self.library(executable, stdlib) else {
            return;
        };
        let kept = KeptAnswer {
            program: self.program,
            library,
            answer,
        };
        let content = serde_json::to_vec(&kept).expect("strings and numbers are always written");
        if let Some(directory) = self.cache.to_write() {
            let _ = directory.write(&self.key, &[&content]);
        }
    }

    /// The state of what an answer depends on beside the program; `None` if it depends on more than
    /// that.
    fn library(&self, executable: &Path, stdlib: &Path) -> Option<Vec<FileState>> {
        let program = fs::canonical(self.executable).ok()?;
        // A script chooses an interpreter anew each time, and may pass its own name on to it.
        let is_script = fs::read_to_limit(&program, 2).ok()? == b"#!";
        let is_itself = fs::canonical(executable).ok()? == program;
        // It may have been replaced while it ran.
        if is_script || !is_itself || ProgramState::of(self.executable)? != self.program {
            return None;
        }
        // A new version of Python, or other settings of a distributor, change the files in the
        // directory; a new C library changes the loader.
        let files = ["", "sysconfig.py", "sysconfig/__init__.py"].map(|name| stdlib.join(name));
        files
            .into_iter()
            .chain(elf::loader_of(&program))
            .map(|path| FileState::of(&path))
            .collect()
    }
}

impl ProgramState {
    /// `None` if the program is missing, or a path is not UTF-8.
    fn of(executable: &Path) -> Option<Self> {
        let path = fs::canonical(executable).ok()?;
        // `getpath` of Python looks for it beside the program as it was called, and above.
        let directories = executable.ancestors().skip(1).take(2);
        let configs = directories.map(|directory| directory.join("pyvenv.cfg"));
        let files = std::iter::once(path.clone()).chain(configs);
        let files = files.map(|path| FileState::of(&path));
        Some(Self {
            path: path.to_str()?.to_owned(),
            files: files.collect::<Option<_>>()?,
        })
    }
}

impl FileState {
    /// `None` if it cannot be looked at, or its path is not UTF-8.
    fn of(path: &Path) -> Option<Self> {
        let stat = fs::stat(path).ok()?;
        Some(Self {
            path: path.to_str()?.to_owned(),
            identity: stat.as_ref().map(FileIdentity::of),
        })
    }

    /// Whether the file is still the same.
    fn holds(&self) -> bool {
        Self::of(Path::new(&self.path)).as_ref() == Some(self)
    }
}

impl FileIdentity {
    fn of(stat: &Stat) -> Self {
        Self {
            inode: stat.inode,
            size: stat.size,
            modified: stat.modified,
            changed: stat.changed,
        }
    }
}

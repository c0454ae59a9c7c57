//! Compiling sources to bytecode with the interpreters of an environment, one process per core.
//!
//! Input: paths of sources, and where the bytecode of each is to be written. Output: the files, and
//! for each source their sizes or why it cannot be compiled. Invariants: no installed code is
//! executed (`-I -S`); a worker that dies or hangs is replaced once, and it is an error if the same
//! source stops the next one, too; no worker outlives the [`Compilers`], even if this process is
//! killed. Limits: CPython and PyPy, 3.6 and later. With CPython, bytes that do not depend on the
//! order of the work take a process of its own for each source that others could change; before
//! 3.11 that is every source.

mod messages;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::result::Result as StdResult;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::child::{Silence, Talking};
use super::interpreter::isolated;
use super::{Implementation, Target};
use crate::cancellation::Cancellation;
use crate::error::{Error, Result};
use messages::{Conversation, WorkerAnswer};

pub use messages::SourceToCompile;

const SCRIPT: &str = include_str!("worker.py");

/// The first version that knows bytecode with hashes (PEP 552).
const HASHES: (u32, u32) = (3, 7);

/// How an interpreter finds out whether bytecode is up to date (PEP 552).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalidation {
    /// It compares the time and the size of the source.
    Timestamp,
    /// It compares a hash of the source.
    CheckedHash,
    /// It never looks.
    UncheckedHash,
}

impl Invalidation {
    /// The word for it, as `py_compile` has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::CheckedHash => "checked-hash",
            Self::UncheckedHash => "unchecked-hash",
        }
    }
}

/// How to compile.
#[derive(Debug, Clone)]
pub struct CompilerSettings {
    /// How the bytecode is checked; `None` means by time, or by hash if there is an `epoch`.
    pub invalidation: Option<Invalidation>,
    /// The time of the files that are written, in seconds since 1970; they are then readable for
    /// everybody, and their bytes depend on nothing but the source.
    pub epoch: Option<u64>,
    /// How long one source may take.
    pub patience: Duration,
}

/// What has become of a source.
#[derive(Debug, PartialEq, Eq)]
pub enum Compiled {
    /// The sizes of its files, in the order of the levels.
    Written(Vec<u64>),
    /// It is no valid Python: the end of the traceback.
    Refused(String),
}

/// The compiling processes of an environment.
pub struct Compilers {
    start: Start,
    workers: Vec<Mutex<Compiler>>,
}

impl Compilers {
    /// Starts `count` processes of an interpreter, and does not wait for them.
    ///
    /// # Errors
    /// The interpreter cannot be started, or is too old for what is asked.
    pub fn start(
        executable: &Path,
        target: &Target,
        settings: &CompilerSettings,
        count: usize,
    ) -> Result<Self> {
        let start = Start::new(executable, target, settings)?;
        let workers: Result<Vec<_>> = (0..count.max(1))
            .map(|_| start.compiler().map(Mutex::new))
            .collect();
        Ok(Self {
            workers: workers?,
            start,
        })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.workers.len()
    }

    /// The tag in the names of bytecode files, such as `cpython-312` (PEP 3147).
    ///
    /// # Errors
    /// The interpreter does not start, or does not use bytecode.
    pub fn tag(&self, cancel: &Cancellation) -> Result<String> {
        let mut worker = self.lock(0);
        match worker.tag(&self.start, cancel) {
            Ok(tag) if tag.is_empty() || !tag.bytes().all(is_plain) => {
                Err(self.start.fail("it uses no bytecode files"))
            }
            Ok(tag) => Ok(tag),
            Err(Silence::Cancelled) => Err(Error::interrupted()),
            Err(Silence::Late) => Err(self.start.fail("it does not answer")),
            Err(Silence::Ended(how)) => Err(self.start.fail(&format!("it ends with {how}"))),
        }
    }

    /// Compiles `sources` one after the other with one of the processes, and calls `done` with the
    /// index of each.
    ///
    /// # Errors
    /// A file cannot be read or written, a source stops two processes, or `cancel` is cancelled.
    pub fn compile(
        &self,
        worker: usize,
        sources: &[SourceToCompile],
        cancel: &Cancellation,
        done: &mut dyn FnMut(usize, Compiled),
    ) -> Result<()> {
        let mut worker = self.lock(worker);
        let (mut next, mut stopped_by) = (0, None);
        while next < sources.len() {
            let begin = next;
            let mut take = |compiled| {
                done(next, compiled);
                next += 1;
            };
            let silence = match worker.pass(&self.start, &sources[begin..], cancel, &mut take) {
                Ok(()) => continue,
                Err(Stopped::Failed(error)) => return Err(error),
                Err(Stopped::Silent(Silence::Cancelled)) => return Err(Error::interrupted()),
                Err(Stopped::Silent(silence)) => silence,
            };
            if stopped_by == Some(next) {
                return Err(self.start.stopped_by(&sources[next], &silence));
            }
            // What kills a worker by chance, such as a lack of memory, may not come again.
            stopped_by = Some(next);
            *worker = self.start.compiler()?;
        }
        Ok(())
    }

    fn lock(&self, worker: usize) -> MutexGuard<'_, Compiler> {
        // A worker whose user panicked is killed with the others.
        let lock = self.workers[worker].lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// How workers are started.
struct Start {
    executable: PathBuf,
    invalidation: Invalidation,
    /// Whether each source gets a process of its own whose bytes could depend on others.
    alone: bool,
    settings: CompilerSettings,
}

impl Start {
    fn new(executable: &Path, target: &Target, settings: &CompilerSettings) -> Result<Self> {
        let version = target.version;
        let default = match settings.epoch {
            Some(_) if version >= HASHES => Invalidation::CheckedHash,
            _ => Invalidation::Timestamp,
        };
        let start = Self {
            executable: executable.to_owned(),
            invalidation: settings.invalidation.unwrap_or(default),
            alone: settings.epoch.is_some() && target.implementation == Implementation::CPython,
            settings: settings.clone(),
        };
        if start.invalidation != Invalidation::Timestamp && version < HASHES {
            return Err(start.fail("it is too old for bytecode with hashes, which need Python 3.7"));
        }
        Ok(start)
    }

    fn compiler(&self) -> Result<Compiler> {
        let mut command = isolated(&self.executable);
        if self.alone {
            // Sets of strings are written in an order that this seed decides. The interpreter looks
            // at it only without `-I`, so everything else that `-I` ignores is taken away.
            command.args(["-s", "-S", "-B"]).env("PYTHONHASHSEED", "0");
            without_variables(&mut command);
        } else {
            command.args(["-I", "-S", "-B"]);
        }
        let epoch = self.settings.epoch.map(|epoch| epoch.to_string());
        command
            .args(["-W", "ignore", "-c", SCRIPT, self.invalidation.word()])
            .arg(if self.alone { "alone" } else { "together" })
            .arg(epoch.unwrap_or_default());
        let process = Talking::start(&mut command).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                self.fail("it is not here, so it cannot compile bytecode")
            } else {
                self.fail(&error.to_string())
            }
        })?;
        Ok(Compiler {
            talk: Conversation::new(process),
            tag: None,
        })
    }

    fn fail(&self, reason: &str) -> Error {
        Error::interpreter(&self.executable, reason)
    }

    /// The same source has stopped two workers.
    fn stopped_by(&self, source: &SourceToCompile, silence: &Silence) -> Error {
        let path = source.final_path.display();
        match silence {
            Silence::Ended(how) => {
                self.fail(&format!("it ends with {how} while it compiles `{path}`"))
            }
            Silence::Late | Silence::Cancelled => {
                self.fail(&format!("it does not finish compiling `{path}`"))
            }
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.settings.patience
    }
}

/// The variables of CPython that change how it starts or compiles.
fn without_variables(command: &mut Command) {
    for name in [
        "HOME",
        "PATH",
        "PLATLIBDIR",
        "STARTUP",
        "OPTIMIZE",
        "DEBUG",
        "INSPECT",
        "VERBOSE",
        "UNBUFFERED",
        "CASEOK",
        "UTF8",
        "IOENCODING",
        "WARNINGS",
        "DEVMODE",
        "MALLOC",
        "TRACEMALLOC",
        "FAULTHANDLER",
        "PROFILEIMPORTTIME",
        "DUMPREFS",
        "EXECUTABLE",
        "USERBASE",
        "COERCECLOCALE",
        "PYCACHEPREFIX",
    ] {
        command.env_remove(format!("PYTHON{name}"));
    }
}

/// One process that compiles.
struct Compiler {
    talk: Conversation,
    /// What it has said about itself, once that was read.
    tag: Option<String>,
}

/// Why a worker did not compile everything.
enum Stopped {
    /// It cannot read or write a file.
    Failed(Error),
    /// It says nothing more.
    Silent(Silence),
}

impl From<Silence> for Stopped {
    fn from(silence: Silence) -> Self {
        Self::Silent(silence)
    }
}

impl Compiler {
    fn tag(&mut self, start: &Start, cancel: &Cancellation) -> StdResult<String, Silence> {
        if let Some(tag) = &self.tag {
            return Ok(tag.clone());
        }
        let tag = self.talk.greeting(start.deadline(), cancel)?;
        self.tag = Some(tag.clone());
        Ok(tag)
    }

    /// Compiles as many of the sources as may be asked for at once, and passes on what becomes of
    /// each.
    fn pass(
        &mut self,
        start: &Start,
        sources: &[SourceToCompile],
        cancel: &Cancellation,
        take: &mut dyn FnMut(Compiled),
    ) -> StdResult<(), Stopped> {
        self.tag(start, cancel)?;
        let batch = messages::requests(sources);
        self.talk.ask(&batch.bytes)?;
        for _ in 0..batch.sources {
            match self.talk.answer(start.deadline(), cancel)? {
                WorkerAnswer::Compiled(sizes) => take(Compiled::Written(sizes)),
                WorkerAnswer::Refused(traceback) => take(Compiled::Refused(traceback)),
                WorkerAnswer::Failed(code, path) => {
                    let error = io::Error::from_raw_os_error(code);
                    let error = Error::io("compile", Path::new(&path), error);
                    return Err(Stopped::Failed(error));
                }
            }
        }
        Ok(())
    }
}

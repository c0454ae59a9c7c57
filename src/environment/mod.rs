//! The environment: an interpreter, and the directories that wheels are installed into.
//!
//! Input: what the user said ([`Locate`]). Output: an [`Environment`], complete and absolute; no
//! later step asks an interpreter for paths. Invariants: writes nothing but answers of interpreters
//! to a cache; takes no variable of the process's environment by itself; paths are lexical, with
//! symbolic links in them left as they are. A virtual environment is understood from its files, and
//! its interpreter is started only if they are not sufficient. Limits: Unix only; a Debian Python
//! before 3.10 kept its scheme in `distutils`, which is not asked.

mod build_flags;
mod child;
mod compiler;
mod elf;
mod externally_managed;
mod find_python;
mod imagined;
mod interpreter;
mod interpreter_cache;
pub mod layout;
mod lexical;
mod locate;
mod locate_request;
mod marker_environment;
pub mod protected;
mod python_description;
mod pyvenv_cfg;
mod roots;
mod script_interpreter;
mod site_packages;
mod spelling;
mod venv;
mod vouch;

use std::fmt;
use std::path::{Path, PathBuf};

pub use compiler::{Compiled, CompilerSettings, Compilers, Invalidation, SourceToCompile};
pub use interpreter_cache::InterpreterCache;
pub use locate::locate;
pub use locate_request::{Locate, LocatePurpose, Surroundings};
pub use marker_environment::marker_values;
pub use python_description::PythonDescription;
pub use script_interpreter::ScriptInterpreter;

use site_packages::Library;

use crate::error::{Error, Result};
use crate::script::ScriptPython;
use crate::spec::tags::{Implementation, Platform, Target};
use crate::spec::version::Version;

/// The kind of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnvironmentKind {
    /// A virtual environment (PEP 405).
    Venv,
    /// A plain directory that programs put on their import path.
    Target,
    /// An interpreter's own prefix, or another one of the same shape.
    Prefix,
}

impl EnvironmentKind {
    /// A short fixed word for it, such as `venv`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Venv => "venv",
            Self::Target => "target",
            Self::Prefix => "prefix",
        }
    }
}

impl fmt::Display for EnvironmentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The directories for the parts of a wheel (the binary distribution format's "install paths"):
/// absolute paths on disk.
///
/// Two of them may be equal, and one may be reached through another by a symbolic link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheme {
    /// Modules that are the same on every platform.
    pub purelib: PathBuf,
    /// Modules for this platform.
    pub platlib: PathBuf,
    /// Programs.
    pub scripts: PathBuf,
    /// The prefix for all other files of a wheel.
    pub data: PathBuf,
    /// The directory in which a project's headers get a directory of its name.
    pub headers: PathBuf,
}

impl Scheme {
    /// The layout of `pip install --target`.
    fn flat(root: &Path) -> Self {
        Self {
            purelib: root.to_owned(),
            platlib: root.to_owned(),
            scripts: root.join("bin"),
            data: root.to_owned(),
            headers: root.join("include"),
        }
    }

    /// The layout below a prefix, as `sysconfig` has it in its schemes `posix_prefix` and `nt`.
    fn of_prefix(prefix: &Path, target: &Target) -> Self {
        if target.platform.is_windows() {
            let library = prefix.join("Lib/site-packages");
            return Self {
                purelib: library.clone(),
                platlib: library,
                scripts: prefix.join("Scripts"),
                data: prefix.to_owned(),
                headers: prefix.join("Include"),
            };
        }
        let name = Library::of(target).name;
        let library = prefix.join("lib").join(&name).join("site-packages");
        Self {
            purelib: library.clone(),
            platlib: library,
            scripts: prefix.join("bin"),
            data: prefix.to_owned(),
            headers: prefix.join("include").join(&name),
        }
    }

    /// The same scheme, every path changed alike.
    fn map(&self, change: impl Fn(&Path) -> PathBuf) -> Self {
        Self {
            purelib: change(&self.purelib),
            platlib: change(&self.platlib),
            scripts: change(&self.scripts),
            data: change(&self.data),
            headers: change(&self.headers),
        }
    }
}

/// The interpreter that will use what is installed.
#[derive(Debug, Clone, PartialEq)]
pub struct Python {
    /// Its program: absolute, without destdir; in a virtual environment its own `bin/python`, not
    /// what that links to. `None` if it was described, so that there is none to start.
    pub executable: Option<PathBuf>,
    /// The three numbers of its release, such as 3.11.7; a pre-release counts as its release, as
    /// `Requires-Python` has it.
    pub version: Version,
    /// The facts that its compatibility tags depend on.
    pub target: Target,
    /// Whether it runs on another machine, whose kernel is not known.
    pub is_elsewhere: bool,
}

/// Why the interpreter of an environment is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPython {
    /// It was not needed, or there is none on the path.
    NotFound,
    /// The interpreter at this path cannot be started or does not answer.
    Broken {
        /// Its path.
        path: PathBuf,
        /// The reason, as a part of a sentence.
        reason: String,
    },
}

/// An interpreter that does not exist, for what depends on none.
pub fn nominal_python() -> Python {
    Python {
        executable: Some("/venv/bin/python".into()),
        version: Version::parse("3").expect("`3` is a version"),
        target: Target {
            implementation: Implementation::CPython,
            version: (3, 0),
            abi: None,
            free_threaded: false,
            debug: false,
            platform: Platform::Other(String::new()),
        },
        is_elsewhere: false,
    }
}

/// An environment that wheels can be installed into.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    kind: EnvironmentKind,
    /// The virtual environment, the target directory, or the prefix, destdir in front.
    root: PathBuf,
    /// The directories for the parts of a wheel, including destdir.
    scheme: Scheme,
    /// The interpreter. Wheels for every Python and platform can be installed without one, and it
    /// takes none to read or remove what is installed.
    python: std::result::Result<Python, NoPython>,
    /// The interpreter that scripts start with.
    script_interpreter: ScriptInterpreter,
    /// The destdir that `root` and the directories of the scheme lie below, and from which they are
    /// shipped elsewhere.
    destdir: Option<PathBuf>,
    /// The device and inode of `root` when it was found; `None` if it was missing.
    identity: Option<(u64, u64)>,
}

impl Environment {
    /// Its kind.
    pub fn kind(&self) -> EnvironmentKind {
        self.kind
    }

    /// The virtual environment, the target directory, or the prefix, below the destdir if there is
    /// one. Absolute.
    ///
    /// A system's own interpreter may have directories of its scheme outside of its prefix.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of modules that are the same on every platform.
    pub fn purelib(&self) -> &Path {
        &self.scheme.purelib
    }

    /// The directory of modules for this platform; often the same as [`Environment::purelib`].
    pub fn platlib(&self) -> &Path {
        &self.scheme.platlib
    }

    /// The directory of programs.
    pub fn scripts(&self) -> &Path {
        &self.scheme.scripts
    }

    /// The program of the interpreter; `None` if it is not known, or was described and is not here.
    /// Wheels for every Python and platform can be installed without one.
    pub fn interpreter(&self) -> Option<&Path> {
        self.python.as_ref().ok()?.executable.as_deref()
    }

    /// Whether scripts must find the interpreter beside themselves, because the environment will be
    /// moved.
    pub fn is_relocatable(&self) -> bool {
        self.script_interpreter == ScriptInterpreter::Beside
    }

    /// Whether everything is put below a destdir, from which it is shipped elsewhere.
    pub fn has_destdir(&self) -> bool {
        self.destdir.is_some()
    }

    /// The directory that is in front of all its paths now, and will not be.
    pub(crate) fn destdir(&self) -> Option<&Path> {
        self.destdir.as_deref()
    }

    /// The device and inode of the root when it was found; `None` if it was missing.
    pub(crate) fn identity(&self) -> Option<(u64, u64)> {
        self.identity
    }

    /// Whether the interpreter was described, so that it is not here.
    pub(crate) fn is_described(&self) -> bool {
        matches!(&self.python, Ok(python) if python.executable.is_none())
    }

    /// Whether what is installed is meant for Windows, on whatever system it is laid out.
    pub(crate) fn is_for_windows(&self) -> bool {
        matches!(&self.python, Ok(python) if python.target.platform.is_windows())
    }

    /// How its scripts start their interpreter; `None` if the interpreter is not known.
    #[doc(hidden)]
    pub fn script_python(&self) -> Option<ScriptPython<'_>> {
        match &self.script_interpreter {
            ScriptInterpreter::Own => {
                let python = self.python.as_ref().ok()?;
                python.executable.as_deref().map(ScriptPython::At)
            }
            ScriptInterpreter::Beside => Some(ScriptPython::Beside),
            ScriptInterpreter::At(path) => Some(ScriptPython::At(path)),
            ScriptInterpreter::OnPath(name) => Some(ScriptPython::OnPath(name)),
        }
    }

    /// The interpreter, and what wheels have to fit.
    ///
    /// # Errors
    /// It is not known, as for an environment whose interpreter was not asked.
    // Its type has types of `spec`, which are not part of the API.
    #[doc(hidden)]
    pub fn python(&self) -> Result<&Python> {
        self.python.as_ref().map_err(|missing| match missing {
            NoPython::NotFound => Error::no_interpreter(),
            NoPython::Broken { path, reason } => Error::interpreter(path, reason.as_str()),
        })
    }
}

/// As people say it: the kind, the path, and the interpreter if it is known.
impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.root.display();
        match self.kind {
            EnvironmentKind::Venv => write!(f, "virtual environment `{root}`")?,
            EnvironmentKind::Target if self.identity.is_none() => {
                write!(f, "new directory `{root}` (no virtual environment)")?;
            }
            EnvironmentKind::Target => write!(f, "directory `{root}` (no virtual environment)")?,
            EnvironmentKind::Prefix => write!(f, "prefix `{root}`")?,
        }
        match &self.python {
            Ok(python) if python.executable.is_none() => write!(f, ", for {}", python.target),
            Ok(python) => write!(f, ", {}", python.target.interpreter()),
            Err(_) => Ok(()),
        }
    }
}

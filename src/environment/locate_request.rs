//! The user's request for an environment.

use std::path::PathBuf;

use super::{InterpreterCache, PythonDescription, ScriptInterpreter};
use crate::cancellation::Cancellation;

/// What an environment is wanted for, which decides what must be known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LocatePurpose {
    /// Wheels are installed: an interpreter is looked for, and an environment that another package
    /// manager owns is refused (PEP 668).
    #[default]
    Install,
    /// Wheels are chosen for an interpreter, and none is installed: an interpreter is looked for.
    Choose,
    /// Projects are removed, or a transaction is undone: no interpreter is needed, but an
    /// environment that another package manager owns is refused.
    Remove,
    /// It is read, or an interrupted command is settled: neither counts.
    Read,
    /// It is read, and what is read depends on the interpreter.
    ReadWithPython,
}

impl LocatePurpose {
    /// Whether an interpreter is looked for.
    pub(super) fn needs_python(self) -> bool {
        matches!(self, Self::Install | Self::Choose | Self::ReadWithPython)
    }

    /// Whether an environment that another package manager owns is refused (PEP 668).
    pub(super) fn changes(self) -> bool {
        matches!(self, Self::Install | Self::Remove)
    }
}

/// The environment that a program asks for.
///
/// ```
/// use pkg_install::Locate;
/// use std::path::PathBuf;
///
/// let venv = Locate::target("venv");
/// let other_prefix =
///     Locate::python("/usr/bin/python3").with_prefix(PathBuf::from("/opt/tool"));
/// # let _ = (venv, other_prefix);
/// ```
///
/// If neither a target nor an interpreter is given, [`Locate::surroundings`] decide.
#[derive(Debug, Clone, Default)]
#[cfg_attr(not(feature = "testing"), non_exhaustive)]
pub struct Locate {
    /// `--target`: a virtual environment, or a plain directory.
    pub target: Option<PathBuf>,
    /// `--python`: an interpreter, the name of one to look for in [`Surroundings::search`], or the
    /// root of its
    /// environment.
    pub python: Option<PathBuf>,
    /// `--prefix`: another prefix for the scheme of the interpreter, which may be described.
    pub prefix: Option<PathBuf>,
    /// `--root`: the directory below which everything is put (destdir).
    pub root: Option<PathBuf>,
    /// An interpreter that is not here, for which wheels are chosen and installed. With a version
    /// it takes no interpreter at all. Installing needs a target or a prefix then.
    pub described: PythonDescription,
    /// `--script-python` and `--relocatable`: the interpreter that scripts start with, if it is not
    /// the environment's.
    pub scripts: ScriptInterpreter,
    /// `--break-system-packages`: ignore the mark of an externally managed environment (PEP 668).
    pub break_system_packages: bool,
    /// Where to look for what the other fields leave open.
    pub surroundings: Surroundings,
    /// What it is wanted for.
    pub purpose: LocatePurpose,
    /// Ends the search, and kills an interpreter that has not answered yet.
    pub cancellation: Cancellation,
    /// Where answers of interpreters are kept, so that the next command starts none. Without
    /// it they are asked each time.
    pub interpreter_cache: Option<InterpreterCache>,
}

impl Locate {
    /// The virtual environment at this path, otherwise a plain directory in the layout of `pip
    /// install --target`.
    pub fn target(path: impl Into<PathBuf>) -> Self {
        Self::default().with_target(path.into())
    }

    /// The environment of this interpreter.
    pub fn python(path: impl Into<PathBuf>) -> Self {
        Self::default().with_python(path.into())
    }

    /// With this [`Locate::target`].
    #[must_use]
    pub fn with_target(mut self, target: impl Into<Option<PathBuf>>) -> Self {
        self.target = target.into();
        self
    }

    /// With this [`Locate::python`].
    #[must_use]
    pub fn with_python(mut self, python: impl Into<Option<PathBuf>>) -> Self {
        self.python = python.into();
        self
    }

    /// With this [`Locate::prefix`].
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<Option<PathBuf>>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// With this [`Locate::root`].
    #[must_use]
    pub fn with_root(mut self, root: impl Into<Option<PathBuf>>) -> Self {
        self.root = root.into();
        self
    }

    /// With this [`Locate::described`].
    #[must_use]
    pub fn with_description(mut self, described: PythonDescription) -> Self {
        self.described = described;
        self
    }

    /// With this [`Locate::scripts`].
    #[must_use]
    pub fn with_scripts(mut self, scripts: ScriptInterpreter) -> Self {
        self.scripts = scripts;
        self
    }

    /// With this [`Locate::break_system_packages`].
    #[must_use]
    pub fn with_break_system_packages(mut self, break_system_packages: bool) -> Self {
        self.break_system_packages = break_system_packages;
        self
    }

    /// With these [`Locate::surroundings`].
    #[must_use]
    pub fn with_surroundings(mut self, surroundings: Surroundings) -> Self {
        self.surroundings = surroundings;
        self
    }

    /// With this [`Locate::purpose`].
    #[must_use]
    pub fn with_purpose(mut self, purpose: LocatePurpose) -> Self {
        self.purpose = purpose;
        self
    }

    /// With this [`Locate::cancellation`].
    #[must_use]
    pub fn with_cancellation(mut self, cancellation: Cancellation) -> Self {
        self.cancellation = cancellation;
        self
    }

    /// With this [`Locate::interpreter_cache`].
    #[must_use]
    pub fn with_interpreter_cache(mut self, cache: impl Into<Option<InterpreterCache>>) -> Self {
        self.interpreter_cache = cache.into();
        self
    }

    /// How interpreters are asked.
    pub(super) fn inquiry(&self) -> Inquiry<'_> {
        Inquiry {
            cancellation: &self.cancellation,
            cache: self.interpreter_cache.as_ref(),
        }
    }
}

/// How interpreters are asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inquiry<'a> {
    /// Kills an interpreter that has not answered yet.
    pub(super) cancellation: &'a Cancellation,
    /// Where answers are kept.
    pub(super) cache: Option<&'a InterpreterCache>,
}

/// The part of a process that says which environment is meant if none is named.
///
/// The library reads no variable and asks for no working directory by itself: only what is passed
/// here counts, and [`Surroundings::default`] finds nothing.
///
/// ```
/// use pkg_install::{Locate, Surroundings};
///
/// let path = std::env::var_os("PATH").unwrap_or_default();
/// let surroundings = Surroundings::default()
///     .with_virtual_env(std::env::var_os("VIRTUAL_ENV").map(Into::into))
///     .with_search(std::env::split_paths(&path).collect());
/// let active = Locate::default().with_surroundings(surroundings);
/// # let _ = active;
/// ```
#[derive(Debug, Clone, Default)]
#[cfg_attr(not(feature = "testing"), non_exhaustive)]
pub struct Surroundings {
    /// `$VIRTUAL_ENV`; an empty path counts as unset.
    pub virtual_env: Option<PathBuf>,
    /// The directory whose `.venv` is used if nothing else is there.
    pub directory: PathBuf,
    /// The directories of `$PATH`, for an interpreter that is given by name, or not at all.
    pub search: Vec<PathBuf>,
}

impl Surroundings {
    /// With this [`Surroundings::virtual_env`].
    #[must_use]
    pub fn with_virtual_env(mut self, virtual_env: impl Into<Option<PathBuf>>) -> Self {
        self.virtual_env = virtual_env.into();
        self
    }

    /// With this [`Surroundings::directory`].
    #[must_use]
    pub fn with_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// With this [`Surroundings::search`].
    #[must_use]
    pub fn with_search(mut self, search: Vec<PathBuf>) -> Self {
        self.search = search;
        self
    }
}

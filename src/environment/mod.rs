//! The environment: an interpreter, and the directories that wheels are installed into.
//!
//! Input: what the user said ([`Locate`]). Output: an [`Environment`], complete and absolute; no
//! later step asks an interpreter for paths. Invariants: reads only; takes no variable of the
//! process's environment by itself; paths are lexical, symbolic links in them left as they are. A
//! virtual environment is understood from its files, and its interpreter is started only if they
//! are not sufficient. Limits: Unix only; a Debian Python before 3.10 kept its scheme in
//! `distutils`, which is not asked.

mod elf;
mod externally_managed;
mod find_python;
mod interpreter;
pub mod layout;
mod lexical;
mod locate;
mod locate_request;
mod marker_environment;
pub mod protected;
mod pyvenv_cfg;
mod roots;
mod site_packages;
mod venv;
mod vouch;

use std::fmt;
use std::path::{Path, PathBuf};

pub use locate::locate;
pub use locate_request::Locate;
pub use marker_environment::marker_values;

use crate::spec::tags::Target;
use crate::spec::version::Version;

/// The kind of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvironmentKind {
    /// A virtual environment (PEP 405).
    Venv,
    /// A plain directory that programs put on their import path.
    Target,
    /// An interpreter's own prefix, or another one of the same shape.
    Prefix,
}

impl EnvironmentKind {
    /// The word for it in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Venv => "venv",
            Self::Target => "target",
            Self::Prefix => "prefix",
        }
    }
}

impl fmt::Display for EnvironmentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
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
    /// As shebangs say it: absolute, without destdir; in a virtual environment its own
    /// `bin/python`, not what that links to.
    pub executable: PathBuf,
    /// The three numbers of its release, such as 3.11.7; a pre-release counts as its release, as
    /// `Requires-Python` has it.
    pub version: Version,
    /// The facts that its compatibility tags depend on.
    pub target: Target,
}

/// An environment that wheels can be installed into.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// Its kind.
    #[doc(hidden)]
    pub kind: EnvironmentKind,
    /// The virtual environment, the target directory, or the prefix, destdir in front.
    ///
    /// A system's own interpreter may have directories of its scheme outside of its prefix.
    pub root: PathBuf,
    /// The directories for the parts of a wheel, including destdir.
    #[doc(hidden)]
    pub scheme: Scheme,
    /// The interpreter.
    #[doc(hidden)]
    pub python: Python,
    /// The device and inode of `root` when it was found.
    #[doc(hidden)]
    pub identity: Option<(u64, u64)>,
}

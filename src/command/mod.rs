//! The commands: each one the natural way from what the user named to a report, in the order in
//! which things happen.
//!
//! Input: an environment to locate, what to do with it, [`Options`]. Output: a filled
//! [`Report`](crate::outcome::Report). A command opens and checks its input first, then takes the
//! lock, settles what a crash left, plans, and only then writes.

mod check;
#[cfg(feature = "http")]
mod download;
#[cfg(feature = "http")]
mod fetching;
mod input;
mod install;
mod list;
mod opening;
mod planning;
mod recover;
mod session;
mod undo;
mod uninstall;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub use check::check;
#[cfg(feature = "http")]
pub use download::{Fetch, download};
pub use input::{Document, Input};
pub use install::install;
pub use list::list;
pub use recover::recover;
pub use undo::undo;
pub use uninstall::uninstall;

use crate::digest::Backend;
use crate::environment::capabilities::Capabilities;
use crate::fs::Fs;
use crate::outcome::Progress;
use crate::plan::conflict::OnConflict;
use crate::spec::record::Verify;

/// How commands behave; the fields are named like the options of the command line.
#[derive(Debug, Clone)]
pub struct Options {
    /// What to do where two owners of one path differ.
    pub on_conflict: OnConflict,
    /// How strictly RECORD is read and contents are checked.
    pub verify: Verify,
    /// Whether to replace what is installed in the same version, too.
    pub reinstall: bool,
    /// Whether every wheel must be pinned to a hash.
    pub require_hashes: bool,
    /// Whether the result also survives the loss of power.
    pub durable: bool,
    /// Whether to keep what `undo` needs.
    pub undoable: bool,
    /// Whether to plan only.
    pub dry_run: bool,
    /// How many threads work; as many as there are cores where it is `None`.
    pub jobs: Option<usize>,
    /// The word in INSTALLER.
    pub installer: String,
    /// Whether wheels given as paths get a direct_url.json.
    pub direct_url: bool,
    /// Whether tags and `Requires-Python` must fit.
    pub compat_check: bool,
    /// How long to wait for another process's transaction.
    pub lock_timeout: Duration,
    /// What hashes; no option of the command line, as no choice but the fastest is of use outside
    /// of tests.
    pub backend: Backend,
    /// How wheels on servers are fetched.
    #[cfg(feature = "http")]
    pub download: crate::download::Settings,
    /// How the file system treats names; found out where it is `None`.
    pub capabilities: Option<Capabilities>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            on_conflict: OnConflict::Error,
            verify: Verify::Normal,
            reinstall: false,
            require_hashes: false,
            durable: false,
            undoable: false,
            dry_run: false,
            jobs: None,
            installer: "pkg-install".to_owned(),
            direct_url: false,
            compat_check: true,
            lock_timeout: Duration::from_secs(60),
            backend: Backend::default(),
            #[cfg(feature = "http")]
            download: crate::download::Settings::default(),
            capabilities: None,
        }
    }
}

/// What a command works with beside its options.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The way to the file system.
    pub fs: &'a Fs,
    /// Stops the command once it is true; a commit that has begun is finished.
    pub cancel: &'a Arc<AtomicBool>,
    /// Told of what goes on.
    pub progress: &'a dyn Progress,
}

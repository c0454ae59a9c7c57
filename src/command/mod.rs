//! The commands, one file each: every step from the user's request to the report, in order.
//!
//! Input: an environment to locate, a request, and [`Options`]. Output: a filled
//! [`Report`](crate::outcome::Report). A command first opens and checks its input; then it takes the
//! lock, recovers from a crash if there was one, and plans; only then it writes.

mod check;
mod document;
#[cfg(feature = "http")]
mod download;
mod install;
mod list;
mod open;
mod options;
mod planning;
mod recover;
#[cfg(feature = "http")]
mod remote;
mod request;
mod session;
mod undo;
mod uninstall;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use check::check;
#[cfg(feature = "http")]
pub use download::download;
pub use install::install;
pub use list::list;
pub use options::Options;
pub use recover::recover;
#[cfg(feature = "http")]
pub use request::sources;
pub use request::{Document, Input};
pub use undo::undo;
pub use uninstall::uninstall;

#[cfg(feature = "http")]
pub use crate::download::Settings;
pub use crate::error::escaped;
pub use crate::fs::Fs;
pub use crate::spec::pylock::Selection;

use crate::outcome::Progress;

/// What every command needs beside its options.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The file system.
    pub fs: &'a Fs,
    /// Stops the command once it is true. A commit that has begun is finished.
    pub cancel: &'a Arc<AtomicBool>,
    /// Gets an event for every step.
    pub progress: &'a dyn Progress,
}

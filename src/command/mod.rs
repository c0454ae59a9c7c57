//! The commands: each one the natural way from what the user named to a report, in the order in
//! which things happen.
//!
//! Input: an environment to locate, what to do with it, [`Options`]. Output: a filled
//! [`Report`](crate::outcome::Report). A command opens and checks its input first, then takes the
//! lock, settles what a crash left, plans, and only then writes.

mod check;
mod document;
#[cfg(feature = "http")]
mod download;
#[cfg(feature = "http")]
mod fetching;
mod input;
mod install;
mod list;
mod opening;
mod options;
mod planning;
mod recover;
mod session;
mod undo;
mod uninstall;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use check::check;
#[cfg(feature = "http")]
pub use download::{Fetch, download};
pub use input::{Document, Input};
pub use install::install;
pub use list::list;
pub use options::Options;
pub use recover::recover;
pub use undo::undo;
pub use uninstall::uninstall;

#[cfg(feature = "http")]
pub use crate::download::Settings;
pub use crate::error::escaped;
pub use crate::fs::Fs;
pub use crate::spec::pylock::Selection;

use crate::outcome::Progress;

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

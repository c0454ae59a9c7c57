//! What the functions of this crate return: plain data, without a format for people or machines.
//!
//! - [`PlannedTransaction::apply`] and [`undo`] return an [`Outcome`]: a [`Status`], and a
//!   [`ProjectChange`] with an [`Action`] for each project, and [`StoreFigures`] if the store of
//!   unpacked wheels was used.
//! - A [`PlannedTransaction`] has the same before anything is written, as well as its
//!   [`PlannedFiles`] and each [`PathConflict`] that the options resolve.
//! - [`list()`] returns an [`InstalledProject`] for each project.
//! - [`history()`] returns a [`PastTransaction`] for each transaction.
//! - [`check()`] returns a [`CheckOutcome`]: a [`Difference`] for each file that is not as
//!   recorded, and each [`UnmetRequirement`].
//!
//! A [`Warning`] is no part of a result, since commands that fail have warnings too: it goes to
//! [`Events::warning`] when it arises.
//!
//! ```no_run
//! use pkg_install::results::DifferenceState;
//! use pkg_install::{Environment, Locate, Options};
//!
//! # fn main() -> pkg_install::Result<()> {
//! let environment = Environment::locate(&Locate::target("venv"))?;
//! let checked = pkg_install::check(&environment, &[], &Options::default())?;
//! for difference in &checked.differences {
//!     if difference.state == DifferenceState::Missing {
//!         println!("{} lacks {}", difference.project, difference.path);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! All types are `#[non_exhaustive]`: fields and variants may be added.
//!
//! [`PlannedTransaction::apply`]: crate::PlannedTransaction::apply
//! [`PlannedTransaction`]: crate::PlannedTransaction
//! [`undo`]: crate::undo
//! [`list()`]: crate::list()
//! [`history()`]: crate::history()
//! [`check()`]: crate::check()
//! [`Events::warning`]: crate::progress::Events::warning

pub use crate::outcome::{
    Action, CheckOutcome, Difference, DifferenceState, InstalledProject, Outcome, PathConflict,
    PlannedFiles, ProjectChange, Status, StoreFigures, UnmetRequirement, Warning,
};
pub use crate::transaction::{PastTransaction, RecordedAction, RecordedChange};

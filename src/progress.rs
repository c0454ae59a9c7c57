//! Watching a command while it runs.
//!
//! A command reports to [`Events`], from several threads at once. A program implements the methods
//! that it needs and passes the value in an [`Observer`]; all others do nothing by default.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use pkg_install::progress::{Activity, Events};
//! use pkg_install::{Environment, Locate, Observer, Options, Warning, WheelSource};
//!
//! /// Prints what a person waits for, and what is odd.
//! struct Log;
//!
//! impl Events for Log {
//!     fn activity_begin(&self, _number: usize, activity: &Activity) {
//!         eprintln!("{} {}", activity.kind.as_str(), activity.subject);
//!     }
//!     fn begin(&self, files: u64, bytes: u64) {
//!         eprintln!("writing {files} files with {bytes} bytes");
//!     }
//!     fn warning(&self, warning: Warning) {
//!         eprintln!("{}: {}", warning.code.as_str(), warning.message);
//!     }
//! }
//!
//! # fn main() -> pkg_install::Result<()> {
//! let environment = Environment::locate(&Locate::target("venv"))?;
//! let wheels = [WheelSource::path("six-1.17.0-py2.py3-none-any.whl")];
//! let plan = pkg_install::plan(&environment, &wheels, &Options::default())?;
//! plan.apply(&Observer::new(&Log))?;
//! # Ok(())
//! # }
//! ```
//!
//! # The order of events
//!
//! - [`Events::step`] comes after each [`Step`] with the time that it took, in the order of the
//!   steps. Steps without work are left out.
//! - [`Events::begin`] comes before the first file is written, then [`Events::advance`] for each
//!   file, then [`Events::end`], also if staging fails.
//! - Each download has a number. [`Events::transfer_begin`] may come again with the same number,
//!   when its length is known or when it starts anew; [`Events::transfer_end`] comes once.
//! - Everything else that may take long is an [`Activity`] with a number of its own. Several may
//!   run at once. [`RunningActivity`] reports one for a program that works between the calls, so
//!   that its own waits are shown like those of this crate.
//! - [`Events::warning`] may come at any time. Warnings do not stop a command.

pub use crate::command::Observer;
pub use crate::outcome::{Activity, ActivityKind, Events, Retry, RunningActivity, Silent, Step};

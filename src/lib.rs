//! A parallel wheel installer with a transactional file layout.
//!
//! All the wheels of one command are installed, or none is: on bad input, on a full disk, on
//! Ctrl-C, on `kill -9`, and with [`Options::durable`] on the loss of power. What will happen is
//! known, and can be printed, before anything is written. The result does not depend on the number
//! of threads nor on the order of the arguments. Every byte is checked against RECORD.
//!
//! ```text
//!    where bytes are      what they are        what will happen     it is on disk,        it happened
//!                                                                   nobody sees it
//!    ┌────────┐  open    ┌───────┐   plan     ┌──────┐   stage     ┌────────┐  commit   ┌────────┐
//!    │ Source │ ───────► │ Wheel │ ─────────► │ Plan │ ──────────► │ Staged │ ────────► │ Report │
//!    └────────┘          └───────┘            └──────┘             └────────┘           └────────┘
//!     path, URL, hash     validated once;      pure value;          files, RECORD,       plain data
//!                         then trusted         printable            INSTALLER complete
//! ```
//!
//! Removing, replacing and undoing are other plans, never other ways. From the bottom up:
//! [`error`], [`path`] and [`digest`] know nothing of anything; [`spec`] turns the texts of the
//! PyPA's specifications into types; [`fs`] is the only door to the file system; [`archive`] reads
//! a zip in the one way in which it can be read; `download` fetches over http; [`environment`]
//! knows an interpreter's directories; [`source`] says where wheels are, from arguments, reports,
//! lock files and lists; [`wheel`] is what may be installed; [`installed`] is what is on disk;
//! [`mod@plan`] decides; [`stage`] writes; [`transaction`] moves; [`command`] is all of it in
//! order.
//!
//! # Example
//!
//! ```no_run
//! use pkg_install::command::{self, Context, Options};
//! use pkg_install::environment::Locate;
//! use pkg_install::outcome::{Report, Silent};
//! use pkg_install::source::Source;
//!
//! # fn main() -> pkg_install::Result<()> {
//! let locate = Locate { target: Some("venv".into()), ..Locate::default() };
//! let input = vec![Source::from_path("six-1.17.0-py2.py3-none-any.whl")].into();
//! let (fs, cancel) = (pkg_install::fs::Fs::default(), std::sync::Arc::default());
//! let context = Context { fs: &fs, cancel: &cancel, progress: &Silent };
//! let mut report = Report::new();
//! command::install(&locate, &input, &Options::default(), context, &mut report)?;
//! println!("{:?}", report.changes);
//! # Ok(())
//! # }
//! ```
//!
//! # Limits
//!
//! Unix only. A reader sees a mixture in the milliseconds in which renames are made, and after a
//! crash until the next command. pip takes no lock, so nothing keeps it from changing an
//! environment at the same time. Without [`Options::durable`] the loss of power soon after success
//! may leave empty files.
//!
//! [`Options::durable`]: command::Options::durable

#![cfg_attr(
    not(feature = "testing"),
    allow(
        dead_code,
        unused_imports,
        reason = "tests and benches use more of the modules; with `testing` the compiler sees them all"
    )
)]

#[cfg(not(unix))]
compile_error!("pkg-install works on Unix only");

#[cfg(feature = "testing")]
pub mod archive;
#[cfg(feature = "testing")]
pub mod digest;
#[cfg(all(feature = "testing", feature = "http"))]
pub mod download;
#[cfg(feature = "testing")]
pub mod environment;
#[cfg(feature = "testing")]
pub mod fs;
#[cfg(feature = "testing")]
pub mod installed;
#[cfg(feature = "testing")]
pub mod outcome;
#[cfg(feature = "testing")]
pub mod path;
#[cfg(feature = "testing")]
pub mod plan;
#[cfg(feature = "testing")]
pub mod script;
#[cfg(feature = "testing")]
pub mod source;
#[cfg(feature = "testing")]
pub mod spec;
#[cfg(feature = "testing")]
pub mod stage;
#[cfg(feature = "testing")]
pub mod threads;
#[cfg(feature = "testing")]
pub mod transaction;
#[cfg(feature = "testing")]
pub mod wheel;

#[cfg(not(feature = "testing"))]
mod archive;
#[cfg(not(feature = "testing"))]
mod digest;
#[cfg(all(not(feature = "testing"), feature = "http"))]
mod download;
#[cfg(not(feature = "testing"))]
mod environment;
#[cfg(not(feature = "testing"))]
mod fs;
#[cfg(not(feature = "testing"))]
mod installed;
#[cfg(not(feature = "testing"))]
mod outcome;
#[cfg(not(feature = "testing"))]
mod path;
#[cfg(not(feature = "testing"))]
mod plan;
#[cfg(not(feature = "testing"))]
mod script;
#[cfg(not(feature = "testing"))]
mod source;
#[cfg(not(feature = "testing"))]
mod spec;
#[cfg(not(feature = "testing"))]
mod stage;
#[cfg(not(feature = "testing"))]
mod threads;
#[cfg(not(feature = "testing"))]
mod transaction;
#[cfg(not(feature = "testing"))]
mod wheel;

pub mod command;
pub mod error;

pub use environment::{Environment, Locate};
pub use error::{Effect, Error, ErrorKind, Result};
pub use outcome::{
    Action, ChangeReport, ConflictReport, Difference, DifferenceState, ListedProject, Outcome,
    PlannedFiles, Progress, Report, Silent, Timings, Warning,
};
pub use plan::conflict::OnConflict;
pub use source::Source;
pub use spec::record::Verify;

//! A parallel installer of Python wheels with transactions.
//!
//! All the wheels of one command are installed, or none: on bad input, a full disk, Ctrl-C or `kill
//! -9`, and with [`Options::durable`] on power loss. What will happen is known and can be printed
//! before anything is written. The result depends neither on the number of threads nor on the order
//! of the arguments. Every byte is checked against RECORD.
//!
//! # Installing
//!
//! Locate an environment, plan, look at the plan, apply it. The environment stays locked in
//! between, so the plan that was printed is the one that is applied.
//!
//! ```no_run
//! use pkg_install::{Environment, Locate, Observer, Options, WheelSource};
//!
//! # fn main() -> pkg_install::Result<()> {
//! let environment = Environment::locate(&Locate::target("venv"))?;
//! let wheels = [WheelSource::path("six-1.17.0-py2.py3-none-any.whl")];
//! let plan = pkg_install::plan(&environment, &wheels, &Options::default())?;
//! print!("{plan}");
//! let outcome = plan.apply(&Observer::none())?; // or plan.discard()
//! for change in outcome.changes {
//!     println!("{:?} {} {}", change.action, change.name, change.version);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Uninstalling is another plan: [`plan_removal`]. [`undo`] reverts the last transaction, if it ran
//! with [`Options::undoable`]; [`undo_to`] goes further back in the [`history()`]. [`list()`] and
//! [`check()`] change nothing. Every function first settles what an interrupted transaction left
//! behind.
//!
//! # Options and events
//!
//! [`Options`] says how: what to do about conflicts ([`OnConflict`]), how strictly to verify
//! ([`Verify`]), how many threads, how long to wait for the lock. A [`Cancellation`] stops a
//! command from another thread. An [`Observer`] gets progress and each [`Warning`]; see
//! [`progress`]. The library itself never prints, reads no variables and does not exit: what a
//! process knows is passed in [`Surroundings`].
//!
//! # Errors
//!
//! Every [`Error`] has a [kind](Error::kind), a stable [code](Error::code), and the
//! [effect](Error::effect) that the failed command had on the environment: none, or a change that a
//! crash of the machine left [unfinished](Effect::Unfinished) and the next command settles.
//!
//! ```no_run
//! use pkg_install::{Effect, Environment, ErrorKind, Locate};
//!
//! match Environment::locate(&Locate::target("venv")) {
//!     Err(error) if error.kind() == ErrorKind::Environment => eprintln!("not usable: {error}"),
//!     Err(error) => assert_eq!(error.effect(), Effect::Untouched),
//!     Ok(environment) => println!("{}", environment.root().display()),
//! }
//! ```
//!
//! # More
//!
//! - [`results`] has the types that the functions return, and [`progress`] the events.
//! - [`error`] has the details of errors, and the codes of warnings.
//! - [`command`] is the level of the `pkg-install` program: reports of pip, lock files, lists of
//!   requirements, resolving and downloads.
//!
//! All other modules are private; `ARCHITECTURE.md` in the repository describes them.
//!
//! # Limits
//!
//! Unix only. Readers see a mixture of old and new files during the milliseconds of the renames,
//! and after a crash until the next command. pip takes no lock, so nothing keeps it from changing
//! an environment at the same time. Without [`Options::durable`] a power loss soon after success
//! may leave empty files.

#![cfg_attr(
    not(all(feature = "testing", feature = "http")),
    allow(
        dead_code,
        unused_imports,
        reason = "tests and benches use more of the modules, and without HTTP nothing resolves; \
                  with both features the compiler sees them all"
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
pub mod pack;
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
pub mod store;
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
mod pack;
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
mod store;
#[cfg(not(feature = "testing"))]
mod threads;
#[cfg(not(feature = "testing"))]
mod transaction;
#[cfg(not(feature = "testing"))]
mod wheel;

#[cfg(feature = "http")]
mod index;
mod resolve;

mod api;
mod cancellation;
pub mod command;
mod elf;
pub mod error;
pub mod progress;
pub mod results;

pub use api::{WheelSource, check, history, list, plan, plan_removal, undo, undo_to};
pub use cancellation::Cancellation;
pub use command::{BytecodeOptions, Observer, Options, PlannedTransaction};
pub use environment::{
    Environment, EnvironmentKind, InterpreterCache, Invalidation, Locate, LocatePurpose,
    Surroundings,
};
pub use error::{Effect, Error, ErrorKind, Result};
pub use outcome::{Action, Outcome, Status, Warning};
pub use plan::conflict::OnConflict;
pub use spec::record::Verify;

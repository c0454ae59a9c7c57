//! The commands, one file each: every step from a request to its result, in order.
//!
//! Input: an environment, a request, and [`Options`]. Output: a value such as
//! [`Outcome`](crate::Outcome); warnings and progress go to [`Context::events`]. A command first
//! opens and checks its input; then it takes the lock, recovers from a crash if there was one, and
//! plans; only then it writes.
//!
//! This is the level of the `pkg-install` program: it takes requests from reports, lock files and
//! lists, and passes its own file system, cancellation and events. The functions at the root of the
//! crate are simpler.

#[cfg(feature = "http")]
mod cache;
mod check;
mod compiling;
mod document;
#[cfg(feature = "http")]
mod download;
mod from_store;
mod history;
mod install;
mod list;
mod make_plan;
#[cfg(feature = "http")]
mod names;
mod observer;
mod open;
mod options;
mod owner;
mod pack;
mod planned;
mod recover;
#[cfg(feature = "http")]
mod remote;
mod request;
#[cfg(feature = "http")]
mod resolve;
mod same_contents;
mod session;
mod settling;
mod shared_downloads;
mod show;
mod undo;
mod uninstall;
mod up_to_date;
mod verify;

#[cfg(feature = "http")]
pub use cache::{CacheAction, CacheOutcome, cache};
pub use check::{check, unmet_requirements};
pub use document::Document;
#[cfg(feature = "http")]
pub use download::{DownloadedWheel, download};
pub use history::history;
pub use install::install;
pub(crate) use install::plan_install;
pub use list::{installed_versions, list};
pub use observer::Observer;
pub use options::{BytecodeOptions, Options};
pub use owner::{PathOwners, owner};
pub use pack::{ArtifactLayer, ImageRequest, PackOutcome, PackRequest, PackedArtifact, pack};
pub use planned::PlannedTransaction;
pub use recover::recover;
pub use request::Input;
#[cfg(feature = "http")]
pub use resolve::{
    Places, ResolutionRequest, ResolvedRequest, Upgrading, lock_of, pip_places, report_of, resolve,
};
pub use show::{BillOfMaterials, ProjectDetails, ProjectsShown, show};
pub use undo::{undo, undo_to};
pub(crate) use uninstall::plan_uninstall;
pub use uninstall::uninstall;
pub use verify::{VerifiedWheel, verify};

#[cfg(feature = "http")]
pub use crate::download::{Asked, CachePart, Settings};
pub use crate::environment::{Invalidation, PythonDescription, ScriptInterpreter};
pub use crate::fs::{Fs, MessageFile};
pub use crate::pack::{PackCompression, PackFormat};
pub use crate::source::Source;
pub use crate::spec::described_python::PythonRelease;
pub use crate::spec::direct_url::RecordedUrl;
pub use crate::spec::pylock::Selection;
pub use crate::spec::resolved::{ResolvedWheel, WheelFile};
pub use crate::spec::tags::{Implementation, Platform};
pub use crate::spec::timestamp::Timestamp;
pub use crate::store::{LinkMode, StoreUse};

use crate::cancellation::Cancellation;
use crate::outcome::{Events, Warning};

/// The environment of a running command: file system, cancellation and events.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The file system.
    pub fs: &'a Fs,
    /// Stops the command. A commit that has begun is finished.
    pub cancel: &'a Cancellation,
    /// Gets progress and warnings.
    pub events: &'a dyn Events,
}

impl Context<'_> {
    fn warn(self, warnings: impl IntoIterator<Item = Warning>) {
        Observer::new(self.events).warn(warnings);
    }
}

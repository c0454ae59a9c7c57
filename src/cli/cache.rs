//! What is asked of the command `cache`, and how its result counts.

use std::path::PathBuf;

use pkg_install::Status;
use pkg_install::command::{CacheAction, CacheOutcome};
use pkg_install::error::Error;

/// An action on a cache, ready to be carried out.
#[derive(Debug, Clone)]
pub struct CacheRequest {
    pub action: CacheAction,
    /// The directory, if one can be named.
    pub directory: Option<PathBuf>,
    pub dry_run: bool,
}

/// The failure that is a result at once: damaged wheels that are still there.
pub fn failure(outcome: &CacheOutcome, request: &CacheRequest) -> Option<Error> {
    let is_repaired = request.action == CacheAction::Verify { repair: true } && !request.dry_run;
    let directory = outcome.directory.as_ref()?;
    (!outcome.damaged.is_empty() && !is_repaired)
        .then(|| Error::damaged_cache(directory, outcome.damaged.len()))
}

/// The status of the result in the JSON object.
pub fn status(outcome: &CacheOutcome, request: &CacheRequest) -> Status {
    match (outcome.removed.is_empty(), request.dry_run) {
        (true, _) => Status::Unchanged,
        (false, true) => Status::Planned,
        (false, false) => Status::Committed,
    }
}

//! The artefact that was made.

use std::time::Duration;

use pkg_install::Status;
use pkg_install::command::{PackFormat, PackOutcome};
use pkg_install::error::escaped;

use super::changes;
use super::units::size;

/// The size from which Ray does not send an archive to its workers itself, in bytes.
const LARGE: u64 = 512 << 20;

/// The result for people.
pub fn text(outcome: &PackOutcome, verbose: u8, elapsed: Duration) -> String {
    let changes = changes::changes(&outcome.plan, verbose, elapsed);
    let Some(artifact) = &outcome.artifact else {
        return changes;
    };
    let path = escaped(&artifact.path.display().to_string());
    let size = size(artifact.bytes);
    match outcome.plan.status {
        Status::Unchanged => format!("{path} is up to date: {size}\n"),
        _ => {
            let is_archive = matches!(artifact.format, PackFormat::Zip | PackFormat::TarGz);
            let remark = if is_archive && artifact.bytes > LARGE {
                "   (Ray takes it by `file://` or from a store only: it is over 512 MiB)\n"
            } else {
                ""
            };
            format!("{changes}{path}: {size}\n{remark}")
        }
    }
}

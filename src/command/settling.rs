//! The directories whose times a transaction changes, though it did not make them.
//!
//! Input: a plan, and the session in which it is carried out. When everything is done, and the lock
//! file and the state directory are gone, they get the time of `SOURCE_DATE_EPOCH`, and those that
//! the session made also their mode.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::session::Session;
use crate::error::{Error, Result, WarningCode};
use crate::fs::{self, Dir, Fs, Kind};
use crate::outcome::Warning;
use crate::plan::Plan;

/// See the head of this file.
pub struct Settling {
    epoch: u64,
    fs: Fs,
    /// The directories that the session made.
    made: BTreeSet<PathBuf>,
    /// All directories in which a name appears or disappears.
    changed: BTreeSet<PathBuf>,
}

impl Settling {
    /// Collects the directories; nothing is changed yet.
    pub fn of(session: &Session<'_>, plan: &Plan, epoch: u64) -> Self {
        let layout = &session.layout;
        let mut changed = BTreeSet::new();
        for operation in &plan.operations {
            let place = layout.absolute(&operation.place);
            changed.extend(place.parent().map(Path::to_owned));
            // The state directory comes and goes there.
            changed.insert(layout.state_home(operation.place.root));
        }
        changed.insert(layout.state_home(layout.main_root()));
        // The lock file comes and goes there.
        changed.insert(layout.environment_root().to_owned());
        let made: BTreeSet<PathBuf> = session.made.iter().cloned().collect();
        changed.extend(made.iter().cloned());
        if let Some(destdir) = session.environment.destdir() {
            // All of it is shipped, from its top on.
            let resolved = fs::canonical(destdir).unwrap_or_else(|_| destdir.to_owned());
            let within = |path: &PathBuf| {
                let above = path.ancestors().skip(1);
                let inside = above
                    .filter(|above| above.starts_with(destdir) || above.starts_with(&resolved));
                inside.map(Path::to_owned).collect::<Vec<_>>()
            };
            let above: Vec<PathBuf> = changed.iter().flat_map(within).collect();
            changed.extend(above);
        }
        Self {
            epoch,
            fs: session.fs.clone(),
            made,
            changed,
        }
    }

    /// Settles them. The transaction has happened, so a failure is only a warning.
    pub fn settle(self) -> Vec<Warning> {
        let failures = self.changed.iter().filter_map(|path| self.one(path).err());
        let warning = |error: Error| Warning {
            code: WarningCode::NotReproducible,
            wheel: None,
            message: error.to_string(),
        };
        failures.map(warning).collect()
    }

    fn one(&self, path: &Path) -> Result<()> {
        // The transaction may have removed it, and nothing is done through links.
        match fs::lstat(path)? {
            Some(stat) if stat.kind == Kind::Directory => {}
            _ => return Ok(()),
        }
        Dir::open(&self.fs, path)?.settle(self.made.contains(path), self.epoch)
    }
}

//! A session: an environment under its lock, recovered, and the projects that are installed in it.
//!
//! Input: a located environment. Output: a [`Session`]. [`Session::leave_unchanged`] removes the
//! lock file and the directories that were made for it, if the session made them.

use std::path::PathBuf;

use super::{Context, Options};
use crate::environment::Environment;
use crate::environment::layout::Layout;
use crate::error::{Error, Result};
use crate::fs::{self, Dir, Lock, LockWait};
use crate::installed::{self, Installed};
use crate::outcome::{EnvironmentReport, Progress, Report, Warning};
use crate::transaction::{self, Recovered};

/// The name of the lock file in an environment's root. uv locks the same file.
const LOCK: &str = ".lock";

/// Whether a session may change the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It changes the environment, unless it is a dry run.
    Change,
    /// It only reads, apart from settling an interrupted command.
    Look,
}

/// An environment under its lock.
pub struct Session<'a> {
    /// The environment.
    pub environment: &'a Environment,
    /// Its places.
    pub layout: Layout,
    /// What is installed in it.
    pub installed: Vec<Installed>,
    context: Context<'a>,
    lock: Option<Lock>,
    made: Vec<PathBuf>,
}

impl<'a> Session<'a> {
    /// Locks the environment, settles an interrupted command in it, and lists the installed
    /// projects.
    ///
    /// # Errors
    /// It cannot be locked, recovered or read. Whatever was made for the lock is removed again.
    pub fn begin(
        environment: &'a Environment,
        purpose: Purpose,
        options: &Options,
        context: Context<'a>,
        report: &mut Report,
    ) -> Result<Self> {
        let layout = Layout::of(environment)?;
        let mut session = Self {
            environment,
            layout,
            installed: Vec::new(),
            context,
            lock: None,
            made: Vec::new(),
        };
        match session.enter(purpose, options, report) {
            Ok(()) => Ok(session),
            Err(error) => {
                session.leave_unchanged();
                Err(error)
            }
        }
    }

    fn enter(&mut self, purpose: Purpose, options: &Options, report: &mut Report) -> Result<()> {
        let path = self.environment.root.join(LOCK);
        let patience = LockWait {
            timeout: options.lock_timeout,
            cancel: self.context.cancel,
            waiting: &|path| self.context.progress.waiting(path),
        };
        if purpose == Purpose::Change && !options.dry_run {
            self.made = Dir::make_all(self.context.fs, &self.environment.root)?;
            self.lock = Some(Lock::acquire(self.context.fs, &path, &patience)?);
            self.check_identity()?;
            self.recover(report)?;
            // Planning looks at the directory that will hold the state directory, so it is made
            // before.
            let home = self.layout.state_home(self.layout.main_root());
            self.made.extend(Dir::make_all(self.context.fs, &home)?);
        } else {
            // A session that only reads makes no lock file. If there is none, no other command is
            // running that would have made one.
            self.lock = Lock::acquire_existing(&path, &patience)?;
            self.check_identity()?;
            if transaction::is_interrupted(&self.layout)? {
                if options.dry_run || self.lock.is_none() {
                    report.warnings.push(unsettled());
                } else {
                    self.recover(report)?;
                }
            }
        }
        self.installed = installed::scan(&self.layout)?;
        Ok(())
    }

    /// Refuses another directory at the environment's path than the one that was located before the
    /// lock was taken.
    fn check_identity(&self) -> Result<()> {
        let root = &self.environment.root;
        let Some(found) = self.environment.identity else {
            return Ok(());
        };
        match fs::stat(root)? {
            Some(stat) if (stat.device, stat.inode) == found => Ok(()),
            _ => Err(Error::bad_environment(
                root,
                "another directory has taken its place in the meantime; try again",
            )),
        }
    }

    /// What gets the events of this session.
    pub fn progress(&self) -> &'a dyn Progress {
        self.context.progress
    }

    fn recover(&self, report: &mut Report) -> Result<()> {
        report.warnings.extend(recovered(transaction::recover(
            self.context.fs,
            &self.layout,
        )?));
        Ok(())
    }

    /// Ends a session that changed nothing, and removes what it made for itself.
    pub fn leave_unchanged(mut self) {
        let fs = self.context.fs;
        // Only an empty lock file or empty directories can be left. The failure that led here
        // matters more than that.
        if let Some(lock) = self.lock.take() {
            let _ = lock.release_unused(fs);
        }
        let _ = Dir::remove_made(fs, &self.made);
    }
}

fn recovered(what: Recovered) -> Option<Warning> {
    let message = match what {
        Recovered::Nothing => return None,
        Recovered::Cleaned => "deleted the staged files of an interrupted command",
        Recovered::RolledBack => "took back the changes of an interrupted command",
        Recovered::Finished => "finished an interrupted command, which had made all its changes",
    };
    Some(Warning {
        code: "recovered",
        wheel: None,
        message: message.to_owned(),
    })
}

fn unsettled() -> Warning {
    let message =
        "an interrupted command has left the environment in mid-change, and is not settled now";
    Warning {
        code: "unsettled",
        wheel: None,
        message: message.to_owned(),
    }
}

/// The environment as it is shown in reports.
pub fn environment_report(environment: &Environment) -> EnvironmentReport {
    EnvironmentReport {
        root: environment.root.clone(),
        kind: environment.kind.word(),
        purelib: environment.scheme.purelib.clone(),
        platlib: environment.scheme.platlib.clone(),
        scripts: environment.scheme.scripts.clone(),
    }
}

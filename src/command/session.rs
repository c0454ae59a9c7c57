//! A session: an environment under its lock, recovered, with what is installed in it.
//!
//! Input: a located environment. Output: a [`Session`]. Directories that had to be made for the
//! lock, and the lock file itself, are taken away again by [`Session::leave_unchanged`].

use std::path::PathBuf;

use super::{Context, Options};
use crate::environment::Environment;
use crate::environment::layout::Layout;
use crate::error::{Error, Result};
use crate::fs::{self, Dir, Lock, LockWait};
use crate::installed::{self, Installed};
use crate::outcome::{EnvironmentReport, Progress, Report, Warning};
use crate::transaction::{self, Recovered};

/// The name of the lock file in an environment's root: the one that uv takes.
const LOCK: &str = ".lock";

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To change the environment, unless it is a dry run.
    Change,
    /// To look at it.
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
    /// Locks the environment, settles what a crash left in it, and looks what is installed.
    ///
    /// # Errors
    /// Where it cannot be locked, recovered or read.
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
            // What the state of the transaction lies in is there before anything is planned around
            // it.
            let home = self.layout.state_home(self.layout.main_root());
            self.made.extend(Dir::make_all(self.context.fs, &home)?);
        } else {
            // Changes nothing, so makes no lock file either: without one there is nobody to wait
            // for.
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

    /// What was found out about the environment holds for the directory that it was found in, and
    /// no other.
    fn check_identity(&self) -> Result<()> {
        let root = &self.environment.root;
        let Some(found) = self.environment.identity else {
            return Ok(());
        };
        match fs::stat(root)? {
            Some(stat) if (stat.device, stat.inode) == found => Ok(()),
            _ => Err(Error::bad_environment(
                root,
                "another directory has taken its place meanwhile; try again",
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

    /// Ends a session that changed nothing: what it made for itself goes.
    pub fn leave_unchanged(mut self) {
        let fs = self.context.fs;
        // What cannot be removed is an empty lock file or an empty directory; the failure that led
        // here matters more.
        if let Some(lock) = self.lock.take() {
            let _ = lock.release_unused(fs);
        }
        let _ = Dir::remove_made(fs, &self.made);
    }
}

fn recovered(what: Recovered) -> Option<Warning> {
    let message = match what {
        Recovered::Nothing => return None,
        Recovered::Cleaned => {
            "an interrupted command had left files that nobody saw; they are deleted"
        }
        Recovered::RolledBack => {
            "an interrupted command had left the environment in mid-change; its changes are taken back"
        }
        Recovered::Finished => "an interrupted command had made all its changes; it is finished",
    };
    Some(Warning {
        code: "recovered",
        wheel: None,
        message: message.to_owned(),
    })
}

fn unsettled() -> Warning {
    let message = "an interrupted command has left the environment in mid-change; the plan is of what is there now";
    Warning {
        code: "unsettled",
        wheel: None,
        message: message.to_owned(),
    }
}

/// The environment as reports show it.
pub fn environment_report(environment: &Environment) -> EnvironmentReport {
    EnvironmentReport {
        root: environment.root.clone(),
        kind: environment.kind.word(),
        purelib: environment.scheme.purelib.clone(),
        platlib: environment.scheme.platlib.clone(),
        scripts: environment.scheme.scripts.clone(),
    }
}

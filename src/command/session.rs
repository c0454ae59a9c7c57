//! A session: an environment under its lock, recovered, and the projects that are installed in it.
//!
//! Input: a located environment. Output: a [`Session`]. [`Session::leave_unchanged`] removes the
//! lock file and the directories that were made for it, if the session made them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::{Context, Options};
use crate::environment::Environment;
use crate::environment::layout::Layout;
use crate::error::{Error, Result};
use crate::fs::{self, Dir, Fs, Lock, LockWait};
use crate::installed::{self, Installed};
use crate::outcome::Warning;
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
    /// The installed projects.
    pub installed: Vec<Installed>,
    /// Whether an interrupted transaction was found and settled.
    pub recovered: bool,
    /// The file system.
    pub fs: Fs,
    /// Stops the command once it is true.
    pub cancel: Arc<AtomicBool>,
    lock: Option<Lock>,
    made: Vec<PathBuf>,
}

impl<'a> Session<'a> {
    /// Locks the environment, settles an interrupted command in it, and lists the installed
    /// projects.
    ///
    /// # Errors
    /// It cannot be locked, recovered or read. Files and directories that were made for the lock
    /// are removed again.
    pub fn begin(
        environment: &'a Environment,
        purpose: Purpose,
        options: &Options,
        context: Context<'_>,
    ) -> Result<Self> {
        let layout = Layout::of(environment)?;
        let mut session = Self {
            environment,
            layout,
            installed: Vec::new(),
            recovered: false,
            fs: context.fs.clone(),
            cancel: Arc::clone(context.cancel),
            lock: None,
            made: Vec::new(),
        };
        match session.enter(purpose, options, context) {
            Ok(()) => Ok(session),
            Err(error) => {
                session.leave_unchanged();
                Err(error)
            }
        }
    }

    fn enter(&mut self, purpose: Purpose, options: &Options, context: Context<'_>) -> Result<()> {
        let path = self.environment.root.join(LOCK);
        let patience = LockWait {
            timeout: options.lock_timeout,
            cancel: context.cancel,
            waiting: &|path| context.events.waiting(path),
        };
        if purpose == Purpose::Change && !options.dry_run {
            // The lock file is inside the root, so the root must exist before the lock is taken.
            self.made = Dir::make_all(&self.fs, &self.environment.root)?;
            self.lock = Some(Lock::acquire(&self.fs, &path, &patience)?);
            // The environment may have been made anew while this command waited for the lock.
            self.check_identity()?;
            self.recover(context)?;
            // Planning looks at the directory that will hold the state directory, so it is made
            // before.
            let home = self.layout.state_home(self.layout.main_root());
            self.made.extend(Dir::make_all(&self.fs, &home)?);
        } else {
            // A session that only reads makes no lock file. If there is none, no other command is
            // running that would have made one.
            self.lock = Lock::acquire_existing(&path, &patience)?;
            self.check_identity()?;
            if transaction::is_interrupted(&self.layout)? {
                // Recovery writes, which is wrong in a dry run and unsafe without the lock.
                if options.dry_run || self.lock.is_none() {
                    context.events.warning(unsettled());
                } else {
                    self.recover(context)?;
                }
            }
        }
        // Recovery may restore or remove projects, so they are listed after it.
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

    fn recover(&mut self, context: Context<'_>) -> Result<()> {
        let found = transaction::recover(&self.fs, &self.layout)?;
        self.recovered = found != Recovered::Nothing;
        if let Some(warning) = recovered(found) {
            context.events.warning(warning);
        }
        Ok(())
    }

    /// Ends the session if `result` is an error, since the command then changes nothing.
    pub fn unless_failed<T>(self, result: Result<T>) -> Result<(Self, T)> {
        match result {
            Ok(value) => Ok((self, value)),
            Err(error) => {
                self.leave_unchanged();
                Err(error)
            }
        }
    }

    /// Ends a session that changed nothing, and removes what it made for itself.
    pub fn leave_unchanged(mut self) {
        let fs = self.fs.clone();
        // Only an empty lock file or empty directories can be left. The failure that led here
        // matters more than that.
        if let Some(lock) = self.lock.take() {
            let _ = lock.release_unused(&fs);
        }
        let _ = Dir::remove_made(&fs, &self.made);
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

//! A session: an environment under its lock, recovered, and the projects that are installed in it.
//!
//! Input: a located environment. Output: a [`Session`], or with [`look`] whatever is read in one.
//! [`Session::leave_unchanged`] removes the lock file and the directories that were made for it, if
//! the session made them. Nothing changes in an environment while another command downloads and
//! stages, so reading does not wait for that: only while files are moved it waits for the lock.

use std::path::PathBuf;

use super::{Context, Options};
use crate::cancellation::Cancellation;
use crate::environment::layout::{Layout, SchemeKey};
use crate::environment::{Environment, EnvironmentKind};
use crate::error::{Error, Result, WarningCode};
use crate::fs::{self, Dir, Fs, LockWait, ReadLock, RootLock};
use crate::installed::{self, Installed};
use crate::outcome::{Activity, ActivityKind, LockWaitReport, RunningActivity, Warning};
use crate::transaction::{self, Recovered};

/// How often something is read without the lock before the reader waits for it.
const UNLOCKED_READS: usize = 3;

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It changes the environment, unless it is a dry run, and makes it if it is missing.
    Install,
    /// It changes the environment, unless it is a dry run.
    Change,
    /// It only reads, apart from settling an interrupted command.
    Look,
}

/// Reads an environment with `read`, from the beginning again if another command changed it
/// meanwhile.
///
/// # Errors
/// As [`Session::begin`], and those of `read`.
pub fn look<T>(
    environment: &Environment,
    options: &Options,
    context: Context<'_>,
    read: impl Fn(&Session<'_>) -> Result<T>,
) -> Result<T> {
    for _ in 0..UNLOCKED_READS {
        let session = Session::begin_as(environment, Access::Now, options, context)?;
        let found = read(&session);
        if session.is_undisturbed()? {
            return found;
        }
    }
    read(&Session::begin(
        environment,
        Purpose::Look,
        options,
        context,
    )?)
}

/// How a session takes the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// Alone, in a directory that may be missing.
    ToInstall,
    /// Alone.
    ToChange,
    /// Together with others that read.
    ToLook,
    /// Together with others that read; without the lock if another command holds it and does not
    /// move files at present.
    Now,
}

/// What tells whether files were moved in an environment: the times at which its library
/// directories were changed, whose names change with every transaction. The times of modification
/// would not do, because a reproducible installation sets them.
type Moment = [Option<(i64, i64)>; 2];

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
    /// Stops the command.
    pub cancel: Cancellation,
    lock: Option<RootLock>,
    /// When reading began, if that is done without the lock.
    unlocked_since: Option<Moment>,
    /// The directories that were made for the lock and the state directory.
    pub made: Vec<PathBuf>,
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
        let access = match purpose {
            Purpose::Install => Access::ToInstall,
            Purpose::Change => Access::ToChange,
            Purpose::Look => Access::ToLook,
        };
        Self::begin_as(environment, access, options, context)
    }

    fn begin_as(
        environment: &'a Environment,
        access: Access,
        options: &Options,
        context: Context<'_>,
    ) -> Result<Self> {
        let layout = Layout::of(environment)?;
        // A command that only reads or removes must not take a mistyped path for an empty
        // environment.
        if access != Access::ToInstall && fs::stat(environment.root())?.is_none() {
            return Err(Error::no_directory(environment.root()));
        }
        let mut session = Self {
            environment,
            layout,
            installed: Vec::new(),
            recovered: false,
            fs: context.fs.clone(),
            cancel: context.cancel.clone(),
            lock: None,
            unlocked_since: None,
            made: Vec::new(),
        };
        match session.enter(access, options, context) {
            Ok(()) => Ok(session),
            Err(error) => {
                session.leave_unchanged();
                Err(error)
            }
        }
    }

    fn enter(&mut self, access: Access, options: &Options, context: Context<'_>) -> Result<()> {
        let report = LockWaitReport::new(context.events);
        let wait = LockWait {
            timeout: options.lock_timeout,
            cancel: context.cancel,
            waiting: &|path| report.begin(path),
        };
        let changes = matches!(access, Access::ToInstall | Access::ToChange) && !options.dry_run;
        if changes {
            // The lock file is inside the root, so the root must exist before the lock is taken.
            self.made = Dir::make_all(&self.fs, self.environment.root())?;
            self.lock = Some(RootLock::exclusive(
                &self.fs,
                self.environment.root(),
                &wait,
            )?);
            report.end();
            // The environment may have been made anew while this command waited for the lock.
            self.check_identity()?;
            self.recover(context)?;
            // Planning looks at the directory that will hold the state directory, so it is made
            // before.
            let home = self.layout.state_home(self.layout.main_root());
            self.made.extend(Dir::make_all(&self.fs, &home)?);
        } else {
            self.enter_to_look(access, &wait)?;
            report.end();
            self.check_identity()?;
            if transaction::is_interrupted(&self.layout)? {
                self.settle(options, context, &wait)?;
                report.end();
            }
        }
        // Recovery may restore or remove projects, so they are listed after it.
        let reading = Activity::new(ActivityKind::ReadEnvironment, "");
        let _running = RunningActivity::begin(context.events, &reading);
        self.installed = installed::scan(&self.layout)?;
        Ok(())
    }

    /// Takes the lock for reading. No lock file is made for that.
    fn enter_to_look(&mut self, access: Access, wait: &LockWait<'_>) -> Result<()> {
        let root = self.environment.root();
        if access == Access::Now
            && let ReadLock::Held(lock) = RootLock::try_shared(root)?
        {
            self.lock = Some(lock);
            return Ok(());
        }
        // Files are moved only while there is a journal.
        if access == Access::Now && !transaction::is_interrupted(&self.layout)? {
            self.unlocked_since = Some(self.moment()?);
            return Ok(());
        }
        self.lock = Some(RootLock::shared(root, wait)?);
        Ok(())
    }

    /// Settles an interrupted command for a session that only reads. Recovery writes, which is
    /// wrong in a dry run, and not possible in an environment that is read-only.
    fn settle(
        &mut self,
        options: &Options,
        context: Context<'_>,
        wait: &LockWait<'_>,
    ) -> Result<()> {
        let home = self.layout.state_home(self.layout.main_root());
        if options.dry_run || !fs::is_writable(&home) {
            context.events.warning(unsettled());
            return Ok(());
        }
        // Two readers that both hold the lock would wait for each other.
        self.lock = None;
        let root = self.environment.root();
        let lock = RootLock::exclusive(&self.fs, root, wait)?;
        self.recover(context)?;
        lock.release_unused(&self.fs)?;
        self.lock = Some(RootLock::shared(root, wait)?);
        Ok(())
    }

    fn moment(&self) -> Result<Moment> {
        let time = |key| {
            let stat = fs::stat(&self.layout.absolute_directory(key))?;
            Ok::<_, Error>(stat.map(|stat| stat.changed))
        };
        Ok([time(SchemeKey::Purelib)?, time(SchemeKey::Platlib)?])
    }

    /// Whether no other command has moved files since this session began to read.
    fn is_undisturbed(&self) -> Result<bool> {
        match &self.unlocked_since {
            None => Ok(true),
            Some(moment) => {
                Ok(*moment == self.moment()? && !transaction::is_interrupted(&self.layout)?)
            }
        }
    }

    /// The warning that other programs are not kept out, if the lock file could not be locked.
    pub fn lock_warning(&self) -> Option<Warning> {
        let (path, reason) = self.lock.as_ref()?.refusal()?;
        Some(Warning {
            code: WarningCode::Unlocked,
            wheel: None,
            message: format!(
                "cannot lock `{}`: {reason}; this program's other commands are kept out, uv is not",
                path.display()
            ),
        })
    }

    /// Refuses another directory at the environment's path than the one that was located before the
    /// lock was taken.
    fn check_identity(&self) -> Result<()> {
        let root = self.environment.root();
        let Some(found) = self.environment.identity() else {
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
        let activity = Activity::new(ActivityKind::Recover, "");
        let running = RunningActivity::begin(context.events, &activity);
        let found = transaction::recover(&self.fs, &self.layout)?;
        drop(running);
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

    /// Ends a session after its changes were made. The lock file goes with it where it would be
    /// shipped with the environment, and where nothing is installed any more; it stays in a virtual
    /// environment, which uv may be waiting for, unless the tree has to be the same each time. A
    /// lock file that was there before is removed only if it is likely that of a killed command.
    pub fn leave_changed(mut self, is_emptied: bool, is_reproducible: bool) {
        let environment = self.environment;
        let is_shipped = is_reproducible
            || environment.kind() == EnvironmentKind::Target
            || environment.has_destdir()
            || self.made.iter().any(|made| made == environment.root());
        let may_be_left_over = is_reproducible || environment.has_destdir() || self.recovered;
        let fs = self.fs.clone();
        if let Some(lock) = self.lock.take()
            && (is_emptied
                || is_shipped && (lock.is_created() || may_be_left_over && lock.is_empty()))
        {
            // What the command was asked for is done, so a lock file that stays is no failure.
            let _ = lock.release_removed(&fs);
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
        Recovered::Cleaned => "removed temporary files of an interrupted command",
        Recovered::RolledBack => "took back the changes of an interrupted command",
        Recovered::Finished => "finished an interrupted command, which had made all its changes",
    };
    Some(Warning {
        code: WarningCode::Recovered,
        wheel: None,
        message: message.to_owned(),
    })
}

fn unsettled() -> Warning {
    let message =
        "an interrupted command has left the environment in mid-change, and is not settled now";
    Warning {
        code: WarningCode::Unsettled,
        wheel: None,
        message: message.to_owned(),
    }
}

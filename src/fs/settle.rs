//! Gives files and directories a fixed time, and a mode that does not depend on the user's mask, so
//! that a tree is the same each time it is made.
//!
//! Input: something open, and a time. Invariant: nothing is changed by its name, so no link is
//! followed.

use std::os::fd::AsFd;

use rustix::fs::{Mode, Timespec, Timestamps, UTIME_OMIT};

use super::{Dir, OwnedFsOp, Stat};
use crate::error::{Error, Result};

impl Dir {
    /// Gives the file `name` the time `epoch`, in seconds since 1970, and the mode 0644, or 0755 if
    /// it is executable. Nothing may be written to it afterwards.
    ///
    /// # Errors
    /// A file that has other names, or a file system that keeps no times or modes.
    pub fn settle_file(&self, name: &str, executable: bool, epoch: u64) -> Result<()> {
        let mode = if executable { 0o755 } else { 0o644 };
        let file = self.open_regular(name)?;
        let path = || self.path().join(name);
        let settle_alone = || {
            // Its other names would be changed, too: they may be in the store of wheels.
            if Stat::of(&rustix::fs::fstat(&file)?).links != 1 {
                return Err(rustix::io::Errno::MLINK);
            }
            settle(&file, Some(mode), epoch)
        };
        self.fs()
            .run(|| OwnedFsOp::Settle(path()), settle_alone)
            .map_err(|error| Error::io("set the time of", &path(), error))
    }

    /// Gives the directory the time `epoch`, in seconds since 1970, and if it is new the mode 0755.
    ///
    /// # Errors
    /// A directory of another user, or a file system that keeps no times or modes.
    pub fn settle(&self, is_new: bool, epoch: u64) -> Result<()> {
        let mode = is_new.then_some(0o755);
        self.fs()
            .run(
                || OwnedFsOp::Settle(self.path().to_owned()),
                || settle(self.fd(), mode, epoch),
            )
            .map_err(|error| Error::io("set the time of", self.path(), error))
    }

    /// Keeps everybody from adding and removing names in the directory, except for root, who may
    /// do so whatever the permissions.
    ///
    /// # Errors
    /// A directory of another user.
    pub fn make_read_only(&self) -> Result<()> {
        self.change_mode(|mode| mode & !0o222)
    }

    /// Lets the owner add and remove names in the directory.
    ///
    /// # Errors
    /// A directory of another user.
    pub fn make_writable(&self) -> Result<()> {
        self.change_mode(|mode| mode | 0o700)
    }

    fn change_mode(&self, change: impl Fn(u32) -> u32) -> Result<()> {
        let mode = Mode::from_raw_mode(change(self.own_stat()?.mode));
        self.fs()
            .run(
                || OwnedFsOp::Settle(self.path().to_owned()),
                || rustix::fs::fchmod(self.fd(), mode),
            )
            .map_err(|error| Error::io("change the mode of", self.path(), error))
    }
}

fn settle(fd: impl AsFd, mode: Option<u32>, epoch: u64) -> rustix::io::Result<()> {
    if let Some(mode) = mode {
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode))?;
    }
    let times = Timestamps {
        // When something was last read is in no archive, and reading would change it again.
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: i64::try_from(epoch).map_err(|_| rustix::io::Errno::RANGE)?,
            tv_nsec: 0,
        },
    };
    rustix::fs::futimens(&fd, &times)
}

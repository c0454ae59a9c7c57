//! What a new file gets from the directory in which it is made.
//!
//! Input: open directories. Output: [`Inherited`], and directories that pass the same on. A file
//! that is made elsewhere and moved keeps what it got there, so it has to be made in a directory
//! that is like the one it is for. Limits: rules of SELinux that depend on names are not known.

use std::os::fd::{AsFd as _, BorrowedFd};

use rustix::fs::{Gid, Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use super::OwnedFsOp;
use super::dir::{DIRECTORY, Dir};
use crate::error::{Error, Result};

/// The set-group-ID bit: new files get the group of their directory.
const SET_GROUP: u32 = 0o2000;
/// The attributes that new files get from their directory: permissions for other users and groups
/// (acl(5)), and the label by which SELinux decides.
const ATTRIBUTES: [&str; 2] = ["system.posix_acl_default", LABEL];
const LABEL: &str = "security.selinux";
/// The most bytes of one attribute; Linux has the same limit (`XATTR_SIZE_MAX`).
const MOST_BYTES: usize = 1 << 16;

/// What new files get from a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Inherited {
    /// The group, if it is not that of the process.
    group: Option<u32>,
    attributes: [Option<Vec<u8>>; 2],
}

impl Dir {
    /// What new files get from this directory.
    ///
    /// # Errors
    /// A file system that does not answer.
    pub fn inherited(&self) -> Result<Inherited> {
        let stat = self.own_stat()?;
        let mut attributes = [None, None];
        // One call for the names, since most directories have none of these attributes.
        let mut names = Vec::with_capacity(MOST_BYTES);
        // A file system without attributes refuses the call.
        let listed = rustix::fs::flistxattr(self.fd(), rustix::buffer::spare_capacity(&mut names));
        if listed.is_ok_and(|length| length > 0) {
            let has = |name: &str| {
                names
                    .split(|byte| *byte == 0)
                    .any(|one| one == name.as_bytes())
            };
            for (name, value) in ATTRIBUTES.iter().zip(&mut attributes) {
                *value = if has(name) {
                    attribute(self.fd().as_fd(), name)
                        .map_err(|error| Error::io("look at", self.path(), error.into()))?
                } else {
                    None
                };
            }
        }
        Ok(Inherited {
            group: (stat.mode & SET_GROUP != 0).then_some(stat.gid),
            attributes,
        })
    }

    /// Makes a directory that only this user may enter, and whose new files get what `inherited`
    /// says, as far as the user may give it.
    ///
    /// # Errors
    /// A directory that exists already or cannot be made.
    pub fn make_like(&self, name: &str, inherited: &Inherited) -> Result<()> {
        let make = || {
            rustix::fs::mkdirat(self.fd(), name, Mode::RWXU)?;
            let flags = DIRECTORY | OFlags::NOFOLLOW;
            let made = rustix::fs::openat(self.fd(), name, flags, Mode::empty())?;
            // Refusals are passed over: only root may give files to a group that it is not in, and
            // a file with the user's own group is better than none.
            let set_group = match inherited.group {
                Some(group) => rustix::fs::fchown(&made, None, Some(Gid::from_raw(group))).is_ok(),
                None => false,
            };
            let mode = 0o700 | if set_group { SET_GROUP } else { 0 };
            let _ = rustix::fs::fchmod(&made, Mode::from_raw_mode(mode));
            for (name, value) in ATTRIBUTES.iter().zip(&inherited.attributes) {
                // The new directory has got those of its own parent, which may have to go.
                let _ = match value {
                    Some(value) => rustix::fs::fsetxattr(&made, *name, value, XattrFlags::empty()),
                    None => rustix::fs::fremovexattr(&made, *name),
                };
            }
            Ok(())
        };
        self.fs()
            .run(|| OwnedFsOp::MakeDir(self.path().join(name)), make)
            .map_err(|error| Error::io("make the directory", &self.path().join(name), error))
    }
}

/// The label by which SELinux decides about an open file; `None` without SELinux.
pub(super) fn label(file: BorrowedFd<'_>) -> rustix::io::Result<Option<Vec<u8>>> {
    attribute(file, LABEL)
}

fn attribute(file: BorrowedFd<'_>, name: &str) -> rustix::io::Result<Option<Vec<u8>>> {
    let mut value = Vec::with_capacity(MOST_BYTES);
    match rustix::fs::fgetxattr(file, name, rustix::buffer::spare_capacity(&mut value)) {
        Ok(_) => Ok(Some(value)),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
        Err(error) => Err(error),
    }
}

//! Which directories serve as the cache of a command.
//!
//! Input: the settings. Output: [`CacheRoots`]. Files are kept in a directory that this user alone
//! can write to; a cache of root's that this user may read is read from. A cache of another user is
//! not used, because its owner decides what is in it. If the user did not name the cache, one that
//! cannot be used is a warning, and the command works with a private directory.

use super::cache_places::{PARTIAL, WHEELS};
use super::private_directories::PrivateDirectories;
use super::settings::Settings;
use crate::error::{Error, Result, WarningCode};
use crate::fs::{self, CacheDir, Fs};
use crate::outcome::Warning;

/// The directories of a cache.
#[derive(Debug)]
pub(super) struct CacheRoots {
    /// Takes new files.
    pub(super) writing: CacheDir,
    /// Is only read from.
    reading: Option<CacheDir>,
    /// Whether new files are kept for later commands.
    is_kept: bool,
}

impl CacheRoots {
    /// The directories to look for files in.
    pub(super) fn for_reading(&self) -> impl Iterator<Item = &CacheDir> {
        std::iter::once(&self.writing).chain(&self.reading)
    }

    /// The user's own cache; `None` if nothing is kept between commands.
    pub(super) fn kept(&self) -> Option<&CacheDir> {
        self.is_kept.then_some(&self.writing)
    }

    fn private(writing: CacheDir, reading: Option<CacheDir>) -> Self {
        Self {
            writing,
            reading,
            is_kept: false,
        }
    }
}

/// Opens the cache, or makes it; and a warning if it cannot be used as it was meant to be. Without
/// one that can be written to, files are put into one of the `private` directories.
pub(super) fn open_roots(
    settings: &Settings,
    private: &PrivateDirectories,
    fs: &Fs,
) -> Result<(CacheRoots, Option<Warning>)> {
    let Some(path) = &settings.cache else {
        return Ok((CacheRoots::private(private.make(fs)?, None), None));
    };
    let path = fs::absolute(path)?;
    let opened = CacheDir::make(fs, &path).and_then(|root| match with_partial(&root) {
        // On a file system without owners, none of this means anything.
        Err(error) => match root.without_owners() {
            Ok(Some(root)) => with_partial(&root).map(|()| (root, None)),
            _ if is_readable(&root) => Ok((root, Some(error))),
            _ => Err(error),
        },
        Ok(()) => Ok((root, None)),
    });
    let refused = match opened {
        Ok((root, None)) => {
            let roots = CacheRoots {
                writing: root,
                reading: None,
                is_kept: true,
            };
            return Ok((roots, None));
        }
        // It can only be read, for example because it is on a read-only file system.
        Ok((root, Some(error))) => {
            let roots = CacheRoots::private(private.make(fs)?, Some(root));
            return Ok((
                roots,
                Some(warning(&error.of_cache(), "nothing new is kept")),
            ));
        }
        Err(error) => error,
    };
    if settings.cache_is_named {
        return Err(refused.of_cache());
    }
    let warning = warning(&refused.of_cache(), "nothing is kept");
    Ok((CacheRoots::private(private.make(fs)?, None), Some(warning)))
}

/// Whether the directory can be used as a cache, with one for partial files in it.
fn with_partial(root: &CacheDir) -> Result<()> {
    of_this_user(root)?;
    root.make_child(PARTIAL).map(drop)
}

/// Whether it is a cache of this user or root that has complete files.
fn is_readable(root: &CacheDir) -> bool {
    of_this_user(root).is_ok() && root.child(WHEELS).is_ok_and(|wheels| wheels.is_some())
}

/// Refuses the cache of another user, who could put anything into it at any time.
pub(super) fn of_this_user(root: &CacheDir) -> Result<()> {
    if root.is_trusted_owner() {
        return Ok(());
    }
    let reason = format!("it belongs to another user (user ID {})", root.stat().uid);
    Err(Error::cache(root.path(), reason))
}

fn warning(error: &Error, consequence: &str) -> Warning {
    Warning {
        code: WarningCode::UnusableCache,
        wheel: None,
        message: format!("{error}; {consequence}"),
    }
}

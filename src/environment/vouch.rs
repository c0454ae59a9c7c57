//! Whether an environment that the user did not name may be used.
//!
//! Input: the root of an environment that was found (`./.venv`) or that a variable names
//! (`$VIRTUAL_ENV`). Output: nothing, or the part of it that belongs to somebody else. Anybody can
//! leave a `.venv` in a directory in which others work, and its interpreter would run with their
//! rights. As git does with repositories, such an environment is refused unless it belongs to the
//! user or to root; one that is named is the user's choice. Only files are looked at here.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fs::{self, Distrust, Kind};

/// How many symbolic links in a row are followed, as on Linux.
const MOST_LINKS: usize = 40;

/// Checks that the parts of an environment that decide about its interpreter belong to this user or
/// to root: its directory, `pyvenv.cfg`, `bin`, and the links of the interpreter in there.
///
/// # Errors
/// The first part that belongs to somebody else, or that every user may write to.
pub(super) fn check_environment(root: &Path) -> Result<()> {
    for part in ["", "pyvenv.cfg", "bin", "bin/python", "bin/python3"] {
        let path = if part.is_empty() {
            root.to_owned()
        } else {
            root.join(part)
        };
        check_links(root, &path)?;
    }
    Ok(())
}

/// Checks that a program, before it is started for an environment that was not named, can only have
/// been written by this user or root. Its directory and the one above that count too: the program
/// finds its library, whose code it runs, by them.
///
/// # Errors
/// The first of them that is not trusted.
pub(super) fn check_program(root: &Path, program: &Path) -> Result<()> {
    if let Some(stat) = fs::stat(program)? {
        refuse(root, program, fs::distrust(&stat))?;
    }
    for directory in program.ancestors().skip(1).take(2) {
        if let Some(stat) = fs::stat(directory)? {
            refuse(root, directory, fs::distrust_outside_group(&stat))?;
        }
    }
    Ok(())
}

/// Checks a path and, if it is a symbolic link, each link that it leads to. The file at the end is
/// not checked if it is outside of the environment: a link of the user's to it is the user's
/// choice, and before it is started [`check_program`] asks more.
fn check_links(root: &Path, path: &Path) -> Result<()> {
    let mut at = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Some(stat) = fs::lstat(&at)? else {
            return Ok(());
        };
        if stat.kind != Kind::Symlink {
            let is_inside = at.starts_with(root) || path == root;
            return if is_inside {
                refuse(root, &at, fs::distrust_outside_group(&stat))
            } else {
                Ok(())
            };
        }
        // Every link has all permissions, so only its owner counts.
        refuse(root, &at, fs::distrust_owner(&stat))?;
        let target = fs::link_target(&at)?;
        at = at
            .parent()
            .map_or_else(PathBuf::new, Path::to_owned)
            .join(target);
    }
    Ok(())
}

fn refuse(root: &Path, part: &Path, distrust: Option<Distrust>) -> Result<()> {
    match distrust {
        None => Ok(()),
        Some(distrust) => Err(Error::foreign_environment(root, part, distrust.to_string())),
    }
}

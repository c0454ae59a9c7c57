//! What the file system below a directory can do, found out without writing.
//!
//! Input: a directory that need not exist yet. Output: [`Capabilities`], a plain value, so that the
//! rules for one system can be tested on another. Limits: where no name in or above the directory
//! tells, it counts as one that minds case.

use std::ffi::OsStr;
use std::path::Path;

use crate::error::Result;
use crate::fs;

/// How a file system treats names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// `A` and `a` are one file.
    pub ignores_case: bool,
    /// The names and characters that Windows reserves cannot be used.
    pub windows_names: bool,
}

/// Looks at `directory`, or at the nearest directory above it that exists.
///
/// # Errors
/// Where that cannot be looked at.
pub fn probe(directory: &Path) -> Result<Capabilities> {
    let directory = fs::absolute(directory)?;
    let windows_names = nearest(&directory)?.is_some_and(fs::is_of_windows);
    Ok(Capabilities {
        ignores_case: ignores_case(&directory)?,
        windows_names,
    })
}

fn ignores_case(directory: &Path) -> Result<bool> {
    let Some(mut below) = nearest(directory)? else {
        return Ok(false);
    };
    // Only the directory itself surely answers: on some systems case is a property of each
    // directory.
    if let Some(answer) = told_by_entries(below)? {
        return Ok(answer);
    }
    let device = fs::stat(below)?.map(|stat| stat.device);
    while let (Some(parent), Some(name)) = (below.parent(), below.file_name()) {
        // What lies above a mount point says nothing about what is below it.
        if fs::stat(parent)?.map(|stat| stat.device) != device {
            break;
        }
        if let Some(answer) = flipped(name)
            .map(|other| is_same(parent, name, &other))
            .transpose()?
        {
            return Ok(answer);
        }
        below = parent;
    }
    Ok(false)
}

fn nearest(directory: &Path) -> Result<Option<&Path>> {
    for candidate in directory.ancestors() {
        if fs::stat(candidate)?.is_some_and(|stat| stat.kind == fs::Kind::Directory) {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

fn told_by_entries(directory: &Path) -> Result<Option<bool>> {
    // A directory that may be written to but not listed is no reason to fail.
    let entries = fs::list(directory).unwrap_or_default();
    for (name, _) in &entries {
        let Some(other) = flipped(name) else {
            continue;
        };
        // Both spellings stand there: two entries, be they hard links of one file.
        if entries
            .binary_search_by(|entry| entry.0.as_os_str().cmp(OsStr::new(&other)))
            .is_ok()
        {
            return Ok(Some(false));
        }
        return is_same(directory, name, &other).map(Some);
    }
    Ok(None)
}

fn is_same(directory: &Path, name: &OsStr, other: &str) -> Result<bool> {
    let (one, two) = (
        fs::lstat(&directory.join(name))?,
        fs::lstat(&directory.join(other))?,
    );
    Ok(one.zip(two).is_some_and(|(one, two)| one.is_same(&two)))
}

/// The name with the case of its ASCII letters turned over; `None` where it has none.
fn flipped(name: &OsStr) -> Option<String> {
    let name = name
        .to_str()
        .filter(|name| name.bytes().any(|byte| byte.is_ascii_alphabetic()))?;
    let flip = |c: char| {
        if c.is_ascii_uppercase() {
            c.to_ascii_lowercase()
        } else {
            c.to_ascii_uppercase()
        }
    };
    Some(name.chars().map(flip).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_turned_over() {
        assert_eq!(flipped(OsStr::new("aB-1é")).as_deref(), Some("Ab-1é"));
        assert_eq!(flipped(OsStr::new("12_é")), None);
    }

    /// What the file system of the tests really does, found out by writing.
    fn really_ignores_case() -> bool {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::write(scratch.path().join("a"), "").unwrap();
        scratch.path().join("A").exists()
    }

    #[test]
    fn the_answer_is_found_without_writing() {
        let scratch = tempfile::tempdir().unwrap();
        let expected = really_ignores_case();
        let empty = probe(scratch.path()).unwrap();
        assert_eq!(empty.ignores_case, expected);
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
        assert_eq!(probe(&scratch.path().join("not/there")).unwrap(), empty);
        std::fs::write(scratch.path().join("1"), "").unwrap();
        std::fs::write(scratch.path().join("Name"), "").unwrap();
        assert_eq!(probe(scratch.path()).unwrap(), empty);
    }

    #[test]
    fn two_links_of_one_file_are_not_one_name() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::write(scratch.path().join("name"), "").unwrap();
        if std::fs::hard_link(scratch.path().join("name"), scratch.path().join("NAME")).is_ok() {
            assert!(!probe(scratch.path()).unwrap().ignores_case);
        }
    }
}

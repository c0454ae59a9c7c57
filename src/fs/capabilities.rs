//! How the file system below a directory treats names, found out without writing.
//!
//! Input: a directory, which need not exist yet. Output: [`Capabilities`], a plain value, so that
//! the rules of one system can be tested on another. Limits: if no name in the directory or above
//! it has letters, the file system counts as one that distinguishes case.

use std::ffi::OsStr;
use std::path::Path;

use super::read::{absolute, list};
use super::stat::{Kind, is_windows_file_system, lstat, stat};
use crate::error::Result;

/// How a file system treats names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// `A` and `a` are the same file.
    pub ignores_case: bool,
    /// The names and characters that Windows reserves cannot be used.
    pub windows_names: bool,
}

impl Capabilities {
    /// Looks at `directory`, or at the nearest existing directory above it.
    ///
    /// # Errors
    /// A directory that cannot be looked at.
    pub fn probe(directory: &Path) -> Result<Self> {
        let directory = absolute(directory)?;
        let windows_names = nearest(&directory)?.is_some_and(is_windows_file_system);
        Ok(Self {
            ignores_case: ignores_case(&directory)?,
            windows_names,
        })
    }
}

fn ignores_case(directory: &Path) -> Result<bool> {
    let Some(mut below) = nearest(directory)? else {
        return Ok(false);
    };
    // The directory's own entries are the only certain answer: on some systems (ext4 and f2fs with
    // casefold, NTFS) each directory has its own rule.
    if let Some(answer) = by_entries(below)? {
        return Ok(answer);
    }
    let device = stat(below)?.map(|stat| stat.device);
    while let (Some(parent), Some(name)) = (below.parent(), below.file_name()) {
        // Above a mount point is another file system.
        if stat(parent)?.map(|stat| stat.device) != device {
            break;
        }
        if let Some(other) = with_other_case(name) {
            return is_same(parent, name, &other);
        }
        below = parent;
    }
    Ok(false)
}

fn nearest(directory: &Path) -> Result<Option<&Path>> {
    for candidate in directory.ancestors() {
        if stat(candidate)?.is_some_and(|stat| stat.kind == Kind::Directory) {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

/// Whether case is ignored, by the first entry of the directory that has letters.
fn by_entries(directory: &Path) -> Result<Option<bool>> {
    // A directory that may be written to but not listed is no reason to fail; those above it
    // answer.
    let entries = list(directory).unwrap_or_default();
    for (name, _) in &entries {
        let Some(other) = with_other_case(name) else {
            continue;
        };
        // Both spellings are entries, perhaps hard links of one file: case is distinguished.
        if entries
            .binary_search_by(|entry| entry.0.as_os_str().cmp(OsStr::new(&other)))
            .is_ok()
        {
            return Ok(Some(false));
        }
        // One name is enough, because the rule is the same for all names of a directory.
        return is_same(directory, name, &other).map(Some);
    }
    Ok(None)
}

fn is_same(directory: &Path, name: &OsStr, other: &str) -> Result<bool> {
    // Links are not followed: two links to one file are still two names.
    let one = lstat(&directory.join(name))?;
    let two = lstat(&directory.join(other))?;
    Ok(one.zip(two).is_some_and(|(one, two)| one.is_same(&two)))
}

/// The name with the case of each ASCII letter changed; `None` if it has none.
fn with_other_case(name: &OsStr) -> Option<String> {
    let name = name
        .to_str()
        .filter(|name| name.bytes().any(|byte| byte.is_ascii_alphabetic()))?;
    // File systems disagree on how other letters change their case.
    let change = |c: char| {
        if c.is_ascii_uppercase() {
            c.to_ascii_lowercase()
        } else {
            c.to_ascii_uppercase()
        }
    };
    Some(name.chars().map(change).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_case_of_letters_is_changed() {
        assert_eq!(
            with_other_case(OsStr::new("aB-1é")).as_deref(),
            Some("Ab-1é")
        );
        assert_eq!(with_other_case(OsStr::new("12_é")), None);
    }

    /// The real capabilities of the tests' file system, found out by writing.
    fn really_ignores_case() -> bool {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::write(scratch.path().join("a"), "").unwrap();
        scratch.path().join("A").exists()
    }

    #[test]
    fn the_answer_is_found_without_writing() {
        let scratch = tempfile::tempdir().unwrap();
        let expected = really_ignores_case();
        let empty = Capabilities::probe(scratch.path()).unwrap();
        assert_eq!(empty.ignores_case, expected);
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
        assert_eq!(
            Capabilities::probe(&scratch.path().join("not/there")).unwrap(),
            empty
        );
        std::fs::write(scratch.path().join("1"), "").unwrap();
        std::fs::write(scratch.path().join("Name"), "").unwrap();
        assert_eq!(Capabilities::probe(scratch.path()).unwrap(), empty);
    }

    #[test]
    fn two_links_of_one_file_are_not_one_name() {
        let scratch = tempfile::tempdir().unwrap();
        std::fs::write(scratch.path().join("name"), "").unwrap();
        if std::fs::hard_link(scratch.path().join("name"), scratch.path().join("NAME")).is_ok() {
            assert!(!Capabilities::probe(scratch.path()).unwrap().ignores_case);
        }
    }
}

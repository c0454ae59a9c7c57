//! Directories of the store that environments have symbolic links to.
//!
//! Input: an entry. Output: the path of a directory in it. Before the first such link its
//! directories are made read-only, so that neither an interpreter nor another installer adds files
//! to them or takes some away. Limits: nothing of that holds for root.

use std::path::PathBuf;

use super::entry::TREE;
use super::{ContentId, Store, StoredWheel};
use crate::error::{Error, Result};
use crate::fs::{Dir, Kind};

impl Store {
    /// The path of a directory of an entry, which is read-only from now on.
    ///
    /// # Errors
    /// An entry that is gone, or directories of another user.
    pub fn linked_directory(&self, id: ContentId, directory: &str) -> Result<PathBuf> {
        let path = format!("{}/{TREE}", id.path());
        let tree = self.dir.open_below(&path)?;
        let tree = tree.ok_or_else(|| Error::cache(&self.path().join(&path), "it is gone"))?;
        make_read_only(&tree)?;
        Ok(tree.path().join(directory))
    }
}

impl StoredWheel {
    /// As [`Store::linked_directory`], for an entry that is open.
    ///
    /// # Errors
    /// Directories of another user.
    pub fn linked_directory(&self, directory: &str) -> Result<PathBuf> {
        make_read_only(&self.tree)?;
        Ok(self.tree.path().join(directory))
    }
}

/// Makes a directory and all in it read-only. It comes last itself: if it is read-only, all are.
fn make_read_only(directory: &Dir) -> Result<()> {
    if directory.own_stat()?.mode & 0o222 == 0 {
        return Ok(());
    }
    for (name, kind) in directory.names()? {
        if kind != Kind::Directory {
            continue;
        }
        // A name that is not UTF-8 is of no wheel.
        if let Some(name) = name.to_str()
            && let Some(inner) = directory.open_below(name)?
        {
            make_read_only(&inner)?;
        }
    }
    directory.make_read_only()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::fs::Fs;

    #[test]
    fn all_directories_become_read_only_and_files_stay_as_they_are() {
        let scratch = tempfile::tempdir().expect("there is room");
        let path = |name: &str| scratch.path().join(name);
        std::fs::create_dir_all(path("tree/a/b")).expect("made");
        std::fs::write(path("tree/a/file"), "text").expect("written");
        let tree = Dir::open(&Fs::default(), &path("tree")).expect("opened");
        make_read_only(&tree).expect("changed");
        let mode = |name: &str| {
            let stat = std::fs::metadata(path(name)).expect("there");
            stat.permissions().mode() & 0o222
        };
        for directory in ["tree", "tree/a", "tree/a/b"] {
            assert_eq!(mode(directory), 0, "{directory}");
        }
        assert_ne!(mode("tree/a/file"), 0);
        crate::fs::remove_tree(
            &Dir::open(&Fs::default(), scratch.path()).expect("opened"),
            "tree",
        )
        .expect("removed");
        assert!(!path("tree").exists());
    }
}

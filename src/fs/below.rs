//! A directory below an open one, for the work with several of its files.
//!
//! Input: an open directory, and a path below it. Output: a directory and the paths of files for
//! it. Opening the directory itself takes two system calls, and then spares each file the walk
//! through all the directories on the way, so it is only worth it for a few files or more.

use std::borrow::Cow;

use super::Dir;
use crate::error::Result;

/// From how many files on a directory is opened: the point from which on it takes less time.
pub const WORTH_OPENING: usize = 4;

/// A directory below another one: opened if several of its files are needed.
#[derive(Debug)]
pub struct Below<'a> {
    root: &'a Dir,
    below: &'a str,
    opened: Option<Dir>,
}

impl<'a> Below<'a> {
    /// The directory `below` the directory `root`, or that itself if `below` is empty, in which
    /// work with so many `files` is to be done. As [`Dir::open_own`] for places that only this
    /// command can change.
    ///
    /// # Errors
    /// A directory that cannot be opened.
    pub fn new(root: &'a Dir, below: &'a str, files: usize) -> Result<Self> {
        let is_worth_it = files >= WORTH_OPENING && !below.is_empty();
        Ok(Self {
            root,
            below,
            opened: is_worth_it.then(|| root.open_own(below)).transpose()?,
        })
    }

    /// Whether it is the directory `below` the same root.
    pub fn is_at(&self, below: &str) -> bool {
        self.below == below
    }

    /// The directory that [`Below::path`] is below.
    pub fn dir(&self) -> &Dir {
        self.opened.as_ref().unwrap_or(self.root)
    }

    /// The path of a file in it, for [`Below::dir`].
    pub fn path<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if self.opened.is_some() || self.below.is_empty() {
            Cow::Borrowed(name)
        } else {
            Cow::Owned([self.below, "/", name].concat())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Fs;

    #[test]
    fn files_are_found_whether_it_is_opened_or_not() {
        let scratch = tempfile::tempdir().expect("there is room");
        std::fs::create_dir_all(scratch.path().join("a/b")).expect("made");
        std::fs::write(scratch.path().join("a/b/c"), "text").expect("written");
        let root = Dir::open(&Fs::default(), scratch.path()).expect("opened");
        for files in [1, WORTH_OPENING] {
            let directory = Below::new(&root, "a/b", files).expect("opened");
            assert!(directory.is_at("a/b") && !directory.is_at("a"));
            let stat = directory.dir().stat(&directory.path("c"));
            assert!(stat.expect("looked at").is_some(), "{files}");
        }
        let top = Below::new(&root, "", WORTH_OPENING).expect("opened");
        assert_eq!(top.path("a"), "a");
        assert!(Below::new(&root, "gone", WORTH_OPENING).is_err());
    }
}

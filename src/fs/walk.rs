//! Looks at trees through open directories, so that no link on the way can lead elsewhere.
//!
//! Input: an open directory and a path below it. Output: what is there. No symbolic link is
//! followed, neither on the way nor at the end.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::Dir;
use super::read::OpenFile;
use super::stat::{Kind, Stat};
use crate::error::{Error, Result};

impl Dir {
    /// The directory that holds the last component of a path below this one, and that component:
    /// `None` for the directory if it is this one. The outer `None` means that it is missing.
    ///
    /// # Errors
    /// A component that is no directory or cannot be opened.
    pub fn parent_of<'p>(&self, below: &'p str) -> Result<Option<(Option<Self>, &'p str)>> {
        let Some((parent, name)) = below.rsplit_once('/') else {
            return Ok(Some((None, below)));
        };
        Ok(self.open_below(parent)?.map(|parent| (Some(parent), name)))
    }

    /// Everything at and below a path, sorted by name as [`walk`](super::walk) does it: the path
    /// relative to `below`, which is empty for `below` itself, and its metadata. Empty if nothing
    /// is there.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn walk(&self, below: &str) -> Result<Vec<(PathBuf, Stat)>> {
        let mut found = Vec::new();
        if let Some((parent, name)) = self.parent_of(below)? {
            let parent = parent.as_ref().unwrap_or(self);
            parent.walk_into(name, Path::new(""), &mut found)?;
        }
        Ok(found)
    }

    fn walk_into(&self, name: &str, at: &Path, found: &mut Vec<(PathBuf, Stat)>) -> Result<()> {
        // An entry that was removed since it was listed is left out rather than being an error.
        let Some(stat) = self.stat(name)? else {
            return Ok(());
        };
        found.push((at.to_owned(), stat));
        if stat.kind != Kind::Directory {
            return Ok(());
        }
        let Some(inner) = self.open_below(name)? else {
            return Ok(());
        };
        let mut names = inner.names()?;
        names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (name, _) in names {
            inner.walk_into(text_of(&inner, &name)?, &at.join(&name), found)?;
        }
        Ok(())
    }

    /// Opens the regular file at a path below this directory; `None` if it is missing or something
    /// else, such as a symbolic link.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub fn open_file(&self, below: &str) -> Result<Option<OpenFile>> {
        let Some((parent, name)) = self.parent_of(below)? else {
            return Ok(None);
        };
        let fail = |error: Errno| Error::io("open", &self.path().join(below), error.into());
        // NONBLOCK: opening a pipe without a writer would wait for one.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let directory = parent.as_ref().unwrap_or(self).fd();
        let open = || rustix::fs::openat(directory, name, flags, Mode::empty());
        let file = match rustix::io::retry_on_intr(open) {
            // A symbolic link is LOOP on Linux, and MLINK on some BSDs.
            Err(Errno::NOENT | Errno::LOOP | Errno::MLINK | Errno::NXIO) => return Ok(None),
            result => File::from(result.map_err(fail)?),
        };
        let stat = Stat::of(&rustix::fs::fstat(&file).map_err(fail)?);
        let path = self.path().join(below);
        Ok((stat.kind == Kind::File).then(|| OpenFile::of(file, path, stat)))
    }

    /// The target of the symbolic link at a path below this directory; `None` if it is missing or
    /// something else.
    ///
    /// # Errors
    /// A link that cannot be read.
    pub fn link_target(&self, below: &str) -> Result<Option<Vec<u8>>> {
        let Some((parent, name)) = self.parent_of(below)? else {
            return Ok(None);
        };
        let parent = parent.as_ref().unwrap_or(self);
        match rustix::fs::readlinkat(parent.fd(), name, Vec::new()) {
            Ok(target) => Ok(Some(target.into_bytes())),
            Err(Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(error) => Err(Error::io(
                "read the link",
                &self.path().join(below),
                error.into(),
            )),
        }
    }

    /// Reads the regular file at a path below this directory, of which at most `limit` bytes are
    /// taken; `None` as for [`Dir::open_file`].
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read_below(&self, below: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let file = self.open_file(below)?;
        file.map(|file| file.read_to_limit(limit)).transpose()
    }
}

/// The name of an entry as text.
fn text_of<'n>(directory: &Dir, name: &'n OsStr) -> Result<&'n str> {
    name.to_str().ok_or_else(|| {
        let path = directory.path().join(name);
        Error::bad_environment(&path, "its name is not UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Fs, walk};

    #[test]
    fn a_tree_looks_the_same_through_its_directory_and_by_its_path() {
        let scratch = tempfile::tempdir().expect("there is room");
        let root = scratch.path();
        std::fs::create_dir_all(root.join("t/b/c")).expect("made");
        for file in ["t/a", "t/b/x", "t/b/c/y", "t/b.z"] {
            std::fs::write(root.join(file), file).expect("written");
        }
        std::os::unix::fs::symlink("b", root.join("t/link")).expect("linked");
        let dir = Dir::open(&Fs::default(), root).expect("opened");
        for below in ["t", "t/b", "t/a", "missing", "missing/too"] {
            let by_path = walk(&root.join(below)).expect("looked at");
            assert_eq!(dir.walk(below).expect("looked at"), by_path, "{below}");
        }
        let link = dir.walk("t/link").expect("looked at");
        assert_eq!(link.len(), 1, "a link is not followed");
        assert!(dir.walk("t/link/c").is_err(), "a link on the way");
        let read = |below, limit| dir.read_below(below, limit).expect("read");
        assert_eq!(read("t/b/x", 100).as_deref(), Some(&b"t/b/x"[..]));
        assert_eq!(read("t/b/x", 2).as_deref(), Some(&b"t/"[..]));
        assert_eq!(
            (read("t/link", 9), read("t/b", 9), read("no", 9)),
            (None, None, None)
        );
    }
}

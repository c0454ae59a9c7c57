//! A directory held in memory: read from disk, compared in full, restored.
//!
//! An [`Image`] has every path below a directory with its kind, permissions and whole content.
//! Times are kept and restored, but not compared. [`Image::restore`] brings a directory to the
//! state of the image and keeps every directory that exists already. `.lock` in the directory
//! itself is left out.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The name of the directory in which the program keeps what is its own.
pub const PRIVATE: &str = ".pkg-install";

/// Something in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Directory { mode: u32 },
    File { mode: u32, content: Vec<u8> },
    Link { target: PathBuf },
}

/// Everything in a directory, by its path relative to it.
#[derive(Debug, Clone, Default)]
pub struct Image {
    pub nodes: BTreeMap<PathBuf, Node>,
    pub times: BTreeMap<PathBuf, SystemTime>,
    /// Whether the directory itself is not there.
    pub absent: bool,
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        self.absent == other.absent && self.nodes == other.nodes
    }
}

impl Image {
    /// The directory as it is now.
    pub fn of(root: &Path) -> Self {
        let mut image = Self {
            absent: fs::symlink_metadata(root).is_err(),
            ..Self::default()
        };
        if !image.absent {
            image.take(root, Path::new(""));
        }
        image
    }

    fn take(&mut self, root: &Path, relative: &Path) {
        for child in fs::read_dir(root.join(relative)).expect("the directory can be listed") {
            let path = relative.join(child.expect("the directory can be listed").file_name());
            if path == Path::new(".lock") {
                continue;
            }
            let full = root.join(&path);
            let metadata = fs::symlink_metadata(&full).expect("what was listed is there");
            let mode = metadata.permissions().mode() & 0o7777;
            if metadata.is_dir() {
                self.nodes.insert(path.clone(), Node::Directory { mode });
                self.take(root, &path);
            } else if metadata.is_symlink() {
                let target = fs::read_link(&full).expect("the link can be read");
                self.nodes.insert(path, Node::Link { target });
            } else {
                let content = fs::read(&full).expect("the file can be read");
                self.times
                    .insert(path.clone(), metadata.modified().expect("files have times"));
                self.nodes.insert(path, Node::File { mode, content });
            }
        }
    }

    /// Brings the directory to what the image says.
    pub fn restore(&self, root: &Path) {
        if self.absent {
            if root.exists() {
                fs::remove_dir_all(root).expect("the directory can be removed");
            }
            return;
        }
        fs::create_dir_all(root).expect("the directory can be made");
        let _ = fs::remove_file(root.join(".lock"));
        let there = Self::of(root);
        for (path, node) in there.nodes.iter().rev() {
            let full = root.join(path);
            match (node, self.nodes.get(path)) {
                (Node::Directory { .. }, Some(Node::Directory { .. })) => {}
                (Node::Directory { .. }, _) => {
                    fs::remove_dir(full).expect("the directory can be removed");
                }
                (_, wanted)
                    if wanted == Some(node) && there.times.get(path) == self.times.get(path) => {}
                _ => fs::remove_file(full).expect("the file can be removed"),
            }
        }
        for (path, node) in &self.nodes {
            self.make(&root.join(path), path, node);
        }
    }

    fn make(&self, full: &Path, path: &Path, node: &Node) {
        let there = fs::symlink_metadata(full).is_ok();
        let mode = match node {
            Node::Directory { mode } => {
                if !there {
                    fs::create_dir(full).expect("the directory can be made");
                }
                *mode
            }
            Node::File { .. } | Node::Link { .. } if there => return,
            Node::Link { target } => return symlink(target, full).expect("the link can be made"),
            Node::File { mode, content } => {
                fs::write(full, content).expect("the file can be written");
                if let Some(time) = self.times.get(path) {
                    let file = fs::File::options()
                        .write(true)
                        .open(full)
                        .expect("the file can be opened");
                    file.set_modified(*time).expect("its time can be set");
                }
                *mode
            }
        };
        fs::set_permissions(full, fs::Permissions::from_mode(mode))
            .expect("permissions can be set");
    }

    /// The image without anything of the program's own.
    pub fn public(&self) -> Self {
        let mut image = self.clone();
        image
            .nodes
            .retain(|path, _| !path.iter().any(|name| name == PRIVATE));
        image
    }

    /// Whether the program's own directory is in it.
    pub fn has_private(&self) -> bool {
        self.nodes
            .keys()
            .any(|path| path.iter().any(|name| name == PRIVATE))
    }

    /// The lines in which the other differs: `-` lines are only in this one, `+` lines only in the
    /// other.
    pub fn difference(&self, other: &Self) -> String {
        let mut lines = Vec::new();
        for (sign, one, two) in [('-', self, other), ('+', other, self)] {
            for (path, node) in one
                .nodes
                .iter()
                .filter(|(path, node)| two.nodes.get(*path) != Some(node))
            {
                let shown = match node {
                    Node::Directory { mode } => format!("directory {mode:o}"),
                    Node::File { mode, content } => {
                        format!("file {mode:o} {:?}", String::from_utf8_lossy(content))
                    }
                    Node::Link { target } => format!("link to {}", target.display()),
                };
                lines.push(format!(
                    "{sign} {}  {}",
                    path.display(),
                    shown.chars().take(160).collect::<String>()
                ));
            }
        }
        lines.join("\n")
    }
}

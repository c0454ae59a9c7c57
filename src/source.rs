//! Where a wheel's bytes are, and what was promised of them.
//!
//! Input: what the user named: a path, a directory, `file.whl#sha256=…`. Output: [`Source`]s, one a wheel, directories
//! replaced by the wheels directly inside them, sorted by name. A new sort of input enters the crate here.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fs::{self, Kind};
use crate::hash::{Algorithm, Digest};

/// One wheel that is to be installed.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// The digests that the file must have, all of them; empty where nothing was promised.
    pub pinned: Vec<Digest>,
    /// Whether the user asked for this very project, which REQUESTED records. A wheel given as a path is what a
    /// resolver left, so nothing is known of that.
    pub requested: bool,
}

impl Source {
    /// A wheel of which nothing is promised.
    pub fn from_path(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), pinned: Vec::new(), requested: false }
    }

    /// The path as text: how errors and reports name the wheel.
    pub fn label(&self) -> String {
        self.path.display().to_string()
    }

    /// What the user typed as one argument: a wheel, a wheel with a pinned hash after `#`, or a directory, which stands
    /// for every `*.whl` directly inside it.
    ///
    /// # Errors
    /// Where there is no such file, the hash cannot be read, or a directory holds no wheel.
    pub fn from_argument(argument: &Path) -> Result<Vec<Self>> {
        if let Some(stat) = fs::stat(argument)? {
            return match stat.kind {
                Kind::Directory => wheels_in(argument),
                _ => Ok(vec![Self::from_path(argument)]),
            };
        }
        if let Some((path, fragment)) = argument.to_str().and_then(|text| text.rsplit_once('#')) {
            let pinned = fragment.split('&').map(pinned_hash).collect::<Result<_>>()?;
            if fs::stat(Path::new(path))?.is_some() {
                return Ok(vec![Self { pinned, ..Self::from_path(path) }]);
            }
        }
        Err(Error::usage(format!("there is no wheel or directory `{}`", argument.display())))
    }
}

fn pinned_hash(fragment: &str) -> Result<Digest> {
    let parsed = fragment.split_once('=').and_then(|(name, hex)| {
        let algorithm = Algorithm::from_name(name)?;
        Digest::from_hex(algorithm, hex)
    });
    parsed
        .ok_or_else(|| Error::usage(format!("`#{fragment}` is not a hash: write `#sha256=` and 64 hexadecimal digits")))
}

fn wheels_in(directory: &Path) -> Result<Vec<Source>> {
    let wheels: Vec<_> = fs::list(directory)?
        .into_iter()
        .map(|(name, _)| directory.join(name))
        .filter(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .map(Source::from_path)
        .collect();
    if wheels.is_empty() {
        return Err(Error::usage(format!("the directory `{}` holds no wheel", directory.display())));
    }
    Ok(wheels)
}

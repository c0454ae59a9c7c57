//! Reading the documents that a request names.

use std::path::Path;

use super::Document;
use crate::error::{Error, Result};
use crate::fs;
use crate::spec::location::shown;

impl Document {
    /// Reads the file at `path`; a missing one is a usage error.
    pub fn read(path: &Path) -> Result<Self> {
        if fs::stat(path)?.is_none() {
            // A URL in place of a path is no file either, and may hold a password.
            let shown = shown(&path.display().to_string());
            return Err(Error::usage(format!("there is no file `{shown}`")));
        }
        Ok(Self {
            at: path.to_owned(),
            content: fs::read_document(path)?,
        })
    }
}

//! Addresses, and the files at them.

use std::fmt;

use url::Url;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::spec::location::request_url;

/// A file on a server, and what was promised about it.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its address, which may hold credentials.
    pub url: Url,
    /// The name that it gets in the cache: one component of a path.
    pub file_name: String,
    /// Its length in bytes, if that is known beforehand.
    pub size: Option<u64>,
    /// The digests that it must have, all of them.
    pub pinned: Vec<Digest>,
    /// Its name in messages: the address without credentials, as
    /// [`label_of`](crate::spec::location::label_of) makes it.
    pub label: String,
}

impl RemoteFile {
    /// Refuses a file name that would lead out of the cache.
    pub(super) fn check_name(&self) -> Result<()> {
        let name = &self.file_name;
        let plain = !matches!(name.as_str(), "" | "." | "..") && !name.contains(['/', '\\', '\0']);
        if plain {
            Ok(())
        } else {
            Err(Error::usage(format!("`{}` names no file", self.label)))
        }
    }

    /// What identifies the address, the query included, which the label leaves out.
    pub(super) fn key(&self) -> String {
        request_url(&self.url).into()
    }

    /// The host that is asked; empty if the address has none.
    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

/// Without the address, which may hold a password.
impl fmt::Debug for RemoteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteFile")
            .field("label", &self.label)
            .field("pinned", &self.pinned)
            .finish_non_exhaustive()
    }
}

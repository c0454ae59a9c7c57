//! The downloader of a command, which all of its steps share.
//!
//! Output: [`Downloader`]s that are the same one. The metadata and the parts of wheels that were
//! fetched for a resolution are there for the installation, also if nothing is kept between
//! commands. A step that begins anew needs another one, since an address is fetched only once.

use super::{Context, Options};
#[cfg(feature = "http")]
use crate::download::Downloader;
#[cfg(feature = "http")]
use crate::error::Result;

/// The downloader of a command, which is made when something is fetched for the first time.
pub struct SharedDownloads<'a> {
    /// How to fetch.
    pub options: &'a Options,
    /// The environment of the command.
    pub context: Context<'a>,
    #[cfg(feature = "http")]
    made: std::cell::OnceCell<Downloader>,
}

impl<'a> SharedDownloads<'a> {
    /// Connects to nothing and makes no cache yet.
    pub fn new(options: &'a Options, context: Context<'a>) -> Self {
        Self {
            options,
            context,
            #[cfg(feature = "http")]
            made: std::cell::OnceCell::new(),
        }
    }

    /// The downloader.
    ///
    /// # Errors
    /// The cache cannot be used.
    #[cfg(feature = "http")]
    pub fn downloader(&self) -> Result<Downloader> {
        if let Some(made) = self.made.get() {
            return Ok(made.clone());
        }
        let (fs, cancel) = (self.context.fs, self.context.cancel.clone());
        let made = Downloader::new(&self.options.download, fs, cancel)?;
        Ok(self.made.get_or_init(|| made).clone())
    }
}

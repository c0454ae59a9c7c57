//! A wheel from what is known of its contents, without its archive.

use super::open::{direct_url, disagreements, is_dist_info_of};
use super::{Digests, OpenOptions, Wheel, WheelEntry, needs_own_digest};
use std::sync::Arc;

use crate::digest::{Algorithm, Digest};
use crate::error::Result;
use crate::outcome::Warning;
use crate::source::Source;
use crate::spec::core_metadata::Metadata;
use crate::spec::entry_points::EntryPoint;
use crate::spec::wheel_name::WheelName;

/// What is in a wheel, whatever its file is called and wherever it came from.
#[derive(Debug, Clone)]
pub struct WheelContents {
    /// See [`Wheel::root_is_purelib`].
    pub root_is_purelib: bool,
    /// See [`Wheel::dist_info`].
    pub dist_info: String,
    /// See [`Wheel::metadata`].
    pub metadata: Metadata,
    /// See [`Wheel::entries`]. All of them have digests.
    pub entries: Arc<Vec<WheelEntry>>,
    /// See [`Wheel::entry_points`].
    pub entry_points: Vec<EntryPoint>,
    /// See [`Wheel::warnings`]. The wheel that they name is replaced.
    pub warnings: Vec<Warning>,
}

impl WheelContents {
    /// The wheel at `source` with these contents; `None` if the name of its file contradicts them,
    /// or something has to be known about the file itself: opening that tells more.
    ///
    /// # Errors
    /// A relative path in a working directory that was removed.
    pub fn into_wheel(self, source: &Source, options: OpenOptions) -> Result<Option<Wheel>> {
        let Ok(name) = WheelName::parse(&source.file_name) else {
            return Ok(None);
        };
        let is_its_own = is_dist_info_of(&self.dist_info, &name)
            && disagreements(&self.metadata, &name).is_empty();
        let is_unpinned = options.require_hashes && source.pinned.is_empty();
        if !is_its_own || is_unpinned || needs_own_digest(source) {
            return Ok(None);
        }
        let label = source.label();
        let digest = Digest::among(&source.pinned.certain(), Algorithm::Sha256);
        let warnings = self.warnings.into_iter().map(|warning| Warning {
            wheel: Some(label.clone()),
            ..warning
        });
        Ok(Some(Wheel {
            name,
            metadata: self.metadata,
            root_is_purelib: self.root_is_purelib,
            dist_info: self.dist_info,
            entries: self.entries,
            digests: Digests::Known,
            entry_points: self.entry_points,
            requested: source.requested,
            direct_url: direct_url(source, digest)?,
            warnings: warnings.collect(),
            label,
        }))
    }
}

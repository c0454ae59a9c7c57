//! The artefact of `pack` as a part of the JSON object.

use std::path::Path;

use pkg_install::command::{ArtifactLayer, PackedArtifact};
use schemars::JsonSchema;
use serde::Serialize;

use super::lossy;

/// The artefact as a part of the JSON object.
#[derive(Serialize, JsonSchema)]
pub struct ArtifactObject<'a> {
    #[serde(serialize_with = "lossy")]
    #[schemars(with = "String")]
    path: &'a Path,
    #[schemars(extend("enum" = ["pyz", "zip", "tar.gz", "oci"]))]
    format: &'static str,
    /// Of the file, or of the layers that were added.
    bytes: u64,
    /// Of the whole file, or of the manifest of an image.
    sha256: &'a str,
    /// The SHA-256 of the sorted paths, modes and digests of the files in it.
    id: &'a str,
    /// How many files it contains.
    entries: u64,
    /// How many of them are copied as the wheels have them.
    copied: u64,
    /// How many entries of wheels are compressed again.
    recompressed: u64,
    /// The layers that were added to an image; only of `oci`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    layers: Vec<LayerObject<'a>>,
}

/// A layer of an image.
#[derive(Serialize, JsonSchema)]
struct LayerObject<'a> {
    /// The projects in it, each with its version.
    wheels: &'a [String],
    /// The SHA-256 of the blob.
    digest: &'a str,
    /// The SHA-256 of the archive before it is compressed.
    diff_id: &'a str,
    bytes: u64,
}

impl<'a> ArtifactObject<'a> {
    /// The object for an artefact.
    pub fn of(artifact: &'a PackedArtifact) -> Self {
        Self {
            path: &artifact.path,
            format: artifact.format.word(),
            bytes: artifact.bytes,
            sha256: (artifact.sha256.as_deref()).expect("it is asked for with `--json`"),
            id: &artifact.id,
            entries: artifact.entries,
            copied: artifact.copied,
            recompressed: artifact.recompressed,
            layers: artifact.layers.iter().map(LayerObject::of).collect(),
        }
    }
}

impl<'a> LayerObject<'a> {
    fn of(layer: &'a ArtifactLayer) -> Self {
        Self {
            wheels: &layer.projects,
            digest: &layer.digest,
            diff_id: &layer.diff_id,
            bytes: layer.bytes,
        }
    }
}

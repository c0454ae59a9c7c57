//! An image layout: a directory with an image's manifest, configuration and layers (OCI image
//! format, "Image Layout").
//!
//! Blobs are named after their contents, so that nothing in a layout is ever changed; only
//! `index.json`, which is replaced last, makes a blob a part of an image. An interrupted command
//! leaves blobs that no image has.

use std::path::Path;

use serde_json::{Value, json};

use super::base::{BaseImage, Descriptor, TAG, read_json};
use super::target::PackTarget;
use super::{ArtifactLayer, ImageRequest, PackRequest, PackedArtifact};
use crate::command::Context;
use crate::command::open::Opened;
use crate::digest::{Algorithm, Digest};
use crate::error::{Error, Result};
use crate::fs::{self, Dir};
use crate::outcome::Status;
use crate::pack::{self, Contents, LayerFiles, PackCounts, PackOptions, WrittenLayer};
use crate::plan::Plan;
use crate::spec::timestamp::Timestamp;
use crate::threads::SpareThreads;

const LAYOUT: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// The search path of a shell in an image without one.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is packed into an image.
pub(super) struct ImageParts<'a> {
    pub(super) target: &'a PackTarget,
    pub(super) base: Option<&'a BaseImage>,
    pub(super) plan: &'a Plan,
    pub(super) contents: &'a Contents<'a>,
    pub(super) opened: &'a Opened,
    pub(super) modified: u64,
}

/// Adds the image to the layout at the request's path, which is made if it is missing.
pub(super) fn write(
    request: &PackRequest,
    image: &ImageRequest,
    parts: &ImageParts<'_>,
    how: &PackOptions<'_>,
    context: Context<'_>,
) -> Result<(PackedArtifact, Status)> {
    let below = parts.base.map_or(0, |base| base.layers.len());
    let most = pack::MAX_LAYERS.checked_sub(below).filter(|&most| most > 2);
    let most = most.ok_or_else(|| Error::usage("the base has too many layers"))?;
    let archives = &parts.opened.archives;
    let layers = pack::layers(parts.contents, parts.plan, archives, most, image.as_one)?;
    let layout = ImageLayout::open(&request.output, context)?;
    if let Some(base) = parts.base {
        base.copy_layers(&layout.blobs, how.cancel)?;
    }
    let written = layout.write_layers(&layers, parts, how)?;
    let named: Vec<(&LayerFiles, &WrittenLayer)> = layers.iter().zip(&written).collect();
    let config = config(request, image, parts, &named)?;
    let config = layout.add_document(CONFIG, &config)?;
    let mut blobs: Vec<Value> = Vec::new();
    blobs.extend(parts.base.iter().flat_map(|base| base.layers.clone()));
    blobs.extend(named.iter().map(|(_, layer)| {
        Descriptor {
            media_type: LAYER.to_owned(),
            digest: layer.digest,
            size: layer.bytes,
        }
        .to_json()
    }));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.to_json(),
        "layers": blobs,
    });
    let manifest = layout.add_document(MANIFEST, &manifest)?;
    let status = layout.add_to_index(&manifest, &image.tag, how)?;
    let mut counts = PackCounts::default();
    for layer in &written {
        counts.entries += layer.counts.entries;
        counts.copied += layer.counts.copied;
        counts.recompressed += layer.counts.recompressed;
    }
    let artifact = PackedArtifact {
        path: request.output.clone(),
        format: request.format,
        bytes: written.iter().map(|layer| layer.bytes).sum(),
        sha256: Some(manifest.digest.to_hex()),
        id: parts.contents.id.clone(),
        entries: counts.entries,
        copied: counts.copied,
        recompressed: counts.recompressed,
        layers: named
            .iter()
            .map(|(files, layer)| ArtifactLayer::of(files, layer))
            .collect(),
    };
    Ok((artifact, status))
}

/// The configuration of the image: that of the base, extended.
fn config(
    request: &PackRequest,
    image: &ImageRequest,
    parts: &ImageParts<'_>,
    layers: &[(&LayerFiles, &WrittenLayer)],
) -> Result<Value> {
    let mut config = match parts.base {
        Some(base) => base.config.clone(),
        None => json!({"architecture": parts.target.architecture()?, "os": "linux"}),
    };
    let created = rfc3339(parts.modified);
    let prefix = image.prefix.display();
    let run = &mut config["config"];
    let mut variables: Vec<Value> = run["Env"].as_array().cloned().unwrap_or_default();
    let value_of = |name: &str| {
        let begin = format!("{name}=");
        let mut texts = variables.iter().filter_map(Value::as_str);
        texts.find_map(|text| text.strip_prefix(&begin).map(str::to_owned))
    };
    let path = value_of("PATH").unwrap_or_else(|| PATH.to_owned());
    variables.retain(|text| {
        let text = text.as_str().unwrap_or_default();
        !text.starts_with("PATH=") && !text.starts_with("VIRTUAL_ENV=")
    });
    variables.push(format!("PATH={prefix}/bin:{path}").into());
    variables.push(format!("VIRTUAL_ENV={prefix}").into());
    run["Env"] = variables.into();
    if let Some(entry) = &request.entry {
        let script = super::script_of(entry);
        run["Entrypoint"] = json!([format!("{prefix}/bin/{script}")]);
        if let Some(run) = run.as_object_mut() {
            // The arguments of the base's own program mean nothing to another one.
            run.remove("Cmd");
        }
    } else if parts.base.is_none() {
        run["Cmd"] = json!([format!("{prefix}/bin/python")]);
    }
    let mut diff_ids = config["rootfs"]["diff_ids"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let below = diff_ids.len();
    diff_ids.extend(
        layers
            .iter()
            .map(|(_, layer)| format!("sha256:{}", layer.diff_id.to_hex()).into()),
    );
    config["rootfs"] = json!({"type": "layers", "diff_ids": diff_ids});
    let mut history = config["history"].as_array().cloned().unwrap_or_default();
    let is_layer = |entry: &&Value| entry["empty_layer"] != json!(true);
    // There are as many entries as layers, or none at all.
    let is_complete = history.iter().filter(is_layer).count() == below;
    if is_complete {
        history.extend(layers.iter().map(|(files, _)| {
            let what = match &files.projects[..] {
                [] => "environment".to_owned(),
                projects => projects.join(", "),
            };
            json!({"created": created, "created_by": format!("pkg-install pack: {what}")})
        }));
        config["history"] = history.into();
    } else if let Some(config) = config.as_object_mut() {
        config.remove("history");
    }
    config["created"] = created.into();
    Ok(config)
}

fn rfc3339(seconds: u64) -> String {
    let at = Timestamp::from_seconds(seconds).civil();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year, at.month, at.day, at.hour, at.minute, at.second
    )
}

/// A layout on disk.
struct ImageLayout {
    root: Dir,
    blobs: Dir,
}

impl ImageLayout {
    /// Opens the layout at `path`, or makes one.
    fn open(path: &Path, context: Context<'_>) -> Result<Self> {
        let is_new = fs::stat(path)?.is_none() || fs::list(path)?.is_empty();
        if !is_new && fs::stat(&path.join("oci-layout"))?.is_none() {
            let shown = path.display();
            return Err(Error::usage(format!(
                "`{shown}` is there and no image layout"
            )));
        }
        Dir::make_all(context.fs, &path.join("blobs/sha256"))?;
        let layout = Self {
            root: Dir::open(context.fs, path)?,
            blobs: Dir::open(context.fs, &path.join("blobs/sha256"))?,
        };
        if is_new {
            put(&layout.root, "oci-layout", LAYOUT)?;
        }
        Ok(layout)
    }

    /// Writes the blobs of all layers, on all threads.
    fn write_layers(
        &self,
        layers: &[LayerFiles],
        parts: &ImageParts<'_>,
        how: &PackOptions<'_>,
    ) -> Result<Vec<WrittenLayer>> {
        how.progress
            .begin(parts.contents.count() as u64, parts.contents.size());
        let written = pack::write_layers(layers, how.pool, |number, spare| {
            let partial = format!(".{}-{number}.part", super::unique_name());
            let written = self.write_layer(&partial, &layers[number], parts, (how, spare));
            if written.is_err() {
                // The first failure matters more than a file that stays behind.
                let _ = self.blobs.remove_file(&partial);
            }
            written
        });
        how.progress.end();
        written
    }

    fn write_layer(
        &self,
        partial: &str,
        layer: &LayerFiles,
        parts: &ImageParts<'_>,
        (how, spare): (&PackOptions<'_>, &SpareThreads),
    ) -> Result<WrittenLayer> {
        let file = self.blobs.create(partial, false)?;
        let from = (parts.contents, &parts.opened.archives);
        let (file, written) = pack::write_layer(layer, from, parts.modified, (how, spare), file)?;
        if how.durable {
            file.flush()?;
        }
        self.blobs.replace(partial, &written.digest.to_hex())?;
        Ok(written)
    }

    /// Adds a document as a blob.
    fn add_document(&self, media_type: &str, document: &Value) -> Result<Descriptor> {
        let bytes = document.to_string().into_bytes();
        let digest = Digest::of(Algorithm::Sha256, &bytes);
        put(&self.blobs, &digest.to_hex(), &bytes)?;
        Ok(Descriptor {
            media_type: media_type.to_owned(),
            digest,
            size: bytes.len() as u64,
        })
    }

    /// Makes the image visible under its name, which may have been another image's before.
    fn add_to_index(
        &self,
        manifest: &Descriptor,
        tag: &str,
        how: &PackOptions<'_>,
    ) -> Result<Status> {
        let path = self.root.path().join("index.json");
        let mut index = match fs::stat(&path)? {
            Some(_) => read_json(&path)?,
            None => json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}),
        };
        let before = index.clone();
        let mut manifests = index["manifests"].as_array().cloned().unwrap_or_default();
        let mut entry = manifest.to_json();
        entry["annotations"] = json!({TAG: tag});
        // It keeps its place, so that the same image again changes nothing.
        let is_old = |old: &Value| old["annotations"][TAG] == json!(tag);
        match manifests.iter().position(is_old) {
            Some(number) => manifests[number] = entry,
            None => manifests.push(entry),
        }
        index["manifests"] = manifests.into();
        if index == before {
            return Ok(Status::Unchanged);
        }
        how.cancel.check()?;
        if how.durable {
            self.blobs.flush()?;
        }
        put(&self.root, "index.json", index.to_string().as_bytes())?;
        if how.durable {
            self.root.flush()?;
        }
        Ok(Status::Packed)
    }
}

/// Writes a whole file under another name, and then moves it to its place.
fn put(directory: &Dir, name: &str, content: &[u8]) -> Result<()> {
    let partial = format!(".{}.part", super::unique_name());
    let mut file = directory.create(&partial, false)?;
    let written = file.write(content);
    drop(file);
    let put = written.and_then(|()| directory.replace(&partial, name));
    if put.is_err() {
        let _ = directory.remove_file(&partial);
    }
    put
}

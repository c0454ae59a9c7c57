//! The image that another one extends, in a layout on disk.
//!
//! Input: the path of the layout, and the name of the image if there are several. Output: its
//! configuration and its layers, which are copied as they are, after their digests were checked.
//! Limits: layers that are compressed with Zstandard are copied, but no interpreter is found in
//! them.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::archive::gzip_reader;
use crate::cancellation::Cancellation;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{Error, Result};
use crate::fs::{self, Dir, OpenFile, ReadAt};
use crate::spec::tags::Platform;

/// The annotation of a manifest with the name that people call the image by.
pub(super) const TAG: &str = "org.opencontainers.image.ref.name";

/// An image that is extended.
pub(super) struct BaseImage {
    blobs: PathBuf,
    /// Its configuration.
    pub(super) config: Value,
    /// The descriptors of its layers.
    pub(super) layers: Vec<Value>,
}

/// What a layout says of a blob ("Content Descriptors").
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

impl Descriptor {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "mediaType": self.media_type,
            "digest": format!("sha256:{}", self.digest.to_hex()),
            "size": self.size,
        })
    }
}

impl BaseImage {
    /// Reads the image for processors of this kind.
    ///
    /// # Errors
    /// There is no such image, there are several, or a document is damaged.
    pub(super) fn read(layout: &Path, tag: Option<&str>, architecture: &str) -> Result<Self> {
        let blobs = layout.join("blobs/sha256");
        let refuse = |why: &str| Error::usage(format!("`{}`: {why}", layout.display()));
        if fs::stat(&layout.join("oci-layout"))?.is_none() {
            return Err(refuse("it is no image layout"));
        }
        let index = read_json(&layout.join("index.json"))?;
        let is_wanted =
            |entry: &&Value| tag.is_none_or(|tag| entry["annotations"][TAG] == json!(tag));
        let manifests = index["manifests"].as_array();
        let found: Vec<&Value> = manifests.into_iter().flatten().filter(is_wanted).collect();
        let mut entry = match found[..] {
            [entry] => entry.clone(),
            [] => return Err(refuse("there is no such image in it")),
            _ => {
                return Err(refuse(
                    "there are several images in it; name one as `LAYOUT:TAG`",
                ));
            }
        };
        // An index of images for several processors.
        if entry["mediaType"]
            .as_str()
            .is_some_and(|kind| kind.contains("index") || kind.contains("list"))
        {
            let index = read_blob(&blobs, &entry)?;
            let fits = |entry: &&Value| {
                entry["platform"]["architecture"] == json!(architecture)
                    && entry["platform"]["os"] == json!("linux")
            };
            let mut manifests = index["manifests"].as_array().into_iter().flatten();
            let found = manifests.find(fits);
            entry = found
                .ok_or_else(|| refuse("it has no image for this processor"))?
                .clone();
        }
        let manifest = read_blob(&blobs, &entry)?;
        let config = read_blob(&blobs, &manifest["config"])?;
        let layers = manifest["layers"].as_array().cloned().unwrap_or_default();
        if config["architecture"] != json!(architecture) {
            return Err(refuse("it is for another processor"));
        }
        Ok(Self {
            blobs,
            config,
            layers,
        })
    }

    /// The first of these absolute paths that is a file of the image.
    ///
    /// # Errors
    /// A layer that cannot be read.
    pub(super) fn find(&self, paths: &[PathBuf], cancel: &Cancellation) -> Result<Option<PathBuf>> {
        let mut there = vec![false; paths.len()];
        for layer in &self.layers {
            let path = self.blobs.join(hex(layer)?);
            let file = open(&path)?;
            let reader = BlobReader { file: &file, at: 0 };
            let kind = layer["mediaType"].as_str().unwrap_or_default();
            let fail = |error: io::Error| Error::io("read", &path, error);
            let found = if kind.ends_with("gzip") {
                names(gzip_reader(reader), paths, &mut there, cancel)
            } else if kind.ends_with("tar") {
                names(reader, paths, &mut there, cancel)
            } else {
                continue;
            };
            found.map_err(fail)?;
            cancel.check()?;
        }
        let found = there.iter().position(|&there| there);
        Ok(found.map(|number| paths[number].clone()))
    }

    /// Copies the blobs of its layers to another layout, unless they are there.
    ///
    /// # Errors
    /// A blob that is not what its digest says, or cannot be copied.
    pub(super) fn copy_layers(&self, to: &Dir, cancel: &Cancellation) -> Result<()> {
        for layer in &self.layers {
            let name = hex(layer)?;
            let file = open(&self.blobs.join(name))?;
            if to.stat(name)?.is_some_and(|stat| stat.size == file.size()) {
                continue;
            }
            let partial = format!(".{}.part", super::unique_name());
            let mut copy = to.create(&partial, false)?;
            let mut hasher = Hasher::new(Algorithm::Sha256);
            let copied = file.in_pieces(&mut |piece| {
                cancel.check()?;
                hasher.update(piece);
                copy.write(piece)
            });
            drop(copy);
            let checked = copied.and_then(|()| match hasher.finish().to_hex() == name {
                true => to.replace(&partial, name),
                false => Err(damaged(file.path())),
            });
            if checked.is_err() {
                // The first failure matters more than a file that stays behind.
                let _ = to.remove_file(&partial);
            }
            checked?;
        }
        Ok(())
    }
}

/// The name of a processor as images have it (Go's `GOARCH`); `None` for systems without images.
pub(super) fn architecture(platform: &Platform) -> Option<&str> {
    let (Platform::Glibc { arch, .. } | Platform::Musl { arch, .. } | Platform::Linux { arch }) =
        platform
    else {
        return None;
    };
    Some(match arch.as_str() {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "i686" => "386",
        "armv7l" | "armv8l" => "arm",
        other => other,
    })
}

/// Reads a JSON document.
///
/// # Errors
/// It cannot be read, or is no JSON.
pub(super) fn read_json(path: &Path) -> Result<Value> {
    serde_json::from_slice(&fs::read(path)?).map_err(|_| damaged(path))
}

/// Reads the document that a descriptor names.
fn read_blob(blobs: &Path, descriptor: &Value) -> Result<Value> {
    let name = hex(descriptor)?;
    let path = blobs.join(name);
    let content = fs::read(&path)?;
    if Digest::of(Algorithm::Sha256, &content).to_hex() != name {
        return Err(damaged(&path));
    }
    serde_json::from_slice(&content).map_err(|_| damaged(&path))
}

/// The digits of a descriptor's digest, which name a file.
fn hex(descriptor: &Value) -> Result<&str> {
    let digest = descriptor["digest"].as_str().unwrap_or_default();
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    match Digest::from_hex(Algorithm::Sha256, hex) {
        Some(_) => Ok(hex),
        None => Err(Error::usage(format!(
            "the image has a blob with the digest `{digest}`"
        ))),
    }
}

fn open(path: &Path) -> Result<OpenFile> {
    OpenFile::open(path)?.ok_or_else(|| damaged(path))
}

fn damaged(path: &Path) -> Error {
    let error = io::Error::new(io::ErrorKind::InvalidData, "it is damaged");
    Error::io("read", path, error)
}

/// Marks which of the paths a layer has, and unmarks those that it deletes.
fn names(
    mut archive: impl Read,
    paths: &[PathBuf],
    there: &mut [bool],
    cancel: &Cancellation,
) -> io::Result<()> {
    let mut header = [0; 512];
    loop {
        if cancel.check().is_err() || archive.read_exact(&mut header).is_err() || header[0] == 0 {
            return Ok(());
        }
        let text = |range: std::ops::Range<usize>| {
            let field = &header[range];
            let end = field
                .iter()
                .position(|&byte| byte == 0)
                .unwrap_or(field.len());
            String::from_utf8_lossy(&field[..end]).into_owned()
        };
        let (name, prefix) = (text(0..100), text(345..500));
        let name = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}/{name}")
        };
        let name = name.trim_start_matches("./").trim_start_matches('/');
        for (path, there) in paths.iter().zip(there.iter_mut()) {
            let own = path.to_string_lossy();
            let (directory, file) = own.rsplit_once('/').unwrap_or_default();
            if own.trim_start_matches('/') == name {
                *there = true;
            } else if format!("{}/.wh.{file}", directory.trim_start_matches('/')) == name {
                *there = false;
            }
        }
        let size = text(124..136);
        let size = match (header[124], size.trim()) {
            // GNU tar states sizes from 8 GiB in binary, behind this byte.
            (0x80, _) => u64::from_be_bytes(header[128..136].try_into().expect("eight bytes")),
            (_, "") => 0,
            (_, digits) => u64::from_str_radix(digits, 8).map_err(io::Error::other)?,
        };
        let skipped = size.next_multiple_of(512);
        io::copy(&mut archive.by_ref().take(skipped), &mut io::sink())?;
    }
}

/// Reads a blob from its beginning.
struct BlobReader<'a> {
    file: &'a OpenFile,
    at: u64,
}

impl Read for BlobReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(into, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

//! Layers of a container image (OCI image format, "Image Layer Filesystem Changeset"): compressed
//! tar archives, one for each large wheel.
//!
//! Input: the contents of an artefact, below the directory where an image has them. Output: blobs.
//! The blob of a wheel depends on that wheel, the directory and the interpreter alone, so that
//! all images with the same wheel share it.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};

use super::contents::{Contents, PackedContent};
use super::hashed::LayerSource;
use super::output::ArtifactOutput;
use super::tarred::{TarGzWriter, TarMembers};
use super::{PackCounts, PackOptions};
use crate::archive::{Scratch, StreamEnd};
use crate::digest::Digest;
use crate::error::{Error, Result, SpreadFault};
use crate::fs::OutputFile;
use crate::plan::Plan;
use crate::stage::{Group, Queue};
use crate::threads::{OnPanic, Pool, SpareThreads, beside};
use crate::wheel::Archives;

/// How many layers an image may have, those of its base included: more cannot be mounted.
pub const MAX_LAYERS: usize = 127;
/// The compressed length from which a wheel gets a layer of its own. Each layer costs a request.
const OWN_LAYER: u64 = 1 << 20;

/// The files of a layer.
#[derive(Debug, Clone, Default)]
pub struct LayerFiles {
    /// The projects, each with its version; none for the files that no wheel has.
    pub projects: Vec<String>,
    /// The positions of its files in the contents.
    files: Vec<usize>,
    /// The length of the data in the wheels.
    compressed: u64,
}

/// A layer that was written.
#[derive(Debug, Clone, Copy)]
pub struct WrittenLayer {
    /// The SHA-256 of the blob.
    pub digest: Digest,
    /// The SHA-256 of the archive before it is compressed.
    pub diff_id: Digest,
    /// The length of the blob in bytes.
    pub bytes: u64,
    /// How its files were made.
    pub counts: PackCounts,
}

/// Shares the contents out among at most `most` layers: first what no wheel has, then each large
/// wheel, at last all small ones. With `as_one` there is a single layer.
///
/// # Errors
/// A name that would delete something in an image.
pub fn layers(
    contents: &Contents<'_>,
    plan: &Plan,
    archives: &Archives,
    most: usize,
    as_one: bool,
) -> Result<Vec<LayerFiles>> {
    let mut by_project: BTreeMap<Option<u32>, LayerFiles> = BTreeMap::new();
    for (number, file) in contents.files().enumerate() {
        refuse_deletion(&file.path, file.owner.map(|id| id.0), plan)?;
        let owner = file.owner.map(|id| id.0).filter(|_| !as_one);
        let layer = by_project.entry(owner).or_default();
        layer.files.push(number);
        if let PackedContent::Entry(wheel, entry) = file.content {
            layer.compressed += archives.get(wheel)?.entries()[entry.0 as usize].compressed();
        }
    }
    let name = |id: u32| {
        let change = &plan.changes[id as usize];
        format!("{} {}", change.name.normalized(), change.version)
    };
    let mut sizes: Vec<u64> = by_project.values().map(|layer| layer.compressed).collect();
    sizes.sort_unstable_by(|one, two| two.cmp(one));
    // Two layers are kept for the files of no wheel, and for the small wheels.
    let limit = sizes
        .get(most.saturating_sub(2))
        .copied()
        .unwrap_or_default();
    let least = OWN_LAYER.max(limit + 1);
    let (mut layers, mut rest) = (Vec::new(), LayerFiles::default());
    for (owner, mut layer) in by_project {
        layer.projects.extend(owner.map(name));
        if owner.is_none() || layer.compressed >= least {
            layers.push(layer);
        } else {
            rest.projects.append(&mut layer.projects);
            rest.files.append(&mut layer.files);
        }
    }
    if as_one {
        layers[0].projects = (0..).map(name).take(plan.changes.len()).collect();
    }
    if !rest.files.is_empty() {
        layers.push(rest);
    }
    Ok(layers)
}

/// A name with this beginning removes a file of a lower layer ("Whiteouts").
fn refuse_deletion(path: &str, owner: Option<u32>, plan: &Plan) -> Result<()> {
    if !path.split('/').any(|name| name.starts_with(".wh.")) {
        return Ok(());
    }
    let source = owner.and_then(|id| plan.changes[id as usize].source.as_deref());
    let fault = SpreadFault::Protected {
        path: path.to_owned(),
        what: "a file of another layer of the image, which such a name deletes",
    };
    Err(Error::wheel(source.unwrap_or_default(), fault))
}

/// Writes all layers on the threads of `pool`. `write` is called once for each layer, with its
/// number and the threads that have nothing to do, which help with huge entries. The largest layers
/// come first, so that the threads finish at about the same time.
///
/// # Errors
/// The error of a layer; no layer is begun after it. If several fail, the first in their order.
pub fn write_layers(
    layers: &[LayerFiles],
    pool: &Pool,
    write: impl Fn(usize, &SpareThreads) -> Result<WrittenLayer> + Sync,
) -> Result<Vec<WrittenLayer>> {
    let queue = Queue::new(true);
    let group = |(number, layer): (usize, &LayerFiles)| Group {
        unpacks: true,
        cost: layer.compressed,
        work: number,
    };
    queue.add(layers.iter().enumerate().map(group).collect());
    queue.close();
    let written: Vec<OnceLock<Result<WrittenLayer>>> =
        layers.iter().map(|_| OnceLock::new()).collect();
    pool.on_each_thread(|| {
        let _stop = OnPanic(|| queue.stop());
        while let Some(number) = queue.next() {
            let layer = write(number, queue.spare());
            if layer.is_err() {
                queue.stop();
            }
            // Each number is given out once.
            let _ = written[number].set(layer);
        }
    });
    let written = written.into_iter().filter_map(OnceLock::into_inner);
    written.collect()
}

/// Writes a layer into an empty file. Every content is checked before it is written.
///
/// # Errors
/// As [`pack`](super::pack()).
pub fn write_layer<'f>(
    layer: &LayerFiles,
    (contents, archives): (&Contents<'_>, &Archives),
    modified: u64,
    (options, spare): (&PackOptions<'_>, &SpareThreads),
    file: OutputFile<'f>,
) -> Result<(OutputFile<'f>, WrittenLayer)> {
    let mut output = ArtifactOutput::new(file, true);
    let source = &LayerSource {
        files: &layer.files,
        contents,
        archives,
        modified,
        options,
    };
    let (to_writer, checked) = mpsc::channel();
    let to_file = &mut output;
    // Each side owns its end of the channel, so that the other side sees when it has failed.
    let (hashed, written) = beside(
        move || {
            let to_writer = to_writer;
            source.hash(spare, &to_writer)
        },
        move || {
            let checked = checked;
            source.write(&checked, to_file)
        },
    );
    // A side stops early only if the other one has failed.
    let (Some(diff_id), Some(counts)) = (hashed?, written?) else {
        return Err(Error::interrupted());
    };
    let bytes = output.length();
    let (file, digest) = output.finish()?;
    let written = WrittenLayer {
        digest: digest.expect("it was asked for above"),
        diff_id,
        bytes,
        counts,
    };
    Ok((file, written))
}

impl LayerSource<'_> {
    /// Writes the files of the layer, each entry once it was checked. `None` if checking ended
    /// early.
    fn write(
        &self,
        checked: &Receiver<Option<StreamEnd>>,
        output: &mut ArtifactOutput<'_>,
    ) -> Result<Option<PackCounts>> {
        let compression = self.options.compression;
        let mut tar = TarGzWriter::begin((self.modified, compression.level()), output)?;
        tar.directories(self.files())?;
        let mut scratch = Scratch::new();
        for file in self.files() {
            self.options.cancel.check()?;
            tar.header(&file)?;
            tar.counts.entries += 1;
            match &file.content {
                PackedContent::Bytes(bytes) => tar.add(bytes)?,
                PackedContent::Record(owner) => tar.add(&self.contents.record(*owner))?,
                // It has no content.
                PackedContent::Link(_) => continue,
                PackedContent::Entry(wheel, entry) => {
                    let Ok(end) = checked.recv() else {
                        return Ok(None);
                    };
                    let (archive, entry) = self.entry(*wheel, *entry)?;
                    let label = self.archives.label(*wheel);
                    if compression.copies(entry) {
                        tar.copy((archive, entry), end, &mut scratch, label)?;
                    } else {
                        tar.counts.recompressed += 1;
                        // It is read once more, so it is checked once more.
                        let expected = file.expected(self.options.verify);
                        archive
                            .unpack_stream(entry, expected, &mut scratch, &mut |piece| {
                                tar.add(piece)
                            })
                            .map_err(|error| error.of_wheel(label))?;
                    }
                }
            }
            tar.pad(file.size)?;
        }
        tar.finish().map(Some)
    }
}

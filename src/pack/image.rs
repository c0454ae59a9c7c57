//! Layers of a container image (OCI image format, "Image Layer Filesystem Changeset"): compressed
//! tar archives, one for each large wheel.
//!
//! Input: the contents of an artefact, below the directory where an image has them. Output: blobs.
//! The blob of a wheel depends on that wheel, the directory and the interpreter alone, so that
//! all images with the same wheel share it.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};

use super::contents::{Contents, PackedContent, PackedFile};
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
use crate::threads::{OnPanic, Pool, SpareThreads, beside_in_background};
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
/// come first, so that the threads finish at about the same time. If one of them is most of the
/// image, it will be the last to be finished, so the others give way to it.
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
    let main = main_layer(layers);
    let gives_way =
        |number| main.is_some_and(|main| number != main && written[main].get().is_none());
    pool.on_each_thread(|| {
        let _stop = OnPanic(|| queue.stop());
        while let Some(number) = queue.next() {
            let write = || write(number, queue.spare());
            let layer = if gives_way(number) {
                beside_in_background(|| (), write).1
            } else {
                write()
            };
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

/// The layer that is more than three quarters of the image.
fn main_layer(layers: &[LayerFiles]) -> Option<usize> {
    let all: u64 = layers.iter().map(|layer| layer.compressed).sum();
    layers
        .iter()
        .position(|layer| layer.compressed > all / 4 * 3)
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
    let writer = LayerWriter::begin(source, checked, &mut output)?;
    let is_hashed = &AtomicBool::new(false);
    // Hashing takes longer than writing, which fills the time in which a processor is idle. Each
    // side owns its end of the channel, so that the other side sees when it has failed.
    let (hashed, written) = beside_in_background(
        move || {
            let hashed = source.hash(spare, &to_writer);
            is_hashed.store(true, Ordering::Relaxed);
            drop(to_writer);
            hashed
        },
        move || writer.write_until(|| is_hashed.load(Ordering::Relaxed)),
    );
    let early = Error::interrupted;
    // A side stops early only if the other one has failed.
    let (diff_id, writer) = hashed?.zip(written?).ok_or_else(early)?;
    // What is left need not give way to anything.
    let writer = writer.write_until(|| false)?.ok_or_else(early)?;
    let counts = writer.tar.finish()?;
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

/// A layer while it is written.
struct LayerWriter<'a, 'o, 'f> {
    source: &'a LayerSource<'a>,
    /// The end of the stream of each entry, once the entry was checked.
    checked: Receiver<Option<StreamEnd>>,
    /// How many of the files were written.
    done: usize,
    scratch: Scratch,
    tar: TarGzWriter<'o, 'f>,
}

impl<'a, 'o, 'f> LayerWriter<'a, 'o, 'f> {
    /// Writes the directories.
    fn begin(
        source: &'a LayerSource<'a>,
        checked: Receiver<Option<StreamEnd>>,
        output: &'o mut ArtifactOutput<'f>,
    ) -> Result<Self> {
        let level = source.options.compression.level();
        let mut tar = TarGzWriter::begin((source.modified, level), output)?;
        tar.directories(source.files())?;
        Ok(Self {
            source,
            checked,
            done: 0,
            scratch: Scratch::new(),
            tar,
        })
    }

    /// Writes files until `stop` is true before one of them, or all were written. `None` if
    /// checking ended early.
    fn write_until(mut self, stop: impl Fn() -> bool) -> Result<Option<Self>> {
        while let Some(&number) = self.source.files.get(self.done)
            && !stop()
        {
            self.source.options.cancel.check()?;
            let file = self.source.contents.file(number);
            if !self.write_file(&file)? {
                return Ok(None);
            }
            self.done += 1;
        }
        Ok(Some(self))
    }

    /// Writes a file; an entry once it was checked. False if it will not be.
    fn write_file(&mut self, file: &PackedFile<'_>) -> Result<bool> {
        let (source, tar) = (self.source, &mut self.tar);
        tar.header(file)?;
        tar.counts.entries += 1;
        match &file.content {
            PackedContent::Bytes(bytes) => tar.add(bytes)?,
            PackedContent::Record(owner) => tar.add(&source.contents.record(*owner))?,
            // It has no content.
            PackedContent::Link(_) => return Ok(true),
            PackedContent::Entry(wheel, entry) => {
                let Ok(end) = self.checked.recv() else {
                    return Ok(false);
                };
                let (archive, entry) = source.entry(*wheel, *entry)?;
                let label = source.archives.label(*wheel);
                if source.options.compression.copies(entry) {
                    tar.copy((archive, entry), end, &mut self.scratch, label)?;
                } else {
                    tar.counts.recompressed += 1;
                    // It is read once more, so it is checked once more.
                    let expected = file.expected(source.options.verify);
                    archive
                        .unpack_stream(entry, expected, &mut self.scratch, &mut |piece| {
                            tar.add(piece)
                        })
                        .map_err(|error| error.of_wheel(label))?;
                }
            }
        }
        tar.pad(file.size)?;
        Ok(true)
    }
}

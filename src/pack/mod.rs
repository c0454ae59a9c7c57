//! Packing: one artefact from the files of a plan, without unpacking anything to disk.
//!
//! Input: a [`Plan`] for an environment that does not exist, the wheels' [`Archives`], and a
//! [`Format`]. Output: one file, and [`Packed`], what there is to say about it. Every content is
//! checked as in an installation, and what the wheels have compressed is copied as it is.
//!
//! `contents` lists what the artefact holds, `checks` checks it on all threads, and one thread
//! writes it: `zipped`, `tarred` or `pyz`, with the formats in `zip`, `tar` and `gzip`.
//! `recompressed` deflates what is not copied. `image` writes the layers of a container image, each
//! on a thread of its own; `hashed` checks and hashes a layer on a second one, and `ahead` unpacks
//! on a third one. The bytes are a function of the wheels' contents, the options and the version of
//! this program.

mod ahead;
mod checks;
mod contents;
mod gzip;
mod hashed;
mod image;
mod launcher;
mod output;
mod pyz;
mod recompressed;
mod tar;
mod tarred;
mod zip;
mod zipped;

pub use contents::{
    AddedContent, AddedFile, Contents, PackedContent, PackedFile, wheels_without_digests,
};
pub use image::{LayerFiles, MAX_LAYERS, WrittenLayer, layers, write_layer, write_layers};
pub use launcher::NeededPython;

use crate::archive::{Entry, LEVEL, Method};
use crate::cancellation::Cancellation;
use crate::digest::{Backend, Digest};
use crate::error::Result;
use crate::fs::OutputFile;
use crate::outcome::Events;
use crate::spec::record::Verify;
use crate::stage::Arrivals;
use crate::threads::Pool;
use crate::wheel::Archives;
use checks::Checks;
use output::ArtifactOutput;

/// The time of every file, unless another one is wanted: the first that zip archives can state, in
/// seconds since 1970.
pub const MODIFIED: u64 = 315_532_800;

/// The kinds of artefacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackFormat {
    /// An application in one executable file.
    Pyz,
    /// An environment in a zip archive.
    Zip,
    /// An environment in a tar archive that is compressed with gzip.
    TarGz,
    /// A container image in a layout directory.
    Oci,
}

impl PackFormat {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pyz => "pyz",
            Self::Zip => "zip",
            Self::TarGz => "tar.gz",
            Self::Oci => "oci",
        }
    }
}

/// How the contents of wheels are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PackCompression {
    /// As in the wheels, except for Zstandard, which is deflated.
    #[default]
    Copied,
    /// Not at all.
    Stored,
    /// Deflated anew, at a level from 1 to 9.
    Level(u8),
}

impl PackCompression {
    /// Whether the data of an entry is copied.
    fn copies(self, entry: &Entry) -> bool {
        self == Self::Copied && entry.method() != Method::Zstd
    }

    /// The level of what is not copied.
    fn level(self) -> u32 {
        match self {
            Self::Copied => LEVEL,
            Self::Stored => 0,
            Self::Level(level) => level.into(),
        }
    }
}

/// How to pack.
pub struct PackOptions<'a> {
    /// How strictly contents are checked.
    pub verify: Verify,
    /// The implementation that hashes.
    pub backend: Backend,
    /// How contents are compressed.
    pub compression: PackCompression,
    /// The threads that check.
    pub pool: &'a Pool,
    /// Whether to flush what is written, so that it survives a loss of power.
    pub durable: bool,
    /// Stops packing.
    pub cancel: &'a Cancellation,
    /// Gets an event for every entry.
    pub progress: &'a dyn Events,
}

/// What an artefact is, beside its contents.
pub struct ArtifactSpec<'a> {
    /// The format.
    pub format: PackFormat,
    /// The interpreter that it needs.
    pub python: &'a NeededPython,
    /// The script that an application runs; `None` for the interpreter itself.
    pub entry: Option<&'a str>,
    /// The time of every file, in seconds since 1970.
    pub modified: u64,
    /// Whether the digest of the whole is wanted.
    pub hashes: bool,
}

/// How the files of an artefact were made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PackCounts {
    /// How many files there are.
    pub entries: u64,
    /// How many of them are copied as the wheels have them.
    pub copied: u64,
    /// How many entries of wheels are compressed again.
    pub recompressed: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed {
    /// The length in bytes.
    pub bytes: u64,
    /// The SHA-256 of the whole, if that is wanted.
    pub sha256: Option<Digest>,
    /// How its files were made.
    pub counts: PackCounts,
}

/// Writes the artefact into an empty file, which is returned with what was written. Wheels that are
/// not in `archives` have to arrive; their order does not matter to the bytes. After an error
/// the file holds a part, of which nothing may be used.
///
/// # Errors
/// A content that is not what its wheel states, a failure to read or to write, or the command was
/// stopped.
pub fn pack<'f>(
    artefact: &ArtifactSpec<'_>,
    contents: &Contents<'_>,
    (archives, arrivals): (&Archives, Option<Arrivals<'_>>),
    options: &PackOptions<'_>,
    file: OutputFile<'f>,
) -> Result<(OutputFile<'f>, Packed)> {
    let finds_ends = artefact.format == PackFormat::TarGz;
    let (arrivals, enough) = arrivals.map(|both| (both.archives, both.enough)).unzip();
    let checks = Checks::new(contents, (archives, enough), options, finds_ends);
    let ((file, sha256), (counts, bytes)) = checks.run(arrivals, |checks| {
        let mut output = ArtifactOutput::new(file, artefact.hashes);
        let counts = match artefact.format {
            PackFormat::Zip => zipped::write(contents, checks, artefact.modified, &mut output)?,
            PackFormat::TarGz => tarred::write(contents, checks, artefact.modified, &mut output)?,
            PackFormat::Oci => unreachable!("an image is written layer by layer"),
            PackFormat::Pyz => {
                let application = pyz::Application {
                    python: artefact.python,
                    entry: artefact.entry,
                };
                pyz::write(
                    &application,
                    contents,
                    checks,
                    artefact.modified,
                    &mut output,
                )?
            }
        };
        let bytes = output.length();
        Ok((output.finish()?, (counts, bytes)))
    })?;
    let packed = Packed {
        bytes,
        sha256,
        counts,
    };
    Ok((file, packed))
}

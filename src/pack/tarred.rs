//! A tar archive of everything that an artefact contains, compressed with gzip. The deflate streams
//! of the wheels are joined and not compressed again.

use std::collections::BTreeSet;

use super::PackCounts;
use super::checks::Checks;
use super::contents::{Contents, PackedContent, PackedFile};
use super::gzip::GzipWriter;
use super::output::ArtifactOutput;
use super::recompressed::Recompressed;
use super::tar::{TarKind, header, padding};
use crate::archive::{Archive, Entry, Method, Scratch, StreamEnd};
use crate::error::Result;

/// Two empty blocks end an archive.
const END: [u8; 1024] = [0; 1024];

/// Writes the archive to `output`.
pub(super) fn write(
    contents: &Contents<'_>,
    checks: &Checks<'_>,
    modified: u64,
    output: &mut ArtifactOutput<'_>,
) -> Result<PackCounts> {
    let mut tar = TarGzWriter::begin((modified, checks.level()), output)?;
    tar.directories(contents.files())?;
    let mut scratch = Scratch::new();
    let mut ahead = Recompressed::new(contents, checks, true);
    for (number, file) in contents.files().enumerate() {
        let file = &file;
        checks.proceed()?;
        tar.header(file)?;
        tar.counts.entries += 1;
        match (&file.content, checks.entry(file)?) {
            (_, Some((archive, entry))) if checks.is_copied(entry) => {
                let end = match entry.method() {
                    Method::Deflate => Some(checks.end_of(number)?),
                    Method::Stored | Method::Zstd => None,
                };
                tar.copy((archive, entry), end, &mut scratch, checks.label(file))?;
            }
            (_, Some((archive, entry))) => {
                tar.counts.recompressed += 1;
                let is_deflated = checks.level() > 0;
                match if is_deflated {
                    ahead.next(number)?
                } else {
                    None
                } {
                    Some(stream) => tar.append(entry, &stream)?,
                    None => {
                        let from = (file, archive, entry);
                        checks.unpack(from, &mut scratch, &mut |piece| tar.add(piece))?;
                    }
                }
            }
            (PackedContent::Bytes(bytes), None) => tar.add(bytes)?,
            (PackedContent::Record(owner), None) => tar.add(&contents.record(*owner))?,
            (PackedContent::Link(_) | PackedContent::Entry(..), None) => continue,
        }
        tar.pad(file.size)?;
    }
    tar.finish()
}

/// A tar archive that is made member by member.
pub(super) trait TarMembers {
    /// Appends bytes.
    fn add(&mut self, bytes: &[u8]) -> Result<()>;

    /// The time of every member, in seconds since 1970.
    fn modified(&self) -> u64;

    /// Appends every directory that holds one of the files, each before those in it.
    fn directories<'c>(&mut self, files: impl Iterator<Item = PackedFile<'c>>) -> Result<()> {
        let mut directories = BTreeSet::new();
        for file in files {
            let mut rest = &*file.path;
            while let Some((parent, _)) = rest.rsplit_once('/') {
                // The parents of a known directory are known, too.
                if directories.contains(parent) {
                    break;
                }
                directories.insert(parent.to_owned());
                rest = parent;
            }
        }
        directories
            .iter()
            .try_for_each(|path| self.add(&header(path, TarKind::Directory, self.modified())))
    }

    /// Appends the header of a file; its content and its padding have to follow.
    fn header(&mut self, file: &PackedFile<'_>) -> Result<()> {
        let kind = match &file.content {
            PackedContent::Link(target) => TarKind::Link(target),
            _ => TarKind::File(file.size, file.executable),
        };
        self.add(&header(&file.path, kind, self.modified()))
    }

    /// Appends what fills up the last block of a content.
    fn pad(&mut self, size: u64) -> Result<()> {
        self.add(&END[..padding(size)])
    }

    /// Appends what ends an archive.
    fn end(&mut self) -> Result<()> {
        self.add(&END)
    }
}

/// A compressed tar archive while it is written.
pub(super) struct TarGzWriter<'o, 'f> {
    gzip: GzipWriter,
    output: &'o mut ArtifactOutput<'f>,
    modified: u64,
    pub(super) counts: PackCounts,
}

impl TarMembers for TarGzWriter<'_, '_> {
    /// The bytes must not be compressed yet.
    fn add(&mut self, bytes: &[u8]) -> Result<()> {
        self.gzip.add(bytes, self.output)
    }

    fn modified(&self) -> u64 {
        self.modified
    }
}

impl<'o, 'f> TarGzWriter<'o, 'f> {
    /// An empty archive.
    pub(super) fn begin(
        (modified, level): (u64, u32),
        output: &'o mut ArtifactOutput<'f>,
    ) -> Result<Self> {
        Ok(Self {
            gzip: GzipWriter::begin(level, output)?,
            output,
            modified,
            counts: PackCounts::default(),
        })
    }

    /// Appends the content of an entry that was deflated anew into a stream that is left open.
    fn append(&mut self, entry: &Entry, stream: &[u8]) -> Result<()> {
        self.gzip
            .append((entry.crc, entry.size), stream, self.output)
    }

    /// Appends the content of an entry as the wheel has it. `end` is that of its stream, if it is
    /// deflated.
    pub(super) fn copy(
        &mut self,
        (archive, entry): (&Archive, &Entry),
        end: Option<StreamEnd>,
        scratch: &mut Scratch,
        label: &str,
    ) -> Result<()> {
        self.counts.copied += 1;
        let sums = (entry.crc, entry.size);
        let copy = |sink: &mut dyn FnMut(&mut [u8]) -> Result<()>| {
            archive
                .copy_data(entry, scratch, sink)
                .map_err(|error| error.of_wheel(label))
        };
        match end {
            Some(end) => self.gzip.join(sums, end, self.output, copy),
            None => self.gzip.store(sums, self.output, copy),
        }
    }

    /// Ends the archive; returns how its files were made.
    pub(super) fn finish(mut self) -> Result<PackCounts> {
        self.end()?;
        self.gzip.finish(self.output)?;
        Ok(self.counts)
    }
}

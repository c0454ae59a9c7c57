//! The digest of a layer before it is compressed, and the checks of its contents.
//!
//! Input: the files of a layer. Output: the SHA-256 of their tar archive, and a message for each
//! entry that was checked, with the end of its deflate stream: the thread that writes waits for it.
//! A third thread unpacks ahead of both.

use std::sync::mpsc::Sender;

use super::PackOptions;
use super::ahead::{NextContent, unpack_ahead};
use super::contents::{Contents, PackedContent, PackedFile};
use super::tarred::TarMembers;
use crate::archive::{Archive, Entry, Expected, Scratch, StreamEnd};
use crate::digest::{Algorithm, Digest, WholeHasher};
use crate::error::Result;
use crate::threads::SpareThreads;
use crate::wheel::{Archives, EntryId, WheelId};

/// The files of a layer, and where their contents come from.
pub(super) struct LayerSource<'a> {
    /// The positions of the files in the contents.
    pub(super) files: &'a [usize],
    pub(super) contents: &'a Contents<'a>,
    pub(super) archives: &'a Archives,
    /// The time of every file, in seconds since 1970.
    pub(super) modified: u64,
    pub(super) options: &'a PackOptions<'a>,
}

impl<'a> LayerSource<'a> {
    /// The files, in the order in which they are written.
    pub(super) fn files(&self) -> impl Iterator<Item = PackedFile<'a>> + use<'a> {
        let contents = self.contents;
        self.files.iter().map(|&number| contents.file(number))
    }

    /// An entry, and its archive.
    pub(super) fn entry(&self, wheel: WheelId, entry: EntryId) -> Result<(&'a Archive, &'a Entry)> {
        let archive = self.archives.get(wheel)?;
        Ok((archive, &archive.entries()[entry.0 as usize]))
    }

    /// Checks and hashes everything. The end of the stream of each entry is sent once the entry was
    /// checked; `None` if it is not received.
    ///
    /// # Errors
    /// A content that is not what its wheel states, a failure to read, or the command was stopped.
    pub(super) fn hash(
        &self,
        spare: &SpareThreads,
        checked: &Sender<Option<StreamEnd>>,
    ) -> Result<Option<Digest>> {
        let is_entry = |number: &usize| {
            let content = self.contents.file(*number).content;
            matches!(content, PackedContent::Entry(..))
        };
        let entries: Vec<usize> = self.files.iter().copied().filter(is_entry).collect();
        let mut tar = HashedTar {
            hasher: WholeHasher::default(),
            modified: self.modified,
        };
        tar.directories(self.files())?;
        unpack_ahead(&entries, &|| self.unpacker(spare), |next| {
            for &number in self.files {
                self.options.cancel.check()?;
                let file = self.contents.file(number);
                tar.header(&file)?;
                match &file.content {
                    PackedContent::Bytes(bytes) => tar.add(bytes)?,
                    PackedContent::Record(owner) => tar.add(&self.contents.record(*owner))?,
                    // It has no content.
                    PackedContent::Link(_) => continue,
                    PackedContent::Entry(wheel, entry) => {
                        let end =
                            self.hash_entry((number, &file), (*wheel, *entry), next, &mut tar)?;
                        if checked.send(end).is_err() {
                            return Ok(None);
                        }
                    }
                }
                tar.pad(file.size)?;
            }
            tar.end()?;
            Ok(Some(tar.hasher.finish()))
        })
    }

    /// Hashes the content of an entry, and checks it.
    fn hash_entry(
        &self,
        (number, file): (usize, &PackedFile<'_>),
        (wheel, entry): (WheelId, EntryId),
        next: &mut NextContent<'_>,
        tar: &mut HashedTar,
    ) -> Result<Option<StreamEnd>> {
        let (_, expected) = self.expected(file);
        if expected.digest.is_none() {
            return next(number, &mut |piece| tar.add(piece));
        }
        let end = next(number, &mut |piece| {
            tar.hasher.update_part(piece);
            Ok(())
        })?;
        let actual = tar.hasher.finish_part();
        let (_, entry) = self.entry(wheel, entry)?;
        expected
            .check(entry, Some(actual))
            .map_err(|error| error.of_wheel(self.archives.label(wheel)))?;
        Ok(end)
    }

    /// What is checked when an entry is unpacked, and what when it is hashed for the layer. A
    /// SHA-256 is checked with the layer, because that costs little more than the layer's alone.
    fn expected(&self, file: &PackedFile<'_>) -> (Expected, Expected) {
        let expected = file.expected(self.options.verify);
        match expected.digest.map(|digest| digest.algorithm()) {
            Some(Algorithm::Sha256) => (Expected::default(), expected),
            _ => (expected, Expected::default()),
        }
    }

    /// Unpacks entries on one thread.
    fn unpacker(&self, spare: &SpareThreads) -> Box<NextContent<'_>> {
        let mut scratch = Scratch::with_help(spare.clone());
        Box::new(move |number, sink| {
            let file = self.contents.file(number);
            let PackedContent::Entry(wheel, entry) = file.content else {
                unreachable!("only entries are asked for");
            };
            let (archive, entry) = self.entry(wheel, entry)?;
            let (expected, _) = self.expected(&file);
            let mut sink = |piece: &[u8]| {
                self.options.cancel.check()?;
                sink(piece)
            };
            let unpacked = archive
                .unpack_stream(entry, expected, &mut scratch, &mut sink)
                .map_err(|error| error.of_wheel(self.archives.label(wheel)))?;
            self.options.progress.advance(1, file.size);
            Ok(unpacked.end)
        })
    }
}

/// A tar archive that is hashed and not kept.
struct HashedTar {
    hasher: WholeHasher,
    modified: u64,
}

impl TarMembers for HashedTar {
    fn add(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        Ok(())
    }

    fn modified(&self) -> u64 {
        self.modified
    }
}

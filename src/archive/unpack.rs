//! The content of one entry: read, inflated and checked, whole where it is small, in pieces where it is large.
//!
//! What is small is handed on only after its CRC-32, size and digest were found right; what is large is handed on in
//! pieces as it comes, and found wrong at its end at the latest. Memory: two buffers a thread, of a megabyte each
//! and what a zstd frame asks for.

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};

use super::{Archive, Entry, Method};
use crate::error::{Error, Fault, Result};
use crate::fs::ReadAt;
use crate::hash::{Algorithm, Digest, Hasher};

/// The largest content and the largest compressed content that are held in memory as a whole, in bytes.
const WHOLE: u64 = 1 << 20;
/// The size of a piece of anything larger.
const PIECE: usize = 1 << 18;
/// How many bytes [`Archive::head`] returns at the most.
const HEAD: usize = 64;

/// What an entry's content should be, and what to find out about it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected {
    /// The digest that it must have.
    pub digest: Option<Digest>,
    /// Which digest to compute where none is expected.
    pub compute: Option<Algorithm>,
}

/// Buffers that one thread uses for one entry after the other.
pub struct Scratch {
    compressed: Vec<u8>,
    content: Vec<u8>,
    inflate: Decompress,
}

impl Scratch {
    /// Empty buffers.
    pub fn new() -> Self {
        Self { compressed: Vec::new(), content: Vec::new(), inflate: Decompress::new(false) }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// A failure within one entry: of the entry, or of whatever takes its content.
enum Trouble {
    Entry(Fault),
    Other(Error),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Entry(fault)
    }
}

type Attempt<T> = std::result::Result<T, Trouble>;

/// Where an entry's content goes.
type Sink<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

impl Archive {
    /// Hands the content of `entry` to `sink`, in order, and returns its digest where one was expected or asked for.
    /// `label` names the wheel in errors.
    ///
    /// # Errors
    /// Where the content is not what the archive or `expected` states, or `sink` fails.
    pub fn unpack(
        &self,
        entry: &Entry,
        expected: Expected,
        scratch: &mut Scratch,
        sink: &mut Sink<'_>,
    ) -> std::result::Result<Option<Digest>, EntryError> {
        let result = if entry.size <= WHOLE && entry.compressed <= WHOLE {
            self.unpack_whole(entry, expected, scratch, sink)
        } else {
            self.unpack_in_pieces(entry, expected, scratch, sink)
        };
        result.map_err(EntryError::from)
    }

    /// The whole content of an entry of at most `limit` bytes.
    ///
    /// # Errors
    /// Where it is longer, or not what the archive or `expected` states.
    pub fn content(
        &self,
        entry: &Entry,
        expected: Expected,
        limit: u64,
        scratch: &mut Scratch,
    ) -> std::result::Result<Vec<u8>, EntryError> {
        if entry.size > limit {
            let what = format!("the size of `{}`", entry.path);
            return Err(EntryError::Fault(Fault::TooLarge { what, size: entry.size, limit }));
        }
        let mut content = Vec::with_capacity(usize::try_from(entry.size).unwrap_or(0));
        self.unpack(entry, expected, scratch, &mut |piece| {
            content.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(content)
    }

    /// The first bytes of the content, at most 64 of them, unchecked.
    ///
    /// # Errors
    /// Where they cannot be read or inflated.
    pub fn head(&self, entry: &Entry, scratch: &mut Scratch) -> std::result::Result<Vec<u8>, EntryError> {
        let count = usize::try_from(entry.compressed).unwrap_or(usize::MAX).min(1 << 12);
        let mut compressed = vec![0; count];
        let mut content = vec![0; HEAD];
        let failed = |error: &dyn std::fmt::Display| EntryError::Fault(corrupt(entry, error));
        self.read_data(entry, &mut compressed).map_err(EntryError::from)?;
        let length = match entry.method {
            Method::Stored => {
                content.clone_from(&compressed);
                count
            }
            Method::Deflate => {
                scratch.inflate.reset(false);
                let result = scratch.inflate.decompress(&compressed, &mut content, FlushDecompress::None);
                result.map_err(|error| failed(&error))?;
                usize::try_from(scratch.inflate.total_out()).unwrap_or(0)
            }
            Method::Zstd => {
                let data = Data { file: &*self.file, at: entry.data, left: entry.compressed };
                let decoder = zstd(entry, data).map_err(EntryError::from)?;
                content.clear();
                decoder.take(HEAD as u64).read_to_end(&mut content).map_err(|error| failed(&error))?
            }
        };
        content.truncate(length.min(HEAD));
        Ok(content)
    }

    fn unpack_whole(
        &self,
        entry: &Entry,
        expected: Expected,
        scratch: &mut Scratch,
        sink: &mut Sink<'_>,
    ) -> Attempt<Option<Digest>> {
        let length = usize::try_from(entry.compressed).unwrap_or(0);
        let size = usize::try_from(entry.size).unwrap_or(0);
        grow(&mut scratch.compressed, length);
        let compressed = &mut scratch.compressed[..length];
        self.read_data(entry, compressed)?;
        let content = match entry.method {
            Method::Stored => &*compressed,
            Method::Deflate => {
                // One byte more than stated, so that content which is too long is seen as such.
                grow(&mut scratch.content, size + 1);
                let count = inflate_whole(entry, &mut scratch.inflate, compressed, &mut scratch.content[..=size])?;
                &scratch.content[..count]
            }
            Method::Zstd => {
                scratch.content.clear();
                let mut rest = &*compressed;
                let mut limited = zstd(entry, &mut rest)?.take(entry.size + 1);
                limited.read_to_end(&mut scratch.content).map_err(|error| corrupt(entry, &error))?;
                drop(limited);
                nothing_follows(entry, rest.len() as u64)?;
                &scratch.content[..]
            }
        };
        let mut seal = Seal::new(expected);
        seal.update(content);
        let digest = seal.check(entry, expected)?;
        sink(content).map_err(Trouble::Other)?;
        Ok(digest)
    }

    fn unpack_in_pieces(
        &self,
        entry: &Entry,
        expected: Expected,
        scratch: &mut Scratch,
        sink: &mut Sink<'_>,
    ) -> Attempt<Option<Digest>> {
        let mut seal = Seal::new(expected);
        let data = Data { file: &*self.file, at: entry.data, left: entry.compressed };
        match entry.method {
            Method::Stored => copy(entry, data, &mut scratch.content, &mut seal, sink)?,
            Method::Zstd => {
                let mut data = data;
                copy(entry, zstd(entry, &mut data)?, &mut scratch.content, &mut seal, sink)?;
                nothing_follows(entry, data.left)?;
            }
            Method::Deflate => inflate_pieces(entry, data, scratch, &mut seal, sink)?,
        }
        seal.check(entry, expected)
    }

    fn read_data(&self, entry: &Entry, into: &mut [u8]) -> Attempt<()> {
        self.file.read_exact_at(into, entry.data).map_err(|error| unreadable(&*self.file, entry, error))
    }
}

/// Why an entry could not be unpacked.
#[derive(Debug)]
pub enum EntryError {
    /// The entry is not what it should be.
    Fault(Fault),
    /// Reading the archive or using the content failed.
    Other(Error),
}

impl From<Trouble> for EntryError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Entry(fault) => Self::Fault(fault),
            Trouble::Other(error) => Self::Other(error),
        }
    }
}

impl EntryError {
    /// As an error about the wheel `label`.
    pub fn of_wheel(self, label: &str) -> Error {
        match self {
            Self::Fault(fault) => Error::wheel(label, fault),
            Self::Other(error) => error,
        }
    }
}

/// Size, CRC-32 and digest of what has been unpacked so far.
struct Seal {
    crc: crc32fast::Hasher,
    digest: Option<Hasher>,
    size: u64,
}

impl Seal {
    fn new(expected: Expected) -> Self {
        let algorithm = expected.digest.map(|digest| digest.algorithm()).or(expected.compute);
        Self { crc: crc32fast::Hasher::new(), digest: algorithm.map(Hasher::new), size: 0 }
    }

    fn update(&mut self, piece: &[u8]) {
        self.crc.update(piece);
        if let Some(digest) = &mut self.digest {
            digest.update(piece);
        }
        self.size += piece.len() as u64;
    }

    fn check(self, entry: &Entry, expected: Expected) -> Attempt<Option<Digest>> {
        let name = || entry.path.to_string();
        if self.size != entry.size {
            return Err(Fault::Size { entry: name(), stated: entry.size, actual: self.size }.into());
        }
        let crc = self.crc.finalize();
        if crc != entry.crc {
            return Err(Fault::Crc { entry: name(), stated: entry.crc, actual: crc }.into());
        }
        let digest = self.digest.map(Hasher::finish);
        match (expected.digest, digest) {
            (Some(recorded), Some(actual)) if recorded != actual => {
                Err(Fault::DigestMismatch { entry: name(), recorded: recorded.into(), actual: actual.into() }.into())
            }
            _ => Ok(digest),
        }
    }
}

fn grow(buffer: &mut Vec<u8>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
}

fn corrupt(entry: &Entry, reason: &dyn std::fmt::Display) -> Fault {
    Fault::Corrupt { entry: entry.path.to_string(), reason: reason.to_string() }
}

fn unreadable(file: &dyn ReadAt, entry: &Entry, error: io::Error) -> Trouble {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        Trouble::Entry(Fault::Truncated(entry.path.to_string()))
    } else {
        Trouble::Other(Error::io("read", file.path(), error))
    }
}

fn inflate_whole(entry: &Entry, inflate: &mut Decompress, from: &[u8], into: &mut [u8]) -> Attempt<usize> {
    inflate.reset(false);
    let status = inflate.decompress(from, into, FlushDecompress::Finish).map_err(|error| corrupt(entry, &error))?;
    if status != Status::StreamEnd && inflate.total_out() < into.len() as u64 {
        return Err(corrupt(entry, &"the compressed data ends early").into());
    }
    if status == Status::StreamEnd {
        nothing_follows(entry, from.len() as u64 - inflate.total_in())?;
    }
    usize::try_from(inflate.total_out()).map_err(|error| corrupt(entry, &error).into())
}

/// Refuses compressed data that goes on after its end: another reader might see more of it.
fn nothing_follows(entry: &Entry, left: u64) -> Attempt<()> {
    if left == 0 { Ok(()) } else { Err(corrupt(entry, &"bytes follow the compressed data").into()) }
}

fn inflate_pieces(
    entry: &Entry,
    mut data: Data<'_>,
    scratch: &mut Scratch,
    seal: &mut Seal,
    sink: &mut Sink<'_>,
) -> Attempt<()> {
    grow(&mut scratch.compressed, PIECE);
    grow(&mut scratch.content, PIECE);
    scratch.inflate.reset(false);
    loop {
        let count = data.read(&mut scratch.compressed[..PIECE]).map_err(|error| unreadable(data.file, entry, error))?;
        if count == 0 {
            return Err(corrupt(entry, &"the compressed data ends early").into());
        }
        let mut input = &scratch.compressed[..count];
        loop {
            let (before_in, before_out) = (scratch.inflate.total_in(), scratch.inflate.total_out());
            let output = &mut scratch.content[..PIECE];
            let status = scratch
                .inflate
                .decompress(input, output, FlushDecompress::None)
                .map_err(|error| corrupt(entry, &error))?;
            let used = usize::try_from(scratch.inflate.total_in() - before_in).unwrap_or(input.len());
            let made = usize::try_from(scratch.inflate.total_out() - before_out).unwrap_or(0);
            input = &input[used..];
            hand_on(entry, &scratch.content[..made], seal, sink)?;
            if status == Status::StreamEnd {
                let left = input.len() as u64 + data.left;
                return if left == 0 {
                    Ok(())
                } else {
                    Err(corrupt(entry, &"bytes follow the compressed data").into())
                };
            }
            if input.is_empty() && made < PIECE {
                break;
            }
            if used == 0 && made == 0 {
                return Err(corrupt(entry, &"the compressed data makes no sense").into());
            }
        }
    }
}

/// Copies everything that `from` gives.
fn copy(entry: &Entry, mut from: impl Read, buffer: &mut Vec<u8>, seal: &mut Seal, sink: &mut Sink<'_>) -> Attempt<()> {
    grow(buffer, PIECE);
    loop {
        match from.read(&mut buffer[..PIECE]) {
            Ok(0) => return Ok(()),
            Ok(count) => hand_on(entry, &buffer[..count], seal, sink)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(corrupt(entry, &error).into()),
        }
    }
}

/// Takes one piece in, but never more than the archive states.
fn hand_on(entry: &Entry, piece: &[u8], seal: &mut Seal, sink: &mut Sink<'_>) -> Attempt<()> {
    seal.update(piece);
    if seal.size > entry.size {
        return Err(Fault::Size { entry: entry.path.to_string(), stated: entry.size, actual: seal.size }.into());
    }
    sink(piece).map_err(Trouble::Other)
}

fn zstd<R: Read>(entry: &Entry, data: R) -> Attempt<impl Read> {
    ruzstd::decoding::StreamingDecoder::new(data).map_err(|error| corrupt(entry, &error).into())
}

/// The compressed bytes of one entry, in order.
struct Data<'a> {
    file: &'a dyn ReadAt,
    at: u64,
    left: u64,
}

impl Read for Data<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        if most == 0 {
            return Ok(0);
        }
        let count = self.file.read_at(&mut into[..most], self.at)?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

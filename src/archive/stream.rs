//! The content of one large entry, in pieces as it comes.
//!
//! Input: an entry. Output: its bytes, handed on in order. Size, CRC-32 and digest are known at the
//! end, so what is wrong is found then, with all but the last piece handed on; never more is handed
//! on than the archive states. Memory: two buffers of [`PIECE`] bytes.

use std::io::{self, Read};

use flate2::{FlushDecompress, Status};

use super::extract::{
    Attempt, Expected, Scratch, Sink, Trouble, check_sums, corrupt, grow, nothing_follows,
    unreadable, zstd,
};
use super::{Archive, Entry, Method};
use crate::digest::{Digest, Hasher};
use crate::error::ArchiveFault as Fault;
use crate::fs::ReadAt;

/// The size of a piece.
const PIECE: usize = 1 << 18;

impl Archive {
    /// Hands the content on in pieces, as it comes.
    pub(super) fn unpack_in_pieces(
        &self,
        entry: &Entry,
        expected: Expected,
        scratch: &mut Scratch,
        sink: &mut Sink<'_>,
    ) -> Attempt<Option<Digest>> {
        let mut seal = Seal::new(expected);
        let data = Data {
            file: &*self.file,
            at: entry.data,
            left: entry.compressed,
        };
        match entry.method {
            Method::Stored => copy(entry, data, &mut scratch.content, &mut seal, sink)?,
            Method::Zstd => {
                let mut data = data;
                copy(
                    entry,
                    zstd(entry, &mut data)?,
                    &mut scratch.content,
                    &mut seal,
                    sink,
                )?;
                nothing_follows(entry, data.left)?;
            }
            Method::Deflate => inflate_pieces(entry, data, scratch, &mut seal, sink)?,
        }
        seal.check(entry, expected)
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
        Self {
            crc: crc32fast::Hasher::new(),
            digest: expected.algorithm().map(Hasher::new),
            size: 0,
        }
    }

    fn update(&mut self, piece: &[u8]) {
        self.crc.update(piece);
        if let Some(digest) = &mut self.digest {
            digest.update(piece);
        }
        self.size += piece.len() as u64;
    }

    fn check(self, entry: &Entry, expected: Expected) -> Attempt<Option<Digest>> {
        check_sums(entry, self.size, || self.crc.finalize())?;
        expected.check(entry, self.digest.map(Hasher::finish))
    }
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
    scratch.inflate.pieces.reset(false);
    loop {
        let count = data
            .read(&mut scratch.compressed[..PIECE])
            .map_err(|error| unreadable(data.file, entry, error))?;
        if count == 0 {
            return Err(corrupt(entry, &"the compressed data ends early").into());
        }
        let mut input = &scratch.compressed[..count];
        loop {
            let (before_in, before_out) = (
                scratch.inflate.pieces.total_in(),
                scratch.inflate.pieces.total_out(),
            );
            let output = &mut scratch.content[..PIECE];
            let status = scratch
                .inflate
                .pieces
                .decompress(input, output, FlushDecompress::None)
                .map_err(|error| corrupt(entry, &error))?;
            let used = usize::try_from(scratch.inflate.pieces.total_in() - before_in)
                .unwrap_or(input.len());
            let made =
                usize::try_from(scratch.inflate.pieces.total_out() - before_out).unwrap_or(0);
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
fn copy(
    entry: &Entry,
    mut from: impl Read,
    buffer: &mut Vec<u8>,
    seal: &mut Seal,
    sink: &mut Sink<'_>,
) -> Attempt<()> {
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
        return Err(Fault::Size {
            entry: entry.path.to_string(),
            stated: entry.size,
            actual: seal.size,
        }
        .into());
    }
    sink(piece).map_err(Trouble::Other)
}

/// The compressed bytes of one entry, in order.
pub(super) struct Data<'a> {
    pub(super) file: &'a dyn ReadAt,
    pub(super) at: u64,
    pub(super) left: u64,
}

impl Read for Data<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(into.len());
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

//! A zip archive of everything that an artefact contains. Deflated and stored data is copied as it
//! is in the wheels.

use super::PackCounts;
use super::checks::Checks;
use super::contents::{Contents, PackedContent, PackedFile};
use super::output::ArtifactOutput;
use super::recompressed::Recompressed;
use super::zip::{DosTime, ZipMember, ZipWriter};
use crate::archive::{Archive, Deflater, Entry, Method, Scratch};
use crate::error::Result;
use crate::spec::timestamp::Timestamp;

/// The type of a regular file, and of a symbolic link, in a mode.
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// Writes the archive to the end of `output`.
pub(super) fn write(
    contents: &Contents<'_>,
    checks: &Checks<'_>,
    modified: u64,
    output: &mut ArtifactOutput<'_>,
) -> Result<PackCounts> {
    let mut counts = PackCounts::default();
    let paths = contents.files().map(|file| file.path);
    let mut zip = ZipWriter::new(output, dos_time(modified), paths);
    let (mut scratch, mut deflater) = (Scratch::new(), Deflater::with_level(checks.level()));
    let mut ahead = Recompressed::new(contents, checks, false);
    for (number, file) in contents.files().enumerate() {
        let file = &file;
        checks.proceed()?;
        counts.entries += 1;
        match (&file.content, checks.entry(file)?) {
            (_, Some((archive, entry))) if checks.is_copied(entry) => {
                counts.copied += 1;
                let open = zip.begin(copied(file, entry), output)?;
                archive
                    .copy_data(entry, &mut scratch, &mut |piece| output.write(piece))
                    .map_err(|error| error.of_wheel(checks.label(file)))?;
                zip.end(open, output)?;
            }
            (_, Some(from)) => {
                counts.recompressed += 1;
                let is_deflated = checks.level() > 0;
                match if is_deflated {
                    ahead.next(number)?
                } else {
                    None
                } {
                    Some(stream) => whole(file, from.1.crc, &stream, (&mut zip, output))?,
                    None => in_pieces(file, from, (checks, &mut zip, output))?,
                }
            }
            (PackedContent::Bytes(bytes), None) => {
                made(file, bytes, (&mut deflater, &mut zip, output))?;
            }
            (PackedContent::Record(owner), None) => {
                let content = contents.record(*owner);
                made(file, &content, (&mut deflater, &mut zip, output))?;
            }
            (PackedContent::Link(target), None) => {
                stored(file, target.as_bytes(), LINK | 0o777, (&mut zip, output))?;
            }
            (PackedContent::Entry(..), None) => unreachable!("the wheel has arrived"),
        }
    }
    zip.finish(output)?;
    Ok(counts)
}

/// Writes one stored file, whose mode has its type.
pub(super) fn stored(
    file: &PackedFile<'_>,
    content: &[u8],
    mode: u32,
    (zip, output): (&mut ZipWriter, &mut ArtifactOutput<'_>),
) -> Result<()> {
    let member = ZipMember {
        path: &file.path,
        mode,
        method: Method::Stored.number(),
        crc: crc32fast::hash(content),
        size: file.size,
        compressed: Some(file.size),
    };
    let open = zip.begin(member, output)?;
    output.write(content)?;
    zip.end(open, output)
}

fn copied<'f>(file: &'f PackedFile<'_>, entry: &Entry) -> ZipMember<'f> {
    ZipMember {
        path: &file.path,
        mode: mode(file),
        method: entry.method().number(),
        crc: entry.crc,
        size: entry.size,
        compressed: Some(entry.compressed()),
    }
}

/// Writes new content, deflated if that is shorter.
fn made(
    file: &PackedFile<'_>,
    content: &[u8],
    (deflater, zip, output): (&mut Deflater, &mut ZipWriter, &mut ArtifactOutput<'_>),
) -> Result<()> {
    let stream = deflater.whole(content);
    if stream.len() >= content.len() {
        return stored(file, content, mode(file), (zip, output));
    }
    whole(file, crc32fast::hash(content), &stream, (zip, output))
}

/// Writes the file whose content has this CRC-32 and this deflate stream.
fn whole(
    file: &PackedFile<'_>,
    crc: u32,
    stream: &[u8],
    (zip, output): (&mut ZipWriter, &mut ArtifactOutput<'_>),
) -> Result<()> {
    let member = ZipMember {
        path: &file.path,
        mode: mode(file),
        method: Method::Deflate.number(),
        crc,
        size: file.size,
        compressed: Some(stream.len() as u64),
    };
    let open = zip.begin(member, output)?;
    output.write(stream)?;
    zip.end(open, output)
}

/// Writes an entry that is not copied in pieces: deflated, or stored at level 0.
fn in_pieces(
    file: &PackedFile<'_>,
    (archive, entry): (&Archive, &Entry),
    (checks, zip, output): (&Checks<'_>, &mut ZipWriter, &mut ArtifactOutput<'_>),
) -> Result<()> {
    let is_stored = checks.level() == 0;
    let (method, compressed) = match is_stored {
        true => (Method::Stored, Some(file.size)),
        // It is known only at the end.
        false => (Method::Deflate, None),
    };
    let member = ZipMember {
        method: method.number(),
        compressed,
        ..copied(file, entry)
    };
    let open = zip.begin(member, output)?;
    let (mut deflater, mut stream) = (Deflater::with_level(checks.level()), Vec::new());
    let from = (file, archive, entry);
    checks.unpack(from, &mut Scratch::new(), &mut |piece| {
        if is_stored {
            return output.write(piece);
        }
        deflater.add(piece, &mut stream);
        output.write(&stream)?;
        stream.clear();
        Ok(())
    })?;
    if !is_stored {
        deflater.end(&mut stream);
        output.write(&stream)?;
    }
    zip.end(open, output)
}

fn mode(file: &PackedFile<'_>) -> u32 {
    FILE | if file.executable { 0o755 } else { 0o644 }
}

/// A time as zip archives state it; the nearest possible one if it is before 1980 or after 2107.
pub(super) fn dos_time(modified: u64) -> DosTime {
    let civil = Timestamp::from_seconds(modified).civil();
    match civil.year.checked_sub(1980) {
        None => DosTime {
            date: 1 << 5 | 1,
            time: 0,
        },
        Some(years) if years > 127 => DosTime {
            date: 127 << 9 | 12 << 5 | 31,
            time: 23 << 11 | 59 << 5 | 29,
        },
        Some(years) => DosTime {
            date: years << 9 | civil.month << 5 | civil.day,
            time: civil.hour << 11 | civil.minute << 5 | (civil.second / 2),
        },
    }
}

//! `verify`: checks wheels without an environment: the archive, the metadata, every content, and
//! the places of the files.

use super::{Context, Options};
use crate::archive::{Archive, ArchiveError, Entry, Expected, Scratch};
use crate::environment::layout::Layout;
use crate::environment::protected::Protected;
use crate::environment::{Python, nominal_python};
use crate::error::{Error, Fault, Result};
use crate::outcome::Warning;
use crate::plan::ChangeId;
use crate::plan::spread::{Destination, spread};
use crate::script::ScriptPython;
use crate::source::Source;
use crate::spec::record::Verify;
use crate::threads::{Pool, in_parallel};
use crate::wheel::{OpenOptions, Records, Wheel, WheelId};

/// How many bytes of entries one thread checks before it takes other work.
// Small enough for all threads to be busy until the end, large enough to share a buffer.
const PIECE: u64 = 4 << 20;

/// A wheel in which nothing is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedWheel {
    /// How it was named.
    pub wheel: String,
    /// The project, normalised.
    pub name: String,
    /// The version.
    pub version: String,
    /// How many files it has.
    pub files: u64,
    /// Their bytes, unpacked.
    pub bytes: u64,
}

/// Checks every byte of the wheels, and their pinned hashes; whether they fit an environment does
/// not count.
///
/// # Errors
/// Every fault of every wheel in one error; but if a file cannot be read, only that.
pub fn verify(
    sources: &[Source],
    options: &Options,
    context: Context<'_>,
) -> Result<Vec<VerifiedWheel>> {
    let pool = Pool::new(options.jobs)?;
    let open = OpenOptions {
        verify: options.verify,
        require_hashes: options.require_hashes,
        records: Records::All,
        ..OpenOptions::default()
    };
    let opened = in_parallel(&pool, sources, |source| Wheel::open(source, open));
    let (mut wheels, mut refused) = (Vec::new(), Vec::new());
    for result in opened {
        match result {
            Ok((wheel, archive)) => wheels.push(OpenWheel { wheel, archive }),
            Err(error) if error.is_refusal() => {
                refused.extend_from_slice(error.refused_wheels());
            }
            Err(error) => return Err(error),
        }
    }
    let warnings = wheels.iter().flat_map(|open| open.wheel.warnings.iter());
    context.warn(warnings.cloned().collect::<Vec<Warning>>());
    for (open, faults) in wheels
        .iter()
        .zip(contents(&wheels, options, &pool, context)?)
    {
        let mut faults: Vec<Fault> = faults;
        faults.extend(places(&open.wheel, options));
        if !faults.is_empty() {
            refused.push((open.wheel.label.clone(), faults));
        }
    }
    if refused.is_empty() {
        Ok(wheels.iter().map(OpenWheel::verified).collect())
    } else {
        Err(Error::wheels(refused))
    }
}

struct OpenWheel {
    wheel: Wheel,
    archive: Archive,
}

impl OpenWheel {
    fn verified(&self) -> VerifiedWheel {
        let entries = self.archive.entries();
        VerifiedWheel {
            wheel: self.wheel.label.clone(),
            name: self.wheel.name.name.normalized().to_owned(),
            version: self.wheel.name.version.to_string(),
            files: entries.len() as u64,
            bytes: entries
                .iter()
                .fold(0, |sum, entry| sum.saturating_add(entry.size)),
        }
    }

    /// Groups of entries that are checked by one thread at a time, as ranges of positions.
    fn pieces(&self) -> Vec<std::ops::Range<usize>> {
        let (mut pieces, mut begin, mut bytes) = (Vec::new(), 0, 0);
        for (at, entry) in self.archive.entries().iter().enumerate() {
            bytes += entry.size;
            if bytes >= PIECE {
                pieces.push(begin..at + 1);
                (begin, bytes) = (at + 1, 0);
            }
        }
        pieces.push(begin..self.archive.entries().len());
        pieces
    }
}

/// The faults in the contents of each wheel.
fn contents(
    wheels: &[OpenWheel],
    options: &Options,
    pool: &Pool,
    context: Context<'_>,
) -> Result<Vec<Vec<Fault>>> {
    let entries = wheels.iter().flat_map(|open| open.archive.entries());
    let (files, bytes) = entries.fold((0, 0_u64), |(files, bytes), entry| {
        (files + 1, bytes.saturating_add(entry.size))
    });
    let pieces: Vec<(usize, std::ops::Range<usize>)> = wheels
        .iter()
        .enumerate()
        .flat_map(|(number, open)| open.pieces().into_iter().map(move |piece| (number, piece)))
        .collect();
    context.events.begin(files, bytes);
    let checked = in_parallel(pool, &pieces, |(number, piece)| {
        let OpenWheel { wheel, archive } = &wheels[*number];
        let mut scratch = Scratch::new();
        let mut faults = Vec::new();
        for (at, entry) in archive.entries()[piece.clone()].iter().enumerate() {
            if context.cancel.is_cancelled() {
                return Err(Error::interrupted());
            }
            let expected = expected(wheel, piece.start + at, options.verify);
            faults.extend(content(archive, entry, expected, &mut scratch)?);
            context.events.advance(1, entry.size);
        }
        Ok(faults)
    });
    context.events.end();
    let mut faults: Vec<Vec<Fault>> = wheels.iter().map(|_| Vec::new()).collect();
    for ((number, _), found) in pieces.iter().zip(checked) {
        faults[*number].extend(found?);
    }
    Ok(faults)
}

/// The digest that the entry at this position must have.
fn expected(wheel: &Wheel, at: usize, verify: Verify) -> Expected {
    // Both are in the order of the archive, but RECORD and a few others are not installed.
    let found = wheel
        .entries
        .binary_search_by_key(&at, |entry| entry.id.0 as usize);
    let digest = found.ok().and_then(|found| wheel.entries[found].digest);
    Expected {
        digest: digest.filter(|_| verify != Verify::Off),
        compute: None,
    }
}

fn content(
    archive: &Archive,
    entry: &Entry,
    expected: Expected,
    scratch: &mut Scratch,
) -> Result<Option<Fault>> {
    match archive.unpack(entry, expected, scratch, &mut |_| Ok(())) {
        Ok(_) => Ok(None),
        Err(ArchiveError::Fault(fault)) => Ok(Some(fault.into())),
        Err(ArchiveError::Other(error)) => Err(error),
    }
}

/// The faults in the places of the wheel's files, judged by an environment of the usual layout.
fn places(wheel: &Wheel, options: &Options) -> Vec<Fault> {
    let layout = Layout::nominal("/venv", "lib/python3/site-packages");
    let python: Python = nominal_python();
    let destination = Destination {
        layout: &layout,
        protected: &Protected::of(&layout),
        python: Some(&python),
        scripts: python.executable.as_deref().map(ScriptPython::At),
        installer: &options.installer,
        verified: options.verify != Verify::Off,
        keep_spelling: options.keep_spelling,
        windows_names: false,
    };
    spread(wheel, WheelId(0), ChangeId(0), &destination)
        .err()
        .unwrap_or_default()
}

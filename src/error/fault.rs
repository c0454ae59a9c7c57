//! One reason to refuse a wheel or a resolver's file, whichever layer found it.

use std::fmt;

use super::code::Code;
use super::{
    ArchiveFault, IndexFault, MetadataFault, RecordFault, ResolutionFault, SourceFault, SpreadFault,
};

/// One thing that is wrong with a wheel, or with the file of a resolver.
///
/// It says what was found and what was expected, but not in which wheel or file: the
/// [`Error`](super::Error) or the warning around it does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The zip archive.
    Archive(ArchiveFault),
    /// The file name, WHEEL, METADATA, entry points, and whether the wheel fits.
    Metadata(MetadataFault),
    /// RECORD.
    Record(RecordFault),
    /// Where the wheel's files would go.
    Spread(SpreadFault),
    /// The file against what its source promised.
    Source(SourceFault),
    /// An installation report, a lock file, a list of requirements.
    Resolution(ResolutionFault),
    /// A package index.
    Index(IndexFault),
    /// So many more faults, of which nothing was kept but their number.
    LeftOut(u64),
}

impl Fault {
    /// The stable code, as `digest-mismatch`; all are listed in [`CODES`](super::CODES).
    pub fn code(&self) -> &'static str {
        self.word().slug()
    }

    pub(super) fn word(&self) -> Code {
        match self {
            Self::Archive(fault) => fault.word(),
            Self::Metadata(fault) => fault.word(),
            Self::Record(fault) => fault.word(),
            Self::Spread(fault) => fault.word(),
            Self::Source(fault) => fault.word(),
            Self::Resolution(fault) => fault.word(),
            Self::Index(fault) => fault.word(),
            Self::LeftOut(_) => Code::LeftOut,
        }
    }
}

/// How many faults, and how many warnings, are kept of one wheel or file. More are of no help, and
/// a few bytes of an input could take megabytes of memory.
pub const MOST_KEPT: usize = 1000;

/// The first [`MOST_KEPT`] of the faults, and the number of the others.
pub(super) fn bounded(mut faults: Vec<Fault>) -> Vec<Fault> {
    let already = match faults.last() {
        Some(Fault::LeftOut(count)) => *count,
        _ => 0,
    };
    if already > 0 {
        faults.pop();
    }
    let more = faults.len().saturating_sub(MOST_KEPT) as u64 + already;
    faults.truncate(MOST_KEPT);
    if more > 0 {
        faults.push(Fault::LeftOut(more));
    }
    faults
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(fault) => fault.fmt(f),
            Self::Metadata(fault) => fault.fmt(f),
            Self::Record(fault) => fault.fmt(f),
            Self::Spread(fault) => fault.fmt(f),
            Self::Source(fault) => fault.fmt(f),
            Self::Resolution(fault) => fault.fmt(f),
            Self::Index(fault) => fault.fmt(f),
            Self::LeftOut(count) => write!(f, "{count} more faults are left out"),
        }
    }
}

macro_rules! from {
    ($($variant:ident $fault:ident),*) => {$(
        impl From<$fault> for Fault {
            fn from(fault: $fault) -> Self {
                Self::$variant(fault)
            }
        }
    )*};
}

from!(
    Archive ArchiveFault,
    Metadata MetadataFault,
    Record RecordFault,
    Spread SpreadFault,
    Source SourceFault,
    Resolution ResolutionFault,
    Index IndexFault
);

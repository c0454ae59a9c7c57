//! The faults of a deflate stream.

use std::fmt;

/// Why a stream is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeflateFault {
    BlockType,
    StoredLength,
    Codes,
    NoEndOfBlock,
    Repeat,
    Symbol,
    Distance,
    CutOff,
}

impl fmt::Display for DeflateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BlockType => "a block has an unknown type",
            Self::StoredLength => "the two lengths of a stored block disagree",
            Self::Codes => "a set of code lengths is not a valid code",
            Self::NoEndOfBlock => "a block has no code for its end",
            Self::Repeat => "a repeated code length has nothing to repeat, or too many places",
            Self::Symbol => "a code or symbol does not exist",
            Self::Distance => "a match begins before the content",
            Self::CutOff => "the compressed data ends early",
        })
    }
}

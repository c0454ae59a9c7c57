//! Why the solver stops, or passes over a version.

use std::fmt;

use crate::error::Error;

/// Why the solver was stopped without an answer.
#[derive(Debug)]
pub(super) enum SearchEnd {
    /// A better order is known.
    Reorder,
    /// A limit was reached.
    GiveUp,
    /// A fact could not be had, or the user asked to stop.
    Failed(Error),
}

impl fmt::Display for SearchEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reorder => f.write_str("a better order is known"),
            Self::GiveUp => f.write_str("a limit was reached"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SearchEnd {}

impl From<Error> for SearchEnd {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Why one version cannot be used although its wheel fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unusable {
    /// Its METADATA cannot be read, for this reason.
    Unreadable(String),
    /// Its METADATA states a `Requires-Python` that the page does not have.
    Python(String),
    /// It needs this project at an address that the command does not name.
    Address(String),
    /// It needs itself in another version, by this requirement.
    Itself(String),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) => write!(f, "its METADATA cannot be read: {reason}"),
            Self::Python(requires) => write!(f, "it is for Python {requires}"),
            Self::Address(requirement) | Self::Itself(requirement) => {
                write!(f, "it needs {requirement}")
            }
        }
    }
}

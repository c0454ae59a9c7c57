//! Why no set of wheels satisfies what is wanted: plain data, from which a message is made.

use std::fmt;

use super::code::Code;
use super::escape::escaped;

/// How many steps of a proof a message shows; programs get all of them as data.
const SHOWN_STEPS: usize = 12;

/// The proof that no set of wheels satisfies the requirements, or how far the search came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoSolution {
    /// What was found.
    pub finding: Finding,
    /// The proof: sentences, of which each needs only those before it.
    pub steps: Vec<String>,
    /// Ways out, only those that would change the outcome.
    pub advice: Vec<Advice>,
}

/// What a failed search found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The requirements contradict each other.
    Contradiction,
    /// No wheel of this project can be used here.
    NoWheel(String),
    /// No index knows this project.
    UnknownProject(String),
    /// The project has no version that is asked for.
    NoVersion(String),
    /// The search took too long and was given up.
    GaveUp,
}

/// A way out of a failed search.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// A withdrawn version would do, if the command itself pinned it.
    PinYanked {
        /// The project.
        project: String,
        /// The version.
        version: String,
    },
    /// Wheels of this project exist, but are for this set of Pythons.
    OtherPython {
        /// The project.
        project: String,
        /// The `Requires-Python` of its newest version that would do.
        requires: String,
    },
    /// A wheel of this project has to be built from its source distribution.
    BuildWheel(String),
    /// Versions of this project that would do were uploaded too late.
    LaterUploads(String),
}

impl NoSolution {
    /// A proof, with its steps and ways out.
    pub(crate) fn new(finding: Finding, steps: Vec<String>, advice: Vec<Advice>) -> Self {
        Self {
            finding,
            steps,
            advice,
        }
    }

    pub(super) fn word(&self) -> Code {
        match self.finding {
            Finding::Contradiction => Code::NoSolution,
            Finding::NoWheel(_) => Code::NoUsableWheel,
            Finding::UnknownProject(_) => Code::UnknownProject,
            Finding::NoVersion(_) => Code::NoSuchVersion,
            Finding::GaveUp => Code::GaveUp,
        }
    }
}

/// What was found, then one step on each line.
impl fmt::Display for NoSolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.finding {
            Finding::Contradiction => f.write_str("no versions satisfy what is wanted")?,
            Finding::NoWheel(name) => write!(f, "no wheel of {} fits", escaped(name))?,
            Finding::UnknownProject(name) => write!(f, "no index has {}", escaped(name))?,
            Finding::NoVersion(name) => {
                write!(
                    f,
                    "no version of {} satisfies what is wanted",
                    escaped(name)
                )?;
            }
            Finding::GaveUp => f.write_str("the search for versions was given up")?,
        }
        for step in self.steps.iter().take(SHOWN_STEPS) {
            write!(f, "\n  {}", escaped(step))?;
        }
        match self.steps.len().checked_sub(SHOWN_STEPS) {
            Some(1) => f.write_str("\n  … and 1 more step"),
            Some(more @ 2..) => write!(f, "\n  … and {more} more steps"),
            _ => Ok(()),
        }
    }
}

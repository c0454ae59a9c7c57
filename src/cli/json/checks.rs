//! The results of `check` as parts of the JSON object.

use pkg_install::results::{Difference, DifferenceState, UnmetRequirement};
use schemars::JsonSchema;
use serde::Serialize;

/// A requirement that nothing installed meets.
#[derive(Serialize, JsonSchema)]
pub struct UnmetObject<'a> {
    project: &'a str,
    version: &'a str,
    requirement: &'a str,
    /// The version that is installed of what is required; null if none is.
    installed: Option<&'a str>,
}

impl<'a> UnmetObject<'a> {
    /// The object of this.
    pub fn of(unmet: &'a UnmetRequirement) -> Self {
        Self {
            project: &unmet.project,
            version: &unmet.version,
            requirement: &unmet.requirement,
            installed: unmet.installed.as_deref(),
        }
    }
}

/// A file that differs from RECORD.
#[derive(Serialize, JsonSchema)]
pub struct DifferenceObject<'a> {
    project: &'a str,
    path: &'a str,
    #[schemars(extend("enum" = ["missing", "changed", "unreadable", "mode", "record"]))]
    state: &'static str,
    detail: Option<&'a str>,
}

impl<'a> DifferenceObject<'a> {
    /// The object of this.
    pub fn of(difference: &'a Difference) -> Self {
        Self {
            project: &difference.project,
            path: &difference.path,
            state: match difference.state {
                DifferenceState::Missing => "missing",
                DifferenceState::Changed => "changed",
                DifferenceState::Mode => "mode",
                DifferenceState::Record => "record",
                // Also a state that the library adds later: this schema has no word for it.
                _ => "unreadable",
            },
            detail: difference.detail.as_deref(),
        }
    }
}

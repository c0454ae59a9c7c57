//! The wheels of a pip installation report.
//!
//! Input: its text, and the environment. Output: one source for each item, or the reason why the
//! report cannot be installed. Limits: a report is for the environment that pip ran in; another one
//! is refused if wheels or markers could differ.

use std::path::Path;

use super::{DirectReference, Fitting, Pins, Source, Sourced, refused, warnings};
use crate::error::{Fault, ResolutionFault, Result, ToolsLock};
use crate::spec::pip_report::{PipReport, ReportItem};

/// The wheels of the report in `text`; `at` names the report in messages. Without `fitting` it does
/// not matter for which environment the report was made.
///
/// # Errors
/// If the report cannot be read, names what is no wheel, or was made for another environment.
pub fn sources(text: &[u8], at: &Path, fitting: Option<&Fitting>) -> Result<Sourced> {
    let name = at.file_name().unwrap_or_default();
    if let Some(lock) = ToolsLock::called(&name.to_string_lossy()) {
        return Err(refused(
            at,
            vec![ResolutionFault::ToolsOwnLock(lock).into()],
        ));
    }
    let report = PipReport::parse(text).map_err(|faults| refused(at, faults))?;
    let fitting = fitting.filter(|fitting| fitting.compat_check);
    let differences = fitting.map(|fitting| report.differences(&fitting.markers));
    if let Some(differences) = differences.filter(|found| !found.is_empty()) {
        let fault: Fault = ResolutionFault::OtherEnvironment(differences).into();
        return Err(refused(at, vec![fault]));
    }
    let warnings = warnings(at, &report.warnings);
    Ok(Sourced {
        sources: report.items.into_iter().map(source).collect(),
        warnings,
        ..Sourced::default()
    })
}

fn source(item: ReportItem) -> Source {
    let direct_reference = match item.direct_url {
        Some(json) => DirectReference::Written(json.into()),
        None => DirectReference::Never,
    };
    let pinned = Pins::all_of(item.hashes);
    Source {
        pinned,
        requested: item.requested,
        direct_reference,
        ..Source::from_location(item.location)
    }
}

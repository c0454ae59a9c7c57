//! Compares what is on disk with what RECORD states, in parallel.
//!
//! Input: installed projects. Output: every [`Difference`], sorted by project and path. Nothing is
//! changed. Missing or rewritten bytecode is no difference: interpreters write and delete it as
//! they like. Limits: a file that was edited and then restored looks untouched; files that no
//! RECORD lists are not looked at.

use std::sync::Arc;

use super::survey::digest_of;
use super::{Installed, Recorded};
use crate::cancellation::Cancellation;
use crate::digest::Digest;
use crate::environment::layout::{Layout, Place, SchemeKey};
use crate::error::Result;
use crate::fs::{self, Kind, Stat};
use crate::outcome::{
    Activity, ActivityKind, Difference, DifferenceState, Events, RunningActivity,
};
use crate::spec::record::RecordRow;
use crate::threads::{Pool, in_parallel};

/// Compares the files of `projects` with their RECORDs. Returns how many files they list, and the
/// differences.
///
/// # Errors
/// If a RECORD cannot be read from disk, or the command is cancelled. Other files that cannot be
/// read are differences.
pub fn check(
    layout: &Layout,
    projects: &[&Installed],
    pool: &Pool,
    cancel: &Cancellation,
    events: &dyn Events,
) -> Result<(u64, Vec<Difference>)> {
    let mut differences = Vec::new();
    let mut rows: Vec<(&Installed, RecordRow)> = Vec::new();
    for &project in projects {
        match project.read_record(layout)? {
            Recorded::Rows(listed) => {
                let listed = Arc::unwrap_or_clone(listed).into_iter();
                rows.extend(listed.map(|row| (project, row)));
            }
            unusable => differences.extend(without_rows(project, &unusable)),
        }
    }
    // A flat list of all rows: projects differ a lot in size, so one thread per project would
    // leave most threads idle at the end.
    let activity = Activity::of_files(ActivityKind::Check, rows.len());
    let running = RunningActivity::begin(events, &activity);
    let found = in_parallel(pool, &rows, |(project, row)| {
        // The rest is passed over; what was found is thrown away below.
        if cancel.is_cancelled() {
            return None;
        }
        running.advance(1);
        let (state, detail) = compare(layout, project, row)?;
        Some(Difference {
            project: project.name.normalized().to_owned(),
            version: project.version.clone(),
            path: row.path.clone(),
            state,
            detail,
        })
    });
    cancel.check()?;
    differences.extend(found.into_iter().flatten());
    differences.sort_by(|a, b| (&a.project, &a.path).cmp(&(&b.project, &b.path)));
    Ok((rows.len() as u64, differences))
}

/// The difference that a project has as a whole if it has no RECORD that lists its files.
fn without_rows(project: &Installed, recorded: &Recorded) -> Option<Difference> {
    let (state, detail) = match recorded {
        Recorded::Rows(_) => return None,
        Recorded::Absent => {
            let detail = "it has no RECORD, so its files cannot be compared";
            (DifferenceState::Missing, detail.to_owned())
        }
        Recorded::Egg => {
            let detail = "an egg has no RECORD, so its files cannot be compared";
            (DifferenceState::Missing, detail.to_owned())
        }
        Recorded::Malformed(fault) => {
            let detail = format!("its RECORD cannot be read: {fault}");
            (DifferenceState::Record, detail)
        }
    };
    Some(Difference {
        project: project.name.normalized().to_owned(),
        version: project.version.clone(),
        path: project.place.path.file_name().to_owned(),
        state,
        detail: Some(detail),
    })
}

/// How a file differs from its row, with a sentence about it if there is more to say.
type Differs = Option<(DifferenceState, Option<String>)>;

fn compare(layout: &Layout, project: &Installed, row: &RecordRow) -> Differs {
    let Some(place) = layout.of_recorded(project.library, &row.path) else {
        return differs(DifferenceState::Record, "it leads out of the environment");
    };
    let path = layout.absolute(&place);
    // Bytecode with a recorded digest came in the wheel, so it has to be there.
    let is_bytecode = row.digest.is_none() && row.path.ends_with(".pyc");
    let has_content = row.digest.is_some() || row.size.is_some();
    let stat = match fs::lstat(&path) {
        // A link into a cache stands for what it leads to. If a link was in the way of a wheel's
        // file and stayed, its row has no digest and no size.
        Ok(Some(stat)) if stat.kind == Kind::Symlink && has_content => match fs::stat(&path) {
            Ok(Some(target)) => target,
            Ok(None) => return differs(DifferenceState::Missing, "its link leads nowhere"),
            Err(error) => return differs(DifferenceState::Unreadable, error.to_string()),
        },
        Ok(Some(stat)) => stat,
        Ok(None) if is_bytecode => return None,
        Ok(None) => return Some((DifferenceState::Missing, None)),
        Err(error) => return differs(DifferenceState::Unreadable, error.to_string()),
    };
    let not_a_file = match stat.kind {
        Kind::File => None,
        // A row without digest and size says nothing about what is there, and some tools list
        // directories so.
        Kind::Directory | Kind::Symlink if !has_content => return None,
        Kind::Directory => Some("it is a directory"),
        Kind::Symlink => Some("it is a symbolic link"),
        Kind::Other => Some("it is no regular file"),
    };
    if let Some(detail) = not_a_file {
        return differs(DifferenceState::Unreadable, detail);
    }
    // A different size tells most edits without reading the file.
    if let Some(size) = row.size.filter(|size| *size != stat.size) {
        let detail = format!("{} bytes, RECORD states {size}", stat.size);
        return differs(DifferenceState::Changed, detail);
    }
    row.digest
        .and_then(|recorded| compare_content(&path, recorded))
        .or_else(|| compare_mode(layout, &place, &stat).filter(|_| !is_of_staging(row)))
}

/// Whether the row is one of pip's staging directory for a target. Such a directory is copied by
/// all sorts of tools, some without modes, and its scripts are rarely run by their path.
fn is_of_staging(row: &RecordRow) -> bool {
    row.path.starts_with("../../bin/")
}

fn differs(state: DifferenceState, detail: impl Into<String>) -> Differs {
    Some((state, Some(detail.into())))
}

fn compare_content(path: &std::path::Path, recorded: Digest) -> Differs {
    match digest_of(path, recorded.algorithm()) {
        Ok(Some(actual)) if actual == recorded => None,
        Ok(Some(actual)) => differs(
            DifferenceState::Changed,
            format!("{actual}, RECORD states {recorded}"),
        ),
        // It was a regular file a moment ago.
        Ok(None) => Some((DifferenceState::Unreadable, None)),
        Err(error) => differs(DifferenceState::Unreadable, error.to_string()),
    }
}

/// A script that lost its execute bits cannot be run. Files beside the scripts that do not begin
/// with a shebang are as the wheel has them.
fn compare_mode(layout: &Layout, place: &Place, stat: &Stat) -> Differs {
    let (root, scripts) = layout.directory(SchemeKey::Scripts);
    let is_beside_scripts = place.root == root && place.path.parent().as_ref() == scripts;
    if is_beside_scripts
        && stat.mode & 0o111 == 0
        && fs::read_to_limit(&layout.absolute(place), 2).is_ok_and(|head| head == b"#!")
    {
        return differs(DifferenceState::Mode, "a script that cannot be executed");
    }
    None
}

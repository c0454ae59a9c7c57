//! Check: what is on disk against what RECORD says, in parallel.
//!
//! Input: installed projects. Output: every [`Difference`], sorted by project and path. Nothing is
//! changed. Bytecode is no difference: interpreters write and delete it as they like. Limits: a
//! file that was edited and then given its old digest does not exist; files that no RECORD lists
//! are nobody's business here.

use crate::environment::installed::{Form, Installed};
use crate::environment::layout::{Layout, SchemeKey};
use crate::environment::survey::digest_of;
use crate::error::{ErrorKind, Result};
use crate::fs::{self, Kind};
use crate::outcome::{Difference, DifferenceState};
use crate::spec::record::RecordRow;
use crate::threads::{Pool, in_parallel};

/// Compares the files of `projects` with their RECORDs, on all threads of `pool`.
///
/// # Errors
/// Where the file system fails in a way that is no difference.
pub fn check(pool: &Pool, layout: &Layout, projects: &[&Installed]) -> Result<Vec<Difference>> {
    let mut differences = Vec::new();
    let mut rows: Vec<(&Installed, RecordRow)> = Vec::new();
    for project in projects {
        match project.record(layout) {
            Ok(listed) => rows.extend(listed.into_iter().map(|row| (*project, row))),
            Err(error) if error.kind() == ErrorKind::Environment => {
                let path = project.place.path.file_name().to_owned();
                let state = if project.form == Form::Recorded {
                    DifferenceState::Record
                } else {
                    DifferenceState::Missing
                };
                let detail = Some(error.to_string());
                differences.push(Difference {
                    project: project.name.normalized().to_owned(),
                    path,
                    state,
                    detail,
                });
            }
            Err(error) => return Err(error),
        }
    }
    for found in in_parallel(pool, &rows, |(project, row)| compare(layout, project, row)) {
        differences.extend(found?);
    }
    differences.sort_by(|a, b| (&a.project, &a.path).cmp(&(&b.project, &b.path)));
    Ok(differences)
}

fn compare(layout: &Layout, project: &Installed, row: &RecordRow) -> Result<Option<Difference>> {
    let differs = |state, detail: Option<String>| {
        let (project, path) = (project.name.normalized().to_owned(), row.path.clone());
        Ok(Some(Difference {
            project,
            path,
            state,
            detail,
        }))
    };
    let Some(place) = layout.of_recorded(project.library, &row.path) else {
        return differs(
            DifferenceState::Record,
            Some("it leads out of the environment".to_owned()),
        );
    };
    let bytecode = row.digest.is_none() && row.path.ends_with(".pyc");
    let path = layout.absolute(&place);
    let stat = match fs::lstat(&path) {
        Ok(Some(stat)) => stat,
        Ok(None) if bytecode => return Ok(None),
        Ok(None) => return differs(DifferenceState::Missing, None),
        Err(error) => return differs(DifferenceState::Unreadable, Some(error.to_string())),
    };
    // A link that stayed where a wheel wanted a file has a row that states nothing of it.
    if stat.kind == Kind::Symlink && row.digest.is_none() && row.size.is_none() {
        return Ok(None);
    }
    if stat.kind != Kind::File {
        let kind = match stat.kind {
            Kind::Directory => "it is a directory",
            Kind::Symlink => "it is a symbolic link",
            _ => "it is no regular file",
        };
        return differs(DifferenceState::Unreadable, Some(kind.to_owned()));
    }
    if let Some(size) = row.size.filter(|size| *size != stat.size) {
        let detail = format!("{} bytes, RECORD states {size}", stat.size);
        return differs(DifferenceState::Changed, Some(detail));
    }
    if let Some(recorded) = row.digest {
        match digest_of(&path, recorded.algorithm()) {
            Ok(Some(actual)) if actual == recorded => {}
            Ok(Some(actual)) => {
                return differs(
                    DifferenceState::Changed,
                    Some(format!("{actual}, RECORD states {recorded}")),
                );
            }
            Ok(None) => return differs(DifferenceState::Unreadable, None),
            Err(error) => return differs(DifferenceState::Unreadable, Some(error.to_string())),
        }
    }
    let (root, scripts) = layout.directory(SchemeKey::Scripts);
    let beside_scripts = place.root == root && place.path.parent().as_ref() == scripts;
    // A wheel may put other files beside the scripts, and those stay as it has them.
    if beside_scripts
        && stat.mode & 0o111 == 0
        && fs::read_to_limit(&path, 2).is_ok_and(|head| head == b"#!")
    {
        return differs(
            DifferenceState::Mode,
            Some("a script that cannot be executed".to_owned()),
        );
    }
    Ok(None)
}

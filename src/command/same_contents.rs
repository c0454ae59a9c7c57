//! Installed projects that have the contents of the wheels that would replace them.
//!
//! Input: the changes in question, the files that they would install, and the RECORDs of what is
//! installed. Output: the changes that are not needed become [`Action::Keep`], and their files are
//! dropped.
//!
//! Limits: RECORD is believed, so files that were edited do not count. Files that the installer
//! writes, such as scripts and INSTALLER, are left out.

use std::collections::{HashMap, HashSet};

use super::session::Session;
use crate::digest::Digest;
use crate::error::Result;
use crate::installed::Recorded;
use crate::outcome::Action;
use crate::plan::conflict::OnConflict;
use crate::plan::{Change, Content, WantedFile};

/// What projects are that lost a file to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Losers {
    /// Not what their wheels say, as a pinned wheel has to be.
    Differ,
    /// What this command, which resolves conflicts, would make of them.
    MayBeKept,
}

impl Losers {
    /// With this `--on-conflict`.
    pub fn of(on_conflict: OnConflict) -> Self {
        match on_conflict {
            OnConflict::Error => Self::Differ,
            OnConflict::First | OnConflict::Last => Self::MayBeKept,
        }
    }
}

/// A project that may be kept.
struct MayBeKept {
    /// Its number among the changes.
    number: usize,
    /// Its number among the installed projects.
    installed: usize,
    /// The rows of its RECORD that state other contents than the wheel.
    differing: Vec<(String, Digest)>,
}

/// Keeps the installed projects among the changes in `compare` that have the contents of their
/// wheels, and drops the files that these would install.
///
/// A project that lost a file to another one has the other's digest in its RECORD
/// (`plan/losers.rs`). With [`Losers::MayBeKept`] such a row is no difference while the winner
/// stays, or the same command would change something each time it runs.
pub fn keep_equal(
    changes: &mut [Change],
    compare: &[usize],
    losers: Losers,
    files: &mut Vec<WantedFile>,
    session: &Session<'_>,
) -> Result<()> {
    let mut candidates = Vec::new();
    for &number in compare {
        let installed = changes[number].old[0];
        let own = files.iter().filter(|file| file.owner.0 as usize == number);
        let project = &session.installed[installed];
        let recorded = project.read_record(&session.layout)?;
        let dist_info = project.place.path.file_name();
        if let Some(differing) = differing_rows(&recorded, own, dist_info)
            && (differing.is_empty() || losers == Losers::MayBeKept)
        {
            candidates.push(MayBeKept {
                number,
                installed,
                differing,
            });
        }
    }
    drop_unexplained(&mut candidates, changes, session)?;
    let kept: HashSet<usize> = candidates.iter().map(|kept| kept.number).collect();
    for &number in &kept {
        changes[number].action = Action::Keep;
        // A kept project has no `old`, or its files would count as leaving.
        changes[number].old.clear();
    }
    if !kept.is_empty() {
        files.retain(|file| !kept.contains(&(file.owner.0 as usize)));
    }
    Ok(())
}

/// The rows of an installed RECORD that state another digest than the files of a wheel. `None` if
/// no other project can be the reason: the row is missing, or it is one of the project's metadata.
///
/// `dist_info` is the name of the installed dist-info directory, whose spelling may be another one.
fn differing_rows<'f>(
    recorded: &Recorded,
    files: impl Iterator<Item = &'f WantedFile>,
    dist_info: &str,
) -> Option<Vec<(String, Digest)>> {
    let rows: HashMap<&str, Option<Digest>> = recorded
        .rows()?
        .iter()
        .map(|row| (row.path.as_str(), row.digest))
        .collect();
    let mut differing = Vec::new();
    for file in files {
        let Some(wanted) = file.digest else {
            // A file without a digest, such as a signature, cannot be compared and is no evidence.
            continue;
        };
        if !matches!(file.content, Content::Entry(..)) {
            continue;
        }
        let metadata = file
            .recorded
            .split_once('/')
            .filter(|(first, _)| first.ends_with(".dist-info"))
            .map(|(_, rest)| format!("{dist_info}/{rest}"));
        let path = metadata.as_deref().unwrap_or(&file.recorded);
        match *rows.get(path)? {
            Some(digest) if digest == wanted => {}
            // Bytecode of the wheel makes way for bytecode that is compiled here.
            None if path.ends_with(".pyc") => {}
            Some(digest) if metadata.is_none() => differing.push((path.to_owned(), digest)),
            _ => return None,
        }
    }
    Some(differing)
}

/// Drops the candidates whose differences have another reason than a project that stays.
fn drop_unexplained(
    candidates: &mut Vec<MayBeKept>,
    changes: &[Change],
    session: &Session<'_>,
) -> Result<()> {
    // Most projects have no difference, so that no other RECORD is read.
    if candidates.iter().all(|one| one.differing.is_empty()) {
        return Ok(());
    }
    let owners = owners_of(candidates, session)?;
    loop {
        // Two candidates may each have won a file of the other, so all of them are taken to stay
        // until one is found not to.
        let staying: HashSet<usize> = candidates.iter().map(|one| one.installed).collect();
        let old = changes.iter().flat_map(|change| &change.old);
        let leaving: HashSet<usize> = old.copied().filter(|it| !staying.contains(it)).collect();
        let before = candidates.len();
        candidates.retain(|candidate| {
            candidate.differing.iter().all(|row| {
                let mut others = owners.get(row).into_iter().flatten();
                others.any(|it| *it != candidate.installed && !leaving.contains(it))
            })
        });
        if candidates.len() == before {
            return Ok(());
        }
    }
}

/// The installed projects whose RECORD has a row that differs, as numbers.
fn owners_of(
    candidates: &[MayBeKept],
    session: &Session<'_>,
) -> Result<HashMap<(String, Digest), Vec<usize>>> {
    let differing = candidates.iter().flat_map(|one| &one.differing);
    let mut owners: HashMap<(String, Digest), Vec<usize>> =
        differing.map(|row| (row.clone(), Vec::new())).collect();
    for (number, project) in session.installed.iter().enumerate() {
        let recorded = project.read_record(&session.layout)?;
        for row in recorded.rows().into_iter().flat_map(|rows| &**rows) {
            let Some(digest) = row.digest else { continue };
            if let Some(found) = owners.get_mut(&(row.path.clone(), digest)) {
                found.push(number);
            }
        }
    }
    Ok(owners)
}

//! The scan: which projects the names in the library directories stand for.
//!
//! Input: a [`Layout`]. Output: one [`Installed`] per dist-info directory and per egg. Nothing but
//! names, the existence of RECORD and METADATA, and INSTALLER is looked at, unless there are eggs
//! or incomplete dist-infos: then the RECORDs say whether those belong to another project.

use std::path::Path;

use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::{Form, Installed, Recorded};
use crate::environment::layout::{Layout, Place, SchemeKey};
use crate::error::Result;
use crate::fs::{self, Kind};
use crate::path::RelPath;
use crate::spec::name::ProjectName;
use crate::spec::record;

/// The most of an INSTALLER that is read, in bytes; it holds one word.
const MAX_INSTALLER: u64 = 256;

/// Finds everything that is installed, in the order of the directories' names. An egg or dist-info
/// that the RECORD of another project lists is a file of that project and no project itself.
///
/// # Errors
/// If a library directory exists and cannot be listed.
pub fn scan(layout: &Layout) -> Result<Vec<Installed>> {
    let mut found = glance(layout)?;
    for project in &mut found {
        look_inside(project, layout)?;
    }
    drop_claimed(layout, &mut found);
    Ok(found)
}

/// As [`scan`], but reads nothing except the names of directories: how a project is recorded, its
/// installer, and whether it belongs to another one stay unknown. It costs one listing, which a
/// command can afford before it takes the lock.
///
/// # Errors
/// As [`scan`].
pub fn glance(layout: &Layout) -> Result<Vec<Installed>> {
    let mut found = named_in(layout, SchemeKey::Purelib)?;
    // Most environments have one directory for both, and would list every project twice.
    if layout.directory(SchemeKey::Purelib) != layout.directory(SchemeKey::Platlib) {
        found.extend(named_in(layout, SchemeKey::Platlib)?);
    }
    Ok(found)
}

fn named_in(layout: &Layout, library: SchemeKey) -> Result<Vec<Installed>> {
    let directory = layout.absolute_directory(library);
    let mut found = Vec::new();
    for (name, kind) in fs::list(&directory)? {
        let Some(text) = name.to_str() else { continue };
        let stem = if let Some(stem) = text.strip_suffix(".dist-info") {
            is_directory(&directory.join(text), kind)?.then_some((stem, false))
        } else {
            text.strip_suffix(".egg-info")
                .or_else(|| text.strip_suffix(".egg-link"))
                .or_else(|| text.strip_suffix(".egg"))
                .map(|stem| (stem, true))
        };
        let Some((stem, is_egg)) = stem else { continue };
        if kind == Kind::Symlink && fs::is_foreign_link(&directory.join(text)) {
            continue;
        }
        let (project, version) = name_and_version(stem, is_egg);
        let Some(name) = ProjectName::parse(project) else {
            continue;
        };
        let Ok(path) = RelPath::parse(text) else {
            continue;
        };
        found.push(Installed {
            name,
            version: version.to_owned(),
            place: layout.place(library, &path),
            library,
            form: if is_egg { Form::Egg } else { Form::Recorded },
            installer: None,
            is_linked: !is_egg && kind == Kind::Symlink,
        });
    }
    Ok(found)
}

/// Completes what the name of the directory does not say.
fn look_inside(project: &mut Installed, layout: &Layout) -> Result<()> {
    let directory = layout.absolute(&project.place);
    if project.form != Form::Egg && !is_file(&directory.join("RECORD"))? {
        project.form = if is_file(&directory.join("METADATA"))? {
            Form::Unrecorded
        } else {
            Form::Leftover
        };
    }
    project.installer = first_line(&directory.join("INSTALLER"));
    Ok(())
}

/// Drops the eggs and dist-infos that the RECORD of another project lists.
fn drop_claimed(layout: &Layout, found: &mut Vec<Installed>) {
    // Installers write RECORD and INSTALLER, so whatever has both is a project. Only if something
    // else is there the RECORDs have to be read.
    let is_certain =
        |project: &Installed| project.form == Form::Recorded && project.installer.is_some();
    let mut doubtful: HashMap<Place, usize> = HashMap::new();
    for (number, project) in found.iter().enumerate() {
        if !is_certain(project) {
            doubtful.insert(project.place.clone(), number);
        }
    }
    if doubtful.is_empty() {
        return;
    }
    let mut claimed = HashSet::new();
    for project in found.iter().filter(|project| is_certain(project)) {
        claimed.extend(claims(layout, project, &doubtful));
    }
    // Among the doubtful ones a RECORD outweighs none; two with a RECORD claim each other in vain.
    let by_doubtful: Vec<usize> = doubtful
        .values()
        .filter(|number| found[**number].form == Form::Recorded && !claimed.contains(*number))
        .flat_map(|number| claims(layout, &found[*number], &doubtful))
        .filter(|number| found[*number].form != Form::Recorded)
        .collect();
    claimed.extend(by_doubtful);
    let mut number = 0..;
    found.retain(|_| {
        number
            .next()
            .is_none_or(|number| !claimed.contains(&number))
    });
}

/// Those of the `doubtful` that the project's RECORD lists, or lists files in.
fn claims(layout: &Layout, owner: &Installed, doubtful: &HashMap<Place, usize>) -> HashSet<usize> {
    let recorded = owner.read_record(layout).ok();
    let rows = recorded.as_ref().and_then(Recorded::rows);
    let mut claimed = HashSet::new();
    for row in rows.into_iter().flat_map(|rows| rows.iter()) {
        if !row.path.contains(".egg") && !row.path.contains(".dist-info") {
            continue;
        }
        let mut at = layout.of_recorded(owner.library, &row.path);
        while let Some(place) = at {
            if place == owner.place {
                break;
            }
            claimed.extend(doubtful.get(&place));
            at = place.parent();
        }
    }
    claimed
}

fn is_directory(path: &Path, kind: Kind) -> Result<bool> {
    Ok(match kind {
        Kind::Directory => true,
        Kind::Symlink => fs::stat(path)?.is_some_and(|stat| stat.kind == Kind::Directory),
        Kind::File | Kind::Other => false,
    })
}

fn is_file(path: &Path) -> Result<bool> {
    Ok(fs::stat(path)?.is_some_and(|stat| stat.kind == Kind::File))
}

/// The project and the version that the name of a dist-info directory states.
pub fn project_of(name: &str) -> Option<(ProjectName, &str)> {
    let (project, version) = name_and_version(name.strip_suffix(".dist-info")?, false);
    Some((ProjectName::parse(project)?, version))
}

/// How many files a RECORD with this content lists, and their bytes with its own; `None` if it
/// cannot be understood.
pub fn tally(content: &[u8]) -> Option<(u64, u64)> {
    let rows = record::read_installed_record(content).ok()?;
    let sizes = rows.iter().filter_map(|row| row.size);
    Some((
        rows.len() as u64,
        sizes.fold(content.len() as u64, u64::saturating_add),
    ))
}

/// Splits `name-version` of a dist-info directory, or `name-version-py3.x` of an egg.
fn name_and_version(stem: &str, is_egg: bool) -> (&str, &str) {
    // Older tools left `-` in the names of dist-infos but not in their versions, so those are split
    // at the last one. In the name of an egg, `-` occurs only as a separator.
    let parts = if is_egg {
        stem.split_once('-')
    } else {
        stem.rsplit_once('-')
    };
    let (name, version) = parts.unwrap_or((stem, ""));
    match version.split_once('-') {
        Some((version, _python)) if is_egg => (name, version),
        _ => (name, version),
    }
}

fn first_line(path: &Path) -> Option<String> {
    // INSTALLER is only shown, so a failure to read it must not fail a command.
    let content = fs::read_unless_foreign(path, MAX_INSTALLER).ok()??;
    let text = String::from_utf8_lossy(&content);
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_python_version_of_an_egg_is_not_part_of_its_version() {
        assert_eq!(name_and_version("a_b-1.0", false), ("a_b", "1.0"));
        assert_eq!(name_and_version("a-b-1.0", false), ("a-b", "1.0"));
        assert_eq!(name_and_version("a-1.0-py3.11", true), ("a", "1.0"));
        assert_eq!(name_and_version("a-1.0", true), ("a", "1.0"));
        assert_eq!(name_and_version("a", true), ("a", ""));
    }
}

//! File names of an index: which project and version they state, without reading all of them.
//!
//! Input: the file names of one page. Output: [`Named`] for the wheels and source distributions of
//! the page's project. Limits: tags are not looked at here, which would cost much for the thousands
//! of files that are never chosen; a wheel's name is read whole when it becomes a candidate.

use super::super::name::ProjectName;
use super::super::version::Version;

/// The endings of source distributions in use; others are unknown to today's tools.
const SOURCES: [&str; 3] = [".tar.gz", ".zip", ".tar.bz2"];

/// A file name of the project, with the version as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named<'a> {
    Wheel(&'a str),
    Source(&'a str),
}

/// Reads the file names of one project.
pub(super) struct FileNames {
    project: ProjectName,
    /// The spelling that was accepted last: nearly all files of a page share it.
    spelling: String,
}

impl FileNames {
    pub(super) fn new(project: &ProjectName) -> Self {
        Self {
            project: project.clone(),
            spelling: String::new(),
        }
    }

    /// What a file name states; `None` if it is of another kind or another project.
    pub(super) fn read<'a>(&mut self, file_name: &'a str) -> Option<Named<'a>> {
        if let Some(stem) = file_name.strip_suffix(".whl") {
            let parts = stem.bytes().filter(|byte| *byte == b'-').count();
            let (name, rest) = stem.split_once('-')?;
            let (version, _) = rest.split_once('-')?;
            // Four or five dashes: name, version, an optional build tag, and three tags.
            return (matches!(parts, 4 | 5) && self.is_project(name))
                .then_some(Named::Wheel(version));
        }
        let stem = (SOURCES.iter()).find_map(|ending| file_name.strip_suffix(ending))?;
        // Old source distributions keep the dashes of the project's name.
        let mut dashes = stem.match_indices('-').map(|(at, _)| at);
        let at = dashes.find(|at| self.is_project(&stem[..*at]))?;
        Some(Named::Source(&stem[at + 1..]))
    }

    fn is_project(&mut self, name: &str) -> bool {
        if name == self.spelling {
            return true;
        }
        let is_ours = ProjectName::parse(name).is_some_and(|name| name == self.project);
        if is_ours {
            name.clone_into(&mut self.spelling);
        }
        is_ours
    }
}

/// A version of a file name, in which `_` may stand for `-`.
pub(super) fn version(text: &str) -> Option<Version> {
    Version::parse(text).or_else(|| Version::parse(&text.replace('_', "-")))
}

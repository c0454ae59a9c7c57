//! Bytecode: which files an interpreter makes of the modules that are installed (PEP 3147, PEP
//! 488).
//!
//! Input: the wanted files, and what exists at the places of their bytecode. Output: more files to
//! write, and rows in the RECORDs of all owners of their sources. Bytecode follows its source and
//! is never in conflict: it is made if the source is written, and takes the place of whatever
//! bytecode is there, also of what a wheel brings, since that may belong to another source.

use std::collections::HashSet;
use std::sync::Arc;

use super::conflict::{Displaced, Resolved, ResolvedFile};
use super::operations::below;
use super::project_metadata::is_project_metadata;
use super::{Candidate, ChangeId, CompiledFrom, Content, NewRow, RowFile, WantedFile};
use crate::environment::layout::{Layout, Place, SchemeKey};
use crate::installed::facts::{LiveContent, Site};
use crate::path::RelPath;

/// The directory that holds the bytecode of its neighbours (PEP 3147).
const DIRECTORY: &str = "__pycache__";

/// The bytecode that is wanted of every module.
#[derive(Debug, Clone)]
pub struct WantedBytecode {
    /// The tag of the interpreter, such as `cpython-312`.
    pub tag: String,
    /// The optimisation levels, each once.
    pub levels: Vec<u8>,
}

/// The bytecode of a file that a project wants, and what exists at its place.
#[derive(Debug, Clone)]
pub struct BytecodeCandidate {
    /// The place of the source.
    pub source: Place,
    /// The change that wants it.
    pub owner: ChangeId,
    /// The path as RECORD spells it.
    pub recorded: Arc<str>,
    /// The optimisation level.
    pub level: u8,
    /// What is at the place of the bytecode.
    pub site: Site,
}

impl WantedBytecode {
    /// The places of the bytecode of a file, how RECORD spells them, and their levels; nothing for
    /// a file that cannot be imported.
    pub fn of(&self, file: &WantedFile, layout: &Layout) -> Vec<(Place, Arc<str>, u8)> {
        let name = file.place.path.file_name();
        let Some(stem) = name.strip_suffix(".py").filter(|stem| !stem.is_empty()) else {
            return Vec::new();
        };
        if !is_module(&file.place, layout) {
            return Vec::new();
        }
        let beside = |path: &str, name: &str| match path.rsplit_once('/') {
            Some((directory, _)) => format!("{directory}/{DIRECTORY}/{name}"),
            None => format!("{DIRECTORY}/{name}"),
        };
        let of_level = |&level: &u8| {
            let name = match level {
                0 => format!("{stem}.{}.pyc", self.tag),
                _ => format!("{stem}.{}.opt-{level}.pyc", self.tag),
            };
            // A name that is too long for the file system has no bytecode, as with interpreters.
            let path = RelPath::parse(&beside(file.place.path.as_str(), &name)).ok()?;
            let place = Place {
                root: file.place.root,
                path,
            };
            Some((place, beside(&file.recorded, &name).into(), level))
        };
        self.levels.iter().filter_map(of_level).collect()
    }
}

/// Whether a file is below a library, where modules are imported from, and no program or metadata.
fn is_module(place: &Place, layout: &Layout) -> bool {
    let libraries = [SchemeKey::Purelib, SchemeKey::Platlib];
    let is_in_library = libraries
        .iter()
        .any(|key| below(layout, place, *key).is_some());
    // In a target directory the scripts lie inside the library.
    is_in_library
        && below(layout, place, SchemeKey::Scripts).is_none()
        && !is_project_metadata(layout, place)
}

/// Drops the files at places where bytecode will be made.
pub fn drop_shipped(candidates: &mut Vec<Candidate>, bytecode: &[BytecodeCandidate]) {
    let is_bytecode = |candidate: &Candidate| candidate.file.place.path.as_str().ends_with(".pyc");
    // Wheels hardly ever bring bytecode, and without it no set of all places is needed.
    if !candidates.iter().any(is_bytecode) {
        return;
    }
    let made: HashSet<&Place> = bytecode.iter().map(|made| &made.site.place).collect();
    candidates.retain(|candidate| !made.contains(&candidate.file.place));
}

/// Adds the bytecode of the files that are written.
pub fn add(resolved: &mut Resolved, mut candidates: Vec<BytecodeCandidate>) {
    candidates.sort_by(|one, two| one.site.place.cmp(&two.site.place));
    let mut files: Vec<ResolvedFile> = Vec::with_capacity(candidates.len());
    let mut rows: Vec<(usize, ChangeId, Arc<str>)> = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let site = candidate.site;
        if files.last().is_none_or(|last| last.place != site.place) {
            let Some(source) = position(resolved, &candidate.source) else {
                continue;
            };
            let is_blocked = site.blocked.is_some()
                || site
                    .place
                    .parent()
                    .is_some_and(|directory| position(resolved, &directory).is_some());
            let live = site.live.as_deref();
            let is_file = live.is_none_or(|live| {
                matches!(live.content, LiveContent::File(_) | LiveContent::Symlink)
            });
            if is_blocked || !is_file {
                continue;
            }
            if let Some(live) = live {
                resolved.displaced.push(Displaced {
                    place: site.place.clone(),
                    owners: live.owners.clone(),
                });
            }
            files.push(ResolvedFile {
                place: site.place,
                content: Content::Bytecode(CompiledFrom {
                    source: u32::try_from(source).expect("a plan has fewer than 2^32 files"),
                    level: candidate.level,
                }),
                executable: false,
                // Bytecode is about as long as its source; its own length is known when it is made.
                size: resolved.files[source].size,
                digest: None,
                missing_root: site.missing_root,
            });
        }
        let (file, owner) = (files.len() - 1, candidate.owner);
        // A wheel may want a source twice with equal contents. RECORD must still list it once.
        let mut same_file = rows.iter().rev().take_while(|row| row.0 == file);
        if !same_file.any(|row| row.1 == owner) {
            rows.push((file, owner, candidate.recorded));
        }
    }
    if files.is_empty() {
        return;
    }
    let numbers = resolved.insert(files);
    for (file, owner, recorded) in rows {
        let record = &mut resolved.changes[owner.0 as usize].record;
        let file = RowFile::New(numbers[file]);
        record.push(NewRow { recorded, file });
    }
}

/// The index of the file that is written at a place.
fn position(resolved: &Resolved, place: &Place) -> Option<usize> {
    let files = &resolved.files;
    files.binary_search_by(|file| file.place.cmp(place)).ok()
}

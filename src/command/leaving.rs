//! What leaves: the files of replaced and removed projects, and what is around them.
//!
//! Input: the changes of a plan. Output: [`Going`]. RECORD of what is installed is believed only as far as the environment
//! reaches: rows that lead outside, name directories, or name what belongs to the environment itself are skipped with a
//! warning. A file that another project lists too stays.

use std::collections::{HashMap, HashSet};

use super::looking::Looking;
use crate::environment::installed::Installed;
use crate::environment::place::Place;
use crate::error::{ErrorKind, Result};
use crate::fs::{self, Kind, Stat};
use crate::path::RelPath;
use crate::plan::Change;
use crate::plan::removal::{Going, is_bytecode_of};
use crate::plan::spread::Guard;
use crate::report::{Action, Report, Warning};
use crate::spec::record::RecordRow;

impl Looking<'_, '_> {
    /// Everything that the changes take away, with its surroundings.
    ///
    /// # Errors
    /// Where a project has no RECORD, or something cannot be looked at.
    pub fn going(&mut self, changes: &mut [Change], report: &mut Report) -> Result<Going> {
        let mut going = Going::default();
        let leaving: HashSet<usize> = changes.iter().flat_map(|change| change.old.iter().copied()).collect();
        if leaving.is_empty() {
            return Ok(going);
        }
        let guard = Guard::of(self.survey.layout());
        for change in changes.iter_mut() {
            for &number in &change.old {
                let leaver = Leaver { number, leaving: &leaving, guard: &guard };
                let (files, bytes) = self.leave(&leaver, &mut going, report)?;
                if change.action == Action::Remove {
                    change.files += files;
                    change.bytes += bytes;
                }
            }
        }
        self.bytecode(&mut going)?;
        self.surroundings(&mut going)?;
        Ok(going)
    }

    /// The files of one installed project that go; returns their number and bytes.
    fn leave(&mut self, leaver: &Leaver<'_>, going: &mut Going, report: &mut Report) -> Result<(u64, u64)> {
        let project = &self.installed[leaver.number];
        let rows = self.record(leaver.number)?;
        let written = fs::lstat(&self.survey.layout().absolute(&project.place).join("RECORD"))?;
        let mut warn = |code, message| {
            report.warnings.push(Warning { code, wheel: Some(project.name.normalized().to_owned()), message });
        };
        let mut total = (0, 0);
        for row in rows.iter().chain(&self.unlisted(project, &rows)?) {
            let Some((place, stat)) = self.leaving_file(leaver, row, &mut warn)? else { continue };
            let owners = self.owners()?.get(&place);
            if owners.is_some_and(|owners| owners.iter().any(|owner| !leaver.leaving.contains(owner))) {
                continue;
            }
            if let Some(digest) = row.digest
                && written.is_some_and(|written| stat.modified > written.modified)
                && stat.kind == Kind::File
                && self.survey.digest(&place, digest.algorithm())? != Some(digest)
            {
                warn("edited-file", format!("`{}` was edited since it was installed", row.path));
            }
            if going.files.insert(place) {
                total = (total.0 + 1, total.1 + stat.size);
            }
        }
        Ok(total)
    }

    /// Files in a dist-info directory that RECORD does not list: the directory is the project's own, so they go with it.
    fn unlisted(&self, project: &Installed, rows: &[RecordRow]) -> Result<Vec<RecordRow>> {
        let listed: HashSet<&str> = rows.iter().map(|row| row.path.as_str()).collect();
        let directory = self.survey.layout().absolute(&project.place);
        let name = project.place.path.file_name();
        let inside = fs::walk(&directory)?.into_iter().filter(|(_, stat)| stat.kind != Kind::Directory);
        let rows = inside.filter_map(|(below, _)| {
            Some(RecordRow { path: format!("{name}/{}", below.to_str()?), digest: None, size: None })
        });
        Ok(rows.filter(|row| !listed.contains(row.path.as_str())).collect())
    }

    /// The file that a row of RECORD is about, if it is there and may be removed.
    fn leaving_file(
        &mut self,
        leaver: &Leaver<'_>,
        row: &RecordRow,
        warn: &mut dyn FnMut(&'static str, String),
    ) -> Result<Option<(Place, Stat)>> {
        let project = &self.installed[leaver.number];
        let Some(place) = self.survey.layout().of_recorded(project.library, &row.path) else {
            warn("record-leads-outside", format!("RECORD lists `{}`, which is outside of the environment", row.path));
            return Ok(None);
        };
        if let Some(what) = leaver.guard.protects(&place) {
            warn("record-protected", format!("RECORD lists `{}`, which is {what}", row.path));
            return Ok(None);
        }
        let fact = match self.survey.look(&place) {
            Ok(fact) => fact,
            Err(error) if error.kind() == ErrorKind::Environment => {
                warn("record-leads-outside", format!("RECORD lists `{}`: {error}", row.path));
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        match fact.live {
            Some(stat) if stat.kind == Kind::Directory => {
                warn("record-directory", format!("RECORD lists `{}`, which is a directory", row.path));
                Ok(None)
            }
            Some(stat) => Ok(Some((fact.place, stat))),
            None => Ok(None),
        }
    }

    /// Adds the bytecode of the sources that go, in `__pycache__` and beside them.
    fn bytecode(&mut self, going: &mut Going) -> Result<()> {
        let mut stems: HashMap<Option<Place>, (Place, HashSet<String>)> = HashMap::new();
        for file in &going.files {
            if let Some(stem) = file.path.file_name().strip_suffix(".py") {
                let entry = stems.entry(file.parent()).or_insert_with(|| (file.clone(), HashSet::new()));
                entry.1.insert(stem.to_owned());
            }
        }
        for (sibling, stems) in stems.into_values() {
            let beside = |name: &str| {
                let name = RelPath::parse(name).ok()?;
                Some(Place {
                    path: sibling.path.parent().map_or_else(|| name.clone(), |parent| parent.join(&name)),
                    ..sibling.clone()
                })
            };
            let Some(cache) = beside("__pycache__") else { continue };
            for stem in &stems {
                if let Some(legacy) = beside(&format!("{stem}.pyc"))
                    && self.survey.look(&legacy)?.live.is_some_and(|stat| stat.kind == Kind::File)
                {
                    going.files.insert(legacy);
                }
            }
            for (name, kind) in self.survey.list(&cache)? {
                if let (Some(name), Kind::File) = (name, kind)
                    && is_bytecode_of(&name, &stems)
                    && let Ok(name) = RelPath::parse(&name)
                {
                    going.files.insert(cache.join(&name));
                }
            }
        }
        Ok(())
    }

    /// Lists every directory that something goes from, and finds the empty ones in them.
    fn surroundings(&mut self, going: &mut Going) -> Result<()> {
        let mut directories: HashSet<Place> = HashSet::new();
        for file in &going.files {
            let mut at = file.parent();
            while let Some(directory) = at {
                if self.survey.layout().is_own_directory(&directory) || !directories.insert(directory.clone()) {
                    break;
                }
                at = directory.parent();
            }
        }
        for directory in &directories {
            let names = self.survey.list(directory)?;
            for (name, kind) in &names {
                let name = name.as_deref().and_then(|name| RelPath::parse(name).ok());
                if let (Some(name), Kind::Directory) = (name, kind) {
                    let child = directory.join(&name);
                    if !directories.contains(&child) && self.is_hollow(&child)? {
                        going.hollow.insert(child);
                    }
                }
            }
            going.listing.insert(directory.clone(), names);
        }
        Ok(())
    }

    fn is_hollow(&self, directory: &Place) -> Result<bool> {
        let inside = fs::walk(&self.survey.layout().absolute(directory))?;
        Ok(inside.iter().all(|(_, stat)| stat.kind == Kind::Directory))
    }
}

/// A project that goes.
struct Leaver<'a> {
    number: usize,
    leaving: &'a HashSet<usize>,
    guard: &'a Guard,
}

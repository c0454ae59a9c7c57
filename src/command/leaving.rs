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
use crate::hash::Digest;
use crate::path::RelPath;
use crate::plan::Change;
use crate::plan::removal::{Going, is_bytecode_of};
use crate::plan::spread::Guard;
use crate::report::{Action, Report, Warning};
use crate::spec::record::RecordRow;
use crate::wheel::in_parallel;

/// The directory that holds the bytecode of its neighbours (PEP 3147).
const BYTECODE: &str = "__pycache__";

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
        self.look_around(&leaving)?;
        let guard = Guard::of(self.survey.layout());
        let mut listed = Vec::new();
        for (change, number) in
            changes.iter().zip(0..).flat_map(|(change, id)| change.old.iter().map(move |&old| (id, old)))
        {
            listed.push((change, number, self.listed(number, &guard, report)?));
        }
        let shared =
            self.shared(&leaving, listed.iter().flat_map(|(_, _, files)| files.iter().map(|file| &file.place)))?;
        for (change, number, files) in listed {
            let (files, bytes) = self.leave(number, files, &shared, &mut going, report)?;
            if changes[change].action == Action::Remove {
                changes[change].files += files;
                changes[change].bytes += bytes;
            }
        }
        self.bytecode(&mut going)?;
        self.surroundings(&mut going)?;
        Ok(going)
    }

    /// Reads every RECORD and looks into every directory that something may leave, all of them in parallel: what follows
    /// depends on so many small facts that asking for them one by one would take longer than anything else.
    fn look_around(&mut self, leaving: &HashSet<usize>) -> Result<()> {
        self.read_records();
        let mut directories: HashSet<Place> = HashSet::new();
        for &number in leaving {
            directories.insert(self.installed[number].place.clone());
            for row in self.record(number)?.iter() {
                let place = self.survey.layout().of_recorded(self.installed[number].library, &row.path);
                let mut at = place.and_then(|place| place.parent());
                while let Some(directory) = at {
                    at = directory.parent();
                    if !directories.insert(directory) {
                        break;
                    }
                }
            }
        }
        self.look_into(directories.iter().cloned().collect())?;
        let caches = directories.iter().filter_map(|directory| {
            self.survey.foreseen(directory)?.stat(BYTECODE)?;
            Some(directory.join(&RelPath::parse(BYTECODE).ok()?))
        });
        let caches = caches.filter(|cache| !directories.contains(cache)).collect();
        self.look_into(caches)
    }

    fn look_into(&mut self, directories: Vec<Place>) -> Result<()> {
        let layout = self.survey.layout();
        let insides = in_parallel(self.pool, &directories, |directory| fs::look_into(&layout.absolute(directory)));
        for (directory, inside) in directories.into_iter().zip(insides) {
            self.survey.foresee(inside?.map(|inside| (directory, inside)));
        }
        Ok(())
    }

    /// The files of an installed project that are there and may be removed.
    fn listed(&mut self, number: usize, guard: &Guard, report: &mut Report) -> Result<Vec<Listed>> {
        let project = &self.installed[number];
        let rows = self.record(number)?;
        let mut warn = |code, message| report.warnings.push(warning(project, code, message));
        let mut files = Vec::with_capacity(rows.len());
        for row in rows.iter().chain(&self.unlisted(project, &rows)?) {
            if let Some((place, stat)) = self.leaving_file(project, row, guard, &mut warn)? {
                files.push(Listed { place, stat, path: row.path.clone(), digest: row.digest });
            }
        }
        Ok(files)
    }

    /// Those of the places that a project which stays lists too.
    fn shared<'p>(
        &mut self,
        leaving: &HashSet<usize>,
        places: impl Iterator<Item = &'p Place>,
    ) -> Result<HashSet<Place>> {
        let mut shared = HashSet::new();
        if leaving.len() == self.installed.len() {
            return Ok(shared);
        }
        let places: HashSet<&Place> = places.collect();
        let names: HashSet<&str> = places.iter().map(|place| place.path.file_name()).collect();
        for number in (0..self.installed.len()).filter(|number| !leaving.contains(number)) {
            let Some(rows) = self.record_if_any(number)? else { continue };
            let library = self.installed[number].library;
            for row in rows.iter().filter(|row| names.contains(row.path.rsplit('/').next().unwrap_or_default())) {
                if let Some(place) = self.survey.layout().of_recorded(library, &row.path)
                    && let Ok(place) = self.survey.real(&place)
                    && places.contains(&place)
                {
                    shared.insert(place);
                }
            }
        }
        Ok(shared)
    }

    /// The files of one installed project that go; returns their number and bytes.
    fn leave(
        &self,
        number: usize,
        files: Vec<Listed>,
        shared: &HashSet<Place>,
        going: &mut Going,
        report: &mut Report,
    ) -> Result<(u64, u64)> {
        let project = &self.installed[number];
        let written = fs::lstat(&self.survey.layout().absolute(&project.place).join("RECORD"))?;
        let mut total = (0, 0);
        for Listed { place, stat, path, digest } in files {
            if shared.contains(&place) {
                continue;
            }
            if let Some(digest) = digest
                && written.is_some_and(|written| stat.modified > written.modified)
                && stat.kind == Kind::File
                && self.survey.digest(&place, digest.algorithm())? != Some(digest)
            {
                let message = format!("`{path}` was edited since it was installed");
                report.warnings.push(warning(project, "edited-file", message));
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
        project: &Installed,
        row: &RecordRow,
        guard: &Guard,
        warn: &mut dyn FnMut(&'static str, String),
    ) -> Result<Option<(Place, Stat)>> {
        let Some(place) = self.survey.layout().of_recorded(project.library, &row.path) else {
            warn("record-leads-outside", format!("RECORD lists `{}`, which is outside of the environment", row.path));
            return Ok(None);
        };
        let fact = match self.survey.look(&place) {
            Ok(fact) => fact,
            Err(error) if error.kind() == ErrorKind::Environment => {
                warn("record-leads-outside", format!("RECORD lists `{}`: {error}", row.path));
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        // A link inside the environment may be another way to what is protected.
        let layout = self.survey.layout();
        if let Some(what) = guard.protects(layout, &place).or_else(|| guard.protects(layout, &fact.place)) {
            warn("record-protected", format!("RECORD lists `{}`, which is {what}", row.path));
            return Ok(None);
        }
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
            let Some(cache) = beside(BYTECODE) else { continue };
            let Some(directory) = sibling.parent() else { continue };
            for (name, kind) in self.survey.list(&directory)? {
                if let (Some(name), Kind::File) = (&name, kind)
                    && name.strip_suffix(".pyc").is_some_and(|stem| stems.contains(stem))
                    && let Ok(name) = RelPath::parse(name)
                {
                    going.files.insert(directory.join(&name));
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

/// A file that RECORD lists and that is there.
struct Listed {
    place: Place,
    stat: Stat,
    path: String,
    digest: Option<Digest>,
}

fn warning(project: &Installed, code: &'static str, message: String) -> Warning {
    Warning { code, wheel: Some(project.name.normalized().to_owned()), message }
}

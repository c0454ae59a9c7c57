//! What leaves: the files of replaced and removed projects, and what is around them.
//!
//! Input: the changes of a plan. Output: [`Going`]. RECORD of what is installed is believed only as
//! far as the environment reaches: rows that lead outside, name directories, or name what belongs
//! to the environment itself are skipped with a warning. A file that another project lists too
//! stays.

use std::sync::Arc;

use foldhash::{HashSet, HashSetExt as _};

use super::looking::Looking;
use crate::digest::Digest;
use crate::environment::layout::Place;
use crate::error::{Error, ErrorKind, Result};
use crate::fs::{self, Kind, Stat};
use crate::installed::Installed;
use crate::outcome::{Action, Report, Warning};
use crate::path::RelPath;
use crate::plan::Change;
use crate::plan::removal::{Going, by_directory, is_bytecode_of};
use crate::plan::spread::Guard;
use crate::spec::record::RecordRow;
use crate::threads::in_parallel;

/// The directory that holds the bytecode of its neighbours (PEP 3147).
const BYTECODE: &str = "__pycache__";

impl Looking<'_, '_> {
    /// Everything that the changes take away, with its surroundings.
    ///
    /// # Errors
    /// Where a project has no RECORD, or something cannot be looked at.
    pub fn going(&mut self, changes: &mut [Change], report: &mut Report) -> Result<Going> {
        let mut going = Going::default();
        let leaving: HashSet<usize> = changes
            .iter()
            .flat_map(|change| change.old.iter().copied())
            .collect();
        if leaving.is_empty() {
            return Ok(going);
        }
        let guard = Guard::of(self.survey.layout());
        let leavers = self.look_around(changes)?;
        let mut listed = Vec::with_capacity(leavers.len());
        for leaver in &leavers {
            listed.push(self.listed(leaver, &guard, report)?);
        }
        let shared = self.shared(&leaving, listed.iter().flatten().map(|file| &file.place))?;
        for (leaver, files) in leavers.iter().zip(listed) {
            let (files, bytes) = self.leave(leaver.number, files, &shared, &mut going, report)?;
            let change = &mut changes[leaver.change];
            if change.action == Action::Remove {
                change.files += files;
                change.bytes += bytes;
            }
        }
        self.bytecode(&mut going)?;
        self.surroundings(&mut going)?;
        Ok(going)
    }

    /// Reads every RECORD and looks into every directory that something may leave, all of them in
    /// parallel: what follows depends on so many small facts that asking for them one by one would
    /// take longer than anything else.
    fn look_around(&mut self, changes: &[Change]) -> Result<Vec<Leaver>> {
        self.read_records();
        let mut leavers = Vec::new();
        for (change, number) in changes
            .iter()
            .enumerate()
            .flat_map(|(id, change)| change.old.iter().map(move |&number| (id, number)))
        {
            leavers.push(Leaver {
                change,
                number,
                rows: self.record(number)?,
                places: Vec::new(),
            });
        }
        let (layout, installed) = (self.survey.layout(), self.installed);
        let places = in_parallel(self.pool, &leavers, |leaver| -> Vec<Option<Place>> {
            let library = installed[leaver.number].library;
            leaver
                .rows
                .iter()
                .map(|row| layout.of_recorded(library, &row.path))
                .collect()
        });
        let mut directories: HashSet<Place> = HashSet::new();
        for (leaver, places) in leavers.iter_mut().zip(places) {
            directories.insert(installed[leaver.number].place.clone());
            // Rows are sorted, as a rule, so that those of one directory follow each other.
            let known: Vec<&Place> = places.iter().flatten().collect();
            for beside in
                known.chunk_by(|a, b| (a.root, a.path.directory()) == (b.root, b.path.directory()))
            {
                let mut at = beside[0].parent();
                while let Some(directory) = at {
                    at = directory.parent();
                    if !directories.insert(directory) {
                        break;
                    }
                }
            }
            leaver.places = places;
        }
        self.look_into(directories.iter().cloned().collect())?;
        let caches = directories.iter().filter_map(|directory| {
            self.survey.foreseen(directory)?.stat(BYTECODE)?;
            Some(directory.join(&RelPath::parse(BYTECODE).ok()?))
        });
        let caches = caches
            .filter(|cache| !directories.contains(cache))
            .collect();
        self.look_into(caches)?;
        Ok(leavers)
    }

    fn look_into(&mut self, directories: Vec<Place>) -> Result<()> {
        let layout = self.survey.layout();
        let insides = in_parallel(self.pool, &directories, |directory| {
            fs::look_into(&layout.absolute(directory))
        });
        for (directory, inside) in directories.into_iter().zip(insides) {
            self.survey
                .foresee(inside?.map(|inside| (directory, inside)));
        }
        Ok(())
    }

    /// The files of an installed project that are there and may be removed.
    fn listed(
        &mut self,
        leaver: &Leaver,
        guard: &Guard,
        report: &mut Report,
    ) -> Result<Vec<Listed>> {
        let project = &self.installed[leaver.number];
        let unlisted = self
            .unlisted(project, &leaver.rows)?
            .into_iter()
            .map(|row| {
                let place = self.survey.layout().of_recorded(project.library, &row.path);
                (row, place)
            });
        let unlisted: Vec<(RecordRow, Option<Place>)> = unlisted.collect();
        let listed = leaver.rows.iter().zip(&leaver.places);
        let mut warn = |code, message| report.warnings.push(warning(project, code, message));
        let mut files = Vec::with_capacity(leaver.rows.len());
        for (row, place) in listed.chain(unlisted.iter().map(|(row, place)| (row, place))) {
            if let Some((place, stat)) = self.leaving_file(row, place.as_ref(), guard, &mut warn)? {
                files.push(Listed {
                    place,
                    stat,
                    path: row.path.clone(),
                    digest: row.digest,
                });
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
            let Some(rows) = self.record_if_any(number)? else {
                continue;
            };
            let library = self.installed[number].library;
            for row in rows
                .iter()
                .filter(|row| names.contains(row.path.rsplit('/').next().unwrap_or_default()))
            {
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
        for Listed {
            place,
            stat,
            path,
            digest,
        } in files
        {
            if shared.contains(&place) {
                continue;
            }
            if let Some(digest) = digest
                && written.is_some_and(|written| stat.modified > written.modified)
                && stat.kind == Kind::File
                && self.survey.digest(&place, digest.algorithm())? != Some(digest)
            {
                let message = format!("`{path}` was edited since it was installed");
                report
                    .warnings
                    .push(warning(project, "edited-file", message));
            }
            if going.files.insert(place) {
                total = (total.0 + 1, total.1 + stat.size);
            }
        }
        Ok(total)
    }

    /// Files in a dist-info directory that RECORD does not list: the directory is the project's
    /// own, so they go with it.
    fn unlisted(&self, project: &Installed, rows: &[RecordRow]) -> Result<Vec<RecordRow>> {
        let listed: HashSet<&str> = rows.iter().map(|row| row.path.as_str()).collect();
        let mut unlisted = Vec::new();
        let mut directories = vec![(
            project.place.clone(),
            project.place.path.file_name().to_owned(),
        )];
        while let Some((directory, shown)) = directories.pop() {
            for (name, kind) in self.survey.list(&directory)? {
                let Some(name) = name.and_then(|name| RelPath::parse(&name).ok()) else {
                    continue;
                };
                let path = format!("{shown}/{name}");
                if kind == Kind::Directory {
                    directories.push((directory.join(&name), path));
                } else if !listed.contains(path.as_str()) {
                    unlisted.push(RecordRow {
                        path,
                        digest: None,
                        size: None,
                    });
                }
            }
        }
        Ok(unlisted)
    }

    /// The file that a row of RECORD is about, if it is there and may be removed.
    fn leaving_file(
        &mut self,
        row: &RecordRow,
        place: Option<&Place>,
        guard: &Guard,
        warn: &mut dyn FnMut(&'static str, String),
    ) -> Result<Option<(Place, Stat)>> {
        let Some(place) = place else {
            warn(
                "record-leads-outside",
                format!(
                    "RECORD lists `{}`, which is outside of the environment",
                    row.path
                ),
            );
            return Ok(None);
        };
        let fact = match self.survey.look(place) {
            Ok(fact) => fact,
            Err(error) if error.kind() == ErrorKind::Environment => {
                warn(
                    "record-leads-outside",
                    format!("RECORD lists `{}`: {error}", row.path),
                );
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        // A link inside the environment may be another way to what is protected.
        let layout = self.survey.layout();
        let ways = if *place == fact.place {
            &[place][..]
        } else {
            &[place, &fact.place]
        };
        if let Some(what) = ways.iter().find_map(|place| guard.protects(layout, place)) {
            warn(
                "record-protected",
                format!("RECORD lists `{}`, which is {what}", row.path),
            );
            return Ok(None);
        }
        match fact.live {
            Some(stat) if stat.kind == Kind::Directory => {
                warn(
                    "record-directory",
                    format!("RECORD lists `{}`, which is a directory", row.path),
                );
                Ok(None)
            }
            Some(stat) => Ok(Some((fact.place, stat))),
            None => Ok(None),
        }
    }

    /// Adds the bytecode of the sources that go, in `__pycache__` and beside them.
    fn bytecode(&mut self, going: &mut Going) -> Result<()> {
        let cache = RelPath::parse(BYTECODE)
            .map_err(|fault| Error::usage(format!("`{BYTECODE}` has {fault}")))?;
        let mut compiled = Vec::new();
        for ((root, _), files) in by_directory(&going.files) {
            let stems: HashSet<&str> = files
                .keys()
                .filter_map(|name| name.strip_suffix(".py"))
                .collect();
            let Some(source) = files.values().next().filter(|_| !stems.is_empty()) else {
                continue;
            };
            // Beside modules that lie directly in a root nothing but a cache is looked for.
            let directory = source.parent();
            let cache = directory.as_ref().map_or_else(
                || Place {
                    root,
                    path: cache.clone(),
                },
                |at| at.join(&cache),
            );
            let is_beside = |name: &str| {
                name.strip_suffix(".pyc")
                    .is_some_and(|stem| stems.contains(stem))
            };
            if let Some(directory) = directory {
                compiled.extend(self.files_in(&directory, is_beside)?);
            }
            compiled.extend(self.files_in(&cache, |name| is_bytecode_of(name, &stems))?);
        }
        going.files.extend(compiled);
        Ok(())
    }

    /// The regular files in a directory that are wanted by their names.
    fn files_in(&self, directory: &Place, wanted: impl Fn(&str) -> bool) -> Result<Vec<Place>> {
        let names = self
            .survey
            .list(directory)?
            .into_iter()
            .filter(|(_, kind)| *kind == Kind::File);
        let names =
            names.filter_map(|(name, _)| RelPath::parse(&name.filter(|name| wanted(name))?).ok());
        Ok(names.map(|name| directory.join(&name)).collect())
    }

    /// Lists every directory that something goes from, and finds the empty ones in them.
    fn surroundings(&mut self, going: &mut Going) -> Result<()> {
        let holding = by_directory(&going.files);
        let mut directories: HashSet<Place> = HashSet::new();
        for file in holding.values().filter_map(|files| files.values().next()) {
            let mut at = file.parent();
            while let Some(directory) = at {
                at = directory.parent();
                if directories.contains(&directory)
                    || self.survey.layout().is_own_directory(&directory)
                {
                    break;
                }
                directories.insert(directory);
            }
        }
        for directory in &directories {
            let names = self.survey.list(directory)?;
            for name in names
                .iter()
                .filter(|(_, kind)| *kind == Kind::Directory)
                .filter_map(|(name, _)| name.as_deref())
            {
                let Ok(name) = RelPath::parse(name) else {
                    continue;
                };
                let child = directory.join(&name);
                if !directories.contains(&child) && self.is_hollow(&child)? {
                    going.hollow.insert(child);
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

/// An installed project that leaves.
struct Leaver {
    /// The change that takes it away.
    change: usize,
    number: usize,
    /// What its RECORD lists, and where that is; `None` outside of the environment.
    rows: Arc<Vec<RecordRow>>,
    places: Vec<Option<Place>>,
}

/// A file that RECORD lists and that is there.
struct Listed {
    place: Place,
    stat: Stat,
    path: String,
    digest: Option<Digest>,
}

fn warning(project: &Installed, code: &'static str, message: String) -> Warning {
    Warning {
        code,
        wheel: Some(project.name.normalized().to_owned()),
        message,
    }
}

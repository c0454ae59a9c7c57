//! Removal: the files that replaced and removed projects take with them, and their surroundings.
//!
//! Input: the projects that leave. Output: a [`Removal`]. A RECORD is trusted only as far as the
//! environment reaches: rows that lead outside, name directories, or name protected files are
//! skipped with a warning. A file that another project lists too stays. Bytecode leaves with the
//! sources that it was compiled from.

use std::sync::Arc;

use foldhash::{HashMap, HashSet, HashSetExt as _};

use super::bytecode::{BYTECODE, bytecode_directory, bytecode_of};
use super::ownership::Ownership;
use super::survey::Survey;
use super::{Form, Installed};
use crate::digest::Digest;
use crate::environment::layout::{Place, by_directory};
use crate::environment::protected::Protected;
use crate::error::{Result, WarningCode};
use crate::fs::{self, Kind, Stat};
use crate::outcome::{BoundedWarnings, Warning};
use crate::path::RelPath;
use crate::spec::record::RecordRow;
use crate::threads::in_parallel;

/// The files that leave, and the directories around them.
#[derive(Debug, Clone, Default)]
pub struct Removal {
    /// The projects that leave.
    pub projects: Vec<LeavingProject>,
    /// Their files that are there and may be removed, with bytecode.
    pub files: HashSet<Place>,
    /// The content of every directory above one of `files`, except for the environment's own
    /// directories.
    pub listings: HashMap<Place, Vec<ListedName>>,
    /// Directories in those that hold no file, at no depth.
    pub empty_dirs: HashSet<Place>,
    /// Those of `files` that are symbolic links.
    pub links: HashSet<Place>,
    /// Dist-info directories that hold no file, at no depth, and leave.
    pub empty_dist_infos: Vec<Place>,
}

/// A project that leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeavingProject {
    /// Its index among the installed projects.
    pub installed: usize,
    /// How many files it takes with it, bytecode not counted; a file of two leaving projects counts
    /// for the first.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedName {
    /// The name; `None` if it is not UTF-8.
    pub name: Option<String>,
    /// Whether it is a directory; symbolic links are not.
    pub is_directory: bool,
}

/// Collects what the projects with the indices `leaving` take with them.
///
/// # Errors
/// If a project has no usable RECORD, or something cannot be looked at.
pub fn collect(
    survey: &mut Survey<'_>,
    ownership: &mut Ownership<'_>,
    protected: &Protected,
    leaving: &[usize],
) -> Result<(Removal, Vec<Warning>)> {
    let mut collector = Collector {
        survey,
        ownership,
        protected,
        warnings: BoundedWarnings::default(),
    };
    if leaving.is_empty() {
        return Ok((Removal::default(), Vec::new()));
    }
    let removal = collector.collect(leaving)?;
    Ok((removal, collector.warnings.finish(None)))
}

struct Collector<'g, 'a, 'l> {
    survey: &'g mut Survey<'l>,
    ownership: &'g mut Ownership<'a>,
    protected: &'g Protected,
    warnings: BoundedWarnings,
}

/// An installed project that leaves, and what its RECORD lists.
struct Leaver {
    number: usize,
    rows: Arc<Vec<RecordRow>>,
    /// The place of each row; `None` outside of the environment.
    places: Vec<Option<Place>>,
}

/// A file that RECORD lists and that is there.
struct PresentFile {
    place: Place,
    stat: Stat,
    path: String,
    digest: Option<Digest>,
}

/// The files of a project that are there and may be removed.
#[derive(Default)]
struct PresentFiles {
    files: Vec<PresentFile>,
    /// How many files RECORD lists behind symbolic links that are among `files`.
    behind: u64,
    /// Their bytes.
    bytes_behind: u64,
}

impl Collector<'_, '_, '_> {
    fn collect(&mut self, leaving: &[usize]) -> Result<Removal> {
        let leavers = self.read_ahead(leaving)?;
        let mut present = Vec::with_capacity(leavers.len());
        for leaver in &leavers {
            present.push(self.present_files(leaver)?);
        }
        let leaving: HashSet<usize> = leaving.iter().copied().collect();
        // If all projects leave, there is none left that could share a file.
        let shared = if leaving.len() == self.ownership.installed.len() {
            HashSet::new()
        } else {
            let places = present
                .iter()
                .flat_map(|present| &present.files)
                .map(|file| &file.place)
                .collect();
            self.ownership
                .listed_by_others(&places, &leaving, self.survey)?
        };
        let mut removal = Removal::default();
        for (leaver, present) in leavers.iter().zip(present) {
            self.add_remnants(leaver, &present.files, &mut removal)?;
            self.add_project(leaver.number, present, &shared, &mut removal)?;
        }
        // Bytecode leaves with the sources that it was compiled from.
        removal
            .files
            .extend(bytecode_of(&removal.files, self.survey)?);
        self.add_surroundings(&mut removal)?;
        Ok(removal)
    }

    /// Reads every RECORD and lists every directory that a file may leave, both in parallel. What
    /// follows depends on so many small facts that asking for them one by one would take longer
    /// than everything else.
    fn read_ahead(&mut self, leaving: &[usize]) -> Result<Vec<Leaver>> {
        let installed = self.ownership.installed;
        self.ownership.read_all(self.survey.layout());
        let mut leavers = Vec::with_capacity(leaving.len());
        for &number in leaving {
            leavers.push(Leaver {
                number,
                rows: self.rows(number, leaving)?,
                places: Vec::new(),
            });
        }
        let layout = self.survey.layout();
        let places = in_parallel(
            self.ownership.pool,
            &leavers,
            |leaver| -> Vec<Option<Place>> {
                let library = installed[leaver.number].library;
                let rows = leaver.rows.iter();
                rows.map(|row| layout.of_recorded(library, &row.path))
                    .collect()
            },
        );
        let mut directories: HashSet<Place> = HashSet::new();
        for (leaver, places) in leavers.iter_mut().zip(places) {
            directories.insert(installed[leaver.number].place.clone());
            add_directories(&places, &mut directories);
            leaver.places = places;
        }
        self.list_all(directories.iter().cloned().collect())?;
        let caches = directories.iter().filter_map(|directory| {
            self.survey.remembered(directory)?.stat(BYTECODE)?;
            Some(directory.join(&bytecode_directory()))
        });
        let caches = caches
            .filter(|cache| !directories.contains(cache))
            .collect();
        self.list_all(caches)?;
        Ok(leavers)
    }

    /// The rows of a project that leaves. A dist-info without RECORD lists nothing; it may leave
    /// only if it is a leftover, or if another one of its project is whole and leaves with it.
    fn rows(&mut self, number: usize, leaving: &[usize]) -> Result<Arc<Vec<RecordRow>>> {
        let installed = self.ownership.installed;
        let project = &installed[number];
        let is_whole =
            |other: &Installed| other.name == project.name && other.form == Form::Recorded;
        let is_remnant = match project.form {
            Form::Recorded | Form::Egg => false,
            Form::Leftover => true,
            Form::Unrecorded => leaving.iter().any(|&other| is_whole(&installed[other])),
        };
        if !is_remnant {
            return self.ownership.require_rows(number, self.survey.layout());
        }
        let path = project.place.path.file_name();
        let message = format!("`{path}` has no RECORD: only this directory is removed");
        self.warn(project, WarningCode::Leftover, message);
        Ok(Arc::default())
    }

    fn list_all(&mut self, directories: Vec<Place>) -> Result<()> {
        let layout = self.survey.layout();
        let listings = in_parallel(self.ownership.pool, &directories, |directory| {
            fs::snapshot(&layout.absolute(directory))
        });
        for (directory, listing) in directories.into_iter().zip(listings) {
            self.survey
                .remember(listing?.map(|listing| (directory, listing)));
        }
        Ok(())
    }

    /// The files of an installed project that are there and may be removed.
    fn present_files(&mut self, leaver: &Leaver) -> Result<PresentFiles> {
        let project = &self.ownership.installed[leaver.number];
        let unlisted = if project.is_linked {
            // What is behind the link belongs to the cache that it leads into.
            vec![project.place.path.file_name().to_owned()]
        } else {
            self.unlisted(project, &leaver.rows)?
        };
        let mut present = PresentFiles::default();
        let links = self.listed_links(leaver)?;
        for (row, place) in leaver.rows.iter().zip(&leaver.places) {
            let is_behind = |link: &Place| {
                place
                    .as_ref()
                    .is_some_and(|place| place != link && place.is_within(link))
            };
            if project.is_linked && is_behind(&project.place) || links.iter().any(is_behind) {
                // It is behind the link, which leaves instead.
                present.behind += 1;
                present.bytes_behind += row.size.unwrap_or(0);
                continue;
            }
            if let Some((place, stat)) = self.removable(project, &row.path, place.as_ref())? {
                present.files.push(PresentFile {
                    place,
                    stat,
                    path: row.path.clone(),
                    digest: row.digest,
                });
            }
        }
        for path in unlisted {
            let place = self.survey.layout().of_recorded(project.library, &path);
            if let Some((place, stat)) = self.removable(project, &path, place.as_ref())? {
                present.files.push(PresentFile {
                    place,
                    stat,
                    path,
                    digest: None,
                });
            }
        }
        Ok(present)
    }

    /// The symbolic links to directories that the project's RECORD lists, as packages that are
    /// linked to the store.
    fn listed_links(&self, leaver: &Leaver) -> Result<Vec<Place>> {
        let mut links = Vec::new();
        for (row, place) in leaver.rows.iter().zip(&leaver.places) {
            // Such a row has no content, and is followed by those of what is behind the link.
            if row.digest.is_none()
                && row.size.is_none()
                && let Some(place) = place
                && let Some(stat) = self.survey.stat(place)?
                && stat.kind == Kind::Symlink
            {
                links.push(place.clone());
            }
        }
        Ok(links)
    }

    /// Files in the project's dist-info directory that RECORD does not list, spelled as RECORD
    /// would: the directory is the project's own, so they leave with it.
    fn unlisted(&self, project: &Installed, rows: &[RecordRow]) -> Result<Vec<String>> {
        let listed: HashSet<&str> = rows.iter().map(|row| row.path.as_str()).collect();
        let mut unlisted = Vec::new();
        let name = project.place.path.file_name().to_owned();
        let mut directories = vec![(project.place.clone(), name)];
        while let Some((directory, shown)) = directories.pop() {
            for (name, kind) in self.survey.list(&directory)? {
                let Some(name) = name.and_then(|name| RelPath::parse(&name).ok()) else {
                    continue;
                };
                let path = format!("{shown}/{name}");
                if kind == Kind::Directory {
                    directories.push((directory.join(&name), path));
                } else if !listed.contains(path.as_str()) {
                    unlisted.push(path);
                }
            }
        }
        Ok(unlisted)
    }

    /// The file that a row of RECORD means, if it is there and may be removed.
    fn removable(
        &mut self,
        project: &Installed,
        path: &str,
        place: Option<&Place>,
    ) -> Result<Option<(Place, Stat)>> {
        let Some(place) = place else {
            let message = format!("RECORD lists `{path}`, which is outside of the environment");
            self.warn(project, WarningCode::RecordLeadsOutside, message);
            return Ok(None);
        };
        // A project that is linked out of a cache takes its links with it, and nothing behind them.
        let place = &match self.survey.leads_outside(place)? {
            Some(_) if project.is_linked => self.survey.real_or_link(place)?,
            _ => place.clone(),
        };
        if let Some(error) = self.survey.leads_outside(place)? {
            let message = format!("RECORD lists `{path}`: {error}");
            self.warn(project, WarningCode::RecordLeadsOutside, message);
            return Ok(None);
        }
        let seen = self.survey.look(place)?;
        // A link inside the environment may be another way to a protected file.
        let layout = self.survey.layout();
        let mut reason = self.protected.reason(layout, place);
        if reason.is_none() && *place != seen.place {
            reason = self.protected.reason(layout, &seen.place);
        }
        if let Some(reason) = reason {
            let message = format!("RECORD lists `{path}`, which is {reason}");
            self.warn(project, WarningCode::RecordProtected, message);
            return Ok(None);
        }
        match seen.stat {
            Some(stat) if stat.kind == Kind::Directory => {
                let message = format!("RECORD lists `{path}`, which is a directory");
                self.warn(project, WarningCode::RecordDirectory, message);
                Ok(None)
            }
            Some(stat) => Ok(Some((seen.place, stat))),
            None => Ok(None),
        }
    }

    /// Adds what a linked project and a leftover have beside plain files.
    fn add_remnants(
        &self,
        leaver: &Leaver,
        files: &[PresentFile],
        removal: &mut Removal,
    ) -> Result<()> {
        let project = &self.ownership.installed[leaver.number];
        let links = files.iter().filter(|file| file.stat.kind == Kind::Symlink);
        removal.links.extend(links.map(|file| file.place.clone()));
        if files.is_empty() && self.holds_no_file(&project.place)? {
            removal.empty_dist_infos.push(project.place.clone());
        }
        Ok(())
    }

    /// Adds the files of one project, except for those in `shared`.
    fn add_project(
        &mut self,
        number: usize,
        present: PresentFiles,
        shared: &HashSet<Place>,
        removal: &mut Removal,
    ) -> Result<()> {
        let project = &self.ownership.installed[number];
        let dist_info = self.survey.layout().absolute(&project.place);
        let record = fs::lstat(&dist_info.join("RECORD"))?;
        let mut leaving = LeavingProject {
            installed: number,
            files: present.behind,
            bytes: present.bytes_behind,
        };
        for file in present
            .files
            .into_iter()
            .filter(|file| !shared.contains(&file.place))
        {
            // RECORD is written last, so only a younger file can have been edited since. That
            // spares all others being read.
            let is_younger = record.is_some_and(|record| file.stat.modified > record.modified);
            if let Some(digest) = file.digest.filter(|_| is_younger)
                && file.stat.kind == Kind::File
                && self.survey.digest(&file.place, digest.algorithm())? != Some(digest)
            {
                let message = format!("`{}` was edited since it was installed", file.path);
                self.warn(project, WarningCode::EditedFile, message);
            }
            if removal.files.insert(file.place) {
                leaving.files += 1;
                leaving.bytes += file.stat.size;
            }
        }
        removal.projects.push(leaving);
        Ok(())
    }

    /// Lists every directory that a file leaves, and finds the empty ones in them.
    fn add_surroundings(&mut self, removal: &mut Removal) -> Result<()> {
        let holding = by_directory(&removal.files);
        let mut directories: HashSet<Place> = HashSet::new();
        for file in holding.values().filter_map(|files| files.values().next()) {
            let mut at = file.parent();
            while let Some(directory) = at {
                at = directory.parent();
                // Above a known directory all are known. Above an own one none can leave whole,
                // since that one stays.
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
                .filter_map(|(name, _)| RelPath::parse(name.as_deref()?).ok())
            {
                let child = directory.join(&name);
                if !directories.contains(&child) && self.holds_no_file(&child)? {
                    removal.empty_dirs.insert(child);
                }
            }
            let names = names.into_iter().map(|(name, kind)| ListedName {
                name,
                is_directory: kind == Kind::Directory,
            });
            removal.listings.insert(directory.clone(), names.collect());
        }
        Ok(())
    }

    fn holds_no_file(&self, directory: &Place) -> Result<bool> {
        let inside = fs::walk(&self.survey.layout().absolute(directory))?;
        Ok(inside.iter().all(|(_, stat)| stat.kind == Kind::Directory))
    }

    fn warn(&mut self, project: &Installed, code: WarningCode, message: String) {
        self.warnings.push(Warning {
            code,
            wheel: Some(project.name.normalized().to_owned()),
            message,
        });
    }
}

/// Adds every directory above one of the places.
fn add_directories(places: &[Option<Place>], directories: &mut HashSet<Place>) {
    let places: Vec<&Place> = places.iter().flatten().collect();
    // Rows are sorted as a rule, so those of one directory follow each other.
    for beside in
        places.chunk_by(|a, b| (a.root, a.path.directory()) == (b.root, b.path.directory()))
    {
        let mut at = beside[0].parent();
        while let Some(directory) = at {
            at = directory.parent();
            if !directories.insert(directory) {
                break;
            }
        }
    }
}

//! Ownership: which installed projects list a place in their RECORD.
//!
//! Input: the installed projects. Output: owners, by their index among those projects. RECORDs are
//! read once each, and only when an answer depends on them. Several owners of one place are normal:
//! projects share files with equal contents.

use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _, HashSet};

use super::survey::Survey;
use super::{Installed, Recorded};
use crate::environment::layout::{Layout, Place};
use crate::error::Result;
use crate::spec::record::RecordRow;
use crate::threads::{Pool, in_parallel};

/// The owners of places, found when they are first asked for.
pub struct Ownership<'a> {
    /// The installed projects; owners are indices of it.
    pub installed: &'a [Installed],
    /// The threads that read RECORDs.
    pub pool: &'a Pool,
    records: HashMap<usize, Recorded>,
    owners: Option<HashMap<Place, Vec<usize>>>,
    /// The places of `owners` in order, so that those below a directory follow each other.
    sorted: Option<Vec<Place>>,
}

/// A row of an installed RECORD, with the place that it means.
#[derive(Debug, Clone)]
pub struct PlacedRow {
    /// The row.
    pub row: RecordRow,
    /// The place, symbolic links to directories resolved; `None` outside of the environment.
    pub place: Option<Place>,
}

impl<'a> Ownership<'a> {
    /// Nothing is read yet.
    pub fn new(installed: &'a [Installed], pool: &'a Pool) -> Self {
        Self {
            installed,
            pool,
            records: HashMap::new(),
            owners: None,
            sorted: None,
        }
    }

    /// Reads all RECORDs in parallel. A failure counts only if an answer depends on that RECORD:
    /// then it is read again, and fails again.
    pub fn read_all(&mut self, layout: &Layout) {
        let numbers: Vec<usize> = (0..self.installed.len())
            .filter(|number| !self.records.contains_key(number))
            .collect();
        let read = in_parallel(self.pool, &numbers, |&number| {
            self.installed[number].read_record(layout)
        });
        let read = numbers.into_iter().zip(read);
        self.records
            .extend(read.filter_map(|(number, recorded)| Some((number, recorded.ok()?))));
    }

    /// Reads the RECORD of an installed project, once.
    ///
    /// # Errors
    /// If its RECORD is there and cannot be read from disk.
    pub fn recorded(&mut self, number: usize, layout: &Layout) -> Result<&Recorded> {
        use std::collections::hash_map::Entry;
        Ok(match self.records.entry(number) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(self.installed[number].read_record(layout)?),
        })
    }

    /// The rows of a project that is to be replaced or removed.
    ///
    /// # Errors
    /// If it has no RECORD, or one that cannot be read or understood.
    pub fn require_rows(&mut self, number: usize, layout: &Layout) -> Result<Arc<Vec<RecordRow>>> {
        let project = &self.installed[number];
        let recorded = self.recorded(number, layout)?;
        project.require_rows(recorded, layout).map(Arc::clone)
    }

    /// The owners of every place that any RECORD lists. Projects without a usable RECORD own
    /// nothing here.
    ///
    /// # Errors
    /// If a RECORD is there and cannot be read from disk.
    pub fn owners(&mut self, survey: &mut Survey<'_>) -> Result<&HashMap<Place, Vec<usize>>> {
        if self.owners.is_none() {
            self.read_all(survey.layout());
            let mut owners: HashMap<Place, Vec<usize>> = HashMap::new();
            for number in 0..self.installed.len() {
                let library = self.installed[number].library;
                let Some(rows) = self.recorded(number, survey.layout())?.rows() else {
                    continue;
                };
                for row in rows.iter() {
                    if let Some(place) = survey.layout().of_recorded(library, &row.path)
                        // A row behind a link that leads outside owns nothing here.
                        && let Ok(place) = survey.real(&place)
                    {
                        owners.entry(place).or_default().push(number);
                    }
                }
            }
            self.owners = Some(owners);
        }
        Ok(self.owners.get_or_insert_default())
    }

    /// The owners of a place, or, if it has none, of everything below it; sorted.
    ///
    /// # Errors
    /// As [`Ownership::owners`].
    pub fn owners_of(&mut self, place: &Place, survey: &mut Survey<'_>) -> Result<Vec<usize>> {
        self.owners(survey)?;
        let all = self.owners.get_or_insert_default();
        let mut owners: Vec<usize> = match all.get(place) {
            Some(owners) => owners.clone(),
            None => {
                let sorted = self.sorted.get_or_insert_with(|| {
                    let mut places: Vec<Place> = all.keys().cloned().collect();
                    places.sort_unstable();
                    places
                });
                let begin = sorted.partition_point(|at| at < place);
                let below = sorted[begin..].iter().take_while(|at| at.is_within(place));
                below.flat_map(|at| all[at].iter().copied()).collect()
            }
        };
        owners.sort_unstable();
        owners.dedup();
        Ok(owners)
    }

    /// Those of `places` that any project lists which is not among `leaving`.
    ///
    /// # Errors
    /// If a RECORD is there and cannot be read from disk.
    pub fn listed_by_others(
        &mut self,
        places: &HashSet<&Place>,
        leaving: &HashSet<usize>,
        survey: &mut Survey<'_>,
    ) -> Result<HashSet<Place>> {
        let mut listed = HashSet::default();
        // Comparing last names first spares nearly all rows the resolving of their directories.
        let names: HashSet<&str> = places.iter().map(|place| place.path.file_name()).collect();
        // Behind a link that leaves the rows have other names than the link.
        let has_links = leaving
            .iter()
            .any(|number| self.installed[*number].is_linked);
        let is_named = |row: &&RecordRow| {
            let name = row
                .path
                .rsplit_once('/')
                .map_or(&*row.path, |(_, name)| name);
            has_links || names.contains(name)
        };
        for number in (0..self.installed.len()).filter(|number| !leaving.contains(number)) {
            let library = self.installed[number].library;
            let Some(rows) = self.recorded(number, survey.layout())?.rows() else {
                continue;
            };
            for row in rows.iter().filter(is_named) {
                if let Some(place) = survey.layout().of_recorded(library, &row.path)
                    && let Ok(place) = survey.real_or_link(&place)
                    && places.contains(&place)
                {
                    listed.insert(place);
                }
            }
        }
        Ok(listed)
    }

    /// The rows of an installed project with their places.
    ///
    /// # Errors
    /// If it has no usable RECORD.
    pub fn placed_rows(
        &mut self,
        number: usize,
        survey: &mut Survey<'_>,
    ) -> Result<Vec<PlacedRow>> {
        let library = self.installed[number].library;
        let rows = self.require_rows(number, survey.layout())?;
        let placed = rows.iter().map(|row| {
            let place = survey.layout().of_recorded(library, &row.path);
            PlacedRow {
                row: row.clone(),
                place: place.and_then(|place| survey.real(&place).ok()),
            }
        });
        Ok(placed.collect())
    }
}

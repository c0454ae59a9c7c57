//! Looking at the environment with what is installed in mind: what stands where a file is wanted,
//! and whose it is.
//!
//! Input: places. Output: facts and owners. RECORDs are read once, and only when something depends
//! on them.

use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt as _, HashSet};

use crate::digest::{Algorithm, Identity};
use crate::environment::layout::Place;
use crate::error::{ErrorKind, Result};
use crate::fs::{Kind, Stat};
use crate::installed::survey::{Fact, Survey, sums_of};
use crate::installed::{Installed, Recorded};
use crate::path::RelPath;
use crate::plan::conflict::{Blocked, Live, Settled, Wanted};
use crate::plan::operations::Outgoing;
use crate::plan::removal::Going;
use crate::plan::{ChangeId, Content, NewFile};
use crate::spec::record::{self, RecordRow};
use crate::threads::{Pool, in_parallel};

/// Looking at the environment with what is installed in mind.
pub struct Looking<'a, 'l> {
    /// What looks.
    pub survey: &'a mut Survey<'l>,
    /// What is installed.
    pub installed: &'a [Installed],
    /// Where what is read in parallel is read.
    pub pool: &'a Pool,
    /// RECORDs that were read already.
    records: HashMap<usize, Arc<Vec<RecordRow>>>,
    /// Which installed projects list a place; read when it is first asked for.
    owners: Option<HashMap<Place, Vec<usize>>>,
}

impl<'a, 'l> Looking<'a, 'l> {
    /// Has looked at nothing yet.
    pub fn new(survey: &'a mut Survey<'l>, installed: &'a [Installed], pool: &'a Pool) -> Self {
        Self {
            survey,
            installed,
            pool,
            records: HashMap::new(),
            owners: None,
        }
    }

    /// What stands where each file is wanted, and does not make way for it.
    ///
    /// # Errors
    /// Where it cannot be looked at.
    pub fn wanted(
        &mut self,
        files: Vec<NewFile>,
        going: &Going,
        outgoing: &Outgoing,
    ) -> Result<Vec<Wanted>> {
        let whole: HashSet<&Place> = outgoing.places.iter().collect();
        let mut wanted = Vec::with_capacity(files.len());
        for mut file in files {
            let Fact {
                place,
                anchor,
                live,
                blocked,
            } = self.survey.look(&file.place)?;
            file.place = place;
            let live = match live {
                Some(stat) if !makes_way(&file.place, &stat, going, &whole) => {
                    Some(Box::new(self.live(&file, stat)?))
                }
                _ => None,
            };
            let blocked = match blocked.filter(|by| !going.files.contains(by)) {
                Some(by) => Some(Box::new(Blocked {
                    owners: self.owners_of(&by)?,
                    by,
                })),
                None => None,
            };
            wanted.push(Wanted {
                file,
                anchor,
                live,
                blocked,
            });
        }
        Ok(wanted)
    }

    fn live(&mut self, file: &NewFile, stat: Stat) -> Result<Live> {
        let owners = self.owners_of(&file.place)?;
        if stat.kind != Kind::File {
            return Ok(Live {
                stat,
                digest: None,
                identity: None,
                owners,
            });
        }
        let path = self.survey.layout().absolute(&file.place);
        let algorithm = file
            .digest
            .map_or(Algorithm::Sha256, |digest| digest.algorithm());
        let (digest, crc) = sums_of(&path, algorithm)?.unzip();
        let identity = match file.identity {
            Some(Identity::Crc(_)) => crc.map(Identity::Crc),
            _ => digest.map(Identity::Digest),
        };
        Ok(Live {
            stat,
            digest,
            identity,
            owners,
        })
    }

    /// The names of the installed projects that own a place, or something below it.
    fn owners_of(&mut self, place: &Place) -> Result<Vec<String>> {
        let mut owners: Vec<usize> = match self.owners()?.get(place) {
            Some(owners) => owners.clone(),
            None => {
                let below = self
                    .owners()?
                    .iter()
                    .filter(|(at, _)| at.root == place.root && at.path.starts_with(&place.path));
                below
                    .flat_map(|(_, owners)| owners.iter().copied())
                    .collect()
            }
        };
        owners.sort_unstable();
        let mut owners: Vec<String> = owners
            .into_iter()
            .map(|number| self.installed[number].name.normalized().to_owned())
            .collect();
        owners.dedup();
        Ok(owners)
    }

    /// The RECORD of an installed project.
    ///
    /// # Errors
    /// Where it has none, or one that cannot be read.
    pub fn record(&mut self, number: usize) -> Result<Arc<Vec<RecordRow>>> {
        if let Some(rows) = self.records.get(&number) {
            return Ok(Arc::clone(rows));
        }
        let project = &self.installed[number];
        let recorded = project.read_record(self.survey.layout())?;
        let rows = Arc::new(project.require_rows(&recorded)?.to_vec());
        self.records.insert(number, Arc::clone(&rows));
        Ok(rows)
    }

    /// The RECORD of an installed project; `None` where it has none that can be understood.
    ///
    /// # Errors
    /// Where it is there and cannot be read.
    pub fn record_if_any(&mut self, number: usize) -> Result<Option<Arc<Vec<RecordRow>>>> {
        match self.record(number) {
            Ok(rows) => Ok(Some(rows)),
            Err(error) if error.kind() == ErrorKind::Environment => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads all RECORDs in parallel. Those that cannot be read are an error only when something
    /// asks for them.
    pub fn read_records(&mut self) {
        let layout = self.survey.layout();
        let read = in_parallel(self.pool, self.installed, |project| {
            match project.read_record(layout) {
                Ok(Recorded::Rows(rows)) => Some(rows),
                _ => None,
            }
        });
        let read = read
            .into_iter()
            .zip(0..)
            .filter_map(|(rows, number)| Some((number, Arc::new(rows?))));
        self.records.extend(read);
    }

    /// Which projects own each place, from every RECORD that can be read.
    ///
    /// # Errors
    /// Where a RECORD is there and cannot be read.
    pub fn owners(&mut self) -> Result<&HashMap<Place, Vec<usize>>> {
        if self.owners.is_none() {
            let mut owners: HashMap<Place, Vec<usize>> = HashMap::new();
            for number in 0..self.installed.len() {
                let Some(rows) = self.record_if_any(number)? else {
                    continue;
                };
                for row in rows.iter() {
                    let library = self.installed[number].library;
                    if let Some(place) = self.survey.layout().of_recorded(library, &row.path)
                        && let Ok(place) = self.survey.real(&place)
                    {
                        owners.entry(place).or_default().push(number);
                    }
                }
            }
            self.owners = Some(owners);
        }
        Ok(self.owners.get_or_insert_default())
    }

    /// Every place that an installed project owns and keeps, with the first of its owners.
    ///
    /// # Errors
    /// Where a RECORD is there and cannot be read.
    pub fn staying(&mut self, going: &Going) -> Result<Vec<(Place, String)>> {
        let installed = self.installed;
        let kept = self
            .owners()?
            .iter()
            .filter(|(place, _)| !going.files.contains(place));
        let named = kept.filter_map(|(place, owners)| Some((place.clone(), *owners.first()?)));
        let mut staying: Vec<(Place, String)> = named
            .map(|(place, owner)| (place, installed[owner].name.normalized().to_owned()))
            .collect();
        staying.sort();
        Ok(staying)
    }

    /// An installed project that loses a file to a newer one keeps a RECORD that states what is on
    /// disk.
    ///
    /// # Errors
    /// Where its RECORD cannot be read.
    pub fn correct_losers(&mut self, settled: &mut Settled) -> Result<()> {
        let mut losers: BTreeSet<usize> = BTreeSet::new();
        for place in &settled.displaced {
            losers.extend(self.owners()?.get(place).into_iter().flatten());
        }
        for number in losers {
            let project = &self.installed[number];
            let mut rows = self.record(number)?.to_vec();
            for row in &mut rows {
                let Some(place) = self.survey.layout().of_recorded(project.library, &row.path)
                else {
                    continue;
                };
                let place = self.survey.real(&place)?;
                if let Ok(at) = settled
                    .files
                    .binary_search_by(|file| file.place.cmp(&place))
                {
                    let winner = &settled.files[at];
                    (row.digest, row.size) = (winner.digest, Some(winner.size));
                }
            }
            let Ok(name) = RelPath::parse("RECORD") else {
                continue;
            };
            let place = project.place.join(&name);
            let content: Arc<[u8]> = record::write_record(&rows).into();
            let at = settled.files.partition_point(|file| file.place < place);
            let size = content.len() as u64;
            let owner = ChangeId(0);
            let (content, recorded) = (Content::Bytes(content), Arc::default());
            let (digest, identity, executable) = (None, None, false);
            let file = NewFile {
                place: place.clone(),
                recorded,
                owner,
                content,
                executable,
                size,
                digest,
                identity,
            };
            settled.insert(at, file);
            settled.displaced.push(place);
        }
        Ok(())
    }
}

/// Whether what stands at a place goes: a file that does, or a directory of which nothing stays.
fn makes_way(place: &Place, stat: &Stat, going: &Going, whole: &HashSet<&Place>) -> bool {
    if stat.kind != Kind::Directory {
        return going.files.contains(place);
    }
    let mut at = Some(place.clone());
    while let Some(directory) = at {
        if whole.contains(&directory) {
            return true;
        }
        at = directory.parent();
    }
    false
}

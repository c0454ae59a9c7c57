//! From what a command wants to a plan: looks at everything the plan depends on, then lets `plan` decide.
//!
//! All reading that planning needs is here and in the environment; `plan` itself does none.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::Options;
use super::session::Session;
use crate::environment::capabilities;
use crate::environment::installed::Installed;
use crate::environment::place::{Layout, Place};
use crate::environment::survey::{Fact, Survey};
use crate::error::{Error, ErrorKind, Fault, Result};
use crate::fs::{self, Kind, Stat};
use crate::hash::Algorithm;
use crate::path::RelPath;
use crate::plan::conflict::{Live, OnConflict, Rules, Settled, Wanted, settle};
use crate::plan::removal::{Going, is_bytecode_of};
use crate::plan::spread::{Ground, Guard, spread};
use crate::plan::{Change, ChangeId, Content, NewFile, Plan, choose, moves};
use crate::report::{Action, ChangeReport, Report, Warning};
use crate::spec::name::ProjectName;
use crate::spec::record::{self, RecordRow};
use crate::wheel::Wheel;

/// The plan of an installation.
pub fn install(session: &mut Session<'_>, wheels: &[Wheel], options: &Options, report: &mut Report) -> Result<Plan> {
    let mut warnings = Vec::new();
    let changes = choose::installs(wheels, &session.installed, options.reinstall, &mut warnings)?;
    report.warnings.append(&mut warnings);
    let files = spread_all(session, wheels, &changes, options)?;
    plan(session, changes, files, options.on_conflict, report)
}

/// The plan of a removal.
pub fn uninstall(session: &mut Session<'_>, names: &[ProjectName], report: &mut Report) -> Result<Plan> {
    let changes = choose::removals(names, &session.installed)?;
    plan(session, changes, Vec::new(), OnConflict::Error, report)
}

/// Every file that the changes want, in the order of the arguments.
fn spread_all(session: &Session<'_>, wheels: &[Wheel], changes: &[Change], options: &Options) -> Result<Vec<NewFile>> {
    let ground = Ground { layout: &session.layout, python: &session.environment.python, installer: &options.installer };
    let mut order: Vec<(ChangeId, &Change)> =
        changes.iter().zip(0..).map(|(change, id)| (ChangeId(id), change)).collect();
    order.sort_by_key(|(_, change)| change.wheel);
    let (mut files, mut refused) = (Vec::new(), Vec::new());
    for (id, change) in order {
        let Some(number) = change.wheel.filter(|_| change.action != Action::Keep) else { continue };
        let wheel = &wheels[number.0 as usize];
        match spread(wheel, number, id, &ground) {
            Ok(more) => files.extend(more),
            Err(faults) => refused.push((wheel.label.clone(), faults)),
        }
    }
    if refused.is_empty() { Ok(files) } else { Err(Error::wheels(refused)) }
}

fn plan(
    session: &mut Session<'_>,
    mut changes: Vec<Change>,
    files: Vec<NewFile>,
    policy: OnConflict,
    report: &mut Report,
) -> Result<Plan> {
    let capabilities = capabilities::probe(&session.layout.roots()[usize::from(session.layout.main_root().0)])?;
    let installed = std::mem::take(&mut session.installed);
    let mut survey = Survey::new(&mut session.layout);
    let mut looking = Looking { survey: &mut survey, installed: &installed, owners: None };
    let going = looking.going(&mut changes, report)?;
    let wanted = looking.wanted(files, &going)?;
    let names: Vec<String> = changes.iter().map(|change| change.name.normalized().to_owned()).collect();
    let layout = looking.survey.layout();
    let rules = Rules { policy, ignores_case: capabilities.ignores_case, names: &names, layout };
    let mut settled = refuse_unsettled(settle(wanted, &rules), &names)?;
    count(&mut changes, &settled.files);
    looking.correct_losers(&mut settled)?;
    session.installed = installed;
    let mut outgoing = going.outgoing(&|place| session.layout.is_own_directory(place));
    outgoing.places.extend(settled.displaced);
    outgoing.places.sort();
    let (operations, staged) = moves::operations(&session.layout, &settled.files, &settled.anchors, &outgoing);
    let plan = Plan {
        changes,
        files: settled.files,
        records: settled.rows,
        operations,
        staged,
        conflicts: settled.conflicts,
        warnings: Vec::new(),
    };
    check_space(&session.layout, &plan)?;
    Ok(plan)
}

/// Conflicts that nothing settled are an error, and so are wheels that contradict themselves.
fn refuse_unsettled(settled: Settled, names: &[String]) -> Result<Settled> {
    if !settled.doubled.is_empty() {
        let doubled = settled.doubled.into_iter();
        let faults = doubled.map(|(change, path)| (names[change.0 as usize].clone(), vec![Fault::DuplicateName(path)]));
        return Err(Error::wheels(faults.collect()));
    }
    if settled.clashes.is_empty() { Ok(settled) } else { Err(Error::conflicts(settled.clashes)) }
}

fn count(changes: &mut [Change], files: &[NewFile]) {
    for file in files {
        let change = &mut changes[file.owner.0 as usize];
        change.files += 1;
        change.bytes += file.size;
    }
}

fn check_space(layout: &Layout, plan: &Plan) -> Result<()> {
    let mut home = crate::stage::control_home(layout, layout.main_root());
    while fs::stat(&home)?.is_none() {
        if !home.pop() {
            return Ok(());
        }
    }
    let (needed, available) = (plan.bytes(), fs::available_space(&home)?);
    if needed > available { Err(Error::no_space(&home, needed, available)) } else { Ok(()) }
}

/// Looking at the environment with what is installed in mind.
struct Looking<'a, 'l> {
    survey: &'a mut Survey<'l>,
    installed: &'a [Installed],
    /// Which installed projects list a place; read when it is first asked for.
    owners: Option<HashMap<Place, Vec<usize>>>,
}

impl Looking<'_, '_> {
    /// What stands where each file is wanted.
    fn wanted(&mut self, files: Vec<NewFile>, going: &Going) -> Result<Vec<Wanted>> {
        let mut wanted = Vec::with_capacity(files.len());
        for mut file in files {
            let Fact { place, anchor, live, blocked } = self.survey.look(&file.place)?;
            file.place = place;
            let live = match live {
                Some(stat) if !self.makes_way(&file.place, &stat, going) => Some(self.live(&file, stat)?),
                _ => None,
            };
            let blocked = blocked.filter(|by| !going.files.contains(by));
            wanted.push(Wanted { file, anchor, live, blocked });
        }
        Ok(wanted)
    }

    /// Whether what stands at a place goes: a file that does, or a directory of which nothing stays.
    fn makes_way(&self, place: &Place, stat: &Stat, going: &Going) -> bool {
        if stat.kind != Kind::Directory {
            return going.files.contains(place);
        }
        let own = |at: &Place| self.survey.layout().is_own_directory(at);
        going.listing.contains_key(place)
            && going.outgoing(&own).places.iter().any(|out| place.path.starts_with(&out.path))
    }

    fn live(&mut self, file: &NewFile, stat: Stat) -> Result<Live> {
        let algorithm = file.digest.map_or(Algorithm::Sha256, |digest| digest.algorithm());
        let digest = if stat.kind == Kind::File { self.survey.digest(&file.place, algorithm)? } else { None };
        let owners = self.owners()?.get(&file.place).cloned().unwrap_or_default();
        let mut owners: Vec<String> =
            owners.into_iter().map(|number| self.installed[number].name.normalized().to_owned()).collect();
        owners.dedup();
        Ok(Live { stat, digest, owners })
    }

    /// Which projects own each place, from every RECORD that can be read.
    fn owners(&mut self) -> Result<&HashMap<Place, Vec<usize>>> {
        if self.owners.is_none() {
            let mut owners: HashMap<Place, Vec<usize>> = HashMap::new();
            for (number, project) in self.installed.iter().enumerate() {
                let rows = match project.record(self.survey.layout()) {
                    Ok(rows) => rows,
                    Err(error) if error.kind() == ErrorKind::Environment => continue,
                    Err(error) => return Err(error),
                };
                for row in rows {
                    if let Some(place) = self.survey.layout().of_recorded(project.library, &row.path)
                        && let Ok(fact) = self.survey.look(&place)
                    {
                        owners.entry(fact.place).or_default().push(number);
                    }
                }
            }
            self.owners = Some(owners);
        }
        Ok(self.owners.get_or_insert_default())
    }

    /// An installed project that loses a file to a newer one keeps a RECORD that states what is on disk.
    fn correct_losers(&mut self, settled: &mut Settled) -> Result<()> {
        let mut losers: BTreeSet<usize> = BTreeSet::new();
        for place in &settled.displaced {
            losers.extend(self.owners()?.get(place).into_iter().flatten());
        }
        for number in losers {
            let project = &self.installed[number];
            let mut rows = project.record(self.survey.layout())?;
            for row in &mut rows {
                let Some(place) = self.survey.layout().of_recorded(project.library, &row.path) else { continue };
                let place = self.survey.look(&place)?.place;
                if let Ok(at) = settled.files.binary_search_by(|file| file.place.cmp(&place)) {
                    let winner = &settled.files[at];
                    (row.digest, row.size) = (winner.digest, Some(winner.size));
                }
            }
            let Ok(name) = RelPath::parse("RECORD") else { continue };
            let place = project.place.join(&name);
            let content: Arc<[u8]> = record::write_record(&rows).into();
            let at = settled.files.partition_point(|file| file.place < place);
            let size = content.len() as u64;
            let owner = ChangeId(0);
            let (content, digest, recorded) = (Content::Bytes(content), None, String::new());
            let file = NewFile { place: place.clone(), recorded, owner, content, executable: false, size, digest };
            settled.insert(at, file);
            settled.displaced.push(place);
        }
        Ok(())
    }

    /// Everything that the changes take away, with its surroundings.
    fn going(&mut self, changes: &mut [Change], report: &mut Report) -> Result<Going> {
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
        let rows = project.record(self.survey.layout())?;
        let written = fs::lstat(&self.survey.layout().absolute(&project.place).join("RECORD"))?;
        let mut warn = |code, message| {
            report.warnings.push(Warning { code, wheel: Some(project.name.normalized().to_owned()), message });
        };
        let mut total = (0, 0);
        for row in rows.iter().chain(&self.unlisted(project)?) {
            let Some((place, stat)) = self.leaving_file(leaver, row, &mut warn)? else { continue };
            if self
                .owners()?
                .get(&place)
                .is_some_and(|owners| owners.iter().any(|owner| !leaver.leaving.contains(owner)))
            {
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
    fn unlisted(&self, project: &Installed) -> Result<Vec<RecordRow>> {
        let directory = self.survey.layout().absolute(&project.place);
        let name = project.place.path.file_name();
        let inside = fs::walk(&directory)?.into_iter().filter(|(_, stat)| stat.kind != Kind::Directory);
        let rows = inside.filter_map(|(below, _)| {
            Some(RecordRow { path: format!("{name}/{}", below.to_str()?), digest: None, size: None })
        });
        Ok(rows.collect())
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

/// Puts what is planned into the report.
pub fn describe(plan: &Plan, wheels: &[Wheel], report: &mut Report) {
    report.conflicts.extend(plan.conflicts.iter().cloned());
    report.warnings.extend(plan.warnings.iter().cloned());
    report.changes = plan
        .changes
        .iter()
        .map(|change| ChangeReport {
            action: change.action,
            name: change.name.normalized().to_owned(),
            version: change.version.clone(),
            previous: change.previous.clone(),
            source: change.wheel.map(|number| wheels[number.0 as usize].label.clone()),
            files: change.files,
            bytes: change.bytes,
        })
        .collect();
}

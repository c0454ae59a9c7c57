//! Makes the plan of a command: gathers the facts that it depends on, and lets [`plan::make`]
//! decide.
//!
//! Facts are gathered in two steps, because which ones are needed depends on the wheels: first the
//! wheels are spread, which is pure, then the places of their files are surveyed.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::open::Opened;
use super::same_contents::{Losers, keep_equal};
use super::session::Session;
use super::up_to_date::Decision;
use super::{Context, Options};
use crate::digest::Algorithm;
use crate::environment::layout::{Layout, Place};
use crate::environment::protected::Protected;
use crate::error::{Error, Result, SpreadFault, WarningCode};
use crate::fs::{self, Capabilities};
use crate::installed::facts::{Gather, Site};
use crate::outcome::{Action, PlannedFiles, ProjectChange, Warning};
use crate::plan::bytecode::{self, BytecodeCandidate, WantedBytecode};
use crate::plan::changes;
use crate::plan::conflict::OnConflict;
use crate::plan::project_metadata::is_project_metadata;
use crate::plan::spread::{Destination, is_reserved, spread};
use crate::plan::{
    self, Candidate, Change, ChangeId, OperationKind, Plan, Tally, WantedFile, Wants, WheelId,
    digests,
};
use crate::spec::name::ProjectName;
use crate::spec::record::Verify;
use crate::store::LinkMode;
use crate::threads::{Pool, in_parallel};
use crate::wheel::{Digests, Wheel};

/// What an installation is planned from.
pub struct Installation<'a> {
    /// The wheels.
    pub opened: &'a mut Opened,
    /// The changes that were decided on.
    pub decision: Decision,
    /// The bytecode that is made of the modules.
    pub bytecode: Option<WantedBytecode>,
    /// How to install.
    pub options: &'a Options,
}

/// Plans an installation.
pub fn install(
    session: &mut Session<'_>,
    installation: Installation<'_>,
    pool: &Pool,
    context: Context<'_>,
) -> Result<Plan> {
    let Installation {
        opened,
        decision,
        bytecode,
        options,
    } = installation;
    let Decision {
        mut changes,
        mut compare,
    } = decision;
    if options.exact {
        let (leaving, kept) = leaving(session, &changes)?;
        context.warn(kept);
        let compared: Vec<ProjectName> = compare
            .iter()
            .map(|&number| changes[number].name.clone())
            .collect();
        changes.extend(changes::removals(&leaving, &session.installed)?);
        changes.sort_by(|one, two| one.name.cmp(&two.name));
        // Sorting has moved the changes that are to be compared.
        compare = (0..changes.len())
            .filter(|&number| compared.contains(&changes[number].name))
            .collect();
    }
    let capabilities = capabilities(session, options)?;
    let destination = Destination {
        layout: &session.layout,
        protected: &Protected::of(&session.layout),
        python: session.environment.python().ok(),
        scripts: session.environment.script_python(),
        installer: &options.installer,
        verified: options.verify != Verify::Off,
        keep_spelling: options.keep_spelling,
        windows_names: capabilities.windows_names || session.environment.is_for_windows(),
    };
    let verified = destination.verified;
    let unread: Vec<WheelId> = compare
        .iter()
        .filter_map(|&number| changes[number].wheel)
        .filter(|id| opened.wheels[id.0 as usize].digests == Digests::NotRead)
        .collect();
    if !unread.is_empty() {
        context.warn(opened.read_digests(&unread, context.events)?);
    }
    check_new(session, &changes, options)?;
    let mut files = spread_all(&destination, &opened.wheels, &changes, pool, context)?;
    let losers = Losers::of(options.on_conflict);
    keep_equal(&mut changes, &compare, losers, &mut files, session)?;
    let intent = Intent {
        changes,
        files,
        bytecode,
        opened: Some(&mut *opened),
        verified,
        require_new: options.require_new_files,
        on_conflict: options.on_conflict,
        ignores_case: capabilities.ignores_case,
    };
    let mut plan = intent.plan(session, pool, context)?;
    if options.link_mode == LinkMode::Symlink && options.source_date_epoch.is_none() {
        plan.link_directories(&session.layout, &opened.wheels);
    }
    Ok(plan)
}

/// What the file system of the environment can do.
fn capabilities(session: &Session<'_>, options: &Options) -> Result<Capabilities> {
    let main_root = usize::from(session.layout.main_root().0);
    match options.capabilities {
        Some(capabilities) => Ok(capabilities),
        None => Capabilities::probe(&session.layout.roots()[main_root]),
    }
}

/// Refuses to replace an installed project if only new files are wanted: its files exist.
fn check_new(session: &Session<'_>, changes: &[Change], options: &Options) -> Result<()> {
    match changes.iter().find_map(|change| change.old.first()) {
        Some(old) if options.require_new_files => {
            Err(exists(&session.layout, &session.installed[*old].place))
        }
        _ => Ok(()),
    }
}

/// The installed projects that an exact installation removes, and a warning for each that it keeps
/// although the input does not name it.
fn leaving(session: &Session<'_>, changes: &[Change]) -> Result<(Vec<ProjectName>, Vec<Warning>)> {
    let (mut leaving, mut kept) = (Vec::new(), Vec::new());
    for name in changes::unnamed(changes, &session.installed) {
        let mut copies = session.installed.iter().filter(|other| other.name == name);
        let is_editable = copies.any(|project| project.is_editable(&session.layout));
        if is_editable {
            kept.push(Warning::about(
                name.normalized(),
                WarningCode::EditableKept,
                "it is not named, and stays because it is editable",
            ));
        } else {
            leaving.push(name);
        }
    }
    Ok((leaving, kept))
}

/// Plans a removal.
pub fn uninstall(
    session: &mut Session<'_>,
    names: &[ProjectName],
    pool: &Pool,
    context: Context<'_>,
) -> Result<Plan> {
    let intent = Intent {
        changes: changes::removals(names, &session.installed)?,
        files: Vec::new(),
        bytecode: None,
        opened: None,
        verified: true,
        require_new: false,
        on_conflict: OnConflict::Error,
        // No new names, so none can be in conflict with others.
        ignores_case: false,
    };
    intent.plan(session, pool, context)
}

/// Every file that the changes want, in the order of the arguments.
pub(super) fn spread_all(
    destination: &Destination<'_>,
    wheels: &[Wheel],
    changes: &[Change],
    pool: &Pool,
    context: Context<'_>,
) -> Result<Vec<WantedFile>> {
    let mut order: Vec<(WheelId, ChangeId)> = changes
        .iter()
        .zip(0..)
        .filter(|(change, _)| change.action != Action::Keep)
        .filter_map(|(change, id)| Some((change.wheel?, ChangeId(id))))
        .collect();
    // Conflicts may be settled by order, so the files must follow the order of the arguments.
    order.sort_by_key(|(number, _)| *number);
    let spread_one = |&(number, id): &(WheelId, ChangeId)| {
        let wheel = &wheels[number.0 as usize];
        let files = spread(wheel, number, id, destination)
            .map_err(|faults| (wheel.label.clone(), faults))?;
        Ok((not_portable(wheel, &files), files))
    };
    let results = in_parallel(pool, &order, spread_one);
    let spread_out = results.iter().filter_map(|result| result.as_ref().ok());
    let mut files = Vec::with_capacity(spread_out.map(|(_, files)| files.len()).sum());
    let mut refused = Vec::new();
    for result in results {
        match result {
            Ok((warning, more)) => {
                context.warn(warning);
                files.extend(more);
            }
            Err(fault) => refused.push(fault),
        }
    }
    if refused.is_empty() {
        Ok(files)
    } else {
        Err(Error::wheels(refused))
    }
}

/// Warns of names that Windows could not have.
fn not_portable(wheel: &Wheel, files: &[WantedFile]) -> Option<Warning> {
    let mut reserved = files.iter().filter(|file| is_reserved(&file.place));
    let first = &reserved.next()?.recorded;
    let message = match reserved.count() {
        0 => format!("`{first}` has a name that Windows reserves or cannot have"),
        more => {
            format!("`{first}` and {more} more have names that Windows reserves or cannot have")
        }
    };
    Some(Warning {
        code: WarningCode::WindowsName,
        wheel: Some(wheel.label.clone()),
        message,
    })
}

/// The wanted files, before anything is known about their places.
struct Intent<'a> {
    changes: Vec<Change>,
    files: Vec<WantedFile>,
    bytecode: Option<WantedBytecode>,
    /// The wheels that the files come from.
    opened: Option<&'a mut Opened>,
    /// Whether contents are checked against their digests.
    verified: bool,
    /// Whether it is a failure if something, or another wheel's file, is at the place of a file.
    require_new: bool,
    on_conflict: OnConflict,
    ignores_case: bool,
}

impl Intent<'_> {
    fn plan(self, session: &mut Session<'_>, pool: &Pool, context: Context<'_>) -> Result<Plan> {
        let protected = Protected::of(&session.layout);
        let mut gather = Gather::new(&mut session.layout, &session.installed, protected, pool);
        let changes = self.changes.iter();
        let leaving: Vec<usize> = changes.flat_map(|change| &change.old).copied().collect();
        context.warn(gather.remove(&leaving)?);
        let mut candidates = Vec::with_capacity(self.files.len());
        let mut taken = HashSet::new();
        for file in self.files {
            let site = gather.site(&file.place)?;
            // A link inside the environment, such as `lib64`, may be another way to metadata.
            let layout = gather.layout();
            if site.place != file.place
                && is_project_metadata(layout, &site.place)
                && !is_project_metadata(layout, &file.place)
            {
                let label = &self.changes[file.owner.0 as usize].source;
                let fault = SpreadFault::ProjectMetadata(file.recorded.to_string());
                return Err(Error::wheel(label.as_deref().unwrap_or_default(), fault));
            }
            // A second wheel finds the file of the first one, even if it has the same content.
            if self.require_new && (site.live.is_some() || !taken.insert(site.place.clone())) {
                return Err(exists(layout, &site.place));
            }
            candidates.push(Candidate::new(file, site));
        }
        let bytecode = match &self.bytecode {
            Some(wanted) => bytecode_of(&candidates, wanted, &mut gather)?,
            None => Vec::new(),
        };
        bytecode::drop_shipped(&mut candidates, &bytecode);
        let mut opened = self.opened;
        if let Some(opened) = &mut opened {
            // Only now is it known which of the RECORDs that were left out a decision depends on.
            let undecided = digests::undecided(&candidates, &opened.wheels);
            if !undecided.is_empty() {
                let warnings = opened.read_digests(&undecided, context.events)?;
                context.warn(warnings);
                digests::fill(&mut candidates, &undecided, &opened.wheels, self.verified);
            }
        }
        for Candidate { file, live, .. } in &mut candidates {
            if let Some(live) = live {
                let algorithm = file
                    .digest
                    .map_or(Algorithm::Sha256, |digest| digest.algorithm());
                gather.read_live(&file.place, live, algorithm)?;
            }
        }
        let wants = Wants {
            changes: self.changes,
            files: candidates,
            bytecode,
            on_conflict: self.on_conflict,
        };
        let plan = plan::make(wants, &gather.finish(self.ignores_case)?)?;
        let is_stored = |id| opened.as_ref().is_some_and(|opened| opened.is_stored(id));
        check_space(&session.layout, &plan, &is_stored)?;
        check_writable(&session.layout, &plan)?;
        Ok(plan)
    }
}

/// Something is where only new files may be put.
fn exists(layout: &Layout, place: &Place) -> Error {
    let error = io::Error::from(io::ErrorKind::AlreadyExists);
    Error::io("create", &layout.absolute(place), error)
}

/// The bytecode of all modules, and what exists at its places.
fn bytecode_of(
    candidates: &[Candidate],
    wanted: &WantedBytecode,
    gather: &mut Gather<'_>,
) -> Result<Vec<BytecodeCandidate>> {
    let mut bytecode = Vec::with_capacity(candidates.len() * wanted.levels.len());
    for candidate in candidates {
        let file = &candidate.file;
        for (place, recorded, level) in wanted.of(file, gather.layout()) {
            let site = if candidate.missing_root == file.place {
                gather.site(&place)?
            } else {
                // The directory of the source is missing, so nothing is in it.
                Site {
                    place,
                    missing_root: candidate.missing_root.clone(),
                    live: None,
                    blocked: candidate.blocked.clone(),
                }
            };
            bytecode.push(BytecodeCandidate {
                source: file.place.clone(),
                owner: file.owner,
                recorded,
                level,
                site,
            });
        }
    }
    Ok(bytecode)
}

/// Refuses a plan that needs more space than there is. Files that come from the store are not
/// counted: they are linked if that is possible, and then they need none.
fn check_space(layout: &Layout, plan: &Plan, is_stored: &dyn Fn(WheelId) -> bool) -> Result<()> {
    let mut home = layout.state_home(layout.main_root());
    // A directory that is not there yet will be on the file system of its nearest parent.
    while fs::stat(&home)?.is_none() {
        if !home.pop() {
            return Ok(());
        }
    }
    let (needed, available) = (plan.bytes_without(is_stored), fs::available_space(&home)?);
    if needed > available {
        Err(Error::no_space(&home, needed, available))
    } else {
        Ok(())
    }
}

/// Every directory whose entries change must be writable by this user.
fn check_writable(layout: &Layout, plan: &Plan) -> Result<()> {
    let mut directories: BTreeSet<PathBuf> = BTreeSet::new();
    for operation in &plan.operations {
        directories.extend(
            layout
                .absolute(&operation.place)
                .parent()
                .map(Path::to_owned),
        );
    }
    directories
        .iter()
        .filter(|directory| matches!(fs::stat(directory), Ok(Some(_))))
        .try_for_each(|directory| fs::check_writable(directory))
}

/// The changes of a plan as results show them.
pub fn changes(plan: &Plan) -> Vec<ProjectChange> {
    let shown = |change: &Change| {
        let Tally { files, bytes } = plan.tally(change);
        ProjectChange {
            action: change.action,
            name: change.name.normalized().to_owned(),
            version: change.version.clone(),
            previous: change.previous.clone(),
            source: change.source.clone(),
            files,
            bytes,
        }
    };
    plan.changes.iter().map(shown).collect()
}

/// The files that a plan writes and removes, as people see them.
pub fn files(layout: &Layout, plan: &Plan) -> PlannedFiles {
    let out = plan
        .operations
        .iter()
        .filter(|operation| operation.kind == OperationKind::Out);
    let mut files = PlannedFiles {
        write: plan
            .files
            .iter()
            .map(|file| layout.show(&file.place))
            .collect(),
        remove: out.map(|operation| layout.show(&operation.place)).collect(),
    };
    files.write.sort();
    files.remove.sort();
    files
}

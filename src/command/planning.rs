//! From what a command wants to a plan: looks at everything the plan depends on, then lets `plan`
//! decide.
//!
//! All reading that planning needs is here and in the environment; `plan` itself does none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Options;
use super::looking::Looking;
use super::session::Session;
use crate::environment::capabilities;
use crate::environment::layout::Layout;
use crate::error::{Error, Result, SpreadFault};
use crate::fs;
use crate::installed::survey::Survey;
use crate::outcome::{Action, ChangeReport, PlannedFiles, Report, Warning};
use crate::plan::conflict::{OnConflict, Rules, Settled, Wanted, settle};
use crate::plan::spread::{Ground, Guard, is_reserved, spread};
use crate::plan::{
    Change, ChangeId, NewFile, OperationKind, Plan, RowFile, WheelId, changes as project_changes,
    operations,
};
use crate::spec::name::ProjectName;
use crate::spec::record::Verify;
use crate::threads::{Pool, in_parallel};
use crate::wheel::Wheel;

/// The plan of an installation.
pub fn install(
    session: &mut Session<'_>,
    wheels: &[Wheel],
    pool: &Pool,
    options: &Options,
    report: &mut Report,
) -> Result<Plan> {
    let mut warnings = Vec::new();
    let changes =
        project_changes::installs(wheels, &session.installed, options.reinstall, &mut warnings)?;
    report.warnings.append(&mut warnings);
    let capabilities = match options.capabilities {
        Some(capabilities) => capabilities,
        None => {
            capabilities::probe(&session.layout.roots()[usize::from(session.layout.main_root().0)])?
        }
    };
    let ground = Ground {
        layout: &session.layout,
        python: &session.environment.python,
        installer: &options.installer,
        verified: options.verify != Verify::Off,
        windows_names: capabilities.windows_names,
    };
    let files = spread_all(&ground, wheels, &changes, pool, report)?;
    let (policy, ignores_case) = (options.on_conflict, capabilities.ignores_case);
    plan(
        session,
        Intent {
            changes,
            files,
            policy,
            ignores_case,
        },
        pool,
        report,
    )
}

/// The plan of a removal.
pub fn uninstall(
    session: &mut Session<'_>,
    names: &[ProjectName],
    pool: &Pool,
    report: &mut Report,
) -> Result<Plan> {
    let changes = project_changes::removals(names, &session.installed)?;
    // Names that nobody writes meet no others.
    let (policy, ignores_case) = (OnConflict::Error, false);
    plan(
        session,
        Intent {
            changes,
            files: Vec::new(),
            policy,
            ignores_case,
        },
        pool,
        report,
    )
}

/// Every file that the changes want, in the order of the arguments.
fn spread_all(
    ground: &Ground<'_>,
    wheels: &[Wheel],
    changes: &[Change],
    pool: &Pool,
    report: &mut Report,
) -> Result<Vec<NewFile>> {
    let mut order: Vec<(WheelId, ChangeId)> = changes
        .iter()
        .zip(0..)
        .filter(|(change, _)| change.action != Action::Keep)
        .filter_map(|(change, id)| Some((change.wheel?, ChangeId(id))))
        .collect();
    order.sort_by_key(|(number, _)| *number);
    let spread_one = |&(number, id): &(WheelId, ChangeId)| {
        let wheel = &wheels[number.0 as usize];
        let files =
            spread(wheel, number, id, ground).map_err(|faults| (wheel.label.clone(), faults))?;
        Ok((not_portable(wheel, &files), files))
    };
    let (mut files, mut refused) = (Vec::new(), Vec::new());
    for result in in_parallel(pool, &order, spread_one) {
        match result {
            Ok((warning, more)) => {
                report.warnings.extend(warning);
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

/// A warning of names that another system would not take.
fn not_portable(wheel: &Wheel, files: &[NewFile]) -> Option<Warning> {
    let mut reserved = files.iter().filter(|file| is_reserved(&file.place));
    let first = &reserved.next()?.recorded;
    let message = match reserved.count() {
        0 => format!("`{first}` has a name that Windows reserves or cannot have"),
        more => {
            format!("`{first}` and {more} more have names that Windows reserves or cannot have")
        }
    };
    Some(Warning {
        code: "windows-name",
        wheel: Some(wheel.label.clone()),
        message,
    })
}

/// What is wanted, before it is known what stands in its way.
struct Intent {
    changes: Vec<Change>,
    files: Vec<NewFile>,
    policy: OnConflict,
    ignores_case: bool,
}

fn plan(
    session: &mut Session<'_>,
    intent: Intent,
    pool: &Pool,
    report: &mut Report,
) -> Result<Plan> {
    let Intent {
        mut changes,
        files,
        policy,
        ignores_case,
    } = intent;
    let installed = std::mem::take(&mut session.installed);
    let mut survey = Survey::new(&mut session.layout);
    let mut looking = Looking::new(&mut survey, &installed, pool);
    let going = looking.going(&mut changes, report)?;
    let mut outgoing = going.outgoing(&|place| looking.survey.layout().is_own_directory(place));
    let wanted = looking.wanted(files, &going, &outgoing)?;
    refuse_protected(looking.survey.layout(), &wanted, &changes)?;
    let staying = if ignores_case {
        looking.staying(&going)?
    } else {
        Vec::new()
    };
    let names: Vec<String> = changes
        .iter()
        .map(|change| change.name.normalized().to_owned())
        .collect();
    let layout = looking.survey.layout();
    let rules = Rules {
        policy,
        ignores_case,
        staying: &staying,
        names: &names,
        layout,
    };
    let mut settled = refuse_unsettled(settle(wanted, &rules), &changes)?;
    count(&mut changes, &settled);
    looking.correct_losers(&mut settled)?;
    session.installed = installed;
    outgoing.places.extend(settled.displaced);
    outgoing.places.sort();
    let (operations, staged) =
        operations::operations(&session.layout, &settled.files, &settled.anchors, &outgoing);
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
    check_writable(&session.layout, &plan)?;
    Ok(plan)
}

/// Files that a link inside the environment would lead to what is protected.
fn refuse_protected(layout: &Layout, wanted: &[Wanted], changes: &[Change]) -> Result<()> {
    let guard = Guard::of(layout);
    let protected = wanted.iter().filter_map(|wanted| {
        let what = guard.protects(layout, &wanted.file.place)?;
        let wheel = changes[wanted.file.owner.0 as usize]
            .source
            .clone()
            .unwrap_or_default();
        Some((
            wheel,
            vec![
                SpreadFault::Protected {
                    path: wanted.file.recorded.to_string(),
                    what,
                }
                .into(),
            ],
        ))
    });
    let protected: Vec<_> = protected.collect();
    if protected.is_empty() {
        Ok(())
    } else {
        Err(Error::wheels(protected))
    }
}

/// Conflicts that nothing settled are an error, and so are wheels that contradict themselves.
fn refuse_unsettled(settled: Settled, changes: &[Change]) -> Result<Settled> {
    if !settled.doubled.is_empty() {
        let faults = settled.doubled.into_iter().map(|(change, path)| {
            let wheel = changes[change.0 as usize]
                .source
                .clone()
                .unwrap_or_default();
            (wheel, vec![SpreadFault::Twice(path).into()])
        });
        return Err(Error::wheels(faults.collect()));
    }
    if settled.clashes.is_empty() {
        Ok(settled)
    } else {
        Err(Error::conflicts(settled.clashes))
    }
}

/// Counts each project's own files, shared ones for every owner.
fn count(changes: &mut [Change], settled: &Settled) {
    for (change, rows) in changes.iter_mut().zip(&settled.rows) {
        change.files += rows.len() as u64;
        let bytes = rows
            .iter()
            .map(|row| match &row.file {
                RowFile::New(number) => settled.files[*number as usize].size,
                RowFile::Live(live) => live.size.unwrap_or_default(),
            })
            .fold(0, u64::saturating_add);
        change.bytes = change.bytes.saturating_add(bytes);
    }
}

fn check_space(layout: &Layout, plan: &Plan) -> Result<()> {
    let mut home = layout.state_home(layout.main_root());
    while fs::stat(&home)?.is_none() {
        if !home.pop() {
            return Ok(());
        }
    }
    let (needed, available) = (plan.bytes(), fs::available_space(&home)?);
    if needed > available {
        Err(Error::no_space(&home, needed, available))
    } else {
        Ok(())
    }
}

/// Every directory that a name comes to or goes from must be this user's to change.
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
    match directories
        .iter()
        .find(|directory| matches!(fs::stat(directory), Ok(Some(_))) && !fs::is_writable(directory))
    {
        Some(directory) => Err(Error::bad_environment(directory, "it is not writable")),
        None => Ok(()),
    }
}

/// Puts what is planned into the report.
pub fn describe(plan: &Plan, report: &mut Report) {
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
            source: change.source.clone(),
            files: change.files,
            bytes: change.bytes,
        })
        .collect();
}

/// The files that a plan is about.
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

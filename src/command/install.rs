//! `install`: Source → Wheel → Plan → Staged → commit → Report.

use std::time::Instant;

use rayon::ThreadPool;

use super::planning;
use super::session::{Session, environment_report};
use super::{Context, Options};
use crate::environment::{self, Environment, Locate};
use crate::error::{Error, Fault, Result};
use crate::plan::Plan;
use crate::report::{Outcome, Report};
use crate::source::Source;
use crate::spec::tags::TagSet;
use crate::stage::{self, StageOptions};
use crate::transaction::{self, CommitOptions};
use crate::wheel::{self, OpenOptions, Wheel};

/// Installs all wheels, or none.
///
/// # Errors
/// Where anything at all fails; the environment is as it was then, unless [`Error::effect`] says otherwise.
pub fn install(
    locate: &Locate,
    sources: &[Source],
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let pool = wheel::pool(options.jobs)?;
    let environment = environment::locate(locate)?;
    report.environment = Some(environment_report(&environment));
    let begin = Instant::now();
    let open =
        OpenOptions { verify: options.verify, require_hashes: options.require_hashes, direct_url: options.direct_url };
    let wheels = pool.install(|| wheel::open_all(sources, open))?;
    report.warnings.extend(wheels.iter().flat_map(|wheel| wheel.warnings.iter().cloned()));
    if options.compat_check {
        check_fit(&wheels, &environment)?;
    }
    report.timings_ms.open = Some(milliseconds(begin));
    let begin = Instant::now();
    let mut session = Session::begin(&environment, options, context, report)?;
    let planned = planning::install(&mut session, &wheels, options, report);
    report.timings_ms.plan = Some(milliseconds(begin));
    carry_out(session, planned, &wheels, &pool, options, context, report)
}

/// Does what was planned, or leaves the environment as it was.
pub(super) fn carry_out(
    session: Session<'_>,
    planned: Result<Plan>,
    wheels: &[Wheel],
    pool: &ThreadPool,
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let plan = match planned {
        Ok(plan) if options.dry_run => {
            report.outcome = Outcome::Planned;
            planning::describe(&plan, wheels, report);
            session.leave_unchanged();
            return Ok(());
        }
        Ok(plan) if plan.is_empty() => {
            report.outcome = Outcome::Unchanged;
            planning::describe(&plan, wheels, report);
            return Ok(());
        }
        Ok(plan) => plan,
        Err(error) => {
            session.leave_unchanged();
            return Err(error);
        }
    };
    planning::describe(&plan, wheels, report);
    match apply(&session, plan, wheels, pool, options, context, report) {
        Ok(()) => {
            report.outcome = Outcome::Committed;
            Ok(())
        }
        Err(error) => {
            session.leave_unchanged();
            Err(error)
        }
    }
}

fn apply(
    session: &Session<'_>,
    plan: Plan,
    wheels: &[Wheel],
    pool: &ThreadPool,
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let begin = Instant::now();
    let stage_options =
        StageOptions { verify: options.verify, pool, cancel: context.cancel, progress: context.progress };
    let staged = stage::stage(context.door, &session.layout, plan, wheels, stage_options)?;
    for (change, staged) in report.changes.iter_mut().zip(&staged.plan.changes) {
        change.bytes = staged.bytes;
    }
    report.timings_ms.stage = Some(milliseconds(begin));
    let begin = Instant::now();
    let commit_options = CommitOptions { durable: options.durable, undoable: options.undoable };
    let committed = transaction::commit(context.door, &session.layout, staged, commit_options)?;
    report.timings_ms.commit = Some(committed.moved.as_secs_f64() * 1e3);
    report.timings_ms.clean = Some(milliseconds(begin) - committed.moved.as_secs_f64() * 1e3);
    report.warnings.extend(committed.warnings);
    Ok(())
}

/// Refuses wheels that the environment's interpreter cannot use (platform compatibility tags; core metadata,
/// "Requires-Python").
fn check_fit(wheels: &[Wheel], environment: &Environment) -> Result<()> {
    let python = &environment.python;
    let tags = TagSet::new(&python.target);
    let mut refused = Vec::new();
    for wheel in wheels {
        let mut faults = Vec::new();
        if tags.best(&wheel.name.tags).is_none() {
            let own: Vec<String> = wheel.name.tags.iter().map(ToString::to_string).collect();
            faults.push(Fault::Incompatible { tags: own.join(", "), environment: python.target.to_string() });
        }
        if let Some(requires) = &wheel.metadata.requires_python
            && !requires.contains(&python.version)
        {
            let (requires, python) = (requires.to_string(), python.version.to_string());
            faults.push(Fault::RequiresPython { requires, python });
        }
        if !faults.is_empty() {
            refused.push((wheel.label.clone(), faults));
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(Error::wheels(refused)) }
}

pub(super) fn milliseconds(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1e3
}

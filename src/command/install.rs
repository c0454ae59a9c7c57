//! `install`: Source → Wheel → Plan → Staged → commit → Report.

use std::time::Instant;

use super::input::Input;
use super::opening::{self, Opened};
use super::planning;
use super::session::{Purpose, Session, environment_report};
use super::{Context, Options};
use crate::environment::{self, Environment, Locate};
use crate::error::{Error, ErrorKind, Fault, MetadataFault, Result};
use crate::outcome::{Outcome, Report};
use crate::plan::Plan;
use crate::spec::tags::TagSet;
use crate::stage::{self, Bring, StageOptions};
use crate::threads::Pool;
use crate::transaction::{self, Areas, CommitOptions};
use crate::wheel::Wheel;

/// Installs all wheels, or none.
///
/// # Errors
/// Where anything at all fails; the environment is as it was then, unless [`Error::effect`] says
/// otherwise.
pub fn install(
    locate: &Locate,
    input: &Input,
    options: &Options,
    context: Context<'_>,
    report: &mut Report,
) -> Result<()> {
    let pool = Pool::new(options.jobs)?;
    let environment = environment::locate(locate)?;
    report.environment = Some(environment_report(&environment));
    let begin = Instant::now();
    let sources = input.resolve(&environment, options, report)?;
    let mut opened = opening::open(&sources, options, &pool, context)?;
    report.timings_ms.open = Some(milliseconds(begin));
    let before = report.clone();
    report.warnings.extend(opened.warnings());
    if options.compat_check {
        check_fit(&opened.wheels, &environment)?;
    }
    let mut done = Act::of(&opened, &pool, options, context).install(&environment, report);
    // A file of which no digest is known is like no other, so whatever depends on one shows as a
    // conflict, or a refusal.
    let depends_on_digests = match &done {
        Ok(()) => !report.conflicts.is_empty(),
        Err(error) => error.is_refusal() || error.kind() == ErrorKind::Conflict,
    };
    if depends_on_digests && opened.look_closer(context.progress)? {
        *report = before;
        report.warnings.extend(opened.warnings());
        done = Act::of(&opened, &pool, options, context).install(&environment, report);
    }
    report.warnings.extend(
        opened
            .coming
            .iter()
            .flat_map(|coming| coming.take_warnings()),
    );
    done
}

/// What carrying out a plan needs.
pub(super) struct Act<'a> {
    /// The wheels that the plan speaks of.
    pub wheels: &'a [Wheel],
    /// What brings those of them that are not here.
    pub bring: Option<&'a dyn Bring>,
    /// Where the work is done.
    pub pool: &'a Pool,
    /// How.
    pub options: &'a Options,
    /// With what.
    pub context: Context<'a>,
}

impl<'a> Act<'a> {
    fn of(opened: &'a Opened, pool: &'a Pool, options: &'a Options, context: Context<'a>) -> Self {
        let bring = opened.coming.as_deref().map(|coming| coming as &dyn Bring);
        Self {
            wheels: &opened.wheels,
            bring,
            pool,
            options,
            context,
        }
    }

    /// Plans to install all of the wheels, and does it.
    fn install(&self, environment: &Environment, report: &mut Report) -> Result<()> {
        let begin = Instant::now();
        let mut session = Session::begin(
            environment,
            Purpose::Change,
            self.options,
            self.context,
            report,
        )?;
        let planned = planning::install(&mut session, self.wheels, self.pool, self.options, report);
        report.timings_ms.plan = Some(milliseconds(begin));
        self.carry_out(session, planned, report)
    }

    /// Does what was planned, or leaves the environment as it was.
    pub fn carry_out(
        &self,
        session: Session<'_>,
        planned: Result<Plan>,
        report: &mut Report,
    ) -> Result<()> {
        let done = planned.and_then(|plan| {
            planning::describe(&plan, report);
            report.outcome = if self.options.dry_run {
                report.plan = Some(planning::files(&session.layout, &plan));
                Outcome::Planned
            } else if plan.is_empty() {
                Outcome::Unchanged
            } else {
                self.apply(&session, plan, report)?;
                Outcome::Committed
            };
            Ok(())
        });
        if done.is_err() {
            session.leave_unchanged();
        }
        done
    }

    fn apply(&self, session: &Session<'_>, plan: Plan, report: &mut Report) -> Result<()> {
        let (options, context) = (self.options, self.context);
        let begin = Instant::now();
        let (cancel, progress) = (context.cancel, context.progress);
        let stage_options = StageOptions {
            verify: options.verify,
            backend: options.backend,
            pool: self.pool,
            bring: self.bring,
            cancel,
            progress,
        };
        let areas = Areas::make(context.fs, &session.layout, &plan.operations)?;
        let staged = stage::stage(&areas.stages()?, plan, self.wheels, stage_options)?;
        for (change, staged) in report.changes.iter_mut().zip(&staged.plan.changes) {
            change.bytes = staged.bytes;
        }
        report.timings_ms.stage = Some(milliseconds(begin));
        let begin = Instant::now();
        let commit_options = CommitOptions {
            durable: options.durable,
            undoable: options.undoable,
        };
        let committed =
            transaction::commit(context.fs, &session.layout, areas, staged, commit_options)?;
        report.timings_ms.commit = Some(committed.moved.as_secs_f64() * 1e3);
        report.timings_ms.clean = Some(milliseconds(begin) - committed.moved.as_secs_f64() * 1e3);
        report.warnings.extend(committed.warnings);
        Ok(())
    }
}

/// Refuses wheels that the environment's interpreter cannot use (platform compatibility tags; core
/// metadata, "Requires-Python").
fn check_fit(wheels: &[Wheel], environment: &Environment) -> Result<()> {
    let python = &environment.python;
    let tags = TagSet::new(&python.target);
    let mut refused = Vec::new();
    for wheel in wheels {
        let mut faults: Vec<Fault> = Vec::new();
        if tags.best(&wheel.name.tags).is_none() {
            let own: Vec<String> = wheel.name.tags.iter().map(ToString::to_string).collect();
            let (tags, environment) = (own.join(", "), python.target.to_string());
            faults.push(MetadataFault::Incompatible { tags, environment }.into());
        }
        if let Some(requires) = &wheel.metadata.requires_python
            && !requires.contains(&python.version)
        {
            let (requires, python) = (requires.to_string(), python.version.to_string());
            faults.push(MetadataFault::RequiresPython { requires, python }.into());
        }
        if !faults.is_empty() {
            refused.push((wheel.label.clone(), faults));
        }
    }
    if refused.is_empty() {
        Ok(())
    } else {
        Err(Error::wheels(refused))
    }
}

pub(super) fn milliseconds(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1e3
}

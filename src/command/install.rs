//! `install`: Source → Wheel → Plan → Staged → commit → Report.

use std::time::Instant;

use super::open::{self, Opened};
use super::planning;
use super::request::Input;
use super::session::{Purpose, Session, environment_report};
use super::{Context, Options};
use crate::environment::{self, Environment, Locate};
use crate::error::{Error, Fault, MetadataFault, Result};
use crate::outcome::{Outcome, Report};
use crate::plan::Plan;
use crate::spec::tags::TagSet;
use crate::stage::{self, StageOptions};
use crate::threads::Pool;
use crate::transaction::{self, Areas, CommitOptions};
use crate::wheel::Wheel;

/// Installs all wheels, or none.
///
/// # Errors
/// The first failure of any kind. The environment is then as it was before, unless
/// [`Error::effect`] says otherwise.
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
    let mut opened = open::open(sources, options, &pool, context)?;
    report.timings_ms.open = Some(milliseconds(begin));
    report.warnings.extend(opened.warnings());
    if options.compat_check {
        check_fit(&opened.wheels, &environment)?;
    }
    let begin = Instant::now();
    let session = Session::begin(&environment, Purpose::Change, options, context, report);
    let done = session.and_then(|mut session| {
        let planned = planning::install(&mut session, &mut opened, &pool, options, report);
        report.timings_ms.plan = Some(milliseconds(begin));
        let act = Act {
            opened: &opened,
            pool: &pool,
            options,
            context,
        };
        act.carry_out(session, planned, report)
    });
    report.warnings.extend(opened.take_warnings());
    done
}

/// Everything that carrying out a plan needs.
pub(super) struct Act<'a> {
    /// The wheels of the plan.
    pub opened: &'a Opened,
    /// The threads that stage.
    pub pool: &'a Pool,
    /// The options of the command.
    pub options: &'a Options,
    /// The file system, cancellation and progress.
    pub context: Context<'a>,
}

impl Act<'_> {
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
        let areas = Areas::make(context.fs, &session.layout, &plan.operations)?;
        let stages = areas.stages()?;
        let needed: Vec<_> = plan.wheels().collect();
        let staged = self
            .opened
            .while_downloading(&needed, context.progress, |arrivals| {
                let stage_options = StageOptions {
                    verify: options.verify,
                    backend: options.backend,
                    pool: self.pool,
                    arrivals,
                    cancel: context.cancel,
                    progress: context.progress,
                };
                let archives = &self.opened.archives;
                stage::stage(&stages, plan, archives, stage_options)
            })?;
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

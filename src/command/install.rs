//! `install`: installs wheels, all of them or none.

use std::time::Instant;

use super::observer::Observer;
use super::planned::PlannedTransaction;
use super::request::Input;
use super::session::{Purpose, Session};
use super::{Context, Options, open, planning};
use crate::environment::Environment;
use crate::error::{Error, Fault, MetadataFault, Result};
use crate::outcome::{Outcome, Step};
use crate::spec::tags::TagSet;
use crate::threads::Pool;
use crate::wheel::Wheel;

/// Installs all wheels, or none.
///
/// # Errors
/// The first failure of any kind. The environment is then as it was before, unless
/// [`Error::effect`] says otherwise.
pub fn install(
    environment: &Environment,
    input: &Input,
    options: &Options,
    context: Context<'_>,
) -> Result<Outcome> {
    plan_install(environment, input, options, context)?.apply(&Observer::new(context.events))
}

/// Opens the wheels, locks the environment and plans.
pub(crate) fn plan_install<'a>(
    environment: &'a Environment,
    input: &Input,
    options: &Options,
    context: Context<'_>,
) -> Result<PlannedTransaction<'a>> {
    let pool = Pool::new(options.jobs)?;
    let begin = Instant::now();
    let sources = input.resolve(environment, options, context)?;
    let mut opened = open::open(sources, options, &pool, context)?;
    context.events.step(Step::Open, begin.elapsed());
    context.warn(opened.warnings());
    if options.compat_check {
        check_fit(&opened.wheels, environment)?;
    }
    let begin = Instant::now();
    let session = Session::begin(environment, Purpose::Change, options, context);
    let planned = session.and_then(|mut session| {
        let planned = planning::install(&mut session, &mut opened, &pool, options, context);
        context.events.step(Step::Plan, begin.elapsed());
        session.unless_failed(planned)
    });
    // After a failure, too: they may explain it.
    context.warn(opened.take_warnings());
    let (session, plan) = planned?;
    Ok(PlannedTransaction::new(
        session, plan, opened, pool, options,
    ))
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

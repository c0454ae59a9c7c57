//! The interpreters that compile bytecode for a command.

use std::path::Path;

use super::{Context, Options};
use crate::environment::{CompilerSettings, Compilers, Environment, Python};
use crate::error::{Error, Result};
use crate::outcome::{Activity, ActivityKind, RunningActivity};
use crate::plan::bytecode::WantedBytecode;
use crate::threads::Pool;

/// Refuses an environment whose interpreter cannot compile, before anything is fetched.
///
/// # Errors
/// It is not known, or was described and is not on this machine.
pub fn check(environment: &Environment, options: &Options) -> Result<()> {
    if options.bytecode.is_some() {
        compiler(environment)?;
    }
    Ok(())
}

/// The interpreter that compiles, and its program.
fn compiler(environment: &Environment) -> Result<(&Python, &Path)> {
    let python = environment.python()?;
    let executable = python.executable.as_deref().ok_or_else(|| {
        let reason = "its interpreter is not on this machine, so it cannot compile bytecode";
        Error::bad_environment(environment.root(), reason)
    })?;
    Ok((python, executable))
}

/// Starts the interpreters, one per thread, if bytecode is wanted. They get ready while wheels are
/// opened.
///
/// # Errors
/// There is no interpreter, or it cannot be started.
pub fn start(
    environment: &Environment,
    options: &Options,
    pool: &Pool,
) -> Result<Option<Compilers>> {
    let Some(bytecode) = &options.bytecode else {
        return Ok(None);
    };
    let settings = CompilerSettings {
        invalidation: bytecode.invalidation,
        epoch: options.source_date_epoch,
        patience: bytecode.patience,
    };
    // A plan only needs to know how bytecode is named.
    let count = if options.dry_run { 1 } else { pool.threads() };
    let (python, executable) = compiler(environment)?;
    Compilers::start(executable, &python.target, &settings, count).map(Some)
}

/// The bytecode that is wanted of every module.
///
/// # Errors
/// The interpreter does not answer, or uses no bytecode.
pub fn wanted(
    compilers: Option<&Compilers>,
    options: &Options,
    context: Context<'_>,
) -> Result<Option<WantedBytecode>> {
    let (Some(compilers), Some(bytecode)) = (compilers, &options.bytecode) else {
        return Ok(None);
    };
    let activity = Activity::new(ActivityKind::AskInterpreter, "");
    let _running = RunningActivity::begin(context.events, &activity);
    Ok(Some(WantedBytecode {
        tag: compilers.tag(context.cancel)?,
        levels: bytecode.distinct_levels(),
    }))
}

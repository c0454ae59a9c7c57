//! The command line: the only code that prints, reads the environment's variables, or chooses an exit code.
//!
//! Input: arguments. Output: results on stdout, everything else on stderr, and an exit code. Nothing here decides what
//! happens to an environment: that is the library's.

mod args;
mod progress;
mod render;
mod signals;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::command::{self, Context};
use crate::error::{Error, Result};
use crate::fs::Door;
use crate::report::Report;
use crate::source::Source;

use args::{Command, Parsed};
use progress::Bar;
use render::{Body, Renderer};

/// Runs the program with these arguments, its own name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let parsed = match args::parse(&arguments) {
        Ok(parsed) => parsed,
        Err(refusal) => return render::refuse(&refusal, &arguments),
    };
    let renderer = Renderer::new(&parsed.output);
    let bar = Bar::new(&parsed.output);
    signals::raise_file_limit();
    let cancel = signals::watch();
    let door = Door::default().with_threads(parsed.options.jobs);
    let mut report = Report::new();
    let context = Context { door: &door, cancel: &cancel, progress: &bar };
    let result = act(&parsed, context, &mut report);
    renderer.finish(&parsed, &mut report, &result)
}

/// Does what was asked for.
fn act(parsed: &Parsed, context: Context<'_>, report: &mut Report) -> Result<Body> {
    let (locate, options) = (parsed.locate(), &parsed.options);
    match &parsed.command {
        Command::Install { wheels } => {
            let sources = sources(wheels)?;
            command::install(&locate, &sources, options, context, report).map(|()| Body::Changes)
        }
        Command::Uninstall { names } => {
            command::uninstall(&locate, names, options, context, report).map(|()| Body::Changes)
        }
        Command::Check { names } => command::check(&locate, names, options, context, report).map(|()| Body::Checked),
        Command::List => command::list(&locate, options, context, report).map(|()| Body::Listed),
        Command::Undo => command::undo(&locate, options, context, report).map(|()| Body::Undone),
        Command::Recover => command::recover(&locate, options, context, report).map(|()| Body::Recovered),
    }
}

fn sources(wheels: &[std::path::PathBuf]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for argument in wheels {
        sources.extend(Source::from_argument(argument)?);
    }
    if sources.is_empty() { Err(Error::usage("no wheel was named; see `pkg-install --help`")) } else { Ok(sources) }
}

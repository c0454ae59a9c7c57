//! The command line: the only code that prints, reads variables, or chooses an exit code.
//!
//! Input: arguments and variables. Output: results on stdout, everything else on stderr, and an
//! exit code. Every decision about an environment is the library's.

mod args;
#[cfg(feature = "http")]
mod cache;
mod compiling;
mod completion;
mod documents;
#[cfg(feature = "http")]
mod downloads;
mod environment;
mod github;
mod help;
mod hints;
mod installer;
mod json;
mod log;
mod manual;
mod options;
mod pack;
#[cfg(feature = "http")]
mod pip_configuration;
mod progress;
mod quoting;
mod refusal;
mod request;
#[cfg(feature = "http")]
mod resolution;
mod signals;
mod streams;
mod text;
mod variables;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::CommandFactory as _;
#[cfg(feature = "http")]
use pkg_install::Status;
#[cfg(feature = "http")]
use pkg_install::command::DownloadedWheel;
use pkg_install::command::{
    self, Context, Fs, Input, MessageFile, PathOwners, ProjectDetails, ProjectsShown, VerifiedWheel,
};
use pkg_install::progress::{Activity, ActivityKind, RunningActivity, Step};
use pkg_install::results::{CheckOutcome, InstalledProject, PathConflict};
use pkg_install::{Action, Cancellation, Environment, Error, ErrorKind, Outcome, Result, Warning};

use args::groups::OutputArgs;
use args::values::{Color, OutputFormat};
use args::{Cli, ListFormat};
#[cfg(feature = "http")]
use cache::CacheRequest;
use log::CommandLog;
use options::{Command, Parsed, Stop};
use refusal::UsageError;

/// Everything that there is to print about a command beside its error.
#[derive(Default)]
struct Results {
    environment: Option<Environment>,
    done: Option<CommandResult>,
    warnings: Vec<Warning>,
    timings: Vec<(Step, Duration)>,
    /// The conflicts that the options resolve, as the plan has them. A command that fails later has
    /// no other result.
    conflicts: Vec<PathConflict>,
    /// The places of pip's configuration that count, without credentials.
    pip_places: Vec<String>,
    /// The remote wheels by file name, and whether the cache had all of them.
    wheels: BTreeMap<String, bool>,
    /// What interpreters say about sources that are no valid Python.
    tracebacks: Vec<String>,
}

/// The result of a command.
enum CommandResult {
    Changes(Outcome),
    Undone(Outcome),
    History(Vec<pkg_install::results::PastTransaction>),
    Recovered(Outcome),
    Checked(CheckOutcome),
    /// The projects, and the same at length if that was asked for.
    Listed(Vec<InstalledProject>, Vec<ProjectDetails>),
    /// Projects at length, and whether with their files.
    Shown(ProjectsShown, bool),
    Owned(Vec<PathOwners>),
    Verified(Vec<VerifiedWheel>),
    Packed(Box<command::PackOutcome>),
    /// What was done with the cache, and what was asked for.
    #[cfg(feature = "http")]
    Cache(command::CacheOutcome, CacheRequest),
    /// The wheels, and whether they are there now.
    #[cfg(feature = "http")]
    Downloaded(Vec<DownloadedWheel>, Status),
    #[cfg(feature = "http")]
    Resolved(Box<resolution::ShownResolution>),
}

/// Runs the program with these arguments; the first one is its own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let begin = Instant::now();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if help::asks_for_version(&arguments) {
        streams::print(help::VERSION, Color::Never);
        return ExitCode::SUCCESS;
    }
    if let Some(answer) = completion::answer(&arguments) {
        return streams::answer(&answer, Color::Never);
    }
    let parsed = match options::parse(&arguments) {
        Ok(parsed) => parsed,
        Err(stop) => return end(stop, &arguments),
    };
    if parsed.output.json_schema {
        return streams::answer(&json::schema(), parsed.output.color);
    }
    let opened = log_of(&parsed, &arguments)
        .and_then(|log| progress::of(&parsed.output).map(|progress| (log, progress)));
    let (log, (progress, interrupter)) = match opened {
        Ok(opened) => opened,
        Err(error) => return end(UsageError::new(error.to_string()).into(), &arguments),
    };
    signals::raise_file_limit();
    let cancel = Cancellation::default();
    let signal = signals::watch(&cancel, interrupter);
    let fs = Fs::default().with_threads(parsed.options.jobs);
    let context = Context {
        fs: &fs,
        cancel: &cancel,
        events: &progress,
    };
    let mut results = Results::default();
    let mut error = act(&parsed, context, &mut results).err();
    // Clears the bars, so that nothing of them stays among the results.
    let kept = progress.end();
    (results.warnings, results.timings) = (kept.warnings, kept.timings);
    (results.conflicts, results.pip_places) = (kept.conflicts, kept.pip_places);
    results.wheels = kept.wheels;
    results.tracebacks = kept.tracebacks;
    error = error.or_else(|| finding(results.done.as_ref()?));
    let (said, is_lost) = render(&parsed, &results, error.as_ref(), begin);
    let code = match error.map(|error| error.kind()) {
        Some(ErrorKind::Interrupted) => signal.exit_code(),
        Some(_) if is_installer(&parsed) => 1,
        Some(kind) => exit_code(kind),
        // What was changed stays changed, and only the exit code 0 says so.
        None if is_lost && !results.done.as_ref().is_some_and(CommandResult::is_change) => 1,
        None => u8::from(parsed.check && would_change(&results)),
    };
    if let Some(Err(error)) = log.map(|log| log.end(&said, code)) {
        let message = format!("the log is not complete: {error}\n");
        streams::remark(&message, parsed.output.color);
    }
    ExitCode::from(code)
}

/// The log that is wanted.
fn log_of(parsed: &Parsed, arguments: &[OsString]) -> Result<Option<CommandLog>> {
    let Some(path) = parsed.output.log.as_deref() else {
        return Ok(None);
    };
    let typed = arguments.get(1).and_then(|word| word.to_str());
    let program = Cli::command();
    // Only the command: other words may be addresses with a login.
    let command = typed.filter(|word| program.find_subcommand(word).is_some());
    CommandLog::begin(path, command.unwrap_or("install")).map(Some)
}

impl CommandResult {
    /// Whether something was changed, or would have been without `--dry-run`.
    fn is_change(&self) -> bool {
        match self {
            Self::Changes(outcome) | Self::Undone(outcome) | Self::Recovered(outcome) => {
                outcome.status == Status::Committed
            }
            Self::Packed(_) => true,
            #[cfg(feature = "http")]
            Self::Cache(outcome, _) => !outcome.removed.is_empty(),
            #[cfg(feature = "http")]
            Self::Downloaded(_, status) => *status == Status::Committed,
            _ => false,
        }
    }

    /// Whether it is a text that other programs read.
    fn is_document(&self) -> bool {
        #[cfg(feature = "http")]
        if matches!(self, Self::Resolved(_)) {
            return true;
        }
        false
    }
}

/// Whether the command stands in for `python -m installer`, whose failures all end with 1.
fn is_installer(parsed: &Parsed) -> bool {
    matches!(parsed.command, Command::Installer(_))
}

/// The error that is a result at once: what was found is printed, and the exit code is not 0.
fn finding(done: &CommandResult) -> Option<Error> {
    match done {
        #[cfg(feature = "http")]
        CommandResult::Cache(outcome, request) => cache::failure(outcome, request),
        CommandResult::Checked(checked) if !checked.differences.is_empty() => {
            Some(Error::differences(checked.differences.len()))
        }
        CommandResult::Checked(checked) if !checked.unmet.is_empty() => {
            Some(Error::unmet_requirements(checked.unmet.len()))
        }
        CommandResult::Shown(shown, _) if !shown.missing.is_empty() => {
            Some(Error::not_listed(shown.missing.clone()))
        }
        CommandResult::Owned(found) => {
            let without = found.iter().filter(|found| found.projects.is_empty());
            let paths: Vec<String> = without
                .map(|found| found.path.display().to_string())
                .collect();
            (!paths.is_empty()).then(|| Error::no_owner(paths))
        }
        _ => None,
    }
}

fn act(parsed: &Parsed, context: Context<'_>, results: &mut Results) -> Result<()> {
    let locate = parsed.locate().with_cancellation(context.cancel.clone());
    let mut environment = || -> Result<Environment> {
        let asking = Activity::new(ActivityKind::AskInterpreter, "");
        let running = RunningActivity::begin(context.events, &asking);
        let environment = Environment::locate(&locate)?;
        drop(running);
        // It is kept before the command runs, so that the report of an error can name it.
        results.environment = Some(environment.clone());
        Ok(environment)
    };
    let options = &parsed.options;
    let done = match &parsed.command {
        Command::Install(args) => {
            // A mistake in the request is reported even if no environment can be found.
            let request = request::read(args, options, context)?;
            let environment = environment()?;
            CommandResult::Changes(command::install(&environment, &request, options, context)?)
        }
        Command::Installer(wheels) => {
            let sources = installer::sources(wheels, options)?;
            let environment = environment()?;
            let input = Input::from(sources);
            CommandResult::Changes(command::install(&environment, &input, options, context)?)
        }
        Command::Sync(files, args) => {
            let request = request::read_files(files, args, options, context)?;
            let environment = environment()?;
            CommandResult::Changes(command::install(&environment, &request, options, context)?)
        }
        #[cfg(feature = "http")]
        Command::Download(args, dest) => {
            let request = request::read(args, options, context)?;
            let wheels = command::download(&locate, &request, dest, options, context)?;
            let status = match (options.dry_run, wheels.is_empty()) {
                (true, _) => Status::Planned,
                (false, true) => Status::Unchanged,
                (false, false) => Status::Committed,
            };
            CommandResult::Downloaded(wheels, status)
        }
        Command::Pack(args) => {
            let (args, wanted) = &**args;
            let input = request::read(args, options, context)?;
            let outcome = command::pack(&locate, &input, wanted, options, context)?;
            CommandResult::Packed(Box::new(outcome))
        }
        #[cfg(feature = "http")]
        Command::Resolve(args) => resolution::run(args, &locate, options, context)?,
        Command::Verify(paths) => {
            let sources = request::local_wheels(paths)?;
            CommandResult::Verified(command::verify(&sources, options, context)?)
        }
        #[cfg(feature = "http")]
        Command::Cache(request) => {
            let CacheRequest {
                action,
                directory,
                dry_run,
            } = request;
            let outcome = command::cache(directory.as_deref(), action, *dry_run, context)?;
            CommandResult::Cache(outcome, request.clone())
        }
        _ => in_environment(parsed, &environment()?, context)?,
    };
    results.done = Some(done);
    Ok(())
}

/// The commands that need nothing but an environment.
fn in_environment(
    parsed: &Parsed,
    environment: &Environment,
    context: Context<'_>,
) -> Result<CommandResult> {
    let options = &parsed.options;
    Ok(match &parsed.command {
        Command::Uninstall { names } => {
            CommandResult::Changes(command::uninstall(environment, names, options, context)?)
        }
        Command::Check { names, requires } => {
            let mut checked = command::check(environment, names, options, context)?;
            if *requires {
                checked.unmet = command::unmet_requirements(environment, names, options, context)?;
            }
            CommandResult::Checked(checked)
        }
        // METADATA is read only if something of it is shown.
        Command::List(format, licenses)
            if parsed.output.json
                || *licenses
                || matches!(format, ListFormat::Freeze | ListFormat::Cyclonedx) =>
        {
            let shown = command::show(environment, &[], options, context)?;
            let projects = shown.projects.iter().map(|details| details.project.clone());
            CommandResult::Listed(projects.collect(), shown.projects)
        }
        Command::List(..) => {
            CommandResult::Listed(command::list(environment, options, context)?, Vec::new())
        }
        Command::Show(names, files) => {
            CommandResult::Shown(command::show(environment, names, options, context)?, *files)
        }
        Command::Owner(paths) => {
            CommandResult::Owned(command::owner(environment, paths, options, context)?)
        }
        Command::Undo(None) => CommandResult::Undone(command::undo(environment, options, context)?),
        Command::Undo(Some(number)) => {
            CommandResult::Undone(command::undo_to(environment, *number, options, context)?)
        }
        Command::History => {
            CommandResult::History(command::history(environment, options, context)?)
        }
        Command::Recover => {
            CommandResult::Recovered(command::recover(environment, options, context)?)
        }
        #[cfg(feature = "http")]
        Command::Download(..) | Command::Resolve(_) | Command::Cache(_) => {
            unreachable!("`act` does these")
        }
        Command::Install(_) | Command::Installer(_) | Command::Sync(..) => {
            unreachable!("`act` does these")
        }
        Command::Verify(_) | Command::Pack(_) => {
            unreachable!("`act` does these")
        }
    })
}

/// Prints the results, and returns everything that there is to say, for the log.
fn render(
    parsed: &Parsed,
    results: &Results,
    error: Option<&Error>,
    begin: Instant,
) -> (String, bool) {
    let OutputArgs { quiet, .. } = parsed.output;
    let verbose = parsed.output.verbose > 0;
    let is_silent = is_installer(parsed) && !verbose;
    let printed = if parsed.output.json {
        json::object(results, error)
    } else if is_silent {
        String::new()
    } else if quiet {
        text::quiet_results(results)
    } else {
        text::results(results, parsed, begin.elapsed())
    };
    let mut remarks = String::new();
    if !quiet {
        remarks += &text::warnings(&results.warnings, verbose);
        if verbose {
            remarks += &text::tracebacks(&results.tracebacks);
        }
        if verbose && error.is_none() {
            remarks += &text::pip_places(&results.pip_places);
            remarks += &text::figures_beside(results);
        }
    }
    if let Some(error) = error {
        remarks += &text::error(error, results, parsed);
    }
    if !quiet {
        remarks += &text::way_back(results, parsed);
        remarks += &text::repair(results, parsed);
        remarks += &parsed.remark.as_deref().map(text::hint).unwrap_or_default();
    }
    let color = parsed.output.color;
    if parsed.output.output_format == OutputFormat::Github {
        remarks = github::annotations(&results.warnings, error) + &remarks;
        summarize(results, error, color);
    }
    // Remarks go first, so that at a terminal the result is the last thing on the screen.
    streams::remark(&remarks, color);
    let is_lost = streams::print(&printed, color);
    if parsed.output.json {
        // The log is for people.
        remarks += &text::results(results, parsed, begin.elapsed());
    } else {
        remarks += &printed;
    }
    (remarks, is_lost)
}

/// Appends the changes and the error to the page of the job of GitHub Actions.
fn summarize(results: &Results, error: Option<&Error>, color: Color) {
    let path = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
    let outcome = match &results.done {
        Some(CommandResult::Changes(outcome) | CommandResult::Undone(outcome)) => Some(outcome),
        // A command that has only looked has nothing to sum up.
        _ if error.is_none() => return,
        _ => None,
    };
    let Some(path) = path else {
        return;
    };
    let summary = github::summary(outcome, error);
    let written = MessageFile::append(Path::new(&path)).and_then(|mut file| {
        let written = file.write_all(summary.as_bytes());
        written.map_err(|error| Error::usage(error.to_string()))
    });
    if let Err(error) = written {
        streams::remark(&format!("the summary is not written: {error}\n"), color);
    }
}

/// Whether the plan of a dry run changes anything.
fn would_change(results: &Results) -> bool {
    let Some(CommandResult::Changes(outcome)) = &results.done else {
        return false;
    };
    let mut changes = outcome.changes.iter();
    changes.any(|change| change.action != Action::Keep)
}

/// Ends the program without a command: help, or arguments that are refused.
fn end(stop: Stop, arguments: &[OsString]) -> ExitCode {
    let color = streams::typed_color(arguments);
    let refusal = match stop {
        Stop::Answer(text) => {
            return streams::answer(&text, color);
        }
        Stop::Pages(directory, pages) => match documents::write(&directory, &pages) {
            Ok(paths) => {
                return streams::answer(&paths, color);
            }
            Err(error) => {
                let refusal = UsageError::new(error.to_string());
                streams::remark(&text::refusal(&refusal), color);
                return ExitCode::from(exit_code(error.kind()));
            }
        },
        Stop::Nothing(help) => {
            streams::remark(&help, color);
            options::nothing_named()
        }
        Stop::Refused(refusal) => {
            streams::remark(&text::refusal(&refusal), color);
            refusal
        }
    };
    // Nothing was parsed, so `--json` and its variable have to be looked for by hand.
    if variables::is_set("JSON") || arguments.iter().any(|argument| argument == "--json") {
        streams::print(&json::refusal(&refusal.message), color);
    }
    ExitCode::from(exit_code(ErrorKind::Usage))
}

fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        // Clap itself ends a program with 2 for wrong arguments.
        ErrorKind::Usage => 2,
        ErrorKind::Input => 3,
        ErrorKind::Conflict => 4,
        ErrorKind::Environment => 5,
        ErrorKind::Differences => 6,
        ErrorKind::Unsolvable => 7,
        // Also a kind that the library adds later: to a calling script it is a failure.
        _ => 1,
    }
}

//! The command line: the only code that prints, reads variables, or chooses an exit code.
//!
//! Input: arguments and variables. Output: results on stdout, everything else on stderr, and an
//! exit code. Every decision about an environment is the library's.

mod args;
mod hints;
mod json;
mod options;
mod progress;
mod signals;
mod text;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use anstream::{AutoStream, ColorChoice};
use pkg_install::Report;
use pkg_install::command::Fs;
use pkg_install::command::{self, Context};
use pkg_install::error::{ErrorKind, Result};

use args::{Color, OutputArgs};
use options::{Command, Parsed};

/// What to print about a command that succeeded.
enum Body {
    Changes,
    Undone,
    Recovered,
    Checked,
    Listed,
    /// The paths of the wheels.
    #[cfg(feature = "http")]
    Downloaded(Vec<std::path::PathBuf>),
}

/// Runs the program with these arguments; the first one is its own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let begin = Instant::now();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let parsed = match options::parse(&arguments) {
        Ok(parsed) => parsed,
        Err(refusal) => return refuse(&refusal, &arguments),
    };
    let progress = progress::of(&parsed.output);
    signals::raise_file_limit();
    let cancel = signals::watch();
    let fs = Fs::default().with_threads(parsed.options.jobs);
    let mut report = Report::new();
    let context = Context {
        fs: &fs,
        cancel: &cancel,
        progress: &*progress,
    };
    let result = act(&parsed, context, &mut report);
    // Clears the bars, so that nothing of them stays among the results.
    drop(progress);
    render(&parsed, &report, &result, begin)
}

fn act(parsed: &Parsed, context: Context<'_>, report: &mut Report) -> Result<Body> {
    let (locate, options) = (parsed.locate(), &parsed.options);
    match &parsed.command {
        Command::Install(args) => {
            let request = options::request(args)?;
            command::install(&locate, &request, options, context, report).map(|()| Body::Changes)
        }
        #[cfg(feature = "http")]
        Command::Download(args, dest) => {
            let request = options::request(args)?;
            let sources = command::sources(&locate, &request, options, report)?;
            command::download(&sources, dest, options, context, report).map(Body::Downloaded)
        }
        Command::Uninstall { names } => {
            command::uninstall(&locate, names, options, context, report).map(|()| Body::Changes)
        }
        Command::Check { names } => {
            command::check(&locate, names, options, context, report).map(|()| Body::Checked)
        }
        Command::List => command::list(&locate, options, context, report).map(|()| Body::Listed),
        Command::Undo => command::undo(&locate, options, context, report).map(|()| Body::Undone),
        Command::Recover => {
            command::recover(&locate, options, context, report).map(|()| Body::Recovered)
        }
    }
}

/// Prints the results and returns the exit code.
fn render(parsed: &Parsed, report: &Report, result: &Result<Body>, begin: Instant) -> ExitCode {
    let OutputArgs { quiet, verbose, .. } = parsed.output;
    let error = result.as_ref().err();
    let results = if parsed.output.json {
        json::object(report, error)
    } else if quiet {
        String::new()
    } else {
        match result {
            Ok(body) => text::results(body, report, verbose, begin.elapsed()),
            Err(_) => text::differences(report.differences.as_deref().unwrap_or_default()),
        }
    };
    let mut remarks = String::new();
    if !quiet {
        remarks += &text::warnings(&report.warnings, verbose);
    }
    if let Some(error) = error {
        remarks += &text::error(error, report, parsed);
    }
    let color = parsed.output.color;
    // A reader that went away does not change what was done, so a failed write is no failure.
    let _ = AutoStream::new(io::stderr(), color.into())
        .lock()
        .write_all(remarks.as_bytes());
    let _ = AutoStream::new(io::stdout(), color.into())
        .lock()
        .write_all(results.as_bytes());
    error.map_or(ExitCode::SUCCESS, |error| exit_code(error.kind()))
}

/// Prints what clap says about arguments that it refuses; also help and version.
fn refuse(refusal: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let _ = refusal.print();
    if refusal.exit_code() == 0 {
        return ExitCode::SUCCESS;
    }
    let _ = io::stderr()
        .lock()
        .write_all(b"\nstate: nothing was changed\n");
    // Nothing was parsed, so `--json` and its variable have to be looked for by hand.
    let set = std::env::var("PKG_INSTALL_JSON")
        .is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false" | "no" | "off"));
    if set || arguments.iter().any(|argument| argument == "--json") {
        let object = json::refusal(refusal.to_string().trim_end());
        let _ = io::stdout().lock().write_all(object.as_bytes());
    }
    exit_code(ErrorKind::Usage)
}

fn exit_code(kind: ErrorKind) -> ExitCode {
    ExitCode::from(match kind {
        ErrorKind::Usage => 2,
        ErrorKind::Input => 3,
        ErrorKind::Conflict => 4,
        ErrorKind::Environment => 5,
        ErrorKind::Differences => 6,
        ErrorKind::Interrupted => 130,
        // Also a kind that the library adds later: to a calling script it is a failure.
        _ => 1,
    })
}

impl From<Color> for ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            // Unlike `Always`, this also holds for terminals that claim to know no colours.
            Color::Always => Self::AlwaysAnsi,
            Color::Never => Self::Never,
        }
    }
}

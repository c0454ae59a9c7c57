//! The command line: the only code that prints, reads the environment's variables, or chooses an
//! exit code.
//!
//! Input: arguments. Output: results on stdout, everything else on stderr, and an exit code.
//! Nothing here decides what happens to an environment: that is the library's.

mod args;
mod progress;
mod render;
mod signals;
mod wanted;

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pkg_install::command::{self, Context, Document, Input};
use pkg_install::error::{Error, Result};
use pkg_install::fs::Fs;
use pkg_install::outcome::Report;
use pkg_install::source::Source;
use pkg_install::spec::direct_url::without_credentials;

use args::{Command, Parsed};
use render::{Body, Renderer};
use wanted::WantedArgs;

/// What stands for stdin where a text is named.
const STDIN: &str = "-";

/// Runs the program with these arguments, its own name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let parsed = match args::parse(&arguments) {
        Ok(parsed) => parsed,
        Err(refusal) => return render::refuse(&refusal, &arguments),
    };
    let renderer = Renderer::new(&parsed.output);
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
    // What it drew goes before anything else is said.
    drop(progress);
    renderer.finish(&parsed, &mut report, &result)
}

/// Does what was asked for.
fn act(parsed: &Parsed, context: Context<'_>, report: &mut Report) -> Result<Body> {
    let (locate, options) = (parsed.locate(), &parsed.options);
    match &parsed.command {
        Command::Install(wanted) => {
            let input = input(wanted)?;
            command::install(&locate, &input, options, context, report).map(|()| Body::Changes)
        }
        #[cfg(feature = "http")]
        Command::Download(wanted, dest) => {
            let input = input(wanted)?;
            command::download(
                &locate,
                command::Fetch {
                    input: &input,
                    dest,
                },
                options,
                context,
                report,
            )
            .map(Body::Downloaded)
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

/// Everything that is to be installed, read from where the user said.
fn input(wanted: &WantedArgs) -> Result<Input> {
    let texts = [&wanted.report, &wanted.lock, &wanted.requirements];
    if texts
        .into_iter()
        .flatten()
        .filter(|path| path.as_os_str() == STDIN)
        .count()
        > 1
    {
        return Err(Error::usage(
            "`-` is given more than once, and stdin can be read only once",
        ));
    }
    let mut input = Input {
        reports: documents(&wanted.report)?,
        locks: documents(&wanted.lock)?,
        requirements: documents(&wanted.requirements)?,
        selection: wanted.selection(),
        find_links: wanted.find_links.clone(),
        ..Input::default()
    };
    for argument in &wanted.wheels {
        let misplaced = |error| match argument.to_str().filter(|word| args::is_command(word)) {
            Some(word) => Error::usage(format!(
                "`{word}` is a command, which goes first: `pkg-install {word} …`"
            )),
            None => error,
        };
        input
            .sources
            .extend(Source::from_argument(argument).map_err(misplaced)?);
    }
    if input.is_empty() {
        Err(Error::usage("no wheel was named; see `pkg-install --help`"))
    } else {
        Ok(input)
    }
}

/// The files' contents; `-` stands for what comes on stdin.
fn documents(paths: &[PathBuf]) -> Result<Vec<Document>> {
    let read = |path: &PathBuf| {
        let content = if path.as_os_str() == STDIN {
            let mut content = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut content);
            read.map_err(|error| Error::io("read", Path::new("stdin"), error))
                .map(|_| content)
        } else if let Ok(None) = pkg_install::fs::stat(path) {
            let shown = without_credentials(&path.display().to_string());
            Err(Error::usage(format!("there is no file `{shown}`")))
        } else {
            pkg_install::fs::read(path)
        };
        Ok(Document {
            at: path.clone(),
            content: content?,
        })
    };
    paths.iter().map(read).collect()
}

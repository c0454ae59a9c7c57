//! From arguments and the process's variables to what the library takes.
//!
//! Input: the program's arguments, `PKG_INSTALL_…` variables, and the variables that say which
//! environment, proxy, cache and login are meant. Output: [`Parsed`], with nothing opened yet;
//! [`request`](super::request) then reads the named files.

use std::ffi::OsString;
use std::path::PathBuf;
use std::result::Result as StdResult;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _};

use pkg_install::command::{Options, PackRequest};
use pkg_install::{Locate, LocatePurpose};

#[cfg(feature = "http")]
use super::args::ResolveArgs;
use super::args::groups::{EnvironmentArgs, OutputArgs, TransactionArgs};
use super::args::values::{Color, ListFormat, ProgressMode};
use super::args::{
    ChangingArgs, Cli, HowArgs, InstallArgs, ReadingArgs, RequestArgs, SubCommand, SyncArgs,
};
#[cfg(feature = "http")]
use super::cache::CacheRequest;
use super::compiling;
use super::documents::{self, Answer};
#[cfg(feature = "http")]
use super::downloads::{default_cache, download_settings, interpreter_cache};
use super::environment;
use super::installer;
use super::pack;
use super::refusal::{self, UsageError};
use super::variables::{self, Matched};

/// One command with all its options.
pub struct Parsed {
    /// The command.
    pub command: Command,
    /// How to do it.
    pub options: Options,
    /// How to show it.
    pub output: OutputArgs,
    /// Whether a change that would be made is a failure (`--check`).
    pub check: bool,
    /// A remark about what was typed.
    pub remark: Option<String>,
    environment: EnvironmentArgs,
}

/// A command with its request.
pub enum Command {
    Install(RequestArgs),
    /// Install these wheels as `python -m installer` does.
    Installer(Vec<PathBuf>),
    /// Install what these files name, and remove the rest.
    Sync(Vec<PathBuf>, RequestArgs),
    /// Fetch the wheels of a request into a directory.
    #[cfg(feature = "http")]
    Download(RequestArgs, PathBuf),
    /// Do something with the cache.
    #[cfg(feature = "http")]
    Cache(CacheRequest),
    Uninstall {
        names: Vec<String>,
    },
    /// Compare installed projects with their RECORDs; all of them if `names` is empty.
    Check {
        names: Vec<String>,
        /// Whether what they require must be installed, too.
        requires: bool,
    },
    /// Check wheels without an environment.
    Verify(Vec<PathBuf>),
    /// How to print the list, and whether with licences.
    List(ListFormat, bool),
    /// The names of projects, and whether with their files.
    Show(Vec<String>, bool),
    /// The paths whose owners are asked for.
    Owner(Vec<PathBuf>),
    /// Undo the last transaction, or all after the one of this number.
    Undo(Option<u64>),
    History,
    Recover,
    /// Make an artefact of the wheels of a request.
    Pack(Box<(RequestArgs, PackRequest)>),
    /// Decide which wheels satisfy requirements.
    #[cfg(feature = "http")]
    Resolve(Box<ResolveArgs>),
}

impl Command {
    /// Whether it changes an environment, so that people may fear for it after a failure.
    pub fn is_writing(&self) -> bool {
        match self {
            Self::Install(_) | Self::Installer(_) | Self::Sync(..) => true,
            Self::Uninstall { .. } | Self::Undo(_) | Self::Pack(_) => true,
            // An installation often follows a download, so that it is worth to say.
            #[cfg(feature = "http")]
            Self::Download(..) => true,
            #[cfg(feature = "http")]
            Self::Resolve(_) | Self::Cache(_) => false,
            Self::Recover
            | Self::History
            | Self::Check { .. }
            | Self::Verify(_)
            | Self::List(..)
            | Self::Show(..)
            | Self::Owner(_) => false,
        }
    }

    /// What the environment is wanted for.
    fn purpose(&self) -> LocatePurpose {
        match self {
            Self::Install(_) | Self::Installer(_) | Self::Sync(..) => LocatePurpose::Install,
            // Wheels are chosen for an interpreter, as for an installation.
            #[cfg(feature = "http")]
            Self::Download(..) | Self::Resolve(_) => LocatePurpose::Choose,
            Self::Uninstall { .. } | Self::Undo(_) => LocatePurpose::Remove,
            Self::Pack(_) => LocatePurpose::Choose,
            Self::Check { requires: true, .. } => LocatePurpose::ReadWithPython,
            Self::Recover
            | Self::History
            | Self::Check { .. }
            | Self::Verify(_)
            | Self::List(..)
            | Self::Show(..)
            | Self::Owner(_) => LocatePurpose::Read,
            // It needs no environment.
            #[cfg(feature = "http")]
            Self::Cache(_) => LocatePurpose::Read,
        }
    }

    fn request(&self) -> Option<&RequestArgs> {
        match self {
            Self::Install(request) => Some(request),
            Self::Pack(request) => Some(&request.0),
            #[cfg(feature = "http")]
            Self::Download(request, _) => Some(request),
            _ => None,
        }
    }
}

/// Why there is no command to carry out.
pub enum Stop {
    /// Help, the version or another text about the program was asked for; this is it.
    Answer(String),
    /// Manual pages are wanted in this directory: the name and the text of each.
    Pages(PathBuf, Vec<(String, String)>),
    /// Nothing was typed; this is the short help.
    Nothing(String),
    /// The arguments are refused.
    Refused(UsageError),
}

impl From<UsageError> for Stop {
    fn from(refusal: UsageError) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Answer> for Stop {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Text(text) => Self::Answer(text),
            Answer::Pages(directory, pages) => Self::Pages(directory, pages),
            Answer::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

/// Parses the arguments.
pub fn parse(arguments: &[OsString]) -> StdResult<Parsed, Stop> {
    // Clap builds the command that is typed; to build all of them takes a third of the start.
    let mut command = Cli::command();
    let mistyped = arguments
        .get(1)
        .and_then(|word| refusal::meant_as_command(word.to_str()?, &command));
    let is_first = arguments.get(1).is_some_and(|_| {
        let (words, _) = refusal::command_words(&command, arguments);
        words == 1
    });
    if let Some(refusal) = mistyped.filter(|_| is_first) {
        return Err(refusal.into());
    }
    let mut matched = variables::matches(&command, arguments)
        .map_err(|error| stop(&error, &command, arguments))?;
    variables::add(&command, arguments, &mut matched)?;
    let cli = Cli::from_arg_matches(&matched.all)
        .map_err(|error| UsageError::of_clap(&error, &command, arguments))?;
    if let Some(answered) = documents::answer(cli.command.as_ref(), command.clone(), arguments) {
        return Err(answered.into());
    }
    let is_default = cli.command.is_none();
    let mut parsed = match cli.command {
        Some(SubCommand::Pack(args)) => {
            let (wanted, options, environment) = pack::parts(&args)?;
            let command = Command::Pack(Box::new((args.request, wanted)));
            Parsed::new(command, options, environment, args.output)
        }
        _ => parsed(cli),
    };
    compiling::check(&matched, parsed.options.bytecode.is_some())?;
    if parsed.command.is_writing() {
        parsed.options.source_date_epoch = compiling::source_date_epoch()?;
    }
    parsed.remark = refusal::shadowed_directory(arguments, &command);
    settle_output(&mut parsed.output);
    if let Some(request) = parsed
        .command
        .request()
        .filter(|_| !parsed.output.json_schema)
    {
        if let Some(option) = lock_option_without_lock(request, &matched) {
            let message = format!("`--{option}` chooses from a lock file, and needs `--lock`");
            return Err(UsageError::new(message).into());
        }
        if is_default && let Some(word) = request.wheels.first().and_then(|word| word.to_str()) {
            let meant = refusal::meant_as_command(word, &command);
            let meant = meant.or_else(|| refusal::command_among(&request.wheels, &command));
            meant.map_or(Ok(()), Err)?;
        }
        if request.is_empty() && arguments.len() < 2 {
            return Err(Stop::Nothing(command.render_help().ansi().to_string()));
        }
        if request.is_empty() {
            return Err(nothing_named().into());
        }
    }
    Ok(parsed)
}

/// The refusal of a command that names nothing to install.
pub fn nothing_named() -> UsageError {
    UsageError {
        message: "nothing to install was named".to_owned(),
        hint: Some(
            "name wheels, directories or URLs, or a file with `-r`, `--lock` or `--report`"
                .to_owned(),
        ),
    }
}

fn stop(error: &clap::Error, command: &clap::Command, arguments: &[OsString]) -> Stop {
    if error.exit_code() == 0 {
        Stop::Answer(error.render().ansi().to_string())
    } else {
        UsageError::of_clap(error, command, arguments).into()
    }
}

fn parsed(cli: Cli) -> Parsed {
    match cli.command {
        None => install(cli.install),
        Some(SubCommand::Install(args)) => install(*args),
        Some(SubCommand::Sync(args)) => sync(*args),
        #[cfg(feature = "http")]
        Some(SubCommand::Download(args)) => {
            let options = Options::default()
                .with_dry_run(args.dry_run.dry_run)
                .with_require_hashes(args.strictness.require_hashes)
                .with_compat_check(!args.strictness.no_compat_check)
                .with_download(download_settings(&args.download));
            let refresh = args.request.selection.resolution.refresh;
            let command = Command::Download(args.request, args.dest);
            let mut parsed = Parsed::new(command, options, args.environment, args.output);
            parsed.options.download.refresh = refresh;
            parsed
        }
        #[cfg(feature = "http")]
        Some(SubCommand::Resolve(args)) => {
            let mut download = download_settings(&args.download);
            download.refresh = args.resolution.refresh;
            let options = Options::default().with_download(download);
            let (environment, output) = (args.environment.clone(), args.output.clone());
            Parsed::new(Command::Resolve(args), options, environment, output)
        }
        #[cfg(feature = "http")]
        Some(SubCommand::Cache(args)) => {
            let (action, options) = args.command.into_action();
            let request = CacheRequest {
                action,
                directory: options.cache_dir.or_else(default_cache),
                dry_run: options.dry_run,
            };
            let environment = EnvironmentArgs::default();
            let command = Command::Cache(request);
            Parsed::new(command, Options::default(), environment, options.output)
        }
        Some(SubCommand::Pack(_)) => unreachable!("`parse` takes it"),
        Some(SubCommand::Uninstall(args)) => {
            let mut parsed = changing(Command::Uninstall { names: args.names }, args.changing);
            parsed.options.undoable = args.undoable.undoable;
            parsed
        }
        Some(SubCommand::Undo(args)) => changing(Command::Undo(args.to), args.changing),
        Some(SubCommand::History(args)) => reading(Command::History, args),
        Some(SubCommand::Recover(args)) => reading(Command::Recover, args),
        Some(SubCommand::Verify(args)) => {
            let options = Options::default()
                .with_verify(args.verify)
                .with_require_hashes(args.require_hashes)
                .with_jobs(args.jobs.jobs.map(usize::from));
            let command = Command::Verify(args.wheels);
            Parsed::new(command, options, EnvironmentArgs::default(), args.output)
        }
        Some(SubCommand::List(args)) => {
            reading(Command::List(args.format, args.licenses), args.reading)
        }
        Some(SubCommand::Show(args)) => {
            reading(Command::Show(args.names, args.files), args.reading)
        }
        Some(SubCommand::Owner(args)) => reading(Command::Owner(args.paths), args.reading),
        Some(SubCommand::Check(args)) => {
            let (names, requires) = (args.names, args.requires);
            let mut parsed = reading(Command::Check { names, requires }, args.reading);
            parsed.options.jobs = args.jobs.jobs.map(usize::from);
            parsed
        }
        Some(SubCommand::Installer(args)) => {
            let (environment, options) = installer::converted(&args);
            Parsed::new(
                Command::Installer(args.wheels),
                options,
                environment,
                args.output,
            )
        }
        Some(SubCommand::Help(_) | SubCommand::Completions(_) | SubCommand::Man(_)) => {
            unreachable!("`documents` answers them")
        }
    }
}

fn install(args: InstallArgs) -> Parsed {
    let command = Command::Install(args.request);
    installing(command, args.how, args.exact)
}

fn sync(args: SyncArgs) -> Parsed {
    let request = RequestArgs {
        wheels: Vec::new(),
        report: Vec::new(),
        lock: Vec::new(),
        requirements: Vec::new(),
        selection: args.selection,
    };
    installing(Command::Sync(args.files, request), args.how, true)
}

fn installing(command: Command, args: HowArgs, exact: bool) -> Parsed {
    let options = transaction_options(&args.transaction)
        .with_on_conflict(args.on_conflict)
        .with_verify(args.contents.verify)
        .with_reinstall(args.reinstall)
        .with_exact(exact)
        .with_bytecode(compiling::bytecode(&args.bytecode))
        .with_require_hashes(args.strictness.require_hashes)
        .with_undoable(args.undoable.undoable)
        .with_installer(&args.contents.installer)
        .with_direct_url(args.contents.direct_url)
        .with_compat_check(!args.strictness.no_compat_check);
    #[cfg(feature = "http")]
    let options = {
        let mut download = download_settings(&args.download);
        download.lock_timeout = options.lock_timeout;
        download.refresh = match &command {
            Command::Install(request) | Command::Sync(_, request) => {
                request.selection.resolution.refresh
            }
            _ => false,
        };
        options
            .with_download(download)
            .with_store(args.store.store)
            .with_link_mode(args.store.link_mode)
    };
    // What would change is known from the plan alone.
    let options = if args.check {
        options.with_dry_run(true)
    } else {
        options
    };
    Parsed {
        check: args.check,
        ..Parsed::new(command, options, args.environment, args.output)
    }
}

fn changing(command: Command, args: ChangingArgs) -> Parsed {
    let options = transaction_options(&args.transaction);
    Parsed::new(command, options, args.environment, args.output)
}

fn reading(command: Command, args: ReadingArgs) -> Parsed {
    let lock_timeout = Duration::from_secs(args.lock.lock_timeout);
    let options = Options::default().with_lock_timeout(lock_timeout);
    Parsed::new(command, options, args.environment, args.output)
}

fn transaction_options(args: &TransactionArgs) -> Options {
    Options::default()
        .with_durable(args.durable)
        .with_dry_run(args.dry_run.dry_run)
        .with_jobs(args.jobs.jobs.map(usize::from))
        .with_lock_timeout(Duration::from_secs(args.lock.lock_timeout))
}

/// Replaces the short forms of output options by what they stand for.
fn settle_output(output: &mut OutputArgs) {
    if output.no_progress {
        output.progress = ProgressMode::Plain;
    }
    if output.no_color {
        output.color = Color::Never;
    }
}

/// The first option that was typed and chooses from a lock file, if there is no lock file. Its
/// variable may be set permanently, so that is no error.
fn lock_option_without_lock(request: &RequestArgs, matched: &Matched) -> Option<&'static str> {
    ["extra", "group", "no-default-groups"]
        .into_iter()
        // A `pyproject.toml` has extras and groups, too; other lists have neither.
        .filter(|_| request.lock.is_empty() && request.requirements.is_empty())
        .find(|name| matched.is_typed(&name.replace('-', "_")))
}

impl Parsed {
    fn new(
        command: Command,
        options: Options,
        environment: EnvironmentArgs,
        output: OutputArgs,
    ) -> Self {
        Self {
            command,
            options,
            output,
            check: false,
            remark: None,
            environment,
        }
    }

    /// How to find the environment.
    pub fn locate(&self) -> Locate {
        let locate = environment::located(&self.environment, self.command.purpose());
        #[cfg(feature = "http")]
        let locate = locate.with_interpreter_cache(interpreter_cache(&self.options.download));
        locate
    }
}

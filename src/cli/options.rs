//! From arguments and the process's variables to what the library takes.
//!
//! Input: the program's arguments, `PKG_INSTALL_…` variables, and the variables that say which
//! environment, proxy, cache and login are meant. Output: [`Parsed`], with nothing opened yet;
//! [`request`] then reads the named files. What is typed wins over what a variable says.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::result::Result as StdResult;
use std::time::Duration;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};

use pkg_install::Locate;
use pkg_install::command::Selection;
use pkg_install::command::Source;
use pkg_install::command::{Document, Input, Options};
use pkg_install::error::{Error, Result};

#[cfg(feature = "http")]
use super::args::DownloadArgs;
use super::args::{
    ChangingArgs, Cli, EnvironmentArgs, InstallArgs, OutputArgs, ProgressMode, ReadingArgs,
    RequestArgs, SubCommand, TransactionArgs,
};

/// Means stdin if it is given as the path of a file.
const STDIN: &str = "-";

/// One command with all its options.
pub struct Parsed {
    /// The command.
    pub command: Command,
    /// How to do it.
    pub options: Options,
    /// How to show it.
    pub output: OutputArgs,
    environment: EnvironmentArgs,
}

/// A command with its request.
pub enum Command {
    Install(RequestArgs),
    /// Fetch the wheels of a request into a directory.
    #[cfg(feature = "http")]
    Download(RequestArgs, PathBuf),
    Uninstall {
        names: Vec<String>,
    },
    /// Compare installed projects with their RECORDs; all of them if `names` is empty.
    Check {
        names: Vec<String>,
    },
    List,
    Undo,
    Recover,
}

impl Command {
    fn request(&self) -> Option<&RequestArgs> {
        match self {
            Self::Install(request) => Some(request),
            #[cfg(feature = "http")]
            Self::Download(request, _) => Some(request),
            _ => None,
        }
    }
}

/// Parses the arguments. Errors are clap's, `--help` and `--version` included.
pub fn parse(arguments: &[OsString]) -> StdResult<Parsed, clap::Error> {
    let matches = without_empty_variables(Cli::command()).try_get_matches_from(arguments)?;
    let mut parsed = parsed(Cli::from_arg_matches(&matches)?);
    let given = matches.subcommand().map_or(&matches, |(_, given)| given);
    settle_progress(&mut parsed.output, given)?;
    let needs_lock = parsed
        .command
        .request()
        .and_then(|request| lock_option_without_lock(request, given));
    if let Some(option) = needs_lock {
        let message =
            format!("the argument '--{option}' chooses from a lock file, and needs '--lock'");
        return Err(Cli::command().error(ErrorKind::MissingRequiredArgument, message));
    }
    Ok(parsed)
}

/// Ignores empty variables, as pip does: a pipeline leaves an option out by setting its variable to
/// nothing.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let unless_empty = |arg: clap::Arg| {
        let is_empty = arg
            .get_env()
            .and_then(std::env::var_os)
            .is_some_and(|value| value.is_empty());
        if is_empty {
            arg.env(Resettable::Reset)
        } else {
            arg
        }
    };
    command
        .mut_args(unless_empty)
        .mut_subcommands(without_empty_variables)
}

fn parsed(cli: Cli) -> Parsed {
    match cli.command {
        None => Parsed {
            options: install_options(&cli.install, &cli.transaction),
            command: Command::Install(cli.install.request),
            output: cli.output,
            environment: cli.environment,
        },
        #[cfg(feature = "http")]
        Some(SubCommand::Download(args)) => {
            let options = Options::default()
                .with_require_hashes(args.require_hashes)
                .with_compat_check(!args.no_compat_check)
                .with_download(download_settings(&args.download));
            Parsed {
                command: Command::Download(args.request, args.dest),
                options,
                output: args.output,
                environment: args.environment,
            }
        }
        Some(SubCommand::Uninstall(args)) => {
            let mut parsed = changing(Command::Uninstall { names: args.names }, args.changing);
            parsed.options.undoable = args.undoable;
            parsed
        }
        Some(SubCommand::Undo(args)) => changing(Command::Undo, args),
        Some(SubCommand::Recover(args)) => reading(Command::Recover, args),
        Some(SubCommand::List(args)) => reading(Command::List, args),
        Some(SubCommand::Check(args)) => {
            let mut parsed = reading(Command::Check { names: args.names }, args.reading);
            parsed.options.jobs = args.jobs.map(usize::from);
            parsed
        }
    }
}

fn changing(command: Command, args: ChangingArgs) -> Parsed {
    Parsed {
        command,
        options: transaction_options(&args.transaction),
        output: args.output,
        environment: args.environment,
    }
}

fn reading(command: Command, args: ReadingArgs) -> Parsed {
    let lock_timeout = Duration::from_secs(args.lock_timeout);
    Parsed {
        command,
        options: Options::default().with_lock_timeout(lock_timeout),
        output: args.output,
        environment: args.environment,
    }
}

fn install_options(args: &InstallArgs, transaction: &TransactionArgs) -> Options {
    let options = transaction_options(transaction)
        .with_on_conflict(args.on_conflict)
        .with_verify(args.verify)
        .with_reinstall(args.reinstall)
        .with_require_hashes(args.require_hashes)
        .with_undoable(args.undoable)
        .with_installer(&args.installer)
        .with_direct_url(args.direct_url)
        .with_compat_check(!args.no_compat_check);
    #[cfg(feature = "http")]
    let options = options.with_download(download_settings(&args.download));
    options
}

fn transaction_options(args: &TransactionArgs) -> Options {
    Options::default()
        .with_durable(args.durable)
        .with_dry_run(args.dry_run)
        .with_jobs(args.jobs.map(usize::from))
        .with_lock_timeout(Duration::from_secs(args.lock_timeout))
}

/// The download settings, with proxies, certificates, logins and the cache directory from the
/// process's variables.
#[cfg(feature = "http")]
fn download_settings(args: &DownloadArgs) -> pkg_install::command::Settings {
    let variable = |names: &[&str]| {
        let mut values = names.iter().filter_map(std::env::var_os);
        values.find(|value| !value.is_empty())
    };
    // An address of a proxy that is not UTF-8 cannot be used, so it counts as unset.
    let text = |names: &[&str]| variable(names).and_then(|value| value.into_string().ok());
    let home = variable(&["HOME"]).map(PathBuf::from);
    let cache = args.cache_dir.clone().or_else(|| {
        // The XDG specification has relative paths in this variable ignored.
        let cached = variable(&["XDG_CACHE_HOME"])
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        let cached = cached.or_else(|| Some(home.clone()?.join(".cache")))?;
        Some(cached.join("pkg-install"))
    });
    let all = text(&["ALL_PROXY", "all_proxy"]);
    pkg_install::command::Settings {
        cache: cache.filter(|_| !args.no_cache),
        offline: args.offline,
        connections: usize::from(args.concurrent_downloads),
        // Not HTTP_PROXY in capitals: in a CGI program it holds the `Proxy` header of a request.
        http_proxy: text(&["http_proxy"]).or_else(|| all.clone()),
        https_proxy: text(&["https_proxy", "HTTPS_PROXY"]).or(all),
        no_proxy: text(&["no_proxy", "NO_PROXY"]),
        certificates: variable(&["SSL_CERT_FILE"]).map(PathBuf::from),
        netrc: variable(&["NETRC"])
            .map(PathBuf::from)
            .or_else(|| Some(home?.join(".netrc"))),
        ..pkg_install::command::Settings::default()
    }
}

/// Settles which of `--progress json` and `--no-progress` holds: they contradict each other if both
/// are typed, otherwise the typed one wins over a variable.
fn settle_progress(output: &mut OutputArgs, given: &ArgMatches) -> StdResult<(), clap::Error> {
    if !output.no_progress {
        return Ok(());
    }
    let typed = |name: &str| given.value_source(name) == Some(ValueSource::CommandLine);
    match (typed("progress"), typed("no_progress")) {
        (true, true) if output.progress == ProgressMode::Json => {
            let message = "the argument '--no-progress' cannot be used with '--progress json'";
            return Err(Cli::command().error(ErrorKind::ArgumentConflict, message));
        }
        (true, false) => output.no_progress = false,
        _ => output.progress = ProgressMode::Auto,
    }
    Ok(())
}

/// The first option that was typed and chooses from a lock file, if there is no lock file. Its
/// variable may be set permanently, so that is no error.
fn lock_option_without_lock(request: &RequestArgs, given: &ArgMatches) -> Option<&'static str> {
    let typed =
        |name: &str| given.value_source(&name.replace('-', "_")) == Some(ValueSource::CommandLine);
    ["extra", "group", "no-default-groups"]
        .into_iter()
        .find(|name| request.lock.is_empty() && typed(name))
}

impl Parsed {
    /// How to find the environment, including `VIRTUAL_ENV`, `PATH` and the current directory.
    pub fn locate(&self) -> Locate {
        let given = self.environment.clone();
        let path = std::env::var_os("PATH").unwrap_or_default();
        Locate::default()
            .with_target(given.target)
            .with_python(given.python)
            .with_prefix(given.prefix)
            .with_root(given.root)
            .with_break_system_packages(given.break_system_packages)
            .with_virtual_env(std::env::var_os("VIRTUAL_ENV").map(PathBuf::from))
            // Without a current directory there is no `./.venv` either.
            .with_directory(std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")))
            .with_search(std::env::split_paths(&path).collect())
    }
}

/// Reads everything that a request names.
pub fn request(args: &RequestArgs) -> Result<Input> {
    let files = [&args.report, &args.lock, &args.requirements];
    let from_stdin = files
        .into_iter()
        .flatten()
        .filter(|path| path.as_os_str() == STDIN);
    if from_stdin.count() > 1 {
        return Err(Error::usage(
            "`-` is given more than once, and stdin can be read only once",
        ));
    }
    let mut request = Input {
        reports: documents(&args.report)?,
        locks: documents(&args.lock)?,
        requirements: documents(&args.requirements)?,
        selection: selection(args),
        find_links: args.find_links.clone(),
        ..Input::default()
    };
    for argument in &args.wheels {
        let misplaced = |error| match argument.to_str().filter(|word| is_command(word)) {
            Some(word) => Error::usage(format!(
                "`{word}` is a command, which goes first: `pkg-install {word} …`"
            )),
            None => error,
        };
        let sources = Source::from_argument(argument).map_err(misplaced)?;
        request.sources.extend(sources);
    }
    if request.is_empty() {
        Err(Error::usage("no wheel was named; see `pkg-install --help`"))
    } else {
        Ok(request)
    }
}

/// The extras and groups to select from lock files.
fn selection(args: &RequestArgs) -> Selection {
    // A variable that is empty or ends in a comma yields empty names.
    let named = |names: &[String]| {
        names
            .iter()
            .filter(|name| !name.is_empty())
            .cloned()
            .collect()
    };
    Selection {
        extras: named(&args.extra),
        groups: named(&args.group),
        without_default_groups: args.no_default_groups,
    }
}

/// The contents of the files; `-` reads stdin.
fn documents(paths: &[PathBuf]) -> Result<Vec<Document>> {
    let read = |path: &PathBuf| {
        if path.as_os_str() != STDIN {
            return Document::read(path);
        }
        let mut content = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut content);
        read.map_err(|error| Error::io("read", Path::new("stdin"), error))?;
        Ok(Document {
            at: path.clone(),
            content,
        })
    };
    paths.iter().map(read).collect()
}

/// Whether a word is the name of a command.
fn is_command(word: &str) -> bool {
    Cli::command()
        .get_subcommands()
        .any(|command| command.get_name() == word)
}

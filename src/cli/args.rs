//! The arguments, as they are typed: only what the user said, before anything is looked at.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{FalseyValueParser, Resettable};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{
    ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
};

#[cfg(feature = "http")]
use super::wanted::DownloadArgs;
use super::wanted::WantedArgs;
use pkg_install::command::Options;
use pkg_install::environment::Locate;
use pkg_install::plan::conflict::OnConflict;
use pkg_install::spec::record::Verify;

/// Everything that was said.
pub struct Parsed {
    /// What to do.
    pub command: Command,
    /// How.
    pub options: Options,
    /// How to show it.
    pub output: Output,
    environment: EnvironmentArgs,
}

/// What to do.
pub enum Command {
    /// Install this.
    Install(WantedArgs),
    /// Put the wheels of this into a directory.
    #[cfg(feature = "http")]
    Download(WantedArgs, PathBuf),
    /// Remove these projects.
    Uninstall { names: Vec<String> },
    /// Compare installed projects with their RECORDs; all of them where none is named.
    Check { names: Vec<String> },
    /// Show what is installed.
    List,
    /// Take the last transaction back.
    Undo,
    /// Settle what a crash left.
    Recover,
}

impl Command {
    /// What is to be installed or fetched.
    fn wanted(&self) -> Option<&WantedArgs> {
        match self {
            Self::Install(wanted) => Some(wanted),
            #[cfg(feature = "http")]
            Self::Download(wanted, _) => Some(wanted),
            _ => None,
        }
    }
}

/// How results are shown.
#[derive(Args, Debug, Clone)]
pub struct Output {
    /// Print the report as one JSON object on stdout
    #[arg(long, env = "PKG_INSTALL_JSON", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub json: bool,
    /// Show no progress bars
    #[arg(long, env = "PKG_INSTALL_NO_PROGRESS", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub no_progress: bool,
    /// How to show progress, on stderr
    #[arg(long, value_enum, default_value_t = Shown::Auto, env = "PKG_INSTALL_PROGRESS", help_heading = "Output")]
    pub progress: Shown,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto, env = "PKG_INSTALL_COLOR", help_heading = "Output")]
    pub color: Color,
    /// Say nothing but what went wrong
    #[arg(short, long, env = "PKG_INSTALL_QUIET", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub quiet: bool,
    /// Say more: every project, every warning, how long each step took
    #[arg(short, long, env = "PKG_INSTALL_VERBOSE", value_parser = FalseyValueParser::new(), conflicts_with = "quiet", help_heading = "Output")]
    pub verbose: bool,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shown {
    /// Bars on a terminal, nothing elsewhere.
    Auto,
    /// A line of JSON for each event, also with `--quiet`; other lines on stderr stay text.
    Json,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Also in pipes.
    Always,
    /// Never.
    Never,
}

/// Install wheels, all of them or none: planned first, unpacked in parallel, every byte checked,
/// moved in as one transaction.
#[derive(Parser)]
#[command(
    name = "pkg-install",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<SubCommand>,
    #[command(flatten)]
    install: InstallArgs,
    #[command(flatten)]
    environment: EnvironmentArgs,
    #[command(flatten)]
    transaction: TransactionArgs,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum SubCommand {
    /// Put the wheels that an installation needs into a directory
    #[cfg(feature = "http")]
    Download(DownloadCommandArgs),
    /// Remove installed projects
    Uninstall(UninstallArgs),
    /// Compare installed files with their RECORD
    Check(CheckArgs),
    /// Show what is installed
    List(LookArgs),
    /// Take the last transaction back, where `--undoable` kept it
    Undo(PlainArgs),
    /// Settle a transaction that a crash left behind (every other command does it too)
    Recover(LookArgs),
}

#[derive(Args)]
struct UninstallArgs {
    /// Names of installed projects
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Keep what `undo` needs until the next transaction
    #[arg(long, env = "PKG_INSTALL_UNDOABLE", value_parser = FalseyValueParser::new())]
    undoable: bool,
    #[command(flatten)]
    plain: PlainArgs,
}

#[derive(Args)]
struct CheckArgs {
    /// Names of installed projects [default: all of them]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Worker threads [default: one a core]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), env = "PKG_INSTALL_JOBS")]
    jobs: Option<u16>,
    #[command(flatten)]
    plain: LookArgs,
}

#[derive(Args)]
struct PlainArgs {
    #[command(flatten)]
    environment: EnvironmentArgs,
    #[command(flatten)]
    transaction: TransactionArgs,
    #[command(flatten)]
    output: Output,
}

#[derive(Args)]
struct LookArgs {
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// How long to wait for another process's transaction
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        env = "PKG_INSTALL_LOCK_TIMEOUT"
    )]
    lock_timeout: u64,
    #[command(flatten)]
    output: Output,
}

#[derive(Args, Clone)]
struct EnvironmentArgs {
    /// A virtual environment, else a plain directory in the layout of `pip install --target`
    #[arg(
        short,
        long,
        value_name = "DIR",
        env = "PKG_INSTALL_TARGET",
        help_heading = "Environment"
    )]
    target: Option<PathBuf>,
    /// The environment of this interpreter
    #[arg(
        long,
        value_name = "EXE",
        env = "PKG_INSTALL_PYTHON",
        help_heading = "Environment"
    )]
    python: Option<PathBuf>,
    /// With `--python`: its scheme under another prefix
    #[arg(
        long,
        value_name = "DIR",
        env = "PKG_INSTALL_PREFIX",
        help_heading = "Environment"
    )]
    prefix: Option<PathBuf>,
    /// With `--python` or `--prefix`: put everything below DIR, while scripts and metadata speak of
    /// the final paths
    #[arg(
        long,
        value_name = "DIR",
        env = "PKG_INSTALL_ROOT",
        help_heading = "Environment"
    )]
    root: Option<PathBuf>,
    /// Change an environment that another package manager owns (PEP 668)
    #[arg(long, env = "PKG_INSTALL_BREAK_SYSTEM_PACKAGES", value_parser = FalseyValueParser::new(), help_heading = "Environment")]
    break_system_packages: bool,
}

#[derive(Args)]
struct TransactionArgs {
    /// The result also survives the loss of power
    #[arg(long, env = "PKG_INSTALL_DURABLE", value_parser = FalseyValueParser::new(), help_heading = "Transaction")]
    durable: bool,
    /// Print what would be done, and change nothing
    #[arg(long, env = "PKG_INSTALL_DRY_RUN", value_parser = FalseyValueParser::new(), help_heading = "Transaction")]
    dry_run: bool,
    /// How long to wait for another process's transaction
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        env = "PKG_INSTALL_LOCK_TIMEOUT",
        help_heading = "Transaction"
    )]
    lock_timeout: u64,
    /// Worker threads [default: one a core]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), env = "PKG_INSTALL_JOBS", help_heading = "Transaction")]
    jobs: Option<u16>,
}

#[derive(Args)]
struct InstallArgs {
    #[command(flatten)]
    wanted: WantedArgs,
    /// What to do where two owners of one path have different contents
    #[arg(long, value_enum, default_value_t = Policy::Error, env = "PKG_INSTALL_ON_CONFLICT")]
    on_conflict: Policy,
    /// How strictly RECORD is read and files are checked against it
    #[arg(long, value_enum, default_value_t = Level::Normal, env = "PKG_INSTALL_VERIFY")]
    verify: Level,
    /// Replace also what is installed in the same version
    #[arg(long, env = "PKG_INSTALL_REINSTALL", value_parser = FalseyValueParser::new())]
    reinstall: bool,
    /// Refuse wheels that are not pinned to a hash
    #[arg(long, env = "PKG_INSTALL_REQUIRE_HASHES", value_parser = FalseyValueParser::new())]
    require_hashes: bool,
    /// Keep what `undo` needs until the next transaction
    #[arg(long, env = "PKG_INSTALL_UNDOABLE", value_parser = FalseyValueParser::new())]
    undoable: bool,
    /// The word in INSTALLER
    #[arg(long, value_name = "NAME", default_value = "pkg-install", value_parser = one_line, env = "PKG_INSTALL_INSTALLER")]
    installer: String,
    /// Write direct_url.json for wheels given as paths
    #[arg(long, env = "PKG_INSTALL_DIRECT_URL", value_parser = FalseyValueParser::new())]
    direct_url: bool,
    /// Install although tags or `Requires-Python` do not fit
    #[arg(long, env = "PKG_INSTALL_NO_COMPAT_CHECK", value_parser = FalseyValueParser::new())]
    no_compat_check: bool,
    #[cfg(feature = "http")]
    #[command(flatten)]
    download: DownloadArgs,
}

#[cfg(feature = "http")]
#[derive(Args)]
struct DownloadCommandArgs {
    #[command(flatten)]
    wanted: WantedArgs,
    /// The directory that the wheels are put into
    #[arg(
        short,
        long,
        value_name = "DIR",
        default_value = ".",
        env = "PKG_INSTALL_DEST"
    )]
    dest: PathBuf,
    /// Refuse wheels that are not pinned to a hash
    #[arg(long, env = "PKG_INSTALL_REQUIRE_HASHES", value_parser = FalseyValueParser::new())]
    require_hashes: bool,
    /// Take what was resolved for another environment
    #[arg(long, env = "PKG_INSTALL_NO_COMPAT_CHECK", value_parser = FalseyValueParser::new())]
    no_compat_check: bool,
    #[command(flatten)]
    download: DownloadArgs,
    #[command(flatten)]
    environment: EnvironmentArgs,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Policy {
    /// Refuse
    Error,
    /// What is installed or comes earlier stays
    First,
    /// What comes later wins
    Last,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    /// Only what the specification writes
    Strict,
    /// Also harmless deviations, each with a warning
    Normal,
    /// CRC-32 and sizes only
    Off,
}

fn one_line(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && !text.chars().any(char::is_control);
    if fits {
        Ok(text.to_owned())
    } else {
        Err("one line that is not empty".to_owned())
    }
}

/// Reads the arguments.
///
/// # Errors
/// What clap says of them, help and version included.
pub fn parse(arguments: &[OsString]) -> Result<Parsed, clap::Error> {
    let matches = without_empty_variables(Cli::command()).try_get_matches_from(arguments)?;
    let mut parsed = parsed(Cli::from_arg_matches(&matches)?);
    let said = matches.subcommand().map_or(&matches, |(_, said)| said);
    parsed.output.settle(said)?;
    if let Some(option) = parsed
        .command
        .wanted()
        .and_then(|wanted| wanted.lacks_lock(said))
    {
        let message =
            format!("the argument '--{option}' chooses from a lock file, and needs '--lock'");
        return Err(Cli::command().error(ErrorKind::MissingRequiredArgument, message));
    }
    Ok(parsed)
}

/// A variable that is set to nothing is as good as unset, as it is for pip: that is how a pipeline
/// leaves one out.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let heard = |arg: clap::Arg| {
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
        .mut_args(heard)
        .mut_subcommands(without_empty_variables)
}

/// Whether a word is the name of a command.
pub fn is_command(word: &str) -> bool {
    Cli::command()
        .get_subcommands()
        .any(|command| command.get_name() == word)
}

fn parsed(cli: Cli) -> Parsed {
    match cli.command {
        None => {
            let install = cli.install;
            let options = Options {
                on_conflict: match install.on_conflict {
                    Policy::Error => OnConflict::Error,
                    Policy::First => OnConflict::First,
                    Policy::Last => OnConflict::Last,
                },
                verify: match install.verify {
                    Level::Strict => Verify::Strict,
                    Level::Normal => Verify::Normal,
                    Level::Off => Verify::Off,
                },
                reinstall: install.reinstall,
                require_hashes: install.require_hashes,
                undoable: install.undoable,
                installer: install.installer,
                direct_url: install.direct_url,
                compat_check: !install.no_compat_check,
                #[cfg(feature = "http")]
                download: install.download.settings(),
                ..cli.transaction.options()
            };
            let command = Command::Install(install.wanted);
            Parsed {
                command,
                options,
                output: cli.output,
                environment: cli.environment,
            }
        }
        #[cfg(feature = "http")]
        Some(SubCommand::Download(args)) => {
            let options = Options {
                require_hashes: args.require_hashes,
                compat_check: !args.no_compat_check,
                download: args.download.settings(),
                ..Options::default()
            };
            let command = Command::Download(args.wanted, args.dest);
            Parsed {
                command,
                options,
                output: args.output,
                environment: args.environment,
            }
        }
        Some(SubCommand::Uninstall(args)) => {
            let options = Options {
                undoable: args.undoable,
                ..args.plain.transaction.options()
            };
            args.plain
                .parsed(Command::Uninstall { names: args.names }, options)
        }
        Some(SubCommand::Undo(args)) => {
            let options = args.transaction.options();
            args.parsed(Command::Undo, options)
        }
        Some(SubCommand::Recover(args)) => args.parsed(Command::Recover, None),
        Some(SubCommand::List(args)) => args.parsed(Command::List, None),
        Some(SubCommand::Check(args)) => args
            .plain
            .parsed(Command::Check { names: args.names }, args.jobs),
    }
}

impl Output {
    /// Of `--progress json` and `--no-progress` there can be one; what was typed goes before what a
    /// variable says.
    fn settle(&mut self, said: &ArgMatches) -> Result<(), clap::Error> {
        if !self.no_progress {
            return Ok(());
        }
        let typed = |name: &str| said.value_source(name) == Some(ValueSource::CommandLine);
        match (typed("progress"), typed("no_progress")) {
            (true, true) if self.progress == Shown::Json => {
                let message = "the argument '--no-progress' cannot be used with '--progress json'";
                return Err(Cli::command().error(ErrorKind::ArgumentConflict, message));
            }
            (true, false) => self.no_progress = false,
            _ => self.progress = Shown::Auto,
        }
        Ok(())
    }
}

impl PlainArgs {
    fn parsed(self, command: Command, options: Options) -> Parsed {
        Parsed {
            command,
            options,
            output: self.output,
            environment: self.environment,
        }
    }
}

impl LookArgs {
    fn parsed(self, command: Command, jobs: Option<u16>) -> Parsed {
        let lock_timeout = Duration::from_secs(self.lock_timeout);
        let options = Options {
            lock_timeout,
            jobs: jobs.map(usize::from),
            ..Options::default()
        };
        Parsed {
            command,
            options,
            output: self.output,
            environment: self.environment,
        }
    }
}

impl TransactionArgs {
    fn options(&self) -> Options {
        Options {
            durable: self.durable,
            dry_run: self.dry_run,
            jobs: self.jobs.map(usize::from),
            lock_timeout: Duration::from_secs(self.lock_timeout),
            ..Options::default()
        }
    }
}

impl Parsed {
    /// Where the environment is looked for, the process's own variables included.
    pub fn locate(&self) -> Locate {
        let said = self.environment.clone();
        Locate {
            target: said.target,
            python: said.python,
            prefix: said.prefix,
            root: said.root,
            break_system_packages: said.break_system_packages,
            virtual_env: std::env::var_os("VIRTUAL_ENV").map(PathBuf::from),
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            search: std::env::var_os("PATH")
                .map(|path| std::env::split_paths(&path).collect())
                .unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}

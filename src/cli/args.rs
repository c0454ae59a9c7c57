//! The arguments, as clap definitions and nothing else.
//!
//! [`options`](super::options) turns what was typed into what the library takes. Every option has a
//! variable `PKG_INSTALL_<OPTION>`. The doc comments here are the texts of `--help`.

use std::path::PathBuf;

use clap::builder::{FalseyValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use pkg_install::OnConflict;
use pkg_install::Verify;

/// Install wheels, all of them or none: planned first, unpacked in parallel, every byte checked,
/// moved in as one transaction.
#[derive(Parser)]
#[command(
    name = "pkg-install",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<SubCommand>,
    #[command(flatten)]
    pub install: InstallArgs,
    #[command(flatten)]
    pub environment: EnvironmentArgs,
    #[command(flatten)]
    pub transaction: TransactionArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Subcommand)]
pub enum SubCommand {
    /// Download the wheels that an installation needs
    #[cfg(feature = "http")]
    Download(DownloadCommandArgs),
    /// Remove installed projects
    Uninstall(UninstallArgs),
    /// Compare installed files with their RECORD
    Check(CheckArgs),
    /// List installed projects
    List(ReadingArgs),
    /// Undo the last transaction (if it ran with `--undoable`)
    Undo(ChangingArgs),
    /// Settle a transaction that a crash interrupted (every other command does this too)
    Recover(ReadingArgs),
}

/// The arguments of `install`, which is the default command.
#[derive(Args)]
pub struct InstallArgs {
    #[command(flatten)]
    pub request: RequestArgs,
    /// What to do if two projects install different contents to one path
    #[arg(
        long,
        value_parser = one_of(ON_CONFLICT),
        default_value = "error",
        env = "PKG_INSTALL_ON_CONFLICT"
    )]
    pub on_conflict: OnConflict,
    /// How strictly to read RECORD and to check files against it
    #[arg(
        long,
        value_parser = one_of(VERIFY),
        default_value = "normal",
        env = "PKG_INSTALL_VERIFY"
    )]
    pub verify: Verify,
    /// Replace projects that are installed in the same version, too
    #[arg(long, env = "PKG_INSTALL_REINSTALL", value_parser = FalseyValueParser::new())]
    pub reinstall: bool,
    /// Refuse wheels without a pinned hash
    #[arg(long, env = "PKG_INSTALL_REQUIRE_HASHES", value_parser = FalseyValueParser::new())]
    pub require_hashes: bool,
    /// Keep what `undo` needs until the next transaction
    #[arg(long, env = "PKG_INSTALL_UNDOABLE", value_parser = FalseyValueParser::new())]
    pub undoable: bool,
    /// The name to write to INSTALLER
    #[arg(
        long,
        value_name = "NAME",
        default_value = "pkg-install",
        value_parser = one_line,
        env = "PKG_INSTALL_INSTALLER"
    )]
    pub installer: String,
    /// Write direct_url.json for wheels given as paths
    #[arg(long, env = "PKG_INSTALL_DIRECT_URL", value_parser = FalseyValueParser::new())]
    pub direct_url: bool,
    /// Install even if tags or `Requires-Python` do not fit
    #[arg(long, env = "PKG_INSTALL_NO_COMPAT_CHECK", value_parser = FalseyValueParser::new())]
    pub no_compat_check: bool,
    #[cfg(feature = "http")]
    #[command(flatten)]
    pub download: DownloadArgs,
}

/// The arguments that say what to install.
#[derive(Args, Clone)]
pub struct RequestArgs {
    /// Wheels, by path or URL; a directory means every `*.whl` directly inside it, `…#sha256=…`
    /// pins a wheel to its hash
    #[arg(value_name = "WHEEL", required_unless_present_any = ["report", "lock", "requirements"])]
    pub wheels: Vec<PathBuf>,
    /// Install what `pip install --report FILE` resolved; `-` reads stdin
    #[arg(long, value_name = "FILE", env = "PKG_INSTALL_REPORT")]
    pub report: Vec<PathBuf>,
    /// Install what a `pylock.toml` pins (PEP 751); `-` reads stdin
    #[arg(long, value_name = "FILE", env = "PKG_INSTALL_LOCK")]
    pub lock: Vec<PathBuf>,
    /// Install a list of pinned requirements, as written by `pip-compile`, `uv pip compile` and
    /// `uv export`; `-` reads stdin
    #[arg(short, long, value_name = "FILE", env = "PKG_INSTALL_REQUIREMENTS")]
    pub requirements: Vec<PathBuf>,
    /// A directory with the wheels for `--requirements`
    #[arg(short, long, value_name = "DIR", env = "PKG_INSTALL_FIND_LINKS")]
    pub find_links: Vec<PathBuf>,
    /// With `--lock`: include an extra
    #[arg(
        long,
        value_name = "NAME",
        env = "PKG_INSTALL_EXTRA",
        value_delimiter = ','
    )]
    pub extra: Vec<String>,
    /// With `--lock`: include a dependency group
    #[arg(
        long,
        value_name = "NAME",
        env = "PKG_INSTALL_GROUP",
        value_delimiter = ','
    )]
    pub group: Vec<String>,
    /// With `--lock`: leave out the default dependency groups
    #[arg(long, env = "PKG_INSTALL_NO_DEFAULT_GROUPS", value_parser = FalseyValueParser::new())]
    pub no_default_groups: bool,
}

/// How to fetch remote wheels.
#[cfg(feature = "http")]
#[derive(Args, Clone)]
#[command(next_help_heading = "Downloads")]
pub struct DownloadArgs {
    /// How many wheels to fetch at the same time
    #[arg(
        long,
        value_name = "N",
        default_value_t = 16,
        value_parser = clap::value_parser!(u16).range(1..=256),
        env = "PKG_INSTALL_CONCURRENT_DOWNLOADS"
    )]
    pub concurrent_downloads: u16,
    /// Where to keep wheels between commands [default: `pkg-install` in $XDG_CACHE_HOME or
    /// ~/.cache]
    #[arg(long, value_name = "DIR", env = "PKG_INSTALL_CACHE_DIR")]
    pub cache_dir: Option<PathBuf>,
    /// Keep nothing between commands
    #[arg(
        long,
        env = "PKG_INSTALL_NO_CACHE",
        value_parser = FalseyValueParser::new(),
        conflicts_with = "cache_dir"
    )]
    pub no_cache: bool,
    /// Take every wheel from the cache and fetch nothing
    #[arg(long, env = "PKG_INSTALL_OFFLINE", value_parser = FalseyValueParser::new())]
    pub offline: bool,
}

#[cfg(feature = "http")]
#[derive(Args)]
pub struct DownloadCommandArgs {
    #[command(flatten)]
    pub request: RequestArgs,
    /// The directory to put the wheels into
    #[arg(
        short,
        long,
        value_name = "DIR",
        default_value = ".",
        env = "PKG_INSTALL_DEST"
    )]
    pub dest: PathBuf,
    /// Refuse wheels without a pinned hash
    #[arg(long, env = "PKG_INSTALL_REQUIRE_HASHES", value_parser = FalseyValueParser::new())]
    pub require_hashes: bool,
    /// Accept what was resolved for another environment
    #[arg(long, env = "PKG_INSTALL_NO_COMPAT_CHECK", value_parser = FalseyValueParser::new())]
    pub no_compat_check: bool,
    #[command(flatten)]
    pub download: DownloadArgs,
    #[command(flatten)]
    pub environment: EnvironmentArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Args)]
pub struct UninstallArgs {
    /// Names of installed projects
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Keep what `undo` needs until the next transaction
    #[arg(long, env = "PKG_INSTALL_UNDOABLE", value_parser = FalseyValueParser::new())]
    pub undoable: bool,
    #[command(flatten)]
    pub changing: ChangingArgs,
}

#[derive(Args)]
pub struct CheckArgs {
    /// Names of installed projects [default: all of them]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Worker threads [default: one per core]
    #[arg(
        short,
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=1024),
        env = "PKG_INSTALL_JOBS"
    )]
    pub jobs: Option<u16>,
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// The arguments of commands that change an environment.
#[derive(Args)]
pub struct ChangingArgs {
    #[command(flatten)]
    pub environment: EnvironmentArgs,
    #[command(flatten)]
    pub transaction: TransactionArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The arguments of commands that plan no change of their own.
#[derive(Args)]
pub struct ReadingArgs {
    #[command(flatten)]
    pub environment: EnvironmentArgs,
    /// How long to wait for another process's transaction
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        env = "PKG_INSTALL_LOCK_TIMEOUT"
    )]
    pub lock_timeout: u64,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The arguments that say which environment is meant.
#[derive(Args, Clone)]
pub struct EnvironmentArgs {
    /// A virtual environment, otherwise a plain directory in the layout of `pip install --target`
    #[arg(
        short,
        long,
        value_name = "DIR",
        env = "PKG_INSTALL_TARGET",
        help_heading = "Environment"
    )]
    pub target: Option<PathBuf>,
    /// The environment of this interpreter
    #[arg(
        long,
        value_name = "EXE",
        env = "PKG_INSTALL_PYTHON",
        help_heading = "Environment"
    )]
    pub python: Option<PathBuf>,
    /// With `--python`: its scheme under another prefix
    #[arg(
        long,
        value_name = "DIR",
        env = "PKG_INSTALL_PREFIX",
        help_heading = "Environment"
    )]
    pub prefix: Option<PathBuf>,
    /// With `--python` or `--prefix`: put everything below DIR, but write the final paths into
    /// scripts and metadata
    #[arg(
        long,
        value_name = "DIR",
        env = "PKG_INSTALL_ROOT",
        help_heading = "Environment"
    )]
    pub root: Option<PathBuf>,
    /// Change an environment that another package manager owns (PEP 668)
    #[arg(
        long,
        env = "PKG_INSTALL_BREAK_SYSTEM_PACKAGES",
        value_parser = FalseyValueParser::new(),
        help_heading = "Environment"
    )]
    pub break_system_packages: bool,
}

/// How to carry out a transaction.
#[derive(Args)]
pub struct TransactionArgs {
    /// Make the result survive a power loss
    #[arg(
        long,
        env = "PKG_INSTALL_DURABLE",
        value_parser = FalseyValueParser::new(),
        help_heading = "Transaction"
    )]
    pub durable: bool,
    /// Print the plan and change nothing
    #[arg(
        long,
        env = "PKG_INSTALL_DRY_RUN",
        value_parser = FalseyValueParser::new(),
        help_heading = "Transaction"
    )]
    pub dry_run: bool,
    /// How long to wait for another process's transaction
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        env = "PKG_INSTALL_LOCK_TIMEOUT",
        help_heading = "Transaction"
    )]
    pub lock_timeout: u64,
    /// Worker threads [default: one per core]
    #[arg(
        short,
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=1024),
        env = "PKG_INSTALL_JOBS",
        help_heading = "Transaction"
    )]
    pub jobs: Option<u16>,
}

/// How to show results and progress.
#[derive(Args, Debug, Clone)]
pub struct OutputArgs {
    /// Print the results as one JSON object on stdout
    #[arg(
        long,
        env = "PKG_INSTALL_JSON",
        value_parser = FalseyValueParser::new(),
        help_heading = "Output"
    )]
    pub json: bool,
    /// Show no progress bars
    #[arg(
        long,
        env = "PKG_INSTALL_NO_PROGRESS",
        value_parser = FalseyValueParser::new(),
        help_heading = "Output"
    )]
    pub no_progress: bool,
    /// How to show progress, on stderr
    #[arg(
        long,
        value_enum,
        default_value_t = ProgressMode::Auto,
        env = "PKG_INSTALL_PROGRESS",
        help_heading = "Output"
    )]
    pub progress: ProgressMode,
    /// When to use colour
    #[arg(
        long,
        value_enum,
        default_value_t = Color::Auto,
        env = "PKG_INSTALL_COLOR",
        help_heading = "Output"
    )]
    pub color: Color,
    /// Print nothing but errors
    #[arg(
        short,
        long,
        env = "PKG_INSTALL_QUIET",
        value_parser = FalseyValueParser::new(),
        help_heading = "Output"
    )]
    pub quiet: bool,
    /// Print every project, every warning and the duration of each step
    #[arg(
        short,
        long,
        env = "PKG_INSTALL_VERBOSE",
        value_parser = FalseyValueParser::new(),
        conflicts_with = "quiet",
        help_heading = "Output"
    )]
    pub verbose: bool,
}

/// How to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// Bars on a terminal, plain lines elsewhere
    Auto,
    /// One line of JSON per event, even with `--quiet`; other lines on stderr stay text
    Json,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal
    Auto,
    /// In pipes, too
    Always,
    /// Never
    Never,
}

/// The words that an option takes, the value of each and its help.
type ValueTable<T> = &'static [(&'static str, T, &'static str)];

const ON_CONFLICT: ValueTable<OnConflict> = &[
    ("error", OnConflict::Error, "Refuse"),
    (
        "first",
        OnConflict::First,
        "Keep what is installed or comes earlier",
    ),
    ("last", OnConflict::Last, "Let what comes later win"),
];

const VERIFY: ValueTable<Verify> = &[
    (
        "strict",
        Verify::Strict,
        "Accept only what the specification allows",
    ),
    (
        "normal",
        Verify::Normal,
        "Accept harmless deviations, each with a warning",
    ),
    ("off", Verify::Off, "Check CRC-32 and sizes only"),
];

/// Parses one of `words` to its value. The library's types know nothing of clap, so a derived
/// `ValueEnum` would be a second copy of each of them.
fn one_of<T>(words: ValueTable<T>) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    let named = words
        .iter()
        .map(|&(word, _, help)| PossibleValue::new(word).help(help));
    PossibleValuesParser::new(named).map(|typed| {
        let row = words.iter().find(|row| row.0 == typed);
        row.expect("clap refuses words that are not listed").1
    })
}

fn one_line(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && !text.chars().any(char::is_control);
    if fits {
        Ok(text.to_owned())
    } else {
        Err("must be one line and not empty".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}

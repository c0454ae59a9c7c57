//! The commands and their arguments, as clap definitions and nothing else.
//!
//! [`options`](super::options) turns what was typed into what the library takes. [`groups`] has the
//! options that several commands share, [`values`] the parsers of their values. Variables are no
//! part of these definitions: [`variables`](super::variables) adds them to every option alike. The
//! doc comments here are the texts of `--help`.

#[cfg(feature = "http")]
pub mod cache;
pub mod groups;
pub mod installer;
pub mod pack;
#[cfg(feature = "http")]
pub mod resolution;
pub mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use pkg_install::OnConflict;
use pkg_install::Verify;

use super::help;
#[cfg(feature = "http")]
use cache::CacheArgs;
use groups::{
    AcceptedArgs, AcceptedNoCompileArgs, BytecodeArgs, ContentArgs, EnvironmentArgs, JobsArgs,
    LockArgs, OutputArgs, SelectionArgs, StrictnessArgs, TransactionArgs, UndoableArgs,
};
#[cfg(feature = "http")]
use groups::{DownloadArgs, DryRunArgs, StoreArgs};
use installer::InstallerArgs;
use pack::PackArgs;
#[cfg(feature = "http")]
use resolution::ResolutionArgs;
pub use values::ListFormat;
use values::{ON_CONFLICT, Shell, VERIFY, one_of};

/// Install Python wheels, all of them or none.
///
/// Everything is planned first, unpacked in parallel, checked byte by byte against RECORD, and
/// moved in as one transaction. Installing is the default command: the options below are those of
/// `install`.
#[derive(Parser)]
#[command(
    name = "pkg-install",
    version,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    override_usage = help::USAGE,
    after_help = help::AFTER_SHORT,
    after_long_help = help::AFTER_LONG
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<SubCommand>,
    #[command(flatten)]
    pub install: InstallArgs,
}

#[derive(Subcommand)]
pub enum SubCommand {
    /// Install wheels (the default command)
    #[command(override_usage = help::INSTALL_USAGE)]
    Install(Box<InstallArgs>),
    /// Make an environment hold exactly what files pin
    Sync(Box<SyncArgs>),
    /// Download the wheels that an installation needs
    #[cfg(feature = "http")]
    Download(Box<DownloadCommandArgs>),
    /// Decide which wheels satisfy requirements; fetch none
    #[cfg(feature = "http")]
    Resolve(Box<ResolveArgs>),
    /// Look at, check or empty the cache of downloads
    #[cfg(feature = "http")]
    Cache(CacheArgs),
    /// Make one file, or an image, that runs elsewhere
    Pack(Box<PackArgs>),
    /// Remove installed projects
    Uninstall(UninstallArgs),
    /// Compare installed files with their RECORD
    Check(CheckArgs),
    /// Check wheels without an environment
    Verify(VerifyArgs),
    /// List installed projects
    List(ListArgs),
    /// Show metadata, origin and files of installed projects
    Show(ShowArgs),
    /// Name the installed projects that files belong to
    Owner(OwnerArgs),
    /// Undo the last transaction (if it ran with `--undoable`)
    Undo(UndoArgs),
    /// List the transactions since the first `--undoable`
    History(ReadingArgs),
    /// Finish or roll back a transaction interrupted by a crash
    Recover(ReadingArgs),
    /// Do what `python -m installer` does, with the same options
    // For those who build packages of distributions; the short help has no line to spare.
    #[command(infer_long_args = true, hide = true)]
    Installer(InstallerArgs),
    /// Print the help of a command
    // The short help ends with a line about `-h`, which does the same.
    #[command(hide = true)]
    Help(HelpArgs),
    /// Print the script with which a shell completes
    Completions(CompletionsArgs),
    /// Print or write manual pages
    // For those who package the program; the short help has no line to spare.
    #[command(hide = true)]
    Man(ManArgs),
}

/// The arguments of `install`.
#[derive(Args)]
pub struct InstallArgs {
    #[command(flatten)]
    pub request: RequestArgs,
    /// Remove projects that are not named (never `pip`)
    #[arg(long)]
    pub exact: bool,
    #[command(flatten)]
    pub how: HowArgs,
}

/// The arguments of `sync`, which is `install --exact`.
#[derive(Args)]
pub struct SyncArgs {
    /// Lock files, lists of requirements, installation reports, wheels, and directories of wheels;
    /// `-` reads stdin
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub selection: SelectionArgs,
    #[command(flatten)]
    pub how: HowArgs,
}

/// How to install.
#[derive(Args)]
pub struct HowArgs {
    /// If two projects differ in a file: error, first or last
    ///
    /// It is a conflict if two projects install different contents to one path, or if a file is in
    /// the way that no project owns.
    #[arg(
        long,
        value_name = "CHOICE",
        value_parser = one_of(ON_CONFLICT),
        default_value = "error",
        hide_possible_values = true
    )]
    pub on_conflict: OnConflict,
    #[command(flatten)]
    pub contents: ContentArgs,
    /// Reinstall even if the same version is installed
    #[arg(long)]
    pub reinstall: bool,
    /// Write nothing; exit with 1 if anything changes
    #[arg(long)]
    pub check: bool,
    #[command(flatten)]
    pub strictness: StrictnessArgs,
    #[command(flatten)]
    pub undoable: UndoableArgs,
    #[command(flatten)]
    pub accepted: AcceptedArgs,
    #[command(flatten)]
    pub bytecode: BytecodeArgs,
    #[cfg(feature = "http")]
    #[command(flatten)]
    pub download: DownloadArgs,
    #[cfg(feature = "http")]
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub environment: EnvironmentArgs,
    #[command(flatten)]
    pub transaction: TransactionArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The arguments that say what to install.
#[derive(Args, Clone)]
pub struct RequestArgs {
    /// Requirements such as `flask>=3`, wheels, directories of wheels, or URLs of wheels
    ///
    /// A directory means every `*.whl` directly inside it. `…#sha256=…` pins a wheel to its hash.
    #[arg(value_name = "REQUIREMENT|WHEEL|DIR|URL")]
    pub wheels: Vec<PathBuf>,
    /// Install what `pip install --report FILE` resolved
    ///
    /// `-` reads stdin.
    #[arg(long, value_name = "FILE")]
    pub report: Vec<PathBuf>,
    /// Install what a `pylock.toml` pins (PEP 751)
    ///
    /// `-` reads stdin.
    #[arg(long, value_name = "FILE")]
    pub lock: Vec<PathBuf>,
    /// Install a list of requirements, loose or pinned
    ///
    /// Or what a `pyproject.toml` needs. `-` reads stdin.
    #[arg(short, long, value_name = "FILE")]
    pub requirements: Vec<PathBuf>,
    #[command(flatten)]
    pub selection: SelectionArgs,
}

#[cfg(feature = "http")]
#[derive(Args)]
pub struct DownloadCommandArgs {
    #[command(flatten)]
    pub request: RequestArgs,
    /// The directory to put the wheels into
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub dest: PathBuf,
    #[command(flatten)]
    pub dry_run: DryRunArgs,
    #[command(flatten)]
    pub strictness: StrictnessArgs,
    #[command(flatten)]
    pub accepted: AcceptedArgs,
    #[command(flatten)]
    pub accepted_no_compile: AcceptedNoCompileArgs,
    #[command(flatten)]
    pub download: DownloadArgs,
    #[command(flatten)]
    pub environment: EnvironmentArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[cfg(feature = "http")]
/// The arguments of `resolve`.
#[derive(Args)]
pub struct ResolveArgs {
    /// Requirements, such as `flask>=3`
    #[arg(value_name = "REQUIREMENT")]
    pub named: Vec<String>,
    /// A list of requirements, or a `pyproject.toml`; `-` reads stdin
    #[arg(short, long, value_name = "FILE")]
    pub requirements: Vec<PathBuf>,
    /// A directory with wheels, or a page of links, that comes before all indexes
    #[arg(short, long, value_name = "DIR|URL")]
    pub find_links: Vec<String>,
    /// Include an extra of the `pyproject.toml`
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub extra: Vec<String>,
    /// Include a dependency group of the `pyproject.toml`
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub group: Vec<String>,
    /// Write an installation report, as pip does; `-` is stdout
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write a lock file (PEP 751); `-` is stdout
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,
    #[command(flatten)]
    pub resolution: ResolutionArgs,
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
    #[command(flatten)]
    pub undoable: UndoableArgs,
    #[command(flatten)]
    pub accepted: AcceptedArgs,
    #[command(flatten)]
    pub accepted_no_compile: AcceptedNoCompileArgs,
    #[command(flatten)]
    pub changing: ChangingArgs,
}

#[derive(Args)]
pub struct UndoArgs {
    /// Undo all transactions after number N of `history`
    ///
    /// 0 undoes the first one, too. All of them must have run with `--undoable`.
    #[arg(long, value_name = "N")]
    pub to: Option<u64>,
    #[command(flatten)]
    pub changing: ChangingArgs,
}

#[derive(Args)]
pub struct CheckArgs {
    /// Names of installed projects [default: all of them]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Also check that what the projects require is installed
    #[arg(long)]
    pub requires: bool,
    #[command(flatten)]
    pub jobs: JobsArgs,
    #[command(flatten)]
    pub reading: ReadingArgs,
}

#[derive(Args)]
pub struct ListArgs {
    /// How to print the list
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = ListFormat::Columns)]
    pub format: ListFormat,
    /// Add the licence that each project states
    #[arg(long)]
    pub licenses: bool,
    #[command(flatten)]
    pub reading: ReadingArgs,
}

#[derive(Args)]
pub struct ShowArgs {
    /// Names of installed projects
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// List the files that RECORD lists, too
    #[arg(short, long)]
    pub files: bool,
    #[command(flatten)]
    pub reading: ReadingArgs,
}

#[derive(Args)]
pub struct OwnerArgs {
    /// Files or directories
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub reading: ReadingArgs,
}

#[derive(Args)]
pub struct VerifyArgs {
    /// Wheels; a directory means every `*.whl` directly inside it, `…#sha256=…` pins a wheel to its
    /// hash
    #[arg(required = true, value_name = "WHEEL")]
    pub wheels: Vec<PathBuf>,
    /// How strictly to read RECORD and to check files against it
    #[arg(
        long,
        value_name = "LEVEL",
        value_parser = one_of(VERIFY),
        default_value = "normal"
    )]
    pub verify: Verify,
    /// Refuse wheels without a pinned hash
    #[arg(long)]
    pub require_hashes: bool,
    #[command(flatten)]
    pub jobs: JobsArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Args)]
pub struct HelpArgs {
    /// The command
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
}

#[derive(Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

#[derive(Args)]
pub struct ManArgs {
    /// The command [default: the page of the program]
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    pub command: Vec<String>,
    /// Write the pages of all commands into a directory
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
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
    #[command(flatten)]
    pub lock: LockArgs,
    #[command(flatten)]
    pub output: OutputArgs,
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

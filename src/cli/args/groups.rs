//! The groups of options that several commands share. Each option is defined once.

use std::path::PathBuf;
use std::str::FromStr as _;

use clap::{ArgAction, Args};
use pkg_install::command::{
    Implementation, Platform, PythonDescription, PythonRelease, ScriptInterpreter,
};
#[cfg(feature = "http")]
use pkg_install::command::{LinkMode, StoreUse};
use pkg_install::{Invalidation, Verify};

#[cfg(feature = "http")]
use super::resolution::{ResolutionArgs, UpgradeArgs};
#[cfg(feature = "http")]
use super::values::CONNECTIONS;
use super::values::{
    ANY_SECONDS, Color, INVALIDATION, LEVELS, OutputFormat, ProgressMode, THREADS, VERIFY, number,
    one_line, one_of,
};
#[cfg(feature = "http")]
use super::values::{LINK_MODE, STORE};

/// The arguments that choose among what lock files and lists offer.
#[derive(Args, Clone)]
pub struct SelectionArgs {
    /// A directory with wheels, or a page of links, that comes before all indexes
    #[arg(short, long, value_name = "DIR|URL", hide_short_help = true)]
    pub find_links: Vec<PathBuf>,
    /// Include this extra (with `--lock` or a `pyproject.toml`)
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        hide_short_help = true
    )]
    pub extra: Vec<String>,
    /// Include this dependency group (with `--lock` or a `pyproject.toml`)
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        hide_short_help = true
    )]
    pub group: Vec<String>,
    /// Leave out the default dependency groups (with `--lock`)
    #[arg(long, hide_short_help = true)]
    pub no_default_groups: bool,
    #[cfg(feature = "http")]
    #[command(flatten)]
    pub resolution: ResolutionArgs,
    #[cfg(feature = "http")]
    #[command(flatten)]
    pub upgrade: UpgradeArgs,
}

/// How contents are checked, and what is written beside them.
#[derive(Args)]
pub struct ContentArgs {
    /// How strictly to read RECORD and to check files against it
    #[arg(
        long,
        value_name = "LEVEL",
        value_parser = one_of(VERIFY),
        default_value = "normal",
        hide_short_help = true
    )]
    pub verify: Verify,
    /// Name written to INSTALLER
    #[arg(
        long,
        value_name = "NAME",
        default_value = "pkg-install",
        value_parser = one_line,
        hide_short_help = true
    )]
    pub installer: String,
    /// Write direct_url.json for wheels given as paths
    #[arg(long, hide_short_help = true)]
    pub direct_url: bool,
}

/// Which wheels to accept.
#[derive(Args)]
pub struct StrictnessArgs {
    /// Refuse wheels without a pinned hash
    #[arg(long, hide_short_help = true)]
    pub require_hashes: bool,
    /// Accept wheels whose tags or `Requires-Python` do not fit the environment
    #[arg(long, hide_short_help = true)]
    pub no_compat_check: bool,
}

#[derive(Args)]
pub struct UndoableArgs {
    /// Keep what `undo` needs, of at most 10 transactions
    #[arg(long)]
    pub undoable: bool,
}

/// Options of pip that ask for what happens anyway. They are accepted, so that a command typed from
/// habit works.
#[derive(Args)]
#[allow(
    dead_code,
    reason = "they ask for what happens anyway, so nothing reads them"
)]
pub struct AcceptedArgs {
    /// Ask no question (as always)
    #[arg(short, long, hide_short_help = true, help_heading = "Accepted for pip")]
    yes: bool,
    /// Ask no question (as always)
    #[arg(long, hide_short_help = true, help_heading = "Accepted for pip")]
    no_input: bool,
    /// Look for no newer version of this program (as always)
    #[arg(long, hide_short_help = true, help_heading = "Accepted for pip")]
    disable_pip_version_check: bool,
    /// Say nothing about directories that are not on the path (as always)
    #[arg(long, hide_short_help = true, help_heading = "Accepted for pip")]
    no_warn_script_location: bool,
    /// Say nothing about being root (as always)
    #[arg(
        long,
        value_name = "ACTION",
        hide_short_help = true,
        help_heading = "Accepted for pip"
    )]
    root_user_action: Option<String>,
}

/// The option of pip that asks commands for no bytecode that make none anyway.
#[derive(Args)]
#[allow(
    dead_code,
    reason = "it asks for what happens anyway, so nothing reads it"
)]
pub struct AcceptedNoCompileArgs {
    /// Write no bytecode (as always)
    #[arg(long, hide_short_help = true, help_heading = "Accepted for pip")]
    no_compile: bool,
}

/// Whether and how to compile.
#[derive(Args)]
#[command(next_help_heading = "Bytecode")]
pub struct BytecodeArgs {
    /// Compile modules to bytecode in the same transaction
    #[arg(long, visible_alias = "compile", hide_short_help = true)]
    pub compile_bytecode: bool,
    /// Compile nothing (the default)
    #[arg(
        long,
        visible_alias = "no-compile-bytecode",
        conflicts_with = "compile_bytecode",
        hide_short_help = true
    )]
    pub no_compile: bool,
    /// How Python finds out whether bytecode is up to date [default: timestamp; checked-hash with
    /// SOURCE_DATE_EPOCH]
    #[arg(
        long,
        value_name = "MODE",
        value_parser = one_of(INVALIDATION),
        hide_short_help = true
    )]
    pub invalidation_mode: Option<Invalidation>,
    /// The optimisation level of bytecode: 0, 1 or 2; may be given more than once [default: 0]
    #[arg(
        short,
        long,
        value_name = "LEVEL",
        value_delimiter = ',',
        value_parser = number::<u8>(LEVELS),
        hide_short_help = true
    )]
    pub optimize: Vec<u8>,
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
        value_parser = number::<u16>(CONNECTIONS),
        hide_short_help = true
    )]
    pub concurrent_downloads: u16,
    /// Where to keep wheels between commands [default: `pkg-install` in $XDG_CACHE_HOME or
    /// ~/.cache]
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub cache_dir: Option<PathBuf>,
    /// Keep nothing between commands
    #[arg(
        long,
        visible_alias = "no-cache-dir",
        conflicts_with = "cache_dir",
        hide_short_help = true
    )]
    pub no_cache: bool,
    /// Take every wheel from the cache and fetch nothing
    #[arg(long)]
    pub offline: bool,
    /// How many seconds a server may take to connect, and may send nothing [default: 10, and 13]
    ///
    /// A server that sends nothing is given up after 16 seconds, or twice this time, whatever is
    /// longer.
    #[arg(long, value_name = "SECONDS", hide_short_help = true)]
    pub timeout: Option<std::num::NonZeroU32>,
}

/// How to use the store.
#[cfg(feature = "http")]
#[derive(Args, Clone)]
#[command(next_help_heading = "Store")]
pub struct StoreArgs {
    /// For which wheels to use the store of unpacked wheels in the cache
    ///
    /// Wheels in the store are neither fetched nor unpacked again: their files are linked into the
    /// environment.
    #[arg(
        long,
        value_name = "WHICH",
        value_parser = one_of(STORE),
        default_value = "auto",
        hide_short_help = true
    )]
    pub store: StoreUse,
    /// How files get from the store into an environment
    #[arg(
        long,
        value_name = "MODE",
        value_parser = one_of(LINK_MODE),
        default_value = "auto",
        hide_short_help = true
    )]
    pub link_mode: LinkMode,
}

/// The arguments that say which environment is meant.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Environment [default: $VIRTUAL_ENV, otherwise ./.venv]")]
pub struct EnvironmentArgs {
    /// A virtual environment, or a plain directory
    ///
    /// A directory that holds no `pyvenv.cfg` gets the layout of `pip install --target`.
    #[arg(short, long, value_name = "DIR")]
    pub target: Option<PathBuf>,
    /// The environment of this interpreter
    #[arg(long, value_name = "EXE")]
    pub python: Option<PathBuf>,
    /// With `--python` or `--python-version`: its scheme under another prefix
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub prefix: Option<PathBuf>,
    /// With `--python` or `--prefix`: put everything below DIR, but write the final paths into
    /// scripts and metadata
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub root: Option<PathBuf>,
    /// The version of an interpreter that is not here, with `--target` or `--prefix`
    ///
    /// `resolve` and `download` need neither. No interpreter is started; `X.Y` means `X.Y.0`.
    #[arg(
        long,
        value_name = "X.Y[.Z]",
        value_parser = PythonRelease::from_str,
        hide_short_help = true
    )]
    pub python_version: Option<PythonRelease>,
    /// The platform of that interpreter [default: this machine's]
    ///
    /// `linux`, `macos` or `windows`, a name such as `aarch64-manylinux_2_28`,
    /// `x86_64-unknown-linux-musl` or `aarch64-apple-darwin`, or the platform tag of a wheel.
    #[arg(
        long,
        alias = "platform",
        value_name = "PLATFORM",
        value_parser = Platform::from_str,
        hide_short_help = true
    )]
    pub python_platform: Option<Platform>,
    /// Its implementation: `cp` or `pp` [default: cp]
    #[arg(
        long,
        value_name = "NAME",
        value_parser = Implementation::from_str,
        hide_short_help = true
    )]
    pub implementation: Option<Implementation>,
    /// Its ABI tag, such as `cp313t`; `abi3` and `none` leave out wheels for one version
    #[arg(long, value_name = "TAG", value_parser = one_line, hide_short_help = true)]
    pub abi: Option<String>,
    /// The interpreter that scripts start with: a path, or `/usr/bin/env NAME`
    #[arg(
        long,
        value_name = "PATH",
        value_parser = ScriptInterpreter::from_str,
        hide_short_help = true
    )]
    pub script_python: Option<ScriptInterpreter>,
    /// Scripts start the `python` beside them, so that the tree can be moved
    #[arg(long, conflicts_with = "script_python", hide_short_help = true)]
    pub relocatable: bool,
    /// Change an environment that another package manager owns (PEP 668)
    #[arg(long, hide_short_help = true)]
    pub break_system_packages: bool,
}

impl EnvironmentArgs {
    /// The interpreter that is described.
    pub fn description(&self) -> PythonDescription {
        PythonDescription {
            release: self.python_version,
            platform: self.python_platform.clone(),
            implementation: self.implementation.clone(),
            abi: self.abi.clone(),
        }
    }

    /// The interpreter that scripts start with.
    pub fn scripts(&self) -> ScriptInterpreter {
        if self.relocatable {
            ScriptInterpreter::Beside
        } else {
            self.script_python.clone().unwrap_or_default()
        }
    }
}

#[derive(Args)]
#[command(next_help_heading = "Transaction")]
pub struct DryRunArgs {
    /// Print the plan and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Args)]
#[command(next_help_heading = "Transaction")]
pub struct LockArgs {
    /// How long to wait for another process's transaction
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        value_parser = number::<u64>(ANY_SECONDS),
        hide_short_help = true
    )]
    pub lock_timeout: u64,
}

#[derive(Args)]
#[command(next_help_heading = "Transaction")]
pub struct JobsArgs {
    /// Worker threads [default: one per core]
    #[arg(
        short,
        long,
        value_name = "N",
        value_parser = number::<u16>(THREADS),
        hide_short_help = true
    )]
    pub jobs: Option<u16>,
}

/// How to carry out a transaction.
#[derive(Args)]
#[command(next_help_heading = "Transaction")]
pub struct TransactionArgs {
    #[command(flatten)]
    pub dry_run: DryRunArgs,
    /// Flush to disk, so that the result survives a power failure
    #[arg(long, hide_short_help = true)]
    pub durable: bool,
    #[command(flatten)]
    pub lock: LockArgs,
    #[command(flatten)]
    pub jobs: JobsArgs,
}

/// How to show results and progress.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print the results as one JSON object on stdout
    #[arg(long)]
    pub json: bool,
    /// Print the JSON Schema of what `--json` prints, and do nothing else
    #[arg(long, hide_short_help = true)]
    pub json_schema: bool,
    /// How to show progress, on stderr
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        default_value_t = ProgressMode::Auto,
        hide_short_help = true
    )]
    pub progress: ProgressMode,
    /// Show no progress bars; the same as `--progress plain`
    #[arg(long, conflicts_with = "progress", hide = true)]
    pub no_progress: bool,
    /// Write progress as lines of JSON to an open file descriptor
    #[arg(
        long,
        value_name = "N",
        conflicts_with_all = ["progress", "no_progress"],
        hide_short_help = true
    )]
    pub progress_fd: Option<u32>,
    /// The form of warnings and errors
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t = OutputFormat::Text,
        hide_short_help = true
    )]
    pub output_format: OutputFormat,
    /// Also append results and messages to a file
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub log: Option<PathBuf>,
    /// When to use colour
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value_t = Color::Auto,
        hide_short_help = true
    )]
    pub color: Color,
    /// Use no colour; the same as `--color never`
    #[arg(long, conflicts_with = "color", hide_short_help = true)]
    pub no_color: bool,
    /// Print nothing but errors
    // pip prints less with each; here the first one leaves nothing more to leave out.
    #[arg(short, long, overrides_with = "quiet")]
    pub quiet: bool,
    /// Print more; `-vv` more still
    ///
    /// `-v` prints every project, every warning, the environment and the duration of each step;
    /// `-vv` also the files, the bytes and the source of each project.
    #[arg(
        short,
        long,
        action = ArgAction::Count,
        conflicts_with = "quiet",
    )]
    pub verbose: u8,
}

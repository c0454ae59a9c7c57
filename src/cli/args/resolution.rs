//! The options of every command that resolves names. The doc comments here are the texts of
//! `--help`.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};

use pkg_install::command::Timestamp;

/// Where to look for projects, and which versions to take.
#[derive(Args, Clone, Default)]
pub struct ResolutionArgs {
    /// The index that is asked last [default: pip's, else the public one]
    #[arg(
        short,
        long,
        value_name = "URL",
        hide_short_help = true,
        help_heading = "Resolution"
    )]
    pub index_url: Option<String>,
    /// An index that is asked first; may be given several times
    #[arg(
        long,
        value_name = "URL",
        hide_short_help = true,
        help_heading = "Resolution"
    )]
    pub extra_index_url: Vec<String>,
    /// The one index that a project comes from, or one more index
    #[arg(
        long,
        value_name = "NAME=URL",
        visible_alias = "from-index",
        hide_short_help = true,
        help_heading = "Resolution"
    )]
    pub index: Vec<String>,
    /// Whether the first index that knows a project decides, or any may
    #[arg(
        long,
        value_enum,
        default_value_t = IndexStrategy::First,
        hide_short_help = true,
        help_heading = "Resolution"
    )]
    pub index_strategy: IndexStrategy,
    /// Ask no index
    #[arg(long, hide_short_help = true, help_heading = "Resolution")]
    pub no_index: bool,
    /// Ignore where pip is configured to look
    #[arg(long, hide_short_help = true, help_heading = "Resolution")]
    pub no_pip_config: bool,
    /// Limit versions as a list says, without asking for its projects
    #[arg(
        short,
        long,
        value_name = "FILE",
        hide_short_help = true,
        help_heading = "Resolution"
    )]
    pub constraints: Vec<PathBuf>,
    /// Take pre-releases as readily as final releases
    #[arg(long, hide_short_help = true, help_heading = "Resolution")]
    pub pre: bool,
    /// Leave out what the named projects need
    #[arg(long, hide_short_help = true, help_heading = "Resolution")]
    pub no_deps: bool,
    /// Only files uploaded before a date or time, or longer ago than `P7D`
    #[arg(
        long,
        value_name = "TIME",
        value_parser = point_in_time,
        hide_short_help = true,
        help_heading = "Resolution"
    )]
    pub exclude_newer: Option<Timestamp>,
    /// Ask servers for pages that are still fresh in the cache, and interpreters
    #[arg(long, hide_short_help = true, help_heading = "Resolution")]
    pub refresh: bool,
}

/// Which indexes decide about a project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum IndexStrategy {
    /// The first that knows it, alone
    #[default]
    #[value(alias = "first-index")]
    First,
    /// All together: a public index can replace a private project
    #[value(alias = "unsafe-best-match")]
    Any,
}

/// What to do about projects that are installed already, and what to save of a resolution.
#[derive(Args, Clone, Default)]
pub struct UpgradeArgs {
    /// Look for newer versions of the projects that are named
    #[arg(short = 'U', long, hide_short_help = true, help_heading = "Resolution")]
    pub upgrade: bool,
    /// Which other projects `--upgrade` changes
    #[arg(
        long,
        value_enum,
        default_value_t = Strategy::OnlyIfNeeded,
        hide_short_help = true,
        help_heading = "Resolution"
    )]
    pub upgrade_strategy: Strategy,
    /// Save what was resolved as an installation report
    #[arg(
        long,
        value_name = "FILE",
        hide_short_help = true,
        help_heading = "Resolution"
    )]
    pub save_report: Option<PathBuf>,
    /// Save what was resolved as a lock file (PEP 751)
    #[arg(
        long,
        value_name = "FILE",
        hide_short_help = true,
        help_heading = "Resolution"
    )]
    pub save_lock: Option<PathBuf>,
}

/// Which other projects an upgrade changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Strategy {
    /// Those whose installed version no longer satisfies what is needed
    #[default]
    OnlyIfNeeded,
    /// All that the named projects need
    Eager,
}

fn point_in_time(text: &str) -> std::result::Result<Timestamp, String> {
    // A clock before 1970 is no clock to count back from.
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = Timestamp::from_seconds(now.map_or(0, |since| since.as_secs()));
    Timestamp::parse(text)
        .or_else(|| Timestamp::before(now, text))
        .ok_or_else(|| "must be a date, a time such as 2026-11-26T12:00:00Z, or P7D".to_owned())
}

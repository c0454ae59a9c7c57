//! The arguments of `cache`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use pkg_install::command::CacheAction;

use super::groups::OutputArgs;

/// The arguments of `cache`.
#[derive(Args)]
pub struct CacheArgs {
    #[command(subcommand)]
    pub command: CacheCommand,
}

/// What to do with the cache.
#[derive(Subcommand)]
pub enum CacheCommand {
    /// Print the directory of the cache
    Dir(CacheOptions),
    /// Print how much the cache holds
    Size(CacheOptions),
    /// Remove what is of no use, and what was used longest ago
    Prune {
        /// Remove what was not used for so many days
        #[arg(long, value_name = "DAYS", value_parser = days)]
        older_than: Option<Duration>,
        /// Remove what was used longest ago, until so much is left: a number of bytes, or with a
        /// unit such as `500MB` or `2GiB`
        #[arg(long, value_name = "SIZE", value_parser = bytes)]
        max_size: Option<u64>,
        #[command(flatten)]
        options: CacheOptions,
    },
    /// Hash every wheel in the cache
    Verify {
        /// Remove the damaged ones
        #[arg(long)]
        repair: bool,
        #[command(flatten)]
        options: CacheOptions,
    },
    /// Remove the wheels of these projects, or everything
    Clean {
        /// Names of projects
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        #[command(flatten)]
        options: CacheOptions,
    },
}

/// What all commands of `cache` take.
#[derive(Args, Clone)]
pub struct CacheOptions {
    /// The directory of the cache [default: `pkg-install` in $XDG_CACHE_HOME or ~/.cache]
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
    /// Print what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

impl CacheCommand {
    /// The action, and how it was asked for.
    pub fn into_action(self) -> (CacheAction, CacheOptions) {
        match self {
            Self::Dir(options) => (CacheAction::Directory, options),
            Self::Size(options) => (CacheAction::Size, options),
            Self::Prune {
                older_than,
                max_size,
                options,
            } => {
                let action = CacheAction::Prune {
                    older_than,
                    max_size,
                };
                (action, options)
            }
            Self::Verify { repair, options } => (CacheAction::Verify { repair }, options),
            Self::Clean { names, options } => (CacheAction::Clean { names }, options),
        }
    }
}

fn days(text: &str) -> Result<Duration, String> {
    const DAY: f64 = 24.0 * 60.0 * 60.0;
    let days: f64 = text.parse().map_err(|_| "not a number of days")?;
    Duration::try_from_secs_f64(days * DAY).map_err(|_| "not a number of days".to_owned())
}

/// A number of bytes: `500`, `500MB` (thousands) or `2GiB` (powers of 1,024).
fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let factor: u64 = match unit.trim().trim_end_matches('b') {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        "t" => 1_000_000_000_000,
        "ki" => 1 << 10,
        "mi" => 1 << 20,
        "gi" => 1 << 30,
        "ti" => 1 << 40,
        _ => return Err("not a size: write `500MB` or `2GiB`".to_owned()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole
            .checked_mul(factor)
            .ok_or_else(|| "too large".to_owned());
    }
    let number: f64 = number
        .parse()
        .map_err(|_| "not a size: write `500MB` or `2GiB`")?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a size with a fraction is approximate, and the cast saturates"
    )]
    Ok((number * factor as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_days_are_read_with_units_and_fractions() {
        for (text, expected) in [
            ("0", Some(0)),
            ("500", Some(500)),
            ("1kB", Some(1_000)),
            ("1 KiB", Some(1_024)),
            ("2GiB", Some(2 << 30)),
            ("1.5M", Some(1_500_000)),
            ("", None),
            ("MB", None),
            ("-1", None),
            ("1XB", None),
            ("99999999999TB", None),
        ] {
            assert_eq!(bytes(text).ok(), expected, "{text}");
        }
        assert_eq!(days("0.5"), Ok(Duration::from_secs(43_200)));
        assert!(days("-1").is_err() && days("x").is_err() && days("1e300").is_err());
    }
}

//! The values of options: their words, their limits, and what is said about other values.

use std::ops::RangeInclusive;

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

#[cfg(feature = "http")]
use pkg_install::command::{LinkMode, StoreUse};
use pkg_install::{Invalidation, OnConflict, Verify};

/// How to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressMode {
    /// Bars on a terminal, plain lines elsewhere
    Auto,
    /// Bars, on a terminal
    Bars,
    /// Plain lines
    Plain,
    /// One line of JSON per event, even with `--quiet`; other lines on stderr stay text
    Json,
    /// Nothing
    None,
}

/// The form of warnings and errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Lines of text
    Text,
    /// Also annotations and a summary of the job, for GitHub Actions
    Github,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal; NO_COLOR, FORCE_COLOR, CLICOLOR and TERM count
    Auto,
    /// In pipes, too
    Always,
    /// Never
    Never,
}

/// How to print the list of projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// A table
    Columns,
    /// Lines that `--requirements` reads
    Freeze,
    /// pip's array of names and versions
    Json,
    /// A bill of materials (CycloneDX 1.6)
    Cyclonedx,
}

/// A shell that completes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// bash 4.4 or newer
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// The words that an option takes, the value of each and its help.
type ValueTable<T> = &'static [(&'static str, T, &'static str)];

pub const ON_CONFLICT: ValueTable<OnConflict> = &[
    ("error", OnConflict::Error, "Refuse"),
    (
        "first",
        OnConflict::First,
        "Keep what is installed or comes earlier",
    ),
    ("last", OnConflict::Last, "Let what comes later win"),
];

pub const VERIFY: ValueTable<Verify> = &[
    (
        "strict",
        Verify::Strict,
        "Accept only what the specification allows",
    ),
    (
        "normal",
        Verify::Normal,
        "Accept harmless deviations, with a warning",
    ),
    ("off", Verify::Off, "Check CRC-32 and sizes only"),
];

#[cfg(feature = "http")]
pub const STORE: ValueTable<StoreUse> = &[
    (
        "auto",
        StoreUse::Auto,
        "For all wheels but those that are given as paths",
    ),
    ("always", StoreUse::Always, "For all wheels"),
    ("never", StoreUse::Never, "For none"),
];

#[cfg(feature = "http")]
pub const LINK_MODE: ValueTable<LinkMode> = &[
    (
        "auto",
        LinkMode::Auto,
        "The first of these that is possible",
    ),
    (
        "reflink",
        LinkMode::Reflink,
        "Copies that share their blocks until they are changed",
    ),
    ("hardlink", LinkMode::Hardlink, "Hard links"),
    ("copy", LinkMode::Copy, "Copies"),
    (
        "symlink",
        LinkMode::Symlink,
        "Symbolic links to whole packages, which break if the cache is removed",
    ),
];

pub const INVALIDATION: ValueTable<Invalidation> = &[
    (
        "timestamp",
        Invalidation::Timestamp,
        "By the time and the size of the source",
    ),
    (
        "checked-hash",
        Invalidation::CheckedHash,
        "By a hash of the source",
    ),
    ("unchecked-hash", Invalidation::UncheckedHash, "Not at all"),
];

/// The limits of `--optimize`.
pub const LEVELS: RangeInclusive<u64> = 0..=2;
/// The limits of `--jobs`.
// More threads than this only cost memory on any machine of today.
pub const THREADS: RangeInclusive<u64> = 1..=1024;
/// The limits of `--concurrent-downloads`.
#[cfg(feature = "http")]
// Each download holds a connection, and servers limit those per client.
pub const CONNECTIONS: RangeInclusive<u64> = 1..=256;
/// The limits of `--lock-timeout`.
pub const ANY_SECONDS: RangeInclusive<u64> = 0..=u64::MAX;

/// Parses one of `words` to its value. The library's types know nothing of clap, so a derived
/// `ValueEnum` would be a second copy of each of them.
pub fn one_of<T>(words: ValueTable<T>) -> impl TypedValueParser<Value = T>
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

/// Parses one line of text.
pub fn one_line(text: &str) -> Result<String, String> {
    let fits = !text.is_empty() && !text.chars().any(char::is_control);
    if fits {
        Ok(text.to_owned())
    } else {
        Err("must be one non-empty line".to_owned())
    }
}

/// Parses a whole number within the limits.
pub fn number<T: TryFrom<u64>>(
    limits: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("not a number".to_owned());
        }
        let parsed = text.parse().ok().filter(|value| limits.contains(value));
        parsed
            .and_then(|value| T::try_from(value).ok())
            .ok_or_else(|| format!("must be {} to {}", limits.start(), limits.end()))
    }
}

/// The yes or no that the variable of a flag stands for.
pub fn yes_or_no(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" | "y" | "t" => Some(true),
        "0" | "false" | "no" | "off" | "n" | "f" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_outside_of_its_limits_is_refused_with_them() {
        let jobs = number::<u16>(THREADS);
        assert_eq!((jobs("1"), jobs("1024")), (Ok(1), Ok(1024)));
        for wrong in ["0", "1025", "99999999999999999999"] {
            assert_eq!(jobs(wrong), Err("must be 1 to 1024".to_owned()));
        }
        for wrong in ["-1", "x", "", "1.5"] {
            assert_eq!(jobs(wrong), Err("not a number".to_owned()));
        }
    }

    #[test]
    fn the_variable_of_a_flag_is_yes_or_no() {
        assert!(
            ["1", "True", "yes", "ON"]
                .iter()
                .all(|yes| yes_or_no(yes) == Some(true))
        );
        assert!(
            ["0", "false", "No", "off"]
                .iter()
                .all(|no| yes_or_no(no) == Some(false))
        );
        assert_eq!(yes_or_no("nope"), None);
    }
}

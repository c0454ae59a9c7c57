//! Variables: every option `--name` has one, `PKG_INSTALL_NAME`.
//!
//! Input: the program's arguments and the process's variables. Output: [`Matched`], the arguments
//! as clap parsed them, with the variables added as if they had been typed. What is typed wins: a
//! variable is left out if its option was typed, or if one that excludes it was. An empty variable
//! counts as unset. A value that the option does not take is refused, and the refusal names the
//! variable.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::args::values::yes_or_no;
use super::refusal::{self, UsageError};

/// Options that exclude each other and that the library compares, not clap.
const EXCLUSIVE: &[(&str, &[&str])] = &[("target", &["prefix", "root"])];

/// Parsed arguments.
pub struct Matched {
    /// All of them, the variables included.
    pub all: ArgMatches,
    /// Only those that were typed.
    typed: ArgMatches,
}

impl Matched {
    /// Whether this option of the command was typed, by its identifier.
    pub fn is_typed(&self, id: &str) -> bool {
        is_typed(innermost(&self.typed), id)
    }
}

/// Parses the arguments, and then again with the variables in front.
pub fn matches(command: &Command, arguments: &[OsString]) -> Result<Matched, clap::Error> {
    let typed = command.clone().try_get_matches_from(arguments)?;
    Ok(Matched {
        all: typed.clone(),
        typed,
    })
}

/// Adds the variables of all options of the command that was typed.
pub fn add(
    command: &Command,
    arguments: &[OsString],
    matched: &mut Matched,
) -> Result<(), UsageError> {
    let (words, leaf) = refusal::command_words(command, arguments);
    // Its options are those of another program, and mean something else than ours of that name.
    if leaf.get_name() == "installer" {
        return Ok(());
    }
    let typed = innermost(&matched.typed).clone();
    // Options go behind the words of the command, where they are not yet followed by a `--`.
    let (front, rest) = arguments.split_at(words);
    let mut added: Vec<OsString> = Vec::new();
    let mut names: Vec<(&Arg, String)> = Vec::new();
    for arg in leaf.get_arguments() {
        let Some((name, value)) = variable(arg) else {
            continue;
        };
        if is_typed(&typed, arg.get_id().as_str()) || is_excluded(leaf, arg, &typed) {
            continue;
        }
        let options = options_of(arg, &name, &value)?;
        if options.is_empty() {
            continue;
        }
        if let Some((_, other)) = names.iter().find(|(other, _)| excludes(leaf, arg, other)) {
            return Err(UsageError::new(format!(
                "the variables {other} and {name} cannot be used together"
            )));
        }
        added.extend(options);
        let trial = front.iter().chain(&added).chain(rest);
        // Each variable is tried by itself, so that a refusal can name it.
        matched.all = command
            .clone()
            .try_get_matches_from(trial)
            .map_err(|error| {
                let value = value.to_string_lossy();
                let reason = refusal::value_reason(&error);
                UsageError::new(format!("the variable {name} is `{value}`: {reason}"))
            })?;
        names.push((arg, name));
    }
    Ok(())
}

/// Whether a variable says yes to a flag. For use before arguments are parsed.
pub fn is_set(name: &str) -> bool {
    std::env::var(format!("PKG_INSTALL_{name}")).is_ok_and(|value| yes_or_no(&value) == Some(true))
}

/// The time that `SOURCE_DATE_EPOCH` states for everything that is made, in seconds since 1970.
///
/// # Errors
/// It is not a number of seconds that an archive can state.
pub fn source_date_epoch() -> Result<Option<u64>, UsageError> {
    const NAME: &str = "SOURCE_DATE_EPOCH";
    // The header of a tar archive has room for eleven octal digits.
    const LAST: u64 = 0o777_7777_7777;
    let Some(value) = std::env::var_os(NAME).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let text = value.to_string_lossy();
    match text.parse() {
        Ok(seconds) if seconds <= LAST => Ok(Some(seconds)),
        _ => Err(UsageError::new(format!(
            "the variable {NAME} is `{text}`, which is not a number of seconds since 1970"
        ))),
    }
}

/// The variable of an option and its value, unless it is unset or empty.
fn variable(arg: &Arg) -> Option<(String, OsString)> {
    let asks = matches!(
        arg.get_action(),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
    );
    let names = [arg.get_long()?].into_iter().filter(|_| !asks);
    let names = names.chain(arg.get_all_aliases().into_iter().flatten());
    names
        .map(|long| format!("PKG_INSTALL_{}", long.to_uppercase().replace('-', "_")))
        .find_map(|name| {
            let value = std::env::var_os(&name).filter(|value| !value.is_empty())?;
            Some((name, value))
        })
}

/// What to add to the arguments for a variable: nothing if it says no to a flag.
fn options_of(arg: &Arg, name: &str, value: &OsString) -> Result<Vec<OsString>, UsageError> {
    let long = format!("--{}", arg.get_long().unwrap_or_default());
    let times = match arg.get_action() {
        ArgAction::SetTrue => value.to_str().and_then(yes_or_no).map(usize::from),
        ArgAction::Count => value.to_str().and_then(|text| match text {
            "2" => Some(2),
            _ => yes_or_no(text).map(usize::from),
        }),
        _ => {
            let mut option = OsString::from(long + "=");
            option.push(value);
            return Ok(vec![option]);
        }
    };
    let times = times.ok_or_else(|| {
        let value = value.to_string_lossy();
        UsageError::new(format!(
            "the variable {name} is `{value}`: must be yes or no"
        ))
    })?;
    Ok(vec![long.into(); times])
}

/// Whether an option that excludes this one was typed.
fn is_excluded(command: &Command, arg: &Arg, typed: &ArgMatches) -> bool {
    let mut others = command.get_arguments();
    others.any(|other| is_typed(typed, other.get_id().as_str()) && excludes(command, arg, other))
}

fn excludes(command: &Command, one: &Arg, two: &Arg) -> bool {
    let in_clap = |one: &Arg, two: &Arg| {
        let others = command.get_arg_conflicts_with(one);
        others.iter().any(|other| other.get_id() == two.get_id())
    };
    let in_table = |one: &Arg, two: &Arg| {
        EXCLUSIVE.iter().any(|(id, others)| {
            one.get_id() == id && others.iter().any(|other| two.get_id() == other)
        })
    };
    in_clap(one, two) || in_clap(two, one) || in_table(one, two) || in_table(two, one)
}

fn is_typed(matches: &ArgMatches, id: &str) -> bool {
    matches.try_contains_id(id).is_ok()
        && matches.value_source(id) == Some(ValueSource::CommandLine)
}

fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches
        .subcommand()
        .map_or(matches, |(_, inner)| innermost(inner))
}

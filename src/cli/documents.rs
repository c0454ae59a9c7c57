//! Commands that print or write texts about the program itself: help, completions, manual pages.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Command;
use pkg_install::Result;
use pkg_install::command::{Document, Fs};

use super::args::{HelpArgs, ManArgs, SubCommand};
use super::refusal::{self, UsageError};
use super::{completion, manual};

/// What such a command leads to.
pub enum Answer {
    /// A text to print.
    Text(String),
    /// Pages to write into a directory: the name and the text of each.
    Pages(PathBuf, Vec<(String, String)>),
    /// The arguments are refused.
    Refused(UsageError),
}

/// What there is to print or write for such a command; none for another one. `command` is the
/// definition of the program.
pub fn answer(
    asked: Option<&SubCommand>,
    mut command: Command,
    arguments: &[OsString],
) -> Option<Answer> {
    if let Some(SubCommand::Help(_) | SubCommand::Man(_)) = asked {
        // The full names of commands are known only then.
        command.build();
    }
    Some(match asked? {
        SubCommand::Help(HelpArgs { command: about }) => help(command, about.as_deref()),
        SubCommand::Completions(args) => {
            let own_name = arguments.first().cloned();
            let own_name = own_name.unwrap_or_else(|| "pkg-install".into());
            Answer::Text(completion::script(args.shell, &own_name))
        }
        SubCommand::Man(ManArgs { dir: Some(dir), .. }) => {
            Answer::Pages(dir.clone(), manual::pages(&command))
        }
        SubCommand::Man(ManArgs { command: about, .. }) => page(&command, about),
        _ => return None,
    })
}

/// The long help of a command, or of the program.
fn help(mut command: Command, about: Option<&str>) -> Answer {
    let Some(word) = about else {
        return Answer::Text(command.render_long_help().ansi().to_string());
    };
    match command.find_subcommand_mut(word) {
        Some(found) => Answer::Text(found.render_long_help().ansi().to_string()),
        None => unknown(word, &command),
    }
}

/// The manual page of the command that the words name, as `cache prune`.
fn page(command: &Command, words: &[String]) -> Answer {
    let mut found = command;
    for word in words {
        match found.find_subcommand(word) {
            Some(inner) => found = inner,
            None => return unknown(word, found),
        }
    }
    Answer::Text(manual::page(command, found))
}

fn unknown(word: &str, command: &Command) -> Answer {
    Answer::Refused(refusal::unknown_command(word, command, command.get_name()))
}

/// Writes pages into a directory, which is made if it is missing; returns the paths as lines.
///
/// # Errors
/// The directory cannot be made or written to.
pub fn write(directory: &Path, pages: &[(String, String)]) -> Result<String> {
    let mut lines = String::new();
    for (name, page) in pages {
        Document::write_into(directory, name, page.as_bytes(), &Fs::default())?;
        lines += &format!("{}\n", directory.join(name).display());
    }
    Ok(lines)
}

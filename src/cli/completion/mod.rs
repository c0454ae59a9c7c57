//! Completion in a shell: the script that the shell loads, and the answers to its questions.
//!
//! The script calls this program with [`VARIABLE`] set to the name of the shell and, behind `--`,
//! the words that are typed so far. So the options that are offered are always those of the program
//! that will run, and projects and extras are looked up at that moment. An answer is best effort:
//! whatever cannot be read is left out, since a shell has no place for an error.

mod candidates;

use std::ffi::OsString;

use clap::CommandFactory as _;
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

use super::args::Cli;
use super::args::values::Shell;
use candidates::with_candidates;

/// Says that a shell asks, and which one.
// The underscore keeps it apart from the variables of options, which begin with PKG_INSTALL.
const VARIABLE: &str = "_PKG_INSTALL_COMPLETE";

fn completer(shell: Shell) -> &'static dyn EnvCompleter {
    match shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
    }
}

/// The script that teaches a shell to ask this program. `own_name` is how the program was called.
pub fn script(shell: Shell, own_name: &OsString) -> String {
    let mut program = std::path::PathBuf::from(own_name);
    // A name without a directory is looked up in the PATH again, so that the script survives a
    // move of the program. A relative path would mean another file in every directory.
    if program.components().count() > 1
        && let Ok(directory) = std::env::current_dir()
    {
        program = directory.join(program);
    }
    let mut text = Vec::new();
    completer(shell)
        .write_registration(
            VARIABLE,
            "pkg-install",
            "pkg-install",
            &program.to_string_lossy(),
            &mut text,
        )
        .expect("a vector takes every write");
    String::from_utf8(text).expect("the script is made of strings")
}

/// The answer to the question of a shell; none if the program was not called by one.
pub fn answer(arguments: &[OsString]) -> Option<String> {
    let asking = std::env::var(VARIABLE).ok()?;
    let shells = [Shell::Bash, Shell::Zsh, Shell::Fish];
    let shell = shells
        .into_iter()
        .find(|shell| completer(*shell).name() == asking);
    let mut words = arguments.iter().skip_while(|word| *word != "--").skip(1);
    let words: Vec<OsString> = words.by_ref().cloned().collect();
    let Some(shell) = shell.filter(|_| !words.is_empty()) else {
        return Some(String::new());
    };
    let mut command = with_candidates(Cli::command(), &words);
    let mut text = Vec::new();
    let directory = std::env::current_dir().ok();
    let written =
        completer(shell).write_complete(&mut command, words, directory.as_deref(), &mut text);
    // Half an answer is worse than none.
    let text = written.ok().and_then(|()| String::from_utf8(text).ok());
    Some(text.unwrap_or_default())
}

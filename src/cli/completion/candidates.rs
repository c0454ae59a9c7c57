//! What can be typed for an argument: installed projects, wheels, extras, dependency groups.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Arg, Command, ValueHint};
use clap_complete::engine::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _,
};

use crate::cli::args::groups::EnvironmentArgs;
use crate::cli::environment::located;
use pkg_install::command::{self, Context, Document, Fs, Options};
use pkg_install::progress::Silent;
use pkg_install::{Cancellation, Environment, LocatePurpose};

/// Commands whose names are those of installed projects.
const OF_INSTALLED: &[&str] = &["uninstall", "check", "show"];
/// Commands whose arguments may be wheels.
const OF_WHEELS: &[&str] = &["pkg-install", "install", "download", "verify"];

/// The command with what completes its arguments. `words` are the words that are typed so far, the
/// first of which is the name of the program.
pub fn with_candidates(command: Command, words: &[OsString]) -> Command {
    let words = words.iter().map(|word| unquoted(word)).collect();
    let names = command.get_subcommands().map(Command::get_name);
    let names: Vec<String> = names.map(str::to_owned).collect();
    completed(command, &Arc::new(Typed { words, names }))
}

/// What is typed so far, and the commands of the program.
struct Typed {
    words: Vec<String>,
    names: Vec<String>,
}

fn completed(command: Command, typed: &Arc<Typed>) -> Command {
    let name = command.get_name().to_owned();
    command
        .mut_args(|arg| argument(&name, arg, typed))
        .mut_subcommands(|inner| completed(inner, typed))
}

/// The argument of the command of this name, with what completes it.
fn argument(command: &str, arg: Arg, typed: &Arc<Typed>) -> Arg {
    if !arg.get_action().takes_values() {
        return arg;
    }
    let typed = Arc::clone(typed);
    match arg.get_id().as_str() {
        "names" if OF_INSTALLED.contains(&command) => arg.add(projects(typed)),
        "wheels" if OF_WHEELS.contains(&command) => {
            let has_names = command != "verify";
            arg.add(ArgValueCompleter::new(move |current: &OsStr| {
                let mut found = wheels(current);
                if has_names {
                    let names = typed.installed().into_iter();
                    found.extend(names.filter(|name| begins_with(name, current)));
                }
                found
            }))
        }
        "named" => arg.add(projects(typed)),
        "extra" => arg.add(ArgValueCandidates::new(move || typed.keys("extras"))),
        "group" => arg.add(ArgValueCandidates::new(move || typed.keys("groups"))),
        "command" => arg.add(ArgValueCandidates::new(move || {
            typed.names.iter().map(CompletionCandidate::new).collect()
        })),
        "target" | "prefix" | "root" | "cache_dir" | "dest" | "dir" => {
            arg.value_hint(ValueHint::DirPath)
        }
        _ => arg,
    }
}

fn projects(typed: Arc<Typed>) -> ArgValueCandidates {
    ArgValueCandidates::new(move || typed.installed())
}

fn begins_with(candidate: &CompletionCandidate, current: &OsStr) -> bool {
    let value = candidate.get_value().to_string_lossy();
    value.starts_with(&*current.to_string_lossy())
}

/// Wheels, and directories on the way to them.
fn wheels(current: &OsStr) -> Vec<CompletionCandidate> {
    let is_wheel = |path: &Path| {
        let ends = path.extension().is_some_and(|end| end == "whl");
        ends || path.is_dir()
    };
    PathCompleter::any().filter(is_wheel).complete(current)
}

impl Typed {
    /// The values of an option, in the order in which they are typed.
    fn values(&self, long: &str, short: Option<char>) -> Vec<&str> {
        let mut values = Vec::new();
        let mut words = self.words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            let long_value = word.strip_prefix(long);
            let short_value = short
                .and_then(|short| word.strip_prefix('-')?.strip_prefix(short))
                .filter(|_| !word.starts_with("--"));
            match long_value.or(short_value) {
                // bash makes three words of `--target=venv`.
                Some("") => values.extend(words.by_ref().find(|word| *word != "=")),
                Some(rest) if short_value.is_some() => values.push(rest),
                Some(rest) => values.extend(rest.strip_prefix('=')),
                None => {}
            }
        }
        values
    }

    /// The last value of an option, or else that of its variable.
    fn path(&self, long: &str, short: Option<char>) -> Option<PathBuf> {
        let typed = self.values(&format!("--{long}"), short);
        let variable = || {
            let name = format!("PKG_INSTALL_{}", long.to_uppercase());
            std::env::var_os(name).filter(|value| !value.is_empty())
        };
        let typed = typed.last().map(|value| from_home(value));
        typed.or_else(|| Some(PathBuf::from(variable()?)))
    }

    /// The projects in the environment that the options name.
    fn installed(&self) -> Vec<CompletionCandidate> {
        // A prefix without an interpreter has the directories of the one that is described.
        let described = |option: &str| self.values(option, None).last().copied();
        let environment = EnvironmentArgs {
            target: self.path("target", Some('t')),
            python: self.path("python", None),
            prefix: self.path("prefix", None),
            root: self.path("root", None),
            python_version: described("--python-version").and_then(|text| text.parse().ok()),
            python_platform: described("--python-platform").and_then(|text| text.parse().ok()),
            ..EnvironmentArgs::default()
        };
        let locate = located(&environment, LocatePurpose::Read);
        // A person waits for the answer, so it does not wait for other commands.
        let options = Options::default().with_lock_timeout(Duration::ZERO);
        let found = Environment::locate(&locate).and_then(|environment| {
            quietly(|context| command::installed_versions(&environment, &options, context))
        });
        let projects = found.unwrap_or_else(|_| Vec::new()).into_iter();
        projects
            .map(|(name, version)| CompletionCandidate::new(name).help(Some(version.into())))
            .collect()
    }

    /// The extras or groups of the lock files and the `pyproject.toml` that are named.
    fn keys(&self, kind: &str) -> Vec<CompletionCandidate> {
        let locks = self.values("--lock", None);
        let lists = self.values("--requirements", Some('r'));
        // `sync` takes its files without an option.
        let plain = self.words.iter().map(String::as_str);
        let plain = plain.filter(|word| word.ends_with(".toml"));
        let files = locks.into_iter().chain(lists).chain(plain);
        let files: BTreeSet<PathBuf> = files.map(from_home).collect();
        let keys: BTreeSet<String> = files
            .iter()
            .filter_map(|file| {
                let options = Options::default();
                let document = quietly(|context| Document::read(file, &options, context)).ok()?;
                let text = String::from_utf8(document.content).ok()?;
                toml::from_str::<toml::Table>(&text).ok()
            })
            .flat_map(|table| keys_of(&table, kind))
            .collect();
        keys.into_iter().map(CompletionCandidate::new).collect()
    }
}

/// The extras or groups that a lock file or a `pyproject.toml` defines.
fn keys_of(table: &toml::Table, kind: &str) -> Vec<String> {
    let named = match kind {
        "extras" => table.get("extras"),
        _ => table.get("dependency-groups"),
    };
    let optional = table
        .get("project")
        .and_then(|project| project.get("optional-dependencies"))
        .filter(|_| kind == "extras");
    let mut keys = Vec::new();
    for value in named.into_iter().chain(optional) {
        match value {
            // In a lock file both are lists of names, in a `pyproject.toml` tables.
            toml::Value::Array(names) => {
                keys.extend(
                    names
                        .iter()
                        .filter_map(|name| Some(name.as_str()?.to_owned())),
                );
            }
            toml::Value::Table(table) => keys.extend(table.keys().cloned()),
            _ => {}
        }
    }
    keys
}

fn quietly<T>(act: impl FnOnce(Context<'_>) -> T) -> T {
    act(Context {
        fs: &Fs::default(),
        cancel: &Cancellation::default(),
        events: &Silent,
    })
}

/// The word without the quotes that a shell takes away before it runs the command.
fn unquoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    match shlex::split(&word).as_deref() {
        Some([one]) => one.clone(),
        _ => word.into_owned(),
    }
}

/// The path, with a leading `~` replaced as shells do; they hand the word over as it was typed.
fn from_home(text: &str) -> PathBuf {
    match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(words: &[&str]) -> Typed {
        Typed {
            words: words.iter().map(|&word| word.to_owned()).collect(),
            names: Vec::new(),
        }
    }

    #[test]
    fn the_values_of_an_option_are_found_in_every_spelling() {
        let words = [
            "x",
            "-t",
            "a",
            "--target",
            "b",
            "--target=c",
            "-td",
            "--targets=e",
            "--target",
            "=",
            "f",
        ];
        let typed = typed(&words);
        assert_eq!(
            typed.values("--target", Some('t')),
            ["a", "b", "c", "d", "f"]
        );
        assert_eq!(typed.values("--python", None), [""; 0]);
    }

    #[test]
    fn extras_and_groups_are_read_from_lock_files_and_projects() {
        let lock = "extras = ['a', 'b']\ndependency-groups = ['dev']";
        let project = "[project.optional-dependencies]\nc = []\n[dependency-groups]\ntest = []";
        let read = |text: &str| toml::from_str::<toml::Table>(text).expect("it is TOML");
        assert_eq!(keys_of(&read(lock), "extras"), ["a", "b"]);
        assert_eq!(keys_of(&read(lock), "groups"), ["dev"]);
        assert_eq!(keys_of(&read(project), "extras"), ["c"]);
        assert_eq!(keys_of(&read(project), "groups"), ["test"]);
    }
}

//! Refusals of arguments: from clap's errors to sentences of our own, and mistyped commands.
//!
//! Clap's tips are left out: it suggests any option that is somewhat alike, and `-- -y` for an
//! option that does not exist.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use pkg_install::command::Source;

/// A usage error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError {
    /// One sentence: lower case, no full stop.
    pub message: String,
    /// What to do instead.
    pub hint: Option<String>,
}

/// Words that are commands of other tools, and what does the same here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("add", "pkg-install install"),
    ("autoremove", "pkg-install sync FILE"),
    ("clean", "pkg-install cache clean"),
    ("compile", "pkg-install resolve"),
    ("delete", "pkg-install uninstall"),
    ("erase", "pkg-install uninstall"),
    ("export", "pkg-install resolve --lock pylock.toml"),
    ("files", "pkg-install show --files"),
    ("freeze", "pkg-install list --format freeze"),
    ("info", "pkg-install show"),
    ("inspect", "pkg-install list --json"),
    ("lock", "pkg-install resolve --lock pylock.toml"),
    ("ls", "pkg-install list"),
    ("outdated", "pkg-install install --upgrade --dry-run"),
    ("purge", "pkg-install uninstall"),
    ("remove", "pkg-install uninstall"),
    ("repair", "pkg-install check, then pkg-install --reinstall"),
    ("revert", "pkg-install undo"),
    ("rm", "pkg-install uninstall"),
    ("rollback", "pkg-install undo"),
    ("update", "pkg-install install --upgrade"),
    ("upgrade", "pkg-install install --upgrade"),
    ("version", "pkg-install --version"),
    // Nothing here does what these do elsewhere.
    ("config", "pkg-install -h"),
    ("debug", "pkg-install -h"),
    ("index", "pkg-install -h"),
    ("init", "pkg-install -h"),
    ("run", "pkg-install -h"),
    ("search", "pkg-install -h"),
    ("venv", "pkg-install -h"),
];

/// Options of other tools, and what does the same here.
const OPTIONS_ELSEWHERE: &[(&str, &str)] = &[
    ("--dry", "use `--dry-run`"),
    ("--editable", "editable installations are not supported"),
    ("-e", "editable installations are not supported"),
    ("--force", "use `--reinstall`, or `--on-conflict last`"),
    ("--force-reinstall", "use `--reinstall`"),
    ("--ignore-installed", "use `--reinstall`"),
    ("-I", "use `--reinstall`"),
    ("--cert", "name the file in the variable SSL_CERT_FILE"),
    ("--progress-bar", "use `--progress none`"),
    (
        "--proxy",
        "set the variables `http_proxy` and `https_proxy`",
    ),
    ("--requirement", "use `--requirements`"),
    ("--system", "name the interpreter: `--python python3`"),
    (
        "--user",
        "name the environment: `--target DIR` or `--python EXE`",
    ),
    ("--force-yes", "leave it out: no question is asked"),
];

impl UsageError {
    /// A refusal without a hint.
    pub fn new(message: String) -> Self {
        Self {
            message,
            hint: None,
        }
    }

    fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The refusal that stands in clap's error about these arguments.
    pub fn of_clap(error: &clap::Error, command: &Command, arguments: &[OsString]) -> Self {
        let (words, leaf) = command_words(command, arguments);
        let typed: Vec<_> = arguments[1..words.max(1)]
            .iter()
            .map(|word| word.to_string_lossy())
            .collect();
        let name = [command.get_name().into()]
            .into_iter()
            .chain(typed)
            .collect::<Vec<_>>()
            .join(" ");
        let see = format!("`{name} -h` lists the options");
        let subject = text(error, ContextKind::InvalidArg).unwrap_or_default();
        match error.kind() {
            ErrorKind::UnknownArgument if subject.starts_with('-') => {
                let message = format!("`{subject}` is not an option of `{name}`");
                let hint = option_hint(&subject, command, leaf).unwrap_or(see);
                Self::new(message).with_hint(hint)
            }
            ErrorKind::UnknownArgument => {
                Self::new(format!("`{name}` takes no `{subject}`")).with_hint(see)
            }
            ErrorKind::InvalidSubcommand => {
                let word = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
                unknown_command(&word, leaf, &name)
            }
            ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                let names: Vec<_> = leaf.get_subcommands().map(Command::get_name).collect();
                Self::new(format!("`{name}` needs a command: {}", names.join(", ")))
            }
            ErrorKind::ArgumentConflict => {
                let other = text(error, ContextKind::PriorArg).unwrap_or_default();
                let (one, two) = (option_name(&subject), option_name(&other));
                Self::new(if one == two {
                    format!("`{one}` is given more than once")
                } else {
                    format!("`{one}` and `{two}` cannot be used together")
                })
            }
            ErrorKind::MissingRequiredArgument => {
                let missing = subject.replace(['<', '>', '[', ']'], "").replace("...", "");
                Self::new(format!("`{name}` needs a {missing}")).with_hint(see)
            }
            ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
                let (option, value) = (option_name(&subject), invalid_value(error));
                if value.is_empty() && !subject.contains('=') {
                    return Self::new(format!("`{option}` needs a value"));
                }
                Self::new(format!("`{option} {value}`: {}", value_reason(error)))
            }
            _ => Self::new(first_line(error)).with_hint(see),
        }
    }
}

/// What is wrong with a value, as words that follow it and a colon.
pub fn value_reason(error: &clap::Error) -> String {
    if let Some(ContextValue::Strings(words)) = error.get(ContextKind::ValidValue)
        && !words.is_empty()
    {
        return format!("must be one of {}", words.join(", "));
    }
    match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => first_line(error),
    }
}

/// How many arguments name the program and its command, and that command.
pub fn command_words<'c>(command: &'c Command, arguments: &[OsString]) -> (usize, &'c Command) {
    let (mut words, mut leaf) = (arguments.len().min(1), command);
    while let Some(inner) = arguments.get(words).and_then(|word| {
        let word = word.to_str()?;
        leaf.get_subcommands()
            .find(|inner| inner.get_name() == word)
    }) {
        (words, leaf) = (words + 1, inner);
    }
    (words, leaf)
}

/// Refuses `word` as a wheel or project if it was meant as a command: it is one, or is mistyped, or
/// is a command of another tool. A file of that name is meant as the file. Commands are also
/// recognised in capitals: a package index may have a project of each of these names.
pub fn meant_as_command(word: &str, command: &Command) -> Option<UsageError> {
    let is_plain = word
        .bytes()
        .all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
    if !is_plain || word.starts_with('-') || Path::new(word).exists() {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    if let Some(known) = own_command(&lower, command) {
        let hint = format!("write `pkg-install {known} …`");
        let message = format!("`{word}` is a command, and commands go first");
        return Some(UsageError::new(message).with_hint(hint));
    }
    let mut refusal = unknown_command(&lower, command, command.get_name());
    refusal.hint.as_ref()?;
    refusal.message = refusal.message.replace(&lower, word);
    let message = format!(
        "{}; a project of this name is installed by `pkg-install install {word}`",
        refusal.message
    );
    Some(UsageError { message, ..refusal })
}

/// The command in a line of another tool that was typed behind the name of this program, as in
/// `pkg-install pip install six`.
pub fn command_among(words: &[PathBuf], command: &Command) -> Option<UsageError> {
    let (first, second) = (words.first()?.to_str()?, words.get(1)?.to_str()?);
    let is_tool = matches!(first, "pip" | "pip3" | "uv");
    let is_command = own_command(second, command).is_some() || second == "pip";
    (is_tool && is_command && !Path::new(second).exists()).then(|| {
        let message = format!("`{second}` is a command, and commands go first");
        UsageError::new(message).with_hint(format!("leave out `{first}`"))
    })
}

fn own_command<'c>(word: &str, command: &'c Command) -> Option<&'c str> {
    let mut known = command.get_subcommands().map(Command::get_name);
    known.find(|known| *known == word)
}

/// The refusal of a word that is no command of `parent`.
pub fn unknown_command(word: &str, parent: &Command, name: &str) -> UsageError {
    let refusal = UsageError::new(format!("`{word}` is not a command of `{name}`"));
    let names: Vec<&str> = parent.get_subcommands().map(Command::get_name).collect();
    if let Some(similar) = similar(word, &names) {
        return refusal.with_hint(format!("a similar command exists: `{similar}`"));
    }
    let elsewhere = ELSEWHERE.iter().find(|(known, _)| *known == word);
    match elsewhere {
        Some((_, here)) => refusal.with_hint(format!("use `{here}`")),
        None => refusal,
    }
}

/// A remark about a directory with wheels that is named like the command that was typed.
pub fn shadowed_directory(arguments: &[OsString], command: &Command) -> Option<String> {
    let (words, _) = command_words(command, arguments);
    let word = arguments.get(1).filter(|_| words > 1)?.to_str()?;
    let path = Path::new(word);
    let has_wheels = path.is_dir() && Source::from_argument(path).is_ok();
    has_wheels.then(|| format!("`{word}` is the command; write `./{word}` for the directory"))
}

fn option_hint(option: &str, command: &Command, leaf: &Command) -> Option<String> {
    if let Some((_, hint)) = OPTIONS_ELSEWHERE.iter().find(|(known, _)| *known == option) {
        return Some((*hint).to_owned());
    }
    let long = option.strip_prefix("--")?;
    let longs: Vec<&str> = leaf
        .get_arguments()
        .filter_map(|arg| arg.get_long())
        .collect();
    if let Some(similar) = similar(long, &longs) {
        return Some(format!("a similar option exists: `--{similar}`"));
    }
    let has_it = |command: &&Command| {
        let mut longs = command.get_arguments().filter_map(|arg| arg.get_long());
        longs.any(|known| known == long)
    };
    let owners: Vec<String> = command
        .get_subcommands()
        .filter(has_it)
        .map(|command| format!("`{}`", command.get_name()))
        .collect();
    (!owners.is_empty()).then(|| format!("it is an option of {}", owners.join(", ")))
}

/// The one of `names` that `word` is most likely a mistyping of.
fn similar<'n>(word: &str, names: &[&'n str]) -> Option<&'n str> {
    // One slip of the keys, or two in a long word. More would catch the names of projects.
    let most = if word.len() < 7 { 1 } else { 2 };
    let distance = |name: &str| strsim::osa_distance(word, name);
    let nearest = names.iter().min_by_key(|name| distance(name))?;
    (word.len() > 2 && distance(nearest) <= most).then_some(*nearest)
}

/// `--jobs` of `--jobs <N>`.
fn option_name(shown: &str) -> &str {
    let name = shown.split([' ', '=']).next().unwrap_or(shown);
    // An option that may be repeated is shown with dots.
    name.trim_end_matches("...")
}

fn invalid_value(error: &clap::Error) -> String {
    text(error, ContextKind::InvalidValue).unwrap_or_default()
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        _ => None,
    }
}

fn first_line(error: &clap::Error) -> String {
    let shown = error.to_string();
    let line = shown.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keys_is_recognised_and_another_word_is_not() {
        let names = [
            "install",
            "uninstall",
            "list",
            "check",
            "show",
            "undo",
            "verify",
        ];
        for (typed, meant) in [
            ("uninstal", "uninstall"),
            ("instal", "install"),
            ("intsall", "install"),
            ("unistall", "uninstall"),
            ("chek", "check"),
            ("lst", "list"),
            ("shwo", "show"),
            ("undoo", "undo"),
        ] {
            assert_eq!(similar(typed, &names), Some(meant), "{typed}");
        }
        for other in ["flask", "click", "black", "six", "numpy", "ls", "attrs"] {
            assert_eq!(similar(other, &names), None, "{other}");
        }
    }
}

//! The texts around the lists of options: usage, examples, exit codes, variables; and the version.

use std::ffi::OsString;

/// The answer to `--version`.
pub const VERSION: &str = concat!("pkg-install ", env!("CARGO_PKG_VERSION"), "\n");

/// The usage of the program.
pub const USAGE: &str = "pkg-install [OPTIONS] REQUIREMENT|WHEEL|DIR|URL...
       pkg-install [OPTIONS] -r FILE | --lock FILE | --report FILE
       pkg-install COMMAND [OPTIONS] ...";

/// The usage of `install`.
pub const INSTALL_USAGE: &str = "pkg-install [install] [OPTIONS] REQUIREMENT|WHEEL|DIR|URL...
       pkg-install [install] [OPTIONS] -r FILE | --lock FILE | --report FILE";

/// The end of the short help.
pub const AFTER_SHORT: &str = "\
`pkg-install --help` has all options, examples and exit codes.
`pkg-install COMMAND -h` has the options of a command.";

/// The end of the long help.
pub const AFTER_LONG: &str = "\
Examples:
  pkg-install 'flask>=3' --target venv             resolve and install
  pkg-install wheels/*.whl --target venv           install wheels into a virtual environment
  pkg-install --lock pylock.toml --target venv     install what a lock file pins
  pkg-install sync pylock.toml --target venv       … and remove everything else
  pkg-install --dry-run wheels --target venv       print the plan
  pkg-install --check -r pins.txt && echo current  exit with 1 if something would change
  pkg-install uninstall flask --undoable           remove a project
  pkg-install undo                                 bring it back
  pkg-install check --json | jq .differences       compare every file with RECORD

Exit codes:
  0         done, or nothing to do
  1         failed while working: disk full, permission, I/O, network; `--check`: something would
            change; `show`, `owner`: something was not found
  2         wrong usage
  3         input refused: not a valid wheel, hash mismatch, unsafe path, tags that do not fit
  4         conflict: two owners of one path, or two versions of one project
  5         environment refused: none found, externally managed, locked for too long
  6         `check` found differences
  7         no set of wheels satisfies the requirements
  130, 143  interrupted; terminated
  After any code but 0 the environment is what it was, and stderr says so.

Variables:
  Every option has a variable: `--on-conflict first` is PKG_INSTALL_ON_CONFLICT=first, and
  `--offline` is PKG_INSTALL_OFFLINE=1. What is typed wins, and an empty variable counts as unset.
  VIRTUAL_ENV, XDG_CACHE_HOME, SSL_CERT_FILE, NETRC, http_proxy, https_proxy, all_proxy, no_proxy,
  NO_COLOR, FORCE_COLOR, CLICOLOR and SOURCE_DATE_EPOCH mean what they mean elsewhere.";

/// Whether nothing but the version is asked for.
// Scripts ask for it often. Describing all commands for that would take longer than the rest of
// the program's start.
pub fn asks_for_version(arguments: &[OsString]) -> bool {
    matches!(arguments, [_, only] if only == "--version" || only == "-V")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::args::Cli;

    #[test]
    fn the_version_is_the_one_that_the_parser_would_print() {
        assert_eq!(Cli::command().render_version(), VERSION);
        for (typed, expected) in [(&["-V"][..], true), (&["--version"], true), (&[], false)] {
            let words = ["pkg-install"].iter().chain(typed).map(OsString::from);
            assert_eq!(asks_for_version(&words.collect::<Vec<_>>()), expected);
        }
        let more = ["pkg-install", "list", "--version"].map(OsString::from);
        assert!(!asks_for_version(&more));
    }
}

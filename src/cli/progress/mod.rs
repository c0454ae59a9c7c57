//! Progress while a command works, all of it on stderr.
//!
//! * [`bars`]: bars on a terminal, cleared at the end. [`counters`] has what they show,
//!   [`terminal`] draws them.
//! * [`plain`]: plain lines that say that the program waits or tries again. If stderr is no
//!   terminal, and with `--no-progress`.
//! * [`json_lines`]: one line of JSON per event, wherever stderr goes. With `--progress json`.
//!
//! `--quiet` leaves only the JSON events. Names and reasons contain no credentials. They are escaped
//! for people and left as they are in JSON.

mod bars;
mod counters;
mod json_lines;
mod plain;
mod terminal;

use std::io::{IsTerminal as _, Write as _};

use super::args::{OutputArgs, ProgressMode};
use pkg_install::{Progress, Silent};

/// The progress that the options ask for. Dropping it clears what it drew.
pub fn of(output: &OutputArgs) -> Box<dyn Progress> {
    let terminal = std::io::stderr().is_terminal() && !is_dumb();
    match output.progress {
        ProgressMode::Json => Box::new(json_lines::JsonLines::new(std::io::stderr())),
        _ if output.quiet => Box::new(Silent),
        ProgressMode::Auto if terminal && !output.no_progress => Box::<bars::Bars>::default(),
        ProgressMode::Auto => Box::<plain::Plain>::default(),
    }
}

/// Whether the terminal understands plain text only.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// Writes the text to stderr in one write; a failure is ignored, since progress is no result.
fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

//! What is told while a command works, all of it on stderr: bars on a terminal, remarks in a pipe,
//! or events for programs.
//!
//! * [`bars`]: a line for each running download, one for all of them and one for what is unpacked,
//!   drawn by one thread and cleared at the end. On a terminal.
//! * [`remarks`]: only what a person would want to know afterwards: that something is waited for or
//!   tried again. Where stderr is no terminal, and with `--no-progress`.
//! * [`events`]: a line of JSON for each event. With `--progress json`, whatever stderr is.
//!
//! With `--quiet` there is nothing but the events that were asked for. Names and reasons come
//! without credentials; for people they are escaped, in JSON they are as they are.

mod bars;
mod counters;
mod events;
mod lines;
mod remarks;
mod screen;

use std::io::{IsTerminal as _, Write as _};

use super::args::{Output, Shown};
use pkg_install::outcome::{Progress, Silent};

/// The progress that was asked for. What it drew is gone once it is dropped.
pub fn of(output: &Output) -> Box<dyn Progress> {
    let terminal = std::io::stderr().is_terminal() && !is_dumb();
    match output.progress {
        Shown::Json => Box::new(events::Events::new(std::io::stderr())),
        _ if output.quiet => Box::new(Silent),
        Shown::Auto if terminal && !output.no_progress => Box::<bars::Bars>::default(),
        Shown::Auto => Box::<remarks::Remarks>::default(),
    }
}

/// Whether the terminal is known to understand nothing but text.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// Writes all of it at once. That stderr cannot be written to stops nothing.
fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

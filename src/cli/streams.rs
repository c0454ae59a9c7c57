//! The two streams: results on stdout, everything else on stderr, each with colour or without.
//!
//! Texts have ANSI colours, which a stream that shows none drops. Whether it shows colour is
//! decided for each stream alone: stdout may be a file while stderr is a terminal.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anstream::{AutoStream, ColorChoice};

use super::args::values::Color;
use super::text::wrapping::wrapped;
use super::variables;

/// Prints results on stdout; returns whether that failed, which is said on stderr.
pub fn print(text: &str, color: Color) -> bool {
    let mut stdout = AutoStream::new(io::stdout(), choice(color)).lock();
    let written = stdout.write_all(text.as_bytes());
    match written.and_then(|()| stdout.flush()) {
        Ok(()) => false,
        // The reader has seen enough, as in `pkg-install list | head -1`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => false,
        Err(error) => {
            remark(&format!("error: cannot write the result: {error}\n"), color);
            true
        }
    }
}

/// Prints an answer that is all that was asked for.
pub fn answer(text: &str, color: Color) -> ExitCode {
    ExitCode::from(u8::from(print(text, color)))
}

/// Prints remarks on stderr.
pub fn remark(text: &str, color: Color) {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    let columns = size.map_or(0, |size| usize::from(size.ws_col));
    // A stream that is no terminal has no width, and some terminals do not know theirs.
    let wrapped = (columns > 0).then(|| wrapped(text, columns));
    let _ = AutoStream::new(io::stderr(), choice(color))
        .lock()
        .write_all(wrapped.as_deref().unwrap_or(text).as_bytes());
}

/// The choice for colours of arguments that could not be parsed.
pub fn typed_color(arguments: &[OsString]) -> Color {
    let mut words = arguments.iter().filter_map(|argument| argument.to_str());
    let mut color = if variables::is_set("NO_COLOR") {
        Color::Never
    } else {
        word_color(&std::env::var("PKG_INSTALL_COLOR").unwrap_or_default())
    };
    while let Some(word) = words.next() {
        match word.split_once('=') {
            Some(("--color", value)) => color = word_color(value),
            _ if word == "--color" => color = word_color(words.next().unwrap_or_default()),
            _ if word == "--no-color" => color = Color::Never,
            _ => {}
        }
    }
    color
}

fn word_color(word: &str) -> Color {
    match word {
        "always" => Color::Always,
        "never" => Color::Never,
        _ => Color::Auto,
    }
}

fn choice(color: Color) -> ColorChoice {
    let variable = |name| std::env::var(name).unwrap_or_default();
    match color {
        // Unlike `Always`, this also holds for terminals that claim to know no colours.
        Color::Always => ColorChoice::AlwaysAnsi,
        Color::Never => ColorChoice::Never,
        // The rest (NO_COLOR, CLICOLOR, TERM, a terminal or not) is decided by `anstream`, which
        // does not know FORCE_COLOR.
        Color::Auto
            if variable("NO_COLOR").is_empty()
                && !matches!(variable("FORCE_COLOR").as_str(), "" | "0" | "false") =>
        {
            ColorChoice::AlwaysAnsi
        }
        Color::Auto => ColorChoice::Auto,
    }
}

//! `--log FILE`: what a command says, kept in a file.
//!
//! Each command appends a line when it begins, then its results and messages as `-v` prints them,
//! without colour, and a line with its exit code. A log that cannot be opened stops the command
//! before it does anything; one that cannot be written to at the end is only reported, since the
//! change has been made by then.

use std::io::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use pkg_install::Result;
use pkg_install::command::{MessageFile, Timestamp};

/// The log of one command.
pub struct CommandLog {
    file: MessageFile,
    command: String,
}

impl CommandLog {
    /// Opens the log and writes the first line. `command` is the word of the command.
    pub fn begin(path: &Path, command: &str) -> Result<Self> {
        let mut log = Self {
            file: MessageFile::append(path)?,
            command: command.to_owned(),
        };
        // A full disk is found at the end as well, and is no reason to install nothing.
        let _ = log.line("begins");
        Ok(log)
    }

    /// Writes what the command has said; `text` may have colours.
    pub fn end(mut self, text: &str, exit_code: u8) -> std::io::Result<()> {
        let plain = anstream::adapter::strip_str(text).to_string();
        self.file.write_all(plain.as_bytes())?;
        self.line(&format!("ended with {exit_code}"))
    }

    fn line(&mut self, what: &str) -> std::io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        // A clock before 1970 is wrong anyway.
        let now = Timestamp::from_seconds(now.map_or(0, |since| since.as_secs()));
        let version = env!("CARGO_PKG_VERSION");
        let line = format!("{now} pkg-install {version} {} {what}\n", self.command);
        // One write, so that the lines of commands that run side by side stay whole.
        self.file.write_all(line.as_bytes())
    }
}

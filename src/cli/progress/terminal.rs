//! The terminal that the bars are drawn on, as `indicatif` sees it.
//!
//! `indicatif` fills each line up to the right edge and leaves the cursor there. Any echo of the
//! terminal, such as `^C`, then begins a line that `indicatif` does not know of, and all that it
//! clears later is one line off: bars stay on the screen. So this terminal leaves the fillers out,
//! ends each frame with the cursor at the start of the line below it, where an echo moves nothing,
//! and writes each frame at once.
//!
//! Limits: a terminal that is made narrower while bars stand may keep some of their lines.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::TermLike;

/// The size that is assumed if the terminal does not state one: columns, rows.
const DEFAULT_SIZE: (u16, u16) = (80, 24);

/// Draws frames on stderr.
#[derive(Debug, Default)]
pub struct Terminal {
    frame: Mutex<Frame>,
}

/// One frame, as far as it is known.
#[derive(Debug, Default)]
struct Frame {
    /// How many rows of the frame before are replaced.
    cleared: usize,
    lines: Vec<String>,
    /// Whether the next text is the filler that follows a line.
    filler: bool,
}

impl Frame {
    /// The text that puts this frame in the place of the one before.
    fn text(&self) -> String {
        if self.cleared == 0 && self.lines.is_empty() {
            return String::new();
        }
        let mut text = "\r".to_owned();
        if self.cleared > 0 {
            text += &format!("\u{1b}[{}A", self.cleared);
        }
        // Each line is cleared just before it is written, which flickers less than clearing all.
        text.extend(self.lines.iter().map(|line| format!("\u{1b}[K{line}\n")));
        text + "\u{1b}[J"
    }
}

impl Terminal {
    fn change(&self, change: impl FnOnce(&mut Frame)) -> io::Result<()> {
        change(&mut self.frame.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }
}

/// Columns and rows; both may change at any time.
pub fn size() -> (u16, u16) {
    // stdout may be a file or a pipe while the bars are drawn on stderr.
    let stated = rustix::termios::tcgetwinsize(io::stderr())
        .ok()
        .map(|size| (size.ws_col, size.ws_row));
    stated
        .filter(|&(columns, rows)| columns > 0 && rows > 0)
        .unwrap_or(DEFAULT_SIZE)
}

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        size().0
    }

    fn height(&self) -> u16 {
        // The cursor needs a row of its own below the frame.
        size().1.saturating_sub(1)
    }

    fn clear_line(&self) -> io::Result<()> {
        // Once for each row of the frame before.
        self.change(|frame| frame.cleared += 1)
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.change(|frame| frame.lines.push(line.to_owned()))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.change(|frame| {
            if !frame.filler {
                frame.lines.push(text.to_owned());
            }
            frame.filler = !frame.filler;
        })
    }

    fn flush(&self) -> io::Result<()> {
        self.change(|frame| {
            let text = std::mem::take(frame).text();
            // A terminal that is gone stops nothing.
            let _ = io::stderr().lock().write_all(text.as_bytes());
        })
    }

    // The rows are counted by `clear_line`; the position of the cursor meanwhile does not matter.
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(cleared: usize, lines: &[&str]) -> String {
        let lines = lines.iter().map(|&line| line.to_owned()).collect();
        Frame {
            cleared,
            lines,
            filler: false,
        }
        .text()
    }

    #[test]
    fn each_frame_begins_at_the_rows_that_it_replaces() {
        assert_eq!(frame(0, &[]), "");
        assert_eq!(
            frame(0, &["one", "two"]),
            "\r\u{1b}[Kone\n\u{1b}[Ktwo\n\u{1b}[J"
        );
        assert_eq!(
            frame(2, &["said", "one"]),
            "\r\u{1b}[2A\u{1b}[Ksaid\n\u{1b}[Kone\n\u{1b}[J"
        );
        assert_eq!(frame(1, &[]), "\r\u{1b}[1A\u{1b}[J");
    }

    #[test]
    fn fillers_are_left_out() {
        let terminal = Terminal::default();
        for text in ["one", "   ", "", "      "] {
            terminal.write_str(text).expect("it is kept");
        }
        let frame = terminal.frame.into_inner().expect("no panic");
        assert_eq!(frame.lines, ["one", ""]);
    }
}

//! The terminal that the bars are drawn on, as `indicatif` sees it.
//!
//! `indicatif` fills each line up to the right edge and leaves the cursor there. Any echo of the
//! terminal, such as `^C`, then begins a line that `indicatif` does not know of, and all that it
//! clears later is one line off: bars stay on the screen. So this terminal leaves the fillers out,
//! ends each frame with the cursor at the start of the line below it, where an echo moves nothing,
//! and writes each frame at once.
//!
//! Invariants: only this file knows which rows are on the screen, and it changes them under one
//! lock. Once [`Terminal::end`] has cleared them, frames that come late are dropped: a thread that
//! draws cannot put a bar back after a signal, however the threads run.
//!
//! Limits: a terminal that is made narrower while bars stand may keep some of their lines.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::TermLike;

/// The size that is assumed if the terminal does not state one: columns, rows.
const DEFAULT_SIZE: (u16, u16) = (80, 24);

/// Draws frames on stderr. Clones draw on the same rows.
#[derive(Debug, Clone, Default)]
pub struct Terminal {
    frame: Arc<Mutex<Frame>>,
}

/// The frame on the screen and the next one, as far as it is known.
#[derive(Debug, Default)]
struct Frame {
    /// The rows on the screen, just above the cursor.
    shown: Vec<String>,
    lines: Vec<String>,
    /// Whether the next text is the filler that follows a line.
    filler: bool,
    /// Whether nothing is drawn any more.
    ended: bool,
}

impl Frame {
    /// The text that replaces the rows on the screen by `said`, which stays, and `lines`.
    fn replace(&mut self, said: &[&str], lines: Vec<String>) -> String {
        if self.ended || (said.is_empty() && lines == self.shown) {
            return String::new();
        }
        let mut text = "\r".to_owned();
        if !self.shown.is_empty() {
            text += &format!("\u{1b}[{}A", self.shown.len());
        }
        self.shown = lines;
        // Each line is cleared just before it is written, which flickers less than clearing all.
        let lines = self.shown.iter().map(String::as_str);
        text.extend(
            said.iter()
                .copied()
                .chain(lines)
                .map(|line| format!("\u{1b}[K{line}\n")),
        );
        text + "\u{1b}[J"
    }
}

impl Terminal {
    /// Prints a line above the frame.
    pub fn print(&self, line: &str) {
        self.write(|frame| {
            if frame.ended {
                return format!("{line}\n");
            }
            let lines = frame.shown.clone();
            frame.replace(&[line], lines)
        });
    }

    /// Clears the frame for good. A `notice` stands in its place until it is cleared likewise.
    pub fn end(&self, notice: Option<&str>) {
        self.write(|frame| {
            let is_shown = !frame.shown.is_empty();
            // The notice itself is what a second call clears.
            frame.ended = frame.ended && !is_shown;
            let lines: Vec<String> = notice.map(str::to_owned).into_iter().collect();
            let text = frame.replace(&[], lines);
            frame.ended = true;
            text
        });
    }

    fn write(&self, change: impl FnOnce(&mut Frame) -> String) {
        let mut frame = self.frame.lock().unwrap_or_else(PoisonError::into_inner);
        let text = change(&mut frame);
        if !text.is_empty() {
            // Under the lock, or two texts could come in the other order. A terminal that is gone
            // stops nothing.
            let _ = io::stderr().lock().write_all(text.as_bytes());
        }
    }

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
        // The rows of the frame before are known here, and replaced by the next one.
        Ok(())
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
        self.write(|frame| {
            let lines = std::mem::take(&mut frame.lines);
            frame.filler = false;
            frame.replace(&[], lines)
        });
        Ok(())
    }

    // The rows are counted here; the position of the cursor meanwhile does not matter.
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

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|&line| line.to_owned()).collect()
    }

    #[test]
    fn each_frame_begins_at_the_rows_that_it_replaces() {
        let mut frame = Frame::default();
        assert_eq!(frame.replace(&[], vec![]), "");
        assert_eq!(
            frame.replace(&[], lines(&["one", "two"])),
            "\r\u{1b}[Kone\n\u{1b}[Ktwo\n\u{1b}[J"
        );
        assert_eq!(frame.replace(&[], lines(&["one", "two"])), "", "the same");
        assert_eq!(
            frame.replace(&["said"], lines(&["one"])),
            "\r\u{1b}[2A\u{1b}[Ksaid\n\u{1b}[Kone\n\u{1b}[J"
        );
        assert_eq!(frame.replace(&[], vec![]), "\r\u{1b}[1A\u{1b}[J");
    }

    #[test]
    fn a_frame_that_comes_after_the_end_is_dropped() {
        let terminal = Terminal::default();
        let shown = || terminal.frame.lock().expect("no panic").shown.clone();
        let draw = |line: &str| {
            terminal.write_str(line).expect("it is kept");
            terminal.flush().expect("it is drawn");
        };
        draw("bar");
        assert_eq!(shown(), ["bar"]);
        terminal.end(Some("interrupted"));
        draw("bar");
        assert_eq!(shown(), ["interrupted"]);
        terminal.end(None);
        draw("bar");
        assert_eq!(shown(), [""; 0]);
        terminal.end(None);
        assert_eq!(shown(), [""; 0]);
    }

    #[test]
    fn fillers_are_left_out() {
        let terminal = Terminal::default();
        for text in ["one", "   ", "", "      "] {
            terminal.write_str(text).expect("it is kept");
        }
        let frame = terminal.frame.lock().expect("no panic");
        assert_eq!(frame.lines, ["one", ""]);
    }
}

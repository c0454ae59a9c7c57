//! The program at a terminal: run on a pseudo terminal that Python opens, its output shown as on a
//! screen.
//!
//! [`Session`] starts a command, waits for output, types, and returns the exit code and all output.
//! [`screen`] turns that output into the lines left on the screen. Limits: the screen knows only
//! the control sequences that the program uses, and fails at any other.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::support::scene::{Scene, interpreter};

pub const COLUMNS: usize = 84;
pub const ROWS: usize = 12;

/// Opens a pseudo terminal, makes it that of the command, and copies its ends to the standard
/// streams.
const OPEN: &str =
    "import os, pty, sys\nsys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

/// A command that runs at a terminal of its own.
pub struct Session {
    child: Child,
    keys: ChildStdin,
    output: ChildStdout,
    written: Vec<u8>,
}

impl Session {
    /// Starts the program with these arguments in the scene's directory.
    pub fn start(scene: &Scene, arguments: &[String]) -> Self {
        let program = scene.command();
        let mut command = Command::new(&interpreter().executable);
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let resize = format!("stty cols {COLUMNS} rows {ROWS} && exec \"$0\" \"$@\"");
        command
            .args(["-I", "-c", OPEN, "sh", "-c", &resize])
            .arg(program.get_program())
            .args(arguments);
        command
            .current_dir(scene.path())
            .env("TERM", "xterm")
            .env("no_proxy", "127.0.0.1")
            .env_remove("NO_COLOR");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let (keys, output) = (
            child.stdin.take().expect("it is piped"),
            child.stdout.take().expect("it is piped"),
        );
        Self {
            child,
            keys,
            output,
            written: Vec::new(),
        }
    }

    /// Reads until the command has written `text`.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.written).contains(text) {
            assert!(
                self.read() > 0,
                "`{text}` never came: {}",
                String::from_utf8_lossy(&self.written)
            );
        }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.keys
            .write_all(keys.as_bytes())
            .expect("the terminal is there");
    }

    /// The exit code and all that was written, once the command has ended.
    pub fn end(mut self) -> (i32, String) {
        while self.read() > 0 {}
        let status = self.child.wait().expect("it ends");
        (
            status.code().expect("python ends by a code"),
            String::from_utf8(self.written).expect("it is text"),
        )
    }

    fn read(&mut self) -> usize {
        let mut buffer = [0; 4096];
        let count = self
            .output
            .read(&mut buffer)
            .expect("the terminal can be read");
        self.written.extend_from_slice(&buffer[..count]);
        count
    }
}

/// The lines on the screen and above it, without trailing blanks and trailing empty lines.
pub fn screen(written: &str) -> Vec<String> {
    let mut screen = Screen {
        lines: vec![Vec::new()],
        row: 0,
        column: 0,
    };
    let mut rest = written.chars();
    while let Some(character) = rest.next() {
        match character {
            '\r' => screen.column = 0,
            '\n' => screen.feed(),
            '\u{1b}' => {
                assert_eq!(rest.next(), Some('['), "a sequence begins: {written:?}");
                let number: String = rest
                    .clone()
                    .take_while(|next| next.is_ascii_digit() || *next == ';')
                    .collect();
                let end = rest.nth(number.len()).expect("a sequence ends");
                screen.control(end, number.parse().ok());
            }
            _ => screen.put(character),
        }
    }
    let mut lines: Vec<String> = screen
        .lines
        .iter()
        .map(|line| line.iter().collect::<String>().trim_end().to_owned())
        .collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

struct Screen {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Screen {
    fn feed(&mut self) {
        self.row += 1;
        if self.row == self.lines.len() {
            self.lines.push(Vec::new());
        }
    }

    fn put(&mut self, character: char) {
        assert!(!character.is_control(), "{character:?}");
        // A full line goes on in the next one only when something more is written.
        if self.column == COLUMNS {
            self.column = 0;
            self.feed();
        }
        let (line, column) = (&mut self.lines[self.row], self.column);
        line.resize(line.len().max(column + 1), ' ');
        line[column] = character;
        self.column += 1;
    }

    fn control(&mut self, end: char, number: Option<usize>) {
        match (end, number) {
            ('A', Some(up)) => {
                let top = self.lines.len().saturating_sub(ROWS);
                self.row = self.row.saturating_sub(up).max(top);
            }
            ('K', None) => self.lines[self.row].truncate(self.column),
            ('J', None) => {
                self.lines[self.row].truncate(self.column);
                self.lines[self.row + 1..].iter_mut().for_each(Vec::clear);
            }
            // Colours.
            ('m', _) => {}
            other => panic!("the screen does not know {other:?}"),
        }
    }
}

#[test]
fn the_screen_shows_what_a_terminal_would() {
    assert_eq!(
        screen("one\r\ntwo\r\n\u{1b}[2A\u{1b}[Kx\r\n\u{1b}[J"),
        ["x"]
    );
    assert_eq!(screen("one\rtw\r\n"), ["twe"]);
    let full = "f".repeat(COLUMNS);
    assert_eq!(
        screen(&format!("{full}\r\nnext")),
        [full.clone(), "next".to_owned()]
    );
    assert_eq!(screen(&format!("{full}^C\r\u{1b}[K")), [full]);
    let many = "l\r\n".repeat(ROWS + 5);
    assert_eq!(
        screen(&format!("{many}\u{1b}[99A\u{1b}[J")).len(),
        6,
        "what has scrolled away stays"
    );
}

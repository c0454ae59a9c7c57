//! The messages between this process and one that compiles.
//!
//! A message is its length in four bytes, little end first, and then fields separated by zero
//! bytes, which no path contains. `worker.py` has the other side.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Instant;

use crate::cancellation::Cancellation;
use crate::environment::child::{Silence, Talking};

/// What precedes all answers. A wrapper around the interpreter may print lines before it.
const GREETING: &[u8] = b"\0pkg-install compiles\0";
/// The most that is asked at once, in bytes: it must fit into a pipe, because a worker does not
/// read while it answers.
const MOST_ASKED: usize = 1 << 15;
/// The longest answer that makes sense, in bytes: the end of a traceback has a line of the source.
const LONGEST: usize = 1 << 26;

/// A source and the files to write its bytecode to.
pub struct SourceToCompile {
    /// Its path on disk.
    pub source: PathBuf,
    /// The path that it will have, which tracebacks name.
    pub final_path: PathBuf,
    /// The optimisation levels, and where the bytecode of each goes.
    pub outputs: Vec<(u8, PathBuf)>,
}

/// Requests that are sent at once.
pub(super) struct RequestBatch {
    pub(super) bytes: Vec<u8>,
    /// How many sources they are about; at least one.
    pub(super) sources: usize,
}

/// The requests for the first of these sources, as many as may be sent at once.
pub(super) fn requests(sources: &[SourceToCompile]) -> RequestBatch {
    let mut batch = RequestBatch {
        bytes: Vec::new(),
        sources: 0,
    };
    for source in sources {
        let mut fields = vec![
            source.source.as_os_str().as_bytes().to_vec(),
            source.final_path.as_os_str().as_bytes().to_vec(),
        ];
        for (level, output) in &source.outputs {
            fields.push(level.to_string().into_bytes());
            fields.push(output.as_os_str().as_bytes().to_vec());
        }
        let message = fields.join(&0);
        if batch.sources > 0 && batch.bytes.len() + message.len() + 4 > MOST_ASKED {
            break;
        }
        let length = u32::try_from(message.len()).expect("paths are short");
        batch.bytes.extend_from_slice(&length.to_le_bytes());
        batch.bytes.extend_from_slice(&message);
        batch.sources += 1;
    }
    batch
}

/// What a worker says about one source.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WorkerAnswer {
    /// The sizes of the files that it wrote.
    Compiled(Vec<u64>),
    /// Why it is no valid Python.
    Refused(String),
    /// The number of an error of the system, and the path that it is about.
    Failed(i32, String),
}

impl WorkerAnswer {
    /// Reads a message; `None` if it makes no sense.
    fn parse(message: &[u8]) -> Option<Self> {
        let (word, text) = split(message)?;
        match word {
            "compiled" => {
                let sizes = text.split(' ').map(|size| size.parse().ok());
                sizes.collect::<Option<_>>().map(Self::Compiled)
            }
            "refused" => Some(Self::Refused(text)),
            "failed" => {
                let (code, path) = text.split_once(' ')?;
                Some(Self::Failed(code.parse().ok()?, path.to_owned()))
            }
            _ => None,
        }
    }
}

/// The word and the text of a message.
fn split(message: &[u8]) -> Option<(&str, String)> {
    let end = message.iter().position(|&byte| byte == 0)?;
    let word = std::str::from_utf8(&message[..end]).ok()?;
    Some((
        word,
        String::from_utf8_lossy(&message[end + 1..]).into_owned(),
    ))
}

/// A worker, and what was read from it and not used yet.
pub(super) struct Conversation {
    process: Talking,
    read: Vec<u8>,
}

impl Conversation {
    pub(super) fn new(process: Talking) -> Self {
        Self {
            process,
            read: Vec::new(),
        }
    }

    /// What the worker says when it is ready: the tag of its bytecode.
    pub(super) fn greeting(
        &mut self,
        until: Instant,
        cancel: &Cancellation,
    ) -> Result<String, Silence> {
        loop {
            let at = memchr::memmem::find(&self.read, GREETING);
            if let Some(at) = at {
                self.read.drain(..at + GREETING.len());
                break;
            }
            if self.read.len() > LONGEST {
                return Err(senseless());
            }
            self.process.listen(&mut self.read, until, cancel)?;
        }
        let message = self.message(until, cancel)?;
        match split(&message) {
            Some(("ready", tag)) => Ok(tag),
            _ => Err(senseless()),
        }
    }

    /// Sends requests; the worker has answered all earlier ones.
    pub(super) fn ask(&mut self, requests: &[u8]) -> Result<(), Silence> {
        self.process.ask(requests)
    }

    /// The next answer.
    pub(super) fn answer(
        &mut self,
        until: Instant,
        cancel: &Cancellation,
    ) -> Result<WorkerAnswer, Silence> {
        let message = self.message(until, cancel)?;
        WorkerAnswer::parse(&message).ok_or_else(senseless)
    }

    fn message(&mut self, until: Instant, cancel: &Cancellation) -> Result<Vec<u8>, Silence> {
        loop {
            if let Some((length, rest)) = self.read.split_first_chunk::<4>() {
                let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
                if length > LONGEST {
                    return Err(senseless());
                }
                if let Some(message) = rest.get(..length) {
                    let message = message.to_vec();
                    self.read.drain(..4 + length);
                    return Ok(message);
                }
            }
            self.process.listen(&mut self.read, until, cancel)?;
        }
    }
}

/// It has not ended, but cannot be talked to any more.
fn senseless() -> Silence {
    Silence::Ended("an answer that makes no sense".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str) -> SourceToCompile {
        SourceToCompile {
            source: "/s".into(),
            final_path: name.into(),
            outputs: vec![(0, "/o".into())],
        }
    }

    #[test]
    fn a_batch_is_framed_and_fits_into_a_pipe() {
        let batch = requests(&[source("/f")]);
        assert_eq!(batch.bytes, b"\x0a\0\0\0/s\0/f\x000\0/o");
        let long = "x".repeat(MOST_ASKED / 2);
        let sources: Vec<SourceToCompile> = (0..3).map(|_| source(&long)).collect();
        assert_eq!(requests(&sources).sources, 1);
        // One that is longer than everything is sent by itself.
        assert_eq!(requests(&[source(&"x".repeat(MOST_ASKED * 2))]).sources, 1);
    }

    #[test]
    fn answers_are_read_and_nonsense_is_none() {
        let read = |text: &str| WorkerAnswer::parse(text.as_bytes());
        assert_eq!(
            read("compiled\x0012 3"),
            Some(WorkerAnswer::Compiled(vec![12, 3]))
        );
        let traceback = || "SyntaxError: x".to_owned();
        assert_eq!(
            read("refused\0SyntaxError: x"),
            Some(WorkerAnswer::Refused(traceback()))
        );
        let failed = WorkerAnswer::Failed(28, "/a b".to_owned());
        assert_eq!(read("failed\x0028 /a b"), Some(failed));
        for nonsense in ["", "compiled", "compiled\0x", "failed\0x /a", "hello\0"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }
}

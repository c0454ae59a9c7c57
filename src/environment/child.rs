//! Running another program, which is an interpreter or a loader. Only this file starts a process.
//!
//! Input: a command. Output of [`run`]: its status and all that it printed; it reads nothing.
//! Output of [`Talking::start`]: a program that is asked and answers through pipes. Invariant:
//! neither outlives a command that was cancelled. No thread is needed, since one cannot always be
//! started.

use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::cancellation::Cancellation;

/// The longest time between two checks whether the command was cancelled.
const PAUSE: Duration = Duration::from_millis(50);
/// The first pause before the program is asked again whether it has ended. It usually ends as soon
/// as it has closed its output.
const FIRST_PAUSE: Duration = Duration::from_micros(100);
/// How many first pauses a program that has closed its output is given to end.
const ENDING: u32 = 100;
const BUFFER: usize = 1 << 14;

/// Runs a program to its end. It is killed if that takes until `cancel` is cancelled, which is a
/// failure.
pub(super) fn run(command: &mut Command, cancel: &Cancellation) -> io::Result<Output> {
    let mut child = command
        // A wrapper that asks a question would wait for the user, or consume piped input.
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, since a wrapper may have started the interpreter beside itself.
        .process_group(0)
        .spawn()?;
    let result = finish(&mut child, cancel);
    if result.is_err() {
        kill(&mut child);
    }
    result
}

/// Kills a program that was not waited for yet, and everything in its group.
fn kill(child: &mut Child) -> Option<ExitStatus> {
    // It has not been waited for, so no other group can have got its number.
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.kill();
    // Otherwise it would stay in the list of processes until this one ends.
    child.wait().ok()
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Silence {
    /// The command was cancelled.
    Cancelled,
    /// It takes longer than it may.
    Late,
    /// The program has ended: how, and what it said last.
    Ended(String),
}

/// A program that is asked and answers through pipes. It is killed when it is dropped. If this
/// process is killed, its input ends, by which it knows that nothing more is wanted.
pub(super) struct Talking {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
}

impl Talking {
    /// Starts the program.
    pub(super) fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C at a terminal is for this process, which then kills the group.
            .process_group(0)
            .spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        Ok(Self {
            child,
            stdin: stdin.expect("it was asked for"),
            stdout: stdout.expect("it was asked for"),
        })
    }

    /// Passes bytes to the program, which has to be waiting for them.
    pub(super) fn ask(&mut self, bytes: &[u8]) -> Result<(), Silence> {
        self.stdin.write_all(bytes).map_err(|_| self.ended())
    }

    /// Appends the bytes that it answers next, at least one, to `answer`.
    pub(super) fn listen(
        &mut self,
        answer: &mut Vec<u8>,
        until: Instant,
        cancel: &Cancellation,
    ) -> Result<(), Silence> {
        loop {
            if cancel.is_cancelled() {
                return Err(Silence::Cancelled);
            }
            let (is_ready, _) = ready(Some(self.stdout.as_fd()), None).map_err(|_| self.ended())?;
            if is_ready {
                break;
            }
            if Instant::now() >= until {
                return Err(Silence::Late);
            }
        }
        let mut buffer = [0; BUFFER];
        match self.stdout.read(&mut buffer) {
            Ok(0) | Err(_) => Err(self.ended()),
            Ok(count) => {
                answer.extend_from_slice(&buffer[..count]);
                Ok(())
            }
        }
    }

    /// The end of a program that does not answer any more.
    fn ended(&mut self) -> Silence {
        // It has closed its output and so will end, unless it is a wrapper that waits for more.
        let mut status = None;
        for _ in 0..ENDING {
            status = self.child.try_wait().ok().flatten();
            if status.is_some() {
                break;
            }
            std::thread::sleep(FIRST_PAUSE);
        }
        let status = status.or_else(|| kill(&mut self.child));
        let mut last = Stream::new(self.child.stderr.take());
        // One look: what it has started may hold the pipe open for ever.
        if ready(last.descriptor(), None).is_ok_and(|(is_ready, _)| is_ready) {
            let _ = last.read();
        }
        let said = String::from_utf8_lossy(&last.text);
        let said = said.lines().rfind(|line| !line.trim().is_empty());
        let status = status.map_or_else(String::new, |status| status.to_string());
        Silence::Ended(match said {
            Some(said) => format!("{status}: {said}"),
            None => status,
        })
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

fn finish(child: &mut Child, cancel: &Cancellation) -> io::Result<Output> {
    let mut stdout = Stream::new(child.stdout.take());
    let mut stderr = Stream::new(child.stderr.take());
    // Both are read in turn: a program that fills one pipe would wait for ever otherwise.
    while stdout.is_open() || stderr.is_open() {
        if cancel.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let (has_stdout, has_stderr) = ready(stdout.descriptor(), stderr.descriptor())?;
        if has_stdout {
            stdout.read()?;
        }
        if has_stderr {
            stderr.read()?;
        }
    }
    Ok(Output {
        status: end(child, cancel)?,
        stdout: stdout.text,
        stderr: stderr.text,
    })
}

/// Waits for the end of a program that has closed its output.
fn end(child: &mut Child, cancel: &Cancellation) -> io::Result<ExitStatus> {
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if cancel.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(PAUSE);
    }
}

/// Waits for a while until one of the descriptors can be read, and returns which ones can.
fn ready(
    stdout: Option<BorrowedFd<'_>>,
    stderr: Option<BorrowedFd<'_>>,
) -> io::Result<(bool, bool)> {
    let open = [stdout, stderr].into_iter().flatten();
    let mut waits: Vec<PollFd<'_>> = open
        .map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN))
        .collect();
    let pause = Timespec::try_from(PAUSE).expect("it is short");
    match poll(&mut waits, Some(&pause)) {
        // A signal has come, so `cancel` may be cancelled by now.
        Err(rustix::io::Errno::INTR) => return Ok((false, false)),
        result => result?,
    };
    // Any event is a reason to read, since the end of a pipe is reported as another one.
    let mut ready = waits.iter().map(|wait| !wait.revents().is_empty());
    let mut next = |descriptor: Option<_>| descriptor.is_some() && ready.next().unwrap_or(false);
    Ok((next(stdout), next(stderr)))
}

/// One of its outputs.
struct Stream<T> {
    /// `None` once it has ended.
    pipe: Option<T>,
    text: Vec<u8>,
}

impl<T: Read + AsFd> Stream<T> {
    fn new(pipe: Option<T>) -> Self {
        Self {
            pipe,
            text: Vec::new(),
        }
    }

    fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Reads what is there.
    fn read(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(());
        };
        let mut buffer = [0; BUFFER];
        match pipe.read(&mut buffer) {
            Ok(0) => self.pipe = None,
            Ok(count) => self.text.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_outputs_are_read_to_their_ends() {
        let script = "t=0123456789012345678901234567890123456789; i=0; while [ $i -lt 3000 ]; \
                      do echo $t; echo $t >&2; i=$((i+1)); done; exit 3";
        let output = run(&mut shell(script), &Cancellation::default()).unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(
            (output.stdout.len(), output.stderr.len()),
            (123_000, 123_000)
        );
    }

    #[test]
    fn a_program_that_closes_its_output_is_waited_for() {
        let script = "exec >&- 2>&-; i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; exit 4";
        let output = run(&mut shell(script), &Cancellation::default()).unwrap();
        assert_eq!(output.status.code(), Some(4));
    }

    #[test]
    fn a_cancelled_command_kills_the_program_and_what_it_started() {
        // The shell waits for `sleep`, which holds the pipes.
        for script in ["sleep 60; true", "exec >&- 2>&-; sleep 60; true"] {
            let cancel = Cancellation::default();
            let begin = Instant::now();
            let error = std::thread::scope(|scope| {
                let ran = scope.spawn(|| run(&mut shell(script), &cancel));
                cancel.cancel();
                ran.join().unwrap().unwrap_err()
            });
            assert_eq!(error.kind(), io::ErrorKind::Interrupted);
            assert!(begin.elapsed() < Duration::from_secs(30));
        }
    }
}

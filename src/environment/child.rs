//! Running another program, which is an interpreter or a loader. Only this file starts a process.
//!
//! Input: a command. Output: its status and all that it printed. Invariants: it reads nothing, and
//! it does not outlive a command that was cancelled. No thread is needed, since one cannot always
//! be started.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::cancellation::Cancellation;

/// The longest time between two checks whether the command was cancelled.
const PAUSE: Duration = Duration::from_millis(50);
/// The first pause before the program is asked again whether it has ended. It usually ends as soon
/// as it has closed its output.
const FIRST_PAUSE: Duration = Duration::from_micros(100);
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
        // It has not been waited for yet, so no other group can have got its number.
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = child.kill();
        // Otherwise it would stay in the list of processes until this one ends.
        let _ = child.wait();
    }
    result
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

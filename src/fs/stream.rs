//! Reads standard input and other descriptors that a shell passes, which may give nothing for ever.
//!
//! A blocking read would go on after a signal, because handlers restart it. So a descriptor is only
//! read when it has something, and the wait for that is short and repeated.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::cancellation::Cancellation;
use crate::error::{Error, Result};

/// The longest wait between two looks at the cancellation. A signal mostly ends the wait itself.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// Reads all of standard input.
///
/// # Errors
/// Input that cannot be read, or a cancelled command.
pub fn read_stdin(cancel: &Cancellation) -> Result<Vec<u8>> {
    read_all(std::io::stdin(), Path::new("stdin"), cancel)
}

/// Reads all of one of this process's own descriptors, such as `/dev/fd/63`.
///
/// # Errors
/// A descriptor that cannot be opened or read, or a cancelled command.
pub(super) fn read_descriptor(path: &Path, cancel: &Cancellation) -> Result<Vec<u8>> {
    // NONBLOCK: opening a pipe whose writers are gone would wait for another one.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))
        .map_err(|error| Error::io("read", path, error.into()))?;
    read_all(file, path, cancel)
}

fn read_all(descriptor: impl AsFd, path: &Path, cancel: &Cancellation) -> Result<Vec<u8>> {
    let fail = |error: Errno| Error::io("read", path, error.into());
    let mut content = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        cancel.check()?;
        let mut waits = [PollFd::new(&descriptor, PollFlags::IN)];
        match poll(&mut waits, Some(&PAUSE)) {
            Ok(0) if !is_non_blocking(&descriptor) => continue,
            Err(Errno::INTR) => continue,
            // Linux does not report the end of a pipe that was opened without writers, but reading
            // finds it.
            Ok(_) => {}
            Err(error) => return Err(fail(error)),
        }
        match rustix::io::read(&descriptor, &mut buffer) {
            Ok(0) => return Ok(content),
            Ok(count) => content.extend_from_slice(&buffer[..count]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(fail(error)),
        }
    }
}

fn is_non_blocking(descriptor: impl AsFd) -> bool {
    rustix::fs::fcntl_getfl(descriptor).is_ok_and(|flags| flags.contains(OFlags::NONBLOCK))
}

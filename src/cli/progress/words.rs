//! The sentences of progress: what runs, for how long, and how much is left.
//!
//! Everything is escaped, since hosts, paths and names come from outside.

use std::time::Duration;

use super::counters::{Seen, SeenActivity};
use crate::cli::text::size;
use pkg_install::error::escaped;
use pkg_install::progress::{Activity, ActivityKind, Retry};

/// Shorter activities are not shown: the line would vanish before it is read.
pub const NOTICED: Duration = Duration::from_millis(300);

/// An activity in progress, as `checking 12 of 80 files`.
pub fn activity(activity: &Activity, done: u64) -> String {
    let subject = escaped(&activity.subject);
    let files = || match activity.files {
        Some(files) => format!("{done} of {files} files"),
        None => "files".to_owned(),
    };
    match activity.kind {
        ActivityKind::ReadInput => format!("reading {subject}"),
        ActivityKind::AskInterpreter => "asking the interpreter".to_owned(),
        ActivityKind::WaitForLock => format!("waiting for {subject}"),
        ActivityKind::Connect => format!("connecting to {subject}"),
        ActivityKind::Resolve if activity.subject.is_empty() => "resolving".to_owned(),
        ActivityKind::Resolve => format!("resolving: {subject}"),
        ActivityKind::ReadIndex => format!("reading the index of {subject}"),
        ActivityKind::Hash => format!("hashing {subject}"),
        ActivityKind::ReadEnvironment => "reading the environment".to_owned(),
        ActivityKind::Check => format!("checking {}", files()),
        ActivityKind::Remove => format!("removing {}", files()),
        ActivityKind::Compile => format!("compiling {}", files()),
        ActivityKind::Recover => "settling an interrupted command".to_owned(),
        ActivityKind::CleanUp => "deleting temporary files".to_owned(),
        // A kind that the library adds later.
        other => format!("{} {subject}", other.as_str()),
    }
}

/// The activities that have run for long enough, as one line; `None` if there is none. The newest
/// kind is named, because it is a part of those that began before it.
pub fn activities(activities: &[SeenActivity]) -> Option<String> {
    let long = || {
        let running = activities.iter();
        running.filter(|running| running.elapsed >= NOTICED)
    };
    let kind = long().next_back()?.activity.kind;
    let mut alike = long().filter(|running| running.activity.kind == kind);
    // Of several alike the one that has run for the longest time matters most.
    let oldest = alike.next()?;
    let mut line = activity(&oldest.activity, oldest.done);
    let more = alike.count();
    if more > 0 {
        line += &format!(" and {more} more");
    }
    let seconds = oldest.elapsed.as_secs();
    if seconds > 0 {
        line += &format!(" ({seconds} s)");
    }
    Some(line)
}

/// Everything that runs, as one line; `None` if nothing does.
pub fn all(seen: &Seen) -> Option<String> {
    let mut parts = Vec::new();
    if !seen.transfers.is_empty() {
        let running: u64 = seen.transfers.iter().map(|transfer| transfer.present).sum();
        let done = size(seen.ended + running);
        let amount = match seen.expected_bytes {
            Some(total) => format!("{done} of {}", size(total)),
            None => done,
        };
        parts.push(match seen.transfers.as_slice() {
            [only] if seen.expected < 2 => {
                let total = only.total.map(|total| format!(" of {}", size(total)));
                let (name, present) = (escaped(&only.name), size(only.present));
                format!("downloading {name}: {present}{}", total.unwrap_or_default())
            }
            transfers => format!(
                "downloading: {} of {} wheels, {amount}",
                seen.begun - transfers.len(),
                seen.expected
            ),
        });
    }
    if let Some(staging) = seen.staging.filter(|staging| staging.files_done > 0) {
        parts.push(format!(
            "unpacking: {} of {} files, {} of {}",
            staging.files_done,
            staging.files,
            size(staging.bytes_done),
            size(staging.bytes)
        ));
    }
    parts.extend(activities(&seen.activities));
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Says that a download failed and is tried again.
pub fn retry(name: &str, retry: &Retry) -> String {
    let pause = match retry.pause {
        Duration::ZERO => String::new(),
        // The pauses of servers are whole seconds, those of our own begin at half a second.
        pause if pause < Duration::from_secs(1) => format!(" in {:.1} s", pause.as_secs_f64()),
        pause => format!(" in {:.0} s", pause.as_secs_f64()),
    };
    format!(
        "{}; retrying `{}`{pause} ({} of {})",
        escaped(&retry.why),
        escaped(name),
        retry.attempt,
        retry.attempts
    )
}

/// Says that a signal has cancelled the command.
pub fn interrupted(signal: i32) -> &'static str {
    if signal == signal_hook::consts::SIGINT {
        "interrupted: cleaning up (press Ctrl-C again to leave at once)"
    } else {
        "interrupted: cleaning up (a second signal ends the program at once)"
    }
}

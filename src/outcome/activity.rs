//! Activities: what may take long and is neither a transfer nor staging.
//!
//! Input: what begins and ends. Output: events with numbers, so that several activities can run at
//! once. Invariant: an activity that has begun ends, also if its work fails.

use std::cell::RefCell;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Events;
use crate::fs::LockHolder;

/// Something that may take long, and is neither a transfer nor staging.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Activity {
    /// Its kind.
    pub kind: ActivityKind,
    /// What it works on: a host, a path or a file name; empty if the kind says all.
    pub subject: String,
    /// How many files it has to do, if that is known.
    pub files: Option<u64>,
}

impl Activity {
    /// An activity whose number of files is not known.
    pub fn new(kind: ActivityKind, subject: impl Into<String>) -> Self {
        Self {
            kind,
            subject: subject.into(),
            files: None,
        }
    }

    /// Waiting for a lock; its holder is looked up.
    pub(crate) fn wait_for_lock(lock: &Path) -> Self {
        let mut subject = format!("another process that holds `{}`", lock.display());
        if let Some(holder) = LockHolder::of(lock) {
            subject += &format!(" ({holder})");
        }
        Self::new(ActivityKind::WaitForLock, subject)
    }

    /// A number that no other activity of this process has.
    pub(crate) fn next_number() -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // Relaxed: only that each number is given once matters.
        NEXT.fetch_add(1, Ordering::Relaxed)
    }

    /// An activity that has to do so many files.
    pub fn of_files(kind: ActivityKind, files: usize) -> Self {
        Self {
            files: Some(files as u64),
            ..Self::new(kind, "")
        }
    }
}

/// The kinds of activities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActivityKind {
    /// Reading a document from standard input or a pipe, or listing what a cache holds.
    ReadInput,
    /// Starting an interpreter and waiting for its answers.
    AskInterpreter,
    /// Waiting for a lock; the subject names its holder, if that is known.
    WaitForLock,
    /// Connecting to a host and waiting for its answer.
    Connect,
    /// Fetching the index and the metadata of a remote wheel.
    ReadIndex,
    /// Looking for a set of wheels that satisfies all requirements.
    Resolve,
    /// Hashing a file.
    Hash,
    /// Reading which projects are installed.
    ReadEnvironment,
    /// Comparing installed files with RECORD.
    Check,
    /// Looking at the files that are to be removed.
    Remove,
    /// Compiling bytecode.
    Compile,
    /// Settling an interrupted command.
    Recover,
    /// Deleting temporary files.
    CleanUp,
}

impl ActivityKind {
    /// A short fixed word for it, such as `read-index`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadInput => "read-input",
            Self::AskInterpreter => "ask-interpreter",
            Self::WaitForLock => "wait-for-lock",
            Self::Connect => "connect",
            Self::ReadIndex => "read-index",
            Self::Resolve => "resolve",
            Self::Hash => "hash",
            Self::ReadEnvironment => "read-environment",
            Self::Check => "check",
            Self::Remove => "remove",
            Self::Compile => "compile",
            Self::Recover => "recover",
            Self::CleanUp => "clean-up",
        }
    }
}

/// An activity that is reported to have ended when this value is dropped.
pub struct RunningActivity<'a> {
    events: &'a dyn Events,
    number: usize,
}

impl<'a> RunningActivity<'a> {
    /// Reports that the activity begins.
    pub fn begin(events: &'a dyn Events, activity: &Activity) -> Self {
        let number = Activity::next_number();
        events.activity_begin(number, activity);
        Self { events, number }
    }

    /// Reports that so many more files are done.
    pub fn advance(&self, files: u64) {
        self.events.activity_advance(self.number, files);
    }

    /// Reports what it works on now.
    pub fn work_on(&self, subject: &str) {
        self.events.activity_subject(self.number, subject);
    }
}

impl Drop for RunningActivity<'_> {
    fn drop(&mut self) {
        self.events.activity_end(self.number);
    }
}

/// Reports that a lock is waited for, from [`LockWaitReport::begin`] until
/// [`LockWaitReport::end`], or until this value is dropped.
pub(crate) struct LockWaitReport<'a> {
    events: &'a dyn Events,
    running: RefCell<Option<RunningActivity<'a>>>,
}

impl<'a> LockWaitReport<'a> {
    /// Reports nothing yet: most locks are free.
    pub(crate) fn new(events: &'a dyn Events) -> Self {
        let running = RefCell::new(None);
        Self { events, running }
    }

    /// Another process holds the lock at `path`.
    pub(crate) fn begin(&self, path: &Path) {
        // A holder that makes progress is waited for again and again: that is one wait.
        let mut running = self.running.borrow_mut();
        if running.is_none() {
            self.events.waiting(path);
            let activity = Activity::wait_for_lock(path);
            *running = Some(RunningActivity::begin(self.events, &activity));
        }
    }

    /// The lock is taken, or given up.
    pub(crate) fn end(&self) {
        self.running.take();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Words(Mutex<Vec<&'static str>>);

    impl Words {
        fn add(&self, word: &'static str) {
            self.0.lock().unwrap().push(word);
        }
    }

    impl Events for Words {
        fn waiting(&self, _: &Path) {
            self.add("waiting");
        }
        fn activity_begin(&self, _: usize, activity: &Activity) {
            self.add(activity.kind.as_str());
        }
        fn activity_end(&self, _: usize) {
            self.add("end");
        }
    }

    #[test]
    fn one_wait_is_reported_once_and_ends() {
        let words = Words::default();
        let report = LockWaitReport::new(&words);
        report.end();
        for _ in 0..2 {
            report.begin(Path::new("lock"));
            report.begin(Path::new("lock"));
            report.end();
        }
        report.begin(Path::new("lock"));
        drop(report);
        let one_wait = ["waiting", "wait-for-lock", "end"];
        assert_eq!(words.0.into_inner().unwrap(), one_wait.repeat(3));
    }
}

//! Progress for programs: a line of JSON for each event.
//!
//! Output, each line written at once by one thread at a time:
//!
//! ```json
//! {"event":"look-retry","name":"a-1-py3-none-any.whl","why":"connection lost"}
//! {"event":"transfers","files":1,"bytes":11050}
//! {"event":"transfer-begin","transfer":0,"name":"a-1-py3-none-any.whl","total":11050,"present":0}
//! {"event":"transfer","transfer":0,"bytes":11050,"total":11050}
//! {"event":"transfer-retry","transfer":0,"why":"the server broke the connection off"}
//! {"event":"transfer-end","transfer":0}
//! {"event":"stage-begin","files":8,"bytes":36040}
//! {"event":"stage","files":8,"bytes":36040}
//! {"event":"stage-end"}
//! {"event":"waiting","path":"venv/.lock"}
//! {"event":"activity-begin","activity":0,"kind":"check","subject":"","files":812}
//! {"event":"activity","activity":0,"files":400}
//! {"event":"activity-subject","activity":0,"subject":"a: 40 versions tried, as 1.2 needs b <2"}
//! {"event":"activity-end","activity":0}
//! {"event":"interrupted","signal":15}
//! ```
//!
//! `transfers` states how many files come next and their bytes in total, null unless each length is
//! known. Each file is a transfer, even if it is cached or was fetched in part before; so is a file
//! that a preview fetches whole, which `transfers` does not count. Each number has one
//! `transfer-begin` and then one `transfer-end`, even if the file is given up. `bytes` is the sum
//! that has arrived; it decreases if a file is started again. `total` is null until the length is
//! known. `transfer` and `stage` come at most ten times a second per file and for staging, and
//! always for the last change before the end. `activity-begin` says that something begins that may
//! take long; `files` is null unless it counts files, `subject` is empty if the kind says all, and
//! several activities may run at once. `activity-subject` says that one works on something else, at
//! most ten times a second. `interrupted` says that a signal has cancelled the command,
//! which cleans up now. Names and reasons are not escaped. Other lines on
//! stderr, such as warnings and errors, stay text.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::cli::quoting::ascii_json;
use pkg_install::progress::{Activity, Events, Retry};

// Workers write these lines themselves, so each line costs time; bars draw as often.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Event<'a> {
    TransferBegin {
        transfer: usize,
        name: &'a str,
        total: Option<u64>,
        present: u64,
    },
    Transfer {
        transfer: usize,
        bytes: u64,
        total: Option<u64>,
    },
    TransferRetry {
        transfer: usize,
        why: &'a str,
    },
    TransferEnd {
        transfer: usize,
    },
    Transfers {
        files: usize,
        bytes: Option<u64>,
    },
    LookRetry {
        name: &'a str,
        why: &'a str,
    },
    StageBegin {
        files: u64,
        bytes: u64,
    },
    Stage {
        files: u64,
        bytes: u64,
    },
    StageEnd,
    Waiting {
        path: &'a str,
    },
    ActivityBegin {
        activity: usize,
        kind: &'static str,
        subject: &'a str,
        files: Option<u64>,
    },
    Activity {
        activity: usize,
        files: u64,
    },
    ActivitySubject {
        activity: usize,
        subject: &'a str,
    },
    ActivityEnd {
        activity: usize,
    },
    Interrupted {
        signal: i32,
    },
}

/// The line that says that a signal has cancelled the command.
pub fn interrupted(signal: i32) -> String {
    line(&Event::Interrupted { signal })
}

fn line(event: &Event<'_>) -> String {
    let line = serde_json::to_string(event).expect("strings and numbers are always written");
    ascii_json(line) + "\n"
}

/// Writes each event as one line.
pub struct JsonLines<W> {
    log: Mutex<Log<W>>,
}

/// The state behind the lines.
struct Log<W> {
    output: W,
    transfers: BTreeMap<usize, Transfer>,
    staging: Option<Staging>,
    activities: BTreeMap<usize, ActivityFiles>,
}

/// How many files of an activity are done.
#[derive(Default)]
struct ActivityFiles {
    files: u64,
    pace: Pace,
    /// When its subject was last written.
    subject_pace: Pace,
}

struct Transfer {
    total: Option<u64>,
    bytes: u64,
    pace: Pace,
}

#[derive(Default)]
struct Staging {
    files: u64,
    bytes: u64,
    pace: Pace,
}

/// When a change was last written, and whether there was another one since.
#[derive(Debug, Default)]
struct Pace {
    written: Option<Instant>,
    changed: bool,
}

impl Pace {
    /// Whether to write a change that happens now.
    fn is_due(&mut self, now: Instant) -> bool {
        self.changed = self
            .written
            .is_some_and(|written| now.saturating_duration_since(written) < PAUSE);
        if !self.changed {
            self.written = Some(now);
        }
        !self.changed
    }
}

impl<W: Write> JsonLines<W> {
    /// Writes to `output`.
    pub fn new(output: W) -> Self {
        Self {
            log: Mutex::new(Log {
                output,
                transfers: BTreeMap::new(),
                staging: None,
                activities: BTreeMap::new(),
            }),
        }
    }

    /// Changes the state and writes under one lock, so that the lines are in the order of events.
    fn with<T>(&self, act: impl FnOnce(&mut Log<W>) -> T) -> T {
        act(&mut self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<W: Write> Log<W> {
    fn write(&mut self, event: &Event<'_>) {
        // A reader that went away stops nothing.
        let _ = self.output.write_all(line(event).as_bytes());
        let _ = self.output.flush();
    }

    fn change(&mut self, number: usize, now: Instant, change: impl FnOnce(&mut Transfer)) {
        let Some(transfer) = self.transfers.get_mut(&number) else {
            return;
        };
        change(transfer);
        if transfer.pace.is_due(now) {
            let event = Event::Transfer {
                transfer: number,
                bytes: transfer.bytes,
                total: transfer.total,
            };
            self.write(&event);
        }
    }

    fn begin(&mut self, number: usize, name: &str, total: Option<u64>, present: u64) {
        if self.transfers.contains_key(&number) {
            // A file that starts again keeps its one `transfer-begin`, as the format promises.
            return self.change(number, Instant::now(), |transfer| {
                transfer.total = total;
                transfer.bytes = present;
            });
        }
        self.transfers.insert(
            number,
            Transfer {
                total,
                bytes: present,
                pace: Pace::default(),
            },
        );
        self.write(&Event::TransferBegin {
            transfer: number,
            name,
            total,
            present,
        });
    }

    fn end(&mut self, number: usize) {
        let Some(transfer) = self.transfers.remove(&number) else {
            return;
        };
        // The last change may have been held back, and its numbers are the final ones.
        if transfer.pace.changed {
            self.write(&Event::Transfer {
                transfer: number,
                bytes: transfer.bytes,
                total: transfer.total,
            });
        }
        self.write(&Event::TransferEnd { transfer: number });
    }

    fn activity(&mut self, number: usize, files: u64) {
        let Some(activity) = self.activities.get_mut(&number) else {
            return;
        };
        activity.files += files;
        if activity.pace.is_due(Instant::now()) {
            let event = Event::Activity {
                activity: number,
                files: activity.files,
            };
            self.write(&event);
        }
    }

    fn activity_subject(&mut self, number: usize, subject: &str) {
        let activity = self.activities.get_mut(&number);
        // One that is held back is out of date a moment later, so it is not written at the end.
        if activity.is_some_and(|activity| activity.subject_pace.is_due(Instant::now())) {
            self.write(&Event::ActivitySubject {
                activity: number,
                subject,
            });
        }
    }

    fn activity_end(&mut self, number: usize) {
        let Some(activity) = self.activities.remove(&number) else {
            return;
        };
        if activity.pace.changed {
            self.write(&Event::Activity {
                activity: number,
                files: activity.files,
            });
        }
        self.write(&Event::ActivityEnd { activity: number });
    }

    fn stage(&mut self, files: u64, bytes: u64) {
        let Some(staging) = &mut self.staging else {
            return;
        };
        staging.files += files;
        staging.bytes += bytes;
        if staging.pace.is_due(Instant::now()) {
            let event = Event::Stage {
                files: staging.files,
                bytes: staging.bytes,
            };
            self.write(&event);
        }
    }

    fn stage_end(&mut self) {
        let Some(staging) = self.staging.take() else {
            return;
        };
        if staging.pace.changed {
            self.write(&Event::Stage {
                files: staging.files,
                bytes: staging.bytes,
            });
        }
        self.write(&Event::StageEnd);
    }
}

impl<W: Write + Send> Events for JsonLines<W> {
    fn begin(&self, files: u64, bytes: u64) {
        self.with(|log| {
            log.staging = Some(Staging::default());
            log.write(&Event::StageBegin { files, bytes });
        });
    }

    fn advance(&self, files: u64, bytes: u64) {
        self.with(|log| log.stage(files, bytes));
    }

    fn waiting(&self, lock: &Path) {
        self.with(|log| {
            log.write(&Event::Waiting {
                path: &lock.display().to_string(),
            });
        });
    }

    fn end(&self) {
        self.with(Log::stage_end);
    }

    fn activity_begin(&self, number: usize, activity: &Activity) {
        self.with(|log| {
            log.activities.insert(number, ActivityFiles::default());
            log.write(&Event::ActivityBegin {
                activity: number,
                kind: activity.kind.as_str(),
                subject: &activity.subject,
                files: activity.files,
            });
        });
    }

    fn activity_advance(&self, number: usize, files: u64) {
        self.with(|log| log.activity(number, files));
    }

    fn activity_subject(&self, number: usize, subject: &str) {
        self.with(|log| log.activity_subject(number, subject));
    }

    fn activity_end(&self, number: usize) {
        self.with(|log| log.activity_end(number));
    }

    fn transfers(&self, files: usize, bytes: Option<u64>) {
        self.with(|log| log.write(&Event::Transfers { files, bytes }));
    }

    fn look_retry(&self, name: &str, retry: &Retry) {
        let why = &retry.why;
        self.with(|log| log.write(&Event::LookRetry { name, why }));
    }

    fn transfer_begin(&self, transfer: usize, name: &str, total: Option<u64>, present: u64) {
        self.with(|log| log.begin(transfer, name, total, present));
    }

    fn transfer_advance(&self, transfer: usize, bytes: u64) {
        self.with(|log| log.change(transfer, Instant::now(), |transfer| transfer.bytes += bytes));
    }

    fn transfer_retry(&self, transfer: usize, retry: &Retry) {
        let why = &retry.why;
        self.with(|log| log.write(&Event::TransferRetry { transfer, why }));
    }

    fn transfer_end(&self, transfer: usize) {
        self.with(|log| log.end(transfer));
    }
}

#[cfg(test)]
mod tests {
    use pkg_install::progress::ActivityKind;

    use super::*;

    /// Every write that `act` causes.
    fn written(act: impl FnOnce(&JsonLines<Writes>)) -> Vec<String> {
        let events = JsonLines::new(Writes::default());
        act(&events);
        events
            .log
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .output
            .0
    }

    /// Keeps each write apart.
    #[derive(Default)]
    struct Writes(Vec<String>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.push(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_event_is_one_write_of_one_line() {
        let lines = written(|events| {
            events.waiting(Path::new("a\n\"b"));
            events.transfer_begin(7, "n", None, 5);
            events.transfer_begin(7, "n", Some(30), 0);
            events.transfer_advance(7, 10);
            let mut retry = Retry::default();
            retry.why = "odd\r\n".to_owned();
            events.transfer_retry(7, &retry);
            events.transfer_advance(7, 20);
            events.transfer_end(7);
            events.begin(3, 9);
            events.advance(1, 2);
            events.advance(1, 3);
            events.advance(1, 4);
            events.end();
            events.activity_begin(2, &Activity::new(ActivityKind::Resolve, ""));
            events.activity_subject(2, "a: 5 versions tried");
            events.activity_subject(2, "a: 6 versions tried");
        });
        let expected = [
            r#"{"event":"waiting","path":"a\n\"b"}"#,
            r#"{"event":"transfer-begin","transfer":7,"name":"n","total":null,"present":5}"#,
            r#"{"event":"transfer","transfer":7,"bytes":0,"total":30}"#,
            r#"{"event":"transfer-retry","transfer":7,"why":"odd\r\n"}"#,
            r#"{"event":"transfer","transfer":7,"bytes":30,"total":30}"#,
            r#"{"event":"transfer-end","transfer":7}"#,
            r#"{"event":"stage-begin","files":3,"bytes":9}"#,
            r#"{"event":"stage","files":1,"bytes":2}"#,
            r#"{"event":"stage","files":3,"bytes":9}"#,
            r#"{"event":"stage-end"}"#,
            r#"{"event":"activity-begin","activity":2,"kind":"resolve","subject":"","files":null}"#,
            r#"{"event":"activity-subject","activity":2,"subject":"a: 5 versions tried"}"#,
        ];
        assert_eq!(lines, expected.map(|line| format!("{line}\n")));
    }

    #[test]
    fn numbers_that_never_began_are_not_written() {
        let lines = written(|events| {
            events.transfer_advance(1, 5);
            events.transfer_end(1);
            events.advance(1, 1);
            events.end();
        });
        assert_eq!(lines, [""; 0]);
    }

    #[test]
    fn changes_are_written_ten_times_a_second() {
        let (mut pace, begin) = (Pace::default(), Instant::now());
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        let due: Vec<u64> = (0..1000).filter(|&time| pace.is_due(at(time))).collect();
        assert_eq!(due, (0..10).map(|tenth| tenth * 100).collect::<Vec<_>>());
        assert!(pace.changed);
        assert!(pace.is_due(at(1000)) && !pace.changed);
    }
}

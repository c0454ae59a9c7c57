//! What can go wrong on the way, and whether trying again can help.
//!
//! Input: the HTTP crate's errors, statuses. Output: a [`Trouble`], in words that name hosts and
//! never credentials.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ureq::Timeout;
use url::Url;

use super::response::Answer;
use super::{Wanted, date};
use crate::error::{Error, NetworkFault, Result};

/// The longest that a server may make us wait.
const LONGEST_WAIT: u64 = 60;

/// Why a connection brought no more.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may pass: why, how long the server asks to wait, and the failure that it is if it does
    /// not pass.
    Passing {
        why: String,
        wait: Option<Duration>,
        fault: NetworkFault,
    },
    /// It will not.
    Fatal(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

impl Trouble {
    pub(super) fn passing(why: String) -> Self {
        Self::Passing {
            why,
            wait: None,
            fault: NetworkFault::TransferFailed,
        }
    }

    /// A request or a body that broke.
    pub(super) fn of(error: ureq::Error, url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let tls = |reason: String| {
            let fault = match () {
                () if reason.contains("UnknownIssuer") => NetworkFault::UntrustedCertificate,
                () if reason.contains("expired") => NetworkFault::ExpiredCertificate,
                () => NetworkFault::Tls,
            };
            let reason = format!("no safe connection to `{host}`: {reason}");
            Self::Fatal(Error::network(fault, &super::label_of(url), reason))
        };
        let fault = NetworkFault::Unreachable;
        match error {
            ureq::Error::Rustls(error) => tls(error.to_string()),
            ureq::Error::Tls(reason) => tls(reason.to_owned()),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                tls(error.to_string())
            }
            ureq::Error::HostNotFound => Self::Passing {
                why: format!("the host `{host}` is not known"),
                wait: None,
                fault,
            },
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => Self::Passing {
                why: format!("`{host}` cannot be reached in time"),
                wait: None,
                fault,
            },
            ureq::Error::Timeout(_) => Self::passing(format!("`{host}` sends nothing")),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Self::passing(format!("`{host}` broke the connection off"))
            }
            ureq::Error::Io(error) => Self::Passing {
                why: format!("`{host}`: {error}"),
                wait: None,
                fault,
            },
            error => Self::Passing {
                why: format!("`{host}`: {error}"),
                wait: None,
                fault,
            },
        }
    }

    /// An answer whose status is neither that of a whole file nor that of a range.
    pub(super) fn of_status(answer: &Answer, wanted: &Wanted) -> Self {
        let host = wanted.url.host_str().unwrap_or_default();
        let why = format!("`{host}` answers with status {}", answer.status);
        match answer.status {
            408 | 425 | 429 | 500 | 502 | 503 | 504 => Self::Passing {
                why,
                wait: retry_after(answer),
                fault: NetworkFault::TransferFailed,
            },
            401 | 403 | 407 => {
                let fault = NetworkFault::Credentials;
                Self::Fatal(Error::network(fault, &wanted.label, why))
            }
            _ => Self::Fatal(Error::network(NetworkFault::Status, &wanted.label, why)),
        }
    }
}

/// `Retry-After`: seconds or a date (RFC 9110, 10.2.3), the latter by the server's own clock.
fn retry_after(answer: &Answer) -> Option<Duration> {
    let text = answer.header("retry-after")?.trim();
    let seconds = text.parse::<u64>().ok().or_else(|| {
        let now = answer.header("date").and_then(date::parse)?;
        Some(date::parse(text)?.saturating_sub(now))
    });
    seconds.map(|seconds| Duration::from_secs(seconds.min(LONGEST_WAIT)))
}

/// What ends the work before its time.
#[derive(Clone, Copy)]
pub(super) struct Halt<'a> {
    /// The user wants to stop.
    cancel: &'a AtomicBool,
    /// Another file has failed; also true soon after the user wants to stop.
    pub(super) stop: &'a AtomicBool,
}

impl<'a> Halt<'a> {
    pub(super) fn new(cancel: &'a AtomicBool, stop: &'a AtomicBool) -> Self {
        Self { cancel, stop }
    }

    /// Fails where the work shall end.
    pub(super) fn check(self) -> Result<()> {
        let ended = self.cancel.load(Ordering::Relaxed) || self.stop.load(Ordering::Relaxed);
        if ended {
            Err(Error::interrupted())
        } else {
            Ok(())
        }
    }
}

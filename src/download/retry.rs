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
use crate::error::{Error, Result};

/// The longest that a server may make us wait.
const LONGEST_WAIT: u64 = 60;
const TRY_LATER: &str = "try again: what has arrived is kept";
const CREDENTIALS: &str = "put the credentials for the host into the netrc file";

/// Why a connection brought no more.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may pass: why, how long the server asks to wait, and what to do where it does not.
    Passing {
        why: String,
        wait: Option<Duration>,
        hint: &'static str,
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
            hint: TRY_LATER,
        }
    }

    /// A request or a body that broke.
    pub(super) fn of(error: ureq::Error, url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let tls = |reason: String| {
            let hint = match () {
                () if reason.contains("UnknownIssuer") => {
                    "name the certificates of your network in `SSL_CERT_FILE`"
                }
                () if reason.contains("expired") => {
                    "check the clock of this machine, or ask whoever runs the server"
                }
                () => "ask whoever runs the server",
            };
            let reason = format!("no safe connection to `{host}`: {reason}");
            Self::Fatal(Error::network(&super::label_of(url), reason, hint))
        };
        let name = "check the name of the host, the network and the proxy settings";
        match error {
            ureq::Error::Rustls(error) => tls(error.to_string()),
            ureq::Error::Tls(reason) => tls(reason.to_owned()),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                tls(error.to_string())
            }
            ureq::Error::HostNotFound => Self::Passing {
                why: format!("the host `{host}` is not known"),
                wait: None,
                hint: name,
            },
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => Self::Passing {
                why: format!("`{host}` cannot be reached in time"),
                wait: None,
                hint: name,
            },
            ureq::Error::Timeout(_) => Self::passing(format!("`{host}` sends nothing")),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Self::passing(format!("`{host}` broke the connection off"))
            }
            ureq::Error::Io(error) => Self::Passing {
                why: format!("`{host}`: {error}"),
                wait: None,
                hint: name,
            },
            error => Self::Passing {
                why: format!("`{host}`: {error}"),
                wait: None,
                hint: name,
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
                hint: TRY_LATER,
            },
            401 | 403 | 407 => Self::Fatal(Error::network(&wanted.label, why, CREDENTIALS)),
            _ => Self::Fatal(Error::network(&wanted.label, why, "check the address")),
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

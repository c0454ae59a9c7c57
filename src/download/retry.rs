//! Which failures may pass, how often a request is tried again, and how long the pauses are.
//!
//! Input: errors of the HTTP crate, statuses. Output: a [`FetchError`], whose words name hosts and
//! never credentials; [`Attempts`], which counts failures and says how long to wait. All limits of
//! retries are in this file and in the [`Settings`] that they come from.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ureq::Timeout;
use url::Url;

use super::proxies::ProxyAddress;
use super::response::Response;
use super::settings::Settings;
use super::status::status_line;
use super::waits::Waits;
use crate::error::{Error, NetworkFault, Result};
use crate::outcome::Retry;

/// The longest pause of our own: doubling would soon make it minutes.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// Why a request brought no more.
#[derive(Debug)]
pub(super) enum FetchError {
    /// It may pass.
    Passing(Passing),
    /// It will not pass, or the work was cancelled.
    Fatal(Error),
}

/// A failure that may pass.
#[derive(Debug)]
pub(super) struct Passing {
    pub(super) why: String,
    /// How long the server asks to wait.
    wait: Option<Duration>,
    /// Whether the server sent nothing at all in time.
    pub(super) is_silence: bool,
    /// The failure that it is if it does not pass.
    fault: NetworkFault,
}

impl From<Error> for FetchError {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

impl Passing {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            wait: None,
            is_silence: false,
            fault: NetworkFault::TransferFailed,
        }
    }

    fn with_fault(self, fault: NetworkFault) -> Self {
        Self { fault, ..self }
    }
}

impl FetchError {
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Self::Passing(Passing::new(why))
    }

    /// The error to report if there is no further attempt.
    pub(super) fn into_error(self, label: &str) -> Error {
        match self {
            Self::Passing(passing) => Error::network(passing.fault, label, passing.why),
            Self::Fatal(error) => error,
        }
    }

    /// A request or a body that broke; `label` is the address as messages show it.
    pub(super) fn of(error: ureq::Error, url: &Url, label: &str) -> Self {
        let host = url.host_str().unwrap_or_default();
        let tls = |reason: String| {
            // Errors of rustls also come inside an `io::Error`: only their text is always there.
            let fault = if reason.contains("UnknownIssuer") {
                NetworkFault::UntrustedCertificate
            } else if reason.contains("expired") {
                NetworkFault::ExpiredCertificate
            } else {
                NetworkFault::Tls
            };
            let reason = if reason.contains("InvalidContentType") {
                let port = url.port_or_known_default().unwrap_or_default();
                format!("`{host}` does not speak TLS at port {port}: its address may be `http`")
            } else {
                format!("no safe connection to `{host}`: {reason}")
            };
            Self::Fatal(Error::network(fault, label, reason))
        };
        let network = |why| Self::Passing(Passing::new(why).with_fault(NetworkFault::Unreachable));
        match error {
            error if is_unknown_host(&error) => network(format!("the host `{host}` is not known")),
            ureq::Error::Rustls(error) => tls(error.to_string()),
            ureq::Error::Tls(reason) => tls(reason.to_owned()),
            // A TLS error that rustls finds during a read or a write has this kind.
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                tls(error.to_string())
            }
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                network(format!("`{host}` cannot be reached in time"))
            }
            ureq::Error::Timeout(_) => Self::Passing(Passing {
                is_silence: true,
                ..Passing::new(format!("`{host}` sends nothing"))
            }),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Self::passing(format!("`{host}` broke the connection off"))
            }
            ureq::Error::Io(error) => network(format!("`{host}`: {error}")),
            // The crate's words may quote the answer, which may be anything.
            ureq::Error::Protocol(_) | ureq::Error::Http(_) => {
                let why = format!("`{host}` does not answer in valid HTTP");
                Self::Fatal(Error::network(NetworkFault::TransferFailed, label, why))
            }
            error => network(format!("`{host}`: {error}")),
        }
    }

    /// A request through a proxy that broke.
    pub(super) fn through(
        error: ureq::Error,
        proxy: &ProxyAddress,
        url: &Url,
        label: &str,
    ) -> Self {
        use std::io::ErrorKind as Kind;
        let name = &proxy.label;
        let passing = |why| Self::Passing(Passing::new(why).with_fault(NetworkFault::Proxy));
        match error {
            // The name of the wanted host is looked up by the proxy.
            error if is_unknown_host(&error) => {
                passing(format!("the host of the proxy `{name}` is not known"))
            }
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                passing(format!("the proxy `{name}` cannot be reached in time"))
            }
            // Inside of a tunnel these kinds cannot occur.
            ureq::Error::Io(error)
                if matches!(
                    error.kind(),
                    Kind::ConnectionRefused | Kind::HostUnreachable | Kind::NetworkUnreachable
                ) =>
            {
                passing(format!("the proxy `{name}`: {error}"))
            }
            ureq::Error::ConnectProxyFailed(reason) => Self::refused(&reason, proxy, label),
            error => Self::of(error, url, label),
        }
    }

    /// A proxy that answered and makes no tunnel; `reason` is the crate's, and ends in the status.
    fn refused(reason: &str, proxy: &ProxyAddress, label: &str) -> Self {
        let name = &proxy.label;
        let status = reason
            .rsplit('/')
            .next()
            .and_then(|status| status.parse().ok());
        let (fault, why) = match status {
            Some(407) if proxy.has_login => (
                NetworkFault::ProxyCredentials,
                format!("the proxy `{name}` refuses the login"),
            ),
            Some(407) => (
                NetworkFault::ProxyCredentials,
                format!("the proxy `{name}` asks for a login"),
            ),
            Some(status @ (408 | 429 | 500 | 502..=504)) => {
                let why = format!("the proxy `{name}`: {}", status_line(status));
                return Self::Passing(Passing::new(why).with_fault(NetworkFault::Proxy));
            }
            Some(status) => (
                NetworkFault::Proxy,
                format!(
                    "the proxy `{name}` makes no tunnel: {}",
                    status_line(status)
                ),
            ),
            None => {
                let why = format!("the proxy `{name}` does not answer");
                return Self::Passing(Passing::new(why).with_fault(NetworkFault::Proxy));
            }
        };
        Self::Fatal(Error::network(fault, label, why))
    }

    /// An answer whose status is not one of those that bring what was asked for.
    pub(super) fn of_status(answer: &Response, url: &Url, label: &str) -> Self {
        let mut why = status_line(answer.status);
        // After a redirect it is not the asked server's answer.
        if let Some(host) = answer
            .url
            .host_str()
            .filter(|_| answer.url.host() != url.host())
        {
            why += &format!(" from `{host}`");
        }
        match answer.status {
            // Status 501 and 505 are not here: a server that lacks a feature will go on lacking it.
            // Those from 520 on are Cloudflare's, for servers behind it that do not answer.
            408 | 425 | 429 | 500 | 502 | 503 | 504 | 520..=527 => Self::Passing(Passing {
                wait: answer.retry_after(),
                ..Passing::new(why)
            }),
            401 | 403 | 407 => Self::Fatal(Error::network(NetworkFault::Credentials, label, why)),
            _ => Self::Fatal(Error::network(NetworkFault::Status, label, why)),
        }
    }
}

/// Whether a name could not be looked up. The standard library gives such an error no kind of its
/// own, only this text.
fn is_unknown_host(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound => true,
        ureq::Error::Io(error) => error.to_string().starts_with("failed to lookup address"),
        _ => false,
    }
}

/// How often to try again.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryPolicy {
    retries: u32,
    backoff: Duration,
    give_up_after: Duration,
}

impl RetryPolicy {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            retries: settings.retries,
            backoff: settings.backoff,
            give_up_after: settings.give_up_after,
        }
    }

    /// The waits of a transfer, of which none is known yet.
    pub(super) fn waits(self) -> Waits {
        // A gap in a body that is no wait: a quarter of a second by default.
        Waits::new(self.give_up_after / 64)
    }

    pub(super) fn attempts(self) -> Attempts {
        Attempts {
            policy: self,
            failures: 0,
            lost: Duration::ZERO,
        }
    }
}

/// The failures of one file or resource since it last made progress.
#[derive(Debug)]
pub(super) struct Attempts {
    policy: RetryPolicy,
    failures: u32,
    /// The waits for bytes in each try that did not bring all that it should have, and the pauses.
    lost: Duration,
}

impl Attempts {
    /// New bytes came: only failures in a row count, so a large file survives a line that breaks
    /// often.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Much came: the time that was lost before is forgotten. A few bytes do not suffice, since a
    /// server that falls silent after a few bytes of each answer would never be given up.
    pub(super) fn recovered(&mut self) {
        self.lost = Duration::ZERO;
    }

    /// A try waited so long for bytes, and did not bring all that it should have.
    pub(super) fn lose(&mut self, waits: Duration) {
        self.lost += waits;
    }

    /// Whether so much time is lost that each further request must bring as much as possible.
    pub(super) fn is_pressing(&self) -> bool {
        self.lost * 2 >= self.policy.give_up_after
    }

    /// The waits of one request.
    pub(super) fn waits(&self) -> Waits {
        self.policy.waits()
    }

    /// How long nothing came so far.
    pub(super) fn lost(&self) -> Duration {
        self.lost
    }

    /// How long the next try may be silent; zero if there must be no other try.
    pub(super) fn left(&self) -> Duration {
        self.policy.give_up_after.saturating_sub(self.lost)
    }

    /// The next failure counts twice.
    pub(super) fn skip(&mut self) {
        self.failures += 1;
    }

    /// The next try; an error if this was the last one.
    pub(super) fn failed(&mut self, passing: Passing, label: &str) -> Result<Retry> {
        self.failures += 1;
        let (left, mut why) = (self.left(), passing.why);
        let pause = passing.wait.unwrap_or_else(|| self.backoff());
        // A try without time to wait for its answer would only fail in another way.
        let is_last = self.failures > self.policy.retries || pause >= left;
        if let Some(wait) = passing.wait.filter(|wait| *wait >= left) {
            why += &format!(", and it asks to wait {} s", wait.as_secs());
        }
        if is_last {
            return Err(Error::network(passing.fault, label, why));
        }
        self.lost += pause;
        Ok(Retry {
            pause,
            why,
            attempt: self.failures + 1,
            attempts: self.policy.retries + 1,
        })
    }

    /// Doubled each time. The jitter keeps connections that failed together from coming back
    /// together.
    fn backoff(&self) -> Duration {
        // 2^16 times any pause is beyond the longest.
        let doubled = self
            .policy
            .backoff
            .saturating_mul(1 << (self.failures - 1).min(16));
        // The microseconds of the clock are random enough for this and need no crate.
        let clock = SystemTime::now().duration_since(UNIX_EPOCH);
        let permille = 750 + clock.map_or(0, |now| now.subsec_micros() % 500);
        (doubled.saturating_mul(permille) / 1000).min(LONGEST_BACKOFF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_in_a_row_count_and_pauses_double() {
        let settings = Settings {
            retries: 2,
            backoff: Duration::from_secs(8),
            give_up_after: Duration::from_secs(100),
            ..Settings::default()
        };
        let mut attempts = RetryPolicy::new(&settings).attempts();
        let mut fail = |passing| Some(attempts.failed(passing, "label").ok()?.pause);
        let about = |pause: Option<Duration>, seconds: u64| {
            let pause = pause.expect("it may be tried again").as_millis();
            (750..1250).contains(&(pause / u128::from(seconds)))
        };
        assert!(about(fail(Passing::new("a")), 8));
        assert!(about(fail(Passing::new("b")), 16));
        assert!(fail(Passing::new("c")).is_none());
        attempts.succeeded();
        let asked = Passing {
            wait: Some(Duration::from_secs(3)),
            ..Passing::new("d")
        };
        let expected = Retry {
            why: "d".to_owned(),
            pause: Duration::from_secs(3),
            attempt: 2,
            attempts: 3,
        };
        assert_eq!(attempts.failed(asked, "label").ok(), Some(expected));
    }
    #[test]
    fn silence_of_all_tries_together_has_a_limit_until_much_comes() {
        let settings = Settings {
            retries: 9,
            backoff: Duration::from_secs(1),
            give_up_after: Duration::from_secs(18),
            ..Settings::default()
        };
        let mut attempts = RetryPolicy::new(&settings).attempts();
        attempts.lose(Duration::from_secs(13));
        assert!(attempts.failed(Passing::new("a"), "label").is_ok());
        let left = attempts.left();
        assert!(left < Duration::from_secs(5) && left > Duration::from_secs(3));
        // A few bytes end a row of failures, and bring no time back.
        attempts.succeeded();
        attempts.lose(left);
        assert_eq!(attempts.left(), Duration::ZERO);
        assert!(attempts.failed(Passing::new("b"), "label").is_err());
        attempts.recovered();
        assert_eq!(attempts.left(), settings.give_up_after);
        let asked = |seconds| Passing {
            wait: Some(Duration::from_secs(seconds)),
            ..Passing::new("HTTP 429 Too Many Requests")
        };
        let retry = attempts.failed(asked(10), "label");
        assert_eq!(retry.expect("there is time").pause.as_secs(), 10);
        let refused = attempts.failed(asked(10), "label");
        let refused = refused.expect_err("there is not").to_string();
        assert!(refused.contains("and it asks to wait 10 s"), "{refused}");
    }
}

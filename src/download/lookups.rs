//! Looking up the addresses of hosts, once for all connections.
//!
//! Input: a host and port. Output: its addresses, for the HTTP crate. Thirty connections that begin
//! together would ask a name server thirty times at once; those of home routers and containers drop
//! some of the questions, and each such connection then waits for seconds. Invariants: a host is
//! looked up by one connection at a time; those that waited for it take what it found, or its
//! failure; one that comes later looks up anew after a failure. Limit: answers are kept for
//! [`KEPT`], in the memory of the process.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::{Error, Timeout};

/// So long an answer is used again: a command that runs for hours follows a host that moves.
const KEPT: Duration = Duration::from_secs(60);

/// The lookups of all connections. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Lookups {
    /// By host and port. A lookup holds the lock of its host.
    hosts: Arc<Mutex<HashMap<String, LastLookup>>>,
}

/// What the last lookup of a host found, if there was one.
type LastLookup = Arc<Mutex<Option<Looked>>>;

/// What a lookup found.
#[derive(Debug)]
struct Looked {
    at: Instant,
    found: Result<ResolvedSocketAddrs, LookupFault>,
}

/// Why a lookup failed; the error of the HTTP crate cannot be copied.
#[derive(Debug)]
enum LookupFault {
    NotFound,
    Timeout(Timeout),
    Other(io::ErrorKind, String),
}

impl LookupFault {
    fn of(error: &Error) -> Self {
        match error {
            Error::HostNotFound => Self::NotFound,
            Error::Timeout(reason) => Self::Timeout(*reason),
            Error::Io(error) => Self::Other(error.kind(), error.to_string()),
            other => Self::Other(io::ErrorKind::Other, other.to_string()),
        }
    }

    fn error(&self) -> Error {
        match self {
            Self::NotFound => Error::HostNotFound,
            Self::Timeout(reason) => Error::Timeout(*reason),
            Self::Other(kind, why) => Error::Io(io::Error::new(*kind, why.clone())),
        }
    }
}

impl Looked {
    /// The answer for a connection that asked at this time; `None` if it has to look up anew.
    fn answer(&self, asked: Instant) -> Option<Result<ResolvedSocketAddrs, Error>> {
        match &self.found {
            Ok(addresses) => {
                let is_new = asked.saturating_duration_since(self.at) < KEPT;
                is_new.then(|| Ok(addresses.clone()))
            }
            // It waited for this lookup: another one would make it wait as long again.
            Err(fault) => (asked < self.at).then(|| Err(fault.error())),
        }
    }
}

impl Lookups {
    /// The addresses of `host`, by `look_up` if no other connection has just found them.
    fn get(
        &self,
        host: String,
        asked: Instant,
        look_up: impl FnOnce() -> Result<ResolvedSocketAddrs, Error>,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let looked = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(hosts.entry(host).or_default())
        };
        let mut looked = looked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = looked.as_ref().and_then(|looked| looked.answer(asked)) {
            return answer;
        }
        let found = look_up();
        *looked = Some(Looked {
            at: Instant::now(),
            found: found.as_ref().map(Clone::clone).map_err(LookupFault::of),
        });
        found
    }
}

impl Resolver for Lookups {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.scheme().zip(uri.authority());
        let host = host.and_then(|(scheme, host)| DefaultResolver::host_and_port(scheme, host));
        let look_up = || DefaultResolver::default().resolve(uri, config, timeout);
        match host {
            Some(host) => self.get(host, Instant::now(), look_up),
            // It says what is wrong with the address.
            None => look_up(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn addresses(text: &str) -> ResolvedSocketAddrs {
        let mut all = DefaultResolver::default().empty();
        all.push(text.parse::<SocketAddr>().expect(text));
        all
    }

    #[test]
    fn connections_that_begin_together_look_a_host_up_once() {
        let lookups = Lookups::default();
        let count = AtomicUsize::new(0);
        let get = |host: &str| {
            lookups.get(host.to_owned(), Instant::now(), || {
                count.fetch_add(1, Ordering::SeqCst);
                Ok(addresses("192.0.2.1:443"))
            })
        };
        std::thread::scope(|scope| {
            for _ in 0..32 {
                scope.spawn(|| {
                    let found = get("a.example:443").expect("an address");
                    assert_eq!(found[..], addresses("192.0.2.1:443")[..]);
                });
            }
        });
        assert_eq!(count.load(Ordering::SeqCst), 1);
        get("b.example:443").expect("an address");
        assert_eq!(count.load(Ordering::SeqCst), 2, "another host is looked up");
    }

    #[test]
    fn those_that_waited_share_a_failure_and_later_ones_ask_again() {
        let lookups = Lookups::default();
        let get = |asked, found| lookups.get("a.example:443".to_owned(), asked, || found);
        let before = Instant::now();
        let fault = get(before, Err(Error::Timeout(Timeout::Resolve)));
        assert!(matches!(fault, Err(Error::Timeout(Timeout::Resolve))));
        let address = || Ok(addresses("192.0.2.1:443"));
        let waited = get(before, address());
        assert!(matches!(waited, Err(Error::Timeout(Timeout::Resolve))));
        let later = Instant::now() + Duration::from_secs(1);
        assert!(get(later, address()).is_ok());
        let much_later = Instant::now() + KEPT * 2;
        let moved = get(much_later, Ok(addresses("192.0.2.2:443")));
        assert_eq!(
            moved.expect("an address")[..],
            addresses("192.0.2.2:443")[..]
        );
    }

    #[test]
    fn a_fault_keeps_what_messages_need() {
        let why = "failed to lookup address information: Name or service not known";
        let error = Error::Io(io::Error::other(why));
        let copy = LookupFault::of(&error).error();
        assert!(matches!(copy, Error::Io(error) if error.to_string() == why));
        let copy = LookupFault::of(&Error::HostNotFound).error();
        assert!(matches!(copy, Error::HostNotFound));
    }
}

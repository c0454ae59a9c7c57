//! HTTP requests: connections, proxies, certificates, credentials, redirects.
//!
//! Input: an address and headers. Output: an [`Response`], whose body is still to be read, or a
//! [`FetchError`]. Everything here blocks, until an answer comes, a timeout passes or another
//! thread [hangs up](Client::hang_up). Invariants: credentials are sent to their own host only and
//! are in no message; no redirect leads from https to http. Only this file names the HTTP crate's
//! requests. Trouble with a proxy or with certificates fails only the requests that need them.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Proxy};
use url::Url;

use super::certificates::roots;
use super::lookups::Lookups;
use super::netrc::{Login, Netrc};
use super::proxies::{Proxies, ProxyAddress};
use super::response::Response;
use super::retry::FetchError;
use super::settings::Settings;
use super::traffic::Traffic;
use super::unanswered::UnansweredHosts;
use crate::cancellation::Cancellation;
use crate::error::{Error, NetworkFault, WarningCode};
use crate::fs;
use crate::outcome::Warning;
use crate::spec::location::{label_of, request_url};

/// As many as other clients follow at the most.
const MOST_REDIRECTS: usize = 10;
/// Keeps a path to a wrong file from filling the memory.
const MOST_NETRC_BYTES: u64 = 1 << 20;

/// The headers of one request, beside those of every request.
pub(super) type RequestHeaders = Vec<(&'static str, String)>;

/// Asks for the bytes as they are: ranges of a compressed body would be useless.
pub(super) fn identity() -> (&'static str, String) {
    ("Accept-Encoding", "identity".to_owned())
}

type EmptyRequest = ureq::RequestBuilder<ureq::typestate::WithoutBody>;

/// Makes requests, from any thread.
pub(super) struct Client {
    settings: Settings,
    /// Made for the first request: reading certificates takes longer than a command that finds
    /// everything in the cache.
    network: OnceLock<Network>,
    proxies: Proxies,
    netrc: Netrc,
    unanswered: UnansweredHosts,
    pub(super) traffic: Traffic,
    /// Warnings that were not taken yet.
    warnings: Mutex<Vec<Warning>>,
}

/// What requests need.
struct Network {
    routes: Mutex<Routes>,
    make: Box<dyn Fn(Option<Proxy>) -> Agent + Send + Sync>,
    /// Why the certificates cannot be used, if that is so.
    certificate_fault: Option<String>,
}

/// The agents, each with its own connections: an agent knows one proxy. Clones share connections.
#[derive(Clone)]
struct Routes {
    direct: Agent,
    http: Option<Agent>,
    https: Option<Agent>,
}

impl Client {
    /// Reads netrc; connects to nothing yet.
    pub(super) fn new(settings: &Settings) -> Self {
        let proxies = Proxies::new(settings);
        let (netrc, warnings) = match read_netrc(settings) {
            Ok(netrc) => (netrc, Vec::new()),
            Err(warning) => (Netrc::default(), vec![warning]),
        };
        Self {
            settings: settings.clone(),
            network: OnceLock::new(),
            proxies,
            netrc,
            unanswered: UnansweredHosts::new(settings.give_up_after),
            traffic: Traffic::default(),
            warnings: Mutex::new(warnings),
        }
    }

    fn network(&self) -> &Network {
        self.network
            .get_or_init(|| Network::new(&self.settings, &self.proxies))
    }

    /// Removes and returns the warnings so far.
    pub(super) fn take_warnings(&self) -> Vec<Warning> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends every connection, so that threads that wait for an answer or a body fail at once. Later
    /// requests fail too, unless `renew` is set.
    pub(super) fn hang_up(&self, renew: bool) {
        // Without agents there is no connection. A request that is just making them looks at its
        // cancellation afterwards, as below.
        let Some(network) = self.network.get() else {
            return;
        };
        let mut routes = network.lock();
        let old = routes.clone();
        if renew {
            *routes = Routes::new(&*network.make, &self.proxies);
        }
        // Each request takes its agent under this lock and must not wait for sockets to close.
        drop(routes);
        let agents = [Some(old.direct), old.http, old.https];
        agents.into_iter().flatten().for_each(Agent::shutdown);
    }

    /// Makes a request, follows redirects, and returns the first answer that is no redirect. Its
    /// status may be that of a failure. The server may send nothing for `patience`, the stall
    /// timeout of the settings, or the rest of the time that its host has, whichever is shortest.
    pub(super) fn get(
        &self,
        url: &Url,
        headers: &RequestHeaders,
        patience: Duration,
        cancel: &Cancellation,
    ) -> std::result::Result<Response, FetchError> {
        let label = label_of(url);
        // All redirects together get this time: a long chain of slow ones must end, too.
        let end = Instant::now() + patience;
        let mut at = url.clone();
        let mut seen = Vec::new();
        loop {
            if !matches!(at.scheme(), "http" | "https") || at.host_str().is_none() {
                let why = "its address is neither `http` nor `https`";
                return Err(Error::network(NetworkFault::Address, &label, why).into());
            }
            let proxy = self.check_way(&at, &label)?;
            let left = self.unanswered.left(&at, &label)?;
            let left = left.min(end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Err(FetchError::passing("its redirects take too long"));
            }
            let request = self.request(&at, self.authorization(url, &at), headers);
            let request = self.with_timeouts(request, left);
            // The agent is taken already. In the other order a request that is cancelled in between
            // could get a renewed agent, which that `hang_up` does not end.
            cancel.check()?;
            let asking = self.traffic.begin();
            let response = request.call().map_err(|error| {
                // A request that another thread broke off is a cancelled one, not a failed one.
                let cancelled = cancel.check().err().map(FetchError::Fatal);
                cancelled.unwrap_or_else(|| match proxy {
                    Some(proxy) => FetchError::through(error, proxy, &at, &label),
                    None => FetchError::of(error, &at, &label),
                })
            })?;
            self.unanswered.heard(&at);
            drop(asking);
            let answer = Response::new(at, response);
            // Status 304 answers `If-None-Match`, and 300 leaves the choice to a person.
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            at = answer.url.clone();
            let next = next_address(&at, answer.header("location"), &seen).map_err(|reason| {
                let host = at.host_str().unwrap_or_default();
                let why = format!("`{host}` redirects {reason}");
                Error::network(NetworkFault::Redirect, &label, why)
            })?;
            seen.push(std::mem::replace(&mut at, next));
        }
    }

    /// The proxy for `at`, if it has one. Refuses requests for which the proxy or the certificates
    /// cannot be used.
    fn check_way(
        &self,
        at: &Url,
        label: &str,
    ) -> std::result::Result<Option<&ProxyAddress>, FetchError> {
        if at.scheme() == "https"
            && let Some(fault) = &self.network().certificate_fault
        {
            return Err(Error::network(NetworkFault::Certificates, label, fault).into());
        }
        let proxy = self.proxies.of(at);
        if let Some((proxy, reason)) =
            proxy.and_then(|proxy| Some((proxy, proxy.proxy.as_ref().err()?)))
        {
            let why = format!("the proxy `{}` cannot be used: {reason}", proxy.label);
            return Err(Error::network(NetworkFault::Proxy, label, why).into());
        }
        Ok(proxy)
    }

    /// The value of `Authorization` for a request to `at`, to which `asked` was redirected. The
    /// credentials of `asked` go to its own origin only; the netrc file has logins by host.
    fn authorization(&self, asked: &Url, at: &Url) -> Option<String> {
        // An origin includes the port: another program may listen on another port of the host.
        let own = login_of(asked).filter(|_| asked.origin() == at.origin());
        // The default is meant for the hosts that the user names. A redirect may lead anywhere.
        let (host, may_default) = (at.host_str()?, asked.host() == at.host());
        let login = match own {
            // The user alone selects a password of the file; without one, it may be a token.
            Some(own) if own.password.is_empty() => {
                let found = self.netrc.login(host, Some(&own.name), may_default);
                found.cloned().unwrap_or(own)
            }
            Some(own) => own,
            None => self.netrc.login(host, None, may_default)?.clone(),
        };
        Some(format!(
            "Basic {}",
            STANDARD.encode(format!("{}:{}", login.name, login.password))
        ))
    }

    fn request(
        &self,
        url: &Url,
        authorization: Option<String>,
        headers: &RequestHeaders,
    ) -> EmptyRequest {
        let request = self.agent(url).get(request_url(url).as_str());
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, value.as_str())
        });
        match authorization {
            Some(value) => request.header("Authorization", value),
            None => request,
        }
    }

    /// No timeout covers a whole body: a large file on a slow line may take hours.
    fn with_timeouts(&self, request: EmptyRequest, patience: Duration) -> EmptyRequest {
        let connect = Some(self.settings.connect_timeout.min(patience));
        let stall = Some(self.settings.stall_timeout.min(patience));
        (request.config())
            .timeout_resolve(connect)
            .timeout_connect(connect)
            .timeout_send_request(stall)
            .timeout_recv_response(stall)
            .timeout_per_read(stall)
            .build()
    }

    fn agent(&self, url: &Url) -> Agent {
        let routes = self.network().lock();
        let proxied = if url.scheme() == "https" {
            &routes.https
        } else {
            &routes.http
        };
        match proxied {
            Some(agent) if self.proxies.of(url).is_some() => agent.clone(),
            _ => routes.direct.clone(),
        }
    }
}

impl Network {
    /// Reads the certificates.
    fn new(settings: &Settings, proxies: &Proxies) -> Self {
        let (roots, certificate_fault) = match roots(settings) {
            Ok(roots) => (roots, None),
            // No request over https is made then, so that these are not asked.
            Err(fault) => (RootCerts::PlatformVerifier, Some(fault)),
        };
        let make = Box::new(agents(settings, roots));
        Self {
            routes: Mutex::new(Routes::new(&*make, proxies)),
            make,
            certificate_fault,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Routes {
    fn new(make: &dyn Fn(Option<Proxy>) -> Agent, proxies: &Proxies) -> Self {
        let proxied = |address: &Option<ProxyAddress>| {
            let proxy = address.as_ref()?.proxy.as_ref().ok()?;
            Some(make(Some(proxy.clone())))
        };
        Self {
            direct: make(None),
            http: proxied(&proxies.http),
            https: proxied(&proxies.https),
        }
    }
}

/// The logins of the netrc file; a warning if it is there and cannot be read.
fn read_netrc(settings: &Settings) -> std::result::Result<Netrc, Warning> {
    let Some(path) = &settings.netrc else {
        return Ok(Netrc::default());
    };
    let text = match fs::stat(path) {
        Ok(None) => return Ok(Netrc::default()),
        Ok(Some(_)) => fs::read_to_limit(path, MOST_NETRC_BYTES),
        Err(error) => Err(error),
    };
    match text {
        // The file is other programs' too: an entry that is not UTF-8 must not hide the others.
        Ok(text) => Ok(Netrc::parse(&String::from_utf8_lossy(&text))),
        // It may be another user's, and most servers need no login.
        Err(error) => Err(Warning {
            code: WarningCode::Netrc,
            wheel: None,
            message: format!("the netrc file is not used: {error}"),
        }),
    }
}

/// The target of a redirect, or the reason why it is not followed.
fn next_address(
    at: &Url,
    location: Option<&str>,
    seen: &[Url],
) -> std::result::Result<Url, &'static str> {
    let next = location
        .and_then(|to| at.join(to).ok())
        .ok_or("to nowhere")?;
    match next.scheme() {
        "https" => {}
        "http" if at.scheme() == "http" => {}
        "http" => return Err("from `https` to `http`, where anybody may listen"),
        _ => return Err("to an address that is neither `https` nor `http`"),
    }
    if next == *at || seen.contains(&next) {
        return Err("in a circle");
    }
    if seen.len() >= MOST_REDIRECTS {
        return Err("once more, after ten redirects");
    }
    Ok(next)
}

/// A function that makes agents with these settings.
fn agents(settings: &Settings, roots: RootCerts) -> impl Fn(Option<Proxy>) -> Agent + use<> {
    let tls = TlsConfig::builder().root_certs(roots).build();
    // Every connection thread can keep its connection for the next request.
    let connections = settings.connections.max(1) + settings.resource_connections;
    let user_agent = settings.user_agent.clone();
    let lookups = Lookups::default();
    move |proxy| {
        // Redirects are followed in `get`, which keeps credentials from other origins.
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .tls_config(tls.clone())
            .user_agent(user_agent.as_str())
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .build();
        Agent::with_parts(config, DefaultConnector::default(), lookups.clone())
    }
}

/// The name and password in a URL, percent-decoded.
fn login_of(url: &Url) -> Option<Login> {
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let password = url.password().unwrap_or_default();
    (!url.username().is_empty() || !password.is_empty()).then(|| Login {
        name: plain(url.username()),
        password: plain(password),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_neither_to_less_safety_nor_for_ever() {
        let url = |text: &str| Url::parse(text).expect("it is one");
        let (at, many) = (
            url("https://a.example/x/y.whl"),
            vec![url("https://b.example/"); MOST_REDIRECTS],
        );
        let next = |to, seen: &[Url]| next_address(&at, to, seen).map(String::from);
        assert_eq!(
            next(Some("z.whl"), &many[1..]),
            Ok("https://a.example/x/z.whl".to_owned())
        );
        assert_eq!(
            next(Some("//c.example/z.whl"), &[]),
            Ok("https://c.example/z.whl".to_owned())
        );
        assert_eq!(
            next(Some("http://a.example/"), &[]),
            Err("from `https` to `http`, where anybody may listen")
        );
        assert_eq!(
            next(Some("file:///etc/passwd"), &[]),
            Err("to an address that is neither `https` nor `http`")
        );
        assert_eq!(
            next(Some("https://b.example/"), &many[..1]),
            Err("in a circle")
        );
        assert_eq!(next(Some("y.whl"), &[]), Err("in a circle"));
        assert_eq!(
            next(Some("z.whl"), &many),
            Err("once more, after ten redirects")
        );
        assert_eq!(next(None, &[]), Err("to nowhere"));
    }

    #[test]
    fn credentials_are_taken_out_of_urls() {
        let url = Url::parse("https://an%40na:p%3A%C3%A9%zz@example.org/a.whl#sha256=1")
            .expect("it is one");
        let login = login_of(&url).expect("it has one");
        assert_eq!(
            (login.name.as_str(), login.password.as_str()),
            ("an@na", "p:é%zz")
        );
        assert_eq!(request_url(&url).as_str(), "https://example.org/a.whl");
        assert_eq!(login_of(&request_url(&url)), None);
    }
}

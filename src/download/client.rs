//! HTTP requests: connections, proxies, certificates, credentials, redirects.
//!
//! Input: an address and headers. Output: an [`Response`], whose body is still to be read, or a
//! [`FetchError`]. Everything here blocks, until an answer comes, a timeout passes or another
//! thread [hangs up](Client::hang_up). Invariants: credentials are sent to their own host only and
//! are in no message; no redirect leads from https to http. Only this file names the HTTP crate's
//! requests.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy};
use url::Url;

use super::netrc::{Login, Netrc};
use super::response::Response;
use super::retry::FetchError;
use super::settings::Settings;
use crate::error::{Error, NetworkFault, Result};
use crate::fs;
use crate::spec::location::{label_of, request_url};
use crate::threads::Cancel;

/// As many as other clients follow at the most.
const MOST_REDIRECTS: usize = 10;
// Both limits keep a path to a wrong file from filling the memory.
const MOST_CERTIFICATE_BYTES: u64 = 1 << 24;
const MOST_NETRC_BYTES: u64 = 1 << 20;

/// The headers of one request, beside those of every request.
pub(super) type RequestHeaders = Vec<(&'static str, String)>;

/// Asks for the bytes as they are: ranges of a compressed body would be useless.
pub(super) fn identity() -> (&'static str, String) {
    ("Accept-Encoding", "identity".to_owned())
}

/// Makes requests, from any thread.
pub(super) struct Client {
    routes: Mutex<Routes>,
    make: Box<dyn Fn(Option<Proxy>) -> Agent + Send + Sync>,
    proxies: Proxies,
    netrc: Netrc,
}

/// The agents, each with its own connections: an agent knows one proxy. Clones share connections.
#[derive(Clone)]
struct Routes {
    direct: Agent,
    http: Option<Agent>,
    https: Option<Agent>,
}

struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    /// Hosts and domains that are asked without a proxy.
    without: Vec<String>,
}

impl Client {
    /// Reads certificates and netrc; connects to nothing yet.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let proxy = |text: &Option<String>| match text
            .as_deref()
            .filter(|text| !text.trim().is_empty())
        {
            None => Ok(None),
            // The crate's reason is dropped, because the address may hold a password.
            Some(text) => Proxy::new(text.trim()).map(Some).map_err(|_| {
                Error::usage("the address of the proxy cannot be read: write `http://host:port`")
            }),
        };
        let without = settings.no_proxy.as_deref().unwrap_or_default();
        let proxies = Proxies {
            http: proxy(&settings.http_proxy)?,
            https: proxy(&settings.https_proxy)?,
            without: without
                .split([',', ' '])
                .filter(|name| !name.is_empty())
                .map(str::to_lowercase)
                .collect(),
        };
        // The file is other programs' too: an entry that is not UTF-8 must not hide the others.
        let netrc = match &settings.netrc {
            Some(path) if fs::stat(path)?.is_some() => Netrc::parse(&String::from_utf8_lossy(
                &fs::read_to_limit(path, MOST_NETRC_BYTES)?,
            )),
            _ => Netrc::default(),
        };
        let make = Box::new(agents(settings, roots(settings)?));
        Ok(Self {
            routes: Mutex::new(Routes::new(&*make, &proxies)),
            make,
            proxies,
            netrc,
        })
    }

    /// Ends every connection, so that threads that wait for an answer or a body fail at once. Later
    /// requests fail too, unless `renew` is set.
    pub(super) fn hang_up(&self, renew: bool) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let old = routes.clone();
        if renew {
            *routes = Routes::new(&*self.make, &self.proxies);
        }
        // Each request takes its agent under this lock and must not wait for sockets to close.
        drop(routes);
        let agents = [Some(old.direct), old.http, old.https];
        agents.into_iter().flatten().for_each(Agent::shutdown);
    }

    /// Makes a request, follows redirects, and returns the first answer that is no redirect. Its
    /// status may be that of a failure.
    pub(super) fn get(
        &self,
        url: &Url,
        headers: &RequestHeaders,
        cancel: &Cancel,
    ) -> std::result::Result<Response, FetchError> {
        let label = label_of(url);
        let mut at = url.clone();
        let mut seen = Vec::new();
        loop {
            if !matches!(at.scheme(), "http" | "https") || at.host_str().is_none() {
                let why = "its address is neither `http` nor `https`";
                return Err(Error::network(NetworkFault::Address, &label, why).into());
            }
            let request = self.request(&at, self.authorization(url, &at), headers);
            // The agent is taken already. In the other order a request that is cancelled in between
            // could get a renewed agent, which that `hang_up` does not end.
            cancel.check()?;
            let response = request.call().map_err(|error| {
                // A request that another thread broke off is a cancelled one, not a failed one.
                let cancelled = cancel.check().err().map(FetchError::Fatal);
                cancelled.unwrap_or_else(|| FetchError::of(error, &at, &label))
            })?;
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

    /// The value of `Authorization` for a request to `at`, to which `asked` was redirected. The
    /// credentials of `asked` go to its own origin only; the netrc file has logins by host.
    fn authorization(&self, asked: &Url, at: &Url) -> Option<String> {
        // An origin includes the port: another program may listen on another port of the host.
        let own = login_of(asked).filter(|_| asked.origin() == at.origin());
        let login = own.or_else(|| self.netrc.login(at.host_str()?).cloned())?;
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
    ) -> ureq::RequestBuilder<ureq::typestate::WithoutBody> {
        let request = self.agent(url).get(request_url(url).as_str());
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, value.as_str())
        });
        match authorization {
            Some(value) => request.header("Authorization", value),
            None => request,
        }
    }

    fn agent(&self, url: &Url) -> Agent {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let proxied = if url.scheme() == "https" {
            &routes.https
        } else {
            &routes.http
        };
        match proxied {
            Some(agent) if !self.proxies.leave_out(url.host_str().unwrap_or_default()) => {
                agent.clone()
            }
            _ => routes.direct.clone(),
        }
    }
}

impl Routes {
    fn new(make: &dyn Fn(Option<Proxy>) -> Agent, proxies: &Proxies) -> Self {
        let proxied = |proxy: &Option<Proxy>| proxy.as_ref().map(|proxy| make(Some(proxy.clone())));
        Self {
            direct: make(None),
            http: proxied(&proxies.http),
            https: proxied(&proxies.https),
        }
    }
}

impl Proxies {
    /// Whether `host`, or a domain above it, is to be asked without a proxy.
    fn leave_out(&self, host: &str) -> bool {
        // URLs have brackets around IPv6 addresses, lists of exceptions have none.
        let host = host.trim_matches(['[', ']']);
        self.without.iter().any(|name| {
            let name = name.trim_start_matches('*').trim_start_matches('.');
            name.is_empty()
                || host == name
                || host
                    .strip_suffix(name)
                    .is_some_and(|rest| rest.ends_with('.'))
        })
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
    let (connect, stall) = (settings.connect_timeout, settings.stall_timeout);
    let user_agent = settings.user_agent.clone();
    move |proxy| {
        // Redirects are followed in `get`, which keeps credentials from other origins. No timeout
        // covers a whole body: a large file on a slow line may take hours.
        Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .tls_config(tls.clone())
            .user_agent(user_agent.as_str())
            .max_idle_connections(connections)
            .max_idle_connections_per_host(connections)
            .timeout_resolve(Some(connect))
            .timeout_connect(Some(connect))
            .timeout_send_request(Some(stall))
            .timeout_recv_response(Some(stall))
            .timeout_per_read(Some(stall))
            .build()
            .into()
    }
}

/// The certificate authorities to trust.
fn roots(settings: &Settings) -> Result<RootCerts> {
    let Some(path) = &settings.certificates else {
        return Ok(RootCerts::PlatformVerifier);
    };
    let text = fs::read_to_limit(path, MOST_CERTIFICATE_BYTES)?;
    // Such files may hold keys beside certificates, so only an empty result is an error.
    let found = parse_pem(&text).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        return Err(Error::usage(format!(
            "`{}` holds no certificate in PEM form",
            path.display()
        )));
    }
    Ok(RootCerts::Specific(Arc::new(found)))
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
    fn hosts_and_the_domains_above_them_are_left_out_of_proxies() {
        let without = |text: &str| Proxies {
            http: None,
            https: None,
            without: text.split(',').map(str::to_lowercase).collect(),
        };
        for (text, host, left_out) in [
            ("localhost,example.org", "example.org", true),
            ("example.org", "files.example.org", true),
            (".example.org", "files.example.org", true),
            ("*.example.org", "files.example.org", true),
            ("example.org", "badexample.org", false),
            ("::1", "[::1]", true),
            ("*", "anything", true),
            ("127.0.0.1", "127.0.0.11", false),
        ] {
            assert_eq!(without(text).leave_out(host), left_out, "{text} {host}");
        }
    }

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
